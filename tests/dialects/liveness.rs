//! Who says that it is there, who asks, who answers, and what counts.

use crate::common::*;
use soe::{Channel, Config, EndedBy, Preset, Probe, Role, reason};

fn udp_library() -> Config {
    Config { crc_length: 2, udp_length: 512, protocol_version: 0, ..Config::preset(Preset::PlanetSide) }
}

const NET_STATUS: [u8; 2] = [0, 7];

#[test]
fn every_presets_sessions_live_while_nobody_speaks_and_end_when_one_side_is_gone() {
    for preset in Preset::ALL {
        let config = Config { rng_seed: 3, ..Config::preset(preset) };
        let mut pair = Pair::of(config.clone(), config.clone()).connect();
        // A bad evening: one in ten is lost.
        pair.rough(Path { loss_percent: 10, ..Path::CLEAN });
        pair.drive(1200 * SECOND);
        assert_eq!((pair.client.disconnected(), pair.server.disconnected()), (None, None), "{preset:?}");
        let datagrams = pair.client.mux.stats().datagrams_sent + pair.server.mux.stats().datagrams_sent;
        assert!(datagrams < 800, "{preset:?}: {datagrams} datagrams in twenty minutes of silence");
        pair.assert_alive();
        pair.up.path.loss_percent = 100;
        pair.drive(2 * u64::from(config.inactivity_timeout_ms) * MS);
        assert_eq!(pair.server.disconnected(), Some((EndedBy::Library, reason::TIMEOUT)), "{preset:?}");
    }
}

#[test]
fn each_side_sends_heartbeats_where_it_is_its_part() {
    for (heartbeat_by, up, down) in [(Role::Client, true, false), (Role::Server, false, true), (Role::Both, true, true)] {
        let config = Config { heartbeat_by, heartbeat_ms: 10_000, rng_seed: 1, ..udp_library() };
        let mut pair = Pair::of(config.clone(), config).connect();
        pair.drive(9 * SECOND);
        let mut pair = pair.tapped();
        pair.drive(31 * SECOND);
        let said = |by_client: bool| {
            let heartbeats = pair.tap.iter().flatten().filter(|tapped| tapped.by_client == by_client && tapped.data.starts_with(&[0, 6]));
            heartbeats.count()
        };
        let expected = |does: bool| if does { 2..=4 } else { 0..=0 };
        assert!(expected(up).contains(&said(true)), "{heartbeat_by:?}: {} up", said(true));
        assert!(expected(down).contains(&said(false)), "{heartbeat_by:?}: {} down", said(false));
    }
}

#[test]
fn a_heartbeat_is_answered_only_where_the_title_answers() {
    for answer_heartbeats in [false, true] {
        let mut puppet = Puppet::client(Config { answer_heartbeats, ..udp_library() });
        puppet.wait(5 * SECOND);
        let wire = puppet.wire;
        assert_eq!(puppet.packets_after(&wire.heartbeat()).contains(&vec![0, 6]), answer_heartbeats);
    }
}

#[test]
fn net_status_is_asked_by_whom_it_is_and_answered_where_it_is() {
    for (net_status_by, up, down) in [(Role::Client, true, false), (Role::Server, false, true), (Role::Both, true, true)] {
        for answer_net_status in [false, true] {
            let config =
                Config { net_status_by, net_status_ms: 5_000, answer_net_status, probe: Probe::Heartbeat, rng_seed: 1, ..udp_library() };
            let mut pair = Pair::of(config.clone(), config).tapped().connect();
            pair.drive(12 * SECOND);
            let all = pair.tap.take().unwrap();
            let said = |by_client: bool, opcode: u8| {
                let seed = pair.client.mux.info(pair.id).unwrap().crc_seed;
                let wire = Wire { id: 0, seed, crc_length: 2, flag: false };
                let mine = all.iter().filter(|tapped| tapped.by_client == by_client && !matches!(tapped.data[..2], [0, 1 | 2]));
                mine.flat_map(|tapped| wire.packets(&tapped.data)).filter(|packet| packet[..2] == [0, opcode]).count()
            };
            // At 0, 5 and 10 s; where no answer comes, at 0 to 3 and at 8 s.
            let asked = |asks: bool| {
                if !asks {
                    0
                } else if answer_net_status {
                    3
                } else {
                    5
                }
            };
            assert_eq!((said(true, 7), said(false, 7)), (asked(up), asked(down)), "{net_status_by:?}");
            let answers = |asked: bool| if asked && answer_net_status { 3 } else { 0 };
            assert_eq!((said(true, 8), said(false, 8)), (answers(down), answers(up)), "{net_status_by:?}");
        }
    }
}

/// Where heartbeats are taken in silence, a stranger's UnknownSender would else end an idle session: nothing would come in time to say that the peer is there.
#[test]
fn a_doubt_is_asked_with_what_the_peer_answers() {
    let config = Config { rng_seed: 2, ..udp_library() };
    let mut pair = Pair::of(config.clone(), config).connect();
    pair.drive(20 * SECOND);
    for _ in 0..20 {
        // From the server's address, and from the client's.
        pair.client.mux.feed(pair.now, &SERVER(), &[0, 0x1d]);
        pair.server.mux.feed(pair.now, &CLIENT(), &[0, 0x1d]);
        pair.drive(1_500 * MS);
    }
    pair.drive(20 * SECOND);
    assert_eq!((pair.client.disconnected(), pair.server.disconnected()), (None, None));
    pair.assert_alive();
    // Where the server is gone, the client is told, after five seconds.
    pair.drive(2 * SECOND);
    pair.down.path.loss_percent = 100;
    pair.client.mux.feed(pair.now, &SERVER(), &[0, 0x1d]);
    let begin = pair.now;
    assert!(pair.drive_until(30 * SECOND, |p| p.client.disconnected().is_some()));
    assert_eq!(pair.client.disconnected(), Some((EndedBy::Library, reason::UNREACHABLE_CONNECTION)));
    assert!((5 * SECOND..6 * SECOND).contains(&(pair.now - begin)), "{}", pair.now - begin);
}

/// Ten a second for a minute cost no more than one question a second.
#[test]
fn a_flood_of_unknown_senders_asks_once_a_second() {
    let mut puppet = Puppet::server(Config { protocol_version: 3, ..udp_library() });
    puppet.wait(10 * SECOND);
    let mut asked = 0;
    for _ in 0..600 {
        let wire = puppet.wire;
        asked += puppet.say(&[0, 0x1d]).iter().filter(|data| !data.starts_with(&[0, 0x1e])).count();
        asked += puppet.wait(100 * MS).len();
        puppet.say(&wire.seal(b"I am here"));
    }
    assert!(asked <= 150, "{asked}");
    puppet.assert_alive();
}

/// Some titles' servers send `00 06` without a CRC. It is no error, and answered; but a session of which nothing else is heard ends.
#[test]
fn a_bare_heartbeat_is_taken_but_is_no_sign_of_life() {
    for answer_heartbeats in [false, true] {
        let mut puppet = Puppet::client(Config { answer_heartbeats, ..Config::default() });
        let mut answers = 0;
        while puppet.node.disconnected().is_none() {
            let wire = puppet.wire;
            answers += puppet.packets_after(&[0, 6]).iter().filter(|packet| **packet == [0, 6]).count();
            assert!(wire.crc_length == 2 && puppet.now < 40 * SECOND, "it lives on nothing but bare heartbeats");
            puppet.wait(SECOND);
        }
        assert_eq!(puppet.node.disconnected(), Some((EndedBy::Library, reason::TIMEOUT)));
        assert_eq!(puppet.node.mux.stats().dropped_crc, 0);
        assert!(puppet.node.mux.stats().dropped_contextless > 20, "each is counted");
        assert_eq!(answers > 20, answer_heartbeats, "{answers}");
    }
}

#[test]
fn a_flood_of_bare_heartbeats_is_answered_about_once_a_second_and_opens_nothing() {
    let mut puppet = Puppet::client(Config::default());
    let answers: usize = (0..1000)
        .map(|_| {
            puppet.wait(10 * MS);
            puppet.say(&[0, 6]).len()
        })
        .sum();
    assert!((5..=15).contains(&answers), "{answers} in ten seconds");
    puppet.assert_alive();
    // However many come before the host drains.
    puppet.wait(2 * SECOND);
    (0..1_000).for_each(|_| puppet.node.mux.feed(puppet.now, &CLIENT(), &[0, 6]));
    let said: Vec<_> = puppet.node.turn(puppet.now).into_iter().map(|(_, data)| data).collect();
    assert_eq!(said, [puppet.wire.heartbeat()]);
    let mut puppet = Puppet::half_open(Config::default());
    assert_eq!(puppet.say(&[0, 6]), Vec::<Vec<u8>>::new());
    assert_eq!(puppet.node.connected(), None);
    // Nor does it silence a doubt.
    let mut puppet = Puppet::server(Config::default());
    puppet.wait(10 * SECOND);
    puppet.say(&[0, 0x1d]);
    for _ in 0..60 {
        puppet.wait(100 * MS);
        puppet.say(&[0, 6]);
    }
    assert_eq!(puppet.node.disconnected(), Some((EndedBy::Library, reason::UNREACHABLE_CONNECTION)));
}

/// UdpLibrary's sides need no showing of what kind they are: the first datagrams are a heartbeat and what is sent.
#[test]
fn to_peers_that_are_known_to_be_thorough_nobody_shows_off() {
    let config = Config { rng_seed: 4, ..udp_library() };
    let mut pair = Pair::of(config.clone(), config).tapped().connect();
    pair.send(Channel::Reliable0, b"hello");
    pair.drive(5 * SECOND);
    let shown = |data: &[u8]| data.starts_with(&[0, 3, 2, 0, 6]);
    assert!(pair.tap.iter().flatten().all(|tapped| !shown(&tapped.data)));
    assert!(pair.tap.iter().flatten().all(|tapped| tapped.data[..2] != NET_STATUS), "and nobody is asked while the other is heard");
}

/// The client answers every question and says nothing of its own, while a stranger sends bare heartbeats in its name.
#[test]
fn bare_heartbeats_keep_nobody_from_asking() {
    let mut puppet = Puppet::client(Config { answer_heartbeats: true, ..udp_library() });
    let mut asked = 0;
    for _ in 0..400 {
        let wire = puppet.wire;
        let said = [puppet.wait(300 * MS).into_iter().map(|(_, data)| data).collect(), puppet.say(&[0, 6])].concat();
        for request in said.iter().flat_map(|datagram| wire.packets(datagram)).filter(|packet| packet.starts_with(&NET_STATUS)) {
            asked += 1;
            puppet.say(&wire.seal(&[&[0, 8][..], &request[2..4], &[0; 36]].concat()));
        }
    }
    assert!(asked > 3, "{asked}");
    assert_eq!(puppet.node.disconnected(), None);
    puppet.assert_alive();
}

/// Where the CRC's seed is the title's, or zeros will do, anybody can send what is malformed: it is counted, and ends nothing.
#[test]
fn where_anybody_knows_the_crc_malformed_datagrams_end_no_session() {
    let zeros = Config { accept_zero_crc: true, ..udp_library() };
    let constant = Config { crc_seed: soe::CrcSeed::Fixed(0x3362_4702), ..udp_library() };
    for (config, ends) in [(udp_library(), true), (zeros, false), (constant, false)] {
        let mut puppet = Puppet::client(config);
        for sequence in 0..20 {
            puppet.say(&puppet.wire.seal(&Wire::fragment(0, sequence, None, &[])));
        }
        assert_eq!(puppet.node.disconnected().is_some(), ends);
        assert!(puppet.node.mux.stats().dropped_malformed >= 8);
        if !ends {
            puppet.assert_alive();
        }
    }
}

/// Star Wars Galaxies' servers drop a client that hasn't asked for 50 s: one question that is lost must not be the end.
#[test]
fn a_lost_question_is_asked_again_soon() {
    let config = Config { rng_seed: 6, ..Config::preset(Preset::StarWarsGalaxies) };
    let mut pair = Pair::of(config.clone(), config).connect();
    pair.drive(44 * SECOND);
    pair.up.path.loss_percent = 100;
    pair.drive(2 * SECOND);
    pair.up.path.loss_percent = 0;
    let before = pair.server.mux.stats().datagrams_received;
    let mut pair = pair.tapped();
    pair.drive(2 * SECOND);
    assert!(pair.server.mux.stats().datagrams_received > before, "something arrived");
    assert!(pair.tap.iter().flatten().any(|tapped| tapped.by_client && tapped.data.starts_with(&NET_STATUS)), "the question");
}

/// A NetStatus request of 40 bytes doesn't fit everywhere: then a heartbeat asks, for who answers those.
#[test]
fn where_a_question_does_not_fit_a_heartbeat_asks() {
    for udp_length in [16, 40, 41, 42, 43] {
        let config = Config { udp_length, answer_heartbeats: true, heartbeat_ms: 25_000, rng_seed: 1, ..udp_library() };
        let mut pair = Pair::of(config.clone(), config).connect();
        pair.drive(5 * SECOND);
        pair.client.mux.feed(pair.now, &SERVER(), &[0, 0x1d]);
        pair.drive(10 * SECOND);
        assert_eq!((pair.client.disconnected(), pair.server.disconnected()), (None, None), "{udp_length}");
        // And no more than once a second, whatever a stranger says.
        let before = pair.client.mux.stats().datagrams_sent;
        for _ in 0..100 {
            pair.client.mux.feed(pair.now, &SERVER(), &[0, 0x1d]);
            pair.reply(Channel::Unreliable, b"I am here");
            pair.drive(MS);
        }
        let sent = pair.client.mux.stats().datagrams_sent - before;
        assert!(sent <= 6, "{udp_length}: {sent}");
    }
}

#[test]
fn questions_come_as_often_as_the_config_says_where_that_is_more_than_once_a_second() {
    for net_status_by in [Role::Client, Role::Both] {
        let config = Config { net_status_ms: 200, net_status_by, rng_seed: 1, ..udp_library() };
        let mut pair = Pair::of(config.clone(), config).connect();
        let before = pair.client.mux.stats().datagrams_sent;
        pair.drive(30 * SECOND);
        let sent = pair.client.mux.stats().datagrams_sent - before;
        let expected = if net_status_by == Role::Both { 290..=310 } else { 145..=155 };
        assert!(expected.contains(&sent), "{net_status_by:?}: {sent}");
    }
}
