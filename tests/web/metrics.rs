//! The pages of numbers.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use kiq::broker::{ClassRuns, ClassTotals, Identity};
use kiq::inspect::HISTOGRAM_BUCKETS;
use kiq::{Client, Inspector};
use kiq_testing::RedisServer;

use crate::asking::{commands, get, page, public};

/// What a class ran in each of the last `minutes`: so many runs, of which some failed, the others in the `slot`th counter.
async fn ran(client: &Client, class: &str, minutes: std::ops::Range<u64>, runs: u64, failures: u64, slot: usize) {
    let teller = client.broker().attach(Identity::of_this_process());
    let now = client.clock().now();
    for ago in minutes.rev() {
        let mut durations = [0; HISTOGRAM_BUCKETS];
        durations[slot] = u32::try_from(runs - failures).unwrap();
        let totals = ClassTotals { class: class.to_owned(), runs, failures, millis: 100 * (runs - failures) };
        let at = now - Duration::from_secs(60) * u32::try_from(ago).unwrap();
        teller.record(&[ClassRuns { totals, durations }], at).await.unwrap();
    }
}

async fn deploy(client: &Client, minutes_ago: u64, label: &str) {
    let then = kiq::Clock::manual(client.clock().now() - Duration::from_secs(60 * minutes_ago));
    Inspector::new(&client.clone().with_clock(then)).mark_deploy(label).await.unwrap();
}

/// The cells of a class's row.
fn row(page: &str, class: &str) -> Vec<String> {
    let row = page.split("<tr>").find(|row| row.contains(&format!(">{class}</a>"))).unwrap();
    row.split("<td").skip(1).map(|cell| strip(cell.split("</td>").next().unwrap().split_once('>').unwrap().1)).collect()
}

fn strip(html: &str) -> String {
    let mut text = String::new();
    let mut is_tag = false;
    for c in html.chars() {
        match c {
            '<' => is_tag = true,
            '>' => is_tag = false,
            c if !is_tag => text.push(c),
            _ => {}
        }
    }
    text.trim().to_owned()
}

#[tokio::test]
async fn classes_are_listed_with_failures_and_percentiles_the_one_that_takes_most_time_first() {
    let client = Client::in_memory();
    ran(&client, "ChargeCard", 5..15, 10, 1, 4).await;
    ran(&client, "SendMail", 5..15, 100, 0, 0).await;
    let dashboard = public(&client);

    let all = page(&dashboard, "/metrics").await;

    assert!(all.contains("1,100 runs of 2 classes in the last 8 h: 0.9 % failed"), "{all}");
    let cells = ["100", "10", "10.0 % ▲", "9.0 s", "100 ms", "≤ 100 ms", "≤ 100 ms", "≤ 100 ms"];
    assert_eq!(row(&all, "ChargeCard")[..8], cells);
    assert!(all.find(">SendMail<") < all.find(">ChargeCard<"));
    for (sort, first) in
        [("class", "ChargeCard"), ("failed", "ChargeCard"), ("p95", "ChargeCard"), ("runs", "SendMail")]
    {
        let sorted = page(&dashboard, &format!("/metrics?sort={sort}")).await;
        let other = if first == "SendMail" { "ChargeCard" } else { "SendMail" };
        let place = |class: &str| sorted.find(&format!(">{class}</a>"));
        assert!(place(first) < place(other), "{sort}");
    }
    // Beyond 8 hours there are no durations, and the page says so.
    let days = page(&dashboard, "/metrics?range=72h").await;
    assert_eq!(row(&days, "ChargeCard")[..5], cells[..5]);
    assert!(days.contains("Durations are kept for 8 hours") && !days.contains("p95"));
    assert!(!page(&dashboard, "/metrics?period=1h").await.contains("Nothing was told"), "as Sidekiq calls it");
}

#[tokio::test]
async fn a_deploy_is_compared_with_what_was_before_it() {
    let client = Client::in_memory();
    ran(&client, "ChargeCard", 41..100, 10, 0, 0).await;
    ran(&client, "ChargeCard", 2..40, 10, 5, 4).await;
    deploy(&client, 200, "first").await;
    deploy(&client, 40, "a1b2c3d Faster <b>webhooks</b>").await;
    let dashboard = public(&client);

    let all = page(&dashboard, "/metrics").await;
    let one = page(&dashboard, "/metrics/ChargeCard").await;

    assert!(
        row(&all, "ChargeCard").contains(&"p95 +400 %, failed +50 pt ▲".to_owned()),
        "{:?}",
        row(&all, "ChargeCard")
    );
    assert!(all.contains("a1b2c3d Faster &#60;b&#62;webhooks") && !all.contains("<b>webhooks"));
    let compared = one.split("Before and after a1b2c3d").nth(1).unwrap();
    let failed = compared.split("Failed</th>").nth(1).unwrap();
    assert!(failed.starts_with("<td class=\"n\">0 %</td><td class=\"n\">50.0 %</td>"), "{failed}");
    // Before the first there was nothing to compare with.
    let first = page(&dashboard, "/metrics/ChargeCard?compare=1").await;
    assert!(first.contains("Before and after first") && first.contains("too few runs"));
}

#[tokio::test]
async fn a_classes_page_has_charts_with_a_description_and_a_table() {
    let client = Client::in_memory();
    ran(&client, "ChargeCard", 2..400, 7, 1, 10).await;
    let dashboard = public(&client);

    let one = page(&dashboard, "/metrics/ChargeCard").await;

    for title in ["Runs, a minute", "Failed, a minute", "How long runs took, over time", "How long runs took, runs"] {
        assert!(one.matches(&format!("<title>{title}")).count() >= 2, "{title}, wide and narrow");
    }
    assert_eq!(one.matches("role=\"img\"").count(), 8);
    assert_eq!(one.matches("</desc>").count(), 8);
    assert!(one.matches("<summary class=\"note\">as a table</summary>").count() == 4);
    assert!(!one.contains("style="), "the policy forbids styles in attributes");
    assert!(one.contains("p50 ≤ 1.1 s, p95 ≤ 1.1 s, p99 ≤ 1.1 s"));
    assert!(one.contains("q=class%3AChargeCard"));
    assert!(one.len() < 60_000, "{}", one.len());
}

#[tokio::test]
async fn what_is_not_asked_for_properly_is_told_what_there_is() {
    let client = Client::in_memory();
    let dashboard = public(&client);

    for (path, status, word) in [
        ("/metrics?range=9h", StatusCode::BAD_REQUEST, "take 1h, 2h, 4h"),
        ("/metrics?range=%3Cscript%3E", StatusCode::BAD_REQUEST, "&#60;script&#62;"),
        ("/metrics?sort=evil", StatusCode::BAD_REQUEST, "take one of class, runs"),
        ("/metrics?compare=x", StatusCode::BAD_REQUEST, ""),
        ("/metrics/Nobody", StatusCode::NOT_FOUND, "ran in the last 8 h"),
        ("/metrics/%3Cimg%20src=x%20onerror=alert(1)%3E", StatusCode::NOT_FOUND, "&#60;img src"),
        ("/metrics/%FF%00", StatusCode::BAD_REQUEST, ""),
    ] {
        let answer = get(&dashboard, path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text);
        assert!(
            answer.text.contains(word) && !answer.text.contains("<script>") && !answer.text.contains("<img"),
            "{path}"
        );
    }
    // A deploy that is gone from the range is no reason to fail.
    assert!(page(&dashboard, "/metrics?compare=7").await.contains("Nothing was told in this time"));
}

#[tokio::test]
async fn names_with_markup_are_text_everywhere() {
    let hostile = r#"A"><script>alert(1)</script>&'é"#;
    let client = Client::in_memory();
    ran(&client, hostile, 2..30, 30, 3, 2).await;
    deploy(&client, 10, hostile).await;
    let dashboard = public(&client);

    let path = "/metrics/A%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E%26%27%C3%A9";
    for path in ["/metrics", path, "/metrics?range=24h"] {
        let page = page(&dashboard, path).await;
        assert!(!page.contains("<script>alert"), "{path}");
        assert!(page.contains("&#60;script&#62;alert(1)"), "{path}");
    }
    assert!(
        page(&dashboard, "/metrics")
            .await
            .contains("metrics/A%22%3E%3Cscript%3Ealert%281%29%3C%2Fscript%3E%26%27%C3%A9")
    );
}

#[tokio::test]
async fn the_pages_cost_redis_what_they_say_they_cost() {
    let server = RedisServer::start();
    let client = Client::connect(&server.url()).unwrap();
    ran(&client, "A", 1..480, 3, 1, 4).await;
    ran(&client, "B", 1..480, 3, 1, 4).await;
    let dashboard = Arc::new(public(&client));
    // The frame's own sample, which all pages share.
    page(&dashboard, "/help").await;
    page(&dashboard, "/busy").await;

    let sent = commands(&server, || async { drop(page(&dashboard, "/metrics").await) }).await;
    assert_eq!(sent.get("mget"), Some(&2), "one for each class: {sent:?}");
    assert_eq!(sent.get("hgetall"), None, "{sent:?}");
    let again = commands(&server, || async { drop(page(&dashboard, "/metrics/A").await) }).await;
    assert_eq!(again.get("mget"), None, "{again:?}");
    let days = commands(&server, || async { drop(page(&dashboard, "/metrics?range=72h").await) }).await;
    assert_eq!(days.get("hgetall"), Some(&(433 + 4)), "steps and days of deploys: {days:?}");
    let days = commands(&server, || async { drop(page(&dashboard, "/metrics/B?range=24h").await) }).await;
    assert_eq!(days.get("hgetall"), None, "{days:?}");
}
