//! The changes of a slice as one string of bytes: what a change has in common with those before it is not said again, and
//! like stands beside like, so that the compression of the message finds what repeats.
//!
//! A change as it lies says the hash of the one before it, its actor, a message that names a card, and ten columns of a byte
//! or two: some 150 bytes, hardly two in a row of which repeat. `PROTOCOL.md` has the form. What is unpacked is byte for
//! byte what was packed, whatever that was: it is the gate's to say whether it is a change.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::gate::Input;
use crate::limits::{MESSAGE_BYTES_MAX, SLICE_CHANGES_MAX};

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const CHANGE_CHUNK: u8 = 1;

/// Not said as it lies, but in parts.
const IN_PARTS: u8 = 1;
/// It depends on the change before it in the slice, and on nothing else.
const FOLLOWS: u8 = 2;
/// Its actor is that of the change before that was said in parts.
const SAME_ACTOR: u8 = 4;
/// The column of element counters is one number, said by its distance from the change's first operation.
const NEAR_KEY: u8 = 8;
/// The same of the column of reference counters.
const NEAR_REFERENCE: u8 = 16;

const KEY_COUNTER: u64 = 19;
const REFERENCE_COUNTER: u64 = 115;
/// One value that is not repeated, as a column of runs spells it.
const ONE_VALUE: u8 = 0x7f;

/// Columns of one change: Automerge knows fewer than twenty.
const COLUMNS_MAX: u64 = 64;

/// What the next change is compared with.
#[derive(Default)]
struct Before {
    hash: Option<[u8; 32]>,
    actor: Vec<u8>,
    seq: u64,
    start_op: u64,
    time: i64,
}

impl Before {
    /// `hash`: of the change that `parts` make.
    fn follow(&mut self, parts: &Parts<'_>, hash: [u8; 32]) {
        self.hash = Some(hash);
        if self.actor != parts.actor {
            self.actor = parts.actor.to_vec();
        }
        (self.seq, self.start_op, self.time) = (parts.seq, parts.start_op, parts.time);
    }
}

/// A change, taken apart.
struct Parts<'a> {
    dependencies: Vec<&'a [u8]>,
    actor: &'a [u8],
    seq: u64,
    start_op: u64,
    time: i64,
    message: &'a [u8],
    /// The other actors, and which columns of which lengths there are, as they are spelled.
    layout: &'a [u8],
    columns: Vec<(u64, &'a [u8])>,
}

/// Changes as they travel.
pub(crate) fn pack<'a>(changes: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut packer = Packer::default();
    for change in changes {
        let parts = take_apart(change);
        let made = parts.map(|parts| (put_together(&parts), parts));
        // A change that is spelled otherwise than this would spell it travels as it lies.
        match made.filter(|((bytes, _), _)| bytes == change) {
            Some(((_, hash), parts)) => packer.add(&parts, hash),
            None => packer.add_whole(change),
        }
    }
    packer.finish()
}

/// The changes again. Makes at most what a message may have, and no more of them than a slice.
///
/// # Errors
/// What is wrong.
pub(crate) fn unpack(packed: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut input = Input(packed);
    let damaged = || "these are no packed changes".to_owned();
    let count = input.unsigned().map_err(|_| damaged())?;
    if count > SLICE_CHANGES_MAX as u64 {
        return Err(format!("a list of more than {SLICE_CHANGES_MAX}"));
    }
    unpack_from(count, input).ok_or_else(damaged)
}

fn unpack_from(count: u64, mut input: Input<'_>) -> Option<Vec<Vec<u8>>> {
    let mut stream = || {
        let length = input.unsigned().ok()?;
        input.take(length, "").ok().map(Input)
    };
    let (flags, numbers, whole) = (stream()?, stream()?, stream()?);
    let (messages, layouts) = (Table::of(stream()?), Table::of(stream()?));
    let mut columns = BTreeMap::new();
    let kinds = input.unsigned().ok().filter(|kinds| *kinds <= COLUMNS_MAX)?;
    for _ in 0..kinds {
        let kind = input.unsigned().ok()?;
        let length = input.unsigned().ok()?;
        columns.insert(kind, Input(input.take(length, "").ok()?));
    }
    let mut unpacker = Unpacker {
        flags,
        numbers,
        whole,
        messages,
        layouts,
        columns,
        before: Before::default(),
    };
    let (mut changes, mut bytes) = (Vec::new(), 0);
    for _ in 0..count {
        let change = unpacker.next()?;
        bytes += change.len();
        if bytes > MESSAGE_BYTES_MAX {
            return None;
        }
        changes.push(change);
    }
    (input.0.is_empty() && unpacker.is_empty()).then_some(changes)
}

fn take_apart(change: &[u8]) -> Option<Parts<'_>> {
    let mut input = Input(change);
    input.take(8, "").ok()?;
    if input.byte().ok()? != CHANGE_CHUNK || input.unsigned().ok()? != input.0.len() as u64 {
        return None;
    }
    let count = input.unsigned().ok()?;
    let dependencies = input.take(count.checked_mul(32)?, "").ok()?.chunks(32).collect();
    let actor = input.string().ok()?;
    let (seq, start_op, time) = (
        input.unsigned().ok()?,
        input.unsigned().ok()?,
        input.signed().ok()?,
    );
    let message = input.string().ok()?;
    let rest = input.0;
    let kinds = read_layout(&mut input)?;
    let (layout, _) = rest.split_at_checked(rest.len().checked_sub(input.0.len())?)?;
    let mut columns = Vec::with_capacity(kinds.len());
    for (kind, length) in kinds {
        columns.push((kind, input.take(length, "").ok()?));
    }
    input.0.is_empty().then_some(Parts {
        dependencies,
        actor,
        seq,
        start_op,
        time,
        message,
        layout,
        columns,
    })
}

/// Which columns there are, and how long each is.
fn read_layout(input: &mut Input<'_>) -> Option<Vec<(u64, u64)>> {
    for _ in 0..input.unsigned().ok()? {
        input.string().ok()?;
    }
    let count = input.unsigned().ok().filter(|count| *count <= COLUMNS_MAX)?;
    let mut kinds = Vec::new();
    for _ in 0..count {
        kinds.push((input.unsigned().ok()?, input.unsigned().ok()?));
    }
    Some(kinds)
}

/// The bytes of a change, and its hash.
fn put_together(parts: &Parts<'_>) -> (Vec<u8>, [u8; 32]) {
    let mut body = Vec::with_capacity(256);
    put_unsigned(&mut body, parts.dependencies.len() as u64);
    parts
        .dependencies
        .iter()
        .for_each(|dependency| body.extend_from_slice(dependency));
    put_string(&mut body, parts.actor);
    put_unsigned(&mut body, parts.seq);
    put_unsigned(&mut body, parts.start_op);
    put_signed(&mut body, parts.time);
    put_string(&mut body, parts.message);
    body.extend_from_slice(parts.layout);
    parts
        .columns
        .iter()
        .for_each(|(_, column)| body.extend_from_slice(column));
    let mut length = Vec::with_capacity(4);
    put_unsigned(&mut length, body.len() as u64);
    let hasher = Sha256::new().chain_update([CHANGE_CHUNK]);
    let hash: [u8; 32] = hasher.chain_update(&length).chain_update(&body).finalize().into();
    let [first, second, third, fourth, ..] = hash;
    let bytes = [
        MAGIC.as_slice(),
        &[first, second, third, fourth, CHANGE_CHUNK],
        &length,
        &body,
    ];
    (bytes.concat(), hash)
}

/// The number in a column that has one, and is spelled as this would spell it.
fn one_number(column: &[u8]) -> Option<i64> {
    let number = Input(column.strip_prefix(&[ONE_VALUE])?).signed().ok()?;
    (one_column(number) == column).then_some(number)
}

fn one_column(number: i64) -> Vec<u8> {
    let mut column = vec![ONE_VALUE];
    put_signed(&mut column, number);
    column
}

#[derive(Default)]
struct Packer {
    flags: Vec<u8>,
    numbers: Vec<u8>,
    whole: Vec<u8>,
    messages: (BTreeMap<Vec<u8>, u64>, Vec<u8>),
    layouts: (BTreeMap<Vec<u8>, u64>, Vec<u8>),
    columns: BTreeMap<u64, Vec<u8>>,
    before: Before,
}

impl Packer {
    fn add_whole(&mut self, change: &[u8]) {
        self.flags.push(0);
        put_unsigned(&mut self.numbers, change.len() as u64);
        self.whole.extend_from_slice(change);
        self.before.hash = None;
    }

    fn add(&mut self, parts: &Parts<'_>, hash: [u8; 32]) {
        let (mut flags, before, numbers) = (IN_PARTS, &self.before, &mut self.numbers);
        match (parts.dependencies.as_slice(), before.hash) {
            ([one], Some(hash)) if *one == hash => flags |= FOLLOWS,
            (all, _) => {
                put_unsigned(numbers, all.len() as u64);
                all.iter()
                    .for_each(|dependency| self.whole.extend_from_slice(dependency));
            }
        }
        if before.actor == parts.actor {
            flags |= SAME_ACTOR;
        } else {
            put_unsigned(numbers, parts.actor.len() as u64);
            self.whole.extend_from_slice(parts.actor);
        }
        put_distance(numbers, before.seq.wrapping_add(1), parts.seq);
        put_distance(numbers, before.start_op, parts.start_op);
        put_distance(numbers, before.time.cast_unsigned(), parts.time.cast_unsigned());
        refer(&mut self.messages, numbers, parts.message);
        refer(&mut self.layouts, numbers, parts.layout);
        for (kind, column) in &parts.columns {
            let near = match *kind {
                KEY_COUNTER => NEAR_KEY,
                REFERENCE_COUNTER => NEAR_REFERENCE,
                _ => 0,
            };
            // Of two columns of one kind, which no change that counts has, the first.
            match one_number(column).filter(|_| near != 0 && flags & near == 0) {
                Some(number) => {
                    flags |= near;
                    put_distance(numbers, number.cast_unsigned(), parts.start_op);
                }
                None => self.columns.entry(*kind).or_default().extend_from_slice(column),
            }
        }
        self.flags.push(flags);
        self.before.follow(parts, hash);
    }

    fn finish(self) -> Vec<u8> {
        let mut packed = Vec::new();
        put_unsigned(&mut packed, self.flags.len() as u64);
        for stream in [
            &self.flags,
            &self.numbers,
            &self.whole,
            &self.messages.1,
            &self.layouts.1,
        ] {
            put_string(&mut packed, stream);
        }
        put_unsigned(&mut packed, self.columns.len() as u64);
        for (kind, column) in &self.columns {
            put_unsigned(&mut packed, *kind);
            put_string(&mut packed, column);
        }
        packed
    }
}

/// Says something that was said before by its number, from 1; or 0, its length, and the thing itself.
fn refer(table: &mut (BTreeMap<Vec<u8>, u64>, Vec<u8>), numbers: &mut Vec<u8>, what: &[u8]) {
    let (known, stream) = table;
    if let Some(number) = known.get(what) {
        return put_unsigned(numbers, *number);
    }
    known.insert(what.to_vec(), known.len() as u64 + 1);
    put_unsigned(numbers, 0);
    put_unsigned(numbers, what.len() as u64);
    stream.extend_from_slice(what);
}

/// What was said so far, and the rest of the stream.
struct Table<'a> {
    said: Vec<&'a [u8]>,
    rest: Input<'a>,
}

impl<'a> Table<'a> {
    const fn of(rest: Input<'a>) -> Self {
        Self {
            said: Vec::new(),
            rest,
        }
    }

    fn next(&mut self, numbers: &mut Input<'_>) -> Option<&'a [u8]> {
        let number = usize::try_from(numbers.unsigned().ok()?).ok()?;
        if let Some(at) = number.checked_sub(1) {
            return self.said.get(at).copied();
        }
        let what = self.rest.take(numbers.unsigned().ok()?, "").ok()?;
        self.said.push(what);
        Some(what)
    }
}

struct Unpacker<'a> {
    flags: Input<'a>,
    numbers: Input<'a>,
    whole: Input<'a>,
    messages: Table<'a>,
    layouts: Table<'a>,
    columns: BTreeMap<u64, Input<'a>>,
    before: Before,
}

impl Unpacker<'_> {
    fn next(&mut self) -> Option<Vec<u8>> {
        let flags = self.flags.byte().ok()?;
        let has = |flag: u8| flags & flag != 0;
        let (numbers, before) = (&mut self.numbers, &self.before);
        if !has(IN_PARTS) {
            let change = self.whole.take(numbers.unsigned().ok()?, "").ok()?.to_vec();
            self.before.hash = None;
            return Some(change);
        }
        let followed = before.hash.unwrap_or_default();
        let dependencies = if has(FOLLOWS) {
            vec![followed.as_slice()]
        } else {
            let bytes = numbers.unsigned().ok()?.checked_mul(32)?;
            self.whole.take(bytes, "").ok()?.chunks(32).collect()
        };
        let known = before.actor.clone();
        let actor = match has(SAME_ACTOR) {
            true => known.as_slice(),
            false => self.whole.take(numbers.unsigned().ok()?, "").ok()?,
        };
        let seq = distant(numbers, before.seq.wrapping_add(1))?;
        let start_op = distant(numbers, before.start_op)?;
        let time = distant(numbers, before.time.cast_unsigned())?.cast_signed();
        let message = self.messages.next(numbers)?;
        let layout = self.layouts.next(numbers)?;
        let kinds = read_layout(&mut Input(layout))?;
        let mut near = flags & (NEAR_KEY | NEAR_REFERENCE);
        let mut made = Vec::new();
        for (kind, _) in &kinds {
            let flag = match *kind {
                KEY_COUNTER => NEAR_KEY,
                REFERENCE_COUNTER => NEAR_REFERENCE,
                _ => 0,
            };
            if near & flag != 0 {
                near &= !flag;
                let number = start_op.wrapping_sub(unsigned_of(numbers.unsigned().ok()?));
                made.push(Some(one_column(number.cast_signed())));
            } else {
                made.push(None);
            }
        }
        let mut columns = Vec::with_capacity(kinds.len());
        for ((kind, length), made) in kinds.iter().zip(&made) {
            let column = match made {
                Some(made) => made.as_slice(),
                None => self.columns.get_mut(kind)?.take(*length, "").ok()?,
            };
            columns.push((*kind, column));
        }
        let parts = Parts {
            dependencies,
            actor,
            seq,
            start_op,
            time,
            message,
            layout,
            columns,
        };
        let (change, hash) = put_together(&parts);
        self.before.follow(&parts, hash);
        Some(change)
    }

    fn is_empty(&self) -> bool {
        let streams = [&self.flags, &self.numbers, &self.whole];
        let tables = [&self.messages.rest, &self.layouts.rest];
        let mut all = streams.into_iter().chain(tables).chain(self.columns.values());
        all.all(|stream| stream.0.is_empty())
    }
}

/// How far `to` is from `from`, small whichever way.
fn put_distance(out: &mut Vec<u8>, from: u64, to: u64) {
    let distance = to.wrapping_sub(from).cast_signed();
    put_unsigned(out, ((distance << 1) ^ (distance >> 63)).cast_unsigned());
}

fn unsigned_of(spelled: u64) -> u64 {
    (spelled >> 1) ^ (spelled & 1).wrapping_neg()
}

fn distant(numbers: &mut Input<'_>, from: u64) -> Option<u64> {
    Some(from.wrapping_add(unsigned_of(numbers.unsigned().ok()?)))
}

fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    put_unsigned(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_unsigned(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let bits = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            return out.push(bits);
        }
        out.push(bits | 0x80);
    }
}

fn put_signed(out: &mut Vec<u8>, mut value: i64) {
    loop {
        let bits = (value & 0x7f) as u8;
        value >>= 7;
        let is_last = (value == 0 && bits & 0x40 == 0) || (value == -1 && bits & 0x40 != 0);
        if is_last {
            return out.push(bits);
        }
        out.push(bits | 0x80);
    }
}

#[cfg(test)]
mod tests;
