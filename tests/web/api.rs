//! The same for programs.

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use kiq::inspect::Inspector;
use kiq::web::{Auth, Dashboard, Verb};
use kiq::{Client, JobSet};
use kiq_testing::RedisServer;
use serde_json::{Value, json};

use crate::asking::{Answer, assert_unchanged, fill, get, public, send, snapshot};

/// As a program sends it.
async fn call(router: &Router, path: &str, body: &Value) -> Answer {
    with(router, path, &body.to_string(), &[("content-type", "application/json"), ("x-kiq-api", "1")]).await
}

async fn with(router: &Router, path: &str, body: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(Method::POST).uri(path).header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(router, request.body(Body::from(body.to_owned())).unwrap()).await
}

fn read(answer: &Answer, status: StatusCode) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text);
    assert_eq!(answer.header("content-type"), "application/json");
    serde_json::from_str(&answer.text).unwrap()
}

/// A Redis with three retries of `A` and one of `B`, and a queue.
fn shop() -> (RedisServer, Client, Router) {
    let server = RedisServer::start();
    let mut connection = server.connection();
    for (number, class) in [(1, "A"), (2, "A"), (3, "A"), (4, "B")] {
        let job = json!({
            "class": class, "jid": format!("j{number}"), "queue": "mail", "args": [number, {"token": "hunter2"}], "created_at": 1.5,
            "failed_at": 2.5, "retry_count": 0, "error_class": "E", "error_message": "no",
        });
        redis::cmd("ZADD").arg("retry").arg(1_890_000_000 + number).arg(job.to_string()).exec(&mut connection).unwrap();
    }
    redis::cmd("SADD").arg("queues").arg("mail").exec(&mut connection).unwrap();
    redis::cmd("LPUSH").arg("queue:mail").arg(r#"{"class":"C","args":[],"jid":"c"}"#).exec(&mut connection).unwrap();
    let client = Client::connect(&server.url()).unwrap();
    let dashboard = public(&client);
    (server, client, dashboard)
}

/// Waits until an operation has ended, by asking as a program does.
async fn ended(dashboard: &Router, id: &str) -> Value {
    loop {
        let operation = read(&get(dashboard, &format!("/api/v1/operations/{id}")).await, StatusCode::OK);
        if operation["state"] != "running" {
            return operation;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn sidekiqs_stats_have_sidekiqs_fields() {
    let (_server, _client, dashboard) = shop();
    let stats = read(&get(&dashboard, "/stats").await, StatusCode::OK);
    let fields = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(fields(&stats), "redis server_utc_time sidekiq");
    assert_eq!(
        fields(&stats["sidekiq"]),
        "busy dead default_latency enqueued failed processed processes retries scheduled"
    );
    assert_eq!(
        fields(&stats["redis"]),
        "connected_clients redis_version uptime_in_days used_memory_human used_memory_peak_human"
    );
    assert_eq!((&stats["sidekiq"]["retries"], &stats["sidekiq"]["enqueued"]), (&json!(4), &json!(1)));
    assert!(stats["redis"]["used_memory_peak_human"].as_str().unwrap().ends_with('M'));
    assert!(stats["server_utc_time"].as_str().unwrap().ends_with(" UTC"));
    assert_eq!(read(&get(&dashboard, "/stats/queues").await, StatusCode::OK), json!({ "mail": 1 }));
}

#[tokio::test]
async fn a_program_reads_jobs_and_errors_without_secrets() {
    let (_server, _client, dashboard) = shop();
    let first = read(&get(&dashboard, "/api/v1/retries?count=3&q=class%3AA").await, StatusCode::OK);
    assert_eq!((first["jobs"].as_array().unwrap().len(), &first["after"]), (3, &Value::Null));
    let first = read(&get(&dashboard, "/api/v1/retries?count=3").await, StatusCode::OK);
    let after = first["after"].as_str().unwrap();
    let rest = read(&get(&dashboard, &format!("/api/v1/retries?count=3&after={after}")).await, StatusCode::OK);
    assert_eq!((&rest["jobs"][0]["jid"], &rest["jobs"][0]["args"]), (&json!("j4"), &json!([4, {"token": "•••"}])));
    let errors = read(&get(&dashboard, "/api/v1/retries/errors").await, StatusCode::OK);
    assert_eq!((&errors["errors"][0]["count"], &errors["is_complete"]), (&json!(3), &json!(true)));
    let queued = read(&get(&dashboard, "/api/v1/queues/mail/jobs").await, StatusCode::OK);
    assert_eq!(queued["jobs"][0]["class"], "C");
    assert_eq!(read(&get(&dashboard, "/api/v1/queues").await, StatusCode::OK)["queues"][0]["size"], 1);
    assert!(!get(&dashboard, "/api/v1/retries?q=hunter2").await.text.contains("j1"));
}

#[tokio::test]
async fn a_program_counts_acts_follows_and_takes_back() {
    let (_server, client, dashboard) = shop();
    let wanted = json!({ "verb": "kill", "q": "class:A", "reason": "by hand", "id": "0123456789abcdef01234567" });
    let count = read(&call(&dashboard, "/api/v1/retries/count", &wanted).await, StatusCode::OK);
    assert_eq!((&count["matching"], &count["is_complete"]), (&json!(3), &json!(true)));
    assert_eq!(Inspector::new(&client).stats().await.unwrap().retries, 4);

    let begun = read(&call(&dashboard, "/api/v1/retries/operations", &wanted).await, StatusCode::OK);
    let again = read(&call(&dashboard, "/api/v1/retries/operations", &wanted).await, StatusCode::OK);
    assert_eq!((&begun["id"], &again["id"]), (&wanted["id"], &wanted["id"]));
    let done = ended(&dashboard, "0123456789abcdef01234567").await;
    assert_eq!((&done["done"], &done["state"], &done["reason"]), (&json!(3), &json!("done"), &json!("by hand")));
    assert_eq!(Inspector::new(&client).stats().await.unwrap().dead, 3);

    let undone = call(&dashboard, "/api/v1/operations/0123456789abcdef01234567/undo", &json!({})).await;
    assert!(read(&undone, StatusCode::OK)["said"].as_str().unwrap().contains("3 jobs are where they were"));
    assert_eq!(Inspector::new(&client).set(JobSet::Retry, 0, 9).await.unwrap().len(), 4);

    let first = json!({ "verb": "retry", "all": true, "limit": 1 });
    let begun = read(&call(&dashboard, "/api/v1/retries/operations", &first).await, StatusCode::OK);
    assert_eq!(ended(&dashboard, begun["id"].as_str().unwrap()).await["done"], 1);
    let moved = json!({ "verb": "move", "all": true, "queue": "slow" });
    let begun = read(&call(&dashboard, "/api/v1/queues/mail/operations", &moved).await, StatusCode::OK);
    assert_eq!(ended(&dashboard, begun["id"].as_str().unwrap()).await["done"], 2);

    for (path, is_new) in [("pause", true), ("pause", false), ("resume", true)] {
        let answer = call(&dashboard, &format!("/api/v1/queues/mail/{path}"), &json!({})).await;
        assert_eq!(read(&answer, StatusCode::OK)["changed"], is_new);
    }
    let log = read(&get(&dashboard, "/api/v1/operations").await, StatusCode::OK);
    let verbs: Vec<&str> =
        log["operations"].as_array().unwrap().iter().map(|one| one["verb"].as_str().unwrap()).collect();
    assert_eq!(verbs, ["resume", "pause", "pause", "move", "retry", "kill"]);
}

#[tokio::test]
async fn what_is_not_said_plainly_changes_nothing() {
    let (server, client, dashboard) = shop();
    let before = snapshot(&server);
    for (path, body) in [
        ("retries", json!({ "verb": "delete" })),
        ("retries", json!({ "verb": "delete", "q": "" })),
        ("retries", json!({ "verb": "delete", "q": "class:A", "all": true })),
        ("retries", json!({ "verb": "explode", "q": "class:A" })),
        ("retries", json!({ "verb": "retry", "q": "clas:A" })),
        ("retries", json!({ "verb": "retry", "q": "class:A", "id": "x" })),
        ("retries", json!({ "verb": "reschedule", "q": "class:A", "in": "soon" })),
        ("retries", json!({ "verb": "move", "q": "class:A", "queue": "x" })),
        ("dead", json!({ "verb": "kill", "all": true })),
        ("retries", json!({ "verb": "retry", "q": "class:A", "filter": "typo" })),
        ("retries", json!("retry")),
        ("queues/mail", json!({ "verb": "move", "all": true, "queue": "no name\n" })),
    ] {
        let answer = call(&dashboard, &format!("/api/v1/{path}/operations"), &body).await;
        assert!(answer.status.is_client_error(), "{body}: {}", answer.status);
        assert!(serde_json::from_str::<Value>(&answer.text).unwrap()["error"].is_string(), "{}", answer.text);
    }
    let broken = with(
        &dashboard,
        "/api/v1/retries/operations",
        "{",
        &[("content-type", "application/json"), ("x-kiq-api", "1")],
    )
    .await;
    assert_eq!(broken.status, StatusCode::BAD_REQUEST, "{}", broken.text);
    for path in [
        "/api/v1/retries?after=x",
        "/api/v1/dead?q=%22",
        "/api/v1/operations/x",
        "/api/v1/none",
        "/api/v1/queues/none/jobs",
    ] {
        let answer = get(&dashboard, path).await;
        assert!(answer.status.is_client_error() || path.contains("queues/none"), "{path}: {}", answer.status);
        assert_eq!(answer.header("content-type"), "application/json", "{path}");
    }
    assert_unchanged(&server, &before);
    drop(client);
}

#[tokio::test]
async fn a_page_of_another_site_cannot_use_it() {
    let (server, client, dashboard) = shop();
    let before = snapshot(&server);
    let body = r#"{"verb":"delete","all":true}"#;
    let (json, key) = (("content-type", "application/json"), ("x-kiq-api", "1"));
    let refused: [&[(&str, &str)]; 8] = [
        &[json],
        &[key],
        &[("content-type", "text/plain"), key],
        &[("content-type", "application/x-www-form-urlencoded"), key],
        &[json, key, ("sec-fetch-site", "cross-site")],
        &[json, key, ("sec-fetch-site", "same-site")],
        &[json, key, ("origin", "https://evil.example")],
        &[json, key, ("origin", "null")],
    ];
    for headers in refused {
        for path in ["/api/v1/retries/operations", "/api/v1/queues/mail/pause"] {
            let answer = with(&dashboard, path, body, headers).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} {headers:?}");
        }
    }
    // With rights for some acts alone, and with none.
    let some = Auth::public_i_understand().permit(|_, verb| verb == Verb::Retry);
    let some = Dashboard::new(&client, some).router();
    let none = Dashboard::new(&client, Auth::public_i_understand().read_only()).router();
    for (router, path) in [
        (&some, "retries/operations"),
        (&some, "retries/count"),
        (&some, "queues/mail/pause"),
        (&none, "retries/count"),
    ] {
        let answer = call(router, &format!("/api/v1/{path}"), &serde_json::from_str(body).unwrap()).await;
        assert_eq!(read(&answer, StatusCode::FORBIDDEN)["status"], 403, "{path}");
    }
    assert_unchanged(&server, &before);

    for headers in [[("sec-fetch-site", "same-origin"), json, key], [("origin", "http://localhost"), json, key]] {
        let answer = with(&dashboard, "/api/v1/retries/count", body, &headers).await;
        assert_eq!(answer.status, StatusCode::OK, "{headers:?}");
    }
}

#[tokio::test]
async fn what_others_wrote_stays_json() {
    let server = RedisServer::start();
    fill(&server, "</script><img src=x onerror=alert(1)>");
    let dashboard = public(&Client::connect(&server.url()).unwrap());
    for path in [
        "/api/v1/retries",
        "/api/v1/dead",
        "/api/v1/queues",
        "/api/v1/queues/mail/jobs",
        "/stats/queues",
        "/api/v1/dead/errors",
    ] {
        let answer = get(&dashboard, path).await;
        read(&answer, StatusCode::OK);
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(!answer.text.contains("hunter2") && !answer.text.contains(['<', '>', '&']), "{path}");
    }
    let sizes = read(&get(&dashboard, "/stats/queues").await, StatusCode::OK);
    assert_eq!(sizes["</script><img src=x onerror=alert(1)>"], 3, "a reader of JSON sees what there is");
}
