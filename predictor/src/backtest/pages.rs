//! How is a backtest shown? A page of Markdown and its plots, as files by name.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use super::svg::{Plot, Series, Shape, escaped};
use super::tables::{kind_rows, markdown, trigger_rows};
use super::text::{ALARM_HEADINGS, Minutes, alarm_cells, figure, fine, kinds_in_words, parts};
use super::{BUDGETS, CONFIDENT, FALSE_CRIES_PER_DAY, Figures, Report, TestedOn, TriggerReport};

/// How much a feature weighs in a model: its name, and a share of 0 or more.
pub type Weight = (String, f64);

/// How many weights are drawn: what fits on a page.
const WEIGHTS_MAX: usize = 20;

/// The page, `report.md`, and the pictures that it shows, by file name. `weights` are those of the model that the
/// report is about, heaviest first; without any, nothing is said of them.
pub fn as_pages(report: &Report, weights: &[Weight]) -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_page(&mut text, report, weights, &mut pages);
    pages.insert("report.md".to_owned(), text);
    pages
}

/// What triggers are worth, as a table of Markdown.
pub fn as_table(triggers: &[TriggerReport]) -> String {
    markdown(&trigger_rows(triggers))
}

fn write_page(
    text: &mut String,
    report: &Report,
    weights: &[Weight],
    pages: &mut BTreeMap<String, String>,
) -> fmt::Result {
    let tested = match report.tested_on {
        TestedOn::LaterTime => "tested on the time after the cut of each entity",
        TestedOn::OtherEntities => "tested on other entities, from beginning to end",
    };
    writeln!(text, "# Backtest: {}\n", report.protocol)?;
    writeln!(text, "Fitted on {} entities, {tested}. Thresholds come from the", report.trained_entities)?;
    writeln!(
        text,
        "part that was fitted on, by models that had not seen the entity they scored. The interval of the"
    )?;
    writeln!(text, "AUROC is of 95 %, by drawing entities.")?;
    for (place, scorer) in report.scorers.iter().enumerate() {
        for horizon in &scorer.horizons {
            let name = format!("{}, {} ahead", scorer.name, Minutes(horizon.horizon_s));
            let stem = format!("{}-{:.0}", place + 1, horizon.horizon_s / 60.0);
            writeln!(text, "\n## {name}\n")?;
            write_figures(text, parts(horizon))?;
            let mut show = |kind: &str, plot: &Plot<'_>| {
                let file = format!("{kind}-{stem}.svg");
                let line = writeln!(text, "\n![{}]({file})", plot.title);
                pages.insert(file, plot.svg());
                line
            };
            if !horizon.tested.calibration.is_empty() {
                show("calibration", &calibration(parts(horizon)))?;
            }
            show("recall", &recall(parts(horizon)))?;
            show("lead", &leads(&horizon.tested, horizon.horizon_s))?;
        }
    }
    if report.scorers.iter().flat_map(|scorer| &scorer.horizons).any(|at| knows_abrupt(&at.tested)) {
        writeln!(
            text,
            "\n*1 min ahead* is what part of the abrupt failures was foretold a minute before its onset or"
        )?;
        writeln!(
            text,
            "earlier: more than *chance* there would mean that the features were told of what was to come."
        )?;
    }
    if !report.triggers.is_empty() {
        writeln!(text, "\n## How soon failures are noticed\n\n{}", as_table(&report.triggers))?;
        writeln!(
            text,
            "Thresholds are chosen for {FALSE_CRIES_PER_DAY} false alarm per entity and day. Delays are counted from"
        )?;
        writeln!(text, "the start of a failure, in whole samples; *before* is the part that was foretold.")?;
    }
    if !report.kinds.is_empty() {
        let table = markdown(&kind_rows(&report.kinds));
        writeln!(text, "\n## How well kinds of failures are told apart\n\n{table}")?;
        writeln!(
            text,
            "The moment is counted from the start of the failure. A kind is *named* where it is at least {CONFIDENT}"
        )?;
        writeln!(text, "likely; below that, the answer is that it is unknown.")?;
    }
    if !weights.is_empty() {
        writeln!(text, "\n## Weights\n\n![What the model goes by](weights.svg)\n")?;
        pages.insert("weights.svg".to_owned(), bars(weights));
    }
    Ok(())
}

/// Was an abrupt failure among those that could be foretold?
fn knows_abrupt(figures: &Figures) -> bool {
    figures.alarms.iter().any(|at| at.eligible_abrupt > 0)
}

fn write_figures(text: &mut String, parts: [(&str, &Figures); 2]) -> fmt::Result {
    writeln!(text, "| | entities | rows | eligible | AUROC | AUPRC | prevalence | Brier | BSS | ECE |")?;
    writeln!(text, "|---|---|---|---|---|---|---|---|---|---|")?;
    for (name, f) in parts {
        let interval = f.auroc_interval.map(|[low, high]| format!(" [{low:.3}, {high:.3}]"));
        write!(text, "| {name} | {} | {} | {} ", f.entities, f.rows, f.eligible)?;
        write!(text, "| {}{} | {} ", figure(f.auroc), interval.unwrap_or_default(), figure(f.auprc))?;
        let (brier, skill) = (fine(f.brier), figure(f.brier_skill));
        writeln!(text, "| {} | {brier} | {skill} | {} |", figure(f.prevalence), fine(f.ece))?;
    }
    for (name, figures) in parts {
        writeln!(text, "\n### Alarms, {name}\n\n| {} |", ALARM_HEADINGS.join(" | "))?;
        writeln!(text, "|{}", "---|".repeat(ALARM_HEADINGS.len()))?;
        for at in &figures.alarms {
            writeln!(text, "| {} |", alarm_cells(at, figures.eligible).join(" | "))?;
        }
        if let Some(kinds) = kinds_in_words(figures) {
            writeln!(text, "\nBy kind, {kinds}.")?;
        }
    }
    Ok(())
}

fn calibration<'a>(parts: [(&'a str, &Figures); 2]) -> Plot<'a> {
    let curve = |(name, figures): (&'a str, &Figures)| Series {
        name,
        shape: Shape::Line,
        points: figures.calibration.iter().map(|bin| (bin.foretold, bin.happened)).collect(),
    };
    let mut series: Vec<_> = parts.into_iter().map(curve).collect();
    let reach = series.iter().flat_map(|one| &one.points).fold(0.0, |most: f64, p| most.max(p.0).max(p.1));
    series.push(Series { name: "ideal", shape: Shape::Guide, points: vec![(0.0, 0.0), (reach, reach)] });
    Plot { title: "Calibration", across: "foretold", up: "happened", least: (reach, reach), series }
}

fn recall<'a>(parts: [(&'a str, &Figures); 2]) -> Plot<'a> {
    let points = |figures: &Figures, chance: bool| {
        let mut points: Vec<_> = figures
            .alarms
            .iter()
            .filter_map(|at| {
                let recall = if chance { at.chance_recall } else { at.recall };
                Some((at.false_alarms_per_day?, recall?))
            })
            .collect();
        points.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        points
    };
    let mut series: Vec<_> = parts
        .iter()
        .map(|(name, figures)| Series { name, shape: Shape::Line, points: points(figures, false) })
        .collect();
    series.push(Series { name: "chance", shape: Shape::Guide, points: points(parts[0].1, true) });
    Plot {
        title: "Recall against false alarms",
        across: "false alarms per entity and day",
        up: "recall",
        least: (0.0, 1.0),
        series,
    }
}

/// How long before failures the first alarm came, at the budget in the middle.
fn leads(figures: &Figures, horizon_s: f64) -> Plot<'static> {
    const BINS: usize = 20;
    let width = horizon_s / BINS as f64;
    let mut counts = [0.0; BINS];
    for lead in figures.alarms.get(BUDGETS.len() / 2).iter().flat_map(|at| &at.leads_s) {
        // A lead is more than 0 and at most the horizon: the last bin takes its end.
        counts[((lead / width) as usize).min(BINS - 1)] += 1.0;
    }
    let points = counts.iter().enumerate().map(|(bin, count)| (bin as f64 * width / 60.0, *count)).collect();
    let shape = Shape::Bars { width: width / 60.0 };
    Plot {
        title: "Lead of the first alarm, at one false alarm a day",
        across: "minutes before the failure",
        up: "failures",
        least: (horizon_s / 60.0, 1.0),
        series: vec![Series { name: "tested", shape, points }],
    }
}

/// Weights as bars that lie, with their names.
fn bars(weights: &[Weight]) -> String {
    let finite = weights.iter().filter(|(_, weight)| weight.is_finite() && *weight >= 0.0);
    let shown: Vec<_> = finite.take(WEIGHTS_MAX).collect();
    let most = shown.iter().fold(f64::MIN_POSITIVE, |most, (_, weight)| most.max(*weight));
    let height = 30 + 16 * shown.len();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 480 {height}\" font-family=\"sans-serif\" \
         font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"240\" y=\"16\" text-anchor=\"middle\" font-size=\"13\">What the model goes by</text>\n"
    );
    for (place, (name, weight)) in shown.iter().enumerate() {
        let (top, wide) = (26 + 16 * place, weight / most * 260.0);
        let _ = writeln!(
            svg,
            "<text x=\"176\" y=\"{}\" text-anchor=\"end\">{}</text><rect x=\"180\" y=\"{top}\" \
             width=\"{wide:.1}\" height=\"12\" fill=\"#0072b2\"/>",
            top + 10,
            escaped(name)
        );
    }
    svg.push_str("</svg>\n");
    svg
}
