//! How often each class ran, and how long that took, under the keys of Sidekiq 8 and of Sidekiq 7, so that the pages of both
//! draw it. Read back from those of 8.

use redis::{Pipeline, Value};

use crate::broker::metrics::{
    ClassRuns, ClassTotals, DEPLOYS_KEPT, Deploy, Durations, HISTOGRAM_BUCKETS, MINUTES_KEPT, Step, StepRuns,
    TEN_MINUTES_KEPT,
};
use crate::clock::Timestamp;

use super::link::{Link, LinkError};
use super::{RedisBroker, keys, reply, scripts, text};

/// Keys read in one write.
const AT_ONCE: usize = 100;

/// Histograms read by one command: a class's 8 hours.
const HISTOGRAMS_AT_ONCE: usize = 500;

/// A deploy that many processes tell of is noted once in so many seconds.
const SAME_DEPLOY: u32 = 60;

/// Adds to the minute of `at`: one write, whatever there is to tell.
pub(super) async fn write(link: &Link, runs: &[ClassRuns], at: Timestamp) -> Result<(), LinkError> {
    let mut request = Pipeline::new();
    // Readers split at the bar, and would stumble over a class that has one.
    let runs: Vec<&ClassRuns> = runs.iter().filter(|run| !run.totals.class.contains('|')).collect();
    for (key, kept) in [
        (keys::runs_of_minute(at), MINUTES_KEPT),
        (keys::runs_of_ten_minutes(at), TEN_MINUTES_KEPT),
        (keys::runs_of_minute_7(at), MINUTES_KEPT),
    ] {
        for run in &runs {
            let ClassTotals { class, runs, failures, millis } = &run.totals;
            for (field, count) in [("p", runs), ("f", failures), ("ms", millis)] {
                if *count > 0 {
                    request.cmd("HINCRBY").arg(&key).arg(format!("{class}|{field}")).arg(*count);
                }
            }
        }
        request.cmd("EXPIRE").arg(&key).arg(kept.as_secs());
    }
    for run in &runs {
        let class = &run.totals.class;
        for key in [keys::durations(class, at), keys::durations_7(class, at)] {
            let counts = run.durations.iter().enumerate().filter(|(_, count)| **count > 0);
            let mut command = redis::cmd("BITFIELD");
            command.arg(&key).arg("OVERFLOW").arg("SAT");
            let mut any = false;
            for (index, count) in counts {
                command.arg("INCRBY").arg("u16").arg(format!("#{index}")).arg(*count);
                any = true;
            }
            if any {
                request.add_command(command);
                request.cmd("EXPIRE").arg(&key).arg(MINUTES_KEPT.as_secs());
            }
        }
    }
    if runs.is_empty() {
        return Ok(());
    }
    for answer in link.send(&request).await? {
        link.checked(answer)?;
    }
    Ok(())
}

impl RedisBroker {
    pub(super) async fn read_runs(
        &self,
        from: Timestamp,
        to: Timestamp,
        step: Step,
    ) -> Result<Vec<StepRuns>, LinkError> {
        let mut all = Vec::new();
        for steps in step.between(from, to).chunks(AT_ONCE) {
            let mut request = Pipeline::with_capacity(steps.len());
            for at in steps {
                let key = match step {
                    Step::Minute => keys::runs_of_minute(*at),
                    Step::TenMinutes => keys::runs_of_ten_minutes(*at),
                };
                request.cmd("HGETALL").arg(key);
            }
            let answers = self.link.send(&request).await?;
            all.extend(steps.iter().zip(answers).map(|(at, answer)| (*at, totals(&answer))));
        }
        Ok(all)
    }

    /// As plain strings: one command for hundreds of them, where `BITFIELD_RO` needs one with 26 parts for each.
    pub(super) async fn read_durations(&self, minutes: &[(&str, Timestamp)]) -> Result<Vec<Durations>, LinkError> {
        let mut all = Vec::with_capacity(minutes.len());
        for minutes in minutes.chunks(HISTOGRAMS_AT_ONCE) {
            let mut get = redis::cmd("MGET");
            minutes.iter().for_each(|(class, at)| {
                get.arg(keys::durations(class, *at));
            });
            let answer = self.link.ask(get).await?;
            all.extend(
                reply::list(&answer).iter().map(|counters| durations(reply::bytes(counters).unwrap_or_default())),
            );
        }
        Ok(all)
    }

    pub(super) async fn read_deploys(&self, from: Timestamp, to: Timestamp) -> Result<Vec<Deploy>, LinkError> {
        let day = std::time::Duration::from_secs(86_400);
        let mut days = Vec::new();
        let mut at = from.max(to - DEPLOYS_KEPT);
        while keys::deploys(at) <= keys::deploys(to) {
            days.push(keys::deploys(at));
            at = at + day;
        }
        let mut request = Pipeline::with_capacity(days.len());
        for key in days {
            request.cmd("HGETALL").arg(key);
        }
        let mut deploys = Vec::new();
        for answer in self.link.send(&request).await? {
            deploys.extend(reply::pairs(&answer).into_iter().filter_map(|(minute, label)| {
                let at = Timestamp::parse_iso(&text(minute)?).filter(|at| (from..=to).contains(at))?;
                Some(Deploy { at, label: text(label)? })
            }));
        }
        deploys.sort_by_key(|deploy| deploy.at);
        Ok(deploys)
    }

    pub(super) async fn note_deploy(&self, label: &str, at: Timestamp) -> Result<bool, LinkError> {
        let minute = Step::Minute.floor(at);
        let call = scripts::deploy(&[keys::deploy_lock(label), keys::deploys(at)])
            .arg(minute.to_string())
            .arg(label)
            .arg(SAME_DEPLOY)
            .arg(DEPLOYS_KEPT.as_secs());
        let answer = call.send(&self.link, &[]).await?.pop().ok_or_else(|| self.link.surprised())?;
        Ok(reply::int(&self.link.checked(answer)?) == Some(1))
    }
}

/// Counters of 16 bits, the higher half first, as `BITFIELD` lays them out; those that were never counted up may be missing.
fn durations(bytes: &[u8]) -> Durations {
    let mut counts = [0; HISTOGRAM_BUCKETS];
    for (count, pair) in counts.iter_mut().zip(bytes.chunks(2)) {
        *count = pair.iter().chain(&[0]).take(2).fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
    }
    Durations(counts)
}

/// The fields `CLASS|p`, `CLASS|f`, `CLASS|ms` of a hash, by class.
fn totals(answer: &Value) -> Vec<ClassTotals> {
    let mut by_class = std::collections::BTreeMap::<String, ClassTotals>::new();
    for (field, value) in reply::pairs(answer) {
        let Some(field) = text(field) else { continue };
        let Some((class, what)) = field.rsplit_once('|') else { continue };
        let count = reply::count(value) as u64;
        let known = by_class.entry(class.to_owned()).or_default();
        match what {
            "p" => known.runs = count,
            "f" => known.failures = count,
            "ms" => known.millis = count,
            _ => {}
        }
    }
    by_class.into_iter().map(|(class, totals)| ClassTotals { class, ..totals }).collect()
}
