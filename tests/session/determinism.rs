//! The same seed and clock give the same bytes; counters only grow; a deadline is a promise.

use crate::common::*;
use soe::{Channel, Config, ConnectOptions, Multiplexer, Pass, Stats};

/// A story with everything in it: loss, all channels, a cipher, compression, a goodbye. What went over the wire, and when.
fn story(client_seed: u64, server_seed: u64, link_seed: u64) -> Vec<(u64, bool, Vec<u8>)> {
    let key = || Some(soe::Key::new(b"key").unwrap());
    let client = Config { rng_seed: client_seed, cipher_key: key(), net_status_ms: 500, ..config() };
    let server = Config { rng_seed: server_seed, cipher_key: key(), passes: [Pass::Compress, Pass::None], ..config() };
    let mut pair = Pair::over(Path::ROUGH, link_seed, client, server).tapped().connect();
    for index in 0..200usize {
        let channel = Channel::try_from(index as u32 % 7).unwrap();
        pair.send(channel, &noise(1 + index * 11 % 1_300, index as u64));
        pair.reply(channel, &vec![index as u8; 1 + index * 7 % 900]);
        pair.drive(index as u64 % 4 * MS);
    }
    pair.drive(10 * SECOND);
    pair.client.mux.disconnect(pair.id, 6, soe::Disconnect::Flush).unwrap();
    pair.drive(10 * SECOND);
    pair.tap.take().unwrap().into_iter().map(|tapped| (tapped.at, tapped.by_client, tapped.data)).collect()
}

#[test]
fn the_same_seed_and_clock_give_the_same_traffic() {
    let (first, second) = (story(1, 2, 3), story(1, 2, 3));
    assert!(first.len() > 400, "{} datagrams", first.len());
    assert_eq!(first.len(), second.len());
    if let Some(at) = (0..first.len()).find(|at| first[*at] != second[*at]) {
        panic!("datagram {at}: {:?} and {:?}", first[at], second[at]);
    }
}

#[test]
fn another_seed_gives_other_secrets() {
    let secrets = |client, server| {
        let make = |rng_seed| Config { rng_seed, ..config() };
        let pair = Pair::of(make(client), make(server)).connect();
        let info = pair.client.mux.info(pair.id).unwrap();
        (info.session_id_on_wire, info.crc_seed)
    };
    let (one, two, three) = (secrets(1, 2), secrets(3, 2), secrets(1, 4));
    assert_eq!(one, secrets(1, 2));
    assert_ne!(one.0, two.0);
    assert_ne!(one.1, three.1);
    assert_ne!(secrets(0, 0), secrets(0, 0), "seed 0 is the operating system's entropy");
}

#[test]
fn sessions_of_one_server_have_seeds_that_tell_nothing_of_each_other() {
    let mut puppet = Puppet::stranger(config());
    let mut seeds: Vec<_> = (1..=200u16)
        .map(|port| Answer::read(&puppet.say_from(&address(1, port), &request(3, 7, 512, PROTOCOL))[0].1).unwrap().seed)
        .collect();
    let steps: std::collections::HashSet<_> = seeds.windows(2).map(|two| two[1].wrapping_sub(two[0])).collect();
    assert_eq!(steps.len(), 199, "no two steps alike");
    seeds.sort();
    seeds.dedup();
    assert_eq!(seeds.len(), 200);
}

/// The counters by name: a new one has to be entered here.
fn counters(stats: &Stats) -> [(&'static str, u64); 20] {
    [
        ("datagrams_sent", stats.datagrams_sent),
        ("datagrams_received", stats.datagrams_received),
        ("bytes_sent", stats.bytes_sent),
        ("bytes_received", stats.bytes_received),
        ("messages_sent", stats.messages_sent),
        ("messages_received", stats.messages_received),
        ("retransmissions", stats.retransmissions),
        ("duplicates", stats.duplicates),
        ("dropped_crc", stats.dropped_crc),
        ("dropped_malformed", stats.dropped_malformed),
        ("dropped_lossy", stats.dropped_lossy),
        ("dropped_window", stats.dropped_window),
        ("dropped_contextless", stats.dropped_contextless),
        ("dropped_acknowledgement", stats.dropped_acknowledgement),
        ("dropped_stranger", stats.dropped_stranger),
        ("sessions_connected", stats.sessions_connected),
        ("sessions_disconnected", stats.sessions_disconnected),
        ("requests_refused", stats.requests_refused),
        ("half_open_dropped", stats.half_open_dropped),
        ("requests_limited", stats.requests_limited),
    ]
}

#[test]
fn counters_only_grow() {
    let make = || Config { net_status_ms: 200, ..config() };
    let mut pair = Pair::over(Path::ROUGH, 6, make(), make()).connect();
    let mut random = Random::new(6);
    let mut before: Vec<Stats> = vec![];
    for round in 0..2_000 {
        let channel = Channel::try_from(random.below(7) as u32).unwrap();
        let _ = pair.client.mux.send(pair.id, channel, &random.bytes(1 + round % 700));
        let _ = pair.server.mux.send(pair.peer, channel, &random.bytes(1 + round % 300));
        let junk = random.bytes(round % 50);
        let now = pair.now;
        let from = if round % 2 == 0 { CLIENT() } else { address(8, 8) };
        pair.server.mux.feed(now, &from, &junk);
        pair.drive(random.below(20) * MS);
        let mut after = vec![pair.client.mux.stats(), pair.server.mux.stats()];
        after.extend(pair.client.mux.session_stats(pair.id));
        after.extend(pair.server.mux.session_stats(pair.peer));
        assert_eq!(after.len(), 4, "both sessions live");
        for (before, after) in before.iter().zip(&after) {
            for ((name, before), (_, after)) in counters(before).iter().zip(counters(after)) {
                assert!(*before <= after, "{name} fell from {before} to {after}");
            }
        }
        before = after;
    }
}

/// A session's counters end with it; the multiplexer's include them for good.
#[test]
fn the_multiplexer_counts_what_its_sessions_counted() {
    let mut pair = Pair::new().connect();
    for index in 0..100u32 {
        pair.send(Channel::Reliable0, &index.to_be_bytes());
    }
    pair.drive(SECOND);
    let session = pair.client.mux.session_stats(pair.id).unwrap();
    assert_eq!(session.messages_sent, 100);
    assert_eq!(pair.server.mux.session_stats(pair.peer).unwrap().messages_received, 100);
    assert_eq!(pair.client.mux.stats().messages_sent, 100);
    pair.client.mux.disconnect(pair.id, 6, soe::Disconnect::Now).unwrap();
    pair.drive(SECOND);
    let whole = pair.client.mux.stats();
    assert_eq!((whole.messages_sent, whole.sessions_connected, whole.sessions_disconnected), (100, 1, 1));
    assert!(whole.datagrams_sent >= session.datagrams_sent);
    assert_eq!(pair.server.mux.stats().messages_received, 100);
}

/// What one side sent and the link did not lose, the other received: datagrams and bytes. (Behind the handshake, whose packets no session can be charged for.)
#[test]
fn both_sides_count_the_same() {
    let mut pair = Pair::new().connect();
    pair.drive(SECOND);
    let before = (pair.client.mux.stats(), pair.server.mux.stats());
    pair.send(Channel::Reliable0, &noise(30_000, 1));
    pair.send(Channel::Unreliable, b"raw");
    pair.drive(SECOND);
    let after = (pair.client.mux.stats(), pair.server.mux.stats());
    let sent = |before: &Stats, after: &Stats| (after.datagrams_sent - before.datagrams_sent, after.bytes_sent - before.bytes_sent);
    let received = |before: &Stats, after: &Stats| {
        (after.datagrams_received - before.datagrams_received, after.bytes_received - before.bytes_received)
    };
    assert!(sent(&before.0, &after.0).0 > 60);
    assert_eq!(sent(&before.0, &after.0), received(&before.1, &after.1));
    assert_eq!(sent(&before.1, &after.1), received(&before.0, &after.0));
}

mod deadlines {
    use super::*;

    #[test]
    fn an_idle_multiplexer_has_none() {
        let mut mux = Multiplexer::new(config(), 5 * SECOND).unwrap();
        assert_eq!(mux.next_deadline(), u64::MAX);
        assert_eq!(mux.timeout_ms(5 * SECOND), -1);
        mux.tick(60 * SECOND);
        assert_eq!(mux.next_deadline(), u64::MAX);
    }

    #[test]
    fn while_something_waits_the_timeout_is_0() {
        let mut pair = Pair::new();
        pair.start();
        assert_eq!(pair.client.mux.timeout_ms(pair.now), 0, "a SessionRequest wants to leave");
        let mut pair = Pair::new().connect();
        pair.drive(SECOND);
        assert!(pair.client.mux.timeout_ms(pair.now) > 0, "nothing waits");
        pair.send(Channel::Reliable0, b"x");
        assert_eq!(pair.client.mux.timeout_ms(pair.now), 0, "sent since the last drain");
        let mut puppet = Puppet::client(config());
        let datagram = puppet.wire.seal(&Wire::reliable(0, 0, b"x"));
        puppet.node.mux.feed(puppet.now, &CLIENT(), &datagram);
        assert_eq!(puppet.node.mux.timeout_ms(puppet.now), 0, "an event waits");
    }

    /// A host that only wakes at deadlines, and one that wakes each millisecond, see the same at nearly the same time.
    #[test]
    fn timeouts_are_rounded_up() {
        let mut pair = Pair::new().connect();
        pair.drive(SECOND);
        let deadline = pair.client.mux.next_deadline();
        assert!(deadline > pair.now && deadline < u64::MAX);
        for before in [1, 999, 1_000, 1_001, 500_500] {
            let now = deadline.saturating_sub(before).max(pair.now);
            let expected = (deadline - now).div_ceil(1_000) as i32;
            assert_eq!(pair.client.mux.timeout_ms(now), expected, "{before} us before");
        }
        assert_eq!(pair.client.mux.timeout_ms(deadline), 0);
        assert_eq!(pair.client.mux.timeout_ms(deadline + 1), 0);
    }

    #[test]
    fn a_clock_that_steps_back_is_held() {
        let mut pair = Pair::new().connect();
        let now = pair.now;
        pair.client.mux.tick(now - SECOND / 2);
        pair.client.mux.feed(0, &SERVER(), b"nonsense");
        pair.client.turn(now);
        pair.assert_alive();
    }

    /// The host slept through everything: one tick far in the future, and no storm.
    #[test]
    fn a_long_sleep_is_no_storm() {
        let mut pair = Pair::new().connect();
        pair.now += 20 * SECOND;
        pair.assert_alive();
        let before = pair.client.mux.stats().datagrams_sent;
        pair.now += 26 * SECOND;
        pair.drive(SECOND);
        assert!(pair.client.mux.stats().datagrams_sent - before <= 3, "one heartbeat, not one for each missed tick");
        pair.assert_alive();
    }
}

#[test]
fn draining_into_a_buffer_gives_the_same_datagrams() {
    let say = |node: &mut Node, id| {
        node.mux.send(id, Channel::Reliable0, &noise(3_000, 1)).unwrap();
        node.mux.send(id, Channel::Unreliable, b"raw").unwrap();
    };
    let mut lent = Puppet::server(config());
    say(&mut lent.node, lent.id);
    let lent: Vec<_> = lent.node.turn(lent.now).into_iter().map(|(_, data)| data).collect();

    let mut copied = Puppet::server(config());
    say(&mut copied.node, copied.id);
    let mut buffer = vec![0; 2_000];
    let mut all: Vec<Vec<u8>> = vec![];
    loop {
        let count = copied.node.mux.drain_outgoing_into(copied.now, &mut buffer, 16, |datagram| all.push(datagram.data.to_vec()));
        if count == 0 {
            break;
        }
        assert!(count <= 4, "2,000 bytes hold no more than 3 of 512 with 512 to spare");
    }
    assert_eq!(all, lent);
    assert!(all.len() >= 7);
    let mut tiny = [0; 511];
    copied.node.mux.send(copied.id, Channel::Reliable0, b"x").unwrap();
    assert_eq!(copied.node.mux.drain_outgoing_into(copied.now, &mut tiny, 16, |_| ()), 0, "less than one datagram of room");
    assert_eq!(copied.node.turn(copied.now).len(), 1, "nothing is lost by it");
}

#[test]
fn draining_one_at_a_time_loses_nothing() {
    let mut puppet = Puppet::server(config());
    for index in 0..50u8 {
        puppet.node.mux.send(puppet.id, Channel::Unreliable, &[1, index]).unwrap();
    }
    let mut sent = vec![];
    while let Some(datagram) = puppet.node.mux.drain_outgoing(puppet.now, 1).next() {
        sent.push(datagram.data.to_vec());
    }
    let expected: Vec<_> = (0..50).map(|index| puppet.wire.sign(vec![1, index])).collect();
    assert_eq!(sent, expected);
    for index in 0..50u8 {
        puppet.node.mux.feed(puppet.now, &SERVER(), &puppet.wire.sign(vec![1, index]));
    }
    let mut got = 0;
    while puppet.node.read_some_events(1) == 1 {
        got += 1;
    }
    assert_eq!(got, 50);
}

/// One multiplexer with both roles at once, many sessions: each hears its own.
#[test]
fn many_sessions_on_one_socket() {
    let mut server = Node::new(config(), SERVER(), 0);
    let mut clients: Vec<_> = (1..=200u16)
        .map(|port| {
            let mut node = Node::new(Config { rng_seed: port.into(), ..config() }, address(5, port), 0);
            let id = node.mux.connect(0, &SERVER(), &ConnectOptions { user_data: port.into(), ..Default::default() }).unwrap();
            (node, id)
        })
        .collect();
    for now in (0..50).map(|ms| ms * MS) {
        for (node, id) in &mut clients {
            for (_, data) in node.turn(now) {
                server.mux.feed(now, &node.address, &data);
            }
            if now == 10 * MS {
                node.mux.send(*id, Channel::Reliable0, &node.address.port().to_be_bytes()).unwrap();
            }
        }
        for (to, data) in server.turn(now) {
            clients[usize::from(to.port()) - 1].0.mux.feed(now, &SERVER(), &data);
        }
        for seen in server.take_seen() {
            if let What::Message(channel, data) = seen.what {
                server.mux.send(seen.session, channel, &data).unwrap();
            }
        }
    }
    for (node, _) in &clients {
        assert_eq!(node.messages_on(Channel::Reliable0), [node.address.port().to_be_bytes()]);
        assert!(node.seen.iter().all(|seen| seen.user_data == u64::from(node.address.port())));
    }
    assert_eq!(server.mux.stats().sessions_connected, 200);
}
