//! Charts as SVG, made on the server: lines over time, a histogram, dots on a log scale, sparklines.
//!
//! The crate `plotters` lays them out: scales, grids, labels, series. Its SVG backend does not fit here, so there is one of ours
//! behind it ([`pen`]). That writes classes where the other writes colours, so that one chart is right in light and dark and
//! prints in grey, and joins what is alike into one path: 500 dots are 5 KB, not 48. Of the other libraries looked at (2026-11),
//! `charts-rs` and `kuva` fix colours in the SVG and write `style` attributes, which the pages' policy forbids, `charming` runs in
//! the browser, and `poloto` has no log scale.
//!
//! Each chart is drawn twice, for wide and for narrow screens, of which the style shows one: scaled down to a phone, labels of
//! one drawing would be unreadable.

mod axis;
mod dots;
mod histogram;
mod line;
mod pen;
mod spark;

use std::fmt;

use kiq_runtime::Timestamp;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea as _};

pub(crate) use axis::{duration_label, number_label};
pub(crate) use dots::dots;
pub(crate) use histogram::histogram;
pub(crate) use line::{Line, MOST_SERIES, Series};
pub(crate) use spark::spark;

use pen::Pen;

/// A chart, as `figure.html` shows it.
pub(crate) struct Figure {
    /// What it shows: `Failed runs`.
    pub(crate) title: String,
    /// Of what its numbers are: `a minute`.
    pub(crate) unit: &'static str,
    /// What can be seen in it, in a sentence.
    pub(crate) summary: String,
    /// The names of its lines, in the order of their colours, if there are several.
    pub(crate) legend: Vec<String>,
    /// For wide screens.
    pub(crate) wide: Svg,
    /// For phones.
    pub(crate) narrow: Svg,
    /// Its numbers, for whoever cannot see it.
    pub(crate) table: Table,
}

/// The numbers of a chart.
#[derive(Default)]
pub(crate) struct Table {
    /// The names of the columns.
    pub(crate) head: Vec<String>,
    /// The rows; the first column names them.
    pub(crate) rows: Vec<Vec<String>>,
}

/// A drawing. All text in it was escaped when it was written.
pub(crate) struct Svg(String);

/// Not escaped again. The only places that make one are here and in `spark.rs`.
impl askama::filters::HtmlSafe for Svg {}

impl fmt::Display for Svg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What stands before and in a drawing.
struct Head<'a> {
    title: &'a str,
    unit: &'static str,
    summary: &'a str,
}

/// A moment that is marked in charts over time.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    /// When.
    pub(crate) at: Timestamp,
    /// Its number in the list below the charts.
    pub(crate) number: usize,
}

/// The width and height of both drawings. The wide one is never shown narrower than it is (the style shows it from 720 pixels on,
/// which leaves 688), so its labels are as large as written, or larger.
const WIDE: u32 = 680;
const NARROW: u32 = 340;

/// A chart could not be laid out: a mistake of ours.
#[derive(Debug, thiserror::Error)]
#[error("a chart could not be drawn: {0}")]
pub(crate) struct ChartError(String);

type Failure = DrawingAreaErrorKind<std::convert::Infallible>;

impl From<Failure> for ChartError {
    fn from(failure: Failure) -> Self {
        ChartError(failure.to_string())
    }
}

/// Draws something wide and narrow. `draw` is told of the width.
fn both(
    head: &Head<'_>,
    height: u32,
    draw: impl Fn(&DrawingArea<Pen<'_>, plotters::coord::Shift>, u32) -> Result<(), ChartError>,
) -> Result<(Svg, Svg), ChartError> {
    let one = |width: u32, class: &str| -> Result<Svg, ChartError> {
        let mut body = String::new();
        let area = Pen::new(&mut body, width, height).into_drawing_area();
        draw(&area, width)?;
        area.present()?;
        drop(area);
        let mut svg = format!("<svg class=\"chart {class}\" viewBox=\"0 0 {width} {height}\" role=\"img\"><title>");
        pen::escape(&mut svg, &format!("{}, {}", head.title, head.unit));
        svg.push_str("</title><desc>");
        pen::escape(&mut svg, head.summary);
        svg.push_str("</desc>");
        svg.push_str(&body);
        svg.push_str("</svg>");
        Ok(Svg(svg))
    };
    Ok((one(WIDE, "wide")?, one(NARROW, "narrow")?))
}
