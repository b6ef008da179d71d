//! Tells systemd that the worker is ready, that it stops, and, if a watchdog is set, that it lives.

use std::time::Duration;

use sd_notify::NotifyState;

use crate::events::{Event, EventStream};

/// Until the worker has stopped. Does nothing where no systemd listens.
pub(super) async fn tell_systemd(mut events: EventStream) {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    let every = sd_notify::watchdog_enabled().map(|period| period / 2);
    let mut is_ready = false;
    loop {
        let pause = every.filter(|_| is_ready).unwrap_or(Duration::from_secs(3600));
        match tokio::time::timeout(pause, events.next()).await {
            Err(_) => tell(&[NotifyState::Watchdog]),
            Ok(Some(Event::Ready)) => {
                is_ready = true;
                tell(&[NotifyState::Ready]);
            }
            Ok(Some(Event::Quiet)) => tell(&[NotifyState::Stopping]),
            Ok(Some(Event::Stopped) | None) => return,
            Ok(Some(_)) => {}
        }
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, ?state, "systemd cannot be told");
    }
}
