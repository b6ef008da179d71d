//! Arguments, with what is secret left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use kiq_runtime::job::{Payload, Registry};
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
    /// Which arguments of a class have a name that hides them.
    positions: BTreeMap<String, BTreeSet<usize>>,
    /// For whoever may see everything, and has asked to.
    shows_all: bool,
}

impl Masks {
    pub(crate) fn add_keys(&mut self, keys: impl Iterator<Item = String>) {
        self.keys.extend(keys.map(|key| key.to_lowercase()));
    }

    pub(crate) fn add_classes(&mut self, classes: impl Iterator<Item = String>) {
        self.classes.extend(classes);
    }

    /// After the keys: arguments are hidden by the names that the functions of known jobs give them, too.
    pub(crate) fn add_jobs(&mut self, jobs: &Registry) {
        for job in jobs.iter() {
            let names = job.params.iter().enumerate();
            let hidden: BTreeSet<usize> = names.filter(|(_, name)| self.hides_key(name)).map(|(at, _)| at).collect();
            if !hidden.is_empty() {
                let all = [job.name].into_iter().chain(job.aliases.iter().copied());
                self.positions.extend(all.map(|name| (name.to_owned(), hidden.clone())));
            }
        }
    }

    /// That hide nothing.
    pub(crate) fn none() -> Self {
        Masks { shows_all: true, ..Masks::default() }
    }

    /// Whether the values of that key are hidden.
    pub(crate) fn hides_key(&self, key: &str) -> bool {
        if self.shows_all {
            return false;
        }
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
        let text = self.arguments(class, args, None);
        let inside = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(&text);
        cut(inside, LINE)
    }

    /// The arguments of a job one by one, as JSON of several lines each. What is no array is one of them.
    pub(crate) fn each(&self, class: &str, args: &RawValue) -> Vec<String> {
        if self.hides_class(class) {
            return vec![MASKED.to_owned()];
        }
        let Ok(values) = serde_json::from_str::<Vec<&RawValue>>(args.get()) else {
            return vec![self.json(args, Some(0))];
        };
        let one = |(at, value): (usize, &RawValue)| match self.hides_argument(class, at) {
            true => MASKED.to_owned(),
            false => self.json(value, Some(0)),
        };
        values.into_iter().enumerate().map(one).collect()
    }

    /// Whether there is something in the arguments that is not shown.
    pub(crate) fn hide_something(&self, class: &str, args: &RawValue) -> bool {
        self.arguments(class, args, None) != Masks::none().arguments(class, args, None)
    }

    /// The arguments of a job for programs.
    pub(crate) fn shown(&self, class: &str, args: &RawValue) -> serde_json::Value {
        serde_json::from_str(&self.arguments(class, args, None)).unwrap_or_default()
    }

    /// A whole record as JSON of several lines.
    pub(crate) fn record(&self, job: &Payload) -> String {
        let record = job.to_string();
        let Fields(fields) = serde_json::from_str(&record).unwrap_or_default();
        let mut text = String::with_capacity(record.len() * 2);
        enclosed(&mut text, ['{', '}'], Some(0), fields, |text, (key, value)| {
            text.push_str(&format!("{}: ", serde_json::Value::from(key.as_str())));
            match key.as_str() {
                "args" => text.push_str(&self.arguments(job.class(), value, Some(1))),
                key if self.hides_key(key) => text.push_str(MASKED_JSON),
                _ => self.write(value, Some(1), text),
            }
        });
        text
    }

    pub(crate) fn hides_argument(&self, class: &str, at: usize) -> bool {
        self.positions.get(class).is_some_and(|hidden| hidden.contains(&at))
    }

    fn arguments(&self, class: &str, args: &RawValue, depth: Option<usize>) -> String {
        if self.hides_class(class) {
            return MASKED_JSON.to_owned();
        }
        let (true, Ok(values)) =
            (self.positions.contains_key(class), serde_json::from_str::<Vec<&RawValue>>(args.get()))
        else {
            return self.json(args, depth);
        };
        let mut text = String::new();
        let inner = depth.map(|depth| depth + 1);
        let values = values.into_iter().enumerate().collect();
        enclosed(&mut text, ['[', ']'], depth, values, |text, (at, value)| match self.hides_argument(class, at) {
            true => text.push_str(MASKED_JSON),
            false => self.write(value, inner, text),
        });
        text
    }

    /// A value as it may be shown: keys in their order, numbers as they were written. With a depth, in lines indented by it.
    fn json(&self, json: &RawValue, depth: Option<usize>) -> String {
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
        assert!(masks().hide_something("Signup", &args) && !masks().hide_something("Signup", &raw("[{\"name\":1}]")));
        assert!(!Masks::none().hide_something("Signup", &args));
    }

    #[test]
    fn a_masked_class_shows_nothing() {
        assert_eq!([masks().line("Login", &raw("[1]")), masks().each("Login", &raw("[1]")).concat()], ["•••", "•••"]);
    }

    #[test]
    fn an_argument_is_hidden_by_the_name_that_the_function_gives_it() {
        struct Reset;
        impl kiq_runtime::job::Job for Reset {
            const NAME: &'static str = "Reset";
            fn write_args(&self, _: &mut kiq_runtime::job::ArgsWriter) {}
            fn read_args(_: &mut kiq_runtime::job::ArgsReader<'_>) -> Result<Self, kiq_runtime::job::ArgsError> {
                Ok(Reset)
            }
        }
        impl kiq_runtime::job::Perform for Reset {
            const DEF: kiq_runtime::job::JobDef =
                kiq_runtime::job::JobDef::new::<Self>(|_| Box::pin(std::future::ready(Ok(()))))
                    .params(&["user", "new_password"])
                    .aliases(&["OldReset"]);
        }
        let mut jobs = Registry::new();
        jobs.register::<Reset>().unwrap();
        let mut masks = masks();
        masks.add_jobs(&jobs);

        let args = raw(r#"[7,"hunter2",1]"#);
        for class in ["Reset", "OldReset"] {
            assert_eq!(masks.line(class, &args), r#"7,"•••",1"#);
            assert_eq!(masks.each(class, &args), ["7", "•••", "1"]);
        }
        assert_eq!(masks.line("Other", &args), r#"7,"hunter2",1"#);
    }

    #[test]
    fn a_record_is_shown_without_its_secrets() {
        let record =
            br#"{"class":"Login","jid":"j","queue":"q","args":["s3cret"],"cattr":{"token":"t0ps3cret"},"x":1}"#;
        let shown = masks().record(&Payload::parse(record).unwrap());
        assert!(shown.contains("\"x\": 1") && shown.contains("\"args\": \"•••\""), "{shown}");
        assert!(!shown.contains("s3cret"), "{shown}");
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
        let lines = "{\n  \"b\": 12345678901234567890123,\n  \"a\\n\": 1.50,\n  \"c\": [],\n  \"d\": {}\n}";
        assert_eq!(masks().each("Job", &args), [lines]);
    }

    #[test]
    fn what_is_no_array_is_shown_as_it_is() {
        assert_eq!(masks().line("Job", &raw("{\"a\":1}")), "{\"a\":1}");
    }
}
