//! Data that somebody else wrote, addresses that nobody should type, and a store in trouble.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use kiq::Client;
use kiq::web::{Auth, Dashboard};
use kiq_testing::RedisServer;

use crate::asking::{assert_unchanged, fill, get, page, post, public, routes, snapshot};

const MARKUP: &str = "\"'><img src=x onerror=alert(1)></script><script>alert(1)</script>{{7*7}}&amp;\u{202e}";

/// All pages that can be read, with a queue that is there.
fn pages() -> Vec<String> {
    let mut pages: Vec<String> =
        routes().into_iter().filter(|route| route.is_read && !route.is_open).map(|route| route.path).collect();
    pages.retain(|path| path != "/events");
    pages.extend(["/busy?view=processes", "/queues/mail?page=1", "/metrics?range=8h", "/?range=8h"].map(str::to_owned));
    pages
}

#[tokio::test]
async fn markup_in_any_field_stays_text() {
    let server = RedisServer::start();
    fill(&server, MARKUP);
    let dashboard = public(&Client::connect(&server.url()).unwrap());
    let encoded: String = MARKUP.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let mut paths = pages();
    paths.extend(
        ["/queues/", "/metrics/", "/jobs/", "/processes/", "/search?q=", "/retries?q=", "/"]
            .map(|path| format!("{path}{encoded}")),
    );

    let mut seen = 0;
    for path in paths {
        let text = get(&dashboard, &path).await.text;
        assert!(!text.contains("<img") && !text.contains("<script>"), "{path}: {text}");
        assert!(!text.contains("onerror=alert(1)>"), "{path}: {text}");
        seen += text.matches("onerror").count();
    }
    assert!(seen > 20, "the corpus is on the pages: {seen}");
}

#[tokio::test]
async fn secrets_are_on_no_page() {
    let server = RedisServer::start();
    fill(&server, "x");
    let dashboard = public(&Client::connect(&server.url()).unwrap());
    for path in pages() {
        assert!(!get(&dashboard, &path).await.text.contains("hunter2"), "{path}");
    }
    assert!(page(&dashboard, "/queues/mail").await.contains("•••"));
}

#[tokio::test]
async fn reading_changes_nothing() {
    let server = RedisServer::start();
    fill(&server, "x");
    let dashboard = public(&Client::connect(&server.url()).unwrap());
    let before = snapshot(&server);

    for path in pages() {
        assert!(!get(&dashboard, &path).await.status.is_server_error(), "{path}");
    }

    assert_unchanged(&server, &before);
}

#[tokio::test]
async fn what_nobody_should_type_gets_a_plain_answer() {
    let server = RedisServer::start();
    fill(&server, "x");
    let dashboard = public(&Client::connect(&server.url()).unwrap());
    let long = format!("/queues/{}", "q".repeat(5000));

    for (path, status) in [
        ("/queues/none", StatusCode::NOT_FOUND),
        ("/queues/%2e%2e", StatusCode::NOT_FOUND),
        ("/queues/%00", StatusCode::NOT_FOUND),
        ("/queues/%FF", StatusCode::BAD_REQUEST),
        (&*long, StatusCode::NOT_FOUND),
        ("/queues/mail?page=0", StatusCode::BAD_REQUEST),
        ("/queues/mail?page=10001", StatusCode::BAD_REQUEST),
        ("/queues/mail?page=99999999999999999999", StatusCode::BAD_REQUEST),
        ("/queues/mail?page=-1", StatusCode::BAD_REQUEST),
        ("/queues/mail?page=abc", StatusCode::BAD_REQUEST),
        ("/queues/mail?page=2", StatusCode::OK),
        ("/queues/mail/clear/x", StatusCode::NOT_FOUND),
        ("/processes/nobody/stop", StatusCode::NOT_FOUND),
        ("/?range=-1h", StatusCode::OK),
        ("/?refresh=0", StatusCode::OK),
        ("/events", StatusCode::BAD_REQUEST),
        ("/events?on=summary&root=//evil.example/&home=./", StatusCode::BAD_REQUEST),
        ("/events?on=summary&root=./&home=javascript:x", StatusCode::BAD_REQUEST),
        ("/assets/..%2F..%2FCargo.toml", StatusCode::NOT_FOUND),
        ("/assets/kiq.css", StatusCode::NOT_FOUND),
    ] {
        let answer = get(&dashboard, path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text);
        assert!(answer.header("content-type").starts_with("text/html"), "{path}");
    }
    for (path, fields, status) in [
        ("/queues/mail/clear", "shown=4&typed=3", StatusCode::BAD_REQUEST),
        ("/queues/mail/clear", "shown=x", StatusCode::UNPROCESSABLE_ENTITY),
        ("/processes/nobody/stop", "", StatusCode::NOT_FOUND),
        ("/queues", "", StatusCode::METHOD_NOT_ALLOWED),
        ("/busy", "", StatusCode::METHOD_NOT_ALLOWED),
    ] {
        assert_eq!(post(&dashboard, path, fields).await.status, status, "{path} {fields}");
    }
}

#[tokio::test]
async fn a_store_in_trouble_is_a_page_that_says_what_to_do() {
    let mut server = RedisServer::start();
    fill(&server, "x");
    let client = Client::connect(&server.url()).unwrap();

    for (trouble, undo, says) in [
        ("DEL queues|SET queues x", "DEL queues", "a key that kiq uses holds something else"),
        ("ACL SETUSER default -smembers", "ACL SETUSER default +smembers", "give this Redis user the command"),
    ] {
        for command in trouble.split('|') {
            redis::cmd(command.split(' ').next().unwrap())
                .arg(command.split(' ').skip(1).collect::<Vec<_>>())
                .exec(&mut server.connection())
                .unwrap();
        }
        for path in ["/", "/queues", "/queues/mail", "/busy"] {
            let answer = get(&public(&client), path).await;
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{trouble} {path}");
            assert!(
                answer.text.contains(says) && answer.header("retry-after") == "5",
                "{trouble} {path}: {}",
                answer.text
            );
        }
        let mut words = undo.split(' ');
        redis::cmd(words.next().unwrap()).arg(words.collect::<Vec<_>>()).exec(&mut server.connection()).unwrap();
    }

    let dashboard = public(&client);
    assert_eq!(get(&dashboard, "/").await.status, StatusCode::OK);
    server.stop();
    let asked = Instant::now();
    while get(&dashboard, "/queues/mail").await.status == StatusCode::OK {
        assert!(asked.elapsed() < Duration::from_secs(20));
    }
    server.resume();
    server.kill();
    let away = get(&public(&client), "/").await;
    assert_eq!(away.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(away.text.contains("The store does not answer"), "{}", away.text);
    assert_eq!(get(&public(&client), "/help").await.status, StatusCode::OK);
    assert_eq!(post(&public(&client), "/queues/mail/pause", "").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

/// The rights that the read-only dashboard needs, and no more.
#[tokio::test]
async fn a_user_who_may_only_read_sees_every_page() {
    let server = RedisServer::start();
    fill(&server, "x");
    redis::cmd("ACL")
        .arg(&[
            "SETUSER",
            "viewer",
            "on",
            ">look",
            "~*",
            "-@all",
            "+@read",
            "+info",
            "+ping",
            "+@connection",
            "+eval",
            "+evalsha",
            "+script|load",
            "-keys",
        ])
        .exec(&mut server.connection())
        .unwrap();
    let url = server.url().replace("redis://", "redis://viewer:look@");
    let dashboard = Dashboard::new(&Client::connect(&url).unwrap(), Auth::public_i_understand().read_only()).router();

    for path in pages() {
        let answer = get(&dashboard, &path).await;
        assert!(!answer.status.is_server_error(), "{path}: {}", answer.text);
    }
}
