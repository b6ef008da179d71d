//! The processes that run: each with a group of its own, so that what it starts ends with it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use super::environment::Environment;
use super::procfile::Line;
use super::stream::Stream;
use crate::shell::Fault;

/// A process.
#[derive(Debug)]
struct Process {
    name: String,
    child: Child,
    /// The group, which has the id of its first process.
    group: Option<Pid>,
    /// What passes on its output.
    told: Vec<JoinHandle<()>>,
    has_ended: bool,
}

/// All that run.
#[derive(Debug, Default)]
pub(super) struct Processes {
    list: Vec<Process>,
    /// How long they are given to end.
    patience: Duration,
}

/// One that ended by itself.
#[derive(Debug)]
pub(super) struct Ended {
    name: String,
    status: Option<ExitStatus>,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.status {
            Some(status) => write!(f, "{} ended ({status})", self.name),
            None => write!(f, "{} ended", self.name),
        }
    }
}

impl Processes {
    /// Starts them, with the programs of those folders before all others.
    pub(super) fn start<'a>(
        lines: &[Line],
        folder: &Path,
        programs: impl Iterator<Item = &'a Path>,
        environment: &Environment,
        patience: Duration,
        stream: &Stream,
    ) -> Result<Self, Fault> {
        let mut path: Vec<PathBuf> = programs.collect::<BTreeSet<_>>().into_iter().map(Path::to_owned).collect();
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        let path: OsString = std::env::join_paths(path)?;
        let mut all = Processes { list: Vec::new(), patience };
        for line in lines {
            let mut command = Command::new("sh");
            command.arg("-c").arg(&line.command).current_dir(folder).env("PATH", &path).envs(environment.added());
            if stream.has_colours() {
                // What they would say to a terminal they say to us.
                command.env("CLICOLOR_FORCE", "1");
            }
            command
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .process_group(0)
                .kill_on_drop(true);
            let mut child = command.spawn().map_err(|error| format!("cannot start {}: {error}", line.name))?;
            let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
            let out = child.stdout.take().map(|out| stream.follow(&line.name, out));
            let errors = child.stderr.take().map(|errors| stream.follow(&line.name, errors));
            let told = out.into_iter().chain(errors).collect();
            all.list.push(Process { name: line.name.clone(), child, group, told, has_ended: false });
        }
        Ok(all)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The next that ends. Never, when all have.
    ///
    /// # Cancel safety
    /// It can be dropped: nothing is lost.
    pub(super) async fn next_end(&mut self) -> Ended {
        let ends = self.list.iter_mut().filter(|process| !process.has_ended).map(|process| {
            Box::pin(async move {
                let status = process.child.wait().await.ok();
                process.has_ended = true;
                Ended { name: process.name.clone(), status }
            })
        });
        let mut ends: Vec<_> = ends.collect();
        std::future::poll_fn(|context| {
            for end in &mut ends {
                if let std::task::Poll::Ready(ended) = end.as_mut().poll(context) {
                    return std::task::Poll::Ready(ended);
                }
            }
            std::task::Poll::Pending
        })
        .await
    }

    /// Tells all to stop, waits for them, and for the last that they say. Who takes longer than the patience is killed.
    pub(super) async fn stop(&mut self) {
        self.tell(Signal::TERM);
        if tokio::time::timeout(self.patience, self.wait()).await.is_err() {
            self.kill().await;
        }
        self.list.clear();
    }

    /// Ends all, at once.
    pub(super) async fn kill(&mut self) {
        self.tell(Signal::KILL);
        self.wait().await;
        self.list.clear();
    }

    fn tell(&self, signal: Signal) {
        for group in self.list.iter().filter_map(|process| process.group) {
            // Who is gone hears nothing.
            let _ = kill_process_group(group, signal);
        }
    }

    async fn wait(&mut self) {
        for process in &mut self.list {
            let _ = process.child.wait().await;
            for told in &mut process.told {
                let _ = told.await;
            }
        }
    }
}
