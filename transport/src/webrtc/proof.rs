//! Each device proves its key over a fresh control channel. Pure: no channel, no clock.
//!
//! Both say hello (version, device, nonce, a random share), then each signs the transcript: a hash over the version,
//! both devices, both nonces, both shares and both certificates as this connection showed them, offerer first. Somebody
//! in the middle has other certificates at each end, so no signature fits; a recording has other nonces. The shares
//! travelled under DTLS alone, so with the transcript they give both devices a secret that no observer has.
//!
//! ```text
//! hello: 2 version   32 device   32 nonce   32 share
//! proof: 64 Ed25519 signature over the purpose and the transcript
//! ```

use bytes::Bytes;
use zeroize::Zeroizing;

use crate::invite::Reader;
use crate::link::ProofError;
use crate::{DeviceId, DeviceKey};

/// Version of the lanes and of this proof: both sides must have the same.
pub(super) const PROTOCOL_VERSION: u16 = 0;

const HELLO_BYTES: usize = 2 + 32 + 32 + 32;

impl ProofError {
    /// As a frame tells it to the other side; the details stay here.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Version(_) => 1,
            Self::Device => 2,
            Self::Own => 3,
            Self::Signature => 4,
            Self::Certificate => 5,
            Self::Malformed => 6,
            Self::Refused => 7,
            Self::Silent => 8,
            Self::Ended => 9,
        }
    }
}

/// What is known once the other side has proved itself.
pub(super) struct Proven {
    pub(super) peer: DeviceId,
    pub(super) is_offerer: bool,
    pub(super) transcript: [u8; 32],
    pub(super) secret: Zeroizing<[u8; 32]>,
}

/// One side's half of the proof.
pub(super) struct Proof {
    key: DeviceKey,
    is_offerer: bool,
    own: Side,
    theirs: Option<(Side, [u8; 32])>,
}

#[derive(Clone)]
struct Side {
    device: DeviceId,
    nonce: [u8; 32],
    share: Zeroizing<[u8; 32]>,
    fingerprint: [u8; 32],
}

impl Proof {
    pub(super) fn new(
        key: DeviceKey,
        is_offerer: bool,
        fingerprint: [u8; 32],
    ) -> Result<Self, getrandom::Error> {
        let mut nonce = [0; 32];
        let mut share = Zeroizing::new([0; 32]);
        getrandom::fill(&mut nonce)?;
        getrandom::fill(&mut *share)?;
        let own = Side {
            device: key.id(),
            nonce,
            share,
            fingerprint,
        };
        Ok(Self {
            key,
            is_offerer,
            own,
            theirs: None,
        })
    }

    pub(super) fn hello(&self) -> Bytes {
        let mut hello = Vec::with_capacity(HELLO_BYTES);
        hello.extend_from_slice(&PROTOCOL_VERSION.to_le_bytes());
        hello.extend_from_slice(self.own.device.as_bytes());
        hello.extend_from_slice(&self.own.nonce);
        hello.extend_from_slice(&*self.own.share);
        Bytes::from(hello)
    }

    pub(super) fn heard_hello(&self) -> bool {
        self.theirs.is_some()
    }

    /// Takes their hello, with the certificate that this connection showed, and gives our signature.
    pub(super) fn hear_hello(
        &mut self,
        hello: &[u8],
        fingerprint: [u8; 32],
        expected: DeviceId,
    ) -> Result<Bytes, ProofError> {
        if self.theirs.is_some() {
            return Err(ProofError::Malformed);
        }
        let mut reader = Reader(hello);
        let version = u16::from_le_bytes(reader.array().ok_or(ProofError::Malformed)?);
        if version != PROTOCOL_VERSION {
            return Err(ProofError::Version(version));
        }
        let theirs = read_hello(&mut reader, fingerprint).ok_or(ProofError::Malformed)?;
        if theirs.device == self.own.device {
            return Err(ProofError::Own);
        }
        if theirs.device != expected {
            return Err(ProofError::Device);
        }
        let transcript = self.transcript(&theirs);
        self.theirs = Some((theirs, transcript));
        let signature = self.key.sign(&signed(self.is_offerer, &transcript));
        Ok(Bytes::copy_from_slice(&signature))
    }

    /// Takes their signature. Only then is the other side who it says.
    pub(super) fn hear_proof(&self, proof: &[u8]) -> Result<Proven, ProofError> {
        let (theirs, transcript) = self.theirs.as_ref().ok_or(ProofError::Malformed)?;
        let signature: &[u8; 64] = proof.try_into().map_err(|_| ProofError::Malformed)?;
        if !theirs
            .device
            .verify(&signed(!self.is_offerer, transcript), signature)
        {
            return Err(ProofError::Signature);
        }
        let (offerer, answerer) = self.in_order(theirs);
        let mut hasher = blake3::Hasher::new_derive_key("cuecard route secret v0");
        hasher.update(&*offerer.share).update(&*answerer.share);
        hasher.update(transcript);
        Ok(Proven {
            peer: theirs.device,
            is_offerer: self.is_offerer,
            transcript: *transcript,
            secret: Zeroizing::new(*hasher.finalize().as_bytes()),
        })
    }

    fn transcript(&self, theirs: &Side) -> [u8; 32] {
        let (offerer, answerer) = self.in_order(theirs);
        let mut hasher = blake3::Hasher::new_derive_key("cuecard link transcript v0");
        hasher.update(&PROTOCOL_VERSION.to_le_bytes());
        for side in [offerer, answerer] {
            hasher.update(side.device.as_bytes());
            hasher.update(&side.nonce);
            hasher.update(&*side.share);
            hasher.update(&side.fingerprint);
        }
        *hasher.finalize().as_bytes()
    }

    fn in_order<'a>(&'a self, theirs: &'a Side) -> (&'a Side, &'a Side) {
        if self.is_offerer {
            (&self.own, theirs)
        } else {
            (theirs, &self.own)
        }
    }
}

fn read_hello(reader: &mut Reader<'_>, fingerprint: [u8; 32]) -> Option<Side> {
    let side = Side {
        device: DeviceId::from_bytes(reader.array()?),
        nonce: reader.array()?,
        share: Zeroizing::new(reader.array()?),
        fingerprint,
    };
    reader.0.is_empty().then_some(side)
}

/// The role is signed too, so that a signature cannot be sent back to its maker.
fn signed(by_offerer: bool, transcript: &[u8; 32]) -> Vec<u8> {
    let purpose: &[u8] = if by_offerer {
        b"cuecard link proof v0, offerer: "
    } else {
        b"cuecard link proof v0, answerer: "
    };
    [purpose, transcript].concat()
}

#[cfg(test)]
mod vectors;

#[cfg(test)]
mod tests {
    use super::*;

    const OFFERER_SHOWS: [u8; 32] = [11; 32];
    const ANSWERER_SHOWS: [u8; 32] = [12; 32];

    fn key(n: u8) -> DeviceKey {
        DeviceKey::from_bytes(&[n; 32])
    }

    fn sides() -> (Proof, Proof) {
        (
            Proof::new(key(1), true, OFFERER_SHOWS).unwrap(),
            Proof::new(key(2), false, ANSWERER_SHOWS).unwrap(),
        )
    }

    #[test]
    fn both_sides_prove_themselves_and_share_transcript_and_secret() {
        let (mut a, mut b) = sides();
        let by_a = a.hear_hello(&b.hello(), ANSWERER_SHOWS, key(2).id()).unwrap();
        let by_b = b.hear_hello(&a.hello(), OFFERER_SHOWS, key(1).id()).unwrap();
        let (at_a, at_b) = (a.hear_proof(&by_b).unwrap(), b.hear_proof(&by_a).unwrap());
        assert_eq!((at_a.peer, at_b.peer), (key(2).id(), key(1).id()));
        assert_eq!(at_a.transcript, at_b.transcript);
        assert_eq!(at_a.secret, at_b.secret);
        assert_eq!(
            a.hear_proof(&by_a).err(),
            Some(ProofError::Signature),
            "sent back to its maker"
        );
    }

    #[test]
    fn somebody_in_the_middle_is_noticed_by_both() {
        let (mut a, mut b) = sides();
        // Hellos and proofs are passed on unchanged, but each end sees the middle's certificate.
        let by_a = a.hear_hello(&b.hello(), [66; 32], key(2).id()).unwrap();
        let by_b = b.hear_hello(&a.hello(), [66; 32], key(1).id()).unwrap();
        assert_eq!(a.hear_proof(&by_b).err(), Some(ProofError::Signature));
        assert_eq!(b.hear_proof(&by_a).err(), Some(ProofError::Signature));
    }

    #[test]
    fn a_recorded_proof_fits_no_other_connection() {
        let (mut a, mut b) = sides();
        b.hear_hello(&a.hello(), OFFERER_SHOWS, key(1).id()).unwrap();
        let hello = b.hello();
        let recorded = {
            let mut b = b;
            b.theirs = None;
            b.hear_hello(&a.hello(), OFFERER_SHOWS, key(1).id()).unwrap()
        };
        a.hear_hello(&hello, ANSWERER_SHOWS, key(2).id()).unwrap();
        assert!(a.hear_proof(&recorded).is_ok(), "it was genuine once");
        let (mut again, _) = sides();
        again.hear_hello(&hello, ANSWERER_SHOWS, key(2).id()).unwrap();
        assert_eq!(again.hear_proof(&recorded).err(), Some(ProofError::Signature));
    }

    #[test]
    fn the_wrong_device_the_wrong_key_and_the_wrong_version_have_names() {
        let (mut a, b) = sides();
        let expected = key(3).id();
        assert_eq!(
            a.hear_hello(&b.hello(), ANSWERER_SHOWS, expected),
            Err(ProofError::Device)
        );
        let mirror = Proof::new(key(1), false, ANSWERER_SHOWS).unwrap();
        assert_eq!(
            a.hear_hello(&mirror.hello(), ANSWERER_SHOWS, key(1).id()),
            Err(ProofError::Own)
        );
        let mut newer = b.hello().to_vec();
        newer[0] = 9;
        assert_eq!(
            a.hear_hello(&newer, ANSWERER_SHOWS, key(2).id()),
            Err(ProofError::Version(9))
        );
        // Claims to be device 2 but signs with key 4.
        let mut liar = Proof::new(key(4), false, ANSWERER_SHOWS).unwrap();
        liar.own.device = key(2).id();
        let signature = liar.hear_hello(&a.hello(), OFFERER_SHOWS, key(1).id()).unwrap();
        a.hear_hello(&liar.hello(), ANSWERER_SHOWS, key(2).id()).unwrap();
        assert_eq!(a.hear_proof(&signature).err(), Some(ProofError::Signature));
    }

    #[test]
    fn hellos_and_proofs_of_every_length_are_refused_without_panic() {
        let (_, b) = sides();
        let hello = b.hello();
        for length in 0..hello.len() {
            let (mut a, _) = sides();
            assert_eq!(
                a.hear_hello(&hello[..length], ANSWERER_SHOWS, key(2).id()),
                Err(ProofError::Malformed)
            );
        }
        let (mut a, _) = sides();
        assert_eq!(
            a.hear_proof(&[0; 64]).err(),
            Some(ProofError::Malformed),
            "before any hello"
        );
        a.hear_hello(&hello, ANSWERER_SHOWS, key(2).id()).unwrap();
        for length in 0..64 {
            assert_eq!(a.hear_proof(&vec![0; length]).err(), Some(ProofError::Malformed));
        }
        assert_eq!(
            a.hear_hello(&hello, ANSWERER_SHOWS, key(2).id()),
            Err(ProofError::Malformed),
            "twice"
        );
    }
}
