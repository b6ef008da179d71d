//! What `kiq::defaults!` and `kiq::queues!` say, found by a job where it stands.
//!
//! A macro sees no other items of its module. The compiler does: each of the two makes a trait for [`Here`], and method
//! lookup takes it where it is in scope, before the fallback of this file, which is for `&Here`. The value it gives is never
//! made; its type alone carries the constants.

use crate::job::JobOptions;
use crate::job::options::queue_name_fault;

/// What the lookup is about.
#[derive(Clone, Copy, Debug)]
pub struct Here;

/// What the jobs of a module ask for when they say nothing else.
pub trait Defaults {
    const OPTIONS: JobOptions;
}

/// The queues there are.
pub trait Queues {
    /// `None`: any queue.
    const DECLARED: Option<&'static [&'static str]>;
    /// What to say of another.
    const FAULT: &'static str;
}

/// Where no `defaults!` is in scope.
pub trait NoDefaults {
    fn kiq_defaults(self) -> Nothing;
}

/// Where no `queues!` is in scope.
pub trait AnyQueue {
    fn kiq_queues(self) -> Nothing;
}

#[derive(Clone, Copy, Debug)]
pub struct Nothing;

impl NoDefaults for &Here {
    fn kiq_defaults(self) -> Nothing {
        Nothing
    }
}

impl AnyQueue for &Here {
    fn kiq_queues(self) -> Nothing {
        Nothing
    }
}

impl Defaults for Nothing {
    const OPTIONS: JobOptions = JobOptions::new();
}

impl Queues for Nothing {
    const DECLARED: Option<&'static [&'static str]> = None;
    const FAULT: &'static str = "";
}

/// What holds where a job stands.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// What a job starts from that names a queue.
    pub options: JobOptions,
    declared: Option<&'static [&'static str]>,
    fault: &'static str,
}

impl Scope {
    /// Of the types that `lookup` would give. It is not called.
    pub const fn of<D: Defaults, Q: Queues>(lookup: fn() -> (D, Q)) -> Self {
        let _ = lookup;
        Scope { options: D::OPTIONS, declared: Q::DECLARED, fault: Q::FAULT }
    }

    /// The same for a blocking function, which cannot be stopped: the default time limit is not for it.
    #[must_use]
    pub const fn blocking(mut self) -> Self {
        self.options.timeout = None;
        self
    }

    /// A queue's name, when it may be one and is declared.
    #[track_caller]
    #[must_use]
    #[expect(clippy::panic, reason = "runs in a const: the panic is the compile error the user reads")]
    pub const fn queue(self, name: &'static str) -> &'static str {
        if let Some(fault) = queue_name_fault(name) {
            panic!("{}", fault)
        }
        if let Some(declared) = self.declared
            && !is_among(declared, name)
        {
            panic!("{}", self.fault)
        }
        name
    }

    /// What a job starts from that names no queue, when the one it is left with is declared.
    #[track_caller]
    #[must_use]
    pub const fn with_its_queue(self) -> JobOptions {
        self.options.queue(self.queue(self.options.queue))
    }
}

const fn is_among(names: &[&str], name: &str) -> bool {
    let mut rest = names;
    while let [first, tail @ ..] = rest {
        if is_same(first.as_bytes(), name.as_bytes()) {
            return true;
        }
        rest = tail;
    }
    false
}

const fn is_same(a: &[u8], b: &[u8]) -> bool {
    let (mut a, mut b) = (a, b);
    while let ([x, a_tail @ ..], [y, b_tail @ ..]) = (a, b) {
        if *x != *y {
            return false;
        }
        (a, b) = (a_tail, b_tail);
    }
    a.is_empty() && b.is_empty()
}

#[cfg(test)]
mod tests {
    use super::is_among;

    #[test]
    fn names_are_compared_whole() {
        let names = ["high", "low"];
        assert!(is_among(&names, "low"));
        for other in ["lo", "lows", "", "Low"] {
            assert!(!is_among(&names, other), "{other}");
        }
    }
}
