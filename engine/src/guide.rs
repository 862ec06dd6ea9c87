//! Pages to read, one subject each.
//!
//! | page | for |
//! |---|---|
//! | [`embed`] | an engine in an app: opening, editing, reading, events, errors, shutting down |
//! | [`members`] | devices: invites, rights, letting in, removing, several devices of one person |
//! | [`drafts`] | the role: who may edit, how it moves, and what everybody else writes |
//! | [`audio`] | sounds: taking in, asking for, playing together, collecting |
//! | [`offline`] | what is safe where, before and after the network |
//! | [`threats`] | what is protected from whom, and what is not |
//! | [`versions`] | what happens when two versions meet |
//! | [`limits`](crate::limits) | how much is too much |

#[doc = include_str!("../guide/embed.md")]
pub mod embed {}

#[doc = include_str!("../guide/members.md")]
pub mod members {}

#[doc = include_str!("../guide/drafts.md")]
pub mod drafts {}

#[doc = include_str!("../guide/audio.md")]
pub mod audio {}

#[doc = include_str!("../guide/offline.md")]
pub mod offline {}

#[doc = include_str!("../guide/threats.md")]
pub mod threats {}

#[doc = include_str!("../guide/versions.md")]
pub mod versions {}
