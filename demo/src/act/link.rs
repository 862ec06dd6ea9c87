//! Sharing and joining: two devices meet by two codes, and a deck goes across.

use std::time::Duration;

use cuecard::transport::DialError;
use cuecard::{Deck, DeckInvite, DeviceId, Event, Events, Rights};
use tokio::time::{Instant, timeout_at};

use crate::ask::RightsTold;
use crate::ask::happening::Happening;
use crate::ask::talk::Talk;
use crate::ask::told::Told;
use crate::error::Error;
use crate::node::Node;
use crate::node::links::{LinkState, Links, name_of};

use super::{find, role, status};

/// As long as the library says that an offer and an answer hold.
const OFFER_HOLDS_S: u64 = 3_600;
const ANSWER_HOLDS_S: u64 = 600;
/// An offering side that was asked for no audio for so long is asked for no more.
const NOTHING_ASKED_FOR: Duration = Duration::from_secs(5);
/// What comes with a link (who may do what, say) comes within this.
const NOTHING_NEW_FOR: Duration = Duration::from_millis(500);
/// A device is let in by the first member it meets that may do so, which need not be the one it was invited by.
const MEMBER_WITHIN: Duration = Duration::from_secs(3);
/// A device that knows a deck in common says its name at once; where both have much else to do, this is at once, too.
const NAMED_WITHIN: Duration = Duration::from_secs(3);
/// In one look: heartbeats and acknowledgements. A piece of audio is more.
const SMALL_TALK_BYTES: u64 = 8 * 1024;
/// Progress is told this often at the most.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

fn links(node: &Node) -> Result<&Links, Error> {
    node.links().ok_or(Error::NoLinks)
}

pub(super) async fn share(
    node: &Node,
    deck: &Deck,
    rights: RightsTold,
    with_invite: bool,
    stay: bool,
    talk: &mut Talk,
) -> Result<Told, Error> {
    let links = links(node)?;
    // The right to hold the role comes from the owner, once it is known who the device is.
    let asked = Rights::from(rights);
    if asked == Rights::Hold && deck.members()?.owner != node.engine().device() {
        return Err(cuecard::RoleError::NotOwner.into());
    }
    let invite = match with_invite {
        true => Some(deck.invite(asked.min(Rights::Draft))?),
        false => None,
    };
    let offering = links.offer(invite.as_ref()).await?;
    talk.say(Happening::Offer {
        code: offering.code(),
        deck: with_invite.then(|| find::deck_name(deck)),
        rights,
        holds_s: OFFER_HOLDS_S,
    })
    .await;
    let connected = loop {
        let Some(answer) = talk.pasted().await else {
            return Err(Error::NoCode);
        };
        match offering.accept(&answer).await {
            Ok(connected) => break connected,
            Err(DialError::Code(why)) => {
                talk.say(Happening::NoAnswer { why: why.to_string() }).await;
            }
            Err(error) => return Err(error.into()),
        }
    };
    drop(offering);
    let events = node.engine().events();
    let device = links.keep(connected).await?;
    tell_linked(node, device, talk).await;
    if asked == Rights::Hold {
        role::give_rights(node, deck, device, asked).await?;
    }
    let side = if with_invite { Side::Sharing } else { Side::Known };
    accompany(node, deck, device, side, events, stay, talk).await
}

pub(super) async fn join(node: &Node, code: &str, stay: bool, talk: &mut Talk) -> Result<Told, Error> {
    let links = links(node)?;
    let answering = links.answer(code).await?;
    let deck = match answering.payload() {
        [] => None,
        payload => {
            let invite = DeckInvite::from_bytes(payload).ok_or_else(|| {
                Error::Usage(
                    "this code holds something that this version does not know; update both devices"
                        .to_owned(),
                )
            })?;
            Some(node.engine().join(&invite).await?)
        }
    };
    talk.say(Happening::Answer {
        code: answering.code(),
        from: find::device_told(node, answering.peer()),
        holds_s: ANSWER_HOLDS_S,
    })
    .await;
    let connected = answering.connect().await?;
    drop(answering);
    let events = node.engine().events();
    let device = links.keep(connected).await?;
    tell_linked(node, device, talk).await;
    match deck {
        Some(deck) => accompany(node, &deck, device, Side::Joining, events, stay, talk).await,
        None => match node.engine().decks().as_slice() {
            [deck] => accompany(node, deck, device, Side::Known, events, stay, talk).await,
            _ => Ok(Told::Shared {
                deck: None,
                device: find::device_told(node, device),
                in_sync: false,
            }),
        },
    }
}

/// By its name, which it says as soon as both have shown that they know a deck in common.
async fn tell_linked(node: &Node, device: DeviceId, talk: &Talk) {
    let mut events = node.engine().events();
    let until = Instant::now() + NAMED_WITHIN;
    while node.engine().name_of(device).is_none() && timeout_at(until, events.next()).await.is_ok() {}
    let route = node.links().and_then(|links| links.all().get(&device)?.route());
    talk.say(Happening::Linked {
        device: find::device_told(node, device),
        route: route.map(|kind| name_of(kind).to_owned()),
    })
    .await;
}

/// Tells how a deck goes across, until all of it is on both sides; with `stay`, until whoever asked hangs up.
async fn accompany(
    node: &Node,
    deck: &Deck,
    device: DeviceId,
    side: Side,
    mut events: Events,
    stay: bool,
    talk: &mut Talk,
) -> Result<Told, Error> {
    let mut told_linked = true;
    let mut news = status::News::default();
    let mut last = None;
    let mut was_in_sync = false;
    let mut quiet = Quiet::new();
    loop {
        let now = status::progress(node, deck)?;
        if last.as_ref() != Some(&now) {
            talk.say(Happening::Progress(now.clone())).await;
            quiet.disturbed();
        }
        let link = node.links().and_then(|links| links.all().remove(&device));
        quiet.look(link.as_ref());
        let in_sync = now.audio.is_whole() && status::is_in_sync(deck, device);
        let is_linked = link.as_ref().is_some_and(|link| link.route().is_some());
        let is_over = match side {
            // It may follow another deck, or none any more.
            Side::Known => in_sync || quiet.lasts(NOTHING_ASKED_FOR),
            _ if !in_sync => false,
            // Who joined leaves when it has all; who stays linked says nothing when it has all audio, but asks for no more.
            Side::Sharing => !is_linked || now.audio.all == 0 || quiet.lasts(NOTHING_ASKED_FOR),
            Side::Joining => {
                let is_member = role::is_member(node, deck)?;
                quiet.lasts(if is_member { NOTHING_NEW_FOR } else { MEMBER_WITHIN })
            }
        };
        last = Some(now);
        if in_sync && !was_in_sync {
            talk.say(Happening::InSync {
                deck: find::deck_name(deck),
                device: find::device_told(node, device),
            })
            .await;
        }
        was_in_sync = in_sync;
        if is_over && !stay {
            return Ok(Told::Shared {
                deck: Some(find::deck_name(deck)),
                device: find::device_told(node, device),
                in_sync,
            });
        }
        let until = Instant::now() + PROGRESS_EVERY;
        while let Ok(event) = timeout_at(until, events.next()).await {
            match event {
                None => return Ok(Told::Ended),
                // Said above, when it is so of audio as well.
                Some(Event::SafeWith { .. }) => {}
                // The first time it was said with its name.
                Some(Event::Linked { device: other })
                    if other == device && std::mem::take(&mut told_linked) => {}
                // What the deck is only now coming to be.
                Some(Event::RoleMoved { .. } | Event::MembersChanged { .. })
                    if side == Side::Joining && !was_in_sync =>
                {
                    quiet.disturbed();
                }
                Some(event) => {
                    quiet.heard(&event);
                    for happening in news.of(node, &event) {
                        talk.say(happening).await;
                    }
                }
            }
        }
    }
}

/// Which half of an exchange this device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Sharing,
    Joining,
    /// Two devices that know each other already.
    Known,
}

/// Since when nothing of weight was sent, and nothing about the deck was heard.
struct Quiet {
    since: Instant,
    sent_bytes: u64,
}

impl Quiet {
    fn new() -> Self {
        Self {
            since: Instant::now(),
            sent_bytes: 0,
        }
    }

    fn disturbed(&mut self) {
        self.since = Instant::now();
    }

    fn look(&mut self, link: Option<&LinkState>) {
        let sent_bytes = link.map_or(0, LinkState::sent_bytes);
        if sent_bytes.abs_diff(self.sent_bytes) > SMALL_TALK_BYTES {
            self.disturbed();
        }
        self.sent_bytes = sent_bytes;
    }

    fn heard(&mut self, event: &Event) {
        if event.deck().is_some() {
            self.disturbed();
        }
    }

    fn lasts(&self, so_long: Duration) -> bool {
        self.since.elapsed() >= so_long
    }
}
