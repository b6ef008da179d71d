//! What is wrapped around every run of a job: `async fn(JobContext, NextRun) -> JobResult`, outermost first.
//!
//! What is wrapped around every enqueue is `client/middleware.rs`.

use std::any::type_name;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use crate::job::{BoxFuture, JobContext, JobResult};

/// Wraps every run of a worker's jobs. A plain async function is one, and so is a struct with state.
///
/// It is called once for each run of a job that this program knows, within the job's time limit, in its tracing span and with
/// its request context. It may look at the job ([`JobContext::is`], [`JobContext::job`]), at the worker's state
/// ([`JobContext::state`]), do something before and after, change how the run ended, or not go on at all: a run that ends
/// `Ok` without [`NextRun::run`] counts as done. A panic in it is a failure of the run.
///
/// # Examples
/// ```standalone_crate
/// use kiq::{App, JobContext, JobResult, NextRun, RunMiddleware};
/// use std::sync::Arc;
/// use tokio::sync::Semaphore;
///
/// async fn announce(cx: JobContext, next: NextRun) -> JobResult {
///     println!("{} begins, try {}", cx.class(), cx.attempt());
///     next.run(cx).await
/// }
///
/// struct AtMost(Arc<Semaphore>);
///
/// impl RunMiddleware for AtMost {
///     async fn call(&self, cx: JobContext, next: NextRun) -> JobResult {
///         let _permit = self.0.acquire().await;
///         next.run(cx).await
///     }
/// }
///
/// // One value for the workers and for the tests.
/// let app = App::new().run_middleware(announce).run_middleware(AtMost(Arc::new(Semaphore::new(5))));
/// # let _ = app;
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be wrapped around runs",
    label = "not a middleware for runs",
    note = "write `async fn name(cx: JobContext, next: NextRun) -> JobResult`, or implement `RunMiddleware` for a struct"
)]
pub trait RunMiddleware: Send + Sync + 'static {
    /// One run.
    ///
    /// # Errors
    /// How the run failed.
    fn call(&self, cx: JobContext, next: NextRun) -> impl Future<Output = JobResult> + Send;
}

impl<F, R> RunMiddleware for F
where
    F: Fn(JobContext, NextRun) -> R + Send + Sync + 'static,
    R: Future<Output = JobResult> + Send,
{
    fn call(&self, cx: JobContext, next: NextRun) -> impl Future<Output = JobResult> + Send {
        self(cx, next)
    }
}

/// The rest of a run: the middleware further in, then the job itself.
pub struct NextRun {
    chain: RunChain,
    at: usize,
    run: Run,
}

type Run = fn(JobContext) -> BoxFuture<'static, JobResult>;

impl NextRun {
    /// Goes on with the run.
    ///
    /// # Errors
    /// How it failed.
    ///
    /// # Cancel safety
    /// Dropping it stops the job where it awaits.
    pub async fn run(self, cx: JobContext) -> JobResult {
        let NextRun { chain, at, run } = self;
        match chain.at(at) {
            Some(middleware) => middleware.call(cx, NextRun { chain, at: at + 1, run }).await,
            None => run(cx).await,
        }
    }
}

impl fmt::Debug for NextRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rest = self.chain.names().split_off(self.at);
        f.debug_tuple("NextRun").field(&rest).finish()
    }
}

/// The same trait as an object.
pub(crate) trait AnyRunMiddleware: Send + Sync {
    fn call(&self, cx: JobContext, next: NextRun) -> BoxFuture<'_, JobResult>;
}

impl<M: RunMiddleware> AnyRunMiddleware for M {
    fn call(&self, cx: JobContext, next: NextRun) -> BoxFuture<'_, JobResult> {
        Box::pin(RunMiddleware::call(self, cx, next))
    }
}

/// All that is wrapped around runs.
pub(crate) type RunChain = Chain<dyn AnyRunMiddleware>;

impl RunChain {
    /// Wraps `middleware` around runs. `false`: there is none of the name that its place is by.
    pub(crate) fn wrap<M: RunMiddleware>(&mut self, middleware: M, place: Place<'_>) -> bool {
        self.add(short_name(type_name::<M>()), Arc::new(middleware), place)
    }

    /// Runs a job in it. Without middleware that is the direct call.
    pub(crate) fn run(&self, cx: JobContext, run: Run) -> BoxFuture<'static, JobResult> {
        if self.is_empty() {
            return run(cx);
        }
        Box::pin(NextRun { chain: self.clone(), at: 0, run }.run(cx))
    }
}

/// Where a middleware is put among those that are there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    Innermost,
    Outermost,
    /// Around the outermost of that name.
    Around(&'a str),
    /// Inside of the innermost of that name.
    Inside(&'a str),
}

/// Middleware by name, outermost first. Cheap to clone; one pointer, since every client has one.
pub(crate) struct Chain<M: ?Sized>(Option<Arc<Vec<Link<M>>>>);

type Link<M> = (&'static str, Arc<M>);

impl<M: ?Sized> Chain<M> {
    fn links(&self) -> &[Link<M>] {
        self.0.as_deref().map_or(&[], Vec::as_slice)
    }

    fn of(links: Vec<Link<M>>) -> Self {
        Chain((!links.is_empty()).then(|| Arc::new(links)))
    }

    /// Answers whether there is such a place.
    pub(crate) fn add(&mut self, name: &'static str, middleware: Arc<M>, place: Place<'_>) -> bool {
        let mut links = self.links().to_vec();
        let at = match place {
            Place::Innermost => Some(links.len()),
            Place::Outermost => Some(0),
            Place::Around(other) => links.iter().position(|(name, _)| *name == other),
            Place::Inside(other) => links.iter().rposition(|(name, _)| *name == other).map(|at| at + 1),
        };
        let Some(at) = at else { return false };
        links.insert(at, (name, middleware));
        *self = Chain::of(links);
        true
    }

    /// Takes out all of that name. Answers whether there was one.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        let before = self.links().len();
        *self = Chain::of(self.links().iter().filter(|(other, _)| *other != name).cloned().collect());
        self.links().len() < before
    }

    /// Puts another chain inside of this one.
    pub(crate) fn extend(&mut self, inner: &Self) {
        *self = Chain::of(self.links().iter().chain(inner.links()).cloned().collect());
    }

    /// The middleware at a place, the outermost at 0.
    pub(crate) fn at(&self, place: usize) -> Option<Arc<M>> {
        self.links().get(place).map(|(_, middleware)| Arc::clone(middleware))
    }

    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.links().iter().map(|(name, _)| *name).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl<M: ?Sized> Clone for Chain<M> {
    fn clone(&self) -> Self {
        Chain(self.0.clone())
    }
}

impl<M: ?Sized> Default for Chain<M> {
    fn default() -> Self {
        Chain(None)
    }
}

impl<M: ?Sized> fmt::Debug for Chain<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// A type's name without its path and its parameters: `announce` of `my_app::jobs::announce`.
pub(crate) fn short_name(full: &'static str) -> &'static str {
    let path = full.split('<').next().unwrap_or(full);
    path.rsplit("::").next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_middleware_is_known_by_the_end_of_its_path() {
        assert_eq!(short_name("my_app::jobs::announce"), "announce");
        assert_eq!(short_name("my_app::Limit<std::time::Duration>"), "Limit");
    }
}
