//! How large a datagram may be, what stands at its end, and what the compression pass does between.

use crate::common::*;
use soe::{Channel, Config, Pass};

/// No CRC, no pass: a contextless packet, which no UDP length binds (a SessionResponse alone has 21 bytes).
fn is_contextless(data: &[u8]) -> bool {
    data[0] == 0 && [1, 2, 0x1d, 0x1e].contains(&data[1])
}

/// Both sides say everything they can; nothing is longer than `limit` on the wire, and everything arrives.
fn everything_fits(client: Config, server: Config, limit: usize) {
    let title = format!("client {} server {} crc {} passes {:?}", client.udp_length, server.udp_length, server.crc_length, server.passes);
    let mut pair = Pair::of(client, server).tapped().connect();
    for info in [pair.client.mux.info(pair.id), pair.server.mux.info(pair.peer)] {
        assert_eq!(info.unwrap().udp_length as usize, limit, "{title}");
    }
    let mut messages = vec![];
    for (index, len) in [1, 2, 3, 5, 10, 15, 16, 17, 60, 64, 70, 250, 256, 300, 1_000, 3_000].into_iter().enumerate() {
        messages.push((RELIABLE[index % 4], noise(len, len as u64)));
        messages.push((RELIABLE[index % 4], vec![0; len]));
        messages.push((Channel::Unreliable, noise(len, len as u64)));
        messages.push((Channel::Ordered, vec![index as u8; len]));
    }
    for (channel, data) in &messages {
        pair.send(*channel, data);
        pair.reply(*channel, data);
    }
    let all = |p: &mut Pair| p.client.message_count() == messages.len() && p.server.message_count() == messages.len();
    let done = pair.drive_until(60 * SECOND, all);
    assert!(done, "{title}: {} and {} of {}", pair.client.message_count(), pair.server.message_count(), messages.len());
    for node in [&mut pair.client, &mut pair.server] {
        let mut got: Vec<_> = node.take_messages().into_iter().map(|(_, data)| data).collect();
        let mut expected: Vec<_> = messages.iter().map(|(_, data)| data.clone()).collect();
        got.sort();
        expected.sort();
        assert!(got == expected, "{title}");
        assert_eq!(node.mux.stats().dropped_malformed, 0, "{title}");
    }
    pair.client.mux.disconnect(pair.id, 6, soe::Disconnect::Now).unwrap();
    assert!(pair.drive_until(SECOND, |p| p.server.disconnected().is_some()), "{title}: a goodbye fits too");
    for tapped in pair.tap.take().unwrap().iter().filter(|tapped| !is_contextless(&tapped.data)) {
        assert!(tapped.data.len() <= limit, "{title}: {} bytes: {}", tapped.data.len(), hex(&tapped.data));
    }
}

#[test]
fn no_datagram_is_longer_than_the_smaller_of_both_lengths() {
    let lengths = [16, 17, 64, 255, 300, 512, 1_400, 16_384];
    for client in lengths {
        for server in lengths {
            let make = |udp_length| Config { udp_length, ..config() };
            everything_fits(make(client), make(server), client.min(server) as usize);
        }
    }
}

#[test]
fn the_smallest_datagrams_with_the_longest_crc_and_a_flag() {
    for udp_length in [16, 17, 18, 64] {
        for crc_length in 0..=4 {
            for pass in [Pass::None, Pass::Compress] {
                let server = Config { udp_length, crc_length, passes: [pass, Pass::None], ..config() };
                everything_fits(config(), server, udp_length as usize);
            }
        }
    }
}

/// 40 bytes of NetStatus don't fit 16: they are not sent, and nothing breaks.
#[test]
fn net_status_respects_the_length_too() {
    for (udp_length, fits) in [(16, false), (41, false), (42, true)] {
        let mut pair = Pair::of(Config { net_status_ms: 1_000, ..config() }, Config { udp_length, ..config() }).tapped().connect();
        pair.drive(10 * SECOND);
        let asked = pair.tap.take().unwrap();
        let asked = asked
            .iter()
            .filter(|tapped| !is_contextless(&tapped.data))
            .inspect(|tapped| assert!(tapped.data.len() <= udp_length as usize, "{} bytes of {udp_length}", tapped.data.len()));
        assert_eq!(asked.filter(|tapped| tapped.data.starts_with(&[0, 7])).count() > 0, fits, "{udp_length}");
        pair.assert_alive();
    }
}

#[test]
fn the_answer_names_our_length_and_the_session_uses_the_smaller() {
    for (theirs, ours, agreed) in [(16, 512, 16), (64, 512, 64), (512, 512, 512), (2_000, 512, 512), (u32::MAX, 512, 512), (512, 100, 100)]
    {
        let mut puppet = Puppet::stranger(Config { udp_length: ours, ..config() });
        let out = puppet.say(&request(3, 77, theirs, PROTOCOL));
        let answer = Answer::read(&out[0]).expect("an answer");
        assert!(answer.udp_length == ours || answer.udp_length == agreed, "{theirs}: {answer:?}");
        let wire = Wire::from(answer);
        puppet.say(&wire.heartbeat());
        let id = puppet.node.connected().unwrap();
        assert_eq!(puppet.node.mux.info(id).unwrap().udp_length, agreed);
    }
}

#[test]
fn a_client_uses_the_smaller_length_too() {
    for (theirs, agreed) in [(16, 16), (64, 64), (512, 512), (1_400, 512), (u32::MAX, 512)] {
        let mut puppet = Puppet::asked(config());
        puppet.say(&response(Puppet::ID, Puppet::SEED, 2, [0, 0], theirs, 3));
        assert_eq!(puppet.node.connected(), Some(puppet.id));
        assert_eq!(puppet.node.mux.info(puppet.id).unwrap().udp_length, agreed);
    }
}

#[test]
fn lengths_under_16_are_refused() {
    for udp_length in 0..16 {
        let mut puppet = Puppet::stranger(config());
        for data in puppet.say(&request(3, 77, udp_length, PROTOCOL)) {
            if let Some(answer) = Answer::read(&data) {
                puppet.say(&Wire::from(answer).heartbeat());
            }
        }
        assert_eq!(puppet.node.connected(), None, "{udp_length}");
        assert_eq!(puppet.node.mux.stats().requests_refused, 1, "{udp_length}");

        let mut puppet = Puppet::asked(config());
        puppet.say(&response(Puppet::ID, Puppet::SEED, 2, [0, 0], udp_length, 3));
        assert_eq!(puppet.node.connected(), None, "{udp_length}");
        puppet.wait(40 * SECOND);
    }
}

#[test]
fn crc_lengths_of_5_and_more_never_open_a_session() {
    for crc_length in 5..=255 {
        let mut puppet = Puppet::asked(config());
        puppet.say(&response(Puppet::ID, Puppet::SEED, crc_length, [0, 0], 512, 3));
        assert_eq!(puppet.node.connected(), None, "{crc_length}");
        for len in 0..40 {
            puppet.say(&noise(len, u64::from(crc_length)));
        }
        puppet.say(&[0, 6, 0, 0, 0, 0]);
        puppet.wait(40 * SECOND);
        assert_eq!(puppet.node.connected(), None, "{crc_length}");
        assert_eq!(puppet.node.mux.stats().sessions_connected, 0);
    }
}

/// Passes that no library has, and those that this one doesn't have yet.
#[test]
fn unknown_passes_never_open_a_session() {
    for passes in (1..=255).map(|pass| [0, pass]).chain((5..=255).map(|pass| [pass, 0])) {
        let mut puppet = Puppet::asked(config());
        puppet.say(&response(Puppet::ID, Puppet::SEED, 2, passes, 512, 3));
        puppet.say(&puppet.wire.heartbeat());
        if passes[1] > 4 || passes[0] > 4 {
            assert_eq!(puppet.node.connected(), None, "{passes:?}");
        }
    }
}

#[test]
fn a_crc_of_each_length_works() {
    for crc_length in 0..=4 {
        let mut pair = Pair::of(config(), Config { crc_length, ..config() }).connect();
        assert_eq!(pair.client.mux.info(pair.id).unwrap().crc_length, crc_length);
        pair.assert_alive();
        pair.send(Channel::Reliable1, &noise(5_000, 1));
        pair.send(Channel::Unreliable, b"raw");
        pair.drive(SECOND);
        assert_eq!(pair.server.take_messages().len(), 2);

        let mut puppet = Puppet::client(Config { crc_length, ..config() });
        assert_eq!(puppet.wire.crc_length, crc_length);
        puppet.assert_alive();
        if crc_length > 0 {
            let mut bad = puppet.wire.seal(&Wire::reliable(0, 0, b"x"));
            *bad.last_mut().unwrap() ^= 1;
            puppet.say(&bad);
            assert_eq!(puppet.node.take_messages(), []);
            assert_eq!(puppet.node.mux.session_stats(puppet.id).unwrap().dropped_crc, 1);
        }
    }
}

/// CRC-32 over the little-endian seed and the packet: 24be is the end of it for a heartbeat under dd8ed67c, from the recordings.
#[test]
fn the_crc_is_that_of_the_recordings() {
    let mut puppet = Puppet::stranger(Config { crc_seed: soe::CrcSeed::Fixed(0xdd8e_d67c), ..config() });
    puppet.say(&request(3, 0xd498_f9f4, 512, PROTOCOL));
    let out = puppet.say(&unhex("000624be"));
    assert!(puppet.node.connected().is_some());
    assert!(out.contains(&unhex("000624be")), "a heartbeat is answered: {out:?}");
    puppet.say(&unhex("0005d498f9f400068d65"));
    assert_eq!(puppet.node.disconnected(), Some((soe::EndedBy::Peer, 6)));
}

mod compressing {
    use super::*;

    fn compressing() -> Config {
        Config { passes: [Pass::Compress, Pass::None], ..config() }
    }

    fn compressing_client() -> Puppet {
        let puppet = Puppet::client(compressing());
        assert!(puppet.wire.flag);
        puppet
    }

    #[test]
    fn what_deflates_is_sent_deflated_and_what_does_not_is_not() {
        let mut pair = Pair::of(config(), compressing()).tapped().connect();
        let wire = {
            let info = pair.client.mux.info(pair.id).unwrap();
            assert_eq!(info.passes, [Pass::Compress, Pass::None]);
            Wire { id: info.session_id_on_wire, seed: info.crc_seed, crc_length: info.crc_length, flag: true }
        };
        let text = b"the quick brown fox jumps over the lazy dog; ".repeat(100);
        let messages: Vec<(Channel, Vec<u8>)> = vec![
            (Channel::Reliable0, text.clone()),
            (Channel::Reliable1, noise(4_000, 1)),
            (Channel::Reliable2, vec![0; 20_000]),
            (Channel::Reliable3, b"short".to_vec()),
        ];
        for (channel, data) in &messages {
            pair.send(*channel, data);
            pair.reply(*channel, data);
        }
        assert!(pair.drive_until(10 * SECOND, |p| p.client.message_count() == 4 && p.server.message_count() == 4));
        for node in [&pair.client, &pair.server] {
            for (channel, data) in &messages {
                assert!(node.messages_on(*channel) == [&data[..]], "{channel:?}");
            }
        }
        let mut flags = [0; 2];
        for tapped in pair.tap.take().unwrap().iter().filter(|tapped| !is_contextless(&tapped.data)) {
            let flag = usize::from(tapped.data[2]);
            assert!(flag <= 1, "{}", hex(&tapped.data));
            flags[flag] += 1;
            let plain = wire.open(&tapped.data).expect("readable").len() + 1 + 2;
            match flag {
                1 => assert!(tapped.data.len() < plain, "{} bytes are no smaller than {plain}", tapped.data.len()),
                _ => assert_eq!(tapped.data.len(), plain),
            }
        }
        assert!(flags[0] > 10 && flags[1] > 10, "some of each: {flags:?}");
    }

    #[test]
    fn below_the_threshold_nothing_is_tried() {
        let mut puppet = Puppet::client(Config { compression_threshold: 100, ..compressing() });
        for (len, deflated) in [(50, false), (90, false), (120, true)] {
            puppet.node.mux.send(puppet.id, Channel::Reliable0, &vec![0; len]).unwrap();
            let sent = puppet.node.turn(puppet.now);
            assert_eq!(sent[0].1[2] == 1, deflated, "{len}");
        }
    }

    #[test]
    fn deflated_datagrams_are_read() {
        let mut puppet = compressing_client();
        let wire = puppet.wire;
        puppet.say(&wire.seal_deflated(&Wire::reliable(0, 0, b"deflated though it is longer so")));
        puppet.say(&wire.seal(&Wire::reliable(0, 1, b"plain")));
        puppet.say(&wire.seal_deflated(&multi(&[&Wire::reliable(0, 2, b"two"), &Wire::reliable(0, 3, b"in one")])));
        puppet.say(&wire.seal_deflated(&[0, 6]));
        puppet.say(&wire.sign(b"raw has no flag".to_vec()));
        let got: Vec<_> = puppet.node.take_messages().into_iter().map(|(_, data)| data).collect();
        assert_eq!(got, [&b"deflated though it is longer so"[..], b"plain", b"two", b"in one", b"raw has no flag"]);
        assert_eq!(puppet.node.mux.stats().dropped_malformed, 0);
    }

    /// Any flag but 0 says deflated: so read all references.
    #[test]
    fn a_stream_that_was_flushed_but_not_finished_is_read() {
        let mut puppet = compressing_client();
        let mut deflate = flate2::Compress::new(flate2::Compression::default(), true);
        let mut body = Vec::with_capacity(200);
        deflate.compress_vec(&Wire::reliable(0, 0, &[5; 40])[2..], &mut body, flate2::FlushCompress::Sync).unwrap();
        let datagram = puppet.wire.sign([&[0, 9, 1][..], &body].concat());
        puppet.say(&datagram);
        assert_eq!(puppet.node.take_messages(), [(Channel::Reliable0, vec![5; 40])]);
    }

    #[test]
    fn a_bomb_is_dropped_and_counted() {
        for len in [8_193, 100_000, 10_000_000] {
            let mut puppet = compressing_client();
            puppet.say(&puppet.wire.seal_deflated(&Wire::reliable(0, 0, &vec![0; len])));
            assert_eq!(puppet.node.take_messages(), [], "{len}");
            assert_eq!(puppet.node.mux.session_stats(puppet.id).unwrap().dropped_malformed, 1);
            puppet.assert_alive();
        }
    }

    #[test]
    fn up_to_the_limit_it_is_no_bomb() {
        let mut puppet = compressing_client();
        puppet.say(&puppet.wire.seal_deflated(&Wire::reliable(0, 0, &[0; 8_000])));
        assert_eq!(puppet.node.take_messages(), [(Channel::Reliable0, vec![0; 8_000])]);
    }

    #[test]
    fn broken_streams_are_dropped_and_counted() {
        let mut puppet = compressing_client();
        let mut encoder = flate2::write::ZlibEncoder::new(vec![], flate2::Compression::default());
        std::io::Write::write_all(&mut encoder, &Wire::reliable(0, 0, &noise(60, 1))[2..]).unwrap();
        let stream = encoder.finish().unwrap();
        let broken: Vec<Vec<u8>> = vec![vec![], stream[..1].to_vec(), noise(50, 2), {
            let mut wrong_sum = stream.clone();
            *wrong_sum.last_mut().unwrap() ^= 1;
            wrong_sum
        }];
        for body in &broken {
            puppet.say(&puppet.wire.sign([&[0, 9, 1][..], body].concat()));
        }
        assert_eq!(puppet.node.take_messages(), []);
        assert_eq!(puppet.node.mux.session_stats(puppet.id).unwrap().dropped_malformed, broken.len() as u64);
        puppet.assert_alive();
    }

    /// A datagram that ends behind its opcode has no flag: it is malformed, and no panic.
    #[test]
    fn no_flag_at_all_is_malformed() {
        let mut puppet = compressing_client();
        for opcode in [3, 5, 9, 0x15] {
            puppet.say(&puppet.wire.sign(vec![0, opcode]));
        }
        assert_eq!(puppet.node.mux.session_stats(puppet.id).unwrap().dropped_malformed, 4);
        puppet.assert_alive();
    }

    /// Stored bodies of every length, deflated ones of every kind of content, both ways through a rough link.
    #[test]
    fn through_a_rough_link() {
        let mut pair = Pair::over(Path::ROUGH, 8, config(), compressing()).connect();
        let messages: Vec<_> = (1..=300usize)
            .map(|len| (RELIABLE[len % 4], if len % 3 == 0 { noise(len * 10, len as u64) } else { vec![len as u8; len * 10] }))
            .collect();
        for part in messages.chunks(60) {
            for (channel, data) in part {
                pair.send(*channel, data);
                pair.reply(*channel, data);
            }
            let count = part.len();
            assert!(pair.drive_until(120 * SECOND, |p| p.client.message_count() == count && p.server.message_count() == count));
            for node in [&mut pair.client, &mut pair.server] {
                for channel in RELIABLE {
                    let expected: Vec<_> = part.iter().filter(|(c, _)| *c == channel).map(|(_, data)| data.clone()).collect();
                    assert!(node.messages_on(channel) == expected, "{channel:?}");
                }
                node.take();
            }
        }
    }
}
