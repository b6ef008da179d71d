//! Every key, one function or constant each, with its type and who writes it. The first half is Sidekiq's, to the letter.

use crate::broker::JobSet;
use crate::clock::Timestamp;

/// Set of queue names: every queue ever pushed to. Written by whoever pushes.
pub(super) const QUEUES: &str = "queues";
/// Set of the names of queues that workers leave alone: Sidekiq Pro's. Written by operators; read with every heartbeat.
pub(super) const PAUSED: &str = "paused";
/// Set of identities of live processes. Written by heartbeats; pruned by whoever finds one without its hash.
pub(super) const PROCESSES: &str = "processes";
/// Sorted set of jobs for later, by run time in seconds. Written by pushes; emptied by pollers.
pub(super) const SCHEDULE: &str = "schedule";
/// Sorted set of failed jobs, by next try. Written by settling; emptied by pollers.
pub(super) const RETRY: &str = "retry";
/// Sorted set of jobs that failed for good, by time of death. Written by settling.
pub(super) const DEAD: &str = "dead";
/// Counter of runs that ended. Written by settling.
pub(super) const PROCESSED: &str = "stat:processed";
/// Counter of runs that failed. Written by settling.
pub(super) const FAILED: &str = "stat:failed";

/// List of payloads: head newest, tail next to run. Pushed at the head; given back at the tail.
pub(super) fn queue(name: &str) -> String {
    format!("{QUEUE}{name}")
}

/// What the key of a queue begins with.
pub(super) const QUEUE: &str = "queue:";

/// The sorted set of that kind.
pub(super) fn set(set: JobSet) -> &'static str {
    match set {
        JobSet::Scheduled => SCHEDULE,
        JobSet::Retry => RETRY,
        JobSet::Dead => DEAD,
    }
}

/// Counter of one UTC day. Written by settling.
pub(super) fn on_day(counter: &str, date: &str) -> String {
    format!("{counter}:{date}")
}

/// Hash, `CLASS|p` (runs), `CLASS|f` (failures), `CLASS|ms` (milliseconds of those that succeeded) → sum, of one minute, for
/// readers of Sidekiq 8. Written with heartbeats, and gone 8 hours later.
pub(super) fn runs_of_minute(at: Timestamp) -> String {
    at.utc("j|%y%m%d|%-H:%M")
}

/// The same of ten minutes; gone 72 hours later.
pub(super) fn runs_of_ten_minutes(at: Timestamp) -> String {
    let mut key = runs_of_minute(at);
    key.pop();
    key
}

/// The same of one minute, for readers of Sidekiq 7.
pub(super) fn runs_of_minute_7(at: Timestamp) -> String {
    at.utc("j|%Y%m%d|%-H:%-M")
}

/// String of 26 unsigned 16-bit counters: how long the runs of a class took in one minute, for readers of Sidekiq 8. Written
/// with heartbeats, and gone 8 hours later (the name has no month).
pub(super) fn durations(class: &str, at: Timestamp) -> String {
    format!("h|{class}-{}", at.utc("%-d-%-H:%-M"))
}

/// The same for readers of Sidekiq 7.
pub(super) fn durations_7(class: &str, at: Timestamp) -> String {
    format!("{class}-{}", at.utc("%d-%H:%-M"))
}

/// Hash, minute (`2026-11-23T16:47:00Z`) → label: the deploys of one UTC day. Written by whoever deploys, and gone 90 days
/// later.
pub(super) fn deploys(at: Timestamp) -> String {
    at.utc("%Y%m%d-marks")
}

/// String with a time to live: the deploy of that label is noted.
pub(super) fn deploy_lock(label: &str) -> String {
    format!("deploylock-{label}")
}

/// Hash: a process's record. Written by its heartbeat, and gone 60 s after the last, or when its jobs were reclaimed.
pub(super) fn process(identity: &str) -> String {
    identity.to_owned()
}

/// Hash, processor → JSON: what a process is doing. Written by its heartbeat.
pub(super) fn work(identity: &str) -> String {
    format!("{identity}:work")
}

/// List of signal names for a process. Written by Sidekiq's pages and API; emptied by its heartbeat.
pub(super) fn signals(identity: &str) -> String {
    format!("{identity}-signals")
}

/// String with a time to live, the id of a job: a push with this guard does not store it again. Written by pushes.
pub(super) fn guard(key: &str) -> String {
    format!("kiq:once:{key}")
}

/// Sorted set of the classes that programs know, by when one last said so. Written by workers at their start and every ten
/// minutes.
pub(super) const KNOWN: &str = "kiq:known";

/// Set of identities that may own batches. Written by heartbeats; a name leaves it after its last batch.
pub(super) const OWNERS: &str = "kiq:owners";

/// String with a time to live: exists as long as its process owns its batches. Written by its heartbeat.
pub(super) fn lease(identity: &str) -> String {
    format!("kiq:lease:{identity}")
}

/// Hash, batch id → queue and `ID/left` → unsettled jobs: what a process owns; `/acked`: the number of its last
/// acknowledgement; `ID/gone`: when somebody saw that nobody waits for that batch any more. Written by fetching, waiting,
/// settling and reclaiming.
pub(super) fn index(identity: &str) -> String {
    format!("{INDEX}{identity}")
}

/// What the key of an index begins with.
pub(super) const INDEX: &str = "kiq:idx:";

/// The field of an index that counts the unsettled jobs of a batch.
pub(super) fn left(id: &str) -> String {
    format!("{id}/left")
}

/// The id of a batch that the server may hand over: it is in the index before anything is in the batch, so the count of the
/// index holds only if the batch exists.
pub(super) fn handed_over(number: u64) -> String {
    format!("k{number}")
}

/// The number in a batch id, by which they are in the order they were made.
pub(super) fn batch_number(id: &str) -> u64 {
    id.trim_start_matches('k').parse().unwrap_or(0)
}

/// List: one batch of one queue, the oldest job first; settled ones are trimmed off the head, or overwritten with
/// [`TOMBSTONE`]. Written by
/// fetching and settling.
pub(super) fn batch(identity: &str, id: &str) -> String {
    format!("{BATCH}{identity}:{id}")
}

/// What the key of a batch begins with.
pub(super) const BATCH: &str = "kiq:b:";

/// Sorted set of the ids of operations, by their beginning in microseconds: what operators did. Written by dashboards and
/// `kiqctl`, and bounded.
pub(super) const OPERATIONS: &str = "kiq:ops";

/// Hash: one operation. `record`: what its writer says of it; `done`, `gone`, `restored`, `missed`: jobs, counted with the
/// moves; `stop`: somebody wants it stopped; `undone_by`, `undone_at`. Gone 30 days later.
pub(super) fn operation(id: &str) -> String {
    format!("kiq:op:{id}")
}

/// List: the jobs that an operation moved, as they were, five elements each. Gone ten minutes after the last.
pub(super) fn undo(id: &str) -> String {
    format!("kiq:undo:{id}")
}

/// What a trial of rights is made on. Exists only inside of `lua/probe.lua`.
pub(super) fn probe(nonce: u64, name: &str) -> String {
    format!("kiq:probe:{nonce:012x}:{name}")
}

/// Whether a key can be one of those above, by its name alone. (Of processes it cannot be told: ask their sets.)
pub(super) fn may_be_ours(key: &str) -> bool {
    ["set", "zset", "list", "hash", "string"].iter().any(|kind| is_named_as_ours(key, kind))
}

/// Whether a key is ours by its name and by what it holds; that of a process by its type, as its name says nothing.
pub(super) fn is_ours(key: &str, kind: &str) -> bool {
    is_named_as_ours(key, kind) || !may_be_ours(key) && matches!(kind, "hash" | "list")
}

fn is_named_as_ours(key: &str, kind: &str) -> bool {
    let is_date = |text: &str| text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
    match kind {
        _ if key.starts_with("kiq:") => true,
        "set" => [QUEUES, PAUSED, PROCESSES].contains(&key),
        "zset" => [SCHEDULE, RETRY, DEAD].contains(&key),
        "list" => key.starts_with(QUEUE),
        "hash" => key.starts_with("j|") || key.strip_suffix("-marks").is_some_and(is_date),
        "string" => {
            [PROCESSED, FAILED]
                .iter()
                .any(|counter| key.strip_prefix(counter).is_some_and(|rest| rest.is_empty() || rest.starts_with(':')))
                || key.starts_with("h|")
                || key.starts_with("deploylock-")
                || is_durations_7(key)
        }
        _ => false,
    }
}

/// `CLASS-23-16:47`: what [`durations_7`] makes.
fn is_durations_7(key: &str) -> bool {
    let is_number = |text: &str| (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = key.rsplitn(3, '-');
    let (Some(time), Some(day), Some(class)) = (parts.next(), parts.next(), parts.next()) else { return false };
    let is_time = time.split_once(':').is_some_and(|(hour, minute)| is_number(hour) && is_number(minute));
    is_time && day.len() == 2 && is_number(day) && class.starts_with(|c: char| c.is_ascii_uppercase())
}

/// Stands in a batch where a settled job was. Its first byte is in no UTF-8, so no job looks like it. (Not the empty text,
/// because a queue may hold that, and it must reach the dead set.)
pub(super) const TOMBSTONE: &[u8] = b"\xffkiq: settled";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_are_told_from_others_by_name_and_type() {
        let at = Timestamp::from_micros(1_795_452_509_500_000);
        let ours = [
            (QUEUES.to_owned(), "set"),
            (RETRY.to_owned(), "zset"),
            (queue("mail"), "list"),
            (on_day(PROCESSED, "2026-11-23"), "string"),
            (runs_of_minute(at), "hash"),
            (runs_of_ten_minutes(at), "hash"),
            (runs_of_minute_7(at), "hash"),
            (durations("Mail::Job", at), "string"),
            (durations_7("Mail::Job", at), "string"),
            (deploys(at), "hash"),
            (deploy_lock("v1"), "string"),
            (guard("a"), "string"),
            (batch("h:1:a", "1"), "list"),
            (OWNERS.to_owned(), "set"),
        ];
        for (key, kind) in &ours {
            assert!(may_be_ours(key) && is_ours(key, kind), "{key}");
        }
        for (key, kind) in [("queues", "string"), ("dead", "hash"), ("queue:mail", "zset"), ("stat:processed", "hash")]
        {
            assert!(may_be_ours(key) && !is_ours(key, kind), "{key}");
        }
        for key in
            ["session:7", "stat:processedness", "statistics", "report-24-10:30", "Order-7", "kiqs", "jobs", "marks"]
        {
            assert!(!may_be_ours(key), "{key}");
        }
        assert!(is_ours("host:1:abc", "hash") && !is_ours("host:1:abc", "string"));
    }
}
