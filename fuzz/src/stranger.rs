//! Raw datagrams into a fresh multiplexer, from several addresses, while time passes.
//!
//! Input: a [`Head`], then records: how, how much time has passed, the datagram.

use crate::dialect::{CLIENT, Head};
use crate::input::{Input, step};
use crate::mux::{Mux, v4};
use soe::ffi::*;
use std::ptr;

/// The low bits of a record's first byte: where it comes from.
pub const FROM: u8 = 0x07;
/// It is a train of datagrams, of as many bytes each as its first two say.
pub const TRAIN: u8 = 0x08;
/// Nothing is drained behind it.
pub const UNHEARD: u8 = 0x10;
/// Who asks for a session behind it is refused; else accepted.
pub const REFUSE: u8 = 0x20;
/// The host connects to this address, before the datagram comes.
pub const CONNECT: u8 = 0x40;
/// The host sends a message to who is there, before the datagram comes.
pub const GREET: u8 = 0x80;

const MOST_RECORDS: usize = 48;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut head = Head::read(&mut input);
    // Which side this is shows when it connects.
    head.title &= !CLIENT;
    // SAFETY: the key of the config is a constant.
    let Ok(mut mux) = (unsafe { Mux::create(&head.config(), 0) }) else { return };
    let mut now = 1_000_000;
    for mut record in input.records().take(MOST_RECORDS) {
        let how = record.byte();
        let waited = step(record.byte());
        now += waited;
        let from = address(how & FROM);
        if how & CONNECT != 0 {
            // SAFETY: no options.
            let _ = unsafe { mux.connect(now, &from, ptr::null()) };
        }
        if how & GREET != 0
            && let Ok(session) = mux.find(&from)
            && session != 0
        {
            mux.send(session, u32::from(how & FROM), b"good evening");
        }
        if how & TRAIN != 0 {
            let each = u32::from(record.word());
            mux.feed_batch(now, &[(from, record.rest(), each)]);
        } else {
            mux.feed(now, &from, record.rest());
        }
        if how & UNHEARD == 0 {
            hear(&mut mux, now, how & REFUSE != 0);
        }
        if waited > 0 {
            mux.tick(now);
            mux.timeout_ms(now);
        }
    }
    hear(&mut mux, now, false);
    mux.counters();
}

fn hear(mux: &mut Mux, now: u64, refuse: bool) {
    for event in mux.drain_all_events() {
        if event.is(soe_event_kind::SOE_EVENT_CONNECT_REQUEST) {
            if refuse {
                mux.disconnect(
                    event.session,
                    soe_reason::SOE_REASON_CONNECTION_REFUSED as u32,
                    soe_disconnect_flag::SOE_DISCONNECT_NOW as u32,
                );
            } else {
                // SAFETY: no options.
                unsafe { mux.accept(now, event.session, ptr::null()) };
            }
        }
    }
    mux.drain_all(now);
}

/// Eight addresses: neighbours in the port, in the host, and in the family, and one that is none.
fn address(which: u8) -> soe_addr {
    let mut addr = v4(2, 20_000);
    match which {
        0 => {}
        1 => addr.port = 20_001,
        2 => addr.ip[3] = 3,
        3 => addr.port = 0,
        4 => addr.family = soe_family::SOE_FAMILY_OPAQUE as u8,
        5 => addr.family = soe_family::SOE_FAMILY_V6 as u8,
        6 => (addr.family, addr.scope_id) = (soe_family::SOE_FAMILY_V6 as u8, 7),
        _ => addr.family = 5,
    }
    addr
}
