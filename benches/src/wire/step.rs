//! What does a client ask, and what must come back?
//!
//! Owns the requests a client makes in a session or without one, each with the answer that the bench hub gives, and the
//! mixes of them.

use super::{Template, answers, requests};
use crate::case::Era;

/// One kind of request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// `tools/call`, a small JSON result.
    Call,
    /// The same; whoever is between may word the answer anew. The tool's name is what a gateway makes of `echo` that puts
    /// the name of its upstream, `bench`, before those of tools.
    CallReworded,
    /// `tools/call`, a result of 5 KiB.
    Call5k,
    /// `tools/call`, a result of 16 KiB.
    Call16k,
    /// `tools/call`, a result of 97 KiB: the largest that was seen of a public server (24,000 tokens).
    Call97k,
    /// `tools/call`, answered with an event stream.
    CallSse,
    /// `tools/list`, 8 kB: about 20 tools.
    List,
    /// `tools/list`, 80 kB: as large as that of the largest public servers.
    ListLong,
    /// `tools/list`, 8 kB, and every cache may keep it for minutes.
    ListPublic,
    /// `resources/list`.
    Resources,
    /// `prompts/list`.
    Prompts,
    /// `ping`, which only the legacy era has.
    Ping,
    /// `server/discover`, with which the modern era begins where the legacy one has `initialize`.
    Discover,
    /// `initialize`: a new session.
    Initialize,
    /// The notification that ends a handshake.
    Initialized,
    /// The end of a session.
    Delete,
}

/// What an answer must be.
#[derive(Clone, Debug)]
pub enum Expect {
    /// Status 200 and exactly this body, with the request's id.
    Body(Template),
    /// Status 200 and a result for the request's id, in whatever words.
    Result,
    /// Status 200 and a session id.
    Session,
    /// Status 202.
    Accepted,
    /// Status 200 or 204.
    Ended,
}

/// What legacy clients do, in per mille of requests: 40 small calls, 10 streams, 5 large results, 15 lists of tools, 12
/// sessions opened, half of which are ended, 5 pings, 8 other lists. Shares are a judgement from public
/// accounts of MCP traffic, not a recording. Sessions are opened with two messages, the second of which is drawn with the
/// first; so is the end of the one before.
pub const LEGACY_MIX: &[(Step, u32)] = &[
    (Step::Call, 400),
    (Step::CallSse, 100),
    (Step::Call5k, 30),
    (Step::Call16k, 12),
    (Step::Call97k, 8),
    (Step::List, 148),
    (Step::ListLong, 2),
    (Step::Initialize, 120),
    (Step::Initialized, 0),
    (Step::Delete, 0),
    (Step::Ping, 50),
    (Step::Resources, 50),
    (Step::Prompts, 30),
];

/// The same of modern clients, who have no sessions and no pings.
pub const MODERN_MIX: &[(Step, u32)] = &[
    (Step::Call, 400),
    (Step::CallSse, 100),
    (Step::Call5k, 30),
    (Step::Call16k, 12),
    (Step::Call97k, 8),
    (Step::List, 148),
    (Step::ListLong, 2),
    (Step::Discover, 120),
    (Step::Resources, 50),
    (Step::Prompts, 30),
];

impl Step {
    /// The JSON-RPC method; `None` for DELETE, which has none.
    #[must_use]
    pub fn method(self) -> Option<&'static str> {
        Some(match self {
            Step::Call
            | Step::CallReworded
            | Step::Call5k
            | Step::Call16k
            | Step::Call97k
            | Step::CallSse => "tools/call",
            Step::List | Step::ListLong | Step::ListPublic => "tools/list",
            Step::Resources => "resources/list",
            Step::Prompts => "prompts/list",
            Step::Ping => "ping",
            Step::Discover => "server/discover",
            Step::Initialize => "initialize",
            Step::Initialized => "notifications/initialized",
            Step::Delete => return None,
        })
    }

    /// What tells this step from others of the same method: the tool's name, or the cursor of a list.
    #[must_use]
    pub fn key(self) -> Option<&'static str> {
        Some(match self {
            Step::Call => "echo",
            Step::CallReworded => "bench-echo",
            Step::Call5k => "echo5k",
            Step::Call16k => "echo16k",
            Step::Call97k => "echo97k",
            Step::CallSse => "sse10",
            Step::ListLong => "long",
            Step::ListPublic => "public",
            _ => return None,
        })
    }

    /// The request, whole with its head, for the endpoint at `authority`.
    #[must_use]
    pub fn request(self, era: Era, authority: &str, session: Option<&str>) -> Template {
        match self {
            Step::Initialize => requests::initialize(authority),
            Step::Initialized => requests::initialized(authority, session.unwrap_or_default()),
            Step::Delete => requests::delete(authority, session.unwrap_or_default()),
            _ => requests::request(self, era, authority, session),
        }
    }

    /// The answer.
    #[must_use]
    pub fn expect(self) -> Expect {
        match self {
            Step::CallReworded => Expect::Result,
            Step::Initialize => Expect::Session,
            Step::Initialized => Expect::Accepted,
            Step::Delete => Expect::Ended,
            _ => Expect::Body(Template::new(answers::body(self))),
        }
    }
}

/// The order in which a client goes through its steps: the same in every run, another for each client.
#[derive(Debug)]
pub struct Order {
    steps: &'static [(Step, u32)],
    total: u32,
    state: u64,
    /// What must follow, the next one last.
    due: Vec<usize>,
}

impl Order {
    /// The order of client number `client`.
    #[must_use]
    pub fn new(steps: &'static [(Step, u32)], client: usize) -> Self {
        let total = steps.iter().map(|(_, weight)| weight).sum();
        // Any odd constant spreads the clients; this is that of the golden ratio.
        let state = (client as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self { steps, total, state, due: Vec::new() }
    }

    /// The place of the next step among the steps.
    pub fn step(&mut self) -> usize {
        if let Some(at) = self.due.pop() {
            return at;
        }
        if self.steps.len() == 1 {
            return 0;
        }
        let drawn = self.draw(self.total);
        let at = self.weighed(drawn);
        if self.steps[at].0 == Step::Initialize {
            self.due.extend(self.place(Step::Initialized));
            if self.draw(2) == 0 {
                self.due.push(at);
                return self.place(Step::Delete).unwrap_or(at);
            }
        }
        at
    }

    fn weighed(&self, drawn: u32) -> usize {
        let mut rest = drawn;
        for (at, (_, weight)) in self.steps.iter().enumerate() {
            if rest < *weight {
                return at;
            }
            rest -= weight;
        }
        0
    }

    fn place(&self, step: Step) -> Option<usize> {
        self.steps.iter().position(|(other, _)| *other == step)
    }

    /// A number below `below`, by xorshift.
    fn draw(&mut self, below: u32) -> u32 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        ((self.state >> 32) % u64::from(below)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_holds_its_shares_and_sessions_are_opened_and_ended_in_order() {
        let mut order = Order::new(LEGACY_MIX, 7);
        let drawn: Vec<Step> = (0..100_000).map(|_| LEGACY_MIX[order.step()].0).collect();
        let count = |step| drawn.iter().filter(|other| **other == step).count() as f64;
        let draws = drawn.len() as f64 - count(Step::Initialized) - count(Step::Delete);
        for (step, weight) in LEGACY_MIX.iter().filter(|(_, weight)| *weight > 0) {
            let (share, wanted) = (count(*step) / draws, f64::from(*weight) / 950.0);
            assert!((share - wanted).abs() < 0.01, "{step:?}: {share} for {wanted}");
        }
        assert!((count(Step::Delete) / count(Step::Initialize) - 0.5).abs() < 0.05);
        for pair in drawn.windows(2) {
            assert_eq!(pair[0] == Step::Initialize, pair[1] == Step::Initialized, "{pair:?}");
            assert!(pair[0] != Step::Delete || pair[1] == Step::Initialize, "{pair:?}");
        }
    }
}
