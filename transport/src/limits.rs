//! Every bound of the transport, in one place, each with its reason.

use std::time::Duration;

/// One frame on the wire, header included: what every WebRTC stack accepts when it announces nothing (Chromium leaves
/// `max-message-size` out of its answers).
pub const FRAME_BYTES_MAX: usize = 64 * 1024;

/// A control message, joined from its frames: the largest slice of stored entries fits, and a peer cannot make us hold more.
pub const CONTROL_MESSAGE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Header of a binary frame: its kind.
pub const BINARY_HEADER_BYTES: usize = 1;

/// A binary message is one frame: audio is cut into chunks by the layer above, so joining would only add memory.
pub const BINARY_MESSAGE_BYTES_MAX: usize = FRAME_BYTES_MAX - BINARY_HEADER_BYTES;

/// Control messages received and not yet read: two of the largest, then the sender waits. Under this and the next lies what
/// the stack holds ready for each lane, which is not ours to set: up to 256 frames, 16 MiB of full ones.
pub(crate) const CONTROL_INBOX_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Binary messages received and not yet read. Flow control is per association, so a lane that is not drained throttles
/// the other: this much is drained ahead of the reader.
pub(crate) const BINARY_INBOX_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What even an empty message counts for in an inbox, so that a flood of empty ones is bounded too.
pub(crate) const MESSAGE_COST_BYTES_MIN: usize = 64;

/// Bytes a lane keeps unacknowledged below it. Measured: 256 KiB keeps a fast path full (197-232 MB/s on loopback)
/// while more only adds waiting for what is sent next.
#[cfg(feature = "webrtc")]
pub(crate) const OUTSTANDING_BYTES_MAX: usize = 256 * 1024;

/// Control frames that arrived ahead of their turn. The sender has at most [`OUTSTANDING_BYTES_MAX`] and one frame
/// outstanding, so four times that is generous.
#[cfg(feature = "webrtc")]
pub(crate) const REORDER_BYTES_MAX: usize = 1024 * 1024;

/// How far ahead of its turn a control frame may be. Tiny frames outnumber bytes: this bounds the map's nodes.
#[cfg(feature = "webrtc")]
pub(crate) const REORDER_FRAMES_MAX: u64 = 16 * 1024;

/// Asked of the kernel for each socket, both ways. Measured: the default receive buffer overflows in a burst, and each
/// loss can cost a second; stock kernels grant less, which is read back.
#[cfg(feature = "webrtc")]
pub(crate) const SOCKET_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// The SCTP window is a third of the granted buffer, within these: at least two frames, or nothing whole fits; at most
/// what did not overshoot at 20 ms round trip.
#[cfg(feature = "webrtc")]
pub(crate) const RECEIVE_WINDOW_BYTES: std::ops::RangeInclusive<usize> = 128 * 1024..=1024 * 1024;

/// Bytes the layer above may add to a code: a deck's id and key and a signature fit, the code stays pasteable.
pub const PAYLOAD_BYTES_MAX: usize = 144;

/// Addresses in a code or a saved route: more are never reachable all, and each costs knocks.
pub const ADDRESSES_MAX: usize = 16;

/// Addresses of one family in a code: a count of four bits each.
pub(crate) const CODE_FAMILY_ADDRESSES_MAX: usize = 15;

/// How long after its time a code is still tried: the clocks of two devices differ.
pub(crate) const CODE_CLOCK_SKEW: Duration = Duration::from_secs(600);

/// Characters of an ICE user fragment: at least what the standard says, at most far beyond what browsers make (8).
pub(crate) const ICE_FRAGMENT_CHARACTERS: std::ops::RangeInclusive<usize> = 4..=32;

/// Characters of an ICE password: at least what the standard says, at most far beyond what browsers make (32).
pub(crate) const ICE_PASSWORD_CHARACTERS: std::ops::RangeInclusive<usize> = 22..=64;

/// A session description of a browser: some 600 bytes, and 100 for each address.
pub(crate) const SDP_BYTES_MAX: usize = 64 * 1024;

/// Characters of a code that are looked at: the longest possible code with a line break after every character.
pub const CODE_CHARACTERS_MAX: usize = 4096;

/// How long a clean close waits for what was sent to be acknowledged.
#[cfg(feature = "webrtc")]
pub(crate) const CLOSE_FLUSH_MAX: Duration = Duration::from_millis(200);

/// How long a link in memory may stay cut before both ends report it as silent: as long as one over a network may be.
pub const MEMORY_SILENCE_MAX: Duration = Duration::from_secs(15);

/// Messages taken from the sender and not yet handed to SCTP: the sender waits beyond this. Little, because what waits
/// here is what an urgent message on the same lane would wait behind.
#[cfg(feature = "webrtc")]
pub(crate) const OUTBOX_BYTES_MAX: usize = 128 * 1024;

/// The same for audio, of which nothing is so urgent: with two frames the lane was found empty at every other turn, and
/// waited for a sixth of the time.
#[cfg(feature = "webrtc")]
pub(crate) const BINARY_OUTBOX_BYTES_MAX: usize = 512 * 1024;

/// Frames that may come before our channels are reported open.
#[cfg(feature = "webrtc")]
pub(crate) const EARLY_FRAMES_MAX: usize = 64;

/// The first calls for a lost device come this often, then each pause is half as long again.
#[cfg(feature = "webrtc")]
pub(crate) const KNOCK_EVERY_MIN: Duration = Duration::from_millis(50);

/// The longest pause between calls: it bounds how long after a mended network two devices find each other.
#[cfg(feature = "webrtc")]
pub(crate) const KNOCK_EVERY_MAX: Duration = Duration::from_millis(500);

/// Nonces of the other side that were live under one nonce of ours and must not come back. Beyond these, ours changes.
#[cfg(feature = "webrtc")]
pub(crate) const RETIRED_NONCES_MAX: usize = 64;

/// An answering side opens its own firewall for the offering one this often.
#[cfg(feature = "webrtc")]
pub(crate) const PUNCH_EVERY: Duration = Duration::from_secs(1);

/// Datagrams discarded in one poll before others get their turn.
#[cfg(feature = "webrtc")]
pub(crate) const DISCARDS_PER_POLL: u32 = 64;

/// The longest that a link may be silent before it is dead, unless more was set: a person looks at the screen.
#[cfg(feature = "webrtc")]
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(15);

/// Round trips of silence that are no sign of death: one lost frame and its repetition fit in.
#[cfg(feature = "webrtc")]
pub(crate) const ROUND_TRIPS_SILENT_MAX: u32 = 4;

/// Heartbeats that statistics look back on.
#[cfg(feature = "webrtc")]
pub(crate) const HEARTBEATS_REMEMBERED: usize = 32;

/// A heartbeat that comes back this much later than the best was lost on the way and sent again.
#[cfg(feature = "webrtc")]
pub(crate) const LATE_BY: Duration = Duration::from_millis(500);

/// As long as the kernel's largest coalesced read.
#[cfg(feature = "webrtc")]
pub(crate) const DATAGRAM_BYTES_MAX: usize = u16::MAX as usize;

/// Relays of one route: one for each family of addresses.
#[cfg(feature = "webrtc")]
pub(crate) const RELAYS_MAX: usize = 2;

/// How long only direct paths are tried: a relay that answers first would be taken.
#[cfg(feature = "webrtc")]
pub(crate) const RELAY_HEAD_START: Duration = Duration::from_millis(700);

/// Datagrams from a relay that were taken from its socket and not yet read.
#[cfg(feature = "webrtc")]
pub(crate) const RELAY_INBOX_MAX: usize = 256;

/// While an answer is awaited, an address translator on the way is reminded of us this often: they forget a silent
/// device after half a minute.
#[cfg(feature = "webrtc")]
pub(crate) const REMIND_EVERY: Duration = Duration::from_secs(10);

/// How long a control frame may be missing while later ones come: far longer than any repetition takes. A peer that leaves
/// one out, or sends one too long for the stack to hand over, would else have a link that is up and says nothing.
#[cfg(feature = "webrtc")]
pub(crate) const MISSING_MAX: Duration = Duration::from_secs(60);

/// While a lost device is called, whether this one has moved to another network is looked at this often.
#[cfg(feature = "webrtc")]
pub(crate) const LOOK_AROUND_EVERY: Duration = Duration::from_secs(1);

/// A sender for whom there is no room at the other side asks again so soon at first, each time twice as late, and at last so
/// late: what SCTP does (RFC 9260).
#[cfg(feature = "webrtc")]
pub(crate) const ROOM_ASKED_EVERY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// A flight of a handshake that was not answered is sent again this often: sooner than the stack's own second, so that one lost
/// datagram is hardly felt.
#[cfg(feature = "webrtc")]
pub(crate) const FLIGHT_AGAIN: Duration = Duration::from_millis(250);

/// The datagrams of one flight leave one after the other, far within this; what is sent later than this after something was
/// heard is the next flight.
#[cfg(feature = "webrtc")]
pub(crate) const FLIGHT_LEAVES_WITHIN: Duration = Duration::from_millis(20);

/// Bytes of a flight that are kept for that: with our small certificates it takes one datagram.
#[cfg(feature = "webrtc")]
pub(crate) const FLIGHT_BYTES_MAX: usize = 8 * 1024;

/// The quickest heartbeat: a quicker one would measure how busy the machine is, and none at all is no interval.
#[cfg(feature = "webrtc")]
pub(crate) const HEARTBEAT_EVERY_MIN: Duration = Duration::from_millis(20);

/// The longest that anything is waited for, whoever asks for longer: clocks cannot count to what a `Duration` holds.
pub(crate) const PATIENCE_MAX: Duration = Duration::from_secs(365 * 24 * 3_600);
