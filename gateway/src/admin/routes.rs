//! What can be asked, and how?

use mcphub_http1::Method;

/// One thing that can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route<'p> {
    Live,
    Ready,
    Metrics,
    Document,
    Status,
    Hubs,
    Hub(&'p str),
    Telemetry(&'p str),
    Table,
    Report,
    Failovers,
    Forecasts,
    Sessions,
    Reload,
    RevertModel,
    Drain,
    Undrain,
    ExecuteFailover,
    SwitchTraffic,
    MigrateUserSessions,
    ValidateFailover,
    PredictFailure,
    AnalyzeFailurePatterns,
    SuggestPreventiveActions,
    CalculateRiskScore,
}

/// The paths, with the operator's part in braces as the document has it.
pub(super) const PATHS: [(&str, Route<'static>); 25] = [
    ("/livez", Route::Live),
    ("/readyz", Route::Ready),
    ("/metrics", Route::Metrics),
    ("/v1/openapi.json", Route::Document),
    ("/v1/status", Route::Status),
    ("/v1/hubs", Route::Hubs),
    ("/v1/hubs/{id}", Route::Hub("{id}")),
    ("/v1/hubs/{id}/telemetry", Route::Telemetry("{id}")),
    ("/v1/table", Route::Table),
    ("/v1/report", Route::Report),
    ("/v1/failovers", Route::Failovers),
    ("/v1/forecasts", Route::Forecasts),
    ("/v1/sessions", Route::Sessions),
    ("/v1/reload", Route::Reload),
    ("/v1/revertModel", Route::RevertModel),
    ("/v1/drain", Route::Drain),
    ("/v1/undrain", Route::Undrain),
    ("/v1/executeFailover", Route::ExecuteFailover),
    ("/v1/switchTraffic", Route::SwitchTraffic),
    ("/v1/migrateUserSessions", Route::MigrateUserSessions),
    ("/v1/validateFailover", Route::ValidateFailover),
    ("/v1/predictFailure", Route::PredictFailure),
    ("/v1/analyzeFailurePatterns", Route::AnalyzeFailurePatterns),
    ("/v1/suggestPreventiveActions", Route::SuggestPreventiveActions),
    ("/v1/calculateRiskScore", Route::CalculateRiskScore),
];

impl<'p> Route<'p> {
    /// What a path leads to.
    pub(super) fn find(path: &'p str) -> Option<Self> {
        if let Some(id) = path.strip_prefix("/v1/hubs/") {
            let (id, route): (_, fn(&'p str) -> Self) = match id.strip_suffix("/telemetry") {
                Some(id) => (id, Self::Telemetry),
                None => (id, Self::Hub),
            };
            return (!id.is_empty() && !id.contains('/')).then(|| route(id));
        }
        PATHS.iter().find(|(known, _)| *known == path).map(|(_, route)| *route)
    }

    /// Whether everybody may ask: balancers and supervisors have no token.
    pub(super) fn is_public(self) -> bool {
        matches!(self, Self::Live | Self::Ready)
    }

    /// Whether it changes nothing.
    pub(super) fn reads(self) -> bool {
        match self {
            Self::Live
            | Self::Ready
            | Self::Metrics
            | Self::Document
            | Self::Status
            | Self::Hubs
            | Self::Hub(_)
            | Self::Telemetry(_)
            | Self::Table
            | Self::Report
            | Self::Failovers
            | Self::Forecasts
            | Self::Sessions => true,
            Self::Reload
            | Self::RevertModel
            | Self::Drain
            | Self::Undrain
            | Self::ExecuteFailover
            | Self::SwitchTraffic
            | Self::MigrateUserSessions
            | Self::ValidateFailover
            | Self::PredictFailure
            | Self::AnalyzeFailurePatterns
            | Self::SuggestPreventiveActions
            | Self::CalculateRiskScore => false,
        }
    }

    /// The parameters it knows.
    pub(super) fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::Table => &["place"],
            Self::Report => &["format"],
            Self::Failovers | Self::Forecasts | Self::Telemetry(_) => &["limit"],
            _ => &[],
        }
    }

    /// The methods it knows, as in `Allow`.
    pub(super) fn methods(self) -> &'static str {
        if self.reads() { "GET, HEAD" } else { "POST" }
    }

    /// Whether this method is one of them.
    pub(super) fn takes(self, method: Method) -> bool {
        if self.reads() { matches!(method, Method::Get | Method::Head) } else { method == Method::Post }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_leads_to_its_own_route() {
        for (path, route) in PATHS {
            assert_eq!(Route::find(path), Some(route));
        }
        assert_eq!(Route::find("/v1/hubs/us-east-1"), Some(Route::Hub("us-east-1")));
        assert_eq!(Route::find("/v1/hubs/us-east-1/telemetry"), Some(Route::Telemetry("us-east-1")));
        assert_eq!(Route::find("/v1/hubs/telemetry"), Some(Route::Hub("telemetry")));
        for nothing in [
            "",
            "/",
            "/v1",
            "/v1/",
            "/v1/hubs/",
            "/v1/hubs/a/b",
            "/v1/hubs//telemetry",
            "/v1/hubs/a/b/telemetry",
            "/v1/status/",
            "/V1/status",
        ] {
            assert_eq!(Route::find(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn reads_are_read_and_verbs_are_posted() {
        assert!(Route::Status.takes(Method::Head) && !Route::Status.takes(Method::Post));
        assert!(Route::Drain.takes(Method::Post) && !Route::Drain.takes(Method::Get));
        assert!(!Route::Drain.takes(Method::Delete) && !Route::Live.takes(Method::Options));
    }
}
