//! Busy: what runs where, and whether it is stuck. Made of the sample alone.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use crate::app::Shared;
use crate::fault::Fault;
use crate::frame::Frame;

use super::html;

#[derive(Template)]
#[template(path = "busy.html")]
struct Page {
    frame: Frame,
}

#[derive(Template)]
#[template(path = "busy_live.html")]
struct Region<'a> {
    frame: &'a Frame,
}

pub(crate) async fn show(State(_app): State<Shared>, frame: Frame) -> Result<Response, Fault> {
    html(&Page { frame })
}

pub(crate) fn region(_: &Shared, frame: &Frame) -> Result<String, Fault> {
    Ok(Region { frame }.render()?)
}
