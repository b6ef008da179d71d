//! A test that forgets its mode reaches no Redis: not of a library, not of a test file or a benchmark that names nothing of
//! kiq-testing, not of an example in the documentation. Programs, also those that a test runs, do their real work.

use std::collections::BTreeSet;

use kiq::{Client, Inspector};

use crate::project::Project;

const MANIFEST: &str = r#"
[workspace]

[package]
name = "shop"
version = "0.0.0"
edition = "2024"

[[bench]]
name = "placing"
harness = false
test = true

[dependencies]
kiq = { path = "KIQ" }
tokio = { version = "1", features = ["macros", "rt"] }

[dev-dependencies]
kiq-testing = { path = "KIQ/kiq-testing" }
"#;

const LIB: &str = r#"
//! Places orders.
//!
//! ```
//! tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(shop::is_refused("an example of the documentation"));
//! ```
use kiq::{BuildError, Client, EnqueueError, Worker};

#[kiq::job]
pub async fn complete_order(by: String) {
    drop(by);
}

/// As the program begins.
pub async fn place(by: &str) -> Result<(), EnqueueError> {
    kiq::init(Client::connect(&std::env::var("SHOP_REDIS").unwrap()).unwrap());
    CompleteOrder::enqueue(by.to_owned()).await.map(drop)
}

pub async fn is_refused(by: &str) {
    let error = place(by).await.unwrap_err();

    assert!(matches!(error, EnqueueError::NoTestMode), "{error}");
    let text = error.to_string();
    assert!(text.contains("`let kiq = kiq_testing::fake();`") && !text.contains('\n'), "{text}");
    assert!(matches!(Worker::builder().build(), Err(BuildError::NoTestMode)));
}

#[cfg(test)]
#[tokio::test]
async fn a_test_in_a_module_is_refused() {
    is_refused("a test in a module").await;
}
"#;

const PROGRAM: &str = r#"
#[tokio::main(flavor = "current_thread")]
async fn main() {
    shop::place(&std::env::args().nth(1).unwrap()).await.unwrap();
}

#[cfg(test)]
#[tokio::test]
async fn a_test_of_a_program_is_refused() {
    shop::is_refused("a test of a program").await;
}
"#;

const BENCH: &str = r#"
#[tokio::main(flavor = "current_thread")]
async fn main() {
    shop::is_refused("a benchmark").await;
}
"#;

/// Names nothing of `kiq_testing`.
const FORGETS: &str = r#"
use std::path::Path;
use std::process::Command;

#[tokio::test]
async fn a_test_file_is_refused() {
    shop::is_refused("a test file").await;
}

#[test]
fn what_a_test_runs_does_its_work() {
    let program = Path::new(env!("CARGO_BIN_EXE_shop"));
    let example = program.with_file_name("examples").join(format!("demo{}", std::env::consts::EXE_SUFFIX));
    for (program, by) in [(program, "a program that a test runs"), (&example, "an example that a test runs")] {
        assert!(Command::new(program).arg(by).status().unwrap().success(), "{by}");
    }
}
"#;

const ASKS: &str = r#"
#[tokio::test]
async fn a_test_that_says_so_gets_a_real_store() {
    let _kiq = kiq_testing::real(&kiq::Client::connect(&std::env::var("SHOP_REDIS").unwrap()).unwrap());

    shop::place("a test that says so").await.unwrap();
}

#[tokio::test]
async fn a_fake_keeps_what_is_its_own() {
    let kiq = kiq_testing::fake();

    shop::place("a test with a fake").await.unwrap();

    assert_eq!(kiq.jobs::<shop::CompleteOrder>().len(), 1);
}
"#;

#[tokio::test]
async fn a_test_that_forgets_its_mode_reaches_no_redis() {
    let server = kiq_testing::redis();
    let project = Project::new("shop", MANIFEST);
    project.write("src/lib.rs", LIB);
    project.write("src/main.rs", PROGRAM);
    project.write("examples/demo.rs", PROGRAM);
    project.write("benches/placing.rs", BENCH);
    project.write("tests/forgets.rs", FORGETS);
    project.write("tests/asks.rs", ASKS);
    let run = |arguments: &[&'static str]| {
        let output = project.cargo(arguments.iter().copied()).env("SHOP_REDIS", server.url()).output().unwrap();
        let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).join("\n");
        assert!(output.status.success(), "cargo {arguments:?}: {said}");
        said
    };

    let said = run(&["test", "--no-fail-fast"]);
    for test in [
        "a_test_in_a_module_is_refused",
        "a_test_of_a_program_is_refused",
        "a_test_file_is_refused",
        "src/lib.rs - (line",
    ] {
        assert!(said.contains(&format!("test {test}")), "{test}: {said}");
    }
    // The examples' own tests, which are no examples then.
    run(&["test", "--examples"]);
    // Where it is what runs this, it is here.
    if std::env::var_os("NEXTEST").is_some() {
        run(&["nextest", "run"]);
    }
    run(&["run", "--quiet", "--bin", "shop", "a program that is run"]);

    let inspector = Inspector::new(&Client::connect(&server.url()).unwrap());
    let reached: BTreeSet<String> = inspector
        .queue("default", 0, 99)
        .await
        .unwrap()
        .iter()
        .map(|job| job.payload.as_ref().unwrap().args().to_string())
        .collect();
    let asked =
        ["a program that a test runs", "a program that is run", "a test that says so", "an example that a test runs"];
    assert_eq!(reached, asked.map(|by| format!("[\"{by}\"]")).into());
}
