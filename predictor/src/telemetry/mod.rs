//! What has a hub been like?

mod sample;

pub use sample::{PERIOD, SIGNALS, Sample, Signal};
