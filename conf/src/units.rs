//! Numbers with a unit: `250ms`, `4MiB`, `50%`, `1500km`.

use crate::field::Wrong;

/// A family of units over one base.
pub(crate) struct Units {
    /// `a duration`.
    pub(crate) noun: &'static str,
    /// `"30s"`.
    pub(crate) example: &'static str,
    /// Smallest first: the unit and how many of the base it is.
    pub(crate) units: &'static [(&'static str, u64)],
    /// What people write instead of a unit (in lower case), and the unit they mean.
    pub(crate) slips: &'static [(&'static str, &'static str)],
}

/// Base: milliseconds.
pub(crate) const TIME: Units = Units {
    noun: "a duration",
    example: "\"30s\"",
    units: &[("ms", 1), ("s", 1_000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)],
    slips: &[
        ("m", "min"),
        ("mins", "min"),
        ("minute", "min"),
        ("minutes", "min"),
        ("sec", "s"),
        ("secs", "s"),
        ("second", "s"),
        ("seconds", "s"),
        ("hr", "h"),
        ("hrs", "h"),
        ("hour", "h"),
        ("hours", "h"),
        ("day", "d"),
        ("days", "d"),
        ("msec", "ms"),
        ("millis", "ms"),
        ("milliseconds", "ms"),
    ],
};

/// Base: bytes.
pub(crate) const SIZE: Units = Units {
    noun: "a size",
    example: "\"4MiB\"",
    units: &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)],
    slips: &[
        ("k", "KiB"),
        ("kb", "KiB"),
        ("m", "MiB"),
        ("mb", "MiB"),
        ("g", "GiB"),
        ("gb", "GiB"),
        ("byte", "B"),
        ("bytes", "B"),
    ],
};

/// Base: thousandths.
pub(crate) const SHARE: Units = Units {
    noun: "a percentage",
    example: "\"50%\"",
    units: &[("%", 10)],
    slips: &[("percent", "%"), ("pct", "%")],
};

/// Base: kilometres.
pub(crate) const DISTANCE: Units = Units {
    noun: "a distance",
    example: "\"1500km\"",
    units: &[("km", 1)],
    slips: &[("kilometers", "km"), ("kilometres", "km"), ("kms", "km")],
};

impl Units {
    /// `text` in the base unit. At most one decimal, and only where it comes out even.
    pub(crate) fn parse(&self, text: &str) -> Result<u64, Wrong> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let factor = self.units.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
        match factor.and_then(|factor| scale(number, factor)) {
            Some(amount) => Ok(amount),
            None => Err(self.wrong(text, number, unit)),
        }
    }

    /// `amount` of the base in the largest unit that divides it.
    pub(crate) fn show(&self, amount: u64) -> String {
        let whole =
            self.units.iter().rev().find(|(_, factor)| amount >= *factor && amount.is_multiple_of(*factor));
        match (whole, self.units.first()) {
            (Some((unit, factor)), _) => format!("{}{unit}", amount / factor),
            (None, Some((unit, factor))) if *factor > 1 && amount > 0 => {
                format!("{}.{}{unit}", amount / factor, amount % factor)
            }
            (None, Some((unit, _))) => format!("{amount}{unit}"),
            (None, None) => amount.to_string(),
        }
    }

    /// A regular expression for editors.
    pub(crate) fn pattern(&self) -> String {
        let units: Vec<_> = self.units.iter().map(|(unit, _)| *unit).collect();
        format!("^[0-9]+(\\.[0-9])?({})$", units.join("|"))
    }

    /// A number without its unit.
    pub(crate) fn bare(&self, number: &str) -> Wrong {
        Wrong::new(format!("{number} has no unit"), self.advice())
    }

    fn wrong(&self, text: &str, number: &str, unit: &str) -> Wrong {
        let shown = format!("{:?}", crate::book::shorten(text));
        if number.is_empty() || number.parse::<f64>().is_err() {
            return Wrong::new(format!("{shown} is not {}", self.noun), self.advice());
        }
        if unit.is_empty() {
            return self.bare(&shown);
        }
        let trimmed = unit.trim();
        let lower = trimmed.to_ascii_lowercase();
        let meant = self
            .units
            .iter()
            .find(|(name, _)| name.to_ascii_lowercase() == lower)
            .map(|(name, _)| *name)
            .or_else(|| self.slips.iter().find(|(slip, _)| *slip == lower).map(|(_, meant)| *meant));
        let what = format!("{shown} is not {}", self.noun);
        match meant {
            Some(meant) if meant != trimmed || unit != trimmed => {
                Wrong::new(what, format!("did you mean \"{number}{meant}\"?"))
            }
            Some(_) => Wrong::new(what, format!("write a whole number, such as {}", self.example)),
            None => Wrong::new(what, self.advice()),
        }
    }

    fn advice(&self) -> String {
        let units: Vec<_> = self.units.iter().map(|(unit, _)| *unit).collect();
        match units.as_slice() {
            [only] => format!("write {} in {only}, such as {}", self.noun, self.example),
            many => {
                format!("write {} with its unit ({}), such as {}", self.noun, many.join(", "), self.example)
            }
        }
    }
}

/// `number` times `factor`, with at most one decimal digit, where the result is whole and fits.
fn scale(number: &str, factor: u64) -> Option<u64> {
    let (whole, tenth) = match number.split_once('.') {
        None => (number, 0),
        Some((whole, digit)) if digit.len() == 1 => (whole, digit.parse::<u64>().ok()?),
        Some(_) => return None,
    };
    let tenths = whole.parse::<u64>().ok()?.checked_mul(10)?.checked_add(tenth)?;
    let product = tenths.checked_mul(factor)?;
    (product % 10 == 0).then_some(product / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(units: &Units, text: &str, expected: Result<u64, &str>) {
        match (units.parse(text), expected) {
            (Ok(amount), Ok(wanted)) => assert_eq!(amount, wanted, "{text}"),
            (Err(wrong), Err(part)) => {
                let said = format!("{}; {}", wrong.what, wrong.remedy);
                assert!(said.contains(part), "{text}: {said}");
            }
            (got, _) => panic!("{text}: {got:?}"),
        }
    }

    #[test]
    fn durations() {
        check(&TIME, "250ms", Ok(250));
        check(&TIME, "2s", Ok(2_000));
        check(&TIME, "10min", Ok(600_000));
        check(&TIME, "24h", Ok(86_400_000));
        check(&TIME, "30d", Ok(2_592_000_000));
        check(&TIME, "1.5s", Ok(1_500));
        check(&TIME, "0s", Ok(0));
        check(&TIME, "10", Err("has no unit"));
        check(&TIME, "5m", Err("did you mean \"5min\"?"));
        check(&TIME, "5 s", Err("did you mean \"5s\"?"));
        check(&TIME, "5S", Err("did you mean \"5s\"?"));
        check(&TIME, "1.5ms", Err("write a whole number"));
        check(&TIME, "1.25s", Err("write a whole number"));
        check(&TIME, "-1s", Err("is not a duration"));
        check(&TIME, "1h30min", Err("is not a duration"));
        check(&TIME, "", Err("is not a duration"));
        check(&TIME, "....s", Err("is not a duration"));
        check(&TIME, "99999999999999999999d", Err("is not a duration"));
        check(&TIME, "9999999999999999d", Err("is not a duration"));
    }

    #[test]
    fn sizes_shares_and_distances() {
        check(&SIZE, "4MiB", Ok(4 << 20));
        check(&SIZE, "64KiB", Ok(64 << 10));
        check(&SIZE, "4MB", Err("did you mean \"4MiB\"?"));
        check(&SIZE, "4M", Err("did you mean \"4MiB\"?"));
        check(&SIZE, "4mib", Err("did you mean \"4MiB\"?"));
        check(&SHARE, "50%", Ok(500));
        check(&SHARE, "12.5%", Ok(125));
        check(&SHARE, "0.5", Err("has no unit"));
        check(&SHARE, "50 percent", Err("did you mean \"50%\"?"));
        check(&DISTANCE, "1500km", Ok(1500));
        check(&DISTANCE, "900mi", Err("is not a distance"));
    }

    #[test]
    fn what_is_shown_reads_back() {
        for amount in [0, 1, 999, 1_000, 60_000, 90_000, 86_400_000, 2_592_000_000] {
            check(&TIME, &TIME.show(amount), Ok(amount));
            check(&SIZE, &SIZE.show(amount), Ok(amount));
            check(&SHARE, &SHARE.show(amount % 1001), Ok(amount % 1001));
        }
        assert_eq!(TIME.show(90_000), "90s");
        assert_eq!(SHARE.show(125), "12.5%");
        assert_eq!(SHARE.show(5), "0.5%");
        assert_eq!(SHARE.show(0), "0%");
    }
}
