//! How values are shown: times, numbers, arguments, links.

mod args;
mod fields;
mod link;
mod number;
mod time;

pub(crate) use args::Masks;
pub(crate) use fields::{Fields, address, narrowed};
pub(crate) use link::{query, segment};
pub(crate) use number::{bytes, count, percent};
pub(crate) use time::{When, span};

/// The first `most` characters, and an ellipsis if there were more.
pub(crate) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}
