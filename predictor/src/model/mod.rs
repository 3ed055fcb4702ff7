//! What can be learnt from rows of features?
//!
//! Learners of one question each: given a row, how likely is the event? Fitting is smartcore's; serving is ours, because
//! a forecast must be cheap, must refuse a row that it was not made for, and must say which features moved it. Around
//! them stands what makes a score a probability and a time, and the file in which all of it is kept.

mod blend;
pub mod calibration;
mod chances;
mod estimator;
pub mod file;
mod forest;
pub mod hazard;
mod kind;
mod logistic;
mod node;
pub mod prior;
pub mod profile;
mod rows;
mod teacher;
mod tempered;

pub use blend::{Blend, BlendSettings, LEAN};
pub use estimator::Estimator;
pub use forest::{DEPTH_MAX, FitError, Forest, ForestSettings};
pub use kind::{Kind, KindClassifier, KindSettings, Kinds, NAMED_AT};
pub use logistic::{Logistic, LogisticSettings, Term};
pub use node::{Node, NodesError};
pub use rows::{CELLS_MAX, Rows, RowsError};
pub use teacher::{TEACHER, teacher};
