//! A folder of a test's own, and the command in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// Variables that would say something to the command or to what it makes.
const VARIABLES: [&str; 12] = [
    "KIQ_REDIS_URL",
    "REDIS_PROVIDER",
    "REDIS_URL",
    "ORDERS_REDIS_URL",
    "KIQ_CONFIG",
    "KIQ_ENV",
    "APP_ENV",
    "RAILS_ENV",
    "RACK_ENV",
    "KIQ_LOG",
    "KIQ_QUEUES",
    "LISTEN",
];

/// The checkout of kiq.
pub(crate) fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The command in that folder, as cargo runs it.
pub(crate) fn cargo_kiq(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-kiq"));
    command.arg("kiq").current_dir(folder).stdin(Stdio::null());
    for variable in VARIABLES {
        command.env_remove(variable);
    }
    command
}

/// A folder, and what the command does in it.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn empty() -> Self {
        Place { folder: TempDir::new().unwrap() }
    }

    /// With an application in `my-app`.
    pub(crate) fn with_app() -> Self {
        let place = Place::empty();
        let kiq = checkout();
        place.succeeds(&["new", "my-app", "--no-git", "--kiq-path", kiq.to_str().unwrap()]);
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn app(&self) -> PathBuf {
        self.path().join("my-app")
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        cargo_kiq(self.path()).args(arguments).output().unwrap()
    }

    /// What it says to standard error when it succeeds.
    pub(crate) fn succeeds(&self, arguments: &[&str]) -> String {
        succeeds(&self.run(arguments))
    }

    /// What it says when it fails, having changed nothing.
    pub(crate) fn fails(&self, arguments: &[&str]) -> String {
        let before = files(self.path());
        let said = fails(&self.run(arguments));
        assert!(files(self.path()) == before, "something was changed: {said}");
        said
    }

    /// The same for a job of the application.
    pub(crate) fn generate(&self, arguments: &[&str]) -> Output {
        cargo_kiq(&self.app()).args(["generate", "job"]).args(arguments).output().unwrap()
    }

    pub(crate) fn generate_fails(&self, arguments: &[&str]) -> String {
        let before = files(self.path());
        let said = fails(&self.generate(arguments));
        assert!(files(self.path()) == before, "something was changed: {said}");
        said
    }

    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

/// All files below a folder, and what is in them.
pub(crate) fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap_or_default());
        }
    }
    found
}

pub(crate) fn succeeds(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub(crate) fn fails(output: &Output) -> String {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    // 101 is cargo's own, 2 that of wrong arguments.
    assert!(matches!(output.status.code(), Some(101 | 2)), "{output:?}");
    assert!(said.starts_with("error: ") && !said.contains('\u{1b}') && !said.contains("panicked"), "{said}");
    assert!(output.stdout.is_empty(), "{output:?}");
    said
}
