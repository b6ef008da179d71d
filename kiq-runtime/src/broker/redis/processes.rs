//! Reading what processes say of themselves: ours, and those of every Sidekiq from 6.4 to 8.1.

use std::time::Duration;

use redis::{Pipeline, Value};
use serde_json::Value as Json;

use crate::broker::browse::{ProcessState, Running};
use crate::broker::presence::{CapsuleInfo, OrderMode};
use crate::clock::Timestamp;

use super::link::LinkError;
use super::{RedisBroker, keys, reply, text};

/// Entries of one process's work in one answer.
const WORK_AT_ONCE: usize = 1000;

const FIELDS: [&str; 7] = ["info", "concurrency", "busy", "beat", "quiet", "rss", "rtt_us"];

impl RedisBroker {
    async fn identities(&self) -> Result<Vec<String>, LinkError> {
        let mut members = redis::cmd("SMEMBERS");
        members.arg(keys::PROCESSES);
        let answer = self.link.ask(members).await?;
        let mut names: Vec<String> = reply::list(&answer).iter().filter_map(text).collect();
        names.sort_unstable();
        Ok(names)
    }

    pub(super) async fn read_processes(&self) -> Result<Vec<ProcessState>, LinkError> {
        let identities = self.identities().await?;
        if identities.is_empty() {
            return Ok(Vec::new());
        }
        let mut request = Pipeline::with_capacity(identities.len());
        for identity in &identities {
            request.cmd("HMGET").arg(keys::process(identity)).arg(&FIELDS);
        }
        let answers = self.link.send(&request).await?;
        // One whose record ran out is gone.
        Ok(identities.into_iter().zip(&answers).filter_map(|(identity, answer)| describe(identity, answer)).collect())
    }

    pub(super) async fn read_running(&self, limit: usize) -> Result<Vec<Running>, LinkError> {
        let mut open: Vec<(String, u64)> = self.identities().await?.into_iter().map(|identity| (identity, 0)).collect();
        let mut running = Vec::new();
        while !open.is_empty() && running.len() < limit {
            let count = WORK_AT_ONCE.min(limit - running.len()).max(1);
            let mut request = Pipeline::with_capacity(open.len());
            for (identity, position) in &open {
                request.cmd("HSCAN").arg(keys::work(identity)).arg(*position).arg("COUNT").arg(count);
            }
            let answers = self.link.send(&request).await?;
            let mut next = Vec::new();
            for ((identity, _), answer) in open.into_iter().zip(answers) {
                let [position, pairs] = reply::list(&answer) else { continue };
                let work = reply::pairs(pairs).into_iter();
                running.extend(work.filter_map(|(tid, work)| describe_work(&identity, &text(tid)?, work)));
                match reply::int(position).and_then(|position| u64::try_from(position).ok()) {
                    Some(0) | None => {}
                    Some(position) => next.push((identity, position)),
                }
            }
            open = next;
        }
        running.truncate(limit);
        Ok(running)
    }
}

fn describe(identity: String, answer: &Value) -> Option<ProcessState> {
    let [info, concurrency, busy, beat, quiet, rss, round_trip] = reply::list(answer) else { return None };
    let info: Json = serde_json::from_slice(reply::bytes(info)?).ok()?;
    let word = |name: &str| info.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    let number = |name: &str| info.get(name).and_then(Json::as_f64).unwrap_or_default();
    // Sidekiq has it in one place or the other, depending on its version.
    let in_all = match reply::count(concurrency) {
        0 => number("concurrency") as usize,
        count => count,
    };
    Some(ProcessState {
        hostname: word("hostname"),
        pid: number("pid") as u32,
        tag: word("tag"),
        version: match word("version") {
            version if version.starts_with(|c: char| c.is_ascii_digit()) => format!("Sidekiq {version}"),
            version if version.is_empty() => "Sidekiq".to_owned(),
            version => version,
        },
        started_at: Timestamp::from_seconds(number("started_at")),
        capsules: capsules(&info, in_all),
        concurrency: in_all,
        busy: reply::count(busy),
        beat_at: reply::score(beat).unwrap_or(Timestamp::from_micros(0)),
        is_quiet: reply::bytes(quiet) == Some(b"true"),
        is_embedded: info.get("embedded").and_then(Json::as_bool).unwrap_or(false),
        rss_kib: reply::count(rss) as u64,
        round_trip: Duration::from_micros(reply::count(round_trip) as u64),
        identity,
    })
}

/// The capsules; before 8.0.9 the queues and their weights.
fn capsules(info: &Json, concurrency: usize) -> Vec<CapsuleInfo> {
    if let Some(capsules) = info.get("capsules").and_then(Json::as_object).filter(|capsules| !capsules.is_empty()) {
        let capsule = |(name, about): (&String, &Json)| CapsuleInfo {
            name: name.clone(),
            concurrency: about.get("concurrency").and_then(Json::as_u64).unwrap_or(0) as usize,
            mode: about.get("mode").and_then(Json::as_str).and_then(OrderMode::parse).unwrap_or(OrderMode::Strict),
            queues: about.get("weights").map(weights).unwrap_or_default(),
        };
        return capsules.iter().map(capsule).collect();
    }
    let listed = info.get("queues").and_then(Json::as_array);
    let listed = listed.into_iter().flatten().filter_map(Json::as_str).map(|name| (name.to_owned(), 0));
    let queues = match info.get("weights") {
        Some(Json::Array(all)) if !all.is_empty() => all.iter().flat_map(weights).collect(),
        Some(all @ Json::Object(_)) => weights(all),
        _ => listed.collect(),
    };
    let queues: Vec<(String, u32)> = queues;
    let mode = match queues.as_slice() {
        queues if queues.iter().all(|(_, weight)| *weight == 0) => OrderMode::Strict,
        queues if queues.iter().all(|(_, weight)| *weight == 1) => OrderMode::Random,
        _ => OrderMode::Weighted,
    };
    vec![CapsuleInfo { name: "default".to_owned(), concurrency, mode, queues }]
}

fn weights(queues: &Json) -> Vec<(String, u32)> {
    let weight = |weight: &Json| weight.as_u64().and_then(|weight| u32::try_from(weight).ok()).unwrap_or(0);
    queues.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), weight(value))).collect()
}

/// The payload is a text of JSON inside the JSON, or, in some versions, the object itself.
fn describe_work(process: &str, tid: &str, work: &Value) -> Option<Running> {
    #[derive(serde::Deserialize)]
    struct Work {
        queue: String,
        payload: Box<serde_json::value::RawValue>,
        run_at: f64,
    }
    let Work { queue, payload, run_at } = serde_json::from_slice(reply::bytes(work)?).ok()?;
    let payload = match serde_json::from_str::<String>(payload.get()) {
        Ok(text) => text.into_bytes(),
        Err(_) => payload.get().as_bytes().to_vec(),
    };
    let run_at = Timestamp::from_seconds(run_at);
    Some(Running { process: process.to_owned(), tid: tid.to_owned(), queue, run_at, payload })
}
