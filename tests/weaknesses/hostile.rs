//! Peers that hold a session, and spare nobody: what comes back of what they send, and what is kept of it.

use crate::common::*;
use crate::heap::Meter;
use soe::{Channel, Config};

/// As many as a line of 100 MBit/s brings in a second. Unoptimized, a tenth.
const STORM: u32 = if cfg!(debug_assertions) { 10_000 } else { 100_000 };

/// What came back of a storm.
#[derive(Debug, Default)]
struct Echo {
    datagrams: usize,
    bytes: usize,
    /// Held at the most, while it lasted.
    peak: i64,
    /// And after it, when all was sent.
    held: i64,
}

/// Feeds so many of them, so many microseconds apart, and drains after each `drain_each`, or at the end.
fn storm(puppet: &mut Puppet, count: u32, (apart, drain_each): (u64, u32), mut datagram: impl FnMut(u32) -> Vec<u8>) -> Echo {
    fn drain(puppet: &mut Puppet, echo: &mut Echo) {
        loop {
            let (mut datagrams, before) = (0, echo.bytes);
            for datagram in puppet.node.mux.drain_outgoing(puppet.now, 1_000) {
                datagrams += 1;
                echo.bytes += datagram.data.len();
            }
            echo.datagrams += datagrams;
            if before == echo.bytes {
                return;
            }
        }
    }
    let meter = Meter::start();
    let mut echo = Echo::default();
    for index in 0..count {
        let datagram = datagram(index);
        puppet.node.mux.feed(puppet.now, &CLIENT(), &datagram);
        puppet.now += apart;
        if index % drain_each == drain_each - 1 {
            puppet.node.mux.tick(puppet.now);
            drain(puppet, &mut echo);
        }
    }
    puppet.node.mux.tick(puppet.now);
    drain(puppet, &mut echo);
    (echo.peak, echo.held) = (meter.peak(), meter.held());
    echo
}

#[test]
fn a_storm_of_heartbeats_is_answered_once_and_again_after_a_while() {
    for (apart, drain_each, most) in [(0, STORM, 1), (0, 1, 1), (0, 64, 1), (10, 64, 3), (100, 1, 13)] {
        let mut puppet = Puppet::client(config());
        puppet.wait(5 * SECOND);
        let heartbeat = puppet.wire.heartbeat();
        let echo = storm(&mut puppet, STORM, (apart, drain_each), |_| heartbeat.clone());
        println!("heartbeats {apart} us apart, drained after {drain_each}: {echo:?}");
        assert!((1..=most).contains(&echo.datagrams), "{echo:?}");
        assert!(echo.peak <= 64 * 1_024, "{echo:?}");
        puppet.assert_alive();
    }
}

/// Those that show what kind a peer is are answered as sparingly.
#[test]
fn a_storm_of_showings_is_answered_sparingly() {
    let mut puppet = Puppet::client(config());
    puppet.wait(5 * SECOND);
    let shown = puppet.wire.seal(&multi(&[&[0, 6]]));
    let echo = storm(&mut puppet, STORM, (10, 64), |_| shown.clone());
    println!("showings: {echo:?}");
    assert!(echo.datagrams <= 15 && echo.peak <= 64 * 1_024, "{echo:?}");
    puppet.assert_alive();
}

/// A question is answered, in as many bytes: it is a session's peer that asks, and it gets no more than it sends. What is not sent is not piled up.
#[test]
fn a_storm_of_net_status_questions_gets_back_no_more_than_it_brings() {
    let question = |index: u32| [&[0, 7][..], &(index as u16).to_be_bytes(), &[0; 36]].concat();
    for drain_each in [STORM, 1_000, 1] {
        let mut puppet = Puppet::client(config());
        puppet.wait(5 * SECOND);
        let wire = puppet.wire;
        let brought = STORM as usize * wire.seal(&question(0)).len();
        let echo = storm(&mut puppet, STORM, (0, drain_each), |index| wire.seal(&question(index)));
        println!("NetStatus questions, drained after {drain_each}: {echo:?} of {brought} bytes");
        assert!(echo.bytes <= brought, "{echo:?} for {brought} bytes");
        assert!(echo.peak <= 3 * i64::from(Config::default().send_queue_bytes), "{echo:?}");
        puppet.assert_alive();
    }
}

/// Many in one datagram, each of which might be answered by itself.
#[test]
fn nor_do_many_packets_in_one_datagram_get_back_more_than_they_bring() {
    let mut puppet = Puppet::client(config());
    puppet.wait(5 * SECOND);
    let wire = puppet.wire;
    puppet.deliver(0, b"old");
    let hundred = |packet: &dyn Fn(u16) -> Vec<u8>| {
        let packets: Vec<_> = (0..80).map(packet).collect();
        wire.seal(&multi(&packets.iter().map(|packet| &packet[..]).collect::<Vec<_>>()))
    };
    let duplicates = vec![hundred(&|_| Wire::reliable(0, 0, b""))];
    let early: Vec<_> = (0..12).map(|part| hundred(&|at| Wire::reliable(1, 1 + 80 * part + at, b""))).collect();
    for (what, datagrams) in [("duplicates", &duplicates), ("early ones", &early)] {
        for (apart, drain_each) in [(0, 1), (100, 1), (0, 100)] {
            let mut brought = 0;
            let echo = storm(&mut puppet, STORM / 10, (apart, drain_each), |index| {
                let datagram = datagrams[index as usize % datagrams.len()].clone();
                brought += datagram.len();
                datagram
            });
            println!("80 {what} in each datagram, {apart} us apart, drained after {drain_each}: {echo:?} of {brought} bytes");
            assert!(echo.bytes <= brought && echo.peak <= 1 << 20, "{echo:?} for {brought} bytes");
        }
    }
    puppet.assert_alive();
}

#[test]
fn acknowledgements_of_what_was_never_sent_do_nothing() {
    for said_something in [false, true] {
        let mut puppet = Puppet::client(config());
        if said_something {
            puppet.node.mux.send(puppet.id, Channel::Reliable0, b"one").unwrap();
            puppet.node.turn(puppet.now);
            puppet.say(&puppet.wire.seal(&Wire::ack_all(0, 0)));
        }
        puppet.wait(5 * SECOND);
        let wire = puppet.wire;
        let echo = storm(&mut puppet, STORM, (0, 64), |index| {
            let (channel, sequence) = ((index % 4) as u8, (index / 4 % 32_000 + 1) as u16);
            wire.seal(&if index % 8 < 4 { Wire::ack(channel, sequence) } else { Wire::ack_all(channel, sequence) })
        });
        println!("acknowledgements: {echo:?}");
        assert_eq!((echo.datagrams, puppet.node.mux.session_stats(puppet.id).unwrap().dropped_acknowledgement), (0, STORM.into()));
        assert!(echo.peak <= 1_024, "{echo:?}");
        puppet.assert_alive();
    }
}

/// Requests with the session's own id are answered each, in fewer bytes than they have, and no more than some thousands of answers wait.
#[test]
fn a_storm_of_its_own_request_is_one_response_for_each() {
    for drain_each in [STORM, 64, 1] {
        let mut puppet = Puppet::client(config());
        puppet.wait(5 * SECOND);
        let again = request(3, Puppet::ID, 512, PROTOCOL);
        let echo = storm(&mut puppet, STORM, (0, drain_each), |_| again.clone());
        println!("its own request, drained after {drain_each}: {echo:?} of {} bytes", again.len() * STORM as usize);
        assert!(echo.datagrams <= STORM as usize && echo.bytes <= STORM as usize * again.len(), "{echo:?}");
        assert!(echo.peak <= 3 << 20, "{echo:?}");
        puppet.assert_alive();
    }
}

/// Windows full of packets behind a gap, as long as they may be, on each channel.
#[test]
fn a_window_of_garbage_takes_what_a_window_holds() {
    let windows = 4 * i64::from(Config::default().receive_window * Config::default().udp_length);
    for (len, most) in [(506, windows * 5 / 4), (1, windows / 10)] {
        let mut puppet = Puppet::client(config());
        let meter = Meter::start();
        for sequence in 1..=u16::MAX {
            for channel in 0..4 {
                puppet.node.mux.feed(puppet.now, &CLIENT(), &puppet.wire.seal(&Wire::reliable(channel, sequence, &[7; 506][..len])));
            }
            let _ = puppet.node.mux.drain_outgoing(puppet.now, 1_000);
            puppet.now += 10;
        }
        println!("windows of packets of {len} bytes: {} held, {} at the most", meter.held(), meter.peak());
        assert!(meter.peak() <= most, "{} bytes", meter.peak());
        assert_eq!((puppet.node.disconnected(), puppet.node.mux.drain_events(10).count()), (None, 0));
    }
}

/// Tiny messages to a host that doesn't read: each costs its record.
#[test]
fn a_late_host_keeps_as_many_messages_as_it_said() {
    for (what, packet) in [
        ("unreliable", vec![7]),
        ("ordered", Wire::ordered(0, 1, b"x")),
        ("reliable", Wire::reliable(0, 0, b"")),
        ("fragments", Wire::fragment(0, 0, Some(1), b"x")),
    ] {
        let mut puppet = Puppet::client(config());
        let wire = puppet.wire;
        let echo = storm(&mut puppet, STORM, (0, 64), |index| {
            let mut packet = packet.clone();
            if let [0, _, high, low, ..] = &mut packet[..] {
                let sequence = u16::from_be_bytes([*high, *low]).wrapping_add(index as u16);
                [*high, *low] = sequence.to_be_bytes();
            }
            wire.seal(&packet)
        });
        println!("{what}: {} messages wait, {echo:?}", puppet.node.mux.stats().messages_received);
        assert_eq!(puppet.node.mux.stats().messages_received, STORM.min(65_536).into());
        assert!(echo.peak <= 16 << 20, "{what}: {echo:?}");
        puppet.node.read_events();
        assert_eq!(puppet.node.disconnected(), None);
    }
}

/// Sessions that come and go while the host reads nothing: until it does, they count.
#[test]
fn sessions_that_come_and_go_unheard_are_as_many_as_may_be_open() {
    let mut puppet = Puppet::stranger(Config { max_sessions: 100, ..config() });
    let meter = Meter::start();
    for id in 1..=20_000 {
        puppet.node.mux.feed(puppet.now, &CLIENT(), &request(3, id, 512, PROTOCOL));
        let answer = puppet.node.mux.drain_outgoing(puppet.now, 64).find_map(|datagram| Answer::read(datagram.data));
        let Some(wire) = answer.map(Wire::from) else { continue };
        puppet.node.mux.feed(puppet.now, &CLIENT(), &wire.heartbeat());
        puppet.node.mux.feed(puppet.now, &CLIENT(), &wire.seal(&wire.disconnect(6)));
        puppet.now += MS;
        puppet.node.mux.tick(puppet.now);
        let _ = puppet.node.mux.drain_outgoing(puppet.now, 64);
    }
    println!("{} came and went: {} bytes held, {} at the most", puppet.node.mux.stats().sessions_connected, meter.held(), meter.peak());
    assert_eq!(puppet.node.mux.stats().sessions_connected, 100);
    assert!(meter.peak() <= 256 * 1_024, "{} bytes", meter.peak());
    puppet.node.read_events();
    assert_eq!(puppet.node.seen.len(), 200);
}

/// A session that moves to and fro while the host reads nothing.
#[test]
fn a_session_that_moves_for_ever_is_heard_of_once() {
    let mut puppet = Puppet::client(config());
    puppet.wait(5 * SECOND);
    let meter = Meter::start();
    let mut said = 0;
    for port in 0..STORM {
        let from = address(1, 2_000 + (port % 50_000) as u16);
        puppet.node.mux.feed(puppet.now, &from, &puppet.wire.remap());
        said += puppet.node.mux.drain_outgoing(puppet.now, 64).len();
    }
    println!("moved for ever: {said} datagrams, {} bytes at the most", meter.peak());
    assert!(said <= 2 && meter.peak() <= 64 * 1_024, "{said} datagrams, {} bytes", meter.peak());
    puppet.node.read_events();
    assert_eq!(puppet.node.take().len(), 1);
}

/// 16 bytes are the least that is agreed on: a long message takes four times as many packets as it has bytes then, and its queue is bounded all the same.
#[test]
fn tiny_datagrams_make_no_giant_of_a_queue() {
    for udp_length in [0, 1, 15] {
        let mut puppet = Puppet::stranger(config());
        assert_eq!(puppet.say(&request(3, 77, udp_length, PROTOCOL)), [] as [Vec<u8>; 0], "{udp_length}");
    }
    let mut puppet = Puppet::stranger(config());
    let out = puppet.say(&request(3, Puppet::ID, 16, PROTOCOL));
    puppet.wire = Answer::read(&out[0]).expect("an answer").into();
    puppet.say(&puppet.wire.heartbeat());
    puppet.id = puppet.node.connected().expect("connected");
    puppet.assert_alive();
    let meter = Meter::start();
    let mut taken = 0;
    while puppet.node.mux.send(puppet.id, Channel::Reliable0, &[7; 1_000]).is_ok() {
        taken += 1;
    }
    println!("UDP length 16: {taken} kB queued in {} bytes", meter.held());
    assert!(taken < 1_000, "{taken} kB");
    assert!(meter.held() <= 16 << 20, "{} bytes for {taken} kB", meter.held());
    assert!(puppet.node.mux.drain_outgoing(puppet.now, 1_000).all(|datagram| datagram.data.len() <= 16));
}
