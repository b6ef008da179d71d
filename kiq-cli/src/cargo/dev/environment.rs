//! The variables of development: those of the environment, and those of `.env` that it does not say.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use kiq::program::{Arguments, Settings};

use crate::shell::Fault;

/// What `.env` adds to the environment.
#[derive(Debug, Default)]
pub(super) struct Environment {
    added: BTreeMap<String, String>,
}

impl Environment {
    pub(super) fn read(folder: &Path) -> Result<Self, Fault> {
        let path = folder.join(".env");
        let fault = |error| Fault::from(format!("cannot read {}: {error}", path.display()));
        let entries = match dotenvy::from_path_iter(&path) {
            Ok(entries) => entries,
            Err(error) if error.not_found() => return Ok(Environment::default()),
            Err(error) => return Err(fault(error)),
        };
        let mut added = BTreeMap::new();
        for entry in entries {
            let (name, value) = entry.map_err(fault)?;
            if std::env::var_os(&name).is_none() {
                added.insert(name, value);
            }
        }
        Ok(Environment { added })
    }

    pub(super) fn added(&self) -> &BTreeMap<String, String> {
        &self.added
    }

    /// What the programs will be told.
    pub(super) fn settings(&self, folder: &Path) -> Result<Settings, Fault> {
        let read = |name: &str| std::env::var_os(name).or_else(|| self.added.get(name).map(OsString::from));
        // A file that is named from the folder of the programs is read from there, too.
        let given = Arguments { config: read("KIQ_CONFIG").map(|path| folder.join(path)), ..Arguments::default() };
        Ok(Settings::load_from(&given, &read, folder)?)
    }

    /// A line for `.env`.
    pub(super) fn example(&self, folder: &Path) -> String {
        let file = std::fs::read_to_string(folder.join("kiq.toml")).unwrap_or_default();
        let provider = file.lines().find_map(|line| line.trim().strip_prefix("provider = \"")?.strip_suffix('"'));
        format!("{}=redis://127.0.0.1:6379/0", provider.unwrap_or("REDIS_URL"))
    }
}
