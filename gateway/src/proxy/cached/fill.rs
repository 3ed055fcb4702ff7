//! What does a hub's answer mean for those that ask the same?

use super::{Asking, status};
use crate::cache::Cache;
use crate::cache::entry::{About, Entry, Times};
use crate::cache::flight::{Lead, Outcome};
use crate::cache::judge::Case;
use crate::cache::key::Keys;
use crate::clock;
use crate::proxy::Trace;
use crate::proxy::exchange::Job;
use mcphub_http1::{FieldLines, ResponseHead};
use mcphub_mcp::Id;
use mcphub_mcp::cache::Unkept;
use mcphub_mcp::sse::{Event, events};
use std::sync::Arc;
use std::time::Duration;

/// What is to be done with the answer to a request.
#[derive(Debug, Default)]
pub(in crate::proxy) enum Caching {
    /// Nothing.
    #[default]
    No,
    /// It is to be said that the request had to go to a hub; `true`: since its client said so.
    Passed(bool),
    /// It may be kept.
    Filling(Box<Filling>),
}

/// A request whose answer may be kept.
#[derive(Debug)]
pub(in crate::proxy) struct Filling {
    cache: Arc<Cache>,
    keys: Keys,
    id: Id,
    about: About,
    asked: Duration,
    /// Others may be waiting for it.
    pub(super) lead: Option<Lead>,
    /// What may be given if no hub answers.
    pub(super) stale: Option<Arc<Entry>>,
    /// It has waited for another in vain.
    pub(super) waited: bool,
    refreshes: bool,
    /// Of an answer that comes as events.
    head: Option<ResponseHead>,
    /// The answer has been judged.
    judged: bool,
    stored: Option<i64>,
}

impl Filling {
    pub(super) fn new(job: &Job<'_>, asking: &Asking<'_>) -> Self {
        Self {
            cache: Arc::clone(asking.cache),
            keys: asking.keys.clone(),
            id: asking.id.to_id(),
            about: asking.about,
            asked: clock::since_start_at(job.arrival.at),
            lead: None,
            stale: None,
            waited: false,
            refreshes: false,
            head: None,
            judged: false,
            stored: None,
        }
    }

    /// Whether an answer is kept whose time has passed.
    pub(super) fn is_refresh(&self) -> bool {
        self.refreshes || self.stale.is_some()
    }

    /// Judges the message that is the answer.
    fn judge(&mut self, head: &ResponseHead, message: &[u8]) {
        if std::mem::replace(&mut self.judged, true) {
            return;
        }
        self.refreshes = self.is_refresh();
        let now = clock::since_start();
        let times = Times { asked: self.asked, received: now };
        let case = Case { keys: &self.keys, id: self.id.as_raw(), about: self.about, times };
        let entry = case.entry(&self.cache.settings, head, message);
        let kept = entry.and_then(|entry| self.cache.keep(&self.keys, entry, now).ok_or(Unkept::Result));
        match kept {
            Ok((key, entry)) => {
                self.stored = Some(entry.ttl_seconds(now));
                self.land(Outcome::Kept(key, entry));
            }
            Err(unkept) => {
                self.cache.set_apart(&self.keys, now, unkept == Unkept::Result);
                self.land(Outcome::Apart);
            }
        }
    }

    fn land(&mut self, outcome: Outcome) {
        if let Some(lead) = self.lead.take() {
            lead.land(outcome);
        }
    }
}

impl Caching {
    fn filling(&mut self) -> Option<&mut Filling> {
        match self {
            Self::Filling(filling) => Some(filling),
            Self::No | Self::Passed(_) => None,
        }
    }

    /// An answer is all here.
    pub(in crate::proxy) fn whole(&mut self, head: &ResponseHead, body: &[u8]) {
        if let Some(filling) = self.filling() {
            filling.judge(head, body);
        }
    }

    /// An answer comes as events.
    pub(in crate::proxy) fn streams(&mut self, head: &ResponseHead) {
        if let Some(filling) = self.filling() {
            filling.head = Some(head.clone());
        }
    }

    /// Whole events of it pass. It may be kept if the first that says anything is the answer: what comes before it
    /// (progress, a log) is meant for this client, and others would be given only the answer.
    pub(in crate::proxy) fn events(&mut self, whole: &[u8]) {
        let Some(filling) = self.filling() else { return };
        let mut said =
            events(whole).filter_map(|event| Event::parse(event).data).filter(|data| !data.is_empty());
        let Some(data) = said.next() else { return };
        if let Some(head) = filling.head.take() {
            filling.judge(&head, &data);
        }
    }

    /// An answer is too large to be kept.
    pub(in crate::proxy) fn too_large(&mut self, head: &ResponseHead) {
        self.whole(head, &[]);
    }

    /// No hub has answered, or one with an error of its own: those who wait are told so, and what is kept is handed out to
    /// be given instead, where it is not too old.
    pub(super) fn fail(&mut self) -> Option<(Arc<Cache>, Arc<Entry>, Id)> {
        let filling = self.filling().filter(|filling| !filling.judged)?;
        filling.judged = true;
        filling.land(Outcome::Failed);
        let entry = filling.stale.take()?;
        Some((Arc::clone(&filling.cache), entry, filling.id.clone()))
    }

    /// Whether something is kept that could be given instead of an error.
    pub(in crate::proxy) fn has_stale(&self) -> bool {
        matches!(self, Self::Filling(filling) if filling.stale.is_some() && !filling.judged)
    }

    /// Says in the head of an answer how it came about.
    pub(in crate::proxy) fn say(&self, lines: &mut FieldLines) {
        let said = match self {
            Self::No => return,
            Self::Passed(wanted) => status::passed(*wanted),
            Self::Filling(filling) => status::forwarded(filling.is_refresh(), filling.stored, filling.waited),
        };
        lines.push("cache-status", said.as_bytes());
    }

    /// The exchange is over. Where its client has left without an answer, the next in line goes ahead; in any other case
    /// nobody need wait for it any more.
    pub(in crate::proxy) fn end(mut self, trace: &Trace) {
        if let Some(filling) = self.filling()
            && trace.status != 0
        {
            filling.land(Outcome::Failed);
        }
    }
}
