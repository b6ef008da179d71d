//! What all requests share.

use std::sync::Arc;

use kiq_runtime::inspect::Inspector;
use kiq_runtime::job::Registry;
use tokio::sync::Semaphore;

use crate::asked::Asked;
use crate::auth::Permits;
use crate::dashboard::Limits;
use crate::numbers::Numberer;
use crate::sampler::Sampler;
use crate::view::Masks;

/// Requests that run at a time.
const IN_FLIGHT: usize = 64;

/// Streams that are open at a time.
const STREAMS: usize = 64;

/// What all requests share: `State<Shared>` in a handler.
pub(crate) type Shared = Arc<App>;

/// What all requests share.
pub(crate) struct App {
    /// Reads and acts. What a page needs and it lacks is added there: nothing here knows what lies in Redis.
    pub(crate) inspector: Inspector,
    /// What all pages show, read once for all of them.
    pub(crate) sampler: Sampler,
    /// What processes were asked to do from here.
    pub(crate) asked: Asked,
    /// What the pages of numbers show, read once for all of them.
    pub(crate) numbers: Numberer,
    /// The jobs that this program knows.
    pub(crate) jobs: Registry,
    /// Who may do what.
    pub(crate) permits: Permits,
    /// What is not shown of arguments.
    pub(crate) masks: Masks,
    /// What is a problem.
    pub(crate) limits: Limits,
    /// The badge beside the name: `PROD`; empty for none.
    pub(crate) environment: String,
    /// The names it answers to.
    pub(crate) hosts: Hosts,
    /// How many requests may still come.
    pub(crate) slots: Semaphore,
    /// How many streams may still come.
    pub(crate) streams: Arc<Semaphore>,
}

/// The names that the dashboard answers to.
pub(crate) enum Hosts {
    /// All: who looks has to say who they are, and a browser says that only to the name it was told to.
    Any,
    /// Addresses, this machine's own names, and those given here. Else a page of somebody else could have its name lead here
    /// (DNS rebinding), and read.
    Known(Vec<String>),
}

impl App {
    pub(crate) fn slots() -> Semaphore {
        Semaphore::new(IN_FLIGHT)
    }

    pub(crate) fn streams() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(STREAMS))
    }
}
