//! How does the mirror follow the bucket, for as long as the process lives?

use super::link::{Last, Link};
use super::{Shared, State};
use futures_util::StreamExt as _;
use mcphub_conf::settings::NatsSettings;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// How soon a lost connection is made again; doubled each time up to [`RETRY_MAX`].
const RETRY_MIN: Duration = Duration::from_millis(100);
/// How long after the last try at the latest. Trying costs nothing worth mentioning.
const RETRY_MAX: Duration = Duration::from_secs(1);
/// How often a bucket for which nobody answered is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Connects, reads, follows; and begins again whenever that ends.
pub(super) async fn follow(shared: Arc<Shared>, settings: NatsSettings) {
    let mut pause = RETRY_MIN;
    let mut told = None;
    loop {
        let why = match Link::open(&settings).await {
            Ok(link) => {
                (pause, told) = (RETRY_MIN, None);
                let why = stay(&shared, link).await;
                tracing::warn!(
                    why,
                    "the session store on NATS is lost; what is known of sessions is served on"
                );
                why
            }
            Err(why) => {
                if told.as_ref() != Some(&why) {
                    tracing::warn!(why, "the session store on NATS cannot be reached; it is tried again");
                    told = Some(why.clone());
                }
                why
            }
        };
        shared.state.send_replace(State { link: None, why: Some(why) });
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RETRY_MAX);
    }
}

/// Follows the bucket over this connection. Says why that has ended.
async fn stay(shared: &Shared, link: Link) -> String {
    // First of all, so that nobody takes what is known from before for all there is.
    let era = {
        let mut mirror = shared.mirror();
        mirror.overflows = false;
        mirror.shelf.begin()
    };
    shared.news.send_replace(());
    shared.state.send_replace(State { link: Some(link.clone()), why: None });
    let (mut messages, pending) = match link.follow().await {
        Ok(following) => following,
        Err(why) => return format!("the bucket cannot be followed: {why}"),
    };
    let mut reading = pending > 0;
    if !reading {
        all_read(shared);
    }
    let mut again = tokio::time::interval(ASK_AGAIN);
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            message = messages.next() => message,
            () = link.lost() => return "the connection is lost".to_owned(),
            _ = again.tick() => {
                if shared.state.borrow().why.is_some() && link.answers().await {
                    shared.note(None);
                }
                continue;
            }
        };
        let message = match message {
            Some(Ok(message)) => message,
            Some(Err(error)) => {
                return format!("the bucket can be followed no longer: {}", super::link::chain(&error));
            }
            None => return "the bucket can be followed no longer".to_owned(),
        };
        let Ok(info) = message.info() else { continue };
        if let Some(key) = link.key_of(&message.subject) {
            let last = Last::read(info.stream_sequence, message.headers.as_ref(), &message.payload);
            shared.learn(era, key, last);
        }
        if reading && info.pending == 0 {
            reading = false;
            all_read(shared);
        }
    }
}

/// Everything that was there when reading began is known.
fn all_read(shared: &Shared) {
    let known = {
        let mut mirror = shared.mirror();
        mirror.read_once = true;
        mirror.shelf.finish();
        mirror.shelf.len()
    };
    tracing::info!(records = known, "the session store on NATS has been read");
    shared.news.send_replace(());
    // Whoever waits for it looks again.
    shared.state.send_modify(|_| ());
}
