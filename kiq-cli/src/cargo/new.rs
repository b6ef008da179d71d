//! `cargo kiq new`: a whole application, tested.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::ArgMatches;

use super::changes::Changes;
use super::names::{check_package, check_queue, check_variable};
use super::project::{formatted, nearest, relative, workspace_above};
use super::shell::{self, Fault, Shell, ask, yes_or_no};
use super::template::{self, Choices};

pub(crate) const EDITIONS: [&str; 2] = ["2024", "2021"];

pub(crate) fn run(given: &ArgMatches, shell: &Shell) -> Result<(), Fault> {
    let path = given.get_one::<PathBuf>("path").map(PathBuf::as_path).unwrap_or(Path::new("."));
    let folder = std::path::absolute(path)?;
    let name = match given.get_one::<String>("name") {
        Some(name) => name.clone(),
        None => folder_name(&folder)?,
    };
    check_package(&name)?;
    let is_forced = given.get_flag("force");
    check_folder(&folder, is_forced)?;
    let kiq_path = match given.get_one::<PathBuf>("kiq-path") {
        Some(path) => path_of_kiq(path, &folder)?,
        None => String::new(),
    };
    let choices = choose(name, kiq_path, given)?;

    let mut changes = Changes::below(&folder);
    for (path, text) in template::files(&choices)? {
        let text = if path.ends_with(".rs") { formatted(&text, &choices.edition, &folder) } else { text };
        changes.create(Path::new(&path), text)?;
    }
    changes.check(is_forced, shell)?;
    if given.get_flag("dry-run") {
        return changes.show();
    }
    shell.status("Creating", format_args!("{} in {}", choices.name, path.display()));
    changes.write()?;
    if !given.get_flag("no-git") {
        start_git(&folder, shell);
    }
    say_what_next(&choices, path, &folder, shell);
    Ok(())
}

fn folder_name(folder: &Path) -> Result<String, Fault> {
    let name = folder.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned)
        .ok_or_else(|| format!("{} gives no name for the package; say it: `--name my-app`", folder.display()).into())
}

/// A folder that has something in it is left alone.
fn check_folder(folder: &Path, is_forced: bool) -> Result<(), Fault> {
    let there = folder.display();
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(format!("cannot make {there}: {error}; take another path").into()),
        Ok(mut entries) => match entries.next() {
            Some(_) if !is_forced => Err(format!(
                "{there} already exists and is not empty; take another path, or `--force`, which adds to what is there (and, \
                 with `--dry-run`, shows what it would replace)"
            )
            .into()),
            _ => Ok(()),
        },
    }
}

/// The checkout as it is written into the manifest: from the new folder, unless it was given from the root.
fn path_of_kiq(path: &Path, folder: &Path) -> Result<String, Fault> {
    let manifest = path.join("Cargo.toml");
    let text = fs::read_to_string(&manifest)
        .map_err(|error| format!("--kiq-path {}: cannot read {}: {error}", path.display(), manifest.display()))?;
    if !text.lines().any(|line| line.trim() == "name = \"kiq\"") {
        return Err(format!(
            "--kiq-path {}: this is no checkout of kiq; its Cargo.toml is of another package",
            path.display()
        )
        .into());
    }
    let there = fs::canonicalize(path)?;
    let written = if path.is_absolute() {
        there
    } else {
        let exists = nearest(folder);
        let missing = folder.strip_prefix(exists).unwrap_or(Path::new(""));
        relative(&fs::canonicalize(exists)?.join(missing), &there)
    };
    match written.to_str() {
        Some("") => Ok(".".to_owned()),
        Some(written) if !written.contains(['"', '\\']) => Ok(written.to_owned()),
        _ => Err(format!("--kiq-path {}: this path cannot stand in a Cargo.toml", written.display()).into()),
    }
}

/// By flags; on a terminal those that are not given are asked for.
fn choose(name: String, kiq_path: String, given: &ArgMatches) -> Result<Choices, Fault> {
    let is_asked = shell::is_answered() && !given.get_flag("yes");
    let (mut input, mut output) = (io::stdin().lock(), io::stderr());
    let has_web = if given.get_flag("no-web") || !is_asked {
        !given.get_flag("no-web")
    } else {
        ask("A web application (axum), and not a worker alone?", "y", &mut input, &mut output, yes_or_no)?
    };
    let mut text = |flag: &str, question: &str, default: &str, check: fn(&str) -> Result<String, String>| match given
        .get_one::<String>(
        flag,
    ) {
        Some(value) => Ok(value.clone()),
        None if is_asked => ask(question, default, &mut input, &mut output, check),
        None => Ok(default.to_owned()),
    };
    let queue = text("queue", "The queue of its first job?", "default", check_queue)?;
    let variable = "The environment variable with the address of Redis?";
    let redis_url_var = text("redis-url-var", variable, "REDIS_URL", check_variable)?;
    let edition = text("edition", "The edition of Rust?", "2024", check_edition)?;
    Ok(Choices { name, has_web, queue, redis_url_var, edition, kiq_path })
}

fn check_edition(edition: &str) -> Result<String, String> {
    match EDITIONS.contains(&edition) {
        true => Ok(edition.to_owned()),
        false => Err(format!("there is no edition {edition:?} here; take 2024 or 2021")),
    }
}

/// As `cargo new` does, and no reason to fail.
fn start_git(folder: &Path, shell: &Shell) {
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.args(arguments).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|ended| ended.success())
    };
    if !git(&["rev-parse", "--git-dir"]) && !git(&["init", "--quiet", "--initial-branch", "main"]) {
        shell.warn("git could not be started here; the folder is no repository");
    }
}

fn say_what_next(choices: &Choices, path: &Path, folder: &Path, shell: &Shell) {
    if let Some(manifest) = workspace_above(folder) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        shell.warn(&format!(
            "there is a workspace above, {}: name {name} in its `members` or `exclude`, or cargo refuses to build it",
            manifest.display()
        ));
    }
    if choices.kiq_path.is_empty()
        && let Some(checkout) = own_checkout()
    {
        shell.note(&format!(
            "kiq {} is taken from crates.io; this program was built from a checkout, which `--kiq-path {checkout}` takes in its place",
            env!("CARGO_PKG_VERSION")
        ));
    }
    let first = if choices.has_web { "cargo run" } else { "cargo run -- Ann ann@example.com" };
    shell.note(&format!("now `cd {}`, `{first}` and `cargo test`; README.md has the rest", path.display()));
}

/// The checkout this program was built from, if it is still there. From a registry it has none.
fn own_checkout() -> Option<String> {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    let text = fs::read_to_string(above.join("Cargo.toml")).ok()?;
    text.lines().any(|line| line.trim() == "name = \"kiq\"").then(|| above.display().to_string())
}
