//! Devices as processes of their own: real folders, real links over WebRTC on loopback, real signals.
//!
//! A test or benchmark starts its own program again, as a device ([`device::run_if_asked`]), and talks to it over standard
//! input and output, a line of JSON at a time ([`ask`]). Codes travel there and nowhere else.

pub mod ask;
pub mod device;
pub mod held;
pub mod process;
pub mod tally;

pub use ask::{Ask, Said, Status};
pub use process::{Process, Settings, mesh, pair_up, star};
