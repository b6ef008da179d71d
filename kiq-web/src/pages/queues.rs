//! Queues: which is behind, and growing; who serves it; when it will be empty. Made of the sample alone.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use crate::app::Shared;
use crate::charts::{Svg, spark};
use crate::fault::Fault;
use crate::frame::Frame;
use crate::sampler::Sample;
use crate::view::{count, span};

use super::html;

#[derive(Template)]
#[template(path = "queues.html")]
struct Page {
    frame: Frame,
    view: View,
}

#[derive(Template)]
#[template(path = "queues_live.html")]
struct Region<'a> {
    frame: &'a Frame,
    view: View,
}

struct View {
    rows: Vec<Row>,
    /// Since when sizes are noted.
    since: String,
}

pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) size: String,
    /// Empty for a queue without jobs.
    pub(crate) latency: String,
    pub(crate) is_late: bool,
    pub(crate) is_paused: bool,
    /// `+14`, `−40`, `±0`; empty before it is known.
    pub(crate) growth: String,
    /// `growing`, `9 m 20 s`; empty without a trend.
    pub(crate) empty_in: String,
    /// `2 of 3, 8 slots`, `nobody`.
    pub(crate) served: String,
    pub(crate) is_served: bool,
    /// Its size over the last hour.
    pub(crate) trend: Svg,
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
        let sample = frame.sample()?;
        Ok(View { rows: rows(app, sample), since: frame.when(sample.trends_since).clock })
    }
}

/// All queues, the one that is most behind first.
pub(crate) fn rows(app: &Shared, sample: &Sample) -> Vec<Row> {
    let mut queues: Vec<_> = sample.queues.iter().collect();
    queues.sort_by_key(|queue| std::cmp::Reverse((queue.latency, queue.size)));
    let rows = queues.into_iter().map(|queue| {
        let growth = sample.growth(&queue.name);
        let serving: Vec<_> =
            sample.processes.iter().filter(|process| process.serves(&queue.name) && !process.is_quiet).collect();
        let slots: usize = serving.iter().map(|process| process.concurrency).sum();
        Row {
            name: queue.name.clone(),
            size: count(queue.size),
            latency: if queue.size > 0 { span(queue.latency) } else { String::new() },
            is_late: queue.size > 0 && queue.latency > app.limits.latency,
            is_paused: queue.is_paused,
            growth: growth.map(signed).unwrap_or_default(),
            empty_in: match growth {
                Some(growth) if queue.size > 0 && growth > 0 => "growing".to_owned(),
                Some(growth) if queue.size > 0 && growth < 0 => {
                    let seconds = queue.size as f64 * 60.0 / growth.unsigned_abs() as f64;
                    span(std::time::Duration::from_secs_f64(seconds.min(1e9)))
                }
                _ => String::new(),
            },
            served: match serving.len() {
                0 => "nobody".to_owned(),
                some => format!("{some} of {}, {slots} slots", sample.processes.len()),
            },
            is_served: !serving.is_empty(),
            trend: spark(&sizes(sample, &queue.name)),
        }
    });
    rows.collect()
}

fn sizes(sample: &Sample, queue: &str) -> Vec<f64> {
    sample.trends.get(queue).map(|points| points.iter().map(|(_, size)| *size as f64).collect()).unwrap_or_default()
}

fn signed(growth: i64) -> String {
    match growth {
        0 => "±0".to_owned(),
        growth if growth > 0 => format!("+{}", count(growth.unsigned_abs())),
        growth => format!("−{}", count(growth.unsigned_abs())),
    }
}
