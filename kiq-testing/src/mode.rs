//! The three modes of a test: fake, inline, real. Each is a value, and holds until it is dropped.

use std::fmt;
use std::ops::Deref;

use kiq_runtime::Timestamp;
use kiq_runtime::app::App;
use kiq_runtime::client::Client;
use kiq_runtime::client::ambient::{Ambient, Entered};
use kiq_runtime::worker::WorkerBuilder;

use crate::fake::Fake;

// What this crate is linked into is a test, wherever its file is.
kiq_runtime::__testing_tool!();

/// Keeps the jobs of this test in memory, for it to look at and to run: the mode to begin with.
///
/// It holds in the tokio runtime it is called in (every `#[tokio::test]` has its own), with all tasks and blocking threads of
/// it; outside of a runtime, in this thread. Other tests have jobs of their own, also when they run at the same time. An enqueue
/// that no mode covers is [`NoTestMode`](kiq_runtime::client::EnqueueError::NoTestMode), never a job in a real store.
///
/// # Panics
/// When a mode holds here already. Tests that share a runtime use [`Fake::detached`].
///
/// # Examples
/// ```standalone_crate
/// use kiq_testing::assert_enqueued;
///
/// #[kiq::job(queue = "mail")]
/// async fn send_welcome(user_id: u64) { println!("welcome, user {user_id}"); }
///
/// async fn sign_up() -> Result<(), kiq::EnqueueError> { // the program's own code
///     SendWelcome::enqueue(7).await?;
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let kiq = kiq_testing::fake(); // in a `#[tokio::test]`
/// sign_up().await?;
/// assert_enqueued!(SendWelcome { user_id: 7 } in "mail");
///
/// kiq.drain_all().await?;
/// assert!(kiq.is_empty());
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn fake() -> Mode {
    Mode::enter(Fake::detached())
}

/// Runs each job of this test where it is enqueued, before the enqueue returns; so are jobs with a delay, and jobs that jobs
/// enqueue. A job that fails makes its enqueue fail
/// ([`FailedInline`](kiq_runtime::client::EnqueueError::FailedInline)); it is then among the retries, as after a worker's run.
///
/// Holds as [`fake`] does, and panics as it does.
///
/// # Examples
/// ```standalone_crate
/// # use std::sync::atomic::{AtomicU64, Ordering};
/// static WELCOMED: AtomicU64 = AtomicU64::new(0);
///
/// #[kiq::job]
/// async fn send_welcome(user_id: u64) { WELCOMED.store(user_id, Ordering::Relaxed); }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let _kiq = kiq_testing::inline();
/// SendWelcome::enqueue(7).await?;
/// assert_eq!(WELCOMED.load(Ordering::Relaxed), 7);
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn inline() -> Mode {
    Mode::enter(Fake::inline())
}

/// Lets the enqueues of this test go to `client`: a real store, of a server of the test's own ([`redis`](crate::redis)).
///
/// Holds as [`fake`] does, and panics as it does.
///
/// # Examples
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// #[kiq::job]
/// async fn send_welcome(user_id: u64) { let _ = user_id; }
///
/// let server = kiq_testing::redis();
/// let client = kiq::Client::connect(&server.url())?;
/// let _kiq = kiq_testing::real(&client);
///
/// SendWelcome::enqueue(7).await?;
/// assert_eq!(kiq::Inspector::new(&client).stats().await?.enqueued, 1);
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn real(client: &Client) -> Real {
    Real { _entered: entered(Ambient { client: client.clone(), tool: std::sync::Arc::new(()) }) }
}

/// The jobs of the test this is called in, for helpers that are not given them.
///
/// # Panics
/// When neither [`fake`] nor [`inline`] holds here.
#[track_caller]
#[expect(clippy::panic, reason = "a test without a mode has failed")]
pub fn current() -> Fake {
    match Ambient::here() {
        None => panic!("no mode holds here; begin the test with `let kiq = kiq_testing::fake();` and keep `kiq`"),
        Some(ambient) => match ambient.tool.downcast_ref::<Fake>() {
            Some(fake) => fake.clone(),
            None => panic!("this test is `real`: its jobs are in {:?}; look with `kiq::Inspector`", ambient.client),
        },
    }
}

#[track_caller]
#[expect(clippy::panic, reason = "a test with two modes has failed")]
fn entered(ambient: Ambient) -> Entered {
    match ambient.enter() {
        Some(entered) => entered,
        None => panic!(
            "a mode holds here already; a test has one. Drop the first, or, when several tests share this tokio runtime, use \
             `kiq_testing::Fake::detached()` and `.scope(future)`"
        ),
    }
}

/// [`fake`] or [`inline`], as long as it lives. All of [`Fake`] is done through it.
#[must_use = "the mode ends when this is dropped: `let kiq = kiq_testing::fake();`"]
pub struct Mode {
    fake: Fake,
    entered: Option<Entered>,
}

impl Mode {
    #[track_caller]
    fn enter(fake: Fake) -> Self {
        Mode { entered: Some(entered(fake.ambient())), fake }
    }

    /// What the program adds to its clients and workers: middleware around enqueues and runs, state. Made by the function that
    /// the program calls too, so that what is on in production is on in tests.
    pub fn app(mut self, app: &App) -> Self {
        self.fake.adopt(app);
        // The first is left before the other is entered.
        self.entered = None;
        self.entered = Some(entered(self.fake.ambient()));
        self
    }

    /// Shared state for the jobs' parameters `Data<T>`; one value per type. A job that asks for state that is not there fails.
    pub fn data<T: Send + Sync + 'static>(self, value: T) -> Self {
        self.fake.plan(|worker| worker.data(value));
        self
    }

    /// The program's own worker in place of a plain one: with its state, middleware and retry rules. Give it before
    /// [`app`](Mode::app) and [`data`](Mode::data). Its client, queues and numbers are not used.
    ///
    /// # Panics
    /// After one of those: what they set would be gone.
    #[track_caller]
    pub fn worker(self, worker: WorkerBuilder) -> Self {
        self.fake.plan_with(worker);
        self
    }

    /// Starts the clock there. By default it stands at the present, in whole seconds.
    pub fn starting(self, at: impl Into<Timestamp>) -> Self {
        self.fake.inner.hand.set(at.into());
        self
    }

    /// Lets the clock go as tokio's does, in both directions: for a test whose tokio time is paused (`start_paused = true`).
    /// What sleeps moves kiq's clock, and [`Fake::advance`] moves tokio's, which panics when that is not paused.
    pub fn with_tokio_time(self) -> Self {
        self.fake.inner.hand.follow_tokio();
        self
    }
}

impl Deref for Mode {
    type Target = Fake;
    fn deref(&self) -> &Fake {
        &self.fake
    }
}

impl fmt::Debug for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fake.fmt(f)
    }
}

/// [`real`], as long as it lives.
#[derive(Debug)]
#[must_use = "the mode ends when this is dropped: `let _kiq = kiq_testing::real(&client);`"]
pub struct Real {
    _entered: Entered,
}
