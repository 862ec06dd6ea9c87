//! A real connection whose other side is driven by hand: what it may say before, within and after its proof, and what it
//! costs when it says something else.

use std::future::Future;

use super::*;
use crate::invite::Credentials;
use crate::link::{CloseReason, Lane, Link, LinkEvent};
use crate::webrtc::config::Config;
use crate::webrtc::frames::{Splitter, encode_binary};
use crate::webrtc::pairing::Pairing;
use crate::webrtc::saved::SavedRoute;
use crate::webrtc::session::{self, Evictions};

struct End {
    number: u8,
    key: DeviceKey,
    certificate: RTCCertificate,
    fingerprint: [u8; 32],
    sockets: Sockets,
}

impl End {
    fn new(number: u8) -> Self {
        let certificate = certificate().unwrap();
        Self {
            number,
            key: DeviceKey::from_bytes(&[number; 32]),
            fingerprint: own_fingerprint(&certificate).unwrap(),
            certificate,
            sockets: Sockets::bind(&Config::loopback(), &[]).unwrap(),
        }
    }

    fn party(&self) -> Party {
        Party {
            credentials: Credentials::from_bytes(&[self.number; 4], &[self.number; 16]),
            fingerprint: self.fingerprint,
            addresses: self.sockets.addresses(),
            relays: Vec::new(),
        }
    }

    fn plan(&self, theirs: &Self, is_offerer: bool) -> Plan<'_> {
        Plan {
            key: &self.key,
            certificate: &self.certificate,
            sockets: &self.sockets,
            own: self.party(),
            theirs: theirs.party(),
            is_offerer,
            offerer_begins: false,
            expected: theirs.key.id(),
            within: Within::new(Duration::from_secs(5)),
            learned: watch::channel(Vec::new()).1,
        }
    }
}

/// The side that says what it likes.
struct Rude {
    peer: Peer,
    proof: Proof,
    polite: DeviceId,
    certificate: [u8; 32],
    splitter: Splitter,
}

impl Rude {
    async fn says(&self, frame: &ControlFrame) {
        self.peer.send(frame).await.unwrap();
    }

    async fn hears(&mut self) -> ControlFrame {
        self.peer.next_frame().await.unwrap()
    }

    async fn says_message(&mut self, number: u32) {
        let message = Bytes::copy_from_slice(&number.to_le_bytes());
        for part in self.splitter.split(&message) {
            self.says(&part).await;
        }
    }

    /// Everything as it should be, up to the word that accepts the polite side.
    async fn proves(&mut self) {
        self.says(&ControlFrame::Hello(self.proof.hello())).await;
        loop {
            match self.hears().await {
                ControlFrame::Hello(_) if self.proof.heard_hello() => {}
                ControlFrame::Hello(hello) => {
                    let proved = self.proof.hear_hello(&hello, self.certificate, self.polite);
                    self.says(&ControlFrame::Proof(proved.unwrap())).await;
                }
                ControlFrame::Accepted => return,
                _ => {}
            }
        }
    }
}

/// Longer than it takes on a machine with much else to do.
const AMPLE: Duration = Duration::from_secs(20);
/// For those of whom nothing comes: this is waited out.
const SHORT: Duration = Duration::from_secs(4);

/// What becomes of the polite side's attempt while the rude one does as told, and the rude one after it.
async fn meet<F, W>(polite: &End, within: Duration, rude: F) -> Result<Established, DialError>
where
    F: FnOnce(Rude) -> W,
    W: Future<Output = Rude>,
{
    let them = End::new(polite.number + 1);
    let plan = them.plan(polite, false);
    let opening = async {
        let mut peer = open_unbounded(&plan, them.sockets.line().await).await;
        peer.opened().await.unwrap();
        let rude_one = Rude {
            peer,
            proof: Proof::new(them.key.clone(), false, them.fingerprint).unwrap(),
            polite: polite.key.id(),
            certificate: polite.fingerprint,
            splitter: Splitter::default(),
        };
        rude(rude_one).await
    };
    let attempt = Plan {
        within: Within::new(within),
        ..polite.plan(&them, true)
    };
    let establishing = async { attempt.establish(polite.sockets.line().await).await };
    let (established, rude) = tokio::join!(establishing, opening);
    // It stays as long as the test's runtime does.
    tokio::spawn(async move {
        let _rude = rude;
        std::future::pending::<()>().await;
    });
    established
}

/// As [`Plan::open`], by a stack that sends frames of any size.
async fn open_unbounded(plan: &Plan<'_>, line: Line) -> Peer {
    let (state_in, state) = watch::channel(RTCPeerConnectionState::New);
    let settings = plan
        .settings()
        .with_sctp_max_message_size(SctpMaxMessageSize::Bounded(1_000_000));
    let theirs = plan.theirs.describe("actpass");
    let (runtime, lease) = plan.sockets.lend();
    let opening = Opening {
        lease,
        builder: plan
            .builder(state_in, runtime)
            .with_setting_engine(settings.build()),
        is_offerer: false,
        theirs: theirs.replace("max-message-size:65536", "max-message-size:1000000"),
        state,
        line,
    };
    opening.run().await.unwrap()
}

/// The link that the polite side has in the end.
fn link(polite: &End, established: Established) -> Arc<dyn Link> {
    let route = SavedRoute {
        own: polite.key.id(),
        peer: established.proven.peer,
        secret: established.proven.secret.clone(),
        own_addresses: vec![],
        peer_addresses: vec![],
        peer_relays: vec![],
    };
    let pairing = Pairing::new(&route, polite.sockets.clone(), polite.fingerprint).unwrap();
    let evictions = Evictions {
        paired: pairing.paired(),
        replaced: pairing.replaced(),
    };
    session::start(established, pairing, evictions, &Config::loopback())
}

/// Why a polite side refuses one that does so.
async fn refusal<F, W>(rude: F) -> ProofError
where
    F: FnOnce(Rude) -> W,
    W: Future<Output = Rude>,
{
    refusal_within(AMPLE, rude).await
}

async fn refusal_within<F, W>(within: Duration, rude: F) -> ProofError
where
    F: FnOnce(Rude) -> W,
    W: Future<Output = Rude>,
{
    match meet(&End::new(1), within, rude).await {
        Ok(_) => panic!("it was taken"),
        Err(DialError::Proof(why)) => why,
        Err(other) => panic!("{other:?}"),
    }
}

/// The word that accepts us is lost on the way and comes a second later: by then a busy device has sent a hundred messages,
/// which the path does not put in order. They were taken for a malformed proof once there were more than 64.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_overtake_the_last_word_of_the_proof_are_read() {
    let polite = End::new(1);
    let established = meet(&polite, AMPLE, |mut rude| async move {
        rude.proves().await;
        for number in 0..100 {
            rude.says_message(number).await;
        }
        rude.says(&ControlFrame::Accepted).await;
        rude
    });
    let link = link(&polite, established.await.unwrap());
    for number in 0..100_u32 {
        let bytes = Bytes::copy_from_slice(&number.to_le_bytes());
        let lane = Lane::Control;
        assert_eq!(link.recv().await, LinkEvent::Message { lane, bytes });
    }
    link.close(CloseReason::Here).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_read_of_who_has_not_proved_itself() {
    let malformed = ProofError::Malformed;
    let refused = refusal(|mut rude| async move {
        rude.says_message(7).await;
        rude
    });
    assert_eq!(refused.await, malformed);
    // It says that it accepts us, which is no proof.
    let refused = refusal(|mut rude| async move {
        rude.says(&ControlFrame::Accepted).await;
        rude.says_message(7).await;
        rude
    });
    assert_eq!(refused.await, malformed);
    // It floods us before our channels are open, or after.
    let refused = refusal(|rude| async move {
        for number in 0..10_000_u32 {
            let noise = ControlFrame::Hello(Bytes::copy_from_slice(&number.to_le_bytes()));
            if rude.peer.send(&noise).await.is_err() {
                break;
            }
        }
        rude
    });
    assert_eq!(refused.await, malformed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_nothing_or_gives_back_what_it_hears_proves_nothing() {
    let silent = ProofError::Silent;
    let refused = refusal_within(SHORT, |rude| async move { rude });
    assert_eq!(refused.await, silent);
    // Alive, but it never comes to the point.
    let refused = refusal_within(SHORT, |rude| async move {
        while rude.peer.send(&ControlFrame::Ping(0)).await.is_ok() {
            tokio::task::yield_now().await;
        }
        rude
    });
    assert_eq!(refused.await, silent);
    let refused = refusal(|mut mirror| async move {
        let hello = mirror.hears().await;
        mirror.says(&hello).await;
        mirror
    });
    assert_eq!(refused.await, ProofError::Own);
    // It proves nothing of its own and sends our signature back.
    let refused = refusal(|mut mirror| async move {
        mirror.says(&ControlFrame::Hello(mirror.proof.hello())).await;
        loop {
            let heard = mirror.hears().await;
            if matches!(heard, ControlFrame::Proof(_)) {
                mirror.says(&heard).await;
                return mirror;
            }
        }
    });
    assert_eq!(refused.await, ProofError::Signature);
}

/// Each with nobody at the other side: the time is up before our own side is open, and while it looks for a path.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_steps_of_a_connection_have_one_time_between_them_and_give_the_sockets_back() {
    let (polite, nobody) = (End::new(1), End::new(2));
    let granted = Duration::from_secs(3_600);
    let is_up = tokio::time::Instant::now()
        .checked_sub(Duration::from_secs(1))
        .unwrap();
    for (left, expected) in [
        (
            None,
            local("its own side of the connection did not open in time: try again"),
        ),
        (Some(Duration::from_millis(1_500)), no_path(granted)),
    ] {
        let mut plan = polite.plan(&nobody, true);
        let until = left.map_or(is_up, |left| tokio::time::Instant::now() + left);
        plan.within = Within { granted, until };
        let tried = async {
            let line = polite.sockets.line().await;
            let error = plan.establish(line).await.err();
            drop(polite.sockets.line().await);
            error
        };
        let tried = tokio::time::timeout(Duration::from_secs(20), tried).await;
        assert_eq!(tried, Ok(Some(expected)));
    }
}

/// The stack passes over a frame that is longer than was agreed, and over what came with it. On the binary lane that is as
/// if it had not been sent; on the control lane all later ones wait for it, which ends the link by name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_that_is_too_long_or_missing_is_named() {
    for is_missing in [false, true] {
        let polite = End::new(1);
        let established = meet(&polite, AMPLE, |mut rude| async move {
            rude.proves().await;
            rude.says(&ControlFrame::Accepted).await;
            if is_missing {
                rude.says_message(0).await;
                drop(rude.splitter.split(&Bytes::new()));
            } else {
                let long = vec![7; 200_000];
                let binary = encode_binary(&Bytes::copy_from_slice(&long));
                rude.peer.binary.send(binary).await.unwrap();
                let mut whole = rude.splitter.split(&Bytes::new()).remove(0).encode();
                whole.extend_from_slice(&long);
                rude.peer.control.send(whole).await.unwrap();
            }
            // And goes on as if nothing were amiss.
            let (control, mut splitter) =
                (Arc::clone(&rude.peer.control), std::mem::take(&mut rude.splitter));
            tokio::spawn(async move {
                let next = Bytes::from_static(b"next");
                while control
                    .send(splitter.split(&next).remove(0).encode())
                    .await
                    .is_ok()
                {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
            rude
        });
        let established = established.await.unwrap();
        let (filler, inbox) = crate::inbox::inbox();
        let reading = session::read_for_test(established, filler, Duration::from_millis(300));
        let why = tokio::time::timeout(Duration::from_secs(20), reading)
            .await
            .unwrap();
        let missing = "a control frame is missing, and later ones came";
        assert_eq!(why, CloseReason::Protocol(missing.to_owned()));
        if is_missing {
            let first = Bytes::copy_from_slice(&0_u32.to_le_bytes());
            assert_eq!(inbox.ready().await, Some((Lane::Control, first)));
        }
        assert_eq!(inbox.ready().await, None);
    }
}

/// Nothing here is longer than a frame, but all of it together would fill the memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_does_not_read_is_owed_a_bounded_amount() {
    let polite = End::new(1);
    let (sent_in, sent) = watch::channel(0_usize);
    let established = meet(&polite, AMPLE, |mut rude| async move {
        rude.proves().await;
        rude.says(&ControlFrame::Accepted).await;
        let binary = Arc::clone(&rude.peer.binary);
        // A flood of empty messages, and one of full ones.
        tokio::spawn(async move {
            let (empty, full) = (Bytes::new(), Bytes::from(vec![7; 60_000]));
            loop {
                for message in [&empty, &empty, &full] {
                    if binary.send(encode_binary(message)).await.is_err() {
                        return;
                    }
                    sent_in.send_modify(|sent| *sent += message.len());
                }
            }
        });
        rude
    });
    let link = link(&polite, established.await.unwrap());
    // Stuck: half a second without a message more.
    let mut sent_there = sent.clone();
    let stuck = async {
        while let Ok(Ok(())) = tokio::time::timeout(Duration::from_millis(500), sent_there.changed()).await {
            sent_there.borrow_and_update();
        }
    };
    tokio::time::timeout(Duration::from_secs(30), stuck)
        .await
        .unwrap();
    let owed = *sent.borrow();
    assert!(
        owed < 16 * 1024 * 1024,
        "{owed} bytes were taken with nobody reading"
    );
    link.close(CloseReason::Here).await;
}
