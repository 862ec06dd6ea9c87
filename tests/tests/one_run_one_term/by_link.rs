//! A process is killed after the other end of a link saw what it wrote, and before its disk had any of that.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use cuecard_tests::real::process::{LOOK_AGAIN, WITHIN};
use cuecard_tests::real::{Ask, Process, Said, Settings, pair_up};

use crate::{check_in_automerge, copy};

const SENT: usize = 5;

fn start(folder: &Path, disk_can_be_held: bool) -> Process {
    let settings = Settings {
        disk_can_be_held,
        ..Settings::default()
    };
    Process::start(folder, settings)
}

fn stop(mut process: Process) {
    process.ask(&Ask::Stop);
}

fn cards(process: &mut Process) -> BTreeSet<String> {
    let cards = process.cards();
    let set: BTreeSet<String> = cards.iter().cloned().collect();
    assert_eq!(set.len(), cards.len(), "nothing is there twice: {cards:?}");
    set
}

/// Waits until both are linked and have the same deck, with these cards in it.
fn equal(a: &mut Process, b: &mut Process, wanted: &BTreeSet<String>, what: &str) {
    let deadline = Instant::now() + WITHIN;
    loop {
        let (here, there) = (a.status(), b.status());
        let is_linked = here.linked == 1 && there.linked == 1;
        if is_linked && here.head.is_some() && here.head == there.head {
            let (at_a, at_b) = (cards(a), cards(b));
            if at_a == at_b && at_a.is_superset(wanted) {
                return;
            }
        }
        assert!(
            Instant::now() < deadline,
            "still waiting: {what}: {here:?}, {there:?}"
        );
        std::thread::park_timeout(LOOK_AGAIN);
    }
}

pub(crate) fn story(number: u64) {
    let place = tempfile::tempdir().expect("a folder");
    let path = |name: &str| place.path().join(name);
    let folders = ["laptop", "older", "copied"].map(path);
    let [laptop_at, older_at, copied_at] = &folders;
    let nothing = BTreeSet::new();
    let (mut laptop, mut phone) = (start(laptop_at, false), start(&path("phone"), false));
    laptop.ask(&Ask::Create);
    // The phone may not hold the role: what is to be accepted, the laptop has to accept.
    pair_up(&mut laptop, &mut phone, true);
    laptop.ask(&Ask::Add {
        fronts: vec!["before".to_owned()],
    });
    equal(&mut laptop, &mut phone, &nothing, "the deck is at the phone");
    stop(laptop);
    copy(laptop_at, older_at);

    // A run opens its term, which has to be on its disk; what follows in it need not be.
    let mut laptop = start(laptop_at, true);
    laptop.ask(&Ask::Add {
        fronts: vec!["saved".to_owned()],
    });
    equal(&mut laptop, &mut phone, &nothing, "the term is at the phone");
    laptop.ask(&Ask::HoldDisk);
    let sent: Vec<String> = (0..SENT).map(|at| format!("sent {at}")).collect();
    let last = sent.last().expect("the last");
    phone.ask(&Ask::Watch { front: last.clone() });
    laptop.ask(&Ask::AddUnsaved { fronts: sent.clone() });
    phone.hear(
        "what was not saved",
        |said| matches!(said, Said::Seen { front } if front == last),
    );
    laptop.kill();
    drop(laptop);
    let mut wanted = cards(&mut phone);
    assert!(sent.iter().all(|front| wanted.contains(front)), "{wanted:?}");
    stop(phone);
    copy(laptop_at, copied_at);

    // Each is edited on by a run of its own, and knows nothing of the others.
    let mut heads = BTreeSet::new();
    for (folder, name) in folders
        .iter()
        .zip(["the killed one", "the restored one", "the copied one"])
    {
        let mut run = start(folder, false);
        let before = cards(&mut run);
        assert!(
            sent.iter().all(|front| !before.contains(front)),
            "{folder:?}: {before:?}"
        );
        assert_eq!(
            before.contains("saved"),
            folder != older_at,
            "{folder:?}: {before:?}"
        );
        let fronts = (0..3).map(|round| format!("{name} {round}")).collect();
        run.ask(&Ask::Add { fronts });
        wanted.extend(cards(&mut run));
        heads.insert(run.status().head);
        stop(run);
    }
    assert_eq!(heads.len(), 3, "story {number}: three ways");

    // All together, over links to the phone, in another order each time; the first comes once more, for the rest.
    let mut phone = start(&path("phone"), false);
    let mut order: Vec<&Path> = folders.iter().map(AsRef::as_ref).collect();
    order.rotate_left(usize::try_from(number).expect("a small number") % 3);
    for (at, folder) in order.iter().chain(&order).enumerate() {
        let mut run = start(folder, false);
        let mine = cards(&mut run);
        let wanted = if at < order.len() - 1 { &mine } else { &wanted };
        equal(&mut run, &mut phone, wanted, "it brings what it has");
        if at >= order.len() {
            check(&mut run, wanted, &path("document"));
        }
        stop(run);
    }
    check(&mut phone, &wanted, &path("document"));
    println!(
        "story {number}, by link: {} cards on four ways, all there",
        wanted.len()
    );
}

fn check(process: &mut Process, wanted: &BTreeSet<String>, file: &Path) {
    assert_eq!(&cards(process), wanted);
    // What came late may still be accepted meanwhile, which is a change more.
    let mut tries = 0..20;
    let head = loop {
        assert!(tries.next().is_some(), "its head does not rest");
        let before = process.status().head;
        process.ask(&Ask::Document {
            file: file.to_owned(),
        });
        let head = process.status().head.expect("a head");
        if before.as_ref() == Some(&head) {
            break head;
        }
    };
    check_in_automerge(&std::fs::read(file).expect("the document"), &head, wanted);
}
