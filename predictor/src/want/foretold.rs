//! What does a forecast ask of one hub, and when is it over?

use mcphub_routing::{Cause, HubState, Share};

use super::{Affairs, Rank, Want};
use crate::rails::{in_service, is_relievable};
use crate::{Band, DRAIN_MIN, Forecast, ForecastUse, Objection, Reason};

impl Affairs<'_> {
    /// What the forecast asks for now.
    fn band(&self) -> Option<(Forecast, Band)> {
        let policy = &self.policy.forecast;
        let forecast = self.forecast.filter(|_| policy.mode != ForecastUse::Off)?;
        Some((forecast, policy.band(&forecast, self.verdict.confirms)))
    }

    /// What speaks against doing anything for a forecast.
    fn forecast_objection(&self) -> Option<Objection> {
        match (self.policy.forecast.mode, self.alarms.open(self.hub.id)) {
            _ if self.panic => Some(Objection::Panic),
            (ForecastUse::Off | ForecastUse::Advise, _) => Some(Objection::AdviseOnly),
            (ForecastUse::Act, None) => Some(Objection::AlarmBudget),
            (ForecastUse::Act, Some(_)) if !self.alarms.calls(self.hub.id) => Some(Objection::HeldOut),
            (ForecastUse::Act, Some(_)) => None,
        }
    }

    pub(super) fn forecast_out(&self) -> Option<Want> {
        let (forecast, _) = self.band().filter(|(_, band)| *band == Band::Leave)?;
        if !in_service(self.hub.state) {
            return None; // It takes nothing new anyhow.
        }
        let deadline = self.now.after(self.policy.drain_deadline.max(DRAIN_MIN));
        let to = HubState::Draining { deadline, cause: Cause::Forecast };
        let want = self.patient(Rank::Forecast, to, Reason::Forecast(forecast.outlook()));
        // Nor does it leave just after its weight has changed, or it had never been seen at that weight.
        let dwell = want.objection.or_else(|| self.dwell(self.memory.weighed));
        Some(Want { objection: self.forecast_objection().or(dwell), ..want })
    }

    /// Less weight for a forecast, or all of it again.
    pub(super) fn relieve(&self) -> Option<Want> {
        let HubState::Serving { .. } = self.hub.state else { return None };
        // Who shall leave keeps what it has until then, and who shall have nothing has nothing to give.
        if self.wish.out.is_some() {
            return None;
        }
        let dwell = self.dwell(self.memory.weighed);
        if self.memory.relieved {
            let over = self.forecast_passed() && !self.panic;
            let to = self.serving_as(self.memory.level, false);
            // What makes room for other forecasts is heard before them. The operator may take more away meanwhile.
            let less = to.takes() < self.hub.state.takes();
            let rank = if in_service(to) { Rank::Return } else { Rank::Weight };
            let reason = if less { Reason::Operator } else { Reason::ForecastPassed };
            let want = Want { relieved: false, ..self.want(rank, to, reason) };
            return over.then_some(Want { objection: dwell, ..want });
        }
        let (forecast, band) = self.band().filter(|(_, band)| *band >= Band::Relieve)?;
        if !is_relievable(self.hub.state) || self.wish.weight == Some(Share::NONE) {
            return None;
        }
        let objection = self.forecast_objection();
        if band == Band::Leave && objection.is_some() {
            return None; // Said once, of the drain.
        }
        let (to, reason) = (self.serving_as(self.memory.level, true), Reason::Forecast(forecast.outlook()));
        let want = Want { relieved: true, ..self.want(Rank::Forecast, to, reason) };
        Some(Want { objection: objection.or(dwell), ..want })
    }

    /// Is failure no longer expected, or nothing to be done about it any more?
    pub(super) fn forecast_passed(&self) -> bool {
        let policy = &self.policy.forecast;
        policy.mode != ForecastUse::Act
            || !self.alarms.calls(self.hub.id)
            || self.forecast.is_none_or(|forecast| policy.releases(&forecast, Band::Relieve))
    }
}
