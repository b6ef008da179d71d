//! Code that blocks its thread: on threads that are there for it, or named when it is not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use kiq::{BuildError, Client, Event, Inspector, JobContext, Worker};
use kiq_testing::{Events, RedisServer};

use crate::jobs::{Note, Notes};

/// Lets one job go on for each time it is opened.
struct Gate {
    open: mpsc::Sender<()>,
    pass: Mutex<mpsc::Receiver<()>>,
    inside: AtomicUsize,
    most: AtomicUsize,
}

impl Gate {
    fn new() -> Arc<Self> {
        let (open, pass) = mpsc::channel();
        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Gate { open, pass: Mutex::new(pass), inside, most })
    }

    fn open(&self) {
        self.open.send(()).unwrap();
    }

    fn wait(&self) {
        let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(inside, Ordering::SeqCst);
        self.pass.lock().unwrap().recv().unwrap();
        self.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Not by `Data`: the other workers of this program's tests have none.
fn gate(cx: &JobContext) -> Arc<Gate> {
    Arc::clone(&cx.state().get::<Arc<Gate>>().unwrap())
}

/// An async function with a wait in it that is none of tokio's.
#[kiq::job]
async fn sit_on_the_thread(cx: JobContext) {
    gate(&cx).wait();
}

/// The same as it should be.
#[kiq::job]
fn sit_elsewhere(cx: JobContext) {
    gate(&cx).wait();
}

/// C17 of the features: no lease is lost, others run on, and the warning names it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_keeps_its_thread_is_named_and_costs_nobody_anything() {
    let server = RedisServer::start();
    let client = Client::connect(&server.url()).unwrap();
    let (gate, inspector) = (Gate::new(), Inspector::new(&client));
    let worker =
        Worker::builder().client(client.clone()).data(Arc::clone(&gate)).data(Notes::default()).data(client.clone());
    let worker = worker.lease(Duration::from_millis(600)).blocked_after(Duration::from_millis(20)).build().unwrap();
    let (mut events, controls) = (Events::of(&worker), worker.controls());
    let sits = SitOnTheThread::enqueue().on(&client).await.unwrap();

    let test = async {
        let Event::Blocked { class, jid, .. } = events.until(|e| matches!(e, Event::Blocked { .. })).await else {
            unreachable!()
        };
        assert_eq!((class.as_str(), &jid), ("SitOnTheThread", &sits.jid));
        let _ = Note::enqueue("others run on").on(&client).await.unwrap();
        events.done("Note").await;
        // Three heartbeats, one lease, go by while it sits there.
        let mut last = inspector.processes().await.unwrap()[0].beat_at;
        for _ in 0..3 {
            last = loop {
                let process = inspector.processes().await.unwrap().remove(0);
                if process.beat_at > last {
                    break process.beat_at;
                }
            };
        }
        assert!(controls.health().is_ready(), "{:?}", controls.health());
        gate.open();
        events.done("SitOnTheThread").await;
    };
    worker.run_until(test).await.unwrap();

    assert_eq!(controls.reruns().total(), 0);
    let told = events.seen().iter().filter(|event| matches!(event, Event::Blocked { .. })).count();
    assert_eq!(told, 1, "one stretch is told of once");
}

#[tokio::test]
async fn a_blocking_job_is_not_taken_for_one_that_keeps_the_runtime() {
    let client = Client::in_memory();
    let gate = Gate::new();
    let worker =
        Worker::builder().client(client.clone()).data(Arc::clone(&gate)).data(Notes::default()).data(client.clone());
    let worker = worker.blocked_after(Duration::from_millis(10)).lease(Duration::from_secs(1)).build().unwrap();
    let mut events = Events::of(&worker);
    let _ = SitElsewhere::enqueue().on(&client).await.unwrap();
    let inspector = Inspector::new(&client);

    let test = async {
        events.started("SitElsewhere").await;
        // Until the process has said so in a heartbeat, and the next: dozens of looks of the watchdog.
        let beat = async || inspector.processes().await.unwrap().first().map(|process| (process.beat_at, process.busy));
        let first = loop {
            if let Some((at, 1)) = beat().await {
                break at;
            }
            tokio::task::yield_now().await;
        };
        while beat().await.is_none_or(|(at, _)| at <= first) {
            tokio::task::yield_now().await;
        }
        gate.open();
        events.done("SitElsewhere").await;
    };
    worker.run_until(test).await.unwrap();

    assert!(!events.seen().iter().any(|event| matches!(event, Event::Blocked { .. })));
}

/// A59.
#[tokio::test]
async fn blocking_jobs_have_so_many_threads_and_the_others_wait_without_one() {
    let client = Client::in_memory();
    let gate = Gate::new();
    let worker =
        Worker::builder().client(client.clone()).data(Arc::clone(&gate)).data(Notes::default()).data(client.clone());
    let worker = worker.concurrency(5).blocking_threads(2).build().unwrap();
    let mut events = Events::of(&worker);
    for _ in 0..5 {
        let _ = SitElsewhere::enqueue().on(&client).await.unwrap();
    }

    let test = async {
        for _ in 0..5 {
            events.started("SitElsewhere").await;
        }
        while gate.inside.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
        for _ in 0..5 {
            gate.open();
            events.done("SitElsewhere").await;
        }
    };
    worker.run_until(test).await.unwrap();

    assert_eq!(gate.most.load(Ordering::SeqCst), 2);
}

#[test]
fn a_number_of_threads_that_cannot_be_is_refused() {
    for threads in [0, 10_001] {
        let worker = Worker::builder().client(Client::in_memory()).blocking_threads(threads);
        let error = worker.only_registered().register::<SitElsewhere>().build().unwrap_err();
        assert!(matches!(error, BuildError::BlockingThreads { value } if value == threads), "{error}");
    }
}
