//! Tells the meters how the process and the store stand. Without a meter it does nothing.

use std::time::Duration;

use crate::error::BrokerError;
use crate::job::Payload;
use crate::meters;

use super::{Reruns, Shared};

/// How often the store is looked at, for meters.
const EVERY: Duration = Duration::from_secs(15);

/// Without a meter the duty sleeps so long.
const OFF: Duration = Duration::from_secs(3600);

/// Told with a heartbeat.
pub(super) fn tell_process(shared: &Shared, busy: usize, memory_kib: u64) {
    if shared.meters.is_empty() {
        return;
    }
    let Reruns { reclaimed, lease_lost, cut_off, unheard } = shared.controls.reruns();
    let process = meters::Process {
        busy,
        slots: shared.info.capsules.iter().map(|capsule| capsule.concurrency).sum(),
        is_quiet: !shared.controls.is_running(),
        memory: memory_kib * 1024,
        reruns: [("reclaimed", reclaimed), ("lease_lost", lease_lost), ("cut_off", cut_off), ("unheard", unheard)],
        blocked: shared.tally.blocked_so_far(),
    };
    shared.meters.each(|meter| meter.process(&process));
}

/// One look at the store, and how long until the next.
pub(super) async fn look(shared: &Shared) -> Duration {
    if shared.meters.is_empty() {
        return OFF;
    }
    match read(shared).await {
        Ok(store) => shared.meters.each(|meter| meter.store(&store)),
        Err(error) => tracing::debug!(%error, "the meters hear of the store later"),
    }
    EVERY
}

async fn read(shared: &Shared) -> Result<meters::Store, BrokerError> {
    let stats = shared.broker.stats().await?;
    let queues = shared.broker.queues().await?;
    let info = shared.broker.store_info().await?;
    let now = shared.clock.now();
    let waited = |next: Option<Vec<u8>>| {
        let job = Payload::parse(&next?).ok()?;
        Some(now.since(job.enqueued_at().or_else(|| job.created_at())?))
    };
    let queues = queues
        .into_iter()
        .map(|queue| meters::Queue::new(queue.name, queue.size, waited(queue.next).unwrap_or_default()));
    Ok(meters::Store {
        queues: queues.collect(),
        scheduled: stats.scheduled,
        retries: stats.retries,
        dead: stats.dead,
        in_flight: stats.in_flight,
        processes: stats.processes,
        used_memory: info.used_memory,
        max_memory: info.max_memory,
    })
}
