//! The deck that is attacked, and the devices around it.

use cuecard::core::Core;
use cuecard::document::Document;
use cuecard::id::ChangeHash;
use cuecard::role::{self, Draft};
use cuecard::sim::{Intruder, Peer, Sim};
use cuecard::sync::holdings::Digest;
use cuecard::sync::message::{DraftItem, Item, Message, Position};
use cuecard::time::Time;
use cuecard::transport::DeviceKey;
use cuecard::transport::memory::Conditions;
use cuecard::{Card, DeckId, DeviceId, DraftId, DraftRefusal, Event, Member, Rights};
use std::time::Duration;

pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A deck of the laptop's, which mallory was invited to.
pub(crate) struct World {
    pub(crate) sim: Sim,
    pub(crate) laptop: Peer,
    pub(crate) deck: DeckId,
    pub(crate) deck_key: [u8; 32],
    pub(crate) mallory: DeviceKey,
    pub(crate) before: (Option<ChangeHash>, Vec<Card>),
}

impl World {
    pub(crate) fn new(seed: u64, rights: Option<Rights>) -> Self {
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

    /// The owner lets these hold the role, and nobody else.
    pub(crate) fn let_hold<const N: usize>(&mut self, devices: [DeviceId; N]) {
        let mut members = devices.map(|device| Member {
            device,
            rights: Rights::Hold,
            rank: 1,
        });
        members.sort_by_key(|member| member.device);
        let deck = self.deck;
        act(&mut self.sim, self.laptop, |core, now| {
            core.set_members(now, deck, members.to_vec()).unwrap()
        });
        self.sim.run_for(SOON);
    }

    pub(crate) fn intrude(&mut self) -> Intruder {
        let (at, device, deck, key) = (self.laptop, self.mallory.id(), self.deck, self.deck_key);
        self.sim.intrude_with_key(at, device, deck, &key)
    }

    /// The drafts that the intruder was told there is no room for.
    pub(crate) fn drafts_refused(&mut self, intruder: Intruder) -> Vec<DraftId> {
        let heard = self.sim.heard(intruder);
        let refused = heard.iter().filter_map(|message| match message {
            Message::DraftRefused {
                draft,
                why: DraftRefusal::TooMany,
                ..
            } => Some(*draft),
            _ => None,
        });
        refused.collect()
    }

    /// The drafts that the intruder was asked for, as nothing of them is held.
    pub(crate) fn drafts_asked_for(&mut self, intruder: Intruder) -> Vec<DraftId> {
        let heard = self.sim.heard(intruder);
        let marks = heard.iter().flat_map(|message| match message {
            Message::DraftsHeld { marks, .. } => marks.clone(),
            _ => vec![],
        });
        marks
            .filter(|mark| mark.version == 0)
            .map(|mark| mark.draft)
            .collect()
    }

    pub(crate) fn entries(&mut self, intruder: Intruder, items: Vec<Item>) {
        let deck = self.deck;
        self.sim.say(intruder, &Message::Entries { deck, items });
        self.sim.run_for(SOON);
    }

    /// Why the laptop threw somebody out.
    pub(crate) fn refusals(&mut self) -> Vec<String> {
        let events = self.sim.take_events(self.laptop).into_iter();
        let why = |event| match event {
            Event::Refused { why, .. } => Some(why),
            Event::StoreFailed { why } => panic!("the disk was stopped: {why}"),
            Event::DeckBroken { why, .. } => panic!("the deck was broken: {why}"),
            _ => None,
        };
        events.filter_map(why).collect()
    }

    /// The laptop threw the intruder out, and says that this was why.
    pub(crate) fn assert_thrown_out(&mut self, intruder: Intruder, because: &str) {
        assert!(self.sim.is_thrown_out(intruder));
        let why = self.refusals();
        assert!(why.len() == 1 && why[0].contains(because), "{why:?}");
    }

    /// The deck's document, from what the laptop sends to one who has nothing.
    pub(crate) fn document(&mut self) -> (Document, Position) {
        let intruder = self.intrude();
        let deck = self.deck;
        self.sim.say(intruder, &has_nothing(deck));
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
                        let head = document.as_ref().unwrap().heads()[0];
                        let len = from + changes.len() as u64 - 1;
                        at = Some(Position { term, len, head });
                    }
                    _ => {}
                }
            }
        }
        (document.expect("a genesis"), at.expect("changes"))
    }

    /// The deck is as it was, can be edited, opened again from its disk, and joined.
    pub(crate) fn assert_unharmed(&mut self) {
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
        let invite = self.sim.invite(laptop, deck, Rights::Read).expect("an invite");
        act(&mut self.sim, newcomer, |core, now| core.join(now, &invite));
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

pub(crate) fn act<R>(sim: &mut Sim, peer: Peer, act: impl FnOnce(&mut Core, Time) -> R) -> R {
    sim.act(peer, act).expect("it is running")
}

/// One change by mallory in a draft, on top of `document`.
pub(crate) fn drafted(
    world: &World,
    document: &Document,
    nonce: [u8; 16],
    front: &str,
) -> (Vec<u8>, ChangeHash) {
    let mut branch = document.fork_at(document.heads()[0]).unwrap();
    drafted_onto(world, &mut branch, nonce, front)
}

pub(crate) fn drafted_onto(
    world: &World,
    branch: &mut Document,
    nonce: [u8; 16],
    front: &str,
) -> (Vec<u8>, ChangeHash) {
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

pub(crate) fn draft_item(
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
        version: 1,
        signed_ms: 1_750_000_000_000,
        len: changes.len() as u64,
        head,
        note: String::new(),
    };
    DraftItem {
        record: record.sign(&world.mallory).unwrap().encode().into(),
        changes: changes.into_iter().map(Into::into).collect(),
    }
}

/// A slice that is held already.
pub(crate) fn known_slice(document: &Document, at: Position) -> Item {
    let bytes = document.change_bytes(&at.head).unwrap();
    let entry = cuecard::history::entry_of(document, &at.head, |_| None).unwrap();
    Item::Changes {
        term: at.term,
        from: at.len,
        changes: vec![bytes.into()],
        seal: vec![].into(),
        after: entry.deps[0],
    }
}

/// Who holds nothing beside the path has another digest than this.
pub(crate) const NOTHING: Digest = Digest([0; 32]);

/// What one says who has nothing of a deck: it is sent all of it.
pub(crate) fn has_nothing(deck: DeckId) -> Message {
    Message::Status {
        deck,
        charter: None,
        locator: vec![],
        beside: NOTHING,
        changes: 0,
    }
}

impl World {
    /// As [`World::document`], with accepted drafts in it.
    pub(crate) fn document_with_drafts(&mut self) -> (Document, Position) {
        let intruder = self.intrude();
        let deck = self.deck;
        self.sim.say(intruder, &has_nothing(deck));
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
                let mut last = None;
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
                            last = Some((term, len));
                        }
                        _ => {}
                    }
                }
                let document = document.as_mut().unwrap();
                document.restore_more(raw.iter().map(Vec::as_slice)).unwrap();
                let head = document.heads()[0];
                at = last.map(|(term, len)| Position { term, len, head }).or(at);
            }
        }
    }
}

/// Text that does not compress.
pub(crate) fn noise(seed: u64, bytes: usize) -> String {
    let mut reader = blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof();
    let mut noise = vec![0; bytes];
    reader.fill(&mut noise);
    noise
        .into_iter()
        .map(|byte| char::from(b'!' + byte % 90))
        .collect()
}
