//! What is to be expected of each hub?
//!
//! When a period has ended, a hub's new samples go through its extractor, and the row that comes out through the model:
//! some 50 µs a hub. That is done a few milliseconds a tick, hub by hub in turn, so that the control task is never away
//! for long; a fleet of a thousand is through within a period. A hub that is new here has its past replayed first. Until
//! then, and without a model, its own rate of failure is all that is told. Of a hub whose load has just jumped no more is
//! told than before.

use super::Telemetry;
use super::expected::{Expected, standing};
use super::speaker::Speaker;
use crate::clock;
use crate::snapshot::Snapshot;
use mcphub_predictor::features::Schema;
use mcphub_predictor::learning::Said;
use mcphub_predictor::model::file::Model;
use mcphub_predictor::telemetry::History;
use mcphub_predictor::{FailureType, Forecast};
use mcphub_routing::HubId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How long one turn may take. Fifteen turns make a period: a thousand hubs at 50 µs take 50 ms of it.
const BUDGET: Duration = Duration::from_millis(5);

/// What is expected of every hub.
pub(crate) struct Forecaster {
    speaker: Option<Arc<Speaker>>,
    schema: Schema,
    /// Speaks beside it, and nobody hears it.
    challenger: Option<Arc<Speaker>>,
    /// The model no longer fits: each hub's past alone speaks.
    fallen_back: bool,
    hubs: BTreeMap<HubId, Expected>,
    /// Whose turn has not come yet since the last period ended.
    waiting: BTreeSet<HubId>,
}

/// What came of looking at a hub.
#[derive(Debug, PartialEq)]
pub(crate) struct Looked {
    /// The hub.
    pub(crate) hub: HubId,
    /// What is expected of it.
    pub(crate) forecast: Forecast,
    /// What models say of it, for what they say to be judged; `None` where that is not to be noted.
    pub(crate) said: Option<Said>,
    /// How it fails, told once in each failure.
    pub(crate) failure_type: Option<FailureType>,
}

impl Forecaster {
    /// Nothing is expected yet. Until a model is listened to, rates of failure are all there is.
    pub(crate) fn new() -> Self {
        Self {
            speaker: None,
            challenger: None,
            fallen_back: false,
            schema: Schema::telemetry(),
            hubs: BTreeMap::new(),
            waiting: BTreeSet::new(),
        }
    }

    /// What is expected of this hub.
    pub(crate) fn expected(&self, hub: &HubId) -> Option<&Expected> {
        self.hubs.get(hub)
    }

    /// The model that speaks, if any.
    pub(crate) fn model(&self) -> Option<&Model> {
        self.speaker.as_deref().map(|speaker| &speaker.model)
    }

    /// The same, with where it comes from.
    pub(crate) fn speaker(&self) -> Option<&Arc<Speaker>> {
        self.speaker.as_ref()
    }

    /// Has another model speak from the next turn of each hub on. What is expected until then stays.
    pub(crate) fn listen_to(&mut self, speaker: Option<Arc<Speaker>>) {
        self.speaker = speaker;
    }

    /// Has a model speak beside it, or none.
    pub(crate) fn compare(&mut self, challenger: Option<Arc<Speaker>>) {
        self.challenger = challenger;
    }

    /// Whether each hub's past alone speaks because the model no longer fits.
    pub(crate) fn has_fallen_back(&self) -> bool {
        self.fallen_back
    }

    /// Has each hub's past alone speak from its next turn on, or the model again.
    pub(crate) fn fall_back(&mut self, fallen_back: bool) {
        self.fallen_back = fallen_back;
    }

    /// The features of a row.
    pub(crate) fn schema(&self) -> &Schema {
        &self.schema
    }

    /// A period has ended: every hub is looked at again in its turn, and those that are gone are forgotten.
    pub(crate) fn wake(&mut self, telemetry: &Telemetry) {
        self.hubs.retain(|hub, _| telemetry.history(hub).is_some());
        self.waiting = telemetry.hubs().cloned().collect();
    }

    /// Looks at hubs whose turn has come, and gives back what is expected of them now.
    pub(crate) fn work(
        &mut self,
        telemetry: &Telemetry,
        present: &Snapshot,
        horizon: Duration,
    ) -> Vec<Looked> {
        let began = clock::instant();
        let mut told = Vec::new();
        while let Some(hub) = self.waiting.pop_first() {
            if let Some(history) = telemetry.history(&hub) {
                let neighbours = neighbours(&hub, telemetry, present);
                told.extend(self.look(&hub, history, neighbours, horizon));
            }
            if clock::instant().saturating_duration_since(began) >= BUDGET {
                break;
            }
        }
        told
    }

    pub(super) fn look(
        &mut self,
        hub: &HubId,
        history: &History,
        neighbours: f32,
        horizon: Duration,
    ) -> Option<Looked> {
        let now = history.newest()?;
        let standing = standing(history, now);
        let expected = self.hubs.entry(hub.clone()).or_insert_with(|| Expected::new(standing));
        expected.see(history, standing, neighbours, &self.schema);
        let model = self.speaker.as_deref().map(|speaker| &speaker.model);
        let beside = self.challenger.as_deref().map(|speaker| &speaker.model);
        if let Err(error) = expected.work_out(model, beside, horizon) {
            // The schema of a model was held against ours when it was loaded: this is our own mistake, and no hub's.
            tracing::error!(%hub, %error, "the model refuses a row; the hub's rate of failure speaks instead");
            expected.fall_back();
        }
        if self.fallen_back {
            expected.fall_back();
        }
        Some(Looked {
            hub: hub.clone(),
            forecast: expected.forecast(horizon),
            said: expected.noted(history, now),
            failure_type: expected.failing_how(history, now, model),
        })
    }
}

/// What part of the other hubs at the same location is failing, 0 to 1; 0 where there are none.
fn neighbours(hub: &HubId, telemetry: &Telemetry, present: &Snapshot) -> f32 {
    let hubs = &present.settings.hubs;
    let Some(own) = hubs.iter().find(|settings| settings.id == *hub) else { return 0.0 };
    let beside = hubs.iter().filter(|other| other.location == own.location && other.id != own.id);
    let failing = |id: &HubId| {
        let history = telemetry.history(id);
        history.is_some_and(|history| {
            history.newest().is_some_and(|newest| history.episodes().is_going_on(newest))
        })
    };
    let (mut all, mut ill) = (0_u16, 0_u16);
    for other in beside.take(usize::from(u16::MAX)) {
        all += 1;
        ill += u16::from(failing(&other.id));
    }
    if all == 0 { 0.0 } else { f32::from(ill) / f32::from(all) }
}
