//! `cargo kiq dev`: the programs of the Procfile together, built and started again with each change, in one stream of output.

mod build;
mod environment;
mod processes;
mod procfile;
pub(super) mod reset;
mod stream;
mod watch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::ArgMatches;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::project::Project;
use super::shell::{Fault, Shell};
use build::Build;
use environment::Environment;
use processes::Processes;
use procfile::Line;
use stream::Stream;
use watch::{Changed, Watch};

/// The process that is left out while no Redis is named: it could share its jobs with nobody.
const WORKER: &str = "worker";

/// Files that programs read when they start: a change of them starts all again, whether the programs changed or not.
const READ_AT_START: [&str; 2] = ["kiq.toml", ".env"];

pub(crate) fn run(given: &ArgMatches, shell: &Shell) -> Result<(), Fault> {
    let project = Project::find(given.get_one::<String>("package").map(String::as_str))?;
    let named = given.get_one::<PathBuf>("procfile").map(PathBuf::as_path).unwrap_or(Path::new("Procfile"));
    let dev = Dev {
        procfile: project.folder.join(named),
        build: Build {
            package: project.name.clone(),
            folder: project.folder.clone(),
            is_release: given.get_flag("release"),
        },
        project,
        shell,
        stream: Stream::default(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(dev.run())
}

struct Dev<'a> {
    project: Project,
    procfile: PathBuf,
    build: Build,
    shell: &'a Shell,
    stream: Stream,
}

/// The programs that were built: which, and when.
type Built = BTreeMap<PathBuf, Option<SystemTime>>;

impl Dev<'_> {
    /// Until somebody ends it. Nothing that it started is left then, whatever it ends of.
    async fn run(self) -> Result<(), Fault> {
        let mut told_to_stop = Told::listen()?;
        // What cannot be read is said before the build, which takes longer.
        self.plan()?;
        let watch = Watch::start(&self.project.folder)?;
        let mut running = Processes::default();
        let ended = tokio::select! {
            ended = self.go_on(watch, &mut running) => ended,
            () = told_to_stop.once() => Ok(()),
        };
        self.shell.status("Stopping", "all; Ctrl-C again does not wait for jobs");
        let is_patient = tokio::select! {
            () = running.stop() => true,
            () = told_to_stop.once() => false,
        };
        if !is_patient {
            running.kill().await;
        }
        ended
    }

    /// Builds and starts, now and with each change. It can be dropped wherever it waits.
    async fn go_on(&self, mut watch: Watch, running: &mut Processes) -> Result<(), Fault> {
        let mut built = Built::new();
        let mut changed = Changed::everything();
        loop {
            match self.build.run(&self.stream).await? {
                None => self.shell.warn("the programs could not be built; waiting for a change"),
                Some(programs) if programs != built || changed.names(&READ_AT_START) || changed.is(&self.procfile) => {
                    if !running.is_empty() {
                        self.shell.status("Restarting", &changed);
                    }
                    watch.also(&self.project.folder, programs.keys());
                    match self.start_again(running, &programs).await {
                        Ok(()) => built = programs,
                        Err(Fault::Message(problem)) => self.shell.error(&problem),
                        Err(interrupted) => return Err(interrupted),
                    }
                }
                Some(_) => {}
            }
            changed = loop {
                tokio::select! {
                    changed = watch.next() => break changed?,
                    ended = running.next_end() => {
                        self.shell.warn(&format!("{ended}; it starts again with the next change"));
                    }
                }
            };
        }
    }

    /// What is to be run, with which variables.
    fn plan(&self) -> Result<(Vec<Line>, Environment), Fault> {
        let environment = Environment::read(&self.project.folder)?;
        let mut lines = procfile::read(&self.procfile)?;
        if !environment.settings(&self.project.folder)?.names_redis() {
            lines.retain(|line| line.name != WORKER);
            if lines.is_empty() {
                return Err(format!(
                    "no Redis is named, and a worker alone has jobs of nobody to run; name one in {}, like {}",
                    self.project.folder.join(".env").display(),
                    environment.example(&self.project.folder)
                )
                .into());
            }
        }
        Ok((lines, environment))
    }

    async fn start_again(&self, running: &mut Processes, programs: &Built) -> Result<(), Fault> {
        let (lines, environment) = self.plan()?;
        running.stop().await;
        let all = procfile::read(&self.procfile)?;
        if all.len() > lines.len() {
            self.shell.note(&format!(
                "no Redis is named, so jobs are in the memory of the web server, which runs them; with {} in .env there is a worker",
                environment.example(&self.project.folder)
            ));
        }
        let folders = programs.keys().filter_map(|program| program.parent());
        let patience = environment.settings(&self.project.folder)?.timeout.value + Duration::from_secs(5);
        *running = Processes::start(&lines, &self.project.folder, folders, &environment, patience, &self.stream)?;
        let names: Vec<String> = lines.iter().map(|line| self.stream.painted(&line.name)).collect();
        self.shell.status("Running", names.join(", "));
        Ok(())
    }
}

/// Ctrl-C, or TERM.
struct Told {
    interrupt: Signal,
    terminate: Signal,
}

impl Told {
    fn listen() -> Result<Self, Fault> {
        Ok(Told { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn once(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
