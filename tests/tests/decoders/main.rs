//! Everything that reads what a peer or a disk gives, under seeded mutants of what is valid: no panic, no memory beyond
//! a bound, and one spelling where the form has one. Changes meet the real gate, whose document must come out unharmed.
//!
//! It runs on stable, in every run of the tests, for some seconds. For longer:
//!
//! ```sh
//! CUECARD_FUZZ_SECONDS=600 cargo test --release -p cuecard-tests --test decoders -- --nocapture
//! CUECARD_FUZZ_SEED=7 CUECARD_FUZZ=1000000 cargo test --release -p cuecard-tests --test decoders messages
//! ```
//!
//! A failure names its seed, the number of the input and the input. The decoders below a link (frames, proofs, knocks)
//! are hammered in the same way by the tests of `transport`.

mod batches;
mod bounded;
mod codes;
mod gate;
mod messages;
mod names;
mod on_disk;
mod records;
mod sessions;
mod world;
