//! Devices that share one deck, each with a clock of its own.

use std::time::Duration;

use cuecard::core::Core;
use cuecard::sim::{Peer, Sim};
use cuecard::time::Time;
use cuecard::transport::memory::Conditions;
use cuecard::{CardId, DeckId, Event, Member, Rights};

pub(crate) const LONG: Duration = Duration::from_secs(120);

pub(crate) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A path with this round trip, fifty milliseconds of jitter and two percent of loss.
pub(crate) fn rough(round_trip_ms: u64) -> Conditions {
    Conditions {
        latency: ms(round_trip_ms / 2),
        jitter: ms(50),
        loss: 0.02,
        bandwidth: None,
    }
}

/// Which devices are linked with which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Each with the next.
    Chain,
    /// Each with the first.
    Star,
    /// Each with each.
    Mesh,
}

/// The first device owns the deck and is its editor; all are members, and may hold the role.
pub(crate) struct World {
    pub(crate) sim: Sim,
    pub(crate) deck: DeckId,
    pub(crate) peers: Vec<Peer>,
    pub(crate) cards: Vec<CardId>,
    shape: Shape,
    conditions: Conditions,
}

impl World {
    /// Their clocks are up to an hour apart, and drift by up to 50 millionths.
    pub(crate) fn new(seed: u64, shape: Shape, conditions: Conditions, count: usize) -> Self {
        let mut sim = Sim::new(seed);
        let first = device(&mut sim, 0);
        let create = |core: &mut Core, now| core.create_deck(now, "Spanish").unwrap().value;
        let deck = sim.act(first, create).unwrap();
        let audio = [1_u8, 2].map(|tune| {
            let mut audio = sim.import_audio(first, &[tune; 5_000]).unwrap();
            audio.duration_ms = 120_000;
            audio
        });
        let add = |core: &mut Core, now| {
            let added = core.edit(now, deck, |edit| {
                let mut cards = Vec::new();
                for audio in audio {
                    let card = edit.add_card("hola", "hello")?;
                    edit.attach_audio(&card, "front", audio)?;
                    cards.push(card);
                }
                Ok(cards)
            });
            added.unwrap().value
        };
        let cards = sim.act(first, add).unwrap();
        let mut world = Self {
            sim,
            deck,
            peers: vec![first],
            cards,
            shape,
            conditions,
        };
        for _ in 1..count {
            world.join();
        }
        world.quiet();
        world.sim.run_for(seconds(30));
        world
    }

    pub(crate) fn seed(&self) -> u64 {
        self.sim.seed()
    }

    /// One more comes, is made a member, and has the deck when this returns.
    pub(crate) fn join(&mut self) -> Peer {
        let (number, first, deck) = (self.peers.len(), self.peers[0], self.deck);
        let peer = device(&mut self.sim, number);
        self.peers.push(peer);
        let mut members: Vec<Member> = (1..)
            .zip(&self.peers[1..])
            .map(|(rank, &peer)| Member {
                device: self.sim.id(peer),
                rights: Rights::Hold,
                rank,
            })
            .collect();
        members.sort_by_key(|member| member.device);
        self.act(first, |core, now, deck| {
            core.set_members(now, deck, members).map(drop).unwrap();
        });
        let key = self.act(first, |core, _, deck| core.deck_key(deck).unwrap());
        self.act(peer, |core, now, deck| core.join_deck(now, deck, key));
        let others = &self.peers[..number];
        let linked = match self.shape {
            Shape::Chain => &others[number - 1..],
            Shape::Star => &others[..1],
            Shape::Mesh => others,
        };
        for &other in linked {
            self.sim.connect(other, peer, self.conditions);
        }
        let here =
            |sim: &Sim| sim.head(peer, deck).is_some() && sim.head(peer, deck) == sim.head(first, deck);
        self.sim.run_until("it has the deck", LONG, here).unwrap();
        peer
    }

    pub(crate) fn act<T>(&mut self, peer: Peer, act: impl FnOnce(&mut Core, Time, DeckId) -> T) -> T {
        let deck = self.deck;
        let done = self.sim.act(peer, |core, now| act(core, now, deck));
        done.expect("the device is running")
    }

    /// All hold the same.
    pub(crate) fn quiet(&mut self) {
        let (deck, peers) = (self.deck, self.peers.clone());
        let same = |sim: &Sim| {
            let first = sim.head(peers[0], deck);
            peers
                .iter()
                .all(|peer| sim.head(*peer, deck) == first && sim.is_all_saved(*peer))
        };
        self.sim.run_until("all hold the same", LONG, same).unwrap();
    }

    pub(crate) fn edit(&mut self, peer: Peer, front: &str) {
        self.act(peer, |core, now, deck| {
            core.edit(now, deck, |edit| edit.add_card(front, "?")).unwrap();
        });
    }

    /// How often a device was told something since this was last asked.
    pub(crate) fn told(&mut self, peer: Peer, is_it: impl Fn(&Event) -> bool) -> usize {
        self.sim
            .take_events(peer)
            .iter()
            .filter(|event| is_it(event))
            .count()
    }
}

fn device(sim: &mut Sim, number: usize) -> Peer {
    let peer = sim.device(&format!("device {number}"));
    let hour_ms = 3_600_000;
    let ahead_ms = sim.random(2 * hour_ms) as i64 - hour_ms as i64;
    let drift = sim.random(101) as i64 - 50;
    sim.set_clock(peer, ahead_ms, drift);
    peer
}

/// How many of the messages that were recorded are of that kind.
pub(crate) fn count_said(world: &World, is_it: impl Fn(&cuecard::sync::message::Message) -> bool) -> usize {
    let recorded = world.sim.recorded().iter();
    let messages = recorded.filter_map(|(_, bytes)| cuecard::sync::envelope::open(bytes).ok());
    messages.filter(|message| is_it(message)).count()
}
