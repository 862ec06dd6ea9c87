//! Devices that sign things, and a network that may do with them what it likes.
//!
//! A step is: one run of a device hears any part of what was ever signed (whatever can be understood, in any order: see
//! `lab.rs`), and then does one thing. What it hears and does not act upon makes no difference to anybody, so hearing
//! is no step of its own. Loss is never hearing; a crash keeps any part of what was held.

use std::fmt;

use cuecard::id::{ChangeHash, TermId};
use cuecard::role::{Cause, Cut, LateWork, Point};
use stateright::{Model, Property};

use crate::faults::Faults;
use crate::lab::{Knowledge, Lab, Set};
use crate::plain::Rule;
use crate::properties;
use crate::world::{Device, ItemId, Says, Signed, World};

/// One running process of a device.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Run {
    pub(crate) device: Device,
    pub(crate) held: Set,
    /// What no crash takes: everything held when it last signed a charter.
    pub(crate) durable: Set,
    /// The terms that this run opened: the only ones it appends to.
    pub(crate) opened: Vec<TermId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// Everything that was ever signed.
    pub(crate) made: Set,
    pub(crate) runs: Vec<Run>,
    spent: [u8; KINDS],
    pub(crate) faults: Faults,
}

/// What a run may do. The numbers of its bounds are in this order.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Does {
    /// Edits: opens a term of its own if need be, then one sealed change.
    Edits,
    /// The same, and the edit merges late work.
    Accepts(LateWork),
    HandsOver(Device),
    Releases,
    Claims,
    /// The owner's charter with these members settles what the owner sees.
    Settles(Vec<Device>),
    /// The owner claims, and its charter settles the claim.
    TakesOver(Vec<Device>),
    /// The owner's charter names another owner.
    GivesDeckTo(Device),
    /// Crash and start; this much is left.
    Restarts(Set),
    /// The folder is copied, or an old backup started: another run that holds this much.
    IsCopied(Set),
    /// Signs whatever its key can sign, whatever it knows.
    Cheats(Says),
    /// Answers a claim on a term that this run opened: "I was there all the time".
    Answers(TermId),
}

pub(crate) const KINDS: usize = 12;

impl Does {
    pub(crate) const fn kind(&self) -> usize {
        match self {
            Self::Edits => 0,
            Self::Accepts(_) => 1,
            Self::HandsOver(_) => 2,
            Self::Releases => 3,
            Self::Claims => 4,
            Self::Settles(_) => 5,
            Self::TakesOver(_) => 6,
            Self::GivesDeckTo(_) => 7,
            Self::Restarts(_) => 8,
            Self::IsCopied(_) => 9,
            Self::Cheats(_) => 10,
            Self::Answers(_) => 11,
        }
    }
}

/// One step.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Act {
    pub(crate) run: usize,
    pub(crate) hears: Vec<ItemId>,
    pub(crate) does: Does,
}

impl fmt::Debug for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run {} hears {:?} and ", self.run, self.hears)?;
        match &self.does {
            Does::Edits => write!(f, "edits"),
            Does::Accepts(late) => write!(f, "accepts {} of {}", late.len, late.term.short()),
            Does::HandsOver(to) => write!(f, "hands over to {to}"),
            Does::Releases => write!(f, "releases"),
            Does::Claims => write!(f, "claims"),
            Does::Settles(members) => write!(f, "settles, with members {members:?}"),
            Does::TakesOver(members) => write!(f, "takes over, with members {members:?}"),
            Does::GivesDeckTo(to) => write!(f, "gives the deck to {to}"),
            Does::Restarts(left) => write!(f, "restarts with {:?}", left.0),
            Does::IsCopied(left) => write!(f, "is copied with {:?}", left.0),
            Does::Cheats(says) => write!(f, "cheats: {says:?}"),
            Does::Answers(term) => write!(f, "answers the claim on {}", term.short()),
        }
    }
}

/// How much may happen.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    /// Steps in all.
    pub(crate) steps: u8,
    /// Of each kind.
    pub(crate) most: [u8; KINDS],
    /// Who takes part; the others are away.
    pub(crate) present: Vec<Device>,
    /// Who signs what it likes.
    pub(crate) hostile: Option<Device>,
    /// The members that a charter may name.
    pub(crate) members: Vec<Vec<Device>>,
    /// A change and its seal travel apart.
    pub(crate) seals_apart: bool,
    /// What has to come about somewhere, or the bounds are too small to mean anything.
    pub(crate) goals: Vec<&'static str>,
}

/// A rule of the devices themselves, not of the chain, that can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    /// A run appends only to a term that it opened itself.
    OwnTerm,
    /// Two terms are never the same by accident.
    FreshNonce,
    /// What a charter settles is on the disk before it is signed.
    DurableFirst,
}

pub(crate) struct Role {
    pub(crate) lab: Lab,
    pub(crate) bounds: Bounds,
    pub(crate) without: Option<Habit>,
    first: Vec<ItemId>,
}

impl Role {
    /// A deck whose charter names every other device, ranked in order.
    pub(crate) fn new(world: World, bounds: Bounds, without: Option<Rule>) -> Self {
        let (Cut { len, head }, term) = (world.beginning(), world.zero());
        let charter = world.sign(Says::Charter {
            age: (0, 1),
            signer: 0,
            owner: 0,
            members: world.devices().skip(1).collect(),
            settled: Point { term, len, head },
            under: None,
        });
        Self {
            lab: Lab::new(world, Set(vec![charter]), without),
            bounds,
            without: None,
            first: Vec::new(),
        }
    }

    /// The owner handed the deck to this device before the story begins, and everybody knows.
    pub(crate) fn held_by(mut self, device: Device) -> Self {
        let world = &self.lab.world;
        let handover = world.sign(Says::Term {
            signer: 0,
            parent: world.zero(),
            cause: Cause::Handover,
            cut: world.beginning(),
            holder: Some(device),
            nonce: 0,
        });
        self.first.push(handover);
        self
    }

    pub(crate) fn start(&self) -> State {
        let world = &self.lab.world;
        let held = self.lab.base.clone().with(&self.first);
        let run = |device: Device| Run {
            device,
            held: held.clone(),
            durable: held.clone(),
            opened: if device == 0 {
                vec![world.zero()]
            } else {
                Vec::new()
            },
        };
        State {
            made: held.clone(),
            runs: world.devices().map(run).collect(),
            spent: [0; KINDS],
            faults: Faults::NONE,
        }
    }

    pub(crate) fn may_still(&self, state: &State, kind: usize) -> bool {
        state.spent[kind] < self.bounds.most[kind]
    }

    pub(crate) fn is_over(&self, state: &State) -> bool {
        state.spent.iter().map(|spent| u32::from(*spent)).sum::<u32>() >= u32::from(self.bounds.steps)
    }

    /// What this run may do, knowing this.
    pub(crate) fn choices(&self, state: &State, at: usize, knowledge: &Knowledge) -> Vec<Does> {
        let world = &self.lab.world;
        let (me, answer) = (state.runs[at].device, &knowledge.answer);
        let id = world.id(me);
        let mut choices = Vec::new();
        if answer.editor == Some(me) {
            choices.push(Does::Edits);
            let accepted = self.merged(&state.made);
            let open = knowledge
                .late
                .iter()
                .filter(|late| !accepted.contains(&late.head));
            choices.extend(open.map(|late| Does::Accepts(*late)));
            let others = world.devices().filter(|other| *other != me);
            let holders = others.filter(|other| {
                let rights = knowledge.chain.rights(world.id(*other));
                rights == Some(cuecard::role::Rights::Hold)
            });
            choices.extend(holders.map(Does::HandsOver));
            choices.push(Does::Releases);
        } else if knowledge.chain.rights(id) == Some(cuecard::role::Rights::Hold) {
            choices.push(Does::Claims);
        }
        let opened = state.runs[at].opened.iter().copied();
        let is_claimed = |term: &TermId| {
            let children = knowledge.chain.children(*term);
            let mut claims = children.filter_map(|child| knowledge.chain.term(child));
            world.holder(*term) == Some(me) && claims.any(|child| child.cause == Cause::Claim)
        };
        choices.extend(opened.filter(is_claimed).map(Does::Answers));
        if knowledge.chain.is_owner(id) {
            for members in &self.bounds.members {
                choices.push(Does::Settles(members.clone()));
                choices.push(Does::TakesOver(members.clone()));
            }
            let others = world.devices().filter(|other| *other != me);
            choices.extend(others.map(Does::GivesDeckTo));
        }
        choices.retain(|does| self.may_still(state, does.kind()));
        choices
    }

    fn merged(&self, set: &Set) -> Vec<ChangeHash> {
        let merges = |item: &ItemId| match &self.lab.world.item(*item).says {
            Says::Change { merges, .. } => *merges,
            _ => None,
        };
        set.0.iter().filter_map(merges).collect()
    }

    /// Everything that contains `from` and lies within `to`, and can be understood.
    pub(crate) fn parts(&self, from: &Set, to: &Set) -> Vec<Set> {
        let mut parts = vec![from.clone()];
        for item in to.0.iter().filter(|item| !from.contains(**item)) {
            let needs = self.lab.world.item(*item).needs.clone();
            let fits = |part: &&Set| needs.iter().all(|need| part.contains(*need));
            let more: Vec<Set> = parts
                .iter()
                .filter(fits)
                .map(|part| part.clone().with(&[*item]))
                .collect();
            parts.extend(more);
        }
        parts
    }

    /// What comes of it; nothing, if nothing does.
    pub(crate) fn perform(&self, state: &State, act: &Act) -> State {
        let mut state = state.clone();
        state.spent[act.does.kind()] += 1;
        let run = &mut state.runs[act.run];
        run.held = run.held.clone().with(&act.hears);
        let (me, held) = (run.device, run.held.clone());
        let (term, end) = match act.does {
            Does::Restarts(_) | Does::IsCopied(_) | Does::Cheats(_) => {
                (self.lab.world.zero(), self.lab.world.beginning())
            }
            _ => self.lab.know(&held).answer.tip(),
        };
        match &act.does {
            Does::Edits => self.append(&mut state, act.run, None),
            Does::Accepts(late) => self.append(&mut state, act.run, Some(late.head)),
            Does::HandsOver(to) => {
                self.sign_term(&mut state, act.run, term, Cause::Handover, end, Some(*to));
            }
            Does::Releases => {
                self.sign_term(&mut state, act.run, term, Cause::Release, end, None);
            }
            Does::Claims => {
                let claim = self.sign_term(&mut state, act.run, term, Cause::Claim, end, Some(me));
                state.runs[act.run].opened.push(claim);
            }
            Does::Settles(members) => {
                let Cut { len, head } = end;
                self.sign_charter(&mut state, act.run, members, Point { term, len, head });
            }
            Does::TakesOver(members) => {
                let claim = self.sign_term(&mut state, act.run, term, Cause::Claim, end, Some(me));
                state.runs[act.run].opened.push(claim);
                let (term, len, head) = (claim, 0, end.head);
                self.sign_charter(&mut state, act.run, members, Point { term, len, head });
            }
            Does::GivesDeckTo(to) => self.give_deck(&mut state, act.run, *to, term, end),
            Does::Restarts(left) => {
                let run = &mut state.runs[act.run];
                run.held = left.clone();
                run.opened.clear();
            }
            Does::IsCopied(left) => state.runs.push(Run {
                device: me,
                held: left.clone(),
                durable: left.clone(),
                opened: Vec::new(),
            }),
            Does::Answers(parent) => {
                let line = self.lab.know(&held).chain.line(*parent).unwrap().end();
                let term = self.sign_term(&mut state, act.run, *parent, Cause::Handover, line, Some(me));
                state.runs[act.run].opened.push(term);
            }
            Does::Cheats(says) => {
                let item = self.lab.world.sign(says.clone());
                state.made.insert(item);
            }
        }
        state
    }

    fn put(&self, state: &mut State, at: usize, says: Says) -> ItemId {
        let item = self.lab.world.sign(says);
        state.made.insert(item);
        state.runs[at].held.insert(item);
        item
    }

    fn sign_term(
        &self,
        state: &mut State,
        at: usize,
        parent: TermId,
        cause: Cause,
        cut: Cut,
        holder: Option<Device>,
    ) -> TermId {
        let signer = state.runs[at].device;
        let says = |nonce| Says::Term {
            signer,
            parent,
            cause,
            cut,
            holder,
            nonce,
        };
        // Drawn at random, so never one that was used before, whether or not this run knows.
        let used = |nonce: &u8| {
            state
                .made
                .0
                .iter()
                .any(|item| self.lab.world.item(*item).says == says(*nonce))
        };
        let fresh = (0..u8::MAX).find(|nonce| !used(nonce)).unwrap();
        let nonce = if self.without == Some(Habit::FreshNonce) {
            0
        } else {
            fresh
        };
        let item = self.put(state, at, says(nonce));
        self.lab.world.item(item).term().unwrap().id()
    }

    fn append(&self, state: &mut State, at: usize, merges: Option<ChangeHash>) {
        let me = state.runs[at].device;
        let (mut term, mut after) = self.lab.know(&state.runs[at].held).answer.tip();
        let opened = state.runs[at].opened.contains(&term);
        if !opened && self.without != Some(Habit::OwnTerm) {
            term = self.sign_term(state, at, term, Cause::Handover, after, Some(me));
            state.runs[at].opened.push(term);
            after.len = 0;
        }
        // What it writes is its own: two edits on one place are never the same edit.
        let beside = |item: &&ItemId| match self.lab.world.item(**item).signed {
            Signed::Change {
                term: of, after: on, ..
            } => (of, on) == (term, after),
            _ => false,
        };
        let variant = u8::try_from(state.made.0.iter().filter(beside).count()).unwrap();
        let sealed = !self.bounds.seals_apart;
        let change = self.put(
            state,
            at,
            Says::Change {
                term,
                after,
                variant,
                merges,
                sealed,
            },
        );
        let (_, cut) = self.lab.world.item(change).end().unwrap();
        if !sealed {
            self.put(state, at, Says::Seal { term, cut });
        }
        let now = self.lab.know(&state.runs[at].held);
        if now.answer.tip() != (term, cut) || now.answer.editor != Some(me) {
            state.faults = state.faults | Faults::OWN_EDIT;
        }
    }

    fn sign_charter(&self, state: &mut State, at: usize, members: &[Device], settled: Point) {
        let me = state.runs[at].device;
        if self.without != Some(Habit::DurableFirst) {
            state.runs[at].durable = state.runs[at].held.clone();
        }
        let known_set = state.runs[at].held.clone();
        let (generation, count) = self.lab.know(&known_set).answer.charter;
        let charter = self.put(
            state,
            at,
            Says::Charter {
                age: (generation, count + 1),
                signer: me,
                owner: me,
                members: members.iter().copied().filter(|member| *member != me).collect(),
                settled,
                under: self.transfer(&known_set, generation, me),
            },
        );
        state.runs[at].durable.insert(charter);
    }

    /// The record by which this device became the owner of this generation.
    fn transfer(&self, held: &Set, generation: u32, to: Device) -> Option<ItemId> {
        let is_it = |item: &ItemId| {
            matches!(self.lab.world.item(*item).says,
                Says::Charter { age: (of, 0), owner, .. } if (of, owner) == (generation, to))
        };
        held.0.iter().copied().find(is_it)
    }

    fn give_deck(&self, state: &mut State, at: usize, to: Device, term: TermId, end: Cut) {
        let me = state.runs[at].device;
        state.runs[at].durable = state.runs[at].held.clone();
        let known_set = state.runs[at].held.clone();
        let (generation, _) = self.lab.know(&known_set).answer.charter;
        let Cut { len, head } = end;
        let world = &self.lab.world;
        let charter = self.put(
            state,
            at,
            Says::Charter {
                age: (generation + 1, 0),
                signer: me,
                owner: to,
                // Whoever gives it away keeps nothing.
                members: world
                    .devices()
                    .filter(|other| ![me, to].contains(other))
                    .collect(),
                settled: Point { term, len, head },
                under: self.transfer(&known_set, generation, me),
            },
        );
        state.runs[at].durable.insert(charter);
    }

    /// A story, for people.
    pub(crate) fn tell(&self, acts: Vec<Act>) -> String {
        let mut story = String::new();
        for act in acts {
            story.push_str(&format!("    {act:?}\n"));
            for item in &act.hears {
                let item = self.lab.world.item(*item);
                story.push_str(&format!("        heard: {:?}\n", item.says));
            }
        }
        story
    }
}

impl Model for Role {
    type State = State;
    type Action = Act;

    fn init_states(&self) -> Vec<State> {
        vec![self.start()]
    }

    fn actions(&self, state: &State, acts: &mut Vec<Act>) {
        if self.is_over(state) {
            return;
        }
        for (at, run) in state.runs.iter().enumerate() {
            if !self.bounds.present.contains(&run.device) {
                continue;
            }
            for heard in self.parts(&run.held, &state.made) {
                let knowledge = self.lab.know(&heard);
                let hears: Vec<ItemId> = heard
                    .0
                    .iter()
                    .copied()
                    .filter(|item| !run.held.contains(*item))
                    .collect();
                acts.extend(self.choices(state, at, &knowledge).into_iter().map(|does| Act {
                    run: at,
                    hears: hears.clone(),
                    does,
                }));
            }
            let mut alone = |does: Does| {
                if self.may_still(state, does.kind()) {
                    acts.push(Act {
                        run: at,
                        hears: Vec::new(),
                        does,
                    });
                }
            };
            self.parts(&run.durable, &run.held)
                .into_iter()
                .map(Does::Restarts)
                .for_each(&mut alone);
            self.parts(&self.lab.base, &run.held)
                .into_iter()
                .map(Does::IsCopied)
                .for_each(&mut alone);
            if self.bounds.hostile == Some(run.device) {
                self.cheats(state, run.device)
                    .into_iter()
                    .map(Does::Cheats)
                    .for_each(&mut alone);
            }
        }
    }

    fn next_state(&self, state: &State, act: Act) -> Option<State> {
        Some(self.perform(state, &act))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::of(self)
    }
}
