//! `assert_enqueued!` and `refute_enqueued!`, and how they say what is enqueued instead.

use std::fmt::{self, Debug, Write as _};
use std::time::Duration;

use kiq_runtime::Timestamp;
use kiq_runtime::broker::{Entry, JobSet};
use kiq_runtime::job::Job;
use serde::Serialize;

use crate::fake::{Fake, is_of};
use crate::waiting::{Enqueued, Waiting};

/// Delays this close are alike: a program reads the clock more than once.
const ALIKE: Duration = Duration::from_secs(1);

/// Fails the test unless such a job is enqueued: in a queue, or waiting for its time.
///
/// ```standalone_crate
/// use kiq_testing::{assert_enqueued, refute_enqueued};
/// use std::time::Duration;
///
/// #[kiq::job(queue = "high")]
/// async fn complete_order(order_id: u64, note: &str) { println!("{order_id}: {note}"); }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let _kiq = kiq_testing::fake();
/// CompleteOrder::enqueue(7, "by card").await?;
/// CompleteOrder::enqueue(8, "by card").delay(Duration::from_secs(60)).await?;
///
/// assert_enqueued!(CompleteOrder);
/// assert_enqueued!(CompleteOrder { order_id: 7, .. } in "high", now);
/// assert_enqueued!(CompleteOrder { order_id: 8, note: "by card" }, delay 60 s);
/// assert_enqueued!(CompleteOrder { note: "by card", .. }, times 2);
/// refute_enqueued!(CompleteOrder { order_id: 9, .. });
/// # Ok(())
/// # }
/// ```
///
/// After the job's type come the stored arguments that matter, each compared with `==`; `..` stands for the others, and a
/// name alone (`order_id`) for a variable of that name. Then, all optional: `in` a queue, and after commas
/// - `delay 60 s` (units `ms s min h d`) or `delay = some_duration`: to within a second;
/// - `at = some_time`: due then, to within a second;
/// - `now`: in its queue, waiting for no time;
/// - `times 3`: so many such jobs, and no more.
///
/// What is not understood does not compile, nor do arguments that are left out without `..`:
///
/// ```compile_fail,E0027
/// # #[kiq::job]
/// # async fn complete_order(order_id: u64, note: &str) { println!("{order_id}: {note}"); }
/// kiq_testing::assert_enqueued!(CompleteOrder { order_id: 7 });
/// ```
///
/// ```compile_fail
/// # #[kiq::job]
/// # async fn complete_order(order_id: u64, note: &str) { println!("{order_id}: {note}"); }
/// kiq_testing::assert_enqueued!(CompleteOrder { order_id: 7, .. }, soon);
/// ```
///
/// It looks at the [`current`](crate::current) fake. What it prints when it fails lists all that is enqueued and, for jobs of
/// the kind, what differs.
#[macro_export]
macro_rules! assert_enqueued {
    ($($wanted:tt)+) => { $crate::__wanted!($($wanted)+).assert() };
}

/// Fails the test if such a job is enqueued. It takes what [`assert_enqueued!`] takes, without `times`.
///
/// # Examples
/// ```standalone_crate
/// #[kiq::job]
/// async fn send_welcome(user_id: u64) { println!("welcome, user {user_id}"); }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let _kiq = kiq_testing::fake();
/// SendWelcome::enqueue(7).await?;
///
/// kiq_testing::refute_enqueued!(SendWelcome { user_id: 8 });
/// kiq_testing::refute_enqueued!(SendWelcome in "high");
/// # Ok(())
/// # }
/// ```
#[macro_export]
macro_rules! refute_enqueued {
    ($($wanted:tt)+) => { $crate::__wanted!($($wanted)+).refute() };
}

/// What is wanted, as a value.
#[doc(hidden)]
#[macro_export]
macro_rules! __wanted {
    ($($job:ident)::+) => { $crate::__wanted!($($job)::+ { .. }) };
    ($($job:ident)::+ in $($rest:tt)+) => { $crate::__wanted!($($job)::+ { .. } in $($rest)+) };
    ($($job:ident)::+ , $($rest:tt)*) => { $crate::__wanted!($($job)::+ { .. } , $($rest)*) };
    ($($job:ident)::+ { $($fields:tt)* } $($rest:tt)*) => {
        $crate::__rest!(
            $crate::Wanted::new(
                stringify!($($job)::+ { $($fields)* } $($rest)*),
                |job: &$($job)::+, differs: &mut $crate::Differences| {
                    let _ = (&job, &differs);
                    $crate::__fields!([$($job)::+] job differs [] $($fields)*);
                },
            );
            $($rest)*
        )
    };
    ($($other:tt)*) => {
        compile_error!(concat!(
            "`", stringify!($($other)*), "` does not begin with a job: `SendWelcome`, or with arguments ",
            "`SendWelcome { user_id: 7, .. }`; a count comes last: `SendWelcome, times 2`"
        ))
    };
}

/// Compares the arguments that were named; without `..` all must be.
#[doc(hidden)]
#[macro_export]
macro_rules! __fields {
    ([$($path:tt)+] $job:ident $differs:ident [$($seen:ident)*] .. $(,)?) => {};
    ([$($path:tt)+] $job:ident $differs:ident [$($seen:ident)*]) => {
        let $($path)+ { $($seen: _),* } = $job;
    };
    ([$($path:tt)+] $job:ident $differs:ident [$($seen:ident)*] $field:ident : $value:expr $(, $($rest:tt)*)?) => {
        match &$value {
            wanted => {
                if !($job.$field == *wanted) {
                    $differs.note(stringify!($field), &$job.$field, wanted);
                }
            }
        }
        $crate::__fields!([$($path)+] $job $differs [$($seen)* $field] $($($rest)*)?);
    };
    ([$($path:tt)+] $job:ident $differs:ident [$($seen:ident)*] $field:ident $(, $($rest:tt)*)?) => {
        $crate::__fields!([$($path)+] $job $differs [$($seen)*] $field: $field $(, $($rest)*)?);
    };
}

/// What follows the arguments.
#[doc(hidden)]
#[macro_export]
macro_rules! __rest {
    ($wanted:expr; $(,)?) => { $wanted };
    ($wanted:expr; in $queue:expr $(, $($rest:tt)*)?) => { $crate::__rest!($wanted.queue($queue); $(, $($rest)*)?) };
    ($wanted:expr; , now $(, $($rest:tt)*)?) => { $crate::__rest!($wanted.now(); $(, $($rest)*)?) };
    ($wanted:expr; , times $count:expr $(, $($rest:tt)*)?) => { $crate::__rest!($wanted.times($count); $(, $($rest)*)?) };
    ($wanted:expr; , delay = $delay:expr $(, $($rest:tt)*)?) => { $crate::__rest!($wanted.delay($delay); $(, $($rest)*)?) };
    ($wanted:expr; , at = $at:expr $(, $($rest:tt)*)?) => { $crate::__rest!($wanted.at($at); $(, $($rest)*)?) };
    ($wanted:expr; , delay $count:literal $unit:ident $(, $($rest:tt)*)?) => {
        $crate::__rest!($wanted.delay($crate::__duration!($count $unit)); $(, $($rest)*)?)
    };
    ($wanted:expr; $($rest:tt)*) => {
        compile_error!(concat!(
            "`", stringify!($($rest)*), "` is not understood; after the job comes `in \"queue\"`, then `, now`, ",
            "`, delay 60 s`, `, delay = duration`, `, at = time` or `, times 3`"
        ))
    };
}

/// A delay as it is written.
#[doc(hidden)]
#[macro_export]
macro_rules! __duration {
    ($count:literal ms) => {
        ::std::time::Duration::from_millis($count)
    };
    ($count:literal s) => {
        ::std::time::Duration::from_secs($count)
    };
    ($count:literal min) => {
        ::std::time::Duration::from_secs(60 * $count)
    };
    ($count:literal h) => {
        ::std::time::Duration::from_secs(3600 * $count)
    };
    ($count:literal d) => {
        ::std::time::Duration::from_secs(86_400 * $count)
    };
    ($count:literal $unit:ident) => {
        compile_error!(concat!("a delay is in ms, s, min, h or d, not in ", stringify!($unit)))
    };
}

/// What differs between a job that is enqueued and the one that is wanted.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Differences(Vec<String>);

impl Differences {
    /// One argument differs.
    pub fn note(&mut self, field: &str, is: &impl Serialize, wanted: &impl Debug) {
        let is = serde_json::to_string(is).unwrap_or_else(|error| format!("<{error}>"));
        self.0.push(format!("{field} is {is}, wanted {wanted:?}"));
    }
}

/// A job that is wanted, or not.
#[doc(hidden)]
#[must_use]
pub struct Wanted<J, F> {
    text: &'static str,
    compare: F,
    queue: Option<String>,
    delay: Option<Duration>,
    at: Option<Timestamp>,
    now: bool,
    times: Option<usize>,
    job: std::marker::PhantomData<fn(J)>,
}

impl<J, F> Debug for Wanted<J, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

impl<J: Job, F: Fn(&J, &mut Differences)> Wanted<J, F> {
    /// By its arguments.
    pub fn new(text: &'static str, compare: F) -> Self {
        let job = std::marker::PhantomData;
        Wanted { text, compare, queue: None, delay: None, at: None, now: false, times: None, job }
    }

    /// In that queue.
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.queue = Some(queue.into());
        self
    }

    /// With that delay.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// Due then.
    pub fn at(mut self, at: impl Into<Timestamp>) -> Self {
        self.at = Some(at.into());
        self
    }

    /// Waiting for no time.
    pub fn now(mut self) -> Self {
        self.now = true;
        self
    }

    /// So often.
    pub fn times(mut self, count: usize) -> Self {
        self.times = Some(count);
        self
    }

    /// Fails the test unless it is there.
    #[track_caller]
    #[expect(clippy::panic, reason = "an assertion that does not hold fails the test")]
    pub fn assert(self) {
        let fake = crate::current();
        let found = self.found(&fake);
        match self.times {
            None if found == 0 => panic!("no such job is enqueued\n wanted: {}\n{}", self.text, self.listing(&fake)),
            Some(times) if found != times => {
                panic!("{}, wanted {times}\n wanted: {}\n{}", so_many(found), self.text, self.listing(&fake))
            }
            _ => {}
        }
    }

    /// Fails the test if it is there.
    #[track_caller]
    #[expect(clippy::panic, reason = "an assertion that does not hold fails the test")]
    pub fn refute(self) {
        let fake = crate::current();
        let found = self.found(&fake);
        if found > 0 {
            panic!("{}\n not wanted: {}\n{}", so_many(found), self.text, self.listing(&fake));
        }
    }

    fn found(&self, fake: &Fake) -> usize {
        fake.jobs::<J>().iter().filter(|job| self.differences(job).0.is_empty()).count()
    }

    fn differences(&self, job: &Enqueued<J>) -> Differences {
        let mut differs = Differences::default();
        (self.compare)(&job.job, &mut differs);
        if let Some(queue) = self.queue.as_ref().filter(|queue| **queue != job.queue()) {
            differs.0.push(format!("it is in {:?}, wanted in {queue:?}", job.queue()));
        }
        if let Some(wanted) = self.delay {
            match job.delay() {
                Some(is) if is.abs_diff(wanted) <= ALIKE => {}
                Some(is) => differs.0.push(format!("delay is {is:?}, wanted {wanted:?}")),
                None => differs.0.push(format!("it has no delay, wanted {wanted:?}")),
            }
        }
        if let Some(wanted) = self.at {
            match job.at() {
                Some(is) if is.since(wanted).max(wanted.since(is)) <= ALIKE => {}
                Some(is) => differs.0.push(format!("it is due at {is}, wanted at {wanted}")),
                None => differs.0.push(format!("it waits for no time, wanted at {wanted}")),
            }
        }
        if let (true, Some(at)) = (self.now, job.at()) {
            differs.0.push(format!("it waits until {at}, wanted now"));
        }
        differs
    }

    /// All that is enqueued, and of this kind what differs.
    fn listing(&self, fake: &Fake) -> String {
        let waiting = fake.waiting();
        let mut text = match waiting.len() {
            0 => " nothing is enqueued".to_owned(),
            1 => " enqueued is 1 job:".to_owned(),
            count => format!(" enqueued are {count} jobs:"),
        };
        for waiting in waiting {
            self.list(&mut text, waiting);
        }
        // What failed before is not enqueued anew, and looked for all the same.
        for (set, is) in [(JobSet::Retry, "waits for its retry"), (JobSet::Dead, "is dead")] {
            let of_kind = |entry: &Entry| is_of(&entry.payload, Some(J::NAME));
            match fake.set(set, usize::MAX).iter().filter(|entry| of_kind(entry)).count() {
                0 => {}
                count => drop(write!(text, "\n not counted: {count} × {}, which {is}", J::NAME)),
            }
        }
        text
    }

    fn list(&self, text: &mut String, waiting: Waiting) {
        let line = waiting.to_string();
        let is_of_kind = waiting.payload.class() == J::NAME;
        let differs = match waiting.typed::<J>() {
            Ok(job) if is_of_kind => self.differences(&job).0,
            _ => Vec::new(),
        };
        let mark = if is_of_kind && differs.is_empty() { "=" } else { "·" };
        // Writing to a string does not fail.
        let _ = write!(text, "\n   {mark} {line}");
        for difference in differs {
            let _ = write!(text, "\n       ≠ {difference}");
        }
    }
}

fn so_many(found: usize) -> String {
    match found {
        0 => "no such job is enqueued".to_owned(),
        1 => "1 such job is enqueued".to_owned(),
        count => format!("{count} such jobs are enqueued"),
    }
}
