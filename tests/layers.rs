//! The import laws of ARCHITECTURE.md: which folder may name which. A violation is reported with file, line and law.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Inside `kiq-runtime/src`: a folder or file, what of `crate::` it may name beside itself, and why no more.
const ROOMS: &[(&str, &[&str], &str)] = &[
    ("clock", &[], "the ground floor: now, from the system or set by hand"),
    ("random", &[], "the ground floor: dice"),
    ("suggest", &[], "the ground floor: slips of the finger"),
    ("awaits", &[], "the ground floor: where a future may be stopped, for testing tools"),
    ("error", &["job"], "the ground floor: public errors"),
    ("job", &["clock", "random", "error"], "what a job is: no I/O, so that it can be tested as arithmetic"),
    ("retry", &["job", "clock"], "arithmetic only: the caller brings the time and the dice"),
    ("broker", &["job", "clock", "random", "error"], "a store knows jobs but no client, worker or inspector"),
    ("events", &["broker", "job", "clock"], "what happened, told to whoever listens"),
    ("reports", &["events", "job", "middleware"], "what is told of a failure, above what happened"),
    ("middleware", &["job"], "what is wrapped around runs knows jobs, and neither stores nor workers"),
    ("client", &["broker", "job", "clock", "error", "middleware"], "a web app that only enqueues carries no worker"),
    (
        "inspect",
        &["broker", "client", "job", "clock", "error", "suggest"],
        "looking works from any process, with no worker running",
    ),
    (
        "app",
        &["broker", "client", "job", "meters", "middleware", "reports", "retry"],
        "what clients and workers share is above clients and below workers",
    ),
    ("meters", &[], "numbers for whoever wants them: told by the worker, and knows nothing of it"),
    ("logs", &[], "for programs with no tracing set-up of their own; nothing of kiq depends on it"),
    (
        "worker",
        &[
            "app",
            "meters",
            "middleware",
            "reports",
            "broker",
            "client",
            "events",
            "job",
            "retry",
            "clock",
            "random",
            "error",
        ],
        "the hot path does not depend on reporting code",
    ),
    (
        "program",
        &["app", "broker", "client", "clock", "error", "events", "job", "logs", "meters", "retry", "suggest", "worker"],
        "a worker as a program: above everything",
    ),
    ("private", &["awaits", "client", "job"], "what the macro's code calls"),
];

/// What a crate may name of the others.
const CRATES: &[(&str, &[&str], &str)] = &[
    ("kiq-macros/src", &[], "it writes paths into the user's crate and depends on nothing of ours"),
    ("kiq-runtime/src", &[], "the runtime stands alone"),
    (
        "kiq-testing/src",
        &["kiq_runtime"],
        "it sees public items of the runtime; the facade depends on it for tests only",
    ),
    ("kiq-cli/src", &["kiq"], "the operator's tool has nothing that a user's program cannot have"),
    ("kiq-web/src", &["kiq_runtime"], "the dashboard looks and acts through what the runtime offers to everybody"),
    ("src", &["kiq_macros", "kiq_runtime", "kiq_web"], "the facade re-exports and documents"),
];

const OURS: &[&str] = &["kiq_macros", "kiq_runtime", "kiq_testing", "kiq_web", "kiq_cli"];

/// A word that may stand in some places only.
struct Word {
    is: fn(&str) -> bool,
    allowed_in: &'static [&'static str],
    law: &'static str,
}

const WORDS: &[Word] = &[
    Word {
        is: |line| has(line, "redis::") && !has(line, "self::redis::") && !line.contains("broker::redis"),
        allowed_in: &["kiq-runtime/src/broker/redis/", "kiq-testing/src/"],
        law: "only broker/redis/ names the redis crate: one place to check against Sidekiq's format",
    },
    Word {
        is: |line| {
            [
                "\"queue:",
                "\"queues\"",
                "\"processes\"",
                "\"schedule\"",
                "\"stat:",
                "\"kiq:b",
                "\"kiq:i",
                "\"kiq:l",
                "\"kiq:o",
            ]
            .iter()
            .any(|key| line.contains(key))
        },
        allowed_in: &[
            "kiq-runtime/src/broker/redis/keys.rs",
            "kiq-runtime/src/broker/redis/presence.rs",
            "kiq-runtime/src/broker/redis/processes.rs",
            "kiq-runtime/src/program/settings/",
            "kiq-runtime/src/program/ruby.rs",
            "kiq-cli/src/",
            "kiq-testing/src/",
            "kiq-web/src/",
        ],
        law: "Redis keys are named in broker/redis/keys.rs alone (in presence.rs and processes.rs fields of a record are called alike, in settings/ keys of a file, in ruby.rs options of Ruby, in kiq-cli words of its grammar, in kiq-web addresses)",
    },
    Word {
        // With whatever path before it.
        is: |line| {
            let clocks = ["SystemTime::now", "UNIX_EPOCH.elapsed", "Utc::now", "Local::now", "OffsetDateTime::now"];
            clocks.iter().chain(&["Timestamp::now", "Zoned::now"]).any(|clock| line.contains(clock))
        },
        allowed_in: &["kiq-runtime/src/clock.rs"],
        law: "clock.rs is the only clock of the workspace: tests set it by hand",
    },
    Word {
        is: |line| line.contains("Instant::now"),
        allowed_in: &[
            "kiq-runtime/src/clock.rs",
            // tokio's, for its `timeout_at`: waits for the network, which no test sets.
            "kiq-runtime/src/broker/redis/wake.rs",
            // The patience with real processes, and tokio's clock, which a test's may follow.
            "kiq-testing/src/ledger.rs",
            "kiq-testing/src/redis.rs",
            "kiq-testing/src/hand.rs",
            // How often the screen is drawn.
            "kiq-cli/src/top.rs",
            // tokio's: how often the store is asked, and when a stream ends.
            "kiq-web/src/sampler.rs",
            "kiq-web/src/numbers.rs",
            "kiq-web/src/live.rs",
        ],
        law: "nothing about a job goes by another clock than clock.rs's; how long something took is measured from its `instant()`",
    },
];

fn has(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        !line[..at].chars().next_back().is_some_and(|before| before.is_alphanumeric() || before == '_' || before == ':')
    })
}

/// The workspace's folder.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A line of code, where it stands.
struct Line {
    place: String,
    number: usize,
    text: String,
}

/// The code below a folder, without comments, documentation and unit tests.
fn code(folder: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                lines.extend(code_of(&path));
            }
        }
    }
    assert!(!lines.is_empty(), "no code below {folder}");
    lines
}

fn code_of(path: &Path) -> Vec<Line> {
    let place = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().enumerate().take_while(|(_, line)| line.trim() != "#[cfg(test)]");
    let code = lines.filter(|(_, line)| !line.trim_start().starts_with("//"));
    code.map(|(at, line)| Line { place: place.clone(), number: at + 1, text: line.to_owned() }).collect()
}

fn violation(line: &Line, law: &str) -> String {
    format!("{}:{}: `{}` breaks the law: {law}", line.place, line.number, line.text.trim())
}

fn report(violations: Vec<String>) {
    assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), violations.join("\n"));
}

/// The room of a file of the runtime: `broker` for `broker/redis/mod.rs`, `client` for `client.rs`.
fn room(place: &str) -> &str {
    let inside = place.strip_prefix("kiq-runtime/src/").unwrap();
    inside.split(['/', '.']).next().unwrap()
}

/// The names that follow `crate::` in a line.
fn named(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::").skip(1).filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next())
}

#[test]
fn inside_the_runtime_imports_go_down() {
    let mut violations = Vec::new();
    for line in code("kiq-runtime/src") {
        let room = room(&line.place);
        if room == "lib" {
            continue;
        }
        let Some((_, may, law)) = ROOMS.iter().find(|(name, ..)| *name == room) else {
            violations.push(violation(&line, "every folder and file has a row in tests/layers.rs"));
            continue;
        };
        // `crate::__register` and its like are where the compiler puts exported macros.
        let mut names = named(&line.text).filter(|name| !name.starts_with("__") && !name.is_empty());
        if names.any(|name| name != room && !may.contains(&name)) {
            violations.push(violation(&line, &format!("{room} may name {may:?}: {law}")));
        }
    }
    report(violations);
}

#[test]
fn every_row_is_about_a_room_that_exists() {
    let rooms: BTreeSet<String> = code("kiq-runtime/src").iter().map(|line| room(&line.place).to_owned()).collect();
    for (name, ..) in ROOMS {
        assert!(rooms.contains(*name), "{name} is gone; remove its row");
    }
}

#[test]
fn crates_name_only_those_below_them() {
    let mut violations = Vec::new();
    for (folder, may, law) in CRATES {
        for line in code(folder) {
            // What stands between backquotes is a message's advice, and no code.
            let code: String = line.text.split('`').step_by(2).collect();
            if OURS.iter().any(|other| has(&code, &format!("{other}::")) && !may.contains(other)) {
                violations.push(violation(&line, law));
            }
        }
    }
    report(violations);
}

#[test]
fn some_words_have_one_home() {
    let mut violations = Vec::new();
    for (folder, ..) in CRATES {
        for line in code(folder) {
            for word in WORDS {
                if (word.is)(&line.text) && !word.allowed_in.iter().any(|place| line.place.starts_with(place)) {
                    violations.push(violation(&line, word.law));
                }
            }
        }
    }
    report(violations);
}

#[test]
fn the_facade_defines_nothing() {
    let defines = |line: &&Line| {
        let text = line.text.trim_start();
        let text = text.strip_prefix("pub ").unwrap_or(text);
        ["fn ", "async fn ", "struct ", "enum ", "trait ", "impl ", "const ", "static ", "type ", "macro_rules!"]
            .iter()
            .any(|word| text.starts_with(word))
    };
    // What the guides' examples include is not compiled into the crate.
    let lines: Vec<Line> = code("src").into_iter().filter(|line| line.place != "src/guide/shop.rs").collect();
    report(lines.iter().filter(defines).map(|line| violation(line, "the facade re-exports and documents")).collect());
}

#[test]
fn a_planted_violation_is_seen() {
    let names: Vec<&str> = named("use crate::worker::Worker; fn f() -> crate::error::BrokerError {}").collect();
    assert_eq!(names, ["worker", "error"]);
    assert!((WORDS[0].is)("    let mut get = redis::cmd(\"GET\");"));
    assert!(!(WORDS[0].is)("pub use self::redis::RedisBroker;"));
    assert!((WORDS[1].is)("    .arg(\"queue:default\")"));
    assert!((WORDS[2].is)("    let now = SystemTime::now();"));
    assert!((WORDS[2].is)("    let today = jiff::Zoned::now();"));
    assert!((WORDS[3].is)("    let due = tokio::time::Instant::now();"));
    assert!((WORDS[3].is)("    let started = Instant::now();"));
}
