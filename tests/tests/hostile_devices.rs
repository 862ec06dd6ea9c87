//! A modified device, linked to an honest one: each attack by name, what it costs the attacker, and that the deck is
//! unharmed: as it was, still editable, still to be opened from its disk, and still passed on to who joins.

use std::time::Duration;

use cuecard::card::{FieldValue, TextField};
use cuecard::core::Core;
use cuecard::document::Document;
use cuecard::id::{ChangeHash, TermId};
use cuecard::role::{self, Cause, Cut, Draft, Seal, Term};
use cuecard::sim::{Intruder, Peer, Sim};
use cuecard::sync::message::{DraftItem, Item, Message, Position};
use cuecard::time::Time;
use cuecard::transport::memory::Conditions;
use cuecard::transport::{DeviceKey, Lane};
use cuecard::{Card, DeckId, DraftState, Event, Member, Rights, Role, RoleError};

const SOON: Duration = Duration::from_secs(20);

/// A deck of the laptop's, which mallory was invited to.
struct World {
    sim: Sim,
    laptop: Peer,
    deck: DeckId,
    deck_key: [u8; 32],
    mallory: DeviceKey,
    before: (Option<ChangeHash>, Vec<Card>),
}

impl World {
    fn new(seed: u64, rights: Option<Rights>) -> Self {
        let mut sim = Sim::new(seed);
        let laptop = sim.device("laptop");
        let mallory = DeviceKey::from_bytes(&[seed as u8 ^ 0x5a; 32]);
        let deck = act(&mut sim, laptop, |core, now| {
            core.create_deck(now, "Spanish").unwrap().value
        });
        for front in ["uno", "dos", "tres"] {
            act(&mut sim, laptop, |core, now| {
                core.edit(now, deck, |edit| edit.add_card(front, "?")).unwrap()
            });
        }
        sim.run_for(SOON);
        if let Some(rights) = rights {
            let member = Member {
                device: mallory.id(),
                rights,
                rank: 1,
            };
            act(&mut sim, laptop, |core, now| {
                core.set_members(now, deck, vec![member]).unwrap()
            });
        }
        sim.run_for(SOON);
        let deck_key = act(&mut sim, laptop, |core, _| core.deck_key(deck).unwrap());
        let before = (sim.head(laptop, deck), sim.cards(laptop, deck));
        sim.take_events(laptop);
        Self {
            sim,
            laptop,
            deck,
            deck_key,
            mallory,
            before,
        }
    }

    fn intrude(&mut self) -> Intruder {
        let (at, device, deck, key) = (self.laptop, self.mallory.id(), self.deck, self.deck_key);
        self.sim.intrude_with_key(at, device, deck, &key)
    }

    fn entries(&mut self, intruder: Intruder, items: Vec<Item>) {
        let deck = self.deck;
        self.sim.say(intruder, &Message::Entries { deck, items });
        self.sim.run_for(SOON);
    }

    /// Why the laptop threw somebody out.
    fn refusals(&mut self) -> Vec<String> {
        let events = self.sim.take_events(self.laptop).into_iter();
        let why = |event| match event {
            Event::Refused { why, .. } => Some(why),
            Event::StoreFailed { why } => panic!("the disk was stopped: {why}"),
            Event::DeckBroken { why, .. } => panic!("the deck was broken: {why}"),
            _ => None,
        };
        events.filter_map(why).collect()
    }

    /// The deck's document, from what the laptop sends to one who has nothing.
    fn document(&mut self) -> (Document, Position) {
        let intruder = self.intrude();
        let deck = self.deck;
        self.sim.say(
            intruder,
            &Message::Status {
                deck,
                charter: None,
                locator: vec![],
            },
        );
        self.sim.run_for(SOON);
        let mut document = None;
        let mut at = None;
        for message in self.sim.heard(intruder) {
            let Message::Entries { items, .. } = message else {
                continue;
            };
            for item in items {
                match item {
                    Item::Genesis(bytes) => {
                        let genesis = role::Genesis::decode(&bytes).unwrap();
                        document = Some(Document::genesis(
                            role::actor_of_genesis(deck),
                            genesis.created_ms,
                        ));
                    }
                    Item::Changes {
                        term, from, changes, ..
                    } => {
                        let raw = changes.iter().map(|change| change.as_slice());
                        document.as_mut().unwrap().restore_more(raw).unwrap();
                        at = Some(Position {
                            term,
                            len: from + changes.len() as u64 - 1,
                        });
                    }
                    _ => {}
                }
            }
        }
        (document.expect("a genesis"), at.expect("changes"))
    }

    /// The deck is as it was, can be edited, opened again from its disk, and joined.
    fn assert_unharmed(&mut self) {
        let (laptop, deck) = (self.laptop, self.deck);
        let now = (self.sim.head(laptop, deck), self.sim.cards(laptop, deck));
        assert_eq!(now, self.before, "the deck is as it was");
        act(&mut self.sim, laptop, |core, now| {
            core.edit(now, deck, |edit| edit.add_card("later", "?")).unwrap()
        });
        self.sim.run_for(SOON);
        assert_eq!(self.refusals(), Vec::<String>::new());
        let head = self.sim.head(laptop, deck);
        self.sim.crash(laptop);
        self.sim.restart(laptop).expect("it opens again");
        assert_eq!(self.sim.head(laptop, deck), head, "nothing durable is lost");
        let newcomer = self.sim.device("newcomer");
        self.sim.connect(laptop, newcomer, Conditions::PERFECT);
        let key = self.deck_key;
        act(&mut self.sim, newcomer, |core, now| {
            core.join_deck(now, deck, key)
        });
        let arrived = self.sim.run_until("the newcomer has everything", SOON, |sim| {
            sim.head(newcomer, deck) == head
        });
        if let Err(stuck) = arrived {
            let events = [laptop, newcomer].map(|peer| self.sim.take_events(peer));
            panic!("{stuck}: {events:#?}");
        }
        assert_eq!(self.sim.cards(newcomer, deck), self.sim.cards(laptop, deck));
    }
}

fn act<R>(sim: &mut Sim, peer: Peer, act: impl FnOnce(&mut Core, Time) -> R) -> R {
    sim.act(peer, act).expect("it is running")
}

/// One change by mallory in a draft, on top of `document`.
fn drafted(world: &World, document: &Document, nonce: [u8; 16], front: &str) -> (Vec<u8>, ChangeHash) {
    let mut branch = document.fork_at(document.heads()[0]).unwrap();
    drafted_onto(world, &mut branch, nonce, front)
}

fn drafted_onto(world: &World, branch: &mut Document, nonce: [u8; 16], front: &str) -> (Vec<u8>, ChangeHash) {
    let actor = role::actor_of_draft(world.deck, world.mallory.id(), nonce);
    let mut random = || {
        blake3::hash(front.as_bytes()).as_bytes()[..10]
            .try_into()
            .unwrap()
    };
    let committed = branch
        .commit(&actor, 1_750_000_000_000, &mut random, |edit| {
            edit.add_card(front, "?")
        })
        .unwrap();
    let change = committed.change.unwrap();
    (change.bytes, change.hash)
}

fn draft_item(
    world: &World,
    base: ChangeHash,
    nonce: [u8; 16],
    head: ChangeHash,
    changes: Vec<Vec<u8>>,
) -> DraftItem {
    let record = Draft {
        deck: world.deck,
        base,
        author: world.mallory.id(),
        nonce,
        len: changes.len() as u64,
        head,
        note: String::new(),
    };
    DraftItem {
        record: record.sign(&world.mallory).unwrap().encode().into(),
        changes: changes.into_iter().map(Into::into).collect(),
    }
}

fn known_slice(at: Position) -> Item {
    Item::Changes {
        term: at.term,
        from: at.len,
        changes: vec![vec![0].into()],
        seal: vec![].into(),
    }
}

/// The draft named a head that the deck holds already, so its changes never met the gate, and were kept as accepted:
/// garbage on the disk of anybody linked, which then could not be opened again.
#[test]
fn an_accepted_draft_that_no_change_accepts_is_not_kept() {
    let mut world = World::new(1, None);
    let (document, at) = world.document();
    let (base, head) = (document.genesis_hash(), document.heads()[0]);
    let junk = draft_item(&world, base, [7; 16], head, vec![b"not a change".to_vec()]);
    let intruder = world.intrude();
    world.entries(intruder, vec![Item::Draft(junk), known_slice(at)]);
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
        (drafts[0].len, drafts[0].state),
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

#[test]
fn changes_of_anothers_term_need_its_holders_seal() {
    let mut world = World::new(4, Some(Rights::Hold));
    let (mut document, at) = world.document();
    let mut random = || [3; 10];
    let committed = document
        .commit(
            &role::actor_of_term(at.term),
            1_750_000_000_000,
            &mut random,
            |edit| edit.add_card("forged", "?"),
        )
        .unwrap();
    let change = committed.change.unwrap();
    let seal = Seal {
        term: at.term,
        len: at.len + 1,
        head: change.hash,
    };
    let seal = seal.sign(world.deck, &world.mallory).unwrap().encode();
    let intruder = world.intrude();
    let forged = Item::Changes {
        term: at.term,
        from: at.len + 1,
        changes: vec![change.bytes.into()],
        seal: seal.into(),
    };
    world.entries(intruder, vec![forged]);
    assert!(world.sim.is_thrown_out(intruder));
    assert_eq!(world.refusals().len(), 1);
    world.assert_unharmed();
}

#[test]
fn a_handover_to_oneself_is_refused() {
    let mut world = World::new(5, Some(Rights::Hold));
    let (document, at) = world.document();
    let term = Term {
        deck: world.deck,
        parent: at.term,
        cause: Cause::Handover,
        cut: Cut {
            len: at.len,
            head: document.heads()[0],
        },
        holder: Some(world.mallory.id()),
        nonce: [1; 16],
        signer: world.mallory.id(),
    };
    let bytes = term.sign(&world.mallory).unwrap().encode();
    let intruder = world.intrude();
    world.entries(intruder, vec![Item::Term(bytes.into())]);
    let why = world.refusals();
    assert!(
        why.len() == 1 && why[0].contains("only the holder of a term"),
        "{why:?}"
    );
    world.assert_unharmed();
}

/// Terms are counted against the deck's limit, whoever signed them: a reader could fill it, and no editor could open a
/// term ever again.
#[test]
fn claims_are_not_kept_while_nobody_makes_them() {
    let mut world = World::new(6, None);
    let (document, at) = world.document();
    let intruder = world.intrude();
    let claim = Term {
        deck: world.deck,
        parent: at.term,
        cause: Cause::Claim,
        cut: Cut {
            len: at.len,
            head: document.heads()[0],
        },
        holder: Some(world.mallory.id()),
        nonce: [1; 16],
        signer: world.mallory.id(),
    };
    let bytes = claim.sign(&world.mallory).unwrap().encode();
    world.entries(intruder, vec![Item::Term(bytes.into())]);
    assert!(world.sim.is_thrown_out(intruder));
    let (laptop, deck) = (world.laptop, world.deck);
    assert!(matches!(world.sim.role(laptop, deck), Some(Role::Editor { .. })));
    assert_eq!(world.refusals().len(), 1);
    world.assert_unharmed();
}

/// A part is four bytes on the wire, nothing when it repeats, and a hundred in memory.
#[test]
fn a_small_message_cannot_become_a_large_list() {
    let mut world = World::new(7, None);
    let deck = world.deck;
    let position = Position {
        term: TermId::from_bytes([9; 32]),
        len: 1,
    };
    let lists = [
        Message::Entries {
            deck,
            items: vec![Item::Charter(vec![].into()); 500],
        },
        Message::Entries {
            deck,
            items: vec![Item::Changes {
                term: position.term,
                from: 1,
                changes: vec![vec![].into(); 201],
                seal: vec![].into(),
            }],
        },
        Message::Status {
            deck,
            charter: None,
            locator: vec![position; 65],
        },
    ];
    for message in lists {
        let intruder = world.intrude();
        world.sim.say(intruder, &message);
        let why = world.refusals();
        assert!(
            why.len() == 1 && why[0].contains("a list of more than"),
            "{why:?}"
        );
    }
    world.assert_unharmed();
}

#[test]
fn one_without_the_key_of_the_deck_learns_and_changes_nothing() {
    let mut world = World::new(8, Some(Rights::Hold));
    let (laptop, deck, device) = (world.laptop, world.deck, world.mallory.id());
    let intruder = world.sim.intrude_with_key(laptop, device, deck, &[0; 32]);
    let status = Message::Status {
        deck,
        charter: None,
        locator: vec![],
    };
    world.sim.say(intruder, &status);
    world.entries(intruder, vec![Item::Genesis(vec![1].into())]);
    let heard = world.sim.heard(intruder);
    let greeting = |message: &Message| matches!(message, Message::Greet { .. });
    assert!(heard.iter().all(greeting), "{heard:?}");
    world.assert_unharmed();
}

/// Numbers at the end of their range, in every place that is reckoned with.
#[test]
fn audio_is_served_to_those_who_share_its_deck_and_to_nobody_else() {
    let mut world = World::new(31, Some(Rights::Read));
    let laptop = world.laptop;
    // A second deck of the laptop's, of which mallory has heard the hash of a sound and nothing else.
    let secret = act(&mut world.sim, laptop, |core, now| {
        core.create_deck(now, "Secret").unwrap().value
    });
    let mut blobs = Vec::new();
    for (deck, byte) in [(world.deck, 1_u8), (secret, 2)] {
        let audio = world.sim.import_audio(laptop, &[byte; 5_000]).unwrap();
        blobs.push(audio.blob);
        act(&mut world.sim, laptop, |core, now| {
            core.edit(now, deck, |edit| {
                let card = edit.add_card("sound", "?")?;
                edit.attach_audio(&card, "front", audio)
            })
            .unwrap()
        });
    }
    let mallory = world.intrude();
    world.sim.run_for(SOON);
    for (transfer, blob) in (1..).zip(&blobs) {
        let (blob, first, count) = (*blob, 0, 1);
        world.sim.say(
            mallory,
            &Message::Pull {
                transfer,
                blob,
                first,
                count,
            },
        );
    }
    world.sim.run_for(SOON);
    let lacks = world
        .sim
        .heard(mallory)
        .into_iter()
        .filter_map(|message| match message {
            Message::Lack { transfer } => Some(transfer),
            _ => None,
        });
    assert_eq!(
        lacks.collect::<Vec<_>>(),
        [2],
        "the shared deck's audio came, the other is not spoken of"
    );
}

#[test]
fn the_owner_cannot_leave_the_deck_without_an_editor_by_mistake() {
    let mut world = World::new(32, Some(Rights::Hold));
    let (laptop, deck, mallory) = (world.laptop, world.deck, world.mallory.id());
    act(&mut world.sim, laptop, |core, now| {
        core.hand_over(now, deck, mallory).unwrap()
    });
    let refused = act(&mut world.sim, laptop, |core, now| {
        core.set_members(now, deck, vec![]).unwrap_err()
    });
    assert_eq!(refused, RoleError::EditorNeedsHold(mallory));
    let head = world.sim.head(laptop, deck);
    assert_eq!(head, world.before.0);
    assert_eq!(
        world.sim.role(laptop, deck),
        Some(Role::Viewer { editor: mallory }),
        "and nothing was changed"
    );
}

#[test]
fn extreme_numbers_do_no_harm() {
    let mut world = World::new(9, Some(Rights::Draft));
    let (_, at) = world.document();
    let (deck, blob) = (world.deck, cuecard::BlobId::from_bytes([1; 32]));
    let extremes = [0, 1, 2, u64::from(u32::MAX), u64::MAX - 1, u64::MAX];
    for len in extremes {
        let held = Position { term: at.term, len };
        let stranger = Position {
            term: TermId::from_bytes([9; 32]),
            len,
        };
        let number = u32::try_from(len).unwrap_or(u32::MAX);
        let intruder = world.intrude();
        let messages = [
            Message::Ack { deck, held },
            Message::Ack { deck, held: stranger },
            Message::Status {
                deck,
                charter: Some((number, number)),
                locator: vec![held, stranger],
            },
            Message::Held {
                deck,
                draft: cuecard::DraftId::from_bytes([1; 32]),
                len,
            },
            Message::Pull {
                transfer: number,
                blob,
                first: number,
                count: number,
            },
            Message::Lack { transfer: number },
            Message::Entries {
                deck,
                items: vec![Item::Changes {
                    term: at.term,
                    from: len,
                    changes: vec![vec![].into()],
                    seal: vec![].into(),
                }],
            },
        ];
        for message in messages {
            world.sim.say(intruder, &message);
            world.sim.run_for(Duration::from_secs(1));
        }
        for bytes in [vec![], vec![0; 7], vec![0xff; 8], vec![0xff; 65_528]] {
            world.sim.say_raw(intruder, Lane::Binary, bytes.into());
        }
        world.sim.run_for(SOON);
        world.refusals();
    }
    world.assert_unharmed();
}

/// An honest editor does this without knowing when its disk is restored from a backup; a cheat does it on purpose.
/// Who kept the term in one slice had no seal at the cut, and could bring nobody up any more.
#[test]
fn a_cut_before_the_seal_that_is_held_stops_nobody() {
    let mut world = World::new(10, None);
    let (laptop, deck, key) = (world.laptop, world.deck, world.deck_key);
    let backup = world.sim.backup(laptop).unwrap();
    for number in 0..10 {
        act(&mut world.sim, laptop, |core, now| {
            core.edit(now, deck, |edit| edit.add_card(&format!("{number}"), "?"))
                .unwrap()
        });
    }
    world.sim.run_for(SOON);
    let phone = world.sim.device("phone");
    act(&mut world.sim, phone, |core, now| core.join_deck(now, deck, key));
    world.sim.connect(laptop, phone, Conditions::PERFECT);
    world.sim.run_for(SOON);
    assert_eq!(world.sim.cards(phone, deck).len(), 13);
    world.sim.cut(laptop, phone);
    world.sim.restore_backup(laptop, &backup).unwrap();
    act(&mut world.sim, laptop, |core, now| {
        core.edit(now, deck, |edit| edit.add_card("anew", "?")).unwrap()
    });
    world.sim.run_for(SOON);
    world.sim.mend(laptop, phone);
    let head = world.sim.head(laptop, deck);
    let same = |sim: &Sim, peer| sim.head(peer, deck) == head;
    world
        .sim
        .run_until("the phone follows", SOON, |sim| same(sim, phone))
        .unwrap();
    world.sim.cut(laptop, phone);
    let tablet = world.sim.device("tablet");
    act(&mut world.sim, tablet, |core, now| core.join_deck(now, deck, key));
    world.sim.connect(phone, tablet, Conditions::PERFECT);
    world
        .sim
        .run_until("the phone brings the tablet up", SOON, |sim| same(sim, tablet))
        .unwrap();
    assert_eq!(world.sim.cards(tablet, deck), world.sim.cards(laptop, deck));
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

impl World {
    /// As [`World::document`], with accepted drafts in it.
    fn document_with_drafts(&mut self) -> (Document, Position) {
        let intruder = self.intrude();
        let deck = self.deck;
        let status = Message::Status {
            deck,
            charter: None,
            locator: vec![],
        };
        self.sim.say(intruder, &status);
        let (mut document, mut at) = (None, None);
        loop {
            self.sim.run_for(SOON);
            let heard = self.sim.heard(intruder);
            if heard.is_empty() {
                return (document.expect("a genesis"), at.expect("changes"));
            }
            for message in heard {
                let Message::Entries { items, .. } = message else {
                    continue;
                };
                let mut raw: Vec<Vec<u8>> = Vec::new();
                for item in items {
                    match item {
                        Item::Genesis(bytes) => {
                            let genesis = role::Genesis::decode(&bytes).unwrap();
                            let actor = role::actor_of_genesis(deck);
                            document = Some(Document::genesis(actor, genesis.created_ms));
                        }
                        Item::Draft(draft) => {
                            raw.extend(draft.changes.iter().map(|change| change.to_vec()));
                        }
                        Item::Changes {
                            term, from, changes, ..
                        } => {
                            raw.extend(changes.iter().map(|change| change.to_vec()));
                            let len = from + changes.len() as u64 - 1;
                            at = Some(Position { term, len });
                        }
                        _ => {}
                    }
                }
                let document = document.as_mut().unwrap();
                document.restore_more(raw.iter().map(Vec::as_slice)).unwrap();
            }
        }
    }
}

/// Text that does not compress.
fn noise(seed: u64, bytes: usize) -> String {
    let mut reader = blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof();
    let mut noise = vec![0; bytes];
    reader.fill(&mut noise);
    noise
        .into_iter()
        .map(|byte| char::from(b'!' + byte % 90))
        .collect()
}

/// Recorded messages of honest devices, damaged, cut short, mixed and repeated, by a member and by a stranger.
#[test]
fn damaged_and_replayed_messages_do_no_harm() {
    for seed in 100..106 {
        println!("seed {seed}");
        let mut world = World::new(seed, Some(Rights::Hold));
        let (laptop, deck, key) = (world.laptop, world.deck, world.deck_key);
        world.sim.record();
        let phone = world.sim.device("phone");
        act(&mut world.sim, phone, |core, now| core.join_deck(now, deck, key));
        world.sim.connect(laptop, phone, Conditions::PERFECT);
        let member = Member {
            device: world.sim.id(phone),
            rights: Rights::Hold,
            rank: 2,
        };
        let members = act(&mut world.sim, laptop, |core, _| core.members(deck).unwrap());
        act(&mut world.sim, laptop, |core, now| {
            let mut members = [members, vec![member]].concat();
            members.sort_by_key(|member| member.device);
            core.set_members(now, deck, members).unwrap()
        });
        world.sim.run_for(SOON);
        let draft = act(&mut world.sim, phone, |core, now| {
            core.open_draft(now, deck, "more").unwrap().value
        });
        act(&mut world.sim, phone, |core, now| {
            core.edit_draft(now, deck, draft, |edit| edit.add_card("drafted", "?"))
                .unwrap();
            core.propose_draft(now, deck, draft).unwrap()
        });
        world.sim.run_for(SOON);
        act(&mut world.sim, laptop, |core, now| {
            core.accept_draft(now, deck, draft).unwrap();
            let card = core.draft_cards(deck, draft).unwrap()[0].id.clone();
            core.edit(now, deck, |edit| edit.set_text(&card, TextField::Back, "uno!"))
                .unwrap()
        });
        world.sim.run_for(SOON);
        let recorded: Vec<(Lane, bytes::Bytes)> = world.sim.recorded().to_vec();
        assert!(recorded.len() > 10);
        world.before = (world.sim.head(laptop, deck), world.sim.cards(laptop, deck));
        let mut intruder = world.intrude();
        for round in 0..1_500 {
            if world.sim.is_thrown_out(intruder) {
                if round % 2 == 0 {
                    world.mallory = DeviceKey::from_bytes(&[world.sim.random(200) as u8; 32]);
                }
                intruder = world.intrude();
            }
            let pick = world.sim.random(recorded.len() as u64) as usize;
            let (lane, original) = &recorded[pick];
            let bytes = mutate(&mut world.sim, original, &recorded);
            world.sim.say_raw(intruder, *lane, bytes.into());
            if round % 50 == 0 {
                world.sim.run_for(Duration::from_secs(1));
            }
        }
        world.sim.run_for(SOON);
        world.refusals();
        world.assert_unharmed();
    }
}

fn mutate(sim: &mut Sim, original: &[u8], others: &[(Lane, bytes::Bytes)]) -> Vec<u8> {
    // Compressed messages would hide what is damaged behind a failing inflation: damage the plain form.
    let mut bytes = match cuecard::sync::envelope::open(original) {
        Ok(message) => {
            let mut plain = vec![0];
            plain.extend(minicbor::to_vec(&message).unwrap());
            plain
        }
        Err(_) => original.to_vec(),
    };
    let at = |sim: &mut Sim, bytes: &[u8]| sim.random(bytes.len() as u64) as usize;
    match sim.random(6) {
        0 => {}
        1 => {
            let end = at(sim, &bytes);
            bytes.truncate(end);
        }
        2 => {
            let (from, to) = (at(sim, &bytes), at(sim, &bytes));
            bytes.swap(from, to);
        }
        3 => {
            let other = &others[sim.random(others.len() as u64) as usize].1;
            let (from, to) = (at(sim, other), at(sim, &bytes));
            let run = 64.min(other.len() - from).min(bytes.len() - to);
            bytes[to..to + run].copy_from_slice(&other[from..from + run]);
        }
        _ => {
            for _ in 0..=sim.random(3) {
                let place = at(sim, &bytes);
                bytes[place] ^= 1 << sim.random(8);
            }
        }
    }
    bytes
}
