//! An app that sleeps, as phones do, and wakes up in a world that went on; and how soon a silent device is missed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cuecard::core::Core;
use cuecard::limits::RESUMED_ALONE;
use cuecard::role::{Says, Signed, Word};
use cuecard::sync::envelope::open;
use cuecard::sync::message::Message;
use cuecard::transport::memory::{Conditions, pair};
use cuecard::transport::{
    Backoff, CloseReason, DialError, Dialer, Lane, Link, LinkEvent, LinkStats, RouteKind, RouteState,
};
use cuecard::{AutoClaim, DeviceId, Engine, Event, Policies, Rights, Role};
use tokio::sync::mpsc;

use crate::world::{SOON, World, world};

/// The signs that a device gave of being the editor, among all that was said.
fn beats_by(world: &World, device: DeviceId) -> usize {
    let said = world.sim.recorded().iter();
    let control = said.filter(|(lane, _)| *lane == Lane::Control);
    let beat = |bytes: &[u8]| {
        let Ok(Message::Word { deck, bytes }) = open(bytes) else {
            return false;
        };
        let word = Signed::<Word>::decode(&bytes).unwrap().verify(deck).unwrap();
        word.signer == device && matches!(word.says, Says::Beat { .. })
    };
    control.filter(|(_, bytes)| beat(bytes)).count()
}

#[test]
fn who_wakes_up_signs_nothing_before_it_knows_who_has_the_role() {
    let mut world = world(31);
    let (laptop, phone, deck) = (world.laptop, world.phone, world.deck);
    world.add(laptop, "before");
    world.sim.run_for(SOON);
    // The laptop sleeps, and the phone takes the role.
    world.sim.act(laptop, Core::suspend);
    world.sim.cut(laptop, phone);
    world.sim.cut(laptop, world.tablet);
    world.sim.run_for(SOON);
    world
        .sim
        .act(phone, |core, now| core.claim(now, deck))
        .unwrap()
        .unwrap();
    world.add(phone, "meanwhile");
    world.sim.run_for(SOON);
    world.sim.take_events(laptop);
    world.sim.record();
    world.sim.act(laptop, Core::resume);
    assert!(
        matches!(world.sim.role(laptop, deck), Some(Role::Editor { .. })),
        "as far as it knows"
    );
    world.sim.mend(laptop, phone);
    let knows = |sim: &cuecard::sim::Sim| matches!(sim.role(laptop, deck), Some(Role::Viewer { .. }));
    world.sim.run_until("it knows", SOON, knows).unwrap();
    let me = world.sim.id(laptop);
    assert_eq!(beats_by(&world, me), 0, "it did not pose as the editor");
    assert!(world.sim.take_events(laptop).iter().any(|event| matches!(
        event,
        Event::RoleMoved { editor: Some(editor), .. } if *editor == world.sim.id(phone)
    )));
    world.sim.run_for(SOON);
    assert_eq!(world.sim.act(laptop, |core, _| core.is_waking()), Some(false));
    assert!(world.sim.late_work_left(laptop, deck).is_empty());
    assert_eq!(world.sim.head(laptop, deck), world.sim.head(phone, deck));
}

#[test]
fn who_wakes_up_alone_waits_no_longer_than_it_must() {
    let mut world = world(32);
    let (laptop, phone, tablet, deck) = (world.laptop, world.phone, world.tablet, world.deck);
    world.sim.cut(laptop, phone);
    world.sim.cut(laptop, tablet);
    world.sim.act(laptop, Core::suspend);
    world.sim.run_for(SOON);
    world.sim.act(laptop, Core::resume);
    assert_eq!(world.sim.act(laptop, |core, _| core.is_waking()), Some(true));
    // What its person does is done, as ever.
    world.add(laptop, "alone");
    let moment = Duration::from_millis(100);
    world.sim.run_for(RESUMED_ALONE - moment);
    assert_eq!(world.sim.act(laptop, |core, _| core.is_waking()), Some(true));
    world.sim.run_for(2 * moment);
    assert_eq!(world.sim.act(laptop, |core, _| core.is_waking()), Some(false));
    world.sim.mend(laptop, phone);
    world.sim.mend(laptop, tablet);
    world.sim.record();
    world.sim.run_for(SOON);
    let me = world.sim.id(laptop);
    assert!(beats_by(&world, me) > 0, "it is the editor, and says so");
    assert_eq!(world.sim.head(phone, deck), world.sim.head(laptop, deck));
}

#[test]
fn where_others_take_over_soon_silence_is_noticed_soon() {
    let mut world = world(33);
    let (laptop, phone, deck) = (world.laptop, world.phone, world.deck);
    assert!(
        world.sim.heartbeats(laptop).is_empty(),
        "links stay as they were set up"
    );
    let set = |world: &mut World, auto_claim| {
        let policies = Policies {
            auto_claim,
            ..Policies::default()
        };
        let set = |core: &mut Core, _| core.set_policies(deck, policies);
        world.sim.act(laptop, set).unwrap().unwrap();
    };
    let claims_after = |ms| AutoClaim::After(Duration::from_millis(ms));
    for (after_ms, every_ms) in [(900, 300), (60_000, 500), (600, 200)] {
        set(&mut world, claims_after(after_ms));
        assert_eq!(world.sim.heartbeats(laptop), [Duration::from_millis(every_ms); 2]);
    }
    // A link that comes later, too.
    world.sim.cut(laptop, phone);
    world.sim.run_for(SOON);
    world.sim.mend(laptop, phone);
    world.sim.run_for(SOON);
    assert_eq!(world.sim.heartbeats(laptop), [Duration::from_millis(200); 3]);
    set(&mut world, AutoClaim::Never);
    let last = world.sim.heartbeats(laptop).pop();
    let usual = cuecard::limits::LINK_HEARTBEAT;
    assert_eq!(last, Some(usual), "and as usual again");
    // Where nothing is said of that deck any more, too.
    set(&mut world, claims_after(600));
    assert_eq!(
        world.sim.heartbeats(laptop).pop(),
        Some(Duration::from_millis(200))
    );
    let unfollow = |core: &mut Core, now| core.set_followed(now, deck, false).map(drop);
    world.sim.act(laptop, unfollow).unwrap().unwrap();
    assert_eq!(world.sim.heartbeats(laptop).pop(), Some(usual));
}

/// A link that notes what heartbeat was asked of it.
struct Noting {
    link: Arc<dyn Link>,
    asked: Arc<std::sync::Mutex<Vec<Duration>>>,
}

#[async_trait::async_trait]
impl Link for Noting {
    fn peer(&self) -> DeviceId {
        self.link.peer()
    }

    fn transcript(&self) -> [u8; 32] {
        self.link.transcript()
    }

    fn route(&self) -> RouteKind {
        self.link.route()
    }

    async fn send(&self, lane: Lane, message: bytes::Bytes) -> Result<(), CloseReason> {
        self.link.send(lane, message).await
    }

    async fn recv(&self) -> LinkEvent {
        self.link.recv().await
    }

    async fn close(&self, reason: CloseReason) {
        self.link.close(reason).await;
    }

    fn set_heartbeat(&self, every: Duration) {
        self.asked.lock().unwrap().push(every);
    }

    fn stats(&self) -> LinkStats {
        self.link.stats()
    }
}

/// Makes a link between two engines whenever it is asked to, and hands the other end over.
struct Dial {
    here: DeviceId,
    there: DeviceId,
    other_ends: mpsc::UnboundedSender<Arc<dyn Link>>,
    dialled: Arc<AtomicUsize>,
    asked: Arc<std::sync::Mutex<Vec<Duration>>>,
}

#[async_trait::async_trait]
impl Dialer for Dial {
    fn peer(&self) -> DeviceId {
        self.there
    }

    async fn dial(&self) -> Result<Arc<dyn Link>, DialError> {
        let number = self.dialled.fetch_add(1, Ordering::SeqCst) as u64;
        let (link, other) = pair(self.here, self.there, Conditions::PERFECT, number);
        let gone = |_| DialError::Local("nobody is there".to_owned());
        self.other_ends.send(other).map_err(gone)?;
        let asked = self.asked.clone();
        Ok(Arc::new(Noting { link, asked }))
    }
}

#[tokio::test]
async fn an_app_goes_to_sleep_at_once_and_is_linked_again_when_it_wakes() {
    let folder = tempfile::tempdir().unwrap();
    let policies = Policies {
        auto_claim: AutoClaim::After(Duration::from_millis(1_200)),
        ..Policies::default()
    };
    let laptop = Engine::builder()
        .policies(policies)
        .open(folder.path())
        .await
        .unwrap();
    let phone = Engine::in_memory("phone").unwrap();
    let deck = laptop.create_deck("Spanish").await.unwrap();
    let copy = phone.join(&deck.invite(Rights::Draft).unwrap()).await.unwrap();
    let (other_ends, mut arriving) = mpsc::unbounded_channel();
    let (dialled, asked) = (Arc::new(AtomicUsize::new(0)), Arc::default());
    let dial = Dial {
        here: laptop.device(),
        there: phone.device(),
        other_ends,
        dialled: dialled.clone(),
        asked: Arc::clone(&asked),
    };
    let kept = laptop.keep_linked(Arc::new(dial), Backoff::default());
    let at_phone = phone.clone();
    tokio::spawn(async move {
        while let Some(link) = arriving.recv().await {
            at_phone.attach(link);
        }
    });
    let mut events = phone.events();
    let mut until = async |is_it: &dyn Fn(&Event) -> bool| {
        let wait = async { while !events.next().await.is_some_and(|event| is_it(&event)) {} };
        tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap();
    };
    until(&|event| matches!(event, Event::SyncComplete { .. })).await;
    assert_eq!(asked.lock().unwrap().first(), Some(&Duration::from_millis(400)));

    // Typed, and not awaited: it leaves all the same.
    deck.edit(|edit| edit.add_card("uno", "one").map(drop))
        .at_once()
        .unwrap();
    let last = deck.edit(|edit| edit.add_card("dos", "two").map(drop));
    let started = Instant::now();
    laptop.suspend().await.unwrap();
    let took = started.elapsed();
    assert!(took < Duration::from_millis(600), "{took:?}");
    assert!(deck.safe_where(last.change().unwrap()).unwrap().unwrap().here);
    until(&|event| matches!(event, Event::Unlinked { .. })).await;
    assert_eq!(
        copy.cards().unwrap().len(),
        2,
        "it was sent before the link was closed"
    );
    let mut state = kept.state();
    let idle = state.wait_for(|state| *state == RouteState::Idle);
    tokio::time::timeout(Duration::from_secs(5), idle)
        .await
        .unwrap()
        .unwrap();
    let before = dialled.load(Ordering::SeqCst);
    deck.edit(|edit| edit.add_card("tres", "three").map(drop))
        .await
        .unwrap();
    // A link that somebody attaches now is closed again.
    let (end, _other) = pair(laptop.device(), phone.device(), Conditions::PERFECT, 77);
    assert_eq!(laptop.attach(end).ended().await, CloseReason::Here);
    assert_eq!(dialled.load(Ordering::SeqCst), before, "nobody dials");

    laptop.resume().await;
    until(&|event| matches!(event, Event::SyncComplete { .. })).await;
    assert_eq!(copy.cards().unwrap().len(), 3);
    assert!(dialled.load(Ordering::SeqCst) > before);
    laptop.shutdown().await.unwrap();
    phone.shutdown().await.unwrap();
}
