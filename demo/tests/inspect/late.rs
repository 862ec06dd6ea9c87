//! Late work: written by an editor whose term was over, accepted later, and flagged.

use std::path::Path;
use std::time::Duration;

use cuecard::op::Note;
use cuecard::transport::CloseReason;
use cuecard::transport::memory::{Conditions, pair};
use cuecard::{Deck, Engine, Events, Member, Rights, Role};
use cuecard_browser::Browser;
use serde_json::json;

use crate::served::{keep_picture, serve};

async fn until(events: &mut Events, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            events.next().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting)
        .await
        .unwrap();
}

fn is_editor(deck: &Deck) -> bool {
    matches!(deck.role(), Ok(Role::Editor { .. }))
}

/// The editor goes on offline while the owner takes the role over; then the two meet again.
async fn make(folder: &Path) {
    let laptop = Engine::builder().name("laptop").open(folder).await.unwrap();
    let phone = Engine::in_memory("phone").unwrap();
    let deck = laptop.create_deck("Spanish 101").await.unwrap();
    let card = deck.edit(|edit| edit.add_card("hola", "hello")).await.unwrap();
    let member = Member {
        device: phone.device(),
        rights: Rights::Hold,
        rank: 1,
    };
    deck.set_members(vec![member]).await.unwrap();
    let copy = phone.join(&deck.invite(Rights::Read).unwrap()).await.unwrap();
    let (mut at_laptop, mut at_phone) = (laptop.events(), phone.events());
    let (here, there) = pair(laptop.device(), phone.device(), Conditions::default(), 1);
    let links = (laptop.attach(here.clone()), phone.attach(there));
    until(&mut at_phone, || copy.head().ok() == deck.head().ok()).await;
    deck.grant(phone.device()).await.unwrap();
    until(&mut at_phone, || is_editor(&copy)).await;
    copy.edit(|edit| edit.tag(&card, "in time")).await.unwrap();
    until(&mut at_laptop, || copy.head().ok() == deck.head().ok()).await;

    here.close(CloseReason::Here).await;
    links.0.ended().await;
    links.1.ended().await;
    copy.edit(|edit| edit.tag(&card, "late one")).await.unwrap();
    copy.edit(|edit| edit.add_card("tarde", "late")).await.unwrap();
    deck.take_over().await.unwrap();
    deck.edit(|edit| edit.tag(&card, "meanwhile")).await.unwrap();

    let (here, there) = pair(laptop.device(), phone.device(), Conditions::default(), 2);
    let _links = (laptop.attach(here), phone.attach(there));
    let came_back = || {
        let mut entries = deck.history().unwrap();
        entries.any(|entry| {
            entry
                .notes
                .iter()
                .any(|note| matches!(note, Note::LateAccept { .. }))
        })
    };
    until(&mut at_laptop, came_back).await;
    phone.shutdown().await.unwrap();
    laptop.shutdown().await.unwrap();
}

#[test]
fn late_work_is_flagged_in_the_graph() {
    let Some(browser) = Browser::start("late work on the page") else {
        return;
    };
    let (_folder, served) = serve(make);
    let page = served.open(&browser);
    keep_picture(&page, "late-work");
    let late = page.eval("[...document.querySelectorAll('.row.entry.late')].map(r => [r.dataset.op, r.querySelector('.badge.late').innerText])");
    assert_eq!(
        late,
        json!([["card.add", "late"], ["card.tag", "late"]]),
        "those two, and not what came in time"
    );
    assert_eq!(
        page.eval("document.querySelectorAll('.graph .node.late').length"),
        2
    );
    page.click(".row.entry.late");
    page.wait_for(
        "document.querySelector('#view').innerText.includes('Late work: written in a term that was over')",
    );
    assert_eq!(page.complaints(), Vec::<String>::new());
}
