//! The jobs that these tests enqueue.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kiq::{Data, EnqueueError, JobContext};

/// What jobs wrote down, in order.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub fn write(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Notes its number, in a log that it shares with nobody.
#[kiq::job]
pub async fn note(number: u64, log: Data<Log>) {
    log.write(format!("note {number}"));
}

#[kiq::job(queue = "low")]
pub async fn note_low(number: u64, log: Data<Log>) {
    log.write(format!("low {number}"));
}

/// Enqueues a chain of itself: from a spawned task, and a blocking thread.
#[kiq::job]
pub async fn countdown(left: u32, log: Data<Log>) -> Result<(), EnqueueError> {
    log.write(format!("countdown {left}"));
    if left > 0 {
        Countdown::enqueue(left - 1).await?;
    }
    Ok(())
}

#[kiq::job]
pub async fn for_ever() -> Result<(), EnqueueError> {
    ForEver::enqueue().await.map(drop)
}

#[kiq::job]
pub async fn every_day(log: Data<Log>) -> Result<(), EnqueueError> {
    log.write("day");
    EveryDay::enqueue().delay(Duration::from_secs(86_400)).await.map(drop)
}

/// Fails so often, then succeeds.
#[kiq::job]
pub async fn flaky(failures: u32, cx: &JobContext) -> Result<(), String> {
    if cx.attempt() <= failures { Err(format!("try {} failed", cx.attempt())) } else { Ok(()) }
}

#[kiq::job]
pub async fn hopeless() -> Result<(), String> {
    Err("no luck".to_owned())
}

#[kiq::job(discard = [std::io::Error])]
pub async fn given_up() -> Result<(), std::io::Error> {
    Err(std::io::Error::other("given up"))
}

#[kiq::job]
pub fn in_a_thread(number: u64, log: Data<Log>) {
    // A blocking thread of the same runtime enqueues to the same test.
    let log = log.clone();
    tokio::runtime::Handle::current().block_on(async {
        Note::enqueue(number).await.unwrap();
        log.write("blocking");
    });
}

#[kiq::job]
pub async fn with_a_map(_counts: BTreeMap<String, u64>) {}

/// Its argument cannot be written as JSON.
#[kiq::job]
pub async fn with_odd_keys(_counts: BTreeMap<Vec<u8>, u64>) {}

pub static PLAYED: AtomicU32 = AtomicU32::new(0);

#[kiq::job]
pub async fn played() {
    PLAYED.fetch_add(1, Ordering::Relaxed);
}
