//! A deck, the devices around it, and what a story asks of them.

use std::time::Duration;

use cuecard::core::Core;
use cuecard::sim::{Peer, Sim};
use cuecard::time::Time;
use cuecard::transport::memory::Conditions;
use cuecard::{DeckId, DraftId, DraftInfo, DraftState, Event, Member, Rights};

pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A deck of the laptop's with three cards, and the other devices with their rights.
pub(crate) struct World {
    pub(crate) sim: Sim,
    pub(crate) laptop: Peer,
    pub(crate) deck: DeckId,
    members: Vec<Member>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut sim = Sim::new(seed);
        let laptop = sim.device("laptop");
        let created = sim.act(laptop, |core, now| core.create_deck(now, "Spanish").unwrap());
        let deck = created.unwrap().value;
        let mut world = Self {
            sim,
            laptop,
            deck,
            members: vec![],
        };
        for front in ["uno", "dos", "tres"] {
            world.edit(laptop, front);
        }
        world.run();
        world
    }

    /// A device that follows the deck. Its cables are the story's to lay.
    pub(crate) fn device(&mut self, name: &str, rights: Option<Rights>) -> Peer {
        let peer = self.sim.device(name);
        let (laptop, deck) = (self.laptop, self.deck);
        if let Some(rights) = rights {
            self.give(self.sim.id(peer), rights);
        }
        let key = self
            .sim
            .act(laptop, |core, _| core.deck_key(deck).unwrap())
            .unwrap();
        self.act(peer, |core, now| core.join_deck(now, deck, key));
        peer
    }

    /// The owner's word on one member.
    pub(crate) fn give(&mut self, device: cuecard::DeviceId, rights: Rights) {
        self.members.retain(|member| member.device != device);
        let rank = 1;
        self.members.push(Member { device, rights, rank });
        self.members.sort_by_key(|member| member.device);
        let (laptop, deck, members) = (self.laptop, self.deck, self.members.clone());
        self.act(laptop, |core, now| core.set_members(now, deck, members).unwrap());
    }

    pub(crate) fn connect(&mut self, a: Peer, b: Peer) {
        self.sim.connect(a, b, Conditions::PERFECT);
        self.run();
    }

    /// Cuts a cable, and waits until both ends have noticed.
    pub(crate) fn cut(&mut self, a: Peer, b: Peer) {
        self.sim.cut(a, b);
        self.until("the cut is noticed", |world| !world.sim.is_linked(a, b));
    }

    pub(crate) fn mend(&mut self, a: Peer, b: Peer) {
        self.sim.mend(a, b);
        self.until("they are linked again", |world| world.sim.is_linked(a, b));
        self.run();
    }

    pub(crate) fn act<R>(&mut self, peer: Peer, act: impl FnOnce(&mut Core, Time) -> R) -> R {
        self.sim.act(peer, act).expect("it is running")
    }

    pub(crate) fn edit(&mut self, peer: Peer, front: &str) {
        let deck = self.deck;
        self.act(peer, |core, now| {
            core.edit(now, deck, |edit| edit.add_card(front, "?")).unwrap()
        });
    }

    pub(crate) fn run(&mut self) {
        self.sim.run_for(SOON);
        assert_eq!(self.sim.sent_too_early(), [], "seed {}", self.sim.seed());
    }

    pub(crate) fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        for _ in 0..6_000 {
            if done(self) {
                return;
            }
            self.sim.run_for(Duration::from_millis(10));
        }
        panic!("seed {}: still waiting until {what}", self.sim.seed());
    }

    /// Until what was done is on the disk.
    pub(crate) fn saved(&mut self, peer: Peer) {
        self.until("it is saved", |world| world.sim.is_all_saved(peer));
    }

    /// A draft with one card, not proposed.
    pub(crate) fn open(&mut self, peer: Peer, front: &str) -> DraftId {
        let deck = self.deck;
        let draft = self.act(peer, |core, now| core.open_draft(now, deck, front).unwrap().value);
        self.write(peer, draft, front);
        draft
    }

    pub(crate) fn write(&mut self, peer: Peer, draft: DraftId, front: &str) {
        let deck = self.deck;
        self.act(peer, |core, now| {
            core.edit_draft(now, deck, draft, |edit| edit.add_card(front, "?").map(drop))
                .unwrap()
        });
    }

    pub(crate) fn propose(&mut self, peer: Peer, draft: DraftId) {
        let deck = self.deck;
        self.act(peer, |core, now| core.propose_draft(now, deck, draft).unwrap());
    }

    /// A draft with one card, proposed.
    pub(crate) fn proposed(&mut self, peer: Peer, front: &str) -> DraftId {
        let draft = self.open(peer, front);
        self.propose(peer, draft);
        draft
    }

    pub(crate) fn withdraw(&mut self, peer: Peer, draft: DraftId) {
        let deck = self.deck;
        self.act(peer, |core, now| core.withdraw_draft(now, deck, draft).unwrap());
    }

    pub(crate) fn accept(&mut self, peer: Peer, draft: DraftId) {
        let deck = self.deck;
        self.act(peer, |core, now| core.accept_draft(now, deck, draft).unwrap());
    }

    pub(crate) fn decline(&mut self, peer: Peer, draft: DraftId, reason: &str) {
        let deck = self.deck;
        self.act(peer, |core, now| {
            core.decline_draft(now, deck, draft, reason).unwrap()
        });
    }

    pub(crate) fn hand_over(&mut self, from: Peer, to: Peer) {
        let (deck, to) = (self.deck, self.sim.id(to));
        self.act(from, |core, now| core.hand_over(now, deck, to).unwrap());
    }

    pub(crate) fn info(&self, peer: Peer, draft: DraftId) -> Option<DraftInfo> {
        self.sim
            .drafts(peer, self.deck)
            .into_iter()
            .find(|info| info.draft == draft)
    }

    pub(crate) fn state(&self, peer: Peer, draft: DraftId) -> Option<DraftState> {
        self.info(peer, draft).map(|info| info.state)
    }

    pub(crate) fn is_proposed(&self, peer: Peer, draft: DraftId) -> bool {
        self.state(peer, draft).is_some_and(|state| state.is_proposed())
    }

    pub(crate) fn declined(&self, by: Peer, reason: &str) -> Option<DraftState> {
        let (by, reason) = (self.sim.id(by), reason.to_owned());
        Some(DraftState::Declined { by, reason })
    }

    pub(crate) fn delivered(&self, to: &[Peer]) -> Option<DraftState> {
        let to = to.iter().map(|peer| self.sim.id(*peer)).collect();
        Some(DraftState::Delivered { to })
    }

    /// The fronts of the cards, in order.
    pub(crate) fn fronts(&self, peer: Peer) -> Vec<String> {
        let cards = self.sim.cards(peer, self.deck);
        cards.into_iter().map(|card| card.front).collect()
    }

    /// How often each card is there.
    pub(crate) fn has(&self, peer: Peer, front: &str) -> usize {
        self.fronts(peer).iter().filter(|known| *known == front).count()
    }

    /// All have the same head and the same cards, and nobody was refused or has a broken disk.
    pub(crate) fn assert_one_deck(&mut self, peers: &[Peer]) {
        let (seed, head) = (self.sim.seed(), self.sim.head(peers[0], self.deck));
        assert!(head.is_some());
        for &peer in peers {
            assert_eq!(self.sim.head(peer, self.deck), head, "seed {seed}: {peer:?}");
            assert_eq!(
                self.sim.document_heads(peer, self.deck),
                [head.unwrap()],
                "{peer:?}"
            );
            assert_eq!(self.fronts(peer), self.fronts(peers[0]), "{peer:?}");
            for event in self.sim.take_events(peer) {
                let trouble = matches!(
                    event,
                    Event::Refused { .. } | Event::StoreFailed { .. } | Event::DeckBroken { .. }
                );
                assert!(!trouble, "{peer:?}: {event:?}");
            }
        }
    }

    /// What a device was told of a draft since this was last asked.
    pub(crate) fn told(&mut self, peer: Peer, of: DraftId) -> Vec<&'static str> {
        let events = self.sim.take_events(peer).into_iter();
        let name = |event| match event {
            Event::DraftProposed { draft, .. } if draft == of => Some("proposed"),
            Event::DraftDelivered { draft, .. } if draft == of => Some("delivered"),
            Event::DraftRefused { draft, .. } if draft == of => Some("refused"),
            Event::DraftAccepted { draft, .. } if draft == of => Some("accepted"),
            Event::DraftDeclined { draft, .. } if draft == of => Some("declined"),
            Event::DraftWithdrawn { draft, .. } if draft == of => Some("withdrawn"),
            Event::DraftReopened { draft, .. } if draft == of => Some("reopened"),
            _ => None,
        };
        events.filter_map(name).collect()
    }

    pub(crate) fn restart(&mut self, peer: Peer) {
        self.sim.crash(peer);
        self.sim.restart(peer).expect("it opens again");
    }
}
