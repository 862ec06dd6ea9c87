//! Whether the editor is there, as an app is told it on a device that was never linked with the editor: a laptop that edits,
//! a phone that is linked with it, and a tablet that is linked with the phone alone.

use std::time::Duration;

use cuecard::core::{Core, EditError};
use cuecard::sim::{Peer, Sim};
use cuecard::sync::message::Message;
use cuecard::transport::memory::Conditions;
use cuecard::{AutoClaim, DeckId, EditorSign, Event, Member, Policies, Rights, Role};

const STEP: Duration = Duration::from_millis(200);
const MINUTE: Duration = Duration::from_secs(60);

struct Chain {
    sim: Sim,
    laptop: Peer,
    phone: Peer,
    tablet: Peer,
    deck: DeckId,
    /// What an app on each of the others believes, that looks when it is told to and not before.
    believed: [bool; 2],
    told: Vec<(Peer, Event)>,
}

impl Chain {
    fn new(seed: u64, rights: Rights) -> Self {
        let mut sim = Sim::new(seed);
        let [laptop, phone, tablet] = ["laptop", "phone", "tablet"].map(|name| sim.device(name));
        for (a, b) in [(laptop, phone), (phone, tablet)] {
            sim.connect(a, b, Conditions::latency(Duration::from_millis(40)));
        }
        let created = sim.act(laptop, |core, now| core.create_deck(now, "Spanish"));
        let deck = created.unwrap().unwrap().value;
        let mut members = [(phone, 1), (tablet, 2)].map(|(peer, rank)| Member {
            device: sim.id(peer),
            rights,
            rank,
        });
        members.sort_by_key(|member| member.device);
        let set = |core: &mut Core, now| core.set_members(now, deck, members.to_vec()).map(drop);
        sim.act(laptop, set).unwrap().unwrap();
        let key = sim.act(laptop, |core, _| core.deck_key(deck).unwrap()).unwrap();
        for other in [phone, tablet] {
            sim.act(other, |core, now| core.join_deck(now, deck, key));
        }
        let mut chain = Self {
            sim,
            laptop,
            phone,
            tablet,
            deck,
            believed: [false; 2],
            told: vec![],
        };
        chain.live(MINUTE);
        chain.told.clear();
        chain
    }

    fn sign(&self, of: Peer) -> Option<EditorSign> {
        self.sim.sync_state(of, self.deck).unwrap().editor
    }

    fn is_silent(&self, of: Peer) -> bool {
        self.sign(of).is_some_and(|sign| sign.is_silent)
    }

    /// How long ago a device heard of the editor.
    fn heard_ago(&self, of: Peer) -> Duration {
        // The clock of the simulator began then.
        let now = 1_750_000_000_000 + self.sim.elapsed().as_millis() as u64;
        Duration::from_millis(now - self.sign(of).unwrap().heard_ms.unwrap())
    }

    fn live(&mut self, time: Duration) {
        for _ in 0..time.as_millis() / STEP.as_millis() {
            self.sim.run_for(STEP);
            for (at, peer) in [self.phone, self.tablet].into_iter().enumerate() {
                let events = self.sim.take_events(peer);
                let tells = |event: &Event| {
                    matches!(
                        event,
                        Event::EditorSilent { .. } | Event::EditorHeard { .. } | Event::RoleMoved { .. }
                    )
                };
                let told: Vec<Event> = events.into_iter().filter(tells).collect();
                let now = self.is_silent(peer);
                match told.is_empty() {
                    true => assert_eq!(
                        self.believed[at],
                        now,
                        "{peer:?} was not told, seed {}",
                        self.sim.seed()
                    ),
                    false => self.believed[at] = now,
                }
                self.told.extend(told.into_iter().map(|event| (peer, event)));
            }
        }
    }

    /// What each was told since this was last asked, in order of devices.
    fn told(&mut self) -> Vec<(Peer, Event)> {
        let mut told = std::mem::take(&mut self.told);
        told.sort_by_key(|(peer, _)| *peer);
        told
    }

    fn silent(&self) -> Event {
        let (deck, editor) = (self.deck, self.sim.id(self.laptop));
        Event::EditorSilent { deck, editor }
    }

    fn heard(&self) -> Event {
        let (deck, editor) = (self.deck, self.sim.id(self.laptop));
        Event::EditorHeard { deck, editor }
    }
}

/// How often an editor shows itself, and how long it may be silent.
const EVERY: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(75);

#[test]
fn of_an_editor_that_is_gone_everybody_is_told_and_again_when_it_is_back() {
    // Where others may take over, and where nobody may.
    for (seed, rights) in [(1, Rights::Hold), (2, Rights::Draft)] {
        let (patience, every) = (PATIENCE, EVERY);
        let mut chain = Chain::new(seed, rights);
        let (phone, tablet) = (chain.phone, chain.tablet);
        chain.live(5 * MINUTE);
        assert_eq!(chain.told(), [], "it is there: {rights:?}");
        assert!(
            chain.heard_ago(tablet) <= every + STEP,
            "{:?}",
            chain.heard_ago(tablet)
        );

        chain.sim.crash(chain.laptop);
        let died = chain.sim.elapsed();
        chain.live(patience - every - STEP * 2);
        assert_eq!(chain.told(), [], "that may be a slow path: {rights:?}");
        while chain.told.len() < 2 && chain.sim.elapsed() < died + patience * 2 {
            chain.live(STEP);
        }
        // The phone knows a moment longer that it was linked.
        assert!(
            chain.sim.elapsed() <= died + patience + Duration::from_secs(3),
            "{rights:?}"
        );
        assert_eq!(chain.told(), [(phone, chain.silent()), (tablet, chain.silent())]);
        chain.live(5 * MINUTE);
        assert_eq!(chain.told(), [], "it is said once");
        assert!(chain.heard_ago(tablet) > 5 * MINUTE);
        let sign = chain.sign(tablet).unwrap();
        assert_eq!((sign.editor, sign.is_silent), (chain.sim.id(chain.laptop), true));
        // Everybody reads on and writes drafts, and nobody edits.
        let (deck, laptop) = (chain.deck, chain.sim.id(chain.laptop));
        let head = chain.sim.head(tablet, deck);
        for peer in [phone, tablet] {
            let edited = chain.sim.act(peer, |core, now| {
                core.edit(now, deck, |edit| edit.add_card("not to be", "").map(drop))
            });
            assert!(
                matches!(edited, Some(Err(EditError::NotEditor { holder })) if holder == Some(laptop)),
                "{rights:?}: {edited:?}"
            );
            assert_eq!(chain.sim.head(peer, deck), head);
            chain.sim.act(peer, |core, now| {
                let draft = core.open_draft(now, deck, "meanwhile").unwrap().value;
                core.edit_draft(now, deck, draft, |edit| edit.add_card("draft", "").map(drop))
                    .unwrap();
                core.propose_draft(now, deck, draft).unwrap();
            });
        }

        chain.sim.restart(chain.laptop).unwrap();
        chain.live(every + Duration::from_secs(5));
        assert_eq!(
            chain.told(),
            [(phone, chain.heard()), (tablet, chain.heard())],
            "{rights:?}"
        );
        assert!(!chain.is_silent(tablet));
        // And all comes right: it has the drafts of both, and what it makes of them reaches both.
        for draft in chain.sim.drafts(chain.laptop, deck) {
            let accepted = chain.sim.act(chain.laptop, |core, now| {
                core.accept_draft(now, deck, draft.draft).map(drop)
            });
            accepted.unwrap().unwrap();
        }
        chain.live(Duration::from_secs(10));
        for peer in [chain.laptop, phone, tablet] {
            let fronts = chain.sim.cards(peer, deck).into_iter().map(|card| card.front);
            assert_eq!(
                fronts.collect::<Vec<_>>(),
                ["draft", "draft"],
                "{rights:?}, {peer:?}"
            );
        }
    }
}

#[test]
fn a_new_editor_is_waited_for_anew() {
    let mut chain = Chain::new(3, Rights::Hold);
    let (phone, tablet, deck) = (chain.phone, chain.tablet, chain.deck);
    chain.sim.crash(chain.laptop);
    chain.live(2 * MINUTE);
    chain.told.clear();
    assert!(chain.is_silent(tablet) && chain.is_silent(phone));
    chain
        .sim
        .act(phone, |core, now| core.claim(now, deck))
        .unwrap()
        .unwrap();
    chain.live(2 * MINUTE);
    let moved = Event::RoleMoved {
        deck,
        editor: Some(chain.sim.id(phone)),
    };
    assert_eq!(chain.told(), [(phone, moved.clone()), (tablet, moved)]);
    assert_eq!(chain.sign(phone), None, "it is the editor itself");
    assert!(!chain.is_silent(tablet));
}

/// One that is started again, or slept, does not know yet; it waits before it says so.
#[test]
fn who_begins_anew_waits_as_long_before_it_says_so() {
    let mut chain = Chain::new(5, Rights::Hold);
    let tablet = chain.tablet;
    chain.sim.crash(chain.laptop);
    chain.sim.crash(tablet);
    chain.sim.restart(tablet).unwrap();
    chain.believed[1] = false;
    chain.live(PATIENCE - Duration::from_secs(1));
    let sign = chain.sign(tablet).unwrap();
    assert_eq!((sign.heard_ms, sign.is_silent), (None, false));
    // It has waited since the phone was linked with it again.
    chain.live(Duration::from_secs(8));
    assert!(chain.is_silent(tablet));
    assert!(chain.told().contains(&(tablet, chain.silent())));
}

/// Silence says that nothing of the editor reaches this device, and no more: here those in between do not pass it on.
#[test]
fn who_is_linked_with_the_editor_is_not_told_and_who_hears_nothing_is() {
    let mut chain = Chain::new(7, Rights::Hold);
    let (laptop, phone, tablet) = (chain.laptop, chain.phone, chain.tablet);
    chain
        .sim
        .swallow(laptop, phone, |message| matches!(message, Message::Word { .. }));
    chain.live(2 * MINUTE);
    assert_eq!(chain.told(), [(tablet, chain.silent())]);
    assert!(!chain.is_silent(phone));
    chain.sim.cut(laptop, phone);
    chain.live(2 * MINUTE);
    assert_eq!(chain.told(), [(phone, chain.silent())]);
    chain.sim.mend(laptop, phone);
    chain.live(MINUTE);
    assert_eq!(chain.told(), [(phone, chain.heard())]);
    assert!(chain.is_silent(tablet));
}

/// Of two that are linked with the editor and with each other, one passes its signs on to the other: whichever of them loses
/// its way to the editor still has the other's.
#[test]
fn who_loses_its_link_with_the_editor_has_its_signs_from_a_neighbour() {
    for lost in [0, 1] {
        let mut chain = Chain::new(11, Rights::Hold);
        let (laptop, phone, tablet) = (chain.laptop, chain.phone, chain.tablet);
        chain
            .sim
            .connect(laptop, tablet, Conditions::latency(Duration::from_millis(40)));
        chain.live(5 * MINUTE);
        let lost = [phone, tablet][lost];
        chain.sim.cut(laptop, lost);
        for _ in 0..5 {
            chain.live(MINUTE);
            assert!(
                chain.heard_ago(lost) <= 2 * EVERY + STEP,
                "{:?}",
                chain.heard_ago(lost)
            );
        }
        assert_eq!(chain.told(), [], "it is there: {lost:?}");
    }
}

/// Others go by the interval that an editor stated last.
#[test]
fn an_editor_that_shows_itself_more_rarely_from_now_on_is_not_missed() {
    let mut chain = Chain::new(9, Rights::Hold);
    let (laptop, deck) = (chain.laptop, chain.deck);
    let set = |chain: &mut Chain, peer, auto_claim| {
        let policies = Policies {
            auto_claim,
            ..Policies::default()
        };
        let set = |core: &mut Core, _| core.set_policies(deck, policies);
        chain.sim.act(peer, set).unwrap().unwrap();
    };
    let soon = AutoClaim::After(Duration::from_secs(1));
    for peer in [laptop, chain.phone, chain.tablet] {
        set(&mut chain, peer, soon);
    }
    chain.live(MINUTE);
    // It leaves claiming to people now, and nobody else knows: they would claim after a second.
    set(&mut chain, laptop, AutoClaim::Never);
    chain.live(2 * MINUTE);
    assert_eq!(chain.told(), []);
    // Nobody else may have the role from now on.
    let others = [chain.phone, chain.tablet];
    let mut members = others.map(|peer| Member {
        device: chain.sim.id(peer),
        rights: Rights::Draft,
        rank: 1,
    });
    members.sort_by_key(|member| member.device);
    let set = |core: &mut Core, now| core.set_members(now, deck, members.to_vec()).map(drop);
    chain.sim.act(laptop, set).unwrap().unwrap();
    chain.live(5 * MINUTE);
    assert_eq!(chain.told(), []);
    assert!(matches!(chain.sim.role(laptop, deck), Some(Role::Editor { .. })));
}
