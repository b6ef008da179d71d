//! What a job is: a name, options, arguments, and a function that performs it.
//!
//! Nothing in this folder does I/O or reads a clock. [`Job`] is what an enqueuer needs, [`Perform`] what a worker
//! needs; `#[kiq::job]` writes both. Writing them by hand takes twenty lines, see [`Perform`].

mod active_job;
pub mod args;
pub(crate) mod blocking;
pub mod cattr;
pub mod chain;
pub mod context;
pub mod current;
pub mod dead;
pub mod failure;
mod fields;
mod finite;
pub mod history;
pub mod jid;
pub mod json;
pub mod not_implemented;
pub mod options;
pub mod payload;
pub mod plan;
pub mod raw;
pub mod recovered;
pub mod registry;
pub mod retry_in;
pub mod rules;
pub mod state;
pub mod trace;

use std::future::Future;
use std::pin::Pin;

pub use active_job::Wrapped;
pub use args::{ArgKey, ArgsError, ArgsReader, ArgsWriter, JobArg};
pub use context::JobContext;
pub use current::{ContextError, Current};
pub use dead::DeadJob;
pub use failure::{Disposition, Failure, JobOutput, JobResult, TimedOut};
pub use history::PastError;
pub use jid::Jid;
pub use not_implemented::NotImplemented;
pub use options::{JobOptions, OnArgError, Retry};
pub use payload::{Payload, PayloadError};
pub use plan::{JobError, Plan};
pub use raw::RawPayload;
pub use registry::{Registry, RegistryError};
pub use retry_in::{RetryContext, RetryIn};
pub use state::{Data, FromJobContext, MissingState, Rejection, State};
pub use trace::{InvalidTraceParent, TRACE, TraceParent};

use serde_json::value::RawValue;

/// A boxed, sendable future, as the object-safe seams of kiq return them.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A job that can be enqueued: its name on the wire, its options, and its arguments as a JSON array.
///
/// `#[kiq::job]` implements it for the struct it writes beside the function. A job that is performed by somebody else
/// (a Ruby worker, another service) has this trait and not [`Perform`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a job",
    label = "not a job",
    note = "write `#[kiq::job]` on an async function; the struct it makes (`complete_order` makes `CompleteOrder`) is the job"
)]
pub trait Job: Sized + Send + 'static {
    /// The `class` of the payload: what a worker looks up, and what Sidekiq's pages show.
    const NAME: &'static str;

    /// What the job asks for when an enqueue says nothing else.
    const OPTIONS: JobOptions = JobOptions::new();

    /// Writes the arguments, in declaration order.
    fn write_args(&self, args: &mut ArgsWriter);

    /// Reads the arguments back, in the same order.
    ///
    /// # Errors
    /// When one is missing or does not decode as its type.
    fn read_args(args: &mut ArgsReader<'_>) -> Result<Self, ArgsError>;

    /// The arguments as a JSON array.
    ///
    /// # Errors
    /// When an argument cannot be written as JSON (a map whose keys are no strings, say).
    fn to_args(&self) -> Result<Box<RawValue>, ArgsError> {
        let mut writer = ArgsWriter::new(Self::NAME);
        self.write_args(&mut writer);
        writer.finish()
    }

    /// The job from a JSON array.
    ///
    /// # Errors
    /// When `args` is no array, has too few or too many elements, or one does not decode.
    fn from_args(args: &RawValue) -> Result<Self, ArgsError> {
        args::read(args.get())
    }
}

/// A job that a worker of this program can perform.
///
/// # Examples
/// What `#[kiq::job]` writes, by hand:
/// ```standalone_crate
/// use kiq::{ArgKey, ArgsError, ArgsReader, ArgsWriter, Job, JobContext, JobDef, JobResult, Perform};
///
/// struct Greet { name: String }
///
/// const NAME_ARG: ArgKey<String> = ArgKey::new("name");
///
/// impl Job for Greet {
///     const NAME: &'static str = "Greet";
///     fn write_args(&self, args: &mut ArgsWriter) {
///         args.arg(NAME_ARG, &self.name);
///     }
///     fn read_args(args: &mut ArgsReader<'_>) -> Result<Self, ArgsError> {
///         Ok(Greet { name: args.arg(NAME_ARG)? })
///     }
/// }
///
/// impl Perform for Greet {
///     const DEF: JobDef = JobDef::new::<Self>(|cx: JobContext| Box::pin(async move {
///         let job: Greet = cx.job()?;
///         println!("hello {}", job.name);
///         JobResult::Ok(())
///     }));
/// }
///
/// let worker = kiq::Worker::builder().client(kiq::Client::in_memory()).register::<Greet>().build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be performed here",
    note = "only a `#[kiq::job]` function with a body can be performed; one that ends in `;` is for another program's workers"
)]
pub trait Perform: Job {
    /// How to perform it, and where it was written.
    const DEF: JobDef;
}

/// Everything a worker knows about one job: an entry of the [`Registry`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct JobDef {
    /// The `class` of the payload.
    pub name: &'static str,
    /// The path of the function, for messages: `my_app::jobs::complete_order`.
    pub path: &'static str,
    /// The source file the job was written in; empty for one written by hand without [`JobDef::at`].
    pub file: &'static str,
    /// The line in that file, from 1; 0 when unknown.
    pub line: u32,
    /// The names of the stored arguments, in order.
    pub params: &'static [&'static str],
    /// How many of them, from the end, a payload may lack: those with a default.
    pub optional: usize,
    /// Other names under which payloads of this job may still be stored.
    pub aliases: &'static [&'static str],
    /// The options fixed by the attribute.
    pub options: JobOptions,
    /// Decodes the arguments and runs the function.
    pub run: fn(JobContext) -> BoxFuture<'static, JobResult>,
    /// Says whether the worker was given all the [`Data`] the function asks for.
    pub check: fn(&State) -> Result<(), MissingState>,
    /// Says when a failed job is tried again; without it the worker does.
    pub retry_in: Option<retry_in::AskRetryIn>,
    /// Runs when the job used up its retries.
    pub on_exhausted: Option<dead::RunExhausted>,
}

impl JobDef {
    /// A definition with the name and options of `J`, run by `run`.
    pub const fn new<J: Job>(run: fn(JobContext) -> BoxFuture<'static, JobResult>) -> Self {
        fn nothing_needed(_: &State) -> Result<(), MissingState> {
            Ok(())
        }
        JobDef {
            name: J::NAME,
            path: J::NAME,
            file: "",
            line: 0,
            params: &[],
            optional: 0,
            aliases: &[],
            options: J::OPTIONS,
            run,
            check: nothing_needed,
            retry_in: None,
            on_exhausted: None,
        }
    }

    /// Where the job was written: the function's path, the file and the line.
    #[must_use]
    pub const fn at(mut self, path: &'static str, file: &'static str, line: u32) -> Self {
        self.path = path;
        self.file = file;
        self.line = line;
        self
    }

    /// The names of the stored arguments, in order.
    #[must_use]
    pub const fn params(mut self, params: &'static [&'static str]) -> Self {
        self.params = params;
        self
    }

    /// How many of the arguments, from the end, a payload may lack.
    #[must_use]
    pub const fn optional(mut self, arguments: usize) -> Self {
        self.optional = arguments;
        self
    }

    /// What to ask of the worker's state before it starts.
    #[must_use]
    pub const fn check(mut self, check: fn(&State) -> Result<(), MissingState>) -> Self {
        self.check = check;
        self
    }

    /// Other names under which payloads of this job may still be stored: those it had before it was renamed.
    #[must_use]
    pub const fn aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// What to ask when a run failed.
    #[must_use]
    pub const fn retry_in(mut self, function: retry_in::AskRetryIn) -> Self {
        self.retry_in = Some(function);
        self
    }

    /// What to run when the job used up its retries.
    #[must_use]
    pub const fn on_exhausted(mut self, function: dead::RunExhausted) -> Self {
        self.on_exhausted = Some(function);
        self
    }
}
