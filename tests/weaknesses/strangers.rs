//! 3, 4, 5, 12: what somebody without a session can do with a single datagram, or with many.

use crate::common::*;
use crate::heap::Meter;
use crate::liveness::member;
use soe::{Config, CrcSeed};
use std::collections::HashSet;

/// soe-protocol 2.3.0: "one raw SessionRequest from port 0 -> send_to EINVAL -> step() Err -> server-sync example exits rc 1. Any send error also drops the rest of that
/// tick's outgoing datagrams".
#[test]
fn weakness_03_nothing_is_ever_sent_to_port_0() {
    let mut puppet = Puppet::client(config());
    puppet.wait(5 * SECOND);
    let deadline = puppet.node.mux.next_deadline();
    let nowhere = address(9, 0);
    let meter = Meter::start();
    let all = [
        request(3, 77, 512, PROTOCOL),
        vec![0, 6],
        b"hello?".to_vec(),
        vec![0, 0x1d],
        puppet.wire.remap(),
        puppet.wire.heartbeat(),
        response(77, 1, 2, [0, 0], 512, 3),
    ];
    for datagram in &all {
        // Among others' datagrams, whose answers leave.
        assert!(puppet.say_from(&nowhere, datagram).is_empty(), "{}", hex(datagram));
        assert!(puppet.say_from(&address(1, 0), datagram).is_empty(), "the peer's host: {}", hex(datagram));
    }
    assert_eq!(puppet.node.take(), []);
    assert_eq!((puppet.node.mux.find(&nowhere), puppet.node.mux.next_deadline()), (None, deadline), "nobody waits for anything");
    drop(all);
    assert!(meter.held() <= 0, "{} bytes kept of it", meter.held());

    puppet.node.mux.feed(puppet.now, &nowhere, &request(3, 77, 512, PROTOCOL));
    let out = puppet.say_from(&address(9, 1), &request(3, 78, 512, PROTOCOL));
    assert_eq!(out.iter().map(|(to, _)| *to).collect::<Vec<_>>(), [address(9, 1)]);
    assert_eq!(puppet.node.mux.connect(puppet.now, &nowhere, &Default::default()), Err(soe::Error::InvalidArgument));
    puppet.assert_alive();
}

/// soe-protocol 2.3.0: "SessionResponse crc_length >= 5 -> panic (all 3 values tested x 5 udp lengths, debug and release)".
#[test]
fn weakness_04_every_crc_length_and_udp_length_of_a_response_is_borne() {
    for crc_length in 0..=255u8 {
        for udp_length in [0, 1, 5, 8, 15, 16, 17, 64, 512, 65_535, u32::MAX] {
            let mut puppet = Puppet::asked(config());
            let offered = response(Puppet::ID, Puppet::SEED, crc_length, [0, 0], udp_length, 3);
            puppet.say(&offered);
            let fits = crc_length <= 4 && udp_length >= 16;
            assert_eq!(puppet.node.connected().is_some(), fits, "CRC {crc_length}, UDP length {udp_length}");
            if fits {
                puppet.wire.crc_length = crc_length;
                puppet.node.take();
                puppet.deliver(0, b"read");
                assert_eq!(puppet.node.take_messages(), [(soe::Channel::Reliable0, b"read".to_vec())]);
                puppet.node.mux.send(puppet.id, soe::Channel::Reliable0, &[7; 300]).unwrap();
                assert!(puppet.node.turn(puppet.now).iter().all(|(_, data)| data.len() <= udp_length as usize));
            } else {
                // The right answer may yet come.
                assert_eq!(puppet.node.take(), []);
                puppet.say(&response(Puppet::ID, Puppet::SEED, 2, [0, 0], 512, 3));
                puppet.node.connected().expect("connected by the right one");
            }
        }
    }
}

const FLOOD: u32 = 100_000;

/// A server after a flood of requests from as many addresses, drained after each `drain_each`, and what it holds then.
fn flooded(config: Config, drain_each: Option<u32>) -> (Node, i64) {
    let meter = Meter::start();
    let mut node = Node::new(config, SERVER(), SECOND);
    let empty = meter.held();
    for index in 0..FLOOD {
        let forged = request(3, index, 512, PROTOCOL);
        node.mux.feed(SECOND, &member(index), &forged);
        if drain_each.is_some_and(|each| index % each == 0) {
            assert!(node.mux.drain_outgoing(SECOND, 1_000).len() <= 64);
        }
    }
    if drain_each.is_some() {
        while node.mux.drain_outgoing(SECOND, 1_000).len() == 1_000 {}
        let _ = node.mux.drain_outgoing(SECOND, 1_000);
    }
    let held = meter.held() - empty;
    (node, held)
}

/// soe-protocol 2.3.0: "Half-open flood: 5 067 B RSS per SessionRequest (100 k = 483 MiB), 10 us each, kept 30 s, no cookie/limit; RSS stays after expiry".
#[test]
fn weakness_05_a_flood_of_requests_takes_little_memory_and_gives_it_back() {
    let (node, held) = flooded(config(), Some(64));
    println!("100,000 requests, 4,096 of them may wait: {held} bytes held");
    assert!(held <= 4_096 * 256, "{held} bytes");
    let stats = node.mux.stats();
    assert_eq!(stats.half_open_dropped + stats.requests_limited, u64::from(FLOOD) - 4_096);

    // However many may wait.
    let (mut node, held) = flooded(Config { max_half_open: FLOOD, max_new_per_prefix: 0, ..config() }, Some(64));
    println!("all of them may wait: {held} bytes held, {} for each", held / i64::from(FLOOD));
    assert!(held <= 256 * i64::from(FLOOD), "{held} bytes");
    let meter = Meter::start();
    node.mux.tick(40 * SECOND);
    let after = held + meter.held();
    println!("{after} bytes held after they expired");
    assert_eq!(node.mux.stats().half_open_dropped, u64::from(FLOOD));
    assert!(after <= 64 * i64::from(FLOOD), "{after} bytes after they expired");

    // Nor do answers pile up where nobody sends them.
    let (_, held) = flooded(config(), None);
    println!("nobody drains: {held} bytes held");
    assert!(held <= 3 << 20, "{held} bytes");
}

/// The names of requests are theirs to choose where the server takes any: they are as short as names may be.
#[test]
fn weakness_05_nor_do_long_names_take_much() {
    let meter = Meter::start();
    let mut node = Node::new(Config { application_protocol: None, ..config() }, SERVER(), SECOND);
    for index in 0..20_000 {
        node.mux.feed(SECOND, &member(index), &request(3, index, 512, &[b'a'; 60_000][..if index % 2 == 0 { 60_000 } else { 255 }]));
        let _ = node.mux.drain_outgoing(SECOND, 1_000);
    }
    println!("{} bytes held with long names", meter.held());
    assert!(meter.held() <= 4_096 * 700, "{} bytes", meter.held());
}

/// Where the host decides, it hears of requests: as many as may wait, though it does not listen.
#[test]
fn weakness_05_nor_do_requests_that_the_host_does_not_answer() {
    for manual_accept in [true, false] {
        let meter = Meter::start();
        let mut node = Node::new(Config { manual_accept, ..config() }, SERVER(), SECOND);
        for round in 0..10u64 {
            for index in 0..20_000 {
                node.mux.feed((1 + 31 * round) * SECOND, &member(index + 20_000 * round as u32), &request(3, index, 512, PROTOCOL));
            }
            node.mux.tick((1 + 31 * round) * SECOND);
        }
        println!("manual {manual_accept}: {} bytes held", meter.held());
        assert!(meter.held() <= 6 << 20, "{} bytes", meter.held());
    }
}

/// soe-protocol 2.3.0: "CRC seeds are LCG(base_rng_seed + n), default base 0: first seeds always 2ceaee21, d498f9f4, dd8ed67c".
#[test]
fn weakness_12_crc_seeds_can_not_be_foretold() {
    let seeds = |count: u32| {
        let mut node = Node::new(Config { rng_seed: 0, crc_seed: CrcSeed::Random, ..config() }, SERVER(), SECOND);
        (0..count)
            .map(|index| {
                node.mux.feed(SECOND, &member(index), &request(3, 1, 512, PROTOCOL));
                node.mux.drain_outgoing(SECOND, 8).find_map(|datagram| Answer::read(datagram.data)).expect("an answer").seed
            })
            .collect::<Vec<u32>>()
    };
    let (one, other) = (seeds(1_000), seeds(1_000));
    assert!(one.iter().zip(&other).filter(|(a, b)| a == b).count() <= 1, "each multiplexer has its own");
    assert!(one.iter().collect::<HashSet<_>>().len() >= 999);
    assert!(![0x2cea_ee21, 0xd498_f9f4, 0xdd8e_d67c].contains(&one[0]));
    // Neither a line nor a linear congruence, of whatever parameters: by chance one in hundreds of millions looks like it.
    let step = |at: usize| one[at + 1].wrapping_sub(one[at]);
    let line = (0..997).filter(|&at| step(at) == step(at + 1)).count();
    let congruence = (0..997).filter(|&at| step(at + 1).wrapping_mul(step(at + 1)) == step(at).wrapping_mul(step(at + 2))).count();
    assert_eq!((line, congruence), (0, 0));
    // About half of all bits are set, each one of them.
    for bit in 0..32 {
        let set = one.iter().filter(|seed| *seed >> bit & 1 == 1).count();
        assert!((400..=600).contains(&set), "bit {bit} is set in {set} of 1,000");
    }
}
