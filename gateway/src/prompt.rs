//! Is this prompt, or has it gone on for a while?
//!
//! Nearly every wait of a connection is over in no time, and a timer that is set and taken away for each of them costs
//! more than the rest of the waiting. A [`Prompt`] is one timer for all the waits of a connection: it is set again only
//! when it runs out, and looks then whether the present wait has gone on for long.

use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::time::{Sleep, sleep_until};

/// What is over sooner is prompt. What concerns only those that wait longer (that we are stopping, that a hub was given
/// up) is listened for from then on.
pub(crate) const PROMPT: Duration = Duration::from_millis(100);

/// A timer for short waits, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Prompt(Option<Pin<Box<Sleep>>>);

impl Prompt {
    /// Waits until `end`. Cancel-safe. Of the ends that are asked for, later ones should be later: an earlier one costs
    /// what a timer of its own would.
    pub(crate) async fn until(&mut self, end: Instant) {
        let end = end.into();
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(end)));
        if sleep.deadline() > end {
            sleep.as_mut().reset(end);
        }
        poll_fn(|context| {
            while sleep.as_mut().poll(context).is_ready() {
                if sleep.deadline() >= end {
                    return Poll::Ready(());
                }
                sleep.as_mut().reset(end);
            }
            Poll::Pending
        })
        .await;
    }

    /// Gives the timer back, where nothing will be waited for soon.
    pub(crate) fn rest(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use tokio::time;

    #[tokio::test(start_paused = true)]
    async fn each_wait_ends_at_its_own_end() {
        let (begun, mut prompt) = (time::Instant::from_std(crate::clock::instant()), Prompt::default());
        let after = |millis| (begun + Duration::from_millis(millis)).into_std();
        // The runtime's clock stands still from a little earlier on, and counts milliseconds.
        let passed = |millis| (millis..=millis + 2).contains(&begun.elapsed().as_millis());
        assert!(prompt.until(after(100)).now_or_never().is_none());
        time::advance(Duration::from_millis(60)).await;
        // The timer runs out at 100, the wait does not.
        prompt.until(after(160)).await;
        assert!(passed(160));
        // What is over is over at once.
        assert!(prompt.until(after(160)).now_or_never().is_some());
        // An earlier end than the timer's.
        assert!(prompt.until(after(900)).now_or_never().is_none());
        prompt.until(after(200)).await;
        assert!(passed(200));
        prompt.rest();
        prompt.until(after(300)).await;
        assert!(passed(300));
    }
}
