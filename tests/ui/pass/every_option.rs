//! All options at once, and what they set.

use std::time::Duration;

use kiq::{DeadJob, Job, Perform, Retry, RetryContext, RetryIn};

#[derive(Debug, thiserror::Error)]
#[error("http {0}")]
pub struct HttpError(u16);

#[kiq::job(
    queue = "high",
    retry_for = "2d12h",
    retry_in = patient,
    retry_queue = "slow",
    transient = [HttpError],
    transient_if = |e: &std::io::Error| e.kind() == std::io::ErrorKind::TimedOut,
    discard = [std::fmt::Error],
    discard_if = is_gone,
    dead = false,
    on_arg_error = dead,
    on_exhausted = refund,
    timeout = "1h30m",
    name = "Billing::Charge",
    handle = ChargeJob,
    aliases = ["Charge", "OldCharge"],
    tags = ["billing"],
    derive(Clone, PartialEq),
    crate = ::kiq,
)]
async fn charge(order_id: u64) -> anyhow::Result<()> {
    anyhow::bail!("order {order_id}")
}

fn patient(retry: &RetryContext<'_>) -> RetryIn {
    RetryIn::After(Duration::from_secs(60 * u64::from(retry.retries() + 1)))
}

fn is_gone(error: &HttpError) -> bool {
    error.0 == 410
}

async fn refund(dead: DeadJob) -> Result<(), kiq::ArgsError> {
    let ChargeJob { order_id } = dead.job()?;
    println!("order {order_id}");
    Ok(())
}

fn main() {
    let options = ChargeJob::OPTIONS;
    assert_eq!((options.queue, options.retry_queue), ("high", Some("slow")));
    assert_eq!(options.retry, Retry::For(Duration::from_secs(60 * 3600)));
    assert_eq!((options.dead, options.timeout), (false, Some(Duration::from_secs(5400))));
    assert_eq!(options.on_arg_error, kiq::OnArgError::Dead);
    assert_eq!(options.tags, ["billing"]);
    let def = ChargeJob::DEF;
    assert_eq!((def.name, def.aliases), ("Billing::Charge", ["Charge", "OldCharge"].as_slice()));
    assert!(def.retry_in.is_some() && def.on_exhausted.is_some());
    let jobs = kiq::Registry::linked().unwrap();
    assert_eq!(jobs.get("OldCharge").unwrap().name, "Billing::Charge");
    assert_eq!(jobs.iter().count(), 1);
}
