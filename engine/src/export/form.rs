//! How an exported deck lies in its file.
//!
//! ```text
//! "cue-deck" (8)  version (1)  flags (1)  deck (32)
//! parts, each:  kind (1)  length (4)  that many bytes
//! the last part, of kind 0:  the BLAKE3 hash (32) of all before that part
//! ```
//!
//! Numbers are little-endian. Flag bit 0 is reserved for content that is encrypted. The parts:
//!
//! | kind | what |
//! |---|---|
//! | 1 | an invite to read the deck ([`crate::DeckInvite`]), with its key, if it was asked for |
//! | 2 | a control message as it goes over a link: entries from the genesis on, branches, or a proposal |
//! | 3 | audio that the deck refers to: its hash (32) and size (8), again and again |
//! | 4 | audio with its bytes: hash (32), size (8); the bytes follow in parts of kind 5 |
//! | 5 | bytes of the audio named last |
//!
//! The hash is compared before anything of a file is used, so a damaged one changes nothing. It does not say who made
//! the file: what is in it passes the gate like anything from another device.

use std::io::{self, Read, Seek, SeekFrom, Write};

use crate::id::{BlobId, DeckId};
use crate::invite::DeckInvite;
use crate::limits::MESSAGE_BYTES_MAX;

const MAGIC: &[u8; 8] = b"cue-deck";
const VERSION: u8 = 0;
const HEAD_BYTES: usize = 8 + 1 + 1 + 32;

/// A message in its envelope, which may be a few bytes longer than what is in it.
const PART_BYTES_MAX: usize = MESSAGE_BYTES_MAX + 64;
/// Bytes of audio in one part: bounds what is held in memory at one time.
pub(super) const AUDIO_PART_BYTES: usize = 256 * 1024;

/// What a part of a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    End,
    Key,
    Message,
    Wanted,
    Audio,
    AudioBytes,
}

impl Kind {
    const ALL: [Self; 6] = [
        Self::End,
        Self::Key,
        Self::Message,
        Self::Wanted,
        Self::Audio,
        Self::AudioBytes,
    ];

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }
}

/// Why a file is not one of these, or not a whole one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It could not be read or written.
    #[error("the file could not be read or written: {0}")]
    Io(#[from] io::Error),
    /// Something else.
    #[error("this is not an exported deck")]
    NotADeck,
    /// Made by a version that this one does not know.
    #[error("this deck was exported by a newer version (format {found}); import it with that one")]
    Newer {
        /// Its format.
        found: u8,
    },
    /// It ends too early.
    #[error("the file ends too early; copy or export it again")]
    Truncated,
    /// It is not what was written.
    #[error("the file is damaged ({what}); copy or export it again")]
    Damaged {
        /// What is wrong.
        what: &'static str,
    },
}

/// Writes a file, part by part.
pub(super) struct Writer<W> {
    to: W,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(to: W, deck: DeckId) -> io::Result<Self> {
        let hasher = blake3::Hasher::new();
        let mut writer = Self { to, hasher, bytes: 0 };
        writer.write(MAGIC)?;
        writer.write(&[VERSION, 0])?;
        writer.write(deck.as_bytes())?;
        Ok(writer)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        self.to.write_all(bytes)
    }

    pub(super) fn part(&mut self, kind: Kind, bytes: &[u8]) -> io::Result<()> {
        let too_long = |_| io::Error::other("a part is too long");
        let length = u32::try_from(bytes.len()).map_err(too_long)?;
        self.write(&[kind as u8])?;
        self.write(&length.to_le_bytes())?;
        self.write(bytes)
    }

    /// Ends the file; returns how long it is.
    pub(super) fn end(mut self) -> io::Result<(W, u64)> {
        let hash = *self.hasher.finalize().as_bytes();
        self.part(Kind::End, &hash)?;
        self.to.flush()?;
        Ok((self.to, self.bytes))
    }
}

/// A file that was read once and is whole.
pub(super) struct Whole<R> {
    from: R,
    deck: DeckId,
}

impl<R: Read + Seek> Whole<R> {
    /// Reads all of a file and compares its hash.
    pub(super) fn check(mut from: R) -> Result<Self, FileError> {
        from.seek(SeekFrom::Start(0))?;
        let mut hasher = blake3::Hasher::new();
        let mut head = [0; HEAD_BYTES];
        let found = read_up_to(&mut from, &mut head)?;
        let head = head.get(..found).unwrap_or_default();
        let (magic, rest) = head.split_at_checked(MAGIC.len()).ok_or(FileError::NotADeck)?;
        if magic != MAGIC {
            return Err(FileError::NotADeck);
        }
        let &version = rest.first().ok_or(FileError::Truncated)?;
        if version != VERSION {
            return Err(FileError::Newer { found: version });
        }
        let deck: [u8; 32] = rest
            .get(2..)
            .and_then(|deck| deck.try_into().ok())
            .ok_or(FileError::Truncated)?;
        if rest.get(1) != Some(&0) {
            return Err(FileError::Damaged { what: "its flags" });
        }
        hasher.update(head);
        let mut buffer = vec![0; AUDIO_PART_BYTES];
        loop {
            let (kind, length, begins) = part_head(&mut from)?;
            if kind == Kind::End {
                let mut hash = [0; 32];
                if length != 32 {
                    return Err(FileError::Damaged { what: "its end" });
                }
                exactly(&mut from, &mut hash)?;
                if hasher.finalize() != hash {
                    return Err(FileError::Damaged {
                        what: "its checksum differs",
                    });
                }
                if read_up_to(&mut from, &mut [0])? > 0 {
                    return Err(FileError::Damaged {
                        what: "something follows its end",
                    });
                }
                break;
            }
            hasher.update(&begins);
            let mut left = length;
            while left > 0 {
                let next = left.min(buffer.len());
                let into = buffer.get_mut(..next).unwrap_or_default();
                exactly(&mut from, into)?;
                hasher.update(into);
                left -= next;
            }
        }
        from.seek(SeekFrom::Start(HEAD_BYTES as u64))?;
        let deck = DeckId::from_bytes(deck);
        Ok(Self { from, deck })
    }

    pub(super) const fn deck(&self) -> DeckId {
        self.deck
    }

    pub(super) fn into_inner(self) -> R {
        self.from
    }

    /// The next part, without those of audio: they are read by [`Whole::audio`], or skipped. `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(Kind, Vec<u8>)>, FileError> {
        loop {
            let (kind, length, _) = part_head(&mut self.from)?;
            match kind {
                Kind::End => return Ok(None),
                Kind::AudioBytes => {
                    let over = i64::try_from(length).map_err(|_| FileError::Truncated)?;
                    self.from.seek(SeekFrom::Current(over))?;
                }
                Kind::Key | Kind::Message | Kind::Wanted | Kind::Audio => {
                    let mut bytes = vec![0; length];
                    exactly(&mut self.from, &mut bytes)?;
                    return Ok(Some((kind, bytes)));
                }
            }
        }
    }

    /// Begins again at the first part.
    pub(super) fn rewind(&mut self) -> Result<(), FileError> {
        self.from.seek(SeekFrom::Start(HEAD_BYTES as u64))?;
        Ok(())
    }

    /// The bytes of the audio that was named last.
    pub(super) fn audio(&mut self, size: u64) -> AudioBytes<'_, R> {
        AudioBytes {
            from: &mut self.from,
            left_in_part: 0,
            left: size,
        }
    }
}

/// Reads audio across the parts it lies in.
pub(super) struct AudioBytes<'a, R> {
    from: &'a mut R,
    left_in_part: usize,
    left: u64,
}

impl<R: Read> Read for AudioBytes<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        while self.left_in_part == 0 {
            let (kind, length, _) = part_head(self.from).map_err(io::Error::other)?;
            if kind != Kind::AudioBytes || length as u64 > self.left {
                return Err(io::Error::other("audio with another size than it says"));
            }
            self.left_in_part = length;
        }
        let most = buffer.len().min(self.left_in_part);
        let read = self.from.read(buffer.get_mut(..most).unwrap_or_default())?;
        self.left_in_part -= read;
        self.left -= read as u64;
        Ok(read)
    }
}

/// Kind and length of the next part, and the bytes that say so. The length is bounded.
fn part_head(from: &mut impl Read) -> Result<(Kind, usize, [u8; 5]), FileError> {
    let mut begins = [0; 5];
    exactly(from, &mut begins)?;
    let [kind, length @ ..] = begins;
    let kind = Kind::from_byte(kind).ok_or(FileError::Damaged {
        what: "an unknown part",
    })?;
    let length = u32::from_le_bytes(length) as usize;
    let most = match kind {
        Kind::AudioBytes => AUDIO_PART_BYTES,
        Kind::End => 32,
        Kind::Key => DeckInvite::BYTES_MAX,
        Kind::Audio => 40,
        Kind::Message | Kind::Wanted => PART_BYTES_MAX,
    };
    if length > most {
        return Err(FileError::Damaged {
            what: "a part is too long",
        });
    }
    Ok((kind, length, begins))
}

fn exactly(from: &mut impl Read, into: &mut [u8]) -> Result<(), FileError> {
    if read_up_to(from, into)? == into.len() {
        Ok(())
    } else {
        Err(FileError::Truncated)
    }
}

fn read_up_to(from: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    let mut found = 0;
    while let Some(rest) = into.get_mut(found..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(read) => found += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Audio in a list: hash and size.
pub(super) fn audio_entry(blob: BlobId, size: u64) -> [u8; 40] {
    let mut entry = [0; 40];
    let (hash, length) = entry.split_at_mut(32);
    hash.copy_from_slice(blob.as_bytes());
    length.copy_from_slice(&size.to_le_bytes());
    entry
}

/// The audio in a list.
pub(super) fn audio_entries(bytes: &[u8]) -> Result<Vec<(BlobId, u64)>, FileError> {
    let (entries, rest) = bytes.as_chunks::<40>();
    if !rest.is_empty() {
        return Err(FileError::Damaged {
            what: "its list of audio",
        });
    }
    let entry = |entry: &[u8; 40]| {
        let (hash, size) = entry.split_first_chunk::<32>()?;
        let size = u64::from_le_bytes(size.try_into().ok()?);
        Some((BlobId::from_bytes(*hash), size))
    };
    Ok(entries.iter().filter_map(entry).collect())
}
