//! Looking into simulated devices: what became of a change, and devices that are copies of others.

use crate::core::log::Log;
use crate::id::{ChangeHash, DeckId, DeviceId};
use crate::role::Member;
use crate::sim::device::SimDevice;
use crate::sim::{Peer, Sim};

/// What became of a change on one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It is part of the deck.
    Canonical,
    /// It is part of a draft.
    Drafted,
    /// It is late work.
    Late,
}

impl Sim {
    /// What became of a change, seen from a device; `None` if it does not hold it.
    #[must_use]
    pub fn fate(&self, peer: Peer, deck: DeckId, change: ChangeHash) -> Option<Fate> {
        let log = self.log(peer, deck)?;
        if log.document.contains(&change) {
            return Some(Fate::Canonical);
        }
        if is_late(log, change) {
            return Some(Fate::Late);
        }
        let drafted = log.drafts.values().flat_map(|draft| &draft.changes);
        let of = |bytes: &Vec<u8>| crate::core::hash_of(bytes) == Some(change);
        drafted.into_iter().any(of).then_some(Fate::Drafted)
    }

    /// Who may do what with a deck, seen from a device.
    #[must_use]
    pub fn members(&self, peer: Peer, deck: DeckId) -> Vec<Member> {
        self.log(peer, deck)
            .map(|log| log.chain.members().to_vec())
            .unwrap_or_default()
    }

    /// Who owns a deck, seen from a device.
    #[must_use]
    pub fn owner(&self, peer: Peer, deck: DeckId) -> Option<DeviceId> {
        self.log(peer, deck).map(|log| log.chain.charter().owner)
    }

    /// A second device that is the first one, key, disk and all, as when a data folder is copied.
    pub fn copy_of(&mut self, peer: Peer, name: &str) -> Option<Peer> {
        let seed = self.core_seed();
        let original = self.devices.get(peer.0)?;
        let store = cuecard_store::MemoryStore::restore(original.store.snapshot());
        let mut copy = SimDevice::with_key(name, original.key().clone(), seed);
        copy.store = store;
        copy.restart(seed).ok()?;
        self.devices.push(copy);
        Some(Peer(self.devices.len() - 1))
    }
}

fn is_late(log: &Log, change: ChangeHash) -> bool {
    log.chain.late_work().iter().any(|late| {
        let end = crate::role::Cut {
            len: late.len,
            head: late.head,
        };
        let line = log.chain.line_to(late.term, end);
        line.is_some_and(|line| (late.from..=late.len).any(|number| line.hash_at(number) == Some(change)))
    })
}
