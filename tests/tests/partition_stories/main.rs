//! What happens to a deck when its devices lose each other: the role is claimed, handed over, taken, released and
//! withdrawn on sides that do not know of one another, and then they meet again.
//!
//! Each story ends the same way: all devices hold the same deck, at most one may edit it, and every edit that was
//! acknowledged is part of the deck, of a draft, or late work.

mod claims;
mod copies;
mod failover;
mod islands;
mod members;
mod owner;
mod requests;
mod world;
