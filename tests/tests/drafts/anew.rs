//! Drafts that cannot be merged as they lie are written anew: nothing that an author wrote is lost.

use cuecard::core::DraftError;
use cuecard::sim::Peer;
use cuecard::{DraftId, DraftState, Event, Rights};

use super::world::World;

/// A draft of the phone's in two versions: as the laptop has it, and another as the phone wrote it after its disk was
/// restored from a backup. Both have one change in common.
fn two_texts(seed: u64, accepted: bool) -> (World, Peer, DraftId) {
    let mut world = World::new(seed);
    let laptop = world.laptop;
    let phone = world.device("phone", Some(Rights::Draft));
    world.connect(laptop, phone);
    let draft = world.open(phone, "common");
    world.saved(phone);
    let backup = world.sim.backup(phone).unwrap();
    world.write(phone, draft, "before the backup was restored");
    world.propose(phone, draft);
    world.run();
    if accepted {
        world.cut(laptop, phone);
        world.accept(laptop, draft);
        world.run();
    } else {
        world.cut(laptop, phone);
    }
    world.sim.restore_backup(phone, &backup).unwrap();
    assert_eq!(world.info(phone, draft).unwrap().len, 1);
    world.write(phone, draft, "after the backup was restored");
    world.propose(phone, draft);
    world.run();
    world.sim.take_events(phone);
    world.mend(laptop, phone);
    (world, phone, draft)
}

/// The new draft that the other text is in.
fn written_anew(world: &mut World, phone: Peer, of: DraftId) -> DraftId {
    let events = world.sim.take_events(phone);
    let anew = events.iter().find_map(|event| match event {
        Event::DraftWrittenAnew { draft, anew, .. } if *draft == of => Some(*anew),
        _ => None,
    });
    let anew = anew.unwrap_or_else(|| panic!("{events:#?}"));
    let info = world.info(phone, anew).expect("it is here");
    assert_eq!(
        (info.state, info.len, info.note.as_str()),
        (DraftState::Open, 1, "common")
    );
    anew
}

#[test]
fn a_restored_backup_that_wrote_on_in_a_proposed_draft_keeps_both_texts() {
    let (mut world, phone, draft) = two_texts(1, false);
    let laptop = world.laptop;
    let anew = written_anew(&mut world, phone, draft);
    world.restart(phone);
    world.run();
    assert_eq!(
        world.info(phone, draft).unwrap().proposed,
        2,
        "the first text is back"
    );
    world.propose(phone, anew);
    world.run();
    world.accept(laptop, draft);
    world.accept(laptop, anew);
    world.run();
    for front in [
        "common",
        "before the backup was restored",
        "after the backup was restored",
    ] {
        assert_eq!(world.has(phone, front), 1, "{front}");
    }
    world.assert_one_deck(&[laptop, phone]);
}

#[test]
fn a_restored_backup_that_wrote_on_in_an_accepted_draft_keeps_both_texts() {
    let (mut world, phone, draft) = two_texts(2, true);
    let laptop = world.laptop;
    let anew = written_anew(&mut world, phone, draft);
    assert_eq!(world.state(phone, draft), Some(DraftState::Accepted));
    world.restart(phone);
    world.run();
    world.propose(phone, anew);
    world.run();
    world.accept(laptop, anew);
    world.run();
    for front in [
        "common",
        "before the backup was restored",
        "after the backup was restored",
    ] {
        assert_eq!(world.has(phone, front), 1, "{front}");
    }
    world.assert_one_deck(&[laptop, phone]);
}

/// A device whose disk was restored learns its own proposals back from others, and goes on where it was.
#[test]
fn a_restored_backup_gets_its_own_drafts_back_and_goes_on_with_them() {
    let mut world = World::new(3);
    let laptop = world.laptop;
    let phone = world.device("phone", Some(Rights::Draft));
    world.connect(laptop, phone);
    let longer = world.open(phone, "one");
    world.saved(phone);
    let backup = world.sim.backup(phone).unwrap();
    world.write(phone, longer, "two");
    world.propose(phone, longer);
    let unknown = world.proposed(phone, "three");
    world.run();
    world.sim.restore_backup(phone, &backup).unwrap();
    world.run();
    assert_eq!(world.info(phone, longer).unwrap().proposed, 2);
    assert_eq!(world.info(phone, unknown).unwrap().proposed, 1);
    for draft in [longer, unknown] {
        world.write(phone, draft, "and more");
        world.propose(phone, draft);
        world.run();
        world.accept(laptop, draft);
    }
    world.run();
    assert_eq!((world.has(phone, "two"), world.has(phone, "and more")), (1, 2));
    world.assert_one_deck(&[laptop, phone]);
}

/// All that a draft can do comes back when it is written anew on a deck that has moved on.
#[test]
fn what_a_draft_did_is_done_again_on_the_deck_as_it_is_now() {
    let mut world = World::new(4);
    let (laptop, deck) = (world.laptop, world.deck);
    let phone = world.device("phone", Some(Rights::Draft));
    world.connect(laptop, phone);
    let ids: Vec<_> = world
        .sim
        .cards(laptop, deck)
        .into_iter()
        .map(|card| card.id)
        .collect();
    let draft = world.open(phone, "cuatro");
    world.act(phone, |core, now| {
        let edited = core.edit_draft(now, deck, draft, |edit| {
            edit.rename_deck("Castellano")?;
            edit.set_deck_field("level", Some(cuecard::card::FieldValue::Int(2)))?;
            edit.delete_card(&ids[0])?;
            edit.set_text(&ids[1], cuecard::card::TextField::Back, "two")?;
            edit.set_text(&ids[1], "hint".parse().unwrap(), "a pair")?;
            edit.tag(&ids[1], "number")?;
            edit.set_field(&ids[1], "seen", Some(cuecard::card::FieldValue::Bool(true)))?;
            edit.move_card(&ids[2], None)?;
            let between = edit.add_card_after(Some(&ids[2]), "between", "?")?;
            edit.tag(&between, "new")
        });
        edited.unwrap()
    });
    world.propose(phone, draft);
    world.edit(laptop, "meanwhile");
    world.run();
    let wanted = world.act(laptop, |core, _| core.preview_draft(deck, draft).unwrap());

    let anew = world.act(phone, |core, now| {
        core.write_draft_anew(now, deck, draft).unwrap().value
    });
    assert_eq!(world.state(phone, draft), Some(DraftState::Withdrawn));
    world.propose(phone, anew);
    world.run();
    let got = world.act(laptop, |core, _| core.preview_draft(deck, anew).unwrap());
    assert_eq!(got.deck, wanted.deck);
    assert_eq!(got.cards.len(), wanted.cards.len(), "{got:#?}");
    world.accept(laptop, anew);
    world.run();
    let mut fronts = world.fronts(phone);
    fronts[3..].sort();
    assert_eq!(fronts, ["tres", "between", "dos", "cuatro", "meanwhile"]);
    let dos = world
        .sim
        .cards(phone, deck)
        .into_iter()
        .find(|card| card.id == ids[1])
        .unwrap();
    assert_eq!(
        (dos.back.as_str(), dos.tags.len(), dos.fields.len()),
        ("two", 1, 1)
    );
    assert_eq!(dos.texts["hint"], "a pair");
    assert_eq!(
        world
            .act(phone, |core, _| core.preview_draft(deck, draft).unwrap())
            .deck,
        None
    );
    world.assert_one_deck(&[laptop, phone]);
    let refused = world.act(phone, |core, now| core.write_draft_anew(now, deck, anew));
    assert!(matches!(refused, Err(DraftError::Accepted(_))), "{refused:?}");
}
