//! A few numbers out of Prometheus' text format.
//!
//! Reads the lines of the metrics that are asked for, strictly, and passes over the others. There is no parser to be had
//! that is both kept up and this small.

/// The sum over all series of each of these metrics; `None` for one that is not there.
///
/// # Errors
/// The name of the first metric with a line that cannot be read.
pub(super) fn sums<'n, const N: usize>(text: &str, names: [&'n str; N]) -> Result<[Option<f64>; N], &'n str> {
    let mut sums = [None; N];
    for line in text.lines() {
        for (sum, name) in sums.iter_mut().zip(names) {
            let Some(rest) = line.strip_prefix(name).filter(|rest| rest.starts_with(['{', ' ', '\t'])) else {
                continue;
            };
            let value = value(rest).ok_or(name)?;
            *sum = Some(sum.unwrap_or(0.0) + value);
        }
    }
    Ok(sums)
}

/// The value of a series, from what follows its name: labels, value, and perhaps a timestamp.
fn value(rest: &str) -> Option<f64> {
    let rest = match rest.strip_prefix('{') {
        Some(labels) => after_labels(labels)?,
        None => rest,
    };
    let mut words = rest.split_ascii_whitespace();
    // Rust reads `+Inf`, `-Inf` and `NaN` as Prometheus writes them.
    let value = words.next()?.parse().ok()?;
    let _timestamp = words.next();
    words.next().is_none().then_some(value)
}

/// What follows the closing brace; braces within quotes close nothing.
fn after_labels(labels: &str) -> Option<&str> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in labels.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'}' if !quoted => return labels.get(at + 1..),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<[Option<f64>; 2], &str>) {
        assert_eq!(sums(text, ["queue", "cpu_total"]), expected, "{text}");
    }

    #[test]
    fn values_are_found_and_added_up() {
        check("", Ok([None, None]));
        check("queue 3\ncpu_total 1.5e3\n", Ok([Some(3.0), Some(1500.0)]));
        check("# HELP queue 9\n# TYPE queue gauge\nqueue 3 1700000000000\n", Ok([Some(3.0), None]));
        check("queue{a=\"1\"} 1\nqueue{a=\"}\\\" 9 {\"} 2\nqueue{} 4\n", Ok([Some(7.0), None]));
        check("queues 3\nqueue_depth 4\nxqueue 5", Ok([None, None]));
        check("queue +Inf", Ok([Some(f64::INFINITY), None]));
        check("queue -1\r\n", Ok([Some(-1.0), None]));
        check("queue\t 2", Ok([Some(2.0), None]));
        check("<html>queue 3</html>", Ok([None, None]));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for text in [
            "queue ",
            "queue x",
            "queue 1 2 3",
            "queue{ 1",
            "queue{a=\"} 1",
            "queue{a=\"\\\"} 1",
            "queue 0x10",
        ] {
            check(text, Err("queue"));
        }
        check("queue 1\ncpu_total one", Err("cpu_total"));
    }
}
