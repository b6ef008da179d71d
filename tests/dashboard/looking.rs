//! How each page looks: at three sizes, light, dark and in forced colours, with scripts and without.

use crate::browser::{Browser, Theme, View};
use crate::seed;
use crate::site::Site;

const SIZES: [(u32, u32); 3] = [(1280, 900), (768, 1024), (390, 844)];

/// All pages, with something in them.
pub fn pages() -> Vec<String> {
    let pages = [
        "",
        "/busy",
        "/busy?view=processes",
        "/queues",
        "/queues/imports",
        "/retries",
        "/retries?view=jobs",
        "/retries?view=jobs&q=class:ChargeCard",
        "/retries?q=age:never",
        "/scheduled",
        "/scheduled?view=jobs",
        "/dead",
        "/dead?view=jobs",
        "/metrics",
        "/metrics?range=72h",
        "/metrics/WebhookDelivery",
        "/jobs",
        "/operations",
        "/search?q=class:ChargeCard",
        "/search?q=nothing-has-this",
        "/help",
    ];
    let mut pages: Vec<String> = pages.map(str::to_owned).into();
    // One that failed, one that waits in a queue.
    pages.push(format!("/jobs/{}", seed::FAILED_JID));
    pages.push(format!("/jobs/{}", seed::WAITING_JID));
    pages
}

/// What is wrong with the page that is open.
fn faults(browser: &mut Browser, origin: &str) -> Vec<String> {
    let mut faults = browser.faults(origin);
    let looks = browser.evaluate(include_str!("look.js"));
    faults.extend(looks.as_array().unwrap().iter().map(|fault| fault.as_str().unwrap().to_owned()));
    faults
}

/// web-ui §10, items 1, 4, 9 and 10: nothing is cut off or beyond the edge, all text can be read, everything has a name, and
/// nothing comes from elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_can_be_read_at_every_size_in_every_theme() {
    let site = Site::filled().await;
    let origin = site.origin.clone();

    let found = site
        .with_browser(move |browser, url| {
            let mut found = Vec::new();
            for scripts in [true, false] {
                browser.scripts(scripts);
                for page in pages() {
                    for (width, height) in SIZES {
                        for theme in [Theme::Light, Theme::Dark, Theme::Forced] {
                            browser.view(View { width, height, theme });
                            browser.open(&format!("{url}{page}"));
                            let faults = faults(browser, &origin);
                            // What the browser tells of a page that answers that the filter is wrong.
                            let is_fault =
                                |fault: &&String| !(page.contains("age:never") && fault.contains("status of 400"));
                            for fault in faults.iter().filter(is_fault) {
                                found.push(format!("{page} at {width}, {theme:?}, scripts {scripts}: {fault}"));
                            }
                        }
                    }
                }
            }
            found
        })
        .await;

    assert!(found.is_empty(), "{} faults:\n{}", found.len(), found.join("\n"));
}

/// The checks see what they are there for: each is given one fault of its kind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn planted_faults_are_seen() {
    let site = Site::filled().await;
    let origin = site.origin.clone();
    let planted = [
        ("the page is 30", "<p>x</p>", "it.style.width = '3000px'"),
        (
            "text is cut off",
            "<p>a long text that has no room</p>",
            "Object.assign(it.style, {width: '20px', overflow: 'hidden', whiteSpace: 'nowrap'})",
        ),
        (
            "beyond the right edge",
            "<p>x</p>",
            "Object.assign(it.style, {position: 'fixed', left: '1275px', width: '50px'})",
        ),
        ("text of 11px", "<p>x</p>", "it.style.fontSize = '11px'"),
        ("contrast of", "<p>x</p>", "it.style.color = '#999'"),
        ("border with a contrast", "<input aria-label=a>", "it.style.borderColor = '#ddd'"),
        (
            "a target of",
            "<p><button>x</button><button>y</button></p>",
            "Object.assign(it.firstChild.style, {width: '20px', height: '20px', minWidth: 0, minHeight: 0, padding: 0})",
        ),
        ("a field without a name", "<input>", ""),
        ("nothing to read", "<button></button>", "Object.assign(it.style, {width: '40px', height: '40px'})"),
        ("without a scope", "<table><tr><th>x</th></tr></table>", ""),
        ("a chart that says nothing", "<svg></svg>", ""),
        ("more than once", "<p id=content>x</p>", ""),
        ("2 headings", "<h1>x</h1>", ""),
        ("Content Security Policy", "<img src='https://elsewhere.test/x.png' alt=x>", ""),
    ];

    site.with_browser(move |browser, url| {
        browser.view(View { width: 1280, height: 900, theme: Theme::Light });
        browser.open(&format!("{url}/help"));
        assert_eq!(faults(browser, &origin), [""; 0]);
        for (fault, markup, then) in planted {
            let markup = serde_json::json!(markup);
            browser.evaluate(&format!(
                "document.querySelector('main').insertAdjacentHTML('beforeend', {markup}); \
                 (it => {{ {then} }})(document.querySelector('main').lastElementChild)"
            ));
            let found = faults(browser, &origin);
            browser.evaluate("document.querySelector('main').lastElementChild.remove()");
            assert!(found.iter().any(|found| found.contains(fault)), "{fault}: {found:?}");
        }
    })
    .await;
}

/// (c) of the principles: the numbers in the navigation are those of the store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_navigation_counts_what_is_there() {
    let site = Site::filled().await;

    let text = site
        .with_browser(|browser, url| {
            browser.open(url);
            browser.evaluate("document.querySelector('header').innerText.replace(/\\s+/g, ' ')")
        })
        .await;

    let text = text.as_str().unwrap();
    let numbers = [
        ("Busy", seed::RUNNING),
        ("Queues", seed::ENQUEUED),
        ("Retries", seed::RETRIES),
        ("Scheduled", seed::SCHEDULED),
        ("Dead", seed::DEAD),
    ];
    for (word, number) in numbers {
        let number = if number < 1000 { number.to_string() } else { format!("{},{:03}", number / 1000, number % 1000) };
        assert!(text.contains(&format!("{word} {number}")), "{word} {number}: {text}");
    }
}

/// Item 2: how many whole rows stand in a window of 1280×900, and that the overview's four lists do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_holds_twenty_rows() {
    const ROWS: &str = "[...document.querySelectorAll('main table.rows tbody tr')].filter(row => \
                        row.getBoundingClientRect().bottom <= innerHeight).length";
    let site = Site::filled().await;

    site.with_browser(|browser, url| {
        browser.view(View { width: 1280, height: 900, theme: Theme::Light });
        for (page, least) in
            [("/retries?view=jobs", 20), ("/queues/imports", 20), ("/dead?view=jobs", 20), ("/busy", 15)]
        {
            browser.open(&format!("{url}{page}"));
            let rows = browser.evaluate(ROWS).as_u64().unwrap();
            assert!(rows >= least, "{rows} rows of {page}, not {least}");
        }
        browser.open(url);
        // Tables below charts are folded away.
        let lists = "[...document.querySelectorAll('main table.rows')].filter(table => table.checkVisibility())\
                     .map(table => table.getBoundingClientRect().bottom <= innerHeight)";
        assert_eq!(browser.evaluate(lists), serde_json::json!([true, true, true, true]));
    })
    .await;
}
