//! Whether this program is a test: then the client of the process is not used.
//!
//! kiq-testing asks for the feature `testing`, and Cargo gives a crate the same features everywhere in one build. So wherever
//! kiq-testing is among the dev-dependencies, this code is there, also in a test file that names nothing of it and that it is
//! therefore not linked into. But it is in the programs that tests spawn, too, which do their real work.

use std::path::Path;
use std::sync::LazyLock;

/// A testing tool is linked into this program.
#[derive(Debug)]
pub struct TestingTool;

inventory::collect!(TestingTool);

/// Whether a testing tool is linked in, or the file that runs is one of those that Cargo and rustdoc make for tests.
pub(super) fn is_a_test() -> bool {
    static IS: LazyLock<bool> = LazyLock::new(|| {
        inventory::iter::<TestingTool>.into_iter().next().is_some()
            || std::env::current_exe().is_ok_and(|file| is_made_for_tests(&file))
    });
    *IS
}

/// Cargo puts the executables of tests and benchmarks at `deps/NAME-HASH`, those of examples' tests at `examples/NAME-HASH`
/// (and both, with the layout it is about to change to, at `HASH/out/NAME-HASH`); a program that is run, by a test or by hand,
/// is at `NAME` or `examples/NAME`, with no hash. rustdoc names each example of the documentation `rust_out`.
///
/// Not by a variable of the environment (`NEXTEST`, `CARGO_BIN_EXE_…`): what a test spawns inherits it.
fn is_made_for_tests(file: &Path) -> bool {
    let Some(stem) = file.file_stem().and_then(|stem| stem.to_str()) else {
        return false;
    };
    if stem == "rust_out" {
        return true;
    }
    let Some((_, hash)) = stem.rsplit_once('-').filter(|(_, hash)| is_hash(hash)) else {
        return false;
    };
    let mut folders = file.ancestors().skip(1).map(|folder| folder.file_name().and_then(|name| name.to_str()));
    match folders.next().flatten() {
        Some("deps" | "examples") => true,
        Some("out") => folders.next().flatten() == Some(hash),
        _ => false,
    }
}

fn is_hash(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_is_known_by_the_file_it_runs_from() {
        for file in [
            "/w/target/debug/deps/shop-7e6dad54db773064",
            "/w/target/x86_64-unknown-linux-gnu/release/deps/orders-1fd552644325b909.exe",
            "/w/target/llvm-cov-target/debug/deps/my-orders-1fd552644325b909",
            "/w/target/debug/examples/demo-14642434a476a278",
            "/w/target/debug/build/shop/7e6dad54db773064/out/shop-7e6dad54db773064",
            "/tmp/rustdoctest4HMQ9m/rust_out",
        ] {
            assert!(is_made_for_tests(Path::new(file)), "{file}");
        }
    }

    #[test]
    fn a_program_is_none_whoever_runs_it() {
        for file in [
            "/w/target/debug/shop",
            "/w/target/debug/examples/demo",
            "/w/target/release/shop-worker",
            "/usr/local/bin/shop-7e6dad54db773064",
            "/srv/out/shop-7e6dad54db773064",
            "/srv/deps/shop",
            "/srv/deps/shop-2026",
            "/",
        ] {
            assert!(!is_made_for_tests(Path::new(file)), "{file}");
        }
    }
}
