//! The loop of every background duty: do a step, wait as long as it asks, stop when told.

use std::time::Duration;

use tokio::sync::watch;

/// Runs `step` again and again until `stop` turns true or its sender is gone. A step that has begun is finished.
pub(super) async fn tick(mut stop: watch::Receiver<bool>, mut step: impl AsyncFnMut() -> Duration) {
    while !*stop.borrow() {
        let pause = step().await;
        // An error is a sender that is gone: nobody will ever say stop, so stop.
        if let Ok(Ok(_) | Err(_)) = tokio::time::timeout(pause, stop.wait_for(|stop| *stop)).await {
            return;
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
}
