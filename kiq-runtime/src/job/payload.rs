//! Sidekiq's record of a job, field by field; what kiq does not know is kept byte for byte.
//!
//! One JSON object. Fields are kept in the order they were read, each value as the text it was, so that integers beyond
//! 64 bits, `1.10`, `1e400` and fields of other programs survive any number of retries.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::clock::Timestamp;

pub(crate) use super::fields::Record;
use super::fields::{Fields, Place, text_of};
use super::jid::Jid;
use super::options::{MAX_RETRIES, Retry};
use super::raw::RawPayload;

/// Numbers from here on are milliseconds, smaller ones seconds: 10¹¹ s is the year 5138, 10¹¹ ms is 1973.
///
/// A superset of what Sidekiq 8 does, which goes by the JSON type (wire: integers are milliseconds, floats seconds).
const MILLIS_FROM: f64 = 1e11;

/// A job as it stands in Redis.
///
/// # Examples
/// ```
/// use kiq::Payload;
///
/// let text = r#"{"class":"Pdf","args":[123456789012345678901234567890,1.10],"jid":"a1","queue":"low","locale":"de"}"#;
/// let mut job = Payload::parse(text.as_bytes())?;
/// assert_eq!(job.class(), "Pdf");
/// job.set("retry_count", &0);
/// assert_eq!(job.to_string(), text.replace('}', r#","retry_count":0}"#));
/// # Ok::<(), kiq::PayloadError>(())
/// ```
#[derive(Clone)]
pub struct Payload {
    fields: Fields,
    /// Of its name without quotes and escapes.
    class: Place,
    /// Made of the text when it is first asked for: most runs do not.
    jid: OnceLock<Jid>,
    /// Where it was read, without quotes and escapes; `None` if there is none.
    jid_at: Option<Place>,
}

impl Payload {
    /// A new job: `class`, `args` (a JSON array), `queue`, a `jid`, the time it was made, and `retry`.
    pub fn new(class: &str, args: &RawValue, queue: &str, jid: Jid, created_at: Timestamp) -> Self {
        Payload::of(class, args.get(), queue, jid, created_at)
    }

    /// The same of a text that is a JSON array.
    pub(crate) fn of(class: &str, args: &str, queue: &str, jid: Jid, created_at: Timestamp) -> Self {
        let mut fields = Fields::with_capacity(class.len() + args.len() + queue.len() + 192);
        fields.add_text("class", class);
        fields.add("args", args);
        fields.add_text("jid", jid.as_str());
        fields.add_text("queue", queue);
        fields.add("retry", "true");
        fields.add("created_at", &time_text(created_at));
        let class = fields.text_place("class").unwrap_or(Place::NOWHERE);
        Payload { fields, class, jid: jid.into(), jid_at: None }
    }

    /// What jobs that differ from this one in arguments and id have in common.
    pub(crate) fn record(&self) -> Record {
        self.fields.record()
    }

    /// Whether every reader can read `text`, which is what this payload is written as: the same as parsing it, for a
    /// payload whose fields are JSON already.
    pub(crate) fn check_written(&self, text: &str) -> Result<(), PayloadError> {
        Record::check(text, text)?;
        if self.fields.get("class").and_then(text_of).is_none() {
            return Err(PayloadError::NoClass { found: self.fields.excerpt("class") });
        }
        if !self.fields.get("args").is_some_and(|args| args.starts_with('[')) {
            return Err(PayloadError::NoArgs { class: self.class().to_owned(), found: self.fields.excerpt("args") });
        }
        Ok(())
    }

    /// Reads a stored job.
    ///
    /// # Errors
    /// When the bytes are no JSON object with a text `class` and an array `args`: it can never run. (Sidekiq loses eight
    /// kinds of these; kiq moves them to the dead set as they are.)
    pub fn parse(bytes: &[u8]) -> Result<Self, PayloadError> {
        Payload::parse_raw(bytes.to_vec().into())
    }

    /// The same of bytes that others hold, too: they are not copied.
    pub(crate) fn parse_raw(raw: RawPayload) -> Result<Self, PayloadError> {
        let mut fields = match Fields::parse(raw) {
            Ok(fields) => fields,
            Err(reason) => return Err(PayloadError::NotAnObject { reason }),
        };
        let Some(class) = fields.text_place("class") else {
            return Err(PayloadError::NoClass { found: fields.excerpt("class") });
        };
        if !fields.get("args").is_some_and(|args| args.starts_with('[')) {
            let class = fields.text(class).to_owned();
            return Err(PayloadError::NoArgs { class, found: fields.excerpt("args") });
        }
        let jid = fields.text_place("jid").filter(|place| !fields.text(*place).is_empty());
        Ok(Payload { fields, class, jid: OnceLock::new(), jid_at: jid })
    }

    /// The name of the job: what the worker looks up.
    pub fn class(&self) -> &str {
        self.fields.text(self.class)
    }

    /// The id. One without a usable `jid` field has an id derived from its bytes; the field is left as it is.
    pub fn jid(&self) -> &Jid {
        self.jid.get_or_init(|| match self.jid_at {
            Some(place) => Jid::found(self.fields.text(place)),
            None => Jid::derived(self.fields.as_read().as_bytes()),
        })
    }

    /// The arguments: a JSON array, as the text it was stored as.
    pub fn args(&self) -> &RawValue {
        // Both constructors put it there; an empty array is the only honest answer of a job whose field was removed.
        self.raw("args").unwrap_or(RawValue::NULL)
    }

    /// The same, not looked at again.
    pub(super) fn args_text(&self) -> &str {
        self.fields.get("args").unwrap_or("null")
    }

    /// The queue the job says it belongs to. The list it is found in counts more.
    pub fn queue(&self) -> Option<String> {
        self.get("queue")
    }

    /// The labels; none when the field is missing or no list of texts.
    pub fn tags(&self) -> Vec<String> {
        self.get("tags").unwrap_or_default()
    }

    /// The fields `retry` and `retry_for`, as Sidekiq 8.1 reads them: `false` for none; else a time if there is one; else a
    /// count, or anything else for the default.
    ///
    /// Negative counts are taken for 0 and those beyond 1,000 for 1,000. `None` is a job that does not say; its class
    /// decides.
    pub fn retry(&self) -> Option<Retry> {
        let raw = self.fields.get("retry").unwrap_or("null");
        let retry_for = self.get::<f64>("retry_for").filter(|seconds| *seconds > 0.0);
        match (raw, retry_for.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())) {
            ("false", _) => Some(Retry::Never),
            (_, Some(time)) => Some(Retry::For(time)),
            ("null", None) => None,
            (_, None) => Some(match raw.parse::<f64>() {
                Ok(count) => Retry::Max(count.clamp(0.0, f64::from(MAX_RETRIES)) as u32),
                Err(_) => Retry::Default,
            }),
        }
    }

    /// How many failures were recorded before this run: the field `retry_count` plus one, 0 without the field.
    ///
    /// The field is 0 after the first failure; Sidekiq's pages may set it to -1. What is no number counts as 0 retries.
    pub fn failures(&self) -> u32 {
        match self.retry_count() {
            Some(count) => u32::try_from(count.saturating_add(1)).unwrap_or(if count < 0 { 0 } else { u32::MAX }),
            None => 0,
        }
    }

    /// The field `retry_count`; 0 when it is there and no number.
    pub(crate) fn retry_count(&self) -> Option<i64> {
        let raw = self.fields.get("retry_count")?;
        match raw {
            "null" => None,
            _ => Some(raw.parse::<f64>().map_or(0, |count| count as i64)),
        }
    }

    /// Whether the job shall be kept in the dead set at its end: unless `dead` is `false`.
    pub fn dead(&self) -> bool {
        self.fields.get("dead").is_none_or(|raw| raw != "false")
    }

    /// Whether Sidekiq Enterprise encrypted its last argument: `encrypt` is `true`.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.fields.get("encrypt") == Some("true")
    }

    /// A field about retries that says nothing sensible, and is passed over: its name and what it holds, cut short.
    pub(crate) fn odd_retry_field(&self) -> Option<(&'static str, String)> {
        let is_count = |raw: &str| raw == "null" || raw.parse::<f64>().is_ok();
        let is_odd = |field: &&str| {
            let is_retry = *field == "retry";
            self.fields.get(field).is_some_and(|raw| !(is_count(raw) || is_retry && matches!(raw, "true" | "false")))
        };
        ["retry", "retry_count", "retry_for"].into_iter().find(is_odd).map(|field| (field, self.fields.excerpt(field)))
    }

    /// When the job was first enqueued.
    pub fn created_at(&self) -> Option<Timestamp> {
        self.time("created_at")
    }

    /// When the job last entered a queue.
    pub fn enqueued_at(&self) -> Option<Timestamp> {
        self.time("enqueued_at")
    }

    /// A field as a `T`; `None` when it is missing or something else.
    pub fn get<T: DeserializeOwned>(&self, field: &str) -> Option<T> {
        serde_json::from_str(self.fields.get(field)?).ok()
    }

    /// A field as the JSON text it was stored as.
    pub fn raw(&self, field: &str) -> Option<&RawValue> {
        // Every field holds one JSON value, so this does not fail.
        serde_json::from_str(self.fields.get(field)?).ok()
    }

    /// Sets a field. A new one goes to the end; a value that serde cannot write as JSON is left out.
    pub fn set<T: Serialize + ?Sized>(&mut self, field: &str, value: &T) {
        if let Ok(raw) = serde_json::value::to_raw_value(value) {
            self.fields.set(field, raw.get());
        }
    }

    /// The JSON text to store: what `to_string` answers, sooner.
    pub(crate) fn to_text(&self) -> String {
        self.fields.to_text()
    }

    /// Removes a field.
    pub fn remove(&mut self, field: &str) {
        self.fields.remove(field);
    }

    /// Sets a time, in the style of the job's `created_at`.
    ///
    /// Float seconds unless the payload came with integer milliseconds (Sidekiq 8): the one form that 6.4, 7 and 8 all
    /// read, and never a whole number of seconds, which 8 takes for 1970.
    pub fn set_time(&mut self, field: &str, time: Timestamp) {
        if self.times_are_millis() {
            self.fields.set(field, &(time.as_micros() / 1000).to_string());
        } else {
            self.fields.set(field, &time_text(time));
        }
    }

    /// Reads a time in any of the forms met in the wild: float seconds, integer milliseconds, either as text, ISO 8601.
    pub fn time(&self, field: &str) -> Option<Timestamp> {
        let raw = self.fields.get(field)?;
        let text = if raw.starts_with('"') { text_of(raw)? } else { raw.into() };
        match text.parse::<f64>() {
            Ok(number) if number >= MILLIS_FROM => Some(Timestamp::from_seconds(number / 1000.0)),
            Ok(number) if number.is_finite() => Some(Timestamp::from_seconds(number)),
            Ok(_) => None,
            Err(_) => Timestamp::parse_iso(&text),
        }
    }

    fn times_are_millis(&self) -> bool {
        let created_at = self.fields.get("created_at").unwrap_or_default();
        !created_at.contains(['.', 'e', 'E']) && created_at.parse::<f64>().is_ok_and(|n| n >= MILLIS_FROM)
    }
}

/// Float seconds. A whole second gets a microsecond: Lua's cjson would print it without its fraction.
fn time_text(time: Timestamp) -> String {
    let whole = time.as_micros() % 1_000_000 == 0;
    (if whole { time + Duration::from_micros(1) } else { time }).to_score()
}

impl fmt::Display for Payload {
    /// The JSON text to store.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fields.fmt(f)
    }
}

impl fmt::Debug for Payload {
    /// Class and jid only: arguments do not belong in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload").field("class", &self.class()).field("jid", self.jid()).finish_non_exhaustive()
    }
}

/// What was found in a queue or set is not a job and can never run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// The bytes are no JSON object.
    #[error("the payload is not a JSON object: {reason}")]
    NotAnObject {
        /// What the parser says.
        reason: String,
    },
    /// There is no class to look up.
    #[error("the payload's `class` must be a text, found {found}")]
    NoClass {
        /// The beginning of what is there.
        found: String,
    },
    /// There are no arguments to pass.
    #[error("the `args` of a {class} job must be an array, found {found}")]
    NoArgs {
        /// The class of the job.
        class: String,
        /// The beginning of what is there.
        found: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Payload {
        Payload::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn what_is_no_job_is_refused() {
        for text in [
            "",
            "{oops",
            "{\"class\":\"A\"",
            "null",
            "7",
            "\"x\"",
            "[]",
            "true",
            "{}",
            r#"{"args":[]}"#,
            r#"{"class":7,"args":[]}"#,
            r#"{"class":null,"args":[]}"#,
            r#"{"class":"A"}"#,
            r#"{"class":"A","args":null}"#,
            r#"{"class":"A","args":{}}"#,
            r#"{"class":"A","args":"x"}"#,
            r#"{"class":"A","args":["\ud800"]}"#,
            "{\"class\":\"A\",\"args\":[\"\u{0}\"]}",
            "\u{feff}{\"class\":\"A\",\"args\":[]}",
            r#"{"class":"A","args":[]} x"#,
            r#"{"class":"A","args":[]}{}"#,
            r#"{"class":"A","args":[NaN]}"#,
            r#"{"class":"A","args":[1,]}"#,
        ] {
            assert!(Payload::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Payload::parse(b"{\"class\":\"A\",\"args\":[\"\xff\"]}").is_err());
        let deep = format!(r#"{{"class":"A","args":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert!(Payload::parse(deep.as_bytes()).is_err());
    }

    #[test]
    fn unknown_fields_and_odd_numbers_survive_byte_for_byte() {
        let text =
            r#"{"class":"A","args":[1180591620717411303424,1.10,-0,1e400,{"b":1,"a":2}],"jid":"x","z":[ 1 ],"z":2}"#;

        let mut job = parse(text);
        job.set("retry_count", &3);

        assert_eq!(job.to_string(), format!("{},\"retry_count\":3}}", &text[..text.len() - 1]));
    }

    #[test]
    fn a_field_that_comes_twice_reads_the_same_before_and_after_it_is_set() {
        let mut job = parse(r#"{"class":"A","args":[],"queue":"one","queue":"two"}"#);
        assert_eq!(job.queue().as_deref(), Some("two"));

        job.set("queue", "three");

        assert_eq!(parse(&job.to_string()).queue().as_deref(), Some("three"));
    }

    #[test]
    fn retry_is_read_as_sidekiq_reads_it() {
        let retry = |value: &str| parse(&format!(r#"{{"class":"A","args":[],"retry":{value}}}"#)).retry();
        assert_eq!(retry("true"), Some(Retry::Default));
        assert_eq!(retry("false"), Some(Retry::Never));
        assert_eq!(retry("0"), Some(Retry::Max(0)));
        assert_eq!(retry("7"), Some(Retry::Max(7)));
        assert_eq!(retry("-1"), Some(Retry::Max(0)));
        assert_eq!(retry("1e30"), Some(Retry::Max(MAX_RETRIES)));
        assert_eq!(retry("\"soon\""), Some(Retry::Default));
        assert_eq!(retry("null"), None);
        assert_eq!(retry("3,\"retry_for\":60"), Some(Retry::For(Duration::from_secs(60))));
        assert_eq!(retry("false,\"retry_for\":60"), Some(Retry::Never));
        assert_eq!(retry("3,\"retry_for\":-1"), Some(Retry::Max(3)));
        assert_eq!(retry("3,\"retry_for\":\"long\""), Some(Retry::Max(3)));
        assert_eq!(retry("3,\"retry_for\":1e300"), Some(Retry::Max(3)));
        assert_eq!(parse(r#"{"class":"A","args":[]}"#).retry(), None);
    }

    #[test]
    fn failures_are_counted_from_the_field_that_starts_at_zero() {
        let failures = |value: &str| parse(&format!(r#"{{"class":"A","args":[],"retry_count":{value}}}"#)).failures();
        assert_eq!(failures("0"), 1);
        assert_eq!(failures("24"), 25);
        assert_eq!(failures("-1"), 0);
        assert_eq!(failures("-5"), 0);
        assert_eq!(failures("\"x\""), 1);
        assert_eq!(failures("1e30"), u32::MAX);
        assert_eq!(parse(r#"{"class":"A","args":[]}"#).failures(), 0);
    }

    #[test]
    fn times_are_read_in_every_form_and_written_in_the_payloads_own() {
        let at = Timestamp::from_micros(1_795_452_509_373_000);
        for form in ["1795452509.373", "1795452509373", "\"1795452509.373\"", "\"2026-11-23T16:48:29.373Z\""] {
            let job = parse(&format!(r#"{{"class":"A","args":[],"created_at":{form}}}"#));
            assert_eq!(job.created_at(), Some(at), "{form}");
        }
        assert_eq!(parse(r#"{"class":"A","args":[],"created_at":null}"#).created_at(), None);

        let mut from_eight = parse(r#"{"class":"A","args":[],"created_at":1795452509373}"#);
        from_eight.set_time("failed_at", at);
        assert_eq!(from_eight.raw("failed_at").unwrap().get(), "1795452509373");

        let mut ours = parse(r#"{"class":"A","args":[],"created_at":1795452509.5}"#);
        ours.set_time("failed_at", Timestamp::from_micros(1_795_452_509_000_000));
        assert_eq!(ours.raw("failed_at").unwrap().get(), "1795452509.000001");
    }

    #[test]
    fn a_payload_without_a_usable_jid_runs_under_a_derived_one() {
        for jid in ["7", "\"\"", "null"] {
            let text = format!(r#"{{"class":"A","args":[],"jid":{jid}}}"#);
            let job = parse(&text);
            assert!(job.jid().as_str().starts_with("nojid-"));
            assert_eq!(job.jid(), parse(&text).jid());
            assert_eq!(job.to_string(), text);
        }
    }
}
