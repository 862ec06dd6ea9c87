//! One example of each record, byte by byte: a second implementation can be checked against it, and a change of the
//! format cannot go unnoticed.

use super::*;

pub(super) struct Samples {
    pub(super) deck: Deck,
    pub(super) genesis: Genesis,
    pub(super) charter: Verified<Charter>,
    pub(super) term: Verified<Term>,
    pub(super) seal: Verified<Seal>,
    pub(super) draft: Verified<Draft>,
    pub(super) withdrawal: Verified<Withdrawal>,
    pub(super) admit: Verified<Admit>,
    pub(super) voucher: Verified<Voucher>,
    pub(super) wrapped: WrappedKeys,
}

pub(super) fn samples() -> Samples {
    let deck = Deck::new();
    let genesis = deck.genesis;
    let charter = deck.charter(0, (0, 1), &[1, 2], (deck.zero(), deck.start()));
    let term = deck.handover(0, deck.zero(), at(3, 3), 1, 0x2a);
    let seal = deck.seal(0, deck.zero(), at(3, 3));
    let draft = Draft {
        deck: deck.id(),
        base: change(3),
        author: deck.device(2),
        nonce: [5; 16],
        version: 1,
        signed_ms: 1_700_000_000_000,
        len: 2,
        head: change(5),
        note: "¿qué tal?".to_owned(),
    };
    let draft = draft.sign(&deck.keys[2]).unwrap();
    let withdrawal = Withdrawal {
        deck: deck.id(),
        author: deck.device(2),
        nonce: [5; 16],
        version: 1,
        signed_ms: 1_700_000_001_000,
    };
    let withdrawal = withdrawal.sign(&deck.keys[2]).unwrap();
    let admit = deck.admit(1, 1, deck.device(3), Rights::Draft);
    let voucher = Voucher {
        deck: deck.id(),
        epoch: 1,
        rights: Rights::Draft,
        signer: deck.device(1),
    };
    let voucher = voucher.sign(&deck.keys[1]).unwrap();
    let key = DeckKey::from_bytes([0xd5; 32]);
    let ephemeral = [0xe4; 32].into();
    let devices = [deck.device(1), deck.device(0)];
    let wrapped = WrappedKeys::wrap(deck.id(), 1, &key, &ephemeral, devices);
    Samples {
        deck,
        genesis,
        charter,
        term,
        seal,
        draft,
        withdrawal,
        admit,
        voucher,
        wrapped,
    }
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn genesis() {
    let genesis = samples().genesis;
    assert_eq!(
        hex(genesis.encode()),
        "01008a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c070707070707070707070707070707070068e5cf8b010000"
    );
    assert_eq!(
        genesis.deck_id().to_string(),
        "5b44a59882f45fa6f362b2b61383fade6750444e412a605ecbedbe70e9a1daa2"
    );
    assert_eq!(Genesis::decode(&genesis.encode()), Ok(genesis));
}

#[test]
fn charter() {
    let charter = samples().charter;
    assert_eq!(
        hex(charter.encode()),
        "02005b44a59882f45fa6f362b2b61383fade6750444e412a605ecbedbe70e9a1daa200000000010000008a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c028139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394020000ed4928c628d1c2c6eae90338905995612959273a5c63f93636c14614ac8737d10201000000000000000000000000000000000000000000000000000000000000000000000000005b44a59882f45fa6f362b2b61383fade6750444e412a605ecbedbe70e9a1daa2000000000000000071e0a99173564931c0b8acc52d2685a8e39c64dc52e3d02390fdac2a12b155cb17f2e59b76dd7dbbca19e156da627b582186f30334fe2eac59aba92bc73436e3643f2a13ec7244bfad4f8d085b33457abb3a0d73355f59d89aadb1d79e84a103"
    );
    assert_eq!(
        hex(charter.record_id().as_bytes()),
        "076ab34426ff1e62b7c8419f5e7a8b28f11f4b8aab09e03bf09a5a40ad56a400"
    );
}

#[test]
fn term() {
    let term = samples().term;
    assert_eq!(
        hex(term.encode()),
        "03005b44a59882f45fa6f362b2b61383fade6750444e412a605ecbedbe70e9a1daa25b44a59882f45fa6f362b2b61383fade6750444e412a605ecbedbe70e9a1daa2000300000000000000e3d5003ead1a936380020220637f7b8e1c2812992da64345e823b227195fb97c018139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b3942a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c3051df0f3debbe34f3c63b1ad1b3cf01b69168b81e16bb1b9f32b1e64b349be8ac616c0cc707d014963d4c42d7ec0a2ff45135bbacc6e908c2c294cc692c2d07"
    );
    assert_eq!(
        term.id().to_string(),
        "1df10d49b010621038645cc6ea7272a6b1cfaa46806f77ec6f28b305b063d7e0"
    );
}

#[test]
fn seal() {
    let seal = samples().seal;
    assert_eq!(
        hex(seal.encode()),
        "04005b44a59882f45fa6f362b2b61383fade6750444e412a605ecbedbe70e9a1daa20300000000000000e3d5003ead1a936380020220637f7b8e1c2812992da64345e823b227195fb97c9c364329383755f1a4f6e7ce9841705c27f10df3fd1cf2ea7b98e2b5982eb24de9eed7420cb2d846e997278bbda57765ff09a335da7f537ba84d5aae8862c702"
    );
    assert_eq!(
        hex(seal.record_id().as_bytes()),
        "7e9039c33acd07b9a3e2365c0f0a83dcd0fa262ea26ae297b71d2d025260db29"
    );
}

#[test]
fn draft() {
    let draft = samples().draft;
    assert_eq!(
        hex(draft.encode()),
        "05005b44a59882f45fa6f362b2b61383fade6750444e412a605ecbedbe70e9a1daa2e3d5003ead1a936380020220637f7b8e1c2812992da64345e823b227195fb97ced4928c628d1c2c6eae90338905995612959273a5c63f93636c14614ac8737d105050505050505050505050505050505010000000068e5cf8b01000002000000000000007670a5a683b5119971841294a5291a339464be45d612a0e0e083dc6b09de86f30b00c2bf7175c3a92074616c3ff133056f51966a97b534ac05f01cfc061a2f74d1f188de840ecff9489634805d38dc8fedd739d19246d5f4d011e763ab5a618ece99730ce0f8b8c2bb3a7ebe00"
    );
    assert_eq!(
        draft.id().to_string(),
        "02a138bd492a3d10921b6f07a0f183d72b90fc348347969739d49f09abeed615"
    );
}

#[test]
fn withdrawal() {
    let withdrawal = samples().withdrawal;
    assert_eq!(
        hex(withdrawal.encode()),
        "1e005b44a59882f45fa6f362b2b61383fade6750444e412a605ecbedbe70e9a1daa2ed4928c628d1c2c6eae90338905995612959273a5c63f93636c14614ac8737d10505050505050505050505050505050501000000e86be5cf8b01000089820ed63d286b0af4402c91731de56ab276f3053fbf1565dce63178a9493c25c548e29368a6067d29e0632c79e6e33bd66c3f75e5df6cd2e06f957b5e038d09"
    );
    assert_eq!(withdrawal.draft(), samples().draft.id());
}

#[test]
fn words() {
    let deck = Deck::new();
    let word = |says: Says| {
        let (term, nonce, signer) = (deck.zero(), [5; 16], deck.device(1));
        let word = Word {
            deck: deck.id(),
            term,
            nonce,
            signer,
            says,
        };
        word.sign(&deck.keys[1]).unwrap()
    };
    let end = at(3, 3);
    let (note, reason) = ("¿puedo?".to_owned(), "no".to_owned());
    let (to, request) = (deck.device(2), [7; 32]);
    let (question, hears, seal) = ([8; 32], true, vec![1, 2, 3]);
    let interval_ms = 500;
    let all = [
        Says::Request { note },
        Says::Denial { to, request, reason },
        Says::Beat {
            number: 7,
            interval_ms,
            end,
            asks: true,
        },
        Says::Echo { beat: [9; 32] },
        Says::Question,
        Says::Answer {
            question,
            hears,
            seal,
        },
    ];
    let words = all.map(word);
    for word in &words {
        let bytes = word.encode();
        let read = Signed::<Word>::decode(&bytes).unwrap().verify(deck.id()).unwrap();
        assert_eq!(read, *word);
        assert_eq!(bytes[..2], [20, 0]);
        for len in 0..bytes.len() {
            assert!(Signed::<Word>::decode(&bytes[..len]).is_err(), "cut to {len}");
        }
        for at in 0..bytes.len() {
            let mut wrong = bytes.clone();
            wrong[at] ^= 1;
            let read = Signed::<Word>::decode(&wrong).map(|word| word.verify(deck.id()).is_ok());
            assert_ne!(read, Ok(true), "a flipped bit at {at}");
        }
    }
    assert_eq!(
        hex(words[0].encode()),
        "14005b44a59882f45fa6f362b2b61383fade6750444e412a605ecbedbe70e9a1daa25b44a59882f45fa6f362b2b61383fade6750444e412a605ecbedbe70e9a1daa2050505050505050505050505050505058139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394000800c2bf707565646f3fe5e8b055b4ddee7618162d40c31046e153d0cb536cddad87e889bd34f77b343c05bdaba53f429edc3e17373d796ad932e89fa067fb1e48ea15f1a7b243af6306"
    );
    // After the same beginning: kind, interval, length and head; then the signature.
    let beat = hex(words[2].encode());
    let body = "020700000000000000f40100000300000000000000e3d5003ead1a936380020220637f7b8e1c2812992da64345e823b227195fb97c01";
    assert_eq!(&beat[2 * 114..beat.len() - 128], body);
}

#[test]
fn actors() {
    let samples = samples();
    let deck = samples.deck.id();
    assert_eq!(
        actor_of_genesis(deck).to_hex_string(),
        "151da71f9228e207a79c0491c26f65bb"
    );
    assert_eq!(
        actor_of_term(samples.deck.zero()).to_hex_string(),
        "c18a20d03965676c2c512828e9e69c27"
    );
    assert_eq!(
        actor_of_term(samples.term.id()).to_hex_string(),
        "34b835df78d056d82f4cc72ec2b90a8a"
    );
    let draft = &samples.draft;
    assert_eq!(
        actor_of_draft(deck, draft.author, draft.nonce).to_hex_string(),
        "2531559322e6f2247cbeedf6cba14495"
    );
}

#[test]
fn a_draft_keeps_its_id_while_it_is_extended() {
    let samples = samples();
    let mut longer = (*samples.draft).clone();
    (longer.len, longer.head) = (3, change(6));
    let longer = longer.sign(&samples.deck.keys[2]).unwrap();
    assert_eq!(longer.id(), samples.draft.id());
    assert_ne!(longer.record_id(), samples.draft.record_id());
    let mut rewritten = (*samples.draft).clone();
    rewritten.nonce = [6; 16];
    assert_ne!(rewritten.id(), samples.draft.id());
}

#[test]
fn admission() {
    let admit = samples().admit;
    assert_eq!(
        hex(admit.encode()),
        "28005b44a59882f45fa6f362b2b61383fade6750444e412a605ecbedbe70e9a1daa201000000ca93ac1705187071d67b83c7ff0efe8108e8ec4530575d7726879333dbdabe7c018139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394c96bed45350d2112876eceecd7e6488911fa14d7b45c21127e1460242f68bfb0fbc2ab353ba83e784745a69cee7b04c7c6d5f92bef2ad5ea4f36b7276a8da50a"
    );
    assert_eq!(
        hex(admit.record_id().as_bytes()),
        "74ba64eb7b089b7b8e21f7ef8f3136ca3f999656658070519d9a8b3c7d504e35"
    );
}

#[test]
fn voucher_of_an_invite() {
    let voucher = samples().voucher;
    assert_eq!(
        hex(voucher.encode()),
        "29005b44a59882f45fa6f362b2b61383fade6750444e412a605ecbedbe70e9a1daa201000000018139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b39471fd87b15cd7724021485aabab1ba0d57162391e22b5f4111f8b41556a9ac8d901244e1693a8e88a4067a53ebaf019ba8240a032fe85d576bcd062fbccfd8709"
    );
}

/// A second implementation has to open this with the secret `02` repeated (device 1) and find the key `d5` repeated;
/// libsodium does.
#[test]
fn wrapped_keys() {
    let wrapped = samples().wrapped;
    assert_eq!(
        hex(wrapped.encode()),
        "2a005b44a59882f45fa6f362b2b61383fade6750444e412a605ecbedbe70e9a1daa20100000099a7a471e0ad5d0eb66af0e10ab93292b943eb805de97911637db4be0c072e42028139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b3941e1f65d800144e86a8cb94dd9bc2737400c9a61b9b3cf2a79effc59a2500460d5555f42418e77b782827fd1fb651e2198a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c58468d1d567cbc01771488e9490ea3f21d4489f466624b62ebabe176bd991120692f6ab944725ba56e11a07128db43b8"
    );
    assert_eq!(
        hex(wrapped.epoch().wrapped),
        "f8e5047eca09384efef65560356a9b02bc906e2446082bb94a5dbfa7a1216ae9"
    );
}
