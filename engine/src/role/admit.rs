//! Admissions: a member who may hold the role lets another device in, to read or to propose.
//!
//! Membership always follows the newest charter; an admission adds to it, and never to the right to hold. It counts
//! while its signer may hold the role, its epoch is the deck's, and the charter does not list the device: removing anybody
//! turns the key and with it the epoch over, so that nobody comes back by an old admission. Whoever was admitted and
//! remains is listed by the charter from then on.

use std::collections::BTreeMap;

use super::bytes::{Malformed, Reader, Writer};
use super::charters::Charters;
use super::layout::Layout;
use super::record::Rights;
use super::signed::{RecordId, Signed, Verified};
use crate::id::DeckId;
use crate::limits::{ADMISSIONS_PER_MEMBER_MAX, MEMBERS_MAX};
use cuecard_transport::DeviceId;

/// "This device is a member": by one who may hold the role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Admit {
    /// To which deck.
    pub deck: DeckId,
    /// In which epoch of its key. It counts in no other.
    pub epoch: u32,
    /// Who is let in.
    pub device: DeviceId,
    /// To do what: to read or to propose, and no more.
    pub rights: Rights,
    /// Who lets it in. Signing fills it in.
    pub signer: DeviceId,
}

/// "Whoever shows this may be admitted": what an invite carries beside the key, so that any member who may hold the role
/// can admit whom another of them has invited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Voucher {
    /// To which deck.
    pub deck: DeckId,
    /// In which epoch of its key. It counts in no other.
    pub epoch: u32,
    /// To do what: to read or to propose, and no more.
    pub rights: Rights,
    /// Who invites. Signing fills it in.
    pub signer: DeviceId,
}

impl Voucher {
    /// The bytes of a signature.
    pub const SIGNATURE_BYTES: usize = 64;

    /// Finds out who of `candidates` signed this. An invite is short, so it carries the signature and no name.
    #[must_use]
    pub fn signed_by_one_of(
        self,
        signature: &[u8; Self::SIGNATURE_BYTES],
        candidates: impl IntoIterator<Item = DeviceId>,
    ) -> Option<Verified<Self>> {
        candidates.into_iter().find_map(|signer| {
            Signed::from_parts(Self { signer, ..self }, *signature)
                .verify(self.deck)
                .ok()
        })
    }
}

fn write_rights(rights: Rights, to: &mut Writer) {
    to.u8(match rights {
        Rights::Read => 0,
        Rights::Draft => 1,
        Rights::Hold => 2,
    });
}

fn read_rights(from: &mut Reader<'_>) -> Result<Rights, Malformed> {
    match from.u8()? {
        0 => Ok(Rights::Read),
        1 => Ok(Rights::Draft),
        2 => Ok(Rights::Hold),
        _ => Err(Malformed::Field("rights")),
    }
}

/// The right to hold the role comes from a charter only.
fn check_rights(rights: Rights) -> Result<(), Malformed> {
    if rights == Rights::Hold {
        Err(Malformed::Field("rights"))
    } else {
        Ok(())
    }
}

impl Layout for Admit {
    const PURPOSE: &'static [u8] = b"cuecard admission";
    const KIND: u8 = 40;

    fn write(&self, to: &mut Writer) {
        to.bytes(self.deck.as_bytes());
        to.u32(self.epoch);
        to.bytes(self.device.as_bytes());
        write_rights(self.rights, to);
        to.bytes(self.signer.as_bytes());
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            deck: DeckId::from_bytes(from.array()?),
            epoch: from.u32()?,
            device: from.device()?,
            rights: read_rights(from)?,
            signer: from.device()?,
        })
    }

    fn check(&self) -> Result<(), Malformed> {
        check_rights(self.rights)
    }
}

impl Layout for Voucher {
    const PURPOSE: &'static [u8] = b"cuecard invite";
    const KIND: u8 = 41;

    fn write(&self, to: &mut Writer) {
        to.bytes(self.deck.as_bytes());
        to.u32(self.epoch);
        write_rights(self.rights, to);
        to.bytes(self.signer.as_bytes());
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            deck: DeckId::from_bytes(from.array()?),
            epoch: from.u32()?,
            rights: read_rights(from)?,
            signer: from.device()?,
        })
    }

    fn check(&self) -> Result<(), Malformed> {
        check_rights(self.rights)
    }
}

/// A device that was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Admitted {
    /// To do what.
    pub rights: Rights,
    /// By whom.
    pub by: DeviceId,
}

/// The admissions that count by the newest charter, and no others.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Admissions {
    kept: BTreeMap<RecordId, Verified<Admit>>,
    /// What they come to.
    seats: BTreeMap<DeviceId, Admitted>,
}

impl Admissions {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Verified<Admit>> {
        self.kept.values()
    }

    pub(super) fn seats(&self) -> &BTreeMap<DeviceId, Admitted> {
        &self.seats
    }

    pub(super) fn knows(&self, id: RecordId) -> bool {
        self.kept.contains_key(&id)
    }

    /// Keeps one that counts; false where its signer has a full set of lower ids. Which ones are kept depends on the set
    /// alone, so a member who signs more than its quota fools nobody about anything but its own.
    pub(super) fn insert(&mut self, admit: Verified<Admit>, charters: &Charters) -> bool {
        let (id, signer) = (admit.record_id(), admit.signer);
        self.kept.insert(id, admit);
        let by_signer = self.kept.iter().filter(|(_, admit)| admit.signer == signer);
        let beyond = by_signer
            .skip(ADMISSIONS_PER_MEMBER_MAX)
            .map(|(id, _)| *id)
            .last();
        if let Some(beyond) = beyond {
            self.kept.remove(&beyond);
        }
        self.seat(charters);
        self.kept.contains_key(&id)
    }

    /// The newest charter is another: drops what no longer counts.
    pub(super) fn follow(&mut self, charters: &Charters) {
        self.kept.retain(|_, admit| counts(admit, charters));
        self.seat(charters);
    }

    /// Who is in. Beyond the limit on members those come first whose admission has the lower id: for everybody the same.
    fn seat(&mut self, charters: &Charters) {
        let newest = charters.newest();
        let free = MEMBERS_MAX.saturating_sub(newest.members.len());
        let mut seats: BTreeMap<DeviceId, Admitted> = BTreeMap::new();
        for admit in self.kept.values() {
            let (rights, by) = (admit.rights, admit.signer);
            if charters.rights(admit.device).is_some() {
                continue;
            }
            let seat = Admitted { rights, by };
            match seats.get(&admit.device).map(|seat| seat.rights) {
                Some(known) if known >= rights => {}
                None if seats.len() >= free => {}
                Some(_) | None => {
                    seats.insert(admit.device, seat);
                }
            }
        }
        self.seats = seats;
    }
}

/// Whether an admission counts by the newest charter.
pub(super) fn counts(admit: &Admit, charters: &Charters) -> bool {
    admit.epoch == charters.newest().key_epoch.number && charters.may_hold(admit.signer)
}
