//! Has rusty-sidekiq write one payload of each shape into the empty Redis of `REDIS_URL`, and prints them as a recording.

use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use sidekiq::{Processor, RedisConnectionManager, RedisPool, RetryOpts, Worker, WorkerOpts};

/// Runs in kiq.
struct Shared;

#[async_trait::async_trait]
impl Worker<(u64, String, Option<u64>)> for Shared {
    fn opts() -> WorkerOpts<(u64, String, Option<u64>), Self> {
        WorkerOpts::new().queue("rust")
    }

    async fn perform(&self, _: (u64, String, Option<u64>)) -> sidekiq::Result<()> {
        Err(sidekiq::Error::Message("boom".to_owned()))
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::var("REDIS_URL")?;
    let pool: RedisPool = bb8::Pool::builder().build(RedisConnectionManager::new(url.as_str())?).await?;
    let mut redis = redis::Client::open(url.as_str())?.get_connection()?;
    let from = now().floor();
    let args = || (1, "a".to_owned(), None);

    Shared::opts().retry(RetryOpts::Max(5)).retry_queue("rust").perform_async(&pool, args()).await?;
    let mut processor = Processor::new(pool.clone(), vec!["rust".to_owned()]);
    processor.register(Shared);
    let token = processor.get_cancellation_token();
    let worker = tokio::spawn(processor.run());
    while redis::cmd("ZCARD").arg("retry").query::<usize>(&mut redis)? == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    token.cancel();
    worker.await?;

    Shared::perform_async(&pool, args()).await?;
    Shared::opts().unique_for(Duration::from_secs(3600)).perform_async(&pool, args()).await?;
    Shared::opts().retry(RetryOpts::Never).perform_in(&pool, Duration::from_secs(3600), args()).await?;

    println!("{}", json!({"of": "rusty-sidekiq-0.13.2", "from": from, "to": now().ceil()}));
    let say = |what: &str, place: &str, text: String| println!("{}", json!({"what": what, "in": place, "text": text}));
    let queued: Vec<String> = redis::cmd("LRANGE").arg("queue:rust").arg(0).arg(-1).query(&mut redis)?;
    for (what, text) in ["unique", "plain"].into_iter().zip(queued) {
        say(what, "queue", text);
    }
    for (what, set) in [("scheduled", "schedule"), ("failed", "retry")] {
        let texts: Vec<String> = redis::cmd("ZRANGE").arg(set).arg(0).arg(-1).query(&mut redis)?;
        let _: Vec<Value> = texts.iter().map(|text| serde_json::from_str(text)).collect::<Result<_, _>>()?;
        texts.into_iter().for_each(|text| say(what, set, text));
    }
    Ok(())
}
