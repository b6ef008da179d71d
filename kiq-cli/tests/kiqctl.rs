//! `kiqctl` as an operator runs it, against a Redis of the test's own.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use kiq::{Client, Inspector, JobSet};
use kiq_testing::RedisServer;

#[kiq::job(queue = "mail")]
async fn send_mail(user_id: u64);

struct Setup {
    server: RedisServer,
    client: Client,
}

impl Setup {
    fn new() -> Self {
        let server = RedisServer::start();
        let client = Client::connect(&server.url()).unwrap();
        Setup { server, client }
    }

    fn kiqctl(&self, arguments: &[&str]) -> Output {
        command().args(arguments).env("REDIS_URL", self.server.url()).output().unwrap()
    }

    fn says(&self, arguments: &[&str]) -> String {
        let output = self.kiqctl(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_slice(&self.kiqctl(&[arguments, &["--json"]].concat()).stdout).unwrap()
    }

    /// Scheduled for tomorrow, for users 1, 2, 3 …
    async fn schedule(&self, jobs: u64) {
        for user in 1..=jobs {
            let _ = SendMail::enqueue(user).delay(Duration::from_secs(86_400)).on(&self.client).await.unwrap();
        }
    }

    async fn scheduled(&self) -> usize {
        Inspector::new(&self.client).set(JobSet::Scheduled, 0, 1000).await.unwrap().len()
    }
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kiqctl"));
    for variable in ["KIQ_REDIS_URL", "KIQ_REDIS_PROVIDER", "REDIS_PROVIDER", "REDIS_URL", "KIQ_CONFIG"] {
        command.env_remove(variable);
    }
    command.stdin(Stdio::null());
    command
}

/// A47.
#[tokio::test]
async fn it_shows_what_is_where() {
    let s = Setup::new();
    let receipt = SendMail::enqueue(7).on(&s.client).await.unwrap();
    s.schedule(2).await;

    assert_eq!((s.json(&["stats"])["enqueued"].as_u64(), s.json(&["stats"])["scheduled"].as_u64()), (Some(1), Some(2)));
    let queues = s.says(&["queues"]);
    assert!(queues.contains("mail") && queues.contains("nobody serves it"), "{queues}");
    let jobs = s.says(&["jobs", "mail"]);
    assert!(jobs.contains(receipt.jid.as_str()) && jobs.contains("SendMail") && jobs.contains("[7]"), "{jobs}");
    assert!(!jobs.contains('\u{1b}'), "no colours into a pipe");
    assert_eq!(s.json(&["scheduled", "args.0:2"])["jobs"].as_array().map(Vec::len), Some(1));
    let why = s.says(&["explain", receipt.jid.as_str()]);
    assert!(why.contains("no worker process lives"), "{why}");
    for empty in ["processes", "running", "retries", "dead", "metrics"] {
        assert!(!s.says(&[empty]).is_empty());
    }
}

#[tokio::test]
async fn it_acts_on_a_filter_only_when_it_was_confirmed() {
    let s = Setup::new();
    s.schedule(5).await;

    let dry = s.says(&["delete", "scheduled", "args.0:1,2", "--dry-run"]);
    assert!(dry.contains("2 jobs in scheduled match"), "{dry}");
    let unasked = s.kiqctl(&["delete", "scheduled", "args.0:1,2"]);
    assert_eq!(unasked.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unasked.stderr).contains("say --yes; nothing was changed"));
    assert!(s.says(&["delete", "scheduled", "-n", "--", "-args.0:1"]).contains("4 jobs in scheduled match"));
    let without = s.kiqctl(&["delete", "scheduled", "--yes"]);
    assert_eq!(without.status.code(), Some(2));
    assert_eq!(s.scheduled().await, 5);

    assert_eq!(s.json(&["delete", "scheduled", "args.0:1,2", "--yes"])["done"].as_u64(), Some(2));
    assert_eq!(s.says(&["retry", "scheduled", "--all", "--limit", "1", "-y"]), "retry: 1 done\n");
    assert_eq!(s.says(&["kill", "scheduled", "--all", "-y"]), "kill: 2 done\n");
    assert_eq!(s.scheduled().await, 0);
    assert_eq!(s.json(&["stats"])["dead"].as_u64(), Some(2));
    assert_eq!(s.json(&["stats"])["enqueued"].as_u64(), Some(1));
}

/// C15, C16 and C17 of the table of bad input.
#[test]
fn what_is_not_there_changes_nothing_and_is_said() {
    let s = Setup::new();
    for (arguments, code, words) in [
        (&["retry", "dead", "jid:none", "-y"][..], 1, "no job in dead matches; nothing was changed"),
        (&["explain", "-none"], 1, "no job -none was found"),
        (&["explain", "*"], 1, "no job * was found"),
        (&["retry", "mail", "--all", "-y"], 2, "jobs of queue mail cannot be told to retry"),
        (&["retry", "dead", "clas:X"], 2, "did you mean class?"),
        (&["stop", "nobody:1:a"], 1, "no such process: nobody:1:a"),
        (&["queue"], 2, "queues"),
        (&["top"], 2, "top needs a terminal"),
    ] {
        let output = s.kiqctl(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
    assert!(s.says(&["pause", "-odd"]).contains("-odd is paused"));
}

/// A49, A53.
#[tokio::test]
async fn checks_answer_with_their_exit_code() {
    let s = Setup::new();
    let code = |arguments: &[&str]| s.kiqctl(&[&["check"], arguments].concat()).status.code();
    assert_eq!(code(&["processes", "--min", "0"]), Some(0));
    assert_eq!(code(&["processes", "--min", "1"]), Some(1));
    assert_eq!(code(&["dead", "--max", "0"]), Some(0));
    assert_eq!(code(&["latency", "mail", "--max", "60s"]), Some(0));
    assert_eq!(code(&["latency", "mail", "--max", "soon"]), Some(2));
    assert_eq!(code(&["redis", "--max-memory", "80%"]), Some(0));

    let mark = s.server.folder().join("hook");
    let hook = format!("echo \"$KIQ_CHECK $KIQ_CHECK_TEXT\" > {}", mark.display());
    assert_eq!(code(&["processes", "--min", "2", "--hook", &hook]), Some(1));
    assert!(std::fs::read_to_string(mark).unwrap().starts_with("failed 0 processes take jobs"));
}

#[test]
fn without_redis_it_says_so_and_ends_with_69() {
    let output = command().args(["stats"]).env("REDIS_URL", "redis://127.0.0.1:1/0").output().unwrap();
    assert_eq!(output.status.code(), Some(69));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: no answer from redis://127.0.0.1:1/0"));
    let wrong = command().args(["stats"]).env("REDIS_URL", "nowhere").output().unwrap();
    assert_eq!(wrong.status.code(), Some(78));
}

/// A52.
#[test]
fn doctor_names_what_is_wrong() {
    let s = Setup::new();
    s.says(&["pause", "mail"]);
    let output = s.kiqctl(&["doctor"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("advice:  the store keeps no append-only file"), "{said}");
}

#[test]
fn completions_and_the_manual_page_are_written() {
    let says = |arguments: &[&str]| String::from_utf8(command().args(arguments).output().unwrap().stdout).unwrap();
    assert!(says(&["completions", "bash"]).contains("_kiqctl"));
    assert!(says(&["man"]).contains(".TH kiqctl 1"));
}

/// Of what is in Redis, and of what is in a file.
#[tokio::test]
async fn skeletons_are_written_for_the_classes_that_are_found() {
    let setup = Setup::new();
    setup.schedule(2).await;
    let payload = r#"{"class":"Billing::ChargeCard","queue":"ruby","args":[7,"EUR",null],"jid":"a1"}"#;
    redis::cmd("SADD").arg("queues").arg("ruby").exec(&mut setup.server.connection()).unwrap();
    redis::cmd("LPUSH").arg("queue:ruby").arg(payload).exec(&mut setup.server.connection()).unwrap();

    let rust = setup.says(&["ruby", "skeletons"]);

    assert!(
        rust.contains("#[kiq::job(name = \"SendMail\", queue = \"mail\")]\npub async fn send_mail(arg1: u64) {"),
        "{rust}"
    );
    let charge = "pub async fn charge_card(arg1: u64, arg2: String, arg3: Option<serde_json::Value>) {";
    assert!(rust.contains(charge), "{rust}");
    assert_eq!(setup.json(&["ruby", "skeletons"])[0]["class"], "Billing::ChargeCard");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("payloads.jsonl");
    std::fs::write(&file, format!("{payload}\n\n{{oops\n")).unwrap();
    let refused = setup.kiqctl(&["ruby", "skeletons", "--file", &file.display().to_string()]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("line 3 of"));
    std::fs::write(&file, payload).unwrap();
    assert!(setup.says(&["ruby", "skeletons", "--file", &file.display().to_string()]).contains(charge));
}

#[tokio::test]
async fn skeletons_of_nothing_and_stubs_of_no_program_say_what_to_do() {
    let setup = Setup::new();
    let none = setup.kiqctl(&["ruby", "skeletons"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(String::from_utf8(none.stderr).unwrap().contains("--file"));
    let none = setup.kiqctl(&["ruby", "stubs", "./no-such-worker"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(String::from_utf8(none.stderr).unwrap().contains("name your worker program"));
}

/// A `kiqctl web`, gone when dropped.
struct Served(std::process::Child);

impl Drop for Served {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Starts `kiqctl web` at a free port, and waits for its first line, the address.
fn serve(setup: &Setup, arguments: &[&str], password: Option<&str>) -> (Served, String) {
    let mut command = command();
    command.args(["web", "--listen", "127.0.0.1:0"]).args(arguments).env("REDIS_URL", setup.server.url());
    command.env_remove("KIQ_WEB_PASSWORD").env_remove("KIQ_WEB_USER").stdout(Stdio::piped());
    if let Some(password) = password {
        command.env("KIQ_WEB_PASSWORD", password);
    }
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
    let address = line.trim().strip_prefix("http://").unwrap().trim_end_matches('/').to_owned();
    (Served(child), address)
}

fn ask(address: &str, head: &str) -> String {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    std::io::Write::write_all(&mut stream, format!("{head}\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    answer
}

#[tokio::test]
async fn the_dashboard_is_served_to_this_machine() {
    let setup = Setup::new();
    setup.schedule(3).await;
    let (_served, address) = serve(&setup, &["--read-only"], None);

    let page = ask(&address, &format!("GET / HTTP/1.1\r\nHost: {address}"));
    assert!(page.starts_with("HTTP/1.1 200 OK") && page.contains("read-only"), "{page}");
    let strange = ask(&address, "GET / HTTP/1.1\r\nHost: evil.example");
    assert!(strange.starts_with("HTTP/1.1 421"), "{strange}");
}

#[tokio::test]
async fn the_dashboard_asks_for_the_password_of_the_environment() {
    let setup = Setup::new();
    let (_served, address) = serve(&setup, &[], Some("hunter2"));

    let stranger = ask(&address, &format!("GET / HTTP/1.1\r\nHost: {address}"));
    assert!(stranger.starts_with("HTTP/1.1 401"), "{stranger}");
    // kiq:hunter2
    let known = ask(&address, &format!("GET / HTTP/1.1\r\nHost: {address}\r\nAuthorization: Basic a2lxOmh1bnRlcjI="));
    assert!(known.starts_with("HTTP/1.1 200 OK"), "{known}");
}

#[tokio::test]
async fn the_dashboard_is_not_opened_to_others_without_a_password() {
    let setup = Setup::new();
    let refused = setup.kiqctl(&["web", "--listen", "0.0.0.0:0"]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("KIQ_WEB_PASSWORD"), "{refused:?}");
}

#[tokio::test]
async fn scheduled_jobs_are_put_off_and_brought_forward() {
    let s = Setup::new();
    s.schedule(2).await;

    let both = s.kiqctl(&["reschedule", "scheduled", "args.0:1", "--in", "1h", "--at", "2030-01-01T00:00:00Z", "-y"]);
    assert_eq!(both.status.code(), Some(2));
    assert_eq!(s.kiqctl(&["reschedule", "scheduled", "args.0:1", "-y"]).status.code(), Some(2));
    assert_eq!(s.kiqctl(&["reschedule", "scheduled", "--all", "--at", "soon", "-y"]).status.code(), Some(2));
    let dead = s.kiqctl(&["reschedule", "dead", "--all", "--in", "1h", "-y"]);
    assert!(String::from_utf8_lossy(&dead.stderr).contains("jobs of dead cannot be told to reschedule"));

    let at = "2031-05-06T07:08:09Z";
    assert_eq!(s.says(&["reschedule", "scheduled", "args.0:1", "--at", at, "-y"]), "reschedule: 1 done\n");
    assert_eq!(s.says(&["reschedule", "scheduled", "args.0:2", "--in", "1h", "-y"]), "reschedule: 1 done\n");
    let jobs = s.json(&["scheduled"]);
    assert_eq!((&jobs["jobs"][1]["at"], &jobs["jobs"][1]["payload"]["args"][0]), (&at.into(), &1.into()));
    let soon = kiq::Timestamp::parse_iso(jobs["jobs"][0]["at"].as_str().unwrap()).unwrap();
    let in_an_hour = kiq::Clock::system().now() + Duration::from_secs(3600);
    assert!(in_an_hour.since(soon) < Duration::from_secs(600), "{soon}");
}

#[kiq::job(queue = "mail")]
async fn read_mail(user_id: u64) {
    drop(user_id.to_string());
}

/// A job of a class that is gone, and one of a class that a worker said it knows.
#[tokio::test]
async fn jobs_that_no_program_knows_are_found_and_the_doctor_names_them() {
    let s = Setup::new();
    let _ = ReadMail::enqueue(7).on(&s.client).await.unwrap();
    assert!(s.says(&["unknown"]).contains("no worker of kiq has said in the last hour what it knows"));
    let worker = kiq::Worker::builder().client(s.client.clone()).queues(["idle"]).build().unwrap();
    let mut events = kiq_testing::Events::of(&worker);
    let gone = r#"{"class":"ChargeCrad","queue":"mail","args":[],"jid":"b0db","created_at":1.5}"#;
    redis::cmd("LPUSH").arg("queue:mail").arg(gone).exec(&mut s.server.connection()).unwrap();

    let test = async {
        events.until(|event| matches!(event, kiq::Event::Ready)).await;
        let inspector = Inspector::new(&s.client);
        while inspector.unknown_jobs(100).await.unwrap().known == 0 {}
        let unknown = inspector.unknown_jobs(100).await.unwrap();
        assert_eq!((unknown.read, unknown.is_complete, unknown.classes.len()), (2, true, 1));
    };
    worker.run_until(test).await.unwrap();

    let said = s.says(&["unknown"]);
    assert!(said.contains("ChargeCrad") && said.contains("b0db") && said.contains("never"), "{said}");
    assert!(!said.contains("ReadMail"), "{said}");
    let doctor = s.kiqctl(&["doctor"]);
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains("no program of kiq knows the class ChargeCrad of 1 job in queue mail"), "{said}");
    assert_eq!(doctor.status.code(), Some(1));
    assert!(said.contains("0 processes, 1 queue\n"), "{said}");
}

/// What a search says it read is what there is, not the size of its steps.
#[tokio::test]
async fn a_search_says_how_much_it_read() {
    let s = Setup::new();
    s.schedule(3).await;
    let receipt = SendMail::enqueue(9).on(&s.client).await.unwrap();
    let inspector = Inspector::new(&s.client);
    let kiq::inspect::Whereabouts::NotFound { read, is_complete } = inspector.find("nobody", 100).await.unwrap() else {
        panic!("found")
    };
    assert_eq!((read, is_complete), (4, true));
    // Small sets do not use up the budget that the queue needs.
    assert!(matches!(inspector.find(receipt.jid.as_str(), 5).await.unwrap(), kiq::inspect::Whereabouts::Waits { .. }));
}

/// A50: a watch tells each look, calls its hook at each change, and outlives an outage of Redis.
#[test]
fn a_check_that_is_repeated_tells_each_look_and_each_change() {
    use std::io::{BufRead as _, BufReader};
    let mut s = Setup::new();
    let log = s.server.folder().join("hooks");
    let hook = format!("echo $KIQ_CHECK >> {}", log.display());
    let mut watch = command()
        .args(["check", "dead", "--max", "0", "--every", "1s", "--hook", &hook])
        .env("REDIS_URL", s.server.url())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut until = |words: &str| lines.find(|line| line.starts_with(words)).unwrap();

    assert_eq!(until("ok:"), "ok: 0 jobs in dead (at most 0)");
    redis::cmd("ZADD").arg("dead").arg(1).arg("{}").exec(&mut s.server.connection()).unwrap();
    assert_eq!(until("FAILED:"), "FAILED: 1 job in dead (at most 0)");
    redis::cmd("DEL").arg("dead").exec(&mut s.server.connection()).unwrap();
    assert_eq!(until("ok:"), "ok: 0 jobs in dead (at most 0)");
    s.server.kill();
    assert!(until("FAILED:").contains("no answer from"));
    watch.kill().unwrap();
    watch.wait().unwrap();
    assert_eq!(std::fs::read_to_string(log).unwrap(), "failed\npassed\nfailed\n");
}
