//! A model that gives way to a rule which does as well.

use std::collections::BTreeSet;

use super::unfit;
use crate::backtest::{Fitted, Predictions, Scale, Scorer, Span, Unfit};

/// On what part of the entities a model must be better than the rule: a lucky one on a few is none for the fleet.
const BETTER_ON: f64 = 0.75;

/// Of two scorers, the first only where it is better by average precision on entities that it has not seen: on all of
/// them together, and on three quarters of those that failed.
pub struct Yielding<'a> {
    /// What must be better.
    pub model: &'a dyn Scorer,
    /// What it must be better than.
    pub rule: &'a dyn Scorer,
    /// Its name in reports.
    pub name: &'a str,
}

impl Scorer for Yielding<'_> {
    fn name(&self) -> &str {
        self.name
    }

    /// The rule's scores are ranks.
    fn scale(&self) -> Scale {
        Scale::Ranks
    }

    fn fit(&self, spans: &[Span<'_>], horizon: usize) -> Result<Box<dyn Fitted>, Unfit> {
        let better = is_better(&unseen(self.model, spans, horizon)?, &unseen(self.rule, spans, horizon)?);
        if better { self.model.fit(spans, horizon) } else { self.rule.fit(spans, horizon) }
    }
}

/// Average precision on entities that were not seen: on all rows together, and on each entity with a failure.
#[derive(Debug, Clone, PartialEq, Default)]
struct Unseen {
    pooled: f64,
    each: Vec<f64>,
}

fn is_better(model: &Unseen, rule: &Unseen) -> bool {
    let won = model.each.iter().zip(&rule.each).filter(|(model, rule)| model > rule).count();
    // Without another entity nothing speaks for a model.
    !model.each.is_empty() && model.pooled > rule.pooled && won as f64 >= BETTER_ON * model.each.len() as f64
}

fn unseen(scorer: &dyn Scorer, spans: &[Span<'_>], horizon: usize) -> Result<Unseen, Unfit> {
    let names: BTreeSet<&str> = spans.iter().map(|span| span.entity.name.as_str()).collect();
    let (mut scores, mut targets, mut each) = (Vec::new(), Vec::new(), Vec::new());
    for name in names.iter().filter(|_| names.len() > 1) {
        let (own, others): (Vec<_>, Vec<_>) =
            spans.iter().cloned().partition(|span| span.entity.name == *name);
        let fitted = scorer.fit(&others, horizon)?;
        let before = scores.len();
        for span in &own {
            scores.extend(fitted.score(span)?);
            targets.extend(span.rows.iter().map(|at| span.entity.timeline.fails_within(*at, horizon)));
        }
        each.extend(precision(&scores[before..], &targets[before..])?);
    }
    Ok(Unseen { pooled: precision(&scores, &targets)?.unwrap_or(0.0), each })
}

fn precision(scores: &[f64], targets: &[bool]) -> Result<Option<f64>, Unfit> {
    let predictions = Predictions::new(scores.to_vec(), targets.to_vec()).map_err(unfit)?;
    Ok(predictions.average_precision())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unseen(pooled: f64, each: &[f64]) -> Unseen {
        Unseen { pooled, each: each.to_vec() }
    }

    #[test]
    fn a_model_must_win_nearly_everywhere() {
        let rule = unseen(0.2, &[0.1, 0.2, 0.3, 0.2]);
        assert!(is_better(&unseen(0.3, &[0.2, 0.3, 0.4, 0.1]), &rule));
        assert!(!is_better(&unseen(0.3, &[0.2, 0.9, 0.1, 0.1]), &rule), "on half of the entities only");
        assert!(!is_better(&unseen(0.2, &[0.2, 0.3, 0.4, 0.3]), &rule), "no better on all together");
        assert!(!is_better(&unseen(0.3, &[]), &unseen(0.2, &[])), "there is nothing to be better on");
    }
}
