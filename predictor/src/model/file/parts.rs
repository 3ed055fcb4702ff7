//! How is each part of a model written and read?
//!
//! Trees are written in pre-order, where the place of every child follows from the order alone: a question is 10 bytes,
//! an answer 6, and no link can lead astray because there is none.

use super::wire::{Reader, Writer};
use super::{
    Columns, FEATURES_MAX, HorizonModel, Model, ModelFileError, NAME_MAX, NODES_MAX, Quality, THRESHOLDS_MAX,
    TREES_MAX, Threshold, Training,
};
use crate::model::calibration::{BIN_EDGES, Bin, Calibrator, KNOTS_MAX, Knot, Map};
use crate::model::profile::{EDGES, Profile};
use crate::model::{Blend, Estimator, Forest, Kind, KindClassifier, Logistic, Node, Term};

/// Stands for the feature of a node that asks nothing.
const LEAF: u16 = u16::MAX;

/// The most learners of one kind.
const JUDGES_MAX: usize = 4;

const FOREST: u8 = 1;
const LOGISTIC: u8 = 2;
const BLEND: u8 = 3;

const IDENTITY: u8 = 0;
const PLATT: u8 = 1;
const ISOTONIC: u8 = 2;

impl Model {
    pub(super) fn write(&self, to: &mut Writer) -> Result<(), ModelFileError> {
        write_training(&self.training, to)?;
        to.u64(self.columns.hash);
        to.count("features", self.columns.names.len(), FEATURES_MAX)?;
        for (name, profile) in self.columns.names.iter().zip(&self.profiles) {
            to.text("bytes in the name of a feature", name, NAME_MAX)?;
            write_profile(profile, to);
        }
        for horizon in &self.horizons {
            write_horizon(horizon, to)?;
        }
        to.u8(u8::from(self.kinds.is_some()));
        for judges in self.kinds.iter().flat_map(KindClassifier::judges) {
            to.count("learners of a kind", judges.len(), JUDGES_MAX)?;
            for judge in judges {
                write_estimator(judge, to)?;
            }
        }
        Ok(())
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, ModelFileError> {
        let training = read_training(from)?;
        let hash = from.u64("the hash of the schema")?;
        let width = from.count("features", FEATURES_MAX, 4)?;
        let (mut names, mut profiles) = (Vec::with_capacity(width), Vec::with_capacity(width));
        for _ in 0..width {
            names.push(from.text("bytes in the name of a feature", NAME_MAX)?);
            profiles.push(read_profile(from)?);
        }
        let horizons = [read_horizon(from, width)?, read_horizon(from, width)?, read_horizon(from, width)?];
        let kinds = if flag(from, "the presence of kinds")? { Some(read_kinds(from, width)?) } else { None };
        Ok(Self { columns: Columns { hash, names }, profiles, horizons, kinds, training })
    }
}

fn flag(from: &mut Reader<'_>, what: &'static str) -> Result<bool, ModelFileError> {
    match from.u8(what)? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(ModelFileError::Improper { what }),
    }
}

fn write_training(training: &Training, to: &mut Writer) -> Result<(), ModelFileError> {
    to.u64(training.at);
    to.u64(training.rows);
    to.u32(training.hubs);
    to.u32(training.failures);
    to.u8(u8::from(training.simulated));
    to.text("bytes in the version of smartcore", &training.smartcore, NAME_MAX)
}

fn read_training(from: &mut Reader<'_>) -> Result<Training, ModelFileError> {
    Ok(Training {
        at: from.u64("the time of the training")?,
        rows: from.u64("the number of rows")?,
        hubs: from.u32("the number of hubs")?,
        failures: from.u32("the number of failures")?,
        simulated: flag(from, "the origin of the training")?,
        smartcore: from.text("bytes in the version of smartcore", NAME_MAX)?,
    })
}

fn write_profile(profile: &Profile, to: &mut Writer) {
    for value in [profile.mean, profile.low, profile.high].iter().chain(&profile.edges).chain(&profile.shares)
    {
        to.f32(*value);
    }
}

fn read_profile(from: &mut Reader<'_>) -> Result<Profile, ModelFileError> {
    let what = "the profile of a feature";
    let (mean, low, high) = (from.f32(what)?, from.f32(what)?, from.f32(what)?);
    let (mut edges, mut shares) = ([0.0; EDGES], [0.0; EDGES + 1]);
    for value in edges.iter_mut().chain(&mut shares) {
        *value = from.f32(what)?;
    }
    Ok(Profile { mean, low, high, edges, shares })
}

fn write_horizon(horizon: &HorizonModel, to: &mut Writer) -> Result<(), ModelFileError> {
    write_estimator(&horizon.estimator, to)?;
    write_calibrator(&horizon.calibrator, to)?;
    to.f64(horizon.base_rate);
    to.count("thresholds", horizon.thresholds.len(), THRESHOLDS_MAX)?;
    for threshold in &horizon.thresholds {
        to.f64(threshold.budget);
        to.f64(threshold.probability);
    }
    let Quality { auroc, auprc, brier_skill, calibration_error } = horizon.quality;
    [auroc, auprc, brier_skill, calibration_error].into_iter().for_each(|value| to.f64(value));
    Ok(())
}

fn read_horizon(from: &mut Reader<'_>, width: usize) -> Result<HorizonModel, ModelFileError> {
    let estimator = read_estimator(from, width)?;
    let calibrator = read_calibrator(from)?;
    let base_rate = from.f64("the base rate")?;
    let count = from.count("thresholds", THRESHOLDS_MAX, 16)?;
    let mut thresholds = Vec::with_capacity(count);
    for _ in 0..count {
        let (budget, probability) = (from.f64("a threshold")?, from.f64("a threshold")?);
        thresholds.push(Threshold { budget, probability });
    }
    let what = "the quality";
    let quality = Quality {
        auroc: from.f64(what)?,
        auprc: from.f64(what)?,
        brier_skill: from.f64(what)?,
        calibration_error: from.f64(what)?,
    };
    Ok(HorizonModel { estimator, calibrator, base_rate, thresholds, quality })
}

fn read_kinds(from: &mut Reader<'_>, width: usize) -> Result<KindClassifier, ModelFileError> {
    let mut judges: [Vec<Estimator>; Kind::ALL.len()] = Default::default();
    for judges in &mut judges {
        for _ in 0..from.count("learners of a kind", JUDGES_MAX, 1)? {
            judges.push(read_estimator(from, width)?);
        }
    }
    KindClassifier::from_judges(judges).ok_or(ModelFileError::Improper { what: "the classifier of kinds" })
}

fn write_estimator(estimator: &Estimator, to: &mut Writer) -> Result<(), ModelFileError> {
    match estimator {
        Estimator::Forest(forest) => {
            to.u8(FOREST);
            write_forest(forest, to)?;
        }
        Estimator::Logistic(logistic) => {
            to.u8(LOGISTIC);
            write_logistic(logistic, to);
        }
        Estimator::Blend(blend) => {
            to.u8(BLEND);
            write_forest(blend.forest(), to)?;
            write_logistic(blend.logistic(), to);
        }
    }
    Ok(())
}

fn read_estimator(from: &mut Reader<'_>, width: usize) -> Result<Estimator, ModelFileError> {
    match from.u8("the learner")? {
        FOREST => read_forest(from, width).map(Estimator::Forest),
        LOGISTIC => read_logistic(from, width).map(Estimator::Logistic),
        BLEND => {
            let (forest, logistic) = (read_forest(from, width)?, read_logistic(from, width)?);
            Blend::from_parts(forest, logistic)
                .map(Estimator::Blend)
                .ok_or(ModelFileError::Improper { what: "the width of a learner" })
        }
        _ => Err(ModelFileError::Improper { what: "the learner" }),
    }
}

fn write_forest(forest: &Forest, to: &mut Writer) -> Result<(), ModelFileError> {
    forest.importance().iter().for_each(|part| to.f32(*part));
    to.count("trees", forest.nodes().len(), TREES_MAX)?;
    for nodes in forest.nodes() {
        to.count("nodes of a tree", nodes.len(), NODES_MAX)?;
        nodes.iter().for_each(|node| write_node(node, to));
    }
    Ok(())
}

fn read_forest(from: &mut Reader<'_>, width: usize) -> Result<Forest, ModelFileError> {
    let importance = (0..width).map(|_| from.f32("an importance")).collect::<Result<_, _>>()?;
    let count = from.count("trees", TREES_MAX, 4)?;
    let trees = (0..count).map(|_| read_tree(from)).collect::<Result<_, _>>()?;
    Forest::from_nodes(width, trees, importance).map_err(ModelFileError::Nodes)
}

fn write_logistic(logistic: &Logistic, to: &mut Writer) {
    to.f32(logistic.intercept());
    for term in logistic.terms() {
        [term.mean, term.scale, term.weight].into_iter().for_each(|value| to.f32(value));
    }
}

fn read_logistic(from: &mut Reader<'_>, width: usize) -> Result<Logistic, ModelFileError> {
    let what = "a regression";
    let intercept = from.f32(what)?;
    let mut terms = Vec::with_capacity(width);
    for _ in 0..width {
        let (mean, scale, weight) = (from.f32(what)?, from.f32(what)?, from.f32(what)?);
        terms.push(Term { mean, scale, weight });
    }
    Logistic::from_terms(intercept, terms).ok_or(ModelFileError::Improper { what })
}

fn write_node(node: &Node, to: &mut Writer) {
    if node.is_leaf() {
        to.u16(LEAF);
    } else {
        to.u16(node.feature);
        to.f32(node.threshold);
    }
    to.f32(node.mean);
}

/// The child of the larger values is the node after the whole tree of the smaller ones: the next one after an answer,
/// for the nearest question that still waits.
fn read_tree(from: &mut Reader<'_>) -> Result<Vec<Node>, ModelFileError> {
    let count = from.count("nodes of a tree", NODES_MAX, 6)?;
    let mut nodes: Vec<Node> = Vec::with_capacity(count);
    let mut waiting: Vec<usize> = Vec::new();
    let mut after_answer = false;
    for at in 0..count {
        if after_answer {
            let asked = waiting.pop().ok_or(ModelFileError::Improper { what: "the shape of a tree" })?;
            // A tree has at most 2¹⁶ nodes.
            nodes[asked].above = at as u32;
        }
        let feature = from.u16("a node")?;
        after_answer = feature == LEAF;
        let threshold = if after_answer { 0.0 } else { from.f32("a threshold of a tree")? };
        let mean = from.f32("an answer of a tree")?;
        if !(0.0..=1.0).contains(&mean) {
            return Err(ModelFileError::Improper { what: "an answer of a tree" });
        }
        if !after_answer {
            waiting.push(at);
        }
        nodes.push(Node { mean, threshold, above: 0, feature: if after_answer { 0 } else { feature } });
    }
    if after_answer && waiting.is_empty() {
        Ok(nodes)
    } else {
        Err(ModelFileError::Improper { what: "the shape of a tree" })
    }
}

fn write_calibrator(calibrator: &Calibrator, to: &mut Writer) -> Result<(), ModelFileError> {
    match calibrator.as_map() {
        Map::Identity => to.u8(IDENTITY),
        Map::Platt { slope, offset } => {
            to.u8(PLATT);
            to.f64(*slope);
            to.f64(*offset);
        }
        Map::Isotonic(knots) => {
            to.u8(ISOTONIC);
            to.count("knots", knots.len(), KNOTS_MAX)?;
            for knot in knots {
                to.f64(knot.score);
                to.f64(knot.probability);
            }
        }
    }
    for bin in calibrator.bins() {
        [bin.rows, bin.failed, bin.hubs].into_iter().for_each(|count| to.u32(count));
    }
    Ok(())
}

fn read_calibrator(from: &mut Reader<'_>) -> Result<Calibrator, ModelFileError> {
    let what = "a calibrator";
    let map = match from.u8(what)? {
        IDENTITY => Map::Identity,
        PLATT => Map::Platt { slope: from.f64(what)?, offset: from.f64(what)? },
        ISOTONIC => {
            let count = from.count("knots", KNOTS_MAX, 16)?;
            let mut knots = Vec::with_capacity(count);
            for _ in 0..count {
                knots.push(Knot { score: from.f64(what)?, probability: from.f64(what)? });
            }
            Map::Isotonic(knots)
        }
        _ => return Err(ModelFileError::Improper { what }),
    };
    let mut bins = [Bin::default(); BIN_EDGES.len()];
    for bin in &mut bins {
        *bin = Bin { rows: from.u32(what)?, failed: from.u32(what)?, hubs: from.u32(what)? };
    }
    Calibrator::from_parts(map, bins).map_err(ModelFileError::Calibrator)
}
