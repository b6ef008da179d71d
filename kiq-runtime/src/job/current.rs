//! Values of a request that travel with the jobs it enqueues: [`Current`]. W3C's `traceparent` is one: see `trace.rs`.
//!
//! They are carried in one field of the payload, an object of name → value, written at the enqueue and kept by every retry.
//! The run has them again, and so have the jobs it enqueues. Rails has its own such values in `cattr`: see `cattr.rs`.

use std::any::Any;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::payload::Payload;

/// The field that carries them.
const FIELD: &str = "kiq_context";

/// The most all values of a request may take in a payload, in bytes.
pub const MAX_CONTEXT: usize = 8 * 1024;

/// The longest name of a value, in bytes.
const MAX_NAME: usize = 64;

tokio::task_local! {
    static HERE: Context;
}

/// A value of the request that is being served, or of the job that is being run: the tenant, the user, a request's id.
///
/// Set around the code of a request, it is there in all that runs in the same task (not in what that spawns), it is stored with
/// every job that is enqueued there, and it is there again when the job runs, async or blocking, and in the jobs that one
/// enqueues. Nothing has to be registered. All values of a request together may take [`MAX_CONTEXT`] bytes of a payload; an
/// enqueue beyond that is an error.
///
/// They are stored as they are. Sidekiq's own pages print them unescaped, as they do Rails' `cattr`: carry ids, not what
/// visitors typed.
///
/// # Examples
/// ```
/// use kiq::Current;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone, Serialize, Deserialize)]
/// struct Request { tenant: u64, id: String }
///
/// static REQUEST: Current<Request> = Current::new("request");
///
/// #[kiq::job]
/// async fn send_welcome(user_id: u64) {
///     let tenant = REQUEST.get().map(|request| request.tenant); // that of whoever enqueued
///     let _ = (user_id, tenant);
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let client = kiq::Client::in_memory();
/// // Around a request: in a middleware of the web framework.
/// let request = Request { tenant: 7, id: "a1".to_owned() };
/// REQUEST.scope(request, SendWelcome::enqueue(42).on(&client)).await?;
/// # Ok(())
/// # }
/// ```
pub struct Current<T> {
    name: &'static str,
    of: PhantomData<fn() -> T>,
}

impl<T> Current<T> {
    /// A value carried under `name`: 1 to 64 of `A-Z a-z 0-9 _ - .`. Two of one name are one value; of two types, each sees
    /// only its own.
    ///
    /// # Panics
    /// When the name breaks that rule; in a `static`, that is a compile error.
    #[expect(clippy::panic, reason = "runs in a const: the panic is the compile error the user reads")]
    pub const fn new(name: &'static str) -> Self {
        let mut rest = name.as_bytes();
        if rest.is_empty() || rest.len() > MAX_NAME {
            panic!("the name of a carried value has 1 to 64 characters")
        }
        while let [b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.', tail @ ..] = rest {
            rest = tail;
        }
        if !rest.is_empty() {
            panic!("the name of a carried value may only hold letters, digits and the characters _ - .")
        }
        Current { name, of: PhantomData }
    }
}

impl<T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static> Current<T> {
    /// Runs `future` (or an enqueue: all that can be awaited) with `value`. One that was set around it comes back after it.
    ///
    /// # Cancel safety
    /// As that of the future.
    pub async fn scope<F: IntoFuture>(&'static self, value: T, future: F) -> F::Output {
        HERE.scope(Context::here().with(self.name, value), future.into_future()).await
    }

    /// Runs `function` with `value`: for code that is not async.
    pub fn sync_scope<R>(&'static self, value: T, function: impl FnOnce() -> R) -> R {
        HERE.sync_scope(Context::here().with(self.name, value), function)
    }

    /// The value here: `None` outside of every scope and of jobs that carry one, and when what a job carries does not decode
    /// as a `T` (any more).
    pub fn get(&self) -> Option<T> {
        Context::here().get(self.name)
    }

    /// The value that a payload carries: for an error handler, or a page that shows jobs.
    pub fn of(&self, job: &Payload) -> Option<T> {
        Context::carried(job)?.get(self.name)
    }
}

impl<T> fmt::Debug for Current<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Current({})", self.name)
    }
}

/// All values that are set at some place. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Context(Option<Arc<[Entry]>>);

#[derive(Clone)]
struct Entry {
    name: Arc<str>,
    /// As it is carried; the reason when serde cannot write it.
    json: Result<Arc<RawValue>, Arc<str>>,
    /// As it was set; `None` for one that was carried.
    value: Option<Arc<dyn Any + Send + Sync>>,
}

impl Context {
    /// What is set in this task, or on this thread inside of a `sync_scope`.
    pub(crate) fn here() -> Self {
        HERE.try_with(Context::clone).unwrap_or_default()
    }

    /// What a payload carries; `None` when that is nothing. What is no object of values is nothing.
    pub(crate) fn carried(job: &Payload) -> Option<Self> {
        let fields: Vec<(String, Box<RawValue>)> = job.get::<Fields>(FIELD)?.0;
        let entry =
            |(name, json): (String, Box<RawValue>)| Entry { name: name.into(), json: Ok(json.into()), value: None };
        Some(Context(Some(fields.into_iter().map(entry).collect())))
    }

    fn entries(&self) -> &[Entry] {
        self.0.as_deref().unwrap_or_default()
    }

    pub(crate) fn with<T: Serialize + Send + Sync + 'static>(&self, name: &'static str, value: T) -> Self {
        let json = serde_json::value::to_raw_value(&value);
        let json = json.map(Arc::from).map_err(|error| Arc::from(error.to_string()));
        let entry = Entry { name: name.into(), json, value: Some(Arc::new(value)) };
        let others = self.entries().iter().filter(|entry| *entry.name != *name).cloned();
        Context(Some(others.chain([entry]).collect()))
    }

    fn get<T: Clone + DeserializeOwned + 'static>(&self, name: &str) -> Option<T> {
        let entry = self.entries().iter().find(|entry| *entry.name == *name)?;
        match &entry.value {
            Some(value) => value.downcast_ref::<T>().cloned(),
            None => serde_json::from_str(entry.json.as_ref().ok()?.get()).ok(),
        }
    }

    /// One of them.
    pub(crate) fn value<T: Clone + DeserializeOwned + 'static>(&self, key: &Current<T>) -> Option<T> {
        self.get(key.name)
    }

    /// Runs code that is not async with them; without values, the direct call.
    pub(crate) fn sync_scope<R>(self, function: impl FnOnce() -> R) -> R {
        match self.0 {
            None => function(),
            Some(_) => HERE.sync_scope(self, function),
        }
    }

    /// Writes them into a job that is enqueued. One that carries values already keeps those: it is enqueued anew, and by
    /// somebody else.
    ///
    /// # Errors
    /// When a value cannot be written, or they are too large together.
    pub(crate) fn write(&self, job: &mut Payload) -> Result<(), ContextError> {
        if self.entries().is_empty() || job.raw(FIELD).is_some() {
            return Ok(());
        }
        let mut text = String::from("{");
        for entry in self.entries() {
            let json = match &entry.json {
                Ok(json) => json.get(),
                Err(reason) => {
                    return Err(ContextError::NotJson { name: entry.name.to_string(), reason: reason.to_string() });
                }
            };
            if text.len() > 1 {
                text.push(',');
            }
            // Names have no characters that JSON escapes; those that were carried may.
            text.push_str(&serde_json::to_string(&*entry.name).unwrap_or_default());
            text.push(':');
            text.push_str(json);
        }
        text.push('}');
        if text.len() > MAX_CONTEXT {
            return Err(ContextError::TooLarge { size: text.len() });
        }
        // It is an object of values that are JSON each, so this does not fail.
        if let Ok(raw) = RawValue::from_string(text) {
            job.set(FIELD, &raw);
        }
        Ok(())
    }
}

/// Runs a future with the values that a job carries, and no others: in a test's drain there may be some of the test's own.
pub(crate) async fn with_carried<F: Future>(job: &Payload, future: F) -> F::Output {
    with(Context::carried(job), future).await
}

/// The same with what was found there.
pub(crate) async fn with<F: Future>(carried: Option<Context>, future: F) -> F::Output {
    match carried {
        None if Context::here().entries().is_empty() => future.await,
        carried => HERE.scope(carried.unwrap_or_default(), future).await,
    }
}

impl fmt::Debug for Context {
    /// Names only: values may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries().iter().map(|entry| &entry.name)).finish()
    }
}

/// An object as a list of names and values, each value as its text.
struct Fields(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Fields;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// The values of a request cannot travel with a job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContextError {
    /// A value cannot be written as JSON.
    #[error("the carried value {name:?} cannot be written as JSON: {reason}")]
    NotJson {
        /// Its name.
        name: String,
        /// What serde says.
        reason: String,
    },
    /// They are too large together.
    #[error(
        "the carried values take {size} bytes, and all together may take {MAX_CONTEXT}; carry an id, and look the rest up"
    )]
    TooLarge {
        /// How many bytes they take.
        size: usize,
    },
}
