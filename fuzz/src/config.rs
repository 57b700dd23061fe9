//! Arbitrary values in a `soe_config`. What is accepted carries a short conversation between two multiplexers of this config.
//!
//! Input: the title to start from, how many members are set, for each which and to what; which messages are sent; then datagrams for the end of the
//! conversation.

use crate::input::{Input, step};
use crate::mux::{Mux, preset, v4};
use soe::ffi::*;
use std::mem::offset_of;
use std::ptr;

const WORDS: usize = size_of::<soe_config>() / 4;
/// A round of the conversation: both sides drain, and time goes on to the next deadline.
const ROUNDS: usize = 8;

/// Numbers at which something begins or ends.
pub const NOTABLE: [u32; 24] =
    [0, 1, 2, 3, 4, 5, 8, 9, 15, 16, 17, 24, 127, 254, 255, 256, 512, 16_383, 16_384, 65_535, 65_536, 1_000_000, 1 << 30, u32::MAX];

/// What follows the number of a member: one byte below this says a notable value, this one a byte, the next a word, else a long.
pub const BYTE: u8 = 0x20;
pub const WORD: u8 = 0x21;
pub const LONG: u8 = 0x22;

fn value(input: &mut Input) -> u32 {
    match input.byte() {
        class @ 0..BYTE => NOTABLE[usize::from(class) % NOTABLE.len()],
        BYTE => input.byte().into(),
        WORD => input.word().into(),
        _ => input.long(),
    }
}

/// The config that the input describes, with what it points at.
fn config(input: &mut Input) -> (soe_config, [Box<[u8]>; 2]) {
    let mut config = preset(u32::from(input.byte() % 9));
    for _ in 0..input.byte() % 32 {
        let (member, value) = (usize::from(input.byte()) % WORDS * 4, value(input));
        let inside = |pointer: usize| (pointer..pointer + size_of::<usize>()).contains(&member);
        if member == offset_of!(soe_config, struct_size) {
            continue;
        }
        if inside(offset_of!(soe_config, application_protocol)) {
            config.application_protocol = ptr::dangling();
        } else if inside(offset_of!(soe_config, cipher_key)) {
            config.cipher_key = ptr::dangling();
        } else {
            let words = (&raw mut config).cast::<u32>();
            // SAFETY: a member inside the struct, of four bytes or half of one of eight.
            unsafe { words.add(member / 4).write(value) };
        }
    }
    // As much as is named, and no more than is allowed: beyond, it is not looked at.
    let fill = |len: u32, with: u8| -> Box<[u8]> { vec![with; len.min(4096) as usize].into() };
    let (name, key) = (fill(config.application_protocol_len, b'n'), fill(config.cipher_key_len, 7));
    config.application_protocol = if config.application_protocol.is_null() { ptr::null() } else { name.as_ptr().cast() };
    config.cipher_key = if config.cipher_key.is_null() { ptr::null() } else { key.as_ptr() };
    // Or the same input would not do the same.
    config.rng_seed |= 1;
    (config, [name, key])
}

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let (config, _memory) = config(&mut input);
    // SAFETY: the name and the key have as many bytes as the config says, where it says no more than it may.
    let Ok(server) = (unsafe { Mux::create(&config, 0) }) else { return };
    // SAFETY: the same.
    let client = unsafe { Mux::create(&config, 0) }.expect("what was good once is good twice");
    let which = input.byte();
    let mut talk = Talk { sides: [Side::new(server), Side::new(client)], config, now: 1_000_000 };
    talk.open();
    talk.exchange(which);
    talk.garble(input);
    talk.close();
}

struct Side {
    mux: Mux,
    session: Option<soe_session_id>,
    /// What was sent reliably and what came, by channel.
    sent: [Vec<Vec<u8>>; 4],
    came: [Vec<Vec<u8>>; 4],
}

impl Side {
    fn new(mux: Mux) -> Self {
        Side { mux, session: None, sent: Default::default(), came: Default::default() }
    }
}

struct Talk {
    sides: [Side; 2],
    config: soe_config,
    now: u64,
}

fn home(side: usize) -> soe_addr {
    v4(1 + side as u8, 20_000)
}

impl Talk {
    fn open(&mut self) {
        // SAFETY: no options.
        self.sides[1].session = unsafe { self.sides[1].mux.connect(self.now, &home(0), ptr::null()) }.ok();
        self.rounds(ROUNDS);
    }

    /// Messages on every channel, from both sides; of lengths around those at which their form changes, some of them in each input.
    fn exchange(&mut self, which: u8) {
        let datagram = self.config.udp_length as usize;
        let lengths = [1, 2, 60, 253, 254, 255, datagram.saturating_sub(6), datagram + 1, 3 * datagram];
        for at in 0..2 {
            for channel in 0..7 {
                for more in 0..3 {
                    let len = lengths[(usize::from(which) + channel + more) % lengths.len()];
                    let side = &mut self.sides[at];
                    let Some(session) = side.session else { continue };
                    let message = vec![(16 * channel + more) as u8; len];
                    if side.mux.send(session, channel as u32, &message) == soe_status_code::SOE_OK as i32
                        && let Some(sent) = side.sent.get_mut(channel)
                    {
                        sent.push(message);
                    }
                }
            }
        }
        self.rounds(ROUNDS);
        self.compare();
    }

    fn garble(&mut self, input: Input) {
        for mut record in input.records().take(8) {
            let at = usize::from(record.byte() & 1);
            self.now += step(record.byte());
            self.sides[at].mux.feed(self.now, &home(1 - at), record.rest());
            self.rounds(1);
        }
    }

    fn close(&mut self) {
        if let Some(session) = self.sides[1].session {
            self.sides[1].mux.disconnect(session, 6, soe_disconnect_flag::SOE_DISCONNECT_FLUSH as u32);
        }
        self.rounds(ROUNDS);
        self.sides.iter_mut().for_each(|side| {
            side.mux.counters();
        });
    }

    /// Until nobody has anything to say.
    fn rounds(&mut self, count: usize) {
        for _ in 0..count {
            if self.turn(0) + self.turn(1) == 0 {
                break;
            }
            let deadline = self.sides.iter().map(|side| side.mux.next_deadline()).min().unwrap_or(u64::MAX);
            // Not beyond a minute, which ends most sessions, in one go.
            self.now = deadline.clamp(self.now + 1, self.now + 5_000_000);
        }
    }

    /// How many datagrams left.
    fn turn(&mut self, at: usize) -> usize {
        let now = self.now;
        let side = &mut self.sides[at];
        side.mux.tick(now);
        side.mux.timeout_ms(now);
        for event in side.mux.drain_all_events() {
            use soe_event_kind::*;
            if event.is(SOE_EVENT_CONNECT_REQUEST) {
                // SAFETY: no options.
                unsafe { side.mux.accept(now, event.session, ptr::null()) };
            } else if event.is(SOE_EVENT_CONNECTED) {
                side.session = Some(event.session);
            } else if event.is(SOE_EVENT_MESSAGE)
                && let Some(came) = side.came.get_mut(event.channel as usize)
            {
                came.push(event.data);
            }
        }
        let sent = side.mux.drain_all(now);
        sent.iter().for_each(|sent| {
            self.sides[1 - at].mux.feed(now, &home(at), &sent.data);
        });
        sent.len()
    }

    /// What came is what was sent, from the first message on: on all reliable channels but the one that long messages of other channels use.
    fn compare(&self) {
        if !self.config.cipher_key.is_null() && self.config.cipher_scope != soe_cipher_scope::SOE_CIPHER_PER_CHANNEL as u32 {
            // Channels that share a key stream are for hosts that use one of them.
            return;
        }
        for (from, to) in [(0, 1), (1, 0)] {
            for channel in 1..4 {
                let (sent, came) = (&self.sides[from].sent[channel], &self.sides[to].came[channel]);
                assert!(sent.starts_with(came), "channel {channel}: {:02x?} is not how {:02x?} begins", came, sent);
            }
        }
    }
}
