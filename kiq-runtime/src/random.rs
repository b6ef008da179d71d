//! Random bytes from the system, for ids and jitter.

use std::cell::RefCell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes drawn at once: a call of the system for each id costs more than all else that makes one.
const DRAWN: usize = 512;

/// Bytes of this thread that nobody has used yet.
struct Pool {
    bytes: [u8; DRAWN],
    used: usize,
    /// After a fork the child has the same bytes as its parent, and must draw its own.
    process: u32,
}

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { bytes: [0; DRAWN], used: DRAWN, process: 0 }) };
}

/// `N` random bytes.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    POOL.with_borrow_mut(Pool::take)
}

/// `count` times `N` random bytes. In one go, so there is one look for a fork.
pub(crate) fn many<const N: usize>(count: usize) -> Vec<[u8; N]> {
    let mut bytes = vec![0; count * N];
    fill(&mut bytes);
    let (drawn, _) = bytes.as_chunks::<N>();
    drawn.to_vec()
}

impl Pool {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        const { assert!(N <= DRAWN) };
        let process = std::process::id();
        if self.process != process || self.used + N > DRAWN {
            fill(&mut self.bytes);
            (self.used, self.process) = (0, process);
        }
        let mut taken = [0; N];
        taken.iter_mut().zip(self.bytes.iter().skip(self.used)).for_each(|(to, from)| *to = *from);
        self.used += N;
        taken
    }
}

fn fill(bytes: &mut [u8]) {
    if getrandom::fill(bytes).is_err() {
        // No system source (early boot, a sandbox without the call): the hasher's keys and a counter still differ
        // between processes and calls, which is what ids and jitter need.
        for chunk in bytes.chunks_mut(8) {
            chunk.iter_mut().zip(fallback().to_le_bytes()).for_each(|(to, from)| *to = from);
        }
    }
}

/// A random whole number below `bound`; 0 for a bound of 0.
pub(crate) fn below(bound: u64) -> u64 {
    u64::from_le_bytes(bytes()).checked_rem(bound).unwrap_or(0)
}

fn fallback() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    static KEYS: OnceLock<RandomState> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    KEYS.get_or_init(RandomState::new).hash_one(COUNT.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bytes_are_given_twice() {
        let drawn: std::collections::HashSet<[u8; 12]> = (0..10_000).map(|_| bytes()).collect();
        assert_eq!(drawn.len(), 10_000);
    }

    #[test]
    fn a_process_that_was_forked_draws_its_own() {
        let mut pool = Pool { bytes: [7; DRAWN], used: 0, process: std::process::id().wrapping_add(1) };
        assert_ne!(pool.take::<12>(), [7; 12]);
    }
}
