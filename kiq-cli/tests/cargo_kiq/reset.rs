//! `cargo kiq dev reset`: what it takes, what it leaves, and when it does nothing.

use std::collections::BTreeMap;
use std::process::Output;

use kiq::{Client, Inspector};
use kiq_testing::{Events, RedisServer};

use crate::setup::{Place, cargo_kiq, fails, succeeds};

#[kiq::job(queue = "mail")]
async fn send_mail(user_id: u64) -> Result<(), String> {
    if user_id == 13 { Err("no such user".to_owned()) } else { Ok(()) }
}

/// An application, and a Redis.
struct Setup {
    place: Place,
    server: RedisServer,
}

impl Setup {
    fn new() -> Self {
        Setup { place: Place::with_app(), server: RedisServer::start() }
    }

    fn client(&self) -> Client {
        Client::connect(&self.server.url()).unwrap()
    }

    fn reset(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = cargo_kiq(&self.place.app());
        command.args(["dev", "reset"]).args(arguments).env("REDIS_URL", self.server.url());
        command.envs(variables.iter().copied()).output().unwrap()
    }

    fn refuses(&self, arguments: &[&str], variables: &[(&str, &str)]) -> String {
        let before = self.keys();
        let said = fails(&self.reset(arguments, variables));
        assert_eq!(self.keys(), before);
        said
    }

    /// Every key, with its type.
    fn keys(&self) -> BTreeMap<String, String> {
        let mut redis = self.server.connection();
        let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut redis).unwrap();
        keys.into_iter().map(|key| (key.clone(), redis::cmd("TYPE").arg(&key).query(&mut redis).unwrap())).collect()
    }

    fn give(&self, commands: &[&str]) {
        let mut redis = self.server.connection();
        for line in commands {
            let mut words = line.split(' ');
            let mut command = redis::cmd(words.next().unwrap());
            words.for_each(|word| {
                command.arg(word);
            });
            let () = command.query(&mut redis).unwrap();
        }
    }
}

/// A32: all that is kiq's is gone, from the numbers of Sidekiq's pages to the marks of workers, and no other key.
#[tokio::test]
async fn it_empties_what_is_kiqs_and_nothing_else() {
    let s = Setup::new();
    let others = [
        "SET session:7 ann",
        "HSET dead kept here",
        "LPUSH jobs a",
        "SET queue:locked 1",
        "SET report-24-10:30 x",
        "HSET host:1:abc a b",
        "SADD queue_names a",
    ];
    let client = s.client();
    for user in [1, 13] {
        SendMail::enqueue(user)
            .idempotent_by(format!("mail:{user}"), std::time::Duration::from_secs(60))
            .on(&client)
            .await
            .unwrap();
    }
    let worker = kiq::Worker::builder().client(client.clone()).queues(["mail"]).build().unwrap();
    let mut events = Events::of(&worker);
    worker
        .run_until(async {
            events.done("SendMail").await;
            events.failed("SendMail").await;
        })
        .await
        .unwrap();
    SendMail::enqueue(3).on(&client).await.unwrap();
    SendMail::enqueue(4).delay(std::time::Duration::from_secs(60)).on(&client).await.unwrap();
    let inspector = Inspector::new(&client);
    inspector.pause("mail").await.unwrap();
    inspector.mark_deploy("v1").await.unwrap();
    s.give(&others);
    // What other versions of Sidekiq write.
    s.give(&[
        "SET SendMail-24-10:30 x",
        "HSET j|20261124|10:3 SendMail|p 1",
        "SADD processes host:2:def",
        "HSET host:2:def info {}",
        "HSET host:2:def:work 1 {}",
        "LPUSH host:2:def-signals TERM",
    ]);

    let said = succeeds(&s.reset(&["--yes"], &[]));

    assert!(
        said.contains("Forgot jobs 1 enqueued, 1 scheduled, 1 to be retried, and all numbers, of redis://"),
        "{said}"
    );
    let left: Vec<String> = s.keys().into_keys().collect();
    assert_eq!(left, ["dead", "host:1:abc", "jobs", "queue:locked", "queue_names", "report-24-10:30", "session:7"]);
    assert_eq!(inspector.stats().await.unwrap(), kiq::Stats::default());
    // And it goes on from there.
    SendMail::enqueue(5).on(&client).await.unwrap();
    assert_eq!(inspector.stats().await.unwrap().enqueued, 1);
    assert!(succeeds(&s.reset(&["--yes"], &[])).contains("Forgot jobs 1 enqueued"));
}

/// A32: nowhere but in development.
#[tokio::test]
async fn it_refuses_outside_development() {
    let s = Setup::new();
    SendMail::enqueue(7).on(&s.client()).await.unwrap();

    for (variable, value) in [("KIQ_ENV", "production"), ("APP_ENV", "staging"), ("RAILS_ENV", "test")] {
        // What `.env` says counts less than the environment, and `.env` names development.
        let variables =
            if variable == "KIQ_ENV" { vec![(variable, value)] } else { vec![("KIQ_ENV", ""), (variable, value)] };
        let said = s.refuses(&["--yes"], &variables);
        assert!(said.contains(&format!("this is {value}")) && said.contains("only development is reset"), "{said}");
    }
    s.place.write("my-app/.env", "KIQ_ENV=production\n");
    let said = s.refuses(&["--yes"], &[]);
    assert!(
        said.contains("this is production ($KIQ_ENV), and only development is reset; nothing was touched"),
        "{said}"
    );
}

#[tokio::test]
async fn it_refuses_what_may_be_somebody_elses() {
    let s = Setup::new();
    SendMail::enqueue(7).on(&s.client()).await.unwrap();

    let said = s.refuses(&["--yes"], &[("REDIS_URL", "redis://user:secret@redis.example.com:6379/0")]);
    assert!(said.contains("redis.example.com") && said.contains("say `--host redis.example.com`"), "{said}");
    assert!(!said.contains("secret"), "{said}");
    let said = s.refuses(&["--yes", "--host", "other.example.com"], &[("REDIS_URL", "redis://redis.example.com/0")]);
    assert!(said.contains("say `--host redis.example.com`"), "{said}");

    // Nobody is there to be asked.
    let said = s.refuses(&[], &[]);
    assert!(said.contains("would forget jobs 1 enqueued, and all numbers") && said.contains("say `--yes`"), "{said}");
    let before = s.keys();
    let said = succeeds(&s.reset(&["--dry-run"], &[]));
    assert!(said.contains("note: would forget jobs 1 enqueued"), "{said}");
    assert_eq!(s.keys(), before);
}

#[test]
fn without_a_redis_there_is_nothing_to_reset() {
    let place = Place::with_app();
    let output = cargo_kiq(&place.app()).args(["dev", "reset", "--yes"]).output().unwrap();
    let said = fails(&output);
    assert!(said.contains("no Redis is named") && said.contains("nothing to reset"), "{said}");

    let output =
        cargo_kiq(&place.app()).args(["dev", "reset", "--yes"]).env("REDIS_URL", "redis://127.0.0.1:1/0").output();
    let said = fails(&output.unwrap());
    assert!(said.contains("127.0.0.1:1"), "{said}");
}
