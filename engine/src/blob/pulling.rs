//! Asking for what is wanted: which groups of whom, who is too slow, and who lies.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use crate::blob::fetch::{Fetches, State};
use crate::blob::frame::FRAME_GROUPS;
use crate::blob::progress::BlobProgress;
use crate::blob::source::Source;
use crate::blob::window::Asked;
use crate::id::{BlobId, DeckId, DeviceId, LinkId};
use crate::time::Time;

/// Groups asked for in one pull, where the window has room: few enough that what is moved to another source is little.
const PULL_GROUPS: u32 = 4 * FRAME_GROUPS;
/// How long a source that sent wrong bytes is asked for nothing.
pub(crate) const BAN: Duration = Duration::from_secs(600);
/// Banned devices that are remembered. A device costs nothing to make, so a longer list keeps nobody out.
const BANNED_MAX: usize = 1_024;
/// Bytes that arrived and wait for the disk, over all links: no more is asked for before some are kept.
const UNVERIFIED_MAX: u64 = 8 * 1024 * 1024;
/// Transfers of one link that were given up, and whose frames are welcome all the same.
const LATE_MAX: usize = 64;
/// After so many failures in a row the disk is left alone for a while.
const FAILURES_MAX: u32 = 4;
const DISK_RESTS: Duration = Duration::from_secs(30);
/// How soon it is looked again whether a faster source should take over, while one is idle.
const TAKE_OVER_EVERY: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(super) struct Transfer {
    pub(super) blob: BlobId,
    /// The size that it was asked for under.
    size: u64,
    link: LinkId,
    groups: Range<u32>,
    /// First groups of the frames that arrived.
    arrived: BTreeSet<u32>,
    asked: Asked,
    /// Asked of others meanwhile; what comes of it late is welcome.
    given_up: bool,
}

impl Transfer {
    /// The frames that have not arrived.
    fn missing(&self) -> impl Iterator<Item = Range<u32>> + '_ {
        let frames = self.groups.clone().step_by(FRAME_GROUPS as usize);
        frames
            .filter(|group| !self.arrived.contains(group))
            .map(|group| self.frame(group))
    }

    fn frame(&self, group: u32) -> Range<u32> {
        group..self.groups.end.min(group.saturating_add(FRAME_GROUPS))
    }

    fn missing_bytes(&self) -> u64 {
        self.missing().map(|frame| bytes_of(&frame)).sum()
    }
}

/// One pull to send.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pull {
    pub(crate) link: LinkId,
    pub(crate) transfer: u32,
    pub(crate) blob: BlobId,
    pub(crate) size: u64,
    pub(crate) groups: Range<u32>,
}

/// A frame that was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub(crate) blob: BlobId,
    pub(crate) size: u64,
    pub(crate) groups: Range<u32>,
}

impl Fetches {
    /// The other side of a link shares these decks.
    pub(crate) fn set_source(
        &mut self,
        now: Time,
        link: LinkId,
        device: DeviceId,
        decks: impl Iterator<Item = DeckId> + Clone,
    ) {
        let source = self
            .sources
            .entry(link)
            .or_insert_with(|| Source::new(now, device));
        if !source.decks.iter().copied().eq(decks.clone()) {
            source.decks = decks.collect();
            self.hope_again(None);
        }
    }

    /// What to ask next, the most urgent first.
    pub(crate) fn assign(&mut self, now: Time) -> Vec<Pull> {
        let mut pulls = Vec::new();
        self.look_again = None;
        self.banned.retain(|_, until| now < *until);
        if self.disk_rests_until.is_some_and(|until| now < until) {
            return pulls;
        }
        let links: Vec<LinkId> = self.sources.keys().copied().collect();
        for link in links {
            if !self.is_usable(now, link) {
                continue;
            }
            while self.unverified < UNVERIFIED_MAX
                && let Some(most) = self.sources.get(&link).and_then(pull_groups)
            {
                let claimed = self.claim(link, most).or_else(|| self.take_over(now, link, most));
                let Some((blob, groups)) = claimed else { break };
                pulls.extend(self.begin(now, link, blob, groups));
            }
        }
        pulls
    }

    /// The first groups that nobody was asked for and this link may have.
    fn claim(&mut self, link: LinkId, most: u32) -> Option<(BlobId, Range<u32>)> {
        let chances = self.chances;
        if self.sources.get(&link)?.found_nothing == Some(chances) {
            return None;
        }
        let mut ready = self.ready.iter().map(|&(_, blob)| blob);
        let Some(blob) = ready.find(|&blob| self.may_have(link, blob)) else {
            self.sources.get_mut(&link)?.found_nothing = Some(chances);
            return None;
        };
        let groups = self.change(blob, |want| match &mut want.state {
            State::Pulling(groups) => groups.claim(most),
            _ => None,
        });
        Some((blob, groups??))
    }

    /// Towards the end all groups were asked for, and the slowest source holds up the rest: one that is done asks for the
    /// same, where it will be sooner. What comes second costs its bytes and nothing else.
    fn take_over(&mut self, now: Time, link: LinkId, most: u32) -> Option<(BlobId, Range<u32>)> {
        if let Some(at) = self.took_over.filter(|&at| now.since(at) < TAKE_OVER_EVERY) {
            self.look_again = Some(at + TAKE_OVER_EVERY);
            return None;
        }
        let own = self.sources.get(&link)?;
        let own_time = own.takes(u64::from(most) * cuecard_store::GROUP_BYTES);
        let own_time = own_time.unwrap_or(Duration::from_millis(250));
        let mut slower: Vec<(Duration, LinkId)> = self
            .sources
            .iter()
            .filter(|(other, source)| **other != link && !source.queue.is_empty())
            .map(|(&other, source)| {
                let quiet = now.since(source.quiet_since);
                (source.takes(0).unwrap_or_default().max(quiet), other)
            })
            .collect();
        slower.sort_unstable_by(|a, b| b.cmp(a));
        for (takes, other) in slower {
            let transfers: Vec<u32> = self
                .sources
                .get(&other)
                .map(|source| source.queue.iter().rev().copied().collect())
                .unwrap_or_default();
            for number in transfers {
                let Some(transfer) = self.transfers.get(&number) else {
                    continue;
                };
                let (blob, frames) = (transfer.blob, transfer.missing().collect::<Vec<_>>());
                if !self.may_have(link, blob) {
                    continue;
                }
                let (Some(first), Some(last)) = (frames.first(), frames.last()) else {
                    continue;
                };
                let range = first.start..last.end;
                if takes <= 2 * own_time + Duration::from_millis(20) {
                    self.took_over = Some(now);
                    self.look_again = Some(now + TAKE_OVER_EVERY);
                    return None;
                }
                let again = self.change(blob, |want| match &mut want.state {
                    State::Pulling(groups) => groups.claim_again(&range, most),
                    _ => None,
                });
                if let Some(Some(groups)) = again {
                    return Some((blob, groups));
                }
            }
        }
        self.took_over = Some(now);
        None
    }

    fn begin(&mut self, now: Time, link: LinkId, blob: BlobId, groups: Range<u32>) -> Option<Pull> {
        let size = self.wants.get(&blob)?.size;
        let source = self.sources.get_mut(&link)?;
        let transfer = self.next_transfer;
        self.next_transfer = self.next_transfer.wrapping_add(1);
        if source.queue.is_empty() {
            source.quiet_since = now;
        }
        source.queue.push_back(transfer);
        let asked = source.window.ask(now, source.asked);
        source.asked += bytes_of(&groups);
        let (arrived, given_up) = (BTreeSet::new(), false);
        self.transfers.insert(
            transfer,
            Transfer {
                blob,
                size,
                link,
                groups: groups.clone(),
                arrived,
                asked,
                given_up,
            },
        );
        Some(Pull {
            link,
            transfer,
            blob,
            size,
            groups,
        })
    }

    /// Takes in the header of a frame: which blob and which groups it must hold. `None` when nobody asked for it, when
    /// it is here already, or when its sender lied before.
    pub(crate) fn arrived(&mut self, now: Time, link: LinkId, transfer: u32, group: u32) -> Option<Arrived> {
        let entry = self.transfers.get_mut(&transfer)?;
        let is_aligned = group
            .checked_sub(entry.groups.start)?
            .is_multiple_of(FRAME_GROUPS);
        if entry.link != link || !is_aligned || group >= entry.groups.end || !entry.arrived.insert(group) {
            return None;
        }
        let (blob, groups, given_up) = (entry.blob, entry.frame(group), entry.given_up);
        let asked_size = entry.size;
        let (asked, is_first, bytes) = (entry.asked, entry.arrived.len() == 1, bytes_of(&groups));
        let is_over = entry.missing().next().is_none();
        let source = self.sources.get_mut(&link)?;
        if !given_up {
            source.asked = source.asked.saturating_sub(bytes);
        }
        // How long a late one took says nothing of the path.
        source.window.arrived(now, asked, bytes, is_first && !given_up);
        if is_over {
            self.transfers.remove(&transfer);
            source.queue.retain(|queued| *queued != transfer);
        }
        let is_banned = self.banned.contains_key(&source.device);
        let want = self.wants.get(&blob)?;
        let is_needed = match &want.state {
            State::Pulling(held) => want.size == asked_size && !held.holds(&groups),
            _ => false,
        };
        if is_banned || !is_needed {
            // It came; that it is not needed is no fault of its sender's.
            source.quiet_since = now;
            return None;
        }
        source.unverified += 1;
        self.unverified += bytes;
        let size = want.size;
        Some(Arrived { blob, size, groups })
    }

    /// The store is done with a frame, whatever came of it.
    fn verified(&mut self, link: LinkId, groups: &Range<u32>) -> Option<&mut Source> {
        self.unverified = self.unverified.saturating_sub(bytes_of(groups));
        let source = self.sources.get_mut(&link)?;
        source.unverified = source.unverified.saturating_sub(1);
        Some(source)
    }

    /// The store verified and kept these groups. Answers how far the blob has come, when it is time to tell.
    pub(crate) fn written(
        &mut self,
        now: Time,
        link: LinkId,
        blob: BlobId,
        groups: &Range<u32>,
        whole: bool,
    ) -> Option<BlobProgress> {
        if let Some(source) = self.verified(link, groups) {
            source.delivered(now);
        }
        self.failures = 0;
        self.change(blob, |want| {
            if let State::Pulling(held) = &mut want.state {
                held.hold(groups);
            }
            if whole {
                want.is_whole_now();
            }
        })?;
        if whole {
            self.telling.forget(blob);
            self.lacking.retain(|(_, lacked)| *lacked != blob);
            return self.progress_of(now, blob);
        }
        let progress = self.progress_of(now, blob)?;
        let (rate, is_due) = self.telling.note(now, blob, progress.have_bytes);
        is_due.then_some(BlobProgress {
            bytes_per_second: rate,
            ..progress
        })
    }

    /// These bytes are not what the hash says. Their sender is asked for nothing for a while; the first time, that is
    /// answered with who it is.
    pub(crate) fn wrong(
        &mut self,
        now: Time,
        link: LinkId,
        blob: BlobId,
        groups: &Range<u32>,
    ) -> Option<DeviceId> {
        let device = self.verified(link, groups).map(|source| source.device);
        self.release(blob, groups);
        let device = device?;
        self.give_up_all(link);
        if self.banned.len() >= BANNED_MAX && !self.banned.contains_key(&device) {
            let first = self.banned.iter().min_by_key(|(_, until)| **until);
            if let Some(first) = first.map(|(&device, _)| device) {
                self.banned.remove(&first);
            }
        }
        let is_new = self.banned.insert(device, now + BAN).is_none();
        self.hope_again(None);
        is_new.then_some(device)
    }

    /// The disk would not take them.
    pub(crate) fn not_kept(&mut self, now: Time, link: LinkId, blob: BlobId, groups: &Range<u32>) {
        self.verified(link, groups);
        self.failed_to_keep(now, blob);
        self.failures += 1;
        if self.failures >= FAILURES_MAX {
            self.failures = 0;
            self.disk_rests_until = Some(now + DISK_RESTS);
        }
    }

    fn release(&mut self, blob: BlobId, groups: &Range<u32>) {
        self.change(blob, |want| {
            if let State::Pulling(held) = &mut want.state {
                held.release(groups);
            }
        });
    }

    /// What a link was asked for is missing again. Its frames are welcome when they come late.
    fn give_up_all(&mut self, link: LinkId) {
        let of_link = self.transfers.iter_mut().filter(|(_, entry)| entry.link == link);
        let mut frames = Vec::new();
        let mut late = Vec::new();
        for (&number, entry) in of_link {
            late.push(number);
            if !std::mem::replace(&mut entry.given_up, true) {
                let blob = entry.blob;
                frames.extend(entry.missing().map(|frame| (blob, frame)));
            }
        }
        for (blob, frame) in frames {
            self.release(blob, &frame);
        }
        let surplus = late.len().saturating_sub(LATE_MAX);
        for number in late.into_iter().take(surplus) {
            self.transfers.remove(&number);
        }
        if let Some(source) = self.sources.get_mut(&link) {
            source.queue.clear();
            source.asked = 0;
        }
    }

    /// The other side does not have it.
    pub(crate) fn lacks(&mut self, now: Time, link: LinkId, transfer: u32) {
        if self
            .transfers
            .get(&transfer)
            .is_none_or(|entry| entry.link != link)
        {
            return;
        }
        let Some(entry) = self.transfers.remove(&transfer) else {
            return;
        };
        if !entry.given_up {
            for frame in entry.missing() {
                self.release(entry.blob, &frame);
            }
            if let Some(source) = self.sources.get_mut(&link) {
                source.asked = source.asked.saturating_sub(entry.missing_bytes());
                source.queue.retain(|queued| *queued != transfer);
                // It answered.
                source.quiet_since = now;
            }
        }
        // Of another size than this it may have it.
        if self
            .wants
            .get(&entry.blob)
            .is_some_and(|want| want.size == entry.size)
        {
            self.lacking.insert((link, entry.blob));
            self.try_other_size(now, entry.blob);
        }
    }

    /// The other side has now what it lacked.
    pub(crate) fn has_now(&mut self, link: LinkId, blob: BlobId) {
        if self.lacking.remove(&(link, blob)) {
            self.hope_again(Some(blob));
        }
    }

    /// The other side may have more than it had.
    pub(crate) fn ask_again(&mut self, now: Time, link: LinkId) {
        let source = self.sources.get_mut(&link);
        if source.is_some_and(|source| source.is_asked_again(now)) {
            self.lacking.retain(|(lacking, _)| *lacking != link);
            self.hope_again(None);
        }
    }

    /// A link is gone: what it was asked for is missing again.
    pub(crate) fn link_down(&mut self, link: LinkId) {
        self.give_up_all(link);
        self.transfers.retain(|_, entry| entry.link != link);
        self.sources.remove(&link);
        self.lacking.retain(|(lacking, _)| *lacking != link);
    }

    /// Gives up what has stalled. Answers the blobs that it was of: what is known of them is not what was last told.
    pub(crate) fn check_stalls(&mut self, now: Time) -> BTreeSet<BlobId> {
        let stalled: Vec<LinkId> = self
            .sources
            .iter()
            .filter(|(_, source)| source.stalls_at().is_some_and(|at| at <= now))
            .map(|(&link, _)| link)
            .collect();
        let mut blobs = BTreeSet::new();
        for link in stalled {
            let of_link = self.transfers.values().filter(|entry| entry.link == link);
            blobs.extend(of_link.filter(|entry| !entry.given_up).map(|entry| entry.blob));
            self.give_up_all(link);
            if let Some(source) = self.sources.get_mut(&link) {
                source.stalled(now);
            }
            self.hope_again(None);
        }
        blobs
    }

    /// When to look again, whatever happens.
    pub(crate) fn wakes_at(&self, now: Time) -> Option<Time> {
        let stalls = self.sources.values().filter_map(Source::stalls_at);
        // One that rests is of interest only while there is something to ask.
        let rests = self.sources.values().filter_map(Source::rests_until);
        let rests = rests.chain(self.banned.values().copied());
        let rests = rests.chain(self.disk_rests_until).filter(|&until| until > now);
        let rests = rests.filter(|_| !self.ready.is_empty());
        let others = self.look_again.into_iter().chain(self.retries_at());
        stalls.chain(rests).chain(others).min()
    }
}

/// How many groups a link is to be asked for at once now; none where it has no room, or too little to be worth a question:
/// each goes ahead of the audio on the same path.
fn pull_groups(source: &Source) -> Option<u32> {
    let groups = |bytes: u64| u32::try_from(bytes / cuecard_store::GROUP_BYTES).unwrap_or(u32::MAX);
    // Of a source that is not known yet, one: it may be slow, and a larger frame takes longer to be seen at all.
    let is_known = source.window.round_trip().is_some() || source.asked > 0;
    let window = if is_known { source.window.bytes() } else { 0 };
    let worth = match groups(window / 4).min(PULL_GROUPS) {
        0 => 1,
        few @ 1..FRAME_GROUPS => few,
        // Whole frames.
        more => more - more % FRAME_GROUPS,
    };
    (groups(source.room()) >= worth).then_some(worth)
}

fn bytes_of(groups: &Range<u32>) -> u64 {
    u64::from(groups.end.saturating_sub(groups.start)) * cuecard_store::GROUP_BYTES
}

#[cfg(test)]
mod tests;
