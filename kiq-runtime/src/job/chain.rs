//! The errors behind an error: the one search that `transient`, `discard` and `retry_in` use.

use std::error::Error;
use std::io;
use std::sync::Arc;

/// How far a chain of sources is followed: one that comes back to itself must not hang a worker.
const CHAIN_LIMIT: usize = 100;

/// The links of a chain of sources, outermost first; that in an `io::Error` follows it.
pub fn links<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
        .take(CHAIN_LIMIT)
        .flat_map(|link| [Some(link), inside_io(link)])
        .flatten()
}

/// All `T` in a chain of sources, outermost first; those in a `Box`, an `Arc` or an `io::Error` too.
pub fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a T> {
    links(error).filter_map(find_at)
}

/// The `T` that a link is, or holds in a `Box` or an `Arc`.
pub fn find_at<'a, T: Error + 'static>(link: &'a (dyn Error + 'static)) -> Option<&'a T> {
    link.downcast_ref::<T>()
        .or_else(|| link.downcast_ref::<Box<T>>().map(|boxed| &**boxed))
        .or_else(|| link.downcast_ref::<Arc<T>>().map(|shared| &**shared))
}

/// The error an `io::Error` was made from. Its `source()` skips that one and gives the next.
fn inside_io<'a>(link: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let inner = link.downcast_ref::<io::Error>()?.get_ref()?;
    Some(inner)
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("timed out")]
    struct Timeout;

    #[derive(Debug)]
    struct Ring;

    static RING: Ring = Ring;

    impl fmt::Display for Ring {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("round")
        }
    }

    impl Error for Ring {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&RING)
        }
    }

    #[test]
    fn a_chain_that_comes_back_to_itself_ends() {
        assert!(find::<Timeout>(&RING).next().is_none());
    }

    #[test]
    fn an_error_inside_an_io_error_is_found() {
        let error = io::Error::other(Timeout);

        assert!(find::<Timeout>(&error).next().is_some());
    }
}
