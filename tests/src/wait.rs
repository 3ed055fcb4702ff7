//! When is it time to go on?

use std::fmt::Debug;
use std::time::Duration;

/// Longest wait for anything a test expects to happen. Generous, because two cores are shared by everything
/// that runs here: it only bounds a test that is already failing.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Pause between two looks at a condition: short enough not to be felt, long enough not to be load.
const PAUSE: Duration = Duration::from_millis(20);

/// Asks `look` again and again until it gives a value, for at most [`PATIENCE`].
///
/// An error from `look` means *not yet* and is shown when patience runs out.
pub async fn until<T, E: Debug>(
    what: &str,
    mut look: impl AsyncFnMut() -> Result<T, E>,
) -> anyhow::Result<T> {
    let mut last = None;
    let looking = async {
        loop {
            match look().await {
                Ok(value) => return value,
                Err(error) => last = Some(error),
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    let answer = tokio::time::timeout(PATIENCE, looking).await;
    answer.map_err(|_| anyhow::anyhow!("waited {PATIENCE:?} for {what}; the last look said {last:?}"))
}
