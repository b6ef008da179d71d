//! Is this server fit to keep jobs? Asked once, at the start of a worker.

use std::collections::HashMap;
use std::time::Duration;

use redis::Value;

use crate::error::BrokerError;
use crate::random;

use super::link::{Link, LinkError};
use super::{RedisBroker, keys, link, reply, scripts, text};

/// The oldest server that works: scripts with flags came with 7.0.
const OLDEST: (u32, u32) = (7, 0);

/// A difference between our clock and the server's that deserves a word.
const CLOCK_DRIFT: Duration = Duration::from_secs(2);

/// Where rusty-sidekiq keeps its periodic jobs: a sorted set.
const PERIODIC: &str = "periodic";

/// How the keys begin with which rusty-sidekiq keeps a job from being enqueued twice. They expire by themselves.
const UNIQUE: &str = "sidekiq:unique:";

/// Keys that are looked at for one of those. A larger store is not walked for a word of advice.
const KEYS_LOOKED_AT: usize = 1000;

impl RedisBroker {
    /// What must be right is an error, what should be is advice.
    pub(super) async fn check_server(&self) -> Result<Vec<String>, BrokerError> {
        let mut questions = redis::Pipeline::with_capacity(5);
        questions.cmd("PING").cmd("INFO").cmd("TIME").cmd("ZCARD").arg(PERIODIC);
        questions.cmd("SCAN").arg(0).arg("MATCH").arg(format!("{UNIQUE}*")).arg("COUNT").arg(KEYS_LOOKED_AT);
        let mut answers = self.link.send(&questions).await?.into_iter();
        let mut next = || answers.next().ok_or_else(|| self.link.surprised());
        self.link.checked(next()?)?;
        let info = next()?;
        // A server that forbids INFO to this user is taken as it is, as Sidekiq does.
        let info = if link::is_error(&info, "NOPERM") {
            String::new()
        } else {
            text(&self.link.checked(info)?).unwrap_or_default()
        };
        let time = reply::time(&next()?);
        // No such right, or a key of another kind: then it is not what we look for.
        let periodic = next().ok();
        let unique = next().ok().and_then(|page| text(reply::list(reply::list(&page).get(1)?).first()?));

        let mut advice =
            judge(&info).map_err(|reason| BrokerError::Unsupported { server: self.target.place.clone(), reason })?;
        if let (Some(theirs), false) = (time, self.clock.is_manual()) {
            let ours = self.clock.now();
            let apart = ours.since(theirs).max(theirs.since(ours));
            if apart > CLOCK_DRIFT {
                advice.push(format!(
                    "this machine's clock and that of {} are {apart:.1?} apart: scheduled jobs will be that much early or late",
                    self.target.place
                ));
            }
        }
        if let Some(Value::Int(jobs @ 1..)) = periodic {
            advice.push(format!(
                "the store has {jobs} periodic jobs of rusty-sidekiq (key {PERIODIC:?}), which kiq does not run: keep a process of \
                 its own for them, or enqueue them from a timer and delete the key"
            ));
        }
        if let Some(key) = unique {
            advice.push(format!(
                "the store has keys of rusty-sidekiq's `unique_for` ({key:?}, say), which kiq does not look at: until they expire, \
                 a job that they keep rusty-sidekiq from enqueueing again is enqueued again here; kiq's own way is `.idempotent(ttl)`"
            ));
        }
        advice.extend(self.try_fetching().await?);
        Ok(advice)
    }

    /// Finds out how to fetch here. Scripts there must be: that a job is in exactly one place rests on them, and what a
    /// transaction cannot do (look first, then move) is what every settlement does.
    async fn try_fetching(&self) -> Result<Option<String>, BrokerError> {
        let nonce = random::below(1 << 48);
        let answer = scripts::probe(&["a", "b"].map(|name| keys::probe(nonce, name))).send(&self.link, &[]).await;
        let answer = match answer.and_then(|mut answers| answers.pop().ok_or_else(|| self.link.surprised())) {
            Ok(answer) => self.link.checked(answer),
            Err(failed) => Err(failed),
        };
        match answer.map_err(BrokerError::from) {
            Ok(way) => {
                let may_sort = reply::bytes(&way) == Some(b"sort");
                self.fetch_by.set(may_sort);
                tracing::info!(server = self.target.place, by = self.fetch_by.word(), "jobs are fetched by script");
                Ok((!may_sort).then(|| {
                    format!(
                        "{} does not let this user SORT, so fetching costs it about twice as much; grant +sort to change that",
                        self.target.place
                    )
                }))
            }
            Err(BrokerError::Refused { code, reason, .. }) if code == "NOPERM" => Err(BrokerError::Unsupported {
                server: self.target.place.clone(),
                reason: format!(
                    "its user lacks a right without which no job can be fetched safely ({reason}); grant \
                     +evalsha +script|load, the commands on lists, hashes, sets and sorted sets, and the keys kiq:*"
                ),
            }),
            Err(error) => Err(error),
        }
    }
}

/// What the server throws away when it is full, and the remedy, if it does. A server that forbids the question is taken as it
/// is.
pub(super) async fn eviction(link: &Link) -> Result<Option<String>, LinkError> {
    let mut info = redis::cmd("INFO");
    info.arg("memory");
    match link.ask(info).await {
        Ok(info) => Ok(judge_policy(field(&text(&info).unwrap_or_default(), "maxmemory_policy"))),
        Err(LinkError { error: BrokerError::Refused { code, .. }, .. }) if code == "NOPERM" => Ok(None),
        Err(failed) => Err(failed),
    }
}

/// A value of INFO's answer; empty when it is not there.
fn field<'a>(info: &'a str, name: &str) -> &'a str {
    let mut fields = info.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(known, _)| *known == name).map_or("", |(_, value)| value)
}

fn judge_policy(policy: &str) -> Option<String> {
    let what = if policy.starts_with("allkeys-") {
        "so it throws jobs away when it is full"
    } else if policy.starts_with("volatile-") {
        "so it drops leases when it is full, and jobs run twice"
    } else {
        return None;
    };
    Some(format!("its maxmemory-policy is {policy}, {what}; set it to noeviction"))
}

/// What the answer of INFO means: advice, or the reason why this server cannot be used.
fn judge(info: &str) -> Result<Vec<String>, String> {
    let fields: HashMap<&str, &str> = info.lines().filter_map(|line| line.split_once(':')).collect();
    let field = |name: &str| fields.get(name).copied().unwrap_or_default();
    let mut advice = Vec::new();

    if let Some(version) = fields.get("redis_version") {
        let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
        let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        if found < OLDEST {
            return Err(format!("it is Redis {version}, and 7.0 is the oldest that works; upgrade it"));
        }
    }
    if field("redis_mode") == "sentinel" || field("server_mode") == "sentinel" {
        return Err(
            "it is a Sentinel; write its address as redis+sentinel://host:26379/NAME, NAME being the primary's"
                .to_owned(),
        );
    }
    if field("cluster_enabled") == "1" {
        return Err("it is part of a Redis Cluster, which kiq does not support yet; use a single server".to_owned());
    }
    if field("role") == "slave" {
        return Err("it is a replica, which takes no jobs; point the URL at the primary".to_owned());
    }
    match field("maxmemory_policy") {
        policy if policy.starts_with("allkeys-") => return Err(judge_policy(policy).unwrap_or_default()),
        policy => advice.extend(judge_policy(policy).map(|reason| format!("the store is a risk: {reason}"))),
    }
    // RDB snapshots cannot be told from INFO alone: a server that never saved may be about to.
    if field("aof_enabled") == "0" {
        advice.push(
            "the store keeps no append-only file: if it crashes, the jobs since its last snapshot are lost; set appendonly yes"
                .to_owned(),
        );
    }
    Ok(advice)
}

#[cfg(test)]
mod tests {
    use super::judge;

    /// C9 of the table of bad configurations.
    #[test]
    fn what_cannot_keep_jobs_is_refused_with_the_remedy() {
        for (info, words) in [
            ("redis_version:6.2.14", "7.0 is the oldest"),
            ("redis_version:7.0.15\r\ncluster_enabled:1", "single server"),
            ("redis_version:7.0.15\r\nrole:slave", "point the URL at the primary"),
            ("redis_version:7.0.15\r\nmaxmemory_policy:allkeys-lru", "set it to noeviction"),
        ] {
            let reason = judge(info).unwrap_err();
            assert!(reason.contains(words), "{reason}");
        }
    }

    #[test]
    fn what_is_risky_is_advised_against() {
        assert_eq!(judge("redis_version:8.2.0\r\nmaxmemory_policy:noeviction\r\naof_enabled:1"), Ok(vec![]));
        assert_eq!(judge(""), Ok(vec![]));
        assert!(judge("maxmemory_policy:volatile-ttl").unwrap()[0].contains("volatile-ttl"));
        assert!(judge("aof_enabled:0").unwrap()[0].contains("appendonly yes"));
    }
}
