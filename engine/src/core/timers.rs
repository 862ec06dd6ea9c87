//! The times that `PROTOCOL.md` states, from where they are decided.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{playback, presence, watch};
use crate::blob::pulling::BAN;
use crate::limits::{PLAYBACK_EVERY, PLAYBACK_LEAD_MAX, PRESENCE_EVERY, ROLE_REQUESTS_EVERY};
use crate::sync::pulse;

/// In milliseconds, by what the page calls them.
pub(crate) fn timers() -> BTreeMap<&'static str, u64> {
    let failover = |after| watch::interval_of(super::AutoClaim::After(Duration::from_secs(after)));
    let times = [
        ("an editor shows itself every", watch::INTERVAL),
        (
            "the same, where others would claim, at the most every",
            failover(0),
        ),
        ("and at the least every", failover(60)),
        ("it asks for answers every", watch::ASKED_EVERY),
        (
            "and counts on them after, at the most",
            watch::ANSWERED_WITHIN_MAX,
        ),
        (
            "a device asks for the role at the most every",
            ROLE_REQUESTS_EVERY,
        ),
        ("the first pings of a link are apart", pulse::QUICK_EVERY),
        ("pings while something is played are apart", pulse::PLAYING_EVERY),
        ("other pings, and pulses, are apart", pulse::IDLE_EVERY),
        ("a presence leaves at the most every", PRESENCE_EVERY),
        ("it is shown again every", presence::AGAIN_EVERY),
        ("it is gone after", presence::KEPT_FOR),
        ("one that is doubted is gone after", presence::DOUBTED_FOR),
        ("a playback leaves at the most every", PLAYBACK_EVERY),
        ("it is said anew every", playback::AGAIN_EVERY),
        ("it ends without that after", playback::KEPT_FOR),
        ("its lead, unless set", playback::LEAD),
        ("its lead, at the most", PLAYBACK_LEAD_MAX),
        ("a source of wrong audio is asked for nothing for", BAN),
    ];
    let in_ms = |time: Duration| u64::try_from(time.as_millis()).unwrap();
    times.map(|(name, time)| (name, in_ms(time))).into()
}
