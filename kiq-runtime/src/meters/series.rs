//! One value for each class and queue, made when they first meet: a look-up allocates nothing.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The most pairs that are told apart. A program has some dozens; whoever makes up queue names must not fill the memory.
const MOST: usize = 2000;

/// Stands for the queues beyond.
const OTHER: &str = "(other)";

/// Class → queue → value.
#[derive(Debug)]
pub(super) struct Series<T>(Mutex<Inside<T>>);

#[derive(Debug)]
struct Inside<T> {
    by_class: HashMap<String, HashMap<String, T>>,
    pairs: usize,
}

impl<T> Default for Series<T> {
    fn default() -> Self {
        Series(Mutex::new(Inside { by_class: HashMap::new(), pairs: 0 }))
    }
}

impl<T> Series<T> {
    /// Gives `with` the value of the pair, which `make` makes from the names it is to have.
    pub(super) fn of(&self, class: &str, queue: &str, make: impl FnOnce(&str, &str) -> T, with: impl FnOnce(&T)) {
        let mut inside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = inside.by_class.get(class).and_then(|queues| queues.get(queue)) {
            return with(value);
        }
        let (class, queue) = if inside.pairs < MOST { (class, queue) } else { (OTHER, OTHER) };
        let queues = inside.by_class.entry(class.to_owned()).or_default();
        let before = queues.len();
        with(queues.entry(queue.to_owned()).or_insert_with(|| make(class, queue)));
        let made = queues.len() - before;
        inside.pairs += made;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_made_once_and_bounded() {
        let series = Series::default();
        let made = std::cell::Cell::new(0);
        let make = |class: &str, _: &str| {
            made.set(made.get() + 1);
            class.to_owned()
        };
        series.of("A", "q", make, |name| assert_eq!(name, "A"));
        series.of("A", "q", make, |name| assert_eq!(name, "A"));
        assert_eq!(made.get(), 1);
        for number in 0..MOST * 2 {
            series.of("A", &number.to_string(), make, |_| {});
        }
        series.of("B", "new", make, |name| assert_eq!(name, OTHER));
        assert_eq!(made.get(), MOST + 1);
    }
}
