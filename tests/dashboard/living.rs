//! What the pages hear while they are open, and what becomes of them when the store goes away.

use kiq::Client;
use kiq::web::{Auth, Dashboard};
use kiq_testing::RedisServer;

use crate::seed;
use crate::site::Site;

/// web-ui §10, item 7: without the store a page says so and never looks live; with it again, it is live without a reload.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_page_tells_when_the_store_is_away_and_when_it_is_back() {
    let mut server = RedisServer::with_aof();
    seed::fill(&mut server.connection());
    let client = Client::connect(&server.url()).unwrap();
    let dashboard = Dashboard::new(&client, Auth::public_i_understand());
    let site = Site::serve(RedisServer::start(), dashboard).await;

    site.with_browser(move |browser, url| {
        browser.open(&format!("{url}/queues"));
        browser.evaluate("window.isTheSamePage = true");
        browser.until("document.getElementById('state').textContent.startsWith('●')");
        browser.until("document.querySelector('main').innerText.includes('900')");

        server.kill();
        browser.until("document.getElementById('state').textContent.startsWith('▲')");

        server.restart();
        let mut redis = server.connection();
        redis::cmd("LPUSH").arg("queue:imports").arg("{}").exec(&mut redis).unwrap();
        browser.until("document.querySelector('main').innerText.includes('901')");
        browser.until("document.getElementById('state').textContent.startsWith('●')");
        assert_eq!(browser.evaluate("window.isTheSamePage"), true);
    })
    .await;
}

/// Item 7: what somebody is in the middle of stays as it is, whatever news there are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn news_do_not_take_away_what_is_held() {
    let site = Site::filled().await;
    let mut redis = site.server.connection();

    site.with_browser(move |browser, url| {
        browser.open(&format!("{url}/queues"));
        browser.until("document.getElementById('state').textContent.startsWith('●')");
        browser.evaluate("window.held = document.querySelector('main [data-live] a'); window.held.focus()");
        for number in 1..=10 {
            redis::cmd("LPUSH").arg("queue:imports").arg("{}").exec(&mut redis).unwrap();
            // The navigation holds nothing, so that it says when the news have come.
            let enqueued = seed::ENQUEUED + number;
            let text = format!("{},{:03}", enqueued / 1000, enqueued % 1000);
            browser.until(&format!("document.querySelector('header').innerText.includes('{text}')"));
        }
        assert_eq!(browser.evaluate("document.activeElement === window.held"), true);
        assert_eq!(browser.evaluate("document.querySelector('main').innerText.includes('910')"), false);
        browser.evaluate("document.getElementById('waiting').click()");
        assert_eq!(browser.evaluate("document.querySelector('main').innerText.includes('910')"), true);
    })
    .await;
}
