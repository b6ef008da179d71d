//! What the charts show of the hours before this program began: written as workers would have told it, minute by minute, and
//! made up.

use std::f64::consts::TAU;
use std::time::Duration;

use kiq::broker::{ClassRuns, ClassTotals, Identity};
use kiq::inspect::{HISTOGRAM_BOUNDS_MS, HISTOGRAM_BUCKETS};
use kiq::{BrokerError, Client, Inspector, Timestamp};

use super::jobs::Dice;

/// A class as it ran: runs a minute, how long they usually took, and how many of a hundred failed, before and after the deploy.
const CLASSES: [(&str, u64, u64, [u64; 2], [f64; 2]); 6] = [
    ("WebhookDelivery", 90, 180, [25, 55], [1.0, 0.9]),
    ("SendReceipt", 120, 120, [0, 0], [1.0, 1.0]),
    ("ChargeCard", 45, 90, [3, 4], [1.0, 2.4]),
    ("ImportCatalogRow", 24, 900, [12, 12], [1.0, 1.0]),
    ("ResizeImage", 60, 170, [6, 6], [1.0, 1.0]),
    ("NightlyExport", 1, 9_000, [1, 1], [1.0, 1.0]),
];

/// The deploys, by the minutes that they are ago.
const DEPLOYS: [(u64, &str); 2] = [(371, "9f31c0e Charge in euros"), (142, "a1b2c3d Faster webhooks")];

/// Writes eight hours by the minute, and three days by ten minutes.
pub async fn write(client: &Client) -> Result<(), BrokerError> {
    let now = client.clock().now();
    let teller = client.broker().attach(Identity::of_this_process());
    let mut dice = Dice::new(3);
    for ten_minutes in (49..432).rev() {
        let at = now - Duration::from_secs(600) * ten_minutes;
        teller.record(&told(&mut dice, at, 10, 0), at).await?;
    }
    for minute in (1..=480).rev() {
        let at = now - Duration::from_secs(60) * minute;
        let is_after = usize::from(u64::from(minute) < DEPLOYS[1].0);
        teller.record(&told(&mut dice, at, 1, is_after), at).await?;
    }
    for (ago, label) in DEPLOYS {
        let then = kiq::Clock::manual(now - Duration::from_secs(60 * ago));
        Inspector::new(&client.clone().with_clock(then)).mark_deploy(label).await?;
    }
    Ok(())
}

/// What ran in so many minutes.
fn told(dice: &mut Dice, at: Timestamp, minutes: u64, side: usize) -> Vec<ClassRuns> {
    // Customers sleep at night.
    let hour = (at.as_micros() / 60_000_000 % 1440) as f64 / 1440.0;
    let busy = 1.0 - 0.6 * (TAU * hour).cos();
    let class = |(name, a_minute, usual, failing, slower): &(&str, u64, u64, [u64; 2], [f64; 2])| {
        let mut durations = [0; HISTOGRAM_BUCKETS];
        let mut totals = ClassTotals { class: (*name).to_owned(), ..ClassTotals::default() };
        let most = (*a_minute as f64 * minutes as f64 * busy * 1.2) as u64;
        totals.runs = most * 2 / 3 + dice.below(most / 3 + 2);
        for _ in 0..totals.runs {
            if dice.below(100) < failing[side] {
                totals.failures += 1;
                continue;
            }
            let took = dice.time(Duration::from_millis(*usual).mul_f64(slower[side])).as_millis() as u64;
            totals.millis += took;
            durations[HISTOGRAM_BOUNDS_MS.partition_point(|bound| *bound <= took)] += 1;
        }
        ClassRuns { totals, durations }
    };
    CLASSES.iter().map(class).filter(|runs| runs.totals.runs > 0).collect()
}
