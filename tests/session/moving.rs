//! Peers that change their address, and peers that forgot us: RemapConnection and UnknownSender, and those who forge them.

use crate::common::*;
use soe::{Address, Channel, Config, EndedBy, reason};

/// The same host, another port.
const MOVED: fn() -> Address = || address(1, 4321);

const UNKNOWN_SENDER: [u8; 2] = [0, 0x1d];

#[test]
fn a_stranger_is_told_that_it_is_unknown() {
    let mut puppet = Puppet::client(config());
    let stranger = address(9, 9);
    for datagram in [&[0, 9, 0, 0, 1, 2][..], b"raw", &[0, 6], &[0, 6, 1, 2], &[0, 0x15, 0, 0, 1, 1], &[1]] {
        puppet.wait(5 * SECOND);
        puppet.say(&puppet.wire.heartbeat());
        let out = puppet.say_from(&stranger, datagram);
        assert_eq!(out, [(stranger, UNKNOWN_SENDER.to_vec())], "after {}", hex(datagram));
    }
    assert_eq!(puppet.node.mux.stats().dropped_stranger, 6);
    assert_eq!(puppet.node.take(), []);
}

/// Or two of ours would tell each other for ever.
#[test]
fn nobody_is_told_in_answer_to_a_goodbye_or_to_the_same() {
    let mut puppet = Puppet::client(config());
    let stranger = address(9, 9);
    for datagram in [&UNKNOWN_SENDER[..], &puppet.wire.seal(&puppet.wire.disconnect(6)), &[]] {
        puppet.wait(SECOND);
        assert_eq!(puppet.say_from(&stranger, datagram), [], "after {}", hex(datagram));
    }
}

/// A reply to each forged datagram would make us a reflector: no part of the network gets more of them than it may, and others theirs all the same.
#[test]
fn replies_to_strangers_are_rationed_by_prefix() {
    let mut puppet = Puppet::client(config());
    let mut replies = std::collections::HashMap::<u8, usize>::new();
    for index in 0..100_000u32 {
        let prefix = if index % 1000 == 0 { 17 } else { 16 };
        let from: Address = std::net::SocketAddr::from(([172, prefix, 0, index as u8], 7)).into();
        puppet.node.mux.feed(puppet.now, &from, b"who am I?");
        if index % 64 == 0 {
            puppet.node.turn(puppet.now).iter().for_each(|(to, _)| *replies.entry(to.bytes()[1]).or_default() += 1);
        }
    }
    puppet.node.turn(puppet.now).iter().for_each(|(to, _)| *replies.entry(to.bytes()[1]).or_default() += 1);
    assert_eq!((replies[&16], replies[&17]), (100, 100), "a flood from one prefix, and a hundred from another");
    let stats = puppet.node.mux.stats();
    assert_eq!((stats.dropped_stranger, stats.requests_limited), (100_000, 99_800));
}

#[test]
fn strangers_can_be_left_without_a_reply() {
    let mut puppet = Puppet::client(Config { reply_unknown_sender: false, ..config() });
    assert_eq!(puppet.say_from(&address(9, 9), b"who am I?"), []);
    assert_eq!(puppet.node.mux.stats().dropped_stranger, 1);
}

#[test]
fn forged_unknown_senders_end_no_session_that_lives() {
    for to_client in [true, false] {
        let mut pair = Pair::new().connect();
        for _ in 0..3_000 {
            let now = pair.now;
            match to_client {
                true => pair.client.mux.feed(now, &SERVER(), &UNKNOWN_SENDER),
                false => pair.server.mux.feed(now, &CLIENT(), &UNKNOWN_SENDER),
            }
            pair.drive(20 * MS);
        }
        assert_eq!(pair.client.take(), [], "a minute of it");
        assert_eq!(pair.server.take(), []);
        pair.assert_alive();
    }
}

/// Each forged hint must not cost us a datagram: fifty of them a second, and we stay calm.
#[test]
fn forged_unknown_senders_make_no_storm() {
    let mut puppet = Puppet::server(config());
    let mut said = 0;
    for _ in 0..500 {
        said += puppet.say(&UNKNOWN_SENDER).len() + puppet.wait(20 * MS).len();
        puppet.say(&puppet.wire.sign(vec![1]));
    }
    assert!(said <= 60, "{said} datagrams in ten seconds");
    assert_eq!(puppet.node.disconnected(), None);
}

#[test]
fn when_the_peer_forgot_us_the_session_ends_with_reason_7() {
    let mut puppet = Puppet::server(config());
    puppet.node.mux.send(puppet.id, Channel::Reliable0, b"are you there?").unwrap();
    puppet.wait(10 * MS);
    let began = puppet.now;
    while puppet.node.disconnected().is_none() {
        assert!(puppet.now - began < 25 * SECOND, "sooner than any timeout");
        // A server that restarted: it answers everything in the same way.
        for (_, data) in puppet.wait(100 * MS) {
            if data[..2] != UNKNOWN_SENDER {
                puppet.say(&UNKNOWN_SENDER);
            }
        }
        puppet.say(&UNKNOWN_SENDER);
    }
    assert_eq!(puppet.node.disconnected(), Some((EndedBy::Library, reason::UNREACHABLE_CONNECTION)));
}

#[test]
fn a_client_of_a_restarted_server_learns_of_it() {
    let mut pair = Pair::new().connect();
    pair.server = Node::new(Config { rng_seed: 99, ..config() }, SERVER(), pair.now);
    pair.send(Channel::Reliable0, b"are you there?");
    assert!(pair.drive_until(25 * SECOND, |p| p.client.disconnected().is_some()), "sooner than any timeout");
    assert_eq!(pair.client.disconnected(), Some((EndedBy::Library, reason::UNREACHABLE_CONNECTION)));
    let datagrams = pair.client.mux.stats().datagrams_sent;
    assert!(datagrams < 100, "no ping-pong at the speed of the link: {datagrams}");
}

#[test]
fn a_hint_from_a_stranger_is_no_hint() {
    let mut puppet = Puppet::server(config());
    for _ in 0..100 {
        puppet.say_from(&address(9, 9), &UNKNOWN_SENDER);
        puppet.wait(100 * MS);
    }
    assert_eq!(puppet.node.take(), []);
}

#[test]
fn a_session_moves_to_another_port_of_its_host() {
    let mut puppet = Puppet::client(config());
    puppet.say_from(&MOVED(), &puppet.wire.remap());
    assert_eq!(puppet.node.take(), [What::Rebound(MOVED())]);
    assert_eq!(puppet.node.mux.info(puppet.id).unwrap().address, MOVED());
    assert_eq!((puppet.node.mux.find(&MOVED()), puppet.node.mux.find(&CLIENT())), (Some(puppet.id), None));
    puppet.me = MOVED();
    puppet.assert_alive();
    // Its old place is a stranger's.
    puppet.say_from(&CLIENT(), &puppet.wire.seal(&Wire::reliable(0, 0, b"from the old port")));
    assert_eq!(puppet.node.take(), []);
}

#[test]
fn a_moved_session_can_move_back_and_on() {
    let mut puppet = Puppet::client(config());
    for port in [2_000, 1_000, 3_000, 4_000, 1_000] {
        let to = address(1, port);
        if puppet.node.mux.find(&to).is_some() {
            continue;
        }
        puppet.say_from(&to, &puppet.wire.remap());
        assert_eq!(puppet.node.take(), [What::Rebound(to)]);
        puppet.me = to;
        puppet.assert_alive();
    }
}

#[test]
fn hijackers_move_nothing() {
    let mut puppet = Puppet::client(config());
    let right = puppet.wire;
    let other_host = address(3, 1_000);
    let forged = [
        (MOVED(), Wire { seed: right.seed ^ 1, ..right }.remap()),
        (MOVED(), Wire { id: right.id ^ 1, ..right }.remap()),
        (MOVED(), Wire { id: right.seed, seed: right.id, ..right }.remap()),
        (other_host, right.remap()),
        (MOVED(), right.remap()[..9].to_vec()),
        (MOVED(), right.remap()[..2].to_vec()),
    ];
    for (from, datagram) in forged {
        puppet.say_from(&from, &datagram);
        assert_eq!(puppet.node.take(), [], "{}", hex(&datagram));
        assert_eq!(puppet.node.mux.find(&from), None);
    }
    puppet.assert_alive();
}

#[test]
fn a_million_guesses_move_nothing() {
    let mut puppet = Puppet::client(Config { reply_unknown_sender: false, ..config() });
    let mut random = Random::new(1);
    for index in 0..200_000u32 {
        let guess = Wire { seed: random.next_u64() as u32, ..puppet.wire };
        puppet.node.mux.feed(puppet.now, &MOVED(), &guess.remap());
        if index % 256 == 0 {
            puppet.node.turn(puppet.now);
        }
    }
    assert_eq!(puppet.node.take(), []);
    puppet.assert_alive();
}

#[test]
fn moving_can_be_forbidden() {
    let mut puppet = Puppet::client(Config { allow_port_remap: false, ..config() });
    puppet.say_from(&MOVED(), &puppet.wire.remap());
    assert_eq!(puppet.node.take(), []);
    puppet.assert_alive();
}

/// The place is taken: two sessions at one address would be one too many.
#[test]
fn nobody_moves_into_another_session() {
    let mut puppet = Puppet::client(config());
    let (wire, id) = (puppet.wire, puppet.id);
    let out = puppet.say_from(&MOVED(), &request(3, 77, 512, PROTOCOL));
    let other = Wire::from(Answer::read(&out[0].1).unwrap());
    puppet.say_from(&MOVED(), &other.heartbeat());
    let other_id = puppet.node.connected().unwrap();
    puppet.node.take();
    puppet.say_from(&MOVED(), &wire.remap());
    assert_eq!(puppet.node.take(), []);
    assert_eq!((puppet.node.mux.find(&CLIENT()), puppet.node.mux.find(&MOVED())), (Some(id), Some(other_id)));
}

#[test]
fn a_remap_from_where_the_session_is_changes_nothing() {
    let mut puppet = Puppet::client(config());
    puppet.say(&puppet.wire.remap());
    assert_eq!(puppet.node.take(), []);
    puppet.assert_alive();
}

/// A router forgot the client's port and gives it another one: the server says it doesn't know it, the client shows who it is, and nothing is lost.
#[test]
fn a_client_behind_a_forgetful_router_goes_on() {
    let mut pair = Pair::over(Path::delay(20 * MS), 1, config(), config()).connect();
    for index in 0..400u32 {
        if index % 100 == 50 {
            pair.client.address = address(1, 5_000 + index as u16);
        }
        pair.send(Channel::Reliable0, &index.to_be_bytes());
        pair.reply(Channel::Reliable1, &index.to_be_bytes());
        pair.drive(50 * MS);
    }
    let all = |p: &mut Pair| p.server.message_count() == 400 && p.client.message_count() == 400;
    assert!(pair.drive_until(60 * SECOND, all), "{} and {}", pair.server.message_count(), pair.client.message_count());
    let expected: Vec<_> = (0..400u32).map(u32::to_be_bytes).collect();
    assert_eq!(pair.server.messages_on(Channel::Reliable0), expected);
    assert_eq!(pair.client.messages_on(Channel::Reliable1), expected);
    let rebounds = pair.server.seen.iter().filter(|seen| matches!(seen.what, What::Rebound(_))).count();
    assert_eq!(rebounds, 4);
    assert_eq!((pair.client.disconnected(), pair.server.disconnected()), (None, None));
    assert_eq!(pair.server.connected(), None, "the same session all along");
    pair.assert_alive();
}

/// With addresses that only the host understands, the sixteen bytes are the machine and the port is the port.
#[test]
fn opaque_addresses_move_by_port_too() {
    let mut puppet = Puppet::stranger(config());
    puppet.me = Address::opaque([7; 16], 1);
    let out = puppet.say(&request(3, 77, 512, PROTOCOL));
    puppet.wire = Answer::read(&out[0]).unwrap().into();
    puppet.say(&puppet.wire.heartbeat());
    puppet.id = puppet.node.connected().unwrap();
    puppet.node.take();
    puppet.say_from(&Address::opaque([8; 16], 2), &puppet.wire.remap());
    assert_eq!(puppet.node.take(), [], "another machine");
    puppet.me = Address::opaque([7; 16], 2);
    puppet.say(&puppet.wire.remap());
    assert_eq!(puppet.node.take(), [What::Rebound(puppet.me)]);
    puppet.assert_alive();
}

/// A router that forgets an idle client gives its next heartbeat another port: the server knows nobody there, and says so in answer to the question itself.
#[test]
fn an_idle_client_whose_port_changes_goes_on() {
    for idle in [1, 10, 20] {
        let mut pair = Pair::new().connect();
        pair.drive(idle * SECOND);
        pair.client.address = address(1, 4321);
        pair.drive(60 * SECOND);
        assert_eq!(pair.client.disconnected(), None, "after {idle} s");
        assert_eq!(pair.server.take(), [What::Rebound(address(1, 4321))]);
        pair.assert_alive();
    }
}

/// UdpLibrary's kind answers no heartbeat, and a question that it answers does not fit the smallest datagrams: then nothing tells a forged hint from a true one.
#[test]
fn a_hint_ends_no_session_whose_peer_can_not_be_asked() {
    let setup =
        Config { probe: soe::Probe::NetStatus, answer_heartbeats: false, udp_length: 40, inactivity_timeout_ms: 60_000, ..config() };
    let mut puppet = Puppet::client(setup);
    for _ in 0..4 {
        let said = puppet.say(&[0, 0x1d]);
        assert!(said.contains(&puppet.wire.remap()), "it may have moved");
        puppet.wait(8 * SECOND);
        assert_eq!(puppet.node.disconnected(), None);
    }
    puppet.assert_alive();
}
