//! A member that may propose drafts, and says whatever it likes: what others said before, bent; records that it has no right
//! to sign; numbers out of nowhere.

use cuecard::ChangeHash;
use cuecard::role::{Cause, Cut, Term};
use cuecard::sim::Peer;
use cuecard::sync::envelope::open;
use cuecard::sync::message::{Item, Message, Position};
use cuecard::transport::Lane;

use crate::world::World;

impl World {
    pub(crate) fn lie(&mut self, to: Peer) -> bool {
        if !self.sim.is_running(to) {
            return false;
        }
        if self.intruders.is_empty() {
            // From now on it listens.
            self.sim.record();
        }
        let (device, deck, key) = (self.mallory.id(), self.deck, self.key);
        let intruder = self.sim.intrude_with_key(to, device, deck, &key);
        self.intruders.push(intruder);
        for _ in 0..4 {
            match self.sim.random(5) {
                0 => self.claim_falsely(intruder),
                1 => {
                    let (held, taken, changes) = (self.nowhere(), self.sim.random(1 << 40), u64::MAX);
                    self.sim.say(
                        intruder,
                        &Message::Ack {
                            deck,
                            held,
                            taken,
                            changes,
                        },
                    );
                }
                _ => self.repeat_bent(intruder),
            }
        }
        true
    }

    fn nowhere(&mut self) -> Position {
        let term = cuecard::TermId::zero_of(self.deck);
        let head = ChangeHash([self.sim.random(256) as u8; 32]);
        let len = self.sim.random(1_000);
        Position::new(term, Cut { len, head })
    }

    /// It makes itself the editor.
    fn claim_falsely(&mut self, intruder: cuecard::sim::Intruder) {
        let deck = self.deck;
        let at = self.nowhere();
        let cause = if self.sim.random(2) == 0 {
            Cause::Claim
        } else {
            Cause::Handover
        };
        let term = Term {
            deck,
            parent: at.term,
            cause,
            cut: Cut {
                len: 0,
                head: at.head,
            },
            holder: Some(self.mallory.id()),
            nonce: [self.sim.random(256) as u8; 16],
            signer: self.mallory.id(),
        };
        let Ok(term) = term.sign(&self.mallory) else {
            return;
        };
        let items = vec![Item::Term(term.encode().into())];
        self.sim.say(intruder, &Message::Branches { deck, items });
    }

    /// It says what somebody said before, as it was or with some bytes turned.
    fn repeat_bent(&mut self, intruder: cuecard::sim::Intruder) {
        let said = self.sim.recorded().len() as u64;
        if said == 0 {
            return;
        }
        let at = self.sim.random(said) as usize;
        let (lane, bytes) = self.sim.recorded()[at].clone();
        let mut bytes = bytes.to_vec();
        let is_greeting = lane == Lane::Control && matches!(open(&bytes), Ok(Message::Greet { .. }));
        if self.sim.random(2) == 0 && !is_greeting {
            for _ in 0..=self.sim.random(3) {
                let at = self.sim.random(bytes.len().max(1) as u64) as usize;
                let turn = 1 + self.sim.random(255) as u8;
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= turn;
                }
            }
        }
        self.sim.say_raw(intruder, lane, bytes.into());
    }
}
