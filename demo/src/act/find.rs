//! Decks, cards, drafts, devices and entries by the names that people give them.

use std::str::FromStr as _;

use cuecard::{Card, CardId, ChangeHash, Deck, DeckId, DeviceId, DraftId, DraftInfo};

use crate::ask::told::{DeckName, DeviceTold};
use crate::error::Error;
use crate::node::Node;
use crate::text::shortened;

/// Fewer characters of an id are a mistake rather than a name.
const PREFIX_CHARACTERS_MIN: usize = 2;
/// More than that in an error help nobody.
const LISTED_MAX: usize = 12;

/// The deck that is called so; the only one, where none is named.
pub(super) fn deck(node: &Node, asked: Option<&str>) -> Result<Deck, Error> {
    let decks = node.engine().decks();
    let damaged = |fits: &dyn Fn(DeckId) -> bool| {
        let mut damaged = node.engine().damaged_decks().into_iter();
        damaged
            .find(|damaged| fits(damaged.deck))
            .map(|damaged| Error::DamagedDeck {
                deck: damaged.deck.short(),
                told: damaged.to_string(),
            })
    };
    let named_so = |deck: DeckId| asked.is_none_or(|asked| begins(&deck.to_string(), asked));
    if decks.is_empty()
        && let Some(error) = damaged(&named_so)
    {
        return Err(error);
    }
    let asked = match (asked, decks.as_slice()) {
        (_, []) if node.engine().lost_batches() > 0 => return Err(Error::LostAll),
        (_, []) => return Err(Error::NoDeck),
        (None, [deck]) => return Ok(deck.clone()),
        (None, several) => return Err(Error::WhichDeck(listed(several.iter().map(told_deck)))),
        (Some(asked), _) => asked,
    };
    let is_called = |deck: &&Deck| deck_name(deck).title == asked;
    let by_title: Vec<&Deck> = decks.iter().filter(is_called).collect();
    let by_id = decks.iter().filter(|deck| begins(&deck.id().to_string(), asked));
    match by_title.as_slice() {
        [deck] => return Ok((*deck).clone()),
        [] => {}
        several => {
            return Err(Error::WhichDeck(listed(
                several.iter().map(|deck| told_deck(deck)),
            )));
        }
    }
    match by_id.collect::<Vec<_>>().as_slice() {
        [deck] => Ok((*deck).clone()),
        [] => Err(damaged(&named_so).unwrap_or_else(|| Error::NoSuchDeck {
            asked: asked.to_owned(),
            known: listed(decks.iter().map(told_deck)),
        })),
        several => Err(Error::WhichDeck(listed(
            several.iter().map(|deck| told_deck(deck)),
        ))),
    }
}

/// A deck that can be read, or one that cannot and has nothing but its id.
pub(super) enum Found {
    Deck(Deck),
    Damaged(DeckId),
}

/// The deck of that title; or the one whose id begins so, also where it is damaged.
pub(super) fn deck_or_damaged(node: &Node, asked: &str) -> Result<Found, Error> {
    let damaged = node.engine().damaged_decks().into_iter();
    let damaged = damaged.map(|damage| damage.deck);
    let damaged: Vec<DeckId> = damaged.filter(|deck| begins(&deck.to_string(), asked)).collect();
    let whole = match (deck(node, Some(asked)), damaged.as_slice()) {
        (whole, []) => return whole.map(Found::Deck),
        (Err(Error::DamagedDeck { .. }), [deck]) => return Ok(Found::Damaged(*deck)),
        (Err(Error::DamagedDeck { .. }), _) => None,
        (Err(error), _) => return Err(error),
        (Ok(deck), _) if deck_name(&deck).title == asked => return Ok(Found::Deck(deck)),
        (Ok(deck), _) => Some(deck),
    };
    let told = damaged.iter().map(|deck| format!("  {deck}  (damaged)"));
    Err(Error::WhichDeck(listed(whole.iter().map(told_deck).chain(told))))
}

pub(super) fn deck_name(deck: &Deck) -> DeckName {
    DeckName {
        id: deck.id().to_string(),
        title: deck.info().map_or_else(|_| String::new(), |info| info.title),
    }
}

fn told_deck(deck: &Deck) -> String {
    let name = deck_name(deck);
    let title = match name.title.as_str() {
        "" => "(nothing of it is here yet)".to_owned(),
        title => shortened(title, 60),
    };
    format!("  {}  {title}", deck.id().short())
}

fn listed(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<String> = lines.collect();
    let more = lines.len().saturating_sub(LISTED_MAX);
    if more > 0 {
        lines.truncate(LISTED_MAX);
        lines.push(format!("  and {more} more"));
    }
    lines
}

fn begins(id: &str, asked: &str) -> bool {
    asked.len() >= PREFIX_CHARACTERS_MIN && id.starts_with(&asked.to_ascii_lowercase())
}

/// The card that is called so: by id, by front, by a beginning of its id, or by number, in this order. A front that is a
/// number comes before the number.
pub(super) fn card<'a>(cards: &'a [Card], asked: &str) -> Result<&'a Card, Error> {
    let by_id = || cards.iter().find(|card| card.id.as_str() == asked);
    if let Some(card) = by_id() {
        return Ok(card);
    }
    let one_of = |fit: Vec<&'a Card>| match fit.as_slice() {
        [] => Ok(None),
        [card] => Ok(Some(*card)),
        several => Err(Error::WhichCard {
            asked: asked.to_owned(),
            fit: listed(several.iter().map(|card| told_card(card))),
        }),
    };
    let by_front = cards.iter().filter(|card| card.front == asked).collect();
    if let Some(card) = one_of(by_front)? {
        return Ok(card);
    }
    let number: Option<usize> = asked.strip_prefix('#').unwrap_or(asked).parse().ok();
    let by_number = number
        .and_then(|number| number.checked_sub(1))
        .and_then(|at| cards.get(at));
    if let Some(card) = by_number {
        return Ok(card);
    }
    let by_prefix = cards.iter().filter(|card| begins(card.id.as_str(), asked));
    one_of(by_prefix.collect())?.ok_or_else(|| Error::NoCard(asked.to_owned()))
}

fn told_card(card: &Card) -> String {
    format!(
        "  {}  {}  {}",
        card.id,
        shortened(&card.front, 30),
        shortened(&card.back, 40)
    )
}

/// The deleted card that is called so. Only the history knows of them.
pub(super) fn deleted_card(deck: &Deck, asked: &str) -> Result<Card, Error> {
    if let Ok(id) = CardId::from_str(asked)
        && let Some(card) = deck.card(&id)?
    {
        return Ok(card);
    }
    let mut fit: Vec<Card> = Vec::new();
    for entry in deck.history()? {
        for id in entry.notes.iter().filter_map(cuecard::op::Note::card) {
            if fit.iter().any(|card| card.id == *id) {
                continue;
            }
            let found = deck.card(id)?.filter(|card| card.deleted);
            fit.extend(found.filter(|card| card.front == asked || begins(id.as_str(), asked)));
        }
    }
    match fit.as_slice() {
        [card] => Ok(card.clone()),
        [] => Err(Error::NoCard(asked.to_owned())),
        several => Err(Error::WhichCard {
            asked: asked.to_owned(),
            fit: listed(several.iter().map(told_card)),
        }),
    }
}

/// The draft that is called so.
pub(super) fn draft(deck: &Deck, asked: &str) -> Result<DraftInfo, Error> {
    let drafts = deck.drafts()?;
    let told = |draft: &&DraftInfo| format!("  {}  {}", draft.draft.short(), shortened(&draft.note, 60));
    let one_of = |fit: Vec<&DraftInfo>| match fit.as_slice() {
        [] => Ok(None),
        [draft] => Ok(Some((*draft).clone())),
        several => Err(Error::WhichDraft {
            asked: asked.to_owned(),
            fit: listed(several.iter().map(told)),
        }),
    };
    if let Some(draft) = one_of(drafts.iter().filter(|draft| draft.note == asked).collect())? {
        return Ok(draft);
    }
    let by_id = drafts
        .iter()
        .filter(|draft| begins(&draft.draft.to_string(), asked));
    one_of(by_id.collect())?.ok_or_else(|| Error::NoDraft(asked.to_owned()))
}

pub(super) fn draft_id(deck: &Deck, asked: &str) -> Result<DraftId, Error> {
    Ok(draft(deck, asked)?.draft)
}

/// The device that is called so: among the members of the deck, those linked, and those that routes lead to.
pub(super) fn device(node: &Node, deck: &Deck, asked: &str) -> Result<DeviceId, Error> {
    let members = deck.members()?;
    let mut known: Vec<DeviceId> = std::iter::once(members.owner)
        .chain(members.list.iter().map(|member| member.device))
        .chain(node.engine().routes()?.into_iter().map(|(device, _)| device))
        .chain(deck.sync_state()?.devices.into_iter().map(|state| state.device))
        .collect();
    known.sort_unstable();
    known.dedup();
    if let Ok(device) = DeviceId::from_str(asked) {
        return Ok(device);
    }
    let by_name: Vec<&DeviceId> = known
        .iter()
        .filter(|device| node.name_of(**device) == asked)
        .collect();
    let by_id: Vec<&DeviceId> = known
        .iter()
        .filter(|device| begins(&device.to_string(), asked))
        .collect();
    match (by_name.as_slice(), by_id.as_slice()) {
        ([device], _) | ([], [device]) => Ok(**device),
        _ => {
            Err(Error::NoSuchDevice {
                asked: asked.to_owned(),
                known: listed(known.iter().map(|device| {
                    format!("  {}  {}", device.short(), shortened(&node.name_of(*device), 40))
                })),
            })
        }
    }
}

/// A device in a sentence: its name and the beginning of its id; the latter alone where it never said a name.
pub(super) fn named(node: &Node, device: DeviceId) -> String {
    match node.engine().name_of(device) {
        Some(name) => format!("{name} ({})", device.short()),
        None => device.short(),
    }
}

pub(super) fn device_told(node: &Node, device: DeviceId) -> DeviceTold {
    DeviceTold::of(node.engine(), device)
}

/// The entry whose hash begins so.
pub(super) fn entry(deck: &Deck, asked: &str) -> Result<ChangeHash, Error> {
    let nothing = || Error::NoEntry(asked.to_owned());
    if asked == "head" || asked == "now" {
        return Ok(deck.head()?);
    }
    if let Ok(whole) = ChangeHash::from_str(asked) {
        return Ok(deck.entry(whole).map_err(|_| nothing())?.hash);
    }
    if asked.is_empty() {
        return Err(nothing());
    }
    let asked_lower = asked.to_ascii_lowercase();
    let mut fit = deck
        .history()?
        .map(|entry| entry.hash)
        .filter(|hash| hash.to_string().starts_with(&asked_lower));
    match (fit.next(), fit.next()) {
        (Some(hash), None) => Ok(hash),
        _ => Err(nothing()),
    }
}
