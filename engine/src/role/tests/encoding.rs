//! Hostile bytes: every truncation, every flipped bit, every wrong field. Nothing panics, nothing is believed.

use super::vectors::samples;
use super::*;

#[test]
fn every_truncation_and_every_extra_byte_is_refused() {
    let samples = samples();
    let check = |bytes: &[u8], decodes: &dyn Fn(&[u8]) -> Result<(), Malformed>| {
        assert_eq!(decodes(bytes), Ok(()));
        for len in 0..bytes.len() {
            assert!(decodes(&bytes[..len]).is_err(), "cut at {len}");
        }
        assert_eq!(decodes(&[bytes, &[0]].concat()), Err(Malformed::Trailing(1)));
    };
    check(&samples.genesis.encode(), &|bytes| {
        Genesis::decode(bytes).map(drop)
    });
    check(&samples.charter.encode(), &|bytes| {
        Signed::<Charter>::decode(bytes).map(drop)
    });
    check(&samples.term.encode(), &|bytes| {
        Signed::<Term>::decode(bytes).map(drop)
    });
    check(&samples.seal.encode(), &|bytes| {
        Signed::<Seal>::decode(bytes).map(drop)
    });
    check(&samples.draft.encode(), &|bytes| {
        Signed::<Draft>::decode(bytes).map(drop)
    });
    check(&samples.withdrawal.encode(), &|bytes| {
        Signed::<Withdrawal>::decode(bytes).map(drop)
    });
    check(&samples.admit.encode(), &|bytes| {
        Signed::<Admit>::decode(bytes).map(drop)
    });
    check(&samples.voucher.encode(), &|bytes| {
        Signed::<Voucher>::decode(bytes).map(drop)
    });
    check(&samples.wrapped.encode(), &|bytes| {
        WrappedKeys::decode(bytes).map(drop)
    });
}

#[test]
fn every_flipped_bit_breaks_the_form_or_the_signature() {
    let samples = samples();
    let deck = samples.deck.id();
    let holder = samples.seal.signed_by();
    let check = |bytes: Vec<u8>, proves: &dyn Fn(&[u8]) -> bool| {
        assert!(proves(&bytes));
        for at in 0..bytes.len() * 8 {
            let mut wrong = bytes.clone();
            wrong[at / 8] ^= 1 << (at % 8);
            assert!(!proves(&wrong), "bit {at}");
        }
    };
    check(samples.charter.encode(), &|bytes| {
        Signed::<Charter>::decode(bytes).is_ok_and(|signed| signed.verify(deck).is_ok())
    });
    check(samples.term.encode(), &|bytes| {
        Signed::<Term>::decode(bytes).is_ok_and(|signed| signed.verify(deck).is_ok())
    });
    check(samples.seal.encode(), &|bytes| {
        Signed::<Seal>::decode(bytes).is_ok_and(|signed| signed.verify(deck, holder).is_ok())
    });
    check(samples.draft.encode(), &|bytes| {
        Signed::<Draft>::decode(bytes).is_ok_and(|signed| signed.verify(deck).is_ok())
    });
    check(samples.withdrawal.encode(), &|bytes| {
        Signed::<Withdrawal>::decode(bytes).is_ok_and(|signed| signed.verify(deck).is_ok())
    });
    check(samples.admit.encode(), &|bytes| {
        Signed::<Admit>::decode(bytes).is_ok_and(|signed| signed.verify(deck).is_ok())
    });
    check(samples.voucher.encode(), &|bytes| {
        Signed::<Voucher>::decode(bytes).is_ok_and(|signed| signed.verify(deck).is_ok())
    });
    let epoch = samples.wrapped.epoch();
    check(samples.wrapped.encode(), &|bytes| {
        WrappedKeys::decode(bytes).is_ok_and(|wrapped| wrapped.epoch() == epoch)
    });
}

#[test]
fn random_bytes_never_panic_and_what_decodes_is_spelled_one_way() {
    let seed = 0x5eed;
    let mut draw = Draw(seed);
    let samples = samples();
    let sources = [
        samples.charter.encode(),
        samples.term.encode(),
        samples.seal.encode(),
        samples.draft.encode(),
        samples.withdrawal.encode(),
        samples.admit.encode(),
        samples.voucher.encode(),
        samples.wrapped.encode(),
    ];
    for round in 0..20_000 {
        let mut bytes = sources[draw.below(sources.len())].clone();
        for _ in 0..draw.below(6) {
            let at = draw.below(bytes.len());
            bytes[at] = draw.next().to_le_bytes()[0];
        }
        if draw.chance(20) {
            bytes.truncate(draw.below(bytes.len()));
        }
        let told = format!("seed {seed:#x}, round {round}");
        let deck = samples.deck.id();
        if let Ok(signed) = Signed::<Charter>::decode(&bytes) {
            assert!(
                signed.claimed().members.len() <= crate::limits::MEMBERS_MAX,
                "{told}"
            );
            let proved = signed.verify(deck);
            assert!(
                proved.is_err() || proved.as_ref() == Ok(&samples.charter),
                "{told}"
            );
        }
        if let Ok(Ok(proved)) = Signed::<Term>::decode(&bytes).map(|signed| signed.verify(deck)) {
            assert_eq!(proved.encode(), bytes, "{told}");
            assert_eq!(proved, samples.term, "{told}");
        }
        if let Ok(Ok(proved)) = Signed::<Draft>::decode(&bytes).map(|signed| signed.verify(deck)) {
            assert_eq!(proved, samples.draft, "{told}");
        }
        if let Ok(Ok(proved)) = Signed::<Withdrawal>::decode(&bytes).map(|signed| signed.verify(deck)) {
            assert_eq!(proved, samples.withdrawal, "{told}");
        }
        if let Ok(Ok(proved)) = Signed::<Admit>::decode(&bytes).map(|signed| signed.verify(deck)) {
            assert_eq!(proved, samples.admit, "{told}");
        }
        if let Ok(Ok(proved)) = Signed::<Voucher>::decode(&bytes).map(|signed| signed.verify(deck)) {
            assert_eq!(proved, samples.voucher, "{told}");
        }
        if let Ok(wrapped) = WrappedKeys::decode(&bytes) {
            assert_eq!(wrapped.encode(), bytes, "{told}");
        }
        let holder = samples.seal.signed_by();
        if let Ok(Ok(proved)) = Signed::<Seal>::decode(&bytes).map(|signed| signed.verify(deck, holder)) {
            assert_eq!(proved, samples.seal, "{told}");
        }
    }
}

#[test]
fn a_signature_is_for_one_deck_one_signer_and_one_purpose() {
    let samples = samples();
    let deck = samples.deck.id();
    let other = DeckId::from_bytes([9; 32]);
    let term = Signed::<Term>::decode(&samples.term.encode()).unwrap();
    assert_eq!(term.verify(other), Err(Unproved::OtherDeck));
    let seal = Signed::<Seal>::decode(&samples.seal.encode()).unwrap();
    let holder = samples.seal.signed_by();
    assert_eq!(seal.clone().verify(other, holder), Err(Unproved::Signature));
    assert_eq!(
        seal.clone().verify(deck, samples.deck.device(3)),
        Err(Unproved::Signature)
    );
    assert_eq!(seal.verify(deck, holder), Ok(samples.seal.clone()));
    // The same bytes as another kind: the kind is refused, and the purpose would be.
    assert_eq!(
        Signed::<Draft>::decode(&samples.term.encode()).err(),
        Some(Malformed::Kind(3))
    );
    let mut newer = samples.term.encode();
    newer[1] = 1;
    assert_eq!(Signed::<Term>::decode(&newer).err(), Some(Malformed::Version(1)));
}

#[test]
fn a_seal_is_for_one_term() {
    let samples = samples();
    let mut bytes = samples.seal.encode();
    bytes[2..34].copy_from_slice(samples.term.id().as_bytes());
    let moved = Signed::<Seal>::decode(&bytes).unwrap();
    assert_eq!(moved.claimed().term, samples.term.id());
    let proved = moved.verify(samples.deck.id(), samples.seal.signed_by());
    assert_eq!(proved, Err(Unproved::Signature));
}

#[test]
fn what_others_would_not_read_is_not_signed() {
    let samples = samples();
    let key = &samples.deck.keys[0];
    let charter = (*samples.charter).clone();
    let mut unsorted = charter.clone();
    unsorted.members.reverse();
    assert_eq!(
        unsorted.sign(key).err(),
        Some(Malformed::Field("order of members"))
    );
    let mut doubled = charter.clone();
    doubled.members.push(doubled.members[doubled.members.len() - 1]);
    assert_eq!(
        doubled.sign(key).err(),
        Some(Malformed::Field("order of members"))
    );
    let mut many = charter.clone();
    let member = many.members[0];
    many.members = (0..65)
        .map(|n| Member {
            device: DeviceId::from_bytes([n; 32]),
            ..member
        })
        .collect();
    assert_eq!(many.sign(key).err(), Some(Malformed::Limit("count of members")));
    let mut implied = charter;
    (implied.generation, implied.count) = (0, 0);
    assert_eq!(
        implied.sign(key).err(),
        Some(Malformed::Field("generation and count"))
    );
    let mut long = (*samples.draft).clone();
    long.note = "x".repeat(crate::limits::NOTE_BYTES_MAX + 1);
    assert_eq!(long.sign(key).err(), Some(Malformed::Limit("note")));
    let mut never_signed = (*samples.draft).clone();
    never_signed.version = 0;
    assert_eq!(never_signed.sign(key).err(), Some(Malformed::Field("version")));
    let mut of_nothing = *samples.withdrawal;
    of_nothing.version = 0;
    assert_eq!(of_nothing.sign(key).err(), Some(Malformed::Field("version")));
    // The right to hold the role comes from a charter only.
    let (mut admit, mut voucher) = (*samples.admit, *samples.voucher);
    (admit.rights, voucher.rights) = (Rights::Hold, Rights::Hold);
    assert_eq!(admit.sign(key).err(), Some(Malformed::Field("rights")));
    assert_eq!(voucher.sign(key).err(), Some(Malformed::Field("rights")));
    let mut no_key = (*samples.charter).clone();
    no_key.key_epoch.number += 1;
    no_key.key_epoch.wrapped = [0; 32];
    assert_eq!(no_key.sign(key).err(), Some(Malformed::Field("key epoch")));
    let mut far = *samples.seal;
    far.len = crate::limits::DECK_CHANGES_MAX + 1;
    assert_eq!(
        far.sign(samples.deck.id(), key).err(),
        Some(Malformed::Limit("length"))
    );
    let mut claim_for_another = *samples.term;
    claim_for_another.cause = Cause::Claim;
    assert_eq!(
        claim_for_another.sign(key).err(),
        Some(Malformed::Field("holder"))
    );
}
