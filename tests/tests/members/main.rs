//! Members of a deck, told as stories in the simulator: who is let in, by whom, what becomes of those who are not any
//! more; and what a device sees that is none.
//!
//! Each seed is another world. `CUECARD_SEED=n` runs that one alone, and `CUECARD_SEEDS=n` as many.

mod floods;
mod letting_in;
mod lineage;
mod removal;
mod silence;
mod two_ways;
mod world;
