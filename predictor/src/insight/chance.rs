//! Could this be chance?

/// How likely at least `least` of `tries` succeed, if each does so with probability `p`: the upper tail of the binomial
/// distribution, 0 to 1.
pub(super) fn at_least(least: u32, tries: u32, p: f64) -> f64 {
    if least == 0 {
        return 1.0;
    }
    if least > tries || p.is_nan() || p <= 0.0 {
        return 0.0;
    }
    if p >= 1.0 {
        return 1.0;
    }
    // From one term to the next by their ratio, in logarithms, since the first is often too small to be written.
    let odds = (p / (1.0 - p)).ln();
    let mut term = f64::from(tries) * (-p).ln_1p();
    let mut tail = 0.0;
    for k in 1..=tries {
        term += (f64::from(tries - k + 1) / f64::from(k)).ln() + odds;
        if k >= least {
            tail += term.exp();
        }
    }
    tail.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_of_known_distributions() {
        let check = |least, tries, p, expected: f64| {
            let found = at_least(least, tries, p);
            assert!((found - expected).abs() < 1e-9, "{least} of {tries} at {p}: {found}");
        };
        check(1, 1, 0.3, 0.3);
        check(2, 3, 0.5, 0.5);
        check(1, 10, 0.1, 1.0 - 0.9_f64.powi(10));
        check(10, 10, 0.5, 0.5_f64.powi(10));
        check(0, 5, 0.1, 1.0);
        check(6, 5, 0.9, 0.0);
        check(3, 5, 0.0, 0.0);
        check(3, 5, 1.0, 1.0);
        assert_eq!(at_least(1, 5, f64::NAN), 0.0);
        assert!(at_least(30, 1_000, 1e-4) > 0.0, "far out, but not nothing");
    }
}
