//! Who gets in when others are there already: newcomers at the address of an open session, floods of requests.

use crate::common::*;
use soe::{Channel, Config, EndedBy, reason};

/// A newcomer at the same address: the answer it got, as an open session's parameters.
fn newcomer(puppet: &mut Puppet, id: u32) -> Wire {
    let out = puppet.say(&request(3, id, 512, PROTOCOL));
    let answer = out.iter().find_map(|data| Answer::read(data)).expect("a newcomer is answered");
    assert_eq!(answer.id, id);
    assert_ne!(answer.seed, puppet.wire.seed, "a seed of its own");
    answer.into()
}

#[test]
fn a_newcomer_is_answered_and_the_old_session_lives_on() {
    let mut puppet = Puppet::client(config());
    let old = puppet.wire;
    newcomer(&mut puppet, 99);
    assert_eq!(puppet.wire.seed, old.seed);
    puppet.assert_alive();
    puppet.wait(10 * SECOND);
    puppet.assert_alive();
    assert_eq!(puppet.node.disconnected(), None, "a request alone never displaces");
}

#[test]
fn a_newcomer_that_repeats_itself_gets_the_same_answer() {
    let mut puppet = Puppet::client(config());
    let first = newcomer(&mut puppet, 99);
    let second = newcomer(&mut puppet, 99);
    assert_eq!(first.seed, second.seed);
}

#[test]
fn a_newcomer_that_shows_itself_takes_the_place_of_a_session_that_is_silent_for_3_s() {
    let mut puppet = Puppet::client(config());
    let (old, began) = (puppet.id, puppet.now);
    let new = newcomer(&mut puppet, 99);
    puppet.wait(10 * MS);
    puppet.say(&new.heartbeat());
    puppet.wait(2_900 * MS);
    assert_eq!(puppet.node.disconnected(), None, "the old one has 3 s to answer its heartbeat");
    assert!(puppet.node.mux.info(old).is_ok());
    puppet.wait(300 * MS);
    let seen: Vec<_> = puppet.node.seen.iter().map(|seen| (seen.session == old, seen.what.clone())).collect();
    let expected =
        [(true, What::Disconnected(EndedBy::Library, reason::NEW_CONNECTION_ATTEMPT)), (false, What::Connected(PROTOCOL.to_vec()))];
    assert_eq!(seen, expected);
    assert!(puppet.node.seen[0].time_us >= began + 3 * SECOND);
    assert!(puppet.node.mux.info(old).is_err());

    (puppet.wire, puppet.id) = (new, puppet.node.connected().unwrap());
    assert_eq!(puppet.node.mux.find(&CLIENT()), Some(puppet.id));
    puppet.assert_alive();
}

/// The old client crashed and came back from the same port: it must not have to wait for a timeout of 30 s.
#[test]
fn a_client_that_restarted_at_the_same_port_is_back_within_seconds() {
    let mut pair = Pair::new().connect();
    let old = pair.peer;
    pair.client = Node::new(Config { rng_seed: 4711, ..config() }, CLIENT(), pair.now);
    pair.start();
    assert!(pair.drive_until(6 * SECOND, |p| p.client.connected().is_some() && p.server.connected().is_some()), "{:?}", pair.server.seen);
    assert_eq!(pair.server.seen[0].session, old);
    assert_eq!(pair.server.seen[0].what, What::Disconnected(EndedBy::Library, reason::NEW_CONNECTION_ATTEMPT));
    pair.peer = pair.server.connected().unwrap();
    assert_ne!(pair.peer, old);
    pair.assert_alive();
}

/// What the newcomer sends while the old session has its 3 s is not lost for good, though it may take a retransmission.
#[test]
fn a_restarted_client_loses_nothing_that_it_sent_meanwhile() {
    let mut pair = Pair::new().connect();
    pair.client = Node::new(Config { rng_seed: 4711, ..config() }, CLIENT(), pair.now);
    pair.start();
    assert!(pair.drive_until(2 * SECOND, |p| p.client.connected().is_some()));
    for index in 0..50u32 {
        pair.send(Channel::Reliable0, &index.to_be_bytes());
        pair.drive(20 * MS);
    }
    assert!(pair.drive_until(30 * SECOND, |p| p.server.message_count() == 50));
    let expected: Vec<_> = (0..50u32).map(u32::to_be_bytes).collect();
    assert_eq!(pair.server.messages_on(Channel::Reliable0), expected);
}

#[test]
fn an_old_session_that_answers_its_heartbeat_stays() {
    let mut puppet = Puppet::client(config());
    let new = newcomer(&mut puppet, 99);
    puppet.say(&new.heartbeat());
    for _ in 0..100 {
        let heard = puppet.wait(100 * MS);
        // Whoever holds the old session answers what he can read.
        if heard.iter().any(|(_, data)| puppet.wire.open(data).is_some_and(|packet| packet == [0, 6])) {
            puppet.say(&puppet.wire.heartbeat());
        }
        puppet.say(&new.heartbeat());
    }
    assert_eq!(puppet.node.disconnected(), None);
    puppet.assert_alive();
}

#[test]
fn forged_requests_never_displace_a_session() {
    let mut pair = Pair::new().connect();
    let mut random = Random::new(3);
    for round in 0..3_000u32 {
        let now = pair.now;
        pair.server.mux.feed(now, &CLIENT(), &request(3, random.next_u64() as u32, 512, PROTOCOL));
        // A forger knows no seed.
        let guess = Wire { id: round, seed: random.next_u64() as u32, crc_length: 4, flag: false };
        pair.server.mux.feed(now, &CLIENT(), &guess.heartbeat());
        pair.drive(10 * MS);
    }
    assert_eq!(pair.server.take(), [], "30 s of it, and nothing happened");
    assert_eq!(pair.client.take(), []);
    pair.assert_alive();
}

/// A forger's request with the session's own id: the answer repeats what the client knows already, and goes to the client.
#[test]
fn forged_requests_with_the_right_id_change_nothing() {
    let mut puppet = Puppet::client(config());
    let before = puppet.node.mux.info(puppet.id).unwrap();
    puppet.say(&request(3, Puppet::ID, 64, PROTOCOL));
    puppet.say(&request(3, Puppet::ID, 15, PROTOCOL));
    puppet.say(&request(3, Puppet::ID, 0, PROTOCOL));
    puppet.say(&request(3, Puppet::ID, 512, b"Other"));
    puppet.say(&request(2, Puppet::ID, 512, PROTOCOL));
    let after = puppet.node.mux.info(puppet.id).unwrap();
    assert_eq!((before.udp_length, before.crc_seed), (after.udp_length, after.crc_seed));
    puppet.assert_alive();
}

#[test]
fn a_client_is_not_disturbed_by_requests() {
    let mut puppet = Puppet::server(config());
    puppet.say(&request(3, Puppet::ID, 512, PROTOCOL));
    puppet.say(&request(3, 1, 512, PROTOCOL));
    puppet.wait(5 * SECOND);
    assert_eq!(puppet.node.take(), []);
    puppet.assert_alive();
}

/// The address of stranger number `index`.
fn stranger(index: u32) -> soe::Address {
    let [_, a, b, c] = index.to_be_bytes();
    std::net::SocketAddr::from(([172, a, b, c], 4000)).into()
}

#[test]
fn a_flood_of_requests_leaves_honest_clients_alone() {
    let mut puppet = Puppet::client(Config { max_half_open: 64, max_sessions: 100, ..config() });
    let mut forged = 0;
    let mut flood = |puppet: &mut Puppet, count: u32| {
        for _ in 0..count {
            forged += 1;
            puppet.node.mux.feed(puppet.now, &stranger(forged), &request(3, forged, 512, PROTOCOL));
            if forged % 64 == 0 {
                puppet.node.turn(puppet.now);
            }
        }
        puppet.node.turn(puppet.now);
    };
    flood(&mut puppet, 20_000);
    puppet.assert_alive();

    // Newcomers between the forged ones: each asks, and shows itself before 64 others have asked.
    let (old, id) = (puppet.wire, puppet.id);
    for port in 1..=20u16 {
        flood(&mut puppet, 500);
        puppet.me = address(7, port);
        let out = puppet.say(&request(3, u32::from(port), 512, PROTOCOL));
        let wire = Wire::from(out.iter().find_map(|data| Answer::read(data)).expect("an answer in the flood"));
        flood(&mut puppet, 40);
        let before = puppet.node.mux.stats().sessions_connected;
        puppet.say(&wire.heartbeat());
        assert_eq!(puppet.node.mux.stats().sessions_connected, before + 1, "newcomer {port}");
        puppet.wait(10 * MS);
    }
    let stats = puppet.node.mux.stats();
    assert!(stats.half_open_dropped > 20_000, "{stats:?}");
    assert_eq!(stats.sessions_connected, 21);
    (puppet.me, puppet.wire, puppet.id) = (CLIENT(), old, id);
    puppet.assert_alive();
}

#[test]
fn a_newcomer_whose_place_was_taken_gets_in_with_its_next_request() {
    let mut puppet = Puppet::half_open(Config { max_half_open: 8, ..config() });
    for index in 0..100 {
        puppet.say_from(&stranger(index), &request(3, index, 512, PROTOCOL));
    }
    puppet.say(&puppet.wire.heartbeat());
    assert_eq!(puppet.node.connected(), None, "its place was taken");
    let out = puppet.say(&request(3, Puppet::ID, 512, PROTOCOL));
    puppet.wire = Answer::read(&out[0]).unwrap().into();
    puppet.say(&puppet.wire.heartbeat());
    puppet.id = puppet.node.connected().expect("in");
    puppet.assert_alive();
}

/// Requests with forged ids from a client's own address: whoever sits there is answered nevertheless.
#[test]
fn forged_requests_do_not_lock_out_the_owner_of_an_address() {
    let mut puppet = Puppet::stranger(config());
    for id in 1..=10 {
        puppet.say(&request(3, id, 512, PROTOCOL));
    }
    let out = puppet.say(&request(3, Puppet::ID, 512, PROTOCOL));
    puppet.wire = out.iter().find_map(|data| Answer::read(data)).expect("an answer").into();
    puppet.say(&puppet.wire.heartbeat());
    puppet.id = puppet.node.connected().expect("in");
    puppet.assert_alive();
}

#[test]
fn half_open_sessions_are_forgotten_in_time() {
    let mut puppet = Puppet::half_open(config());
    puppet.wait(31 * SECOND);
    assert_eq!(puppet.node.mux.find(&CLIENT()), None);
    assert_eq!(puppet.node.mux.stats().half_open_dropped, 1);
    assert_eq!(puppet.node.seen, [], "the host never heard of it");
    assert_eq!(puppet.node.mux.next_deadline(), u64::MAX, "nothing is left to do");
}
