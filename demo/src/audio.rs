//! A melody made of sine waves, as a WAV file: the same bytes every time, about 1 MiB.

use std::f32::consts::TAU;

/// Frames a second, each of two samples of 16 bits.
const RATE: u32 = 44_100;
const CHANNELS: u32 = 2;
const BYTES_PER_FRAME: u32 = CHANNELS * 2;
/// "Frère Jacques", as far as it takes for a mebibyte, in hertz.
const NOTES: [f32; 12] = [
    261.63, 293.66, 329.63, 261.63, 261.63, 293.66, 329.63, 261.63, 329.63, 349.23, 392.0, 392.0,
];
const FRAMES_PER_NOTE: u32 = RATE / 2;

/// How long the melody plays.
pub(crate) const DURATION_MS: u64 = NOTES.len() as u64 * FRAMES_PER_NOTE as u64 * 1000 / RATE as u64;
/// What it is.
pub(crate) const MIME: &str = "audio/wav";

/// The file's bytes.
pub(crate) fn melody() -> Vec<u8> {
    let frames = NOTES.len() as u32 * FRAMES_PER_NOTE;
    let data_bytes = frames * BYTES_PER_FRAME;
    let mut file = header(data_bytes);
    for note in NOTES {
        for frame in 0..FRAMES_PER_NOTE {
            let sample = sample(note, frame).to_le_bytes();
            for _ in 0..CHANNELS {
                file.extend_from_slice(&sample);
            }
        }
    }
    file
}

/// One sample, faded in and out so that notes do not click.
fn sample(hertz: f32, frame: u32) -> i16 {
    const FADE: u32 = RATE / 50;
    let from_edge = frame.min(FRAMES_PER_NOTE - 1 - frame).min(FADE);
    let loudness = 0.3 * from_edge as f32 / FADE as f32;
    let wave = (TAU * hertz * frame as f32 / RATE as f32).sin();
    (wave * loudness * f32::from(i16::MAX)) as i16
}

fn header(data_bytes: u32) -> Vec<u8> {
    let mut header = Vec::with_capacity(44 + data_bytes as usize);
    header.extend_from_slice(b"RIFF");
    header.extend_from_slice(&(36 + data_bytes).to_le_bytes());
    header.extend_from_slice(b"WAVEfmt ");
    header.extend_from_slice(&16_u32.to_le_bytes());
    header.extend_from_slice(&1_u16.to_le_bytes());
    header.extend_from_slice(&(CHANNELS as u16).to_le_bytes());
    header.extend_from_slice(&RATE.to_le_bytes());
    header.extend_from_slice(&(RATE * BYTES_PER_FRAME).to_le_bytes());
    header.extend_from_slice(&(BYTES_PER_FRAME as u16).to_le_bytes());
    header.extend_from_slice(&16_u16.to_le_bytes());
    header.extend_from_slice(b"data");
    header.extend_from_slice(&data_bytes.to_le_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_melody_is_a_wav_of_about_a_mebibyte_that_plays_six_seconds() {
        let file = melody();
        assert_eq!(&file[..4], b"RIFF");
        assert_eq!(
            u32::from_le_bytes(file[4..8].try_into().unwrap()) as usize,
            file.len() - 8
        );
        assert_eq!(
            u32::from_le_bytes(file[40..44].try_into().unwrap()) as usize,
            file.len() - 44
        );
        assert!((1 << 20..1 << 21).contains(&file.len()), "{} bytes", file.len());
        assert_eq!(DURATION_MS, 6_000);
        assert!(file[44..].iter().any(|&byte| byte != 0), "silence is no melody");
        assert_eq!(file, melody(), "the same bytes every time");
    }
}
