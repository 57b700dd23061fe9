//! RC4 over application messages: from the first one, or from where the host says.

use crate::common::*;
use soe::{Channel, Cipher, Config, Direction, Error, Key, Scope};

fn key(bytes: &[u8]) -> Option<Key> {
    Some(Key::new(bytes).unwrap())
}

fn cipher(direction: Direction, bytes: &[u8]) -> Cipher {
    Cipher { direction, key: key(bytes), drop: 0, scope: Scope::PerChannel }
}

fn keyed() -> Config {
    Config { cipher_key: key(&[1, 2, 3, 4, 5]), ..config() }
}

#[test]
fn a_key_in_the_config_ciphers_from_the_first_message() {
    let mut pair = Pair::of(keyed(), keyed()).tapped().connect();
    for channel in [Channel::Reliable0, Channel::Reliable1, Channel::Reliable2, Channel::Reliable3] {
        for text in [&b"a secret that nobody sees"[..], b"and another"] {
            pair.send(channel, text);
            pair.reply(channel, text);
            pair.drive(5 * MS);
            assert_eq!(pair.server.take_messages(), [(channel, text.to_vec())]);
            assert_eq!(pair.client.take_messages(), [(channel, text.to_vec())]);
        }
    }
    let seen = pair.tap.take().unwrap().iter().any(|tapped| tapped.data.windows(6).any(|window| window == b"secret"));
    assert!(!seen);
}

/// Keystream of 01 02 03 04 05: b2 39 63 05 f0; one continuous state per channel and direction, from known-answers.md.
#[test]
fn the_bytes_are_those_of_the_reference() {
    let mut puppet = Puppet::client(keyed());
    let wire = puppet.wire;
    for (index, expected) in ["b239", "6305", "f03d"].into_iter().enumerate() {
        puppet.node.mux.send(puppet.id, Channel::Reliable1, &[0, 0]).unwrap();
        let sent: Vec<_> = puppet.node.turn(puppet.now).into_iter().map(|(_, data)| data).collect();
        assert_eq!(sent, [wire.seal(&Wire::reliable(1, index as u16, &unhex(expected)))]);
    }
    puppet.say(&wire.seal(&Wire::reliable(0, 0, &unhex("b2396305"))));
    puppet.say(&wire.seal(&Wire::reliable(0, 1, &unhex("001903f03dc002279f"))));
    let got: Vec<_> = puppet.node.take_messages().into_iter().map(|(_, data)| data).collect();
    assert_eq!(got, [vec![0; 4], vec![0; 3], vec![0, 0x9f ^ 0xcc]]);
}

/// A ciphertext that begins with zero gets one more in front; whoever reads strips one, but never the only byte.
#[test]
fn a_leading_zero_of_the_ciphertext_is_doubled() {
    let mut puppet = Puppet::client(keyed());
    let wire = puppet.wire;
    for (sequence, (plain, on_the_wire)) in [("b2", "0000"), ("3963f0", "000000f5")].into_iter().enumerate() {
        let plain = unhex(plain);
        puppet.node.mux.send(puppet.id, Channel::Reliable0, &plain).unwrap();
        let sent = puppet.node.turn(puppet.now);
        let packet = &wire.packets(&sent[0].1)[0];
        assert_eq!(hex(&packet[4..]), on_the_wire);
        puppet.say(&wire.seal(&Wire::reliable(0, sequence as u16, &packet[4..])));
        assert_eq!(puppet.node.take_messages(), [(Channel::Reliable0, plain)]);
    }
    let mut puppet = Puppet::client(keyed());
    puppet.say(&puppet.wire.seal(&Wire::reliable(0, 0, &[0])));
    assert_eq!(puppet.node.take_messages(), [(Channel::Reliable0, vec![0xb2])], "the byte 00 alone is a ciphertext");
}

#[test]
fn all_lengths_and_channels_through_a_rough_link() {
    let mut pair = Pair::over(Path::ROUGH, 3, keyed(), keyed()).connect();
    let messages: Vec<_> = (1..=600usize).map(|len| (RELIABLE[len % 4], noise(len, len as u64))).collect();
    for (channel, data) in &messages {
        pair.send(*channel, data);
    }
    pair.send(Channel::Reliable0, &noise(50_000, 1));
    assert!(pair.drive_until(120 * SECOND, |p| p.server.message_count() == 601));
    for channel in RELIABLE {
        let mut expected: Vec<_> = messages.iter().filter(|(c, _)| *c == channel).map(|(_, data)| data.clone()).collect();
        if channel == Channel::Reliable0 {
            expected.push(noise(50_000, 1));
        }
        assert!(pair.server.messages_on(channel) == expected, "{channel:?}");
    }
}

/// Raw packets may be lost: a continuous state could not follow.
#[test]
fn unreliable_messages_stay_plain() {
    let mut puppet = Puppet::client(keyed());
    puppet.node.mux.send(puppet.id, Channel::Unreliable, b"plain").unwrap();
    assert_eq!(puppet.node.turn(puppet.now)[0].1, puppet.wire.sign(b"plain".to_vec()));
}

#[test]
fn a_cipher_set_mid_session_covers_what_comes_after() {
    let mut pair = Pair::new().connect();
    pair.send(Channel::Reliable0, b"login");
    pair.drive(5 * MS);
    pair.server.mux.set_cipher(pair.peer, &cipher(Direction::Both, b"key")).unwrap();
    pair.client.mux.set_cipher(pair.id, &cipher(Direction::Both, b"key")).unwrap();
    pair.assert_alive();
    for direction in [Direction::Send, Direction::Receive] {
        let mirrored = if direction == Direction::Send { Direction::Receive } else { Direction::Send };
        pair.client.mux.set_cipher(pair.id, &cipher(direction, b"another")).unwrap();
        pair.server.mux.set_cipher(pair.peer, &cipher(mirrored, b"another")).unwrap();
        pair.assert_alive();
    }
    let plain = Cipher { direction: Direction::Both, key: None, drop: 0, scope: Scope::PerChannel };
    pair.client.mux.set_cipher(pair.id, &plain).unwrap();
    pair.server.mux.set_cipher(pair.peer, &plain).unwrap();
    pair.assert_alive();
}

/// Sent before in the same breath stays plain, sent after is ciphered, though they share a datagram.
#[test]
fn the_cipher_begins_with_the_next_send() {
    let mut puppet = Puppet::client(config());
    puppet.node.mux.send(puppet.id, Channel::Reliable0, &[7, 7]).unwrap();
    puppet.node.mux.set_cipher(puppet.id, &cipher(Direction::Send, &[1, 2, 3, 4, 5])).unwrap();
    puppet.node.mux.send(puppet.id, Channel::Reliable0, &[0, 0]).unwrap();
    let wire = puppet.wire;
    let sent: Vec<_> = puppet.node.turn(puppet.now).iter().flat_map(|(_, data)| wire.packets(data)).collect();
    let bundled = vec![Wire::reliable(0, 0, &unhex("0019020707 02b239".replace(' ', "").as_str()))];
    let apart = vec![Wire::reliable(0, 0, &[7, 7]), Wire::reliable(0, 1, &unhex("b239"))];
    assert!(sent == bundled || sent == apart, "{sent:?}");
}

/// The rule for hosts that turn RC4 on after a login: what stands behind the login in the same datagram is not handed out before they could.
#[test]
fn with_cipher_by_host_a_login_and_what_follows_it_come_apart() {
    let mut puppet = Puppet::client(Config { cipher_by_host: true, ..config() });
    let wire = puppet.wire;
    let login = [&[0, 0x19, 5][..], b"login", &[2, 0xb2, 0x39, 2, 0x63, 0x05]].concat();
    puppet.node.mux.feed(
        puppet.now,
        &CLIENT(),
        &wire.seal(&multi(&[&Wire::reliable(0, 0, &login), &Wire::reliable(0, 1, &unhex("f03d"))])),
    );
    assert_eq!(puppet.node.read_some_events(64), 1, "at most one while the receive cipher was not set");
    assert_eq!(puppet.node.take_messages(), [(Channel::Reliable0, b"login".to_vec())]);
    puppet.node.mux.set_cipher(puppet.id, &cipher(Direction::Both, &[1, 2, 3, 4, 5])).unwrap();
    puppet.node.read_events();
    assert_eq!(
        puppet.node.take_messages(),
        [(Channel::Reliable0, vec![0, 0]), (Channel::Reliable0, vec![0, 0]), (Channel::Reliable0, vec![0, 0])]
    );
}

#[test]
fn with_cipher_by_host_a_plain_session_loses_nothing() {
    let mut pair = Pair::of(Config { cipher_by_host: true, ..config() }, Config { cipher_by_host: true, ..config() }).connect();
    for index in 0..500u32 {
        pair.send(RELIABLE[index as usize % 4], &index.to_be_bytes());
    }
    assert!(pair.drive_until(5 * SECOND, |p| p.server.message_count() == 500));
}

/// EverQuest II discards the first 20 bytes of each keystream.
#[test]
fn the_beginning_of_the_keystream_can_be_dropped() {
    let mut puppet = Puppet::client(config());
    let cipher = Cipher { direction: Direction::Both, key: key(&[1, 2, 3, 4, 5]), drop: 3, scope: Scope::PerChannel };
    puppet.node.mux.set_cipher(puppet.id, &cipher).unwrap();
    puppet.node.mux.send(puppet.id, Channel::Reliable0, &[0, 0]).unwrap();
    let wire = puppet.wire;
    let sent = puppet.node.turn(puppet.now);
    assert_eq!(wire.packets(&sent[0].1), [Wire::reliable(0, 0, &unhex("05f0"))]);
}

/// Sanctuary keeps one stream for a whole session: all reliable channels take from it, in the order of sending.
#[test]
fn channels_may_share_one_keystream() {
    let mut puppet = Puppet::client(config());
    let cipher = Cipher { direction: Direction::Send, key: key(&[1, 2, 3, 4, 5]), drop: 0, scope: Scope::Reliable };
    puppet.node.mux.set_cipher(puppet.id, &cipher).unwrap();
    let wire = puppet.wire;
    for (channel, expected) in [(0, "b239"), (1, "6305"), (0, "f03d")] {
        puppet.node.mux.send(puppet.id, RELIABLE[channel], &[0, 0]).unwrap();
        let sent = puppet.node.turn(puppet.now);
        assert_eq!(hex(&wire.packets(&sent[0].1)[0][4..]), expected);
    }
}

#[test]
fn a_cipher_needs_an_open_session() {
    let mut puppet = Puppet::asked(config());
    let cipher = cipher(Direction::Both, b"key");
    assert_eq!(puppet.node.mux.set_cipher(puppet.id, &cipher), Err(Error::State));
    assert_eq!(puppet.node.mux.set_cipher(soe::SessionId::from_raw(999), &cipher), Err(Error::StaleSession));
}

#[test]
fn keys_never_show() {
    let secret = b"do not print me";
    let text = format!("{:?} {:?}", Config { cipher_key: key(secret), ..config() }, cipher(Direction::Both, secret));
    assert!(!text.contains("do not print"), "{text}");
    assert!(!text.contains(&format!("{:?}", &secret[..4])[1..12]), "nor its bytes: {text}");
    assert_eq!(Key::new(&[]).err(), Some(Error::InvalidArgument));
    assert!(Key::new(&[0; 256]).is_ok());
    assert_eq!(Key::new(&[0; 257]).err(), Some(Error::InvalidArgument));
}

#[test]
fn what_is_sent_plainly_is_bundled_though_what_is_received_is_enciphered() {
    let datagrams = [false, true].map(|ciphered| {
        let mut pair = Pair::new().connect();
        if ciphered {
            pair.client.mux.set_cipher(pair.id, &cipher(Direction::Receive, b"key")).unwrap();
        }
        let before = pair.client.mux.stats().datagrams_sent;
        for index in 0..200u32 {
            pair.send(Channel::Reliable0, &index.to_be_bytes());
        }
        pair.drive(100 * MS);
        assert_eq!(pair.server.message_count(), 200);
        pair.client.mux.stats().datagrams_sent - before
    });
    assert_eq!(datagrams[0], datagrams[1]);
}

/// The first message comes in the datagram that opens the session, enciphered: a host that takes one event at a time hears that it is connected, sets a key for each
/// direction, and reads on.
#[test]
fn a_cipher_set_when_a_session_is_connected_is_in_time_for_its_first_message() {
    let mut puppet = Puppet::half_open(Config { cipher_by_host: true, ..config() });
    puppet.node.reads_events = false;
    // 01 02 03 04 05 begins b2 39.
    puppet.say(&puppet.wire.seal(&Wire::reliable(0, 0, &unhex("b239"))));
    assert_eq!(puppet.node.read_some_events(1), 1);
    let id = puppet.node.connected().expect("connected, and nothing else");
    puppet.node.mux.set_cipher(id, &cipher(Direction::Receive, &[1, 2, 3, 4, 5])).unwrap();
    puppet.node.mux.set_cipher(id, &cipher(Direction::Send, &[0, 1, 2, 3, 4])).unwrap();
    assert_eq!(puppet.node.read_some_events(64), 1);
    assert_eq!(puppet.node.take_messages(), [(Channel::Reliable0, vec![0, 0])]);
    puppet.node.mux.send(id, Channel::Reliable0, &[1, 2, 3, 4]).unwrap();
    let out = puppet.node.turn(puppet.now);
    let wire = puppet.wire;
    assert!(out.iter().flat_map(|(_, datagram)| wire.packets(datagram)).any(|packet| packet == Wire::reliable(0, 0, &unhex("ff1f0837"))));
}
