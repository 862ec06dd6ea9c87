//! A cut cable: both sides edit, one of them as an editor of its own, and write drafts; then it is mended.

use std::collections::BTreeSet;

use cuecard_tests::real::Ask;

use crate::Two;

fn fronts(what: &str, count: usize) -> Vec<String> {
    (0..count).map(|at| format!("{what} {at}")).collect()
}

pub(crate) fn both_sides_go_on_and_come_together() {
    let mut two = Two::meet();
    two.laptop.ask(&Ask::Add {
        fronts: fronts("before", 5),
    });
    two.equal("what was edited before", 2 + 5);

    two.laptop.ask(&Ask::Cable { cut: true });
    two.phone.ask(&Ask::Cable { cut: true });
    two.laptop
        .until("the cut is noticed", |status| status.linked == 0);
    two.phone.until("the cut is noticed", |status| status.linked == 0);
    // The phone's person takes the role, on the word that the laptop is gone; it is not.
    two.phone.ask(&Ask::Claim);
    for round in 0..3 {
        two.laptop.ask(&Ask::Add {
            fronts: fronts(&format!("laptop {round}"), 4),
        });
        two.phone.ask(&Ask::Add {
            fronts: fronts(&format!("phone {round}"), 4),
        });
    }
    two.phone.ask(&Ask::Draft {
        fronts: fronts("draft", 3),
    });
    // And either process may end meanwhile, in the hardest way.
    two.phone.kill();
    two.phone.start_again();
    two.laptop.kill();
    two.laptop.start_again();
    // The genesis, the title, the cards, and what brought the two lines together.
    two.equal("all of it has come together", 2 + 5 + 12 + 12 + 1);
    let phone = two.phone.device.clone();
    let editor = two.laptop.status().editor;
    let (editor, other) = match editor.as_deref() == Some(phone.as_str()) {
        true => (&mut two.phone, &mut two.laptop),
        false => (&mut two.laptop, &mut two.phone),
    };
    editor.until("the draft is there", |status| status.proposed == 1);
    assert_eq!(editor.ask(&Ask::AcceptDrafts), 1);
    other.until("the draft is accepted", |status| status.proposed == 0);
    two.equal("the draft is part of the deck", 32 + 3 + 1);

    let here = two.laptop.cards();
    assert_eq!(here, two.phone.cards(), "in the same order");
    let found: BTreeSet<String> = here.iter().cloned().collect();
    let mut wanted: BTreeSet<String> = fronts("before", 5).into_iter().collect();
    wanted.extend(fronts("draft", 3));
    for round in 0..3 {
        wanted.extend(fronts(&format!("laptop {round}"), 4));
        wanted.extend(fronts(&format!("phone {round}"), 4));
    }
    assert_eq!(found, wanted, "nothing is lost");
    assert_eq!(here.len(), wanted.len(), "nothing is there twice");
}
