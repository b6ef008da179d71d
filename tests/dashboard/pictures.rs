//! Pictures of every page for the documentation, made anew with
//! `cargo test --test dashboard pictures -- --ignored`.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::browser::{Theme, View};
use crate::looking;
use crate::site::Site;

/// Each page at 1280×900 and 390×844, light and dark: `kiq-web/pictures/<page>-<width>-<theme>.webp`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "writes into the source tree"]
async fn pictures_of_every_page() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/kiq-web/pictures");
    std::fs::create_dir_all(folder).unwrap();
    let site = Site::filled().await;

    site.with_browser(move |browser, url| {
        for page in looking::pages() {
            for (width, height) in [(1280, 900), (390, 844)] {
                for (theme, word) in [(Theme::Light, "light"), (Theme::Dark, "dark")] {
                    browser.view(View { width, height, theme });
                    browser.open(&format!("{url}{page}"));
                    let path = Path::new(folder).join(format!("{}-{width}-{word}.webp", name(&page)));
                    decode(&browser.picture(), &path);
                }
            }
        }
    })
    .await;
}

/// `/queues/imports?view=groups` is in `queue`, since names of queues and jobs are another each time.
fn name(page: &str) -> &str {
    let path = page.split('?').next().unwrap_or_default().trim_matches('/');
    match path.split_once('/') {
        None if path.is_empty() => "overview",
        None => path,
        Some(("queues", _)) => "queue",
        Some(("metrics", _)) => "metrics-of-one",
        Some(("jobs", _)) => "job",
        Some((other, _)) => other,
    }
}

fn decode(base64: &str, path: &Path) {
    let file = std::fs::File::create(path).unwrap();
    let mut process =
        Command::new("base64").arg("-d").stdin(Stdio::piped()).stdout(file).spawn().expect("base64 of coreutils");
    std::io::Write::write_all(&mut process.stdin.take().unwrap(), base64.as_bytes()).unwrap();
    assert!(process.wait().unwrap().success());
}
