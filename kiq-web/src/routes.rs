//! The table of addresses. A page has a row here, a module in `pages/`, and a template.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get, post};

use crate::app::Shared;
use crate::auth::{Operator, Verb};
use crate::fault::Fault;
use crate::pages::{
    busy, class, help, job, jobs, metrics, operations, overview, preferences, preview, process, queue, queues, search,
    set, sidekiq,
};
use crate::{api, assets, live};

/// What everybody may have.
pub(crate) fn open() -> Router<Shared> {
    Router::new().route("/assets/{file}", get(assets::serve)).route("/healthz", get(|| async { "ok" }))
}

/// What only those have that the application lets in.
pub(crate) fn pages(app: &Shared) -> Router<Shared> {
    let act = Acts { app };
    Router::new()
        .route("/", get(overview::show))
        .route("/busy", get(busy::show))
        .route("/processes/{identity}/quiet", get(process::ask_quiet).merge(act.on(Verb::Quiet, process::quiet)))
        .route("/processes/{identity}/stop", get(process::ask_stop).merge(act.on(Verb::Stop, process::stop)))
        .route("/queues", get(queues::show))
        .route("/queues/{name}", get(queue::show))
        .route("/queues/{name}/pause", act.on(Verb::Pause, queue::pause))
        .route("/queues/{name}/resume", act.on(Verb::Resume, queue::resume))
        .route("/queues/{name}/clear", get(queue::ask_clear).merge(act.on(Verb::Clear, queue::clear)))
        .route("/queues/{name}/preview", post(preview::ask))
        .route("/queues/{name}/apply", post(preview::apply))
        .route("/retries", get(set::show))
        .route("/retries/preview", post(preview::ask))
        .route("/retries/apply", post(preview::apply))
        .route("/scheduled", get(set::show))
        .route("/scheduled/preview", post(preview::ask))
        .route("/scheduled/apply", post(preview::apply))
        .route("/dead", get(set::show))
        .route("/dead/preview", post(preview::ask))
        .route("/dead/apply", post(preview::apply))
        .route("/operations", get(operations::list))
        .route("/operations/{id}", get(operations::show))
        .route("/operations/{id}/stop", act.on(Verb::Undo, operations::stop))
        .route("/operations/{id}/undo", act.on(Verb::Undo, operations::undo))
        .route("/stats", get(api::stats))
        .route("/stats/queues", get(api::stats_queues))
        .route("/api/v1/queues", get(api::queues))
        .route("/api/v1/queues/{name}/jobs", get(api::jobs))
        .route("/api/v1/queues/{name}/count", post(api::count))
        .route("/api/v1/queues/{name}/operations", post(api::begin))
        .route("/api/v1/queues/{name}/pause", act.on(Verb::Pause, api::pause))
        .route("/api/v1/queues/{name}/resume", act.on(Verb::Resume, api::resume))
        .route("/api/v1/retries", get(api::jobs))
        .route("/api/v1/retries/errors", get(api::errors))
        .route("/api/v1/retries/count", post(api::count))
        .route("/api/v1/retries/operations", post(api::begin))
        .route("/api/v1/scheduled", get(api::jobs))
        .route("/api/v1/scheduled/errors", get(api::errors))
        .route("/api/v1/scheduled/count", post(api::count))
        .route("/api/v1/scheduled/operations", post(api::begin))
        .route("/api/v1/dead", get(api::jobs))
        .route("/api/v1/dead/errors", get(api::errors))
        .route("/api/v1/dead/count", post(api::count))
        .route("/api/v1/dead/operations", post(api::begin))
        .route("/api/v1/operations", get(api::operations))
        .route("/api/v1/operations/{id}", get(api::operation))
        .route("/api/v1/operations/{id}/stop", act.on(Verb::Undo, api::stop))
        .route("/api/v1/operations/{id}/undo", act.on(Verb::Undo, api::undo))
        .route("/metrics", get(metrics::show))
        .route("/metrics/{class}", get(class::show))
        .route("/jobs", get(jobs::show))
        .route("/jobs/{jid}", get(job::show))
        .route("/jobs/{jid}/retry", act.on(Verb::Retry, job::retry))
        .route("/jobs/{jid}/kill", get(job::ask_kill).merge(act.on(Verb::Kill, job::kill)))
        .route("/jobs/{jid}/delete", get(job::ask_delete).merge(act.on(Verb::Delete, job::delete)))
        .route("/jobs/{jid}/reveal", act.on(Verb::Reveal, job::reveal))
        .route("/search", get(search::show))
        .route("/morgue", get(sidekiq::morgue))
        .route("/morgue/{key}", get(sidekiq::entry))
        .route("/retries/{key}", get(sidekiq::entry))
        .route("/scheduled/{key}", get(sidekiq::entry))
        .route("/dead/{key}", get(sidekiq::entry))
        .route("/help", get(help::show))
        .route("/preferences", post(preferences::set))
        .route("/events", get(live::stream))
        .fallback(nowhere)
}

async fn nowhere() -> Fault {
    Fault::not_found("there is no such page; begin at the overview")
}

/// Puts before a handler the question whether the operator may do that.
struct Acts<'a> {
    app: &'a Shared,
}

impl Acts<'_> {
    fn on<H, T>(&self, verb: Verb, handler: H) -> MethodRouter<Shared>
    where
        H: Handler<T, Shared>,
        T: 'static,
    {
        post(handler).route_layer(from_fn_with_state((Arc::clone(self.app), verb), permitted))
    }
}

async fn permitted(
    State((app, verb)): State<(Shared, Verb)>,
    operator: Option<axum::Extension<Operator>>,
    request: Request,
    next: Next,
) -> Response {
    let operator = operator.map_or_else(|| Operator::named("somebody"), |operator| operator.0);
    match app.permits.demand(&operator, verb) {
        Ok(()) => next.run(request).await,
        Err(fault) => fault.into_response(),
    }
}
