//! What the demo says to its two processes: one JSON object a line, on their standard input and output.
//!
//! Requests are `{"id": 1, "do": "..", ..}`, replies `{"id": 1, "ok": ..}` or `{"id": 1, "err": ..}`. Codes and
//! invites travel here and never on a command line, where every user of the machine could read them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Failure;

/// A request.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    /// Comes back in its reply.
    pub(crate) id: u64,
    /// What to do.
    #[serde(flatten)]
    pub(crate) what: Do,
}

/// What a peer can be asked. Everything may be asked again after a crash: what is already so is left alone.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(crate) enum Do {
    /// Begin: with the cable as it is, dial the routes that were remembered. Answers [`Status`].
    Start {
        /// Whether the cable is cut.
        cable_cut: bool,
    },
    /// See that there is a deck.
    EnsureDeck {
        /// Called so.
        title: String,
    },
    /// See that an edit is done. Answers whether it had to be.
    EnsureEdit {
        /// Which edit.
        edit: CardEdit,
    },
    /// See that a card has the melody.
    EnsureAudio {
        /// The card, by its front.
        card: String,
    },
    /// Make an offer that carries the deck's invite. Answers its code.
    Offer,
    /// Take the answer to the offer, connect, and remember the route.
    Accept {
        /// The answer's code.
        code: String,
    },
    /// Answer an offer and follow the deck it speaks of. Answers a code.
    Answer {
        /// The offer's code.
        code: String,
    },
    /// Wait until the answer was taken, connect, and remember the route.
    Connect,
    /// Give a device the right to hold the role.
    EnsureHolder {
        /// Which device.
        device: String,
    },
    /// Cut the cable or mend it.
    Cable {
        /// Which of the two.
        cut: bool,
    },
    /// See that a draft with these edits is proposed.
    EnsureDraft {
        /// What its author says of it.
        note: String,
        /// What is in it; each becomes a change.
        edits: Vec<CardEdit>,
    },
    /// See that the draft with this note is accepted.
    EnsureAccepted {
        /// What its author says of it.
        note: String,
    },
    /// See that another device has the role.
    EnsureEditor {
        /// Which device.
        device: String,
    },
    /// See that this device, the owner, has the role, whoever has it.
    EnsureTakenOver,
    /// Wait for something. Answers [`Status`].
    Await {
        /// For what.
        until: Until,
        /// For how long at most.
        within_ms: u64,
    },
    /// Where everything stands: [`Status`].
    Status,
    /// The cards: a list of [`CardTold`].
    Cards,
    /// The history: [`History`](crate::history::History).
    Log,
    /// Read all audio back and hash it: [`AudioTold`].
    VerifyAudio,
    /// Close everything and end.
    Stop,
}

/// An edit of one card. Cards are named by their fronts, which this deck has once each.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "edit", rename_all = "snake_case")]
pub(crate) enum CardEdit {
    /// A new card at the end.
    Add {
        /// Its question.
        front: String,
        /// Its answer.
        back: String,
    },
    /// A piece more at the beginning of the answer.
    Before {
        /// The card.
        card: String,
        /// The piece.
        piece: String,
    },
    /// A piece more at the end of the answer.
    Behind {
        /// The card.
        card: String,
        /// The piece.
        piece: String,
    },
    /// Elsewhere.
    Move {
        /// The card.
        card: String,
        /// Behind which.
        after: String,
    },
    /// Gone.
    Delete {
        /// The card.
        card: String,
    },
    /// Tagged.
    Tag {
        /// The card.
        card: String,
        /// With what.
        tag: String,
    },
}

/// Something to wait for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(crate) enum Until {
    /// A device is linked, or none is.
    Linked {
        /// Which of the two.
        linked: bool,
    },
    /// The deck's head is this one.
    Head {
        /// The hash.
        head: String,
    },
    /// There is a card with this front, and no late work waits.
    Back {
        /// The front.
        card: String,
    },
    /// All audio that the deck refers to, at least one piece, is whole.
    AudioWhole,
    /// A device has the role.
    Editor {
        /// Which one.
        device: String,
    },
    /// A device may hold the role.
    Holder {
        /// Which one.
        device: String,
    },
    /// A draft with this note is known, and stands so or further on.
    Draft {
        /// The note.
        note: String,
        /// Where it shall stand.
        state: DraftStands,
    },
}

/// Where a draft stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DraftStands {
    /// Being written.
    Open,
    /// Offered to the editor.
    Proposed,
    /// Part of the deck.
    Accepted,
}

/// Where a peer stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Status {
    /// Who it is.
    pub(crate) device: String,
    /// The process.
    pub(crate) pid: u32,
    /// The devices linked to it, and how.
    pub(crate) links: Vec<LinkTold>,
    /// Routes that it remembered.
    pub(crate) routes: usize,
    /// The first deck; none before it was created or joined and something of it arrived.
    pub(crate) deck: Option<DeckTold>,
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LinkTold {
    /// To which device.
    pub(crate) device: String,
    /// How its bytes travel: `lan` or `direct` for WebRTC.
    pub(crate) route: String,
    /// Whether it was made by dialling a remembered route, and not by codes.
    pub(crate) dialled: bool,
}

/// A deck of which something has arrived.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeckTold {
    /// Its head.
    pub(crate) head: String,
    /// How many entries its history has.
    pub(crate) entries: usize,
    /// How many cards it has.
    pub(crate) cards: usize,
    /// Their fronts.
    pub(crate) fronts: Vec<String>,
    /// Pieces of late work that are not part of it.
    pub(crate) late_work: usize,
    /// Who may edit.
    pub(crate) editor: Option<String>,
    /// Devices that may hold the role, the owner not among them.
    pub(crate) holders: Vec<String>,
    /// Drafts that are known.
    pub(crate) drafts: Vec<DraftTold>,
    /// Pieces of audio that are whole.
    pub(crate) audio_whole: usize,
    /// Pieces of audio that cards refer to.
    pub(crate) audio_all: usize,
}

/// A draft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DraftTold {
    /// Who wrote it.
    pub(crate) author: String,
    /// What its author says of it.
    pub(crate) note: String,
    /// How many changes it has.
    pub(crate) changes: u64,
    /// Where it stands.
    pub(crate) state: DraftStands,
}

/// A card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CardTold {
    /// Its id.
    pub(crate) id: String,
    /// Its question.
    pub(crate) front: String,
    /// Its answer.
    pub(crate) back: String,
    /// Its tags.
    pub(crate) tags: Vec<String>,
    /// Hashes of its audio.
    pub(crate) audio: Vec<String>,
}

/// What came of reading all audio back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AudioTold {
    /// The hash of each piece, as computed from the bytes just now.
    pub(crate) hashes: Vec<String>,
    /// Bytes in all.
    pub(crate) bytes: u64,
    /// Whether each hash is the one that the deck names.
    pub(crate) verified: bool,
}

impl Until {
    /// Whether it is so.
    pub(crate) fn is_met(&self, status: &Status) -> bool {
        let deck = status.deck.as_ref();
        match self {
            Self::Linked { linked } => status.links.is_empty() != *linked,
            Self::Head { head } => deck.is_some_and(|deck| deck.head == *head),
            Self::AudioWhole => {
                deck.is_some_and(|deck| deck.audio_all > 0 && deck.audio_whole == deck.audio_all)
            }
            Self::Editor { device } => deck.is_some_and(|deck| deck.editor.as_ref() == Some(device)),
            Self::Draft { note, state } => deck.is_some_and(|deck| {
                deck.drafts
                    .iter()
                    .any(|draft| draft.note == *note && draft.state >= *state)
            }),
            Self::Back { card } => {
                deck.is_some_and(|deck| deck.late_work == 0 && deck.fronts.iter().any(|front| front == card))
            }
            Self::Holder { device } => deck.is_some_and(|deck| deck.holders.contains(device)),
        }
    }

    /// In words, for who waited in vain.
    pub(crate) fn told(&self) -> String {
        match self {
            Self::Linked { linked: true } => "a link".to_owned(),
            Self::Linked { linked: false } => "the end of the link".to_owned(),
            Self::Head { head } => format!("the head {}", head.get(..8).unwrap_or(head)),
            Self::Back { card } => format!("the card {card:?} to be back"),
            Self::AudioWhole => "all audio to be whole".to_owned(),
            Self::Editor { device } => format!("{} to be the editor", device.get(..8).unwrap_or(device)),
            Self::Holder { device } => format!(
                "the right of {} to hold the role",
                device.get(..8).unwrap_or(device)
            ),
            Self::Draft { note, state } => format!("the draft \"{note}\" to be {state:?}"),
        }
    }
}

/// A reply.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Reply {
    /// Of the request.
    pub(crate) id: u64,
    /// What came of it.
    #[serde(flatten)]
    pub(crate) what: Outcome,
}

/// What came of a request.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// It is done, and durable.
    Ok(Value),
    /// It is not.
    Err(Failure),
}

#[cfg(test)]
mod tests {
    use crate::error::Kind;

    use super::*;

    #[test]
    fn a_request_is_one_flat_object_and_comes_back() {
        let request = Request {
            id: 7,
            what: Do::Start { cable_cut: true },
        };
        let line = serde_json::to_string(&request).unwrap();
        assert_eq!(line, r#"{"id":7,"do":"start","cable_cut":true}"#);
        let back: Request = serde_json::from_str(&line).unwrap();
        assert!(matches!(
            back,
            Request {
                id: 7,
                what: Do::Start { cable_cut: true }
            }
        ));
    }

    #[test]
    fn a_reply_says_ok_or_err() {
        let done = Reply {
            id: 1,
            what: Outcome::Ok(Value::Bool(true)),
        };
        assert_eq!(serde_json::to_string(&done).unwrap(), r#"{"id":1,"ok":true}"#);
        let refused = Failure {
            kind: Kind::NotEditor,
            message: "no".to_owned(),
        };
        let line = serde_json::to_string(&Reply {
            id: 2,
            what: Outcome::Err(refused),
        })
        .unwrap();
        assert_eq!(line, r#"{"id":2,"err":{"kind":"not_editor","message":"no"}}"#);
        assert!(serde_json::from_str::<Reply>(&line).is_ok());
    }
}
