//! C9 of the features, and A48: what the inspector's methods say they cost, held against the commands that Redis counts: with
//! ten jobs in each place, and with a hundred thousand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kiq::broker::{ClassRuns, ClassTotals};
use kiq::inspect::{
    Act, Acted, Begun, By, EntryKey, Filter, HISTOGRAM_BUCKETS, OperationId, PageOf, Place, Signal, Span,
};
use kiq::{Client, Inspector, JobSet};

use crate::setup::{START, Setup};

const FILL: &str = "
for i = 1, tonumber(ARGV[1]) do
  local function job(place)
    return '{\"class\":\"A\",\"args\":[' .. i .. '],\"jid\":\"' .. place .. i .. '\",\"queue\":\"q\",\"created_at\":1795452000.5}'
  end
  redis.call('LPUSH', 'queue:q', job('q'))
  redis.call('ZADD', 'schedule', 1795460000 + i, job('s'))
  redis.call('ZADD', 'retry', 1795460000 + i, job('r'))
  redis.call('ZADD', 'dead', 1795400000 + i, job('d'))
end
redis.call('SADD', 'queues', 'q')";

/// A Redis with so many jobs in each place.
fn filled(jobs: usize) -> Setup {
    let mut s = Setup::redis();
    let mut connection = s.server().connection();
    redis::cmd("EVAL").arg(FILL).arg(0).arg(jobs).exec(&mut connection).unwrap();
    s
}

/// How often each command is carried out, inside of scripts too. Loading a script is once, and left out.
async fn commands(s: &Setup, what: impl Future<Output = ()>) -> BTreeMap<String, usize> {
    let mut connection = s.server.as_ref().unwrap().connection();
    redis::cmd("CONFIG").arg("RESETSTAT").exec(&mut connection).unwrap();
    what.await;
    let info: String = redis::cmd("INFO").arg("commandstats").query(&mut connection).unwrap();
    let count = |line: &str| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
    };
    let ours = |name: &str| !name.starts_with("config|") && !name.starts_with("script|") && name != "client|setinfo";
    info.lines().filter_map(count).filter(|(name, _)| ours(name) && name != "hello").collect()
}

/// What is done, and the commands it is said to need.
macro_rules! costs {
    ($s:ident, $inspector:ident: $($what:literal => $does:expr, [$(($command:literal, $count:expr)),* $(,)?];)*) => {
        $(
            // Once before, so that the scripts are known.
            let _ = $does.await;
            let sent = commands(&$s, async { let _ = $does.await; }).await;
            let said: BTreeMap<String, usize> = [$(($command.to_owned(), $count)),*].into();
            assert_eq!(sent, said, "{}", $what);
        )*
    };
}

async fn with(jobs: usize) {
    let s = filled(jobs);
    let process = s.process().await;
    let runs = |class: &str| ClassRuns {
        totals: ClassTotals { class: class.to_owned(), runs: 2, failures: 1, millis: 5 },
        durations: [1; HISTOGRAM_BUCKETS],
    };
    for minute in 0..300 {
        let at = s.clock.now() - Duration::from_secs(60) * minute;
        process.consumer.record(&[runs("B"), runs("D")], at).await.unwrap();
    }
    let client = Client::new(Arc::clone(&s.broker)).with_clock(s.clock.clone());
    let inspector = Inspector::new(&client);
    let page =
        Span { from: Some(START - Duration::from_secs(86_400 * 30)), to: None, newest_first: true, skip: 0, take: 25 };
    let none = Filter::parse("tag:none").unwrap();
    let scans = |step: usize| jobs.div_ceil(step);

    let ran = inspector.runs(Duration::from_secs(8 * 3600)).await.unwrap();
    let ran_in_days = inspector.runs(Duration::from_secs(72 * 3600)).await.unwrap();

    costs! { s, inspector:
        "history" => inspector.history(30), [("mget", 1)];
        "queues" => inspector.queues(), [("smembers", 2), ("llen", 1), ("lindex", 1)];
        "queue" => inspector.queue("q", 3, 5), [("lrange", 1)];
        "set" => inspector.set(JobSet::Dead, 3, 5), [("zrange", 1)];
        "set_span" => inspector.set_span(JobSet::Dead, page), [("zrange", 1)];
        "pause" => inspector.pause("q"), [("sadd", 1)];
        "resume" => inspector.resume("q"), [("srem", 1)];
        "processes" => inspector.processes(), [("smembers", 1), ("hmget", 1)];
        "running" => inspector.running(100), [("smembers", 1), ("hscan", 1)];
        "signal" => inspector.signal("nobody", Signal::Quiet), [("evalsha", 1), ("exists", 1)];
        "runs, a quarter of an hour" => inspector.runs(Duration::from_secs(900)), [("hgetall", 16)];
        "runs, 72 h" => inspector.runs(Duration::from_secs(72 * 3600)), [("hgetall", 433)];
        "histogram, 8 h" => inspector.histogram("A", Duration::from_secs(8 * 3600)), [("mget", 1)];
        "histograms, of what did not run" => inspector.histograms(&ran, &["A", "C"]), [];
        "histograms, 300 minutes" => inspector.histograms(&ran, &["A", "B"]), [("mget", 1)];
        "histograms, 600 minutes" => inspector.histograms(&ran, &["B", "D"]), [("mget", 2)];
        "histograms, 72 h" => inspector.histograms(&ran_in_days, &["B"]), [];
        "deploys" => inspector.deploys(Duration::from_secs(86_400)), [("hgetall", 2)];
        "known_jobs" => inspector.known_jobs(), [("zrange", 1)];
        "unknown_jobs" => inspector.unknown_jobs(0), [("zrange", 1), ("smembers", 2), ("llen", 1), ("lindex", 1)];
        "store_info" => inspector.store_info(), [("info", 1)];
        "clear" => inspector.clear(&Place::Queue("none".to_owned())), [("evalsha", 1), ("llen", 1), ("srem", 1), ("unlink", 1)];
    }

    let (all, id) = (Filter::all(), OperationId::random());
    let dead = Place::Set(JobSet::Dead);
    let of = |after| PageOf { rows: 5, newest_first: true, after, before: None };
    let first = inspector.page(&dead, &all, of(None)).await.unwrap();
    let back = PageOf { rows: 2, newest_first: true, after: None, before: first.next };
    let keys: Vec<EntryKey> = first.rows.iter().map(EntryKey::of).collect();
    inspector.note(By::new("ann"), "pause", None, "q", 1).await.unwrap();
    costs! { s, inspector:
        "page" => inspector.page(&dead, &all, of(None)), [("zrange", 1)];
        "page, the next" => inspector.page(&dead, &all, of(first.next)), [("zrange", 1)];
        "page, the one before" => inspector.page(&dead, &all, back), [("zrange", 1)];
        "page of a queue" => inspector.page(&Place::Queue("q".to_owned()), &all, of(None)), [("lrange", 1)];
        "pick" => inspector.pick(&dead, &keys[..3]), [("zrange", 3)];
        "filter" => inspector.filter("class:A"), [];
        "filter since the deploy" => inspector.filter("since:deploy"), [("hgetall", 8)];
        "operation" => inspector.operation(&id), [("hgetall", 1), ("llen", 1)];
        "stop_operation" => inspector.stop_operation(&id), [("evalsha", 1), ("exists", 1)];
    }
    let sent = commands(&s, async { drop(inspector.operations(200).await.unwrap()) }).await;
    assert_eq!(sent, [("zrange", 1), ("hgetall", 1), ("llen", 1)].map(|(name, count)| (name.to_owned(), count)).into());
    let sent = commands(&s, async { drop(inspector.groups(&dead, &all, 1000).await.unwrap()) }).await;
    assert!(sent.len() == 1 && sent["zrange"] <= 3, "{jobs}: {sent:?}");
    let sent = commands(&s, async { drop(inspector.page(&dead, &none, of(None)).await.unwrap()) }).await;
    assert!(sent.len() == 1 && (1..=21).contains(&sent["zrange"]), "{jobs}: {sent:?}");

    // A hundred jobs are one script, and what is read for them; their operation is begun and told of by three.
    let chosen = inspector.select(dead, Filter::all()).limit(10);
    let operate = async |id: &OperationId| {
        let Begun::New(run) = chosen.begin(id, Act::Delete, By::new("ann"), Some(10)).await.unwrap() else {
            panic!("new")
        };
        assert_eq!(run.finish().await.unwrap().outcome.done, 10);
        inspector.undo(id, "ben").await.unwrap()
    };
    operate(&OperationId::random()).await;
    let sent = commands(&s, async { assert_eq!(operate(&id).await.restored, 10) }).await;
    // One to begin, one before the entries are read, one for the jobs, one at the end; and one to take it back.
    assert_eq!((sent["evalsha"], sent["zrange"], sent["hgetall"]), (5, 1, 2), "{sent:?}");
    // What acts on one job.
    let retry = &inspector.set(JobSet::Retry, 0, 2).await.unwrap();
    inspector.act(&retry[0], Act::Retry).await.unwrap();
    let one =
        commands(&s, async { assert_eq!(inspector.act(&retry[1], Act::Retry).await.unwrap(), Acted::Done) }).await;
    let said = [("evalsha", 1), ("zscore", 1), ("lpush", 1), ("zrem", 1), ("sadd", 1)];
    assert_eq!(one, said.map(|(name, count)| (name.to_owned(), count)).into(), "act");

    // What reads through a place grows with it, by the step that is documented and no more.
    let count = inspector.select(Place::Queue("q".to_owned()), none.clone());
    let queue_size = jobs + 2;
    let sent = commands(&s, async { drop(count.count(usize::MAX).await.unwrap()) }).await;
    assert_eq!(sent, BTreeMap::from([("lrange".to_owned(), (queue_size / 500) + 1)]), "count in a queue");
    let count = inspector.select(Place::Set(JobSet::Dead), none);
    let sent = commands(&s, async { drop(count.count(usize::MAX).await.unwrap()) }).await;
    let zscans = sent["zscan"];
    // The server answers somewhat more or less than it is asked for.
    assert!((1..=2 * scans(500)).contains(&zscans), "{jobs}: {sent:?}");
    // A set that is read in one step is counted, too.
    let counted = if scans(500) == 1 { 2 } else { 1 };
    assert!(sent.len() <= counted && sent.get("zcard").is_none_or(|zcards| *zcards == 1), "{jobs}: {sent:?}");
    let sent = commands(&s, async { drop(count.count(2000).await.unwrap()) }).await;
    assert!(sent["zscan"] <= 4, "a count keeps to its budget: {sent:?}");
}

#[tokio::test]
async fn with_ten_jobs_it_costs_what_is_said() {
    with(10).await;
}

#[tokio::test]
async fn with_a_hundred_thousand_jobs_it_costs_what_is_said() {
    with(100_000).await;
}
