//! The role, and the members.

use cuecard::{Deck, DeckId, DeviceId, Event, Member, Members, Rights, Role, Standing};

use crate::ask::told::{MemberTold, RoleTold, Told};
use crate::ask::{MembersAsk, RightsTold, RoleAsk};
use crate::error::Error;
use crate::node::Node;

use super::find;

pub(super) fn role_told(node: &Node, deck: &Deck) -> Result<RoleTold, Error> {
    let (is, editor, standing) = match deck.role()? {
        Role::Editor { standing, .. } => ("editor", Some(node.engine().device()), standing),
        Role::Viewer { editor, standing } => ("viewer", Some(editor), standing),
        Role::Vacant { standing } => ("vacant", None, standing),
    };
    let sign = deck.sync_state()?.editor;
    Ok(RoleTold {
        is: is.to_owned(),
        editor: editor.map(|editor| find::device_told(node, editor)),
        settled: standing == Standing::Settled,
        silent: sign.is_some_and(|sign| sign.is_silent),
        heard_ms: sign.and_then(|sign| sign.heard_ms),
    })
}

pub(super) async fn role(node: &Node, deck: &Deck, ask: RoleAsk) -> Result<Told, Error> {
    let named = |device: DeviceId| find::named(node, device);
    let did = match ask {
        RoleAsk::Show => None,
        RoleAsk::Request { note } => {
            // A request is told over a link and kept nowhere.
            if node.links().is_none() {
                return Err(Error::Usage(
                    "the role is asked for over a link, and nothing keeps this device linked; run `cuecard up` in another \
                     terminal, and ask again"
                        .to_owned(),
                ));
            }
            deck.request_role(&note).await?;
            Some("asked for the role; the editor decides, and `cuecard status` shows who has it".to_owned())
        }
        RoleAsk::Grant { device } => {
            let device = find::device(node, deck, &device)?;
            deck.grant(device).await?;
            Some(format!("gave the role to {}", named(device)))
        }
        RoleAsk::Deny { device, reason } => {
            let device = find::device(node, deck, &device)?;
            deck.deny(device, &reason).await?;
            Some(format!("told {} that it does not get the role", named(device)))
        }
        RoleAsk::Release => {
            deck.release().await?;
            Some("let the role go: whoever may hold it can claim it".to_owned())
        }
        RoleAsk::Claim { settled: false } => {
            deck.claim().await?;
            Some("claimed the role".to_owned())
        }
        RoleAsk::Claim { settled: true } => {
            deck.take_over().await?;
            Some("took the role over, settled at once".to_owned())
        }
    };
    Ok(Told::Role {
        deck: find::deck_name(deck),
        role: role_told(node, deck)?,
        did,
    })
}

/// What this device may do in a deck.
pub(super) fn own_rights(node: &Node, members: &Members) -> &'static str {
    let here = node.engine().device();
    if members.owner == here {
        return "owner";
    }
    let own = members.list.iter().find(|member| member.device == here);
    own.map_or("none", |member| RightsTold::from(member.rights).told())
}

/// Whether this device is a member of a deck.
pub(super) fn is_member(node: &Node, deck: &Deck) -> Result<bool, Error> {
    Ok(own_rights(node, &deck.members()?) != "none")
}

pub(super) fn members_told(node: &Node, deck: &Deck) -> Result<Vec<MemberTold>, Error> {
    let Members { owner, list } = deck.members()?;
    let here = node.engine().device();
    let owner_is_linked = deck
        .sync_state()?
        .device(owner)
        .is_some_and(|state| state.reach.is_linked());
    let owned = MemberTold {
        device: find::device_told(node, owner),
        rights: "owner".to_owned(),
        admitted_by: None,
        linked: owner == here || owner_is_linked,
    };
    let others = list
        .into_iter()
        .filter(|member| member.device != owner)
        .map(|member| MemberTold {
            device: find::device_told(node, member.device),
            rights: RightsTold::from(member.rights).told().to_owned(),
            admitted_by: member.admitted_by.map(|by| find::device_told(node, by)),
            linked: member.device == here || member.linked,
        });
    Ok(std::iter::once(owned).chain(others).collect())
}

pub(super) async fn members(node: &Node, deck: &Deck, ask: MembersAsk) -> Result<Told, Error> {
    let named = |device: DeviceId| find::named(node, device);
    let did = match ask {
        MembersAsk::List => None,
        MembersAsk::Admit { device, rights } => {
            let device = find::device(node, deck, &device)?;
            give_rights(node, deck, device, rights.into()).await?;
            Some(format!("{} may {} now", named(device), may(rights)))
        }
        MembersAsk::Remove { device } => {
            let device = find::device(node, deck, &device)?;
            deck.remove_member(device).await?;
            Some(format!(
                "removed {}; the deck's key is another from now on, and invites from before are void",
                named(device)
            ))
        }
        MembersAsk::Transfer { device } => {
            let device = find::device(node, deck, &device)?;
            deck.transfer_ownership(device).await?;
            Some(format!("gave the deck to {}", named(device)))
        }
    };
    Ok(Told::Members {
        deck: find::deck_name(deck),
        members: members_told(node, deck)?,
        did,
    })
}

const fn may(rights: RightsTold) -> &'static str {
    match rights {
        RightsTold::Read => "read",
        RightsTold::Draft => "read and propose drafts",
        RightsTold::Hold => "read, propose drafts and be the editor",
    }
}

/// Gives a device a right, by whatever this device may do: the owner lists it, another member that may hold the role
/// admits it.
pub(super) async fn give_rights(
    node: &Node,
    deck: &Deck,
    device: DeviceId,
    rights: Rights,
) -> Result<(), Error> {
    let members = deck.members()?;
    if members.owner != node.engine().device() {
        if rights == Rights::Hold {
            return Err(cuecard::RoleError::NotOwner.into());
        }
        return Ok(deck.admit(device, rights).await?);
    }
    let mut listed = members.listed();
    let rank = listed
        .iter()
        .map(|member| member.rank)
        .max()
        .map_or(1, |rank| rank.saturating_add(1));
    match listed.iter_mut().find(|member| member.device == device) {
        Some(member) if member.rights == rights => return Ok(()),
        Some(member) => member.rights = rights,
        None => listed.push(Member { device, rights, rank }),
    }
    listed.sort_by_key(|member| member.device);
    Ok(deck.set_members(listed).await?)
}

/// `laptop (owner) and phone (hold)`; `None` while nothing of the deck is here.
fn members_in_words(node: &Node, deck: DeckId) -> Option<String> {
    let members = members_told(node, &node.engine().deck(deck)?).ok()?;
    let mut named: Vec<String> = members
        .into_iter()
        .map(|member| format!("{} ({})", member.device.name, member.rights))
        .collect();
    let last = named.pop()?;
    Some(match named.as_slice() {
        [] => last,
        before => format!("{} and {last}", before.join(", ")),
    })
}

/// What an event says about role and members, for people; `None` where it says nothing of them.
pub(super) fn news(node: &Node, event: &Event) -> Option<String> {
    let named = |device: &DeviceId| node.name_of(*device);
    let because = |text: &str| {
        if text.is_empty() {
            String::new()
        } else {
            format!(": {text}")
        }
    };
    Some(match event {
        Event::RoleMoved {
            editor: Some(editor), ..
        } if *editor == node.engine().device() => "this device is the editor now".to_owned(),
        Event::RoleMoved {
            editor: Some(editor), ..
        } => format!("{} is the editor now", named(editor)),
        Event::RoleMoved { editor: None, .. } => "nobody is the editor now".to_owned(),
        Event::EditorSilent { editor, .. } => format!("{}, the editor, is silent", named(editor)),
        Event::EditorHeard { editor, .. } => format!("{}, the editor, is heard of again", named(editor)),
        Event::RoleRequested { by, note, .. } => format!(
            "{} asks for the role{}; `cuecard role grant {}` gives it",
            named(by),
            because(note),
            by.short()
        ),
        Event::RoleDenied { by, reason, .. } => {
            format!("{} does not give the role{}", named(by), because(reason))
        }
        Event::RoleGranted { by, .. } => format!("{} gave the role to this device", named(by)),
        Event::ClaimRefused { by, .. } => {
            format!("{} claimed the role and may not hold it: that counts for nothing", named(by))
        }
        Event::CopyAtWork { .. } => {
            "another copy of this device is at work in this deck, so nothing is written here; end that one".to_owned()
        }
        Event::OwnCharterMet { .. } => {
            "a word about members came back that this device had given and did not know; look at `cuecard members`"
                .to_owned()
        }
        Event::MembersChanged { deck } => format!("its members are {} now", members_in_words(node, *deck)?),
        Event::MemberAdmitted {
            device, rights, by, ..
        } => format!(
            "{} may {} now, let in by {}",
            named(device),
            may((*rights).into()),
            named(by)
        ),
        Event::AdmissionAsked { device, .. } => format!(
            "{} came with an invite; `cuecard members admit {}` lets it in",
            named(device),
            device.short()
        ),
        Event::KeyTurned { .. } => "the deck's key is another now; invites from before are void".to_owned(),
        Event::Removed { .. } => {
            "this device was removed from the deck: what it has stays readable here, and nothing new comes".to_owned()
        }
        Event::Reorganised { taken_out, .. } => format!(
            "{taken_out} changes left the deck's path and are kept as late work; `cuecard late list` shows them"
        ),
        Event::TwoSeals { device, .. } => {
            format!("{} sealed two lines of one term: a cheat, and the proof is kept", named(device))
        }
        _ => return None,
    })
}
