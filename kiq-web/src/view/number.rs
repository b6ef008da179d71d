//! Numbers, as an operator reads them.

/// `2,377`.
pub(crate) fn count(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `263 MiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let (mut size, mut unit) = (bytes as f64 / 1024.0, 0);
    while size >= 1024.0 && unit + 1 < units.len() {
        size /= 1024.0;
        unit += 1;
    }
    let unit = units.get(unit).copied().unwrap_or_default();
    match size {
        _ if bytes < 1024 => format!("{bytes} B"),
        size if size < 10.0 => format!("{size:.1} {unit}"),
        size => format!("{size:.0} {unit}"),
    }
}

/// `2.1 %`; `–` of nothing.
pub(crate) fn percent(part: u64, of: u64) -> String {
    match of {
        0 => "–".to_owned(),
        _ if part == 0 => "0 %".to_owned(),
        of if part >= of => "100 %".to_owned(),
        // Neither nothing nor all, so never shown as such.
        of => format!("{:.1} %", (part as f64 * 100.0 / of as f64).clamp(0.1, 99.9)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(
            [count(0_u64), count(999_u64), count(1_000_u64), count(1_234_567_u64)],
            ["0", "999", "1,000", "1,234,567"]
        );
    }

    #[test]
    fn sizes_have_a_unit() {
        assert_eq!([bytes(0), bytes(1023), bytes(1536), bytes(275_775_488)], ["0 B", "1023 B", "1.5 KiB", "263 MiB"]);
        assert!(bytes(u64::MAX).ends_with("TiB"));
    }

    #[test]
    fn a_share_is_never_rounded_to_none_or_all() {
        assert_eq!([percent(0, 0), percent(0, 5), percent(5, 5)], ["–", "0 %", "100 %"]);
        assert_eq!(
            [percent(1, 1_000_000), percent(999_999, 1_000_000), percent(21, 1000)],
            ["0.1 %", "99.9 %", "2.1 %"]
        );
    }
}
