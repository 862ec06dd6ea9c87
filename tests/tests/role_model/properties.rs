//! The properties of a state, by name. What one device makes of what it holds is in `faults.rs`.

use cuecard::id::TermId;
use cuecard::role::Cut;
use stateright::Property;

use crate::faults::{self, Faults};
use crate::lab::Set;
use crate::model::{Role, State};
use crate::plain::Facts;

pub(crate) const ORDER: &str = "(a) equal sets, equal answers";
pub(crate) const SETTLED: &str = "(b) only a newer charter undoes what is settled";
pub(crate) const LOST: &str = "(c) every signed change is canonical or late";
pub(crate) const GOES_ON: &str = "(d) a quiet network agrees, and the owner can go on";
pub(crate) const RIGHTS: &str = "(e) nothing by a device without hold is canonical unless settled";
pub(crate) const LINE: &str = "the canonical path is one held line";
pub(crate) const PLAIN: &str = "the chain says what the plain rules say";
pub(crate) const OWN_EDIT: &str = "an edit that succeeds is canonical where it was made";
pub(crate) const HASTE: &str = "nobody is editor before the newest settled term is held";
pub(crate) const PASSED_OVER: &str = "no claim counts against the holder's word, or a better claim";
pub(crate) const KEPT: &str = "what is settled is on a disk";
pub(crate) const NUMBERS: &str = "no run reuses a number of a term";

/// All that must hold, and the goals of this model.
pub(crate) fn of(model: &Role) -> Vec<Property<Role>> {
    let mut properties = vec![
        sound(ORDER, |model, state| model.is_sound(state, Faults::ORDER)),
        sound(SETTLED, |model, state| model.is_sound(state, Faults::SETTLED)),
        sound(LOST, |model, state| model.is_sound(state, Faults::LOST)),
        sound(GOES_ON, Role::can_go_on),
        sound(RIGHTS, |model, state| model.is_sound(state, Faults::RIGHTS)),
        sound(LINE, |model, state| model.is_sound(state, Faults::LINE)),
        sound(PLAIN, |model, state| model.is_sound(state, Faults::PLAIN)),
        sound(OWN_EDIT, |model, state| model.is_sound(state, Faults::OWN_EDIT)),
        sound(HASTE, |model, state| model.is_sound(state, Faults::HASTE)),
        sound(PASSED_OVER, |model, state| {
            model.is_sound(state, Faults::PASSED_OVER)
        }),
        sound(NUMBERS, |model, state| {
            model.no_number_twice(state) && Role::one_run_a_term(state)
        }),
        sound(KEPT, Role::settled_is_kept),
    ];
    let goals = goals::all().into_iter();
    properties.extend(goals.filter(|goal| model.bounds.goals.contains(&goal.name)));
    properties
}

fn sound(name: &'static str, holds: fn(&Role, &State) -> bool) -> Property<Role> {
    Property::always(name, holds)
}

impl Role {
    /// What the devices hold between them.
    pub(crate) fn held_by_somebody(&self, state: &State) -> Set {
        let mut all = self.lab.base.clone();
        for run in &state.runs {
            all = all.with(&run.held.0);
        }
        all
    }

    /// What is settled is somewhere, whatever crashed.
    fn settled_is_kept(&self, state: &State) -> bool {
        let items = self.lab.items(&state.made.0);
        let left = self.lab.items(&self.held_by_somebody(state).0);
        let all = Facts::new(&self.lab.world, &items, None);
        let left = Facts::new(&self.lab.world, &left, None);
        faults::settled_path(&all)
            .iter()
            .all(|(term, cut, _)| left.ancestry(*term).is_some() && left.holds_cut(*term, *cut))
    }

    fn is_sound(&self, state: &State, fault: Faults) -> bool {
        !state.faults.has(fault) && !self.lab.know(&state.made).faults.has(fault)
    }

    /// (d) Whatever is lost: when all have heard what is left, they agree (by (a)), and the owner can go on.
    fn can_go_on(&self, state: &State) -> bool {
        let left = self.lab.know(&self.held_by_somebody(state));
        let all = self.lab.know(&state.made);
        !self.lab.is_stuck(&left) && !self.lab.is_stuck(&all)
    }

    /// No honest device gives one number of one term to two changes: Automerge replicas would refuse each other.
    fn no_number_twice(&self, state: &State) -> bool {
        let world = &self.lab.world;
        let items = self.lab.items(&state.made.0);
        let ends: Vec<(TermId, Cut)> = items.iter().filter_map(|item| item.end()).collect();
        ends.iter().enumerate().all(|(at, (term, cut))| {
            let hostile = self.bounds.hostile.is_some() && world.holder(*term) == self.bounds.hostile;
            let again = |(of, other): &(TermId, Cut)| of == term && other.len == cut.len;
            hostile || !ends[at + 1..].iter().any(again)
        })
    }

    /// At most one run may append to a term.
    fn one_run_a_term(state: &State) -> bool {
        let mut opened: Vec<TermId> = state.runs.iter().flat_map(|run| run.opened.clone()).collect();
        let all = opened.len();
        opened.sort_unstable();
        opened.dedup();
        opened.len() == all
    }
}

/// What the bounds have to be large enough for.
pub(crate) mod goals {
    use stateright::Property;

    use super::{Role, State};
    use crate::faults;
    use crate::plain::Facts;

    pub(crate) const LATE: &str = "work comes late";
    pub(crate) const CLAIMED: &str = "a claim is answered by the holder's word, and loses";
    pub(crate) const CHEATED: &str = "two seals disagree";

    pub(super) fn all() -> Vec<Property<Role>> {
        vec![
            Property::sometimes(LATE, |model: &Role, state: &State| {
                !model.lab.know(&state.made).late.is_empty()
            }),
            Property::sometimes(CLAIMED, |model: &Role, state: &State| {
                let items = model.lab.items(&state.made.0);
                let facts = Facts::new(&model.lab.world, &items, None);
                faults::a_claim_lost(&facts, &model.lab.know(&state.made).answer)
            }),
            Property::sometimes(CHEATED, |model: &Role, state: &State| {
                let items = model.lab.items(&state.made.0);
                let facts = Facts::new(&model.lab.world, &items, None);
                facts.terms.iter().any(|term| facts.cheated(term.id()))
            }),
        ]
    }
}
