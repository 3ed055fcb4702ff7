//! How do figures look as bars?
//!
//! Horizontal bars in groups, one scale for all groups of a picture, with every figure written beside its bar. Drawn on
//! white, so that a dark page does not swallow the letters.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::page::thousands;
use crate::peers::OURS;

/// A picture.
#[derive(Clone, Debug)]
pub struct Bars {
    /// What the bars are, their unit, and which way is better.
    pub title: String,
    /// Groups from top to bottom.
    pub groups: Vec<Group>,
}

/// Bars that are to be compared.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its heading.
    pub name: String,
    /// Label and figure of each bar.
    pub bars: Vec<(String, f64)>,
}

// All in pixels.
const WIDTH: usize = 760;
const LEFT: usize = 130;
const RIGHT: usize = 80;
const BAR: usize = 16;
const GAP: usize = 4;
const HEADING: usize = 30;
const TOP: usize = 40;
const OURS_COLOUR: &str = "#0b6e99";
const OTHER_COLOUR: &str = "#b8c4cc";

impl Bars {
    /// Writes the picture as SVG.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        fs::write(path, self.svg()).with_context(|| format!("writing {}", path.display()))
    }

    fn svg(&self) -> String {
        let bars: usize = self.groups.iter().map(|group| group.bars.len()).sum();
        let height = TOP + self.groups.len() * HEADING + bars * (BAR + GAP) + 10;
        let figures = || self.groups.iter().flat_map(|group| &group.bars).map(|(_, figure)| *figure);
        let longest = figures().fold(0.0, f64::max).max(f64::MIN_POSITIVE);
        let room = (WIDTH - LEFT - RIGHT) as f64;
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
             viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\" role=\"img\">\n\
             <title>{title}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
             <text x=\"10\" y=\"24\" font-size=\"15\" font-weight=\"bold\">{title}</text>\n",
            title = escaped(&self.title)
        );
        let mut y = TOP;
        for group in &self.groups {
            let _ = writeln!(
                out,
                "<text x=\"10\" y=\"{}\" font-weight=\"bold\" fill=\"#444\">{}</text>",
                y + 20,
                escaped(&group.name)
            );
            y += HEADING;
            for (label, figure) in &group.bars {
                let length = (figure.max(0.0) / longest * room).max(1.0);
                let colour = if label == OURS { OURS_COLOUR } else { OTHER_COLOUR };
                let (base, end) = (y + BAR - 4, LEFT as f64 + length + 6.0);
                let _ = writeln!(
                    out,
                    "<text x=\"{}\" y=\"{base}\" text-anchor=\"end\">{}</text>\
                     <rect x=\"{LEFT}\" y=\"{y}\" width=\"{length:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>\
                     <text x=\"{end:.1}\" y=\"{base}\">{}</text>",
                    LEFT - 8,
                    escaped(label),
                    if *figure < 100.0 { format!("{figure:.1}") } else { thousands(*figure) }
                );
                y += BAR + GAP;
            }
        }
        out + "</svg>\n"
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_fills_the_room_and_half_of_it_is_half_as_long() {
        let bars = vec![(OURS.to_owned(), 200.0), ("a <b>".to_owned(), 100.0)];
        let svg = Bars { title: "t".to_owned(), groups: vec![Group { name: "g".to_owned(), bars }] }.svg();
        let room = WIDTH - LEFT - RIGHT;
        for (width, colour) in [(room as f64, OURS_COLOUR), (room as f64 / 2.0, OTHER_COLOUR)] {
            assert!(
                svg.contains(&format!("width=\"{width:.1}\" height=\"{BAR}\" fill=\"{colour}\"")),
                "{svg}"
            );
        }
        assert!(svg.contains("a &lt;b&gt;") && !svg.contains("<b>"));
    }
}
