//! When did the gateway take which hub out of service, and why?

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

/// What the gateway's log calls a change.
const MESSAGE: &str = "a hub changes its state";

/// One change of a hub's state, as the gateway told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// From a moment that the caller names until the change.
    pub after: Duration,
    /// The hub.
    pub hub: String,
    /// Its new state.
    pub to: String,
    /// Why, in words.
    pub reason: String,
}

impl Change {
    /// The changes since this moment that a log in JSON tells of, in order.
    pub fn since(moment: SystemTime, log: &str) -> Vec<Self> {
        let moment = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let changes = lines.filter(|line| line["message"] == MESSAGE).filter_map(|line| {
            let text = |name: &str| line[name].as_str().map(str::to_owned);
            let at = since_1970(line["timestamp"].as_str()?)?;
            let after = at.checked_sub(moment)?;
            Some(Self { after, hub: text("hub")?, to: text("to")?, reason: text("reason")? })
        });
        changes.collect()
    }
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { after, hub, to, reason } = self;
        write!(f, "{:>6.2} s  {hub} is {to}: {reason}", after.as_secs_f64())
    }
}

/// The time that `2026-11-23T10:34:15.123Z` says. The log writes nothing else.
fn since_1970(text: &str) -> Option<Duration> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let numbers = |text: &str, by: char| -> Option<[u64; 3]> {
        let found: Option<Vec<u64>> = text.split(by).map(|number| number.parse().ok()).collect();
        found?.try_into().ok()
    };
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let ([year, month, day], [hour, minute, second]) = (numbers(date, '-')?, numbers(clock, ':')?);
    // Years begin in March here: the day that some of them lack is then the last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    let days = (365 * year + leap_days + (153 * month + 2) / 5 + day).checked_sub(719_469)?;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    let fraction: f64 = format!("0.{fraction}").parse().ok()?;
    Some(Duration::from_secs(seconds) + Duration::from_secs_f64(fraction))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_line_is_read() {
        let check = |text, expected| assert_eq!(since_1970(text), expected, "{text}");
        let at = |millis| Some(Duration::from_millis(millis));
        check("1970-01-01T00:00:00Z", at(0));
        check("2000-02-29T23:59:59.500Z", at(951_868_799_500));
        check("2026-11-23T10:34:15.123Z", at(1_795_430_055_123));
        check("2026-11-23 10:34:15", None);
    }

    #[test]
    fn only_changes_since_the_moment_count() {
        let line = |second, message| {
            format!(
                r#"{{"timestamp":"1970-01-01T00:00:0{second}Z","message":"{message}","hub":"a","from":"serving","to":"ejected","reason":"silence"}}"#
            )
        };
        let log = [line(1, MESSAGE), line(3, "else"), "no JSON".to_owned(), line(4, MESSAGE)].join("\n");
        let found = Change::since(UNIX_EPOCH + Duration::from_secs(2), &log);
        let told: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["  2.00 s  a is ejected: silence"]);
    }
}
