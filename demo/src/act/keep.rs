//! Which decks are exchanged with other devices, and which are kept here at all.

use cuecard::{Deck, DeckId, DraftState, Role};

use crate::ask::happening::Happening;
use crate::ask::talk::Talk;
use crate::ask::told::{DeckName, Told};
use crate::error::Error;
use crate::node::Node;
use crate::text::{counted, shortened};

use super::find::{self, Found};

pub(super) async fn set_followed(deck: &Deck, followed: bool) -> Result<Told, Error> {
    let changed = deck.is_followed()? != followed;
    if followed {
        deck.follow().await?;
    } else {
        deck.unfollow().await?;
    }
    Ok(Told::Following {
        deck: find::deck_name(deck),
        followed,
        changed,
    })
}

/// Deletes a deck from this device, after a person said yes to what goes with it.
pub(super) async fn remove(node: &Node, asked: &str, sure: bool, talk: &mut Talk) -> Result<Told, Error> {
    let (deck, name, goes) = match find::deck_or_damaged(node, asked)? {
        Found::Damaged(deck) => (deck, name_of_damaged(deck), damaged_goes(deck)),
        Found::Deck(deck) => {
            let name = find::deck_name(&deck);
            let goes = goes(node, &deck, &name);
            (deck.id(), name, goes)
        }
    };
    if !sure {
        talk.say(Happening::Question { text: goes }).await;
        if talk.pasted().await.is_none() {
            return Err(Error::NotWanted);
        }
    }
    node.engine().remove_deck(deck).await?;
    Ok(Told::Removed { deck: name })
}

fn name_of_damaged(deck: DeckId) -> DeckName {
    DeckName {
        id: deck.to_string(),
        title: String::new(),
    }
}

fn damaged_goes(deck: DeckId) -> String {
    format!(
        "This deletes deck {} from this device. It is damaged, so nobody can tell from here what is in it, and who else has it.",
        deck.short()
    )
}

/// What goes with a deck, and who else has it.
fn goes(node: &Node, deck: &Deck, name: &DeckName) -> String {
    let Ok(head) = deck.head() else {
        return format!(
            "This deletes deck {} from this device, with its key. Nothing of it has arrived yet.",
            deck.id().short()
        );
    };
    let mut with = vec![
        counted(deck.card_count().unwrap_or(0), "card", "cards"),
        "its history".to_owned(),
    ];
    let own = deck.drafts().unwrap_or_default().into_iter().filter(|draft| {
        draft.author == node.engine().device()
            && matches!(draft.state, DraftState::Open | DraftState::Proposed)
    });
    match own.count() {
        0 => {}
        own => with.push(counted(own, "draft of your own", "drafts of your own")),
    }
    let safe_with = deck.safe_where(head).ok().flatten().map(|safety| safety.with);
    let names: Vec<String> = safe_with
        .unwrap_or_default()
        .into_iter()
        .map(|device| find::named(node, device))
        .collect();
    let elsewhere = if names.is_empty() {
        "No other device is known to have all its changes: what nobody else has is gone for good.".to_owned()
    } else {
        format!(
            "All its changes are also with {}; its audio and your drafts may be nowhere else.",
            shortened(&names.join(", "), 120)
        )
    };
    let role = match deck.role() {
        Ok(Role::Editor { .. }) => format!(
            " This device is its editor, and nobody edits it then until another device claims the role; `cuecard role \
             grant DEVICE --deck {}` gives it away first.",
            deck.id().short()
        ),
        _ => String::new(),
    };
    format!(
        "This deletes {:?} from this device: {} and its key. {elsewhere}{role}",
        shortened(&name.title, 60),
        with.join(", "),
    )
}
