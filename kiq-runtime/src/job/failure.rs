//! How a run ends when it does not succeed: the error, what to call it, and what shall become of the job.

use std::any::{Any, type_name};
use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::args::ArgsError;
use super::chain;
use super::plan::Plan;
use super::retry_in::RetryIn;
use super::state::Rejection;

/// The longest error message kept with a job, in characters: as Sidekiq's `job_retry.rb`.
pub const MAX_ERROR_MESSAGE: usize = 10_000;

/// The longest error class kept with a job, in characters.
pub const MAX_ERROR_CLASS: usize = 512;

/// Links of a chain of causes that are told.
const MAX_CAUSES: usize = 20;

/// How one run of a job ended.
pub type JobResult = Result<(), Failure>;

/// What shall become of a job whose run failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Disposition {
    /// Try again as its retries say, and tell at once: the default, as in Sidekiq.
    #[default]
    Retry,
    /// Try again as its retries say, and tell nobody before they are used up (`transient = […]`).
    Transient,
    /// End it here, on record but neither retried nor kept among the dead (`discard = […]`).
    Discard,
    /// End it here and keep it among the dead, whatever retries are left.
    Fatal,
    /// Try again later without spending a retry, up to 20 times in a row; the next is an ordinary failure.
    RateLimited,
}

/// A run went beyond the job's `timeout`. Its class is `kiq::Timeout`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the job ran longer than its timeout of {limit:?}")]
#[non_exhaustive]
pub struct TimedOut {
    /// The limit.
    pub limit: Duration,
}

impl TimedOut {
    /// A run went beyond `limit`.
    pub fn new(limit: Duration) -> Self {
        TimedOut { limit }
    }
}

/// A failed run: the error with its name, and the [`Disposition`].
pub struct Failure {
    class: String,
    error: Box<dyn Error + Send + Sync>,
    /// What is to be done about it; `None` while nobody has been asked.
    plan: Option<Plan>,
    has_begun: bool,
    /// What the job's own `retry_in` said; `None` while it has not been asked.
    retry_in: Option<RetryIn>,
}

impl Failure {
    /// A failure of the class named `class`, which shall be retried.
    ///
    /// The class is what Sidekiq's pages print before the message, unescaped; characters that are markup there are
    /// replaced, and it is cut at [`MAX_ERROR_CLASS`] characters.
    pub fn new(class: &str, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Failure { class: display_class(class), error: error.into(), plan: None, has_begun: true, retry_in: None }
    }

    /// The same failure of a run whose function was never called: no such job here, arguments or state that do not fit.
    /// Such a job is kept, whatever it says of retries: a deploy may be under way.
    #[must_use]
    pub fn before_it_began(mut self) -> Self {
        self.has_begun = false;
        self
    }

    /// Whether the job's function was called.
    pub fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// The failure of an error of type `E`, named after that type.
    pub fn of<E: Into<Box<dyn Error + Send + Sync>>>(error: E) -> Self {
        let class = match type_name::<E>() {
            boxed if boxed.starts_with("alloc::boxed::Box<dyn ") => "Box<dyn Error>",
            named => named,
        };
        Failure::new(class, error)
    }

    /// What a caught panic amounts to: class `panic`, with its message where it has one.
    pub fn from_panic(payload: &(dyn Any + Send)) -> Self {
        let message = if let Some(text) = payload.downcast_ref::<&str>() {
            (*text).to_owned()
        } else if let Some(text) = payload.downcast_ref::<String>() {
            text.clone()
        } else {
            "the job panicked with a value that is not text".to_owned()
        };
        Failure::new("panic", message)
    }

    /// The same of the panic itself, which it drops. A value whose own drop panics is leaked rather than let loose.
    pub(crate) fn of_caught(panic: Box<dyn Any + Send>) -> Self {
        let failure = Failure::from_panic(&*panic);
        if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
            std::mem::forget(again);
        }
        failure
    }

    /// The same failure with another disposition.
    #[must_use]
    pub fn with_disposition(self, disposition: Disposition) -> Self {
        self.with_plan(disposition.into())
    }

    /// The same failure with what is to be done about it. One without a plan goes by its error's type and the application's
    /// rules.
    #[must_use]
    pub fn with_plan(mut self, plan: Plan) -> Self {
        self.plan = Some(plan);
        self
    }

    pub(crate) fn has_plan(&self) -> bool {
        self.plan.is_some()
    }

    /// What is to be done about it.
    pub fn plan(&self) -> Plan {
        self.plan.unwrap_or_default()
    }

    /// The error's class, as stored in `error_class`.
    pub fn class(&self) -> &str {
        &self.class
    }

    /// The error itself; its `source()` chain is intact.
    pub fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.error
    }

    /// The messages of what the error comes from, outermost first: at most 20, each as [`message`](Failure::message). A chain
    /// that comes back to itself ends there.
    pub fn causes(&self) -> Vec<String> {
        let sources = std::iter::successors(self.error().source(), |&error| error.source());
        // A `source` of the user's may panic, too.
        catch_unwind(AssertUnwindSafe(|| sources.take(MAX_CAUSES).map(|cause| text_of(&cause)).collect()))
            .unwrap_or_default()
    }

    /// The outermost `E` in the chain of the error. An `anyhow::Error` or `eyre::Report` no longer tells its own type here,
    /// only those of its sources.
    pub fn find<E: Error + 'static>(&self) -> Option<&E> {
        chain::find(self.error()).next()
    }

    /// What shall become of the job.
    pub fn disposition(&self) -> Disposition {
        self.plan().disposition()
    }

    /// The same failure with what the job's own `retry_in` said of it.
    #[must_use]
    pub(crate) fn with_retry_in(mut self, retry_in: RetryIn) -> Self {
        self.retry_in = Some(retry_in);
        self
    }

    pub(crate) fn retry_in(&self) -> Option<RetryIn> {
        self.retry_in
    }

    /// The message as stored in `error_message`: at most 10,000 characters, control characters replaced. A `Display` that
    /// panics or fails gives a placeholder.
    pub fn message(&self) -> String {
        text_of(&self.error)
    }
}

/// The message of an error, as [`Failure::message`].
pub(crate) fn text_of(error: &dyn fmt::Display) -> String {
    let mut text = Limited { text: String::new(), left: MAX_ERROR_MESSAGE };
    let written = catch_unwind(AssertUnwindSafe(|| {
        // Running full ends the formatting early, and is no fault.
        fmt::write(&mut text, format_args!("{error}")).is_ok() || text.left == 0
    }));
    match written {
        Ok(true) => text.text,
        _ => format!("{}(the error's own message failed to print)", text.text),
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("class", &self.class)
            .field("error", &self.message())
            .field("plan", &self.plan)
            .finish()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class, self.message())
    }
}

impl From<ArgsError> for Failure {
    fn from(error: ArgsError) -> Self {
        Failure::new("kiq::ArgsError", error).before_it_began()
    }
}

impl From<Rejection> for Failure {
    fn from(error: Rejection) -> Self {
        Failure::new("kiq::Rejection", error).before_it_began()
    }
}

/// Text that stops growing at a number of characters.
struct Limited {
    text: String,
    left: usize,
}

impl fmt::Write for Limited {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        for c in part.chars() {
            if self.left == 0 {
                return Err(fmt::Error);
            }
            self.left -= 1;
            // Escape sequences and the like reach terminals and pages unescaped.
            let is_harmless = !c.is_control() || c == '\n' || c == '\t';
            self.text.push(if is_harmless { c } else { char::REPLACEMENT_CHARACTER });
        }
        Ok(())
    }
}

/// Sidekiq's pages print class names as HTML without escaping them, so no markup may get there.
pub(crate) fn display_class(class: &str) -> String {
    class
        .chars()
        .take(MAX_ERROR_CLASS)
        .map(|c| match c {
            '<' => '‹',
            '>' => '›',
            '&' => '+',
            '"' | '\'' => '’',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect()
}

/// What a job function may return: `()`, or `Result<(), E>` for any `E` that converts into
/// `Box<dyn Error + Send + Sync>` (error enums, `anyhow::Error`, `eyre::Report`, boxed errors, `String`).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the output of a job",
    label = "expected `()` or `Result<(), E>`",
    note = "a job's result goes nowhere: store what it computed and return `()` or `Result<(), E>`"
)]
pub trait JobOutput {
    /// The error type; [`Infallible`](std::convert::Infallible) for `()`.
    type Error: OutputError;

    /// As a result.
    ///
    /// # Errors
    /// What the job returned.
    fn into_result(self) -> Result<(), Self::Error>;
}

impl JobOutput for () {
    type Error = std::convert::Infallible;
    fn into_result(self) -> Result<(), Self::Error> {
        Ok(())
    }
}

impl<E: OutputError> JobOutput for Result<(), E> {
    type Error = E;
    fn into_result(self) -> Result<(), E> {
        self
    }
}

/// The error of a job: anything that converts into `Box<dyn Error + Send + Sync>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a job",
    label = "not an error a worker can keep",
    note = "use an error type (`thiserror` writes them), `anyhow::Error`, `eyre::Report`, `String` or `Box<dyn Error + Send + Sync>`",
    note = "a boxed error needs `Send + Sync`, since a job may move between threads"
)]
pub trait OutputError {
    /// As a failure that shall be retried, named after the error's type.
    fn into_failure(self) -> Failure;
}

#[diagnostic::do_not_recommend]
impl<E: Into<Box<dyn Error + Send + Sync>>> OutputError for E {
    fn into_failure(self) -> Failure {
        Failure::of(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Endless;
    impl fmt::Display for Endless {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            loop {
                f.write_str("again ")?;
            }
        }
    }
    impl Error for Endless {}

    #[derive(Debug)]
    struct Unprintable;
    impl fmt::Display for Unprintable {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("no words")
        }
    }
    impl Error for Unprintable {}

    #[test]
    fn a_message_is_cut_at_ten_thousand_characters() {
        assert_eq!(Failure::of(Endless).message().chars().count(), MAX_ERROR_MESSAGE);
        assert_eq!(Failure::of("é".repeat(20_000)).message(), "é".repeat(10_000));
    }

    #[test]
    fn control_characters_do_not_get_into_a_message() {
        assert_eq!(Failure::of("a\x1b[31m\0\r\u{9b}b\n\tc").message(), "a\u{fffd}[31m\u{fffd}\u{fffd}\u{fffd}b\n\tc");
    }

    #[test]
    fn a_display_that_panics_gives_a_placeholder() {
        assert_eq!(Failure::of(Unprintable).message(), "(the error's own message failed to print)");
    }

    #[test]
    fn a_class_holds_no_markup() {
        assert_eq!(Failure::new("Vec<&str>", "x").class(), "Vec‹+str›");
        assert_eq!(Failure::of(Box::<dyn Error + Send + Sync>::from("x")).class(), "Box‹dyn Error›");
        assert!(Failure::of(Endless).class().ends_with("failure::tests::Endless"));
    }

    #[test]
    fn a_panic_payload_of_any_type_has_a_message() {
        assert_eq!(Failure::from_panic(&"boom").message(), "boom");
        assert_eq!(Failure::from_panic(&String::from("boom")).message(), "boom");
        assert!(Failure::from_panic(&7).message().contains("not text"));
    }
}
