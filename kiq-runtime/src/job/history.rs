//! The errors of a job's earlier attempts: kept with it, bounded.
//!
//! The last error is where Sidekiq has it (`error_class`, `error_message`). When another takes its place, it goes to the list
//! `kiq_errors`, where one that came several times in a row is one entry that counts.
//!
//! Sidekiq's job pages print fields they do not know as HTML, unescaped (sidekiq 8.1 `web/views/_job_info.html.erb`, "Extras"),
//! and an error's text is often another's input. So no markup gets into these fields; `error_message`, which they escape, keeps
//! its characters.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

use super::failure::display_class;
use super::payload::Payload;

/// The field of the list.
const FIELD: &str = "kiq_errors";

/// The field of the last error's causes.
const CAUSES: &str = "kiq_causes";

/// Entries kept. The first always stays; the oldest after it go.
pub const MAX_PAST_ERRORS: usize = 20;

/// Characters of a message kept.
pub const MAX_PAST_MESSAGE: usize = 500;

/// The beginning of a text, without what a page would take for markup.
fn harmless(text: &str) -> String {
    let harmless = |c| match c {
        '<' => '‹',
        '>' => '›',
        c => c,
    };
    text.chars().take(MAX_PAST_MESSAGE).map(harmless).collect()
}

/// An error of an earlier attempt, or of several in a row that failed alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PastError {
    /// Its class, as `error_class` had it.
    pub class: String,
    /// The first 500 characters of its message, with `‹ ›` for `< >`.
    pub message: String,
    /// How many attempts in a row failed with it.
    pub times: u32,
    /// When the last of them failed, in seconds since the epoch.
    pub last: f64,
}

impl PastError {
    /// When the last of its attempts failed.
    pub fn last_at(&self) -> Timestamp {
        Timestamp::from_seconds(self.last)
    }
}

impl Payload {
    /// The errors of the attempts before the last, oldest first: at most 20 entries, each for one error or several alike in
    /// a row. The last error is in `error_class` and `error_message`.
    pub fn past_errors(&self) -> Vec<PastError> {
        self.get(FIELD).unwrap_or_default()
    }

    /// The causes of the last error, outermost first: at most 20, each its first 500 characters, with `‹ ›` for
    /// `< >`.
    pub fn error_causes(&self) -> Vec<String> {
        self.get(CAUSES).unwrap_or_default()
    }

    /// Writes down what the last error comes from, in place of what another came from.
    pub(crate) fn set_error_causes(&mut self, causes: &[String]) {
        if causes.is_empty() {
            self.remove(CAUSES);
            return;
        }
        let causes: Vec<String> = causes.iter().map(|cause| harmless(cause)).collect();
        self.set(CAUSES, &causes);
    }

    /// Puts the error that is there on the list, before another takes its place.
    pub(crate) fn remember_error(&mut self) {
        let Some(class) = self.get::<String>("error_class") else { return };
        // Another program may have written these.
        let class = display_class(&class);
        let message = harmless(&self.get::<String>("error_message").unwrap_or_default());
        let at = self.time("retried_at").or_else(|| self.time("failed_at"));
        let last = at.map_or(0.0, |at| at.as_micros() as f64 / 1e6);
        let mut errors = self.past_errors();
        match errors.last_mut() {
            Some(same) if same.class == class && same.message == message => {
                same.times = same.times.saturating_add(1);
                same.last = last;
            }
            _ => errors.push(PastError { class, message, times: 1, last }),
        }
        let too_many = errors.len().saturating_sub(MAX_PAST_ERRORS);
        errors.drain(1..=too_many);
        self.set(FIELD, &errors);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(job: &mut Payload, class: &str, message: &str, at: f64) {
        job.remember_error();
        job.set("error_class", class);
        job.set("error_message", message);
        job.set("retried_at", &at);
    }

    fn job() -> Payload {
        Payload::parse(br#"{"class":"A","args":[]}"#).unwrap()
    }

    #[test]
    fn errors_that_repeat_are_one_entry_that_counts() {
        let mut job = job();
        failed(&mut job, "Down", "no answer", 1.5);
        assert!(job.raw("kiq_errors").is_none());
        failed(&mut job, "Down", "no answer", 2.5);
        failed(&mut job, "Gone", "x", 3.5);
        failed(&mut job, "Down", "no answer", 4.5);

        let past: Vec<_> = job.past_errors().into_iter().map(|error| (error.class, error.times, error.last)).collect();
        assert_eq!(past, [("Down".to_owned(), 2, 2.5), ("Gone".to_owned(), 1, 3.5)]);
    }

    #[test]
    fn the_list_is_bounded_and_keeps_the_first() {
        let mut job = job();
        for n in 0..100 {
            failed(&mut job, &format!("E{n}"), &"x".repeat(100_000), f64::from(n));
        }

        let past = job.past_errors();
        assert_eq!(past.len(), MAX_PAST_ERRORS);
        assert_eq!((past[0].class.as_str(), past[19].class.as_str()), ("E0", "E98"));
        assert!(job.raw("kiq_errors").unwrap().get().len() < 12_000);
    }

    /// wire: 15. Sidekiq's pages print both fields as they are.
    #[test]
    fn no_markup_gets_into_the_fields() {
        let mut job = job();
        failed(&mut job, "Bad<E>", "<script>alert(1)</script>", 1.5);
        job.remember_error();
        job.set_error_causes(&["<b>a & b".to_owned()]);

        assert_eq!(job.raw("kiq_causes").unwrap().get(), r#"["‹b›a & b"]"#);
        let past = &job.past_errors()[0];
        assert_eq!((past.class.as_str(), past.message.as_str()), ("Bad‹E›", "‹script›alert(1)‹/script›"));
        job.remember_error();
        assert_eq!(job.past_errors()[0].times, 2);
    }

    #[test]
    fn a_list_of_absurd_length_is_cut_at_once() {
        let entry = r#"{"class":"E","message":"m","times":1,"last":1.5}"#;
        let list = vec![entry; 100_000].join(",");
        let text = format!(r#"{{"class":"A","args":[],"error_class":"F","kiq_errors":[{list}]}}"#);
        let mut job = Payload::parse(text.as_bytes()).unwrap();

        job.remember_error();

        let past = job.past_errors();
        assert_eq!((past.len(), past[19].class.as_str()), (MAX_PAST_ERRORS, "F"));
    }

    #[test]
    fn a_list_that_somebody_made_something_else_is_begun_anew() {
        let mut job = Payload::parse(br#"{"class":"A","args":[],"error_class":"E","kiq_errors":7}"#).unwrap();
        job.remember_error();
        assert_eq!(job.past_errors().len(), 1);
    }
}
