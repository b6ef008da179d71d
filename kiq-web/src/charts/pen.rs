//! What `plotters` draws with: writes SVG with classes, and joins what is alike.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write as _;

use plotters::style::RGBColor;
use plotters::style::text_anchor::{HPos, VPos};
use plotters_backend::{BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind};

/// The size of labels, in units of the drawing. The style sets the same.
pub(super) const TEXT: u32 = 12;

/// What a line, area or text is. To `plotters` it is a colour, and the style makes it one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    /// Labels.
    Label,
    /// Lines across.
    Grid,
    /// The line below.
    Axis,
    /// A deploy.
    Mark,
    /// What is measured, by the number of the series, from 0 to 5.
    Series(u8),
    /// From the least to the most of what a point stands for.
    Band,
    /// Bars and dots.
    Fill,
    /// A percentile.
    Rule,
    /// Where the series is named.
    Name,
}

impl Ink {
    pub(super) const fn color(self) -> RGBColor {
        match self {
            // The first number is the layer, the lowest below.
            Ink::Grid => RGBColor(0, 0, 0),
            Ink::Axis => RGBColor(1, 0, 0),
            Ink::Band => RGBColor(2, 0, 0),
            Ink::Fill => RGBColor(3, 0, 0),
            Ink::Mark => RGBColor(4, 0, 0),
            Ink::Series(number) => RGBColor(5, number, 0),
            Ink::Rule => RGBColor(6, 0, 0),
            Ink::Label => RGBColor(7, 0, 0),
            Ink::Name => RGBColor(8, 0, 0),
        }
    }

    fn class(color: BackendColor) -> &'static str {
        match color.rgb {
            (0, ..) => "g",
            (1, ..) => "a",
            (2, ..) => "b",
            (3, ..) => "f",
            (4, ..) => "m",
            (5, 0, _) => "s s1",
            (5, 1, _) => "s s2",
            (5, 2, _) => "s s3",
            (5, 3, _) => "s s4",
            (5, 4, _) => "s s5",
            (5, ..) => "s s6",
            (6, ..) => "r",
            (7, ..) => "l",
            _ => "n",
        }
    }
}

/// Writes the inside of an `<svg>`.
pub(super) struct Pen<'a> {
    out: &'a mut String,
    size: (u32, u32),
    /// Lines and bars, by layer and class.
    paths: BTreeMap<(u8, &'static str), String>,
    /// Dots, by their radius in tenths.
    dots: BTreeMap<u32, String>,
}

impl<'a> Pen<'a> {
    pub(super) fn new(out: &'a mut String, width: u32, height: u32) -> Self {
        Pen { out, size: (width, height), paths: BTreeMap::new(), dots: BTreeMap::new() }
    }

    fn path(&mut self, color: BackendColor) -> &mut String {
        self.paths.entry((color.rgb.0, Ink::class(color))).or_default()
    }
}

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

impl DrawingBackend for Pen<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        self.size
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    /// Writes what was joined.
    fn present(&mut self) -> Drawn {
        for ((_, class), path) in std::mem::take(&mut self.paths) {
            let _ = write!(self.out, "<path class=\"{class}\" d=\"{path}\"/>");
        }
        for (tenths, path) in std::mem::take(&mut self.dots) {
            let width = f64::from(2 * tenths) / 10.0;
            let _ = write!(self.out, "<path class=\"d\" stroke-width=\"{width}\" d=\"{path}\"/>");
        }
        Ok(())
    }

    fn draw_pixel(&mut self, _: BackendCoord, _: BackendColor) -> Drawn {
        Ok(())
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Drawn {
        self.draw_path([from, to], style)
    }

    fn draw_rect<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S, _fill: bool) -> Drawn {
        let (width, height) = (to.0 - from.0, to.1 - from.1);
        let _ = write!(self.path(style.color()), "M{} {}h{width}v{height}h{}z", from.0, from.1, -width);
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Drawn {
        if style.color().alpha == 0.0 {
            return Ok(());
        }
        let out = self.path(style.color());
        let mut last: Option<BackendCoord> = None;
        for (x, y) in path {
            let _ = match last {
                None => write!(out, "M{x} {y}"),
                Some(at) if at == (x, y) => continue,
                Some((from_x, from_y)) if from_y == y => write!(out, "h{}", x - from_x),
                Some((from_x, from_y)) if from_x == x => write!(out, "v{}", y - from_y),
                // A minus parts two numbers as well as a space.
                Some((from_x, from_y)) if y < from_y => write!(out, "l{}{}", x - from_x, y - from_y),
                Some((from_x, from_y)) => write!(out, "l{} {}", x - from_x, y - from_y),
            };
            last = Some((x, y));
        }
        Ok(())
    }

    /// The radius is in tenths.
    fn draw_circle<S: BackendStyle>(&mut self, center: BackendCoord, radius: u32, _: &S, _fill: bool) -> Drawn {
        // A line of no length with round ends.
        let _ = write!(self.dots.entry(radius).or_default(), "M{} {}h0", center.0, center.1);
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Drawn {
        self.draw_path(path, style)?;
        self.path(style.color()).push('z');
        Ok(())
    }

    fn draw_text<T: BackendTextStyle>(&mut self, text: &str, style: &T, at: BackendCoord) -> Drawn {
        // A space before a text keeps it away from what it names.
        let away = if text.starts_with(' ') { 4 } else { 0 };
        let text = text.trim();
        if text.is_empty() || style.color().alpha == 0.0 {
            return Ok(());
        }
        let anchor = match style.anchor().h_pos {
            HPos::Left => "",
            HPos::Center => " text-anchor=\"middle\"",
            HPos::Right => " text-anchor=\"end\"",
        };
        let down = match style.anchor().v_pos {
            VPos::Top => 10,
            VPos::Center => 4,
            VPos::Bottom => 0,
        };
        let class = Ink::class(style.color());
        let _ = write!(self.out, "<text class=\"{class}\" x=\"{}\" y=\"{}\"{anchor}>", at.0 + away, at.1 + down);
        escape(self.out, text);
        self.out.push_str("</text>");
        Ok(())
    }

    fn estimate_text_size<T: BackendTextStyle>(
        &self,
        text: &str,
        _: &T,
    ) -> Result<(u32, u32), DrawingErrorKind<Infallible>> {
        Ok((text.chars().count() as u32 * 7, TEXT))
    }
}

/// Text as it stands in an element or an attribute.
pub(super) fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // XML has no such characters, and a page shows nothing for them.
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
}
