//! The addresses of Sidekiq's pages, so that links in runbooks go on to work. Reads nothing.

use axum::Extension;
use axum::extract::{Path, RawQuery};
use axum::response::Response;

use crate::fault::Fault;
use crate::guard::Spot;
use crate::view::{cut, segment};

use super::back;

/// `/morgue` is the page of the dead.
pub(crate) async fn morgue(Extension(spot): Extension<Spot>, RawQuery(query): RawQuery) -> Response {
    let query = query.filter(|query| !query.is_empty()).map(|query| format!("?{query}"));
    back(&spot, &format!("dead{}", query.unwrap_or_default()), None)
}

/// `/retries/1795451848.5-b0db36cee8` is a job at its time: its page stays when the time changes.
pub(crate) async fn entry(Extension(spot): Extension<Spot>, Path(key): Path<String>) -> Result<Response, Fault> {
    match key.split_once('-') {
        Some((score, jid)) if score.parse::<f64>().is_ok() && !jid.is_empty() => {
            let set = match spot.path.split('/').next().unwrap_or_default() {
                "morgue" => "dead",
                set => set,
            };
            Ok(back(&spot, &format!("jobs/{}?in={}&at={}", segment(jid), segment(set), segment(score)), None))
        }
        _ => Err(Fault::not_found(format!(
            "{:?} names no job: an address of Sidekiq ends with a time, a dash and the id of a job",
            cut(&key, 100)
        ))),
    }
}
