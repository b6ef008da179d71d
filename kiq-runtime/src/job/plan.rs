//! What to do about an error, by its type: [`JobError`] on the type itself, or a rule of the application's.

use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::chain;
use super::failure::{Disposition, Failure};
use super::state::State;

/// What to do about an error: a [`Disposition`], and how long the other side asked to wait, if it did.
///
/// # Examples
/// ```
/// use kiq::{Disposition, Plan};
/// use std::time::Duration;
///
/// let plan = Plan::rate_limited().after(Duration::from_secs(30));
/// assert_eq!(plan.disposition(), Disposition::RateLimited);
/// assert_eq!(plan.retry_after(), Some(Duration::from_secs(30)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    disposition: Disposition,
    retry_after: Option<Duration>,
}

impl Plan {
    /// Tell at once, and try again as the job's retries say: the default of every error.
    pub const fn permanent() -> Self {
        Plan { disposition: Disposition::Retry, retry_after: None }
    }

    /// Try again, and tell nobody before the retries are used up.
    pub const fn transient() -> Self {
        Plan { disposition: Disposition::Transient, retry_after: None }
    }

    /// End the job, on record, but neither retried nor kept among the dead.
    pub const fn discard() -> Self {
        Plan { disposition: Disposition::Discard, retry_after: None }
    }

    /// End the job, and keep it among the dead: no retry can help.
    pub const fn fatal() -> Self {
        Plan { disposition: Disposition::Fatal, retry_after: None }
    }

    /// Try again later, without spending a retry.
    pub const fn rate_limited() -> Self {
        Plan { disposition: Disposition::RateLimited, retry_after: None }
    }

    /// Not before so much time has passed, as the other side asked (`Retry-After`); it takes the place of the back-off.
    #[must_use]
    pub fn after(mut self, wait: impl Into<Option<Duration>>) -> Self {
        self.retry_after = wait.into();
        self
    }

    /// What shall become of the job.
    pub fn disposition(self) -> Disposition {
        self.disposition
    }

    /// Whether the job's own `retry_in` has a say.
    pub(crate) fn is_open(self) -> bool {
        !matches!(self.disposition, Disposition::Discard | Disposition::Fatal)
    }

    /// How long the other side asked to wait.
    pub fn retry_after(self) -> Option<Duration> {
        self.retry_after
    }
}

impl From<Disposition> for Plan {
    fn from(disposition: Disposition) -> Self {
        Plan { disposition, retry_after: None }
    }
}

/// An error that says itself what to do about it. `#[derive(kiq::JobError)]` writes it for an enum, each variant of which
/// must have a rule.
///
/// It is asked wherever in the chain of a job's error it stands (also inside `anyhow::Error`, `Box`, `Arc` or `io::Error`);
/// the outermost that has an opinion counts. What the job's own attribute says of an error counts more.
///
/// Without the feature `inventory` the derive cannot make the type known: do it with [`App::error`](crate::app::App::error).
///
/// # Examples
/// ```
/// use kiq::JobError;
/// use std::time::Duration;
///
/// #[derive(Debug, thiserror::Error, JobError)]
/// enum PaymentError {
///     #[error("the service does not answer")]
///     #[transient]
///     Unreachable(#[from] std::io::Error),
///     #[error("too many requests")]
///     #[rate_limited(after = retry_after)]
///     TooMany { retry_after: Option<Duration> },
///     #[error("the card was refused")]
///     #[permanent]
///     Refused,
///     #[error("order {0} is gone")]
///     #[discard]
///     Gone(u64),
///     #[error("the key is wrong")]
///     #[fatal]
///     WrongKey,
///     #[error("database")]
///     #[defer] // what it comes from decides
///     Database(#[source] Box<dyn std::error::Error + Send + Sync>),
/// }
///
/// assert_eq!(PaymentError::Gone(7).plan(), Some(kiq::Plan::discard()));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say what to do about it",
    note = "write `#[derive(kiq::JobError)]` on it, and one of `#[transient]`, `#[permanent]`, `#[discard]`, `#[fatal]`, `#[rate_limited]` and `#[defer]` on each variant"
)]
pub trait JobError: Error + 'static {
    /// What to do about it; `None` leaves that to what it comes from.
    fn plan(&self) -> Option<Plan>;
}

/// A question to one link of a chain of errors.
pub(crate) type AskLink = fn(&(dyn Error + 'static)) -> Option<Plan>;

/// Asks a link that is an `E`.
pub(crate) fn ask<E: JobError>(link: &(dyn Error + 'static)) -> Option<Plan> {
    chain::find_at::<E>(link)?.plan()
}

/// One entry of the link-time list of error types.
#[cfg(feature = "inventory")]
#[derive(Clone, Copy, Debug)]
pub struct LinkedError(AskLink);

#[cfg(feature = "inventory")]
impl LinkedError {
    /// The error type `E`.
    pub const fn of<E: JobError>() -> Self {
        LinkedError(ask::<E>)
    }
}

#[cfg(feature = "inventory")]
inventory::collect!(LinkedError);

#[cfg(feature = "inventory")]
fn linked() -> impl Iterator<Item = AskLink> {
    inventory::iter::<LinkedError>.into_iter().map(|linked| linked.0)
}

#[cfg(not(feature = "inventory"))]
fn linked() -> impl Iterator<Item = AskLink> {
    std::iter::empty()
}

/// A rule of an application: what it says of an error and all that it comes from.
pub(crate) type Rule = Arc<dyn Fn(&(dyn Error + 'static)) -> Option<Plan> + Send + Sync>;

/// What an application says of errors, for all its jobs. Among the worker's state, so that every run can ask.
#[derive(Clone, Default)]
pub(crate) struct Rules {
    /// Error types made known by hand.
    pub(crate) types: Vec<AskLink>,
    /// Asked in order; the first answer counts.
    pub(crate) rules: Vec<Rule>,
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rules({} types, {} rules)", self.types.len(), self.rules.len())
    }
}

/// What the error itself says, else what the application says of it. A rule that panics says nothing, and that is logged.
pub(crate) fn of(error: &(dyn Error + 'static), state: &State) -> Option<Plan> {
    let rules = state.get::<Rules>();
    let asked = catch_unwind(AssertUnwindSafe(|| {
        let by_hand = || rules.iter().flat_map(|rules| rules.types.iter().copied());
        let own = chain::links(error).find_map(|link| linked().chain(by_hand()).find_map(|ask| ask(link)));
        own.or_else(|| rules.iter().flat_map(|rules| &rules.rules).find_map(|rule| rule(error)))
    }));
    asked.unwrap_or_else(|panic| {
        let panic = Failure::of_caught(panic).message();
        tracing::error!(panic, "what is to be done about an error cannot be told: the rule panicked; it is retried");
        None
    })
}
