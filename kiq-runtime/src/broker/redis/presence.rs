//! The record a process keeps of itself: Sidekiq's, for all readers from 6.4 to 8.1, and the lease under which it owns its
//! batches. One script a heartbeat.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::broker::CapsuleInfo;
use crate::broker::metrics::ClassRuns;
use crate::broker::presence::{Beat, Heard, Presence, Signal, Work};
use crate::clock::{Timestamp, instant};
use crate::error::BrokerError;
use crate::job::BoxFuture;

use super::consumer::RedisConsumer;
use super::link::LinkError;
use super::{check, keys, known, metrics, reply, scripts, text};

/// How long a process's record outlives its last heartbeat, in seconds: Sidekiq's readers go by it.
const RECORD_TTL: u32 = 60;

impl RedisConsumer {
    async fn say_alive(&self, beat: &Beat) -> Result<Heard, LinkError> {
        let record = self.describe(beat);
        let script_keys = [
            keys::OWNERS.to_owned(),
            keys::lease(self.me()),
            keys::PROCESSES.to_owned(),
            keys::process(self.me()),
            keys::work(self.me()),
            keys::signals(self.me()),
            keys::PAUSED.to_owned(),
        ];
        let mut call = scripts::beat(&script_keys).arg(self.me()).arg(millis(beat.lease)).arg(RECORD_TTL);
        call = call.arg(record.len());
        for (field, value) in record {
            call = call.arg(field).arg(value);
        }
        for run in &beat.work {
            call = call.arg(&run.tid).arg(describe_work(run));
        }
        let sent = instant();
        let answer = call.send(&self.pulse, &[]).await?.pop().ok_or_else(|| self.pulse.surprised())?;
        self.round_trip.store(u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        let answer = self.pulse.checked(answer)?;
        self.held.set_lease(Some(sent + beat.lease));
        let [signal, paused] = reply::list(&answer) else { return Err(self.pulse.surprised()) };
        let mut paused: Vec<String> = reply::list(paused).iter().filter_map(text).collect();
        paused.sort_unstable();
        Ok(Heard { signal: text(signal).and_then(|name| Signal::parse(&name)), paused })
    }

    /// The process's hash, with what the readers of Sidekiq 6, 7 and 8 each look for (wire: §9, §23).
    fn describe(&self, beat: &Beat) -> [(&'static str, String); 7] {
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
        [
            ("info", about.to_string()),
            ("concurrency", concurrency.to_string()),
            ("busy", beat.work.len().to_string()),
            ("beat", beat.at.to_score()),
            ("rtt_us", self.round_trip.load(Ordering::Relaxed).to_string()),
            ("quiet", beat.quiet.to_string()),
            ("rss", beat.rss_kib.to_string()),
        ]
    }

    async fn say_good_bye(&self) -> Result<(), LinkError> {
        // First the lease: a fetch that is still on its way to the server then gets nothing. Otherwise it could take jobs
        // between the last look at the index and the end, and nobody would find them. Whatever breaks off from here on is
        // done by others, who find an owner without a lease.
        let mut lease = redis::cmd("DEL");
        lease.arg(keys::lease(self.me()));
        self.link.ask(lease).await?;
        self.held.set_lease(None);
        self.held.spend_reserved();
        let spent = self.held.spent();
        if !spent.is_empty() {
            let mut forget = redis::cmd("HDEL");
            forget.arg(keys::index(self.me()));
            spent.iter().for_each(|id| {
                forget.arg(&**id).arg(keys::left(id));
            });
            self.link.ask(forget).await?;
        }
        let batches = self.index_of(self.me()).await?;
        self.release(self.me(), batches, false).await?;
        // If something may still be handed over to this process, its name stays for others to look after.
        self.forget(self.me()).await?;
        let mut signals = redis::cmd("UNLINK");
        signals.arg(keys::signals(self.me()));
        self.link.ask(signals).await?;
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
    fn beat<'a>(&'a self, beat: &'a Beat) -> BoxFuture<'a, Result<Heard, BrokerError>> {
        Box::pin(async move { Ok(self.say_alive(beat).await?) })
    }

    fn record<'a>(&'a self, runs: &'a [ClassRuns], at: Timestamp) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(async move { Ok(metrics::write(&self.pulse, runs, at).await?) })
    }

    fn knows<'a>(&'a self, jobs: &'a [&'a str], at: Timestamp) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(async move { Ok(known::write(&self.pulse, jobs, at).await?) })
    }

    fn unfit(&self) -> BoxFuture<'_, Result<Option<String>, BrokerError>> {
        Box::pin(async move { Ok(check::eviction(&self.pulse).await?) })
    }

    fn leave(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(async move { Ok(self.say_good_bye().await?) })
    }
}
