//! How a session begins.

use crate::common::*;
use soe::{AcceptOptions, Channel, Config, ConnectOptions, Disconnect, EndedBy, Error, Key, Multiplexer, Pass, SessionState, reason};

#[test]
fn two_multiplexers_find_each_other() {
    let mut pair = Pair::new();
    pair.start();
    assert_eq!(pair.client.mux.info(pair.id).unwrap().state, SessionState::Connecting);
    assert!(pair.drive_until(SECOND, |p| p.client.connected().is_some() && p.server.connected().is_some()));
    pair.peer = pair.server.connected().unwrap();
    assert_eq!(pair.client.take(), [What::Connected(PROTOCOL.to_vec())]);
    assert_eq!(pair.server.take(), [What::Connected(PROTOCOL.to_vec())], "our client speaks first, so that a server knows of it");
    assert_eq!(pair.client.mux.find(&SERVER()), Some(pair.id));
    assert_eq!(pair.server.mux.find(&CLIENT()), Some(pair.peer));

    let (here, there) = (pair.client.mux.info(pair.id).unwrap(), pair.server.mux.info(pair.peer).unwrap());
    assert_eq!((here.session_id_on_wire, here.crc_seed, here.crc_length), (there.session_id_on_wire, there.crc_seed, 2));
    assert_eq!((here.udp_length, there.udp_length, here.passes), (512, 512, [Pass::None; 2]));
    assert_eq!((here.is_client, there.is_client), (true, false));
    assert_eq!((here.state, there.state), (SessionState::Connected, SessionState::Connected));
    assert_eq!((here.protocol_version, there.protocol_version), (3, 3));
    assert_eq!((here.address, there.address), (SERVER(), CLIENT()));
    assert_eq!(there.application_protocol, PROTOCOL);
    assert_eq!((pair.client.mux.stats().sessions_connected, pair.server.mux.stats().sessions_connected), (1, 1));
    pair.assert_alive();
}

/// SessionRequest: version, id, own UDP length, the name and its zero; from known-answers.md.
#[test]
fn the_request_is_as_the_reference_has_it() {
    let mut node = Node::new(config(), CLIENT(), 0);
    let options =
        ConnectOptions { session_id_on_wire: 5_467_392, application_protocol: Some(b"TestProtocol".to_vec()), ..Default::default() };
    node.mux.connect(0, &SERVER(), &options).unwrap();
    let out = node.turn(0);
    assert_eq!(out.len(), 1);
    assert_eq!(hex(&out[0].1), "00010000000300536d00000002005465737450726f746f636f6c00");
    assert_eq!(out[0].0, SERVER());
}

#[test]
fn a_request_without_an_answer_is_repeated_each_second_with_the_same_id() {
    let mut node = Node::new(config(), CLIENT(), 0);
    node.mux.connect(0, &SERVER(), &ConnectOptions::default()).unwrap();
    let mut asked = vec![];
    let mut now = 0;
    while now < 60 * SECOND {
        asked.extend(node.turn(now).into_iter().map(|(_, data)| (now, data)));
        now = node.mux.next_deadline().min(60 * SECOND);
    }
    assert!(asked.iter().all(|(_, data)| *data == asked[0].1), "the same request, the same id");
    for (second, (at, _)) in asked.iter().enumerate() {
        let due = second as u64 * SECOND;
        assert!((due..=due + 50 * MS).contains(at), "request {second} left at {at} us");
    }
    assert!((29..=31).contains(&asked.len()), "{} requests in 30 s", asked.len());
    assert_eq!(node.seen.len(), 1);
    assert_eq!(node.seen[0].what, What::Disconnected(EndedBy::Library, reason::CONNECT_FAIL));
    assert!((30 * SECOND..31 * SECOND).contains(&node.seen[0].time_us), "after 30 s: {}", node.seen[0].time_us);
    assert_eq!(node.mux.find(&SERVER()), None);
    assert_eq!(node.mux.next_deadline(), u64::MAX, "idle");
}

#[test]
fn a_connect_has_a_timeout_of_its_own() {
    let mut node = Node::new(config(), CLIENT(), 0);
    node.mux.connect(0, &SERVER(), &ConnectOptions { timeout_ms: 2_500, ..Default::default() }).unwrap();
    let mut now = 0;
    while node.disconnected().is_none() {
        assert!(now < 3 * SECOND);
        node.turn(now);
        now = node.mux.next_deadline().min(3 * SECOND);
    }
    assert!((2_500 * MS..2_600 * MS).contains(&node.seen[0].time_us));
}

#[test]
fn a_lost_request_or_answer_costs_a_second_and_no_more() {
    for lost_answer in [false, true] {
        let mut pair = Pair::new();
        let link = if lost_answer { &mut pair.down } else { &mut pair.up };
        link.path.loss_percent = 100;
        pair.start();
        pair.drive(500 * MS);
        pair.rough(Path::CLEAN);
        assert!(pair.drive_until(600 * MS, |p| p.server.connected().is_some()), "lost answer: {lost_answer}");
        pair.peer = pair.server.connected().unwrap();
        assert_eq!(pair.server.mux.stats().sessions_connected, 1);
        pair.assert_alive();
    }
}

#[test]
fn a_repeated_request_gets_the_same_answer() {
    let mut puppet = Puppet::stranger(config());
    let ask = request(3, 77, 512, PROTOCOL);
    let answers: Vec<_> = (0..5).flat_map(|_| puppet.say(&ask)).collect();
    assert_eq!(answers.len(), 5, "one each");
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    puppet.wire = Answer::read(&answers[0]).unwrap().into();
    puppet.say(&puppet.wire.heartbeat());
    puppet.id = puppet.node.connected().expect("open");
    assert_eq!(puppet.say(&ask), [answers[0].clone()], "also when it is open");
    assert_eq!(puppet.node.seen.len(), 1, "one CONNECTED and nothing else: {:?}", puppet.node.seen);
    puppet.assert_alive();
}

#[test]
fn a_server_is_connected_with_the_first_datagram_that_passes_the_crc() {
    let mut puppet = Puppet::half_open(config());
    let mut bad = puppet.wire.heartbeat();
    bad[3] ^= 1;
    puppet.say(&bad);
    puppet.say(b"\x05raw but without its crc");
    assert_eq!(puppet.node.seen, []);
    puppet.say(&puppet.wire.seal(&Wire::reliable(0, 0, b"first")));
    let seen: Vec<_> = puppet.node.take();
    assert_eq!(seen, [What::Connected(PROTOCOL.to_vec()), What::Message(Channel::Reliable0, b"first".to_vec())]);
}

#[test]
fn a_server_may_be_connected_with_its_answer() {
    let mut puppet = Puppet::stranger(Config { connected_at_request: true, ..config() });
    let out = puppet.say(&request(3, 5, 512, PROTOCOL));
    assert!(Answer::read(&out[0]).is_some());
    let id = puppet.node.connected().expect("connected");
    puppet.node.mux.send(id, Channel::Reliable0, b"welcome").unwrap();
    let out = puppet.node.turn(puppet.now);
    assert_eq!(out.len(), 1, "for clients that wait for the server to speak");
}

#[test]
fn an_answer_to_somebody_else_opens_nothing() {
    let mut puppet = Puppet::asked(config());
    puppet.say(&response(Puppet::ID + 1, 1, 2, [0, 0], 512, 3));
    let elsewhere = address(9, 9);
    puppet.say_from(&elsewhere, &response(Puppet::ID, 1, 2, [0, 0], 512, 3));
    assert_eq!(puppet.node.seen, []);
    puppet.say(&response(Puppet::ID, Puppet::SEED, 2, [0, 0], 512, 3));
    assert_eq!(puppet.node.connected(), Some(puppet.id));
}

#[test]
fn a_second_answer_changes_nothing() {
    let mut puppet = Puppet::server(config());
    puppet.say(&response(Puppet::ID, Puppet::SEED ^ 1, 4, [1, 0], 100, 3));
    assert_eq!(puppet.node.mux.info(puppet.id).unwrap().crc_seed, Puppet::SEED);
    assert!(puppet.node.mux.session_stats(puppet.id).unwrap().dropped_contextless >= 1);
    puppet.assert_alive();
}

/// UdpLibrary's older answer has no version at its end.
#[test]
fn an_answer_of_17_bytes_is_read_too() {
    let mut puppet = Puppet::asked(config());
    puppet.say(&response(Puppet::ID, Puppet::SEED, 2, [0, 0], 512, 3)[..17]);
    assert_eq!(puppet.node.connected(), Some(puppet.id));
    puppet.node.take();
    puppet.assert_alive();
}

#[test]
fn an_answer_of_17_bytes_is_given_where_the_config_says_so() {
    let mut puppet = Puppet::stranger(Config { confirm_has_version: false, ..config() });
    let out = puppet.say(&request(3, 77, 512, PROTOCOL));
    assert_eq!(out.iter().map(Vec::len).collect::<Vec<_>>(), [17]);
    Pair::of(config(), Config { confirm_has_version: false, ..config() }).connect().assert_alive();
}

#[test]
fn another_name_is_refused_with_reason_16_behind_the_answer() {
    for (version, name) in [(3, &b"Something else"[..]), (3, b""), (2, PROTOCOL), (4, PROTOCOL), (u32::MAX, PROTOCOL)] {
        let mut puppet = Puppet::stranger(config());
        let out = puppet.say(&request(version, 77, 512, name));
        assert_eq!(out.len(), 2, "version {version}: an answer, and a goodbye behind it");
        let wire = Wire::from(Answer::read(&out[0]).expect("a SessionResponse"));
        assert_eq!(wire.packets(&out[1]), [wire.disconnect(reason::PROTOCOL_MISMATCH)]);
        puppet.say(&wire.heartbeat());
        assert_eq!(puppet.node.connected(), None);
        assert_eq!(puppet.node.mux.stats().requests_refused, 1);
        assert_eq!(puppet.node.mux.find(&CLIENT()), None);
    }
}

#[test]
fn a_refused_client_learns_why() {
    let mut pair = Pair::of(config(), Config { application_protocol: Some(b"Other".to_vec()), ..config() });
    pair.start();
    assert!(pair.drive_until(5 * SECOND, |p| p.client.disconnected().is_some()));
    assert_eq!(pair.client.disconnected(), Some((EndedBy::Peer, reason::PROTOCOL_MISMATCH)));
    assert_eq!(pair.server.connected(), None);
    assert_eq!(pair.client.mux.send(pair.id, Channel::Reliable0, b"x"), Err(Error::StaleSession));
}

#[test]
fn a_server_without_a_name_takes_any() {
    let mut pair = Pair::of(config(), Config { application_protocol: None, ..config() });
    pair.start();
    assert!(pair.drive_until(SECOND, |p| p.server.connected().is_some()));
    assert_eq!(pair.server.take(), [What::Connected(PROTOCOL.to_vec())], "and says which");
    Pair::of(Config { application_protocol: None, ..config() }, Config { application_protocol: None, ..config() }).connect().assert_alive();
}

#[test]
fn version_0_takes_any_and_sends_3() {
    let mut puppet = Puppet::stranger(Config { protocol_version: 0, ..config() });
    assert!(Answer::read(&puppet.say(&request(9, 77, 512, PROTOCOL))[0]).is_some());
    assert_eq!(puppet.node.mux.stats().requests_refused, 0);
    let mut asked = Node::new(Config { protocol_version: 0, ..config() }, CLIENT(), 0);
    asked.mux.connect(0, &SERVER(), &ConnectOptions::default()).unwrap();
    assert_eq!(asked.turn(0)[0].1[2..6], [0, 0, 0, 3]);
}

mod by_the_host {
    use super::*;

    fn manual() -> Config {
        Config { manual_accept: true, ..config() }
    }

    #[test]
    fn a_request_waits_for_the_host_unanswered() {
        let mut puppet = Puppet::stranger(Config { application_protocol: None, ..manual() });
        let ask = request(3, 77, 512, b"any name: the host compares");
        assert_eq!(puppet.say(&ask), [] as [Vec<u8>; 0]);
        assert_eq!(puppet.say(&ask), [] as [Vec<u8>; 0], "the client asks again, the host is not");
        let seen = std::mem::take(&mut puppet.node.seen);
        let names: Vec<_> = seen.iter().map(|seen| seen.what.clone()).collect();
        assert_eq!(names, [What::ConnectRequest(b"any name: the host compares".to_vec())]);
        let id = seen[0].session;
        assert_eq!(puppet.node.mux.info(id).unwrap().state, SessionState::Requested);
        assert_eq!(puppet.node.mux.send(id, Channel::Reliable0, b"too early"), Err(Error::State));

        puppet.node.mux.accept(puppet.now, id, &AcceptOptions { user_data: Some(42), ..Default::default() }).unwrap();
        let out = puppet.node.turn(puppet.now);
        assert_eq!(out.len(), 1);
        puppet.wire = Answer::read(&out[0].1).expect("a SessionResponse").into();
        assert_eq!(puppet.node.mux.accept(puppet.now, id, &AcceptOptions::default()), Err(Error::State), "only once");
        puppet.say(&puppet.wire.heartbeat());
        assert_eq!(puppet.node.connected(), Some(id));
        assert_eq!(puppet.node.seen[0].user_data, 42);
        puppet.id = id;
        puppet.assert_alive();
    }

    #[test]
    fn a_refusal_is_an_answer_and_a_goodbye_with_reason_10() {
        let mut puppet = Puppet::stranger(manual());
        puppet.say(&request(3, 77, 512, PROTOCOL));
        let id = puppet.node.seen[0].session;
        puppet.node.mux.disconnect(id, reason::CONNECTION_REFUSED, Disconnect::Now).unwrap();
        let out = puppet.node.turn(puppet.now);
        assert_eq!(out.len(), 2);
        let wire = Wire::from(Answer::read(&out[0].1).expect("a SessionResponse"));
        assert_eq!(wire.packets(&out[1].1), [wire.disconnect(reason::CONNECTION_REFUSED)]);
        assert!(puppet.node.mux.info(id).is_err(), "the session is gone");
        assert_eq!(puppet.node.mux.find(&CLIENT()), None);
        assert_eq!(puppet.node.mux.stats().requests_refused, 1);
        assert_eq!(puppet.node.connected(), None);
    }

    #[test]
    fn a_client_refused_by_the_host_learns_it() {
        let mut pair = Pair::of(config(), manual());
        pair.start();
        assert!(pair.drive_until(SECOND, |p| !p.server.seen.is_empty()));
        let id = pair.server.seen[0].session;
        pair.server.mux.disconnect(id, reason::CONNECTION_REFUSED, Disconnect::Now).unwrap();
        assert!(pair.drive_until(SECOND, |p| p.client.disconnected().is_some()));
        assert_eq!(pair.client.disconnected(), Some((EndedBy::Peer, reason::CONNECTION_REFUSED)));
    }

    /// A host that looks the client up first: seconds pass, the client asks again, and is let in.
    #[test]
    fn the_host_may_take_its_time() {
        let mut pair = Pair::of(config(), manual());
        pair.start();
        pair.drive(4 * SECOND);
        assert_eq!(pair.server.seen.len(), 1);
        let id = pair.server.seen[0].session;
        let options = AcceptOptions {
            crc_length: Some(4),
            passes: Some([Pass::Compress, Pass::None]),
            cipher_key: Some(Key::new(b"secret").unwrap()),
            ..Default::default()
        };
        let now = pair.now;
        pair.server.mux.accept(now, id, &options).unwrap();
        assert!(pair.drive_until(2 * SECOND, |p| p.client.connected().is_some() && p.server.connected().is_some()));
        let info = pair.client.mux.info(pair.id).unwrap();
        assert_eq!((info.crc_length, info.passes), (4, [Pass::Compress, Pass::None]), "the choices of this accept, not of the config");
        let key =
            soe::Cipher { direction: soe::Direction::Both, key: Some(Key::new(b"secret").unwrap()), drop: 0, scope: Default::default() };
        pair.client.mux.set_cipher(pair.id, &key).unwrap();
        pair.peer = id;
        pair.assert_alive();
    }

    /// 30 s after the last word of a client that nobody accepted, it is forgotten.
    #[test]
    fn a_request_that_the_host_never_answers_goes_away() {
        let mut puppet = Puppet::stranger(manual());
        puppet.say(&request(3, 77, 512, PROTOCOL));
        let id = puppet.node.seen[0].session;
        puppet.wait(40 * SECOND);
        assert!(puppet.node.mux.info(id).is_err());
        assert_eq!(puppet.node.mux.find(&CLIENT()), None);
    }
}

#[test]
fn what_a_host_may_not_do_is_said_at_once() {
    let mut pair = Pair::new();
    pair.start();
    assert_eq!(pair.client.mux.send(pair.id, Channel::Reliable0, b"too early"), Err(Error::State));
    let again = pair.client.mux.connect(pair.now, &SERVER(), &ConnectOptions::default());
    assert_eq!(again, Err(Error::State), "there is a session at this address");
    assert_eq!(pair.client.mux.accept(pair.now, pair.id, &AcceptOptions::default()), Err(Error::State), "nobody asked");
    let nowhere = pair.client.mux.connect(pair.now, &address(3, 0), &ConnectOptions::default());
    assert_eq!(nowhere, Err(Error::InvalidArgument), "port 0");
    for name in [vec![b'a'; 256], b"with\0zero".to_vec()] {
        let options = ConnectOptions { application_protocol: Some(name), ..Default::default() };
        assert_eq!(pair.client.mux.connect(pair.now, &address(3, 3), &options), Err(Error::InvalidArgument));
    }
    let stranger = soe::SessionId::from_raw(12345);
    assert_eq!(pair.client.mux.send(stranger, Channel::Reliable0, b"x"), Err(Error::StaleSession));
    assert!(matches!(pair.client.mux.info(stranger), Err(Error::StaleSession)));

    let mut pair = Pair::new().connect();
    assert_eq!(pair.client.mux.send(pair.id, Channel::Reliable0, b""), Err(Error::InvalidArgument));
    assert_eq!(pair.client.mux.send(pair.id, Channel::Unreliable, b""), Err(Error::InvalidArgument));
    let too_long = vec![0; config().max_message as usize + 1];
    assert_eq!(pair.client.mux.send(pair.id, Channel::Reliable0, &too_long), Err(Error::TooLarge));
    pair.assert_alive();
}

#[test]
fn a_config_out_of_range_is_refused() {
    let bad = [
        Config { udp_length: 15, ..config() },
        Config { udp_length: 0, ..config() },
        Config { udp_length: 16_385, ..config() },
        Config { crc_length: 5, ..config() },
        Config { max_sessions: 0, ..config() },
        Config { redundancy: 4, ..config() },
        Config { application_protocol: Some(vec![b'x'; 256]), ..config() },
    ];
    for config in bad {
        assert_eq!(Multiplexer::new(config.clone(), 0).err(), Some(Error::InvalidArgument), "{config:?}");
    }
    for udp_length in [16, 64, 16_384] {
        assert!(Multiplexer::new(Config { udp_length, ..config() }, 0).is_ok());
    }
}

#[test]
fn the_session_limit_refuses_the_next() {
    let mut puppet = Puppet::stranger(Config { max_sessions: 2, ..config() });
    let mut open = |port: u16| {
        let from = address(1, port);
        let out = puppet.say_from(&from, &request(3, u32::from(port), 512, PROTOCOL));
        let Some(answer) = out.first().and_then(|(_, data)| Answer::read(data)) else { return false };
        let before = puppet.node.mux.stats().sessions_connected;
        puppet.say_from(&from, &Wire::from(answer).heartbeat());
        puppet.node.mux.stats().sessions_connected > before
    };
    assert!(open(1));
    assert!(open(2));
    assert!(!open(3));
    let mut node = Node::new(Config { max_sessions: 1, ..config() }, CLIENT(), 0);
    node.mux.connect(0, &address(3, 3), &ConnectOptions::default()).unwrap();
    assert_eq!(node.mux.connect(0, &address(3, 4), &ConnectOptions::default()), Err(Error::Limit));
}

#[test]
fn who_only_connects_answers_no_requests() {
    let mut puppet = Puppet::stranger(Config { client_only: true, ..config() });
    let out = puppet.say(&request(3, 77, 512, PROTOCOL));
    assert!(out.iter().all(|data| Answer::read(data).is_none()), "{out:?}");
    assert_eq!(puppet.node.mux.find(&CLIENT()), None);
}

#[test]
fn user_data_comes_with_each_event() {
    let mut pair = Pair::new();
    let options = ConnectOptions { user_data: 7, ..Default::default() };
    pair.id = pair.client.mux.connect(pair.now, &SERVER(), &options).unwrap();
    assert!(pair.drive_until(SECOND, |p| p.server.connected().is_some() && p.client.connected().is_some()));
    pair.peer = pair.server.connected().unwrap();
    pair.reply(Channel::Reliable0, b"one");
    pair.drive(10 * MS);
    pair.client.mux.set_user_data(pair.id, 8).unwrap();
    assert_eq!(pair.client.mux.info(pair.id).unwrap().user_data, 8);
    pair.reply(Channel::Reliable0, b"two");
    pair.drive(10 * MS);
    let seen: Vec<_> = pair.client.seen.iter().map(|seen| seen.user_data).collect();
    assert_eq!(seen, [7, 7, 8]);
    assert!(pair.server.seen.iter().all(|seen| seen.user_data == 0));
}

/// Crossed connects: UdpLibrary lets both time out. Whatever ours does, nothing panics, and nobody is left half connected for ever.
#[test]
fn two_that_connect_to_each_other_at_once_do_no_harm() {
    let mut pair = Pair::new();
    pair.start();
    let now = pair.now;
    pair.server.mux.connect(now, &CLIENT(), &ConnectOptions::default()).unwrap();
    pair.drive(40 * SECOND);
    assert_eq!(pair.client.connected().is_some(), pair.server.connected().is_some(), "{:?} {:?}", pair.client.seen, pair.server.seen);
}
