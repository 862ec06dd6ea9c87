//! What the logs of a deck hold beyond what it is opened from: the last of the records that two snapshots hold, too.
//!
//! A device that comes back lacks the last changes, and is sent them as they lie in the log; made anew of the document, each
//! takes 10 µs. They are kept for that alone: nothing of them is read when a deck is opened, and where one is damaged or gone,
//! it is made anew. What they cost is disk, 1.3 KB each in the default store, several times their bytes; and a
//! [repair](cuecard_store::Store::repair), which lets go of all that lies behind a damaged record, has more of them to find one among.

use std::collections::{BTreeMap, VecDeque};

use super::compact::CompactWhen;

use crate::id::TermId;

/// Records that are weighed together, and taken for as heavy as one another: so many at the most.
const RUN_CHANGES_MAX: u64 = 256;
/// And so many bytes: a large one is weighed alone.
const RUN_BYTES_MAX: usize = 64 * 1024;
/// What a record takes beside its change and seal: its key, checksum and form, in the default store.
const RECORD_BYTES: usize = 64;

/// The records that the logs of a deck hold, in the order in which they went there.
#[derive(Debug, Default)]
pub(super) struct LogsKept {
    /// The oldest first.
    runs: VecDeque<Run>,
    /// From which change on what the log of a term holds is sent as it lies; from the first where none is named.
    begins: BTreeMap<TermId, u64>,
    /// Up to which change of a term something could not be read, since the logs were last cut short.
    unread: BTreeMap<TermId, u64>,
}

/// Records of one term, one after the other.
#[derive(Debug, Clone, Copy)]
struct Run {
    term: TermId,
    /// The number of the first.
    from: u64,
    changes: u64,
    /// None where they were there when the deck was opened: they were not read.
    bytes: Option<usize>,
}

impl Run {
    const fn next(&self) -> u64 {
        self.from.saturating_add(self.changes)
    }

    /// Of what one of them weighs, the middle.
    fn each(&self, unweighed: usize) -> usize {
        let changes = usize::try_from(self.changes).unwrap_or(usize::MAX).max(1);
        self.bytes.map_or(unweighed, |bytes| bytes / changes).max(1)
    }

    /// The first of them leave.
    fn shorten(&mut self, by: u64, each: usize) {
        let bytes = usize::try_from(by).unwrap_or(usize::MAX).saturating_mul(each);
        self.from += by;
        self.changes -= by;
        self.bytes = self.bytes.map(|all| all.saturating_sub(bytes));
    }
}

impl LogsKept {
    /// A record of so many bytes went into the log of a term.
    pub(super) fn push(&mut self, term: TermId, number: u64, bytes: usize) {
        let bytes = bytes.saturating_add(RECORD_BYTES);
        if let Some(last) = self.runs.back_mut()
            && last.term == term
            && last.next() == number
            && last.changes < RUN_CHANGES_MAX
            && let Some(all) = last.bytes.map(|all| all.saturating_add(bytes))
            && all <= RUN_BYTES_MAX
        {
            last.changes += 1;
            last.bytes = Some(all);
            return;
        }
        self.runs.push_back(Run {
            term,
            from: number,
            changes: 1,
            bytes: Some(bytes),
        });
    }

    /// A deck is opened from a snapshot that holds so many changes of a term, whose log begins with this one.
    pub(super) fn restore(&mut self, term: TermId, first: Option<u64>, len: u64) {
        let from = first.map_or(len + 1, |first| first.min(len + 1));
        self.begins.insert(term, from);
        if from <= len {
            self.runs.push_back(Run {
                term,
                from,
                changes: len + 1 - from,
                bytes: None,
            });
        }
    }

    /// From which change on what the log of a term holds is sent as it lies.
    pub(super) fn begins(&self, term: TermId) -> u64 {
        self.begins.get(&term).copied().unwrap_or(1)
    }

    /// A change that snapshots hold could not be read from the log of its term. False where that is no news.
    pub(super) fn miss(&mut self, term: TermId, number: u64) -> bool {
        let is_news = number >= self.begins(term);
        if is_news {
            self.begins.insert(term, number + 1);
            self.unread.insert(term, number);
        }
        is_news
    }

    /// Two snapshots hold so much of each term. Says up to which change each log is cut short now: all that is not among
    /// the last records, and what comes before one that could not be read.
    pub(super) fn cut(
        &mut self,
        snapped: &BTreeMap<TermId, u64>,
        when: CompactWhen,
    ) -> BTreeMap<TermId, u64> {
        let unread = std::mem::take(&mut self.unread);
        let (mut changes, mut bytes) = (when.kept_changes, when.kept_bytes);
        let mut gone = BTreeMap::new();
        // Those of an earlier run of the app are taken for as heavy as those of this one.
        let unweighed = self.each_weighed();
        for run in self.runs.iter_mut().rev() {
            let each = run.each(unweighed);
            let fits = u64::try_from(bytes / each).unwrap_or(u64::MAX).min(changes);
            let stays = run.changes.min(fits);
            if stays == run.changes {
                changes -= stays;
                bytes -= usize::try_from(stays).unwrap_or(usize::MAX).saturating_mul(each);
            } else {
                (changes, bytes) = (0, 0);
            }
            let upto = |numbers: &BTreeMap<TermId, u64>| {
                let last = numbers.get(&run.term).copied().unwrap_or(0);
                last.saturating_add(1).saturating_sub(run.from).min(run.changes)
            };
            let goes = (run.changes - stays).max(upto(&unread)).min(upto(snapped));
            if goes > 0 {
                run.shorten(goes, each);
                let last = gone.entry(run.term).or_default();
                *last = (run.from - 1).max(*last);
            }
        }
        self.runs.retain(|run| run.changes > 0);
        for (term, last) in &gone {
            let begins = self.begins.entry(*term).or_default();
            *begins = (last + 1).max(*begins);
        }
        gone
    }

    /// What a record weighs of those that were weighed.
    fn each_weighed(&self) -> usize {
        let weighed = self.runs.iter().filter_map(|run| Some((run.changes, run.bytes?)));
        let (changes, bytes) = weighed.fold((0, 0_usize), |(changes, bytes), of| {
            (changes + of.0, bytes.saturating_add(of.1))
        });
        bytes / usize::try_from(changes).unwrap_or(usize::MAX).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{LOG_KEPT_BYTES_MAX, LOG_KEPT_CHANGES};

    const SMALL: usize = 300 - RECORD_BYTES;

    fn term(number: u8) -> TermId {
        TermId::from_bytes([number; 32])
    }

    fn keep(kept_changes: u64, kept_bytes: usize) -> CompactWhen {
        CompactWhen {
            kept_changes,
            kept_bytes,
            ..CompactWhen::default()
        }
    }

    fn push(kept: &mut LogsKept, of: u8, numbers: std::ops::RangeInclusive<u64>, bytes: usize) {
        for number in numbers {
            kept.push(term(of), number, bytes);
        }
    }

    fn snapped<const N: usize>(lens: [(u8, u64); N]) -> BTreeMap<TermId, u64> {
        lens.map(|(of, len)| (term(of), len)).into()
    }

    #[test]
    fn the_last_records_stay_whatever_terms_they_are_of() {
        let mut kept = LogsKept::default();
        push(&mut kept, 1, 1..=700, SMALL);
        push(&mut kept, 2, 1..=50, SMALL);
        push(&mut kept, 3, 1..=400, SMALL);
        let all = snapped([(1, 700), (2, 50), (3, 400)]);
        assert_eq!(kept.cut(&all, keep(2_000, usize::MAX)), snapped([]));
        assert_eq!(kept.cut(&all, keep(1_000, usize::MAX)), snapped([(1, 150)]));
        assert_eq!((kept.begins(term(1)), kept.begins(term(2))), (151, 1));
        assert_eq!(
            kept.cut(&all, keep(1_000, usize::MAX)),
            snapped([]),
            "once is enough"
        );
        push(&mut kept, 3, 401..=410, SMALL);
        assert_eq!(kept.cut(&all, keep(1_000, usize::MAX)), snapped([(1, 160)]));
        assert_eq!(
            kept.cut(&all, keep(0, usize::MAX)),
            all,
            "as the older rule would have it: all that both snapshots hold, and nothing else"
        );
        assert_eq!(kept.begins(term(3)), 401);
    }

    #[test]
    fn as_many_stay_as_the_limits_say_and_no_more() {
        let (mut kept, when) = (LogsKept::default(), CompactWhen::default());
        push(&mut kept, 1, 1..=LOG_KEPT_CHANGES + 100, SMALL);
        let all = snapped([(1, LOG_KEPT_CHANGES + 100)]);
        assert_eq!(kept.cut(&all, when), snapped([(1, 100)]));
        let (mut kept, large) = (LogsKept::default(), LOG_KEPT_BYTES_MAX / 50);
        push(&mut kept, 1, 1..=150, large - RECORD_BYTES);
        assert_eq!(kept.cut(&snapped([(1, 150)]), when), snapped([(1, 100)]));
    }

    #[test]
    fn what_no_two_snapshots_hold_stays_however_much_it_is() {
        let mut kept = LogsKept::default();
        push(&mut kept, 1, 1..=500, SMALL);
        push(&mut kept, 2, 1..=500, SMALL);
        assert_eq!(kept.cut(&snapped([]), keep(10, 10)), snapped([]));
        // What has to be there anyway is among the last.
        assert_eq!(
            kept.cut(&snapped([(1, 500), (2, 100)]), keep(450, usize::MAX)),
            snapped([(1, 500), (2, 50)])
        );
    }

    #[test]
    fn of_large_ones_fewer_stay() {
        let mut kept = LogsKept::default();
        push(&mut kept, 1, 1..=1_000, SMALL);
        push(&mut kept, 1, 1_001..=1_010, 100_000);
        let (large, all) = (100_000 + RECORD_BYTES, snapped([(1, 1_010)]));
        assert_eq!(
            kept.cut(&all, keep(5_000, 10 * large + 100 * 300)),
            snapped([(1, 900)])
        );
        assert_eq!(kept.cut(&all, keep(5_000, 3 * large)), snapped([(1, 1_007)]));
        // One that does not fit is not passed over for one before it.
        push(&mut kept, 2, 1..=1, 10 * large);
        assert_eq!(
            kept.cut(&snapped([(1, 1_010), (2, 1)]), keep(5_000, 5 * large)),
            snapped([(1, 1_010), (2, 1)])
        );
    }

    #[test]
    fn those_of_an_earlier_run_are_taken_for_as_heavy_as_those_of_this_one() {
        for (bytes, stay) in [(SMALL, 1_000), (3_000 - RECORD_BYTES, 0)] {
            let mut kept = LogsKept::default();
            kept.restore(term(1), Some(4_001), 5_000);
            kept.restore(term(2), None, 70);
            assert_eq!((kept.begins(term(1)), kept.begins(term(2))), (4_001, 71));
            push(&mut kept, 3, 1..=200, bytes);
            let all = snapped([(1, 5_000), (2, 70), (3, 200)]);
            let gone = kept.cut(&all, keep(16_384, 200 * (bytes + RECORD_BYTES) + 300 * stay));
            let left = 5_000 - gone.get(&term(1)).copied().unwrap_or(4_000);
            assert_eq!(left, stay as u64);
            assert!(!gone.contains_key(&term(2)), "there is none of it to be cut");
        }
    }

    #[test]
    fn what_comes_before_one_that_could_not_be_read_is_of_no_use_and_goes() {
        let mut kept = LogsKept::default();
        push(&mut kept, 1, 1..=1_000, SMALL);
        let when = keep(5_000, usize::MAX);
        assert!(kept.miss(term(1), 300));
        assert_eq!(kept.begins(term(1)), 301);
        assert!(!kept.miss(term(1), 200), "that is known");
        assert_eq!(
            kept.cut(&snapped([(1, 250)]), when),
            snapped([(1, 250)]),
            "what is not in both snapshots stays"
        );
        assert_eq!(kept.begins(term(1)), 301);
        assert!(kept.miss(term(1), 400));
        assert_eq!(kept.cut(&snapped([(1, 900)]), when), snapped([(1, 400)]));
        assert_eq!(kept.cut(&snapped([(1, 950)]), when), snapped([]));
    }
}
