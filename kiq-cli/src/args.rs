//! The grammar of `kiqctl`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use clap_complete::Shell;
use kiq::Timestamp;
use kiq::inspect::{JobSet, Place};

use crate::output::Fault;

/// Entries that a count or a search reads unless it is told otherwise.
const BUDGET: &str = "100000";

pub(crate) fn command() -> Command {
    let place = || {
        Arg::new("place").value_name("PLACE").help("retries, scheduled, dead, or the name of a queue").required(true)
    };
    let filter = || {
        Arg::new("filter").value_name("FILTER").num_args(0..).help(
            "Which jobs: class:ChargeCard queue:mail error:Http msg:\"timed out\" tag:t7 jid:b0db retries:>3 age:>1h next:<10m \
             args.0:55 -class:X word. Put -- before one that begins with a dash",
        )
    };
    let budget = || {
        Arg::new("budget")
            .long("budget")
            .value_name("ENTRIES")
            .default_value(BUDGET)
            .value_parser(value_parser!(usize))
            .help("Entries to read at most")
    };
    let queue =
        || Arg::new("queue").value_name("QUEUE").required(true).allow_hyphen_values(true).help("The name of a queue");
    let act = |name: &'static str, about: &'static str| {
        Command::new(name)
            .about(about)
            .arg(place())
            .arg(filter())
            .arg(budget())
            .arg(
                Arg::new("all")
                    .long("all")
                    .action(ArgAction::SetTrue)
                    .help("All jobs of the place: without a filter this must be said"),
            )
            .arg(
                Arg::new("limit")
                    .long("limit")
                    .value_name("N")
                    .value_parser(value_parser!(usize))
                    .help("Only so many of them: try ten first"),
            )
            .arg(
                Arg::new("dry-run")
                    .long("dry-run")
                    .short('n')
                    .action(ArgAction::SetTrue)
                    .help("Only count them, and show some"),
            )
            .arg(Arg::new("yes").long("yes").short('y').action(ArgAction::SetTrue).help("Do not ask"))
    };
    let page = |command: Command| {
        command
            .arg(
                Arg::new("skip")
                    .long("skip")
                    .value_name("N")
                    .default_value("0")
                    .value_parser(value_parser!(usize))
                    .help("Leave out the first N"),
            )
            .arg(
                Arg::new("take")
                    .long("take")
                    .value_name("N")
                    .default_value("25")
                    .value_parser(value_parser!(usize))
                    .help("Show N at most"),
            )
    };
    let process = |name: &'static str, about: &'static str| {
        Command::new(name)
            .about(about)
            .arg(
                Arg::new("process")
                    .value_name("HOST:PID:NONCE")
                    .num_args(1..)
                    .required_unless_present("all")
                    .help("As `kiqctl processes` lists them"),
            )
            .arg(Arg::new("all").long("all").action(ArgAction::SetTrue).conflicts_with("process").help("All of them"))
    };
    Command::new("kiqctl")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Looks at the jobs of kiq or Sidekiq in Redis, and sets right what went wrong.")
        .after_help(
            "Redis is named by KIQ_REDIS_URL, KIQ_REDIS_PROVIDER or REDIS_PROVIDER (the name of a variable), REDIS_URL, or redis.url in \
             kiq.toml.\n\n\
             Exit codes: 0 done, 1 a check failed or there is no such thing, 2 wrong arguments, 69 Redis cannot be used, 78 wrong \
             configuration.",
        )
        .subcommand_required(true)
        .arg_required_else_help(true)
        .arg(Arg::new("json").long("json").global(true).action(ArgAction::SetTrue).help("Print JSON, one value"))
        .arg(Arg::new("config").long("config").short('C').global(true).value_name("FILE").value_parser(value_parser!(PathBuf)).help("The configuration: kiq.toml, or a sidekiq.yml"))
        .subcommand(Command::new("stats").about("Totals, and the last days").arg(
            Arg::new("days").long("days").value_name("N").default_value("7").value_parser(value_parser!(u16).range(1..=1825)).help("Days of history"),
        ))
        .subcommand(Command::new("queues").about("Queues: size, latency, who serves them"))
        .subcommand(page(Command::new("jobs").about("Jobs of a queue, the one that runs next first").arg(queue())))
        .subcommand(page(Command::new("scheduled").about("Jobs for later, the next first").arg(filter()).arg(budget())))
        .subcommand(page(Command::new("retries").about("Failed jobs that are tried again, the next first").arg(filter()).arg(budget())))
        .subcommand(page(Command::new("dead").about("Jobs that failed for good, the last first").arg(filter()).arg(budget())))
        .subcommand(Command::new("processes").about("Worker processes that live"))
        .subcommand(Command::new("running").about("Jobs that run, the longest first"))
        .subcommand(Command::new("metrics").about("How often each class ran, and how long that took").arg(
            Arg::new("hours").long("hours").value_name("N").default_value("1").value_parser(value_parser!(u16).range(1..=72)).help("Hours to look back"),
        ))
        .subcommand(Command::new("explain").about("Why is this job not running?").arg(Arg::new("jid").value_name("JID").required(true).allow_hyphen_values(true).help("The id of a job")).arg(budget()))
        .subcommand(Command::new("unknown").about("Jobs that no program of kiq knows: left from an old version, or waiting for a new one").arg(budget()))
        .subcommand(Command::new("pause").about("Have workers leave a queue alone").arg(queue()))
        .subcommand(Command::new("resume").about("Have workers take jobs of a queue again").arg(queue()))
        .subcommand(act("retry", "Run jobs now: retries, scheduled or dead ones"))
        .subcommand(act("kill", "Move jobs to the dead, where they can be looked at"))
        .subcommand(act("delete", "Remove jobs for good"))
        .subcommand(
            act("reschedule", "Put scheduled jobs or retries off, or bring them forward")
                .arg(
                    Arg::new("in")
                        .long("in")
                        .value_name("TIME")
                        .value_parser(duration)
                        .required_unless_present("at")
                        .conflicts_with("at")
                        .help("So long from now: 90s, 10m, 1h, 7d"),
                )
                .arg(
                    Arg::new("at")
                        .long("at")
                        .value_name("TIMESTAMP")
                        .value_parser(timestamp)
                        .help("At that time: 2026-11-23T16:47:00Z"),
                ),
        )
        .subcommand(process("quiet", "Have processes take no more jobs"))
        .subcommand(process("stop", "Have processes stop"))
        .subcommand(Command::new("deploy").about("Mark on the charts that a new version runs").arg(Arg::new("label").value_name("LABEL").required(true).help("Its name: a commit's hash and title, say")))
        .subcommand(crate::check::command())
        .subcommand(
            Command::new("ruby")
                .about("Between Ruby and Rust: classes for jobs, functions for classes")
                .subcommand_required(true)
                .subcommand(
                    Command::new("stubs")
                        .about("Ruby classes with which Sidekiq enqueues the jobs of a worker program")
                        .arg(Arg::new("program").value_name("PROGRAM").required(true).help("The worker program, which knows its jobs")),
                )
                .subcommand(
                    Command::new("skeletons")
                        .about("Rust functions for the classes of the jobs in Redis, or in a file")
                        .arg(Arg::new("file").long("file").value_name("FILE").value_parser(value_parser!(PathBuf)).help("Payloads, one a line, instead of those in Redis"))
                        .arg(Arg::new("sample").long("sample").value_name("N").default_value("1000").value_parser(value_parser!(usize)).help("Jobs to look at in each queue and set, at most")),
                ),
        )
        .subcommand(
            Command::new("top").about("A live view: queues, what runs, processes").arg(
                Arg::new("every").long("every").value_name("TIME").default_value("2s").value_parser(duration).help("How often to look"),
            ),
        )
        .subcommand(crate::commands::web::command())
        .subcommand(Command::new("doctor").about("Is this Redis fit to keep jobs, and does everything run?"))
        .subcommand(Command::new("config").about("Settings").subcommand_required(true).subcommand(Command::new("show").about("Every setting, and who said it")))
        .subcommand(Command::new("completions").about("Completions for a shell").arg(Arg::new("shell").value_name("SHELL").required(true).value_parser(value_parser!(Shell)).help("The shell")))
        .subcommand(Command::new("man").about("The manual page, for man(1)"))
}

/// The place of that name.
pub(crate) fn place(name: &str) -> Place {
    match name {
        "retries" => Place::Set(JobSet::Retry),
        "scheduled" => Place::Set(JobSet::Scheduled),
        "dead" => Place::Set(JobSet::Dead),
        queue => Place::Queue(queue.strip_prefix("queue:").unwrap_or(queue).to_owned()),
    }
}

/// `90s`, `10m`, `1h`; a number alone is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    kiq::inspect::parse_duration(text).ok_or_else(|| "write it like 90s, 10m or 1h".to_owned())
}

/// A time in UTC, or with its distance from that.
fn timestamp(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_iso(text).ok_or_else(|| "write it like 2026-11-23T16:47:00Z".to_owned())
}

pub(crate) fn print_completions(given: &ArgMatches) -> Result<(), Fault> {
    let Some(shell) = given.get_one::<Shell>("shell") else { return Ok(()) };
    let mut script = Vec::new();
    clap_complete::generate(*shell, &mut command(), "kiqctl", &mut script);
    crate::output::print(&String::from_utf8_lossy(&script))
}

pub(crate) fn print_man_page() -> Result<(), Fault> {
    let mut page = Vec::new();
    // Writing into memory does not fail.
    let _ = clap_mangen::Man::new(command()).render(&mut page);
    crate::output::print(&String::from_utf8_lossy(&page))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_holds_together() {
        command().debug_assert();
    }

    #[test]
    fn a_place_is_a_set_or_a_queue() {
        assert_eq!(place("dead"), Place::Set(JobSet::Dead));
        assert_eq!(place("mail"), Place::Queue("mail".to_owned()));
        assert_eq!(place("queue:dead"), Place::Queue("dead".to_owned()));
    }
}
