//! Which groups of which blob to ask of whom. Pure: it answers, the core sends.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use crate::blob::frame::FRAME_GROUPS;
use crate::id::{BlobId, LinkId};
use crate::limits::{BLOB_BYTES_MAX, BLOB_WANTS_MAX};
use crate::time::Time;

/// Groups asked for in one pull. With two pulls open on a link at most 384 KiB are under way: enough to keep a
/// local path busy, little enough that control is not held up.
const PULL_GROUPS: u32 = 4 * FRAME_GROUPS;
/// Pulls open on one link: the next is asked for while the last is still arriving.
const PULLS_PER_LINK: usize = 2;
/// A source that delivers nothing for this long loses its range to another.
pub(crate) const STALL: Duration = Duration::from_secs(2);

/// All blobs that decks here refer to, and how far each has come.
#[derive(Debug, Default)]
pub(crate) struct Fetches {
    wants: BTreeMap<BlobId, Want>,
    transfers: BTreeMap<u32, Transfer>,
    /// Links that said they lack a blob: not asked again before their next status.
    lacking: BTreeSet<(LinkId, BlobId)>,
    next_transfer: u32,
    /// How many wait for room.
    queued: usize,
}

#[derive(Debug)]
struct Want {
    size: u64,
    groups: Groups,
}

#[derive(Debug)]
enum Groups {
    /// Wanted when fewer others are.
    Queued,
    /// The store was asked what it holds.
    Opening,
    /// One entry a group.
    Pulling(Vec<Group>),
    /// All there and verified.
    Whole,
    /// Not to be had: beyond the limit, or the store failed.
    Given,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    Missing,
    Asked,
    Held,
}

#[derive(Debug)]
struct Transfer {
    blob: BlobId,
    link: LinkId,
    groups: Range<u32>,
    /// First groups of the frames that arrived.
    arrived: BTreeSet<u32>,
    written: u32,
    last_news: Time,
}

/// One pull to send.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pull {
    pub(crate) link: LinkId,
    pub(crate) transfer: u32,
    pub(crate) blob: BlobId,
    pub(crate) groups: Range<u32>,
}

/// How far a blob has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobProgress {
    /// Which blob.
    pub blob: BlobId,
    /// Verified bytes held (to the group).
    pub have_bytes: u64,
    /// Its size.
    pub size_bytes: u64,
}

impl BlobProgress {
    /// Whether all of it is held.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.have_bytes == self.size_bytes
    }
}

impl Fetches {
    /// Notes that a deck refers to a blob. True when the store should now be asked what it holds of it; one that has
    /// to wait is named by [`Fetches::next_to_open`] in its time.
    pub(crate) fn want(&mut self, blob: BlobId, size: u64) -> bool {
        if self.wants.contains_key(&blob) {
            return false;
        }
        let fits = size <= BLOB_BYTES_MAX;
        let groups = match fits {
            false => Groups::Given,
            true if self.open_wants() >= BLOB_WANTS_MAX => Groups::Queued,
            true => Groups::Opening,
        };
        let opening = matches!(groups, Groups::Opening);
        self.queued += usize::from(matches!(groups, Groups::Queued));
        self.wants.insert(blob, Want { size, groups });
        opening
    }

    /// The blobs that waited for room and have it now: the store should be asked what it holds of them.
    pub(crate) fn next_to_open(&mut self) -> Vec<(BlobId, u64)> {
        if self.queued == 0 {
            return vec![];
        }
        let room = BLOB_WANTS_MAX.saturating_sub(self.open_wants());
        let queued = self.wants.iter_mut();
        let queued = queued.filter(|(_, want)| matches!(want.groups, Groups::Queued));
        let opened: Vec<(BlobId, u64)> = queued
            .take(room)
            .map(|(&blob, want)| {
                want.groups = Groups::Opening;
                (blob, want.size)
            })
            .collect();
        self.queued -= opened.len();
        opened
    }

    fn open_wants(&self) -> usize {
        self.wants
            .values()
            .filter(|want| matches!(want.groups, Groups::Opening | Groups::Pulling(_)))
            .count()
    }

    /// What the store holds of a blob: these groups, or all of it.
    pub(crate) fn opened(&mut self, blob: BlobId, held: Held) {
        let Some(want) = self.wants.get_mut(&blob) else {
            return;
        };
        want.groups = match held {
            Held::Whole => Groups::Whole,
            Held::Failed => Groups::Given,
            Held::Groups(held) => {
                let count = group_count(want.size);
                let mut groups = vec![Group::Missing; count as usize];
                for range in held {
                    for group in range.start..range.end.min(count) {
                        if let Some(group) = groups.get_mut(group as usize) {
                            *group = Group::Held;
                        }
                    }
                }
                Groups::Pulling(groups)
            }
        };
    }

    /// What to ask next of these links, smallest blob first, so that most cards become playable soonest.
    pub(crate) fn assign(&mut self, now: Time, links: &[LinkId]) -> Vec<Pull> {
        let mut order: Vec<(u64, BlobId)> = self
            .wants
            .iter()
            .filter(|(_, want)| matches!(want.groups, Groups::Pulling(_)))
            .map(|(blob, want)| (want.size, *blob))
            .collect();
        order.sort_unstable();
        let mut pulls = Vec::new();
        for &link in links {
            let mut open = self
                .transfers
                .values()
                .filter(|transfer| transfer.link == link)
                .count();
            for &(_, blob) in &order {
                while open < PULLS_PER_LINK && !self.lacking.contains(&(link, blob)) {
                    let Some(groups) = self.claim_run(blob) else { break };
                    let transfer = self.next_transfer;
                    self.next_transfer = self.next_transfer.wrapping_add(1);
                    let arrived = BTreeSet::new();
                    let entry = Transfer {
                        blob,
                        link,
                        groups: groups.clone(),
                        arrived,
                        written: 0,
                        last_news: now,
                    };
                    self.transfers.insert(transfer, entry);
                    pulls.push(Pull {
                        link,
                        transfer,
                        blob,
                        groups,
                    });
                    open += 1;
                }
            }
        }
        pulls
    }

    /// The next run of missing groups, now marked as asked for.
    fn claim_run(&mut self, blob: BlobId) -> Option<Range<u32>> {
        let Groups::Pulling(groups) = &mut self.wants.get_mut(&blob)?.groups else {
            return None;
        };
        let first = groups.iter().position(|&group| group == Group::Missing)?;
        let run = groups.iter_mut().skip(first).take(PULL_GROUPS as usize);
        let run = run
            .take_while(|group| **group == Group::Missing)
            .map(|group| *group = Group::Asked)
            .count();
        let first = u32::try_from(first).ok()?;
        Some(first..first + u32::try_from(run).ok()?)
    }

    /// Takes in the header of a frame from `link`: which blob and which groups it must hold. `None` when nobody
    /// asked for it (a late frame of a transfer that was given up, or a stranger's).
    pub(crate) fn arrived(
        &mut self,
        link: LinkId,
        transfer: u32,
        group: u32,
    ) -> Option<(BlobId, Range<u32>)> {
        let entry = self.transfers.get_mut(&transfer)?;
        let aligned = group.checked_sub(entry.groups.start)? % FRAME_GROUPS == 0;
        if entry.link != link || !aligned || group >= entry.groups.end || !entry.arrived.insert(group) {
            return None;
        }
        Some((entry.blob, group..entry.groups.end.min(group + FRAME_GROUPS)))
    }

    /// The store verified and kept these groups.
    ///
    /// The transfer may have been given up in between: what was verified counts all the same.
    pub(crate) fn written(
        &mut self,
        now: Time,
        transfer: u32,
        blob: BlobId,
        groups: &Range<u32>,
        whole: bool,
    ) -> Option<BlobProgress> {
        if let Some(entry) = self.transfers.get_mut(&transfer) {
            entry.last_news = now;
            entry.written += groups.end.saturating_sub(groups.start);
            if entry.written >= entry.groups.end - entry.groups.start {
                self.transfers.remove(&transfer);
            }
        }
        let want = self.wants.get_mut(&blob)?;
        if let Groups::Pulling(states) = &mut want.groups {
            for group in groups.clone() {
                if let Some(state) = states.get_mut(group as usize) {
                    *state = Group::Held;
                }
            }
        }
        if whole {
            want.groups = Groups::Whole;
            self.transfers.retain(|_, transfer| transfer.blob != blob);
        }
        self.progress_of(blob)
    }

    /// Gives up a transfer, so that its missing groups are asked for again. Returns its link and blob.
    pub(crate) fn give_up(&mut self, transfer: u32) -> Option<(LinkId, BlobId)> {
        let entry = self.transfers.remove(&transfer)?;
        if let Some(Want {
            groups: Groups::Pulling(states),
            ..
        }) = self.wants.get_mut(&entry.blob)
        {
            for group in entry.groups {
                if let Some(state) = states.get_mut(group as usize)
                    && *state == Group::Asked
                {
                    *state = Group::Missing;
                }
            }
        }
        Some((entry.link, entry.blob))
    }

    /// The other side does not have it.
    pub(crate) fn lacks(&mut self, link: LinkId, transfer: u32) {
        if self
            .transfers
            .get(&transfer)
            .is_some_and(|entry| entry.link == link)
            && let Some((link, blob)) = self.give_up(transfer)
        {
            self.lacking.insert((link, blob));
        }
    }

    /// The other side may have more than it had.
    pub(crate) fn ask_again(&mut self, link: LinkId) {
        self.lacking.retain(|(lacking, _)| *lacking != link);
    }

    /// A link is gone: what it was asked for is missing again.
    pub(crate) fn link_down(&mut self, link: LinkId) {
        let lost: Vec<u32> = self
            .transfers
            .iter()
            .filter(|(_, entry)| entry.link == link)
            .map(|(&number, _)| number)
            .collect();
        for transfer in lost {
            self.give_up(transfer);
        }
        self.ask_again(link);
    }

    /// Gives up what has stalled, and says when to look again.
    pub(crate) fn check_stalls(&mut self, now: Time) -> Option<Time> {
        let stalled: Vec<u32> = self
            .transfers
            .iter()
            .filter(|(_, entry)| now.since(entry.last_news) >= STALL)
            .map(|(&number, _)| number)
            .collect();
        for transfer in stalled {
            self.give_up(transfer);
        }
        self.transfers.values().map(|entry| entry.last_news + STALL).min()
    }

    /// How far each wanted blob has come.
    pub(crate) fn progress(&self) -> Vec<BlobProgress> {
        self.wants
            .keys()
            .filter_map(|blob| self.progress_of(*blob))
            .collect()
    }

    fn progress_of(&self, blob: BlobId) -> Option<BlobProgress> {
        let want = self.wants.get(&blob)?;
        let have_bytes = match &want.groups {
            Groups::Whole => want.size,
            Groups::Queued | Groups::Opening | Groups::Given => 0,
            Groups::Pulling(groups) => {
                let held = groups.iter().filter(|&&group| group == Group::Held).count() as u64;
                // Never "all" before the store has said so: the last group is shorter than the others.
                (held * cuecard_store::GROUP_BYTES).min(want.size.saturating_sub(1))
            }
        };
        Some(BlobProgress {
            blob,
            have_bytes,
            size_bytes: want.size,
        })
    }
}

/// What the store said of a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// All of it.
    Whole,
    /// These groups.
    Groups(Vec<Range<u32>>),
    /// The store could not say.
    Failed,
}

/// How many groups a blob of this size has.
fn group_count(size: u64) -> u32 {
    u32::try_from(cuecard_store::group_count(size)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOB: BlobId = BlobId::from_bytes([1; 32]);
    const NOW: Time = Time::from_millis(0);

    fn wanting(groups: u64) -> Fetches {
        let mut fetches = Fetches::default();
        assert!(fetches.want(BLOB, groups * cuecard_store::GROUP_BYTES));
        assert!(!fetches.want(BLOB, 5), "asked for once");
        fetches.opened(BLOB, Held::Groups(vec![]));
        fetches
    }

    #[test]
    fn two_links_share_the_work_and_nothing_is_asked_twice() {
        let mut fetches = wanting(100);
        let links = [LinkId::new(1), LinkId::new(2)];
        let mut asked = BTreeSet::new();
        let mut whole = false;
        while !whole {
            let pulls = fetches.assign(NOW, &links);
            assert!(!pulls.is_empty(), "no progress with {} groups asked", asked.len());
            for pull in pulls {
                let mut group = pull.groups.start;
                while group < pull.groups.end {
                    let (blob, groups) = fetches
                        .arrived(pull.link, pull.transfer, group)
                        .expect("asked for");
                    assert_eq!(
                        fetches.arrived(pull.link, pull.transfer, group),
                        None,
                        "a repeated frame"
                    );
                    assert!(groups.clone().all(|group| asked.insert(group)), "asked twice");
                    group = groups.end;
                    whole = asked.len() == 100;
                    let progress = fetches
                        .written(NOW, pull.transfer, blob, &groups, whole)
                        .expect("wanted");
                    assert_eq!((blob, progress.is_whole()), (BLOB, whole));
                }
            }
        }
        assert!(fetches.assign(NOW, &links).is_empty());
    }

    #[test]
    fn what_a_lost_or_stalled_link_was_asked_for_is_asked_of_another() {
        let (one, two) = (LinkId::new(1), LinkId::new(2));
        let mut fetches = wanting(4);
        let first = fetches.assign(NOW, &[one]);
        assert_eq!(first.len(), 1);
        assert!(fetches.assign(NOW, &[two]).is_empty());
        fetches.link_down(one);
        let second = fetches.assign(NOW, &[two]);
        assert_eq!(second[0].groups, first[0].groups);
        assert_eq!(fetches.check_stalls(NOW), Some(NOW + STALL));
        assert_eq!(fetches.check_stalls(NOW + STALL), None);
        assert_eq!(fetches.arrived(two, second[0].transfer, 0), None, "given up");
        let third = fetches.assign(NOW, &[two]);
        fetches.lacks(two, third[0].transfer);
        assert!(fetches.assign(NOW, &[two]).is_empty(), "it said it lacks it");
        assert_eq!(fetches.assign(NOW, &[one]).len(), 1);
    }

    #[test]
    fn what_the_store_holds_is_not_asked_for() {
        let mut fetches = Fetches::default();
        fetches.want(BLOB, 10 * cuecard_store::GROUP_BYTES);
        assert!(
            fetches.assign(NOW, &[LinkId::new(1)]).is_empty(),
            "not before the store has answered"
        );
        fetches.opened(BLOB, Held::Groups(vec![0..4, 6..10]));
        let pulls = fetches.assign(NOW, &[LinkId::new(1)]);
        assert_eq!((pulls.len(), pulls[0].groups.clone()), (1, 4..6));
        let mut huge = Fetches::default();
        assert!(!huge.want(BLOB, BLOB_BYTES_MAX + 1));
    }

    #[test]
    fn what_is_beyond_the_limit_waits_its_turn() {
        let mut fetches = Fetches::default();
        let blob = |number: usize| BlobId::from_bytes(*blake3::hash(&number.to_le_bytes()).as_bytes());
        for number in 0..BLOB_WANTS_MAX {
            assert!(fetches.want(blob(number), 1));
        }
        let late = blob(BLOB_WANTS_MAX);
        assert!(!fetches.want(late, 1), "no room yet");
        assert_eq!(fetches.next_to_open(), []);
        fetches.opened(blob(0), Held::Whole);
        assert_eq!(fetches.next_to_open(), [(late, 1)]);
        assert_eq!(fetches.next_to_open(), [], "said once");
    }
}
