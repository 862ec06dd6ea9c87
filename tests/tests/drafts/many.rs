//! Four devices, any shape of cables, and everybody does anything with drafts, with the role, with cables and power
//! switches. When it is quiet again, all agree on every draft.
//!
//! Each seed is another world. `CUECARD_SEED=n` runs one alone, `CUECARD_SEEDS=n` as many.

use std::collections::BTreeMap;
use std::time::Duration;

use cuecard::core::Role;
use cuecard::sim::Peer;
use cuecard::{DraftId, DraftState, Rights};
use cuecard_tests::{on_all_cores, seeds};

use super::world::World;

const SEEDS: u64 = 20;
const STEPS: usize = 60;

struct Many {
    world: World,
    peers: Vec<Peer>,
    cables: Vec<(Peer, Peer)>,
}

impl Many {
    fn new(seed: u64) -> Self {
        let mut world = World::new(seed);
        let mut peers = vec![world.laptop];
        for name in ["tablet", "phone", "watch"] {
            let rights = if name == "watch" {
                Rights::Draft
            } else {
                Rights::Hold
            };
            peers.push(world.device(name, Some(rights)));
        }
        let mut cables = Vec::new();
        let mesh = world.sim.random(2) == 0;
        for a in 0..peers.len() {
            for b in a + 1..peers.len() {
                if mesh || b == a + 1 {
                    world.connect(peers[a], peers[b]);
                    cables.push((peers[a], peers[b]));
                }
            }
        }
        Self { world, peers, cables }
    }

    fn some<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        let at = self.world.sim.random(of.len() as u64) as usize;
        of.get(at).copied()
    }

    fn editor(&self) -> Option<Peer> {
        let edits = |peer: &&Peer| {
            matches!(
                self.world.sim.role(**peer, self.world.deck),
                Some(Role::Editor { .. })
            )
        };
        self.peers.iter().find(edits).copied()
    }

    /// Drafts of a device's own that stand so.
    fn own(&self, peer: Peer, stands: impl Fn(&DraftState) -> bool) -> Vec<DraftId> {
        let me = self.world.sim.id(peer);
        let drafts = self.world.sim.drafts(peer, self.world.deck).into_iter();
        let own = drafts.filter(|info| info.author == me && stands(&info.state));
        own.map(|info| info.draft).collect()
    }

    fn step(&mut self, number: usize) {
        let deck = self.world.deck;
        let peers = self.peers.clone();
        let peer = self.some(&peers).unwrap();
        let front = format!("card {number}");
        match self.world.sim.random(16) {
            0..=2 => {
                let open = self.world.act(peer, |core, now| {
                    core.open_draft(now, deck, &front).map(|draft| draft.value)
                });
                // A device may have only so many open.
                if let Ok(draft) = open {
                    self.world.write(peer, draft, &front);
                    self.world.propose(peer, draft);
                }
            }
            3 | 4 => {
                let own = self.own(peer, |state| *state != DraftState::Accepted);
                if let Some(draft) = self.some(&own) {
                    self.world.write(peer, draft, &front);
                    self.world.propose(peer, draft);
                }
            }
            5 => {
                let own = self.own(peer, DraftState::is_proposed);
                if let Some(draft) = self.some(&own) {
                    self.world.withdraw(peer, draft);
                }
            }
            6..=8 => {
                let Some(editor) = self.editor() else { return };
                let waiting: Vec<DraftId> = self
                    .world
                    .sim
                    .drafts(editor, deck)
                    .into_iter()
                    .filter(|info| info.state.is_proposed())
                    .map(|info| info.draft)
                    .collect();
                if let Some(draft) = self.some(&waiting) {
                    if self.world.sim.random(2) == 0 {
                        self.world.accept(editor, draft);
                    } else {
                        self.world.decline(editor, draft, "no");
                    }
                }
            }
            9 => {
                if let Some(editor) = self.editor() {
                    // To one that may hold it, and has a log.
                    let to = peers[self.world.sim.random(3) as usize];
                    self.world.hand_over(editor, to);
                }
            }
            10 => {
                if let Some(editor) = self.editor() {
                    self.world.edit(editor, &front);
                }
            }
            11 | 12 => {
                let cables = self.cables.clone();
                let (a, b) = self.some(&cables).unwrap();
                if self.world.sim.random(2) == 0 {
                    self.world.sim.cut(a, b);
                } else {
                    self.world.sim.mend(a, b);
                }
            }
            13 => self.world.restart(peer),
            _ => {}
        }
        let pause = Duration::from_millis(self.world.sim.random(900));
        self.world.sim.run_for(pause);
    }

    fn assert_agreed(&mut self) {
        let seed = self.world.sim.seed();
        let mut all: BTreeMap<DraftId, Vec<(Peer, u64, DraftState)>> = BTreeMap::new();
        for &peer in &self.peers {
            for info in self.world.sim.drafts(peer, self.world.deck) {
                all.entry(info.draft)
                    .or_default()
                    .push((peer, info.len, info.state));
            }
        }
        for (draft, stands) in all {
            let author = self.peers.iter().find(|peer| {
                let info = self.world.info(**peer, draft);
                info.is_some_and(|info| info.author == self.world.sim.id(**peer))
            });
            let told = format!("seed {seed}: {draft:?} of {author:?}: {stands:?}");
            let (_, written, authors) = stands
                .iter()
                .find(|(peer, ..)| Some(peer) == author)
                .expect(&told);
            for (_, len, state) in &stands {
                let agree = match authors {
                    DraftState::Proposed | DraftState::Delivered { .. } => state.is_proposed(),
                    state_of_author => state == state_of_author,
                };
                // What its author wrote and did not propose is nobody else's to know; nor what was added to an accepted
                // draft and was over before it came here.
                let open = *authors == DraftState::Open;
                let rest = *state == DraftState::Accepted && len < written && authors.is_closed();
                assert!(agree || open || rest, "{told}");
            }
            if authors.is_proposed() {
                assert_eq!(stands.len(), self.peers.len(), "it waits with everybody; {told}");
            }
        }
        let peers = self.peers.clone();
        self.world.assert_one_deck(&peers);
    }
}

#[test]
fn all_agree_on_every_draft_when_it_is_quiet() {
    on_all_cores(seeds(SEEDS).collect(), |seed| {
        let mut many = Many::new(seed);
        for number in 0..STEPS {
            many.step(number);
        }
        for (a, b) in many.cables.clone() {
            many.world.sim.mend(a, b);
        }
        many.world.run();
        many.world.run();
        many.assert_agreed();
    });
}
