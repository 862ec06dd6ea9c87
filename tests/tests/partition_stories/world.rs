//! The devices of a story.

use std::time::Duration;

use cuecard::core::Core;
use cuecard::id::ChangeHash;
use cuecard::sim::{Fate, Peer, Sim};
use cuecard::time::Time;
use cuecard::transport::memory::Conditions;
use cuecard::{DeckId, Event, Member, Policies, Rights, Role, RoleError, Standing};

pub(crate) const SOON: Duration = Duration::from_secs(5);
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A deck that the first device owns, and that all may hold, in the order in which they are named.
pub(crate) struct World {
    pub(crate) sim: Sim,
    pub(crate) deck: DeckId,
    pub(crate) peers: Vec<Peer>,
    /// Edits that were acknowledged.
    acknowledged: Vec<(Peer, String, ChangeHash)>,
}

impl World {
    /// Every device is linked with every other.
    pub(crate) fn new<const N: usize>(seed: u64, names: [&str; N]) -> (Self, [Peer; N]) {
        let conditions = Conditions {
            latency: Duration::from_millis(20),
            jitter: Duration::from_millis(5),
            ..Conditions::PERFECT
        };
        Self::linked(seed, names, conditions)
    }

    /// The same, where a message comes before the disk has what it is about.
    pub(crate) fn near<const N: usize>(seed: u64, names: [&str; N]) -> (Self, [Peer; N]) {
        Self::linked(seed, names, Conditions::PERFECT)
    }

    fn linked<const N: usize>(seed: u64, names: [&str; N], conditions: Conditions) -> (Self, [Peer; N]) {
        let mut sim = Sim::new(seed);
        let peers = names.map(|name| sim.device(name));
        for (at, &a) in peers.iter().enumerate() {
            for &b in peers.iter().skip(at + 1) {
                sim.connect(a, b, conditions);
            }
        }
        let owner = peers[0];
        let create = |core: &mut Core, now| core.create_deck(now, "Spanish").unwrap().value;
        let deck = sim.act(owner, create).unwrap();
        let key = sim.act(owner, |core, _| core.deck_key(deck).unwrap()).unwrap();
        let mut world = Self {
            sim,
            deck,
            peers: peers.to_vec(),
            acknowledged: vec![],
        };
        world.sim.run_for(SOON);
        world.set_members(owner, &peers[1..]).unwrap();
        for &peer in &peers {
            world.sim.act(peer, |core, now| core.join_deck(now, deck, key));
        }
        world.quiet();
        (world, peers)
    }

    /// What a device's app does.
    pub(crate) fn act<T>(&mut self, peer: Peer, act: impl FnOnce(&mut Core, Time, DeckId) -> T) -> T {
        let deck = self.deck;
        let done = self.sim.act(peer, |core, now| act(core, now, deck));
        done.expect("the device is running")
    }

    /// One that was removed is linked with the others again: nothing passes between them, in either direction, until it is
    /// invited again, to read.
    pub(crate) fn come_back_by_invite(&mut self, owner: Peer, gone: Peer) {
        let peers = self.peers.clone();
        self.split(&[&peers]);
        // It may have been linked when it was removed, and hear of that.
        self.sim.run_for(SOON);
        let before = (self.sim.head(owner, self.deck), self.sim.head(gone, self.deck));
        self.sim.run_for(Duration::from_secs(60));
        let after = (self.sim.head(owner, self.deck), self.sim.head(gone, self.deck));
        assert_eq!(before, after, "seed {}", self.sim.seed());
        let invite = self.sim.invite(owner, self.deck, Rights::Read).unwrap();
        self.act(gone, |core, now, _| core.join(now, &invite));
    }

    pub(crate) fn set_members(&mut self, owner: Peer, may_hold: &[Peer]) -> Result<(), RoleError> {
        let mut members: Vec<Member> = (1..)
            .zip(may_hold)
            .map(|(rank, &peer)| Member {
                device: self.sim.id(peer),
                rights: Rights::Hold,
                rank,
            })
            .collect();
        members.sort_by_key(|member| member.device);
        self.act(owner, |core, now, deck| {
            core.set_members(now, deck, members).map(drop)
        })
    }

    /// One may hold the role, and the others stay members that read: nobody is removed, so the key stays.
    pub(crate) fn set_holder(&mut self, owner: Peer, holder: Peer) {
        let peers = self.peers.iter().filter(|peer| **peer != owner);
        let mut members: Vec<Member> = peers
            .map(|&peer| Member {
                device: self.sim.id(peer),
                rights: if peer == holder {
                    Rights::Hold
                } else {
                    Rights::Read
                },
                rank: 1,
            })
            .collect();
        members.sort_by_key(|member| member.device);
        self.act(owner, |core, now, deck| {
            core.set_members(now, deck, members).map(drop).unwrap()
        });
    }

    pub(crate) fn set_policies(&mut self, peers: &[Peer], policies: &Policies) {
        for &peer in peers {
            self.act(peer, |core, _, deck| {
                core.set_policies(deck, policies.clone()).unwrap()
            });
        }
    }

    /// An edit, and the time that it takes to be acknowledged.
    pub(crate) fn edit(&mut self, peer: Peer, front: &str) {
        self.act(peer, |core, now, deck| {
            let added = core.edit(now, deck, |edit| edit.add_card(front, "?").map(drop));
            added.unwrap_or_else(|error| panic!("{front}: {error}"));
        });
        let change = self.sim.head(peer, self.deck).expect("a head");
        let saved = |sim: &Sim| sim.is_all_saved(peer);
        self.sim.run_until("the edit is durable", SOON, saved).unwrap();
        self.acknowledged.push((peer, front.to_owned(), change));
    }

    /// The same by a device that is about to get the role.
    pub(crate) fn edit_soon(&mut self, peer: Peer, front: &str) {
        self.quiet();
        self.edit(peer, front);
        self.quiet();
    }

    pub(crate) fn hand_over(&mut self, from: Peer, to: Peer) {
        let to = self.sim.id(to);
        self.act(from, |core, now, deck| core.hand_over(now, deck, to).unwrap());
    }

    pub(crate) fn claim(&mut self, peer: Peer) {
        self.act(peer, |core, now, deck| core.claim(now, deck).unwrap());
    }

    /// From now on only devices of one group reach each other.
    pub(crate) fn split(&mut self, groups: &[&[Peer]]) {
        for (at, &a) in self.peers.iter().enumerate() {
            for &b in self.peers.iter().skip(at + 1) {
                if groups
                    .iter()
                    .any(|group| group.contains(&a) && group.contains(&b))
                {
                    self.sim.mend(a, b);
                } else {
                    self.sim.cut(a, b);
                }
            }
        }
    }

    /// All cables are whole again, and all has been said.
    pub(crate) fn meet(&mut self) {
        let peers = self.peers.clone();
        self.split(&[&peers]);
        self.quiet();
    }

    pub(crate) fn quiet(&mut self) {
        let (deck, peers) = (self.deck, self.peers.clone());
        let settled = |sim: &Sim| {
            let running: Vec<Peer> = peers
                .iter()
                .copied()
                .filter(|peer| sim.is_running(*peer))
                .collect();
            let heads: Vec<_> = running.iter().map(|peer| sim.head(*peer, deck)).collect();
            let saved = running.iter().all(|peer| sim.is_all_saved(*peer));
            saved
                && heads
                    .windows(2)
                    .all(|pair| pair[0] == pair[1] && pair[0].is_some())
        };
        let settles = self.sim.run_until("all hold the same deck", LONG, settled);
        if let Err(stuck) = settles {
            let heads = peers.iter().map(|peer| self.sim.head(*peer, deck));
            panic!("{stuck}: {:?}, {:?}", heads.collect::<Vec<_>>(), self.roles());
        }
        // What is still on its way changes nothing any more.
        self.sim.run_for(SOON);
        self.sim.run_until("and stay so", LONG, settled).unwrap();
    }

    pub(crate) fn roles(&self) -> Vec<Option<Role>> {
        self.peers
            .iter()
            .map(|&peer| self.sim.role(peer, self.deck))
            .collect()
    }

    /// Who may edit, as everybody sees it.
    pub(crate) fn editor(&self) -> Option<Peer> {
        let mut editors: Vec<Option<Peer>> = Vec::new();
        for &peer in self.peers.iter().filter(|peer| self.sim.is_running(**peer)) {
            let editor = match self.sim.role(peer, self.deck).expect("a deck") {
                Role::Editor { .. } => Some(peer),
                Role::Viewer { editor, .. } => {
                    self.peers.iter().copied().find(|at| self.sim.id(*at) == editor)
                }
                Role::Vacant { .. } => None,
            };
            editors.push(editor);
        }
        editors.dedup();
        assert_eq!(editors.len(), 1, "all agree: {editors:?}");
        editors[0]
    }

    pub(crate) fn standing(&self, peer: Peer) -> Standing {
        match self.sim.role(peer, self.deck).expect("a deck") {
            Role::Editor { standing, .. } | Role::Viewer { standing, .. } | Role::Vacant { standing } => {
                standing
            }
        }
    }

    /// What became of an edit, as everybody sees it.
    pub(crate) fn fate(&self, front: &str) -> Option<Fate> {
        let edit = self.acknowledged.iter().find(|(_, text, _)| text == front);
        let (_, _, change) = edit.unwrap_or_else(|| panic!("there was no {front}"));
        let fates = self
            .peers
            .iter()
            .map(|peer| self.sim.fate(*peer, self.deck, *change));
        let mut fates: Vec<Option<Fate>> = fates.collect();
        fates.dedup();
        assert_eq!(fates.len(), 1, "all agree on what became of {front}: {fates:?}");
        fates[0]
    }

    pub(crate) fn events(&mut self, peer: Peer) -> Vec<Event> {
        self.sim.take_events(peer)
    }

    /// How every story ends.
    pub(crate) fn the_end(&mut self) {
        self.meet();
        let (deck, first) = (self.deck, self.peers[0]);
        self.editor();
        let cards = self.sim.cards(first, deck);
        for &peer in &self.peers {
            assert_eq!(self.sim.cards(peer, deck), cards, "{peer:?} shows the same");
            let head = self.sim.head(peer, deck).expect("a head");
            assert_eq!(self.sim.document_heads(peer, deck), [head]);
        }
        for (peer, front, _) in &self.acknowledged {
            let fate = self.fate(front);
            assert!(
                fate.is_some(),
                "{front} of {peer:?} was acknowledged, and is gone"
            );
        }
    }
}
