//! What has a hub agreed to that must be written down?

use super::PATIENCE;
use super::lodging::Lodging;
use crate::clock;
use crate::migrate::settings::{self, Setting};
use crate::migrate::{Seed, StreamOrder, Tell};
use crate::proxy::exchange::Job;
use crate::proxy::parse::Message;
use mcphub_session::record::{Ended, LogLevel};
use mcphub_session::{Ending, SessionStore as _};
use tokio::sync::oneshot;

/// A hub has ended the session, as its client asked: so that it stays ended, this is written down before the client hears
/// of it.
pub(in crate::proxy) async fn ended(job: &Job<'_>, lodging: &Lodging<'_>) {
    let Some(session) = &job.context.session else { return };
    let (why, key) = (Ended::ByClient, session.opened.session);
    let (done, told) = oneshot::channel();
    let stay = Some(lodging.entry.stay_number());
    if lodging.entry.care().tell_if_tended(Tell::End { why, stay, done }).is_ok() {
        let _ = tokio::time::timeout(PATIENCE, told).await;
        return;
    }
    job.edge.sessions.end(&key);
    let ending = Ending {
        caller: session.opened.caller,
        expires_at: job.snapshot.sealer.expires_at(&session.opened),
        at: clock::unix_seconds(),
        why,
    };
    if let Err(error) = job.edge.records.end(key, ending).await {
        tracing::warn!(session = %key, %error, "the end of a session is not written down yet");
        crate::migrate::owe(job.edge, key, ending.into());
    }
    let _ = lodging.entry.care().order(StreamOrder::End);
}

/// A hub has accepted a setting of the session.
pub(in crate::proxy) async fn set(job: &Job<'_>) {
    let (Some(session), Message::Legacy(envelope)) = (&job.context.session, job.message) else { return };
    let uri = || envelope.uri.as_deref().map(Box::from);
    let setting = match envelope.method().map(|method| &**method) {
        Some("logging/setLevel") => level(job.body).map(Setting::Level),
        Some("resources/subscribe") => uri().map(Setting::Subscribe),
        Some("resources/unsubscribe") => uri().map(Setting::Unsubscribe),
        _ => None,
    };
    let seed = Seed::of(&job.snapshot.sealer, &session.opened, clock::unix_seconds());
    if let (Some(setting), Some(seed)) = (setting, seed) {
        settings::note(job.edge, seed, setting).await;
    }
}

fn level(body: &[u8]) -> Option<LogLevel> {
    #[derive(serde::Deserialize)]
    struct Params {
        level: String,
    }
    let Params { level } = serde_json::from_str(mcphub_mcp::envelope::params(body)?).ok()?;
    LogLevel::parse(&level)
}
