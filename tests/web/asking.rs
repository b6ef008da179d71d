//! Asking a dashboard in process.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use kiq::web::{Auth, Dashboard};
use kiq::{Client, Jid, Payload, Timestamp};
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
