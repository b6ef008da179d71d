//! Many failures are few errors: jobs of a place by their class and what happened to them.

use std::collections::HashMap;

use crate::broker::{JobSet, Place};
use crate::clock::{Timestamp, instant};
use crate::error::BrokerError;

use super::message::alike;
use super::page::MOST_MILLIS;
use super::walk::{Walk, digest};
use super::{Filter, Found, Inspector};

/// Entries that are read at once.
const STEP: usize = 500;

/// Bytes that are read at most, more or less.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// What is alike of a place, and how much was looked at.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Groups {
    /// The largest first.
    pub groups: Vec<Group>,
    /// Jobs in all of them.
    pub jobs: usize,
    /// Entries that were read.
    pub read: usize,
    /// Whether these were all.
    pub is_complete: bool,
}

/// Jobs of one class with one error, or, where nothing failed, jobs of one class.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Group {
    /// What the filter's word `group:` takes.
    pub key: String,
    /// The class; empty for what is no job.
    pub class: String,
    /// The error's class; empty if nothing failed.
    pub error: String,
    /// The error's first line, with `#` for what differs from job to job.
    pub message: String,
    /// Jobs.
    pub count: usize,
    /// When the first of them failed, came or was made.
    pub oldest: Option<Timestamp>,
    /// When the last did.
    pub newest: Option<Timestamp>,
    /// When the first is due.
    pub next: Option<Timestamp>,
    /// The fewest and the most runs that failed.
    pub failures: (u32, u32),
}

impl Group {
    fn of(found: &Found) -> Self {
        let (error, message) = found.error().unwrap_or_default();
        let message = alike(&message);
        Group {
            key: key(found.class(), &error, &message),
            class: found.class().to_owned(),
            error,
            message,
            count: 0,
            oldest: None,
            newest: None,
            next: None,
            failures: (u32::MAX, 0),
        }
    }

    fn add(&mut self, found: &Found) {
        self.count += 1;
        let happened = found.happened_at();
        self.oldest = [self.oldest, happened].into_iter().flatten().min();
        self.newest = [self.newest, happened].into_iter().flatten().max();
        self.next = [self.next, found.at].into_iter().flatten().min();
        let failures = found.payload.as_ref().map_or(0, |job| job.failures());
        self.failures = (self.failures.0.min(failures), self.failures.1.max(failures));
    }
}

/// The same for jobs that are alike, in every version of every program.
fn key(class: &str, error: &str, message: &str) -> String {
    format!("{:016x}", digest(format!("{class}\n{error}\n{message}").as_bytes()))
}

/// The key of the group that a job is in.
pub(super) fn group_key(found: &Found) -> String {
    let (error, message) = found.error().unwrap_or_default();
    key(found.class(), &error, &alike(&message))
}

impl Inspector {
    /// What is alike among the jobs of a place that a filter means: of retries and scheduled jobs the next to run, of the dead
    /// the last, of a queue the next; `budget` entries are read at most, and 8 MiB of them, for 200 ms. In Redis: one command for 500
    /// entries, O(log size + entries).
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn groups(&self, place: &Place, filter: &Filter, budget: usize) -> Result<Groups, BrokerError> {
        let now = self.now();
        let (from, to) = filter.times(place, now);
        let mut walk = Walk::new(self, place).newest_first(*place == Place::Set(JobSet::Dead)).between(from, to);
        let mut groups = HashMap::<String, Group>::new();
        let (mut read, mut bytes, mut jobs) = (0, 0, 0);
        let mut is_complete = false;
        let began = instant();
        while read < budget && bytes < MOST_BYTES && began.elapsed().as_millis() < MOST_MILLIS {
            let wanted = STEP.min(budget - read);
            let found = walk.next(wanted).await?;
            read += found.len();
            for found in &found {
                bytes += found.bytes.len();
                if filter.matches(found, now) {
                    jobs += 1;
                    groups.entry(group_key(found)).or_insert_with(|| Group::of(found)).add(found);
                }
            }
            is_complete = walk.is_at_end();
            if is_complete {
                break;
            }
        }
        if !is_complete {
            // It may have ended right there.
            is_complete = walk.next(1).await?.is_empty();
        }
        let mut groups: Vec<Group> = groups.into_values().collect();
        groups.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.key.cmp(&other.key)));
        Ok(Groups { groups, jobs, read, is_complete })
    }
}
