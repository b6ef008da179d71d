//! Jobs that Rails enqueued through ActiveJob: the real class and its arguments are inside of a wrapper's.
//!
//! Sidekiq (wire: §3.4) stores a wrapper's name as `class`, the real class as `wrapped`, and one argument: an object whose
//! `arguments` hold the real ones, with keys of ActiveJob's own (`_aj_…`) in its objects. A Rust job of the real class's name
//! takes over if its arguments are plain data.

use serde_json::Value;
use serde_json::value::RawValue;

use super::payload::Payload;

/// What 8.x and what 7.x and before name the wrapper.
const WRAPPERS: [&str; 2] = ["Sidekiq::ActiveJob::Wrapper", "ActiveJob::QueueAdapters::SidekiqAdapter::JobWrapper"];

/// Of keys that ActiveJob puts into objects.
const OWN_KEYS: &str = "_aj_";

/// Those that only say which keys were symbols in Ruby.
const KINDS_OF_KEYS: [&str; 3] = ["_aj_symbol_keys", "_aj_ruby2_keywords", "_aj_hash_with_indifferent_access"];

/// The real class of a wrapped job.
pub fn wrapped(payload: &Payload) -> Option<String> {
    if WRAPPERS.contains(&payload.class()) { payload.get("wrapped") } else { None }
}

/// The real arguments of a wrapped job; `None` of any other.
pub fn arguments(payload: &Payload) -> Option<Result<Box<RawValue>, String>> {
    WRAPPERS.contains(&payload.class()).then(|| unwrap(payload.args().get()))
}

fn unwrap(args: &str) -> Result<Box<RawValue>, String> {
    let args: Vec<Value> = serde_json::from_str(args).map_err(|error| error.to_string())?;
    let Some(Value::Array(mut arguments)) =
        args.into_iter().next().and_then(|mut job| job.get_mut("arguments").map(Value::take))
    else {
        return Err("this ActiveJob has no list of `arguments`".to_owned());
    };
    arguments.iter_mut().try_for_each(tidy)?;
    serde_json::value::to_raw_value(&arguments).map_err(|error| error.to_string())
}

/// Removes what ActiveJob noted of the kinds of keys. An object of Ruby's own cannot be had here.
fn tidy(value: &mut Value) -> Result<(), String> {
    match value {
        Value::Array(values) => values.iter_mut().try_for_each(tidy),
        Value::Object(fields) => {
            KINDS_OF_KEYS.iter().for_each(|key| drop(fields.remove(*key)));
            if let Some((key, what)) = fields.iter().find(|(key, _)| key.starts_with(OWN_KEYS)) {
                return Err(format!(
                    "an argument is an object of Ruby's ({key} {what}), which only Rails can read; enqueue its id instead"
                ));
            }
            fields.values_mut().try_for_each(tidy)
        }
        _ => Ok(()),
    }
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

    #[test]
    fn the_arguments_come_out_of_either_wrapper_as_plain_data() {
        for wrapper in WRAPPERS {
            let job = job(wrapper, r#"[7,"a",{"to":"b","_aj_symbol_keys":["to"],"more":[{"_aj_ruby2_keywords":[]}]}]"#);
            assert_eq!(wrapped(&job).as_deref(), Some("SendMail"));
            assert_eq!(arguments(&job).unwrap().unwrap().get(), r#"[7,"a",{"more":[{}],"to":"b"}]"#);
        }
    }

    #[test]
    fn a_record_of_rails_is_refused_by_name() {
        let found = arguments(&job(WRAPPERS[0], r#"[[{"_aj_globalid":"gid://shop/User/5"}]]"#)).unwrap().unwrap_err();
        assert!(found.contains("_aj_globalid \"gid://shop/User/5\""), "{found}");
        assert!(found.contains("enqueue its id instead"), "{found}");
        assert!(arguments(&job(WRAPPERS[0], "7")).unwrap().is_err());
    }

    #[test]
    fn other_jobs_are_left_alone() {
        let job = job("SendMail", "[]");
        assert_eq!(wrapped(&job), None);
        assert!(arguments(&job).is_none());
    }
}
