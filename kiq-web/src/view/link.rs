//! Names inside of addresses.

use std::fmt::Write as _;

/// A name as one segment of a path: everything but letters, digits, `-`, `_` and `~` is encoded. So are dots, for a segment of
/// nothing but dots would be another address.
pub(crate) fn segment(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => text.push(char::from(byte)),
            // Elsewhere a dot is only a dot.
            b'.' if name.bytes().any(|other| other != b'.') => text.push('.'),
            // Writing into memory does not fail.
            _ => drop(write!(text, "%{byte:02X}")),
        }
    }
    text
}

/// A value in a query.
pub(crate) fn query(value: &str) -> String {
    segment(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_one_segment() {
        assert_eq!(segment("mail-out_2.b~"), "mail-out_2.b~");
        assert_eq!(segment("a/b?c#d e&f%ü\""), "a%2Fb%3Fc%23d%20e%26f%25%C3%BC%22");
        assert_eq!([segment(".."), segment("")], ["%2E%2E", ""]);
    }
}
