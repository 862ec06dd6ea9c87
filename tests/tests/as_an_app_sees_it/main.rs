//! The engine as an app sees it: what it is told, what it can set aside, and what happens while it sleeps.

mod asleep;
mod early;
mod followed;
mod lagged;
mod many_decks;
mod round_trips;
mod silent;
mod suspended;
mod told;
mod world;
