//! 6, 7, 9: what a session can make this side keep, and what it keeps when nothing happens.

use crate::common::*;
use crate::heap::Meter;
use crate::liveness::crowd;
use soe::{Config, Pass};

fn compressing() -> Config {
    Config { passes: [Pass::Compress, Pass::None], ..config() }
}

/// soe-protocol 2.3.0: "Zlib (compression on): 466 B -> 437 416 B (939x); 1 950 B -> 1 968 316 B; 58 610 B -> 60 300 016 B".
#[test]
fn weakness_06_a_bomb_is_not_inflated() {
    for len in [437_416, 1_968_316, 60_300_016] {
        let mut puppet = Puppet::client(compressing());
        let bomb = puppet.wire.seal_deflated(&Wire::reliable(0, 0, &vec![0; len]));
        // So that what inflating needs once is there.
        puppet.say(&puppet.wire.seal_deflated(&[0, 6]));
        let meter = Meter::start();
        puppet.node.mux.feed(puppet.now, &CLIENT(), &bomb);
        println!("{} bytes that would be {len}: {} bytes at the most", bomb.len(), meter.peak());
        assert!(meter.peak() <= bomb.len() as i64 + 16 * 1_024, "{} bytes for {len}", meter.peak());
        assert_eq!(puppet.node.mux.session_stats(puppet.id).unwrap().dropped_malformed, 1);
        drop(bomb);
        puppet.assert_alive();
    }
}

/// soe-protocol 2.3.0: "a stashed sub-slice PINS the inflated buffer: 1 020 datagrams = 475 320 B on the wire -> 525 MB RSS in one session (1 130x)".
#[test]
fn weakness_06_what_waits_for_a_gap_pins_no_more_than_a_window() {
    let windows = 4 * i64::from(Config::default().receive_window * Config::default().udp_length);
    // As large as it may inflate to; and a little data in a lot of nothing, as theirs was pinned.
    for (what, large) in [("large ones", true), ("small ones in large datagrams", false)] {
        let mut puppet = Puppet::client(compressing());
        puppet.say(&puppet.wire.seal_deflated(&[0, 6]));
        let meter = Meter::start();
        let mut wired = 0;
        for channel in 0..4 {
            for sequence in 1..=1_023 {
                let packet = match large {
                    true => Wire::reliable(channel, sequence, &[0; 8_000]),
                    false => [multi(&[&Wire::reliable(channel, sequence, b"small")]), [2, 0, 6].repeat(2_600)].concat(),
                };
                let datagram = puppet.wire.seal_deflated(&packet);
                wired += datagram.len();
                puppet.node.mux.feed(puppet.now, &CLIENT(), &datagram);
                let _ = puppet.node.mux.drain_outgoing(puppet.now, 10_000);
            }
        }
        println!("{what}: {wired} bytes on the wire, {} held", meter.held());
        assert!(meter.held() <= windows * 5 / 4, "{what}: {} bytes held", meter.held());
        assert!(meter.peak() <= windows * 3 / 2, "{what}: {} bytes held for a moment", meter.peak());
        assert_eq!(puppet.node.disconnected(), None);
    }
}

/// The same with a host that reads nothing: what waits for it has a limit of its own.
#[test]
fn weakness_06_nor_does_it_fill_the_memory_of_a_host_that_is_late() {
    const MOST: u64 = 1 << 20;
    let bundle = [&[0, 0x19][..], &[0; 8_000]].concat();
    for (what, payload) in [("zeros", vec![7; 8_000]), ("8,000 empty messages", bundle)] {
        let mut puppet = Puppet::client(Config { max_queued_bytes: MOST, ..compressing() });
        puppet.say(&puppet.wire.seal_deflated(&[0, 6]));
        let meter = Meter::start();
        let mut wired = 0;
        for sequence in 0..2_000 {
            let packet = match sequence % 2 {
                0 => Wire::reliable(0, sequence / 2, &payload),
                _ => Wire::reliable(1, sequence / 2, &payload),
            };
            let datagram = puppet.wire.seal_deflated(&packet);
            wired += datagram.len();
            puppet.node.mux.feed(puppet.now, &CLIENT(), &datagram);
            let _ = puppet.node.mux.drain_outgoing(puppet.now, 10_000);
        }
        println!("{what}: {wired} bytes on the wire, {} held", meter.held());
        assert!(meter.held() <= MOST as i64 * 3 / 2, "{what}: {} bytes held", meter.held());
        assert_eq!(puppet.node.disconnected(), None);
    }
}

/// soe-protocol 2.3.0: "Reassembly has no bound: claimed FFFFFFFF, 134 MB of fragments -> +131 MB RSS, session fine".
#[test]
fn weakness_07_a_reassembly_takes_no_more_than_a_message_may_have() {
    const MOST: u32 = 1 << 20;
    for claim in [u32::MAX, 0x8000_0000, MOST + 100, MOST, 1_000] {
        let mut puppet = Puppet::client(Config { max_message: MOST, ..config() });
        let meter = Meter::start();
        let mut wired = 0;
        for sequence in 0..if cfg!(debug_assertions) { 10_000 } else { u16::MAX } {
            for channel in 0..4 {
                let packet =
                    Wire::fragment(channel, sequence, (sequence == 0).then_some(claim), &[7; 500][..500 - 4 * usize::from(sequence == 0)]);
                wired += packet.len();
                puppet.node.mux.feed(puppet.now, &CLIENT(), &puppet.wire.seal(&packet));
            }
            let _ = puppet.node.mux.drain_outgoing(puppet.now, 1_000);
            let _ = puppet.node.mux.drain_events(1_000);
            // Slow enough that what is malformed, if anything, ends nothing.
            puppet.now += 2 * SECOND;
            puppet.node.mux.tick(puppet.now);
        }
        println!("claims of {claim}: {wired} bytes on the wire, {} held, {} at the most", meter.held(), meter.peak());
        // Four channels; what a buffer is copied from while it grows is no more than a quarter of it.
        assert!(meter.peak() <= 4 * i64::from(MOST) * 3 / 2, "claims of {claim}: {} bytes held", meter.peak());
    }
}

/// What each of so many sessions takes that said `hello` on so many channels and heard something there, one after the other or all `at_once`, and then nothing.
fn idle_bytes(sessions: u32, channels: u8, at_once: bool) -> i64 {
    let meter = Meter::start();
    let (mut node, clients, mut now) = crowd(Config { inactivity_timeout_ms: 600_000, ..config() }, sessions);
    let own = clients.capacity() * size_of_val(&clients[0]);
    let hear = |node: &mut Node| {
        while node.mux.drain_events(1_000).count() == 1_000 {}
        assert_eq!(node.mux.drain_events(1_000).count(), 0);
        assert_eq!(node.mux.drain_events(1_000).count(), 0, "what was lent is given back");
    };
    let send = |node: &mut Node, now: u64| {
        while node.mux.drain_outgoing(now, 1_000).len() == 1_000 {}
        assert_eq!(node.mux.drain_outgoing(now, 1_000).len(), 0);
    };
    let greet = |node: &mut Node, (from, wire): &(soe::Address, Wire), now: u64| {
        let id = node.mux.find(from).expect("a session");
        for channel in 0..channels {
            node.mux.feed(now, from, &wire.seal(&Wire::reliable(channel, 0, b"hello")));
            node.mux.send(id, RELIABLE[usize::from(channel)], b"hello yourself").unwrap();
        }
    };
    let acknowledge = |node: &mut Node, (from, wire): &(soe::Address, Wire), now: u64| {
        for channel in 0..channels {
            node.mux.feed(now, from, &wire.seal(&Wire::ack_all(channel, 0)));
        }
    };
    if at_once {
        clients.iter().for_each(|client| greet(&mut node, client, now));
        hear(&mut node);
        send(&mut node, now);
        now += MS;
        clients.iter().for_each(|client| acknowledge(&mut node, client, now));
    }
    for client in clients.iter().filter(|_| !at_once) {
        greet(&mut node, client, now);
        hear(&mut node);
        send(&mut node, now);
        now += MS;
        acknowledge(&mut node, client, now);
        node.mux.tick(now);
    }
    for _ in 0..1_500 {
        now += 10 * MS;
        node.mux.tick(now);
        hear(&mut node);
        send(&mut node, now);
    }
    assert_eq!(node.mux.stats().sessions_disconnected, 0);
    (meter.held() - own as i64) / i64::from(sessions)
}

/// soe-protocol 2.3.0: "Idle memory: 5.6 kB/session handshake only; 16.7 kB after one message each way on one channel; 49.8 kB with 4 channels (N=20 k)". Counted is what
/// was asked for: also the room in a table that doubles as it grows, which was never touched and so is no memory yet. Of a full table there is none.
#[test]
fn weakness_09_an_idle_session_is_small_also_after_it_was_busy() {
    for channels in [0, 1, 4] {
        let (full, grown) = (idle_bytes(16_384, channels, false), idle_bytes(20_000, channels, false));
        println!(
            "a message each way on {channels} channels, in turn: {full} bytes for each of 16,384 sessions, {grown} for each of 20,000"
        );
        assert!(full <= 384 && grown <= 600, "{full} and {grown} bytes");
    }
}

/// But for the queues of events and datagrams, which were as long as that.
#[test]
fn weakness_09_what_all_needed_at_once_is_given_back() {
    for channels in [1, 4] {
        let each = idle_bytes(16_384, channels, true);
        println!("a message each way on {channels} channels, at once: {each} bytes are left for each of 16,384 sessions");
        assert!(each <= if channels == 1 { 600 } else { 1_200 }, "{each} bytes");
    }
}
