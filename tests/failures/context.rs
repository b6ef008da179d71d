//! Values of a request in the jobs it causes.

use std::collections::BTreeMap;
use std::time::Duration;

use kiq::{App, ContextError, Current, EnqueueError, JobSet, TRACE, TraceParent};

use crate::jobs::{Notes, REQUEST, Request, See, SeeAndPassOn, SeeBlocking};
use crate::setup::{Setup, on_every_broker};

const HEADER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn request(tenant: u64) -> Request {
    Request { tenant, id: "a1".to_owned() }
}

on_every_broker! {
    /// A72: restored around the job, async and blocking, over a retry, and in the jobs that it enqueues; `traceparent` too.
    async fn a_requests_values_are_there_in_every_job_it_causes(s: Setup) {
        let trace: TraceParent = HEADER.parse().unwrap();
        REQUEST.scope(request(7), TRACE.scope(trace, async {
            let _ = SeeAndPassOn::enqueue().on(&s.client).await.unwrap();
        })).await;
        assert_eq!(REQUEST.get(), None);

        s.run(s.worker().concurrency(1), async |events| {
            events.failed("SeeAndPassOn").await;
            s.clock.advance(Duration::from_secs(60));
            events.done("See").await;
            events.done("SeeBlocking").await;
        }).await;

        let of = |class: &str| format!("{class} for 7 a1 in 0af7651916cd43dd8448eb211c80319c, number None");
        assert_eq!(s.notes.all(), [of("SeeAndPassOn"), of("SeeAndPassOn"), of("See"), of("SeeBlocking")]);
    }

    /// A72: each job has its own request's values, and one without has none, whatever ran before it.
    async fn values_do_not_leak_from_one_job_to_the_next(s: Setup) {
        for tenant in 0..5 {
            REQUEST.scope(request(tenant), async { See::enqueue().on(&s.client).await.unwrap() }).await;
            let _ = See::enqueue().on(&s.client).await.unwrap();
        }

        s.run(s.worker().concurrency(1), async |events| {
            for _ in 0..10 { events.done("See").await; }
        }).await;

        let mut expected = Vec::new();
        for tenant in 0..5 {
            expected.push(format!("See for {tenant} a1, number None"));
            expected.push("See for nobody, number None".to_owned());
        }
        assert_eq!(s.notes.all(), expected);
    }

    /// Bad input: what is in the field and does not decode is nothing, and is kept as it is.
    async fn values_that_do_not_decode_are_nothing(s: Setup) {
        for (at, odd) in [r#""x""#, "7", "[]", r#"{"request":"text"}"#, r#"{"request":{"tenant":-1}}"#, r#"{"traceparent":"00-x"}"#, "null"].iter().enumerate() {
            s.push_raw("default", &format!(r#"{{"class":"See","args":[],"jid":"{at}","kiq_context":{odd}}}"#)).await;
        }
        s.push_raw("default", r#"{"class":"See","args":[],"jid":"n","kiq_context":{"request":41}}"#).await;

        s.run(s.worker().concurrency(1), async |events| {
            for _ in 0..8 { events.done("See").await; }
        }).await;

        let mut expected = vec!["See for nobody, number None"; 7];
        expected.push("See for nobody, number Some(41)");
        assert_eq!(s.notes.all(), expected);
    }

    /// A72: what is carried is one field, written at the enqueue; a job that has it already keeps it.
    async fn what_is_carried_is_one_field_of_the_payload(s: Setup) {
        REQUEST.scope(request(7), async {
            let _ = See::enqueue().on(&s.client).await.unwrap();
            let foreign = kiq::Payload::parse(br#"{"class":"See","args":[],"queue":"other","kiq_context":{"request":{"tenant":1,"id":"b"}},"cattr":{"user_id":9},"cattr_1":[[1.10]]}"#).unwrap();
            let _ = s.client.push(foreign, None).await.unwrap();
        }).await;

        let job = s.inspector().queue("default", 0, 1).await.unwrap().remove(0).payload.unwrap();
        assert_eq!(job.raw("kiq_context").unwrap().get(), r#"{"request":{"tenant":7,"id":"a1"}}"#);
        assert_eq!(REQUEST.of(&job), Some(request(7)));
        let other = s.inspector().queue("other", 0, 1).await.unwrap().remove(0).payload.unwrap();
        assert_eq!(REQUEST.of(&other), Some(Request { tenant: 1, id: "b".to_owned() }));
        assert_eq!((other.cattr(0).unwrap()["user_id"].as_u64(), other.raw("cattr_1").unwrap().get()), (Some(9), "[[1.10]]"));
    }

    /// A72: size-limited. Too much, or what is no JSON, is an error of the enqueue, and nothing is stored.
    async fn values_that_cannot_travel_are_an_error_of_the_enqueue(s: Setup) {
        static BLOB: Current<String> = Current::new("blob");
        static MAP: Current<BTreeMap<(u8, u8), u8>> = Current::new("map");

        let error = BLOB.scope("x".repeat(8200), async { See::enqueue().on(&s.client).await.unwrap_err() }).await;
        assert!(matches!(error, EnqueueError::Context(ContextError::TooLarge { size: 8211 })), "{error}");
        let error = MAP.scope([((1, 2), 3)].into(), async { See::enqueue().on(&s.client).await.unwrap_err() }).await;
        assert!(matches!(&error, EnqueueError::Context(ContextError::NotJson { name, .. }) if name == "map"), "{error}");

        assert_eq!(s.inspector().stats().await.unwrap().enqueued, 0);
        assert!(s.set(JobSet::Scheduled).await.is_empty());
    }
}

/// A72: inner values come before outer ones, and go with their scope; on a thread, too.
#[tokio::test]
async fn scopes_nest() {
    let s = Setup::memory();
    let seen = REQUEST.scope(request(1), async {
        let inner = REQUEST.sync_scope(request(2), || REQUEST.get());
        (inner, REQUEST.get())
    });
    assert_eq!(seen.await, (Some(request(2)), Some(request(1))));
    let _ = SeeBlocking::enqueue().on(&s.client).await.unwrap();
    s.run(s.worker(), async |events| {
        events.done("SeeBlocking").await;
    })
    .await;
    assert_eq!(s.notes.all(), ["SeeBlocking for nobody, number None"]);
}

/// A72: a job that is run where a request is being served (in a test's drain) sees what it carries, and not that request.
#[tokio::test]
async fn a_job_that_carries_nothing_does_not_see_the_request_around_its_drain() {
    let notes = Notes::default();
    let kiq = kiq_testing::fake().app(&App::new().data(notes.clone()));
    let _ = See::enqueue().await.unwrap();
    let _ = REQUEST.scope(request(7), SeeBlocking::enqueue()).await.unwrap();

    let _ = REQUEST.scope(request(9), kiq.drain_all()).await.unwrap();

    assert_eq!(notes.all(), ["See for nobody, number None", "SeeBlocking for 7 a1, number None"]);
}
