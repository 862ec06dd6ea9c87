//! What happens to one deck, as it happens.

use super::Deck;
use crate::engine::Events;
use crate::event::Event;

impl Deck {
    /// What happens to this deck from now on, in order; of its engine, what is about no deck at all is left out, but for
    /// [`Event::StoreFailed`]. The rule for slow readers is that of [`Events`], and counts the events of all decks.
    #[must_use]
    pub fn events(&self) -> DeckEvents {
        DeckEvents {
            deck: self.id,
            all: Events::new(self.shared.subscribe()),
        }
    }
}

/// What happens to one deck, in order. A reader that falls more than 4,096 events of the engine behind is told
/// [`Event::Lagged`], and takes another [`Deck::mirror`].
#[derive(Debug)]
pub struct DeckEvents {
    deck: crate::id::DeckId,
    all: Events,
}

impl DeckEvents {
    /// The next event; `None` once the engine was shut down and its last handle is gone. Cancel safe.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            let event = self.all.next().await?;
            let is_of_all = matches!(event, Event::StoreFailed { .. } | Event::Lagged { .. });
            if is_of_all || event.deck() == Some(self.deck) {
                return Some(event);
            }
        }
    }
}
