//! What anybody can put beside a deck: a claim that counts for nothing, and whatever is sealed in it. Each was found to
//! break a deck, or to fill its disk.

use std::collections::HashMap;

use automerge::Change;
use cuecard::document::Document;
use cuecard::limits::TERMS_ASIDE_PER_MEMBER_MAX;
use cuecard::role::{self, Cause, Cut, Seal, Term};
use cuecard::sync::holdings::Holding;
use cuecard::sync::message::{Item, Message, Position};
use cuecard::transport::DeviceKey;
use cuecard::{ChangeHash, DraftId, DraftState, Event, Rights, TermId};
use sha2::{Digest, Sha256};

use super::authority::{phone, sealed};
use super::limits::large_and_sealed;
use super::world::*;

const AT: u64 = 1_750_000_000_000;

/// A claim by a device that may not, cut at the end of the deck: anybody's term, in which it may seal what it likes.
pub(super) fn claim(world: &World, parent: TermId, cut: Cut, key: &DeviceKey, nonce: u8) -> (TermId, Item) {
    let term = Term {
        deck: world.deck,
        parent,
        cause: Cause::Claim,
        cut,
        holder: Some(key.id()),
        nonce: [nonce; 16],
        signer: key.id(),
    };
    let term = term.sign(key).unwrap();
    (term.id(), Item::Term(term.encode().into()))
}

/// One change of a term behind `after`, and its seal.
fn slice(
    world: &World,
    (term, number): (TermId, u64),
    after: ChangeHash,
    (bytes, head): (Vec<u8>, ChangeHash),
    key: &DeviceKey,
) -> Item {
    let seal = Seal {
        term,
        len: number,
        head,
    };
    Item::Changes {
        term,
        from: number,
        changes: vec![bytes.into()],
        seal: seal.sign(world.deck, key).unwrap().encode().into(),
        after,
    }
}

/// Seals of a term over what nobody has.
fn seals(world: &World, term: TermId, key: &DeviceKey) -> Vec<Item> {
    let seal = |number: u8| {
        let (len, head) = (1_000 + u64::from(number), ChangeHash([number; 32]));
        let seal = Seal { term, len, head }.sign(world.deck, key).unwrap();
        Item::Seal(seal.encode().into())
    };
    (0..64).map(seal).collect()
}

/// As many seals as a term may have, over what does not exist; then a change with its seal, for which there was no room: the
/// deck was broken by it, and could not be opened again.
#[test]
fn seals_over_nothing_do_not_break_a_deck() {
    let mut world = World::new(191, None);
    let (document, Position { term, len, head }) = world.document();
    let (laptop, deck, mallory) = (world.laptop, world.deck, world.mallory.clone());
    let (claimed, item) = claim(&world, term, Cut { len, head }, &mallory, 1);
    let mut branch = document.fork_at(head).unwrap();
    let change = sealed(&world, &mut branch, (claimed, 1), "beside", AT, &mallory);
    let flood = seals(&world, claimed, &mallory);
    let intruder = world.intrude();
    for items in [vec![item], flood, vec![change]] {
        world.sim.say(intruder, &Message::Branches { deck, items });
        world.sim.run_for(SOON);
    }
    let kept = world.sim.holdings(laptop, deck);
    let line = Holding::Line(Position {
        term: claimed,
        len: 1,
        head: branch.heads()[0],
    });
    assert!(
        kept.contains(&line),
        "what is held has room before what is not: {kept:?}"
    );
    world.refusals();
    world.assert_unharmed();
}

/// The same by an editor, in its own term, to a viewer.
#[test]
fn seals_over_nothing_by_an_editor_do_not_break_its_viewers() {
    let mut world = World::new(192, Some(Rights::Hold));
    let phone = phone(&mut world);
    let (laptop, deck, mallory, key) = (world.laptop, world.deck, world.mallory.clone(), world.deck_key);
    let term = act(&mut world.sim, laptop, |core, now| {
        core.hand_over(now, deck, mallory.id()).unwrap().value
    });
    world.sim.run_for(SOON);
    let (mut document, _) = world.document();
    let flood = seals(&world, term, &mallory);
    let intruder = world.sim.intrude_with_key(phone, mallory.id(), deck, &key);
    world.sim.say(intruder, &Message::Branches { deck, items: flood });
    for number in 1..4 {
        let front = format!("card {number}");
        let change = sealed(&world, &mut document, (term, number), &front, AT, &mallory);
        let items = vec![change];
        world.sim.say(intruder, &Message::Entries { deck, items });
        world.sim.run_for(SOON);
    }
    let told = world.sim.take_events(phone);
    let is_broken = |event: &&Event| matches!(event, Event::DeckBroken { .. });
    assert_eq!(told.iter().find(is_broken), None);
    world.sim.crash(phone);
    world.sim.restart(phone).expect("it opens again");
    let (len, head) = (3, document.heads()[0]);
    let line = Holding::Line(Position { term, len, head });
    let is_held = world.sim.holdings(phone, deck).contains(&line);
    assert!(
        is_held || world.sim.head(phone, deck) == Some(head),
        "its changes are held"
    );
}

/// Mallory was the editor, and the owner took the role back: what it signs on its old term can never count again, however
/// small its id.
#[test]
fn handovers_of_a_term_that_the_owner_ended_are_refused_by_name() {
    let mut world = World::new(193, Some(Rights::Hold));
    let (laptop, deck, mallory) = (world.laptop, world.deck, world.mallory.clone());
    let parent = act(&mut world.sim, laptop, |core, now| {
        core.hand_over(now, deck, mallory.id()).unwrap().value
    });
    world.sim.run_for(SOON);
    let (document, _) = world.document();
    act(&mut world.sim, laptop, |core, now| {
        core.take_over(now, deck).unwrap()
    });
    world.sim.run_for(SOON);
    world.refusals();
    let intruder = world.intrude();
    let most = 2 * TERMS_ASIDE_PER_MEMBER_MAX as u64;
    for number in 0..most {
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&number.to_le_bytes());
        let term = Term {
            deck,
            parent,
            cause: Cause::Handover,
            cut: Cut {
                len: 0,
                head: document.heads()[0],
            },
            holder: Some(mallory.id()),
            nonce,
            signer: mallory.id(),
        };
        let items = vec![Item::Term(term.sign(&mallory).unwrap().encode().into())];
        world.sim.say(intruder, &Message::Entries { deck, items });
    }
    world.sim.run_for(SOON);
    world.assert_thrown_out(intruder, "more terms that are not part of the deck");
    let kept = world.sim.holdings(laptop, deck).len();
    assert!(kept <= TERMS_ASIDE_PER_MEMBER_MAX + 8, "{kept}");
    assert_eq!(world.sim.cards(laptop, deck), world.before.1);
    world.before.0 = world.sim.head(laptop, deck);
    world.assert_unharmed();
}

/// What the path accepts as late work is taken in beyond its author's quota; what is accepted beside the path is nobody's word.
#[test]
fn an_acceptance_beside_the_path_lifts_no_quota() {
    let mut world = World::new(194, None);
    let (document, Position { term, len, head }) = world.document();
    let (deck, mallory) = (world.deck, world.mallory.clone());
    let cut = Cut { len, head };
    let (accepted, first) = claim(&world, term, cut, &mallory, 1);
    let (accepts, second) = claim(&world, term, cut, &mallory, 2);
    let mut late = document.fork_at(head).unwrap();
    let unknown = sealed(&world, &mut late, (accepted, 1), "never sent", AT, &mallory);
    let actor = role::actor_of_term(accepts);
    let acceptance = late
        .accept_late(&actor, AT, accepted, head, late.heads()[0])
        .unwrap();
    let change = acceptance.change.unwrap();
    let acceptance = slice(&world, (accepts, 1), head, (change.bytes, change.hash), &mallory);
    drop(unknown);
    let intruder = world.intrude();
    world.entries(intruder, vec![first, second, acceptance]);
    assert_eq!(
        world.refusals(),
        Vec::<String>::new(),
        "it is early, and no offence"
    );
    let mut line = document.fork_at(head).unwrap();
    for number in 1..=40 {
        let items = vec![large_and_sealed(&world, &mut line, (accepted, number), &mallory)];
        world.sim.say(intruder, &Message::Branches { deck, items });
        if world.sim.is_thrown_out(intruder) {
            break;
        }
    }
    let why = world.refusals();
    assert!(
        why.len() == 1 && why[0].contains("more changes that are not part of the deck"),
        "{why:?}"
    );
}

/// Drafts by devices made up for the purpose, which a claim by nobody accepts: no app is told of them, and there is an end.
#[test]
fn drafts_accepted_beside_the_path_are_offered_to_nobody_and_end_at_a_quota() {
    let mut world = World::new(195, None);
    let (document, Position { term, len, head }) = world.document();
    let (laptop, deck, mallory) = (world.laptop, world.deck, world.mallory.clone());
    let (accepts, item) = claim(&world, term, Cut { len, head }, &mallory, 1);
    let intruder = world.intrude();
    world.entries(intruder, vec![item]);
    let mut line = document.fork_at(head).unwrap();
    let mut previous = head;
    let mut sent = 0;
    for number in 1..=300_u64 {
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&number.to_le_bytes());
        let mut branch = document.fork_at(head).unwrap();
        let (change, drafted) = drafted_onto(&world, &mut branch, nonce, &format!("drafted {number}"));
        let draft = draft_item(&world, head, nonce, drafted, vec![change.clone()]);
        line.restore_more([change.as_slice()]).unwrap();
        let actor = role::actor_of_term(accepts);
        let id = role::draft_id(deck, mallory.id(), nonce);
        let accepted = line.accept_draft(&actor, AT, id, previous, drafted).unwrap();
        let change = accepted.change.unwrap();
        let (place, change) = ((accepts, number), (change.bytes, change.hash));
        let slice = slice(&world, place, previous, change.clone(), &mallory);
        previous = change.1;
        let items = vec![Item::Draft(draft), slice];
        world.sim.say(intruder, &Message::Entries { deck, items });
        if world.sim.is_thrown_out(intruder) {
            break;
        }
        sent = number;
    }
    assert!((200..=256).contains(&sent), "{sent}");
    let told = world.sim.take_events(laptop);
    let is_named = |event: &Event| matches!(event, Event::Refused { why, .. } if why.contains("more drafts that are not part of the deck"));
    assert!(told.iter().any(is_named), "{told:#?}");
    let is_offered = |event: &&Event| matches!(event, Event::DraftProposed { .. });
    assert_eq!(told.iter().find(is_offered), None);
    world.assert_unharmed();
}

/// An editor declined a draft. Anybody can write declines into a claim of its own, and they pushed that one out: the draft
/// was proposed again.
#[test]
fn declines_beside_the_path_do_not_push_out_the_editors() {
    let mut world = World::new(196, Some(Rights::Draft));
    let (document, _) = world.document();
    let (laptop, deck, mallory) = (world.laptop, world.deck, world.mallory.clone());
    let (base, nonce) = (document.heads()[0], [7; 16]);
    let (change, drafted) = drafted(&world, &document, nonce, "mine");
    let draft = draft_item(&world, base, nonce, drafted, vec![change]);
    let intruder = world.intrude();
    world.sim.say(intruder, &Message::Propose { deck, draft });
    world.sim.run_for(SOON);
    let id = role::draft_id(deck, mallory.id(), nonce);
    act(&mut world.sim, laptop, |core, now| {
        core.decline_draft(now, deck, id, "no").unwrap()
    });
    world.sim.run_for(SOON);
    let state = |world: &World, id: DraftId| {
        let drafts = world.sim.drafts(laptop, deck).into_iter();
        drafts
            .filter(|info| info.draft == id)
            .map(|info| info.state)
            .next()
    };
    assert!(matches!(state(&world, id), Some(DraftState::Declined { .. })));
    let (document, Position { term, len, head }) = world.document();
    let (beside, item) = claim(&world, term, Cut { len, head }, &mallory, 1);
    let intruder = world.intrude();
    world.entries(intruder, vec![item]);
    let mut line = document.fork_at(head).unwrap();
    for number in 1..=20 {
        let previous = line.heads()[0];
        let actor = role::actor_of_term(beside);
        let declined = line.decline_draft(&actor, AT, id, 1, &format!("{number}"), previous);
        let change = declined.unwrap().change.unwrap();
        let change = (change.bytes, change.hash);
        let slice = slice(&world, (beside, number), previous, change, &mallory);
        world.entries(intruder, vec![slice]);
    }
    assert_eq!(world.refusals(), Vec::<String>::new());
    assert!(matches!(state(&world, id), Some(DraftState::Declined { .. })));
    world.sim.crash(laptop);
    world.sim.restart(laptop).unwrap();
    assert!(matches!(state(&world, id), Some(DraftState::Declined { .. })));
}

/// Two changes for one place whose hashes begin alike: the same change at another time, as often as it takes.
fn alike(document: &Document, term: TermId) -> [(Vec<u8>, ChangeHash); 2] {
    let change = |front: &str| {
        let mut branch = document.fork_at(document.heads()[0]).unwrap();
        let actor = role::actor_of_term(term);
        let mut random = || [9; 10];
        let committed = branch
            .commit(&actor, AT, &mut random, |edit| edit.add_card(front, "?"))
            .unwrap();
        committed.change.unwrap().bytes
    };
    let seconds = leb128(AT / 1000);
    let mut seen: [HashMap<[u8; 4], Vec<u8>>; 2] = [HashMap::new(), HashMap::new()];
    let fronts = [change("one"), change("other")];
    let places = [0, 1].map(|of: usize| {
        let at = fronts[of]
            .windows(seconds.len())
            .position(|window| window == seconds);
        at.expect("the time is in the change")
    });
    for back in 0..1_000_000_u64 {
        for of in 0..2 {
            let mut bytes = fronts[of].clone();
            let time = leb128(AT / 1000 - back);
            bytes[places[of]..places[of] + time.len()].copy_from_slice(&time);
            let hash: [u8; 32] = Sha256::digest(&bytes[8..]).into();
            let first = [hash[0], hash[1], hash[2], hash[3]];
            bytes[4..8].copy_from_slice(&first);
            if let Some(other) = seen[1 - of].get(&first) {
                let with_hash = |bytes: &[u8]| {
                    let change = Change::try_from(bytes).unwrap();
                    (bytes.to_vec(), change.hash())
                };
                return [with_hash(&bytes), with_hash(other)];
            }
            seen[of].insert(first, bytes);
        }
    }
    panic!("no two of two million hashes begin alike");
}

/// Signed, as Automerge writes a time; all of those here have five bytes.
fn leb128(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = u8::try_from(number & 0x7f).unwrap();
        number >>= 7;
        if number == 0 && byte & 0x40 == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

/// Hashes that begin alike were taken for one change: two honest devices held two lines, believed that they held the same, and
/// threw each other out.
#[test]
fn two_lines_whose_hashes_begin_alike_are_proved_to_everybody() {
    let mut world = World::new(197, Some(Rights::Hold));
    let phone = phone(&mut world);
    let (laptop, deck, mallory, key) = (world.laptop, world.deck, world.mallory.clone(), world.deck_key);
    let term = act(&mut world.sim, laptop, |core, now| {
        core.hand_over(now, deck, mallory.id()).unwrap().value
    });
    world.sim.run_for(SOON);
    let (document, _) = world.document();
    world.sim.cut(laptop, phone);
    world.sim.run_for(SOON);
    let two = alike(&document, term);
    assert_eq!(two[0].1.0[..4], two[1].1.0[..4]);
    for (peer, (bytes, head)) in [laptop, phone].into_iter().zip(&two) {
        let head = *head;
        let change = (bytes.clone(), head);
        let items = vec![slice(&world, (term, 1), document.heads()[0], change, &mallory)];
        let intruder = world.sim.intrude_with_key(peer, mallory.id(), deck, &key);
        world.sim.say(intruder, &Message::Entries { deck, items });
        world.sim.run_for(SOON);
        assert_eq!(
            world.sim.head(peer, deck),
            Some(head),
            "each believes what it was shown"
        );
        world.sim.take_events(peer);
    }
    world.sim.mend(laptop, phone);
    world.sim.run_for(SOON * 3);
    let device = mallory.id();
    for peer in [laptop, phone] {
        let told = world.sim.take_events(peer);
        assert!(
            told.contains(&Event::TwoSeals { deck, term, device }),
            "{told:#?}"
        );
        let is_blamed = |event: &&Event| matches!(event, Event::Refused { .. } | Event::Diverged { .. });
        assert_eq!(told.iter().find(is_blamed), None);
    }
    assert_eq!(world.sim.holdings(laptop, deck), world.sim.holdings(phone, deck));
}
