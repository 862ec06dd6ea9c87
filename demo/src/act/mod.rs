//! Doing what is asked, in terms of the library. Runs in whichever process has the data folder open.
//!
//! | file | subject |
//! |---|---|
//! | here | who does what |
//! | `find` | decks, cards, drafts, devices and entries by the names that people give them |
//! | `change` | changing a deck or a draft |
//! | `sound` | files with audio |
//! | `read` | cards, history, differences |
//! | `role` | the role and the members |
//! | `drafts` | drafts and late work |
//! | `status` | how everything stands, and what happens |
//! | `link` | sharing and joining |
//! | `files` | decks and audio as files |
//! | `keep` | which decks are exchanged, and which are kept at all |

mod change;
mod drafts;
mod files;
mod find;
mod keep;
mod link;
mod read;
mod role;
mod sound;
mod status;

use std::sync::Arc;

use cuecard::{Deck, EditError};

use crate::ask::talk::Talk;
use crate::ask::{Ask, OfDeck, Told};
use crate::error::Error;
use crate::inspect;
use crate::node::Node;

/// Does what is asked. What was done is durable when this returns; dropping it ends what was under way.
///
/// # Errors
/// Why it was not done.
pub(crate) async fn perform(node: &Arc<Node>, ask: Ask, talk: &mut Talk) -> Result<Told, Error> {
    match ask {
        Ask::Device => Ok(Told::Device {
            device: status::here(node),
            folder: node.home().folder().to_owned(),
        }),
        Ask::New { title, description } => change::new_deck(node, &title, description.as_deref()).await,
        Ask::Decks => Ok(Told::Decks {
            decks: status::decks(node)?,
            damaged: status::damaged(node),
        }),
        Ask::Status => Ok(Told::Status(Box::new(status::status(node)?))),
        Ask::Watch => status::watch(node, talk).await,
        Ask::Follow => status::follow(node, talk).await,
        Ask::Inspect { port } => inspect::of_node(node, port, talk).await,
        Ask::Join { code, stay } => link::join(node, &code, stay, talk).await,
        Ask::Import { file } => files::import(node, &file, talk).await,
        Ask::Remove { deck, sure } => keep::remove(node, &deck, sure, talk).await,
        Ask::Of { deck, what } => {
            let deck = find::deck(node, deck.as_deref())?;
            of_deck(node, &deck, what, talk)
                .await
                .map_err(|error| with_holder(node, error))
        }
    }
}

async fn of_deck(node: &Arc<Node>, deck: &Deck, what: OfDeck, talk: &mut Talk) -> Result<Told, Error> {
    match what {
        OfDeck::Change { draft, change } => change::change(node, deck, draft.as_deref(), change, talk).await,
        OfDeck::Undo { draft, redo } => change::undo(node, deck, draft.as_deref(), redo).await,
        OfDeck::Cards { draft, tag } => read::cards(node, deck, draft.as_deref(), tag.as_deref()),
        OfDeck::Show { at } => read::show(node, deck, at.as_deref()),
        OfDeck::Card { card, at, draft } => read::card(node, deck, &card, at.as_deref(), draft.as_deref()),
        OfDeck::SaveAudio { card, slot, file } => {
            files::save_audio(node, deck, &card, slot.as_deref(), file).await
        }
        OfDeck::Log { limit } => read::log(node, deck, limit),
        OfDeck::Diff { before, after } => read::diff(node, deck, &before, after.as_deref()),
        OfDeck::Blame { card, at } => read::blame(node, deck, &card, at.as_deref()),
        OfDeck::SetFollowed { followed } => keep::set_followed(deck, followed).await,
        OfDeck::Role(ask) => role::role(node, deck, ask).await,
        OfDeck::Members(ask) => role::members(node, deck, ask).await,
        OfDeck::Drafts(ask) => drafts::drafts(node, deck, ask).await,
        OfDeck::Late(ask) => drafts::late(node, deck, ask).await,
        OfDeck::Share { rights, invite, stay } => link::share(node, deck, rights, invite, stay, talk).await,
        OfDeck::Export { file, key, audio } => files::export(talk, deck, file, key, audio).await,
    }
}

/// Names the editor, where the library gives its id.
fn with_holder(node: &Node, error: Error) -> Error {
    match error {
        Error::Edit(EditError::NotEditor { holder }) => Error::NotEditor {
            holder: holder.map_or_else(
                || "nobody at present (`cuecard role claim` takes the role)".to_owned(),
                |holder| find::named(node, holder),
            ),
        },
        error => error,
    }
}
