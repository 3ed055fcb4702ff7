use super::*;
use proptest::prelude::*;

/// Rows of ten hubs whose scores, 0 to 1 in equal steps, come true as often as `truth` says.
fn rows(count: u32, truth: impl Fn(f64) -> f64) -> Vec<Unseen> {
    // A stride that is coprime with every count spreads what comes true evenly, without dice.
    let spread = |n: u32| f64::from((n * 7919) % 10_007) / 10_007.0;
    (0..count)
        .map(|n| {
            let score = (f64::from(n) + 0.5) / f64::from(count);
            Unseen { hub: n % 10, score: score as f32, failed: spread(n) < truth(score) }
        })
        .collect()
}

fn fit(rows: &[Unseen], method: Method) -> Calibrator {
    Calibrator::fit(rows, method).unwrap()
}

/// The greatest error at scores of .05, .15 … .95.
fn error(calibrator: &Calibrator, truth: impl Fn(f64) -> f64) -> f64 {
    let at = |n: u32| f64::from(n) / 10.0 + 0.05;
    (0..10).map(|n| (calibrator.probability(at(n)).unwrap() - truth(at(n))).abs()).fold(0.0, f64::max)
}

#[test]
fn platt_finds_a_line_in_logits() {
    let truth = |score: f64| sigmoid(0.5 * logit(score) - 1.0);
    let calibrator = fit(&rows(20_000, truth), Method::Platt);
    let Map::Platt { slope, offset } = *calibrator.as_map() else { panic!("{calibrator:?}") };
    assert!((slope - 0.5).abs() < 0.05 && (offset + 1.0).abs() < 0.05, "{slope} {offset}");
    assert!(error(&calibrator, truth) < 0.02);
}

#[test]
fn isotonic_finds_what_is_no_line() {
    let truth = |score: f64| if score < 0.5 { 0.1 } else { 0.6 };
    let (step, line) = (rows(20_000, truth), fit(&rows(20_000, truth), Method::Platt));
    assert!(error(&fit(&step, Method::Isotonic), truth) < 0.03);
    assert!(error(&line, truth) > 0.05, "a line cannot");
}

#[test]
fn too_little_leaves_scores_as_they_are() {
    let truth = |score: f64| score * score;
    assert_eq!(fit(&[], Method::Platt), Calibrator::identity());
    assert_eq!(*fit(&rows(60, truth), Method::Isotonic).as_map(), Map::Identity);
    assert!(matches!(fit(&rows(2_000, truth), Method::Isotonic).as_map(), Map::Platt { .. }));
    assert!(matches!(fit(&rows(20_000, truth), Method::Isotonic).as_map(), Map::Isotonic(_)));
    let one_hub: Vec<_> = rows(20_000, truth).into_iter().map(|row| Unseen { hub: 0, ..row }).collect();
    assert_eq!(*fit(&one_hub, Method::Platt).as_map(), Map::Identity);
}

#[test]
fn a_score_that_means_the_opposite_is_not_turned_round() {
    let calibrator = fit(&rows(20_000, |score| 1.0 - score), Method::Platt);
    assert_eq!(*calibrator.as_map(), Map::Identity);
}

#[test]
fn support_grows_with_rows_and_with_hubs() {
    let many = fit(&rows(20_000, |score| score), Method::Platt);
    assert_eq!(many.support(0.4), 1.0);
    assert_eq!(Calibrator::identity().support(0.4), 0.0);
    let few = fit(&rows(200, |score| score), Method::Platt);
    assert!((0.01..0.5).contains(&few.support(0.4)), "{few:?}");
    let one: Vec<_> = rows(20_000, |score| score).into_iter().map(|row| Unseen { hub: 3, ..row }).collect();
    assert_eq!(fit(&one, Method::Platt).support(0.4), 0.2);
    let counted: u32 = many.bins().iter().map(|bin| bin.rows).sum();
    assert_eq!(counted, 20_000);
}

#[test]
fn improper_scores_and_parts_are_refused() {
    for score in [f32::NAN, f32::INFINITY, -0.1, 1.5] {
        let row = Unseen { hub: 0, score, failed: false };
        let refused = Calibrator::fit(&[row], Method::Platt).unwrap_err();
        assert!(matches!(refused, CalibrationError::Score { row: 0, .. }));
        assert_eq!(Calibrator::identity().probability(f64::from(score)), None);
    }
    let check = |map: Map| assert!(Calibrator::from_parts(map, Default::default()).is_err());
    let knot = |score, probability| Knot { score, probability };
    check(Map::Platt { slope: -1.0, offset: 0.0 });
    check(Map::Platt { slope: 1.0, offset: f64::NAN });
    check(Map::Isotonic(vec![]));
    check(Map::Isotonic(vec![knot(0.1, 0.5), knot(0.2, 0.4)]));
    check(Map::Isotonic(vec![knot(0.2, 0.1), knot(0.1, 0.4)]));
    check(Map::Isotonic(vec![knot(0.2, 1.1)]));
    check(Map::Isotonic(vec![knot(0.2, f64::NAN)]));
    let bins = [Bin { rows: 1, failed: 2, hubs: 1 }; BIN_EDGES.len()];
    assert_eq!(Calibrator::from_parts(Map::Identity, bins), Err(CalibrationError::Bin(0)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_the_data_the_map_never_falls(
        seen in prop::collection::vec((0_u32..5, 0.0..=1.0_f32, any::<bool>()), 0..3_000),
        isotonic in any::<bool>(),
        scores in prop::collection::vec(0.0..=1.0_f64, 20),
    ) {
        let unseen = |(hub, score, failed)| Unseen { hub, score, failed };
        let seen: Vec<_> = seen.into_iter().map(unseen).collect();
        let method = if isotonic { Method::Isotonic } else { Method::Platt };
        let calibrator = fit(&seen, method);
        let mut scores = scores;
        scores.sort_by(f64::total_cmp);
        let mapped: Vec<_> = scores.iter().map(|score| calibrator.probability(*score).unwrap()).collect();
        prop_assert!(mapped.iter().all(|p| (0.0..=1.0).contains(p)));
        prop_assert!(mapped.windows(2).all(|pair| pair[0] <= pair[1]), "{:?}", mapped);
        let again = Calibrator::from_parts(calibrator.as_map().clone(), *calibrator.bins());
        prop_assert_eq!(again.unwrap(), calibrator);
    }
}
