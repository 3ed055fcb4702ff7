//! What does the control task do, one thing at a time?

use super::fleet::Scope;
use super::handle::{Asked, Unasked, Wishing};
use super::view::{Failovers, ForecastView, HubView, Wished};
use super::{Control, journal};
use crate::clock;
use crate::forecast::foretold::Foretold;
use crate::forecast::view::TelemetryView;
use crate::probe::{Probed, ScrapeError, Scraped};
use crate::store::{Condition, WishRecord};
use mcphub_conf::settings::PredictorMode;
use mcphub_health::ProbeOrder;
use mcphub_predictor::{Plan, Wish};
use mcphub_routing::{Generation, HubId, MonoTime};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// What somebody who was sent out brings back.
pub(super) enum Found {
    /// What came of a probe.
    Probe(HubId, Probed),
    /// What a hub's metrics say.
    Metrics(HubId, Result<Scraped, ScrapeError>),
}

impl Control {
    /// Sends the probes that are due, gathers what is known, and decides. Between ticks it decides only where something
    /// is odd or somebody asked for it: a large fleet has a probe due every few milliseconds.
    pub(super) fn look(&mut self, scope: Scope) {
        let now = clock::now();
        let (_, nudged) = std::mem::replace(&mut self.looked, (now, false));
        // Whoever suspects a hub nudges us.
        if scope == Scope::All || nudged {
            self.fleet.take_suspicions(now);
        }
        for order in self.fleet.due(now) {
            self.send(order);
        }
        if scope == Scope::All || nudged || self.fleet.is_odd(now) {
            self.fleet.gather(scope, now);
            self.decide(now);
        }
    }

    /// Sends a probe on its way. What it finds comes back by itself.
    fn send(&self, order: ProbeOrder) {
        let present = self.publisher.current();
        let prober = present.table.find(order.hub.as_str()).and_then(|at| present.probers.get(at.get()));
        let Some(prober) = prober.map(Arc::clone) else { return };
        let found = self.found.0.clone();
        tokio::spawn(async move {
            let probed = prober.probe(&order).await;
            // Nobody is there to take it only when the process stops.
            let _ = found.send(Found::Probe(order.hub, probed)).await;
        });
    }

    /// Reads the metrics of hubs whose turn it is.
    pub(super) fn scrape(&mut self) {
        let (present, now) = (self.publisher.current(), clock::now());
        let health = &present.settings.health;
        for hub in self.fleet.scrapes_due(health.metrics.interval, now) {
            let prober = present.table.find(hub.as_str()).and_then(|at| present.probers.get(at.get()));
            let Some(prober) = prober.filter(|prober| prober.has_metrics()).map(Arc::clone) else { continue };
            let (found, timeout) = (self.found.0.clone(), health.timeout);
            tokio::spawn(async move {
                let scraped = prober.scrape(now, timeout).await;
                let _ = found.send(Found::Metrics(hub, scraped)).await;
            });
        }
    }

    pub(super) fn take_in(&mut self, found: Found) {
        match found {
            Found::Probe(hub, Probed { report, why }) => {
                self.metrics.control.probed(&hub, report.outcome);
                // A failure is acted on at once; a pass can wait for the tick.
                self.looked.1 |= report.outcome.is_failure();
                if report.outcome.is_failure() {
                    tracing::debug!(%hub, outcome = %report.outcome, why, "a probe failed");
                }
                self.fleet.schedule.ended(&hub, &report);
                self.fleet.note_probe(&hub, report.outcome, why);
            }
            Found::Metrics(hub, scraped) => match scraped {
                Ok(scraped) => self.fleet.note_scrape(&hub, &scraped, clock::now()),
                Err(error) => tracing::debug!(%hub, %error, "the hub's metrics could not be read"),
            },
        }
    }

    /// Draws a plan and publishes what it makes. Gives back the plan, and the generation that it made.
    pub(super) fn decide(&mut self, now: MonoTime) -> (Plan, Option<Generation>) {
        let present = self.publisher.current();
        // Without automatic failover nothing is known to those who decide, but what the operator wants.
        let automatic = present.settings.failover.automatic;
        let unseen = (!automatic).then(|| std::mem::take(&mut self.fleet.inputs.evidence));
        let plan = mcphub_predictor::decide(&present.table, &self.fleet.inputs, &self.fleet.policy, now);
        let mut made = None;
        if plan.changes(&present.table) {
            made = self.publish(&plan, now);
        } else {
            self.fleet.remember(plan.memory.clone());
        }
        if let Some(unseen) = unseen {
            self.fleet.inputs.evidence = unseen;
        }
        self.take_care(&plan, now);
        self.plans.note(&plan, &present.table, made);
        (plan, made)
    }

    /// What a plan asks for besides changing the table, and what it says of alarms.
    fn take_care(&mut self, plan: &Plan, now: MonoTime) {
        let settings = Arc::clone(&self.publisher.current().settings);
        for upstream in self.fleet.take_care(plan, now).into_values() {
            let settings = Arc::clone(&settings);
            if let Some(warming) = upstream.warm(&settings.upstream) {
                tokio::spawn(warming);
            }
        }
        self.tell_alarms(&plan.alarms);
    }

    /// Holds a plan against the guard rails and swaps the table. A plan that does not hold is our own mistake: the
    /// table stays as it is, and the mistake is told.
    fn publish(&mut self, plan: &Plan, now: MonoTime) -> Option<Generation> {
        let present = self.publisher.current();
        let checked =
            mcphub_predictor::check(plan.clone(), &present.table, &self.fleet.inputs, &self.fleet.policy);
        let next = match checked.map(|checked| checked.apply(&present.table)) {
            Ok(Ok(table)) => present.with_table(table),
            Ok(Err(error)) => return self.refused(&error),
            Err(flaw) => return self.refused(&flaw),
        };
        let generation = next.table.generation();
        if let Err(stale) = self.publisher.publish_after(plan.drawn_from, next) {
            return self.refused(&stale);
        }
        let next = self.publisher.current();
        self.fleet.remember(plan.memory.clone());
        self.fleet.published(plan, &next.table, now);
        for step in &plan.steps {
            let (from, to) = (step.from.as_str(), step.to.as_str());
            if from != to {
                tracing::warn!(hub = %step.hub, from, to, reason = %step.reason, "a hub changes its state");
                self.metrics.control.changed(&step.hub, step.from, step.to);
            }
        }
        if plan.panic != present.table.panic() {
            tracing::warn!(panic = plan.panic, bad = plan.bad, hubs = plan.counted, "panic begins or ends");
        }
        self.note_snapshot();
        Some(generation)
    }

    fn refused(&self, flaw: &dyn std::fmt::Display) -> Option<Generation> {
        tracing::error!(%flaw, "a plan was not published");
        self.metrics.control.plans_refused.inc();
        None
    }

    pub(super) fn answer(&mut self, asked: Asked) {
        // Who asked and went away needs no answer.
        match asked {
            Asked::Reload(reply) => self.reload(super::asked(), Some(reply)),
            Asked::Hubs(reply) => _ = reply.send(self.hubs()),
            Asked::Plans(reply) => _ = reply.send(self.plans.newest()),
            Asked::Failovers(most, reply) => _ = reply.send(self.failovers(most)),
            Asked::Telemetry(hub, most, reply) => {
                let told = self.telemetry.history(&hub);
                let told = told.map(|history| TelemetryView::of(hub.as_str(), history, most));
                let _ = reply.send(told.ok_or(Unasked::UnknownHub));
            }
            Asked::Foretell(hub, window, reply) => _ = reply.send(self.foretell(&hub, window)),
            Asked::Forecasts(most, reply) => _ = reply.send(self.forecasts(most)),
            Asked::GoBack(reply) => _ = reply.send(self.go_back().map_err(|error| error.to_string())),
            Asked::Wish(wishing, reply) => self.grant(*wishing, reply),
            Asked::Probe(hub, reply) => {
                let known = self.fleet.suspect(&hub, clock::now());
                self.looked.1 = true;
                let _ = reply.send(if known { Ok(()) } else { Err(Unasked::UnknownHub) });
            }
        }
    }

    fn foretell(&self, hub: &HubId, window: Option<Duration>) -> Result<Foretold, Unasked> {
        let present = self.publisher.current();
        let settings = &present.settings.predictor;
        if present.table.find(hub.as_str()).is_none() {
            return Err(Unasked::UnknownHub);
        }
        if settings.mode == PredictorMode::Off {
            return Err(Unasked::Unforetold);
        }
        let window = window.unwrap_or(settings.horizon);
        let (past, policy) = ((&self.telemetry, &*present), &self.fleet.policy.forecast);
        let told = self.forecaster.foretell(hub, window, past, policy, clock::unix_seconds());
        told.ok_or(Unasked::Unforetold)
    }

    fn hubs(&self) -> Vec<HubView> {
        let (present, now) = (self.publisher.current(), clock::now());
        let told = |hub: mcphub_routing::Hub<'_>| {
            let view = self.fleet.view(&hub, now)?;
            let forecast = self.fleet.inputs.forecasts.get(hub.id).map(ForecastView::of);
            Some(HubView { forecast, alarm: self.alarms.open(hub.id).cloned(), ..view })
        };
        present.table.hubs().filter_map(told).collect()
    }

    fn failovers(&self, most: usize) -> Failovers {
        let store = self.fleet.journal.store();
        let (word, why) = match store.condition() {
            Condition::Ready => ("ready", None),
            Condition::Waiting | Condition::Released => ("waiting", None),
            Condition::Degraded { why } => ("degraded", Some(why)),
        };
        Failovers { failovers: store.failovers(most), store: word, store_error: why }
    }

    /// Takes what the operator wants of a hub, and does of it what can be done at once.
    fn grant(&mut self, wishing: Wishing, reply: oneshot::Sender<Result<Wished, Unasked>>) {
        let Wishing { hub, wish, note } = wishing;
        let begun = clock::instant();
        let known = self.publisher.current().table.find(hub.as_str()).is_some();
        // A wish about a hub that left the configuration can still be taken back.
        if !known && (wish != Wish::default() || self.fleet.wish_of(&hub) == Wish::default()) {
            let _ = reply.send(Err(Unasked::UnknownHub));
            return;
        }
        let record =
            (wish != Wish::default()).then(|| WishRecord { wish, at_unix_ms: clock::unix_millis(), note });
        self.fleet.wish(&hub, record.clone());
        self.fleet.journal.store().set_wish(&hub, record);
        let now = clock::now();
        let (plan, _) = self.decide(now);
        let took = clock::instant().saturating_duration_since(begun);
        let present = self.publisher.current();
        let found = present.table.find(hub.as_str()).and_then(|index| present.table.hub(index));
        let Some(view) = found.and_then(|found| self.fleet.view(&found, now)) else {
            let _ = reply.send(Err(Unasked::UnknownHub));
            return;
        };
        let wished = Wished {
            hub: view,
            step: plan.steps.iter().find(|step| step.hub == hub).map(|step| super::plans::step(step, None)),
            held_up: plan
                .declined
                .iter()
                .find(|declined| declined.step.hub == hub)
                .map(|declined| super::plans::step(&declined.step, Some(plan.why_not(declined)))),
            generation: present.table.generation().get(),
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            failover: self.fleet.journal.open(&hub),
            receives: journal::receives(&present.table),
        };
        let _ = reply.send(Ok(wished));
    }
}
