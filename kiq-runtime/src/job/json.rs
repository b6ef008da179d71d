//! What serde_json lets through and a job's payload may not hold.

/// The deepest nesting of a payload: Ruby's parser, which the other readers use, stops at 100.
pub const MAX_DEPTH: usize = 100;

/// Looks for what a lenient reader would accept and another reader choke on: nesting beyond [`MAX_DEPTH`], and half a
/// surrogate pair (`"\ud800"`), which is no text in Rust. `json` is already known to be valid JSON otherwise.
pub(super) fn fault(json: &[u8]) -> Option<&'static str> {
    // Nearly every payload: too few brackets to be deep, and no escape at all.
    if !json.contains(&b'\\') && json.iter().filter(|byte| matches!(byte, b'[' | b'{')).count() <= MAX_DEPTH {
        return None;
    }
    let mut depth = 0_usize;
    let mut bytes = json.iter().copied().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Some("nested deeper than 100 levels");
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => {
                let rest = json.get(at + 1..).unwrap_or_default();
                match string_length(rest) {
                    Ok(length) => {
                        // Past the closing quote.
                        if let Some(skip) = length.checked_sub(1) {
                            bytes.nth(skip);
                        }
                    }
                    Err(fault) => return Some(fault),
                }
            }
            _ => {}
        }
    }
    None
}

/// The bytes up to and including the closing quote of a string whose opening quote was read.
fn string_length(text: &[u8]) -> Result<usize, &'static str> {
    const LONE: &str = "half of a surrogate pair in a string";
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => return Ok(at + 1),
            b'\\' => match unit(text, at) {
                None => at += 2,
                Some(0xD800..=0xDBFF) => {
                    if !matches!(unit(text, at + 6), Some(0xDC00..=0xDFFF)) {
                        return Err(LONE);
                    }
                    at += 12;
                }
                Some(0xDC00..=0xDFFF) => return Err(LONE),
                Some(_) => at += 6,
            },
            _ => at += 1,
        }
    }
    Ok(text.len())
}

/// The UTF-16 unit of an escape `\uXXXX` that starts at `at`.
fn unit(text: &[u8], at: usize) -> Option<u16> {
    match text.get(at..at + 6)? {
        [b'\\', b'u', digits @ ..] => u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_counted_outside_strings_only() {
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert_eq!(fault(deep(100).as_bytes()), None);
        assert!(fault(deep(101).as_bytes()).is_some());
        assert!(fault(deep(100_000).as_bytes()).is_some());
        assert_eq!(fault(format!("[\"{}\"]", "[".repeat(200)).as_bytes()), None);
        assert_eq!(fault(br#"["\"[[","a\\",[]]"#), None);
    }

    #[test]
    fn half_a_surrogate_pair_is_found_and_a_whole_one_is_not() {
        assert_eq!(fault(br#"["\ud83d\ude00 \u00e9"]"#), None);
        assert_eq!(fault(br#"["\\ud800"]"#), None);
        for lone in [r#"["\ud800"]"#, r#"["\udc00"]"#, r#"["\ud800\ud800"]"#, r#"["\ud800x"]"#] {
            assert!(fault(lone.as_bytes()).is_some(), "{lone}");
        }
    }
}
