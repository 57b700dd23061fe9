//! The packets that anybody can send, because they have no CRC: SessionRequest, SessionResponse, UnknownSender, RemapConnection. Forged by the thousand, from the peer's
//! address and from others, they change nothing for a session that is open: not what it delivers, not when, not what it sends.

use crate::common::*;
use soe::{Address, Channel, Disconnect, EndedBy, Multiplexer, reason};

/// So many of each kind in each millisecond, at both sides.
const EACH: usize = if cfg!(debug_assertions) { 1 } else { 10 };
/// For so long.
const LASTS: u64 = 6 * SECOND;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Flood {
    None,
    /// Without UnknownSender.
    Silent,
    /// With it: it is a hint, which is asked about.
    Hinting,
}

/// One of each kind.
fn forge(random: &mut Random, id: u32, flood: Flood) -> Vec<Vec<u8>> {
    let (any, length) = (random.next_u64() as u32, random.below(2_000) as u32);
    let crc_length = random.below(5) as u8;
    let mut all = vec![
        request(3, any, 512, PROTOCOL),
        request(3, id, length, PROTOCOL),
        request(2, any, 512, PROTOCOL),
        request(3, any, 512, b"another"),
        request(3, any, 3, PROTOCOL),
        response(any, any, crc_length, [0, 0], length, 3),
        response(id, any, crc_length, [1, 0], length, 3),
        [&[0, 0x1e][..], &any.to_be_bytes(), &any.to_be_bytes()].concat(),
        [&[0, 0x1e][..], &id.to_be_bytes(), &any.to_be_bytes()].concat(),
        [&[0, 0x1c][..], &any.to_be_bytes()].concat(),
    ];
    if flood == Flood::Hinting {
        all.extend([vec![0, 0x1d], vec![0, 0x1d, 0, 0, 0, 0]]);
    }
    all
}

/// What a session did.
#[derive(Debug, PartialEq, Eq)]
struct Story {
    /// What each side heard, and when.
    heard: [Vec<(u64, What)>; 2],
    /// What each side sent of its own, and when: nothing that begins or moves a session.
    said: Vec<(u64, bool, Vec<u8>)>,
}

/// Both sides say things of all kinds to each other, then one of them leaves when all of it is acknowledged.
fn tell(flood: Flood) -> Story {
    // No accidents: they would fall upon other datagrams.
    let mut pair = Pair::over(Path::delay(10 * MS), 1, config(), config()).connect();
    pair.drive(5 * SECOND);
    let mut pair = pair.tapped();
    let mut random = Random::new(5);
    let id = pair.client.mux.info(pair.id).unwrap().session_id_on_wire;
    let other = |random: &mut Random| -> Address { address(9, 1 + random.below(50) as u16) };
    for ms in 0..LASTS / MS {
        if flood != Flood::None {
            for _ in 0..EACH {
                for datagram in forge(&mut random, id, flood) {
                    let elsewhere = other(&mut random);
                    let feed = |mux: &mut Multiplexer, from: Address| mux.feed(pair.now, &from, &datagram);
                    feed(&mut pair.server.mux, CLIENT());
                    feed(&mut pair.server.mux, elsewhere);
                    feed(&mut pair.client.mux, SERVER());
                    feed(&mut pair.client.mux, elsewhere);
                }
            }
        }
        if ms % 20 == 0 && ms < 4_000 {
            pair.send(RELIABLE[ms as usize / 20 % 4], &noise(1 + ms as usize, ms));
            pair.reply(Channel::Reliable0, &noise(300, ms));
            pair.send(Channel::Unreliable, &noise(30, ms));
            pair.reply(Channel::Ordered, &noise(40, ms));
        }
        if ms == 1_000 {
            pair.reply(Channel::Reliable1, &noise(100_000, 1));
        }
        if ms == 4_500 {
            pair.client.mux.disconnect(pair.id, 6, Disconnect::Flush).unwrap();
        }
        pair.drive(MS);
    }
    let heard = |node: &mut Node| node.take_seen().into_iter().map(|seen| (seen.time_us, seen.what)).collect();
    let said = pair.tap.take().unwrap().into_iter().filter(|tapped| !matches!(tapped.data[..], [0, 1 | 2 | 0x1d | 0x1e, ..]));
    let said = said.map(|tapped| (tapped.at, tapped.by_client, tapped.data)).collect();
    Story { heard: [heard(&mut pair.client), heard(&mut pair.server)], said }
}

/// What a flood of forged requests makes a server say besides responses: a Disconnect behind each response that refuses, sealed for a session that never was.
fn without_refusals(mut story: Story, calm: &Story) -> Story {
    let known: std::collections::HashSet<_> = calm.said.iter().cloned().collect();
    story.said.retain(|said| known.contains(said) || !said.2.starts_with(&[0, 5]));
    story
}

#[test]
fn a_flood_of_forged_handshakes_changes_neither_what_a_session_does_nor_when() {
    let calm = tell(Flood::None);
    let count = |story: &Story, side: usize| story.heard[side].iter().filter(|(_, what)| matches!(what, What::Message(..))).count();
    assert_eq!((count(&calm, 0), count(&calm, 1)), (401, 400));
    assert_eq!(calm.heard[0].last().unwrap().1, What::Disconnected(EndedBy::Host, 6));
    assert_eq!(calm.heard[1].last().unwrap().1, What::Disconnected(EndedBy::Peer, 6));

    let flooded = without_refusals(tell(Flood::Silent), &calm);
    for side in [0, 1] {
        let same = calm.heard[side].iter().zip(&flooded.heard[side]).take_while(|(calm, flooded)| calm == flooded).count();
        assert_eq!(same, calm.heard[side].len(), "side {side} heard otherwise from there on");
        assert_eq!(flooded.heard[side].len(), same, "side {side} heard more");
    }
    let same = calm.said.iter().zip(&flooded.said).take_while(|(calm, flooded)| calm == flooded).count();
    let differs = |story: &Story| story.said.get(same).map(|(at, by_client, data)| (*at, *by_client, hex(data)));
    assert_eq!((same, differs(&flooded)), (calm.said.len(), None), "instead of {:?}", differs(&calm));
}

/// A hint is asked about once in a second, however many there are, and the session goes on as if there were none meanwhile.
#[test]
fn a_flood_of_forged_hints_costs_a_question_a_second() {
    let calm = tell(Flood::None);
    let hinted = without_refusals(tell(Flood::Hinting), &calm);
    let delivered = |story: &Story, side: usize| story.heard[side].iter().map(|(_, what)| what.clone()).collect::<Vec<_>>();
    for side in [0, 1] {
        assert!(delivered(&calm, side) == delivered(&hinted, side), "side {side}");
        let late = calm.heard[side].iter().zip(&hinted.heard[side]).map(|((calm, _), (hinted, _))| hinted.saturating_sub(*calm)).max();
        assert_eq!(late, Some(0), "microseconds later");
    }
    // A question and an answer for each side and second.
    let more = hinted.said.len().saturating_sub(calm.said.len());
    println!("{} datagrams, and {more} more for the hints", calm.said.len());
    assert!(more <= 4 * (LASTS / SECOND) as usize, "{more} more than {}", calm.said.len());
}

/// A server's session, a client's: the role is what the puppet is not.
const ROLES: [fn(soe::Config) -> Puppet; 2] = [Puppet::client, Puppet::server];

/// Only what passed validation is a sign of life: with or without a flood, a silent peer's session ends at the same microsecond.
#[test]
fn nothing_forged_keeps_a_dead_session_alive() {
    for open in ROLES {
        let ended = |flooded: bool| {
            let mut puppet = open(config());
            let mut random = Random::new(9);
            for _ in 0..400 {
                for datagram in forge(&mut random, Puppet::ID, Flood::Silent).into_iter().filter(|_| flooded) {
                    puppet.say(&datagram);
                }
                for datagram in [vec![], vec![0, 6], vec![0, 6, 0, 0], vec![0, 7], vec![0, 8, 1, 2], vec![0, 0x15, 0, 0], vec![7; 30]] {
                    // Each with a CRC that is right for another seed, so that none is by chance.
                    let wrong = Wire { seed: puppet.wire.seed ^ 1, ..puppet.wire }.sign(datagram.clone());
                    for datagram in [datagram, wrong].iter().filter(|_| flooded) {
                        puppet.say(datagram);
                    }
                }
                puppet.wait(100 * MS);
            }
            let at = |what: &What| puppet.node.seen.iter().find(|seen| seen.what == *what).map(|seen| seen.time_us);
            (at(&What::Disconnected(EndedBy::Library, soe::reason::TIMEOUT)), puppet.node.seen.len())
        };
        let calm = ended(false);
        assert!(calm.0.is_some() && calm.1 == 1, "{calm:?}");
        assert_eq!(ended(true), calm);
    }
}

/// A server must not say more than it is asked, or it could be made to shout at others.
#[test]
fn a_request_has_one_response_at_most_whatever_it_says_and_whenever_it_comes() {
    let mut random = Random::new(10);
    let stages: [fn() -> Puppet; 5] = [
        || Puppet::stranger(config()),
        || Puppet::half_open(config()),
        || Puppet::client(config()),
        || Puppet::asked(config()),
        || Puppet::server(config()),
    ];
    for stage in stages {
        let mut puppet = stage();
        let mut responses = 0;
        for round in 0..2_000 {
            let known = if round % 2 == 0 { Puppet::ID } else { random.below(6) as u32 };
            let requests = forge(&mut random, known, Flood::Silent).into_iter().filter(|datagram| datagram[1] == 1);
            for datagram in requests {
                let from = address(if round % 3 == 0 { 9 } else { 1 }, if round % 5 == 0 { 7 } else { 1_000 });
                let said = puppet.say_from(&from, &datagram);
                assert!(said.iter().all(|(to, _)| *to == from), "to nobody else");
                let answers = said.iter().filter(|(_, data)| Answer::read(data).is_some()).count();
                assert!(answers <= 1 && said.len() <= 2, "{said:?} for {}", hex(&datagram));
                let bytes: usize = said.iter().map(|(_, data)| data.len()).sum();
                assert!(bytes <= 2 * datagram.len(), "{bytes} bytes for {}", datagram.len());
                responses += answers;
            }
            // What is repeated of its own accord is no answer.
            let later = puppet.wait(10 * MS);
            assert!(later.iter().all(|(_, data)| Answer::read(data).is_none()), "none of them is repeated");
        }
        assert!(responses > 1_000, "{responses}");
    }
}

/// A stranger who tries every CRC of 16 bits finds the one of a packet, and then sends that as often as he likes: it is malformed, and ends nothing.
#[test]
fn whoever_tries_all_crcs_ends_no_session() {
    let mut puppet = Puppet::client(config());
    let mut passed = 0;
    for guess in 0..=u16::MAX {
        for _ in 0..8 {
            puppet.node.mux.feed(puppet.now, &CLIENT(), &[0, 3, 9, 0, (guess >> 8) as u8, guess as u8]);
        }
        puppet.now += MS;
        if guess % 5_000 == 0 {
            puppet.say(&puppet.wire.heartbeat());
        }
        passed = puppet.node.mux.session_stats(puppet.id).unwrap().dropped_malformed;
    }
    assert_eq!((passed, puppet.node.disconnected()), (8, None));
    // The same eight from the peer, with nobody guessing, do end it.
    puppet.wait(20 * SECOND);
    puppet.say(&puppet.wire.heartbeat());
    puppet.wait(20 * SECOND);
    puppet.say(&puppet.wire.heartbeat());
    puppet.wait(25 * SECOND);
    (0..8).for_each(|_| drop(puppet.say(&puppet.wire.seal(&[0, 3, 9, 0]))));
    assert_eq!(puppet.node.disconnected(), Some((EndedBy::Library, reason::CORRUPT_PACKET)));
}
