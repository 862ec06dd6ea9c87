//! Typing into a deck: edits that come one upon the other leave together.

use std::future::Future;

use super::Deck;
use crate::card::TextField;
use crate::core::EditError;
use crate::id::CardId;
use crate::op::{Op, Splice};

impl Deck {
    /// Replaces `delete` characters of a text at `at` by `insert`, as somebody types; both count Unicode scalar values.
    ///
    /// The first change leaves at once. What comes within the next 16 ms (see
    /// [`Builder::typing_window`](crate::Builder::typing_window)) waits for the rest of that time and then leaves as one
    /// change; reading the deck shows it from then on. Each call counts on those before it being done: `at` is the place in
    /// the text with all of them. Any other edit of the deck, a change that arrives, and shutting down let what waits leave
    /// first.
    ///
    /// It is under way when this returns, and dropping the future cancels nothing. Awaiting it waits until the change is
    /// durable, and says if this part of it was not possible; the others are then made all the same.
    pub fn type_text(
        &self,
        card: &CardId,
        field: TextField,
        at: usize,
        delete: usize,
        insert: &str,
    ) -> impl Future<Output = Result<(), EditError>> + Send + use<> {
        let splice = Splice {
            at,
            delete,
            insert: insert.to_owned(),
        };
        let op = Op::CardText {
            card: card.clone(),
            field,
            splices: vec![splice],
        };
        self.shared.type_op(self.id, op)
    }
}
