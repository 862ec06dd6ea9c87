//! One editor at a time, and every device can check that for itself.
//!
//! A deck's terms form a hash-linked, signed tree. [`Chain`] holds the records of one deck and knows which of its
//! changes are held, and answers from that set alone what is canonical, who the editor is, and what came too late.
//! Everything here is pure: no clock, no randomness, no input or output, ordered collections only; so equal sets
//! give equal answers whatever the order of arrival.
//!
//! | file | subject |
//! |---|---|
//! | `record` | what the records say |
//! | `layout`, `bytes` | their one encoding |
//! | `signed` | from bytes that claim something to records that are proved |
//! | `actor` | which Automerge actor writes in which term or draft |
//! | `chain` | the records of one deck, and the door they come in by |
//! | `questions` | what a chain can be asked |
//! | `charters` | the owner's word: which is the newest, who has which right |
//! | `admit` | who was let in beside those whom the charter lists |
//! | `keys` | the deck's key, and how it is turned over |
//! | `line` | which changes of one term are held, branches of a cheat included |
//! | `seals` | which seals of one term are worth keeping, and the proof of a cheat |
//! | `canonical` | the choice at each divergence |
//! | `late` | what is signed and held, and not canonical |
//! | `withdrawal` | the author's word that a draft is not to be accepted any more |
//! | `word` | what is said about the role, and forgotten |
//! | `shown`, `playing` | what a member shows of itself, and what the editor plays: signed, and forgotten |
//!
//! Membership is judged when choosing, never when a record arrives: a charter that comes later may change it. What
//! `Chain` refuses is what no charter could ever make right.

mod actor;
mod admit;
mod bytes;
mod canonical;
mod chain;
mod charters;
mod keys;
mod late;
mod layout;
mod line;
mod playing;
mod questions;
mod record;
mod seals;
mod shown;
mod signed;
#[cfg(test)]
mod tests;
mod withdrawal;
mod word;

pub use actor::{actor_of_draft, actor_of_genesis, actor_of_term, draft_id};
pub use admit::{Admit, Admitted, Voucher};
pub use bytes::Malformed;
pub use canonical::{Canonical, Missing, Standing, Step};
pub use chain::{Added, Chain, RecordRef, Refusal};
pub use keys::{DeckKey, KeyEpoch, WrappedKeys};
pub use late::LateWork;
pub use layout::Record;
pub use line::Line;
pub use playing::{Playing, Track};
pub use record::{Cause, Charter, Cut, Draft, Genesis, Member, Point, Rights, Seal, Term};
pub use seals::Equivocation;
pub use shown::{Presence, Selection, Shown};
pub use signed::{RecordId, Signed, Unproved, Verified};
pub use withdrawal::Withdrawal;
pub use word::{Says, Word};
