//! A job's awaits, as places where it may be stopped: for tools that test what becomes of it then.
//!
//! A [`Watch`] polls a future and counts where it could be stopped: before and after each `.await` in the body of a job that
//! was compiled to be watched (`kiq-macros` with its feature `await-points`), and wherever it really waits. At one of them it
//! stops. What other tasks do meanwhile is not watched.

use std::cell::RefCell;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

thread_local! {
    /// What watches the future that is polled in this thread now.
    static WATCH: RefCell<Option<Watch>> = const { RefCell::new(None) };
}

/// Counts where a future could be stopped, and stops it at one of them.
#[derive(Clone, Debug, Default)]
pub struct Watch(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    /// Where to stop, counted from 0.
    stop_at: Option<usize>,
    /// Whether only the job's own awaits count, and not what they wait for inside.
    own_only: bool,
    passed: usize,
    own: usize,
    stopped: Option<Stop>,
    /// The innermost own await that waits.
    waits_at: Option<Place>,
    /// How many blocking functions run: they cannot be stopped.
    blocking: usize,
    has_blocked: bool,
}

/// Where a future was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The await, if it is one of the job's own or inside of one.
    pub place: Option<Place>,
    /// Where it stands to it.
    pub side: Side,
}

/// An await in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as the compiler names it.
    pub file: &'static str,
    /// The line, from 1.
    pub line: u32,
}

/// Where a stop stands to its await.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Nothing of what is awaited has happened.
    Before,
    /// It was waiting for something.
    Within,
    /// All of it has happened, and nothing after it.
    After,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Before => "before",
            Side::Within => "in the middle of",
            Side::After => "after",
        };
        match self.place {
            Some(Place { file, line }) => write!(f, "{side} the await at {file}:{line}"),
            None => f.write_str("where it waits, outside of the job's own awaits"),
        }
    }
}

impl Watch {
    /// Counts, and stops nothing. `own_only`: only the job's own awaits, and not what they wait for inside.
    pub fn counting(own_only: bool) -> Self {
        Watch(Arc::new(Mutex::new(Seen { own_only, ..Seen::default() })))
    }

    /// Stops at that place, counted from 0.
    pub fn stopping_at(number: usize, own_only: bool) -> Self {
        Watch(Arc::new(Mutex::new(Seen { stop_at: Some(number), own_only, ..Seen::default() })))
    }

    /// How many places were passed, and how many of them before or after an own await.
    pub fn passed(&self) -> (usize, usize) {
        let seen = self.seen();
        (seen.passed, seen.own)
    }

    /// Whether it ran a blocking function.
    pub fn has_blocked(&self) -> bool {
        self.seen().has_blocked
    }

    /// Where the future was stopped. It must not be polled again.
    pub fn stopped(&self) -> Option<Stop> {
        self.seen().stopped
    }

    /// Polls a future under this watch.
    pub fn poll<F: Future + ?Sized>(&self, future: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.seen().waits_at = None;
        let polled = {
            let _here = Here::set(Some(self.clone()));
            future.poll(cx)
        };
        let mut seen = self.seen();
        if polled.is_pending() && seen.stopped.is_none() && seen.blocking == 0 && !seen.own_only {
            let place = seen.waits_at;
            seen.pass(Stop { place, side: Side::Within });
        }
        polled
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn here() -> Option<Watch> {
        WATCH.with_borrow(Clone::clone)
    }
}

impl Seen {
    /// Whether to stop here.
    fn pass(&mut self, stop: Stop) -> bool {
        let stops = self.stop_at == Some(self.passed);
        self.passed += 1;
        if stops {
            self.stopped = Some(stop);
        }
        stops
    }
}

/// Sets what watches, and sets it back when dropped, also by a panic.
struct Here(Option<Watch>);

impl Here {
    fn set(watch: Option<Watch>) -> Self {
        Here(WATCH.replace(watch))
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        WATCH.set(self.0.take());
    }
}

/// A blocking function runs in another thread, until this is dropped.
#[derive(Debug)]
pub(crate) struct Blocking(Option<Watch>);

/// Says that a blocking function begins.
pub(crate) fn blocking() -> Blocking {
    let watch = Watch::here();
    if let Some(watch) = &watch {
        let mut seen = watch.seen();
        seen.blocking += 1;
        seen.has_blocked = true;
    }
    Blocking(watch)
}

impl Drop for Blocking {
    fn drop(&mut self) {
        if let Some(watch) = &self.0 {
            watch.seen().blocking -= 1;
        }
    }
}

/// What the macro puts between a future and its `.await`.
pub trait Await: IntoFuture + Sized {
    /// The same future, at its place in the source.
    fn kiq_await(self, file: &'static str, line: u32) -> AtAwait<Self::IntoFuture> {
        AtAwait { future: Box::pin(self.into_future()), place: Place { file, line }, has_begun: false }
    }
}

impl<F: IntoFuture> Await for F {}

/// A future at its `.await`. Where nothing watches it is that future.
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct AtAwait<F> {
    future: Pin<Box<F>>,
    place: Place,
    has_begun: bool,
}

impl<F> AtAwait<F> {
    fn pass(&self, watch: &Watch, side: Side) -> bool {
        let mut seen = watch.seen();
        seen.own += 1;
        seen.pass(Stop { place: Some(self.place), side })
    }
}

impl<F: Future> Future for AtAwait<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Some(watch) = Watch::here() else { return self.future.as_mut().poll(cx) };
        if !std::mem::replace(&mut self.has_begun, true) && self.pass(&watch, Side::Before) {
            return Poll::Pending;
        }
        match self.future.as_mut().poll(cx) {
            Poll::Ready(_) if self.pass(&watch, Side::After) => Poll::Pending,
            Poll::Pending => {
                watch.seen().waits_at.get_or_insert(self.place);
                Poll::Pending
            }
            ready => ready,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn three_awaits() -> u32 {
        async {}.kiq_await("a", 1).await;
        std::future::ready(()).kiq_await("a", 2).await;
        tokio::task::yield_now().kiq_await("a", 3).await;
        7
    }

    fn run(watch: &Watch) -> Option<u32> {
        let mut future = Box::pin(three_awaits());
        let mut cx = Context::from_waker(std::task::Waker::noop());
        loop {
            match watch.poll(future.as_mut(), &mut cx) {
                Poll::Ready(out) => return Some(out),
                Poll::Pending if watch.stopped().is_some() => return None,
                Poll::Pending => {}
            }
        }
    }

    #[test]
    fn places_are_before_within_and_after_each_await() {
        let stop = |number| {
            let watch = Watch::stopping_at(number, false);
            assert_eq!(run(&watch), None);
            watch.stopped().unwrap().to_string()
        };
        let places: Vec<String> = (0..7).map(stop).collect();
        assert_eq!(
            places,
            [
                "before the await at a:1",
                "after the await at a:1",
                "before the await at a:2",
                "after the await at a:2",
                "before the await at a:3",
                "in the middle of the await at a:3",
                "after the await at a:3",
            ]
        );
        assert_eq!(run(&Watch::stopping_at(7, false)), Some(7));
    }

    #[test]
    fn only_own_awaits_count_when_asked() {
        let (all, own) = (Watch::counting(false), Watch::counting(true));
        assert_eq!((run(&all), run(&own)), (Some(7), Some(7)));
        assert_eq!((all.passed(), own.passed()), ((7, 6), (6, 6)));
    }
}
