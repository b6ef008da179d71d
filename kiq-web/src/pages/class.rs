//! One class's numbers: how often, how long, how often not, and what a deploy changed. Reads as `metrics` does, of one class.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use kiq_runtime::inspect::{ClassTotals, Histogram, Runs};

use crate::app::Shared;
use crate::charts::{Figure, Line, Mark, Series, dots, duration_label, histogram};
use crate::fault::Fault;
use crate::frame::Frame;
use crate::numbers::ended;
use crate::view::{count, cut, percent, query};

use super::html;
use super::metrics::{
    Asked, Change, Head, bound, change, failed, head, histogram_sides, marks, rate, sides, time, totals_of, work,
};

#[derive(Template)]
#[template(path = "class.html")]
struct Page {
    frame: Frame,
    head: Head,
    class: String,
    summary: String,
    /// The query of lists that finds its jobs.
    filter: String,
    running: String,
    figures: Vec<Figure>,
    compared: Vec<Compared>,
    change: Option<Change>,
    has_durations: bool,
}

/// A row of the table before and after a deploy.
struct Compared {
    name: &'static str,
    before: String,
    after: String,
}

pub(crate) async fn show(
    State(app): State<Shared>,
    Path(class): Path<String>,
    Query(asked): Query<Asked>,
    frame: Frame,
) -> Result<Response, Fault> {
    let range = asked.range()?;
    let sample = frame.sample()?;
    let numbers = app.numbers.read(sample, range).await?;
    let totals = totals_of(&numbers.runs, &class);
    if totals.runs == 0 && app.jobs.get(&class).is_none() {
        return Err(Fault::not_found(format!(
            "no job of the class {:?} ran in the last {}, and none is registered here; the list of jobs has all that are known",
            cut(&class, 200),
            range.in_words()
        )));
    }
    let marks = marks(&numbers);
    let compared = asked.deploy(&marks);
    let whole = ended(&numbers.runs, frame.now);
    let of_class = Some(class.as_str());
    let mut figures =
        vec![rate("Runs", &whole, &marks, of_class, |totals| totals.runs)?, failed(&whole, &marks, of_class)?];
    let mut durations = Histogram::default();
    match range.has_minutes() {
        true => {
            let read = app.numbers.histograms(sample, &[&class]).await?;
            durations = read.first().map(|histogram| histogram.since(frame.now - range.length())).unwrap_or_default();
            figures.push(dots(&all_minutes(&whole, &durations), &marks)?);
            figures.push(histogram(&durations.total())?);
        }
        false => figures.push(mean(&whole, &marks, &class)?),
    }
    let sides = compared.map(|mark| (sides(&whole, &marks, mark), histogram_sides(&durations, &marks, mark)));
    let running = sample.running.iter().filter(|run| class_of(&run.payload).as_deref() == Some(&class)).count();
    html(&Page {
        summary: summary(&totals, range, &numbers.runs),
        filter: query(&format!("class:{class}")),
        running: count(running),
        change: sides.as_ref().map(|((before, after), durations)| change(&class, (before, after), durations)),
        compared: sides.map(|(runs, durations)| compare(&class, &runs, &durations)).unwrap_or_default(),
        has_durations: range.has_minutes(),
        head: head(&frame, &numbers, &marks, compared),
        figures,
        class,
        frame,
    })
}

fn class_of(payload: &[u8]) -> Option<String> {
    kiq_runtime::job::Payload::parse(payload).ok().map(|job| job.class().to_owned())
}

fn summary(totals: &ClassTotals, range: crate::numbers::Range, runs: &Runs) -> String {
    let all: u64 = runs.totals().iter().map(|totals| totals.millis).sum();
    match totals.runs {
        0 => format!("Did not run in the last {}.", range.in_words()),
        runs => format!(
            "{} runs in the last {}, {} of them failed; {} of work, {} of all; {} on average.",
            count(runs),
            range.in_words(),
            percent(totals.failures, runs),
            work(totals.millis),
            percent(totals.millis, all),
            time(totals.mean()),
        ),
    }
}

/// With the minutes in which the class did not run, so that the chart's time has no holes.
fn all_minutes(runs: &Runs, histogram: &Histogram) -> Histogram {
    let mut known = histogram.minutes.iter().peekable();
    let mut all = Histogram::default();
    for (at, _) in &runs.steps {
        while known.next_if(|(minute, _)| minute < at).is_some() {}
        let durations = known.next_if(|(minute, _)| minute == at).map(|(_, durations)| *durations);
        all.minutes.push((*at, durations.unwrap_or_default()));
    }
    all
}

/// How long a run took on average, where there are no histograms.
fn mean(runs: &Runs, marks: &[Mark], class: &str) -> Result<Figure, Fault> {
    let value = |totals: ClassTotals| (totals.succeeded() > 0).then(|| totals.mean().as_millis() as f64);
    let points = runs.of(class).into_iter().map(|(at, totals)| (at, value(totals))).collect();
    let series = vec![Series { name: "mean".to_owned(), points }];
    Ok(Line { title: "How long a run took", unit: "on average", series, marks, label: duration_label }.figure()?)
}

fn compare(class: &str, runs: &(Runs, Runs), durations: &(Histogram, Histogram)) -> Vec<Compared> {
    let of = |runs: &Runs, histogram: &Histogram| {
        let totals = totals_of(runs, class);
        let minutes = runs.steps.len() as f64 * runs.step.length().as_secs_f64() / 60.0;
        let total = histogram.total();
        let at = |share| bound(total.percentile(share), total.count());
        [
            count(totals.runs),
            match minutes {
                minutes if minutes > 0.0 => format!("{:.1}", totals.runs as f64 / minutes),
                _ => "–".to_owned(),
            },
            percent(totals.failures, totals.runs),
            time(totals.mean()),
            at(0.5),
            at(0.95),
            at(0.99),
        ]
    };
    let names = ["Runs", "Runs a minute", "Failed", "Mean", "p50", "p95", "p99"];
    let (before, after) = (of(&runs.0, &durations.0), of(&runs.1, &durations.1));
    let rows = names.into_iter().zip(before.into_iter().zip(after));
    let has_durations = runs.0.step == kiq_runtime::inspect::Step::Minute;
    rows.filter(|(name, _)| has_durations || !name.starts_with('p'))
        .map(|(name, (before, after))| Compared { name, before, after })
        .collect()
}
