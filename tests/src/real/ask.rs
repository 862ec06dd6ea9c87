//! What a test says to a device, and what it hears.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A request; each has one reply, `{"ok": ..}` or `{"err": ".."}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Ask {
    /// A new deck.
    Create,
    /// Everybody here may hold the role, ranked in this order.
    Holders {
        /// The devices.
        devices: Vec<String>,
    },
    /// Make an offer. Answers its number and its code.
    Offer {
        /// Whether it invites to the deck.
        with_deck: bool,
    },
    /// Answer an offer, and connect once the answer was taken. Answers a code.
    Answer {
        /// The offer's.
        code: String,
    },
    /// Take an answer, and connect.
    Accept {
        /// Which offer.
        offer: usize,
        /// The answer's.
        code: String,
    },
    /// Cut the cable, or mend it.
    Cable {
        /// Which of the two.
        cut: bool,
    },
    /// Add cards, a change each. All are durable at the reply.
    Add {
        /// Their fronts.
        fronts: Vec<String>,
    },
    /// The same, and the reply waits for no disk.
    AddUnsaved {
        /// Their fronts.
        fronts: Vec<String>,
    },
    /// From now on the disk takes nothing, and does not say so. Of devices that can
    /// ([`disk_can_be_held`](super::Settings::disk_can_be_held)).
    HoldDisk,
    /// Write the deck as plain Automerge to a file.
    Document {
        /// Which file.
        file: PathBuf,
    },
    /// Write a draft with these cards, and propose it.
    Draft {
        /// Their fronts.
        fronts: Vec<String>,
    },
    /// Accept all drafts that are proposed. Answers how many.
    AcceptDrafts,
    /// Claim the role.
    Claim,
    /// A card with so much audio.
    Import {
        /// Which audio: see [`sound`](super::device::sound).
        seed: u64,
        /// How much.
        bytes: usize,
    },
    /// Whether audio is here, whole, byte for byte.
    Verify {
        /// Which audio.
        seed: u64,
        /// How much.
        bytes: usize,
    },
    /// Stop reading from all links once so many more bytes have come on a lane. [`Said::Held`] follows then.
    HoldAfter {
        /// Whether it is the binary lane that counts.
        binary: bool,
        /// How many.
        bytes: u64,
    },
    /// Go on reading.
    GoOn,
    /// Edit as soon as this device is the editor, a card of this front.
    EditOnceEditor {
        /// The front.
        front: String,
    },
    /// Say so when a card of this front arrives: [`Said::Seen`].
    Watch {
        /// The front.
        front: String,
    },
    /// Add cards at a steady rate, or read as they come: for benchmarks. Answers at once.
    Stream {
        /// How many a second; none ends it.
        per_second: u32,
    },
    /// Where everything stands: [`Status`].
    Status,
    /// The fronts of all cards, in order.
    Cards,
    /// Close everything, and end.
    Stop,
}

/// What a device says by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "said", rename_all = "snake_case")]
pub enum Said {
    /// It runs: its id.
    Ready {
        /// The id.
        device: String,
    },
    /// It reads nothing more, as it was asked to.
    Held,
    /// A card that was watched for is here.
    Seen {
        /// Its front.
        front: String,
    },
}

/// Where a device stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The head of its deck.
    pub head: Option<String>,
    /// Entries of its history.
    pub entries: usize,
    /// Changes of its log.
    pub changes: u64,
    /// How many of them are on its disk.
    pub durable: u64,
    /// Who holds the role.
    pub editor: Option<String>,
    /// How many devices are linked.
    pub linked: usize,
    /// Devices that were heard of the deck, and are not linked now.
    pub away: Vec<String>,
    /// Whether another device that is the editor was ever heard of in this life.
    pub heard: bool,
    /// Whether the editor was not heard of for as long as anything of it would be on its way.
    pub silent: bool,
    /// How often the app was told that it is silent, and that it was heard again, in this life.
    pub told_silent: (usize, usize),
    /// Drafts that wait for an editor.
    pub proposed: usize,
    /// Verified bytes of audio held, and all there are.
    pub audio: (u64, u64),
    /// Bytes of messages received in this life: control, binary.
    pub received: (u64, u64),
    /// Bytes of messages sent in this life: control, binary.
    pub sent: (u64, u64),
    /// Time of a processor used in this life.
    pub cpu_ms: u64,
}
