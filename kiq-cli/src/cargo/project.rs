//! The package that a command is about, as cargo sees it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::shell::Fault;

/// A package.
#[derive(Debug)]
pub(crate) struct Project {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) edition: String,
    /// The root of its library, or of its only program.
    pub(crate) root: PathBuf,
    /// The names of its dependencies.
    pub(crate) dependencies: Vec<String>,
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")))
}

impl Project {
    /// The package of that name, or the one that the working directory is in.
    pub(crate) fn find(package: Option<&str>) -> Result<Self, Fault> {
        let here = std::env::current_dir()?;
        let metadata = metadata(&here, &["--no-deps"])?;
        let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
        let folder =
            |found: &Value| found["manifest_path"].as_str().and_then(|path| Some(Path::new(path).parent()?.to_owned()));
        let names = || packages.iter().filter_map(|found| found["name"].as_str()).collect::<Vec<_>>().join(", ");
        let found = match package {
            Some(name) => packages
                .iter()
                .find(|found| found["name"] == name)
                .ok_or_else(|| format!("there is no package {name} here; there are {}", names()))?,
            None => packages
                .iter()
                .filter(|found| folder(found).is_some_and(|folder| here.starts_with(folder)))
                .max_by_key(|found| folder(found).map_or(0, |folder| folder.components().count()))
                .or(match packages {
                    [only] => Some(only),
                    _ => None,
                })
                .ok_or_else(|| format!("which package is it about? say `--package NAME`; there are {}", names()))?,
        };
        let name = found["name"].as_str().unwrap_or_default().to_owned();
        let targets = found["targets"].as_array().map(Vec::as_slice).unwrap_or_default();
        let of_kind = |wanted: &str| {
            targets
                .iter()
                .find(|target| target["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == wanted)))
        };
        let root = of_kind("lib").or_else(|| of_kind("rlib")).or_else(|| of_kind("bin"));
        let root = root.and_then(|target| target["src_path"].as_str());
        let dependencies = found["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(Project {
            folder: folder(found).unwrap_or(here),
            edition: found["edition"].as_str().unwrap_or("2024").to_owned(),
            root: root.ok_or_else(|| format!("the package {name} has neither a library nor a program"))?.into(),
            dependencies: dependencies.iter().filter_map(|one| Some(one["name"].as_str()?.to_owned())).collect(),
            name,
        })
    }
}

/// What `cargo metadata` says. Its own words, if it fails.
pub(crate) fn metadata(folder: &Path, arguments: &[&str]) -> Result<Value, Fault> {
    let mut command = cargo();
    command.args(["metadata", "--format-version", "1"]).args(arguments).current_dir(folder).stdin(Stdio::null());
    let output = command.output().map_err(|error| format!("cannot run cargo: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(said.trim().trim_start_matches("error: ").into());
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("cannot read what cargo says: {error}").into())
}

/// The text as `rustfmt` writes it in that folder; as it is, where there is none.
pub(crate) fn formatted(text: &str, edition: &str, folder: &Path) -> String {
    let formatted = || {
        let mut rustfmt = Command::new("rustfmt");
        rustfmt.args(["--edition", edition, "--emit", "stdout"]).current_dir(nearest(folder));
        rustfmt.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut running = rustfmt.spawn().ok()?;
        // It reads all of it before it writes.
        std::io::Write::write_all(&mut running.stdin.take()?, text.as_bytes()).ok()?;
        let output = running.wait_with_output().ok().filter(|output| output.status.success())?;
        String::from_utf8(output.stdout).ok().filter(|formatted| !formatted.is_empty())
    };
    formatted().unwrap_or_else(|| text.to_owned())
}

/// It, or the nearest above it that exists.
pub(crate) fn nearest(folder: &Path) -> &Path {
    let exists = |folder: &&Path| folder.is_dir();
    folder.ancestors().find(exists).unwrap_or(Path::new("."))
}

/// The way from one folder to another, both absolute and without symbolic links.
pub(crate) fn relative(from: &Path, to: &Path) -> PathBuf {
    let shared = from.components().zip(to.components()).take_while(|(one, other)| one == other).count();
    let up = from.components().skip(shared).map(|_| std::path::Component::ParentDir);
    up.chain(to.components().skip(shared)).collect()
}

/// The manifest of the nearest workspace above that folder.
pub(crate) fn workspace_above(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().skip(1).map(|above| above.join("Cargo.toml")).find(|manifest| {
        fs::read_to_string(manifest).is_ok_and(|text| text.lines().any(|line| line.trim() == "[workspace]"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_from_here_to_there() {
        let way = |from: &str, to: &str| relative(Path::new(from), Path::new(to)).display().to_string();
        assert_eq!(way("/a/my-app", "/a/kiq"), "../kiq");
        assert_eq!(way("/a/b/my-app", "/c/kiq"), "../../../c/kiq");
        assert_eq!(way("/a/kiq/my-app", "/a/kiq"), "..");
    }
}
