//! Bytes between devices. Knows nothing of decks.
//!
//! A [`Link`] joins two devices that have proved their keys to each other, by two ordered, reliable lanes: `control`
//! goes first, `binary` is patient. Links come over WebRTC, connected by pasted codes and reconnected without any
//! server ([`webrtc`]), or stay within the process ([`memory`]). A [`Route`] keeps one device reachable.
//! [`conformance`] is the contract of links as tests that every transport passes.
#![deny(missing_docs)]

mod cable;
pub mod conformance;
pub mod device;
mod inbox;
pub mod invite;
pub mod limits;
pub mod link;
pub mod memory;
pub mod mutants;
pub mod route;
#[cfg(feature = "webrtc")]
pub mod webrtc;
mod wire;

pub use cable::Cable;
pub use device::{DeviceId, DeviceKey};
pub use link::{CloseReason, DialError, Dialer, Lane, Link, LinkEvent, LinkStats, ProofError, RouteKind};
pub use route::{Backoff, Route, RouteState};
