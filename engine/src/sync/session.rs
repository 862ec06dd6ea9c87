//! One deck on one link: what the other device holds, and what to send it next.
//!
//! Everything here is a guess that the next status corrects; nothing is lost with it.

use std::collections::{BTreeSet, VecDeque};

use crate::core::log::Owed;
use crate::core::{Apart, Held, Paced};
use crate::disk::LogRecord;
use crate::id::{ChangeHash, DeviceId, ReadId, TermId};
use crate::limits::{SLICE_CHANGES_MAX, SLICES_UNACKED_MAX, UNACKED_BYTES_MAX};
use crate::sync::clock::Offset;
use crate::sync::exchange::Exchange;
use crate::sync::holdings::Digest;
use crate::sync::message::{Item, Position};
use crate::time::Time;

/// The first slice that a device is sent; each that follows may be four times as long. What is sent begins at once, and is
/// taken in while the next slice is made.
const SLICE_CHANGES_FIRST: u64 = 256;

/// Bytes of changes after which a slice ends at the last seal before: what the store takes well in one batch.
pub(crate) const SLICE_BYTES_AIM: usize = 1024 * 1024;

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// Whether the other side said where it stands.
    pub(crate) heard: bool,
    /// Whether it holds the genesis.
    pub(crate) has_genesis: bool,
    /// The newest charter that it holds or was sent.
    pub(crate) charter: Option<(u32, u32)>,
    /// Up to where it was sent everything on our canonical path.
    pub(crate) cursor: Option<Position>,
    /// Where it said that it stands when it last said all of it: where to look for common ground if our path turns.
    pub(crate) locator: Vec<Position>,
    /// Where it said that it stands, durably.
    pub(crate) acked: Option<Position>,
    /// Whether the app was told that it holds all that this device does.
    pub(crate) in_sync: bool,
    /// How many changes the next slice may have.
    pub(crate) slice: SliceAim,
    /// Ends of slices that it has not acknowledged, and their bytes, oldest first.
    in_flight: VecDeque<InFlight>,
    /// How many messages of entries it was sent, and how many this device took from it.
    sent: u64,
    pub(crate) taken: u64,
    /// The digest of what is held beside our path, as it was last told.
    pub(crate) told: Option<Digest>,
    /// The same, when all of it was last listed.
    pub(crate) listed: Option<Digest>,
    /// How often, where that is much.
    pub(crate) listing: Paced,
    /// The digest of the list of its own that was last answered with ours.
    pub(crate) answered: Option<Digest>,
    /// What it lacks of that.
    pub(crate) owed: VecDeque<Owed>,
    /// What it needs before anything else of our path: late work that the path accepts.
    pub(crate) first: VecDeque<Owed>,
    /// The heads of late work that it was sent, or is being sent.
    pub(crate) late_sent: BTreeSet<ChangeHash>,
    /// Bytes of it that were sent since it last listed what it holds.
    pub(crate) owed_bytes: usize,
    /// Whether something of its branches came too early.
    pub(crate) missed: bool,
    /// Whether something of its path came too early, and it was told where we stand.
    pub(crate) early: bool,
    /// Whether something of its path came when there was no room for it: it is told where we stand when there is.
    pub(crate) dropped: bool,
    /// The term that it was last asked about: which terms lead to it.
    pub(crate) asked_lineage: Option<TermId>,
    /// The question to our own log that is being answered.
    pub(crate) reading: Option<Reading>,
    /// Whether this device asked it to be admitted.
    pub(crate) knocked: bool,
    /// Whether it asked this device.
    pub(crate) was_knocked: bool,
    /// Whether it was told what is going on: who is there, and what is played.
    pub(crate) introduced: bool,
    /// The number of what it last said that is played, and who played it.
    pub(crate) played: Option<(DeviceId, u64)>,
    /// How far it says that the editor's clock is ahead of its own, and when it said so.
    pub(crate) editor_clock: Option<(Time, Offset)>,
    /// Where both stood when they last compared that, and it did not fit.
    pub(crate) apart: Option<Apart>,
    /// Parts of its path that came, and wait for those behind them.
    pub(crate) held: Held,
    /// Drafts, of whomever.
    pub(crate) drafts: Exchange,
}

/// How long a slice is that was sent; nothing, for records alone.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Slice {
    pub(crate) changes: u64,
    pub(crate) bytes: usize,
    /// Whether it has fewer changes than were wanted and there: something that begins a slice follows, or it is large.
    pub(crate) is_short: bool,
}

/// How many changes the next slice may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SliceAim(pub(crate) u64);

impl Default for SliceAim {
    fn default() -> Self {
        Self(SLICE_CHANGES_FIRST)
    }
}

/// A slice that was not acknowledged yet.
#[derive(Debug)]
struct InFlight {
    number: u64,
    end: Position,
    bytes: usize,
}

/// A question to our own log. The cursor may move on while it is being answered: an acknowledgement overtakes it.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) read: ReadId,
    /// What goes before the answer.
    pub(crate) items: Vec<Item>,
    /// After which change it begins.
    pub(crate) after: Position,
    /// Where the line that is being sent ends.
    pub(crate) end: Position,
    /// How many changes are wanted of it.
    pub(crate) wanted: u64,
    /// The first of them, which the log may no longer hold.
    pub(crate) begins: Vec<LogRecord>,
    /// Whether they are being made anew.
    pub(crate) begins_anew: bool,
    /// Whether it is owed beside our path.
    pub(crate) beside: bool,
}

impl Session {
    /// Whether another slice may be sent now.
    pub(crate) fn has_room(&self) -> bool {
        let bytes: usize = self.in_flight.iter().map(|slice| slice.bytes).sum();
        let room = self.in_flight.len() < SLICES_UNACKED_MAX && bytes < UNACKED_BYTES_MAX;
        self.heard && self.reading.is_none() && room
    }

    /// A slice that ends there is on its way. What is read for the next one follows from how much of it was of use.
    pub(crate) fn sent_up_to(&mut self, position: Position, slice: Slice) {
        let Slice { changes, bytes, .. } = slice;
        if bytes > 0 {
            let reached = if slice.is_short { changes } else { self.slice.0 };
            // Of changes as long as these, and some shorter ones, no more would be sent: what is read beyond is in vain.
            let fitting = changes.saturating_mul(SLICE_BYTES_AIM as u64) / bytes as u64;
            let next = reached.saturating_mul(4).min(fitting + fitting / 8);
            self.slice.0 = next.clamp(SLICE_CHANGES_FIRST, SLICE_CHANGES_MAX as u64);
        }
        self.cursor = Some(position);
        self.sent += 1;
        self.in_flight.push_back(InFlight {
            number: self.sent,
            end: position,
            bytes,
        });
    }

    /// A message of entries without a slice is on its way.
    pub(crate) fn sent_records(&mut self) {
        self.sent += 1;
    }

    /// The other side holds everything up to there, and took so many messages of entries. `is_before` is the order of our
    /// canonical path.
    pub(crate) fn acked_up_to(
        &mut self,
        held: Position,
        taken: u64,
        is_before: impl Fn(Position, Position) -> bool,
    ) {
        self.acked = Some(held);
        while self
            .in_flight
            .front()
            .is_some_and(|slice| slice.number <= taken || slice.end == held || is_before(slice.end, held))
        {
            self.in_flight.pop_front();
        }
        // It may have got ahead by another route: no need to send it that again.
        if self.cursor.is_none_or(|cursor| is_before(cursor, held)) {
            self.cursor = Some(held);
        }
    }

    /// The other side sent what leads up to there: it need not be sent that.
    pub(crate) fn came_up_to(&mut self, end: Position, is_before: impl Fn(Position, Position) -> bool) {
        if self.cursor.is_none_or(|cursor| is_before(cursor, end)) {
            self.cursor = Some(end);
        }
    }

    /// The other side said anew where it stands: forget what was guessed.
    pub(crate) fn restart_at(&mut self, cursor: Option<Position>) {
        self.cursor = cursor;
        self.slice = SliceAim::default();
        self.in_flight.clear();
        self.reading = None;
        self.first.clear();
        self.late_sent.clear();
        self.drafts.restart();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TermId;

    fn slice(bytes: usize) -> Slice {
        slice_of(1, bytes, false)
    }

    fn slice_of(changes: u64, bytes: usize, is_short: bool) -> Slice {
        Slice {
            changes,
            bytes,
            is_short,
        }
    }

    fn at(len: u64) -> Position {
        Position {
            term: TermId::from_bytes([1; 32]),
            len,
            head: ChangeHash([2; 32]),
        }
    }

    #[test]
    fn slices_grow_until_the_other_side_says_anew_where_it_stands() {
        let mut session = Session::default();
        let mut grown = Vec::new();
        for sent in 1..=5 {
            grown.push(session.slice.0);
            session.sent_up_to(at(sent), slice(1));
        }
        assert_eq!(grown, [256, 1_024, 4_096, 8_192, 8_192]);
        session.restart_at(None);
        session.sent_up_to(at(6), Slice::default());
        assert_eq!(session.slice.0, 256, "records are no slice");
    }

    #[test]
    fn of_what_is_cut_short_no_more_is_read_than_four_times_what_was_sent() {
        let mut session = Session::default();
        let mut read = Vec::new();
        for (sent, changes, is_short) in [(1, 256, false), (2, 1, true), (3, 250, true), (4, 1, true)] {
            session.sent_up_to(at(sent), slice_of(changes, 1, is_short));
            read.push(session.slice.0);
        }
        assert_eq!(read, [1_024, 256, 1_000, 256]);
    }

    #[test]
    fn of_long_changes_no_more_are_read_than_may_be_sent() {
        let mut session = Session::default();
        let mut read = Vec::new();
        for sent in 1..=5 {
            let changes = session.slice.0.min(4_000);
            let is_short = changes < session.slice.0;
            // A slice is full with four thousand of them.
            let bytes = usize::try_from(changes).unwrap() * SLICE_BYTES_AIM / 4_000;
            session.sent_up_to(at(sent), slice_of(changes, bytes, is_short));
            read.push(session.slice.0);
        }
        assert_eq!(read, [1_024, 4_096, 4_500, 4_500, 4_500]);
    }

    #[test]
    fn so_many_slices_and_bytes_are_on_their_way_and_no_more_until_one_is_acknowledged() {
        for (bytes, most) in [(1, SLICES_UNACKED_MAX), (UNACKED_BYTES_MAX / 4, 4)] {
            let mut session = Session {
                heard: true,
                ..Session::default()
            };
            let mut sent = 0;
            while session.has_room() {
                sent += 1;
                session.sent_up_to(at(sent), slice(bytes));
            }
            assert_eq!(sent, most as u64, "of {bytes} bytes each");
            session.acked_up_to(at(1), 1, |one, other| one.len <= other.len);
            assert!(session.has_room());
        }
    }
}
