//! The contract of a [`Link`] as tests: every transport passes each of these with a fresh pair of ends.
//!
//! They panic with a message when the contract is broken, so call them from tests, each under a time limit.
#![allow(clippy::panic, reason = "these are assertions, called from tests only")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::limits::{BINARY_MESSAGE_BYTES_MAX, CONTROL_MESSAGE_BYTES_MAX};
use crate::link::{CloseReason, Lane, Link, LinkEvent};

/// Two ends of one link.
pub type Ends = (Arc<dyn Link>, Arc<dyn Link>);

/// Sizes around every edge a transport may have: packets, frames, frames less their headers.
const SIZES: [usize; 14] = [
    0, 1, 2, 1_199, 1_200, 1_201, 16_384, 65_515, 65_525, 65_526, 65_534, 65_535, 65_536, 200_000,
];

/// Messages of many sizes, up to the limit, arrive whole, once and in order on each lane, both ways at once.
pub async fn messages_arrive_whole_and_in_order((a, b): Ends) {
    tokio::join!(send_all(&*a), receive_all(&*b), send_all(&*b), receive_all(&*a));
    close_both(&*a, &*b).await;
}

/// A message beyond the limit is refused by name and the link lives on.
pub async fn a_message_beyond_the_limit_is_refused((a, b): Ends) {
    for (lane, bytes_max) in [
        (Lane::Control, CONTROL_MESSAGE_BYTES_MAX),
        (Lane::Binary, BINARY_MESSAGE_BYTES_MAX),
    ] {
        let sent = a.send(lane, Bytes::from(vec![0; bytes_max + 1])).await;
        assert!(
            matches!(sent, Err(CloseReason::Protocol(_))),
            "{lane:?}: {sent:?}"
        );
        send(&*a, lane, Bytes::from_static(b"alive")).await;
        assert_eq!(receive(&*b).await, (lane, Bytes::from_static(b"alive")));
    }
    close_both(&*a, &*b).await;
}

/// A reader that does not read makes the sender wait, on each lane, and once it reads everything is there.
pub async fn a_slow_reader_makes_the_sender_wait((a, b): Ends) {
    // Far beyond what any transport holds on the way.
    let messages = 64 * 1024 * 1024 / BINARY_MESSAGE_BYTES_MAX;
    let sender = Arc::clone(&a);
    let sent = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let task = tokio::spawn(async move {
        for number in 0..messages {
            let bytes = numbered(number, BINARY_MESSAGE_BYTES_MAX);
            send(&*sender, Lane::Binary, bytes).await;
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    });
    // It must not have finished by then.
    let before = stuck(&sent).await;
    assert!(
        before < messages,
        "all {messages} messages were taken with nobody reading"
    );
    // Control still passes while binary is stuck: it has room of its own at the reader.
    send(&*a, Lane::Control, Bytes::from_static(b"urgent")).await;
    let mut number = 0;
    let mut urgent = false;
    while number < messages || !urgent {
        match receive(&*b).await {
            (Lane::Control, bytes) => {
                assert_eq!(bytes, Bytes::from_static(b"urgent"));
                urgent = true;
            }
            (Lane::Binary, bytes) => {
                assert_eq!(
                    bytes,
                    numbered(number, BINARY_MESSAGE_BYTES_MAX),
                    "message {number}"
                );
                number += 1;
            }
        }
    }
    assert!(task.await.is_ok(), "the sender failed");
    close_both(&*a, &*b).await;
}

/// Both ends send until each waits for the other to read, on both lanes, and nobody reads for so long; the links live on, and
/// once both read everything is there.
pub async fn two_ends_that_wait_for_each_other_go_on_once_both_read((a, b): Ends, unread_for: Duration) {
    // More than any transport holds on the way and at the reader, in few and large messages.
    const CONTROL: (Lane, u16, usize) = (Lane::Control, 48, 1024 * 1024);
    const BINARY: (Lane, u16, usize) = (Lane::Binary, 480, BINARY_MESSAGE_BYTES_MAX);
    let sent = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mut senders = tokio::task::JoinSet::new();
    for (link, (lane, messages, bytes)) in [(&a, CONTROL), (&a, BINARY), (&b, CONTROL), (&b, BINARY)] {
        let (link, count) = (Arc::clone(link), Arc::clone(&sent));
        senders.spawn(async move {
            for number in 0..messages {
                send(&*link, lane, Bytes::from(vec![number.to_le_bytes()[0]; bytes])).await;
                count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            }
        });
    }
    let all = 2 * usize::from(CONTROL.1) + 2 * usize::from(BINARY.1);
    let (before, ()) = tokio::join!(stuck(&sent), tokio::time::sleep(unread_for));
    assert!(before < all, "all {all} messages were taken with nobody reading");
    let read = |link: Arc<dyn Link>| async move {
        let (mut control, mut binary) = (0, 0);
        while control < CONTROL.1 || binary < BINARY.1 {
            let (lane, bytes) = receive(&*link).await;
            let number = match lane {
                Lane::Control => &mut control,
                Lane::Binary => &mut binary,
            };
            let first = number.to_le_bytes()[0];
            let as_sent = bytes.iter().all(|&byte| byte == first);
            assert!(as_sent, "{lane:?}: message {number}");
            *number += 1;
        }
    };
    tokio::join!(read(Arc::clone(&a)), read(Arc::clone(&b)));
    while let Some(ended) = senders.join_next().await {
        assert!(ended.is_ok(), "a sender failed");
    }
    close_both(&*a, &*b).await;
}

/// A reader that gives up waiting, again and again, loses nothing.
pub async fn a_recv_that_is_dropped_loses_nothing((a, b): Ends) {
    const MESSAGES: usize = 300;
    let sending = async {
        for number in 0..MESSAGES {
            send(&*a, Lane::Control, numbered(number, number)).await;
            send(&*a, Lane::Binary, numbered(number, number)).await;
            // So that the reader gets ahead: a message has come when the next one is sent.
            while b.stats().received_bytes < a.stats().sent_bytes {
                moment().await;
            }
            // Over a link that takes no time the reader would else always find the next one there.
            if number % 30 == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    };
    let receiving = async {
        let (mut control, mut binary, mut given_up) = (0, 0, 0_u32);
        while control < MESSAGES || binary < MESSAGES {
            let received = tokio::select! {
                biased;
                received = receive(&*b) => received,
                () = moment() => {
                    given_up += 1;
                    continue;
                }
            };
            let (number, bytes) = match received {
                (Lane::Control, bytes) => (&mut control, bytes),
                (Lane::Binary, bytes) => (&mut binary, bytes),
            };
            assert_eq!(bytes, numbered(*number, *number), "message {number}");
            *number += 1;
        }
        assert!(given_up > 0, "it never waited");
    };
    tokio::join!(receiving, sending);
    close_both(&*a, &*b).await;
}

/// A clean close is known at both ends at once, with its reason, again and again, and ends all sending.
pub async fn both_ends_learn_of_a_close((a, b): Ends) {
    send(&*a, Lane::Control, Bytes::from_static(b"last words")).await;
    assert_eq!(receive(&*b).await.1, Bytes::from_static(b"last words"));
    a.close(CloseReason::Here).await;
    for _ in 0..3 {
        assert_eq!(a.recv().await, LinkEvent::Closed(CloseReason::Here));
        assert_eq!(b.recv().await, LinkEvent::Closed(CloseReason::There));
    }
    assert!(
        a.send(Lane::Control, Bytes::new()).await.is_err(),
        "sent after closing"
    );
    assert!(
        b.send(Lane::Binary, Bytes::new()).await.is_err(),
        "sent after being closed"
    );
    a.close(CloseReason::Replaced).await;
    b.close(CloseReason::Here).await;
    assert_eq!(
        a.recv().await,
        LinkEvent::Closed(CloseReason::Here),
        "the first reason stays"
    );
}

/// The reason that a device gives for replacing a link reaches the other one.
pub async fn a_replaced_link_says_so_at_both_ends((a, b): Ends) {
    a.close(CloseReason::Replaced).await;
    assert_eq!(a.recv().await, LinkEvent::Closed(CloseReason::Replaced));
    assert_eq!(b.recv().await, LinkEvent::Closed(CloseReason::Replaced));
}

/// Dropping the last handle closes the link at the other end, and whoever waits to send is released.
pub async fn dropping_an_end_closes_the_link((a, b): Ends) {
    let peer = b.peer();
    drop(a);
    assert_eq!(
        b.recv().await,
        LinkEvent::Closed(CloseReason::There),
        "{peer:?} dropped"
    );
    b.close(CloseReason::Here).await;
}

/// Both ends name each other's device and share one transcript.
pub async fn both_ends_share_the_transcript((a, b): Ends) {
    assert_ne!(a.peer(), b.peer());
    assert_eq!(a.transcript(), b.transcript());
    assert_eq!(a.route(), b.route());
    close_both(&*a, &*b).await;
}

/// Each end counts what it sent and what was read at it: every byte of both lanes, once, and nothing that was refused.
pub async fn both_ends_count_what_they_carried((a, b): Ends) {
    // No sum of some of these is the sum of others, so that a lane left out shows, and one that is counted twice.
    const CARRIED: [(Lane, bool, usize); 4] = [
        (Lane::Control, true, 1),
        (Lane::Control, false, 30),
        (Lane::Binary, true, 700),
        (Lane::Binary, false, 20_000),
    ];
    let volume = |link: &dyn Link| (link.stats().sent_bytes, link.stats().received_bytes);
    let (mut from_a, mut from_b) = (0, 0);
    for (lane, is_from_a, bytes) in CARRIED {
        let (from, to, sum) = match is_from_a {
            true => (&a, &b, &mut from_a),
            false => (&b, &a, &mut from_b),
        };
        for number in 0..3 {
            send(&**from, lane, numbered(number, bytes)).await;
            receive(&**to).await;
            *sum += bytes as u64;
        }
        let refused = from.send(lane, Bytes::from(vec![0; CONTROL_MESSAGE_BYTES_MAX + 1]));
        assert!(refused.await.is_err(), "beyond the limit");
        for (link, expected, end) in [(&a, (from_a, from_b), "a"), (&b, (from_b, from_a), "b")] {
            assert_eq!(
                volume(&**link),
                expected,
                "{end}: sent and received, after {lane:?}"
            );
        }
    }
    close_both(&*a, &*b).await;
    assert_eq!(volume(&*a), (from_a, from_b), "closed");
}

async fn send_all(link: &dyn Link) {
    for (number, &bytes) in SIZES.iter().enumerate() {
        send(link, Lane::Control, numbered(number, bytes)).await;
        if bytes <= BINARY_MESSAGE_BYTES_MAX {
            send(link, Lane::Binary, numbered(number, bytes)).await;
        }
    }
    send(
        link,
        Lane::Control,
        numbered(SIZES.len(), CONTROL_MESSAGE_BYTES_MAX),
    )
    .await;
    // The reader may hold less than all of this at once, so the lanes also wait here.
    send(
        link,
        Lane::Binary,
        numbered(SIZES.len(), BINARY_MESSAGE_BYTES_MAX),
    )
    .await;
}

async fn receive_all(link: &dyn Link) {
    let mut control = SIZES.to_vec();
    let mut binary = SIZES.to_vec();
    binary.retain(|&bytes| bytes <= BINARY_MESSAGE_BYTES_MAX);
    control.push(CONTROL_MESSAGE_BYTES_MAX);
    let (mut controls, mut binaries) = (0, 0);
    while controls < control.len() || binaries <= binary.len() {
        let (lane, found) = receive(link).await;
        let expected = match lane {
            Lane::Control => {
                controls += 1;
                control
                    .get(controls - 1)
                    .map(|&bytes| numbered(controls - 1, bytes))
            }
            Lane::Binary => {
                binaries += 1;
                // Sizes ascend, so the ones left out are at the end and numbers are those of the list.
                let last = binaries == binary.len() + 1;
                let number = if last { SIZES.len() } else { binaries - 1 };
                let bytes = if last {
                    Some(&BINARY_MESSAGE_BYTES_MAX)
                } else {
                    binary.get(binaries - 1)
                };
                bytes.map(|&bytes| numbered(number, bytes))
            }
        };
        let expected_bytes = expected.as_ref().map(Bytes::len);
        assert!(
            Some(&found) == expected.as_ref(),
            "{lane:?}: {} bytes came where {expected_bytes:?} were sent, or the bytes differ",
            found.len()
        );
    }
}

async fn close_both(a: &dyn Link, b: &dyn Link) {
    a.close(CloseReason::Here).await;
    b.close(CloseReason::Here).await;
}

/// Others get their turn; and where the clock is that of a test, it goes on.
async fn moment() {
    tokio::task::yield_now().await;
    tokio::time::sleep(Duration::from_micros(100)).await;
}

/// How far senders came when a second passes without progress.
async fn stuck(sent: &std::sync::atomic::AtomicUsize) -> usize {
    let mut before = usize::MAX;
    loop {
        let now = sent.load(std::sync::atomic::Ordering::SeqCst);
        if now == before {
            return now;
        }
        before = now;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn send(link: &dyn Link, lane: Lane, bytes: Bytes) {
    if let Err(reason) = link.send(lane, bytes).await {
        panic!("could not send on {lane:?}: {reason}");
    }
}

async fn receive(link: &dyn Link) -> (Lane, Bytes) {
    match link.recv().await {
        LinkEvent::Message { lane, bytes } => (lane, bytes),
        LinkEvent::Closed(reason) => panic!("the link closed where a message was due: {reason}"),
    }
}

/// Bytes that differ by message and by position, so that neither swapping nor shifting goes unnoticed.
fn numbered(number: usize, bytes: usize) -> Bytes {
    let mut byte = number.wrapping_mul(31).to_le_bytes()[0];
    let mut message = Vec::with_capacity(bytes);
    for at in 0..bytes {
        byte = byte.wrapping_mul(5).wrapping_add(at.to_le_bytes()[0] | 1);
        message.push(byte);
    }
    Bytes::from(message)
}
