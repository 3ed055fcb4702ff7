//! What does a forecast mean to an operator?
//!
//! How far it may be believed, what moved it, what the past has in common, what to do about it, and whether the model
//! that made it still fits. All of it is worked out from what is handed in.

pub mod actions;
mod chance;
pub mod confidence;
pub mod contest;
pub mod drift;
pub mod explain;
pub mod outlook;
pub mod patterns;
pub mod words;
