//! The sending half of a reliable channel: messages are copied once, into the packet that carries them, and stay there until it is acknowledged.

use std::collections::VecDeque;
use std::ops::Range;

use super::congestion::{Allowance, Departure, PROBE, Path};
use super::content::Content;
use super::rtt::Rtt;
use crate::config::LEAST_WINDOW;
use crate::pool::{Cursor, Place, Pool, Size};
use crate::wire::{self, Packing, opcode};

/// Opcode and sequence.
const HEAD: usize = 4;
/// Room before the first message of a packet: for opcode and sequence, the head of a bundle, and the longest length.
const BEFORE: [u8; 13] = [0; 13];
/// Bytes kept free behind each packet: room for the longest CRC.
const TAIL: [u8; 4] = [0; 4];
/// The farthest and nearest that a sender runs past the cumulative acknowledgement.
const MOST_REACH: u32 = 16_384;
const LEAST_REACH: u32 = LEAST_WINDOW;
/// How far it goes where no gap tells what the peer holds: what libsoe holds.
const EASY_REACH: u32 = 1_024;
/// Windows without a drop after which a sender tries whether the peer holds more than it did.
const RECONSIDER: u32 = 16;
/// Packets without a trace past a filled gap that are more than bad luck.
const LEAST_DROPPED: usize = 16;
/// Packets that leave again at once at most because they are old.
const MOST_RECOVERY: usize = 64;
/// How often a peer has to seem to drop things before it is believed, and if it seemed to hold no more than the least: it would be the first.
const SIGNS: u32 = 2;
const SIGNS_OF_LEAST: u32 = 4;
/// Packets that a sender which falls idle keeps room for.
const KEPT: usize = 64;

/// What a session's packets have room for.
#[derive(Clone, Copy)]
pub(crate) struct Layout {
    pub(crate) channel: u8,
    /// Bytes of payload behind opcode and sequence.
    pub(crate) payload: usize,
    /// Bytes of CRC behind each packet.
    pub(crate) tail: usize,
    pub(crate) packing: Packing,
}

/// A packet that was not acknowledged yet.
pub(crate) struct Packet {
    /// Opcode to end of payload. The CRC has its place behind it.
    pub(crate) place: Place,
    first_sent_at: u64,
    pub(crate) sent_at: u64,
    copied_at: u64,
    /// Microseconds from there to the first copy; 0: none left.
    copied_after: u32,
    /// Of its last transmission: what is in a [`Departure`]. Apart, so that a packet takes 64 bytes.
    delivered: u64,
    delivered_at: u64,
    idle: bool,
    /// 0: waits for its first turn.
    transmissions: u16,
    /// Copies that leave before any loss is known.
    pub(crate) copies: u8,
    acknowledged: bool,
    /// Given up, waits to be sent again.
    lost: bool,
    /// The CRC stands behind it.
    sealed: bool,
}

impl Packet {
    /// There can be no doubt which of its transmissions was acknowledged: the only one, or one whose acknowledgement came sooner after the first copy than any
    /// round trip took.
    fn left_once(&self, least: u64, now: u64) -> bool {
        self.sent_at == self.first_sent_at
            && (self.transmissions == 1 || (self.copied_after > 0 && now < self.sent_at + u64::from(self.copied_after) + least))
    }

    fn departure(&self) -> Departure {
        Departure { delivered: self.delivered, delivered_at: self.delivered_at, idle: self.idle }
    }

    /// It leaves.
    #[inline]
    fn leave(&mut self, departure: Departure, leave: &Leave, now: u64) -> Leaving {
        if self.transmissions == 0 {
            self.first_sent_at = now;
            self.copies = if self.place.len <= leave.copied_to { leave.copies } else { 0 };
        }
        (self.delivered, self.delivered_at, self.idle) = (departure.delivered, departure.delivered_at, departure.idle);
        (self.sent_at, self.lost) = (now, false);
        self.go(leave)
    }

    /// The same for a copy of it: it is waited for as if there were none.
    fn leave_copy(&mut self, leave: &Leave, now: u64) -> Leaving {
        self.copies -= 1;
        self.copied_at = now;
        if self.copied_after == 0 {
            self.copied_after = u32::try_from(now - self.sent_at).unwrap_or(u32::MAX);
        }
        self.go(leave)
    }

    /// What leaves from where it stands is sealed from now on.
    #[inline]
    fn go(&mut self, leave: &Leave) -> Leaving {
        self.transmissions = self.transmissions.saturating_add(1);
        let sealed = std::mem::replace(&mut self.sealed, self.place.len >= leave.alone_from);
        Leaving { place: self.place, sealed }
    }

    /// When it or a copy of it last left.
    pub(crate) fn last_left_at(&self) -> u64 {
        self.sent_at.max(self.copied_at)
    }

    /// When what was acknowledged may have left at the latest: not with a transmission that is younger than any round trip.
    fn arrived_left_at(&self, least: u64, now: u64) -> u64 {
        if now < self.last_left_at() + least { self.first_sent_at } else { self.last_left_at() }
    }

    /// It was sent again, and what was acknowledged left before that.
    fn was_sent_in_vain(&self, least: u64, now: u64) -> bool {
        self.transmissions == 2 && self.copied_at == 0 && now < self.sent_at + least
    }
}

/// How a session's packets leave.
pub(crate) struct Leave {
    /// Copies that leave of the smaller ones before any loss is known, and up to which length.
    pub(crate) copies: u8,
    pub(crate) copied_to: u32,
    /// From this length on, a packet leaves from where it stands: it is sealed there, once.
    pub(crate) alone_from: u32,
}

/// A packet on its way out.
#[derive(Clone, Copy, Default)]
pub(crate) struct Leaving {
    pub(crate) place: Place,
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
    pub(crate) bytes: u64,
    /// Of these, those that came out at the other end just now: not what waited there for a gap to be filled, unacknowledged.
    pub(crate) fresh: u64,
    /// Of these, those that had not been given up.
    pub(crate) under_way: u64,
    /// When the newest of them left, and what was known then, if none was sent twice: a packet that filled a gap may have kept the others waiting.
    pub(crate) sent_at: Option<u64>,
    pub(crate) departure: Option<Departure>,
    /// When the newest of those last left that were sent again.
    pub(crate) resent_at: Option<u64>,
    /// Some of it had been given up, and arrived all the same.
    pub(crate) spurious: bool,
}

/// What was found lost.
#[derive(Default)]
pub(crate) struct Losses {
    pub(crate) bytes: u64,
    /// Bytes that the peer must have dropped since it holds no more: they leave again, and say nothing about the path.
    pub(crate) dropped: u64,
    /// When something else may be lost.
    pub(crate) next: Option<u64>,
}

/// What the acknowledgements of one datagram changed.
struct News {
    /// The first sequence before them.
    base: u64,
    /// As much was under way as the peer is believed to hold.
    full: bool,
    /// When the newest packet left that they acknowledge.
    newest: u64,
    /// They acknowledge a packet that was sent again: others may have waited for it at the other end.
    ambiguous: bool,
    /// The newest packet that was sent again and acknowledged singly.
    resent: u64,
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
    /// Of these, those of packets behind a gap that were acknowledged.
    behind_gap: usize,
    /// Packets past the cumulative acknowledgement that the peer is believed to hold.
    reach: u32,
    /// False for a fixed window.
    grows: bool,
    /// What the peer seemed to hold when something seemed to be dropped last, until it shows that it holds more: a burst of losses looks the same.
    suspected: u32,
    /// How often.
    signs: u32,
    /// How far that grows easily: less once the peer dropped something.
    ceiling: u32,
    /// Packets acknowledged without a drop while it was the limit.
    unhindered: u32,
    /// The sequence after the last one that was acknowledged.
    farthest: u64,
    /// When something was last given up because it was under way for too long.
    late_at: u64,
    /// After something was given up because it was under way for too long: so much more is with the next progress.
    recovery: usize,
    /// From the first acknowledgement of a datagram to [`Sender::conclude`].
    news: Option<News>,
    /// When the newest packet left that was sent once and acknowledged, and its sequence: what left before it and is not acknowledged was overtaken.
    evidence: (u64, u64),
}

impl Sender {
    /// Bytes of memory that each packet takes besides its payload.
    pub(crate) const PACKET: usize = size_of::<Packet>() + HEAD + TAIL.len();

    /// Begins with the packet of sequence `base`, for a peer that is believed to hold `reach` packets, or more where that `grows`.
    pub(crate) fn begin(&mut self, base: u64, reach: u32, grows: bool) {
        debug_assert!(self.is_idle());
        let packets = std::mem::take(&mut self.packets);
        *self = Sender { packets, base, farthest: base, reach, ceiling: reach.max(EASY_REACH), grows, ..Sender::default() };
    }

    /// The peer acknowledges all that it holds only from now on: what it seemed to drop says nothing.
    pub(crate) fn forget_drops(&mut self, reach: u32) {
        (self.reach, self.ceiling, self.suspected) = (self.reach.max(reach), reach.max(EASY_REACH), 0);
        self.signs = 0;
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
        (self.sent, self.lost, self.queued_bytes, self.behind_gap, self.fill) = (0, 0, 0, 0, None);
        next
    }

    /// Bytes queued, from the oldest unacknowledged packet on.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.queued_bytes + self.fill.as_ref().map_or(0, |fill| fill.bundled)
    }

    /// The same with what each packet takes besides.
    pub(crate) fn memory(&self) -> usize {
        self.queued_bytes() + self.packets.len() * Self::PACKET
    }

    /// Adds a plain message to the open packet. False where there is none, or no room in it.
    #[inline]
    pub(crate) fn join(&mut self, message: &[u8], payload: usize, packing: Packing, pool: &mut Pool) -> bool {
        let (Some(fill), Some(len)) = (&mut self.fill, packing.shared(message.len())) else { return false };
        let bundled = fill.bundled + len;
        if bundled > payload {
            return false;
        }
        let data = pool.data_mut(fill.block);
        packing.push(message.len(), data);
        data.extend_from_slice(message);
        (fill.bundled, fill.bundle) = (bundled, true);
        true
    }

    /// Opens a packet with a plain message that did not fit the one before. False where it takes more than that.
    #[inline]
    pub(crate) fn open(&mut self, message: &[u8], layout: &Layout, pool: &mut Pool) -> bool {
        let alone = message.len() <= layout.payload && !message.starts_with(&wire::BUNDLE_HEAD);
        if alone {
            self.close(layout, pool);
            let (data, start, block) = self.begin_packet(layout, pool);
            data.extend_from_slice(message);
            self.begin_fill(block, start, message.len(), false, layout, pool);
        }
        alone
    }

    /// Room for a packet that may become a bundle: where its first message goes.
    #[inline]
    fn begin_packet<'a>(&mut self, layout: &Layout, pool: &'a mut Pool) -> (&'a mut Vec<u8>, usize, u32) {
        let block = self.reserve(BEFORE.len() + layout.payload + TAIL.len(), pool);
        let data = pool.data_mut(block);
        data.extend_from_slice(&BEFORE);
        let start = data.len();
        (data, start, block)
    }

    /// The packet in `block` is open for more messages, if its first one shares.
    #[inline(always)]
    fn begin_fill(&mut self, block: u32, start: usize, first_len: usize, bundle: bool, layout: &Layout, pool: &mut Pool) {
        let shared = layout.packing.shared(first_len);
        let bundled = wire::BUNDLE_HEAD.len() + shared.unwrap_or(first_len);
        self.fill = Some(Fill { block, start, bundled, first_len, bundle });
        if shared.is_none() {
            self.close(layout, pool);
        }
    }

    /// Queues a message: into the open packet where it fits, else into one of its own or as many fragments as it needs.
    #[inline(never)]
    pub(crate) fn push(&mut self, mut content: Content<'_>, layout: &Layout, pool: &mut Pool) {
        let len = content.len();
        if let Some(fill) = &mut self.fill
            && let Some(shared) = layout.packing.shared(len)
            && fill.bundled + shared <= layout.payload
        {
            let data = pool.data_mut(fill.block);
            layout.packing.push(len, data);
            content.copy(data, len);
            fill.bundled += shared;
            fill.bundle = true;
            return;
        }
        self.close(layout, pool);
        let bundle = content.bundle_of_one();
        let alone = if bundle { wire::BUNDLE_HEAD.len() + layout.packing.size(len) + len } else { len };
        if alone > layout.payload {
            if bundle {
                content.wrap(&layout.packing);
            }
            return self.fragment(content, layout, pool);
        }
        let (data, start, block) = self.begin_packet(layout, pool);
        content.copy(data, len);
        self.begin_fill(block, start, len, bundle, layout, pool);
    }

    /// Makes room for a message of very many `fragments` at once. False where there is no such memory: nothing of it may be pushed then.
    pub(crate) fn prepare(&mut self, fragments: usize, layout: &Layout, pool: &mut Pool) -> bool {
        self.close(layout, pool);
        let bytes = fragments * (HEAD + layout.payload + TAIL.len());
        self.packets.try_reserve(fragments).is_ok() && pool.prepare(&mut self.cursor, bytes)
    }

    fn reserve(&mut self, len: usize, pool: &mut Pool) -> u32 {
        let size = if self.packets.is_empty() { Size::Small } else { Size::Large };
        pool.reserve(&mut self.cursor, len, size)
    }

    fn fragment(&mut self, mut content: Content<'_>, layout: &Layout, pool: &mut Pool) {
        let mut total = Some((content.len() as u32).to_be_bytes());
        while content.len() > 0 {
            let head = self.head(opcode::RELIABLE_FRAGMENT, layout);
            let block = self.reserve(HEAD + layout.payload + TAIL.len(), pool);
            let data = pool.data_mut(block);
            let start = data.len();
            data.extend_from_slice(&head);
            let mut room = layout.payload;
            if let Some(total) = total.take() {
                data.extend_from_slice(&total);
                room -= total.len();
            }
            let len = content.len().min(room);
            content.copy(data, len);
            self.finish(block, start, layout, pool);
        }
    }

    /// Closes the open packet: it gets its header, as a bundle or as the one message that it holds.
    #[inline(always)]
    pub(crate) fn close(&mut self, layout: &Layout, pool: &mut Pool) {
        let Some(fill) = self.fill.take() else { return };
        let data = pool.data_mut(fill.block);
        let mut start = fill.start - HEAD;
        if fill.bundle {
            let len_at = fill.start - layout.packing.size(fill.first_len);
            layout.packing.write(fill.first_len, &mut data[len_at..fill.start]);
            data[len_at - 2..len_at].copy_from_slice(&wire::BUNDLE_HEAD);
            start = len_at - 2 - HEAD;
        }
        data[start..start + HEAD].copy_from_slice(&self.head(opcode::RELIABLE_DATA, layout));
        self.finish(fill.block, start, layout, pool);
    }

    /// What the next packet begins with.
    #[inline]
    fn head(&self, opcode: u8, layout: &Layout) -> [u8; HEAD] {
        let sequence = (self.base + self.packets.len() as u64) as u16;
        (u32::from(opcode + layout.channel) << 16 | u32::from(sequence)).to_be_bytes()
    }

    /// Makes what stands in `block` from `start` the next packet.
    #[inline(always)]
    fn finish(&mut self, block: u32, start: usize, layout: &Layout, pool: &mut Pool) {
        let data = pool.data_mut(block);
        let len = data.len() - start;
        data.extend_from_slice(&TAIL);
        // The next packet begins right behind the CRC: so they leave as a train.
        data.truncate(start + len + layout.tail);
        pool.hold(block);
        self.queued_bytes += len;
        let place = Place { block, offset: start as u32, len: len as u32 };
        self.packets.push_back(Packet {
            place,
            first_sent_at: 0,
            sent_at: 0,
            copied_at: 0,
            copied_after: 0,
            delivered: 0,
            delivered_at: 0,
            idle: false,
            transmissions: 0,
            copies: 0,
            acknowledged: false,
            lost: false,
            sealed: false,
        });
    }

    /// The packet to send next: first what was lost, then new ones, as far as the peer is believed to hold them and `beyond` more.
    #[inline]
    fn next(&self, beyond: u32) -> Option<usize> {
        let lost = if self.lost > 0 { self.packets.iter().position(|packet| packet.lost) } else { None };
        Some(lost.unwrap_or(self.sent)).filter(|&next| next < self.packets.len() && next < (self.reach + beyond) as usize)
    }

    /// There is such a packet.
    pub(crate) fn has_next(&self, beyond: u32) -> bool {
        self.next(beyond).is_some()
    }

    /// As many such packets leave now as `path` allows and `turn` has room for. Returns how many, and how many of them left before.
    #[inline(never)]
    pub(crate) fn take_turn(
        &mut self,
        path: &mut Path,
        allowance: &Allowance,
        now: u64,
        leave: &Leave,
        turn: &mut [Leaving],
    ) -> (usize, u64) {
        let departure = path.departure(now);
        let (mut count, mut again) = (0, 0);
        while count < turn.len()
            && (self.lost > 0 || path.beyond() > 0)
            && path.may_send(allowance)
            && let Some(index) = self.next(path.beyond())
        {
            let packet = &mut self.packets[index];
            let new = packet.transmissions == 0;
            (self.sent, again) = (self.sent + usize::from(new), again + u64::from(!new));
            self.lost -= usize::from(packet.lost);
            path.sent(packet.place.len.into(), allowance);
            turn[count] = packet.leave(departure, leave, now);
            count += 1;
        }
        if self.lost == 0 {
            let most = self.packets.len().min(self.reach as usize);
            let waiting = self.packets.range_mut(self.sent.min(most)..most);
            let (mut new, mut bytes, room) = (0, 0, path.room(allowance));
            for (leaving, packet) in turn[count..].iter_mut().zip(waiting) {
                if bytes >= room {
                    break;
                }
                bytes += u64::from(packet.place.len);
                *leaving = packet.leave(departure, leave, now);
                new += 1;
            }
            if new > 0 {
                path.sent(bytes, allowance);
            }
            (self.sent, count) = (self.sent + new, count + new);
        }
        (count, again)
    }

    /// True where something waits that [`Sender::next`] would give if the window were open.
    pub(crate) fn waits(&self) -> bool {
        self.lost > 0 || self.sent < self.packets.len() || self.fill.is_some()
    }

    pub(crate) fn packet(&self, index: usize) -> &Packet {
        &self.packets[index]
    }

    /// A small packet that is due to leave once more though nothing says that it was lost: one whose copies did not all leave, and that did not leave just now.
    pub(crate) fn next_copy(&self, from: usize, sent_before: u64) -> Option<usize> {
        let mut sent = self.packets.iter().enumerate().take(self.sent).skip(from);
        sent.find(|(_, packet)| packet.copies > 0 && !packet.acknowledged && packet.last_left_at() < sent_before).map(|(index, _)| index)
    }

    /// A copy of packet `index` leaves now.
    pub(crate) fn copied(&mut self, index: usize, leave: &Leave, now: u64) -> Leaving {
        self.packets[index].leave_copy(leave, now)
    }

    /// When the first copy wants to leave, if none left before.
    pub(crate) fn copy_due_at(&self, delay: u64) -> Option<u64> {
        self.packets
            .iter()
            .take(self.sent)
            .filter(|packet| packet.copies > 0 && !packet.acknowledged)
            .map(|packet| packet.last_left_at() + delay.max(1))
            .min()
    }

    /// The other side has the packet `wire`, and with `all` everything before it. `None` for what was never sent.
    pub(crate) fn acknowledge(&mut self, (wire, all): (u16, bool), rtt: &Rtt, now: u64, pool: &mut Pool) -> Option<Acknowledged> {
        let Some(sequence) = wire::expand(wire, self.base).filter(|&sequence| sequence >= self.base) else {
            return Some(Acknowledged::default());
        };
        let index = (sequence - self.base) as usize;
        if index >= self.sent {
            return None;
        }
        let shown = index as u32 + 1;
        if !all && shown > self.suspected + self.suspected / 8 + LEAST_DROPPED as u32 {
            (self.suspected, self.signs) = (0, 0);
        }
        if self.grows && !all && shown * 2 > self.reach {
            // It holds much of what we dare to send: it may hold more.
            self.reach = self.reach.max((self.reach + 4).min(self.ceiling.max(shown + shown / 16)).min(MOST_REACH));
        }
        let full = self.grows && self.sent >= self.reach as usize;
        let news = self.news.get_or_insert(News { base: self.base, full, newest: 0, ambiguous: false, resent: 0 });
        let (least, recent) = (rtt.least(), 2 * rtt.timeout(0));
        let (mut bytes, mut fresh, mut under_way, mut spurious) = (0, 0, 0, false);
        let (mut certain, mut evidence, mut ambiguous, mut resent_at) = (None, (0, 0), false, None);
        let mut done = (0, 0);
        let first = if all { 0 } else { index };
        for (at, packet) in (first..).zip(self.packets.range_mut(first..=index)) {
            if std::mem::replace(&mut packet.acknowledged, true) {
                continue;
            }
            if packet.place.block != done.0 {
                pool.release_often(done);
                done = (packet.place.block, 0);
            }
            done.1 += 1;
            let len = u64::from(packet.place.len);
            bytes += len;
            if packet.transmissions > 1 || packet.sent_at + recent > now {
                fresh += len;
            }
            if packet.lost {
                packet.lost = false;
                self.lost -= 1;
                spurious = true;
            } else {
                under_way += len;
            }
            if packet.left_once(least, now) {
                certain = Some(at);
                if packet.sent_at >= evidence.0 {
                    evidence = (packet.sent_at, self.base + at as u64);
                }
            } else {
                ambiguous = true;
                resent_at = resent_at.max(Some(packet.last_left_at()));
                spurious |= packet.was_sent_in_vain(least, now);
                news.newest = news.newest.max(packet.arrived_left_at(least, now));
                if !all && packet.copied_at == 0 {
                    news.resent = news.resent.max(sequence);
                }
            }
        }
        pool.release_often(done);
        news.newest = news.newest.max(evidence.0);
        self.evidence = self.evidence.max(evidence);
        let mut acknowledged = Acknowledged { bytes, fresh, under_way, spurious, resent_at, sent_at: None, departure: None };
        news.ambiguous |= ambiguous;
        if let Some(at) = certain.filter(|_| !news.ambiguous) {
            let packet = &self.packets[at];
            (acknowledged.sent_at, acknowledged.departure) = (Some(packet.sent_at), Some(packet.departure()));
        }
        let from = if all { index + 1 } else { 0 };
        let gone = from + self.packets.range(from..self.sent).take_while(|packet| packet.acknowledged).count();
        // What lies behind a gap counts as queued until the gap is filled: a peer that acknowledges all but one packet makes nobody queue without end.
        let left = if self.behind_gap == 0 && all && gone == index + 1 {
            bytes as usize
        } else {
            self.packets.range(..gone).map(|packet| packet.place.len as usize).sum()
        };
        self.behind_gap = self.behind_gap + bytes as usize - left;
        self.queued_bytes -= left;
        self.packets.drain(..gone);
        self.base += gone as u64;
        self.sent -= gone;
        self.farthest = self.farthest.max(sequence + 1).max(self.base);
        if self.is_idle() {
            pool.close(&mut self.cursor);
        }
        Some(acknowledged)
    }

    /// To be called when all acknowledgements of a datagram were taken: what is still missing then counts as lost, if it was overtaken. With `heard` false, the peer
    /// was silent before.
    pub(crate) fn conclude(&mut self, rtt: &Rtt, reordering: u64, heard: bool, now: u64) -> Losses {
        let Some(news) = self.news.take() else { return Losses::default() };
        let overdue = if heard { now.saturating_sub(rtt.overtaken()).min(news.newest) } else { 0 };
        let dropped = self.learn_reach(&news, overdue);
        // Of a packet that was sent again and acknowledged singly: what stands before it, left some time ago and is still missing did not arrive.
        let before = (news.resent.saturating_sub(self.base) as usize).min(self.sent);
        let missing = self.give_up(0..before, now.saturating_sub(rtt.overtaken()), usize::MAX);
        let recovered = self.recover(&news, rtt, now);
        let losses = self.detect_losses(rtt, reordering, None, now);
        Losses { dropped, bytes: losses.bytes + missing + recovered, ..losses }
    }

    /// When what was sent again for its age comes through, and what stands behind it is as old and still missing, that did not: twice as much leaves again each
    /// time, as far as the peer gets.
    fn recover(&mut self, news: &News, rtt: &Rtt, now: u64) -> u64 {
        if self.recovery == 0 || self.base == news.base {
            return 0;
        }
        let bytes = self.give_up(0..self.sent, now.saturating_sub(rtt.timeout(0)), self.recovery);
        self.recovery = if bytes == 0 { 0 } else { (2 * self.recovery).min(MOST_RECOVERY) };
        bytes
    }

    /// Peers drop what lies beyond a receive window that they never announce. With no gap before it there is no harm in being far ahead; but where nothing came
    /// through of many packets past the last one that did, though one that left later (after `overdue`) did, that is as far as it holds. Returns the bytes that it
    /// dropped.
    fn learn_reach(&mut self, news: &News, overdue: u64) -> u64 {
        let shown = (self.farthest - self.base) as usize;
        let dropped = |packet: &Packet| packet.transmissions == 1 && packet.sent_at < overdue;
        let holds = ((self.farthest - news.base) as u32).max(LEAST_REACH);
        if shown + LEAST_DROPPED <= self.sent && dropped(&self.packets[shown + LEAST_DROPPED - 1]) {
            self.suspected = self.suspected.max(holds);
            self.signs += 1;
            if self.signs >= if self.suspected > LEAST_REACH { SIGNS } else { SIGNS_OF_LEAST } {
                self.reach = self.suspected.min(self.reach);
                (self.ceiling, self.unhindered) = (self.reach, 0);
            }
            return self.give_up(shown..self.sent, overdue, usize::MAX);
        }
        let advanced = (self.base - news.base) as u32;
        if news.full && advanced > 0 {
            self.reach = self.reach.max((self.reach + advanced).min(self.ceiling));
            // What the peer dropped once it may hold later: its host was slow, or the line was gone.
            self.unhindered += advanced;
            if self.unhindered > RECONSIDER * self.ceiling {
                self.unhindered = 0;
                self.ceiling = self.ceiling.max((self.ceiling + self.ceiling / 8).min(EASY_REACH));
            }
        }
        0
    }

    /// Gives up what was overtaken, and, where the peer was `heard` lately, what is under way for too long: of that only the oldest and the newest, whose
    /// acknowledgement tells of those between them. It may be acknowledgements that are lost: so no more before the peer was heard again.
    pub(crate) fn detect_losses(&mut self, rtt: &Rtt, reordering: u64, heard: Option<u64>, now: u64) -> Losses {
        let mut losses = Losses::default();
        let (evidence_at, evidence) = self.evidence;
        let overtaken = evidence.saturating_sub(self.base) as usize;
        let overtaken_after = rtt.overtaken() + reordering;
        let mut late = [None; 2];
        // Without timeouts, only what stands before the evidence matters.
        let timeouts = heard.is_some_and(|at| at > self.late_at);
        let most = if timeouts { self.sent } else { self.sent.min(overtaken) };
        for index in 0..most {
            let packet = &self.packets[index];
            if packet.acknowledged || packet.lost {
                continue;
            }
            let mut due = if timeouts { packet.sent_at + rtt.timeout(packet.transmissions.into()) + reordering } else { u64::MAX };
            if due <= now || (late[0].is_some() && due <= now + rtt.smoothed() / 4) {
                late = [late[0].or(Some(index)), Some(index)];
                due = now + rtt.timeout(1);
            }
            if index < overtaken && packet.sent_at <= evidence_at {
                due = due.min(packet.sent_at + overtaken_after);
            }
            if due <= now {
                losses.bytes += self.give_up(index..index + 1, now, 1);
            } else if due != u64::MAX {
                losses.next = Some(losses.next.map_or(due, |next| next.min(due)));
            }
        }
        if late[0].is_some() {
            self.late_at = now;
            self.recovery = self.recovery.max(PROBE);
        }
        losses.bytes += late.into_iter().flatten().map(|index| self.give_up(index..index + 1, now, 1)).sum::<u64>();
        losses
    }

    /// Gives up two packets under way, so that they leave again as a probe: the two oldest. But a peer that is not `thorough` may have those and never say so again:
    /// there it is the oldest and the one that last left longest ago, so that the probes come to the one that it waits for. Returns their bytes.
    pub(crate) fn give_up_to_probe(&mut self, thorough: bool) -> u64 {
        self.recovery = self.recovery.max(PROBE);
        if thorough {
            return self.give_up(0..self.sent, u64::MAX, PROBE);
        }
        let oldest = self.give_up(0..self.sent, u64::MAX, 1);
        let others = self.packets.iter().enumerate().take(self.sent).filter(|(_, packet)| !packet.acknowledged && !packet.lost);
        match others.min_by_key(|(_, packet)| packet.sent_at).map(|(index, _)| index) {
            Some(index) => oldest + self.give_up(index..index + 1, u64::MAX, 1),
            None => oldest,
        }
    }

    /// Gives up what is under way of a range and left by `overdue`, the oldest `most`.
    fn give_up(&mut self, range: Range<usize>, overdue: u64, most: usize) -> u64 {
        let mut bytes = 0;
        let under_way = |packet: &&mut Packet| !packet.acknowledged && !packet.lost && packet.sent_at <= overdue;
        for packet in self.packets.range_mut(range).filter(under_way).take(most) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_begins_as_if_it_had_served_nobody_before() {
        let mut sender = Sender::default();
        sender.begin(0, 256, true);
        (sender.evidence, sender.late_at, sender.suspected, sender.signs, sender.unhindered) = ((5, 6), 7, 8, 1, 9_999);
        sender.end(&mut Pool::new(512));
        sender.begin(3, 32, false);
        assert_eq!((sender.evidence, sender.late_at, sender.suspected, sender.signs, sender.unhindered), ((0, 0), 0, 0, 0, 0));
        assert_eq!((sender.base, sender.farthest, sender.reach, sender.ceiling, sender.grows), (3, 3, 32, EASY_REACH, false));
    }
}
