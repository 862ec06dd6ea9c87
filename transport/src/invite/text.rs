//! Bytes as text that survives chats, mails and typing: lower-case base32 without i, l, o, u, ending in a check.

use super::CodeError;
use crate::limits::CODE_CHARACTERS_MAX;

/// Crockford's base32, as in device ids: one alphabet for all that people copy.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// One wrong code in four billion passes.
const CHECK_BYTES: usize = 4;

/// Marks the text as ours and tells a person which codes belong together.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut all = bytes.to_vec();
    all.extend_from_slice(&check(bytes));
    let mut text = String::with_capacity(all.len() * 8 / 5 + 1);
    let (mut buffer, mut bits) = (0_u32, 0_u32);
    for byte in all {
        buffer = ((buffer << 8) | u32::from(byte)) & 0xffff;
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            push(&mut text, buffer >> bits);
        }
    }
    if bits > 0 {
        push(&mut text, buffer << (5 - bits));
    }
    text
}

/// White space anywhere is forgiven, as is upper case; anything else must be exact.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, CodeError> {
    let mut bytes = Vec::new();
    let (mut buffer, mut bits) = (0_u32, 0_u32);
    for (at, character) in text.chars().enumerate() {
        if at >= CODE_CHARACTERS_MAX {
            return Err(CodeError::Long);
        }
        if character.is_whitespace() {
            continue;
        }
        let lower = character.to_ascii_lowercase();
        let value = ALPHABET.iter().position(|&symbol| char::from(symbol) == lower);
        let value = value.ok_or(CodeError::Character(character))?;
        buffer = ((buffer << 5) | u32::try_from(value).unwrap_or(0)) & 0xffff;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((buffer >> bits).to_le_bytes()[0]);
        }
    }
    // What is left over is padding: fewer than five bits, all zero. One code has one spelling.
    if bits >= 5 || buffer & ((1 << bits) - 1) != 0 {
        return Err(CodeError::Check);
    }
    let body = bytes.len().checked_sub(CHECK_BYTES).ok_or(CodeError::Short)?;
    let found = bytes.split_off(body);
    if found == check(&bytes) {
        Ok(bytes)
    } else {
        Err(CodeError::Check)
    }
}

fn push(text: &mut String, value: u32) {
    if let Some(&symbol) = ALPHABET.get((value & 31) as usize) {
        text.push(char::from(symbol));
    }
}

fn check(bytes: &[u8]) -> [u8; CHECK_BYTES] {
    let [a, b, c, d, ..] = blake3::derive_key("cuecard code check v0", bytes);
    [a, b, c, d]
}
