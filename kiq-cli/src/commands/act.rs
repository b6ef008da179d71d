//! Commands that act: on jobs they count first, and ask.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use clap::ArgMatches;
use kiq::inspect::{Act, Begun, By, Count, OperationId, Selection, Signal};
use kiq::{Inspector, Timestamp};
use serde_json::{Value, json};

use super::{look, number, text};
use crate::args;
use crate::output::{Fault, Output, count_of, print};

pub(super) async fn on_jobs(
    inspector: &Inspector,
    command: &str,
    given: &ArgMatches,
    output: &Output,
) -> Result<(), Fault> {
    let act = match command {
        "retry" => Act::Retry,
        "kill" => Act::Kill,
        "reschedule" => Act::Reschedule { at: when(inspector, given) },
        _ => Act::Delete,
    };
    let place = args::place(text(given, "place"));
    if !act.suits(&place) {
        return Err(Fault::Usage(format!("jobs of {place} cannot be told to {act}")));
    }
    let filter = look::filter(given)?;
    if filter.is_all() != given.get_flag("all") {
        return Err(Fault::Usage(match filter.is_all() {
            true => format!("say which jobs, like class:ChargeCard, or --all for everything in {place}"),
            false => "--all and a filter contradict each other; leave one out".to_owned(),
        }));
    }
    let mut selection = inspector.select(place, filter);
    if let Some(limit) = given.get_one::<usize>("limit") {
        selection = selection.limit(*limit);
    }
    let count = selection.count(number(given, "budget")).await?;
    if given.get_flag("dry-run") || count.matching == 0 {
        tell_count(&selection, &count, &act, output)?;
        return match count.matching {
            0 => Err(Fault::No(format!("no job in {} matches; nothing was changed", selection.place()))),
            _ => Ok(()),
        };
    }
    if !given.get_flag("yes") {
        tell_count(&selection, &count, &act, output)?;
        ask(&format!("{act} {}", counted(&count)))?;
    }
    let by = By::new(std::env::var("USER").unwrap_or_else(|_| "kiqctl".to_owned()));
    let expected = count.is_complete.then_some(count.matching);
    let Begun::New(run) = selection.begin(&OperationId::random(), act.clone(), by, expected).await? else {
        return Err(Fault::No("an operation of that id was there; nothing was changed, try again".to_owned()));
    };
    let is_shown = std::io::stderr().is_terminal() && !output.is_json;
    let operation = run
        .finish_telling(|so_far| {
            if is_shown {
                let _ = write!(std::io::stderr(), "\r{act}: {} of {} …", so_far.done, count.matching);
            }
        })
        .await?;
    let outcome = operation.outcome;
    if is_shown {
        let _ = writeln!(std::io::stderr());
    }
    let value = json!({ "act": command, "operation": operation.id.as_str(), "done": outcome.done, "gone": outcome.gone, "not_jobs": outcome.not_jobs });
    output.say(&value, || {
        let mut text = format!("{act}: {} done", outcome.done);
        for (number, words) in [(outcome.gone, "already gone"), (outcome.not_jobs, "no jobs, left where they are")] {
            if number > 0 {
                text.push_str(&format!(", {number} {words}"));
            }
        }
        text + "\n"
    })
}

/// `--at`, or `--in` from now.
fn when(inspector: &Inspector, given: &ArgMatches) -> Timestamp {
    let from_now = || inspector.now() + given.get_one::<Duration>("in").copied().unwrap_or_default();
    given.get_one::<Timestamp>("at").copied().unwrap_or_else(from_now)
}

fn counted(count: &Count) -> String {
    match count.is_complete {
        true => count_of(count.matching, "job"),
        false => format!("at least {} ({} read)", count_of(count.matching, "job"), count_of(count.read, "entry")),
    }
}

fn tell_count(selection: &Selection, count: &Count, act: &Act, output: &Output) -> Result<(), Fault> {
    let sample: Vec<Value> = count.sample.iter().map(look::as_json).collect();
    let value = json!({
        "act": act.to_string(), "place": selection.place().to_string(), "filter": selection.filter().to_string(),
        "matching": count.matching, "read": count.read, "complete": count.is_complete, "sample": sample,
    });
    output.say(&value, || {
        let now = kiq::Clock::system().now();
        let rows = look::rows(&count.sample, now);
        let table = if rows.is_empty() {
            String::new()
        } else {
            output.table(&["when", "class", "jid", "queue", "about"], &rows)
        };
        format!(
            "{} in {} {}\n{table}",
            counted(count),
            selection.place(),
            if count.matching == 1 { "matches" } else { "match" }
        )
    })
}

/// Nothing is done that nobody confirmed: without a terminal `--yes` must have been said.
fn ask(what: &str) -> Result<(), Fault> {
    if !std::io::stdin().is_terminal() {
        return Err(Fault::Usage(format!("to {what} without a terminal to ask on, say --yes; nothing was changed")));
    }
    print(&format!("{what}? [y/N] "))?;
    let mut answer = String::new();
    let _ = std::io::stdin().read_line(&mut answer);
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Fault::No("nothing was changed".to_owned())),
    }
}

pub(super) async fn pause(
    inspector: &Inspector,
    command: &str,
    given: &ArgMatches,
    output: &Output,
) -> Result<(), Fault> {
    let queue = text(given, "queue");
    let is_new = match command {
        "pause" => inspector.pause(queue).await?,
        _ => inspector.resume(queue).await?,
    };
    let known = inspector.queues().await?;
    if !known.iter().any(|known| known.name == queue) {
        output.warn(&format!("there is no queue {queue} yet"));
    }
    output.say(&json!({ "queue": queue, "paused": command == "pause", "changed": is_new }), || {
        match (command, is_new) {
            ("pause", true) => format!("{queue} is paused; workers leave it alone from their next heartbeat on\n"),
            ("pause", false) => format!("{queue} was paused already\n"),
            (_, true) => format!("{queue} is resumed\n"),
            (_, false) => format!("{queue} was not paused\n"),
        }
    })
}

pub(super) async fn signal(
    inspector: &Inspector,
    command: &str,
    given: &ArgMatches,
    output: &Output,
) -> Result<(), Fault> {
    let signal = if command == "quiet" { Signal::Quiet } else { Signal::Stop };
    let identities: Vec<String> = match given.get_flag("all") {
        true => inspector.processes().await?.into_iter().map(|process| process.identity).collect(),
        false => given.get_many::<String>("process").into_iter().flatten().cloned().collect(),
    };
    let (mut told, mut unknown) = (Vec::new(), Vec::new());
    for identity in identities {
        match inspector.signal(&identity, signal).await? {
            true => told.push(identity),
            false => unknown.push(identity),
        }
    }
    output.say(&json!({ "told": told, "unknown": unknown }), || {
        told.iter().map(|identity| format!("{identity} will hear of it with its next heartbeat\n")).collect()
    })?;
    match unknown.as_slice() {
        [] => Ok(()),
        unknown => Err(Fault::No(format!("no such process: {}", unknown.join(" ")))),
    }
}

pub(super) async fn deploy(inspector: &Inspector, given: &ArgMatches, output: &Output) -> Result<(), Fault> {
    let label = text(given, "label");
    let is_new = inspector.mark_deploy(label).await?;
    output.say(&json!({ "label": label, "noted": is_new }), || match is_new {
        true => format!("noted: {label}\n"),
        false => format!("{label} was noted a moment ago\n"),
    })
}
