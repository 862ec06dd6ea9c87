//! Drafts, as an app holds them: what anybody may write, and the editor accepts or declines.

use crate::card::Card;
use crate::core::{
    Applied, Core, DeckError, DraftError, DraftInfo, DraftPreview, EditError, UndoError, Undone,
};
use crate::deck::Deck;
use crate::document::Edit;
use crate::driver::Saving;
use crate::id::{CardId, ChangeHash, DraftId};
use crate::op::OpError;
use crate::time::Time;

impl Deck {
    /// Opens a draft at the head of the deck: anybody may, also offline. Other members see it once it is proposed.
    ///
    /// # Errors
    /// [`EditError`]: when the deck has not arrived, when this device has too many drafts open, and when the note is too long.
    pub fn draft(&self, note: &str) -> Saving<Draft, EditError> {
        let deck = self.clone();
        self.shared
            .apply(|core, now| core.open_draft(now, self.id, note))
            .map(|id| Draft { deck, id })
    }

    /// The drafts that are known here: this device's own, those that members proposed, and those that became part of the
    /// deck. Of what was declined or withdrawn, the latest few of each author.
    ///
    /// # Errors
    /// While nothing of the deck has arrived.
    pub fn drafts(&self) -> Result<Vec<DraftInfo>, DeckError> {
        self.shared.read(|core| core.drafts(self.id))
    }

    /// A draft, to go on with.
    #[must_use]
    pub fn draft_of(&self, draft: DraftId) -> Draft {
        Draft {
            deck: self.clone(),
            id: draft,
        }
    }

    /// Makes a proposed draft part of the deck, whole. Only the editor can; its own drafts need not be proposed.
    ///
    /// # Errors
    /// [`DraftError`]: by any device but the editor, when it is not known here, and when it cannot be merged.
    pub fn accept_draft(&self, draft: DraftId) -> Saving<(), DraftError> {
        self.apply_edit(|core, now| core.accept_draft(now, self.id, draft))
    }

    /// Says that a proposed draft is not wanted, and why: an entry of the deck's history, which its author sees as soon
    /// as it hears of the deck. Only the editor can. The draft stays with its author, who may propose it again.
    ///
    /// # Errors
    /// [`DraftError`]: by any device but the editor, when it is not proposed, and when the reason is too long.
    pub fn decline_draft(&self, draft: DraftId, reason: &str) -> Saving<(), DraftError> {
        self.apply_edit(|core, now| core.decline_draft(now, self.id, draft, reason))
    }
}

/// A private branch of a deck, with the same edits. It survives restarts. Once proposed, it is offered to the editor
/// over every device that is linked, until the editor accepts or declines it or it is withdrawn.
#[derive(Debug, Clone)]
pub struct Draft {
    deck: Deck,
    id: DraftId,
}

impl Draft {
    pub(crate) const fn deck(&self) -> &Deck {
        &self.deck
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> DraftId {
        self.id
    }

    /// What there is to say of it: state, author, length, when.
    ///
    /// # Errors
    /// When it is not known here (any more).
    pub fn info(&self) -> Result<DraftInfo, DraftError> {
        self.read(|core| core.draft(self.deck.id, self.id))
    }

    /// What its author says of it.
    ///
    /// # Errors
    /// When it is not known here (any more).
    pub fn note(&self) -> Result<String, DraftError> {
        Ok(self.info()?.note)
    }

    /// The head of the deck that it was opened at.
    ///
    /// # Errors
    /// When it is not known here (any more).
    pub fn base(&self) -> Result<ChangeHash, DraftError> {
        Ok(self.info()?.base)
    }

    /// Changes the draft, as [`Deck::edit`] changes a deck, and with the same bounds on what `edit` may do. A draft that
    /// was proposed, declined or withdrawn can be edited on, too; [`Draft::propose`] then offers all of it.
    ///
    /// # Errors
    /// [`EditError`]: what the operations say, when it is not a draft of this device, was accepted, or is as long as it may be.
    pub fn edit<T>(&self, edit: impl FnOnce(&mut Edit<'_>) -> Result<T, OpError>) -> Saving<T, EditError> {
        self.apply_edit(|core, now| core.edit_draft(now, self.deck.id, self.id, edit))
    }

    /// Takes back the latest edit of the draft, as [`Deck::undo`] does in a deck.
    ///
    /// # Errors
    /// [`UndoError`]: where there is nothing to undo, and as [`Draft::edit`].
    pub fn undo(&self) -> Saving<Undone, UndoError> {
        self.apply_edit(|core, now| core.undo_draft(now, self.deck.id, self.id))
    }

    /// Takes back the latest undo in the draft, as [`Deck::redo`] does in a deck.
    ///
    /// # Errors
    /// [`UndoError`]: where there is nothing to redo, and as [`Draft::edit`].
    pub fn redo(&self) -> Saving<Undone, UndoError> {
        self.apply_edit(|core, now| core.redo_draft(now, self.deck.id, self.id))
    }

    /// The deck's cards as its author sees them: as they were when the draft was opened, with its edits.
    ///
    /// # Errors
    /// When the draft is not known here.
    pub fn cards(&self) -> Result<Vec<Card>, DraftError> {
        self.read(|core| core.draft_cards(self.deck.id, self.id))
    }

    /// One card as its author sees it; also a deleted one.
    ///
    /// # Errors
    /// When the draft is not known here.
    pub fn card(&self, card: &CardId) -> Result<Option<Card>, DraftError> {
        self.read(|core| core.draft_card(self.deck.id, self.id, card))
    }

    /// What accepting it would do to the deck as it is now, card by card.
    ///
    /// # Errors
    /// When the draft is not known here, or cannot be merged.
    pub fn preview(&self) -> Result<DraftPreview, DraftError> {
        self.read(|core| core.preview_draft(self.deck.id, self.id))
    }

    /// Signs all of the draft and offers it to the editor, now or as soon as there is a way to it. Called again it
    /// offers what was added since; and a draft that was declined or withdrawn, anew.
    ///
    /// # Errors
    /// [`DraftError`]: when it is empty, accepted, or not this device's own.
    pub fn propose(&self) -> Saving<(), DraftError> {
        self.deck
            .shared
            .apply(|core, now| core.propose_draft(now, self.deck.id, self.id))
    }

    /// Edits a draft that may be proposed already and offers the longer one: [`Draft::edit`] and [`Draft::propose`] in
    /// one. Where the editor accepts the shorter one first, what was added is offered as the rest of it.
    ///
    /// # Errors
    /// What either says.
    pub async fn extend<T: Unpin>(
        &self,
        edit: impl FnOnce(&mut Edit<'_>) -> Result<T, OpError>,
    ) -> Result<T, DraftError> {
        let value = self.edit(edit).at_once()?;
        self.propose().await?;
        Ok(value)
    }

    /// Takes the proposal back. The draft stays here, and can be edited on and proposed again. An editor who accepted it
    /// before hearing of this has accepted it.
    ///
    /// # Errors
    /// [`DraftError`]: when it was not proposed, is accepted, or not this device's own.
    pub fn withdraw(&self) -> Saving<(), DraftError> {
        self.deck
            .shared
            .apply(|core, now| core.withdraw_draft(now, self.deck.id, self.id))
    }

    /// Writes the draft anew: what it did, done again on the deck as it is now, in a new draft, which is returned. The old
    /// one, if it is proposed, is withdrawn. For a draft that cannot be merged as it is: [`DraftError::BaseMissing`],
    /// [`DraftError::Unmergeable`], [`DraftRefusal::Rewritten`](crate::DraftRefusal::Rewritten).
    ///
    /// # Errors
    /// [`DraftError`]: when it is not this device's own, is accepted, or does nothing any more.
    pub fn write_anew(&self) -> Saving<Self, DraftError> {
        let deck = self.deck.clone();
        self.deck
            .shared
            .apply(|core, now| core.write_draft_anew(now, self.deck.id, self.id))
            .map(|id| Self { deck, id })
    }

    /// Forgets the draft for good: one that was never proposed, or was withdrawn or declined.
    ///
    /// # Errors
    /// [`DraftError`]: while it is proposed, once any of it is part of the deck, and when it is not this device's own.
    pub fn discard(&self) -> Saving<(), DraftError> {
        self.deck
            .shared
            .apply(|core, now| core.discard_draft(now, self.deck.id, self.id))
    }

    /// As [`Deck::accept_draft`].
    ///
    /// # Errors
    /// As [`Deck::accept_draft`].
    pub fn accept(&self) -> Saving<(), DraftError> {
        self.deck.accept_draft(self.id)
    }

    /// As [`Deck::decline_draft`].
    ///
    /// # Errors
    /// As [`Deck::decline_draft`].
    pub fn decline(&self, reason: &str) -> Saving<(), DraftError> {
        self.deck.decline_draft(self.id, reason)
    }

    fn apply_edit<T, E>(&self, think: impl FnOnce(&mut Core, Time) -> Result<Applied<T>, E>) -> Saving<T, E> {
        let made = |core: &Core| Some(core.log(self.deck.id).ok()?.drafts.get(&self.id)?.head());
        self.deck.apply_change(think, made)
    }

    fn read<T>(&self, read: impl FnOnce(&Core) -> Result<T, DraftError>) -> Result<T, DraftError> {
        self.deck.shared.read(read)
    }
}
