//! Form: the bytes of one change, bounded before anything decodes them.
//!
//! A column is runs of values, and a run of 2^60 costs ten bytes; Automerge's decoder would follow it to the end. It also
//! takes an actor's number at its word and indexes with it. So all runs are counted and all such numbers are compared here, by their runs, without
//! unfolding them.

use automerge::Change;

use super::operation::{Operation, decoded};
use super::{Refusal, one};
use crate::limits::{
    CHANGE_BYTES_MAX, CHANGE_MESSAGE_BYTES_MAX, CHANGE_OPS_MAX, DECK_OPS_MAX, NAME_BYTES_MAX, REFERENCES_MAX,
};

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const CHANGE_CHUNK: u8 = 1;
/// The line before, and a draft that is accepted.
const DEPENDENCIES_MAX: u64 = 2;
const ACTOR_BYTES_MAX: u64 = 64;

/// The columns of a change of a deck. Those of marks are missing: a deck has none.
pub(super) mod column {
    pub(in crate::gate) const COUNT: usize = 12;
    pub(in crate::gate) const OBJECT_ACTOR: u64 = 1;
    pub(in crate::gate) const OBJECT_COUNTER: u64 = 2;
    pub(in crate::gate) const KEY_ACTOR: u64 = 17;
    pub(in crate::gate) const KEY_COUNTER: u64 = 19;
    pub(in crate::gate) const KEY_STRING: u64 = 21;
    pub(in crate::gate) const INSERT: u64 = 52;
    pub(in crate::gate) const ACTION: u64 = 66;
    pub(in crate::gate) const VALUE_META: u64 = 86;
    pub(in crate::gate) const VALUE: u64 = 87;
    pub(in crate::gate) const REFERENCE_COUNT: u64 = 112;
    pub(in crate::gate) const REFERENCE_ACTOR: u64 = 113;
    pub(in crate::gate) const REFERENCE_COUNTER: u64 = 115;
}

/// Actions: make a map, put, delete, make a text. No list, no counter, no table, no mark.
const ACTIONS: [u64; 4] = [0, 1, 3, 4];
/// The highest type of value: null, false, true, unsigned, signed, float, text. Above are bytes, counters, times, unknown ones.
const VALUE_TYPE_MAX: u64 = 6;

/// Reads one change.
pub(super) fn read(bytes: &[u8]) -> Result<(Change, Vec<Operation<'_>>), Refusal> {
    if bytes.len() > CHANGE_BYTES_MAX {
        return Err(Refusal::ChangeTooLarge { bytes: bytes.len() });
    }
    check(bytes)?;
    let change = Change::try_from(bytes).map_err(|error| Refusal::Unreadable {
        what: error.to_string(),
    })?;
    if bytes.get(4..8) != change.hash().0.get(..4) {
        return Err(Refusal::Checksum);
    }
    if let Some(operation) = one::read(&change, bytes) {
        return Ok((change, vec![operation]));
    }
    let expanded = change.decode();
    // Two decoders could read a crooked spelling in two ways; there is no crooked spelling of what is spelled anew.
    if Change::from(expanded.clone()).raw_bytes() != bytes {
        return Err(Refusal::Spelling);
    }
    let operations = decoded(&change, expanded)?;
    Ok((change, operations))
}

/// Everything that can be bounded without decoding. Says how many operations there are.
pub(super) fn check(bytes: &[u8]) -> Result<u64, Refusal> {
    let mut input = Input(bytes);
    if input.take(4, "it is too short")? != MAGIC {
        return Err(Refusal::NotAChunk {
            what: "it does not begin like one",
        });
    }
    input.take(4, "it is too short")?;
    let kind = input
        .take(1, "it is too short")?
        .first()
        .copied()
        .unwrap_or_default();
    if kind != CHANGE_CHUNK {
        return Err(Refusal::WrongChunk { kind });
    }
    let before = input.0.len();
    let length = input.unsigned()?;
    // The length is not part of what is hashed: two spellings would be two chunks of one hash.
    let spelled = before - input.0.len();
    if length != input.0.len() as u64 || spelled != unsigned_length(length) {
        return Err(Refusal::NotAChunk {
            what: "its length is not what it says",
        });
    }
    let dependencies = input.unsigned()?;
    if dependencies > DEPENDENCIES_MAX {
        return Err(Refusal::WrongDependencies {
            found: usize::try_from(dependencies).unwrap_or(usize::MAX),
        });
    }
    input.take(32 * dependencies, "its dependencies are cut off")?;
    input.actor()?;
    input.unsigned()?; // seq
    if input.unsigned()? > DECK_OPS_MAX {
        return Err(Refusal::DeckFull);
    }
    input.signed()?; // time
    let message = input.unsigned()?;
    if message > CHANGE_MESSAGE_BYTES_MAX as u64 {
        return Err(Refusal::NotAChunk {
            what: "its message is too long",
        });
    }
    input.take(message, "its message is cut off")?;
    let others = input.unsigned()?;
    // Each takes a byte at least, so what is left bounds them.
    if others > input.0.len() as u64 {
        return Err(Refusal::NotAChunk {
            what: "its actors are cut off",
        });
    }
    for _ in 0..others {
        input.actor()?;
    }
    let columns = columns(&mut input)?;
    if !input.0.is_empty() {
        return Err(Refusal::NotAChunk {
            what: "it has trailing bytes",
        });
    }
    check_columns(&columns, others + 1)
}

fn columns<'a>(input: &mut Input<'a>) -> Result<Vec<(u64, &'a [u8])>, Refusal> {
    let count = input.unsigned()?;
    let mut columns = Vec::with_capacity(column::COUNT);
    let mut last = 0;
    for _ in 0..count {
        let column = input.unsigned()?;
        let known = matches!(
            column,
            column::OBJECT_ACTOR
                | column::OBJECT_COUNTER
                | column::KEY_ACTOR
                | column::KEY_COUNTER
                | column::KEY_STRING
                | column::INSERT
                | column::ACTION
                | column::VALUE_META
                | column::VALUE
                | column::REFERENCE_COUNT
                | column::REFERENCE_ACTOR
                | column::REFERENCE_COUNTER
        );
        // Ascending, so none twice, so at most as many as are known.
        if !known || column <= last {
            return Err(Refusal::ForeignColumn { column });
        }
        last = column;
        columns.push((column, input.unsigned()?));
    }
    let mut found = Vec::with_capacity(columns.len());
    for (column, length) in columns {
        found.push((column, input.take(length, "its columns are cut off")?));
    }
    Ok(found)
}

fn check_columns(columns: &[(u64, &[u8])], actors: u64) -> Result<u64, Refusal> {
    let data = |wanted: u64| {
        columns
            .iter()
            .find(|(column, _)| *column == wanted)
            .map_or(&[][..], |(_, data)| data)
    };
    let bad = |what: &'static str| Refusal::BadColumn { what };

    let ops = count(
        data(column::ACTION),
        CHANGE_OPS_MAX as u64,
        Input::unsigned,
        |_, action| {
            if action.is_some_and(|action| ACTIONS.contains(&action)) {
                Ok(())
            } else {
                Err(bad("an action that no deck has"))
            }
        },
    )?;
    let actor_below = |_, actor: Option<u64>| match actor {
        Some(actor) if actor >= actors => Err(bad("an actor that is not listed")),
        _ => Ok(()),
    };
    let op_below = |_, counter: Option<u64>| match counter {
        Some(counter) if counter > DECK_OPS_MAX => Err(bad("an operation's number is too high")),
        _ => Ok(()),
    };
    count(data(column::OBJECT_ACTOR), ops, Input::unsigned, actor_below)?;
    count(data(column::OBJECT_COUNTER), ops, Input::unsigned, op_below)?;
    count(data(column::KEY_ACTOR), ops, Input::unsigned, actor_below)?;
    deltas(data(column::KEY_COUNTER), ops)?;
    // A long key in a long run would be copied for each operation.
    count(data(column::KEY_STRING), ops, Input::string, |_, key| match key {
        Some(key) if key.len() > NAME_BYTES_MAX => Err(bad("a key is too long")),
        _ => Ok(()),
    })?;
    let mut inserts = Input(data(column::INSERT));
    let mut inserted = 0_u64;
    while !inserts.0.is_empty() {
        inserted = inserted.saturating_add(inserts.unsigned()?);
    }
    if inserted > ops {
        return Err(bad("more insert marks than operations"));
    }
    let mut value_bytes = 0_u64;
    count(data(column::VALUE_META), ops, Input::unsigned, |run, meta| {
        let meta = meta.ok_or(bad("a value without a type"))?;
        if meta & 15 > VALUE_TYPE_MAX {
            return Err(bad("a type of value that no deck has"));
        }
        value_bytes = value_bytes.saturating_add((meta >> 4).saturating_mul(run));
        Ok(())
    })?;
    if value_bytes != data(column::VALUE).len() as u64 {
        return Err(bad("values are not as long as they say"));
    }
    let mut references = 0_u64;
    count(
        data(column::REFERENCE_COUNT),
        ops,
        Input::unsigned,
        |run, each| {
            references =
                references.saturating_add(each.ok_or(bad("no count of references"))?.saturating_mul(run));
            Ok(())
        },
    )?;
    if references > REFERENCES_MAX {
        return Err(Refusal::TooManyOps);
    }
    count(
        data(column::REFERENCE_ACTOR),
        references,
        Input::unsigned,
        actor_below,
    )?;
    deltas(data(column::REFERENCE_COUNTER), references)?;
    Ok(ops)
}

/// Counts the values of a column of runs, showing each run once.
fn count<'a, T: Copy>(
    data: &'a [u8],
    most: u64,
    value: impl Fn(&mut Input<'a>) -> Result<T, Refusal>,
    mut each: impl FnMut(u64, Option<T>) -> Result<(), Refusal>,
) -> Result<u64, Refusal> {
    let mut input = Input(data);
    let mut total = 0_u64;
    let mut grow = |run: u64| {
        total = total.saturating_add(run);
        if total > most {
            Err(Refusal::TooManyOps)
        } else {
            Ok(total)
        }
    };
    while !input.0.is_empty() {
        let run = input.signed()?;
        let length = run.unsigned_abs();
        match run {
            0 => {
                let length = input.unsigned()?;
                grow(length)?;
                each(length, None)?;
            }
            1.. => {
                grow(length)?;
                each(length, Some(value(&mut input)?))?;
            }
            _ => {
                grow(length)?;
                for _ in 0..length {
                    each(1, Some(value(&mut input)?))?;
                }
            }
        }
    }
    Ok(total)
}

/// A column of differences: every sum on the way must be an operation's number. Within a run the sums are a straight line, so
/// its end bounds it.
fn deltas(data: &[u8], most: u64) -> Result<(), Refusal> {
    let bad = Refusal::BadColumn {
        what: "an operation's number is out of bounds",
    };
    let mut sum = 0_i64;
    count(data, most, Input::signed, |run, delta| {
        let Some(delta) = delta else { return Ok(()) };
        sum = i64::try_from(run)
            .ok()
            .and_then(|run| delta.checked_mul(run))
            .and_then(|rise| sum.checked_add(rise))
            .filter(|sum| (0..=DECK_OPS_MAX as i64).contains(sum))
            .ok_or(bad.clone())?;
        Ok(())
    })?;
    Ok(())
}

pub(super) const fn unsigned_length(value: u64) -> usize {
    let bits = 64 - value.leading_zeros() as usize;
    if bits == 0 { 1 } else { bits.div_ceil(7) }
}

/// What is left to read.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn take(&mut self, length: u64, what: &'static str) -> Result<&'a [u8], Refusal> {
        let (taken, rest) = usize::try_from(length)
            .ok()
            .and_then(|length| self.0.split_at_checked(length))
            .ok_or(Refusal::NotAChunk { what })?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Refusal> {
        self.take(1, "a number is cut off")
            .map(|byte| byte.first().copied().unwrap_or_default())
    }

    pub(crate) fn unsigned(&mut self) -> Result<u64, Refusal> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Refusal::NotAChunk {
            what: "a number is too long",
        })
    }

    pub(crate) fn signed(&mut self) -> Result<i64, Refusal> {
        let mut value = 0_i64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = i64::from(byte & 0x7f);
            if shift == 63 && bits != 0 && bits != 0x7f {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                if byte & 0x40 != 0 && shift + 7 < 64 {
                    value |= -1 << (shift + 7);
                }
                return Ok(value);
            }
        }
        Err(Refusal::NotAChunk {
            what: "a number is too long",
        })
    }

    pub(crate) fn string(&mut self) -> Result<&'a [u8], Refusal> {
        let length = self.unsigned()?;
        self.take(length, "a key is cut off")
    }

    fn actor(&mut self) -> Result<(), Refusal> {
        let length = self.unsigned()?;
        if length > ACTOR_BYTES_MAX {
            return Err(Refusal::NotAChunk {
                what: "an actor is too long",
            });
        }
        self.take(length, "an actor is cut off")?;
        Ok(())
    }
}
