//! 13: what waits for a peer that doesn't take it.

use crate::common::*;
use crate::heap::Meter;
use soe::{Channel, Config, Error};

/// soe-protocol 2.3.0: "Output queue unbounded: 50 MB enqueued to a never-acking peer kept alive by heartbeats, enqueue always true".
#[test]
fn weakness_13_a_peer_that_never_acknowledges_fills_no_more_than_its_queue() {
    const MOST: usize = 256 * 1_024;
    let mut puppet = Puppet::client(Config { send_queue_bytes: MOST as u32, ..config() });
    let meter = Meter::start();
    let (mut offered, mut taken, mut refused) = (0, 0, 0);
    let message = noise(1_000, 1);
    for round in 0..50_000u64 {
        for channel in [RELIABLE[round as usize % 4], Channel::Unreliable] {
            offered += message.len();
            match puppet.node.mux.send(puppet.id, channel, &message[..if channel == Channel::Unreliable { 400 } else { 1_000 }]) {
                Ok(()) => taken += 1,
                Err(error) => {
                    assert_eq!(error, Error::WouldBlock);
                    refused += 1;
                }
            }
        }
        if round % 100 == 0 {
            puppet.now += SECOND / 10;
            puppet.node.mux.feed(puppet.now, &CLIENT(), &puppet.wire.heartbeat());
            puppet.node.mux.tick(puppet.now);
            let _ = puppet.node.mux.drain_events(100);
        }
        // And a host that sends what leaves seldom.
        if round % 1_000 == 0 {
            while puppet.node.mux.drain_outgoing(puppet.now, 64).len() == 64 {}
        }
    }
    println!(
        "{offered} bytes offered, {taken} messages taken, {refused} refused: {} bytes held, {} at the most",
        meter.held(),
        meter.peak()
    );
    assert!(taken > 250 && refused > 40_000);
    // The reliable ones, the unreliable ones, and their headers.
    assert!(meter.peak() <= 2 * MOST as i64 * 3 / 2, "{} bytes held", meter.peak());
    assert!(puppet.node.mux.info(puppet.id).unwrap().queued_bytes <= MOST as u64 + 2_000);
    assert_eq!(puppet.node.disconnected(), None);
}

/// soe-protocol 2.3.0: "Ack for an absent seq is a linear scan, 33.8 us at 100 k queued". Here a queue is bounded; and what was never sent is known by its number alone.
#[test]
fn weakness_13_acknowledgements_of_absent_packets_change_nothing() {
    let mut puppet = Puppet::client(config());
    while puppet.node.mux.send(puppet.id, Channel::Reliable0, &[7; 400]).is_ok() {}
    let sent: usize = puppet.node.turn(puppet.now).len();
    let queued = puppet.node.mux.info(puppet.id).unwrap().queued_bytes;
    assert!(sent >= 2 && queued > 400_000);
    let meter = Meter::start();
    let mut fed = 0;
    for sequence in (sent as u16 + 1_100)..30_000 {
        for packet in [Wire::ack(0, sequence), Wire::ack_all(0, sequence), Wire::ack(1, sequence), Wire::ack_all(1, sequence)] {
            puppet.node.mux.feed(puppet.now, &CLIENT(), &puppet.wire.seal(&packet));
            fed += 1;
        }
    }
    assert_eq!(meter.held(), 0, "bytes kept of {fed} of them");
    let stats = puppet.node.mux.session_stats(puppet.id).unwrap();
    assert_eq!((stats.dropped_acknowledgement, stats.retransmissions), (fed, 0));
    assert_eq!(puppet.node.mux.info(puppet.id).unwrap().queued_bytes, queued);
    assert_eq!(puppet.node.turn(puppet.now), [], "and nothing leaves for them");
}

/// True for the sequences that a peer never acknowledges.
type Keeps = fn(u16) -> bool;

/// What a peer can pin on so many channels that acknowledges singly, for ever, all packets but those that it `keeps`.
fn pinned_by(channels: usize, title: &str, len: usize, keeps: Keeps) -> i64 {
    let mut puppet = Puppet::client(Config { unacknowledged_timeout_ms: 0, ..config() });
    let message = noise(len, 1);
    let meter = Meter::start();
    let (mut taken, mut most, mut idle) = (0u64, 0, 0);
    while idle < 1_000 {
        let mut news = 0;
        for turn in 0..64 {
            if puppet.node.mux.send(puppet.id, RELIABLE[turn % channels], &message).is_ok() {
                news += 1;
            }
            // Each message has a packet of its own.
            let wire = puppet.wire;
            let out: Vec<_> = puppet.node.mux.drain_outgoing(puppet.now, 64).map(|datagram| datagram.data.to_vec()).collect();
            for packet in out.iter().flat_map(|data| wire.packets(data)) {
                if let [0, opcode @ 0x09..=0x10, high, low, ..] = packet[..] {
                    let sequence = u16::from_be_bytes([high, low]);
                    if !keeps(sequence) {
                        puppet.node.mux.feed(puppet.now, &CLIENT(), &wire.seal(&Wire::ack((opcode - 9) % 4, sequence)));
                    }
                }
            }
        }
        puppet.now += 5 * MS;
        puppet.node.mux.tick(puppet.now);
        let _ = puppet.node.mux.drain_events(1_000);
        most = most.max(meter.held());
        taken += news;
        idle = if news == 0 { idle + 1 } else { 0 };
    }
    let queued = puppet.node.mux.info(puppet.id).unwrap().queued_bytes;
    println!("{channels} channels, {title}: {taken} messages of {len} bytes taken, {queued} bytes count as queued, {most} held");
    assert_eq!(puppet.node.disconnected(), None);
    most
}

/// A peer that takes everything but a few packets, for ever: what those pin.
fn pinned() -> Vec<i64> {
    let peers: [(usize, &str, usize, Keeps); 7] = [
        (1, "none", 400, |_| true),
        (1, "all but the first", 400, |sequence| sequence == 0),
        (1, "all but the first", 20, |sequence| sequence == 0),
        (1, "all but one in 60", 400, |sequence| sequence % 60 == 0),
        (1, "all but one in 600", 20, |sequence| sequence % 600 == 0),
        (4, "all but the first", 400, |sequence| sequence == 0),
        (4, "all but one in 60", 400, |sequence| sequence % 60 == 0),
    ];
    // Unoptimized, four channels take minutes.
    let peers = &peers[..if cfg!(debug_assertions) { 2 } else { peers.len() }];
    peers.iter().map(|&(channels, title, len, keeps)| pinned_by(channels, title, len, keeps)).collect()
}

/// What is acknowledged behind a gap counts against the queue as long as the gap is there: what it stands in stays, and so does what is known of it.
#[test]
fn weakness_13_a_selective_peer_pins_no_more_than_the_queue_allows() {
    // And tables that double as they grow.
    let most = 5 * i64::from(Config::default().send_queue_bytes) / 2;
    let held = pinned();
    assert!(held.iter().all(|held| *held <= most), "{held:?}");
}
