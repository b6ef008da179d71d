//! Waiting for something to happen in a worker, instead of sleeping.

use std::time::Duration;

use kiq_runtime::events::{Event, EventStream};

/// How long a test waits for an event before it fails: far more than any takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The events of a worker, and what has been seen of them.
///
/// # Examples
/// ```standalone_crate
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use kiq_testing::Events;
///
/// #[kiq::job]
/// async fn greet(name: String) { println!("hello {name}"); }
///
/// let client = kiq::Client::in_memory();
/// let _ = Greet::enqueue("Ann").on(&client).await?;
/// let worker = kiq::Worker::builder().client(client).build()?;
/// let mut events = Events::of(&worker);
/// worker.run_until(async { events.done("Greet").await; }).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Events {
    stream: EventStream,
    seen: Vec<Event>,
    /// Which of those seen nobody has waited for yet.
    unclaimed: Vec<usize>,
}

impl Events {
    /// Listens to a worker that is not yet running.
    pub fn of(worker: &kiq_runtime::worker::Worker) -> Self {
        Events { stream: worker.events(), seen: Vec::new(), unclaimed: Vec::new() }
    }

    /// The first event that `wanted` answers true for and that was not answered before.
    ///
    /// It may have come before events that were waited for earlier: different jobs end in no particular order, and successes
    /// are told in groups.
    ///
    /// # Panics
    /// When it does not come within 30 seconds, or the worker ends before; the message lists what came.
    #[expect(clippy::panic, reason = "a test that waits in vain has failed")]
    pub async fn until(&mut self, wanted: impl Fn(&Event) -> bool) -> Event {
        let earlier = self.unclaimed.iter().position(|at| self.seen.get(*at).is_some_and(&wanted));
        if let Some(event) = earlier.and_then(|at| self.seen.get(self.unclaimed.remove(at))) {
            return event.clone();
        }
        loop {
            match tokio::time::timeout(PATIENCE, self.stream.next()).await {
                Ok(Some(event)) => {
                    self.seen.push(event.clone());
                    if wanted(&event) {
                        return event;
                    }
                    self.unclaimed.push(self.seen.len() - 1);
                }
                Ok(None) => panic!("the worker ended before the event came; seen so far: {:#?}", self.seen),
                Err(_) => panic!("the event did not come within {PATIENCE:?}; seen so far: {:#?}", self.seen),
            }
        }
    }

    /// The next run of that class that succeeds.
    pub async fn done(&mut self, class: &str) -> Event {
        self.until(|event| matches!(event, Event::Done { job, .. } if job.class() == class)).await
    }

    /// The next run of that class that begins.
    pub async fn started(&mut self, class: &str) -> Event {
        self.until(|event| matches!(event, Event::Started { job } if job.class() == class)).await
    }

    /// The next run of that class that fails.
    pub async fn failed(&mut self, class: &str) -> Event {
        self.until(|event| matches!(event, Event::Failed { job, .. } if job.class() == class)).await
    }

    /// All events seen so far.
    pub fn seen(&self) -> &[Event] {
        &self.seen
    }
}
