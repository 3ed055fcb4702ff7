//! How is a model made beside everything else?
//!
//! By this same program, in a process of its own. What makes models cannot be interrupted and may take more memory than was
//! asked for; a process can be killed, and has bounds.

use crate::forecast::recorder::write_whole;
use crate::forecast::speaker::{Origin, Speaker};
use mcphub_predictor::model::file::ModelFileError;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::process::Command;

/// A model that is not made by then is given up. One of the most that is learnt from takes minutes of a whole processor; at
/// the lowest priority it may get a small part of one.
const DEADLINE: Duration = Duration::from_secs(2 * 3_600);
/// The most of what the process has said that is told, in characters.
const SAID_MAX: usize = 500;

/// Has a process make a model in the file `out`, and reads it. It then lies in the file `beside`, for as long as it is tried.
pub(super) async fn make(
    record: PathBuf,
    out: PathBuf,
    beside: PathBuf,
    champion: Arc<Speaker>,
) -> Result<Arc<Speaker>, String> {
    let told = |error: io::Error| error.to_string();
    // This very program, even where another version has been put in its place meanwhile.
    let mut command = Command::new("/proc/self/exe");
    command.args(["predictor", "learn", "--background", "--record"]).arg(&record).arg("--out").arg(&out);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let ended = tokio::time::timeout(DEADLINE, command.output()).await;
    let ended = ended.map_err(|_| format!("it took longer than {DEADLINE:?}"))?.map_err(told)?;
    if !ended.status.success() {
        let said = String::from_utf8_lossy(&ended.stderr);
        let last = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
        return Err(format!("{}: {}", ended.status, last.chars().take(SAID_MAX).collect::<String>()));
    }
    let read = move || {
        let bytes = std::fs::read(&out)?;
        std::fs::remove_file(&out)?;
        let made = speaker_of(&bytes, &champion).map_err(io::Error::other)?;
        let kept = made.model.to_bytes().map_err(io::Error::other).and_then(|it| write_whole(&beside, &it));
        if let Err(error) = kept {
            tracing::warn!(%error, "the new model cannot be written down: its trial ends with this process");
        }
        Ok(made)
    };
    let made = tokio::task::spawn_blocking(read).await.map_err(|error| error.to_string())?;
    made.map(Arc::new).map_err(told)
}

/// The model in these bytes. Nobody tells us what our own failures were, so the one that speaks goes on telling kinds apart.
pub(super) fn speaker_of(bytes: &[u8], champion: &Speaker) -> Result<Speaker, ModelFileError> {
    let made = Speaker::of(bytes, Origin::Learned)?;
    if made.model.kinds.is_some() {
        return Ok(made);
    }
    let mut model = made.model;
    model.kinds.clone_from(&champion.model.kinds);
    Speaker::of(&model.to_bytes()?, Origin::Learned)
}
