//! The clock of a fake: it stands until it is moved, or goes as tokio's does.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kiq_runtime::{Clock, Timestamp};
use tokio::time::Instant;

/// Moves the clock of one fake.
#[derive(Clone, Debug)]
pub(crate) struct Hand(Arc<Mutex<Time>>);

#[derive(Debug)]
struct Time {
    at: Timestamp,
    /// When tokio's clock showed `at`, for a clock that follows it.
    seen: Option<Instant>,
}

impl Time {
    fn now(&self) -> Timestamp {
        match self.seen {
            None => self.at,
            Some(seen) => self.at + Instant::now().saturating_duration_since(seen),
        }
    }
}

impl Hand {
    /// Stands at the system's time, in whole seconds.
    pub(crate) fn at_the_present() -> Self {
        let now = Clock::system().now().as_micros();
        Hand(Arc::new(Mutex::new(Time { at: Timestamp::from_micros(now - now.rem_euclid(1_000_000)), seen: None })))
    }

    fn time(&self) -> MutexGuard<'_, Time> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn clock(&self) -> Clock {
        let hand = self.clone();
        Clock::from_fn(move || hand.time().now())
    }

    pub(crate) fn set(&self, at: Timestamp) {
        let mut time = self.time();
        time.at = at;
        time.seen = time.seen.map(|_| Instant::now());
    }

    pub(crate) fn follow_tokio(&self) {
        self.time().seen = Some(Instant::now());
    }

    /// Moves on to a time; one that has passed changes nothing. A clock that follows tokio's moves that one.
    pub(crate) async fn move_to(&self, at: Timestamp) {
        let (now, follows) = {
            let time = self.time();
            (time.now(), time.seen.is_some())
        };
        if follows {
            tokio::time::advance(at.since(now)).await;
        } else if at > now {
            self.time().at = at;
        }
    }
}
