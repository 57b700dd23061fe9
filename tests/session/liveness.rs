//! Heartbeats, silence, and how long the way is.

use crate::common::*;
use soe::{Channel, Config, EndedBy, reason};

#[test]
fn an_idle_client_sends_a_heartbeat_after_25_s_and_it_is_answered() {
    let mut pair = Pair::new().connect();
    pair.drive(SECOND);
    let mut pair = pair.tapped();
    let began = pair.now;
    pair.drive(120 * SECOND);
    let tapped = pair.tap.take().unwrap();
    for by_client in [true, false] {
        let times: Vec<_> = tapped.iter().filter(|t| t.by_client == by_client).map(|t| (t.at - began) / SECOND).collect();
        assert!((3..=5).contains(&times.len()), "by client {by_client}: at {times:?} s");
        assert!((23..=25).contains(&times[0]), "the first after 25 s of silence: {times:?}");
    }
    assert!(tapped.iter().all(|t| t.data.len() == 4 && t.data.starts_with(&[0, 6])), "nothing but heartbeats: {tapped:?}");
    pair.assert_alive();
}

/// The other libraries' clients send one each tick until they hear something: 5,000 in five seconds.
#[test]
fn heartbeats_to_a_dead_peer_are_few() {
    let mut puppet = Puppet::server(config());
    let said = puppet.wait(60 * SECOND);
    assert_eq!(puppet.node.disconnected(), Some((EndedBy::Library, reason::TIMEOUT)));
    assert!((1..=10).contains(&said.len()), "{} datagrams in the last five seconds", said.len());
}

/// It hears the peer, but says nothing itself; the peer must not time out.
#[test]
fn silence_in_one_direction_is_enough_for_a_heartbeat() {
    let mut puppet = Puppet::server(config());
    let mut heartbeats = 0;
    for index in 0..60 {
        let said = puppet.wait(SECOND);
        heartbeats += said.iter().filter(|(_, data)| puppet.wire.packets(data).contains(&vec![0, 6])).count();
        puppet.say(&puppet.wire.sign(vec![1, index]));
    }
    assert!((1..=4).contains(&heartbeats), "{heartbeats} in a minute");
}

#[test]
fn heartbeats_can_be_off() {
    let mut puppet = Puppet::server(Config { heartbeat_ms: 0, inactivity_timeout_ms: 0, ..config() });
    assert_eq!(puppet.wait(300 * SECOND), []);
    assert_eq!(puppet.node.disconnected(), None, "and so can the timeout");
    puppet.assert_alive();
}

#[test]
fn a_server_answers_a_heartbeat() {
    let mut puppet = Puppet::client(config());
    for _ in 0..5 {
        puppet.wait(5 * SECOND);
        let heartbeat = puppet.wire.heartbeat();
        assert_eq!(puppet.packets_after(&heartbeat), [[0, 6]]);
    }
}

/// Two of ours would play ping-pong for ever.
#[test]
fn a_client_does_not_answer_the_answer() {
    let mut puppet = Puppet::server(config());
    let mut asked = 0;
    for _ in 0..300 {
        if puppet.wait(100 * MS).iter().any(|(_, data)| *data == puppet.wire.heartbeat()) {
            asked += 1;
            assert_eq!(puppet.say(&puppet.wire.heartbeat()), [] as [Vec<u8>; 0]);
        }
    }
    // Its first one is repeated, since nothing said that it had arrived; the next one is due after 25 s.
    assert_eq!(asked, 2);
}

#[test]
fn thirty_seconds_of_silence_end_a_session_with_reason_2() {
    for (mut puppet, role) in [(Puppet::client(config()), "server"), (Puppet::server(config()), "client")] {
        puppet.say(&puppet.wire.seal(&Wire::reliable(0, 0, b"last words")));
        let heard = puppet.now;
        puppet.node.take();
        puppet.wait(29_900 * MS);
        assert_eq!(puppet.node.take(), [], "{role}: not before 30 s");
        puppet.wait(SECOND);
        assert_eq!(puppet.node.seen.len(), 1, "{role}");
        assert_eq!(puppet.node.seen[0].what, What::Disconnected(EndedBy::Library, reason::TIMEOUT));
        assert!((30 * SECOND..30_500 * MS).contains(&(puppet.node.seen[0].time_us - heard)), "{role}");
        assert_eq!(puppet.node.mux.next_deadline(), u64::MAX);
    }
}

#[test]
fn what_has_no_good_crc_is_silence() {
    let mut puppet = Puppet::client(config());
    for second in 0..40 {
        if puppet.node.disconnected().is_some() {
            assert!(second >= 29, "at {second} s");
            break;
        }
        puppet.say(&[0, 9, 0, 0, 1, 2, 3]);
        puppet.say(&noise(50, second));
        puppet.say(&request(3, second as u32, 512, PROTOCOL));
        puppet.wait(SECOND);
    }
    assert_eq!(puppet.node.disconnected(), Some((EndedBy::Library, reason::TIMEOUT)), "nobody can keep a dead session alive");
}

/// A server never sends heartbeats of its own accord, but a session in which only it speaks lives too.
#[test]
fn a_peer_that_only_acknowledges_is_alive() {
    let mut pair = Pair::new().connect();
    for index in 0..100u32 {
        pair.reply(Channel::Reliable0, &index.to_be_bytes());
        pair.drive(SECOND);
    }
    assert_eq!(pair.client.messages_on(Channel::Reliable0).len(), 100);
    pair.assert_alive();
}

#[test]
fn unacknowledged_for_too_long_ends_a_session_with_reason_8_where_the_config_says_so() {
    let mut puppet = Puppet::client(Config { unacknowledged_timeout_ms: 10_000, ..config() });
    puppet.node.mux.send(puppet.id, Channel::Reliable0, b"hear me").unwrap();
    for _ in 0..20 {
        puppet.wait(SECOND);
        puppet.say(&puppet.wire.heartbeat());
    }
    assert_eq!(puppet.node.disconnected(), Some((EndedBy::Library, reason::UNACKNOWLEDGED_TIMEOUT)));
}

/// The v3 presets: peers that lost an acknowledgement go on living, and so do we.
#[test]
fn unacknowledged_for_ever_ends_nothing_by_default() {
    let mut puppet = Puppet::client(config());
    puppet.node.mux.send(puppet.id, Channel::Reliable0, b"hear me").unwrap();
    let mut sent = 0;
    for _ in 0..300 {
        sent += puppet.wait(SECOND).len();
        puppet.say(&puppet.wire.heartbeat());
    }
    assert_eq!(puppet.node.disconnected(), None);
    assert!(sent < 400, "{sent} datagrams in five minutes for one message");
}

mod net_status {
    use super::*;

    fn word16(packet: &[u8], at: usize) -> u64 {
        u64::from(u16::from_be_bytes(packet[at..at + 2].try_into().unwrap()))
    }

    fn word32(packet: &[u8], at: usize) -> u64 {
        u64::from(u32::from_be_bytes(packet[at..at + 4].try_into().unwrap()))
    }

    fn word64(packet: &[u8], at: usize) -> u64 {
        u64::from_be_bytes(packet[at..at + 8].try_into().unwrap())
    }

    /// 00 07: stamp, five pings, our counters.
    fn question(stamp: u16, sent: u64, received: u64) -> Vec<u8> {
        let mut packet = vec![0, 7];
        packet.extend_from_slice(&stamp.to_be_bytes());
        packet.extend_from_slice(&[0; 20]);
        packet.extend_from_slice(&sent.to_be_bytes());
        packet.extend_from_slice(&received.to_be_bytes());
        assert_eq!(packet.len(), 40);
        packet
    }

    #[test]
    fn a_question_is_answered_in_40_bytes() {
        let mut puppet = Puppet::client(config());
        let ask = puppet.wire.seal(&question(0xabcd, 17, 13));
        let out = puppet.say(&ask);
        assert_eq!(out.iter().map(Vec::len).collect::<Vec<_>>(), [42], "40 and the CRC");
        let answer = puppet.wire.open(&out[0]).unwrap();
        assert_eq!(answer[..2], [0, 8]);
        assert_eq!(word16(&answer, 2), 0xabcd, "the stamp comes back");
        assert_eq!((word64(&answer, 8), word64(&answer, 16)), (17, 13), "and so do the counters");
        assert_eq!(word32(&answer, 4), puppet.now / 1_000, "milliseconds of our clock");
        let (sent, received) = (word64(&answer, 24), word64(&answer, 32));
        // So far: a SessionResponse and a heartbeat's answer sent, a request, a heartbeat and the question received; the handshake may count or not.
        assert!((1..=3).contains(&sent) && (2..=3).contains(&received), "sent {sent}, received {received}");
    }

    #[test]
    fn short_questions_are_malformed() {
        let mut puppet = Puppet::client(config());
        for len in [2, 3, 20, 39] {
            assert_eq!(puppet.say(&puppet.wire.seal(&question(1, 1, 1)[..len])), [] as [Vec<u8>; 0]);
        }
        assert_eq!(puppet.node.mux.session_stats(puppet.id).unwrap().dropped_malformed, 4);
        puppet.assert_alive();
    }

    #[test]
    fn nobody_asks_unless_told_to() {
        let mut pair = Pair::new().tapped().connect();
        pair.drive(100 * SECOND);
        assert!(pair.tap.take().unwrap().iter().all(|tapped| !tapped.data.starts_with(&[0, 7])));
        assert_eq!(pair.client.mux.info(pair.id).unwrap().loss_sent_ppm, None);
    }

    #[test]
    fn asking_tells_the_round_trip() {
        let asking = Config { net_status_ms: 1_000, ..config() };
        let mut pair = Pair::over(Path::delay(50 * MS), 1, asking, config()).tapped().connect();
        pair.drive(30 * SECOND);
        let info = pair.client.mux.info(pair.id).unwrap();
        let rtt = info.rtt_us.expect("asked and answered");
        assert!((98_000..=104_000).contains(&rtt), "{rtt} us for twice 50 ms");
        assert_eq!((info.loss_sent_ppm, info.loss_received_ppm), (Some(0), Some(0)));
        let asked = pair.tap.take().unwrap().iter().filter(|tapped| tapped.data.starts_with(&[0, 7])).count();
        assert!((28..=32).contains(&asked), "once a second: {asked}");
    }

    #[test]
    fn asking_tells_the_loss_each_way() {
        let asking = Config { net_status_ms: 500, ..config() };
        let mut pair = Pair::over(Path::delay(10 * MS), 3, asking, config()).connect();
        pair.up.path.loss_percent = 30;
        pair.down.path.loss_percent = 10;
        for _ in 0..4_000 {
            pair.send(Channel::Unreliable, &[1; 20]);
            pair.reply(Channel::Unreliable, &[1; 20]);
            pair.drive(10 * MS);
        }
        let info = pair.client.mux.info(pair.id).unwrap();
        let (sent, received) = (info.loss_sent_ppm.unwrap(), info.loss_received_ppm.unwrap());
        assert!((200_000..=400_000).contains(&sent), "{sent} ppm of 30 %");
        assert!((30_000..=200_000).contains(&received), "{received} ppm of 10 %");
    }

    #[test]
    fn data_alone_tells_the_round_trip_too() {
        let mut pair = Pair::over(Path::delay(40 * MS), 1, config(), config()).connect();
        for _ in 0..50 {
            pair.send(Channel::Reliable0, b"x");
            pair.drive(200 * MS);
        }
        let rtt = pair.client.mux.info(pair.id).unwrap().rtt_us.expect("measured");
        assert!((79_000..=90_000).contains(&rtt), "{rtt} us for twice 40 ms");
    }

    #[test]
    fn forged_answers_tell_nothing() {
        let mut puppet = Puppet::server(Config { net_status_ms: 1_000, ..config() });
        puppet.wait(500 * MS);
        let before = puppet.node.mux.info(puppet.id).unwrap().rtt_us;
        let mut answer = vec![0, 8];
        answer.extend_from_slice(&[0xff; 38]);
        puppet.say(&answer);
        puppet.say(&[&answer[..], &[0, 0]].concat());
        assert_eq!(puppet.node.mux.info(puppet.id).unwrap().rtt_us, before, "no CRC");
        // Behind a good CRC nonsense may be believed, but breaks nothing.
        puppet.say(&puppet.wire.seal(&answer));
        puppet.say(&puppet.wire.seal(&[0, 8, 0, 0]));
        puppet.assert_alive();
    }
}

/// A MultiPacket of one heartbeat tells that its sender is not of soe-protocol's kind, and so may be answered in full.
const SHOWN: [u8; 5] = [0, 3, 2, 0, 6];

#[test]
fn a_client_shows_itself_until_the_server_does_and_not_only_until_a_heartbeat_came_with_something_else() {
    let mut puppet = Puppet::server(config());
    // A message ahead of its turn: what is lost is not acknowledged in order, so it matters what the server takes this side for.
    let shows = |puppet: &mut Puppet, sequence: u16| {
        puppet.wait(2 * SECOND);
        let wire = puppet.wire;
        let said = puppet.say(&wire.seal(&Wire::reliable(0, sequence, b"early")));
        said.iter().any(|datagram| wire.open(datagram).is_some_and(|packet| packet == SHOWN))
    };
    assert!(shows(&mut puppet, 1), "before a word of the server");
    puppet.say(&puppet.wire.seal(&multi(&[&[0, 6], &[1, 5]])));
    assert!(shows(&mut puppet, 2), "a heartbeat that shares its datagram says nothing");
    puppet.say(&puppet.wire.seal(&multi(&[&[0, 6]])));
    assert!(!shows(&mut puppet, 3), "the server has shown itself");
}

#[test]
fn a_server_answers_the_first_showing_even_just_after_its_own_heartbeat() {
    let mut puppet = Puppet::client(config());
    puppet.wait(5 * SECOND);
    let wire = puppet.wire;
    assert_eq!(puppet.packets_after(&wire.heartbeat()), [[0, 6]]);
    puppet.wait(1000);
    let shown = wire.seal(&multi(&[&[0, 6]]));
    let said = puppet.say(&shown);
    assert!(said.iter().any(|datagram| wire.open(datagram).is_some_and(|packet| packet == SHOWN)), "{said:?}");
    puppet.wait(1000);
    assert_eq!(puppet.say(&shown), Vec::<Vec<u8>>::new(), "but not each of many");
}

/// Where a round trip takes longer than a heartbeat is repeated after, an answer must not pass for a question.
#[test]
fn over_a_slow_path_heartbeats_do_not_answer_each_other_for_ever() {
    for delay in [400_000, 500_000, 700_000] {
        let mut pair = Pair::over(Path::delay(delay), 1, config(), config()).connect();
        pair.drive(40 * SECOND);
        let mut pair = pair.tapped();
        pair.drive(100 * SECOND);
        let said = pair.tap.take().unwrap().len();
        assert!(said <= 30, "{said} heartbeats in 100 idle seconds, {delay} us each way");
        pair.assert_alive();
    }
}

/// Heartbeats of its own that were lost must not make it take a peer's questions for their answers: a server that doubts it asks three times, a second apart.
#[test]
fn a_client_whose_heartbeats_were_lost_answers_one_of_three_questions() {
    let mut puppet = Puppet::server(config());
    let heartbeat = puppet.wire.heartbeat();
    for round in 0..4 {
        while !puppet.wait(100 * MS).iter().any(|(_, data)| *data == heartbeat) {}
        if round < 3 {
            puppet.say(&puppet.wire.sign(vec![1, round]));
        }
    }
    puppet.wait(500 * MS);
    let mut answers = 0;
    for _ in 0..3 {
        answers += puppet.packets_after(&heartbeat).iter().filter(|packet| **packet == [0, 6]).count();
        puppet.wait(1000 * MS);
    }
    assert!(answers > 0);
}

/// What was on its way while the host slept says nothing of the path.
#[test]
fn a_host_that_slept_does_not_take_its_sleep_for_a_round_trip() {
    let mut pair = Pair::over(Path::delay(30 * MS), 1, config(), config()).connect();
    for _ in 0..5 {
        pair.send(Channel::Reliable0, b"before");
        pair.drive(35 * MS);
        pair.now += 8 * SECOND;
        pair.drive(3 * SECOND);
        let rtt = pair.client.mux.info(pair.id).unwrap().rtt_us.expect("from the handshake");
        assert!(rtt < 100_000, "{rtt} us");
    }
    pair.assert_alive();
}
