//! Looking into simulated devices: what became of a change, and devices that are copies of others.

use std::collections::BTreeSet;

use cuecard_transport::RouteKind;

use crate::core::log::Log;
use crate::core::{Core, Fate, LinkQuality, Safety, SyncState};
use crate::document::Document;
use crate::history::{self, Writer, WriterKind};
use crate::id::{ChangeHash, DeckId, DeviceId, DraftId};
use crate::op::Note;
use crate::role::{Member, Rights};
use crate::sim::device::SimDevice;
use crate::sim::{Peer, Sim};
use crate::sync::message::Position;

impl Sim {
    /// A deck's document as a device has it, for a member that does with it what it likes.
    #[must_use]
    pub fn document(&self, peer: Peer, deck: DeckId) -> Option<Document> {
        let log = self.log(peer, deck)?;
        log.document.fork_at(log.head()).ok()
    }

    /// The documents of all drafts that a device holds: with what each is written on.
    #[must_use]
    pub fn draft_documents(&self, peer: Peer, deck: DeckId) -> Vec<Document> {
        let Some(core) = self.devices.get(peer.0).and_then(|device| device.core.as_ref()) else {
            return vec![];
        };
        let drafts = self.log(peer, deck).into_iter().flat_map(|log| log.drafts.keys());
        drafts
            .filter_map(|draft| core.draft_document(deck, *draft).ok())
            .collect()
    }

    /// Where a deck stands on a device.
    #[must_use]
    pub fn position(&self, peer: Peer, deck: DeckId) -> Option<Position> {
        self.log(peer, deck).map(Log::position)
    }

    /// Whether a batch of a deck is being checked outside of a device's core.
    #[must_use]
    pub fn is_checking(&self, peer: Peer, deck: DeckId) -> bool {
        let core = self.devices.get(peer.0).and_then(|device| device.core.as_ref());
        core.is_some_and(|core| core.is_checked(deck))
    }

    /// Bytes that came to a device and wait to be taken in, or are being checked.
    #[must_use]
    pub fn held_bytes(&self, peer: Peer) -> usize {
        let core = self.devices.get(peer.0).and_then(|device| device.core.as_ref());
        core.map_or(0, Core::held_bytes)
    }

    /// How many records of its logs a device asked its disk for.
    #[must_use]
    pub fn records_asked(&self, peer: Peer) -> usize {
        self.devices.get(peer.0).map_or(0, |device| device.records_asked)
    }

    /// How much is being done outside of a device's core, or waits for its turn there: batches that are checked, and changes
    /// that are made anew, each with a copy of its document.
    #[must_use]
    pub fn works(&self, peer: Peer) -> usize {
        self.devices.get(peer.0).map_or(0, SimDevice::works)
    }

    /// The records that devices sent before they were durable: none, unless the core is broken.
    #[must_use]
    pub fn sent_too_early(&self) -> Vec<(Peer, String)> {
        let devices = (0..).map(Peer).zip(&self.devices);
        let sent = devices
            .flat_map(|(peer, device)| device.unsaved.sent.iter().map(move |what| (peer, what.clone())));
        sent.collect()
    }

    /// What became of a change, seen from a device; `None` if it does not hold it.
    #[must_use]
    pub fn fate(&self, peer: Peer, deck: DeckId, change: ChangeHash) -> Option<Fate> {
        let core = self.devices.get(peer.0)?.core.as_ref()?;
        Some(core.safe_where(deck, change).ok()??.fate)
    }

    /// How often the sides of a device's links were asked to hear of one another, in the order of the links.
    #[must_use]
    pub fn heartbeats(&self, peer: Peer) -> Vec<std::time::Duration> {
        let device = self.devices.get(peer.0);
        device
            .map(|device| device.heartbeats.values().copied().collect())
            .unwrap_or_default()
    }

    /// The newest change of a draft, seen from a device.
    #[must_use]
    pub fn draft_head(&self, peer: Peer, deck: DeckId, draft: DraftId) -> Option<ChangeHash> {
        Some(self.log(peer, deck)?.drafts.get(&draft)?.head())
    }

    /// The changes of a deck that were written into drafts and that nobody accepted: none, unless the gate is broken.
    #[must_use]
    pub fn unaccepted(&self, peer: Peer, deck: DeckId) -> Vec<ChangeHash> {
        let Some(log) = self.log(peer, deck) else {
            return vec![];
        };
        let is_draft = |writer: &Option<Writer>| {
            let writer = writer.as_ref();
            writer.is_some_and(|writer| matches!(writer.kind, WriterKind::Draft(_)))
        };
        let (mut accepted, mut unaccepted) = (BTreeSet::new(), Vec::new());
        // Newest first: whatever accepts comes before what it accepts.
        for entry in history::entries(&log.document, log.who()) {
            let accepts = entry
                .notes
                .iter()
                .any(|note| matches!(note, Note::DraftAccept { .. }));
            if is_draft(&entry.writer) && !accepted.contains(&entry.hash) {
                unaccepted.push(entry.hash);
            } else if accepts || is_draft(&entry.writer) {
                accepted.extend(entry.deps);
            }
        }
        unaccepted
    }

    /// How a deck stands with other devices, seen from a device.
    #[must_use]
    pub fn sync_state(&self, peer: Peer, deck: DeckId) -> Option<SyncState> {
        let core = self.devices.get(peer.0)?.core.as_ref()?;
        let quality = LinkQuality {
            route: RouteKind::Memory,
            round_trip: None,
            loss_per_mille: None,
        };
        core.sync_state(deck, &|_| Some(quality)).ok()
    }

    /// What is known of a change, and where it is safe, seen from a device.
    #[must_use]
    pub fn safe_where(&self, peer: Peer, deck: DeckId, change: ChangeHash) -> Option<Safety> {
        let core = self.devices.get(peer.0)?.core.as_ref()?;
        core.safe_where(deck, change).ok()?
    }

    /// Who may do what with a deck, seen from a device.
    #[must_use]
    pub fn members(&self, peer: Peer, deck: DeckId) -> Vec<Member> {
        self.log(peer, deck)
            .map(|log| log.chain.members().to_vec())
            .unwrap_or_default()
    }

    /// What a device may do with a deck, seen from another.
    #[must_use]
    pub fn rights(&self, peer: Peer, deck: DeckId, device: DeviceId) -> Option<Rights> {
        self.log(peer, deck)?.chain.rights(device)
    }

    /// How many branches of a deck a device has built since it started: each is the document as it was somewhere else.
    #[must_use]
    pub fn branches_built(&self, peer: Peer, deck: DeckId) -> Option<u64> {
        self.log(peer, deck).map(|log| log.branches_built)
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
