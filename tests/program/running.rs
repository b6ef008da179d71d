//! The example `worker` as a process of a test.

use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use kiq_testing::RedisServer;

/// As the example enqueues it.
#[kiq::job]
pub async fn nap(seconds: f64);

/// The example `worker`. A run of all tests builds it; a run of this file alone may have to.
pub fn program() -> Command {
    let deps = std::env::current_exe().unwrap();
    let path = deps.parent().unwrap().parent().unwrap().join("examples/worker");
    if !path.exists() {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .args(["build", "--quiet", "--example", "worker", "--all-features"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(built.unwrap().success());
    }
    let mut command = Command::new(path);
    for variable in [
        "KIQ_REDIS_URL",
        "KIQ_REDIS_PROVIDER",
        "REDIS_PROVIDER",
        "REDIS_URL",
        "KIQ_CONFIG",
        "KIQ_QUEUES",
        "KIQ_LOG",
        "KIQ_HEALTH",
        "KIQ_STATSD",
        "NOTIFY_SOCKET",
    ] {
        command.env_remove(variable);
    }
    command.stdin(Stdio::null());
    command
}

pub fn output(arguments: &[&str]) -> Output {
    program().args(arguments).output().unwrap()
}

/// A worker that runs; killed when the test ends before it.
pub struct Worker {
    pub child: Child,
    lines: Lines<BufReader<ChildStderr>>,
    pub seen: Vec<String>,
}

impl Worker {
    pub fn start(server: &RedisServer, arguments: &[&str]) -> Self {
        Self::spawn(program().args(arguments).env("REDIS_URL", server.url()))
    }

    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        Worker { child, lines, seen: Vec::new() }
    }

    /// Reads its log until a line has these words in it.
    pub fn until(&mut self, words: &str) -> String {
        for line in self.lines.by_ref() {
            let line = line.unwrap();
            self.seen.push(line.clone());
            if line.contains(words) {
                return line;
            }
        }
        panic!("the worker ended without {words:?}: {:#?}", self.seen)
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end, and answers its exit code.
    pub fn code(&mut self) -> Option<i32> {
        for line in self.lines.by_ref() {
            self.seen.push(line.unwrap());
        }
        self.child.wait().unwrap().code()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
