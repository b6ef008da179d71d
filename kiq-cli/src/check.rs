//! `check` and `doctor`: exit codes for cron, Kubernetes and whoever is woken by them.

use std::process::Command as Process;
use std::time::Duration;

use clap::{Arg, ArgMatches, Command, value_parser};
use kiq::inspect::JobSet;
use kiq::{BrokerError, Inspector};
use serde_json::json;

use crate::args;
use crate::output::{Fault, Output, count_of, length};

pub(crate) fn command() -> Command {
    let number = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("N").required(true).value_parser(value_parser!(usize)).help(help)
    };
    let every = Arg::new("every")
        .long("every")
        .global(true)
        .value_name("TIME")
        .value_parser(args::duration)
        .help("Check again and again, and end only when told");
    let hook = Arg::new("hook").long("hook").global(true).value_name("COMMAND").help("Run by sh when the check begins to fail or to pass; KIQ_CHECK is `failed` or `passed`, KIQ_CHECK_TEXT says why");
    Command::new("check")
        .about("Exit with 0 if all is as it should be, with 1 if not")
        .subcommand_required(true)
        .arg(every)
        .arg(hook)
        .subcommand(
            Command::new("processes")
                .about("Enough worker processes live")
                .arg(number("min", "At least so many, quiet ones left out")),
        )
        .subcommand(
            Command::new("latency")
                .about("No job of the queue waits too long")
                .arg(Arg::new("queue").value_name("QUEUE").required(true).help("The name of a queue"))
                .arg(
                    Arg::new("max")
                        .long("max")
                        .value_name("TIME")
                        .required(true)
                        .value_parser(args::duration)
                        .help("The longest wait: 60s, 5m"),
                ),
        )
        .subcommand(Command::new("dead").about("Not too many jobs are dead").arg(number("max", "At most so many")))
        .subcommand(
            Command::new("retries").about("Not too many jobs wait for a retry").arg(number("max", "At most so many")),
        )
        .subcommand(
            Command::new("redis").about("Redis has room").arg(
                Arg::new("max-memory")
                    .long("max-memory")
                    .value_name("N%")
                    .required(true)
                    .value_parser(percent)
                    .help("The largest share of its memory in use: 80%"),
            ),
        )
}

fn percent(text: &str) -> Result<u8, String> {
    let number = text.trim_end_matches('%').parse().ok().filter(|number| (1..=100).contains(number));
    number.ok_or_else(|| "write it like 80%".to_owned())
}

/// Whether all is well, and a sentence about it.
type Verdict = (bool, String);

pub(crate) async fn run(inspector: &Inspector, given: &ArgMatches, output: &Output) -> Result<(), Fault> {
    let Some((what, limits)) = given.subcommand() else { return Ok(()) };
    let hook = limits.get_one::<String>("hook");
    let Some(every) = limits.get_one::<Duration>("every").copied() else {
        let verdict = judge(inspector, what, limits).await?;
        if !verdict.0 {
            call(hook, &verdict);
        }
        return tell(what, verdict, output);
    };
    let mut was_well = true;
    loop {
        let verdict = match judge(inspector, what, limits).await {
            Ok(verdict) => verdict,
            // An outage is what a watch is for.
            Err(error) => (false, error.to_string()),
        };
        if verdict.0 != was_well {
            call(hook, &verdict);
        }
        was_well = verdict.0;
        if let Err(Fault::ClosedPipe) = tell(what, verdict, output) {
            return Err(Fault::ClosedPipe);
        }
        tokio::time::sleep(every.max(Duration::from_secs(1))).await;
    }
}

fn tell(what: &str, (is_well, text): Verdict, output: &Output) -> Result<(), Fault> {
    output.say(&json!({ "check": what, "ok": is_well, "text": text }), || {
        format!("{} {text}\n", if is_well { "ok:" } else { "FAILED:" })
    })?;
    if is_well { Ok(()) } else { Err(Fault::No(format!("check {what} failed"))) }
}

fn call(hook: Option<&String>, (is_well, text): &Verdict) {
    let Some(hook) = hook else { return };
    let state = if *is_well { "passed" } else { "failed" };
    let called = Process::new("sh").arg("-c").arg(hook).env("KIQ_CHECK", state).env("KIQ_CHECK_TEXT", text).status();
    if !called.is_ok_and(|status| status.success()) {
        eprintln!("warning: the hook failed: {hook}");
    }
}

async fn judge(inspector: &Inspector, what: &str, limits: &ArgMatches) -> Result<Verdict, BrokerError> {
    let limit = |name: &str| limits.get_one::<usize>(name).copied().unwrap_or_default();
    Ok(match what {
        "processes" => {
            let living = inspector.processes().await?;
            let awake = living.iter().filter(|process| !process.is_quiet).count();
            let min = limit("min");
            (awake >= min, format!("{} take jobs (at least {min} must)", count_of(awake, "process")))
        }
        "latency" => {
            let name = limits.get_one::<String>("queue").cloned().unwrap_or_default();
            let max = limits.get_one::<Duration>("max").copied().unwrap_or_default();
            let queues = inspector.queues().await?;
            let latency = queues.iter().find(|queue| queue.name == name).map_or(Duration::ZERO, |queue| queue.latency);
            (
                latency <= max,
                format!("the next job of {name} has waited for {} (at most {})", length(latency), length(max)),
            )
        }
        "redis" => {
            let info = inspector.store_info().await?;
            let max = limits.get_one::<u8>("max-memory").copied().unwrap_or(100);
            match (info.used_memory, info.max_memory) {
                (Some(used), Some(all)) => {
                    let share = used.saturating_mul(100) / all.max(1);
                    (share <= u64::from(max), format!("{share} % of Redis's memory is in use (at most {max} %)"))
                }
                _ => (true, "Redis has no limit of memory (maxmemory is 0)".to_owned()),
            }
        }
        set => {
            let stats = inspector.stats().await?;
            let (place, count) = match set {
                "dead" => (JobSet::Dead, stats.dead),
                _ => (JobSet::Retry, stats.retries),
            };
            let max = limit("max");
            (count <= max, format!("{} in {} (at most {max})", count_of(count, "job"), kiq::inspect::Place::Set(place)))
        }
    })
}

/// Entries that the doctor reads in search of jobs that nobody knows.
const DOCTORS_BUDGET: usize = 10_000;

/// A sentence for each class that no program of kiq knows. Those in queues of a Sidekiq may be its own.
async fn unknown_jobs(inspector: &Inspector) -> Result<Vec<String>, BrokerError> {
    let unknown = inspector.unknown_jobs(DOCTORS_BUDGET).await?;
    if unknown.known == 0 {
        // No worker of kiq has been here in the last hour: that is said otherwise.
        return Ok(Vec::new());
    }
    let classes = unknown.classes.into_iter().filter(|class| !class.may_be_rubys && !class.class.is_empty());
    let sentence = |class: kiq::inspect::UnknownClass| {
        let places = class.places.join(", ");
        format!("no program of kiq knows the class {} of {} in {places}", class.class, count_of(class.jobs, "job"))
    };
    Ok(classes.map(sentence).collect())
}

/// Everything that is known to go wrong, looked at once.
pub(crate) async fn doctor(inspector: &Inspector, output: &Output) -> Result<(), Fault> {
    let advice = inspector.check().await?;
    let info = inspector.store_info().await?;
    let processes = inspector.processes().await?;
    let queues = inspector.queues().await?;
    let now = inspector.now();
    let mut bad: Vec<String> = Vec::new();
    for queue in &queues {
        let serves = processes.iter().any(|process| !process.is_quiet && process.serves(&queue.name));
        if queue.size > 0 && !serves {
            bad.push(format!("{} in queue {}, which no process serves", count_of(queue.size, "job"), queue.name));
        }
        if queue.is_paused {
            bad.push(format!("queue {} is paused, with {} in it", queue.name, count_of(queue.size, "job")));
            if let Some(free) =
                processes.iter().find(|process| process.version.starts_with("Sidekiq") && process.serves(&queue.name))
            {
                bad.push(format!(
                    "{} is a {}, which may not know of pauses (that takes Sidekiq Pro)",
                    free.identity, free.version
                ));
            }
        }
    }
    for process in &processes {
        let silent = now.since(process.beat_at);
        if silent > Duration::from_secs(30) {
            bad.push(format!("{} has been silent for {}", process.identity, length(silent)));
        }
    }
    if let (Some(used), Some(max)) = (info.used_memory, info.max_memory)
        && used > max / 5 * 4
    {
        bad.push(format!("{} % of Redis's memory is in use", used.saturating_mul(100) / max.max(1)));
    }
    bad.extend(unknown_jobs(inspector).await?);
    let version = info.version.unwrap_or_else(|| "of unknown version".to_owned());
    let value = json!({
        "store": inspector.store(), "version": version, "processes": processes.len(), "queues": queues.len(),
        "advice": advice, "problems": bad,
    });
    output.say(&value, || {
        let mut text = format!(
            "{}: Redis {version}, {}, {}\n",
            inspector.store(),
            count_of(processes.len(), "process"),
            count_of(queues.len(), "queue")
        );
        advice.iter().for_each(|sentence| text.push_str(&format!("  advice:  {sentence}\n")));
        bad.iter().for_each(|sentence| text.push_str(&format!("  problem: {sentence}\n")));
        if advice.is_empty() && bad.is_empty() {
            text.push_str("  nothing is wrong\n");
        }
        text
    })?;
    if bad.is_empty() { Ok(()) } else { Err(Fault::No(count_of(bad.len(), "problem"))) }
}
