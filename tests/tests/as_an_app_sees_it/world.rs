//! Three devices: a laptop that edits, in the middle between a phone and a tablet.

use std::collections::BTreeSet;
use std::time::Duration;

use cuecard::core::Core;
use cuecard::sim::{Peer, Sim};
use cuecard::transport::memory::Conditions;
use cuecard::{ChangeHash, DeckId, Member, Reach, Rights, Safety, Stand, SyncState};

pub(crate) const SOON: Duration = Duration::from_secs(5);

pub(crate) struct World {
    pub(crate) sim: Sim,
    pub(crate) laptop: Peer,
    pub(crate) phone: Peer,
    pub(crate) tablet: Peer,
    pub(crate) deck: DeckId,
}

/// A laptop that edits, in the middle between a phone and a tablet; everybody has the deck.
pub(crate) fn world(seed: u64) -> World {
    let mut sim = Sim::new(seed);
    let [laptop, phone, tablet] = ["laptop", "phone", "tablet"].map(|name| sim.device(name));
    for other in [phone, tablet] {
        sim.connect(laptop, other, Conditions::latency(Duration::from_millis(40)));
    }
    let created = sim.act(laptop, |core, now| core.create_deck(now, "Spanish"));
    let deck = created.unwrap().unwrap().value;
    let mut members: Vec<Member> = [phone, tablet]
        .iter()
        .zip(1..)
        .map(|(&peer, rank)| Member {
            device: sim.id(peer),
            rights: Rights::Hold,
            rank,
        })
        .collect();
    members.sort_by_key(|member| member.device);
    sim.run_for(SOON);
    let set = |core: &mut Core, now| core.set_members(now, deck, members).map(drop);
    sim.act(laptop, set).unwrap().unwrap();
    let key = sim.act(laptop, |core, _| core.deck_key(deck).unwrap()).unwrap();
    for other in [phone, tablet] {
        sim.act(other, |core, now| core.join_deck(now, deck, key));
    }
    sim.run_for(SOON);
    World {
        sim,
        laptop,
        phone,
        tablet,
        deck,
    }
}

impl World {
    pub(crate) fn add(&mut self, peer: Peer, front: &str) -> ChangeHash {
        let deck = self.deck;
        let add = |core: &mut Core, now| {
            core.edit(now, deck, |edit| edit.add_card(front, "?").map(drop))
                .map(drop)
        };
        self.sim.act(peer, add).unwrap().unwrap();
        self.sim.head(peer, deck).unwrap()
    }

    /// Faster cables take the place of those that are there.
    pub(crate) fn lay_short_cables(&mut self) {
        for other in [self.phone, self.tablet] {
            self.sim.lay_anew(
                self.laptop,
                other,
                Conditions::latency(Duration::from_micros(300)),
            );
        }
        self.sim.run_for(SOON);
    }

    pub(crate) fn state(&self, of: Peer) -> SyncState {
        self.sim.sync_state(of, self.deck).unwrap()
    }

    pub(crate) fn stand(&self, of: Peer, with: Peer) -> Option<Stand> {
        self.state(of).device(self.sim.id(with)).unwrap().stand
    }

    pub(crate) fn reach(&self, of: Peer, with: Peer) -> Reach {
        self.state(of).device(self.sim.id(with)).unwrap().reach
    }

    pub(crate) fn safety(&self, of: Peer, change: ChangeHash) -> Safety {
        self.sim.safe_where(of, self.deck, change).expect("it is held")
    }

    pub(crate) fn ids(&self, peers: &[Peer]) -> BTreeSet<cuecard::DeviceId> {
        peers.iter().map(|&peer| self.sim.id(peer)).collect()
    }
}
