//! Pictures of every page for the documentation, made anew with
//! `cargo test --features web --test dashboard pictures -- --ignored`.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::browser::{Theme, View};
use crate::seed;
use crate::site::Site;

/// Each page at 1280×900 and 390×844, light and dark: `kiq-web/pictures/<page>-<width>-<theme>.webp`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "writes into the source tree"]
async fn pictures_of_every_page() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/kiq-web/pictures");
    std::fs::create_dir_all(folder).unwrap();
    let site = Site::filled().await;

    site.with_browser(move |browser, url| {
        // Something to be listed among the operations.
        browser.open(&format!("{url}/retries?view=jobs&q=class:ChargeCard"));
        browser.click("button[name=all][value=kill]");
        for (width, height) in [(1280, 900), (390, 844)] {
            for (theme, word) in [(Theme::Light, "light"), (Theme::Dark, "dark")] {
                browser.view(View { width, height, theme });
                decode(&browser.picture(), &Path::new(folder).join(format!("question-{width}-{word}.webp")));
            }
        }
        browser.click("main form button.danger, main form button.primary");
        for (name, page) in pages() {
            for (width, height) in [(1280, 900), (390, 844)] {
                for (theme, word) in [(Theme::Light, "light"), (Theme::Dark, "dark")] {
                    browser.view(View { width, height, theme });
                    browser.open(&format!("{url}{page}"));
                    let path = Path::new(folder).join(format!("{name}-{width}-{word}.webp"));
                    decode(&browser.picture(), &path);
                }
            }
        }
    })
    .await;
}

/// Name and address; names of queues and ids of jobs are not in the names of files.
fn pages() -> Vec<(&'static str, String)> {
    let pages = [
        ("overview", ""),
        ("busy", "/busy"),
        ("processes", "/busy?view=processes"),
        ("queues", "/queues"),
        ("queue", "/queues/imports"),
        ("retries", "/retries"),
        ("retries-jobs", "/retries?view=jobs"),
        ("scheduled", "/scheduled"),
        ("dead", "/dead"),
        ("dead-jobs", "/dead?view=jobs"),
        ("metrics", "/metrics"),
        ("metrics-of-one", "/metrics/WebhookDelivery"),
        ("jobs", "/jobs"),
        ("operations", "/operations"),
        ("search", "/search?q=class:ChargeCard"),
        ("help", "/help"),
    ];
    let mut pages: Vec<_> = pages.map(|(name, path)| (name, path.to_owned())).into();
    pages.push(("job", format!("/jobs/{}", seed::FAILED_JID)));
    pages
}

fn decode(base64: &str, path: &Path) {
    let file = std::fs::File::create(path).unwrap();
    let mut process =
        Command::new("base64").arg("-d").stdin(Stdio::piped()).stdout(file).spawn().expect("base64 of coreutils");
    std::io::Write::write_all(&mut process.stdin.take().unwrap(), base64.as_bytes()).unwrap();
    assert!(process.wait().unwrap().success());
}
