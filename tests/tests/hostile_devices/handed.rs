//! A deck that was handed over to mallory: she may send what she likes as its editor, and say that more is coming.

use cuecard::document::Document;
use cuecard::limits::CHECKED_OUTSIDE_MIN;
use cuecard::sim::Intruder;
use cuecard::sync::message::{Item, Message, Position};
use cuecard::{Member, Rights, TermId};

use super::authority::sealed;
use super::world::*;

/// A deck whose editor mallory is.
pub(super) struct Handed {
    pub(super) world: World,
    pub(super) term: TermId,
    pub(super) document: Document,
    /// A slice that the laptop has.
    pub(super) known: Item,
}

impl Handed {
    pub(super) fn new(seed: u64) -> Self {
        let mut world = World::new(seed, Some(Rights::Hold));
        let (laptop, deck, mallory) = (world.laptop, world.deck, world.mallory.id());
        let term = act(&mut world.sim, laptop, |core, now| {
            core.hand_over(now, deck, mallory).unwrap().value
        });
        world.sim.run_for(SOON);
        let (document, at) = world.document();
        Self {
            known: known_slice(&document, at),
            world,
            term,
            document,
        }
    }

    /// Mallory is the editor of another deck of the laptop's, which all is about from now on. Says how many cards it has.
    pub(super) fn on_another_deck(&mut self) -> usize {
        let (laptop, mallory) = (self.world.laptop, self.world.mallory.id());
        let member = Member {
            device: mallory,
            rights: Rights::Hold,
            rank: 1,
        };
        let sim = &mut self.world.sim;
        let deck = act(sim, laptop, |core, now| {
            core.create_deck(now, "French").unwrap().value
        });
        sim.run_for(SOON);
        act(sim, laptop, |core, now| {
            core.set_members(now, deck, vec![member]).unwrap()
        });
        sim.run_for(SOON);
        self.world.deck_key = act(sim, laptop, |core, _| core.deck_key(deck).unwrap());
        self.term = act(sim, laptop, |core, now| {
            core.hand_over(now, deck, mallory).unwrap().value
        });
        sim.run_for(SOON);
        self.world.deck = deck;
        self.document = self.world.document().0;
        self.cards()
    }

    /// Mallory is linked, and says that it has far more than it will ever send.
    pub(super) fn promise(&mut self) -> Intruder {
        let intruder = self.world.intrude();
        let status = self.promised();
        self.world.sim.say(intruder, &status);
        intruder
    }

    pub(super) fn promised(&self) -> Message {
        let at = Position {
            term: self.term,
            len: 0,
            head: self.document.heads()[0],
        };
        Message::Status {
            deck: self.world.deck,
            charter: Some((0, 0)),
            locator: vec![at],
            beside: NOTHING,
            changes: 1_000_000,
        }
    }

    pub(super) fn say(&mut self, intruder: Intruder, item: Item) {
        let (deck, items) = (self.world.deck, vec![item]);
        self.world.sim.say(intruder, &Message::Entries { deck, items });
    }

    pub(super) fn slice(&mut self, number: u64) -> Item {
        let (front, mallory) = (format!("number {number}"), self.world.mallory.clone());
        let place = (self.term, number);
        sealed(
            &self.world,
            &mut self.document,
            place,
            &front,
            1_750_000_000_000,
            &mallory,
        )
    }

    /// As many slices as are checked outside.
    pub(super) fn slices_of_a_check(&mut self) -> Vec<Item> {
        self.more_slices_of_a_check(1)
    }

    /// The same, from some number on.
    pub(super) fn more_slices_of_a_check(&mut self, from: u64) -> Vec<Item> {
        let count = CHECKED_OUTSIDE_MIN as u64 + 10;
        (from..from + count).map(|number| self.slice(number)).collect()
    }

    /// A batch of slices is being checked, and its last messages say nothing yet.
    pub(super) fn check(&mut self, intruder: Intruder) -> u64 {
        let slices = self.slices_of_a_check();
        let count = slices.len() as u64;
        for slice in slices {
            self.say(intruder, slice);
        }
        let (laptop, deck) = (self.world.laptop, self.world.deck);
        let checks = |sim: &cuecard::sim::Sim| sim.is_checking(laptop, deck);
        let begun = self.world.sim.run_until("it is being checked", SOON, checks);
        begun.unwrap();
        assert_eq!(self.cards(), 3, "nothing of it counts");
        count
    }

    pub(super) fn cards(&self) -> usize {
        self.world.sim.cards(self.world.laptop, self.world.deck).len()
    }
}
