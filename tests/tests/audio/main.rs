//! Audio: from where it comes, who gets it, in which order, what happens when sources are slow, lie or leave, and when it
//! goes.
//!
//! All in the simulator, in virtual time, but for `engines`, which holds what an app holds.

mod collect;
mod engines;
mod hostile;
mod order;
mod sources;
mod stories;
mod who;
mod world;
