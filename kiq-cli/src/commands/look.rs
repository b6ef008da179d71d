//! Commands that look.

use std::time::Duration;

use clap::ArgMatches;
use kiq::inspect::{ClassTotals, Explanation, Filter, Found, JobSet, Span};
use kiq::{Inspector, Payload, Timestamp};
use serde_json::{Value, json};

use super::{number, text};
use crate::output::{Fault, Output, count_of, length, relative};

pub(super) async fn stats(inspector: &Inspector, given: &ArgMatches, output: &Output) -> Result<(), Fault> {
    let days = given.get_one::<u16>("days").copied().unwrap_or(7);
    let stats = inspector.stats().await?;
    let history = inspector.history(usize::from(days)).await?;
    let value = json!({
        "store": inspector.store(), "processed": stats.processed, "failed": stats.failed, "enqueued": stats.enqueued,
        "in_flight": stats.in_flight, "scheduled": stats.scheduled, "retries": stats.retries, "dead": stats.dead,
        "processes": stats.processes,
        "history": history.iter().map(|day| json!({ "date": day.date, "processed": day.processed, "failed": day.failed }))
            .collect::<Vec<_>>(),
    });
    output.say(&value, || {
        let totals = [
            ("enqueued", stats.enqueued as u64),
            ("in flight", stats.in_flight as u64),
            ("scheduled", stats.scheduled as u64),
            ("retries", stats.retries as u64),
            ("dead", stats.dead as u64),
            ("processes", stats.processes as u64),
            ("processed", stats.processed),
            ("failed", stats.failed),
        ];
        let mut out = format!("{}\n\n", inspector.store());
        for (name, count) in totals {
            out.push_str(&format!("{name:<10} {count:>12}\n"));
        }
        let rows: Vec<_> = history
            .iter()
            .map(|day| vec![day.date.clone(), day.processed.to_string(), day.failed.to_string()])
            .collect();
        out.push('\n');
        out + &output.table(&["day (UTC)", "processed", "failed"], &rows)
    })
}

pub(super) async fn queues(inspector: &Inspector, output: &Output) -> Result<(), Fault> {
    let queues = inspector.queues().await?;
    let processes = inspector.processes().await?;
    let served = |name: &str| processes.iter().filter(|process| !process.is_quiet && process.serves(name)).count();
    let values = queues.iter().map(|queue| {
        json!({
            "name": queue.name, "size": queue.size, "latency_seconds": queue.latency.as_secs_f64(), "paused": queue.is_paused,
            "processes": served(&queue.name),
        })
    });
    output.say(&values.collect::<Vec<Value>>().into(), || {
        let row = |queue: &kiq::inspect::Queue| {
            let served = served(&queue.name);
            let state = match (queue.is_paused, served, queue.size) {
                (true, ..) => "paused",
                (_, 0, 1..) => "nobody serves it",
                _ => "",
            };
            vec![
                queue.name.clone(),
                queue.size.to_string(),
                length(queue.latency),
                served.to_string(),
                state.to_owned(),
            ]
        };
        match queues.is_empty() {
            true => "no queues: nothing was enqueued here yet\n".to_owned(),
            false => output
                .table(&["queue", "size", "latency", "processes", ""], &queues.iter().map(row).collect::<Vec<_>>()),
        }
    })
}

pub(super) async fn jobs(inspector: &Inspector, given: &ArgMatches, output: &Output) -> Result<(), Fault> {
    let found = inspector.queue(text(given, "queue"), number(given, "skip"), number(given, "take")).await?;
    show(&found, output, None)
}

pub(super) async fn set(inspector: &Inspector, name: &str, given: &ArgMatches, output: &Output) -> Result<(), Fault> {
    let set = match name {
        "scheduled" => JobSet::Scheduled,
        "retries" => JobSet::Retry,
        _ => JobSet::Dead,
    };
    let filter = filter(given)?;
    let (skip, take) = (number(given, "skip"), number(given, "take"));
    let newest_first = set == JobSet::Dead;
    if filter.is_all() {
        let found = inspector.set_span(set, Span { from: None, to: None, newest_first, skip, take }).await?;
        return show(&found, output, None);
    }
    // In order, and only as far as the page needs.
    let (now, budget) = (inspector.now(), number(given, "budget"));
    let (mut found, mut read, mut is_complete) = (Vec::new(), 0, false);
    while read < budget && found.len() < skip.saturating_add(take) {
        let span = Span { from: None, to: None, newest_first, skip: read, take: 500.min(budget - read) };
        let page = inspector.set_span(set, span).await?;
        read += page.len();
        is_complete = page.len() < span.take;
        found.extend(page.into_iter().filter(|found| filter.matches(found, now)));
        if is_complete {
            break;
        }
    }
    let page: Vec<Found> = found.into_iter().skip(skip).take(take).collect();
    show(&page, output, Some((read, is_complete)))
}

pub(super) fn filter(given: &ArgMatches) -> Result<Filter, Fault> {
    let words = given.get_many::<String>("filter").into_iter().flatten();
    // The shell took the quotes: a word with blanks gets them back.
    let quoted = words.map(|word| match (word.contains(char::is_whitespace), word.split_once(':')) {
        (true, Some((field, value))) if !word.contains('"') => format!("{field}:\"{value}\""),
        (true, None) if !word.contains('"') => format!("\"{word}\""),
        _ => word.clone(),
    });
    Filter::parse(&quoted.collect::<Vec<_>>().join(" ")).map_err(|error| Fault::Usage(error.to_string()))
}

fn show(found: &[Found], output: &Output, read: Option<(usize, bool)>) -> Result<(), Fault> {
    let now = kiq::Clock::system().now();
    let values: Vec<Value> = found.iter().map(as_json).collect();
    let value = match read {
        None => json!({ "jobs": values }),
        Some((read, is_complete)) => json!({ "jobs": values, "read": read, "complete": is_complete }),
    };
    output.say(&value, || {
        let mut out = match found.is_empty() {
            true => "no jobs\n".to_owned(),
            false => output.table(&["when", "class", "jid", "queue", "about"], &rows(found, now)),
        };
        if let Some((read, false)) = read {
            out.push_str(&format!("({} read; there are more)\n", count_of(read, "entry")));
        }
        out
    })
}

pub(super) fn rows(found: &[Found], now: Timestamp) -> Vec<Vec<String>> {
    let row = |found: &Found| {
        let at = found.at.or_else(|| found.happened_at());
        let about = match (found.error(), &found.payload) {
            (Some((class, message)), _) => format!("{class}: {message}"),
            (None, Ok(job)) => job.args().get().to_owned(),
            (None, Err(error)) => format!("no job: {error}"),
        };
        vec![
            at.map(|at| relative(at, now)).unwrap_or_default(),
            found.class().to_owned(),
            found.jid().to_owned(),
            found.queue().unwrap_or_default(),
            about,
        ]
    };
    found.iter().map(row).collect()
}

pub(super) fn as_json(found: &Found) -> Value {
    json!({
        "place": found.place.to_string(), "at": found.at.map(|at| at.to_string()), "class": found.class(), "jid": found.jid(),
        "queue": found.queue(), "error": found.error().map(|(class, message)| json!({ "class": class, "message": message })),
        "payload": found.payload.as_ref().map_or_else(
            |_| Value::String(String::from_utf8_lossy(&found.bytes).into_owned()),
            |job: &Payload| serde_json::from_str(&job.to_string()).unwrap_or_default(),
        ),
    })
}

pub(super) async fn processes(inspector: &Inspector, output: &Output) -> Result<(), Fault> {
    let (all, now) = (inspector.processes().await?, inspector.now());
    let queues = |process: &kiq::inspect::ProcessState| {
        let capsules = process.capsules.iter().flat_map(|capsule| capsule.queues.iter());
        capsules
            .map(|(name, weight)| if *weight > 0 { format!("{name},{weight}") } else { name.clone() })
            .collect::<Vec<_>>()
    };
    let values = all.iter().map(|process| {
        json!({
            "identity": process.identity, "hostname": process.hostname, "pid": process.pid, "tag": process.tag,
            "version": process.version, "started_at": process.started_at.to_string(), "concurrency": process.concurrency,
            "busy": process.busy, "quiet": process.is_quiet, "embedded": process.is_embedded, "rss_kib": process.rss_kib,
            "beat_at": process.beat_at.to_string(), "queues": queues(process),
        })
    });
    output.say(&values.collect::<Vec<Value>>().into(), || {
        let row = |process: &kiq::inspect::ProcessState| {
            vec![
                process.identity.clone(),
                format!("{}/{}", process.busy, process.concurrency),
                if process.is_quiet { "quiet" } else { "" }.to_owned(),
                length(now.since(process.started_at)),
                format!("{} M", process.rss_kib / 1024),
                length(now.since(process.beat_at)),
                queues(process).join(" "),
            ]
        };
        match all.is_empty() {
            true => "no worker process lives\n".to_owned(),
            false => output.table(
                &["process", "busy", "", "up", "memory", "beat", "queues"],
                &all.iter().map(row).collect::<Vec<_>>(),
            ),
        }
    })
}

pub(super) async fn running(inspector: &Inspector, output: &Output) -> Result<(), Fault> {
    let (all, now) = (inspector.running(5000).await?, inspector.now());
    let class = |payload: &[u8]| {
        Payload::parse(payload)
            .map_or((String::new(), String::new()), |job| (job.class().to_owned(), job.jid().to_string()))
    };
    let values = all.iter().map(|run| {
        let (class, jid) = class(&run.payload);
        json!({ "process": run.process, "tid": run.tid, "queue": run.queue, "since": run.run_at.to_string(), "class": class, "jid": jid })
    });
    output.say(&values.collect::<Vec<Value>>().into(), || {
        let rows: Vec<_> = all
            .iter()
            .map(|run| {
                let (class, jid) = class(&run.payload);
                vec![length(now.since(run.run_at)), class, jid, run.queue.clone(), run.process.clone()]
            })
            .collect();
        match rows.is_empty() {
            true => "nothing ran at the last heartbeats\n".to_owned(),
            false => output.table(&["for", "class", "jid", "queue", "process"], &rows),
        }
    })
}

pub(super) async fn metrics(inspector: &Inspector, given: &ArgMatches, output: &Output) -> Result<(), Fault> {
    let hours = u64::from(given.get_one::<u16>("hours").copied().unwrap_or(1));
    let totals = inspector.runs(Duration::from_secs(hours * 3600)).await?.totals();
    let values = totals.iter().map(|one| {
        json!({
            "class": one.class, "runs": one.runs, "failures": one.failures, "total_ms": one.millis,
            "mean_ms": u64::try_from(one.mean().as_millis()).unwrap_or(u64::MAX),
        })
    });
    output.say(&values.collect::<Vec<Value>>().into(), || {
        let row = |one: &ClassTotals| {
            let total = length(Duration::from_millis(one.millis));
            let share = one.failures as f64 * 100.0 / one.runs.max(1) as f64;
            vec![one.class.clone(), one.runs.to_string(), format!("{share:.1} %"), total, length(one.mean())]
        };
        match totals.is_empty() {
            true => format!("nothing ran in the last {hours} h\n"),
            false => {
                output.table(&["class", "runs", "failed", "total", "mean"], &totals.iter().map(row).collect::<Vec<_>>())
            }
        }
    })
}

pub(super) async fn unknown(inspector: &Inspector, given: &ArgMatches, output: &Output) -> Result<(), Fault> {
    let (unknown, now) = (inspector.unknown_jobs(number(given, "budget")).await?, inspector.now());
    let classes: Vec<Value> = unknown
        .classes
        .iter()
        .map(|class| {
            json!({
                "class": class.class, "jobs": class.jobs, "places": class.places, "example": class.example,
                "last_known": class.last_known.map(|at| at.to_string()), "may_be_rubys": class.may_be_rubys,
            })
        })
        .collect();
    let value =
        json!({ "classes": classes, "known": unknown.known, "read": unknown.read, "complete": unknown.is_complete });
    output.say(&value, || {
        let row = |class: &kiq::inspect::UnknownClass| {
            let known = class.last_known.map_or("never".to_owned(), |at| relative(at, now));
            let about = if class.may_be_rubys { "a Sidekiq serves its queue" } else { "" };
            let name = if class.class.is_empty() { "(no job)" } else { &class.class };
            let cells = [name.to_owned(), class.jobs.to_string(), known, class.example.clone()];
            cells.into_iter().chain([class.places.join(" "), about.to_owned()]).collect()
        };
        let read = count_of(unknown.read, "entry");
        let rows: Vec<Vec<String>> = unknown.classes.iter().map(row).collect();
        let mut text = match (rows.is_empty(), unknown.is_complete) {
            (true, true) => format!("every job of {read} is known to a program of kiq\n"),
            (true, false) => {
                format!("every job of the {read} that were read is known to a program of kiq; there are more\n")
            }
            (false, _) => output.table(&["class", "jobs", "last known", "for example", "in", ""], &rows),
        };
        if !rows.is_empty() && unknown.known == 0 {
            text.push_str(
                "(no worker of kiq has said in the last hour what it knows: start one, or these are Ruby's)\n",
            );
        }
        if !rows.is_empty() && !unknown.is_complete {
            text.push_str(&format!("({read} were read; there are more)\n"));
        }
        text
    })
}

pub(super) async fn explain(inspector: &Inspector, given: &ArgMatches, output: &Output) -> Result<(), Fault> {
    let jid = text(given, "jid");
    let why = inspector.explain(jid, number(given, "budget")).await?;
    let word = match &why {
        Explanation::Runs { .. } => "runs",
        Explanation::WaitsItsTurn { .. } => "waits_its_turn",
        Explanation::QueueIsPaused { .. } => "queue_is_paused",
        Explanation::NobodyServes { .. } => "nobody_serves",
        Explanation::AllAreQuiet { .. } => "all_are_quiet",
        Explanation::IsScheduled { .. } => "is_scheduled",
        Explanation::WaitsForRetry { .. } => "waits_for_retry",
        Explanation::IsOverdue { .. } => "is_overdue",
        Explanation::IsDead { .. } => "is_dead",
        Explanation::NotFound { .. } => "not_found",
    };
    output.say(&json!({ "jid": jid, "reason": word, "text": why.to_string() }), || format!("{jid}: {why}\n"))?;
    match why {
        Explanation::NotFound { .. } => Err(Fault::No(format!("no job {jid} was found"))),
        _ => Ok(()),
    }
}
