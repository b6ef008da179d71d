//! One job at an address that stays: where it is, why it waits, how it failed, what it was given. Beside the sample one search of
//! 10,000 entries at most (a command for 1,000 of them), or one command if the link says where the job was.

use askama::Template;
use axum::Extension;
use axum::extract::{Form, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use kiq_runtime::Timestamp;
use kiq_runtime::inspect::{
    Act, ActError, Begun, By, Explanation, Found, JobSet, OperationId, Place, Running, Whereabouts,
};
use kiq_runtime::job::{Payload, Retry};
use kiq_runtime::retry::Backoff;
use serde::Deserialize;

use crate::app::{App, Shared};
use crate::auth::{Operator, Verb};
use crate::fault::Fault;
use crate::frame::{Frame, Said};
use crate::guard::Spot;
use crate::view::{Masks, When, bytes, count, cut, query, segment};

use super::queue::Return;
use super::{back, confirm, html};

/// Entries that are read to find a job.
const BUDGET: usize = 10_000;

/// Entries that are read when somebody asks for everything.
const EVERYTHING: usize = 1_000_000;

/// The longest id that a job can have, in bytes: of Sidekiq's and of ours none is longer.
const LONGEST_JID: usize = 64;

/// More of a payload is not shown, in bytes.
const LONG: usize = 64 * 1024;

/// Retries that are planned ahead for the guess when a job will die.
const RETRIES: u32 = 25;

#[derive(Template)]
#[template(path = "job.html")]
struct Page {
    frame: Frame,
    jid: String,
    class: String,
    /// `in retries, attempt 3 of 25`.
    place: String,
    /// Where that is, below the root.
    place_path: String,
    /// Why it waits.
    why: String,
    is_bad: bool,
    queue: Option<String>,
    tags: Vec<String>,
    /// Where it is written down, if this program knows it.
    definition: Option<String>,
    steps: Vec<StepOf>,
    error: Option<Failure>,
    past: Vec<Past>,
    /// Names and values, if the names are known; else one value.
    arguments: Vec<(String, String)>,
    is_masked: bool,
    is_revealed: bool,
    payload: String,
    verbs: Vec<Button>,
    /// Says in the addresses of forms where the job was.
    hint: String,
    notes: Vec<String>,
}

/// Something that happened to the job, or will.
struct StepOf {
    what: &'static str,
    at: When,
}

/// How it failed last.
struct Failure {
    class: String,
    message: String,
    causes: Vec<String>,
    /// The query of lists that finds others like it.
    alike: String,
}

/// How it failed before.
struct Past {
    class: String,
    message: String,
    times: String,
    last: When,
}

/// What can be done to it.
struct Button {
    verb: Verb,
    label: &'static str,
    /// Whether it is asked for once more.
    asks: bool,
}

#[derive(Template)]
#[template(path = "job_gone.html")]
struct Gone {
    frame: Frame,
    jid: String,
    read: String,
    is_complete: bool,
}

/// Where the job was, as a link from a list says.
#[derive(Default, Deserialize)]
pub(crate) struct Hint {
    /// `retries`, `dead` or `scheduled`.
    r#in: Option<String>,
    /// Its time there, in seconds.
    at: Option<f64>,
    /// To read everything.
    all: Option<u8>,
}

impl Hint {
    fn set(&self) -> Option<(JobSet, f64)> {
        let set = JobSet::ALL.into_iter().find(|set| Some(path_of(*set)) == self.r#in.as_deref())?;
        Some((set, self.at.filter(|at| at.is_finite())?))
    }
}

pub(crate) async fn show(
    State(app): State<Shared>,
    Path(jid): Path<String>,
    Query(hint): Query<Hint>,
    frame: Frame,
) -> Result<Response, Fault> {
    page(&app, frame, jid, &hint, false).await
}

/// With the arguments that are masked. It is noted who looked.
pub(crate) async fn reveal(
    State(app): State<Shared>,
    Path(jid): Path<String>,
    Query(hint): Query<Hint>,
    frame: Frame,
) -> Result<Response, Fault> {
    page(&app, frame, jid, &hint, true).await
}

async fn page(app: &App, frame: Frame, jid: String, hint: &Hint, is_revealed: bool) -> Result<Response, Fault> {
    let place = find(app, &jid, hint).await?;
    let why = app.inspector.explain_where(&place).await?;
    let payload = match &place {
        Whereabouts::NotFound { read, is_complete } => {
            let gone = Gone { frame, jid: cut(&jid, LONGEST_JID), read: count(*read), is_complete: *is_complete };
            return Ok((StatusCode::NOT_FOUND, html(&gone)?).into_response());
        }
        Whereabouts::Runs(run) => Payload::parse(&run.payload),
        Whereabouts::Waits { found, .. } => found.payload.clone(),
    };
    // It was found by the id inside of it.
    let Ok(job) = payload else { return Err(Fault::not_found("what is there is no job any more")) };
    let class = job.class().to_owned();
    let known = app.jobs.of(&job);
    let is_masked = app.masks.hide_something(job.class(), job.args());
    if is_revealed {
        let operator = frame.operator.name();
        tracing::info!(target: "kiq::audit", operator, verb = Verb::Reveal.as_str(), on = jid, result = "shown");
        let what = format!("arguments of {} {jid}", cut(&class, 100));
        app.inspector.note(By::new(operator), Verb::Reveal.as_str(), None, &what, 1).await?;
    }
    let open = Masks::none();
    let masks = if is_revealed { &open } else { &app.masks };
    let place_path = match &place {
        Whereabouts::Waits { found, .. } => match &found.place {
            Place::Set(set) => path_of(*set).to_owned(),
            Place::Queue(name) => format!("queues/{}", segment(name)),
        },
        _ => "busy".to_owned(),
    };
    html(&Page {
        place: place_of(&place, &job, known.map(|job| job.options.retry)),
        place_path,
        is_bad: is_bad(&why),
        why: reason(&why, &frame),
        queue: job.queue(),
        tags: job.tags(),
        definition: known.map(|known| match known.file {
            "" => known.path.to_owned(),
            file => format!("{} ({file}:{})", known.path, known.line),
        }),
        steps: steps(&place, &job, &frame),
        error: failure(&job),
        past: past(&job, &frame),
        arguments: arguments(masks, &job, known.map(|job| job.params).unwrap_or_default()),
        payload: record(masks, &job),
        verbs: buttons(&place, &frame),
        hint: match &place {
            Whereabouts::Waits { found, .. } => hint_of(found),
            _ => String::new(),
        },
        notes: notes(&job, known.is_some(), app.jobs.is_empty()),
        jid,
        class,
        is_masked,
        is_revealed,
        frame,
    })
}

/// Where the job is; by the hint if that is still true.
async fn find(app: &App, jid: &str, hint: &Hint) -> Result<Whereabouts, Fault> {
    if jid.is_empty() || jid.len() > LONGEST_JID || jid.chars().any(char::is_control) {
        let what = cut(jid, LONGEST_JID);
        return Err(Fault::invalid(format!(
            "{what:?} is no job's id: it has 24 hex digits, as a rule, and {LONGEST_JID} bytes at most"
        )));
    }
    if let Some((set, at)) = hint.set() {
        let found = app.inspector.at_score(set, at, jid).await?;
        if let Some(found) = found {
            return Ok(Whereabouts::Waits { found, ahead: None });
        }
    }
    let budget = if hint.all == Some(1) { EVERYTHING } else { BUDGET };
    Ok(app.inspector.find(jid, budget).await?)
}

fn place_of(place: &Whereabouts, job: &Payload, defined: Option<Retry>) -> String {
    let failures = job.failures();
    let attempt = match job.retry().or(defined) {
        Some(Retry::Max(most)) => format!(", attempt {} of {}", failures + 1, u64::from(most) + 1),
        _ => format!(", attempt {}", failures + 1),
    };
    match place {
        Whereabouts::Runs(_) => format!("runs{attempt}"),
        Whereabouts::NotFound { .. } => String::new(),
        Whereabouts::Waits { found, .. } => match &found.place {
            Place::Set(JobSet::Dead) if failures == 1 => "dead after one failed attempt".to_owned(),
            Place::Set(JobSet::Dead) => format!("dead after {} failed attempts", count(failures)),
            Place::Queue(name) => format!("in queue {name}{attempt}"),
            place => format!("in {place}{attempt}"),
        },
    }
}

/// The page of a set, below the root.
fn path_of(set: JobSet) -> &'static str {
    match set {
        JobSet::Retry => "retries",
        JobSet::Scheduled => "scheduled",
        JobSet::Dead => "dead",
    }
}

fn is_bad(why: &Explanation) -> bool {
    !matches!(
        why,
        Explanation::Runs { .. }
            | Explanation::WaitsItsTurn { .. }
            | Explanation::IsScheduled { .. }
            | Explanation::WaitsForRetry { .. }
    )
}

/// Why it is there, and what has to happen. `Explanation` says the same in words for a terminal.
fn reason(why: &Explanation, frame: &Frame) -> String {
    let when = |at: &Timestamp| {
        let when = frame.when(*at);
        format!("{} ({})", when.distance, when.clock)
    };
    match why {
        Explanation::Runs { process, since } => format!("It runs on {process} since {}.", when(since)),
        Explanation::WaitsItsTurn { queue, ahead, processes, busy, concurrency } => format!(
            "It waits its turn in queue {queue}: about {} jobs are before it, and {busy} of {concurrency} slots of the {} that serve the queue are busy.",
            count(*ahead),
            if *processes == 1 { "one process".to_owned() } else { format!("{processes} processes") },
        ),
        Explanation::QueueIsPaused { queue } => format!("Its queue {queue} is paused. Resume the queue, and it runs."),
        Explanation::NobodyServes { queue, processes: 0 } => {
            format!("It waits in queue {queue}, and no worker process lives. Start one.")
        }
        Explanation::NobodyServes { queue, processes } => format!(
            "It waits in queue {queue}, and none of the {processes} processes that live serves that queue. Start one that does."
        ),
        Explanation::AllAreQuiet { queue, processes } => format!(
            "It waits in queue {queue}, and all {processes} processes that serve the queue were told to take no more jobs. Start others."
        ),
        Explanation::IsScheduled { at } => format!("It is scheduled: it comes into its queue {}.", when(at)),
        Explanation::WaitsForRetry { at, .. } => format!("It failed, and is tried again {}.", when(at)),
        Explanation::IsOverdue { at, processes: 0 } => {
            format!("It was due {}, and no process lives that would move it to its queue. Start one.", when(at))
        }
        Explanation::IsOverdue { at, processes } => format!(
            "It was due {}, and none of {processes} processes has moved it to its queue: the backlog of due jobs is long, or clocks are apart.",
            when(at)
        ),
        Explanation::IsDead { at, .. } => {
            format!("It failed for good {}. It does not run again unless somebody retries it.", when(at))
        }
        Explanation::NotFound { .. } => String::new(),
    }
}

/// What happened, in order, and what will.
fn steps(place: &Whereabouts, job: &Payload, frame: &Frame) -> Vec<StepOf> {
    let fields = [
        ("created", "created_at"),
        ("came into its queue", "enqueued_at"),
        ("failed first", "failed_at"),
        ("failed last", "retried_at"),
    ];
    let mut steps: Vec<(&'static str, Timestamp)> =
        fields.into_iter().filter_map(|(what, field)| Some((what, job.time(field)?))).collect();
    match place {
        Whereabouts::Runs(Running { run_at, .. }) => steps.push(("began to run", *run_at)),
        Whereabouts::Waits { found: Found { place: Place::Set(set), at: Some(at), .. }, .. } => {
            steps.push((
                match set {
                    JobSet::Scheduled => "is due",
                    JobSet::Retry => "is tried again",
                    JobSet::Dead => "died",
                },
                *at,
            ));
            if *set == JobSet::Retry {
                steps.extend(dies(job, *at).map(|at| ("dies, if all tries fail (about)", at)));
            }
        }
        _ => {}
    }
    steps.sort_by_key(|(_, at)| *at);
    steps.into_iter().map(|(what, at)| StepOf { what, at: frame.when(at) }).collect()
}

/// When the last of the retries comes, by the usual waits.
fn dies(job: &Payload, next: Timestamp) -> Option<Timestamp> {
    match job.retry().unwrap_or_default() {
        Retry::For(time) => Some(job.time("failed_at")? + time),
        Retry::Never => None,
        retry => {
            let most = if let Retry::Max(most) = retry { most } else { RETRIES };
            let schedule = Backoff::Sidekiq.schedule(most);
            let made = usize::try_from(job.failures()).unwrap_or(usize::MAX);
            let waits = schedule.rows().iter().skip(made).map(|row| (row.wait.0 + row.wait.1) / 2);
            Some(waits.fold(next, |at, wait| at + wait))
        }
    }
}

fn failure(job: &Payload) -> Option<Failure> {
    let class: String = job.get("error_class")?;
    let alike = format!("class:{} error:{}", job.class(), class);
    Some(Failure {
        message: cut(&job.get::<String>("error_message").unwrap_or_default(), 4000),
        causes: job.error_causes(),
        alike: query(&alike),
        class,
    })
}

fn past(job: &Payload, frame: &Frame) -> Vec<Past> {
    let past = job.past_errors().into_iter().rev().map(|past| Past {
        times: if past.times == 1 { "once".to_owned() } else { format!("{} times", count(past.times)) },
        last: frame.when(past.last_at()),
        class: past.class,
        message: past.message,
    });
    past.collect()
}

/// With names, if they are known.
fn arguments(masks: &Masks, job: &Payload, names: &[&str]) -> Vec<(String, String)> {
    let size = job.args().get().len();
    if size > LONG {
        return vec![(String::new(), format!("({} of JSON: more than is shown here)", bytes(size as u64)))];
    }
    let name = |at: usize| names.get(at).map_or_else(|| at.to_string(), |name| (*name).to_owned());
    masks.each(job.class(), job.args()).into_iter().enumerate().map(|(at, value)| (name(at), value)).collect()
}

/// The whole record.
fn record(masks: &Masks, job: &Payload) -> String {
    let text = masks.record(job);
    match text.len() {
        size if size > 2 * LONG => format!("({}: more than is shown here)", bytes(size as u64)),
        _ => text,
    }
}

fn buttons(place: &Whereabouts, frame: &Frame) -> Vec<Button> {
    let Whereabouts::Waits { found, .. } = place else { return Vec::new() };
    let run = if found.place == Place::Set(JobSet::Scheduled) { "Run now" } else { "Retry now" };
    let all = [
        (Act::Retry, Verb::Retry, run, false),
        (Act::Kill, Verb::Kill, "Kill…", true),
        (Act::Delete, Verb::Delete, "Delete…", true),
    ];
    let shown = all.into_iter().filter(|(act, verb, ..)| act.suits(&found.place) && frame.may(*verb));
    shown.map(|(_, verb, label, asks)| Button { verb, label, asks }).collect()
}

fn notes(job: &Payload, is_known: bool, knows_none: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(deaths) = job.deaths() {
        notes.push(format!("Its process died {deaths} times while it ran; it is a suspect, and runs alone."));
    }
    if job.get::<bool>("encrypt") == Some(true) {
        notes.push("Its last argument is encrypted by Sidekiq Enterprise; kiq does not read it.".to_owned());
    }
    if !is_known && !knows_none {
        notes.push("The program that shows this page knows no job of this class.".to_owned());
    }
    notes
}

/// What a verb of the address means; only these are in the table of addresses.
fn act_of(verb: Verb) -> Act {
    match verb {
        Verb::Kill => Act::Kill,
        Verb::Delete => Act::Delete,
        _ => Act::Retry,
    }
}

pub(crate) async fn ask_kill(
    app: State<Shared>,
    jid: Path<String>,
    hint: Query<Hint>,
    frame: Frame,
) -> Result<Response, Fault> {
    ask(&app, frame, &jid, &hint, Verb::Kill).await
}

pub(crate) async fn ask_delete(
    app: State<Shared>,
    jid: Path<String>,
    hint: Query<Hint>,
    frame: Frame,
) -> Result<Response, Fault> {
    ask(&app, frame, &jid, &hint, Verb::Delete).await
}

async fn ask(app: &App, frame: Frame, jid: &str, hint: &Hint, verb: Verb) -> Result<Response, Fault> {
    if !frame.may(verb) {
        return Err(Fault::forbidden(format!("you may not {} jobs here", verb.as_str())));
    }
    let found = waiting(app, jid, hint).await?;
    let class = cut(found.class(), 100);
    let (word, line) = match verb {
        Verb::Kill => {
            ("Kill", "It goes to the dead, where it can be retried, and does not run unless somebody retries it.")
        }
        _ => ("Delete", "It is removed; that can be taken back for ten minutes."),
    };
    html(&confirm::Page {
        title: format!("{word} {class} {jid}?"),
        lines: vec![format!("It is in {} now. {line}", found.place)],
        action: format!("jobs/{}/{}{}", segment(jid), verb.as_str(), hint_of(&found)),
        button: format!("{word} it"),
        typed: None,
        to: format!("jobs/{}", segment(jid)),
        frame,
    })
}

async fn waiting(app: &App, jid: &str, hint: &Hint) -> Result<Found, Fault> {
    match find(app, jid, hint).await? {
        Whereabouts::Waits { found, .. } => Ok(found),
        Whereabouts::Runs(run) => Err(Fault::not_found(format!(
            "job {} runs on {} now, and can only be let run",
            cut(jid, LONGEST_JID),
            run.process
        ))),
        Whereabouts::NotFound { .. } => Err(Fault::not_found(format!(
            "job {} is not there any more: it ended, or somebody was quicker; nothing was changed",
            cut(jid, LONGEST_JID)
        ))),
    }
}

/// A link's part that says where a job was, so that nothing has to be searched.
pub(crate) fn hint_of(found: &Found) -> String {
    match (&found.place, found.at) {
        (Place::Set(set), Some(at)) => format!("?in={}&at={}", path_of(*set), at.to_score()),
        _ => String::new(),
    }
}

pub(crate) async fn retry(
    State(app): State<Shared>,
    spot: Extension<Spot>,
    operator: Operator,
    jid: Path<String>,
    hint: Query<Hint>,
    form: Form<Return>,
) -> Result<Response, Fault> {
    act(&app, &spot, &operator, &jid, &hint, &form, Verb::Retry).await
}

pub(crate) async fn kill(
    State(app): State<Shared>,
    spot: Extension<Spot>,
    operator: Operator,
    jid: Path<String>,
    hint: Query<Hint>,
    form: Form<Return>,
) -> Result<Response, Fault> {
    act(&app, &spot, &operator, &jid, &hint, &form, Verb::Kill).await
}

pub(crate) async fn delete(
    State(app): State<Shared>,
    spot: Extension<Spot>,
    operator: Operator,
    jid: Path<String>,
    hint: Query<Hint>,
    form: Form<Return>,
) -> Result<Response, Fault> {
    act(&app, &spot, &operator, &jid, &hint, &form, Verb::Delete).await
}

async fn act(
    app: &Shared,
    spot: &Spot,
    operator: &Operator,
    jid: &str,
    hint: &Hint,
    form: &Return,
    verb: Verb,
) -> Result<Response, Fault> {
    let found = waiting(app, jid, hint).await?;
    let (class, place) = (cut(found.class(), 100), found.place.clone());
    let id = OperationId::random();
    let by = By::new(operator.name());
    let unsuitable = |error: ActError| match error {
        ActError::Broker(error) => Fault::from(error),
        unsuitable => Fault::invalid(unsuitable.to_string()),
    };
    let begun = app.inspector.begin_on(&id, vec![found], act_of(verb), by).await.map_err(unsuitable)?;
    let operation = match begun {
        Begun::New(run) => run.finish().await.map_err(unsuitable)?,
        Begun::Already(operation) => *operation,
    };
    let text = match (operation.outcome.done, verb) {
        (0, _) => format!("{class} {jid} had gone on already, or is no job any more; nothing was changed."),
        (_, Verb::Retry) => format!("{class} {jid} is in its queue."),
        (_, Verb::Kill) => format!("{class} {jid} is among the dead."),
        _ => format!("{class} {jid} is deleted."),
    };
    // The page of what is deleted is gone; its list is not.
    let list = match &place {
        Place::Set(set) => path_of(*set).to_owned(),
        Place::Queue(name) => format!("queues/{}", segment(name)),
    };
    let to = if verb == Verb::Delete { &list } else { &form.to };
    tracing::info!(target: "kiq::audit", operator = operator.name(), verb = verb.as_str(), on = jid, result = text);
    app.sampler.forget();
    let undo = (operation.undoable > 0).then(|| id.to_string());
    Ok(back(spot, to, Some(&Said { text, undo })))
}
