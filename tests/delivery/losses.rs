//! Each kind of loss by its name, each answer of the sender and the receiver to it. Hosts here look as soon as something arrives, so times are those of the
//! protocol and nothing else's.

use crate::cargo::{Cargo, PAYLOAD};
use crate::common::*;
use crate::line::{FULL, Line, Passing, Route};
use soe::{Channel, Config, Congestion, Error, SessionId};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::rc::Rc;

/// A line of this much delay each way and nothing else, open and quiet.
fn line(delay_us: u64, config: Config) -> Line {
    over(Route::delay(delay_us), config, 1)
}

fn over(route: Route, config: Config, seed: u64) -> Line {
    let mut line = Line::new([route.clone(), route], [config.clone(), config], [(0, 0); 2], seed);
    assert!(line.connect(), "never connected: {:?}", line.ends[0].wrong);
    line
}

/// The config of a host that sends in bulk.
fn bulk() -> Config {
    Config { send_queue_bytes: 1 << 20, ..config() }
}

fn id(line: &Line, side: usize) -> SessionId {
    line.ends[side].id.expect("a session")
}

/// Messages that nothing happens to, one after the other, until the round-trip time is known well.
fn settle(line: &mut Line) {
    for _ in 0..40 {
        line.carry(0, Cargo::new(5, 5, 5, 1));
        assert!(line.drive(10 * SECOND, |line| line.is_done() && line.ends[0].is_quiet()));
        line.drive(20 * MS, |_| false);
    }
}

/// Smoothed round trip and deviation of one end, in microseconds.
fn estimates(line: &Line, side: usize) -> (u64, u64) {
    let info = line.ends[side].mux.info(id(line, side)).expect("an open session");
    (info.rtt_us.expect("a sample").into(), info.rtt_deviation_us.into())
}

/// How long it takes until all has come; panics where something is wrong, or nothing comes of it.
fn finish(line: &mut Line, limit: u64, what: &str) -> u64 {
    let begin = line.now;
    let done = line.drive(limit, Line::is_done);
    let wrong: Vec<_> = line.ends.iter().map(|end| (end.got, &end.wrong, end.ended)).collect();
    assert!(done, "{what}: not within {} ms: {wrong:?}", limit / MS);
    let took = line.now - begin;
    assert!(line.drive(30 * SECOND, |line| line.ends.iter().all(|end| end.is_quiet())), "{what}: the acknowledgements never came");
    assert!(line.ends.iter().all(|end| end.wrong.is_none()), "{what}");
    took
}

fn retransmissions(line: &Line, side: usize) -> u64 {
    line.ends[side].mux.stats().retransmissions
}

/// When each sequence of the client left, of what was seen since [`Line::watch`].
fn departures(line: &Line) -> BTreeMap<u16, Vec<u64>> {
    let mut departures = BTreeMap::<_, Vec<u64>>::new();
    for passing in line.seen.iter().filter(|passing| passing.by_client) {
        for sequence in passing.sequences() {
            departures.entry(sequence).or_default().push(passing.at);
        }
    }
    departures
}

mod every {
    use super::*;

    /// Whenever it begins, however wide the window is.
    #[test]
    fn acknowledgement_lost_for_200_ms_with_a_full_window() {
        for fixed in [None, Some(64), Some(256), Some(1_000)] {
            let config = match fixed {
                Some(send_window) => Config { congestion: Congestion::Fixed, send_window, ..bulk() },
                None => bulk(),
            };
            let cargo = Cargo::full(12_000);
            let clean = {
                let mut line = line(10 * MS, config.clone());
                settle(&mut line);
                line.carry(0, cargo.clone());
                finish(&mut line, 60 * SECOND, "without loss")
            };
            for after in (0..10).map(|step| step * clean / 11) {
                let what = format!("window {fixed:?}, from {} ms of {}", after / MS, clean / MS);
                let mut line = line(10 * MS, config.clone());
                settle(&mut line);
                line.carry(0, cargo.clone());
                let silence = line.now + after..line.now + after + 200 * MS;
                line.lose(move |passing| !passing.by_client && silence.contains(&passing.at));
                let before = retransmissions(&line, 0);
                let took = finish(&mut line, 60 * SECOND, &what);
                // The pause itself, a probe that had backed off to as long again at most, and slow start if that is how a sender begins again.
                assert!(took <= clean + 200 * MS + 200 * MS + 10 * 20 * MS, "{what}: took {} ms instead of {}", took / MS, clean / MS);
                let again = retransmissions(&line, 0) - before;
                assert!(again <= 20, "{what}: nothing but acknowledgements was lost, and {again} packets went out again");
            }
        }
    }

    /// Both ways, from the first datagram of the handshake to the last acknowledgement.
    #[test]
    fn datagram_of_a_transfer_lost_in_turn() {
        let transfer = |lost: Option<(bool, u64)>| {
            let what = format!("lost by the client, index: {lost:?}");
            let mut line = Line::new([Route::delay(20 * MS), Route::delay(20 * MS)], [config(), config()], [(0, 0); 2], 1);
            line.lose(move |passing| lost == Some((passing.by_client, passing.index)));
            let begin = line.now;
            assert!(line.connect(), "{what}: never connected");
            let connected = line.now - begin;
            line.carry(0, Cargo::new(40_000, 5, 2_000, 1));
            line.carry(1, Cargo::new(20_000, 5, 20_000, 2));
            let took = finish(&mut line, 30 * SECOND, &what);
            let sent = [true, false].map(|by_client| line.seen.iter().filter(|passing| passing.by_client == by_client).count() as u64);
            (connected, took, sent, retransmissions(&line, 0) + retransmissions(&line, 1))
        };
        let (connected, clean, sent, again) = transfer(None);
        assert_eq!(again, 0, "nothing is lost, nothing is sent twice");
        for (by_client, count) in [(true, sent[0]), (false, sent[1])] {
            for index in 0..count {
                let lost = Some((by_client, index));
                let (connects, took, _, again) = transfer(lost);
                // A request or its answer comes again after a second; a first packet before any round trip is known well, after 500 ms at most.
                assert!(connects <= connected + SECOND + 50 * MS, "{lost:?}: {} ms to connect", connects / MS);
                // A gap costs a round trip and what reordering is allowed, a tail a probe, which early in a session has 4 * 25 ms of deviation.
                assert!(took <= clean + 40 * MS + 100 * MS + 40 * MS, "{lost:?}: took {} ms instead of {}", took / MS, clean / MS);
                // The lost one, and a probe of the oldest and the newest, on each side.
                assert!(again <= 4, "{lost:?}: {again} packets went out again");
            }
        }
    }

    const LENGTHS: std::ops::RangeInclusive<u16> = 1..=40;

    #[test]
    fn tail_lost() {
        let transfer = |tail: u16| {
            let mut line = line(30 * MS, bulk());
            settle(&mut line);
            let estimates = estimates(&line, 0);
            line.carry(0, Cargo::full(100));
            // Messages fill a packet each, and 40 packets of the settling (and none of the hello, which has its own channel) came before.
            let (first, end) = (40 + 100 - tail, 40 + 100);
            let mut seen = HashMap::<u16, u32>::new();
            line.lose(move |passing| {
                let mut lost = false;
                for sequence in passing.sequences().filter(|sequence| passing.by_client && (first..end).contains(sequence)) {
                    let times = seen.entry(sequence).or_default();
                    *times += 1;
                    lost |= *times == 1;
                }
                lost
            });
            let before = retransmissions(&line, 0);
            let took = finish(&mut line, 30 * SECOND, &format!("the last {tail}"));
            (took, retransmissions(&line, 0) - before, estimates, departures(&line))
        };
        let (clean, again, ..) = transfer(0);
        assert_eq!(again, 0, "nothing is lost, nothing is sent twice");
        for tail in LENGTHS {
            let (took, again, (smoothed, deviation), departures) = transfer(tail);
            assert_eq!(departures.len(), 100, "each message in a packet of its own");
            let probe = smoothed + (4 * deviation).max(15 * MS);
            // The probe, and its acknowledgement; then the rest is either known to be lost, or the next probes find out.
            let most = clean + probe + 10 * MS + if tail > 1 { 60 * MS + 2 * probe } else { 0 };
            assert!(took <= most, "the last {tail} lost: took {} ms, not {}; without loss {}", took / MS, most / MS, clean / MS);
            assert!((u64::from(tail)..=u64::from(tail) + 4).contains(&again), "the last {tail} lost: {again} went out again");
        }
    }

    /// Each of the last acknowledgements, and whatever a sender asks in between: all of that time is lost.
    #[test]
    fn tail_of_acknowledgements_lost() {
        let transfer = |silence: std::ops::Range<u64>| {
            let mut line = over(Route { rate: 20e6, queue: 1e9, ..Route::delay(30 * MS) }, bulk(), 1);
            settle(&mut line);
            let begin = line.now;
            line.carry(0, Cargo::full(100));
            let what = format!("acknowledgements of {silence:?}");
            line.lose(move |passing| !passing.by_client && silence.contains(&(passing.at - begin)));
            let before = retransmissions(&line, 0);
            let took = finish(&mut line, 30 * SECOND, &what);
            let acknowledged: Vec<_> = line.seen.iter().filter(|passing| !passing.by_client).map(|passing| passing.at - begin).collect();
            (took, retransmissions(&line, 0) - before, acknowledged)
        };
        let (clean, again, acknowledged) = transfer(0..0);
        assert_eq!(again, 0, "nothing is lost, nothing is sent twice");
        assert!(acknowledged.len() >= 40, "{} acknowledgements", acknowledged.len());
        for tail in 1..=40 {
            let (from, until) = (acknowledged[acknowledged.len() - tail], clean + MS);
            let (took, again, _) = transfer(from..until);
            // Where the window stays closed, the first probe after the silence opens it: as late as the silence is long, or a first probe.
            let most = clean + (until - from) + 75 * MS + 60 * MS + 10 * MS;
            assert!(took <= most, "the last {tail} lost: took {} ms instead of {}", took / MS, clean / MS);
            assert!(again <= 6, "the last {tail} acknowledgements lost: {again} packets went out again");
        }
    }
}

mod repair {
    use super::*;

    /// Loses the first transmission of one packet, and returns when it left each time.
    fn one_lost(line: &mut Line, sequence: u16) {
        let fresh = Cell::new(true);
        line.lose(move |passing| passing.by_client && passing.sequences().any(|s| s == sequence) && fresh.replace(false));
    }

    #[test]
    fn of_a_gap_takes_one_round_trip_in_a_transfer() {
        for victim in [45, 60, 200, 500, 900, 1_500] {
            let mut line = line(30 * MS, bulk());
            settle(&mut line);
            line.carry(0, Cargo::full(4_000));
            one_lost(&mut line, victim);
            finish(&mut line, 60 * SECOND, "one lost");
            let departures = &departures(&line)[&victim];
            assert_eq!(departures.len(), 2, "packet {victim} left {} times", departures.len());
            let after = departures[1] - departures[0];
            // One round trip, and at most half of one more for those that may merely have been overtaken.
            assert!((60 * MS..=95 * MS).contains(&after), "packet {victim}: {} ms after it was lost on a line of 60", after as f64 / 1e3);
            assert!(retransmissions(&line, 0) <= 1, "{} packets sent again for one", retransmissions(&line, 0));
        }
    }

    /// A message every 10 ms, as games send them.
    #[test]
    fn of_a_gap_takes_one_round_trip_in_a_stream() {
        let mut line = line(30 * MS, config());
        settle(&mut line);
        one_lost(&mut line, 60);
        line.ends[1].unchecked = true;
        for index in 0..60u8 {
            let client = id(&line, 0);
            line.ends[0].mux.send(client, Channel::Reliable0, &[index; 20]).expect("room");
            line.wake(0);
            line.drive(10 * MS, |_| false);
        }
        line.drive(SECOND, |_| false);
        let departures = &departures(&line)[&60];
        assert_eq!(departures.len(), 2, "left at {departures:?}");
        let after = departures[1] - departures[0];
        // The next message left 10 ms later, and is the evidence.
        assert!((70 * MS..=105 * MS).contains(&after), "{} ms after it was lost on a line of 60", after as f64 / 1e3);
    }

    /// Nothing behind it says that it was lost: a probe says so after about the smoothed round trip and four deviations.
    #[test]
    fn of_a_tail_takes_a_probe() {
        for (delay, jitter) in [(5, 0), (30, 0), (30, 20), (150, 0), (300, 100)] {
            let route = Route { jitter_us: jitter * MS, ..Route::delay(delay * MS) };
            let mut line = over(route, config(), 3);
            settle(&mut line);
            let (smoothed, deviation) = estimates(&line, 0);
            line.carry(0, Cargo::new(5, 5, 5, 1));
            one_lost(&mut line, 40);
            finish(&mut line, 10 * SECOND, "one lost");
            let departures = &departures(&line)[&40];
            let after = departures[1] - departures[0];
            let [least, most] = [smoothed + 3 * deviation, smoothed + (4 * deviation).max(15 * MS) + 10 * MS];
            assert!((least..=most).contains(&after), "{delay} + {jitter} ms: probed after {after} us, not {least}..={most}");
        }
    }

    /// Probes that are lost too come at growing distances, but never far apart, and the session lives on.
    #[test]
    fn backs_off_within_bounds() {
        let mut line = line(30 * MS, config());
        settle(&mut line);
        line.carry(0, Cargo::new(5, 5, 5, 1));
        let dark = line.now + 20 * SECOND;
        line.lose(move |passing| passing.at < dark);
        finish(&mut line, 29 * SECOND, "20 s of darkness");
        let departures = &departures(&line)[&40];
        let gaps: Vec<_> = departures.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!((5..=30).contains(&gaps.len()), "{} probes in 20 s", gaps.len());
        assert!(gaps.iter().all(|gap| *gap <= 5 * SECOND), "never more than 5 s apart: {gaps:?}");
        assert!(gaps.windows(2).all(|pair| pair[1] + MS >= pair[0]), "growing: {gaps:?}");
        assert!(line.now <= dark + 5 * SECOND + 100 * MS);
    }

    /// As many packets are sent again as were lost: a constant delay, so that nothing is overtaken, and 2 % of the data lost.
    #[test]
    fn sends_again_only_what_is_lost() {
        let limited = Route { rate: 20e6, queue: 1e9, ..Route::delay(30 * MS) };
        for (name, route) in
            [("unlimited", Route::delay(10 * MS)), ("20 Mbit/s", limited), ("fast", Route { rate: 100e6, queue: 1e9, ..Route::delay(MS) })]
        {
            for seed in 1..=3 {
                // The peer holds all that may be under way: what it drops would be sent again, too.
                let mut line = over(route.clone(), Config { receive_window: 4_096, ..bulk() }, seed);
                settle(&mut line);
                line.carry(0, Cargo::full(6_000));
                let (lost, mut random) = (Rc::new(Cell::new(0u64)), Random::new(seed));
                let count = lost.clone();
                line.lose(move |passing| {
                    let loses = passing.by_client && passing.sequences().next().is_some() && random.percent(2);
                    count.set(count.get() + u64::from(loses));
                    loses
                });
                let before = retransmissions(&line, 0);
                finish(&mut line, 120 * SECOND, name);
                let (lost, again) = (lost.get(), retransmissions(&line, 0) - before);
                assert!(lost >= 60, "{lost} of 6,000");
                // What may be sent again for nothing: a probe or two of two packets, where the window was closed by a gap.
                assert!((lost..=lost + 4).contains(&again), "{name}, seed {seed}: {lost} lost, {again} sent again");
            }
        }
    }
}

mod acknowledgements {
    use super::*;

    fn acks(heard: &[Vec<u8>]) -> usize {
        heard.iter().filter(|packet| matches!(packet[..], [0, 0x11 | 0x15, ..])).count()
    }

    /// A peer whose acknowledgement was lost asks by sending again. Always answered; but a thousand duplicates at once are no thousand questions.
    #[test]
    fn of_duplicates_are_said_again_at_a_limited_rate() {
        let mut puppet = Puppet::client(config());
        let packets: Vec<_> = (0..20).map(|sequence| puppet.wire.seal(&Wire::reliable(0, sequence, b"once"))).collect();
        packets.iter().for_each(|packet| drop(puppet.say(packet)));
        let wire = puppet.wire;
        let unpack = |heard: Vec<(u64, Vec<u8>)>| heard.iter().flat_map(|(_, data)| wire.packets(data)).collect::<Vec<_>>();
        // Far apart, every one is answered, and soon.
        for (round, packet) in packets.iter().enumerate() {
            puppet.wait(100 * MS);
            let mut heard = puppet.packets_after(packet);
            heard.extend(unpack(puppet.wait(25 * MS)));
            assert!(heard.contains(&Wire::ack_all(0, 19)), "duplicate {round}: {heard:?}");
        }
        puppet.wait(SECOND);
        // A thousand within 10 ms.
        let mut heard = vec![];
        for round in 0..1_000 {
            heard.extend(puppet.packets_after(&packets[round % 20]));
            heard.extend(unpack(puppet.wait(10)));
        }
        let during = acks(&heard);
        assert!((1..=100).contains(&during), "{during} acknowledgements for 1,000 duplicates in 10 ms");
        // The last one is answered too, if not at once.
        puppet.say(&packets[0]);
        puppet.wait(50 * MS);
        let mut last = puppet.packets_after(&packets[3]);
        last.extend(unpack(puppet.wait(25 * MS)));
        assert!(last.contains(&Wire::ack_all(0, 19)));
        assert_eq!(puppet.node.take_messages().len(), 20, "each delivered once");
    }

    /// The same of packets that wait behind a gap.
    #[test]
    fn of_early_duplicates_are_said_again_at_a_limited_rate() {
        let mut puppet = Puppet::client(config());
        let early = puppet.wire.seal(&Wire::reliable(0, 3, b"early"));
        let wire = puppet.wire;
        puppet.say(&early);
        for round in 0..20 {
            puppet.wait(100 * MS);
            let mut heard = puppet.packets_after(&early);
            heard.extend(puppet.wait(25 * MS).iter().flat_map(|(_, data)| wire.packets(data)));
            assert!(heard.contains(&Wire::ack(0, 3)), "duplicate {round}: {heard:?}");
        }
        puppet.wait(SECOND);
        let mut heard = vec![];
        for _ in 0..1_000 {
            heard.extend(puppet.packets_after(&early));
            heard.extend(puppet.wait(10).iter().flat_map(|(_, data)| wire.packets(data)));
        }
        assert!((1..=100).contains(&acks(&heard)), "{} acknowledgements for 1,000 early duplicates in 10 ms", acks(&heard));
    }

    #[test]
    fn of_all_are_not_said_again_without_a_duplicate() {
        let mut puppet = Puppet::client(config());
        let wire = puppet.wire;
        let mut heard = vec![];
        for sequence in 0..5 {
            heard.extend(puppet.packets_after(&wire.seal(&Wire::reliable(0, sequence, b"x"))));
        }
        assert_eq!(heard.last(), Some(&Wire::ack_all(0, 4)));
        heard.clear();
        // 5 is lost; what comes behind it changes nothing about 0..=4.
        for sequence in 6..40 {
            heard.extend(puppet.packets_after(&wire.seal(&Wire::reliable(0, sequence, b"x"))));
            heard.extend(puppet.wait(3 * MS).iter().flat_map(|(_, data)| wire.packets(data)));
        }
        heard.extend(puppet.wait(5 * SECOND).iter().flat_map(|(_, data)| wire.packets(data)));
        let all: Vec<_> = heard.iter().filter(|packet| packet.starts_with(&[0, 0x15])).collect();
        assert!(all.is_empty(), "{} times", all.len());
        let closed = puppet.packets_after(&wire.seal(&Wire::reliable(0, 5, b"x")));
        assert!(closed.contains(&Wire::ack_all(0, 39)), "{closed:?}");
        assert_eq!(puppet.wait(5 * SECOND).len(), 0, "said once");
    }

    /// On a line that loses data, but duplicates nothing: every AcknowledgeAll names more than the one before, except where a packet came again.
    #[test]
    fn of_all_grow_in_a_transfer() {
        let mut line = line(20 * MS, bulk());
        settle(&mut line);
        line.carry(0, Cargo::full(3_000));
        let mut random = Random::new(5);
        line.lose(move |passing| passing.by_client && random.percent(5));
        finish(&mut line, 60 * SECOND, "5 % lost");
        let said = line.seen.iter().filter(|passing| !passing.by_client).flat_map(|passing| &passing.packets);
        let all: Vec<_> = said.filter(|packet| packet.starts_with(&[0, 0x15])).collect();
        let repeated = all.windows(2).filter(|pair| pair[0] == pair[1]).count() as u64;
        let duplicates = line.ends[1].mux.stats().duplicates;
        assert!(repeated <= duplicates, "{repeated} of {} said nothing new, and only {duplicates} duplicates came", all.len());
    }

    #[test]
    fn of_packets_ahead_of_a_gap_travel_together_and_twice() {
        let mut puppet = Puppet::client(config());
        let (wire, me) = (puppet.wire, puppet.me);
        for sequence in 1..=10 {
            puppet.node.mux.feed(puppet.now, &me, &wire.seal(&Wire::reliable(0, sequence, b"x")));
        }
        let begin = puppet.now;
        let heard = puppet.wait(200 * MS);
        let times: Vec<_> = heard.iter().map(|(at, _)| at - begin).collect();
        assert_eq!(times.len(), 2, "two datagrams: {times:?}");
        assert!(times[0] == 0 && (1..=50 * MS).contains(&times[1]), "at once, and once more soon: {times:?}");
        let expected: BTreeSet<_> = (1..=10).map(|sequence| Wire::ack(0, sequence)).collect();
        for (_, datagram) in &heard {
            let packets = wire.packets(datagram);
            assert_eq!((packets.len(), packets.into_iter().collect::<BTreeSet<_>>()), (10, expected.clone()));
        }
        assert_eq!(puppet.packets_after(&wire.seal(&Wire::reliable(0, 0, b"x"))), [Wire::ack_all(0, 10)]);
    }
}

mod send_queue {
    use super::*;

    /// As small a queue as can be asked for, and every UDP length.
    #[test]
    fn holds_131_datagrams_before_it_blocks_and_says_when_there_is_room() {
        for udp_length in [64, 200, 512, 1_400] {
            let config = Config { send_queue_bytes: 1, udp_length, ..config() };
            let mut pair = Pair::of(config.clone(), config).connect();
            let payload = udp_length as usize - 6;
            let message = vec![1; payload];
            for index in 0..131 {
                assert_eq!(pair.client.mux.send(pair.id, Channel::Reliable0, &message), Ok(()), "datagram {index} of {udp_length} bytes");
            }
            let mut sent = 131;
            while pair.client.mux.send(pair.id, Channel::Reliable0, &message).is_ok() {
                sent += 1;
                assert!(sent < 1_000, "a queue has an end");
            }
            assert_eq!(pair.client.mux.send(pair.id, Channel::Reliable0, &message), Err(Error::WouldBlock));
            assert!(
                pair.drive_until(10 * SECOND, |p| p.client.seen.iter().any(|seen| seen.what == What::Writable)),
                "{udp_length}: no WRITABLE"
            );
            assert_eq!(pair.client.mux.send(pair.id, Channel::Reliable0, &message), Ok(()), "room, as it said");
            assert!(pair.drive_until(30 * SECOND, |p| p.server.message_count() == sent + 1));
        }
    }

    #[test]
    fn takes_one_message_of_131_datagrams_whatever_the_config_says() {
        for channel in RELIABLE {
            let config = Config { send_queue_bytes: 1, ..config() };
            let mut pair = Pair::of(config.clone(), config).connect();
            let message = noise(131 * PAYLOAD - 4, 1);
            pair.send(channel, &message);
            assert!(pair.drive_until(30 * SECOND, |p| p.server.message_count() == 1));
            assert!(pair.server.take_messages() == [(channel, message)]);
        }
    }

    /// Each time that the host is told to wait it is told when to go on, whatever is lost, and the queue has its end.
    #[test]
    fn says_writable_each_time_on_a_bad_line() {
        for (loss, seed) in [(0.0, 1), (0.05, 2), (0.2, 3)] {
            let route = Route { loss, jitter_us: 5 * MS, ..Route::delay(10 * MS) };
            let mut line = over(route, Config { send_queue_bytes: 1, ..config() }, seed);
            line.carry(0, Cargo::new(1_000_000, 5, 3_000, seed));
            finish(&mut line, 120 * SECOND, &format!("{} % lost", loss * 100.0));
            assert!(line.ends[0].writable >= 10, "{} times writable", line.ends[0].writable);
        }
    }

    #[test]
    fn stays_blocked_while_nothing_is_acknowledged() {
        let mut pair = Pair::of(Config { send_queue_bytes: 1, ..config() }, config()).connect();
        pair.rough(Path { loss_percent: 100, ..Path::CLEAN });
        while pair.client.mux.send(pair.id, Channel::Reliable0, &[1; 500]).is_ok() {}
        pair.drive(5 * SECOND);
        assert!(!pair.client.seen.iter().any(|seen| seen.what == What::Writable));
        assert_eq!(pair.client.mux.send(pair.id, Channel::Reliable0, &[1]), Err(Error::WouldBlock));
        pair.rough(Path::CLEAN);
        assert!(pair.drive_until(10 * SECOND, |p| p.client.seen.iter().any(|seen| seen.what == What::Writable)));
    }
}

mod congestion {
    use super::*;

    /// 20 Mbit/s and 60 ms hold 277 datagrams; the queue only 64. What a window lets burst into it would be lost.
    #[test]
    fn few_datagrams_are_lost_to_a_short_queue() {
        let route = Route { rate: 20e6, queue: (64 * FULL) as f64, ..Route::delay(30 * MS) };
        let mut line = over(route, bulk(), 1);
        line.carry(0, Cargo::full(12_000));
        let took = finish(&mut line, 120 * SECOND, "12,000 datagrams");
        let link = &line.links[0];
        let ideal = (12_000 * FULL) as f64 * 8e6 / 20e6;
        let what =
            format!("{} of {} datagrams overflowed, {} ms where {:.0} are possible", link.overflowed, link.offered, took / MS, ideal / 1e3);
        // Slow start finds the end of the path by filling it: once.
        assert!(link.overflowed * 50 <= link.offered, "more than 2 %: {what}");
        assert!(took as f64 <= ideal * 1.35, "{what}");
    }

    /// Random loss says nothing about the rate of the path.
    #[test]
    fn random_loss_is_not_taken_for_congestion() {
        for (loss, share) in [(0.01, 0.75), (0.05, 0.7), (0.1, 0.6)] {
            let route = Route { rate: 20e6, queue: (300 * FULL) as f64, loss, ..Route::delay(30 * MS) };
            let mut line = over(route, bulk(), 1);
            line.carry(0, Cargo::full(24_000));
            let took = finish(&mut line, 120 * SECOND, "24,000 datagrams");
            let ideal = (24_000 * FULL) as f64 * 8e6 / 20e6 / (1.0 - loss);
            assert!(ideal >= took as f64 * share, "{} % lost: {} ms where {:.0} are possible", loss * 100.0, took / MS, ideal / 1e3);
        }
    }

    /// For closed networks: so many datagrams are under way, no more and, in bulk, no fewer.
    #[test]
    fn a_fixed_window_is_as_wide_as_it_says() {
        for send_window in [1, 16, 100, 500] {
            let config = Config { congestion: Congestion::Fixed, send_window, ..bulk() };
            let mut line = line(10 * MS, config);
            let packets = 50 * u64::from(send_window);
            line.carry(0, Cargo::full(packets as usize));
            line.watch();
            let took = finish(&mut line, 60 * SECOND, "a clean line");
            assert_eq!(retransmissions(&line, 0), 0, "nothing is lost, nothing is sent twice");
            assert!(
                took <= 50 * 20 * MS + 20 * MS,
                "window {send_window}: {} ms for 50 windows in as many round trips of 20 ms",
                took / MS
            );
            let (mut under_way, mut most, mut acknowledged) = (0i64, 0, -1i64);
            let mut arrivals = VecDeque::new();
            for Passing { at, by_client, packets, .. } in &line.seen {
                while arrivals.front().is_some_and(|(arrives_at, _)| arrives_at <= at) {
                    let (_, sequence): (u64, i64) = arrivals.pop_front().unwrap();
                    under_way -= sequence - acknowledged;
                    acknowledged = sequence;
                }
                for packet in packets {
                    match packet[..] {
                        [0, 0x09 | 0x0d, ..] if *by_client => under_way += 1,
                        [0, 0x15, high, low] if !by_client => {
                            arrivals.push_back((at + 10 * MS, i64::from(u16::from_be_bytes([high, low]))))
                        }
                        _ => {}
                    }
                }
                most = most.max(under_way);
            }
            assert_eq!(most, i64::from(send_window), "under way at once");
        }
    }
}
