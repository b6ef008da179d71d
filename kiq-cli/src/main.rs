//! `kiqctl`: look at the jobs of kiq or Sidekiq in Redis, and set right what went wrong.

mod args;
mod check;
mod commands;
mod output;
mod top;

use std::process::ExitCode;

use kiq::Inspector;
use kiq::program::{Arguments, Settings};

use output::{Fault, Output};

fn main() -> ExitCode {
    let matches = match args::command().try_get_matches() {
        Ok(matches) => matches,
        Err(answer) => {
            // If nobody reads it, that is no reason to fail.
            let _ = answer.print();
            return ExitCode::from(u8::try_from(answer.exit_code()).unwrap_or(2));
        }
    };
    let output = Output::new(matches.get_flag("json"));
    let ended = match matches.subcommand() {
        Some(("completions", given)) => args::print_completions(given),
        Some(("man", _)) => args::print_man_page(),
        _ => run(&matches, &output),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        // Who reads us has read enough: `kiqctl jobs default | head`.
        Err(Fault::ClosedPipe) => ExitCode::SUCCESS,
        Err(fault) => {
            output.complain(&fault);
            fault.code()
        }
    }
}

fn run(matches: &clap::ArgMatches, output: &Output) -> Result<(), Fault> {
    let arguments = Arguments { config: matches.get_one("config").cloned(), ..Arguments::default() };
    let settings = Settings::load(&arguments).map_err(|error| Fault::Config(error.to_string()))?;
    for warning in &settings.warnings {
        output.warn(warning);
    }
    let client = settings.client().map_err(|error| Fault::Config(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Fault::Config(error.to_string()))?;
    runtime.block_on(commands::run(matches, &Inspector::new(&client), &settings, output))
}
