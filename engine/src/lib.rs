//! Cuecard: a sync engine for decks of cards with audio, to be embedded.
#![deny(missing_docs)]

mod blob;
pub mod card;
pub mod core;
mod deck;
pub mod disk;
pub mod document;
mod driver;
mod engine;
mod event;
pub mod gate;
pub mod history;
pub mod id;
pub mod identity;
pub mod limits;
pub mod op;
pub mod position;
pub mod role;
#[cfg(feature = "sim")]
pub mod sim;
pub mod sync;
mod tasks;
pub mod time;

pub use cuecard_store as store;
pub use cuecard_transport as transport;

pub use crate::blob::fetch::BlobProgress;
pub use crate::card::{AudioRef, Card, DeckInfo};
pub use crate::core::{
    DeckError, DeviceState, DraftError, DraftInfo, DraftState, EditError, RestoreError, Role, RoleError,
    StoreHasFailed,
};
pub use crate::deck::{AudioAbout, AudioError, Deck, Draft};
pub use crate::document::{DeckChange, Edit};
pub use crate::driver::Saving;
pub use crate::engine::{Builder, DeckInvite, Durability, Engine, Events, KeptLink, OpenError};
pub use crate::event::Event;
pub use crate::id::{BlobId, CardId, ChangeHash, DeckId, DeviceId, DraftId, TermId};
pub use crate::op::OpError;
pub use crate::role::{Member, Rights};
