//! A device loses power after any step of anything that it does with authority: a batch that became durable, a message
//! that came or went. It starts again from its disk, and nothing that another device held by then is lost.
//!
//! For each deed and each device that takes part, the same world is run again and again, with the power cut one step
//! later each time, until the deed is done everywhere before the cut.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::Duration;

use cuecard::core::Core;
use cuecard::sim::{Fate, Peer, Sim};
use cuecard::time::Time;
use cuecard::transport::DeviceKey;
use cuecard::transport::memory::Conditions;
use cuecard::{
    ChangeHash, DeckId, DeviceId, DraftId, DraftState, Event, LateWorkPolicy, Member, Policies, Rights, Role,
    SettlePolicy,
};

const SOON: Duration = Duration::from_secs(6);
/// More steps than any deed here takes.
const STEPS: usize = 400;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    /// In a term that this run opened before: changes and seals leave before the disk has them.
    Edits,
    FreshTerm,
    HandOver,
    Members,
    Remove,
    Release,
    Claim,
    TakeOver,
    Transfer,
    Admit,
    Propose,
    Withdraw,
    Accept,
    Decline,
    AcceptLate,
    Reorganise,
}

/// How a deck looks from a device.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    head: Option<ChangeHash>,
    editor: Option<DeviceId>,
    owner: Option<DeviceId>,
    members: Vec<Member>,
    /// What one may do that is let in.
    guest: Option<Rights>,
    /// How far the draft is: 1 proposed, 2 accepted, declined or withdrawn.
    draft: u8,
}

struct World {
    sim: Sim,
    deck: DeckId,
    laptop: Peer,
    phone: Peer,
    tablet: Peer,
    draft: Option<DraftId>,
}

impl World {
    fn new() -> Self {
        let mut sim = Sim::new(1);
        let [laptop, phone, tablet] = ["laptop", "phone", "tablet"].map(|name| sim.device(name));
        let deck = sim.act(laptop, |core, now| {
            core.create_deck(now, "Spanish").unwrap().value
        });
        let deck = deck.unwrap();
        let mut world = Self {
            sim,
            deck,
            laptop,
            phone,
            tablet,
            draft: None,
        };
        let members = world.members(Rights::Draft);
        world.act(laptop, |core, now| core.set_members(now, deck, members).unwrap());
        let key = world.act(laptop, |core, _| core.deck_key(deck).unwrap());
        for peer in [phone, tablet] {
            world.act(peer, |core, now| core.join_deck(now, deck, key));
            world.sim.connect(laptop, peer, Conditions::PERFECT);
        }
        world.sim.connect(phone, tablet, Conditions::PERFECT);
        world.edit(laptop, "uno");
        world.sim.run_for(SOON);
        world
    }

    fn all(&self) -> [Peer; 3] {
        [self.laptop, self.phone, self.tablet]
    }

    /// The phone may hold the role; the tablet has these rights.
    fn members(&self, tablet: Rights) -> Vec<Member> {
        let mut members = vec![(self.phone, Rights::Hold, 1), (self.tablet, tablet, 2)]
            .into_iter()
            .map(|(peer, rights, rank)| Member {
                device: self.sim.id(peer),
                rights,
                rank,
            })
            .collect::<Vec<_>>();
        members.sort_by_key(|member| member.device);
        members
    }

    fn act<R>(&mut self, peer: Peer, act: impl FnOnce(&mut Core, Time) -> R) -> R {
        self.sim.act(peer, act).expect("it is running")
    }

    fn edit(&mut self, peer: Peer, front: &str) {
        let deck = self.deck;
        self.act(peer, |core, now| {
            core.edit(now, deck, |edit| edit.add_card(front, "?").map(drop))
                .unwrap()
        });
    }

    fn propose(&mut self) {
        let (tablet, deck, draft) = (self.tablet, self.deck, self.draft.unwrap());
        self.act(tablet, |core, now| core.propose_draft(now, deck, draft).unwrap());
    }

    fn restart(&mut self, peer: Peer) {
        self.sim.crash(peer);
        self.sim.restart(peer).expect("it opens again");
        self.sim.run_for(SOON);
    }

    /// What must be there before the deed.
    fn prepare(&mut self, deed: Deed) {
        let (deck, laptop, tablet) = (self.deck, self.laptop, self.tablet);
        match deed {
            Deed::FreshTerm => self.restart(laptop),
            Deed::Claim => {
                self.act(laptop, |core, now| core.release(now, deck).unwrap());
            }
            Deed::TakeOver => {
                let phone = self.sim.id(self.phone);
                self.act(laptop, |core, now| core.hand_over(now, deck, phone).unwrap());
            }
            Deed::Propose | Deed::Accept | Deed::Decline | Deed::Withdraw => {
                let draft = self.act(tablet, |core, now| {
                    core.open_draft(now, deck, "more").unwrap().value
                });
                self.draft = Some(draft);
                self.act(tablet, |core, now| {
                    core.edit_draft(now, deck, draft, |edit| edit.add_card("drafted", "?").map(drop))
                        .unwrap()
                });
                if deed != Deed::Propose {
                    self.propose();
                }
            }
            Deed::AcceptLate => self.restore_an_older_disk(LateWorkPolicy::Ask),
            Deed::Reorganise => self.restore_an_older_disk(LateWorkPolicy::Accept),
            Deed::Edits
            | Deed::HandOver
            | Deed::Members
            | Deed::Remove
            | Deed::Release
            | Deed::Transfer
            | Deed::Admit => {}
        }
        if deed != Deed::Reorganise {
            self.mend();
            self.sim.run_for(SOON);
        }
    }

    /// The laptop's disk becomes one that lacks two cards, which the others hold; and it edits on, alone.
    fn restore_an_older_disk(&mut self, late_work: LateWorkPolicy) {
        let (deck, laptop) = (self.deck, self.laptop);
        let backup = self.sim.backup(laptop).unwrap();
        for front in ["dos", "tres"] {
            self.edit(laptop, front);
            self.sim.run_for(SOON);
        }
        for peer in [self.phone, self.tablet] {
            self.sim.cut(laptop, peer);
        }
        self.sim.run_for(SOON);
        self.sim.restore_backup(laptop, &backup).unwrap();
        self.act(laptop, |core, _| {
            let policies = Policies {
                late_work,
                settle: SettlePolicy::ByHand,
                ..Policies::default()
            };
            core.set_policies(deck, policies).unwrap();
        });
        self.edit(laptop, "cuatro");
        self.sim.run_for(SOON);
    }

    fn mend(&mut self) {
        for peer in [self.phone, self.tablet] {
            self.sim.mend(self.laptop, peer);
        }
    }

    fn begin(&mut self, deed: Deed) {
        let (deck, laptop) = (self.deck, self.laptop);
        let [phone, tablet] = [self.phone, self.tablet].map(|peer| self.sim.id(peer));
        match deed {
            Deed::FreshTerm => self.edit(laptop, "fresh"),
            Deed::Edits => {
                for front in ["fresh", "and another"] {
                    self.edit(laptop, front);
                }
            }
            Deed::TakeOver => {
                self.act(laptop, |core, now| core.take_over(now, deck).unwrap());
            }
            Deed::Transfer => {
                self.act(laptop, |core, now| {
                    core.transfer_ownership(now, deck, phone).unwrap()
                });
            }
            Deed::Admit => {
                self.act(laptop, |core, now| {
                    core.admit(now, deck, guest(), Rights::Draft).unwrap()
                });
            }
            Deed::Withdraw => {
                let (tablet, draft) = (self.tablet, self.draft.unwrap());
                self.act(tablet, |core, now| core.withdraw_draft(now, deck, draft).unwrap());
            }
            Deed::Decline => {
                let draft = self.draft.unwrap();
                self.act(laptop, |core, now| {
                    core.decline_draft(now, deck, draft, "no").unwrap()
                });
            }
            Deed::HandOver => {
                self.act(laptop, |core, now| core.hand_over(now, deck, phone).unwrap());
            }
            Deed::Members => {
                let members = self.members(Rights::Hold);
                self.act(laptop, |core, now| core.set_members(now, deck, members).unwrap());
            }
            Deed::Remove => {
                self.act(laptop, |core, now| core.remove_member(now, deck, tablet).unwrap());
            }
            Deed::Release => {
                self.act(laptop, |core, now| core.release(now, deck).unwrap());
            }
            Deed::Claim => {
                self.act(self.phone, |core, now| core.claim(now, deck).unwrap());
            }
            Deed::Propose => self.propose(),
            Deed::Accept => {
                let draft = self.draft.unwrap();
                self.act(laptop, |core, now| core.accept_draft(now, deck, draft).unwrap());
            }
            Deed::AcceptLate => {
                let late = self.sim.late_work_left(laptop, deck).pop().expect("it waits");
                self.act(laptop, |core, now| {
                    core.accept_late_work(now, deck, late.term, late.head).unwrap()
                });
            }
            Deed::Reorganise => self.mend(),
        }
    }

    /// Whether all is saved, and all who stay members see the same.
    fn is_quiet(&self, members: &[Peer]) -> bool {
        let all_see = self.seen(self.laptop);
        let late = |peer: Peer| !self.sim.late_work_left(peer, self.deck).is_empty();
        members
            .iter()
            .all(|&peer| self.sim.is_all_saved(peer) && self.seen(peer) == all_see && !late(peer))
    }

    /// What a device can tell others of.
    fn seen(&self, peer: Peer) -> Seen {
        let editor = match self.sim.role(peer, self.deck) {
            Some(Role::Editor { .. }) => Some(self.sim.id(peer)),
            Some(Role::Viewer { editor, .. }) => Some(editor),
            _ => None,
        };
        let drafts = self.sim.drafts(peer, self.deck).into_iter();
        let reached = |state: DraftState| match state {
            DraftState::Open => 0,
            DraftState::Accepted | DraftState::Withdrawn | DraftState::Declined { .. } => 2,
            _ => 1,
        };
        Seen {
            head: self.sim.head(peer, self.deck),
            editor,
            owner: self.sim.owner(peer, self.deck),
            guest: self.sim.rights(peer, self.deck, guest()),
            members: self.sim.members(peer, self.deck),
            draft: drafts
                .filter(|info| Some(info.draft) == self.draft)
                .map(|info| reached(info.state))
                .max()
                .unwrap_or(0),
        }
    }

    fn fronts(&self, peer: Peer) -> BTreeSet<String> {
        let cards = self.sim.cards(peer, self.deck).into_iter();
        cards.map(|card| card.front).collect()
    }
}

/// What a cut came upon.
struct Met {
    /// All was done before.
    done: bool,
    /// Others held what the disk had not: of a device's own it was sent before it was saved.
    ahead: bool,
}

/// Cuts the power of `who` after so many steps of the deed.
fn cut_after(steps: usize, deed: Deed, who: usize) -> Met {
    let told = format!("{deed:?}, power of device {who} cut after step {steps}");
    let mut world = World::new();
    world.prepare(deed);
    let (deck, all) = (world.deck, world.all());
    let members = if deed == Deed::Remove { &all[..2] } else { &all[..] };
    let mut before = world.fronts(world.phone);
    before.extend(world.fronts(world.laptop));
    let at_first = world.seen(world.phone);
    world.begin(deed);
    let seen = Cell::new(0);
    let counted = world
        .sim
        .run_until("the step", SOON, |_| seen.replace(seen.get() + 1) == steps);
    let done = counted.is_err() || (steps > 0 && world.is_quiet(members));
    let victim = all[who];
    let others = all
        .into_iter()
        .filter(|&peer| peer != victim && members.contains(&peer));
    let witnesses: Vec<_> = others
        .map(|peer| (world.seen(peer), world.fronts(peer)))
        .collect();
    world.sim.crash(victim);
    world.sim.restart(victim).expect("it opens again");
    let left = world.fronts(victim);
    let ahead = witnesses.iter().any(|(_, fronts)| !left.is_superset(fronts));
    world.sim.run_for(SOON * 2);
    for (seen, fronts) in &witnesses {
        before.extend(fronts.iter().cloned());
        for &peer in members {
            let now = world.seen(peer);
            if deed != Deed::Reorganise && seen.editor != at_first.editor {
                assert_eq!(now.editor, seen.editor, "{told}: {peer:?}");
            }
            if seen.members != at_first.members {
                assert_eq!(now.members, seen.members, "{told}: {peer:?}");
            }
            if seen.owner != at_first.owner {
                assert_eq!(now.owner, seen.owner, "{told}: {peer:?}");
            }
            assert!(now.guest >= seen.guest, "{told}: {peer:?}");
            assert!(now.draft >= seen.draft, "{told}: {peer:?}: {now:?}");
        }
    }

    // Where the deed was lost with the power it is to be possible again, or somebody else goes on.
    let lost = |world: &World, draft: u8| world.draft.is_some() && world.seen(world.laptop).draft < draft;
    let ends_it = matches!(deed, Deed::Accept | Deed::Decline | Deed::Withdraw);
    if (deed == Deed::Propose && lost(&world, 1)) || (ends_it && lost(&world, 2)) {
        world.begin(deed);
        world.sim.run_for(SOON);
    }
    if matches!(deed, Deed::AcceptLate) && !world.sim.late_work_left(world.laptop, deck).is_empty() {
        world.begin(deed);
        world.sim.run_for(SOON);
    }
    if !members.iter().any(|&peer| is_editor(&world, peer)) {
        world.act(world.phone, |core, now| core.claim(now, deck).unwrap());
        world.sim.run_for(SOON);
    }
    let editor = members.iter().copied().find(|&peer| is_editor(&world, peer));
    let editor = editor.unwrap_or_else(|| panic!("{told}: nobody can go on"));
    world.edit(editor, "afterwards");
    world.sim.run_for(SOON);

    // A removal that was lost leaves the tablet a member; one that was not leaves it with what it had.
    let head = world.sim.head(world.laptop, deck).expect("it has the deck");
    let cards = world.fronts(world.laptop);
    assert!(cards.contains("afterwards"), "{told}: {cards:?}");
    assert!(cards.is_superset(&before), "{told}: {before:?} became {cards:?}");
    for &peer in members {
        assert_eq!(world.sim.head(peer, deck), Some(head), "{told}: {peer:?}");
        assert_eq!(world.sim.document_heads(peer, deck), [head], "{told}: {peer:?}");
        assert_eq!(world.fronts(peer), cards, "{told}: {peer:?}");
        for (seen, _) in &witnesses {
            let fate = world.sim.fate(peer, deck, seen.head.expect("it has the deck"));
            assert_eq!(fate, Some(Fate::Canonical), "{told}: {peer:?}");
        }
    }
    assert_eq!(world.sim.sent_too_early(), [], "{told}");
    for peer in all {
        for event in world.sim.take_events(peer) {
            let trouble = matches!(
                event,
                Event::Refused { .. } | Event::StoreFailed { .. } | Event::DeckBroken { .. }
            );
            assert!(!trouble, "{told}: {peer:?}: {event:?}");
        }
    }
    Met { done, ahead }
}

/// Who is let in: a device that is not there.
fn guest() -> DeviceId {
    DeviceKey::from_bytes(&[0x99; 32]).id()
}

fn is_editor(world: &World, peer: Peer) -> bool {
    matches!(world.sim.role(peer, world.deck), Some(Role::Editor { .. }))
}

fn cut_after_every_step(deed: Deed) {
    for who in 0..3 {
        let mut ahead = 0;
        let mut is_done = |steps: &usize| {
            let met = cut_after(*steps, deed, who);
            ahead += usize::from(met.ahead);
            met.done
        };
        // Some steps more, for what is still under way when all look the same.
        let last = (0..STEPS).filter(|steps| is_done(steps)).nth(5);
        let last = last.unwrap_or_else(|| panic!("{deed:?} is not done after {STEPS} steps"));
        assert!(last > 6, "{deed:?} has steps to be cut between");
        // The editor's own changes leave before they are saved, but for those in a term that is not.
        match (deed, who) {
            (Deed::Edits, 0) => assert!(ahead > 0, "some were seen elsewhere before"),
            (Deed::FreshTerm, 0) => assert_eq!(ahead, 0, "none was seen elsewhere before"),
            _ => {}
        }
        println!("{deed:?}: power of device {who} cut after each of {last} steps");
    }
}

#[test]
fn edits_in_a_term_of_ones_own() {
    cut_after_every_step(Deed::Edits);
}

#[test]
fn an_edit_in_a_fresh_term() {
    cut_after_every_step(Deed::FreshTerm);
}

#[test]
fn a_handover() {
    cut_after_every_step(Deed::HandOver);
}

#[test]
fn a_charter_with_new_rights() {
    cut_after_every_step(Deed::Members);
}

#[test]
fn a_removal() {
    cut_after_every_step(Deed::Remove);
}

#[test]
fn a_release() {
    cut_after_every_step(Deed::Release);
}

#[test]
fn a_claim() {
    cut_after_every_step(Deed::Claim);
}

#[test]
fn a_takeover() {
    cut_after_every_step(Deed::TakeOver);
}

#[test]
fn a_transfer() {
    cut_after_every_step(Deed::Transfer);
}

#[test]
fn an_admission() {
    cut_after_every_step(Deed::Admit);
}

#[test]
fn a_draft_declined() {
    cut_after_every_step(Deed::Decline);
}

#[test]
fn a_draft_withdrawn() {
    cut_after_every_step(Deed::Withdraw);
}

#[test]
fn a_draft_proposed() {
    cut_after_every_step(Deed::Propose);
}

#[test]
fn a_draft_accepted() {
    cut_after_every_step(Deed::Accept);
}

#[test]
fn late_work_accepted() {
    cut_after_every_step(Deed::AcceptLate);
}

#[test]
fn a_reorganisation() {
    cut_after_every_step(Deed::Reorganise);
}
