//! A constant, or a path to one, may stand wherever a value does.

use std::time::Duration;

use kiq::{Job, Perform, Retry, RetryIn};

mod settings {
    use std::time::Duration;

    pub const QUEUE: &str = "high";
    pub const RETRIES: u32 = 3;
    pub const PATIENCE: Duration = Duration::from_secs(3600);
    pub const NAME: &str = "Billing::Charge";
    pub const OLD: &[&str] = &["Charge"];
    pub const TAGS: &[&str] = &["billing"];
    pub const KEEP: bool = false;
}

#[kiq::job(
    queue = settings::QUEUE,
    retry = settings::RETRIES,
    retry_queue = settings::QUEUE,
    timeout = settings::PATIENCE,
    name = settings::NAME,
    aliases = settings::OLD,
    tags = settings::TAGS,
    dead = settings::KEEP,
    retry_in = |_| RetryIn::After(settings::PATIENCE),
    on_exhausted = |_dead: kiq::DeadJob| async {},
)]
async fn charge() {}

#[kiq::job(retry_for = settings::PATIENCE, timeout = Duration::from_secs(60 * 60), tags = [settings::QUEUE, "b"], aliases = [settings::NAME])]
async fn refund() {}

fn main() {
    assert_eq!((Charge::NAME, Charge::OPTIONS.queue), ("Billing::Charge", "high"));
    assert_eq!(Charge::OPTIONS.retry, Retry::Max(3));
    assert_eq!(Charge::DEF.aliases, ["Charge"]);
    assert_eq!((Refund::OPTIONS.retry, Refund::OPTIONS.tags), (Retry::For(settings::PATIENCE), ["high", "b"].as_slice()));
}
