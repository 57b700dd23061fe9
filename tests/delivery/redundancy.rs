//! Small reliable packets that go out more than once before anything is known to be lost.

use crate::cargo::PAYLOAD;
use crate::common::*;
use soe::{Channel, Config};

const DELAY: u64 = 10 * MS;

fn puppet(redundancy: u32) -> Puppet {
    Puppet::client(Config { redundancy, redundancy_delay_us: DELAY as u32, ..config() })
}

fn send(puppet: &mut Puppet, data: &[u8]) {
    puppet.node.mux.send(puppet.id, Channel::Reliable0, data).expect("room");
}

/// When the packet of this sequence left, and with how many others.
fn departures(puppet: &Puppet, heard: &[(u64, Vec<u8>)], sequence: u16) -> Vec<(u64, usize)> {
    let mut departures = vec![];
    for (at, datagram) in heard {
        let packets = puppet.wire.packets(datagram);
        let named = packets.iter().filter(|packet| packet.starts_with(&[0, 9, (sequence >> 8) as u8, sequence as u8])).count();
        assert!(named <= 1, "twice in one datagram");
        if named == 1 {
            departures.push((*at, packets.len() - 1));
        }
    }
    departures
}

/// Where nothing else leaves, a copy leaves alone after the delay; as many as were asked for, and then only what loss asks for.
#[test]
fn copies_leave_alone_after_the_delay() {
    for redundancy in 0..=3 {
        let mut puppet = puppet(redundancy);
        let begin = puppet.now;
        send(&mut puppet, b"small");
        // Less than a probe needs before anything is known of the path.
        let heard = puppet.wait(200 * MS);
        let left: Vec<_> = departures(&puppet, &heard, 0).iter().map(|(at, _)| at - begin).collect();
        assert_eq!(left.len(), 1 + redundancy as usize, "{left:?}");
        for (copy, at) in left.iter().enumerate() {
            assert!(at.abs_diff(copy as u64 * DELAY) <= MS, "redundancy {redundancy}: {left:?}");
        }
    }
}

/// Where something leaves before, they ride along, each in another datagram.
#[test]
fn copies_ride_in_the_next_datagram() {
    for redundancy in 1..=3u16 {
        let mut puppet = puppet(redundancy.into());
        let begin = puppet.now;
        let mut heard = vec![];
        for index in 0..10u8 {
            send(&mut puppet, &[index; 20]);
            heard.extend(puppet.wait(4 * MS));
        }
        assert_eq!(heard.len(), 10, "a datagram for each, and none for copies");
        for sequence in 0..10 - redundancy {
            let left: Vec<_> = departures(&puppet, &heard, sequence).iter().map(|(at, _)| (at - begin) / (4 * MS)).collect();
            let expected: Vec<_> = (sequence..=sequence + redundancy).map(u64::from).collect();
            assert_eq!(left, expected, "packet {sequence}, redundancy {redundancy}");
        }
    }
}

/// In an acknowledgement's datagram too.
#[test]
fn copies_ride_with_acknowledgements() {
    let mut puppet = puppet(1);
    send(&mut puppet, b"small");
    assert_eq!(puppet.wait(3 * MS).len(), 1);
    let heard = puppet.deliver(0, b"from the other side");
    assert_eq!(heard.len(), 1);
    let packets = puppet.wire.packets(&heard[0]);
    assert!(packets.contains(&Wire::ack_all(0, 0)) && packets.contains(&Wire::reliable(0, 0, b"small")), "{packets:?}");
    let later = puppet.wait(200 * MS);
    assert_eq!(departures(&puppet, &later, 0), [], "one copy, not two");
}

#[test]
fn none_leaves_after_the_acknowledgement() {
    for redundancy in 1..=3 {
        for all in [true, false] {
            let mut puppet = puppet(redundancy);
            send(&mut puppet, b"small");
            assert_eq!(puppet.wait(5 * MS).len(), 1);
            let acknowledgement = if all { Wire::ack_all(0, 0) } else { Wire::ack(0, 0) };
            let mut heard: Vec<_> = puppet.say(&puppet.wire.seal(&acknowledgement)).into_iter().map(|data| (puppet.now, data)).collect();
            send(&mut puppet, b"another");
            heard.extend(puppet.wait(200 * MS));
            assert_eq!(departures(&puppet, &heard, 0), [], "redundancy {redundancy}");
            assert!(departures(&puppet, &heard, 1).len() > redundancy as usize, "the next one has its copies");
        }
    }
}

/// What fills a datagram has no copies.
#[test]
fn long_packets_have_none() {
    let mut puppet = puppet(3);
    send(&mut puppet, &[1; PAYLOAD]);
    assert_eq!(puppet.wait(200 * MS).len(), 1);
}

/// Both ends of ours, a line that loses a tenth, a message each 20 ms both ways: each arrives once, and few wait for a retransmission.
#[test]
fn hides_losses_from_the_receiver() {
    let mut late = vec![];
    for redundancy in 0..=3 {
        let path = Path { delay_us: 30 * MS, loss_percent: 10, ..Path::default() };
        let mut pair = Pair::over(path, 7, Config { redundancy, ..config() }, Config { redundancy, ..config() }).connect();
        let mut sent_at = vec![];
        for index in 0..1_000u32 {
            sent_at.push(pair.now);
            pair.send(Channel::Reliable0, &index.to_be_bytes());
            pair.reply(Channel::Reliable0, &index.to_be_bytes());
            pair.drive(20 * MS);
        }
        pair.drive(5 * SECOND);
        let expected: Vec<_> = (0..1_000u32).map(u32::to_be_bytes).collect();
        assert!(pair.server.messages_on(Channel::Reliable0) == expected && pair.client.messages_on(Channel::Reliable0) == expected);
        let waits = pair.server.seen.iter().zip(&sent_at).map(|(seen, sent_at)| seen.time_us - sent_at);
        // Later than the line and one copy's wait: something had to be sent again.
        late.push(waits.filter(|wait| *wait > 55 * MS).count());
        let duplicates = pair.server.mux.stats().duplicates;
        assert!(redundancy == 0 || duplicates >= 300, "redundancy {redundancy}: {duplicates} copies came and were dropped");
    }
    assert!(late[0] >= 100, "one in ten is lost, and those behind it wait too: {late:?}");
    assert!(late[1] * 3 < late[0] && late[2] * 3 < late[1].max(10) * 2 && late[3] <= late[2], "each copy leaves fewer: {late:?}");
}
