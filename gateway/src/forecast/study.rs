//! Is what was said coming true, and does the model still know these hubs?
//!
//! Every half minute it is noted what was said of each hub, and after ten minutes what came of it. Once a day that day is
//! held against what the model was taught: if the features have moved away, if probabilities do not come true, or if there
//! are too many false alarms, the past of each hub alone speaks from then on, until a day fits again.

use super::speaker::Speaker;
use mcphub_predictor::insight::drift::Drift;
use mcphub_predictor::learning::{Awaiting, Day, Said, Trial};
use mcphub_predictor::telemetry::History;
use mcphub_routing::{HubId, MonoTime};
use std::time::Duration;

/// How long a day is.
const DAY: Duration = Duration::from_secs(86_400);

/// What was said, and what came of it.
#[derive(Debug)]
pub(crate) struct Study {
    awaiting: Awaiting,
    day: Day,
    began: MonoTime,
    /// By which signs the model no longer fits, in words; none if it does.
    signs: Vec<String>,
}

impl Study {
    /// Nothing was said yet.
    pub(crate) fn new(now: MonoTime) -> Self {
        Self { awaiting: Awaiting::default(), day: Day::default(), began: now, signs: Vec::new() }
    }

    /// Another model speaks: the day begins anew, and what the last one said is nothing to it.
    pub(crate) fn begin_anew(&mut self, now: MonoTime) {
        *self = Self::new(now);
    }

    /// Notes what is said of a hub now, and what has come of what was said before.
    pub(crate) fn look(
        &mut self,
        (hub, history): (&HubId, &History),
        row: &[f32],
        said: Option<Said>,
        mut trial: Option<&mut Trial>,
    ) {
        for came in self.awaiting.settle(hub, history) {
            self.day.outcome(came.said.champion, came.failed_at.is_some());
            if let Some(trial) = trial.as_deref_mut() {
                trial.add(hub, &came);
            }
        }
        if let Some(said) = said {
            self.day.row(row);
            self.awaiting.say(hub, said);
        }
    }

    /// Something is being done about this hub: nobody will know what would have come.
    pub(crate) fn acted(&mut self, hub: &HubId) {
        self.awaiting.forget(hub);
    }

    /// Forgets hubs that are gone.
    pub(crate) fn retain(&mut self, stays: impl Fn(&HubId) -> bool) {
        self.awaiting.retain(stays);
    }

    /// An alarm has proved false.
    pub(crate) fn false_alarm(&mut self) {
        self.day.false_alarm();
    }

    /// Judges the day, if one is over: `None` if none is, else whether the model fits.
    pub(crate) fn judge(
        &mut self,
        speaker: &Speaker,
        hubs: usize,
        alarm_every: Duration,
        now: MonoTime,
    ) -> Option<bool> {
        let passed = now.since(self.began);
        if passed < DAY {
            return None;
        }
        let days = passed.as_secs_f64() / DAY.as_secs_f64();
        let budget =
            if alarm_every.is_zero() { f64::INFINITY } else { DAY.as_secs_f64() / alarm_every.as_secs_f64() };
        let day = std::mem::take(&mut self.day);
        self.began = now;
        let signs = day.judge(&speaker.model, hubs, days, budget);
        self.signs = signs.iter().map(|sign| in_words(sign, speaker)).collect();
        Some(self.signs.is_empty())
    }

    /// By which signs the model no longer fits; none if it does.
    pub(crate) fn signs(&self) -> &[String] {
        &self.signs
    }
}

fn in_words(sign: &Drift, speaker: &Speaker) -> String {
    match sign {
        Drift::Feature { feature, stability } => {
            let name = speaker.model.columns.names.get(*feature).map_or("a feature", String::as_str);
            format!("{name} is distributed otherwise than in training (stability index {stability:.2})")
        }
        Drift::Calibration { error } => {
            format!("probabilities do not come true (calibration error {error:.3})")
        }
        Drift::Alarms { found, budget } => {
            format!("{found:.2} false alarms a hub and day, where {budget:.2} were allowed")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcphub_conf::settings::ModelSource;

    #[test]
    fn a_day_is_judged_when_it_is_over_and_a_better_one_ends_the_doubt() {
        let speaker = Speaker::find(&ModelSource::BuiltIn, None).expect("it ships").expect("readable");
        let at = |hours: u64| MonoTime::from_millis(hours * 3_600_000);
        let mut study = Study::new(at(1));
        (0..3).for_each(|_| study.false_alarm());
        let every = Duration::from_secs(2 * 86_400);
        assert_eq!(study.judge(&speaker, 2, every, at(24)), None);
        assert_eq!(study.judge(&speaker, 2, every, at(25)), Some(false));
        assert_eq!(study.signs(), ["1.50 false alarms a hub and day, where 0.50 were allowed"]);
        assert_eq!(study.judge(&speaker, 2, every, at(26)), None);
        assert_eq!(study.signs().len(), 1, "until a day fits again");
        assert_eq!(study.judge(&speaker, 2, every, at(49)), Some(true));
        assert!(study.signs().is_empty());
        (0..9).for_each(|_| study.false_alarm());
        study.begin_anew(at(50));
        assert_eq!(study.judge(&speaker, 2, every, at(74)), Some(true), "those of another model");
        (0..9).for_each(|_| study.false_alarm());
        assert_eq!(study.judge(&speaker, 2, Duration::ZERO, at(98)), Some(true), "where there is no budget");
    }
}
