//! A deck that is set aside, and one that is removed.

use cuecard::core::{Core, DeckError, EditError};
use cuecard::store::Store;
use cuecard::{DeckId, DraftError, Engine, Event, Reach, Rights};

use crate::told::IN_SYNC;
use crate::world::{SOON, World, world};

fn set_followed(world: &mut World, peer: cuecard::sim::Peer, followed: bool) {
    let deck = world.deck;
    let set = |core: &mut Core, now| core.set_followed(now, deck, followed).map(drop);
    world.sim.act(peer, set).unwrap().unwrap();
    world.sim.run_for(SOON);
}

#[test]
fn a_deck_that_is_set_aside_is_kept_and_comes_back() {
    let mut world = world(11);
    let (laptop, phone, deck) = (world.laptop, world.phone, world.deck);
    let first = world.add(laptop, "hola");
    world.sim.run_for(SOON);
    set_followed(&mut world, phone, false);
    let missed = world.add(laptop, "adiós");
    world.sim.run_for(SOON);
    // Here all of it can be read; nothing comes, and the other side knows that nobody listens.
    assert_eq!(world.sim.head(phone, deck), Some(first));
    assert!(world.sim.is_linked(laptop, phone));
    assert!(matches!(world.reach(laptop, phone), Reach::LastHeard { .. }));
    assert_eq!(world.stand(laptop, phone).unwrap().behind, 1);
    // A draft can be written, and a restart changes nothing.
    let draft = world.sim.act(phone, |core, now| {
        let draft = core.open_draft(now, deck, "meanwhile")?.value;
        core.edit_draft(now, deck, draft, |edit| edit.add_card("luego", "later").map(drop))?;
        core.propose_draft(now, deck, draft)?;
        Ok::<_, DraftError>(draft)
    });
    let draft = draft.unwrap().unwrap();
    world.sim.run_for(SOON);
    world.sim.crash(phone);
    world.sim.restart(phone).unwrap();
    world.sim.run_for(SOON);
    assert_eq!(world.sim.head(phone, deck), Some(first), "set aside still");
    assert!(world.sim.drafts(laptop, deck).is_empty());
    // Followed again, all that was missed comes, and what was done here goes.
    set_followed(&mut world, phone, true);
    assert_eq!(world.sim.head(phone, deck), Some(missed));
    assert_eq!(world.stand(laptop, phone), IN_SYNC);
    assert_eq!(world.sim.drafts(laptop, deck)[0].draft, draft);
    // Also when the side that sets it aside is the editor's.
    set_followed(&mut world, laptop, false);
    let own = world.add(laptop, "alone");
    world.sim.run_for(SOON);
    assert_eq!(world.sim.head(phone, deck), Some(missed));
    set_followed(&mut world, laptop, true);
    assert_eq!(world.sim.head(phone, deck), Some(own));
}

fn keys_of(store: &dyn Store, deck: DeckId) -> usize {
    let all = store.scan(&[]).unwrap();
    let names = |key: &[u8]| key.windows(32).any(|part| part == deck.as_bytes());
    all.iter().filter(|(key, _)| names(key)).count()
}

#[test]
fn a_deck_that_is_removed_leaves_nothing_here_and_all_elsewhere() {
    for power_fails in [false, true] {
        let mut world = world(12);
        let (laptop, phone, deck) = (world.laptop, world.phone, world.deck);
        let head = world.add(laptop, "hola");
        let open = |core: &mut Core, now| core.open_draft(now, deck, "of mine").map(drop);
        world.sim.act(phone, open).unwrap().unwrap();
        world.sim.run_for(SOON);
        assert!(keys_of(world.sim.store(phone).unwrap(), deck) > 2);
        let remove = |core: &mut Core, now| core.remove_deck(now, deck).map(drop);
        world.sim.act(phone, remove).unwrap().unwrap();
        assert_eq!(world.sim.head(phone, deck), None, "at once");
        let key = world
            .sim
            .act(laptop, |core, _| core.deck_key(deck).unwrap())
            .unwrap();
        let join = |core: &mut Core, now| core.join_deck(now, deck, key).is_some();
        if power_fails {
            // The moment at which it is certain, and not done.
            let marked = |sim: &cuecard::sim::Sim| sim.is_all_saved(phone);
            world.sim.run_until("it is marked", SOON, marked).unwrap();
            assert_eq!(world.sim.act(phone, join), Some(false), "not before it is gone");
            world.sim.crash(phone);
            assert!(
                keys_of(world.sim.store(phone).unwrap(), deck) > 2,
                "not deleted yet"
            );
            world.sim.restart(phone).unwrap();
        }
        world.sim.run_for(SOON);
        assert_eq!(keys_of(world.sim.store(phone).unwrap(), deck), 0, "{power_fails}");
        assert_eq!(world.sim.head(laptop, deck), Some(head));
        assert!(matches!(world.reach(laptop, phone), Reach::LastHeard { .. }));
        // It can be had again.
        assert_eq!(world.sim.act(phone, join), Some(true));
        world.sim.run_for(SOON);
        assert_eq!(world.sim.head(phone, deck), Some(head));
    }
}

#[tokio::test]
async fn a_folder_forgets_a_deck_and_keeps_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::open(folder.path()).await.unwrap();
    let (gone, kept) = (
        engine.create_deck("gone").await.unwrap(),
        engine.create_deck("kept").await.unwrap(),
    );
    for deck in [&gone, &kept] {
        for number in 0..150 {
            deck.edit(|edit| edit.add_card(&format!("{number}"), "?").map(drop))
                .at_once()
                .unwrap();
        }
    }
    kept.unfollow().await.unwrap();
    let invite = gone.invite(Rights::Read).unwrap();
    engine.remove_deck(gone.id()).await.unwrap();
    let unknown = |error| {
        matches!(
            error,
            EditError::Deck(DeckError::Unknown(_) | DeckError::BeingRemoved(_))
        )
    };
    assert!(unknown(engine.remove_deck(gone.id()).await.unwrap_err()));
    assert!(gone.cards().is_err());
    engine.shutdown().await.unwrap();
    drop((gone, kept, engine));
    let engine = Engine::open(folder.path()).await.unwrap();
    let decks = engine.decks();
    assert_eq!(decks.len(), 1);
    assert_eq!(decks[0].cards().unwrap().len(), 150);
    assert!(!decks[0].is_followed().unwrap());
    assert!(engine.damaged_decks().is_empty());
    let again = engine.join(&invite).await.unwrap();
    assert!(again.is_followed().unwrap());
    assert!(
        matches!(again.cards(), Err(DeckError::NotHereYet(_))),
        "nothing of it was left"
    );
    engine.shutdown().await.unwrap();
}

/// Whoever lists decks is told when the list is another one; and of nothing where nothing changed.
#[tokio::test]
async fn an_app_is_told_of_decks_that_come_and_go() {
    let (laptop, phone) = (
        Engine::in_memory("laptop").unwrap(),
        Engine::in_memory("phone").unwrap(),
    );
    let (mut here, mut there) = (laptop.events(), phone.events());
    let deck = laptop.create_deck("Spanish").await.unwrap();
    let id = deck.id();
    let invite = deck.invite(Rights::Read).unwrap();
    let copy = phone.join(&invite).await.unwrap();
    phone.join(&invite).await.unwrap();
    for followed in [false, false, true] {
        let set = if followed { copy.follow() } else { copy.unfollow() };
        set.await.unwrap();
    }
    phone.remove_deck(id).await.unwrap();
    let told = async |events: &mut cuecard::Events, count: usize| {
        let mut told = Vec::new();
        while told.len() < count {
            told.push(events.next().await.unwrap());
        }
        told
    };
    assert_eq!(
        told(&mut there, 4).await,
        [
            Event::DeckAdded { deck: id },
            Event::FollowedChanged {
                deck: id,
                followed: false
            },
            Event::FollowedChanged {
                deck: id,
                followed: true
            },
            Event::DeckRemoved { deck: id },
        ]
    );
    assert_eq!(
        told(&mut here, 1).await,
        [Event::DeckAdded { deck: id }],
        "before what is in it"
    );
}
