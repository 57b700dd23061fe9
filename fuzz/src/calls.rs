//! Sequences of calls with arbitrary arguments, on two multiplexers that are connected to each other by a road of ours.
//!
//! Input: a [`Head`] for each of the two, then calls: which one and on which of the two, and its arguments, a few bytes each.

use crate::dialect::{Head, NAME};
use crate::input::{Input, step};
use crate::mux::{Mux, UNTOUCHED, answered, same, v4, zeroed};
use soe::ffi::soe_status_code::*;
use soe::ffi::*;
use std::collections::VecDeque;
use std::ffi::CStr;
use std::ptr;

/// The low bits of the first byte of a call; the highest one says on which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Call {
    Feed = 0,
    FeedBatch,
    Tick,
    Deadline,
    DrainOutgoing,
    DrainOutgoingInto,
    DrainEvents,
    Connect,
    Accept,
    Disconnect,
    Send,
    /// What an event lent, from where it lies.
    SendLent,
    SetCipher,
    SetUserData,
    GetInfo,
    GetStats,
    MuxStats,
    Find,
    /// No call: time goes on, back, or to the next deadline.
    Time,
    /// No call: some of what is on the road arrives, or is lost, or overtaken.
    Road,
    /// What a host does in a turn of its loop, on both, some times over.
    Loop,
    /// Pointers that are NULL or misaligned.
    Pointers,
    /// Functions that need no handle.
    Library,
    /// The handle is freed, and another made in its place.
    Anew,
}

const CALLS: [Call; 24] = [
    Call::Feed,
    Call::FeedBatch,
    Call::Tick,
    Call::Deadline,
    Call::DrainOutgoing,
    Call::DrainOutgoingInto,
    Call::DrainEvents,
    Call::Connect,
    Call::Accept,
    Call::Disconnect,
    Call::Send,
    Call::SendLent,
    Call::SetCipher,
    Call::SetUserData,
    Call::GetInfo,
    Call::GetStats,
    Call::MuxStats,
    Call::Find,
    Call::Time,
    Call::Road,
    Call::Loop,
    Call::Pointers,
    Call::Library,
    Call::Anew,
];

/// The bit of the first byte that says which of the two.
pub const SECOND: u8 = 0x80;

const MOST_CALLS: usize = 200;
/// More than that is lost.
const ROAD: usize = 256;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let heads = [Head::read(&mut input), Head::read(&mut input)];
    let [Some(first), Some(second)] = heads.map(Side::new) else { return };
    let mut world = World { sides: [first, second], heads, now: 1_000_000, road: VecDeque::new() };
    for _ in 0..MOST_CALLS {
        if input.is_empty() {
            break;
        }
        world.call(&mut input);
    }
    world.turn();
}

struct Side {
    mux: Mux,
    /// Ids that were heard of, of whatever became of them.
    known: Vec<soe_session_id>,
}

impl Side {
    fn new(head: Head) -> Option<Side> {
        let mut config = head.config();
        (config.application_protocol, config.application_protocol_len) = (NAME.as_ptr().cast(), NAME.len() as u32);
        // SAFETY: the name and the key are constants.
        Some(Side { mux: unsafe { Mux::create(&config, 0) }.ok()?, known: vec![] })
    }

    /// A session that there is or was, or any number.
    fn session(&self, input: &mut Input) -> soe_session_id {
        let which = input.byte();
        match (which, self.known.len()) {
            (0xF0..=0xFF, _) | (_, 0) => u64::from(input.long()) << (which & 0x0F) << (which & 0x0F),
            // The latest is number 0.
            (_, known) => self.known[known - 1 - usize::from(which) % known],
        }
    }

    fn know(&mut self, session: soe_session_id) {
        if !self.known.contains(&session) {
            self.known.push(session);
        }
    }
}

struct World {
    sides: [Side; 2],
    heads: [Head; 2],
    now: u64,
    /// From which side, and to which address, what.
    road: VecDeque<(usize, soe_addr, Vec<u8>)>,
}

/// Where a side is, for the other one.
fn home(side: usize) -> soe_addr {
    v4(1 + side as u8, 20_000)
}

fn length(input: &mut Input) -> usize {
    let byte = input.byte();
    if byte < 0xF0 { usize::from(byte) } else { usize::from(input.word()) }
}

/// The other side, or a third one; also with a family that is none.
fn address(input: &mut Input, at: usize) -> soe_addr {
    let mut addr = home(1 - at);
    let which = input.byte();
    match which {
        0..=0xBF => {}
        0xC0..=0xDF => addr.port += u16::from(which - 0xBF),
        0xE0..=0xEF => addr.port = 0,
        _ => addr.family = which & 0x0F,
    }
    addr
}

impl World {
    fn call(&mut self, input: &mut Input) {
        let first = input.byte();
        let at = usize::from(first & SECOND != 0);
        let call = CALLS[usize::from(first & !SECOND) % CALLS.len()];
        let now = self.now;
        let side = &mut self.sides[at];
        match call {
            Call::Feed => {
                let from = address(input, at);
                let len = length(input);
                side.mux.feed(now, &from, input.bytes(len));
            }
            Call::FeedBatch => {
                let count = input.byte() % 8;
                let batch: Vec<_> = (0..count)
                    .map(|_| {
                        let (from, segment_size, len) = (address(input, at), input.byte().into(), length(input));
                        (from, input.bytes(len), segment_size)
                    })
                    .collect();
                side.mux.feed_batch(now, &batch);
            }
            Call::Tick => side.mux.tick(now),
            Call::Deadline => {
                side.mux.timeout_ms(now);
            }
            Call::DrainOutgoing => {
                let cap = length(input).min(300);
                let sent = side.mux.drain_outgoing(now, cap);
                self.depart(at, sent);
            }
            Call::DrainOutgoingInto => {
                let (len, cap) = (length(input), length(input).min(300));
                let sent = side.mux.drain_outgoing_into(now, len, cap).unwrap_or_default();
                self.depart(at, sent);
            }
            Call::DrainEvents => {
                let cap = length(input).min(300);
                side.mux.drain_events(cap).iter().for_each(|event| side.know(event.session));
            }
            Call::Connect => {
                let (to, which) = (address(input, at), input.byte());
                let name: Box<[u8]> = input.bytes(usize::from(which & 0x0F)).into();
                // SAFETY: growable.
                let mut options: soe_connect_options = unsafe { zeroed() };
                options.session_id_on_wire = input.byte().into();
                (options.application_protocol, options.application_protocol_len) = (name.as_ptr().cast(), name.len() as u32);
                options.timeout_ms = if which & 0x20 != 0 { u32::MAX } else { 0 };
                let given = if which & 0x10 != 0 { ptr::from_ref(&options) } else { ptr::null() };
                // SAFETY: options with a name of the length that they say, or NULL.
                if let Ok(session) = unsafe { side.mux.connect(now, &to, given) } {
                    side.know(session);
                }
            }
            Call::Accept => {
                let (session, which) = (side.session(input), input.byte());
                // SAFETY: growable.
                let mut options: soe_accept_options = unsafe { zeroed() };
                options.flags = u32::from(which == 0xFF);
                (options.pass0, options.pass1) = (input.byte() as i8 as i32, input.byte() as i8 as i32);
                options.crc_length = input.byte() as i8 as i32;
                let key: Box<[u8]> = input.bytes(usize::from(which & 0x0F)).into();
                (options.cipher_key, options.cipher_key_len) = (key.as_ptr(), key.len() as u32);
                let given = if which & 0x10 != 0 { ptr::from_ref(&options) } else { ptr::null() };
                // SAFETY: options with a key of the length that they say, or NULL.
                unsafe { side.mux.accept(now, session, given) };
            }
            Call::Disconnect => {
                let (session, flags, reason) = (side.session(input), input.byte(), input.word());
                let reason = if flags & 0x80 == 0 { u32::from(reason) } else { u32::from(reason) << 8 };
                side.mux.disconnect(session, reason, u32::from(flags & 0x7F));
            }
            Call::Send => {
                let (session, channel, len) = (side.session(input), input.byte(), length(input));
                let fill = input.byte();
                side.mux.send(session, channel.into(), &vec![fill; len]);
            }
            Call::SendLent => {
                let (session, channel, which) = (side.session(input), input.byte(), input.byte());
                side.mux.send_lent(session, channel.into(), which.into());
            }
            Call::SetCipher => {
                let (session, kind, drop, len) = (side.session(input), input.byte(), length(input), length(input));
                side.mux.set_key(session, u32::from(kind & 7), u32::from(kind >> 4), drop as u32, input.bytes(len));
            }
            Call::SetUserData => {
                let session = side.session(input);
                side.mux.set_user_data(session, input.long().into());
            }
            Call::GetInfo => {
                let session = side.session(input);
                let _ = side.mux.info(session);
            }
            Call::GetStats => {
                let session = side.session(input);
                let _ = side.mux.stats(session);
            }
            Call::MuxStats => {
                side.mux.counters();
            }
            Call::Find => {
                let addr = address(input, at);
                if let Ok(session) = side.mux.find(&addr)
                    && session != 0
                {
                    side.know(session);
                }
            }
            Call::Time => self.time(input),
            Call::Road => self.arrive(input),
            Call::Loop => (0..input.byte() % 8).for_each(|_| self.turn()),
            Call::Pointers => self.pointers(input, at),
            Call::Library => library(input),
            Call::Anew => {
                if let Some(side) = Side::new(self.heads[at]) {
                    self.sides[at] = side;
                }
            }
        }
    }

    fn time(&mut self, input: &mut Input) {
        let (how, by) = (input.byte(), step(input.byte()));
        self.now = match how % 8 {
            0..=3 => self.now.saturating_add(by),
            4 => self.now.saturating_sub(by),
            5 => u64::MAX - by,
            side => match self.sides[usize::from(side == 7)].mux.next_deadline() {
                u64::MAX => self.now,
                deadline => deadline,
            },
        };
    }

    fn depart(&mut self, at: usize, sent: Vec<crate::mux::Sent>) {
        let room = ROAD.saturating_sub(self.road.len());
        self.road.extend(sent.into_iter().take(room).map(|sent| (at, sent.to, sent.data)));
    }

    fn arrive(&mut self, input: &mut Input) {
        let (how, count) = (input.byte(), input.byte());
        for _ in 0..count % 32 {
            // From the front, from the back, lost, twice.
            let next = if how & 1 == 0 { self.road.pop_front() } else { self.road.pop_back() };
            let Some((from, to, data)) = next else { return };
            if how & 2 == 0 {
                self.deliver(from, to, &data);
            }
            if how & 4 != 0 {
                self.deliver(from, to, &data);
            }
        }
    }

    fn deliver(&mut self, from: usize, to: soe_addr, data: &[u8]) {
        if same(&to, &home(1 - from)) {
            self.sides[1 - from].mux.feed(self.now, &home(from), data);
        }
    }

    /// Everything that waits is drained and arrives.
    fn turn(&mut self) {
        for at in 0..2 {
            let side = &mut self.sides[at];
            side.mux.tick(self.now);
            for event in side.mux.drain_all_events() {
                side.know(event.session);
                if event.is(soe_event_kind::SOE_EVENT_CONNECT_REQUEST) {
                    // SAFETY: no options.
                    unsafe { side.mux.accept(self.now, event.session, ptr::null()) };
                }
            }
            let sent = side.mux.drain_all(self.now);
            self.depart(at, sent);
            for _ in 0..self.road.len() {
                let Some((from, to, data)) = self.road.pop_front() else { break };
                self.deliver(from, to, &data);
            }
        }
    }

    /// Mistakes of a host in one argument each, which are answered and change nothing.
    fn pointers(&mut self, input: &mut Input, at: usize) {
        let side = &mut self.sides[at];
        let (which, session) = (input.byte(), side.session(input));
        let (mux, now, addr) = (side.mux.handle(), self.now, home(1 - at));
        let misaligned = which & 0x80 != 0;
        let mistake = if misaligned { SOE_ERR_MISALIGNED } else { SOE_ERR_NULL };
        let off = usize::from(misaligned);
        let mut count = UNTOUCHED as usize;
        let mut id = UNTOUCHED;
        // One more byte than is needed in front of what is aligned, so that a misaligned pointer points at memory, too.
        let mut memory = [0u64; 64];
        let bad = |memory: &mut [u64; 64]| if misaligned { memory.as_mut_ptr().wrapping_byte_add(off) } else { ptr::null_mut() };
        let bad = bad(&mut memory);
        // SAFETY: every pointer is NULL, misaligned, or good for what is named; the first two are not followed.
        let status = unsafe {
            match which % 20 {
                0 => soe_mux_feed(bad.cast(), now, &addr, [0].as_ptr(), 1),
                1 => soe_mux_feed(mux, now, bad.cast(), [0].as_ptr(), 1),
                2 => soe_mux_feed_batch(mux, now, bad.cast(), 1, &mut count),
                3 => soe_mux_feed_batch(mux, now, ptr::null(), 0, bad.cast()),
                4 => soe_mux_tick(bad.cast(), now),
                5 => soe_mux_drain_outgoing(mux, now, bad.cast(), 1, &mut count),
                6 => soe_mux_drain_outgoing(mux, now, ptr::null_mut(), 0, bad.cast()),
                7 => soe_mux_drain_outgoing_into(mux, now, memory.as_mut_ptr().cast(), 512, bad.cast(), 1, &mut count),
                8 => soe_mux_drain_outgoing_into(mux, now, memory.as_mut_ptr().cast(), 512, ptr::null_mut(), 0, bad.cast()),
                9 => soe_mux_drain_events(mux, bad.cast(), 1, &mut count),
                10 => soe_mux_drain_events(mux, ptr::null_mut(), 0, bad.cast()),
                11 => soe_mux_find(mux, bad.cast(), &mut id),
                12 => soe_mux_find(mux, &addr, bad.cast()),
                13 => soe_mux_get_stats(mux, bad.cast()),
                14 => soe_mux_connect(mux, now, bad.cast(), ptr::null(), &mut id),
                15 => soe_mux_connect(mux, now, &addr, ptr::null(), bad.cast()),
                16 => soe_session_set_cipher(mux, session, bad.cast()),
                17 => soe_session_get_info(mux, session, bad.cast()),
                18 => soe_session_get_stats(mux, session, bad.cast()),
                _ => soe_mux_create(bad.cast(), now, &mut bad.cast()),
            }
        };
        // Where there is a session to look at, that may come first.
        let may: &[_] = if matches!(which % 20, 16..=18) { &[mistake, SOE_ERR_STALE_SESSION, SOE_ERR_STATE] } else { &[mistake] };
        assert!(may.iter().any(|code| *code as i32 == status), "call {} with a bad pointer was answered {status}", which % 20);
        assert!(id == UNTOUCHED, "an out parameter was written");
        // Of a batch, the record that is the mistake is told; here there is none.
        assert!(count == UNTOUCHED as usize || which % 20 == 2, "an out parameter was written: {count}");
        assert!(memory.iter().all(|word| *word == 0), "something was written");
        // SAFETY: NULL and misaligned handles are not followed.
        unsafe {
            assert_eq!(soe_mux_next_deadline(bad.cast()), 0);
            assert_eq!(soe_mux_timeout_ms(bad.cast(), now), 0);
            soe_mux_free(bad.cast());
        }
        // SAFETY: nothing is read or written where the length is 0; the message is NULL where it has one.
        unsafe {
            answered(soe_mux_feed(mux, now, &addr, ptr::null(), 0), &[]);
            assert_eq!(soe_mux_feed(mux, now, &addr, ptr::null(), 1), SOE_ERR_NULL as i32);
            answered(soe_session_send(mux, session, 0, ptr::null(), 1), &[SOE_ERR_NULL, SOE_ERR_STALE_SESSION, SOE_ERR_STATE]);
        }
        side.mux.clock(now);
    }
}

fn library(input: &mut Input) {
    let status = input.long() as i32;
    // SAFETY: strings that stay for as long as the library is there.
    let strings = unsafe { [CStr::from_ptr(soe_status_string(status)), CStr::from_ptr(soe_version_string())] };
    assert!(strings.iter().all(|string| !string.is_empty()));
    assert_eq!(soe_abi_version(), soe_abi::SOE_ABI_VERSION as u32);
}
