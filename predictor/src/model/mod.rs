//! What can be learnt from rows of features?
//!
//! Learners of one question each: given a row, how likely is the event? Fitting is smartcore's; serving is ours, because
//! a forecast must be cheap, must refuse a row that it was not made for, and must say which features moved it.

mod forest;
mod logistic;
mod node;
mod rows;

pub use forest::{DEPTH_MAX, FitError, Forest, ForestSettings};
pub use logistic::{Logistic, LogisticSettings, Term};
pub use node::{Node, NodesError};
pub use rows::{CELLS_MAX, Rows, RowsError};
