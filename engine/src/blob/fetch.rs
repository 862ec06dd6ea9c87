//! Which blobs are wanted, in which order, and how each stands. [`super::pulling`] asks for them. Pure: it answers, the
//! core sends.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use crate::blob::groups::Groups;
use crate::blob::progress::{BlobProgress, Telling};
use crate::blob::pulling::Transfer;
use crate::blob::source::Source;
use crate::id::{BlobId, DeckId, DeviceId, LinkId};
use crate::limits::{BLOB_BYTES_MAX, BLOB_WANTS_MAX};
use crate::time::Time;

/// A blob that the disk would not take is tried again after so long.
const RETRY_AFTER: Duration = Duration::from_secs(60);
/// Sizes that cards give for one blob: the true one, and a few of those who are wrong.
const SIZES_MAX: usize = 4;
/// Audio up to this goes before longer pieces: a word or a sentence, so that most cards can be heard soonest.
const SMALL_BYTES_MAX: u64 = 1024 * 1024;

/// All blobs that decks here refer to, and how far each has come.
#[derive(Debug, Default)]
pub(crate) struct Fetches {
    pub(super) wants: BTreeMap<BlobId, Want>,
    /// Those that wait to be looked at, the first to come first.
    queued: BTreeSet<(Rank, BlobId)>,
    /// Those of which groups can be asked for, the first to come first.
    pub(super) ready: BTreeSet<(Rank, BlobId)>,
    /// How many are looked at or pulled.
    open: usize,
    pub(super) transfers: BTreeMap<u32, Transfer>,
    pub(super) next_transfer: u32,
    pub(super) sources: BTreeMap<LinkId, Source>,
    /// Links that said they lack a blob: not asked again before they say that they have it.
    pub(super) lacking: BTreeSet<(LinkId, BlobId)>,
    /// Devices that sent wrong bytes, and until when they are asked for nothing.
    pub(super) banned: BTreeMap<DeviceId, Time>,
    /// Bytes that arrived and are being verified.
    pub(super) unverified: u64,
    /// Writes that failed since one succeeded, and until when the disk is left alone.
    pub(super) failures: u32,
    pub(super) disk_rests_until: Option<Time>,
    /// When a faster source may take over from a slower one.
    pub(super) look_again: Option<Time>,
    pub(super) took_over: Option<Time>,
    pub(super) telling: Telling,
    /// Blobs that failed, and when they are tried again.
    failed: BTreeMap<BlobId, Time>,
    /// Counts up with what may give a source something to do that has nothing.
    pub(super) chances: u64,
    /// Whether something changed that may let others be opened.
    review: bool,
}

/// Before what a blob goes: the smaller, the sooner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    pub(crate) urgency: Urgency,
    is_large: bool,
    place: u32,
    size: u64,
}

/// Who waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Urgency {
    /// It is on the card that a person looks at.
    Focused,
    /// The app asked for this very blob.
    Asked,
    /// It is on a card that the app shows.
    Shown,
    /// It is in a deck that is to be whole here.
    Wanted,
}

/// That a deck's audio is wanted, and where the card stands that names it.
pub(crate) type Wish = Option<(Urgency, u32)>;

#[derive(Debug)]
pub(super) struct Want {
    pub(super) size: u64,
    /// All sizes that were given for it, and how many of them no source knew.
    sizes: Vec<u64>,
    tried: usize,
    /// The decks that name it, and whether it is wanted for them.
    pub(super) decks: BTreeMap<DeckId, Wish>,
    is_asked: bool,
    pub(super) state: State,
}

#[derive(Debug)]
pub(super) enum State {
    /// Not wanted, or there are others before it; whether the store said already that it is not whole.
    Closed {
        looked: bool,
    },
    /// The store was asked what it holds.
    Opening,
    Pulling(Groups),
    /// All there and verified.
    Whole,
    /// The disk would not take it.
    Failed,
    /// Beyond the limit.
    TooLarge,
}

/// In which list it is.
#[derive(PartialEq, Eq)]
enum Place {
    Nowhere,
    Queued(Rank),
    Ready(Rank),
}

impl Want {
    fn rank(&self) -> Option<Rank> {
        let asked = self.is_asked.then_some((Urgency::Asked, 0));
        let wishes = self.decks.values().copied().flatten().chain(asked);
        let (urgency, place) = wishes.min()?;
        Some(Rank {
            urgency,
            is_large: self.size > SMALL_BYTES_MAX,
            place,
            size: self.size,
        })
    }

    fn place(&self) -> Place {
        match (&self.state, self.rank()) {
            (State::Closed { .. }, Some(rank)) => Place::Queued(rank),
            (State::Pulling(groups), Some(rank)) if groups.is_missing_some() => Place::Ready(rank),
            _ => Place::Nowhere,
        }
    }

    /// Whoever asked for it has it.
    pub(super) fn is_whole_now(&mut self) {
        (self.state, self.is_asked) = (State::Whole, false);
    }

    const fn is_open(&self) -> bool {
        matches!(self.state, State::Opening | State::Pulling(_))
    }
}

impl Fetches {
    /// Whether no deck here names any blob, and nothing is under way.
    pub(crate) fn is_empty(&self) -> bool {
        self.wants.is_empty() && self.transfers.is_empty()
    }

    /// Changes a want, and keeps the lists in step.
    pub(super) fn change<R>(&mut self, blob: BlobId, change: impl FnOnce(&mut Want) -> R) -> Option<R> {
        let want = self.wants.get_mut(&blob)?;
        let (before, was_open) = (want.place(), want.is_open());
        let result = change(want);
        let (after, is_open) = (want.place(), want.is_open());
        self.open = self.open + usize::from(is_open) - usize::from(was_open);
        if before != after {
            match before {
                Place::Nowhere => {}
                Place::Queued(rank) => drop(self.queued.remove(&(rank, blob))),
                Place::Ready(rank) => drop(self.ready.remove(&(rank, blob))),
            }
            match after {
                Place::Nowhere => {}
                Place::Queued(rank) => {
                    self.queued.insert((rank, blob));
                    self.review = true;
                }
                Place::Ready(rank) => {
                    self.ready.insert((rank, blob));
                    self.chances += 1;
                }
            }
        }
        self.review |= was_open && !is_open;
        Some(result)
    }

    /// A deck names a blob, of this size.
    pub(crate) fn name(&mut self, deck: DeckId, blob: BlobId, size: u64, wish: Wish) {
        self.wants.entry(blob).or_insert_with(|| Want {
            size,
            sizes: vec![],
            tried: 0,
            decks: BTreeMap::new(),
            is_asked: false,
            state: match size <= BLOB_BYTES_MAX {
                true => State::Closed { looked: false },
                false => State::TooLarge,
            },
        });
        let is_new_size = self.change(blob, |want| {
            want.decks.insert(deck, wish);
            let is_new = !want.sizes.contains(&size) && want.sizes.len() < SIZES_MAX;
            if is_new {
                want.sizes.push(size);
            }
            // A size that cannot be right must not stand in the way of one that can.
            if matches!(want.state, State::TooLarge) && size <= BLOB_BYTES_MAX {
                (want.size, want.state) = (size, State::Closed { looked: false });
            }
            is_new && want.sizes.len() > 1
        });
        if is_new_size == Some(true) {
            // Who lacked it may have lacked it for its size.
            self.lacking.retain(|(_, lacked)| *lacked != blob);
            self.hope_again(Some(blob));
        }
    }

    /// What is wanted of a deck's audio now; what is not in it, the deck names no more.
    pub(crate) fn set_wishes(&mut self, deck: DeckId, wishes: &BTreeMap<BlobId, (u64, Wish)>) {
        let gone: Vec<BlobId> = self
            .wants
            .iter()
            .filter(|(blob, want)| want.decks.contains_key(&deck) && !wishes.contains_key(*blob))
            .map(|(&blob, _)| blob)
            .collect();
        for blob in gone {
            if self.wants.get(&blob).is_some_and(|want| want.is_asked) {
                // Only its past names it, and the app asked for that.
                self.change(blob, |want| want.decks.insert(deck, None));
                continue;
            }
            self.change(blob, |want| want.decks.remove(&deck));
            self.forget_unnamed(blob);
        }
        for (&blob, &(size, wish)) in wishes {
            self.name(deck, blob, size, wish);
        }
    }

    /// A deck is not followed any more.
    pub(crate) fn forget_deck(&mut self, deck: DeckId) {
        let named = self.wants.iter();
        let named = named.filter(|(_, want)| want.decks.contains_key(&deck));
        let named: Vec<BlobId> = named.map(|(&blob, _)| blob).collect();
        for blob in named {
            self.change(blob, |want| want.decks.remove(&deck));
            self.forget_unnamed(blob);
        }
    }

    /// Whether a blob is wanted and not whole here.
    pub(crate) fn is_to_come(&self, blob: BlobId) -> bool {
        let want = self.wants.get(&blob);
        want.is_some_and(|want| want.rank().is_some() && !matches!(want.state, State::Whole))
    }

    fn forget_unnamed(&mut self, blob: BlobId) {
        let is_unnamed = |want: &&Want| want.decks.is_empty() && !want.is_asked;
        if self.wants.get(&blob).filter(is_unnamed).is_some() {
            // Out of the lists first.
            self.change(blob, |want| want.state = State::Whole);
            self.wants.remove(&blob);
            self.lacking.retain(|(_, lacked)| *lacked != blob);
            self.telling.forget(blob);
        }
    }

    /// The app asks for this very blob, which a deck names or named.
    pub(crate) fn ask_for(&mut self, deck: DeckId, blob: BlobId, size: u64) {
        let wish = self.wants.get(&blob).and_then(|want| *want.decks.get(&deck)?);
        self.name(deck, blob, size, wish);
        self.change(blob, |want| {
            want.is_asked = true;
            // It may have been collected since.
            if matches!(want.state, State::Whole) {
                want.state = State::Closed { looked: false };
            }
        });
        self.try_again(blob);
    }

    /// A blob that failed.
    fn try_again(&mut self, blob: BlobId) {
        if self.failed.remove(&blob).is_some() {
            self.change(blob, |want| {
                if matches!(want.state, State::Failed) {
                    want.state = State::Closed { looked: false };
                }
            });
        }
    }

    /// The blobs that the store should be asked about now, with their sizes.
    pub(crate) fn next_to_open(&mut self, now: Time) -> Vec<(BlobId, u64)> {
        let due = self.failed.iter().filter(|(_, at)| **at <= now);
        let due: Vec<BlobId> = due.map(|(&blob, _)| blob).collect();
        for blob in due {
            self.try_again(blob);
        }
        if !std::mem::take(&mut self.review) || self.queued.is_empty() {
            return vec![];
        }
        let candidates: Vec<BlobId> = self
            .queued
            .iter()
            .map(|&(_, blob)| blob)
            .filter(|&blob| {
                let looked = |want: &Want| matches!(want.state, State::Closed { looked: true });
                let looked = self.wants.get(&blob).is_some_and(looked);
                !looked || self.has_source(now, blob)
            })
            .take(BLOB_WANTS_MAX)
            .collect();
        let room = BLOB_WANTS_MAX.saturating_sub(self.open);
        if candidates.len() > room {
            self.close_hopeless(now, candidates.len() - room);
        }
        let room = BLOB_WANTS_MAX.saturating_sub(self.open);
        let mut opened = Vec::new();
        for blob in candidates.into_iter().take(room) {
            let size = self.change(blob, |want| {
                want.state = State::Opening;
                want.size
            });
            opened.extend(size.map(|size| (blob, size)));
        }
        opened
    }

    /// Makes room: what nobody here has, and what is not wanted any more, waits without being kept open.
    fn close_hopeless(&mut self, now: Time, most: usize) {
        let moving: BTreeSet<BlobId> = self.transfers.values().map(|transfer| transfer.blob).collect();
        let pulled = self
            .wants
            .iter()
            .filter(|(_, want)| matches!(want.state, State::Pulling(_)));
        let hopeless: Vec<BlobId> = pulled
            .filter(|(blob, want)| {
                !moving.contains(*blob) && (want.rank().is_none() || !self.has_source(now, **blob))
            })
            .map(|(&blob, _)| blob)
            .take(most)
            .collect();
        for blob in hopeless {
            self.change(blob, |want| want.state = State::Closed { looked: true });
        }
    }

    /// Whether somebody is linked who may have it, as far as is known.
    fn has_source(&self, now: Time, blob: BlobId) -> bool {
        let links = self.sources.keys().copied();
        links
            .into_iter()
            .any(|link| self.may_have(link, blob) && self.is_usable(now, link))
    }

    /// Whether a link's device shares a deck that names it, and did not say that it lacks it. Nobody else is asked: not
    /// even that there is such a blob is told to others.
    pub(super) fn may_have(&self, link: LinkId, blob: BlobId) -> bool {
        let (Some(source), Some(want)) = (self.sources.get(&link), self.wants.get(&blob)) else {
            return false;
        };
        want.decks.keys().any(|deck| source.decks.contains(deck)) && !self.lacking.contains(&(link, blob))
    }

    /// Whether a link may be asked for anything.
    pub(super) fn is_usable(&self, now: Time, link: LinkId) -> bool {
        self.sources.get(&link).is_some_and(|source| {
            let is_banned = self.banned.get(&source.device).is_some_and(|&until| now < until);
            !is_banned && !source.rests(now)
        })
    }

    /// What the store holds of a blob: these groups, or all of it.
    pub(crate) fn opened(&mut self, now: Time, blob: BlobId, held: &Held) {
        self.change(blob, |want| {
            let opening = matches!(want.state, State::Opening);
            match held {
                Held::Whole => want.is_whole_now(),
                Held::Failed(_) if opening => want.state = State::Failed,
                Held::Groups(held) if opening => {
                    want.state = State::Pulling(Groups::new(group_count(want.size), held));
                }
                Held::Failed(_) | Held::Groups(_) => {}
            }
        });
        // One that turns out to be nobody's must not keep others waiting.
        self.review = true;
        if matches!(held, Held::Failed(_)) {
            self.failed.insert(blob, now + RETRY_AFTER);
        }
    }

    /// The disk would not take what came of a blob.
    pub(super) fn failed_to_keep(&mut self, now: Time, blob: BlobId) {
        self.change(blob, |want| {
            if matches!(want.state, State::Pulling(_)) {
                want.state = State::Failed;
            }
        });
        self.failed.insert(blob, now + RETRY_AFTER);
    }

    /// What the store holds of a blob is not what it was: it is to be looked at again.
    pub(crate) fn look_anew(&mut self, blob: BlobId) {
        self.change(blob, |want| {
            if matches!(want.state, State::Whole | State::Pulling(_)) {
                want.state = State::Closed { looked: false };
            }
        });
    }

    /// Nobody who is linked has it. A card may be wrong about its size: then the next size that was given is tried.
    pub(super) fn try_other_size(&mut self, now: Time, blob: BlobId) {
        if self.has_source(now, blob) {
            return;
        }
        let other = self.change(blob, |want| {
            let is_pulled = matches!(want.state, State::Pulling(_));
            if !is_pulled || want.tried + 1 >= want.sizes.len() {
                return false;
            }
            want.tried += 1;
            let at = want.sizes.iter().position(|&size| size == want.size).unwrap_or(0);
            let next = want.sizes.iter().cycle().nth(at + 1);
            want.size = next.copied().unwrap_or(want.size);
            want.state = State::Closed { looked: false };
            true
        });
        if other == Some(true) {
            self.lacking.retain(|(_, lacked)| *lacked != blob);
        }
    }

    /// Somebody may have what nobody had.
    pub(super) fn hope_again(&mut self, blob: Option<BlobId>) {
        self.review = true;
        self.chances += 1;
        match blob.and_then(|blob| self.wants.get_mut(&blob)) {
            Some(want) => want.tried = 0,
            None => self.wants.values_mut().for_each(|want| want.tried = 0),
        }
    }

    /// When a blob that failed is tried again.
    pub(super) fn retries_at(&self) -> Option<Time> {
        self.failed.values().copied().min()
    }

    /// How far each wanted blob has come.
    pub(crate) fn progress(&self, now: Time) -> Vec<BlobProgress> {
        let wanted = self.wants.iter();
        let wanted = wanted.filter(|(_, want)| {
            want.rank().is_some() || want.is_open() || matches!(want.state, State::Whole)
        });
        wanted
            .filter_map(|(&blob, _)| self.progress_of(now, blob))
            .collect()
    }

    pub(crate) fn progress_of(&self, now: Time, blob: BlobId) -> Option<BlobProgress> {
        let want = self.wants.get(&blob)?;
        let have_bytes = match &want.state {
            State::Whole => want.size,
            State::Pulling(groups) => {
                let held = groups.held() as u64;
                // Never "all" before the store has said so: the last group is shorter than the others.
                (held * cuecard_store::GROUP_BYTES).min(want.size.saturating_sub(1))
            }
            State::Closed { .. } | State::Opening | State::Failed | State::TooLarge => 0,
        };
        let bytes_per_second = match want.state {
            State::Pulling(_) => self.telling.rate(now, blob),
            _ => 0,
        };
        Some(BlobProgress {
            blob,
            have_bytes,
            size_bytes: want.size,
            bytes_per_second,
        })
    }

    /// Whether the app asked for it and waits.
    pub(crate) fn is_asked_for(&self, blob: BlobId) -> bool {
        self.wants.get(&blob).is_some_and(|want| want.is_asked)
    }

    /// The blobs that are wanted or being pulled: nothing of them may be collected.
    pub(crate) fn in_use(&self) -> impl Iterator<Item = BlobId> + '_ {
        let is_whole = |want: &Want| matches!(want.state, State::Whole);
        let in_use = move |want: &Want| want.is_open() || (want.rank().is_some() && !is_whole(want));
        self.wants
            .iter()
            .filter(move |(_, want)| in_use(want))
            .map(|(&blob, _)| blob)
    }

    #[cfg(test)]
    pub(super) fn open_count(&self) -> usize {
        let open = self.wants.values().filter(|want| want.is_open()).count();
        assert_eq!(self.open, open, "the count follows");
        open
    }
}

/// What the store said of a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// All of it.
    Whole,
    /// These groups.
    Groups(Vec<Range<u32>>),
    /// The store could not say, and why.
    Failed(String),
}

/// How many groups a blob of this size has.
fn group_count(size: u64) -> u32 {
    u32::try_from(cuecard_store::group_count(size)).unwrap_or(u32::MAX)
}
