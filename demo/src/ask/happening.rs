//! What is told while something is under way.

use serde::{Deserialize, Serialize};

use super::RightsTold;
use super::told::{AudioTotals, DeckName, DeviceTold, StatusTold};

/// Something that happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Happening {
    /// An offer to give to the other device. Secret where it carries a deck's key.
    Offer {
        /// The text.
        code: String,
        /// The deck whose key it carries.
        deck: Option<DeckName>,
        /// What the other may do.
        rights: RightsTold,
        /// How long it holds.
        holds_s: u64,
    },
    /// What was pasted is no answer; another one is awaited.
    NoAnswer {
        /// Why not.
        why: String,
    },
    /// An answer to give back to the device that made the offer.
    Answer {
        /// The text.
        code: String,
        /// The device that made the offer, as its code says.
        from: DeviceTold,
        /// How long it is waited for.
        holds_s: u64,
    },
    /// The page is served. Secret: whoever has the address can see and do everything.
    Page {
        /// Where.
        address: String,
    },
    /// What cannot be taken back is asked first: whoever pastes anything says yes, whoever hangs up says no.
    Question {
        /// What would be done.
        text: String,
    },
    /// A device is linked.
    Linked {
        /// Which.
        device: DeviceTold,
        /// How its bytes travel.
        route: Option<String>,
    },
    /// A device is no longer linked.
    Unlinked {
        /// Which.
        device: DeviceTold,
        /// Why.
        why: String,
    },
    /// How far a deck has come, here and there.
    Progress(Progress),
    /// How far long work on a file is. For a bar: what comes of it is told at its end.
    Work {
        /// The name of the file.
        name: String,
        /// Bytes that were read or written.
        done_bytes: u64,
        /// Of how many, if that is known.
        all_bytes: Option<u64>,
    },
    /// All of a deck that both devices know of is on both.
    InSync {
        /// Which deck.
        deck: DeckName,
        /// With which device.
        device: DeviceTold,
    },
    /// Something that people want to know, in words.
    News {
        /// The deck it is about.
        deck: Option<DeckName>,
        /// What happened.
        text: String,
    },
    /// How everything stands.
    Status(Box<StatusTold>),
    /// The running peer is ready.
    Ready {
        /// Who it is.
        device: DeviceTold,
        /// How many devices are dialled.
        dialled: usize,
        /// How many decks there are.
        decks: usize,
    },
}

/// How far a deck has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// Which deck; without a title before anything of it is here.
    pub(crate) deck: DeckName,
    /// Changes of the deck that are here.
    pub(crate) changes: u64,
    /// How many there are, while more are coming.
    pub(crate) changes_all: Option<u64>,
    /// Its audio.
    pub(crate) audio: AudioTotals,
    /// Audio that is under way.
    pub(crate) transfers: Vec<Transfer>,
}

/// Audio that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Transfer {
    /// Its hash.
    pub(crate) blake3: String,
    /// The name of its file.
    pub(crate) name: String,
    /// Bytes that are here, verified.
    pub(crate) have_bytes: u64,
    /// Bytes in all.
    pub(crate) size_bytes: u64,
    /// Bytes that come a second, lately.
    pub(crate) bytes_per_second: u64,
}
