//! Jobs that nobody can perform: of classes that no program of kiq has said it knows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::broker::{JobSet, Place, ScanFrom};
use crate::clock::Timestamp;
use crate::error::BrokerError;

use super::{Found, Inspector};

/// Entries that one step looks at.
const SCAN: usize = 1000;

/// Worker programs say what they know at their start and every ten minutes. Whoever has not for so long is gone.
const SILENCE: Duration = Duration::from_secs(3600);

/// Classes that are told apart; jobs of others are counted under the name of none.
const MOST_CLASSES: usize = 1000;

/// What jobs wait that no living program of kiq knows.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct UnknownJobs {
    /// Their classes, the one with most jobs first.
    pub classes: Vec<UnknownClass>,
    /// Classes that programs know: none at all where no worker of kiq has run yet.
    pub known: usize,
    /// Entries that were read, more or less.
    pub read: usize,
    /// Whether everything was read.
    pub is_complete: bool,
}

/// A class that no living program of kiq knows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownClass {
    /// Its name; that inside of ActiveJob's wrapper, if it has one; empty for bytes that are no job.
    pub class: String,
    /// Jobs of it, of those that were read.
    pub jobs: usize,
    /// Where they are.
    pub places: Vec<String>,
    /// The id of one of them.
    pub example: String,
    /// When a program that knew it last said so, if one ever has.
    pub last_known: Option<Timestamp>,
    /// Whether a process of Sidekiq serves one of their queues: they may be its own.
    pub may_be_rubys: bool,
}

/// What is summed up of a class.
#[derive(Default)]
struct Sum {
    jobs: usize,
    places: BTreeSet<String>,
    queues: BTreeSet<String>,
    example: String,
}

impl Inspector {
    /// The classes that living programs of kiq said they know, by name, and when one last did. In Redis: one `ZRANGE`, O(classes).
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn known_jobs(&self) -> Result<BTreeMap<String, Timestamp>, BrokerError> {
        let alive = self.now() - SILENCE;
        let said = self.broker.known_jobs().await?.into_iter();
        Ok(said.filter(|(_, at)| *at >= alive).collect())
    }

    /// Looks through queues, scheduled, retries and dead for jobs whose class no living program of kiq knows, reading `budget`
    /// entries at most, more or less. In Redis: one `ZSCAN` or `LRANGE` for 1,000 entries, as
    /// [`queues`](Inspector::queues) and [`processes`](Inspector::processes), and one `ZRANGE`; O(entries).
    ///
    /// Programs say what they know when they start, and every ten minutes; what was said in the last hour counts. Sidekiq's do
    /// not say, so what is in a queue of theirs is marked.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn unknown_jobs(&self, budget: usize) -> Result<UnknownJobs, BrokerError> {
        let said: BTreeMap<String, Timestamp> = self.broker.known_jobs().await?.into_iter().collect();
        let alive = self.now() - SILENCE;
        let is_known = |class: &str| said.get(class).is_some_and(|at| *at >= alive);
        let mut sums = BTreeMap::<String, Sum>::new();
        let mut all = UnknownJobs { known: said.values().filter(|at| **at >= alive).count(), ..Default::default() };
        let queues = self.broker.queues().await?.into_iter().map(|queue| Place::Queue(queue.name));
        let places: Vec<Place> = queues.chain(JobSet::ALL.map(Place::Set)).collect();
        all.is_complete = true;
        'places: for place in places {
            let mut next = Some(0);
            while let Some(position) = next {
                if all.read >= budget {
                    all.is_complete = false;
                    break 'places;
                }
                let from = ScanFrom { position, count: SCAN.min(budget - all.read) };
                let scanned = self.broker.scan(&place, from, None).await?;
                (all.read, next) = (all.read + scanned.read, scanned.next);
                for (at, bytes) in scanned.entries {
                    let found = Found::new(&place, at, bytes);
                    let wrapped = found.payload.as_ref().ok().and_then(|job| job.wrapped()?.class());
                    if is_known(found.class()) || wrapped.as_deref().is_some_and(is_known) {
                        continue;
                    }
                    let class = wrapped.unwrap_or_else(|| found.class().to_owned());
                    let class =
                        if sums.len() < MOST_CLASSES || sums.contains_key(&class) { class } else { String::new() };
                    let sum = sums.entry(class).or_default();
                    sum.jobs += 1;
                    sum.places.insert(place.to_string());
                    sum.queues.extend(found.queue());
                    if sum.example.is_empty() {
                        sum.example = found.jid().to_owned();
                    }
                }
            }
        }
        let processes = if sums.is_empty() { Vec::new() } else { self.broker.processes().await? };
        let is_rubys = |queue: &String| {
            processes.iter().any(|process| process.version.starts_with("Sidekiq") && process.serves(queue))
        };
        let classes = sums.into_iter().map(|(class, sum)| UnknownClass {
            last_known: said.get(&class).copied(),
            class,
            jobs: sum.jobs,
            places: sum.places.into_iter().collect(),
            example: sum.example,
            may_be_rubys: sum.queues.iter().any(is_rubys),
        });
        all.classes = classes.collect();
        all.classes.sort_by(|a, b| b.jobs.cmp(&a.jobs).then_with(|| a.class.cmp(&b.class)));
        Ok(all)
    }
}
