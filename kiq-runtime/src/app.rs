//! What an application adds to kiq, in one value: for its clients, its workers and its tests.

use std::fmt;

use crate::client::{Client, EnqueueChain, EnqueueMiddleware};
use crate::job::State;
use crate::middleware::{RunChain, RunMiddleware};

/// What an application adds to kiq: middleware around enqueues and runs, and shared state.
///
/// Made in one function that the program and its tests call, so that what is on in production is on in tests. Given to a client
/// with [`Client::with_app`] and to a worker with `Worker::builder().app(&app)`. Cheap to clone.
///
/// # Examples
/// ```standalone_crate
/// use kiq::{App, Client, JobContext, JobResult, NextRun, Worker};
///
/// #[kiq::job]
/// async fn send_welcome(user_id: u64) { let _ = user_id; }
///
/// async fn announce(cx: JobContext, next: NextRun) -> JobResult {
///     println!("{} begins", cx.class());
///     next.run(cx).await
/// }
///
/// fn app() -> App {
///     App::new().run_middleware(announce)
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::in_memory().with_app(&app());
/// let worker = Worker::builder().client(client).app(&app()).build()?;
/// # let _ = worker;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
#[must_use = "an App does nothing until it is given to a client or a worker"]
pub struct App {
    pub(crate) around_enqueues: EnqueueChain,
    pub(crate) around_runs: RunChain,
    pub(crate) state: State,
}

impl App {
    /// Nothing added.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shared state for parameters `Data<T>`; one value per type.
    pub fn data<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.state.insert(value);
        self
    }

    /// Wraps every run, inside of what was added before: the first added is the outermost.
    pub fn run_middleware<M: RunMiddleware>(mut self, middleware: M) -> Self {
        self.around_runs.wrap(middleware, false);
        self
    }

    /// Wraps every run, around all that was added before.
    pub fn outermost_run_middleware<M: RunMiddleware>(mut self, middleware: M) -> Self {
        self.around_runs.wrap(middleware, true);
        self
    }

    /// Wraps every enqueue, inside of what was added before: the first added is the outermost.
    pub fn enqueue_middleware<M: EnqueueMiddleware>(mut self, middleware: M) -> Self {
        self.around_enqueues.wrap(middleware, false);
        self
    }

    /// Wraps every enqueue, around all that was added before.
    pub fn outermost_enqueue_middleware<M: EnqueueMiddleware>(mut self, middleware: M) -> Self {
        self.around_enqueues.wrap(middleware, true);
        self
    }

    /// Takes out the middleware of that name: the name of its function or struct, without its path. All of that name, around
    /// runs and enqueues; closures are named `{{closure}}`.
    ///
    /// # Errors
    /// When there is none of that name, so that a renamed one is not left in by mistake.
    ///
    /// # Examples
    /// ```
    /// # use kiq::{App, JobContext, JobResult, NextRun};
    /// async fn announce(cx: JobContext, next: NextRun) -> JobResult {
    ///     next.run(cx).await
    /// }
    ///
    /// let app = App::new().run_middleware(announce).without("announce")?;
    /// assert!(app.middleware().is_empty());
    /// assert!(app.without("anounce").is_err());
    /// # Ok::<(), kiq::NoSuchMiddleware>(())
    /// ```
    pub fn without(mut self, name: &str) -> Result<Self, NoSuchMiddleware> {
        let known = self.middleware();
        let of_runs = self.around_runs.remove(name);
        let of_enqueues = self.around_enqueues.remove(name);
        if of_runs || of_enqueues {
            return Ok(self);
        }
        Err(NoSuchMiddleware { name: name.to_owned(), known: known.join(", ") })
    }

    /// The names of its middleware: those around enqueues, then those around runs, each outermost first.
    pub fn middleware(&self) -> Vec<&'static str> {
        let mut names = self.around_enqueues.names();
        names.extend(self.around_runs.names());
        names
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("around_enqueues", &self.around_enqueues)
            .field("around_runs", &self.around_runs)
            .field("state", &self.state)
            .finish()
    }
}

/// An [`App`] has no middleware of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no middleware is named {name:?}; those there are: {known}")]
pub struct NoSuchMiddleware {
    name: String,
    known: String,
}

impl Client {
    /// The same client with the middleware of `app` around its enqueues, in place of what it had.
    #[must_use]
    pub fn with_app(self, app: &App) -> Self {
        self.with_middleware(app.around_enqueues.clone())
    }
}
