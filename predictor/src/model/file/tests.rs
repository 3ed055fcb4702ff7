use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::model::calibration::{BIN_EDGES, Bin, Knot, Map};
use crate::model::{Blend, Forest, Logistic, Node, Term};

fn names() -> Vec<String> {
    ["connect_z", "p95_z", "memory_slope_30"].map(str::to_owned).to_vec()
}

fn columns() -> Columns {
    Columns { hash: 0x5eed, names: names() }
}

fn leaf(mean: f32) -> Node {
    Node { mean, threshold: 0.0, above: 0, feature: 0 }
}

fn split(mean: f32, feature: u16, above: u32) -> Node {
    Node { mean, threshold: 1.5, above, feature }
}

fn grown() -> Forest {
    let small = vec![split(0.1, 1, 2), leaf(0.05), leaf(0.7)];
    let deep = vec![split(0.2, 2, 4), split(0.1, 0, 3), leaf(0.0), leaf(0.3), leaf(1.0)];
    let stump = vec![leaf(0.02)];
    Forest::from_nodes(3, vec![small, deep, stump], vec![0.2, 0.5, 0.3]).unwrap()
}

fn fitted() -> Logistic {
    let term = |weight| Term { mean: 0.5, scale: 2.0, weight };
    Logistic::from_terms(-3.0, vec![term(1.0), term(0.0), term(-0.5)]).unwrap()
}

fn forest() -> Estimator {
    Estimator::Forest(grown())
}

fn logistic() -> Estimator {
    Estimator::Logistic(fitted())
}

fn blend() -> Estimator {
    Estimator::Blend(Blend::from_parts(grown(), fitted()).unwrap())
}

fn horizon(estimator: Estimator, map: Map) -> HorizonModel {
    let bins = [Bin { rows: 300, failed: 20, hubs: 7 }; BIN_EDGES.len()];
    HorizonModel {
        estimator,
        calibrator: Calibrator::from_parts(map, bins).unwrap(),
        base_rate: 0.02,
        thresholds: vec![Threshold { budget: 0.5, probability: 0.3 }],
        quality: Quality { auroc: 0.73, auprc: 0.22, brier_skill: 0.12, calibration_error: 0.004 },
    }
}

fn model() -> Model {
    let knot = |score, probability| Knot { score, probability };
    let profile = Profile::of(&[0.0, 1.0, 2.0, 3.0]).unwrap();
    Model {
        columns: columns(),
        profiles: vec![profile; 3],
        horizons: [
            horizon(forest(), Map::Identity),
            horizon(blend(), Map::Isotonic(vec![knot(0.1, 0.0), knot(0.5, 0.8)])),
            horizon(logistic(), Map::Platt { slope: 0.9, offset: -0.1 }),
        ],
        kinds: KindClassifier::from_judges(std::array::from_fn(|_| vec![forest(), logistic()])),
        training: Training {
            at: 1_790_000_000,
            rows: 90_000,
            hubs: 24,
            failures: 207,
            smartcore: "0.7.0".to_owned(),
            simulated: true,
        },
    }
}

static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| model().to_bytes().unwrap());

fn read(bytes: &[u8]) -> Result<Model, ModelFileError> {
    Model::from_bytes(bytes, &columns())
}

/// A file with this body and a right hash: what another version of ourselves might have written.
fn sealed(body: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend(MAGIC);
    file.extend(FORMAT.to_le_bytes());
    file.extend((body.len() as u64).to_le_bytes());
    file.extend(body);
    let hash = digest(&SHA256, &file);
    file.extend(hash.as_ref());
    file
}

#[test]
fn what_was_written_is_read() {
    assert_eq!(read(&FILE), Ok(model()));
    assert_eq!(model().to_bytes().unwrap(), *FILE, "the same model gives the same bytes");
    let without = Model { kinds: None, ..model() };
    assert_eq!(read(&without.to_bytes().unwrap()), Ok(without));
}

#[test]
fn foreign_torn_and_altered_files_are_told_apart() {
    let check = |bytes: &[u8], expected: ModelFileError| assert_eq!(read(bytes), Err(expected));
    check(b"", ModelFileError::NotAModel);
    check(b"# a README\n", ModelFileError::NotAModel);
    let whole = FILE.len();
    check(&FILE[..whole - 1], ModelFileError::Torn { expected: whole, found: whole - 1 });
    check(&[&FILE[..], b"x"].concat(), ModelFileError::Torn { expected: whole, found: whole + 1 });
    check(&FILE[..9], ModelFileError::Torn { expected: HEAD + HASH, found: 9 });
    let mut later = FILE.clone();
    later[8] = 9;
    check(&later, ModelFileError::Format(9));
    let mut endless = FILE.clone();
    endless[10..18].fill(0xff);
    check(&endless, ModelFileError::Torn { expected: usize::MAX, found: whole });
    let mut altered = FILE.clone();
    altered[whole / 2] ^= 1;
    check(&altered, ModelFileError::Altered);
    check(&vec![0; FILE_MAX + 1], ModelFileError::TooLarge(FILE_MAX + 1));
    let body = &FILE[HEAD..whole - HASH];
    check(&sealed(&[body, &[0]].concat()), ModelFileError::Long);
}

#[test]
fn a_model_of_other_features_is_refused_and_says_which() {
    let check = |columns: Columns, word: &str| {
        let refused = Model::from_bytes(&FILE, &columns).unwrap_err().to_string();
        assert!(refused.contains(word), "{refused}");
    };
    check(Columns { hash: 1, ..columns() }, "mean something else");
    let mut other = columns();
    other.names[1] = "p50_z".to_owned();
    check(other, "feature 1 is p95_z there and p50_z here");
    let mut fewer = columns();
    fewer.names.pop();
    check(fewer, "3 there and 2 here");
}

#[test]
fn what_could_not_be_read_again_is_not_written() {
    let check = |change: &dyn Fn(&mut Model)| {
        let mut model = model();
        change(&mut model);
        assert!(model.to_bytes().is_err());
    };
    check(&|model| model.columns.names.clear());
    check(&|model| model.columns.names[0] = "n".repeat(NAME_MAX + 1));
    check(&|model| model.profiles[2].low = f32::NAN);
    check(&|model| model.horizons[0].base_rate = 0.0);
    check(&|model| model.horizons[1].thresholds[0].probability = f64::NAN);
    check(&|model| model.horizons[1].thresholds = vec![Threshold { budget: 1.0, probability: 0.5 }; 17]);
    check(&|model| model.profiles.truncate(2));
}

#[test]
fn a_count_beyond_the_file_allocates_nothing() {
    // The number of features stands after the training and the hash of the schema.
    let at = HEAD + 8 + 8 + 4 + 4 + 1 + (4 + 5) + 8;
    assert_eq!(FILE[at..at + 4], 3_u32.to_le_bytes());
    let forged = |count: u32| {
        let mut body = FILE[HEAD..FILE.len() - HASH].to_vec();
        body[at - HEAD..at - HEAD + 4].copy_from_slice(&count.to_le_bytes());
        read(&sealed(&body)).unwrap_err()
    };
    let most = FEATURES_MAX;
    assert_eq!(
        forged(u32::MAX),
        ModelFileError::TooMany { what: "features", found: u32::MAX as usize, most }
    );
    assert_eq!(forged(1_000), ModelFileError::Short { what: "features" });
}

proptest! {
    /// Any flip of a bit is found by the hash.
    #[test]
    fn any_flipped_bit_is_found(at in any::<Index>(), bit in 0_u8..8) {
        let mut flipped = FILE.clone();
        flipped[at.index(FILE.len())] ^= 1 << bit;
        prop_assert!(read(&flipped).is_err());
    }

    /// Any truncation is found.
    #[test]
    fn any_truncation_is_found(to in any::<Index>()) {
        prop_assert!(read(&FILE[..to.index(FILE.len())]).is_err());
    }

    /// With a right hash, whatever the bytes, what is read can be written and read again, and answers.
    #[test]
    fn a_body_of_anything_is_refused_or_sound(
        edits in prop::collection::vec((any::<Index>(), any::<u8>()), 1..6),
        to in prop::option::of(any::<Index>()),
    ) {
        let mut body = FILE[HEAD..FILE.len() - HASH].to_vec();
        for (at, byte) in edits {
            let at = at.index(body.len());
            body[at] = byte;
        }
        if let Some(to) = to {
            body.truncate(to.index(body.len()));
        }
        if let Ok(model) = Model::parse(&sealed(&body)[HEAD..HEAD + body.len()]) {
            let again = model.to_bytes().unwrap();
            prop_assert_eq!(&Model::parse(opened(&again).unwrap()).unwrap(), &model);
            let row = vec![0.5; model.columns.names.len()];
            for horizon in &model.horizons {
                let score = horizon.estimator.predict(&row).unwrap();
                prop_assert!(horizon.calibrator.probability(f64::from(score)).is_some());
            }
        }
    }

    #[test]
    fn noise_is_refused(noise in prop::collection::vec(any::<u8>(), 0..2_000)) {
        prop_assert!(read(&noise).is_err());
        prop_assert!(Model::parse(&noise).is_err());
    }
}

/// A tree that asks as many questions as it may, in pre-order.
fn full(depth: u32, seed: &mut u16, nodes: &mut Vec<Node>) {
    *seed = seed.wrapping_mul(25_173).wrapping_add(13_849);
    let number = f32::from(*seed) / f32::from(u16::MAX);
    if depth == 0 {
        nodes.push(leaf(number));
        return;
    }
    let at = nodes.len();
    nodes.push(Node { mean: number, threshold: number, above: 0, feature: *seed % 60 });
    full(depth - 1, seed, nodes);
    nodes[at].above = u32::try_from(nodes.len()).unwrap();
    full(depth - 1, seed, nodes);
}

/// What a model takes at most: three horizons of 60 trees, each of ten questions on every path, over 60 features.
#[test]
fn a_full_grown_model_is_three_megabytes() {
    let mut seed = 1;
    let mut grown = || {
        let trees = (0..60).map(|_| {
            let mut nodes = Vec::new();
            full(10, &mut seed, &mut nodes);
            nodes
        });
        Estimator::Forest(Forest::from_nodes(60, trees.collect(), vec![1.0 / 60.0; 60]).unwrap())
    };
    let model = Model {
        columns: Columns { hash: 1, names: (0..60).map(|n| format!("feature_{n}")).collect() },
        profiles: vec![Profile::of(&[0.0, 1.0]).unwrap(); 60],
        horizons: std::array::from_fn(|_| horizon(grown(), Map::Identity)),
        kinds: None,
        ..model()
    };
    let bytes = model.to_bytes().unwrap();
    println!("a model of 3 × 60 full trees takes {} bytes", bytes.len());
    assert!((2_900_000..3_000_000).contains(&bytes.len()), "{}", bytes.len());
    assert_eq!(Model::from_bytes(&bytes, &model.columns), Ok(model));
}
