//! Audio, as a browser plays it: in ranges, and as nothing but audio.

use std::io::{Read, Seek, SeekFrom};

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cuecard::{AudioError, BlobId, Deck};

/// Bytes of one answer. A browser asks for the next when it plays on.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// What is played as what. A type comes from whoever attached the audio: only these are said on, under our own names; anything
/// else is bytes, which no browser runs or shows.
const PLAYED: [(&str, &str); 14] = [
    ("audio/wav", "audio/wav"),
    ("audio/x-wav", "audio/wav"),
    ("audio/wave", "audio/wav"),
    ("audio/webm", "audio/webm"),
    ("audio/ogg", "audio/ogg"),
    ("audio/opus", "audio/ogg"),
    ("audio/mpeg", "audio/mpeg"),
    ("audio/mp3", "audio/mpeg"),
    ("audio/mp4", "audio/mp4"),
    ("audio/m4a", "audio/mp4"),
    ("audio/x-m4a", "audio/mp4"),
    ("audio/aac", "audio/aac"),
    ("audio/flac", "audio/flac"),
    ("audio/x-flac", "audio/flac"),
];

/// The name under which a type is served.
pub(super) fn served_as(mime: &str) -> &'static str {
    let plain = mime
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let known = PLAYED.iter().find(|(name, _)| *name == plain);
    known.map_or("application/octet-stream", |(_, served)| served)
}

/// Which bytes are asked for: the first and the one behind the last. `None` if there are none such.
fn range_of(headers: &HeaderMap, size: u64) -> Result<Option<(u64, u64)>, ()> {
    let Some(range) = headers.get(header::RANGE) else {
        return Ok(None);
    };
    let text = range.to_str().map_err(drop)?.strip_prefix("bytes=").ok_or(())?;
    // Several ranges at a time are nothing that plays.
    let (first, last) = text.split_once('-').filter(|_| !text.contains(',')).ok_or(())?;
    let range = match (first.trim(), last.trim()) {
        ("", "") => return Err(()),
        ("", suffix) => {
            let suffix: u64 = suffix.parse().map_err(drop)?;
            (size.saturating_sub(suffix), size)
        }
        (first, "") => (first.parse().map_err(drop)?, size),
        (first, last) => {
            let last: u64 = last.parse().map_err(drop)?;
            (first.parse().map_err(drop)?, last.saturating_add(1).min(size))
        }
    };
    if range.0 < range.1 {
        Ok(Some(range))
    } else {
        Err(())
    }
}

/// Reads what is asked for. Waits for the disk.
pub(super) fn answer(deck: &Deck, blob: BlobId, mime: &str, headers: &HeaderMap) -> Response {
    match read(deck, blob, mime, headers) {
        Ok(response) => response,
        Err(Trouble::NotHere(why)) => (StatusCode::NOT_FOUND, why.to_string()).into_response(),
        Err(Trouble::Disk(why)) => (StatusCode::INTERNAL_SERVER_ERROR, why.to_string()).into_response(),
    }
}

enum Trouble {
    NotHere(AudioError),
    Disk(std::io::Error),
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self::Disk(error)
    }
}

fn read(deck: &Deck, blob: BlobId, mime: &str, headers: &HeaderMap) -> Result<Response, Trouble> {
    let mut audio = deck.open_audio(blob).map_err(Trouble::NotHere)?;
    let size = audio.seek(SeekFrom::End(0))?;
    let Ok(range) = range_of(headers, size) else {
        let of = format!("bytes */{size}");
        return Ok((StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, of)]).into_response());
    };
    let (from, to) = range.unwrap_or((0, size));
    // Whoever asks for no range gets all of it or, of what is long, the first part and word that there is more.
    let to = to.min(from + ANSWER_BYTES_MAX);
    let is_part = range.is_some() || to < size;
    audio.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::with_capacity(usize::try_from(to - from).unwrap_or(0));
    audio.take(to - from).read_to_end(&mut bytes)?;
    let end = from + bytes.len() as u64;
    let status = if is_part {
        StatusCode::PARTIAL_CONTENT
    } else {
        StatusCode::OK
    };
    let mut response = (
        status,
        [
            (header::CONTENT_TYPE, served_as(mime).to_owned()),
            (
                header::CONTENT_DISPOSITION,
                "inline; filename=\"audio\"".to_owned(),
            ),
            (header::ACCEPT_RANGES, "bytes".to_owned()),
        ],
        Body::from(bytes),
    )
        .into_response();
    let says = format!("bytes {from}-{}/{size}", end.saturating_sub(1));
    if is_part && let Ok(value) = says.parse() {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Result<Option<(u64, u64)>, ()> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, text.parse().unwrap());
        range_of(&headers, 100)
    }

    #[test]
    fn ranges_are_read_as_the_rules_say() {
        assert_eq!(range_of(&HeaderMap::new(), 100), Ok(None));
        assert_eq!(range("bytes=0-"), Ok(Some((0, 100))));
        assert_eq!(range("bytes=10-19"), Ok(Some((10, 20))));
        assert_eq!(range("bytes=90-1000"), Ok(Some((90, 100))));
        assert_eq!(range("bytes=-5"), Ok(Some((95, 100))));
        let wrong = [
            "bytes=100-",
            "bytes=20-10",
            "bytes=",
            "bytes=-",
            "bytes=a-",
            "lines=1-2",
            "bytes=0-1,4-5",
            "bytes=-0",
        ];
        for wrong in wrong {
            assert_eq!(range(wrong), Err(()), "{wrong}");
        }
        assert_eq!(range(&format!("bytes=0-{}", u64::MAX)), Ok(Some((0, 100))));
    }

    #[test]
    fn only_audio_is_served_as_what_it_says_to_be() {
        assert_eq!(served_as("audio/webm; codecs=opus"), "audio/webm");
        assert_eq!(served_as("AUDIO/WAV"), "audio/wav");
        for other in [
            "text/html",
            "image/svg+xml",
            "audio/html",
            "",
            "audio/wav2",
            "text/javascript",
        ] {
            assert_eq!(served_as(other), "application/octet-stream", "{other}");
        }
    }
}
