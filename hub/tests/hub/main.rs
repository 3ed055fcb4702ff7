//! Does the hub keep its word, seen from a real client of either era and from bare HTTP?

// Tests read the clock to give up, never to measure.
#![allow(clippy::disallowed_methods, missing_docs)]
// The legacy era lives, whatever the SDK says of it.
#![allow(deprecated)]

mod clients;
mod common;
mod faults;
mod limits;
mod streams;
mod wire;
