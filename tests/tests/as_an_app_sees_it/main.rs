//! The engine as an app sees it: what it is told, what it can set aside, and what happens while it sleeps.

mod asleep;
mod early;
mod followed;
mod many_decks;
mod told;
mod world;
