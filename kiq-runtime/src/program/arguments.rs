//! The arguments of a worker program: Sidekiq's, and some more.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, Command, value_parser};

use super::inventory::Form;
use super::settings::Arguments;

/// What the program is asked to do.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) arguments: Arguments,
    pub(super) is_verbose: bool,
    pub(super) show: Option<Show>,
}

/// What to print instead of working.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Show {
    Settings,
    Jobs(Form),
    RubyStubs,
}

fn command(name: &'static str, version: &'static str) -> Command {
    let option =
        |long: &'static str, short, value, help| Arg::new(long).long(long).short(short).value_name(value).help(help);
    Command::new(name)
        .version(version)
        .about("Takes jobs from Redis and performs them.")
        .after_help(
            "Arguments win over the environment (KIQ_QUEUES, KIQ_CONCURRENCY, KIQ_TIMEOUT, KIQ_TAG, KIQ_ENV, KIQ_CONFIG, \
             KIQ_HEALTH, KIQ_REDIS_URL, KIQ_REDIS_PROVIDER, REDIS_PROVIDER, REDIS_URL, KIQ_LOG, KIQ_LOG_FORMAT and others), that \
             over the file; --show-config prints what came of it.\n\n\
             Signals: TERM and INT stop, TSTP takes no more jobs, TTIN logs what every processor is doing.\n\
             Exit codes: 0 stopped as told, 2 wrong arguments, 69 Redis cannot be used, 70 the program's own set-up failed, \
             78 wrong configuration.",
        )
        .arg(
            option("queue", 'q', "NAME[,WEIGHT]", "A queue to take jobs from; repeat it for several. Without weights the first that has a job, always; with weights each as often as its weight says")
                .action(ArgAction::Append),
        )
        .arg(option("concurrency", 'c', "N", "Jobs at once"))
        .arg(option("timeout", 't', "SECONDS", "How long a stopping worker waits for running jobs"))
        .arg(option("environment", 'e', "NAME", "The section of the file to use"))
        .arg(option("tag", 'g', "TAG", "A label for people, shown wherever processes are listed"))
        .arg(option("config", 'C', "FILE", "The configuration: kiq.toml, or a sidekiq.yml").value_parser(value_parser!(PathBuf)))
        .arg(Arg::new("health").long("health").value_name("PORT").help("Answer /live and /ready (and /metrics) there: a port of the loopback, or 0.0.0.0:PORT"))
        .arg(Arg::new("verbose").long("verbose").short('v').help("Log each job's start and end, too").action(ArgAction::SetTrue))
        .arg(Arg::new("show-config").long("show-config").help("Print every setting and who said it, and exit").action(ArgAction::SetTrue))
        .arg(Arg::new("ruby-stubs").long("ruby-stubs").help("Print Ruby classes with which Sidekiq's client enqueues these jobs, and exit").action(ArgAction::SetTrue))
        .arg(Arg::new("jobs").long("jobs").value_name("FORM").help("Print the jobs that this program can perform, and exit: as a table, or with --jobs=json for programs").num_args(0..=1).require_equals(true).default_missing_value("table").value_parser(["table", "json"]))
}

/// Reads them; or answers what to print, and with which code to exit.
pub(super) fn read(
    name: &'static str,
    version: &'static str,
    given: impl IntoIterator<Item = OsString>,
) -> Result<Request, clap::Error> {
    let matches = command(name, version).try_get_matches_from(given)?;
    let one = |name: &str| matches.get_one::<String>(name).cloned();
    let shows = [("show-config", Show::Settings), ("ruby-stubs", Show::RubyStubs)];
    let show = shows.into_iter().find_map(|(name, show)| matches.get_flag(name).then_some(show));
    let jobs = one("jobs").map(|form| Show::Jobs(if form == "json" { Form::Json } else { Form::Table }));
    let show = jobs.or(show);
    Ok(Request {
        arguments: Arguments {
            queues: matches.get_many::<String>("queue").into_iter().flatten().cloned().collect(),
            concurrency: one("concurrency"),
            timeout: one("timeout"),
            tag: one("tag"),
            environment: one("environment"),
            config: matches.get_one::<PathBuf>("config").cloned(),
            health: one("health"),
        },
        is_verbose: matches.get_flag("verbose"),
        show,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_holds_together() {
        command("worker", "1").debug_assert();
    }

    #[test]
    fn sidekiqs_arguments_are_understood() {
        let given = [
            "worker", "-q", "high,3", "-q", "low", "-c", "10", "-t", "8", "-e", "test", "-g", "shop", "-C", "a.toml",
            "-v", "--health", "7433",
        ];
        let request = read("worker", "1", given.map(OsString::from)).unwrap();
        let Arguments { queues, concurrency, timeout, tag, environment, config, health } = request.arguments;
        assert_eq!(queues, ["high,3", "low"]);
        let texts = [concurrency, timeout, tag, environment, health].map(Option::unwrap);
        assert_eq!(texts, ["10", "8", "shop", "test", "7433"]);
        assert_eq!((config, request.is_verbose, request.show), (Some("a.toml".into()), true, None));
    }

    /// C11 of the table of bad configurations.
    #[test]
    fn an_argument_given_twice_or_misspelt_is_refused() {
        let says = |given: &[&str]| read("worker", "1", given.iter().map(OsString::from)).unwrap_err().to_string();
        assert!(says(&["worker", "-c", "1", "-c", "2"]).contains("cannot be used multiple times"));
        assert!(says(&["worker", "--concurency", "2"]).contains("'--concurrency'"));
        assert!(says(&["worker", "job"]).contains("unexpected argument 'job'"));
    }
}
