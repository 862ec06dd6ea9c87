//! What a device can be asked, and what it tells: the one way for all commands.
//!
//! A command makes an [`Ask`]. Whoever has the data folder open does it (see [`node::reach`](crate::node::reach)): the
//! running peer, or this very process. What comes back is [`Told`], which is printed for people or as JSON.
//!
//! | file | subject |
//! |---|---|
//! | here | what can be asked |
//! | `told` | what is told at the end |
//! | `happening` | what is told on the way |
//! | `talk` | both ways of a conversation |

pub(crate) mod happening;
pub(crate) mod talk;
pub(crate) mod told;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub(crate) use happening::Happening;
pub(crate) use told::Told;

/// Counts up when what is said over the socket changes in a way that an older one cannot read. Also that of all JSON output.
pub(crate) const VERSION: u32 = 1;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub(crate) enum Ask {
    /// Who the device is, and what it is called.
    Device,
    /// A new deck.
    New {
        /// What it is called.
        title: String,
        /// What it is about.
        description: Option<String>,
    },
    /// All decks.
    Decks,
    /// How everything stands.
    Status,
    /// The same, again and again as it changes.
    Watch,
    /// What happens, as it happens.
    Follow,
    /// Serve the page that shows everything, on loopback.
    Inspect {
        /// The port; one that is free if none is named.
        port: Option<u16>,
    },
    /// Answer an offer.
    Join {
        /// The offer's code.
        code: String,
        /// Stay until asked to end, and not only until all is here.
        stay: bool,
    },
    /// Take a file in.
    Import {
        /// The file, absolute.
        file: PathBuf,
    },
    /// Delete a deck from this device, also one that is damaged.
    Remove {
        /// Which: the beginning of its id, or its title. Nothing is deleted that was not named.
        deck: String,
        /// A person has said yes already; else it is asked on the way, and what is pasted then is the yes.
        sure: bool,
    },
    /// Something about one deck.
    Of {
        /// Which: the beginning of its id, or its title; where there is but one, none need be named.
        deck: Option<String>,
        /// What about it.
        what: OfDeck,
    },
}

/// What is asked of one deck.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "of_deck", rename_all = "snake_case")]
pub(crate) enum OfDeck {
    /// Change it, or a draft.
    Change {
        /// The draft to change in its place.
        draft: Option<String>,
        /// What to change.
        change: Change,
    },
    /// Take back the latest edit, or the latest undo.
    Undo {
        /// In this draft.
        draft: Option<String>,
        /// The latest undo.
        redo: bool,
    },
    /// The cards.
    Cards {
        /// As the author of this draft sees them.
        draft: Option<String>,
        /// Those with this tag alone.
        tag: Option<String>,
    },
    /// The deck, with all that is known of it.
    Show {
        /// As it was at this entry.
        at: Option<String>,
    },
    /// One card.
    Card {
        /// Which.
        card: String,
        /// As it was at this entry.
        at: Option<String>,
        /// As the author of this draft sees it.
        draft: Option<String>,
    },
    /// Write a card's audio to a file.
    SaveAudio {
        /// The card.
        card: String,
        /// Which of its audio; where there is but one, none need be named.
        slot: Option<String>,
        /// The file, absolute; one that is there is not written over.
        file: PathBuf,
    },
    /// What happened, newest first.
    Log {
        /// So many entries at the most.
        limit: Option<usize>,
    },
    /// What differs between two points.
    Diff {
        /// The earlier.
        before: String,
        /// The later; none is now.
        after: Option<String>,
    },
    /// Who wrote what of a card.
    Blame {
        /// The card.
        card: String,
        /// As it was at this entry.
        at: Option<String>,
    },
    /// Exchange it with the devices that are linked, or stop that.
    SetFollowed {
        /// Exchange it.
        followed: bool,
    },
    /// The role.
    Role(RoleAsk),
    /// The members.
    Members(MembersAsk),
    /// Drafts.
    Drafts(DraftsAsk),
    /// Late work.
    Late(LateAsk),
    /// Offer it to another device, and wait for the answer.
    Share {
        /// What the other may do.
        rights: RightsTold,
        /// Whether the offer carries the deck's key: without, it only links a device that follows the deck already.
        invite: bool,
        /// Stay until asked to end, and not only until the other has all.
        stay: bool,
    },
    /// Write it to a file.
    Export {
        /// The file, absolute.
        file: PathBuf,
        /// With its key.
        key: bool,
        /// With its audio.
        audio: bool,
    },
}

/// A change of a deck or draft. Cards are named by id, by a beginning of it that no other has, by their front, or by
/// number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub(crate) enum Change {
    /// A new card.
    Add {
        /// Its texts.
        front: String,
        /// The other side.
        back: String,
        /// Further texts, by name.
        texts: BTreeMap<String, String>,
        /// Its tags.
        tags: Vec<String>,
        /// Where it goes.
        place: Place,
        /// Its audio.
        audio: Option<AudioFile>,
    },
    /// Other texts or audio.
    Edit {
        /// The card.
        card: String,
        /// Its front from now on.
        front: Option<String>,
        /// Its back from now on.
        back: Option<String>,
        /// Further texts, by name; an empty one goes.
        texts: BTreeMap<String, String>,
        /// Audio to attach.
        audio: Option<AudioFile>,
        /// The slots of audio to detach.
        detach: Vec<String>,
    },
    /// Elsewhere.
    Move {
        /// The card.
        card: String,
        /// Where it goes.
        place: Place,
    },
    /// Gone, until they are restored.
    Delete {
        /// The cards.
        cards: Vec<String>,
    },
    /// Back again.
    Restore {
        /// The cards.
        cards: Vec<String>,
    },
    /// Tagged, or no longer.
    Tag {
        /// The card.
        card: String,
        /// The tags.
        tags: Vec<String>,
        /// Take them off.
        remove: bool,
    },
    /// What the deck says of itself.
    Deck {
        /// Its title from now on.
        title: Option<String>,
        /// What it is about from now on.
        description: Option<String>,
    },
}

/// Where a card goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Place {
    /// Before all others.
    First,
    /// Behind all others.
    Last,
    /// Behind this one.
    After(String),
}

/// A file with audio.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AudioFile {
    /// Where it is, absolute. Its bytes go from there to the store, and nowhere else.
    pub(crate) file: PathBuf,
    /// What it is for the card.
    pub(crate) slot: String,
    /// Its MIME type, where its name and its beginning do not say.
    pub(crate) mime: Option<String>,
}

/// What is asked of the role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub(crate) enum RoleAsk {
    /// Who has it.
    Show,
    /// Ask the editor for it.
    Request {
        /// Why.
        note: String,
    },
    /// Give it to a device.
    Grant {
        /// Which.
        device: String,
    },
    /// Tell a device that it does not get it.
    Deny {
        /// Which.
        device: String,
        /// Why not.
        reason: String,
    },
    /// Let it go.
    Release,
    /// Take it from an editor that is gone.
    Claim {
        /// As the owner, settled at once.
        settled: bool,
    },
}

/// What is asked of the members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "members", rename_all = "snake_case")]
pub(crate) enum MembersAsk {
    /// Who they are.
    List,
    /// Let a device in, or give it other rights.
    Admit {
        /// Which.
        device: String,
        /// What it may do.
        rights: RightsTold,
    },
    /// End a membership.
    Remove {
        /// Which.
        device: String,
    },
    /// Give the deck away.
    Transfer {
        /// To which.
        device: String,
    },
}

/// What is asked of drafts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "drafts", rename_all = "snake_case")]
pub(crate) enum DraftsAsk {
    /// Begin one.
    New {
        /// What its author says of it.
        note: String,
    },
    /// All that are known.
    List,
    /// One, and what accepting it would do.
    Show {
        /// Which: the beginning of its id, or its note.
        draft: String,
    },
    /// Something done with one.
    Do {
        /// Which.
        draft: String,
        /// What.
        what: DraftDeed,
    },
}

/// What is done with a draft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DraftDeed {
    /// Offer it to the editor.
    Propose,
    /// Make it part of the deck.
    Accept,
    /// Say that it is not wanted.
    Decline {
        /// Why.
        reason: String,
    },
    /// Take it back.
    Withdraw,
    /// Forget it.
    Discard,
    /// Write it anew on the deck as it is now.
    Anew,
}

/// What is asked of late work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "late", rename_all = "snake_case")]
pub(crate) enum LateAsk {
    /// What there is.
    List,
    /// Make it part of the deck.
    Accept {
        /// The beginning of its head.
        head: String,
    },
}

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RightsTold {
    /// Read.
    Read,
    /// Also propose drafts.
    Draft,
    /// Also be the editor.
    Hold,
}

impl From<RightsTold> for cuecard::Rights {
    fn from(rights: RightsTold) -> Self {
        match rights {
            RightsTold::Read => Self::Read,
            RightsTold::Draft => Self::Draft,
            RightsTold::Hold => Self::Hold,
        }
    }
}

impl From<cuecard::Rights> for RightsTold {
    fn from(rights: cuecard::Rights) -> Self {
        match rights {
            cuecard::Rights::Read => Self::Read,
            cuecard::Rights::Draft => Self::Draft,
            cuecard::Rights::Hold => Self::Hold,
        }
    }
}

impl RightsTold {
    pub(crate) const fn told(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Draft => "draft",
            Self::Hold => "hold",
        }
    }
}
