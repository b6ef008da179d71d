//! Who wins: puts together what arguments, environment and file say, and collects all that is wrong.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::broker::{DEAD_SET_AGE, DEAD_SET_LIMIT, DeadLimits};
use crate::client::{Client, redis_of_environment};
use crate::job::options::{DEFAULT_QUEUE, DEFAULT_RETRIES, MAX_RETRIES};
use crate::worker::config::{
    DEFAULT_BLOCKED_AFTER, DEFAULT_CONCURRENCY, DEFAULT_LEASE, DEFAULT_MAX_UNACKED, DEFAULT_POLL_INTERVAL,
    DEFAULT_SHUTDOWN_TIMEOUT, MAX_BLOCKING_THREADS, QueueSpec,
};

use super::super::file::{self, File};
use super::read::{self, unknown};
use super::{Arguments, Origin, Setting, Settings, SettingsError};

/// Keys of `kiq.toml`.
const KEYS: [&str; 18] = [
    "capsules",
    "concurrency",
    "environments",
    "lease",
    "max_unacked",
    "poll_interval",
    "queues",
    "redis",
    "tag",
    "timeout",
    "environment",
    "max_retries",
    "dead_max_jobs",
    "dead_timeout",
    "blocking_threads",
    "blocked_after",
    "health",
    "statsd",
];

/// Keys of `sidekiq.yml` that say something to kiq.
const SIDEKIQ_KEYS: [&str; 10] = [
    "capsules",
    "concurrency",
    "queues",
    "tag",
    "timeout",
    "average_scheduled_poll_interval",
    "environment",
    "max_retries",
    "dead_max_jobs",
    "dead_timeout_in_seconds",
];

/// Keys of `sidekiq.yml` that say nothing to kiq.
const SIDEKIQ_ONLY: [&str; 10] = [
    "require",
    "verbose",
    "strict",
    "labels",
    "poll_interval_average",
    "max_iteration_runtime",
    "logged_job_attributes",
    "skip_default_job_logging",
    "pidfile",
    "logfile",
];

/// The longest shutdown timeout: platforms kill long before.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(3600);

const SECOND: Duration = Duration::from_secs(1);

const HOUR: Duration = Duration::from_secs(3600);

/// For how long dead jobs may be kept: a hundred years.
const LONGEST_DEATH: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Longer than a shutdown timeout that platforms allow by default (Kubernetes, Heroku: 30 s), less a second for the rest.
const USUAL_GRACE: Duration = Duration::from_secs(29);

/// What was said, by whom. A text stands for whatever it can be read as.
type Said = Option<(Value, Origin)>;

pub(super) struct Loader<'a> {
    pub(super) arguments: &'a Arguments,
    pub(super) variables: &'a dyn Fn(&str) -> Option<OsString>,
    pub(super) problems: Vec<String>,
    pub(super) warnings: Vec<String>,
}

impl Loader<'_> {
    pub(super) fn load(mut self, folder: &Path) -> Result<Settings, SettingsError> {
        let named = self.arguments.config.clone().or_else(|| self.variable("KIQ_CONFIG").map(|(path, _)| path.into()));
        let read = |name: &str| (self.variables)(name).and_then(|value| value.into_string().ok());
        let file = match file::find(named.as_deref(), folder, &read) {
            Ok(file) => file,
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        };
        let top = file.as_ref().map(|file| file.fields.clone()).unwrap_or_default();
        let in_file = |fields: &Map<String, Value>, key: &str| -> Said {
            Some((fields.get(key)?.clone(), Origin::File(file.as_ref()?.path.clone())))
        };

        let argument = |value: &Option<String>, name| Some((Value::String(value.clone()?), Origin::Argument(name)));
        let environment = argument(&self.arguments.environment, "--environment")
            .or_else(|| ["KIQ_ENV", "APP_ENV", "RAILS_ENV", "RACK_ENV"].iter().find_map(|name| self.said_by(name)))
            .or_else(|| in_file(&top, "environment"));
        let environment = self.setting(environment, "development".to_owned(), read::text);

        let mut fields = top;
        if let Some(file) = &file {
            self.narrow(&mut fields, file, &environment.value);
            self.check_keys(&fields, file);
        }
        let key = |key: &str| in_file(&fields, key);

        let queues = match self.arguments.queues.as_slice() {
            [] => self.said_by("KIQ_QUEUES").map(|(value, from)| (read::split_words(value), from)),
            given => Some((given.iter().cloned().collect(), Origin::Argument("--queue"))),
        };
        let queues = self.setting(queues.or_else(|| key("queues")), vec![QueueSpec::from(DEFAULT_QUEUE)], |value| {
            read::queue_list(&value, "queues")
        });
        let concurrency = argument(&self.arguments.concurrency, "--concurrency")
            .or_else(|| self.said_by("KIQ_CONCURRENCY"))
            .or_else(|| key("concurrency"));
        let concurrency =
            self.setting(concurrency, DEFAULT_CONCURRENCY, |value| read::concurrency(&value, "concurrency"));
        let timeout = argument(&self.arguments.timeout, "--timeout")
            .or_else(|| self.said_by("KIQ_TIMEOUT"))
            .or_else(|| key("timeout"));
        let timeout = self.setting(timeout, DEFAULT_SHUTDOWN_TIMEOUT, |value| {
            read::duration(&value, "timeout", SECOND, LONGEST_TIMEOUT)
        });
        let tag = argument(&self.arguments.tag, "--tag").or_else(|| self.said_by("KIQ_TAG")).or_else(|| key("tag"));
        let tag = self.setting(tag, String::new(), read::text);
        let max_unacked = self.said_by("KIQ_MAX_UNACKED").or_else(|| key("max_unacked"));
        let max_unacked =
            self.setting(max_unacked, DEFAULT_MAX_UNACKED, |value| read::whole(&value, "max_unacked", 0, 1_000_000));
        let lease = self.said_by("KIQ_LEASE").or_else(|| key("lease"));
        let lease = self.setting(lease, DEFAULT_LEASE, |value| read::duration(&value, "lease", SECOND, HOUR));
        let interval = self
            .said_by("KIQ_POLL_INTERVAL")
            .or_else(|| key("poll_interval"))
            .or_else(|| key("average_scheduled_poll_interval"));
        let poll_interval = self
            .setting(interval, DEFAULT_POLL_INTERVAL, |value| read::duration(&value, "poll_interval", SECOND, HOUR));
        let max_retries = self.said_by("KIQ_MAX_RETRIES").or_else(|| key("max_retries"));
        let max_retries = self.setting(max_retries, DEFAULT_RETRIES, |value| {
            read::whole(&value, "max_retries", 0, MAX_RETRIES as usize).map(|retries| retries as u32)
        });
        let dead_jobs = self.said_by("KIQ_DEAD_MAX_JOBS").or_else(|| key("dead_max_jobs"));
        let dead_max_jobs = self
            .setting(dead_jobs, DEAD_SET_LIMIT, |value| read::whole(&value, "dead_max_jobs", 1, DeadLimits::MOST_JOBS));
        let dead_timeout =
            self.said_by("KIQ_DEAD_TIMEOUT").or_else(|| key("dead_timeout")).or_else(|| key("dead_timeout_in_seconds"));
        let dead_timeout = self.setting(dead_timeout, DEAD_SET_AGE, |value| {
            read::duration(&value, "dead_timeout", Duration::from_secs(60), LONGEST_DEATH)
        });
        let threads = self.said_by("KIQ_BLOCKING_THREADS").or_else(|| key("blocking_threads"));
        let blocking_threads = self
            .setting(threads, None, |value| read::whole(&value, "blocking_threads", 1, MAX_BLOCKING_THREADS).map(Some));
        let blocked_after = self.said_by("KIQ_BLOCKED_AFTER").or_else(|| key("blocked_after"));
        let blocked_after = self
            .setting(blocked_after, DEFAULT_BLOCKED_AFTER, |value| read::short_duration(&value, "blocked_after", HOUR));
        let health = argument(&self.arguments.health, "--health")
            .or_else(|| self.said_by("KIQ_HEALTH"))
            .or_else(|| key("health"));
        let health = self.setting(health, None, |value| read::listener(&value, "health").map(Some));
        let statsd = self.said_by("KIQ_STATSD").or_else(|| key("statsd"));
        let statsd = self.setting(statsd, String::new(), |value| read::host_and_port(&value, "statsd"));
        let capsules = self.setting(key("capsules"), Vec::new(), |value| read::capsules(&value));
        let redis = self.redis(key("redis"));
        self.warn_of(&timeout);

        if !self.problems.is_empty() {
            return Err(SettingsError { problems: self.problems });
        }
        Ok(Settings {
            queues,
            concurrency,
            timeout,
            tag,
            environment,
            max_unacked,
            lease,
            poll_interval,
            max_retries,
            dead_max_jobs,
            dead_timeout,
            blocking_threads,
            blocked_after,
            health,
            statsd,
            capsules,
            redis,
            file: file.map(|file| file.path),
            warnings: self.warnings,
        })
    }

    /// A timeout beyond what platforms wait is not one: they kill before it ends.
    fn warn_of(&mut self, timeout: &Setting<Duration>) {
        if timeout.value > USUAL_GRACE {
            self.warnings.push(format!(
                "{}: timeout is {} s, and Kubernetes and others kill a process 30 s after they ask it to stop, unless told \
                 otherwise; raise that too (terminationGracePeriodSeconds, TimeoutStopSec)",
                timeout.from,
                timeout.value.as_secs()
            ));
        }
    }

    /// What was said, if it can be used; else the default, and a problem.
    fn setting<T>(&mut self, said: Said, default: T, read: impl FnOnce(Value) -> Result<T, String>) -> Setting<T> {
        let Some((value, from)) = said else { return Setting { value: default, from: Origin::Default } };
        match read(value) {
            Ok(value) => Setting { value, from },
            Err(problem) => {
                self.problems.push(format!("{from}: {problem}"));
                Setting { value: default, from }
            }
        }
    }

    /// A variable that says something, without the end of line that files of secrets bring along.
    fn variable(&mut self, name: &str) -> Option<(String, Origin)> {
        let value = (self.variables)(name)?;
        let from = Origin::Variable(name.to_owned());
        let Ok(value) = value.into_string() else {
            self.problems.push(format!("{from}: is not text in UTF-8"));
            return None;
        };
        let trimmed = value.trim();
        if trimmed.is_empty() {
            self.warnings.push(format!("{from} is set but empty, and was taken for not set"));
            return None;
        }
        if trimmed.len() < value.len() {
            self.warnings.push(format!("{from} has blanks or an end of line around it, which were left out"));
        }
        Some((trimmed.to_owned(), from))
    }

    fn said_by(&mut self, variable: &str) -> Said {
        self.variable(variable).map(|(value, from)| (Value::String(value), from))
    }

    /// Lets the section of the environment win over the top.
    fn narrow(&mut self, fields: &mut Map<String, Value>, file: &File, environment: &str) {
        let section = match file.is_sidekiqs {
            true => fields.remove(environment),
            false => fields.remove("environments").and_then(|mut all| match &mut all {
                Value::Object(sections) => sections.remove(environment),
                _ => {
                    let path = file.path.display();
                    self.problems
                        .push(format!("{path}: environments must have sections, like [environments.production]"));
                    None
                }
            }),
        };
        match section {
            Some(Value::Object(section)) => fields.extend(section),
            Some(_) => {
                let path = file.path.display();
                self.problems.push(format!("{path}: what is under {environment} must have keys and values"));
            }
            None => {}
        }
    }

    fn check_keys(&mut self, fields: &Map<String, Value>, file: &File) {
        let path = file.path.display();
        let known: &[&str] = if file.is_sidekiqs { &SIDEKIQ_KEYS } else { &KEYS };
        for (key, value) in fields {
            if known.contains(&key.as_str()) || file.is_sidekiqs && value.is_object() {
                continue;
            }
            if file.is_sidekiqs && SIDEKIQ_ONLY.contains(&key.as_str()) {
                self.warnings.push(format!("{path}: {key} means nothing to kiq, and was left out"));
                continue;
            }
            self.problems.push(format!("{path}: {}", unknown(key, known)));
        }
    }

    /// The environment wins over the file here, too: an address with a password belongs there.
    fn redis(&mut self, in_file: Said) -> Setting<String> {
        let (in_file, provider) = self.provider(in_file);
        let said = |name: &str| (self.variables)(name).and_then(|value| value.into_string().ok());
        // The file's provider is read as if the environment had named it, unless that names another.
        let is_named = said("KIQ_REDIS_PROVIDER").is_some() || said("REDIS_PROVIDER").is_some();
        let provider = provider.filter(|_| !is_named);
        let read = |name: &str| match (name, &provider) {
            ("REDIS_PROVIDER", Some(provider)) => said(provider).is_some().then(|| provider.clone()),
            ("REDIS_URL", Some(provider)) if provider != name => None,
            _ => said(name),
        };
        let (value, from) = match redis_of_environment(read) {
            Ok(Some((variable, url))) => {
                let trimmed = url.trim().to_owned();
                if trimmed.len() < url.len() {
                    self.warnings
                        .push(format!("${variable} has blanks or an end of line around it, which were left out"));
                }
                (trimmed, Origin::Variable(variable))
            }
            Ok(None) => match in_file {
                None => ("redis://127.0.0.1:6379/0".to_owned(), Origin::Default),
                Some((Value::Object(mut redis), from)) => {
                    let url = redis.remove("url");
                    for key in redis.keys() {
                        let known = ["redis.url", "redis.provider"];
                        self.problems.push(format!("{from}: {}", unknown(&format!("redis.{key}"), &known)));
                    }
                    match url {
                        Some(Value::String(url)) => (url.trim().to_owned(), from),
                        _ => {
                            self.problems
                                .push(format!("{from}: redis.url must be an address like redis://127.0.0.1:6379/0"));
                            (String::new(), from)
                        }
                    }
                }
                Some((_, from)) => {
                    self.problems.push(format!("{from}: redis must be a section: [redis] with url = \"…\" below"));
                    (String::new(), from)
                }
            },
            Err(error) => {
                self.problems.push(error.to_string());
                return Setting { value: String::new(), from: Origin::Default };
            }
        };
        if !value.is_empty()
            && let Err(error) = Client::connect(&value)
        {
            self.problems.push(format!("{from}: {error}"));
        }
        Setting { value, from }
    }

    /// What the file says of Redis without the variable it names, and that variable.
    fn provider(&mut self, in_file: Said) -> (Said, Option<String>) {
        let Some((Value::Object(mut redis), from)) = in_file else { return (in_file, None) };
        let provider = match redis.remove("provider") {
            None => return (Some((Value::Object(redis), from)), None),
            Some(Value::String(name)) if is_variable(&name) => Some(name),
            Some(other) => {
                self.problems.push(format!("{from}: redis.provider is {other}; it must be the name of a variable"));
                None
            }
        };
        // With nothing else said there, the default counts.
        (if redis.is_empty() { None } else { Some((Value::Object(redis), from)) }, provider)
    }
}

/// Whether it can be the name of a variable, and is no address that was put in its place.
fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
