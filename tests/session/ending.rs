//! How a session ends, and who learns of it.

use crate::common::*;
use soe::{Channel, Config, Disconnect, EndedBy, Error, reason};

#[test]
fn a_goodbye_is_heard_with_its_reason() {
    for why in [0, reason::APPLICATION, reason::MANAGER_DELETED, reason::APPLICATION_RELEASED, 17, 999, u16::MAX] {
        for by_client in [true, false] {
            let mut pair = Pair::new().connect();
            let (this, id, that) = match by_client {
                true => (&mut pair.client, pair.id, &mut pair.server),
                false => (&mut pair.server, pair.peer, &mut pair.client),
            };
            that.take();
            this.mux.disconnect(id, why, Disconnect::Now).unwrap();
            assert!(this.mux.send(id, Channel::Reliable0, b"too late").is_err());
            pair.drive(100 * MS);
            let (this, that) = if by_client { (&mut pair.client, &mut pair.server) } else { (&mut pair.server, &mut pair.client) };
            assert_eq!(this.take(), [What::Disconnected(EndedBy::Host, why)]);
            assert_eq!(that.take(), [What::Disconnected(EndedBy::Peer, why)]);
            assert_eq!(this.mux.send(id, Channel::Reliable0, b"too late"), Err(Error::StaleSession));
            assert!(matches!(this.mux.info(id), Err(Error::StaleSession)));
            assert_eq!((this.mux.stats().sessions_disconnected, that.mux.stats().sessions_disconnected), (1, 1));
            assert_eq!((this.mux.next_deadline(), that.mux.next_deadline()), (u64::MAX, u64::MAX), "nothing is left to do");
        }
    }
}

#[test]
fn an_id_is_never_used_again() {
    let mut pair = Pair::new();
    let mut ids = vec![];
    for _ in 0..50 {
        pair = pair.connect();
        assert!(!ids.contains(&pair.id), "a new one each time");
        assert!(pair.id.get() > 0 && pair.id.get() < 1 << 53);
        ids.push(pair.id);
        pair.client.mux.disconnect(pair.id, reason::APPLICATION, Disconnect::Now).unwrap();
        pair.drive(10 * MS);
        for id in &ids {
            assert!(matches!(pair.client.mux.info(*id), Err(Error::StaleSession)));
        }
    }
}

#[test]
fn a_goodbye_now_loses_what_is_queued_and_leaves_at_once() {
    let mut puppet = Puppet::client(config());
    puppet.node.mux.send(puppet.id, Channel::Reliable0, &noise(100_000, 1)).unwrap();
    puppet.node.turn(puppet.now);
    puppet.node.mux.disconnect(puppet.id, reason::APPLICATION, Disconnect::Now).unwrap();
    let wire = puppet.wire;
    let said: Vec<_> = puppet.node.turn(puppet.now).iter().flat_map(|(_, data)| wire.packets(data)).collect();
    assert_eq!(said.last(), Some(&wire.disconnect(reason::APPLICATION)));
    assert_eq!(puppet.wait(10 * SECOND), [], "once");
}

#[test]
fn a_flush_delivers_everything_first() {
    for (path, seed) in [(Path::CLEAN, 1), (Path { loss_percent: 5, ..Path::ROUGH }, 2)] {
        let make = || Config { flush_timeout_ms: 30_000, ..config() };
        let mut pair = Pair::over(path, seed, make(), make()).connect();
        let messages: Vec<_> = (0..50).map(|index| noise(3_000, index)).collect();
        for data in &messages {
            pair.send(Channel::Reliable1, data);
        }
        pair.client.mux.disconnect(pair.id, reason::APPLICATION, Disconnect::Flush).unwrap();
        assert_eq!(pair.client.mux.send(pair.id, Channel::Reliable1, b"too late"), Err(Error::State));
        assert_eq!(pair.client.mux.info(pair.id).unwrap().state, soe::SessionState::Closing);
        assert!(pair.drive_until(60 * SECOND, |p| p.client.disconnected().is_some()));
        pair.drive(SECOND);
        assert!(pair.server.messages_on(Channel::Reliable1) == messages, "{} of 50", pair.server.message_count());
        assert_eq!(pair.client.disconnected(), Some((EndedBy::Host, reason::APPLICATION)));
        if path.loss_percent == 0 {
            assert_eq!(pair.server.disconnected(), Some((EndedBy::Peer, reason::APPLICATION)));
        }
    }
}

#[test]
fn a_flush_of_nothing_is_a_goodbye_now() {
    let mut pair = Pair::new().connect();
    pair.client.mux.disconnect(pair.id, reason::APPLICATION, Disconnect::Flush).unwrap();
    assert!(pair.drive_until(100 * MS, |p| p.client.disconnected().is_some() && p.server.disconnected().is_some()));
}

#[test]
fn a_flush_that_nobody_acknowledges_has_an_end() {
    let mut puppet = Puppet::client(config());
    puppet.node.mux.send(puppet.id, Channel::Reliable0, b"hear me").unwrap();
    puppet.node.turn(puppet.now);
    let began = puppet.now;
    puppet.node.mux.disconnect(puppet.id, reason::APPLICATION, Disconnect::Flush).unwrap();
    let said = puppet.wait(20 * SECOND);
    let goodbyes: Vec<_> = said.iter().filter(|(_, data)| puppet.wire.packets(data).contains(&puppet.wire.disconnect(6))).collect();
    assert_eq!(goodbyes.len(), 1);
    assert!((4_900 * MS..5_200 * MS).contains(&(goodbyes[0].0 - began)), "after flush_timeout_ms: {}", goodbyes[0].0 - began);
    assert_eq!(puppet.node.take(), [What::Disconnected(EndedBy::Host, reason::APPLICATION)]);
}

/// UdpLibrary: while one side flushes, what the other sends is acknowledged, so that it can end too.
#[test]
fn a_flushing_side_goes_on_acknowledging() {
    let mut puppet = Puppet::client(config());
    puppet.node.mux.send(puppet.id, Channel::Reliable0, b"hear me").unwrap();
    puppet.node.turn(puppet.now);
    puppet.node.mux.disconnect(puppet.id, reason::APPLICATION, Disconnect::Flush).unwrap();
    puppet.node.turn(puppet.now);
    let data = puppet.wire.seal(&Wire::reliable(2, 0, b"me too"));
    assert!(puppet.packets_after(&data).contains(&Wire::ack_all(2, 0)));
}

#[test]
fn when_both_flush_both_end() {
    let mut pair = Pair::new().connect();
    pair.send(Channel::Reliable0, &noise(20_000, 1));
    pair.reply(Channel::Reliable0, &noise(20_000, 1));
    pair.client.mux.disconnect(pair.id, 6, Disconnect::Flush).unwrap();
    pair.server.mux.disconnect(pair.peer, 6, Disconnect::Flush).unwrap();
    assert!(pair.drive_until(10 * SECOND, |p| p.client.disconnected().is_some() && p.server.disconnected().is_some()));
}

#[test]
fn a_silent_end_tells_the_peer_nothing() {
    let mut puppet = Puppet::client(config());
    puppet.node.mux.send(puppet.id, Channel::Reliable0, b"never leaves").unwrap();
    puppet.node.mux.disconnect(puppet.id, reason::TIMEOUT, Disconnect::Silent).unwrap();
    assert_eq!(puppet.wait(60 * SECOND), []);
    assert_eq!(puppet.node.take(), [What::Disconnected(EndedBy::Host, reason::TIMEOUT)]);
}

#[test]
fn a_connect_can_be_taken_back() {
    for how in [Disconnect::Now, Disconnect::Flush, Disconnect::Silent] {
        let mut puppet = Puppet::asked(config());
        puppet.node.mux.disconnect(puppet.id, reason::APPLICATION, how).unwrap();
        puppet.wait(5 * SECOND);
        assert_eq!(puppet.node.take(), [What::Disconnected(EndedBy::Host, reason::APPLICATION)]);
        puppet.say(&response(Puppet::ID, Puppet::SEED, 2, [0, 0], 512, 3));
        assert_eq!(puppet.node.take(), []);
        assert_eq!(puppet.node.mux.find(&SERVER()), None);
    }
}

/// What came before the goodbye comes before the event.
#[test]
fn the_end_is_the_last_event() {
    let mut puppet = Puppet::client(config());
    for index in 0..5 {
        puppet.node.mux.feed(puppet.now, &CLIENT(), &puppet.wire.seal(&Wire::reliable(0, index, &[index as u8])));
    }
    puppet.say(&puppet.wire.seal(&puppet.wire.disconnect(6)));
    let seen = puppet.node.take();
    assert_eq!(seen.len(), 6);
    assert_eq!(seen[5], What::Disconnected(EndedBy::Peer, 6));
}

/// Very old peers give no reason: six bytes behind the opcode's two are four.
#[test]
fn a_goodbye_without_a_reason_is_one() {
    let mut puppet = Puppet::client(config());
    let packet = puppet.wire.disconnect(6);
    puppet.say(&puppet.wire.seal(&packet[..6]));
    assert_eq!(puppet.node.disconnected(), Some((EndedBy::Peer, reason::NONE)));
}

#[test]
fn a_goodbye_of_another_session_is_ignored() {
    let mut puppet = Puppet::client(config());
    let other = Wire { id: puppet.wire.id ^ 1, ..puppet.wire };
    puppet.say(&puppet.wire.seal(&other.disconnect(6)));
    assert_eq!(puppet.node.take(), []);
    assert_eq!(puppet.node.mux.session_stats(puppet.id).unwrap().dropped_contextless, 1);
    puppet.assert_alive();
}

#[test]
fn a_goodbye_without_its_crc_is_ignored() {
    let mut puppet = Puppet::client(config());
    puppet.say(&puppet.wire.disconnect(6));
    puppet.say(&[&puppet.wire.disconnect(6)[..], &[0, 0]].concat());
    assert_eq!(puppet.node.take(), []);
    puppet.assert_alive();
}

mod in_a_multi_packet {
    use super::*;

    #[test]
    fn nothing_behind_a_goodbye_is_read() {
        let mut puppet = Puppet::client(config());
        let wire = puppet.wire;
        puppet.say(&wire.seal(&multi(&[&wire.disconnect(6), &Wire::reliable(0, 0, b"too late")])));
        assert_eq!(puppet.node.take(), [What::Disconnected(EndedBy::Peer, 6)]);
    }

    #[test]
    fn what_stands_before_a_goodbye_is() {
        let mut puppet = Puppet::client(config());
        let wire = puppet.wire;
        let before = Wire::reliable(0, 0, b"in time");
        let after = Wire::reliable(0, 1, b"too late");
        puppet.say(&wire.seal(&multi(&[&before, &multi(&[&wire.disconnect(6), &after]), &after])));
        let expected = [What::Message(Channel::Reliable0, b"in time".to_vec()), What::Disconnected(EndedBy::Peer, 6)];
        assert_eq!(puppet.node.take(), expected, "out of both MultiPackets");
    }
}

/// After the end the address is free: for the same peer, at once.
#[test]
fn the_same_peers_can_begin_again() {
    let mut pair = Pair::new();
    for _ in 0..20 {
        pair = pair.connect();
        pair.assert_alive();
        pair.server.mux.disconnect(pair.peer, reason::APPLICATION, Disconnect::Now).unwrap();
        assert!(pair.drive_until(SECOND, |p| p.client.disconnected().is_some()));
        pair.client.take();
        pair.server.take();
    }
}
