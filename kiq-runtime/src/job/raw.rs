//! The bytes of a stored job, as the store gave them.
//!
//! A store hands out hundreds of jobs in one answer. They share one buffer, which is looked at once for being text, so that a
//! job costs neither an allocation nor a check of its own. The price: the buffer (1 MiB at most, by what is fetched at once)
//! lives as long as the last of its jobs.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// The bytes of a stored job, whatever they are. Cheap to clone.
///
/// # Examples
/// ```
/// use kiq::broker::RawPayload;
///
/// let raw = RawPayload::from(r#"{"class":"Pdf","args":[]}"#.as_bytes().to_vec());
/// assert_eq!(raw.len(), 25);
/// assert_eq!(raw.as_text(), Some(r#"{"class":"Pdf","args":[]}"#));
/// assert_eq!(RawPayload::from(vec![0xff]).as_text(), None);
/// ```
#[derive(Clone)]
pub struct RawPayload {
    whole: Arc<Whole>,
    from: usize,
    to: usize,
}

#[derive(Debug)]
enum Whole {
    Text(String),
    /// Not all of it is.
    Bytes(Vec<u8>),
}

impl Whole {
    fn of(bytes: Vec<u8>) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) => Whole::Text(text),
            Err(error) => Whole::Bytes(error.into_bytes()),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Whole::Text(text) => text.as_bytes(),
            Whole::Bytes(bytes) => bytes,
        }
    }
}

impl RawPayload {
    /// Cuts a buffer into jobs.
    pub(crate) fn cut(buffer: Vec<u8>) -> impl Fn(Range<usize>) -> Self {
        let whole = Arc::new(Whole::of(buffer));
        move |Range { start, end }| RawPayload { whole: Arc::clone(&whole), from: start, to: end }
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match &*self.whole {
            Whole::Text(text) => text.get(self.from..self.to),
            Whole::Bytes(_) => std::str::from_utf8(self).ok(),
        }
    }

    /// The same job, known as a text. The reason if it is none.
    pub(crate) fn into_text(self) -> Result<TextPayload, std::str::Utf8Error> {
        let is_text = matches!(&*self.whole, Whole::Text(text) if text.get(self.from..self.to).is_some());
        match is_text {
            true => Ok(TextPayload(self)),
            // Beside another that is none.
            false => Ok(TextPayload::from(std::str::from_utf8(&self)?)),
        }
    }
}

impl Deref for RawPayload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.whole.bytes().get(self.from..self.to).unwrap_or_default()
    }
}

impl AsRef<[u8]> for RawPayload {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<Vec<u8>> for RawPayload {
    fn from(bytes: Vec<u8>) -> Self {
        let all = 0..bytes.len();
        RawPayload::cut(bytes)(all)
    }
}

impl From<&[u8]> for RawPayload {
    fn from(bytes: &[u8]) -> Self {
        bytes.to_vec().into()
    }
}

impl PartialEq for RawPayload {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for RawPayload {}

impl fmt::Debug for RawPayload {
    /// Its length only: arguments do not belong in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawPayload({} bytes)", self.len())
    }
}

/// A stored job that is text.
#[derive(Clone)]
pub(crate) struct TextPayload(RawPayload);

impl TextPayload {
    /// The text, or a part of it: nothing where it cannot be cut so.
    pub(crate) fn part(&self, from: usize, to: usize) -> &str {
        let (from, to) = (self.0.from.saturating_add(from), self.0.from.saturating_add(to));
        match &*self.0.whole {
            Whole::Text(text) => text.get(from..to).unwrap_or_default(),
            Whole::Bytes(_) => "",
        }
    }

    /// The bytes of a part.
    #[inline]
    pub(crate) fn bytes(&self, from: usize, to: usize) -> &[u8] {
        self.0.get(from..to).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.0.to - self.0.from
    }

    pub(crate) fn text(&self) -> &str {
        self.part(0, self.len())
    }
}

impl From<&str> for TextPayload {
    fn from(text: &str) -> Self {
        TextPayload(RawPayload { whole: Arc::new(Whole::Text(text.to_owned())), from: 0, to: text.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_of_one_buffer_are_its_parts_whatever_their_neighbours_are() {
        for odd in [&b"\xff"[..], b"\xe2\x82", b"plain", "ä".as_bytes()] {
            let buffer = [b"one", odd, "d\u{e9}ux".as_bytes()].concat();
            let cut = RawPayload::cut(buffer.clone());
            let last = 3 + odd.len()..buffer.len();
            let [one, odd_one, two] = [cut(0..3), cut(3..3 + odd.len()), cut(last)];
            assert_eq!(one.as_text(), Some("one"));
            assert_eq!(&*odd_one, odd);
            assert_eq!(odd_one.as_text(), std::str::from_utf8(odd).ok());
            assert_eq!(two.as_text(), Some("déux"));
            let two = two.into_text().unwrap();
            assert_eq!((two.text(), two.part(0, 1), two.part(2, 3), two.len()), ("déux", "d", "", 5));
            assert_eq!(odd_one.into_text().is_ok(), std::str::from_utf8(odd).is_ok());
        }
    }
}
