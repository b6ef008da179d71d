//! `cargo kiq generate job`: which files it makes and changes, and what it refuses.

use std::fs;

use crate::setup::{Place, fails, files, succeeds};

const JOB: [&str; 5] = ["special_jobs/my_job", "--queue", "high", "--arg", "order_id:u64"];

/// A66, 1.7: a job and its test, with its queue and arguments, in a module below the others; nothing else is touched.
#[test]
fn a_job_comes_with_its_test_and_is_wired_into_the_modules_above() {
    let place = Place::with_app();
    let before = files(&place.app());

    let said = succeeds(&place.generate(&JOB));

    let after = files(&place.app());
    let changed: Vec<String> = after
        .iter()
        .filter(|(path, text)| before.get(*path) != Some(text))
        .map(|(path, _)| path.strip_prefix(place.app()).unwrap().display().to_string())
        .collect();
    assert_eq!(changed, ["src/jobs/special_jobs/my_job.rs", "src/jobs/special_jobs.rs", "src/jobs.rs"]);
    assert!(before.keys().all(|path| after.contains_key(path)));
    assert_eq!(
        place.read("my-app/src/jobs.rs"),
        "//! The jobs. `cargo kiq generate job NAME` adds one.\n\npub mod send_welcome;\npub mod special_jobs;\n"
    );
    assert_eq!(place.read("my-app/src/jobs/special_jobs.rs"), "//! Jobs.\n\npub mod my_job;\n");
    let job = place.read("my-app/src/jobs/special_jobs/my_job.rs");
    for part in [
        "#[kiq::job(queue = \"high\")]\npub async fn my_job(order_id: u64) -> Result<(), NotImplemented> {\n    kiq::not_implemented!(order_id)\n}\n",
        "    #[tokio::test]\n    async fn my_job_does_its_work() {",
        "MyJob::enqueue(7).await.unwrap();",
        "kiq.drain_all().await.unwrap();",
        "write in src/jobs/special_jobs/my_job.rs what my_job does",
    ] {
        assert!(job.contains(part), "{part}\nis not in\n{job}");
    }
    assert!(said.contains("     Created src/jobs/special_jobs/my_job.rs\n"), "{said}");
    assert!(said.contains("warning: no worker serves the queue high; add it to `queues` in kiq.toml\n"), "{said}");

    // The next one stands beside it.
    succeeds(&place.generate(&["special_jobs/a_job"]));
    assert_eq!(place.read("my-app/src/jobs/special_jobs.rs"), "//! Jobs.\n\npub mod a_job;\npub mod my_job;\n");
    assert!(place.read("my-app/src/jobs/special_jobs/a_job.rs").contains("#[kiq::job]\npub async fn a_job()"));
}

#[test]
fn a_dry_run_shows_the_difference_and_writes_nothing() {
    let place = Place::with_app();
    let before = files(place.path());

    let output = place.generate(&[&JOB[..], &["--dry-run"]].concat());

    assert!(output.status.success(), "{output:?}");
    assert!(files(place.path()) == before);
    let shown = String::from_utf8(output.stdout).unwrap();
    let jobs = "--- a/src/jobs.rs\n+++ b/src/jobs.rs\n@@ -1,3 +1,4 @@\n //! The jobs. `cargo kiq generate job NAME` adds one.\n \n pub mod send_welcome;\n+pub mod special_jobs;\n";
    assert!(shown.contains(jobs), "{shown}");
    assert!(shown.contains("--- /dev/null\n+++ b/src/jobs/special_jobs/my_job.rs\n@@ "), "{shown}");
    assert!(!shown.contains('\u{1b}'), "no colours into a pipe");
}

#[test]
fn a_file_that_is_there_is_replaced_by_force_only() {
    let place = Place::with_app();
    succeeds(&place.generate(&JOB));
    place.write("my-app/src/jobs/special_jobs/my_job.rs", "// mine\n");

    let said = place.generate_fails(&JOB);
    assert!(said.contains("there are already\n  src/jobs/special_jobs/my_job.rs\nnothing was written"), "{said}");

    let before = files(&place.app());
    let said = succeeds(&place.generate(&[&JOB[..], &["--force"]].concat()));
    assert!(said.contains("   Replacing src/jobs/special_jobs/my_job.rs\n"), "{said}");
    let changed = files(&place.app()).into_iter().filter(|(path, text)| before.get(path) != Some(text)).count();
    assert_eq!(changed, 1, "the modules were wired before");
}

#[test]
fn a_path_that_leaves_the_crate_is_refused() {
    let place = Place::with_app();
    for path in ["../my_job", "a/../../../my_job", "/tmp/my_job", "..\\my_job", "--x/../y"] {
        let said = place.generate_fails(&[path]);
        assert!(said.contains("leaves the crate") || said.contains("cannot be the path"), "{said}");
    }
    #[cfg(unix)]
    {
        fs::create_dir(place.path().join("elsewhere")).unwrap();
        fs::create_dir_all(place.app().join("src/jobs")).unwrap();
        std::os::unix::fs::symlink(place.path().join("elsewhere"), place.app().join("src/jobs/linked")).unwrap();
        let said = place.generate_fails(&["linked/my_job"]);
        assert!(said.contains("leaves the crate: it is in "), "{said}");
    }
}

#[test]
fn names_that_are_none_of_modules_are_refused() {
    let place = Place::with_app();
    for (path, why) in
        [("loop", "a word of Rust"), ("SendMail", "write `send_mail`"), ("a//b", "is empty"), ("", "is empty")]
    {
        let said = place.generate_fails(&[path]);
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn arguments_that_are_none_are_refused() {
    let place = Place::with_app();
    for (argument, why) in [
        ("order_id", "has no type; write it like order_id:u64"),
        ("order_id:Vec<", "has a type that is none in Rust: \"Vec<\""),
        ("order_id:int", "has a type that Rust does not have: `int`; write i64 or u64"),
        ("order-id:u64", "write it like order_id:u64"),
        ("fn:u64", "is named like a word of Rust"),
        ("x:&mut u64", "cannot be kept in Redis"),
    ] {
        let said = place.generate_fails(&["my_job", "--arg", argument]);
        assert!(said.contains(why) && said.contains(&format!("{argument:?}")), "{said}");
    }
    let said = place.generate_fails(&["my_job", "--arg", "a:u64", "--arg", "a:u32"]);
    assert!(said.contains("two arguments named a"), "{said}");
    let said = place.generate_fails(&["my_job", "--queue", "my queue"]);
    assert!(said.contains("cannot be the name of a queue"), "{said}");
}

#[test]
fn a_module_file_that_does_not_parse_is_named_with_its_place() {
    let place = Place::with_app();
    place.write("my-app/src/jobs.rs", "pub mod send_welcome;\npub fn half( {\n");
    let said = place.generate_fails(&["my_job"]);
    assert!(said.contains("src/jobs.rs: line 2, column ") && said.contains("must be Rust that parses"), "{said}");

    place.write("my-app/src/jobs.rs", [0xff, 0xfe]);
    let said = place.generate_fails(&["my_job"]);
    assert!(said.contains("src/jobs.rs is not text in UTF-8"), "{said}");
}

#[test]
fn a_module_that_is_no_file_is_left_to_its_author() {
    let place = Place::with_app();
    place.write("my-app/src/jobs.rs", "pub mod special_jobs {\n}\n");
    let said = place.generate_fails(&JOB);
    assert!(said.contains("src/jobs.rs: line 1 has the module `special_jobs` written out"), "{said}");

    place.write("my-app/src/jobs.rs", "pub mod special_jobs;\n");
    place.write("my-app/src/jobs/special_jobs.rs", "");
    place.write("my-app/src/jobs/special_jobs/mod.rs", "");
    let said = place.generate_fails(&JOB);
    assert!(said.contains("there are both src/jobs/special_jobs.rs and src/jobs/special_jobs/mod.rs"), "{said}");
}

#[test]
fn the_layout_of_what_is_there_is_kept() {
    let place = Place::with_app();
    fs::rename(place.app().join("src/jobs.rs"), place.app().join("src/jobs/mod.rs")).unwrap();

    succeeds(&place.generate(&JOB));

    assert_eq!(place.read("my-app/src/jobs/special_jobs/mod.rs"), "//! Jobs.\n\npub mod my_job;\n");
    assert!(place.read("my-app/src/jobs/mod.rs").ends_with("pub mod special_jobs;\n"));
    assert!(!place.app().join("src/jobs.rs").exists());
}

#[test]
fn lines_end_as_they_did() {
    let place = Place::with_app();
    place.write("my-app/src/jobs.rs", "//! Jobs.\r\n\r\npub mod send_welcome; // the first\r\n");

    succeeds(&place.generate(&["my_job"]));

    let jobs = place.read("my-app/src/jobs.rs");
    assert_eq!(jobs, "//! Jobs.\r\n\r\npub mod my_job;\r\npub mod send_welcome; // the first\r\n");
}

#[test]
fn a_second_job_of_one_name_is_refused_because_a_worker_takes_none() {
    let place = Place::with_app();
    let said = place.generate_fails(&["other/send_welcome"]);
    assert!(said.contains("src/jobs/send_welcome.rs:") && said.contains("has a job of the name SendWelcome"), "{said}");
}

#[test]
fn a_package_without_jobs_gets_the_module() {
    let place = Place::empty();
    place.write("my-app/Cargo.toml", "[package]\nname = \"x\"\nedition = \"2021\"\n[dependencies]\nkiq = \"0.1\"\n");
    place.write("my-app/src/main.rs", "//! X.\n\nfn main() {}\n");

    let said = succeeds(&place.generate(&["my_job"]));

    assert_eq!(place.read("my-app/src/main.rs"), "//! X.\n\npub mod jobs;\n\nfn main() {}\n");
    assert_eq!(place.read("my-app/src/jobs.rs"), "//! The jobs.\n\npub mod my_job;\n");
    assert!(said.contains("its test wants kiq-testing and tokio among the dev-dependencies"), "{said}");
}

#[test]
fn where_there_is_no_package_it_says_so() {
    let place = Place::with_app();
    let said = place.fails(&["generate", "job", "my_job"]);
    assert!(said.contains("could not find `Cargo.toml`"), "{said}");

    place.write("plain/Cargo.toml", "[package]\nname = \"plain\"\nedition = \"2024\"\n");
    place.write("plain/src/lib.rs", "");
    let output = crate::setup::cargo_kiq(&place.path().join("plain")).args(["generate", "job", "my_job"]).output();
    let said = fails(&output.unwrap());
    assert!(said.contains("plain does not depend on kiq; `cargo add kiq` first"), "{said}");

    let said = place.generate_fails(&["my_job", "--package", "nothing"]);
    assert!(said.contains("there is no package nothing here; there are my-app"), "{said}");
}
