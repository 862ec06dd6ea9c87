//! Terms whose holder sealed more than one line. Only a cheat does; yet a later term may have been cut on any of its
//! lines, and then that is the one that counts. So all are kept, the first in the term's own log, the others beside the records.

use std::collections::BTreeMap;

use cuecard_store::{Batch, StreamId};

use super::Log;

use crate::disk::{self, LogRecord, RecordImage};
use crate::id::{ChangeHash, TermId};
use crate::limits::SLICE_CHANGES_MAX;
use crate::role::{Cut, Line};
use crate::sync::message::Position;

/// A term with more than one line.
pub(super) struct Fork {
    /// The end of the line that lies in the term's log.
    logged: Cut,
    /// The changes of all other lines, as a log would hold them.
    others: BTreeMap<ChangeHash, LogRecord>,
}

/// Where stored changes of a term are found.
pub(crate) enum Stored {
    /// In this log, from the number that was asked for.
    Log(StreamId),
    /// Here.
    Here(Vec<LogRecord>),
}

impl Log {
    /// Puts changes that follow `after` into the batch: into the term's log, or beside the records where that has gone
    /// on another way. To be called before the chain counts them as held. Returns those that went into the log.
    pub(super) fn keep_changes(
        &mut self,
        term: TermId,
        after: Cut,
        changes: Vec<(ChangeHash, LogRecord)>,
        batch: &mut Batch,
    ) -> bool {
        let logged = match self.forks.get(&term) {
            Some(fork) => Some(fork.logged),
            None => self.chain.branches(term).first().copied(),
        };
        let last = changes.last().map(|(hash, _)| Cut {
            len: after.len + changes.len() as u64,
            head: *hash,
        });
        if logged == Some(after) {
            for (number, (_, record)) in (after.len + 1..).zip(&changes) {
                disk::append_change(batch, self.deck, term, number, record);
            }
            if let (Some(fork), Some(last)) = (self.forks.get_mut(&term), last) {
                fork.logged = last;
            }
            return true;
        }
        let records = changes.iter().map(|(_, record)| record.clone()).collect();
        self.append_record(&RecordImage::fork(term, after, records), batch);
        self.add_fork(term, changes);
        false
    }

    /// The line of a term that lies in its log.
    pub(super) fn logged_line(&self, term: TermId) -> Option<Line<'_>> {
        match self.forks.get(&term) {
            Some(fork) => self.chain.line_to(term, fork.logged),
            None => self.chain.line(term),
        }
    }

    /// Takes note of changes that are not in their term's log.
    pub(crate) fn add_fork(&mut self, term: TermId, changes: Vec<(ChangeHash, LogRecord)>) {
        let end = self.chain.branches(term).first().copied();
        let Some(logged) = end.or_else(|| self.chain.line(term).map(|line| line.end())) else {
            return;
        };
        let others = BTreeMap::new();
        let fork = self.forks.entry(term).or_insert(Fork { logged, others });
        fork.others.extend(changes);
    }

    /// Where the changes after `after` on the way to `end` are kept; at most a slice of them.
    pub(crate) fn stored(&self, end: Position, after: Cut) -> Stored {
        let log = Stored::Log(disk::term_stream(self.deck, end.term));
        let Some(fork) = self.forks.get(&end.term) else {
            return log;
        };
        // A cut may lie before the next seal, so on to the end of the line.
        let ends = self.chain.branches(end.term).into_iter();
        let mut beyond = ends.filter(|beyond| self.chain.passes(end.term, *beyond, end.cut()));
        let Some(line) = beyond
            .next()
            .and_then(|beyond| self.chain.line_to(end.term, beyond))
        else {
            return log;
        };
        let here = (after.len + 1..).map_while(|number| fork.others.get(&line.hash_at(number)?).cloned());
        let here: Vec<LogRecord> = here.take(SLICE_CHANGES_MAX).collect();
        if here.is_empty() { log } else { Stored::Here(here) }
    }
}
