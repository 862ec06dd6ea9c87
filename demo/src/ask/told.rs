//! What is told when something is done.

use std::collections::BTreeMap;
use std::path::PathBuf;

use cuecard::{DeviceId, Engine};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::history::History;
use crate::present::{PlayingTold, PresentTold};

/// What is told at the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Told {
    /// Who a device is.
    Device {
        /// The device.
        device: DeviceTold,
        /// Where its data is.
        folder: PathBuf,
    },
    /// A deck was made.
    Created {
        /// Which.
        deck: DeckName,
    },
    /// A deck is exchanged with other devices, or no longer.
    Following {
        /// Which.
        deck: DeckName,
        /// Whether it is exchanged now.
        followed: bool,
        /// Whether that is another than before.
        changed: bool,
    },
    /// A deck was deleted from this device.
    Removed {
        /// Which.
        deck: DeckName,
    },
    /// Decks.
    Decks {
        /// In the order of their titles.
        decks: Vec<DeckStatus>,
        /// Those that cannot be opened.
        damaged: Vec<DamagedTold>,
    },
    /// How everything stands.
    Status(Box<StatusTold>),
    /// Something was changed.
    Changed(Changed),
    /// An edit was taken back.
    Undone {
        /// In which deck.
        deck: DeckName,
        /// The entry that was taken back.
        taken_back: String,
        /// The entry that takes it back.
        entry: String,
        /// What was left alone, in words.
        left: Vec<String>,
        /// An undo was taken back.
        redo: bool,
    },
    /// Cards.
    Cards {
        /// Of which deck.
        deck: DeckName,
        /// In order.
        cards: Vec<CardTold>,
    },
    /// A deck, with all that is known of it.
    Shown(Box<ShownTold>),
    /// One card.
    Card {
        /// Of which deck.
        deck: DeckName,
        /// The card.
        card: Box<CardTold>,
    },
    /// Audio was written to a file.
    AudioSaved {
        /// The file.
        file: PathBuf,
        /// How long it is.
        bytes: u64,
        /// Its hash.
        blake3: String,
    },
    /// What happened.
    Log(Box<History>),
    /// What differs.
    Diff(DiffTold),
    /// Who wrote what.
    Blame(BlameTold),
    /// The role.
    Role {
        /// Of which deck.
        deck: DeckName,
        /// How it stands.
        role: RoleTold,
        /// What was done, in words.
        did: Option<String>,
    },
    /// Members.
    Members {
        /// Of which deck.
        deck: DeckName,
        /// The owner first.
        members: Vec<MemberTold>,
        /// What was done, in words.
        did: Option<String>,
    },
    /// Drafts.
    Drafts {
        /// Of which deck.
        deck: DeckName,
        /// The newest first.
        drafts: Vec<DraftTold>,
    },
    /// One draft.
    Draft {
        /// Of which deck.
        deck: DeckName,
        /// The draft.
        draft: DraftTold,
        /// What accepting it would change.
        #[serde(skip_serializing_if = "Option::is_none")]
        preview: Option<Vec<CardDiffTold>>,
        /// What was done, in words.
        did: Option<String>,
    },
    /// Late work.
    Late {
        /// Of which deck.
        deck: DeckName,
        /// What there is.
        late: Vec<LateTold>,
        /// What was done, in words.
        did: Option<String>,
    },
    /// A deck was written to a file.
    Exported {
        /// Which deck.
        deck: DeckName,
        /// The file.
        file: PathBuf,
        /// How long it is.
        bytes: u64,
        /// Pieces of audio that the deck refers to.
        audio: usize,
        /// Those of them that are in the file.
        audio_inside: usize,
        /// Whether the deck's key is in it.
        key: bool,
    },
    /// A file was taken in.
    Imported {
        /// Which deck it held.
        deck: DeckName,
        /// Changes that are new here.
        new_changes: usize,
        /// Pieces of audio that are missing.
        missing_audio: usize,
    },
    /// Two devices are linked, and a deck is on its way.
    Shared {
        /// Which deck.
        deck: Option<DeckName>,
        /// With which device.
        device: DeviceTold,
        /// Whether all of it is on both.
        in_sync: bool,
    },
    /// What was asked has ended, and there is nothing to tell.
    Ended,
}

/// A device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeviceTold {
    /// Its id.
    pub(crate) id: String,
    /// What it is called.
    pub(crate) name: String,
    /// Whether it is the one that tells.
    pub(crate) here: bool,
}

impl DeviceTold {
    pub(crate) fn of(engine: &Engine, device: DeviceId) -> Self {
        Self {
            id: device.to_string(),
            name: engine.name_of(device).unwrap_or_else(|| device.short()),
            here: device == engine.device(),
        }
    }
}

/// A deck, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeckName {
    /// Its id.
    pub(crate) id: String,
    /// Its title; empty before anything of it is here.
    pub(crate) title: String,
}

/// How everything stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StatusTold {
    /// Who tells.
    pub(crate) device: DeviceTold,
    /// Where its data is.
    pub(crate) folder: PathBuf,
    /// The running peer; none where nothing keeps the device linked.
    pub(crate) peer: Option<PeerTold>,
    /// The decks.
    pub(crate) decks: Vec<DeckStatus>,
    /// The devices that are known.
    pub(crate) devices: Vec<DeviceStatus>,
    /// Decks that cannot be opened.
    pub(crate) damaged: Vec<DamagedTold>,
}

/// A deck that is kept and cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DamagedTold {
    /// Its id.
    pub(crate) id: String,
    /// What is wrong with it.
    pub(crate) why: String,
}

/// A running peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PeerTold {
    /// The process.
    pub(crate) pid: u32,
    /// What it does, as `cuecard up`.
    pub(crate) command: String,
}

/// How a deck stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct DeckStatus {
    /// Which.
    #[serde(flatten)]
    pub(crate) deck: DeckName,
    /// Whether it is exchanged with the devices that are linked.
    pub(crate) followed: bool,
    /// What is here of it; none before anything arrived.
    pub(crate) here: Option<DeckHere>,
}

/// What is here of a deck.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct DeckHere {
    /// Who may edit.
    pub(crate) role: RoleTold,
    /// What this device may do.
    pub(crate) rights: String,
    /// How many cards it has.
    pub(crate) cards: usize,
    /// How many entries its history has.
    pub(crate) entries: usize,
    /// Its latest entry.
    pub(crate) head: String,
    /// Its audio.
    pub(crate) audio: AudioTotals,
    /// Who else is there.
    pub(crate) present: Vec<PresentTold>,
    /// What is played for everybody.
    pub(crate) playing: Option<PlayingTold>,
    /// The devices that hold the latest entry durably.
    pub(crate) safe_with: Vec<String>,
    /// Drafts that wait for the editor.
    pub(crate) drafts_waiting: usize,
    /// Own drafts that are open.
    pub(crate) drafts_open: usize,
    /// Pieces of late work.
    pub(crate) late_work: usize,
}

/// How much of a deck's audio is here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AudioTotals {
    /// Pieces that are whole.
    pub(crate) whole: usize,
    /// Pieces in all.
    pub(crate) all: usize,
    /// Bytes that are here.
    pub(crate) have_bytes: u64,
    /// Bytes in all.
    pub(crate) size_bytes: u64,
    /// Bytes that come a second, lately.
    pub(crate) bytes_per_second: u64,
}

impl AudioTotals {
    pub(crate) const fn is_whole(&self) -> bool {
        self.whole == self.all
    }
}

/// How another device stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct DeviceStatus {
    /// Which.
    #[serde(flatten)]
    pub(crate) device: DeviceTold,
    /// How its bytes travel; none where it is not linked.
    pub(crate) route: Option<String>,
    /// Why it is not linked.
    pub(crate) why: Option<String>,
    /// How long a message takes there and back.
    pub(crate) round_trip_ms: Option<f64>,
    /// When it was last heard, where it is not linked, in milliseconds since 1970.
    pub(crate) last_heard_ms: Option<u64>,
    /// How it stands to the decks that it shares with this device, as far as it said.
    pub(crate) decks: Vec<DeviceDeck>,
}

/// How a device stands to a deck.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeviceDeck {
    /// Which deck.
    pub(crate) deck: DeckName,
    /// Whether it holds, durably, what this device holds; none while it never said.
    pub(crate) in_sync: Option<bool>,
    /// How many changes it lacks.
    pub(crate) behind: u64,
    /// How many changes it has that this device lacks.
    pub(crate) ahead: u64,
}

/// Who may edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RoleTold {
    /// `editor`, `viewer` or `vacant`.
    pub(crate) is: String,
    /// Who has it.
    pub(crate) editor: Option<DeviceTold>,
    /// Whether the owner settled that.
    pub(crate) settled: bool,
    /// Whether it was not heard of for as long as anything of it would be on its way.
    pub(crate) silent: bool,
    /// When another device that has it was last heard of.
    pub(crate) heard_ms: Option<u64>,
}

/// A change that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Changed {
    /// Of which deck.
    pub(crate) deck: DeckName,
    /// In which draft.
    pub(crate) draft: Option<String>,
    /// What was done, in a word.
    pub(crate) did: String,
    /// To which cards.
    pub(crate) cards: Vec<CardName>,
    /// The deck's latest entry now; none in a draft.
    pub(crate) head: Option<String>,
    /// Audio that was attached.
    pub(crate) audio: Option<AudioTold>,
}

/// A card, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CardName {
    /// Its id.
    pub(crate) id: String,
    /// Its front.
    pub(crate) front: String,
}

/// A card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CardTold {
    /// Its id.
    pub(crate) id: String,
    /// Its place, from 1; none for a deleted one.
    pub(crate) number: Option<usize>,
    /// The question.
    pub(crate) front: String,
    /// The answer.
    pub(crate) back: String,
    /// Further texts, by name.
    pub(crate) texts: BTreeMap<String, String>,
    /// Its tags.
    pub(crate) tags: Vec<String>,
    /// Its audio.
    pub(crate) audio: Vec<AudioTold>,
    /// What applications keep with it.
    pub(crate) fields: BTreeMap<String, Value>,
    /// Whether it is deleted.
    pub(crate) deleted: bool,
    /// Places of it that several wrote at a time, in words.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) conflicts: Vec<ConflictTold>,
}

/// Audio of a card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AudioTold {
    /// What it is for the card.
    pub(crate) slot: String,
    /// The name of its file.
    pub(crate) name: String,
    /// Its MIME type.
    pub(crate) mime: String,
    /// How long its file is.
    pub(crate) bytes: u64,
    /// How long it plays; 0 where that is not known.
    pub(crate) duration_ms: u64,
    /// Its hash.
    pub(crate) blake3: String,
    /// Whether its bytes are whole here.
    pub(crate) here: bool,
}

/// A place that several wrote at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ConflictTold {
    /// Where.
    pub(crate) place: String,
    /// The value that shows, and who wrote it.
    pub(crate) shows: ValueTold,
    /// The others.
    pub(crate) others: Vec<ValueTold>,
}

/// A value, and who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ValueTold {
    /// The value, in words.
    pub(crate) value: String,
    /// Who.
    pub(crate) by: String,
}

/// A deck, with all that is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ShownTold {
    /// Which deck.
    pub(crate) deck: DeckName,
    /// What it is about.
    pub(crate) description: String,
    /// Its latest entry.
    pub(crate) head: String,
    /// The entry that the cards are shown at, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) at: Option<String>,
    /// Who may edit.
    pub(crate) editor: Option<DeviceTold>,
    /// The owner first.
    pub(crate) members: Vec<MemberTold>,
    /// In order.
    pub(crate) cards: Vec<CardTold>,
    /// How many places of it several wrote at a time.
    pub(crate) conflicts: usize,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MemberTold {
    /// The device.
    #[serde(flatten)]
    pub(crate) device: DeviceTold,
    /// `owner`, `hold`, `draft` or `read`.
    pub(crate) rights: String,
    /// Who let it in, where that was not the owner's charter.
    pub(crate) admitted_by: Option<DeviceTold>,
    /// Whether it is linked now.
    pub(crate) linked: bool,
}

/// A draft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DraftTold {
    /// Its id.
    pub(crate) id: String,
    /// What its author says of it.
    pub(crate) note: String,
    /// Who wrote it.
    pub(crate) author: DeviceTold,
    /// How many changes it has.
    pub(crate) changes: u64,
    /// How many of them are proposed.
    pub(crate) proposed: u64,
    /// When it was proposed or opened, in milliseconds since 1970 by its author's clock.
    pub(crate) time_ms: u64,
    /// `open`, `proposed`, `delivered`, `accepted`, `declined` or `withdrawn`.
    pub(crate) state: String,
    /// Devices that hold it, where it is delivered.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) delivered_to: Vec<String>,
    /// Why it was declined.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) reason: Option<String>,
}

/// Late work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LateTold {
    /// Its last change: what accepting it takes.
    pub(crate) head: String,
    /// Who wrote it.
    pub(crate) author: DeviceTold,
    /// How many changes.
    pub(crate) changes: u64,
    /// Whether it was written after its author had given the role away.
    pub(crate) after_leaving: bool,
}

/// What differs between two points.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct DiffTold {
    /// Of which deck.
    pub(crate) deck: DeckName,
    /// The earlier.
    pub(crate) before: String,
    /// The later.
    pub(crate) after: String,
    /// The title, where it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<(String, String)>,
    /// What the deck is about, where it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<(String, String)>,
    /// Card by card.
    pub(crate) cards: Vec<CardDiffTold>,
}

/// How a card differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(crate) enum CardDiffTold {
    /// It is new.
    Added {
        /// The card.
        card: Box<CardTold>,
    },
    /// It is gone.
    Removed {
        /// The card.
        card: Box<CardTold>,
    },
    /// It is another.
    Changed {
        /// As it was.
        before: Box<CardTold>,
        /// As it is.
        after: Box<CardTold>,
    },
}

/// Who wrote what of a card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BlameTold {
    /// Of which deck.
    pub(crate) deck: DeckName,
    /// The card.
    pub(crate) card: CardName,
    /// Piece by piece.
    pub(crate) pieces: Vec<BlamePiece>,
}

/// A piece of a card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BlamePiece {
    /// Where, as `front` or `tag verbs`.
    pub(crate) place: String,
    /// What it is.
    pub(crate) text: String,
    /// Who wrote it.
    pub(crate) device: Option<DeviceTold>,
    /// As what: `term`, `draft` or `beginning`.
    pub(crate) wrote_as: String,
    /// The entry.
    pub(crate) entry: String,
    /// When, by its writer's clock, in milliseconds since 1970.
    pub(crate) time_ms: u64,
}
