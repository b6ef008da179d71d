//! The same for programs: Sidekiq's `/stats`, and `api/v1/` for reading and acting. What it takes and answers is in `api.md`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use kiq_runtime::inspect::{
    Begun, By, Cursor, Filter, Found, JobSet, Operation, OperationId, OperationState, PageOf, Place,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::Shared;
use crate::auth::{Operator, Verb};
use crate::fault::Fault;
use crate::frame::Frame;
use crate::pages::operations::{parse, take_back};
use crate::pages::preview::{At, Wish};
use crate::pages::set;
use crate::view::Fields;

/// Jobs of a list.
const ROWS: usize = 100;

/// Entries that a count looks at.
const LOOK: usize = 50_000;

/// Operations of a list.
const OPERATIONS: usize = 200;

type Answer = Result<Reply, Fault>;

/// JSON that holds no markup, whoever takes it for a page.
pub(crate) struct Reply(Value);

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        // Outside of texts JSON has none of these.
        let text = self.0.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
        ([(CONTENT_TYPE, "application/json")], text).into_response()
    }
}

/// The fields of Sidekiq's `/stats`.
pub(crate) async fn stats(frame: Frame) -> Answer {
    let sample = frame.sample()?;
    let (stats, store) = (&sample.stats, &sample.slow.store);
    let default = sample.queues.iter().find(|queue| queue.name == "default");
    let human = |bytes: Option<u64>| bytes.map(|bytes| format!("{:.2}M", bytes as f64 / 1_048_576.0));
    let time = frame.now.to_string();
    Ok(Reply(json!({
        "sidekiq": {
            "processed": stats.processed, "failed": stats.failed,
            "busy": sample.processes.iter().map(|process| process.busy).sum::<usize>(),
            "processes": stats.processes, "enqueued": stats.enqueued, "scheduled": stats.scheduled, "retries": stats.retries,
            "dead": stats.dead, "default_latency": default.map_or(0.0, |queue| queue.latency.as_secs_f64()),
        },
        "redis": {
            "redis_version": store.version, "uptime_in_days": store.uptime.map(|uptime| (uptime.as_secs() / 86_400).to_string()),
            "connected_clients": store.clients.map(|clients| clients.to_string()), "used_memory_human": human(store.used_memory),
            "used_memory_peak_human": human(store.peak_memory),
        },
        "server_utc_time": format!("{} UTC", time.get(11..19).unwrap_or_default()),
    })))
}

/// Sidekiq's `/stats/queues`: the sizes by name.
pub(crate) async fn stats_queues(frame: Frame) -> Answer {
    let sizes = frame.sample()?.queues.iter().map(|queue| (queue.name.clone(), json!(queue.size)));
    Ok(Reply(Value::Object(sizes.collect())))
}

pub(crate) async fn queues(frame: Frame) -> Answer {
    let queues: Vec<Value> = frame
        .sample()?
        .queues
        .iter()
        .map(|queue| {
            json!({
                "name": queue.name, "size": queue.size, "latency_seconds": queue.latency.as_secs_f64(), "is_paused": queue.is_paused,
            })
        })
        .collect();
    Ok(Reply(json!({ "queues": queues })))
}

pub(crate) async fn jobs(At(place): At, State(app): State<Shared>, Query(fields): Query<Fields>) -> Answer {
    let filter = set::filter(&app, fields.get("q")).await?;
    let after: Option<Cursor> = match fields.get("after") {
        "" => None,
        word => Some(word.parse().map_err(|error| Fault::invalid(format!("{error}")))?),
    };
    let newest_first = place == Place::Set(JobSet::Dead);
    let rows = fields.get("count").parse().unwrap_or(ROWS).clamp(1, ROWS);
    let page = app.inspector.page(&place, &filter, PageOf { rows, newest_first, after, before: None }).await?;
    Ok(Reply(json!({
        "jobs": page.rows.iter().map(|found| job(&app, found)).collect::<Vec<_>>(),
        "after": page.next.map(|cursor| cursor.to_string()), "read": page.read, "is_cut": page.is_cut,
    })))
}

pub(crate) async fn errors(At(place): At, State(app): State<Shared>, Query(fields): Query<Fields>) -> Answer {
    let filter = set::filter(&app, fields.get("q")).await?;
    let groups = app.inspector.groups(&place, &filter, 10_000).await?;
    let shown = groups.groups.iter().take(500).map(|group| {
        json!({
            "group": group.key, "class": group.class, "error_class": group.error, "error_message": group.message,
            "count": group.count, "first_at": group.oldest.map(|at| at.to_string()),
            "last_at": group.newest.map(|at| at.to_string()), "next_at": group.next.map(|at| at.to_string()),
        })
    });
    Ok(Reply(json!({
        "errors": shown.collect::<Vec<_>>(), "jobs": groups.jobs, "read": groups.read, "is_complete": groups.is_complete,
    })))
}

/// A job, with what is masked left out.
fn job(app: &Shared, found: &Found) -> Value {
    let error = found.error();
    let job = found.payload.as_ref();
    json!({
        "jid": found.jid(), "class": found.class(), "queue": found.queue(), "at": found.at.map(|at| at.to_string()),
        "args": job.map(|job| app.masks.shown(job.class(), job.args())).ok(),
        "tags": job.map(|job| job.tags()).unwrap_or_default(), "failures": job.map(|job| job.failures()).unwrap_or_default(),
        "error_class": error.as_ref().map(|(class, _)| class), "error_message": error.as_ref().map(|(_, text)| text),
        "fault": job.err().map(ToString::to_string),
    })
}

pub(crate) async fn operations(State(app): State<Shared>) -> Answer {
    let operations = app.inspector.operations(OPERATIONS).await?;
    Ok(Reply(json!({ "operations": operations.iter().map(as_json).collect::<Vec<_>>() })))
}

pub(crate) async fn operation(State(app): State<Shared>, Path(id): Path<String>) -> Answer {
    let known = app.inspector.operation(&parse(&id)?).await?;
    let known =
        known.ok_or_else(|| Fault::not_found("there is no such operation: the log has 1,000 of the last 30 days"))?;
    Ok(Reply(as_json(&known)))
}

fn as_json(operation: &Operation) -> Value {
    let undone = operation.undone.as_ref().map(|undone| {
        json!({
            "by": undone.by, "at": undone.at.to_string(), "restored": undone.restored, "missed": undone.missed,
        })
    });
    let (state, fault) = match &operation.state {
        OperationState::Running => ("running", None),
        OperationState::Stopping => ("stopping", None),
        OperationState::Silent => ("silent", None),
        OperationState::Stopped => ("stopped", None),
        OperationState::Done => ("done", None),
        OperationState::Failed(why) => ("failed", Some(why)),
        _ => ("", None),
    };
    json!({
        "id": operation.id.as_str(), "who": operation.by.who(), "reason": operation.by.reason(), "verb": operation.verb,
        "detail": operation.detail, "place": operation.place.as_ref().map(ToString::to_string), "target": operation.target,
        "as_of": operation.as_of.map(|at| at.to_string()), "limit": operation.limit, "expected": operation.expected,
        "began_at": operation.began_at.to_string(), "updated_at": operation.updated_at.to_string(), "state": state,
        "fault": fault, "done": operation.outcome.done, "gone": operation.outcome.gone,
        "not_jobs": operation.outcome.not_jobs, "read": operation.outcome.read, "undoable": operation.undoable, "undone": undone,
    })
}

/// What a program wants done.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// `retry`, `reschedule`, `kill`, `delete`, `move`.
    verb: String,
    /// Which; without it nothing is done, unless `all` is `true`.
    #[serde(default)]
    q: String,
    /// That really everything is meant.
    #[serde(default)]
    all: bool,
    /// So many at most, those that are due first.
    limit: Option<usize>,
    /// For `reschedule`: `10m`.
    #[serde(default, rename = "in")]
    within: String,
    /// For `move`.
    #[serde(default)]
    queue: String,
    /// For the log.
    #[serde(default)]
    reason: String,
    /// Of the caller's own: a request that is sent twice begins one operation.
    id: Option<String>,
}

impl Wanted {
    /// The filter, if it says which jobs.
    async fn filter(&self, app: &Shared) -> Result<Filter, Fault> {
        let filter = set::filter(app, &self.q).await?;
        match filter.is_all() != self.all {
            true => {
                Err(Fault::invalid("say which jobs with \"q\", or that all are meant with \"all\": true, and not both"))
            }
            false => Ok(filter),
        }
    }
}

/// How many it would be, and nothing is changed.
pub(crate) async fn count(
    At(place): At,
    State(app): State<Shared>,
    operator: Operator,
    Json(wanted): Json<Wanted>,
) -> Answer {
    app.permits.demand(&operator, Wish::parse(&wanted.verb)?.verb())?;
    let mut selection = app.inspector.select(place, wanted.filter(&app).await?);
    if let Some(limit) = wanted.limit {
        selection = selection.limit(limit);
    }
    let count = selection.count(LOOK).await?;
    Ok(Reply(json!({
        "matching": count.matching, "not_jobs": count.not_jobs, "read": count.read, "is_complete": count.is_complete,
        "sample": count.sample.iter().map(|found| job(&app, found)).collect::<Vec<_>>(),
    })))
}

/// Begins it, and answers the operation at once.
pub(crate) async fn begin(
    At(place): At,
    State(app): State<Shared>,
    operator: Operator,
    Json(wanted): Json<Wanted>,
) -> Answer {
    let wish = Wish::parse(&wanted.verb)?;
    app.permits.demand(&operator, wish.verb())?;
    let act = wish.act(&wanted.within, &wanted.queue, app.inspector.now())?;
    let id = match &wanted.id {
        Some(id) => id.parse().map_err(|error| Fault::invalid(format!("{error}")))?,
        None => OperationId::random(),
    };
    let mut selection = app.inspector.select(place, wanted.filter(&app).await?);
    if let Some(limit) = wanted.limit {
        selection = selection.limit(limit);
    }
    let by = By::new(operator.name()).because(wanted.reason);
    if let Begun::New(run) = selection.begin(&id, act, by, wanted.limit).await? {
        let app = Arc::clone(&app);
        tokio::spawn(async move {
            if let Err(error) = run.finish().await {
                tracing::warn!(%error, "an operation has failed");
            }
            app.sampler.forget();
        });
    }
    operation(State(app), Path(id.to_string())).await
}

pub(crate) async fn stop(State(app): State<Shared>, Path(id): Path<String>) -> Answer {
    let id = parse(&id)?;
    app.inspector.stop_operation(&id).await?;
    operation(State(app), Path(id.to_string())).await
}

pub(crate) async fn undo(State(app): State<Shared>, operator: Operator, Path(id): Path<String>) -> Answer {
    let id = parse(&id)?;
    let text = take_back(&app, &operator, &id).await?;
    Ok(Reply(json!({ "said": text })))
}

pub(crate) async fn pause(State(app): State<Shared>, operator: Operator, Path(name): Path<String>) -> Answer {
    set_paused(&app, &operator, name, true).await
}

pub(crate) async fn resume(State(app): State<Shared>, operator: Operator, Path(name): Path<String>) -> Answer {
    set_paused(&app, &operator, name, false).await
}

async fn set_paused(app: &Shared, operator: &Operator, name: String, paused: bool) -> Answer {
    let is_new = match paused {
        true => app.inspector.pause(&name).await?,
        false => app.inspector.resume(&name).await?,
    };
    let verb = if paused { Verb::Pause } else { Verb::Resume };
    let place = Place::Queue(name);
    app.inspector.note(By::new(operator.name()), verb.as_str(), Some(&place), "", usize::from(is_new)).await?;
    app.sampler.forget();
    Ok(Reply(json!({ "is_paused": paused, "changed": is_new })))
}
