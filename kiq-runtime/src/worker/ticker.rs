//! The loop of every background duty: do a step, wait as long as it asks, stop when told.

use std::time::Duration;

use tokio::sync::{Notify, watch};

/// Runs `step` again and again until `stop` turns true or its sender is gone. A step that has begun is finished.
pub(super) async fn tick(stop: watch::Receiver<bool>, step: impl AsyncFnMut() -> Duration) {
    tick_or(stop, &Notify::new(), step).await;
}

/// The same, with a step out of turn whenever `soon` is told.
pub(super) async fn tick_or(mut stop: watch::Receiver<bool>, soon: &Notify, mut step: impl AsyncFnMut() -> Duration) {
    while !*stop.borrow() {
        let pause = step().await;
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = soon.notified() => {}
            // An error is a sender that is gone: nobody will ever say stop, so stop.
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_ticker_stops_in_the_middle_of_its_pause() {
        let (stop, stopped) = watch::channel(false);
        let mut steps = 0;

        tick(stopped, async || {
            steps += 1;
            let _ = stop.send(true);
            Duration::from_secs(3600)
        })
        .await;

        assert_eq!(steps, 1);
    }

    #[tokio::test]
    async fn a_step_out_of_turn_is_made_at_once() {
        let (stop, stopped) = watch::channel(false);
        let soon = Notify::new();
        let mut steps = 0;

        tick_or(stopped, &soon, async || {
            steps += 1;
            match steps {
                1 => soon.notify_one(),
                _ => drop(stop.send(true)),
            }
            Duration::from_secs(3600)
        })
        .await;

        assert_eq!(steps, 2);
    }
}
