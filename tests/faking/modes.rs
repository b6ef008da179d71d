//! A mode holds for the test that made it, and for no other.

use kiq::{BuildError, Client, EnqueueError, Inspector, Worker};
use kiq_testing::Fake;

use crate::jobs::{InAThread, Log, Note, NoteLow, Played, WithOddKeys};

/// A14, A16, 18.1: nothing runs, nothing leaves the process.
#[tokio::test]
async fn a_fake_keeps_jobs_and_runs_none() {
    let kiq = kiq_testing::fake().data(Log::default());

    Note::enqueue(7).await.unwrap();

    assert_eq!(kiq.jobs::<Note>()[0].job.number, 7);
    assert_eq!(kiq.queue("default").len(), 1);
}

/// Forgetting the mode is an error that says what to do, also where a client was given to `init`.
#[tokio::test]
async fn a_test_without_a_mode_gets_an_error_and_never_the_client_of_the_process() {
    let real = Client::in_memory();
    kiq::init(real.clone());

    let error = Note::enqueue(7).await.unwrap_err();
    let worker = Worker::builder().build().unwrap_err();

    assert!(matches!(error, EnqueueError::NoTestMode));
    assert!(error.to_string().contains("let kiq = kiq_testing::fake();"), "{error}");
    assert!(matches!(worker, BuildError::NoTestMode));
    assert_eq!(Inspector::new(&real).stats().await.unwrap().enqueued, 0);
}

#[tokio::test]
async fn the_mode_ends_when_it_is_dropped() {
    drop(kiq_testing::fake());

    assert!(matches!(Note::enqueue(7).await, Err(EnqueueError::NoTestMode)));
    drop(kiq_testing::fake());
}

/// A16: nested scopes are a clear error.
#[tokio::test]
#[should_panic(expected = "a mode holds here already")]
async fn two_modes_in_one_test_are_a_mistake() {
    let _kiq = kiq_testing::fake();
    let _inner = kiq_testing::inline();
}

/// What was given first would be gone, and the job that needs it fail for no reason that a reader sees.
#[tokio::test]
#[should_panic(expected = "give it before them")]
async fn a_worker_that_would_throw_away_state_is_a_mistake() {
    let _kiq = kiq_testing::fake().data(Log::default()).worker(Worker::builder());
}

#[tokio::test]
async fn current_finds_the_fake_of_this_test() {
    let _kiq = kiq_testing::fake();

    Note::enqueue(7).await.unwrap();

    assert_eq!(kiq_testing::current().jobs::<Note>().len(), 1);
}

#[tokio::test]
#[should_panic(expected = "this test is `real`")]
async fn current_says_so_in_a_real_test() {
    let _kiq = kiq_testing::real(&Client::in_memory());
    kiq_testing::current();
}

async fn spawned_tasks_are_covered() {
    let kiq = kiq_testing::fake().data(Log::default());

    tokio::spawn(async { tokio::spawn(async { Note::enqueue(1).await }).await.unwrap() }).await.unwrap().unwrap();
    let handle = tokio::runtime::Handle::current();
    let blocking = tokio::task::spawn_blocking(move || handle.block_on(async { Note::enqueue(2).await }));
    blocking.await.unwrap().unwrap();
    let mut set = tokio::task::JoinSet::new();
    (3..10).for_each(|number| drop(set.spawn(async move { Note::enqueue(number).await })));
    set.join_all().await.into_iter().for_each(|receipt| drop(receipt.unwrap()));

    assert_eq!(kiq.jobs::<Note>().len(), 9);
}

#[tokio::test]
async fn tasks_are_covered_in_a_current_thread_runtime() {
    spawned_tasks_are_covered().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn tasks_are_covered_in_a_multi_thread_runtime() {
    spawned_tasks_are_covered().await;
}

/// A thread of one's own is another world: an error, and a remedy.
#[tokio::test]
async fn a_thread_of_ones_own_is_not_covered_and_says_so() {
    let kiq = kiq_testing::fake();
    let client = kiq.client();
    let on_a_thread = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async { (Note::enqueue(1).await, Note::enqueue(2).on(&client).await) })
    };

    let (without, with) = std::thread::spawn(on_a_thread).join().unwrap();

    assert!(matches!(without, Err(EnqueueError::NoTestMode)));
    with.unwrap();
    assert_eq!(kiq.jobs::<Note>()[0].job.number, 2);
}

#[test]
fn a_plain_test_makes_its_mode_outside_of_a_runtime() {
    let kiq = kiq_testing::fake();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();

    runtime.block_on(async { Note::enqueue(7).await }).unwrap();

    assert_eq!(kiq.jobs::<Note>().len(), 1);
}

/// Tests that share one runtime have jobs of their own by scope; what they spawn is an error.
#[tokio::test]
async fn a_scope_separates_tests_of_one_runtime() {
    let (one, two) = (Fake::detached(), Fake::detached());

    let (first, second) =
        tokio::join!(one.scope(Note::enqueue(1).into_future()), two.scope(Note::enqueue(2).into_future()));
    let spawned = one.scope(async { tokio::spawn(Note::enqueue(3).into_future()).await.unwrap() }).await;

    first.and(second).unwrap();
    assert!(matches!(spawned, Err(EnqueueError::NoTestMode)));
    assert_eq!([&one, &two].map(|kiq| kiq.jobs::<Note>()[0].job.number), [1, 2]);
}

/// 18.4: 1,000 tests at once, on 1,000 runtimes in 32 threads, and no job crosses over.
#[test]
fn a_thousand_tests_in_parallel_threads_share_nothing() {
    const THREADS: u64 = 32;
    const TESTS: u64 = 1000;
    let test = |number: u64| {
        let runtime = if number.is_multiple_of(8) {
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()
        } else {
            tokio::runtime::Builder::new_current_thread().build()
        };
        runtime.unwrap().block_on(async {
            let log = Log::default();
            let kiq = kiq_testing::fake().data(log.clone());
            for job in 0..5 {
                tokio::spawn(async move { Note::enqueue(number * 10 + job).await }).await.unwrap().unwrap();
                tokio::task::yield_now().await;
            }
            let found: Vec<u64> = kiq.jobs::<Note>().iter().map(|note| note.job.number).collect();
            assert_eq!(found, (number * 10..number * 10 + 5).collect::<Vec<_>>());
            assert_eq!(kiq.drain_all().await.unwrap().performed(), 5);
            assert_eq!(log.lines().len(), 5);
        });
    };
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || (thread..TESTS).step_by(THREADS as usize).for_each(test));
        }
    });
}

/// 18.12: arguments make the trip through JSON, so what Redis could not hold is an error here.
#[tokio::test]
async fn arguments_make_the_round_trip_through_json() {
    let kiq = kiq_testing::fake();

    let odd = WithOddKeys::enqueue([(vec![1], 2)].into()).await;

    assert!(matches!(odd, Err(EnqueueError::Args(_))));
    assert!(kiq.is_empty());
}

/// A15: inline runs at the enqueue, jobs of jobs and of blocking threads included.
#[tokio::test(flavor = "multi_thread")]
async fn inline_runs_each_job_at_its_enqueue() {
    let kiq = kiq_testing::inline().data(Log::default());

    InAThread::enqueue(7).await.unwrap();
    Played::enqueue().delay(std::time::Duration::from_secs(60)).await.unwrap();
    kiq::enqueue_all([1, 2].map(Played::new_for)).await.unwrap();

    assert!(kiq.is_empty());
    assert_eq!(crate::jobs::PLAYED.load(std::sync::atomic::Ordering::Relaxed), 3);
    assert_eq!(kiq.inspector().stats().await.unwrap().processed, 5);
}

impl Played {
    fn new_for(_: u64) -> Self {
        Played {}
    }
}

/// A15: a failure is the enqueue's, and the job is where a worker would have put it.
#[tokio::test]
async fn inline_answers_a_failure_at_the_enqueue() {
    let kiq = kiq_testing::inline();

    let error = crate::jobs::Hopeless::enqueue().await.unwrap_err();
    let too_deep = crate::jobs::ForEver::enqueue().await.unwrap_err();

    assert!(matches!(&error, EnqueueError::FailedInline { reason, .. } if reason.contains("no luck")), "{error}");
    assert!(too_deep.to_string().contains("16 deep"), "{too_deep}");
    assert_eq!(kiq.inspector().stats().await.unwrap().retries, 1 + 16);
}

/// A14 and `kiq_testing::redis()`: a real store is asked for by name.
#[tokio::test]
async fn a_real_test_enqueues_into_its_own_redis() {
    let server = kiq_testing::redis();
    let client = Client::connect(&server.url()).unwrap();
    let _kiq = kiq_testing::real(&client);

    NoteLow::enqueue(7).await.unwrap();

    assert_eq!(Inspector::new(&client).queue("low", 0, 9).await.unwrap().len(), 1);
}
