//! What is said, as cargo says it: to standard error, the verb in front; and what is asked, on a terminal only.

use std::fmt;
use std::io::{self, BufRead, IsTerminal as _, Write};

use anstyle::{AnsiColor, Style};

/// Why a command ends without success.
#[derive(Debug)]
pub(crate) enum Fault {
    /// With these words.
    Message(String),
    /// By whoever sits at the terminal.
    Interrupted,
}

impl<T: fmt::Display> From<T> for Fault {
    fn from(text: T) -> Self {
        Fault::Message(text.to_string())
    }
}

/// Where messages go.
#[derive(Debug)]
pub(crate) struct Shell {
    is_quiet: bool,
}

impl Shell {
    pub(crate) fn new(is_quiet: bool) -> Self {
        Shell { is_quiet }
    }

    /// What is being done: `    Creating my-app`.
    pub(crate) fn status(&self, verb: &str, what: impl fmt::Display) {
        if !self.is_quiet {
            let style = AnsiColor::Green.on_default().bold();
            say(&format!("{style}{verb:>12}{style:#} {what}"));
        }
    }

    pub(crate) fn note(&self, text: &str) {
        if !self.is_quiet {
            labelled("note", AnsiColor::Cyan.on_default().bold(), text);
        }
    }

    pub(crate) fn warn(&self, text: &str) {
        labelled("warning", AnsiColor::Yellow.on_default().bold(), text);
    }

    pub(crate) fn error(&self, text: &str) {
        labelled("error", AnsiColor::Red.on_default().bold(), text);
    }
}

fn labelled(label: &str, style: Style, text: &str) {
    let bold = Style::new().bold();
    say(&format!("{style}{label}{style:#}{bold}:{bold:#} {text}"));
}

/// If nobody reads it, that is no reason to fail. Colours only where they are wanted.
fn say(line: &str) {
    let _ = writeln!(anstream::stderr(), "{line}");
}

/// Whether somebody is there to be asked.
pub(crate) fn is_answered() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks until the answer will do. An empty one is the default; the end of the input ends the program.
pub(crate) fn ask<T>(
    question: &str,
    default: &str,
    input: &mut dyn BufRead,
    output: &mut dyn Write,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<T, Fault> {
    loop {
        write!(output, "{question} [{default}] ").and_then(|()| output.flush())?;
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Err(Fault::Interrupted);
        }
        let answer = if line.trim().is_empty() { default } else { line.trim() };
        match read(answer) {
            Ok(answer) => return Ok(answer),
            Err(problem) => writeln!(output, "  {problem}")?,
        }
    }
}

/// `y`, `yes`, `n` or `no`.
pub(crate) fn yes_or_no(answer: &str) -> Result<bool, String> {
    match answer.to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(true),
        "n" | "no" => Ok(false),
        other => Err(format!("{other:?} is neither yes nor no; type y or n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(typed: &str) -> (Result<bool, Fault>, String) {
        let mut output = Vec::new();
        let answer = ask("Web?", "y", &mut typed.as_bytes(), &mut output, yes_or_no);
        (answer, String::from_utf8(output).unwrap_or_default())
    }

    #[test]
    fn enter_takes_the_default() {
        let (answer, shown) = asked("\n");
        assert!(matches!(answer, Ok(true)));
        assert_eq!(shown, "Web? [y] ");
    }

    #[test]
    fn an_answer_that_will_not_do_is_asked_for_again() {
        let (answer, shown) = asked("maybe\nNo\n");
        assert!(matches!(answer, Ok(false)));
        assert!(shown.contains("\"maybe\" is neither yes nor no"), "{shown}");
    }

    #[test]
    fn the_end_of_the_input_is_no_answer() {
        assert!(matches!(asked("").0, Err(Fault::Interrupted)));
    }
}
