//! An editor that cheats: it seals two lines of one term, or floods the deck with records.

use cuecard::id::{ChangeHash, TermId};
use cuecard::limits::TERMS_ASIDE_PER_MEMBER_MAX;
use cuecard::role::{self, Cause, Cut, Term};
use cuecard::sync::message::Item;
use cuecard::transport::memory::Conditions;
use cuecard::{Event, Rights, Role};

use super::authority::slice_of;
use super::world::*;

/// A slice of one change in mallory's term, and its seal.
pub(super) fn line(
    world: &World,
    document: &cuecard::document::Document,
    term: TermId,
    front: &str,
) -> (Item, ChangeHash) {
    let start = document.heads()[0];
    let mut branch = document.fork_at(start).unwrap();
    let bits = blake3::hash(front.as_bytes());
    let mut random = || bits.as_bytes()[..10].try_into().unwrap();
    let committed = branch
        .commit(
            &role::actor_of_term(term),
            1_750_000_000_000,
            &mut random,
            |edit| edit.add_card(front, "?"),
        )
        .unwrap();
    let head = committed.change.as_ref().unwrap().hash;
    (slice_of(world, (term, 1), committed, start, &world.mallory), head)
}

/// Numbers alone made two devices believe that they held the same. The term counts up to where the lines part, nobody is
/// editor, and the proof is kept, passed on, and there after a restart.
#[test]
fn two_seals_of_one_term_are_proved_to_everybody() {
    let mut world = World::new(60, Some(Rights::Hold));
    let (laptop, deck, key) = (world.laptop, world.deck, world.deck_key);
    let mallory = world.mallory.id();
    let term = act(&mut world.sim, laptop, |core, now| {
        core.hand_over(now, deck, mallory).unwrap().value
    });
    world.sim.run_for(SOON);
    let (document, _) = world.document();
    let before = world.sim.head(laptop, deck);
    let phone = world.sim.device("phone");
    act(&mut world.sim, phone, |core, now| core.join_deck(now, deck, key));
    world.sim.connect(laptop, phone, Conditions::PERFECT);
    world.sim.run_for(SOON);
    world.sim.cut(laptop, phone);
    world.sim.run_for(SOON);
    // One line for each of two devices that do not see each other.
    let (one, first) = line(&world, &document, term, "one");
    let (other, second) = line(&world, &document, term, "other");
    let intruder = world.intrude();
    world.entries(intruder, vec![one]);
    let at_phone = world.sim.intrude_with_key(phone, mallory, deck, &key);
    let items = vec![other];
    world.sim.say(
        at_phone,
        &cuecard::sync::message::Message::Entries { deck, items },
    );
    world.sim.run_for(SOON);
    assert_eq!(
        [world.sim.head(laptop, deck), world.sim.head(phone, deck)],
        [Some(first), Some(second)],
        "each believes the line that it was shown"
    );
    world.sim.take_events(laptop);
    world.sim.take_events(phone);
    world.sim.mend(laptop, phone);
    world.sim.run_for(SOON * 3);
    for peer in [laptop, phone] {
        let told = world.sim.take_events(peer);
        let is_told = |event: &Event| {
            *event
                == Event::TwoSeals {
                    deck,
                    term,
                    device: mallory,
                }
        };
        assert!(told.iter().any(is_told), "{peer:?}: {told:#?}");
        assert_eq!(
            world.sim.head(peer, deck),
            before,
            "it counts up to where they part"
        );
        assert!(matches!(world.sim.role(peer, deck), Some(Role::Vacant { .. })));
        assert_eq!(
            world.sim.late_work_left(peer, deck).len(),
            2,
            "both lines are kept"
        );
        let proofs = act(&mut world.sim, peer, |core, _| core.proofs(deck).unwrap());
        assert_eq!(proofs.len(), 1);
        assert_eq!(
            (proofs[0].a.signed_by(), proofs[0].b.signed_by()),
            (mallory, mallory)
        );
    }
    assert_eq!(world.sim.holdings(laptop, deck), world.sim.holdings(phone, deck));
    world.sim.crash(phone);
    world.sim.restart(phone).expect("it opens again");
    let proofs = act(&mut world.sim, phone, |core, _| core.proofs(deck).unwrap());
    assert_eq!(proofs.len(), 1, "the proof is on disk");
    assert_eq!(
        world.sim.late_work_left(phone, deck).len(),
        2,
        "and both lines are"
    );
    // Whoever may hold the role ends it: the deck goes on, and all come to the same.
    act(&mut world.sim, laptop, |core, now| core.claim(now, deck).unwrap());
    assert!(matches!(world.sim.role(laptop, deck), Some(Role::Editor { .. })));
    let fronts = cards_after_an_edit(&mut world, phone);
    assert!(fronts.contains(&"later".to_owned()), "{fronts:?}");
}

/// Edits on the laptop; the phone follows. Returns what both hold.
fn cards_after_an_edit(world: &mut World, phone: cuecard::sim::Peer) -> Vec<String> {
    let (laptop, deck) = (world.laptop, world.deck);
    act(&mut world.sim, laptop, |core, now| {
        core.edit(now, deck, |edit| edit.add_card("later", "?")).unwrap()
    });
    let same = world.sim.run_until("the phone follows", SOON * 3, |sim| {
        sim.head(phone, deck) == sim.head(laptop, deck)
            && sim.holdings(phone, deck) == sim.holdings(laptop, deck)
    });
    same.unwrap();
    let cards = world.sim.cards(laptop, deck);
    assert_eq!(world.sim.cards(phone, deck), cards);
    cards.into_iter().map(|card| card.front).collect()
}

/// A former holder can sign handovers of its old term for ever; each counts against the deck's limit for good.
#[test]
fn a_flood_of_handovers_is_refused_by_name() {
    let mut world = World::new(61, Some(Rights::Hold));
    let (laptop, deck) = (world.laptop, world.deck);
    let mallory = world.mallory.id();
    let parent = act(&mut world.sim, laptop, |core, now| {
        core.hand_over(now, deck, mallory).unwrap().value
    });
    world.sim.run_for(SOON);
    let (document, _) = world.document();
    let start = document.heads()[0];
    world.refusals();
    let intruder = world.intrude();
    for message in 0..6_u8 {
        let mut items = Vec::new();
        for number in 0..100_u8 {
            let term = Term {
                deck,
                parent,
                cause: Cause::Handover,
                cut: Cut { len: 0, head: start },
                holder: Some(mallory),
                nonce: [[message, number]; 8].concat().try_into().unwrap(),
                signer: mallory,
            };
            items.push(Item::Term(term.sign(&world.mallory).unwrap().encode().into()));
        }
        world.entries(intruder, items);
    }
    world.assert_thrown_out(intruder, "more terms that are not part of the deck");
    let kept = world.sim.holdings(laptop, deck).len();
    let most = TERMS_ASIDE_PER_MEMBER_MAX;
    assert!((most..most + 8).contains(&kept), "{kept} records are kept");
    // The owner takes the role back, from all of them at once.
    act(&mut world.sim, laptop, |core, now| {
        core.take_over(now, deck).unwrap()
    });
    world.sim.run_for(SOON);
    assert_eq!(world.refusals(), Vec::<String>::new());
    assert_eq!(world.sim.cards(laptop, deck), world.before.1);
    world.before.0 = world.sim.head(laptop, deck);
    world.assert_unharmed();
}
