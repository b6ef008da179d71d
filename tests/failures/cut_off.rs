//! A worker that is out of patience with its jobs, and a store that answers late.

use std::sync::Arc;
use std::time::Duration;

use kiq::{App, Client, Event, JobSet, Report, WorkerError};
use kiq_testing::{Events, Fault, FaultProxy, RedisServer, Weather};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::task::JoinHandle;

use crate::jobs::Shop;
use crate::setup::Setup;

/// A worker that has been told to stop, and had no patience with a job that is dead in the store: the answer is held back.
struct CutOff {
    s: Setup,
    proxy: FaultProxy,
    jid: kiq::Jid,
    worker: JoinHandle<Result<(), WorkerError>>,
    told: UnboundedReceiver<Report>,
}

async fn cut_off() -> CutOff {
    let server = RedisServer::start();
    let proxy = FaultProxy::to(server.port());
    let s = Setup::on(server);
    let broker = kiq::RedisBroker::open(&proxy.url(), s.clock.clone()).unwrap();
    let client = Client::new(Arc::new(broker)).with_clock(s.clock.clone());
    let (sender, told) = mpsc::unbounded_channel();
    let app = App::new().on_death(move |report: Report| {
        let sender = sender.clone();
        async move { drop(sender.send(report)) }
    });
    let worker = s.worker().client(client).app(&app).shutdown_timeout(Duration::ZERO).build().unwrap();
    let (mut events, controls) = (Events::of(&worker), worker.controls());
    let worker = tokio::spawn(worker.run_until(std::future::pending()));
    // From now on the server knows the script, and carries it out when it is asked.
    let _ = Shop::enqueue("refused").on(&s.client).await.unwrap();
    events.failed("Shop").await;

    proxy.trap("error_message", Fault::HoldReply);
    let jid = Shop::enqueue("wrong key").on(&s.client).await.unwrap().jid;
    while s.set(JobSet::Dead).await.is_empty() {
        tokio::task::yield_now().await;
    }
    controls.stop();
    events.until(|event| matches!(event, Event::Quiet)).await;
    CutOff { s, proxy, jid, worker, told }
}

/// A28: a death that the store has recorded is told of exactly once, also when its processor is cut off before it knows.
#[tokio::test]
async fn a_death_is_told_of_when_its_processor_is_cut_off_before_the_store_answers() {
    let CutOff { s, proxy, jid, worker, mut told } = cut_off().await;

    // Nothing tells that the processors are cut off; they are at once, unless this machine is very busy.
    tokio::time::sleep(Duration::from_millis(200)).await;
    proxy.release();
    worker.await.unwrap().unwrap();

    let report = told.recv().await.unwrap();
    assert_eq!((report.jid(), report.attempt()), (&jid, 1));
    assert!(told.recv().await.is_none(), "told twice");
    let stats = s.inspector().stats().await.unwrap();
    assert_eq!((stats.dead, stats.retries, stats.unsettled(), stats.failed), (1, 1, 1, 2));
}

/// A28: a store that cannot be asked for five seconds is waited for no longer. The job is dead, and nobody was told: once at
/// most.
#[tokio::test]
async fn a_death_that_the_store_never_confirms_is_not_told_of() {
    let CutOff { s, proxy, worker, mut told, .. } = cut_off().await;

    proxy.weather(Weather::Refusing);
    worker.await.unwrap().unwrap();

    assert!(told.recv().await.is_none());
    assert_eq!(s.inspector().stats().await.unwrap().dead, 1);
}
