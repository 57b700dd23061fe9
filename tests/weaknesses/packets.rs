//! 8, 15, 16, 17: nesting, payloads that look like packets, settings out of range, and work per message.

use crate::common::*;
use soe::{Channel, Config, Multiplexer, Pass};

/// `levels` MultiPackets in each other.
fn nested(levels: usize) -> Vec<u8> {
    let mut packet = Wire::reliable(0, 0, b"deep");
    for _ in 0..levels {
        let mut outer = vec![0, 3];
        match packet.len() {
            len @ ..255 => outer.push(len as u8),
            len => {
                outer.push(255);
                outer.extend_from_slice(&(len as u16).to_be_bytes());
            }
        }
        outer.extend_from_slice(&packet);
        packet = outer;
    }
    packet
}

/// soe-protocol 2.3.0: "MultiPacket recursion ~760 B/level: overflow at 2 760 levels on 2 MiB, 654 on 512 KiB [...] (process abort). [...] on 256 / 128 KiB stacks (plain,
/// 400 levels = 1 838 B; 128 KiB is the musl thread default)". An overflow here would abort the tests, too.
#[test]
fn weakness_08_nested_packets_need_no_stack_of_128_kib() {
    let feed = || {
        for levels in [1, 4, 5, 84, 400, 654, 1_000, 2_760, 4_000] {
            for multi_varint in [false, true] {
                let packet = nested(levels);
                let mut puppet = Puppet::client(Config { udp_length: 16_384, multi_varint, ..config() });
                puppet.say(&puppet.wire.seal(&packet));
                puppet.assert_alive();

                let compressing = Config { passes: [Pass::Compress, Pass::None], max_inflated: 1 << 20, multi_varint, ..config() };
                let mut puppet = Puppet::client(compressing);
                puppet.say(&puppet.wire.seal_deflated(&packet));
                puppet.assert_alive();
            }
        }
    };
    std::thread::Builder::new().stack_size(128 * 1_024).spawn(feed).unwrap().join().expect("no overflow, no panic");
}

/// soe-protocol 2.3.0: "Payload 00 19 .. without RC4 is mangled".
#[test]
fn weakness_15_a_payload_that_looks_like_a_bundle_arrives_as_it_is() {
    let mut pair = Pair::new().connect();
    let payloads: Vec<Vec<u8>> = [0, 1, 2, 3, 10, 250, 300, 498, 499, 500, 501, 502, 503, 504, 505, 506, 600, 3_000]
        .into_iter()
        .flat_map(|len| [vec![1; len], (0..len).map(|at| at as u8).collect(), noise(len, len as u64)])
        .map(|tail| [&[0, 0x19][..], &tail].concat())
        .collect();
    for channel in RELIABLE.into_iter().chain([Channel::Ordered]) {
        for payload in &payloads {
            pair.send(channel, payload);
            pair.reply(channel, payload);
            // Alone in its datagram, and with others.
            if payload.len() % 2 == 0 {
                pair.drive(20 * MS);
            }
        }
        let all = |p: &mut Pair| p.server.message_count() == payloads.len() && p.client.message_count() == payloads.len();
        assert!(pair.drive_until(10 * SECOND, all), "{channel:?}: {} and {}", pair.server.message_count(), pair.client.message_count());
        for node in [&mut pair.server, &mut pair.client] {
            let mut got: Vec<_> = node.take_messages().into_iter().map(|(_, data)| data).collect();
            let mut expected = payloads.clone();
            // What is too long for an ordered channel goes over the first reliable one.
            if channel == Channel::Ordered {
                got.sort();
                expected.sort();
            }
            assert!(got == expected, "{channel:?}");
        }
    }
}

/// soe-protocol 2.3.0: "max_queued_incoming_reliable = 0 -> remainder-by-zero panic".
#[test]
fn weakness_16_no_setting_of_zero_or_too_much_panics() {
    type Knob = (&'static str, fn(&mut Config, u32));
    let knobs: [Knob; 29] = [
        ("receive_window", |config, to| config.receive_window = to),
        ("send_window", |config, to| config.send_window = to),
        ("udp_length", |config, to| config.udp_length = to),
        ("crc_length", |config, to| config.crc_length = to as u8),
        ("max_sessions", |config, to| config.max_sessions = to),
        ("max_half_open", |config, to| config.max_half_open = to),
        ("max_message", |config, to| config.max_message = to),
        ("max_inflated", |config, to| config.max_inflated = to),
        ("max_queued_events", |config, to| config.max_queued_events = to),
        ("max_queued_bytes", |config, to| config.max_queued_bytes = to.into()),
        ("send_queue_bytes", |config, to| config.send_queue_bytes = to),
        ("compression_level", |config, to| (config.compression_level, config.passes[0]) = (to, Pass::Compress)),
        ("compression_threshold", |config, to| config.compression_threshold = to),
        ("connect_retry_ms", |config, to| config.connect_retry_ms = to),
        ("connect_timeout_ms", |config, to| config.connect_timeout_ms = to),
        ("heartbeat_ms", |config, to| config.heartbeat_ms = to),
        ("inactivity_timeout_ms", |config, to| config.inactivity_timeout_ms = to),
        ("flush_timeout_ms", |config, to| config.flush_timeout_ms = to),
        ("net_status_ms", |config, to| config.net_status_ms = to),
        ("unacknowledged_timeout_ms", |config, to| config.unacknowledged_timeout_ms = to),
        ("ack_delay_us", |config, to| config.ack_delay_us = to),
        ("redundancy", |config, to| config.redundancy = to),
        ("redundancy_delay_us", |config, to| config.redundancy_delay_us = to),
        ("cipher_drop", |config, to| config.cipher_drop = to),
        ("protocol_version", |config, to| config.protocol_version = to),
        ("rng_seed", |config, to| config.rng_seed = to.into()),
        ("fixed windows", |config, to| (config.send_window, config.congestion) = (to, soe::Congestion::Fixed)),
        ("compressing", |config, to| (config.max_inflated, config.passes) = (to, [Pass::Compress, Pass::None])),
        ("escaping", |config, to| (config.receive_window, config.escape_reliable) = (to, true)),
    ];
    // Those of which nothing is no choice: a host hears of it at once.
    let never_zero = [
        "receive_window",
        "send_window",
        "udp_length",
        "max_sessions",
        "max_half_open",
        "max_message",
        "max_inflated",
        "max_queued_events",
        "max_queued_bytes",
        "compression_level",
        "connect_retry_ms",
        "connect_timeout_ms",
    ];
    let mut taken = 0;
    for (name, turn) in knobs {
        let mut zero = config();
        turn(&mut zero, 0);
        assert!(!never_zero.contains(&name) || zero.validate() == Err(soe::Error::InvalidArgument), "{name} = 0");
        for to in [0, 1, 2, 255, 16_384, u32::MAX - 1, u32::MAX] {
            let mut turned = config();
            turn(&mut turned, to);
            if Multiplexer::new(turned.clone(), 0).is_err() {
                continue;
            }
            taken += 1;
            println!("{name} = {to}");
            for (client, server) in [(turned.clone(), config()), (config(), turned.clone()), (turned.clone(), turned.clone())] {
                if client.protocol_version != server.protocol_version {
                    continue;
                }
                let mut pair = Pair::of(client, server);
                pair.start();
                // A connect timeout of 1 ms, and datagrams of 16 bytes to somebody who takes no messages of two bytes: no session is open then, and that is all.
                if !pair.drive_until(SECOND, |p| p.client.connected().is_some() && p.server.connected().is_some()) {
                    continue;
                }
                pair.peer = pair.server.connected().unwrap();
                for index in 0..200u32 {
                    let _ = pair.client.mux.send(pair.id, RELIABLE[index as usize % 4], &noise(1 + index as usize * 7, 1));
                    let _ = pair.server.mux.send(pair.peer, Channel::Unreliable, &noise(1 + index as usize, 1));
                }
                for _ in 0..200 {
                    pair.now += 10 * MS;
                    pair.step();
                }
            }
        }
    }
    assert!(taken > 100, "{taken} settings were tried");
}

/// soe-protocol 2.3.0: "Bulk baseline to beat (in-memory, both ends on one core): 20 kB messages 235 MB/s, 2.1 us/datagram; [...] small 4-B msgs 2.8 M/s". Megabytes per
/// second are for `benches/`. What makes them is work per message, and that can be counted: datagrams, acknowledgements, and allocations.
#[test]
fn weakness_17_little_work_is_done_for_each_message() {
    // As much as is under way may arrive at once.
    let mut pair = Pair::of(config(), Config { max_queued_events: 1_000_000, ..config() }).connect();
    pair.drive(5 * SECOND);
    let work = |pair: &mut Pair, count: usize, message: &[u8]| {
        let before = (pair.client.mux.stats().datagrams_sent, pair.server.mux.stats().datagrams_sent);
        let (mut sent, mut got) = (0, 0);
        while got < count {
            while sent < count && pair.client.mux.send(pair.id, Channel::Reliable0, message).is_ok() {
                sent += 1;
            }
            pair.drive(MS);
            got += pair.server.take_messages().len();
            pair.client.take();
        }
        let after = (pair.client.mux.stats().datagrams_sent, pair.server.mux.stats().datagrams_sent);
        ((after.0 - before.0) as usize, (after.1 - before.1) as usize)
    };
    // 502 bytes of each datagram are the message's.
    let (out, back) = work(&mut pair, 500, &noise(20_000, 1));
    println!("500 messages of 20,000 bytes: {out} datagrams, {back} back");
    assert!(out <= 500 * 41 && back <= out / 8, "{out} datagrams for 500 messages of 20,000 bytes, {back} back");
    // One length byte each: 100 of them share a datagram.
    let (out, back) = work(&mut pair, 100_000, b"four");
    println!("100,000 messages of 4 bytes: {out} datagrams, {back} back");
    assert!(out <= 1_010 && back <= out / 4, "{out} datagrams for 100,000 messages of 4 bytes, {back} back");
}
