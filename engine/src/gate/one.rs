//! A change of one operation, as most are: read, and known to be in its one spelling, without being spelled anew.
//!
//! A column of one value has one spelling: one value that is not repeated, in as few bytes as it takes. So where every
//! number is as short as it can be, and no column is there that need not be, these are the bytes that Automerge makes of
//! such a change. What is spelled in any other way is not judged here, but by being spelled anew: it may be a change of
//! several operations. A test compares the two, over every byte of many changes.

use std::borrow::Cow;

use automerge::legacy::OpType;
use automerge::{Change, ObjType, ScalarValue};

use super::chunk::{Input, column, unsigned_length};
use super::operation::{Key, Mark, Operation};

/// One value that is not repeated.
const ONE: u8 = 0x7f;

/// What the bytes of a change say, if it is of one operation and spelled in the one way. They were checked, and `change` is
/// how Automerge reads them.
pub(super) fn read<'a>(change: &Change, bytes: &'a [u8]) -> Option<Operation<'a>> {
    let mut input = Strict(Input(bytes));
    input.0.take(9, "").ok()?;
    input.unsigned()?;
    let dependencies = input.unsigned()?;
    input.0.take(dependencies.checked_mul(32)?, "").ok()?;
    let own = input.string()?;
    let (_seq, start_op, _time) = (input.unsigned()?, input.unsigned()?, input.signed()?);
    std::str::from_utf8(input.string()?).ok()?;
    let other = match input.unsigned()? {
        0 => None,
        1 => Some(input.string()?).filter(|other| *other != own),
        _ => return None,
    };
    let has_other = other.is_some();
    if start_op == 0 || change.other_actor_ids().len() != usize::from(has_other) {
        return None;
    }
    let columns = Columns::of(&mut input)?;
    let operation = columns.operation(1 + usize::from(has_other))?;
    // One that nothing names would not be listed.
    let names_other = |name: Option<u64>| name == Some(1);
    let is_named = names_other(columns.one(column::OBJECT_ACTOR))
        || names_other(columns.one(column::KEY_ACTOR))
        || names_other(columns.one(column::REFERENCE_ACTOR));
    (is_named == has_other).then_some(operation)
}

/// Numbers in as few bytes as they take.
struct Strict<'a>(Input<'a>);

impl<'a> Strict<'a> {
    fn unsigned(&mut self) -> Option<u64> {
        let before = self.0.0.len();
        let value = self.0.unsigned().ok()?;
        (before - self.0.0.len() == unsigned_length(value)).then_some(value)
    }

    fn signed(&mut self) -> Option<i64> {
        let before = self.0.0.len();
        let value = self.0.signed().ok()?;
        (before - self.0.0.len() == signed_length(value)).then_some(value)
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.unsigned()?;
        self.0.take(length, "").ok()
    }

    fn is_empty(&self) -> bool {
        self.0.0.is_empty()
    }
}

/// Bytes of the shortest spelling of a signed number: seven bits each, and one of them for the sign.
const fn signed_length(value: i64) -> usize {
    let magnitude = if value < 0 { !value } else { value };
    (65 - magnitude.leading_zeros() as usize).div_ceil(7)
}

/// The columns of a change, none of them empty.
struct Columns<'a>(Vec<(u64, &'a [u8])>);

impl<'a> Columns<'a> {
    fn of(input: &mut Strict<'a>) -> Option<Self> {
        let count = input.unsigned()?;
        let mut lengths = Vec::with_capacity(column::COUNT);
        for _ in 0..count {
            lengths.push((input.unsigned()?, input.unsigned()?));
        }
        let mut columns = Vec::with_capacity(lengths.len());
        for (column, length) in lengths {
            let data = input.0.take(length, "").ok()?;
            if data.is_empty() {
                return None;
            }
            columns.push((column, data));
        }
        input.is_empty().then_some(Self(columns))
    }

    fn get(&self, wanted: u64) -> Option<&'a [u8]> {
        let found = self.0.iter().find(|(column, _)| *column == wanted);
        found.map(|(_, data)| *data)
    }

    /// The one value of a column of numbers.
    fn one(&self, wanted: u64) -> Option<u64> {
        let mut input = Strict(Input(self.get(wanted)?.strip_prefix(&[ONE])?));
        input.unsigned().filter(|_| input.is_empty())
    }

    /// The one value of a column of differences: that from zero.
    fn one_from_zero(&self, wanted: u64) -> Option<u64> {
        let mut input = Strict(Input(self.get(wanted)?.strip_prefix(&[ONE])?));
        let value = input.signed().filter(|_| input.is_empty())?;
        u64::try_from(value).ok().filter(|value| *value > 0)
    }

    /// The operation, of a change that names so many actors.
    fn operation(&self, actors: usize) -> Option<Operation<'a>> {
        let mut seen = 5;
        let name = |counter: u64, actor: u64| -> Option<Mark> {
            let actor = usize::try_from(actor).ok().filter(|actor| *actor < actors)?;
            Some((counter, actor))
        };
        // The root has no name, and nothing else has that number.
        let counter = self.one(column::OBJECT_COUNTER).filter(|counter| *counter > 0)?;
        let object = name(counter, self.one(column::OBJECT_ACTOR)?)?;
        let key = match self.get(column::KEY_STRING) {
            Some(key) => {
                seen += 1;
                let mut input = Strict(Input(key.strip_prefix(&[ONE])?));
                let key = input.string().filter(|_| input.is_empty())?;
                Key::Map(Cow::Borrowed(std::str::from_utf8(key).ok()?))
            }
            None => {
                seen += 2;
                let element = name(
                    self.one_from_zero(column::KEY_COUNTER)?,
                    self.one(column::KEY_ACTOR)?,
                )?;
                Key::Element(element)
            }
        };
        let insert = match self.get(column::INSERT)? {
            [1] => false,
            [0, 1] => true,
            _ => return None,
        };
        let value = self.value(&mut seen)?;
        let action = match (self.one(column::ACTION)?, value) {
            (0, ScalarValue::Null) => OpType::Make(ObjType::Map),
            (1, value) => OpType::Put(value),
            (3, ScalarValue::Null) => OpType::Delete,
            (4, ScalarValue::Null) => OpType::Make(ObjType::Text),
            _ => return None,
        };
        seen += 1;
        let references = match self.one(column::REFERENCE_COUNT)? {
            0 => vec![],
            1 => {
                seen += 2;
                let counter = self.one_from_zero(column::REFERENCE_COUNTER)?;
                vec![name(counter, self.one(column::REFERENCE_ACTOR)?)?]
            }
            _ => return None,
        };
        // Every column was looked at.
        (seen == self.0.len()).then_some(Operation {
            action,
            object: Some(object),
            key,
            references,
            insert,
        })
    }

    fn value(&self, seen: &mut usize) -> Option<ScalarValue> {
        let meta = self.one(column::VALUE_META)?;
        let bytes = self.get(column::VALUE);
        *seen += usize::from(bytes.is_some());
        let bytes = bytes.unwrap_or_default();
        if meta >> 4 != bytes.len() as u64 {
            return None;
        }
        let mut input = Strict(Input(bytes));
        let value = match meta & 15 {
            0 => ScalarValue::Null,
            1 => ScalarValue::Boolean(false),
            2 => ScalarValue::Boolean(true),
            3 => ScalarValue::Uint(input.unsigned()?),
            4 => ScalarValue::Int(input.signed()?),
            5 => {
                let eight = input.0.take(8, "").ok()?;
                ScalarValue::F64(f64::from_le_bytes(*eight.first_chunk()?))
            }
            6 => {
                let text = input.0.take(bytes.len() as u64, "").ok()?;
                ScalarValue::Str(std::str::from_utf8(text).ok()?.into())
            }
            _ => return None,
        };
        input.is_empty().then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::FieldValue;
    use crate::gate::chunk;
    use crate::gate::operation::decoded;
    use crate::gate::tests::Pair;

    /// As it is without this: decoded, and spelled anew.
    fn by_spelling(bytes: &[u8]) -> Option<Vec<Operation<'static>>> {
        chunk::check(bytes).ok()?;
        let change = Change::try_from(bytes).ok()?;
        let expanded = change.decode();
        let is_it = Change::from(expanded.clone()).raw_bytes() == bytes;
        is_it.then(|| decoded(&change, expanded).unwrap())
    }

    fn by_this(bytes: &[u8]) -> Option<Vec<Operation<'_>>> {
        chunk::check(bytes).ok()?;
        Some(vec![read(&Change::try_from(bytes).ok()?, bytes)?])
    }

    /// With the checksum that its content has: otherwise all would end there.
    fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
        if let Ok(change) = Change::try_from(bytes.as_slice()) {
            bytes[4..8].copy_from_slice(&change.hash().0[..4]);
        }
        bytes
    }

    /// The same body under a header that says its length.
    fn headed(body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x85, 0x6f, 0x4a, 0x83, 0, 0, 0, 0, 1];
        let mut length = body.len();
        while length >= 0x80 {
            bytes.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend_from_slice(body);
        sealed(bytes)
    }

    fn changes() -> Vec<Vec<u8>> {
        let mut pair = Pair::new();
        let card = pair.cards[0].clone();
        let fields = [
            FieldValue::Int(-1),
            FieldValue::Int(1 << 40),
            FieldValue::Bool(true),
            FieldValue::Text("a text, ünd so".to_owned()),
            FieldValue::Text(String::new()),
            FieldValue::Float(0.25),
        ];
        let mut changes = Vec::new();
        for value in fields {
            changes.push(pair.change(|edit| edit.set_field(&card, "seen", Some(value))));
        }
        changes.push(pair.change(|edit| edit.delete_card(&card)));
        changes.push(pair.change(|edit| edit.tag(&card, "tag")));
        changes.push(pair.change(|edit| edit.rename_deck("another title")));
        changes.push(pair.change(|edit| edit.splice_text(&card, crate::card::TextField::Front, 1, 0, "x")));
        changes.push(pair.change(|edit| edit.splice_text(&card, crate::card::TextField::Front, 0, 1, "")));
        changes.push(pair.change(|edit| edit.splice_text(&card, crate::card::TextField::Front, 0, 0, "xy")));
        changes
    }

    #[test]
    fn most_changes_are_read_here_and_as_automerge_reads_them() {
        let changes = changes();
        let here = changes.iter().filter(|bytes| {
            let read = by_this(bytes);
            assert!(read.is_none() || read == by_spelling(bytes));
            read.is_some()
        });
        // All but the one of two operations.
        assert_eq!(here.count(), changes.len() - 1);
    }

    #[test]
    fn what_is_read_here_is_what_would_be_spelled_so() {
        let (mut read_here, mut others) = (0, 0);
        let mut compare = |bytes: Vec<u8>| {
            // Automerge's own reader panics on some of these, which the checks before it are there to keep from it.
            let here = std::panic::catch_unwind(|| by_this(&bytes)).unwrap_or(None);
            let Some(here) = here else {
                others += 1;
                return;
            };
            read_here += 1;
            // As text: a number that is none is not equal to itself.
            let spelled = by_spelling(&bytes).map(|change| format!("{change:?}"));
            assert_eq!(Some(format!("{here:?}")), spelled, "{bytes:02x?}");
        };
        for change in changes() {
            let header = if change[9] & 0x80 == 0 { 10 } else { 11 };
            let body = &change[header..];
            for at in 0..body.len() {
                // Every bit and some values; a byte that goes; a byte more; a number in more bytes than it takes.
                for value in (0..8)
                    .map(|bit| body[at] ^ (1 << bit))
                    .chain([0, 1, 0x7e, 0x7f, 0x80])
                {
                    let mut other = body.to_vec();
                    other[at] = value;
                    compare(headed(&other));
                }
                let mut fewer = body.to_vec();
                fewer.remove(at);
                compare(headed(&fewer));
                for more in [0, 1, 0x7f] {
                    let mut longer = body.to_vec();
                    longer.insert(at, more);
                    compare(headed(&longer));
                }
                let mut longer = body.to_vec();
                longer[at] |= 0x80;
                longer.insert(at + 1, 0);
                compare(headed(&longer));
            }
        }
        assert!(read_here > 100 && others > 1_000, "{read_here} and {others}");
    }

    #[test]
    fn signed_numbers_are_as_long_as_they_are() {
        for (value, length) in [
            (0, 1),
            (63, 1),
            (64, 2),
            (-64, 1),
            (-65, 2),
            (8_191, 2),
            (8_192, 3),
            (i64::MAX, 10),
            (i64::MIN, 10),
        ] {
            assert_eq!(signed_length(value), length, "{value}");
        }
    }
}
