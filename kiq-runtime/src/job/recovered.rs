//! Jobs whose process died: is it the job that kills it?
//!
//! A process that dies holds jobs that have nothing to do with it, so one death proves nothing. What it held comes back with
//! the field `kiq_recovered`, which makes each a suspect. A suspect is run with no other suspect beside it, and the death it
//! may cause is written down before it starts; if it ends in any way, its entry ends with it. So an innocent job is cleared by
//! its next run, and one that kills its process three times within 72 hours is poison (Sidekiq Pro's rule), and goes to the
//! dead.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

use super::payload::Payload;

/// The field of a job that came back from a process that died.
const FIELD: &str = "kiq_recovered";

/// Deaths of its process that make a job poison.
pub const POISON_DEATHS: u32 = 3;

/// Deaths are forgotten after this.
pub const MEMORY: Duration = Duration::from_secs(72 * 3600);

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Mark {
    deaths: u32,
    /// The first, in seconds since the epoch.
    since: f64,
}

impl Payload {
    /// How often the job's process died while it had begun to run; `None` for one that never came back from a dead process.
    pub fn deaths(&self) -> Option<u32> {
        self.get::<Mark>(FIELD).map(|mark| mark.deaths)
    }

    /// Writes down one more death than there were.
    pub(crate) fn add_death(&mut self, now: Timestamp) {
        let old = self.get::<Mark>(FIELD).filter(|mark| now.since(Timestamp::from_seconds(mark.since)) <= MEMORY);
        let since = old.map_or(now.as_micros() as f64 / 1e6, |mark| mark.since);
        let deaths = old.map_or(1, |mark| mark.deaths.saturating_add(1));
        self.set(FIELD, &Mark { deaths, since });
    }

    /// Clears the job of suspicion: a run of it has ended and its process lives.
    pub(crate) fn clear_deaths(&mut self) {
        self.remove(FIELD);
    }
}

/// A payload as it comes back from a process that died: a suspect. One that is a suspect already had its death written down
/// before it ran, or did not run. `None`: it comes back as it is.
pub(crate) fn as_suspect(bytes: &[u8], now: Timestamp) -> Option<String> {
    let mut job = Payload::parse(bytes).ok()?;
    if job.deaths().is_some() {
        return None;
    }
    job.add_death(now);
    Some(job.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_795_452_509_500_000);

    #[test]
    fn a_job_is_a_suspect_once_and_deaths_are_counted_from_then_on() {
        let first = as_suspect(br#"{"class":"A","args":[1.10]}"#, NOW).unwrap();
        assert_eq!(first, r#"{"class":"A","args":[1.10],"kiq_recovered":{"deaths":1,"since":1795452509.5}}"#);
        assert_eq!(as_suspect(first.as_bytes(), NOW), None);

        let mut job = Payload::parse(first.as_bytes()).unwrap();
        job.add_death(NOW + Duration::from_secs(60));
        assert_eq!(job.deaths(), Some(2));
        job.add_death(NOW + MEMORY + Duration::from_secs(1));
        assert_eq!(job.deaths(), Some(1));
        job.clear_deaths();
        assert_eq!(job.deaths(), None);
    }

    #[test]
    fn what_is_no_job_comes_back_as_it_is() {
        assert_eq!(as_suspect(b"{oops", NOW), None);
    }
}
