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
//! A longer one, of two devices in one process, each with a folder: a link, audio, and events. Everything after the link is by itself.
//!
#![cfg_attr(feature = "webrtc", doc = "```")]
#![cfg_attr(not(feature = "webrtc"), doc = "```ignore")]
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let temporary = tempfile::tempdir()?;
//! # let folder = |name| temporary.path().join(name);
//! use cuecard::transport::webrtc::{Config, WebRtc};
//! use cuecard::{AudioAbout, DeckInvite, Engine, Event, Rights};
//!
//! let laptop = Engine::open(folder("laptop")).await?;
//! let phone = Engine::open(folder("phone")).await?;
//! let deck = laptop.create_deck("Spanish 101").await?;
//! let about = AudioAbout { mime: "audio/wav".into(), name: "hola.wav".into(), duration_ms: 900 };
//! let audio = deck.import_audio(std::io::Cursor::new(vec![0; 50_000]), about).await?;
//! let (blob, slot) = (audio.blob, "front");
//! deck.edit(|edit| {
//!     let card = edit.add_card("hola", "hello")?;
//!     edit.attach_audio(&card, slot, audio)
//! })
//! .await?;
//!
//! // Two people carry two codes; the offer holds the deck's key.
//! let here = WebRtc::new(laptop.key().clone(), Config::loopback());
//! let there = WebRtc::new(phone.key().clone(), Config::loopback());
//! let offer = here.offer_with(deck.invite(Rights::Draft)?.to_bytes()).await?;
//! let answer = there.answer(&offer.code()).await?;
//! let invite = DeckInvite::from_bytes(answer.payload()).ok_or("no deck in this code")?;
//! let code = answer.code();
//! let (at_laptop, at_phone) = tokio::try_join!(offer.accept(&code), answer.connect())?;
//!
//! let mut events = phone.events();
//! let copy = phone.join(&invite).await?;
//! laptop.attach(at_laptop.link);
//! phone.attach(at_phone.link);
//! while let Some(event) = events.next().await {
//!     match event {
//!         Event::Syncing { have, total, .. } => println!("{have} of {total} changes are here"),
//!         Event::Audio(progress) if progress.blob == blob && progress.is_whole() => break,
//!         _ => {}
//!     }
//! }
//! assert_eq!(copy.cards()?[0].audio[slot].bytes, 50_000);
//! copy.open_audio(blob)?; // all of it, verified
//! phone.shutdown().await?;
//! laptop.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! | start here | for |
//! |---|---|
//! | [`guide`] | pages to read: embedding, members, drafts, audio, offline, threats, versions |
//! | [`Engine`] | opening a folder, decks, links, events |
//! | [`Deck`], [`Draft`] | what an app does with a deck |
//! | [`Event`], [`Mirror`] | what happens, and a copy of a deck that follows it |
//! | [`transport`] | making links: pasted codes over WebRTC, or your own |
//! | [`store`] | where bytes are kept: sled, memory, or your own |
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
pub mod guide;
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
mod work;

pub use cuecard_store as store;
pub use cuecard_transport as transport;

pub use crate::blob::progress::BlobProgress;
pub use crate::card::{AudioRef, Card, DeckInfo};
pub use crate::core::{
    AdmitError, AdmitPolicy, AudioPolicy, AutoClaim, AutoGrant, DeckError, DeviceSync, Distance, DraftError,
    DraftInfo, DraftPolicy, DraftPreview, DraftState, EditError, EditorSign, Fate, InviteError, LateError,
    LateWhy, LateWorkPolicy, LinkQuality, MemberInfo, Members, NowPlaying, PlaybackError, PlaybackRefusal,
    Policies, PresenceError, Present, Reach, RestoreError, Role, RoleError, Safety, SettlePolicy, Stand,
    StoreHasFailed, SyncProgress, SyncState, TurnWhy, UndoError, Undone,
};
pub use crate::deck::{AudioAbout, AudioError, Deck, DeckEvents, Draft, History, HistoryError, View};
pub use crate::document::undo::WhyNothing;
pub use crate::document::{DeckChange, Edit};
pub use crate::driver::Saving;
pub use crate::engine::{
    AttachedLink, Builder, Durability, Engine, Events, KeptLink, OpenError, SuspendError,
};
pub use crate::event::Event;
pub use crate::id::{BlobId, CardId, ChangeHash, DeckId, DeviceId, DraftId, TermId};
pub use crate::invite::DeckInvite;
pub use crate::mirror::{Followed, Mirror};
pub use crate::op::{OpError, Splice};
pub use crate::role::{Equivocation, LateWork, Member, Presence, Rights, Selection, Standing};
pub use crate::sync::clock::Offset;
pub use crate::sync::message::DraftRefusal;
pub use crate::work::{WorkProgress, Working};

/// The examples of the README are compiled and run as well.
#[cfg(all(doctest, feature = "webrtc"))]
#[doc = include_str!("../../README.md")]
struct Readme;
