//! `cargo kiq`: from nothing to a tested application, a new job, and both programs at work while one writes them.

mod args;
mod changes;
mod dev;
mod generate;
mod names;
mod new;
mod project;
mod shell;
mod template;
mod wiring;

use std::process::ExitCode;

use shell::{Fault, Shell};

/// What cargo itself ends with when a command fails.
const FAILED: u8 = 101;

fn main() -> ExitCode {
    let matches = match args::command().try_get_matches_from(args::given(std::env::args_os())) {
        Ok(matches) => matches,
        Err(answer) => {
            // If nobody reads it, that is no reason to fail.
            let _ = answer.print();
            return ExitCode::from(u8::try_from(answer.exit_code()).unwrap_or(2));
        }
    };
    let shell = Shell::new(matches.get_flag("quiet"));
    let ended = match matches.subcommand() {
        Some(("new", given)) => new::run(given, &shell),
        Some(("generate", given)) => match given.subcommand() {
            Some(("job", given)) => generate::run(given, &shell),
            _ => Ok(()),
        },
        Some(("dev", given)) => match given.subcommand() {
            Some(("reset", of_reset)) => dev::reset::run(of_reset, &shell),
            _ => dev::run(given, &shell),
        },
        Some(("completions", given)) => args::print_completions(given),
        _ => Ok(()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(Fault::Interrupted) => ExitCode::from(130),
        Err(Fault::Message(text)) => {
            shell.error(&text);
            ExitCode::from(FAILED)
        }
    }
}
