//! How does a record become a model?
//!
//! The same steps for a simulator's series and for a gateway's own telemetry: replay each entity's samples into rows
//! ([`Series::examples`]), fit on those of all ([`Recipe::fit`]), and ask, for every choice that is made, only models
//! that have not seen the entity they score ([`out_of_fold`]). Rows of one entity are like their neighbours in time, so
//! a random half of them would be half of the answers. [`teach`] does all of it and makes a whole
//! model.

mod examples;
mod folds;
mod recipe;
mod series;
mod teach;

pub use examples::Examples;
pub use folds::{FoldError, fold_of, out_of_fold};
pub use recipe::Recipe;
pub use series::{Series, SeriesError};
pub use teach::{Failed, HUBS_MIN, KIND_FAILURES_MIN, Pupil, TeachError, Teaching, teach};
