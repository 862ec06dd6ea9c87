//! Tests of the role layer, one subject a file. What they share is here: a deck, some devices, and short ways to
//! sign things.

mod depth;
mod encoding;
mod keys;
mod late;
mod members;
mod order;
mod owner;
mod paths;
mod reference;
mod story;
mod vectors;

use super::*;
use crate::id::{ChangeHash, DeckId, TermId};
use cuecard_transport::{DeviceId, DeviceKey};

/// The deck that the tests are about. Device 0 is its first owner.
struct Deck {
    keys: Vec<DeviceKey>,
    genesis: Genesis,
    start: ChangeHash,
    /// Of the charters that are signed from now on.
    epoch: KeyEpoch,
}

impl Deck {
    fn new() -> Self {
        let keys: Vec<DeviceKey> = (1..=10)
            .map(|secret| DeviceKey::from_bytes(&[secret; 32]))
            .collect();
        let genesis = Genesis {
            owner: keys[0].id(),
            nonce: [7; 16],
            created_ms: 1_700_000_000_000,
        };
        Self {
            keys,
            genesis,
            start: change(0),
            epoch: KeyEpoch::default(),
        }
    }

    fn chain(&self) -> Chain {
        Chain::new(self.genesis, self.start)
    }

    fn id(&self) -> DeckId {
        self.genesis.deck_id()
    }

    fn zero(&self) -> TermId {
        TermId::zero_of(self.id())
    }

    fn device(&self, who: usize) -> DeviceId {
        self.keys[who].id()
    }

    fn start(&self) -> Cut {
        Cut {
            len: 0,
            head: self.start,
        }
    }

    /// A charter by its owner; the members may all hold, ranked in the order given.
    fn charter(
        &self,
        owner: usize,
        age: (u32, u32),
        hold: &[usize],
        settled: (TermId, Cut),
    ) -> Verified<Charter> {
        self.charter_signed_by(owner, owner, age, hold, settled).unwrap()
    }

    fn charter_signed_by(
        &self,
        signer: usize,
        owner: usize,
        (generation, count): (u32, u32),
        hold: &[usize],
        (term, cut): (TermId, Cut),
    ) -> Result<Verified<Charter>, Malformed> {
        let member = |(rank, who): (usize, &usize)| Member {
            device: self.device(*who),
            rights: Rights::Hold,
            rank: u16::try_from(rank).unwrap(),
        };
        let mut members: Vec<Member> = hold.iter().enumerate().map(member).collect();
        members.sort_by_key(|member| member.device);
        Charter {
            deck: self.id(),
            generation,
            count,
            owner: self.device(owner),
            signer: self.device(signer),
            members,
            key_epoch: self.epoch,
            settled: Point {
                term,
                len: cut.len,
                head: cut.head,
            },
        }
        .sign(&self.keys[signer])
    }

    fn handover(&self, by: usize, parent: TermId, cut: Cut, to: usize, nonce: u8) -> Verified<Term> {
        self.term(by, parent, Cause::Handover, cut, Some(to), nonce)
    }

    fn release(&self, by: usize, parent: TermId, cut: Cut) -> Verified<Term> {
        self.term(by, parent, Cause::Release, cut, None, 0)
    }

    fn claim(&self, by: usize, parent: TermId, cut: Cut, nonce: u8) -> Verified<Term> {
        self.term(by, parent, Cause::Claim, cut, Some(by), nonce)
    }

    fn term(
        &self,
        by: usize,
        parent: TermId,
        cause: Cause,
        cut: Cut,
        holder: Option<usize>,
        nonce: u8,
    ) -> Verified<Term> {
        let holder = holder.map(|who| self.device(who));
        let (deck, nonce, signer) = (self.id(), [nonce; 16], self.device(by));
        Term {
            deck,
            parent,
            cause,
            cut,
            holder,
            nonce,
            signer,
        }
        .sign(&self.keys[by])
        .unwrap()
    }

    fn admit(&self, by: usize, epoch: u32, device: DeviceId, rights: Rights) -> Verified<Admit> {
        let (deck, signer) = (self.id(), self.device(by));
        Admit {
            deck,
            epoch,
            device,
            rights,
            signer,
        }
        .sign(&self.keys[by])
        .unwrap()
    }

    fn seal(&self, by: usize, term: TermId, cut: Cut) -> Verified<Seal> {
        Seal {
            term,
            len: cut.len,
            head: cut.head,
        }
        .sign(self.id(), &self.keys[by])
        .unwrap()
    }
}

fn change(label: u64) -> ChangeHash {
    ChangeHash(*blake3::hash(&label.to_le_bytes()).as_bytes())
}

fn changes(labels: std::ops::RangeInclusive<u64>) -> Vec<ChangeHash> {
    labels.map(change).collect()
}

fn at(len: u64, label: u64) -> Cut {
    Cut {
        len,
        head: change(label),
    }
}

/// SplitMix64: the tests draw from it, so that a printed seed repeats a failure.
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
        (self.next() % bound as u64) as usize
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}

fn tip(chain: &Chain) -> (TermId, u64, Option<DeviceId>) {
    let canonical = chain.canonical();
    (canonical.tip, canonical.len, canonical.editor)
}

/// Owner 0 and the members 1, 2, 3 who may hold; term 0 has three sealed changes.
fn begun(deck: &Deck) -> Chain {
    let mut chain = deck.chain();
    chain
        .add_charter(deck.charter(0, (0, 1), &[1, 2, 3], (deck.zero(), deck.start())))
        .unwrap();
    chain.hold(deck.zero(), deck.start(), &changes(1..=3)).unwrap();
    chain.add_seal(deck.seal(0, deck.zero(), at(3, 3))).unwrap();
    chain
}
