//! What came of a request, whose fault was it, and may it be sent again?

use std::fmt;

/// What came of one request or probe at one hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// Answered in time. A JSON-RPC error that the server means (unknown tool, bad arguments) is an answer.
    Ok,
    /// Answered, but later than the hub's own habit allows.
    Slow,
    /// No connection: refused, unreachable, or TLS failed. Nothing of the request was written.
    ConnectError,
    /// No answer by the deadline.
    Timeout,
    /// The connection broke after something was written and before the answer was whole.
    Reset,
    /// HTTP 500 to 599.
    Http5xx,
    /// HTTP 200 with a JSON-RPC error that speaks of the hub and not of the request: its own upstream is lost.
    RpcTransportError,
}

/// Whose fault an outcome is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Nothing went wrong.
    Nobodys,
    /// It counts against the hub.
    Hubs,
}

/// May the request be sent again, to another hub?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resend {
    /// Yes: no byte of it can have been acted on.
    Always,
    /// Only if doing it twice does no harm: nobody knows how far it got.
    IfHarmless,
    /// No: it was answered.
    Never,
}

impl Outcome {
    /// Every outcome, for metrics and tests.
    pub const ALL: [Self; 7] = [
        Self::Ok,
        Self::Slow,
        Self::ConnectError,
        Self::Timeout,
        Self::Reset,
        Self::Http5xx,
        Self::RpcTransportError,
    ];

    /// Whose fault is it?
    pub fn fault(self) -> Fault {
        match self {
            Self::Ok => Fault::Nobodys,
            Self::Slow
            | Self::ConnectError
            | Self::Timeout
            | Self::Reset
            | Self::Http5xx
            | Self::RpcTransportError => Fault::Hubs,
        }
    }

    /// Did it come to nothing? A late answer is an answer: [`Outcome::Slow`] is told by its latency.
    pub fn is_failure(self) -> bool {
        !matches!(self, Self::Ok | Self::Slow)
    }

    /// Did the hub say anything? An error is an answer: whoever gives it is there.
    pub fn is_answer(self) -> bool {
        !matches!(self, Self::ConnectError | Self::Timeout | Self::Reset)
    }

    /// Its place in [`Outcome::ALL`].
    pub(crate) fn slot(self) -> usize {
        match self {
            Self::Ok => 0,
            Self::Slow => 1,
            Self::ConnectError => 2,
            Self::Timeout => 3,
            Self::Reset => 4,
            Self::Http5xx => 5,
            Self::RpcTransportError => 6,
        }
    }

    /// May the request be sent again?
    pub fn resend(self) -> Resend {
        match self {
            Self::ConnectError => Resend::Always,
            Self::Timeout | Self::Reset => Resend::IfHarmless,
            Self::Ok | Self::Slow | Self::Http5xx | Self::RpcTransportError => Resend::Never,
        }
    }

    /// May this request be sent again, given whether doing it twice does no harm?
    pub fn retryable(self, harmless: bool) -> bool {
        match self.resend() {
            Resend::Always => true,
            Resend::IfHarmless => harmless,
            Resend::Never => false,
        }
    }

    /// The word used in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Slow => "slow",
            Self::ConnectError => "connect_error",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Http5xx => "http_5xx",
            Self::RpcTransportError => "rpc_transport_error",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_unsent_request_is_resent_without_asking() {
        let check = |outcome: Outcome, fault, harmless, harmful| {
            assert_eq!(outcome.fault(), fault, "{outcome}");
            assert_eq!((outcome.retryable(true), outcome.retryable(false)), (harmless, harmful), "{outcome}");
            assert_eq!(outcome.is_answer(), !harmless, "what was answered is not sent again: {outcome}");
        };
        check(Outcome::Ok, Fault::Nobodys, false, false);
        check(Outcome::Slow, Fault::Hubs, false, false);
        check(Outcome::ConnectError, Fault::Hubs, true, true);
        check(Outcome::Timeout, Fault::Hubs, true, false);
        check(Outcome::Reset, Fault::Hubs, true, false);
        check(Outcome::Http5xx, Fault::Hubs, false, false);
        check(Outcome::RpcTransportError, Fault::Hubs, false, false);
    }

    #[test]
    fn every_outcome_has_a_word_of_its_own() {
        let words: std::collections::BTreeSet<_> = Outcome::ALL.map(Outcome::as_str).into();
        assert_eq!(words.len(), Outcome::ALL.len());
        assert_eq!(Outcome::ALL.map(Outcome::slot), [0, 1, 2, 3, 4, 5, 6]);
        assert!(
            words
                .iter()
                .all(|word| word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'))
        );
    }
}
