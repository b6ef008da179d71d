//! Sidekiq's own pages, in a real browser, over what kiq wrote.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::time::Duration;

use kiq_testing::{Events, RedisServer};
use serde_json::json;

use crate::browser::Browser;
use crate::jobs::{FailsInRust, OnlyRuby, Setup, Wait};
use crate::ruby::{look, program, script};

/// Sidekiq's pages, served by Ruby.
struct Pages {
    process: Child,
    url: String,
}

impl Pages {
    fn serve(server: &RedisServer) -> Self {
        let mut process = program("ruby")
            .arg(script("pages.rb"))
            .env("REDIS_URL", server.url())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Pages { process, url: format!("http://127.0.0.1:{}", port.trim()) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Every page shows kiq's processes and jobs as it shows its own, and every button works on them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sidekiqs_pages_show_kiq_and_their_buttons_work() {
    let setup = Setup::new();
    let worker = setup.worker(&["rust"]).tag("shop").build().unwrap();
    let mut events = Events::of(&worker);
    let failing = FailsInRust::enqueue(7).retry(9).on(&setup.client).await.unwrap();
    let dying = FailsInRust::enqueue(8).retry(0).on(&setup.client).await.unwrap();
    OnlyRuby::enqueue(1, "waits").on(&setup.client).await.unwrap();
    OnlyRuby::enqueue(2, "later").delay(Duration::from_secs(3600)).on(&setup.client).await.unwrap();
    Wait::enqueue().on(&setup.client).await.unwrap();
    let worker = tokio::spawn(worker.run());
    events.failed("FailsInRust").await;
    events.failed("FailsInRust").await;
    events.started("Wait").await;

    let pages = Pages::serve(&setup.server);
    let gate = setup.gate.clone();
    let server_url = pages.url.clone();
    let seen = tokio::task::spawn_blocking(move || {
        let mut browser = Browser::start();
        let mut page = |path: &str| {
            browser.open(&format!("{server_url}{path}"));
            let text = browser.text();
            assert!(!text.contains("Internal Server Error"), "{path}: {text}");
            text
        };

        assert!(page("/").contains("Processed"));
        let busy = page("/busy");
        assert!(busy.contains(&format!(":{}", std::process::id())) && busy.contains("shop"), "{busy}");
        let queue = page("/queues/ruby");
        assert!(queue.contains("OnlyRuby") && queue.contains("waits"), "{queue}");
        let scheduled = page("/scheduled");
        assert!(scheduled.contains("OnlyRuby") && scheduled.contains("later"));
        let retries = page("/retries");
        // The message is shown as it is, markup and all, because Sidekiq escapes it.
        assert!(retries.contains("FailsInRust") && retries.contains("not in <Rust>"), "{retries}");
        assert!(page("/morgue").contains("NotHere: not in <Rust>"));

        // One job's page.
        browser.open(&format!("{server_url}/retries"));
        browser.click("table a[href*='retries/']");
        let job = browser.text();
        assert!(job.contains(failing.jid.as_str()) && job.contains("NotHere"), "{job}");
        // Kill the retry, and let the scheduled job go.
        for (path, button) in [("/retries", "kill"), ("/scheduled", "add_to_queue")] {
            browser.open(&format!("{server_url}{path}"));
            browser
                .evaluate("document.querySelectorAll('input[name=\"key[]\"]').forEach(box => { box.checked = true })");
            browser.click(&format!("form [name={button}]"));
        }
        browser.open(&format!("{server_url}/morgue"));
        let dead = browser.text();
        assert_eq!(dead.matches("FailsInRust").count(), 2, "{dead}");
        browser.open(&format!("{server_url}/busy"));
        browser.click("form [name=quiet]");
        browser.open(&format!("{server_url}/busy"));
        browser.click("form [name=stop]");
    });
    seen.await.unwrap();

    // Told to stop by the page, it lets its job end.
    gate.0.notify_one();
    worker.await.unwrap().unwrap();
    let seen = look(&setup.server);
    let jids = |set: &str| -> Vec<String> {
        seen[set].as_array().unwrap().iter().map(|job| job["jid"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(jids("retry"), Vec::<String>::new());
    assert!(jids("dead").contains(&dying.jid.to_string()));
    assert_eq!(seen["stats"]["dead_size"], 2);
    assert_eq!(seen["stats"]["scheduled_size"], 0);
    assert_eq!(seen["queues"]["ruby"].as_array().unwrap().len(), 2);
    assert_eq!(seen["stats"]["processes_size"], 0);
}

/// What is in the retries and among the dead is run again, or deleted, one by one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sidekiqs_buttons_retry_and_delete_what_kiq_keeps() {
    let setup = Setup::new();
    let mut jids = Vec::new();
    for retries in [0, 0, 9, 9] {
        jids.push(FailsInRust::enqueue(7).retry(retries).on(&setup.client).await.unwrap().jid.to_string());
    }
    let again = setup.worker(&["rust"]);
    setup
        .run(again, async |events| {
            for _ in &jids {
                events.failed("FailsInRust").await;
            }
        })
        .await;

    let pages = Pages::serve(&setup.server);
    let (url, pressed) = (pages.url.clone(), jids.clone());
    let buttons = [("/morgue", "retry"), ("/morgue", "delete"), ("/retries", "retry"), ("/retries", "delete")];
    let browsing = tokio::task::spawn_blocking(move || {
        let mut browser = Browser::start();
        for ((path, button), jid) in buttons.into_iter().zip(pressed) {
            browser.open(&format!("{url}{path}"));
            browser
                .evaluate(&format!("document.querySelector('input[name=\"key[]\"][value*=\"{jid}\"]').checked = true"));
            browser.click(&format!("form [name={button}]"));
        }
    });
    browsing.await.unwrap();

    let seen = look(&setup.server);
    assert_eq!((&seen["stats"]["retry_size"], &seen["stats"]["dead_size"]), (&json!(0), &json!(0)));
    let mut queued: Vec<&str> =
        seen["queues"]["rust"].as_array().unwrap().iter().map(|job| job["jid"].as_str().unwrap()).collect();
    let mut retried = [jids[0].as_str(), jids[2].as_str()];
    queued.sort_unstable();
    retried.sort_unstable();
    assert_eq!(queued, retried);
}
