//! Time is virtual: twenty days pass in milliseconds, and everything that goes by time goes by one clock.

use std::time::{Duration, Instant};

use kiq::{JobSet, Timestamp, Worker};
use kiq_testing::{Events, Outcome};

use crate::jobs::{EveryDay, Flaky, Hopeless, Log, Note};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// C6, 18.7, and A20's schedule: all 25 retries at their times, dead after 20 days, in one test.
#[tokio::test]
async fn the_whole_schedule_of_25_retries_takes_milliseconds() {
    let kiq = kiq_testing::fake();
    Hopeless::enqueue().await.unwrap();
    let began = Instant::now();

    let report = kiq.advance(22 * DAY).await.unwrap();

    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let runs = report.runs();
    assert_eq!(runs.len(), 26);
    for (retry, pair) in runs.windows(2).enumerate() {
        // Sidekiq's: retry⁴ + 15 seconds, and luck of 0 to 10 × (retry + 1) − 1 more.
        let retry = retry as u64;
        let (wait, least) = (pair[1].at.since(pair[0].at), Duration::from_secs(retry.pow(4) + 15));
        assert!((least..least + Duration::from_secs(10 * (retry + 1))).contains(&wait), "retry {retry}: {wait:?}");
        assert_eq!(pair[1].attempt() as u64, retry + 2);
    }
    let took = runs[25].at.since(runs[0].at);
    assert!((20 * DAY..21 * DAY).contains(&took), "{took:?}");
    assert!(matches!(runs[25].outcome, Outcome::Dead { .. }));
    assert_eq!(kiq.inspector().stats().await.unwrap().dead, 1);
}

/// C6: what would have run, each at its time, in order.
#[tokio::test]
async fn advancing_runs_what_would_have_run_in_order() {
    let kiq = kiq_testing::fake().data(Log::default());
    let start = kiq.now();
    Note::enqueue(3).delay(3 * HOUR).await.unwrap();
    Note::enqueue(1).delay(HOUR).await.unwrap();
    Note::enqueue(0).await.unwrap();
    Note::enqueue(2).at(start + 2 * HOUR).await.unwrap();
    Note::enqueue(9).delay(9 * HOUR).await.unwrap();

    let report = kiq.advance(3 * HOUR).await.unwrap();

    let seen: Vec<(u64, Duration)> =
        report.runs().iter().map(|run| (run.job::<Note>().unwrap().unwrap().number, run.at.since(start))).collect();
    assert_eq!(seen, [(0, Duration::ZERO), (1, HOUR), (2, 2 * HOUR), (3, 3 * HOUR)]);
    assert_eq!(kiq.now(), start + 3 * HOUR);
    assert_eq!(kiq.jobs::<Note>()[0].job.number, 9);
}

/// C6: a job that enqueues tomorrow's, as cron will.
#[tokio::test]
async fn a_job_for_every_day_runs_on_each_day() {
    let kiq = kiq_testing::fake().data(Log::default());
    EveryDay::enqueue().await.unwrap();

    let report = kiq.advance(20 * DAY).await.unwrap();

    assert_eq!(report.count::<EveryDay>(), 21);
}

/// C6: the schedule moves the clock in a drain too, as Sidekiq's fake runs what is scheduled.
#[tokio::test]
async fn a_drain_moves_the_clock_to_what_is_scheduled() {
    let kiq = kiq_testing::fake().data(Log::default());
    let start = kiq.now();
    Note::enqueue(1).delay(5 * DAY).await.unwrap();

    kiq.drain_all().await.unwrap();

    assert_eq!(kiq.now(), start + 5 * DAY);
}

/// C6: `retry_for` goes by the same clock.
#[tokio::test]
async fn retry_for_ends_by_the_same_clock() {
    #[kiq::job(retry_for = "1h")]
    async fn for_an_hour() -> Result<(), String> {
        Err("not yet".to_owned())
    }
    let kiq = kiq_testing::fake();
    ForAnHour::enqueue().await.unwrap();

    let report = kiq.advance(DAY).await.unwrap();

    let last = report.runs().last().unwrap();
    assert!(matches!(last.outcome, Outcome::Dead { .. }), "{last}");
    let took = last.at.since(report.runs()[0].at);
    assert!((HOUR..2 * HOUR).contains(&took), "{took:?}");
}

/// C6: the dead are kept for 180 days of the same clock.
#[tokio::test]
async fn the_dead_age_by_the_same_clock() {
    let kiq = kiq_testing::fake();
    Hopeless::enqueue().retry(0).await.unwrap();
    kiq.advance(DAY).await.unwrap();
    assert_eq!(kiq.inspector().stats().await.unwrap().dead, 1);

    Hopeless::enqueue().retry(0).delay(181 * DAY).await.unwrap();
    kiq.advance(182 * DAY).await.unwrap();

    let dead = kiq.inspector().set(JobSet::Dead, 0, 9).await.unwrap();
    assert_eq!(dead.len(), 1, "the older one has left");
    assert!(dead[0].at.unwrap() > kiq.now() - 2 * DAY);
}

/// C6: leases go by the same clock: what a worker held that died runs again when its lease has run out, and not before.
#[tokio::test]
async fn leases_end_by_the_same_clock() {
    let log = Log::default();
    let kiq = kiq_testing::fake().data(log.clone());
    let start = kiq.now();
    for number in 1..=9 {
        Note::enqueue(number).await.unwrap();
    }
    let dies = Worker::builder().client(kiq.client()).data(Log::default()).by_hand().unwrap();
    dies.beat().await.unwrap();
    let lease = dies.lease();
    while kiq.store().take_first(dies.identity(), |_, _| true).unwrap().is_some() {}
    drop(dies);

    let second = Duration::from_secs(1);
    assert_eq!(kiq.advance(lease - second).await.unwrap().performed(), 0);
    let report = kiq.advance(2 * second).await.unwrap();

    assert!(report.runs().iter().all(|run| run.at == start + lease), "{report:?}");
    assert_eq!(log.lines(), (1..=9).map(|number| format!("note {number}")).collect::<Vec<_>>());
}

/// A worker that runs in the test goes by the test's clock too.
#[tokio::test]
async fn a_running_worker_goes_by_the_clock_of_the_test() {
    let kiq = kiq_testing::fake();
    Flaky::enqueue(1).await.unwrap();
    let worker = Worker::builder().poll_interval(Duration::from_millis(20)).build();
    // It lacks the state of other jobs of this program.
    assert!(worker.is_err());
    let worker = Worker::builder()
        .only_registered()
        .register::<Flaky>()
        .poll_interval(Duration::from_millis(20))
        .build()
        .unwrap();
    let mut events = Events::of(&worker);
    let clock = kiq.now();

    let twice = async {
        events.failed("Flaky").await;
        kiq.move_clock(DAY).await;
        events.done("Flaky").await;
    };
    worker.run_until(twice).await.unwrap();

    assert_eq!(kiq.now(), clock + DAY);
}

/// C6: with tokio's time paused both clocks are one.
#[tokio::test(start_paused = true)]
async fn tokios_paused_time_and_the_clock_of_the_test_are_one() {
    #[kiq::job]
    async fn sleeps(log: kiq::Data<Log>) {
        tokio::time::sleep(2 * HOUR).await;
        log.write("slept");
    }
    let kiq = kiq_testing::fake().data(Log::default()).with_tokio_time();
    let (start, tokio_start) = (kiq.now(), tokio::time::Instant::now());
    Note::enqueue(1).delay(DAY).await.unwrap();

    tokio::time::sleep(HOUR).await;
    assert_eq!(kiq.now(), start + HOUR);
    kiq.advance(DAY).await.unwrap();

    assert!(kiq.is_empty());
    assert_eq!(tokio_start.elapsed(), DAY + HOUR);
    Sleeps::enqueue().await.unwrap();
    kiq.drain_all().await.unwrap();
    assert_eq!(kiq.now(), start + DAY + 3 * HOUR);
}

/// A test may say when it happens.
#[tokio::test]
async fn the_clock_starts_where_it_is_told() {
    let kiq = kiq_testing::fake().starting(Timestamp::from_micros(1_800_000_000_000_000));
    Flaky::enqueue(0).await.unwrap();

    let created = kiq.waiting()[0].payload.created_at();

    // A whole second is written with a microsecond more, for readers that take whole numbers for milliseconds.
    assert_eq!(created, Some(Timestamp::from_micros(1_800_000_000_000_001)));
}
