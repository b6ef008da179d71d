//! Arguments, with what is secret left out.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{bytes, cut};

/// A key is masked when its name has one of these in it.
const SECRET: [&str; 7] = ["password", "token", "secret", "authorization", "cookie", "api_key", "apikey"];

/// What stands for a value that is not shown.
pub(crate) const MASKED: &str = "•••";

/// The same, as JSON.
const MASKED_JSON: &str = "\"•••\"";

/// Arguments of more bytes are not shown in lists.
const LONG: usize = 64 * 1024;

/// The characters of arguments in a list.
const LINE: usize = 160;

/// What is not shown of arguments.
#[derive(Clone, Debug, Default)]
pub(crate) struct Masks {
    keys: Vec<String>,
    classes: BTreeSet<String>,
}

impl Masks {
    pub(crate) fn add_keys(&mut self, keys: impl Iterator<Item = String>) {
        self.keys.extend(keys.map(|key| key.to_lowercase()));
    }

    pub(crate) fn add_classes(&mut self, classes: impl Iterator<Item = String>) {
        self.classes.extend(classes);
    }

    /// Whether the values of that key are hidden.
    pub(crate) fn hides_key(&self, key: &str) -> bool {
        let key = key.to_lowercase();
        SECRET.iter().any(|secret| key.contains(secret)) || self.keys.contains(&key)
    }

    /// Whether all arguments of that class are hidden.
    pub(crate) fn hides_class(&self, class: &str) -> bool {
        self.classes.contains(class)
    }

    /// The arguments of a job, without the brackets around them, as one short line of JSON.
    pub(crate) fn line(&self, class: &str, args: &RawValue) -> String {
        if self.hides_class(class) {
            return MASKED.to_owned();
        }
        if args.get().len() > LONG {
            return format!("({} of JSON)", bytes(args.get().len() as u64));
        }
        let text = self.json(args, None);
        let inside = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(&text);
        cut(inside, LINE)
    }

    /// The arguments of a job as JSON of several lines.
    #[cfg_attr(not(test), expect(dead_code, reason = "the seam for the page of one job"))]
    pub(crate) fn pretty(&self, class: &str, args: &RawValue) -> String {
        if self.hides_class(class) {
            return MASKED.to_owned();
        }
        self.json(args, Some(0))
    }

    /// A value as it may be shown: keys in their order, numbers as they were written. With a depth, in lines indented by it.
    pub(crate) fn json(&self, json: &RawValue, depth: Option<usize>) -> String {
        let mut text = String::new();
        self.write(json, depth, &mut text);
        text
    }

    fn write(&self, json: &RawValue, depth: Option<usize>, text: &mut String) {
        let inner = depth.map(|depth| depth + 1);
        match json.get().bytes().next() {
            Some(b'[') => {
                let values: Vec<&RawValue> = serde_json::from_str(json.get()).unwrap_or_default();
                enclosed(text, ['[', ']'], depth, values, |text, value| self.write(value, inner, text));
            }
            Some(b'{') => {
                let Fields(fields) = serde_json::from_str(json.get()).unwrap_or_default();
                enclosed(text, ['{', '}'], depth, fields, |text, (key, value)| {
                    text.push_str(&serde_json::Value::from(key.as_str()).to_string());
                    text.push_str(if inner.is_some() { ": " } else { ":" });
                    match self.hides_key(&key) {
                        true => text.push_str(MASKED_JSON),
                        false => self.write(value, inner, text),
                    }
                });
            }
            _ => text.push_str(json.get()),
        }
    }
}

/// Writes items with commas between them, each in a line of its own if there is a depth.
fn enclosed<T>(
    text: &mut String,
    [open, close]: [char; 2],
    depth: Option<usize>,
    items: Vec<T>,
    mut write: impl FnMut(&mut String, T),
) {
    let line = |text: &mut String, depth: usize| {
        text.push('\n');
        text.extend(std::iter::repeat_n("  ", depth));
    };
    let is_empty = items.is_empty();
    text.push(open);
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        if let Some(depth) = depth {
            line(text, depth + 1);
        }
        write(text, item);
    }
    if let Some(depth) = depth.filter(|_| !is_empty) {
        line(text, depth);
    }
    text.push(close);
}

/// The fields of an object in the order in which they stand.
#[derive(Default)]
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    fields.push((key, map.next_value()?));
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masks() -> Masks {
        let mut masks = Masks::default();
        masks.add_keys(["IBAN".to_owned()].into_iter());
        masks.add_classes(["Login".to_owned()].into_iter());
        masks
    }

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    #[test]
    fn secrets_are_hidden_at_any_depth() {
        let args = raw(r#"[7, {"user": {"Password":"hunter2","access_token":[1],"name":"ann"}},[{"iban":"DE1"}]]"#);
        let line = masks().line("Signup", &args);
        assert_eq!(line, r#"7,{"user":{"Password":"•••","access_token":"•••","name":"ann"}},[{"iban":"•••"}]"#);
        assert!(!masks().pretty("Signup", &args).contains("hunter2"));
    }

    #[test]
    fn a_masked_class_shows_nothing() {
        assert_eq!([masks().line("Login", &raw("[1]")), masks().pretty("Login", &raw("[1]"))], ["•••", "•••"]);
    }

    #[test]
    fn long_arguments_are_cut() {
        let long = format!("[\"{}\"]", "ä".repeat(1000));
        assert_eq!(masks().line("Job", &raw(&long)).chars().count(), LINE + 1);
        let huge = format!("[\"{}\"]", "x".repeat(1 << 20));
        assert_eq!(masks().line("Job", &raw(&huge)), "(1.0 MiB of JSON)");
    }

    #[test]
    fn what_is_shown_is_as_it_was_written() {
        let args = raw(r#"[{"b":12345678901234567890123,"a\n":1.50,"c":[],"d":{}}]"#);
        assert_eq!(masks().line("Job", &args), r#"{"b":12345678901234567890123,"a\n":1.50,"c":[],"d":{}}"#);
        let lines =
            "[\n  {\n    \"b\": 12345678901234567890123,\n    \"a\\n\": 1.50,\n    \"c\": [],\n    \"d\": {}\n  }\n]";
        assert_eq!(masks().pretty("Job", &args), lines);
    }

    #[test]
    fn what_is_no_array_is_shown_as_it_is() {
        assert_eq!(masks().line("Job", &raw("{\"a\":1}")), "{\"a\":1}");
    }
}
