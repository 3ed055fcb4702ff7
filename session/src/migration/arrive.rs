//! The session lives somewhere else now. Who must be told, and what goes there?

use std::collections::BTreeSet;

use super::action::Notice;
use super::claim::Attempt;
use super::leave::Cause;
use super::{Action, Migration, State, Why};
use crate::record::{Catalogue, ListDigest, Live, Revision};

impl Migration {
    /// The compare-and-set has won: from here on, everything goes to the new hub.
    pub(super) fn win(&mut self, cause: Cause, attempt: &Attempt) {
        // A hub that has forgotten the session has nothing left to end.
        if matches!(cause, Cause::Wish | Cause::Lost) {
            self.act(Action::Retire { at: self.live.stay.clone() }, Why::Moved);
        }
        let live = self.live_at(attempt);
        self.settle_down(live, attempt.refused, Why::Moved);
    }

    /// Somebody else has moved the session, and ends what it leaves behind.
    pub(super) fn adopt(&mut self, doubt: Option<&Attempt>, live: Live, revision: Revision) {
        if let Some(attempt) = doubt {
            self.discard(attempt, Why::MovedElsewhere);
        }
        if live.stay.number == self.live.stay.number {
            // Two have moved it while neither knew of the other; the record says whose move counts.
            self.act(Action::Retire { at: self.live.stay.clone() }, Why::MovedElsewhere);
        }
        self.revision = revision;
        self.settle_down(live, 0, Why::MovedElsewhere);
    }

    fn settle_down(&mut self, live: Live, refused: u32, why: Why) {
        let notices = notices(&self.live, &live);
        let from = std::mem::replace(&mut self.live, live).stay;
        self.state = State::Home;
        self.act(Action::Moved { from, to: self.live.stay.clone(), refused }, why);
        self.streams.owe(notices);
        self.release(why);
        self.attach_all(why);
    }
}

/// What the client must hear so that it finds out what it may have missed.
fn notices(old: &Live, new: &Live) -> BTreeSet<Notice> {
    let mut notices: BTreeSet<_> = new.subscriptions.iter().map(|uri| Notice::Updated(uri.into())).collect();
    // Where it is not known what was offered: a client that does not wait for a notice passes over it.
    let offered = |path| old.offer.capabilities.as_ref().is_none_or(|offered| offered.has(path));
    let differs = |list: fn(&Catalogue) -> Option<ListDigest>| {
        let (old, new) = (list(&old.offer.catalogue), list(&new.offer.catalogue));
        old.is_none() || old != new
    };
    if offered("/tools/listChanged") && differs(|lists| lists.tools) {
        notices.insert(Notice::Tools);
    }
    if offered("/prompts/listChanged") && differs(|lists| lists.prompts) {
        notices.insert(Notice::Prompts);
    }
    if offered("/resources/listChanged") && differs(|lists| lists.resources) {
        notices.insert(Notice::Resources);
    }
    notices
}
