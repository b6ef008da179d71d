//! Numbers for StatsD and OpenTelemetry, heard by their own protocols.

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use kiq::meters::{Meter, OpenTelemetry, Process, Run, Store};
use kiq::{App, Client, Data, Event, Worker};
use kiq_testing::{Events, RedisServer};
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};

use crate::running::{Nap, Worker as Running, program};

/// A51.
#[tokio::test]
async fn statsd_is_sent_what_ran() {
    let server = RedisServer::start();
    let client = Client::connect(&server.url()).unwrap();
    let statsd = UdpSocket::bind("127.0.0.1:0").unwrap();
    statsd.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let at = statsd.local_addr().unwrap().to_string();
    let _worker = Running::spawn(program().env("REDIS_URL", server.url()).env("KIQ_STATSD", &at));
    for _ in 0..3 {
        let _ = Nap::enqueue(0.0).on(&client).await.unwrap();
    }

    let (mut runs, mut times) = (0, 0);
    let mut packet = [0; 65_536];
    while runs < 3 || times == 0 {
        let length = statsd.recv(&mut packet).unwrap();
        let text = String::from_utf8_lossy(&packet[..length]).into_owned();
        for line in text.lines() {
            let Some((name, rest)) = line.split_once(':') else { continue };
            let is_ours = || rest.contains("class:Nap") && rest.contains("queue:default");
            match name {
                "kiq_jobs_total" if is_ours() && rest.contains("end:done") => {
                    runs += rest.split('|').next().unwrap().parse::<u64>().unwrap();
                }
                "kiq_job_seconds" if is_ours() => times += 1,
                _ => {}
            }
        }
    }
    assert_eq!(runs, 3);
}

#[test]
fn an_address_of_statsd_that_cannot_be_is_named() {
    for (address, words) in
        [("nowhere", "statsd is \"nowhere\"; it must be like \"127.0.0.1:8125\""), ("h:0", "it must be like")]
    {
        let output = program().env("KIQ_STATSD", address).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(78) && said.contains(words), "{said}");
    }
}

#[derive(Debug, thiserror::Error)]
#[error("no")]
struct No;

#[kiq::job(retry = 0)]
async fn count_me(fails: bool, _notes: Data<()>) -> Result<(), No> {
    if fails { Err(No) } else { Ok(()) }
}

/// Runs one that succeeds and one that fails, with that meter.
async fn run_two(meter: impl Meter) {
    let client = Client::in_memory();
    for fails in [false, true] {
        let _ = CountMe::enqueue(fails).on(&client).await.unwrap();
    }
    let app = App::new().data(()).meter(meter);
    let worker = Worker::builder().client(client).only_registered().register::<CountMe>().app(&app).build().unwrap();
    let mut events = Events::of(&worker);
    let both = async {
        events.until(|e| matches!(e, Event::Failed { .. })).await;
        if !events.seen().iter().any(|e| matches!(e, Event::Done { .. })) {
            events.done("CountMe").await;
        }
    };
    worker.run_until(both).await.unwrap();
}

/// A51.
#[tokio::test]
async fn opentelemetry_is_told_what_ran() {
    let exporter = InMemoryMetricExporter::default();
    let provider = SdkMeterProvider::builder().with_reader(PeriodicReader::builder(exporter.clone()).build()).build();

    run_two(OpenTelemetry::new(&provider.meter("kiq"))).await;

    provider.force_flush().unwrap();
    let told = exporter.get_finished_metrics().unwrap();
    let found = |wanted: &str| {
        let all = told.iter().flat_map(ResourceMetrics::scope_metrics).flat_map(|scope| scope.metrics());
        all.filter(|metric| metric.name() == wanted).last().unwrap_or_else(|| panic!("no {wanted}")).data()
    };
    let AggregatedMetrics::U64(MetricData::Sum(jobs)) = found("kiq.jobs") else { panic!() };
    let mut ends: Vec<(String, u64)> = jobs
        .data_points()
        .map(|point| {
            let end = point.attributes().find(|attribute| attribute.key.as_str() == "end").unwrap();
            (end.value.to_string(), point.value())
        })
        .collect();
    ends.sort();
    assert_eq!(ends, [("dead".to_owned(), 1), ("done".to_owned(), 1)]);
    let AggregatedMetrics::F64(MetricData::Histogram(times)) = found("kiq.job.duration") else { panic!() };
    assert_eq!(times.data_points().map(|point| point.count()).sum::<u64>(), 2);
    let AggregatedMetrics::U64(MetricData::Gauge(slots)) = found("kiq.slots") else { panic!() };
    assert_eq!(slots.data_points().map(|point| point.value()).collect::<Vec<_>>(), [10]);
}

/// What a meter was told.
#[derive(Clone, Debug, Default)]
struct Heard(Arc<std::sync::Mutex<Vec<String>>>);

impl Heard {
    fn add(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }
}

impl Meter for Heard {
    fn run(&self, run: &Run<'_>) {
        self.add(format!("{} in {}: {}", run.class, run.queue, run.end.as_str()));
    }

    fn process(&self, process: &Process) {
        self.add(format!("{} slots", process.slots));
    }

    fn store(&self, store: &Store) {
        self.add(format!("{} queues", store.queues.len()));
    }
}

#[tokio::test]
async fn a_meter_of_ones_own_hears_of_runs_process_and_store() {
    let heard = Heard::default();

    run_two(heard.clone()).await;

    let all = heard.0.lock().unwrap().clone();
    for wanted in ["CountMe in default: done", "CountMe in default: dead", "10 slots", "1 queues"] {
        assert!(all.iter().any(|line| line == wanted), "{wanted} is not in {all:?}");
    }
}
