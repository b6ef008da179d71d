//! A wire between client and server that breaks when it is told to, and says when it has.

mod pipe;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::{Semaphore, watch};

/// How long a test waits for a trap to spring before it fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// What all connections go through, until it is changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Weather {
    /// Everything passes at once.
    #[default]
    Clear,
    /// Everything is swallowed, in both directions; nobody is told. When it is over, connections that lost something are
    /// reset, as by a host that came back and knows nothing of them.
    BlackHole,
    /// Each piece waits so long before it goes on.
    Slow(Duration),
    /// One byte at a time, each in a packet of its own.
    Chopped,
    /// New connections are reset at once; those that are there go on.
    Refusing,
}

/// What happens to a connection whose client sends a request that a [trap](FaultProxy::trap) waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The server carries it out; its reply is dropped, and the client's connection reset.
    LoseReply,
    /// The server gets so many bytes of it and then the end of the connection; the client's is reset.
    CutRequest(usize),
    /// The client gets so many bytes of the reply, and then a reset.
    CutReply(usize),
    /// It waits at the proxy until [`release`](FaultProxy::release): the server does not know of it.
    HoldRequest,
    /// The server carries it out, and the reply waits at the proxy until [`release`](FaultProxy::release).
    HoldReply,
    /// It goes on to the server, and the client's connection is reset; the server's stays open, with nobody at its other end.
    LoseClient,
    /// The server's connection ends before it gets the request; the client's stays open, and nothing ever answers.
    LoseServer,
    /// The client gets these bytes instead of the reply.
    Garble(Vec<u8>),
}

/// A TCP proxy on a free port of the loopback, in front of a server of the same machine. It has a thread of its own, and ends
/// when it is dropped.
///
/// # Examples
/// ```standalone_crate
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use kiq_testing::{Fault, FaultProxy, RedisServer};
///
/// #[kiq::job]
/// async fn greet(name: String) { println!("hello {name}"); }
///
/// let server = RedisServer::start();
/// let proxy = FaultProxy::to(server.port());
/// let client = kiq::Client::connect(&proxy.url())?;
///
/// // The server stores the job, and nobody hears of it.
/// proxy.trap("LPUSH", Fault::LoseReply);
/// let outcome = Greet::enqueue("Ann").on(&client).await;
/// assert!(matches!(outcome, Err(kiq::EnqueueError::Unknown { .. })));
/// proxy.sprung().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FaultProxy {
    port: u16,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// What the test sets and the connections obey.
#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    weather: watch::Sender<Weather>,
    /// Counts the calls of `cut`: a connection ends when it changes.
    cuts: watch::Sender<u64>,
    /// Counts the calls of `release`.
    releases: watch::Sender<u64>,
    traps: Mutex<Vec<Trap>>,
    /// One permit for each trap that has sprung and that nobody has waited for.
    sprung: Semaphore,
    accepted: watch::Sender<u64>,
    open: watch::Sender<usize>,
}

#[derive(Clone, Debug)]
struct Trap {
    request: Vec<u8>,
    fault: Fault,
    every_time: bool,
}

impl FaultProxy {
    /// Starts one in front of a port of the loopback.
    ///
    /// # Panics
    /// When there is no free port, or no thread.
    #[expect(clippy::panic, reason = "a test without its proxy has failed")]
    pub fn to(port: u16) -> Self {
        let shared = Arc::new(Shared {
            server: (Ipv4Addr::LOCALHOST, port).into(),
            weather: watch::channel(Weather::Clear).0,
            cuts: watch::channel(0).0,
            releases: watch::channel(0).0,
            traps: Mutex::default(),
            sprung: Semaphore::new(0),
            accepted: watch::channel(0).0,
            open: watch::channel(0).0,
        });
        let (stop, stopped) = watch::channel(false);
        let start = || -> std::io::Result<(u16, std::thread::JoinHandle<()>)> {
            let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            listener.set_nonblocking(true)?;
            let port = listener.local_addr()?.port();
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let shared = Arc::clone(&shared);
            let run = move || {
                // Fails only outside of a runtime.
                let _ = runtime.block_on(async { listen(TcpListener::from_std(listener)?, shared, stopped).await });
            };
            Ok((port, std::thread::Builder::new().name("fault-proxy".to_owned()).spawn(run)?))
        };
        let (port, thread) = start().unwrap_or_else(|error| panic!("no proxy on the loopback: {error}"));
        FaultProxy { port, shared, stop, thread: Some(thread) }
    }

    /// The port to connect to instead of the server's.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address for a client of a Redis behind it: `redis://127.0.0.1:PORT/0`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Changes what all connections go through, those that are there and those to come.
    pub fn weather(&self, weather: Weather) {
        self.shared.weather.send_replace(weather);
    }

    /// Resets every connection there is, on both sides.
    pub fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// The next request that holds these bytes meets that fault. A command's name or part of a key will do, as will the
    /// digest of a script. Traps are tried in the order they were set.
    pub fn trap(&self, request: impl AsRef<[u8]>, fault: Fault) {
        self.add(request.as_ref(), fault, false);
    }

    /// The same for every such request, until [`disarm`](FaultProxy::disarm).
    pub fn trap_all(&self, request: impl AsRef<[u8]>, fault: Fault) {
        self.add(request.as_ref(), fault, true);
    }

    fn add(&self, request: &[u8], fault: Fault, every_time: bool) {
        self.shared.traps().push(Trap { request: request.to_vec(), fault, every_time });
    }

    /// Removes all traps that have not sprung.
    pub fn disarm(&self) {
        self.shared.traps().clear();
    }

    /// Lets go on what [`Fault::HoldRequest`] and [`Fault::HoldReply`] hold.
    pub fn release(&self) {
        self.shared.releases.send_modify(|releases| *releases += 1);
    }

    /// Returns when one more trap has done what it is for: the reply is lost, the request is held.
    ///
    /// # Panics
    /// When none does within 30 seconds.
    #[expect(clippy::panic, reason = "a test that waits in vain has failed")]
    pub async fn sprung(&self) {
        match tokio::time::timeout(PATIENCE, self.shared.sprung.acquire()).await {
            Ok(Ok(permit)) => permit.forget(),
            _ => panic!("no trap sprang within {PATIENCE:?}; still set: {:?}", self.shared.traps()),
        }
    }

    /// How many connections it has taken so far.
    pub fn accepted(&self) -> u64 {
        *self.shared.accepted.borrow()
    }

    /// Returns when it has taken so many connections in all.
    ///
    /// # Panics
    /// When that is not so within 30 seconds.
    #[expect(clippy::panic, reason = "a test that waits in vain has failed")]
    pub async fn at_least_accepted(&self, connections: u64) {
        let mut accepted = self.shared.accepted.subscribe();
        let waited = tokio::time::timeout(PATIENCE, accepted.wait_for(|accepted| *accepted >= connections)).await;
        if waited.is_err() {
            panic!("{} connections were made in {PATIENCE:?}, not {connections}", self.accepted());
        }
    }

    /// Returns when so many connections, or fewer, are open.
    ///
    /// # Panics
    /// When that is not so within 30 seconds.
    #[expect(clippy::panic, reason = "a test that waits in vain has failed")]
    pub async fn at_most_open(&self, connections: usize) {
        let mut open = self.shared.open.subscribe();
        let waited = tokio::time::timeout(PATIENCE, open.wait_for(|open| *open <= connections)).await;
        if waited.is_err() {
            panic!("{} connections are open after {PATIENCE:?}", *self.shared.open.borrow());
        }
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // It panics no more than this one does.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn traps(&self) -> MutexGuard<'_, Vec<Trap>> {
        self.traps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fault for a request, which a trap then is rid of.
    fn fault_for(&self, sent: &[u8]) -> Option<Fault> {
        let mut traps = self.traps();
        let at = traps.iter().position(|trap| contains(sent, &trap.request))?;
        let trap = traps.get(at)?.clone();
        if !trap.every_time {
            traps.remove(at);
        }
        Some(trap.fault)
    }

    /// The length of the longest request that a trap waits for.
    fn longest(&self) -> usize {
        self.traps().iter().map(|trap| trap.request.len()).max().unwrap_or(0)
    }

    fn has_sprung(&self) {
        self.sprung.add_permits(1);
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && text.windows(part.len()).any(|window| window == part)
}

async fn listen(listener: TcpListener, shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) -> std::io::Result<()> {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let client = tokio::select! {
            accepted = listener.accept() => accepted?.0,
            _ = stopped.wait_for(|stopped| *stopped) => return Ok(()),
        };
        while connections.try_join_next().is_some() {}
        shared.accepted.send_modify(|accepted| *accepted += 1);
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            shared.open.send_modify(|open| *open += 1);
            connect(client, &shared).await;
            shared.open.send_modify(|open| *open -= 1);
        });
    }
}

/// One connection from its beginning to its end.
async fn connect(client: TcpStream, shared: &Shared) {
    if *shared.weather.borrow() == Weather::Refusing {
        return pipe::reset(client);
    }
    match TcpStream::connect(shared.server).await {
        Ok(server) => pipe::run(client, server, shared).await,
        Err(_) => pipe::reset(client),
    }
}
