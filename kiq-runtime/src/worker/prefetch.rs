//! How many jobs to keep at hand: as many as the processors finish while a fetch is under way, and none when they are slow.
//!
//! A job at hand waits for this process even while another is idle, so the stock is sized by time: what is in it is gone
//! within [`HORIZON`] (or two round trips). Jobs that take longer than that are fetched one for each free processor.

use std::time::{Duration, Instant};

/// How far ahead to fetch, at least.
const HORIZON: Duration = Duration::from_millis(1);

/// How far ahead to fetch, at most: a store that is slow for once must not fill the memory.
const FAR: Duration = Duration::from_millis(50);

/// How quickly old rates are forgotten.
const MEMORY: Duration = Duration::from_millis(5);

/// The most jobs at hand.
const MOST_JOBS: usize = 1000;

/// The most bytes of payloads at hand.
const MOST_BYTES: usize = 1 << 20;

/// The most jobs in one fetch: others of the store wait meanwhile.
const MOST_AT_ONCE: usize = 500;

/// What is known of the jobs' pace.
#[derive(Debug)]
pub(super) struct Prefetch {
    concurrency: usize,
    /// Jobs a second.
    rate: f64,
    /// Seconds.
    round_trip: f64,
    /// Of a payload.
    bytes: f64,
    last: Option<(Instant, u64)>,
}

impl Prefetch {
    pub(super) fn new(concurrency: usize) -> Self {
        Prefetch { concurrency, rate: 0.0, round_trip: 0.0, bytes: 0.0, last: None }
    }

    /// Learns that `taken` jobs were ever begun by `now`.
    pub(super) fn note_taken(&mut self, now: Instant, taken: u64) {
        if let Some((before, taken_before)) = self.last {
            let passed = now.saturating_duration_since(before);
            if passed < HORIZON / 10 {
                return;
            }
            let rate = taken.saturating_sub(taken_before) as f64 / passed.as_secs_f64();
            let weight = 1.0 - (-passed.as_secs_f64() / MEMORY.as_secs_f64()).exp();
            self.rate += weight * (rate - self.rate);
        }
        self.last = Some((now, taken));
    }

    /// Learns of a fetch.
    pub(super) fn note_fetch(&mut self, took: Duration, jobs: usize, bytes: usize) {
        self.round_trip += 0.2 * (took.as_secs_f64() - self.round_trip);
        if jobs > 0 {
            self.bytes += 0.2 * (bytes as f64 / jobs as f64 - self.bytes);
        }
    }

    /// How many jobs to keep at hand.
    pub(super) fn stock(&self) -> usize {
        let horizon = (2.0 * self.round_trip).clamp(HORIZON.as_secs_f64(), FAR.as_secs_f64());
        let stock = ((self.rate * horizon) as usize).min(MOST_JOBS).min(self.fits());
        // Of slow jobs none waits here while another process is idle.
        if stock * 4 < self.concurrency { 0 } else { stock }
    }

    /// How many of the jobs that are wanted to fetch at once.
    pub(super) fn at_once(&self, wanted: usize) -> usize {
        wanted.min(MOST_AT_ONCE).min(self.fits())
    }

    fn fits(&self) -> usize {
        (MOST_BYTES as f64 / self.bytes.max(1.0)).max(1.0) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Jobs that are begun at a steady rate, seen once a millisecond.
    fn at_rate(per_second: u64, concurrency: usize) -> Prefetch {
        let mut prefetch = Prefetch::new(concurrency);
        let start = Instant::now();
        for tick in 0..100 {
            prefetch.note_taken(start + Duration::from_millis(tick), per_second * tick / 1000);
        }
        prefetch
    }

    #[test]
    fn fast_jobs_are_fetched_a_horizon_ahead() {
        let stock = at_rate(500_000, 10).stock();
        assert!((450..=500).contains(&stock), "{stock}");
    }

    #[test]
    fn slow_jobs_are_not_fetched_ahead() {
        // Ten processors with jobs of 50 ms.
        assert_eq!(at_rate(200, 10).stock(), 0);
    }

    #[test]
    fn large_payloads_are_bounded_by_bytes() {
        let mut prefetch = at_rate(2_000_000, 10);
        for _ in 0..50 {
            prefetch.note_fetch(Duration::from_micros(200), 10, 1_000_000);
        }
        assert_eq!(prefetch.stock(), 10);
        assert_eq!(prefetch.at_once(400), 10);
    }

    #[test]
    fn a_slow_store_is_fetched_from_further_ahead_within_bounds() {
        let mut prefetch = at_rate(10_000, 10);
        for _ in 0..100 {
            prefetch.note_fetch(Duration::from_millis(5), 50, 5000);
        }
        let stock = prefetch.stock();
        assert!((90..=100).contains(&stock), "{stock}");
    }
}
