//! A deck for other Automerge tools: a plain document out, and changes of a draft back in.
//!
//! Any program that speaks Automerge can read a deck: [`Deck::automerge_document`] is an ordinary document, with the whole
//! history, and what each change did stands in its message. It holds no proof of who wrote what and no audio; whoever has
//! to believe a deck takes what [`Deck::export`] writes.
//!
//! Such a program can also *write*, as the author of a draft of this device:
//!
//! 1. open a draft ([`Deck::draft`]), and give the program [`Draft::automerge_document`] and [`Draft::actor`];
//! 2. it makes its changes under that actor, each with a message that names what it does (below);
//! 3. it gives back the bytes of each change as Automerge makes them, uncompressed (`getLastLocalChange` in JavaScript),
//!    and [`Draft::take_changes`] takes them in, as if they had been edited here. [`Draft::propose`] then offers them.
//!
//! They pass the [gate](crate::gate) like what another device sends, so a change of any other actor, with keys, types or
//! values that a deck has not, or whose message is not what it did, is refused by name. The message is compact JSON without
//! content, of exactly this spelling; several ops are `{"op":"batch","ops":[…]}`, each once:
//!
//! ```json
//! {"op":"card.add","card":"<id>"}
//! {"op":"card.text","card":"<id>","field":"front"}
//! {"op":"card.move","card":"<id>"}
//! {"op":"card.delete","card":"<id>"}
//! {"op":"card.restore","card":"<id>"}
//! {"op":"card.tag","card":"<id>"}
//! {"op":"card.untag","card":"<id>"}
//! {"op":"card.field","card":"<id>","name":"<name>"}
//! {"op":"audio.attach","card":"<id>","slot":"<slot>"}
//! {"op":"audio.detach","card":"<id>","slot":"<slot>"}
//! {"op":"deck.rename"}
//! {"op":"deck.field","name":"<name>"}
//! ```
//!
//! What the document is made of is said in [`card`](crate::card). Texts (`front`, `back`, `texts`) are Automerge texts,
//! and all other strings are scalars (`ImmutableString` in JavaScript).

use crate::core::{DeckError, DraftError};
use crate::deck::{Deck, Draft};
use crate::driver::Saving;

impl Deck {
    /// The deck as a plain Automerge document, as any Automerge tool opens it: cards, texts, and all of its history. Takes
    /// about a tenth of a second for a deck of 100,000 changes, and holds nobody else up. See [the module](crate::foreign).
    ///
    /// What is typed and not yet made is not in it, and neither are drafts that were not accepted.
    ///
    /// # Errors
    /// While nothing of the deck has arrived.
    pub fn automerge_document(&self) -> Result<Vec<u8>, DeckError> {
        let document = self
            .shared()
            .read(|core| Ok::<_, DeckError>(core.log(self.id())?.document.clone()))?;
        Ok(document.for_other_tools())
    }
}

impl Draft {
    /// The deck with this draft in it, as [`Deck::automerge_document`] gives the deck: for a program that goes on with the
    /// draft under its [actor](Draft::actor).
    ///
    /// # Errors
    /// When the draft is not known here.
    pub fn automerge_document(&self) -> Result<Vec<u8>, DraftError> {
        let (deck, draft) = (self.deck(), self.id());
        let document = deck.shared().read(|core| core.draft_document(deck.id(), draft))?;
        Ok(document.for_other_tools())
    }

    /// Who writes in this draft, as Automerge names it: 16 bytes, which tools show in hexadecimal digits.
    ///
    /// # Errors
    /// When the draft is not known here.
    pub fn actor(&self) -> Result<Vec<u8>, DraftError> {
        let (deck, draft) = (self.deck(), self.id());
        deck.shared().read(|core| core.draft_actor(deck.id(), draft))
    }

    /// Takes changes that another Automerge tool made in this draft: all of them, in order, or none. They go on where the
    /// draft is. See [the module](crate::foreign) for what such a tool has to do.
    ///
    /// What the gate does not let in is [`DraftError::ForeignChange`], which says why.
    pub fn take_changes(&self, changes: &[Vec<u8>]) -> Saving<(), DraftError> {
        let (deck, draft) = (self.deck(), self.id());
        deck.shared()
            .apply(|core, now| core.take_draft_changes(now, deck.id(), draft, changes))
    }
}
