//! What is queued leaves in as few datagrams as fit.
//!
//! A packet that fills a datagram is sealed where it was written and lent from there. Small ones share a MultiPacket, acknowledgements riding along.

use super::{CHANNELS, Session, Shared, count, outlived};
use crate::codec::Codec;
use crate::config::Config;
use crate::pool::{NONE, Place};
use crate::reliable::{Acknowledgement, Allowance, Leave, Leaving, Pace, Sender};
use crate::wire::opcode;

/// The longest packet that goes into a MultiPacket: peers of protocol version 3 misread a length of 255.
const LONGEST_ELEMENT: usize = 254;
/// Opcode and sequence.
const ACKNOWLEDGEMENT: usize = 4;
/// Packets of one reliable channel that leave before it is another's turn.
const PACKETS_A_TURN: usize = 16;
const MULTI_HEAD: [u8; 2] = [0, opcode::MULTI_PACKET];

/// A packet on its way into a datagram.
#[derive(Clone, Copy)]
enum Piece {
    /// Written in the outbox's pool, with room for the CRC behind it.
    Written {
        place: Place,
        sealed: bool,
    },
    Acknowledgement([u8; ACKNOWLEDGEMENT]),
}

/// The MultiPacket being filled. With one element it leaves as that element alone.
#[derive(Default)]
struct Packer {
    /// Head and elements, once there are two.
    multi: Vec<u8>,
    only: Option<Piece>,
    /// Nothing in it but acknowledgements, which may wait while full packets leave before them.
    acknowledgements: bool,
}

impl Packer {
    fn is_empty(&self) -> bool {
        self.only.is_none() && self.multi.is_empty()
    }

    fn len(&self) -> usize {
        match self.only {
            Some(piece) => MULTI_HEAD.len() + 1 + piece.len(),
            None => self.multi.len(),
        }
    }
}

impl Piece {
    fn len(&self) -> usize {
        match self {
            Piece::Written { place, .. } => place.len as usize,
            Piece::Acknowledgement(bytes) => bytes.len(),
        }
    }
}

/// A drain of one session.
struct Flush<'a> {
    shared: &'a mut Shared,
    codec: &'a mut Codec,
    packer: Packer,
    /// A datagram being sealed.
    sealed: Vec<u8>,
    /// Datagrams that the drain may hold in all.
    most: usize,
}

impl Session {
    /// Hands queued packets to the drain until it holds `most` datagrams. Returns whether something is left.
    pub(crate) fn flush(&mut self, shared: &mut Shared, codec: &mut Codec, most: usize) -> bool {
        if self.has_ended() {
            return false;
        }
        self.start_closing(shared);
        shared.out.speak_for(self.id, self.address);
        let mut multi = std::mem::take(&mut shared.work);
        multi.clear();
        let sealed = std::mem::take(&mut shared.sealed);
        let mut flush = Flush { shared, codec, packer: Packer { multi, ..Packer::default() }, sealed, most };
        let left = !self.fill(&mut flush);
        self.leave_multi(&mut flush);
        let Flush { shared, codec, packer, sealed, .. } = flush;
        (shared.work, shared.sealed) = (packer.multi, sealed);
        for channel in 0..CHANNELS {
            self.give_back_receiver(shared, channel);
        }
        if let Some(lossy) = shared.lossy.get_mut(self.lossy)
            && lossy.queue.is_empty()
        {
            lossy.bytes = 0;
            shared.lossy.give_back(self.lossy);
            self.lossy = NONE;
            if self.blocked && self.has_room(shared) {
                self.blocked = false;
                shared.events.push(self.whose(), shared.now, crate::mux::events::Kind::Writable);
            }
        }
        if !left {
            match self.closed() {
                Err(ending) if self.lossy == NONE => self.end(shared, codec, ending),
                _ => self.schedule(shared),
            }
        }
        left
    }

    /// False where the drain is full and something is left.
    fn fill(&mut self, flush: &mut Flush<'_>) -> bool {
        self.fill_acknowledgements(flush) && self.fill_reliable(flush) && self.fill_lossy(flush) && self.fill_copies(flush)
    }

    /// Acknowledgements that are due, or all that are owed where other things leave anyway.
    fn fill_acknowledgements(&mut self, flush: &mut Flush<'_>) -> bool {
        let talks = self.lossy != NONE || self.senders.iter().filter_map(|&sender| flush.shared.senders.get(sender)).any(Sender::waits);
        for channel in 0..CHANNELS {
            let owes_at = flush.shared.receivers.get(self.receivers[channel]).and_then(|receiver| receiver.owes_at());
            let Some(owes_at) = owes_at else { continue };
            if owes_at > flush.shared.now && !talks {
                continue;
            }
            if !flush.has_room() {
                return false;
            }
            let Some(slot) = flush.shared.receivers.get_mut(self.receivers[channel]) else { continue };
            let mut receiver = std::mem::take(slot);
            let most = flush.room() * ((self.room() - MULTI_HEAD.len()) / (1 + ACKNOWLEDGEMENT));
            let Config { ack_delay_us, ack_every_packet, .. } = flush.shared.config;
            let pace = Pace { delay: ack_delay_us.into(), every_packet: ack_every_packet, most };
            let all = receiver.acknowledge(flush.shared.now, &pace, |acknowledgement| {
                let (opcode, sequence) = match acknowledgement {
                    Acknowledgement::All(sequence) => (opcode::ACKNOWLEDGE_ALL, sequence),
                    Acknowledgement::One(sequence) => (opcode::ACKNOWLEDGE, sequence),
                };
                let [high, low] = sequence.to_be_bytes();
                self.add(flush, Piece::Acknowledgement([0, opcode + channel as u8, high, low]), true);
            });
            if let Some(slot) = flush.shared.receivers.get_mut(self.receivers[channel]) {
                *slot = receiver;
            }
            if !all {
                return false;
            }
        }
        true
    }

    /// The channels in turn, a few packets each, so that none waits for another.
    fn fill_reliable(&mut self, flush: &mut Flush<'_>) -> bool {
        for channel in 0..CHANNELS {
            if self.senders[channel] != NONE {
                self.close_open_packet(flush, channel);
            }
        }
        let Some(allowance) = flush.shared.paths.get(self.path).map(|path| path.allowance(&self.rtt, flush.shared.now)) else {
            return true;
        };
        let leave = self.leave_taking(&flush.shared.config);
        let mut quiet = 0;
        while quiet < CHANNELS {
            let channel = usize::from(self.turn) % CHANNELS;
            let sent = if self.senders[channel] == NONE { Some(0) } else { self.take_turn(flush, channel, &allowance, &leave) };
            match sent {
                Some(0) => quiet += 1,
                Some(_) => quiet = 0,
                None => return false,
            }
            self.turn = self.turn.wrapping_add(1);
        }
        if let Some(path) = flush.shared.paths.get_mut(self.path) {
            let now = flush.shared.now;
            let waits = self.senders.iter().any(|&sender| flush.shared.senders.get(sender).is_some_and(Sender::waits));
            if !waits {
                path.nothing_waits();
            }
            if !path.idle() && path.check_at.is_none() {
                path.check_at = Some(now + self.rtt.timeout(1));
            }
        }
        true
    }

    fn close_open_packet(&mut self, flush: &mut Flush<'_>, channel: usize) {
        let shared = &mut *flush.shared;
        let layout = self.layout(shared, channel);
        if self.path == NONE {
            self.path = shared.paths.take();
            if let Some(path) = shared.paths.get_mut(self.path) {
                path.begin(&shared.config, layout.payload, shared.now);
            }
        }
        if let Some(sender) = shared.senders.get_mut(self.senders[channel]) {
            sender.close(&layout, &mut shared.out.pool);
        }
    }

    /// Lets the channel's next packets leave, as far as they may now. Returns how many did, `None` where the drain is full and there are more.
    fn take_turn(&mut self, flush: &mut Flush<'_>, channel: usize, allowance: &Allowance, leave: &Leave) -> Option<usize> {
        let room = flush.room().min(PACKETS_A_TURN);
        let mut turn = [Leaving::default(); PACKETS_A_TURN];
        let Shared { senders, paths, now, .. } = &mut *flush.shared;
        let (Some(sender), Some(path)) = (senders.get_mut(self.senders[channel]), paths.get_mut(self.path)) else { return Some(0) };
        if room == 0 {
            return if path.may_send(allowance) && sender.has_next(path.beyond()) { None } else { Some(0) };
        }
        let (count, again) = sender.take_turn(path, allowance, *now, leave, &mut turn[..room]);
        count!(self, flush.shared, retransmissions, again);
        let mut run = &turn[..count];
        while !run.is_empty() {
            run = self.leave_run(flush, run, leave.alone_from);
            if let Some((&Leaving { place, sealed }, rest)) = run.split_first() {
                self.add(flush, Piece::Written { place, sealed }, true);
                run = rest;
            }
        }
        Some(count)
    }

    /// Lets the first packets of a run leave from where they stand, up to one that shares. Returns the others.
    #[inline]
    fn leave_run<'a>(&mut self, flush: &mut Flush<'_>, run: &'a [Leaving], alone_from: u32) -> &'a [Leaving] {
        if !flush.packer.acknowledgements && !flush.packer.is_empty() {
            return run;
        }
        let (mut rest, mut bytes) = (run, 0);
        while let Some((&Leaving { place, sealed }, others)) = rest.split_first()
            && place.len >= alone_from
        {
            bytes += self.leave_in_place(flush, place, sealed);
            rest = others;
        }
        self.left(flush.shared, (run.len() - rest.len()) as u64, bytes);
        rest
    }

    /// How this session's packets leave.
    fn leave_taking(&self, config: &Config) -> Leave {
        Leave {
            copies: config.redundancy as u8,
            copied_to: u32::from(self.agreed.udp_length) * 3 / 4,
            alone_from: if self.agreed.sealing.is_plain() { LONGEST_ELEMENT as u32 + 1 } else { u32::MAX },
        }
    }

    fn fill_lossy(&mut self, flush: &mut Flush<'_>) -> bool {
        while let Some(queued) = flush.shared.lossy.get(self.lossy).and_then(|lossy| lossy.queue.front()) {
            let piece = Piece::Written { place: queued.place, sealed: false };
            let shares = queued.shares;
            if !flush.has_room() {
                return false;
            }
            self.add(flush, piece, shares);
            if let Some(lossy) = flush.shared.lossy.get_mut(self.lossy)
                && let Some(queued) = lossy.queue.pop_front()
            {
                lossy.bytes -= queued.place.len as usize;
                if lossy.queue.is_empty() {
                    lossy.answers = 0;
                }
                // The drain has its own hold, the MultiPacket a copy.
                flush.shared.out.pool.release(queued.place.block);
            }
        }
        true
    }

    /// Small reliable packets go out once more where another datagram leaves anyway, or where none left for long enough.
    fn fill_copies(&mut self, flush: &mut Flush<'_>) -> bool {
        if flush.shared.config.redundancy == 0 {
            return true;
        }
        let now = flush.shared.now;
        let delay = u64::from(flush.shared.config.redundancy_delay_us);
        let leave = self.leave_taking(&flush.shared.config);
        for channel in 0..CHANNELS {
            let mut from = 0;
            while let Some(sender) = flush.shared.senders.get_mut(self.senders[channel])
                && let Some(index) = sender.next_copy(from, now)
            {
                from = index + 1;
                let packet = sender.packet(index);
                let len = packet.place.len as usize;
                let due = packet.last_left_at() + delay <= now;
                let rides = !flush.packer.is_empty() && flush.packer.len() + 1 + len <= self.room();
                if !due && !rides {
                    continue;
                }
                if !flush.has_room() {
                    return false;
                }
                let Some(sender) = flush.shared.senders.get_mut(self.senders[channel]) else { break };
                let Leaving { place, sealed } = sender.copied(index, &leave, now);
                self.add(flush, Piece::Written { place, sealed }, true);
            }
        }
        true
    }

    /// Bytes of a packet that fit a datagram.
    fn room(&self) -> usize {
        usize::from(self.agreed.udp_length) - self.agreed.sealing.crc_length() - self.agreed.sealing.expansion()
    }

    /// Adds a packet to the MultiPacket where it may and fits, else lets it leave alone.
    #[inline]
    fn add(&mut self, flush: &mut Flush<'_>, piece: Piece, shares: bool) {
        if shares && piece.len() <= LONGEST_ELEMENT {
            return self.pack(flush, piece);
        }
        if !flush.packer.acknowledgements && !flush.packer.is_empty() {
            self.leave_multi(flush);
        }
        self.leave(flush, piece);
    }

    fn pack(&mut self, flush: &mut Flush<'_>, piece: Piece) {
        let acknowledgement = matches!(piece, Piece::Acknowledgement(_));
        if flush.packer.len() + 1 + piece.len() > self.room() {
            self.leave_multi(flush);
        }
        if flush.packer.is_empty() {
            flush.packer.only = Some(piece);
            flush.packer.acknowledgements = acknowledgement;
            if let Piece::Written { place, .. } = piece {
                flush.shared.out.pool.hold(place.block);
            }
            return;
        }
        flush.packer.acknowledgements &= acknowledgement;
        if let Some(first) = flush.packer.only.take() {
            flush.packer.multi.extend_from_slice(&MULTI_HEAD);
            flush.append(&first);
            if let Piece::Written { place, .. } = first {
                flush.shared.out.pool.release(place.block);
            }
        }
        flush.append(&piece);
    }

    /// Lets the MultiPacket leave.
    fn leave_multi(&mut self, flush: &mut Flush<'_>) {
        if let Some(piece) = flush.packer.only.take() {
            self.leave(flush, piece);
            if let Piece::Written { place, .. } = piece {
                flush.shared.out.pool.release(place.block);
            }
        } else if !flush.packer.multi.is_empty() {
            let multi = std::mem::take(&mut flush.packer.multi);
            self.leave_bytes(flush, &multi);
            flush.packer.multi = multi;
            flush.packer.multi.clear();
        }
        flush.packer.acknowledgements = false;
    }

    /// Seals one packet and lets it leave: where it stands, if no pass changes it.
    fn leave(&mut self, flush: &mut Flush<'_>, piece: Piece) {
        match piece {
            Piece::Acknowledgement(bytes) => self.leave_bytes(flush, &bytes),
            Piece::Written { place, sealed } if self.agreed.sealing.is_plain() => {
                let len = self.leave_in_place(flush, place, sealed);
                self.left(flush.shared, 1, len);
            }
            Piece::Written { place, .. } => {
                flush.sealed.clear();
                flush.codec.seal(&self.agreed.sealing, flush.shared.out.pool.bytes(place), &mut flush.sealed);
                self.leave_sealed(flush);
            }
        }
    }

    #[inline(always)]
    fn leave_in_place(&self, flush: &mut Flush<'_>, place: Place, sealed: bool) -> u64 {
        let whole = Place { len: place.len + self.agreed.sealing.crc_length() as u32, ..place };
        let out = &mut flush.shared.out;
        if !sealed {
            flush.codec.append_crc(&self.agreed.sealing, out.pool.bytes_mut(whole), place.len as usize);
        }
        out.leave(whole);
        whole.len.into()
    }

    fn leave_bytes(&mut self, flush: &mut Flush<'_>, packet: &[u8]) {
        flush.sealed.clear();
        flush.codec.seal(&self.agreed.sealing, packet, &mut flush.sealed);
        self.leave_sealed(flush);
    }

    fn leave_sealed(&mut self, flush: &mut Flush<'_>) {
        flush.shared.out.leave_copy(&flush.sealed);
        let len = flush.sealed.len();
        self.left(flush.shared, 1, len as u64);
    }

    fn left(&mut self, shared: &mut Shared, datagrams: u64, bytes: u64) {
        if datagrams > 0 {
            self.sent_at = shared.now;
        }
        count!(self, shared, datagrams_sent, datagrams);
        count!(self, shared, bytes_sent, bytes);
    }

    /// Gives back what the channels don't need any more; their sequences stay with the session.
    pub(super) fn give_back_senders(&mut self, shared: &mut Shared) {
        for channel in 0..CHANNELS {
            if let Some(sender) = shared.senders.get_mut(self.senders[channel])
                && sender.is_idle()
            {
                self.next_out[channel] = outlived(sender.end(&mut shared.out.pool));
                shared.senders.give_back(self.senders[channel]);
                self.senders[channel] = NONE;
            }
        }
        self.give_back_path(shared);
    }

    /// When what is known of the path is forgotten, if nothing is sent before.
    pub(super) fn path_rests_at(&self, shared: &Shared) -> Option<u64> {
        let idle = self.senders.iter().all(|&sender| sender == NONE);
        shared.paths.get(self.path).filter(|_| idle).map(|path| path.rests_at(&self.rtt))
    }

    /// Forgets the path when nothing is under way and it is time.
    pub(super) fn give_back_path(&mut self, shared: &mut Shared) {
        if self.path_rests_at(shared).is_some_and(|at| at <= shared.now) {
            shared.paths.give_back(self.path);
            self.path = NONE;
        }
    }

    pub(super) fn give_back_receiver(&mut self, shared: &mut Shared, channel: usize) {
        if let Some(receiver) = shared.receivers.get_mut(self.receivers[channel])
            && receiver.rests_at(shared.config.ack_delay_us.into()).is_some_and(|at| at <= shared.now)
        {
            self.next_in[channel] = outlived(receiver.end());
            shared.receivers.give_back(self.receivers[channel]);
            self.receivers[channel] = NONE;
        }
    }
}

impl Flush<'_> {
    /// Datagrams that may still be added, without the MultiPacket that is being filled.
    fn room(&self) -> usize {
        self.most - (self.shared.out.leaving() + usize::from(!self.packer.is_empty())).min(self.most)
    }

    /// True where one more packet may be added: it may push out the MultiPacket before it.
    fn has_room(&self) -> bool {
        self.room() > 0
    }

    fn append(&mut self, piece: &Piece) {
        self.packer.multi.push(piece.len() as u8);
        match piece {
            Piece::Written { place, .. } => self.packer.multi.extend_from_slice(self.shared.out.pool.bytes(*place)),
            Piece::Acknowledgement(bytes) => self.packer.multi.extend_from_slice(bytes),
        }
    }
}
