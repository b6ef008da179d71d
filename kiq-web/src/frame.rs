//! What every page has around its content: name, navigation, problems, the line at its end.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use kiq_runtime::Timestamp;

use crate::app::{App, Shared};
use crate::assets;
use crate::auth::{Operator, Permits, Verb};
use crate::fault::Fault;
use crate::guard::Spot;
use crate::origin::{Session, cookie};
use crate::problems::{self, Problem};
use crate::sampler::{Sample, Sampler};
use crate::view::{When, count, query, segment};

/// The pages in the navigation: label, path, and the number beside it.
type Entry = (&'static str, &'static str, fn(&Sample) -> Option<usize>);

const NAVIGATION: [Entry; 8] = [
    ("Overview", "", |_| None),
    ("Busy", "busy", |sample| {
        Some(sample.running.len().max(sample.processes.iter().map(|process| process.busy).sum()))
    }),
    ("Queues", "queues", |sample| Some(sample.stats.enqueued)),
    ("Retries", "retries", |sample| Some(sample.stats.retries)),
    ("Scheduled", "scheduled", |sample| Some(sample.stats.scheduled)),
    ("Dead", "dead", |sample| Some(sample.stats.dead)),
    ("Metrics", "metrics", |_| None),
    ("Jobs", "jobs", |_| None),
];

/// A link of the navigation.
pub(crate) struct NavigationLink {
    pub(crate) label: &'static str,
    pub(crate) href: String,
    pub(crate) count: Option<String>,
    pub(crate) is_current: bool,
}

/// What every page has around its content. As an argument of a handler it reads a fresh sample, or answers 503.
pub(crate) struct Frame {
    /// The way from this page to the root, for links: `../`.
    pub(crate) root: String,
    /// The way from this page to the overview.
    pub(crate) home: String,
    /// This page below the root, without its query.
    pub(crate) path: String,
    /// The query, without the question mark.
    pub(crate) query: String,
    /// The badge.
    pub(crate) environment: String,
    /// Who looks.
    pub(crate) operator: Operator,
    /// The token of forms.
    pub(crate) token: String,
    /// `light` or `dark`; empty for the system's.
    pub(crate) theme: &'static str,
    /// The seconds after which the page asks for itself, without script.
    pub(crate) refresh: Option<u32>,
    /// The time.
    pub(crate) now: Timestamp,
    /// Where jobs are kept, without a password.
    pub(crate) store: String,
    /// What was done just now.
    pub(crate) said: Option<Said>,
    /// What is wrong.
    pub(crate) problems: Vec<Problem>,
    sample: Option<Arc<Sample>>,
    permits: Permits,
}

/// What a form did, told on the page after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// `Paused mail.`
    pub(crate) text: String,
    /// The operation that can be taken back.
    pub(crate) undo: Option<String>,
}

/// The cookie in which it travels.
pub(crate) const SAID: &str = "kiq_said";

impl Said {
    fn parse(cookie: &str) -> Option<Self> {
        let decoded = percent_decoded(cookie)?;
        let (text, undo) = decoded.split_once('\n')?;
        Some(Said { text: text.to_owned(), undo: (!undo.is_empty()).then(|| undo.to_owned()) })
    }

    pub(crate) fn encoded(&self) -> String {
        query(&format!("{}\n{}", self.text, self.undo.as_deref().unwrap_or_default()))
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok()
}

impl Frame {
    /// Around a page that the store has no part in: a fault, or the help.
    pub(crate) fn without_store(parts: &Parts, app: &App) -> Self {
        Frame::of(parts, app, app.sampler.latest())
    }

    pub(crate) fn of(parts: &Parts, app: &App, sample: Option<Arc<Sample>>) -> Self {
        let spot = parts.extensions.get::<Spot>();
        let text = |of: fn(&Spot) -> &String| spot.map(of).cloned().unwrap_or_default();
        let query = text(|spot| &spot.query);
        let refresh = parameter(&query, "refresh").and_then(|seconds| seconds.parse().ok());
        Frame {
            root: spot.map_or_else(|| "./".to_owned(), |spot| spot.root.clone()),
            home: text(|spot| &spot.home),
            path: text(|spot| &spot.path),
            environment: app.environment.clone(),
            operator: operator(parts),
            token: parts.extensions.get::<Session>().map(|session| session.0.clone()).unwrap_or_default(),
            theme: match cookie(&parts.headers, "kiq_theme") {
                Some("light") => "light",
                Some("dark") => "dark",
                _ => "",
            },
            refresh: refresh.filter(|seconds| (5..=300).contains(seconds)),
            now: app.inspector.now(),
            store: app.inspector.store(),
            said: cookie(&parts.headers, SAID).and_then(Said::parse),
            problems: sample.as_ref().map(|sample| problems::find(sample, &app.limits)).unwrap_or_default(),
            permits: app.permits.clone(),
            query,
            sample,
        }
    }

    /// The sample that the page is made of.
    pub(crate) fn sample(&self) -> Result<&Arc<Sample>, Fault> {
        self.sample.as_ref().ok_or(Fault::Busy)
    }

    /// Whether a button for that is shown.
    pub(crate) fn may(&self, verb: Verb) -> bool {
        self.permits.allow(&self.operator, verb)
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.permits.is_read_only()
    }

    pub(crate) fn navigation(&self) -> Vec<NavigationLink> {
        let place = self.path.split('/').next().unwrap_or_default();
        let links = NAVIGATION.iter().map(|(label, path, number)| NavigationLink {
            label,
            href: self.to(path),
            count: self.sample.as_deref().and_then(number).map(short),
            is_current: place == *path,
        });
        links.collect()
    }

    /// The address of something below the root.
    pub(crate) fn to(&self, path: &str) -> String {
        if path.is_empty() { self.home.clone() } else { format!("{}{path}", self.root) }
    }

    /// A queue's page.
    pub(crate) fn queue(&self, name: &str) -> String {
        format!("{}queues/{}", self.root, segment(name))
    }

    /// A class's metrics.
    pub(crate) fn class(&self, name: &str) -> String {
        format!("{}metrics/{}", self.root, segment(name))
    }

    /// A process's acts.
    pub(crate) fn process(&self, identity: &str) -> String {
        format!("{}processes/{}", self.root, segment(identity))
    }

    /// A parameter of the query that has nothing encoded in it.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        parameter(&self.query, name)
    }

    /// A job's page.
    pub(crate) fn job(&self, jid: &str) -> String {
        format!("{}jobs/{}", self.root, segment(jid))
    }

    /// This page below the root, with its query: where a form comes back to.
    pub(crate) fn here(&self) -> String {
        match self.query.is_empty() {
            true => self.path.clone(),
            false => format!("{}?{}", self.path, self.query),
        }
    }

    /// An instant beside now.
    pub(crate) fn when(&self, at: Timestamp) -> When {
        When::new(at, self.now)
    }

    /// The time of day, in UTC.
    pub(crate) fn clock(&self) -> String {
        self.when(self.now).clock
    }

    pub(crate) fn now_iso(&self) -> String {
        self.when(self.now).iso
    }

    pub(crate) fn stylesheet(&self) -> String {
        self.to(&assets::STYLE.path())
    }

    pub(crate) fn script(&self) -> String {
        self.to(&assets::SCRIPT.path())
    }

    pub(crate) fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}

/// `2.4k`, `12k`, `1.2M`.
fn short(number: usize) -> String {
    match number {
        0..10_000 => count(number),
        10_000..1_000_000 => format!("{}k", number / 1000),
        _ => format!("{}.{}M", number / 1_000_000, number % 1_000_000 / 100_000),
    }
}

/// Who looks: as the application or the browser said.
pub(crate) fn operator(parts: &Parts) -> Operator {
    parts.extensions.get::<Operator>().cloned().unwrap_or_else(|| Operator::named("somebody"))
}

/// The value of a parameter, undecoded.
fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
}

impl FromRequestParts<Shared> for Frame {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Fault> {
        Sampler::keep_trends(app);
        let sample = app.sampler.fresh().await.map_err(Fault::Store)?;
        Ok(Frame::of(parts, app, Some(sample)))
    }
}

/// The frame of a page that is there even when the store is not.
pub(crate) struct OfflineFrame(pub(crate) Frame);

impl FromRequestParts<Shared> for OfflineFrame {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Self::Rejection> {
        Ok(OfflineFrame(Frame::without_store(parts, app)))
    }
}

impl FromRequestParts<Shared> for Operator {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Self::Rejection> {
        Ok(operator(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_survives_its_cookie() {
        let said = Said { text: "Cleared 610 jobs of “ä;b=c”".to_owned(), undo: Some("op-7".to_owned()) };
        assert_eq!(Said::parse(&said.encoded()), Some(said));
        for wrong in ["", "%", "%zz", "no end of line", "%FF%0A"] {
            assert_eq!(Said::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn big_numbers_are_short_in_the_navigation() {
        assert_eq!([short(0), short(2_377), short(12_900), short(1_250_000)], ["0", "2,377", "12k", "1.2M"]);
    }
}
