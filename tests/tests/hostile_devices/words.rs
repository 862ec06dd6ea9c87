//! Words about the role, by those who forge them or never stop.

use std::time::Duration;

use cuecard::limits::{WORD_BYTES_MAX, WORDS_PER_SECOND_MAX};
use cuecard::role::{Cause, Cut, Says, Signed, Term, Word};
use cuecard::sync::message::{Item, Message, Position};
use cuecard::transport::DeviceKey;
use cuecard::transport::memory::Conditions;
use cuecard::{AutoClaim, Event, Member, Policies, Rights, Role};

use super::authority::phone;
use super::world::*;

fn word(world: &World, at: Position, key: &DeviceKey, nonce: u8, says: Says) -> Vec<u8> {
    let word = Word {
        deck: world.deck,
        term: at.term,
        nonce: [nonce; 16],
        signer: key.id(),
        says,
    };
    word.sign(key).unwrap().encode()
}

fn request(text: &str) -> Says {
    Says::Request {
        note: text.to_owned(),
    }
}

#[test]
fn a_word_needs_the_signature_of_who_says_it_for_this_purpose() {
    for forged in [false, true] {
        let mut world = World::new(61, Some(Rights::Hold));
        let (_, at) = world.document();
        let mut bytes = word(&world, at, &world.mallory.clone(), 1, request("my turn"));
        if forged {
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
        }
        let (intruder, deck, laptop) = (world.intrude(), world.deck, world.laptop);
        let bytes = bytes.into();
        world.sim.say(intruder, &Message::Word { deck, bytes });
        world.sim.run_for(SOON);
        assert_eq!(world.sim.is_thrown_out(intruder), forged);
        let told = world.sim.take_events(laptop);
        let asked = told
            .iter()
            .any(|event| matches!(event, Event::RoleRequested { .. }));
        assert_eq!(asked, !forged, "{told:?}");
        world.assert_unharmed();
    }
}

#[test]
fn requests_of_who_may_not_hold_the_role_and_signs_of_who_has_it_not_are_not_heard() {
    for rights in [None, Some(Rights::Read), Some(Rights::Draft), Some(Rights::Hold)] {
        let mut world = World::new(62, rights);
        let (document, at) = world.document();
        let mallory = world.mallory.clone();
        let end = Cut {
            len: at.len,
            head: document.heads()[0],
        };
        let beat = Says::Beat {
            number: u64::MAX,
            interval_ms: 1,
            end,
            asks: true,
        };
        let (to, reason) = (mallory.id(), "no".to_owned());
        let denial = Says::Denial {
            to,
            request: [1; 32],
            reason,
        };
        let (intruder, deck, laptop) = (world.intrude(), world.deck, world.laptop);
        for (nonce, says) in (1..).zip([request(""), beat, denial]) {
            let bytes = word(&world, at, &mallory, nonce, says).into();
            world.sim.say(intruder, &Message::Word { deck, bytes });
        }
        world.sim.run_for(SOON);
        let told = world.sim.take_events(laptop);
        let asked = told
            .iter()
            .any(|event| matches!(event, Event::RoleRequested { .. }));
        assert_eq!(asked, rights == Some(Rights::Hold), "{rights:?}: {told:?}");
        world.assert_unharmed();
    }
}

/// Who is long gone once answered signs of the editor's; said again by another, those answers would make the editor believe
/// that it is heard, and hold on to the role against a rightful claim.
#[test]
fn old_answers_said_again_do_not_make_an_editor_heard() {
    let mut world = World::new(65, Some(Rights::Hold));
    let (laptop, deck, mallory) = (world.laptop, world.deck, world.mallory.clone());
    let gone = DeviceKey::from_bytes(&[0x77; 32]);
    world.let_hold([mallory.id(), gone.id()]);
    let (document, at) = world.document();
    let intruder = world.intrude();
    for nonce in 0..30 {
        let beat = [nonce; 32];
        let bytes = word(&world, at, &gone, nonce, Says::Echo { beat }).into();
        world.sim.say(intruder, &Message::Word { deck, bytes });
        world.sim.run_for(Duration::from_secs(5));
    }
    let claim = Term {
        deck,
        parent: at.term,
        cause: Cause::Claim,
        cut: Cut {
            len: at.len,
            head: document.heads()[0],
        },
        holder: Some(mallory.id()),
        nonce: [1; 16],
        signer: mallory.id(),
    };
    let claim = claim.sign(&mallory).unwrap().encode();
    world.entries(intruder, vec![Item::Term(claim.into())]);
    let role = world.sim.role(laptop, deck);
    assert!(
        matches!(role, Some(Role::Viewer { editor, .. }) if editor == mallory.id()),
        "nobody heard the laptop: {role:?}"
    );
}

/// Only the editor says no, and only every five seconds anybody is asked anew.
#[test]
fn a_denial_by_another_is_nothing_and_a_request_is_heard_every_five_seconds() {
    let mut world = World::new(66, Some(Rights::Hold));
    let phone = phone(&mut world);
    let (laptop, deck, mallory) = (world.laptop, world.deck, world.mallory.clone());
    world.let_hold([mallory.id(), world.sim.id(phone)]);
    world.before = (world.sim.head(laptop, deck), world.sim.cards(laptop, deck));
    let (_, at) = world.document();
    let intruder = world.intrude();
    act(&mut world.sim, phone, |core, now| {
        core.request_role(now, deck, "please").unwrap()
    });
    world.sim.run_for(Duration::from_secs(1));
    let heard = world.sim.heard(intruder);
    let asked = heard.iter().find_map(|message| match message {
        Message::Word { bytes, .. } => {
            let word = Signed::<Word>::decode(bytes).ok()?.verify(deck).ok()?;
            matches!(word.says, Says::Request { .. }).then(|| *word.record_id().as_bytes())
        }
        _ => None,
    });
    let (to, reason) = (world.sim.id(phone), "no".to_owned());
    let request_id = asked.expect("the request was passed on");
    let no = Says::Denial {
        to,
        request: request_id,
        reason,
    };
    for (nonce, says) in (1..).zip([no, request("mine"), request("mine, I said")]) {
        let bytes = word(&world, at, &mallory, nonce, says).into();
        world.sim.say(intruder, &Message::Word { deck, bytes });
    }
    world.sim.run_for(Duration::from_secs(1));
    let denied = |event: &Event| matches!(event, Event::RoleDenied { .. });
    assert!(!world.sim.take_events(phone).iter().any(denied));
    let by_mallory = |event: &&Event| matches!(event, Event::RoleRequested { by, .. } if *by == mallory.id());
    let told = world.sim.take_events(laptop);
    assert_eq!(told.iter().filter(by_mallory).count(), 1, "{told:#?}");
    world.assert_unharmed();
}

#[test]
fn who_never_stops_talking_is_thrown_out() {
    let mut world = World::new(63, Some(Rights::Hold));
    let (_, at) = world.document();
    let mallory = world.mallory.clone();
    let (intruder, deck) = (world.intrude(), world.deck);
    for nonce in 0..=WORDS_PER_SECOND_MAX as u8 {
        assert!(!world.sim.is_thrown_out(intruder), "after {nonce}");
        let bytes = word(&world, at, &mallory, nonce, Says::Question).into();
        world.sim.say(intruder, &Message::Word { deck, bytes });
    }
    assert!(world.sim.is_thrown_out(intruder));
    let why = world.refusals();
    assert!(
        why.len() == 1 && why[0].contains("more words about the role"),
        "{why:?}"
    );
    world.assert_unharmed();
}

#[test]
fn a_word_beyond_the_limits_is_refused_before_it_is_read() {
    let mut world = World::new(64, Some(Rights::Hold));
    let (intruder, deck) = (world.intrude(), world.deck);
    let bytes = vec![20; WORD_BYTES_MAX + 1].into();
    world.sim.say(intruder, &Message::Word { deck, bytes });
    assert!(world.sim.is_thrown_out(intruder));
    let why = world.refusals();
    assert!(why.len() == 1 && why[0].contains("beyond the limits"), "{why:?}");
    world.assert_unharmed();
}

/// A member kept signs of the editor's that others never saw. When the editor is gone it says them again and again, so that
/// nobody is to follow. Its own link alone is believed whatever the number: its clock may have been set back.
#[test]
fn old_signs_of_an_editor_that_is_gone_keep_nobody_from_following() {
    let mut world = World::new(67, Some(Rights::Hold));
    let (laptop, deck, mallory) = (world.laptop, world.deck, world.mallory.clone());
    let honest = ["phone", "tablet", "watch"].map(|name| world.sim.device(name));
    let all = [&[laptop][..], &honest].concat();
    for (at, &a) in all.iter().enumerate() {
        for &b in &all[at + 1..] {
            world.sim.connect(a, b, Conditions::PERFECT);
        }
    }
    let invite = world.sim.invite(laptop, deck, Rights::Read).expect("an invite");
    let devices = honest.map(|peer| world.sim.id(peer));
    let mut members: Vec<Member> = (1..)
        .zip(devices.into_iter().chain([mallory.id()]))
        .map(|(rank, device)| Member {
            device,
            rights: Rights::Hold,
            rank,
        })
        .collect();
    members.sort_by_key(|member| member.device);
    act(&mut world.sim, laptop, |core, now| {
        core.set_members(now, deck, members).unwrap()
    });
    let policies = Policies {
        auto_claim: AutoClaim::After(Duration::from_secs(1)),
        ..Policies::default()
    };
    for &peer in &all {
        act(&mut world.sim, peer, |core, now| core.join(now, &invite));
    }
    world.sim.run_for(SOON);
    for peer in all {
        act(&mut world.sim, peer, |core, _| {
            core.set_policies(deck, policies.clone()).unwrap()
        });
    }
    world.sim.run_for(SOON);
    let (document, at) = world.document();
    let editor = world.sim.key(laptop).unwrap();
    let end = Cut {
        len: at.len,
        head: document.heads()[0],
    };
    let old_sign = |world: &World, number: u8| {
        let says = Says::Beat {
            number: number.into(),
            interval_ms: 333,
            end,
            asks: true,
        };
        Message::Word {
            deck,
            bytes: word(world, at, &editor, number, says).into(),
        }
    };
    let key = world.deck_key;
    for (device, is_heard) in [(mallory.id(), false), (editor.id(), true)] {
        let intruder = world.sim.intrude_with_key(honest[0], device, deck, &key);
        let sign = old_sign(&world, 100 + u8::from(is_heard));
        world.sim.heard(intruder);
        world.sim.say(intruder, &sign);
        let answers = world.sim.heard(intruder).into_iter().filter(|message| {
            let Message::Word { bytes, .. } = message else {
                return false;
            };
            let word = Signed::<Word>::decode(bytes).unwrap();
            matches!(word.claimed().says, Says::Echo { .. })
        });
        assert_eq!(answers.count(), usize::from(is_heard));
        world.sim.leave(intruder);
    }
    let intruders = honest.map(|peer| world.sim.intrude_with_key(peer, mallory.id(), deck, &key));
    world.sim.crash(laptop);
    for number in 1..=50 {
        let sign = old_sign(&world, number);
        for intruder in intruders {
            world.sim.say(intruder, &sign);
        }
        world.sim.run_for(Duration::from_millis(200));
    }
    let roles = honest.map(|peer| world.sim.role(peer, deck));
    let is_followed = |role: &Option<Role>| matches!(role, Some(Role::Editor { .. }));
    assert_eq!(
        roles.iter().filter(|role| is_followed(role)).count(),
        1,
        "{roles:?}"
    );
}
