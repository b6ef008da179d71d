//! Which jobs the programs on this Redis know: so that one that nobody knows can be found.

use redis::Pipeline;

use crate::clock::Timestamp;

use super::link::{Link, LinkError};
use super::{RedisBroker, keys, reply, text};

/// Names that are read; a fleet has some hundreds.
const MOST: usize = 5000;

/// What was not said for 90 days is forgotten.
const KEPT: std::time::Duration = std::time::Duration::from_secs(90 * 86_400);

/// One write.
pub(super) async fn write(link: &Link, jobs: &[&str], at: Timestamp) -> Result<(), LinkError> {
    if jobs.is_empty() {
        return Ok(());
    }
    let mut request = Pipeline::with_capacity(2);
    let add = request.cmd("ZADD").arg(keys::KNOWN);
    for job in jobs {
        add.arg(at.to_score()).arg(*job);
    }
    request.cmd("ZREMRANGEBYSCORE").arg(keys::KNOWN).arg("-inf").arg((at - KEPT).to_score());
    for answer in link.send(&request).await? {
        link.checked(answer)?;
    }
    Ok(())
}

impl RedisBroker {
    /// The latest first.
    pub(super) async fn read_known(&self) -> Result<Vec<(String, Timestamp)>, LinkError> {
        let mut range = redis::cmd("ZRANGE");
        range.arg(keys::KNOWN).arg(0).arg(MOST - 1).arg("REV").arg("WITHSCORES");
        let answer = self.link.ask(range).await?;
        let pairs = reply::pairs(&answer);
        Ok(pairs.into_iter().filter_map(|(name, score)| Some((text(name)?, reply::score(score)?))).collect())
    }
}
