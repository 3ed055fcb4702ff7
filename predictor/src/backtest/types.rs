//! How well are failures told apart?

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

/// From which confidence on an answer is given: below it, "unknown" serves an operator better than a guess.
pub const CONFIDENT: f64 = 0.6;

/// One answer to the question of what a failure is.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<'a> {
    /// What it was.
    pub class: &'a str,
    /// What it was said to be.
    pub said: &'a str,
    /// How sure that was, 0 to 1.
    pub confidence: f64,
}

/// How good the answers are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TypeFigures {
    /// How many answers.
    pub answers: usize,
    /// What part of them is right.
    pub accuracy: Option<f64>,
    /// The mean of the F1 of each class that occurs or is said: rare ones count as much as common ones.
    pub macro_f1: Option<f64>,
    /// What part of the answers is given with a confidence of [`CONFIDENT`] or more.
    pub coverage: Option<f64>,
    /// What part of those is right.
    pub accuracy_confident: Option<f64>,
    /// What each class was said to be, and how often.
    pub confusion: BTreeMap<String, BTreeMap<String, usize>>,
}

/// Judges answers. A confidence that is not a number is none.
pub fn type_figures(answers: &[Answer<'_>]) -> TypeFigures {
    let ratio = |part: usize, whole: usize| (whole > 0).then(|| part as f64 / whole as f64);
    let right = |answers: &[&Answer<'_>]| answers.iter().filter(|a| a.class == a.said).count();
    let mut confusion: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for answer in answers {
        let said = confusion.entry(answer.class.to_owned()).or_default();
        *said.entry(answer.said.to_owned()).or_default() += 1;
    }
    let classes: BTreeSet<_> = answers.iter().flat_map(|a| [a.class, a.said]).collect();
    let f1 = |class: &&str| {
        let both = answers.iter().filter(|a| a.class == *class && a.said == *class).count();
        let either = answers.iter().filter(|a| a.class == *class).count()
            + answers.iter().filter(|a| a.said == *class).count();
        2.0 * both as f64 / either as f64 // Each class occurs or is said.
    };
    let all: Vec<_> = answers.iter().collect();
    let confident: Vec<_> = answers.iter().filter(|a| a.confidence >= CONFIDENT).collect();
    TypeFigures {
        answers: answers.len(),
        accuracy: ratio(right(&all), all.len()),
        macro_f1: (!classes.is_empty()).then(|| classes.iter().map(f1).sum::<f64>() / classes.len() as f64),
        coverage: ratio(confident.len(), all.len()),
        accuracy_confident: ratio(right(&confident), confident.len()),
        confusion,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers<'a>(rows: &[(&'a str, &'a str, f64)]) -> Vec<Answer<'a>> {
        rows.iter().map(|(class, said, confidence)| Answer { class, said, confidence: *confidence }).collect()
    }

    #[test]
    fn rare_classes_count_as_much_as_common_ones() {
        let found = type_figures(&answers(&[
            ("software", "software", 0.9),
            ("software", "software", 0.6),
            ("software", "network", 0.59),
            ("hardware", "software", f64::NAN),
        ]));
        // Software: 2 right of 3 + 3. Network and hardware: none.
        assert!((found.macro_f1.expect("there are answers") - (4.0 / 6.0) / 3.0).abs() < 1e-12);
        assert_eq!(found.accuracy, Some(0.5));
        assert_eq!(found.coverage, Some(0.5));
        assert_eq!(found.accuracy_confident, Some(1.0));
        assert_eq!(found.confusion["software"]["network"], 1);
        assert_eq!(found.confusion["hardware"]["software"], 1);
    }

    #[test]
    fn without_answers_there_are_no_figures() {
        let found = type_figures(&[]);
        assert_eq!((found.accuracy, found.macro_f1, found.coverage), (None, None, None));
    }
}
