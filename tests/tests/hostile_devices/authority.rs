//! Words and seals that are genuine somewhere else: in another deck, another term, another time or by another device.
//! They are said to a phone that follows the deck, since an editor knows its own terms before any signature is looked at.

use cuecard::document::{Committed, Document};
use cuecard::id::{ChangeHash, TermId};
use cuecard::role::{self, Cause, Charter, Cut, Seal, Signed, Term};
use cuecard::sim::Peer;
use cuecard::sync::message::{Item, Message};
use cuecard::transport::DeviceKey;
use cuecard::transport::memory::Conditions;
use cuecard::{DeckId, Event, LateWhy, Rights, Role};

use super::purposes::signed_for;
use super::world::*;

pub(crate) const WRONG_SIGNATURE: &str = "the signature of this record is wrong";

/// An honest member that follows the deck, linked to the laptop.
pub(crate) fn phone(world: &mut World) -> Peer {
    let (laptop, deck) = (world.laptop, world.deck);
    let phone = world.sim.device("phone");
    world.sim.connect(laptop, phone, Conditions::PERFECT);
    let invite = world.sim.invite(laptop, deck, Rights::Read).expect("an invite");
    act(&mut world.sim, phone, |core, now| core.join(now, &invite));
    world.sim.run_for(SOON);
    assert_eq!(world.sim.head(phone, deck), world.before.0, "the phone follows");
    world.sim.take_events(phone);
    phone
}

/// Says one message as mallory, whose link to `peer` it ends; returns why.
pub(crate) fn refusal(world: &mut World, peer: Peer, message: &Message) -> String {
    let (device, deck, key) = (world.mallory.id(), world.deck, world.deck_key);
    let intruder = world.sim.intrude_with_key(peer, device, deck, &key);
    world.sim.say(intruder, message);
    world.sim.run_for(SOON);
    let told = world.sim.take_events(peer).into_iter();
    let mut why: Vec<String> = told
        .filter_map(|event| match event {
            Event::Refused { why, .. } => Some(why),
            _ => None,
        })
        .collect();
    assert_eq!(why.len(), 1, "one refusal: {why:?} of {message:?}");
    assert!(world.sim.is_thrown_out(intruder), "{why:?}");
    why.remove(0)
}

pub(crate) fn refusal_of(world: &mut World, peer: Peer, item: Item) -> String {
    let message = entries(world, item);
    refusal(world, peer, &message)
}

/// Everything that a device sends of a deck to one who has nothing.
pub(crate) fn items(world: &mut World, peer: Peer, deck: DeckId) -> Vec<Item> {
    let device = world.mallory.id();
    let key = act(&mut world.sim, peer, |core, _| core.deck_key(deck).unwrap());
    let intruder = world.sim.intrude_with_key(peer, device, deck, &key);
    world.sim.say(intruder, &has_nothing(deck));
    world.sim.run_for(SOON);
    let heard = world.sim.heard(intruder).into_iter();
    let items = heard.flat_map(|message| match message {
        Message::Entries { items, .. } => items,
        _ => vec![],
    });
    items.collect()
}

pub(crate) fn charter_of(items: &[Item]) -> Vec<u8> {
    let charter = items.iter().find_map(|item| match item {
        Item::Charter(bytes) => Some(bytes.to_vec()),
        _ => None,
    });
    charter.expect("a charter")
}

/// The slices of a deck's terms, in order.
fn slices(items: &[Item]) -> Vec<&Item> {
    let is_slice = |item: &&Item| matches!(item, Item::Changes { .. });
    items.iter().filter(is_slice).collect()
}

/// The same bytes with an id in them written over by another.
fn written_over(bytes: &[u8], old: &[u8; 32], new: &[u8; 32]) -> Vec<u8> {
    let at = bytes.windows(32).position(|window| window == old);
    let at = at.expect("the id is in the record");
    let mut altered = bytes.to_vec();
    altered[at..at + 32].copy_from_slice(new);
    altered
}

/// The phone is as the laptop is, and the laptop's next edit reaches it; then all that the laptop's own deck must stand.
pub(crate) fn assert_unharmed(world: &mut World, phone: Peer) {
    let (laptop, deck) = (world.laptop, world.deck);
    let now = (world.sim.head(phone, deck), world.sim.cards(phone, deck));
    assert_eq!(now, world.before, "the phone's deck is as it was");
    world.assert_unharmed();
    let followed = world.sim.run_until("the phone follows", SOON, |sim| {
        sim.head(phone, deck) == sim.head(laptop, deck)
    });
    followed.unwrap();
    assert_eq!(world.sim.cards(phone, deck), world.sim.cards(laptop, deck));
    let told = world.sim.take_events(phone);
    let is_broken = |event: &Event| matches!(event, Event::DeckBroken { .. } | Event::StoreFailed { .. });
    assert!(!told.iter().any(is_broken), "{told:?}");
}

/// One more change in a term, on `document`, under a seal by `key`.
pub(crate) fn sealed(
    world: &World,
    document: &mut Document,
    (term, from): (TermId, u64),
    front: &str,
    now_ms: u64,
    key: &DeviceKey,
) -> Item {
    let after = document.heads()[0];
    let bits = blake3::hash(front.as_bytes());
    let mut random = || bits.as_bytes()[..10].try_into().unwrap();
    let committed = document
        .commit(&role::actor_of_term(term), now_ms, &mut random, |edit| {
            edit.add_card(front, "?")
        })
        .unwrap();
    slice_of(world, (term, from), committed, after, key)
}

/// A slice of one change, under a seal by `key`.
pub(crate) fn slice_of<T>(
    world: &World,
    (term, from): (TermId, u64),
    committed: Committed<T>,
    after: ChangeHash,
    key: &DeviceKey,
) -> Item {
    let change = committed.change.unwrap();
    let (len, head) = (from, change.hash);
    let seal = Seal { term, len, head }.sign(world.deck, key).unwrap();
    Item::Changes {
        term,
        from,
        changes: vec![change.bytes.into()],
        seal: seal.encode().into(),
        after,
    }
}

pub(crate) fn entries(world: &World, item: Item) -> Message {
    let (deck, items) = (world.deck, vec![item]);
    Message::Entries { deck, items }
}

#[test]
fn a_forged_seal_is_refused_by_name() {
    let mut world = World::new(70, Some(Rights::Hold));
    let phone = phone(&mut world);
    let (document, at) = world.document();
    let mallory = world.mallory.clone();
    let mut branch = document.fork_at(at.head).unwrap();
    let place = (at.term, at.len + 1);
    let forged = sealed(&world, &mut branch, place, "forged", 1_750_000_000_000, &mallory);
    let why = refusal_of(&mut world, phone, forged);
    assert!(why.contains(WRONG_SIGNATURE), "{why}");
    assert_unharmed(&mut world, phone);
}

#[test]
fn what_was_signed_for_another_deck_is_refused_by_name() {
    let mut world = World::new(71, Some(Rights::Hold));
    let phone = phone(&mut world);
    let (laptop, mallory) = (world.laptop, world.mallory.clone());
    // Another deck of the same owner, with the same members: there, mallory is the editor and has a draft.
    let other = act(&mut world.sim, laptop, |core, now| {
        core.create_deck(now, "Other").unwrap().value
    });
    act(&mut world.sim, laptop, |core, now| {
        let member = cuecard::Member {
            device: mallory.id(),
            rights: Rights::Hold,
            rank: 1,
        };
        core.set_members(now, other, vec![member]).unwrap();
        core.hand_over(now, other, mallory.id()).unwrap()
    });
    world.sim.run_for(SOON);
    let theirs = items(&mut world, laptop, other);
    let term = theirs.iter().find_map(|item| match item {
        Item::Term(bytes) => Some(bytes.to_vec()),
        _ => None,
    });
    let charter = charter_of(&theirs);
    let (document, at) = world.document();
    let draft = {
        let (change, head) = drafted(&world, &document, [3; 16], "elsewhere");
        let mut item = draft_item(&world, at.head, [3; 16], head, vec![change]);
        let mut record = Signed::<role::Draft>::decode(&item.record)
            .unwrap()
            .claimed()
            .clone();
        record.deck = other;
        item.record = record.sign(&mallory).unwrap().encode().into();
        item
    };
    for (bytes, item) in [
        (charter, (|bytes| Item::Charter(bytes)) as fn(_) -> Item),
        (term.expect("the handover"), |bytes| Item::Term(bytes)),
    ] {
        let why = refusal_of(&mut world, phone, item(bytes.clone().into()));
        assert_eq!(why, "this record belongs to another deck; it is refused here");
        let altered = written_over(&bytes, other.as_bytes(), world.deck.as_bytes());
        let why = refusal_of(&mut world, phone, item(altered.into()));
        assert!(why.contains(WRONG_SIGNATURE), "{why}");
    }
    let deck = world.deck;
    let altered = written_over(&draft.record, other.as_bytes(), deck.as_bytes());
    for (record, expected) in [
        (draft.record.to_vec(), "belongs to another deck"),
        (altered, WRONG_SIGNATURE),
    ] {
        let mut draft = draft.clone();
        draft.record = record.into();
        let why = refusal(&mut world, phone, &Message::Propose { deck, draft });
        assert!(why.contains(expected), "{why}");
    }
    // A seal names its deck in its signature only: a seal of the other deck over the very same place.
    let mut branch = document.fork_at(at.head).unwrap();
    let laptops = world.sim.key(laptop).unwrap();
    let place = (at.term, at.len + 1);
    let mut elsewhere = sealed(
        &world,
        &mut branch,
        place,
        "elsewhere",
        1_750_000_000_000,
        &laptops,
    );
    if let Item::Changes { seal, .. } = &mut elsewhere {
        let claimed = *Signed::<Seal>::decode(seal).unwrap().claimed();
        *seal = claimed.sign(other, &laptops).unwrap().encode().into();
    }
    let why = refusal_of(&mut world, phone, elsewhere);
    assert!(why.contains(WRONG_SIGNATURE), "{why}");
    assert_unharmed(&mut world, phone);
}

/// The laptop's own changes under its own seal, which it made in the term before the one that it opened when it started
/// again.
#[test]
fn what_was_sealed_in_another_term_is_refused_by_name() {
    let mut world = World::new(72, Some(Rights::Hold));
    let phone = phone(&mut world);
    let (laptop, deck) = (world.laptop, world.deck);
    world.sim.crash(laptop);
    world.sim.restart(laptop).expect("it opens again");
    act(&mut world.sim, laptop, |core, now| {
        core.edit(now, deck, |edit| edit.add_card("cuatro", "?")).unwrap()
    });
    world.sim.run_for(SOON);
    world.before = (world.sim.head(laptop, deck), world.sim.cards(laptop, deck));
    world.sim.take_events(phone);
    let theirs = items(&mut world, phone, deck);
    let slices = slices(&theirs);
    let (
        Some(Item::Changes {
            term: old,
            changes,
            seal,
            ..
        }),
        Some(Item::Changes {
            term: new,
            seal: newest,
            ..
        }),
    ) = (slices.first(), slices.last())
    else {
        panic!("two slices: {slices:?}");
    };
    assert_ne!(old, new);
    let (_, at) = world.document();
    assert_eq!(at.term, *new);
    // As many changes as make the old seal's number the right one.
    let count = usize::try_from(Signed::<Seal>::decode(seal).unwrap().claimed().len - at.len).unwrap();
    assert!((2..=changes.len()).contains(&count), "{count}");
    let replayed = |seal: &[u8], count: usize| Item::Changes {
        term: *new,
        from: at.len + 1,
        changes: changes[..count].to_vec(),
        seal: seal.to_vec().into(),
        after: at.head,
    };
    // The old term's seal where only its term is wrong, and the new term's own where only its number is.
    for (seal, count) in [(seal, count), (newest, 1)] {
        let why = refusal_of(&mut world, phone, replayed(seal, count));
        assert_eq!(why, "the seal is not over the end of this slice");
    }
    let altered = written_over(seal, old.as_bytes(), new.as_bytes());
    let why = refusal_of(&mut world, phone, replayed(&altered, count));
    assert!(why.contains(WRONG_SIGNATURE), "{why}");
    assert_unharmed(&mut world, phone);
}

/// Mallory was the editor, wrote one card, and gave the role back; the laptop has edited on.
pub(crate) struct After {
    pub(crate) world: World,
    phone: Peer,
    /// Mallory's term, and where it started.
    pub(crate) term: TermId,
    /// The deck as mallory got it, and with its card.
    pub(crate) documents: [Document; 2],
}

pub(crate) fn after_a_handover(seed: u64) -> After {
    let mut world = World::new(seed, Some(Rights::Hold));
    let phone = phone(&mut world);
    let (laptop, deck, mallory) = (world.laptop, world.deck, world.mallory.clone());
    let term = act(&mut world.sim, laptop, |core, now| {
        core.hand_over(now, deck, mallory.id()).unwrap().value
    });
    world.sim.run_for(SOON);
    let (start, _) = world.document();
    let mut grown = start.fork_at(start.heads()[0]).unwrap();
    let honest = sealed(
        &world,
        &mut grown,
        (term, 1),
        "mallory's",
        1_750_000_000_000,
        &mallory,
    );
    let back = Term {
        deck,
        parent: term,
        cause: Cause::Handover,
        cut: Cut {
            len: 1,
            head: grown.heads()[0],
        },
        holder: Some(world.sim.id(laptop)),
        nonce: [1; 16],
        signer: mallory.id(),
    };
    let back = back.sign(&mallory).unwrap();
    let intruder = world.intrude();
    world.entries(intruder, vec![honest, Item::Term(back.encode().into())]);
    act(&mut world.sim, laptop, |core, now| {
        core.edit(now, deck, |edit| edit.add_card("cuatro", "?")).unwrap()
    });
    world.sim.run_for(SOON);
    assert_eq!(world.refusals(), Vec::<String>::new());
    world.sim.take_events(phone);
    world.before = (world.sim.head(laptop, deck), world.sim.cards(laptop, deck));
    assert_eq!(world.before.1.len(), 5);
    After {
        world,
        phone,
        term,
        documents: [start, grown],
    }
}

/// Its seals are genuine, so what they are over is kept; it is no part of the deck, and a person is asked by name.
#[test]
fn an_old_term_is_not_gone_on_with_after_its_handover() {
    let After {
        mut world,
        phone,
        term,
        documents: [_, mut grown],
    } = after_a_handover(73);
    let (laptop, mallory) = (world.laptop, world.mallory.clone());
    let intruder = world.intrude();
    for number in 2..5 {
        let front = format!("afterwards {number}");
        let item = sealed(
            &world,
            &mut grown,
            (term, number),
            &front,
            1_750_000_000_000,
            &mallory,
        );
        world.entries(intruder, vec![item]);
    }
    assert!(!world.sim.is_thrown_out(intruder));
    let told = world.sim.take_events(laptop);
    let asked = |event: &Event| match event {
        Event::LateWorkWaiting { late, why, .. } => {
            (late.term, late.from, late.len, why) == (term, 2, 4, &LateWhy::AfterLeaving)
        }
        _ => false,
    };
    assert!(told.iter().any(asked), "{told:#?}");
    assert!(
        !told.iter().any(|event| matches!(event, Event::Changed { .. })),
        "{told:#?}"
    );
    assert_unharmed(&mut world, phone);
    assert_eq!(
        world.sim.late_work_left(laptop, world.deck).len(),
        1,
        "and stays aside"
    );
}

/// A change dated years before the deck, under the number of one that the handover was cut at: the cut decides, and the
/// two seals are proof. A handover dated back is a sibling of the one that was honest, and what is settled stands.
#[test]
fn what_is_dated_back_moves_nothing() {
    let After {
        mut world,
        phone,
        term,
        documents: [start, _],
    } = after_a_handover(74);
    let (laptop, deck, mallory) = (world.laptop, world.deck, world.mallory.clone());
    act(&mut world.sim, laptop, |core, now| {
        core.settle(now, deck).unwrap()
    });
    world.sim.run_for(SOON);
    world.sim.take_events(laptop);
    let intruder = world.intrude();
    let cut = Cut {
        len: 0,
        head: start.heads()[0],
    };
    for number in 0..32 {
        let sibling = Term {
            deck,
            parent: term,
            cause: Cause::Handover,
            cut,
            holder: Some(mallory.id()),
            nonce: [number; 16],
            signer: mallory.id(),
        };
        let sibling = sibling.sign(&mallory).unwrap().encode();
        world.entries(intruder, vec![Item::Term(sibling.into())]);
    }
    let mut branch = start.fork_at(cut.head).unwrap();
    let dated_back = sealed(
        &world,
        &mut branch,
        (term, 1),
        "in 2001",
        1_000_000_000_000,
        &mallory,
    );
    world.entries(intruder, vec![dated_back]);
    let told = world.sim.take_events(laptop);
    let device = mallory.id();
    assert!(
        told.contains(&Event::TwoSeals { deck, term, device }),
        "{told:#?}"
    );
    let moved = |event: &Event| {
        matches!(
            event,
            Event::Changed { .. } | Event::RoleMoved { .. } | Event::Reorganised { .. }
        )
    };
    assert!(!told.iter().any(moved), "{told:#?}");
    let role = world.sim.role(laptop, deck);
    assert!(matches!(role, Some(Role::Editor { .. })), "{role:?}");
    assert_unharmed(&mut world, phone);
}

#[test]
fn a_charter_by_one_who_is_not_the_owner_is_refused_by_name() {
    let mut world = World::new(75, Some(Rights::Hold));
    let phone = phone(&mut world);
    let (laptop, deck, mallory) = (world.laptop, world.deck, world.mallory.clone());
    let theirs = items(&mut world, phone, deck);
    let genuine = Signed::<Charter>::decode(&charter_of(&theirs)).unwrap();
    let genuine = genuine.claimed().clone();
    // Mallory's word as the owner, and transfers to itself and to another, which it signs with its own name.
    let accomplice = DeviceKey::from_bytes(&[77; 32]).id();
    for (generation, count, owner) in [
        (0, genuine.count + 1, mallory.id()),
        (1, 0, mallory.id()),
        (1, 0, accomplice),
    ] {
        let mut forged = genuine.clone();
        (forged.generation, forged.count, forged.owner) = (generation, count, owner);
        let forged = forged.sign(&mallory).unwrap().encode();
        for peer in [phone, laptop] {
            let why = refusal_of(&mut world, peer, Item::Charter(forged.clone().into()));
            assert_eq!(
                why,
                "this charter was not signed by the deck's owner; it is refused"
            );
        }
    }
    // In the owner's name, it is not the owner's signature.
    let mut forged = genuine.clone();
    forged.count += 1;
    forged.members.clear();
    let forged = forged.sign(&world.sim.key(laptop).unwrap()).unwrap();
    let forged = signed_for(&forged, "cuecard charter", deck, &mallory);
    let why = refusal_of(&mut world, phone, Item::Charter(forged.into()));
    assert!(why.contains(WRONG_SIGNATURE), "{why}");
    // After a transfer that nobody knows it would be right, so it waits for that one, and counts for nothing.
    let mut early = genuine.clone();
    (early.generation, early.owner) = (1, mallory.id());
    let early = early.sign(&mallory).unwrap().encode();
    let intruder = world.intrude();
    world.entries(intruder, vec![Item::Charter(early.into())]);
    assert_eq!(world.sim.owner(laptop, deck), Some(world.sim.id(laptop)));
    assert_eq!(world.sim.owner(phone, deck), Some(world.sim.id(laptop)));
    assert_unharmed(&mut world, phone);
}
