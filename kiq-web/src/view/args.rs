//! Arguments, with what is secret left out.

use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::value::RawValue;

use super::{bytes, cut};

/// A key is masked when its name has one of these in it.
const SECRET: [&str; 7] = ["password", "token", "secret", "authorization", "cookie", "api_key", "apikey"];

/// What stands for a value that is not shown.
pub(crate) const MASKED: &str = "•••";

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
        let text = self.value(args).to_string();
        let inside = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(&text);
        cut(inside, LINE)
    }

    /// The arguments of a job as JSON of several lines.
    #[cfg_attr(not(test), expect(dead_code, reason = "the seam for the page of one job"))]
    pub(crate) fn pretty(&self, class: &str, args: &RawValue) -> String {
        if self.hides_class(class) {
            return MASKED.to_owned();
        }
        serde_json::to_string_pretty(&self.value(args)).unwrap_or_default()
    }

    /// A value as it may be shown.
    pub(crate) fn value(&self, json: &RawValue) -> Value {
        let mut value: Value = serde_json::from_str(json.get()).unwrap_or(Value::Null);
        self.hide(&mut value);
        value
    }

    fn hide(&self, value: &mut Value) {
        match value {
            Value::Array(values) => values.iter_mut().for_each(|value| self.hide(value)),
            Value::Object(fields) => {
                for (key, value) in fields.iter_mut() {
                    match self.hides_key(key) {
                        true => *value = Value::String(MASKED.to_owned()),
                        false => self.hide(value),
                    }
                }
            }
            _ => {}
        }
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
        let args = raw(r#"[7,{"user":{"Password":"hunter2","access_token":[1],"name":"ann"}},[{"iban":"DE1"}]]"#);
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
    fn what_is_no_array_is_shown_as_it_is() {
        assert_eq!(masks().line("Job", &raw("{\"a\":1}")), "{\"a\":1}");
    }
}
