//! What bad input gets: dropped and counted, the session unharmed.

use crate::common::*;
use soe::{Channel, Config, EndedBy, Pass, reason};

/// A MultiPacket whose element is longer than what is left.
const OVERRUN: [u8; 4] = [0, 3, 9, 0];

#[test]
fn any_number_of_bad_crcs_is_dropped_and_counted() {
    let mut puppet = Puppet::client(config());
    let good = puppet.wire.seal(&Wire::reliable(0, 0, b"forged"));
    for index in 0..100_000u32 {
        let mut bad = good.clone();
        let at = bad.len() - 2;
        // Every value of the CRC but the right one, and round again.
        let wrong = u16::from_be_bytes([bad[at], bad[at + 1]]).wrapping_add(1 + (index % 65_535) as u16);
        bad[at..].copy_from_slice(&wrong.to_be_bytes());
        puppet.node.mux.feed(puppet.now, &CLIENT(), &bad);
    }
    puppet.wait(MS);
    assert_eq!(puppet.node.take(), []);
    let stats = puppet.node.mux.session_stats(puppet.id).unwrap();
    assert_eq!((stats.dropped_crc, stats.dropped_malformed), (100_000, 0));
    puppet.assert_alive();
}

#[test]
fn what_is_shorter_than_its_crc_is_dropped() {
    for crc_length in 1..=4 {
        let mut puppet = Puppet::client(Config { crc_length, ..config() });
        for len in 0..=usize::from(crc_length) {
            puppet.say(&vec![7; len]);
            puppet.say(&[0, 9, 0, 0][..len]);
        }
        assert_eq!(puppet.node.take(), []);
        puppet.assert_alive();
    }
}

mod behind_a_good_crc {
    use super::*;

    fn malformed() -> Vec<(&'static str, Vec<u8>)> {
        vec![
            ("a MultiPacket that overruns", OVERRUN.to_vec()),
            ("a MultiPacket that overruns by one", vec![0, 3, 3, 0, 6]),
            ("a reliable packet of one byte", vec![0, 9, 0]),
            ("a reliable packet of none", vec![0, 9]),
            ("a first fragment without its length", Wire::fragment(0, 0, None, &[0, 0, 1])),
            ("an acknowledgement without its sequence", vec![0, 0x11]),
            ("an acknowledgement of one byte", vec![0, 0x15, 0]),
            ("a goodbye without an id", vec![0, 5, 1, 2, 3]),
            ("an ordered packet without its stamp", vec![0, 0x1a, 0]),
            ("a bundle that overruns", Wire::reliable(0, 0, &[0, 0x19, 200, 1])),
        ]
    }

    #[test]
    fn malformed_packets_are_dropped_and_counted() {
        for (what, packet) in malformed() {
            let mut puppet = Puppet::client(config());
            puppet.say(&puppet.wire.seal(&packet));
            assert_eq!(puppet.node.take_messages(), [], "{what}");
            assert_eq!(puppet.node.mux.session_stats(puppet.id).unwrap().dropped_malformed, 1, "{what}");
            puppet.assert_alive();
        }
    }

    /// The types that no library has, and those that only mean something without a CRC.
    #[test]
    fn unknown_types_are_dropped_and_counted() {
        for opcode in [0x04, 0x1f, 0x20, 0x21, 0x7f, 0x80, 0xff] {
            let mut puppet = Puppet::client(config());
            puppet.say(&puppet.wire.sign(vec![0, opcode, 1, 2, 3]));
            assert_eq!(puppet.node.take_messages(), []);
            assert_eq!(puppet.node.mux.session_stats(puppet.id).unwrap().dropped_malformed, 1, "{opcode:02x}");
            puppet.assert_alive();
        }
    }

    #[test]
    fn seven_in_ten_seconds_end_nothing_and_the_eighth_does() {
        let mut puppet = Puppet::client(config());
        let bad = puppet.wire.seal(&OVERRUN);
        for _ in 0..7 {
            puppet.say(&bad);
            puppet.wait(SECOND);
        }
        assert_eq!(puppet.node.take(), []);
        puppet.assert_alive();
        let wire = puppet.wire;
        let said: Vec<_> = puppet.say(&bad).iter().flat_map(|data| wire.packets(data)).collect();
        assert_eq!(puppet.node.take(), [What::Disconnected(EndedBy::Library, reason::CORRUPT_PACKET)]);
        assert!(said.contains(&wire.disconnect(reason::CORRUPT_PACKET)), "the peer learns why: {said:?}");
    }

    /// One forgery in 65,536 passes a CRC of 16 bits: over hours there are more than eight.
    #[test]
    fn seven_each_ten_seconds_end_nothing() {
        let mut puppet = Puppet::client(config());
        let bad = puppet.wire.seal(&OVERRUN);
        for _ in 0..20 {
            for _ in 0..7 {
                puppet.say(&bad);
            }
            puppet.wait(10_100 * MS);
            puppet.say(&puppet.wire.heartbeat());
        }
        assert_eq!(puppet.node.take(), []);
        assert_eq!(puppet.node.mux.session_stats(puppet.id).unwrap().dropped_malformed, 140);
        puppet.assert_alive();
    }

    /// The one forgery that passes may hold anything: a datagram is one fault, whatever is wrong with it.
    #[test]
    fn one_datagram_is_one_fault_however_many_are_in_it() {
        let mut puppet = Puppet::client(config());
        let bad = multi(&vec![&[0, 9, 0][..]; 20]);
        for _ in 0..7 {
            puppet.say(&puppet.wire.seal(&bad));
        }
        assert_eq!(puppet.node.take(), []);
        puppet.assert_alive();
        puppet.say(&puppet.wire.seal(&bad));
        assert_eq!(puppet.node.disconnected(), Some((EndedBy::Library, reason::CORRUPT_PACKET)), "the eighth datagram");
    }

    #[test]
    fn what_stood_before_the_fault_counts() {
        let mut puppet = Puppet::client(config());
        let mut packet = multi(&[&Wire::reliable(0, 0, b"fine")]);
        packet.extend_from_slice(&[50, 0, 9]);
        puppet.say(&puppet.wire.seal(&packet));
        assert_eq!(puppet.node.take_messages(), [(Channel::Reliable0, b"fine".to_vec())]);
        assert_eq!(puppet.node.mux.session_stats(puppet.id).unwrap().dropped_malformed, 1);
    }

    /// A handshake inside a session's datagram is nobody's handshake.
    #[test]
    fn contextless_packets_in_a_multi_packet_have_no_effect() {
        let mut puppet = Puppet::client(config());
        let inside: Vec<Vec<u8>> =
            vec![request(3, 9, 512, PROTOCOL), response(Puppet::ID, 1, 4, [0, 0], 16, 3), vec![0, 0x1d], puppet.wire.remap()];
        for packet in inside {
            puppet.say(&puppet.wire.seal(&multi(&[&packet])));
            assert_eq!(puppet.node.take(), [], "{}", hex(&packet));
        }
        assert_eq!(puppet.node.mux.info(puppet.id).unwrap().udp_length, 512);
        puppet.assert_alive();
    }

    /// UdpLibrary packs these; v3 peers don't send them.
    #[test]
    fn a_multi_packet_may_hold_raw_packets_and_one_of_255_bytes() {
        let mut puppet = Puppet::client(config());
        let long = Wire::reliable(0, 0, &noise(251, 1));
        assert_eq!(long.len(), 255);
        let packet = [&[0, 3, 3][..], b"raw", &[255], &long, &[3, 0, 0, 7]].concat();
        puppet.say(&puppet.wire.seal(&packet));
        let expected = [(Channel::Unreliable, b"raw".to_vec()), (Channel::Reliable0, noise(251, 1)), (Channel::Unreliable, vec![0, 7])];
        assert_eq!(puppet.node.take_messages(), expected);
    }
}

mod nesting {
    use super::*;

    /// `levels` MultiPackets in each other, with a message in the innermost; lengths in one byte, wrong where they don't fit.
    fn nested(levels: usize, innermost: &[u8]) -> Vec<u8> {
        let mut packet = innermost.to_vec();
        for _ in 0..levels {
            let mut outer = vec![0, 3, packet.len().min(255) as u8];
            outer.extend_from_slice(&packet);
            packet = outer;
        }
        packet
    }

    /// The same with lengths of three bytes, as v3's reference reads them.
    fn nested_wide(levels: usize, innermost: &[u8]) -> Vec<u8> {
        let mut packet = innermost.to_vec();
        for _ in 0..levels {
            let mut outer = vec![0, 3];
            if packet.len() < 255 {
                outer.push(packet.len() as u8);
            } else {
                outer.push(255);
                outer.extend_from_slice(&(packet.len() as u16).to_be_bytes());
            }
            outer.extend_from_slice(&packet);
            packet = outer;
        }
        packet
    }

    #[test]
    fn one_in_another_is_read() {
        for levels in [1, 2] {
            let mut puppet = Puppet::client(config());
            puppet.say(&puppet.wire.seal(&nested(levels, &Wire::reliable(0, 0, b"deep"))));
            assert_eq!(puppet.node.take_messages(), [(Channel::Reliable0, b"deep".to_vec())], "{levels}");
        }
    }

    /// The stack of a small thread must not be what bounds it.
    #[test]
    fn four_thousand_levels_are_survived_on_a_small_stack() {
        let run = || {
            for levels in [3, 10, 50, 80, 84, 85, 200, 1_000, 4_000] {
                for wide in [false, true] {
                    let make = if wide { nested_wide } else { nested };
                    let packet = make(levels, &Wire::reliable(0, 0, b"deep"));
                    let mut puppet = Puppet::client(Config { udp_length: 16_384, ..config() });
                    puppet.say(&puppet.wire.seal(&packet));
                    puppet.assert_alive();

                    let mut puppet = Puppet::client(Config { passes: [Pass::Compress, Pass::None], max_inflated: 1 << 20, ..config() });
                    puppet.say(&puppet.wire.seal_deflated(&packet));
                    puppet.assert_alive();
                }
            }
        };
        std::thread::Builder::new().stack_size(256 * 1_024).spawn(run).unwrap().join().expect("no overflow, no panic");
    }

    /// Bundles in bundles, too.
    #[test]
    fn bundles_in_bundles_do_no_harm() {
        let mut packet = b"deep".to_vec();
        for _ in 0..80 {
            packet = [&[0, 0x19, packet.len() as u8][..], &packet].concat();
        }
        let mut puppet = Puppet::client(config());
        puppet.say(&puppet.wire.seal(&Wire::reliable(0, 0, &packet)));
        puppet.assert_alive();
    }
}

/// Nothing of this has a right CRC but by chance, and chance is fixed by the seed.
#[test]
fn noise_of_every_length_from_a_stranger_and_from_the_peer_harms_nothing() {
    for seed in 1..=5 {
        let mut random = Random::new(seed);
        for mut puppet in [Puppet::client(config()), Puppet::server(config())] {
            for len in 0..=600 {
                let data = random.bytes(len);
                puppet.say_from(&address(9, 9), &data);
                puppet.say(&data);
                let mut internal = data.clone();
                if let Some(first) = internal.first_mut() {
                    *first = 0;
                }
                puppet.say_from(&address(9, 9), &internal);
                puppet.say(&internal);
            }
            assert_eq!(puppet.node.disconnected(), None, "seed {seed}");
            puppet.assert_alive();
        }
    }
}

/// Each type with every length of nonsense behind it, and no CRC.
#[test]
fn every_type_without_its_crc_harms_nothing() {
    let mut random = Random::new(7);
    for mut puppet in [Puppet::client(config()), Puppet::server(config())] {
        for opcode in 0..=255u8 {
            for len in [0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 16, 19, 20, 38, 40, 100] {
                let mut data = vec![0, opcode];
                data.extend(random.bytes(len));
                puppet.say(&data);
                puppet.say_from(&address(9, 9), &data);
            }
        }
        assert_eq!(puppet.node.disconnected(), None);
        puppet.assert_alive();
    }
}

/// The same with a good CRC, as a peer gone mad would send it: the session may end, and with reason 15 only; nothing panics.
#[test]
fn every_type_with_its_crc_ends_a_session_with_reason_15_at_worst() {
    let mut random = Random::new(8);
    for setup in [config(), Config { crc_length: 0, ..config() }, Config { passes: [Pass::Compress, Pass::None], ..config() }] {
        let mut puppet = Puppet::client(setup.clone());
        for round in 0..40_000u32 {
            if let Some(how) = puppet.node.disconnected() {
                assert_eq!(how, (EndedBy::Library, reason::CORRUPT_PACKET), "round {round}");
                puppet = Puppet::client(setup.clone());
            }
            let opcode = if random.percent(90) { random.below(0x22) as u8 } else { random.below(256) as u8 };
            // A goodbye ends it, and so may the hint that the peer is gone: neither is of interest here.
            if opcode == 0x05 || opcode == 0x1d {
                continue;
            }
            let mut packet = vec![0, opcode];
            let len = if random.percent(80) { random.below(24) } else { random.below(600) };
            packet.extend(random.bytes(len as usize));
            puppet.node.mux.feed(puppet.now, &CLIENT(), &puppet.wire.seal(&packet));
            if puppet.wire.flag && packet.len() > 2 {
                puppet.node.mux.feed(puppet.now, &CLIENT(), &puppet.wire.seal_deflated(&packet));
            }
            puppet.now += random.below(3 * SECOND / 2);
            puppet.node.turn(puppet.now);
            puppet.node.seen.retain(|seen| matches!(seen.what, What::Disconnected(..)));
        }
    }
}

/// The fuzzer's favourite: a true datagram with something changed, and a good CRC over it.
#[test]
fn true_packets_with_changed_bytes_and_a_good_crc_never_panic() {
    let mut random = Random::new(9);
    let mut puppet = Puppet::client(config());
    for round in 0..40_000u32 {
        if puppet.node.disconnected().is_some() {
            puppet = Puppet::client(config());
        }
        let sequence = random.below(40) as u16;
        let channel = random.below(4) as u8;
        let body = noise(random.below(60) as usize, round.into());
        let mut packet = match random.below(6) {
            0 => Wire::reliable(channel, sequence, &body),
            1 => Wire::fragment(channel, sequence, Some(random.below(100) as u32), &body),
            2 => Wire::fragment(channel, sequence, None, &body),
            3 => Wire::reliable(channel, sequence, &[&[0, 0x19][..], &body].concat()),
            4 => multi(&[&Wire::reliable(channel, sequence, &body), &Wire::ack_all(channel, sequence)]),
            _ => Wire::ack(channel, sequence),
        };
        for _ in 0..random.below(3) {
            let at = random.below(packet.len() as u64) as usize;
            packet[at] = random.below(256) as u8;
        }
        packet.truncate(2 + random.below(packet.len() as u64) as usize);
        puppet.node.mux.feed(puppet.now, &CLIENT(), &puppet.wire.seal(&packet));
        if random.percent(5) {
            let _ = puppet.node.mux.send(puppet.id, RELIABLE[usize::from(channel)], &body);
        }
        puppet.now += random.below(SECOND);
        puppet.node.turn(puppet.now);
        puppet.node.seen.retain(|seen| matches!(seen.what, What::Disconnected(..)));
    }
}

/// Datagrams that are longer than we said we take: read or dropped, but never a panic.
#[test]
fn datagrams_longer_than_agreed_harm_nothing() {
    for len in [513, 1_500, 9_000, 65_507, 100_000] {
        let mut puppet = Puppet::client(config());
        puppet.say(&puppet.wire.seal(&Wire::reliable(0, 0, &vec![1; len])));
        puppet.say(&puppet.wire.sign(vec![1; len]));
        puppet.say(&vec![0; len]);
        puppet.say_from(&address(9, 9), &request(3, 1, 512, &vec![b'a'; len]));
        puppet.assert_alive();
    }
}

#[test]
fn requests_of_every_shape_harm_nothing() {
    let whole = request(3, 77, 512, PROTOCOL);
    let mut puppet = Puppet::stranger(config());
    for len in 0..whole.len() {
        puppet.say(&whole[..len]);
    }
    let mut longer = whole.clone();
    longer.extend_from_slice(b"behind the zero");
    puppet.say_from(&address(9, 9), &longer);
    puppet.say_from(&address(9, 10), &request(3, 77, 512, &[b'a'; 1_000]));
    puppet.say_from(&address(9, 11), &request(3, 77, 512, b"\xff\xfe not utf-8"));
    assert_eq!(puppet.node.mux.find(&CLIENT()), None, "nothing shorter than a request is one");
    assert_eq!(puppet.node.take(), []);
    assert!(Answer::read(&puppet.say(&whole)[0]).is_some());
}

/// A client in its handshake believes nobody but the server, and of it nothing but the answer.
#[test]
fn a_client_that_waits_for_its_answer_is_not_disturbed() {
    let mut puppet = Puppet::asked(config());
    let mut random = Random::new(10);
    for len in 0..200 {
        puppet.say(&random.bytes(len));
        puppet.say(&[0, 0x1d]);
        puppet.say(&puppet.wire.remap());
        puppet.say(&puppet.wire.heartbeat());
        puppet.say(&puppet.wire.seal(&puppet.wire.disconnect(6)));
        puppet.say(&request(3, Puppet::ID, 512, PROTOCOL));
    }
    let whole = response(Puppet::ID, Puppet::SEED, 2, [0, 0], 512, 3);
    for len in 0..17 {
        puppet.say(&whole[..len]);
    }
    assert_eq!(puppet.node.take(), []);
    puppet.say(&whole);
    assert_eq!(puppet.node.connected(), Some(puppet.id));
    puppet.assert_alive();
}
