//! The story of the slice, in the simulator: a deck, a cut cable, offline edits and a draft, reconnection, acceptance
//! and handover; over links of every quality, with devices that lose power at any moment.
//!
//! Each seed is another world. One that fails is named; `CUECARD_SEED=n` runs that one alone, and
//! `CUECARD_SEEDS=n` as many.

use std::time::Duration;

use cuecard::core::{Core, EditError, Role};
use cuecard::sim::{Peer, Sim, Stuck};
use cuecard::time::Time;
use cuecard::transport::memory::Conditions;
use cuecard::{BlobId, CardId, DeckId, DraftId, DraftState, Member, Rights};
use cuecard_tests::seeds;

const SEEDS: u64 = 100;
const LONG: Duration = Duration::from_secs(120);

type Outcome<T = ()> = Result<T, String>;

/// The two devices of the story, and what is expected of them.
struct Story {
    sim: Sim,
    laptop: Peer,
    phone: Peer,
    deck: DeckId,
    /// How many more times devices lose power: at any moment, but not for ever, or nobody would get anywhere.
    crashes: u32,
}

impl Story {
    fn begin(seed: u64, crashes: u32) -> Outcome<Self> {
        let mut sim = Sim::new(seed);
        let (laptop, phone) = (sim.device("laptop"), sim.device("phone"));
        let conditions = Conditions {
            latency: Duration::from_millis(sim.random(300)),
            jitter: Duration::from_millis(sim.random(50)),
            loss: sim.random(5) as f64 / 100.0,
            bandwidth: Some(200_000 + sim.random(5_000_000)),
        };
        sim.connect(laptop, phone, conditions);
        let deck = act(&mut sim, laptop, |core, now| core.create_deck(now, "Spanish 101"))?.value;
        let mut story = Self {
            sim,
            laptop,
            phone,
            deck,
            crashes: 0,
        };
        story.wait("the new deck is durable", |story| story.is_durable(story.laptop))?;
        story.crashes = crashes;
        Ok(story)
    }

    fn wait(&mut self, what: &str, done: impl Fn(&Self) -> bool) -> Outcome {
        // The closure wants to see the story, and the simulator is a part of it: run in small steps.
        for _ in 0..LONG.as_millis() / 20 {
            if done(self) {
                return Ok(());
            }
            self.maybe_crash()?;
            self.sim.run_for(Duration::from_millis(20));
        }
        Err(self.stuck(what))
    }

    /// What was awaited, and how things stand instead.
    fn stuck(&mut self, what: &str) -> String {
        let mut text = Stuck {
            seed: self.sim.seed(),
            what: what.to_owned(),
            waited: LONG,
        }
        .to_string();
        for peer in [self.laptop, self.phone] {
            let mut events = self.sim.take_events(peer);
            let latest = events.split_off(events.len().saturating_sub(12));
            let (head, role) = (self.sim.head(peer, self.deck), self.sim.role(peer, self.deck));
            text += &format!(
                "\n{peer:?}: linked {}, saved {}, head {head:?}, {role:?}, latest {latest:#?}",
                self.sim.is_linked(self.laptop, self.phone),
                self.is_durable(peer),
            );
        }
        text
    }

    fn maybe_crash(&mut self) -> Outcome {
        if self.crashes > 0 && self.sim.random(40) == 0 {
            self.crashes -= 1;
            let peer = if self.sim.random(2) == 0 {
                self.laptop
            } else {
                self.phone
            };
            self.sim.crash(peer);
            let pause = Duration::from_millis(self.sim.random(3_000));
            self.sim.run_for(pause);
            self.sim.restart(peer)?;
        }
        Ok(())
    }

    fn is_durable(&self, peer: Peer) -> bool {
        self.sim.is_all_saved(peer)
    }

    fn in_sync(&self) -> bool {
        let (a, b) = (
            self.sim.head(self.laptop, self.deck),
            self.sim.head(self.phone, self.deck),
        );
        a.is_some() && a == b
    }

    /// Edits until the deck has grown by `count` changes: an edit that a crash took is made again.
    fn edit_times(&mut self, peer: Peer, count: usize) -> Outcome {
        let deck = self.deck;
        let mut acknowledged = 0;
        while acknowledged < count {
            let at = self.sim.random(1_000);
            let cards = self.sim.cards(peer, deck);
            let edited = act(&mut self.sim, peer, |core, now| {
                edit_something(core, now, deck, at, &cards)
            });
            edited.map_err(|error| format!("seed {}: {error}", self.sim.seed()))?;
            let head = self.sim.head(peer, deck);
            self.wait("the edit is durable", |story| {
                story.sim.head(peer, deck) != head || story.is_durable(peer)
            })?;
            if self.sim.head(peer, deck) == head {
                acknowledged += 1;
            }
        }
        Ok(())
    }
}

fn act<T, E: std::fmt::Display>(
    sim: &mut Sim,
    peer: Peer,
    act: impl FnOnce(&mut Core, Time) -> Result<T, E>,
) -> Outcome<T> {
    let seed = sim.seed();
    sim.act(peer, act)
        .ok_or_else(|| format!("seed {seed}: the device is not running"))?
        .map_err(|error| format!("seed {seed}: {error}"))
}

fn edit_something(
    core: &mut Core,
    now: Time,
    deck: DeckId,
    at: u64,
    cards: &[cuecard::Card],
) -> Result<(), EditError> {
    let some = |nth: u64| cards[nth as usize % cards.len()].id.clone();
    core.edit(now, deck, |edit| match at % 5 {
        _ if cards.len() < 4 => edit.add_card(&format!("question {at}"), "?").map(drop),
        0 => edit.set_text(&some(at), cuecard::card::TextField::Back, &format!("answer {at}")),
        1 => {
            let field = ["back", "hint", "source"][at as usize % 3]
                .parse()
                .expect("a name");
            edit.set_text(&some(at), field, &format!("answer {at}"))
        }
        2 => edit.move_card(&some(at), Some(&some(at / 7))).or(Ok(())),
        3 if cards.len() > 6 => edit.delete_card(&some(at)),
        _ => edit.add_card(&format!("question {at}"), "?").map(drop),
    })
    .map(drop)
}

fn run(seed: u64, crashes: u32) -> Outcome {
    let mut story = Story::begin(seed, crashes)?;
    let (laptop, phone, deck) = (story.laptop, story.phone, story.deck);
    story.edit_times(laptop, 12)?;

    let audio: Vec<u8> = (0..300_000_u32)
        .map(|at| (at.wrapping_mul(seed as u32 | 1) >> 7) as u8)
        .collect();
    let audio = story.sim.import_audio(laptop, &audio)?;
    let blob: BlobId = audio.blob;
    let first = |story: &Story| -> CardId { story.sim.cards(laptop, deck)[0].id.clone() };
    story.wait_for_goal("the audio is attached", |story| {
        let card = first(story);
        let audio = audio.clone();
        let attached = story
            .sim
            .cards(laptop, deck)
            .iter()
            .any(|card| !card.audio.is_empty());
        if !attached {
            act(&mut story.sim, laptop, |core, now| {
                core.edit(now, deck, |edit| edit.attach_audio(&card, "front", audio))
            })?;
        }
        Ok(attached && story.is_durable(laptop))
    })?;

    let invite = story.sim.invite(laptop, deck, Rights::Read).ok_or("no invite")?;
    let key = invite.to_bytes()[38..].try_into().map_err(|_| "a key")?;
    let member = Member {
        device: story.sim.id(phone),
        rights: Rights::Hold,
        rank: 1,
    };
    story.wait_for_goal("the phone has joined and has everything", |story| {
        story.sim.act(phone, |core, now| core.join_deck(now, deck, key));
        let members = story
            .sim
            .act(laptop, |core, _| core.members(deck))
            .ok_or("not running")?;
        if !members.map_err(|error| error.to_string())?.contains(&member) {
            act(&mut story.sim, laptop, |core, now| {
                core.set_members(now, deck, vec![member])
            })?;
        }
        Ok(story.in_sync() && story.sim.holds_audio(phone, blob) && story.is_durable(laptop))
    })?;
    let mine = story.sim.cards(laptop, deck);
    assert_eq!(mine, story.sim.cards(phone, deck), "seed {seed}");

    // The cable is cut; both notice by themselves.
    story.sim.cut(laptop, phone);
    story.wait("both notice the cut cable", |story| {
        !story.sim.is_linked(laptop, phone)
    })?;
    story.edit_times(laptop, 20)?;
    let refused = story.sim.act(phone, |core, now| {
        core.edit(now, deck, |edit| edit.add_card("no", "no"))
    });
    let holder = story.sim.id(laptop);
    assert!(
        matches!(refused, Some(Err(EditError::NotEditor { holder: Some(named) })) if named == holder),
        "seed {seed}: a viewer's edit is refused by the name of the editor: {refused:?}"
    );
    let draft = write_draft(&mut story)?;

    // It is mended; both reconcile by themselves; the draft arrives and is accepted.
    story.sim.mend(laptop, phone);
    story.wait("the draft has arrived", |story| {
        story.in_sync()
            && story
                .sim
                .drafts(laptop, deck)
                .iter()
                .any(|info| info.draft == draft)
    })?;
    story.wait_for_goal("the draft is accepted on both", |story| {
        let state = |peer| {
            let drafts = story.sim.drafts(peer, deck);
            drafts
                .into_iter()
                .find(|info| info.draft == draft)
                .map(|info| info.state)
        };
        let (laptop_state, phone_state) = (state(laptop), state(phone));
        if laptop_state.as_ref().is_some_and(DraftState::is_proposed) {
            act(&mut story.sim, laptop, |core, now| {
                core.accept_draft(now, deck, draft)
            })?;
        }
        let accepted = Some(DraftState::Accepted);
        Ok(laptop_state == accepted && phone_state == accepted)
    })?;
    assert!(
        story
            .sim
            .cards(laptop, deck)
            .iter()
            .any(|card| card.front == "from the draft"),
        "seed {seed}"
    );

    // The role goes over, and the new editor edits.
    let phone_id = story.sim.id(phone);
    story.wait_for_goal("the role is handed over", |story| {
        let editor = story.sim.role(laptop, deck);
        if matches!(editor, Some(Role::Editor { .. })) {
            act(&mut story.sim, laptop, |core, now| {
                core.hand_over(now, deck, phone_id)
            })?;
        }
        Ok(matches!(story.sim.role(phone, deck), Some(Role::Editor { .. })) && story.is_durable(phone))
    })?;
    story.edit_times(phone, 3)?;
    story.crashes = 0;
    story.wait("both have the same head, linked", |story| {
        story.in_sync() && story.sim.is_linked(laptop, phone) && story.is_durable(laptop)
    })?;

    assert_eq!(
        story.sim.cards(laptop, deck),
        story.sim.cards(phone, deck),
        "seed {seed}"
    );
    for peer in [laptop, phone] {
        let head = story.sim.head(peer, deck).ok_or("no head")?;
        assert_eq!(
            story.sim.document_heads(peer, deck),
            [head],
            "seed {seed}: the document is the canonical path"
        );
        assert!(story.sim.holds_audio(peer, blob), "seed {seed}");
    }
    Ok(())
}

impl Story {
    /// Tries again and again, as a person would after a crash.
    fn wait_for_goal(&mut self, what: &str, mut goal: impl FnMut(&mut Self) -> Outcome<bool>) -> Outcome {
        for _ in 0..LONG.as_millis() / 20 {
            if goal(self)? {
                return Ok(());
            }
            self.maybe_crash()?;
            self.sim.run_for(Duration::from_millis(20));
        }
        Err(self.stuck(what))
    }
}

/// A draft of three changes, proposed while the cable is cut. A crash may take steps of it; then they are made again.
fn write_draft(story: &mut Story) -> Outcome<DraftId> {
    let (phone, deck) = (story.phone, story.deck);
    let mut proposed = None;
    story.wait_for_goal("a draft is proposed", |story| {
        let drafts = story.sim.drafts(phone, deck);
        let Some(draft) = drafts.into_iter().find(|info| info.state != DraftState::Accepted) else {
            act(&mut story.sim, phone, |core, now| {
                core.open_draft(now, deck, "three more")
            })?;
            return Ok(false);
        };
        if draft.state.is_proposed() {
            proposed = Some(draft.draft);
            return Ok(story.is_durable(phone));
        }
        if draft.len < 3 {
            act(&mut story.sim, phone, |core, now| {
                core.edit_draft(now, deck, draft.draft, |edit| {
                    edit.add_card("from the draft", "yes")
                })
            })?;
        } else {
            act(&mut story.sim, phone, |core, now| {
                core.propose_draft(now, deck, draft.draft)
            })?;
        }
        Ok(false)
    })?;
    proposed.ok_or_else(|| "no draft".to_owned())
}

fn run_seeds(crashes: u32) {
    for seed in seeds(SEEDS) {
        if let Err(error) = run(seed, crashes) {
            panic!("{error}\nrun it again with CUECARD_SEED={seed}");
        }
    }
}

#[test]
fn the_story_ends_the_same_over_every_link() {
    run_seeds(0);
}

#[test]
fn the_story_ends_the_same_when_devices_lose_power() {
    run_seeds(20);
}
