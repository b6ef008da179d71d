//! Looking at what is where, without changing it: from any process, with or without a worker.

use std::fmt;
use std::sync::Arc;

use crate::broker::{Broker, Entry, JobSet, QueueSize, Stats};
use crate::client::Client;
use crate::clock::Timestamp;
use crate::error::BrokerError;
use crate::job::{Payload, PayloadError};

/// The reading side of a client.
///
/// # Examples
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// #[kiq::job(queue = "mail")]
/// async fn send_welcome(user_id: u64) { let _ = user_id; }
///
/// let client = kiq::Client::in_memory();
/// let _ = SendWelcome::enqueue(7).on(&client).await?;
///
/// let inspector = kiq::Inspector::new(&client);
/// assert_eq!(inspector.stats().await?.enqueued, 1);
/// let next = &inspector.queue("mail", 0, 10).await?[0];
/// assert_eq!(next.payload.as_ref().map(|job| job.class().to_owned()), Ok("SendWelcome".to_owned()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Inspector {
    broker: Arc<dyn Broker>,
}

impl Inspector {
    /// Looks at what `client` enqueues into.
    pub fn new(client: &Client) -> Self {
        Inspector { broker: Arc::clone(client.broker()) }
    }

    /// The totals, all of one instant. In Redis: one transaction of one command a queue and two a process, and eight more;
    /// twice, as a rule, because the first finds out which queues and processes there are.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn stats(&self) -> Result<Stats, BrokerError> {
        self.broker.stats().await
    }

    /// All queues that were ever pushed to, by name. In Redis: one command a queue and one more.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn queues(&self) -> Result<Vec<QueueSize>, BrokerError> {
        self.broker.queues().await
    }

    /// At most `take` jobs of a queue after the first `skip`, the one that runs next first. One command in Redis.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn queue(&self, name: &str, skip: usize, take: usize) -> Result<Vec<Found>, BrokerError> {
        let page = self.broker.queue_page(name, skip, take).await?;
        Ok(page.into_iter().map(|bytes| Found::new(None, bytes)).collect())
    }

    /// At most `take` jobs of a set after the first `skip`, the earliest first. One command in Redis.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn set(&self, set: JobSet, skip: usize, take: usize) -> Result<Vec<Found>, BrokerError> {
        let page = self.broker.set_page(set, skip, take).await?;
        Ok(page.into_iter().map(|Entry { at, payload }| Found::new(Some(at), payload)).collect())
    }
}

impl fmt::Debug for Inspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inspector({})", self.broker.place())
    }
}

/// A job where it was found, or what stood there instead.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Found {
    /// When it is due, is tried again, or died; `None` in a queue.
    pub at: Option<Timestamp>,
    /// The job, or why it is none.
    pub payload: Result<Payload, PayloadError>,
    /// The bytes as stored.
    pub bytes: Vec<u8>,
}

impl Found {
    fn new(at: Option<Timestamp>, bytes: Vec<u8>) -> Self {
        Found { at, payload: Payload::parse(&bytes), bytes }
    }
}
