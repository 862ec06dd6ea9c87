//! Bytes as text that survives chats and mails: letters and digits alone, without those that look alike, ending in a
//! check.
//!
//! Eight bytes become eleven characters. Base64 would save two in a hundred, but chats turn its `_` into italics and
//! its `--` into a dash; base32 would forgive capitals, but an offer with three addresses would no longer fit into
//! 160 characters.

use super::CodeError;
use crate::limits::CODE_CHARACTERS_MAX;

const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

const BLOCK_BYTES: usize = 8;
const BLOCK_CHARACTERS: usize = 11;
/// Characters for so many bytes: as few as hold them.
const CHARACTERS: [usize; BLOCK_BYTES + 1] = [0, 2, 3, 5, 6, 7, 9, 10, BLOCK_CHARACTERS];

/// One wrong code in four billion passes.
const CHECK_BYTES: usize = 4;

pub(super) fn encode(bytes: &[u8]) -> String {
    let mut all = bytes.to_vec();
    all.extend_from_slice(&check(bytes));
    let mut text = String::with_capacity(all.len().div_ceil(BLOCK_BYTES) * BLOCK_CHARACTERS);
    for block in all.chunks(BLOCK_BYTES) {
        let mut value = block
            .iter()
            .fold(0_u64, |value, &byte| (value << 8) | u64::from(byte));
        let mut symbols = Vec::with_capacity(BLOCK_CHARACTERS);
        for _ in 0..CHARACTERS.get(block.len()).copied().unwrap_or(0) {
            let symbol = usize::try_from(value % 58).ok().and_then(|at| ALPHABET.get(at));
            symbols.extend(symbol.copied().map(char::from));
            value /= 58;
        }
        text.extend(symbols.iter().rev());
    }
    text
}

/// White space anywhere is forgiven; anything else must be exact.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, CodeError> {
    let mut values = Vec::new();
    for (at, character) in text.chars().enumerate() {
        if at >= CODE_CHARACTERS_MAX {
            return Err(CodeError::Long);
        }
        if character.is_whitespace() || is_invisible(character) {
            continue;
        }
        let value = ALPHABET
            .iter()
            .position(|&symbol| char::from(symbol) == character);
        values.push(value.ok_or(CodeError::Character(character))? as u64);
    }
    let mut bytes = Vec::with_capacity(values.len());
    for block in values.chunks(BLOCK_CHARACTERS) {
        let count = CHARACTERS
            .iter()
            .position(|&characters| characters == block.len());
        let count = count.ok_or(CodeError::Check)?;
        let value = block
            .iter()
            .try_fold(0_u64, |value, &symbol| value.checked_mul(58)?.checked_add(symbol));
        let value = value.ok_or(CodeError::Check)?.to_be_bytes();
        let (above, block) = value.split_at(BLOCK_BYTES - count);
        // One code has one spelling.
        if above.iter().any(|&byte| byte != 0) {
            return Err(CodeError::Check);
        }
        bytes.extend_from_slice(block);
    }
    let body = bytes.len().checked_sub(CHECK_BYTES).ok_or(CodeError::Short)?;
    let found = bytes.split_off(body);
    if found == check(&bytes) {
        Ok(bytes)
    } else {
        Err(CodeError::Check)
    }
}

/// What chats and mails put where they may break a line, and around what they quote.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}' | '\u{feff}')
}

fn check(bytes: &[u8]) -> [u8; CHECK_BYTES] {
    let [a, b, c, d, ..] = blake3::derive_key("cuecard code check v0", bytes);
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_comes_back_and_has_one_spelling() {
        for length in 0..200_usize {
            for fill in [0x00, 0x5a, 0xff] {
                let bytes = vec![fill; length];
                let text = encode(&bytes);
                assert_eq!(decode(&text), Ok(bytes));
            }
        }
        // The largest value of a block, and one more.
        assert_eq!(decode("jpXCZedGfVQ"), Err(CodeError::Check));
        assert_eq!(decode("zzzzzzzzzzz"), Err(CodeError::Check));
    }

    #[test]
    fn what_chats_put_between_is_forgiven() {
        let text = encode(b"hola");
        let spread: String = text.chars().flat_map(|c| [c, '\u{200b}', '\n', ' ']).collect();
        assert_eq!(decode(&spread), Ok(b"hola".to_vec()));
    }
}
