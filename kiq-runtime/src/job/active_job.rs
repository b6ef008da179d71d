//! Jobs that Rails enqueued through ActiveJob: the real class and its arguments are inside of a wrapper's.
//!
//! Sidekiq (wire: §3.4) stores a wrapper's name as `class`, the real class as `wrapped`, and one argument: an object whose
//! `arguments` hold the real ones, with keys of ActiveJob's own (`_aj_…`) in its objects. A Rust job of the real class's name
//! takes over if its arguments are plain data. They are copied as they are written: Ruby's integers have no limit.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::fields::text_of;
use super::json::fields;
use super::payload::Payload;

/// What 8.x and what 7.x and before name the wrapper.
const WRAPPERS: [&str; 2] = ["Sidekiq::ActiveJob::Wrapper", "ActiveJob::QueueAdapters::SidekiqAdapter::JobWrapper"];

/// Of keys that ActiveJob puts into objects.
const OWN_KEYS: &str = "_aj_";

/// Those that only say which keys were symbols in Ruby.
const KINDS_OF_KEYS: [&str; 3] = ["_aj_symbol_keys", "_aj_ruby2_keywords", "_aj_hash_with_indifferent_access"];

/// The job inside of the record in which Rails enqueued it through ActiveJob.
#[derive(Clone, Copy, Debug)]
pub struct Wrapped<'a> {
    payload: &'a Payload,
}

impl Payload {
    /// The job inside, of one that Rails enqueued through ActiveJob; [`class`](Payload::class) and
    /// [`args`](Payload::args) are those of the wrapper. `None` of any other.
    ///
    /// # Examples
    /// ```
    /// let stored = r#"{"class":"Sidekiq::ActiveJob::Wrapper","wrapped":"Mail","args":[{"arguments":[7]}]}"#;
    /// let payload = kiq::Payload::parse(stored.as_bytes())?;
    ///
    /// let job = payload.wrapped().ok_or("it is none")?;
    /// assert_eq!((job.class(), job.arguments().map(|args| args.get())), (Some("Mail".to_owned()), Some("[7]")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wrapped(&self) -> Option<Wrapped<'_>> {
        WRAPPERS.contains(&self.class()).then_some(Wrapped { payload: self })
    }
}

impl<'a> Wrapped<'a> {
    /// Its class.
    pub fn class(&self) -> Option<String> {
        self.payload.get("wrapped")
    }

    /// Its arguments as ActiveJob wrote them, objects of Ruby's own among them. `None` when the record has none.
    pub fn arguments(&self) -> Option<&'a RawValue> {
        let args: Vec<&RawValue> = serde_json::from_str(self.payload.args().get()).ok()?;
        let job = args.first()?.get();
        let mut found = None;
        fields(job, |name, value, _| {
            if job.get(name) == Some("arguments") {
                found = job.get(value);
            }
        })
        .ok()?;
        serde_json::from_str(found?).ok()
    }

    /// Its arguments as plain data.
    pub(super) fn plain(&self) -> Result<Box<RawValue>, String> {
        let arguments = self.arguments().map(RawValue::get).filter(|arguments| arguments.starts_with('['));
        let arguments = arguments.ok_or("this ActiveJob has no list of `arguments`")?;
        let mut text = String::with_capacity(arguments.len());
        tidy(arguments, &mut text)?;
        RawValue::from_string(text).map_err(|error| error.to_string())
    }
}

/// Copies a value without what ActiveJob noted of the kinds of keys. An object of Ruby's own cannot be had here.
fn tidy(value: &str, text: &mut String) -> Result<(), String> {
    // No deeper than a payload may be (json::MAX_DEPTH).
    match value.trim_start().as_bytes().first() {
        Some(b'[') => {
            let values: Vec<&RawValue> = serde_json::from_str(value).map_err(|error| error.to_string())?;
            text.push('[');
            for (at, value) in values.into_iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                tidy(value.get(), text)?;
            }
            text.push(']');
        }
        Some(b'{') => {
            let mut pairs = Vec::new();
            fields(value, |name, value, _| pairs.push((name, value))).map_err(|fault| fault.to_string())?;
            text.push('{');
            let empty = text.len();
            for (name, what) in pairs {
                let (Some(name), Some(what)) = (value.get(name), value.get(what)) else { continue };
                let quoted = format!("\"{name}\"");
                let key = text_of(&quoted).unwrap_or(Cow::Borrowed(name));
                if KINDS_OF_KEYS.contains(&&*key) {
                    continue;
                }
                if key.starts_with(OWN_KEYS) {
                    return Err(format!(
                        "an argument is an object of Ruby's ({key} {what}), which only Rails can read; enqueue its id instead"
                    ));
                }
                if text.len() > empty {
                    text.push(',');
                }
                text.push_str(&quoted);
                text.push(':');
                tidy(what, text)?;
            }
            text.push('}');
        }
        _ => text.push_str(value),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(class: &str, arguments: &str) -> Payload {
        let text = format!(
            r#"{{"class":"{class}","wrapped":"SendMail","args":[{{"job_class":"SendMail","arguments":{arguments},"executions":0}}]}}"#
        );
        Payload::parse(text.as_bytes()).unwrap()
    }

    fn plain(arguments: &str) -> Result<String, String> {
        job(WRAPPERS[0], arguments).wrapped().unwrap().plain().map(|args| args.get().to_owned())
    }

    #[test]
    fn the_arguments_come_out_of_either_wrapper_as_plain_data() {
        for wrapper in WRAPPERS {
            let job = job(wrapper, r#"[7,"a",{"to":"b","_aj_symbol_keys":["to"],"more":[{"_aj_ruby2_keywords":[]}]}]"#);
            let job = job.wrapped().unwrap();
            assert_eq!(job.class().as_deref(), Some("SendMail"));
            assert_eq!(job.plain().unwrap().get(), r#"[7,"a",{"to":"b","more":[{}]}]"#);
        }
    }

    /// No number that Ruby can write is changed, and no text.
    #[test]
    fn numbers_and_texts_stay_as_they_are_written() {
        for arguments in [
            "[123456789012345678901234567890,-98765432109876543210,1.0,1e400]",
            r#"[{"b":[1.10, {"a":18446744073709551616}],"\u00e9\"":"\u00e9\\\/"},[],{},null,true]"#,
        ] {
            assert_eq!(plain(arguments).unwrap(), arguments.replace(", ", ","));
        }
    }

    #[test]
    fn a_record_of_rails_is_refused_by_name() {
        for key in ["_aj_globalid", r"_aj\u005fglobalid"] {
            let found = plain(&format!(r#"[[{{"{key}":"gid://shop/User/5"}}]]"#)).unwrap_err();
            assert!(found.contains("_aj_globalid \"gid://shop/User/5\""), "{found}");
            assert!(found.contains("enqueue its id instead"), "{found}");
        }
        for no_list in ["7", "null", r#"{"_aj_globalid":"x"}"#] {
            assert!(plain(no_list).unwrap_err().contains("no list of `arguments`"));
        }
    }

    #[test]
    fn other_jobs_are_left_alone() {
        assert!(job("SendMail", "[]").wrapped().is_none());
    }
}
