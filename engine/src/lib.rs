//! Cuecard: a sync engine for decks of cards with audio, to be embedded.
//!
//! Every edit is an operation appended to an Automerge document, durable on disk before it is acknowledged, and sent
//! to the devices that are linked. One device at a time, the *editor*, may change a deck; every device checks that for
//! itself, from signatures. Whoever does not hold the role writes a *draft*, and the editor accepts it. Audio is named
//! by its BLAKE3 hash and pulled in verified chunks.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let temporary = tempfile::tempdir()?;
//! # let folder = temporary.path().join("data");
//! use cuecard::Engine;
//!
//! let engine = Engine::open(&folder).await?;
//! let deck = engine.create_deck("Spanish 101").await?;
//! let card = deck.edit(|edit| edit.add_card("hola", "hello")).await?; // durable now
//! deck.edit(|edit| edit.tag(&card, "greetings")).at_once()?; // done now, durable soon
//! assert_eq!(deck.cards()?[0].front, "hola");
//! engine.shutdown().await?; // durable by now at the latest
//! # Ok(())
//! # }
//! ```
//!
//! | start here | for |
//! |---|---|
//! | [`Engine`] | opening a folder, decks, links, events |
//! | [`Deck`], [`Draft`] | what an app does with a deck |
//! | [`transport`] | making links: pasted codes over WebRTC, or your own |
//! | [`history`] | who did what, and when |
//! | [`export`], [`foreign`] | a deck as a file; a deck for other Automerge tools |
//! | [`role`] | how the role is proved |
//! | [`gate`] | what a peer's change has to pass |
//! | [`core`] | the protocol as a state machine without input and output |
//! | [`sync`] | every message on the wire |
//! | [`limits`] | every limit, with its reason |
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
pub mod export;
pub mod foreign;
pub mod gate;
pub mod history;
pub mod id;
pub mod identity;
mod invite;
pub mod limits;
mod mirror;
pub mod op;
mod opening;
pub mod position;
pub mod role;
#[cfg(feature = "sim")]
pub mod sim;
pub mod sync;
mod tasks;
pub mod time;

pub use cuecard_store as store;
pub use cuecard_transport as transport;

pub use crate::blob::progress::BlobProgress;
pub use crate::card::{AudioRef, Card, DeckInfo};
pub use crate::core::{
    AdmitError, AdmitPolicy, AudioPolicy, AutoClaim, AutoGrant, DeckError, DeviceSync, Distance, DraftError,
    DraftInfo, DraftPolicy, DraftPreview, DraftState, EditError, Fate, InviteError, LateError, LateWhy,
    LateWorkPolicy, LinkQuality, MemberInfo, Members, NowPlaying, PlaybackError, PlaybackRefusal, Policies,
    PresenceError, Present, Reach, RestoreError, Role, RoleError, Safety, SettlePolicy, Stand,
    StoreHasFailed, SyncProgress, SyncState, TurnWhy, UndoError, Undone,
};
pub use crate::deck::{AudioAbout, AudioError, Deck, DeckEvents, Draft, History, HistoryError, View};
pub use crate::document::undo::WhyNothing;
pub use crate::document::{DeckChange, Edit};
pub use crate::driver::Saving;
pub use crate::engine::{AttachedLink, Builder, Durability, Engine, Events, KeptLink, OpenError};
pub use crate::event::Event;
pub use crate::id::{BlobId, CardId, ChangeHash, DeckId, DeviceId, DraftId, TermId};
pub use crate::invite::DeckInvite;
pub use crate::mirror::{Followed, Mirror};
pub use crate::op::{OpError, Splice};
pub use crate::role::{Equivocation, LateWork, Member, Presence, Rights, Selection, Standing};
pub use crate::sync::clock::Offset;
pub use crate::sync::message::DraftRefusal;

/// The examples of the README are compiled and run as well.
#[cfg(all(doctest, feature = "webrtc"))]
#[doc = include_str!("../../README.md")]
struct Readme;
