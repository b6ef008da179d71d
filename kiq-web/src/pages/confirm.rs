//! The question before what cannot be taken back: what will happen to how many, and one button.

use askama::Template;

use crate::fault::Fault;
use crate::frame::Frame;
use crate::view::count;

/// More than that many jobs are removed only by whoever types how many.
pub(crate) const TYPED_FROM: usize = 26;

/// The question before what cannot be taken back.
#[derive(Template)]
#[template(path = "confirm.html")]
pub(crate) struct Page {
    pub(crate) frame: Frame,
    /// `Stop app-1·4301?`
    pub(crate) title: String,
    /// What will happen, in sentences.
    pub(crate) lines: Vec<String>,
    /// Where the form goes, below the root.
    pub(crate) action: String,
    /// On the button: `Stop it`.
    pub(crate) button: String,
    /// The number that has to be typed.
    pub(crate) typed: Option<usize>,
    /// The page afterwards, and that of whoever turns back.
    pub(crate) to: String,
}

/// Whether what was typed is the number that was shown.
pub(crate) fn typed(expected: Option<usize>, typed: Option<&str>) -> Result<(), Fault> {
    let Some(expected) = expected else { return Ok(()) };
    let digits: String = typed.unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
    match digits.parse::<usize>() {
        Ok(number) if expected == number => Ok(()),
        _ => Err(Fault::invalid(format!(
            "type the number that the page shows, {}, to say that you mean as many; nothing was changed",
            count(expected)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_has_to_be_the_one_that_was_shown() {
        assert!(typed(None, None).is_ok());
        for right in ["1610", "1,610", " 1610 "] {
            assert!(typed(Some(1610), Some(right)).is_ok(), "{right}");
        }
        for wrong in [None, Some(""), Some("161"), Some("16100"), Some("99999999999999999999999")] {
            assert!(typed(Some(1610), wrong).is_err(), "{wrong:?}");
        }
    }
}
