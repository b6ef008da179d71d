//! A function's arguments ↔ a JSON array, one element a parameter, in declaration order.
//!
//! Positional because Sidekiq is: `CompleteOrder.perform_async(42)` is `"args":[42]`. The number of parameters decides
//! how many elements there must be; a one-element array is never taken for "the arguments themselves".

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::json::Elements;
use super::{Job, finite};

/// What can be a job's argument: anything that serde writes to JSON and reads back.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a job argument",
    label = "not storable in a job",
    note = "a job argument is written to Redis and read back by the worker: it must implement `serde::Serialize` and `serde::de::DeserializeOwned`, and be `Send + 'static`",
    note = "if this parameter is worker state and not an argument, take it as `Data<T>` or mark it `#[inject]`"
)]
pub trait JobArg: Serialize + DeserializeOwned + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + 'static> JobArg for T {}

/// The name and type of one argument.
// It carries how to write and read the type, so that `new` is the only place with a bound: a type that cannot be an
// argument is reported once, where it is written.
pub struct ArgKey<T> {
    name: &'static str,
    write: fn(&mut Vec<u8>, &T) -> serde_json::Result<()>,
    read: fn(&str) -> serde_json::Result<T>,
}

impl<T> ArgKey<T> {
    /// The argument called `name`.
    pub const fn new(name: &'static str) -> Self
    where
        T: JobArg,
    {
        ArgKey { name, write: |json, value| finite::write(json, value), read: |json| serde_json::from_str(json) }
    }
}

impl<T> Clone for ArgKey<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for ArgKey<T> {}

impl<T> fmt::Debug for ArgKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ArgKey").field(&self.name).finish()
    }
}

/// Writes a JSON array, argument by argument.
#[derive(Debug)]
pub struct ArgsWriter {
    job: &'static str,
    json: Vec<u8>,
    count: usize,
    fault: Option<ArgsError>,
}

impl ArgsWriter {
    /// An empty array, for the job of that name.
    pub fn new(job: &'static str) -> Self {
        // Most fit.
        let mut json = Vec::with_capacity(64);
        json.push(b'[');
        ArgsWriter { job, json, count: 0, fault: None }
    }

    /// Adds one argument. The first that cannot be written is reported by [`finish`](Self::finish).
    pub fn arg<T>(&mut self, key: ArgKey<T>, value: &T) {
        if self.count > 0 {
            self.json.push(b',');
        }
        if let Err(error) = (key.write)(&mut self.json, value) {
            self.fault.get_or_insert(ArgsError {
                job: self.job,
                fault: Fault::Write { index: self.count, name: key.name, error: error.to_string() },
            });
        }
        self.count += 1;
    }

    /// The array.
    ///
    /// # Errors
    /// When an argument could not be written.
    pub fn finish(self) -> Result<Box<RawValue>, ArgsError> {
        let job = self.job;
        let json = self.finish_text()?;
        RawValue::from_string(json).map_err(|error| not_json(job, &error))
    }

    /// The same as a text, which serde wrote and nobody reads again.
    pub(crate) fn finish_text(mut self) -> Result<String, ArgsError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        self.json.push(b']');
        String::from_utf8(self.json).map_err(|error| not_json(self.job, &error))
    }
}

/// Reads a JSON array, argument by argument.
#[derive(Debug)]
pub struct ArgsReader<'a> {
    job: &'static str,
    all: Elements<'a>,
    rest: Elements<'a>,
    next: usize,
}

impl<'a> ArgsReader<'a> {
    /// Starts at the first element.
    ///
    /// # Errors
    /// When `args` is no JSON array.
    pub fn new(job: &'static str, args: &'a RawValue) -> Result<Self, ArgsError> {
        ArgsReader::of(job, args.get())
    }

    /// The same of a text that is JSON.
    pub(crate) fn of(job: &'static str, args: &'a str) -> Result<Self, ArgsError> {
        match Elements::of(args) {
            Some(all) => Ok(ArgsReader { job, rest: all.clone(), all, next: 0 }),
            None => {
                let error = match serde_json::from_str::<Vec<serde::de::IgnoredAny>>(args) {
                    Ok(_) => "expected a list".to_owned(),
                    Err(error) => error.to_string(),
                };
                Err(ArgsError { job, fault: Fault::NotJson { error } })
            }
        }
    }

    /// The next argument.
    ///
    /// # Errors
    /// When there is none left, or it does not decode as `T`.
    pub fn arg<T>(&mut self, key: ArgKey<T>) -> Result<T, ArgsError> {
        match self.optional(key)? {
            Some(value) => Ok(value),
            None => Err(self.error(Fault::Missing {
                index: self.next.saturating_sub(1),
                name: key.name,
                given: self.given(),
            })),
        }
    }

    /// The next argument, or what `default` gives when the array ends before it: an older payload.
    ///
    /// # Errors
    /// When it is there and does not decode as `T`.
    pub fn arg_or<T>(&mut self, key: ArgKey<T>, default: impl FnOnce() -> T) -> Result<T, ArgsError> {
        Ok(self.optional(key)?.unwrap_or_else(default))
    }

    /// Checks that no element is left over.
    ///
    /// # Errors
    /// When there are more elements than the job has arguments.
    pub fn finish(mut self) -> Result<(), ArgsError> {
        match self.rest.next() {
            None => Ok(()),
            Some(_) => Err(self.error(Fault::TooMany { given: self.given(), expected: self.next })),
        }
    }

    /// How many there are.
    fn given(&self) -> usize {
        self.all.clone().count()
    }

    fn optional<T>(&mut self, key: ArgKey<T>) -> Result<Option<T>, ArgsError> {
        let index = self.next;
        self.next += 1;
        let json = match self.rest.next() {
            None => return Ok(None),
            Some(Ok(json)) => json,
            Some(Err(fault)) => return Err(self.error(Fault::NotJson { error: fault.to_string() })),
        };
        match (key.read)(json) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(self.error(Fault::Read { index, name: key.name, error: error.to_string() })),
        }
    }

    fn error(&self, fault: Fault) -> ArgsError {
        ArgsError { job: self.job, fault }
    }
}

fn not_json(job: &'static str, error: &dyn fmt::Display) -> ArgsError {
    ArgsError { job, fault: Fault::NotJson { error: error.to_string() } }
}

/// A job's arguments: a JSON array, as [`Job::to_args`] writes it.
pub(crate) fn write<J: Job>(job: &J) -> Result<String, ArgsError> {
    let mut writer = ArgsWriter::new(J::NAME);
    job.write_args(&mut writer);
    writer.finish_text()
}

/// The job whose arguments are these: a text that is JSON.
pub(super) fn read<J: Job>(args: &str) -> Result<J, ArgsError> {
    let mut reader = ArgsReader::of(J::NAME, args)?;
    let job = J::read_args(&mut reader)?;
    reader.finish()?;
    Ok(job)
}

/// A job's arguments could not be written or read. The message names the job, the argument and the reason.
///
/// # Examples
/// ```
/// use kiq::{ArgKey, ArgsReader};
///
/// let args = serde_json::value::RawValue::from_string(r#"["x"]"#.into())?;
/// let mut reader = ArgsReader::new("Pdf::RenderJob", &args)?;
/// let error = reader.arg(ArgKey::<u32>::new("dpi")).unwrap_err();
/// assert!(error.to_string().starts_with("Pdf::RenderJob: argument 0 `dpi`: invalid type: string \"x\", expected u32"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{job}: {fault}")]
pub struct ArgsError {
    job: &'static str,
    fault: Fault,
}

impl ArgsError {
    /// The arguments could not be taken out of ActiveJob's wrapper.
    pub(crate) fn wrapped(job: &'static str, reason: String) -> Self {
        ArgsError { job, fault: Fault::Wrapped(reason) }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Fault {
    #[error("the arguments are not a JSON array: {error}")]
    NotJson { error: String },
    #[error("{0}")]
    Wrapped(String),
    #[error("argument {index} `{name}` cannot be written as JSON: {error}")]
    Write { index: usize, name: &'static str, error: String },
    #[error("argument {index} `{name}`: {error}")]
    Read { index: usize, name: &'static str, error: String },
    #[error("missing argument {index} `{name}` (given {given})")]
    Missing { index: usize, name: &'static str, given: usize },
    #[error("wrong number of arguments (given {given}, expected {expected})")]
    TooMany { given: usize, expected: usize },
}
