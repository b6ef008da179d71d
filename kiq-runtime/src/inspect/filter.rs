//! Which jobs: the words an operator types, on the command line and on every page.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::broker::{JobSet, Place};
use crate::clock::{Timestamp, parse_duration};
use crate::job::Payload;
use crate::suggest::closest;

use super::Found;
use super::groups::group_key;

/// The longest filter, in bytes.
const LONGEST: usize = 256;

/// What can stand before the colon.
const FIELDS: [&str; 12] =
    ["class", "queue", "error", "msg", "tag", "jid", "retries", "age", "next", "since", "group", "args"];

/// Which jobs, as an operator says it: words that all must hold.
///
/// | word | holds for |
/// |---|---|
/// | `class:ChargeCard,SendMail` | jobs of one of the classes |
/// | `queue:mail` | jobs in, of or for the queue |
/// | `error:HttpStatus` | jobs whose last error's class is that, or ends with it |
/// | `msg:"timed out"` | jobs whose last error's message contains that |
/// | `tag:tenant-7` | jobs with that tag |
/// | `jid:b0db36cee8` | the job with that id |
/// | `retries:>3`, `retries:0` | jobs that were retried so often |
/// | `age:>1h` | jobs that failed last, came into their queue, or were made, longer ago than that |
/// | `next:<10m` | jobs that are due within that time |
/// | `since:deploy`, `since:2h` | jobs to which that happened after the last deploy, or not longer ago than that |
/// | `group:77a1f05b2c3d4e5f` | jobs of that class with that error: see [`Group`](super::Group) |
/// | `args.0.order.id:55` | jobs with that value in their arguments |
/// | `-class:X` | what `class:X` does not |
/// | `word` | jobs whose JSON contains the word |
///
/// Commas mean "or". Durations are `90s`, `10m`, `1h`, `7d`. `since:deploy` needs to be told when that was: it comes from
/// [`Inspector::filter`](super::Inspector::filter), and means nothing until then.
///
/// # Examples
/// ```
/// use kiq::inspect::Filter;
///
/// let filter = Filter::parse(r#"class:ChargeCard -msg:"card declined" age:>1h"#)?;
/// assert_eq!(filter.to_string(), r#"class:ChargeCard -msg:"card declined" age:>1h"#);
/// assert_eq!(
///     Filter::parse("clas:X").unwrap_err().to_string(),
///     r#"in the filter, "clas:X" cannot be used: there is no field clas; did you mean class?"#
/// );
/// # Ok::<(), kiq::inspect::FilterError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Filter {
    text: String,
    terms: Vec<Term>,
    hidden: Option<Hidden>,
}

/// What nobody may find: see [`Filter::hiding`].
#[derive(Clone)]
struct Hidden(Arc<dyn Fn(Hide<'_>) -> bool + Send + Sync>);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden")
    }
}

/// What may be hidden of arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hide<'a> {
    /// The values of a key.
    Key(&'a str),
    /// All arguments of a class.
    Class(&'a str),
    /// One argument of a class, counted from 0.
    Argument(&'a str, usize),
}

#[derive(Clone, Debug)]
struct Term {
    is_negated: bool,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    Class(Vec<String>),
    Queue(Vec<String>),
    Error(Vec<String>),
    Message(Vec<String>),
    Tag(Vec<String>),
    Jid(Vec<String>),
    Retries(Compare, u32),
    Age(Compare, Duration),
    Next(Compare, Duration),
    /// Since the last deploy, once that is known.
    SinceDeploy(Option<Timestamp>),
    Group(Vec<String>),
    Args(Vec<String>, Vec<String>),
    Text(String),
}

#[derive(Clone, Copy, Debug)]
enum Compare {
    Less,
    Equal,
    More,
}

impl Compare {
    fn holds<T: PartialOrd>(self, left: T, right: T) -> bool {
        match self {
            Compare::Less => left < right,
            Compare::Equal => left == right,
            Compare::More => left > right,
        }
    }
}

/// A filter that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("in the filter, {word:?} cannot be used: {reason}")]
pub struct FilterError {
    /// The word at fault.
    pub word: String,
    /// What is wrong with it, and what is right.
    pub reason: String,
}

impl Filter {
    /// Takes the words apart.
    ///
    /// # Errors
    /// Names the word that cannot be used, and why.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let fault = |word: &str, reason: &str| FilterError { word: word.to_owned(), reason: reason.to_owned() };
        if text.len() > LONGEST {
            let begin: String = text.chars().take(20).collect();
            return Err(fault(&begin, "the filter is longer than 256 bytes"));
        }
        let words = split(text).map_err(|word| fault(&word, "its quote has no end"))?;
        let mut terms = Vec::with_capacity(words.len());
        for word in words {
            let test = Test::parse(&word).map_err(|reason| fault(&word.shown, &reason))?;
            terms.push(Term { is_negated: word.is_negated, test });
        }
        Ok(Filter { text: text.trim().to_owned(), terms, hidden: None })
    }

    /// Everything.
    pub fn all() -> Self {
        Filter::default()
    }

    /// Jobs of that id.
    pub fn jid(jid: &str) -> Self {
        let test = Test::Jid(vec![jid.to_owned()]);
        Filter { text: format!("jid:{jid}"), terms: vec![Term { is_negated: false, test }], hidden: None }
    }

    /// Whether it leaves nothing out.
    pub fn is_all(&self) -> bool {
        self.terms.is_empty()
    }

    /// Finds nothing by what is hidden of arguments, lest somebody guess it word by word.
    #[must_use]
    pub fn hiding(mut self, hides: impl Fn(Hide<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.hidden = Some(Hidden(Arc::new(hides)));
        self
    }

    /// Whether it has to be told when the last deploy was.
    pub(super) fn needs_deploy(&self) -> bool {
        self.terms.iter().any(|term| matches!(term.test, Test::SinceDeploy(None)))
    }

    /// Tells it when the last deploy was.
    pub(super) fn with_deploy(mut self, at: Timestamp) -> Self {
        for term in &mut self.terms {
            if let Test::SinceDeploy(since) = &mut term.test {
                *since = Some(at);
            }
        }
        self
    }

    /// Whether a job is meant, at that time.
    pub fn matches(&self, found: &Found, now: Timestamp) -> bool {
        !self.needs_deploy()
            && self.terms.iter().all(|term| term.test.holds(found, now, self.hidden.as_ref()) != term.is_negated)
    }

    /// The times between which everything is that it means, of a sorted set.
    pub(super) fn times(&self, place: &Place, now: Timestamp) -> (Option<Timestamp>, Option<Timestamp>) {
        let (mut from, mut to) = (None, None);
        let mut not_before = |at: Timestamp| from = Some(from.map_or(at, |from: Timestamp| from.max(at)));
        let mut not_after = |at: Timestamp| to = Some(to.map_or(at, |to: Timestamp| to.min(at)));
        let is_dead = *place == Place::Set(JobSet::Dead);
        for term in self.terms.iter().filter(|term| !term.is_negated) {
            match &term.test {
                Test::Next(Compare::Less, span) => not_after(now + *span),
                Test::Next(Compare::More, span) => not_before(now + *span),
                // What is dead has died at its time.
                Test::Age(Compare::Less, span) if is_dead => not_before(now - *span),
                Test::Age(Compare::More, span) if is_dead => not_after(now - *span),
                Test::SinceDeploy(Some(at)) if is_dead => not_before(*at),
                _ => {}
            }
        }
        (from, to)
    }

    /// Bytes that whatever matches has in it, so that a store can leave out the rest.
    pub(super) fn hint(&self) -> Option<&str> {
        let hints = self.terms.iter().filter(|term| !term.is_negated).filter_map(|term| match &term.test {
            Test::Class(any) | Test::Tag(any) | Test::Jid(any) => match any.as_slice() {
                // What JSON writes with an escape is not there as it is.
                [one] if one.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-:.".contains(&b)) => Some(one.as_str()),
                _ => None,
            },
            _ => None,
        });
        hints.max_by_key(|hint| hint.len())
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

struct Word {
    /// As it was typed.
    shown: String,
    is_negated: bool,
    /// What stands before the first colon outside of quotes.
    field: Option<String>,
    /// The rest, without its quotes.
    value: String,
}

/// Words end at blanks outside of quotes. An error is the word whose quote has no end.
fn split(text: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (mut shown, mut value, mut field, mut is_quoted) = (String::new(), String::new(), None, false);
        let mut end = rest.len();
        for (at, c) in rest.char_indices() {
            match c {
                '"' => is_quoted = !is_quoted,
                c if c.is_whitespace() && !is_quoted => {
                    end = at;
                    break;
                }
                ':' if !is_quoted && field.is_none() => field = Some(std::mem::take(&mut value)),
                c => value.push(c),
            }
            shown.push(c);
        }
        if is_quoted {
            return Err(shown);
        }
        let mut is_negated = false;
        // A lone dash is a word to look for.
        if shown.len() > 1 && shown.starts_with('-') {
            is_negated = true;
            let first = field.as_mut().unwrap_or(&mut value);
            *first = first.trim_start_matches('-').to_owned();
        }
        words.push(Word { shown, is_negated, field, value });
        rest = rest.get(end..).unwrap_or_default().trim_start();
    }
    Ok(words)
}

impl Test {
    fn parse(word: &Word) -> Result<Self, String> {
        let value = word.value.as_str();
        let Some(field) = &word.field else { return Ok(Test::Text(value.to_owned())) };
        if value.is_empty() {
            return Err(format!("nothing follows {field}:"));
        }
        let any = || value.split(',').filter(|one| !one.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        match field.as_str() {
            "class" => Ok(Test::Class(any())),
            "queue" => Ok(Test::Queue(any())),
            "error" => Ok(Test::Error(any())),
            "msg" => Ok(Test::Message(any())),
            "tag" => Ok(Test::Tag(any())),
            "jid" => Ok(Test::Jid(any())),
            "retries" => {
                let (compare, number) = compare(value);
                let number =
                    number.parse().map_err(|_| format!("{number:?} is no number; write it like retries:>3"))?;
                Ok(Test::Retries(compare, number))
            }
            "since" if value == "deploy" => Ok(Test::SinceDeploy(None)),
            "since" => {
                let span = parse_duration(value).ok_or_else(|| {
                    format!("{value:?} is neither deploy nor a length of time; write it like since:deploy, 90s, 10m, 1h or 7d")
                })?;
                Ok(Test::Age(Compare::Less, span))
            }
            "group" => Ok(Test::Group(any())),
            "age" | "next" => {
                let (compare, span) = compare(value);
                let span = parse_duration(span).ok_or_else(|| {
                    format!("{span:?} is no length of time; write it like {field}:>90s, 10m, 1h or 7d")
                })?;
                Ok(if field == "age" { Test::Age(compare, span) } else { Test::Next(compare, span) })
            }
            field if field == "args" || field.starts_with("args.") => {
                Ok(Test::Args(field.split('.').skip(1).map(str::to_owned).collect(), any()))
            }
            field => Err(match closest(field, FIELDS) {
                Some(near) => format!("there is no field {field}; did you mean {near}?"),
                None => format!(
                    "there is no field {field}; there are {} (put a word with a colon in quotes)",
                    FIELDS.join(", ")
                ),
            }),
        }
    }

    fn holds(&self, found: &Found, now: Timestamp, hidden: Option<&Hidden>) -> bool {
        let job = found.payload.as_ref().ok();
        match self {
            Test::Class(any) => any.iter().any(|class| class == found.class()),
            Test::Queue(any) => found.queue().is_some_and(|queue| any.contains(&queue)),
            Test::Error(any) => found.error().is_some_and(|(class, _)| any.iter().any(|end| is_end(&class, end))),
            Test::Message(any) => found.error().is_some_and(|(_, text)| any.iter().any(|part| text.contains(part))),
            Test::Tag(any) => job.is_some_and(|job| job.tags().iter().any(|tag| any.contains(tag))),
            Test::Jid(any) => any.iter().any(|jid| jid == found.jid()),
            Test::Retries(compare, number) => {
                job.is_some_and(|job| compare.holds(job.failures().saturating_sub(1), *number))
            }
            Test::Age(compare, span) => found.happened_at().is_some_and(|at| compare.holds(now.since(at), *span)),
            Test::Next(compare, span) => found.at.is_some_and(|at| compare.holds(at.since(now), *span)),
            Test::SinceDeploy(since) => {
                found.happened_at().zip(*since).is_some_and(|(happened, since)| happened >= since)
            }
            Test::Group(any) => any.contains(&group_key(found)),
            Test::Args(path, any) => job.is_some_and(|job| {
                let args = shown_args(job, hidden);
                at_path(&args, path).is_some_and(|value| any.iter().any(|wanted| is_value(value, wanted)))
            }),
            Test::Text(text) => {
                let is_there = String::from_utf8_lossy(&found.bytes).contains(text.as_str());
                is_there && hidden.is_none_or(|hidden| is_shown(found, text, hidden))
            }
        }
    }
}

/// The arguments, without what is hidden.
fn shown_args(job: &Payload, hidden: Option<&Hidden>) -> Value {
    let mut args: Value = serde_json::from_str(job.args().get()).unwrap_or_default();
    if let Some(hidden) = hidden {
        if (hidden.0)(Hide::Class(job.class())) {
            return Value::Null;
        }
        for (at, arg) in args.as_array_mut().into_iter().flatten().enumerate() {
            if (hidden.0)(Hide::Argument(job.class(), at)) {
                *arg = Value::Null;
            }
        }
        hide(&mut args, hidden);
    }
    args
}

fn hide(value: &mut Value, hidden: &Hidden) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| hide(item, hidden)),
        Value::Object(fields) => {
            fields.retain(|key, _| !(hidden.0)(Hide::Key(key)));
            fields.values_mut().for_each(|field| hide(field, hidden));
        }
        _ => {}
    }
}

/// Whether a word that is in the bytes of a job is in what is not hidden of it.
fn is_shown(found: &Found, text: &str, hidden: &Hidden) -> bool {
    let Ok(job) = &found.payload else { return true };
    let Ok(Value::Object(mut fields)) = serde_json::from_slice(&found.bytes) else { return false };
    fields.insert("args".to_owned(), shown_args(job, Some(hidden)));
    fields.iter().any(|(name, value)| format!("\"{name}\":{value}").contains(text))
}

/// `Status` is the end of `http::Status`, and not of `BadStatus`.
fn is_end(class: &str, end: &str) -> bool {
    class.strip_suffix(end).is_some_and(|begin| begin.is_empty() || begin.ends_with("::"))
}

fn at_path<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, step| match value {
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        Value::Object(fields) => fields.get(step),
        _ => None,
    })
}

/// The value itself; or, without a path to the end, any value inside.
fn is_value(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text == wanted,
        Value::Array(items) => items.iter().any(|item| is_value(item, wanted)),
        Value::Object(fields) => fields.values().any(|field| is_value(field, wanted)),
        Value::Number(number) => number.to_string() == wanted,
        Value::Bool(is) => (if *is { "true" } else { "false" }) == wanted,
        Value::Null => wanted == "null",
    }
}

fn compare(value: &str) -> (Compare, &str) {
    match (value.strip_prefix('>'), value.strip_prefix('<')) {
        (Some(rest), _) => (Compare::More, rest),
        (_, Some(rest)) => (Compare::Less, rest),
        _ => (Compare::Equal, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::{JobSet, Place};

    const NOW: Timestamp = Timestamp::from_micros(1_795_452_509_000_000);

    fn found() -> Found {
        let job = r#"{"class":"Shop::Charge","args":[55,{"order":{"id":"a7"}}],"jid":"b0db","queue":"high","tags":["t7"],
            "retry_count":4,"failed_at":1795448909.0,"error_class":"http::Status","error_message":"503 \u2013 timed out"}"#;
        Found::new(&Place::Set(JobSet::Retry), Some(NOW + Duration::from_secs(300)), job.into())
    }

    fn matches(text: &str) -> bool {
        Filter::parse(text).unwrap().matches(&found(), NOW)
    }

    #[test]
    fn each_word_holds_for_what_it_says() {
        for text in [
            "",
            "class:Other,Shop::Charge",
            "queue:high",
            "error:Status",
            "error:http::Status",
            r#"msg:"timed out""#,
            "tag:t7",
            "jid:b0db",
            "retries:>3",
            "retries:4",
            "age:>59m",
            "age:1h",
            "next:<10m",
            "since:2h",
            "args.0:55",
            "args.1.order.id:a7",
            "args:a7",
            "-class:Other",
            "b0db tag:t7 -tag:t8",
            "-",
        ] {
            assert!(matches(text) || text == "-", "{text}");
            assert!(
                text.is_empty()
                    || text == "-"
                    || text.starts_with('-')
                    || !matches(&format!("-{text}"))
                    || text.contains(' '),
                "-{text}"
            );
        }
        for text in [
            "class:shop::charge",
            "error:tatus",
            "retries:>4",
            "age:>1h",
            "next:>10m",
            "args.0:5",
            "args.9:55",
            "tag:t",
            "zzz",
        ] {
            assert!(!matches(text), "{text}");
        }
    }

    #[test]
    fn a_word_that_cannot_be_used_is_named_with_the_remedy() {
        for (text, words) in [
            ("class:", "nothing follows class:"),
            ("age:>1y", "write it like age:>90s"),
            ("retries:x", "write it like retries:>3"),
            (r#"msg:"open"#, "its quote has no end"),
            ("quue:x", "did you mean queue?"),
            ("http://x", "put a word with a colon in quotes"),
        ] {
            let error = Filter::parse(text).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        assert!(Filter::parse(&"x".repeat(257)).unwrap_err().to_string().contains("longer than 256 bytes"));
        assert!(Filter::parse(r#""http://x""#).is_ok());
    }

    #[test]
    fn a_group_holds_for_what_is_alike() {
        let group = group_key(&found());
        assert!(matches(&format!("group:{group}")) && matches(&format!("group:0,{group}")));
        assert!(!matches("group:0") && !matches(&format!("-group:{group}")));
    }

    #[test]
    fn since_the_deploy_means_nothing_until_it_is_told_when_that_was() {
        let failed_at = Timestamp::from_micros(1_795_448_909_000_000);
        for text in ["since:deploy", "-since:deploy"] {
            assert!(!matches(text), "{text}");
        }
        let since = |text: &str, at| Filter::parse(text).unwrap().with_deploy(at).matches(&found(), NOW);
        assert!(since("since:deploy", failed_at) && !since("-since:deploy", failed_at));
        assert!(!since("since:deploy", failed_at + Duration::from_secs(1)));
    }

    #[test]
    fn what_is_hidden_is_not_found() {
        let job = r#"{"class":"Login","args":[{"password":"hunter2","name":"ann"}],"jid":"b0db","tags":["hunter3"]}"#;
        let job = Found::new(&Place::Set(JobSet::Retry), None, job.into());
        let finds = |text: &str| {
            let filter = Filter::parse(text).unwrap();
            let masked = filter.clone().hiding(|hide| hide == Hide::Key("password"));
            let all_masked = filter.clone().hiding(|hide| hide == Hide::Class("Login"));
            let first_masked = filter.clone().hiding(|hide| hide == Hide::Argument("Login", 0));
            assert_eq!(first_masked.matches(&job, NOW), all_masked.matches(&job, NOW), "{text}");
            [filter, masked, all_masked].map(|filter| filter.matches(&job, NOW))
        };
        for text in ["hunter2", "args:hunter2", "args.0.password:hunter2", "password"] {
            assert_eq!(finds(text), [true, false, false], "{text}");
        }
        for text in ["ann", "args:ann", "args.0.name:ann"] {
            assert_eq!(finds(text), [true, true, false], "{text}");
        }
        for text in ["hunter3", "tag:hunter3", "Login", "b0db"] {
            assert_eq!(finds(text), [true, true, true], "{text}");
        }
    }

    #[test]
    fn times_bound_what_is_read() {
        let times = |text: &str, set| Filter::parse(text).unwrap().times(&Place::Set(set), NOW);
        let (hour, minute) = (Duration::from_secs(3600), Duration::from_secs(60));
        assert_eq!(times("next:<1h next:>1m", JobSet::Retry), (Some(NOW + minute), Some(NOW + hour)));
        assert_eq!(times("next:<1h next:<1m", JobSet::Retry), (None, Some(NOW + minute)));
        assert_eq!(times("age:<1h age:>1m", JobSet::Dead), (Some(NOW - hour), Some(NOW - minute)));
        assert_eq!(times("age:<1h -next:<1h class:X next:1h", JobSet::Retry), (None, None));
        let since = Filter::parse("since:deploy").unwrap().with_deploy(NOW - minute);
        assert_eq!(since.times(&Place::Set(JobSet::Dead), NOW), (Some(NOW - minute), None));
        assert_eq!(since.times(&Place::Set(JobSet::Retry), NOW), (None, None));
    }

    #[test]
    fn the_store_is_told_only_what_every_match_has_in_it() {
        assert_eq!(Filter::parse("class:Charge tag:tenant-77").unwrap().hint(), Some("tenant-77"));
        assert_eq!(Filter::parse("class:A,B -jid:abc error:X word").unwrap().hint(), None);
        assert_eq!(Filter::parse("class:Gebühr").unwrap().hint(), None);
    }
}
