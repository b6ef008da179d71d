//! One queue: what runs next, who serves it; pause and resume. Beside the sample one page of the queue is read.

use askama::Template;
use axum::Extension;
use axum::extract::{Form, Path, Query, State};
use axum::response::Response;
use kiq_runtime::inspect::{Act, ActError, Begun, By, Filter, Found, OperationId, Place};
use serde::Deserialize;

use crate::app::Shared;
use crate::auth::{Operator, Verb};
use crate::fault::Fault;
use crate::frame::{Frame, Said};
use crate::guard::Spot;
use crate::view::{When, count, cut, segment};

use super::queues::Row;
use super::{back, confirm, html, queues};

/// Jobs on a page.
const ROWS: usize = 50;

/// The last page that is read: to skip is not free for the store.
const LAST_PAGE: usize = 10_000;

#[derive(Template)]
#[template(path = "queue.html")]
struct Page {
    frame: Frame,
    row: Row,
    jobs: Vec<Line>,
    page: usize,
    pages: usize,
    first: String,
}

/// A job in a list.
pub(crate) struct Line {
    pub(crate) position: String,
    pub(crate) jid: String,
    /// The class, or why there is none.
    pub(crate) class: String,
    pub(crate) is_job: bool,
    pub(crate) args: String,
    pub(crate) tags: Vec<String>,
    pub(crate) at: Option<When>,
}

#[derive(Deserialize)]
pub(crate) struct Paging {
    page: Option<usize>,
}

pub(crate) async fn show(
    State(app): State<Shared>,
    Path(name): Path<String>,
    Query(paging): Query<Paging>,
    frame: Frame,
) -> Result<Response, Fault> {
    let sample = frame.sample()?;
    let row = queues::rows(&app, sample).into_iter().find(|row| row.name == name);
    let row = row.ok_or_else(|| no_such(&name))?;
    let size = sample.queues.iter().find(|queue| queue.name == name).map_or(0, |queue| queue.size);
    let page = paging.page.unwrap_or(1);
    if page == 0 || page > LAST_PAGE {
        return Err(Fault::invalid(format!("there is no page {page}: pages go from 1 to {LAST_PAGE}")));
    }
    let skip = (page - 1) * ROWS;
    let found = app.inspector.queue(&name, skip, ROWS).await?;
    let jobs = found.iter().enumerate().map(|(at, found)| line(&app, &frame, skip + at + 1, found)).collect();
    let pages = size.div_ceil(ROWS).clamp(1, LAST_PAGE);
    html(&Page { first: count(skip + 1), row, jobs, page, pages, frame })
}

fn line(app: &Shared, frame: &Frame, position: usize, found: &Found) -> Line {
    let job = found.payload.as_ref();
    Line {
        position: count(position),
        jid: found.jid().to_owned(),
        class: match job {
            Ok(job) => job.class().to_owned(),
            Err(error) => format!("not a job: {error}"),
        },
        is_job: job.is_ok(),
        args: match job {
            Ok(job) => app.masks.line(job.class(), job.args()),
            Err(_) => cut(&String::from_utf8_lossy(&found.bytes), 160),
        },
        tags: job.map(|job| job.tags()).unwrap_or_default(),
        at: found.happened_at().map(|at| frame.when(at)),
    }
}

/// Where a form comes back to, and what was typed into it.
#[derive(Deserialize)]
pub(crate) struct Return {
    #[serde(default, rename = "return")]
    pub(crate) to: String,
    /// The number that was shown.
    shown: Option<usize>,
    typed: Option<String>,
}

pub(crate) async fn pause(
    State(app): State<Shared>,
    Extension(spot): Extension<Spot>,
    operator: Operator,
    Path(name): Path<String>,
    Form(form): Form<Return>,
) -> Result<Response, Fault> {
    let is_new = app.inspector.pause(&name).await?;
    let text = match is_new {
        true => format!("Paused {name}. Workers leave it alone from their next heartbeat on, within 5 seconds."),
        false => format!("{name} was paused already."),
    };
    Ok(noted(&app, &spot, &operator, (Verb::Pause, &name, usize::from(is_new)), &form.to, text).await)
}

pub(crate) async fn resume(
    State(app): State<Shared>,
    Extension(spot): Extension<Spot>,
    operator: Operator,
    Path(name): Path<String>,
    Form(form): Form<Return>,
) -> Result<Response, Fault> {
    let is_new = app.inspector.resume(&name).await?;
    let text = match is_new {
        true => format!("Resumed {name}. Workers take its jobs again within 5 seconds."),
        false => format!("{name} was not paused."),
    };
    Ok(noted(&app, &spot, &operator, (Verb::Resume, &name, usize::from(is_new)), &form.to, text).await)
}

pub(crate) async fn ask_clear(frame: Frame, Path(name): Path<String>) -> Result<Response, Fault> {
    if !frame.may(Verb::Clear) {
        return Err(Fault::forbidden("you may not clear queues here"));
    }
    let size = frame.sample()?.queues.iter().find(|queue| queue.name == name).map(|queue| queue.size);
    let size = size.ok_or_else(|| no_such(&name))?;
    let jobs = if size == 1 { "1 job".to_owned() } else { format!("{} jobs", count(size)) };
    html(&confirm::Page {
        title: format!("Clear {name}, {jobs}?"),
        lines: vec![
            format!(
                "{jobs} will be removed, with all that come into the queue until you press. They cannot be brought back."
            ),
            "Jobs of this queue that run, and its retries and scheduled jobs, stay.".to_owned(),
        ],
        action: format!("queues/{}/clear", segment(&name)),
        button: format!("Clear {jobs}"),
        typed: (size >= confirm::TYPED_FROM).then_some(size),
        to: format!("queues/{}", segment(&name)),
        frame,
    })
}

pub(crate) async fn clear(
    State(app): State<Shared>,
    Extension(spot): Extension<Spot>,
    operator: Operator,
    frame: Frame,
    Path(name): Path<String>,
    Form(form): Form<Return>,
) -> Result<Response, Fault> {
    let size = frame.sample()?.queues.iter().find(|queue| queue.name == name).map_or(0, |queue| queue.size);
    let shown = form.shown.or((size >= confirm::TYPED_FROM).then_some(size));
    confirm::typed(shown, form.typed.as_deref())?;
    let place = Place::Queue(name.clone());
    // The queue is gone, and so is its page.
    if size > UNDOABLE {
        let removed = app.inspector.clear(&place).await?;
        let text = format!("Cleared {name}: {} jobs removed.", count(removed));
        return Ok(noted(&app, &spot, &operator, (Verb::Clear, &name, removed), QUEUES, text).await);
    }
    let id = OperationId::random();
    let selection = app.inspector.select(place, Filter::default());
    let begun = selection.begin(&id, Act::Delete, By::new(operator.name()), Some(size)).await.map_err(refused)?;
    let removed = match begun {
        Begun::New(run) => run.finish().await.map_err(refused)?.outcome.done,
        Begun::Already(operation) => operation.outcome.done,
    };
    app.sampler.forget();
    let text = format!("Cleared {name}: {} jobs removed.", count(removed));
    Ok(back(&spot, QUEUES, Some(&Said { text, undo: Some(id.as_str().to_owned()) })))
}

fn refused(error: ActError) -> Fault {
    match error {
        ActError::Broker(error) => error.into(),
        other => Fault::invalid(other.to_string()),
    }
}

/// So many jobs can be brought back; more are removed at once and for good.
const UNDOABLE: usize = 1000;

/// The page of all queues.
const QUEUES: &str = "./queues";

fn no_such(name: &str) -> Fault {
    Fault::not_found(format!("there is no queue {:?}: it was cleared, or nothing was ever put into it", cut(name, 200)))
}

/// Writes what was done, to what and to how many, into the log of operations, and goes back to the page.
pub(crate) async fn noted(
    app: &Shared,
    spot: &Spot,
    operator: &Operator,
    (verb, target, count): (Verb, &str, usize),
    to: &str,
    text: String,
) -> Response {
    let place = match verb {
        Verb::Pause | Verb::Resume | Verb::Clear => Some(Place::Queue(target.to_owned())),
        _ => None,
    };
    let by = By::new(operator.name());
    // It is done: a log that cannot be written is no reason to say otherwise.
    if let Err(error) = app.inspector.note(by, verb.as_str(), place.as_ref(), target, count).await {
        tracing::warn!(%error, verb = verb.as_str(), "what was done could not be written into the log of operations");
    }
    done(app, spot, operator, verb, target, to, text)
}

/// Tells the program's own log what was done, and goes back to the page.
pub(crate) fn done(
    app: &Shared,
    spot: &Spot,
    operator: &Operator,
    verb: Verb,
    target: &str,
    to: &str,
    text: String,
) -> Response {
    tracing::info!(target: "kiq::audit", operator = operator.name(), verb = verb.as_str(), on = target, result = text);
    app.sampler.forget();
    back(spot, to, Some(&Said { text, undo: None }))
}
