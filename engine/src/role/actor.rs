//! Which Automerge actor writes where. An actor is never chosen, always derived: so nobody can write under another's
//! name, and a term or draft that was begun anew can never reuse an (actor, seq).

use automerge::ActorId;

use crate::id::{DeckId, DraftId, TermId};
use cuecard_transport::DeviceId;

/// The actor of a deck's first change, the same on every device.
#[must_use]
pub fn actor_of_genesis(deck: DeckId) -> ActorId {
    actor("cuecard actor of genesis v0", &[deck.as_bytes()])
}

/// The actor of a term's changes.
#[must_use]
pub fn actor_of_term(term: TermId) -> ActorId {
    actor("cuecard actor of term v0", &[term.as_bytes()])
}

/// The actor of a draft's changes. Rewriting a draft takes a new nonce, and so a new actor.
#[must_use]
pub fn actor_of_draft(deck: DeckId, author: DeviceId, nonce: [u8; 16]) -> ActorId {
    actor(
        "cuecard actor of draft v0",
        &[deck.as_bytes(), author.as_bytes(), &nonce],
    )
}

/// The id of a draft: the same while the draft is extended.
#[must_use]
pub fn draft_id(deck: DeckId, author: DeviceId, nonce: [u8; 16]) -> DraftId {
    DraftId::from_bytes(derive(
        "cuecard draft v0",
        &[deck.as_bytes(), author.as_bytes(), &nonce],
    ))
}

fn actor(purpose: &str, parts: &[&[u8]]) -> ActorId {
    let derived = derive(purpose, parts);
    let (actor, _) = derived.split_at(16);
    ActorId::from(actor)
}

/// All parts have a fixed length, so joining them is unambiguous.
fn derive(purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(purpose);
    for part in parts {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}
