//! A modified device: a link of a simulated world whose other end says whatever a test makes it say.

use bytes::Bytes;
use cuecard_store::MemoryImage;
use cuecard_transport::{DeviceKey, Lane};

use crate::core::{Input, LinkId, deck_proof};
use crate::id::{DeckId, DeviceId};
use crate::sim::{Peer, Sim};
use crate::sync::envelope;
use crate::sync::message::{DeckProof, Message, PROTOCOL_VERSION};

/// A device's disk as it once was.
#[derive(Clone)]
pub struct Backup(pub(super) MemoryImage);

impl std::fmt::Debug for Backup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Backup")
    }
}

/// One end of a link that no core is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intruder {
    at: Peer,
    link: LinkId,
    device: DeviceId,
    transcript: [u8; 32],
}

/// What an intruder's link carried to it.
#[derive(Debug, Default)]
pub(super) struct Heard {
    messages: Vec<(Lane, Bytes)>,
    closed: bool,
}

impl Intruder {
    /// What shows on its link that it holds the key of a deck.
    #[must_use]
    pub fn proof(&self, deck: DeckId, key: &[u8; 32]) -> DeckProof {
        deck_proof(key, deck, &self.transcript, self.device)
    }
}

impl Sim {
    /// A device's key: what a thief of it would have.
    #[must_use]
    pub fn key(&self, peer: Peer) -> Option<DeviceKey> {
        self.devices.get(peer.0).map(|device| device.key().clone())
    }

    /// Links a modified device to `at`. As the transport would have it, `device` is proven; all else is lies.
    pub fn intrude(&mut self, at: Peer, device: DeviceId) -> Intruder {
        self.next_link += 1;
        let (link, transcript) = (
            LinkId::new(self.next_link),
            *blake3::hash(&self.next_link.to_le_bytes()).as_bytes(),
        );
        self.intruders.insert(link, Heard::default());
        self.hand_in(
            at.0,
            Input::LinkUp {
                link,
                peer: device,
                transcript,
            },
        );
        Intruder {
            at,
            link,
            device,
            transcript,
        }
    }

    /// The same, and shows that it holds the key of a deck.
    pub fn intrude_with_key(&mut self, at: Peer, device: DeviceId, deck: DeckId, key: &[u8; 32]) -> Intruder {
        let intruder = self.intrude(at, device);
        let proofs = vec![intruder.proof(deck, key)];
        let (version, name) = (PROTOCOL_VERSION, "intruder".to_owned());
        self.say(
            intruder,
            &Message::Greet {
                version,
                name,
                proofs,
                early: vec![],
            },
        );
        intruder
    }

    /// The intruder says something.
    pub fn say(&mut self, intruder: Intruder, message: &Message) {
        self.say_raw(intruder, Lane::Control, envelope::seal_up(message).into());
    }

    /// The intruder sends bytes.
    pub fn say_raw(&mut self, intruder: Intruder, lane: Lane, bytes: Bytes) {
        let link = intruder.link;
        self.hand_in(intruder.at.0, Input::Received { link, lane, bytes });
    }

    /// The intruder's link is cut.
    pub fn leave(&mut self, intruder: Intruder) {
        let (link, reason) = (intruder.link, "it left".to_owned());
        self.hand_in(intruder.at.0, Input::LinkDown { link, reason });
    }

    /// What was said to the intruder since this was last asked.
    pub fn heard(&mut self, intruder: Intruder) -> Vec<Message> {
        let heard = self.intruders.entry(intruder.link).or_default();
        let messages = std::mem::take(&mut heard.messages).into_iter();
        messages
            .filter(|(lane, _)| *lane == Lane::Control)
            .filter_map(|(_, bytes)| envelope::open(&bytes).ok())
            .collect()
    }

    /// The bytes that the intruder's link carried to it since this was last asked.
    pub fn overheard(&mut self, intruder: Intruder) -> Vec<(Lane, Bytes)> {
        let heard = self.intruders.entry(intruder.link).or_default();
        std::mem::take(&mut heard.messages)
    }

    /// Whether the device ended the intruder's link.
    #[must_use]
    pub fn is_thrown_out(&self, intruder: Intruder) -> bool {
        self.intruders
            .get(&intruder.link)
            .is_some_and(|heard| heard.closed)
    }

    pub(super) fn tell_intruder(&mut self, link: LinkId, lane: Option<Lane>, bytes: &Bytes) {
        if let Some(heard) = self.intruders.get_mut(&link) {
            match lane {
                Some(lane) => heard.messages.push((lane, bytes.clone())),
                None => heard.closed = true,
            }
        }
    }

    /// Everything that devices say to each other from now on is kept, for [`Sim::recorded`].
    pub fn record(&mut self) {
        self.recording = Some(Vec::new());
        self.listeners.clear();
        self.speakers.clear();
    }

    /// What devices said to each other since [`Sim::record`].
    #[must_use]
    pub fn recorded(&self) -> &[(Lane, Bytes)] {
        self.recording.as_deref().unwrap_or_default()
    }

    /// Who said each of it.
    #[must_use]
    pub fn speakers(&self) -> &[Peer] {
        &self.speakers
    }

    /// A device's disk as it is now.
    #[must_use]
    pub fn backup(&self, peer: Peer) -> Option<Backup> {
        self.devices
            .get(peer.0)
            .map(|device| Backup(device.store.snapshot()))
    }

    /// Stops a device and starts it again from a backup of its disk: with the same key, and as it was then.
    ///
    /// # Errors
    /// What stands in the way of starting, as text.
    pub fn restore_backup(&mut self, peer: Peer, backup: &Backup) -> Result<(), String> {
        self.crash(peer);
        if let Some(device) = self.devices.get_mut(peer.0) {
            device.store = cuecard_store::MemoryStore::restore(backup.0.clone());
        }
        self.restart(peer)
    }
}
