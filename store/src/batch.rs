//! What one atomic commit holds.

use std::fmt;

/// The opaque name of a stream; the layer above makes it (a hash of what the stream is for).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId([u8; 32]);

impl StreamId {
    /// Names a stream.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes of the name.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "StreamId({self})")
    }
}

/// One change within a [`Batch`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// A record at the sequence `seq` of a stream.
    Append {
        /// The stream.
        stream: StreamId,
        /// The place in it.
        seq: u64,
        /// The record.
        bytes: Vec<u8>,
    },
    /// A value under a key, in place of the one before.
    Put {
        /// The key.
        key: Vec<u8>,
        /// The value.
        value: Vec<u8>,
    },
    /// No value under a key.
    Delete {
        /// The key.
        key: Vec<u8>,
    },
    /// No records in a stream; they may then be appended afresh, in the same batch even.
    DropStream {
        /// The stream.
        stream: StreamId,
    },
    /// No records in a stream before the sequence `first`: what is older is kept elsewhere.
    TrimStream {
        /// The stream.
        stream: StreamId,
        /// The first record that stays.
        first: u64,
    },
}

impl Operation {
    fn cost(&self) -> usize {
        // Each operation also costs its place in the queue: a flood of empty ones must not be free.
        const OVERHEAD: usize = 64;
        OVERHEAD
            + match self {
                Self::Append { bytes, .. } => bytes.len(),
                Self::Put { key, value } => key.len() + value.len(),
                Self::Delete { key } => key.len(),
                Self::DropStream { .. } | Self::TrimStream { .. } => 0,
            }
    }
}

/// Changes that happen together or not at all, in the order in which they were added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    operations: Vec<Operation>,
}

impl Batch {
    /// A batch without changes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a record at `seq` of `stream`. The same bytes may be appended there again; other bytes are
    /// refused by the commit, because a log that is rewritten in place is no log.
    pub fn append(&mut self, stream: StreamId, seq: u64, bytes: Vec<u8>) {
        self.operations.push(Operation::Append { stream, seq, bytes });
    }

    /// Sets the value under `key`.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.operations.push(Operation::Put { key, value });
    }

    /// Removes the value under `key`, if there is one.
    pub fn delete(&mut self, key: Vec<u8>) {
        self.operations.push(Operation::Delete { key });
    }

    /// Removes every record of `stream`.
    pub fn drop_stream(&mut self, stream: StreamId) {
        self.operations.push(Operation::DropStream { stream });
    }

    /// Removes the records of `stream` before the sequence `first`; the one at `first` and those behind it
    /// stay. Where there are none before it, nothing changes, so it may be asked for again.
    pub fn trim_stream(&mut self, stream: StreamId, first: u64) {
        self.operations.push(Operation::TrimStream { stream, first });
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Adds the changes of `other` behind its own.
    pub fn add_all(&mut self, other: Batch) {
        self.operations.extend(other.operations);
    }

    /// Its changes, in order.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Its changes, in order, by value.
    pub fn into_operations(self) -> Vec<Operation> {
        self.operations
    }

    /// About how many bytes it occupies while it waits for the disk.
    pub fn cost(&self) -> usize {
        self.operations.iter().map(Operation::cost).sum()
    }
}

impl FromIterator<Operation> for Batch {
    fn from_iter<I: IntoIterator<Item = Operation>>(operations: I) -> Self {
        Self {
            operations: operations.into_iter().collect(),
        }
    }
}
