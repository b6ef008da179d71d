//! What a worker supplies to its jobs: shared state by type, and values made per run.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::future::{Future, ready};
use std::ops::Deref;
use std::sync::Arc;

use super::context::JobContext;

/// State shared by all runs, by type: one value per type. Filled by `Worker::builder().data(…)`.
#[derive(Clone, Default)]
pub struct State {
    /// Shared, since every run has a hold on it.
    values: Arc<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
}

impl State {
    /// No state.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value; one of the same type is replaced.
    pub fn insert<T: Send + Sync + 'static>(&mut self, value: T) {
        Arc::make_mut(&mut self.values).insert(TypeId::of::<T>(), Arc::new(value));
    }

    /// Adds all values of another; those of a type that is here are replaced.
    pub(crate) fn extend(&mut self, other: &State) {
        if !other.values.is_empty() {
            let values = other.values.iter().map(|(key, value)| (*key, Arc::clone(value)));
            Arc::make_mut(&mut self.values).extend(values);
        }
    }

    /// The value of that type.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let value = Arc::clone(self.values.get(&TypeId::of::<T>())?);
        value.downcast().ok()
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "State({} values)", self.values.len())
    }
}

/// Shared state of the worker, given to a job that has a parameter `db: Data<Db>`.
///
/// It is an `Arc`: cheap to clone, and read through `*` or method calls. State is found by its type, so what is given
/// (`.data(…)`) has the very type of the parameter, which is sized: a trait object is given, and asked for, as an `Arc`.
///
/// # Examples
/// ```
/// use kiq::Data;
///
/// struct Db { url: &'static str }
///
/// // A job is a plain function: a test calls it with state of its own.
/// async fn sweep(db: Data<Db>) { assert_eq!(db.url, "fake"); }
/// let future = sweep(Data::new(Db { url: "fake" }));
/// # drop(future);
/// ```
///
/// What is another thing in tests than in production:
/// ```standalone_crate
/// use kiq::{Data, Worker};
/// use std::sync::Arc;
///
/// trait Bank: Send + Sync { fn charge(&self, order_id: u64); }
///
/// struct FakeBank;
/// impl Bank for FakeBank {
///     fn charge(&self, order_id: u64) { println!("charging order {order_id}"); }
/// }
///
/// #[kiq::job]
/// async fn charge(order_id: u64, bank: Data<Arc<dyn Bank>>) { bank.charge(order_id); }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let bank: Arc<dyn Bank> = Arc::new(FakeBank);
/// let worker = Worker::builder().client(kiq::Client::in_memory()).data(bank).build()?;
/// # Ok(())
/// # }
/// ```
pub struct Data<T: ?Sized>(Arc<T>);

impl<T> Data<T> {
    /// Wraps a value, as a test does that calls the job's function itself.
    pub fn new(value: T) -> Self {
        Data(Arc::new(value))
    }
}

impl<T: ?Sized> Data<T> {
    /// The shared pointer inside.
    pub fn into_inner(self) -> Arc<T> {
        self.0
    }
}

impl<T: ?Sized> Clone for Data<T> {
    fn clone(&self) -> Self {
        Data(Arc::clone(&self.0))
    }
}

impl<T: ?Sized> Deref for Data<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Data<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Data").field(&&*self.0).finish()
    }
}

impl<T: ?Sized> From<Arc<T>> for Data<T> {
    fn from(value: Arc<T>) -> Self {
        Data(value)
    }
}

/// A value the worker makes for a run: [`Data`], [`JobContext`], or a type of your own with `#[inject]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be injected into a job",
    label = "not something a worker can supply",
    note = "a worker supplies `Data<T>`, `JobContext`, and types that implement `kiq::FromJobContext`",
    note = "if this parameter is an ordinary job argument, mark it `#[arg]`"
)]
pub trait FromJobContext: Sized + Send {
    /// Makes the value. A rejection is an ordinary failure of this run: the job is retried.
    ///
    /// # Errors
    /// When the value cannot be had.
    fn from_job_context(cx: &JobContext) -> impl Future<Output = Result<Self, Rejection>> + Send;

    /// Asked once when the worker is built: is everything there that the value needs?
    ///
    /// # Errors
    /// Names the state that is missing.
    fn check(state: &State) -> Result<(), MissingState> {
        let _ = state;
        Ok(())
    }
}

impl FromJobContext for JobContext {
    fn from_job_context(cx: &JobContext) -> impl Future<Output = Result<Self, Rejection>> + Send {
        ready(Ok(cx.clone()))
    }
}

impl<T: Send + Sync + 'static> FromJobContext for Data<T> {
    fn from_job_context(cx: &JobContext) -> impl Future<Output = Result<Self, Rejection>> + Send {
        ready(match cx.state().get::<T>() {
            Some(value) => Ok(Data(value)),
            None => Err(Rejection::new(MissingState::of::<T>())),
        })
    }

    fn check(state: &State) -> Result<(), MissingState> {
        match state.get::<T>() {
            Some(_) => Ok(()),
            None => Err(MissingState::of::<T>()),
        }
    }
}

/// A job asks for state that the worker was not given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no `Data<{type_name}>` was given to this worker; add `.data(…)` with a value of that type")]
pub struct MissingState {
    type_name: &'static str,
}

impl MissingState {
    /// The state of type `T` is missing.
    pub fn of<T: ?Sized>() -> Self {
        MissingState { type_name: type_name::<T>() }
    }

    /// The full name of the missing type.
    pub fn type_name(&self) -> &'static str {
        self.type_name
    }
}

/// Why a value could not be supplied to a run.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Rejection(#[source] Box<dyn std::error::Error + Send + Sync>);

impl Rejection {
    /// From any error or text.
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Rejection(error.into())
    }
}
