//! The page in place of the one that was asked for: what happened, and what to do.

use askama::Template;
use axum::response::{Html, IntoResponse as _, Response};

use crate::fault::Fault;
use crate::frame::Frame;

#[derive(Template)]
#[template(path = "fault.html")]
struct Page<'a> {
    frame: Frame,
    fault: &'a Fault,
}

/// For those who are not let in: nothing of the inside.
#[derive(Template)]
#[template(path = "outside.html")]
struct Outside<'a> {
    stylesheet: String,
    fault: &'a Fault,
}

pub(crate) fn page(fault: &Fault, frame: Frame) -> Response {
    let page = match fault.is_outside() {
        true => Outside { stylesheet: frame.stylesheet(), fault }.render(),
        false => Page { frame, fault }.render(),
    };
    match page {
        Ok(page) => Html(page).into_response(),
        Err(error) => {
            tracing::error!(%error, "the page for a fault could not be filled");
            fault.to_string().into_response()
        }
    }
}
