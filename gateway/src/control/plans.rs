//! What was decided lately, and why?

use super::view::{PlanView, StepView, share};
use crate::clock::Rfc3339;
use mcphub_predictor::{Declined, Objection, Plan, Step, report};
use mcphub_routing::{Generation, HubId, RoutingTable, Share};
use std::collections::VecDeque;
use std::mem::{Discriminant, discriminant};

/// Plans kept. Of a fleet in which something happens each second that is two minutes, of a quiet one it is months.
const KEPT: usize = 128;

/// The last plans that changed or declined something.
#[derive(Default)]
pub(super) struct Plans {
    /// The oldest first.
    kept: VecDeque<PlanView>,
    /// What was declined last: as long as nothing else is, it is told once.
    declined: Vec<Refused>,
}

type Refused = (HubId, &'static str, Discriminant<Objection>);

impl Plans {
    /// Keeps a plan that was drawn from this table, if it says anything new.
    pub(super) fn note(&mut self, plan: &Plan, table: &RoutingTable, made: Option<Generation>) {
        let refused = |declined: &Declined| {
            let step = &declined.step;
            (step.hub.clone(), step.to.as_str(), discriminant(&declined.objection))
        };
        let news = !plan.steps.is_empty() || !plan.alarms.is_empty() || plan.panic != table.panic();
        if !news && plan.declined.iter().map(refused).eq(self.declined.iter().cloned()) {
            return;
        }
        self.declined = plan.declined.iter().map(refused).collect();
        if !news && plan.declined.is_empty() {
            return;
        }
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(PlanView {
            at: Rfc3339::now().to_string(),
            drawn_from: plan.drawn_from.get(),
            published: made.map(Generation::get),
            panic: plan.panic,
            bad: plan.bad,
            counted: plan.counted,
            steps: plan.steps.iter().map(|taken| step(taken, None)).collect(),
            declined: plan
                .declined
                .iter()
                .map(|other| step(&other.step, Some(plan.why_not(other))))
                .collect(),
            text: report(plan, table),
        });
    }

    /// The newest first.
    pub(super) fn newest(&self) -> Vec<PlanView> {
        self.kept.iter().rev().cloned().collect()
    }
}

/// A step as an operator sees it.
pub(super) fn step(step: &Step, objection: Option<String>) -> StepView {
    StepView {
        hub: step.hub.to_string(),
        from: step.from.as_str(),
        to: step.to.as_str(),
        share: share(step.to.takes().unwrap_or(Share::NONE)),
        reason: step.reason.to_string(),
        objection,
    }
}
