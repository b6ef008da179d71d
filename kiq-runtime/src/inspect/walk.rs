//! Going through a place in its order, while others take jobs out of it and put jobs in.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::broker::{Place, Span};
use crate::clock::Timestamp;
use crate::error::BrokerError;

use super::{Found, Inspector};

/// Scores have more digits than times: entries so near are perhaps of the same time.
pub(super) const NEAR: Duration = Duration::from_micros(1);

/// The most entries that are read to find where a walk goes on.
const MOST_SEEK: usize = 10_000;

/// Entries that are read at once to find it; at first fewer, for it is mostly the first.
const SEEK: usize = 500;

/// Which entry of a place, in a word that goes into an address: its time and a digest of its bytes.
///
/// # Examples
/// ```
/// let key: kiq::inspect::EntryKey = "1795452509500000-00c0ffee00c0ffee".parse()?;
/// assert_eq!(key.to_string(), "1795452509500000-00c0ffee00c0ffee");
/// assert!("1795452509500000".parse::<kiq::inspect::EntryKey>().is_err());
/// # Ok::<(), kiq::inspect::KeyError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EntryKey {
    /// `None` in a queue.
    pub(super) at: Option<Timestamp>,
    pub(super) digest: u64,
}

/// A word that names no entry and no position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is no position in a list; begin at its first page")]
pub struct KeyError {
    /// The word, or its beginning.
    pub word: String,
}

impl KeyError {
    fn new(word: &str) -> Self {
        KeyError { word: word.chars().take(60).collect() }
    }
}

impl EntryKey {
    /// That of a job as it was found.
    pub fn of(found: &Found) -> Self {
        EntryKey { at: found.at, digest: digest(&found.bytes) }
    }
}

impl fmt::Display for EntryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(at) => write!(f, "{}-{:016x}", at.as_micros(), self.digest),
            None => write!(f, "q-{:016x}", self.digest),
        }
    }
}

impl FromStr for EntryKey {
    type Err = KeyError;

    fn from_str(word: &str) -> Result<Self, KeyError> {
        let fault = || KeyError::new(word);
        // The time may be before 1970, and then begins with a dash.
        let (at, digest) = word.rsplit_once('-').ok_or_else(fault)?;
        let at = match at {
            "q" => None,
            micros => Some(Timestamp::from_micros(micros.parse().map_err(|_| fault())?)),
        };
        let is_hex = digest.len() == 16 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        let digest = u64::from_str_radix(digest, 16).ok().filter(|_| is_hex).ok_or_else(fault)?;
        Ok(EntryKey { at, digest })
    }
}

/// Where a list goes on: behind an entry, whatever comes and goes before it. A word that goes into an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub(super) key: EntryKey,
    /// How many entries of that time the walk had met, with that one; of a queue, entries from its end. 0 is not known.
    pub(super) met: usize,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.key, self.met)
    }
}

impl FromStr for Cursor {
    type Err = KeyError;

    fn from_str(word: &str) -> Result<Self, KeyError> {
        let (key, met) = word.split_once('.').ok_or_else(|| KeyError::new(word))?;
        let met = met.parse().map_err(|_| KeyError::new(word))?;
        Ok(Cursor { key: key.parse()?, met })
    }
}

/// FNV-1a: the same in every version of every program, since it stands in addresses.
pub(super) fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Goes through a place in its order: a set by time, a queue as it runs.
///
/// It goes on behind the entry it was at, not at a number: what others take out or put in before it moves nothing past it. If
/// that entry has gone, and others have the same time, some of these may be met again, rather than be left out.
pub(super) struct Walk<'a> {
    inspector: &'a Inspector,
    place: &'a Place,
    /// The latest first; queues have only one order.
    newest_first: bool,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    after: Option<Cursor>,
    /// How many entries of the time of the first that was answered last were before it.
    before: usize,
    /// Whether the store had no more.
    is_at_end: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(inspector: &'a Inspector, place: &'a Place) -> Self {
        Walk { inspector, place, newest_first: false, from: None, to: None, after: None, before: 0, is_at_end: false }
    }

    /// The latest first.
    pub(super) fn newest_first(mut self, newest_first: bool) -> Self {
        self.newest_first = newest_first;
        self
    }

    /// Only what has a time between.
    pub(super) fn between(mut self, from: Option<Timestamp>, to: Option<Timestamp>) -> Self {
        (self.from, self.to) = (from, to);
        self
    }

    /// Goes on there.
    pub(super) fn after(mut self, cursor: Option<Cursor>) -> Self {
        self.after = cursor;
        self
    }

    /// The next entries, `count` at most, and one at least but at the end. One command in Redis; more where many entries have
    /// the time at which it goes on.
    pub(super) async fn next(&mut self, count: usize) -> Result<Vec<Found>, BrokerError> {
        match self.after {
            None => {
                let found = self.read(None, 0, count).await?;
                Ok(self.answer(found, 0, None, count))
            }
            Some(cursor) if cursor.met > 0 => {
                // Some of those before it may have left meanwhile.
                let offset = cursor.met.saturating_sub(count.max(1));
                let found = self.read(Some(cursor), offset, count + (cursor.met - offset)).await?;
                let at = found.iter().position(|found| EntryKey::of(found) == cursor.key);
                Ok(self.answer(found, offset, at, count))
            }
            Some(cursor) => self.seek(cursor, count).await,
        }
    }

    /// Goes on behind an entry that nobody counted: looks for it among those of its time.
    async fn seek(&mut self, cursor: Cursor, count: usize) -> Result<Vec<Found>, BrokerError> {
        let (mut offset, mut take, mut is_met) = (0, count + 8, false);
        while offset < MOST_SEEK {
            let found = self.read(Some(cursor), offset, take).await?;
            let is_last = found.len() < take;
            let is_past = is_last || found.last().is_some_and(|last| !is_near(last.at, cursor.key.at));
            let at = found.iter().position(|found| !is_met && EntryKey::of(found) == cursor.key);
            is_met |= at.is_some();
            let is_behind = at.map_or(is_met, |at| at + 1 < found.len());
            if is_last || (is_met && is_behind) || (!is_met && is_past) {
                return Ok(self.answer(found, offset, at, count));
            }
            (offset, take) = (offset + take, SEEK.max(count));
        }
        Ok(Vec::new())
    }

    /// Where it stands: behind the last entry that it answered.
    pub(super) fn position(&self) -> Option<Cursor> {
        self.after
    }

    /// A position behind one of those that were answered last.
    pub(super) fn behind(&self, answered: &[Found], index: usize) -> Option<Cursor> {
        let last = answered.get(index)?;
        let near = answered.iter().take(index + 1).rev().take_while(|found| is_near(found.at, last.at)).count();
        // Where all are of one time, so were some before.
        let before = if near == index + 1 { self.before } else { 0 };
        Some(Cursor { key: EntryKey::of(last), met: near + before })
    }

    /// Of what was read from `offset` on, what is behind the entry at an index; all, if that has gone.
    fn answer(&mut self, mut found: Vec<Found>, offset: usize, at: Option<usize>, count: usize) -> Vec<Found> {
        let first = at.map_or(0, |at| at + 1);
        let mut rest = found.split_off(first);
        self.is_at_end &= rest.len() <= count;
        rest.truncate(count);
        if let Some(time) = rest.first().map(|first| first.at) {
            let near = found.iter().rev().take_while(|found| is_near(found.at, time)).count();
            let is_same = self.after.is_some_and(|after| after.key.at == time);
            self.before = near + if near == first && is_same { offset } else { 0 };
            self.after = self.behind(&rest, rest.len() - 1);
        }
        rest
    }

    /// Whether there was no more behind what was answered last.
    pub(super) fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    async fn read(&mut self, after: Option<Cursor>, skip: usize, take: usize) -> Result<Vec<Found>, BrokerError> {
        let found = match self.place {
            Place::Queue(name) => self.inspector.queue(name, skip, take).await?,
            Place::Set(set) => {
                let at = after.and_then(|cursor| cursor.key.at);
                let (mut from, mut to) = (self.from, self.to);
                if let Some(at) = at {
                    match self.newest_first {
                        true => to = Some(to.map_or(at + NEAR, |to| to.min(at + NEAR))),
                        false => from = Some(from.map_or(at - NEAR, |from| from.max(at - NEAR))),
                    }
                }
                let span = Span { from, to, newest_first: self.newest_first, skip, take };
                self.inspector.set_span(*set, span).await?
            }
        };
        self.is_at_end = found.len() < take;
        Ok(found)
    }
}

/// Whether entries are perhaps of the same time; in a queue all are.
fn is_near(one: Option<Timestamp>, other: Option<Timestamp>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.since(other).max(other.since(one)) <= NEAR,
        _ => true,
    }
}
