//! Draining runs jobs, and those they enqueue, in order, to an end.

use std::sync::Arc;

use kiq::JobSet;
use kiq_testing::{DrainError, Outcome};

use crate::jobs::{Countdown, EveryDay, Flaky, ForEver, GivenUp, Hopeless, Log, Note, NoteLow};

/// A18, 18.3: children are followed. (`mutants.sh` breaks that, and sees this test fail.)
#[tokio::test]
async fn draining_follows_what_jobs_enqueue() {
    let kiq = kiq_testing::fake().data(Log::default());
    Countdown::enqueue(3).await.unwrap();

    let report = kiq.drain_all().await.unwrap();

    assert_eq!((report.count::<Countdown>(), report.performed()), (4, 4));
    let left: Vec<u32> = report.runs().iter().map(|run| run.job::<Countdown>().unwrap().unwrap().left).collect();
    assert_eq!(left, [3, 2, 1, 0]);
    assert!(kiq.is_empty());
}

/// A18: in the order they were enqueued, whatever their queues.
#[tokio::test]
async fn jobs_run_in_the_order_they_were_enqueued() {
    let log = Log::default();
    let kiq = kiq_testing::fake().data(log.clone());
    for number in 0..3 {
        Note::enqueue(number).await.unwrap();
        NoteLow::enqueue(number).await.unwrap();
    }

    let report = kiq.drain_all().await.unwrap();

    let classes: Vec<&str> = report.runs().iter().map(|run| run.class()).collect();
    assert_eq!(classes, ["Note", "NoteLow", "Note", "NoteLow", "Note", "NoteLow"]);
    assert_eq!(log.lines(), ["note 0", "low 0", "note 1", "low 1", "note 2", "low 2"]);
}

#[tokio::test]
async fn one_kind_is_drained_and_the_others_wait() {
    let kiq = kiq_testing::fake().data(Log::default());
    Note::enqueue(1).await.unwrap();
    Countdown::enqueue(1).await.unwrap();

    let report = kiq.drain::<Countdown>().await.unwrap();

    assert_eq!(report.count::<Countdown>(), 2);
    assert_eq!(kiq.jobs::<Note>().len(), 1);
}

#[tokio::test]
async fn perform_one_runs_one_and_nothing_it_enqueues() {
    let kiq = kiq_testing::fake().data(Log::default());
    Countdown::enqueue(2).await.unwrap();

    let run = kiq.perform_one::<Countdown>().await.unwrap();

    assert_eq!(run.job::<Countdown>().unwrap().unwrap().left, 2);
    assert_eq!(kiq.jobs::<Countdown>()[0].job.left, 1);
    assert!(matches!(kiq.perform_one::<Note>().await, Err(DrainError::Empty { class: "Note" })));
}

/// A17.
#[tokio::test]
async fn jobs_can_be_forgotten() {
    let kiq = kiq_testing::fake().data(Log::default());
    Note::enqueue(1).await.unwrap();
    NoteLow::enqueue(1).await.unwrap();

    kiq.clear::<Note>();
    assert_eq!((kiq.jobs::<Note>().len(), kiq.jobs::<NoteLow>().len()), (0, 1));
    kiq.clear_all();

    assert!(kiq.is_empty());
}

/// A18: as Sidekiq, the first failure surfaces; what ran before is told, what comes after waits.
#[tokio::test]
async fn the_first_failure_surfaces() {
    let kiq = kiq_testing::fake().data(Log::default());
    Note::enqueue(1).await.unwrap();
    Hopeless::enqueue().await.unwrap();
    Note::enqueue(2).await.unwrap();

    let error = kiq.drain_all().await.unwrap_err();

    let text = error.to_string();
    assert!(text.starts_with("Hopeless(), try 1, failed: ") && text.contains("no luck"), "{text}");
    assert!(text.ends_with("1 ran before it"), "{text}");
    assert_eq!(format!("{error:?}"), text, "what `unwrap` prints");
    assert_eq!(kiq.jobs::<Note>()[0].job.number, 2);
    assert_eq!(kiq.inspector().set(JobSet::Retry, 0, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_discarded_job_surfaces_too_unless_failures_are_allowed() {
    let kiq = kiq_testing::fake();
    GivenUp::enqueue().await.unwrap();
    GivenUp::enqueue().await.unwrap();

    assert!(matches!(kiq.drain_all().await, Err(DrainError::Failed { .. })));
    let report = kiq.drain_all().allow_failures().await.unwrap();

    assert!(matches!(report.runs()[0].outcome, Outcome::Discarded { .. }));
}

/// 18.8: retries are played through, in virtual time.
#[tokio::test]
async fn retries_are_played_through() {
    let kiq = kiq_testing::fake();
    Flaky::enqueue(3).await.unwrap();

    let report = kiq.drain_all().with_retries().await.unwrap();

    let tries: Vec<u32> = report.runs().iter().map(|run| run.attempt()).collect();
    assert_eq!(tries, [1, 2, 3, 4]);
    assert_eq!((report.performed(), report.failures().count()), (1, 3));
}

#[tokio::test]
async fn with_retries_the_last_failure_surfaces() {
    let kiq = kiq_testing::fake();
    Hopeless::enqueue().retry(2).await.unwrap();

    let error = kiq.drain_all().with_retries().await.unwrap_err();

    assert!(error.to_string().contains("try 3, failed for good"), "{error}");
    assert_eq!(error.drained().unwrap().runs().len(), 3);
    assert_eq!(kiq.inspector().stats().await.unwrap().dead, 1);
}

/// A18: bounded. What never ends is told, not waited for.
#[tokio::test]
async fn a_job_that_enqueues_itself_for_ever_is_reported() {
    let kiq = kiq_testing::fake().data(Log::default());
    ForEver::enqueue().await.unwrap();

    let error = kiq.drain_all().limit(500).await.unwrap_err();
    assert!(error.to_string().contains("500 jobs ran") && error.to_string().contains("100 × ForEver"), "{error}");

    kiq.clear_all();
    EveryDay::enqueue().await.unwrap();
    assert!(matches!(kiq.drain_all().limit(50).await, Err(DrainError::Endless { limit: 50, .. })));
}

/// A job that drains would wait for itself.
#[tokio::test]
async fn draining_inside_of_a_drain_is_an_error() {
    #[kiq::job]
    async fn drains() -> Result<(), DrainError> {
        kiq_testing::current().drain_all().await.map(drop)
    }
    let kiq = kiq_testing::fake();
    Drains::enqueue().await.unwrap();

    let error = kiq.drain_all().await.unwrap_err();

    assert!(error.to_string().contains("a job cannot drain"), "{error}");
}

/// Nothing is lost by a test that waits no longer: the job that was running is in its queue again, and in no other's way.
#[tokio::test(start_paused = true)]
async fn a_job_whose_drain_is_dropped_goes_back_to_its_queue() {
    #[kiq::job]
    async fn waits(gate: kiq::Data<Arc<tokio::sync::Semaphore>>) {
        gate.acquire().await.unwrap().forget();
    }
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let kiq = kiq_testing::fake().data(Arc::clone(&gate));
    Waits::enqueue().await.unwrap();

    tokio::time::timeout(std::time::Duration::from_secs(1), kiq.drain_all()).await.unwrap_err();

    assert_eq!(kiq.jobs::<Waits>().len(), 1);
    gate.add_permits(1);
    let report = kiq.drain_all().await.unwrap();
    assert_eq!((report.performed(), report.runs()[0].attempt()), (1, 1));
    assert!(kiq.is_empty());
}

/// A14: a job that lacks state says which; other jobs of the program need none of theirs.
#[tokio::test]
async fn state_that_is_missing_is_named() {
    let kiq = kiq_testing::fake();
    Note::enqueue(1).await.unwrap();

    let error = kiq.drain_all().await.unwrap_err();

    assert!(error.to_string().contains("no `Data<") && error.to_string().contains("Log>"), "{error}");
}

/// A71: the program's own worker, with its retry rules.
#[tokio::test]
async fn the_programs_own_worker_is_used() {
    let worker = kiq::Worker::builder()
        .data(Log::default())
        .backoff(kiq::Backoff::custom(|_| std::time::Duration::from_secs(5)));
    let kiq = kiq_testing::fake().worker(worker);
    Note::enqueue(1).await.unwrap();
    kiq.drain_all().await.unwrap();
    Flaky::enqueue(1).await.unwrap();

    let start = kiq.now();
    kiq.drain_all().with_retries().await.unwrap();

    assert!(kiq.now().since(start) < std::time::Duration::from_secs(30));
}

/// A71, 18.6: the program's own middleware is on, around enqueues and around runs.
#[tokio::test]
async fn the_programs_own_middleware_is_on() {
    let log = Log::default();
    let (enqueues, runs) = (log.clone(), log.clone());
    let app = kiq::App::new()
        .data(log.clone())
        .enqueue_middleware(move |job: kiq::Outgoing, next: kiq::NextEnqueue| {
            enqueues.write(format!("enqueue {}", job.payload().class()));
            next.run(job)
        })
        .run_middleware(move |cx: kiq::JobContext, next: kiq::NextRun| {
            runs.write(format!("run {}", cx.class()));
            next.run(cx)
        });
    let kiq = kiq_testing::fake().app(&app);

    Note::enqueue(1).await.unwrap();
    kiq.drain_all().await.unwrap();

    assert_eq!(log.lines(), ["enqueue Note", "run Note", "note 1"]);
}

/// A71: so are its handlers, and what is expected to pass is told to none before the end.
#[tokio::test]
async fn the_programs_own_handlers_are_told() {
    #[kiq::job(transient = [std::io::Error], retry = 1)]
    async fn passes() -> Result<(), std::io::Error> {
        Err(std::io::Error::other("busy"))
    }
    let log = Log::default();
    let (errors, deaths) = (log.clone(), log.clone());
    let app = kiq::App::new()
        .on_error(move |report: kiq::Report| {
            errors.write(format!("error of {} at {}", report.class(), report.attempt()));
            std::future::ready(())
        })
        .on_death(move |report: kiq::Report| {
            deaths.write(format!("death of {}", report.class()));
            std::future::ready(())
        });
    let kiq = kiq_testing::fake().app(&app);
    Hopeless::enqueue().retry(1).await.unwrap();
    Passes::enqueue().await.unwrap();

    kiq.drain_all().with_retries().allow_failures().await.unwrap();

    let mut told = log.lines();
    told.sort();
    let expected = ["death of Hopeless", "death of Passes", "error of Hopeless at 1", "error of Hopeless at 2"];
    assert_eq!(
        told.iter().filter(|line| !line.contains("error of Passes at 2")).collect::<Vec<_>>(),
        expected.each_ref()
    );
}
