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

/// Tells where each field of an object is: its name, without the quotes, and its value.
pub(super) fn fields(text: &str, mut tell: impl FnMut(Range<usize>, Range<usize>)) -> Result<(), Fault> {
    let mut scan = Scan { bytes: text.as_bytes(), at: 0 };
    scan.blanks();
    scan.byte(b'{', "expected an object")?;
    scan.blanks();
    if !scan.takes(b'}') {
        loop {
            scan.blanks();
            let name = scan.name()?;
            scan.colon()?;
            let from = scan.at;
            scan.value()?;
            tell(name, from..scan.at);
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

/// Whether JSON that was just written needs no second look: no escape, and too few brackets to be deep. Nearly all is so.
pub(super) fn is_simple(json: &str) -> bool {
    let bytes = json.as_bytes();
    !bytes.contains(&b'\\') && bytes.iter().filter(|byte| matches!(byte, b'[' | b'{')).count() <= MAX_DEPTH
}

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

    fn name(&mut self) -> Result<Range<usize>, Fault> {
        self.byte(b'"', "expected the name of a field")?;
        let from = self.at;
        self.string()?;
        Ok(from..self.at - 1)
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

    /// The rest of a string whose opening quote was read, and its closing quote.
    fn string(&mut self) -> Result<(), Fault> {
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let plain = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..b' ')).unwrap_or(rest.len());
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
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
        super::fields(text, |name, value| found.push((name, value))).map(|()| found)
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
