//! What a worker program is told to be: by its arguments, the environment, a file, or nobody; and by which of them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};

use crate::client::{Client, redis_of_environment};
use crate::job::options::DEFAULT_QUEUE;
use crate::suggest::closest;
use crate::worker::config::{
    Capsule, DEFAULT_CONCURRENCY, DEFAULT_LEASE, DEFAULT_MAX_UNACKED, DEFAULT_POLL_INTERVAL, DEFAULT_SHUTDOWN_TIMEOUT,
    MAX_CONCURRENCY, QueueSpec,
};
use crate::worker::{Worker, WorkerBuilder};

use super::file::{self, File};

/// Keys of `kiq.toml`.
const KEYS: [&str; 11] = [
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
];

/// Keys of `sidekiq.yml` that say something to kiq.
const SIDEKIQ_KEYS: [&str; 7] =
    ["capsules", "concurrency", "queues", "tag", "timeout", "average_scheduled_poll_interval", "environment"];

/// Keys of `sidekiq.yml` that say nothing to kiq.
const SIDEKIQ_ONLY: [&str; 13] = [
    "require",
    "verbose",
    "strict",
    "labels",
    "max_retries",
    "poll_interval_average",
    "dead_max_jobs",
    "dead_timeout_in_seconds",
    "max_iteration_runtime",
    "logged_job_attributes",
    "skip_default_job_logging",
    "pidfile",
    "logfile",
];

/// The longest shutdown timeout: platforms kill long before.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(3600);

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
/// | Redis | | `KIQ_REDIS_URL`, `REDIS_PROVIDER` (names a variable), `REDIS_URL` | `redis.url`; `redis.provider` (names the variable that is read in place of `REDIS_URL`) | `redis://127.0.0.1:6379/0` |
/// | jobs done and not told | | `KIQ_MAX_UNACKED` | `max_unacked` | 256 |
/// | lease | | `KIQ_LEASE` | `lease` | 15 s |
/// | look for due jobs every | | `KIQ_POLL_INTERVAL` | `poll_interval` | 5 s |
/// | more capsules | | | `[capsules.NAME]` with `queues`, `concurrency` | none |
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

    /// A worker as they say, which still wants a client ([`client`](Settings::client)) and an application: for a program that
    /// runs it beside something else.
    pub fn worker(&self) -> WorkerBuilder {
        let mut worker = Worker::builder()
            .queues(self.queues.value.clone())
            .concurrency(self.concurrency.value)
            .shutdown_timeout(self.timeout.value)
            .max_unacked(self.max_unacked.value)
            .lease(self.lease.value)
            .poll_interval(self.poll_interval.value)
            .tag(self.tag.value.clone());
        for capsule in &self.capsules.value {
            worker = worker.capsule(capsule.clone());
        }
        worker
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
        ]
    }
}

impl fmt::Debug for Settings {
    /// Without passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.list().into_iter().map(|(name, value, from)| (name, (value, from)))).finish()
    }
}

struct Loader<'a> {
    arguments: &'a Arguments,
    variables: &'a dyn Fn(&str) -> Option<OsString>,
    problems: Vec<String>,
    warnings: Vec<String>,
}

/// What was said, by whom. A text stands for whatever it can be read as.
type Said = Option<(Value, Origin)>;

impl Loader<'_> {
    fn load(mut self, folder: &Path) -> Result<Settings, SettingsError> {
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
        let environment = self.setting(environment, "development".to_owned(), text);

        let mut fields = top;
        if let Some(file) = &file {
            self.narrow(&mut fields, file, &environment.value);
            self.check_keys(&fields, file);
        }
        let key = |key: &str| in_file(&fields, key);

        let queues = match self.arguments.queues.as_slice() {
            [] => self.said_by("KIQ_QUEUES").map(|(value, from)| (split_words(value), from)),
            given => Some((given.iter().cloned().collect(), Origin::Argument("--queue"))),
        };
        let queues = self.setting(queues.or_else(|| key("queues")), vec![QueueSpec::from(DEFAULT_QUEUE)], |value| {
            queue_list(&value, "queues")
        });
        let concurrency = argument(&self.arguments.concurrency, "--concurrency")
            .or_else(|| self.said_by("KIQ_CONCURRENCY"))
            .or_else(|| key("concurrency"));
        let concurrency = self.setting(concurrency, DEFAULT_CONCURRENCY, |value| concurrency_of(&value, "concurrency"));
        let timeout = argument(&self.arguments.timeout, "--timeout")
            .or_else(|| self.said_by("KIQ_TIMEOUT"))
            .or_else(|| key("timeout"));
        let timeout = self.setting(timeout, DEFAULT_SHUTDOWN_TIMEOUT, |value| {
            duration(&value, "timeout", Duration::from_secs(1), LONGEST_TIMEOUT)
        });
        let tag = argument(&self.arguments.tag, "--tag").or_else(|| self.said_by("KIQ_TAG")).or_else(|| key("tag"));
        let tag = self.setting(tag, String::new(), text);
        let max_unacked = self.said_by("KIQ_MAX_UNACKED").or_else(|| key("max_unacked"));
        let max_unacked =
            self.setting(max_unacked, DEFAULT_MAX_UNACKED, |value| whole(&value, "max_unacked", 0, 1_000_000));
        let lease = self.said_by("KIQ_LEASE").or_else(|| key("lease"));
        let lease = self.setting(lease, DEFAULT_LEASE, |value| {
            duration(&value, "lease", Duration::from_secs(1), Duration::from_secs(3600))
        });
        let interval = self
            .said_by("KIQ_POLL_INTERVAL")
            .or_else(|| key("poll_interval"))
            .or_else(|| key("average_scheduled_poll_interval"));
        let poll_interval = self.setting(interval, DEFAULT_POLL_INTERVAL, |value| {
            duration(&value, "poll_interval", Duration::from_secs(1), Duration::from_secs(3600))
        });
        let capsules = self.setting(key("capsules"), Vec::new(), |value| capsules(&value));
        let redis = self.redis(key("redis"));

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
            capsules,
            redis,
            file: file.map(|file| file.path),
            warnings: self.warnings,
        })
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
        let provider = provider.filter(|_| said("REDIS_PROVIDER").is_none());
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

fn unknown(key: &str, known: &[&str]) -> String {
    match closest(key, known.iter().copied()) {
        Some(near) => format!("there is no key {key}; did you mean {near}?"),
        None => format!("there is no key {key}; there are {}", known.join(", ")),
    }
}

fn split_words(value: Value) -> Value {
    match value {
        Value::String(text) => text.split_whitespace().map(str::to_owned).collect(),
        other => other,
    }
}

fn text(value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(format!("{other} is no text")),
    }
}

/// A number, or a text of one: what `${…}` fills in is text.
fn whole(value: &Value, key: &str, least: usize, most: usize) -> Result<usize, String> {
    let number = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let number =
        number.and_then(|number| usize::try_from(number).ok()).filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("{key} is {value}; it must be a whole number from {least} to {most}"))
}

fn concurrency_of(value: &Value, key: &str) -> Result<usize, String> {
    whole(value, key, 1, MAX_CONCURRENCY)
}

/// Seconds, or a text with a unit: `90s`, `1m`.
fn duration(value: &Value, key: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    let found = match value {
        Value::Number(number) => number.as_u64().map(Duration::from_secs),
        Value::String(text) => crate::clock::parse_duration(text.trim()),
        _ => None,
    };
    found.filter(|found| (least..=most).contains(found)).ok_or_else(|| {
        format!(
            "{key} is {value}; it must be from {} to {} seconds, or a text like \"90s\" or \"1m\"",
            least.as_secs(),
            most.as_secs()
        )
    })
}

/// `["high,3", "low"]`, `[["high", 3], "low"]`, `{ high = 3, low = 1 }` or `"high"`.
fn queue_list(value: &Value, key: &str) -> Result<Vec<QueueSpec>, String> {
    let shape = || format!("{key} must be a list like [\"high,3\", \"default\"]");
    let one = |value: &Value| match value {
        Value::String(text) => QueueSpec::parse(text),
        Value::Array(pair) => match pair.as_slice() {
            [Value::String(name)] => QueueSpec::parse(name),
            [Value::String(name), weight] => {
                QueueSpec::parse(&format!("{name},{}", weight.to_string().trim_matches('"')))
            }
            _ => Err(shape()),
        },
        _ => Err(shape()),
    };
    let queues = match value {
        Value::Array(items) => items.iter().map(one).collect::<Result<Vec<_>, _>>()?,
        Value::Object(weights) => weights
            .iter()
            .map(|(name, weight)| QueueSpec::parse(&format!("{name},{}", weight.to_string().trim_matches('"'))))
            .collect::<Result<Vec<_>, _>>()?,
        text @ Value::String(_) => vec![one(text)?],
        _ => return Err(shape()),
    };
    if queues.is_empty() {
        return Err(format!("{key} is empty; a worker without queues does nothing"));
    }
    Ok(queues)
}

fn capsules(value: &Value) -> Result<Vec<Capsule>, String> {
    let Value::Object(capsules) = value else {
        return Err("capsules must be sections like [capsules.exports]".to_owned());
    };
    let mut sorted = BTreeMap::new();
    for (name, about) in capsules {
        let Value::Object(about) = about else {
            return Err(format!("capsules.{name} must be a section with queues and concurrency"));
        };
        let mut capsule = Capsule::new(name.clone());
        for (key, value) in about {
            let path = format!("capsules.{name}.{key}");
            capsule = match key.as_str() {
                "queues" => capsule.queues(queue_list(value, &path)?),
                "concurrency" => capsule.concurrency(concurrency_of(value, &path)?),
                _ => {
                    return Err(unknown(
                        &path,
                        &["queues", "concurrency"]
                            .map(|key| format!("capsules.{name}.{key}"))
                            .each_ref()
                            .map(String::as_str),
                    ));
                }
            };
        }
        sorted.insert(name.clone(), capsule);
    }
    Ok(sorted.into_values().collect())
}
