//! Notices that a store which was fit to keep jobs at the start is so no more, and says it once.

use std::time::Duration;

use crate::events::Event;

use super::Shared;

/// How often to look, at most.
const OFTEN: Duration = Duration::from_secs(60);

/// What the last look found; `None` before the first.
pub(super) type Known = Option<Option<String>>;

/// One look, and how long until the next: four leases, a minute as a rule. What the first finds was said at the start.
pub(super) async fn look(shared: &Shared, known: &mut Known) -> Duration {
    match shared.consumer.unfit().await {
        Ok(now) => {
            if let Some(before) = known.replace(now.clone())
                && before != now
            {
                match &now {
                    Some(reason) => tracing::error!("the store is not fit to keep jobs any more: {reason}"),
                    None => tracing::info!("the store is fit to keep jobs again"),
                }
                shared.events.tell(|| Event::Fitness { unfit: now });
            }
        }
        Err(error) => tracing::debug!(%error, "cannot look whether the store is fit; trying again"),
    }
    (shared.tuning.lease * 4).min(OFTEN)
}
