//! What a device knows that holds a given set: the shipping `Chain`, built in every order in which the set can come.
//!
//! A set is built from each set that lacks one of its items, and all of them have to lead to the same chain. By
//! induction that covers every order of arrival; and since every item is taken in twice, doubling too. Loss needs
//! nothing: a set without an item is a set. Every set is looked at once, however many states contain it.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, RwLock};

use cuecard::role::{Added, Chain, LateWork};

use crate::faults::{self, Faults};
use crate::plain::{Answer, Facts, Rule};
use crate::world::{Item, ItemId, World, take};

/// Items in order of their numbers; each after what it needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Set(pub(crate) Vec<ItemId>);

impl Set {
    pub(crate) fn contains(&self, item: ItemId) -> bool {
        self.0.binary_search(&item).is_ok()
    }

    pub(crate) fn insert(&mut self, item: ItemId) {
        if let Err(at) = self.0.binary_search(&item) {
            self.0.insert(at, item);
        }
    }

    pub(crate) fn with(mut self, items: &[ItemId]) -> Self {
        items.iter().for_each(|item| self.insert(*item));
        self
    }

    fn without(&self, item: ItemId) -> Self {
        Self(self.0.iter().copied().filter(|other| *other != item).collect())
    }
}

pub(crate) struct Knowledge {
    pub(crate) chain: Chain,
    pub(crate) answer: Answer,
    pub(crate) late: Vec<LateWork>,
    /// Of this set and all within it.
    pub(crate) faults: Faults,
    /// One order in which the set may have come.
    arrival: Vec<ItemId>,
    stuck: OnceLock<bool>,
}

pub(crate) struct Lab {
    pub(crate) world: World,
    /// What every device holds from the start.
    pub(crate) base: Set,
    /// With a rule left out, the plain rules answer instead of the chain.
    pub(crate) without: Option<Rule>,
    /// Where there are too many: that many orders, drawn by the set itself.
    pub(crate) orders: Option<u64>,
    known: RwLock<HashMap<Set, Arc<Knowledge>>>,
}

impl Lab {
    pub(crate) fn new(world: World, base: Set, without: Option<Rule>) -> Self {
        Self {
            world,
            base,
            without,
            orders: None,
            known: RwLock::default(),
        }
    }

    pub(crate) fn sets(&self) -> usize {
        self.known.read().unwrap().len()
    }

    pub(crate) fn items(&self, set: &[ItemId]) -> Vec<Arc<Item>> {
        set.iter().map(|item| self.world.item(*item)).collect()
    }

    /// Every order of the set is tried, and of every set within it.
    pub(crate) fn know(&self, set: &Set) -> Arc<Knowledge> {
        if let Some(known) = self.known.read().unwrap().get(set) {
            return Arc::clone(known);
        }
        if let Some(orders) = self.orders {
            return self.know_by_samples(set, orders);
        }
        let mut faults = Faults::NONE;
        let mut first: Option<(Chain, Answer, Vec<ItemId>)> = None;
        for last in self.removable(set) {
            let before = self.know(&set.without(last));
            faults = faults | before.faults;
            let mut chain = before.chain.clone();
            faults = faults | take_twice(&mut chain, &self.world.item(last));
            let arrival = [before.arrival.as_slice(), &[last]].concat();
            let answer = self.answer(&chain, &arrival);
            match &first {
                None => first = Some((chain, answer, arrival)),
                Some((other, other_answer, _)) if *other == chain && *other_answer == answer => {}
                Some(_) => faults = faults | Faults::ORDER,
            }
        }
        let (chain, answer, arrival) = first.unwrap_or_else(|| {
            let (chain, _) = self.build(&set.0);
            let answer = self.answer(&chain, &set.0);
            (chain, answer, set.0.clone())
        });
        let knowledge = Arc::new(self.judge(chain, answer, arrival, faults));
        let mut known = self.known.write().unwrap();
        Arc::clone(known.entry(set.clone()).or_insert(knowledge))
    }

    fn know_by_samples(&self, set: &Set, orders: u64) -> Arc<Knowledge> {
        let mut knowledge = self.know_in_order(&set.0);
        for seed in 0..orders {
            let (chain, faults) = self.build(&self.shuffled(set, seed));
            knowledge.faults = knowledge.faults | faults;
            if chain != knowledge.chain {
                knowledge.faults = knowledge.faults | Faults::ORDER;
            }
        }
        let knowledge = Arc::new(knowledge);
        let mut known = self.known.write().unwrap();
        Arc::clone(known.entry(set.clone()).or_insert(knowledge))
    }

    /// Another order in which each item comes after what it needs.
    fn shuffled(&self, set: &Set, seed: u64) -> Vec<ItemId> {
        let key = |item: &ItemId| *blake3::hash(format!("{seed} {item} {set:?}").as_bytes()).as_bytes();
        let mut open = set.0.clone();
        open.sort_by_key(key);
        let mut order = Vec::new();
        while !open.is_empty() {
            let ready = |item: &ItemId| {
                self.world
                    .item(*item)
                    .needs
                    .iter()
                    .all(|need| order.contains(need))
            };
            let next = open.iter().position(ready).unwrap();
            order.push(open.remove(next));
        }
        order
    }

    /// The set in this one order.
    pub(crate) fn know_in_order(&self, arrival: &[ItemId]) -> Knowledge {
        let (chain, faults) = self.build(arrival);
        let answer = self.answer(&chain, arrival);
        self.judge(chain, answer, arrival.to_vec(), faults)
    }

    /// Whether the owner has no way to become editor.
    pub(crate) fn is_stuck(&self, knowledge: &Knowledge) -> bool {
        *knowledge.stuck.get_or_init(|| {
            let items = self.items(&knowledge.arrival);
            let facts = Facts::new(&self.world, &items, self.without);
            let ways = faults::ways_out(&facts, &knowledge.answer);
            !ways.iter().all(|(way, owner)| {
                let arrival = [knowledge.arrival.as_slice(), way].concat();
                self.know_in_order(&arrival).answer.editor == Some(*owner)
            })
        })
    }

    fn judge(&self, chain: Chain, answer: Answer, arrival: Vec<ItemId>, before: Faults) -> Knowledge {
        let items = self.items(&arrival);
        let facts = Facts::new(&self.world, &items, self.without);
        let mut late = chain.late_work();
        if facts.lacks(Rule::LosersLoseNothing) {
            late.retain(|late| faults::is_by_a_holder(&facts, late.term));
        }
        let mut faults = before | faults::of(&facts, &answer);
        if self.without.is_none() && facts.answer() != answer {
            faults = faults | Faults::PLAIN;
        }
        if self.without.is_none_or(|rule| rule == Rule::LosersLoseNothing) {
            faults = faults | faults::of_late_work(&facts, &answer, &late);
        }
        Knowledge {
            chain,
            answer,
            late,
            faults,
            arrival,
            stuck: OnceLock::new(),
        }
    }

    fn build(&self, arrival: &[ItemId]) -> (Chain, Faults) {
        let mut chain = self.world.chain();
        let mut faults = Faults::NONE;
        for item in self.items(arrival) {
            faults = faults | take_twice(&mut chain, &item);
        }
        (chain, faults)
    }

    fn answer(&self, chain: &Chain, arrival: &[ItemId]) -> Answer {
        if self.without.is_some_and(|rule| rule != Rule::LosersLoseNothing) {
            return Facts::new(&self.world, &self.items(arrival), self.without).answer();
        }
        let canonical = chain.canonical();
        let charter = chain.charter();
        Answer {
            path: canonical.path.iter().map(|step| (step.term, step.upto)).collect(),
            editor: canonical.editor.map(|editor| self.world.device(editor)),
            charter: (charter.generation, charter.count),
        }
    }

    /// What nothing else in the set needs.
    fn removable(&self, set: &Set) -> Vec<ItemId> {
        let items = self.items(&set.0);
        let needed = |item: &ItemId| items.iter().any(|other| other.needs.contains(item));
        let removable = set
            .0
            .iter()
            .filter(|item| !self.base.contains(**item) && !needed(item));
        removable.copied().collect()
    }
}

/// An honest network gives a device nothing that it would have to refuse, and the second copy changes nothing.
fn take_twice(chain: &mut Chain, item: &Item) -> Faults {
    let refused = take(chain, item).is_err();
    let once = chain.clone();
    let again = take(chain, item);
    if refused || again != Ok(Added::Known) || once != *chain {
        Faults::ORDER
    } else {
        Faults::NONE
    }
}
