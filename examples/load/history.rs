//! What the charts show of the hours before this program began: written as workers would have told it, minute by minute, and
//! made up.

use std::f64::consts::TAU;
use std::time::Duration;

use kiq::broker::{ClassRuns, ClassTotals, Identity};
use kiq::inspect::{HISTOGRAM_BOUNDS_MS, HISTOGRAM_BUCKETS};
use kiq::{BrokerError, Client, Inspector, Timestamp};

use super::jobs::Dice;

/// A class as it ran before and after the last deploy.
struct Class {
    name: &'static str,
    runs_a_minute: f64,
    before: Runs,
    after: Runs,
}

/// How many milliseconds a run usually took, and how many of a hundred failed.
#[derive(Clone, Copy)]
struct Runs {
    usual: u64,
    failing: u64,
}

const fn steady(name: &'static str, runs_a_minute: f64, usual: u64, failing: u64) -> Class {
    let runs = Runs { usual, failing };
    Class { name, runs_a_minute, before: runs, after: runs }
}

/// The deploy made webhooks fail, and cards slow.
const CLASSES: [Class; 6] = [
    Class { after: Runs { usual: 160, failing: 55 }, ..steady("WebhookDelivery", 90.0, 180, 25) },
    Class { after: Runs { usual: 220, failing: 4 }, ..steady("ChargeCard", 45.0, 90, 3) },
    steady("SendReceipt", 120.0, 120, 0),
    steady("ImportCatalogRow", 24.0, 900, 12),
    steady("ResizeImage", 60.0, 170, 6),
    steady("NightlyExport", 1.0, 9_000, 1),
];

/// The deploys, by the minutes that they are ago.
const DEPLOYS: [(u64, &str); 2] = [(371, "9f31c0e Charge in euros"), (LAST_DEPLOY, "a1b2c3d Faster webhooks")];

const LAST_DEPLOY: u64 = 142;

/// Writes eight hours by the minute, and three days by ten minutes.
pub async fn write(client: &Client) -> Result<(), BrokerError> {
    let now = client.clock().now();
    let teller = client.broker().attach(Identity::of_this_process());
    let mut dice = Dice::new(3);
    for ten_minutes in (49..432).rev() {
        let at = now - Duration::from_secs(600) * ten_minutes;
        teller.record(&told(&mut dice, at, 10.0, false), at).await?;
    }
    for minute in (1..=480).rev() {
        let at = now - Duration::from_secs(60) * minute;
        teller.record(&told(&mut dice, at, 1.0, u64::from(minute) < LAST_DEPLOY), at).await?;
    }
    for (ago, label) in DEPLOYS {
        let then = kiq::Clock::manual(now - Duration::from_secs(60 * ago));
        Inspector::new(&client.clone().with_clock(then)).mark_deploy(label).await?;
    }
    Ok(())
}

/// What ran in so many minutes.
fn told(dice: &mut Dice, at: Timestamp, minutes: f64, is_after: bool) -> Vec<ClassRuns> {
    // Customers sleep at night.
    let day = (at.as_micros() / 60_000_000 % 1440) as f64 / 1440.0;
    let busy = 1.0 - 0.6 * (TAU * day).cos();
    let class = |class: &Class| {
        let Runs { usual, failing } = if is_after { class.after } else { class.before };
        let most = (class.runs_a_minute * minutes * busy * 1.2) as u64;
        let mut durations = [0; HISTOGRAM_BUCKETS];
        let mut totals = ClassTotals { class: class.name.to_owned(), ..ClassTotals::default() };
        totals.runs = most * 2 / 3 + dice.below(most / 3 + 2);
        for _ in 0..totals.runs {
            if dice.below(100) < failing {
                totals.failures += 1;
                continue;
            }
            let took = dice.time(Duration::from_millis(usual)).as_millis() as u64;
            totals.millis += took;
            let counter = HISTOGRAM_BOUNDS_MS.partition_point(|bound| *bound <= took);
            durations.iter_mut().skip(counter).take(1).for_each(|count| *count += 1);
        }
        ClassRuns { totals, durations }
    };
    CLASSES.iter().map(class).filter(|runs| runs.totals.runs > 0).collect()
}
