//! One stream of changes for each open page: the regions of the page, drawn anew from what all viewers share.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Query, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::app::Shared;
use crate::fault::Fault;
use crate::frame::Frame;
use crate::guard::Spot;
use crate::pages::{self, busy, overview, queues};
use crate::sampler::{FRESH, Sampler};

/// A stream ends after that long, and the browser opens the next.
const LONGEST: Duration = Duration::from_secs(600);

/// Draws a region from the frame's sample, and from nothing else: fifty viewers ask the store for what one asks.
type Draw = fn(&Shared, &Frame) -> Result<String, Fault>;

/// The regions there are, by the name in `data-live`.
const REGIONS: [(&str, Draw); 4] =
    [("summary", pages::summary), ("overview", overview::region), ("busy", busy::region), ("queues", queues::region)];

/// What a page wants to hear of.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    /// The regions, with commas between.
    on: String,
    /// From the page to the root.
    root: String,
    /// From the page to the overview.
    home: String,
    /// The page below the root.
    #[serde(default)]
    path: String,
    /// Its query.
    #[serde(default)]
    query: String,
}

struct Stream {
    app: Shared,
    parts: Parts,
    regions: Vec<(&'static str, Draw)>,
    sent: HashMap<&'static str, String>,
    ends: Instant,
    is_first: bool,
    _place: OwnedSemaphorePermit,
}

pub(crate) async fn stream(
    State(app): State<Shared>,
    Query(wanted): Query<Wanted>,
    request: Request,
) -> Result<Response, Fault> {
    if !is_way_up(&wanted.root) || !is_way_up(&format!("{}/", wanted.home)) {
        return Err(Fault::invalid(
            "`root` and `home` are the ways from the page to the dashboard's beginning, like ../",
        ));
    }
    let place = app.streams.clone().try_acquire_owned().map_err(|_| Fault::Busy)?;
    let names: Vec<&str> = wanted.on.split(',').collect();
    let regions = REGIONS.into_iter().filter(|(name, _)| names.contains(name)).collect();
    let (mut parts, _) = request.into_parts();
    if let Some(spot) = parts.extensions.get_mut::<Spot>() {
        (spot.root, spot.home, spot.path, spot.query) = (wanted.root, wanted.home, wanted.path, wanted.query);
    }
    Sampler::keep_trends(&app);
    let ends = Instant::now() + LONGEST;
    let stream = Stream { app, parts, regions, sent: HashMap::new(), ends, is_first: true, _place: place };
    let body = unfold(stream, |mut stream| async move {
        let text = stream.next().await?;
        Some((Ok::<Bytes, Infallible>(Bytes::from(text)), stream))
    });
    Ok(([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(body)).into_response())
}

impl Stream {
    async fn next(&mut self) -> Option<String> {
        if std::mem::take(&mut self.is_first) {
            return Some("retry: 3000\n\n".to_owned());
        }
        if Instant::now() >= self.ends {
            return None;
        }
        tokio::time::sleep(FRESH).await;
        let sample = match self.app.sampler.fresh().await {
            Ok(sample) => sample,
            Err(error) => return Some(event("stale", 0, &error.to_string())),
        };
        let number = sample.number;
        let frame = Frame::of(&self.parts, &self.app, Some(sample));
        let mut text = String::new();
        for (name, draw) in &self.regions {
            let Ok(region) = draw(&self.app, &frame) else { continue };
            if self.sent.get(name) != Some(&region) {
                text.push_str(&event(name, number, &region));
                self.sent.insert(name, region);
            }
        }
        // Something is always said, so that the page knows that it is live.
        Some(if text.is_empty() { event("same", number, "") } else { text })
    }
}

fn event(name: &str, number: u64, data: &str) -> String {
    let mut text = format!("event: {name}\nid: {number}\n");
    for line in data.split(['\n', '\r']) {
        // Writing into memory does not fail.
        let _ = writeln!(text, "data: {line}");
    }
    text.push('\n');
    text
}

/// `./`, `../../`, or the last word of the root and a slash; nothing that leads to another site.
fn is_way_up(root: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~%/".contains(&byte);
    root.len() <= 200 && root.ends_with('/') && !root.starts_with('/') && root.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_leads_to_no_other_site() {
        for good in ["./", "../", "../../", "kiq/", "my%20jobs/"] {
            assert!(is_way_up(good), "{good}");
        }
        for bad in ["", "/", "//evil.example/", "https://evil.example/", "javascript:x/", "a", "..\\", "a\"/"] {
            assert!(!is_way_up(bad), "{bad}");
        }
    }

    #[test]
    fn each_line_of_an_event_is_data() {
        assert_eq!(
            event("busy", 7, "a\nevent: x\r\nb"),
            "event: busy\nid: 7\ndata: a\ndata: event: x\ndata: \ndata: b\n\n"
        );
    }
}
