//! The devices, and everything that they ever sign: each record and change once, under a small number.
//!
//! Signatures are real. A record is signed once and then known by what it says, so the search pays for it once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use cuecard::id::{ChangeHash, DeckId, DeviceId, TermId};
use cuecard::role::{
    Added, Cause, Chain, Charter, Cut, Genesis, Member, Point, Refusal, Rights, Seal, Term, Verified,
};
use cuecard::transport::DeviceKey;

/// A device: 0 is the deck's first owner.
pub(crate) type Device = u8;
/// A record or change. What it needs has a smaller number.
pub(crate) type ItemId = u32;

/// What a record or change says; it is signed by whoever may make it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Says {
    Charter {
        age: (u32, u32),
        signer: Device,
        owner: Device,
        /// By rank.
        members: Vec<Device>,
        settled: Point,
        /// The transfer that makes its signer an owner, where one has to.
        under: Option<ItemId>,
    },
    Term {
        signer: Device,
        parent: TermId,
        cause: Cause,
        cut: Cut,
        holder: Option<Device>,
        nonce: u8,
    },
    /// One change, which may merge late work, and usually with the seal that covers it.
    Change {
        term: TermId,
        after: Cut,
        variant: u8,
        merges: Option<ChangeHash>,
        sealed: bool,
    },
    Seal {
        term: TermId,
        cut: Cut,
    },
}

/// The same, signed.
#[derive(Debug, Clone)]
pub(crate) enum Signed {
    Charter(Verified<Charter>),
    Term(Verified<Term>),
    Change {
        term: TermId,
        after: Cut,
        head: ChangeHash,
        seal: Option<Verified<Seal>>,
    },
    Seal(Verified<Seal>),
}

#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) says: Says,
    pub(crate) signed: Signed,
    /// What has to be held before it can be taken in.
    pub(crate) needs: Vec<ItemId>,
}

impl Item {
    /// Where the change leads.
    pub(crate) fn end(&self) -> Option<(TermId, Cut)> {
        match &self.signed {
            Signed::Change {
                term, after, head, ..
            } => Some((*term, next(*after, *head))),
            _ => None,
        }
    }

    /// Whose word it is, where it is somebody's.
    pub(crate) fn term(&self) -> Option<&Verified<Term>> {
        match &self.signed {
            Signed::Term(term) => Some(term),
            _ => None,
        }
    }
}

pub(crate) const fn next(after: Cut, head: ChangeHash) -> Cut {
    Cut {
        len: after.len + 1,
        head,
    }
}

pub(crate) struct World {
    keys: Vec<DeviceKey>,
    pub(crate) genesis: Genesis,
    pub(crate) start: ChangeHash,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    items: Vec<Arc<Item>>,
    known: HashMap<Says, ItemId>,
    terms: HashMap<TermId, ItemId>,
    changes: HashMap<ChangeHash, ItemId>,
}

impl World {
    /// `luck` decides which of two ids is the smaller one.
    pub(crate) fn new(devices: Device, luck: u64) -> Self {
        let keys: Vec<DeviceKey> = (1..=devices)
            .map(|secret| DeviceKey::from_bytes(&[secret; 32]))
            .collect();
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&luck.to_le_bytes());
        let genesis = Genesis {
            owner: keys[0].id(),
            nonce,
            created_ms: 1_700_000_000_000,
        };
        let deck = genesis.deck_id();
        let start =
            cuecard::document::Document::genesis(cuecard::role::actor_of_genesis(deck), genesis.created_ms);
        Self {
            keys,
            genesis,
            start: start.genesis_hash(),
            table: Mutex::default(),
        }
    }

    pub(crate) fn deck(&self) -> DeckId {
        self.genesis.deck_id()
    }

    pub(crate) fn zero(&self) -> TermId {
        TermId::zero_of(self.deck())
    }

    pub(crate) fn beginning(&self) -> Cut {
        Cut {
            len: 0,
            head: self.start,
        }
    }

    pub(crate) fn devices(&self) -> impl Iterator<Item = Device> + use<> {
        0..Device::try_from(self.keys.len()).unwrap()
    }

    pub(crate) fn id(&self, device: Device) -> DeviceId {
        self.keys[usize::from(device)].id()
    }

    pub(crate) fn device(&self, id: DeviceId) -> Device {
        self.devices().find(|device| self.id(*device) == id).unwrap()
    }

    pub(crate) fn chain(&self) -> Chain {
        Chain::new(self.genesis, self.start)
    }

    pub(crate) fn item(&self, id: ItemId) -> Arc<Item> {
        Arc::clone(&self.table().items[id as usize])
    }

    pub(crate) fn item_of_term(&self, term: TermId) -> Option<ItemId> {
        self.table().terms.get(&term).copied()
    }

    pub(crate) fn holder(&self, term: TermId) -> Option<Device> {
        if term == self.zero() {
            return Some(0);
        }
        let item = self.item(self.item_of_term(term).unwrap());
        let holder = item.term().unwrap().holder;
        holder.map(|holder| self.device(holder))
    }

    /// Signs it, unless it was signed before.
    pub(crate) fn sign(&self, says: Says) -> ItemId {
        if let Some(known) = self.table().known.get(&says) {
            return *known;
        }
        let signed = self.signed(&says);
        let mut table = self.table();
        // Another thread may have been quicker.
        if let Some(known) = table.known.get(&says) {
            return *known;
        }
        let id = ItemId::try_from(table.items.len()).unwrap();
        let mut needs: Vec<ItemId> = Vec::new();
        match (&says, &signed) {
            (Says::Charter { under, .. }, _) => needs.extend(under),
            (Says::Term { parent, .. }, Signed::Term(term)) => {
                needs.extend(table.terms.get(parent));
                table.terms.insert(term.id(), id);
            }
            (
                Says::Change {
                    term, after, merges, ..
                },
                Signed::Change { head, .. },
            ) => {
                needs.extend(table.terms.get(term));
                if after.len > 0 {
                    needs.push(table.changes[&after.head]);
                }
                needs.extend(merges.map(|merged| table.changes[&merged]));
                table.changes.insert(*head, id);
            }
            (Says::Seal { term, .. }, _) => needs.extend(table.terms.get(term)),
            _ => unreachable!("a record is signed as what it is"),
        }
        let item = Item {
            says: says.clone(),
            signed,
            needs,
        };
        table.items.push(Arc::new(item));
        table.known.insert(says, id);
        id
    }

    fn signed(&self, says: &Says) -> Signed {
        let deck = self.deck();
        let key = |device: Device| &self.keys[usize::from(device)];
        match says.clone() {
            Says::Charter {
                age,
                signer,
                owner,
                members,
                settled,
                under: _,
            } => {
                let member = |(rank, device): (usize, Device)| Member {
                    device: self.id(device),
                    rights: Rights::Hold,
                    rank: u16::try_from(rank).unwrap(),
                };
                let mut members: Vec<Member> = members.into_iter().enumerate().map(member).collect();
                members.sort_by_key(|member| member.device);
                let charter = Charter {
                    deck,
                    generation: age.0,
                    count: age.1,
                    owner: self.id(owner),
                    signer: self.id(signer),
                    members,
                    key_epoch: Default::default(),
                    settled,
                };
                Signed::Charter(charter.sign(key(signer)).unwrap())
            }
            Says::Term {
                signer,
                parent,
                cause,
                cut,
                holder,
                nonce,
            } => {
                let term = Term {
                    deck,
                    parent,
                    cause,
                    cut,
                    holder: holder.map(|holder| self.id(holder)),
                    nonce: [nonce; 16],
                    signer: self.id(signer),
                };
                Signed::Term(term.sign(key(signer)).unwrap())
            }
            Says::Change {
                term,
                after,
                variant,
                merges,
                sealed,
            } => {
                let mut hasher = blake3::Hasher::new();
                hasher.update(term.as_bytes()).update(after.head.as_ref());
                hasher.update(&[variant]);
                if let Some(merged) = merges {
                    hasher.update(merged.as_ref());
                }
                let head = ChangeHash(*hasher.finalize().as_bytes());
                let seal = sealed.then(|| self.seal(term, next(after, head)));
                Signed::Change {
                    term,
                    after,
                    head,
                    seal,
                }
            }
            Says::Seal { term, cut } => Signed::Seal(self.seal(term, cut)),
        }
    }

    fn seal(&self, term: TermId, cut: Cut) -> Verified<Seal> {
        let holder = self.holder(term).unwrap();
        let seal = Seal {
            term,
            len: cut.len,
            head: cut.head,
        };
        seal.sign(self.deck(), &self.keys[usize::from(holder)]).unwrap()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap()
    }
}

/// A device takes an item in.
pub(crate) fn take(chain: &mut Chain, item: &Item) -> Result<Added, Refusal> {
    match &item.signed {
        Signed::Charter(charter) => chain.add_charter(charter.clone()),
        Signed::Term(term) => chain.add_term(term.clone()),
        Signed::Change {
            term,
            after,
            head,
            seal,
        } => {
            let held = chain.hold(*term, *after, &[*head])?;
            let sealed = match seal {
                Some(seal) => chain.add_seal(seal.clone())?,
                None => Added::Known,
            };
            Ok(if held == Added::New { held } else { sealed })
        }
        Signed::Seal(seal) => chain.add_seal(seal.clone()),
    }
}
