//! Codes that people carry between two devices: a session description in about a hundred bytes, as text, as a picture
//! for a camera, or as the SDP that a browser takes and makes.

mod code;
mod credentials;
#[cfg(feature = "qr")]
mod qr;
mod sdp;
mod text;

pub use code::{Code, CodeError, CodeKind};
#[cfg(feature = "webrtc")]
pub(crate) use code::{Reader, put_addresses};
pub use credentials::Credentials;
#[cfg(feature = "qr")]
pub use qr::Qr;
pub use sdp::{SdpError, address_of_candidate};
#[cfg(feature = "webrtc")]
pub(crate) use sdp::{begins, candidate, describe, parse_fingerprint};
