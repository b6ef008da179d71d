//! The log of operations.

use redis::{Pipeline, Value};

use crate::broker::browse::Place;
use crate::broker::logbook::{Logbook, Logged, OPERATIONS_AGE, OPERATIONS_KEPT, Restore, Restored};
use crate::broker::manage::MOST_MOVES;
use crate::clock::Timestamp;
use crate::error::BrokerError;
use crate::job::BoxFuture;

use super::link::LinkError;
use super::manage::place_key;
use super::{RedisBroker, keys, reply, scripts, text};

/// Elements that are kept of each job.
const KEPT_EACH: usize = 5;

/// What is read of an operation: its record, and how much is kept of it.
fn look(pipeline: &mut Pipeline, id: &str) {
    pipeline.cmd("HGETALL").arg(keys::operation(id));
    pipeline.cmd("LLEN").arg(keys::undo(id));
}

/// `None` for one that has left the store.
fn logged(id: &str, looked: &[Value]) -> Option<Logged> {
    let [fields, kept] = looked else { return None };
    let mut operation = Logged { id: id.to_owned(), kept: reply::count(kept) / KEPT_EACH, ..Logged::default() };
    let mut is_there = false;
    for (name, value) in reply::pairs(fields) {
        match text(name)?.as_str() {
            "record" => {
                operation.record = text(value)?;
                is_there = true;
            }
            "done" => operation.done = reply::count(value),
            "gone" => operation.gone = reply::count(value),
            "stop" => operation.is_told_to_stop = true,
            "undone_by" => operation.undone_by = text(value),
            "undone_at" => operation.undone_at = reply::int(value).map(Timestamp::from_micros),
            "restored" => operation.restored = reply::count(value),
            "missed" => operation.missed = reply::count(value),
            _ => {}
        }
    }
    is_there.then_some(operation)
}

impl RedisBroker {
    async fn read_operations(&self, limit: usize) -> Result<Vec<Logged>, LinkError> {
        let limit = limit.min(OPERATIONS_KEPT);
        if limit == 0 {
            return Ok(Vec::new());
        }
        let mut range = redis::cmd("ZRANGE");
        range.arg(keys::OPERATIONS).arg(0).arg(limit - 1).arg("REV");
        let ids: Vec<String> = reply::list(&self.link.ask(range).await?).iter().filter_map(text).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::with_capacity(2 * ids.len());
        ids.iter().for_each(|id| look(&mut pipeline, id));
        let answers = self.link.send(&pipeline).await?;
        Ok(ids.iter().zip(answers.chunks(2)).filter_map(|(id, looked)| logged(id, looked)).collect())
    }

    async fn put_back(&self, restore: Restore<'_>) -> Result<Restored, LinkError> {
        let (kind, key) = place_key(restore.place);
        let name = if let Place::Queue(name) = restore.place { name.as_str() } else { "" };
        let script_keys = [
            keys::undo(restore.operation),
            key,
            keys::QUEUES.to_owned(),
            keys::DEAD.to_owned(),
            keys::operation(restore.operation),
        ];
        let call = scripts::restore(&script_keys)
            .arg(kind)
            .arg(restore.limit.min(MOST_MOVES))
            .arg(keys::QUEUE)
            .arg(name)
            .arg(restore.by)
            .arg(restore.at.as_micros());
        let answer = self.call(call).await?;
        let [restored, missed, left] = reply::list(&answer) else { return Err(self.link.surprised()) };
        Ok(Restored { restored: reply::count(restored), missed: reply::count(missed), left: reply::count(left) })
    }
}

impl Logbook for RedisBroker {
    fn begin_operation<'a>(
        &'a self,
        id: &'a str,
        at: Timestamp,
        record: &'a str,
    ) -> BoxFuture<'a, Result<bool, BrokerError>> {
        Box::pin(async move {
            let call = scripts::begin(&[keys::OPERATIONS.to_owned(), keys::operation(id)])
                .arg(id)
                .arg(at.as_micros())
                .arg(record)
                .arg(OPERATIONS_AGE.as_secs())
                .arg(OPERATIONS_KEPT);
            Ok(reply::count(&self.call(call).await?) > 0)
        })
    }

    fn update_operation<'a>(&'a self, id: &'a str, record: &'a str) -> BoxFuture<'a, Result<bool, BrokerError>> {
        Box::pin(async move {
            let call = scripts::progress(&[keys::operation(id)]).arg(record).arg(OPERATIONS_AGE.as_secs());
            Ok(reply::count(&self.call(call).await?) > 0)
        })
    }

    fn stop_operation<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, BrokerError>> {
        Box::pin(async move {
            let call = scripts::halt(&[keys::operation(id)]);
            Ok(reply::count(&self.call(call).await?) > 0)
        })
    }

    fn operation<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Logged>, BrokerError>> {
        Box::pin(async move {
            let mut pipeline = Pipeline::with_capacity(2);
            look(&mut pipeline, id);
            Ok(logged(id, &self.link.send(&pipeline).await?))
        })
    }

    fn operations(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Logged>, BrokerError>> {
        Box::pin(async move { Ok(self.read_operations(limit).await?) })
    }

    fn restore<'a>(&'a self, restore: Restore<'a>) -> BoxFuture<'a, Result<Restored, BrokerError>> {
        Box::pin(async move { Ok(self.put_back(restore).await?) })
    }

    fn forget_undo<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(async move {
            let mut unlink = redis::cmd("UNLINK");
            unlink.arg(keys::undo(id));
            self.link.ask(unlink).await?;
            Ok(())
        })
    }
}
