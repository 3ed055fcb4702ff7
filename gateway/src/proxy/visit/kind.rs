//! What is asked within a session, and what may be done with it when its hub is lost?

use super::Visit;
use super::lodging::Lodging;
use crate::proxy::parse::Message;
use mcphub_http1::{Known, Method};
use mcphub_mcp::{Class, Failure, Kind as Shape, Relayed as Said};
use mcphub_session::event_id::{About, EventId};
use mcphub_session::foreign_id::ForeignId;
use mcphub_session::migration::{Kind, Marks, STREAMS_MAX, is_safe};

impl Visit<'_> {
    /// What it is, and the event that it goes on after; what it brings back to its hub is worded as that hub knows it.
    pub(super) fn kind_of(&mut self) -> Kind {
        let job = self.job;
        match (job.arrival.head.method, job.message) {
            (Method::Delete, _) => Kind::Delete,
            (Method::Post, Message::Legacy(envelope)) => match &envelope.kind {
                Shape::Request { .. } => Kind::Call { safe: self.is_safe() },
                Shape::Notification { method } if **method == *"notifications/progress" => self.progress(),
                Shape::Notification { .. } => Kind::Notification,
                Shape::Response { id } => self.answer_to(ForeignId::parse(*id)),
                Shape::Batch { .. } => Kind::Batch,
            },
            _ => {
                let event = job.arrival.head.fields.get(Known::LastEventId);
                self.resumed = event.and_then(EventId::parse);
                self.resumed.as_ref().map_or(Kind::Stream, |event| Kind::Resume { stay: event.stay })
            }
        }
    }

    /// What is wrong with a GET, whatever its hub would say.
    pub(super) fn refused(&self) -> Option<Failure<'static>> {
        if self.job.arrival.head.method != Method::Get {
            return None;
        }
        let open = || self.session.entry.care_if_any().map_or(0, |care| care.streams_open());
        match &self.resumed {
            Some(event) if event.is_end() => Some(Failure::NothingFollows),
            Some(event) if event.about != About::Nothing => None,
            _ if open() >= STREAMS_MAX => Some(Failure::TooManyStreams),
            _ => None,
        }
    }

    /// The client answers a request of its hub: by the hub's own id for it.
    fn answer_to(&mut self, foreign: Option<ForeignId>) -> Kind {
        let stay = foreign.as_ref().map(|foreign| foreign.stay);
        if let (Some(foreign), Said::Answer { id }) = (foreign, mcphub_mcp::relayed(self.job.body)) {
            self.reworded = Some(id.replaced(self.job.body, foreign.hub.as_raw().as_json()).into());
        }
        Kind::Answer { stay }
    }

    /// The client tells how far it has come with what its hub asked, by the hub's own token for it.
    fn progress(&mut self) -> Kind {
        let Said::Progress { token, .. } = mcphub_mcp::relayed(self.job.body) else {
            return Kind::Notification;
        };
        let Some(foreign) = ForeignId::parse(token.id) else { return Kind::Notification };
        self.reworded = Some(token.replaced(self.job.body, foreign.hub.as_raw().as_json()).into());
        Kind::Answer { stay: Some(foreign.stay) }
    }

    /// Whether the request may be done twice.
    pub(super) fn is_safe(&self) -> bool {
        let trusted = self.job.snapshot.settings.routing.trust_tool_annotations;
        let class = self.job.message.class();
        let marks = match self.job.message.tool() {
            Some(tool) if trusted && class == Class::ToolCall => {
                let lodging = Lodging::of(self.session, &self.session.entry);
                lodging.upstream(self.job.snapshot).map_or(Marks::None, |upstream| upstream.marks_of(tool))
            }
            _ => Marks::None,
        };
        is_safe(class, marks, trusted)
    }

    /// A lost GET that was about no request: a fresh stream does as well.
    pub(super) fn may_begin_anew(&mut self) -> bool {
        let about_nothing = self.resumed.as_ref().is_some_and(|event| event.about == About::Nothing);
        if about_nothing {
            self.resumed = None;
            self.kind = Kind::Stream;
        }
        about_nothing
    }

    /// Whether it may be sent again to a hub that had closed an idle connection.
    pub(super) fn may_repeat(&self) -> bool {
        matches!(self.kind, Kind::Call { safe: true } | Kind::Stream | Kind::Resume { .. } | Kind::Delete)
    }
}
