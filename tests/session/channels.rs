//! What channels promise: order, completeness, and bytes as they were.

use crate::common::*;
use soe::{Channel, Config};

const ALL: [Channel; 7] = [
    Channel::Reliable0,
    Channel::Reliable1,
    Channel::Reliable2,
    Channel::Reliable3,
    Channel::Unreliable,
    Channel::Ordered,
    Channel::Ordered2,
];

fn equal(got: &[(Channel, Vec<u8>)], expected: &[(Channel, Vec<u8>)]) {
    let outline = |all: &[(Channel, Vec<u8>)]| all.iter().map(|(channel, data)| (*channel, data.len())).collect::<Vec<_>>();
    assert_eq!(outline(got), outline(expected));
    assert!(got == expected, "the same lengths, but other bytes");
}

#[test]
fn each_channel_carries_a_message_each_way() {
    let mut pair = Pair::new().connect();
    for channel in ALL {
        let data = vec![channel as u8 + 1; 20];
        pair.send(channel, &data);
        pair.reply(channel, &data);
        pair.drive(20 * MS);
        equal(&pair.server.take_messages(), &[(channel, data.clone())]);
        equal(&pair.client.take_messages(), &[(channel, data)]);
    }
}

#[test]
fn messages_of_every_length_arrive() {
    let mut pair = Pair::new().connect();
    for channel in [Channel::Reliable0, Channel::Unreliable, Channel::Ordered] {
        for len in (1..=1_100).chain([2_000, 65_535, 65_536, 100_000]) {
            let data = noise(len, len as u64);
            pair.send(channel, &data);
            assert!(pair.drive_until(20 * SECOND, |p| p.server.message_count() == 1), "{len} bytes on {channel:?}");
            assert!(pair.server.take_messages()[0].1 == data, "{len} bytes on {channel:?}");
        }
    }
    assert_eq!(pair.client.mux.stats().retransmissions, 0, "nothing was lost, nothing is sent twice");
}

#[test]
fn many_lengths_at_once_arrive_in_order() {
    let mut pair = Pair::new().connect();
    let messages: Vec<_> = (1..=700).map(|len| (Channel::Reliable0, noise(len, len as u64))).collect();
    for (channel, data) in &messages {
        pair.send(*channel, data);
    }
    assert!(pair.drive_until(20 * SECOND, |p| p.server.message_count() == messages.len()));
    equal(&pair.server.take_messages(), &messages);
}

#[test]
fn four_channels_do_not_wait_for_each_other() {
    let mut puppet = Puppet::client(config());
    puppet.say(&puppet.wire.seal(&Wire::reliable(0, 1, b"behind a gap")));
    puppet.say(&puppet.wire.seal(&Wire::reliable(1, 0, b"free")));
    assert_eq!(puppet.node.take_messages(), [(Channel::Reliable1, b"free".to_vec())]);
    puppet.say(&puppet.wire.seal(&Wire::reliable(0, 0, b"the gap")));
    let expected = [(Channel::Reliable0, b"the gap".to_vec()), (Channel::Reliable0, b"behind a gap".to_vec())];
    assert_eq!(puppet.node.take_messages(), expected);
}

#[test]
fn what_is_sent_between_two_drains_shares_datagrams() {
    let mut pair = Pair::new().connect();
    let before = pair.client.mux.stats().datagrams_sent;
    for index in 0..1_000u32 {
        pair.send(Channel::Reliable0, &index.to_be_bytes());
    }
    assert!(pair.drive_until(5 * SECOND, |p| p.server.message_count() == 1_000));
    let datagrams = pair.client.mux.stats().datagrams_sent - before;
    assert!(datagrams <= 40, "1,000 messages of 4 bytes took {datagrams} datagrams");
}

/// A message of 100,000 bytes on a good path is not sent twice, and takes hardly more datagrams than its bytes fill.
#[test]
fn a_long_message_is_cut_into_full_datagrams() {
    let mut pair = Pair::new().connect();
    let before = pair.client.mux.stats();
    pair.send(Channel::Reliable0, &noise(100_000, 1));
    assert!(pair.drive_until(20 * SECOND, |p| p.server.message_count() == 1));
    let after = pair.client.mux.stats();
    let datagrams = after.datagrams_sent - before.datagrams_sent;
    assert!((198..=215).contains(&datagrams), "{datagrams} datagrams for 198 full ones");
    assert_eq!(after.retransmissions, 0);
}

mod acknowledging {
    use super::*;

    #[test]
    fn in_order_all_before_are_acknowledged_together() {
        let mut puppet = Puppet::client(config());
        for sequence in 0..20 {
            puppet.node.mux.feed(puppet.now, &CLIENT(), &puppet.wire.seal(&Wire::reliable(2, sequence, b"x")));
        }
        let wire = puppet.wire;
        let said: Vec<_> = puppet.node.turn(puppet.now).iter().flat_map(|(_, data)| wire.packets(data)).collect();
        assert_eq!(said, [Wire::ack_all(2, 19)], "one for twenty");
    }

    #[test]
    fn ahead_of_a_gap_each_is_acknowledged_by_itself() {
        let mut puppet = Puppet::client(config());
        let first = puppet.wire.seal(&Wire::reliable(1, 0, b"x"));
        assert_eq!(puppet.packets_after(&first), [Wire::ack_all(1, 0)]);
        for sequence in [2, 5] {
            let ahead = puppet.wire.seal(&Wire::reliable(1, sequence, b"x"));
            let said = puppet.packets_after(&ahead);
            assert!(said.contains(&Wire::ack(1, sequence)), "{said:?}");
        }
        let gap = puppet.wire.seal(&Wire::reliable(1, 1, b"x"));
        assert!(puppet.packets_after(&gap).contains(&Wire::ack_all(1, 2)), "1 and the 2 that waited");
    }

    /// A lost acknowledgement is said again when the packet comes again, however late.
    #[test]
    fn a_duplicate_is_acknowledged_again() {
        let mut puppet = Puppet::client(config());
        let packet = puppet.wire.seal(&Wire::reliable(0, 0, b"once"));
        assert_eq!(puppet.packets_after(&packet), [Wire::ack_all(0, 0)]);
        for pause in [0, MS, 10 * MS, SECOND, 5 * SECOND] {
            puppet.wait(pause);
            assert_eq!(puppet.packets_after(&packet), [Wire::ack_all(0, 0)], "{pause} us later");
        }
        assert_eq!(puppet.node.take_messages().len(), 1, "delivered once");
        assert_eq!(puppet.node.mux.session_stats(puppet.id).unwrap().duplicates, 5);
    }

    #[test]
    fn past_the_receive_window_is_dropped_unacknowledged() {
        let mut puppet = Puppet::client(Config { receive_window: 64, ..config() });
        let wire = puppet.wire;
        assert!(puppet.packets_after(&wire.seal(&Wire::reliable(0, 63, b"last"))).contains(&Wire::ack(0, 63)));
        let said = puppet.packets_after(&wire.seal(&Wire::reliable(0, 1_000, b"too far")));
        assert!(!said.contains(&Wire::ack(0, 1_000)), "{said:?}");
        assert_eq!(puppet.node.mux.session_stats(puppet.id).unwrap().dropped_window, 1);
        for sequence in 0..63 {
            puppet.say(&wire.seal(&Wire::reliable(0, sequence, b"fill")));
        }
        assert_eq!(puppet.node.take_messages().len(), 64);
    }

    #[test]
    fn what_is_not_acknowledged_is_sent_again_unchanged() {
        let mut puppet = Puppet::client(config());
        puppet.node.mux.send(puppet.id, Channel::Reliable1, b"hear me").unwrap();
        let first: Vec<_> = puppet.node.turn(puppet.now).into_iter().map(|(_, data)| data).collect();
        assert_eq!(first, [puppet.wire.seal(&Wire::reliable(1, 0, b"hear me"))]);
        let again = puppet.wait(10 * SECOND);
        assert!((2..=20).contains(&again.len()), "again and again, ever later: {}", again.len());
        assert!(again.iter().all(|(_, data)| *data == first[0]));
        puppet.say(&puppet.wire.seal(&Wire::ack_all(1, 0)));
        assert_eq!(puppet.wait(10 * SECOND), [], "heard");
        let rtt = puppet.node.mux.info(puppet.id).unwrap().rtt_us;
        assert!(rtt.is_none_or(|us| u64::from(us) < SECOND), "an answer to one of several says nothing of the round trip: {rtt:?}");
    }

    #[test]
    fn a_selective_acknowledgement_spares_what_it_names() {
        let mut puppet = Puppet::client(config());
        for index in 0..4u8 {
            puppet.node.mux.send(puppet.id, Channel::Reliable0, &[index]).unwrap();
            assert_eq!(puppet.node.turn(puppet.now).len(), 1);
        }
        puppet.wait(20 * MS);
        puppet.say(&puppet.wire.seal(&Wire::ack(0, 2)));
        let wire = puppet.wire;
        let again: Vec<_> = puppet.wait(3 * SECOND).iter().flat_map(|(_, data)| wire.packets(data)).collect();
        for index in [0, 1, 3] {
            assert!(again.contains(&Wire::reliable(0, index, &[index as u8])), "{index} of {again:?}");
        }
        assert!(!again.contains(&Wire::reliable(0, 2, &[2])));
        puppet.say(&wire.seal(&Wire::ack_all(0, 3)));
        assert_eq!(puppet.node.mux.info(puppet.id).unwrap().queued_bytes, 0);
    }

    /// They would skip what was never sent, or make later ones look acknowledged.
    #[test]
    fn acknowledgements_of_what_was_never_sent_are_ignored() {
        let mut puppet = Puppet::client(config());
        for sequence in [0, 5, 196, 30_000, 0x7fff, 0x8000, 0xffff] {
            puppet.say(&puppet.wire.seal(&Wire::ack_all(0, sequence)));
            puppet.say(&puppet.wire.seal(&Wire::ack(0, sequence)));
        }
        puppet.node.mux.send(puppet.id, Channel::Reliable0, b"the first").unwrap();
        let sent: Vec<_> = puppet.node.turn(puppet.now).into_iter().map(|(_, data)| data).collect();
        assert_eq!(sent, [puppet.wire.seal(&Wire::reliable(0, 0, b"the first"))]);
        puppet.say(&puppet.wire.seal(&Wire::ack_all(0, 7)));
        assert!(!puppet.wait(3 * SECOND).is_empty(), "not acknowledged by a number from the future");
        puppet.assert_alive();
    }
}

mod reassembling {
    use super::*;

    #[test]
    fn fragments_in_any_order_make_one_message() {
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
            let mut puppet = Puppet::client(config());
            let data = noise(300, 1);
            let fragments = [
                Wire::fragment(0, 0, Some(300), &data[..100]),
                Wire::fragment(0, 1, None, &data[100..200]),
                Wire::fragment(0, 2, None, &data[200..]),
            ];
            for index in order {
                assert_eq!(puppet.node.take_messages(), []);
                puppet.say(&puppet.wire.seal(&fragments[index]));
            }
            assert_eq!(puppet.node.take_messages(), [(Channel::Reliable0, data)]);
        }
    }

    /// UdpLibrary and EverQuest's emulators disagree here; a first fragment may be the last.
    #[test]
    fn a_single_fragment_is_a_message() {
        let mut puppet = Puppet::client(config());
        puppet.say(&puppet.wire.seal(&Wire::fragment(0, 0, Some(3), b"abc")));
        assert_eq!(puppet.node.take_messages(), [(Channel::Reliable0, b"abc".to_vec())]);
    }

    /// Nothing that a peer claims is believed before it arrived.
    #[test]
    fn a_claim_of_4_gib_costs_nothing() {
        let mut puppet = Puppet::client(config());
        for channel in 0..4 {
            puppet.say(&puppet.wire.seal(&Wire::fragment(channel, 0, Some(u32::MAX), &[1; 100])));
        }
        assert_eq!(puppet.node.take_messages(), []);
    }

    #[test]
    fn more_than_was_claimed_is_never_delivered() {
        for claim in [0, 1, 50, 99] {
            let mut puppet = Puppet::client(config());
            puppet.say(&puppet.wire.seal(&Wire::fragment(0, 0, Some(claim), &[1; 100])));
            let mut puppet_of_two = Puppet::client(config());
            puppet_of_two.say(&puppet_of_two.wire.seal(&Wire::fragment(0, 0, Some(claim + 60), &[1; 50])));
            puppet_of_two.say(&puppet_of_two.wire.seal(&Wire::fragment(0, 1, None, &[1; 200])));
            for (mut puppet, claim) in [(puppet, claim), (puppet_of_two, claim + 60)] {
                let messages = puppet.node.take_messages();
                assert!(messages.iter().all(|(_, data)| data.len() as u32 <= claim), "claimed {claim}: {messages:?}");
                assert!(puppet.node.mux.stats().dropped_malformed >= 1);
                assert_eq!(puppet.node.disconnected(), None, "one alone ends nothing");
            }
        }
    }
}

mod looking_like_something_else {
    use super::*;

    fn bundle_like(len: usize) -> Vec<u8> {
        let mut data = noise(len, 5);
        data[..2].copy_from_slice(&[0x00, 0x19]);
        data
    }

    #[test]
    fn a_message_that_begins_like_a_bundle_arrives_unmangled() {
        let mut pair = Pair::new().connect();
        for channel in ALL {
            for len in [2, 3, 4, 10, 250, 254, 255, 256, 490, 499, 500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511, 20_000] {
                let data = bundle_like(len);
                pair.send(channel, &data);
                assert!(pair.drive_until(5 * SECOND, |p| p.server.message_count() > 0), "{len} on {channel:?}");
                pair.drive(5 * MS);
                let got: Vec<_> = pair.server.take_messages().into_iter().map(|(_, data)| data).collect();
                assert!(got == std::slice::from_ref(&data), "{len} on {channel:?}: {:?}", got.iter().map(Vec::len).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn also_among_others() {
        let mut pair = Pair::new().connect();
        let messages: Vec<_> =
            (2..300).flat_map(|len| [(Channel::Reliable0, bundle_like(len)), (Channel::Reliable0, noise(len, 1))]).collect();
        for (channel, data) in &messages {
            pair.send(*channel, data);
        }
        assert!(pair.drive_until(10 * SECOND, |p| p.server.message_count() == messages.len()));
        equal(&pair.server.take_messages(), &messages);
    }

    /// A bundle of one, as v3 peers read it: `00 19`, the length, the message.
    #[test]
    fn on_the_wire_it_is_a_bundle_of_one() {
        let mut puppet = Puppet::client(config());
        puppet.node.mux.send(puppet.id, Channel::Reliable0, &[0x00, 0x19, 0xff]).unwrap();
        let sent: Vec<_> = puppet.node.turn(puppet.now).into_iter().map(|(_, data)| data).collect();
        assert_eq!(sent, [puppet.wire.seal(&Wire::reliable(0, 0, &[0x00, 0x19, 3, 0x00, 0x19, 0xff]))]);
    }

    /// Every first byte, and every second one behind a zero: opcodes, escapes, bundles.
    #[test]
    fn no_first_bytes_are_special() {
        let mut pair = Pair::new().connect();
        for channel in ALL {
            let mut messages = vec![];
            for byte in 0..=255u8 {
                messages.extend([vec![byte], vec![byte, 0], vec![0, byte], vec![0, byte, 0, 0, 0, 1], vec![0, 0, byte], vec![byte; 60]]);
            }
            for data in &messages {
                pair.send(channel, data);
            }
            assert!(pair.drive_until(10 * SECOND, |p| p.server.message_count() == messages.len()), "{channel:?}");
            let got: Vec<_> = pair.server.take_messages().into_iter().map(|(_, data)| data).collect();
            assert!(got == messages, "{channel:?}");
        }
    }

    #[test]
    fn an_empty_reliable_packet_is_an_empty_message() {
        let mut puppet = Puppet::client(config());
        let wire = puppet.wire;
        let empty = wire.seal(&Wire::reliable(0, 0, b""));
        assert_eq!(puppet.packets_after(&empty), [Wire::ack_all(0, 0)]);
        assert_eq!(puppet.node.take_messages(), [(Channel::Reliable0, vec![])]);
        puppet.say(&wire.seal(&multi(&[&Wire::reliable(0, 1, b""), &Wire::reliable(0, 2, b"full")])));
        assert_eq!(puppet.node.take_messages(), [(Channel::Reliable0, vec![]), (Channel::Reliable0, b"full".to_vec())]);
        assert_eq!(puppet.node.mux.stats().dropped_malformed, 0);
    }

    /// From known-answers.md: two messages in a bundle, twice.
    #[test]
    fn bundles_are_taken_apart() {
        let mut puppet = Puppet::client(config());
        for sequence in [0, 1] {
            puppet.say(&puppet.wire.seal(&Wire::reliable(0, sequence, &unhex("001901020104"))));
            assert_eq!(puppet.node.take_messages(), [(Channel::Reliable0, vec![2]), (Channel::Reliable0, vec![4])]);
        }
        // The longer lengths: ff and two bytes, ff ff ff and four.
        let mut bundle = unhex("0019ff012c");
        bundle.extend(noise(300, 1));
        bundle.extend(unhex("ffffff00000002"));
        bundle.extend(b"hi");
        puppet.say(&puppet.wire.seal(&Wire::reliable(0, 2, &bundle)));
        assert_eq!(puppet.node.take_messages(), [(Channel::Reliable0, noise(300, 1)), (Channel::Reliable0, b"hi".to_vec())]);
    }

    /// 66,000 bytes in the middle of a bundle that came in fragments.
    #[test]
    fn a_bundle_in_fragments_is_taken_apart() {
        let mut puppet = Puppet::client(config());
        let long = noise(66_000, 2);
        let whole = [&[0, 0x19, 2][..], b"hi", &unhex("ffffff000101d0"), &long, &[1, b'!']].concat();
        for (index, chunk) in whole.chunks(500).enumerate() {
            let total = (index == 0).then_some(whole.len() as u32);
            puppet.say(&puppet.wire.seal(&Wire::fragment(0, index as u16, total, chunk)));
        }
        equal(
            &puppet.node.take_messages(),
            &[(Channel::Reliable0, b"hi".to_vec()), (Channel::Reliable0, long), (Channel::Reliable0, b"!".to_vec())],
        );
    }
}

mod wrapping {
    use super::*;

    /// 200,000 messages, each a packet of its own: three times past what 16 bits can count.
    #[test]
    fn two_hundred_thousand_messages_on_one_channel() {
        const COUNT: u32 = 200_000;
        let mut pair = Pair::over(Path::delay(0), 1, config(), config()).connect();
        for index in 0..COUNT {
            pair.send(Channel::Reliable0, &index.to_be_bytes());
            pair.now += 50;
            pair.step();
        }
        assert!(pair.drive_until(5 * SECOND, |p| p.server.message_count() == COUNT as usize));
        let messages = pair.server.messages_on(Channel::Reliable0);
        assert!((0..COUNT).zip(messages).all(|(index, data)| data == index.to_be_bytes()), "in order, none twice");
        let stats = pair.client.mux.stats();
        assert!(stats.datagrams_sent >= u64::from(COUNT), "one by one: {} datagrams", stats.datagrams_sent);
        assert_eq!(stats.retransmissions, 0);
        pair.assert_alive();
    }

    #[test]
    fn the_wrap_through_loss_and_disorder() {
        const COUNT: u32 = 70_000;
        let path = Path { delay_us: 5_000, jitter_us: 5_000, loss_percent: 2, duplicate_percent: 2 };
        let mut pair = Pair::over(path, 77, config(), config()).connect();
        let message = |index: u32| [&index.to_be_bytes()[..], &[0xaa; 260]].concat();
        let mut sent = 0;
        // 264 bytes: never two in one packet.
        let limit = pair.now + 1_000 * SECOND;
        while pair.server.seen.len() < COUNT as usize && pair.now < limit {
            while sent < COUNT && pair.client.mux.send(pair.id, Channel::Reliable3, &message(sent)).is_ok() {
                sent += 1;
            }
            pair.drive(MS);
        }
        let messages = pair.server.messages_on(Channel::Reliable3);
        assert_eq!(messages.len(), COUNT as usize);
        assert!((0..COUNT).zip(messages).all(|(index, data)| data == message(index)), "in order, none twice");
        assert!(pair.client.mux.stats().retransmissions > 500);
        pair.assert_alive();
    }

    /// A peer that is 65,536 behind is told so by nothing but its sequence: what is old is a duplicate, what is near is ahead.
    #[test]
    fn old_packets_behind_the_wrap_are_duplicates() {
        let mut puppet = Puppet::client(config());
        let wire = puppet.wire;
        for index in 0..=65_536u32 {
            puppet.node.mux.feed(puppet.now, &CLIENT(), &wire.seal(&Wire::reliable(0, index as u16, b"x")));
            if index % 64 == 0 {
                puppet.node.turn(puppet.now);
            }
        }
        puppet.node.turn(puppet.now);
        assert_eq!(puppet.node.take_messages().len(), 65_537);
        // Acknowledgements keep apart.
        puppet.wait(SECOND);
        assert_eq!(puppet.packets_after(&wire.seal(&Wire::reliable(0, 0xfff0, b"old"))), [Wire::ack_all(0, 0)]);
        assert_eq!(puppet.node.take_messages(), []);
        assert_eq!(puppet.packets_after(&wire.seal(&Wire::reliable(0, 1, b"next"))), [Wire::ack_all(0, 1)]);
        assert_eq!(puppet.node.take_messages(), [(Channel::Reliable0, b"next".to_vec())]);
    }
}

mod unreliable {
    use super::*;

    #[test]
    fn raw_on_the_wire_and_a_leading_zero_is_doubled() {
        let mut puppet = Puppet::client(config());
        for (data, packet) in
            [(&b"plain"[..], &b"plain"[..]), (&[0], &[0, 0]), (&[0, 9, 1], &[0, 0, 9, 1]), (&[0, 0], &[0, 0, 0]), (&[1], &[1])]
        {
            puppet.node.mux.send(puppet.id, Channel::Unreliable, data).unwrap();
            let sent: Vec<_> = puppet.node.turn(puppet.now).into_iter().map(|(_, data)| data).collect();
            assert_eq!(sent, [puppet.wire.sign(packet.to_vec())]);
            puppet.say(&sent[0]);
            assert_eq!(puppet.node.take_messages(), [(Channel::Unreliable, data.to_vec())], "and back");
        }
    }

    #[test]
    fn what_does_not_fit_one_datagram_is_promoted_to_reliable_0() {
        let mut pair = Pair::new().connect();
        for (len, first, channel) in [
            (510, 1, Channel::Unreliable),
            (511, 1, Channel::Reliable0),
            (509, 0, Channel::Unreliable),
            (510, 0, Channel::Reliable0),
            (5_000, 1, Channel::Reliable0),
            (5_000, 0, Channel::Reliable0),
        ] {
            let mut data = noise(len, 1);
            data[0] = first;
            pair.send(Channel::Unreliable, &data);
            pair.drive(50 * MS);
            equal(&pair.server.take_messages(), &[(channel, data)]);
        }
    }

    /// Each raw packet is a datagram: v3 peers end a session over raw data in a MultiPacket.
    #[test]
    fn raw_packets_stay_out_of_multi_packets() {
        let mut puppet = Puppet::client(config());
        for index in 1..=20 {
            puppet.node.mux.send(puppet.id, Channel::Unreliable, &[index; 10]).unwrap();
            puppet.node.mux.send(puppet.id, Channel::Reliable0, &[index; 10]).unwrap();
        }
        let sent = puppet.node.turn(puppet.now);
        let raw = sent.iter().filter(|(_, data)| data[0] != 0).count();
        assert_eq!(raw, 20);
        for (_, data) in sent.iter().filter(|(_, data)| data[0] == 0) {
            assert!(puppet.wire.packets(data).iter().all(|packet| packet[0] == 0 && packet[1] != 0));
        }
    }

    #[test]
    fn raw_packets_share_a_multi_packet_where_the_config_says_so() {
        let mut pair = Pair::of(Config { multi_raw: true, ..config() }, Config { multi_raw: true, ..config() }).connect();
        let messages: Vec<_> = (0..20).map(|index| (Channel::Unreliable, vec![index; 10])).collect();
        let before = pair.client.mux.stats().datagrams_sent;
        for (channel, data) in &messages {
            pair.send(*channel, data);
        }
        pair.drive(20 * MS);
        equal(&pair.server.take_messages(), &messages);
        assert!(pair.client.mux.stats().datagrams_sent - before <= 3);
    }

    #[test]
    fn nothing_is_sent_twice() {
        let mut pair = Pair::new().connect();
        pair.up.path.loss_percent = 50;
        for index in 0..200u8 {
            pair.send(Channel::Unreliable, &[1, index]);
            pair.drive(MS);
        }
        pair.drive(5 * SECOND);
        let got = pair.server.take_messages();
        assert!((60..=140).contains(&got.len()), "{} of 200", got.len());
    }
}

mod ordered {
    use super::*;

    #[test]
    fn what_arrives_late_is_dropped() {
        let mut puppet = Puppet::client(config());
        for (which, channel) in [(0, Channel::Ordered), (1, Channel::Ordered2)] {
            for stamp in [1, 3, 2, 3, 1, 4, 10, 9, 11] {
                puppet.say(&puppet.wire.seal(&Wire::ordered(which, stamp, &[stamp as u8])));
            }
            let got: Vec<_> = puppet.node.take_messages();
            let expected: Vec<_> = [1, 3, 4, 10, 11].into_iter().map(|stamp| (channel, vec![stamp])).collect();
            assert_eq!(got, expected);
        }
        assert_eq!(puppet.node.mux.session_stats(puppet.id).unwrap().dropped_lossy, 8);
    }

    /// UdpLibrary counts from 1, and so do we.
    #[test]
    fn stamps_begin_with_1_and_the_two_count_apart() {
        let mut puppet = Puppet::client(config());
        let wire = puppet.wire;
        let mut sent = vec![];
        for (channel, data) in [(Channel::Ordered, b"a"), (Channel::Ordered2, b"b"), (Channel::Ordered, b"c")] {
            puppet.node.mux.send(puppet.id, channel, data).unwrap();
            sent.extend(puppet.node.turn(puppet.now).iter().flat_map(|(_, data)| wire.packets(data)));
        }
        assert_eq!(sent, [Wire::ordered(0, 1, b"a"), Wire::ordered(1, 1, b"b"), Wire::ordered(0, 2, b"c")]);
    }

    #[test]
    fn stamps_wrap() {
        let mut puppet = Puppet::client(config());
        for stamp in [20_000, 40_000, 60_000, 65_535, 0, 65_534, 1] {
            puppet.say(&puppet.wire.seal(&Wire::ordered(0, stamp, &stamp.to_be_bytes())));
        }
        let got: Vec<_> = puppet.node.take_messages().into_iter().map(|(_, data)| u16::from_be_bytes([data[0], data[1]])).collect();
        assert_eq!(got, [20_000, 40_000, 60_000, 65_535, 0, 1]);
    }

    #[test]
    fn over_a_rough_link_what_arrives_is_in_order() {
        let mut pair = Pair::over(Path::ROUGH, 5, config(), config()).connect();
        for index in 0..70_000u32 {
            pair.send(Channel::Ordered, &index.to_be_bytes());
            pair.now += 500;
            pair.step();
        }
        pair.drive(SECOND);
        let got: Vec<_> = pair.server.take_messages().iter().map(|(_, data)| u32::from_be_bytes(data[..].try_into().unwrap())).collect();
        assert!(got.windows(2).all(|two| two[0] < two[1]), "in order, none twice");
        assert!(got.len() > 2_000, "{} of 70,000 with 30 ms of jitter", got.len());
        assert!(*got.last().unwrap() > 69_000, "also past the wrap of the stamps");
    }

    #[test]
    fn a_leading_zero_and_what_is_too_long_arrive_as_they_were() {
        let mut pair = Pair::new().connect();
        for (len, channel) in [(506, Channel::Ordered), (507, Channel::Reliable0), (3_000, Channel::Reliable0)] {
            let data = noise(len, 1);
            pair.send(Channel::Ordered, &data);
            pair.drive(50 * MS);
            equal(&pair.server.take_messages(), &[(channel, data)]);
        }
        pair.send(Channel::Ordered2, &[0, 0, 1]);
        pair.drive(50 * MS);
        equal(&pair.server.take_messages(), &[(Channel::Ordered2, vec![0, 0, 1])]);
    }
}

mod rough_links {
    use super::*;

    /// Ten evenings: everything reliable arrives both ways, in order, and the session lives.
    #[test]
    fn ten_percent_loss_duplicates_and_disorder() {
        for seed in 1..=10 {
            let mut pair = Pair::over(Path::ROUGH, seed, config(), config()).connect();
            let mut random = Random::new(seed);
            let messages: Vec<_> = (0..300)
                .map(|index| {
                    let len = if index % 50 == 49 { 20_000 } else { 1 + random.below(800) as usize };
                    (RELIABLE[random.below(4) as usize], noise(len, seed * 1_000 + index))
                })
                .collect();
            for (channel, data) in &messages {
                pair.send(*channel, data);
                pair.reply(*channel, data);
                pair.drive(random.below(5) * MS);
            }
            let all = |p: &mut Pair| p.client.message_count() >= messages.len() && p.server.message_count() >= messages.len();
            assert!(pair.drive_until(120 * SECOND, all), "{} and {}", pair.client.message_count(), pair.server.message_count());
            for node in [&pair.client, &pair.server] {
                for channel in RELIABLE {
                    let expected: Vec<_> = messages.iter().filter(|(c, _)| *c == channel).map(|(_, data)| &data[..]).collect();
                    assert!(node.messages_on(channel) == expected, "seed {seed}, {channel:?}");
                }
                assert_eq!(node.mux.stats().dropped_malformed, 0);
            }
            pair.assert_alive();
            pair.drive(5 * SECOND);
            assert_eq!(pair.client.mux.info(pair.id).unwrap().queued_bytes, 0, "all acknowledged");
        }
    }

    #[test]
    fn redundancy_adds_copies_that_receivers_drop() {
        for redundancy in 0..=3 {
            let make = || Config { redundancy, ..config() };
            let mut pair = Pair::over(Path::ROUGH, 9, make(), make()).connect();
            for index in 0..300u32 {
                pair.send(Channel::Reliable0, &index.to_be_bytes());
                pair.drive(15 * MS);
            }
            assert!(pair.drive_until(60 * SECOND, |p| p.server.message_count() >= 300));
            let expected: Vec<_> = (0..300u32).map(u32::to_be_bytes).collect();
            assert_eq!(pair.server.messages_on(Channel::Reliable0), expected, "redundancy {redundancy}");
            pair.drive(10 * SECOND);
            assert_eq!(pair.server.message_count(), 300);
        }
    }

    /// The path goes dark for 20 s in the middle: nothing is lost, and it goes on soon after.
    #[test]
    fn a_blackout_is_survived() {
        let mut pair = Pair::over(Path::delay(30 * MS), 1, config(), config()).connect();
        for index in 0..200u32 {
            if index == 50 {
                pair.rough(Path { loss_percent: 100, ..Path::delay(30 * MS) });
            }
            pair.send(Channel::Reliable0, &noise(300, index.into()));
            pair.drive(100 * MS);
        }
        // Fifteen seconds of it are over.
        pair.drive(5 * SECOND);
        pair.rough(Path::delay(30 * MS));
        assert!(pair.drive_until(10 * SECOND, |p| p.server.message_count() == 200), "{}", pair.server.message_count());
        let expected: Vec<_> = (0..200).map(|index| noise(300, index)).collect();
        assert!(pair.server.messages_on(Channel::Reliable0) == expected);
    }
}

/// The acknowledgement of a packet that was just sent again is that of its first transmission: it says nothing of what left in between, and of how much the peer
/// holds.
#[test]
fn an_acknowledgement_that_crosses_a_retransmission_makes_nothing_else_be_sent_again() {
    const ROUND_TRIP: u64 = 100_000;
    let mut puppet = Puppet::asked(config());
    puppet.wait(ROUND_TRIP);
    puppet.say(&response(Puppet::ID, Puppet::SEED, 2, [0, 0], 512, 3));
    assert_eq!(puppet.node.connected(), Some(puppet.id));
    puppet.node.take();
    let wire = puppet.wire;
    for index in 0..30 {
        puppet.node.mux.send(puppet.id, soe::Channel::Reliable0, &[index; 480]).unwrap();
    }
    let sent = puppet.wait(ROUND_TRIP).len();
    assert!(sent >= 25, "{sent} datagrams in the first round trip");
    // The second packet arrived, the first was overtaken.
    puppet.say(&wire.seal(&Wire::ack(0, 1)));
    let again = (0..4 * ROUND_TRIP / 1000).find(|_| !puppet.wait(1000).is_empty());
    assert_eq!(puppet.node.mux.stats().retransmissions, 1, "after {again:?} ms");
    puppet.say(&wire.seal(&Wire::ack_all(0, 1)));
    puppet.wait(1000);
    assert_eq!(puppet.node.mux.stats().retransmissions, 1, "the others are still on their way");
}
