use super::*;

/// Points of a lattice; the event is likely where the first two numbers are both large. The third says nothing.
fn lattice() -> (Rows, Vec<f32>) {
    let (mut rows, mut targets) = (Rows::new(3).unwrap(), Vec::new());
    for i in 0..1_200_u32 {
        let row = [(i % 20) as f32, (i / 20 % 12) as f32, (i * 7_919 % 101) as f32];
        rows.push(&row).unwrap();
        let likely = row[0] > 9.5 && row[1] > 5.5;
        let dice = i.wrapping_mul(2_654_435_761) / 65_536 % 10;
        targets.push(f32::from(u8::from(if likely { dice < 8 } else { dice < 1 })));
    }
    (rows, targets)
}

fn settings() -> ForestSettings {
    ForestSettings { trees: 20, depth: 6, ..ForestSettings::default() }
}

fn grown() -> (Forest, Rows, Vec<f32>) {
    let (rows, targets) = lattice();
    (Forest::fit(&rows, &targets, &settings()).unwrap(), rows, targets)
}

#[test]
fn it_learns_what_neither_feature_tells_alone() {
    let (forest, ..) = grown();
    let at = |x, y| forest.predict(&[x, y, 50.0]).unwrap();
    assert!(at(15.0, 10.0) > 0.6, "{}", at(15.0, 10.0));
    for (x, y) in [(15.0, 2.0), (3.0, 10.0), (3.0, 2.0)] {
        assert!(at(x, y) < 0.3, "{x} {y}: {}", at(x, y));
    }
    let parts = forest.importance();
    assert!((parts.iter().sum::<f32>() - 1.0).abs() < 1e-4);
    assert!(parts[2] < parts[0].min(parts[1]), "{parts:?}");
}

/// The library answers the same as what is served, row for row.
#[test]
fn flattened_trees_answer_what_the_fitted_ones_do() {
    let (forest, rows, targets) = grown();
    let matrix = DenseMatrix::new(rows.len(), 3, rows.by_column(), true).unwrap();
    let parameters = RandomForestRegressorParameters::default()
        .with_n_trees(20)
        .with_max_depth(6)
        .with_min_samples_leaf(10)
        .with_min_samples_split(20)
        .with_seed(1);
    let theirs = RandomForestRegressor::fit(&matrix, &targets, parameters).unwrap();
    let theirs: Vec<f32> = theirs.predict(&matrix).unwrap();
    for (row, theirs) in rows.iter().zip(theirs) {
        let ours = forest.predict(row).unwrap();
        assert!((ours - theirs).abs() < 1e-5, "{row:?}: {ours} and {theirs}");
    }
}

#[test]
fn what_moved_a_forecast_adds_up_to_it() {
    let (forest, rows, _) = grown();
    let mut moves = Vec::new();
    for row in rows.iter().step_by(37) {
        forest.explain(row, &mut moves).unwrap();
        let sum = forest.baseline() + moves.iter().sum::<f32>();
        assert!((sum - forest.predict(row).unwrap()).abs() < 1e-5, "{row:?}");
    }
    forest.explain(&[15.0, 10.0, 50.0], &mut moves).unwrap();
    assert!(moves[0] > 0.1 && moves[1] > 0.1 && moves[2].abs() < 0.1, "{moves:?}");
}

#[test]
fn the_same_seed_makes_the_same_forest_and_nodes_make_it_again() {
    let (forest, rows, targets) = grown();
    assert_eq!(forest, Forest::fit(&rows, &targets, &settings()).unwrap());
    let other = ForestSettings { seed: 2, ..settings() };
    assert_ne!(forest, Forest::fit(&rows, &targets, &other).unwrap());
    let again = Forest::from_nodes(3, forest.nodes().to_vec(), forest.importance().to_vec());
    assert_eq!(again, Ok(forest));
}

#[test]
fn rows_it_was_not_made_for_are_refused() {
    let (forest, ..) = grown();
    assert_eq!(forest.predict(&[1.0; 2]), Err(RowsError::Length { expected: 3, found: 2 }));
    assert_eq!(forest.predict(&[1.0, 1.0, f32::NAN]), Err(RowsError::NotFinite(2)));
    assert_eq!(forest.explain(&[f32::INFINITY; 3], &mut Vec::new()), Err(RowsError::NotFinite(0)));
}

#[test]
fn nothing_is_learnt_from_what_teaches_nothing() {
    let (rows, targets) = lattice();
    let fit = |rows: &Rows, targets: &[f32], settings| Forest::fit(rows, targets, &settings);
    let empty = Rows::new(3).unwrap();
    assert!(matches!(fit(&empty, &[], settings()), Err(FitError::NoRows)));
    assert!(matches!(fit(&rows, &targets[1..], settings()), Err(FitError::Targets { .. })));
    assert!(matches!(fit(&rows, &vec![0.0; rows.len()], settings()), Err(FitError::OneClass)));
    let wrong = |value| targets.iter().map(|_| value).collect::<Vec<_>>();
    assert!(matches!(fit(&rows, &wrong(f32::NAN), settings()), Err(FitError::Target(0))));
    assert!(matches!(fit(&rows, &wrong(1.5), settings()), Err(FitError::Target(0))));
    for bad in [
        ForestSettings { trees: 0, ..settings() },
        ForestSettings { leaf: 0, ..settings() },
        ForestSettings { depth: 33, ..settings() },
        ForestSettings { features: Some(4), ..settings() },
    ] {
        assert!(matches!(fit(&rows, &targets, bad), Err(FitError::Settings(_))), "{bad:?}");
    }
}

#[test]
fn a_threshold_between_two_numbers_of_32_bits_divides_the_same_rows() {
    let value = 0.1_f64;
    let below = at_most(value);
    assert!(f64::from(below) <= value && f64::from(below.next_up()) > value);
    assert_eq!(at_most(0.5), 0.5);
}
