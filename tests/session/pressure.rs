//! Full queues: the sender's, the host's.

use crate::common::*;
use soe::{Channel, Config, Error};

#[test]
fn a_full_send_queue_says_so_and_says_when_there_is_room() {
    let mut pair = Pair::new().connect();
    let data = [7; 1_000];
    let mut sent = 0;
    while pair.client.mux.send(pair.id, Channel::Reliable0, &data).is_ok() {
        sent += 1;
        assert!(sent < 10_000, "a queue has an end");
    }
    assert!(sent >= 250, "256 KiB hold {sent} kB");
    assert_eq!(pair.client.mux.send(pair.id, Channel::Reliable0, &data), Err(Error::WouldBlock));
    assert!(pair.client.mux.info(pair.id).unwrap().queued_bytes >= 250_000);
    assert!(pair.drive_until(10 * SECOND, |p| p.client.seen.iter().any(|seen| seen.what == What::Writable)));
    pair.client.mux.send(pair.id, Channel::Reliable0, &data).expect("room, as it said");
    assert!(pair.drive_until(30 * SECOND, |p| p.server.message_count() == sent + 1));
    assert_eq!(pair.client.seen.iter().filter(|seen| seen.what == What::Writable).count(), 1, "said once");
    pair.client.take();
    pair.assert_alive();
}

/// UDP lengths decide how small a datagram is; 131 of them fit whatever the config says.
#[test]
fn the_queue_is_never_shorter_than_131_datagrams() {
    let mut pair = Pair::of(Config { send_queue_bytes: 1, ..config() }, config()).connect();
    for index in 0..131 {
        assert_eq!(pair.client.mux.send(pair.id, Channel::Reliable0, &[1; 400]), Ok(()), "{index}");
    }
    while pair.client.mux.send(pair.id, Channel::Reliable0, &[1; 400]).is_ok() {}
    pair.drive(10 * SECOND);
    pair.assert_alive();
}

/// One message may be longer than the whole queue: when it is empty it is taken.
#[test]
fn a_message_longer_than_the_queue_is_taken_alone() {
    let mut pair = Pair::new().connect();
    let long = noise(2_000_000, 1);
    pair.send(Channel::Reliable0, &long);
    assert_eq!(pair.client.mux.send(pair.id, Channel::Reliable0, &[1; 1_000]), Err(Error::WouldBlock));
    assert!(pair.drive_until(60 * SECOND, |p| p.server.message_count() == 1));
    assert!(pair.server.take_messages()[0].1 == long);
    pair.assert_alive();
}

#[test]
fn a_host_that_reads_late_loses_nothing_reliable() {
    let mut pair = Pair::of(config(), Config { max_queued_events: 100, ..config() }).connect();
    pair.server.reads_events = false;
    let mut sent = 0u32;
    for _ in 0..300 {
        while sent < 5_000 && pair.client.mux.send(pair.id, Channel::Reliable0, &sent.to_be_bytes()).is_ok() {
            sent += 1;
        }
        pair.drive(10 * MS);
    }
    assert_eq!(sent, 5_000);
    pair.server.reads_events = true;
    assert!(pair.drive_until(120 * SECOND, |p| p.server.message_count() == 5_000), "{} of 5,000", pair.server.message_count());
    let expected: Vec<_> = (0..5_000u32).map(u32::to_be_bytes).collect();
    assert!(pair.server.messages_on(Channel::Reliable0) == expected);
    assert!(pair.server.mux.stats().dropped_window > 0, "some came when there was no room, and came again");
    pair.assert_alive();
}

#[test]
fn a_host_that_reads_late_is_bounded_in_bytes_too() {
    let mut pair = Pair::of(config(), Config { max_queued_bytes: 100_000, ..config() }).connect();
    pair.server.reads_events = false;
    let messages: Vec<_> = (0..100).map(|index| noise(10_000, index)).collect();
    let mut rest = messages.iter();
    let mut next = rest.next();
    for _ in 0..300 {
        while let Some(data) = next
            && pair.client.mux.send(pair.id, Channel::Reliable2, data).is_ok()
        {
            next = rest.next();
        }
        pair.drive(10 * MS);
    }
    let held = pair.server.mux.stats().messages_received;
    assert!(held <= 12, "{held} messages of 10 kB held in 100 kB");
    pair.server.reads_events = true;
    let done = |p: &mut Pair| {
        while let Some(data) = next
            && p.client.mux.send(p.id, Channel::Reliable2, data).is_ok()
        {
            next = rest.next();
        }
        p.server.message_count() == 100
    };
    assert!(pair.drive_until(120 * SECOND, done));
    assert!(pair.server.messages_on(Channel::Reliable2) == messages);
}

#[test]
fn a_host_that_reads_late_loses_lossy_messages_and_they_are_counted() {
    let mut puppet = Puppet::client(Config { max_queued_events: 10, ..config() });
    puppet.node.reads_events = false;
    for index in 0..100 {
        puppet.say(&puppet.wire.sign(vec![1, index]));
    }
    puppet.node.reads_events = true;
    puppet.node.read_events();
    let got = puppet.node.take_messages().len() as u64;
    assert!((1..=10).contains(&got), "{got}");
    assert_eq!(puppet.node.mux.session_stats(puppet.id).unwrap().dropped_lossy, 100 - got);
    puppet.assert_alive();
}

/// A late host is told of beginnings and ends, however full its queue.
#[test]
fn events_that_are_no_messages_are_never_lost() {
    let mut puppet = Puppet::client(Config { max_queued_events: 1, ..config() });
    puppet.node.reads_events = false;
    puppet.say(&puppet.wire.seal(&Wire::reliable(0, 0, b"one")));
    puppet.say(&puppet.wire.seal(&Wire::reliable(0, 1, b"two")));
    puppet.say(&puppet.wire.seal(&puppet.wire.disconnect(6)));
    puppet.node.reads_events = true;
    puppet.node.read_events();
    assert_eq!(puppet.node.take().last(), Some(&What::Disconnected(soe::EndedBy::Peer, 6)));
}

#[test]
fn what_is_longer_than_allowed_is_not_taken_from_a_peer() {
    let mut pair = Pair::of(config(), Config { max_message: 10_000, ..config() }).connect();
    pair.send(Channel::Reliable0, &noise(10_000, 1));
    assert!(pair.drive_until(5 * SECOND, |p| p.server.message_count() == 1), "the limit itself");
    pair.server.take();
    pair.send(Channel::Reliable0, &noise(10_001, 1));
    pair.drive(10 * SECOND);
    assert_eq!(pair.server.message_count(), 0);
    assert!(pair.server.mux.stats().dropped_malformed > 0);
}

/// The oldest event is lent until the next drain: what is fed in between must not touch it.
#[test]
fn what_was_lent_stays_as_it_is_while_others_arrive() {
    let mut puppet = Puppet::client(config());
    for index in 0..2_000u16 {
        puppet.node.mux.feed(puppet.now, &CLIENT(), &puppet.wire.seal(&Wire::reliable(0, index, &noise(100, index.into()))));
        if index % 7 == 0 {
            puppet.node.read_some_events(3);
        }
        if index % 16 == 0 {
            let mut out = vec![];
            puppet.node.drain(puppet.now, &mut out);
        }
    }
    puppet.node.read_events();
    let got = puppet.node.take_messages();
    assert_eq!(got.len(), 2_000);
    assert!(got.iter().enumerate().all(|(index, (_, data))| *data == noise(100, index as u64)));
}
