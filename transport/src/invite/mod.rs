//! Codes that people carry between two devices: a session description in about a hundred bytes, as text.

mod code;
mod text;

pub use code::{Code, CodeError, CodeKind};
#[cfg(feature = "webrtc")]
pub(crate) use code::{Reader, put_addresses};
