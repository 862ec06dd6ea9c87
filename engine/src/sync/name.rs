//! What messages are called.

use super::message::Message;

impl Message {
    /// What `PROTOCOL.md` calls it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Greet { .. } => "Greet",
            Self::Status { .. } => "Status",
            Self::Entries { .. } => "Entries",
            Self::Ack { .. } => "Ack",
            Self::Propose { .. } => "Propose",
            Self::Pull { .. } => "Pull",
            Self::Lack { .. } => "Lack",
            Self::Have { .. } => "Have",
            Self::Holdings { .. } => "Holdings",
            Self::Branches { .. } => "Branches",
            Self::DraftsHeld { .. } => "DraftsHeld",
            Self::Withdraw { .. } => "Withdraw",
            Self::DraftRefused { .. } => "DraftRefused",
            Self::Whence { .. } => "Whence",
            Self::Lineage { .. } => "Lineage",
            Self::Word { .. } => "Word",
            Self::NewKey { .. } => "NewKey",
            Self::Knock { .. } => "Knock",
            Self::Ping { .. } => "Ping",
            Self::Pong { .. } => "Pong",
            Self::Presence { .. } => "Presence",
            Self::Doubt { .. } => "Doubt",
            Self::Playback { .. } => "Playback",
        }
    }
}
