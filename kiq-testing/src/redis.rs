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

/// Names the program that is started instead of `redis-server`, for the same tests on another: `valkey-server`, say.
const SERVER_VARIABLE: &str = "KIQ_TEST_REDIS_SERVER";

/// A private `redis-server`, or the program that the variable `KIQ_TEST_REDIS_SERVER` names. Nothing is written to disk unless [`with_aof`](RedisServer::with_aof) made it.
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
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    /// With these arguments.
    Server(Vec<String>),
    /// With these lines in its file.
    Sentinel(String),
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
    pub fn with_arguments(arguments: &[&str]) -> Self {
        Self::come_up(&Kind::Server(arguments.iter().map(|argument| (*argument).to_owned()).collect()))
    }

    #[expect(clippy::panic, reason = "a test without its server has failed")]
    fn come_up(kind: &Kind) -> Self {
        for _ in 0..ATTEMPTS {
            let folder =
                TempDir::new().unwrap_or_else(|error| panic!("no temporary folder for a redis-server: {error}"));
            let mut server = RedisServer { process: None, folder, port: free_port(), kind: kind.clone() };
            if server.launch() {
                return server;
            }
        }
        panic!("a redis-server did not come up on any of {ATTEMPTS} free ports");
    }

    /// Starts a Sentinel that watches the primary at `primary` under a name, and takes it for gone after a second of silence.
    /// One of its own: it needs nobody's vote.
    ///
    /// `settings` are further lines of its file, such as `sentinel auth-pass NAME PASSWORD`.
    ///
    /// # Panics
    /// As [`start`](RedisServer::start).
    pub fn sentinel(name: &str, primary: u16, settings: &[&str]) -> Self {
        let watch = [
            format!("sentinel monitor {name} 127.0.0.1 {primary} 1"),
            format!("sentinel down-after-milliseconds {name} 1000"),
            format!("sentinel failover-timeout {name} 10000"),
        ];
        let lines: Vec<String> = watch.into_iter().chain(settings.iter().map(|line| (*line).to_owned())).collect();
        Self::come_up(&Kind::Sentinel(lines.join("\n")))
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
        let program = std::env::var_os(SERVER_VARIABLE).filter(|name| !name.is_empty());
        let program = program.unwrap_or_else(|| "redis-server".into());
        let (folder, port) = (self.folder.path(), self.port.to_string());
        let mut command = Command::new(&program);
        match &self.kind {
            Kind::Server(arguments) => {
                command.args(["--bind", "127.0.0.1", "--port", &port, "--save", ""]);
                command.args(["--enable-debug-command", "local", "--daemonize", "no", "--logfile"]).arg(&log);
                command.arg("--dir").arg(folder).args(arguments);
            }
            Kind::Sentinel(lines) => {
                // It writes what it learns into this file, so it must be one.
                let file = folder.join("sentinel.conf");
                let (log, folder) = (log.display(), folder.display());
                let text = format!("bind 127.0.0.1\nport {port}\ndir {folder}\nlogfile {log}\n{lines}\n");
                if let Err(error) = std::fs::write(&file, text) {
                    panic!("{} cannot be written: {error}", file.display());
                }
                command.arg(&file).arg("--sentinel");
            }
        }
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let process = spawned.unwrap_or_else(|error| {
            panic!(
                "{} cannot be started ({error}); `./check` installs redis-server, or your package manager does",
                program.display()
            )
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
