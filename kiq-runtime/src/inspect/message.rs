//! Errors that are the same but for what they name: without their numbers, ids and quotes.

/// The characters of an error that tell it from others.
const LONGEST: usize = 120;

/// The first line of an error, with `#` for what differs from job to job: numbers, ids, what stands in quotes, queries of
/// addresses.
pub(super) fn alike(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let mut text = String::new();
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        if text.chars().count() >= LONGEST {
            return text.chars().take(LONGEST).collect();
        }
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        // An apostrophe inside of a word is no quote.
        let is_apostrophe = c == '\'' && text.ends_with(char::is_alphanumeric);
        rest = match c {
            '"' | '\'' | '`' if !is_apostrophe && after.contains(c) => {
                text.push_str(&format!("{c}#{c}"));
                after.split_once(c).map_or("", |(_, behind)| behind)
            }
            '?' if text.split(char::is_whitespace).next_back().is_some_and(|word| word.contains("://")) => {
                text.push_str("?#");
                after.find(char::is_whitespace).and_then(|end| after.get(end..)).unwrap_or_default()
            }
            c if c.is_ascii_alphanumeric() => {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(rest.len());
                let (word, behind) = rest.split_at(end);
                text.push_str(&without_numbers(word));
                behind
            }
            c => {
                text.push(c);
                after
            }
        };
    }
    text.chars().take(LONGEST).collect()
}

/// An id is one `#`; else each number is.
fn without_numbers(word: &str) -> String {
    let is_number = |byte: u8| byte.is_ascii_digit();
    let is_hex = word.len() >= 8 && word.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if is_hex && word.bytes().any(is_number) {
        return "#".to_owned();
    }
    let mut text = String::with_capacity(word.len());
    for c in word.chars() {
        match c {
            c if c.is_ascii_digit() => {
                if !text.ends_with('#') {
                    text.push('#');
                }
            }
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_that_differ_in_what_they_name_are_alike() {
        for (message, wanted) in [
            ("503 Service Unavailable: upstream 10.2.0.7:8080", "# Service Unavailable: upstream #.#.#.#:#"),
            ("timed out after 30.5s\nin line 7", "timed out after #.#s"),
            ("no order b0db36ce-e8aa-4f2e-9a51-0123456789ab", "no order #"),
            ("no user \"Ann O'Neil\" in 'shop 7'", "no user \"#\" in '#'"),
            ("can't connect, won't retry", "can't connect, won't retry"),
            ("GET https://api.test/v1/x?token=abc&n=7 failed", "GET https://api.test/v#/x?# failed"),
            ("really? yes", "really? yes"),
            ("an \"open quote", "an \"open quote"),
            ("deadbeef cafe1234 facade", "deadbeef # facade"),
            ("", ""),
            ("\u{fc}ber 5 Stück", "\u{fc}ber # Stück"),
        ] {
            assert_eq!(alike(message), wanted);
        }
        assert_eq!(alike(&"ä".repeat(500)).chars().count(), LONGEST);
        assert_eq!(alike(&"\"a\"".repeat(500)).chars().count(), LONGEST);
    }
}
