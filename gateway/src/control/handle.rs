//! How do others reach the control task? By asking: it answers in its own time, and nobody waits for ever.

use super::reload::Reloaded;
use super::view::{Failovers, ForecastsView, HubView, PlanView, Wished};
use super::{LastReload, Status};
use crate::forecast::foretold::Foretold;
use crate::forecast::view::TelemetryView;
use mcphub_predictor::Wish;
use mcphub_routing::HubId;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot, watch};

/// Questions that may wait for their turn.
pub(super) const ASKED_MAX: usize = 64;
/// How long an answer may take: building a table for thousands of hubs is the longest that it waits for.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Why a question has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unasked {
    /// The gateway is stopping, or not there yet.
    #[error("the gateway is stopping")]
    Stopping,
    /// Too many ask at once, or the answer took too long.
    #[error("the gateway is busy; ask again")]
    Busy,
    /// There is no hub of that name.
    #[error("there is no such hub")]
    UnknownHub,
    /// Nothing is foretold: forecasts are off, or the hub's first quarter of a minute is not over.
    #[error("nothing is foretold of this hub yet")]
    Unforetold,
}

/// A question to the control task.
#[derive(Debug)]
pub(super) enum Asked {
    /// Read the configuration again.
    Reload(oneshot::Sender<Reloaded>),
    /// How are the hubs?
    Hubs(oneshot::Sender<Vec<HubView>>),
    /// What was decided lately?
    Plans(oneshot::Sender<Vec<PlanView>>),
    /// Which hubs failed, and what became of it?
    Failovers(usize, oneshot::Sender<Failovers>),
    /// What has this hub been like? So many samples of it.
    Telemetry(HubId, usize, oneshot::Sender<Result<TelemetryView, Unasked>>),
    /// What is to be expected of this hub, within so long if not the configured horizon?
    Foretell(HubId, Option<Duration>, oneshot::Sender<Result<Foretold, Unasked>>),
    /// What are forecasts made by, and what became of alarms? So many of them.
    Forecasts(usize, oneshot::Sender<ForecastsView>),
    /// The model that was learnt before shall speak again.
    GoBack(oneshot::Sender<Result<bool, String>>),
    /// The operator wants something of a hub.
    Wish(Box<Wishing>, oneshot::Sender<Result<Wished, Unasked>>),
    /// Probe this hub now.
    Probe(HubId, oneshot::Sender<Result<(), Unasked>>),
}

/// What an operator wants of a hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wishing {
    /// The hub.
    pub hub: HubId,
    /// What is wanted; [`Wish::default`] takes everything back.
    pub wish: Wish,
    /// What the operator said about it.
    pub note: Option<String>,
}

/// The way to the control task. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(super) asked: mpsc::Sender<Asked>,
    pub(super) status: watch::Receiver<Status>,
    pub(super) nudge: Arc<Notify>,
}

impl Handle {
    /// What is known of the configuration.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// The last attempt to reload.
    #[must_use]
    pub fn last_reload(&self) -> Option<LastReload> {
        self.status.borrow().last_reload.clone()
    }

    /// Something is odd about a hub: the control task looks into it at once.
    pub fn nudge(&self) {
        self.nudge.notify_one();
    }

    /// Has the configuration read again, and waits for what comes of it.
    ///
    /// # Errors
    /// Nobody is there any more, or too many ask.
    pub async fn reload(&self) -> Result<Reloaded, Unasked> {
        self.ask(Asked::Reload).await
    }

    /// Every hub as it is now, in the order of the configuration.
    ///
    /// # Errors
    /// Nobody is there any more, or too many ask.
    pub async fn hubs(&self) -> Result<Vec<HubView>, Unasked> {
        self.ask(Asked::Hubs).await
    }

    /// The last plans that changed or declined something, newest first.
    ///
    /// # Errors
    /// Nobody is there any more, or too many ask.
    pub async fn plans(&self) -> Result<Vec<PlanView>, Unasked> {
        self.ask(Asked::Plans).await
    }

    /// The newest `most` failovers, newest first.
    ///
    /// # Errors
    /// Nobody is there any more, or too many ask.
    pub async fn failovers(&self, most: usize) -> Result<Failovers, Unasked> {
        self.ask(|reply| Asked::Failovers(most, reply)).await
    }

    /// What a hub has been like, with its newest `most` samples.
    ///
    /// # Errors
    /// There is no such hub, nobody is there any more, or too many ask.
    pub async fn telemetry(&self, hub: HubId, most: usize) -> Result<TelemetryView, Unasked> {
        self.ask(|reply| Asked::Telemetry(hub, most, reply)).await?
    }

    /// What is to be expected of a hub; `window` instead of the configured horizon.
    ///
    /// # Errors
    /// There is no such hub, nothing is foretold of it, nobody is there any more, or too many ask.
    pub async fn foretell(&self, hub: HubId, window: Option<Duration>) -> Result<Foretold, Unasked> {
        self.ask(|reply| Asked::Foretell(hub, window, reply)).await?
    }

    /// What forecasts are made by, and what became of the newest `most` alarms, newest first.
    ///
    /// # Errors
    /// Nobody is there any more, or too many ask.
    pub async fn forecasts(&self, most: usize) -> Result<ForecastsView, Unasked> {
        self.ask(|reply| Asked::Forecasts(most, reply)).await
    }

    /// Has the model that was learnt before the last one speak again, or the configured one. `Ok(Ok(false))`: none was
    /// learnt. The inner error says why files could not be changed.
    ///
    /// # Errors
    /// Nobody is there any more, or too many ask.
    pub async fn go_back(&self) -> Result<Result<bool, String>, Unasked> {
        self.ask(Asked::GoBack).await
    }

    /// Tells what the operator wants of a hub, and what came of it at once. A wish that a guard rail holds up stays,
    /// and is granted when the rail allows.
    ///
    /// # Errors
    /// There is no such hub, nobody is there any more, or too many ask.
    pub async fn wish(&self, wishing: Wishing) -> Result<Wished, Unasked> {
        self.ask(|reply| Asked::Wish(Box::new(wishing), reply)).await?
    }

    /// Has a burst of probes sent to a hub, beside its schedule; [`Handle::hubs`] shows what came of them.
    ///
    /// # Errors
    /// There is no such hub, nobody is there any more, or too many ask.
    pub async fn probe(&self, hub: HubId) -> Result<(), Unasked> {
        self.ask(|reply| Asked::Probe(hub, reply)).await?
    }

    async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Asked) -> Result<T, Unasked> {
        let (reply, answer) = oneshot::channel();
        self.asked.try_send(question(reply)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Unasked::Busy,
            mpsc::error::TrySendError::Closed(_) => Unasked::Stopping,
        })?;
        match tokio::time::timeout(ANSWER_WITHIN, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(Unasked::Stopping),
            Err(_) => Err(Unasked::Busy),
        }
    }
}
