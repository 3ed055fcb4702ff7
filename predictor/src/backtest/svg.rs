//! How does a plot become a picture? Curves and bars over two axes, as SVG text, and nothing more: four kinds of plot
//! do not need a library for charts.

use std::fmt::Write as _;

// The size of a picture and the margin around its axes, in pixels.
const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 320.0;
const MARGIN: f64 = 48.0;

/// The colours of series, told apart also by those who see fewer (Okabe and Ito, 2008).
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

/// A plot over two axes that begin at 0.
#[derive(Debug, Clone, Default)]
pub(super) struct Plot<'a> {
    pub(super) title: &'a str,
    pub(super) across: &'a str,
    pub(super) up: &'a str,
    /// The least that the axes show: (across, up). They grow with what is drawn.
    pub(super) least: (f64, f64),
    pub(super) series: Vec<Series<'a>>,
}

/// What is drawn.
#[derive(Debug, Clone)]
pub(super) struct Series<'a> {
    pub(super) name: &'a str,
    pub(super) shape: Shape,
    /// Points from left to right; those that are not finite are left out.
    pub(super) points: Vec<(f64, f64)>,
}

/// How it is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Shape {
    /// A line with a dot at each point.
    Line,
    /// A thin line without dots, to compare with.
    Guide,
    /// Bars of this width, to the right of each point.
    Bars { width: f64 },
}

impl Plot<'_> {
    /// The picture.
    pub(super) fn svg(&self) -> String {
        let (right, top) = self.bounds();
        let x = |value: f64| MARGIN + value / right * (WIDTH - 2.0 * MARGIN);
        let y = |value: f64| HEIGHT - MARGIN - value / top * (HEIGHT - 2.0 * MARGIN);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        );
        let mut text = |at: (f64, f64), anchor: &str, more: &str, words: &str| {
            let (x, y) = at;
            // Writing to a string cannot fail; here and below.
            let _ = writeln!(
                svg,
                "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\"{more}>{}</text>",
                escaped(words)
            );
        };
        text((WIDTH / 2.0, 18.0), "middle", " font-size=\"13\"", self.title);
        text((WIDTH / 2.0, HEIGHT - 10.0), "middle", "", self.across);
        let turned = format!(" transform=\"rotate(-90 12 {:.1})\"", HEIGHT / 2.0);
        text((12.0, HEIGHT / 2.0), "middle", &turned, self.up);
        for tick in 0..=4 {
            let share = f64::from(tick) / 4.0;
            text((x(share * right), HEIGHT - MARGIN + 14.0), "middle", "", &brief(share * right));
            text((MARGIN - 4.0, y(share * top) + 4.0), "end", "", &brief(share * top));
        }
        for (place, (series, colour)) in self.series.iter().zip(COLOURS.iter().cycle()).enumerate() {
            let down = 34.0 + 13.0 * place as f64;
            text((WIDTH - MARGIN, down), "end", &format!(" fill=\"{colour}\""), series.name);
        }
        let _ = writeln!(
            svg,
            "<path d=\"M{MARGIN} {MARGIN}V{:.1}H{:.1}\" fill=\"none\" stroke=\"black\"/>",
            HEIGHT - MARGIN,
            WIDTH - MARGIN
        );
        for (series, colour) in self.series.iter().zip(COLOURS.iter().cycle()) {
            let points: Vec<_> = series.finite().map(|(across, up)| (x(across), y(up))).collect();
            match series.shape {
                Shape::Bars { width } => {
                    let wide = (x(width) - x(0.0)).max(1.0);
                    for (x, y) in points {
                        let high = (HEIGHT - MARGIN - y).max(0.0);
                        let _ = writeln!(
                            svg,
                            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{high:.1}\" \
                             fill=\"{colour}\" stroke=\"white\"/>"
                        );
                    }
                }
                Shape::Line | Shape::Guide => {
                    let along: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
                    let thick = if series.shape == Shape::Guide { "0.7" } else { "1.5" };
                    let _ = writeln!(
                        svg,
                        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{thick}\"/>",
                        along.join(" ")
                    );
                    for (x, y) in points.iter().filter(|_| series.shape == Shape::Line) {
                        let _ = writeln!(
                            svg,
                            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\" fill=\"{colour}\"/>"
                        );
                    }
                }
            }
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// How far the axes reach: as far as anything that is drawn, and never 0.
    fn bounds(&self) -> (f64, f64) {
        let reach = |series: &Series<'_>| {
            let wide = if let Shape::Bars { width } = series.shape { width } else { 0.0 };
            series.finite().map(move |(across, up)| (across + wide, up)).collect::<Vec<_>>()
        };
        let points = self.series.iter().flat_map(reach);
        let (right, top) =
            points.fold(self.least, |(right, top), (across, up)| (right.max(across), top.max(up)));
        let some = |bound: f64| if bound > 0.0 { bound } else { 1.0 };
        (some(right), some(top))
    }
}

impl Series<'_> {
    fn finite(&self) -> impl Iterator<Item = (f64, f64)> {
        self.points.iter().copied().filter(|(across, up)| across.is_finite() && up.is_finite())
    }
}

/// A number at an axis, in three digits or so.
fn brief(value: f64) -> String {
    if value >= 10.0 || value == 0.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

/// Words that are no markup.
pub(super) fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
