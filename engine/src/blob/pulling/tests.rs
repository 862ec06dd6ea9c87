use super::*;
use crate::blob::fetch::{Held, Urgency, Wish};
use crate::limits::{BLOB_BYTES_MAX, BLOB_WANTS_MAX};

const BLOB: BlobId = BlobId::from_bytes([1; 32]);
const DECK: DeckId = DeckId::from_bytes([2; 32]);
const OTHER_DECK: DeckId = DeckId::from_bytes([3; 32]);
const ONE: LinkId = LinkId::new(1);
const TWO: LinkId = LinkId::new(2);
const WANTED: Wish = Some((Urgency::Wanted, 0));

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

fn device(link: LinkId) -> DeviceId {
    DeviceId::from_bytes(if link == ONE { [1; 32] } else { [2; 32] })
}

fn link(fetches: &mut Fetches, link: LinkId) {
    fetches.set_source(at(0), link, device(link), [DECK].into_iter());
}

/// One blob of so many groups, of which nothing is held, and these links.
fn wanting(groups: u64, links: &[LinkId]) -> Fetches {
    let mut fetches = Fetches::default();
    let size = groups * cuecard_store::GROUP_BYTES;
    fetches.name(DECK, BLOB, size, WANTED);
    assert_eq!(fetches.next_to_open(at(0)), [(BLOB, size)]);
    fetches.opened(at(0), BLOB, &Held::Groups(vec![]));
    links.iter().for_each(|&of| link(&mut fetches, of));
    fetches
}

/// Every frame of a pull comes, and is true.
fn deliver(fetches: &mut Fetches, now: Time, pull: &Pull) -> Vec<u32> {
    let mut group = pull.groups.start;
    let mut came = Vec::new();
    while group < pull.groups.end {
        if let Some(arrived) = fetches.arrived(now, pull.link, pull.transfer, group) {
            came.extend(arrived.groups.clone());
            fetches.written(now, pull.link, arrived.blob, &arrived.groups, false);
        }
        group += FRAME_GROUPS;
    }
    came
}

/// What a link was asked for, as first groups and those behind the last: neighbours joined.
fn groups_of(pulls: &[Pull], link: LinkId) -> Vec<(u32, u32)> {
    let mut all: Vec<(u32, u32)> = Vec::new();
    for pull in pulls.iter().filter(|pull| pull.link == link) {
        let Range { start, end } = pull.groups;
        match all.last_mut() {
            Some(last) if last.1 == start => last.1 = end,
            _ => all.push((start, end)),
        }
    }
    all
}

#[test]
fn two_links_share_the_work_and_nothing_is_asked_twice() {
    let mut fetches = wanting(200, &[ONE, TWO]);
    let (mut asked, mut now) = (BTreeSet::new(), 0);
    let mut by_link = [0, 0];
    let mut pulls = fetches.assign(at(0));
    while !pulls.is_empty() {
        now += 20;
        let mut next = Vec::new();
        for pull in pulls {
            by_link[usize::from(pull.link == TWO)] += 1;
            for group in deliver(&mut fetches, at(now), &pull) {
                assert!(asked.insert(group), "asked twice");
            }
            next.extend(fetches.assign(at(now)));
        }
        pulls = next;
    }
    assert_eq!(asked.len(), 200);
    assert!(by_link.iter().all(|&pulls| pulls >= 4), "{by_link:?}");
    assert!(fetches.transfers.is_empty() && fetches.unverified == 0);
}

#[test]
fn a_frame_that_was_not_asked_for_is_not_taken() {
    let mut fetches = wanting(24, &[ONE, TWO]);
    let pulls = fetches.assign(at(0));
    let mut of_one = pulls.iter().filter(|pull| pull.link == ONE);
    let of_one = of_one.find(|pull| pull.groups.len() == 3);
    let of_one = of_one.expect("it is asked for a whole frame");
    let (number, first) = (of_one.transfer, of_one.groups.start);
    for (link, transfer, group) in [
        (TWO, number, first),
        (ONE, number + 100, first),
        (ONE, number, first + 1),
        (ONE, number, of_one.groups.end),
        (ONE, number, u32::MAX),
    ] {
        assert_eq!(
            fetches.arrived(at(1), link, transfer, group),
            None,
            "{link:?} {transfer} {group}"
        );
    }
    assert!(fetches.arrived(at(1), ONE, number, first).is_some());
    assert_eq!(fetches.arrived(at(1), ONE, number, first), None, "a repeated one");
}

#[test]
fn what_a_lost_link_was_asked_for_is_asked_of_another() {
    let mut fetches = wanting(4, &[ONE]);
    let first = fetches.assign(at(0));
    assert_eq!(groups_of(&first, ONE), [(0, 4)]);
    link(&mut fetches, TWO);
    fetches.link_down(ONE);
    assert_eq!(groups_of(&fetches.assign(at(1)), TWO), [(0, 4)]);
    assert_eq!(
        fetches.arrived(at(2), ONE, first[0].transfer, 0),
        None,
        "its link is gone"
    );
}

#[test]
fn a_source_that_is_silent_for_two_seconds_loses_its_range_and_is_left_alone_for_as_long() {
    let mut fetches = wanting(4, &[ONE]);
    let first = fetches.assign(at(0));
    assert_eq!(fetches.wakes_at(at(0)), Some(at(2_000)));
    assert_eq!(fetches.check_stalls(at(1_999)), BTreeSet::new());
    assert_eq!(fetches.check_stalls(at(2_000)), [BLOB].into());
    assert_eq!(fetches.assign(at(2_000)), [], "it rests, and there is no other");
    assert_eq!(fetches.wakes_at(at(2_000)), Some(at(4_000)));
    // What comes late is welcome, and ends the rest.
    let late = fetches
        .arrived(at(2_500), ONE, first[0].transfer, 0)
        .expect("asked for");
    fetches.written(at(2_500), ONE, BLOB, &late.groups, false);
    assert_eq!(groups_of(&fetches.assign(at(2_500)), ONE), [(1, 3)]);
    // Without a word it rests twice as long each time, a minute at the most.
    let mut now = 2_500;
    // At first it is known to be slow, and given the time of two groups.
    let silences = [5_000, 2_000, 2_000, 2_000, 2_000, 2_000, 2_000];
    for (rest, silence) in [2, 4, 8, 16, 32, 60, 60].into_iter().zip(silences) {
        now += silence;
        assert_eq!(fetches.check_stalls(at(now - 1)), BTreeSet::new());
        assert_eq!(fetches.check_stalls(at(now)).len(), 1, "at {now}");
        now += rest * 1_000;
        assert_eq!(fetches.assign(at(now - 1)), [], "it rests {rest} s");
        assert_eq!(groups_of(&fetches.assign(at(now)), ONE), [(1, 3)]);
    }
}

#[test]
fn over_a_long_path_silence_counts_after_four_round_trips() {
    let mut fetches = wanting(400, &[ONE]);
    let first = fetches.assign(at(0));
    deliver(&mut fetches, at(900), &first[0]);
    fetches.assign(at(900));
    assert_eq!(fetches.check_stalls(at(900 + 3_599)), BTreeSet::new());
    assert_eq!(fetches.check_stalls(at(900 + 3_600)).len(), 1);
}

#[test]
fn a_slow_disk_is_no_fault_of_the_source() {
    let mut fetches = wanting(12, &[ONE]);
    let pull = &fetches.assign(at(0))[0];
    let arrived = fetches.arrived(at(10), ONE, pull.transfer, 0).expect("asked for");
    assert_eq!(
        fetches.check_stalls(at(60_000)),
        BTreeSet::new(),
        "it is being verified"
    );
    fetches.written(at(60_000), ONE, BLOB, &arrived.groups, false);
    assert_eq!(fetches.check_stalls(at(61_999)), BTreeSet::new());
    assert_eq!(fetches.check_stalls(at(62_000)).len(), 1);
}

#[test]
fn a_source_that_sends_wrong_bytes_is_asked_for_nothing_for_ten_minutes_on_any_link() {
    let mut fetches = wanting(4, &[ONE]);
    let pulls = fetches.assign(at(0));
    let (pull, next) = (&pulls[0], &pulls[1]);
    let arrived = fetches.arrived(at(1), ONE, pull.transfer, 0).expect("asked for");
    assert_eq!(
        fetches.wrong(at(1), ONE, BLOB, &arrived.groups),
        Some(device(ONE))
    );
    assert_eq!(
        fetches.arrived(at(2), ONE, next.transfer, next.groups.start),
        None,
        "not believed any more"
    );
    assert_eq!(fetches.wrong(at(2), ONE, BLOB, &(0..0)), None, "said once");
    assert_eq!(fetches.assign(at(3)), []);
    fetches.link_down(ONE);
    let again = LinkId::new(9);
    fetches.set_source(at(4), again, device(ONE), [DECK].into_iter());
    assert_eq!(fetches.assign(at(600_000)), [], "over a new link, too");
    link(&mut fetches, TWO);
    assert_eq!(
        groups_of(&fetches.assign(at(600_000)), TWO),
        [(0, 4)],
        "others go on"
    );
    fetches.link_down(TWO);
    assert_eq!(groups_of(&fetches.assign(at(600_002)), again), [(0, 4)]);
}

#[test]
fn towards_the_end_a_faster_source_takes_over_and_nothing_is_asked_three_times() {
    let mut fetches = wanting(60, &[ONE, TWO]);
    let three = LinkId::new(3);
    let mut pulls = fetches.assign(at(0));
    // One brings a frame a second, two is quick.
    let slow: Vec<Pull> = pulls.extract_if(.., |pull| pull.link == ONE).collect();
    assert!(!slow.is_empty());
    let (mut now, mut held, mut twice) = (0, BTreeSet::new(), 0);
    while held.len() < 60 {
        now += 20;
        assert!(
            now < 1_000,
            "the slow one holds up {:?}",
            (0..60).filter(|at| !held.contains(at)).collect::<Vec<_>>()
        );
        let mut next = Vec::new();
        for pull in &pulls {
            let again = slow
                .iter()
                .any(|of| of.groups.start <= pull.groups.start && pull.groups.start < of.groups.end);
            twice += usize::from(again);
            held.extend(deliver(&mut fetches, at(now), pull));
        }
        next.extend(fetches.assign(at(now)));
        pulls = next;
    }
    assert!(twice > 0);
    link(&mut fetches, three);
    assert_eq!(fetches.assign(at(now)), [], "all is here");
    // The same from the slow one costs nobody anything.
    assert_eq!(deliver(&mut fetches, at(now), &slow[0]), [0_u32; 0]);
}

#[test]
fn only_those_are_asked_who_share_a_deck_that_names_it() {
    let mut fetches = wanting(4, &[]);
    fetches.set_source(at(0), ONE, device(ONE), [OTHER_DECK].into_iter());
    assert_eq!(fetches.assign(at(0)), []);
    fetches.set_source(at(0), ONE, device(ONE), [DECK, OTHER_DECK].into_iter());
    assert_eq!(groups_of(&fetches.assign(at(0)), ONE), [(0, 4)]);
}

#[test]
fn one_that_lacks_it_is_asked_again_when_it_says_that_it_has_it() {
    let mut fetches = wanting(1, &[ONE]);
    let pull = &fetches.assign(at(0))[0];
    fetches.lacks(at(1), TWO, pull.transfer);
    assert_eq!(fetches.transfers.len(), 1, "said by another");
    fetches.lacks(at(1), ONE, pull.transfer);
    assert_eq!(fetches.assign(at(1)), []);
    fetches.has_now(ONE, BlobId::from_bytes([9; 32]));
    assert_eq!(fetches.assign(at(2)), [], "that was another blob");
    fetches.has_now(ONE, BLOB);
    let again = fetches.assign(at(3));
    assert_eq!(groups_of(&again, ONE), [(0, 1)]);
    // Each status is a chance, too, and not each status of a chatterbox.
    for (now, asked) in [(4, 1), (5, 0), (10_003, 0), (10_004, 1)] {
        let open: Vec<u32> = fetches.transfers.keys().copied().collect();
        open.into_iter()
            .for_each(|transfer| fetches.lacks(at(now), ONE, transfer));
        fetches.ask_again(at(now), ONE);
        assert_eq!(fetches.assign(at(now)).len(), asked, "at {now}");
    }
}

#[test]
fn the_most_urgent_comes_first_and_long_ones_last() {
    let mut fetches = Fetches::default();
    let blob = |number: u8| BlobId::from_bytes([number; 32]);
    let wishes = [
        (1, 10_000_000, Some((Urgency::Wanted, 0))),
        (2, 50_000, Some((Urgency::Wanted, 7))),
        (3, 50_000, Some((Urgency::Wanted, 3))),
        (4, 10_000, Some((Urgency::Wanted, 3))),
        (5, 500_000, Some((Urgency::Shown, 90))),
        (6, 20_000_000, Some((Urgency::Focused, 91))),
        (7, 10, None),
    ];
    for (number, size, wish) in wishes {
        fetches.name(DECK, blob(number), size, wish);
    }
    let order = [6, 5, 4, 3, 2, 1].map(blob);
    let opened: Vec<BlobId> = fetches
        .next_to_open(at(0))
        .into_iter()
        .map(|(blob, _)| blob)
        .collect();
    assert_eq!(opened, order);
    for blob in order {
        fetches.opened(at(0), blob, &Held::Groups(vec![]));
    }
    let ready: Vec<BlobId> = fetches.ready.iter().map(|&(_, blob)| blob).collect();
    assert_eq!(ready, order);
    // What the app asks for goes before all but the card in focus.
    fetches.ask_for(DECK, blob(7), 10);
    assert_eq!(fetches.next_to_open(at(0)), [(blob(7), 10)]);
    fetches.opened(at(0), blob(7), &Held::Groups(vec![]));
    let ready: Vec<BlobId> = fetches.ready.iter().map(|&(_, blob)| blob).collect();
    assert_eq!(ready[..3], [6, 7, 5].map(blob));
}

#[test]
fn what_is_no_longer_named_is_no_longer_asked_for() {
    let mut fetches = wanting(100, &[ONE]);
    fetches.name(OTHER_DECK, BLOB, 100 * cuecard_store::GROUP_BYTES, WANTED);
    fetches.forget_deck(DECK);
    assert_eq!(fetches.assign(at(0)), [], "that link shares the first deck only");
    fetches.set_source(at(0), ONE, device(ONE), [OTHER_DECK].into_iter());
    let pulls = fetches.assign(at(0));
    assert!(!pulls.is_empty());
    fetches.forget_deck(OTHER_DECK);
    assert_eq!(fetches.progress(at(0)), []);
    assert_eq!(deliver(&mut fetches, at(1), &pulls[0]), [0_u32; 0]);
    assert_eq!(
        (fetches.assign(at(1)), fetches.ready.len(), fetches.open_count()),
        (vec![], 0, 0)
    );
}

#[test]
fn a_thousand_blobs_that_nobody_has_do_not_stand_in_the_way_of_one_that_somebody_has() {
    let mut fetches = Fetches::default();
    let blob = |number: usize| BlobId::from_bytes(*blake3::hash(&number.to_le_bytes()).as_bytes());
    for number in 0..3 * BLOB_WANTS_MAX {
        fetches.name(DECK, blob(number), 10, Some((Urgency::Wanted, 0)));
    }
    // The store is asked about all of them, so many at a time.
    let mut looked = BTreeSet::new();
    loop {
        let open = fetches.next_to_open(at(0));
        assert!(fetches.open_count() <= BLOB_WANTS_MAX);
        if open.is_empty() {
            break;
        }
        for (blob, _) in open {
            assert!(looked.insert(blob), "looked at twice, and nothing is new");
            fetches.opened(at(0), blob, &Held::Groups(vec![]));
        }
    }
    assert_eq!(looked.len(), 3 * BLOB_WANTS_MAX);
    let late = blob(usize::MAX);
    fetches.name(OTHER_DECK, late, 10, Some((Urgency::Wanted, 9)));
    fetches.set_source(at(1), TWO, device(TWO), [OTHER_DECK].into_iter());
    assert_eq!(fetches.next_to_open(at(1)), [(late, 10)]);
    fetches.opened(at(1), late, &Held::Groups(vec![]));
    assert_eq!(fetches.assign(at(1)).len(), 1);
}

#[test]
fn what_the_store_holds_is_not_asked_for_and_what_is_too_long_never_is() {
    let mut fetches = Fetches::default();
    link(&mut fetches, ONE);
    fetches.name(DECK, BLOB, 10 * cuecard_store::GROUP_BYTES, WANTED);
    assert_eq!(fetches.next_to_open(at(0)).len(), 1);
    assert_eq!(fetches.assign(at(0)), [], "not before the store has answered");
    fetches.opened(at(0), BLOB, &Held::Groups(vec![0..4, 6..10]));
    let pulls = fetches.assign(at(0));
    assert_eq!(groups_of(&pulls, ONE), [(4, 6)]);
    let huge = BlobId::from_bytes([7; 32]);
    fetches.name(DECK, huge, BLOB_BYTES_MAX + 1, WANTED);
    assert_eq!(fetches.next_to_open(at(0)), []);
}

#[test]
fn one_size_that_is_wrong_does_not_hide_the_one_that_is_right() {
    let mut fetches = wanting(1, &[ONE]);
    let right = cuecard_store::GROUP_BYTES - 1;
    fetches.name(OTHER_DECK, BLOB, right, WANTED);
    let pull = &fetches.assign(at(0))[0];
    fetches.lacks(at(1), ONE, pull.transfer);
    assert_eq!(fetches.next_to_open(at(1)), [(BLOB, right)]);
    fetches.opened(at(1), BLOB, &Held::Groups(vec![]));
    let pull = &fetches.assign(at(1))[0];
    assert_eq!(pull.size, right);
    fetches.lacks(at(2), ONE, pull.transfer);
    assert_eq!(
        fetches.next_to_open(at(2)),
        [],
        "each size once, before there is hope"
    );
}

#[test]
fn a_disk_that_fails_is_left_alone() {
    let mut fetches = wanting(100, &[ONE]);
    let pulls = fetches.assign(at(0));
    let arrived = fetches
        .arrived(at(1), ONE, pulls[0].transfer, 0)
        .expect("asked for");
    fetches.not_kept(at(1), ONE, BLOB, &arrived.groups);
    assert_eq!(
        deliver(&mut fetches, at(2), &pulls[1]),
        [0_u32; 0],
        "it cannot be kept"
    );
    assert_eq!(
        (fetches.assign(at(2)), fetches.next_to_open(at(60_000))),
        (vec![], vec![])
    );
    assert_eq!(
        fetches.next_to_open(at(60_001)).len(),
        1,
        "it is tried again in a minute"
    );
    // When several fail in a row, nothing is asked for.
    let second = BlobId::from_bytes([8; 32]);
    fetches.name(DECK, second, 10, WANTED);
    fetches.next_to_open(at(60_001));
    fetches.opened(at(60_001), second, &Held::Groups(vec![]));
    for _ in 0..FAILURES_MAX {
        fetches.not_kept(at(60_001), ONE, BLOB, &(0..0));
    }
    assert_eq!(fetches.assign(at(60_002)), []);
    assert_eq!(fetches.assign(at(90_001)).len(), 1);
}

#[test]
fn no_more_is_asked_for_than_the_disk_can_take() {
    let mut fetches = wanting(10_000, &[ONE]);
    let mut now = 0;
    loop {
        let pulls = fetches.assign(at(now));
        if pulls.is_empty() {
            break;
        }
        now += 1;
        for pull in pulls {
            let frames = pull.groups.clone().step_by(FRAME_GROUPS as usize);
            for group in frames {
                fetches
                    .arrived(at(now), ONE, pull.transfer, group)
                    .expect("asked for");
            }
        }
        assert!(fetches.unverified <= UNVERIFIED_MAX + crate::blob::window::MAX);
    }
    assert!(fetches.unverified >= UNVERIFIED_MAX);
}
