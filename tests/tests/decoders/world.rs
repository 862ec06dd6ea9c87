//! Two cores with a store each and a link between them, pumped by hand: what they say to each other is the stuff that
//! mutants are made of.

use automerge::Change;
use bytes::Bytes;
use cuecard::card::{AudioRef, FieldValue, TextField};
use cuecard::core::{Applied, Core, Input, LinkId, Output};
use cuecard::disk;
use cuecard::limits::SLICE_BYTES_MAX;
use cuecard::store::{MemoryStore, Store};
use cuecard::sync::envelope::open;
use cuecard::sync::message::{Item, Message};
use cuecard::time::Time;
use cuecard::transport::{DeviceKey, Lane};
use cuecard::{BlobId, DeckId, DeviceSync, Member, Presence, Rights, Selection, Stand};

pub(crate) struct Device {
    pub(crate) core: Core,
    pub(crate) store: MemoryStore,
}

pub(crate) struct World {
    /// The owner and a member.
    pub(crate) devices: [Device; 2],
    pub(crate) deck: DeckId,
    /// Every control message that was sent, whole.
    pub(crate) said: Vec<Vec<u8>>,
    link: u64,
    now_ms: u64,
    /// Set when a device wanted the link closed.
    closed: bool,
}

impl World {
    /// Two devices, linked, with a deck of one card. The second may hold the role.
    pub(crate) fn new() -> Self {
        let device = |number: u8| Device {
            core: Core::new(
                DeviceKey::from_bytes(&[number; 32]),
                format!("device {number}"),
                [number; 32],
            ),
            store: MemoryStore::new(),
        };
        let mut world = Self {
            devices: [device(1), device(2)],
            deck: DeckId::from_bytes([0; 32]),
            said: Vec::new(),
            link: 0,
            now_ms: 1_700_000_000_000,
            closed: false,
        };
        let member = world.devices[1].core.device();
        world.deck = world.act(0, |core, now| core.create_deck(now, "words").unwrap().value);
        let deck = world.deck;
        world.settle();
        world.act(0, |core, now| {
            let member = Member {
                device: member,
                rights: Rights::Hold,
                rank: 1,
            };
            core.set_members(now, deck, vec![member]).unwrap();
            edited(core.edit(now, deck, |edit| edit.add_card("hola", "hello")));
        });
        let key = world.devices[0].core.deck_key(deck).unwrap();
        world.act(1, |core, now| core.join_deck(now, deck, key));
        world.link_up();
        assert!(world.is_in_sync(), "they do not even agree in peace");
        world
    }

    /// After edits of every kind, a draft accepted, one declined, one withdrawn, and the role handed over and back.
    pub(crate) fn busy() -> Self {
        let mut world = Self::new();
        let deck = world.deck;
        let audio = AudioRef {
            blob: BlobId::from_bytes([9; 32]),
            mime: "audio/webm".to_owned(),
            bytes: 70_000,
            duration_ms: 900,
            name: "hola.webm".to_owned(),
        };
        let audio_again = AudioRef {
            duration_ms: 0,
            ..audio.clone()
        };
        world.act(0, |core, now| {
            let card = edited(core.edit(now, deck, |edit| edit.add_card("adiós", "bye")));
            edited(core.edit(now, deck, |edit| {
                edit.tag(&card, "greetings")?;
                edit.attach_audio(&card, "front", audio)?;
                edit.set_field(&card, "level", Some(FieldValue::Int(3)))?;
                edit.set_deck_field("source", Some(FieldValue::Text("a book".to_owned())))
            }));
            edited(core.edit(now, deck, |edit| {
                edit.set_text(&card, TextField::Front, "¡adiós!")
            }));
            edited(core.edit(now, deck, |edit| {
                edit.set_text(&card, TextField::named("hint").unwrap(), "on leaving")
            }));
            edited(core.edit(now, deck, |edit| edit.move_card(&card, None)));
            edited(core.edit(now, deck, |edit| edit.untag(&card, "greetings")));
            edited(core.edit(now, deck, |edit| edit.detach_audio(&card, "front")));
            edited(core.edit(now, deck, |edit| edit.delete_card(&card)));
            edited(core.edit(now, deck, |edit| edit.restore_card(&card)));
            edited(core.edit(now, deck, |edit| edit.rename_deck("more words")));
            edited(core.edit(now, deck, |edit| edit.describe_deck("for travelling")));
            core.undo(now, deck).unwrap();
            core.redo(now, deck).unwrap();
        });
        world.settle();
        let mut drafts = Vec::new();
        for note in ["to accept", "to decline", "to withdraw"] {
            let draft = world.act(1, |core, now| {
                let draft = core.open_draft(now, deck, note).unwrap().value;
                edited(core.edit_draft(now, deck, draft, |edit| edit.add_card(note, "?")));
                core.propose_draft(now, deck, draft).unwrap();
                draft
            });
            world.settle();
            drafts.push(draft);
        }
        let [accept, decline, withdraw] = drafts.as_slice() else {
            unreachable!("three drafts were made");
        };
        world.act(0, |core, now| core.accept_draft(now, deck, *accept).unwrap());
        world.settle();
        world.act(0, |core, now| {
            core.decline_draft(now, deck, *decline, "not now").unwrap()
        });
        world.settle();
        world.act(1, |core, now| core.withdraw_draft(now, deck, *withdraw).unwrap());
        world.settle();
        for (from, to) in [(0, 1), (1, 0)] {
            let device = world.devices[to].core.device();
            world.act(from, |core, now| core.hand_over(now, deck, device).unwrap());
            world.settle();
            world.act(to, |core, now| {
                edited(core.edit(now, deck, |edit| edit.add_card("from", "the other")))
            });
            world.settle();
        }
        world.show_and_play(audio_again);
        world.link_up();
        assert!(world.is_in_sync());
        world
    }

    /// All that is ephemeral, and pings that say where they stand.
    fn show_and_play(&mut self, audio: AudioRef) {
        let deck = self.deck;
        let card = self.act(0, |core, now| {
            edited(core.edit(now, deck, |edit| {
                let card = edit.add_card("escucha", "listen")?;
                edit.attach_audio(&card, "front", audio)?;
                Ok(card)
            }))
        });
        self.settle();
        let presence = Presence {
            name: "Ana".to_owned(),
            colour: [1, 2, 3],
            card: Some(card.clone()),
            selection: Some(Selection {
                text: TextField::Front,
                from: 1,
                to: 3,
            }),
            is_typing: true,
        };
        self.act(1, |core, now| {
            core.set_presence(now, deck, Some(presence)).unwrap()
        });
        self.act(0, |core, now| {
            let from = std::time::Duration::from_millis(100);
            core.play(now, deck, &card, "front", from).unwrap();
        });
        self.settle();
        self.now_ms += 25_000;
        for device in 0..2 {
            self.handle(device, Input::Tick);
        }
        self.settle();
        self.act(0, |core, now| core.stop(now, deck).unwrap());
        self.act(1, |core, now| core.set_presence(now, deck, None).unwrap());
        self.settle();
    }

    pub(crate) fn act<T>(&mut self, device: usize, act: impl FnOnce(&mut Core, Time) -> T) -> T {
        self.now_ms += 1_000;
        act(&mut self.devices[device].core, Time::from_millis(self.now_ms))
    }

    /// A new link in place of the old one, and everything said until both are quiet.
    pub(crate) fn link_up(&mut self) {
        self.closed = false;
        self.link += 1;
        let (link, last) = (LinkId::new(self.link), LinkId::new(self.link - 1));
        let transcript = *blake3::hash(&self.link.to_le_bytes()).as_bytes();
        let peers = [self.devices[1].core.device(), self.devices[0].core.device()];
        for (device, peer) in peers.into_iter().enumerate() {
            self.handle(
                device,
                Input::LinkDown {
                    link: last,
                    reason: "replaced".to_owned(),
                },
            );
            self.handle(
                device,
                Input::LinkUp {
                    link,
                    peer,
                    transcript,
                },
            );
        }
        self.settle();
    }

    /// Bytes from the owner's device, which it never sent.
    pub(crate) fn receive(&mut self, device: usize, lane: Lane, bytes: &[u8]) {
        let input = Input::Received {
            link: LinkId::new(self.link),
            lane,
            bytes: Bytes::copy_from_slice(bytes),
        };
        self.handle(device, input);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    fn handle(&mut self, device: usize, input: Input) {
        self.now_ms += 1;
        let now = Time::from_millis(self.now_ms);
        self.devices[device].core.handle(now, input);
    }

    /// Carries out what both want, until they want nothing more.
    pub(crate) fn settle(&mut self) {
        self.run(true);
    }

    /// The same, and what they send is lost.
    pub(crate) fn settle_alone(&mut self) {
        self.run(false);
    }

    fn run(&mut self, is_linked: bool) {
        for _ in 0..10_000 {
            let mut quiet = true;
            for device in 0..2 {
                while let Some(output) = self.devices[device].core.poll() {
                    quiet = false;
                    self.carry_out(device, output, is_linked);
                }
            }
            if quiet {
                return;
            }
        }
        panic!("they never come to rest");
    }

    fn carry_out(&mut self, device: usize, output: Output, is_linked: bool) {
        let store = self.devices[device].store.clone();
        match output {
            Output::Save { ticket, batch } => {
                let result = store.commit(batch).wait().map_err(|error| error.to_string());
                self.handle(device, Input::Saved { ticket, result });
            }
            Output::ReadLog {
                read,
                stream,
                from,
                count,
            } => {
                let records = store.read(stream, from, count, SLICE_BYTES_MAX).unwrap();
                let records = records
                    .iter()
                    .map(|record| disk::log_record(&record.bytes).unwrap());
                let result = Ok(records.collect());
                self.handle(device, Input::LogRead { read, result });
            }
            Output::PutSnapshot { deck, .. } => {
                self.handle(device, Input::SnapshotPut { deck, result: Ok(()) })
            }
            Output::Send { lane, bytes, .. } if is_linked => {
                if lane == Lane::Control {
                    self.said.push(bytes.to_vec());
                }
                self.receive(1 - device, lane, &bytes);
            }
            Output::Work(work) => self.handle(device, work.run()),
            Output::Close { .. } => self.closed = true,
            Output::Send { .. }
            | Output::RemoveDeck { .. }
            | Output::Heartbeat { .. }
            | Output::Blob(_)
            | Output::Event(_)
            | Output::Typed { .. }
            | Output::Collected { .. }
            | Output::WakeAt(_) => {}
        }
    }

    /// Whether each knows that the other holds, durably, all that it holds itself.
    pub(crate) fn is_in_sync(&self) -> bool {
        self.devices.iter().all(|device| {
            let others = device.core.sync_state(self.deck, &|_| None).unwrap().devices;
            let in_sync = |other: &DeviceSync| other.stand.is_some_and(Stand::is_in_sync);
            others.len() == 1 && others.iter().all(in_sync)
        })
    }

    /// Every change that travelled.
    pub(crate) fn changes(&self) -> Vec<Vec<u8>> {
        let mut changes = Vec::new();
        for bytes in &self.said {
            let Ok(Message::Entries { items, .. }) = open(bytes) else {
                continue;
            };
            for item in items {
                match item {
                    Item::Changes { changes: slice, .. } => changes.extend(slice.into_iter().map(Vec::from)),
                    Item::Draft(draft) => changes.extend(draft.changes.into_iter().map(Vec::from)),
                    _ => {}
                }
            }
        }
        changes.sort();
        changes.dedup();
        changes
    }

    /// The first record of each kind that travelled.
    pub(crate) fn records(&self) -> Records {
        let mut records = Records::default();
        for bytes in &self.said {
            match open(bytes).unwrap() {
                Message::Entries { items, .. } => {
                    for item in items {
                        match item {
                            Item::Genesis(bytes) => keep(&mut records.genesis, &bytes),
                            Item::Charter(bytes) => keep(&mut records.charter, &bytes),
                            Item::Term(bytes) => keep(&mut records.term, &bytes),
                            Item::Changes { seal, .. } => keep(&mut records.seal, &seal),
                            Item::Draft(draft) => keep(&mut records.draft, &draft.record),
                            _ => {}
                        }
                    }
                }
                Message::Propose { draft, .. } => keep(&mut records.draft, &draft.record),
                Message::Withdraw { record, .. } => keep(&mut records.withdrawal, &record),
                Message::Presence { bytes, .. } => keep(&mut records.presence, &bytes),
                Message::Playback { bytes, .. } => keep(&mut records.playback, &bytes),
                Message::Word { bytes, .. } => keep(&mut records.word, &bytes),
                _ => {}
            }
        }
        records
    }

    /// What the stores hold of this form.
    pub(crate) fn kept<T: for<'b> minicbor::Decode<'b, ()>>(&self) -> Vec<Vec<u8>> {
        let values = self
            .devices
            .iter()
            .flat_map(|device| device.store.scan(&[]).unwrap());
        let values = values.map(|(_, value)| value);
        values
            .filter(|value| minicbor::decode::<T>(value).is_ok())
            .collect()
    }

    /// What those changes say of themselves.
    pub(crate) fn notes(&self) -> Vec<String> {
        let message = |bytes: &Vec<u8>| {
            Change::try_from(bytes.as_slice())
                .unwrap()
                .message()
                .map(str::to_owned)
        };
        let mut notes: Vec<String> = self.changes().iter().filter_map(message).collect();
        notes.sort();
        notes.dedup();
        notes
    }
}

/// A signed record of each kind.
#[derive(Debug, Default)]
pub(crate) struct Records {
    pub(crate) genesis: Vec<u8>,
    pub(crate) charter: Vec<u8>,
    pub(crate) term: Vec<u8>,
    pub(crate) seal: Vec<u8>,
    pub(crate) draft: Vec<u8>,
    pub(crate) withdrawal: Vec<u8>,
    pub(crate) presence: Vec<u8>,
    pub(crate) playback: Vec<u8>,
    pub(crate) word: Vec<u8>,
}

fn keep(first: &mut Vec<u8>, bytes: &[u8]) {
    if first.is_empty() {
        first.extend_from_slice(bytes);
    }
}

fn edited<T, E: std::fmt::Debug>(applied: Result<Applied<T>, E>) -> T {
    applied.unwrap().value
}
