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

    // Newcomers between the forged ones: each asks once the flood has let up for a second, and shows itself before 64 others have asked.
    let (old, id) = (puppet.wire, puppet.id);
    for port in 1..=20u16 {
        puppet.wait(SECOND);
        flood(&mut puppet, 500);
        puppet.me = address(7, port);
        let out = puppet.say(&request(3, u32::from(port), 512, PROTOCOL));
        let wire = Wire::from(out.iter().find_map(|data| Answer::read(data)).expect("an answer in the flood"));
        flood(&mut puppet, 40);
        let before = puppet.node.mux.stats().sessions_connected;
        puppet.say(&wire.heartbeat());
        assert_eq!(puppet.node.mux.stats().sessions_connected, before + 1, "newcomer {port}");
    }
    let stats = puppet.node.mux.stats();
    assert!(stats.half_open_dropped + stats.requests_limited > 20_000, "{stats:?}");
    assert_eq!(stats.sessions_connected, 21);
    (puppet.me, puppet.wire, puppet.id) = (CLIENT(), old, id);
    puppet.assert_alive();
}

/// A request from 10.0.`third`.`last`, with an id of its own; the answers to it.
fn ask(puppet: &mut Puppet, third: u8, last: u32, name: &[u8]) -> Vec<Vec<u8>> {
    let [_, _, a, b] = last.to_be_bytes();
    let from = std::net::SocketAddr::from(([10, 0, third, b], 4000 + u16::from(a))).into();
    puppet.say_from(&from, &request(3, 1_000_000 * u32::from(third) + last, 512, name)).into_iter().map(|(_, data)| data).collect()
}

#[test]
fn a_flood_from_one_prefix_takes_no_more_than_its_share_and_leaves_the_others_theirs() {
    let mut puppet = Puppet::stranger(Config { max_half_open: 100, ..config() });
    let answered = (0..10_000).filter(|&last| !ask(&mut puppet, 1, last, PROTOCOL).is_empty()).count();
    assert_eq!(answered, 51 + 20, "half of the places and one more freely, then 20 at once");
    assert_eq!(puppet.node.mux.stats().requests_limited, 10_000 - 71);
    // The prefix has 20 more a second, and so has each other.
    for second in 0..3 {
        for third in [2, 3] {
            let answered = (0..20).filter(|&last| !ask(&mut puppet, third, 100 * second + last, PROTOCOL).is_empty()).count();
            assert_eq!(answered, 20, "prefix {third}");
        }
        puppet.wait(SECOND);
        let answered = (0..10_000).filter(|&last| !ask(&mut puppet, 1, 10_000 * (1 + second) + last, PROTOCOL).is_empty()).count();
        assert_eq!(answered, 20, "second {second}");
    }
}

#[test]
fn while_half_of_the_places_are_free_a_prefix_has_no_limits() {
    let mut puppet = Puppet::stranger(Config { max_sessions: 10_000, max_sessions_per_prefix: 1, max_new_per_prefix: 1, ..config() });
    assert!((0..2_049).all(|last| ask(&mut puppet, 1, last, PROTOCOL).len() == 1), "4,096 places");
    assert_eq!(puppet.node.mux.stats().requests_limited, 0);
    assert_eq!(ask(&mut puppet, 1, 3_000, PROTOCOL).len(), 1, "one a second");
    assert_eq!(ask(&mut puppet, 1, 3_001, PROTOCOL), <[Vec<u8>; 0]>::default());
    assert_eq!(puppet.node.mux.stats().requests_limited, 1);
}

#[test]
fn a_prefix_that_has_its_sessions_gets_no_more_while_places_are_scarce() {
    let mut puppet = Puppet::stranger(Config { max_half_open: 10, max_sessions_per_prefix: 3, max_new_per_prefix: 0, ..config() });
    let open = |puppet: &mut Puppet, third, last| {
        let answer = ask(puppet, third, last, PROTOCOL);
        let wire = Wire::from(answer.iter().find_map(|data| Answer::read(data))?);
        puppet.say_from(&std::net::SocketAddr::from(([10, 0, third, last as u8], 4000)).into(), &wire.heartbeat());
        puppet.node.connected()
    };
    for last in 0..5 {
        assert!(open(&mut puppet, 1, last).is_some(), "nobody else is there");
    }
    let ids: Vec<_> = puppet.node.take_seen().iter().map(|seen| seen.session).collect();
    (0..6).for_each(|third| drop(ask(&mut puppet, 50 + third, 0, PROTOCOL)));
    assert_eq!(open(&mut puppet, 1, 10), None);
    assert!(open(&mut puppet, 2, 10).is_some());
    for id in &ids[..2] {
        ask(&mut puppet, 70, id.get() as u32, PROTOCOL);
        puppet.node.mux.disconnect(*id, 6, soe::Disconnect::Now).unwrap();
        assert_eq!(open(&mut puppet, 1, 11), None, "three are left");
    }
    puppet.node.mux.disconnect(ids[2], 6, soe::Disconnect::Now).unwrap();
    puppet.node.take();
    assert!(open(&mut puppet, 1, 12).is_some(), "two were left");
}

#[test]
fn the_refused_are_told_once_each_and_no_more_often_than_their_prefix_may_be() {
    let mut puppet = Puppet::stranger(config());
    let answers: Vec<_> = (0..1_000).map(|last| ask(&mut puppet, 1, last, b"another name")).collect();
    assert!(answers.iter().take(100).all(|answer| answer.len() == 2 && Answer::read(&answer[0]).is_some()), "an answer and a goodbye");
    assert!(answers.iter().skip(100).all(Vec::is_empty));
    assert_eq!(ask(&mut puppet, 2, 1, b"another name").len(), 2, "another prefix");
    let stats = puppet.node.mux.stats();
    assert_eq!((stats.requests_refused, stats.requests_limited), (1_001, 900));
    // The same for somebody who is welcome, but asks again and again.
    let again = (0..1_000).filter(|_| !ask(&mut puppet, 3, 1, PROTOCOL).is_empty()).count();
    assert_eq!(again, 1 + 100);
}

#[test]
fn a_newcomer_whose_place_was_taken_gets_in_with_its_next_request() {
    let mut puppet = Puppet::half_open(Config { max_half_open: 8, ..config() });
    for index in 0..100 {
        puppet.say_from(&stranger(index), &request(3, index, 512, PROTOCOL));
    }
    puppet.say(&puppet.wire.heartbeat());
    assert_eq!(puppet.node.connected(), None, "its place was taken");
    puppet.wait(SECOND);
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

#[test]
fn a_newcomer_who_says_goodbye_while_he_waits_is_not_let_in_later() {
    for manual_accept in [false, true] {
        let mut puppet = Puppet::stranger(Config { manual_accept, ..config() });
        let accept = |puppet: &mut Puppet| {
            let asked = puppet.node.take_seen();
            asked.last().and_then(|seen| {
                puppet.node.mux.accept(puppet.now, seen.session, &soe::AcceptOptions::default()).ok()?;
                puppet.node.turn(puppet.now).iter().find_map(|(_, data)| Answer::read(data))
            })
        };
        let enter = |puppet: &mut Puppet, id| {
            let said = puppet.say(&request(3, id, 512, PROTOCOL));
            let answer = if manual_accept { accept(puppet) } else { said.iter().find_map(|data| Answer::read(data)) };
            let wire = Wire::from(answer.expect("an answer"));
            puppet.say(&wire.heartbeat());
            wire
        };
        let old = enter(&mut puppet, 1);
        puppet.node.take();
        let new = enter(&mut puppet, 2);
        puppet.say(&new.seal(&new.disconnect(6)));
        let gone: &[What] = if manual_accept { &[What::Disconnected(EndedBy::Peer, 6)] } else { &[] };
        assert_eq!(puppet.node.take(), gone);
        // The old one answers no question, and ends: nobody waits for its place.
        puppet.say(&old.seal(&old.disconnect(6)));
        puppet.wait(40 * SECOND);
        assert_eq!(puppet.node.take(), [What::Disconnected(EndedBy::Peer, 6)]);
        assert_eq!(puppet.node.mux.stats().sessions_connected, 1);
    }
}
