//! What is wrapped around enqueues and runs.

use std::sync::Arc;
use std::time::Duration;

use kiq::{
    App, Client, EnqueueError, Event, Failure, JobContext, JobResult, JobSet, NextEnqueue, NextRun, Outgoing, Receipt,
    Report, RunMiddleware, Stored,
};
use tokio::sync::Semaphore;

use crate::jobs::{CompleteOrder, Note, Notes, Service};
use crate::setup::{START, Setup, on_every_broker};

fn notes(cx: &JobContext) -> Arc<Notes> {
    cx.state().get::<Notes>().unwrap()
}

async fn outer(cx: JobContext, next: NextRun) -> JobResult {
    let notes = notes(&cx);
    notes.add(format!("outer {} {}", cx.class(), cx.job::<Note>().unwrap().text));
    let result = next.run(cx).await;
    notes.add(format!("outer ends {}", result.is_ok()));
    result
}

async fn inner(cx: JobContext, next: NextRun) -> JobResult {
    assert!(cx.is::<Note>());
    notes(&cx).add("inner");
    next.run(cx).await
}

/// Lets through what is not listed.
struct Skip(&'static [&'static str]);

impl RunMiddleware for Skip {
    async fn call(&self, cx: JobContext, next: NextRun) -> JobResult {
        let text = cx.job::<Note>()?.text;
        if self.0.contains(&text.as_str()) {
            return Ok(());
        }
        next.run(cx).await
    }
}

async fn fail(_: JobContext, _: NextRun) -> JobResult {
    Err(Failure::new("Closed", "the shop is closed"))
}

async fn explode(_: JobContext, _: NextRun) -> JobResult {
    panic!("in the middleware")
}

async fn stamp(mut job: Outgoing, next: NextEnqueue) -> Result<Receipt, EnqueueError> {
    job.payload_mut().set("app", "shop");
    let receipt = next.run(job).await?;
    assert_eq!(receipt.stored, Stored::New);
    Ok(receipt)
}

async fn stop(job: Outgoing, next: NextEnqueue) -> Result<Receipt, EnqueueError> {
    if job.is::<Note>() && job.job::<Note>()?.text.starts_with("stop") {
        return Ok(job.stop());
    }
    next.run(job).await
}

async fn later(mut job: Outgoing, next: NextEnqueue) -> Result<Receipt, EnqueueError> {
    job.set_at(Some(START + Duration::from_secs(60)));
    next.run(job).await
}

async fn spoil(mut job: Outgoing, next: NextEnqueue) -> Result<Receipt, EnqueueError> {
    if job.job::<Note>()?.text == "7" {
        job.payload_mut().set("queue", "no good");
    }
    next.run(job).await
}

fn with(client: &Client, app: App) -> Client {
    client.clone().with_app(&app)
}

on_every_broker! {
    /// A68: around every run, in order, with the class, the payload and the state.
    async fn run_middleware_is_wrapped_in_the_order_it_was_added(s: Setup) {
        let _ = Note::enqueue("work").on(&s.client).await.unwrap();
        let app = App::new().run_middleware(inner).outermost_run_middleware(outer).run_middleware(Skip(&[]));

        s.run(s.worker().app(&app), async |events| { events.done("Note").await; }).await;

        assert_eq!(s.notes.all(), ["outer Note work", "inner", "work", "outer ends true"]);
    }

    /// A68: a run that middleware ends is ended.
    async fn run_middleware_may_end_a_run_well_or_badly(s: Setup) {
        let _ = Note::enqueue("skip").on(&s.client).await.unwrap();
        let _ = Note::enqueue("do").on(&s.client).await.unwrap();

        s.run(s.worker().middleware(Skip(&["skip"])), async |events| {
            events.done("Note").await;
            events.done("Note").await;
        }).await;
        assert_eq!(s.notes.all(), ["do"]);

        for (worker, class) in [(s.worker().middleware(fail), "Closed"), (s.worker().middleware(explode), "panic")] {
            let _ = Note::enqueue("never").on(&s.client).await.unwrap();
            s.run(worker, async |events| {
                let Event::Failed { error, .. } = events.failed("Note").await else { unreachable!() };
                assert_eq!(error.class, class);
            }).await;
        }
        assert_eq!(s.notes.all(), ["do"]);
    }

    /// A69: around every enqueue; may change a job, delay it, or stop it, and the receipt says so.
    async fn enqueue_middleware_may_change_or_stop_a_job(s: Setup) {
        let client = with(&s.client, App::new().enqueue_middleware(stop).enqueue_middleware(stamp));

        let stopped = Note::enqueue("stop me").on(&client).await.unwrap();
        let kept = Note::enqueue("go").on(&client).await.unwrap();
        let delayed = with(&s.client, App::new().enqueue_middleware(later));
        let delayed = Note::enqueue("wait").on(&delayed).await.unwrap();

        assert_eq!((stopped.stored, kept.stored), (Stored::Stopped, Stored::New));
        assert_eq!(delayed.at, Some(START + Duration::from_secs(60)));
        let jobs = s.inspector().queue("default", 0, 10).await.unwrap();
        assert_eq!(jobs.len(), 1);
        let job = jobs[0].payload.as_ref().unwrap();
        assert_eq!((job.jid(), job.get::<String>("app").as_deref()), (&kept.jid, Some("shop")));
        assert_eq!(s.set(JobSet::Scheduled).await.len(), 1);
    }

    /// A69: each job of a bulk, and they are still stored together and in order.
    async fn enqueue_middleware_sees_each_job_of_a_bulk(s: Setup) {
        let client = with(&s.client, App::new().enqueue_middleware(stop).enqueue_middleware(stamp));

        let texts = (0..2500).map(|n| if n % 1000 == 0 { format!("stop {n}") } else { n.to_string() });
        let receipts = kiq::enqueue_all(texts.map(Note::new)).on(&client).await.unwrap();

        assert_eq!(receipts.len(), 2500);
        assert_eq!(receipts.iter().filter(|receipt| receipt.stored == Stored::Stopped).count(), 3);
        assert_eq!(s.inspector().stats().await.unwrap().enqueued, 2497);
        let jobs = s.inspector().queue("default", 0, 2).await.unwrap();
        let texts: Vec<&str> = jobs.iter().map(|job| job.payload.as_ref().unwrap().args().get()).collect();
        assert_eq!(texts, [r#"["1"]"#, r#"["2"]"#]);
        assert_eq!(jobs[0].payload.as_ref().unwrap().get::<String>("app").as_deref(), Some("shop"));
    }

    /// A69: what a middleware makes of a job is checked like any other.
    async fn a_job_that_middleware_spoils_is_refused_alone(s: Setup) {
        let client = with(&s.client, App::new().enqueue_middleware(spoil));

        let error = Note::enqueue("7").on(&client).await.unwrap_err();
        assert!(matches!(&error, EnqueueError::InvalidQueue { queue, .. } if queue == "no good"), "{error}");

        let error = kiq::enqueue_all((0..10).map(|n| Note::new(n.to_string()))).on(&client).await.unwrap_err();
        assert_eq!((error.stored.len(), error.rejected.len(), error.unknown.len()), (9, 1, 0));
    }
}

/// A69: a middleware that lets few through at a time does not keep a bulk from its end.
#[tokio::test]
async fn a_bulk_ends_when_middleware_holds_jobs_back() {
    let s = Setup::memory();
    let one = Arc::new(Semaphore::new(1));
    let app = App::new().enqueue_middleware(move |job: Outgoing, next: NextEnqueue| {
        let one = Arc::clone(&one);
        async move {
            let _permit = one.acquire().await;
            next.run(job).await
        }
    });

    let receipts = kiq::enqueue_all((0..20).map(|n| Note::new(n.to_string()))).on(&with(&s.client, app)).await.unwrap();

    assert_eq!(receipts.len(), 20);
}

/// A68: order and removal, and a name that is not there is an error that lists those that are.
#[test]
fn middleware_is_listed_and_removed_by_name() {
    let app = App::new().run_middleware(inner).outermost_run_middleware(outer).enqueue_middleware(stamp);
    assert_eq!(app.middleware(), ["stamp", "outer", "inner"]);

    let app = app.without("outer").unwrap();
    assert_eq!(app.middleware(), ["stamp", "inner"]);

    let error = app.without("outer").unwrap_err().to_string();
    assert_eq!(error, r#"no middleware is named "outer"; those there are: stamp, inner"#);
}

/// A68, A69: any place can be named, and one that is not there is an error.
#[tokio::test]
async fn middleware_is_put_around_or_inside_of_another() {
    let s = Setup::memory();
    let app = App::new().run_middleware(inner).enqueue_middleware(later).enqueue_middleware(stamp);
    let app = app.run_middleware_around("inner", outer).unwrap().run_middleware_inside("outer", Skip(&[])).unwrap();
    let app = app.enqueue_middleware_around("stamp", stop).unwrap().enqueue_middleware_inside("stamp", spoil).unwrap();
    assert_eq!(app.middleware(), ["later", "stop", "stamp", "spoil", "outer", "Skip", "inner"]);

    let app = app.without("later").unwrap();
    let client = with(&s.client, app.clone());
    assert_eq!(Note::enqueue("stop").on(&client).await.unwrap().stored, Stored::Stopped);
    let _ = Note::enqueue("work").on(&client).await.unwrap();
    s.run(s.worker().app(&app), async |events| drop(events.done("Note").await)).await;
    assert_eq!(s.notes.all(), ["outer Note work", "inner", "work", "outer ends true"]);

    let error = app.clone().run_middleware_around("stamp", outer).unwrap_err().to_string();
    assert!(error.starts_with("no middleware is named \"stamp\""), "{error}");
    assert!(app.enqueue_middleware_inside("inner", stop).is_err());
}

/// A71: what an application adds is on in a test that asks for its `App`, and runs through the drain: middleware, rules, handlers.
#[tokio::test]
async fn an_applications_middleware_runs_in_the_drain_of_a_test() {
    let notes = Notes::default();
    let app = App::new().data(notes.clone()).run_middleware(outer).enqueue_middleware(stop);
    let kiq = kiq_testing::fake().app(&app);

    let stopped = Note::enqueue("stop me").await.unwrap();
    let _ = Note::enqueue("work").await.unwrap();
    let done = kiq.drain_all().await.unwrap();

    assert_eq!((stopped.stored, done.count::<Note>()), (Stored::Stopped, 1));
    assert_eq!(notes.all(), ["outer Note work", "work", "outer ends true"]);
}

/// A29, A71: chapter 2 in a test of one's own: twenty days in no time, and one death.
#[tokio::test]
async fn the_twenty_days_of_a_dead_service_take_no_time_in_a_test() {
    let (errors, deaths) = (Notes::default(), Notes::default());
    let note = |notes: &Notes| {
        let notes = notes.clone();
        move |report: Report| {
            notes.add(format!("{} {}", report.class(), report.attempt()));
            std::future::ready(())
        }
    };
    let app = App::new().data(Notes::default()).data(Service::down()).on_error(note(&errors)).on_death(note(&deaths));
    let kiq = kiq_testing::fake().app(&app);
    let _ = CompleteOrder::enqueue(1234).await.unwrap();

    let days = |days: u64| Duration::from_secs(days * 86_400);
    let first = kiq.advance(days(19)).await.unwrap();
    assert!(first.count::<CompleteOrder>() > 20 && errors.all().is_empty() && deaths.all().is_empty());
    kiq.advance(days(3)).await.unwrap();

    assert_eq!(
        (errors.all(), deaths.all()),
        (vec!["CompleteOrder 26".to_owned()], vec!["CompleteOrder 26".to_owned()])
    );
}
