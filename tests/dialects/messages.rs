//! How a dialect packs, escapes, acknowledges and enciphers messages.

use crate::common::*;
use soe::{Bundles, Channel, Cipher, Config, Direction, Key, Pass, Preset, Scope};

/// UdpLibrary with a CRC, for a puppet of any version.
fn udp_library() -> Config {
    Config { crc_length: 2, udp_length: 512, protocol_version: 0, ..Config::preset(Preset::PlanetSide) }
}

/// The packets that leave when these messages are sent at once on the first reliable channel.
fn packed(config: Config, messages: &[&[u8]]) -> Vec<String> {
    let mut puppet = Puppet::client(config);
    for message in messages {
        puppet.node.mux.send(puppet.id, Channel::Reliable0, message).unwrap();
    }
    let wire = puppet.wire;
    puppet.node.turn(puppet.now).iter().flat_map(|(_, datagram)| wire.packets(datagram)).map(|packet| hex(&packet)).collect()
}

#[test]
fn bundles_have_the_lengths_of_their_title() {
    let [short, long, longer] = [253, 254, 255].map(|len| vec![7; len]);
    let body = |message: &[u8]| hex(message);
    for (bundles, of_254, of_255) in
        [(Bundles::LongFrom254, "ff00fe", Some("ff00ff")), (Bundles::LongFrom255, "fe", Some("ff00ff")), (Bundles::Short, "fe", None)]
    {
        let config = Config { bundles, ..udp_library() };
        assert_eq!(packed(config.clone(), &[&short, b"a"]), [format!("000900000019fd{}0161", body(&short))]);
        assert_eq!(packed(config.clone(), &[&long, b"a"]), [format!("000900000019{of_254}{}0161", body(&long))]);
        assert_eq!(packed(config.clone(), &[b"a", &long]), [format!("0009000000190161{of_254}{}", body(&long))]);
        match of_255 {
            Some(length) => {
                assert_eq!(packed(config.clone(), &[&longer, b"a"]), [format!("000900000019{length}{}0161", body(&longer))]);
                assert_eq!(packed(config, &[b"a", &longer]), [format!("0009000000190161{length}{}", body(&longer))]);
            }
            None => {
                let alone = [format!("00090000{}", body(&longer)), "0009000161".to_owned()];
                assert_eq!(packed(config.clone(), &[&longer, b"a"]), alone);
                assert_eq!(
                    packed(config, &[b"a", &longer, b"b"]),
                    ["0009000061".to_owned(), format!("00090001{}", body(&longer)), "0009000262".to_owned()]
                );
            }
        }
    }
    let never = Config { bundles: Bundles::Never, ..udp_library() };
    assert_eq!(
        packed(never, &[b"a", b"bc", &long]),
        ["0009000061".to_owned(), "000900016263".to_owned(), format!("00090002{}", body(&long))]
    );
}

/// Without bundles, small packets share a MultiPacket.
#[test]
fn where_there_are_no_bundles_small_messages_still_share_datagrams() {
    let mut puppet = Puppet::client(Config { bundles: Bundles::Never, ..udp_library() });
    for index in 0..40u8 {
        puppet.node.mux.send(puppet.id, Channel::Reliable0, &[1, index]).unwrap();
    }
    let out = puppet.node.turn(puppet.now);
    assert_eq!(out.len(), 1);
    assert_eq!(puppet.wire.packets(&out[0].1).len(), 40);
}

/// By channel and dialect: what a message looks like that begins with a zero.
#[test]
fn a_leading_zero_is_escaped_where_the_dialect_escapes() {
    for (escape_reliable, message, reliable) in [
        (false, "0011", "000900000011"),
        (true, "0011", "00090000000011"),
        (true, "00", "000900000000"),
        (true, "0000", "00090000000000"),
        (false, "00190161", "0009000000190400190161"),
        (true, "00190161", "000900000000190161"),
        (true, "1100", "000900001100"),
    ] {
        let config = Config { escape_reliable, ..udp_library() };
        assert_eq!(packed(config.clone(), &[&unhex(message)]), [reliable]);
        let mut puppet = Puppet::client(config);
        let packet = unhex(reliable);
        puppet.say(&puppet.wire.seal(&packet));
        assert_eq!(puppet.node.take_messages(), [(Channel::Reliable0, unhex(message))], "{reliable}");
    }
    // In a bundle each message on its own, as UdpLibrary's recordings have it.
    assert_eq!(packed(udp_library(), &[&unhex("00112233"), &unhex("00"), b"a"]), ["0009000000190500001122330200000161"]);
    // Unreliable messages are escaped everywhere. Ordered ones never are: UdpLibrary does it, and doesn't undo it.
    for config in [Config::default(), udp_library()] {
        let mut puppet = Puppet::client(config);
        for (channel, expected) in
            [(Channel::Unreliable, "0000aa"), (Channel::Ordered, "001a000100aa"), (Channel::Ordered2, "001b000100aa")]
        {
            puppet.node.mux.send(puppet.id, channel, &[0, 0xaa]).unwrap();
            assert_eq!(puppet.node.turn(puppet.now)[0].1, puppet.wire.seal(&unhex(expected)));
        }
    }
}

#[test]
fn what_udp_library_nests_is_taken_apart() {
    let mut puppet = Puppet::client(udp_library());
    // A bundle of the application's own inside one of the library's, a message alone of one zero, and a bundle put together from fragments.
    for packet in ["00090000 0019 0161 08 0019 0162 03 000063 0100", "000d0001 00000008 0019 0464", "000d0002 000065 66"] {
        puppet.say(&puppet.wire.seal(&unhex(&packet.replace(' ', ""))));
    }
    let got: Vec<String> = puppet.node.take_messages().iter().map(|(_, message)| hex(message)).collect();
    assert_eq!(got, ["61", "62", "0063", "00", "64000065"]);
    assert_eq!(puppet.node.mux.stats().dropped_malformed, 1, "66 is more than was announced");
}

/// UdpLibrary's applications may send a bundle of their own on any channel.
#[test]
fn a_bundle_outside_the_reliable_channels_is_taken_apart() {
    for (config, expected) in [(udp_library(), ["61", "00", "0009"]), (Config::default(), ["61", "0000", "000009"])] {
        let mut puppet = Puppet::client(config);
        puppet.say(&puppet.wire.seal(&unhex("0019016102000003000009")));
        let expected: Vec<_> = expected.iter().map(|message| (Channel::Unreliable, unhex(message))).collect();
        assert_eq!(puppet.node.take_messages(), expected);
        puppet.assert_alive();
    }
}

/// Deep nesting is no way to reach the stack's end, and what has no business in a reliable payload is dropped.
#[test]
fn what_nobody_nests_is_malformed_and_what_stands_before_it_is_delivered() {
    let bundle = |inside: &[u8]| [&[0, 0x19, inside.len() as u8][..], inside].concat();
    let mut deep = b"x".to_vec();
    for depth in 0..80 {
        deep = bundle(&deep);
        let mut puppet = Puppet::client(udp_library());
        puppet.say(&puppet.wire.seal(&Wire::reliable(0, 0, &deep)));
        let delivered = usize::from(depth < 4);
        assert_eq!((puppet.node.message_count(), puppet.node.mux.stats().dropped_malformed), (delivered, 1 - delivered as u64), "{depth}");
        puppet.assert_alive();
    }
    for (payload, delivered) in [("0006", 0), ("0019016103000600 0162", 2), ("00190161020001", 1), ("0019ff", 0), ("001903000009", 1)] {
        let mut puppet = Puppet::client(udp_library());
        puppet.say(&puppet.wire.seal(&Wire::reliable(0, 0, &unhex(&payload.replace(' ', "")))));
        let malformed = u64::from(payload != "001903000009");
        assert_eq!((puppet.node.message_count(), puppet.node.mux.stats().dropped_malformed), (delivered, malformed), "{payload}");
        puppet.assert_alive();
    }
}

/// Whatever a drain takes at a time, and whoever waits for a cipher.
#[test]
fn escapes_are_undone_when_a_message_is_handed_out() {
    for max in 1..=5 {
        for cipher_by_host in [false, true] {
            let mut puppet = Puppet::client(Config { cipher_by_host, ..udp_library() });
            puppet.node.reads_events = false;
            puppet.say(&puppet.wire.seal(&Wire::reliable(0, 0, &unhex("0019 0161 03000062 02 0000 0163".replace(' ', "").as_str()))));
            puppet.say(&puppet.wire.seal(&Wire::reliable(0, 1, &unhex("000064"))));
            while puppet.node.read_some_events(max) > 0 {}
            let got: Vec<String> = puppet.node.take_messages().iter().map(|(_, message)| hex(message)).collect();
            assert_eq!(got, ["61", "0062", "00", "63", "0064"], "{max} {cipher_by_host}");
        }
    }
}

/// RC4 with key 01 02 03 04 05 begins b2 39 63: a ciphertext has its own zero in front, and the message none.
#[test]
fn an_enciphered_message_is_escaped_by_its_ciphertext() {
    let keyed = Config { cipher_key: Some(Key::new(&[1, 2, 3, 4, 5]).unwrap()), ..udp_library() };
    let mut puppet = Puppet::client(keyed);
    for (sequence, (message, expected)) in [("b239", "000000"), ("00", "63")].into_iter().enumerate() {
        puppet.node.mux.send(puppet.id, Channel::Reliable0, &unhex(message)).unwrap();
        let sent = Wire::reliable(0, sequence as u16, &unhex(expected));
        assert_eq!(puppet.node.turn(puppet.now)[0].1, puppet.wire.seal(&sent));
        puppet.say(&puppet.wire.seal(&sent));
    }
    let got: Vec<String> = puppet.node.take_messages().iter().map(|(_, message)| hex(message)).collect();
    assert_eq!(got, ["b239", "00"]);
}

/// The first login message is plain, the cipher is turned on behind it, and an escaped message that was already there is deciphered, not unescaped.
#[test]
fn unescaping_waits_for_the_cipher() {
    let mut puppet = Puppet::client(Config { cipher_by_host: true, ..udp_library() });
    puppet.node.reads_events = false;
    puppet.say(&puppet.wire.seal(&Wire::reliable(0, 0, &unhex("0019016103000000"))));
    assert_eq!(puppet.node.read_some_events(64), 1);
    let key = Some(Key::new(&[1, 2, 3, 4, 5]).unwrap());
    let cipher = Cipher { direction: Direction::Receive, key, drop: 0, scope: Scope::Reliable };
    puppet.node.mux.set_cipher(puppet.id, &cipher).unwrap();
    assert_eq!(puppet.node.read_some_events(64), 1);
    let got: Vec<String> = puppet.node.take_messages().iter().map(|(_, message)| hex(message)).collect();
    assert_eq!(got, ["61", "b239"]);
}

#[test]
fn a_config_says_where_its_key_stream_begins_and_who_shares_it() {
    // Of key 01 02 03 04 05: 20 bytes discarded, from an implementation of RC4 that is not ours.
    let mut stream = vec![0; 64];
    rc4::StreamCipher::apply_keystream(&mut <rc4::Rc4 as rc4::KeyInit>::new_from_slice(&[1, 2, 3, 4, 5]).unwrap(), &mut stream);
    for (cipher_drop, scope, second) in
        [(0, Scope::PerChannel, 0), (20, Scope::PerChannel, 20), (20, Scope::Reliable, 21), (7, Scope::ReliableAndOrdered, 8)]
    {
        let key = Some(Key::new(&[1, 2, 3, 4, 5]).unwrap());
        let mut puppet = Puppet::client(Config { cipher_key: key, cipher_drop, cipher_scope: scope, ..udp_library() });
        for (channel, at) in [(0, cipher_drop as usize), (1, second)] {
            puppet.node.mux.send(puppet.id, RELIABLE[channel], &[0x5a]).unwrap();
            let sent = Wire::reliable(channel as u8, 0, &[0x5a ^ stream[at]]);
            assert_eq!(puppet.node.turn(puppet.now)[0].1, puppet.wire.seal(&sent), "{scope:?}");
        }
    }
}

#[test]
fn a_multi_packets_lengths_are_read_as_the_config_says() {
    let (one_byte, three_bytes) = ([0x41; 255], [0x41; 256]);
    let strict = [&[0, 3, 0xff][..], &one_byte].concat();
    let varint = [&[0, 3, 0xff, 0x01, 0x00][..], &three_bytes].concat();
    for (multi_varint, datagram, raw) in [(false, strict, one_byte.to_vec()), (true, varint, three_bytes.to_vec())] {
        let mut puppet = Puppet::client(Config { multi_varint, ..udp_library() });
        puppet.say(&puppet.wire.seal(&datagram));
        assert_eq!(puppet.node.take_messages(), [(Channel::Unreliable, raw)], "{multi_varint}");
    }
    // An element of 255 that is a packet of the protocol is read either way.
    let packet = Wire::reliable(0, 0, &[0x41; 251]);
    for multi_varint in [false, true] {
        let mut puppet = Puppet::client(Config { multi_varint, ..udp_library() });
        puppet.say(&puppet.wire.seal(&[&[0, 3, 0xff][..], &packet].concat()));
        assert_eq!(puppet.node.take_messages(), [(Channel::Reliable0, vec![0x41; 251])]);
    }
}

/// No element of 255 or more is ever written: v3 and UdpLibrary differ on them.
#[test]
fn multi_packets_have_elements_that_everybody_reads() {
    for multi_raw in [false, true] {
        let mut pair = Pair::of(Config { multi_raw, ..config() }, config()).tapped().connect();
        for len in (1..300).chain([250, 251, 249, 1, 2]) {
            pair.send(RELIABLE[len % 4], &vec![7; len]);
            pair.send(Channel::Unreliable, &vec![8; len]);
        }
        pair.drive(SECOND);
        let seed = pair.client.mux.info(pair.id).unwrap().crc_seed;
        let wire = Wire { id: 0, seed, crc_length: 2, flag: false };
        for datagram in pair.tap.take().unwrap().into_iter().filter(|tapped| tapped.by_client && tapped.data.starts_with(&[0, 3])) {
            let body = wire.open(&datagram.data).unwrap();
            let mut rest = &body[2..];
            while let [len, behind @ ..] = rest {
                assert!((1..=254).contains(len));
                let (element, behind) = behind.split_at(usize::from(*len));
                assert!(multi_raw || element[0] == 0 && element[1] != 0, "a raw message in a MultiPacket");
                rest = behind;
            }
        }
    }
}

/// How three packets in order and one ahead of its turn are acknowledged.
#[test]
fn packets_are_acknowledged_in_the_titles_way() {
    for (ack_every_packet, ack_early, expected) in [
        (false, true, ["00150002", "00110004"].as_slice()),
        (true, true, &["00150000", "00150001", "00150002", "00110004"]),
        (false, false, &["00150002"]),
        (true, false, &["00150000", "00150001", "00150002"]),
    ] {
        let mut puppet = Puppet::client(Config { ack_every_packet, ack_early, ..udp_library() });
        for sequence in [0, 1, 2, 4] {
            let datagram = puppet.wire.seal(&Wire::reliable(0, sequence, b"x"));
            puppet.node.mux.feed(puppet.now, &puppet.me, &datagram);
        }
        let wire = puppet.wire;
        let said: Vec<String> =
            puppet.node.turn(puppet.now).iter().flat_map(|(_, datagram)| wire.packets(datagram)).map(|packet| hex(&packet)).collect();
        assert_eq!(said, expected, "{ack_every_packet} {ack_early}");
        // The gap is filled: one word for both.
        let said: Vec<String> = puppet.packets_after(&wire.seal(&Wire::reliable(0, 3, b"x"))).iter().map(|packet| hex(packet)).collect();
        assert_eq!(said, ["00150004"]);
        assert_eq!(puppet.node.messages_on(Channel::Reliable0).len(), 5);
    }
}

/// With passes and a cipher: the very bytes, so that nobody who listens gets two texts under one key.
#[test]
fn a_retransmission_is_the_same_bytes() {
    for passes in [[Pass::None; 2], [Pass::Compress, Pass::Xor], [Pass::XorBuffer, Pass::None], [Pass::Xor, Pass::Compress2]] {
        let key = Some(Key::new(b"some key").unwrap());
        let both = Config { passes, cipher_key: key, ..udp_library() };
        let mut pair = Pair::of(both.clone(), both).tapped().connect();
        pair.drive(5 * SECOND);
        pair.tap = Some(vec![]);
        pair.up.path.loss_percent = 100;
        pair.send(Channel::Reliable0, &[b'a'; 400]);
        pair.drive(3 * SECOND);
        let sent: Vec<_> = pair
            .tap
            .take()
            .unwrap()
            .into_iter()
            .filter(|tapped| tapped.by_client && tapped.data[1] == 9)
            .map(|tapped| tapped.data)
            .collect();
        assert!(sent.len() >= 3, "{} times", sent.len());
        assert!(sent.iter().all(|datagram| *datagram == sent[0]));
        pair.up.path.loss_percent = 0;
        pair.tap = None;
        assert!(pair.drive_until(10 * SECOND, |p| p.server.message_count() == 1));
    }
}

/// What stands in front of a message takes no room from it: a zero, or the head of a bundle of one.
#[test]
fn the_longest_message_arrives_whatever_it_begins_with_and_a_longer_one_is_refused() {
    let keyed = Config { cipher_key: Some(Key::new(&[1, 2, 3, 4, 5]).unwrap()), ..udp_library() };
    for config in [udp_library(), Config { escape_reliable: false, ..udp_library() }, keyed] {
        let config = Config { max_message: 5_000, rng_seed: 1, ..config };
        let mut pair = Pair::of(config.clone(), config.clone()).connect();
        // b2 and 00 19: what is deciphered to a zero, and what looks like a bundle.
        for head in [&[0, 7][..], &[0, 0x19], &[0, 0], &[0xb2, 0x39], &[7, 7]] {
            let message = [head, &vec![7; 4_998]].concat();
            pair.send(Channel::Reliable0, &message);
            assert!(pair.drive_until(10 * SECOND, |p| p.server.message_count() == 1), "{}", hex(head));
            assert_eq!(pair.server.take_messages(), [(Channel::Reliable0, message)]);
        }
        assert_eq!(pair.client.mux.send(pair.id, Channel::Reliable0, &[7; 5_001]), Err(soe::Error::TooLarge));
        assert_eq!(pair.server.mux.stats().dropped_malformed, 0);
        // A peer that sends longer ones is not believed.
        let mut puppet = Puppet::client(Config { max_message: 600, cipher_key: None, ..config });
        for (sequence, message) in [(0, vec![7; 601]), (2, vec![7; 609]), (4, vec![7; 610])] {
            let total = message.len() as u32;
            puppet.say(&puppet.wire.seal(&Wire::fragment(0, sequence, Some(total), &message[..500])));
            puppet.say(&puppet.wire.seal(&Wire::fragment(0, sequence + 1, None, &message[500..])));
        }
        assert_eq!(puppet.node.message_count(), 0);
        assert!(puppet.node.mux.stats().dropped_malformed >= 3);
    }
    // Nor in one packet, alone or in a bundle: what stands before it in the bundle is delivered.
    for config in [udp_library(), Config { escape_reliable: false, ..udp_library() }] {
        let config = Config { max_message: 100, ..config };
        for (payload, delivered) in [
            (vec![7; 100], 1),
            (vec![7; 101], 0),
            ([&[0, 0x19, 1, 7, 100][..], &[7; 100]].concat(), 2),
            ([&[0, 0x19, 1, 7, 101][..], &[7; 101]].concat(), 1),
        ] {
            let mut puppet = Puppet::client(config.clone());
            puppet.say(&puppet.wire.seal(&Wire::reliable(0, 0, &payload)));
            assert_eq!(puppet.node.message_count(), delivered, "{}", payload.len());
            puppet.assert_alive();
        }
        // In fragments, a bundle whose only message is too long by what its head takes.
        for (len, delivered) in [(1_000, 1), (1_001, 0), (1_005, 0)] {
            let mut puppet = Puppet::client(Config { max_message: 1_000, ..config.clone() });
            let bundle = [&[0, 0x19, 0xff][..], &(len as u16).to_be_bytes(), &vec![7; len]].concat();
            for (sequence, part) in bundle.chunks(400).enumerate() {
                let total = (sequence == 0).then_some(bundle.len() as u32);
                puppet.say(&puppet.wire.seal(&Wire::fragment(0, sequence as u16, total, part)));
            }
            assert_eq!(puppet.node.message_count(), delivered, "{len}");
        }
    }
}
