//! A gopher chews through the power cable: a job is stopped at each of its awaits, run again, and must come out the same.

mod difference;
mod trial;

use std::fmt::{self, Debug};
use std::time::Duration;

use kiq_runtime::app::App;
use kiq_runtime::awaits::Stop;
use kiq_runtime::client::ambient::Ambient;
use kiq_runtime::job::{Job, Perform};
use kiq_runtime::worker::{Worker, WorkerBuilder};
use serde_json::value::RawValue;

pub use difference::{Disturbance, GopherError};

use trial::{Failed, Trial, Why};

/// Places in one job before the gopher gives up: a job with more has a loop that a test should make shorter.
pub const MOST_PLACES: usize = 2_000;

/// Real time that one run of a job, and of all it leads to, may take. [`Gopher::time_limit`] sets another.
pub const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Tests that `job` can be stopped anywhere and run again: what a crash, a deploy or a timeout does to it.
///
/// It runs the job undisturbed, and then once for each place where it could be stopped. There the job's future is dropped, which
/// *is* a crash: nothing behind that place happens. The job runs again from its start with the same id, all jobs it enqueued
/// run, and the state must be that of the undisturbed run. The first place where it is not is answered, with file and line.
///
/// - **crash**: the process dies; the lease runs out, another process takes the job.
/// - **cancel**: the job's time is up there; it fails, and its retry runs.
/// - **twice**: the whole job runs, and is delivered again.
///
/// Places are before and after each `.await` in the job's own body, and wherever it really waits inside of one. Awaits inside of
/// macro calls (`tokio::join!`, `select!`) are seen only when they wait. Blocking functions (`fn`) cannot be stopped: they are
/// run twice. What happens without an await in between is one piece; a power cut there is not tried.
///
/// # Examples
/// ```standalone_crate
/// use kiq::Data;
/// use std::sync::{Arc, Mutex};
///
/// #[derive(Clone, Debug, Default)]
/// struct Bank(Arc<Mutex<Vec<u64>>>);
/// impl Bank {
///     async fn charge(&self, order_id: u64) { self.0.lock().unwrap().push(order_id); }
///     async fn charges(&self) -> Vec<u64> { self.0.lock().unwrap().clone() }
/// }
///
/// /// Charges once, whatever happens to it in between.
/// #[kiq::job]
/// async fn charge_once(order_id: u64, bank: Data<Bank>) {
///     if !bank.charges().await.contains(&order_id) {
///         bank.charge(order_id).await;
///     }
/// }
///
/// /// Charges again when it is run again.
/// #[kiq::job]
/// async fn charge(order_id: u64, bank: Data<Bank>) {
///     bank.charge(order_id).await;
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // In a test, with a world of its own for each run, and a look at it afterwards.
/// let well = kiq_testing::gopher(ChargeOnce::new(7)).world(async || Bank::default()).state(async |bank| bank.charges().await);
/// assert!(well.check().await?.places > 0);
///
/// let badly = kiq_testing::gopher(Charge::new(7)).world(async || Bank::default()).state(async |bank| bank.charges().await);
/// let error = badly.check().await.unwrap_err();
/// assert!(error.to_string().starts_with("Charge(7): a crash after the await at "), "{error}");
/// # Ok(())
/// # }
/// ```
pub fn gopher<J: Perform>(job: J) -> Gopher<J> {
    Gopher { job, own_awaits_only: false, time_limit: TIME_LIMIT }
}

/// A job to be gnawed at, and how.
#[derive(Debug)]
#[must_use = "nothing is tried until `check` is awaited"]
pub struct Gopher<J> {
    job: J,
    own_awaits_only: bool,
    time_limit: Duration,
}

impl<J: Perform> Gopher<J> {
    /// Stops only before and after the `.await`s in the job's own body, and not where it waits inside of them: fewer runs, for
    /// a job that waits for real sockets or long.
    pub fn own_awaits_only(mut self) -> Self {
        self.own_awaits_only = true;
        self
    }

    /// How long one run, of the job and all it leads to, may take before it is said to hang: a job that was stopped may wait, the
    /// second time, for what comes only once. Real time, also where tokio's is paused. Default: [`TIME_LIMIT`].
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// What the job works on: made new for each run. It is a handle, whose clones share what is behind it, and is supplied to
    /// jobs as `Data<W>`; for state of other types see [`worker`](GopherIn::worker).
    pub fn world<W, M>(self, make: M) -> GopherIn<J, W, M>
    where
        W: Clone + Send + Sync + 'static,
        M: AsyncFn() -> W,
    {
        let worker = Box::new(|world: &W| Worker::builder().data(world.clone()));
        GopherIn { gopher: self, make, worker, app: Box::new(|_| App::new()) }
    }
}

/// A job and its world.
#[must_use = "nothing is tried until `check` is awaited"]
pub struct GopherIn<J, W, M> {
    gopher: Gopher<J>,
    make: M,
    worker: Box<dyn Fn(&W) -> WorkerBuilder>,
    app: Box<dyn Fn(&W) -> App>,
}

impl<J: Perform, W, M: AsyncFn() -> W> GopherIn<J, W, M> {
    /// The program's own worker, with what it supplies from this world. By default a plain one with `Data<W>`.
    pub fn worker(mut self, worker: impl Fn(&W) -> WorkerBuilder + 'static) -> Self {
        self.worker = Box::new(worker);
        self
    }

    /// What the program adds to its clients and workers, with state from this world.
    pub fn app(mut self, app: impl Fn(&W) -> App + 'static) -> Self {
        self.app = Box::new(app);
        self
    }

    /// What is compared: everything that matters about the world after a run, and nothing that differs between two good ones
    /// (random ids, times).
    pub fn state<S, L>(self, look: L) -> GopherReady<J, W, M, L>
    where
        S: PartialEq + Debug,
        L: AsyncFn(&W) -> S,
    {
        GopherReady { inside: self, look }
    }
}

/// A job, its world, and what is compared.
#[must_use = "nothing is tried until `check` is awaited"]
pub struct GopherReady<J, W, M, L> {
    inside: GopherIn<J, W, M>,
    look: L,
}

/// What was tried, when all of it came out the same.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gnawed {
    /// Places where the job was stopped.
    pub places: usize,
    /// Runs of the job and all that it led to, the undisturbed ones included.
    pub trials: usize,
}

impl<J: Perform, W, M: AsyncFn() -> W, L> GopherReady<J, W, M, L> {
    /// Tries it all. It sets up a [`fake`](crate::fake) for each run, so the test has no mode of its own meanwhile.
    ///
    /// # Errors
    /// [`GopherError`]: the first thing that did not come out the same, or what kept it from being tried.
    pub async fn check<S>(self) -> Result<Gnawed, GopherError>
    where
        S: PartialEq + Debug,
        L: AsyncFn(&W) -> S,
    {
        let args = self.inside.gopher.job.to_args();
        let args = args.map_err(|error| GopherError::undisturbed(J::NAME.to_owned(), error.to_string()))?;
        let job = called::<J>(&args);
        if Ambient::here().is_some() {
            return Err(GopherError::InAMode { job });
        }
        let undisturbed = |failed: Failed| {
            let reason = match failed.why {
                Why::Fails(reason) => reason,
                Why::Hangs => format!("it has not ended within {:?} of real time", self.inside.gopher.time_limit),
            };
            GopherError::undisturbed(job.clone(), reason)
        };
        let first = self.run(&args, Disturbance::None).await.map_err(undisturbed)?;
        let second = self.run(&args, Disturbance::None).await.map_err(undisturbed)?;
        let expected = first.state;
        if second.state != expected {
            return Err(GopherError::Unsteady { difference: difference::between(&expected, &second.state), job });
        }
        if first.places == 0 && !first.has_blocked {
            return Err(GopherError::NoPlaces { job });
        }
        if first.places > MOST_PLACES {
            return Err(GopherError::TooManyPlaces { job });
        }
        let mut gnawed = Gnawed { places: 0, trials: 2 };
        for number in 0.. {
            let is_stopped = self.gnaw_at(number, &args, &expected, &mut gnawed.trials).await?;
            // How often a job waits for real things is luck: a run with fewer places than the first is not the end of them.
            if !is_stopped && number >= first.places {
                break;
            }
            gnawed.places += usize::from(is_stopped);
            if number > MOST_PLACES {
                return Err(GopherError::TooManyPlaces { job });
            }
        }
        self.try_out(Disturbance::Twice, &args, &expected).await?;
        gnawed.trials += 1;
        Ok(gnawed)
    }

    /// Stops the job there in both ways. Answers whether there is such a place.
    async fn gnaw_at<S>(
        &self,
        number: usize,
        args: &RawValue,
        expected: &Option<S>,
        trials: &mut usize,
    ) -> Result<bool, GopherError>
    where
        S: PartialEq + Debug,
        L: AsyncFn(&W) -> S,
    {
        for how in [Disturbance::Crash(number), Disturbance::Cancel(number)] {
            *trials += 1;
            if !self.try_out(how, args, expected).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Runs it once and compares. Answers whether it was stopped.
    async fn try_out<S>(&self, how: Disturbance, args: &RawValue, expected: &Option<S>) -> Result<bool, GopherError>
    where
        S: PartialEq + Debug,
        L: AsyncFn(&W) -> S,
    {
        let job = || called::<J>(args);
        match self.run(args, how).await {
            Ok(Ended { state, stop, .. }) if state == *expected || state.is_none() => Ok(stop.is_some()),
            Ok(Ended { state, stop, .. }) => {
                Err(GopherError::Differs { job: job(), how, stop, difference: difference::between(expected, &state) })
            }
            Err(Failed { stop, why: Why::Fails(reason) }) => Err(GopherError::Fails { job: job(), how, stop, reason }),
            Err(Failed { stop, why: Why::Hangs }) => {
                Err(GopherError::Hangs { job: job(), how, stop, limit: self.inside.gopher.time_limit })
            }
        }
    }

    async fn run<S>(&self, args: &RawValue, how: Disturbance) -> Result<Ended<S>, Failed>
    where
        L: AsyncFn(&W) -> S,
    {
        let world = (self.inside.make)().await;
        let worker = || (self.inside.worker)(&world);
        let trial = Trial::<J>::new(args, how, self.inside.gopher.own_awaits_only, self.inside.gopher.time_limit);
        let ended = trial.run(&(self.inside.app)(&world), &worker).await?;
        let state = match ended.has_ended_early {
            true => None,
            false => Some((self.look)(&world).await),
        };
        Ok(Ended { state, stop: ended.stop, places: ended.places, has_blocked: ended.has_blocked })
    }
}

/// How a run ended that nothing was wrong with.
struct Ended<S> {
    /// `None`: stopped there, the job is not run again, as its own rules say.
    state: Option<S>,
    stop: Option<Stop>,
    places: usize,
    has_blocked: bool,
}

/// The job as it is called in messages: `Charge(7)`.
fn called<J: Job>(args: &RawValue) -> String {
    let args = args.get();
    let args = args.strip_prefix('[').and_then(|args| args.strip_suffix(']')).unwrap_or(args);
    format!("{}({args})", J::NAME)
}

impl<J, W, M> fmt::Debug for GopherIn<J, W, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GopherIn")
    }
}

impl<J, W, M, L> fmt::Debug for GopherReady<J, W, M, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GopherReady")
    }
}
