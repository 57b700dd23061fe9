//! The sending half of a reliable channel: messages are copied once, into the packet that carries them, and stay there until it is acknowledged.

use std::collections::VecDeque;

use super::content::Content;
use crate::pool::{Cursor, Place, Pool, Size};
use crate::wire::{self, opcode};

/// Opcode and sequence.
const HEAD: usize = 4;
/// Packets that a sender which falls idle keeps room for.
const KEPT: usize = 64;

/// What a session's packets have room for.
#[derive(Clone, Copy)]
pub(crate) struct Layout {
    pub(crate) channel: u8,
    /// Bytes of payload behind opcode and sequence.
    pub(crate) payload: usize,
    /// Bytes kept free behind each packet, for its CRC.
    pub(crate) tail: usize,
}

/// A packet that was not acknowledged yet.
pub(crate) struct Packet {
    /// Opcode to end of payload. The CRC has its place behind it.
    pub(crate) place: Place,
    pub(crate) first_sent_at: u64,
    pub(crate) sent_at: u64,
    /// 0: waits for its first turn.
    transmissions: u16,
    /// Copies that leave before any loss is known.
    pub(crate) copies: u8,
    acknowledged: bool,
    /// Given up, waits to be sent again.
    lost: bool,
    /// The CRC stands behind it.
    pub(crate) sealed: bool,
}

/// The packet that messages are being copied into: the last of the queue, without a header yet.
struct Fill {
    block: u32,
    /// Where its first message begins.
    start: usize,
    /// Its length as a bundle.
    bundled: usize,
    /// Length of its first message.
    first_len: usize,
    bundle: bool,
}

/// What an acknowledgement brought.
#[derive(Default)]
pub(crate) struct Acknowledged {
    pub(crate) packets: u32,
    /// Of these, those that had not been given up.
    pub(crate) under_way: u32,
    /// When the newest of them was sent, if none was sent twice: a packet that filled a gap may have kept the others waiting.
    pub(crate) sent_at: Option<u64>,
}

#[derive(Default)]
pub(crate) struct Sender {
    /// The sequence of the first packet.
    base: u64,
    /// Sent ones first, then those that wait.
    packets: VecDeque<Packet>,
    sent: usize,
    lost: usize,
    fill: Option<Fill>,
    cursor: Cursor,
    queued_bytes: usize,
    /// The newest packet that was sent once and acknowledged: what was sent before it and is not acknowledged was overtaken.
    evidence: Option<(u64, u64)>,
}

impl Sender {
    /// Begins with the packet of sequence `base`.
    pub(crate) fn begin(&mut self, base: u64) {
        debug_assert!(self.is_idle());
        self.base = base;
        self.evidence = None;
    }

    /// Nothing to send and nothing unacknowledged.
    pub(crate) fn is_idle(&self) -> bool {
        self.packets.is_empty() && self.fill.is_none()
    }

    /// Lets go of all memory; returns the next sequence.
    pub(crate) fn end(&mut self, pool: &mut Pool) -> u64 {
        let next = self.base + self.packets.len() as u64;
        for packet in self.packets.drain(..) {
            if !packet.acknowledged {
                pool.release(packet.place.block);
            }
        }
        pool.close(&mut self.cursor);
        self.packets.shrink_to(KEPT);
        (self.sent, self.lost, self.queued_bytes, self.fill) = (0, 0, 0, None);
        next
    }

    /// Bytes queued and unacknowledged.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.queued_bytes + self.fill.as_ref().map_or(0, |fill| fill.bundled)
    }

    /// Queues a message: into the open packet where it fits, else into one of its own or as many fragments as it needs.
    pub(crate) fn push(&mut self, mut content: Content<'_>, layout: &Layout, pool: &mut Pool) {
        let len = content.len();
        let len_size = wire::bundle_len_size(len);
        if let Some(fill) = &mut self.fill
            && fill.bundled + len_size + len <= layout.payload
        {
            let data = pool.data_mut(fill.block);
            let mut head = [0; 7];
            let size = wire::write_bundle_len(len, &mut head);
            data.extend_from_slice(&head[..size]);
            content.copy(data, len);
            fill.bundled += len_size + len;
            fill.bundle = true;
            return;
        }
        self.close(layout, pool);
        let bundled = 2 + len_size + len;
        let alone = if content.bundle_of_one() { bundled } else { len };
        if alone > layout.payload {
            if content.bundle_of_one() {
                content.wrap();
            }
            return self.fragment(content, layout, pool);
        }
        let before = HEAD + wire::BUNDLE_HEAD.len() + len_size;
        let block = self.reserve(before + layout.payload.max(bundled) + layout.tail, pool);
        let data = pool.data_mut(block);
        data.resize(data.len() + before, 0);
        let start = data.len();
        content.copy(data, len);
        self.fill = Some(Fill { block, start, bundled, first_len: len, bundle: content.bundle_of_one() });
    }

    fn reserve(&mut self, len: usize, pool: &mut Pool) -> u32 {
        let size = if self.packets.is_empty() { Size::Small } else { Size::Large };
        pool.reserve(&mut self.cursor, len, size)
    }

    fn fragment(&mut self, mut content: Content<'_>, layout: &Layout, pool: &mut Pool) {
        let total = (content.len() as u32).to_be_bytes();
        let mut first = &total[..];
        while content.len() > 0 {
            let len = content.len().min(layout.payload - first.len());
            let block = self.reserve(HEAD + layout.payload + layout.tail, pool);
            let data = pool.data_mut(block);
            let start = data.len();
            data.resize(start + HEAD, 0);
            data.extend_from_slice(first);
            content.copy(data, len);
            first = &[];
            self.finish(block, start, opcode::RELIABLE_FRAGMENT, layout, pool);
        }
    }

    /// Closes the open packet: it gets its header, as a bundle or as the one message that it holds.
    pub(crate) fn close(&mut self, layout: &Layout, pool: &mut Pool) {
        let Some(fill) = self.fill.take() else { return };
        let mut start = fill.start - HEAD;
        if fill.bundle {
            let data = pool.data_mut(fill.block);
            let len_at = fill.start - wire::bundle_len_size(fill.first_len);
            wire::write_bundle_len(fill.first_len, &mut data[len_at..fill.start]);
            data[len_at - 2..len_at].copy_from_slice(&wire::BUNDLE_HEAD);
            start = len_at - 2 - HEAD;
        }
        self.finish(fill.block, start, opcode::RELIABLE_DATA, layout, pool);
    }

    /// Makes what stands in `block` from `start` the next packet.
    fn finish(&mut self, block: u32, start: usize, opcode: u8, layout: &Layout, pool: &mut Pool) {
        let sequence = (self.base + self.packets.len() as u64) as u16;
        let data = pool.data_mut(block);
        data[start..start + 2].copy_from_slice(&[0, opcode + layout.channel]);
        data[start + 2..start + HEAD].copy_from_slice(&sequence.to_be_bytes());
        let len = data.len() - start;
        data.resize(start + len + layout.tail, 0);
        pool.hold(block);
        self.queued_bytes += len;
        let place = Place { block, offset: start as u32, len: len as u32 };
        self.packets.push_back(Packet {
            place,
            first_sent_at: 0,
            sent_at: 0,
            transmissions: 0,
            copies: 0,
            acknowledged: false,
            lost: false,
            sealed: false,
        });
    }

    /// The packet to send next, given that new ones may go out up to `window` past the last cumulative acknowledgement: first what was lost.
    pub(crate) fn next(&self, window: u32) -> Option<usize> {
        if self.lost > 0 {
            return self.packets.iter().position(|packet| packet.lost);
        }
        (self.sent < self.packets.len() && self.sent < window as usize).then_some(self.sent)
    }

    /// True where something waits that [`Sender::next`] would give if the window were open.
    pub(crate) fn waits(&self) -> bool {
        self.lost > 0 || self.sent < self.packets.len() || self.fill.is_some()
    }

    pub(crate) fn packet_mut(&mut self, index: usize) -> &mut Packet {
        &mut self.packets[index]
    }

    /// Packet `index` leaves now, and again `copies` times. True where it was sent before.
    pub(crate) fn transmitted(&mut self, index: usize, copies: u8, now: u64) -> bool {
        let packet = &mut self.packets[index];
        let again = packet.transmissions > 0;
        if !again {
            packet.first_sent_at = now;
            packet.copies = copies;
            self.sent += 1;
        }
        if packet.lost {
            packet.lost = false;
            self.lost -= 1;
        }
        packet.sent_at = now;
        packet.transmissions = packet.transmissions.saturating_add(1);
        again
    }

    /// A small packet that is due to leave once more though nothing says that it was lost: one whose copies did not all leave, and that did not leave just now.
    pub(crate) fn next_copy(&self, from: usize, sent_before: u64) -> Option<usize> {
        let mut sent = self.packets.iter().enumerate().take(self.sent).skip(from);
        sent.find(|(_, packet)| packet.copies > 0 && !packet.acknowledged && packet.sent_at < sent_before).map(|(index, _)| index)
    }

    /// A copy of packet `index` leaves now. It does not count as evidence any more.
    pub(crate) fn copied(&mut self, index: usize, now: u64) {
        let packet = &mut self.packets[index];
        packet.copies -= 1;
        packet.sent_at = now;
        packet.transmissions = packet.transmissions.saturating_add(1);
    }

    /// When the first copy wants to leave, if none left before.
    pub(crate) fn copy_due_at(&self, delay: u64) -> Option<u64> {
        self.packets
            .iter()
            .take(self.sent)
            .filter(|packet| packet.copies > 0 && !packet.acknowledged)
            .map(|packet| packet.sent_at + delay)
            .min()
    }

    /// The other side has the packet `wire`, and with `all` everything before it. `None` for what was never sent.
    pub(crate) fn acknowledge(&mut self, wire: u16, all: bool, pool: &mut Pool) -> Option<Acknowledged> {
        let mut acknowledged = Acknowledged::default();
        let Some(sequence) = wire::expand(wire, self.base) else { return Some(acknowledged) };
        let Some(index) = sequence.checked_sub(self.base) else { return Some(acknowledged) };
        let index = index as usize;
        if index >= self.sent {
            return None;
        }
        let mut again = false;
        for at in if all { 0 } else { index }..=index {
            let packet = &mut self.packets[at];
            if packet.acknowledged {
                continue;
            }
            packet.acknowledged = true;
            self.queued_bytes -= packet.place.len as usize;
            pool.release(packet.place.block);
            acknowledged.packets += 1;
            if packet.lost {
                packet.lost = false;
                self.lost -= 1;
            } else {
                acknowledged.under_way += 1;
            }
            if packet.transmissions == 1 {
                acknowledged.sent_at = Some(packet.sent_at);
                self.evidence = self.evidence.max(Some((packet.sent_at, self.base + at as u64)));
            } else {
                again = true;
            }
        }
        acknowledged.sent_at.take_if(|_| again);
        while self.packets.front().is_some_and(|packet| packet.acknowledged) {
            self.packets.pop_front();
            self.base += 1;
            self.sent -= 1;
        }
        if self.packets.is_empty() && self.fill.is_none() {
            pool.close(&mut self.cursor);
        }
        Some(acknowledged)
    }

    /// Gives up what was overtaken by more than `wait` (a round trip and what reordering is allowed). Returns how many packets that were, and when the next
    /// one would be.
    pub(crate) fn detect_losses(&mut self, wait: u64, now: u64) -> (u32, Option<u64>) {
        let Some((evidence_at, evidence)) = self.evidence else { return (0, None) };
        let Some(overtaken) = evidence.checked_sub(self.base) else { return (0, None) };
        let (mut lost, mut next) = (0, None::<u64>);
        for packet in self.packets.iter_mut().take(self.sent.min(overtaken as usize)) {
            if packet.acknowledged || packet.lost || packet.sent_at > evidence_at {
                continue;
            }
            let due = packet.sent_at + wait;
            if due <= now {
                packet.lost = true;
                lost += 1;
            } else {
                next = Some(next.map_or(due, |next| next.min(due)));
            }
        }
        self.lost += lost as usize;
        (lost, next)
    }

    /// Gives up the oldest `most` packets under way. Returns how many there were.
    pub(crate) fn give_up(&mut self, most: usize) -> u32 {
        let mut given_up = 0;
        for packet in self.packets.iter_mut().take(self.sent).filter(|packet| !packet.acknowledged && !packet.lost).take(most) {
            packet.lost = true;
            given_up += 1;
        }
        self.lost += given_up as usize;
        given_up
    }

    /// When the oldest packet under way first left.
    pub(crate) fn oldest_sent_at(&self) -> Option<u64> {
        self.packets.front().filter(|packet| packet.transmissions > 0).map(|packet| packet.first_sent_at)
    }
}
