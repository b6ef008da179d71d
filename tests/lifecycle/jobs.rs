//! The jobs these tests run.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kiq::{Client, Data, DeadJob, JobContext, RetryContext, RetryIn};

/// What jobs leave behind, in order.
#[derive(Clone, Debug, Default)]
pub struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    pub fn add(&self, note: impl Into<String>) {
        self.0.lock().unwrap().push(note.into());
    }

    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

#[kiq::job]
pub async fn note(text: String, notes: Data<Notes>) {
    notes.add(text);
}

#[kiq::job(queue = "high", tags = ["urgent"])]
pub async fn note_high(text: &str, notes: Data<Notes>) {
    notes.add(text);
}

#[kiq::job(queue = "low")]
pub fn note_blocking(numbers: &[i64], title: Option<String>, notes: Data<Notes>, cx: &JobContext) {
    notes.add(format!("{numbers:?} {title:?} {} {}", cx.queue(), cx.attempt()));
}

#[kiq::job]
pub async fn note_parent(children: u32, notes: Data<Notes>, client: Data<Client>) -> anyhow::Result<()> {
    notes.add("parent");
    let _receipts = kiq::enqueue_all((0..children).map(|n| Note::new(format!("child {n}")))).on(&client).await?;
    Ok(())
}

#[derive(Debug, thiserror::Error)]
pub enum PaymentError {
    #[error("the service is down")]
    Down,
    #[error("card {0} is stolen")]
    Stolen(u64),
    #[error("order {0} is gone")]
    Gone(#[from] Gone),
}

#[derive(Debug, thiserror::Error)]
#[error("no such order {0}")]
pub struct Gone(pub u64);

/// Fails on the attempts before `succeeds_at`.
#[kiq::job(retry = 3, transient = [PaymentError])]
pub async fn pay(succeeds_at: u32, notes: Data<Notes>, cx: &JobContext) -> Result<(), PaymentError> {
    notes.add(format!("try {}", cx.attempt()));
    if cx.attempt() < succeeds_at { Err(PaymentError::Down) } else { Ok(()) }
}

#[kiq::job(retry = 0)]
pub async fn steal(card: u64) -> Result<(), PaymentError> {
    Err(PaymentError::Stolen(card))
}

#[kiq::job(retry = false)]
pub async fn fail_once(card: u64) -> Result<(), PaymentError> {
    Err(PaymentError::Stolen(card))
}

#[kiq::job(retry = 0, dead = false)]
pub async fn die_silently(card: u64) -> Result<(), PaymentError> {
    Err(PaymentError::Stolen(card))
}

#[kiq::job(discard = [Gone])]
pub async fn cancel(order: u64) -> Result<(), PaymentError> {
    Err(Gone(order).into())
}

#[kiq::job]
pub async fn explode(message: String) {
    panic!("{message}");
}

#[kiq::job]
pub fn explode_blocking(message: String) {
    panic!("{message}");
}

#[kiq::job(timeout = "20ms")]
pub async fn hang(notes: Data<Notes>) {
    notes.add("hangs");
    std::future::pending::<()>().await;
}

/// Waits until the worker is stopping and then for `patience_ms` more, if anybody lets it.
#[kiq::job]
pub async fn linger(patience_ms: u64, notes: Data<Notes>, cx: JobContext) {
    notes.add(format!("lingers {}", cx.attempt()));
    cx.stopping().await;
    // the job's own work
    tokio::time::sleep(Duration::from_millis(patience_ms)).await;
    notes.add("lingered");
}

/// Never succeeds, and is not tired of it for four minutes.
#[kiq::job(retry_for = "4m")]
pub async fn insist() -> Result<(), PaymentError> {
    Err(PaymentError::Down)
}

#[derive(Debug, thiserror::Error)]
#[error("http {0}")]
pub struct HttpError(pub u16);

#[kiq::job(retry_in = haggle_on, on_exhausted = haggle_ends)]
pub async fn haggle(status: u16) -> anyhow::Result<()> {
    Err(HttpError(status).into())
}

fn haggle_on(retry: &RetryContext<'_>) -> RetryIn {
    let status = retry.find::<HttpError>().map_or(0, |error| error.0);
    let notes = retry.job().state().get::<Notes>().unwrap();
    notes.add(format!("asked about {status} after {} retries", retry.retries()));
    match status {
        429 => RetryIn::After(Duration::from_secs(600)),
        400 => RetryIn::Kill,
        410 => RetryIn::Discard,
        _ => RetryIn::Default,
    }
}

async fn haggle_ends(dead: DeadJob) {
    let notes = dead.context().state().get::<Notes>().unwrap();
    notes.add(format!("end of {}", dead.job::<Haggle>().unwrap().status));
}

/// Gives up at once, whatever goes wrong.
#[kiq::job(retry_in = |_| RetryIn::Kill, timeout = "20ms")]
pub async fn surrender(how: &str) -> Result<(), String> {
    match how {
        "panic" => panic!("no way"),
        "hang" => std::future::pending().await,
        _ => Err("in words".to_owned()),
    }
}

#[kiq::job(retry_in = |_| panic!("no idea"))]
pub async fn unlucky() -> Result<(), PaymentError> {
    Err(PaymentError::Down)
}

/// Fails the first time.
#[kiq::job(retry_queue = "slow")]
pub async fn move_over(notes: Data<Notes>, cx: &JobContext) -> Result<(), PaymentError> {
    notes.add(format!("in {}", cx.queue()));
    if cx.attempt() == 1 { Err(PaymentError::Down) } else { Ok(()) }
}

#[kiq::job(retry = 1, on_exhausted = mourn, timeout = "20ms")]
pub async fn bury(how: String) -> Result<(), PaymentError> {
    let _ = how;
    Err(PaymentError::Down)
}

async fn mourn(dead: DeadJob) -> anyhow::Result<()> {
    let Bury { how } = dead.job()?;
    let kept = if dead.is_kept() { "kept" } else { "not kept" };
    let notes = dead.context().state().get::<Notes>().unwrap();
    notes.add(format!("end of {how}: {}, {kept}, {} runs", dead.error_message(), dead.attempts()));
    match how.as_str() {
        "panic" => panic!("too much"),
        "error" => anyhow::bail!("nobody came"),
        "hang" => std::future::pending().await,
        _ => Ok(()),
    }
}

#[kiq::job(aliases = ["Legacy::Old", "Older"])]
pub async fn renamed(id: u64, notes: Data<Notes>, cx: &JobContext) {
    notes.add(format!("{} {id}", cx.class()));
}

#[kiq::job(on_arg_error = dead)]
pub async fn strict(word: &str) -> anyhow::Result<()> {
    anyhow::bail!("{word}")
}
