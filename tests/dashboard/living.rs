//! What the pages hear while they are open, and what becomes of them when the store goes away.

use std::collections::BTreeMap;

use kiq::Client;
use kiq::web::{Auth, Dashboard};
use kiq_testing::RedisServer;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

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

/// Item 11: fifty who look cost the store what one does, ±10 %: as many samples, and each as dear. Counted over five of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_viewers_cost_what_one_does() {
    let site = Site::filled().await;
    let mut first = listen(&site, "summary,queues").await;
    samples(&mut first, 2).await;

    let alone = commands_during(&site, &mut first).await;
    let mut others = Vec::new();
    for _ in 1..50 {
        others.push(listen(&site, "summary,overview,queues,busy").await);
    }
    for other in &mut others {
        samples(other, 1).await;
    }
    samples(&mut first, 1).await;
    let together = commands_during(&site, &mut first).await;

    // One more or less falls into the time.
    let samples_of = |commands: &BTreeMap<String, u64>| commands["zcard"] / 3;
    let (one, fifty) = (samples_of(&alone), samples_of(&together));
    assert!((4..=6).contains(&one) && (4..=6).contains(&fifty), "{alone:?} and {together:?}");
    let sum = |commands: &BTreeMap<String, u64>| commands.values().sum::<u64>();
    let (one, fifty) = (sum(&alone) * fifty, sum(&together) * one);
    assert!(fifty * 10 <= one * 11 && one * 10 <= fifty * 11, "{alone:?} and {together:?}");
}

/// One stream of events, as a browser asks for it.
async fn listen(site: &Site, on: &str) -> tokio::io::Lines<BufReader<TcpStream>> {
    let host = site.origin.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request = format!("GET /kiq/events?on={on}&root=./&home=./kiq HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    BufReader::new(stream).lines()
}

/// Returns after so many samples: each is one event with a number, of something or of nothing new.
async fn samples(stream: &mut tokio::io::Lines<BufReader<TcpStream>>, count: usize) {
    let mut seen = Vec::new();
    while seen.len() <= count {
        let line = stream.next_line().await.unwrap().unwrap();
        if let Some(number) = line.strip_prefix("id: ").or(line.strip_prefix("id:"))
            && !seen.contains(&number.to_owned())
        {
            seen.push(number.to_owned());
        }
    }
}

/// What the server was asked while five samples came.
async fn commands_during(site: &Site, stream: &mut tokio::io::Lines<BufReader<TcpStream>>) -> BTreeMap<String, u64> {
    let mut redis = site.server.connection();
    redis::cmd("CONFIG").arg("RESETSTAT").exec(&mut redis).unwrap();
    samples(stream, 5).await;
    let info: String = redis::cmd("INFO").arg("commandstats").query(&mut redis).unwrap();
    let count = |line: &str| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
    };
    info.lines().filter_map(count).filter(|(name, _)| !name.starts_with("config")).collect()
}
