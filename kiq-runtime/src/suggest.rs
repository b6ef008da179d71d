//! "did you mean …?"

/// The candidate closest to `word`, if one is close enough to have been meant.
pub(crate) fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let with_distance = candidates.into_iter().map(|candidate| (candidate, distance(word, candidate)));
    let (candidate, distance) = with_distance.min_by_key(|(_, distance)| *distance)?;
    (distance <= word.len().div_ceil(3).max(1)).then_some(candidate)
}

/// How many letters must be put in, taken out or replaced (Levenshtein), row by row.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut left = i + 1;
        let mut next = vec![left];
        for (pair, to) in row.windows(2).zip(b.chars()) {
            let &[diagonal, above] = pair else { continue };
            left = (diagonal + usize::from(from != to)).min(above + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn a_slip_of_the_finger_is_understood_and_another_word_is_not() {
        let keys = ["queues", "concurrency", "tag"];
        assert_eq!(closest("concurency", keys), Some("concurrency"));
        assert_eq!(closest("queue", keys), Some("queues"));
        assert_eq!(closest("colour", keys), None);
    }
}
