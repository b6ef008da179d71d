//! Registration survives the linker: jobs of a dependency, in debug and in release with fat LTO, in a crate of edition 2021
//! that knows kiq by another name. A program that links no job says so, with the remedy.

use std::process::Command;

use crate::project::Project;

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

#[test]
fn jobs_of_a_dependency_are_registered_when_something_of_it_is_named() {
    let project = Project::new("jobs", WORKSPACE);
    project.write("mail-jobs/Cargo.toml", JOBS);
    project.write("mail-jobs/src/lib.rs", JOBS_LIB);
    project.write("runner/Cargo.toml", RUNNER);
    project.write("runner/src/bin/with.rs", &format!("use mail_jobs as _;\n{WITHOUT}"));
    project.write("runner/src/bin/without.rs", WITHOUT);

    for (profile, option) in [("debug", None), ("release", Some("--release"))] {
        project.build(["build", "--bins"].into_iter().chain(option));
        let says = |program: &str| {
            let output = Command::new(project.target().join(profile).join(program)).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };

        assert_eq!(says("with"), "[\"Report\", \"SendReceipt\"]\n", "{profile}");
        let without = says("without");
        assert!(without.starts_with("no job is linked into this program"), "{profile}: {without}");
        assert!(without.contains("`use my_jobs as _;`"), "{profile}: {without}");
    }
}
