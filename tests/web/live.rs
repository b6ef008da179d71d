//! The stream of changes, and what viewers cost.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use kiq::Client;
use tower::ServiceExt as _;

use crate::asking::{get, job, post, public};

async fn open(router: &Router, path: &str) -> Body {
    let request = Request::get(path).header("host", "localhost").body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    response.into_body()
}

/// The next piece; `None` at the end.
async fn next(body: &mut Body) -> Option<String> {
    let frame = body.frame().await?.unwrap();
    Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
}

/// Reads on until an event has the text.
async fn until(body: &mut Body, text: &str) -> String {
    loop {
        let piece = next(body).await.unwrap();
        if piece.contains(text) {
            return piece;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_hears_of_what_changed() {
    let client = Client::in_memory();
    client.push(job("SendMail", "mail", 1), None).await.unwrap();
    let dashboard = public(&client);
    let mut stream = open(&dashboard, "/events?on=summary,queues&root=../&home=../&path=queues").await;

    assert_eq!(next(&mut stream).await.unwrap(), "retry: 3000\n\n");
    let first = until(&mut stream, "event: queues\n").await;
    assert!(first.contains("href=\"../queues/mail\"") && first.contains("event: summary\n"), "{first}");

    post(&dashboard, "/queues/mail/pause", "").await;
    until(&mut stream, "◐ paused").await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_after_ten_minutes_and_there_are_64_at_most() {
    let dashboard = public(&Client::in_memory());
    let path = "/events?on=summary&root=./&home=./";
    let mut streams = Vec::new();
    for _ in 0..64 {
        streams.push(open(&dashboard, path).await);
    }
    assert_eq!(get(&dashboard, path).await.status.as_u16(), 503);

    let began = tokio::time::Instant::now();
    let mut stream = streams.pop().unwrap();
    while next(&mut stream).await.is_some() {}
    assert!((595..=605).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    drop(stream);
    let _again = open(&dashboard, path).await;
}

/// The number of a sample is how often the store was read.
async fn samples_after_a_minute(viewers: usize) -> u64 {
    let dashboard = public(&Client::in_memory());
    let mut streams = Vec::new();
    for viewer in 0..viewers {
        let mut stream = open(&dashboard, "/events?on=summary&root=./&home=./").await;
        next(&mut stream).await;
        // Not all at the same moment.
        tokio::time::advance(Duration::from_millis(viewer as u64 * 7 % 100)).await;
        streams.push(tokio::spawn(async move {
            let began = tokio::time::Instant::now();
            let mut number = 0;
            while began.elapsed() < Duration::from_secs(60) {
                let piece = next(&mut stream).await.unwrap();
                number = piece.split("id: ").nth(1).unwrap().split('\n').next().unwrap().parse().unwrap();
            }
            number
        }));
    }
    let mut most = 0;
    for stream in streams {
        most = most.max(stream.await.unwrap());
    }
    most
}

#[tokio::test(start_paused = true)]
async fn fifty_viewers_cost_the_store_what_one_does() {
    let one = samples_after_a_minute(1).await;
    let fifty = samples_after_a_minute(50).await;
    assert!((25..=35).contains(&one), "{one} in a minute");
    assert!(fifty <= one + one / 10 + 3, "one: {one}, fifty: {fifty}");
}
