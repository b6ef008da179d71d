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
        let packages = list(&metadata, "packages");
        let folder =
            |found: &Value| text(found, "manifest_path").and_then(|path| Some(Path::new(path).parent()?.to_owned()));
        let names = || packages.iter().filter_map(|found| text(found, "name")).collect::<Vec<_>>().join(", ");
        let found = match package {
            Some(name) => packages
                .iter()
                .find(|found| text(found, "name") == Some(name))
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
        let name = text(found, "name").unwrap_or_default().to_owned();
        let of_kind = |wanted: &str| {
            let targets = list(found, "targets").iter();
            targets.into_iter().find(|target| list(target, "kind").iter().any(|kind| kind == wanted))
        };
        let root = of_kind("lib").or_else(|| of_kind("rlib")).or_else(|| of_kind("bin"));
        let root = root.and_then(|target| text(target, "src_path"));
        let dependencies = list(found, "dependencies").iter();
        Ok(Project {
            folder: folder(found).unwrap_or(here),
            edition: text(found, "edition").unwrap_or("2024").to_owned(),
            root: root.ok_or_else(|| format!("the package {name} has neither a library nor a program"))?.into(),
            dependencies: dependencies.filter_map(|one| text(one, "name")).map(str::to_owned).collect(),
            name,
        })
    }
}

/// The list under a key; without one, nothing.
pub(crate) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The text under a key.
pub(crate) fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
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
