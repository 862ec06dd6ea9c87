//! From what was typed to what is asked.

use std::path::{Path, PathBuf};

use crate::ask::{Ask, AudioFile, Change, DraftDeed, DraftsAsk, LateAsk, MembersAsk, OfDeck, Place, RoleAsk};
use crate::cli::cards::{AudioArgs, PlaceArgs};
use crate::cli::others::{DraftCommand, LateCommand, MembersCommand, NetworkArgs, RoleCommand, Share};
use crate::cli::{Command, Global, cards, care, look, others};
use crate::error::Error;
use crate::output::Output;
use crate::paste;
use crate::tell::LogForm;
use crate::text::harmless;

/// What a command asks, and how.
pub(super) struct Plan {
    pub(super) ask: Ask,
    /// The log's form.
    pub(super) form: LogForm,
    /// Whether it may be the first on a fresh device.
    pub(super) may_begin: bool,
    /// The network, where it links devices.
    pub(super) network: Option<NetworkArgs>,
    /// Whether a picture of an offer is drawn, and for a light terminal.
    pub(super) qr: Option<bool>,
    /// Whether it takes what is pasted.
    pub(super) pastes: bool,
    /// Whether a page is shown in the person's browser.
    pub(super) opens: bool,
    /// What is asked of a person first.
    pub(super) confirm: Option<String>,
}

impl From<Ask> for Plan {
    fn from(ask: Ask) -> Self {
        Self {
            ask,
            form: LogForm::default(),
            may_begin: false,
            network: None,
            qr: None,
            pastes: false,
            opens: false,
            confirm: None,
        }
    }
}

fn absolute(file: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(file).map_err(|error| Error::file(file, error))
}

/// What is asked by what was typed.
///
/// # Errors
/// Where it cannot be understood, or no code came.
pub(super) async fn plan(command: Command, global: &Global, output: Output) -> Result<Plan, Error> {
    let of = |what: OfDeck| {
        Plan::from(Ask::Of {
            deck: global.deck.clone(),
            what,
        })
    };
    let change = |draft: cards::InDraft, change: Change| {
        of(OfDeck::Change {
            draft: draft.draft,
            change,
        })
    };
    Ok(match command {
        Command::New(cards::New { title, description }) => Plan {
            may_begin: true,
            ..Ask::New { title, description }.into()
        },
        Command::Rename(cards::Rename { title, description }) => change(
            cards::InDraft { draft: None },
            Change::Deck { title, description },
        ),
        Command::Decks(look::Decks {}) => Ask::Decks.into(),
        Command::Follow(cards::Follow {}) => of(OfDeck::SetFollowed { followed: true }),
        Command::Unfollow(cards::Unfollow {}) => of(OfDeck::SetFollowed { followed: false }),
        Command::Remove(cards::Remove {}) => match &global.deck {
            Some(deck) => Ask::Remove {
                deck: deck.clone(),
                sure: global.yes,
            }
            .into(),
            None => {
                return Err(Error::Usage(
                    "remove which deck? Name it with --deck, by title or by the beginning of its id; `cuecard decks` lists \
                     them"
                        .to_owned(),
                ));
            }
        },
        Command::Add(add) => change(
            add.draft,
            Change::Add {
                front: add.front,
                back: add.back,
                texts: add.text.into_iter().collect(),
                tags: add.tag,
                place: place(add.place).unwrap_or(Place::Last),
                audio: audio(add.audio)?,
            },
        ),
        Command::Edit(edit) => {
            let is_nothing = edit.front.is_none()
                && edit.back.is_none()
                && edit.text.is_empty()
                && edit.no_audio.is_empty()
                && edit.audio.audio.is_none();
            if is_nothing {
                return Err(Error::Usage(
                    "edit what? Name a text with --front, --back or --text, or audio with --audio or --no-audio".to_owned(),
                ));
            }
            change(
                edit.draft,
                Change::Edit {
                    card: edit.card,
                    front: edit.front,
                    back: edit.back,
                    texts: edit.text.into_iter().collect(),
                    audio: audio(edit.audio)?,
                    detach: edit.no_audio,
                },
            )
        }
        Command::Move(moving) => {
            let Some(place) = place(moving.place) else {
                return Err(Error::Usage(
                    "move where? Say --after CARD, --first or --last".to_owned(),
                ));
            };
            change(
                moving.draft,
                Change::Move {
                    card: moving.card,
                    place,
                },
            )
        }
        Command::Rm(cards::Rm { cards, draft }) => change(draft, Change::Delete { cards }),
        Command::Restore(cards::Restore { cards, draft }) => change(draft, Change::Restore { cards }),
        Command::Tag(cards::Tag {
            card,
            tags,
            remove,
            draft,
        }) => change(draft, Change::Tag { card, tags, remove }),
        Command::Undo(undo) => of(OfDeck::Undo {
            draft: undo.draft.draft,
            redo: false,
        }),
        Command::Redo(undo) => of(OfDeck::Undo {
            draft: undo.draft.draft,
            redo: true,
        }),
        Command::List(look::List { tag, draft }) => of(OfDeck::Cards {
            draft: draft.draft,
            tag,
        }),
        Command::Show(look::Show { card: None, at, .. }) => of(OfDeck::Show { at }),
        Command::Show(look::Show {
            card: Some(card),
            at,
            draft,
        }) => of(OfDeck::Card { card, at, draft }),
        Command::Audio(look::Audio { card, file, slot }) => of(OfDeck::SaveAudio {
            card,
            slot,
            file: absolute(&file)?,
        }),
        Command::Log(look::Log { graph, full, limit }) => Plan {
            form: match (graph, full) {
                (true, true) => LogForm::FullGraph,
                (true, false) => LogForm::Graph,
                (false, _) => LogForm::List,
            },
            ..of(OfDeck::Log { limit })
        },
        Command::Diff(look::Diff { before, after }) => of(OfDeck::Diff { before, after }),
        Command::Blame(look::Blame { card, at }) => of(OfDeck::Blame { card, at }),
        Command::Share(Share {
            rights,
            stay,
            no_invite,
            no_qr,
            light,
            network,
        }) => Plan {
            network: Some(network),
            qr: (!no_qr).then_some(light),
            pastes: true,
            ..of(OfDeck::Share {
                rights,
                invite: !no_invite,
                stay,
            })
        },
        Command::Join(others::Join { code, stay, network }) => Plan {
            network: Some(network),
            may_begin: true,
            ..Ask::Join {
                code: paste::offer(code, output).await?,
                stay,
            }
            .into()
        },
        Command::Up(others::Up { network }) => Plan {
            network: Some(network),
            ..Ask::Follow.into()
        },
        Command::Inspect(asked) => Plan {
            network: Some(asked.network),
            opens: !asked.no_open,
            ..Ask::Inspect { port: asked.port }.into()
        },
        Command::Status(others::Status { watch }) => if watch { Ask::Watch } else { Ask::Status }.into(),
        Command::Role(others::Role { what }) => of(OfDeck::Role(match what {
            RoleCommand::Show => RoleAsk::Show,
            RoleCommand::Request { note } => RoleAsk::Request { note },
            RoleCommand::Grant { device } => RoleAsk::Grant { device },
            RoleCommand::Deny { device, reason } => RoleAsk::Deny { device, reason },
            RoleCommand::Release => RoleAsk::Release,
            RoleCommand::Claim { settled } => RoleAsk::Claim { settled },
        })),
        Command::Members(others::Members { what }) => {
            let confirm = match &what {
                MembersCommand::Transfer { device } => Some(format!(
                    "This gives the deck to {} for good: only it can take it back.",
                    harmless(device)
                )),
                MembersCommand::Remove { device } => Some(format!(
                    "This ends the membership of {}, and turns the deck's key over.",
                    harmless(device)
                )),
                MembersCommand::List | MembersCommand::Admit { .. } => None,
            };
            Plan {
                confirm,
                ..of(OfDeck::Members(match what {
                    MembersCommand::List => MembersAsk::List,
                    MembersCommand::Admit { device, rights } => MembersAsk::Admit { device, rights },
                    MembersCommand::Remove { device } => MembersAsk::Remove { device },
                    MembersCommand::Transfer { device } => MembersAsk::Transfer { device },
                }))
            }
        }
        Command::Draft(others::Draft { what }) => {
            let act = |draft, what| DraftsAsk::Do { draft, what };
            of(OfDeck::Drafts(match what {
                DraftCommand::New { note } => DraftsAsk::New { note },
                DraftCommand::List => DraftsAsk::List,
                DraftCommand::Show { draft } => DraftsAsk::Show { draft },
                DraftCommand::Propose { draft } => act(draft, DraftDeed::Propose),
                DraftCommand::Accept { draft } => act(draft, DraftDeed::Accept),
                DraftCommand::Decline { draft, reason } => act(draft, DraftDeed::Decline { reason }),
                DraftCommand::Withdraw { draft } => act(draft, DraftDeed::Withdraw),
                DraftCommand::Anew { draft } => act(draft, DraftDeed::Anew),
                DraftCommand::Discard { draft } => act(draft, DraftDeed::Discard),
            }))
        }
        Command::Late(others::Late { what }) => of(OfDeck::Late(match what {
            LateCommand::List => LateAsk::List,
            LateCommand::Accept { head } => LateAsk::Accept { head },
        })),
        Command::Export(care::Export {
            file,
            key,
            without_audio,
        }) => of(OfDeck::Export {
            file: absolute(&file)?,
            key,
            audio: !without_audio,
        }),
        Command::Import(care::Import { file }) => Plan {
            may_begin: true,
            ..Ask::Import {
                file: absolute(&file)?,
            }
            .into()
        },
        Command::Name(_) => Ask::Device.into(),
        // They ask no device, or several.
        Command::Demo(_)
        | Command::Doctor(_)
        | Command::Completions(_)
        | Command::Man(_)
        | Command::Peer(_) => {
            return Err(Error::NoLinks);
        }
    })
}

fn place(args: PlaceArgs) -> Option<Place> {
    match args {
        PlaceArgs {
            after: Some(card), ..
        } => Some(Place::After(card)),
        PlaceArgs { first: true, .. } => Some(Place::First),
        PlaceArgs { last: true, .. } => Some(Place::Last),
        PlaceArgs { .. } => None,
    }
}

fn audio(args: AudioArgs) -> Result<Option<AudioFile>, Error> {
    let AudioArgs { audio, slot, mime } = args;
    let file = audio.map(|file| absolute(&file)).transpose()?;
    Ok(file.map(|file| AudioFile { file, slot, mime }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_taken_as_they_are_said() {
        let args = |after: Option<&str>, first, last| PlaceArgs {
            after: after.map(str::to_owned),
            first,
            last,
        };
        assert_eq!(
            place(args(Some("hola"), false, false)),
            Some(Place::After("hola".to_owned()))
        );
        assert_eq!(place(args(None, true, false)), Some(Place::First));
        assert_eq!(place(args(None, false, true)), Some(Place::Last));
        assert_eq!(place(args(None, false, false)), None);
    }
}
