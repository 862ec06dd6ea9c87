//! What one deck names: whom it may be given to, and which of it is wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::blob::fetch::{Urgency, Wish};
use crate::card::AudioRef;
use crate::core::AudioPolicy;
use crate::id::{BlobId, CardId, ChangeHash, DraftId};
use crate::time::Time;

/// The order of cards is looked through no more often than this: a first sync moves them all the time.
const RANKED_EVERY: Duration = Duration::from_millis(200);

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct DeckAudio {
    /// The audio of the cards that have any, with its size.
    cards: BTreeMap<CardId, Vec<(BlobId, u64)>>,
    /// All that the deck was seen to name.
    ever: BTreeSet<BlobId>,
    /// What drafts name, and which drafts they were.
    drafts: BTreeMap<BlobId, u64>,
    drafts_seen: Vec<(DraftId, ChangeHash)>,
    /// Whether its past was looked through, from before it was opened.
    is_past_known: bool,
    /// The card that a person looks at, and those that the app shows.
    focus: Option<CardId>,
    shown: BTreeSet<CardId>,
    /// Whether what is wanted may be something else than it was, and when that was last worked out.
    is_stale: bool,
    ranked: Option<Time>,
}

impl DeckAudio {
    /// The audio of a card is this now.
    pub(crate) fn set_card(&mut self, card: CardId, audio: &[AudioRef]) {
        let audio: Vec<(BlobId, u64)> = audio.iter().map(|audio| (audio.blob, audio.bytes)).collect();
        self.ever.extend(audio.iter().map(|(blob, _)| *blob));
        let before = match audio.is_empty() {
            true => self.cards.remove(&card),
            false => self.cards.insert(card.clone(), audio.clone()),
        };
        self.is_stale |= before.unwrap_or_default() != audio;
    }

    /// A card stands elsewhere.
    pub(crate) fn moved(&mut self, card: &CardId) {
        self.is_stale |= self.cards.contains_key(card);
    }

    pub(crate) fn of_card(&self, card: &CardId) -> &[(BlobId, u64)] {
        self.cards.get(card).map_or(&[], Vec::as_slice)
    }

    /// Whether a card names it now.
    pub(crate) fn names_now(&self, blob: BlobId) -> bool {
        self.cards.values().flatten().any(|&(named, _)| named == blob)
    }

    /// The app says which card a person looks at; whether that changes anything.
    pub(crate) fn set_focus(&mut self, focus: Option<CardId>) {
        self.rank_now(self.focus != focus);
        self.focus = focus;
    }

    /// The app says which cards it shows.
    pub(crate) fn set_shown(&mut self, shown: BTreeSet<CardId>) {
        self.rank_now(self.shown != shown);
        self.shown = shown;
    }

    /// What is wanted is to be worked out at once.
    pub(crate) fn rank_now(&mut self, is_other: bool) {
        if is_other {
            self.is_stale = true;
            self.ranked = None;
        }
    }

    /// Whether a device that shares the deck may have a blob, as far as is known without looking through the past.
    pub(crate) fn names(&self, blob: BlobId) -> bool {
        self.ever.contains(&blob)
    }

    pub(crate) const fn is_past_known(&self) -> bool {
        self.is_past_known
    }

    pub(crate) fn learn_past(&mut self, named: impl IntoIterator<Item = BlobId>) {
        self.ever.extend(named);
        self.is_past_known = true;
    }

    /// Whether these are other drafts than those whose audio is known, each told by its last change. They are compared one
    /// by one: authors choose what is in their drafts, so no shorter sum of them would tell them apart.
    pub(crate) fn are_other_drafts(&self, drafts: impl Iterator<Item = (DraftId, ChangeHash)>) -> bool {
        !drafts.eq(self.drafts_seen.iter().copied())
    }

    pub(crate) fn set_drafts(
        &mut self,
        drafts: impl Iterator<Item = (DraftId, ChangeHash)>,
        named: BTreeMap<BlobId, u64>,
    ) {
        self.ever.extend(named.keys());
        (self.drafts, self.drafts_seen) = (named, drafts.collect());
        self.is_stale = true;
    }

    /// When what is wanted should be worked out anew; `None` when it is known.
    pub(crate) fn ranks_at(&self, now: Time) -> Option<Time> {
        self.is_stale
            .then(|| self.ranked.map_or(now, |at| (at + RANKED_EVERY).max(now)))
    }

    /// Whether the audio of a card is wanted, which stands at this place.
    pub(crate) fn wish(&self, card: &CardId, place: u32, policy: AudioPolicy) -> Wish {
        let (is_focused, is_shown) = (self.focus.as_ref() == Some(card), self.shown.contains(card));
        let urgency = match policy {
            AudioPolicy::OnDemand => return None,
            _ if is_focused => Urgency::Focused,
            _ if is_shown => Urgency::Shown,
            AudioPolicy::Visible => return None,
            AudioPolicy::Eager => Urgency::Wanted,
        };
        Some((urgency, place))
    }

    /// What is wanted of it, its cards being in this order.
    pub(crate) fn wishes<'a>(
        &mut self,
        now: Time,
        order: impl Iterator<Item = &'a CardId>,
        policy: AudioPolicy,
        is_editor: bool,
    ) -> BTreeMap<BlobId, (u64, Wish)> {
        let mut wishes: BTreeMap<BlobId, (u64, Wish)> = BTreeMap::new();
        for (&blob, &size) in &self.drafts {
            // Who decides on a draft wants to hear it; all others have time until it is accepted.
            let is_wanted = is_editor && policy == AudioPolicy::Eager;
            let wish = is_wanted.then_some((Urgency::Wanted, u32::MAX));
            wishes.insert(blob, (size, wish));
        }
        for (place, card) in (0..).zip(order) {
            let Some(audio) = self.cards.get(card) else {
                continue;
            };
            let wish = self.wish(card, place, policy);
            for &(blob, size) in audio {
                let known = wishes.entry(blob).or_insert((size, wish));
                known.1 = match (known.1, wish) {
                    (Some(one), Some(other)) => Some(one.min(other)),
                    (one, other) => one.or(other),
                };
            }
        }
        self.is_stale = false;
        self.ranked = Some(now);
        wishes
    }
}
