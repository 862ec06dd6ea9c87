//! Pulling the audio that cards refer to, and serving it to others.

use bytes::Bytes;
use cuecard_transport::Lane;

use crate::blob::fetch::{BlobProgress, Held};
use crate::blob::frame::{FRAME_GROUPS, FrameHeader};
use crate::card::AudioRef;
use crate::core::{BlobDone, BlobTask, Core, LinkId, Output, WriteResult};
use crate::event::Event;
use crate::id::{BlobId, DeckId};
use crate::sync::message::Message;

/// Frames encoded at one time for one link: eight times what an honest device has asked for at one time. More is
/// answered with "lack".
const SERVING_MAX: usize = 64;

impl Core {
    /// How far the audio of all decks has come.
    #[must_use]
    pub fn audio(&self) -> Vec<BlobProgress> {
        self.fetches.progress()
    }

    pub(super) fn want(&mut self, deck: DeckId, audio: &AudioRef) {
        if let Some(state) = self.decks.get_mut(&deck) {
            state.audio.insert(audio.blob);
        }
        if self.fetches.want(audio.blob, audio.bytes) {
            let task = BlobTask::Begin {
                blob: audio.blob,
                size: audio.bytes,
            };
            self.outputs.push_back(Output::Blob(task));
        }
    }

    /// Asks for what is missing, gives up what has stalled, and sees to being woken for the next look.
    pub(super) fn pull_audio(&mut self) {
        for (blob, size) in self.fetches.next_to_open() {
            self.outputs
                .push_back(Output::Blob(BlobTask::Begin { blob, size }));
        }
        if let Some(next) = self.fetches.check_stalls(self.now) {
            self.outputs.push_back(Output::WakeAt(next));
        }
        let ready =
            |(_, state): &(&LinkId, &super::LinkState)| state.sessions.values().any(|session| session.heard);
        let links: Vec<LinkId> = self.links.iter().filter(ready).map(|(&link, _)| link).collect();
        let pulls = self.fetches.assign(self.now, &links);
        if !pulls.is_empty() {
            self.outputs
                .push_back(Output::WakeAt(self.now + crate::blob::fetch::STALL));
        }
        for pull in pulls {
            let (first, count) = (pull.groups.start, pull.groups.end - pull.groups.start);
            let message = Message::Pull {
                transfer: pull.transfer,
                blob: pull.blob,
                first,
                count,
            };
            self.send(pull.link, &message);
        }
    }

    /// The other side asks for a part of a blob.
    pub(super) fn serve_pull(&mut self, link: LinkId, transfer: u32, blob: BlobId, first: u32, count: u32) {
        let Some(state) = self.links.get_mut(&link) else {
            return;
        };
        // Only what a deck names that both share.
        let shared = state.sessions.keys().filter_map(|deck| self.decks.get(deck));
        let known = shared.into_iter().any(|deck| deck.audio.contains(&blob));
        let frames = count.div_ceil(FRAME_GROUPS) as usize;
        let (true, Some(end), true) = (
            known && count > 0,
            first.checked_add(count),
            state.serving + frames <= SERVING_MAX,
        ) else {
            return self.send(link, &Message::Lack { transfer });
        };
        state.serving += frames;
        let mut group = first;
        while group < end {
            let groups = group..end.min(group.saturating_add(FRAME_GROUPS));
            group = groups.end;
            self.outputs.push_back(Output::Blob(BlobTask::Encode {
                link,
                transfer,
                blob,
                groups,
            }));
        }
    }

    /// A frame of audio came.
    pub(super) fn receive_frame(&mut self, link: LinkId, mut frame: Bytes) {
        let Some((header, slice)) = FrameHeader::split(&frame) else {
            return self.refuse(link, "a frame of audio without a header".to_owned());
        };
        let slice_at = frame.len() - slice.len();
        let slice = frame.split_off(slice_at);
        let FrameHeader { transfer, group } = header;
        if let Some((blob, groups)) = self.fetches.arrived(link, transfer, group) {
            let task = BlobTask::Write {
                link,
                transfer,
                blob,
                groups,
                slice,
            };
            self.outputs.push_back(Output::Blob(task));
        }
    }

    pub(super) fn blob_done(&mut self, done: BlobDone) {
        match done {
            BlobDone::Begun { blob, held } => {
                let whole = held == Held::Whole;
                self.fetches.opened(blob, held);
                if whole && let Some(progress) = self.fetches.progress().into_iter().find(|p| p.blob == blob)
                {
                    self.event(Event::Audio(progress));
                }
            }
            BlobDone::Encoded {
                link,
                transfer,
                group,
                slice,
            } => self.send_frame(link, transfer, group, slice),
            BlobDone::Written {
                link,
                transfer,
                blob,
                groups,
                result,
            } => match result {
                WriteResult::Part | WriteResult::Whole => {
                    let whole = result == WriteResult::Whole;
                    let progress = self.fetches.written(self.now, transfer, blob, &groups, whole);
                    if let Some(progress) = progress {
                        self.event(Event::Audio(progress));
                    }
                }
                WriteResult::Wrong => {
                    self.fetches.give_up(transfer);
                    self.refuse(link, "it sent audio that is not what its hash says".to_owned());
                }
                WriteResult::Failed(why) => {
                    self.fetches.give_up(transfer);
                    self.fetches.opened(blob, Held::Failed);
                    self.fail_store(why);
                }
            },
        }
        self.pull_audio();
    }

    fn send_frame(&mut self, link: LinkId, transfer: u32, group: u32, slice: Option<Vec<u8>>) {
        let Some(state) = self.links.get_mut(&link) else {
            return;
        };
        state.serving = state.serving.saturating_sub(1);
        match slice {
            None => self.send(link, &Message::Lack { transfer }),
            Some(slice) => {
                let bytes = FrameHeader { transfer, group }.with(&slice);
                self.outputs.push_back(Output::Send {
                    link,
                    lane: Lane::Binary,
                    bytes,
                });
            }
        }
    }
}
