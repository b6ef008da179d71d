//! A line that fits into a row of a table: no axes, no numbers; those stand beside it.

use super::Svg;

const WIDTH: f64 = 96.0;
const HEIGHT: f64 = 20.0;

/// Points of a sparkline; more are merged, by the highest.
const POINTS: usize = 30;

/// Draws values that are equally far apart, from 0 up. It is decoration for who can see it: the numbers stand beside it.
pub(crate) fn spark(values: &[f64]) -> Svg {
    let merged = values.chunks(values.len().div_ceil(POINTS).max(1));
    let values: Vec<f64> =
        merged.map(|some| some.iter().copied().filter(|value| value.is_finite()).fold(0.0, f64::max)).collect();
    let most = values.iter().copied().fold(0.0, f64::max);
    let steps = values.len().saturating_sub(1).max(1) as f64;
    let mut path = String::new();
    for (index, value) in values.iter().enumerate() {
        let x = (index as f64 / steps * (WIDTH - 2.0) + 1.0).round();
        let share = if most > 0.0 { value / most } else { 0.0 };
        let y = ((1.0 - share) * (HEIGHT - 3.0) + 1.5).round();
        path.push_str(&format!("{}{x} {y}", if index == 0 { "M" } else { "L" }));
    }
    Svg(format!(
        "<svg class=\"spark\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" aria-hidden=\"true\"><path d=\"{path}\"/></svg>"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_still_there_when_points_are_merged() {
        let mut values = vec![1.0; 480];
        values[77] = 100.0;
        let svg = spark(&values).to_string();
        assert_eq!((svg.matches('L').count(), svg.matches(" 2L").count()), (29, 1), "{svg}");
        for odd in [&[][..], &[f64::NAN], &[0.0, 0.0], &[f64::INFINITY, 1.0]] {
            assert!(spark(odd).to_string().ends_with("</svg>"));
        }
    }
}
