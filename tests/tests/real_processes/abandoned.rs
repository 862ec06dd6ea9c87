//! The editor is gone and nobody claims: the others can read and write drafts, which pass between them, are told who is
//! gone, and go on as before when the editor is back, which has their drafts then. So is one that was never linked with it.

use std::collections::BTreeSet;

use std::time::Duration;

use cuecard_tests::real::{Ask, Process, Settings, mesh, pair_up};

fn one(front: &str) -> Vec<String> {
    vec![front.to_owned()]
}

pub(crate) fn the_editor_is_gone_and_nobody_claims() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut devices = mesh(3, folder.path(), Settings::default());
    devices[0].ask(&Ask::Add {
        fronts: one("before"),
    });
    let head = devices[0].status().head;
    for device in &mut devices {
        device.until("all have it", |status| status.head == head);
    }
    let editor = devices[0].device.clone();
    devices[0].kill();
    let (gone, others) = devices.split_at_mut(1);
    for other in others.iter_mut() {
        // Linked with the other one alone, and the app can tell who is missing and that it has the role.
        let status = other.until("it is told", |status| status.linked == 1);
        assert_eq!(status.editor.as_deref(), Some(editor.as_str()), "nobody claimed");
        assert_eq!(status.away, std::slice::from_ref(&editor));
        let why = other.refused(&Ask::Add {
            fronts: one("not to be"),
        });
        assert!(why.contains("editor"), "{why}");
        assert_eq!(other.cards(), ["before"], "and it can be read");
    }
    for (number, other) in others.iter_mut().enumerate() {
        let fronts = one(&format!("draft {number}"));
        other.ask(&Ask::Draft { fronts });
    }
    for other in others.iter_mut() {
        other.until("each has both drafts", |status| status.proposed == 2);
    }
    // That is all on disk: one of them is killed, too, and comes back before the editor does.
    others[1].kill();
    others[1].start_again();
    others[1].until("it is linked again", |status| {
        status.linked == 1 && status.proposed == 2 && status.editor.as_deref() == Some(editor.as_str())
    });

    gone[0].start_again();
    gone[0].until("the editor has the drafts", |status| {
        status.linked == 2 && status.proposed == 2
    });
    assert_eq!(gone[0].ask(&Ask::AcceptDrafts), 2);
    gone[0].ask(&Ask::Add { fronts: one("after") });
    let head = gone[0].status().head;
    let wanted: BTreeSet<String> = ["before", "draft 0", "draft 1", "after"]
        .map(str::to_owned)
        .into();
    for device in &mut devices {
        let status = device.until("all is as before", |status| {
            status.head == head && status.linked == 2 && status.proposed == 0 && status.away.is_empty()
        });
        assert_eq!(status.editor.as_deref(), Some(editor.as_str()));
        assert_eq!(fronts(device), wanted);
    }
}

pub(crate) fn the_far_end_of_a_chain_is_told_that_the_editor_is_gone_and_back() {
    let folder = tempfile::tempdir().expect("a folder");
    // It shows itself twice a second. The others leave claiming to people.
    let often = Settings {
        auto_claim: Some(Duration::from_secs(3)),
        ..Settings::default()
    };
    let mut devices: Vec<Process> = [often, Settings::default(), Settings::default()]
        .iter()
        .zip(["laptop", "phone", "tablet"])
        .map(|(&settings, name)| Process::start(&folder.path().join(name), settings))
        .collect();
    let ids: Vec<String> = devices.iter().map(|device| device.device.clone()).collect();
    let editor = ids[0].clone();
    devices[0].ask(&Ask::Create);
    devices[0].ask(&Ask::Holders { devices: ids });
    devices[0].ask(&Ask::Add {
        fronts: one("before"),
    });
    let head = devices[0].status().head;
    for number in 0..2 {
        let (first, others) = devices.split_at_mut(number + 1);
        pair_up(&mut first[number], &mut others[0], true);
        others[0].until("it has the deck", |status| status.head == head);
    }
    let (laptop, others) = devices.split_at_mut(1);
    let tablet = &mut others[1];
    let status = tablet.until("a sign of the editor came", |status| status.heard);
    assert_eq!((status.silent, status.told_silent), (false, (0, 0)));

    laptop[0].kill();
    // It counts what it is told a moment after that is so.
    let status = tablet.until("it is told that the editor is gone", |status| {
        status.silent && status.told_silent.0 > 0
    });
    assert_eq!((status.linked, status.told_silent), (1, (1, 0)));
    assert_eq!(status.editor.as_deref(), Some(editor.as_str()), "nobody claimed");
    assert!(!status.away.contains(&editor), "it was never linked with it");
    tablet.ask(&Ask::Draft {
        fronts: one("meanwhile"),
    });

    laptop[0].start_again();
    let status = tablet.until("it is told that the editor is back", |status| {
        !status.silent && status.told_silent.1 > 0
    });
    assert_eq!(status.told_silent, (1, 1));
    laptop[0].until("the editor has the draft", |status| status.proposed == 1);
}

fn fronts(device: &mut Process) -> BTreeSet<String> {
    device.cards().into_iter().collect()
}
