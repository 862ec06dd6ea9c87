//! What people, machines and cables do.

use std::time::Duration;

use cuecard::core::Core;
use cuecard::op::{Op, Splice};
use cuecard::sim::Peer;
use cuecard::{AudioRef, CardId, DraftId, DraftState};

use crate::world::{Outcome, World, Written};

pub(crate) const NAMES: [&str; KINDS] = [
    "a card added",
    "a card changed",
    "a card deleted or restored",
    "something typed",
    "undo or redo",
    "audio attached",
    "a draft proposed",
    "a draft extended",
    "a draft withdrawn or discarded",
    "a draft accepted or declined",
    "the role handed over",
    "the role released",
    "the role claimed",
    "the role taken over",
    "the role requested",
    "the deck set aside",
    "a nap",
    "a cable cut or mended",
    "power lost",
    "a backup put back",
    "a disk that failed",
    "a lie",
];
pub(crate) const KINDS: usize = 22;

impl World {
    /// Some time in which everything happens.
    pub(crate) fn live(&mut self) -> Outcome {
        let steps = 12 + self.sim.random(16) + 2 * self.peers.len() as u64;
        for number in 0..steps {
            let kind = self.step(number)?;
            if let Some(kind) = kind {
                self.done[kind] += 1;
            }
            let pause = Duration::from_millis(self.sim.random(800));
            self.sim.run_for(pause);
            self.answer_falsely();
            self.note_durable();
            self.check_meanwhile()?;
        }
        Ok(())
    }

    pub(crate) fn step(&mut self, number: u64) -> Outcome<Option<usize>> {
        // Edits twice as often: there has to be something to lose.
        let kind = match self.sim.random(30) {
            kind @ 0..22 => kind as usize,
            22..=24 => 0,
            25 => 1,
            26 => 6,
            27 => 18,
            28 => 19,
            _ if self.trouble.mallory => 21,
            _ => 17,
        };
        let (peer, other) = (self.some_peer(), self.some_peer());
        let done = match kind {
            0..=5 => self.edit(kind, number),
            6..=9 => self.draft(kind, number),
            10 => {
                let to = self.sim.id(other);
                self.as_editors(|core, now, deck| core.hand_over(now, deck, to).map(drop))
            }
            11 if self.sim.random(3) == 0 => {
                self.as_editors(|core, now, deck| core.release(now, deck).map(drop))
            }
            12 => self
                .attempt(peer, |core, now, deck| core.claim(now, deck))
                .is_some(),
            13 => self
                .attempt(peer, |core, now, deck| core.take_over(now, deck))
                .is_some(),
            14 => {
                let asked = self.attempt(peer, |core, now, deck| core.request_role(now, deck, "please"));
                asked.is_some()
            }
            15 => {
                let follow = self.sim.random(2) == 0;
                let set = self.attempt(peer, |core, now, deck| core.set_followed(now, deck, follow));
                set.is_some_and(|applied| applied.ticket.is_some())
            }
            16 => {
                self.sim.act(peer, Core::suspend);
                let pause = Duration::from_millis(self.sim.random(1_000));
                self.sim.run_for(pause);
                self.sim.act(peer, Core::resume).is_some()
            }
            17 => self.cable(),
            18 if self.trouble.crashes => {
                // Often right after an edit that others may have seen and the disk does not have.
                if self.sim.random(2) == 0 {
                    self.edit(0, number);
                    let pause = Duration::from_micros(self.sim.random(3_000));
                    self.sim.run_for(pause);
                }
                let editor = self.editors().first().copied();
                let peer = editor.filter(|_| self.sim.random(2) == 0).unwrap_or(peer);
                self.crash(peer);
                let pause = Duration::from_millis(self.sim.random(2_000));
                self.sim.run_for(pause);
                self.sim.restart(peer)?;
                true
            }
            19 if self.trouble.backups => self.back_up(peer, number)?,
            20 if self.trouble.disks => {
                self.note_durable();
                self.sim.fail_disk(peer);
                let pause = Duration::from_millis(self.sim.random(500));
                self.sim.run_for(pause);
                // Now and then it is left like that for a while, and the others go on around it.
                for _ in 0..self.sim.random(4) {
                    self.edit(0, number);
                    let pause = Duration::from_millis(self.sim.random(1_500));
                    self.sim.run_for(pause);
                }
                // What it did since then it never kept, and said so. Its person starts it again.
                self.written
                    .retain(|written| written.by != peer || written.durable);
                self.sim.crash(peer);
                self.sim.restart(peer)?;
                true
            }
            21 if self.trouble.mallory => self.lie(peer),
            _ => false,
        };
        Ok(done.then_some(kind))
    }

    /// Whoever believes that it may, does: on every side.
    fn as_editors<E>(
        &mut self,
        act: impl Fn(&mut Core, cuecard::time::Time, cuecard::DeckId) -> Result<(), E>,
    ) -> bool {
        let mut done = false;
        for editor in self.editors() {
            done |= self.attempt(editor, &act).is_some();
        }
        done
    }

    fn edit(&mut self, kind: usize, number: u64) -> bool {
        let mut done = false;
        for editor in self.editors() {
            let before = self.sim.head(editor, self.deck);
            let cards = self.sim.cards(editor, self.deck);
            let at = self.sim.random(cards.len().max(1) as u64) as usize;
            let card: Option<CardId> = cards.get(at).map(|card| card.id.clone());
            let which = self.sim.random(4);
            let did = match (kind, card) {
                (0, _) => self.attempt(editor, |core, now, deck| {
                    let front = format!("card {number}");
                    core.edit(now, deck, |edit| edit.add_card(&front, "?").map(drop))
                        .map(drop)
                }),
                (1, Some(card)) => {
                    let first = cards.first().map(|card| card.id.clone());
                    self.attempt(editor, |core, now, deck| {
                        core.edit(now, deck, |edit| match which {
                            0 => edit.set_text(
                                &card,
                                cuecard::card::TextField::Front,
                                &format!("now {number}"),
                            ),
                            1 => edit.tag(&card, &format!("tag {}", number % 5)),
                            2 => edit.move_card(&card, first.as_ref().filter(|first| **first != card)),
                            _ => {
                                // Several at once are one change.
                                edit.add_card("and", "more")?;
                                edit.tag(&card, "both")
                            }
                        })
                        .map(drop)
                    })
                }
                (2, Some(card)) => self.attempt(editor, |core, now, deck| {
                    core.edit(now, deck, |edit| {
                        edit.delete_card(&card)?;
                        if which == 0 {
                            edit.restore_card(&card)
                        } else {
                            Ok(())
                        }
                    })
                    .map(drop)
                }),
                (3, Some(card)) => self.attempt(editor, |core, now, deck| {
                    let op = Op::CardText {
                        card: card.clone(),
                        field: cuecard::card::TextField::Back,
                        splices: vec![Splice {
                            at: 0,
                            delete: 0,
                            insert: format!("{number} "),
                        }],
                    };
                    core.type_op(now, deck, op).map(drop)
                }),
                (4, _) if which < 3 => self.attempt(editor, |core, now, deck| core.undo(now, deck).map(drop)),
                (4, _) => self.attempt(editor, |core, now, deck| core.redo(now, deck).map(drop)),
                (5, Some(card)) => self.attach(editor, &card, number),
                _ => None,
            };
            // Something typed may still wait, and is then no promise.
            if did.is_some() {
                done = true;
                self.note_change(editor, before);
            }
        }
        done
    }

    /// Some sound, at a device: now and then longer than what a cable of these takes at once.
    fn record(&mut self, peer: Peer, number: u64) -> Option<AudioRef> {
        let longest = [400_000, 60_000, 60_000, 60_000][self.sim.random(4) as usize];
        let len = 1 + self.sim.random(longest);
        let sound: Vec<u8> = (0..len)
            .map(|at| (at.wrapping_mul(at + number) >> 3) as u8)
            .collect();
        if !self.sim.is_running(peer) {
            return None;
        }
        let audio = self.sim.import_audio(peer, &sound).ok()?;
        self.blobs.insert(audio.blob, sound);
        Some(audio)
    }

    fn attach(&mut self, editor: Peer, card: &CardId, number: u64) -> Option<()> {
        let audio = self.record(editor, number)?;
        self.attempt(editor, |core, now, deck| {
            core.edit(now, deck, |edit| edit.attach_audio(card, "front", audio.clone()))
                .map(drop)
        })
    }

    fn draft(&mut self, kind: usize, number: u64) -> bool {
        let peer = self.some_peer();
        if kind == 9 {
            return self.judge();
        }
        let me = self.sim.id(peer);
        let own = self.sim.drafts(peer, self.deck);
        let own: Vec<_> = own
            .into_iter()
            .filter(|draft| draft.author == me && draft.state != DraftState::Accepted)
            .collect();
        let some = self.sim.random(own.len().max(1) as u64) as usize;
        let some: Option<DraftId> = own.get(some).map(|draft| draft.draft);
        match (kind, some) {
            (6, _) => {
                let opened = self.attempt(peer, |core, now, deck| core.open_draft(now, deck, "more"));
                opened.is_some_and(|opened| self.write_draft(peer, opened.value, number))
            }
            (7, Some(draft)) => self.write_draft(peer, draft, number),
            (8, Some(draft)) => {
                let withdrawn = self.attempt(peer, |core, now, deck| core.withdraw_draft(now, deck, draft));
                if withdrawn.is_some() && self.sim.random(3) == 0 {
                    let gone = self.attempt(peer, |core, now, deck| core.discard_draft(now, deck, draft));
                    if gone.is_some() {
                        self.written.retain(|written| written.draft != Some(draft));
                    }
                }
                withdrawn.is_some()
            }
            _ => false,
        }
    }

    fn write_draft(&mut self, peer: Peer, draft: DraftId, number: u64) -> bool {
        let audio = match self.sim.random(4) {
            0 => self.record(peer, number),
            _ => None,
        };
        let written = self.attempt(peer, |core, now, deck| {
            core.edit_draft(now, deck, draft, |edit| {
                let card = edit.add_card(&format!("draft {number}"), "?")?;
                audio.map_or(Ok(()), |audio| edit.attach_audio(&card, "front", audio))
            })
        });
        if written.is_none() {
            return false;
        }
        if let Some(change) = self.sim.draft_head(peer, self.deck, draft) {
            self.written.push(Written {
                by: peer,
                change,
                durable: false,
                draft: Some(draft),
            });
        }
        self.attempt(peer, |core, now, deck| core.propose_draft(now, deck, draft))
            .is_some()
    }

    fn judge(&mut self) -> bool {
        let mut done = false;
        for editor in self.editors() {
            let drafts = self.sim.drafts(editor, self.deck);
            let Some(draft) = drafts.into_iter().find(|draft| draft.state.is_proposed()) else {
                continue;
            };
            let declines = self.sim.random(3) == 0;
            // Its base may be on a branch that lost: then it says so.
            let judged = self.attempt(editor, |core, now, deck| match declines {
                true => core.decline_draft(now, deck, draft.draft, "no").map(drop),
                false => core.accept_draft(now, deck, draft.draft).map(drop),
            });
            done |= judged.is_some();
        }
        done
    }

    fn cable(&mut self) -> bool {
        let at = self.sim.random(self.cables.len() as u64) as usize;
        let (a, b) = self.cables[at];
        match self.sim.random(5) {
            0 | 1 => self.sim.cut(a, b),
            2 | 3 => self.sim.mend(a, b),
            _ => {
                for _ in 0..3 {
                    self.sim.cut(a, b);
                    let pause = Duration::from_millis(self.sim.random(400));
                    self.sim.run_for(pause);
                    self.sim.mend(a, b);
                    let pause = Duration::from_millis(self.sim.random(700));
                    self.sim.run_for(pause);
                }
            }
        }
        true
    }

    fn back_up(&mut self, peer: Peer, number: u64) -> Outcome<bool> {
        let at = self.sim.random(2 * self.backups.len() as u64 + 1) as usize;
        let Some((of, backup)) = self.backups.get(at).cloned() else {
            let backup = self.sim.backup(peer);
            self.backups.extend(backup.map(|backup| (peer, backup)));
            return Ok(false);
        };
        // Now and then nobody is there who could tell it what it did before.
        let alone = self.sim.random(2) == 0;
        let cables = self
            .cables
            .iter()
            .copied()
            .filter(|(a, b)| [*a, *b].contains(&of));
        let cables: Vec<_> = cables.filter(|_| alone).collect();
        for &(a, b) in &cables {
            self.sim.cut(a, b);
        }
        self.sim.run_for(Duration::from_secs(u64::from(alone)));
        self.restore(of, &backup)?;
        if alone {
            self.edit(0, number);
            self.sim.run_for(Duration::from_millis(100));
        }
        for (a, b) in cables {
            self.sim.mend(a, b);
        }
        Ok(true)
    }
}
