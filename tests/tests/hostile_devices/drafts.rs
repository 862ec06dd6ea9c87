//! Drafts that nobody accepted, that were signed twice, that are too much.

use cuecard::card::FieldValue;
use cuecard::limits::{
    DRAFT_BYTES_MAX, DRAFT_CHANGES_MAX, DRAFTS_PER_MEMBER_MAX, WITHDRAWALS_PER_MEMBER_MAX,
};
use cuecard::role::{self, Withdrawal};
use cuecard::sync::message::{DraftItem, Item, Message};
use cuecard::transport::DeviceKey;
use cuecard::{DraftId, DraftState, Rights};

use super::world::*;

/// The draft named a head that the deck holds already, so its changes never met the gate, and were kept as accepted:
/// garbage on the disk of anybody linked, which then could not be opened again.
#[test]
fn an_accepted_draft_that_no_change_accepts_is_not_kept() {
    let mut world = World::new(1, None);
    let (document, at) = world.document();
    let (base, head) = (document.genesis_hash(), document.heads()[0]);
    let junk = draft_item(&world, base, [7; 16], head, vec![b"not a change".to_vec()]);
    let intruder = world.intrude();
    world.entries(intruder, vec![Item::Draft(junk), known_slice(&document, at)]);
    assert!(world.sim.drafts(world.laptop, world.deck).is_empty());
    world.assert_unharmed();
}

/// A log is never rewritten in place: the second text under the first one's numbers stopped the editor's store.
#[test]
fn a_draft_signed_twice_with_other_content_does_not_stop_the_disk() {
    let mut world = World::new(2, Some(Rights::Draft));
    let (document, _) = world.document();
    let (base, nonce) = (document.heads()[0], [7; 16]);
    let (first, first_head) = drafted(&world, &document, nonce, "first");
    let mut other = document.fork_at(base).unwrap();
    let (second, _) = drafted_onto(&world, &mut other, nonce, "second");
    let (third, third_head) = drafted_onto(&world, &mut other, nonce, "third");
    let intruder = world.intrude();
    let deck = world.deck;
    let one = draft_item(&world, base, nonce, first_head, vec![first]);
    let two = draft_item(&world, base, nonce, third_head, vec![second, third]);
    for draft in [one, two] {
        world.sim.say(intruder, &Message::Propose { deck, draft });
        world.sim.run_for(SOON);
    }
    let drafts = world.sim.drafts(world.laptop, deck);
    assert_eq!(drafts.len(), 1);
    assert_eq!(
        (drafts[0].len, drafts[0].state.clone()),
        (1, DraftState::Proposed),
        "the first one stays"
    );
    world.assert_unharmed();
}

#[test]
fn a_draft_by_one_who_may_not_propose_is_not_kept() {
    let mut world = World::new(3, Some(Rights::Read));
    let (document, _) = world.document();
    let (base, nonce) = (document.heads()[0], [7; 16]);
    let (change, head) = drafted(&world, &document, nonce, "no");
    let (intruder, deck) = (world.intrude(), world.deck);
    let draft = draft_item(&world, base, nonce, head, vec![change]);
    world.sim.say(intruder, &Message::Propose { deck, draft });
    world.sim.run_for(SOON);
    assert!(world.sim.drafts(world.laptop, deck).is_empty());
    world.assert_unharmed();
}

/// A slice may accept several drafts, each of a mebibyte: they travel with it, and it must stay within its bounds.
#[test]
fn large_drafts_accepted_one_after_the_other_reach_a_newcomer() {
    let mut world = World::new(11, Some(Rights::Draft));
    let (laptop, deck) = (world.laptop, world.deck);
    for number in 0_u8..6 {
        let (document, _) = world.document_with_drafts();
        let (base, nonce) = (document.heads()[0], [number; 16]);
        let mut branch = document.fork_at(base).unwrap();
        let actor = role::actor_of_draft(deck, world.mallory.id(), nonce);
        let mut changes = Vec::new();
        let mut head = base;
        for part in 0_u8..4 {
            let mut random = || [number * 16 + part; 10];
            let committed = branch
                .commit(&actor, 1_750_000_000_000, &mut random, |edit| {
                    let card = edit.add_card(&format!("{number}.{part}"), "?")?;
                    for field in 0_u64..60 {
                        let text = FieldValue::Text(noise(
                            field << 16 | u64::from(number) << 8 | u64::from(part),
                            4_000,
                        ));
                        edit.set_field(&card, &format!("field {field}"), Some(text))?;
                    }
                    Ok(())
                })
                .unwrap();
            let change = committed.change.unwrap();
            head = change.hash;
            changes.push(change.bytes);
        }
        let draft = draft_item(&world, base, nonce, head, changes);
        let intruder = world.intrude();
        world.sim.say(intruder, &Message::Propose { deck, draft });
        world.sim.run_for(SOON);
        let proposed = world.sim.drafts(laptop, deck).into_iter();
        let proposed: Vec<_> = proposed
            .filter(|draft| draft.state == DraftState::Proposed)
            .collect();
        assert_eq!(proposed.len(), 1, "{:?}", world.refusals());
        act(&mut world.sim, laptop, |core, now| {
            core.accept_draft(now, deck, proposed[0].draft).unwrap()
        });
        world.sim.run_for(SOON);
    }
    world.before = (world.sim.head(laptop, deck), world.sim.cards(laptop, deck));
    assert_eq!(world.before.1.len(), 3 + 24);
    world.assert_unharmed();
}

/// One draft of one card by mallory, on the deck as it is.
pub(super) fn one(world: &mut World, number: u8) -> DraftItem {
    let (document, _) = world.document();
    let (base, nonce) = (document.heads()[0], [number; 16]);
    let (change, head) = drafted(world, &document, nonce, &format!("flood {number}"));
    draft_item(world, base, nonce, head, vec![change])
}

fn id_of(world: &World, number: u8) -> DraftId {
    role::draft_id(world.deck, world.mallory.id(), [number; 16])
}

/// Eight wait; the ninth is refused by name, and costs nobody the link: an honest device may not know yet that one of
/// its drafts is over. When one is, the ninth is asked for.
#[test]
fn a_flood_of_drafts_is_refused_by_name() {
    let mut world = World::new(20, Some(Rights::Draft));
    let (laptop, deck) = (world.laptop, world.deck);
    let most = DRAFTS_PER_MEMBER_MAX as u8;
    let items: Vec<DraftItem> = (0..most + 4).map(|number| one(&mut world, number)).collect();
    let intruder = world.intrude();
    world.sim.say(intruder, &has_nothing(deck));
    for draft in items {
        world.sim.say(intruder, &Message::Propose { deck, draft });
        world.sim.run_for(SOON);
    }
    let refused = world.drafts_refused(intruder);
    let mut expected: Vec<DraftId> = (most..most + 4).map(|number| id_of(&world, number)).collect();
    assert_eq!(refused, expected);
    expected.sort();
    assert!(!world.sim.is_thrown_out(intruder));
    assert_eq!(world.sim.drafts(laptop, deck).len(), DRAFTS_PER_MEMBER_MAX);
    assert_eq!(world.refusals(), Vec::<String>::new());

    let first = id_of(&world, 0);
    act(&mut world.sim, laptop, |core, now| {
        core.decline_draft(now, deck, first, "no").unwrap()
    });
    world.sim.run_for(SOON);
    let asked = world.drafts_asked_for(intruder);
    assert_eq!(asked, expected, "there is room for one of them");
    world.before = (world.sim.head(laptop, deck), world.sim.cards(laptop, deck));
    world.assert_unharmed();
}

/// More changes, or more bytes, than a draft may have: only one who breaks the rules sends that.
#[test]
fn a_draft_beyond_its_quota_ends_the_link() {
    let mut world = World::new(21, Some(Rights::Draft));
    let (document, _) = world.document();
    let (deck, base) = (world.deck, document.heads()[0]);
    let (change, head) = drafted(&world, &document, [1; 16], "long");
    let most = usize::try_from(DRAFT_CHANGES_MAX).unwrap();
    let many = vec![change.clone(); most + 1];
    let large = vec![vec![7; DRAFT_BYTES_MAX + 1]];
    // One says that it has more than may be, and comes with as many as may be.
    let mut more = draft_item(&world, base, [1; 16], head, many.clone());
    more.changes.truncate(most);
    let many = draft_item(&world, base, [1; 16], head, many);
    let large = draft_item(&world, base, [1; 16], head, large);
    let (listed, beyond) = (
        format!("a list of more than {most}"),
        "beyond its quota".to_owned(),
    );
    for (draft, expected) in [(many, &listed), (more, &beyond), (large, &beyond)] {
        let intruder = world.intrude();
        world.sim.say(intruder, &Message::Propose { deck, draft });
        world.sim.run_for(SOON);
        assert!(world.sim.is_thrown_out(intruder));
        let refusals = world.refusals();
        assert!(refusals.iter().any(|why| why.contains(expected)), "{refusals:?}");
    }
    assert!(world.sim.drafts(world.laptop, deck).is_empty());
    world.assert_unharmed();
}

/// A device that passes drafts on can change nothing of them, and take back nothing in another's name.
#[test]
fn a_draft_passed_on_by_another_is_its_authors_word_or_nothing() {
    let mut world = World::new(22, Some(Rights::Draft));
    let (laptop, deck) = (world.laptop, world.deck);
    let honest = one(&mut world, 1);
    let carrier = DeviceKey::from_bytes(&[77; 32]);
    let key = world.deck_key;
    let link = |world: &mut World| world.sim.intrude_with_key(laptop, carrier.id(), deck, &key);

    // One more change than was signed, one fewer, and another one.
    let mut longer = honest.clone();
    longer.changes.push(honest.changes[0].clone());
    let mut shorter = honest.clone();
    shorter.changes.clear();
    let mut other = honest.clone();
    other.changes = one(&mut world, 2).changes;
    let mut signed_by_another = honest.clone();
    let last = signed_by_another.record.len() - 1;
    signed_by_another.record[last] ^= 1;
    for (draft, expected) in [
        (longer, "without all of its changes"),
        (shorter, "without all of its changes"),
        (other, "another actor"),
        (signed_by_another, "signature"),
    ] {
        let intruder = link(&mut world);
        world.sim.say(intruder, &Message::Propose { deck, draft });
        world.sim.run_for(SOON);
        assert!(world.sim.is_thrown_out(intruder), "{expected}");
        let refusals = world.refusals();
        assert!(
            refusals.iter().any(|why| why.contains(expected)),
            "{expected}: {refusals:?}"
        );
    }
    let intruder = link(&mut world);
    world.sim.say(intruder, &Message::Propose { deck, draft: honest });
    world.sim.run_for(SOON);
    let draft = id_of(&world, 1);
    let state = |world: &World| {
        let drafts = world.sim.drafts(laptop, deck).into_iter();
        drafts
            .filter(|known| known.draft == draft)
            .map(|known| known.state)
            .next()
    };
    assert_eq!(
        state(&world),
        Some(DraftState::Proposed),
        "as its author signed it"
    );

    let withdrawal = |author: &DeviceKey, nonce| Withdrawal {
        deck,
        author: author.id(),
        nonce,
        version: 1,
        signed_ms: 1,
    };
    // Signing puts the carrier's own name into the record, so that it is about a draft of its own; with the author's
    // name the signature is wrong.
    let own = withdrawal(&carrier, [1; 16]).sign(&carrier).unwrap().encode();
    let mut forged = withdrawal(&world.mallory, [1; 16])
        .sign(&carrier)
        .unwrap()
        .encode();
    forged[34..66].copy_from_slice(world.mallory.id().as_bytes());
    for (record, thrown_out) in [(own, false), (forged, true)] {
        let record = record.into();
        world.sim.say(intruder, &Message::Withdraw { deck, record });
        world.sim.run_for(SOON);
        assert_eq!(world.sim.is_thrown_out(intruder), thrown_out);
        assert_eq!(state(&world), Some(DraftState::Proposed));
    }
    assert!(world.refusals().iter().any(|why| why.contains("signature")));
    let record = withdrawal(&world.mallory, [1; 16]).sign(&world.mallory).unwrap();
    let record = record.encode().into();
    let intruder = link(&mut world);
    world.sim.say(intruder, &Message::Withdraw { deck, record });
    world.sim.run_for(SOON);
    assert_eq!(
        state(&world),
        Some(DraftState::Withdrawn),
        "its author's own word counts"
    );
    world.assert_unharmed();
}

/// Each word of an author against a draft of its own is kept, so that the draft does not come back: but not for ever.
#[test]
fn a_flood_of_withdrawals_pushes_out_its_authors_own_and_nothing_else() {
    // Of one that may not propose there is nothing to take back, and nothing is kept.
    let most = WITHDRAWALS_PER_MEMBER_MAX as u8;
    for (rights, expected) in [(Rights::Draft, 100 - most..100), (Rights::Read, 0..0)] {
        withdrawals_kept(rights, expected);
    }
}

fn withdrawals_kept(rights: Rights, expected: std::ops::Range<u8>) {
    let mut world = World::new(23, Some(rights));
    let (laptop, deck) = (world.laptop, world.deck);
    let intruder = world.intrude();
    for number in 0..100 {
        let withdrawal = Withdrawal {
            deck,
            author: world.mallory.id(),
            nonce: [number; 16],
            version: 1,
            signed_ms: u64::from(number),
        };
        let record = withdrawal.sign(&world.mallory).unwrap().encode().into();
        world.sim.say(intruder, &Message::Withdraw { deck, record });
    }
    world.sim.run_for(SOON);
    let newcomer = world.intrude();
    let at = world.sim.head(laptop, deck).unwrap();
    let (charter, locator) = (Some((0, 1)), vec![]);
    world.sim.say(
        newcomer,
        &Message::Status {
            deck,
            charter,
            locator,
            beside: NOTHING,
            changes: 0,
        },
    );
    world.sim.run_for(SOON);
    let marks = world
        .sim
        .heard(newcomer)
        .into_iter()
        .flat_map(|message| match message {
            Message::DraftsHeld {
                whole: true, marks, ..
            } => marks,
            _ => vec![],
        });
    let mut kept: Vec<DraftId> = marks.map(|mark| mark.draft).collect();
    let mut expected: Vec<DraftId> = expected.map(|number| id_of(&world, number)).collect();
    kept.sort();
    expected.sort();
    assert_eq!(kept, expected, "{rights:?}: the latest 32, or none");
    assert_eq!(world.sim.head(laptop, deck), Some(at));
    world.assert_unharmed();
}
