//! What is ephemeral, on many devices in virtual time: who is there, what is played, what time it is elsewhere, what a deck
//! costs that nobody edits, and two devices that silently stand at different places.
//!
//! ```sh
//! CUECARD_SEEDS=50 cargo test -p cuecard-tests --test live playback -- --nocapture
//! ```

mod idle;
mod playback;
mod presence;
mod pulse;
mod world;
