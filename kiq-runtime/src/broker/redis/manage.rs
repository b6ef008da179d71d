//! The operator's hand: one script an act.

use std::collections::HashSet;

use redis::Pipeline;

use crate::broker::browse::Place;
use crate::broker::logbook::{Mark, UNDO_AGE};
use crate::broker::manage::{Destination, MOST_MOVES, Manage, Move};
use crate::broker::presence::Signal;
use crate::clock::Timestamp;
use crate::error::BrokerError;
use crate::job::BoxFuture;

use super::link::LinkError;
use super::scripts::Call;
use super::{RedisBroker, keys, reply, scripts, text};

/// How long a signal waits for its process, in seconds: as in Sidekiq.
const SIGNAL_TTL: u32 = 60;

/// Keys that one step of the search for all of them looks at, about: it keeps the server a millisecond or two.
const SCANNED_AT_ONCE: usize = 1000;

/// What the key of a place holds, and the key.
pub(super) fn place_key(place: &Place) -> (&'static str, String) {
    match place {
        Place::Queue(name) => ("list", keys::queue(name)),
        Place::Set(set) => ("zset", keys::set(*set).to_owned()),
    }
}

/// The first are other roles, even if one of them is the same key.
const ROLES: usize = 5;

/// Which of the script's keys a queue is, counted from 1; it is added if it is not there.
fn number_of(script_keys: &mut Vec<String>, queue: &str) -> String {
    let key = keys::queue(queue);
    let known = script_keys.iter().skip(ROLES).position(|known| *known == key).map(|at| ROLES + at + 1);
    let number = known.unwrap_or_else(|| {
        script_keys.push(key);
        script_keys.len()
    });
    number.to_string()
}

impl RedisBroker {
    pub(super) async fn call(&self, call: Call) -> Result<redis::Value, LinkError> {
        let answer = call.send(&self.link, &[]).await?.pop().ok_or_else(|| self.link.surprised())?;
        self.link.checked(answer)
    }

    async fn move_jobs(&self, place: &Place, moves: &[Move], mark: Option<Mark<'_>>) -> Result<Vec<bool>, LinkError> {
        let (kind, key) = place_key(place);
        let operation = mark.map_or("", |mark| mark.operation);
        let mut script_keys = vec![
            key,
            keys::QUEUES.to_owned(),
            keys::DEAD.to_owned(),
            keys::operation(operation),
            keys::undo(operation),
        ];
        let moves: Vec<_> = moves.iter().take(MOST_MOVES).collect();
        let words: Vec<(&str, String, &str)> = moves
            .iter()
            .map(|one| match &one.to {
                Destination::Nothing => ("nothing", String::new(), ""),
                Destination::Dead { at } => ("dead", at.to_score(), ""),
                Destination::Later { at } => ("later", at.to_score(), ""),
                Destination::Queue { name, payload } => ("queue", number_of(&mut script_keys, name), payload.as_str()),
                Destination::Next { name, payload } => ("next", number_of(&mut script_keys, name), payload.as_str()),
            })
            .collect();
        if moves.is_empty() {
            return Ok(Vec::new());
        }
        let dead = self.dead.now();
        let too_old = self.clock.now() - dead.max_age();
        let seconds = mark.map_or(String::new(), |mark| match mark.keeps_undo {
            true => UNDO_AGE.as_secs().to_string(),
            false => "0".to_owned(),
        });
        let mut call = scripts::relocate(&script_keys);
        call = call.arg(kind).arg(too_old.to_score()).arg(dead.max_jobs()).arg(seconds);
        for (one, (word, to, new)) in moves.iter().zip(&words) {
            call = call.arg(&one.payload).arg(*word).arg(to).arg(*new);
        }
        let answer = self.call(call).await?;
        let mut done: Vec<bool> = reply::list(&answer).iter().map(|moved| reply::count(moved) > 0).collect();
        // Those behind one that was refused stay where they are.
        done.resize(moves.len(), false);
        Ok(done)
    }
}

impl RedisBroker {
    /// A page of the whole database at a time: foreign keys are looked at by name, and ours by type, too, before they go.
    async fn remove_all_keys(&self) -> Result<usize, LinkError> {
        let mut members = Pipeline::with_capacity(2);
        members.cmd("SMEMBERS").arg(keys::PROCESSES);
        members.cmd("SMEMBERS").arg(keys::OWNERS);
        let members = self.link.send(&members).await?;
        let processes: HashSet<String> = members.iter().flat_map(reply::list).filter_map(text).collect();
        let (mut position, mut removed) = (0, 0);
        loop {
            let mut scan = redis::cmd("SCAN");
            let page = self.link.ask(scan.arg(position).arg("COUNT").arg(SCANNED_AT_ONCE).clone()).await?;
            let page = reply::list(&page);
            position = page.first().and_then(text).and_then(|next| next.parse().ok()).unwrap_or(0_u64);
            let found: Vec<String> = page.get(1).map(reply::list).unwrap_or_default().iter().filter_map(text).collect();
            let is_process = |key: &str| {
                let of = key.strip_suffix(":work").or_else(|| key.strip_suffix("-signals")).unwrap_or(key);
                processes.contains(of)
            };
            removed += self.remove_ours(found.iter().filter(|key| keys::may_be_ours(key) || is_process(key))).await?;
            if position == 0 {
                return Ok(removed);
            }
        }
    }

    /// Of those keys the ones whose type is that of ours.
    async fn remove_ours(&self, found: impl Iterator<Item = &String>) -> Result<usize, LinkError> {
        let found: Vec<&String> = found.collect();
        if found.is_empty() {
            return Ok(0);
        }
        let mut types = Pipeline::with_capacity(found.len());
        found.iter().for_each(|key| {
            types.cmd("TYPE").arg(key);
        });
        let types = self.link.send(&types).await?;
        let is_ours =
            |(key, kind): &(&&String, &redis::Value)| text(kind).is_some_and(|kind| keys::is_ours(key, &kind));
        let ours: Vec<&String> = found.iter().zip(&types).filter(is_ours).map(|(key, _)| *key).collect();
        let mut unlink = redis::cmd("UNLINK");
        unlink.arg(&ours);
        if ours.is_empty() { Ok(0) } else { Ok(reply::count(&self.link.ask(unlink).await?)) }
    }
}

impl Manage for RedisBroker {
    fn relocate<'a>(
        &'a self,
        place: &'a Place,
        moves: &'a [Move],
        mark: Option<Mark<'a>>,
    ) -> BoxFuture<'a, Result<Vec<bool>, BrokerError>> {
        Box::pin(async move { Ok(self.move_jobs(place, moves, mark).await?) })
    }

    fn clear<'a>(&'a self, place: &'a Place) -> BoxFuture<'a, Result<usize, BrokerError>> {
        Box::pin(async move {
            let (kind, key) = place_key(place);
            let name = if let Place::Queue(name) = place { name.as_str() } else { "" };
            let call = scripts::clear(&[key, keys::QUEUES.to_owned()]).arg(kind).arg(name);
            Ok(reply::count(&self.call(call).await?))
        })
    }

    fn set_paused<'a>(&'a self, queue: &'a str, paused: bool) -> BoxFuture<'a, Result<bool, BrokerError>> {
        Box::pin(async move {
            let mut change = redis::cmd(if paused { "SADD" } else { "SREM" });
            change.arg(keys::PAUSED).arg(queue);
            Ok(reply::count(&self.link.ask(change).await?) > 0)
        })
    }

    fn signal<'a>(&'a self, identity: &'a str, signal: Signal) -> BoxFuture<'a, Result<bool, BrokerError>> {
        Box::pin(async move {
            let call = scripts::signal(&[keys::process(identity), keys::signals(identity)]);
            Ok(reply::count(&self.call(call.arg(signal.as_str()).arg(SIGNAL_TTL)).await?) > 0)
        })
    }

    fn mark_deploy<'a>(&'a self, label: &'a str, at: Timestamp) -> BoxFuture<'a, Result<bool, BrokerError>> {
        Box::pin(async move { Ok(self.note_deploy(label, at).await?) })
    }

    fn forget_everything(&self) -> BoxFuture<'_, Result<usize, BrokerError>> {
        Box::pin(async move { Ok(self.remove_all_keys().await?) })
    }
}
