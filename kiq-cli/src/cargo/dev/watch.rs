//! Watching files: those of the package and of the packages that it is built from here.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::ModifyKind;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use crate::project::{list, metadata, text};
use crate::shell::Fault;

/// An editor writes several files; a build begins when they have been quiet for so long.
const QUIET: Duration = Duration::from_millis(200);

/// Folders that change with each build.
const NOT_WATCHED: [&str; 2] = ["target", "node_modules"];

/// Files that changed, together.
#[derive(Clone, Debug, Default)]
pub(super) struct Changed {
    paths: BTreeSet<PathBuf>,
}

impl Changed {
    /// As if all had: the beginning.
    pub(super) fn everything() -> Self {
        Changed::default()
    }

    /// Whether a file of one of these names did.
    pub(super) fn names(&self, names: &[&str]) -> bool {
        self.paths.iter().any(|path| path.file_name().is_some_and(|name| names.iter().any(|wanted| name == *wanted)))
    }

    pub(super) fn is(&self, path: &Path) -> bool {
        self.paths.contains(path)
    }
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> =
            self.paths.iter().filter_map(|path| path.file_name()).map(|name| name.to_string_lossy()).collect();
        match names.as_slice() {
            [] => f.write_str("it was built"),
            [one] => write!(f, "{one} changed"),
            [one, rest @ ..] => write!(f, "{one} and {} more changed", rest.len()),
        }
    }
}

/// What is watched, and what it tells.
#[derive(Debug)]
pub(super) struct Watch {
    watcher: RecommendedWatcher,
    told: mpsc::UnboundedReceiver<notify::Result<notify::Event>>,
    packages: BTreeSet<PathBuf>,
    /// The programs, whoever builds them.
    programs: BTreeSet<PathBuf>,
}

impl Watch {
    pub(super) fn start(folder: &Path) -> Result<Self, Fault> {
        let (tell, told) = mpsc::unbounded_channel();
        let watcher = notify::recommended_watcher(move |event| {
            // After the end nobody hears it.
            let _ = tell.send(event);
        });
        let watcher = watcher.map_err(|error| format!("files cannot be watched: {error}"))?;
        let mut watch = Watch { watcher, told, packages: BTreeSet::new(), programs: BTreeSet::new() };
        watch.package(folder)?;
        Ok(watch)
    }

    /// Once it was built: the packages it is built from that are on this machine, and the programs.
    pub(super) fn also<'a>(&mut self, folder: &Path, programs: impl Iterator<Item = &'a PathBuf>) {
        self.programs = programs.cloned().collect();
        let folders: BTreeSet<PathBuf> =
            self.programs.iter().filter_map(|program| Some(program.parent()?.to_owned())).collect();
        for folder in folders.iter().filter(|folder| !self.packages.contains(*folder)) {
            let _ = self.watcher.watch(folder, RecursiveMode::NonRecursive);
        }
        self.packages.extend(folders);
        let Ok(known) = metadata(folder, &["--offline"]) else { return };
        let local = list(&known, "packages").iter().filter(|package| text(package, "source").is_none());
        for manifest in local.filter_map(|package| text(package, "manifest_path")) {
            if let Some(folder) = Path::new(manifest).parent().filter(|folder| !self.packages.contains(*folder)) {
                // Without it, a change there is seen with the next one here.
                let _ = self.package(folder);
            }
        }
    }

    /// The folder itself, and everything below it but what a build writes, and what begins with a dot.
    fn package(&mut self, folder: &Path) -> Result<(), Fault> {
        let fault = |error| Fault::from(format!("{} cannot be watched: {error}", folder.display()));
        self.watcher.watch(folder, RecursiveMode::NonRecursive).map_err(fault)?;
        for entry in std::fs::read_dir(folder)?.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            // What is a package of its own is watched if it is used.
            let is_left_out = name.starts_with('.')
                || NOT_WATCHED.contains(&name.as_ref())
                || entry.path().join("Cargo.toml").is_file();
            if !is_left_out && entry.file_type()?.is_dir() {
                self.watcher.watch(&entry.path(), RecursiveMode::Recursive).map_err(fault)?;
            }
        }
        self.packages.insert(folder.to_owned());
        Ok(())
    }

    /// What changed next, once it has been quiet.
    pub(super) async fn next(&mut self) -> Result<Changed, Fault> {
        let mut changed = Changed::default();
        loop {
            let event = if changed.paths.is_empty() {
                self.told.recv().await
            } else {
                match tokio::time::timeout(QUIET, self.told.recv()).await {
                    Ok(event) => event,
                    Err(_) => return Ok(changed),
                }
            };
            match event {
                Some(Ok(event)) if is_a_change(event.kind) => {
                    changed.paths.extend(event.paths.into_iter().filter(|path| self.counts(path)));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(format!("files cannot be watched any more: {error}").into()),
                None => return Err("files cannot be watched any more".into()),
            }
        }
    }

    /// Not what editors keep beside a file, nor what a build writes beside the programs.
    fn counts(&self, path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_editors = name.ends_with('~') || name.starts_with('.') && name != ".env" || name == "4913";
        let is_built =
            path.parent().is_some_and(|folder| self.programs.iter().any(|program| program.parent() == Some(folder)));
        if is_built { self.programs.contains(path) } else { !is_editors && !NOT_WATCHED.contains(&name.as_ref()) }
    }
}

/// Reading is none, nor is a look at the permissions.
fn is_a_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Create(_) | EventKind::Remove(_) => true,
        EventKind::Modify(kind) => !matches!(kind, ModifyKind::Metadata(_)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(paths: &[&str]) -> Changed {
        Changed { paths: paths.iter().map(PathBuf::from).collect() }
    }

    #[test]
    fn what_changed_is_said_in_a_word() {
        assert_eq!(of(&["/a/src/b.rs"]).to_string(), "b.rs changed");
        assert_eq!(of(&["/a/src/b.rs", "/a/src/c.rs", "/a/d"]).to_string(), "d and 2 more changed");
        assert!(of(&["/a/.env"]).names(&["kiq.toml", ".env"]) && !of(&["/a/env"]).names(&[".env"]));
    }
}
