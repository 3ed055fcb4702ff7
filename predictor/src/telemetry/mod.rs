//! What has a hub been like?
//!
//! | module | question |
//! |---|---|
//! | `sample` | what was it like in one period? |
//! | `period` | how does what the control loop sees become one sample? |
//! | `collect` | what has each hub of the fleet been like, and when did it fail? |
//! | `ring` | what was it like over the last day? |
//! | `code` | how is a value kept in two bytes? |
//! | `episodes` | when did it fail, over the last 30 days? |
//! | `history` | how do both hold together, whatever clocks do? |
//! | `wire` | how is that written down? |

mod code;
mod collect;
mod episodes;
mod history;
mod period;
mod ring;
mod sample;
mod wire;

pub use collect::{ACTED_WITHIN, Collector, Look, Span};
pub use episodes::{EPISODES_MAX, Episode, Episodes, KEPT, MERGE_GAP, Marks};
pub use history::{History, Missing};
pub use ring::{COARSE_MAX, FINE_MAX, MINUTE, PER_MINUTE, Ring, Slot};
pub use sample::{PERIOD, SIGNALS, Sample, Signal};
pub use wire::{BYTES_MAX, VERSION, WireError};
