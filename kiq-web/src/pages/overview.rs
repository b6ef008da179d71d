//! Overview: whether anything is wrong, since when, and where to click. Made of the sample alone.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use crate::app::Shared;
use crate::fault::Fault;
use crate::frame::Frame;

use super::html;
use super::queues::{self, Row};

/// Queues that are shown.
const QUEUES: usize = 6;

#[derive(Template)]
#[template(path = "overview.html")]
struct Page {
    frame: Frame,
    view: View,
}

#[derive(Template)]
#[template(path = "overview_live.html")]
struct Region<'a> {
    frame: &'a Frame,
    view: View,
}

struct View {
    queues: Vec<Row>,
    since: String,
    deploys: usize,
}

pub(crate) async fn show(State(app): State<Shared>, frame: Frame) -> Result<Response, Fault> {
    let view = View::new(&app, &frame)?;
    html(&Page { frame, view })
}

pub(crate) fn region(app: &Shared, frame: &Frame) -> Result<String, Fault> {
    Ok(Region { frame, view: View::new(app, frame)? }.render()?)
}

impl View {
    fn new(app: &Shared, frame: &Frame) -> Result<Self, Fault> {
        let mut queues = queues::rows(app, frame.sample()?);
        queues.truncate(QUEUES);
        let sample = frame.sample()?;
        Ok(View { queues, since: frame.when(sample.trends_since).clock, deploys: sample.slow.deploys.len() })
    }
}
