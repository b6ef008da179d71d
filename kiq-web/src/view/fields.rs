//! What a form or an address says, where a name may come several times.

use serde::Deserialize;

use super::query;

/// Names and values, in order.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// The first value of a name; empty for none.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    }

    /// All values of a name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// An address with what is not empty.
pub(crate) fn address(path: &str, pairs: &[(&str, &str)]) -> String {
    let said: Vec<String> = pairs
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={}", query(value)))
        .collect();
    match said.is_empty() {
        true => path.to_owned(),
        false => format!("{path}?{}", said.join("&")),
    }
}

/// A filter with one word more; `None` if the grammar has no way to say it.
pub(crate) fn narrowed(filter: &str, field: &str, value: &str) -> Option<String> {
    if value.is_empty() || value.contains(['"', ',']) || value.chars().any(char::is_control) {
        return None;
    }
    let word = match value.contains(char::is_whitespace) || value.contains(':') {
        true => format!("{field}:\"{value}\""),
        false => format!("{field}:{value}"),
    };
    let narrowed = match filter.trim() {
        "" => word,
        filter if filter.split_whitespace().any(|known| known == word) => filter.to_owned(),
        filter => format!("{filter} {word}"),
    };
    (narrowed.len() <= 256).then_some(narrowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_gets_one_word_more_if_it_can_be_said() {
        assert_eq!(narrowed("", "class", "A").as_deref(), Some("class:A"));
        assert_eq!(narrowed("age:>1h", "class", "Shop::A").as_deref(), Some("age:>1h class:\"Shop::A\""));
        assert_eq!(narrowed("class:A", "class", "A").as_deref(), Some("class:A"));
        assert_eq!(narrowed("", "tag", "two words").as_deref(), Some("tag:\"two words\""));
        for odd in ["", "a\"b", "a,b", "a\nb"] {
            assert_eq!(narrowed("", "tag", odd), None, "{odd}");
        }
        assert_eq!(narrowed(&"x".repeat(250), "class", "Abcdef"), None);
    }

    #[test]
    fn an_address_says_what_is_not_empty() {
        assert_eq!(address("retries", &[("q", ""), ("view", "")]), "retries");
        assert_eq!(address("retries", &[("q", "class:A b"), ("dir", "desc")]), "retries?q=class%3AA%20b&dir=desc");
    }
}
