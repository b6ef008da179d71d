//! `cargo kiq new`: what it makes, and what it refuses. That what it makes works is in `generated.rs`.

use std::fs;
use std::process::Command;

use crate::setup::{Place, cargo_kiq, checkout, files, succeeds};

#[test]
fn an_application_is_made_as_the_flags_say() {
    let place = Place::empty();

    let flags = ["--no-web", "--queue", "mail", "--redis-url-var", "ORDERS_REDIS_URL", "--edition", "2021"];
    let said = place.succeeds(&[&["new", "apps/my-app", "--name", "orders", "--no-git"][..], &flags].concat());

    assert!(said.contains("    Creating orders in apps/my-app\n"), "{said}");
    let manifest = place.read("apps/my-app/Cargo.toml");
    for part in ["name = \"orders\"", "edition = \"2021\"", "kiq = { version = \"0.1\"", "default-run = \"sign-up\""] {
        assert!(manifest.contains(part), "{part}: {manifest}");
    }
    assert!(!manifest.contains("axum"));
    assert!(place.read("apps/my-app/kiq.toml").contains("queues = [\"mail\", \"default\"]"));
    assert!(place.read("apps/my-app/kiq.toml").contains("provider = \"ORDERS_REDIS_URL\""));
    assert!(place.read("apps/my-app/src/jobs/send_welcome.rs").contains("queue = \"mail\""));
    assert_eq!(place.read("apps/my-app/Procfile"), "worker: worker\n");
    assert!(!place.app().join("src/web.rs").exists());
}

#[test]
fn without_flags_and_a_terminal_the_defaults_are_taken() {
    let place = Place::empty();

    place.succeeds(&["new", "my-app"]);

    let manifest = place.read("my-app/Cargo.toml");
    assert!(manifest.contains("edition = \"2024\"") && manifest.contains("axum"), "{manifest}");
    assert!(place.read("my-app/kiq.toml").contains("queues = [\"default\"]"));
    assert!(place.read("my-app/kiq.toml").contains("provider = \"REDIS_URL\""));
    assert_eq!(place.read("my-app/Procfile"), "web: web\nworker: worker\n");
    assert_eq!(place.read("my-app/.env"), place.read("my-app/.env.example"));
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(place.app()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(git(&["status", "--short"]).contains("?? Cargo.toml"), "it is a repository of its own");
    assert!(!git(&["status", "--short", "--untracked-files=all"]).contains(" .env\n"), ".env is not for git");
}

#[test]
fn the_name_must_be_one_of_a_crate() {
    let place = Place::empty();
    for (name, why) in [
        ("2fast", "does not begin with a letter"),
        ("my.app", "holds '.'"),
        ("match", "is a word of Rust"),
        ("gen", "is a word of Rust"),
        ("tokio", "is made of"),
        ("test", "keeps for itself"),
    ] {
        let said = place.fails(&["new", name]);
        assert!(said.contains(&format!("{name:?} cannot be the name of a package")) && said.contains(why), "{said}");
        assert!(said.contains("try `--name "), "{said}");
    }
    let said = place.fails(&["new", "ok", "--name", "fn"]);
    assert!(said.contains("\"fn\" cannot be"), "{said}");
    let said = place.fails(&["new", "/"]);
    assert!(said.contains("`--name my-app`"), "{said}");
}

#[test]
fn choices_that_cannot_be_are_refused() {
    let place = Place::empty();
    for (flag, value, why) in [
        ("--queue", "my queue", "cannot be the name of a queue"),
        ("--queue", "", "cannot be the name of a queue"),
        ("--redis-url-var", "redis://x", "cannot be the name of a variable"),
        ("--redis-url-var", "orders-url", "cannot be the name of a variable"),
        ("--edition", "2018", "possible values: 2024, 2021"),
    ] {
        let said = place.fails(&["new", "my-app", flag, value]);
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn a_folder_with_something_in_it_is_left_alone() {
    let place = Place::empty();
    place.write("my-app/notes.txt", "mine");
    let said = place.fails(&["new", "my-app"]);
    assert!(said.contains("my-app already exists and is not empty") && said.contains("--force"), "{said}");

    place.write("file", "mine");
    let said = place.fails(&["new", "file", "--name", "my-app"]);
    assert!(said.contains("cannot make ") && said.contains("file"), "{said}");
    let said = place.fails(&["new", "file/my-app"]);
    assert!(said.contains("file/my-app"), "{said}");

    fs::create_dir(place.path().join("empty")).unwrap();
    place.succeeds(&["new", "empty", "--no-git"]);
}

#[test]
fn force_says_what_it_replaces_and_leaves_the_rest() {
    let place = Place::empty();
    place.write("my-app/notes.txt", "mine");
    place.write("my-app/src/lib.rs", "mine");

    // First only to see.
    let before = files(place.path());
    let output = place.run(&["new", "my-app", "--force", "--dry-run", "--no-git"]);
    let (said, shown) = (succeeds(&output), String::from_utf8(output.stdout).unwrap());
    assert_eq!(said, "   Replacing src/lib.rs\n");
    assert!(shown.contains("--- a/src/lib.rs\n+++ b/src/lib.rs\n@@ ") && shown.contains("\n-mine\n"), "{shown}");
    assert!(shown.contains("--- /dev/null\n+++ b/Cargo.toml\n"), "{shown}");
    assert!(files(place.path()) == before);

    let said = place.succeeds(&["new", "my-app", "--force", "--no-git"]);
    assert_eq!(said.matches("Replacing").count(), 1, "{said}");
    assert!(said.contains("   Replacing src/lib.rs\n"), "{said}");
    assert_eq!(place.read("my-app/notes.txt"), "mine");
    assert!(place.read("my-app/src/lib.rs").contains("pub mod jobs;"));
}

#[test]
fn what_cannot_be_replaced_is_said_before_anything_is_written() {
    let place = Place::empty();
    place.write("my-app/Cargo.toml/file", "a folder where a file goes");
    let said = place.fails(&["new", "my-app", "--force"]);
    assert!(said.contains("Cargo.toml") && said.contains("cannot be replaced"), "{said}");
}

#[test]
fn a_checkout_is_written_as_the_way_from_the_new_folder() {
    let place = Place::empty();
    for file in ["Cargo.toml", "kiq-testing/Cargo.toml"] {
        place.write(&format!("kiq/{file}"), fs::read(checkout().join(file)).unwrap());
    }
    place.write("other/Cargo.toml", "[package]\nname = \"other\"\n");

    place.succeeds(&["new", "a/my-app", "--no-git", "--kiq-path", "kiq"]);
    let whole = place.path().canonicalize().unwrap().join("kiq");
    place.succeeds(&["new", "b/my-app", "--no-git", "--kiq-path", whole.to_str().unwrap()]);

    let manifest = place.read("a/my-app/Cargo.toml");
    assert!(manifest.contains("kiq = { path = \"../../kiq\""), "{manifest}");
    assert!(manifest.contains("kiq-testing = { path = \"../../kiq/kiq-testing\""), "{manifest}");
    let manifest = place.read("b/my-app/Cargo.toml");
    assert!(manifest.contains(&format!("kiq = {{ path = {whole:?}")), "{manifest}");
    let said = place.fails(&["new", "my-app", "--kiq-path", "nowhere"]);
    assert!(said.contains("--kiq-path nowhere: cannot read nowhere/Cargo.toml"), "{said}");
    let said = place.fails(&["new", "my-app", "--kiq-path", "other"]);
    assert!(said.contains("--kiq-path other: this is no checkout of kiq"), "{said}");
}

#[test]
fn a_workspace_above_is_pointed_out() {
    let place = Place::empty();
    place.write("Cargo.toml", "[workspace]\nmembers = []\n");
    let said = place.succeeds(&["new", "my-app", "--no-git"]);
    assert!(said.contains("warning: there is a workspace above") && said.contains("`members` or `exclude`"), "{said}");
}

/// No network, and nothing of cargo's on the disk: it is asked for nothing.
#[test]
fn neither_an_application_nor_a_job_needs_a_network() {
    let place = Place::empty();
    let alone = |folder: &std::path::Path, arguments: &[&str]| {
        let mut command = cargo_kiq(folder);
        command.args(arguments).env("CARGO_HOME", place.path().join("home")).env("CARGO_NET_OFFLINE", "true");
        command.env("https_proxy", "http://127.0.0.1:9").env("CARGO_HTTP_PROXY", "127.0.0.1:9");
        succeeds(&command.output().unwrap())
    };

    alone(place.path(), &["new", "my-app", "--no-git"]);
    alone(&place.app(), &["generate", "job", "reports/send_report"]);

    assert!(place.app().join("src/jobs/reports/send_report.rs").is_file());
}
