//! Who hears the editor: what each device keeps of its signs, and the editor of the answers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::core::LinkId;
use crate::core::log::Log;
use crate::core::policy::AutoClaim;
use crate::id::{DeviceId, TermId};
use crate::role::{Cut, Says, Verified, Word};
use crate::time::Time;

/// How often an editor shows itself where nothing is to follow from its absence, but that others are told: it costs every
/// link a signed word.
pub(super) const INTERVAL: Duration = Duration::from_secs(30);
/// And where something is to follow: never more rarely than this.
pub(super) const INTERVAL_FAILOVER: Duration = Duration::from_millis(500);
/// What is taken for it until the editor was heard: whoever just started waits twice and a half as long at least, as links
/// take their time to come up where all started together.
const INTERVAL_UNHEARD: Duration = Duration::from_secs(2);
/// Nobody is to shorten the time of others to nothing, or stretch it for ever. Nor does an editor show itself more often
/// than that, however many come.
pub(super) const INTERVAL_BOUNDS: (Duration, Duration) =
    (Duration::from_millis(100), Duration::from_secs(60));
/// Signs of the editor's that others may still answer.
const BEATS_ANSWERED: usize = 4;
/// How often an editor asks for answers where nothing but claims by hand would follow from their absence, and no link
/// ended: each that may hold the role answers, and along a chain one link carries all that.
pub(super) const ASKED_EVERY: Duration = Duration::from_secs(300);
/// How long an answer may take, at most; else three intervals.
pub(super) const ANSWERED_WITHIN_MAX: Duration = Duration::from_secs(30);

/// Who hears whom.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// The time as editor that all below is about.
    pub(super) since: Option<TermId>,
    /// The last term when this was last looked at, and when its holder's time began.
    pub(super) seen: Option<(TermId, TermId)>,
    /// When that was first seen here.
    pub(super) began: Time,
    /// When the editor was last heard, and the interval that it stated, or the one before it.
    pub(super) heard: Time,
    pub(super) interval: Option<Duration>,
    /// The last term that the editor was heard in, and the highest number of its signs there.
    pub(super) newest: Option<(TermId, u64)>,
    /// When its last sign came, if one did since this began.
    pub(super) sign: Option<Time>,
    /// Which sign each link brought last: its term and number.
    pub(super) brought: BTreeMap<LinkId, (TermId, u64)>,
    /// When others were last asked for what the editor has and this device has not.
    pub(super) looked: Option<Time>,
    /// As the editor: the number of its last sign, and the interval that it stated.
    pub(super) said: u64,
    pub(super) stated: Option<Duration>,
    /// As the editor: when it last showed itself, and whether a link came or ended since: then the next sign does not wait.
    pub(super) shown: Option<Time>,
    pub(super) came: bool,
    /// As the editor: its last signs, by their record ids, and when it said them. An answer to an older one is said again
    /// by somebody else.
    pub(super) beats: VecDeque<([u8; 32], Time)>,
    /// As the editor: since when answers have been due: the last time that all should have come, and those that are still
    /// awaited.
    pub(super) asked: VecDeque<Time>,
    /// As the editor: whether somebody further away may have lost its way to it since.
    pub(super) is_doubted: bool,
    /// As the editor: when it said what each other last answered.
    pub(super) echoes: BTreeMap<DeviceId, Time>,
    /// As the editor: when it was last not heard by a majority.
    pub(super) lacking: Option<Time>,
    /// The question that is being asked.
    pub(super) question: Option<Question>,
}

#[derive(Debug)]
pub(super) struct Question {
    pub(super) id: [u8; 32],
    pub(super) asked: Time,
    /// Who does not hear the editor either.
    pub(super) unheard: BTreeSet<DeviceId>,
    /// What others know to be sealed.
    pub(super) upto: Option<Cut>,
}

impl Watch {
    /// The device slept: nothing is known of who hears whom. What was said before is still old.
    pub(super) fn slept(&mut self) {
        *self = Self {
            newest: self.newest,
            ..Self::default()
        };
    }

    /// Whether a sign of the editor's was not said before one that was heard, or before a change that is here: others can
    /// keep what was said, and say it again when the editor is gone. What the editor says itself is no repetition, and its
    /// clock may have been set back.
    pub(super) fn is_news(&self, log: &Log, word: &Verified<Word>, from: DeviceId) -> bool {
        let Says::Beat { number, end, .. } = &word.says else {
            return false;
        };
        let canonical = log.chain.canonical();
        let is_newer = self.newest_in(word.term).is_none_or(|newest| newest < *number);
        from == word.signer || (word.term == canonical.tip && end.len >= canonical.len && is_newer)
    }

    /// The highest number of the signs that were heard in a term, if that is the last one.
    pub(super) fn newest_in(&self, term: TermId) -> Option<u64> {
        let newest = self.newest.filter(|(of, _)| *of == term);
        newest.map(|(_, number)| number)
    }

    /// A link brought a sign, be it one that came by another before.
    pub(super) fn note_bringer(&mut self, link: LinkId, word: &Verified<Word>) {
        if let Says::Beat { number, .. } = word.says {
            self.brought.insert(link, (word.term, number));
        }
    }

    /// Whether a link brought the last sign: who is at its other end has them without this device.
    pub(super) fn brought_last(&self, link: LinkId) -> bool {
        let brought = self.brought.get(&link);
        brought.is_some() && brought == self.newest.as_ref()
    }

    pub(super) fn interval(&self) -> Duration {
        self.interval.unwrap_or(INTERVAL_UNHEARD)
    }

    /// How long an editor that others pass on the signs of may be silent: as long as a failover takes to count it so. What it has not
    /// stated yet is not taken for shorter than it may be.
    pub(super) fn patience(&self, policy: AutoClaim, holders: usize) -> Duration {
        let stated = self.interval.unwrap_or(shown_every(AutoClaim::Never, holders));
        match policy {
            AutoClaim::After(after) => after.max(silence(stated)),
            AutoClaim::Never => silence(stated),
        }
    }

    /// Whether more than half have answered the last time that they were asked, or since. Those who still may be about to
    /// answer count as they did.
    pub(super) fn is_heard_by_majority(
        &self,
        me: DeviceId,
        holders: &[DeviceId],
        interval: Duration,
        now: Time,
    ) -> bool {
        let is_over = |asked: &&Time| now.since(**asked) > answered_within(interval);
        let due = self.asked.iter().rev().find(is_over);
        let hears = |device: &&DeviceId| {
            let answered = self.echoes.get(device);
            **device == me || answered.is_some_and(|answered| due.is_none_or(|due| due <= answered))
        };
        holders.iter().filter(hears).count() * 2 > holders.len()
    }

    /// Whether a sign that is due anyway is to be answered.
    pub(super) fn is_to_ask(&self, interval: Duration, now: Time) -> bool {
        let last = self.asked.back();
        self.is_doubted || last.is_none_or(|asked| now.since(*asked) >= asked_every(interval))
    }

    /// The editor said a sign.
    pub(super) fn note_beat(&mut self, id: [u8; 32], asks: bool, interval: Duration, now: Time) {
        self.beats.push_back((id, now));
        if self.beats.len() > BEATS_ANSWERED {
            self.beats.pop_front();
        }
        if asks {
            self.is_doubted = false;
            self.due(interval, now);
        }
    }

    /// From now on only new answers count, once they can be here.
    fn due(&mut self, interval: Duration, now: Time) {
        self.asked.push_back(now);
        let within = answered_within(interval);
        while self.asked.get(1).is_some_and(|next| now.since(*next) > within) {
            self.asked.pop_front();
        }
    }

    /// A link speaks of the deck no more: who answered by it may not hear the editor now, and is asked.
    pub(super) fn lose(&mut self, link: LinkId, now: Time) {
        self.brought.remove(&link);
        self.due(self.stated.unwrap_or(INTERVAL), now);
        self.came = true;
    }
}

/// Two signs missed, and half of one for the way.
pub(super) fn silence(interval: Duration) -> Duration {
    interval * 2 + interval / 2
}

/// How long an answer to a sign may take.
pub(super) fn answered_within(interval: Duration) -> Duration {
    (interval * 3).min(ANSWERED_WITHIN_MAX)
}

/// How often an editor that shows itself at this interval asks for answers: with each sign, where a failover may follow.
fn asked_every(interval: Duration) -> Duration {
    if interval <= INTERVAL_FAILOVER {
        Duration::ZERO
    } else {
        ASKED_EVERY
    }
}

/// How often an editor shows itself, where so many may hold the role.
pub(super) fn shown_every(policy: AutoClaim, holders: usize) -> Duration {
    match holders {
        // Others only want to know whether it is there.
        0 | 1 => INTERVAL,
        _ => interval_of(policy),
    }
}

pub(super) fn interval_of(policy: AutoClaim) -> Duration {
    match policy {
        AutoClaim::Never => INTERVAL,
        AutoClaim::After(after) => (after / 3).clamp(INTERVAL_BOUNDS.0, INTERVAL_FAILOVER),
    }
}
