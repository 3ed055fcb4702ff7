//! What does the control task learn of its hubs, and from whom does it hear what to expect?

use super::Control;
use super::alarms::{TallyView, evidence, moment};
use super::view::{EndedView, ForecastsView, LearningView, ModelView};
use crate::clock;
use crate::forecast::speaker::Speaker;
use crate::forecast::{Looked, Now};
use crate::snapshot::Snapshot;
use mcphub_conf::settings::PredictorMode;
use mcphub_predictor::{AlarmEvent, AlarmVerdict};
use mcphub_routing::{Cause, HubState, MonoTime};
use std::sync::Arc;

impl Control {
    /// Adds what was just gathered to what is known of each hub's past, has it kept, and expects something of it.
    pub(super) fn learn(&mut self) {
        let (present, now, unix_s) = (self.publisher.current(), clock::now(), clock::unix_seconds());
        self.telemetry.adopt(unix_s);
        self.note_acted(&present, now, unix_s);
        let at = (now, unix_s);
        if self.telemetry.look(&present, &self.fleet.inputs.evidence, &self.fleet.policy, at) {
            if let Some(round) = self.telemetry.due(now) {
                tokio::task::spawn_blocking(move || round.write());
            }
            if present.settings.predictor.learning.enabled
                && let Some(chunks) =
                    self.recorder.as_mut().and_then(|recorder| recorder.due(&self.telemetry))
            {
                tokio::task::spawn_blocking(move || chunks.write());
            }
            self.metrics.telemetry.show(self.telemetry.bytes(), self.telemetry.waited(now));
            self.keep_alarms(now);
            self.learner.keep(now, unix_s);
            self.forecaster.wake(&self.telemetry);
        }
        self.expect(&present);
    }

    /// What is done about hubs on a forecast teaches nothing: nobody knows what would have come.
    fn note_acted(&mut self, present: &Snapshot, now: MonoTime, unix_s: u64) {
        for hub in present.table.hubs() {
            let out = matches!(
                hub.state,
                HubState::Draining { cause: Cause::Forecast, .. }
                    | HubState::Drained { cause: Cause::Forecast }
            );
            if out || self.fleet.inputs.memory.of(hub.id).relieved {
                self.telemetry.acted(hub.id, now);
                self.study.acted(hub.id);
                if let Some(recorder) = &mut self.recorder {
                    recorder.acted(hub.id, unix_s);
                }
            }
        }
    }

    /// Tells those who decide what is expected of the hubs whose turn it is.
    fn expect(&mut self, present: &Snapshot) {
        let settings = &present.settings.predictor;
        if settings.mode == PredictorMode::Off {
            self.fleet.inputs.forecasts.clear();
            return;
        }
        for looked in self.forecaster.work(&self.telemetry, present, settings.horizon) {
            let Looked { hub, forecast, said, failure_type } = looked;
            if let Some(failure_type) = failure_type {
                tracing::info!(%hub, %failure_type, "the hub fails, and looks like this kind of failure");
                self.telemetry.classify(&hub, failure_type);
            }
            if let (Some(history), Some(expected)) =
                (self.telemetry.history(&hub), self.forecaster.expected(&hub))
            {
                self.study.look((&hub, history), &expected.row, said, self.learner.trial());
            }
            self.metrics.forecasts.expects(&hub, &forecast);
            self.fleet.inputs.forecasts.insert(hub, forecast);
        }
        self.fleet.inputs.forecasts.retain(|hub, _| self.telemetry.history(hub).is_some());
        self.study.retain(|hub| self.telemetry.history(hub).is_some());
    }

    /// Follows a configuration to the model that it names, or to the one that was learnt in its place.
    pub(super) fn find_speaker(&mut self, now: MonoTime) {
        let present = self.publisher.current();
        let before = self.forecaster.speaker().cloned();
        let learning = present.settings.predictor.learning;
        let at = (now, clock::unix_seconds());
        let speaker = self.learner.follow(learning, present.speaker.as_ref(), before.as_ref(), at);
        self.forecaster.compare(self.learner.challenger().cloned());
        self.listen_to(speaker, now);
    }

    /// Has this model make the forecasts from the next turn of each hub on.
    fn listen_to(&mut self, speaker: Option<Arc<Speaker>>, now: MonoTime) {
        let named = |speaker: &Arc<Speaker>| (speaker.name.clone(), speaker.origin);
        if self.forecaster.speaker().map(named) == speaker.as_ref().map(named) {
            return;
        }
        if let Some(Speaker { model, name, origin }) = speaker.as_deref() {
            let training = &model.training;
            tracing::info!(
                model = name,
                origin = origin.as_str(),
                trained = moment(training.at),
                hubs = training.hubs,
                failures = training.failures,
                simulated = training.simulated,
                "a model makes the forecasts"
            );
        }
        self.metrics.forecasts.speaks(speaker.as_deref());
        self.study.begin_anew(now);
        self.metrics.forecasts.fallen_back.set(0);
        self.forecaster.fall_back(false);
        self.forecaster.listen_to(speaker);
    }

    /// Makes models of our own hubs, where that is wanted, and judges whether the one that speaks still knows them.
    pub(super) async fn improve(&mut self) {
        let (present, now) = (self.publisher.current(), clock::now());
        let settings = &present.settings.predictor;
        let Some(champion) = self.forecaster.speaker().cloned() else { return };
        if settings.mode == PredictorMode::Off {
            return;
        }
        let failures = self.telemetry.failures_since(champion.model.training.at);
        let it = Now {
            settings: settings.learning,
            champion: &champion,
            failures,
            now,
            unix_s: clock::unix_seconds(),
        };
        self.learner.adopt(&it);
        if let Some(better) = self.learner.turn(&it).await {
            self.listen_to(Some(better), now);
        }
        self.forecaster.compare(self.learner.challenger().cloned());
        self.metrics.forecasts.learns(self.learner.told().0);
        let hubs = self.telemetry.hubs().count();
        if let Some(fits) = self.study.judge(&champion, hubs, settings.alarm_every, now) {
            if !fits {
                let signs = self.study.signs().join("; ");
                tracing::warn!(signs, "the model does not know these hubs: the past of each alone speaks");
            } else if self.forecaster.has_fallen_back() {
                tracing::info!("the last day fits the model: it speaks again");
            }
            self.metrics.forecasts.fallen_back.set(i64::from(!fits));
            self.forecaster.fall_back(!fits);
        }
    }

    /// Has the model that was learnt before the last one speak again, or the configured one; `false` if none was learnt.
    pub(super) fn go_back(&mut self) -> std::io::Result<bool> {
        let gone_back = self.learner.go_back(clock::unix_seconds())?;
        if gone_back {
            tracing::warn!("an operator wants the model that spoke before");
            self.find_speaker(clock::now());
        }
        Ok(gone_back)
    }

    /// Tells of alarms that were raised or judged.
    pub(super) fn tell_alarms(&mut self, events: &[AlarmEvent]) {
        for event in events {
            let forecast = self.fleet.inputs.forecasts.get(&event.hub);
            match event.verdict {
                None => {
                    let because = forecast.map(evidence).unwrap_or_default().join(", ");
                    tracing::warn!(hub = %event.hub, because, "{event}");
                }
                Some(_) => tracing::info!(hub = %event.hub, "{event}"),
            }
            if event.verdict == Some(AlarmVerdict::False) {
                self.study.false_alarm();
            }
            self.metrics.forecasts.alarm(event);
            self.alarms.note(event, forecast);
        }
    }

    /// Has what is known of alarms written down, where it has changed, and shows it.
    pub(super) fn keep_alarms(&mut self, now: MonoTime) {
        let (ledger, policy) = (&self.fleet.inputs.memory.alarms, &self.fleet.policy.forecast);
        if let Some(bytes) = self.alarms.due(ledger, now) {
            self.fleet.journal.store().put_alarms(bytes);
        }
        let spent = self.telemetry.hubs().map(|hub| (hub, ledger.spent(hub, policy, now)));
        self.metrics.forecasts.show_alarms(ledger.tally().missed, spent);
    }

    /// What forecasts are made by, and what became of alarms.
    pub(super) fn forecasts(&self, most: usize) -> ForecastsView {
        let present = self.publisher.current();
        let settings = &present.settings.predictor;
        let (step, met) = self.learner.told();
        let model = |speaker: &Arc<Speaker>| ModelView::of(speaker, &moment(speaker.model.training.at));
        ForecastsView {
            mode: match settings.mode {
                PredictorMode::Off => "off",
                PredictorMode::Advise => "advise",
                PredictorMode::Act => "act",
            },
            model: self.forecaster.speaker().map(model),
            drifted: self.study.signs().to_vec(),
            learning: LearningView {
                enabled: settings.learning.enabled,
                step,
                challenger: self.learner.challenger().map(model),
                failures_met: met,
                ended: self
                    .learner
                    .ended()
                    .map(|(at, what)| EndedView { at: moment(*at), what: what.clone() }),
            },
            tally: TallyView::of(self.fleet.inputs.memory.alarms.tally(), settings.hold_out),
            alarms: self.alarms.newest(most),
        }
    }
}
