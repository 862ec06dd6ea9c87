//! What a device signs that signs what it likes: whatever its key can sign about anything that was ever signed.

use cuecard::id::TermId;
use cuecard::role::{Cause, Cut, Point};

use crate::model::{Role, State};
use crate::world::{Device, Says};

impl Role {
    /// Whatever a hostile device can sign about what was ever signed.
    pub(crate) fn cheats(&self, state: &State, hostile: Device) -> Vec<Says> {
        let world = &self.lab.world;
        let mut places: Vec<(TermId, Cut)> = vec![(world.zero(), world.beginning())];
        for item in &state.made.0 {
            let item = world.item(*item);
            places.extend(item.term().map(|term| {
                let Cut { head, .. } = term.cut;
                (term.id(), Cut { len: 0, head })
            }));
            places.extend(item.end());
        }
        let mut cheats = Vec::new();
        for (parent, cut) in places {
            let holder = world.holder(parent);
            let mut say = |cause, holder| {
                cheats.push(Says::Term {
                    signer: hostile,
                    parent,
                    cause,
                    cut,
                    holder,
                    nonce: 200,
                });
            };
            if holder == Some(hostile) {
                world.devices().for_each(|to| say(Cause::Handover, Some(to)));
                say(Cause::Release, None);
            }
            if holder.is_some() || cut.len == 0 {
                say(Cause::Claim, Some(hostile));
            }
            if holder == Some(hostile) {
                cheats.push(Says::Change {
                    term: parent,
                    after: cut,
                    variant: 200,
                    merges: None,
                    sealed: true,
                });
            }
        }
        cheats.extend(self.charters_of_old(state, hostile));
        cheats.retain(|says| !state.made.0.iter().any(|item| world.item(*item).says == *says));
        cheats
    }

    /// An owner of earlier may say what it likes, in the time that was its own.
    fn charters_of_old(&self, state: &State, hostile: Device) -> Vec<Says> {
        let world = &self.lab.world;
        let mut owners = vec![(0, 0, None)];
        for item in &state.made.0 {
            if let Says::Charter {
                age: (generation, 0),
                owner,
                ..
            } = world.item(*item).says
            {
                owners.push((generation, owner, Some(*item)));
            }
        }
        let newest = owners.iter().map(|(generation, ..)| *generation).max().unwrap();
        let ended = owners
            .into_iter()
            .filter(|(generation, owner, _)| *owner == hostile && *generation < newest);
        let Cut { len, head } = world.beginning();
        let charter = |(generation, owner, under)| Says::Charter {
            age: (generation, 99),
            signer: owner,
            owner,
            members: Vec::new(),
            settled: Point {
                term: world.zero(),
                len,
                head,
            },
            under,
        };
        ended.map(charter).collect()
    }
}
