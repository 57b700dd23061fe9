//! Authenticated datagrams into an open session, of a server and of a client: the pen in [`crate::wire`] makes the passes and the CRC right, opens a new
//! session when one ends, and reads what is answered.
//!
//! Input: a [`Head`], then records: what to do, how much time has passed, and what the deed needs.

use crate::dialect::{Head, NAME, SEED, wire};
use crate::input::{Input, step};
use crate::mux::{Heard, Mux, Sent, same, v4};
use crate::wire::{self, Wire};
use soe::ffi::*;
use std::ptr;

/// The low bits of a record's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Deed {
    /// The packet, through the passes and with a CRC.
    Packet = 0,
    /// The same, with the next sequence of its channel in the place of its own, or the last sent one where it acknowledges.
    Next,
    /// What stands behind the passes, with a CRC alone.
    Signed,
    /// A datagram as it is.
    Bare,
    /// The packet, inside a MultiPacket with its own length in front.
    Multi,
    /// Several of the packets that `Next` makes, alike but for their sequence: how many, the packet.
    Many,
    /// An acknowledgement of what was sent: the channel and whether of all before it, how far back, how far apart from the one before.
    Acknowledge,
    /// The host sends: channel, how many times, the message.
    Send,
    /// The host sends long messages: channel, how many, how long, how they begin.
    SendLong,
    /// The host ends the session: how, why.
    End,
    /// The host sets a cipher: direction, scope, key.
    Cipher,
    /// The peer goes on from another port, or from another host.
    Remap,
    /// The peer ends the session: why.
    Leave,
    /// Time passes, from deadline to deadline: how many.
    Sleep,
    /// The peer asks for the session again, or for another one.
    Ask,
    /// The host looks around.
    Look,
}

const DEEDS: [Deed; 16] = [
    Deed::Packet,
    Deed::Next,
    Deed::Signed,
    Deed::Bare,
    Deed::Multi,
    Deed::Many,
    Deed::Acknowledge,
    Deed::Send,
    Deed::SendLong,
    Deed::End,
    Deed::Cipher,
    Deed::Remap,
    Deed::Leave,
    Deed::Sleep,
    Deed::Ask,
    Deed::Look,
];

/// The host drains no events behind the record.
pub const UNHEARD: u8 = 0x10;
/// It drains no datagrams.
pub const UNSENT: u8 = 0x20;
/// What the peer says is deflated, where the dialect compresses.
pub const DEFLATE: u8 = 0x40;
/// The record's datagram comes from somewhere else.
pub const ELSEWHERE: u8 = 0x80;

const MOST_RECORDS: usize = 48;
const MOST_SESSIONS: u32 = 6;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let head = Head::read(&mut input);
    let Some(mut peer) = Peer::new(head) else { return };
    for mut record in input.records().take(MOST_RECORDS) {
        if !peer.is_open() && !peer.open() {
            break;
        }
        let (how, waited) = (record.byte(), step(record.byte()));
        peer.now += waited;
        peer.play(how, &mut record);
        if waited > 0 {
            peer.mux.tick(peer.now);
        }
        peer.settle(how & UNHEARD == 0, how & UNSENT == 0);
    }
    peer.settle(true, true);
    peer.mux.counters();
}

struct Peer {
    mux: Mux,
    config: soe_config,
    client: bool,
    wire: Wire,
    now: u64,
    me: soe_addr,
    /// The session, and its number on the wire.
    session: Option<soe_session_id>,
    id: u32,
    opened: u32,
    /// The sequences that `Next` writes: of the four reliable channels, then of the two ordered ones.
    next: [u16; 6],
    /// The last sequences that came to us, by reliable channel.
    heard: [u16; 4],
}

impl Peer {
    fn new(head: Head) -> Option<Peer> {
        let config = head.config();
        // SAFETY: the key of the config is a constant.
        let mux = unsafe { Mux::create(&config, 0) }.ok()?;
        Some(Peer {
            mux,
            config,
            client: head.is_client(),
            wire: wire(&config),
            now: 1_000_000,
            me: v4(9, 20_000),
            session: None,
            id: 0x1122_3344,
            opened: 0,
            next: [0; 6],
            heard: [0; 4],
        })
    }

    fn is_open(&self) -> bool {
        self.session.is_some()
    }

    /// Shakes hands from an address of its own, so that a session before is not in the way. False where the dialect lets nobody in, and when it was enough.
    fn open(&mut self) -> bool {
        if self.opened == MOST_SESSIONS {
            return false;
        }
        self.opened += 1;
        self.id = self.id.wrapping_add(1);
        self.me = v4(9, 20_000 + self.opened as u16);
        (self.next, self.heard) = ([0; 6], [0; 4]);
        let version = if self.config.protocol_version == 0 { 3 } else { self.config.protocol_version };
        if self.client {
            // SAFETY: growable.
            let mut options: soe_connect_options = unsafe { crate::mux::zeroed() };
            options.session_id_on_wire = self.id;
            // SAFETY: options that point at nothing.
            if unsafe { self.mux.connect(self.now, &self.me, &options) }.is_err() {
                return false;
            }
            self.wire.seed = SEED;
            let response = wire::response(self.id, &self.wire, 512, version);
            self.feed(&response);
        } else {
            self.request(self.id, version);
            self.settle(true, false);
            let (me, id, dialect) = (self.me, self.id, wire(&self.config));
            let mut sent = self.mux.drain_all(self.now).into_iter().filter(|sent| same(&sent.to, &me));
            let Some(granted) = sent.find_map(|sent| wire::granted(&sent.data, id, &dialect)) else { return false };
            self.wire = granted;
            let first = self.wire.seal(&[0, 6], false);
            self.feed(&first);
        }
        self.settle(true, true);
        self.is_open()
    }

    fn request(&mut self, id: u32, version: u32) {
        let name = Some(NAME).filter(|_| self.config.request_has_name != 0 && version != 2);
        let request = wire::request(version, id, self.config.udp_length.max(16), name);
        self.feed(&request);
    }

    fn feed(&mut self, datagram: &[u8]) {
        self.mux.feed(self.now, &self.me, datagram);
    }

    /// Says a packet as the first byte of the record wants it said.
    fn say(&mut self, how: u8, packet: &[u8]) {
        let datagram = self.wire.seal(packet, how & DEFLATE != 0);
        self.say_sealed(how, &datagram);
    }

    fn say_sealed(&mut self, how: u8, datagram: &[u8]) {
        let from = if how & ELSEWHERE != 0 { v4(8, 20_000) } else { self.me };
        self.mux.feed(self.now, &from, datagram);
    }

    /// Writes the sequence that makes sense next, moved by the one that stood there.
    fn renumber(&mut self, packet: &mut [u8]) {
        let [0, opcode @ (0x09..=0x18 | 0x1A | 0x1B), high, low, ..] = packet else { return };
        let moved = u16::from_be_bytes([*high, *low]);
        let sequence = match *opcode {
            0x11..=0x18 => self.heard[usize::from((*opcode - 0x11) % 4)].wrapping_sub(moved),
            _ => {
                let counter = match *opcode {
                    0x1A | 0x1B => 4 + usize::from(*opcode - 0x1A),
                    _ => usize::from((*opcode - 0x09) % 4),
                };
                let sequence = self.next[counter];
                if moved == 0 {
                    self.next[counter] = sequence.wrapping_add(1);
                }
                sequence.wrapping_add(moved)
            }
        };
        [*high, *low] = sequence.to_be_bytes();
    }

    fn play(&mut self, how: u8, record: &mut Input) {
        let Some(session) = self.session else { return };
        match DEEDS[usize::from(how & 0x0F)] {
            Deed::Packet => self.say(how, record.rest()),
            Deed::Next => {
                let mut packet = record.rest().to_vec();
                self.renumber(&mut packet);
                self.say(how, &packet);
            }
            Deed::Signed => {
                let datagram = self.wire.sign(record.rest().to_vec());
                self.say_sealed(how, &datagram);
            }
            Deed::Bare => self.say_sealed(how, record.rest()),
            Deed::Multi => {
                let inside = record.rest();
                let mut packet = vec![0, 3, inside.len() as u8];
                packet.extend_from_slice(inside);
                self.say(how, &packet);
            }
            Deed::Many => {
                let (times, packet) = (record.byte(), record.rest());
                for _ in 0..times.min(48) {
                    let mut packet = packet.to_vec();
                    self.renumber(&mut packet);
                    self.say(how, &packet);
                }
            }
            Deed::Acknowledge => {
                let (which, back) = (record.byte(), record.byte());
                let sequence = self.heard[usize::from(which % 4)].wrapping_sub(u16::from(back));
                let mut packet = vec![0, 0x11 + which % 8];
                packet.extend_from_slice(&sequence.to_be_bytes());
                self.say(how, &packet);
            }
            Deed::Send => {
                let (channel, times, message) = (record.byte(), record.byte(), record.rest());
                for _ in 0..=times % 32 {
                    self.mux.send(session, u32::from(channel % 8), message);
                }
            }
            Deed::SendLong => {
                let (channel, times, len) = (record.byte(), record.byte(), usize::from(record.word()));
                let mut message = record.rest().to_vec();
                message.resize(len.max(message.len()), channel);
                for _ in 0..=times % 4 {
                    self.mux.send(session, u32::from(channel % 8), &message);
                }
            }
            Deed::End => {
                let (flags, reason) = (record.byte(), record.word());
                self.mux.disconnect(session, reason.into(), u32::from(flags % 4));
            }
            Deed::Cipher => {
                let (direction, scope, drop) = (record.byte() % 4, record.byte() % 4, record.byte());
                self.mux.set_key(session, direction.into(), scope.into(), drop.into(), record.rest());
            }
            Deed::Remap => {
                let another_host = record.byte() & 1 != 0;
                let mut packet = vec![0, 0x1E];
                packet.extend_from_slice(&self.id.to_be_bytes());
                packet.extend_from_slice(&self.wire.seed.to_be_bytes());
                let from = if another_host { v4(10, self.me.port) } else { v4(9, self.me.port + 100) };
                self.mux.feed(self.now, &from, &packet);
                let moved = self.mux.find(&from).is_ok_and(|there| there == session);
                if moved {
                    self.me = from;
                }
            }
            Deed::Leave => {
                let mut packet = vec![0, 5];
                packet.extend_from_slice(&self.id.to_be_bytes());
                packet.extend_from_slice(&record.word().to_be_bytes());
                self.say(how, &packet);
            }
            Deed::Sleep => {
                for _ in 0..record.byte() % 16 {
                    let deadline = self.mux.next_deadline();
                    if deadline == u64::MAX {
                        break;
                    }
                    self.now = self.now.max(deadline);
                    self.mux.tick(self.now);
                    self.settle(true, true);
                }
            }
            Deed::Ask => {
                let (id, version) = (u32::from(record.byte()), u32::from(record.byte() % 4));
                self.request(self.id.wrapping_add(id), version);
            }
            Deed::Look => {
                self.mux.timeout_ms(self.now);
                self.mux.counters();
                let _ = (self.mux.stats(session), self.mux.info(session), self.mux.find(&self.me));
                let _ = self.mux.drain_outgoing_into(self.now, usize::from(record.word()), usize::from(record.byte()));
                self.mux.set_user_data(session, record.long().into());
            }
        }
    }

    /// The host's part of the loop, and the peer's ears.
    fn settle(&mut self, hear: bool, send: bool) {
        if hear {
            for event in self.mux.drain_all_events() {
                self.on(&event);
            }
        }
        if send {
            for sent in self.mux.drain_all(self.now) {
                self.listen(&sent);
            }
        }
    }

    fn on(&mut self, event: &Heard) {
        use soe_event_kind::*;
        if event.is(SOE_EVENT_CONNECT_REQUEST) {
            // SAFETY: no options.
            unsafe { self.mux.accept(self.now, event.session, ptr::null()) };
        } else if event.is(SOE_EVENT_CONNECTED) {
            let Ok(info) = self.mux.info(event.session) else { return };
            if same(&info.addr, &self.me) {
                // A request in the middle of a session begins another one.
                self.session = Some(event.session);
                self.id = info.session_id_on_wire;
                let passes = [info.pass0 as u8, info.pass1 as u8];
                self.wire = Wire { seed: info.crc_seed, crc_length: info.crc_length as u8, passes, ..self.wire };
            }
        } else if event.is(SOE_EVENT_DISCONNECTED) && self.session == Some(event.session) {
            self.session = None;
        }
    }

    /// What the library sends us has the right CRC and passes that can be undone.
    fn listen(&mut self, sent: &Sent) {
        let bare = matches!(sent.data[..], [0, 0x01 | 0x02 | 0x1C..=0x1E, ..]);
        if Some(sent.session) != self.session || bare {
            return;
        }
        let Some(packet) = self.wire.open(&sent.data) else { panic!("not sealed as agreed ({:?}): {:02x?}", self.wire, sent.data) };
        for packet in wire::packets(&packet) {
            if let [0, opcode @ 0x09..=0x10, high, low, ..] = packet {
                self.heard[usize::from((opcode - 0x09) % 4)] = u16::from_be_bytes([*high, *low]);
            }
        }
    }
}
