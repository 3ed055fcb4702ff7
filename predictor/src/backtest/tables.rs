//! How are triggers and kinds told? As rows of cells, for a terminal and for a page alike.

use super::text::figure;
use super::{KindReport, Noticed, TriggerReport};

/// The headings of the table of triggers, and a row for each.
pub(super) fn trigger_rows(triggers: &[TriggerReport]) -> Vec<[String; 8]> {
    let headings = [
        "trigger",
        "threshold",
        "FA/day",
        "abrupt: median",
        "p90",
        "in 4 min",
        "gradual: in 4 min",
        "before",
    ];
    let row = |report: &TriggerReport| {
        let TriggerReport { name, threshold, detection } = report;
        let delay = |noticed: &Noticed, share| {
            noticed.delay(share).map_or_else(|| "-".to_owned(), |delay| format!("{delay:.0} s"))
        };
        [
            name.clone(),
            figure(*threshold),
            figure(detection.false_alarms_per_day()),
            delay(&detection.abrupt, 0.5),
            delay(&detection.abrupt, 0.9),
            figure(detection.abrupt.share()),
            figure(detection.gradual.share()),
            figure(detection.gradual.share_before()),
        ]
    };
    std::iter::once(headings.map(str::to_owned)).chain(triggers.iter().map(row)).collect()
}

/// The headings of the table of kinds, and two rows for each moment.
pub(super) fn kind_rows(kinds: &[KindReport]) -> Vec<[String; 9]> {
    let headings = [
        "asked at",
        "of",
        "failures",
        "macro-F1",
        "gradual",
        "abrupt",
        "accuracy",
        "named",
        "right of those",
    ];
    let rows = kinds.iter().flat_map(|report| {
        [("tested", &report.tested), ("entity left out", &report.left_out)].map(|(of, figures)| {
            [
                format!("{:+} s", report.asked_at_s),
                of.to_owned(),
                figures.all.answers.to_string(),
                figure(figures.all.macro_f1),
                figure(figures.gradual.macro_f1),
                figure(figures.abrupt.macro_f1),
                figure(figures.all.accuracy),
                figure(figures.all.coverage),
                figure(figures.all.accuracy_confident),
            ]
        })
    });
    std::iter::once(headings.map(str::to_owned)).chain(rows).collect()
}

/// These rows, the first of them headings, as lines whose columns are flush to the right.
pub(super) fn aligned<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let mut text = String::new();
    for row in rows {
        text.push_str("   ");
        for (column, cell) in row.iter().enumerate() {
            let width = rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
            text.push_str(&format!(" {cell:>width$}"));
        }
        text.push('\n');
    }
    text
}

/// The same as a table of Markdown.
pub(super) fn markdown<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let mut text = String::new();
    for (place, row) in rows.iter().enumerate() {
        text.push_str(&format!("| {} |\n", row.join(" | ")));
        if place == 0 {
            text.push_str(&format!("|---|{}\n", "---:|".repeat(COLUMNS - 1)));
        }
    }
    text
}
