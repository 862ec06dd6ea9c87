//! `cuecard inspect`, as a person and as an intruder meet it. Every item of what the page is to show, and the test that
//! shows it:
//!
//! | item | test |
//! |---|---|
//! | the history as a graph: a lane a device, shaded by term, heads and merges marked, drafts to the side | `person::a_person_reads_the_history_and_travels_through_it` |
//! | runs of typing collapse; grouped by author and by time; search; links that lead back, to the past as well | the same |
//! | late work flagged | `late::late_work_is_flagged_in_the_graph` |
//! | an entry: op, author, term, time, what it depends on, its diff card by card, its audio, playable | `person::a_person_reads_…` |
//! | audio before and after, where it was replaced or taken away | `sounds::audio_is_heard_…` |
//! | the slider over heads, two of them where two lines were open; back to now | the same |
//! | any two points compared | the same |
//! | conflicts: every value, who wrote it, which shows and why | the same |
//! | devices: role, route, round trip, what each has | the same |
//! | an editor that is silent, and heard of again | `silent::a_person_sees_that_…` |
//! | who is there, what is played for everybody | `person::two_people_see_…`; over real links `linking::the_running_peer_…` |
//! | audio that is coming, how fast | `linking::a_transfer_that_is_interrupted_…` (the same numbers) |
//! | drafts: previewed, accepted, declined with a reason | `person::a_person_cuts_the_link_…` |
//! | the live log, filtered and paused | the same |
//! | the demo: cut the link, edit on both sides, reconnect, see the merge | the same |
//! | light, dark, 360 pixels, enough contrast; no kind of entry told by colour alone | `looks::it_fits_a_telephone_…` |
//! | nothing moves for who wants no motion | `looks::nothing_moves_…` |
//! | by keyboard alone, with names and roles | `looks::it_is_used_by_keyboard_alone` |
//! | decks made, removed and set aside by other commands while the page is open | `beside::the_page_hears_…` |
//! | text is text | `hostile::what_a_deck_holds_…` |
//! | token, cookie, origin, host, policy; the end | `door::…` |
//! | tens of thousands of entries, thousands of cards | `large::…`, measured by `cargo bench -p cuecard-demo --bench inspect` |
//!
//! Pictures of all of it are kept in `target/pictures/`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says so by a panic"
)]

mod beside;
mod decks;
mod door;
mod hostile;
mod large;
mod late;
mod looks;
mod person;
mod served;
mod silent;
mod sounds;
