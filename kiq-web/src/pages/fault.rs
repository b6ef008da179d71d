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
    /// For those who did not say who they are: nothing of the inside.
    is_outside: bool,
}

pub(crate) fn page(fault: &Fault, frame: Frame) -> Response {
    let is_outside = matches!(fault, Fault::Unauthenticated | Fault::TooManyGuesses | Fault::WrongHost(_));
    match (Page { frame, fault, is_outside }).render() {
        Ok(page) => Html(page).into_response(),
        Err(error) => {
            tracing::error!(%error, "the page for a fault could not be filled");
            fault.to_string().into_response()
        }
    }
}
