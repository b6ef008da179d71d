//! The Procfile: a process a line, `name: command`.

use std::fs;
use std::path::Path;

use crate::shell::Fault;

/// A process: what it is called, and how it is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) command: String,
}

pub(super) fn read(path: &Path) -> Result<Vec<Line>, Fault> {
    let text = fs::read_to_string(path).map_err(|error| {
        format!(
            "cannot read {}: {error}; it says what to run, one `name: command` a line, like `web: web`",
            path.display()
        )
    })?;
    parse(&text).map_err(|problem| format!("{}: {problem}", path.display()).into())
}

fn parse(text: &str) -> Result<Vec<Line>, String> {
    let mut lines: Vec<Line> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let (number, line) = (at + 1, line.trim());
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let is_name = |name: &str| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        };
        let Some((name, command)) =
            line.split_once(':').filter(|(name, command)| is_name(name) && !command.trim().is_empty())
        else {
            return Err(format!("line {number} is {line:?}; write it like `web: web`"));
        };
        if lines.iter().any(|other| other.name == name) {
            return Err(format!("line {number} has a second process named {name}; each needs a name of its own"));
        }
        lines.push(Line { name: name.to_owned(), command: command.trim().to_owned() });
    }
    if lines.is_empty() {
        return Err("it names no process; write one a line, like `web: web`".to_owned());
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_a_name_and_a_command() {
        let line = |name: &str, command: &str| Line { name: name.to_owned(), command: command.to_owned() };
        let read = parse("# all\nweb: web\n\nworker:  worker -c 5 --tag a:b \n");
        assert_eq!(read, Ok(vec![line("web", "web"), line("worker", "worker -c 5 --tag a:b")]));
    }

    #[test]
    fn what_is_no_process_is_named() {
        for (text, problem) in [
            ("web: web\nworker\n", "line 2 is \"worker\""),
            ("web:\n", "line 1 is \"web:\""),
            ("my web: web\n", "line 1"),
            ("web: a\nweb: b\n", "line 2 has a second process named web"),
            ("# nothing\n", "names no process"),
        ] {
            let found = parse(text);
            assert!(found.as_ref().is_err_and(|said| said.contains(problem)), "{text:?}: {found:?}");
        }
    }
}
