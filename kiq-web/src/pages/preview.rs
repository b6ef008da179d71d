//! Acting on many: what would happen to how many, one question, and the operation that does it.
//!
//! The preview reads 50,000 entries at most; applying it costs what `Run::finish` says.

use std::collections::HashMap;
use std::time::Duration;

use askama::Template;
use axum::Extension;
use axum::extract::{Form, FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::response::Response;
use kiq_runtime::Timestamp;
use kiq_runtime::inspect::{
    Act, ActError, Begun, By, EntryKey, FilterFault, Found, JobSet, MOST_UNDO, MOST_UNDO_BYTES, Operation, OperationId,
    Place, Run, Selection, parse_duration,
};

use crate::app::Shared;
use crate::auth::{Operator, Verb};
use crate::fault::Fault;
use crate::frame::{Frame, Said};
use crate::guard::Spot;
use crate::view::{Fields, count, cut, segment};

use super::{back, html, set};

/// Entries that a preview looks at.
const LOOK: usize = 50_000;

/// Ticked jobs that are retried without a question: it can be taken back.
const AT_ONCE: usize = 25;

/// Ticked jobs of one form.
const MOST_TICKED: usize = 100;

/// More deleted jobs need their number typed.
const DELETED_UNASKED: usize = 25;

/// So many of anything need their number typed.
const MANY: usize = 1000;

/// An operation that is done by then is told of on the list that it came from.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Template)]
#[template(path = "preview.html")]
struct Page {
    frame: Frame,
    /// `Retry 240 jobs of retries`.
    title: String,
    /// Where the form goes.
    action: String,
    id: String,
    verb: &'static str,
    q: String,
    keys: Vec<String>,
    as_of: i64,
    as_of_clock: String,
    expected: usize,
    /// Sentences: what is left out, whether it can be taken back.
    lines: Vec<String>,
    samples: Vec<Sample>,
    /// What the choice of how many offers, beside all: the first ten, a tenth.
    tenth: usize,
    has_choice: bool,
    must_type: bool,
    /// Whether a tenth is so many that it has to be typed as well.
    must_type_tenth: bool,
    needs_time: bool,
    needs_queue: bool,
    button: String,
    is_danger: bool,
    /// Where one turns back to.
    to: String,
}

struct Sample {
    jid: String,
    class: String,
    args: String,
    error: String,
}

/// The verb of a form, as an act once its details are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Retry,
    Reschedule,
    Kill,
    Delete,
    Move,
    RunNext,
}

impl Wish {
    pub(crate) fn parse(word: &str) -> Result<Self, Fault> {
        match word {
            "retry" => Ok(Wish::Retry),
            "reschedule" => Ok(Wish::Reschedule),
            "kill" => Ok(Wish::Kill),
            "delete" => Ok(Wish::Delete),
            "move" => Ok(Wish::Move),
            "run-next" => Ok(Wish::RunNext),
            other => Err(Fault::invalid(format!(
                "there is no act {:?}; there are retry, reschedule, kill, delete, move and run-next",
                cut(other, 40)
            ))),
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Wish::Retry => "retry",
            Wish::Reschedule => "reschedule",
            Wish::Kill => "kill",
            Wish::Delete => "delete",
            Wish::Move => "move",
            Wish::RunNext => "run-next",
        }
    }

    pub(crate) fn verb(self) -> Verb {
        match self {
            Wish::Retry => Verb::Retry,
            Wish::Reschedule => Verb::Reschedule,
            Wish::Kill => Verb::Kill,
            Wish::Delete => Verb::Delete,
            Wish::Move | Wish::RunNext => Verb::Move,
        }
    }

    fn label(self, place: &Place) -> &'static str {
        match self {
            Wish::Retry if *place == Place::Set(JobSet::Scheduled) => "Run now",
            Wish::Retry => "Retry",
            Wish::Reschedule => "Reschedule",
            Wish::Kill => "Kill",
            Wish::Delete => "Delete",
            Wish::Move => "Move",
            Wish::RunNext => "Run next",
        }
    }

    /// With what it needs: how far away (`90s`, `10m`), or a queue.
    pub(crate) fn act(self, within: &str, queue: &str, now: Timestamp) -> Result<Act, Fault> {
        Ok(match self {
            Wish::Retry => Act::Retry,
            Wish::Kill => Act::Kill,
            Wish::Delete => Act::Delete,
            Wish::RunNext => Act::RunNext,
            Wish::Move => Act::Move { queue: queue.trim().to_owned() },
            Wish::Reschedule => match parse_duration(within.trim()) {
                Some(span) if span <= Duration::from_secs(366 * 86_400) => Act::Reschedule { at: now + span },
                _ => {
                    return Err(Fault::invalid(format!(
                        "{:?} is no time to wait of at most a year; write it like 90s, 10m, 1h or 7d",
                        cut(within, 40)
                    )));
                }
            },
        })
    }

    /// Whether whoever does it to so many has to type how many.
    pub(crate) fn must_type(self, jobs: usize) -> bool {
        jobs >= MANY || (self == Wish::Delete && jobs > DELETED_UNASKED)
    }
}

impl From<ActError> for Fault {
    fn from(error: ActError) -> Self {
        match error {
            ActError::Broker(error) => error.into(),
            other => Fault::invalid(other.to_string()),
        }
    }
}

impl From<FilterFault> for Fault {
    fn from(error: FilterFault) -> Self {
        match error {
            FilterFault::Broker(error) => error.into(),
            other => Fault::invalid(other.to_string()),
        }
    }
}

/// A place's address below the root.
pub(crate) fn path(place: &Place) -> String {
    match place {
        Place::Set(set) => set::path(*set).to_owned(),
        Place::Queue(name) => format!("queues/{}", segment(name)),
    }
}

/// The place that the address is about.
pub(crate) struct At(pub(crate) Place);

impl FromRequestParts<Shared> for At {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Fault> {
        let named = Path::<HashMap<String, String>>::from_request_parts(parts, app).await;
        if let Some(name) = named.ok().and_then(|Path(mut named)| named.remove("name")) {
            return Ok(At(Place::Queue(name)));
        }
        let word = parts.extensions.get::<Spot>().map(|spot| spot.path.clone()).unwrap_or_default();
        let word = word.strip_prefix("api/v1/").unwrap_or(&word).split('/').next().unwrap_or_default();
        let set = JobSet::ALL.into_iter().find(|set| set::path(*set) == word);
        let set =
            set.ok_or_else(|| Fault::not_found("there is no such list; there are retries, scheduled and dead"))?;
        Ok(At(Place::Set(set)))
    }
}

/// The question. Few ticked jobs that are retried need none.
pub(crate) async fn ask(
    At(place): At,
    State(app): State<Shared>,
    Extension(spot): Extension<Spot>,
    operator: Operator,
    frame: Frame,
    Form(fields): Form<Fields>,
) -> Result<Response, Fault> {
    let (ticked, all) = (fields.get("ticked"), fields.get("all"));
    let wish = Wish::parse(if ticked.is_empty() { all } else { ticked })?;
    app.permits.demand(&operator, wish.verb())?;
    let selection = app.inspector.select(place.clone(), set::filter(&app, fields.get("q")).await?);
    let to = fields.get("return").to_owned();
    if ticked.is_empty() {
        let counted = selection.count(LOOK).await?;
        if counted.matching == 0 {
            let text = "Nothing matches any more; nothing was changed.".to_owned();
            return Ok(back(&spot, &to, Some(&Said { text, undo: None })));
        }
        let mut lines = Vec::new();
        if !counted.is_complete {
            lines.push(format!(
                "At least so many: {} entries were read, and there are more. All that match are meant.",
                count(counted.read)
            ));
        }
        if counted.later > 0 {
            lines.push(format!("{} that failed or came meanwhile are left alone.", count(counted.later)));
        }
        if counted.not_jobs > 0 && matches!(wish, Wish::Retry | Wish::Move | Wish::RunNext) {
            lines.push(format!("{} are no jobs, and are left as they are.", count(counted.not_jobs)));
        }
        return html(&page(
            &app,
            frame,
            &place,
            wish,
            &selection,
            counted.matching,
            counted.bytes,
            &counted.sample,
            lines,
            Vec::new(),
            to,
        ));
    }
    let keys = keys(&fields)?;
    let found = app.inspector.pick(&place, &keys).await?;
    if found.is_empty() {
        let text = match keys.len() {
            0 => "Nothing was ticked; nothing was changed.".to_owned(),
            gone => format!("The {} ticked jobs are gone already; nothing was changed.", count(gone)),
        };
        return Ok(back(&spot, &to, Some(&Said { text, undo: None })));
    }
    if wish == Wish::Retry && keys.len() <= AT_ONCE {
        let gone = keys.len() - found.len();
        let by = By::new(operator.name());
        return match app.inspector.begin_on(&OperationId::random(), found, Act::Retry, by).await? {
            Begun::New(run) => carry_out(&app, &spot, *run, &to, gone).await,
            Begun::Already(operation) => Ok(see(&spot, &operation.id)),
        };
    }
    let mut lines = Vec::new();
    if found.len() < keys.len() {
        lines.push(format!("{} of the ticked are gone already.", count(keys.len() - found.len())));
    }
    let bytes = found.iter().map(|found| found.bytes.len()).sum();
    let sample = found.get(..found.len().min(5)).unwrap_or_default();
    let keys = found.iter().map(|found| EntryKey::of(found).to_string()).collect();
    html(&page(&app, frame, &place, wish, &selection, found.len(), bytes, sample, lines, keys, to))
}

fn keys(fields: &Fields) -> Result<Vec<EntryKey>, Fault> {
    let keys: Result<Vec<EntryKey>, _> = fields.all("key").map(str::parse).collect();
    let keys = keys.map_err(|_| Fault::invalid("a ticked row is not one of this page; go back, and reload it"))?;
    match keys.len() {
        0..=MOST_TICKED => Ok(keys),
        more => Err(Fault::invalid(format!("{more} rows are ticked, and {MOST_TICKED} can be; use a filter for more"))),
    }
}

#[expect(clippy::too_many_arguments, reason = "all of what the page shows, once")]
fn page(
    app: &Shared,
    frame: Frame,
    place: &Place,
    wish: Wish,
    selection: &Selection,
    jobs: usize,
    bytes: usize,
    sample: &[Found],
    mut lines: Vec<String>,
    keys: Vec<String>,
    to: String,
) -> Page {
    lines.push(match wish {
        Wish::Retry => "Each goes to its queue now, with as many tries left as before.".to_owned(),
        Wish::Reschedule => "Each waits for the new time.".to_owned(),
        Wish::Kill => "They do not run again by themselves, and are kept among the dead.".to_owned(),
        Wish::Delete => "They are removed.".to_owned(),
        Wish::Move => "Each goes to the other queue, behind what is in it.".to_owned(),
        Wish::RunNext => "They are taken next.".to_owned(),
    });
    lines.push(match jobs <= MOST_UNDO && bytes <= MOST_UNDO_BYTES && wish != Wish::RunNext {
        true => "It can be taken back for ten minutes, as far as the jobs have not run.".to_owned(),
        false => format!("It cannot be taken back: that is kept for {} jobs at most.", count(MOST_UNDO)),
    });
    let label = wish.label(place);
    let word = if jobs == 1 { "job" } else { "jobs" };
    Page {
        title: format!("{label}: {} {word} of {}", count(jobs), cut(&place.to_string(), 120)),
        action: frame.to(&format!("{}/apply", path(place))),
        id: OperationId::random().to_string(),
        verb: wish.word(),
        q: selection.filter().to_string(),
        as_of: selection.moment().as_micros(),
        as_of_clock: frame.when(selection.moment()).clock,
        expected: jobs,
        samples: sample
            .iter()
            .map(|found| Sample {
                jid: found.jid().to_owned(),
                class: if found.class().is_empty() { "not a job".to_owned() } else { cut(found.class(), 100) },
                args: found.payload.as_ref().map(|job| app.masks.line(job.class(), job.args())).unwrap_or_default(),
                error: found.error().map(|(class, text)| cut(&format!("{class}: {text}"), 160)).unwrap_or_default(),
            })
            .collect(),
        tenth: jobs.div_ceil(10),
        has_choice: keys.is_empty() && jobs > 10,
        must_type: wish.must_type(jobs),
        must_type_tenth: wish.must_type(jobs.div_ceil(10)),
        needs_time: wish == Wish::Reschedule,
        needs_queue: wish == Wish::Move,
        button: format!("{label} {} {word}", count(jobs)),
        is_danger: matches!(wish, Wish::Kill | Wish::Delete),
        keys,
        lines,
        to: if to.is_empty() { path(place) } else { to },
        frame,
    }
}

/// The answer to the question.
pub(crate) async fn apply(
    At(place): At,
    State(app): State<Shared>,
    Extension(spot): Extension<Spot>,
    operator: Operator,
    Form(fields): Form<Fields>,
) -> Result<Response, Fault> {
    let order = Order::parse(&app, &operator, &fields)?;
    let to = fields.get("return").to_owned();
    match order.begin(&app, place, &operator).await? {
        Begun::New(run) => carry_out(&app, &spot, *run, &to, 0).await,
        Begun::Already(operation) => Ok(see(&spot, &operation.id)),
    }
}

/// What a confirmed preview says.
pub(crate) struct Order {
    id: OperationId,
    act: Act,
    q: String,
    keys: Vec<EntryKey>,
    as_of: Timestamp,
    /// The jobs that it is about, as they were counted.
    jobs: usize,
    limit: Option<usize>,
    reason: String,
}

impl Order {
    pub(crate) fn parse(app: &Shared, operator: &Operator, fields: &Fields) -> Result<Self, Fault> {
        let wish = Wish::parse(fields.get("verb"))?;
        app.permits.demand(operator, wish.verb())?;
        let stale = || Fault::invalid("this form is not one of a preview; choose the jobs once more");
        let now = app.inspector.now();
        let expected: usize = fields.get("expected").parse().map_err(|_| stale())?;
        let as_of = Timestamp::from_micros(fields.get("as_of").parse().map_err(|_| stale())?);
        let limit = match fields.get("take") {
            "ten" => Some(10),
            "tenth" => Some(expected.div_ceil(10)),
            _ => None,
        };
        let jobs = limit.map_or(expected, |limit| limit.min(expected));
        if wish.must_type(jobs) {
            super::confirm::typed(Some(jobs), Some(fields.get("typed")))?;
        }
        Ok(Order {
            id: fields.get("id").parse().map_err(|_| stale())?,
            act: wish.act(fields.get("in"), fields.get("queue"), now)?,
            q: fields.get("q").to_owned(),
            keys: keys(fields)?,
            // Nobody saw what is yet to come.
            as_of: as_of.min(now),
            jobs,
            limit,
            reason: fields.get("reason").to_owned(),
        })
    }

    pub(crate) async fn begin(self, app: &Shared, place: Place, operator: &Operator) -> Result<Begun, Fault> {
        let by = By::new(operator.name()).because(self.reason);
        let filter = set::filter(app, &self.q).await?;
        if self.keys.is_empty() {
            let mut selection = app.inspector.select(place, filter).as_of(self.as_of);
            if let Some(limit) = self.limit {
                selection = selection.limit(limit);
            }
            return Ok(selection.begin(&self.id, self.act, by, Some(self.jobs)).await?);
        }
        let mut found = app.inspector.pick(&place, &self.keys).await?;
        found.retain(|found| found.happened_at().is_none_or(|at| at <= self.as_of));
        Ok(app.inspector.begin_on(&self.id, found, self.act, by).await?)
    }
}

/// Does it beside the request: who is quick is told of on the list, the others have a page.
async fn carry_out(app: &Shared, spot: &Spot, run: Run, to: &str, gone: usize) -> Result<Response, Fault> {
    let id = run.id().clone();
    let finishing = tokio::spawn(run.finish());
    let done = tokio::time::timeout(PATIENCE, finishing).await;
    app.sampler.forget();
    Ok(match done {
        Ok(Ok(Ok(operation))) => back(spot, to, Some(&told(&operation, gone))),
        Ok(Ok(Err(error))) => return Err(error.into()),
        // A panic is in the log, and the operation falls silent.
        Ok(Err(_)) | Err(_) => see(spot, &id),
    })
}

fn see(spot: &Spot, id: &OperationId) -> Response {
    back(spot, &format!("operations/{id}"), None)
}

/// One line: what was done to how many.
pub(crate) fn told(operation: &Operation, gone: usize) -> Said {
    let outcome = operation.outcome;
    let verb = match operation.verb.as_str() {
        "retry" => "Retried",
        "reschedule" => "Rescheduled",
        "kill" => "Killed",
        "delete" => "Deleted",
        "move" => "Moved",
        _ => "Done to",
    };
    let mut text = format!("{verb} {}", count(outcome.done));
    if outcome.gone + gone > 0 {
        text.push_str(&format!(", {} already gone", count(outcome.gone + gone)));
    }
    if outcome.not_jobs > 0 {
        text.push_str(&format!(", {} are no jobs and stay", count(outcome.not_jobs)));
    }
    text.push('.');
    Said { text, undo: (operation.undoable > 0).then(|| operation.id.to_string()) }
}
