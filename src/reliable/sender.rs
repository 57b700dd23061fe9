//! The sending half of a reliable channel: messages are copied once, into the packet that carries them, and stay there until it is acknowledged.

use std::collections::VecDeque;

use super::congestion::Departure;
use super::content::Content;
use super::rtt::Rtt;
use crate::pool::{Cursor, Place, Pool, Size};
use crate::wire::{self, opcode};

/// Opcode and sequence.
const HEAD: usize = 4;
/// Room before the first message of a packet: for opcode and sequence, the head of a bundle, and the longest length.
const BEFORE: [u8; 13] = [0; 13];
/// Bytes kept free behind each packet: room for the longest CRC.
const TAIL: [u8; 4] = [0; 4];
/// The farthest and nearest that a sender runs past the cumulative acknowledgement.
const MOST_REACH: u32 = 16_384;
const LEAST_REACH: u32 = 16;
/// How far it goes where no gap tells what the peer holds: what libsoe holds.
const EASY_REACH: u32 = 1_024;
/// Packets without a trace past a filled gap that are more than bad luck.
const LEAST_DROPPED: usize = 16;
/// Packets that a sender which falls idle keeps room for.
const KEPT: usize = 64;

/// What a session's packets have room for.
#[derive(Clone, Copy)]
pub(crate) struct Layout {
    pub(crate) channel: u8,
    /// Bytes of payload behind opcode and sequence.
    pub(crate) payload: usize,
}

/// A packet that was not acknowledged yet.
pub(crate) struct Packet {
    /// Opcode to end of payload. The CRC has its place behind it.
    pub(crate) place: Place,
    first_sent_at: u64,
    pub(crate) sent_at: u64,
    departure: Departure,
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

impl Packet {
    /// When the transmission left that was acknowledged, if there can be no doubt which one that was: sent once, or acknowledged sooner after the second time
    /// than any round trip took.
    fn only_departure(&self, rtt: &Rtt, now: u64) -> Option<u64> {
        match self.transmissions {
            1 => Some(self.sent_at),
            2 if now < self.sent_at + rtt.least() => Some(self.first_sent_at),
            _ => None,
        }
    }
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
    pub(crate) bytes: u64,
    /// Of these, those that had not been given up.
    pub(crate) under_way: u64,
    /// When the newest of them left, and what was known then, if none was sent twice: a packet that filled a gap may have kept the others waiting.
    pub(crate) sent_at: Option<u64>,
    pub(crate) departure: Option<Departure>,
    /// Some of it had been given up, and arrived all the same.
    pub(crate) spurious: bool,
    /// Bytes that the peer must have dropped since it holds no more: they leave again, and say nothing about the path.
    pub(crate) dropped: u64,
}

/// What was found lost.
#[derive(Default)]
pub(crate) struct Losses {
    pub(crate) bytes: u64,
    /// When something else may be.
    pub(crate) next: Option<u64>,
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
    /// Packets past the cumulative acknowledgement that the peer is believed to hold.
    reach: u32,
    /// How far that grows easily: less once the peer dropped something.
    ceiling: u32,
    /// The sequence after the last one that was acknowledged.
    farthest: u64,
    /// The newest packet that was sent once and acknowledged: what was sent before it and is not acknowledged was overtaken.
    evidence: Option<(u64, u64)>,
}

impl Sender {
    /// Begins with the packet of sequence `base`, for a peer that is believed to hold `reach` packets.
    pub(crate) fn begin(&mut self, base: u64, reach: u32) {
        debug_assert!(self.is_idle());
        (self.base, self.farthest, self.reach, self.ceiling) = (base, base, reach, reach.max(EASY_REACH));
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

    /// Adds a plain message to the open packet. False where there is none, or no room in it.
    #[inline]
    pub(crate) fn join(&mut self, message: &[u8], layout: &Layout, pool: &mut Pool) -> bool {
        let Some(fill) = &mut self.fill else { return false };
        let bundled = fill.bundled + wire::bundle_len_size(message.len()) + message.len();
        if bundled > layout.payload {
            return false;
        }
        let data = pool.data_mut(fill.block);
        wire::push_bundle_len(message.len(), data);
        data.extend_from_slice(message);
        (fill.bundled, fill.bundle) = (bundled, true);
        true
    }

    /// Queues a message: into the open packet where it fits, else into one of its own or as many fragments as it needs.
    pub(crate) fn push(&mut self, mut content: Content<'_>, layout: &Layout, pool: &mut Pool) {
        let len = content.len();
        let len_size = wire::bundle_len_size(len);
        if let Some(fill) = &mut self.fill
            && fill.bundled + len_size + len <= layout.payload
        {
            let data = pool.data_mut(fill.block);
            wire::push_bundle_len(len, data);
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
        let block = self.reserve(BEFORE.len() + layout.payload.max(bundled) + TAIL.len(), pool);
        let data = pool.data_mut(block);
        data.extend_from_slice(&BEFORE);
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
            let block = self.reserve(HEAD + layout.payload + TAIL.len(), pool);
            let data = pool.data_mut(block);
            let start = data.len();
            data.extend_from_slice(&[0; HEAD]);
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
        let [high, low] = sequence.to_be_bytes();
        data[start..start + HEAD].copy_from_slice(&[0, opcode + layout.channel, high, low]);
        let len = data.len() - start;
        data.extend_from_slice(&TAIL);
        pool.hold(block);
        self.queued_bytes += len;
        let place = Place { block, offset: start as u32, len: len as u32 };
        self.packets.push_back(Packet {
            place,
            first_sent_at: 0,
            sent_at: 0,
            departure: Departure::default(),
            transmissions: 0,
            copies: 0,
            acknowledged: false,
            lost: false,
            sealed: false,
        });
    }

    /// The packet to send next: first what was lost, then new ones, as far as the peer is believed to hold them and `beyond` more.
    pub(crate) fn next(&self, beyond: u32) -> Option<usize> {
        if self.lost > 0 {
            return self.packets.iter().position(|packet| packet.lost);
        }
        (self.sent < self.packets.len() && self.sent < (self.reach + beyond) as usize).then_some(self.sent)
    }

    /// True where something waits that [`Sender::next`] would give if the window were open.
    pub(crate) fn waits(&self) -> bool {
        self.lost > 0 || self.sent < self.packets.len() || self.fill.is_some()
    }

    pub(crate) fn packet_mut(&mut self, index: usize) -> &mut Packet {
        &mut self.packets[index]
    }

    /// Packet `index` leaves now, and again `copies` times. True where it was sent before.
    pub(crate) fn transmitted(&mut self, index: usize, copies: u8, departure: Departure, now: u64) -> bool {
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
        (packet.sent_at, packet.departure) = (now, departure);
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
            .map(|packet| packet.sent_at + delay.max(1))
            .min()
    }

    /// The other side has the packet `wire`, and with `all` everything before it. `None` for what was never sent.
    pub(crate) fn acknowledge(&mut self, wire: u16, all: bool, rtt: &Rtt, now: u64, pool: &mut Pool) -> Option<Acknowledged> {
        let mut acknowledged = Acknowledged::default();
        let Some(sequence) = wire::expand(wire, self.base).filter(|&sequence| sequence >= self.base) else { return Some(acknowledged) };
        let index = (sequence - self.base) as usize;
        if index >= self.sent {
            return None;
        }
        if !all && (index as u32 + 1) * 4 > self.reach * 3 {
            // It holds nearly as much as we dare to send: it may hold more.
            let shown = index as u32 + 1;
            self.reach = self.reach.max((self.reach + 2).min(self.ceiling.max(shown + shown / 16)).min(MOST_REACH));
        }
        let mut ambiguous = false;
        let (before, full) = (self.base, self.sent >= self.reach as usize);
        for at in if all { 0 } else { index }..=index {
            let packet = &mut self.packets[at];
            if packet.acknowledged {
                continue;
            }
            packet.acknowledged = true;
            let bytes = u64::from(packet.place.len);
            self.queued_bytes -= bytes as usize;
            pool.release(packet.place.block);
            acknowledged.bytes += bytes;
            acknowledged.spurious |= packet.lost || (packet.copies == 0 && packet.transmissions == 2 && now < packet.sent_at + rtt.least());
            if packet.lost {
                packet.lost = false;
                self.lost -= 1;
            } else {
                acknowledged.under_way += bytes;
            }
            match packet.only_departure(rtt, now) {
                Some(sent_at) => {
                    acknowledged.sent_at = Some(sent_at);
                    acknowledged.departure = Some(packet.departure);
                    self.evidence = self.evidence.max(Some((sent_at, self.base + at as u64)));
                }
                None => ambiguous = true,
            }
        }
        if ambiguous {
            (acknowledged.sent_at, acknowledged.departure) = (None, None);
        }
        while self.packets.front().is_some_and(|packet| packet.acknowledged) {
            self.packets.pop_front();
            self.base += 1;
            self.sent -= 1;
        }
        self.learn_reach(before, sequence, all && full, &mut acknowledged, rtt, now);
        if self.is_idle() {
            pool.close(&mut self.cursor);
        }
        Some(acknowledged)
    }

    /// Peers drop what lies beyond a receive window that they never announce. With no gap before it there is no harm in being far ahead; when a gap was filled and
    /// nothing past what was acknowledged already came through, this is how much the peer holds.
    fn learn_reach(&mut self, before: u64, sequence: u64, full: bool, acknowledged: &mut Acknowledged, rtt: &Rtt, now: u64) {
        let filled = self.farthest > before && self.base == self.farthest;
        self.farthest = self.farthest.max(sequence + 1).max(self.base);
        let overdue = now.saturating_sub(rtt.overtaken());
        if filled
            && self.sent >= LEAST_DROPPED
            && self.packets.iter().take(self.sent).all(|packet| packet.sent_at <= overdue && !packet.acknowledged)
        {
            self.reach = ((self.base - before) as u32).clamp(LEAST_REACH, self.reach.max(LEAST_REACH));
            self.ceiling = self.reach;
            acknowledged.dropped = self.give_up(usize::MAX);
        } else if full && self.base > before && self.reach < self.ceiling {
            self.reach = (self.reach + (self.base - before) as u32).min(self.ceiling);
        }
    }

    /// Gives up what was overtaken, and, where the peer is heard, what is under way for too long.
    pub(crate) fn detect_losses(&mut self, rtt: &Rtt, reordering: u64, heard: bool, now: u64) -> Losses {
        let mut losses = Losses::default();
        let (evidence_at, evidence) = self.evidence.unwrap_or_default();
        let overtaken = evidence.saturating_sub(self.base) as usize;
        let overtaken_after = rtt.overtaken() + reordering;
        // Without timeouts, only what stands before the evidence matters.
        let most = if heard { self.sent } else { self.sent.min(overtaken) };
        for (index, packet) in self.packets.iter_mut().take(most).enumerate() {
            if packet.acknowledged || packet.lost {
                continue;
            }
            let mut due = u64::MAX;
            if index < overtaken && packet.sent_at <= evidence_at {
                due = packet.sent_at + overtaken_after;
            }
            if heard {
                due = due.min(packet.sent_at + rtt.timeout(packet.transmissions.into()) + reordering);
            }
            if due <= now {
                packet.lost = true;
                self.lost += 1;
                losses.bytes += u64::from(packet.place.len);
            } else if due != u64::MAX {
                losses.next = Some(losses.next.map_or(due, |next| next.min(due)));
            }
        }
        losses
    }

    /// Gives up the oldest `most` packets under way, so that they leave again. Returns their bytes.
    pub(crate) fn give_up(&mut self, most: usize) -> u64 {
        let mut bytes = 0;
        for packet in self.packets.iter_mut().take(self.sent).filter(|packet| !packet.acknowledged && !packet.lost).take(most) {
            packet.lost = true;
            self.lost += 1;
            bytes += u64::from(packet.place.len);
        }
        bytes
    }

    /// When the oldest packet under way first left.
    pub(crate) fn oldest_sent_at(&self) -> Option<u64> {
        self.packets.front().filter(|packet| packet.transmissions > 0).map(|packet| packet.first_sent_at)
    }
}
