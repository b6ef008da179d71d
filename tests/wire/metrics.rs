//! How often jobs ran and how long they took: Sidekiq reads what kiq counted, and kiq what Sidekiq counted.

use std::time::{Duration, Instant};

use kiq::Inspector;
use kiq::inspect::Runs;
use serde_json::{Value, json};

use crate::jobs::{FailsInRust, OnlyRuby, Relayed, Setup, Wait};
use crate::ruby::{Sidekiq, look, run};

const HOUR: Duration = Duration::from_secs(3600);

/// How often, and how often in vain.
fn ran(runs: &Runs, class: &str) -> (u64, u64) {
    let of_class = runs.totals().into_iter().find(|totals| totals.class == class);
    of_class.map_or((0, 0), |totals| (totals.runs, totals.failures))
}

/// 6.4 has no metrics; `./check sidekiqs` runs this with 7.3 and 8.1.
#[tokio::test]
async fn each_reads_the_metrics_of_the_other() {
    let setup = Setup::new();
    let inspector = Inspector::new(&setup.client);
    for number in 0..3 {
        Relayed::enqueue(number).on(&setup.client).await.unwrap();
        FailsInRust::enqueue(number).retry(0).on(&setup.client).await.unwrap();
    }
    Wait::enqueue().on(&setup.client).await.unwrap();
    let (begun, mut took) = (Instant::now(), Duration::ZERO);
    setup
        .run(setup.worker(&["rust"]), async |events| {
            events.started("Wait").await;
            let started = Instant::now();
            for _ in 0..3 {
                events.done("Relayed").await;
                events.failed("FailsInRust").await;
            }
            // Something that takes its time.
            look(&setup.server);
            took = started.elapsed();
            setup.gate.0.notify_one();
            events.done("Wait").await;
        })
        .await;
    let at_most = begun.elapsed();
    inspector.mark_deploy("v2 of Rust").await.unwrap();
    let mut ruby = Sidekiq::start(&setup.server, &["ruby"]);
    OnlyRuby::enqueue(1, "counted").on(&setup.client).await.unwrap();
    ruby.next_run();
    ruby.stop();

    let seen = run(&setup.server, "metrics.rb", &["Relayed"], &Value::Null);
    let runs = inspector.runs(HOUR).await.unwrap();

    assert_eq!(ran(&runs, "Relayed"), (3, 0));
    let version = seen["version"].as_str().unwrap();
    if version.starts_with("6.") {
        assert_eq!((&seen["totals"], ran(&runs, "OnlyRuby")), (&Value::Null, (0, 0)));
        return;
    }
    let totals = |class: &str| (seen["totals"][class]["p"].clone(), seen["totals"][class]["f"].clone());
    assert_eq!(totals("Relayed"), (json!(3), Value::Null), "{seen}");
    assert_eq!(totals("FailsInRust"), (json!(3), json!(3)), "{seen}");
    let waited = Duration::from_millis(seen["totals"]["Wait"]["ms"].as_u64().unwrap() + 1);
    assert!((took..=at_most).contains(&waited), "{took:?} {at_most:?} {seen}");
    assert_eq!(seen["deploys"], json!(["v2 of Rust"]));
    let histogram: Vec<u64> = serde_json::from_value(seen["histogram"].clone()).unwrap();
    assert_eq!((histogram.len(), histogram.iter().sum::<u64>()), (26, 3), "{seen}");
    // kiq writes the keys of 7 and 8, and reads those of 8.
    let of_ruby = if version.starts_with("7.") { (0, 0) } else { (1, 0) };
    assert_eq!(ran(&runs, "OnlyRuby"), of_ruby, "{runs:?}");
}
