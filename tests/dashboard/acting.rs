//! Acts on many jobs, as an operator's hands do them: by mouse, by keyboard, without scripts, and two at a time.

use redis::Connection;
use serde_json::json;

use crate::browser::{Browser, Theme, View};
use crate::seed::{self, ERRORS};
use crate::site::Site;

/// Whether the operation whose page is open is over.
const IS_OVER: &str = "!document.querySelector('main .bar strong').innerText.startsWith('●')";

/// Entries with their scores, byte by byte.
fn entries(redis: &mut Connection, set: &str) -> Vec<(Vec<u8>, String)> {
    redis::cmd("ZRANGE").arg(set).arg(0).arg(-1).arg("WITHSCORES").query(redis).unwrap()
}

/// Opens the page of an operation until it is over, and answers with its text.
fn outcome(browser: &mut Browser, url: &str) -> String {
    // The list tells of it, and leads to it.
    browser.open(&format!("{url}/operations"));
    let page = browser.evaluate("document.querySelector('main td a[href*=\"operations/\"]').href");
    loop {
        browser.open(page.as_str().unwrap());
        if browser.evaluate(IS_OVER) == true {
            return browser.text();
        }
    }
}

/// Goes with Tab to what the selector finds, as someone without a mouse has to.
fn tab_to(browser: &mut Browser, selector: &str) {
    for _ in 0..400 {
        if browser.evaluate(&format!("document.activeElement === document.querySelector({})", json!(selector))) == true
        {
            return;
        }
        browser.press("Tab");
    }
    panic!("{selector} cannot be reached by Tab in {}", browser.text());
}

/// A job of the class that failed only now.
fn fails_now(redis: &mut Connection, class: &str, jid: &str) {
    let now = seed::now();
    let job = json!({
        "class": class, "queue": "critical", "args": [1], "jid": jid, "created_at": now, "retry": true, "retry_count": 0,
        "failed_at": ((now + 1.0) * 1000.0) as u64, "error_class": "CardDeclined", "error_message": "card declined for order 1",
    });
    redis::cmd("ZADD").arg("retry").arg(now + 60.0).arg(job.to_string()).exec(redis).unwrap();
}

/// web-ui §10, items 5 and 6: six of 365 are chosen by a filter, deleted after a question, and come back byte by byte. Whatever
/// failed after the question was put is spared. With scripts and without.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_is_deleted_and_taken_back_and_later_failures_are_spared() {
    for scripts in [true, false] {
        let site = Site::filled().await;
        let mut redis = site.server.connection();
        let (class, .., cards, _) = ERRORS[5];

        site.with_browser(move |browser, url| {
            browser.scripts(scripts);
            browser.view(View { width: 1280, height: 900, theme: Theme::Light });
            let before = entries(&mut redis, "retry");
            browser.open(&format!("{url}/retries?view=jobs&q=class:{class}"));
            browser.click("button[name=all][value=delete]");
            assert!(browser.text().contains(&format!("{cards} jobs")), "{}", browser.text());
            fails_now(&mut redis, class, "spared");

            browser.click("main form button.danger");
            let told = outcome(browser, url);

            assert!(told.contains(&format!("{cards} done")), "{told}");
            let left = entries(&mut redis, "retry");
            assert_eq!(left.len(), seed::RETRIES - cards + 1);
            assert!(left.iter().any(|(job, _)| job.windows(6).any(|bytes| bytes == b"spared")));

            browser.click("form[action$=undo] button");
            let told = outcome(browser, url);

            let mut after = entries(&mut redis, "retry");
            after.retain(|(job, _)| !job.windows(6).any(|bytes| bytes == b"spared"));
            assert_eq!(after, before, "{told}");
        })
        .await;
    }
}

/// Item 6: by keyboard alone. Keys choose and ask; only a button that has the focus acts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_are_chosen_and_killed_by_keyboard_alone() {
    let site = Site::filled().await;
    let mut redis = site.server.connection();

    site.with_browser(move |browser, url| {
        browser.view(View { width: 1280, height: 900, theme: Theme::Light });
        browser.open(url);
        browser.press("g");
        browser.press_and_go("r");
        assert!(browser.evaluate("location.pathname").as_str().unwrap().ends_with("/retries"));
        browser.open(&format!("{url}/retries?view=jobs"));

        // Two rows, and the question about them.
        for key in ["j", "x", "j", "x"] {
            browser.press(key);
        }
        assert_eq!(browser.evaluate("document.querySelectorAll('input[name=key]:checked').length"), 2);
        browser.press_and_go("K");
        assert_eq!(entries(&mut redis, "retry").len(), seed::RETRIES);
        tab_to(browser, "main form button.danger, main form button.primary");
        browser.press_and_go("Enter");

        let told = outcome(browser, url);
        assert!(told.contains("2 done"), "{told}");
        assert_eq!(entries(&mut redis, "retry").len(), seed::RETRIES - 2);
        assert_eq!(entries(&mut redis, "dead").len(), seed::DEAD + 2);

        tab_to(browser, "form[action$=undo] button");
        browser.press_and_go("Enter");
        outcome(browser, url);
        assert_eq!(entries(&mut redis, "retry").len(), seed::RETRIES);
        assert_eq!(entries(&mut redis, "dead").len(), seed::DEAD);
    })
    .await;
}

/// Item 8: two operators answer yes to the same question. Together they did it once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_operators_delete_the_same_jobs_once() {
    let site = Site::filled().await;
    let mut redis = site.server.connection();
    let (.., timeouts, _) = ERRORS[1];

    let results = site
        .with_browser(move |one, url| {
            let mut other = Browser::start();
            for browser in [&mut *one, &mut other] {
                browser.open(&format!("{url}/retries?view=jobs&q=error:reqwest::Error"));
                browser.click("button[name=all][value=kill]");
            }
            for browser in [&mut *one, &mut other] {
                browser.click("main form button.danger, main form button.primary");
            }
            one.open(&format!("{url}/operations"));
            let pages =
                one.evaluate("[...document.querySelectorAll('main td a[href*=\"operations/\"]')].map(a => a.href)");
            let pages: Vec<String> = serde_json::from_value(pages).unwrap();
            assert_eq!(pages.len(), 2);
            let done = |page: &String| loop {
                one.open(page);
                let text = one.evaluate("document.querySelector('[role=status]').innerText");
                let text = text.as_str().unwrap().to_owned();
                if one.evaluate(IS_OVER) == true {
                    break text.split(' ').next().unwrap().parse::<usize>().unwrap();
                }
            };
            pages.iter().map(done).collect::<Vec<_>>()
        })
        .await;

    assert_eq!(results.iter().sum::<usize>(), timeouts, "{results:?}");
    assert_eq!(entries(&mut redis, "retry").len(), seed::RETRIES - timeouts);
    assert_eq!(entries(&mut redis, "dead").len(), seed::DEAD + timeouts);
}
