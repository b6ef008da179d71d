//! What happens around every request: bounds before it, headers and pages for faults after it.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{OriginalUri, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, REFERRER_POLICY, RETRY_AFTER, SET_COOKIE,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use serde_json::json;

use crate::app::{Hosts, Shared};
use crate::fault::Fault;
use crate::frame::{Frame, SAID};
use crate::origin::{Session, cookie, random};
use crate::pages;

/// The longest that a request may take.
const LONGEST: Duration = Duration::from_secs(15);

/// No inline script or style, nothing from elsewhere, no frames.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// On every answer, whatever it is.
const HEADERS: [(HeaderName, &str); 6] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // With `no-referrer` browsers would send `Origin: null` with our own forms, and over plain HTTP to a name nothing else tells
    // where a form comes from.
    (REFERRER_POLICY, "same-origin"),
    (X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Where a request is, as seen from the dashboard's own root.
#[derive(Clone, Debug)]
pub(crate) struct Spot {
    /// From this page to the root: `./`, `../`, `kiq/`.
    pub(crate) root: String,
    /// From this page to the overview: `../../kiq`, for a root that is nested has no slash at its end.
    pub(crate) home: String,
    /// The path below the root, without a slash before it: `queues/mail`.
    pub(crate) path: String,
    /// The root as the program sees it: `/kiq/`.
    pub(crate) base: String,
    /// The query, without the question mark.
    pub(crate) query: String,
    /// Whether a program asks.
    pub(crate) is_for_programs: bool,
}

impl Spot {
    fn of(request: &Request) -> Self {
        let path = request.uri().path();
        let full = request.extensions().get::<OriginalUri>().map_or(path, |uri| uri.path());
        let depth = path.matches('/').count().saturating_sub(1);
        let root = match full.rsplit('/').next() {
            // `/kiq` is the root itself, and its links begin with its last word.
            Some(last) if path == "/" && !last.is_empty() => format!("{last}/"),
            _ if depth == 0 => "./".to_owned(),
            _ => "../".repeat(depth),
        };
        let base = full.strip_suffix(path).unwrap_or(if path == "/" { full } else { "" });
        let path = path.trim_start_matches('/').to_owned();
        let base = base.trim_end_matches('/');
        Spot {
            home: match base.rsplit('/').next() {
                Some(last) if !last.is_empty() => format!("{root}../{last}"),
                _ => root.clone(),
            },
            root,
            base: format!("{base}/"),
            query: request.uri().query().unwrap_or_default().to_owned(),
            is_for_programs: path.starts_with("api/") || path == "stats" || path.starts_with("stats/"),
            path,
        }
    }
}

/// Keeps to the bounds, and makes the answer whole: its headers, and a page if there is none.
pub(crate) async fn dress(State(app): State<Shared>, mut request: Request, next: Next) -> Response {
    let spot = Spot::of(&request);
    let (session, is_new) = Session::of(request.headers());
    request.extensions_mut().insert(spot.clone());
    request.extensions_mut().insert(session.clone());
    let is_asset = spot.path.starts_with("assets/");
    let (parts, body) = request.into_parts();
    let head = parts.clone();
    let answered = bounded(&app, Request::from_parts(parts, body), next).await;
    let mut response = answered.unwrap_or_else(Fault::into_response);
    if let Some(fault) = fault_of(&mut response) {
        response = match spot.is_for_programs {
            true => json_of(&fault),
            false => pages::fault::page(&fault, Frame::without_store(&head, &app)),
        };
        *response.status_mut() = fault.status();
        explain(&fault, response.headers_mut());
    }
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !is_asset {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        if is_new
            && head.method == Method::GET
            && let Ok(fresh) = HeaderValue::from_str(&session.cookie(&spot.base))
        {
            headers.append(SET_COOKIE, fresh);
        }
        // What was said was shown.
        let is_page = headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        if is_page
            && cookie(&head.headers, SAID).is_some()
            && let Ok(gone) = HeaderValue::from_str(&pages::said_cookie("", &spot, 0))
        {
            headers.append(SET_COOKIE, gone);
        }
    }
    response
}

async fn bounded(app: &Shared, request: Request, next: Next) -> Result<Response, Fault> {
    known_host(&app.hosts, &request)?;
    let _slot = app.slots.try_acquire().map_err(|_| Fault::Busy)?;
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(LONGEST, answer).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(_)) => {
            let number = random().unwrap_or_default();
            tracing::error!(number, "a page panicked; this is a mistake in kiq-web, please report it");
            Err(Fault::Broken(number))
        }
        Err(_) => Err(Fault::Slow),
    }
}

fn known_host(hosts: &Hosts, request: &Request) -> Result<(), Fault> {
    let Hosts::Known(names) = hosts else { return Ok(()) };
    let host = host_of(request.headers()).or_else(|| request.uri().authority().map(|name| name.as_str()));
    let host = host.unwrap_or_default().to_ascii_lowercase();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => &host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    let is_ours = name == "localhost" || name.ends_with(".localhost") || names.iter().any(|known| known == name);
    match is_ours || address.parse::<std::net::IpAddr>().is_ok() {
        true => Ok(()),
        false => Err(Fault::WrongHost(name.chars().take(100).collect())),
    }
}

pub(crate) fn host_of(headers: &HeaderMap) -> Option<&str> {
    headers.get(HOST).and_then(|host| host.to_str().ok())
}

/// Ours, or what axum has refused by itself.
fn fault_of(response: &mut Response) -> Option<Fault> {
    let status = response.status();
    if let Some(fault) = response.extensions_mut().remove::<Fault>() {
        return Some(fault);
    }
    let is_text = response.headers().get(CONTENT_TYPE).is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    match status {
        _ if !is_text || !(status.is_client_error() || status.is_server_error()) => None,
        StatusCode::NOT_FOUND => Some(Fault::not_found("there is no such page; begin at the overview")),
        StatusCode::METHOD_NOT_ALLOWED => Some(Fault::WrongMethod),
        StatusCode::PAYLOAD_TOO_LARGE => Some(Fault::TooLarge),
        // Those of the application's own layer.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => None,
        status if status.is_client_error() => Some(Fault::Refused(status)),
        _ => Some(Fault::Broken(status.to_string())),
    }
}

fn json_of(fault: &Fault) -> Response {
    let body = json!({ "error": fault.to_string(), "status": fault.status().as_u16() });
    ([(CONTENT_TYPE, "application/json")], Body::from(body.to_string())).into_response()
}

fn explain(fault: &Fault, headers: &mut HeaderMap) {
    if matches!(fault, Fault::Unauthenticated) {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"kiq\", charset=\"UTF-8\""));
    }
    if fault.is_temporary() || matches!(fault, Fault::TooManyGuesses) {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
    }
}
