//! Asking a dashboard in process.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use kiq::web::{Auth, Dashboard};
use kiq::{Client, Jid, Payload, Timestamp};
use kiq_testing::RedisServer;
use serde_json::value::RawValue;
use tower::ServiceExt as _;

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// A job of a class nobody performs.
pub fn job(class: &str, queue: &str, number: u32) -> Payload {
    let args = RawValue::from_string(format!("[{number}]")).unwrap();
    let jid = Jid::parse(&format!("{number:024x}")).unwrap();
    Payload::new(class, &args, queue, jid, Timestamp::from_micros(1_795_451_848_000_000))
}

/// One for everybody, at the root.
pub fn public(client: &Client) -> Router {
    Dashboard::new(client, Auth::public_i_understand()).router()
}

pub async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, 10 << 20).await.unwrap();
    Answer { status: parts.status, headers: parts.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
}

pub async fn get(router: &Router, path: &str) -> Answer {
    send(router, Request::get(path).header("host", "localhost").body(Body::empty()).unwrap()).await
}

/// The page, which has to be there.
pub async fn page(router: &Router, path: &str) -> String {
    let answer = get(router, path).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
    answer.text
}

/// A token, as in the cookie and in forms.
pub const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A form as a browser sends it from a page of the dashboard.
pub async fn post(router: &Router, path: &str, fields: &str) -> Answer {
    let request = Request::post(path)
        .header("host", "localhost")
        .header("sec-fetch-site", "same-origin")
        .header("cookie", format!("kiq_session={TOKEN}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(format!("token={TOKEN}&{fields}")))
        .unwrap();
    send(router, request).await
}

/// How often each command is carried out meanwhile. Loading a script is once, and left out.
pub async fn commands<F: Future<Output = ()>>(
    server: &RedisServer,
    what: impl FnOnce() -> F,
) -> BTreeMap<String, usize> {
    let mut connection = server.connection();
    redis::cmd("CONFIG").arg("RESETSTAT").exec(&mut connection).unwrap();
    what().await;
    let info: String = redis::cmd("INFO").arg("commandstats").query(&mut connection).unwrap();
    let count = |line: &str| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
    };
    let ours = |name: &str| !name.starts_with("config|") && !name.starts_with("script|") && name != "client|setinfo";
    info.lines().filter_map(count).filter(|(name, _)| ours(name) && name != "hello").collect()
}

/// An address of the dashboard's table.
#[derive(Debug)]
pub struct Route {
    /// With something plausible for each name in braces.
    pub path: String,
    pub is_read: bool,
    pub is_act: bool,
    pub is_open: bool,
}

/// All addresses there are, out of the table itself, so that none is forgotten.
pub fn routes() -> Vec<Route> {
    let source = include_str!("../../kiq-web/src/routes.rs");
    let (open, rest) = source.split_once("pub(crate) fn pages").unwrap();
    let of = |text: &str, is_open| {
        let rows = text.split(".route(").skip(1).map(|row| row.split(".fallback(").next().unwrap().to_owned());
        rows.map(|row| {
            let path = row.split('"').nth(1).unwrap().to_owned();
            Route {
                path: filled(&path),
                is_read: row.contains("get("),
                is_act: row.contains("post(") || row.contains("act.on("),
                is_open,
            }
        })
        .collect::<Vec<_>>()
    };
    let mut routes = of(open, true);
    routes.extend(of(rest, false));
    assert!(routes.len() > 15, "the table is written differently now: {routes:?}");
    routes
}

fn filled(path: &str) -> String {
    let segments = path.split('/').map(|segment| match segment {
        "{name}" => "mail",
        "{identity}" => "host%3A1%3Aabc",
        "{class}" => "SendMail",
        "{jid}" => "0123456789abcdef01234567",
        "{set}" => "retries",
        "{key}" => "1795451848.5-0123456789abcdef01234567",
        other if other.starts_with('{') => "x1",
        other => other,
    });
    segments.collect::<Vec<_>>().join("/")
}

/// Fills a Redis with a job in each place, a process and what it runs; `mark` stands in every text that somebody else writes.
pub fn fill(server: &RedisServer, mark: &str) {
    let mut connection = server.connection();
    let mut say = |parts: &[&str]| redis::cmd(parts[0]).arg(&parts[1..]).exec(&mut connection).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let job = |number: u32| {
        serde_json::json!({
            "class": format!("Send{mark}"), "jid": format!("{number:024x}"), "queue": "mail", "retry": true,
            "args": [mark, {"key": mark, "password": "hunter2", mark: 1}], "tags": [mark], "created_at": now - 60.0,
            "enqueued_at": now - 50.0, "error_class": format!("Error{mark}"), "error_message": mark, "failed_at": now - 40.0,
            "retry_count": 2, "error_backtrace": [mark], "locale": mark, "extra": mark,
        })
        .to_string()
    };
    for queue in ["mail", mark] {
        say(&["SADD", "queues", queue]);
        for number in 1..=3 {
            say(&["LPUSH", &format!("queue:{queue}"), &job(number)]);
        }
    }
    say(&["LPUSH", "queue:mail", mark]);
    for (key, number, at) in [("retry", 4, 60.0), ("schedule", 5, 600.0), ("dead", 6, -30.0)] {
        say(&["ZADD", key, &(now + at).to_string(), &job(number)]);
        say(&["ZADD", key, &(now + at + 1.0).to_string(), mark]);
    }
    let identity = format!("host{mark}:1:abc");
    let info = serde_json::json!({
        "hostname": format!("host{mark}"), "pid": 1, "tag": mark, "identity": identity, "started_at": now - 100.0, "concurrency": 5,
        "queues": ["mail", mark], "version": mark, "labels": [mark], "embedded": false,
        "capsules": {mark: {"concurrency": 5, "mode": "strict", "weights": {"mail": 0, mark: 0}}},
    });
    say(&["SADD", "processes", &identity]);
    say(&[
        "HSET",
        &identity,
        "info",
        &info.to_string(),
        "busy",
        "1",
        "beat",
        &now.to_string(),
        "quiet",
        "false",
        "rss",
        "1000",
    ]);
    let work = serde_json::json!({"queue": mark, "run_at": now as u64 - 10, "payload": job(7)});
    say(&["HSET", &format!("{identity}:work"), mark, &work.to_string()]);
}

/// Says which keys are not as they were.
pub fn assert_unchanged(server: &RedisServer, before: &BTreeMap<Vec<u8>, Vec<Vec<u8>>>) {
    let after = snapshot(server);
    let keys = before.keys().chain(after.keys()).filter(|key| before.get(*key) != after.get(*key));
    let changed: Vec<_> = keys.map(|key| String::from_utf8_lossy(key)).collect();
    assert!(changed.is_empty(), "{changed:?}");
}

/// Everything in a Redis. (Not by DUMP, which tells a hash in another order while it is made larger.)
pub fn snapshot(server: &RedisServer) -> BTreeMap<Vec<u8>, Vec<Vec<u8>>> {
    let mut connection = server.connection();
    let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query(&mut connection).unwrap();
    let content = |key: Vec<u8>| {
        let kind: String = redis::cmd("TYPE").arg(&key).query(&mut connection).unwrap();
        let mut read = match &*kind {
            "hash" => redis::cmd("HGETALL"),
            "set" => redis::cmd("SMEMBERS"),
            "zset" | "list" => redis::cmd(if kind == "list" { "LRANGE" } else { "ZRANGE" }),
            _ => redis::cmd("GETRANGE"),
        };
        read.arg(&key);
        if !["hash", "set"].contains(&&*kind) {
            read.arg(0).arg(-1);
        }
        if kind == "zset" {
            read.arg("WITHSCORES");
        }
        let mut parts: Vec<Vec<u8>> = match &*kind {
            "string" => vec![read.query(&mut connection).unwrap()],
            _ => read.query(&mut connection).unwrap(),
        };
        if ["hash", "set"].contains(&&*kind) {
            parts.sort();
        }
        (key, parts)
    };
    keys.into_iter().map(content).collect()
}
