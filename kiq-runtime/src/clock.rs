//! Now: from the system, or set by hand. The only clock of the workspace.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// An instant of wall-clock time: microseconds since 1970-01-01 00:00 UTC, as exact as a Sidekiq score.
///
/// # Examples
/// ```
/// use kiq::Timestamp;
/// use std::time::{Duration, SystemTime};
///
/// let start = Timestamp::from_micros(1_795_451_848_306_823);
/// assert_eq!((start + Duration::from_secs(60)).since(start), Duration::from_secs(60));
/// assert_eq!(start.to_string(), "2026-11-23T16:37:28.306823Z");
/// let now: Timestamp = SystemTime::now().into();
/// assert!(now > Timestamp::from_micros(0));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

const MICROS: i64 = 1_000_000;

impl Timestamp {
    /// From microseconds since the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Timestamp(micros)
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// From seconds since the epoch, as a Sidekiq score. Not-a-number and what is out of range become the nearest end.
    pub fn from_seconds(seconds: f64) -> Self {
        // A float cast saturates, and takes NaN for 0.
        Timestamp((seconds * 1e6).round() as i64)
    }

    /// Seconds since the epoch with six decimals, as scores are written: exact up to the year 2255.
    pub fn to_score(self) -> String {
        let sign = if self.0 < 0 { "-" } else { "" };
        let micros = self.0.unsigned_abs();
        format!("{sign}{}.{:06}", micros / MICROS.unsigned_abs(), micros % MICROS.unsigned_abs())
    }

    /// How long after `earlier` this is; zero if it is before.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The UTC date, as in Sidekiq's `stat:processed:2026-11-23`.
    pub fn utc_date(self) -> String {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => time.strftime("%Y-%m-%d").to_string(),
            Err(_) => "0000-00-00".to_owned(),
        }
    }

    /// From an ISO-8601 instant such as `2026-11-23T16:37:28Z`.
    pub(crate) fn parse_iso(text: &str) -> Option<Self> {
        let time: jiff::Timestamp = text.parse().ok()?;
        Some(Timestamp(time.as_microsecond()))
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Timestamp;
    /// Later by `by`; at the end of time, that end.
    fn add(self, by: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl std::ops::Sub<Duration> for Timestamp {
    type Output = Timestamp;
    /// Earlier by `by`; at the beginning of time, that beginning.
    fn sub(self, by: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Timestamp(0) + after,
            Err(before) => Timestamp(0) - before.duration(),
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => write!(f, "{time}"),
            Err(_) => f.write_str(&self.to_score()),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timestamp({self})")
    }
}

/// Where the time comes from: the system, or a test's hand.
///
/// # Examples
/// ```
/// use kiq::{Clock, Timestamp};
/// use std::time::Duration;
///
/// let clock = Clock::manual(Timestamp::from_micros(0));
/// clock.advance(Duration::from_secs(20 * 86_400));
/// assert_eq!(clock.now(), Timestamp::from_micros(20 * 86_400 * 1_000_000));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Clock(None)
    }

    /// A clock that stands at `start` until it is moved. Clones share the hand.
    pub fn manual(start: Timestamp) -> Self {
        Clock(Some(Arc::new(AtomicI64::new(start.as_micros()))))
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Some(hand) => Timestamp(hand.load(Ordering::SeqCst)),
            None => SystemTime::now().into(),
        }
    }

    /// Moves a manual clock on. The system's clock is not moved.
    pub fn advance(&self, by: Duration) {
        if let Some(hand) = &self.0 {
            hand.store((self.now() + by).as_micros(), Ordering::SeqCst);
        }
    }

    /// Whether the time is set by hand.
    pub fn is_manual(&self) -> bool {
        self.0.is_some()
    }
}
