//! What the operating system tells the process: TERM and INT stop, TSTP quiets, TTIN dumps.

use super::Controls;

/// Obeys the process's signals until it is dropped.
#[cfg(unix)]
pub(super) async fn obey(controls: Controls) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    let mut tstp = signal(SignalKind::from_raw(libc::SIGTSTP))?;
    let mut ttin = signal(SignalKind::from_raw(libc::SIGTTIN))?;
    loop {
        tokio::select! {
            _ = term.recv() => controls.stop(),
            _ = int.recv() => controls.stop(),
            _ = tstp.recv() => controls.quiet(),
            _ = ttin.recv() => controls.dump(),
        }
    }
}

/// Obeys Ctrl-C until it is dropped: the one signal there is everywhere.
#[cfg(not(unix))]
pub(super) async fn obey(controls: Controls) -> std::io::Result<()> {
    loop {
        tokio::signal::ctrl_c().await?;
        controls.stop();
    }
}
