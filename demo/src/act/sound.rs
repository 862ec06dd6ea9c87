//! Files with audio: what they are, how long they play, and taking them in.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use cuecard::{AudioAbout, AudioRef, Deck};

use crate::ask::AudioFile;
use crate::ask::talk::Talk;
use crate::error::Error;

use super::files;

/// By the ending of a file's name.
const BY_ENDING: [(&str, &str); 14] = [
    ("aac", "audio/aac"),
    ("aif", "audio/aiff"),
    ("aiff", "audio/aiff"),
    ("flac", "audio/flac"),
    ("m4a", "audio/mp4"),
    ("mid", "audio/midi"),
    ("mka", "audio/matroska"),
    ("mp3", "audio/mpeg"),
    ("mp4", "audio/mp4"),
    ("oga", "audio/ogg"),
    ("ogg", "audio/ogg"),
    ("opus", "audio/ogg"),
    ("wav", "audio/wav"),
    ("weba", "audio/webm"),
];

/// Reads a file into the deck's audio; its bytes stream from the disk to the store.
pub(super) async fn take_in(deck: &Deck, audio: AudioFile, talk: &Talk) -> Result<AudioRef, Error> {
    let AudioFile { file: path, mime, .. } = audio;
    let looked = tokio::task::spawn_blocking(move || {
        let (file, about) = look(&path, mime)?;
        let length = file.metadata().map_err(|error| Error::file(&path, error))?.len();
        Ok::<_, Error>((path, file, length, about))
    });
    let (path, file, length, about) = looked.await??;
    let work = deck.import_audio(file, about);
    Ok(files::watched(talk, &path, Some(length), work).await?)
}

fn look(path: &Path, mime: Option<String>) -> Result<(File, AudioAbout), Error> {
    let failed = |error| Error::file(path, error);
    let mut file = File::open(path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    if !about.is_file() {
        return Err(Error::NoAudio(format!(
            "{} is no file; --audio takes a file with sound",
            path.display()
        )));
    }
    let mut beginning = Vec::new();
    (&mut file).take(64).read_to_end(&mut beginning).map_err(failed)?;
    let ending = path.extension().and_then(|ending| ending.to_str());
    let mime = match mime.or_else(|| mime_of(ending.unwrap_or_default(), &beginning).map(str::to_owned)) {
        Some(mime) => mime,
        None => {
            return Err(Error::NoAudio(format!(
                "neither its name nor its beginning says that {} is audio; say what it is with --mime, as audio/webm",
                path.display()
            )));
        }
    };
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let duration_ms = wav_duration_ms(&mut file).unwrap_or(0);
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let about = AudioAbout {
        mime,
        name: name.unwrap_or_else(|| "audio".to_owned()),
        duration_ms,
    };
    Ok((file, about))
}

/// What a file is: by how it begins, for that cannot be misnamed; else by the ending of its name.
fn mime_of(ending: &str, beginning: &[u8]) -> Option<&'static str> {
    let at = |from: usize, bytes: &[u8]| beginning.get(from..from + bytes.len()) == Some(bytes);
    let by_content = if at(0, b"RIFF") && at(8, b"WAVE") {
        Some("audio/wav")
    } else if at(0, b"OggS") {
        Some("audio/ogg")
    } else if at(0, b"fLaC") {
        Some("audio/flac")
    } else if at(0, b"ID3") || at(0, &[0xff, 0xfb]) || at(0, &[0xff, 0xf3]) || at(0, &[0xff, 0xf2]) {
        Some("audio/mpeg")
    } else if at(0, &[0xff, 0xf1]) || at(0, &[0xff, 0xf9]) {
        Some("audio/aac")
    } else if at(0, &[0x1a, 0x45, 0xdf, 0xa3]) {
        Some("audio/webm")
    } else if at(4, b"ftyp") {
        Some("audio/mp4")
    } else if at(0, b"FORM") && at(8, b"AIFF") {
        Some("audio/aiff")
    } else if at(0, b"MThd") {
        Some("audio/midi")
    } else {
        None
    };
    let ending = ending.to_ascii_lowercase();
    let by_ending = || BY_ENDING.iter().find(|(known, _)| *known == ending);
    match (by_content, ending.as_str()) {
        // One container, and the name says which of the two it holds.
        (Some("audio/webm"), "mka") => Some("audio/matroska"),
        (Some(mime), _) => Some(mime),
        (None, "webm") => Some("audio/webm"),
        (None, _) => by_ending().map(|(_, mime)| *mime),
    }
}

/// How long a WAV file plays; `None` for other files, and for those whose header says nothing sensible.
fn wav_duration_ms(file: &mut File) -> Option<u64> {
    let length = file.metadata().ok()?.len();
    let mut riff = [0; 12];
    file.read_exact(&mut riff).ok()?;
    if !(riff.starts_with(b"RIFF") && riff.ends_with(b"WAVE")) {
        return None;
    }
    let mut bytes_a_second = None;
    let mut at = 12_u64;
    // A handful of chunks comes before the sound; a file that has more of them is made to waste time.
    for _ in 0..64 {
        let mut head = [0; 8];
        file.seek(SeekFrom::Start(at)).ok()?;
        file.read_exact(&mut head).ok()?;
        let [a, b, c, d, size @ ..] = head;
        let size = u64::from(u32::from_le_bytes(size));
        match &[a, b, c, d] {
            b"fmt " => {
                let mut format = [0; 12];
                file.read_exact(&mut format).ok()?;
                let [.., e, f, g, h] = format;
                bytes_a_second = Some(u64::from(u32::from_le_bytes([e, f, g, h])));
            }
            b"data" => {
                // One that was streamed says 0 or 2^32 - 1: then the sound goes on to the end of the file.
                let rest = length.saturating_sub(at + 8);
                let bytes = if size == 0 { rest } else { size.min(rest) };
                return bytes.checked_mul(1000)?.checked_div(bytes_a_second?);
            }
            _ => {}
        }
        at = at.checked_add(8 + size + size % 2)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn what_a_file_is_comes_from_its_beginning_and_else_from_its_name() {
        for (ending, beginning, mime) in [
            ("wav", &b""[..], Some("audio/wav")),
            ("txt", b"RIFF....WAVEfmt ", Some("audio/wav")),
            ("mp3", b"OggS", Some("audio/ogg")),
            ("WEBM", b"", Some("audio/webm")),
            ("mka", &[0x1a, 0x45, 0xdf, 0xa3], Some("audio/matroska")),
            ("m4a", b"....ftypM4A ", Some("audio/mp4")),
            ("txt", b"hello", None),
            ("", b"", None),
        ] {
            assert_eq!(mime_of(ending, beginning), mime, "{ending} {beginning:?}");
        }
    }

    #[test]
    fn a_wav_says_how_long_it_plays_and_nonsense_says_nothing() {
        let duration = |bytes: &[u8]| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(bytes).unwrap();
            file.seek(SeekFrom::Start(0)).unwrap();
            wav_duration_ms(&mut file)
        };
        let melody = crate::audio::melody();
        assert_eq!(duration(&melody), Some(crate::audio::DURATION_MS));
        let mut streamed = melody.clone();
        streamed[40..44].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(duration(&streamed), Some(crate::audio::DURATION_MS));
        let mut still = melody.clone();
        still[28..32].copy_from_slice(&0_u32.to_le_bytes());
        assert_eq!(duration(&still), None, "nothing a second");
        for end in [0, 11, 12, 20, 35, 43] {
            assert_eq!(duration(&melody[..end]), None, "{end}");
        }
        assert_eq!(duration(b"RIFF\xff\xff\xff\xffWAVEjunk\xff\xff\xff\xff"), None);
    }
}
