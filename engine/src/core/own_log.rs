//! Reading what this device wrote itself: changes from its own log, which the gate or the commit has checked.

use automerge::Change;

use crate::card::AudioRef;
use crate::document::Document;
use crate::id::{ChangeHash, DraftId};
use crate::op::{Note, Notes};

/// The hash of a change; `None` if the bytes are not one (a damaged disk).
pub(crate) fn hash_of(bytes: &[u8]) -> Option<ChangeHash> {
    Some(Change::try_from(bytes).ok()?.hash())
}

/// The draft that a change accepts, if it accepts one.
pub(crate) fn accepted_draft(bytes: &[u8]) -> Option<DraftId> {
    const NAME: &[u8] = b"\"draft.accept\"";
    // Parsing every change of a long log would cost more than reading it; the message is spelled in the clear.
    if !bytes.windows(NAME.len()).any(|window| window == NAME) {
        return None;
    }
    let change = Change::try_from(bytes).ok()?;
    let notes = Notes::parse(change.message()?).ok()?;
    notes.as_slice().iter().find_map(|note| match note {
        Note::DraftAccept { draft } => Some(*draft),
        _ => None,
    })
}

/// All the audio that a deck refers to.
pub(crate) fn audio_of(document: &Document) -> Vec<AudioRef> {
    document
        .all_cards()
        .flat_map(|card| card.audio.into_values())
        .collect()
}
