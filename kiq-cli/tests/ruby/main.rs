//! `kiqctl` between Ruby and Rust: against what the real Sidekiq wrote, and between its classes and our functions.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use kiq_testing::RedisServer;
use serde_json::{Value, json};

#[path = "../../../tests/wire/ruby.rs"]
#[allow(dead_code, reason = "what other tests need of it")]
mod ruby;
/// What `kiqctl` writes for `payloads.jsonl`: that it is here shows that it compiles.
#[rustfmt::skip]
mod skeletons;

use ruby::{Sidekiq, enqueue};

fn kiqctl(arguments: &[&str], url: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kiqctl"));
    for variable in ["KIQ_REDIS_URL", "REDIS_PROVIDER", "REDIS_URL", "KIQ_CONFIG"] {
        command.env_remove(variable);
    }
    command.args(arguments).stdin(Stdio::null()).env("REDIS_URL", url).output().unwrap()
}

fn says(arguments: &[&str], url: &str) -> String {
    let output = kiqctl(arguments, url);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ruby")
}

/// `KIQ_OVERWRITE=1` rewrites the file.
#[test]
fn skeletons_compile_and_are_the_jobs_they_were_found_as() {
    let url = "redis://127.0.0.1:1/0";
    let written = says(&["ruby", "skeletons", "--file", folder().join("payloads.jsonl").to_str().unwrap()], url);

    let file = folder().join("skeletons.rs");
    if std::env::var_os("KIQ_OVERWRITE").is_some() {
        std::fs::write(&file, &written).unwrap();
    }
    assert_eq!(written, std::fs::read_to_string(file).unwrap());
    let jobs = kiq::Registry::linked().unwrap();
    let mut performed = 0;
    for line in std::fs::read_to_string(folder().join("payloads.jsonl")).unwrap().lines() {
        performed += usize::from(jobs.of(&kiq::Payload::parse(line.as_bytes()).unwrap()).is_some());
    }
    // All but the one whose name is none.
    assert_eq!(performed, 10);
    let charge = kiq::Payload::parse(br#"{"class":"Billing::ChargeCard","args":[8,"USD",{"a":1},1,2]}"#).unwrap();
    let charge = <skeletons::ChargeCard as kiq::Job>::from_args(charge.args()).unwrap();
    assert_eq!((charge.arg1, charge.arg2.as_str(), charge.arg5, charge.arg6), (8, "USD", 2.0, None));
}

/// The example `worker`. A run of all tests builds it; a run of this file alone may have to.
fn worker() -> PathBuf {
    let deps = std::env::current_exe().unwrap();
    let path = deps.parent().unwrap().parent().unwrap().join("examples/worker");
    if !path.exists() {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--example", "worker", "--all-features"])
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
            .status();
        assert!(built.unwrap().success());
    }
    path
}

#[test]
fn stubs_of_a_worker_program_are_ruby() {
    let server = RedisServer::start();
    let stubs = says(&["ruby", "stubs", worker().to_str().unwrap()], &server.url());

    assert!(stubs.contains("\nclass Resize\n") && stubs.contains("def perform(picture, width)\n"), "{stubs}");
    let file = tempfile::Builder::new().suffix(".rb").tempfile().unwrap();
    std::fs::write(&file, &stubs).unwrap();
    let code = "Sidekiq.logger.level = Logger::ERROR; Nap.set(queue: 'low').perform_async(1.5)";
    let ran = ruby::program("ruby")
        .args(["-r", "logger", "-r"])
        .arg(file.path())
        .args(["-e", code])
        .env("REDIS_URL", server.url())
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let jobs = says(&["jobs", "low"], &server.url());
    assert!(jobs.contains("Nap") && jobs.contains("[1.5]"), "{jobs}");
}

/// It shows Ruby's queues, sets and processes, and what it does to them is done.
#[test]
fn rubys_jobs_and_processes_are_shown_and_acted_on() {
    let server = RedisServer::start();
    let url = server.url();
    let json = |arguments: &[&str]| -> Value {
        serde_json::from_str(&says(&[arguments, &["--json"]].concat(), &url)).unwrap()
    };
    let mut ruby = Sidekiq::start(&server, &["ruby"]);
    let jids = enqueue(
        &server,
        &json!([
            {"class": "DiesInRuby", "queue": "ruby", "args": [7], "retry": 0},
            {"class": "OnlyRuby", "queue": "waiting", "args": [1, "a"]},
            {"class": "OnlyRuby", "queue": "ruby", "args": [2, "b"], "at": 4_000_000_000_u64},
        ]),
    );
    assert_eq!(ruby.next_run()["ended"], "raised");
    // The death is written after the run is told.
    while json(&["stats"])["dead"] != 1 {}

    let queues = says(&["queues"], &url);
    assert!(queues.contains("waiting") && queues.contains("nobody serves it"), "{queues}");
    let waiting = says(&["jobs", "waiting"], &url);
    assert!(waiting.contains("OnlyRuby") && waiting.contains("[1,\"a\"]"), "{waiting}");
    let dead = says(&["dead", "error:RuntimeError"], &url);
    assert!(dead.contains("DiesInRuby") && dead.contains("dead in Ruby"), "{dead}");
    let why = says(&["explain", &jids[2]], &url);
    assert!(why.contains("2096"), "{why}");
    let processes = json(&["processes"]);
    assert_eq!((&processes[0]["pid"], &processes[0]["concurrency"]), (&json!(ruby.pid()), &json!(5)), "{processes}");

    // Run the scheduled one now, and the dead one again; Ruby does.
    assert_eq!(says(&["retry", "scheduled", "class:OnlyRuby", "-y"], &url), "retry: 1 done\n");
    assert_eq!(ruby.next_run()["item"]["jid"], json!(jids[2]));
    assert_eq!(says(&["retry", "dead", &format!("jid:{}", jids[0]), "-y"], &url), "retry: 1 done\n");
    assert_eq!(ruby.next_run()["item"]["jid"], json!(jids[0]));
    assert_eq!(says(&["delete", "waiting", "--all", "-y"], &url), "delete: 1 done\n");
    says(&["quiet", "--all"], &url);
    while json(&["processes"])[0]["quiet"] != true {}
    says(&["stop", "--all"], &url);
    ruby.wait_for_its_end();
    assert_eq!(json(&["stats"])["processes"], 0);
}
