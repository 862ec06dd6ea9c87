//! Why a peer did not do what it was asked.

use cuecard::store::StoreError;
use cuecard::transport::DialError;
use cuecard::{AudioError, DeckError, DraftError, EditError, OpenError, RoleError, StoreHasFailed};

use super::protocol::{Refused, RefusedKind, Status, Until};

/// Why a request was not done, in the words of the library wherever it has any.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Deck(#[from] DeckError),
    #[error(transparent)]
    Invite(#[from] cuecard::InviteError),
    #[error(transparent)]
    Edit(#[from] EditError),
    #[error(transparent)]
    Draft(#[from] DraftError),
    #[error(transparent)]
    Role(#[from] RoleError),
    #[error(transparent)]
    Audio(#[from] AudioError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Failed(#[from] StoreHasFailed),
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error(transparent)]
    Command(#[from] crate::error::Error),
    #[error("audio that is kept here cannot be read: {0}")]
    Read(#[from] std::io::Error),
    #[error("a task of this process did not end well: {0}")]
    Task(#[from] tokio::task::JoinError),
    #[error("an answer cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("this device has no deck yet; create one or join one first")]
    NoDeck,
    #[error("there is no card {0:?} in the deck")]
    NoCard(String),
    #[error("there is no draft {0:?} here that could be accepted")]
    NoDraft(String),
    #[error("{0:?} is not a device id")]
    NoDevice(String),
    #[error("the offer carries no invite to a deck; make it with a deck at hand")]
    NoInvite,
    #[error("no exchange of codes is under way here; start with an offer")]
    NothingOffered,
    #[error("waited {within_ms} ms in vain for {}; {}", .until.told(), told(.last.as_ref()))]
    Late {
        until: Until,
        within_ms: u64,
        last: Box<Option<Status>>,
    },
}

fn told(last: &Option<Status>) -> String {
    let Some(status) = last else {
        return "where it stands could not be read".to_owned();
    };
    let deck = status.deck.as_ref().map_or_else(
        || "no deck".to_owned(),
        |deck| {
            let head = deck.head.get(..8).unwrap_or(&deck.head);
            format!(
                "head {head}, {} entries, {} cards, audio {} of {}, drafts {:?}",
                deck.entries, deck.cards, deck.audio_whole, deck.audio_all, deck.drafts
            )
        },
    );
    format!("links {}, {deck}", status.links.len())
}

impl From<Trouble> for Refused {
    fn from(trouble: Trouble) -> Self {
        let kind = match &trouble {
            Trouble::Edit(EditError::NotEditor { .. }) | Trouble::Role(RoleError::NotEditor) => {
                RefusedKind::NotEditor
            }
            Trouble::Late { .. } => RefusedKind::Late,
            _ => RefusedKind::Failed,
        };
        Self {
            kind,
            message: trouble.to_string(),
        }
    }
}
