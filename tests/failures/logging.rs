//! The log as the handler nobody has to write: one line for each failure, with all one needs to find the job.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Level, Metadata, Subscriber};

use crate::jobs::{LeaveNothing, Shop, WriteFile};
use crate::setup::Setup;

type Fields = BTreeMap<&'static str, String>;

/// What was logged about failures: the level, and the fields of the line and of the span around it.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Inside>>);

#[derive(Default)]
struct Inside {
    spans: Vec<Fields>,
    /// Those entered now; one thread runs all of a test.
    entered: Vec<usize>,
    lines: Vec<(Level, Fields)>,
}

struct Into<'a>(&'a mut Fields);

impl Visit for Into<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut fields = Fields::new();
        attributes.record(&mut Into(&mut fields));
        let spans = &mut self.0.lock().unwrap().spans;
        spans.push(fields);
        Id::from_u64(spans.len() as u64)
    }
    fn record(&self, id: &Id, values: &Record<'_>) {
        values.record(&mut Into(&mut self.0.lock().unwrap().spans[id.into_u64() as usize - 1]));
    }
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut inside = self.0.lock().unwrap();
        let mut fields = inside.entered.last().map(|at| inside.spans[*at].clone()).unwrap_or_default();
        event.record(&mut Into(&mut fields));
        if fields.contains_key("error.class") {
            inside.lines.push((*event.metadata().level(), fields));
        }
    }
    fn enter(&self, id: &Id) {
        self.0.lock().unwrap().entered.push(id.into_u64() as usize - 1);
    }
    fn exit(&self, _: &Id) {
        self.0.lock().unwrap().entered.pop();
    }
}

/// A23, A27: each failure is one line with the job's class, id, queue and attempt, and the error with what it comes from.
#[tokio::test]
async fn a_failures_line_says_which_job_which_attempt_and_why() {
    let log = Log::default();
    let _listening = tracing::subscriber::set_default(log.clone());
    let s = Setup::memory();
    let receipt = WriteFile::enqueue().retry(1).on(&s.client).await.unwrap();

    s.run(s.worker(), async |events| {
        events.failed("WriteFile").await;
        s.clock.advance(Duration::from_secs(60));
        events.failed("WriteFile").await;
    })
    .await;

    let inside = log.0.lock().unwrap();
    let [(first, fields), (second, last)] = inside.lines.as_slice() else { panic!("{:?}", inside.lines) };
    assert_eq!((*first, *second), (Level::WARN, Level::ERROR));
    let expected = [
        ("class", "WriteFile"),
        ("jid", receipt.jid.as_str()),
        ("queue", "default"),
        ("attempt", "1"),
        ("error.class", "failures::jobs::CannotWrite"),
        ("error", "cannot write \"a\\b\" für Ünal"),
        ("error.causes", "the disk is full"),
        ("message", "failed; will be retried"),
    ];
    for (name, value) in expected {
        assert_eq!(fields.get(name).map(String::as_str), Some(value), "{name}: {fields:?}");
    }
    assert!(fields.contains_key("retry_at") && fields.contains_key("elapsed"), "{fields:?}");
    assert_eq!((last["attempt"].as_str(), last["error.causes"].as_str()), ("2", "the disk is full"));
}

/// A26, A29: INFO is what passes by itself, WARN what is retried or was to be discarded, ERROR what is dead: kept or not.
#[tokio::test]
async fn the_level_says_whether_a_human_is_needed() {
    let log = Log::default();
    let _listening = tracing::subscriber::set_default(log.clone());
    let s = Setup::memory();
    for which in ["unreachable", "too many", "refused", "gone", "wrong key"] {
        let _ = Shop::enqueue(which).on(&s.client).await.unwrap();
    }
    let _ = LeaveNothing::enqueue().retry(0).on(&s.client).await.unwrap();

    s.run(s.worker().concurrency(1), async |events| {
        for _ in 0..5 {
            events.failed("Shop").await;
        }
        events.failed("LeaveNothing").await;
    })
    .await;

    let levels: Vec<Level> = log.0.lock().unwrap().lines.iter().map(|(level, _)| *level).collect();
    assert_eq!(levels, [Level::INFO, Level::INFO, Level::WARN, Level::WARN, Level::ERROR, Level::ERROR]);
}
