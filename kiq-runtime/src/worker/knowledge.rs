//! Says in the store which jobs this program knows, so that those that nobody knows can be found.

use std::time::Duration;

use super::Shared;

/// How often: an hour's silence means that a program is gone.
const EVERY: Duration = Duration::from_secs(600);

/// After a failure.
const SOON: Duration = Duration::from_secs(30);

/// Says it, and answers how long until the next time.
pub(super) async fn tell(shared: &Shared) -> Duration {
    let jobs: Vec<&str> =
        shared.registry.iter().flat_map(|job| std::iter::once(job.name).chain(job.aliases.iter().copied())).collect();
    match shared.consumer.knows(&jobs, shared.clock.now()).await {
        Ok(()) => EVERY,
        Err(error) => {
            tracing::debug!(%error, "which jobs this program knows is said later");
            SOON
        }
    }
}
