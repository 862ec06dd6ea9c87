//! What a change of the log says of itself: its hash, its number, what it depends on and what it accepts or declines.
//!
//! Some of what is asked about has not passed the gate yet, and some never will. So nothing here is left to Automerge that the
//! gate does not let through, whoever wrote it.

use automerge::Change;
use sha2::{Digest, Sha256};

use crate::gate;
use crate::id::{ChangeHash, DraftId, TermId};
use crate::op::{Note, Notes, names, names_any};

/// The hash of a change, which is that of its bytes behind the checksum; `None` where the checksum says otherwise (a damaged
/// disk, or another's bytes). Nothing of them is read for that.
pub(crate) fn hash_of(bytes: &[u8]) -> Option<ChangeHash> {
    let hash = ChangeHash(Sha256::digest(bytes.get(8..)?).into());
    may_be(bytes, &hash).then_some(hash)
}

/// Whether these can be the bytes of a change with this hash: they begin with its first four bytes. [`hash_of`] tells.
pub(crate) fn may_be(bytes: &[u8], hash: &ChangeHash) -> bool {
    bytes.get(4..8) == hash.0.get(..4)
}

/// What a change depends on.
pub(crate) fn dependencies_of(bytes: &[u8]) -> Option<Vec<ChangeHash>> {
    Some(gate::read(bytes).ok()?.deps().to_vec())
}

/// Whether a change may depend on more than the one before.
pub(crate) fn merges(bytes: &[u8]) -> bool {
    names_any(bytes, [DRAFT_ACCEPT, LATE_ACCEPT])
}

/// What a change accepts of late work, if it does: the term, and what the change depends on; the late head is among it.
pub(crate) fn late_acceptance(bytes: &[u8]) -> Option<(TermId, Vec<ChangeHash>)> {
    let (notes, change) = verdict(bytes, LATE_ACCEPT)?;
    match notes.as_slice() {
        [Note::LateAccept { term }] => Some((*term, change.deps().to_vec())),
        _ => None,
    }
}

/// The number of a change in its line.
pub(crate) fn number_of(bytes: &[u8]) -> Option<u64> {
    Some(gate::read(bytes).ok()?.seq())
}

const LATE_ACCEPT: &[u8] = b"\"late.accept\"";
const DRAFT_ACCEPT: &[u8] = b"\"draft.accept\"";
const DRAFT_DECLINE: &[u8] = b"\"draft.decline\"";

/// The draft that a change accepts, if it accepts one, and what the change depends on: the draft's head is among it.
pub(crate) fn acceptance(bytes: &[u8]) -> Option<(DraftId, Vec<ChangeHash>)> {
    let (notes, change) = verdict(bytes, DRAFT_ACCEPT)?;
    match notes.as_slice() {
        [Note::DraftAccept { draft }] => Some((*draft, change.deps().to_vec())),
        _ => None,
    }
}

/// The draft that a change declines, if it declines one: up to which version, why, and the change's hash.
pub(crate) fn declined_draft(bytes: &[u8]) -> Option<(DraftId, u32, String, ChangeHash)> {
    let (notes, change) = verdict(bytes, DRAFT_DECLINE)?;
    match notes.as_slice() {
        [
            Note::DraftDecline {
                draft,
                version,
                reason,
            },
        ] => Some((*draft, *version, reason.clone(), change.hash())),
        _ => None,
    }
}

fn verdict(bytes: &[u8], op: &[u8]) -> Option<(Notes, Change)> {
    if !names(bytes, op) {
        return None;
    }
    let change = gate::read(bytes).ok()?;
    let notes = Notes::parse(change.message()?).ok()?;
    Some((notes, change))
}
