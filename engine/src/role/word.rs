//! What devices say to each other about the role that is no record: it is signed, passed on, answered, and forgotten.

use super::bytes::{Malformed, Reader, Writer};
use super::layout::Layout;
use super::record::Cut;
use crate::id::{DeckId, TermId};
use crate::limits::NOTE_BYTES_MAX;
use cuecard_transport::DeviceId;

/// The longest seal, with room to spare.
const SEAL_BYTES_MAX: usize = 256;

/// One word of a device. It says under which term it was said: to a later editor it says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Word {
    /// Of which deck.
    pub deck: DeckId,
    /// The last term that the device knew of.
    pub term: TermId,
    /// Random: two words are never the same by accident.
    pub nonce: [u8; 16],
    /// Who says it. Signing fills it in.
    pub signer: DeviceId,
    /// What it says.
    pub says: Says,
}

/// What a [`Word`] says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Says {
    /// "Give me the role."
    Request {
        /// Why.
        note: String,
    },
    /// "No": by the editor.
    Denial {
        /// Whom it answers.
        to: DeviceId,
        /// The record id of the request.
        request: [u8; 32],
        /// Why not.
        reason: String,
    },
    /// "I am here": by the editor.
    Beat {
        /// Grows with each that a device says in a term, over restarts too: it is its clock, or one more than the last.
        number: u64,
        /// The next one follows after so long.
        interval_ms: u32,
        /// Where its term ends.
        end: Cut,
        /// Whether those who may hold the role are to answer.
        asks: bool,
    },
    /// "I hear you."
    Echo {
        /// The record id of the beat.
        beat: [u8; 32],
    },
    /// "I do not hear the editor. Do you?"
    Question,
    /// The answer.
    Answer {
        /// The record id of the question.
        question: [u8; 32],
        /// Whether the editor is heard.
        hears: bool,
        /// The longest seal of the last term that is known, if there is any.
        seal: Vec<u8>,
    },
}

impl Layout for Word {
    const PURPOSE: &'static [u8] = b"cuecard word";
    const KIND: u8 = 20;

    fn write(&self, to: &mut Writer) {
        to.bytes(self.deck.as_bytes());
        to.bytes(self.term.as_bytes());
        to.bytes(&self.nonce);
        to.bytes(self.signer.as_bytes());
        match &self.says {
            Says::Request { note } => {
                to.u8(0);
                to.counted(note.as_bytes());
            }
            Says::Denial {
                to: device,
                request,
                reason,
            } => {
                to.u8(1);
                to.bytes(device.as_bytes());
                to.bytes(request);
                to.counted(reason.as_bytes());
            }
            Says::Beat {
                number,
                interval_ms,
                end,
                asks,
            } => {
                to.u8(2);
                to.u64(*number);
                to.u32(*interval_ms);
                to.u64(end.len);
                to.bytes(end.head.as_ref());
                to.u8(u8::from(*asks));
            }
            Says::Echo { beat } => {
                to.u8(3);
                to.bytes(beat);
            }
            Says::Question => to.u8(4),
            Says::Answer {
                question,
                hears,
                seal,
            } => {
                to.u8(5);
                to.bytes(question);
                to.u8(u8::from(*hears));
                to.counted(seal);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            deck: DeckId::from_bytes(from.array()?),
            term: TermId::from_bytes(from.array()?),
            nonce: from.array()?,
            signer: from.device()?,
            says: match from.u8()? {
                0 => Says::Request {
                    note: from.text(NOTE_BYTES_MAX, "note")?.to_owned(),
                },
                1 => Says::Denial {
                    to: from.device()?,
                    request: from.array()?,
                    reason: from.text(NOTE_BYTES_MAX, "note")?.to_owned(),
                },
                2 => Says::Beat {
                    number: from.u64()?,
                    interval_ms: from.u32()?,
                    end: Cut {
                        len: from.u64()?,
                        head: from.change()?,
                    },
                    asks: from.flag("beat")?,
                },
                3 => Says::Echo { beat: from.array()? },
                4 => Says::Question,
                5 => Says::Answer {
                    question: from.array()?,
                    hears: from.flag("answer")?,
                    seal: from.counted(SEAL_BYTES_MAX)?.to_vec(),
                },
                _ => return Err(Malformed::Field("word")),
            },
        })
    }

    fn check(&self) -> Result<(), Malformed> {
        let text = match &self.says {
            Says::Request { note } => note,
            Says::Denial { reason, .. } => reason,
            Says::Beat { interval_ms: 0, .. } => return Err(Malformed::Field("interval")),
            Says::Answer { seal, .. } if seal.len() > SEAL_BYTES_MAX => return Err(Malformed::Limit("seal")),
            Says::Beat { .. } | Says::Echo { .. } | Says::Question | Says::Answer { .. } => return Ok(()),
        };
        if text.len() > NOTE_BYTES_MAX {
            return Err(Malformed::Limit("note"));
        }
        Ok(())
    }
}
