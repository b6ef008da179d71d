//! The other direction of `reading.rs`: kiq's inspector reads what Ruby wrote, and its acts work on Ruby.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use kiq::inspect::{Act, Acted, Place, Signal};
use kiq::web::{Auth, Dashboard};
use kiq::{Found, Inspector, JobSet};
use serde_json::json;
use tower::ServiceExt as _;

use crate::jobs::Setup;
use crate::ruby::{Sidekiq, enqueue, look};

async fn only(inspector: &Inspector, set: JobSet, jid: &str) -> Found {
    let all = inspector.set(set, 0, 100).await.unwrap();
    let found: Vec<Found> = all.into_iter().filter(|found| found.jid() == jid).collect();
    assert_eq!(found.len(), 1, "{jid} in {set:?}");
    found.into_iter().next().unwrap()
}

#[tokio::test]
async fn kiq_reads_rubys_processes_and_sets_and_acts_on_them() {
    let setup = Setup::new();
    let inspector = Inspector::new(&setup.client);
    let mut ruby = Sidekiq::start(&setup.server, &["ruby"]);
    // Ten minutes from now, so that none is due while we look.
    let later = crate::jobs::now() + 600.0;
    let jids = enqueue(
        &setup.server,
        &json!([
            {"class": "DiesInRuby", "queue": "ruby", "args": [7], "retry": 0},
            {"class": "OnlyRuby", "queue": "ruby", "args": [1, "a"], "at": later},
            {"class": "OnlyRuby", "queue": "ruby", "args": [2, "b"], "at": later},
            {"class": "OnlyRuby", "queue": "ruby", "args": [3, "c"], "at": later},
        ]),
    );
    assert_eq!(ruby.next_run()["ended"], "raised");
    // The death is written after the run is told.
    while inspector.stats().await.unwrap().dead == 0 {
        tokio::task::yield_now().await;
    }

    let processes = inspector.processes().await.unwrap();
    let [process] = processes.as_slice() else { panic!("{processes:?}") };
    assert_eq!((process.pid, process.concurrency), (ruby.pid(), 5));
    assert!(process.serves("ruby") && !process.serves("rust") && !process.is_quiet && !process.is_embedded);
    assert!((process.started_at.as_micros() as f64 / 1e6 - crate::jobs::now()).abs() < 300.0);
    let dead = only(&inspector, JobSet::Dead, &jids[0]).await;
    assert_eq!(dead.error(), Some(("RuntimeError".to_owned(), "dead in Ruby".to_owned())));
    assert_eq!(dead.queue().as_deref(), Some("ruby"));

    // Run now, kill, delete; a second time there is nothing left to do it to.
    for (jid, act) in [(&jids[1], Act::Retry), (&jids[2], Act::Kill), (&jids[3], Act::Delete)] {
        let found = only(&inspector, JobSet::Scheduled, jid).await;
        assert_eq!(inspector.act(&found, act.clone()).await.unwrap(), Acted::Done);
        assert_eq!(inspector.act(&found, act).await.unwrap(), Acted::Gone);
    }
    let run = ruby.next_run();
    assert_eq!((&run["item"]["jid"], &run["ended"]), (&json!(jids[1]), &json!("ok")));
    let seen = look(&setup.server);
    assert_eq!((&seen["stats"]["scheduled_size"], &seen["stats"]["dead_size"]), (&json!(0), &json!(2)));

    // At its next heartbeats it does as it is told.
    assert!(inspector.signal(&process.identity, Signal::Quiet).await.unwrap());
    while !inspector.processes().await.unwrap()[0].is_quiet {
        tokio::task::yield_now().await;
    }
    assert!(inspector.signal(&process.identity, Signal::Stop).await.unwrap());
    ruby.wait_for_its_end();
    assert!(inspector.processes().await.unwrap().is_empty());
}

/// Ruby's queues and retries: seen as they are, and acted on.
#[tokio::test]
async fn kiq_reads_rubys_queues_and_retries_and_acts_on_them() {
    let setup = Setup::new();
    let inspector = Inspector::new(&setup.client);
    let mut ruby = Sidekiq::start(&setup.server, &["ruby"]);
    let jids = enqueue(
        &setup.server,
        &json!([
            {"class": "OnlyRuby", "queue": "waiting", "args": [1, {"deep": [1.0, null]}], "tags": ["a"]},
            {"class": "OnlyRuby", "queue": "waiting", "args": [2, "b"]},
            {"class": "FailsLater", "queue": "ruby", "args": [7], "retry": 5},
            {"class": "FailsLater", "queue": "ruby", "args": [8], "retry": 5},
        ]),
    );
    ruby.next_run();
    ruby.next_run();
    // The failures are written after the runs are told.
    while inspector.stats().await.unwrap().retries < 2 {
        tokio::task::yield_now().await;
    }

    let queues = inspector.queues().await.unwrap();
    let waiting = queues.iter().find(|queue| queue.name == "waiting").unwrap();
    assert_eq!(waiting.size, 2);
    assert!(waiting.latency.as_secs() < 300, "{waiting:?}");
    let jobs = inspector.queue("waiting", 0, 10).await.unwrap();
    assert_eq!(jobs.iter().map(Found::jid).collect::<Vec<_>>(), [&jids[0], &jids[1]]);
    let first = jobs[0].payload.as_ref().unwrap();
    assert_eq!((first.args().get(), first.tags()), (r#"[1,{"deep":[1.0,null]}]"#, vec!["a".to_owned()]));
    let retry = only(&inspector, JobSet::Retry, &jids[2]).await;
    assert_eq!(retry.error(), Some(("ArgumentError".to_owned(), "later".to_owned())));
    assert_eq!((retry.queue().as_deref(), retry.payload.as_ref().unwrap().get("retry_count")), (Some("ruby"), Some(0)));
    let until = retry.at.unwrap().since(retry.happened_at().unwrap());
    assert!((3600..3700).contains(&until.as_secs()), "{until:?}");

    // Now, and for good; a queued job is deleted by its bytes, and a queue cleared.
    assert_eq!(inspector.act(&retry, Act::Retry).await.unwrap(), Acted::Done);
    assert_eq!(ruby.next_run()["item"]["jid"], json!(jids[2]));
    let other = only(&inspector, JobSet::Retry, &jids[3]).await;
    assert_eq!(inspector.act(&other, Act::Kill).await.unwrap(), Acted::Done);
    assert_eq!(inspector.act(&jobs[1], Act::Delete).await.unwrap(), Acted::Done);
    let seen = look(&setup.server);
    assert_eq!(seen["queues"]["waiting"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&seen["dead"][0]["jid"], &seen["dead"][0]["item"]["error_message"]),
        (&json!(jids[3]), &json!("later"))
    );
    assert_eq!(inspector.clear(&Place::Queue("waiting".to_owned())).await.unwrap(), 1);
    assert_eq!(look(&setup.server)["stats"]["enqueued"], 0);
    ruby.stop();
}

/// The dashboard over what Ruby alone wrote: each page tells of it as it is, and a process of Ruby does what is asked there.
#[tokio::test]
async fn the_dashboard_shows_rubys_data_and_acts_on_it() {
    let setup = Setup::new();
    let mut ruby = Sidekiq::start(&setup.server, &["ruby"]);
    let later = crate::jobs::now() + 600.0;
    let jids = enqueue(
        &setup.server,
        &json!([
            {"class": "DiesInRuby", "queue": "ruby", "args": [7], "retry": 0},
            {"class": "FailsLater", "queue": "ruby", "args": [8], "retry": 5},
            {"class": "OnlyRuby", "queue": "ruby", "args": [1, "a"], "at": later},
            {"class": "OnlyRuby", "queue": "waiting", "args": [2, "b <i>"], "tags": ["tenant-7"]},
        ]),
    );
    ruby.next_run();
    ruby.next_run();
    let inspector = Inspector::new(&setup.client);
    while inspector.stats().await.is_ok_and(|stats| (stats.dead, stats.retries) != (1, 1)) {
        tokio::task::yield_now().await;
    }
    let router = Dashboard::new(&setup.client, Auth::public_i_understand()).router();

    let dead = page(&router, "/dead?view=jobs").await;
    assert!(dead.contains("DiesInRuby") && dead.contains("RuntimeError: dead in Ruby"), "{dead}");
    let retries = page(&router, "/retries").await;
    assert!(retries.contains("FailsLater") && retries.contains("1 retr"), "{retries}");
    assert!(page(&router, "/scheduled?view=jobs").await.contains("OnlyRuby"));
    let queue = page(&router, "/queues/waiting").await;
    assert!(queue.contains("OnlyRuby") && queue.contains("b &#60;i&#62;") && queue.contains("tenant-7"), "{queue}");
    let busy = page(&router, "/busy?view=processes").await;
    assert!(busy.contains(&ruby.pid().to_string()), "{busy}");
    for (jid, class) in jids.iter().zip(["DiesInRuby", "FailsLater", "OnlyRuby", "OnlyRuby"]) {
        let job = page(&router, &format!("/jobs/{jid}")).await;
        assert!(job.contains(class), "{job}");
    }
    let stats: serde_json::Value = serde_json::from_str(&page(&router, "/stats").await).unwrap();
    let seen = look(&setup.server);
    for field in ["processed", "failed", "scheduled_size", "retry_size", "dead_size", "enqueued", "processes_size"] {
        let ours = stats["sidekiq"].get(field.trim_end_matches("_size")).or(stats["sidekiq"].get(field));
        if let (Some(ours), Some(rubys)) = (ours, seen["stats"].get(field)) {
            assert_eq!(ours, rubys, "{field} of {stats}");
        }
    }
    assert_eq!(stats["sidekiq"]["dead"], 1, "{stats}");

    // Its forms: the dead job runs again, and Ruby stops when it is told to.
    post(&router, &format!("/jobs/{}/retry", jids[0])).await;
    assert_eq!(ruby.next_run()["item"]["jid"], json!(jids[0]));
    let identity = inspector.processes().await.unwrap()[0].identity.clone();
    post(&router, &format!("/processes/{identity}/stop")).await;
    ruby.wait_for_its_end();
}

async fn page(router: &Router, path: &str) -> String {
    ask(router, Request::get(path).header("host", "localhost").body(Body::empty()).unwrap()).await
}

async fn post(router: &Router, path: &str) {
    let token = "0123456789abcdef0123456789abcdef";
    let request = Request::post(path)
        .header("host", "localhost")
        .header("sec-fetch-site", "same-origin")
        .header("cookie", format!("kiq_session={token}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(format!("token={token}")));
    ask(router, request.unwrap()).await;
}

async fn ask(router: &Router, request: Request<Body>) -> String {
    let path = request.uri().to_string();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    assert!(status.is_success() || status.is_redirection(), "{path}: {status} {text}");
    text
}
