//! Runs jobs that came back from a process that died with care, and not at all when they are poison.
//!
//! The rule is in [`recovered`](crate::job::recovered). Ordinary jobs pay one look at their fields for it.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use crate::broker::{Settled, Settlement, UnitOfWork};
use crate::clock::Timestamp;
use crate::error::BrokerError;
use crate::job::Payload;
use crate::job::recovered::POISON_DEATHS;

use super::Shared;
use super::pauses::Pauses;

/// What is said of a job that is not run any more.
pub(super) const REASON: &str = "poison: its process died 3 times while it ran";

/// While it is held no other suspect runs. It is held until the store knows how the run ended: until then the death that was
/// written down would count, if the next suspect kills the process.
pub(super) type Alone = OwnedSemaphorePermit;

/// How to go on with a job.
pub(super) enum Verdict {
    /// It never came back from a process that died.
    Innocent,
    /// It did, and may run now.
    Suspect(Alone),
    /// It is not run again.
    Poison,
    /// It is not this process's any more.
    TakenOver,
}

/// Asked before a job runs. A suspect waits its turn, and the death it may cause is written down.
pub(super) async fn admit(shared: &Shared, unit: &UnitOfWork, payload: &Payload) -> Verdict {
    match payload.deaths() {
        None => return Verdict::Innocent,
        Some(deaths) if deaths >= POISON_DEATHS => return Verdict::Poison,
        Some(_) => {}
    }
    // Never closed, so this cannot fail.
    let Ok(permit) = Arc::clone(&shared.suspects).acquire_owned().await else { return Verdict::TakenOver };
    let mut marked = payload.clone();
    marked.add_death(shared.clock.now());
    let marked = marked.to_string();
    let mut pauses = Pauses::new();
    loop {
        match shared.consumer.mark(unit, &marked).await {
            Ok(Settled::Applied { .. }) => {
                let (class, jid, queue) = (payload.class(), payload.jid(), &*unit.queue);
                tracing::warn!(class, %jid, queue, "it may run again: the process that held it died, or lost its lease");
                return Verdict::Suspect(permit);
            }
            Ok(Settled::Stale) => return Verdict::TakenOver,
            Err(error) => tracing::debug!(%error, "a suspect waits for the store"),
        }
        pauses.wait().await;
    }
}

/// Takes back what [`admit`] wrote down, for a job whose run is broken off.
pub(super) async fn acquit(shared: &Shared, unit: &UnitOfWork) -> Result<(), BrokerError> {
    let Ok(payload) = Payload::parse(&unit.payload) else { return Ok(()) };
    if payload.deaths().is_some() {
        shared.consumer.mark(unit, &payload.to_string()).await?;
    }
    Ok(())
}

/// Where a poisonous job goes, with the reason.
pub(super) fn burial(mut payload: Payload, now: Timestamp) -> Settlement {
    payload.set("error_class", "kiq::Poison");
    payload.set("error_message", REASON);
    let field = if payload.raw("failed_at").is_some() { "retried_at" } else { "failed_at" };
    payload.set_time(field, now);
    // Whoever retries it from the dead wants it to run.
    payload.clear_deaths();
    Settlement::Dead { payload: payload.to_string(), at: now }
}
