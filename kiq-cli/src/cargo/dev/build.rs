//! Building the programs: cargo's own words, and what came of it.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::Built;
use super::stream::Stream;
use crate::project::{cargo, text};
use crate::shell::Fault;

/// What is built, and how.
#[derive(Debug)]
pub(super) struct Build {
    pub(super) package: String,
    pub(super) folder: PathBuf,
    pub(super) is_release: bool,
}

impl Build {
    /// The programs, or nothing if they cannot be built: why is then in the stream.
    pub(super) async fn run(&self, stream: &Stream) -> Result<Option<Built>, Fault> {
        let mut command = cargo();
        command.args(["build", "--bins", "--message-format", "json-render-diagnostics", "--package", &self.package]);
        command.args(["--color", if stream.has_colours() { "always" } else { "never" }]);
        if self.is_release {
            command.arg("--release");
        }
        command.current_dir(&self.folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut command = tokio::process::Command::from(command);
        // Not with the group of the terminal, so that Ctrl-C reaches us alone, and we end it.
        command.process_group(0).kill_on_drop(true);
        let mut cargo = command.spawn().map_err(|error| format!("cannot run cargo: {error}"))?;
        let told = cargo.stderr.take().map(|errors| stream.follow("cargo", errors));
        let mut built = Built::new();
        if let Some(messages) = cargo.stdout.take() {
            let mut lines = BufReader::new(messages).lines();
            while let Some(line) = lines.next_line().await? {
                let message: Value = serde_json::from_str(&line).unwrap_or_default();
                if let Some(program) = text(&message, "executable") {
                    let program = PathBuf::from(program);
                    let when = program.metadata().and_then(|about| about.modified()).ok();
                    built.insert(program, when);
                }
            }
        }
        let ended = cargo.wait().await?;
        if let Some(told) = told {
            let _ = told.await;
        }
        Ok(ended.success().then_some(built))
    }
}
