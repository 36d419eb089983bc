//! The reliability diagram.

use super::report::{Bin, TargetReport};
use std::fmt::Write;

/// Side of the plot and the margin around it, in px.
const SIDE: f64 = 320.0;
const MARGIN: f64 = 48.0;
/// Darkest bars stand for the bin with most rows.
const OPACITY_MIN: f64 = 0.25;

/// Probability given (across) against share right (up), a bar for each tenth, darker with more rows; the
/// diagonal is perfect.
pub fn reliability_svg(target: &TargetReport) -> String {
    let size = SIDE + 2.0 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {size} {size}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{size}\" height=\"{size}\" fill=\"white\"/>\n\
         <text x=\"{MARGIN}\" y=\"20\" font-size=\"14\">{}: {} rows, calibration error {:.3}</text>\n",
        escaped(&target.target),
        target.rows_test,
        target.calibration.ece,
    );
    let most = target.calibration.bins.iter().map(|bin| bin.rows).max().unwrap_or(0);
    target
        .calibration
        .bins
        .iter()
        .filter(|bin| bin.rows > 0)
        .for_each(|bin| svg += &bar(bin, most));
    svg += &axes();
    svg + "</svg>\n"
}

fn x(share: f64) -> f64 {
    MARGIN + share * SIDE
}

fn y(share: f64) -> f64 {
    MARGIN + (1.0 - share) * SIDE
}

fn bar(bin: &Bin, most: usize) -> String {
    let opacity = OPACITY_MIN + (1.0 - OPACITY_MIN) * bin.rows as f64 / most as f64;
    format!(
        "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"#2b6cb0\" \
         fill-opacity=\"{opacity:.2}\"><title>{} rows: probability {:.3}, right {:.3}</title></rect>\n",
        x(bin.lower) + 1.0,
        y(bin.accuracy),
        SIDE / 10.0 - 2.0,
        bin.accuracy * SIDE,
        bin.rows,
        bin.probability,
        bin.accuracy,
    )
}

fn axes() -> String {
    let mut svg = format!(
        "<path d=\"M{0} {1} V{2} H{3}\" fill=\"none\" stroke=\"black\"/>\n\
         <path d=\"M{0} {2} L{3} {1}\" stroke=\"#c53030\" stroke-dasharray=\"4 3\"/>\n",
        x(0.0),
        y(1.0),
        y(0.0),
        x(1.0),
    );
    for tenth in [0.0, 0.2, 0.4, 0.6, 0.8, 1.0] {
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{tenth}</text>\n\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{tenth}</text>\n",
            x(tenth),
            y(0.0) + 16.0,
            x(0.0) - 6.0,
            y(tenth) + 4.0,
        );
    }
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
