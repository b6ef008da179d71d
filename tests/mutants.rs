//! Is every command of the scripts needed? Each is taken out in turn, and a test has to fail.
//!
//! ```text
//! cargo test --test mutants -- --ignored --nocapture
//! ```
//!
//! builds the tests once, in a target folder of its own and with `--cfg kiq_lua_from`, so that they read the scripts from the
//! folder that `KIQ_LUA_FROM` names; then runs those of `[profile.mutants]` (`.config/nextest.toml`) against each mutant until
//! the first fails. `KIQ_MUTANTS=ack,settle` tries those scripts alone.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

const SCRIPTS: &str = "kiq-runtime/src/broker/redis/lua";

/// What a script is told in place of an answer that it looks at: that there is nothing, for what only reads, and that it is
/// done, for what changes something.
const ANSWERS: &[(&[&str], &str)] = &[
    (&["GET", "HGET", "LINDEX", "LPOS", "RPOP", "ZSCORE"], "false"),
    (&["HGETALL", "HKEYS", "LRANGE", "SMEMBERS"], "{}"),
    (&["EXISTS", "HEXISTS", "LLEN", "ZCARD"], "0"),
    (&["TIME"], "{ '0', '0' }"),
    (&["HINCRBY", "INCR", "INCRBY", "ZREMRANGEBYRANK", "ZREMRANGEBYSCORE"], "0"),
    (&["HSETNX", "LPUSH", "LREM", "RPUSH", "SORT", "ZADD", "ZREM"], "1"),
    (&["LTRIM", "SET"], "{}"),
    // The command is a value.
    (&[""], "0"),
];

/// The quick tests of the store, which see most mutants: asked first. What they let pass all others are asked about.
const FIRST: &str = "binary(brokers) and test(/^(fetching|idempotent|inspecting|promoting|reclaiming|redis_faults|redis_only|\
                     resync|settling|waiting)::/)";

/// Commands that no test can miss: script, the how manieth line that begins so, and why.
const NOT_NEEDED: &[(&str, u8, &str, &str)] = &[
    (
        "fetch",
        1,
        "redis.call('DEL', batch)",
        "whoever may not RPUSH is refused at the first thousand, before there is anything to remove",
    ),
    (
        "forget",
        1,
        "if redis.call('EXISTS', KEYS[1]) == 1 then",
        "a race: the owner has to come back between two requests of one reclaim",
    ),
    (
        "push",
        1,
        "redis.call('SET', KEYS[i], found, 'KEEPTTL')",
        "WAIT promises only to wait for what its own connection wrote; Redis 7.0 waits for all that was written before the \
         connection's last command, so that this write shows on servers alone that keep to the promise",
    ),
    (
        "release",
        1,
        "if ARGV[4] == '1' and redis.call('EXISTS', KEYS[1]) == 1 then",
        "the same race; tests/model.rs has it as SweepsTheLiving",
    ),
];

/// A script without one of its commands.
struct Mutant {
    script: String,
    line: usize,
    /// The line as it was.
    was: String,
    text: String,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Name and text of each script.
fn scripts() -> Vec<(String, String)> {
    let mut scripts: Vec<(String, String)> = fs::read_dir(root().join(SCRIPTS))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), fs::read_to_string(path).unwrap()))
        .collect();
    scripts.sort();
    scripts
}

fn mutants(script: &str, text: &str) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    for word in ["redis.call(", "redis.pcall("] {
        for (at, _) in text.match_indices(word) {
            let begin = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
            if text[begin..at].contains("--") {
                continue;
            }
            let arguments = at + word.len();
            let end = arguments + closing(&text[arguments..]);
            let instead = match is_statement(&text[begin..at]) {
                true => "do end",
                false => answer(command(&text[arguments..end])),
            };
            mutants.push(Mutant {
                script: script.to_owned(),
                line: text[..at].matches('\n').count() + 1,
                was: text[begin..].lines().next().unwrap().trim().to_owned(),
                text: format!("{}{instead}{}", &text[..at], &text[end..]),
            });
        }
    }
    mutants.sort_by_key(|mutant| mutant.line);
    mutants
}

/// Where a parenthesis that is open at the beginning has been closed.
fn closing(text: &str) -> usize {
    let (mut open, mut quoted) = (1, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'\'' => quoted = !quoted,
            b'(' if !quoted => open += 1,
            b')' if !quoted => open -= 1,
            _ => {}
        }
        if open == 0 {
            return at + 1;
        }
    }
    panic!("a parenthesis is never closed: {text}");
}

fn is_statement(before: &str) -> bool {
    let before = before.trim();
    before.is_empty() || ["then", "do", "else"].iter().any(|word| before.ends_with(word))
}

/// The name of the command, or nothing if it is a value.
fn command(arguments: &str) -> &str {
    arguments.strip_prefix('\'').and_then(|rest| rest.split('\'').next()).unwrap_or_default()
}

fn answer(command: &str) -> &'static str {
    let known = ANSWERS.iter().find(|(commands, _)| commands.contains(&command));
    known.unwrap_or_else(|| panic!("what would {command} answer? Add it to ANSWERS")).1
}

/// Why it is not missed, for each of these that is in [`NOT_NEEDED`].
fn not_needed(mutants: &[Mutant]) -> Vec<Option<&'static str>> {
    let reason = |at: usize, mutant: &Mutant| {
        let alike = mutants[..=at].iter().filter(|other| other.was == mutant.was).count();
        let known = NOT_NEEDED.iter().find(|(script, which, line, _)| {
            mutant.script == *script && mutant.was == *line && alike == usize::from(*which)
        });
        known.map(|(.., why)| *why)
    };
    mutants.iter().enumerate().map(|(at, mutant)| reason(at, mutant)).collect()
}

#[test]
fn every_command_has_a_mutant() {
    for (script, text) in scripts() {
        let code = text.lines().filter(|line| !line.trim_start().starts_with("--"));
        let calls: usize =
            code.map(|line| line.matches("redis.call(").count() + line.matches("redis.pcall(").count()).sum();
        let mutants = mutants(&script, &text);

        assert!(calls > 0 && mutants.len() == calls, "{script}: {calls} commands, {} mutants", mutants.len());
        assert!(mutants.iter().all(|mutant| mutant.text != text));
    }
}

#[test]
fn a_command_is_taken_out_and_nothing_else() {
    let text = "if redis.call('GET', a(')')) then\n  redis.pcall('DEL', x) -- redis.call(\nend";
    let texts: Vec<String> = mutants("a", text).into_iter().map(|mutant| mutant.text).collect();
    assert_eq!(
        texts,
        [
            "if false then\n  redis.pcall('DEL', x) -- redis.call(\nend",
            "if redis.call('GET', a(')')) then\n  do end -- redis.call(\nend"
        ]
    );
}

#[test]
fn what_is_not_needed_is_there() {
    let found: usize =
        scripts().iter().map(|(script, text)| not_needed(&mutants(script, text)).iter().flatten().count()).sum();
    assert_eq!(NOT_NEEDED.len(), found);
}

/// Runs the tests on the scripts of a folder until one fails: what failed, twice, or nothing.
fn run(folder: &Path) -> Option<String> {
    let all = ["--test", "brokers", "--test", "lifecycle"];
    let quick = ["--test", "brokers", "-E", FIRST];
    for which in [quick, all] {
        for _ in 0..2 {
            let Some(failed) = run_some(folder, &which) else { break };
            // Once more: it may have failed of something else.
            let it = format!("test(={failed})");
            if run_some(folder, &[&all[..], &["-E", &it]].concat()).is_some() {
                return Some(failed);
            }
        }
    }
    None
}

/// Some of them: what failed first.
fn run_some(folder: &Path, which: &[&str]) -> Option<String> {
    let output = Command::new(env!("CARGO"))
        .args(["nextest", "run", "--profile", "mutants", "--all-features", "--max-fail", "1:immediate"])
        .args(which)
        .args(["--color", "never", "--failure-output", "never", "--no-input-handler"])
        .current_dir(root())
        .env("RUSTFLAGS", "--cfg kiq_lua_from")
        .env("CARGO_TARGET_DIR", root().join("target/lua-mutants"))
        .env("KIQ_LUA_FROM", folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => None,
        // As nextest has it: tests failed.
        Some(100) => {
            let failed =
                said.lines().find(|line| ["FAIL [", "TIMEOUT [", "ABORT ["].iter().any(|word| line.contains(word)));
            Some(failed.and_then(|line| line.split_whitespace().last()).unwrap_or("a test").to_owned())
        }
        _ => panic!("the tests cannot be run:\n{said}"),
    }
}

#[test]
#[ignore = "runs the tests once for each command: it takes long"]
fn every_command_is_needed() {
    let folder = std::env::temp_dir().join(format!("kiq-mutants-{}", std::process::id()));
    fs::create_dir_all(folder.join("lua")).unwrap();
    let file = |script: &str| folder.join("lua").join(format!("{script}.lua"));
    for (script, text) in scripts() {
        fs::write(file(&script), text).unwrap();
    }
    assert_eq!(run(&folder), None, "the scripts as they are");
    let chosen = std::env::var("KIQ_MUTANTS").unwrap_or_default();
    let chosen: Vec<&str> = chosen.split(',').filter(|name| !name.is_empty()).collect();
    let (mut tried, mut survived) = (0, 0);

    for (script, text) in scripts() {
        if !chosen.is_empty() && !chosen.contains(&script.as_str()) {
            continue;
        }
        let mutants = mutants(&script, &text);
        for (mutant, reason) in mutants.iter().zip(not_needed(&mutants)) {
            let place = format!("{}:{}", mutant.script, mutant.line);
            let begin = Instant::now();
            let became = match reason {
                Some(why) => format!("not missed: {why}"),
                None => {
                    tried += 1;
                    fs::write(file(&script), &mutant.text).unwrap();
                    run(&folder).map_or_else(
                        || {
                            survived += 1;
                            "SURVIVED".to_owned()
                        },
                        |test| format!("seen by {test}"),
                    )
                }
            };
            println!("{place:<14} {:>5.1?} s  {:<70} {became}", begin.elapsed().as_secs_f32(), mutant.was);
        }
        fs::write(file(&script), text).unwrap();
    }

    fs::remove_dir_all(&folder).unwrap();
    println!("{tried} commands taken out, {survived} not missed");
    assert_eq!(survived, 0, "commands that no test misses");
}
