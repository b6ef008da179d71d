//! Who is let in, which changes are taken, and what is refused without a look at the store.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, StatusCode, request};
use axum::middleware::{Next, from_fn};
use kiq::Client;
use kiq::web::{Auth, Dashboard, Operator, Verb};
use kiq_testing::RedisServer;

use crate::asking::{TOKEN, assert_unchanged, fill, get, job, page, post, public, routes, send, snapshot};

/// Where nobody listens: who asks the store gets 503.
fn nowhere() -> Client {
    Client::connect("redis://127.0.0.1:1/0").unwrap()
}

fn asking(method: &Method, path: &str) -> request::Builder {
    Request::builder().method(method).uri(path).header("host", "kiq.example.com")
}

const ANN: &str = "Basic YW5uOmh1bnRlcjI="; // ann:hunter2

#[tokio::test]
async fn every_page_and_act_asks_who_it_is_before_it_asks_the_store() {
    let dashboard = Dashboard::new(&nowhere(), Auth::basic("ann", "hunter2")).router();

    for route in routes() {
        for (method, there) in [(Method::GET, route.is_read), (Method::POST, route.is_act)] {
            if !there {
                continue;
            }
            let answer = send(&dashboard, asking(&method, &route.path).body(Body::empty()).unwrap()).await;
            match route.is_open {
                true => assert!(
                    [StatusCode::OK, StatusCode::NOT_FOUND].contains(&answer.status),
                    "{route:?}: {}",
                    answer.status
                ),
                false => {
                    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {route:?}");
                    assert!(answer.header("www-authenticate").starts_with("Basic "));
                    assert!(!answer.text.contains("127.0.0.1"), "{route:?} tells of the inside");
                }
            }
        }
    }
    let lost = send(&dashboard, asking(&Method::GET, "/no/such/page").body(Body::empty()).unwrap()).await;
    assert_eq!(lost.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn only_the_right_password_is_let_in_and_wrong_ones_wait_for_their_turn() {
    let dashboard = Dashboard::new(&Client::in_memory(), Auth::basic("ann", "hunter2")).router();
    let with = |header: &str| asking(&Method::GET, "/").header("authorization", header).body(Body::empty()).unwrap();

    let right = send(&dashboard, with(ANN)).await;
    assert_eq!(right.status, StatusCode::OK);
    assert!(right.text.contains("ann"), "the page says who looks");

    let before = tokio::time::Instant::now();
    for wrong in [
        "Basic YW5uOmh1bnRlcjM=",
        "Basic YW5uOg==",
        "Basic ",
        "Bearer YW5uOmh1bnRlcjI=",
        "YW5uOmh1bnRlcjI=",
        "Basic Ym9iOmh1bnRlcjI=",
    ] {
        assert_eq!(send(&dashboard, with(wrong)).await.status, StatusCode::UNAUTHORIZED, "{wrong}");
    }
    assert!(before.elapsed().as_millis() >= 6 * 200, "{:?}", before.elapsed());
}

#[tokio::test]
async fn an_application_lets_in_whom_it_knows_by_a_check_or_a_layer() {
    let client = Client::in_memory();
    let check = Auth::check(|parts| Some(Operator::named(parts.headers.get("x-user")?.to_str().ok()?)));
    let layer = Auth::layer(from_fn(|mut request: Request, next: Next| async move {
        let Some(user) = request.headers().get("x-user").cloned() else { return Err(StatusCode::FORBIDDEN) };
        request.extensions_mut().insert(Operator::named(user.to_str().unwrap()));
        Ok(next.run(request).await)
    }));

    for auth in [check, layer] {
        let app = Router::new().nest("/kiq", Dashboard::new(&client, auth).router());
        let stranger = send(&app, asking(&Method::GET, "/kiq/help").body(Body::empty()).unwrap()).await;
        let known =
            send(&app, asking(&Method::GET, "/kiq/help").header("x-user", "bob").body(Body::empty()).unwrap()).await;
        assert_eq!((stranger.status, known.status), (StatusCode::FORBIDDEN, StatusCode::OK));
        assert!(known.text.contains("bob"));
    }
}

/// What the browser says of where a form comes from, and whether it is taken.
#[tokio::test]
async fn a_change_has_to_come_from_a_page_of_the_dashboard() {
    let client = Client::in_memory();
    client.push(job("SendMail", "mail", 1), None).await.unwrap();
    let dashboard = Dashboard::new(&client, Auth::check(|_| Some(Operator::named("ann")))).router();
    let same = ("sec-fetch-site", "same-origin");
    let cookie = format!("kiq_session={TOKEN}");
    let token = format!("token={TOKEN}");
    let taken = StatusCode::SEE_OTHER;
    let refused = StatusCode::FORBIDDEN;

    for (headers, cookie, body, expected) in [
        (&[same][..], &*cookie, &*token, taken),
        (&[("origin", "http://kiq.example.com")], &cookie, &token, taken),
        (&[same, ("origin", "null")], &cookie, &token, taken),
        (&[("sec-fetch-site", "cross-site")], &cookie, &token, refused),
        (&[("sec-fetch-site", "same-site")], &cookie, &token, refused),
        (&[("sec-fetch-site", "none")], &cookie, &token, refused),
        (&[("sec-fetch-site", "cross-site"), ("origin", "http://kiq.example.com")], &cookie, &token, refused),
        (&[("origin", "http://evil.example")], &cookie, &token, refused),
        (&[("origin", "http://kiq.example.com.evil.example")], &cookie, &token, refused),
        (&[("origin", "http://kiq.example.com:8080")], &cookie, &token, refused),
        (&[("origin", "null")], &cookie, &token, refused),
        (&[], &cookie, &token, refused),
        (&[same], "", &token, refused),
        (&[same], "kiq_session=", "token=", refused),
        (&[same], "kiq_session=short", "token=short", refused),
        (&[same], &cookie, "", refused),
        (&[same], &cookie, "token=fedcba9876543210fedcba9876543210", refused),
        (&[same, ("x-kiq-token", TOKEN)], &cookie, "", taken),
        (&[("authorization", "Bearer of-a-program")], "", "", taken),
    ] {
        let mut request =
            asking(&Method::POST, "/queues/mail/pause").header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer =
            send(&dashboard, request.header("cookie", cookie).body(Body::from(body.to_owned())).unwrap()).await;
        assert_eq!(answer.status, expected, "{headers:?} {cookie} {body}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_form_may_not_be_longer_than_64_kib() {
    let client = Client::in_memory();
    let dashboard = public(&client);
    let long = "x".repeat(65 * 1024);
    assert_eq!(post(&dashboard, "/queues/mail/pause", &long).await.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_read_only_dashboard_offers_no_act_and_takes_none() {
    let server = RedisServer::start();
    let client = Client::connect(&server.url()).unwrap();
    fill(&server, "x");
    let dashboard = Dashboard::new(&client, Auth::public_i_understand().read_only()).router();
    let before = snapshot(&server);

    for route in routes().iter().filter(|route| !route.is_open) {
        if route.is_read && route.path != "/events" {
            let answer = get(&dashboard, &route.path).await;
            let forms = answer.text.matches("method=\"post\"").count();
            assert_eq!(forms, usize::from(answer.text.contains("/preferences\"")), "{route:?}: {}", answer.text);
        }
        if route.is_act && route.path != "/preferences" {
            let answer = post(&dashboard, &route.path, "typed=4&shown=4").await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{route:?}");
            assert!(answer.text.contains("read-only"), "{}", answer.text);
        }
    }
    assert!(page(&dashboard, "/").await.contains("read-only"));
    assert_unchanged(&server, &before);
}

#[tokio::test]
async fn an_operator_does_what_the_application_permits() {
    let client = Client::in_memory();
    client.push(job("SendMail", "mail", 1), None).await.unwrap();
    let auth =
        Auth::public_i_understand().permit(|operator, verb| operator.name() == "somebody" && verb != Verb::Pause);
    let dashboard = Dashboard::new(&client, auth).router();

    assert!(!page(&dashboard, "/queues").await.contains(">Pause<"));
    let refused = post(&dashboard, "/queues/mail/pause", "").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text.contains("somebody may not pause here"), "{}", refused.text);
    assert_eq!(post(&dashboard, "/queues/mail/resume", "").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn an_open_dashboard_answers_to_addresses_and_own_names_alone() {
    let client = Client::in_memory();
    let named = |dashboard: Router, host: &'static str| async move {
        send(&dashboard, Request::get("/help").header("host", host).body(Body::empty()).unwrap()).await.status
    };
    let open = public(&client);
    for host in ["localhost", "localhost:7433", "127.0.0.1:80", "[::1]:7433", "192.0.2.7", "kiq.localhost"] {
        assert_eq!(named(open.clone(), host).await, StatusCode::OK, "{host}");
    }
    for host in ["evil.example", "evil.example:7433", "localhost.evil.example", "127.0.0.1.evil.example", "", ":"] {
        assert_eq!(named(open.clone(), host).await, StatusCode::MISDIRECTED_REQUEST, "{host}");
    }
    let known = Dashboard::new(&client, Auth::public_i_understand()).hosts(["Kiq.example.com"]).router();
    assert_eq!(named(known.clone(), "kiq.example.com:443").await, StatusCode::OK);
    assert_eq!(named(known, "other.example.com").await, StatusCode::MISDIRECTED_REQUEST);
    let guarded = Dashboard::new(&client, Auth::check(|_| Some(Operator::named("ann")))).router();
    assert_eq!(named(guarded, "any.example").await, StatusCode::OK);
}

#[tokio::test]
async fn every_answer_says_what_a_browser_may_do_with_it() {
    let client = Client::in_memory();
    client.push(job("SendMail", "mail", 1), None).await.unwrap();
    let dashboard = public(&client);

    let answers = [
        get(&dashboard, "/").await,
        get(&dashboard, "/no-such-page").await,
        get(&dashboard, "/healthz").await,
        post(&dashboard, "/queues/mail/pause", "").await,
        post(&dashboard, "/no-such-page", "").await,
        get(&public(&nowhere()), "/").await,
    ];
    for answer in answers {
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", "private, no-store"),
        ] {
            assert_eq!(answer.header(name), value, "{} {name}", answer.status);
        }
        assert!(!answer.text.contains("style=\"") && !answer.text.contains("onclick"), "inline: {}", answer.text);
    }
    let page = page(&dashboard, "/").await;
    for asset in page.split('"').filter(|part| part.starts_with("./assets/")) {
        let asset = get(&dashboard, asset.trim_start_matches('.')).await;
        assert_eq!(
            (asset.status, asset.header("cache-control")),
            (StatusCode::OK, "public, max-age=31536000, immutable")
        );
    }
}

/// A proxy that hands on what it was sent may be told to go somewhere else by a `return` of somebody's own.
#[tokio::test]
async fn a_form_leads_back_to_the_dashboard_alone() {
    let client = Client::in_memory();
    client.push(job("SendMail", "mail", 1), None).await.unwrap();
    let dashboard = public(&client);
    for (to, location) in [
        ("queues%2Fmail%3Fpage%3D2", "../../queues/mail?page=2"),
        ("%2F%2Fevil.example", "../../"),
        ("https%3A%2F%2Fevil.example", "../../"),
        ("..%2F..%2F..%2Fadmin", "../../"),
        ("a%0D%0Aset-cookie%3A%20x%3D1", "../../"),
    ] {
        let answer = post(&dashboard, "/queues/mail/resume", &format!("return={to}")).await;
        assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, location), "{to}");
    }
}
