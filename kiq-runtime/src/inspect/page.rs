//! A page of what a filter means, that stays where it is while others come and go.

use crate::broker::{JobSet, Place};
use crate::clock::{Timestamp, instant};
use crate::error::BrokerError;

use super::walk::{NEAR, Walk, digest};
use super::{Cursor, EntryKey, Filter, Found, Inspector};

/// Entries that one page looks at.
const MOST_READ: usize = 10_000;

/// Bytes that one page looks at, more or less.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// The milliseconds that a page may read for before it shows what it has.
pub(super) const MOST_MILLIS: u128 = 200;

/// Entries that are read at once where some do not match.
const STEP: usize = 500;

/// Rows of a page at most.
const MOST_ROWS: usize = 500;

/// Entries of one time among which a chosen one is looked for.
const MOST_TIED: usize = 10_000;

/// Which part of a place.
#[derive(Clone, Copy, Debug, Default)]
pub struct PageOf {
    /// Rows; 500 at most.
    pub rows: usize,
    /// The latest first. A queue is always read as it runs.
    pub newest_first: bool,
    /// Behind that entry.
    pub after: Option<Cursor>,
    /// Before that entry; not in a queue, and not together with `after`.
    pub before: Option<Cursor>,
}

/// A part of a place.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Page {
    /// The jobs, in order.
    pub rows: Vec<Found>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<Cursor>,
    /// Where the page before ends; `None` at the beginning.
    pub previous: Option<Cursor>,
    /// Entries that were looked at.
    pub read: usize,
    /// Whether it was given up before the page was full: there is more to look at behind `next` (or before `previous`).
    pub is_cut: bool,
}

impl Inspector {
    /// A page of the jobs of a place that a filter means. It goes on behind an entry, so that jobs that leave or come move nothing
    /// past the reader. Looks at 10,000 entries, 8 MiB or 200 ms at most, and says so when it was given up. In Redis: one command
    /// for a page, O(log size + rows); with a filter, or where many jobs have the same time, one for 500 entries.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn page(&self, place: &Place, filter: &Filter, page: PageOf) -> Result<Page, BrokerError> {
        let backwards = page.before.is_some() && matches!(place, Place::Set(_));
        let rows = page.rows.clamp(1, MOST_ROWS);
        let now = self.now();
        let (from, to) = filter.times(place, now);
        let start = if backwards { page.before } else { page.after };
        let mut walk =
            Walk::new(self, place).newest_first(page.newest_first != backwards).between(from, to).after(start);
        let mut shown: Vec<Found> = Vec::with_capacity(rows);
        let (mut read, mut bytes, mut is_cut) = (0, 0, false);
        // Where those who want more go on.
        let mut more = None;
        let began = instant();
        loop {
            // One more than is shown tells whether there is more.
            let step = if filter.is_all() { rows + 1 - shown.len() } else { STEP };
            let stood = walk.position();
            let found = walk.next(step).await?;
            if found.is_empty() {
                break;
            }
            bytes += found.iter().map(|found| found.bytes.len()).sum::<usize>();
            let matching = found.iter().enumerate().filter(|(_, found)| filter.matches(found, now)).map(|(at, _)| at);
            let matching: Vec<usize> = matching.take(rows + 1 - shown.len()).collect();
            if shown.len() + matching.len() > rows {
                // The last is the one too many; the page ends with what was looked at before it.
                let end = matching.last().copied().unwrap_or_default();
                read += end;
                more = end.checked_sub(1).map_or(stood, |last| walk.behind(&found, last));
                shown.extend(matching.iter().take(matching.len() - 1).filter_map(|at| found.get(*at).cloned()));
                break;
            }
            read += found.len();
            shown.extend(matching.iter().filter_map(|at| found.get(*at).cloned()));
            if walk.is_at_end() {
                break;
            }
            let is_much = read >= MOST_READ || bytes >= MOST_BYTES || began.elapsed().as_millis() >= MOST_MILLIS;
            if is_much && !filter.is_all() {
                (more, is_cut) = (walk.position(), true);
                break;
            }
        }
        let edge = |found: Option<&Found>| found.map(|found| Cursor { key: EntryKey::of(found), met: 0 });
        if backwards {
            shown.reverse();
            let next = edge(shown.last()).or(page.before);
            return Ok(Page { next, previous: more, rows: shown, read, is_cut });
        }
        let previous = page.after.and_then(|after| edge(shown.first()).or(Some(after)));
        let is_set = matches!(place, Place::Set(_));
        Ok(Page { next: more, previous: previous.filter(|_| is_set), rows: shown, read, is_cut })
    }

    /// The jobs of a place that were chosen from a page, those that are still there. In Redis: one command for each job of a set,
    /// O(log size + jobs of the same time); for a queue one for 500 entries, of which the first 10,000 are looked at.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn pick(&self, place: &Place, keys: &[EntryKey]) -> Result<Vec<Found>, BrokerError> {
        let mut picked = Vec::with_capacity(keys.len());
        match place {
            Place::Set(_) => {
                for key in keys {
                    picked.extend(self.pick_one(place, *key).await?);
                }
            }
            Place::Queue(_) => {
                let mut walk = Walk::new(self, place);
                let mut read = 0;
                while read < MOST_READ && picked.len() < keys.len() {
                    let found = walk.next(STEP).await?;
                    read += found.len();
                    let is_chosen = |found: &Found| keys.iter().any(|key| key.digest == digest(&found.bytes));
                    picked.extend(found.into_iter().filter(is_chosen));
                    if walk.is_at_end() {
                        break;
                    }
                }
            }
        }
        Ok(picked)
    }

    /// The job that an address of Sidekiq's pages means: `SCORE-JID`, among those of that time. In Redis: one command.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn at_score(&self, set: JobSet, score: f64, jid: &str) -> Result<Option<Found>, BrokerError> {
        let at = Timestamp::from_seconds(score);
        let place = Place::Set(set);
        let mut walk = Walk::new(self, &place).between(Some(at - NEAR), Some(at + NEAR));
        let found = walk.next(STEP).await?;
        Ok(found.into_iter().find(|found| found.jid() == jid))
    }

    async fn pick_one(&self, place: &Place, key: EntryKey) -> Result<Option<Found>, BrokerError> {
        let Some(at) = key.at else { return Ok(None) };
        let mut walk = Walk::new(self, place).between(Some(at - NEAR), Some(at + NEAR));
        let mut read = 0;
        while read < MOST_TIED {
            let found = walk.next(STEP).await?;
            read += found.len();
            if let Some(found) = found.into_iter().find(|found| EntryKey::of(found) == key) {
                return Ok(Some(found));
            }
            if walk.is_at_end() {
                break;
            }
        }
        Ok(None)
    }
}
