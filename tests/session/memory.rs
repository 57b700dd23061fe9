//! What sessions may make this side hold: each by itself, and all together.

use crate::common::*;
use soe::{Channel, Config, ConnectOptions, EndedBy, Error, Multiplexer, Pass, SessionId, reason};

/// A session of many on one server, and the wire to play its client.
struct Peer {
    wire: Wire,
    from: soe::Address,
    id: SessionId,
    next: [u16; 4],
}

impl Peer {
    fn open(node: &mut Node, now: u64, port: u16, udp_length: u32) -> Peer {
        let from = address(1, port);
        node.mux.feed(now, &from, &request(3, u32::from(port), udp_length, PROTOCOL));
        let out = node.turn(now);
        let wire = Wire::from(out.iter().find_map(|(to, data)| Answer::read(data).filter(|_| *to == from)).expect("an answer"));
        node.mux.feed(now, &from, &wire.heartbeat());
        node.turn(now);
        let id = node.connected().expect("an open session");
        node.take();
        Peer { wire, from, id, next: [0; 4] }
    }

    /// Says a reliable packet; true where it was acknowledged.
    fn say(&mut self, node: &mut Node, now: u64, channel: u8, packet: impl FnOnce(u16) -> Vec<u8>) -> bool {
        let sequence = self.next[usize::from(channel)];
        node.mux.feed(now, &self.from, &self.wire.seal(&packet(sequence)));
        let mut out = vec![];
        node.drain(now, &mut out);
        let said = out.iter().filter(|(to, _)| *to == self.from).flat_map(|(_, data)| self.wire.packets(data));
        let taken = said.into_iter().any(|packet| packet == Wire::ack_all(channel, sequence));
        self.next[usize::from(channel)] = sequence.wrapping_add(u16::from(taken));
        taken
    }

    /// Fragments of messages that never end, on one channel, until one is not taken. Returns how many bytes were.
    fn begin_without_end(&mut self, node: &mut Node, now: &mut u64, channel: u8, claim: u32, most: usize) -> usize {
        let (mut begun, mut bytes) = (false, 0);
        while bytes < most {
            *now += 5 * MS;
            let first = if begun { None } else { Some(claim) };
            if !self.say(node, *now, channel, |sequence| Wire::fragment(channel, sequence, first, &[7; 480])) {
                break;
            }
            (begun, bytes) = (true, bytes + 480);
        }
        bytes
    }
}

fn server(config: Config) -> (Node, u64) {
    (Node::new(config, SERVER(), SECOND), SECOND)
}

/// A message each way.
fn assert_serves(node: &mut Node, now: u64, peer: &mut Peer) {
    node.take();
    assert!(peer.say(node, now, 3, |sequence| Wire::reliable(3, sequence, b"still there?")), "not acknowledged");
    node.read_events();
    assert!(node.take_messages().contains(&(Channel::Reliable3, b"still there?".to_vec())));
    node.mux.send(peer.id, Channel::Unreliable, b"still here").expect("an open session");
    let mut out = vec![];
    node.drain(now, &mut out);
    assert!(out.iter().any(|(to, data)| *to == peer.from && data.windows(10).any(|part| part == b"still here")));
}

mod one_session {
    use super::*;

    #[test]
    fn that_begins_more_than_it_may_ends_with_reason_13_and_the_peer_is_told() {
        let (mut node, mut now) = server(Config { max_session_memory: 1, max_message: 100_000, ..config() });
        let (mut hostile, mut honest) = (Peer::open(&mut node, now, 1, 512), Peer::open(&mut node, now, 2, 512));
        // Two whole messages may be begun, not three.
        for channel in 0..2 {
            let begun = hostile.begin_without_end(&mut node, &mut now, channel, 100_000, 90_000);
            assert!(begun >= 90_000, "{begun} on channel {channel}");
        }
        assert_eq!(node.disconnected(), None);
        hostile.say(&mut node, now, 2, |sequence| Wire::fragment(2, sequence, Some(100_000), &[7; 480]));
        node.read_events();
        assert_eq!(node.disconnected(), Some((EndedBy::Library, reason::RELIABLE_OVERFLOW)));
        assert_serves(&mut node, now, &mut honest);
    }

    #[test]
    fn is_told_why() {
        let mut puppet = Puppet::client(Config { max_session_memory: 1, max_message: 400, ..config() });
        puppet.say(&puppet.wire.seal(&Wire::fragment(0, 0, Some(400), &[7; 300])));
        puppet.say(&puppet.wire.seal(&Wire::fragment(1, 0, Some(400), &[7; 300])));
        assert_eq!(puppet.node.take(), []);
        let wire = puppet.wire;
        let said: Vec<_> =
            puppet.say(&wire.seal(&Wire::fragment(2, 0, Some(400), &[7; 300]))).iter().flat_map(|data| wire.packets(data)).collect();
        assert!(said.contains(&wire.disconnect(reason::RELIABLE_OVERFLOW)), "{said:?}");
        assert_eq!(puppet.node.take(), [What::Disconnected(EndedBy::Library, reason::RELIABLE_OVERFLOW)]);
    }

    /// It comes again when there is room: nothing is lost but time.
    #[test]
    fn that_is_far_ahead_of_itself_holds_no_more_than_it_may() {
        let (mut node, now) = server(Config { max_session_memory: 50_000, max_message: 1_000, ..config() });
        let mut peer = Peer::open(&mut node, now, 1, 512);
        for channel in 0..4 {
            for ahead in 1..200 {
                node.mux.feed(now, &peer.from, &peer.wire.seal(&Wire::reliable(channel, ahead, &[1; 400])));
            }
        }
        node.read_events();
        assert_eq!(node.take(), [], "the first packet is missing");
        for channel in 0..4 {
            node.mux.feed(now, &peer.from, &peer.wire.seal(&Wire::reliable(channel, 0, &[1; 400])));
        }
        node.read_events();
        let got = node.take_messages().len();
        assert!((100..=4 + 50_000 / 400).contains(&got), "{got} messages were held");
        assert_eq!(node.mux.session_stats(peer.id).unwrap().dropped_window, 4 * 200 - got as u64);
        peer.next[3] = node.messages_on(Channel::Reliable3).len() as u16;
        node.mux.feed(now, &peer.from, &peer.wire.heartbeat());
        assert_eq!(node.disconnected(), None);
    }

    /// A peer that acknowledges all but the first packet, for ever.
    #[test]
    fn that_leaves_a_gap_in_what_it_acknowledges_is_sent_no_more_than_the_queue_holds() {
        let mut puppet = Puppet::client(Config { send_queue_bytes: 100_000, ..config() });
        let (mut sent, mut acknowledged) = (0u32, 0u16);
        for _ in 0..2_000 {
            while puppet.node.mux.send(puppet.id, Channel::Reliable0, &[1; 450]).is_ok() {
                sent += 1;
            }
            puppet.wait(10 * MS);
            for _ in 0..8 {
                acknowledged = (acknowledged + 1).min(sent as u16);
                puppet.node.mux.feed(puppet.now, &CLIENT(), &puppet.wire.seal(&Wire::ack(0, acknowledged)));
            }
        }
        assert!(sent <= 100_000 / 450 + 1, "{sent} messages queued behind the gap");
        assert!(puppet.node.mux.info(puppet.id).unwrap().queued_bytes <= 100_500);
        puppet.node.mux.feed(puppet.now, &CLIENT(), &puppet.wire.seal(&Wire::ack_all(0, sent as u16 - 1)));
        puppet.wait(10 * MS);
        assert_eq!(puppet.node.take(), [What::Writable]);
        assert_eq!(puppet.node.mux.info(puppet.id).unwrap().queued_bytes, 0);
    }

    #[test]
    fn with_tiny_datagrams_is_sent_no_message_whose_packets_take_more_than_it_may_hold() {
        let (mut node, now) = server(Config { max_session_memory: 1 << 20, max_message: 400_000, ..config() });
        let (tiny, usual) = (Peer::open(&mut node, now, 1, 16), Peer::open(&mut node, now, 2, 512));
        assert_eq!(node.mux.send(tiny.id, Channel::Reliable0, &[1; 400_000]), Err(Error::TooLarge));
        assert_eq!(node.mux.send(tiny.id, Channel::Reliable0, &[1; 50_000]), Ok(()));
        assert_eq!(node.mux.send(usual.id, Channel::Reliable0, &[1; 400_000]), Ok(()));
    }

    #[test]
    fn that_asks_a_hundred_thousand_times_at_once_is_answered_a_few_times() {
        let mut puppet = Puppet::client(config());
        let question = [&[0, 7, 0, 1][..], &[0; 36]].concat();
        for round in 1..=3 {
            for _ in 0..100_000 {
                puppet.node.mux.feed(puppet.now, &CLIENT(), &puppet.wire.seal(&question));
            }
            let wire = puppet.wire;
            let said = puppet.node.turn(puppet.now);
            let answers = said.iter().flat_map(|(_, data)| wire.packets(data)).filter(|packet| packet.starts_with(&[0, 8])).count();
            assert_eq!(answers, 8, "round {round}");
        }
        puppet.assert_alive();
    }
}

mod all_sessions {
    use super::*;

    #[test]
    fn share_what_there_is_and_a_newcomer_always_has_131_datagrams() {
        let most = 2_000_000;
        let (mut node, mut now) = server(Config { max_memory: most, max_message: 4_000_000, ..config() });
        let mut hostile: Vec<_> = (1..=6).map(|port| Peer::open(&mut node, now, port, 512)).collect();
        let mut begun = 0;
        for _ in 0..3 {
            for peer in &mut hostile {
                for channel in 0..4 {
                    begun += peer.begin_without_end(&mut node, &mut now, channel, 4_000_000, 400_000);
                    node.mux.feed(now, &peer.from, &peer.wire.heartbeat());
                }
            }
        }
        assert!((most as usize / 8..=most as usize + 6 * 131 * 512).contains(&begun), "{begun} bytes held of {most}");
        assert_eq!(node.disconnected(), None, "what is not taken comes again: nobody's session ends");
        let mut honest = Peer::open(&mut node, now, 99, 512);
        assert!(honest.say(&mut node, now, 0, |sequence| Wire::fragment(0, sequence, Some(60_000), &[1; 480])));
        for _ in 1..125 {
            now += 5 * MS;
            assert!(honest.say(&mut node, now, 0, |sequence| Wire::fragment(0, sequence, None, &[1; 480])));
        }
        node.read_events();
        assert_eq!(node.take_messages(), [(Channel::Reliable0, vec![1; 60_000])]);
        for peer in hostile.iter_mut().chain([&mut honest]) {
            assert_serves(&mut node, now, peer);
        }
    }

    #[test]
    fn that_read_slowly_are_sent_no_more_than_there_is_memory_for() {
        let most = 3_000_000;
        let (mut node, now) = server(Config { max_memory: most, send_queue_bytes: 1 << 30, ..config() });
        let peers: Vec<_> = (1..=20).map(|port| Peer::open(&mut node, now, port, 512)).collect();
        let mut queued = vec![0u64; peers.len()];
        for _ in 0..2 {
            for (peer, queued) in peers.iter().zip(&mut queued) {
                while node.mux.send(peer.id, Channel::Reliable0, &[1; 450]).is_ok() {
                    let mut out = vec![];
                    node.drain(now, &mut out);
                }
                *queued = node.mux.info(peer.id).unwrap().queued_bytes;
            }
        }
        let (all, least) = (queued.iter().sum::<u64>(), 131 * 454);
        assert!(queued.iter().all(|&queued| queued >= least), "{queued:?}");
        assert!((most / 2..=most + 20 * 131 * 512).contains(&all), "{all} bytes queued of {most}");
        // One of them reads on: it may be sent more.
        node.take();
        node.mux.feed(now, &peers[0].from, &peers[0].wire.seal(&Wire::ack_all(0, 300)));
        let mut at = now;
        for _ in 0..2_000 {
            at += 10 * MS;
            let mut out = vec![];
            node.mux.tick(at);
            node.drain(at, &mut out);
            let sequences = out.iter().filter(|(to, _)| *to == peers[0].from).flat_map(|(_, data)| peers[0].wire.packets(data));
            let last =
                sequences.filter(|packet| packet.starts_with(&[0, 9])).map(|packet| u16::from_be_bytes([packet[2], packet[3]])).max();
            if let Some(last) = last {
                node.mux.feed(at, &peers[0].from, &peers[0].wire.seal(&Wire::ack_all(0, last)));
            }
        }
        node.read_events();
        assert!(node.take_seen().iter().any(|seen| seen.session == peers[0].id && seen.what == What::Writable));
        assert_eq!(node.mux.send(peers[0].id, Channel::Reliable0, &[1; 450]), Ok(()));
    }

    /// Each holds a part of a message, and none has room for the rest: who has stood still for longest makes room, until the others can go on.
    #[test]
    fn do_not_wait_for_each_other_for_ever() {
        let setup = Config { max_memory: 4 << 20, max_message: 3_000_000, ..config() };
        let (mut node, mut now) = server(setup.clone());
        let mut clients: Vec<_> = (1..=8u16)
            .map(|port| {
                let mut client = Node::new(Config { rng_seed: port.into(), max_memory: 1 << 30, ..setup.clone() }, address(1, port), now);
                let id = client.mux.connect(now, &SERVER(), &ConnectOptions::default()).unwrap();
                (client, id, false)
            })
            .collect();
        while now < 400 * SECOND {
            now += 5 * MS;
            for (client, id, sent) in &mut clients {
                for (_, data) in client.turn(now) {
                    node.mux.feed(now, &client.address, &data);
                }
                if !*sent && client.connected().is_some() {
                    client.mux.send(*id, Channel::Reliable0, &noise(1_500_000, 1)).unwrap();
                    *sent = true;
                }
            }
            for (to, data) in node.turn(now) {
                if let Some((client, ..)) = clients.iter_mut().find(|(client, ..)| client.address == to) {
                    client.mux.feed(now, &SERVER(), &data);
                }
            }
        }
        let ended = clients.iter().filter(|(client, ..)| client.disconnected().is_some()).count();
        let whole = node.seen.iter().filter(|seen| matches!(&seen.what, What::Message(_, data) if data.len() == 1_500_000)).count();
        assert_eq!(whole + ended, 8, "{whole} arrived, {ended} ended");
        assert!(whole >= 2, "{whole} arrived");
        assert!(
            clients.iter().all(|(client, ..)| client.disconnected().is_none_or(|end| end == (EndedBy::Peer, reason::RELIABLE_OVERFLOW)))
        );
    }

    /// A loud session and a host that doesn't read: the others' messages still have room.
    #[test]
    fn share_the_queue_of_events() {
        for (max_queued_events, max_queued_bytes) in [(1_000, 1 << 30), (1 << 20, 100_000)] {
            let (mut node, mut now) = server(Config { max_queued_events, max_queued_bytes, ..config() });
            let mut loud = Peer::open(&mut node, now, 1, 512);
            let mut quiet: Vec<_> = (2..6).map(|port| Peer::open(&mut node, now, port, 512)).collect();
            let many = multi(&[&[9; 100][..]; 4]);
            for _ in 0..5_000 {
                node.mux.feed(now, &loud.from, &loud.wire.seal(&many));
                loud.say(&mut node, now, 0, |sequence| Wire::reliable(0, sequence, &[1; 100]));
            }
            let stats = node.mux.session_stats(loud.id).unwrap();
            assert!(stats.messages_received >= 400 && stats.dropped_lossy > 10_000 && stats.dropped_window > 4_000, "{stats:?}");
            for peer in &mut quiet {
                for index in 0..10u8 {
                    now += 5 * MS;
                    assert!(peer.say(&mut node, now, 0, |sequence| Wire::reliable(0, sequence, &[index; 100])), "acknowledged");
                    node.mux.feed(now, &peer.from, &peer.wire.sign(vec![b'q', index]));
                }
                let stats = node.mux.session_stats(peer.id).unwrap();
                assert_eq!((stats.messages_received, stats.dropped_lossy, stats.dropped_window), (20, 0, 0));
            }
            node.read_events();
            assert_serves(&mut node, now, &mut loud);
        }
    }
}

mod depth {
    use super::*;

    /// MultiPackets in each other, a message in the innermost.
    fn nested(levels: u32) -> Vec<u8> {
        (0..levels).fold(Wire::reliable(0, 0, b"deep"), |packet, _| multi(&[&packet]))
    }

    #[test]
    fn is_what_the_config_says() {
        for max_nesting in [1, 2, 4, 15, 16] {
            for levels in 1..=18 {
                for passes in [[Pass::None; 2], [Pass::Compress, Pass::None]] {
                    let mut puppet = Puppet::client(Config { max_nesting, passes, ..config() });
                    puppet.say(&puppet.wire.seal(&nested(levels)));
                    let (heard, malformed) = (puppet.node.take_messages().len(), puppet.node.mux.stats().dropped_malformed);
                    let expected = if levels <= max_nesting { (1, 0) } else { (0, 1) };
                    assert_eq!((heard, malformed), expected, "{levels} of {max_nesting}");
                }
            }
        }
    }
}

#[test]
fn udp_lengths_below_the_smallest_that_the_host_takes_are_refused() {
    let setup = Config { min_udp_length: 200, ..config() };
    for (udp_length, taken) in [(0, false), (16, false), (199, false), (200, true), (512, true), (u32::MAX, true)] {
        let mut puppet = Puppet::stranger(setup.clone());
        let answer = puppet.say(&request(3, 7, udp_length, PROTOCOL));
        assert_eq!((answer.len() == 1, puppet.node.mux.stats().requests_refused), (taken, u64::from(!taken)), "{udp_length}");

        let mut puppet = Puppet::asked(setup.clone());
        puppet.say(&response(Puppet::ID, 1, 2, [0, 0], udp_length, 3));
        assert_eq!(puppet.node.connected().is_some(), taken, "a server that says {udp_length}");
    }
}

#[test]
fn limits_out_of_range_are_refused() {
    let bad = [
        Config { max_nesting: 0, ..config() },
        Config { max_nesting: 17, ..config() },
        Config { min_udp_length: 15, ..config() },
        Config { min_udp_length: 513, ..config() },
        Config { prefix_bits_v4: 33, ..config() },
        Config { prefix_bits_v6: 129, ..config() },
    ];
    for config in bad {
        assert_eq!(Multiplexer::new(config.clone(), 0).err(), Some(Error::InvalidArgument), "{config:?}");
    }
    // The most of everything, and the least, still carry a session.
    let most = Config {
        max_memory: u64::MAX,
        max_session_memory: u32::MAX,
        max_message: 1 << 30,
        max_nesting: 16,
        max_queued_events: u32::MAX,
        max_queued_bytes: u64::MAX,
        send_queue_bytes: u32::MAX,
        receive_window: 16_384,
        send_window: 16_384,
        udp_length: 16_384,
        max_half_open: 1_000_000,
        max_sessions: 1_000_000,
        max_sessions_per_prefix: u32::MAX,
        max_new_per_prefix: u32::MAX,
        max_replies_per_prefix: u32::MAX,
        prefix_bits_v4: 32,
        prefix_bits_v6: 128,
        ..config()
    };
    let mut pair = Pair::of(most.clone(), most).connect();
    pair.send(Channel::Reliable0, &noise(3_000_000, 1));
    assert!(pair.drive_until(60 * SECOND, |pair| pair.server.message_count() == 1));
    assert_eq!(pair.server.take_messages()[0].1, noise(3_000_000, 1));
    pair.assert_alive();
    let least = Config {
        max_memory: 0,
        max_session_memory: 0,
        max_nesting: 1,
        max_queued_events: 1,
        max_queued_bytes: 1,
        max_half_open: 1,
        max_sessions: 1,
        max_sessions_per_prefix: 1,
        max_new_per_prefix: 1,
        max_replies_per_prefix: 1,
        prefix_bits_v4: 0,
        ..config()
    };
    let mut pair = Pair::of(least.clone(), least).connect();
    pair.send(Channel::Reliable0, &noise(60_000, 1));
    assert!(pair.drive_until(60 * SECOND, |pair| pair.server.message_count() == 1));
    assert_eq!(pair.server.take_messages()[0].1, noise(60_000, 1));
    assert_eq!(pair.client.mux.connect(pair.now, &address(3, 3), &ConnectOptions::default()), Err(Error::Limit));
    pair.assert_alive();
}

#[test]
fn no_message_is_longer_than_allowed_whatever_its_channel() {
    for (packet, taken) in [
        (b"12345678".to_vec(), true),
        (b"123456789".to_vec(), false),
        (Wire::ordered(0, 1, b"12345678"), true),
        (Wire::ordered(0, 1, b"123456789"), false),
        (Wire::ordered(1, 1, b"123456789"), false),
        (Wire::reliable(0, 0, b"12345678"), true),
        (Wire::reliable(0, 0, &[7; 18]), false),
    ] {
        let mut puppet = Puppet::client(Config { max_message: 8, ..config() });
        puppet.say(&puppet.wire.sign(packet.clone()));
        let (heard, malformed) = (puppet.node.take_messages().len(), puppet.node.mux.stats().dropped_malformed);
        assert_eq!((heard, malformed), (usize::from(taken), u64::from(!taken)), "{}", hex(&packet));
    }
}
