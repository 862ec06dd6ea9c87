//! Floods of terms that no rule counts today, and that might count one day.

use cuecard::limits::TERMS_ASIDE_PER_MEMBER_MAX;
use cuecard::role::{Cause, Cut, Term};
use cuecard::sim::Peer;
use cuecard::sync::message::{Item, Message, Position};
use cuecard::transport::DeviceKey;
use cuecard::{ChangeHash, DeckId, Event, Rights, Role, RoleError, TermId};

use super::authority::{assert_unharmed, charter_of, items, phone};
use super::world::*;

fn claim(deck: DeckId, (parent, cut): (TermId, Cut), key: &DeviceKey, number: u16) -> Item {
    let mut nonce = [0; 16];
    nonce[..2].copy_from_slice(&number.to_le_bytes());
    let term = Term {
        deck,
        parent,
        cause: Cause::Claim,
        cut,
        holder: Some(key.id()),
        nonce,
        signer: key.id(),
    };
    Item::Term(term.sign(key).unwrap().encode().into())
}

/// A claim would count as soon as what it was cut at arrives: any number of them can be cut at what does not exist.
#[test]
fn a_flood_of_claims_that_are_cut_at_nothing_is_refused_by_name() {
    let mut world = World::new(181, Some(Rights::Hold));
    let (_, Position { term, len, .. }) = world.document();
    let (laptop, deck, mallory) = (world.laptop, world.deck, world.mallory.clone());
    let cut = Cut {
        len: len + 1,
        head: ChangeHash([0xab; 32]),
    };
    let intruder = world.intrude();
    let most = u16::try_from(TERMS_ASIDE_PER_MEMBER_MAX).unwrap();
    let claims: Vec<Item> = (0..=most)
        .map(|number| claim(deck, (term, cut), &mallory, number))
        .collect();
    world.entries(intruder, claims);
    world.assert_thrown_out(intruder, "more terms that are not part of the deck");
    let kept = world.sim.holdings(laptop, deck).len();
    assert!(kept <= TERMS_ASIDE_PER_MEMBER_MAX + 8, "{kept}");
    world.assert_unharmed();
}

/// Who is no member makes keys for the purpose: all of them together have one quota.
#[test]
fn claims_by_ever_new_devices_share_one_quota() {
    let mut world = World::new(183, None);
    let (document, Position { term, len, .. }) = world.document();
    let (laptop, deck) = (world.laptop, world.deck);
    let cut = Cut {
        len,
        head: document.heads()[0],
    };
    let intruder = world.intrude();
    let most = u16::try_from(TERMS_ASIDE_PER_MEMBER_MAX).unwrap();
    let claims = (0..=most).map(|number| {
        let key = DeviceKey::from_bytes(blake3::hash(&number.to_le_bytes()).as_bytes());
        claim(deck, (term, cut), &key, number)
    });
    let claims: Vec<Item> = claims.collect();
    world.entries(intruder, claims);
    world.assert_thrown_out(intruder, "more terms that are not part of the deck");
    let kept = world.sim.holdings(laptop, deck).len();
    assert!(kept <= TERMS_ASIDE_PER_MEMBER_MAX + 8, "{kept}");
    world.assert_unharmed();
}

/// The owner settles, in another run, what the phone has not heard of.
fn settle_apart(world: &mut World, phone: Peer) {
    let (laptop, deck) = (world.laptop, world.deck);
    world.sim.cut(laptop, phone);
    world.sim.crash(laptop);
    world.sim.restart(laptop).unwrap();
    act(&mut world.sim, laptop, |core, now| {
        core.edit(now, deck, |edit| edit.add_card("cuatro", "?")).unwrap()
    });
    world.sim.run_for(SOON);
    act(&mut world.sim, laptop, |core, now| {
        core.settle(now, deck).unwrap()
    });
    world.sim.run_for(SOON);
}

/// While the term that the newest charter settles is missing, nothing tells the terms that lead there from made-up ones but
/// that it names the one before it, and that one the one before. A member that may only read brings the owner's word to the
/// phone, keeps back what it settles, and fills the deck.
#[test]
fn terms_made_up_while_what_is_settled_is_missing_end_at_the_quota_and_the_way_there_cannot_be_made_up() {
    let mut world = World::new(185, Some(Rights::Read));
    let phone = phone(&mut world);
    let (laptop, deck, key) = (world.laptop, world.deck, world.deck_key);
    settle_apart(&mut world, phone);
    let settled = world.document().1.term;
    let theirs = items(&mut world, laptop, deck);
    let cut = Cut {
        len: 3,
        head: world.before.0.expect("a head"),
    };
    let zero = TermId::zero_of(deck);
    let intruder = world.sim.intrude_with_key(phone, world.mallory.id(), deck, &key);
    world.sim.heard(intruder);
    let newest = charter_of(&theirs).into();
    let mut messages = vec![vec![Item::Charter(newest)]];
    for number in 0..3 * TERMS_ASIDE_PER_MEMBER_MAX as u16 {
        let key = DeviceKey::from_bytes(blake3::hash(&number.to_le_bytes()).as_bytes());
        messages.push(vec![claim(deck, (zero, cut), &key, number)]);
    }
    for items in messages {
        world.sim.say(intruder, &Message::Entries { deck, items });
    }
    world.sim.run_for(SOON);
    let role = world.sim.role(phone, deck);
    assert!(
        matches!(role, Some(Role::Vacant { .. })),
        "what is settled is missing: {role:?}"
    );
    let kept = world.sim.holdings(phone, deck).len();
    assert!(
        (TERMS_ASIDE_PER_MEMBER_MAX..=TERMS_ASIDE_PER_MEMBER_MAX + 8).contains(&kept),
        "{kept}"
    );
    let asked: Vec<TermId> = (world.sim.heard(intruder).into_iter())
        .filter_map(|message| match message {
            Message::Whence { term, .. } => Some(term),
            _ => None,
        })
        .collect();
    assert_eq!(asked, [settled], "it asks, once, which terms lead there");
    let Item::Term(made_up) = claim(deck, (zero, cut), &world.mallory, 0) else {
        panic!("a term");
    };
    let lineage = Message::Lineage {
        deck,
        term: settled,
        terms: vec![made_up],
    };
    world.sim.say(intruder, &lineage);
    world.sim.run_for(SOON);
    assert!(world.sim.is_thrown_out(intruder));
    let told = world.sim.take_events(phone);
    let is_named = |event: &Event| matches!(event, Event::Refused { why, .. } if why.contains("not the terms that lead to"));
    assert!(told.iter().any(is_named), "{told:#?}");
    world.sim.mend(laptop, phone);
    world.before = (world.sim.head(laptop, deck), world.sim.cards(laptop, deck));
    world.sim.run_for(SOON);
    world.sim.take_events(laptop);
    assert_unharmed(&mut world, phone);
}

/// Who may hold the role does not take it on less than what the owner settled.
#[test]
fn nothing_is_claimed_while_what_is_settled_is_missing() {
    let mut world = World::new(186, Some(Rights::Hold));
    let phone = phone(&mut world);
    let (laptop, deck, key) = (world.laptop, world.deck, world.deck_key);
    world.let_hold([world.mallory.id(), world.sim.id(phone)]);
    settle_apart(&mut world, phone);
    let theirs = items(&mut world, laptop, deck);
    let intruder = world.sim.intrude_with_key(phone, world.mallory.id(), deck, &key);
    let items = vec![Item::Charter(charter_of(&theirs).into())];
    world.sim.say(intruder, &Message::Entries { deck, items });
    world.sim.run_for(SOON);
    let before = world.sim.holdings(phone, deck);
    let claimed = act(&mut world.sim, phone, |core, now| core.claim(now, deck).map(drop));
    assert!(matches!(claimed, Err(RoleError::NotCaughtUp)), "{claimed:?}");
    assert_eq!(world.sim.holdings(phone, deck), before, "nothing was signed");
    world.sim.leave(intruder);
    world.sim.mend(laptop, phone);
    world.sim.run_for(SOON);
    let claimed = act(&mut world.sim, phone, |core, now| core.claim(now, deck).map(drop));
    assert!(claimed.is_ok(), "{claimed:?}");
}
