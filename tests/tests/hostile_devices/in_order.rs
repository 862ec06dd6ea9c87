//! What is held is judged in the order in which it came: what is wrong among slices is found as if each had come alone, what
//! came behind them speaks of them, and who leaves takes nothing with it.

use std::time::Duration;

use cuecard::limits::{CHECKED_OUTSIDE_MIN, HELD_AT_MOST};
use cuecard::role::{Cause, Cut, Says, Seal, Signed, Term, Word};
use cuecard::sync::message::{DraftItem, Item, Message, PROTOCOL_VERSION};
use cuecard::transport::DeviceKey;
use cuecard::{Event, Role};

use super::handed::Handed;
use super::world::*;

fn seal_of(item: &mut Item, seal: Seal, world: &World, key: &DeviceKey) {
    if let Item::Changes { seal: bytes, .. } = item {
        *bytes = seal.sign(world.deck, key).unwrap().encode().into();
    }
}

#[test]
fn what_is_wrong_among_what_is_held_ends_it_there() {
    for (what, expected) in [
        ("change", "the checksum is not that of the content"),
        ("seal", "the changes do not end in the head that is vouched for"),
        ("signature", "the signature of this record is wrong"),
    ] {
        let mut handed = Handed::new(181);
        let intruder = handed.promise();
        let mut slices: Vec<Item> = (1..=5).map(|number| handed.slice(number)).collect();
        let (term, mallory) = (handed.term, handed.world.mallory.clone());
        let (len, head) = (3, handed.document.heads()[0]);
        match &mut slices[2] {
            Item::Changes { changes, .. } if what == "change" => {
                let at = changes[0].windows(8).position(|bytes| bytes == b"number 3");
                // Spelled in its columns, a character at a time and one after the other.
                let at = at.expect("its text is in it");
                let mut forged = changes[0].to_vec();
                forged[at] = b'N';
                changes[0] = forged.into();
            }
            // Mallory's own word, and over another change than that which came.
            item if what == "seal" => seal_of(item, Seal { term, len, head }, &handed.world, &mallory),
            item => seal_of(
                item,
                Seal { term, len, head },
                &handed.world,
                &DeviceKey::from_bytes(&[0x77; 32]),
            ),
        }
        handed.world.refusals();
        for slice in slices {
            handed.say(intruder, slice);
        }
        assert_eq!(handed.cards(), 3, "{what}: all of it is held");
        handed.world.sim.run_for(2 * HELD_AT_MOST);
        assert_eq!(handed.cards(), 5, "{what}: what goes before it counts");
        assert!(handed.world.sim.is_thrown_out(intruder), "{what}");
        let why = handed.world.refusals();
        assert!(why.len() == 1 && why[0].contains(expected), "{what}: {why:?}");
        let (laptop, deck) = (handed.world.laptop, handed.world.deck);
        let head = handed.world.sim.head(laptop, deck);
        handed.world.sim.crash(laptop);
        handed.world.sim.restart(laptop).expect("it opens again");
        assert_eq!(handed.world.sim.head(laptop, deck), head, "{what}");
        assert_eq!(
            handed.world.sim.document_heads(laptop, deck),
            Vec::from_iter(head),
            "{what}"
        );
    }
}

#[test]
fn a_link_that_ends_does_not_take_with_it_what_had_come() {
    let mut handed = Handed::new(184);
    let intruder = handed.promise();
    let slice = handed.slice(1);
    handed.say(intruder, slice);
    assert_eq!(handed.cards(), 3, "it is held");
    handed.world.sim.leave(intruder);
    assert_eq!(handed.cards(), 4);
}

#[test]
fn what_is_wrong_in_a_large_batch_is_found_outside_and_ends_it_there() {
    for what in ["change", "seal"] {
        let mut handed = Handed::new(185);
        let intruder = handed.promise();
        let (count, wrong) = (CHECKED_OUTSIDE_MIN as u64 + 10, CHECKED_OUTSIDE_MIN as u64 - 5);
        let mut slices: Vec<Item> = (1..=count).map(|number| handed.slice(number)).collect();
        let (term, mallory) = (handed.term, handed.world.mallory.clone());
        let head = handed.document.heads()[0];
        match &mut slices[wrong as usize - 1] {
            Item::Changes { changes, .. } if what == "change" => {
                let text = format!("number {wrong}");
                let at = changes[0]
                    .windows(text.len())
                    .position(|bytes| bytes == text.as_bytes());
                let mut forged = changes[0].to_vec();
                forged[at.expect("its text is in it")] = b'N';
                changes[0] = forged.into();
            }
            item => seal_of(
                item,
                Seal {
                    term,
                    len: wrong,
                    head,
                },
                &handed.world,
                &mallory,
            ),
        }
        handed.world.refusals();
        for slice in slices {
            handed.say(intruder, slice);
        }
        let (laptop, deck) = (handed.world.laptop, handed.world.deck);
        let checks = |sim: &cuecard::sim::Sim| sim.is_checking(laptop, deck);
        let begun = handed.world.sim.run_until("it is being checked", SOON, checks);
        begun.unwrap();
        handed.world.sim.run_for(2 * HELD_AT_MOST);
        let before = usize::try_from(wrong - 1).unwrap();
        assert_eq!(handed.cards(), 3 + before, "{what}: what goes before it counts");
        assert!(handed.world.sim.is_thrown_out(intruder), "{what}");
        assert_eq!(handed.world.refusals().len(), 1, "{what}");
    }
}

/// Whatever is said meanwhile, a batch goes on being checked where nothing waits for it.
#[test]
fn nothing_that_is_said_has_a_batch_taken_in_at_once() {
    let mut handed = Handed::new(192);
    let intruder = handed.promise();
    let count = handed.check(intruder);
    let (laptop, deck, key) = (handed.world.laptop, handed.world.deck, handed.world.deck_key);
    let draft = DraftItem {
        record: vec![1].into(),
        changes: vec![],
    };
    let said = [
        Message::Greet {
            version: PROTOCOL_VERSION,
            name: "intruder".to_owned(),
            proofs: vec![intruder.proof(deck, &key)],
            early: vec![],
        },
        Message::Knock {
            deck,
            draft: false,
            signature: None,
        },
        Message::Lineage {
            deck,
            term: handed.term,
            terms: vec![],
        },
        Message::NewKey {
            deck,
            proof: intruder.proof(deck, &key),
            genesis: vec![1].into(),
            charters: vec![],
            keys: vec![1].into(),
        },
        Message::Withdraw {
            deck,
            record: vec![1].into(),
        },
        Message::Propose { deck, draft },
    ];
    for message in &said {
        handed.world.sim.say(intruder, message);
        assert_eq!(handed.cards(), 3, "{message:?}");
    }
    assert!(handed.world.sim.is_checking(laptop, deck));
    handed.world.sim.leave(intruder);
    assert_eq!(handed.cards(), 3, "it left");
    assert!(handed.world.sim.is_checking(laptop, deck));
    handed.world.sim.run_for(2 * HELD_AT_MOST);
    assert_eq!(handed.cards(), 3 + usize::try_from(count).unwrap());
    assert_eq!(handed.world.sim.held_bytes(laptop), 0);
}

/// What says that the role went to another may be held while the patience with the one before ends.
#[test]
fn an_editor_that_handed_over_is_not_said_to_be_silent() {
    let begin = || {
        let mut handed = Handed::new(194);
        let (laptop, deck, key) = (handed.world.laptop, handed.world.deck, handed.world.deck_key);
        let neighbour = DeviceKey::from_bytes(&[0x66; 32]).id();
        let neighbour = handed.world.sim.intrude_with_key(laptop, neighbour, deck, &key);
        let status = handed.promised();
        handed.world.sim.say(neighbour, &status);
        // The editor was there just now.
        let editor = handed.world.intrude();
        handed.world.sim.leave(editor);
        handed.world.sim.take_events(laptop);
        (handed, neighbour)
    };
    let is_silent = |handed: &mut Handed| {
        let told = handed.world.sim.take_events(handed.world.laptop);
        told.iter()
            .any(|event| matches!(event, Event::EditorSilent { .. }))
    };
    let step = HELD_AT_MOST / 5;
    let (mut handed, _) = begin();
    let steps = (0..10_000).take_while(|_| {
        handed.world.sim.run_for(step);
        !is_silent(&mut handed)
    });
    let steps = steps.count();
    assert!((100..9_000).contains(&steps), "{steps}");
    let (mut handed, neighbour) = begin();
    for _ in 0..steps - 1 {
        handed.world.sim.run_for(step);
    }
    let (laptop, deck, mallory) = (
        handed.world.laptop,
        handed.world.deck,
        handed.world.mallory.clone(),
    );
    let handover = Term {
        deck,
        parent: handed.term,
        cause: Cause::Handover,
        cut: Cut {
            len: 0,
            head: handed.document.heads()[0],
        },
        holder: Some(handed.world.sim.id(laptop)),
        nonce: [1; 16],
        signer: mallory.id(),
    };
    let handover = handover.sign(&mallory).unwrap().encode();
    handed.say(neighbour, Item::Term(handover.into()));
    assert!(!is_silent(&mut handed));
    let role = handed.world.sim.role(laptop, deck);
    assert!(matches!(role, Some(Role::Viewer { .. })), "it is held: {role:?}");
    handed.world.sim.run_for(SOON);
    assert!(!is_silent(&mut handed));
    let role = handed.world.sim.role(laptop, deck);
    assert!(matches!(role, Some(Role::Editor { .. })), "{role:?}");
}

/// Behind what is being checked somebody asks whether the editor is heard, and then comes a sign of it: in a term that is
/// known, and in one that came with what is held.
#[test]
fn who_asks_for_the_editor_is_answered_by_all_that_had_come() {
    for is_new in [false, true] {
        let mut handed = Handed::new(189);
        let (laptop, deck, mallory) = (
            handed.world.laptop,
            handed.world.deck,
            handed.world.mallory.clone(),
        );
        // Nothing of the editor is heard for a while.
        handed.world.sim.run_for(Duration::from_secs(120));
        let intruder = handed.promise();
        let count = handed.check(intruder);
        let end = Cut {
            len: count,
            head: handed.document.heads()[0],
        };
        let mut term = handed.term;
        if is_new {
            let next = Term {
                deck,
                parent: term,
                cause: Cause::Handover,
                cut: end,
                holder: Some(mallory.id()),
                nonce: [3; 16],
                signer: mallory.id(),
            };
            let next = next.sign(&mallory).unwrap();
            term = next.id();
            handed.say(intruder, Item::Term(next.encode().into()));
        }
        let beat = Says::Beat {
            number: u64::MAX,
            interval_ms: 1_000,
            end,
            asks: false,
        };
        for (nonce, term, says) in [(1, handed.term, Says::Question), (2, term, beat)] {
            let word = Word {
                deck,
                term,
                nonce: [nonce; 16],
                signer: mallory.id(),
                says,
            };
            let bytes = word.sign(&mallory).unwrap().encode().into();
            handed.world.sim.say(intruder, &Message::Word { deck, bytes });
        }
        assert!(
            handed.world.sim.is_checking(laptop, deck),
            "all that waits for a check"
        );
        handed.world.sim.run_for(2 * HELD_AT_MOST);
        let heard = handed.world.sim.heard(intruder).into_iter();
        let words = heard.filter_map(|message| match message {
            Message::Word { bytes, .. } => {
                Some(Signed::<Word>::decode(&bytes).unwrap().claimed().says.clone())
            }
            _ => None,
        });
        let answers: Vec<bool> = words
            .filter_map(|says| match says {
                Says::Answer { hears, .. } => Some(hears),
                _ => None,
            })
            .collect();
        assert_eq!(answers, [true], "in a new term: {is_new}");
    }
}
