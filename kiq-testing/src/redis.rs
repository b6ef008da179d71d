//! A `redis-server` of a test's own: started on a free port of the loopback, gone when dropped.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a server may take to answer its first PING.
const PATIENCE: Duration = Duration::from_secs(20);

/// Another process may take a free port before the server does; so often is tried with another.
const ATTEMPTS: usize = 8;

/// Starts a `redis-server` of the test's own, which keeps nothing beyond its life: [`RedisServer::start`].
///
/// # Panics
/// When `redis-server` is not installed, or does not come up.
pub fn redis() -> RedisServer {
    RedisServer::start()
}

/// A private `redis-server`. Nothing is written to disk unless [`with_aof`](RedisServer::with_aof) made it.
///
/// # Examples
/// ```
/// let server = kiq_testing::RedisServer::start();
/// let client = kiq::Client::connect(&server.url())?;
/// # Ok::<(), kiq::BrokerError>(())
/// ```
#[derive(Debug)]
pub struct RedisServer {
    process: Option<Child>,
    folder: TempDir,
    port: u16,
    arguments: Vec<String>,
}

impl RedisServer {
    /// Starts one that keeps nothing beyond its life.
    ///
    /// # Panics
    /// When `redis-server` is not installed, or does not come up.
    pub fn start() -> Self {
        Self::with_arguments(&["--appendonly", "no"])
    }

    /// Starts one that writes every command to its log at once, so that [`kill`](RedisServer::kill) and
    /// [`restart`](RedisServer::restart) lose nothing.
    ///
    /// # Panics
    /// As [`start`](RedisServer::start).
    pub fn with_aof() -> Self {
        Self::with_arguments(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    /// Starts one with arguments of its own, as on the command line.
    ///
    /// # Panics
    /// As [`start`](RedisServer::start).
    #[expect(clippy::panic, reason = "a test without its server has failed")]
    pub fn with_arguments(arguments: &[&str]) -> Self {
        for _ in 0..ATTEMPTS {
            let folder =
                TempDir::new().unwrap_or_else(|error| panic!("no temporary folder for a redis-server: {error}"));
            let mut server = RedisServer {
                process: None,
                folder,
                port: free_port(),
                arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            };
            if server.launch() {
                return server;
            }
        }
        panic!("a redis-server did not come up on any of {ATTEMPTS} free ports");
    }

    /// Its address: `redis://127.0.0.1:PORT/0`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// The folder it works in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A connection of its own to look at keys with.
    ///
    /// # Panics
    /// When the server does not run.
    #[expect(clippy::panic, reason = "a test without its server has failed")]
    pub fn connection(&self) -> redis::Connection {
        let client = redis::Client::open(self.url()).and_then(|client| client.get_connection());
        client.unwrap_or_else(|error| panic!("no connection to the test's own redis-server: {error}"))
    }

    /// Kills it with SIGKILL: nothing is flushed or said.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended by itself; either way it is gone after the wait.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Freezes it with SIGSTOP: it answers nothing and closes nothing, until [`resume`](RedisServer::resume).
    ///
    /// # Panics
    /// When it does not run.
    pub fn stop(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on after [`stop`](RedisServer::stop).
    ///
    /// # Panics
    /// When it does not run.
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    #[expect(clippy::panic, reason = "a test without its server has failed")]
    fn signal(&self, name: &str) {
        let Some(pid) = self.pid() else { panic!("the redis-server does not run") };
        let sent = Command::new("kill").args([name, &pid.to_string()]).status();
        if !sent.is_ok_and(|status| status.success()) {
            panic!("kill {name} {pid} failed");
        }
    }

    /// Starts it again on the same port with what it had written.
    ///
    /// # Panics
    /// When it does not come up.
    #[expect(clippy::panic, reason = "a test without its server has failed")]
    pub fn restart(&mut self) {
        self.kill();
        if !self.launch() {
            panic!("the redis-server did not come up again on port {}; its log:\n{}", self.port, self.log());
        }
    }

    #[expect(clippy::panic, reason = "a test without its server has failed")]
    fn launch(&mut self) -> bool {
        let log = self.log_path();
        let spawned = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--save", ""])
            .args(["--enable-debug-command", "local", "--daemonize", "no", "--logfile"])
            .arg(&log)
            .arg("--dir")
            .arg(self.folder.path())
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let process = spawned.unwrap_or_else(|error| {
            panic!("redis-server cannot be started ({error}); `./check` installs it, or your package manager does")
        });
        let process = self.process.insert(process);
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if matches!(process.try_wait(), Ok(Some(_))) {
                return false;
            }
            if answers_ping(self.port) {
                return true;
            }
            std::thread::yield_now();
        }
        panic!("redis-server did not answer within {PATIENCE:?}; its log:\n{}", self.log());
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("redis.log")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

#[expect(clippy::panic, reason = "a test without a port has failed")]
fn free_port() -> u16 {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    bound.unwrap_or_else(|error| panic!("no free port on the loopback: {error}")).port()
}

/// Also true for a server that wants a password first: it is up.
fn answers_ping(port: u16) -> bool {
    let ping = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer)?;
        Ok(answer.starts_with("+PONG") || answer.starts_with("-NOAUTH"))
    };
    ping().unwrap_or(false)
}
