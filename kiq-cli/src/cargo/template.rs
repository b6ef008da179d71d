//! The files of a new application: those of `templates/app`, from which `cargo generate` makes the same.

use liquid::model::Value;
use liquid::{Object, ParserBuilder};

use super::shell::Fault;

/// The answers to the questions of `cargo-generate.toml`, and the name.
#[derive(Clone, Debug)]
pub(crate) struct Choices {
    pub(crate) name: String,
    pub(crate) has_web: bool,
    pub(crate) queue: String,
    pub(crate) redis_url_var: String,
    pub(crate) edition: String,
    /// From the new folder, or absolute. Empty: from crates.io.
    pub(crate) kiq_path: String,
}

/// Which applications have a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    All,
    Web,
    NoWeb,
}

/// A file of the template: its path there, its text, and who has it.
type File = (&'static str, &'static str, For);

macro_rules! file {
    ($path:literal, $who:ident) => {
        ($path, include_str!(concat!("../../templates/app/", $path)), For::$who)
    };
}

const FILES: [File; 26] = [
    file!(".dockerignore", All),
    file!(".env.example.liquid", All),
    file!(".env.liquid", All),
    file!(".github/workflows/ci.yml", All),
    file!(".gitignore.liquid", All),
    file!("Cargo.toml.liquid", All),
    file!("Dockerfile", All),
    file!("Procfile", All),
    file!("README.md", All),
    file!("kiq.toml", All),
    file!("src/alerts.rs", All),
    file!("src/bin/sign-up.rs", NoWeb),
    file!("src/bin/web.rs", Web),
    file!("src/bin/worker.rs", All),
    file!("src/form.html", Web),
    file!("src/jobs.rs", All),
    file!("src/jobs/send_welcome.rs", All),
    file!("src/lib.rs", All),
    file!("src/mail.rs", All),
    file!("src/services.rs", All),
    file!("src/set_up.rs", All),
    file!("src/sign_up.rs", All),
    file!("src/web.rs", Web),
    file!("tests/gopher.rs", All),
    file!("tests/sign_up.rs", All),
    file!("tests/world/mod.rs", All),
];

/// The text that a template makes of values.
pub(crate) fn render(name: &str, text: &str, values: &[(&'static str, Value)]) -> Result<String, Fault> {
    let globals: Object = values.iter().map(|(key, value)| ((*key).into(), value.clone())).collect();
    let template = ParserBuilder::with_stdlib().build().and_then(|parser| parser.parse(text));
    let rendered = template.and_then(|template| template.render(&globals));
    rendered.map_err(|error| format!("the template of {name}: {error}").into())
}

/// The files of an application, each with its path from its folder, in order.
pub(crate) fn files(choices: &Choices) -> Result<Vec<(String, String)>, Fault> {
    let values = [
        // The first two are cargo-generate's own.
        ("project-name", Value::scalar(choices.name.clone())),
        ("crate_name", Value::scalar(choices.name.replace('-', "_"))),
        ("web", Value::scalar(choices.has_web)),
        ("queue", Value::scalar(choices.queue.clone())),
        ("redis_url_var", Value::scalar(choices.redis_url_var.clone())),
        ("edition", Value::scalar(choices.edition.clone())),
        ("kiq_path", Value::scalar(choices.kiq_path.clone())),
    ];
    let left_out = if choices.has_web { For::NoWeb } else { For::Web };
    let files = FILES.iter().filter(|(_, _, who)| *who != left_out);
    let rendered = files.map(|(path, text, _)| {
        Ok((path.strip_suffix(".liquid").unwrap_or(path).to_owned(), render(path, text, &values)?))
    });
    rendered.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    fn choices(has_web: bool) -> Choices {
        Choices {
            name: "my-app".to_owned(),
            has_web,
            queue: "mail".to_owned(),
            redis_url_var: "ORDERS_REDIS_URL".to_owned(),
            edition: "2024".to_owned(),
            kiq_path: String::new(),
        }
    }

    fn folder() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/app"))
    }

    /// Below `folder`, with `/` between.
    fn files_below(folder: &Path, prefix: &str, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            if entry.path().is_dir() {
                files_below(&entry.path(), &format!("{path}/"), found);
            } else {
                found.insert(path);
            }
        }
    }

    #[test]
    fn every_file_of_the_folder_is_here_and_for_the_same_applications_as_cargo_generate_makes_them_for() {
        let mut found = BTreeSet::new();
        files_below(folder(), "", &mut found);
        found.remove("cargo-generate.toml");
        assert_eq!(FILES.iter().map(|(path, ..)| (*path).to_owned()).collect::<BTreeSet<_>>(), found);

        let config = fs::read_to_string(folder().join("cargo-generate.toml")).unwrap();
        for (who, condition) in [(For::Web, "web == false"), (For::NoWeb, "web == true")] {
            let paths: Vec<String> =
                FILES.iter().filter(|(_, _, of)| *of == who).map(|(path, ..)| format!("{path:?}")).collect();
            let section = format!("[conditional.'{condition}']\nignore = [{}]", paths.join(", "));
            assert!(config.contains(&section), "cargo-generate.toml wants\n{section}");
        }
    }

    #[test]
    fn cargo_generate_asks_for_all_that_the_template_names() {
        let config = fs::read_to_string(folder().join("cargo-generate.toml")).unwrap();
        let asked: BTreeSet<&str> =
            config.lines().filter_map(|line| line.strip_prefix("[placeholders.")?.strip_suffix(']')).collect();
        assert_eq!(asked, BTreeSet::from(["edition", "kiq_path", "queue", "redis_url_var", "web"]));
        for (path, text, _) in FILES {
            for part in text.split("{{").skip(1).filter_map(|rest| rest.split("}}").next()) {
                let name = part.split('|').next().unwrap_or_default().trim();
                assert!(asked.contains(name) || ["project-name", "crate_name"].contains(&name), "{path}: {name:?}");
            }
        }
    }

    #[test]
    fn the_version_of_kiq_is_this_one() {
        let (major, minor) = (env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"));
        let files = super::files(&choices(true)).unwrap_or_else(|_| Vec::new());
        let (_, manifest) = files.iter().find(|(path, _)| path == "Cargo.toml").unwrap();
        assert_eq!(manifest.matches(&format!("version = \"{major}.{minor}\", features")).count(), 2, "{manifest}");
    }

    #[test]
    fn nothing_of_the_template_language_is_left() {
        for has_web in [true, false] {
            let files = super::files(&choices(has_web)).unwrap_or_else(|_| Vec::new());
            assert_eq!(files.len(), FILES.len() - if has_web { 1 } else { 3 });
            for (path, text) in files {
                for mark in ["{{", "}}", "{%", "%}", "liquid"] {
                    assert!(!text.contains(mark) && !path.contains("liquid"), "{path} has {mark}\n{text}");
                }
                assert!(text.ends_with('\n') && !text.ends_with("\n\n") && !text.starts_with('\n'), "{path}:\n{text}");
                assert!(!text.lines().any(|line| line.ends_with(' ')), "{path} has blanks at the end of a line");
            }
        }
    }
}
