//! The record a process keeps of itself: Sidekiq's, for all readers from 6.4 to 8.1, and the lease under which it owns its
//! batches. One transaction a heartbeat.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use redis::{Cmd, Pipeline};
use serde_json::{Map, Value, json};

use crate::broker::CapsuleInfo;
use crate::broker::presence::{Beat, Presence, Signal, Work};
use crate::clock::Timestamp;
use crate::error::BrokerError;
use crate::job::BoxFuture;

use super::consumer::RedisConsumer;
use super::link::LinkError;
use super::{keys, text};

/// How long a process's record outlives its last heartbeat, in seconds: Sidekiq's readers go by it.
const RECORD_TTL: u32 = 60;

impl RedisConsumer {
    async fn say_alive(&self, beat: &Beat) -> Result<Option<Signal>, LinkError> {
        let (process, work) = (keys::process(&self.identity), keys::work(&self.identity));
        let mut record = Pipeline::new();
        record.atomic();
        // Findable before it may own anything.
        record.cmd("SADD").arg(keys::OWNERS).arg(self.me());
        record.cmd("SET").arg(keys::lease(self.me())).arg(1).arg("PX").arg(millis(beat.lease));
        record.cmd("SADD").arg(keys::PROCESSES).arg(self.me());
        record.add_command(self.describe(beat));
        record.cmd("EXPIRE").arg(&process).arg(RECORD_TTL);
        record.cmd("UNLINK").arg(&work);
        if !beat.work.is_empty() {
            let running = record.cmd("HSET").arg(&work);
            for run in &beat.work {
                running.arg(&run.tid).arg(describe_work(run));
            }
            record.cmd("EXPIRE").arg(&work).arg(RECORD_TTL);
        }
        record.cmd("RPOP").arg(keys::signals(&self.identity));
        let sent = Instant::now();
        let answers = self.pulse.transact(&record).await?;
        self.round_trip.store(u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        let signal = answers.last().and_then(text);
        Ok(signal.and_then(|name| Signal::parse(&name)))
    }

    /// The process's hash, with what the readers of Sidekiq 6, 7 and 8 each look for (wire: §9, §23).
    fn describe(&self, beat: &Beat) -> Cmd {
        let info = &beat.info;
        let queues: Vec<&str> = {
            let mut names: Vec<&str> =
                info.capsules.iter().flat_map(|capsule| capsule.queues.iter().map(|(name, _)| name.as_str())).collect();
            names.sort_unstable();
            names.dedup();
            names
        };
        let concurrency: usize = info.capsules.iter().map(|capsule| capsule.concurrency).sum();
        let capsules = info.capsules.iter().map(|capsule| {
            let about = json!({
                "concurrency": capsule.concurrency,
                "mode": capsule.mode.as_str(),
                "weights": weights(capsule),
            });
            (capsule.name.clone(), about)
        });
        let about = json!({
            "hostname": self.identity.hostname(),
            "started_at": seconds(info.started_at),
            "pid": std::process::id(),
            "tag": info.tag,
            "concurrency": concurrency,
            "queues": queues,
            "weights": info.capsules.iter().map(weights).collect::<Vec<_>>(),
            "capsules": capsules.collect::<Map<String, Value>>(),
            "labels": [],
            "identity": self.me(),
            "version": concat!("kiq ", env!("CARGO_PKG_VERSION")),
            "embedded": info.embedded,
        });
        let mut record = redis::cmd("HSET");
        record.arg(keys::process(&self.identity));
        record.arg("info").arg(about.to_string());
        record.arg("concurrency").arg(concurrency);
        record.arg("busy").arg(beat.work.len());
        record.arg("beat").arg(beat.at.to_score());
        record.arg("rtt_us").arg(self.round_trip.load(Ordering::Relaxed));
        record.arg("quiet").arg(if beat.quiet { "true" } else { "false" });
        record.arg("rss").arg(beat.rss_kib);
        record
    }

    async fn say_good_bye(&self) -> Result<(), LinkError> {
        let batches = self.index_of(self.me()).await?;
        self.release(self.me(), batches, false).await?;
        let mut record = Pipeline::new();
        record.atomic();
        record.cmd("SREM").arg(keys::OWNERS).arg(self.me());
        record.cmd("SREM").arg(keys::PROCESSES).arg(self.me());
        record.cmd("DEL").arg(keys::lease(self.me()));
        let process = keys::process(&self.identity);
        record.cmd("UNLINK").arg(process).arg(keys::work(&self.identity)).arg(keys::signals(&self.identity));
        self.link.transact(&record).await?;
        Ok(())
    }
}

/// Queue → weight.
fn weights(capsule: &CapsuleInfo) -> Map<String, Value> {
    capsule.queues.iter().map(|(name, weight)| (name.clone(), json!(weight))).collect()
}

/// As Sidekiq's readers expect it: the payload is a text of JSON inside the JSON, the time whole seconds.
fn describe_work(run: &Work) -> String {
    let payload = String::from_utf8_lossy(&run.payload);
    json!({ "queue": &*run.queue, "payload": payload, "run_at": run.run_at.as_micros() / 1_000_000 }).to_string()
}

/// Seconds as a JSON number that keeps its fraction.
fn seconds(at: Timestamp) -> f64 {
    at.as_micros() as f64 / 1e6
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}

impl Presence for RedisConsumer {
    fn beat<'a>(&'a self, beat: &'a Beat) -> BoxFuture<'a, Result<Option<Signal>, BrokerError>> {
        Box::pin(async move { Ok(self.say_alive(beat).await?) })
    }

    fn leave(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(async move { Ok(self.say_good_bye().await?) })
    }
}
