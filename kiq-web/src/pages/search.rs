//! Search: an id leads to its job; a filter is tried on every place where jobs wait. Beside the sample 10,000 entries are read at
//! most, 500 with each command.

use askama::Template;
use axum::Extension;
use axum::extract::{Query, State};
use axum::response::Response;
use kiq_runtime::inspect::{FilterFault, Found, JobSet, Place};
use kiq_runtime::job::Jid;
use serde::Deserialize;

use crate::app::Shared;
use crate::fault::Fault;
use crate::frame::Frame;
use crate::guard::Spot;
use crate::view::{count, query, segment};

use super::{back, html, set};

/// Entries that are read.
const BUDGET: usize = 10_000;

#[derive(Template)]
#[template(path = "search.html")]
struct Page {
    frame: Frame,
    q: String,
    /// Why the filter cannot be used.
    fault: Option<String>,
    hits: Vec<Hit>,
    read: String,
    is_complete: bool,
}

/// What was found in a place.
struct Hit {
    place: String,
    count: String,
    path: String,
    jobs: Vec<Line>,
}

struct Line {
    jid: String,
    class: String,
    is_job: bool,
    args: String,
    error: String,
}

#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    q: String,
}

pub(crate) async fn show(
    State(app): State<Shared>,
    Extension(spot): Extension<Spot>,
    Query(Asked { q }): Query<Asked>,
    frame: Frame,
) -> Result<Response, Fault> {
    let q = q.trim().to_owned();
    if is_id(&q) {
        return Ok(back(&spot, &format!("jobs/{}", segment(&q)), None));
    }
    let mut page = Page { frame, q, fault: None, hits: Vec::new(), read: String::new(), is_complete: true };
    if page.q.is_empty() {
        return html(&page);
    }
    let filter = match set::filter(&app, &page.q).await {
        Ok(filter) => filter,
        Err(FilterFault::Broker(error)) => return Err(error.into()),
        Err(error) => {
            page.fault = Some(error.to_string());
            return html(&page);
        }
    };
    let queues = page.frame.sample()?.queues.iter().filter(|queue| queue.size > 0);
    let mut places: Vec<Place> = [JobSet::Retry, JobSet::Dead, JobSet::Scheduled].map(Place::Set).to_vec();
    places.extend(queues.map(|queue| Place::Queue(queue.name.clone())));
    let mut read = 0;
    for place in places {
        if read >= BUDGET {
            page.is_complete = false;
            break;
        }
        let found = app.inspector.select(place.clone(), filter.clone()).count(BUDGET - read).await?;
        read += found.read;
        page.is_complete &= found.is_complete;
        if found.matching > 0 {
            page.hits.push(Hit {
                place: place.to_string(),
                count: match found.is_complete {
                    true => count(found.matching),
                    false => format!("at least {}", count(found.matching)),
                },
                path: path_of(&place, &page.q),
                jobs: found.sample.iter().map(|found| line(&app, found)).collect(),
            });
        }
    }
    page.read = count(read);
    html(&page)
}

/// Whether it looks like the id of a job, and like no word.
fn is_id(text: &str) -> bool {
    text.len() >= 20 && text.bytes().any(|byte| byte.is_ascii_digit()) && Jid::parse(text).is_ok()
}

fn path_of(place: &Place, q: &str) -> String {
    match place {
        Place::Queue(name) => format!("queues/{}", segment(name)),
        Place::Set(set) => {
            let page = match set {
                JobSet::Retry => "retries",
                JobSet::Scheduled => "scheduled",
                JobSet::Dead => "dead",
            };
            format!("{page}?q={}", query(q))
        }
    }
}

fn line(app: &Shared, found: &Found) -> Line {
    let job = found.payload.as_ref();
    Line {
        jid: found.jid().to_owned(),
        is_job: job.is_ok(),
        class: match job {
            Ok(job) => job.class().to_owned(),
            Err(error) => format!("not a job: {error}"),
        },
        args: job.map(|job| app.masks.line(job.class(), job.args())).unwrap_or_default(),
        error: found.error().map(|(class, _)| class).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_told_from_a_word() {
        for id in ["b0db36cee8fd9f6f1ad4e05f", "01890a5d-ac96-774b-bcce-b302099a8057", "OWGQz5Sd7cQpcCIWXKjqVA1"] {
            assert!(is_id(id), "{id}");
        }
        for word in
            ["", "ChargeCard", "class:ChargeCard", "ThisIsAVeryLongClassNameOfAJob", "error:HttpStatus503Service"]
        {
            assert!(!is_id(word), "{word}");
        }
    }
}
