//! How many runs took how long: a bar for each counter, as wide as it is on a log scale, and the percentiles.

use kiq_runtime::inspect::{Durations, HISTOGRAM_BOUNDS_MS};
use plotters::chart::ChartBuilder;
use plotters::element::{PathElement, Rectangle, Text};
use plotters::style::Color as _;
use plotters::style::text_anchor::{HPos, VPos};

use super::axis::{Axis, LONGEST, SHORTEST, duration_label, number_label};
use super::line::{grid, ink, text};
use super::pen::Ink;
use super::{ChartError, Figure, Head, NARROW, Table, both};

/// The percentiles that are drawn and named.
pub(crate) const SHARES: [(f64, &str); 3] = [(0.5, "p50"), (0.95, "p95"), (0.99, "p99")];

/// The ends of each counter, in milliseconds.
pub(super) fn bounds() -> impl Iterator<Item = (f64, f64)> {
    let upper = HISTOGRAM_BOUNDS_MS.into_iter().map(|bound| bound as f64);
    std::iter::once(SHORTEST).chain(upper.clone()).zip(upper.chain([LONGEST]))
}

/// `20 ms`; `more than 335 s` for the last counter, which has no bound.
fn bound_label(to: f64) -> String {
    match to {
        to if to >= LONGEST => {
            format!("more than {}", duration_label(HISTOGRAM_BOUNDS_MS.last().copied().unwrap_or_default() as f64))
        }
        to => duration_label(to),
    }
}

/// Draws a histogram.
pub(crate) fn histogram(durations: &Durations) -> Result<Figure, ChartError> {
    let summary = summary(durations);
    let head = Head { title: "How long runs took", unit: "runs", summary: &summary };
    let most = durations.0.iter().copied().max().unwrap_or_default() as f64;
    let bars: Vec<(f64, f64, f64)> = bounds()
        .zip(durations.0)
        .filter(|(_, count)| *count > 0)
        .map(|((from, to), count)| (from, to, count as f64))
        .collect();
    let (wide, narrow) = both(&head, 170, |area, width| {
        let mut times = Axis::of_durations();
        if width <= NARROW {
            // There is no room for the first.
            times.ticks.remove(0);
        }
        let mut chart = ChartBuilder::on(area)
            .margin_top(4)
            .margin_bottom(4)
            .margin_right(8)
            .x_label_area_size(20)
            .y_label_area_size(56)
            .build_cartesian_2d(times, Axis::counting_to(most).with_room(0.26))?;
        grid(&mut chart, duration_label, number_label)?;
        let bar = |&(from, to, count): &(f64, f64, f64)| {
            Rectangle::new([(from, count), (to, 0.0)], Ink::Fill.color().filled())
        };
        chart.draw_series(bars.iter().map(bar))?;
        // The first name stands above the others, which stand to the left and to the right: they may lie close together.
        let places = [(1.24, HPos::Center), (1.1, HPos::Right), (1.1, HPos::Left)];
        for ((share, name), (high, side)) in SHARES.into_iter().zip(places) {
            let Some(at) = durations.percentile(share) else { continue };
            let (at, top) = (at.as_millis() as f64, most.max(1.0) * high);
            chart.draw_series([PathElement::new(vec![(at, 0.0), (at, top - most * 0.06)], ink(Ink::Rule))])?;
            let name = match side {
                HPos::Left => format!(" {name}"),
                _ => name.to_owned(),
            };
            chart.draw_series([Text::new(name, (at, top), text(Ink::Label, side, VPos::Center))])?;
        }
        Ok(())
    })?;
    let rows = bounds().zip(durations.0).filter(|(_, count)| *count > 0);
    let table = Table {
        head: vec!["Up to".to_owned(), "Runs".to_owned()],
        rows: rows.map(|((_, to), count)| vec![bound_label(to), count.to_string()]).collect(),
    };
    Ok(Figure { title: head.title.to_owned(), unit: head.unit, legend: Vec::new(), wide, narrow, table, summary })
}

fn summary(durations: &Durations) -> String {
    if durations.count() == 0 {
        return "No run succeeded in this time.".to_owned();
    }
    let of = |(share, name): (f64, &str)| match durations.percentile(share) {
        Some(time) => format!("{name} ≤ {}", duration_label(time.as_millis() as f64)),
        None => format!("{name} {}", bound_label(LONGEST)),
    };
    format!("{} runs succeeded: {}.", crate::view::count(durations.count()), SHARES.map(of).join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_lie_side_by_side_and_the_last_has_no_bound() {
        let bounds: Vec<_> = bounds().collect();
        assert_eq!((bounds.len(), bounds[0], bounds[25]), (26, (SHORTEST, 20.0), (335_000.0, LONGEST)));
        assert!(bounds.windows(2).all(|pair| pair[0].1 == pair[1].0));
    }

    #[test]
    fn the_percentiles_are_said_and_drawn() {
        let mut durations = Durations::default();
        (durations.0[0], durations.0[10], durations.0[25]) = (900, 60, 40);
        let figure = histogram(&durations).unwrap();

        assert_eq!(figure.summary, "1,000 runs succeeded: p50 ≤ 20 ms, p95 ≤ 1.1 s, p99 more than 335 s.");
        assert_eq!(figure.table.rows, [["20 ms", "900"], ["1.1 s", "60"], ["more than 335 s", "40"]]);
        let svg = figure.wide.to_string();
        assert!(svg.contains(">p50<") && svg.contains(">p95<") && !svg.contains(">p99<"), "{svg}");
        assert_eq!(histogram(&Durations::default()).unwrap().summary, "No run succeeded in this time.");
    }
}
