//! Seeded walks beyond what can be searched: four devices, longer stories, more of everything; and at the end of each
//! the whole story is played again on real Automerge documents.
//!
//! `CUECARD_WALKS` sets how many, `CUECARD_WALK` the one seed to repeat.

use stateright::{Expectation, Model};

use crate::lab::Set;
use crate::model::{Act, Bounds, Does, Role, State};
use crate::replay::{Played, play};
use crate::world::{ItemId, Says, World};

/// As many as take about three seconds in a development build.
const WALKS: u64 = 120;
const STEPS: u8 = 16;

/// SplitMix64, so that a printed seed repeats a failure.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

#[test]
fn long_stories_keep_every_property_and_play_on_automerge() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|value| value.parse::<u64>().unwrap())
    };
    let seeds = match number("CUECARD_WALK") {
        Some(seed) => seed..seed + 1,
        None => 0..number("CUECARD_WALKS").unwrap_or(WALKS),
    };
    let (mut steps, mut all) = (0, Played::default());
    for seed in seeds.clone() {
        let (walked, played) = walk(seed);
        steps += walked;
        all.add(&played);
    }
    println!("walks: {} seeds, {steps} steps, {all:?}", seeds.clone().count());
    if seeds.count() as u64 >= WALKS {
        // Walks that never merge, lose or cheat would prove little.
        assert!(all.merged > 0 && all.accepted > 0 && all.refused > 0, "{all:?}");
    }
}

fn walk(seed: u64) -> (u64, Played) {
    let mut draw = Draw(seed);
    let hostile = draw.chance(40).then(|| u8::try_from(draw.below(3)).unwrap());
    let bounds = Bounds {
        steps: STEPS,
        most: [9, 3, 3, 1, 3, 2, 1, 1, 2, 1, 3, 2],
        present: vec![0, 1, 2, 3],
        hostile,
        members: vec![vec![1, 2, 3], vec![2, 3], vec![3, 1]],
        seals_apart: draw.chance(30),
        goals: Vec::new(),
    };
    let mut model = Role::new(World::new(4, seed), bounds, None);
    model.lab.orders = Some(2);
    if draw.chance(50) {
        model = model.held_by(1);
    }
    let mut state = model.start();
    let mut story = Vec::new();
    for _ in 0..400 {
        if model.is_over(&state) {
            break;
        }
        let Some(act) = step(&model, &state, &mut draw) else {
            continue;
        };
        state = model.perform(&state, &act);
        story.push(act);
        for property in model.properties() {
            if property.expectation == Expectation::Always && !(property.condition)(&model, &state) {
                panic!("seed {seed}: {} fails:\n{}", property.name, model.tell(story));
            }
        }
    }
    let steps = story.len() as u64;
    let knowledge = model.lab.know(&state.made);
    match play(&model.lab.world, &state.made, &knowledge) {
        Ok(played) => (steps, played),
        Err(why) => panic!("seed {seed}: {why}:\n{}", model.tell(story)),
    }
}

fn step(model: &Role, state: &State, draw: &mut Draw) -> Option<Act> {
    let run = draw.below(state.runs.len());
    let (device, before) = (state.runs[run].device, &state.runs[run].held);
    if model.bounds.hostile == Some(device) && draw.chance(30) {
        let mut cheats = model.cheats(state, device);
        if draw.chance(50) && cheats.iter().any(|says| matches!(says, Says::Change { .. })) {
            cheats.retain(|says| matches!(says, Says::Change { .. }));
        }
        let does = Does::Cheats(cheats.get(draw.below(cheats.len().max(1)))?.clone());
        return alone(model, state, run, does);
    }
    if draw.chance(10) {
        let left = some_of(model, &state.runs[run].durable, before, draw, 70);
        let does = if draw.chance(50) {
            Does::Restarts(left)
        } else {
            Does::IsCopied(left)
        };
        return alone(model, state, run, does);
    }
    let heard = some_of(model, before, &state.made, draw, 60);
    let knowledge = model.lab.know(&heard);
    let mut choices = model.choices(state, run, &knowledge);
    if choices.is_empty() {
        return None;
    }
    // Mostly, editors edit.
    let works = |does: &Does| matches!(does, Does::Edits | Does::Accepts(_));
    if draw.chance(60) && choices.iter().any(works) {
        choices.retain(works);
    } else if draw.chance(70) && !choices.iter().any(works) {
        return None;
    }
    let does = choices.swap_remove(draw.below(choices.len()));
    let hears: Vec<ItemId> = heard
        .0
        .into_iter()
        .filter(|item| !before.contains(*item))
        .collect();
    Some(Act { run, hears, does })
}

fn alone(model: &Role, state: &State, run: usize, does: Does) -> Option<Act> {
    let hears = Vec::new();
    model
        .may_still(state, does.kind())
        .then_some(Act { run, hears, does })
}

/// Part of what is there, as far as it can be understood.
fn some_of(model: &Role, from: &Set, to: &Set, draw: &mut Draw, percent: usize) -> Set {
    let mut part = from.clone();
    for item in &to.0 {
        let needs = &model.lab.world.item(*item).needs;
        if needs.iter().all(|need| part.contains(*need)) && draw.chance(percent) {
            part.insert(*item);
        }
    }
    part
}
