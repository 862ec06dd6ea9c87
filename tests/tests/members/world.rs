//! A deck, its owner, and devices that come and go.

use std::time::Duration;

use cuecard::core::Core;
use cuecard::role::Member;
use cuecard::sim::{Peer, Sim};
use cuecard::time::Time;
use cuecard::transport::memory::Conditions;
use cuecard::{DeckId, DeckInvite, Event, MemberInfo, Rights};

pub(crate) const LONG: Duration = Duration::from_secs(120);
/// Long enough for everything that could happen to have happened.
pub(crate) const QUIET: Duration = Duration::from_secs(30);

pub(crate) struct World {
    pub(crate) sim: Sim,
    pub(crate) owner: Peer,
    pub(crate) deck: DeckId,
}

impl World {
    /// A deck with one card, and its owner.
    pub(crate) fn new(seed: u64) -> Self {
        let mut sim = Sim::new(seed);
        let owner = sim.device("owner");
        let created = sim.act(owner, |core, now| core.create_deck(now, "Spanish"));
        let deck = created.unwrap().unwrap().value;
        let mut world = Self { sim, owner, deck };
        world.add_card(owner, "uno");
        world.sim.run_for(Duration::from_secs(1));
        world
    }

    pub(crate) fn act<T, E: std::fmt::Debug>(
        &mut self,
        peer: Peer,
        act: impl FnOnce(&mut Core, Time, DeckId) -> Result<T, E>,
    ) -> T {
        let (seed, deck) = (self.sim.seed(), self.deck);
        let done = self.sim.act(peer, |core, now| act(core, now, deck));
        done.expect("it runs")
            .unwrap_or_else(|error| panic!("seed {seed}: {error:?}"))
    }

    pub(crate) fn add_card(&mut self, peer: Peer, front: &str) {
        self.act(peer, |core, now, deck| {
            core.edit(now, deck, |edit| edit.add_card(front, "?"))
        });
    }

    /// Lays a cable of some quality.
    pub(crate) fn connect(&mut self, a: Peer, b: Peer) {
        let conditions = Conditions {
            latency: Duration::from_millis(self.sim.random(200)),
            jitter: Duration::from_millis(self.sim.random(50)),
            loss: self.sim.random(4) as f64 / 100.0,
            bandwidth: Some(500_000 + self.sim.random(5_000_000)),
        };
        self.sim.connect(a, b, conditions);
    }

    pub(crate) fn invite(&self, by: Peer, rights: Rights) -> DeckInvite {
        self.sim.invite(by, self.deck, rights).expect("an invite")
    }

    pub(crate) fn join(&mut self, peer: Peer, invite: &DeckInvite) {
        // As it comes out of a code.
        let invite = DeckInvite::from_bytes(&invite.to_bytes()).expect("an invite");
        self.sim.act(peer, |core, now| core.join(now, &invite));
    }

    /// A new device that is linked to the owner and may hold the role.
    pub(crate) fn holder(&mut self, name: &str, rank: u16) -> Peer {
        let peer = self.sim.device(name);
        self.connect(self.owner, peer);
        self.charter(peer, Rights::Hold, rank);
        let invite = self.invite(self.owner, Rights::Read);
        self.join(peer, &invite);
        self.wait("the holder has the deck", |world| {
            world.in_sync(&[world.owner, peer])
        });
        peer
    }

    /// The owner lists a device.
    pub(crate) fn charter(&mut self, peer: Peer, rights: Rights, rank: u16) {
        let device = self.sim.id(peer);
        self.act(self.owner, |core, now, deck| {
            let mut members = core.membership(deck).unwrap().listed();
            members.retain(|member| member.device != device);
            members.push(Member { device, rights, rank });
            core.set_members(now, deck, members)
        });
    }

    /// The owner removes a device.
    pub(crate) fn remove(&mut self, peer: Peer) {
        let device = self.sim.id(peer);
        self.act(self.owner, |core, now, deck| {
            core.remove_member(now, deck, device)
        });
    }

    /// What `seen_from` knows of `peer` as a member.
    pub(crate) fn info(&mut self, seen_from: Peer, peer: Peer) -> Option<MemberInfo> {
        let (deck, device) = (self.deck, self.sim.id(peer));
        let members = self.sim.act(seen_from, |core, _| core.membership(deck).ok())??;
        members.list.into_iter().find(|info| info.device == device)
    }

    pub(crate) fn rights(&mut self, seen_from: Peer, peer: Peer) -> Option<Rights> {
        self.info(seen_from, peer).map(|info| info.rights)
    }

    pub(crate) fn key(&mut self, peer: Peer) -> [u8; 32] {
        self.act(peer, |core, _, deck| core.deck_key(deck))
    }

    pub(crate) fn in_sync(&self, peers: &[Peer]) -> bool {
        let heads: Vec<_> = peers.iter().map(|&peer| self.sim.head(peer, self.deck)).collect();
        heads.iter().all(|head| head.is_some() && *head == heads[0])
    }

    pub(crate) fn fronts(&self, peer: Peer) -> Vec<String> {
        let cards = self.sim.cards(peer, self.deck).into_iter();
        cards.map(|card| card.front).collect()
    }

    /// Runs until it is so.
    pub(crate) fn wait(&mut self, what: &str, mut so: impl FnMut(&mut Self) -> bool) {
        for _ in 0..LONG.as_millis() / 50 {
            if so(self) {
                return;
            }
            self.sim.run_for(Duration::from_millis(50));
        }
        panic!("seed {}: waited in vain until {what}", self.sim.seed());
    }

    /// What a device was told of, with nothing refused and nothing broken.
    pub(crate) fn events(&mut self, peer: Peer) -> Vec<Event> {
        assert_eq!(self.sim.sent_too_early(), [], "seed {}", self.sim.seed());
        let events = self.sim.take_events(peer);
        for event in &events {
            let wrong = matches!(
                event,
                Event::Refused { .. } | Event::DeckBroken { .. } | Event::StoreFailed { .. }
            );
            assert!(!wrong, "seed {}: {event:?}", self.sim.seed());
        }
        events
    }

    pub(crate) fn restart(&mut self, peer: Peer) {
        self.sim.crash(peer);
        self.sim.run_for(Duration::from_millis(200));
        self.sim.restart(peer).expect("it opens again");
    }

    /// A draft with one card, written and proposed.
    pub(crate) fn propose(&mut self, peer: Peer, front: &str) -> cuecard::DraftId {
        let draft = self
            .act(peer, |core, now, deck| core.open_draft(now, deck, front))
            .value;
        self.act(peer, |core, now, deck| {
            core.edit_draft(now, deck, draft, |edit| edit.add_card(front, "?"))
        });
        self.act(peer, |core, now, deck| core.propose_draft(now, deck, draft));
        draft
    }

    pub(crate) fn knows_draft(&self, peer: Peer, draft: cuecard::DraftId) -> bool {
        let drafts = self.sim.drafts(peer, self.deck);
        drafts.iter().any(|known| known.draft == draft)
    }
}
