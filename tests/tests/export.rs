//! A deck goes from device to device as a file: nothing is lost, nothing is taken twice, and a file that is damaged,
//! cut short, of another kind or made up changes nothing that it may not.

use std::fs;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::sync::Arc;
use std::time::Duration;

use cuecard::core::CompactWhen;
use cuecard::export::{ExportError, ExportWith, FileError, ImportError};
use cuecard::store::{FaultyStore, MemoryStore};
use cuecard::transport::DeviceKey;
use cuecard::{AudioAbout, Deck, DraftState, Engine, Member, Rights, WorkProgress, Working};
use tokio::time::timeout;

/// An engine that compacts all the time: what is exported lies in snapshots as well as in logs.
fn device(number: u8) -> (Engine, Arc<FaultyStore<MemoryStore>>) {
    let store = Arc::new(FaultyStore::new(MemoryStore::new()));
    let often = CompactWhen {
        changes: 5,
        bytes: usize::MAX,
    };
    let builder = Engine::builder().compact_when(often);
    let key = DeviceKey::from_bytes(&[number; 32]);
    let engine = builder.open_on(store.clone(), key).expect("an engine");
    (engine, store)
}

async fn add(deck: &Deck, count: usize) {
    for at in 0..count {
        let front = format!("card {at}");
        deck.edit(|edit| edit.add_card(&front, "").map(drop))
            .await
            .expect("it may edit");
    }
}

async fn bytes_of(deck: &Deck, with: ExportWith) -> Vec<u8> {
    deck.export_to(Vec::new(), with).await.expect("it is exported").0
}

async fn import(engine: &Engine, bytes: &[u8]) -> Result<cuecard::export::Imported, ImportError> {
    engine.import_from(Cursor::new(bytes.to_vec())).await
}

fn sound() -> Vec<u8> {
    (0..700_000_u32).map(|at| (at % 251) as u8).collect()
}

async fn with_audio(deck: &Deck) {
    let about = AudioAbout {
        mime: "audio/webm".to_owned(),
        name: "hola.webm".to_owned(),
        duration_ms: 900,
    };
    let audio = deck
        .import_audio(Cursor::new(sound()), about)
        .await
        .expect("audio");
    deck.edit(|edit| {
        let card = edit.add_card("hola", "hello")?;
        edit.attach_audio(&card, "front", audio)
    })
    .await
    .expect("it may edit");
}

#[tokio::test]
async fn a_deck_arrives_whole_and_importing_it_again_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("spanish.cuecard");
    let (laptop, _) = device(1);
    let deck = laptop.create_deck("Spanish").await.expect("a deck");
    add(&deck, 333).await;
    with_audio(&deck).await;
    fs::write(&path, "what was there before").expect("a file");
    let with = ExportWith::default().and_key().and_audio();
    let exported = deck.export(&path, with).await.expect("it is exported");
    assert_eq!((exported.audio, exported.audio_inside), (1, 1));
    assert_eq!(exported.bytes, fs::metadata(&path).expect("the file").len());
    let files = fs::read_dir(folder.path()).expect("the folder").count();
    assert_eq!(files, 1, "nothing half-written is left");

    let (phone, store) = device(2);
    let imported = phone.import(&path).await.expect("it is imported");
    assert_eq!(imported.new_changes, deck.entry_count().expect("it"));
    assert!(imported.missing_audio.is_empty());
    let copy = imported.deck;
    assert_eq!(copy.head().expect("it"), deck.head().expect("it"));
    assert_eq!(copy.cards().expect("it"), deck.cards().expect("it"));
    let blob = copy.cards().expect("it").last().expect("a card").audio["front"].blob;
    let mut bytes = Vec::new();
    let mut audio = copy.open_audio(blob).expect("the audio is here");
    std::io::Read::read_to_end(&mut audio, &mut bytes).expect("and whole");
    assert!(bytes == sound(), "byte for byte");

    let (commits, head) = (store.commits(), copy.head().expect("it"));
    // What is compacted meanwhile is noted by commits of its own; it is done once nothing more comes.
    let again = phone.import(&path).await.expect("again");
    assert_eq!(again.new_changes, 0);
    assert_eq!(copy.head().expect("it"), head);
    assert!(store.commits() - commits <= 1, "at most the note on a snapshot");
}

#[tokio::test]
async fn without_its_key_a_file_is_for_those_who_follow_the_deck() {
    let (laptop, _) = device(1);
    let deck = laptop.create_deck("Spanish").await.expect("a deck");
    add(&deck, 3).await;
    with_audio(&deck).await;
    let bytes = bytes_of(&deck, ExportWith::default()).await;
    let invite = deck.invite(cuecard::Rights::Read).expect("an invite").to_bytes();
    let key = &invite[38..];
    assert!(
        !bytes.windows(32).any(|window| window == key),
        "the key is secret"
    );
    let with_key = bytes_of(&deck, ExportWith::default().and_key()).await;
    assert!(with_key.windows(32).any(|window| window == key));

    let (phone, _) = device(2);
    let refused = import(&phone, &bytes).await;
    assert!(
        matches!(&refused, Err(ImportError::NoKey(id)) if *id == deck.id()),
        "{refused:?}"
    );
    assert!(phone.decks().is_empty());
    phone
        .join(&deck.invite(cuecard::Rights::Read).expect("an invite"))
        .await
        .expect("joined");
    let imported = import(&phone, &bytes).await.expect("it is imported");
    assert_eq!(imported.deck.head().expect("it"), deck.head().expect("it"));
    assert_eq!(imported.missing_audio.len(), 1, "only named in the file");
}

#[tokio::test]
async fn one_that_is_behind_catches_up_and_one_that_is_ahead_stays_so() {
    let (laptop, _) = device(1);
    let deck = laptop.create_deck("Spanish").await.expect("a deck");
    add(&deck, 30).await;
    let early = bytes_of(&deck, ExportWith::default().and_key()).await;
    add(&deck, 412).await;
    let late = bytes_of(&deck, ExportWith::default()).await;
    let (phone, _) = device(2);
    let copy = import(&phone, &early).await.expect("the early one").deck;
    assert_eq!(copy.cards().expect("it").len(), 30);
    let imported = import(&phone, &late).await.expect("the late one");
    assert_eq!(imported.new_changes, 412);
    assert_eq!(copy.head().expect("it"), deck.head().expect("it"));
    let imported = import(&phone, &early).await.expect("the early one again");
    assert_eq!(imported.new_changes, 0);
    let imported = import(&laptop, &early).await.expect("its own");
    assert_eq!(imported.new_changes, 0);
    assert_eq!(copy.head().expect("it"), deck.head().expect("it"));
}

/// No link at all: a draft goes to the editor, and the deck comes back, in files.
#[tokio::test]
async fn a_draft_is_offered_and_accepted_by_files_alone() {
    let (laptop, _) = device(1);
    let (phone, _) = device(2);
    let deck = laptop.create_deck("Spanish").await.expect("a deck");
    add(&deck, 12).await;
    let member = Member {
        device: phone.device(),
        rights: Rights::Draft,
        rank: 1,
    };
    deck.set_members(vec![member]).await.expect("the owner may");
    let out = bytes_of(&deck, ExportWith::default().and_key()).await;
    let copy = import(&phone, &out).await.expect("it is imported").deck;
    let draft = copy.draft("more words").await.expect("a draft");
    draft
        .edit(|edit| edit.add_card("adios", "bye").map(drop))
        .await
        .expect("its own");
    draft.propose().await.expect("its own");

    let back = bytes_of(&copy, ExportWith::default()).await;
    import(&laptop, &back).await.expect("it is imported");
    let offered = deck.drafts().expect("it");
    assert_eq!(offered.len(), 1);
    assert_eq!(offered[0].author, phone.device());
    deck.accept_draft(offered[0].draft).await.expect("it is merged");
    add(&deck, 20).await;

    let out = bytes_of(&deck, ExportWith::default()).await;
    import(&phone, &out).await.expect("it is imported");
    assert_eq!(copy.head().expect("it"), deck.head().expect("it"));
    assert_eq!(copy.drafts().expect("it")[0].state, DraftState::Accepted);
    // And a third, that saw none of it.
    let (tablet, _) = device(3);
    let out = bytes_of(&deck, ExportWith::default().and_key()).await;
    let third = import(&tablet, &out).await.expect("it is imported").deck;
    assert_eq!(third.head().expect("it"), deck.head().expect("it"));
    assert_eq!(third.cards().expect("it"), deck.cards().expect("it"));
}

/// The laptop's disk is restored from a backup between two exports: who imports both keeps what lost, and hands it on.
#[tokio::test]
async fn what_lost_travels_in_files_too() {
    let (laptop, store) = device(1);
    let deck = laptop.create_deck("Spanish").await.expect("a deck");
    add(&deck, 20).await;
    let backup = store.inner().snapshot();
    add(&deck, 230).await;
    let lost = bytes_of(&deck, ExportWith::default().and_key()).await;

    let restored = MemoryStore::restore(backup);
    let key = DeviceKey::from_bytes(&[1; 32]);
    let laptop = Engine::builder()
        .open_on(Arc::new(restored), key)
        .expect("the backup opens");
    let deck = laptop.decks().pop().expect("the deck");
    add(&deck, 7).await;
    let stays = bytes_of(&deck, ExportWith::default()).await;

    let (phone, _) = device(2);
    let copy = import(&phone, &lost).await.expect("the one").deck;
    import(&phone, &stays).await.expect("the other");
    assert_eq!(copy.head().expect("it"), deck.head().expect("it"));
    let late = copy.late_work().expect("it");
    assert!(!late.is_empty(), "what lost is kept");
    let (tablet, _) = device(3);
    let both = bytes_of(&copy, ExportWith::default().and_key()).await;
    let third = import(&tablet, &both).await.expect("both in one").deck;
    assert_eq!(third.head().expect("it"), deck.head().expect("it"));
    assert_eq!(third.late_work().expect("it"), late);
}

#[tokio::test]
async fn a_damaged_file_is_refused_by_name_and_changes_nothing() {
    let (laptop, _) = device(1);
    let deck = laptop.create_deck("Spanish").await.expect("a deck");
    add(&deck, 7).await;
    let sound = bytes_of(&deck, ExportWith::default().and_key()).await;
    let (phone, store) = device(2);
    let file_error = |result: Result<_, ImportError>, what: String| match result {
        Err(ImportError::File(error)) => error,
        other => panic!(
            "{what}: {:?}",
            other.map(|_: cuecard::export::Imported| "imported")
        ),
    };
    for at in 0..sound.len() {
        let mut damaged = sound.clone();
        damaged[at] ^= 0x40;
        let error = file_error(import(&phone, &damaged).await, format!("byte {at}"));
        match at {
            0..8 => assert!(matches!(error, FileError::NotADeck), "byte {at}: {error}"),
            8 => assert!(
                matches!(error, FileError::Newer { found: 0x40 }),
                "byte {at}: {error}"
            ),
            _ => assert!(
                matches!(error, FileError::Damaged { .. } | FileError::Truncated),
                "byte {at}: {error}"
            ),
        }
    }
    for len in 0..sound.len() {
        let error = file_error(import(&phone, &sound[..len]).await, format!("cut to {len}"));
        match len {
            0..8 => assert!(matches!(error, FileError::NotADeck), "cut to {len}: {error}"),
            _ => assert!(matches!(error, FileError::Truncated), "cut to {len}: {error}"),
        }
    }
    let error = file_error(
        import(&phone, &[sound.as_slice(), b"x"].concat()).await,
        "more".to_owned(),
    );
    assert!(matches!(error, FileError::Damaged { .. }), "{error}");
    let error = file_error(
        import(&phone, b"PK\x03\x04 something else").await,
        "other".to_owned(),
    );
    assert!(matches!(error, FileError::NotADeck), "{error}");
    assert_eq!(store.commits(), 0, "nothing was written");
    import(&phone, &sound).await.expect("the sound one");
}

/// Whoever makes a file up can make its checksum fit. Then the gate is what stands.
#[tokio::test]
async fn a_file_that_was_made_up_gets_nothing_past_the_gate() {
    let (laptop, _) = device(1);
    let deck = laptop.create_deck("Spanish").await.expect("a deck");
    add(&deck, 5).await;
    let sound = bytes_of(&deck, ExportWith::default().and_key()).await;
    let honest: Vec<_> = deck
        .cards()
        .expect("it")
        .into_iter()
        .map(|card| card.front)
        .collect();
    let body = sound.len() - 32 - 5;
    let (mut refused, mut harmless) = (0, 0);
    for at in (42..body).step_by(3) {
        let mut forged = sound[..body].to_vec();
        forged[at] ^= 1 << (at % 8);
        let hash = blake3::hash(&forged);
        forged.extend_from_slice(&[0, 32, 0, 0, 0]);
        forged.extend_from_slice(hash.as_bytes());
        let (phone, _) = device(2);
        match import(&phone, &forged).await {
            Ok(_) => harmless += 1,
            Err(_) => refused += 1,
        }
        for deck in phone.decks() {
            let Ok(cards) = deck.cards() else { continue };
            let fronts: Vec<_> = cards.into_iter().map(|card| card.front).collect();
            assert!(honest.starts_with(&fronts), "byte {at}: {fronts:?}");
        }
    }
    assert!(refused > harmless, "{refused} refused, {harmless} did no harm");
}

#[tokio::test]
async fn a_file_that_cannot_be_written_leaves_the_one_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let (laptop, store) = device(1);
    let deck = laptop.create_deck("Spanish").await.expect("a deck");
    add(&deck, 3).await;
    let nowhere = folder.path().join("no such folder").join("deck");
    let failed = deck.export(&nowhere, ExportWith::default()).await;
    assert!(matches!(failed, Err(ExportError::Io(_))), "{failed:?}");

    let path = folder.path().join("deck");
    fs::write(&path, "before").expect("a file");
    drop(store);
    laptop.shutdown().await.expect("the disk is well");
    let failed = deck.export(&path, ExportWith::default()).await;
    assert!(matches!(failed, Err(ExportError::Store(_))), "{failed:?}");
    assert_eq!(fs::read(&path).expect("the file"), b"before");
    assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 1);
}

/// Lets so many bytes through, and waits until it is told to go on.
struct Gate<T> {
    inner: T,
    left: usize,
    go: std::sync::mpsc::Receiver<()>,
}

impl<T> Gate<T> {
    fn new(inner: T, left: usize) -> (Self, std::sync::mpsc::Sender<()>) {
        let (tell, go) = std::sync::mpsc::channel();
        (Self { inner, left, go }, tell)
    }

    fn pass(&mut self, bytes: usize) -> usize {
        if self.left == 0 {
            self.go.recv().expect("to be told");
            self.left = usize::MAX;
        }
        bytes.min(self.left)
    }
}

impl<T: Read> Read for Gate<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = self.pass(buffer.len());
        let read = self.inner.read(&mut buffer[..most])?;
        self.left -= read;
        Ok(read)
    }
}

impl<T: Write> Write for Gate<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let most = self.pass(bytes.len());
        let written = self.inner.write(&bytes[..most])?;
        self.left -= written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Seek> Seek for Gate<T> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

/// What work says while it stands still at a gate, and what it says when it is done.
async fn watched<T, E: std::fmt::Debug>(
    mut work: Working<T, E>,
    at_least: u64,
    go: std::sync::mpsc::Sender<()>,
) -> (WorkProgress, WorkProgress, T) {
    while work.progress().done_bytes < at_least {
        let further = timeout(Duration::from_secs(20), work.further()).await;
        further
            .expect("it says how far it is")
            .expect("it stands still, and is not done");
    }
    let (before, mut last) = (work.progress(), work.progress());
    go.send(()).expect("it waits");
    while let Some(now) = work.further().await {
        assert!(now.done_bytes >= last.done_bytes, "{last:?}, then {now:?}");
        last = now;
    }
    (before, last, work.await.expect("it is done"))
}

#[tokio::test]
async fn long_work_says_how_far_it_is() {
    let (laptop, _) = device(1);
    let deck = laptop.create_deck("Spanish 101").await.expect("a deck");
    let sound = sound();
    let size = sound.len() as u64;
    let about = AudioAbout {
        mime: "audio/webm".to_owned(),
        name: "hola.webm".to_owned(),
        duration_ms: 900,
    };
    let (gate, go) = Gate::new(Cursor::new(sound), 400_000);
    let (before, last, audio) = watched(deck.import_audio(gate, about), 300_000, go).await;
    assert!(
        before.done_bytes <= 400_000 && before.all_bytes.is_none(),
        "{before:?}"
    );
    assert_eq!((last.done_bytes, last.all_bytes), (size, Some(size)));
    deck.edit(|edit| {
        let card = edit.add_card("hola", "hello")?;
        edit.attach_audio(&card, "front", audio)
    })
    .await
    .expect("it may edit");
    add(&deck, 30).await;

    let with = ExportWith::default().and_key().and_audio();
    let (gate, go) = Gate::new(Vec::new(), 600_000);
    let work = deck.export_to(gate, with);
    let (before, last, (file, exported)) = watched(work, 256_000, go).await;
    let all = before.all_bytes.expect("it is estimated");
    assert!(
        before.done_bytes <= 600_000 && (size..2 * size).contains(&all),
        "{before:?}"
    );
    assert_eq!((last.done_bytes, last.all_bytes), (all, Some(all)));

    // It is read whole once, to be compared with its checksum; the gate is in the second reading.
    let (phone, _) = device(2);
    let length = exported.bytes;
    let (gate, go) = Gate::new(Cursor::new(file.inner), length as usize + 400_000);
    let (before, last, imported) = watched(phone.import_from(gate), length + 256_000, go).await;
    assert_eq!(before.all_bytes, Some(2 * length));
    assert!(before.done_bytes <= length + 400_000, "{before:?}");
    assert_eq!((last.done_bytes, last.all_bytes), (2 * length, Some(2 * length)));
    assert_eq!(imported.missing_audio, []);
    assert_eq!(
        imported.deck.head().expect("a head"),
        deck.head().expect("a head")
    );

    // One that fails says why, and not that it is done.
    let mut work = phone.import_from(Cursor::new(vec![1; 300_000]));
    let mut last = work.progress();
    while let Some(now) = work.further().await {
        last = now;
    }
    assert!(last.done_bytes < 600_000, "{last:?}");
    assert!(matches!(work.await, Err(ImportError::File(FileError::NotADeck))));
}
