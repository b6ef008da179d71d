//! What the buttons of Queues and Busy do.

use axum::http::StatusCode;
use kiq::Client;
use kiq::inspect::Inspector;
use kiq_testing::RedisServer;

use crate::asking::{fill, job, page, post, public};

#[tokio::test]
async fn a_queue_is_paused_and_resumed_and_its_page_says_so() {
    let client = Client::in_memory();
    client.push(job("SendMail", "mail", 1), None).await.unwrap();
    let dashboard = public(&client);

    let answer = post(&dashboard, "/queues/mail/pause", "return=queues%2Fmail").await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "../../queues/mail"));
    assert!(answer.header("set-cookie").starts_with("kiq_said=Paused%20mail"), "{answer:?}");
    assert!(page(&dashboard, "/queues/mail").await.contains("◐ paused"));

    let again = post(&dashboard, "/queues/mail/pause", "").await;
    assert!(again.header("set-cookie").contains("was%20paused%20already"), "{again:?}");

    post(&dashboard, "/queues/mail/resume", "").await;
    assert!(!page(&dashboard, "/queues/mail").await.contains("◐ paused"));

    let log = Inspector::new(&client).operations(10).await.unwrap();
    let log: Vec<_> =
        log.iter().map(|operation| (&*operation.verb, &*operation.target, operation.outcome.done)).collect();
    assert_eq!(log, [("resume", "mail", 1), ("pause", "mail", 0), ("pause", "mail", 1)]);
}

#[tokio::test]
async fn a_queue_is_cleared_by_whoever_types_how_many_jobs_it_has() {
    let client = Client::in_memory();
    for number in 1..=26 {
        client.push(job("SendMail", "mail", number), None).await.unwrap();
    }
    let dashboard = public(&client);
    assert!(page(&dashboard, "/queues/mail/clear").await.contains("Type <strong>26</strong>"));

    for fields in ["", "typed=25&shown=26", "shown=26", "typed=25"] {
        assert_eq!(post(&dashboard, "/queues/mail/clear", fields).await.status, StatusCode::BAD_REQUEST, "{fields}");
    }
    assert_eq!(Inspector::new(&client).stats().await.unwrap().enqueued, 26);

    let cleared = post(&dashboard, "/queues/mail/clear", "typed=26&shown=26").await;
    assert_eq!((cleared.status, cleared.header("location")), (StatusCode::SEE_OTHER, "../.././queues"));
    assert!(cleared.header("set-cookie").contains("26%20jobs%20removed"), "{cleared:?}");
    let inspector = Inspector::new(&client);
    assert_eq!(inspector.stats().await.unwrap().enqueued, 0);

    let operation = &inspector.operations(10).await.unwrap()[0];
    inspector.undo(&operation.id, "ann").await.unwrap();
    assert_eq!(inspector.queue("mail", 0, 100).await.unwrap().len(), 26);
}

#[tokio::test]
async fn a_process_is_asked_to_stop_and_busy_tells_how_far_it_is() {
    let server = RedisServer::start();
    fill(&server, "x");
    let dashboard = public(&Client::connect(&server.url()).unwrap());
    assert!(page(&dashboard, "/processes/hostx%3A1%3Aabc/stop").await.contains("let the 1 that runs end"));

    let answer = post(&dashboard, "/processes/hostx%3A1%3Aabc/stop", "return=busy%3Fview%3Dprocesses").await;

    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "../../busy?view=processes"));
    let signals: Vec<String> =
        redis::cmd("LRANGE").arg("hostx:1:abc-signals").arg(0).arg(-1).query(&mut server.connection()).unwrap();
    assert_eq!(signals, ["TERM"]);
    let asked = page(&dashboard, "/busy?view=processes").await;
    assert!(asked.contains("stop asked "), "{asked}");

    redis::cmd("SREM").arg("processes").arg("hostx:1:abc").exec(&mut server.connection()).unwrap();
    post(&dashboard, "/queues/mail/resume", "").await; // has the next page read anew
    assert!(page(&dashboard, "/busy").await.contains("hostx:1:abc stopped ✓"));
}

#[tokio::test]
async fn all_processes_are_quieted_at_once() {
    let server = RedisServer::start();
    fill(&server, "x");
    let dashboard = public(&Client::connect(&server.url()).unwrap());

    let answer = post(&dashboard, "/processes/all/quiet", "").await;

    assert!(answer.header("set-cookie").contains("Asked%20hostx"), "{answer:?}");
    let signals: Vec<String> =
        redis::cmd("LRANGE").arg("hostx:1:abc-signals").arg(0).arg(-1).query(&mut server.connection()).unwrap();
    assert_eq!(signals, ["TSTP"]);
}
