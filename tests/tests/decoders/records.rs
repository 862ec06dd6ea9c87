//! Signed records, as they come from anybody.

use std::fmt::Debug;

use cuecard::role::{
    Cause, Charter, Draft, Genesis, Playing, Record, Seal, Shown, Signed, Term, Withdrawal, Word,
};
use cuecard::transport::DeviceKey;

use crate::bounded::{Alone, alone, hammer};
use crate::world::World;

const INPUTS: u64 = 30_000;
const BOUND: (usize, usize) = (64, 64 * 1024);

fn key() -> DeviceKey {
    DeviceKey::from_bytes(&[3; 32])
}

/// What decodes is signed by nobody unless it is the sample itself, and has one spelling: signing the same fields anew
/// gives as many bytes, which say the same.
fn hammer_signed<T: Record + Debug + PartialEq>(
    alone: &Alone,
    name: &str,
    genuine: &[u8],
    verify: impl Fn(Signed<T>) -> bool,
    sign: impl Fn(&T) -> Vec<u8>,
    as_signed_by_us: impl Fn(&T) -> T,
) {
    hammer(alone, name, INPUTS, &[genuine.to_vec()], BOUND, |bytes| {
        let Ok(signed) = Signed::<T>::decode(bytes) else {
            return false;
        };
        let again = sign(signed.claimed());
        assert_eq!(again.len(), bytes.len());
        let read = Signed::<T>::decode(&again).expect("what we sign, we read");
        assert_eq!(*read.claimed(), as_signed_by_us(signed.claimed()));
        assert_eq!(verify(signed), bytes == genuine, "a forged record was believed");
        true
    });
}

#[test]
fn charters() {
    let alone = alone();
    let world = World::busy();
    let (genuine, deck) = (world.records().charter, world.deck);
    // But for a transfer, who signs is who owns.
    let by_us = |claimed: &Charter| Charter {
        owner: if claimed.owner == claimed.signer {
            key().id()
        } else {
            claimed.owner
        },
        signer: key().id(),
        ..claimed.clone()
    };
    hammer_signed::<Charter>(
        &alone,
        "charters",
        &genuine,
        |signed| signed.verify(deck).is_ok(),
        |claimed| by_us(claimed).sign(&key()).expect("it was read").encode(),
        by_us,
    );
}

#[test]
fn terms() {
    let alone = alone();
    let world = World::busy();
    let (genuine, deck) = (world.records().term, world.deck);
    hammer_signed::<Term>(
        &alone,
        "terms",
        &genuine,
        |signed| signed.verify(deck).is_ok(),
        |claimed| match claimed.sign(&key()) {
            Ok(signed) => signed.encode(),
            // A claim is for its signer; as another's it would be none.
            Err(_) => Term {
                holder: Some(key().id()),
                ..*claimed
            }
            .sign(&key())
            .expect("a claim for oneself")
            .encode(),
        },
        |claimed| Term {
            signer: key().id(),
            holder: match claimed.cause {
                Cause::Claim => Some(key().id()),
                Cause::Handover | Cause::Release => claimed.holder,
            },
            ..*claimed
        },
    );
}

#[test]
fn seals() {
    let alone = alone();
    let world = World::busy();
    let (genuine, deck) = (world.records().seal, world.deck);
    let owner = world.devices[0].core.device();
    hammer_signed::<Seal>(
        &alone,
        "seals",
        &genuine,
        |signed| signed.verify(deck, owner).is_ok(),
        |claimed| claimed.sign(deck, &key()).expect("it was read").encode(),
        |claimed| *claimed,
    );
}

#[test]
fn drafts() {
    let alone = alone();
    let world = World::busy();
    let (genuine, deck) = (world.records().draft, world.deck);
    hammer_signed::<Draft>(
        &alone,
        "drafts",
        &genuine,
        |signed| signed.verify(deck).is_ok(),
        |claimed| claimed.clone().sign(&key()).expect("it was read").encode(),
        |claimed| Draft {
            author: key().id(),
            ..claimed.clone()
        },
    );
}

#[test]
fn withdrawals() {
    let alone = alone();
    let world = World::busy();
    let (genuine, deck) = (world.records().withdrawal, world.deck);
    hammer_signed::<Withdrawal>(
        &alone,
        "withdrawals",
        &genuine,
        |signed| signed.verify(deck).is_ok(),
        |claimed| claimed.sign(&key()).expect("it was read").encode(),
        |claimed| Withdrawal {
            author: key().id(),
            ..*claimed
        },
    );
}

#[test]
fn words() {
    let alone = alone();
    let world = World::busy();
    let (genuine, deck) = (world.records().word, world.deck);
    hammer_signed::<Word>(
        &alone,
        "words",
        &genuine,
        |signed| signed.verify(deck).is_ok(),
        |claimed| claimed.clone().sign(&key()).expect("it was read").encode(),
        |claimed| Word {
            signer: key().id(),
            ..claimed.clone()
        },
    );
}

#[test]
fn presences() {
    let alone = alone();
    let world = World::busy();
    let (genuine, deck) = (world.records().presence, world.deck);
    hammer_signed::<Shown>(
        &alone,
        "presences",
        &genuine,
        |signed| signed.verify(deck).is_ok(),
        |claimed| claimed.clone().sign(&key()).expect("it was read").encode(),
        |claimed| Shown {
            signer: key().id(),
            ..claimed.clone()
        },
    );
}

#[test]
fn playbacks() {
    let alone = alone();
    let world = World::busy();
    let (genuine, deck) = (world.records().playback, world.deck);
    hammer_signed::<Playing>(
        &alone,
        "playbacks",
        &genuine,
        |signed| signed.verify(deck).is_ok(),
        |claimed| claimed.clone().sign(&key()).expect("it was read").encode(),
        |claimed| Playing {
            signer: key().id(),
            ..claimed.clone()
        },
    );
}

#[test]
fn genesis_records() {
    let alone = alone();
    let genuine = World::busy().records().genesis;
    hammer(&alone, "genesis", INPUTS, &[genuine], BOUND, |bytes| {
        let Ok(genesis) = Genesis::decode(bytes) else {
            return false;
        };
        assert_eq!(genesis.encode(), bytes, "two spellings of one genesis");
        true
    });
}
