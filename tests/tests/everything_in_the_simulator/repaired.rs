//! Whatever is lost for some time, comes twice, or is said again on another link than it was meant for: the next link
//! repairs it. Kind by kind, for every message of the protocol and for frames of audio: a story that says all of them is
//! told while one kind is tampered with; then cables are cut and mended, and all is as if nothing had been.

use std::collections::BTreeSet;
use std::time::Duration;

use cuecard::core::Core;
use cuecard::sim::{Backup, Peer, Sim};
use cuecard::sync::envelope::open;
use cuecard::sync::message::Message;
use cuecard::time::Time;
use cuecard::transport::memory::Conditions;
use cuecard::transport::{DeviceKey, Lane};
use cuecard::{AudioRef, BlobId, DeckId, DraftId, DraftState, Event, Member, Presence, Rights, Role};
use cuecard_tests::messages::names;
use cuecard_tests::on_all_cores;

use crate::world::Outcome;

/// What is no message: the other lane.
const FRAME: &str = "a frame of audio";
/// These are said only where more is settled than may be kept aside: they have a story of their own.
const FAR_AWAY: [&str; 2] = ["Whence", "Lineage"];
const LONG: Duration = Duration::from_secs(120);

/// What is done to all messages of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Harm {
    Lost,
    Twice,
}

fn kind_of(message: Option<&Message>) -> &'static str {
    message.map_or(FRAME, Message::name)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn tamper(sim: &mut Sim, kind: &'static str, harm: Harm) {
    sim.tamper(move |message| match (kind_of(message) == kind, harm) {
        (false, _) => 1,
        (true, Harm::Lost) => 0,
        (true, Harm::Twice) => 2,
    });
}

/// The kinds of all that was said.
fn said(sim: &Sim) -> BTreeSet<&'static str> {
    let kind = |lane: Lane, bytes: &[u8]| match lane {
        Lane::Binary => FRAME,
        Lane::Control => kind_of(open(bytes).ok().as_ref()),
    };
    let recorded = sim.recorded_ways();
    recorded.map(|(_, _, lane, bytes)| kind(lane, bytes)).collect()
}

/// Everything of a kind that was said is said again, in the same order, to the same devices, on the links of now.
fn say_again(sim: &mut Sim, kind: &str, recorded: &[(Peer, Peer, Lane, bytes::Bytes)]) {
    for (from, to, lane, bytes) in recorded {
        let is_it = match lane {
            Lane::Binary => kind == FRAME,
            Lane::Control => open(bytes).is_ok_and(|message| message.name() == kind),
        };
        if is_it {
            assert!(sim.say_again((*from, *to), *lane, bytes), "they are linked");
            sim.run_for(Duration::from_millis(1));
        }
    }
}

fn all_said(sim: &Sim) -> Vec<(Peer, Peer, Lane, bytes::Bytes)> {
    let recorded = sim.recorded_ways();
    recorded
        .map(|(from, to, lane, bytes)| (from, to, lane, bytes.clone()))
        .collect()
}

/// A laptop that owns the deck; a phone that may hold the role, between it and a tablet that comes with an invite to draft; and
/// a watch that may read. The deck's key was turned over while phone and watch were away.
struct Story {
    sim: Sim,
    deck: DeckId,
    peers: [Peer; 4],
    audio: Vec<BlobId>,
    proposed: Vec<DraftId>,
    withdrawn: Vec<DraftId>,
}

impl Story {
    fn begin() -> Self {
        let mut sim = Sim::new(7);
        let peers = ["laptop", "phone", "tablet", "watch"].map(|name| sim.device(name));
        let [laptop, phone, tablet, watch] = peers;
        let create = |core: &mut Core, now| core.create_deck(now, "Spanish").unwrap().value;
        let deck = sim.act(laptop, create).unwrap();
        let key = sim.act(laptop, |core, _| core.deck_key(deck).unwrap()).unwrap();
        let gone = DeviceKey::from_bytes(&[3; 32]).id();
        let (reads, holds) = (Rights::Read, Rights::Hold);
        let ranked = [
            (sim.id(phone), holds, 1),
            (sim.id(watch), reads, 2),
            (gone, reads, 3),
        ];
        let mut members: Vec<Member> = ranked
            .map(|(device, rights, rank)| Member { device, rights, rank })
            .into();
        members.sort_by_key(|member| member.device);
        for peer in [phone, watch] {
            sim.act(peer, |core, now| core.join_deck(now, deck, key));
        }
        sim.act(laptop, |core, now| {
            core.set_members(now, deck, members).map(drop).unwrap()
        });
        sim.run_for(seconds(1));
        sim.act(laptop, |core, now| {
            core.remove_member(now, deck, gone).map(drop).unwrap()
        });
        sim.run_for(seconds(1));
        let invite = sim.invite(laptop, deck, Rights::Draft).unwrap();
        sim.act(tablet, |core, now| core.join(now, &invite));
        sim.run_for(seconds(1));
        Self {
            sim,
            deck,
            peers,
            audio: vec![],
            proposed: vec![],
            withdrawn: vec![],
        }
    }

    fn cables(&self) -> [(Peer, Peer); 3] {
        let [laptop, phone, tablet, watch] = self.peers;
        [(laptop, phone), (phone, tablet), (laptop, watch)]
    }

    /// Does what may not be possible, as something that it rests on was lost.
    fn attempt<T, E>(
        &mut self,
        peer: Peer,
        act: impl FnOnce(&mut Core, Time, DeckId) -> Result<T, E>,
    ) -> Option<T> {
        let deck = self.deck;
        self.sim
            .act(peer, |core, now| act(core, now, deck).ok())
            .flatten()
    }

    fn record_sound(&mut self, peer: Peer, number: u8) -> AudioRef {
        let sound: Vec<u8> = (0..200_000_u32)
            .map(|at| (at.wrapping_mul(at) >> 7) as u8 ^ number)
            .collect();
        self.sim.import_audio(peer, &sound).unwrap()
    }

    fn add(&mut self, peer: Peer, front: &str, audio: Option<AudioRef>) -> bool {
        let blob = audio.as_ref().map(|audio| audio.blob);
        let added = self.attempt(peer, |core, now, deck| {
            core.edit(now, deck, |edit| {
                let card = edit.add_card(front, "?")?;
                audio.map_or(Ok(()), |audio| edit.attach_audio(&card, "front", audio))
            })
            .map(drop)
        });
        if added.is_some() {
            self.audio.extend(blob);
        }
        added.is_some()
    }

    fn propose(&mut self, peer: Peer, front: &str, audio: Option<AudioRef>) -> Option<DraftId> {
        let opened = self.attempt(peer, |core, now, deck| core.open_draft(now, deck, front));
        let draft = opened?.value;
        self.attempt(peer, |core, now, deck| {
            core.edit_draft(now, deck, draft, |edit| {
                let card = edit.add_card(front, "?")?;
                audio.map_or(Ok(()), |audio| edit.attach_audio(&card, "front", audio))
            })
        })?;
        self.attempt(peer, |core, now, deck| core.propose_draft(now, deck, draft))?;
        Some(draft)
    }

    fn show_all(&mut self) {
        for peer in self.peers {
            let presence = Presence {
                name: format!("{peer:?}"),
                ..Presence::default()
            };
            self.attempt(peer, |core, now, deck| {
                core.set_presence(now, deck, Some(presence))
            });
        }
    }

    /// All that makes devices speak, in a quarter of a minute or so.
    fn live(&mut self) {
        let [laptop, phone, tablet, watch] = self.peers;
        for (a, b) in self.cables() {
            let path = Conditions {
                bandwidth: Some(400_000),
                ..Conditions::latency(Duration::from_millis(20))
            };
            self.sim.connect(a, b, path);
        }
        self.sim.run_for(seconds(2));
        let sound = self.record_sound(laptop, 1);
        self.add(laptop, "with audio", Some(sound.clone()));
        self.sim.run_for(seconds(1));
        self.show_all();
        let cards = self.sim.cards(laptop, self.deck);
        let card = cards.last().unwrap().id.clone();
        self.attempt(laptop, |core, now, deck| {
            core.play(now, deck, &card, "front", Duration::ZERO)
        });
        let sound = self.record_sound(tablet, 2);
        let blob = sound.blob;
        let first = self.propose(tablet, "a draft", Some(sound));
        self.audio.extend(first.map(|_| blob));
        self.proposed.extend(first);
        let second = self.propose(tablet, "taken back", None);
        // Of one who may only read: nobody takes it, and says so.
        self.propose(watch, "refused", None);
        self.attempt(phone, |core, now, deck| core.request_role(now, deck, "please"));
        self.sim.run_for(seconds(2));
        if let Some(draft) = second {
            self.attempt(tablet, |core, now, deck| core.withdraw_draft(now, deck, draft));
            self.withdrawn.push(draft);
        }
        // Apart, both of them edit.
        self.sim.cut(laptop, phone);
        self.sim.run_for(seconds(3));
        self.add(laptop, "by the laptop", None);
        self.attempt(phone, |core, now, deck| core.claim(now, deck));
        self.add(phone, "by the phone", None);
        self.sim.run_for(seconds(1));
        self.sim.mend(laptop, phone);
        self.sim.run_for(seconds(4));
    }

    /// New links take the place of all that there are.
    fn link_anew(&mut self) {
        for (a, b) in self.cables() {
            self.sim.cut(a, b);
        }
        self.sim.run_for(seconds(3));
        for (a, b) in self.cables() {
            self.sim.mend(a, b);
        }
    }

    fn editors(&self) -> Vec<Peer> {
        let edits = |peer: &Peer| matches!(self.sim.role(*peer, self.deck), Some(Role::Editor { .. }));
        self.peers.into_iter().filter(edits).collect()
    }

    /// What is not yet as it should be, if anything.
    fn lacks(&mut self) -> Option<String> {
        let (deck, peers) = (self.deck, self.peers);
        let linked = self.cables().iter().all(|&(a, b)| self.sim.is_linked(a, b));
        if !linked || !peers.iter().all(|&peer| self.sim.is_all_saved(peer)) {
            return Some("all are linked, and have saved".to_owned());
        }
        let of = |peer: Peer| (self.sim.head(peer, deck), self.sim.holdings(peer, deck));
        let first = of(peers[0]);
        if peers.iter().any(|&peer| of(peer) != first) {
            return Some("all hold the same".to_owned());
        }
        let [editor] = self.editors()[..] else {
            return Some(format!("one may edit, not {:?}", self.editors()));
        };
        for peer in peers {
            let key = self.attempt(peer, |core, _, deck| core.deck_key(deck));
            if key != self.attempt(editor, |core, _, deck| core.deck_key(deck)) {
                return Some(format!("{peer:?} has the deck's key"));
            }
            let is_let_in = self.sim.rights(peer, deck, self.sim.id(peers[2])) == Some(Rights::Draft);
            if !is_let_in {
                return Some(format!("{peer:?} knows that the tablet was let in"));
            }
            let cards = self.sim.cards(peer, deck);
            let named = cards
                .iter()
                .flat_map(|card| card.audio.values().map(|audio| audio.blob));
            let mut lacking = named.filter(|blob| !self.sim.holds_audio(peer, *blob));
            if let Some(blob) = lacking.next() {
                return Some(format!("{peer:?} has {blob:?}"));
            }
            let there = self.sim.presence(peer, deck);
            if there.len() + 1 != peers.len() {
                return Some(format!("{peer:?} sees everybody, not {} others", there.len()));
            }
        }
        let drafts = self.sim.drafts(editor, deck);
        let state = |id: &DraftId| {
            drafts
                .iter()
                .find(|draft| draft.draft == *id)
                .map(|draft| &draft.state)
        };
        if let Some(draft) = self
            .proposed
            .iter()
            .find(|draft| !state(draft).is_some_and(DraftState::is_proposed))
        {
            return Some(format!("{draft:?} is there to be decided on"));
        }
        if let Some(draft) = self
            .withdrawn
            .iter()
            .find(|draft| state(draft).is_some_and(DraftState::is_proposed))
        {
            return Some(format!("{draft:?} is taken back"));
        }
        None
    }

    fn settle(&mut self) -> Outcome {
        let end = self.sim.elapsed() + LONG;
        loop {
            let Some(lack) = self.lacks() else { return Ok(()) };
            if self.sim.elapsed() > end {
                return Err(lack);
            }
            self.sim.run_for(Duration::from_millis(250));
        }
    }

    /// It is as if nothing had been: all is there, nobody is blamed, and it goes on like that.
    fn is_whole(&mut self) -> Outcome {
        // Where they could not be shown before: the deck was not there.
        self.show_all();
        self.settle()?;
        if !self.sim.sent_too_early().is_empty() {
            return Err(format!("sent too early: {:?}", self.sim.sent_too_early()));
        }
        let is_blame = |event: &Event| {
            matches!(
                event,
                Event::Refused { .. }
                    | Event::DeckBroken { .. }
                    | Event::AudioSourceBanned { .. }
                    | Event::TwoSeals { .. }
            )
        };
        for peer in self.peers {
            if let Some(blame) = self.sim.take_events(peer).into_iter().find(is_blame) {
                return Err(format!("{peer:?} was told {blame:?}"));
            }
        }
        let tablet = self.peers[2];
        let [editor] = self.editors()[..] else {
            return Err("nobody may edit".to_owned());
        };
        let number = self.audio.len() as u8 + 10;
        let sound = self.record_sound(editor, number);
        if !self.add(editor, "goes on", Some(sound)) {
            return Err("the editor may not edit".to_owned());
        }
        let draft = self.propose(tablet, "goes on, too", None);
        self.proposed.push(draft.ok_or("the tablet cannot draft")?);
        self.settle().map_err(|lack| format!("it goes on, but: {lack}"))?;
        // There is room for eight, and this is asked again and again.
        for draft in std::mem::take(&mut self.proposed) {
            self.attempt(editor, |core, now, deck| core.accept_draft(now, deck, draft));
        }
        self.settle()
            .map_err(|lack| format!("its drafts are accepted, but: {lack}"))?;
        // All that was ever recorded is in the deck by now.
        for blob in &self.audio {
            if let Some(peer) = self
                .peers
                .iter()
                .find(|peer| !self.sim.holds_audio(**peer, *blob))
            {
                return Err(format!("{peer:?} never had {blob:?}"));
            }
        }
        Ok(())
    }
}

fn harmed(kind: &'static str, harm: Harm) -> Outcome {
    let mut story = Story::begin();
    tamper(&mut story.sim, kind, harm);
    story.live();
    story.sim.tamper_no_more();
    story.link_anew();
    story.is_whole()
}

/// All kinds but those that are said far away.
fn kinds() -> Vec<&'static str> {
    let mut kinds: Vec<&str> = names()
        .into_iter()
        .filter(|name| !FAR_AWAY.contains(name))
        .collect();
    kinds.push(FRAME);
    kinds
}

#[test]
fn whatever_is_lost_or_comes_twice_is_repaired_by_the_next_link() {
    let cases: Vec<_> = [Harm::Lost, Harm::Twice]
        .into_iter()
        .flat_map(|harm| kinds().into_iter().map(move |kind| (kind, harm)))
        .collect();
    let told = on_all_cores((0..cases.len() as u64).collect(), |at| {
        let (kind, harm) = cases[at as usize];
        harmed(kind, harm)
            .err()
            .map(|lack| format!("{kind} {harm:?}: not so in the end: {lack}"))
    });
    let wrong: Vec<String> = told.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_was_said_on_another_link_is_repaired_by_the_next_one() {
    let mut story = Story::begin();
    story.sim.record();
    story.live();
    let kinds = kinds();
    assert_eq!(
        said(&story.sim),
        kinds.iter().copied().collect(),
        "the story says all of them"
    );
    let recorded = all_said(&story.sim);
    story.link_anew();
    story.is_whole().unwrap();
    for kind in kinds {
        say_again(&mut story.sim, kind, &recorded);
        story.sim.run_for(seconds(2));
        story.link_anew();
        story
            .is_whole()
            .unwrap_or_else(|lack| panic!("{kind} said again: not so in the end: {lack}"));
    }
}

/// An owner's deck that another one edited for long, who is no member any more.
struct FarAway {
    backup: Backup,
    deck: DeckId,
}

const SEED: u64 = 91;

impl FarAway {
    fn begin() -> Self {
        let mut sim = Sim::new(SEED);
        let [owner, tom] = ["owner", "tom"].map(|name| sim.device(name));
        let create = |core: &mut Core, now| core.create_deck(now, "Spanish").unwrap().value;
        let deck = sim.act(owner, create).unwrap();
        let member = Member {
            device: sim.id(tom),
            rights: Rights::Hold,
            rank: 1,
        };
        let (tom_id, owner_id) = (sim.id(tom), sim.id(owner));
        sim.act(owner, |core, now| {
            core.set_members(now, deck, vec![member]).map(drop).unwrap()
        });
        let key = sim.act(owner, |core, _| core.deck_key(deck).unwrap()).unwrap();
        sim.act(tom, |core, now| core.join_deck(now, deck, key));
        sim.connect(owner, tom, Conditions::PERFECT);
        sim.run_for(seconds(2));
        sim.act(owner, |core, now| {
            core.hand_over(now, deck, tom_id).map(drop).unwrap()
        });
        sim.run_for(seconds(2));
        for _ in 0..cuecard::limits::TERMS_ASIDE_PER_MEMBER_MAX + 4 {
            sim.act(tom, |core, now| {
                core.hand_over(now, deck, tom_id).map(drop).unwrap()
            });
        }
        sim.act(tom, |core, now| {
            core.hand_over(now, deck, owner_id).map(drop).unwrap()
        });
        sim.run_for(seconds(5));
        let add = |core: &mut Core, now| {
            core.edit(now, deck, |edit| edit.add_card("dos", "two").map(drop))
                .map(drop)
                .unwrap();
        };
        sim.act(owner, add).unwrap();
        sim.run_for(seconds(30));
        sim.act(owner, |core, now| {
            core.remove_member(now, deck, tom_id).map(drop).unwrap()
        });
        sim.run_for(seconds(30));
        let backup = sim.backup(owner).unwrap();
        Self { backup, deck }
    }

    /// The owner again, and one who has joined.
    fn joined(&self) -> (Sim, [Peer; 2]) {
        let mut sim = Sim::new(SEED);
        let owner = sim.device("owner");
        sim.restore_backup(owner, &self.backup).unwrap();
        let newcomer = sim.device("newcomer");
        let invite = sim.invite(owner, self.deck, Rights::Read).unwrap();
        sim.act(newcomer, |core, now| core.join(now, &invite));
        (sim, [owner, newcomer])
    }

    fn is_whole(&self, sim: &mut Sim, [owner, newcomer]: [Peer; 2]) -> Outcome {
        sim.cut(owner, newcomer);
        sim.run_for(seconds(3));
        sim.mend(owner, newcomer);
        let deck = self.deck;
        let same = |sim: &Sim| {
            let head = sim.head(newcomer, deck);
            sim.is_linked(owner, newcomer)
                && head.is_some()
                && head == sim.head(owner, deck)
                && sim.holdings(owner, deck) == sim.holdings(newcomer, deck)
        };
        sim.run_until("both hold the same", LONG, same)
            .map_err(|stuck| stuck.to_string())?;
        let told = [owner, newcomer]
            .into_iter()
            .flat_map(|peer| sim.take_events(peer));
        let told: Vec<Event> = told.collect();
        match told
            .iter()
            .find(|event| matches!(event, Event::Refused { .. } | Event::DeckBroken { .. }))
        {
            None => Ok(()),
            Some(blame) => Err(format!("{blame:?}")),
        }
    }
}

#[test]
fn the_way_to_what_is_settled_is_repaired_as_well() {
    let story = FarAway::begin();
    let mut recorded = Vec::new();
    for kind in FAR_AWAY {
        for harm in [None, Some(Harm::Lost), Some(Harm::Twice)] {
            let (mut sim, [owner, newcomer]) = story.joined();
            if let Some(harm) = harm {
                tamper(&mut sim, kind, harm);
            }
            sim.record();
            sim.connect(owner, newcomer, Conditions::latency(Duration::from_millis(20)));
            sim.run_for(seconds(5));
            if harm.is_none() {
                assert!(said(&sim).contains(kind), "{kind} is said");
                recorded = all_said(&sim);
            }
            sim.tamper_no_more();
            let whole = story.is_whole(&mut sim, [owner, newcomer]);
            whole.unwrap_or_else(|why| panic!("{kind} {harm:?}: {why}"));
            if harm.is_none() {
                say_again(&mut sim, kind, &recorded);
                let whole = story.is_whole(&mut sim, [owner, newcomer]);
                whole.unwrap_or_else(|why| panic!("{kind} said again: {why}"));
            }
        }
    }
}
