//! Which hub serves this request, and which table said so?
//!
//! **Owns** the vocabulary of hubs (ids, types, locations, states, eras), the immutable [`RoutingTable`], the pure
//! choice [`select`] with its step-by-step twin [`explain`], and the one [`Publisher`] with its many [`Reader`]s.
//!
//! **Does not know** configuration files, serialisation, async, MCP messages, geography or the clock: costs arrive
//! as plain milliseconds, time as [`MonoTime`], and dice as a turn or a key in the query.
//!
//! The way of a table: a [`TableSpec`] is checked and laid out once by [`RoutingTable::build`]; what changes from
//! second to second (states, health, eras) is changed by [`RoutingTable::revise`], which shares the layout.

mod balance;
mod explain;
mod layout;
mod pool;
mod publish;
mod query;
mod rank;
mod select;
mod spec;
mod state;
mod table;
mod time;
mod walk;
mod words;

pub use explain::{Explanation, GroupView, HubView, PinView, Step, Verdict, explain};
pub use publish::{Generational, Guard, Publisher, Reader, Stale, channel};
pub use query::{Choice, Excluded, Loads, NoLoads, Pin, Refusal, Residency, RouteQuery};
pub use select::select;
pub use spec::{
    Algorithm, HUBS_MAX, HubSpec, PLACES_MAX, PlaceResidency, PlaceSpec, RESIDENCIES_MAX, Reach,
    ResidencySpec, SpecError, SpecFlaw, TableSpec,
};
pub use state::{Cause, HubState};
pub use table::{Hub, Revision, RoutingTable, Tier};
pub use time::MonoTime;
pub use words::{
    BadWord, Era, EraSet, Generation, HubId, HubIndex, HubType, LocationName, PlaceIndex, PlaceName,
    ResidencyId, ResidencyIndex, Share, Weight,
};
