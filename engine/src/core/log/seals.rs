//! Seals of changes that are in a snapshot: enough of them that what is sent can begin after any change and end at one.
//!
//! An editor seals each edit, and a seal is longer than most changes: keeping them all would double a deck. A slice ends
//! at a seal, so it is enough that the next seal is never far, and always within one slice.

use crate::limits::SLICE_BYTES_MAX;

/// Changes from one seal that is kept to the next, where each was sealed: a slice can end after any so many.
const SEALS_APART_MAX: usize = 200;

/// The seals of one term.
#[derive(Debug, Clone, Default)]
pub(super) struct SealsKept {
    /// By the number they end in; from each to the next it is not far, where there were enough.
    kept: Vec<(u64, Vec<u8>)>,
    /// The newest, which gives way to the next one while that is still near the last that is kept.
    newest: Option<(u64, Vec<u8>)>,
    /// What follows the last that is kept.
    since_kept: Run,
    /// What follows the newest.
    since_newest: Run,
}

#[derive(Debug, Clone, Copy, Default)]
struct Run {
    changes: usize,
    bytes: usize,
}

impl Run {
    fn add(&mut self, bytes: usize) {
        self.changes += 1;
        self.bytes += bytes;
    }

    fn is_near(self) -> bool {
        self.changes <= SEALS_APART_MAX && self.bytes <= SLICE_BYTES_MAX
    }
}

impl SealsKept {
    /// As a snapshot kept them.
    pub(super) fn restored(seals: Vec<(u64, Vec<u8>)>) -> Self {
        Self {
            kept: seals,
            ..Self::default()
        }
    }

    /// A change was added, of so many bytes with the draft that it accepts. `begins`: a slice must begin with it.
    pub(super) fn push(&mut self, number: u64, bytes: usize, begins: bool, seal: Option<&[u8]>) {
        // The line may have turned: what was sealed from here on was another.
        while self.kept.last().is_some_and(|(len, _)| *len >= number) {
            self.kept.pop();
        }
        self.newest.take_if(|(len, _)| *len >= number);
        if begins {
            self.keep_newest();
        }
        self.since_kept.add(bytes);
        self.since_newest.add(bytes);
        if !self.since_kept.is_near() {
            self.keep_newest();
        }
        if let Some(seal) = seal {
            self.newest = Some((number, seal.to_vec()));
            self.since_newest = Run::default();
        }
    }

    fn keep_newest(&mut self) {
        if let Some(newest) = self.newest.take() {
            self.kept.push(newest);
            self.since_kept = self.since_newest;
        }
    }

    /// The seals, by the number they end in.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (u64, &[u8])> {
        let all = self.kept.iter().chain(&self.newest);
        all.map(|(len, seal)| (*len, seal.as_slice()))
    }

    /// Where a slice ends that begins with change `from`, and should have `count` of them: at the last seal within, or at the
    /// first behind.
    pub(super) fn end_near(&self, from: u64, count: u64) -> Option<u64> {
        let aim = from.saturating_add(count);
        let mut ends = self.iter().map(|(end, _)| end).skip_while(|end| *end < from);
        let first = ends.next()?;
        Some(ends.take_while(|end| *end < aim).last().unwrap_or(first))
    }

    /// The seal that ends in a change.
    pub(super) fn at(&self, number: u64) -> Option<&[u8]> {
        let found = self.kept.binary_search_by_key(&number, |(len, _)| *len);
        match found {
            Ok(at) => self.kept.get(at).map(|(_, seal)| seal.as_slice()),
            Err(_) => self
                .newest
                .as_ref()
                .filter(|(len, _)| *len == number)
                .map(|(_, seal)| seal.as_slice()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From any change on, the next seal is within a slice.
    fn is_always_within_a_slice(seals: &SealsKept, sizes: &[usize]) {
        for from in 0..sizes.len() as u64 {
            let (next, _) = seals.iter().find(|(len, _)| *len > from).unwrap();
            let bytes: usize = sizes[from as usize..next as usize].iter().sum();
            assert!(next - from <= SEALS_APART_MAX as u64, "from {from} to {next}");
            assert!(
                bytes <= SLICE_BYTES_MAX || next == from + 1,
                "from {from} to {next}: {bytes}"
            );
        }
    }

    #[test]
    fn of_many_seals_so_many_are_kept_that_slices_can_end_anywhere() {
        let mut seals = SealsKept::default();
        let sizes = vec![100; 10_000];
        for (at, bytes) in sizes.iter().enumerate() {
            seals.push(at as u64 + 1, *bytes, false, Some(&[at as u8]));
        }
        is_always_within_a_slice(&seals, &sizes);
        let kept = seals.iter().count();
        assert!(kept <= 10_000 / SEALS_APART_MAX + 1, "{kept} seals of 10,000");
        assert_eq!(seals.iter().next_back().unwrap().0, 10_000, "the newest is there");
    }

    #[test]
    fn a_slice_ends_at_the_last_seal_within_it_or_at_the_first_behind() {
        let mut seals = SealsKept::default();
        for number in 1..=3_000_u64 {
            let is_sealed = number <= 1_000 || number == 3_000;
            seals.push(number, 100, false, is_sealed.then_some(&[1]));
        }
        let near = |from, count| seals.end_near(from, count).unwrap();
        assert_eq!(near(1, 256), 200);
        assert_eq!(near(201, 100), 400, "none within, so the first behind");
        assert_eq!(near(1, 100_000), 3_000);
        assert_eq!(near(1_001, 256), 3_000);
        assert!(seals.end_near(3_001, 1).is_none());
    }

    #[test]
    fn large_changes_and_rare_seals_are_minded() {
        let mut seals = SealsKept::default();
        let mut sizes = Vec::new();
        for at in 0..3_000_u64 {
            let bytes = if at % 7 == 0 { 250_000 } else { 1_000 };
            sizes.push(bytes);
            // Kept in slices of 13: only every 13th is sealed.
            let seal = (at % 13 == 12).then_some([1_u8].as_slice());
            seals.push(at + 1, bytes, false, seal);
        }
        sizes.truncate(3_000 / 13 * 13);
        is_always_within_a_slice(&seals, &sizes);
    }

    #[test]
    fn a_slice_can_end_before_what_has_to_begin_one() {
        let mut seals = SealsKept::default();
        for number in 1..=50 {
            seals.push(number, 100, number % 10 == 0, Some(&[1]));
        }
        for begins in [10, 20, 30, 40, 50] {
            assert!(seals.at(begins - 1).is_some(), "before {begins}");
        }
        assert!(seals.at(13).is_none());
    }

    #[test]
    fn a_line_that_turned_is_sealed_anew() {
        let mut seals = SealsKept::default();
        for number in 1..=300 {
            seals.push(number, 100, false, Some(b"old"));
        }
        for number in 150..=200 {
            seals.push(number, 100, false, Some(b"new"));
        }
        let all: Vec<_> = seals.iter().collect();
        assert_eq!(all.last(), Some(&(200, b"new".as_slice())));
        assert!(all.is_sorted_by_key(|(len, _)| *len));
        assert!(all.iter().all(|(len, seal)| *len < 150 || *seal == b"new"));
    }
}
