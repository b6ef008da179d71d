//! One connection through the proxy: two directions, and the ways it can end.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;

use super::{Fault, Shared, Weather};

/// How a connection ends.
enum End {
    /// One side has closed, or broke: so does the other.
    Over,
    /// Both sides are reset at once.
    Reset,
    /// The server reads all it was sent before it sees the end; then the client's side is reset. `sprung`: by a trap.
    Finish { sprung: bool },
    /// The client's side is reset, the server's stays.
    KeepServer,
    /// The server's side is closed, the client's stays.
    KeepClient,
}

/// What the way down does with the next reply, as the way up has found.
type NextReply = Mutex<Option<Fault>>;

pub(super) async fn run(mut client: TcpStream, mut server: TcpStream, shared: &Shared) {
    // What is chopped must not be put together again. Refused by no system.
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let mut cuts = shared.cuts.subscribe();
    let end = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let next_reply = NextReply::default();
        tokio::select! {
            end = up(from_client, to_server, &next_reply, shared) => end,
            end = down(from_server, to_client, &next_reply, shared) => end,
            _ = cuts.changed() => Ok(End::Reset),
        }
    };
    match end.unwrap_or(End::Reset) {
        End::Over => {}
        End::Reset => {
            reset(client);
            reset(server);
        }
        End::Finish { sprung } => {
            let finish = async {
                server.shutdown().await?;
                swallow(&mut server).await
            };
            // A server that is frozen never sees the end.
            let _ = tokio::time::timeout(Duration::from_secs(2), finish).await;
            reset(client);
            if sprung {
                shared.has_sprung();
            }
        }
        End::KeepServer => {
            reset(client);
            shared.has_sprung();
            tokio::select! { _ = swallow(&mut server) => {} _ = cuts.changed() => {} }
        }
        End::KeepClient => {
            drop(server);
            shared.has_sprung();
            tokio::select! { _ = swallow(&mut client) => {} _ = cuts.changed() => {} }
        }
    }
}

/// Ends a connection so that the other side gets an error and not an end.
pub(super) fn reset(stream: TcpStream) {
    // If it is refused, the other side sees an end, which is as final.
    let _ = stream.set_zero_linger();
}

/// Reads until the other side closes.
async fn swallow(stream: &mut TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    while stream.read(&mut buffer).await? > 0 {}
    Ok(())
}

/// Requests.
async fn up(mut from: ReadHalf<'_>, to: WriteHalf<'_>, next: &NextReply, shared: &Shared) -> io::Result<End> {
    let mut road = Road::new(to, shared);
    let mut buffer = vec![0; 64 << 10];
    // The end of what was sent before, because a request may come in two pieces.
    let mut recent = Vec::new();
    loop {
        let Some(sent) = road.read(&mut from, &mut buffer).await? else { return Ok(road.end()) };
        recent.extend_from_slice(sent);
        let fault = shared.fault_for(&recent);
        let keep = shared.longest().saturating_sub(1);
        recent.drain(..recent.len().saturating_sub(keep));
        if fault.is_some() {
            recent.clear();
        }
        match fault {
            None => {}
            Some(Fault::CutRequest(bytes)) => {
                road.write(sent.get(..bytes).unwrap_or(sent)).await?;
                return Ok(End::Finish { sprung: true });
            }
            Some(Fault::HoldRequest) => hold(shared).await,
            Some(Fault::LoseServer) => return Ok(End::KeepClient),
            Some(Fault::LoseClient) => {
                road.write(sent).await?;
                return Ok(End::KeepServer);
            }
            reply => *next.lock().unwrap_or_else(PoisonError::into_inner) = reply,
        }
        road.write(sent).await?;
    }
}

/// Replies.
async fn down(mut from: ReadHalf<'_>, to: WriteHalf<'_>, next: &NextReply, shared: &Shared) -> io::Result<End> {
    let mut road = Road::new(to, shared);
    let mut buffer = vec![0; 64 << 10];
    loop {
        let Some(sent) = road.read(&mut from, &mut buffer).await? else { return Ok(road.end()) };
        let fault = next.lock().unwrap_or_else(PoisonError::into_inner).take();
        match fault {
            Some(Fault::LoseReply) => return Ok(End::Finish { sprung: true }),
            Some(Fault::CutReply(bytes)) => {
                road.write(sent.get(..bytes).unwrap_or(sent)).await?;
                return Ok(End::Finish { sprung: true });
            }
            Some(Fault::HoldReply) => hold(shared).await,
            Some(Fault::Garble(bytes)) => {
                road.write(&bytes).await?;
                shared.has_sprung();
                continue;
            }
            _ => {}
        }
        road.write(sent).await?;
    }
}

async fn hold(shared: &Shared) {
    let mut releases = shared.releases.subscribe();
    shared.has_sprung();
    // The sender lives as long as the proxy, so this cannot fail.
    let _ = releases.changed().await;
}

/// One direction, in the weather of the moment.
struct Road<'a> {
    to: WriteHalf<'a>,
    weather: watch::Receiver<Weather>,
    /// A black hole took something: what would come after it makes no sense.
    lost: bool,
}

impl<'a> Road<'a> {
    fn new(to: WriteHalf<'a>, shared: &Shared) -> Self {
        Road { to, weather: shared.weather.subscribe(), lost: false }
    }

    /// The next piece; `None` at the end.
    async fn read<'b>(&mut self, from: &mut ReadHalf<'_>, buffer: &'b mut [u8]) -> io::Result<Option<&'b [u8]>> {
        loop {
            tokio::select! {
                read = from.read(buffer) => {
                    let read = read?;
                    return Ok(buffer.get(..read).filter(|piece| !piece.is_empty()));
                }
                changed = self.weather.changed() => {
                    if self.lost || changed.is_err() {
                        return Ok(None);
                    }
                }
            }
        }
    }

    fn end(&self) -> End {
        if self.lost { End::Reset } else { End::Over }
    }

    async fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        let weather = *self.weather.borrow();
        match weather {
            Weather::BlackHole => self.lost = true,
            Weather::Slow(delay) => {
                tokio::time::sleep(delay).await;
                self.to.write_all(piece).await?;
            }
            Weather::Chopped => {
                for byte in piece {
                    self.to.write_all(std::slice::from_ref(byte)).await?;
                    tokio::task::yield_now().await;
                }
            }
            Weather::Clear | Weather::Refusing => self.to.write_all(piece).await?,
        }
        Ok(())
    }
}
