//! More than a device keeps, links or sends at a time, of what is right in itself.

use std::collections::BTreeSet;

use cuecard::card::FieldValue;
use cuecard::document::Document;
use cuecard::limits::{
    BRANCHES_BYTES_MAX, BYTES_ASIDE_PER_MEMBER_MAX, CHANGES_ASIDE_PER_MEMBER_MAX, DECKS_PER_LINK_MAX,
    DRAFT_BYTES_MAX, DRAFT_OFFERS_BYTES_MAX, DRAFTS_PER_MEMBER_MAX, DRAFTS_REFUSED_KEPT_MAX, LINKS_MAX,
    NAME_BYTES_MAX,
};
use cuecard::role::{self, Seal};
use cuecard::sync::message::{DeckProof, DraftItem, EarlyStatus, Item, Message, PROTOCOL_VERSION};
use cuecard::transport::DeviceKey;
use cuecard::transport::memory::Conditions;
use cuecard::{DraftId, Edit, OpError, Rights, TermId};

use super::authority::{After, after_a_handover, slice_of};
use super::world::*;

/// An edit of about 240 KB that takes few operations.
pub(super) fn large(edit: &mut Edit<'_>, number: u64) -> Result<(), OpError> {
    (0..60).try_for_each(|field| {
        let value = noise(number * 100 + field, 4_000);
        edit.set_deck_field(&format!("field {field}"), Some(FieldValue::Text(value)))
    })
}

#[test]
fn a_link_too_many_is_closed_and_the_others_stay() {
    let mut world = World::new(111, None);
    let laptop = world.laptop;
    let device = |number: usize| {
        let bytes = blake3::hash(&number.to_le_bytes());
        DeviceKey::from_bytes(bytes.as_bytes()).id()
    };
    let all: Vec<_> = (0..LINKS_MAX)
        .map(|number| world.sim.intrude(laptop, device(number)))
        .collect();
    assert!(all.iter().all(|intruder| !world.sim.is_thrown_out(*intruder)));
    let one_more = world.sim.intrude(laptop, device(LINKS_MAX));
    assert!(world.sim.is_thrown_out(one_more));
    assert!(all.iter().all(|intruder| !world.sim.is_thrown_out(*intruder)));
    // A newer link of one that is linked takes the place of the older one.
    let again = world.sim.intrude(laptop, device(0));
    assert!(!world.sim.is_thrown_out(again) && world.sim.is_thrown_out(all[0]));
}

#[test]
fn a_greeting_beyond_the_limits_is_refused() {
    let most = (DECKS_PER_LINK_MAX, NAME_BYTES_MAX);
    for ((proofs, name), is_right) in [
        (most, true),
        ((most.0 + 1, most.1), false),
        ((most.0, most.1 + 1), false),
    ] {
        let mut world = World::new(112, None);
        let intruder = world.sim.intrude(world.laptop, world.mallory.id());
        let greet = Message::Greet {
            version: PROTOCOL_VERSION,
            name: "x".repeat(name),
            proofs: vec![DeckProof([1; 16]); proofs],
            early: vec![],
        };
        world.sim.say(intruder, &greet);
        assert_eq!(world.sim.is_thrown_out(intruder), !is_right, "{proofs} {name}");
    }
}

#[test]
fn how_decks_stand_is_said_once_and_of_each_place_once() {
    let greeting = |proof: u8, places: &[u8]| {
        let early = places.iter().map(|&place| EarlyStatus {
            place,
            sealed: vec![7; 100].into(),
        });
        Message::Greet {
            version: PROTOCOL_VERSION,
            name: "mallory".to_owned(),
            proofs: vec![DeckProof([proof; 16]); 8],
            early: early.collect(),
        }
    };
    let all: [(&[&[u8]], bool); 7] = [
        // Of a deck that is not here it says nothing.
        (&[&[0, 1, 7]], true),
        (&[&[0, 0]], false),
        (&[&[1, 0]], false),
        (&[&[], &[]], true),
        // Said again, or later, it is not looked at.
        (&[&[], &[0]], true),
        (&[&[0], &[0]], true),
        (&[&[0], &[0, 0]], false),
    ];
    for (greetings, is_right) in all {
        let mut world = World::new(117, None);
        let intruder = world.sim.intrude(world.laptop, world.mallory.id());
        for (number, places) in (1..).zip(greetings) {
            assert!(!world.sim.is_thrown_out(intruder));
            world.sim.say(intruder, &greeting(number, places));
        }
        assert_eq!(world.sim.is_thrown_out(intruder), !is_right, "{greetings:?}");
    }
}

#[test]
fn another_version_of_the_protocol_is_refused_by_number() {
    let mut world = World::new(116, None);
    let intruder = world.sim.intrude(world.laptop, world.mallory.id());
    let (version, name, proofs) = (PROTOCOL_VERSION + 1, "later".to_owned(), vec![]);
    world.sim.say(
        intruder,
        &Message::Greet {
            version,
            name,
            proofs,
            early: vec![],
        },
    );
    assert!(world.sim.is_thrown_out(intruder));
    let why = world.refusals();
    let expected = format!("it speaks version {version} of the protocol, this device {PROTOCOL_VERSION}");
    assert_eq!(why, [expected]);
    world.assert_unharmed();
}

/// Changes of a member that are not part of the deck: kept up to its quota, and passed on in rounds to who lacks them.
#[test]
fn what_a_member_leaves_beside_the_deck_has_an_end_and_travels_in_rounds() {
    let After {
        mut world,
        term,
        documents: [_, mut grown],
        ..
    } = after_a_handover(113);
    let (laptop, deck, mallory) = (world.laptop, world.deck, world.mallory.clone());
    // They are counted before they are looked at: these are no changes at all.
    let after = grown.heads()[0];
    for (count, expected) in [(0, false), (1, true)] {
        let changes = vec![vec![7; 40].into(); CHANGES_ASIDE_PER_MEMBER_MAX + count];
        let (len, head) = (1 + changes.len() as u64, after);
        let seal = Seal { term, len, head }.sign(deck, &mallory).unwrap();
        let item = Item::Changes {
            term,
            from: 2,
            changes,
            seal: seal.encode().into(),
            after,
        };
        let (intruder, items) = (world.intrude(), vec![item]);
        world.sim.say(intruder, &Message::Entries { deck, items });
        world.sim.run_for(SOON);
        assert!(world.sim.is_thrown_out(intruder));
        let why = world.refusals();
        let is_named = |why: &String| why.contains("more changes that are not part of the deck");
        assert_eq!(why.iter().any(is_named), expected, "{why:?}");
    }
    let intruder = world.intrude();
    let mut sent = 0;
    for number in 2..=40 {
        let item = large_and_sealed(&world, &mut grown, (term, number), &mallory);
        world.sim.say(
            intruder,
            &Message::Entries {
                deck,
                items: vec![item],
            },
        );
        if world.sim.is_thrown_out(intruder) {
            break;
        }
        sent += 1;
    }
    let why = world.refusals();
    assert!(
        why.len() == 1 && why[0].contains("more changes that are not part of the deck"),
        "{why:?}"
    );
    assert!(
        (30..=BYTES_ASIDE_PER_MEMBER_MAX / 240_000).contains(&sent),
        "{sent} changes"
    );
    world.sim.run_for(SOON);
    // Far more than is sent before the other says anew what it holds.
    assert!(sent * 240_000 > BRANCHES_BYTES_MAX);
    let (newcomer, invite) = (
        world.sim.device("newcomer"),
        world.sim.invite(laptop, deck, Rights::Read).unwrap(),
    );
    act(&mut world.sim, newcomer, |core, now| core.join(now, &invite));
    world.sim.connect(laptop, newcomer, Conditions::PERFECT);
    let arrived = world.sim.run_until("all of it arrives", SOON, |sim| {
        let kept = sim.holdings(laptop, deck);
        !kept.is_empty() && sim.holdings(newcomer, deck) == kept
    });
    arrived.unwrap();
    assert_eq!(world.sim.late_work_left(newcomer, deck).len(), 1);
}

pub(crate) fn large_and_sealed(
    world: &World,
    document: &mut Document,
    (term, number): (TermId, u64),
    key: &DeviceKey,
) -> Item {
    let after = document.heads()[0];
    let committed = document
        .commit(
            &role::actor_of_term(term),
            1_750_000_000_000,
            &mut || [0; 10],
            |edit| large(edit, number),
        )
        .unwrap();
    slice_of(world, (term, number), committed, after, key)
}

/// One that takes drafts and never says that it has them is not sent all of them.
#[test]
fn so_many_bytes_of_drafts_are_offered_before_the_other_answers() {
    let mut world = World::new(114, Some(Rights::Draft));
    let (laptop, deck) = (world.laptop, world.deck);
    for number in 0..DRAFTS_PER_MEMBER_MAX as u64 {
        act(&mut world.sim, laptop, |core, now| {
            let draft = core.open_draft(now, deck, "large").unwrap().value;
            for part in 0..4 {
                core.edit_draft(now, deck, draft, |edit| large(edit, number * 10 + part))
                    .unwrap();
            }
            core.propose_draft(now, deck, draft).unwrap();
        });
    }
    world.sim.run_for(SOON);
    let (_, at) = world.document();
    let intruder = world.intrude();
    let held = at;
    world.sim.say(
        intruder,
        &Message::Status {
            deck,
            charter: Some((0, 1)),
            locator: vec![held],
            beside: NOTHING,
            changes: 3,
        },
    );
    let (whole, marks) = (true, vec![]);
    world
        .sim
        .say(intruder, &Message::DraftsHeld { deck, whole, marks });
    world.sim.run_for(SOON);
    let offered: Vec<usize> = world
        .sim
        .heard(intruder)
        .iter()
        .filter_map(|message| match message {
            Message::Propose { draft, .. } => Some(draft.changes.iter().map(|change| change.len()).sum()),
            _ => None,
        })
        .collect();
    let bytes: usize = offered.iter().sum();
    assert!(offered.len() < DRAFTS_PER_MEMBER_MAX, "{offered:?}");
    assert!(
        (DRAFT_OFFERS_BYTES_MAX..DRAFT_OFFERS_BYTES_MAX + DRAFT_BYTES_MAX).contains(&bytes),
        "{offered:?}"
    );
}

/// Of the drafts that found no room so many are asked for again when there is some; the others come when they are
/// offered again.
#[test]
fn of_what_found_no_room_so_many_are_asked_for_again() {
    let mut world = World::new(115, Some(Rights::Draft));
    let (laptop, deck) = (world.laptop, world.deck);
    let (document, _) = world.document();
    let (base, author) = (document.heads()[0], world.mallory.id());
    let count = (DRAFTS_PER_MEMBER_MAX + DRAFTS_REFUSED_KEPT_MAX + 10) as u8;
    let drafts: Vec<(DraftId, DraftItem)> = (1..=count)
        .map(|number| {
            let nonce = [number; 16];
            let (change, head) = drafted(&world, &document, nonce, &format!("draft {number}"));
            let item = draft_item(&world, base, nonce, head, vec![change]);
            (role::draft_id(deck, author, nonce), item)
        })
        .collect();
    let intruder = world.intrude();
    world.sim.say(intruder, &has_nothing(deck));
    for (_, draft) in &drafts {
        let draft = draft.clone();
        world.sim.say(intruder, &Message::Propose { deck, draft });
    }
    world.sim.run_for(SOON);
    let refused: BTreeSet<DraftId> = world.drafts_refused(intruder).into_iter().collect();
    assert_eq!(refused.len(), DRAFTS_REFUSED_KEPT_MAX + 10);
    let first = drafts[0].0;
    act(&mut world.sim, laptop, |core, now| {
        core.decline_draft(now, deck, first, "no").unwrap()
    });
    world.sim.run_for(SOON);
    let asked: BTreeSet<DraftId> = world.drafts_asked_for(intruder).into_iter().collect();
    assert_eq!(asked.len(), DRAFTS_REFUSED_KEPT_MAX);
    assert!(asked.is_subset(&refused));
    world.before = (world.sim.head(laptop, deck), world.sim.cards(laptop, deck));
    world.assert_unharmed();
}
