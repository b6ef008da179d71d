//! A project of a user's, in a folder of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// It stands at the same place each time, so that what was built of it is found again.
pub struct Project(PathBuf);

impl Project {
    /// `KIQ` in what is written stands for kiq's own folder.
    pub fn new(name: &str, manifest: &str) -> Self {
        let project = Project(Path::new(env!("CARGO_TARGET_TMPDIR")).join("projects").join(name));
        if project.0.exists() {
            fs::remove_dir_all(&project.0).unwrap();
        }
        project.write("Cargo.toml", manifest);
        // The versions that are known to be here.
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock"), project.0.join("Cargo.lock")).unwrap();
        project
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text.replace("KIQ", env!("CARGO_MANIFEST_DIR"))).unwrap();
    }

    pub fn target(&self) -> PathBuf {
        self.0.with_extension("target")
    }

    /// As a user runs cargo there: nothing of the build that this test is part of holds.
    pub fn cargo<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(arguments).current_dir(&self.0);
        cargo.env("CARGO_NET_OFFLINE", "true").env("CARGO_TARGET_DIR", self.target());
        cargo.env_remove("RUSTFLAGS").env_remove("RUSTDOCFLAGS");
        cargo
    }

    #[track_caller]
    pub fn build<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) {
        let Output { status, stderr, .. } = self.cargo(arguments).output().unwrap();
        assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    }
}
