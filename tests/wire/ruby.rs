//! The real Ruby Sidekiq, as Debian packages it: its client, its data API, and its worker process.
//!
//! That of this machine, or of another system, which `KIQ_TEST_SIDEKIQ` names by its root folder: so newer versions are tested
//! than this machine has (`./check sidekiqs`).

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use kiq_testing::RedisServer;
use serde_json::Value;

/// How long a run in Ruby may take to be told, in seconds.
const PATIENCE: u32 = 60;

/// Where the other system has our scripts.
const SCRIPTS_THERE: &str = "/mnt";

fn elsewhere() -> Option<PathBuf> {
    std::env::var_os("KIQ_TEST_SIDEKIQ").map(PathBuf::from)
}

fn scripts() -> PathBuf {
    // Tests of other packages use this, too.
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().map(|folder| folder.join("tests/wire/ruby")).find(|scripts| scripts.is_dir()).unwrap()
}

/// A script, by the path that [`program`] finds it at.
pub fn script(name: &str) -> PathBuf {
    elsewhere().map_or_else(scripts, |_| SCRIPTS_THERE.into()).join(name)
}

/// `ruby` or `sidekiq`, of the system that is tested, which sees our scripts and the folder for temporary files.
pub fn program(name: &str) -> Command {
    let Some(root) = elsewhere() else { return Command::new(name) };
    // In mounts of its own, which end with it.
    let mut command = Command::new("unshare");
    let mount = r#"mount --bind /proc "$ROOT/proc" && mount --bind /tmp "$ROOT/tmp" && mount --bind "$SCRIPTS" "$ROOT/mnt" &&
        exec chroot "$ROOT" "$@""#;
    command.args(["--mount", "sh", "-c", mount, "sh", name]).env("ROOT", root).env("SCRIPTS", scripts());
    command
}

/// Runs one of the scripts, and answers what it printed.
pub fn run(server: &RedisServer, name: &str, arguments: &[&str], input: &Value) -> Value {
    let mut child = program("ruby")
        .arg(script(name))
        .args(arguments)
        .env("REDIS_URL", server.url())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("ruby with Sidekiq is needed (Debian: ruby-sidekiq); ./check installs it");
    // A script that reads nothing may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.to_string().as_bytes());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{name} {arguments:?} failed");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Pushes jobs through Sidekiq's client; answers their ids.
pub fn enqueue(server: &RedisServer, items: &Value) -> Vec<String> {
    serde_json::from_value(run(server, "enqueue.rb", &[], items)).unwrap()
}

/// What Sidekiq's data API sees.
pub fn look(server: &RedisServer) -> Value {
    run(server, "look.rb", &[], &Value::Null)
}

/// Presses a button of Sidekiq's pages.
pub fn act(server: &RedisServer, arguments: &[&str]) {
    run(server, "act.rb", arguments, &Value::Null);
}

/// A Sidekiq worker process; ended with the test.
pub struct Sidekiq {
    child: Child,
    connection: redis::Connection,
}

impl Sidekiq {
    /// Starts one, and waits until it works.
    pub fn start(server: &RedisServer, queues: &[&str]) -> Self {
        Sidekiq::with(server, "jobs.rb", queues)
    }

    /// The same with the classes of another script.
    pub fn with(server: &RedisServer, jobs: &str, queues: &[&str]) -> Self {
        let mut child = program("sidekiq")
            .arg("-r")
            .arg(script(jobs))
            .args(["-c", "5", "-e", "test"])
            .args(queues.iter().flat_map(|queue| ["-q", queue]))
            .env("REDIS_URL", server.url())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("sidekiq is needed (Debian: ruby-sidekiq); ./check installs it");
        let mut log = BufReader::new(child.stdout.take().unwrap()).lines();
        let is_up = log.by_ref().any(|line| line.unwrap().contains("WORKS"));
        assert!(is_up, "sidekiq ended before it worked");
        // It must always find somebody to write to.
        std::thread::spawn(move || log.for_each(drop));
        Sidekiq { child, connection: server.connection() }
    }

    /// The next run that ended: the job as Ruby saw it, the queue, and whether it raised.
    pub fn next_run(&mut self) -> Value {
        let run: Option<(String, String)> =
            redis::cmd("BLPOP").arg("ruby:runs").arg(PATIENCE).query(&mut self.connection).unwrap();
        serde_json::from_str(&run.expect("no run in Ruby").1).unwrap()
    }

    /// Ends it as a deploy does, and waits for its end.
    pub fn stop(&mut self) {
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(told.success());
        self.wait_for_its_end();
    }

    /// Waits for its end, once it was told.
    pub fn wait_for_its_end(&mut self) {
        assert!(self.child.wait().unwrap().success());
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Sidekiq {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
