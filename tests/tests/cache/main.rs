//! What is answered without asking a hub, and is it right? The edge cache of the modern era, on real processes.

mod bounds;
mod changes;
mod failures;
mod hits;
mod measure;
mod private;
mod race;
mod stage;
