//! Now: from the system, or set by hand. The only clock of the workspace.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

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
        // From the end, by hand: every enqueue writes two of them, and `format!` takes ten times as long.
        let mut text = [b'0'; 24];
        let mut rest = self.0.unsigned_abs();
        let mut first = text.len();
        for (behind, (at, digit)) in text.iter_mut().enumerate().rev().enumerate() {
            if behind == 6 {
                *digit = b'.';
            } else if behind <= 7 || rest > 0 {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            } else {
                if self.0 < 0 {
                    *digit = b'-';
                    first = at;
                }
                break;
            }
            first = at;
        }
        // Digits are text.
        text.get(first..).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default().to_owned()
    }

    /// How long after `earlier` this is; zero if it is before.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The UTC date, as in Sidekiq's `stat:processed:2026-11-23`.
    pub fn utc_date(self) -> String {
        self.utc("%Y-%m-%d")
    }

    /// In UTC, in a form of `strftime`.
    pub(crate) fn utc(self, form: &str) -> String {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => time.strftime(form).to_string(),
            Err(_) => self.to_score(),
        }
    }

    /// From an ISO-8601 instant such as `2026-11-23T16:37:28Z`; `None` for what is none.
    ///
    /// # Examples
    /// ```
    /// use kiq::Timestamp;
    ///
    /// assert_eq!(Timestamp::parse_iso("1970-01-01T01:00:01+01:00"), Some(Timestamp::from_micros(1_000_000)));
    /// assert_eq!(Timestamp::parse_iso("tomorrow"), None);
    /// ```
    pub fn parse_iso(text: &str) -> Option<Self> {
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

/// `90s`, `10m`, `1h`, `7d`, `2w`; a number alone is seconds.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(at) => text.split_at(at),
        None => (text, "s"),
    };
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    Some(Duration::from_secs(number.parse::<u64>().ok()?.checked_mul(seconds)?))
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
#[derive(Clone, Default)]
pub struct Clock(Source);

#[derive(Clone, Default)]
enum Source {
    #[default]
    System,
    Hand(Arc<AtomicI64>),
    Function(Arc<dyn Fn() -> Timestamp + Send + Sync>),
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Clock(Source::System)
    }

    /// A clock that stands at `start` until it is moved. Clones share the hand.
    pub fn manual(start: Timestamp) -> Self {
        Clock(Source::Hand(Arc::new(AtomicI64::new(start.as_micros()))))
    }

    /// A clock that asks `now`: one that goes as another clock does.
    ///
    /// # Examples
    /// ```
    /// use kiq::{Clock, Timestamp};
    ///
    /// let system = Clock::system();
    /// let yesterday = Clock::from_fn(move || system.now() - std::time::Duration::from_secs(86_400));
    /// assert!(yesterday.now() < Clock::system().now());
    /// ```
    pub fn from_fn(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Clock(Source::Function(Arc::new(now)))
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => SystemTime::now().into(),
            Source::Hand(hand) => Timestamp(hand.load(Ordering::SeqCst)),
            Source::Function(now) => now(),
        }
    }

    /// Moves a manual clock on. Any other is not moved.
    pub fn advance(&self, by: Duration) {
        if let Source::Hand(hand) = &self.0 {
            hand.store((self.now() + by).as_micros(), Ordering::SeqCst);
        }
    }

    /// Whether the time is set by hand.
    pub fn is_manual(&self) -> bool {
        matches!(self.0, Source::Hand(_))
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::System => f.write_str("Clock(system)"),
            Source::Hand(_) => write!(f, "Clock(manual, {})", self.now()),
            Source::Function(_) => f.write_str("Clock(function)"),
        }
    }
}

/// The monotonic clock, for how long something took. Nothing about a job is decided by it.
pub(crate) fn instant() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_its_seconds_with_six_decimals() {
        let of = |micros| Timestamp::from_micros(micros).to_score();
        for (micros, score) in [
            (0, "0.000000"),
            (7, "0.000007"),
            (-7, "-0.000007"),
            (1_000_000, "1.000000"),
            (10_000_000, "10.000000"),
            (-12_345_678, "-12.345678"),
            (1_795_451_848_306_823, "1795451848.306823"),
            (i64::MAX, "9223372036854.775807"),
            (i64::MIN, "-9223372036854.775808"),
        ] {
            assert_eq!(of(micros), score);
        }
        for power in 0..18 {
            for micros in [10_i64.pow(power), 10_i64.pow(power) - 1, -(10_i64.pow(power))] {
                let sign = if micros < 0 { "-" } else { "" };
                let whole = micros.unsigned_abs();
                assert_eq!(of(micros), format!("{sign}{}.{:06}", whole / 1_000_000, whole % 1_000_000));
            }
        }
    }
}
