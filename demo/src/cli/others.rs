//! Other devices: links, role, members, drafts.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::ask::RightsTold;

/// Link another device, and give it the deck.
///
/// Prints an offer, as text and QR, and waits for the answer.
///
/// The offer carries the deck's key: give it to nobody else. What `cuecard join` answers on the other device is pasted
/// here. Then the deck goes across, and the two devices know each other: `cuecard up` links them again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cuecard share
  cuecard share --rights draft --stay")]
pub(crate) struct Share {
    /// What the other device may do: read, propose drafts, or be the editor as well.
    #[arg(long, value_enum, default_value = "draft")]
    pub(crate) rights: RightsTold,
    /// Stay linked until Ctrl-C, and not only until all of the deck is on both.
    #[arg(long)]
    pub(crate) stay: bool,
    /// Leave the deck's key out: links a device again that follows the deck already.
    #[arg(long, conflicts_with = "rights")]
    pub(crate) no_invite: bool,
    /// Print no QR picture.
    #[arg(long)]
    pub(crate) no_qr: bool,
    /// Draw the QR picture for a light terminal.
    #[arg(long, conflicts_with = "no_qr")]
    pub(crate) light: bool,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

/// Answer an offer of another device, and take its deck.
///
/// Asks for the code of the offer, prints the answer to give back, and waits for the deck.
///
/// The code is pasted, or written to standard input. On the command line an offer is taken only if it carries no deck's
/// key: other users of this machine can read command lines.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cuecard join
  cuecard join --stay < offer.txt")]
pub(crate) struct Join {
    /// An offer without a deck's key, from `cuecard share --no-invite`.
    pub(crate) code: Option<String>,
    /// Stay linked until Ctrl-C, and not only until all of the deck is here.
    #[arg(long)]
    pub(crate) stay: bool,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

/// Stay linked with the devices that are known, until Ctrl-C.
///
/// Edits of either side reach the other at once. Other commands of this device work meanwhile, and are done by this process.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cuecard up
  cuecard up --json --no-stun")]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

/// How a command finds paths to other devices. A process that is running already goes by its own.
#[derive(Debug, Clone, Args)]
pub(crate) struct NetworkArgs {
    /// The addresses to use: `hosts` (all that others can reach), `loopback`, or addresses with commas between.
    #[arg(long, value_name = "ADDRESSES", default_value = "hosts", env = "CUECARD_BIND", help_heading = NETWORK)]
    pub(crate) bind: String,
    /// A server that tells this device its outer address, in place of the public ones. Can be given several times.
    #[arg(
        long, value_name = "HOST:PORT", env = "CUECARD_STUN", value_delimiter = ',', conflicts_with = "no_stun",
        help_heading = NETWORK, long_help = stun_help()
    )]
    pub(crate) stun: Vec<String>,
    /// Ask no such server: for devices in one network, or that both have public addresses.
    #[arg(long, help_heading = NETWORK)]
    pub(crate) no_stun: bool,
    /// A file of relays, for where no direct path is found: lines of HOST:PORT USERNAME PASSWORD. Or, for secrets that are
    /// handed over so, the same lines in CUECARD_TURN.
    #[arg(long, value_name = "FILE", help_heading = NETWORK)]
    pub(crate) turn: Option<PathBuf>,
}

const NETWORK: &str = "Network";

fn stun_help() -> String {
    format!(
        "A server that tells this device its outer address (STUN), in place of the public ones, which are {}. Whoever runs \
         one learns the address of who asks, and nothing else. None is asked on loopback. Can be given several times.",
        crate::node::network::PUBLIC_STUN.join(" and ")
    )
}

/// How everything stands: role, devices, what is in sync, audio.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cuecard status
  cuecard status --watch")]
pub(crate) struct Status {
    /// Again and again, as it changes.
    #[arg(long, short)]
    pub(crate) watch: bool,
}

/// The role: who may edit the deck.
#[derive(Debug, Args)]
pub(crate) struct Role {
    /// What to do.
    #[command(subcommand)]
    pub(crate) what: RoleCommand,
}

/// What can be done with the role.
#[derive(Debug, Subcommand)]
pub(crate) enum RoleCommand {
    /// Who has it.
    #[command(after_help = "Example:\n  cuecard role show")]
    Show,
    /// Ask the editor for it. Needs `cuecard up`.
    #[command(after_help = "Example:\n  cuecard role request \"I have the corrections here\"")]
    Request {
        /// Why.
        #[arg(default_value = "")]
        note: String,
    },
    /// Give it to another device, which may hold it.
    #[command(after_help = "Example:\n  cuecard role grant phone")]
    Grant {
        /// The device: its name, or the beginning of its id.
        device: String,
    },
    /// Tell a device that asked for it that it does not get it.
    #[command(after_help = "Example:\n  cuecard role deny phone --reason \"in an hour\"")]
    Deny {
        /// The device: its name, or the beginning of its id.
        device: String,
        /// Why not.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Let it go, for whoever claims it.
    #[command(after_help = "Example:\n  cuecard role release")]
    Release,
    /// Take it, from an editor that is gone or after it was let go. What the other wrote meanwhile is not lost.
    #[command(after_help = "\
Examples:
  cuecard role claim
  cuecard role claim --settled")]
    Claim {
        /// As the owner: settled at once, whatever the editor still says.
        #[arg(long)]
        settled: bool,
    },
}

/// The members of the deck: who may read, draft and edit.
#[derive(Debug, Args)]
pub(crate) struct Members {
    /// What to do.
    #[command(subcommand)]
    pub(crate) what: MembersCommand,
}

/// What can be done with members.
#[derive(Debug, Subcommand)]
pub(crate) enum MembersCommand {
    /// Who they are.
    #[command(after_help = "Example:\n  cuecard members list")]
    List,
    /// Let a device in, or give it other rights.
    #[command(after_help = "Example:\n  cuecard members admit phone --rights hold")]
    Admit {
        /// The device: its name, or its id or the beginning of it.
        device: String,
        /// What it may do: read, propose drafts, or be the editor as well.
        #[arg(long, value_enum, default_value = "draft")]
        rights: RightsTold,
    },
    /// End a membership. The deck's key is turned over, and all invites are void.
    #[command(after_help = "Example:\n  cuecard members remove phone")]
    Remove {
        /// The device: its name, or the beginning of its id.
        device: String,
    },
    /// Give the deck to another member, for good.
    #[command(after_help = "Example:\n  cuecard members transfer phone --yes")]
    Transfer {
        /// The device: its name, or the beginning of its id.
        device: String,
    },
}

/// Drafts: changes by whoever is not the editor, to be accepted or declined.
#[derive(Debug, Args)]
pub(crate) struct Draft {
    /// What to do.
    #[command(subcommand)]
    pub(crate) what: DraftCommand,
}

/// What can be done with drafts.
#[derive(Debug, Subcommand)]
pub(crate) enum DraftCommand {
    /// Begin one. Commands that change a deck take `--draft` then.
    #[command(after_help = "\
Examples:
  cuecard draft new \"words for the sea\"
  cuecard add \"el mar\" \"the sea\" --draft \"words for the sea\"")]
    New {
        /// What you say of it.
        note: String,
    },
    /// All that are known.
    #[command(after_help = "Example:\n  cuecard draft list")]
    List,
    /// One, and what accepting it would change.
    #[command(after_help = "Example:\n  cuecard draft show \"words for the sea\"")]
    Show {
        /// Which: its note, or the beginning of its id.
        draft: String,
    },
    /// Offer it to the editor, now or as soon as there is a way.
    #[command(after_help = "Example:\n  cuecard draft propose \"words for the sea\"")]
    Propose {
        /// Which: its note, or the beginning of its id.
        draft: String,
    },
    /// Make it part of the deck, whole.
    #[command(after_help = "Example:\n  cuecard draft accept \"words for the sea\"")]
    Accept {
        /// Which: its note, or the beginning of its id.
        draft: String,
    },
    /// Say that it is not wanted. It stays with its author.
    #[command(after_help = "Example:\n  cuecard draft decline 3fa9 --reason \"we have these already\"")]
    Decline {
        /// Which: its note, or the beginning of its id.
        draft: String,
        /// Why.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Take a proposal back.
    #[command(after_help = "Example:\n  cuecard draft withdraw \"words for the sea\"")]
    Withdraw {
        /// Which: its note, or the beginning of its id.
        draft: String,
    },
    /// Write it anew on the deck as it is now: for one that cannot be merged.
    #[command(after_help = "Example:\n  cuecard draft anew \"words for the sea\"")]
    Anew {
        /// Which: its note, or the beginning of its id.
        draft: String,
    },
    /// Forget it for good: one that was never proposed, or was withdrawn or declined.
    #[command(after_help = "Example:\n  cuecard draft discard \"words for the sea\"")]
    Discard {
        /// Which: its note, or the beginning of its id.
        draft: String,
    },
}

/// Late work: what an editor wrote that its successors had not seen.
///
/// It is kept, and mostly comes back by itself.
#[derive(Debug, Args)]
pub(crate) struct Late {
    /// What to do.
    #[command(subcommand)]
    pub(crate) what: LateCommand,
}

/// What can be done with late work.
#[derive(Debug, Subcommand)]
pub(crate) enum LateCommand {
    /// What there is.
    #[command(after_help = "Example:\n  cuecard late list")]
    List,
    /// Make it part of the deck.
    #[command(after_help = "Example:\n  cuecard late accept 1f9cb67e")]
    Accept {
        /// The beginning of its head, from `cuecard late list`.
        head: String,
    },
}
