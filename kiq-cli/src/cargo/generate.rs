//! `cargo kiq generate job`: a job and its test, wired into the modules above, both of which fail until they are written.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::ArgMatches;
use liquid::model::Value;

use super::changes::Changes;
use super::names::{Argument, camel_case};
use super::project::{Project, formatted, nearest};
use super::shell::{Fault, Shell};
use super::template::render;
use super::wiring::{Wiring, declare};

/// What a job and its test look like before they are written.
const TEMPLATE: &str = "job.rs.liquid";

/// The module that has the jobs.
const JOBS: &str = "jobs";

pub(crate) fn run(given: &ArgMatches, shell: &Shell) -> Result<(), Fault> {
    let path = given.get_one::<Vec<String>>("path").cloned().unwrap_or_default();
    let job = Job {
        name: path.last().cloned().unwrap_or_default(),
        queue: given.get_one::<String>("queue").cloned(),
        arguments: given.get_many::<Argument>("arg").into_iter().flatten().cloned().collect(),
    };
    job.check()?;
    let project = Project::find(given.get_one::<String>("package").map(String::as_str))?;
    if !project.dependencies.iter().any(|name| name == "kiq") {
        return Err(format!("the package {} does not depend on kiq; `cargo add kiq` first", project.name).into());
    }

    let mut plan = Plan::new(&project);
    let file = plan.wire(&path)?;
    check_inside(&project.folder, &file)?;
    let text = formatted(&job.text(&plan.shown(&file))?, &project.edition, &project.folder);
    let mut changes = plan.changes()?;
    changes.create(&plan.below(&file), text)?;

    if let Some(other) = another_of_that_name(&project, &file, &job.name) {
        return Err(format!(
            "{other} has a job of the name {}, and a worker takes no two; take another name for the new one",
            camel_case(&job.name)
        )
        .into());
    }
    let is_forced = given.get_flag("force");
    changes.check(is_forced, shell)?;
    if given.get_flag("dry-run") {
        return changes.show();
    }
    changes.write()?;
    shell.status("Created", plan.shown(&file));
    for edited in plan.edited() {
        shell.status("Wired", edited);
    }
    say_what_is_missing(&project, &job, shell);
    shell.note(&format!("write {} and its test; `cargo test {}` fails until both are", plan.shown(&file), job.name));
    Ok(())
}

/// A job as it is asked for.
struct Job {
    name: String,
    queue: Option<String>,
    arguments: Vec<Argument>,
}

impl Job {
    fn check(&self) -> Result<(), Fault> {
        for (at, argument) in self.arguments.iter().enumerate() {
            if self.arguments.iter().skip(at + 1).any(|other| other.name == argument.name) {
                return Err(
                    format!("there are two arguments named {}; each needs a name of its own", argument.name).into()
                );
            }
        }
        Ok(())
    }

    /// The file, before `rustfmt`. Its test runs the job where values for all of its arguments are known.
    fn text(&self, file: &str) -> Result<String, Fault> {
        let each = |part: fn(&Argument) -> String| self.arguments.iter().map(part).collect::<Vec<_>>().join(", ");
        let samples: Option<Vec<&str>> = self.arguments.iter().map(|argument| argument.sample.as_deref()).collect();
        let values = [
            ("name", Value::scalar(self.name.clone())),
            ("handle", Value::scalar(camel_case(&self.name))),
            ("queue", self.queue.clone().map_or(Value::Nil, Value::scalar)),
            ("parameters", Value::scalar(each(|argument| format!("{}: {}", argument.name, argument.kind)))),
            ("names", Value::scalar(each(|argument| argument.name.clone()))),
            // The empty text counts as there.
            ("samples", samples.map_or(Value::Nil, |samples| Value::scalar(samples.join(", ")))),
            ("file", Value::scalar(file.to_owned())),
        ];
        render(TEMPLATE, include_str!("../../templates/job.rs.liquid"), &values)
    }
}

/// The modules between the crate's root and the job: which files they are, and what is put into them.
struct Plan<'a> {
    project: &'a Project,
    /// By path: what is there, and what will be.
    files: BTreeMap<PathBuf, (Option<String>, String)>,
}

impl<'a> Plan<'a> {
    fn new(project: &'a Project) -> Self {
        Plan { project, files: BTreeMap::new() }
    }

    /// Declares each module in the one above, and answers which file is the job's.
    fn wire(&mut self, path: &[String]) -> Result<PathBuf, Fault> {
        let root = self.project.root.clone();
        let mut parent = root.clone();
        let mut folder = root.parent().unwrap_or(Path::new(".")).to_owned();
        // Files are laid out as those that are there: `jobs/mod.rs`, or `jobs.rs` beside the folder.
        let mut has_mod_rs = folder.join(JOBS).join("mod.rs").is_file();
        let mut modules = path.iter().map(String::as_str).peekable();
        let mut name = JOBS;
        loop {
            self.declare(&parent, name)?;
            let (flat, nested) = (folder.join(format!("{name}.rs")), folder.join(name).join("mod.rs"));
            if flat.is_file() && nested.is_file() {
                let (flat, nested) = (self.shown(&flat), self.shown(&nested));
                return Err(format!(
                    "there are both {flat} and {nested}, and the module `{name}` is one of them; remove one"
                )
                .into());
            }
            let Some(next) = modules.next() else { return Ok(if nested.is_file() { nested } else { flat }) };
            has_mod_rs = if nested.is_file() { true } else { !flat.is_file() && has_mod_rs };
            parent = if has_mod_rs { nested } else { flat };
            folder = folder.join(name);
            if !self.files.contains_key(&parent) && !parent.is_file() {
                let about = if name == JOBS { "The jobs." } else { "Jobs." };
                self.files.insert(parent.clone(), (None, format!("//! {about}\n")));
            }
            name = next;
        }
    }

    fn declare(&mut self, parent: &Path, name: &str) -> Result<(), Fault> {
        check_inside(&self.project.folder, parent)?;
        let (before, text) = match self.files.remove(parent) {
            Some(planned) => planned,
            None => {
                let text = fs::read_to_string(parent).map_err(|error| match error.kind() {
                    io::ErrorKind::InvalidData => format!("{} is not text in UTF-8", self.shown(parent)),
                    _ => format!("cannot read {}: {error}", self.shown(parent)),
                })?;
                (Some(text.clone()), text)
            }
        };
        let changed = match declare(&text, name).map_err(|problem| format!("{}: {problem}", self.shown(parent)))? {
            Wiring::Added(changed) => changed,
            Wiring::Present => text,
        };
        self.files.insert(parent.to_owned(), (before, changed));
        Ok(())
    }

    /// All of it that differs from what is there.
    fn changes(&self) -> Result<Changes, Fault> {
        let mut changes = Changes::below(&self.project.folder);
        for (path, (before, text)) in &self.files {
            match before {
                Some(before) if before == text => {}
                Some(before) => changes.edit(&self.below(path), before.clone(), text.clone()),
                None => changes.create(&self.below(path), text.clone())?,
            }
        }
        Ok(changes)
    }

    fn edited(&self) -> impl Iterator<Item = String> {
        let is_edited = |(_, (before, text)): &(&PathBuf, &(Option<String>, String))| before.as_ref() != Some(text);
        self.files.iter().filter(is_edited).map(|(path, _)| self.shown(path))
    }

    /// From the package's folder.
    fn below(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.project.folder).unwrap_or(path).to_owned()
    }

    fn shown(&self, path: &Path) -> String {
        self.below(path).display().to_string()
    }
}

/// A link among the folders may lead out of the package.
fn check_inside(package: &Path, path: &Path) -> Result<(), Fault> {
    let there = fs::canonicalize(nearest(path.parent().unwrap_or(path)))?;
    if there.starts_with(fs::canonicalize(package)?) {
        return Ok(());
    }
    Err(format!("{} leaves the crate: it is in {}; nothing was written", path.display(), there.display()).into())
}

/// Where another file has a job of that name, if one does. Files that do not parse are the compiler's business.
fn another_of_that_name(project: &Project, file: &Path, name: &str) -> Option<String> {
    let mut folders = vec![project.root.parent()?.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path != file && path.extension().is_some_and(|extension| extension == "rs") {
                let parsed = fs::read_to_string(&path).ok().and_then(|text| syn::parse_file(&text).ok());
                if let Some(line) = parsed.and_then(|parsed| job_in(&parsed.items, name)) {
                    let path = path.strip_prefix(&project.folder).unwrap_or(&path);
                    return Some(format!("{}:{line}", path.display()));
                }
            }
        }
    }
    None
}

/// The line of `#[kiq::job] fn NAME`.
fn job_in(items: &[syn::Item], name: &str) -> Option<usize> {
    items.iter().find_map(|item| match item {
        syn::Item::Fn(function) if function.sig.ident == name => {
            let is_job = |attribute: &syn::Attribute| {
                attribute.path().segments.last().is_some_and(|segment| segment.ident == "job")
            };
            function.attrs.iter().any(is_job).then(|| function.sig.ident.span().start().line)
        }
        syn::Item::Mod(module) => job_in(&module.content.as_ref()?.1, name),
        _ => None,
    })
}

/// What the job wants beside its file, which is not ours to change.
fn say_what_is_missing(project: &Project, job: &Job, shell: &Shell) {
    let missing: Vec<&str> = ["kiq-testing", "tokio"]
        .into_iter()
        .filter(|wanted| !project.dependencies.iter().any(|name| name == wanted))
        .collect();
    if !missing.is_empty() {
        shell.warn(&format!("its test wants {} among the dev-dependencies of {}", missing.join(" and "), project.name));
    }
    let settings = kiq::program::Settings::load_from(&Default::default(), &|_| None, &project.folder);
    if let (Some(queue), Ok(settings)) = (&job.queue, settings) {
        let capsules = settings.capsules.value.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let queues = settings.queues.value.iter().map(ToString::to_string).collect::<Vec<_>>();
        let is_served =
            queues.iter().any(|served| served.split(',').next() == Some(queue)) || capsules.contains(queue.as_str());
        if !is_served && let Some(file) = &settings.file {
            let file = file.strip_prefix(&project.folder).unwrap_or(file);
            shell.warn(&format!("no worker serves the queue {queue}; add it to `queues` in {}", file.display()));
        }
    }
}
