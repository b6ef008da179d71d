//! What a worker says about jobs to whoever is on call.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::jobs::{Bury, Unlucky};
use crate::setup::Setup;

/// Warnings and errors, a line each: the message, then the fields.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// The one line that begins like this.
    pub fn line(&self, beginning: &str) -> String {
        let lines = self.0.lock().unwrap();
        let found: Vec<&String> = lines.iter().filter(|line| line.starts_with(beginning)).collect();
        assert_eq!(found.len(), 1, "{beginning}: {lines:?}");
        found[0].clone()
    }

    /// How many begin like this.
    pub fn count(&self, beginning: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|line| line.starts_with(beginning)).count()
    }
}

#[derive(Default)]
struct Line(String, String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        match field.name() {
            "message" => write!(self.0, "{value:?}").unwrap(),
            name => write!(self.1, " {name}={value:?}").unwrap(),
        }
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        if *event.metadata().level() <= Level::WARN {
            let mut line = Line::default();
            event.record(&mut line);
            self.0.lock().unwrap().push(line.0 + &line.1);
        }
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn a_job_whose_queue_is_not_served_is_named_at_the_start() {
    let log = Log::default();
    let _listening = tracing::subscriber::set_default(log.clone());
    let s = Setup::memory();

    s.run(s.worker().queues(["default", "low"]), async |_| {}).await;

    let lines = log.0.lock().unwrap().join("\n");
    assert!(lines.contains(r#"does not serve the queue of this job; another must, or add it with `.queues(…)` job="NoteHigh" queue="high""#), "{lines}");
    assert!(lines.contains(r#"job="MoveOver" queue="slow""#), "{lines}");
    assert!(!lines.contains(r#"queue="low""#), "{lines}");
}

#[tokio::test]
async fn what_goes_wrong_at_the_end_of_a_job_is_logged() {
    for (how, expected) in [
        ("panic", "error.class=\"panic\" error=\"too much\""),
        ("error", "error.class=\"anyhow::Error\" error=\"nobody came\""),
        ("hang", "error.class=\"kiq::Timeout\" error=\"the job ran longer than its timeout of 20ms\""),
    ] {
        let log = Log::default();
        let _listening = tracing::subscriber::set_default(log.clone());
        let s = Setup::memory();
        let _ = Bury::enqueue(how).retry(0).on(&s.client).await.unwrap();

        s.run(s.worker(), async |events| {
            events.failed("Bury").await;
        })
        .await;

        let line = log.line("`on_exhausted` failed; the job ends all the same");
        assert!(line.contains(expected), "{line}");
    }
}

#[tokio::test]
async fn a_retry_in_that_panics_is_logged() {
    let log = Log::default();
    let _listening = tracing::subscriber::set_default(log.clone());
    let s = Setup::memory();
    let _ = Unlucky::enqueue().on(&s.client).await.unwrap();

    s.run(s.worker(), async |events| {
        events.failed("Unlucky").await;
    })
    .await;

    let line = log.line("`retry_in` panicked; the default counts");
    assert!(line.contains("class=\"Unlucky\"") && line.contains("panic=\"no idea\""), "{line}");
}
