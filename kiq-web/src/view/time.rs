//! Instants and spans, as an operator reads them.

use std::time::Duration;

use kiq_runtime::Timestamp;

/// An instant, as the macro `when` of `macros.html` shows it: how far away, and exactly at a touch.
#[derive(Clone, Debug)]
pub(crate) struct When {
    /// `2026-11-23T16:37:28Z`, for programs and the script.
    pub(crate) iso: String,
    /// `16:37:28` today, `23 Nov 16:37` this year or another.
    pub(crate) clock: String,
    /// `in 14 s`, `3 m 2 s ago`.
    pub(crate) distance: String,
    /// `3 m 2 s`, where the place says whether it is over.
    pub(crate) span: String,
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl When {
    pub(crate) fn new(at: Timestamp, now: Timestamp) -> Self {
        let whole = Timestamp::from_micros(at.as_micros().saturating_sub(at.as_micros().rem_euclid(1_000_000)));
        let span = span(if at > now { at.since(now) } else { now.since(at) });
        let distance = if at > now { format!("in {span}") } else { format!("{span} ago") };
        When { iso: whole.to_string(), clock: clock(&whole.to_string(), &now.to_string()), distance, span }
    }
}

/// Of two ISO times: the first's time of day, with its day if that is not the second's, with its year if that is another.
fn clock(at: &str, now: &str) -> String {
    let part = |text: &str, from, to| text.get(from..to).unwrap_or_default().to_owned();
    if part(at, 0, 10) == part(now, 0, 10) {
        return part(at, 11, 19);
    }
    let month = part(at, 5, 7).parse::<usize>().ok().and_then(|month| MONTHS.get(month.wrapping_sub(1)));
    let Some(month) = month else { return at.to_owned() };
    let day = part(at, 8, 10);
    let day = day.trim_start_matches('0');
    match part(at, 0, 4) == part(now, 0, 4) {
        true => format!("{day} {month} {}", part(at, 11, 16)),
        false => format!("{day} {month} {} {}", part(at, 0, 4), part(at, 11, 16)),
    }
}

/// `0.3 s`, `14 s`, `19 m 52 s`, `5 m`, `1 h 30 m`, `3 d 4 h`.
pub(crate) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let two = |big: u64, unit, small: u64, other| match small {
        0 => format!("{big} {unit}"),
        small => format!("{big} {unit} {small} {other}"),
    };
    match seconds {
        0 if span.is_zero() => "0 s".to_owned(),
        0 if span.as_millis() < 100 => format!("{} ms", span.as_millis().max(1)),
        0 => format!("0.{} s", span.as_millis() / 100),
        1..60 => format!("{seconds} s"),
        60..3600 => two(seconds / 60, "m", seconds % 60, "s"),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "m"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units_at_most() {
        let of = |millis| span(Duration::from_millis(millis));
        assert_eq!([of(0), of(7), of(340), of(14_900)], ["0 s", "7 ms", "0.3 s", "14 s"]);
        assert_eq!([of(1_192_970), of(5_400_000), of(273_600_000)], ["19 m 52 s", "1 h 30 m", "3 d 4 h"]);
    }

    #[test]
    fn an_instant_says_its_day_when_it_is_another() {
        let now = Timestamp::from_micros(1_795_451_848_306_823); // 2026-11-23T16:37:28
        let at = |seconds: u64| When::new(now - Duration::from_secs(seconds), now);
        assert_eq!([at(60).clock, at(60).distance], ["16:36:28", "1 m ago"]);
        assert_eq!([at(86_400).clock, at(86_400 * 365).clock], ["22 Nov 16:37", "23 Nov 2025 16:37"]);
        assert_eq!(When::new(now + Duration::from_secs(14), now).distance, "in 14 s");
        assert_eq!(at(0).iso, "2026-11-23T16:37:28Z");
    }

    #[test]
    fn the_ends_of_time_are_shown_somehow() {
        for at in [i64::MIN, i64::MAX, -1] {
            assert!(!When::new(Timestamp::from_micros(at), Timestamp::from_micros(0)).clock.is_empty());
        }
    }
}
