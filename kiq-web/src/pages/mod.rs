//! One module a page: what it reads, what it shows, what its forms do. Its template is called alike.

pub(crate) mod busy;
pub(crate) mod class;
pub(crate) mod compare;
pub(crate) mod confirm;
pub(crate) mod fault;
pub(crate) mod help;
pub(crate) mod job;
pub(crate) mod jobs;
pub(crate) mod metrics;
pub(crate) mod operations;
pub(crate) mod overview;
pub(crate) mod preferences;
pub(crate) mod preview;
pub(crate) mod process;
pub(crate) mod queue;
pub(crate) mod queues;
pub(crate) mod search;
pub(crate) mod set;
pub(crate) mod sidekiq;

use askama::Template;
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse as _, Response};

use crate::app::Shared;
use crate::fault::Fault;
use crate::frame::{Frame, SAID, Said};
use crate::guard::Spot;

/// A template as a page.
pub(crate) fn html(page: &impl Template) -> Result<Response, Fault> {
    Ok(Html(page.render()?).into_response())
}

/// The navigation and the bar of problems, which are on every page.
#[derive(Template)]
#[template(path = "summary.html")]
struct Summary<'a> {
    frame: &'a Frame,
}

pub(crate) fn summary(_: &Shared, frame: &Frame) -> Result<String, Fault> {
    Ok(Summary { frame }.render()?)
}

/// After a form: to a page below the root, which tells what was done. An address that leads elsewhere is taken for the overview.
pub(crate) fn back(spot: &Spot, to: &str, said: Option<&Said>) -> Response {
    let to = if is_below_root(to) && !to.is_empty() { format!("{}{to}", spot.root) } else { spot.home.clone() };
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::from_str(&to) {
        headers.insert(LOCATION, location);
    }
    if let Some(said) = said
        && let Ok(cookie) = HeaderValue::from_str(&said_cookie(&said.encoded(), spot, 60))
    {
        headers.append(SET_COOKIE, cookie);
    }
    response
}

/// The cookie that carries [`Said`] to the next page; for 0 seconds it is taken away.
pub(crate) fn said_cookie(value: &str, spot: &Spot, seconds: u32) -> String {
    format!("{SAID}={value}; Path={}; HttpOnly; SameSite=Lax; Max-Age={seconds}", spot.base)
}

fn is_below_root(to: &str) -> bool {
    let is_plain = to.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let path = to.split('?').next().unwrap_or_default();
    to.len() <= 2000
        && is_plain
        && !to.starts_with('/')
        && !path.contains(':')
        && !path.split('/').any(|part| part == "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_comes_back_to_a_page_of_ours_alone() {
        for good in ["", "queues/mail", "retries?q=class%3AX&before=1:2", "queues/a%2Fb"] {
            assert!(is_below_root(good), "{good}");
        }
        for bad in [
            "/etc",
            "//evil.example",
            "https://evil.example",
            "javascript:x",
            "a/../..",
            "a b",
            "\\evil",
            "a\r\nb",
            "ü",
        ] {
            assert!(!is_below_root(bad), "{bad}");
        }
    }
}
