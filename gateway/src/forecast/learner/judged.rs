//! What comes of a trial, and how does the better model get the other one's place?

use crate::forecast::recorder::write_whole;
use crate::forecast::speaker::{Origin, Speaker};
use mcphub_predictor::insight::contest::{ContestError, Outcome};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// What the contest says, and whether the better model could be written down.
pub(super) type Decided = (Result<Outcome, ContestError>, io::Result<()>);

/// The model that speaks from now on, when it is another one, and what became of the new one, in words.
pub(super) fn conclude(
    challenger: Arc<Speaker>,
    champion: &Speaker,
    decided: Decided,
) -> (Option<Arc<Speaker>>, String) {
    let (new, old) = (challenger.name.clone(), &champion.name);
    match decided {
        (Ok(Outcome::Replaced(score)), Ok(())) => {
            tracing::warn!(new, old, ?score, "the new model is better, and speaks from now on");
            (Some(challenger), format!("the model {new} was better than {old}, and speaks"))
        }
        (Ok(Outcome::Replaced(_)), Err(error)) => {
            tracing::error!(new, old, %error, "the new model is better, but cannot be written down: the old one stays");
            (None, format!("the model {new} was better than {old}, but could not be written down: {error}"))
        }
        (Ok(Outcome::Stays(score)), _) => {
            tracing::info!(new, old, ?score, "the new model is not better in everything: the old one stays");
            (None, format!("the model {new} was not better than {old} in everything"))
        }
        (Ok(Outcome::TooFew { episodes }), _) => {
            tracing::info!(new, old, episodes, "too few failures came to judge the new model by");
            (None, too_few(&new, episodes))
        }
        (Err(error), _) => {
            tracing::warn!(new, old, %error, "the new model cannot be judged: the old one stays");
            (None, format!("the model {new} could not be judged: {error}"))
        }
    }
}

pub(super) fn too_few(new: &str, failures: usize) -> String {
    format!("the model {new} met {failures} failures, too few to judge it by")
}

/// Puts a model in the place of the one that was learnt before, which stays beside it. At every moment there is a whole one.
pub(super) fn keep(path: &Path, previous: &Path, new: &Speaker, old: &Speaker) -> io::Result<()> {
    let bytes = |speaker: &Speaker| speaker.model.to_bytes().map_err(io::Error::other);
    match old.origin {
        Origin::Learned => write_whole(previous, &bytes(old)?)?,
        // What was learnt before in the place of another one is nothing to go back to.
        Origin::BuiltIn | Origin::File => match std::fs::remove_file(previous) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        },
    }
    write_whole(path, &bytes(new)?)
}
