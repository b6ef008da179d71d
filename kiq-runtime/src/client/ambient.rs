//! Which client an enqueue uses that names none: that of the test it runs in, else that of the process.
//!
//! A test's client is found by where the enqueue happens: the task it was put around, else the tokio runtime (every
//! `#[tokio::test]` has one of its own, so spawned tasks and blocking threads of it are covered), else the thread. In a test
//! (`in_test.rs`) the process's client is not used at all: one that forgot its mode gets an error, and never a real store.

use std::any::Any;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};
use std::thread::ThreadId;

use tokio::runtime::{self, Handle};

#[cfg(feature = "testing")]
use super::in_test::is_a_test;
use super::{Client, EnqueueError};

static OF_THE_PROCESS: RwLock<Option<Client>> = RwLock::new(None);

static OF_TESTS: LazyLock<RwLock<HashMap<Place, Ambient>>> = LazyLock::new(RwLock::default);

/// How many there are, so that a program without any pays one load.
static HOW_MANY: AtomicUsize = AtomicUsize::new(0);

tokio::task_local! {
    static OF_THE_TASK: Ambient;
}

/// Makes `client` the one that enqueues of this process use when they name none. Calling it again replaces it.
///
/// In the tests, benchmarks and documentation examples of a package that has `kiq-testing` among its dev-dependencies it is not
/// used: there a test says which jobs are whose (`kiq_testing::fake()`, `kiq_testing::real(&client)`), and one that says nothing
/// gets [`EnqueueError::NoTestMode`]. Programs that a test runs use it as ever.
pub fn init(client: Client) {
    *OF_THE_PROCESS.write().unwrap_or_else(PoisonError::into_inner) = Some(client);
}

/// The client of the test this runs in, else the one given to [`init`].
///
/// # Errors
/// [`EnqueueError::NoClient`] when there is none; [`EnqueueError::NoTestMode`] in a test that has said nothing.
pub fn default_client() -> Result<Client, EnqueueError> {
    if let Some(ambient) = Ambient::here() {
        return Ok(ambient.client);
    }
    if is_a_test() {
        return Err(EnqueueError::NoTestMode);
    }
    OF_THE_PROCESS.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or(EnqueueError::NoClient)
}

/// What a testing tool puts around a test: the client its enqueues use, and a value of the tool's own.
#[derive(Clone)]
pub struct Ambient {
    /// What enqueues use that name no client.
    pub client: Client,
    /// What the tool wants to find again.
    pub tool: Arc<dyn Any + Send + Sync>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    Runtime(runtime::Id),
    Thread(ThreadId),
}

impl Place {
    fn of_the_thread() -> Self {
        Place::Thread(std::thread::current().id())
    }
}

impl Ambient {
    /// What holds here.
    pub fn here() -> Option<Ambient> {
        if HOW_MANY.load(Ordering::Acquire) == 0 {
            return None;
        }
        if let Ok(ambient) = OF_THE_TASK.try_with(Ambient::clone) {
            return Some(ambient);
        }
        let places = OF_TESTS.read().unwrap_or_else(PoisonError::into_inner);
        let of_the_runtime =
            || Handle::try_current().ok().and_then(|handle| places.get(&Place::Runtime(handle.id())).cloned());
        of_the_runtime().or_else(|| places.get(&Place::of_the_thread()).cloned())
    }

    /// Holds in the tokio runtime this is called in, or outside of one in this thread, until the answer is dropped. `None`:
    /// something holds here already.
    pub fn enter(self) -> Option<Entered> {
        if Ambient::here().is_some() {
            return None;
        }
        let place = Handle::try_current().map_or_else(|_| Place::of_the_thread(), |handle| Place::Runtime(handle.id()));
        // Another task of this runtime may enter at the same moment.
        match OF_TESTS.write().unwrap_or_else(PoisonError::into_inner).entry(place) {
            Entry::Occupied(_) => return None,
            Entry::Vacant(free) => {
                free.insert(self);
            }
        }
        HOW_MANY.fetch_add(1, Ordering::AcqRel);
        Some(Entered { place })
    }

    /// Holds in `future`, and not in tasks that it spawns.
    pub async fn around<F: Future>(self, future: F) -> F::Output {
        HOW_MANY.fetch_add(1, Ordering::AcqRel);
        let _counted = Counted;
        OF_THE_TASK.scope(self, future).await
    }
}

impl fmt::Debug for Ambient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ambient({:?})", self.client)
    }
}

/// As long as this lives, its [`Ambient`] holds.
#[derive(Debug)]
#[must_use = "what was entered is left when this is dropped"]
pub struct Entered {
    place: Place,
}

impl Drop for Entered {
    fn drop(&mut self) {
        OF_TESTS.write().unwrap_or_else(PoisonError::into_inner).remove(&self.place);
        drop(Counted);
    }
}

struct Counted;

impl Drop for Counted {
    fn drop(&mut self) {
        HOW_MANY.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(not(feature = "testing"))]
fn is_a_test() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    /// Only one of several tasks that begin a mode in one runtime at the same moment has it.
    #[test]
    fn of_tasks_that_enter_at_once_one_does() {
        const TASKS: usize = 4;
        const ROUNDS: usize = 10_000;
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let (together, entered) = (Barrier::new(TASKS), AtomicUsize::new(0));
        let task = || {
            let _inside = runtime.enter();
            for round in 1..=ROUNDS {
                let ambient = Ambient { client: Client::in_memory(), tool: Arc::new(()) };
                together.wait();
                let held = ambient.enter();
                entered.fetch_add(usize::from(held.is_some()), Ordering::AcqRel);
                together.wait();
                assert_eq!(entered.load(Ordering::Acquire), round);
                drop(held);
                together.wait();
            }
        };

        std::thread::scope(|scope| (0..TASKS).for_each(|_| drop(scope.spawn(task))));

        assert!(Ambient::here().is_none());
    }
}
