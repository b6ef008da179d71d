//! What is printed: a table for people, or one value of JSON; and why the program ends.

use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use kiq::inspect::ActError;
use kiq::{BrokerError, Timestamp};
use serde_json::{Value, json};

/// The longest text of a cell, in characters.
const WIDEST: usize = 60;

/// Why a command ends without success.
#[derive(Debug)]
pub(crate) enum Fault {
    /// What was looked for is not as it should be: exit code 1.
    No(String),
    /// What was typed makes no sense: exit code 2.
    Usage(String),
    /// Redis cannot be used: exit code 69.
    Store(BrokerError),
    /// The configuration cannot be used: exit code 78.
    Config(String),
    /// Nobody reads any more.
    ClosedPipe,
}

impl Fault {
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Fault::No(_) => 1,
            Fault::Usage(_) => 2,
            Fault::Store(_) => 69,
            Fault::Config(_) => 78,
            Fault::ClosedPipe => 0,
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::No(text) | Fault::Usage(text) | Fault::Config(text) => f.write_str(text),
            Fault::Store(error) => error.fmt(f),
            Fault::ClosedPipe => f.write_str("nobody reads"),
        }
    }
}

impl From<BrokerError> for Fault {
    fn from(error: BrokerError) -> Self {
        Fault::Store(error)
    }
}

impl From<ActError> for Fault {
    fn from(error: ActError) -> Self {
        match error {
            ActError::Broker(error) => Fault::Store(error),
            other => Fault::Usage(other.to_string()),
        }
    }
}

/// How to print.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) is_json: bool,
    has_colours: bool,
    /// Columns of the terminal; `None` where there is none.
    columns: Option<usize>,
}

impl Output {
    /// In colour on a terminal only, and not where `NO_COLOR` asks for none.
    pub(crate) fn new(is_json: bool) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let is_terminal = !is_json && io::stdout().is_terminal();
        let size = if is_terminal { ratatui::crossterm::terminal::size().ok() } else { None };
        let columns = size.map(|(columns, _)| usize::from(columns)).filter(|columns| *columns > 20);
        Output { is_json, has_colours: wanted && is_terminal, columns }
    }

    /// JSON if that was asked for, else the text.
    pub(crate) fn say(&self, value: &Value, text: impl FnOnce() -> String) -> Result<(), Fault> {
        match self.is_json {
            true => print(&format!("{value:#}\n")),
            false => print(&text()),
        }
    }

    /// A table: numbers to the right, as wide as need be.
    pub(crate) fn table(&self, heads: &[&str], rows: &[Vec<String>]) -> String {
        let mut widths: Vec<usize> = heads.iter().map(|head| head.chars().count()).collect();
        let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| fitting(cell)).collect()).collect();
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let is_number = |cell: &str| cell.starts_with(|c: char| c.is_ascii_digit());
        let columns: Vec<bool> = (0..heads.len())
            .map(|at| {
                !rows.is_empty()
                    && rows.iter().all(|row| row.get(at).is_some_and(|cell| is_number(cell) && cell.len() < 16))
            })
            .collect();
        let line = |cells: &[String]| {
            let padded = cells.iter().zip(&widths).zip(&columns).map(|((cell, width), right)| match right {
                true => format!("{cell:>width$}"),
                false => format!("{cell:<width$}"),
            });
            let line = padded.collect::<Vec<_>>().join("  ").trim_end().to_owned();
            match self.columns {
                Some(columns) if line.chars().count() > columns => {
                    line.chars().take(columns - 1).chain(std::iter::once('…')).collect()
                }
                _ => line,
            }
        };
        let head = line(&heads.iter().map(|head| (*head).to_owned()).collect::<Vec<_>>());
        let mut text = if self.has_colours { format!("\x1b[2m{head}\x1b[0m\n") } else { format!("{head}\n") };
        for row in &rows {
            text.push_str(&line(row));
            text.push('\n');
        }
        text
    }

    pub(crate) fn warn(&self, text: &str) {
        let _ = writeln!(io::stderr(), "warning: {text}");
    }

    pub(crate) fn complain(&self, fault: &Fault) {
        let _ = match self.is_json {
            true => writeln!(io::stderr(), "{}", json!({ "error": fault.to_string() })),
            false => writeln!(io::stderr(), "error: {fault}"),
        };
    }
}

/// One line, without what would move a terminal's cursor, and not too long.
fn fitting(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut fitting: String = clean.take(WIDEST + 1).collect();
    if fitting.chars().count() > WIDEST {
        fitting = fitting.chars().take(WIDEST - 1).collect();
        fitting.push('…');
    }
    fitting
}

pub(crate) fn print(text: &str) -> Result<(), Fault> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|_| Fault::ClosedPipe)
}

/// `1 job`, `2 jobs`, `3 entries`, `4 processes`.
pub(crate) fn count_of(count: usize, word: &str) -> String {
    let plural = match word.strip_suffix('y') {
        _ if count == 1 => return format!("1 {word}"),
        Some(stem) => format!("{stem}ies"),
        None if word.ends_with('s') => format!("{word}es"),
        None => format!("{word}s"),
    };
    format!("{count} {plural}")
}

/// `45 s`, `3 m 20 s`, `2 h 5 m`, `3 d 4 h`.
pub(crate) fn length(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 if !time.is_zero() => format!("{} ms", time.as_millis()),
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} m {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// `in 5 m 0 s`, or `2 h 1 m ago`.
pub(crate) fn relative(at: Timestamp, now: Timestamp) -> String {
    match at > now {
        true => format!("in {}", length(at.since(now))),
        false => format!("{} ago", length(now.since(at))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_many() {
        let of = |count| ["job", "entry", "process"].map(|word| count_of(count, word));
        assert_eq!(of(1), ["1 job", "1 entry", "1 process"]);
        assert_eq!(of(0), ["0 jobs", "0 entries", "0 processes"]);
    }

    #[test]
    fn lengths_have_two_units_at_most() {
        let of = |seconds| length(Duration::from_secs(seconds));
        assert_eq!([of(0), of(59), of(200), of(7500), of(273_600)], ["0 s", "59 s", "3 m 20 s", "2 h 5 m", "3 d 4 h"]);
        assert_eq!(length(Duration::from_millis(12)), "12 ms");
    }

    #[test]
    fn numbers_stand_to_the_right_and_nothing_moves_the_cursor() {
        let output = Output { is_json: false, has_colours: false, columns: None };
        let rows = [vec!["a\u{1b}[2J".to_owned(), "5".to_owned()], vec!["b".repeat(99), "120".to_owned()]];
        let table = output.table(&["queue", "size"], &rows);
        assert!(!table.contains('\u{1b}'));
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines[1].ends_with("    5") && lines[2].ends_with("…   120"), "{table}");
    }
}
