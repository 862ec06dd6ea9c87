//! Bytes between devices. Knows nothing of decks.
#![deny(missing_docs)]

pub mod device;
pub mod link;

pub use device::{DeviceId, DeviceKey};
pub use link::{CloseReason, DialError, Dialer, Lane, Link, LinkEvent, LinkStats, RouteKind};
