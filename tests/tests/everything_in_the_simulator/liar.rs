//! A member that says whatever it likes: what others said before, bent; records that it has no right to sign; numbers out of
//! nowhere. Of some worlds it may hold the role, and signs one line after the other of a term of its own, and seals what is
//! none; and of all, it signs changes that no engine makes, as lines and as drafts. Whoever asks it for audio is not answered, or with other bytes, or with those of another place.

use automerge::ActorId;
use cuecard::ChangeHash;
use cuecard::document::{Document, NewChange};
use cuecard::role::{self, Cause, Cut, Draft, Seal, Term};
use cuecard::sim::{Intruder, Peer};
use cuecard::sync::envelope::open;
use cuecard::sync::holdings::Digest;
use cuecard::sync::message::{DraftItem, Item, Message, Position};
use cuecard::transport::Lane;

use crate::forged::{FAULTS, forge};
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
        // So that it is asked for audio, and is sent no more than it has to be.
        let locator: Vec<Position> = self.sim.position(to, deck).into_iter().collect();
        let status = Message::Status {
            deck,
            charter: Some((0, 1)),
            locator,
            beside: Digest::of(&Default::default()),
            changes: 0,
        };
        self.sim.say(intruder, &status);
        if self.trouble.mallory_holds && self.sim.random(3) > 0 {
            // In earnest: a term, and two lines of it.
            if self.her_term.is_none() || self.sim.random(2) == 0 {
                self.claim_truly(intruder, to);
            }
            self.sign_a_line(intruder);
            self.sign_a_line(intruder);
            if self.sim.random(2) == 0 {
                self.propose(intruder, to);
            }
            return true;
        }
        for _ in 0..4 {
            match self.sim.random(9) {
                8 => self.propose(intruder, to),
                0 => self.claim_falsely(intruder),
                5 => self.claim_truly(intruder, to),
                6 | 7 => self.sign_a_line(intruder),
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
    fn claim_falsely(&mut self, intruder: Intruder) {
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

    /// It makes itself the editor just where the deck stands: who may hold the role, may.
    fn claim_truly(&mut self, intruder: Intruder, of: Peer) {
        let deck = self.deck;
        let at = self.sim.position(of, deck);
        let (Some(at), Some(document)) = (at, self.sim.document(of, deck)) else {
            return;
        };
        let term = Term {
            deck,
            parent: at.term,
            cause: Cause::Claim,
            cut: at.cut(),
            holder: Some(self.mallory.id()),
            nonce: [self.sim.random(256) as u8; 16],
            signer: self.mallory.id(),
        };
        let Ok(term) = term.sign(&self.mallory) else {
            return;
        };
        let record = term.encode();
        let items = vec![Item::Term(record.clone().into())];
        self.her_term = Some((term.id(), record, document));
        self.sim.say(intruder, &Message::Entries { deck, items });
    }

    /// A line of a term of its own, and each time another one; now and then the seal is over what is none.
    fn sign_a_line(&mut self, intruder: Intruder) {
        let deck = self.deck;
        let (number, is_bent) = (self.sim.random(1 << 40), self.sim.random(3) == 0);
        let Some((term, record, document)) = &self.her_term else {
            return;
        };
        let (term, after) = (*term, document.heads()[0]);
        // Whoever is told of the line may not have been told of the term.
        let begins = Item::Term(record.clone().into());
        let Ok(mut line) = document.fork_at(after) else {
            return;
        };
        let Some(change) = self.change(&mut line, &role::actor_of_term(term), number) else {
            return;
        };
        let head = match is_bent {
            true => ChangeHash([number as u8; 32]),
            false => change.hash,
        };
        let Ok(seal) = (Seal { term, len: 1, head }).sign(deck, &self.mallory) else {
            return;
        };
        let line = Item::Changes {
            term,
            from: 1,
            changes: vec![change.bytes.into()],
            seal: seal.encode().into(),
            after,
        };
        let items = vec![begins, line];
        self.sim.say(intruder, &Message::Entries { deck, items });
    }

    /// The first change of a line, or of a draft: as it should be, or one that no engine makes.
    fn change(&mut self, line: &mut Document, actor: &ActorId, number: u64) -> Option<NewChange> {
        if let Some(&fault) = FAULTS.get(self.sim.random(6) as usize) {
            self.forged += 1;
            return forge(line, actor, number, fault);
        }
        let committed = line.commit(actor, 1_750_000_000_000, &mut || [number as u8; 10], |edit| {
            edit.add_card(&format!("mallory's {number}"), "?")
        });
        committed.ok()?.change
    }

    /// A draft of one change, on the deck as it stands: each member may.
    fn propose(&mut self, intruder: Intruder, to: Peer) {
        let (deck, author, number) = (self.deck, self.mallory.id(), self.sim.random(1 << 40));
        let Some(mut line) = self.sim.document(to, deck) else {
            return;
        };
        let (base, nonce) = (line.heads()[0], [number as u8; 16]);
        let actor = role::actor_of_draft(deck, author, nonce);
        let Some(change) = self.change(&mut line, &actor, number) else {
            return;
        };
        let record = Draft {
            deck,
            base,
            author,
            nonce,
            version: 1,
            signed_ms: 1_750_000_000_000,
            len: 1,
            head: change.hash,
            note: String::new(),
        };
        let Ok(record) = record.sign(&self.mallory) else {
            return;
        };
        let draft = DraftItem {
            record: record.encode().into(),
            changes: vec![change.bytes.into()],
        };
        self.sim.say(intruder, &Message::Propose { deck, draft });
    }

    /// Whoever asked it for audio meanwhile waits in vain, or is sent what is not that.
    pub(crate) fn answer_falsely(&mut self) {
        for intruder in self.intruders.clone() {
            for message in self.sim.heard(intruder) {
                let Message::Pull { transfer, first, .. } = message else {
                    continue;
                };
                let (len, byte) = (1 + self.sim.random(20_000) as usize, self.sim.random(256) as u8);
                let group = match self.sim.random(4) {
                    0 => continue,
                    1 => {
                        self.sim.say(intruder, &Message::Lack { transfer });
                        continue;
                    }
                    2 => first,
                    _ => first + 1 + self.sim.random(70) as u32,
                };
                let frame = [
                    &transfer.to_le_bytes()[..],
                    &group.to_le_bytes(),
                    &vec![byte; len],
                ]
                .concat();
                self.sim.say_raw(intruder, Lane::Binary, frame.into());
                self.answered += 1;
            }
        }
    }

    /// It says what somebody said before, as it was or with some bytes turned.
    fn repeat_bent(&mut self, intruder: Intruder) {
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
