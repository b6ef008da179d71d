//! `"1h30m"` → milliseconds.

/// The length of a time written as whole numbers with units, largest unit first: `d`, `h`, `m`, `s`, `ms`.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total: u64 = 0;
    let mut smaller_than = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (count, tail) = rest.split_at(digits);
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let unit = match unit {
            "d" => 86_400_000,
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1000,
            "ms" => 1,
            _ => return None,
        };
        if unit >= smaller_than {
            return None;
        }
        smaller_than = unit;
        total = total.checked_add(count.parse::<u64>().ok()?.checked_mul(unit)?)?;
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_duration_is_numbers_with_units_largest_first() {
        assert_eq!(parse("30s"), Some(30_000));
        assert_eq!(parse("1h30m"), Some(5_400_000));
        assert_eq!(parse("1d1h1m1s1ms"), Some(90_061_001));
        assert_eq!(parse("0s"), Some(0));
        for bad in ["", "30", "s", "30 s", "soon", "1m1h", "1s1s", "-1s", "1.5s", "99999999999999999999d", "1w", "é"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
