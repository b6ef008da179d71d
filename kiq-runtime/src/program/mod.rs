//! A worker as a program of its own: arguments, configuration, logs, signals, exit codes, in one line of `main`.

pub mod settings;

mod arguments;
#[cfg(any(feature = "prometheus", feature = "statsd"))]
mod exporters;
mod file;
#[cfg(feature = "health")]
mod health;
mod inventory;
#[cfg(unix)]
mod notify;
mod ruby;

use std::error::Error;
use std::ffi::OsString;
use std::future::Future;
use std::io::Write as _;
use std::pin::Pin;
use std::process::ExitCode;

use crate::app::App;
use crate::client;
use crate::job::Registry;
use crate::logs;
use crate::worker::{WorkerBuilder, WorkerError};

pub use ruby::ruby_stubs;
pub use settings::{Arguments, Origin, Setting, Settings, SettingsError};

use arguments::{Request, Show};

/// The exit code for a Redis that cannot be used: `EX_UNAVAILABLE`.
const UNAVAILABLE: u8 = 69;

/// The exit code for a set-up that failed: `EX_SOFTWARE`.
const SOFTWARE: u8 = 70;

/// The exit code for a configuration that cannot be used: `EX_CONFIG`.
const CONFIG: u8 = 78;

/// Threads for blocking code that is no job's: files and name lookups.
const OTHER_BLOCKING: usize = 32;

type SetUp = Box<dyn FnOnce(Settings) -> Pin<Box<dyn Future<Output = Result<App, Box<dyn Error + Send + Sync>>>>>>;

/// A worker as a program of its own.
///
/// It reads arguments (`-q high,3 -q default -c 10 -t 25`, `--help` tells all), the environment and `kiq.toml`
/// ([`Settings`]), writes logs, obeys signals, tells systemd that it is ready, and ends with an exit code.
///
/// # Examples
/// ```no_run
/// use kiq::{App, Program};
/// use std::process::ExitCode;
///
/// #[kiq::job]
/// async fn send_welcome(user_id: u64) { println!("welcome, user {user_id}"); }
///
/// fn main() -> ExitCode {
///     Program::new().app(App::new()).run()
/// }
/// ```
///
/// With something to prepare first:
///
/// ```no_run
/// # use kiq::{App, Program};
/// # struct Db;
/// # impl Db { async fn connect() -> Result<Db, std::io::Error> { Ok(Db) } }
/// # fn main() -> std::process::ExitCode {
/// Program::new().set_up(async |settings| {
///     println!("this is {}", settings.environment.value);
///     Ok(App::new().data(Db::connect().await?))
/// }).run()
/// # }
/// ```
#[must_use = "a program does nothing until it is run"]
pub struct Program {
    name: &'static str,
    version: &'static str,
    set_up: SetUp,
    tune: Box<dyn FnOnce(WorkerBuilder) -> WorkerBuilder>,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program").field("name", &self.name).field("version", &self.version).finish_non_exhaustive()
    }
}

impl Default for Program {
    fn default() -> Self {
        Self::new()
    }
}

impl Program {
    /// A worker with nothing added, called `worker`.
    pub fn new() -> Self {
        Program {
            name: "worker",
            version: concat!("kiq ", env!("CARGO_PKG_VERSION")),
            set_up: Box::new(|_| Box::pin(async { Ok(App::new()) })),
            tune: Box::new(|builder| builder),
        }
    }

    /// What `--help` and `--version` call it: `env!("CARGO_PKG_NAME")`, say.
    pub fn name(mut self, name: &'static str, version: &'static str) -> Self {
        (self.name, self.version) = (name, version);
        self
    }

    /// What the application adds.
    pub fn app(self, app: App) -> Self {
        self.set_up(async |_| Ok(app))
    }

    /// Makes what the application adds, once the settings are known and the client is. If it fails, the program ends with 70.
    pub fn set_up<F>(mut self, set_up: F) -> Self
    where
        F: AsyncFnOnce(Settings) -> Result<App, Box<dyn Error + Send + Sync>> + 'static,
    {
        self.set_up = Box::new(|settings| Box::pin(async move { set_up(settings).await }));
        self
    }

    /// Sets what has no setting, after everything else: `.tune(|worker| worker.backoff(…))`.
    pub fn tune(mut self, tune: impl FnOnce(WorkerBuilder) -> WorkerBuilder + 'static) -> Self {
        self.tune = Box::new(tune);
        self
    }

    /// Runs until it is told to stop.
    pub fn run(self) -> ExitCode {
        self.run_with(std::env::args_os())
    }

    /// The same with other arguments, the first of which is the program.
    pub fn run_with(self, given: impl IntoIterator<Item = OsString>) -> ExitCode {
        let request = match arguments::read(self.name, self.version, given) {
            Ok(request) => request,
            Err(answer) => {
                // If nobody reads it, that is no reason to fail.
                let _ = answer.print();
                return ExitCode::from(u8::try_from(answer.exit_code()).unwrap_or(2));
            }
        };
        match request.show {
            Some(Show::Jobs(form)) => return inventory::show(form),
            Some(Show::RubyStubs) => return show_stubs(self.name),
            Some(Show::Settings) | None => {}
        }
        let settings = match Settings::load(&request.arguments) {
            Ok(settings) => settings,
            Err(error) => return fail(CONFIG, &error),
        };
        if request.show == Some(Show::Settings) {
            return show_settings(&settings);
        }
        if let Err(error) = start_logs(&request) {
            return fail(CONFIG, &error);
        }
        for warning in &settings.warnings {
            tracing::warn!("{warning}");
        }
        if let Err(error) = check_features(&settings) {
            return fail(CONFIG, &error);
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .max_blocking_threads(settings.worker_threads_for_blocking() + OTHER_BLOCKING)
            .enable_all()
            .build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => return fail(SOFTWARE, &error),
        };
        let code = runtime.block_on(self.work(settings));
        // A blocking job that was given back still holds its thread, and must not hold the program.
        runtime.shutdown_background();
        code
    }

    async fn work(self, settings: Settings) -> ExitCode {
        let client = match settings.client() {
            Ok(client) => client,
            Err(error) => return fail(CONFIG, &error),
        };
        #[cfg(any(feature = "prometheus", feature = "statsd"))]
        let exporters = match exporters::install(&settings) {
            Ok(exporters) => exporters,
            Err(error) => return fail(CONFIG, &error),
        };
        #[cfg(feature = "health")]
        let answers = health::Answers {
            #[cfg(feature = "prometheus")]
            prometheus: exporters.prometheus.clone(),
            ..Default::default()
        };
        #[cfg(feature = "health")]
        if let Some(at) = settings.health.value {
            match health::start(at, answers.clone()) {
                Ok(at) => tracing::info!(%at, "health is answered: /live, /ready and /metrics"),
                Err(error) => return fail(CONFIG, &format!("{}: {error}", settings.health.from)),
            }
        }
        // Jobs enqueue others without being given a client.
        client::init(client.clone());
        let said = settings.clone();
        let app = match (self.set_up)(settings).await {
            Ok(app) => app,
            Err(error) => return fail(SOFTWARE, &*error),
        };
        #[cfg(any(feature = "prometheus", feature = "statsd"))]
        let app = if exporters.any { app.meter(crate::meters::Metrics::new()) } else { app };
        let worker = said.worker(&app).client(client);
        let worker = match (self.tune)(worker).build() {
            Ok(worker) => worker,
            Err(error) => return fail(CONFIG, &error),
        };
        #[cfg(feature = "health")]
        let _ = answers.worker.set(worker.controls());
        #[cfg(unix)]
        let told = tokio::spawn(notify::tell_systemd(worker.events()));
        let ended = worker.run().await;
        #[cfg(unix)]
        told.abort();
        match ended {
            Ok(()) => ExitCode::SUCCESS,
            Err(error @ WorkerError::Thread(_)) => fail(SOFTWARE, &error),
            Err(error) => fail(UNAVAILABLE, &error),
        }
    }
}

/// What is asked for must be there: a worker without the port that its platform asks would be killed for it.
fn check_features(settings: &Settings) -> Result<(), SettingsError> {
    let mut problems = Vec::new();
    let mut missing = |is_said: bool, is_built: bool, from: &Origin, name: &str| {
        if is_said && !is_built {
            problems.push(format!(
                "{from}: {name} is set, and this program was built without it; add the feature `{name}` to kiq in Cargo.toml"
            ));
        }
    };
    missing(settings.health.value.is_some(), cfg!(feature = "health"), &settings.health.from, "health");
    missing(!settings.statsd.value.is_empty(), cfg!(feature = "statsd"), &settings.statsd.from, "statsd");
    if problems.is_empty() { Ok(()) } else { Err(SettingsError { problems }) }
}

fn start_logs(request: &Request) -> Result<(), logs::LogsError> {
    let started = if request.is_verbose && std::env::var_os("KIQ_LOG").is_none() {
        logs::init_with("info,kiq_runtime=debug", logs::Format::from_env()?)
    } else {
        logs::init()
    };
    match started {
        // The application has its own.
        Err(logs::LogsError::Taken(_)) => Ok(()),
        other => other,
    }
}

fn show_settings(settings: &Settings) -> ExitCode {
    let mut out = std::io::stdout().lock();
    for (name, value, from) in settings.list() {
        if writeln!(out, "{name:<14} {value:<36} {from}").is_err() {
            break;
        }
    }
    ExitCode::SUCCESS
}

fn show_stubs(program: &str) -> ExitCode {
    let registry = match Registry::linked() {
        Ok(registry) => registry,
        Err(error) => return fail(CONFIG, &error),
    };
    // If nobody reads it, that is no reason to fail.
    let _ = std::io::stdout().lock().write_all(ruby_stubs(&registry, program).as_bytes());
    ExitCode::SUCCESS
}

/// Says on standard error why the program ends: logs may be off, or not started.
fn fail(code: u8, error: &dyn std::fmt::Display) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "error: {error}");
    ExitCode::from(code)
}
