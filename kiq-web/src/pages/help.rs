//! Help: words of the filter, keys, what each act does. Reads nothing.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use crate::app::Shared;
use crate::fault::Fault;
use crate::frame::{Frame, OfflineFrame};
use crate::view::span;

use super::html;

#[derive(Template)]
#[template(path = "help.html")]
struct Page {
    frame: Frame,
    latency_limit: String,
    running_limit: String,
}

pub(crate) async fn show(State(app): State<Shared>, OfflineFrame(frame): OfflineFrame) -> Result<Response, Fault> {
    html(&Page { frame, latency_limit: span(app.limits.latency), running_limit: span(app.limits.running) })
}
