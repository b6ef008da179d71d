//! One class's numbers: how often, how long, how often not, and what a deploy changed. Reads as `metrics` does, of one class.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use kiq_runtime::inspect::{ClassTotals, Histogram, Runs};

use crate::app::Shared;
use crate::charts::{Figure, Line, Mark, Series, dots, duration_label, histogram};
use crate::fault::Fault;
use crate::frame::Frame;
use crate::numbers::{Range, ended};
use crate::view::{count, cut, percent, query};

use super::compare::{Change, Head, Sides, head, marks};
use super::html;
use super::metrics::{Asked, bound, failed, rate, time, work};

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
    let all = numbers.runs.totals();
    let totals = all.iter().find(|totals| totals.class == class).cloned().unwrap_or_default();
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
    let sides = compared.map(|mark| Sides::of(&whole, &marks, mark));
    let running = sample.running.iter().filter(|run| class_of(&run.payload).as_deref() == Some(&class)).count();
    html(&Page {
        summary: summary(&totals, range, all.iter().map(|totals| totals.millis).sum()),
        filter: query(&format!("class:{class}")),
        running: count(running),
        change: sides.as_ref().map(|sides| sides.change(&class, &durations)),
        compared: sides.map(|sides| compare(&class, &sides, &durations, range.has_minutes())).unwrap_or_default(),
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

fn summary(totals: &ClassTotals, range: Range, all: u64) -> String {
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

fn compare(class: &str, sides: &Sides, histogram: &Histogram, has_durations: bool) -> Vec<Compared> {
    let durations = sides.durations(histogram);
    let row = |name: &'static str, cells: [String; 2]| {
        let [before, after] = cells;
        Compared { name, before, after }
    };
    let totals = sides.totals(class);
    let each = |of: fn(&ClassTotals) -> String| [of(&totals[0]), of(&totals[1])];
    let minutes = sides.minutes();
    let rate = |side: usize| match (totals.get(side), minutes.get(side)) {
        (Some(totals), Some(minutes)) if *minutes > 0.0 => format!("{:.1}", totals.runs as f64 / minutes),
        _ => "–".to_owned(),
    };
    let mut rows = vec![
        row("Runs", each(|totals| count(totals.runs))),
        row("Runs a minute", [rate(0), rate(1)]),
        row("Failed", each(|totals| percent(totals.failures, totals.runs))),
        row("Mean", each(|totals| time(totals.mean()))),
    ];
    if has_durations {
        let at = |share| durations.map(|durations| bound(durations.percentile(share), durations.count()));
        rows.extend([row("p50", at(0.5)), row("p95", at(0.95)), row("p99", at(0.99))]);
    }
    rows
}
