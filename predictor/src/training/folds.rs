//! What would a model say of an entity that it has not seen?

use thiserror::Error;

use crate::model::{FitError, RowsError};

use super::{Examples, Recipe};

/// Why there are no scores.
#[derive(Debug, Error)]
pub enum FoldError {
    /// There is nothing to leave out, or nothing would be left.
    #[error("{entities} entities do not make {folds} folds of at least one each, and two at least")]
    Folds {
        /// How many entities.
        entities: usize,
        /// How many folds.
        folds: usize,
    },
    /// A fold could not be learnt from.
    #[error("fitting without fold {fold}")]
    Fit {
        /// Which fold was left out.
        fold: usize,
        /// Why not.
        #[source]
        source: FitError,
    },
    /// An entity's rows are of another schema.
    #[error("scoring entity {entity}")]
    Row {
        /// Which.
        entity: usize,
        /// Why not.
        #[source]
        source: RowsError,
    },
}

/// Which fold an entity is in: each in its turn, so that neighbours in name, often kin, part.
pub fn fold_of(entity: usize, folds: usize) -> usize {
    entity % folds.max(1)
}

/// The scores of every row of every entity, each by a model fitted on every `every`-th row of the entities of the other
/// folds. With as many folds as entities, each is left out by itself.
pub fn out_of_fold(
    entities: &[Examples],
    folds: usize,
    every: usize,
    recipe: &Recipe,
) -> Result<Vec<Vec<f32>>, FoldError> {
    if folds < 2 || entities.len() < folds {
        return Err(FoldError::Folds { entities: entities.len(), folds });
    }
    let mut scores = vec![Vec::new(); entities.len()];
    for fold in 0..folds {
        let seen = entities.iter().enumerate().filter(|(entity, _)| fold_of(*entity, folds) != fold);
        let pooled = Examples::pooled(seen.map(|(_, examples)| examples), every)
            .unwrap_or_else(|| Examples::new(1))
            .map_err(|source| FoldError::Row { entity: fold, source })?;
        let learnt = recipe.fit(&pooled).map_err(|source| FoldError::Fit { fold, source })?;
        for (entity, examples) in entities.iter().enumerate() {
            if fold_of(entity, folds) == fold {
                let rows = examples.rows().iter().map(|row| learnt.predict(row));
                scores[entity] =
                    rows.collect::<Result<_, _>>().map_err(|source| FoldError::Row { entity, source })?;
            }
        }
    }
    Ok(scores)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ForestSettings, LogisticSettings};

    /// Entities whose events follow a rule of their own: only who has seen the entity can tell them.
    fn entities(count: usize) -> Vec<Examples> {
        let of = |entity: usize| {
            let mut examples = Examples::new(2).unwrap();
            for at in 0..200_usize {
                let came = (at * 7_919 / 3 + entity).is_multiple_of(2);
                let dice = (at * 31 % 17) as f32;
                examples
                    .push(&[(1_000 * entity * entity) as f32 + f32::from(u8::from(came)), dice], came)
                    .unwrap();
            }
            examples
        };
        (0..count).map(of).collect()
    }

    #[test]
    fn an_entity_is_scored_by_models_that_have_not_seen_it() {
        let entities = entities(4);
        let recipe =
            Recipe::Forest(ForestSettings { trees: 10, features: Some(2), ..ForestSettings::default() });
        let apart = |scores: &[f32], targets: &[f32]| {
            let mean = |which: f32| {
                let of: Vec<_> =
                    scores.iter().zip(targets).filter(|(_, t)| **t == which).map(|(s, _)| *s).collect();
                of.iter().sum::<f32>() / of.len() as f32
            };
            mean(1.0) - mean(0.0)
        };
        // Seen, they are told apart; unseen, they cannot be.
        let seen = recipe.fit(&Examples::pooled(&entities, 1).unwrap().unwrap()).unwrap();
        let unseen = out_of_fold(&entities, 4, 1, &recipe).unwrap();
        for (examples, unseen) in entities.iter().zip(&unseen) {
            let seen: Vec<_> = examples.rows().iter().map(|row| seen.predict(row).unwrap()).collect();
            assert!(apart(&seen, examples.targets()) > 0.5);
            assert!(apart(unseen, examples.targets()).abs() < 0.2);
        }
    }

    #[test]
    fn folds_must_divide_entities() {
        let recipe = Recipe::Logistic(LogisticSettings::default());
        for (count, folds) in [(0, 4), (3, 4), (4, 1), (4, 0)] {
            let found = out_of_fold(&entities(count), folds, 1, &recipe);
            assert!(matches!(found, Err(FoldError::Folds { .. })), "{count} in {folds}");
        }
        let quiet = vec![Examples::new(2).unwrap(); 4];
        assert!(matches!(out_of_fold(&quiet, 2, 1, &recipe), Err(FoldError::Fit { fold: 0, .. })));
    }
}
