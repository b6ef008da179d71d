//! The classes that a program writes for Ruby, loaded and used by Ruby.

use std::process::Output;

use kiq::{Payload, Registry};
use redis::Commands as _;

use crate::jobs::Setup;
use crate::ruby::program;

/// An argument's name is a word of Ruby; so is its module's, which Ruby has already.
#[kiq::job(name = "Comparable::Odd", queue = "rust", retry = false, dead = false, tags = ["it's", "\\#{x}"])]
async fn odd(when: u64, time: String) {
    let _ = (when, time);
}

#[test]
fn ruby_enqueues_by_them_and_is_told_of_a_wrong_number_of_arguments() {
    let setup = Setup::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jobs.rb");
    std::fs::write(&file, kiq::program::ruby_stubs(&Registry::linked().unwrap(), "shop-worker")).unwrap();
    let ruby = |code: &str| -> Output {
        program("ruby")
            .args(["-w", "-r", "logger", "-r"])
            .arg(&file)
            .args(["-e", &format!("Sidekiq.logger.level = Logger::ERROR; {code}")])
            .env("REDIS_URL", setup.server.url())
            .output()
            .unwrap()
    };

    let enqueued = ruby("OnlyRuby.perform_async(1, 'a'); Comparable::Odd.perform_in(3600, 7, 'b')");
    assert!(enqueued.status.success(), "{enqueued:?}");
    let refused = ruby("OnlyRuby.perform_async(1)");
    let words = String::from_utf8(refused.stderr).unwrap();
    assert!(words.contains("wrong number of arguments (given 1, expected 2)"), "{words}");

    let queued: Vec<String> = setup.server.connection().lrange("queue:ruby", 0, -1).unwrap();
    let job = Payload::parse(queued[0].as_bytes()).unwrap();
    assert_eq!((job.class(), job.args().get()), ("OnlyRuby", r#"[1,"a"]"#));
    assert_eq!((job.raw("retry").unwrap().get(), job.tags()), ("7", vec!["from rust".to_owned()]));
    let scheduled: Vec<String> = setup.server.connection().zrange("schedule", 0, -1).unwrap();
    let job = Payload::parse(scheduled[0].as_bytes()).unwrap();
    assert_eq!(
        (job.class(), job.args().get(), job.queue().as_deref()),
        ("Comparable::Odd", r#"[7,"b"]"#, Some("rust"))
    );
    assert_eq!(job.raw("retry").unwrap().get(), "false");
    assert_eq!(job.tags(), ["it's", "\\#{x}"]);
    assert!(!job.dead());
}
