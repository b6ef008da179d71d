//! What did not come out the same, and how it is told.

use std::fmt::{self, Debug};
use std::time::Duration;

use kiq_runtime::awaits::Stop;

/// What is done to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Disturbance {
    /// Nothing.
    None,
    /// Its process dies at that place, counted from 0.
    Crash(usize),
    /// Its time is up at that place.
    Cancel(usize),
    /// It is delivered again after it was done.
    Twice,
}

impl Disturbance {
    fn told(self, stop: Option<Stop>) -> String {
        let place = stop.map_or_else(|| "somewhere".to_owned(), |stop| stop.to_string());
        match self {
            Disturbance::None => "nothing".to_owned(),
            Disturbance::Crash(_) => format!("a crash {place}"),
            Disturbance::Cancel(_) => format!("running out of time {place}"),
            Disturbance::Twice => "running twice".to_owned(),
        }
    }
}

/// A job that does not stand being disturbed, or could not be tried.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum GopherError {
    /// The state afterwards is another one.
    #[error("{job}: {} changes the outcome (- undisturbed, + so):\n{difference}", how.told(*stop))]
    Differs {
        /// The job.
        job: String,
        /// What was done to it.
        how: Disturbance,
        /// Where it was stopped.
        stop: Option<Stop>,
        /// The states, line by line.
        difference: String,
    },
    /// It, or a job it enqueued, then fails to the end.
    #[error("{job}: after {} jobs fail: {reason}", how.told(*stop))]
    Fails {
        /// The job.
        job: String,
        /// What was done to it.
        how: Disturbance,
        /// Where it was stopped.
        stop: Option<Stop>,
        /// What fails.
        reason: String,
    },
    /// It, or a job it enqueued, then waits for ever.
    #[error(
        "{job}: after {} jobs have not ended within {limit:?} of real time; is what they wait for gone? (`.time_limit(…)` \
         allows more)", how.told(*stop)
    )]
    Hangs {
        /// The job.
        job: String,
        /// What was done to it.
        how: Disturbance,
        /// Where it was stopped.
        stop: Option<Stop>,
        /// How long they had.
        limit: Duration,
    },
    /// It does not even run undisturbed.
    #[error("{job} does not run when nothing disturbs it: {reason}")]
    Undisturbed {
        /// The job.
        job: String,
        /// Why.
        reason: String,
    },
    /// Two undisturbed runs end differently.
    #[error(
        "{job}: two undisturbed runs end in two states, so nothing can be compared; leave out of `state` what is random or a \
         time (- first, + second):\n{difference}"
    )]
    Unsteady {
        /// The job.
        job: String,
        /// The states, line by line.
        difference: String,
    },
    /// The test has a mode.
    #[error("{job}: a mode holds here, and the gopher makes one for each of its runs; drop yours before `check`")]
    InAMode {
        /// The job.
        job: String,
    },
    /// There is no place to stop it at.
    #[error(
        "{job} has no await where it could be stopped, so nothing was tested: does its body await nothing, or only inside of \
         macros?"
    )]
    NoPlaces {
        /// The job.
        job: String,
    },
    /// There are too many.
    #[error("{job} can be stopped in more than {} places; give the test less work", super::MOST_PLACES)]
    TooManyPlaces {
        /// The job.
        job: String,
    },
}

impl GopherError {
    pub(super) fn undisturbed(job: String, reason: String) -> Self {
        GopherError::Undisturbed { job, reason }
    }
}

/// As text: it is what a failing test prints.
impl Debug for GopherError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Two values, as lines: those of both once, the others marked.
pub(super) fn between<S: Debug>(one: &Option<S>, two: &Option<S>) -> String {
    let text = |state: &Option<S>| state.as_ref().map_or_else(String::new, |state| format!("{state:#?}"));
    let (one, two) = (text(one), text(two));
    lines(&one.lines().collect::<Vec<_>>(), &two.lines().collect::<Vec<_>>()).join("\n")
}

fn lines(one: &[&str], two: &[&str]) -> Vec<String> {
    let same = one.iter().zip(two).take_while(|(one, two)| one == two).count();
    let (head, one, two) =
        (one.get(..same).unwrap_or(one), one.get(same..).unwrap_or(&[]), two.get(same..).unwrap_or(&[]));
    let same = one.iter().rev().zip(two.iter().rev()).take_while(|(one, two)| one == two).count();
    let (one, tail) = one.split_at_checked(one.len() - same).unwrap_or((one, &[]));
    let two = two.get(..two.len() - same).unwrap_or(two);
    let marked = |mark: &'static str, lines: &[&str]| -> Vec<String> {
        lines.iter().map(|line| format!("{mark} {line}")).collect()
    };
    [marked(" ", head), marked("-", one), marked("+", two), marked(" ", tail)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_differ_are_marked() {
        assert_eq!(between(&Some(vec![1, 2]), &Some(vec![1, 9, 2])), "  [\n      1,\n+     9,\n      2,\n  ]");
        assert_eq!(between(&Some(7), &Some(8)), "- 7\n+ 8");
        assert_eq!(between(&Some(7), &None), "- 7");
    }
}
