//! How does a session get to another hub?
//!
//! `session::migration` decides; this drives it. A session that met the loss of its hub, or shall leave it, is *tended*:
//! a task of its own runs its state machine, asks hubs and the store what the machine wants to know, and tells each
//! waiting exchange where to go. When everything is at rest again the task ends.
//!
//! | module | question |
//! |---|---|
//! | [`care`] | who looks after this session, and which of its streams are open? |
//! | [`mover`] | the machine's driver: what happens goes in, what shall be done is done |
//! | [`errand`] | what is asked of a hub on a session's behalf |
//! | [`caller`] | in whose name |
//! | [`settings`] | log level and subscriptions, written down when a hub has accepted them |
//! | [`notice`] | what other gateways have changed |
//! | [`shepherd`] | whose sessions shall leave a hub that drains |
//! | [`owed`] | what must be written as soon as the store can be had |
//!
//! A session that is not tended costs its requests one flag in the entry that they look up anyway.

pub(crate) mod caller;
pub(crate) mod care;
mod errand;
mod mover;
pub(crate) mod notice;
mod owed;
pub(crate) mod settings;
pub(crate) mod shepherd;

pub(crate) use caller::{Caller, Denied};
pub use care::Care;
pub(crate) use care::{Attached, Order, StreamOrder, Tell};
pub(crate) use errand::{attached, capabilities};
pub(crate) use mover::tend;
pub(crate) use owed::{room, write as owe};

use mcphub_session::record::Record;
use mcphub_session::{Claims, InitParams, Opened, Sealer, SessionKey};
use std::sync::Arc;

/// What a session's token says of it, for whoever must look after it.
#[derive(Debug, Clone)]
pub(crate) struct Seed {
    /// Its short name.
    pub(crate) key: SessionKey,
    /// The record that its token makes.
    pub(crate) first: Record,
    /// The `params` of its `initialize`, where the token has them.
    pub(crate) init: Option<Arc<str>>,
}

impl Seed {
    /// Of an opened token. `None` if it names what none can be called any more.
    pub(crate) fn of(sealer: &Sealer, opened: &Opened<'_>, now: u64) -> Option<Self> {
        let Claims { init, .. } = opened.claims;
        let init = match init {
            InitParams::Inline(params) => Some(params.into()),
            InitParams::Stored => None,
        };
        Some(Self { key: opened.session, first: sealer.first_record(opened, now)?, init })
    }
}
