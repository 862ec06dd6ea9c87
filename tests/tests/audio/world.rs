//! A deck with audio, and devices that follow it.

use std::time::Duration;

use cuecard::core::Core;
use cuecard::sim::{Intruder, Peer, Sim};
use cuecard::sync::envelope;
use cuecard::sync::holdings::Digest;
use cuecard::sync::message::{Message, Position};
use cuecard::time::Time;
use cuecard::transport::memory::Conditions;
use cuecard::transport::{DeviceKey, Lane};
use cuecard::{AudioRef, BlobId, CardId, DeckId, Event, Rights};

pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) struct World {
    pub(crate) sim: Sim,
    pub(crate) author: Peer,
    pub(crate) deck: DeckId,
}

pub(crate) fn act<T>(sim: &mut Sim, peer: Peer, act: impl FnOnce(&mut Core, Time) -> T) -> T {
    sim.act(peer, act).expect("it is running")
}

/// Noise that is the same for the same number.
pub(crate) fn sound(number: u64, bytes: usize) -> Vec<u8> {
    let mut state = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut sound = Vec::with_capacity(bytes + 8);
    while sound.len() < bytes {
        sound.extend_from_slice(&next().to_le_bytes());
    }
    sound.truncate(bytes);
    sound
}

/// A path with 20 ms of round trip and so many bytes a second.
pub(crate) fn path(bandwidth: u64) -> Conditions {
    Conditions {
        latency: Duration::from_millis(10),
        bandwidth: Some(bandwidth),
        ..Conditions::PERFECT
    }
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut sim = Sim::new(seed);
        let author = sim.device("author");
        let deck = act(&mut sim, author, |core, now| {
            core.create_deck(now, "Spanish").unwrap().value
        });
        sim.run_for(Duration::from_millis(100));
        Self { sim, author, deck }
    }

    /// A device that follows the deck, and is not linked yet.
    pub(crate) fn follower(&mut self, name: &str) -> Peer {
        let peer = self.sim.device(name);
        let invite = self.sim.invite(self.author, self.deck, Rights::Read).unwrap();
        act(&mut self.sim, peer, |core, now| core.join(now, &invite));
        peer
    }

    pub(crate) fn card(&mut self, front: &str) -> CardId {
        let deck = self.deck;
        act(&mut self.sim, self.author, |core, now| {
            core.edit(now, deck, |edit| edit.add_card(front, "?"))
                .unwrap()
                .value
        })
    }

    pub(crate) fn attach(&mut self, card: &CardId, bytes: &[u8]) -> AudioRef {
        let audio = self.sim.import_audio(self.author, bytes).unwrap();
        self.attach_ref(card, audio.clone());
        audio
    }

    pub(crate) fn attach_ref(&mut self, card: &CardId, audio: AudioRef) {
        let deck = self.deck;
        act(&mut self.sim, self.author, |core, now| {
            core.edit(now, deck, |edit| edit.attach_audio(card, "front", audio))
                .unwrap()
        });
    }

    /// A card with audio.
    pub(crate) fn sounding(&mut self, front: &str, bytes: &[u8]) -> (CardId, AudioRef) {
        let card = self.card(front);
        let audio = self.attach(&card, bytes);
        (card, audio)
    }

    /// How long it takes until a device holds a blob.
    pub(crate) fn time_until_whole(&mut self, peer: Peer, blob: BlobId, within: Duration) -> Duration {
        let begun = self.sim.elapsed();
        self.sim
            .run_until("the audio is whole", within, |sim| sim.holds_audio(peer, blob))
            .unwrap_or_else(|stuck| panic!("{stuck}"));
        self.sim.elapsed() - begun
    }

    /// A modified device that shows `at` the deck's key and says that it has the deck.
    pub(crate) fn intrude(&mut self, at: Peer, key: &DeviceKey) -> Intruder {
        let deck = self.deck;
        let deck_key = act(&mut self.sim, at, |core, _| core.deck_key(deck).unwrap());
        self.intrude_on(at, key, deck, &deck_key)
    }

    pub(crate) fn intrude_on(
        &mut self,
        at: Peer,
        key: &DeviceKey,
        deck: DeckId,
        deck_key: &[u8; 32],
    ) -> Intruder {
        let intruder = self.sim.intrude_with_key(at, key.id(), deck, deck_key);
        let status = Message::Status {
            deck,
            charter: None,
            locator: Vec::<Position>::new(),
            beside: Digest::of(&Default::default()),
            changes: 0,
        };
        self.sim.say(intruder, &status);
        intruder
    }

    /// What an intruder was asked for since this was last asked.
    pub(crate) fn pulls(&mut self, intruder: Intruder) -> Vec<Pull> {
        let heard = self.sim.heard(intruder).into_iter();
        heard.filter_map(Pull::of).collect()
    }
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pull {
    pub(crate) transfer: u32,
    pub(crate) blob: BlobId,
    pub(crate) first: u32,
    pub(crate) count: u32,
}

impl Pull {
    pub(crate) fn of(message: Message) -> Option<Self> {
        match message {
            Message::Pull {
                transfer,
                blob,
                first,
                count,
                ..
            } => Some(Self {
                transfer,
                blob,
                first,
                count,
            }),
            _ => None,
        }
    }
}

/// What was said, as messages, and how many bytes the binary lanes carried.
pub(crate) fn said(recorded: &[(Lane, bytes::Bytes)]) -> (Vec<Message>, usize) {
    let binary = recorded.iter().filter(|(lane, _)| *lane == Lane::Binary);
    let binary = binary.map(|(_, bytes)| bytes.len()).sum();
    let control = recorded.iter().filter(|(lane, _)| *lane == Lane::Control);
    let messages = control.map(|(_, bytes)| envelope::open(bytes).expect("an honest device said it"));
    (messages.collect(), binary)
}

/// Questions about the clock, and signs that the editor is there, come at any time, and are about no audio.
const fn is_about_audio(message: &Message) -> bool {
    !matches!(message, Message::Ping { .. } | Message::Word { .. })
}

/// The same of what a link carried.
pub(crate) fn carries_audio(bytes: &[u8]) -> bool {
    envelope::open(bytes).map_or(true, |message| is_about_audio(&message))
}

/// What an intruder was told of audio since this was last asked.
pub(crate) fn told(world: &mut World, intruder: Intruder) -> Vec<Message> {
    let heard = world.sim.heard(intruder).into_iter();
    heard.filter(is_about_audio).collect()
}

/// Whether an event says that audio is whole.
pub(crate) fn is_whole(event: &Event, of: BlobId) -> bool {
    matches!(event, Event::Audio(progress) if progress.blob == of && progress.is_whole())
}
