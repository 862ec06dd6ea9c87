//! Every limit of the store, with its reason.

/// The longest record or value: an order above what the layers above make (256 KiB changes, MiB-sized
/// state), and small enough that one damaged length cannot make us allocate much.
pub const VALUE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The longest key: a few ids joined. A node of sled holds up to 256 keys, and one above 128 KiB goes to a file that
/// sled never syncs: with keys of 1 KiB that happened.
pub const KEY_BYTES_MAX: usize = 256;

/// The most bytes that wait for the disk. A disk this far behind is stuck or far too slow, and what
/// waits is lost when the process dies: better to say so than to keep taking.
pub const QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A segment of sled's file. What a segment held is overwritten when all of it was written anew elsewhere and one more
/// segment was filled since; whether that new place has reached the disk, sled does not know. Larger ones make the smallest
/// file larger (10 MiB with these, 20 MiB with twice that, measured) and opening slower.
pub const SEGMENT_BYTES: usize = 2 * 1024 * 1024;

/// The most bytes of sled's log between two syncs, so that nothing is overwritten before its new place was synced: with 100
/// batches of 7 operations a sync and segments of 512 KiB, 32 of 215 images of a power cut had lost what was acknowledged
/// before. Half a segment, because [`ENTRY_SHARE_BYTES`] is an estimate.
pub const SYNC_BYTES_MAX: usize = SEGMENT_BYTES / 2;

/// What one entry costs in sled's log besides itself: nodes of at most 17 entries are written whole after every tenth change.
pub const ENTRY_SHARE_BYTES: usize = 2 * PIECE_BYTES_MAX;

/// The largest physical value given to sled: above a few KiB it leaks space (286 MB of file for 3 MB
/// of live data was measured), so longer values are split.
pub const PIECE_BYTES_MAX: usize = 4 * 1024;

/// The page cache of sled, whose own default is 1 GiB.
pub const CACHE_BYTES: u64 = 32 * 1024 * 1024;

/// The largest blob: an hour of audio fits several times, and the verification tree stays at 4 MiB.
pub const BLOB_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// The most groups encoded or written at once: bounds memory per call to about 1 MiB.
pub const SLICE_GROUPS_MAX: u64 = 64;

/// The longest snapshot: a deck of 100,000 changes makes about 4 MB, and one is held in memory whole.
pub const SNAPSHOT_BYTES_MAX: usize = 256 * 1024 * 1024;

/// The longest expectation of a snapshot: some heads of 32 bytes each.
pub const EXPECTATION_BYTES_MAX: usize = 4096;

/// Groups whose encoded slice always fits one transport frame of 64 KiB less 64 bytes of header, up to
/// the deepest tree [`BLOB_BYTES_MAX`] allows.
pub const FRAME_GROUPS_MAX: u64 = 3;

/// Partial blobs kept at one time: each costs files, descriptors while open and a verification at start.
pub const PARTIAL_BLOBS_MAX: usize = 4096;

/// The longest list of idle blobs that is read: some 800,000 of them.
pub const IDLE_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// How many damages a [`crate::Report`] spells out; the rest are counted.
pub const REPORT_DAMAGES_MAX: usize = 64;

/// The largest blob kept in memory: whoever keeps larger ones has a disk.
pub const MEMORY_BLOB_BYTES_MAX: u64 = 256 * 1024 * 1024;
