//! A shop's jobs. None does anything but wait, and fail as often as such jobs do.

use std::time::Duration;

use kiq::{JobContext, JobError};
use serde::{Deserialize, Serialize};

/// Numbers that look like chance and are the same each time.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Of one run of a job: its next try rolls others.
    pub fn of(cx: &JobContext) -> Self {
        let seed = cx
            .jid()
            .as_str()
            .bytes()
            .fold(u64::from(cx.attempt()), |seed, byte| seed.wrapping_mul(31) + u64::from(byte));
        Dice::new(seed)
    }

    pub fn below(&mut self, most: u64) -> u64 {
        // Marsaglia's xorshift.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % most.max(1)
    }

    /// From 0 to 1.
    pub fn share(&mut self) -> f64 {
        self.below(1 << 40) as f64 / (1_u64 << 40) as f64
    }

    /// A time as runs take it: half of them less than `usual`, few of them many times more.
    pub fn time(&mut self, usual: Duration) -> Duration {
        let spread = (0..6).map(|_| self.share()).sum::<f64>() - 3.0;
        usual.mul_f64((spread * 1.1).exp())
    }

    async fn work(&mut self, usual: Duration) {
        tokio::time::sleep(self.time(usual)).await;
    }
}

/// How a partner's server fails.
#[derive(Debug, thiserror::Error, JobError)]
pub enum DeliveryError {
    #[error("503 Service Unavailable: upstream connect error or disconnect/reset before headers, request {0:08x}")]
    #[permanent]
    Unavailable(u64),
    #[error("operation timed out after {0} ms connecting to {1}")]
    #[transient]
    TimedOut(u64, String),
    #[error("429 Too Many Requests")]
    #[rate_limited(after = wait)]
    Busy { wait: Duration },
    #[error("410 Gone: {0} has closed its shop")]
    #[fatal]
    Gone(String),
}

/// Tells a partner of an order.
#[kiq::job(queue = "webhooks")]
pub async fn webhook_delivery(order: u64, url: &str, cx: &JobContext) -> Result<(), DeliveryError> {
    let mut dice = Dice::of(cx);
    dice.work(Duration::from_millis(180)).await;
    match dice.below(100) {
        0..17 => Err(DeliveryError::Unavailable(order * 7919)),
        17..27 => Err(DeliveryError::TimedOut(5000 + dice.below(400), url.to_owned())),
        27..29 => Err(DeliveryError::Busy { wait: Duration::from_secs(120) }),
        29..34 => Err(DeliveryError::Gone(url.to_owned())),
        _ => Ok(()),
    }
}

/// A card, of which the number is no secret and the token is.
#[derive(Debug, Serialize, Deserialize)]
pub struct Card {
    pub number: String,
    pub token: String,
}

/// The bank says no.
#[derive(Debug, thiserror::Error)]
#[error("card declined: insufficient_funds (order {0})")]
pub struct CardDeclined(u64);

/// Charges an order.
#[kiq::job(queue = "critical", retry = 5, timeout = "30s")]
pub async fn charge_card(order: u64, cents: u64, card: Card, cx: &JobContext) -> Result<(), CardDeclined> {
    let mut dice = Dice::of(cx);
    dice.work(Duration::from_millis(90)).await;
    tracing::debug!(order, cents, card.number, "charged");
    if dice.below(100) < 4 { Err(CardDeclined(order)) } else { Ok(()) }
}

/// Mails a receipt.
#[kiq::job(queue = "mailers")]
pub async fn send_receipt(order: u64, to: &str, cx: &JobContext) {
    tracing::debug!(order, to, "mailed");
    Dice::of(cx).work(Duration::from_millis(120)).await;
}

/// A row of a supplier's list.
#[kiq::job(queue = "imports", tags = ["catalog"])]
pub async fn import_catalog_row(
    file: &str,
    row: u64,
    cx: &JobContext,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut dice = Dice::of(cx);
    dice.work(Duration::from_millis(900)).await;
    match dice.below(100) {
        0..12 => Err(format!("record {row} of {file} (line: {}, byte: {}): found record with 7 fields, but the previous record has 9 fields", row + 2, row * 211).into()),
        _ => Ok(()),
    }
}

/// Makes pictures smaller.
#[kiq::job(retry = 3)]
pub async fn resize_image(picture: &str, widths: &[u32], cx: &JobContext) {
    let mut dice = Dice::of(cx);
    dice.work(Duration::from_millis(60) * u32::try_from(widths.len()).unwrap_or(1)).await;
    assert!(dice.below(100) >= 6, "called `Option::unwrap()` on a `None` value: {picture} has no colour profile");
}

/// Mails a newsletter; its queue is paused.
#[kiq::job(queue = "newsletters")]
pub async fn send_newsletter(reader: u64, cx: &JobContext) {
    tracing::debug!(reader, "mailed");
    Dice::of(cx).work(Duration::from_millis(50)).await;
}

/// A shelf that was moved.
#[derive(Debug, thiserror::Error)]
#[error("shelf {0} is not in warehouse B any more")]
pub struct ShelfMoved(u64);

/// Counts a shelf: no retries, whoever moved it has to look.
#[kiq::job(queue = "default", retry = 0, tags = ["warehouse"])]
pub async fn sync_inventory(shelf: u64, cx: &JobContext) -> Result<(), ShelfMoved> {
    Dice::of(cx).work(Duration::from_millis(40)).await;
    Err(ShelfMoved(shelf))
}

/// Takes as long as it is let.
#[kiq::job(queue = "reports", retry_for = "2d")]
pub async fn nightly_export(report: &str) {
    tracing::debug!(report, "exporting");
    tokio::time::sleep(Duration::from_secs(6 * 3600)).await;
}

/// Reminds of what lies in a cart.
#[kiq::job(queue = "mailers", tags = ["reminder"])]
pub async fn remind_cart(cart: u64, cx: &JobContext) {
    tracing::debug!(cart, "reminded");
    Dice::of(cx).work(Duration::from_millis(80)).await;
}

/// Comes on the first of the month, so it has never been seen.
#[kiq::job(queue = "reports", retry = false, dead = false, aliases = ["MonthEnd"])]
pub async fn close_month(year: u16, month: u8) {
    tracing::debug!(year, month, "closed");
}

/// Performed by another program, which is not running.
#[kiq::job(name = "Legacy::SyncJob", queue = "ruby")]
pub async fn legacy_sync(account: u64);
