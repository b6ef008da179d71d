//! Registration survives the linker: jobs of a dependency, in debug and in release with fat LTO, in a crate of edition 2021
//! that knows kiq by another name. A program that links no job says so, with the remedy.
//!
//! Builds a workspace of its own, offline, from the sources cargo has already.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::Path;
use std::process::Command;

const WORKSPACE: &str = r#"
[workspace]
members = ["mail-jobs", "runner"]
resolver = "2"

[profile.release]
lto = "fat"
codegen-units = 1
strip = true
"#;

const JOBS: &str = r#"
[package]
name = "mail-jobs"
version = "0.0.0"
edition = "2021"

[dependencies]
background = { package = "kiq", path = "KIQ", default-features = false, features = ["inventory"] }
"#;

const JOBS_LIB: &str = r#"//! Jobs of a dependency.
#![deny(warnings, missing_docs)]
#![forbid(unsafe_code)]

/// Sends a receipt.
#[background::job(crate = background, queue = "mail", on_exhausted = bury)]
pub async fn send_receipt(to: &str, order: u64) {
    let _ = (to, order);
}

async fn bury(_: background::DeadJob) {}

mod inner {
    background::defaults! { crate = background, queue = "reports" }

    #[background::job(crate = background)]
    fn report(day: Option<u32>) {
        let _ = day;
    }
}
"#;

const RUNNER: &str = r#"
[package]
name = "runner"
version = "0.0.0"
edition = "2024"

[dependencies]
kiq = { path = "KIQ", default-features = false, features = ["inventory"] }
mail-jobs = { path = "../mail-jobs" }
"#;

/// Names nothing of the crate that has the jobs.
const WITHOUT: &str = r#"
fn main() {
    match kiq::Worker::builder().client(kiq::Client::in_memory()).build() {
        Ok(worker) => println!("{:?}", worker.jobs().iter().map(|job| job.name).collect::<Vec<_>>()),
        Err(error) => println!("{error}"),
    }
}
"#;

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text.replace("KIQ", env!("CARGO_MANIFEST_DIR"))).unwrap();
}

#[test]
fn jobs_of_a_dependency_are_registered_when_something_of_it_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write(&root.join("Cargo.toml"), WORKSPACE);
    write(&root.join("mail-jobs/Cargo.toml"), JOBS);
    write(&root.join("mail-jobs/src/lib.rs"), JOBS_LIB);
    write(&root.join("runner/Cargo.toml"), RUNNER);
    write(&root.join("runner/src/bin/with.rs"), &format!("use mail_jobs as _;\n{WITHOUT}"));
    write(&root.join("runner/src/bin/without.rs"), WITHOUT);
    // The versions that are known to be here.
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock"), root.join("Cargo.lock")).unwrap();

    for (profile, option) in [("debug", None), ("release", Some("--release"))] {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--offline", "--quiet", "--bins"])
            .args(option)
            .current_dir(root)
            .env("CARGO_TARGET_DIR", root.join("target"))
            .env_remove("RUSTFLAGS")
            .status();
        assert!(built.unwrap().success(), "{profile}");
        let says = |program: &str| {
            let output = Command::new(root.join("target").join(profile).join(program)).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };

        assert_eq!(says("with"), "[\"Report\", \"SendReceipt\"]\n", "{profile}");
        let without = says("without");
        assert!(without.starts_with("no job is linked into this program"), "{profile}: {without}");
        assert!(without.contains("`use my_jobs as _;`"), "{profile}: {without}");
    }
}
