//! Retries, scheduled and dead: errors first, then jobs, and what can be done to them.
//!
//! Beside the sample: for the errors one `ZRANGE` for 500 entries, of which 1,000 are read, or 10,000 when asked for; for the jobs one `ZRANGE`
//! for the page, with a filter up to 21.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use kiq_runtime::inspect::{
    Cursor, EntryKey, Filter, FilterFault, Found, Group, Groups, Hide, JobSet, Page as Part, PageOf, Place,
};

use crate::app::Shared;
use crate::auth::Verb;
use crate::fault::Fault;
use crate::frame::Frame;
use crate::view::{Fields, When, address, count, cut, narrowed};

use super::html;
use super::preview::At;

/// Jobs on a page.
const ROWS: usize = 50;

/// The most jobs on a page, as Sidekiq's `count` may ask for.
const MOST_ROWS: usize = 100;

/// With more jobs, errors are shown first.
const FEW: usize = 25;

/// Entries that errors are found in, and that many when asked for more.
const LOOK: usize = 1000;
const LOOK_FURTHER: usize = 10_000;

/// Errors that are shown.
const GROUPS: usize = 100;

/// Where one of the three pages is.
pub(crate) fn path(set: JobSet) -> &'static str {
    match set {
        JobSet::Retry => "retries",
        JobSet::Scheduled => "scheduled",
        JobSet::Dead => "dead",
    }
}

/// The filter that a text means, which finds nothing by what is masked.
pub(crate) async fn filter(app: &Shared, text: &str) -> Result<Filter, FilterFault> {
    let masks = Arc::clone(app);
    let filter = app.inspector.filter(text).await?;
    Ok(filter.hiding(move |hide| match hide {
        Hide::Key(key) => masks.masks.hides_key(key),
        Hide::Class(class) => masks.masks.hides_class(class),
        Hide::Argument(class, at) => masks.masks.hides_argument(class, at),
    }))
}

#[derive(Template)]
#[template(path = "set.html")]
struct Page {
    frame: Frame,
    /// `retries`.
    path: &'static str,
    title: &'static str,
    /// All that there are.
    total: String,
    is_empty: bool,
    /// The filter.
    q: String,
    /// What is wrong with it.
    fault: Option<String>,
    view: &'static str,
    /// This list's addresses: with errors, with jobs, without a filter.
    errors_href: String,
    jobs_href: String,
    all_href: String,
    /// What was looked at, in words.
    looked: String,
    /// More errors than are looked at.
    further_href: Option<String>,
    /// `all 365`, `all 12 that match`; empty if there are none.
    all: String,
    verbs: Vec<Button>,
    groups: Vec<GroupRow>,
    /// Errors that are not shown.
    more_groups: usize,
    heads: Vec<Head>,
    jobs: Vec<JobRow>,
    next: Option<String>,
    previous: Option<String>,
    first: Option<String>,
    has_errors: bool,
    when_word: &'static str,
}

/// A button for an act.
struct Button {
    verb: &'static str,
    label: &'static str,
    is_danger: bool,
}

/// The head of a column that can be sorted by.
struct Head {
    label: &'static str,
    href: String,
    /// `ascending`, `descending`, or empty.
    sorted: &'static str,
    is_number: bool,
}

struct GroupRow {
    count: String,
    class: String,
    is_job: bool,
    error: String,
    jobs_href: String,
    /// The filter of this group.
    q: String,
    first: Option<When>,
    last: Option<When>,
    attempts: String,
}

/// A job in a list.
struct JobRow {
    key: String,
    jid: String,
    /// Says in its link where it is, so that nothing has to be searched.
    hint: String,
    class: String,
    is_job: bool,
    args: String,
    error: String,
    error_title: String,
    error_href: Option<String>,
    queue: String,
    queue_href: Option<String>,
    tags: Vec<(String, Option<String>)>,
    at: Option<When>,
    attempts: String,
}

pub(crate) async fn show(
    At(place): At,
    State(app): State<Shared>,
    Query(fields): Query<Fields>,
    frame: Frame,
) -> Result<Response, Fault> {
    let Place::Set(set) = place else { return Err(Fault::not_found("a queue has a page of its own")) };
    let stats = &frame.sample()?.stats;
    let total = match set {
        JobSet::Retry => stats.retries,
        JobSet::Scheduled => stats.scheduled,
        JobSet::Dead => stats.dead,
    };
    let asked = Asked::new(set, &fields, total)?;
    let filter = match filter(&app, &asked.q).await {
        Ok(filter) => filter,
        Err(FilterFault::Broker(error)) => return Err(error.into()),
        Err(fault) => {
            let page = page(frame, &asked, total, None, None, Some(fault.to_string()), &app);
            let mut response = html(&page)?.into_response();
            *response.status_mut() = StatusCode::BAD_REQUEST;
            return Ok(response);
        }
    };
    // A filter's count comes from a look at all, which its errors are made of, too.
    let groups = match asked.view {
        "errors" => Some(app.inspector.groups(&place, &filter, asked.look).await?),
        _ if !filter.is_all() => Some(app.inspector.groups(&place, &filter, LOOK_FURTHER).await?),
        _ => None,
    };
    let part = match asked.view {
        "jobs" => Some(app.inspector.page(&place, &filter, asked.page).await?),
        _ => None,
    };
    html(&page(frame, &asked, total, groups, part, None, &app))
}

/// What the address asks for.
struct Asked {
    set: JobSet,
    q: String,
    view: &'static str,
    page: PageOf,
    sort: &'static str,
    dir: &'static str,
    look: usize,
}

impl Asked {
    fn new(set: JobSet, fields: &Fields, total: usize) -> Result<Self, Fault> {
        let cursor = |name: &str| -> Result<Option<Cursor>, Fault> {
            match fields.get(name) {
                "" => Ok(None),
                word => word.parse().map(Some).map_err(|error| Fault::invalid(format!("{error}"))),
            }
        };
        // Sidekiq's addresses look for a part of the payload.
        let q = match (fields.get("q").trim(), fields.get("substr").trim()) {
            ("", "") => String::new(),
            ("", part) if part.contains([' ', ':']) => format!("\"{}\"", part.replace('"', "")),
            ("", part) => part.to_owned(),
            (q, _) => q.to_owned(),
        };
        let (after, before) = (cursor("after")?, cursor("before")?);
        let is_long = total > FEW && fields.get("page").is_empty() && fields.get("substr").is_empty();
        let dir = match fields.get("dir") {
            "asc" => "asc",
            "desc" => "desc",
            _ if set == JobSet::Dead => "desc",
            _ => "asc",
        };
        Ok(Asked {
            set,
            view: match fields.get("view") {
                "jobs" => "jobs",
                "errors" => "errors",
                _ if after.is_some() || before.is_some() => "jobs",
                _ if is_long => "errors",
                _ => "jobs",
            },
            page: PageOf {
                rows: fields.get("count").parse().unwrap_or(ROWS).clamp(1, MOST_ROWS),
                newest_first: dir == "desc",
                after,
                before,
            },
            sort: match fields.get("sort") {
                "first" => "first",
                "last" => "last",
                "job" => "job",
                _ => "count",
            },
            dir,
            look: if fields.get("look") == "further" { LOOK_FURTHER } else { LOOK },
            q,
        })
    }

    /// The address of this list with something else.
    fn with(&self, frame: &Frame, q: &str, more: &[(&str, &str)]) -> String {
        let mut pairs = vec![("q", q)];
        pairs.extend(more);
        address(&frame.to(path(self.set)), &pairs)
    }
}

fn page(
    frame: Frame,
    asked: &Asked,
    total: usize,
    groups: Option<Groups>,
    part: Option<Part>,
    fault: Option<String>,
    app: &Shared,
) -> Page {
    let (set, q) = (asked.set, asked.q.as_str());
    let all = match &groups {
        _ if fault.is_some() => String::new(),
        _ if q.is_empty() && total > 0 => format!("all {}", count(total)),
        Some(groups) if !q.is_empty() && groups.is_complete && groups.jobs > 0 => {
            format!("all {} that match", count(groups.jobs))
        }
        Some(groups) if !q.is_empty() && groups.jobs > 0 => format!("all that match, {} or more", count(groups.jobs)),
        _ => String::new(),
    };
    let looked = match &groups {
        None => String::new(),
        Some(groups) if q.is_empty() && groups.is_complete => format!("{} errors", count(groups.groups.len())),
        Some(groups) if q.is_empty() => {
            let end = if set == JobSet::Dead { "last" } else { "next" };
            format!("{} errors in the {end} {} of {}", count(groups.groups.len()), count(groups.read), count(total))
        }
        Some(groups) if groups.is_complete => format!("{} of {} match", count(groups.jobs), count(total)),
        Some(groups) => format!("{} match in the first {} of {}", count(groups.jobs), count(groups.read), count(total)),
    };
    let further =
        matches!(&groups, Some(groups) if !groups.is_complete && asked.look == LOOK && asked.view == "errors");
    let further_href =
        further.then(|| asked.with(&frame, q, &[("view", "errors"), ("look", "further"), ("sort", asked.sort)]));
    let mut rows = groups.filter(|_| asked.view == "errors").map(|groups| groups.groups).unwrap_or_default();
    sort(&mut rows, asked.sort);
    let more_groups = rows.len().saturating_sub(GROUPS);
    rows.truncate(GROUPS);
    let link = |part: &Part, which: fn(&Part) -> Option<Cursor>, name: &str| {
        let cursor = which(part)?.to_string();
        Some(asked.with(&frame, q, &[("view", "jobs"), ("dir", asked.dir), (name, &cursor)]))
    };
    let next = part.as_ref().and_then(|part| link(part, |part| part.next, "after"));
    let previous = part.as_ref().and_then(|part| link(part, |part| part.previous, "before"));
    let looked = match &part {
        Some(part) if part.is_cut => format!(
            "{looked}{}this page looked at {} entries",
            if looked.is_empty() { "" } else { " · " },
            count(part.read)
        ),
        _ => looked,
    };
    let jobs = part.map(|part| part.rows).unwrap_or_default();
    let is_start = asked.page.after.is_none() && asked.page.before.is_none();
    Page {
        path: path(set),
        title: match set {
            JobSet::Retry => "Retries",
            JobSet::Scheduled => "Scheduled",
            JobSet::Dead => "Dead",
        },
        total: count(total),
        is_empty: total == 0,
        errors_href: asked.with(&frame, q, &[("view", "errors")]),
        jobs_href: asked.with(&frame, q, &[("view", "jobs")]),
        all_href: asked.with(&frame, "", &[("view", asked.view)]),
        first: (!is_start).then(|| asked.with(&frame, q, &[("view", "jobs"), ("dir", asked.dir)])),
        verbs: buttons(&frame, set),
        heads: heads(&frame, asked),
        groups: rows.iter().map(|group| group_row(&frame, asked, group)).collect(),
        jobs: jobs.iter().map(|found| job_row(app, &frame, asked, found)).collect(),
        has_errors: set != JobSet::Scheduled,
        when_word: if set == JobSet::Dead { "Died" } else { "Due" },
        view: asked.view,
        q: asked.q.clone(),
        fault,
        looked,
        further_href,
        all,
        more_groups,
        next,
        previous,
        frame,
    }
}

/// What can be done there by whoever looks.
fn buttons(frame: &Frame, set: JobSet) -> Vec<Button> {
    let button = |verb, label, is_danger| Button { verb, label, is_danger };
    let run = if set == JobSet::Scheduled { "Run now" } else { "Retry" };
    let mut all = vec![(Verb::Retry, button("retry", run, false))];
    if set != JobSet::Dead {
        all.push((Verb::Reschedule, button("reschedule", "Reschedule", false)));
        all.push((Verb::Kill, button("kill", "Kill", true)));
    }
    all.push((Verb::Delete, button("delete", "Delete", true)));
    all.into_iter().filter(|(verb, _)| frame.may(*verb)).map(|(_, button)| button).collect()
}

fn heads(frame: &Frame, asked: &Asked) -> Vec<Head> {
    let columns: [(&str, &str, bool); 4] =
        [("Count", "count", true), ("Job", "job", false), ("First", "first", false), ("Last", "last", false)];
    let head = |(label, sort, is_number): (&'static str, &str, bool)| Head {
        label,
        href: asked.with(frame, &asked.q, &[("view", "errors"), ("sort", sort)]),
        sorted: match asked.sort == sort {
            true if sort == "count" || sort == "last" => "descending",
            true => "ascending",
            false => "",
        },
        is_number,
    };
    columns.map(head).into()
}

fn sort(groups: &mut [Group], by: &str) {
    match by {
        "job" => groups.sort_by(|one, other| one.class.cmp(&other.class).then_with(|| other.count.cmp(&one.count))),
        "first" => groups.sort_by_key(|group| group.oldest),
        "last" => groups.sort_by_key(|group| std::cmp::Reverse(group.newest)),
        // As they come.
        _ => {}
    }
}

fn group_row(frame: &Frame, asked: &Asked, group: &Group) -> GroupRow {
    // The class and the error beside the key, for whoever reads the filter.
    let mut q = asked.q.clone();
    for (field, value) in [("class", &group.class), ("error", &group.error), ("group", &group.key)] {
        q = narrowed(&q, field, value).unwrap_or(q);
    }
    let attempts = match group.failures {
        (one, other) if one == other => count(one),
        (one, other) => format!("{}–{}", count(one), count(other)),
    };
    GroupRow {
        count: count(group.count),
        class: if group.class.is_empty() { "not a job".to_owned() } else { cut(&group.class, 100) },
        is_job: !group.class.is_empty(),
        error: match (group.error.as_str(), group.message.as_str()) {
            ("", "") => "–".to_owned(),
            (error, "") => error.to_owned(),
            (error, message) => format!("{error}: {message}"),
        },
        jobs_href: asked.with(frame, &q, &[("view", "jobs")]),
        q,
        first: group.oldest.map(|at| frame.when(at)),
        last: group.newest.map(|at| frame.when(at)),
        attempts,
    }
}

fn job_row(app: &Shared, frame: &Frame, asked: &Asked, found: &Found) -> JobRow {
    let narrow = |field: &str, value: &str| {
        let q = narrowed(&asked.q, field, value)?;
        Some(asked.with(frame, &q, &[("view", "jobs")]))
    };
    let job = found.payload.as_ref();
    let (error, message) = found.error().unwrap_or_default();
    let queue = found.queue().unwrap_or_default();
    let line = message.lines().next().unwrap_or_default();
    JobRow {
        key: EntryKey::of(found).to_string(),
        jid: found.jid().to_owned(),
        hint: super::job::hint_of(found),
        class: match job {
            Ok(job) => cut(job.class(), 200),
            Err(error) => format!("not a job: {error}"),
        },
        is_job: job.is_ok(),
        args: match job {
            Ok(job) => app.masks.line(job.class(), job.args()),
            Err(_) => cut(&String::from_utf8_lossy(&found.bytes), 160),
        },
        error_title: cut(&format!("{error}: {message}"), 1000),
        error_href: narrow("error", &error),
        error: match (error.as_str(), line) {
            ("", "") => String::new(),
            (error, line) => cut(&format!("{error}: {line}"), 200),
        },
        queue_href: narrow("queue", &queue),
        queue,
        tags: job
            .map(|job| job.tags())
            .unwrap_or_default()
            .into_iter()
            .take(5)
            .map(|tag| {
                let href = narrow("tag", &tag);
                (cut(&tag, 40), href)
            })
            .collect(),
        at: found.at.map(|at| frame.when(at)),
        attempts: job.map(|job| count(job.failures())).unwrap_or_default(),
    }
}
