//! The receiving half of a reliable channel: packets back into order, fragments back into messages, and what is owed in acknowledgements.

use std::collections::VecDeque;

use crate::wire;

/// What a reassembly takes for each byte that arrived: the copies of a growing buffer cost a third of the message, and a claim alone costs nothing.
const GROWTH: usize = 4;
/// Peers of soe-protocol's kind take an acknowledgement that lies more than 196 before another one for a later lap, and drop all that they have queued. So for
/// them a packet is acknowledged no farther past the last cumulative acknowledgement than this, nor is the next cumulative one,
const STRIDE: u64 = 96;
/// until this much later: by then no acknowledgement is overtaken any more.
const STRIDE_US: u64 = 50_000;
/// Entries that a receiver which falls idle keeps room for.
const KEPT: usize = 64;

/// What a receiver holds at most.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Packets past the next one in order.
    pub(crate) window: u64,
    /// The peer reads acknowledgements however far apart. Else what is acknowledged in a short time is never farther apart than such peers can bear.
    pub(crate) thorough: bool,
    /// What comes early is acknowledged before its turn.
    pub(crate) acknowledges_early: bool,
    /// Bytes of packets that came early.
    pub(crate) early: usize,
    /// Bytes of one message.
    pub(crate) message: usize,
    /// Bytes of memory that this session may take more, by its own limit and by that of all.
    pub(crate) session_room: usize,
    pub(crate) room: usize,
}

/// A packet that came ahead of its turn.
struct Early {
    fragment: bool,
    /// How often its acknowledgement is still to be said.
    owed: u8,
    payload: Box<[u8]>,
}

/// Fragments of one message.
struct Reassembly {
    data: Vec<u8>,
    total: usize,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The next in order, as the one before it: what is owed for it was owed already.
    Expected,
    /// The next in order; others may have followed it out of the queue.
    InOrder,
    Early,
    Duplicate,
    /// Past the window, or there is no memory for it: not taken, not acknowledged.
    Beyond,
    /// More than the session may hold of what it began.
    Overflow,
}

/// What an early packet takes besides its payload: its place in the queue, and what an allocation costs.
const EARLY: usize = size_of::<Option<Early>>();
const ALLOCATION: usize = 16;

/// Where things go that come out of the channel complete, in order.
pub(crate) trait Outlet {
    /// The payload of one packet.
    fn packet(&mut self, payload: &[u8]);
    /// A message that was put together from fragments.
    fn message(&mut self, message: Vec<u8>);
    /// A fragment that contradicts those before it was dropped, with what it belonged to.
    fn malformed(&mut self);
    /// An empty buffer for a message: one that holds `len` bytes if it costs nothing, for nobody knows yet whether they will come.
    fn buffer(&mut self, len: usize) -> Vec<u8>;
}

/// A selective acknowledgement is said twice: a lost one would cost a retransmission.
const TIMES_SAID: u8 = 2;
/// Acknowledgements that may leave one right after the other before they are spaced out.
const BURST: u64 = 8;
/// Packets in order that are acknowledged at once, however soon after the last acknowledgement.
const MOST_UNSAID: u32 = 16;
/// When it is said again if no other acknowledgement leaves before.
const REPEAT_US: u64 = 10_000;

/// How long what is held may stay as it is while others need the memory.
const STALLED_US: u64 = 30_000_000;

#[derive(Default)]
pub(crate) struct Receiver {
    /// The next sequence in order.
    next: u64,
    /// What came early, by distance from `next`.
    early: VecDeque<Option<Early>>,
    held: usize,
    held_bytes: usize,
    reassembly: Option<Reassembly>,
    /// When it last grew, or was looked at because it had not.
    grown_at: u64,
    looked_at: u64,
    /// AcknowledgeAll is owed.
    acknowledge_all: bool,
    /// Acknowledge is owed for these, each once in here.
    acknowledge: VecDeque<u16>,
    /// Some of these were not said at all yet.
    fresh: bool,
    /// Where the last cumulative acknowledgement ended.
    said: u64,
    /// The packets before this one arrived before a gap was filled: they have no acknowledgement of their own, which would tell of a long round trip.
    own_from: u64,
    /// After a gap was filled: from where one stride is acknowledged, and since when.
    stride: Option<(u64, u64)>,
    /// When the oldest unsaid acknowledgement came to be owed, and when some were last said.
    owed_at: u64,
    said_at: Option<u64>,
    /// Before when no more acknowledgements leave that tell of nothing but progress.
    paced_until: u64,
    /// Packets in order since then.
    unsaid: u32,
}

impl Receiver {
    /// Begins with the packet of sequence `next`.
    pub(crate) fn begin(&mut self, next: u64) {
        (self.next, self.said) = (next, next);
    }

    /// Lets go of all that is held; returns the next sequence.
    pub(crate) fn end(&mut self) -> u64 {
        let (mut early, mut acknowledge) = (std::mem::take(&mut self.early), std::mem::take(&mut self.acknowledge));
        early.clear();
        early.shrink_to(KEPT);
        acknowledge.clear();
        acknowledge.shrink_to(KEPT);
        let ended = std::mem::replace(self, Receiver { early, acknowledge, ..Receiver::default() });
        ended.next
    }

    /// Nothing held and nothing owed.
    fn is_idle(&self) -> bool {
        self.held == 0 && self.reassembly.is_none() && !self.acknowledge_all && self.acknowledge.is_empty()
    }

    /// Bytes of memory in what came and can't be handed out yet.
    pub(crate) fn memory(&self) -> usize {
        let begun = self.reassembly.as_ref().map_or(0, |reassembly| reassembly.data.capacity());
        self.held_bytes + self.held * ALLOCATION + self.early.len() * EARLY + begun
    }

    /// When it is to be looked at whether what is held still grows; `None` while nothing is.
    pub(crate) fn stalls_at(&self) -> Option<u64> {
        (self.held > 0 || self.reassembly.is_some()).then(|| self.grown_at.max(self.looked_at) + STALLED_US)
    }

    /// What is held did not grow for long. It will be looked at again after as long.
    pub(crate) fn has_stalled(&mut self, now: u64) -> bool {
        let stalled = self.stalls_at().is_some_and(|at| at <= now);
        if stalled {
            self.looked_at = now;
        }
        stalled
    }

    /// When nothing needs to be remembered any more; `None` while something is held or owed.
    pub(crate) fn rests_at(&self, delay: u64) -> Option<u64> {
        self.is_idle().then(|| if self.paced_until == 0 { 0 } else { self.paced_until + BURST * delay })
    }

    /// When acknowledgements that are owed want to leave, if nothing else leaves before: at once, but no more of them than their pace allows.
    pub(crate) fn owes_at(&self) -> Option<u64> {
        if self.unsaid >= MOST_UNSAID && self.reach() > self.said {
            return Some(self.owed_at);
        }
        if !self.acknowledge_all && !self.fresh {
            return self.said_at.filter(|_| !self.acknowledge.is_empty()).map(|at| at + REPEAT_US);
        }
        let at = self.owed_at.max(self.paced_until);
        // The rest of a stride waits longer.
        let stride = self.stride.filter(|_| !self.fresh && self.reach() == self.said);
        Some(stride.map_or(at, |(_, since)| at.max(since + STRIDE_US)))
    }

    /// The peer turned out to read acknowledgements however far apart: all that came early is acknowledged as it would have been.
    pub(crate) fn peer_is_thorough(&mut self, acknowledges_early: bool, now: u64) {
        self.stride = None;
        if !acknowledges_early {
            return;
        }
        for ahead in 0..self.early.len() {
            if self.early[ahead].as_ref().is_some_and(|early| early.owed == 0) {
                self.owe(now);
                self.owe_one(ahead);
            }
        }
    }

    /// How far the cumulative acknowledgement may go.
    fn reach(&self) -> u64 {
        self.stride.map_or(self.next, |(from, _)| self.next.min(from + STRIDE))
    }

    fn owe(&mut self, now: u64) {
        if !self.acknowledge_all && !self.fresh {
            self.owed_at = now;
        }
    }

    /// The packet is the next in order, as the one before it, and its arrival changes nothing else here.
    #[inline]
    pub(crate) fn expects(&self, wire: u16) -> bool {
        wire == self.next as u16 && self.early.is_empty() && self.stride.is_none() && self.acknowledge_all && self.unsaid + 1 != MOST_UNSAID
    }

    /// What is owed for an expected packet leaves later than `now`, if nothing else leaves before.
    #[inline]
    pub(crate) fn owes_after(&self, now: u64) -> bool {
        self.owed_at.max(self.paced_until) > now
    }

    /// Takes an expected packet that is a message, or some.
    #[inline]
    pub(crate) fn pass(&mut self) {
        self.next += 1;
        self.unsaid += 1;
    }

    /// Takes an expected fragment of a message that goes on behind it, as nearly all do. False for others.
    #[inline]
    pub(crate) fn append(&mut self, fragment: &[u8], now: u64) -> bool {
        let Some(Reassembly { data, total }) = &mut self.reassembly else { return false };
        let arrived = data.len() + fragment.len();
        if arrived >= *total || arrived > data.capacity() {
            return false;
        }
        data.extend_from_slice(fragment);
        self.grown_at = now;
        self.pass();
        true
    }

    /// Takes a packet. What it completes goes to `outlet`, in order.
    #[inline]
    pub(crate) fn receive(&mut self, packet: (u16, bool, &[u8]), limits: &Limits, now: u64, outlet: &mut impl Outlet) -> Arrival {
        let (wire, fragment, payload) = packet;
        if wire != self.next as u16 {
            return self.receive_out_of_order(packet, limits, now);
        }
        if fragment && let Some(refusal) = self.grow(payload, limits, limits.room) {
            return refusal;
        }
        let expected = self.expects(wire);
        self.grown_at = now;
        self.owe(now);
        self.acknowledge_all = true;
        self.in_order(fragment, payload, limits, outlet);
        if !self.early.is_empty() {
            return self.go_on(limits, now, outlet);
        }
        if expected { Arrival::Expected } else { Arrival::InOrder }
    }

    /// What came early goes on from here.
    #[inline(never)]
    fn go_on(&mut self, limits: &Limits, now: u64, outlet: &mut impl Outlet) -> Arrival {
        if self.held > 0 && !limits.thorough {
            self.stride = self.stride.or(Some((self.said, now)));
        }
        self.early.pop_front();
        while let Some(early) = self.early.front_mut().and_then(Option::take) {
            self.held -= 1;
            self.held_bytes -= early.payload.len();
            // It was acknowledged: there is no way back but the end.
            if early.fragment && self.grow(&early.payload, limits, usize::MAX).is_some() {
                return Arrival::Overflow;
            }
            self.in_order(early.fragment, &early.payload, limits, outlet);
            self.early.pop_front();
        }
        // What the cumulative acknowledgement says need not be said singly.
        while self.acknowledge.front().is_some_and(|&wire| wire::expand(wire, self.next).is_none_or(|sequence| sequence < self.next)) {
            self.acknowledge.pop_front();
        }
        self.fresh &= !self.acknowledge.is_empty();
        self.own_from = self.next - 1;
        Arrival::InOrder
    }

    /// Makes room for the next fragment in order, if the limits allow it and there is memory. Else, what becomes of it.
    fn grow(&mut self, fragment: &[u8], limits: &Limits, room: usize) -> Option<Arrival> {
        let (total, begun, body) = match &self.reassembly {
            Some(reassembly) => (reassembly.total, reassembly.data.len(), fragment.len()),
            None => {
                let (total, body) = fragment.split_first_chunk::<4>()?;
                (u32::from_be_bytes(*total) as usize, 0, body.len())
            }
        };
        let (arrived, capacity) = (begun + body, self.reassembly.as_ref().map_or(0, |reassembly| reassembly.data.capacity()));
        if total > limits.message || arrived > total || arrived <= capacity {
            return None;
        }
        if arrived - capacity > limits.session_room {
            return Some(Arrival::Overflow);
        }
        if arrived - capacity > room {
            return Some(Arrival::Beyond);
        }
        // As much as it may become, where there is room for that: each time it grows it may have to move.
        let more = (arrived * GROWTH).min(total) - capacity;
        let wanted = capacity + more.min(limits.session_room).min(room);
        let reserved = self.reassembly.as_mut().map_or(Ok(()), |reassembly| reassembly.data.try_reserve_exact(wanted - begun));
        reserved.err().map(|_| Arrival::Beyond)
    }

    #[inline(never)]
    fn receive_out_of_order(&mut self, (wire, fragment, payload): (u16, bool, &[u8]), limits: &Limits, now: u64) -> Arrival {
        let Some(ahead) = wire::expand(wire, self.next).and_then(|sequence| sequence.checked_sub(self.next)) else {
            self.owe(now);
            self.acknowledge_all = true;
            return Arrival::Duplicate;
        };
        let slots = (ahead as usize + 1).saturating_sub(self.early.len());
        let taken = payload.len() + ALLOCATION + slots.saturating_mul(EARLY);
        if ahead >= limits.window || self.held_bytes >= limits.early || taken > limits.session_room.min(limits.room) {
            return Arrival::Beyond;
        }
        self.owe(now);
        let within = self.next + ahead < self.stride.map_or(self.said, |(from, _)| from) + STRIDE;
        let acknowledge = limits.acknowledges_early && (limits.thorough || within);
        self.keep(ahead as usize, acknowledge, fragment, payload)
    }

    fn keep(&mut self, ahead: usize, acknowledge: bool, fragment: bool, payload: &[u8]) -> Arrival {
        if self.early.len() <= ahead {
            self.early.resize_with(ahead + 1, || None);
        }
        let slot = &mut self.early[ahead];
        let arrival = if slot.is_none() {
            self.held_bytes += payload.len();
            *slot = Some(Early { fragment, owed: 0, payload: payload.into() });
            self.held += 1;
            Arrival::Early
        } else {
            Arrival::Duplicate
        };
        if acknowledge {
            self.owe_one(ahead);
        }
        arrival
    }

    /// The acknowledgement of an early packet is to be said, as often as any.
    fn owe_one(&mut self, ahead: usize) {
        let Some(early) = &mut self.early[ahead] else { return };
        self.fresh = true;
        if std::mem::replace(&mut early.owed, TIMES_SAID) == 0 {
            self.acknowledge.push_back((self.next + ahead as u64) as u16);
        }
    }

    /// The next packet in order, and what it completes.
    #[inline]
    fn in_order(&mut self, fragment: bool, payload: &[u8], limits: &Limits, outlet: &mut impl Outlet) {
        self.pass();
        if fragment { self.reassemble(payload, limits, outlet) } else { outlet.packet(payload) }
    }

    fn reassemble(&mut self, payload: &[u8], limits: &Limits, outlet: &mut impl Outlet) {
        let (reassembly, body) = match &mut self.reassembly {
            Some(reassembly) => (reassembly, payload),
            none => match payload.split_first_chunk::<4>() {
                Some((total, body)) => {
                    let total = u32::from_be_bytes(*total) as usize;
                    (none.insert(Reassembly { data: outlet.buffer(total), total }), body)
                }
                None => return outlet.malformed(),
            },
        };
        let arrived = reassembly.data.len() + body.len();
        if reassembly.total == 0 || reassembly.total > limits.message || arrived > reassembly.total {
            self.reassembly = None;
            return outlet.malformed();
        }
        // Where it goes on there is room: [`Receiver::grow`].
        reassembly.data.reserve_exact(body.len());
        reassembly.data.extend_from_slice(body);
        if arrived == reassembly.total
            && let Some(reassembly) = self.reassembly.take()
        {
            outlet.message(reassembly.data);
        }
    }

    /// Says what is owed, at most `pace.most`: the cumulative acknowledgement, and single ones for what came early and is not covered by it. False where more is
    /// owed.
    pub(crate) fn acknowledge(&mut self, now: u64, pace: &Pace, mut say: impl FnMut(Acknowledgement)) -> bool {
        let &Pace { delay, every_packet, most } = pace;
        let mut left = most;
        if let Some((_, since)) = self.stride
            && now >= since + STRIDE_US
        {
            self.stride = (self.held > 0 || self.said + STRIDE < self.next).then_some((self.said, now));
        }
        if left > 0 && self.acknowledge_all {
            let reach = self.reach();
            if every_packet {
                // The last one speaks for those that there is no room for.
                for sequence in (self.said.max(self.own_from)..reach.saturating_sub(1)).take(left - 1) {
                    say(Acknowledgement::All(sequence as u16));
                    left -= 1;
                }
            }
            self.said = reach;
            self.acknowledge_all = self.said < self.next;
            say(Acknowledgement::All(self.said.wrapping_sub(1) as u16));
            left -= 1;
        }
        let again = self.said_at.is_none_or(|at| now > at);
        let Receiver { next, early, acknowledge, .. } = self;
        acknowledge.retain(|&wire| {
            let ahead = wire::expand(wire, *next).and_then(|sequence| sequence.checked_sub(*next));
            let Some(Some(waiting)) = ahead.and_then(|ahead| early.get_mut(ahead as usize)) else { return false };
            if left > 0 && (again || waiting.owed == TIMES_SAID) {
                say(Acknowledgement::One(wire));
                waiting.owed -= 1;
                left -= 1;
            }
            waiting.owed > 0
        });
        self.fresh &= left == 0 && !self.acknowledge.is_empty();
        if left > 0 {
            self.said_at = Some(now);
            self.paced_until = (self.paced_until.max(now.saturating_sub(BURST * delay)) + delay).min(now + delay);
            self.unsaid = 0;
        }
        left > 0 || !self.fresh
    }
}

/// How acknowledgements leave.
pub(crate) struct Pace {
    /// Time between them in the long run.
    pub(crate) delay: u64,
    /// Each packet in order has one of its own.
    pub(crate) every_packet: bool,
    /// So many at most now.
    pub(crate) most: usize,
}

/// An acknowledgement on its way out.
pub(crate) enum Acknowledgement {
    /// This packet and all before it.
    All(u16),
    /// Exactly this packet.
    One(u16),
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits =
        Limits { window: 8, early: 1000, thorough: true, acknowledges_early: true, message: 1000, session_room: 10_000, room: 10_000 };

    impl Outlet for Vec<Vec<u8>> {
        fn packet(&mut self, payload: &[u8]) {
            self.push(payload.to_vec());
        }
        fn message(&mut self, message: Vec<u8>) {
            self.push(message);
        }
        fn malformed(&mut self) {
            self.push(b"malformed".to_vec());
        }
        fn buffer(&mut self, _: usize) -> Vec<u8> {
            Vec::new()
        }
    }

    /// Feeds one packet; returns its fate and the bytes of what it completed.
    fn feed(receiver: &mut Receiver, wire: u16, fragment: bool, payload: &[u8]) -> (Arrival, Vec<Vec<u8>>) {
        let mut out = Vec::new();
        let arrival = receiver.receive((wire, fragment, payload), &LIMITS, 0, &mut out);
        (arrival, out)
    }

    fn said(receiver: &mut Receiver, now: u64) -> String {
        let mut said = String::new();
        receiver.acknowledge(now, &Pace { delay: 0, every_packet: false, most: 100 }, |ack| {
            said += &match ack {
                Acknowledgement::All(wire) => format!("all{wire} "),
                Acknowledgement::One(wire) => format!("one{wire} "),
            }
        });
        said
    }

    #[test]
    fn early_packets_wait_for_the_gap_and_are_acknowledged_one_by_one_and_twice() {
        let mut receiver = Receiver::default();
        assert_eq!(feed(&mut receiver, 2, false, b"c"), (Arrival::Early, vec![]));
        assert_eq!(feed(&mut receiver, 1, false, b"b"), (Arrival::Early, vec![]));
        assert_eq!(feed(&mut receiver, 1, false, b"b").0, Arrival::Duplicate);
        assert_eq!(said(&mut receiver, 5), "one2 one1 ");
        assert_eq!(said(&mut receiver, 5), "");
        assert_eq!(receiver.owes_at(), Some(5 + REPEAT_US));
        assert_eq!(said(&mut receiver, 6), "one2 one1 ");
        assert_eq!(receiver.owes_at(), None);
        assert_eq!(feed(&mut receiver, 0, false, b"a"), (Arrival::InOrder, vec![b"a".to_vec(), b"b".to_vec(), b"c".to_vec()]));
        assert_eq!(said(&mut receiver, 7), "all2 ");
        assert!(receiver.is_idle());
    }

    /// Silent or not about what came early, a peer that misreads acknowledgements that lie far apart is not given any.
    #[test]
    fn a_filled_gap_is_acknowledged_in_strides_to_a_peer_that_is_not_thorough() {
        for acknowledges_early in [false, true] {
            let limits = Limits {
                window: 1000,
                early: 100_000,
                thorough: false,
                acknowledges_early,
                session_room: 100_000,
                room: 100_000,
                ..LIMITS
            };
            let mut receiver = Receiver::default();
            let (mut out, pace) = (Vec::new(), Pace { delay: 0, every_packet: false, most: 100 });
            for wire in (1..300).chain([0]) {
                receiver.receive((wire, false, b"x"), &limits, 0, &mut out);
            }
            assert_eq!(out.len(), 300);
            let (mut last, mut now) = (0, 0);
            while last < 299 {
                now += STRIDE_US;
                receiver.acknowledge(now, &pace, |ack| {
                    if let Acknowledgement::All(wire) = ack {
                        assert!(u64::from(wire) <= last + STRIDE, "{wire} after {last}");
                        last = wire.into();
                    }
                });
            }
        }
    }

    #[test]
    fn every_packet_that_arrives_in_order_has_its_own_acknowledgement_where_wanted() {
        let pace = |most| Pace { delay: 0, every_packet: true, most };
        let said = |receiver: &mut Receiver, most| {
            let mut said = vec![];
            receiver.acknowledge(1, &pace(most), |ack| said.extend(if let Acknowledgement::All(wire) = ack { Some(wire) } else { None }));
            said
        };
        let mut receiver = Receiver::default();
        (0..4).for_each(|wire| drop(feed(&mut receiver, wire, false, b"x")));
        assert_eq!(said(&mut receiver, 100), [0, 1, 2, 3]);
        // Where there is no room, the last one speaks for all.
        (4..9).for_each(|wire| drop(feed(&mut receiver, wire, false, b"x")));
        assert_eq!(said(&mut receiver, 2), [4, 8]);
        // What waited for a gap to be filled came long before.
        [11, 10, 9, 12].into_iter().for_each(|wire| drop(feed(&mut receiver, wire, false, b"x")));
        assert_eq!(said(&mut receiver, 100), [11, 12]);
        assert_eq!(feed(&mut receiver, 5, false, b"x").0, Arrival::Duplicate);
        assert_eq!(said(&mut receiver, 100), [12]);
    }

    #[test]
    fn the_window_ends_where_it_says_and_what_lies_beyond_is_not_acknowledged() {
        let mut receiver = Receiver::default();
        assert_eq!(feed(&mut receiver, 8, false, b"x").0, Arrival::Beyond);
        assert!(receiver.is_idle());
        assert_eq!(feed(&mut receiver, 7, false, b"x").0, Arrival::Early);
        assert_eq!(feed(&mut receiver, 0xFFFF, false, b"x").0, Arrival::Duplicate);
        assert_eq!(said(&mut receiver, 1), "all65535 one7 ");
    }

    #[test]
    fn fragments_become_messages_across_the_wrap() {
        let mut receiver = Receiver::default();
        receiver.begin(0xFFFF);
        assert_eq!(feed(&mut receiver, 0, true, b"cd").0, Arrival::Early);
        assert_eq!(feed(&mut receiver, 0xFFFF, true, b"\0\0\0\x04ab"), (Arrival::InOrder, vec![b"abcd".to_vec()]));
        assert_eq!(receiver.end(), 0x1_0001);
    }

    #[test]
    fn a_claim_costs_nothing_before_it_arrives_and_lies_are_dropped() {
        let mut receiver = Receiver::default();
        assert!(feed(&mut receiver, 0, true, b"\0\0\x03\xe8abc").1.is_empty());
        assert!(receiver.reassembly.as_ref().unwrap().data.capacity() <= 3 * GROWTH);
        assert_eq!(feed(&mut receiver, 1, true, &[0; 998]).1, vec![b"malformed".to_vec()]);
        assert_eq!(feed(&mut receiver, 2, true, b"\0\0\x03\xe9abc").1, vec![b"malformed".to_vec()]);
        assert_eq!(feed(&mut receiver, 3, true, b"\0\0\0\0abc").1, vec![b"malformed".to_vec()]);
        assert_eq!(feed(&mut receiver, 4, true, b"\0\0").1, vec![b"malformed".to_vec()]);
        assert_eq!(feed(&mut receiver, 5, true, b"\0\0\0\x01a").1, vec![b"a".to_vec()]);
    }
}
