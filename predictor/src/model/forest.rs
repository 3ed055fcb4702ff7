//! How likely is the event, by the vote of many trees?
//!
//! smartcore has no probabilities of its forest of classifiers, only votes; a forest of regression trees on 0 and 1 is
//! one of probabilities. It learns from NaN and from rows too short without a word, so both are refused before it sees
//! them. Its trees are private: they are read through serde once, and laid out for serving.

use serde::Deserialize;
use smartcore::ensemble::random_forest_regressor::{RandomForestRegressor, RandomForestRegressorParameters};
use smartcore::linalg::basic::matrix::DenseMatrix;
use thiserror::Error;

use super::node::check_tree;
use super::rows::check_row;
use super::{Node, NodesError, Rows, RowsError};

/// The deepest tree: 2³² leaves are more than there are rows.
pub const DEPTH_MAX: u16 = 32;

/// How a forest is grown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForestSettings {
    /// How many trees, at least one. Each costs about 60 ns a forecast.
    pub trees: usize,
    /// How many questions deep a tree is at most, 1 to [`DEPTH_MAX`].
    pub depth: u16,
    /// How many rows a leaf holds at least.
    pub leaf: usize,
    /// How many features compete for a question, drawn anew for each; `None` is the square root of all.
    pub features: Option<usize>,
    /// Seed of the draws of rows and features. The same seed, rows and platform make the same forest.
    pub seed: u64,
}

impl Default for ForestSettings {
    /// 60 trees, 10 deep, 10 rows a leaf: on held-out simulated hubs as good as 100 trees 12 deep (AUROC .736 against
    /// .738), in half the time.
    fn default() -> Self {
        Self { trees: 60, depth: 10, leaf: 10, features: None, seed: 1 }
    }
}

/// Why nothing was learnt.
#[derive(Debug, Error)]
pub enum FitError {
    /// Nothing to learn from.
    #[error("there are no rows to learn from")]
    NoRows,
    /// Each row needs its target.
    #[error("{rows} rows and {targets} targets")]
    Targets {
        /// How many rows.
        rows: usize,
        /// How many targets.
        targets: usize,
    },
    /// A target is a probability: 0 or 1 as a rule.
    #[error("target {0} is not from 0 to 1")]
    Target(usize),
    /// Where everything or nothing is an event, nothing tells them apart.
    #[error("the targets are all alike")]
    OneClass,
    /// A setting makes no sense.
    #[error("{0}")]
    Settings(&'static str),
    /// The library gave up.
    #[error("fitting: {0}")]
    Library(String),
    /// What the library made is no forest.
    #[error("reading the fitted forest")]
    Nodes(#[source] NodesError),
}

/// Trees whose answers are averaged.
#[derive(Debug, Clone, PartialEq)]
pub struct Forest {
    width: usize,
    trees: Vec<Vec<Node>>,
    importance: Vec<f32>,
}

impl Forest {
    /// Grows one. `targets` are 0 or 1, or weights between. Takes half a minute for 90,000 rows of 100 features
    /// (`benches/benches/training.rs`); memory is about 12 times that of the rows while it runs.
    pub fn fit(rows: &Rows, targets: &[f32], settings: &ForestSettings) -> Result<Self, FitError> {
        check_targets(rows, targets)?;
        if settings.trees == 0 || settings.leaf == 0 {
            return Err(FitError::Settings("a forest needs a tree, and a leaf a row"));
        }
        if settings.depth == 0 || settings.depth > DEPTH_MAX {
            return Err(FitError::Settings("a tree is 1 to 32 questions deep"));
        }
        if settings.features.is_some_and(|features| features == 0 || features > rows.width()) {
            return Err(FitError::Settings(
                "no more features can compete than there are, and no fewer than one",
            ));
        }
        let matrix = DenseMatrix::new(rows.len(), rows.width(), rows.by_column(), true)
            .map_err(|e| FitError::Library(e.to_string()))?;
        let mut parameters = RandomForestRegressorParameters::default()
            .with_n_trees(settings.trees)
            .with_max_depth(settings.depth)
            .with_min_samples_leaf(settings.leaf)
            .with_min_samples_split(settings.leaf.saturating_mul(2))
            .with_seed(settings.seed);
        parameters.m = settings.features;
        let fitted = RandomForestRegressor::fit(&matrix, &targets.to_vec(), parameters)
            .map_err(|e| FitError::Library(e.to_string()))?;
        let importance =
            fitted.compute_feature_importances().map_err(|e| FitError::Library(e.to_string()))?;
        let fitted = serde_json::to_value(&fitted).map_err(|e| FitError::Library(e.to_string()))?;
        let fitted: Fitted = serde_json::from_value(fitted).map_err(|e| FitError::Library(e.to_string()))?;
        let trees = fitted
            .forest_regressor
            .trees
            .iter()
            .map(|tree| flatten(&tree.nodes))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| FitError::Library("a node without a child or a threshold".to_owned()))?;
        let importance = importance.into_iter().map(|value| value as f32).collect();
        Self::from_nodes(rows.width(), trees, importance).map_err(FitError::Nodes)
    }

    /// Of trees in pre-order, and what part of the whole gain each feature made.
    pub fn from_nodes(width: usize, trees: Vec<Vec<Node>>, importance: Vec<f32>) -> Result<Self, NodesError> {
        if width == 0 || width > usize::from(u16::MAX) {
            return Err(NodesError::Width(width));
        }
        if trees.is_empty() {
            return Err(NodesError::Empty);
        }
        if importance.len() != width || importance.iter().any(|part| !part.is_finite() || *part < 0.0) {
            return Err(NodesError::Importance);
        }
        for (tree, nodes) in trees.iter().enumerate() {
            check_tree(tree, nodes, width)?;
        }
        Ok(Self { width, trees, importance })
    }

    /// How many features a row has.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The trees, each in pre-order.
    pub fn nodes(&self) -> &[Vec<Node>] {
        &self.trees
    }

    /// What part of the whole gain in squared error each feature made in training; together 1, or 0 if no tree asks
    /// anything.
    pub fn importance(&self) -> &[f32] {
        &self.importance
    }

    /// How likely the event is for this row, 0 to 1.
    pub fn predict(&self, row: &[f32]) -> Result<f32, RowsError> {
        check_row(self.width, row)?;
        let sum: f32 = self.trees.iter().map(|nodes| nodes[walk(nodes, row, |_, _, _| {})].mean).sum();
        Ok(sum / self.trees.len() as f32)
    }

    /// How far each feature moved the forecast of this row from that of an average row: along the path, the change of
    /// the mean at each question counts for the feature that was asked. With [`baseline`](Self::baseline) they add up to
    /// the forecast. `moves` is overwritten, one number a feature.
    pub fn explain(&self, row: &[f32], moves: &mut Vec<f32>) -> Result<(), RowsError> {
        check_row(self.width, row)?;
        moves.clear();
        moves.resize(self.width, 0.0);
        for nodes in &self.trees {
            walk(nodes, row, |feature, before, after| moves[feature] += after - before);
        }
        for moved in moves {
            *moved /= self.trees.len() as f32;
        }
        Ok(())
    }

    /// The forecast of a row of which nothing is known: the mean over the roots.
    pub fn baseline(&self) -> f32 {
        self.trees.iter().map(|nodes| nodes[0].mean).sum::<f32>() / self.trees.len() as f32
    }
}

/// Which leaf a row comes to. Tells of each question the feature, and the means before and after it.
fn walk(nodes: &[Node], row: &[f32], mut asked: impl FnMut(usize, f32, f32)) -> usize {
    let mut at = 0;
    loop {
        let node = &nodes[at];
        if node.is_leaf() {
            return at;
        }
        let feature = usize::from(node.feature);
        at = if row[feature] <= node.threshold { at + 1 } else { node.above as usize };
        asked(feature, node.mean, nodes[at].mean);
    }
}

/// Whether there is a target for each row, from 0 to 1, and not all of them alike.
pub(super) fn check_targets(rows: &Rows, targets: &[f32]) -> Result<(), FitError> {
    if rows.is_empty() {
        return Err(FitError::NoRows);
    }
    if rows.len() != targets.len() {
        return Err(FitError::Targets { rows: rows.len(), targets: targets.len() });
    }
    if let Some(at) = targets.iter().position(|target| !(0.0..=1.0).contains(target)) {
        return Err(FitError::Target(at));
    }
    if targets.iter().all(|target| target == &targets[0]) {
        return Err(FitError::OneClass);
    }
    Ok(())
}

/// What serde shows of a fitted forest.
#[derive(Deserialize)]
struct Fitted {
    forest_regressor: FittedTrees,
}

#[derive(Deserialize)]
struct FittedTrees {
    trees: Vec<FittedTree>,
}

#[derive(Deserialize)]
struct FittedTree {
    nodes: Vec<FittedNode>,
}

#[derive(Deserialize)]
struct FittedNode {
    output: f64,
    split_feature: u16,
    split_value: Option<f64>,
    true_child: Option<usize>,
    false_child: Option<usize>,
}

/// The nodes in pre-order; `None` if they are no tree. Recursion is as deep as the tree:
/// [`DEPTH_MAX`] at most.
fn flatten(fitted: &[FittedNode]) -> Option<Vec<Node>> {
    fn add(fitted: &[FittedNode], at: usize, nodes: &mut Vec<Node>) -> Option<()> {
        let node = fitted.get(at)?;
        // As many nodes as there were, or a circle.
        if nodes.len() >= fitted.len() {
            return None;
        }
        let here = nodes.len();
        nodes.push(Node { mean: node.output as f32, threshold: 0.0, above: 0, feature: 0 });
        if let (Some(below), Some(above)) = (node.true_child, node.false_child) {
            add(fitted, below, nodes)?;
            nodes[here].above = u32::try_from(nodes.len()).ok()?;
            nodes[here].feature = node.split_feature;
            nodes[here].threshold = at_most(node.split_value?);
            add(fitted, above, nodes)?;
        }
        Some(())
    }
    let mut nodes = Vec::with_capacity(fitted.len());
    add(fitted, 0, &mut nodes)?;
    Some(nodes)
}

/// The largest `f32` that is not above: a row's `f32` is at most the one just when it is at most the other.
fn at_most(value: f64) -> f32 {
    let near = value as f32;
    if f64::from(near) > value { near.next_down() } else { near }
}

#[cfg(test)]
mod tests;
