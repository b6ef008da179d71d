//! Log lines for programs with no `tracing` set-up of their own: for people, or as JSON for machines.
//!
//! kiq itself only speaks to `tracing`. A program that has a subscriber of its own needs nothing of this.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

/// The variable that says what is logged.
const LEVELS: &str = "KIQ_LOG";

/// The variable that says in which form.
const FORMAT: &str = "KIQ_LOG_FORMAT";

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people: time, level, the job with its class, jid, queue and attempt, and the message. In colour on a terminal,
    /// or if `CLICOLOR_FORCE` is set, unless `NO_COLOR` is. Control characters in messages are escaped.
    #[default]
    Text,
    /// One JSON object a line; the job is the object `span`.
    Json,
}

impl Format {
    /// As `KIQ_LOG_FORMAT` says.
    ///
    /// # Errors
    /// When it says something else than `text` or `json`.
    pub fn from_env() -> Result<Self, LogsError> {
        format(std::env::var(FORMAT).ok().filter(|value| !value.trim().is_empty()).as_deref())
    }
}

/// Writes log lines to standard error, as the environment says.
///
/// | variable | takes | default |
/// |---|---|---|
/// | `KIQ_LOG` | a level (`error`, `warn`, `info`, `debug`, `trace`, `off`), and levels of single crates: `info,kiq_runtime=debug,my_app=trace` | `info` |
/// | `KIQ_LOG_FORMAT` | `text` or `json` | `text` |
///
/// # Errors
/// When a variable says something else, or the program has a `tracing` subscriber already.
///
/// # Examples
/// ```standalone_crate
/// kiq::logs::init()?;
/// # Ok::<(), kiq::logs::LogsError>(())
/// ```
pub fn init() -> Result<(), LogsError> {
    let read = |variable| std::env::var(variable).ok().filter(|value| !value.trim().is_empty());
    let levels = read(LEVELS).unwrap_or_else(|| "info".to_owned());
    init_with(&levels, format(read(FORMAT).as_deref())?)
}

/// The same with everything said by the program: `levels` as in `KIQ_LOG`.
///
/// # Errors
/// When `levels` cannot be read, or the program has a `tracing` subscriber already.
pub fn init_with(levels: &str, format: Format) -> Result<(), LogsError> {
    let levels = targets(levels)?;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(has_colours(io::stderr().is_terminal(), |name| std::env::var_os(name)))
        .with_target(false)
        .with_span_events(FmtSpan::NONE);
    let registry = tracing_subscriber::registry().with(levels);
    match format {
        Format::Text => registry.with(lines).try_init(),
        Format::Json => registry.with(lines.json().with_span_list(false).flatten_event(true)).try_init(),
    }
    .map_err(LogsError::Taken)
}

/// On a terminal, or where `CLICOLOR_FORCE` says that one is behind; and never where `NO_COLOR` asks for none.
fn has_colours(is_terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let is_set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
    let is_forced = is_set("CLICOLOR_FORCE") && variable("CLICOLOR_FORCE").is_some_and(|value| value != "0");
    !is_set("NO_COLOR") && (is_terminal || is_forced)
}

fn format(word: Option<&str>) -> Result<Format, LogsError> {
    match word.map(str::trim) {
        None | Some("text") => Ok(Format::Text),
        Some("json") => Ok(Format::Json),
        Some(other) => Err(LogsError::Format { value: other.to_owned() }),
    }
}

fn targets(levels: &str) -> Result<Targets, LogsError> {
    let fault = || LogsError::Levels { value: levels.to_owned() };
    // `Targets` takes a word that is no level for the name of a crate, and then shows everything of it and nothing else.
    let is_level = |word: &str| !word.is_empty() && word.parse::<LevelFilter>().is_ok();
    let is_sound = |part: &str| match part.split_once('=') {
        Some((target, level)) => !target.is_empty() && is_level(level),
        None => is_level(part),
    };
    let parts: Vec<&str> = levels.split(',').map(str::trim).collect();
    if !parts.iter().all(|part| is_sound(part)) {
        return Err(fault());
    }
    parts.join(",").parse().map_err(|_| fault())
}

/// Log lines cannot be written as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogsError {
    /// `KIQ_LOG` names no levels.
    #[error(
        "KIQ_LOG is {value:?}; write a level (error, warn, info, debug, trace, off), or levels of crates like info,kiq_runtime=debug"
    )]
    Levels {
        /// What it says.
        value: String,
    },
    /// `KIQ_LOG_FORMAT` names no form.
    #[error("KIQ_LOG_FORMAT is {value:?}; write text or json")]
    Format {
        /// What it says.
        value: String,
    },
    /// The program has a subscriber already.
    #[error("this program already has a `tracing` subscriber, which hears kiq too; leave out `kiq::logs`")]
    Taken(#[source] TryInitError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_words_of_tracing_and_nothing_else() {
        for good in ["info", "warn,kiq_runtime=debug", " debug ", "off", "kiq_runtime=trace"] {
            assert!(targets(good).is_ok(), "{good}");
        }
        for bad in ["loud", "kiq=loud", "info,kiq", "info,", "="] {
            assert!(matches!(targets(bad), Err(LogsError::Levels { .. })), "{bad}");
        }
    }

    #[test]
    fn colours_are_for_terminals_and_for_who_asks_for_them() {
        let with = |is_terminal, set: &'static [&str]| {
            has_colours(is_terminal, move |name| set.contains(&name).then(|| OsString::from("1")))
        };
        assert!(with(true, &[]) && with(false, &["CLICOLOR_FORCE"]));
        assert!(!with(false, &[]) && !with(true, &["NO_COLOR"]) && !with(false, &["NO_COLOR", "CLICOLOR_FORCE"]));
    }

    #[test]
    fn the_form_is_text_unless_said_otherwise() {
        assert!(matches!((format(None), format(Some("json "))), (Ok(Format::Text), Ok(Format::Json))));
        assert_eq!(format(Some("yaml")).unwrap_err().to_string(), "KIQ_LOG_FORMAT is \"yaml\"; write text or json");
    }
}
