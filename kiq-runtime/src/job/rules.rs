//! Ready-made rules about common errors, for [`App::rule`](crate::app::App::rule).

use std::error::Error;
use std::io;
use std::time::Duration;

use crate::clock::Timestamp;

use super::chain;
use super::failure::TimedOut;
use super::plan::Plan;

/// An I/O error that says that the other side is not there or does not answer is transient: refused, reset, aborted, broken,
/// timed out, unreachable, ended early, interrupted.
///
/// # Examples
/// ```
/// use kiq::{Plan, rules};
/// use std::io;
///
/// assert_eq!(rules::io(&io::Error::from(io::ErrorKind::ConnectionRefused)), Some(Plan::transient()));
/// assert_eq!(rules::io(&io::Error::from(io::ErrorKind::PermissionDenied)), None);
/// let app = kiq::App::new().rule(rules::io);
/// # let _ = app;
/// ```
pub fn io(error: &(dyn Error + 'static)) -> Option<Plan> {
    use io::ErrorKind::*;
    let is_passing = |error: &io::Error| {
        matches!(
            error.kind(),
            ConnectionRefused
                | ConnectionReset
                | ConnectionAborted
                | NotConnected
                | BrokenPipe
                | TimedOut
                | HostUnreachable
                | NetworkUnreachable
                | NetworkDown
                | UnexpectedEof
                | Interrupted
                | WouldBlock
                | ResourceBusy
                | StaleNetworkFileHandle
        )
    };
    chain::find::<io::Error>(error).any(is_passing).then(Plan::transient)
}

/// A run that went beyond the job's `timeout`, and tokio's `Elapsed`, are transient.
pub fn timeouts(error: &(dyn Error + 'static)) -> Option<Plan> {
    let ours = chain::find::<TimedOut>(error).next().is_some();
    let tokios = chain::find::<tokio::time::error::Elapsed>(error).next().is_some();
    (ours || tokios).then(Plan::transient)
}

/// An HTTP answer, as an error tells of it; for [`http`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    /// The status: 429, 503.
    pub status: u16,
    /// What its `Retry-After` says; [`retry_after`] reads the header.
    pub retry_after: Option<Duration>,
}

/// A rule about the errors of type `E` that tell of an HTTP answer: 429 is a rate limit, 408, 425 and every 5xx are
/// transient, and a `Retry-After` is honoured. Other statuses, and errors that tell of none, are left to other rules.
///
/// # Examples
/// ```
/// use kiq::rules::{self, HttpAnswer};
/// use kiq::{App, Plan};
///
/// #[derive(Debug, thiserror::Error)]
/// #[error("http {0}")]
/// struct HttpError(u16);
///
/// let rule = rules::http(|error: &HttpError| Some(HttpAnswer { status: error.0, retry_after: None }));
/// assert_eq!(rule(&HttpError(429)), Some(Plan::rate_limited()));
/// assert_eq!(rule(&HttpError(503)), Some(Plan::transient()));
/// assert_eq!(rule(&HttpError(404)), None);
/// let app = App::new().rule(rule);
/// # let _ = app;
/// ```
pub fn http<E: Error + 'static>(
    answer: impl Fn(&E) -> Option<HttpAnswer> + Send + Sync + 'static,
) -> impl Fn(&(dyn Error + 'static)) -> Option<Plan> + Send + Sync + 'static {
    move |error| {
        let answer = chain::find::<E>(error).find_map(&answer)?;
        match answer.status {
            429 => Some(Plan::rate_limited().after(answer.retry_after)),
            408 | 425 | 500..=599 => Some(Plan::transient().after(answer.retry_after)),
            _ => None,
        }
    }
}

/// How long a `Retry-After` header says to wait: seconds (`"120"`) or a date (`"Fri, 31 Dec 2027 23:59:59 GMT"`), which is
/// counted from `now`; one that has passed is zero. `None` when it is neither.
///
/// # Examples
/// ```
/// use kiq::{Timestamp, rules::retry_after};
/// use std::time::{Duration, SystemTime};
///
/// let now = SystemTime::now();
/// assert_eq!(retry_after("120", now), Some(Duration::from_secs(120)));
/// assert_eq!(retry_after("Fri, 31 Dec 1999 23:59:59 GMT", now), Some(Duration::ZERO));
/// assert_eq!(retry_after("soon", now), None);
/// ```
pub fn retry_after(header: &str, now: impl Into<Timestamp>) -> Option<Duration> {
    let header = header.trim();
    if !header.is_empty() && header.bytes().all(|byte| byte.is_ascii_digit()) {
        // More than fits is for ever.
        return Some(Duration::from_secs(header.parse().unwrap_or(u64::MAX)));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(header).ok()?;
    Some(Timestamp::from_micros(date.as_microsecond()).since(now.into()))
}
