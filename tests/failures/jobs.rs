//! The jobs these tests run.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kiq::{Client, Current, Data, JobContext, TRACE};

/// What is left behind, in order.
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

#[derive(Debug, thiserror::Error)]
#[error("http {status}")]
pub struct HttpError {
    pub status: u16,
    pub retry_after: Option<Duration>,
}

impl HttpError {
    pub fn status(status: u16) -> Self {
        HttpError { status, retry_after: None }
    }
}

/// Every rule there is.
#[derive(Debug, thiserror::Error, kiq::JobError)]
pub enum ShopError {
    #[error("the service does not answer")]
    #[transient]
    Unreachable,
    #[error("the service asks to wait")]
    #[transient(after = 0)]
    Busy(Duration),
    #[error("the card was refused")]
    #[permanent]
    Refused,
    #[error("order {0} is gone")]
    #[discard]
    Gone(u64),
    #[error("the key is wrong")]
    #[fatal]
    WrongKey,
    #[error("too many requests")]
    #[rate_limited(after = wait)]
    TooMany { wait: Option<Duration> },
    #[error("the provider")]
    #[defer]
    Provider(#[source] HttpError),
}

fn shop_error(which: &str) -> ShopError {
    match which {
        "unreachable" => ShopError::Unreachable,
        "busy" => ShopError::Busy(Duration::from_secs(300)),
        "refused" => ShopError::Refused,
        "gone" => ShopError::Gone(7),
        "wrong key" => ShopError::WrongKey,
        "too many" => ShopError::TooMany { wait: Some(Duration::from_secs(600)) },
        "too many, no word when" => ShopError::TooMany { wait: None },
        "provider 503" => ShopError::Provider(HttpError::status(503)),
        "provider 404" => ShopError::Provider(HttpError::status(404)),
        other => panic!("{other}"),
    }
}

/// Fails as it is told to.
#[kiq::job]
pub async fn shop(which: String) -> Result<(), ShopError> {
    Err(shop_error(&which))
}

/// The same, inside of something that has no type.
#[kiq::job]
pub async fn shop_wrapped(which: String) -> anyhow::Result<()> {
    Err(anyhow::Error::new(shop_error(&which)).context("in the shop"))
}

/// The same, returned as it is from a function whose error has no type.
#[kiq::job]
pub async fn shop_boxed(which: String) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    Err(Box::new(shop_error(&which)))
}

/// A job that knows better than the type.
#[kiq::job(discard_if = |e: &ShopError| matches!(e, ShopError::Unreachable))]
pub async fn shop_own_rule(which: String) -> Result<(), ShopError> {
    Err(shop_error(&which))
}

/// Fails with errors that only the application has rules for.
#[kiq::job(timeout = "20ms")]
pub async fn plain(which: String) -> anyhow::Result<()> {
    match which.as_str() {
        "refused" => Err(std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into()),
        "denied" => Err(std::io::Error::from(std::io::ErrorKind::PermissionDenied).into()),
        "hang" => std::future::pending().await,
        "429" => Err(HttpError { status: 429, retry_after: Some(Duration::from_secs(120)) }.into()),
        "500" => Err(HttpError::status(500).into()),
        "404" => Err(HttpError::status(404).into()),
        other => panic!("{other}"),
    }
}

/// The payment service of the second chapter: answers or does not.
#[derive(Clone, Debug, Default)]
pub struct Service(Arc<Mutex<bool>>);

impl Service {
    pub fn down() -> Self {
        Service::default()
    }

    pub fn comes_back(&self) {
        *self.0.lock().unwrap() = true;
    }

    fn charge(&self, order_id: u64) -> Result<String, ServiceDown> {
        if *self.0.lock().unwrap() { Ok(format!("charged {order_id}")) } else { Err(ServiceDown) }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("payments did not answer")]
pub struct ServiceDown;

#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    #[error("the order could not be completed")]
    Payment(#[from] ServiceDown),
}

/// The book's job: a third party is asked, which may be down.
#[kiq::job(transient = [ServiceDown])]
pub async fn complete_order(order_id: u64, notes: Data<Notes>, cx: &JobContext) -> Result<(), OrderError> {
    // Not `Data`: the other tests' workers have no such service.
    let service = cx.state().get::<Service>().unwrap();
    notes.add(service.charge(order_id)?);
    Ok(())
}

/// An error whose sources come back to it, with a message of a megabyte and all that a page or a terminal might take for its
/// own.
#[derive(Debug)]
pub struct Hostile;

static HOSTILE: Hostile = Hostile;

impl std::fmt::Display for Hostile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<script>\u{1b}[2J\0\r")?;
        f.write_str(&"x".repeat(1 << 20))
    }
}

impl std::error::Error for Hostile {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&HOSTILE)
    }
}

#[kiq::job]
pub async fn be_hostile() -> Result<(), Hostile> {
    Err(Hostile)
}

/// What a request says of itself.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Request {
    pub tenant: u64,
    pub id: String,
}

pub static REQUEST: Current<Request> = Current::new("request");

/// The same name, read as something else.
pub static REQUEST_AS_NUMBER: Current<u64> = Current::new("request");

fn seen(cx: &JobContext) -> String {
    let request =
        REQUEST.get().map_or_else(|| "nobody".to_owned(), |request| format!("{} {}", request.tenant, request.id));
    let trace = TRACE.get().map_or_else(String::new, |trace| format!(" in {}", trace.trace_id()));
    format!("{} for {request}{trace}, number {:?}", cx.class(), REQUEST_AS_NUMBER.get())
}

#[kiq::job]
pub async fn see(notes: Data<Notes>, cx: &JobContext) {
    tokio::task::yield_now().await;
    notes.add(seen(cx));
}

#[kiq::job]
pub fn see_blocking(notes: Data<Notes>, cx: &JobContext) {
    notes.add(seen(cx));
}

/// Enqueues others, and fails once.
#[kiq::job]
pub async fn see_and_pass_on(notes: Data<Notes>, client: Data<Client>, cx: &JobContext) -> anyhow::Result<()> {
    notes.add(seen(cx));
    anyhow::ensure!(cx.attempt() > 1, "once");
    See::enqueue().on(&client).await?;
    SeeBlocking::enqueue().on(&client).await?;
    Ok(())
}

/// Fails with one retry, and leaves nothing among the dead.
#[kiq::job(retry = 1, dead = false)]
pub async fn leave_nothing() -> Result<(), &'static str> {
    Err("no")
}

#[derive(Debug, thiserror::Error)]
#[error("the disk is full")]
pub struct DiskFull;

/// A chain of errors, as text that JSON has to escape.
#[derive(Debug, thiserror::Error)]
#[error("cannot write \"a\\b\" für Ünal")]
pub struct CannotWrite(#[source] pub DiskFull);

#[kiq::job]
pub async fn write_file() -> Result<(), CannotWrite> {
    Err(CannotWrite(DiskFull))
}

/// Its own rule about its errors is broken.
#[kiq::job(discard_if = |_: &ShopError| panic!("no idea"))]
pub async fn shop_broken_rule(which: String) -> Result<(), ShopError> {
    Err(shop_error(&which))
}

/// Says itself how long to wait, whatever is said for all jobs.
#[kiq::job(retry_in = |_| kiq::RetryIn::After(Duration::from_secs(3600)))]
pub async fn patient(status: u16) -> Result<(), HttpError> {
    Err(HttpError::status(status))
}

/// An error type that nothing but `App::error` makes known: its rule is written by hand, without the derive.
#[derive(Debug, thiserror::Error)]
#[error("by hand")]
pub struct ByHand;

impl kiq::JobError for ByHand {
    fn plan(&self) -> Option<kiq::Plan> {
        Some(kiq::Plan::fatal())
    }
}

#[kiq::job]
pub async fn fail_by_hand() -> Result<(), ByHand> {
    Err(ByHand)
}

/// Its error is a text, or one in a box: there is no type to have a plan for.
#[kiq::job]
pub async fn fails_with_text(text: String) -> Result<(), String> {
    Err(text)
}

#[kiq::job]
pub async fn fails_with_boxed_text(text: String) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    Err(text.into())
}

/// A67: as `cargo kiq generate job` writes it.
#[kiq::job]
pub(crate) async fn not_written(order_id: u64, note: &str) -> Result<(), kiq::NotImplemented> {
    kiq::not_implemented!(order_id, note)
}

/// The same under an error of another type.
#[kiq::job]
pub(crate) async fn not_written_boxed() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    kiq::not_implemented!()
}
