//! To the program's recorder of the crate `metrics`, which has exporters for Prometheus, StatsD and others.

use metrics::{
    Counter, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use super::series::Series;
use super::{End, Meter, Process, Run, Store};

/// Hands a worker's numbers to the recorder that the program installed with the crate `metrics` (feature `metrics`).
///
/// | name | kind | labels |
/// |---|---|---|
/// | `kiq_jobs_total` | counter | `class`, `queue`, `end`: `done`, `retry`, `later`, `dead`, `discarded`, `stale` |
/// | `kiq_job_seconds` | histogram | `class`, `queue` |
/// | `kiq_busy`, `kiq_slots` | gauges | |
/// | `kiq_quiet` | gauge, 0 or 1 | |
/// | `kiq_memory_bytes` | gauge | |
/// | `kiq_reruns_total` | counter | `cause`: `reclaimed`, `lease_lost`, `cut_off`, `unheard` |
/// | `kiq_blocked_total` | counter | |
/// | `kiq_queue_size`, `kiq_queue_latency_seconds` | gauges | `queue` |
/// | `kiq_scheduled`, `kiq_retries`, `kiq_dead`, `kiq_in_flight`, `kiq_processes` | gauges | |
/// | `kiq_store_memory_bytes`, `kiq_store_memory_limit_bytes` | gauges | |
///
/// Those from `kiq_queue_size` on are of the store: every process tells the same, so take their maximum and not their sum. What
/// the application counts itself (`metrics::counter!("orders_charged")`) goes the same way.
///
/// Install the recorder before the worker is built: what was counted before is lost. A [`Program`](crate) with the feature
/// `prometheus` or `statsd` does all of it.
#[derive(Debug)]
pub struct Metrics {
    runs: Series<OfPair>,
}

/// The counters of a class and queue, one for each [`End`], and its run times.
struct OfPair {
    ends: [Counter; End::ALL.len()],
    seconds: Histogram,
}

impl std::fmt::Debug for OfPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OfPair")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics::new()
    }
}

impl Metrics {
    /// Describes the numbers to the recorder.
    pub fn new() -> Self {
        describe_counter!("kiq_jobs_total", "Runs that ended, by how");
        describe_histogram!("kiq_job_seconds", Unit::Seconds, "How long runs took");
        describe_gauge!("kiq_busy", "Jobs that run in this process");
        describe_gauge!("kiq_slots", "Jobs that may run at once in this process");
        describe_gauge!("kiq_quiet", "1 if this process was told to take no more jobs");
        describe_gauge!("kiq_memory_bytes", Unit::Bytes, "Resident memory of this process");
        describe_counter!("kiq_reruns_total", "Jobs that run again, by cause");
        describe_counter!("kiq_blocked_total", "Stretches in which a job kept a thread of the runtime");
        describe_gauge!("kiq_queue_size", "Jobs in a queue");
        describe_gauge!("kiq_queue_latency_seconds", Unit::Seconds, "How long the next job of a queue has waited");
        describe_gauge!("kiq_scheduled", "Jobs for later");
        describe_gauge!("kiq_retries", "Jobs that wait for their next try");
        describe_gauge!("kiq_dead", "Jobs that failed for good and are kept");
        describe_gauge!("kiq_in_flight", "Jobs in processes' hands");
        describe_gauge!("kiq_processes", "Worker processes that live");
        describe_gauge!("kiq_store_memory_bytes", Unit::Bytes, "Memory that Redis uses");
        describe_gauge!("kiq_store_memory_limit_bytes", Unit::Bytes, "Memory that Redis may use");
        Metrics { runs: Series::default() }
    }
}

impl OfPair {
    fn new(class: &str, queue: &str) -> Self {
        let (class, queue) = (class.to_owned(), queue.to_owned());
        let end = |end: End| counter!("kiq_jobs_total", "class" => class.clone(), "queue" => queue.clone(), "end" => end.as_str());
        OfPair {
            ends: End::ALL.map(end),
            seconds: histogram!("kiq_job_seconds", "class" => class.clone(), "queue" => queue.clone()),
        }
    }
}

impl Meter for Metrics {
    fn run(&self, run: &Run<'_>) {
        self.runs.of(run.class, run.queue, OfPair::new, |pair| {
            if let Some(counter) = pair.ends.get(run.end as usize) {
                counter.increment(1);
            }
            pair.seconds.record(run.elapsed.as_secs_f64());
        });
    }

    fn process(&self, process: &Process) {
        gauge!("kiq_busy").set(process.busy as f64);
        gauge!("kiq_slots").set(process.slots as f64);
        gauge!("kiq_quiet").set(if process.is_quiet { 1.0 } else { 0.0 });
        gauge!("kiq_memory_bytes").set(process.memory as f64);
        counter!("kiq_blocked_total").absolute(process.blocked);
        for (cause, jobs) in process.reruns {
            counter!("kiq_reruns_total", "cause" => cause).absolute(jobs);
        }
    }

    fn store(&self, store: &Store) {
        for queue in &store.queues {
            gauge!("kiq_queue_size", "queue" => queue.name.clone()).set(queue.size as f64);
            gauge!("kiq_queue_latency_seconds", "queue" => queue.name.clone()).set(queue.latency.as_secs_f64());
        }
        for (name, count) in [
            ("kiq_scheduled", store.scheduled),
            ("kiq_retries", store.retries),
            ("kiq_dead", store.dead),
            ("kiq_in_flight", store.in_flight),
            ("kiq_processes", store.processes),
        ] {
            gauge!(name).set(count as f64);
        }
        for (name, bytes) in
            [("kiq_store_memory_bytes", store.used_memory), ("kiq_store_memory_limit_bytes", store.max_memory)]
        {
            if let Some(bytes) = bytes {
                gauge!(name).set(bytes as f64);
            }
        }
    }
}
