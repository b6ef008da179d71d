//! Whatever bytes a queue, the schedule, the retries or a dead process's batch may hold: what becomes of them, and that the
//! jobs beside them run.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kiq::{Data, Inspector, JobSet, Payload};

use crate::setup::{Bench, LONG};

/// What has run.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<String>>>);

#[kiq::job]
async fn probe(marker: String, seen: Data<Seen>) {
    seen.0.lock().unwrap().push(marker);
}

/// Always fails, after its arguments were read.
#[kiq::job]
async fn picky(_marker: String, _numbers: Vec<f64>) -> Result<(), String> {
    Err("no".to_owned())
}

/// Fails in ways that are hard to write down.
#[kiq::job]
async fn loud(_marker: String, how: String) -> Result<(), Noise> {
    match how.as_str() {
        "long" => Err(Noise::Long),
        "display" => Err(Noise::Display),
        _ => std::panic::panic_any(7),
    }
}

#[derive(Debug)]
enum Noise {
    Long,
    Display,
}

impl std::fmt::Display for Noise {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Noise::Long => f.write_str(&"\u{e9}".repeat(10 << 20)),
            Noise::Display => panic!("in Display"),
        }
    }
}

impl std::error::Error for Noise {}

/// What becomes of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is among the dead, byte for byte.
    Kept,
    /// It runs, and nothing is left of it.
    Runs,
    /// It waits for its next try with that class of error, and its arguments are what they were.
    Retried(&'static str),
    /// It is among the dead with that class of error, and its arguments are what they were.
    Buried(&'static str),
}

use Fate::{Buried, Kept, Retried, Runs};

struct Row {
    name: String,
    bytes: Vec<u8>,
    fate: Fate,
}

const UNKNOWN: &str = "kiq::UnknownJob";
const TEXT: &str = "alloc::string::String";
const ARGS: &str = "kiq::ArgsError";

/// Rows P1 to P38 of the list of payloads, by name.
fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = |name: &str, bytes: &[u8], fate: Fate| {
        rows.push(Row { name: name.to_owned(), bytes: bytes.to_vec(), fate });
    };
    let deep = |levels: usize| {
        format!(r#"{{"class":"Probe","args":[{}{}],"jid":"p29"}}"#, "[".repeat(levels), "]".repeat(levels))
    };
    for (name, text) in [
        ("P1", ""),
        ("P2", "{oops"),
        ("P3", r#"{"class":"Probe","args":["p3"#),
        ("P4", "null"),
        ("P5", "7"),
        ("P6", r#""x""#),
        ("P7", "[]"),
        ("P8", "true"),
        ("P9", "{}"),
        ("P10", r#"{"args":["p10"],"jid":"p10"}"#),
        ("P11 number", r#"{"class":7,"args":["p11"],"jid":"p11"}"#),
        ("P11 null", r#"{"class":null,"args":["p11"],"jid":"p11"}"#),
        ("P14 none", r#"{"class":"Probe","jid":"p14"}"#),
        ("P14 null", r#"{"class":"Probe","args":null,"jid":"p14"}"#),
        ("P15 object", r#"{"class":"Probe","args":{"a":1},"jid":"p15"}"#),
        ("P15 text", r#"{"class":"Probe","args":"p15","jid":"p15"}"#),
        ("P27", r#"{"class":"Probe","args":["\ud800"],"jid":"p27"}"#),
        ("P28 raw", "{\"class\":\"Probe\",\"args\":[\"p28\u{0}\"],\"jid\":\"p28\"}"),
        ("P28 raw control", "{\"class\":\"Probe\",\"args\":[\"p28\u{1}\"],\"jid\":\"p28\"}"),
        ("P29 200", &deep(200)),
        ("P29 100,000", &deep(100_000)),
        ("P32 mark", "\u{feff}{\"class\":\"Probe\",\"args\":[\"p32\"],\"jid\":\"p32\"}"),
        ("P32 trailing", r#"{"class":"Probe","args":["p32"],"jid":"p32"} x"#),
        ("P32 two", r#"{"class":"Probe","args":["p32"]}{"class":"Probe","args":["p32"]}"#),
        ("P32 NaN", r#"{"class":"Probe","args":["p32",NaN],"jid":"p32"}"#),
        ("P32 comma", r#"{"class":"Probe","args":["p32",],"jid":"p32"}"#),
    ] {
        row(name, text.as_bytes(), Kept);
    }
    row("P26", b"{\"class\":\"Probe\",\"args\":[\"\xff\xfe\"],\"jid\":\"p26\"}", Kept);
    row("P26 class", b"{\"class\":\"Pr\xc3\",\"args\":[],\"jid\":\"p26\"}", Kept);

    // The marker stands first in the arguments of every row that can be a job.
    let mut job = |name: &str, class: &str, args: &str, fields: &str, fate: Fate| {
        let marker = name.replace(' ', "-");
        let class = serde_json::to_string(class).unwrap();
        let jid = if fields.contains("\"jid\"") { String::new() } else { format!(r#","jid":"{marker}""#) };
        let text = format!(r#"{{"class":{class},"args":["{marker}"{args}]{jid}{fields}}}"#);
        rows.push(Row { name: name.to_owned(), bytes: text.into_bytes(), fate });
    };
    job("P12", "NoSuchJob", "", "", Retried(UNKNOWN));
    for (name, class) in [
        ("P13 constant", "Kernel"),
        ("P13 path", "../../etc/passwd"),
        ("P13 line", "A\nB"),
        ("P13 colours", "\u{1b}[31mred"),
        ("P13 empty", ""),
    ] {
        job(name, class, "", "", Retried(UNKNOWN));
    }
    job("P13 long", &"x".repeat(10_000), "", "", Retried(UNKNOWN));
    job("P16 more", "Probe", r#",1.10,"extra""#, "", Retried(ARGS));
    job("P16 type", "Picky", r#","no list""#, "", Retried(ARGS));
    for (name, jid) in [
        ("P17 none", r#","jid":null"#),
        ("P17 number", r#","jid":7"#),
        ("P17 empty", r#","jid":"""#),
        ("P17 odd", r#","jid":"a/b?c<d>""#),
    ] {
        job(name, "Probe", "", jid, Runs);
    }
    job("P17 long", "Probe", "", &format!(r#","jid":"{}""#, "j".repeat(1 << 20)), Runs);
    job("P17 fails", "Picky", ",[]", r#","jid":7"#, Retried(TEXT));
    job("P18 one", "Probe", "", r#","jid":"p18""#, Runs);
    job("P18 two", "Probe", "", r#","jid":"p18""#, Runs);
    for (name, fields, fate) in [
        ("P19", r#","retry":"soon""#, Retried(TEXT)),
        ("P20 negative", r#","retry":-1"#, Buried(TEXT)),
        ("P20 zero", r#","retry":0"#, Buried(TEXT)),
        ("P20 huge", r#","retry":1e30"#, Retried(TEXT)),
        ("P20 digits", r#","retry":1000000000000000000000000000000"#, Retried(TEXT)),
        ("P20 fraction", r#","retry":1.5"#, Retried(TEXT)),
        ("P21", r#","retry_count":"x""#, Retried(TEXT)),
        ("P22 huge", r#","retry_count":1e30"#, Buried(TEXT)),
        ("P22 negative", r#","retry_count":-5"#, Retried(TEXT)),
    ] {
        job(name, "Picky", ",[1.10]", fields, fate);
    }
    for (name, at) in [("text", r#""soon""#), ("negative", "-5"), ("huge", "1e300"), ("null", "null")] {
        job(&format!("P23 {name}"), "Probe", "", &format!(r#","at":{at}"#), Runs);
    }
    for (name, queue) in [
        ("null", "null"),
        ("other", r#""elsewhere""#),
        ("empty", r#""""#),
        ("star", r#""a*b:c""#),
        ("line", r#""a\nb""#),
        ("number", "7"),
    ] {
        job(&format!("P24 {name}"), "Probe", "", &format!(r#","queue":{queue}"#), Runs);
    }
    job("P24 long", "Probe", "", &format!(r#","queue":"{}""#, "q".repeat(1 << 20)), Runs);
    for (name, time) in [
        ("float", "1795452509.5"),
        ("millis", "1795452509500"),
        ("iso", r#""2026-11-23T16:48:29Z""#),
        ("null", "null"),
        ("list", "[]"),
    ] {
        let fields = format!(r#","created_at":{time},"failed_at":{time},"retry_count":3"#);
        job(&format!("P25 {name}"), "Picky", ",[]", &fields, Retried(TEXT));
    }
    job("P28 escaped", "Probe", "", r#","note":"\u0000\u0001""#, Runs);
    job("P30", "Picky", ",[1180591620717411303424,1.10,-0,1.0]", "", Retried(TEXT));
    job("P30 beyond", "Picky", ",[1e400]", "", Retried(ARGS));
    job("P31", "Probe", "", r#","note":1,"note":2"#, Runs);
    job("P31 fails", "Picky", ",[]", r#","note":1,"note":2"#, Retried(TEXT));
    job("P33", "Probe", "", &format!(r#","note":"{}""#, "n".repeat(8 << 20)), Runs);
    job("P34 args", "Picky", &format!(",[{}1.10]", "0,".repeat(200_000)), "", Retried(TEXT));
    job("P34 key", "Probe", "", &format!(r#","{}":1"#, "k".repeat(1 << 20)), Runs);
    let many: String = (0..20_000).map(|number| format!(r#","k{number}":0"#)).collect();
    job("P34 keys", "Probe", "", &many, Runs);
    job("P36 long", "Loud", r#","long""#, "", Retried("faults::payloads::Noise"));
    job("P36 display", "Loud", r#","display""#, "", Retried("faults::payloads::Noise"));
    job("P36 panic", "Loud", r#","panic""#, "", Retried("panic"));
    for field in ["tags", "labels", "wrapped", "display_class", "locale", "profile", "error_backtrace"] {
        job(&format!("P37 {field}"), "Probe", "", &format!(r#","{field}":{{"a":[7]}}"#), Runs);
    }
    job("P38", "Probe", r#","BAhTZWNyZXQ=""#, r#","encrypt":true"#, Buried("kiq::Encrypted"));
    job(
        "P38 unkept",
        "Probe",
        r#","BAhTZWNyZXQ=""#,
        r#","encrypt":true,"retry":false,"dead":false"#,
        Buried("kiq::Encrypted"),
    );
    job("P38 no", "Probe", "", r#","encrypt":false"#, Runs);
    rows
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Queue,
    Schedule,
    Retry,
    /// P41: the batch of a process that is gone, written by hand.
    Batch,
}

fn store(b: &Bench, place: Place, payloads: &[Vec<u8>]) {
    let mut redis = b.server.connection();
    for payload in payloads {
        let mut command = match place {
            Place::Queue => redis::cmd("LPUSH").arg("queue:default").clone(),
            Place::Schedule => redis::cmd("ZADD").arg("schedule").arg(1).clone(),
            Place::Retry => redis::cmd("ZADD").arg("retry").arg(1).clone(),
            Place::Batch => redis::cmd("RPUSH").arg("kiq:b:gone:1:abc:0").clone(),
        };
        command.arg(payload.as_slice()).exec(&mut redis).unwrap();
    }
    if place == Place::Batch {
        let left = payloads.len();
        redis::cmd("SADD").arg("kiq:owners").arg("gone:1:abc").exec(&mut redis).unwrap();
        let mut index = redis::cmd("HSET");
        index.arg("kiq:idx:gone:1:abc").arg("0").arg("default").arg("0/left").arg(left).exec(&mut redis).unwrap();
    }
}

async fn every_row(place: Place) {
    let b = Bench::new();
    let rows = rows();
    let good = |at: usize| format!(r#"{{"class":"Probe","args":["good-{at}"],"jid":"good{at}"}}"#).into_bytes();
    let payloads: Vec<Vec<u8>> = rows.iter().enumerate().flat_map(|(at, row)| [row.bytes.clone(), good(at)]).collect();
    store(&b, place, &payloads);
    std::panic::set_hook(Box::new(|_| {}));
    let seen = Seen::default();
    let worker = b
        .worker(&b.server.url())
        .queues(["default", "elsewhere", "a.b"])
        .lease(Duration::from_secs(6))
        .backoff(kiq::Backoff::custom(|_| LONG))
        .data(seen.clone());

    b.run(worker, async |_| {
        let retried = rows.iter().filter(|row| matches!(row.fate, Retried(_))).count();
        b.until(|stats| (stats.enqueued, stats.in_flight, stats.scheduled) == (0, 0, 0) && stats.retries == retried)
            .await;
    })
    .await;

    // What is to be said of this test itself shall be heard.
    drop(std::panic::take_hook());
    let seen = seen.0.lock().unwrap().clone();
    let inspector = Inspector::new(&b.client);
    let dead = inspector.set(JobSet::Dead, 0, 1000).await.unwrap();
    let retries = inspector.set(JobSet::Retry, 0, 1000).await.unwrap();
    let mut faults = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        if !seen.contains(&format!("good-{at}")) {
            faults.push(format!("the neighbour of {} did not run", row.name));
        }
        let marker = row.name.replace(' ', "-");
        let runs = seen.iter().filter(|seen| **seen == marker).count();
        let as_it_is = dead.iter().filter(|found| found.bytes == row.bytes).count();
        let original = Payload::parse(&row.bytes);
        // By the arguments, to the letter, and the name in them.
        let ends = |set: &[kiq::Found]| -> Vec<String> {
            let is_this = |job: &&Payload| {
                original.as_ref().is_ok_and(|original| {
                    job.args().get() == original.args().get() && job.args().get().starts_with(&format!("[\"{marker}\""))
                })
            };
            let jobs = set.iter().filter_map(|found| found.payload.as_ref().ok()).filter(is_this);
            jobs.map(|job| job.get("error_class").unwrap_or_default()).collect()
        };
        let found = (runs, as_it_is, ends(&retries), ends(&dead));
        let class = |class: &str| vec![class.to_owned()];
        let wanted = match row.fate {
            Kept => (0, 1, vec![], vec![]),
            Runs => (1, 0, vec![], vec![]),
            Retried(error) => (0, 0, class(error), vec![]),
            Buried(error) => (0, 0, vec![], class(error)),
        };
        if found != wanted {
            faults.push(format!("{}: (runs, kept, retried, buried) is {found:?}, not {wanted:?}", row.name));
        }
    }
    for found in retries.iter().chain(&dead).filter_map(|found| found.payload.as_ref().ok()) {
        let message = found.get::<String>("error_message").unwrap_or_default();
        if message.chars().count() > 10_000 || found.deaths().is_some() {
            faults.push(format!("{found:?} is left with a message or a mark it should not have"));
        }
    }
    assert!(faults.is_empty(), "{place:?}, {} of {} rows:\n{}", faults.len(), rows.len(), faults.join("\n"));
}

#[tokio::test]
async fn what_a_queue_may_hold() {
    every_row(Place::Queue).await;
}

#[tokio::test]
async fn what_the_schedule_may_hold() {
    every_row(Place::Schedule).await;
}

#[tokio::test]
async fn what_the_retries_may_hold() {
    every_row(Place::Retry).await;
}

#[tokio::test]
async fn what_the_batch_of_a_dead_process_may_hold() {
    every_row(Place::Batch).await;
}

/// P39: scores that are no times.
#[tokio::test]
async fn a_score_of_no_time_is_now_or_never() {
    let b = Bench::new();
    let seen = Seen::default();
    for score in ["-inf", "-7", "inf"] {
        let job = format!(r#"{{"class":"Probe","args":["{score}"],"jid":"{score}"}}"#);
        b.send(&["ZADD", "retry", score, &job]).await;
    }

    b.run(b.worker(&b.server.url()).data(seen.clone()), async |events| {
        events.done("Probe").await;
        events.done("Probe").await;
    })
    .await;

    let mut ran = seen.0.lock().unwrap().clone();
    ran.sort();
    assert_eq!(ran, ["-7", "-inf"]);
    let waiting = Inspector::new(&b.client).set(JobSet::Retry, 0, 10).await.unwrap();
    assert_eq!(waiting.len(), 1);
}

/// P40: records of processes that are broken.
#[tokio::test]
async fn broken_records_of_processes_are_no_trouble() {
    let b = Bench::new();
    for process in ["no:record:1", "bad:info:2", "no:ttl:3"] {
        b.send(&["SADD", "processes", process]).await;
    }
    b.send(&["HSET", "bad:info:2", "info", "{oops", "beat", "99999999999"]).await;
    b.send(&["HSET", "no:ttl:3", "info", "{}", "busy", "many"]).await;
    b.send(&["SADD", "kiq:owners", "no:lease:4"]).await;
    let jid = b.stored("quick").await;

    let stats = Inspector::new(&b.client).stats().await.unwrap();
    assert_eq!((stats.processes, stats.enqueued), (2, 1));
    b.run(b.worker(&b.server.url()), async |events| {
        events.done("Task").await;
    })
    .await;

    assert_eq!(b.runs_of(&jid), 1);
}
