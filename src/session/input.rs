//! A datagram from the peer's address: validated, understood, delivered.

use super::life::{ANSWER_US, HEARTBEAT, PROBING_US};
use super::{CHANNELS, Doubt, Ending, Session, Shared, State, count};
use crate::codec::{Codec, Rejected};
use crate::config::{Config, Congestion};
use crate::event::{Channel, SessionId};
use crate::mux::events::{EventQueue, Kind};
use crate::pool::NONE;
use crate::reliable::{Arrival, LEAD, Limits, Losses, Outlet};
use crate::wire::{self, Packet, Reliable, Unreadable, opcode};

/// Malformed packets behind a good CRC within [`MALFORMED_SPAN_US`] that end a session: a CRC of 16 bits lets one forgery in 65,536 through.
const MOST_MALFORMED: usize = 8;
pub(super) const MALFORMED_SPAN_US: u64 = 10_000_000;
/// For so many spans of 17 s after a datagram with a wrong CRC, malformed ones with a right one may be a stranger's: as slow as that, he needs weeks.
const GUESSING_SPANS: u16 = 4;
/// NetStatus requests that are answered between two drains.
const MOST_ANSWERS: u32 = 8;
/// How soon after a question that was answered an UnknownSender makes nobody ask again.
const HINT_US: u64 = 1_000_000;
/// How soon it is said again that this side is not of soe-protocol's kind.
const SHOW_US: u64 = 100_000;
/// The body of the MultiPacket that says it: one heartbeat and nothing else, which no coalescing makes.
const SHOWN: [u8; 3] = [2, 0, opcode::HEARTBEAT];
/// A heartbeat that comes so soon after one of this side's own is the answer to it, asked or not: some peers answer answers. Less than the second after which a lost one is repeated.
const ECHO_US: u64 = 900_000;

/// Whether a datagram was the session's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Taken,
    /// The CRC says that it was not.
    NotOurs,
}

/// What comes out of a reliable channel on its way to the host.
struct Incoming<'a> {
    events: &'a mut EventQueue,
    whose: (SessionId, u64),
    now: u64,
    channel: Channel,
    /// Messages may be enciphered.
    led: bool,
    messages: u64,
    malformed: u32,
}

impl Incoming<'_> {
    /// Messages were queued, with something malformed behind them unless all was `intact`.
    fn queued(&mut self, (messages, intact): (u64, bool)) {
        self.messages += messages;
        self.malformed += u32::from(!intact);
    }
}

impl Outlet for Incoming<'_> {
    fn packet(&mut self, payload: &[u8]) {
        let queued = self.events.payload(self.whose, self.now, self.channel, payload);
        self.queued(queued);
    }

    #[inline(never)]
    fn message(&mut self, message: Vec<u8>) {
        let queued = self.events.owned(self.whose, self.now, self.channel, message, self.led);
        self.queued(queued);
    }

    fn malformed(&mut self) {
        self.malformed += 1;
    }

    fn buffer(&mut self, len: usize) -> Vec<u8> {
        self.events.spare_buffer(len)
    }
}

impl Session {
    /// Takes a datagram that is not contextless.
    #[inline]
    pub(crate) fn receive(&mut self, shared: &mut Shared, codec: &mut Codec, datagram: &[u8]) -> Verdict {
        if matches!(self.state, State::Connecting | State::Ended) {
            return Verdict::NotOurs;
        }
        let outcome = match codec.open(&self.agreed.sealing, datagram) {
            Err(Rejected::Crc) => return Verdict::NotOurs,
            Err(Rejected::Malformed) => {
                self.alive(shared, datagram.len());
                self.malformed(shared)
            }
            Ok(packet) => {
                self.alive(shared, datagram.len());
                self.handle(shared, packet, 0).and_then(|()| if self.acknowledged == 0 { Ok(()) } else { self.conclude(shared) })
            }
        };
        if let Err(ending) = outcome {
            self.end(shared, codec, ending);
        }
        Verdict::Taken
    }

    /// The peer showed that it is there.
    #[inline(always)]
    pub(super) fn alive(&mut self, shared: &mut Shared, len: usize) {
        if shared.now - self.received_at > PROBING_US
            && let Some(path) = shared.paths.get_mut(self.path)
        {
            path.probes = 0;
            shared.timers.set_at_most(self.slot(), shared.now);
        }
        self.received_at = shared.now;
        shared.struck = false;
        count!(self, shared, datagrams_received);
        count!(self, shared, bytes_received, len);
        if let Some(rare) = &mut self.rare {
            rare.doubt = rare.doubt.filter(|doubt| doubt.ending == Ending::Unreachable).map(|doubt| Doubt { heard: true, ..doubt });
        }
    }

    /// The peer showed that it hears this side.
    fn hears(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.doubt = None;
        }
    }

    /// A datagram from its address has a wrong CRC.
    pub(crate) fn not_its_own(&mut self, shared: &mut Shared) {
        count!(self, shared, dropped_crc);
        self.damaged_in = span_of(shared.now);
    }

    /// Counts a malformed packet. Too many datagrams with one end the session, where its CRC says that they are the peer's: not while others fail it, for whoever
    /// tries all CRCs of 16 bits has one that passes, as often as he likes.
    fn malformed(&mut self, shared: &mut Shared) -> Result<(), Ending> {
        count!(self, shared, dropped_malformed);
        let guessed = self.damaged_in > 0 && span_of(shared.now).wrapping_sub(self.damaged_in) < GUESSING_SPANS;
        let anybodys = self.agreed.sealing.crc_length() == 0 || shared.config.crc_is_known() || guessed;
        if anybodys || std::mem::replace(&mut shared.struck, true) {
            return Ok(());
        }
        let strikes = &mut self.rare().malformed;
        strikes.retain(|&at| shared.now - at < MALFORMED_SPAN_US);
        strikes.push_back(shared.now);
        if strikes.len() >= MOST_MALFORMED { Err(Ending::Corrupt) } else { Ok(()) }
    }

    #[inline]
    fn handle(&mut self, shared: &mut Shared, packet: &[u8], depth: u32) -> Result<(), Ending> {
        match Reliable::read(packet) {
            Some(packet) => self.reliable(shared, packet),
            None => self.handle_other(shared, packet, depth),
        }
    }

    #[inline(never)]
    fn handle_other(&mut self, shared: &mut Shared, packet: &[u8], depth: u32) -> Result<(), Ending> {
        let packet = match wire::read(packet) {
            Ok(packet) => packet,
            Err(Unreadable::Malformed) => return self.malformed(shared),
            // Later titles may send what earlier ones don't know.
            Err(Unreadable::UnknownOpcode) => {
                count!(self, shared, dropped_malformed);
                return Ok(());
            }
        };
        match packet {
            Packet::MultiPacket(_) if depth == shared.config.max_nesting => self.malformed(shared)?,
            Packet::MultiPacket(body) => self.handle_elements(shared, body, depth + 1)?,
            Packet::Disconnect(disconnect) if disconnect.session_id == self.wire_id => {
                return Err(Ending::Peer(disconnect.reason.unwrap_or(0)));
            }
            Packet::Disconnect(_) | Packet::Contextless => count!(self, shared, dropped_contextless),
            Packet::Heartbeat => self.heartbeat_received(shared),
            Packet::NetStatusRequest(request) => self.net_status_asked(shared, &request),
            Packet::NetStatusReply(reply) => self.net_status_answered(shared, &reply),
            Packet::Acknowledge { channel, sequence } => self.acknowledged(shared, channel, sequence, false)?,
            Packet::AcknowledgeAll { channel, sequence } => self.acknowledged(shared, channel, sequence, true)?,
            Packet::Ordered { second, stamp, payload } => self.ordered(shared, second, stamp, payload)?,
            Packet::Unreliable(payload) => self.deliver_lossy(shared, Channel::Unreliable, payload)?,
            Packet::Bundle(_) if shared.events.full(self.id) => count!(self, shared, dropped_lossy),
            Packet::Bundle(packet) => {
                let (messages, intact) = shared.events.payload(self.whose(), shared.now, Channel::Unreliable, packet);
                count!(self, shared, messages_received, messages);
                if !intact {
                    self.malformed(shared)?;
                }
            }
            Packet::Ignored => {}
        }
        Ok(())
    }

    fn handle_elements(&mut self, shared: &mut Shared, body: &[u8], depth: u32) -> Result<(), Ending> {
        self.peer_is_thorough(shared);
        if body == SHOWN {
            self.peer_shown(shared);
            return Ok(());
        }
        for element in wire::multi_elements(body, shared.config.multi_varint) {
            match element {
                Ok(element) => self.handle(shared, element, depth)?,
                Err(wire::Malformed) => self.malformed(shared)?,
            }
        }
        Ok(())
    }

    fn deliver_lossy(&mut self, shared: &mut Shared, channel: Channel, payload: &[u8]) -> Result<(), Ending> {
        let led = channel != Channel::Unreliable && !self.reads_plain();
        if !shared.events.takes(payload, led) {
            return self.malformed(shared);
        }
        if shared.events.full(self.id) {
            count!(self, shared, dropped_lossy);
        } else {
            shared.events.message(self.whose(), shared.now, channel, payload);
            count!(self, shared, messages_received);
        }
        Ok(())
    }

    /// Of an ordered channel the latest wins: what is not ahead of the last one by less than half the numbers is late.
    fn ordered(&mut self, shared: &mut Shared, second: bool, stamp: u16, payload: &[u8]) -> Result<(), Ending> {
        /// UdpLibrary's bound (section 6 of its specification).
        const FARTHEST: u16 = 30_000;
        let last = &mut self.ordered_in[usize::from(second)];
        let ahead = stamp.wrapping_sub(*last);
        if ahead == 0 || ahead >= FARTHEST {
            count!(self, shared, dropped_lossy);
            return Ok(());
        }
        *last = stamp;
        self.deliver_lossy(shared, if second { Channel::Ordered2 } else { Channel::Ordered }, payload)
    }

    #[inline(always)]
    fn reliable(&mut self, shared: &mut Shared, packet: Reliable<'_>) -> Result<(), Ending> {
        let Reliable { channel, fragment, sequence, payload } = packet;
        // A slow host: what is not acknowledged will come again.
        if shared.events.full(self.id) {
            count!(self, shared, dropped_window);
            return Ok(());
        }
        // Nearly always.
        if let Some(receiver) = shared.receivers.get_mut(self.receivers[channel])
            && receiver.expects(sequence)
            && (self.talking || receiver.owes_after(shared.now))
        {
            if fragment && receiver.append(payload, shared.now) {
                return Ok(());
            }
            if !fragment {
                receiver.pass();
                let (messages, intact) = shared.events.payload((self.id, self.user_data), shared.now, super::RELIABLE[channel], payload);
                count!(self, shared, messages_received, messages);
                return if intact { Ok(()) } else { self.malformed(shared) };
            }
        }
        self.deliver_reliable(shared, packet)
    }

    #[inline(never)]
    fn deliver_reliable(&mut self, shared: &mut Shared, packet: Reliable<'_>) -> Result<(), Ending> {
        let channel = packet.channel;
        if self.receivers[channel] == NONE {
            self.receivers[channel] = shared.receivers.take();
            if let Some(receiver) = shared.receivers.get_mut(self.receivers[channel]) {
                receiver.begin(self.next_in[channel].into());
            }
        }
        let Config { receive_window, max_message, udp_length, ack_early, .. } = shared.config;
        let early = (receive_window * udp_length) as usize;
        let held = self.held_bytes(shared);
        let limits = Limits {
            session_room: shared.config.session_memory().saturating_sub(held),
            room: shared.share(self.least_memory()).saturating_sub(held),
            window: receive_window.into(),
            early,
            thorough: self.thorough,
            acknowledges_early: ack_early,
            message: max_message as usize + LEAD,
        };
        let (whose, now, led) = (self.whose(), shared.now, !self.reads_plain());
        let Shared { receivers, events, .. } = shared;
        let Some(receiver) = receivers.get_mut(self.receivers[channel]) else { return Ok(()) };
        let mut incoming = Incoming { events, whose, now, channel: super::RELIABLE[channel], led, messages: 0, malformed: 0 };
        let before = receiver.memory();
        let arrival = receiver.receive((packet.sequence, packet.fragment, packet.payload), &limits, now, &mut incoming);
        let after = receiver.memory();
        let Incoming { messages, malformed, .. } = incoming;
        shared.held_bytes = shared.held_bytes + after - before;
        count!(self, shared, messages_received, messages);
        if arrival == Arrival::Expected && self.talking && malformed == 0 {
            Ok(())
        } else {
            self.arrived(shared, channel, arrival, malformed)
        }
    }

    /// What follows from the arrival of a packet.
    #[inline(never)]
    fn arrived(&mut self, shared: &mut Shared, channel: usize, arrival: Arrival, malformed: u32) -> Result<(), Ending> {
        match arrival {
            Arrival::Early if self.client && !self.understood => self.show_thorough(shared),
            Arrival::Expected | Arrival::InOrder | Arrival::Early => {}
            Arrival::Duplicate => count!(self, shared, duplicates),
            Arrival::Overflow => return Err(Ending::Overflow),
            Arrival::Beyond => {
                count!(self, shared, dropped_window);
                self.give_back_receiver(shared, channel);
            }
        }
        self.owe_acknowledgement(shared, channel);
        for _ in 0..malformed {
            self.malformed(shared)?;
        }
        Ok(())
    }

    /// Acknowledgements leave with the next drain, or when they have waited for company as long as they may.
    fn owe_acknowledgement(&mut self, shared: &mut Shared, channel: usize) {
        match shared.receivers.get(self.receivers[channel]).and_then(|receiver| receiver.owes_at()) {
            Some(at) if at <= shared.now => self.talk(shared),
            Some(at) => shared.timers.set_at_most(self.slot(), at),
            None => {}
        }
    }

    fn acknowledged(&mut self, shared: &mut Shared, channel: usize, sequence: u16, all: bool) -> Result<(), Ending> {
        let now = shared.now;
        if self.acknowledged == 0 {
            self.was_heard = shared.paths.get(self.path).is_some_and(|path| path.heard(&self.rtt, now));
        }
        let pool = &mut shared.out.pool;
        let Some(sender) = shared.senders.get_mut(self.senders[channel]) else {
            // Nothing is unacknowledged here: an acknowledgement said again, or of what was never sent.
            let next = self.next_out[channel].into();
            let sent = wire::expand(sequence, next).is_none_or(|sequence| sequence < next);
            if !sent {
                count!(self, shared, dropped_acknowledgement);
            }
            return Ok(());
        };
        let Some(acknowledged) = sender.acknowledge((sequence, all), &self.rtt, now, pool) else {
            count!(self, shared, dropped_acknowledgement);
            return Ok(());
        };
        if acknowledged.bytes == 0 {
            return Ok(());
        }
        if !all && self.client && !self.understood {
            self.show_thorough(shared);
        }
        if let Some(sent_at) = acknowledged.sent_at.filter(|&at| at >= shared.awake_since) {
            self.rtt.sample(now - sent_at, now);
        } else if let Some(resent_at) = acknowledged.resent_at {
            self.rtt.resent(now - resent_at);
        }
        if let Some(path) = shared.paths.get_mut(self.path) {
            path.acknowledged(&acknowledged, &self.rtt, now);
            if acknowledged.spurious {
                path.spurious(&self.rtt);
            }
        }
        self.acknowledged |= 1 << channel;
        self.hears();
        Ok(())
    }

    /// All acknowledgements of a datagram were taken: what they mean for what is still under way, and for what waits.
    fn conclude(&mut self, shared: &mut Shared) -> Result<(), Ending> {
        let channels = std::mem::take(&mut self.acknowledged);
        for channel in (0..CHANNELS).filter(|channel| channels & 1 << channel != 0) {
            let (Some(sender), Some(path)) = (shared.senders.get_mut(self.senders[channel]), shared.paths.get_mut(self.path)) else {
                continue;
            };
            let losses = sender.conclude(&self.rtt, path.reordering(), self.was_heard, shared.now);
            let waits = sender.waits();
            self.take_losses(shared, &losses);
            if waits {
                self.talk(shared);
            }
        }
        self.give_back_senders(shared);
        if self.blocked && self.has_room(shared) {
            self.blocked = false;
            shared.events.push(self.whose(), shared.now, Kind::Writable);
        }
        self.closed()
    }

    /// The peer sends MultiPackets: it is not of soe-protocol's kind.
    fn peer_is_thorough(&mut self, shared: &mut Shared) {
        if std::mem::replace(&mut self.thorough, true) {
            return;
        }
        for channel in 0..CHANNELS {
            if let Some(receiver) = shared.receivers.get_mut(self.receivers[channel]) {
                receiver.peer_is_thorough(shared.config.ack_early, shared.now);
                self.owe_acknowledgement(shared, channel);
            }
        }
    }

    /// The peer showed itself: a server answers, and what seemed dropped while the peer acknowledged less than it holds is forgotten.
    fn peer_shown(&mut self, shared: &mut Shared) {
        let first = !std::mem::replace(&mut self.understood, true);
        if first && shared.config.congestion == Congestion::Adaptive {
            for sender in self.senders {
                if let Some(sender) = shared.senders.get_mut(sender) {
                    sender.forget_drops(shared.config.send_window);
                }
            }
        }
        match (self.client, first) {
            (true, _) => self.asked = self.asked.saturating_sub(1),
            (false, true) => self.show(shared),
            (false, _) => self.show_thorough(shared),
        }
    }

    /// As [`Session::show`], but not again at once.
    pub(super) fn show_thorough(&mut self, shared: &mut Shared) {
        if self.since_heartbeat(shared.now).is_none_or(|since| since == 0 || since >= SHOW_US) {
            self.show(shared);
        }
    }

    /// Tells the peer that this side is not of soe-protocol's kind either, with a MultiPacket of one heartbeat, which everybody understands. A client says it
    /// until it hears the same, a server in answer. Where no peer is of that kind there is nothing to tell.
    pub(super) fn show(&mut self, shared: &mut Shared) {
        if shared.config.thorough_peers {
            return;
        }
        // A server's answers a client's, and is not answered.
        self.says_heartbeat(shared.now, self.client);
        let shares = false;
        if self.queue_lossy(shared, &[0, opcode::MULTI_PACKET, SHOWN[0]], &SHOWN[1..], None, shares).is_ok() {
            self.talk(shared);
        }
    }

    /// A session that waits for its last acknowledgements has them all.
    pub(super) fn closed(&self) -> Result<(), Ending> {
        let closing = self.rare.as_ref().and_then(|rare| rare.closing);
        match closing {
            Some(super::Closing { reason, .. }) if self.senders.iter().all(|&sender| sender == NONE) => Err(Ending::Host(reason)),
            _ => Ok(()),
        }
    }

    /// Gives up what was overtaken on one channel, with `heard` also what is under way for too long.
    pub(super) fn detect_losses(&mut self, shared: &mut Shared, channel: usize, heard: Option<u64>) {
        let (Some(sender), Some(path)) = (shared.senders.get_mut(self.senders[channel]), shared.paths.get_mut(self.path)) else { return };
        let losses = sender.detect_losses(&self.rtt, path.reordering(), heard, shared.now);
        self.take_losses(shared, &losses);
    }

    /// What was lost leaves again, and what may yet be lost is looked at in time.
    fn take_losses(&mut self, shared: &mut Shared, losses: &Losses) {
        let Some(path) = shared.paths.get_mut(self.path) else { return };
        path.lost(losses.bytes);
        path.dropped(losses.dropped);
        if let Some(next) = losses.next {
            path.check_at = Some(path.check_at.map_or(next, |at| at.min(next)));
            shared.timers.set_at_most(self.slot(), next);
        }
        if losses.bytes + losses.dropped > 0 {
            self.talk(shared);
        }
    }

    /// A heartbeat without a CRC, which some titles' servers send. Anybody could have sent it: it is answered unless something else was sent a moment ago or waits, but it is
    /// neither an answer nor a sign of life, and changes nothing here.
    pub(crate) fn bare_heartbeat(&mut self, shared: &mut Shared) {
        count!(self, shared, dropped_contextless);
        let silent = self.lossy == NONE && shared.now - self.sent_at >= ECHO_US;
        if shared.config.answer_heartbeats && silent {
            self.queue_control(shared, &HEARTBEAT);
        }
    }

    /// A heartbeat is answered, unless it is the answer to one of this side's own, or the title's sides take them in silence.
    fn heartbeat_received(&mut self, shared: &mut Shared) {
        self.hears();
        if !shared.config.answer_heartbeats {
            return;
        }
        let within = if self.asked > 0 { ANSWER_US } else { ECHO_US };
        self.asked = self.asked.saturating_sub(1);
        if self.since_heartbeat(shared.now).is_none_or(|since| since >= within) {
            self.send_heartbeat(shared, false);
        }
    }

    fn net_status_asked(&mut self, shared: &mut Shared, request: &wire::NetStatusRequest) {
        let waiting = shared.lossy.get(self.lossy).map_or(0, |lossy| lossy.answers);
        if !shared.config.answer_net_status || waiting >= MOST_ANSWERS {
            return;
        }
        let mut packet = Vec::new();
        wire::NetStatusReply {
            stamp: request.stamp,
            peer_clock_ms: (shared.now / 1000) as u32,
            your_sent: request.sent,
            your_received: request.received,
            our_sent: self.stats.datagrams_sent,
            our_received: self.stats.datagrams_received,
        }
        .write(&mut packet);
        self.queue_control(shared, &packet);
        if let Some(lossy) = shared.lossy.get_mut(self.lossy) {
            lossy.answers += 1;
        }
    }

    /// The peer's counts: what of ours it got, and what of its own we should have.
    fn net_status_answered(&mut self, shared: &mut Shared, reply: &wire::NetStatusReply) {
        let received = self.stats.datagrams_received;
        let Some(rare) = self.rare.as_mut().filter(|rare| rare.net_status.asked_at.is_some_and(|at| (at / 1000) as u16 == reply.stamp))
        else {
            return count!(self, shared, dropped_contextless);
        };
        let lost = |arrived: u64, sent: u64| match sent {
            0 => None,
            _ => Some((1_000_000 - (u128::from(arrived.min(sent)) * 1_000_000 / u128::from(sent))) as u32),
        };
        rare.net_status.unanswered = 0;
        rare.doubt = None;
        rare.net_status.loss_sent_ppm = lost(reply.our_received, reply.your_sent);
        rare.net_status.loss_received_ppm = lost(received, reply.our_sent);
        if let Some(at) = rare.net_status.asked_at.filter(|&at| at >= shared.awake_since) {
            self.rtt.sample(shared.now - at, shared.now);
        }
    }

    /// Something that anybody could have sent says that the peer is gone: ask it. It ends the session only if no answer comes.
    pub(crate) fn doubt(&mut self, shared: &mut Shared, ending: Ending) {
        // It answered a question of the last moments: what was sent before that proves nothing.
        let answered = self.since_question(shared).is_some_and(|since| since < HINT_US && shared.now - self.received_at < since);
        let hint = ending == Ending::Unreachable;
        if self.state == State::Connecting
            || self.has_ended()
            || (hint && answered)
            || self.rare().doubt.is_some_and(|doubt| doubt.ending == Ending::Replaced || doubt.ending == ending)
        {
            return count!(self, shared, dropped_contextless);
        }
        self.rare().doubt = Some(Doubt { ending, asked: 1, asked_at: shared.now, heard: false });
        self.ask(shared, ending);
        self.schedule(shared);
    }
}

/// A time in spans of 2^24 us, never 0. They come again after 12 days, which does no harm.
fn span_of(us: u64) -> u16 {
    ((us >> 24) as u16).max(1)
}
