//! How long runs took over time: dots on a log scale, as large as they are many.

use kiq_runtime::Timestamp;
use kiq_runtime::inspect::{Durations, Histogram};
use plotters::chart::ChartBuilder;
use plotters::element::{Circle, PathElement, Text};
use plotters::style::text_anchor::{HPos, VPos};

use super::axis::{Axis, clock, duration_label, time_label};
use super::histogram::bounds;
use super::line::{grid, ink, text};
use super::pen::Ink;
use super::{ChartError, Figure, Head, Mark, NARROW, Table, both};

/// The most columns; the narrow drawing has half of them.
const COLUMNS: usize = 96;

/// Rows of the table.
const ROWS: usize = 24;

/// The radius of the largest dot, in tenths.
const LARGEST: f64 = 32.0;

/// Minutes that follow each other, as one.
fn merged(minutes: &[(Timestamp, Durations)], most: usize) -> Vec<(Timestamp, Durations)> {
    let one = |minutes: &[(Timestamp, Durations)]| {
        let sum = minutes.iter().map(|(_, durations)| *durations).sum();
        Some((minutes.first()?.0, sum))
    };
    minutes.chunks(minutes.len().div_ceil(most).max(1)).filter_map(one).collect()
}

/// Draws how long runs took, of a histogram that has all minutes of the time that is shown.
pub(crate) fn dots(histogram: &Histogram, marks: &[Mark]) -> Result<Figure, ChartError> {
    let summary = summary(histogram);
    let head =
        Head {
            title: "How long runs took, over time", unit: "a dot’s area is the number of runs", summary: &summary
        };
    let nothing = Timestamp::from_micros(0);
    let ends = (histogram.minutes.first(), histogram.minutes.last());
    let (from, to) = (ends.0.map_or(nothing, |(at, _)| *at), ends.1.map_or(nothing, |(at, _)| *at));
    let (wide, narrow) = both(&head, 190, |area, width| {
        let columns = merged(&histogram.minutes, if width > NARROW { COLUMNS } else { COLUMNS / 2 });
        let most = columns.iter().flat_map(|(_, durations)| durations.0).max().unwrap_or_default().max(1) as f64;
        let mut chart = ChartBuilder::on(area)
            .margin_top(16)
            .margin_bottom(4)
            .margin_right(8)
            .x_label_area_size(20)
            .y_label_area_size(56)
            .build_cartesian_2d(Axis::of_time(from, to, if width > NARROW { 6 } else { 4 }), Axis::of_durations())?;
        grid(&mut chart, time_label, duration_label)?;
        for mark in marks.iter().filter(|mark| (from..=to).contains(&mark.at)) {
            let (at, ends) = (mark.at.as_micros() as f64, (super::axis::SHORTEST, super::axis::LONGEST));
            chart.draw_series([PathElement::new(vec![(at, ends.0), (at, ends.1)], ink(Ink::Mark))])?;
            chart.draw_series([Text::new(
                mark.number.to_string(),
                (at, ends.1),
                text(Ink::Mark, HPos::Center, VPos::Bottom),
            )])?;
        }
        for (at, durations) in &columns {
            let dots = bounds().zip(durations.0).filter(|(_, count)| *count > 0).map(|((lower, upper), count)| {
                // The area is the number, and the smallest can still be seen.
                let radius = (LARGEST * (count as f64 / most).sqrt()).round().max(8.0);
                Circle::new((at.as_micros() as f64, (lower * upper).sqrt()), radius as u32, ink(Ink::Fill))
            });
            chart.draw_series(dots)?;
        }
        Ok(())
    })?;
    let row = |(at, durations): (Timestamp, Durations)| {
        let of =
            |share| durations.percentile(share).map_or(String::new(), |time| duration_label(time.as_millis() as f64));
        vec![time_label(at.as_micros() as f64), durations.count().to_string(), of(0.5), of(0.95), of(0.99)]
    };
    let table = Table {
        head: ["From", "Runs", "p50 ≤", "p95 ≤", "p99 ≤"].map(str::to_owned).into(),
        rows: merged(&histogram.minutes, ROWS).into_iter().map(row).collect(),
    };
    Ok(Figure { title: head.title.to_owned(), unit: head.unit, legend: Vec::new(), wide, narrow, table, summary })
}

fn summary(histogram: &Histogram) -> String {
    let slowest = histogram.minutes.iter().filter_map(|(at, durations)| {
        let highest = durations.0.iter().rposition(|count| *count > 0)?;
        Some((highest, *at))
    });
    let Some((highest, at)) = slowest.max_by_key(|(highest, _)| *highest) else {
        return "No run succeeded in this time.".to_owned();
    };
    let (lower, _) = bounds().nth(highest).unwrap_or_default();
    match highest {
        0 => "All runs took less than 20 ms.".to_owned(),
        _ => format!("The slowest runs took {} or more, first at {}.", duration_label(lower), clock(at)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_dots_area_is_the_number_of_runs() {
        let start = Timestamp::from_micros(1_795_449_600_000_000); // 2026-11-23T16:00:00
        let minute = |number: u32, counts: &[(usize, u64)]| {
            let mut durations = Durations::default();
            counts.iter().for_each(|(index, count)| durations.0[*index] = *count);
            (start + Duration::from_secs(60) * number, durations)
        };
        let mut histogram = Histogram::default();
        histogram.minutes = vec![minute(0, &[(0, 400)]), minute(1, &[(0, 100), (12, 2)]), minute(2, &[])];

        let figure = dots(&histogram, &[]).unwrap();

        let svg = figure.wide.to_string();
        let widths: Vec<&str> =
            svg.split("stroke-width=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(widths, ["1.6", "3.2", "6.4"], "a quarter of the runs is half of the radius");
        assert_eq!(figure.summary, "The slowest runs took 1.7 s or more, first at 16:01.");
        assert_eq!(figure.table.rows[1], ["16:01", "102", "20 ms", "20 ms", "2.5 s"]);
    }

    #[test]
    fn eight_hours_of_everything_stay_small() {
        let start = Timestamp::from_micros(1_795_449_600_000_000);
        let minute = |number: u32| (start + Duration::from_secs(60) * number, Durations([u64::from(number) + 1; 26]));
        let mut histogram = Histogram::default();
        histogram.minutes = (0..481).map(minute).collect();

        let figure = dots(&histogram, &[]).unwrap();

        let (wide, narrow) = (figure.wide.to_string().len(), figure.narrow.to_string().len());
        assert!(wide < 30_000 && narrow < 15_000, "{wide}, {narrow}");
    }
}
