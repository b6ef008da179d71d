//! To a meter of OpenTelemetry.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram};
use std::sync::Mutex;
use std::sync::PoisonError;

use super::series::Series;
use super::{End, Meter, Process, RUN_TIME_BOUNDS, Run, Store};

/// Hands a worker's numbers to a meter of OpenTelemetry (feature `opentelemetry`).
///
/// The instruments are those of [`Metrics`](super), with dots: `kiq.jobs` (a counter with the attributes `class`, `queue` and
/// `end`), `kiq.job.duration` (a histogram of seconds), `kiq.busy`, `kiq.slots`, `kiq.memory`, `kiq.reruns`, `kiq.blocked`,
/// `kiq.queue.size`, `kiq.queue.latency`, `kiq.scheduled`, `kiq.retries`, `kiq.dead`, `kiq.in_flight`, `kiq.processes`,
/// `kiq.store.memory`, `kiq.store.memory.limit`. Where they are sent is the affair of the SDK that the program sets up.
///
/// # Examples
/// ```
/// use kiq::App;
/// use kiq::meters::OpenTelemetry;
///
/// let meter = opentelemetry::global::meter("kiq"); // after `global::set_meter_provider(…)`
/// let app = App::new().meter(OpenTelemetry::new(&meter));
/// # let _ = app;
/// ```
#[derive(Debug)]
pub struct OpenTelemetry {
    jobs: Counter<u64>,
    duration: Histogram<f64>,
    runs: Series<OfPair>,
    busy: Gauge<u64>,
    slots: Gauge<u64>,
    memory: Gauge<u64>,
    reruns: Counter<u64>,
    blocked: Counter<u64>,
    /// What the counters were told before: they take differences.
    told: Mutex<Process>,
    queue_size: Gauge<u64>,
    queue_latency: Gauge<f64>,
    sets: [Gauge<u64>; 5],
    store_memory: Gauge<u64>,
    store_limit: Gauge<u64>,
}

/// The attributes of a class and queue, for each [`End`] and without one.
#[derive(Debug)]
struct OfPair {
    ends: [[KeyValue; 3]; End::ALL.len()],
    pair: [KeyValue; 2],
}

impl OfPair {
    fn new(class: &str, queue: &str) -> Self {
        let pair = [KeyValue::new("class", class.to_owned()), KeyValue::new("queue", queue.to_owned())];
        let end = |end: End| {
            let [class, queue] = pair.clone();
            [class, queue, KeyValue::new("end", end.as_str())]
        };
        OfPair { ends: End::ALL.map(end), pair }
    }
}

impl OpenTelemetry {
    /// Makes the instruments.
    pub fn new(meter: &opentelemetry::metrics::Meter) -> Self {
        let gauge = |name: &'static str, what: &'static str| meter.u64_gauge(name).with_description(what).build();
        let bytes = |name: &'static str, what: &'static str| {
            meter.u64_gauge(name).with_description(what).with_unit("By").build()
        };
        OpenTelemetry {
            jobs: meter.u64_counter("kiq.jobs").with_description("Runs that ended, by how").build(),
            duration: meter
                .f64_histogram("kiq.job.duration")
                .with_description("How long runs took")
                .with_unit("s")
                .with_boundaries(RUN_TIME_BOUNDS.to_vec())
                .build(),
            runs: Series::default(),
            busy: gauge("kiq.busy", "Jobs that run in this process"),
            slots: gauge("kiq.slots", "Jobs that may run at once in this process"),
            memory: bytes("kiq.memory", "Resident memory of this process"),
            reruns: meter.u64_counter("kiq.reruns").with_description("Jobs that run again, by cause").build(),
            blocked: meter
                .u64_counter("kiq.blocked")
                .with_description("Stretches in which a job kept a thread of the runtime")
                .build(),
            told: Mutex::default(),
            queue_size: gauge("kiq.queue.size", "Jobs in a queue"),
            queue_latency: meter
                .f64_gauge("kiq.queue.latency")
                .with_description("How long the next job of a queue has waited")
                .with_unit("s")
                .build(),
            sets: [
                gauge("kiq.scheduled", "Jobs for later"),
                gauge("kiq.retries", "Jobs that wait for their next try"),
                gauge("kiq.dead", "Jobs that failed for good and are kept"),
                gauge("kiq.in_flight", "Jobs in processes' hands"),
                gauge("kiq.processes", "Worker processes that live"),
            ],
            store_memory: bytes("kiq.store.memory", "Memory that Redis uses"),
            store_limit: bytes("kiq.store.memory.limit", "Memory that Redis may use"),
        }
    }
}

impl Meter for OpenTelemetry {
    fn run(&self, run: &Run<'_>) {
        self.runs.of(run.class, run.queue, OfPair::new, |pair| {
            if let Some(attributes) = pair.ends.get(run.end as usize) {
                self.jobs.add(1, attributes);
            }
            self.duration.record(run.elapsed.as_secs_f64(), &pair.pair);
        });
    }

    fn process(&self, process: &Process) {
        self.busy.record(process.busy as u64, &[]);
        self.slots.record(process.slots as u64, &[]);
        self.memory.record(process.memory, &[]);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        self.blocked.add(process.blocked.saturating_sub(told.blocked), &[]);
        for ((cause, jobs), (_, before)) in process.reruns.iter().zip(told.reruns) {
            self.reruns.add(jobs.saturating_sub(before), &[KeyValue::new("cause", *cause)]);
        }
        *told = process.clone();
    }

    fn store(&self, store: &Store) {
        for queue in &store.queues {
            let attributes = [KeyValue::new("queue", queue.name.clone())];
            self.queue_size.record(queue.size as u64, &attributes);
            self.queue_latency.record(queue.latency.as_secs_f64(), &attributes);
        }
        let counts = [store.scheduled, store.retries, store.dead, store.in_flight, store.processes];
        for (gauge, count) in self.sets.iter().zip(counts) {
            gauge.record(count as u64, &[]);
        }
        for (gauge, value) in [(&self.store_memory, store.used_memory), (&self.store_limit, store.max_memory)] {
            if let Some(value) = value {
                gauge.record(value, &[]);
            }
        }
    }
}
