//! What of a deck is not part of it: late work, and the proofs of a cheat.

use super::Deck;

use crate::core::{DeckError, LateError};
use crate::driver::Saving;
use crate::id::{ChangeHash, TermId};
use crate::role::{Equivocation, LateWork};

impl Deck {
    /// Signed changes that are not part of the deck. They are kept, and every device holds them in the end; the editor's
    /// engine accepts them by itself where nobody need be asked.
    ///
    /// # Errors
    /// While nothing of the deck has arrived.
    pub fn late_work(&self) -> Result<Vec<LateWork>, DeckError> {
        self.shared.read(|core| core.late_work(self.id))
    }

    /// Makes late work part of the deck, with all that it rests on. It stays its author's in the history. Only the editor
    /// can; what cannot be merged says why.
    pub fn accept_late_work(&self, term: TermId, head: ChangeHash) -> Saving<(), LateError> {
        self.apply_edit(|core, now| core.accept_late_work(now, self.id, term, head))
    }

    /// The proofs that a device sealed two different lines of one term as its editor: two of its own signatures each. The
    /// term counts up to where the lines part.
    ///
    /// # Errors
    /// While nothing of the deck has arrived.
    pub fn proofs(&self) -> Result<Vec<Equivocation>, DeckError> {
        self.shared.read(|core| core.proofs(self.id))
    }
}
