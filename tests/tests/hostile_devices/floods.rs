//! Floods of terms that no rule counts today, and that might count one day.

use cuecard::limits::TERMS_ASIDE_PER_MEMBER_MAX;
use cuecard::role::{Cause, Cut, Term};
use cuecard::sync::message::{Item, Position};
use cuecard::transport::DeviceKey;
use cuecard::{ChangeHash, DeckId, Rights, TermId};

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
    assert!(world.sim.is_thrown_out(intruder));
    let why = world.refusals();
    assert!(
        why.len() == 1 && why[0].contains("more terms that are not part of the deck"),
        "{why:?}"
    );
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
    assert!(world.sim.is_thrown_out(intruder));
    let why = world.refusals();
    assert!(
        why.len() == 1 && why[0].contains("more terms that are not part of the deck"),
        "{why:?}"
    );
    let kept = world.sim.holdings(laptop, deck).len();
    assert!(kept <= TERMS_ASIDE_PER_MEMBER_MAX + 8, "{kept}");
    world.assert_unharmed();
}
