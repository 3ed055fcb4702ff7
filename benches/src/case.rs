//! What is measured?
//!
//! Owns the list of cases: what each sends, in which era, and in which way. Does not know bytes ([`crate::wire`]) or
//! sockets ([`crate::load`]).

use crate::wire::step::{self, Step};

/// The two eras of MCP, as far as a request's shape depends on them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Era {
    /// Handshake and `Mcp-Session-Id`.
    Legacy,
    /// Stateless, routed on headers.
    Modern,
}

/// How requests are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// Keep-alive connections, each with one request in flight: as fast as answers come.
    Closed,
    /// So many requests a second, whatever the answers do.
    Rate(u32),
    /// As fast as answers come, over HTTP/2 with TLS.
    Http2,
    /// One new TLS connection for each request.
    Handshakes,
}

/// Which peers take part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Field {
    /// The gateway beside proxies of plain HTTP.
    Proxies,
    /// The gateway beside other gateways of MCP.
    Gateways,
}

/// What is sent and what comes back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, clap::ValueEnum)]
pub enum Case {
    /// 400 B of JSON each way, inside a legacy session.
    JsonLegacy,
    /// 400 B of JSON each way, with the headers of the modern era.
    JsonModern,
    /// 400 B of JSON up, 16 KiB down, inside a legacy session.
    #[value(name = "json16k-legacy")]
    Json16kLegacy,
    /// 400 B of JSON up, 16 KiB down, with the headers of the modern era.
    #[value(name = "json16k-modern")]
    Json16kModern,
    /// 400 B of JSON up, 97 KiB down, inside a legacy session.
    #[value(name = "json97k-legacy")]
    Json97kLegacy,
    /// 400 B of JSON up, 97 KiB down, with the headers of the modern era.
    #[value(name = "json97k-modern")]
    Json97kModern,
    /// 400 B of JSON up, ten SSE events down, inside a legacy session.
    SseLegacy,
    /// 400 B of JSON up, ten SSE events down, with the headers of the modern era.
    SseModern,
    /// What legacy clients do in the course of a day, sessions that come and go included.
    MixLegacy,
    /// What modern clients do in the course of a day.
    MixModern,
    /// As json-modern, over HTTP/2 with TLS.
    #[value(name = "http2-modern")]
    Http2Modern,
    /// As json-legacy, at a fixed rate.
    RateLegacy,
    /// As json-modern, at a fixed rate.
    RateModern,
    /// As json-modern, a new TLS connection for each request.
    TlsModern,
    /// Calls that MCP gateways pass on in words of their own, inside a legacy session.
    CallsLegacy,
    /// The list of tools, which no cache may keep, with the headers of the modern era.
    ListModern,
    /// The list of tools, which every cache may keep, with the headers of the modern era.
    CachedModern,
}

/// Requests a second of the cases with a fixed rate: a tenth of what the fastest proxies can do on one core.
const RATE: u32 = 6_000;
/// Connections of the cases among MCP gateways, some of which take half a second for an answer at 16.
const GATEWAY_CONNECTIONS: usize = 8;

impl Case {
    /// The cases that are run when none are named, in order.
    pub const USUAL: [Case; 17] = [
        Case::JsonLegacy,
        Case::JsonModern,
        Case::Json16kLegacy,
        Case::Json16kModern,
        Case::Json97kLegacy,
        Case::Json97kModern,
        Case::SseLegacy,
        Case::SseModern,
        Case::MixLegacy,
        Case::MixModern,
        Case::Http2Modern,
        Case::RateLegacy,
        Case::RateModern,
        Case::TlsModern,
        Case::ListModern,
        Case::CachedModern,
        Case::CallsLegacy,
    ];

    /// The case that the gateway's own figures here are set against, where they are about a comparison of its own: the
    /// rounds of both alternate, because minutes apart a machine may run half as fast.
    #[must_use]
    pub fn against(self) -> Option<Case> {
        (self == Case::CachedModern).then_some(Case::ListModern)
    }

    /// All cases.
    #[must_use]
    pub fn all() -> &'static [Case] {
        clap::ValueEnum::value_variants()
    }

    /// The era whose request shape is used.
    #[must_use]
    pub fn era(self) -> Era {
        match self {
            Case::JsonLegacy
            | Case::Json16kLegacy
            | Case::Json97kLegacy
            | Case::SseLegacy
            | Case::MixLegacy
            | Case::RateLegacy
            | Case::CallsLegacy => Era::Legacy,
            Case::JsonModern
            | Case::Json16kModern
            | Case::Json97kModern
            | Case::SseModern
            | Case::MixModern
            | Case::Http2Modern
            | Case::RateModern
            | Case::TlsModern
            | Case::ListModern
            | Case::CachedModern => Era::Modern,
        }
    }

    /// How requests are made.
    #[must_use]
    pub fn way(self) -> Way {
        match self {
            Case::RateLegacy | Case::RateModern => Way::Rate(RATE),
            Case::Http2Modern => Way::Http2,
            Case::TlsModern => Way::Handshakes,
            _ => Way::Closed,
        }
    }

    /// Who takes part.
    #[must_use]
    pub fn field(self) -> Field {
        if self == Case::CallsLegacy { Field::Gateways } else { Field::Proxies }
    }

    /// What is asked, and how often each of it in comparison.
    #[must_use]
    pub fn steps(self) -> &'static [(Step, u32)] {
        match self {
            Case::Json16kLegacy | Case::Json16kModern => &[(Step::Call16k, 1)],
            Case::Json97kLegacy | Case::Json97kModern => &[(Step::Call97k, 1)],
            Case::SseLegacy | Case::SseModern => &[(Step::CallSse, 1)],
            Case::MixLegacy => step::LEGACY_MIX,
            Case::MixModern => step::MODERN_MIX,
            Case::CallsLegacy => &[(Step::CallReworded, 1)],
            Case::ListModern => &[(Step::List, 1)],
            Case::CachedModern => &[(Step::ListPublic, 1)],
            _ => &[(Step::Call, 1)],
        }
    }

    /// Whether every answer is an event stream.
    #[must_use]
    pub fn is_sse(self) -> bool {
        matches!(self, Case::SseLegacy | Case::SseModern)
    }

    /// Whether every answer is a small JSON body over a cleartext connection that is there already: the shape that the
    /// peers' reference figures are about.
    #[must_use]
    pub fn is_small_json(self) -> bool {
        matches!(self, Case::JsonLegacy | Case::JsonModern)
    }

    /// Connections, where `usual` is what was asked for.
    #[must_use]
    pub fn connections(self, usual: usize) -> usize {
        match self.field() {
            Field::Gateways => usual.min(GATEWAY_CONNECTIONS),
            Field::Proxies => usual,
        }
    }

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> String {
        clap::ValueEnum::to_possible_value(&self).map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// The heading in the report.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Case::JsonLegacy => "JSON, legacy era (session id)",
            Case::JsonModern => "JSON, modern era (routing headers)",
            Case::Json16kLegacy => "JSON answer of 16 KiB, legacy era",
            Case::Json16kModern => "JSON answer of 16 KiB, modern era",
            Case::Json97kLegacy => "JSON answer of 97 KiB, legacy era",
            Case::Json97kModern => "JSON answer of 97 KiB, modern era",
            Case::SseLegacy => "SSE answer of ten events, legacy era",
            Case::SseModern => "SSE answer of ten events, modern era",
            Case::MixLegacy => "Mix of MCP, legacy era, sessions come and go",
            Case::MixModern => "Mix of MCP, modern era",
            Case::Http2Modern => "JSON, modern era, HTTP/2 with TLS",
            Case::RateLegacy => "JSON at a fixed rate, legacy era",
            Case::RateModern => "JSON at a fixed rate, modern era",
            Case::TlsModern => "New TLS connections, one JSON request each, modern era",
            Case::CallsLegacy => "Tool calls beside MCP gateways, legacy era",
            Case::ListModern => "tools/list, forwarded, modern era",
            Case::CachedModern => "tools/list, cacheable, modern era",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_era_is_what_the_name_says() {
        for case in Case::all() {
            let ends = match case.era() {
                Era::Legacy => "-legacy",
                Era::Modern => "-modern",
            };
            assert!(case.name().ends_with(ends), "{case:?}");
            let (lower, era) = (case.title().to_lowercase(), ends.trim_start_matches('-'));
            assert!(lower.contains(era), "{case:?}");
        }
    }
}
