//! A Redis as a shop may have it on a bad night: 2,377 jobs in six queues, 365 retries of six errors, 126 dead, 80 scheduled,
//! 3 processes with 42 running jobs, and 8 hours of numbers for 7 classes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis::{Cmd, Connection};
use serde_json::{Value, json};

pub const RETRIES: usize = 365;
pub const DEAD: usize = 126;
pub const SCHEDULED: usize = 80;
pub const RUNNING: usize = 42;
pub const ENQUEUED: usize = 2377;
const JIDS: u64 = 0xb0db_0000;

/// The job of the queue `imports` that runs next.
pub const WAITING_JID: &str = "aaaaaaaaaaaaaaaaaaaaaaaa";

/// One that failed with the first of [`ERRORS`].
pub const FAILED_JID: &str = "bbbbbbbbbbbbbbbbbbbbbbbb";

/// Class, queue, jobs in the queue, seconds that the oldest has waited.
const CLASSES: [(&str, &str, usize, u64); 7] = [
    ("ImportCatalogRow", "imports", 900, 1192),
    ("WebhookDelivery", "webhooks", 610, 816),
    ("SendReceipt", "mailers", 420, 569),
    ("ReindexProduct", "default", 300, 60),
    ("GenerateReport", "low", 107, 30),
    ("ChargeCard", "critical", 40, 3),
    ("SyncInventory", "default", 0, 0),
];

/// Class, error, message (with `#` for a number), how many wait to be tried again, how many are dead.
pub const ERRORS: [(&str, &str, &str, usize, usize); 6] = [
    (
        "WebhookDelivery",
        "HttpStatus",
        "503 Service Unavailable: upstream connect error or disconnect/reset before headers, reset reason: connection failure",
        151,
        52,
    ),
    (
        "WebhookDelivery",
        "reqwest::Error",
        "error sending request for url (https://hooks.example.com/t/#): connection timed out after 30000 ms",
        89,
        31,
    ),
    (
        "ImportCatalogRow",
        "csv::Error",
        "record # (line #, byte 99): found record with 7 fields, but the previous record has 9 fields",
        70,
        24,
    ),
    ("ReindexProduct", "sqlx::Error", "pool timed out while waiting for an open connection", 40, 14),
    ("SendReceipt", "smtp::Error", "450 4.2.1 mailbox # temporarily unavailable", 9, 3),
    ("ChargeCard", "CardDeclined", "card declined for order #", 6, 2),
];

/// Writes all of it.
pub fn fill(redis: &mut Connection) {
    Seed { redis: Vec::new(), next: 0, now: now() }.all().into_iter().for_each(|command| command.exec(redis).unwrap());
}

pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64()
}

struct Seed {
    redis: Vec<Cmd>,
    next: u64,
    now: f64,
}

impl Seed {
    fn all(mut self) -> Vec<Cmd> {
        self.queues();
        self.sets();
        self.processes();
        self.numbers();
        self.redis
    }

    fn send(&mut self, words: &[&str]) {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        self.redis.push(command);
    }

    /// As good as random, and the same each time.
    fn dice(&mut self, below: u64) -> u64 {
        self.next += 1;
        (self.next.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) % below
    }

    fn job(&mut self, class: &str, created: f64) -> Value {
        let queue = CLASSES.iter().find(|row| row.0 == class).unwrap().1;
        let number = self.dice(99_999);
        let args = match class {
            "WebhookDelivery" => {
                json!([{"id": number, "url": format!("https://hooks.example.com/t/{number}"), "api_token": format!("s3cr3t{number}")}])
            }
            "ImportCatalogRow" => json!([format!("s3://catalog/2026-11/part-{}.csv", number % 200), number]),
            "SendReceipt" => json!([format!("user{number}@example.com"), number]),
            "ChargeCard" => json!([{"order": {"id": number, "cents": number * 7}}]),
            "GenerateReport" => json!(["monthly", 2026, number % 12 + 1]),
            "SyncInventory" => json!([number, "eu-west"]),
            _ => json!([number]),
        };
        let millis = (created * 1000.0) as u64;
        let mut job = json!({
            "retry": true, "queue": queue, "class": class, "args": args, "jid": format!("{:024x}", JIDS + self.next),
            "created_at": millis, "enqueued_at": millis,
        });
        if number.is_multiple_of(3) {
            job["tags"] = json!([format!("tenant-{}", number % 9 + 1)]);
        }
        job
    }

    fn queues(&mut self) {
        for (class, queue, jobs, waited) in CLASSES {
            self.send(&["SADD", "queues", queue]);
            for number in 0..jobs {
                let age = waited as f64 * (1.0 - number as f64 / jobs as f64);
                let mut job = self.job(class, self.now - age);
                if queue == "imports" && number == 0 {
                    job["jid"] = json!(WAITING_JID);
                }
                self.send(&["LPUSH", &format!("queue:{queue}"), &job.to_string()]);
            }
        }
        self.send(&["SADD", "queues", "archive"]);
    }

    fn sets(&mut self) {
        for (class, error, message, retries, dead) in ERRORS {
            for number in 0..retries + dead {
                let failed = self.now - self.dice(18_000) as f64 - 200.0;
                let mut job = self.job(class, failed - 20.0);
                if error == ERRORS[0].1 && number == 0 {
                    job["jid"] = json!(FAILED_JID);
                }
                let message = message.replace('#', &self.dice(9999).to_string());
                job["error_class"] = json!(error);
                job["error_message"] = json!(message);
                job["failed_at"] = json!((failed * 1000.0) as u64);
                job["retried_at"] = json!(((failed + 100.0) * 1000.0) as u64);
                job["retry_count"] = json!(self.dice(10));
                let (set, at) = match number < retries {
                    true => ("retry", self.now + 30.0 + self.dice(21_600) as f64),
                    false => ("dead", self.now - self.dice(5 * 86_400) as f64),
                };
                self.send(&["ZADD", set, &at.to_string(), &job.to_string()]);
            }
        }
        for number in 0..SCHEDULED {
            let job = self.job(CLASSES[number % CLASSES.len()].0, self.now);
            let at = self.now + 60.0 + self.dice(3 * 86_400) as f64;
            self.send(&["ZADD", "schedule", &at.to_string(), &job.to_string()]);
        }
    }

    fn processes(&mut self) {
        for (host, pid, busy, is_quiet, mib) in
            [("app-1", 4301, 17, false, 176), ("app-2", 4311, 3, true, 263), ("legacy-7", 991, 22, false, 512)]
        {
            let identity = format!("{host}:{pid}:{pid:012x}");
            self.send(&["SADD", "processes", &identity]);
            let info = json!({
                "hostname": host, "started_at": self.now - 30_000.0, "pid": pid, "tag": "shop", "concurrency": 24,
                "queues": ["critical", "default", "mailers", "webhooks", "imports", "low"],
                "weights": [{"critical": 5, "default": 3, "mailers": 2, "webhooks": 2, "imports": 1, "low": 1}],
                "labels": ["reliable"], "identity": identity, "version": if pid == 991 { "8.1.7" } else { "kiq 0.1.0" },
                "embedded": false,
            });
            let (busy_text, beat, rss) = (busy.to_string(), (self.now - 2.0).to_string(), (mib * 1024).to_string());
            self.send(&["HSET", &identity, "info", &info.to_string(), "busy", &busy_text, "beat", &beat]);
            self.send(&["HSET", &identity, "quiet", &is_quiet.to_string(), "rss", &rss, "rtt_us", "300"]);
            for thread in 0..busy {
                let class = CLASSES[thread % CLASSES.len()].0;
                let since = if host == "app-1" && thread == 0 { 5400 } else { 1 + self.dice(60) };
                let began = self.now - since as f64;
                let job = self.job(class, began - 2.0);
                let work =
                    json!({"queue": job["queue"], "run_at": began as u64, "payload": job.to_string()}).to_string();
                self.send(&["HSET", &format!("{identity}:work"), &format!("t{thread}"), &work]);
            }
        }
    }

    fn numbers(&mut self) {
        self.send(&["SET", "stat:processed", "18244113"]);
        self.send(&["SET", "stat:failed", "90211"]);
        let day = |ago: u64| {
            let at = jiff::Timestamp::from_second(self.now as i64 - (ago * 86_400) as i64).unwrap();
            at.strftime("%Y-%m-%d").to_string()
        };
        let days: Vec<String> = (0..8).map(day).collect();
        for day in &days {
            let (done, failed) = (900_000 + self.dice(600_000), 3000 + self.dice(17_000));
            self.send(&["SET", &format!("stat:processed:{day}"), &done.to_string()]);
            self.send(&["SET", &format!("stat:failed:{day}"), &failed.to_string()]);
        }
        for ago in 0..480_i64 {
            let minute = jiff::Timestamp::from_second(self.now as i64 - 60 * ago).unwrap();
            let key = minute.strftime("j|%y%m%d|%-H:%M").to_string();
            for (index, (class, ..)) in CLASSES.iter().enumerate() {
                let done = (5 + self.dice(35)) * (index as u64 + 1);
                let failing = match *class {
                    "WebhookDelivery" if ago < 45 => 75,
                    "WebhookDelivery" => 25,
                    _ => 1,
                };
                let (failed, ms) = (done * failing / 100, done * (20 + self.dice(2000)));
                self.send(&[
                    "HSET",
                    &key,
                    &format!("{class}|p"),
                    &done.to_string(),
                    &format!("{class}|f"),
                    &failed.to_string(),
                    &format!("{class}|ms"),
                    &ms.to_string(),
                ]);
                let histogram = format!("h|{class}-{}", minute.strftime("%-d-%-H:%-M"));
                let bucket = 8 + self.dice(6);
                self.send(&["BITFIELD", &histogram, "INCRBY", "u16", &format!("#{bucket}"), &done.to_string()]);
            }
        }
        let deploy = jiff::Timestamp::from_second((self.now as i64 - 45 * 60) / 60 * 60).unwrap();
        let marks = format!("{}-marks", deploy.strftime("%Y%m%d"));
        self.send(&["HSET", &marks, &deploy.to_string(), "a1b2c3d faster webhooks"]);
    }
}
