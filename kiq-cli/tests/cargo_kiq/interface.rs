//! Its face, as cargo's own commands have it.

use std::process::Command;

use crate::setup::{Place, cargo_kiq};

fn says(arguments: &[&str]) -> String {
    let place = Place::empty();
    let output = cargo_kiq(place.path()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn cargo_finds_it_and_its_help_is_cargos() {
    let folder = std::path::Path::new(env!("CARGO_BIN_EXE_cargo-kiq")).parent().unwrap();
    let path = std::env::join_paths(
        std::iter::once(folder.to_owned()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let cargo = || {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.env("PATH", path.as_ref().unwrap());
        cargo
    };

    let help = cargo().args(["kiq", "--help"]).output().unwrap();
    let by_help = cargo().args(["help", "kiq"]).output().unwrap();
    let version = cargo().args(["kiq", "--version"]).output().unwrap();

    let text = String::from_utf8(help.stdout).unwrap();
    for part in ["Usage: cargo kiq [OPTIONS] <COMMAND>", "new ", "generate ", "dev ", "completions "] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(String::from_utf8(by_help.stdout).unwrap(), text);
    assert!(String::from_utf8(version.stdout).unwrap().ends_with(concat!(env!("CARGO_PKG_VERSION"), "\n")));
}

#[test]
fn each_command_has_help_of_its_own() {
    assert!(says(&["new", "--help"]).contains("Usage: cargo kiq new [OPTIONS] <PATH>"));
    assert!(says(&["generate", "job", "--help"]).contains("Usage: cargo kiq generate job [OPTIONS] <PATH>"));
    assert!(says(&["g", "job", "--help"]).contains("special_jobs/my_job"));
    assert!(says(&["dev", "--help"]).contains("Procfile"));
    assert!(says(&["dev", "reset", "--help"]).contains("development"));
}

#[test]
fn there_are_completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = says(&["completions", shell]);
        assert!(script.contains("cargo-kiq") && script.contains("redis-url-var"), "{shell}");
    }
}

#[test]
fn a_slip_is_met_with_the_nearest_word() {
    let place = Place::empty();
    let said = place.fails(&["genrate"]);
    assert!(said.contains("unrecognized subcommand 'genrate'") && said.contains("'generate'"), "{said}");
    let said = place.fails(&["new"]);
    assert!(said.contains("<PATH>"), "{said}");
}

#[test]
fn quiet_says_only_what_is_wrong() {
    let place = Place::empty();
    assert_eq!(place.succeeds(&["new", "my-app", "--quiet"]), "");
    assert!(place.fails(&["new", "my-app", "--quiet"]).starts_with("error: "));
}
