//! Takes a JSON object apart in one pass, and refuses what another reader could not read.
//!
//! A worker does this for every job, and needs nothing of it but where each field is: this is two to three times as quick
//! as serde_json with a `RawValue` for each (`cargo bench --bench engine`, row `drain`). RFC 8259 to the letter, and
//! narrower in two points: nesting beyond [`MAX_DEPTH`], and half a surrogate pair (`"\ud800"`), which is no text in Rust.
//! Nothing here recurses, so depth costs no stack.

use std::fmt;
use std::ops::Range;

/// The deepest nesting of a payload: Ruby's parser, which the other readers use, stops at 100.
pub const MAX_DEPTH: usize = 100;

/// Why a text is no JSON object that every reader can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    what: &'static str,
    /// In bytes, from 0.
    at: usize,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what, self.at)
    }
}

/// Tells where each field of an object is: its name, without the quotes, its value, and whether there are escapes in the name.
pub(super) fn fields(text: &str, mut tell: impl FnMut(Range<usize>, Range<usize>, bool)) -> Result<(), Fault> {
    let mut scan = Scan { bytes: text.as_bytes(), at: 0 };
    scan.blanks();
    scan.byte(b'{', "expected an object")?;
    scan.blanks();
    if !scan.takes(b'}') {
        loop {
            scan.blanks();
            let (name, is_escaped) = scan.name()?;
            scan.colon()?;
            let from = scan.at;
            scan.value()?;
            tell(name, from..scan.at, is_escaped);
            scan.blanks();
            if !scan.takes(b',') {
                break;
            }
        }
        scan.byte(b'}', "expected , or }")?;
    }
    scan.blanks();
    match scan.peek() {
        None => Ok(()),
        Some(_) => Err(scan.fault("something follows the object")),
    }
}

/// How many bytes there are before the first that means something within a string: a quote, a backslash, a control character.
///
/// Eight at a time. Of the bits that the three subtractions leave, those above the first may be wrong (a borrow goes upwards),
/// and the first is right.
fn plain(bytes: &[u8]) -> usize {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = EACH << 7;
    let below = |word: u64, than: u64| word.wrapping_sub(EACH * than) & !word & HIGH;
    let mut before = 0;
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let Ok(word) = word.try_into().map(u64::from_le_bytes) else { break };
        let quote = below(word ^ (EACH * u64::from(b'"')), 1);
        let backslash = below(word ^ (EACH * u64::from(b'\\')), 1);
        let found = quote | backslash | below(word, u64::from(b' '));
        if found != 0 {
            return before + found.trailing_zeros() as usize / 8;
        }
        before += 8;
    }
    let rest = words.remainder();
    before + rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..b' ')).unwrap_or(rest.len())
}

/// Whether JSON that was just written needs no second look, wherever in a record it stands: no escape, and too few brackets to
/// be deep. Nearly all is so.
pub(super) fn is_simple(json: &str) -> bool {
    let mut brackets = 0;
    let mut is_plain = true;
    // So that all of a chunk can be looked at at once.
    for chunk in json.as_bytes().chunks(64) {
        let mut in_chunk = 0_u8;
        let mut escapes = 0_u8;
        for byte in chunk {
            // `[` and `{` are a bit apart.
            in_chunk += u8::from(*byte | 0x20 == b'{');
            escapes |= u8::from(*byte == b'\\');
        }
        brackets += usize::from(in_chunk);
        is_plain &= escapes == 0;
    }
    // The object around it is a level, too.
    is_plain && brackets < MAX_DEPTH
}

/// The elements of a list one after the other, each as its text. What stands between them is not judged: they are those of a
/// text that is known to be JSON.
#[derive(Clone, Debug)]
pub(super) struct Elements<'a> {
    text: &'a str,
    scan: Scan<'a>,
}

impl<'a> Elements<'a> {
    /// Those of a list; `None` of anything else.
    pub(super) fn of(text: &'a str) -> Option<Self> {
        let mut scan = Scan { bytes: text.as_bytes(), at: 0 };
        scan.blanks();
        scan.takes(b'[').then_some(Elements { text, scan })
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<&'a str, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        self.scan.blanks();
        self.scan.takes(b',');
        self.scan.blanks();
        if matches!(self.scan.peek(), None | Some(b']')) {
            return None;
        }
        let from = self.scan.at;
        let found = self.scan.value();
        if found.is_err() {
            // Nothing is told of what follows.
            self.scan.at = self.scan.bytes.len();
        }
        Some(found.map(|()| self.text.get(from..self.scan.at).unwrap_or_default()))
    }
}

#[derive(Clone, Debug)]
struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// What is open around a value: a bit for each level, 1 for an object. The object of the fields is not among them.
#[derive(Default)]
struct Open {
    objects: u128,
    depth: usize,
}

impl Open {
    fn is_in_object(&self) -> bool {
        self.objects & 1 == 1
    }
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn fault(&self, what: &'static str) -> Fault {
        let what = if self.at >= self.bytes.len() { "the text ends too early" } else { what };
        Fault { what, at: self.at }
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn takes(&mut self, byte: u8) -> bool {
        let is_it = self.peek() == Some(byte);
        self.at += usize::from(is_it);
        is_it
    }

    fn byte(&mut self, byte: u8, what: &'static str) -> Result<(), Fault> {
        if self.takes(byte) { Ok(()) } else { Err(self.fault(what)) }
    }

    /// A name, and whether there are escapes in it.
    fn name(&mut self) -> Result<(Range<usize>, bool), Fault> {
        self.byte(b'"', "expected the name of a field")?;
        let from = self.at;
        let is_escaped = self.string()?;
        Ok((from..self.at - 1, is_escaped))
    }

    fn colon(&mut self) -> Result<(), Fault> {
        self.blanks();
        self.byte(b':', "expected :")?;
        self.blanks();
        Ok(())
    }

    /// A value with everything in it.
    fn value(&mut self) -> Result<(), Fault> {
        let mut open = Open::default();
        loop {
            // A value begins here.
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    self.string()?;
                }
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(bracket @ (b'[' | b'{')) => {
                    open.depth += 1;
                    // The object of the fields is a level, too.
                    if open.depth >= MAX_DEPTH {
                        return Err(Fault { what: "nested deeper than 100 levels", at: self.at });
                    }
                    open.objects = open.objects << 1 | u128::from(bracket == b'{');
                    self.at += 1;
                    self.blanks();
                    let is_empty = self.peek() == Some(if open.is_in_object() { b'}' } else { b']' });
                    if !is_empty {
                        if open.is_in_object() {
                            self.name()?;
                            self.colon()?;
                        }
                        continue;
                    }
                }
                Some(b't') => self.word(b"true")?,
                Some(b'f') => self.word(b"false")?,
                Some(b'n') => self.word(b"null")?,
                _ => return Err(self.fault("expected a value")),
            }
            // A value has ended, or an empty list or object is about to.
            loop {
                if open.depth == 0 {
                    return Ok(());
                }
                self.blanks();
                let end = if open.is_in_object() { b'}' } else { b']' };
                if self.takes(end) {
                    open.depth -= 1;
                    open.objects >>= 1;
                    continue;
                }
                self.byte(b',', if open.is_in_object() { "expected , or }" } else { "expected , or ]" })?;
                self.blanks();
                if open.is_in_object() {
                    self.name()?;
                    self.colon()?;
                }
                break;
            }
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Fault> {
        match self.bytes.get(self.at..self.at + word.len()) {
            Some(found) if found == word => {
                self.at += word.len();
                Ok(())
            }
            _ => Err(Fault { what: "expected a value", at: self.at }),
        }
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at > from { Ok(()) } else { Err(self.fault("expected a digit")) }
    }

    fn number(&mut self) -> Result<(), Fault> {
        self.takes(b'-');
        if !self.takes(b'0') {
            self.digits()?;
        }
        if self.takes(b'.') {
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// The rest of a string whose opening quote was read, and its closing quote. Answers whether there are escapes in it.
    fn string(&mut self) -> Result<bool, Fault> {
        let mut is_escaped = false;
        loop {
            self.at += plain(self.bytes.get(self.at..).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(is_escaped);
                }
                Some(b'\\') => {
                    is_escaped = true;
                    self.escape()?;
                }
                _ => return Err(self.fault("a control character in a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                return Ok(());
            }
            Some(b'u') => {}
            _ => return Err(Fault { what: "no such escape in a string", at: self.at }),
        }
        let lone = Fault { what: "half of a surrogate pair in a string", at: self.at };
        match self.unit(self.at) {
            None => return Err(Fault { what: "\\u without four hex digits in a string", at: self.at }),
            Some(0xD800..=0xDBFF) => {
                if !matches!(self.unit(self.at + 6), Some(0xDC00..=0xDFFF)) {
                    return Err(lone);
                }
                self.at += 12;
            }
            Some(0xDC00..=0xDFFF) => return Err(lone),
            Some(_) => self.at += 6,
        }
        Ok(())
    }

    /// The UTF-16 unit of an escape `\uXXXX` that starts at `at`.
    fn unit(&self, at: usize) -> Option<u16> {
        let [b'\\', b'u', digits @ ..] = self.bytes.get(at..at + 6)? else { return None };
        digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | u16::try_from(char::from(*digit).to_digit(16)?).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Places = (Range<usize>, Range<usize>);

    fn fields(text: &str) -> Result<Vec<Places>, Fault> {
        let mut found = Vec::new();
        super::fields(text, |name, value, _| found.push((name, value))).map(|()| found)
    }

    fn of(args: &str) -> Result<(), String> {
        let text = format!(r#"{{"class":"A","args":{args},"z":1}}"#);
        let found = fields(&text).map_err(|fault| fault.to_string())?;
        // Whatever is accepted is what serde_json reads, too.
        let read: serde_json::Map<String, serde_json::Value> = match serde_json::from_str(&text) {
            Ok(read) => read,
            // A number beyond what a float can hold is kept as its text.
            Err(error) if error.to_string().contains("number out of range") => return Ok(()),
            Err(error) => panic!("{text}: {error}"),
        };
        assert_eq!(found.len(), 3, "{text}");
        for (name, value) in found {
            let value: serde_json::Value = serde_json::from_str(&text[value]).unwrap();
            assert_eq!(read[&text[name]], value, "{text}");
        }
        Ok(())
    }

    fn deep(n: usize) -> String {
        format!("{}{}", "[".repeat(n), "]".repeat(n))
    }

    #[test]
    fn every_value_is_found_where_it_is() {
        for args in [
            "[]",
            "[ ]",
            "{}",
            "{ }",
            "[1]",
            "[ 1 , 2 ]",
            "[[],{}]",
            r#"[{"a":[1,{"b":null}],"c":""}]"#,
            "true",
            "null",
            "-0",
            "0",
            "1.10",
            "1e400",
            "-12.5E+3",
            "1180591620717411303424",
            r#""""#,
            r#""é ☃ \" \\ \/ \b\f\n\r\t \u00e9""#,
            "\n[\t1,\r\n2 ]\n",
            r#"["]","}",",",":"]"#,
        ] {
            assert_eq!(of(args), Ok(()), "{args}");
        }
        assert_eq!(fields("{}"), Ok(vec![]));
        assert_eq!(fields(" { } "), Ok(vec![]));
        assert_eq!(fields(r#" {"a" : 1 } "#), Ok(vec![(3..4, 8..9)]));
    }

    #[test]
    fn what_is_no_json_is_refused_as_by_serde_json() {
        for args in [
            "",
            "]",
            "[",
            "[1",
            "[1,",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{1:2}",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            "[}",
            "{]",
            "01",
            "+1",
            "-",
            "1.",
            ".5",
            "1e",
            "1e+",
            "0x1",
            "NaN",
            "Infinity",
            "tru",
            "trueish",
            "nul",
            "'a'",
            r#"""#,
            r#""\x""#,
            r#""\u12""#,
            r#""\u12g4""#,
            "\"\u{0}\"",
            "\"\u{1f}\"",
            "\"\n\"",
            "[1]]",
            "1,",
            "\u{feff}1",
        ] {
            assert!(of(args).is_err(), "{args:?}");
            let text = format!(r#"{{"class":"A","args":{args},"z":1}}"#);
            assert!(serde_json::from_str::<&serde_json::value::RawValue>(&text).is_err(), "{args:?}");
        }
        for text in ["", "null", "7", "[]", "\"x\"", "true", "{", "{\"a\":1", "{}{}", "{} x", "\u{feff}{}", "{,}"] {
            assert!(fields(text).is_err(), "{text:?}");
        }
    }

    /// Any part of a text that is cut out of it, or doubled, or changed, is judged as serde_json judges it.
    #[test]
    fn every_small_change_of_a_payload_is_judged_as_by_serde_json() {
        let text = r#"{"class":"A","args":[-1.5e3,{"k":[true,null]},"a\u00e9\"z",[]],"at":0,"z":{}}"#;
        let judge = |text: &[u8]| {
            let Ok(text) = std::str::from_utf8(text) else { return };
            let theirs = text.trim_start().starts_with('{')
                && serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok();
            assert_eq!(fields(text).is_ok(), theirs, "{text}");
        };
        for at in 0..text.len() {
            judge(&text.as_bytes()[..at]);
            let change = |with: &[u8], skip: usize| {
                let rest = text.as_bytes().get(at + skip..).unwrap_or_default();
                judge(&[&text.as_bytes()[..at], with, rest].concat());
            };
            change(b"", 1);
            for with in
                [b"\"", b"\\", b",", b":", b"{", b"}", b"[", b"]", b"0", b"-", b".", b"e", b" ", b"\n", b"u", b"t"]
            {
                change(with, 0);
                change(with, 1);
            }
        }
    }

    #[test]
    fn a_string_is_as_long_as_byte_by_byte() {
        let means_something = |byte: &u8| matches!(byte, b'"' | b'\\' | ..b' ');
        for length in 0..20 {
            for byte in 0..=u8::MAX {
                for at in 0..length {
                    for around in [b'a', 0x80, 0xff, b'!', b'#', b'[', b']', 0x7f, b' '] {
                        let mut bytes = vec![around; length];
                        bytes[at] = byte;
                        let expected = bytes.iter().position(means_something).unwrap_or(length);
                        assert_eq!(plain(&bytes), expected, "{bytes:?}");
                        // And behind another.
                        if let Some(next) = bytes.get_mut(at + 1) {
                            *next = b'"';
                            let expected = bytes.iter().position(means_something).unwrap_or(length);
                            assert_eq!(plain(&bytes), expected, "{bytes:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn only_what_has_no_escape_and_few_brackets_is_simple() {
        let simple = |text: String| is_simple(&text);
        assert!(simple(String::new()));
        assert!(simple("[".repeat(99)) && simple("{".repeat(99)) && simple("a]}z".repeat(99)));
        assert!(!simple("[".repeat(100)) && !simple("{[".repeat(50)));
        for at in [0, 1, 63, 64, 65, 127, 199] {
            let mut text = "a".repeat(200);
            text.replace_range(at..=at, "\\");
            assert!(!simple(text), "{at}");
        }
    }

    #[test]
    fn elements_are_told_apart() {
        let of = |text| Elements::of(text).map(|elements| elements.collect::<Result<Vec<_>, _>>().unwrap());
        assert_eq!(of("[]"), Some(vec![]));
        assert_eq!(of(" [ 1 , \"a,]\" ,[2,{}], {\"b\":[3]} ] "), Some(vec!["1", "\"a,]\"", "[2,{}]", "{\"b\":[3]}"]));
        assert_eq!(of("{}"), None);
        assert_eq!(of("7"), None);
        let too_deep = format!("[1,{},2]", deep(100));
        let found: Vec<_> = Elements::of(&too_deep).unwrap().collect();
        assert!(matches!(found[..], [Ok("1"), Err(_)]), "{found:?}");
    }

    #[test]
    fn depth_is_counted_outside_strings_only() {
        assert_eq!(of(&deep(99)), Ok(()));
        assert_eq!(of(&deep(100)), Err("nested deeper than 100 levels at byte 119".to_owned()));
        assert!(of(&deep(100_000)).is_err());
        assert!(of(&"[{\"a\":".repeat(60)).is_err());
        assert_eq!(of(&format!("[\"{}\"]", "[".repeat(200))), Ok(()));
        // As deep after many that were closed.
        assert_eq!(of(&format!("[{}1]", "[[]],".repeat(500))), Ok(()));
    }

    #[test]
    fn half_a_surrogate_pair_is_found_and_a_whole_one_is_not() {
        assert_eq!(of(r#"["\ud83d\ude00 \u00e9"]"#), Ok(()));
        assert_eq!(of(r#"["\\ud800"]"#), Ok(()));
        for lone in [r#"["\ud800"]"#, r#"["\udc00"]"#, r#"["\ud800\ud800"]"#, r#"["\ud800x"]"#] {
            assert!(of(lone).is_err_and(|fault| fault.contains("surrogate")), "{lone}");
        }
    }
}
