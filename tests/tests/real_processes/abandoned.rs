//! The editor is gone and nobody claims: the others can read and write drafts, which pass between them, are told who is
//! gone, and go on as before when the editor is back, which has their drafts then.

use std::collections::BTreeSet;

use cuecard_tests::real::{Ask, Process, Settings, mesh};

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

fn fronts(device: &mut Process) -> BTreeSet<String> {
    device.cards().into_iter().collect()
}
