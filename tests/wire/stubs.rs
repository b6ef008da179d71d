//! The classes that a program writes for Ruby, loaded and used by Ruby.

use std::process::Output;

use kiq::{ArgsError, ArgsReader, ArgsWriter, Job, JobDef, Payload, Perform, Registry};
use redis::Commands as _;

use crate::jobs::Setup;
use crate::ruby::program;

/// An argument's name is a word of Ruby; so is its module's, which Ruby has already. The last two may be left out.
#[kiq::job(name = "Comparable::Odd", queue = "rust", retry = false, dead = false, tags = ["it's", "\\#{x}"])]
async fn odd(when: u64, time: String, #[arg(default = 72)] dpi: u32, end: Option<u64>) {
    let _ = (when, time, dpi, end);
}

/// What Ruby says of `code`, with the classes of these jobs loaded.
fn ruby(setup: &Setup, jobs: &Registry, code: &str) -> Output {
    let file = tempfile::Builder::new().suffix(".rb").tempfile().unwrap();
    std::fs::write(&file, kiq::program::ruby_stubs(jobs, "shop-worker")).unwrap();
    program("ruby")
        .args(["-w", "-r", "logger", "-r"])
        .arg(file.path())
        .args(["-e", &format!("Sidekiq.logger.level = Logger::ERROR; {code}")])
        .env("REDIS_URL", setup.server.url())
        .output()
        .unwrap()
}

#[test]
fn ruby_enqueues_by_them() {
    let setup = Setup::new();
    let jobs = Registry::linked().unwrap();

    let code = "OnlyRuby.perform_async(1, 'a'); Comparable::Odd.perform_in(3600, 7, 'b')";
    let enqueued = ruby(&setup, &jobs, code);

    assert!(enqueued.status.success(), "{enqueued:?}");
    let queued: Vec<String> = setup.server.connection().lrange("queue:ruby", 0, -1).unwrap();
    let job = Payload::parse(queued[0].as_bytes()).unwrap();
    assert_eq!((job.class(), job.args().get()), ("OnlyRuby", r#"[1,"a"]"#));
    assert_eq!((job.raw("retry").unwrap().get(), job.tags()), ("7", vec!["from rust".to_owned()]));
    let scheduled: Vec<String> = setup.server.connection().zrange("schedule", 0, -1).unwrap();
    let job = Payload::parse(scheduled[0].as_bytes()).unwrap();
    // What is left out is not stored, and Rust has its default.
    assert_eq!(
        (job.class(), job.args().get(), job.queue().as_deref()),
        ("Comparable::Odd", r#"[7,"b"]"#, Some("rust"))
    );
    assert_eq!(Odd::from_args(job.args()).map(|job| (job.dpi, job.end)).unwrap(), (72, None));
    assert_eq!(job.raw("retry").unwrap().get(), "false");
    assert_eq!(job.tags(), ["it's", "\\#{x}"]);
    assert!(!job.dead());
}

/// By every way in, and nothing is stored.
#[test]
fn ruby_is_told_of_a_wrong_number_of_arguments() {
    let setup = Setup::new();
    let tries = [
        "OnlyRuby.perform_async(1)",
        "OnlyRuby.perform_in(60, 1, 2, 3)",
        "OnlyRuby.perform_at(Time.now.to_f + 60)",
        "OnlyRuby.perform_bulk([[1, 'a'], [2]])",
        "OnlyRuby.set(queue: 'x').perform_async(1)",
        "OnlyRuby.set(queue: 'x').set(retry: 1).perform_in(60)",
        "OnlyRuby.set(queue: 'x').perform_bulk([[1]])",
        "Comparable::Odd.perform_async(1)",
        "Comparable::Odd.perform_async(1, 'a', 2, 3, 4)",
    ];
    let code: Vec<String> =
        tries.iter().map(|code| format!("begin; {code}; rescue ArgumentError; puts $!.message; end")).collect();
    let works = "OnlyRuby.set(queue: 'x').perform_bulk([[1, 'a'], [2, 'b']]); Comparable::Odd.perform_async(1, 'a', 2)";

    let said = ruby(&setup, &Registry::linked().unwrap(), &format!("{}; {works}", code.join("; ")));

    assert!(said.status.success(), "{said:?}");
    let said = String::from_utf8(said.stdout).unwrap();
    let messages: Vec<&str> = said.lines().collect();
    assert_eq!(messages.len(), tries.len(), "{said}");
    assert_eq!(messages[0], "wrong number of arguments (given 1, expected 2) for the Rust job OnlyRuby: number, text");
    assert!(messages[8].starts_with("wrong number of arguments (given 5, expected 2..4)"), "{said}");
    let [ruby, x, rust]: [usize; 3] =
        ["ruby", "x", "rust"].map(|queue| setup.server.connection().llen(format!("queue:{queue}")).unwrap());
    let scheduled: usize = setup.server.connection().zcard("schedule").unwrap();
    assert_eq!((ruby, x, rust, scheduled), (0, 2, 1, 0));
}

struct Process;

impl Job for Process {
    const NAME: &'static str = "Process";

    fn write_args(&self, _: &mut ArgsWriter) {}

    fn read_args(_: &mut ArgsReader<'_>) -> Result<Self, ArgsError> {
        Ok(Process)
    }
}

impl Perform for Process {
    const DEF: JobDef = JobDef::new::<Self>(|_| Box::pin(std::future::ready(Ok(()))));
}

/// Ruby's own is left as it is.
#[test]
fn a_job_that_has_a_name_of_rubys_is_refused_when_it_is_loaded() {
    let mut jobs = Registry::new();
    jobs.register::<Process>().unwrap();

    let said = ruby(&Setup::new(), &jobs, "");

    assert!(!said.status.success());
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(said.contains("Process is there already in Ruby") && said.contains("#[kiq::job(name ="), "{said}");
}
