//! The groups of one blob: which are here, which were asked for, and which nobody was asked for yet.

use std::ops::Range;

/// How one group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    Missing,
    Asked,
    /// Asked of two links: the second may be faster than the first.
    Twice,
    Held,
}

/// All groups of a blob.
#[derive(Debug)]
pub(crate) struct Groups {
    groups: Vec<Group>,
    /// No group before this one is missing.
    first_missing: usize,
    missing: usize,
    held: usize,
}

impl Groups {
    /// So many groups, of which these are held.
    pub(crate) fn new(count: u32, held: &[Range<u32>]) -> Self {
        let mut all = Self {
            groups: vec![Group::Missing; count as usize],
            first_missing: 0,
            missing: count as usize,
            held: 0,
        };
        for range in held {
            all.hold(range);
        }
        all
    }

    pub(crate) const fn is_missing_some(&self) -> bool {
        self.missing > 0
    }

    /// How many are held.
    pub(crate) const fn held(&self) -> usize {
        self.held
    }

    /// The first run of missing groups, at most so long, now asked for.
    pub(crate) fn claim(&mut self, most: u32) -> Option<Range<u32>> {
        if self.missing == 0 {
            return None;
        }
        let from = self.groups.iter().skip(self.first_missing);
        let first = self.first_missing + from.into_iter().position(|&group| group == Group::Missing)?;
        let run = self.groups.iter_mut().skip(first).take(most as usize);
        let run = run
            .take_while(|group| **group == Group::Missing)
            .map(|group| *group = Group::Asked)
            .count();
        self.missing -= run;
        self.first_missing = first + run;
        Some(narrow(first)..narrow(first + run))
    }

    /// The first run within `range` that was asked of one link only, at most so long, now asked of another as well.
    pub(crate) fn claim_again(&mut self, range: &Range<u32>, most: u32) -> Option<Range<u32>> {
        let within = self.groups.get_mut(range.start as usize..range.end as usize)?;
        let first = within.iter().position(|&group| group == Group::Asked)?;
        let run = within
            .iter_mut()
            .skip(first)
            .take(most as usize)
            .take_while(|group| **group == Group::Asked)
            .map(|group| *group = Group::Twice)
            .count();
        let first = range.start + narrow(first);
        Some(first..first + narrow(run))
    }

    /// One link will not bring these.
    pub(crate) fn release(&mut self, range: &Range<u32>) {
        for at in range.start as usize..range.end as usize {
            let Some(group) = self.groups.get_mut(at) else {
                return;
            };
            match group {
                Group::Twice => *group = Group::Asked,
                Group::Asked => {
                    *group = Group::Missing;
                    self.missing += 1;
                    self.first_missing = self.first_missing.min(at);
                }
                Group::Missing | Group::Held => {}
            }
        }
    }

    /// These are here, verified.
    pub(crate) fn hold(&mut self, range: &Range<u32>) {
        let end = (range.end as usize).min(self.groups.len());
        for group in self.groups.get_mut(range.start as usize..end).unwrap_or_default() {
            match group {
                Group::Held => continue,
                Group::Missing => self.missing -= 1,
                Group::Asked | Group::Twice => {}
            }
            self.held += 1;
            *group = Group::Held;
        }
    }

    /// Whether all of these are held.
    pub(crate) fn holds(&self, range: &Range<u32>) -> bool {
        let within = self.groups.get(range.start as usize..range.end as usize);
        within.is_some_and(|groups| groups.iter().all(|&group| group == Group::Held))
    }
}

/// The limit on blobs keeps numbers of groups far below 32 bits.
fn narrow(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_asked_for_once_and_again_only_where_somebody_was_asked() {
        let mut groups = Groups::new(10, &[2..4, 8..10]);
        assert_eq!(groups.held(), 4);
        assert_eq!(groups.claim(5), Some(0..2));
        assert_eq!(groups.claim(3), Some(4..7));
        assert_eq!(groups.claim_again(&(0..10), 9), Some(0..2));
        assert_eq!(
            groups.claim_again(&(0..10), 2),
            Some(4..6),
            "not those held or asked twice"
        );
        assert_eq!(groups.claim(3), Some(7..8));
        assert_eq!((groups.claim(3), groups.is_missing_some()), (None, false));
        groups.release(&(4..7));
        assert_eq!(
            groups.claim(9),
            Some(6..7),
            "two of the three were asked of another link, too"
        );
        groups.release(&(4..6));
        groups.hold(&(4..5));
        assert_eq!(groups.claim(9), Some(5..6));
        assert!(groups.holds(&(2..5)) && !groups.holds(&(2..6)) && !groups.holds(&(8..11)));
    }
}
