//! "did you mean …?"

/// The candidate closest to `word`, if one is close enough to have been meant.
pub(crate) fn closest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let (candidate, distance) =
        candidates.iter().map(|candidate| (*candidate, distance(word, candidate))).min_by_key(|(_, d)| *d)?;
    (distance <= word.len().div_ceil(3).max(1)).then_some(candidate)
}

/// How many letters must be put in, taken out or replaced (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut left = i + 1;
        let mut next = vec![left];
        for (above_pair, to) in row.windows(2).zip(b.chars()) {
            let &[diagonal, above] = above_pair else { continue };
            left = (diagonal + usize::from(from != to)).min(above + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{closest, distance};

    #[test]
    fn a_slip_of_the_finger_is_understood_and_another_word_is_not() {
        let options = ["queue", "retry", "tags", "dead"];

        assert_eq!(closest("quue", &options), Some("queue"));
        assert_eq!(closest("retyr", &options), Some("retry"));
        assert_eq!(closest("tag", &options), Some("tags"));
        assert_eq!(closest("colour", &options), None);
    }

    #[test]
    fn distance_counts_changed_letters() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}
