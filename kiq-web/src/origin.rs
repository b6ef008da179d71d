//! A change has to come from a page of this dashboard, in the browser that was given it.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, ORIGIN};
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::app::Shared;
use crate::auth::same;
use crate::fault::Fault;
use crate::guard::{Spot, host_of};

/// The longest form.
const LONGEST_FORM: usize = 64 * 1024;

/// The cookie with a browser's token.
const COOKIE_NAME: &str = "kiq_session";

/// The token of a browser: its forms repeat what its cookie says, and a page from elsewhere knows neither.
#[derive(Clone, Debug)]
pub(crate) struct Session(pub(crate) String);

impl Session {
    /// That of the request's cookie, or a new one.
    pub(crate) fn of(headers: &HeaderMap) -> (Self, bool) {
        match cookie(headers, COOKIE_NAME).filter(|token| is_token(token)) {
            Some(token) => (Session(token.to_owned()), false),
            None => (Session(random().unwrap_or_default()), true),
        }
    }

    /// `Lax`, since with `Strict` a link in a chat would bring a new token, and break the forms of all open tabs.
    pub(crate) fn cookie(&self, base: &str) -> String {
        format!("{COOKIE_NAME}={}; Path={base}; HttpOnly; SameSite=Lax", self.0)
    }
}

/// A cookie of the request.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    cookies.flat_map(|line| line.split(';')).find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then_some(value)
    })
}

fn is_token(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// 128 bits of the system's randomness, in hex; `None` when it has none.
pub(crate) fn random() -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Refuses changes that do not come from a page of ours, and all of them when nothing may be changed.
pub(crate) async fn check(State(app): State<Shared>, request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return next.run(request).await;
    }
    match checked(&app, request).await {
        Ok(request) => next.run(request).await,
        Err(fault) => fault.into_response(),
    }
}

async fn checked(app: &Shared, request: Request) -> Result<Request, Fault> {
    let is_preference = request.extensions().get::<Spot>().is_some_and(|spot| spot.path == "preferences");
    if app.permits.is_read_only() && !is_preference {
        return Err(Fault::forbidden("this dashboard only shows: it was started read-only"));
    }
    if is_bearer(request.headers()) {
        return Ok(request);
    }
    if request.extensions().get::<Spot>().is_some_and(|spot| spot.path.starts_with("api/")) {
        from_a_program(request.headers())?;
        return Ok(request);
    }
    same_origin(request.headers())?;
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, LONGEST_FORM).await.map_err(|_| Fault::TooLarge)?;
    let header = parts.headers.get("x-kiq-token").map(|token| token.as_bytes());
    let field = body.split(|byte| *byte == b'&').find_map(|pair| pair.strip_prefix(b"token="));
    let given = header.or(field).unwrap_or_default();
    let expected = cookie(&parts.headers, COOKIE_NAME).unwrap_or_default();
    if !is_token(expected) || !same(given, expected.as_bytes()) {
        return Err(Fault::forbidden(
            "the form is from another browser or from before its cookies were cleared; reload the page, and press again",
        ));
    }
    Ok(Request::from_parts(parts, Body::from(body)))
}

/// A browser does not send a bearer token by itself, so no page can have it act for a user.
fn is_bearer(headers: &HeaderMap) -> bool {
    let scheme = headers.get(AUTHORIZATION).and_then(|header| header.as_bytes().get(..7));
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer "))
}

/// A page of another site can send neither of these headers: the browser asks first whether it may, and nobody says so. What a
/// browser says of where a request comes from counts besides.
fn from_a_program(headers: &HeaderMap) -> Result<(), Fault> {
    let kind = headers.get(CONTENT_TYPE).map(|kind| kind.as_bytes()).unwrap_or_default();
    let is_json = kind.get(..16).is_some_and(|kind| kind.eq_ignore_ascii_case(b"application/json"));
    if !is_json || !headers.contains_key("x-kiq-api") {
        return Err(Fault::forbidden(
            "a program has to send the headers `Content-Type: application/json` and `X-Kiq-Api: 1`, which no page of another site can",
        ));
    }
    match headers.contains_key("sec-fetch-site") || headers.contains_key(ORIGIN) {
        true => same_origin(headers),
        false => Ok(()),
    }
}

/// What the browser says of where the form stood. Browsers leave `Sec-Fetch-Site` out on plain HTTP to a name.
fn same_origin(headers: &HeaderMap) -> Result<(), Fault> {
    if let Some(site) = headers.get("sec-fetch-site") {
        return match site.as_bytes() {
            b"same-origin" => Ok(()),
            _ => {
                Err(Fault::forbidden("this form stands on a page of another site; open the dashboard and press there"))
            }
        };
    }
    let origin =
        headers.get(ORIGIN).and_then(|origin| origin.to_str().ok()).and_then(|origin| origin.split_once("://"));
    match (origin, host_of(headers)) {
        (Some((_, origin)), Some(host)) if origin.eq_ignore_ascii_case(host) => Ok(()),
        (Some(_), _) => Err(Fault::forbidden(
            "the browser says that this form stands on another site; a proxy has to pass the header Host on as it came",
        )),
        (None, _) => Err(Fault::forbidden(
            "nothing says where this form stands: the browser is too old, or this is a program, which has to send \
             `Authorization: Bearer …`",
        )),
    }
}
