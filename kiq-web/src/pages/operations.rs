//! Operations: who did what, how far it is, and taking it back. Two commands each, and one for the list.

use askama::Template;
use axum::Extension;
use axum::extract::{Form, Path, State};
use axum::response::Response;
use kiq_runtime::inspect::{Operation, OperationId, OperationState, UndoError};

use crate::app::Shared;
use crate::auth::{Operator, Verb};
use crate::fault::Fault;
use crate::frame::{Frame, Said};
use crate::guard::Spot;
use crate::view::{Fields, When, address, count, cut};

use super::{back, html, preview};

/// Operations on the page.
const SHOWN: usize = 200;

/// A page of one that runs asks for itself again so soon, in seconds.
const AGAIN: u32 = 2;

#[derive(Template)]
#[template(path = "operations.html")]
struct List {
    frame: Frame,
    rows: Vec<Row>,
}

#[derive(Template)]
#[template(path = "operation.html")]
struct One {
    frame: Frame,
    row: Row,
}

/// An operation.
struct Row {
    id: String,
    who: String,
    verb: String,
    place: String,
    place_href: Option<String>,
    target: String,
    reason: String,
    began: When,
    ended: When,
    as_of: Option<When>,
    limit: String,
    /// `● running`, `✓ done`.
    state: String,
    state_class: &'static str,
    is_running: bool,
    is_silent: bool,
    done: String,
    gone: usize,
    not_jobs: usize,
    read: String,
    /// For the bar: done of so many.
    progress: Option<(usize, usize)>,
    may_undo: bool,
    undoable: String,
    undo_until: When,
    undone: String,
    may_stop: bool,
}

fn row(frame: &Frame, operation: &Operation) -> Row {
    let (state, state_class) = match &operation.state {
        OperationState::Running => ("● running".to_owned(), "info"),
        OperationState::Stopping => ("◐ stopping".to_owned(), "warn"),
        OperationState::Silent => ("▲ silent".to_owned(), "warn"),
        OperationState::Stopped => ("◐ stopped".to_owned(), "warn"),
        OperationState::Failed(why) => (format!("✕ failed: {}", cut(why, 300)), "bad"),
        OperationState::Done => ("✓ done".to_owned(), "ok"),
        _ => (String::new(), ""),
    };
    let is_running = matches!(operation.state, OperationState::Running | OperationState::Stopping);
    let filter = if operation.as_of.is_some() { operation.target.as_str() } else { "" };
    let undone = operation.undone.as_ref().map(|undone| {
        let mut text =
            format!("{} put back by {} at {}", count(undone.restored), undone.by, frame.when(undone.at).clock);
        if undone.missed > 0 {
            text.push_str(&format!(", {} had gone on", count(undone.missed)));
        }
        text
    });
    Row {
        id: operation.id.to_string(),
        who: cut(operation.by.who(), 100),
        verb: format!("{} {}", operation.verb, cut(&operation.detail, 200)).trim().to_owned(),
        place: operation.place.as_ref().map(|place| cut(&place.to_string(), 120)).unwrap_or_default(),
        place_href: operation.place.as_ref().map(|place| address(&frame.to(&preview::path(place)), &[("q", filter)])),
        target: match operation.target.as_str() {
            "" if operation.as_of.is_some() => "all".to_owned(),
            target => cut(target, 300),
        },
        reason: operation.by.reason().to_owned(),
        began: frame.when(operation.began_at),
        ended: frame.when(operation.updated_at),
        as_of: operation.as_of.map(|at| frame.when(at)),
        limit: operation.limit.map(count).unwrap_or_default(),
        state,
        state_class,
        is_running,
        is_silent: operation.state == OperationState::Silent,
        done: count(operation.outcome.done),
        gone: operation.outcome.gone,
        not_jobs: operation.outcome.not_jobs,
        read: count(operation.outcome.read),
        progress: operation.expected.filter(|expected| *expected > 0).map(|of| (operation.outcome.done.min(of), of)),
        may_undo: operation.undoable > 0 && !is_running && frame.may(Verb::Undo),
        undoable: count(operation.undoable),
        undo_until: frame.when(operation.undo_until()),
        undone: undone.unwrap_or_default(),
        may_stop: matches!(operation.state, OperationState::Running | OperationState::Silent) && frame.may(Verb::Undo),
    }
}

pub(crate) async fn list(State(app): State<Shared>, frame: Frame) -> Result<Response, Fault> {
    let operations = app.inspector.operations(SHOWN).await?;
    html(&List { rows: operations.iter().map(|operation| row(&frame, operation)).collect(), frame })
}

pub(crate) async fn show(
    State(app): State<Shared>,
    Path(id): Path<String>,
    mut frame: Frame,
) -> Result<Response, Fault> {
    let operation = app.inspector.operation(&parse(&id)?).await?.ok_or_else(unknown)?;
    let row = row(&frame, &operation);
    if row.is_running {
        frame.refresh = Some(AGAIN);
    }
    html(&One { row, frame })
}

pub(crate) async fn stop(
    State(app): State<Shared>,
    Extension(spot): Extension<Spot>,
    operator: Operator,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    let id = parse(&id)?;
    if !app.inspector.stop_operation(&id).await? {
        return Err(unknown());
    }
    tracing::info!(target: "kiq::audit", operator = operator.name(), verb = "stop", operation = id.as_str());
    Ok(back(
        &spot,
        &format!("operations/{id}"),
        Some(&Said { text: "It stops within the next 500 entries.".to_owned(), undo: None }),
    ))
}

pub(crate) async fn undo(
    State(app): State<Shared>,
    Extension(spot): Extension<Spot>,
    operator: Operator,
    Path(id): Path<String>,
    Form(fields): Form<Fields>,
) -> Result<Response, Fault> {
    let text = take_back(&app, &operator, &parse(&id)?).await?;
    Ok(back(&spot, fields.get("return"), Some(&Said { text, undo: None })))
}

/// Takes an operation back, and says in one line what came of it.
pub(crate) async fn take_back(app: &Shared, operator: &Operator, id: &OperationId) -> Result<String, Fault> {
    let undone = match app.inspector.undo(id, operator.name()).await {
        Ok(undone) => undone,
        Err(UndoError::Broker(error)) => return Err(error.into()),
        Err(UndoError::Unknown) => return Err(unknown()),
        // Nothing is wrong with having been slower than a colleague.
        Err(why) => return Ok(format!("Nothing was changed: {why}.")),
    };
    app.sampler.forget();
    tracing::info!(
        target: "kiq::audit", operator = operator.name(), verb = "undo", operation = id.as_str(), restored = undone.restored,
        missed = undone.missed
    );
    Ok(match undone.missed {
        0 => format!("Taken back: {} jobs are where they were.", count(undone.restored)),
        missed => {
            format!("Taken back: {} jobs are where they were, {} had gone on.", count(undone.restored), count(missed))
        }
    })
}

pub(crate) fn parse(id: &str) -> Result<OperationId, Fault> {
    id.parse().map_err(|_| unknown())
}

fn unknown() -> Fault {
    Fault::not_found("there is no such operation: the log has 1,000 of the last 30 days")
}
