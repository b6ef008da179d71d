//! What a worker program is told to be: by its arguments, the environment, a file, or nobody; and by which of them.

mod load;
mod read;

use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::app::App;
use crate::broker::DeadLimits;
use crate::client::Client;
use crate::worker::config::{Capsule, QueueSpec, default_blocking_threads};
use crate::worker::{Worker, WorkerBuilder};

use load::Loader;

/// Who said it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Nobody.
    Default,
    /// The file of that name.
    File(PathBuf),
    /// The variable of that name.
    Variable(String),
    /// The argument of that name.
    Argument(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path) => write!(f, "{}", path.display()),
            Origin::Variable(name) => write!(f, "${name}"),
            Origin::Argument(name) => f.write_str(name),
        }
    }
}

/// A value, and who said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Who said it.
    pub from: Origin,
}

/// What the arguments say.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    /// `-q`, as often as it was given.
    pub queues: Vec<String>,
    /// `-c`.
    pub concurrency: Option<String>,
    /// `-t`, in seconds.
    pub timeout: Option<String>,
    /// `-g`.
    pub tag: Option<String>,
    /// `-e`.
    pub environment: Option<String>,
    /// `-C`.
    pub config: Option<PathBuf>,
    /// `--health`.
    pub health: Option<String>,
}

/// What a worker program is told to be. The arguments win over the environment, that over the file, that over the defaults.
///
/// | setting | argument | variable | key in `kiq.toml` | default |
/// |---|---|---|---|---|
/// | queues of the main capsule | `-q high,3 -q default` | `KIQ_QUEUES="high,3 default"` | `queues = ["high,3", "default"]` or `{ high = 3 }` | `default` |
/// | jobs at once | `-c 10` | `KIQ_CONCURRENCY` | `concurrency` | 10 |
/// | shutdown timeout | `-t 25` | `KIQ_TIMEOUT` | `timeout` (seconds, or `"1m"`) | 25 s |
/// | label for people | `-g shop` | `KIQ_TAG` | `tag` | none |
/// | environment | `-e production` | `KIQ_ENV`, `APP_ENV`, `RAILS_ENV`, `RACK_ENV` | `environment` | `development` |
/// | file | `-C kiq.toml` | `KIQ_CONFIG` | | `kiq.toml`, `config/kiq.toml`, `config/sidekiq.yml`, `sidekiq.yml` |
/// | Redis | | `KIQ_REDIS_URL`, `KIQ_REDIS_PROVIDER`, `REDIS_PROVIDER` (each names a variable), `REDIS_URL` | `redis.url`; `redis.provider` names the variable that is read in place of `REDIS_URL` | `redis://127.0.0.1:6379/0` |
/// | jobs done and not told | | `KIQ_MAX_UNACKED` | `max_unacked` | 256 |
/// | lease | | `KIQ_LEASE` | `lease` | 15 s |
/// | look for due jobs every | | `KIQ_POLL_INTERVAL` | `poll_interval` | 5 s |
/// | retries of a job that does not say | | `KIQ_MAX_RETRIES` | `max_retries` | 25 |
/// | dead jobs that are kept | | `KIQ_DEAD_MAX_JOBS` | `dead_max_jobs` | 10,000 |
/// | for how long | | `KIQ_DEAD_TIMEOUT` | `dead_timeout` (seconds, or `"90d"`) | 180 days |
/// | threads for blocking jobs | | `KIQ_BLOCKING_THREADS` | `blocking_threads` | one for each job at once, 512 at most |
/// | tell of a job that blocks the runtime for | | `KIQ_BLOCKED_AFTER` | `blocked_after` (`"100ms"`, 0: never) | 100 ms |
/// | where health is asked for | `--health 7433` | `KIQ_HEALTH` | `health` (a port, or `"0.0.0.0:7433"`) | nowhere |
/// | where numbers are sent, in DogStatsD's format | | `KIQ_STATSD` | `statsd` (`"127.0.0.1:8125"`) | nowhere |
/// | more capsules | | | `[capsules.NAME]` with `queues`, `concurrency` | none |
///
/// What an operator says of retries and dead jobs wins over what the program's `App` says.
///
/// Any text in the file may have `${VARIABLE}` or `${VARIABLE:-default}` in it. `[environments.production]` has keys that win
/// over those at the top when that is the environment. A `sidekiq.yml` is read with Sidekiq's names.
#[derive(Clone)]
#[non_exhaustive]
pub struct Settings {
    /// The queues of the main capsule.
    pub queues: Setting<Vec<QueueSpec>>,
    /// Jobs at once in the main capsule.
    pub concurrency: Setting<usize>,
    /// How long a stopping worker waits for running jobs.
    pub timeout: Setting<Duration>,
    /// A label for people.
    pub tag: Setting<String>,
    /// What the program calls its surroundings.
    pub environment: Setting<String>,
    /// Jobs that may be done without the store knowing.
    pub max_unacked: Setting<usize>,
    /// How long the process owns what it fetched after its last sign of life.
    pub lease: Setting<Duration>,
    /// How often all processes together look for due jobs.
    pub poll_interval: Setting<Duration>,
    /// The retries of a job that says `retry = true` or nothing.
    pub max_retries: Setting<u32>,
    /// How many dead jobs are kept.
    pub dead_max_jobs: Setting<usize>,
    /// For how long dead jobs are kept.
    pub dead_timeout: Setting<Duration>,
    /// Threads for blocking jobs; `None`: one for each job at once.
    pub blocking_threads: Setting<Option<usize>>,
    /// How long a job may keep a thread of the runtime before it is told of; zero: never.
    pub blocked_after: Setting<Duration>,
    /// Where `/live` and `/ready` are answered (feature `health`).
    pub health: Setting<Option<SocketAddr>>,
    /// Where numbers are sent (feature `statsd`): `host:port`, or nothing.
    pub statsd: Setting<String>,
    /// Capsules beside the main one.
    pub capsules: Setting<Vec<Capsule>>,
    redis: Setting<String>,
    /// The file, if there is one.
    pub file: Option<PathBuf>,
    /// What is odd and not wrong, one sentence each.
    pub warnings: Vec<String>,
}

/// Settings that cannot be used: all that is wrong, one sentence each, with who said it.
#[derive(Debug, thiserror::Error)]
#[error("the configuration cannot be used:\n  {}", .problems.join("\n  "))]
pub struct SettingsError {
    /// What is wrong.
    pub problems: Vec<String>,
}

impl Settings {
    /// Puts together what the arguments, this process's environment, and the file in or below this folder say.
    ///
    /// # Errors
    /// Names everything that cannot be used, who said it, and the remedy.
    pub fn load(arguments: &Arguments) -> Result<Self, SettingsError> {
        let folder = std::env::current_dir().unwrap_or_default();
        Settings::load_from(arguments, &|name| std::env::var_os(name), &folder)
    }

    /// The same with another environment and folder.
    ///
    /// # Errors
    /// As [`load`](Settings::load).
    pub fn load_from(
        arguments: &Arguments,
        variables: &dyn Fn(&str) -> Option<OsString>,
        folder: &Path,
    ) -> Result<Self, SettingsError> {
        Loader { arguments, variables, problems: Vec::new(), warnings: Vec::new() }.load(folder)
    }

    /// A client of the Redis that is named.
    ///
    /// # Errors
    /// When its address cannot be used.
    pub fn client(&self) -> Result<Client, crate::error::BrokerError> {
        Client::connect(&self.redis.value)
    }

    /// Whether anybody named a Redis. If not, [`client`](Settings::client) tries one on this machine, and a program may keep its
    /// jobs in memory instead.
    pub fn names_redis(&self) -> bool {
        self.redis.from != Origin::Default
    }

    /// A worker of that application as they say, which still wants a client ([`client`](Settings::client)): for a program that
    /// runs it beside something else. What an operator says wins over what the application says.
    pub fn worker(&self, app: &App) -> WorkerBuilder {
        let mut worker = Worker::builder()
            .queues(self.queues.value.clone())
            .concurrency(self.concurrency.value)
            .shutdown_timeout(self.timeout.value)
            .max_unacked(self.max_unacked.value)
            .lease(self.lease.value)
            .poll_interval(self.poll_interval.value)
            .blocking_threads(self.worker_threads_for_blocking())
            .blocked_after(self.blocked_after.value)
            .tag(self.tag.value.clone())
            .app(app);
        for capsule in &self.capsules.value {
            worker = worker.capsule(capsule.clone());
        }
        if self.max_retries.from != Origin::Default {
            worker = worker.max_retries(self.max_retries.value);
        }
        match self.dead_limits() {
            Some(limits) => worker.dead_limits(limits),
            None => worker,
        }
    }

    /// How much of the dead set is to be kept, if an operator said so.
    pub(crate) fn dead_limits(&self) -> Option<DeadLimits> {
        let is_said = self.dead_max_jobs.from != Origin::Default || self.dead_timeout.from != Origin::Default;
        is_said.then(|| DeadLimits::default().jobs(self.dead_max_jobs.value).age(self.dead_timeout.value))
    }

    /// Jobs at once, in all capsules.
    pub(crate) fn all_at_once(&self) -> usize {
        let others = self.capsules.value.iter().map(Capsule::jobs_at_once);
        others.fold(self.concurrency.value, usize::saturating_add)
    }

    /// The threads for blocking jobs that a worker of these settings has.
    pub(crate) fn worker_threads_for_blocking(&self) -> usize {
        self.blocking_threads.value.unwrap_or_else(|| default_blocking_threads(self.all_at_once()))
    }

    /// All settings with their values and who said them, without passwords.
    pub fn list(&self) -> Vec<(&'static str, String, Origin)> {
        fn row<T>(name: &'static str, setting: &Setting<T>, shown: String) -> (&'static str, String, Origin) {
            (name, shown, setting.from.clone())
        }
        let queues: Vec<String> = self.queues.value.iter().map(ToString::to_string).collect();
        let capsules: Vec<String> = self.capsules.value.iter().map(ToString::to_string).collect();
        let redis = self.client().map_or_else(|error| error.to_string(), |client| client.broker().place());
        vec![
            row("redis.url", &self.redis, redis),
            row("environment", &self.environment, self.environment.value.clone()),
            row("tag", &self.tag, self.tag.value.clone()),
            row("queues", &self.queues, queues.join(" ")),
            row("concurrency", &self.concurrency, self.concurrency.value.to_string()),
            row("capsules", &self.capsules, capsules.join("; ")),
            row("timeout", &self.timeout, format!("{:?}", self.timeout.value)),
            row("max_unacked", &self.max_unacked, self.max_unacked.value.to_string()),
            row("lease", &self.lease, format!("{:?}", self.lease.value)),
            row("poll_interval", &self.poll_interval, format!("{:?}", self.poll_interval.value)),
            row("max_retries", &self.max_retries, self.max_retries.value.to_string()),
            row("dead_max_jobs", &self.dead_max_jobs, self.dead_max_jobs.value.to_string()),
            row("dead_timeout", &self.dead_timeout, days(self.dead_timeout.value)),
            row("blocking_threads", &self.blocking_threads, self.worker_threads_for_blocking().to_string()),
            row("blocked_after", &self.blocked_after, format!("{:?}", self.blocked_after.value)),
            row("health", &self.health, self.health.value.map(|at| at.to_string()).unwrap_or_default()),
            row("statsd", &self.statsd, self.statsd.value.clone()),
        ]
    }
}

/// Whole days as such, as an operator thinks of them.
fn days(time: Duration) -> String {
    match (time.as_secs() / 86_400, time.as_secs() % 86_400) {
        (days, 0) => format!("{days} days"),
        _ => format!("{time:?}"),
    }
}

impl fmt::Debug for Settings {
    /// Without passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.list().into_iter().map(|(name, value, from)| (name, (value, from)))).finish()
    }
}
