//! What ran, read once for everybody who looks at the pages of numbers.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use kiq_runtime::Timestamp;
use kiq_runtime::error::BrokerError;
use kiq_runtime::inspect::{Deploy, Histogram, Inspector, Runs, Step, UnknownJobs};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::fault::Fault;
use crate::sampler::{Sample, Slow};

/// What is read of days is good for so long.
const DAYS_FRESH: Duration = Duration::from_secs(10);

/// The histograms of a class are good for so long.
const HISTOGRAMS_FRESH: Duration = Duration::from_secs(30);

/// What nobody knows is looked for once in so long.
const UNKNOWN_FRESH: Duration = Duration::from_secs(30);

/// Entries that are read for it.
const UNKNOWN_BUDGET: usize = 10_000;

/// The histograms that are kept; each has at most 100 KiB.
const MOST_HISTOGRAMS: usize = 200;

/// As far back as steps of ten minutes are kept.
const DAYS: Duration = Duration::from_secs(72 * 3600);

/// The time that a page of numbers shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range(u64);

impl Range {
    /// Those that are offered.
    pub(crate) const OFFERED: [Range; 5] = [Range(1), Range(4), Range(8), Range(24), Range(72)];

    /// As far back as anything is kept.
    pub(crate) const LONGEST: Range = Range(72);

    /// By its name in an address; that of Sidekiq's pages too. Eight hours are the default.
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, Fault> {
        let Some(text) = text else { return Ok(Range(8)) };
        let hours = text.strip_suffix('h').and_then(|hours| hours.parse().ok());
        match hours {
            Some(hours @ (1 | 2 | 4 | 8 | 24 | 48 | 72)) => Ok(Range(hours)),
            _ => Err(Fault::invalid(format!(
                "{:?} is no range: take 1h, 2h, 4h, 8h, 24h, 48h or 72h; older numbers are not kept",
                crate::view::cut(text, 20)
            ))),
        }
    }

    pub(crate) fn length(self) -> Duration {
        Duration::from_secs(self.0 * 3600)
    }

    /// `8 h`.
    pub(crate) fn in_words(self) -> String {
        format!("{} h", self.0)
    }

    /// Whether minutes and durations are kept for so long.
    pub(crate) fn has_minutes(self) -> bool {
        self.0 <= 8
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}h", self.0)
    }
}

/// What ran in a range, by class and step.
#[derive(Clone, Debug)]
pub(crate) struct Numbers {
    pub(crate) range: Range,
    pub(crate) runs: Arc<Runs>,
    /// The earliest first.
    pub(crate) deploys: Vec<Deploy>,
}

/// Reads numbers, and keeps them for a while.
pub(crate) struct Numberer {
    inspector: Inspector,
    state: Mutex<State>,
    classes: Mutex<Option<(Instant, Arc<Classes>)>>,
}

/// Which classes there are, as programs say, and as jobs do.
pub(crate) struct Classes {
    /// Those that programs know.
    pub(crate) known: BTreeMap<String, Timestamp>,
    /// Those of jobs that nobody knows.
    pub(crate) unknown: UnknownJobs,
}

#[derive(Default)]
struct State {
    /// The minutes that the sampler has, and of which read.
    hours: Option<(Arc<Slow>, Arc<Runs>)>,
    days: Option<(Instant, Arc<Runs>, Vec<Deploy>)>,
    histograms: HashMap<String, (Instant, Arc<Histogram>)>,
}

impl Numberer {
    pub(crate) fn new(inspector: Inspector) -> Self {
        Numberer { inspector, state: Mutex::default(), classes: Mutex::default() }
    }

    /// What ran. Up to 8 hours it is what the sampler read anyway; beyond, one command for each ten minutes of 72 hours and one
    /// for each day's deploys, once in 10 seconds.
    pub(crate) async fn read(&self, sample: &Sample, range: Range) -> Result<Numbers, BrokerError> {
        let mut state = self.state.lock().await;
        let from = sample.at - range.length();
        let (all, deploys) = match range.has_minutes() {
            true => (state.minutes(&sample.slow), sample.slow.deploys.clone()),
            false => {
                let known = state.days.take().filter(|(read, ..)| read.elapsed() < DAYS_FRESH);
                let (read, runs, deploys) = match known {
                    Some(known) => known,
                    None => {
                        let (runs, deploys) =
                            tokio::try_join!(self.inspector.runs(DAYS), self.inspector.deploys(DAYS))?;
                        (Instant::now(), Arc::new(runs), deploys)
                    }
                };
                state.days = Some((read, Arc::clone(&runs), deploys.clone()));
                (runs, deploys)
            }
        };
        let is_all = all.steps.first().is_none_or(|(at, _)| *at >= from);
        let runs = if is_all { all } else { Arc::new(all.since(from)) };
        Ok(Numbers { range, runs, deploys: deploys.into_iter().filter(|deploy| deploy.at >= from).collect() })
    }

    /// What programs know, and what waits that none of them knows: a look at 10,000 entries, once in 30 seconds.
    pub(crate) async fn classes(&self) -> Result<Arc<Classes>, BrokerError> {
        let mut classes = self.classes.lock().await;
        if let Some((read, known)) = &*classes
            && read.elapsed() < UNKNOWN_FRESH
        {
            return Ok(Arc::clone(known));
        }
        let (known, unknown) =
            tokio::try_join!(self.inspector.known_jobs(), self.inspector.unknown_jobs(UNKNOWN_BUDGET))?;
        let read = Arc::new(Classes { known, unknown });
        *classes = Some((Instant::now(), Arc::clone(&read)));
        Ok(read)
    }

    /// How long the runs of each class took in the last 8 hours, by the minutes in which it ran. One command for each class that
    /// was not read in the last 30 seconds; who comes meanwhile waits for it.
    pub(crate) async fn histograms(
        &self,
        sample: &Sample,
        classes: &[&str],
    ) -> Result<Vec<Arc<Histogram>>, BrokerError> {
        let mut state = self.state.lock().await;
        state.histograms.retain(|_, (read, _)| read.elapsed() < HISTOGRAMS_FRESH);
        let missing: Vec<&str> =
            classes.iter().copied().filter(|class| !state.histograms.contains_key(*class)).collect();
        if !missing.is_empty() {
            if state.histograms.len() + missing.len() > MOST_HISTOGRAMS {
                state.histograms.retain(|class, _| classes.contains(&class.as_str()));
            }
            let minutes = state.minutes(&sample.slow);
            let read = self.inspector.histograms(&minutes, &missing).await?;
            let now = Instant::now();
            let named = missing.into_iter().zip(read);
            state.histograms.extend(named.map(|(class, histogram)| (class.to_owned(), (now, Arc::new(histogram)))));
        }
        let known = |class: &&str| state.histograms.get(*class).map(|(_, histogram)| Arc::clone(histogram));
        Ok(classes.iter().map(|class| known(class).unwrap_or_default()).collect())
    }
}

impl State {
    fn minutes(&mut self, slow: &Arc<Slow>) -> Arc<Runs> {
        match &self.hours {
            Some((of, runs)) if Arc::ptr_eq(of, slow) => Arc::clone(runs),
            _ => {
                let runs = Arc::new(Runs::new(Step::Minute, slow.minutes.clone()));
                self.hours = Some((Arc::clone(slow), Arc::clone(&runs)));
                runs
            }
        }
    }
}

/// The step at which something is seen to have ended: the last one is still under way.
pub(crate) fn ended(runs: &Runs, now: Timestamp) -> Runs {
    let last = runs.step.floor(now);
    let steps = runs.steps.iter().filter(|(at, _)| *at < last).cloned().collect();
    Runs::new(runs.step, steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_that_sidekiq_keeps() {
        assert_eq!(Range::parse(None).unwrap(), Range(8));
        assert_eq!(Range::parse(Some("72h")).unwrap().length(), DAYS);
        for wrong in ["", "8", "3h", "-1h", "999999999999999999999h", "8h\"><script>"] {
            let fault = Range::parse(Some(wrong)).unwrap_err().to_string();
            assert!(fault.contains("is no range: take 1h"), "{fault}");
        }
    }
}
