//! How two devices that share a secret find each other again without anybody's help. Pure: no sockets, no clock.
//!
//! Each side calls the other's last known addresses with small datagrams under a MAC: its own nonce, the nonce it heard
//! (the echo), and the fingerprint of its certificate. An echo of our present nonce proves that the caller is alive
//! and not a recording. From the two nonces and the secret both sides derive the ICE credentials, the device with the
//! smaller id offers, and the connection is made as if codes had been exchanged; the device proof follows as ever.
//!
//! A side takes a new nonce whenever it wants a fresh link. So a proven nonce that differs from the one a live link
//! was made with says that the other side has lost that link: it is closed at once instead of lingering as a ghost.
//!
//! ```text
//! 1 0xce   1 version (0)   8 tag of the route   1 flags: 1 from the smaller id, 2 wants a reply
//! 16 nonce   16 echo (zeros: none heard yet)   32 fingerprint   16 MAC over all before
//! ```

use zeroize::Zeroizing;

use crate::invite::{Credentials, Reader};
use crate::limits::RETIRED_NONCES_MAX;

/// Outside the ranges of STUN, DTLS, TURN channels and RTP on a shared port (RFC 7983), so one byte tells.
pub(super) const KNOCK_BYTE: u8 = 0xce;

const VERSION: u8 = 0;
const KNOCK_BYTES: usize = 91;
const MAC_BYTES: usize = 16;
const FROM_SMALLER: u8 = 1;
const WANTS_REPLY: u8 = 2;

/// Names one wish of one side for a link.
pub(super) type Nonce = [u8; 16];

/// The nonces of a link-to-be: ours and theirs, and the certificate that they will show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) own: Nonce,
    pub(super) theirs: Nonce,
    pub(super) their_fingerprint: [u8; 32],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Knock {
    pub(super) nonce: Nonce,
    pub(super) echo: Option<Nonce>,
    pub(super) fingerprint: [u8; 32],
    pub(super) wants_reply: bool,
}

/// What is derived from the secret of a route.
pub(super) struct KnockKeys {
    secret: Zeroizing<[u8; 32]>,
    mac: Zeroizing<[u8; 32]>,
    tag: [u8; 8],
    /// Whether this side's id is the smaller one.
    is_smaller: bool,
}

impl KnockKeys {
    pub(super) fn new(secret: &[u8; 32], is_smaller: bool) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = blake3::derive_key("cuecard knock tag v0", secret);
        Self {
            secret: Zeroizing::new(*secret),
            mac: Zeroizing::new(blake3::derive_key("cuecard knock mac v0", secret)),
            tag: [a, b, c, d, e, f, g, h],
            is_smaller,
        }
    }

    /// Names the route without telling its secret.
    pub(super) fn tag(&self) -> [u8; 8] {
        self.tag
    }

    pub(super) fn is_smaller(&self) -> bool {
        self.is_smaller
    }

    pub(super) fn seal(&self, knock: &Knock) -> Vec<u8> {
        let from = if self.is_smaller { FROM_SMALLER } else { 0 };
        let wants = if knock.wants_reply { WANTS_REPLY } else { 0 };
        let mut bytes = Vec::with_capacity(KNOCK_BYTES);
        bytes.extend_from_slice(&[KNOCK_BYTE, VERSION]);
        bytes.extend_from_slice(&self.tag);
        bytes.push(from | wants);
        bytes.extend_from_slice(&knock.nonce);
        bytes.extend_from_slice(&knock.echo.unwrap_or_default());
        bytes.extend_from_slice(&knock.fingerprint);
        let mac = blake3::keyed_hash(&self.mac, &bytes);
        bytes.extend(mac.as_bytes().iter().take(MAC_BYTES));
        bytes
    }

    /// A knock of the other side; nothing else opens, our own reflected ones neither.
    pub(super) fn open(&self, bytes: &[u8]) -> Option<Knock> {
        if bytes.len() != KNOCK_BYTES {
            return None;
        }
        let (said, mac) = bytes.split_at_checked(KNOCK_BYTES - MAC_BYTES)?;
        let mut reader = Reader(said);
        if reader.array::<2>()? != [KNOCK_BYTE, VERSION] || reader.array::<8>()? != self.tag {
            return None;
        }
        let expected = blake3::keyed_hash(&self.mac, said);
        // Compares whole hashes in constant time: the found half is completed with the expected other half.
        let mut found = *expected.as_bytes();
        found.get_mut(..MAC_BYTES)?.copy_from_slice(mac);
        if expected != blake3::Hash::from_bytes(found) {
            return None;
        }
        let flags = reader.byte()?;
        if (flags & FROM_SMALLER != 0) == self.is_smaller {
            return None;
        }
        let nonce = reader.array()?;
        let echo: Nonce = reader.array()?;
        Some(Knock {
            nonce,
            echo: (echo != Nonce::default()).then_some(echo),
            fingerprint: reader.array()?,
            wants_reply: flags & WANTS_REPLY != 0,
        })
    }

    /// ICE credentials of (this side, the other side).
    pub(super) fn credentials(&self, pair: &Pair) -> (Credentials, Credentials) {
        let (smaller, larger) = if self.is_smaller {
            (pair.own, pair.theirs)
        } else {
            (pair.theirs, pair.own)
        };
        let mut hasher = blake3::Hasher::new_derive_key("cuecard knock ice v0");
        hasher.update(&*self.secret).update(&smaller).update(&larger);
        let mut stream = hasher.finalize_xof();
        let mut next = || {
            let mut fragment = [0; 4];
            let mut password = [0; 16];
            stream.fill(&mut fragment);
            stream.fill(&mut password);
            Credentials::from_bytes(&fragment, &password)
        };
        let (of_smaller, of_larger) = (next(), next());
        if self.is_smaller {
            (of_smaller, of_larger)
        } else {
            (of_larger, of_smaller)
        }
    }
}

/// What one side knows of the other's calls.
#[derive(Debug)]
pub(super) struct Doorstep {
    own: Nonce,
    /// The nonce of theirs that is proven alive.
    theirs: Option<Nonce>,
    /// Nonces of theirs that were proven under our present one and then replaced.
    retired: Vec<Nonce>,
    /// Heard last, to echo.
    heard: Option<Nonce>,
    /// Proven, and no link was made of it yet.
    ready: Option<Pair>,
}

/// What to do after a knock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing.
    Nothing,
    /// Reply, so that the caller can prove that it is alive.
    Reply,
    /// The caller is alive and wants a link under a nonce that is new: reply, and end what was before.
    Paired,
    /// Too many nonces were used up under our present one: take a new one.
    Exhausted,
}

impl Doorstep {
    pub(super) fn new(own: Nonce) -> Self {
        Self {
            own,
            theirs: None,
            retired: Vec::new(),
            heard: None,
            ready: None,
        }
    }

    /// Wants a fresh link: what was proven before no longer counts.
    pub(super) fn renew(&mut self, own: Nonce) {
        *self = Self {
            heard: self.heard,
            ..Self::new(own)
        };
    }

    /// The proven pair that no link was made of yet, once.
    pub(super) fn take_ready(&mut self) -> Option<Pair> {
        self.ready.take()
    }

    /// The next call.
    pub(super) fn call(&self, fingerprint: [u8; 32]) -> Knock {
        Knock {
            nonce: self.own,
            echo: self.heard,
            fingerprint,
            wants_reply: true,
        }
    }

    /// The reply to a knock.
    pub(super) fn reply(&self, to: &Knock, fingerprint: [u8; 32]) -> Knock {
        Knock {
            nonce: self.own,
            echo: Some(to.nonce),
            fingerprint,
            wants_reply: false,
        }
    }

    pub(super) fn hear(&mut self, knock: &Knock) -> Heard {
        if self.retired.contains(&knock.nonce) {
            return Heard::Nothing;
        }
        let reply = if knock.wants_reply {
            Heard::Reply
        } else {
            Heard::Nothing
        };
        if knock.echo != Some(self.own) {
            // It may be a recording; the reply lets a living caller echo our nonce.
            self.heard = Some(knock.nonce);
            return reply;
        }
        if self.theirs == Some(knock.nonce) {
            return reply;
        }
        if let Some(before) = self.theirs {
            if self.retired.len() >= RETIRED_NONCES_MAX {
                return Heard::Exhausted;
            }
            self.retired.push(before);
        }
        self.theirs = Some(knock.nonce);
        self.heard = Some(knock.nonce);
        self.ready = Some(Pair {
            own: self.own,
            theirs: knock.nonce,
            their_fingerprint: knock.fingerprint,
        });
        Heard::Paired
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sides() -> (KnockKeys, KnockKeys) {
        (KnockKeys::new(&[1; 32], true), KnockKeys::new(&[1; 32], false))
    }

    fn knock() -> Knock {
        Knock {
            nonce: [2; 16],
            echo: Some([3; 16]),
            fingerprint: [4; 32],
            wants_reply: true,
        }
    }

    #[test]
    fn a_knock_opens_at_the_other_side_and_nowhere_else() {
        let (a, b) = sides();
        let bytes = a.seal(&knock());
        assert_eq!(b.open(&bytes), Some(knock()));
        assert_eq!(a.open(&bytes), None, "reflected");
        assert_eq!(
            KnockKeys::new(&[9; 32], false).open(&bytes),
            None,
            "another route"
        );
        for length in 0..bytes.len() {
            assert_eq!(b.open(&bytes[..length]), None, "at {length}");
        }
        for at in 0..bytes.len() {
            let mut wrong = bytes.clone();
            wrong[at] ^= 1;
            assert_eq!(b.open(&wrong), None, "at {at}");
        }
    }

    /// Both call; whatever is said gets through. Returns the pairs both arrive at.
    fn meet(a: &mut Doorstep, b: &mut Doorstep) -> (Option<Pair>, Option<Pair>) {
        let mut mail = std::collections::VecDeque::from([(true, b.call([8; 32])), (false, a.call([7; 32]))]);
        while let Some((to_a, knock)) = mail.pop_front() {
            let (door, fingerprint) = if to_a {
                (&mut *a, [7; 32])
            } else {
                (&mut *b, [8; 32])
            };
            if matches!(door.hear(&knock), Heard::Reply | Heard::Paired) {
                mail.push_back((!to_a, door.reply(&knock, fingerprint)));
            }
        }
        (a.take_ready(), b.take_ready())
    }

    #[test]
    fn two_callers_arrive_at_one_pair_and_at_the_same_credentials() {
        let (mut a, mut b) = (Doorstep::new([1; 16]), Doorstep::new([2; 16]));
        let (at_a, at_b) = meet(&mut a, &mut b);
        let (at_a, at_b) = (at_a.unwrap(), at_b.unwrap());
        assert_eq!((at_a.own, at_a.theirs), (at_b.theirs, at_b.own));
        assert_eq!(
            (at_a.their_fingerprint, at_b.their_fingerprint),
            ([8; 32], [7; 32])
        );
        let (keys_a, keys_b) = sides();
        let (own, theirs) = keys_a.credentials(&at_a);
        assert_ne!(own, theirs);
        assert_eq!(keys_b.credentials(&at_b), (theirs, own));
    }

    #[test]
    fn a_restarted_side_pairs_anew_with_one_that_noticed_nothing() {
        let (mut a, mut b) = (Doorstep::new([1; 16]), Doorstep::new([2; 16]));
        meet(&mut a, &mut b);
        let mut restarted = Doorstep::new([3; 16]);
        let (at_a, at_b) = meet(&mut a, &mut restarted);
        assert_eq!(at_a.unwrap().theirs, [3; 16]);
        assert_eq!(at_b.unwrap().theirs, [1; 16]);
        assert_eq!(meet(&mut a, &mut restarted), (None, None), "paired once");
    }

    #[test]
    fn recordings_end_nothing() {
        let (mut a, mut b) = (Doorstep::new([1; 16]), Doorstep::new([2; 16]));
        let mut recorded = vec![b.call([8; 32])];
        meet(&mut a, &mut b);
        recorded.push(b.call([8; 32]));
        let mut restarted = Doorstep::new([3; 16]);
        meet(&mut a, &mut restarted);
        for knock in &recorded {
            assert!(
                matches!(a.hear(knock), Heard::Nothing | Heard::Reply),
                "{knock:?}"
            );
        }
        a.renew([5; 16]);
        for knock in &recorded {
            assert!(
                matches!(a.hear(knock), Heard::Nothing | Heard::Reply),
                "{knock:?}"
            );
        }
        assert_eq!(a.take_ready(), None);
    }

    #[test]
    fn nonces_that_must_not_come_back_are_bounded() {
        let mut a = Doorstep::new([1; 16]);
        for n in 0..200_u8 {
            let knock = Knock {
                nonce: [n; 16],
                echo: Some([1; 16]),
                ..knock()
            };
            let heard = a.hear(&knock);
            let full = usize::from(n) > RETIRED_NONCES_MAX;
            assert_eq!(heard, if full { Heard::Exhausted } else { Heard::Paired }, "{n}");
        }
    }
}
