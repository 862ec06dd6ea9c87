//! Drafts and late work.

use cuecard::{Deck, DeviceId, DraftInfo, DraftState, Event, LateWork};

use crate::ask::told::{DraftTold, LateTold, Told};
use crate::ask::{DraftDeed, DraftsAsk, LateAsk};
use crate::error::Error;
use crate::node::Node;

use super::{find, read};

pub(super) async fn drafts(node: &Node, deck: &Deck, ask: DraftsAsk) -> Result<Told, Error> {
    match ask {
        DraftsAsk::New { note } => {
            let draft = deck.draft(&note).await?;
            one(node, deck, &draft.info()?, Some("began"))
        }
        DraftsAsk::List => {
            let mut drafts = deck.drafts()?;
            drafts.sort_by_key(|draft| std::cmp::Reverse((draft.time_ms, draft.draft)));
            Ok(Told::Drafts {
                deck: find::deck_name(deck),
                drafts: drafts.iter().map(|draft| draft_told(node, draft)).collect(),
            })
        }
        DraftsAsk::Show { draft } => {
            let info = find::draft(deck, &draft)?;
            let preview = match &info.state {
                // What it would do is done, or was said no to.
                DraftState::Accepted => None,
                _ if info.len == 0 => None,
                _ => Some(read::diffs_told(
                    node,
                    deck,
                    deck.draft_of(info.draft).preview()?.cards,
                )),
            };
            Ok(Told::Draft {
                deck: find::deck_name(deck),
                draft: draft_told(node, &info),
                preview,
                did: None,
            })
        }
        DraftsAsk::Do { draft, what } => {
            let info = find::draft(deck, &draft)?;
            act(node, deck, info, what).await
        }
    }
}

async fn act(node: &Node, deck: &Deck, info: DraftInfo, what: DraftDeed) -> Result<Told, Error> {
    let draft = deck.draft_of(info.draft);
    let did = match what {
        DraftDeed::Propose => {
            draft.propose().await?;
            "proposed"
        }
        DraftDeed::Accept => {
            draft.accept().await?;
            "accepted"
        }
        DraftDeed::Decline { reason } => {
            draft.decline(&reason).await?;
            "declined"
        }
        DraftDeed::Withdraw => {
            draft.withdraw().await?;
            "took back"
        }
        DraftDeed::Discard => {
            draft.discard().await?;
            // It is known no longer.
            return Ok(Told::Draft {
                deck: find::deck_name(deck),
                draft: draft_told(node, &info),
                preview: None,
                did: Some("forgot".to_owned()),
            });
        }
        DraftDeed::Anew => {
            let anew = draft.write_anew().await?;
            return one(node, deck, &anew.info()?, Some("wrote anew"));
        }
    };
    one(node, deck, &draft.info()?, Some(did))
}

fn one(node: &Node, deck: &Deck, info: &DraftInfo, did: Option<&str>) -> Result<Told, Error> {
    Ok(Told::Draft {
        deck: find::deck_name(deck),
        draft: draft_told(node, info),
        preview: None,
        did: did.map(str::to_owned),
    })
}

fn draft_told(node: &Node, info: &DraftInfo) -> DraftTold {
    let (state, delivered_to, reason) = match &info.state {
        DraftState::Proposed => ("proposed", Vec::new(), None),
        DraftState::Delivered { to } => {
            let names = to.iter().map(|device| node.name_of(*device)).collect();
            ("delivered", names, None)
        }
        DraftState::Accepted => ("accepted", Vec::new(), None),
        DraftState::Declined { by, reason } => {
            let by = node.name_of(*by);
            let reason = if reason.is_empty() {
                format!("by {by}")
            } else {
                format!("by {by}: {reason}")
            };
            ("declined", Vec::new(), Some(reason))
        }
        DraftState::Withdrawn => ("withdrawn", Vec::new(), None),
        _ => ("open", Vec::new(), None),
    };
    DraftTold {
        id: info.draft.to_string(),
        note: info.note.clone(),
        author: find::device_told(node, info.author),
        changes: info.len,
        proposed: info.proposed,
        time_ms: info.time_ms,
        state: state.to_owned(),
        delivered_to,
        reason,
    }
}

pub(super) async fn late(node: &Node, deck: &Deck, ask: LateAsk) -> Result<Told, Error> {
    let did = match ask {
        LateAsk::List => None,
        LateAsk::Accept { head } => {
            let asked = head.to_ascii_lowercase();
            let late = deck.late_work()?;
            let mut fit = late
                .iter()
                .filter(|late| !asked.is_empty() && late.head.to_string().starts_with(&asked));
            let (Some(late), None) = (fit.next(), fit.next()) else {
                return Err(Error::NoEntry(head));
            };
            deck.accept_late_work(late.term, late.head).await?;
            Some("accepted".to_owned())
        }
    };
    Ok(Told::Late {
        deck: find::deck_name(deck),
        late: deck
            .late_work()?
            .iter()
            .map(|late| late_told(node, late))
            .collect(),
        did,
    })
}

fn late_told(node: &Node, late: &LateWork) -> LateTold {
    LateTold {
        head: late.head.to_string(),
        author: find::device_told(node, late.author),
        changes: (late.len + 1).saturating_sub(late.from),
        after_leaving: late.after_leaving,
    }
}

/// What an event says about drafts and late work, for people; `None` where it says nothing of them.
pub(super) fn news(node: &Node, event: &Event) -> Option<String> {
    let by = |device: &DeviceId| node.name_of(*device);
    let here = node.engine().device();
    Some(match event {
        Event::DraftProposed { author, .. } if *author == here => return None,
        Event::DraftProposed { draft, author, .. } => format!(
            "{} proposes a draft; `cuecard draft show {}` shows it",
            by(author),
            draft.short()
        ),
        Event::DraftDelivered { to, .. } => format!("{} holds the draft now", by(to)),
        Event::DraftRefused { by: who, why, .. } => format!("{} does not keep the draft: {why}", by(who)),
        Event::DraftAccepted { author, .. } => format!("the draft by {} is part of the deck", by(author)),
        Event::DraftDeclined { by: who, reason, .. } => {
            format!("{} does not want the draft: {reason}", by(who))
        }
        Event::DraftWithdrawn { author, .. } => format!("{} took a draft back", by(author)),
        Event::DraftWrittenAnew { anew, .. } => format!(
            "a draft turned out to be another elsewhere; what only this device had is in draft {}",
            anew.short()
        ),
        Event::DraftReopened { author, .. } => format!("a draft by {} waits again", by(author)),
        Event::LateWorkWaiting { late, .. } => format!(
            "late work by {} waits for a word; `cuecard late accept {}` takes it",
            by(&late.author),
            late.head.to_string().get(..8).unwrap_or_default()
        ),
        _ => return None,
    })
}
