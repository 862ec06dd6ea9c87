//! Who is a member: the newest charter's word, and beside it the admissions that count.

use super::*;

/// The deck, with 1 and 2 who may hold.
fn founded() -> (Deck, Chain) {
    let deck = Deck::new();
    let mut chain = deck.chain();
    let charter = deck.charter(0, (0, 1), &[1, 2], (deck.zero(), deck.start()));
    chain.add_charter(charter).unwrap();
    (deck, chain)
}

/// The key is turned over: the next charters have the next epoch.
fn turn(deck: &mut Deck) {
    let number = deck.epoch.number + 1;
    deck.epoch = WrappedKeys::wrap(
        deck.id(),
        number,
        &DeckKey::from_bytes([1; 32]),
        &[2; 32].into(),
        [],
    )
    .epoch();
}

#[test]
fn a_member_who_may_hold_admits_to_read_or_draft() {
    let (deck, mut chain) = founded();
    let newcomer = deck.device(3);
    assert_eq!(chain.rights(newcomer), None);
    let read = deck.admit(1, 0, newcomer, Rights::Read);
    assert_eq!(chain.add_admit(read.clone()), Ok(Added::New));
    assert_eq!(chain.add_admit(read), Ok(Added::Known));
    assert_eq!(chain.rights(newcomer), Some(Rights::Read));
    // A reader turned drafter, by another member; the lesser admission takes nothing away, in whatever order.
    chain
        .add_admit(deck.admit(2, 0, newcomer, Rights::Draft))
        .unwrap();
    assert_eq!(chain.rights(newcomer), Some(Rights::Draft));
    let by = deck.device(2);
    let rights = Rights::Draft;
    assert_eq!(
        chain.admitted().collect::<Vec<_>>(),
        [(newcomer, Admitted { rights, by })]
    );
}

#[test]
fn one_without_hold_admits_nobody() {
    let (deck, mut chain) = founded();
    chain
        .add_admit(deck.admit(1, 0, deck.device(3), Rights::Draft))
        .unwrap();
    // 3 may draft, 4 is nobody: neither lets anybody in, itself included.
    for signer in [3, 4] {
        for device in [deck.device(4), DeviceId::from_bytes([9; 32])] {
            let admit = deck.admit(signer, 0, device, Rights::Read);
            assert_eq!(chain.may_admit(&admit), Err(Refusal::MayNotAdmit));
            assert_eq!(chain.add_admit(admit), Err(Refusal::MayNotAdmit));
        }
    }
    assert_eq!(chain.admitted().count(), 1);
}

#[test]
fn an_admission_is_for_one_deck() {
    let (deck, chain) = founded();
    let mut other = Deck::new();
    other.genesis.nonce = [8; 16];
    let mut elsewhere = other.chain();
    let admit = deck.admit(0, 0, deck.device(3), Rights::Draft);
    assert_eq!(elsewhere.add_admit(admit.clone()), Err(Refusal::OtherDeck));
    let signed = Signed::<Admit>::decode(&admit.encode()).unwrap();
    assert_eq!(signed.verify(other.id()), Err(Unproved::OtherDeck));
    // Nor does it help to write the other deck's id over it.
    let mut bytes = admit.encode();
    bytes[2..34].copy_from_slice(other.id().as_bytes());
    let moved = Signed::<Admit>::decode(&bytes).unwrap();
    assert_eq!(moved.verify(other.id()), Err(Unproved::Signature));
    drop(chain);
}

#[test]
fn the_charters_word_goes_before_an_admission() {
    let (deck, mut chain) = founded();
    chain
        .add_admit(deck.admit(0, 0, deck.device(1), Rights::Read))
        .unwrap();
    assert_eq!(chain.rights(deck.device(1)), Some(Rights::Hold));
    assert_eq!(chain.admitted().count(), 0, "it is a member by the charter");
    // A charter that lists the device as less than it was admitted for.
    chain
        .add_admit(deck.admit(1, 0, deck.device(3), Rights::Draft))
        .unwrap();
    let mut charter = (*deck.charter(0, (0, 2), &[1, 2, 3], (deck.zero(), deck.start()))).clone();
    for member in charter
        .members
        .iter_mut()
        .filter(|member| member.device == deck.device(3))
    {
        member.rights = Rights::Read;
    }
    chain.add_charter(charter.sign(&deck.keys[0]).unwrap()).unwrap();
    assert_eq!(chain.rights(deck.device(3)), Some(Rights::Read));
}

#[test]
fn nobody_comes_back_by_an_admission_from_before_the_key_was_turned_over() {
    let (mut deck, mut chain) = founded();
    let old = deck.admit(1, 0, deck.device(3), Rights::Draft);
    chain.add_admit(old.clone()).unwrap();
    turn(&mut deck);
    chain
        .add_charter(deck.charter(0, (0, 2), &[1, 2], (deck.zero(), deck.start())))
        .unwrap();
    assert_eq!(chain.rights(deck.device(3)), None);
    assert_eq!(chain.add_admit(old), Err(Refusal::MayNotAdmit));
    // Nor by one for an epoch that is still to come.
    let early = deck.admit(1, 2, deck.device(3), Rights::Draft);
    assert_eq!(chain.add_admit(early), Err(Refusal::MayNotAdmit));
    chain
        .add_admit(deck.admit(1, 1, deck.device(3), Rights::Read))
        .unwrap();
    assert_eq!(
        chain.rights(deck.device(3)),
        Some(Rights::Read),
        "by a new one, it does"
    );
}

#[test]
fn who_loses_the_right_to_hold_has_admitted_nobody() {
    let (deck, mut chain) = founded();
    chain
        .add_admit(deck.admit(2, 0, deck.device(3), Rights::Read))
        .unwrap();
    chain
        .add_charter(deck.charter(0, (0, 2), &[1], (deck.zero(), deck.start())))
        .unwrap();
    assert_eq!(chain.rights(deck.device(3)), None);
    assert_eq!(chain.admissions().count(), 0, "and it is forgotten");
}

/// Authority over terms does not depend on admissions: neither what is canonical nor who may edit.
#[test]
fn an_admission_decides_nothing_about_terms() {
    let (deck, mut chain) = founded();
    let handover = deck.handover(0, deck.zero(), deck.start(), 3, 1);
    chain.add_term(handover.clone()).unwrap();
    let before = chain.canonical().clone();
    assert_eq!(before.tip, deck.zero(), "3 may not hold");
    chain
        .add_admit(deck.admit(0, 0, deck.device(3), Rights::Draft))
        .unwrap();
    assert_eq!(*chain.canonical(), before);
    let claim = deck.claim(3, deck.zero(), deck.start(), 2);
    chain.add_term(claim).unwrap();
    assert_eq!(*chain.canonical(), before);
}

/// Every order of arrival, tried again until nothing more is taken in: one answer.
#[test]
fn the_order_of_arrival_does_not_matter() {
    enum Item {
        Charter(Verified<Charter>),
        Admit(Verified<Admit>),
    }
    for seed in 0..200 {
        let (mut deck, mut draw) = (Deck::new(), Draw(seed));
        let settled = (deck.zero(), deck.start());
        let mut items = Vec::new();
        for count in 1..=3 {
            if draw.chance(40) {
                turn(&mut deck);
            }
            let hold: Vec<usize> = (1..4).filter(|_| draw.chance(60)).collect();
            items.push(Item::Charter(deck.charter(0, (0, count), &hold, settled)));
        }
        for _ in 0..8 {
            let (by, device) = (draw.below(5), deck.device(draw.below(5)));
            let rights = if draw.chance(50) {
                Rights::Read
            } else {
                Rights::Draft
            };
            let epoch = u32::try_from(draw.below(4)).unwrap();
            items.push(Item::Admit(deck.admit(by, epoch, device, rights)));
        }
        let mut answers = Vec::new();
        for _ in 0..6 {
            draw.shuffle(&mut items);
            let mut chain = deck.chain();
            for _ in 0..2 {
                for item in &items {
                    match item {
                        Item::Charter(charter) => drop(chain.add_charter(charter.clone())),
                        Item::Admit(admit) => drop(chain.add_admit(admit.clone())),
                    }
                }
            }
            answers.push(chain);
        }
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "seed {seed}");
    }
}

/// Self-made devices are free. A member who lets in any number of them fills its own quota and the seats there are, and which
/// of them sit is the same everywhere.
#[test]
fn a_flood_of_admissions_ends_at_the_quota_and_at_the_seats() {
    use crate::limits::{ADMISSIONS_PER_MEMBER_MAX, MEMBERS_MAX};
    let (deck, chain) = founded();
    let device = |n: usize| {
        let mut bytes = [7; 32];
        bytes[..8].copy_from_slice(&(n as u64).to_le_bytes());
        DeviceId::from_bytes(bytes)
    };
    let mut admits: Vec<_> = (0..ADMISSIONS_PER_MEMBER_MAX + 50)
        .map(|n| deck.admit(1, 0, device(n), Rights::Draft))
        .collect();
    let fill = |admits: &[Verified<Admit>]| {
        let mut chain = chain.clone();
        let refused = admits.iter().filter(|admit| {
            let added = chain.add_admit((*admit).clone());
            assert!(added.is_ok() || added == Err(Refusal::Full("admissions by one member")));
            added.is_err()
        });
        let refused = refused.count();
        assert_eq!(chain.admissions().count(), ADMISSIONS_PER_MEMBER_MAX);
        assert_eq!(chain.admitted().count() + chain.members().len(), MEMBERS_MAX);
        (chain, refused)
    };
    let (forwards, refused) = fill(&admits);
    assert!(refused > 0);
    admits.reverse();
    assert_eq!(fill(&admits).0, forwards);
    // Another member's quota is its own.
    let mut forwards = forwards;
    let honest = deck.admit(2, 0, device(0), Rights::Read);
    assert_eq!(forwards.add_admit(honest), Ok(Added::New));
}

#[test]
fn a_voucher_is_proved_by_one_of_those_who_may_hold() {
    let deck = Deck::new();
    let voucher = Voucher {
        deck: deck.id(),
        epoch: 0,
        rights: Rights::Draft,
        signer: deck.device(2),
    };
    let signature = *voucher.sign(&deck.keys[2]).unwrap().signature();
    let all = [0, 1, 2].map(|who| deck.device(who));
    let unsigned = Voucher {
        signer: DeviceId::from_bytes([0; 32]),
        ..voucher
    };
    let proved = unsigned.signed_by_one_of(&signature, all).unwrap();
    assert_eq!(proved.signed_by(), deck.device(2));
    assert_eq!(unsigned.signed_by_one_of(&signature, [deck.device(0)]), None);
    // Not for more than it says, for another epoch or another deck.
    let more = [
        Voucher { epoch: 1, ..unsigned },
        Voucher {
            rights: Rights::Read,
            ..unsigned
        },
        Voucher {
            deck: DeckId::from_bytes([1; 32]),
            ..unsigned
        },
    ];
    for other in more {
        assert_eq!(other.signed_by_one_of(&signature, all), None, "{other:?}");
    }
}
