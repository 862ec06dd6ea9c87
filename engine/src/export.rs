//! A deck as one file: to keep, or to carry to a device that no link reaches.
//!
//! [`Deck::export`] writes everything that is durable here, with the seals and records that prove it: the canonical path,
//! what lost and is kept as late work, and the drafts that wait for an editor. [`Engine::import`] takes it in through the gate, exactly like what another device
//! sends: nothing in a file is believed because it is in a file. Importing twice changes nothing; importing into a
//! device that is behind brings it forward, and one that is ahead stays so.
//!
//! **The file is not encrypted**: who has it can read the deck's content. It does not hold the deck's *key*, unless asked
//! for: with the key a device can follow the deck from then on, and be served by the others.
//!
//! What is not in it: open drafts that were not proposed.

mod form;

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cuecard_store::{BlobStatus, Store, StoreError};

use crate::core::export::{Part, PartError};
use crate::core::log::Owed;
use crate::core::{Core, DeckError, StoreHasFailed};
use crate::deck::Deck;
use crate::disk;
use crate::driver::Shared;
use crate::engine::Engine;
use crate::id::{BlobId, DeckId};
use crate::invite::DeckInvite;
use crate::limits::{BLOB_BYTES_MAX, LOG_READ_BYTES_MAX};
use crate::sync::envelope;
use crate::sync::message::{Item, Message, Position};
use crate::work::{Meter, Metered, Working};

pub use form::FileError;
use form::{AUDIO_PART_BYTES, Kind, Whole, Writer};

/// Entries in one part of the list of audio.
const WANTED_PER_PART: usize = 1_024;
/// What a change takes in a file, as far as its progress goes.
const CHANGE_BYTES_BY_AND_LARGE: u64 = 100;
/// How often an export begins again because the deck's path turned under it.
const TRIES: usize = 3;

/// What goes into a file beside the deck itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportWith {
    /// The deck's key: who has the file can follow the deck. Secret.
    pub key: bool,
    /// The bytes of all audio that is whole here.
    pub audio: bool,
}

impl ExportWith {
    /// With the deck's key: who has the file can follow the deck, like one who was invited.
    #[must_use]
    pub const fn and_key(mut self) -> Self {
        self.key = true;
        self
    }

    /// With the bytes of all audio that is whole here.
    #[must_use]
    pub const fn and_audio(mut self) -> Self {
        self.audio = true;
        self
    }
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exported {
    /// How long the file is.
    pub bytes: u64,
    /// How many pieces of audio the deck refers to.
    pub audio: usize,
    /// How many of them have their bytes in the file.
    pub audio_inside: usize,
}

/// What came of an import.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Imported {
    /// The deck.
    pub deck: Deck,
    /// How many changes it has now that it did not have before.
    pub new_changes: usize,
    /// Audio that it refers to and that is not whole here: it is fetched when a device that has it is linked.
    pub missing_audio: Vec<BlobId>,
}

/// Why a deck was not exported. A file that was there before is still there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// There is no such deck, or not yet.
    #[error(transparent)]
    Deck(#[from] DeckError),
    /// The deck changed its path again and again meanwhile.
    #[error("who may edit this deck was being settled while it was exported; try again")]
    Turned,
    /// Its log cannot be read.
    #[error("the deck's log is damaged here; export it on another device")]
    Damaged,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file could not be written.
    #[error("the file could not be written: {0}; check its path, its permissions and the space left")]
    Io(#[from] io::Error),
    /// It panicked: a bug.
    #[error("exporting failed in a way that is a bug of Cuecard ({0})")]
    Panicked(String),
}

/// Why a file was not imported, or not all of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// It is no exported deck, or not a whole one. Nothing was taken in.
    #[error(transparent)]
    File(#[from] FileError),
    /// This device does not follow the deck, and the file does not hold its key.
    #[error("this device does not follow deck {}, and the file does not hold its key: join the deck with an invite \
        first, or have it exported with its key", .0.short())]
    NoKey(DeckId),
    /// There is no such deck.
    #[error(transparent)]
    Deck(#[from] DeckError),
    /// A part of it did not pass the gate: whoever made the file made it up. What came before it was taken in.
    #[error("the file holds what its deck cannot hold, and was not made by an honest device: {0}")]
    Refused(String),
    /// The store. What was taken in before stays.
    #[error(transparent)]
    Store(#[from] StoreHasFailed),
    /// Audio could not be kept.
    #[error("the audio could not be kept: {0}")]
    Audio(String),
    /// It panicked: a bug.
    #[error("importing failed in a way that is a bug of Cuecard ({0})")]
    Panicked(String),
}

impl From<PartError> for ImportError {
    fn from(error: PartError) -> Self {
        match error {
            PartError::Deck(error) => Self::Deck(error),
            PartError::Store(error) => Self::Store(error),
            PartError::Refused(why) => Self::Refused(why),
            // Said of exports only.
            error @ (PartError::Turned | PartError::Damaged) => Self::Refused(error.to_string()),
        }
    }
}

impl From<PartError> for ExportError {
    fn from(error: PartError) -> Self {
        match error {
            PartError::Deck(error) => Self::Deck(error),
            PartError::Turned => Self::Turned,
            // The others are said of imports only.
            PartError::Damaged | PartError::Refused(_) | PartError::Store(_) => Self::Damaged,
        }
    }
}

impl Deck {
    /// Writes the deck to a file, in place of one that is there: whole and durable when this returns, or not at all.
    ///
    /// See [the module](crate::export) for what is in it, and what is not. It begins at once, says how far it is ([`Working`]),
    /// and dropping it cancels nothing. How long the file will be is not known before: a change counts as 100 bytes of it.
    ///
    /// # Errors
    /// [`ExportError`] says what to do; a file that was there before is still there then.
    pub fn export(&self, path: impl AsRef<Path>, with: ExportWith) -> Working<Exported, ExportError> {
        let (shared, deck, path) = (self.shared().clone(), self.id(), path.as_ref().to_owned());
        let export = move |mut meter: Meter| {
            let mut tries = 1..=TRIES;
            loop {
                tries.next();
                match write_file(&shared, deck, &path, with, &mut meter) {
                    Err(ExportError::Turned) if !tries.is_empty() => {}
                    Ok(exported) => {
                        meter.finish();
                        return Ok(exported);
                    }
                    failed @ Err(_) => return failed,
                }
            }
        };
        Working::begin(self.shared().runtime(), ExportError::Panicked, export)
    }

    /// Writes the deck to anything that takes bytes, as [`Deck::export`] does to a file. What was written before an
    /// error is no whole export, and is refused by who reads it.
    ///
    /// # Errors
    /// [`ExportError`].
    pub fn export_to<W: Write + Send + 'static>(
        &self,
        to: W,
        with: ExportWith,
    ) -> Working<(W, Exported), ExportError> {
        let (shared, deck) = (self.shared().clone(), self.id());
        let export = move |mut meter: Meter| {
            let done = write(&shared, deck, to, with, &mut meter)?;
            meter.finish();
            Ok(done)
        };
        Working::begin(self.shared().runtime(), ExportError::Panicked, export)
    }
}

impl Engine {
    /// Takes in a deck from a file. It is durable when this returns.
    ///
    /// See [the module](crate::export) for what that means. It begins at once, says how far it is ([`Working`]), and dropping it
    /// cancels nothing. A file is read twice: it is known to be whole before anything of it is taken in.
    ///
    /// # Errors
    /// [`ImportError`] says what to do.
    pub fn import(&self, path: impl AsRef<Path>) -> Working<Imported, ImportError> {
        let (shared, path) = (self.shared().clone(), path.as_ref().to_owned());
        let import = move |meter| {
            let file = File::open(path).map_err(FileError::Io)?;
            read(&shared, BufReader::new(file), meter)
        };
        Working::begin(self.shared().runtime(), ImportError::Panicked, import)
    }

    /// Takes in a deck from anything that can be read twice, as [`Engine::import`] does from a file.
    ///
    /// # Errors
    /// [`ImportError`].
    pub fn import_from(&self, from: impl Read + Seek + Send + 'static) -> Working<Imported, ImportError> {
        let shared = self.shared().clone();
        let import = move |meter| read(&shared, from, meter);
        Working::begin(self.shared().runtime(), ImportError::Panicked, import)
    }
}

/// To a name of its own first, then in place at once: a crash leaves the old file or the new one.
fn write_file(
    shared: &Arc<Shared>,
    deck: DeckId,
    path: &Path,
    with: ExportWith,
    meter: &mut Meter,
) -> Result<Exported, ExportError> {
    let (temporary, file) = temporary_beside(path)?;
    let written = write(shared, deck, BufWriter::new(file), with, meter).and_then(|(to, exported)| {
        let file = to.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        sync_folder(path)?;
        Ok(exported)
    });
    if written.is_err() {
        // It is of no use to anybody; if it cannot be removed, the first error says more.
        drop(fs::remove_file(&temporary));
    }
    written
}

fn temporary_beside(path: &Path) -> Result<(PathBuf, File), ExportError> {
    let mut number = [0; 8];
    getrandom::fill(&mut number).map_err(io::Error::other)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{:016x}.part", u64::from_le_bytes(number)));
    let temporary = path.with_file_name(name);
    let file = File::options().write(true).create_new(true).open(&temporary)?;
    Ok((temporary, file))
}

/// A rename is durable once its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    // Only some systems can open a folder.
    if cfg!(unix) {
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

fn write<W: Write>(
    shared: &Arc<Shared>,
    deck: DeckId,
    to: W,
    with: ExportWith,
    meter: &mut Meter,
) -> Result<(W, Exported), ExportError> {
    let mut writer = Writer::new(to, deck)?;
    let (key, wanted, changes) = shared.read(|core| {
        let key = core.invite_to_read(deck)?;
        Ok::<_, PartError>((key, core.export_audio(deck)?, core.change_count(deck)))
    })?;
    let audio: u64 = if with.audio { wanted.values().sum() } else { 0 };
    meter.begin(audio.saturating_add(changes as u64 * CHANGE_BYTES_BY_AND_LARGE));
    if with.key {
        writer.part(Kind::Key, &key.to_bytes())?;
    }
    // Audio goes first: who reads it has it when it reads of it.
    let mut audio_inside = 0;
    if with.audio {
        for &blob in wanted.keys() {
            let written = write_audio(shared.store.as_ref(), &mut writer, blob, meter)?;
            audio_inside += usize::from(written);
        }
    }
    let entries: Vec<[u8; 40]> = wanted
        .iter()
        .map(|(blob, size)| form::audio_entry(*blob, *size))
        .collect();
    for part in entries.chunks(WANTED_PER_PART) {
        writer.part(Kind::Wanted, part.as_flattened())?;
    }
    let mut at: Option<Position> = None;
    loop {
        let (items, end) = next_part(shared, deck, at)?;
        if items.is_empty() {
            break;
        }
        for item in &items {
            if let Item::Changes { changes, .. } = item {
                meter.advance(changes.len() as u64 * CHANGE_BYTES_BY_AND_LARGE);
            }
        }
        write_items(shared, deck, &mut writer, items, false)?;
        at = Some(end);
    }
    for owed in shared.drive(|core, _| core.export_beside(deck))? {
        write_beside(shared, deck, &mut writer, owed)?;
    }
    for proposal in shared.read(|core| core.export_drafts(deck))? {
        writer.part(Kind::Message, &envelope::seal_up(&proposal))?;
    }
    let (to, bytes) = writer.end()?;
    let exported = Exported {
        bytes,
        audio: wanted.len(),
        audio_inside,
    };
    Ok((to, exported))
}

/// The next slice of a deck. The core is asked for a moment at a time: edits go on meanwhile.
fn next_part(
    shared: &Arc<Shared>,
    deck: DeckId,
    at: Option<Position>,
) -> Result<(Vec<Item>, Position), ExportError> {
    let part = shared.read(|core| core.export_from(deck, at))?;
    with_changes(shared, deck, part)
}

fn with_changes(
    shared: &Arc<Shared>,
    deck: DeckId,
    part: Part,
) -> Result<(Vec<Item>, Position), ExportError> {
    let mut read = Vec::new();
    if let Some((stream, from, count)) = part.changes.as_ref().and_then(|changes| changes.read) {
        for record in shared.store.read(stream, from, count, LOG_READ_BYTES_MAX)? {
            read.push(disk::log_record(&record.bytes).map_err(|_| ExportError::Damaged)?);
        }
    }
    Ok(shared.read(|core| core.export_slice(deck, part, read))?)
}

/// Parts of the path, or of what is beside it. A slice that accepts late work goes behind that.
fn write_items<W: Write>(
    shared: &Arc<Shared>,
    deck: DeckId,
    writer: &mut Writer<W>,
    mut items: Vec<Item>,
    beside: bool,
) -> Result<(), ExportError> {
    let message = |items| match beside {
        true => Message::Branches { deck, items },
        false => Message::Entries { deck, items },
    };
    let first = shared.read(|core| core.export_first(deck, &items))?;
    if !first.is_empty() {
        let is_of_slice = |item: &Item| matches!(item, Item::Draft(_) | Item::Changes { .. });
        let slice = items.split_off(items.iter().position(is_of_slice).unwrap_or(items.len()));
        let records = std::mem::replace(&mut items, slice);
        if !records.is_empty() {
            writer.part(Kind::Message, &envelope::seal_up(&message(records)))?;
        }
        for owed in first {
            write_beside(shared, deck, writer, owed)?;
        }
    }
    writer.part(Kind::Message, &envelope::seal_up(&message(items)))?;
    Ok(())
}

/// What is beside the path: a record, or a line, slice by slice.
fn write_beside<W: Write>(
    shared: &Arc<Shared>,
    deck: DeckId,
    writer: &mut Writer<W>,
    owed: Owed,
) -> Result<(), ExportError> {
    match owed {
        Owed::Item(item) => write_items(shared, deck, writer, vec![item], true)?,
        Owed::Line { after, end } => {
            let mut at = Position::new(end.term, after);
            while at.len < end.len {
                let line = shared.read(|core| core.export_line(deck, at, end))?;
                let (items, reached) = with_changes(shared, deck, line)?;
                if reached.len <= at.len {
                    return Err(ExportError::Damaged);
                }
                write_items(shared, deck, writer, items, true)?;
                at = reached;
            }
        }
    }
    Ok(())
}

/// Whether the audio was whole here and is in the file now.
fn write_audio<W: Write>(
    store: &dyn Store,
    writer: &mut Writer<W>,
    blob: BlobId,
    meter: &mut Meter,
) -> Result<bool, ExportError> {
    let _pin = store.blobs().pin(blob.into());
    let status = store.blobs().status(blob.into()).map_err(StoreError::from)?;
    let BlobStatus::Whole { size } = status else {
        return Ok(false);
    };
    let mut audio = store.blobs().open(blob.into()).map_err(StoreError::from)?;
    writer.part(Kind::Audio, &form::audio_entry(blob, size))?;
    let mut buffer = vec![0; AUDIO_PART_BYTES];
    loop {
        let read = audio.read(&mut buffer)?;
        if read == 0 {
            return Ok(true);
        }
        writer.part(Kind::AudioBytes, buffer.get(..read).unwrap_or_default())?;
        meter.advance(read as u64);
    }
}

fn read(shared: &Arc<Shared>, mut from: impl Read + Seek, mut meter: Meter) -> Result<Imported, ImportError> {
    let length = from.seek(SeekFrom::End(0)).map_err(FileError::Io)?;
    meter.begin(length.saturating_mul(2));
    let mut file = Whole::check(Metered::new(from, meter))?;
    let deck = file.deck();
    follow(shared, &mut file)?;
    file.rewind()?;
    let before = shared.read(|core| core.change_count(deck));
    while let Some((kind, bytes)) = file.next()? {
        match kind {
            Kind::Key | Kind::Wanted | Kind::AudioBytes | Kind::End => {}
            Kind::Audio => {
                for (blob, size) in form::audio_entries(&bytes)? {
                    read_audio(shared, &mut file, blob, size)?;
                }
            }
            Kind::Message => {
                let message =
                    envelope::open(&bytes).map_err(|error| ImportError::Refused(error.to_string()))?;
                // One slice at a time: what waits for the disk is bounded so.
                let saving = shared.apply(|core, now| {
                    let imported = core.import(now, deck, &message);
                    imported.map_err(ImportError::from)
                });
                shared.runtime().block_on(saving)?;
            }
        }
    }
    let (after, audio) = shared.read(|core| (core.change_count(deck), core.export_audio(deck)));
    let whole = |blob: BlobId| {
        matches!(
            shared.store.blobs().status(blob.into()),
            Ok(BlobStatus::Whole { .. })
        )
    };
    file.into_inner().meter.finish();
    let missing_audio = audio?.into_keys().filter(|blob| !whole(*blob)).collect();
    Ok(Imported {
        deck: Deck::new(shared.clone(), deck),
        new_changes: after.saturating_sub(before),
        missing_audio,
    })
}

/// Follows the deck, if that is new here and the file holds the key.
fn follow<R: Read + Seek>(shared: &Arc<Shared>, file: &mut Whole<R>) -> Result<(), ImportError> {
    let deck = file.deck();
    let damaged = |core: &Core| core.damaged().any(|damaged| damaged.deck == deck);
    if shared.read(damaged) {
        return Err(DeckError::Damaged(deck).into());
    }
    if shared.read(|core| core.decks().contains(&deck)) {
        return Ok(());
    }
    while let Some((kind, bytes)) = file.next()? {
        if kind != Kind::Key {
            continue;
        }
        let invite = DeckInvite::from_bytes(&bytes).filter(|invite| invite.deck() == deck);
        let invite = invite.ok_or(FileError::Damaged {
            what: "the deck's key",
        })?;
        let saving = shared.apply(|core, now| {
            let ticket = core.join(now, &invite);
            Ok::<_, ImportError>(crate::core::Applied { value: (), ticket })
        });
        return shared.runtime().block_on(saving);
    }
    Err(ImportError::NoKey(deck))
}

fn read_audio<R: Read + Seek>(
    shared: &Arc<Shared>,
    file: &mut Whole<R>,
    blob: BlobId,
    size: u64,
) -> Result<(), ImportError> {
    let blobs = shared.store.blobs();
    if size > BLOB_BYTES_MAX {
        return Err(ImportError::Refused("audio beyond the limit".to_owned()));
    }
    if matches!(blobs.status(blob.into()), Ok(BlobStatus::Whole { .. })) {
        return Ok(());
    }
    let imported = blobs.import(&mut file.audio(size), size);
    let (hash, bytes) = imported.map_err(|error| ImportError::Audio(error.to_string()))?;
    if BlobId::from(hash) != blob || bytes != size {
        // What came instead is nobody's, and is collected as such.
        return Err(ImportError::Refused(
            "audio that is not what its hash says".to_owned(),
        ));
    }
    shared.drive(|core, now| core.audio_imported(now, blob));
    Ok(())
}
