//! How is a backtest told in a terminal?

use std::fmt::{self, Write as _};

use super::tables::{aligned, kind_rows, trigger_rows};
use super::{AtBudget, BUDGETS, Figures, HorizonReport, OfKind, Report, TestedOn};

/// All figures in lines of text.
pub fn as_text(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_report(&mut text, report);
    text
}

fn write_report(text: &mut String, report: &Report) -> fmt::Result {
    let tested = match report.tested_on {
        TestedOn::LaterTime => "tested on the time after their cuts",
        TestedOn::OtherEntities => "tested on others",
    };
    writeln!(text, "{}: fitted on {} entities, {tested}", report.protocol, report.trained_entities)?;
    for scorer in &report.scorers {
        for horizon in &scorer.horizons {
            writeln!(text, "\n{}, {} ahead", scorer.name, Minutes(horizon.horizon_s))?;
            for (name, figures) in parts(horizon) {
                write_figures(text, name, figures)?;
            }
        }
    }
    if !report.triggers.is_empty() {
        writeln!(text, "\nhow soon failures are noticed")?;
        text.push_str(&aligned(&trigger_rows(&report.triggers)));
    }
    if !report.kinds.is_empty() {
        writeln!(text, "\nhow well kinds of failures are told apart")?;
        text.push_str(&aligned(&kind_rows(&report.kinds)));
    }
    Ok(())
}

/// The two sets of figures of a horizon with their names.
pub(super) fn parts(horizon: &HorizonReport) -> [(&'static str, &Figures); 2] {
    [("tested", &horizon.tested), ("entity left out", &horizon.left_out)]
}

/// The headings of the table of alarms.
pub(super) const ALARM_HEADINGS: [&str; 12] = [
    "budget",
    "threshold",
    "recall",
    "gradual",
    "abrupt",
    "1 min ahead",
    "chance",
    "precision",
    "FA/day",
    "lead",
    "alarms",
    "eligible",
];

/// The cells below them.
pub(super) fn alarm_cells(at: &AtBudget, eligible: usize) -> [String; 12] {
    [
        format!("{}/day", at.budget),
        at.threshold.map_or_else(|| "none".to_owned(), |threshold| format!("{threshold:.4}")),
        figure(at.recall),
        figure(at.recall_gradual),
        figure(at.recall_abrupt),
        figure(at.recall_abrupt_well_before),
        figure(at.chance_recall),
        figure(at.precision),
        figure(at.false_alarms_per_day),
        at.lead_median_s.map_or_else(|| "-".to_owned(), |lead| Minutes(lead).to_string()),
        at.alarms.to_string(),
        eligible.to_string(),
    ]
}

fn write_figures(text: &mut String, name: &str, figures: &Figures) -> fmt::Result {
    let Figures { entities, rows, eligible, .. } = figures;
    writeln!(text, "  {name}: {entities} entities, {rows} rows, {eligible} failures that could be foretold")?;
    let interval = figures.auroc_interval.map(|[low, high]| format!(" [{low:.3}, {high:.3}]"));
    write!(text, "    AUROC {}{}", figure(figures.auroc), interval.unwrap_or_default())?;
    write!(text, ", AUPRC {} (prevalence {})", figure(figures.auprc), figure(figures.prevalence))?;
    if figures.brier.is_some() {
        let (brier, skill) = (fine(figures.brier), figure(figures.brier_skill));
        write!(text, ", Brier {brier}, BSS {skill}, ECE {}", fine(figures.ece))?;
    }
    writeln!(text)?;
    let rows = figures.alarms.iter().map(|at| alarm_cells(at, *eligible));
    let rows: Vec<_> = std::iter::once(ALARM_HEADINGS.map(str::to_owned)).chain(rows).collect();
    text.push_str(&aligned(&rows));
    if let Some(kinds) = kinds_in_words(figures) {
        writeln!(text, "    {kinds}")?;
    }
    Ok(())
}

/// What was foretold of each kind at the middle budget; `None` where kinds are not known.
pub(super) fn kinds_in_words(figures: &Figures) -> Option<String> {
    let at = figures.alarms.get(BUDGETS.len() / 2).filter(|at| !at.kinds.is_empty())?;
    let kinds = at.kinds.iter().map(|(kind, OfKind { eligible, foretold, lead_median_s })| {
        let lead = lead_median_s.map(|lead| format!(" ({} before)", Minutes(lead)));
        format!("{kind} {foretold} of {eligible}{}", lead.unwrap_or_default())
    });
    Some(format!("foretold at {}/day: {}", at.budget, kinds.collect::<Vec<_>>().join(", ")))
}

/// Three digits, or a dash for what there is not.
pub(super) fn figure(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"))
}

/// Five digits, for what is small.
pub(super) fn fine(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.5}"))
}

/// Seconds as minutes.
pub(super) struct Minutes(pub(super) f64);

impl fmt::Display for Minutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0 / 6.0).round();
        if tenths % 10.0 == 0.0 {
            write!(f, "{:.0} min", tenths / 10.0)
        } else {
            write!(f, "{:.1} min", tenths / 10.0)
        }
    }
}
