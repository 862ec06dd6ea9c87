//! The one encoding of each signed record: `kind, format version, fields`, and after them 64 bytes of signature.

use super::admit::{Admit, Voucher};
use super::bytes::{Malformed, Reader, Writer};
use super::keys::KeyEpoch;
use super::playing::Playing;
use super::record::{Cause, Charter, Cut, Draft, Member, Point, Rights, Seal, Term};
use super::shown::Shown;
use super::withdrawal::Withdrawal;
use super::word::Word;
use crate::id::{DeckId, TermId};
use crate::limits::{DECK_CHANGES_MAX, MEMBERS_MAX, NOTE_BYTES_MAX};
use cuecard_transport::DeviceId;

/// The format of every record. A reader refuses what it does not know.
pub(super) const FORMAT_VERSION: u8 = 0;

/// A record that carries a signature: [`Charter`], [`Term`], [`Seal`], [`Draft`] and [`Withdrawal`], and no other type.
pub trait Record: Layout + Clone {}

impl Record for Charter {}
impl Record for Term {}
impl Record for Seal {}
impl Record for Draft {}
impl Record for Withdrawal {}
impl Record for Word {}
impl Record for Shown {}
impl Record for Playing {}
impl Record for Admit {}
impl Record for Voucher {}

/// How a record is laid out. Not named outside, so that no other type can become a record.
pub trait Layout: Sized {
    /// What the signature is for: a signature over one kind of record is none over another.
    const PURPOSE: &'static [u8];
    /// The first byte.
    const KIND: u8;

    /// Writes all fields.
    fn write(&self, to: &mut Writer);
    /// Reads what `write` wrote.
    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed>;
    /// Refuses what the layout alone does not.
    fn check(&self) -> Result<(), Malformed>;
}

pub(super) fn read_header(from: &mut Reader<'_>, kind: u8) -> Result<(), Malformed> {
    let found = from.u8()?;
    if found != kind {
        return Err(Malformed::Kind(found));
    }
    match from.u8()? {
        FORMAT_VERSION => Ok(()),
        found => Err(Malformed::Version(found)),
    }
}

impl Layout for Charter {
    const PURPOSE: &'static [u8] = b"cuecard charter";
    const KIND: u8 = 2;

    fn write(&self, to: &mut Writer) {
        to.bytes(self.deck.as_bytes());
        to.u32(self.generation);
        to.u32(self.count);
        to.bytes(self.owner.as_bytes());
        to.bytes(self.signer.as_bytes());
        // `check` keeps the count in one byte; a record that does not pass it is never signed or sent.
        to.u8(u8::try_from(self.members.len()).unwrap_or(u8::MAX));
        for member in &self.members {
            to.bytes(member.device.as_bytes());
            to.u8(match member.rights {
                Rights::Read => 0,
                Rights::Draft => 1,
                Rights::Hold => 2,
            });
            to.u16(member.rank);
        }
        self.key_epoch.write(to);
        to.bytes(self.settled.term.as_bytes());
        write_cut(to, self.settled.cut());
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let deck = DeckId::from_bytes(from.array()?);
        let generation = from.u32()?;
        let count = from.u32()?;
        let owner = from.device()?;
        let signer = from.device()?;
        let member_count = usize::from(from.u8()?);
        if member_count > MEMBERS_MAX {
            return Err(Malformed::Limit("count of members"));
        }
        let members = (0..member_count)
            .map(|_| read_member(from))
            .collect::<Result<Vec<_>, _>>()?;
        let key_epoch = KeyEpoch::read(from)?;
        let term = TermId::from_bytes(from.array()?);
        let cut = read_cut(from)?;
        let settled = Point {
            term,
            len: cut.len,
            head: cut.head,
        };
        Ok(Self {
            deck,
            generation,
            count,
            owner,
            signer,
            members,
            key_epoch,
            settled,
        })
    }

    fn check(&self) -> Result<(), Malformed> {
        if self.members.len() > MEMBERS_MAX {
            return Err(Malformed::Limit("count of members"));
        }
        if !self.members.is_sorted_by(|a, b| a.device < b.device) {
            return Err(Malformed::Field("order of members"));
        }
        match (self.generation, self.count) {
            // The genesis implies this one; nobody signs it.
            (0, 0) => return Err(Malformed::Field("generation and count")),
            (_, 0) => {}
            (_, _) if self.signer != self.owner => return Err(Malformed::Field("signer")),
            (_, _) => {}
        }
        self.key_epoch.check()?;
        check_len(self.settled.len)
    }
}

impl Layout for Term {
    const PURPOSE: &'static [u8] = b"cuecard term";
    const KIND: u8 = 3;

    fn write(&self, to: &mut Writer) {
        to.bytes(self.deck.as_bytes());
        to.bytes(self.parent.as_bytes());
        to.u8(match self.cause {
            Cause::Handover => 0,
            Cause::Release => 1,
            Cause::Claim => 2,
        });
        write_cut(to, self.cut);
        match self.holder {
            None => to.u8(0),
            Some(holder) => {
                to.u8(1);
                to.bytes(holder.as_bytes());
            }
        }
        to.bytes(&self.nonce);
        to.bytes(self.signer.as_bytes());
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            deck: DeckId::from_bytes(from.array()?),
            parent: TermId::from_bytes(from.array()?),
            cause: match from.u8()? {
                0 => Cause::Handover,
                1 => Cause::Release,
                2 => Cause::Claim,
                _ => return Err(Malformed::Field("cause")),
            },
            cut: read_cut(from)?,
            holder: match from.u8()? {
                0 => None,
                1 => Some(from.device()?),
                _ => return Err(Malformed::Field("holder")),
            },
            nonce: from.array()?,
            signer: from.device()?,
        })
    }

    fn check(&self) -> Result<(), Malformed> {
        let fits = match self.cause {
            Cause::Handover => self.holder.is_some(),
            Cause::Release => self.holder.is_none(),
            Cause::Claim => self.holder == Some(self.signer),
        };
        if !fits {
            return Err(Malformed::Field("holder"));
        }
        check_len(self.cut.len)
    }
}

impl Layout for Seal {
    const PURPOSE: &'static [u8] = b"cuecard seal";
    const KIND: u8 = 4;

    fn write(&self, to: &mut Writer) {
        to.bytes(self.term.as_bytes());
        write_cut(to, self.cut());
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let term = TermId::from_bytes(from.array()?);
        let cut = read_cut(from)?;
        Ok(Self {
            term,
            len: cut.len,
            head: cut.head,
        })
    }

    fn check(&self) -> Result<(), Malformed> {
        if self.len == 0 {
            return Err(Malformed::Field("length"));
        }
        check_len(self.len)
    }
}

impl Layout for Draft {
    const PURPOSE: &'static [u8] = b"cuecard draft";
    const KIND: u8 = 5;

    fn write(&self, to: &mut Writer) {
        to.bytes(self.deck.as_bytes());
        to.bytes(self.base.as_ref());
        to.bytes(self.author.as_bytes());
        to.bytes(&self.nonce);
        to.u32(self.version);
        to.u64(self.signed_ms);
        write_cut(
            to,
            Cut {
                len: self.len,
                head: self.head,
            },
        );
        // `check` keeps the length in two bytes; a record that does not pass it is never signed or sent.
        to.u16(u16::try_from(self.note.len()).unwrap_or(u16::MAX));
        to.bytes(self.note.as_bytes());
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let deck = DeckId::from_bytes(from.array()?);
        let base = from.change()?;
        let author = from.device()?;
        let nonce = from.array()?;
        let version = from.u32()?;
        let signed_ms = from.u64()?;
        let cut = read_cut(from)?;
        let note_bytes = usize::from(from.u16()?);
        if note_bytes > NOTE_BYTES_MAX {
            return Err(Malformed::Limit("note"));
        }
        let note = std::str::from_utf8(from.bytes(note_bytes)?).map_err(|_| Malformed::Field("note"))?;
        Ok(Self {
            deck,
            base,
            author,
            nonce,
            version,
            signed_ms,
            len: cut.len,
            head: cut.head,
            note: note.to_owned(),
        })
    }

    fn check(&self) -> Result<(), Malformed> {
        if self.note.len() > NOTE_BYTES_MAX {
            return Err(Malformed::Limit("note"));
        }
        if self.version == 0 {
            return Err(Malformed::Field("version"));
        }
        if (self.len == 0) != (self.head == self.base) {
            return Err(Malformed::Field("head"));
        }
        check_len(self.len)
    }
}

fn read_member(from: &mut Reader<'_>) -> Result<Member, Malformed> {
    Ok(Member {
        device: DeviceId::from_bytes(from.array()?),
        rights: match from.u8()? {
            0 => Rights::Read,
            1 => Rights::Draft,
            2 => Rights::Hold,
            _ => return Err(Malformed::Field("rights")),
        },
        rank: from.u16()?,
    })
}

fn write_cut(to: &mut Writer, cut: Cut) {
    to.u64(cut.len);
    to.bytes(cut.head.as_ref());
}

fn read_cut(from: &mut Reader<'_>) -> Result<Cut, Malformed> {
    Ok(Cut {
        len: from.u64()?,
        head: from.change()?,
    })
}

fn check_len(len: u64) -> Result<(), Malformed> {
    if len > DECK_CHANGES_MAX {
        Err(Malformed::Limit("length"))
    } else {
        Ok(())
    }
}
