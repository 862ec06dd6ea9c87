//! The last flight of a handshake, once more.
//!
//! The stack repeats a flight by its own clock, once a second, and its clock is stopped by whatever comes from the other side,
//! also by a repetition that says nothing new. So of two sides, one of which lost a flight, the one that repeats first stops the
//! other's clock for good, and the connection does not come up (measured over a path that loses 2 %: 5 in 300). What was sent last is
//! therefore kept here and sent again, byte for byte, until the other side shows that it is done. It knows the numbers of the
//! records that it has seen and drops them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::limits::{FLIGHT_AGAIN, FLIGHT_BYTES_MAX, FLIGHT_LEAVES_WITHIN};

/// First bytes of the datagrams of a handshake: a change of keys, and its messages. An alert is neither.
const HANDSHAKE: [u8; 2] = [20, 22];
/// First byte of what is sent once the handshake is done.
const APPLICATION_DATA: u8 = 23;

/// What one side last sent of its handshake.
#[derive(Debug, Default)]
pub(super) struct Flight {
    datagrams: Vec<(SocketAddr, Vec<u8>)>,
    /// By the stack.
    sent_at: Option<Instant>,
    /// By the stack or by us.
    last_at: Option<Instant>,
    /// Something of the other side's handshake came since: what is sent next is the next flight.
    answered: bool,
    /// The other side is done, so it has all that it needs.
    done: bool,
}

impl Flight {
    /// A datagram of this connection goes out.
    pub(super) fn sent(&mut self, to: SocketAddr, datagram: &[u8], now: Instant) {
        if self.done || !is_of_handshake(datagram) {
            return;
        }
        let sent_since = since(self.sent_at, now);
        // What is heard between two datagrams of one flight is no answer to it, so what leaves in one go is kept together. Where
        // an answer came as quickly as that, two flights are: the other side drops what it has seen.
        let is_next = self.answered && (sent_since >= FLIGHT_LEAVES_WITHIN || !self.has_room_for(datagram));
        // The stack's own repetition takes the place of what it repeats.
        if is_next || sent_since >= FLIGHT_AGAIN {
            self.datagrams.clear();
            self.answered = false;
        }
        if self.has_room_for(datagram) {
            self.datagrams.push((to, datagram.to_vec()));
        }
        self.sent_at = Some(now);
        self.last_at = Some(now);
    }

    fn has_room_for(&self, datagram: &[u8]) -> bool {
        let held: usize = self.datagrams.iter().map(|(_, datagram)| datagram.len()).sum();
        held + datagram.len() <= FLIGHT_BYTES_MAX
    }

    /// A datagram of this connection came in. Who forges one here makes us repeat less, which the stack's own clock makes up for.
    pub(super) fn heard(&mut self, first_byte: u8) {
        if first_byte == APPLICATION_DATA {
            self.done = true;
            self.datagrams.clear();
        } else if HANDSHAKE.contains(&first_byte) {
            self.answered = true;
        }
    }

    /// What is to be sent again by now.
    pub(super) fn again(&mut self, now: Instant) -> Vec<(SocketAddr, Vec<u8>)> {
        if self.datagrams.is_empty() || since(self.last_at, now) < FLIGHT_AGAIN {
            return Vec::new();
        }
        self.last_at = Some(now);
        self.datagrams.clone()
    }
}

pub(super) fn is_of_handshake(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| HANDSHAKE.contains(first))
}

fn since(at: Option<Instant>, now: Instant) -> Duration {
    at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TO: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9);

    fn bytes(flight: &mut Flight, now: Instant) -> Vec<Vec<u8>> {
        let again = flight.again(now).into_iter();
        again.map(|(_, datagram)| datagram).collect()
    }

    #[test]
    fn the_last_flight_is_sent_again_until_the_other_side_is_done() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut flight = Flight::default();
        assert_eq!(
            bytes(&mut flight, at(0)),
            Vec::<Vec<u8>>::new(),
            "nothing was sent"
        );
        flight.sent(TO, &[22, 1], at(0));
        flight.sent(TO, &[20, 2], at(1));
        flight.sent(TO, &[0, 1, 2], at(1));
        flight.sent(TO, &[21, 3], at(1));
        let first = vec![vec![22, 1], vec![20, 2]];
        assert_eq!(bytes(&mut flight, at(100)), Vec::<Vec<u8>>::new(), "too early");
        assert_eq!(bytes(&mut flight, at(251)), first);
        assert_eq!(bytes(&mut flight, at(300)), Vec::<Vec<u8>>::new(), "just now");
        // What is heard alone does not end it: it may be a repetition.
        flight.heard(22);
        assert_eq!(bytes(&mut flight, at(502)), first);
        // The answer to it is the next flight.
        flight.sent(TO, &[22, 4], at(503));
        flight.sent(TO, &[22, 5], at(504));
        assert_eq!(bytes(&mut flight, at(800)), [[22, 4], [22, 5]]);
        // The stack repeats it by itself, under new numbers.
        flight.sent(TO, &[22, 6], at(1_800));
        assert_eq!(bytes(&mut flight, at(2_100)), [[22, 6]]);
        flight.heard(23);
        assert_eq!(bytes(&mut flight, at(3_000)), Vec::<Vec<u8>>::new(), "done");
        flight.sent(TO, &[22, 7], at(3_001));
        assert_eq!(bytes(&mut flight, at(9_000)), Vec::<Vec<u8>>::new(), "done");
    }

    /// The other side repeats what it sent just as our flight leaves. Only its end was kept then, and its beginning lost for good.
    #[test]
    fn a_flight_of_several_datagrams_is_repeated_whole() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut flight = Flight::default();
        flight.sent(TO, &[22, 1], at(0));
        flight.heard(22);
        flight.sent(TO, &[22, 2], at(100));
        flight.heard(22);
        flight.sent(TO, &[22, 3], at(101));
        flight.sent(TO, &[20, 4], at(102));
        assert_eq!(bytes(&mut flight, at(400)), [[22, 2], [22, 3], [20, 4]]);
    }

    /// An answer within a millisecond, as on one machine: what follows is kept beside what it follows, while there is room.
    #[test]
    fn what_follows_quickly_is_never_left_out() {
        let start = Instant::now();
        let mut flight = Flight::default();
        let large = [22; FLIGHT_BYTES_MAX - 10];
        flight.sent(TO, &large, start);
        flight.heard(22);
        flight.sent(TO, &[22, 1], start);
        assert_eq!(bytes(&mut flight, start + FLIGHT_AGAIN).len(), 2);
        flight.sent(TO, &[22; 20], start);
        assert_eq!(bytes(&mut flight, start + FLIGHT_AGAIN * 2), [[22; 20]]);
    }

    #[test]
    fn no_more_is_kept_than_any_flight_takes() {
        let start = Instant::now();
        let mut flight = Flight::default();
        for _ in 0..1_000 {
            flight.sent(TO, &[22; 1_200], start);
        }
        let kept: usize = bytes(&mut flight, start + FLIGHT_AGAIN)
            .iter()
            .map(Vec::len)
            .sum();
        assert!(kept > 1_200 && kept <= FLIGHT_BYTES_MAX, "{kept}");
    }
}
