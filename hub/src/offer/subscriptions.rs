//! How do changes reach those who asked for them?
//!
//! Legacy: a session that has subscribed gets a follower, a task that forwards changes to the session's GET stream
//! and ends with the session. Modern: the `subscriptions/listen` request itself follows, until its client leaves or
//! the hub stops, and then ends with a result.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
};

use rmcp::{
    ErrorData, RoleServer,
    model::ResourceUpdatedNotificationParam,
    service::{Peer, SubscriptionContext, SubscriptionSendError},
};
use tokio::sync::{
    broadcast::{self, error::RecvError},
    watch,
};

use super::Session;
use crate::state::{List, State, TEXT_MAX};

/// Most resources one session may subscribe to.
const WATCHED_MAX: usize = 1_024;

/// Both kinds of change, from a moment on.
pub(super) struct Changes {
    lists: broadcast::Receiver<List>,
    updates: broadcast::Receiver<Arc<str>>,
}

impl Changes {
    pub(super) fn of(state: &State) -> Self {
        Self { lists: state.lists.subscribe(), updates: state.updates.subscribe() }
    }
}

impl Session {
    /// Starts forwarding changes of the lists, once.
    pub(super) fn follow_lists(&self, state: &State, peer: &Peer<RoleServer>) {
        if self.follows_lists.swap(true, Ordering::Relaxed) {
            return;
        }
        let (mut lists, mut watched, peer) =
            (state.lists.subscribe(), self.watched.subscribe(), peer.clone());
        tokio::spawn(async move {
            loop {
                let list = tokio::select! {
                    list = lists.recv() => list,
                    going = watched.changed() => match going {
                        Ok(()) => continue,
                        Err(_) => return,
                    },
                };
                let sent = match list {
                    Ok(List::Tools) => peer.notify_tool_list_changed().await,
                    Ok(List::Prompts) => peer.notify_prompt_list_changed().await,
                    Err(RecvError::Lagged(_)) => continue,
                    Err(RecvError::Closed) => return,
                };
                if sent.is_err() {
                    return;
                }
            }
        });
    }

    pub(super) fn subscribe(
        &self,
        state: &State,
        peer: &Peer<RoleServer>,
        uri: String,
    ) -> Result<(), ErrorData> {
        if uri.len() > TEXT_MAX || self.watched.borrow().len() >= WATCHED_MAX {
            return Err(ErrorData::invalid_params(
                "that is more than this hub watches for one session",
                None,
            ));
        }
        self.watched.send_modify(|watched| {
            watched.insert(uri);
        });
        if !self.follows_updates.swap(true, Ordering::Relaxed) {
            tokio::spawn(follow(state.updates.subscribe(), self.watched.subscribe(), peer.clone()));
        }
        Ok(())
    }

    pub(super) fn unsubscribe(&self, uri: &str) {
        self.watched.send_modify(|watched| {
            watched.remove(uri);
        });
    }
}

async fn follow(
    mut updates: broadcast::Receiver<Arc<str>>,
    mut watched: watch::Receiver<BTreeSet<String>>,
    peer: Peer<RoleServer>,
) {
    loop {
        let update = tokio::select! {
            update = updates.recv() => update,
            going = watched.changed() => match going {
                Ok(()) => continue,
                Err(_) => return,
            },
        };
        let changed: Vec<String> = match update {
            Ok(uri) => watched.borrow().get(&*uri).cloned().into_iter().collect(),
            // What was missed may have been anything.
            Err(RecvError::Lagged(_)) => watched.borrow().iter().cloned().collect(),
            Err(RecvError::Closed) => return,
        };
        for uri in changed {
            if peer.notify_resource_updated(ResourceUpdatedNotificationParam::new(uri)).await.is_err() {
                return;
            }
        }
    }
}

/// Runs one `subscriptions/listen` request.
pub(super) async fn listen(state: &State, mut changes: Changes, context: &SubscriptionContext) {
    let sink = context.sink();
    loop {
        let sent = tokio::select! {
            () = context.cancelled() => return,
            () = state.draining.cancelled() => return,
            list = changes.lists.recv() => match list {
                Ok(List::Tools) => sink.notify_tool_list_changed().await,
                Ok(List::Prompts) => sink.notify_prompt_list_changed().await,
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => return,
            },
            update = changes.updates.recv() => match update {
                Ok(uri) => sink.notify_resource_updated(&*uri).await,
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => return,
            },
        };
        match sent {
            Ok(()) | Err(SubscriptionSendError::NotificationNotAccepted(_)) => {}
            Err(_) => return,
        }
    }
}
