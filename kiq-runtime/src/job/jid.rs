//! The id of a job: 24 hex digits when kiq draws it.

use std::fmt;
use std::sync::Arc;

use crate::random;

/// The longest id an enqueue may be given, in bytes.
pub const MAX_JID: usize = 64;

/// The id of a job, as in the payload's field `jid`.
///
/// kiq draws 96 random bits and writes them as 24 hex digits, as Sidekiq does. Payloads of other programs may hold any
/// text here.
///
/// # Examples
/// ```
/// let jid = kiq::Jid::random();
/// assert_eq!(jid.as_str().len(), 24);
/// assert!(kiq::Jid::parse("order-42").is_ok());
/// assert!(kiq::Jid::parse("no spaces").is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Jid(Arc<str>);

impl Jid {
    /// A new id from the system's random source.
    pub fn random() -> Self {
        Jid::of(random::bytes())
    }

    /// So many new ids, sooner than one by one.
    pub(crate) fn draw(count: usize) -> Vec<Self> {
        random::many(count).into_iter().map(Jid::of).collect()
    }

    fn of(bytes: [u8; 12]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'0'; 24];
        for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
            let nibbles = [byte >> 4, byte & 15];
            for (digit, nibble) in pair.iter_mut().zip(nibbles) {
                *digit = DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
            }
        }
        // Hex digits are text.
        Jid(std::str::from_utf8(&text).unwrap_or_default().into())
    }

    /// An id of the caller's own.
    ///
    /// # Errors
    /// When it is empty, longer than 64 bytes, or holds anything but `A-Z a-z 0-9 _ -`.
    pub fn parse(text: &str) -> Result<Self, InvalidJid> {
        let fits = (1..=MAX_JID).contains(&text.len());
        if fits && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
            return Ok(Jid(text.into()));
        }
        Err(InvalidJid { jid: text.chars().take(MAX_JID).collect() })
    }

    /// The id found in a payload, whatever it looks like.
    pub(crate) fn found(text: &str) -> Self {
        Jid(text.into())
    }

    /// A stand-in for a payload without a usable id: the same bytes always give the same one.
    pub(crate) fn derived(payload: &[u8]) -> Self {
        // FNV-1a, 64 bits.
        let hash = payload
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
        Jid(format!("nojid-{hash:016x}").into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Jid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Jid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Jid({})", self.0)
    }
}

impl AsRef<str> for Jid {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// A text that cannot be a job id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{jid:?} cannot be a job id; use 1 to 64 of the characters A-Z a-z 0-9 _ -")]
pub struct InvalidJid {
    jid: String,
}
