//! That what is made works: each kind of application is built against this checkout, tested, linted and run; a job is added, and
//! fails until it is written. All share one target folder, `target/generated`, so that dependencies are compiled once.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kiq_testing::RedisServer;

use crate::setup::{Place, cargo_kiq, checkout, fails, files, succeeds};

/// A compiler under load takes long, and a program that says nothing for so long has failed.
const PATIENCE: Duration = Duration::from_secs(600);

/// One at a time: they share a target folder, and programs in it have the same names.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// An application, and what cargo does with it.
struct App {
    place: Place,
    _turn: MutexGuard<'static, ()>,
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("generated")
}

impl App {
    fn new(flags: &[&str]) -> Self {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let place = Place::empty();
        let kiq = checkout();
        place.succeeds(&[&["new", "my-app", "--no-git", "--kiq-path", kiq.to_str().unwrap()], flags].concat());
        // The versions of this checkout, so that there is nothing to look up but what only the application has.
        std::fs::copy(kiq.join("Cargo.lock"), place.app().join("Cargo.lock")).unwrap();
        let app = App { place, _turn: turn };
        if !app.cargo(&["fetch", "--offline"]).status.success() {
            app.passes(&["fetch"]);
        }
        app
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        isolate(&mut command);
        command.current_dir(self.place.app()).stdin(Stdio::null());
        command
    }

    fn cargo(&self, arguments: &[&str]) -> Output {
        self.command(env!("CARGO")).args(arguments).output().unwrap()
    }

    fn passes(&self, arguments: &[&str]) -> String {
        let output = self.cargo(arguments);
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "cargo {}: {said}", arguments.join(" "));
        said
    }

    /// What its own CI does.
    fn passes_its_own_checks(&self) {
        let config = self.place.read("my-app/.github/workflows/ci.yml");
        let mut steps = 0;
        for step in config.lines().filter_map(|line| line.trim().strip_prefix("- run: cargo ")) {
            self.passes(&step.split(' ').collect::<Vec<_>>());
            steps += 1;
        }
        assert_eq!(steps, 3, "fmt, clippy, test: {config}");
    }

    fn start(&self, program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Running {
        let mut command = self.command(target().join("debug").join(program).to_str().unwrap());
        command.args(arguments).env("LISTEN", "127.0.0.1:0").envs(variables.iter().copied());
        Running::start(command)
    }
}

/// No variable of these tests may reach cargo or the application.
fn isolate(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let is_of_cargo =
            text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_BIN_") || text.starts_with("NEXTEST");
        let is_of_kiq =
            text.starts_with("KIQ_") || ["REDIS_URL", "REDIS_PROVIDER", "APP_ENV", "RUSTFLAGS"].contains(&&*text);
        if is_of_cargo || is_of_kiq || text == "CARGO_MANIFEST_DIR" {
            command.env_remove(&name);
        }
    }
    // Nothing is debugged here, and linking is quicker without.
    command.env("CARGO_TARGET_DIR", target()).env("CARGO_PROFILE_DEV_DEBUG", "0").env("CARGO_INCREMENTAL", "0");
}

/// A program that runs, and the lines it writes.
struct Running {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (tell, lines) = channel();
        let (out, errors) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        for from in [Box::new(out) as Box<dyn std::io::Read + Send>, Box::new(errors)] {
            let tell = tell.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(from).lines().map_while(Result::ok) {
                    let _ = tell.send(line);
                }
            });
        }
        Running { child, lines, seen: Vec::new() }
    }

    /// The next line that holds that.
    fn until(&mut self, part: &str) -> String {
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                panic!("no line with {part:?} among\n{}", self.seen.join("\n"));
            };
            self.seen.push(line.clone());
            if line.contains(part) {
                return line;
            }
        }
    }

    /// The address it listens on.
    fn address(&mut self) -> String {
        let line = self.until("listening on http://");
        line.split("http://").nth(1).unwrap().trim().to_owned()
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Told to stop as a platform does, it ends well.
    fn stops(mut self) -> Vec<String> {
        self.signal("-TERM");
        self.ends()
    }

    fn ends(&mut self) -> Vec<String> {
        let status = self.child.wait().unwrap();
        self.seen.extend(std::iter::from_fn(|| self.lines.recv_timeout(PATIENCE).ok()));
        assert!(status.success(), "{status}:\n{}", self.seen.join("\n"));
        std::mem::take(&mut self.seen)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One request, and its answer.
fn request(address: &str, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let kind = "content-type: application/x-www-form-urlencoded";
    let length = body.len();
    write!(
        stream,
        "{head} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{kind}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn sign_up(address: &str) {
    let answer = request(address, "POST /sign-ups", "name=Ann&email=ann%40example.com");
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
}

/// 1.8: it passes its tests and lints exactly as it was made, and serves a request and runs a job with no Redis anywhere.
#[test]
fn an_application_with_a_web_server() {
    let app = App::new(&[]);
    app.passes_its_own_checks();

    let mut web = app.start("web", &[], &[]);
    let address = web.address();
    assert!(request(&address, "GET /", "").contains("<form"));
    assert!(request(&address, "GET /kiq", "").starts_with("HTTP/1.1 401 "), "the dashboard wants its password");
    sign_up(&address);
    web.until("mail: Welcome, Ann. to=\"ann@example.com\"");
    let lines = web.stops();
    assert!(
        lines.iter().any(|line| line.contains("jobs=\"SendWelcome\"")),
        "the worker says what it registered: {lines:?}"
    );

    a_job_that_is_generated_fails_until_it_is_written(&app);
    both_run_together_until_they_are_told_to_stop(&app);
}

/// The same on Redis, with another edition, queue and variable; the worker is a program of its own.
#[test]
fn an_application_on_redis() {
    let app = App::new(&["--edition", "2021", "--queue", "mail", "--redis-url-var", "ORDERS_REDIS_URL"]);
    app.passes_its_own_checks();
    let server = RedisServer::start();
    // Another program's Redis is no concern of it.
    let on_redis = [("ORDERS_REDIS_URL", server.url()), ("REDIS_URL", "redis://127.0.0.1:1/0".to_owned())];
    let on_redis = on_redis.each_ref().map(|(name, url)| (*name, url.as_str()));

    let mut web = app.start("web", &[], &on_redis);
    let address = web.address();
    sign_up(&address);
    let mut redis = server.connection();
    assert_eq!(redis::cmd("LLEN").arg("queue:mail").query::<usize>(&mut redis).unwrap(), 1, "nobody runs it yet");

    let mut worker = app.start("worker", &[], &on_redis);
    worker.until("jobs=\"SendWelcome\"");
    worker.until("mail: Welcome, Ann. to=\"ann@example.com\"");
    worker.stops();
    web.stops();

    // In one process, by flag.
    let mut both = app.start("web", &["--with-worker"], &on_redis);
    let address = both.address();
    let answer = request(&address, "POST /sign-ups", "name=Bob&email=bob%40example.com");
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    both.until("mail: Welcome, Bob.");
    both.stops();
}

/// Without a web server: a command enqueues, and with no Redis runs the job, too.
#[test]
fn an_application_without_a_web_server() {
    let app = App::new(&["--no-web", "--queue", "mail"]);
    app.passes_its_own_checks();

    let mut command = app.start("sign-up", &["Ann", "ann@example.com"], &[]);
    command.until("mail: Welcome, Ann. to=\"ann@example.com\"");
    let lines = command.ends();
    assert!(lines.iter().any(|line| line.contains("is in queue mail")), "{lines:?}");

    // In production that would lose it.
    let mut command = app.command(target().join("debug/sign-up").to_str().unwrap());
    let output = command.args(["Ann", "ann@example.com"]).env("KIQ_ENV", "production").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("jobs in memory are for development"), "{said}");

    let server = RedisServer::start();
    let on_redis = [("REDIS_URL", server.url())];
    let on_redis = on_redis.each_ref().map(|(name, url)| (*name, url.as_str()));
    app.start("sign-up", &["Ann", "ann@example.com"], &on_redis).ends();
    let mut worker = app.start("worker", &[], &on_redis);
    worker.until("mail: Welcome, Ann.");
    worker.stops();

    // A worker that could share its jobs with nobody does not start.
    let output = app.command(target().join("debug/worker").to_str().unwrap()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(70), "{said}");
    assert!(said.contains("error: REDIS_URL is not set, and a worker shares its jobs through Redis."), "{said}");
}

/// The third choice: the older edition without a web server.
#[test]
fn an_application_without_a_web_server_of_2021() {
    App::new(&["--no-web", "--edition", "2021"]).passes_its_own_checks();
}

/// A67: a job and its test, as they were generated, compile, pass the lints, and fail with words that say what to do. They pass
/// once both are written.
fn a_job_that_is_generated_fails_until_it_is_written(app: &App) {
    let arguments = ["order_id:u64", "note:&str", "ids:Vec<u64>", "at:Option<String>", "address:std::net::IpAddr"];
    let arguments = arguments.map(|argument| ["--arg", argument]).concat();
    succeeds(&app.place.generate(&["special_jobs/my_job", "--queue", "default", "--arg", "order_id:u64"]));
    succeeds(&app.place.generate(&[&["special_jobs/with_much"], &arguments[..]].concat()));
    succeeds(&app.place.generate(&["nothing_given"]));

    app.passes(&["fmt", "--check"]);
    app.passes(&["clippy", "--all-targets", "--locked", "--", "-D", "warnings"]);
    let output = app.cargo(&["test", "--lib", "--locked", "--no-fail-fast"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(!output.status.success(), "{said}");
    for part in [
        "test jobs::special_jobs::my_job::tests::my_job_does_its_work ... FAILED",
        "test jobs::special_jobs::with_much::tests::with_much_does_its_work ... FAILED",
        "test jobs::nothing_given::tests::nothing_given_does_its_work ... FAILED",
        "this job is not written yet: write it in place of `kiq::not_implemented!` at src/jobs/special_jobs/my_job.rs:8",
        "write in src/jobs/special_jobs/with_much.rs what with_much does, and here",
    ] {
        assert!(said.contains(part), "{part}\nis not in\n{said}");
    }
    // The job written, its test still says what is left to do.
    let path = "my-app/src/jobs/special_jobs/my_job.rs";
    let written =
        app.place.read(path).replace("kiq::not_implemented!(order_id)", "println!(\"order {order_id}\");\n    Ok(())");
    app.place.write(path, &written);
    let output = app.cargo(&["test", "--lib", "--locked", "my_job"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(!output.status.success() && said.contains("what is different once it has run"), "{said}");
    // And its test.
    let (start, _) = written.split_once("        panic!(").unwrap();
    app.place.write(path, format!("{start}        assert!(kiq.is_empty());\n    }}\n}}\n"));
    app.passes(&["test", "--lib", "--locked", "my_job"]);
    // It is known to the worker, which nobody told of it.
    let jobs = app.passes(&["run", "--quiet", "--locked", "--bin", "worker", "--", "--jobs"]);
    for job in ["SendWelcome", "MyJob", "WithMuch", "NothingGiven"] {
        assert!(jobs.contains(job), "{jobs}");
    }
}

/// A9, `cargo kiq dev`: one stream, a new start with a change, what does not compile is waited out, and Ctrl-C ends all.
fn both_run_together_until_they_are_told_to_stop(app: &App) {
    let server = RedisServer::start();
    app.place.write("my-app/.env", format!("KIQ_ENV=development\nLISTEN=127.0.0.1:0\nREDIS_URL={}\n", server.url()));
    let mut command = cargo_kiq(&app.place.app());
    isolate(&mut command);
    command.arg("dev");
    let mut dev = Running::start(command);

    dev.until("Running web, worker");
    let address = dev.address();
    sign_up(&address);
    let mail = dev.until("mail: Welcome, Ann.");
    assert!(mail.starts_with("worker  | "), "{mail}");

    let path = "my-app/src/jobs/send_welcome.rs";
    let job = app.place.read(path);
    app.place.write(path, job.replace("Welcome, {name}.", "Welcome, {name"));
    dev.until("could not be built; waiting for a change");
    sign_up_again(&address, "before");
    dev.until("mail: Welcome, before.");

    app.place.write(path, job.replace("Welcome, {name}.", "Good morning, {name}."));
    dev.until("Restarting send_welcome.rs changed");
    let address = dev.address();
    sign_up_again(&address, "after");
    dev.until("mail: Good morning, after.");

    // A process that ends by itself is told of, and takes no other with it.
    let env = app.place.read("my-app/.env");
    app.place.write("my-app/.env", env.replace("LISTEN=127.0.0.1:0", "LISTEN=nowhere"));
    dev.until("cannot listen on LISTEN=nowhere");
    dev.until("web ended (exit status: 1); it starts again with the next change");
    app.place.write("my-app/.env", env);
    let address = dev.address();

    dev.signal("-INT");
    let lines = dev.ends();
    assert!(lines.iter().any(|line| line.starts_with("worker  |") && line.contains("stopped;")), "{lines:?}");
    assert!(TcpStream::connect(address).is_err(), "nobody is left");
}

fn sign_up_again(address: &str, name: &str) {
    let answer = request(address, "POST /sign-ups", &format!("name={name}&email={name}%40example.com"));
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
}

/// What `cargo kiq dev` cannot run is said before anything is built.
#[test]
fn dev_says_what_is_missing() {
    let place = Place::with_app();
    let dev = |arguments: &[&str]| {
        let before = files(place.path());
        let mut command = cargo_kiq(&place.app());
        isolate(&mut command);
        let said = fails(&command.arg("dev").args(arguments).output().unwrap());
        assert!(files(place.path()) == before);
        said
    };

    assert!(dev(&["--procfile", "Procfile.dev"]).contains("Procfile.dev"), "it is named");
    place.write("my-app/Procfile", "web\n");
    assert!(dev(&[]).contains("Procfile: line 1 is \"web\"; write it like `web: web`"));
    place.write("my-app/Procfile", "worker: worker\n");
    let said = dev(&[]);
    assert!(said.contains("no Redis is named") && said.contains("REDIS_URL=redis://127.0.0.1:6379/0"), "{said}");
    place.write("my-app/.env", "not a variable\n");
    assert!(dev(&[]).contains("cannot read "), "it is named");
    place.write("my-app/.env", "KIQ_CONCURRENCY=many\n");
    assert!(dev(&[]).contains("$KIQ_CONCURRENCY: concurrency is \"many\""));
}
