//! The grammar of `cargo kiq`.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;

use anstyle::{AnsiColor, Style};
use clap::builder::Styles;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use clap_complete::Shell;

use super::names::{Argument, argument, check_queue, check_variable, job_path};
use super::new::EDITIONS;
use super::shell::Fault;

/// Those of cargo.
const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default())
    .error(AnsiColor::Red.on_default().bold())
    .valid(AnsiColor::Cyan.on_default().bold())
    .invalid(Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Yellow))).bold());

/// Cargo runs `cargo-kiq kiq new`; by its own name it is `cargo-kiq new`.
pub(crate) fn given(mut given: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let program = given.next();
    let mut rest = given.peekable();
    let _ = rest.next_if(|first| first == "kiq");
    program.into_iter().chain(rest).collect()
}

pub(crate) fn command() -> Command {
    Command::new("cargo-kiq")
        .bin_name("cargo kiq")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Makes applications with background jobs, and their jobs, and runs both while you write them.")
        .after_help("Operators' commands are those of `kiqctl`.")
        .styles(STYLES)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .arg(
            Arg::new("quiet")
                .long("quiet")
                .short('q')
                .global(true)
                .action(ArgAction::SetTrue)
                .help("Say only what is wrong"),
        )
        .subcommand(new())
        .subcommand(
            Command::new("generate")
                .visible_alias("g")
                .about("Add a job to this application")
                .subcommand_required(true)
                .arg_required_else_help(true)
                .subcommand(job()),
        )
        .subcommand(dev())
        .subcommand(
            Command::new("completions")
                .about("Print completions for a shell")
                .arg(
                    Arg::new("shell")
                        .value_name("SHELL")
                        .required(true)
                        .value_parser(value_parser!(Shell))
                        .help("The shell"),
                )
                .after_help(
                    "They are those of `cargo-kiq`; zsh finds them for `cargo kiq`, too, once they are in a folder of its fpath as \
                     _cargo-kiq.",
                ),
        )
}

fn new() -> Command {
    Command::new("new")
        .about("Make an application: a web server, a job and its worker, and tests that pass")
        .after_help(
            "On a terminal, what is not given is asked for; `--yes` takes the defaults. The same template works with \
             `cargo generate --path kiq/kiq-cli templates/app`.",
        )
        .arg(
            Arg::new("path")
                .value_name("PATH")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("The new folder"),
        )
        .arg(Arg::new("name").long("name").value_name("NAME").help("The package's name [default: the folder's]"))
        .arg(
            Arg::new("no-web")
                .long("no-web")
                .action(ArgAction::SetTrue)
                .help("No web server: a worker, and a command that enqueues"),
        )
        .arg(
            Arg::new("queue")
                .long("queue")
                .value_name("QUEUE")
                .value_parser(check_queue)
                .help("The queue of the first job [default: default]"),
        )
        .arg(
            Arg::new("redis-url-var")
                .long("redis-url-var")
                .value_name("VARIABLE")
                .value_parser(check_variable)
                .help("The environment variable with the address of Redis [default: REDIS_URL]"),
        )
        .arg(
            Arg::new("edition")
                .long("edition")
                .value_name("YEAR")
                .value_parser(EDITIONS)
                .hide_possible_values(true)
                .help("The edition of Rust: 2024 or 2021 [default: 2024]"),
        )
        .arg(
            Arg::new("kiq-path")
                .long("kiq-path")
                .value_name("PATH")
                .value_parser(value_parser!(PathBuf))
                .help("A checkout of kiq to build with, in place of crates.io"),
        )
        .arg(
            Arg::new("yes")
                .long("yes")
                .short('y')
                .action(ArgAction::SetTrue)
                .help("Ask nothing: what is not given is as by default"),
        )
        .arg(Arg::new("no-git").long("no-git").action(ArgAction::SetTrue).help("No git repository"))
        .args(writing())
}

fn job() -> Command {
    Command::new("job")
        .about("Make a job and its test, which fail until they are written")
        .after_help(
            "Example: cargo kiq generate job special_jobs/my_job --queue high --arg order_id:u64\n\nmakes \
             src/jobs/special_jobs/my_job.rs and the modules on the way to it.",
        )
        .arg(
            Arg::new("path")
                .value_name("PATH")
                .required(true)
                .value_parser(|path: &str| job_path(path))
                .allow_hyphen_values(true)
                .help("Where it goes below src/jobs, and its name: special_jobs/my_job"),
        )
        .arg(
            Arg::new("queue")
                .long("queue")
                .value_name("QUEUE")
                .value_parser(check_queue)
                .help("Its queue [default: default]"),
        )
        .arg(
            Arg::new("arg")
                .long("arg")
                .value_name("NAME:TYPE")
                .action(ArgAction::Append)
                .value_parser(|text: &str| -> Result<Argument, String> { argument(text) })
                .help("An argument, like order_id:u64; may be repeated"),
        )
        .arg(
            Arg::new("package")
                .long("package")
                .short('p')
                .value_name("NAME")
                .help("The package [default: that of this folder]"),
        )
        .args(writing())
}

/// How files are written.
fn writing() -> [Arg; 2] {
    [
        Arg::new("force").long("force").action(ArgAction::SetTrue).help("Replace files that are there, and say which"),
        Arg::new("dry-run")
            .long("dry-run")
            .short('n')
            .action(ArgAction::SetTrue)
            .help("Show the difference and write nothing"),
    ]
}

fn dev() -> Command {
    Command::new("dev")
        .about("Run web server and worker together, and again with each change")
        .after_help(
            "Builds the programs and runs the lines of the Procfile with them, with the variables of .env. Ctrl-C ends all of \
             them; a second one does not wait for jobs.",
        )
        .args_conflicts_with_subcommands(true)
        .arg(
            Arg::new("package")
                .long("package")
                .short('p')
                .value_name("NAME")
                .help("The package [default: that of this folder]"),
        )
        .arg(
            Arg::new("procfile")
                .long("procfile")
                .value_name("FILE")
                .default_value("Procfile")
                .value_parser(value_parser!(PathBuf))
                .help("What to run, one `name: command` a line"),
        )
        .arg(Arg::new("release").long("release").action(ArgAction::SetTrue).help("Build with optimisations"))
        .subcommand(
            Command::new("reset")
                .about("Forget all jobs and numbers of development: what is kiq's in its Redis, and nothing else")
                .after_help("Refuses where the environment (KIQ_ENV, APP_ENV, …) is not development.")
                .arg(
                    Arg::new("package")
                        .long("package")
                        .short('p')
                        .value_name("NAME")
                        .help("The package [default: that of this folder]"),
                )
                .arg(
                    Arg::new("host").long("host").value_name("HOST").help(
                        "The host of the Redis, if it is not this machine: to be said, so that no other is reset by mistake",
                    ),
                )
                .arg(Arg::new("yes").long("yes").short('y').action(ArgAction::SetTrue).help("Do not ask"))
                .arg(
                    Arg::new("dry-run")
                        .long("dry-run")
                        .short('n')
                        .action(ArgAction::SetTrue)
                        .help("Only say what would be forgotten"),
                ),
        )
}

pub(crate) fn print_completions(given: &ArgMatches) -> Result<(), Fault> {
    let Some(shell) = given.get_one::<Shell>("shell") else { return Ok(()) };
    let mut script = Vec::new();
    clap_complete::generate(*shell, &mut command().bin_name("cargo-kiq"), "cargo-kiq", &mut script);
    match std::io::stdout().write_all(&script) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_holds_together() {
        command().debug_assert();
    }

    #[test]
    fn it_is_the_same_by_cargo_and_by_its_own_name() {
        let of = |words: &[&str]| given(words.iter().map(OsString::from));
        assert_eq!(of(&["cargo-kiq", "kiq", "new", "kiq"]), ["cargo-kiq", "new", "kiq"].map(OsString::from));
        assert_eq!(of(&["cargo-kiq", "new", "kiq"]), ["cargo-kiq", "new", "kiq"].map(OsString::from));
        assert_eq!(of(&["cargo-kiq"]), [OsString::from("cargo-kiq")]);
    }
}
