//! Files that are about to be written: looked at together before the first is, so that nothing is overwritten by mistake.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anstyle::{AnsiColor, Style};
use similar::{ChangeTag, TextDiff};

use super::shell::{Fault, Shell};

/// A file that is about to be written.
#[derive(Debug)]
struct Change {
    /// From the folder of all of them.
    path: PathBuf,
    text: String,
    /// What is there.
    before: Option<String>,
    /// Whether what is there was read in order to change it: then it is no accident.
    is_edit: bool,
}

/// Files that are about to be written, below one folder.
#[derive(Debug)]
pub(crate) struct Changes {
    folder: PathBuf,
    list: Vec<Change>,
}

impl Changes {
    pub(crate) fn below(folder: &Path) -> Self {
        Changes { folder: folder.to_owned(), list: Vec::new() }
    }

    /// A file of that text, whether there is one or not.
    pub(crate) fn create(&mut self, path: &Path, text: String) -> Result<(), Fault> {
        let whole = self.folder.join(path);
        let before = match fs::read(&whole) {
            Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                let path = whole.display();
                return Err(format!("cannot write {path}: what is there cannot be replaced: {error}").into());
            }
        };
        self.list.push(Change { path: path.to_owned(), text, before, is_edit: false });
        Ok(())
    }

    /// Another text of a file that was read.
    pub(crate) fn edit(&mut self, path: &Path, before: String, text: String) {
        self.list.push(Change { path: path.to_owned(), text, before: Some(before), is_edit: true });
    }

    /// Files that are there, and would be gone.
    pub(crate) fn replaced(&self) -> Vec<&Path> {
        let is_replaced = |change: &&Change| !change.is_edit && change.before.is_some();
        self.list.iter().filter(is_replaced).map(|change| change.path.as_path()).collect()
    }

    /// Does not go on if files would be gone that nobody gave up; else says which they are.
    pub(crate) fn check(&self, is_forced: bool, shell: &Shell) -> Result<(), Fault> {
        let replaced: Vec<String> = self.replaced().iter().map(|path| path.display().to_string()).collect();
        if replaced.is_empty() {
            return Ok(());
        }
        if !is_forced {
            return Err(format!(
                "in {} there are already\n  {}\nnothing was written; `--force` replaces what is listed here",
                self.folder.display(),
                replaced.join("\n  ")
            )
            .into());
        }
        for path in replaced {
            shell.status("Replacing", path);
        }
        Ok(())
    }

    /// Shows the difference, and writes nothing.
    pub(crate) fn show(&self) -> Result<(), Fault> {
        let mut out = anstream::stdout().lock();
        for change in &self.list {
            match write!(out, "{}", difference(change)) {
                // Who reads us has read enough.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                written => written?,
            }
        }
        Ok(())
    }

    /// Writes all of it.
    pub(crate) fn write(&self) -> Result<(), Fault> {
        for change in &self.list {
            let path = self.folder.join(&change.path);
            let fault = |error| Fault::from(format!("cannot write {}: {error}", path.display()));
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(fault)?;
            }
            fs::write(&path, &change.text).map_err(fault)?;
        }
        Ok(())
    }
}

/// As `git diff` shows it.
fn difference(change: &Change) -> String {
    let path = change.path.display();
    let before = change.before.as_deref().unwrap_or_default();
    let bold = Style::new().bold();
    let from = if change.before.is_some() { format!("a/{path}") } else { "/dev/null".to_owned() };
    let mut shown = format!("{bold}--- {from}{bold:#}\n{bold}+++ b/{path}{bold:#}\n");
    let diff = TextDiff::from_lines(before, &change.text);
    for hunk in diff.unified_diff().context_radius(3).iter_hunks() {
        let style = AnsiColor::Cyan.on_default();
        shown += &format!("{style}{}{style:#}\n", hunk.header());
        for line in hunk.iter_changes() {
            let (sign, style) = match line.tag() {
                ChangeTag::Delete => ('-', AnsiColor::Red.on_default()),
                ChangeTag::Insert => ('+', AnsiColor::Green.on_default()),
                ChangeTag::Equal => (' ', Style::new()),
            };
            shown += &format!("{style}{sign}{}{style:#}\n", line.value().trim_end_matches(['\n', '\r']));
            if line.missing_newline() {
                shown += "\\ No newline at end of file\n";
            }
        }
    }
    shown
}
