//! Payloads as stable text, for snapshot tests: what is different in every run is redacted.

use std::collections::BTreeMap;

use kiq_runtime::job::Payload;
use serde_json::value::RawValue;

use crate::fake::Fake;
use crate::waiting::Waiting;

/// Fields that hold a time.
const TIMES: [&str; 4] = ["created_at", "enqueued_at", "failed_at", "retried_at"];

impl Fake {
    /// All jobs that wait, as JSON: fields by name, ids and times redacted, `delay` in place of the time a job waits for. Made
    /// for `insta::assert_snapshot!` and its like: a payload that changes its form between releases is seen in review.
    ///
    /// # Examples
    /// ```standalone_crate
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// #[kiq::job(queue = "mail", retry = 5)]
    /// async fn send_welcome(user_id: u64) { let _ = user_id; }
    ///
    /// let kiq = kiq_testing::fake();
    /// SendWelcome::enqueue(7).delay(std::time::Duration::from_secs(90)).await?;
    ///
    /// assert_eq!(kiq.snapshot(), r#"[
    ///   {
    ///     "args": [7],
    ///     "class": "SendWelcome",
    ///     "created_at": "[time]",
    ///     "delay": "90s",
    ///     "jid": "[jid]",
    ///     "queue": "mail",
    ///     "retry": 5
    ///   }
    /// ]"#);
    /// # Ok(())
    /// # }
    /// ```
    pub fn snapshot(&self) -> String {
        let jobs: Vec<String> = self.waiting().iter().map(job).collect();
        match jobs.is_empty() {
            true => "[]".to_owned(),
            false => format!("[\n{}\n]", jobs.join(",\n")),
        }
    }
}

fn job(waiting: &Waiting) -> String {
    let mut fields = fields(&waiting.payload);
    fields.insert("jid".to_owned(), "\"[jid]\"".to_owned());
    for time in TIMES {
        if let Some(field) = fields.get_mut(time) {
            *field = "\"[time]\"".to_owned();
        }
    }
    if let Some(delay) = waiting.delay() {
        fields.insert("delay".to_owned(), format!("\"{delay:?}\""));
    }
    let lines: Vec<String> = fields.iter().map(|(name, value)| format!("    {name:?}: {value}")).collect();
    format!("  {{\n{}\n  }}", lines.join(",\n"))
}

/// The fields as they were written.
fn fields(payload: &Payload) -> BTreeMap<String, String> {
    // What was read from JSON is JSON again, so the default is not met.
    let fields: BTreeMap<String, Box<RawValue>> = serde_json::from_str(&payload.to_string()).unwrap_or_default();
    fields.into_iter().map(|(name, raw)| (name, raw.get().to_owned())).collect()
}
