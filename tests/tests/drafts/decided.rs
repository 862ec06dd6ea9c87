//! What becomes of a draft: accepted, declined, withdrawn, and where two of these race.

use cuecard::core::DraftError;
use cuecard::{DraftState, Rights};

use super::world::World;

/// A viewer writes two drafts on a train. Back on line both are proposed; one is accepted, one declined.
#[test]
fn offline_drafts_are_proposed_on_reconnect_and_one_is_accepted_and_one_declined() {
    let mut world = World::new(1);
    let laptop = world.laptop;
    let phone = world.device("phone", Some(Rights::Draft));
    world.connect(laptop, phone);
    world.cut(laptop, phone);

    let (wanted, unwanted) = (world.proposed(phone, "cuatro"), world.proposed(phone, "vier"));
    world.edit(laptop, "meanwhile");
    world.run();
    assert_eq!(
        world.state(phone, wanted),
        Some(DraftState::Proposed),
        "nobody has it yet"
    );
    assert_eq!(world.state(laptop, wanted), None);

    world.mend(laptop, phone);
    assert_eq!(world.state(phone, wanted), world.delivered(&[laptop]));
    assert_eq!(world.state(laptop, wanted), Some(DraftState::Proposed));
    assert_eq!(world.told(phone, wanted), ["proposed", "delivered"]);
    assert_eq!(world.has(laptop, "cuatro"), 0, "a draft is no part of the deck");

    world.accept(laptop, wanted);
    world.decline(laptop, unwanted, "that is German");
    world.run();
    for peer in [laptop, phone] {
        assert_eq!(world.state(peer, wanted), Some(DraftState::Accepted));
        assert_eq!(
            world.state(peer, unwanted),
            world.declined(laptop, "that is German")
        );
        assert_eq!((world.has(peer, "cuatro"), world.has(peer, "vier")), (1, 0));
    }
    assert_eq!(world.told(phone, unwanted), ["declined"]);
    assert_eq!(world.told(laptop, wanted), ["proposed", "accepted"]);
    world.assert_one_deck(&[laptop, phone]);
}

/// A draft that was declined stays with its author, who writes on and proposes it again; and once more as it is.
#[test]
fn a_declined_draft_is_written_on_proposed_again_and_accepted() {
    let mut world = World::new(2);
    let laptop = world.laptop;
    let phone = world.device("phone", Some(Rights::Draft));
    world.connect(laptop, phone);
    let draft = world.proposed(phone, "cuatro");
    world.run();
    world.decline(laptop, draft, "one is not enough");
    world.run();
    world.propose(phone, draft);
    world.run();
    assert!(world.is_proposed(laptop, draft), "as it is, once more");
    world.decline(laptop, draft, "still not");
    world.run();
    assert_eq!(world.state(phone, draft), world.declined(laptop, "still not"));

    world.write(phone, draft, "cinco");
    assert_eq!(world.state(phone, draft), Some(DraftState::Open));
    world.propose(phone, draft);
    world.run();
    assert_eq!(world.info(laptop, draft).unwrap().proposed, 2);
    world.accept(laptop, draft);
    world.run();
    assert_eq!(world.state(phone, draft), Some(DraftState::Accepted));
    assert_eq!((world.has(phone, "cuatro"), world.has(phone, "cinco")), (1, 1));
    world.assert_one_deck(&[laptop, phone]);
}

/// An editor may think better of it.
#[test]
fn a_declined_draft_can_still_be_accepted() {
    let mut world = World::new(3);
    let laptop = world.laptop;
    let phone = world.device("phone", Some(Rights::Draft));
    world.connect(laptop, phone);
    let draft = world.proposed(phone, "cuatro");
    world.run();
    world.decline(laptop, draft, "no");
    world.accept(laptop, draft);
    world.run();
    assert_eq!(world.state(phone, draft), Some(DraftState::Accepted));
    world.assert_one_deck(&[laptop, phone]);
}

#[test]
fn an_accept_beats_a_withdrawal_that_races_it() {
    let mut world = World::new(4);
    let laptop = world.laptop;
    let phone = world.device("phone", Some(Rights::Draft));
    world.connect(laptop, phone);
    let draft = world.proposed(phone, "cuatro");
    world.run();
    world.cut(laptop, phone);
    world.accept(laptop, draft);
    world.withdraw(phone, draft);
    world.run();
    assert_eq!(
        world.state(phone, draft),
        Some(DraftState::Withdrawn),
        "as far as it knows"
    );
    world.mend(laptop, phone);
    for peer in [laptop, phone] {
        assert_eq!(world.state(peer, draft), Some(DraftState::Accepted), "{peer:?}");
        assert_eq!(world.has(peer, "cuatro"), 1);
    }
    let again = world
        .sim
        .act(phone, |core, now| core.withdraw_draft(now, world.deck, draft));
    assert!(matches!(again, Some(Err(DraftError::Accepted(_)))), "{again:?}");
    world.assert_one_deck(&[laptop, phone]);
}

#[test]
fn what_was_withdrawn_before_the_editor_decided_is_not_accepted_until_it_is_proposed_again() {
    let mut world = World::new(5);
    let laptop = world.laptop;
    let phone = world.device("phone", Some(Rights::Draft));
    world.connect(laptop, phone);
    let draft = world.proposed(phone, "cuatro");
    world.run();
    world.withdraw(phone, draft);
    world.run();
    assert_eq!(world.state(laptop, draft), Some(DraftState::Withdrawn));
    assert_eq!(world.told(laptop, draft), ["proposed", "withdrawn"]);
    let deck = world.deck;
    let refused = world.act(laptop, |core, now| core.accept_draft(now, deck, draft));
    assert!(matches!(refused, Err(DraftError::Withdrawn(_))), "{refused:?}");
    let refused = world.act(laptop, |core, now| core.decline_draft(now, deck, draft, "no"));
    assert!(matches!(refused, Err(DraftError::NotReady(_))), "{refused:?}");

    world.propose(phone, draft);
    world.run();
    assert!(world.is_proposed(laptop, draft));
    world.accept(laptop, draft);
    world.run();
    assert_eq!(world.state(phone, draft), Some(DraftState::Accepted));
    world.assert_one_deck(&[laptop, phone]);
}

/// The author adds to a draft while the editor, out of reach, accepts it as it was. Nothing of it is lost, and a device
/// that comes later can check both parts.
#[test]
fn what_was_added_while_the_shorter_draft_was_accepted_is_accepted_as_the_rest_of_it() {
    let mut world = World::new(6);
    let laptop = world.laptop;
    let phone = world.device("phone", Some(Rights::Draft));
    world.connect(laptop, phone);
    let draft = world.proposed(phone, "cuatro");
    world.run();
    world.cut(laptop, phone);
    world.accept(laptop, draft);
    world.edit(laptop, "after it");
    world.write(phone, draft, "cinco");
    world.propose(phone, draft);
    world.write(phone, draft, "seis");
    world.run();
    world.mend(laptop, phone);
    let info = world.info(phone, draft).unwrap();
    assert_eq!((info.len, info.proposed), (3, 2));
    assert_eq!(info.state, world.delivered(&[laptop]).unwrap());
    assert_eq!(world.fronts(laptop), world.fronts(phone));
    assert_eq!(world.has(phone, "cinco"), 0, "only what was accepted");

    world.accept(laptop, draft);
    world.run();
    assert_eq!((world.has(phone, "cuatro"), world.has(phone, "cinco")), (1, 1));
    assert_eq!(world.state(laptop, draft), Some(DraftState::Accepted));
    assert_eq!(
        world.state(phone, draft),
        Some(DraftState::Open),
        "there is a third change"
    );
    // And once more, after both were off.
    world.restart(phone);
    world.restart(laptop);
    world.run();
    world.propose(phone, draft);
    world.run();
    world.accept(laptop, draft);
    world.run();
    assert_eq!(world.state(phone, draft), Some(DraftState::Accepted));
    let newcomer = world.device("newcomer", None);
    world.connect(phone, newcomer);
    assert_eq!(world.has(newcomer, "seis"), 1);
    assert_eq!(world.state(newcomer, draft), Some(DraftState::Accepted));
    world.assert_one_deck(&[laptop, phone, newcomer]);
}

/// The role changes hands while a draft waits, and the author is not there: the new editor has it and accepts it.
#[test]
fn a_draft_that_waits_while_the_role_changes_hands_is_accepted_by_the_new_editor() {
    let mut world = World::new(7);
    let laptop = world.laptop;
    let tablet = world.device("tablet", Some(Rights::Hold));
    let phone = world.device("phone", Some(Rights::Draft));
    world.connect(laptop, tablet);
    world.connect(laptop, phone);
    let draft = world.proposed(phone, "cuatro");
    world.run();
    world.cut(laptop, phone);
    world.hand_over(laptop, tablet);
    world.run();
    assert!(world.is_proposed(tablet, draft), "it was passed on");
    world.accept(tablet, draft);
    world.run();
    world.mend(laptop, phone);
    assert_eq!(world.state(phone, draft), Some(DraftState::Accepted));
    world.assert_one_deck(&[laptop, tablet, phone]);
}

#[test]
fn a_device_that_becomes_the_editor_accepts_its_own_drafts_proposed_or_not() {
    let mut world = World::new(8);
    let laptop = world.laptop;
    let phone = world.device("phone", Some(Rights::Hold));
    world.connect(laptop, phone);
    let (proposed, open) = (world.proposed(phone, "cuatro"), world.open(phone, "cinco"));
    let deck = world.deck;
    let refused = world.act(phone, |core, now| core.accept_draft(now, deck, proposed));
    assert!(
        matches!(refused, Err(DraftError::Edit(_))),
        "not the editor yet: {refused:?}"
    );
    assert_eq!(world.state(phone, open), Some(DraftState::Open));
    world.hand_over(laptop, phone);
    world.run();
    world.accept(phone, proposed);
    world.accept(phone, open);
    world.run();
    assert_eq!((world.has(laptop, "cuatro"), world.has(laptop, "cinco")), (1, 1));
    world.assert_one_deck(&[laptop, phone]);
}

#[test]
fn only_what_is_over_can_be_discarded_and_then_it_is_gone_for_good() {
    let mut world = World::new(9);
    let laptop = world.laptop;
    let phone = world.device("phone", Some(Rights::Draft));
    world.connect(laptop, phone);
    let (never, waiting) = (world.open(phone, "never"), world.proposed(phone, "waiting"));
    world.run();
    let deck = world.deck;
    let discard =
        |world: &mut World, draft| world.act(phone, |core, now| core.discard_draft(now, deck, draft));
    assert!(discard(&mut world, never).is_ok());
    let refused = discard(&mut world, waiting);
    assert!(
        matches!(refused, Err(DraftError::StillProposed(_))),
        "{refused:?}"
    );
    world.withdraw(phone, waiting);
    assert!(discard(&mut world, waiting).is_ok());
    world.run();
    world.restart(phone);
    world.run();
    assert!(world.sim.drafts(phone, deck).is_empty());
    assert_eq!(world.state(laptop, waiting), Some(DraftState::Withdrawn));
    world.assert_one_deck(&[laptop, phone]);
}

/// A preview is a diff against the deck as it is now, not as it was when the draft was opened.
#[test]
fn a_preview_says_what_accepting_would_change_now() {
    let mut world = World::new(10);
    let laptop = world.laptop;
    let phone = world.device("phone", Some(Rights::Draft));
    world.connect(laptop, phone);
    let deck = world.deck;
    let uno = world.sim.cards(laptop, deck)[0].id.clone();
    let draft = world.open(phone, "cuatro");
    world.act(phone, |core, now| {
        let edited = core.edit_draft(now, deck, draft, |edit| {
            edit.rename_deck("Castellano")?;
            edit.delete_card(&uno)
        });
        edited.unwrap()
    });
    world.propose(phone, draft);
    world.edit(laptop, "meanwhile");
    world.run();
    let before = world.sim.cards(laptop, deck);
    let preview = world.act(laptop, |core, _| core.preview_draft(deck, draft).unwrap());
    let mut kinds: Vec<String> = preview
        .cards
        .iter()
        .map(|diff| match diff {
            cuecard::history::CardDiff::Added(card) => format!("+{}", card.front),
            cuecard::history::CardDiff::Removed(card) => format!("-{}", card.front),
            cuecard::history::CardDiff::Changed { after, .. } => format!("~{}", after.front),
        })
        .collect();
    kinds.sort();
    assert_eq!(
        kinds,
        ["+cuatro", "-uno"],
        "and not what was added to the deck meanwhile"
    );
    let titles = preview.deck.map(|(now, then)| (now.title, then.title));
    assert_eq!(titles, Some(("Spanish".to_owned(), "Castellano".to_owned())));
    assert_eq!(world.sim.cards(laptop, deck), before, "looking changes nothing");
    world.accept(laptop, draft);
    // Both stand at the end; which of them comes first is their ids' to say.
    let mut fronts = world.fronts(laptop);
    fronts[2..].sort();
    assert_eq!(fronts, ["dos", "tres", "cuatro", "meanwhile"]);
}
