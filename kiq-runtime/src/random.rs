//! Random bytes from the system, for ids and jitter.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// `N` random bytes.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if getrandom::fill(&mut bytes).is_err() {
        // No system source (early boot, a sandbox without the call): the hasher's keys and a counter still differ
        // between processes and calls, which is what ids and jitter need.
        for chunk in bytes.chunks_mut(8) {
            chunk.iter_mut().zip(fallback().to_le_bytes()).for_each(|(to, from)| *to = from);
        }
    }
    bytes
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
