//! Lines over time, with a band around each for what its points stand for, and with deploys.

use kiq_runtime::Timestamp;
use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::drawing::DrawingArea;
use plotters::element::{Circle, PathElement, Polygon, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, IntoFont as _, RGBColor, ShapeStyle, TRANSPARENT, TextStyle};

use super::axis::{Axis, moment, time_label};
use super::pen::{Ink, Pen, TEXT};
use super::{ChartError, Figure, Mark, NARROW, Table, both};

/// The most points of a line.
const POINTS: usize = 120;

/// The most rows of its table.
const ROWS: usize = 24;

/// The most lines that can be told apart.
pub(crate) const MOST_SERIES: usize = 6;

/// Lines over time.
pub(crate) struct Line<'a> {
    /// What it shows: `Failed runs`.
    pub(crate) title: &'a str,
    /// Of what its numbers are: `a minute`.
    pub(crate) unit: &'static str,
    /// Six at most; the points of all are of the same moments.
    pub(crate) series: Vec<Series>,
    /// The deploys.
    pub(crate) marks: &'a [Mark],
    /// How a number is written.
    pub(crate) label: fn(f64) -> String,
}

/// One line.
pub(crate) struct Series {
    /// Its name.
    pub(crate) name: String,
    /// The earliest first; `None` where nothing is known.
    pub(crate) points: Vec<(Timestamp, Option<f64>)>,
}

/// Some points that follow each other, as one.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Group {
    at: Timestamp,
    least: f64,
    mean: f64,
    most: f64,
    is_known: bool,
}

/// At most so many groups, each of as many points.
fn grouped(points: &[(Timestamp, Option<f64>)], most: usize) -> Vec<Group> {
    let group = |points: &[(Timestamp, Option<f64>)]| {
        let known: Vec<f64> = points.iter().filter_map(|(_, value)| *value).filter(|value| value.is_finite()).collect();
        let all = known.iter().copied();
        Group {
            at: points.first().map_or(Timestamp::from_micros(0), |(at, _)| *at),
            least: all.clone().fold(f64::INFINITY, f64::min),
            mean: known.iter().sum::<f64>() / known.len().max(1) as f64,
            most: all.fold(f64::NEG_INFINITY, f64::max),
            is_known: !known.is_empty(),
        }
    };
    points.chunks(points.len().div_ceil(most).max(1)).map(group).collect()
}

impl Line<'_> {
    /// Draws it.
    pub(crate) fn figure(mut self) -> Result<Figure, ChartError> {
        self.series.truncate(MOST_SERIES);
        let groups: Vec<Vec<Group>> = self.series.iter().map(|series| grouped(&series.points, POINTS)).collect();
        let summary = self.summary(&groups);
        let head = super::Head { title: self.title, unit: self.unit, summary: &summary };
        let (wide, narrow) = both(&head, 150, |area, width| self.draw(area, width, &groups))?;
        let is_one = self.series.len() <= 1;
        Ok(Figure {
            title: self.title.to_owned(),
            unit: self.unit,
            legend: if is_one { Vec::new() } else { self.series.iter().map(|series| series.name.clone()).collect() },
            wide,
            narrow,
            table: self.table(),
            summary,
        })
    }

    fn draw(&self, area: &DrawingArea<Pen<'_>, Shift>, width: u32, groups: &[Vec<Group>]) -> Result<(), ChartError> {
        let all = || groups.iter().flatten().filter(|group| group.is_known);
        // Only one line has a band around it.
        let height = |group: &Group| if groups.len() > 1 { group.mean } else { group.most };
        let most = all().map(height).fold(0.0, f64::max);
        let times = || groups.iter().flatten().map(|group| group.at);
        let nothing = Timestamp::from_micros(0);
        let (from, to) = (times().min().unwrap_or(nothing), times().max().unwrap_or(nothing));
        let mut chart = ChartBuilder::on(area)
            .margin_top(16)
            .margin_bottom(4)
            .margin_right(if groups.len() > 1 { 18 } else { 8 })
            .x_label_area_size(20)
            .y_label_area_size(56)
            .build_cartesian_2d(Axis::of_time(from, to, if width > NARROW { 6 } else { 4 }), Axis::up_to(most))?;
        grid(&mut chart, time_label, self.label)?;
        let x = |at: Timestamp| at.as_micros() as f64;
        for mark in self.marks.iter().filter(|mark| (from..=to).contains(&mark.at)) {
            let (at, top) = (x(mark.at), most.max(f64::MIN_POSITIVE) * 1.02);
            let top = if most > 0.0 { top } else { 1.02 };
            chart.draw_series([PathElement::new(vec![(at, 0.0), (at, top)], ink(Ink::Mark))])?;
            let number = Text::new(mark.number.to_string(), (at, top), text(Ink::Mark, HPos::Center, VPos::Bottom));
            chart.draw_series([number])?;
        }
        let mut ends = Vec::new();
        for (number, groups) in groups.iter().enumerate() {
            let line = Ink::Series(number as u8);
            for run in groups.split(|group| !group.is_known).filter(|run| !run.is_empty()) {
                let has_band = run.iter().any(|group| group.least < group.most);
                if has_band && self.series.len() == 1 {
                    let above = run.iter().map(|group| (x(group.at), group.most));
                    let below = run.iter().rev().map(|group| (x(group.at), group.least));
                    let band: Vec<(f64, f64)> = above.chain(below).collect();
                    chart.draw_series([Polygon::new(band, Ink::Band.color().filled())])?;
                }
                let points: Vec<(f64, f64)> = run.iter().map(|group| (x(group.at), group.mean)).collect();
                match points.as_slice() {
                    [alone] => drop(chart.draw_series([Circle::new(*alone, 15, ink(line))])?),
                    _ => drop(chart.draw_series([PathElement::new(points, ink(line))])?),
                }
            }
            if let Some(last) = groups.iter().rev().find(|group| group.is_known) {
                ends.push((number, last.at, last.mean));
            }
        }
        if groups.len() > 1 {
            // Where lines end close together, their numbers stand below each other.
            ends.sort_by(|one, other| one.2.total_cmp(&other.2));
            let apart = most.max(f64::MIN_POSITIVE) * f64::from(TEXT) / 110.0;
            let mut lowest = f64::NEG_INFINITY;
            for (number, at, value) in ends {
                lowest = value.max(lowest + apart);
                let name =
                    Text::new(format!(" {}", number + 1), (x(at), lowest), text(Ink::Name, HPos::Left, VPos::Center));
                chart.draw_series([name])?;
            }
        }
        Ok(())
    }

    /// What can be seen, in a sentence.
    fn summary(&self, groups: &[Vec<Group>]) -> String {
        let label = |value: f64| (self.label)(value);
        let is_one = self.series.len() == 1;
        let height = |group: &Group| if is_one { group.most } else { group.mean };
        let highest = |groups: &[Group]| {
            let known = groups.iter().filter(|group| group.is_known);
            known.max_by(|one, other| height(one).total_cmp(&height(other))).copied()
        };
        let tops =
            self.series.iter().zip(groups).filter_map(|(series, groups)| Some((series, groups, highest(groups)?)));
        let Some((series, groups, top)) = tops.max_by(|(.., one), (.., other)| height(one).total_cmp(&height(other)))
        else {
            return "Nothing is known of this time.".to_owned();
        };
        if height(&top) <= 0.0 {
            return "None in this time.".to_owned();
        }
        let known: Vec<f64> = groups.iter().filter(|group| group.is_known).map(|group| group.mean).collect();
        let mean = label(known.iter().sum::<f64>() / known.len().max(1) as f64);
        let (most, from, unit) = (label(height(&top)), self.moment(top.at), self.unit);
        match is_one {
            true => format!("On average {mean} {unit}, most at {from}: {most}."),
            false => format!("{} is highest: on average {mean}, most at {from}: {most}.", series.name),
        }
    }

    /// A moment of it.
    fn moment(&self, at: Timestamp) -> String {
        let points = self.series.first().map(|series| series.points.as_slice()).unwrap_or_default();
        let end = |point: Option<&(Timestamp, Option<f64>)>| point.map_or(at, |(at, _)| *at);
        moment(at, end(points.first()), end(points.last()))
    }

    fn table(&self) -> Table {
        let columns: Vec<Vec<Group>> = self.series.iter().map(|series| grouped(&series.points, ROWS)).collect();
        let mut head = vec!["From".to_owned()];
        match self.series.as_slice() {
            [_] => head.extend([format!("Mean {}", self.unit), "Least".to_owned(), "Most".to_owned()]),
            all => head.extend(all.iter().map(|series| format!("{}, mean {}", series.name, self.unit))),
        }
        let rows = columns.first().map(Vec::len).unwrap_or_default();
        let row = |index: usize| {
            let groups = columns.iter().filter_map(|column| column.get(index));
            let at = columns.first().and_then(|column| column.get(index)).map(|group| self.moment(group.at));
            let mut row = vec![at.unwrap_or_default()];
            let shown = |group: &Group, value: f64| if group.is_known { (self.label)(value) } else { String::new() };
            let is_one = self.series.len() == 1;
            for group in groups {
                row.push(shown(group, group.mean));
                if is_one {
                    row.extend([shown(group, group.least), shown(group, group.most)]);
                }
            }
            row
        };
        Table { head, rows: (0..rows).map(row).collect() }
    }
}

/// Lines across at the labels of the upright axis, and both axes' labels.
pub(super) fn grid(
    chart: &mut ChartContext<'_, Pen<'_>, Cartesian2d<Axis, Axis>>,
    x: fn(f64) -> String,
    y: fn(f64) -> String,
) -> Result<(), ChartError> {
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(ink(Ink::Grid))
        .light_line_style(TRANSPARENT)
        .axis_style(ink(Ink::Axis))
        .label_style(font(Ink::Label))
        .x_label_formatter(&|value| x(*value))
        .y_label_formatter(&|value| y(*value))
        .draw()?;
    Ok(())
}

pub(super) fn ink(ink: Ink) -> ShapeStyle {
    ink.color().stroke_width(1)
}

fn font(ink: Ink) -> TextStyle<'static> {
    let color: RGBColor = ink.color();
    ("sans-serif", TEXT).into_font().color(&color)
}

pub(super) fn text(ink: Ink, h: HPos, v: VPos) -> TextStyle<'static> {
    font(ink).pos(Pos::new(h, v))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::axis::number_label;
    use super::*;

    fn minutes(values: &[Option<f64>]) -> Vec<(Timestamp, Option<f64>)> {
        let start = Timestamp::from_micros(1_795_449_600_000_000); // 2026-11-23T16:00:00
        let at = |index: usize| start + Duration::from_secs(60) * u32::try_from(index).unwrap();
        values.iter().enumerate().map(|(index, value)| (at(index), *value)).collect()
    }

    fn figure(values: &[Option<f64>]) -> Figure {
        let series = vec![Series { name: "all".to_owned(), points: minutes(values) }];
        let marks = [Mark { at: minutes(values)[0].0, number: 1 }];
        Line { title: "Runs", unit: "a minute", series, marks: &marks, label: number_label }.figure().unwrap()
    }

    #[test]
    fn many_points_are_drawn_as_their_mean_between_the_least_and_the_most() {
        let values: Vec<_> = (0..480).map(|n| Some(f64::from(n % 4))).collect();
        let groups = grouped(&minutes(&values), POINTS);
        assert_eq!(groups.len(), 120);
        assert_eq!((groups[0].least, groups[0].mean, groups[0].most), (0.0, 1.5, 3.0));
        assert!(figure(&values).wide.to_string().contains("class=\"b\""));
    }

    #[test]
    fn a_gap_stays_a_gap() {
        let svg = figure(&[Some(1.0), Some(2.0), None, Some(3.0), Some(1.0), None, Some(2.0)]).wide.to_string();
        let line = svg.split("class=\"s s1\" d=\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(line.matches('M').count(), 2, "{line}");
        assert_eq!(svg.matches("class=\"d\"").count(), 1, "a point alone is a dot");
    }

    #[test]
    fn what_is_seen_is_said_and_stands_in_a_table() {
        let figure = figure(&[Some(1.0), Some(4.0), Some(1.0)]);
        assert_eq!(figure.summary, "On average 2 a minute, most at 16:01: 4.");
        assert_eq!(figure.table.rows[1], ["16:01", "4", "4", "4"]);
        assert!(figure.narrow.to_string().contains("<title>Runs, a minute</title><desc>On average 2"));
        assert_eq!(super::tests::figure(&[Some(0.0)]).summary, "None in this time.");
    }

    #[test]
    fn odd_numbers_draw_something() {
        for value in [f64::NAN, f64::INFINITY, f64::MAX, f64::MIN, f64::MIN_POSITIVE, -1.0] {
            assert!(figure(&[Some(value), Some(1.0), Some(value)]).wide.to_string().ends_with("</svg>"), "{value}");
        }
    }
}
