//! One function a command.

mod act;
mod look;
mod ruby;
pub(crate) mod web;

use clap::ArgMatches;
use kiq::Inspector;
use kiq::program::Settings;
use serde_json::{Value, json};

use crate::check;
use crate::output::{Fault, Output};

pub(crate) async fn run(
    matches: &ArgMatches,
    inspector: &Inspector,
    settings: &Settings,
    output: &Output,
) -> Result<(), Fault> {
    let Some((command, given)) = matches.subcommand() else { return Ok(()) };
    match command {
        "stats" => look::stats(inspector, given, output).await,
        "queues" => look::queues(inspector, output).await,
        "jobs" => look::jobs(inspector, given, output).await,
        "scheduled" | "retries" | "dead" => look::set(inspector, command, given, output).await,
        "processes" => look::processes(inspector, output).await,
        "running" => look::running(inspector, output).await,
        "metrics" => look::metrics(inspector, given, output).await,
        "unknown" => look::unknown(inspector, given, output).await,
        "explain" => look::explain(inspector, given, output).await,
        "pause" | "resume" => act::pause(inspector, command, given, output).await,
        "retry" | "kill" | "delete" | "reschedule" => act::on_jobs(inspector, command, given, output).await,
        "quiet" | "stop" => act::signal(inspector, command, given, output).await,
        "deploy" => act::deploy(inspector, given, output).await,
        "check" => check::run(inspector, given, output).await,
        "ruby" => match given.subcommand() {
            Some(("stubs", given)) => ruby::stubs(given),
            Some(("skeletons", given)) => ruby::skeletons(inspector, given, output).await,
            _ => Ok(()),
        },
        "doctor" => check::doctor(inspector, output).await,
        "top" => crate::top::run(inspector, given).await,
        "web" => web::run(given, settings, output).await,
        "config" => show_settings(settings, output),
        other => Err(Fault::Usage(format!("{other} is not known"))),
    }
}

/// A text argument; the grammar sees to it that it is there.
fn text<'a>(given: &'a ArgMatches, name: &str) -> &'a str {
    given.get_one::<String>(name).map_or("", String::as_str)
}

fn number(given: &ArgMatches, name: &str) -> usize {
    given.get_one::<usize>(name).copied().unwrap_or_default()
}

fn show_settings(settings: &Settings, output: &Output) -> Result<(), Fault> {
    let list = settings.list();
    let values =
        list.iter().map(|(name, value, from)| json!({ "name": name, "value": value, "from": from.to_string() }));
    output.say(&values.collect::<Vec<Value>>().into(), || {
        let rows: Vec<_> =
            list.iter().map(|(name, value, from)| vec![(*name).to_owned(), value.clone(), from.to_string()]).collect();
        output.table(&["setting", "value", "from"], &rows)
    })
}
