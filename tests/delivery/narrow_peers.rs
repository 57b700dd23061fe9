//! Peers drop what lies beyond a receive window that they never announce: the sender finds out how wide it is, and takes a drop there neither for loss nor for
//! congestion.

use crate::cargo::PAYLOAD;
use crate::common::*;
use soe::{Channel, Config};
use std::collections::{BTreeSet, VecDeque};

/// A peer by hand that holds `window` packets past the last in order, and drops what lies beyond without a word: as those of the original library do.
struct Narrow {
    window: u64,
    next: u64,
    early: BTreeSet<u64>,
    /// How many packets came, in all and by the time that half of them were in order; and of these, how many beyond.
    came: u64,
    beyond: u64,
    beyond_at_half: u64,
    half_at: u64,
}

impl Narrow {
    /// Takes what arrived; says what is to be acknowledged.
    fn receive(&mut self, wire: &Wire, datagram: &[u8]) -> Vec<Vec<u8>> {
        let mut said = vec![];
        for packet in wire.packets(datagram) {
            let [0, 0x09 | 0x0d, high, low, ..] = packet[..] else { continue };
            let ahead = i64::from(u16::from_be_bytes([high, low]).wrapping_sub(self.next as u16) as i16);
            self.came += 1;
            match ahead {
                0 => {
                    self.next += 1;
                    while self.early.remove(&self.next) {
                        self.next += 1;
                    }
                    said.push(Wire::ack_all(0, (self.next - 1) as u16));
                }
                ..0 => said.push(Wire::ack_all(0, (self.next - 1) as u16)),
                _ if (ahead as u64) < self.window => {
                    self.early.insert(self.next + ahead as u64);
                    said.push(Wire::ack(0, (self.next + ahead as u64) as u16));
                }
                _ => self.beyond += 1,
            }
        }
        said
    }
}

const DELAY: u64 = 20 * MS;
const ROUND_TRIP: u64 = 2 * DELAY;

/// Sends 80 windows of packets to a peer that holds `window`, losing `percent` of them; returns the peer, how long it took, how long the second half did,
/// and how many packets were lost on the way.
fn transfer(window: u64, percent: u64) -> (Narrow, u64, u64, u64) {
    let mut puppet = Puppet::client(Config { send_queue_bytes: 4 << 20, ..config() });
    let wire = puppet.wire;
    let count = 80 * window;
    let mut peer = Narrow { window, next: 0, early: BTreeSet::new(), came: 0, beyond: 0, beyond_at_half: 0, half_at: 0 };
    // It is no peer of soe-protocol's kind.
    puppet.say(&wire.seal(&multi(&[&[0, 6]])));
    let (mut there, mut back) = (VecDeque::<(u64, Vec<u8>)>::new(), VecDeque::<(u64, Vec<u8>)>::new());
    let (begin, mut sent, mut lost, mut random) = (puppet.now, 0, 0, Random::new(window));
    let message = [7; PAYLOAD];
    while peer.next < count {
        assert!(puppet.now < begin + 120 * SECOND, "window {window}: {} of {count} packets after 120 s", peer.next);
        while back.front().is_some_and(|(at, _)| *at <= puppet.now) {
            let (_, datagram) = back.pop_front().unwrap();
            let me = puppet.me;
            puppet.node.mux.feed(puppet.now, &me, &datagram);
        }
        while sent < count && puppet.node.mux.send(puppet.id, Channel::Reliable0, &message).is_ok() {
            sent += 1;
        }
        for (_, datagram) in puppet.node.turn(puppet.now) {
            if random.percent(percent) {
                lost += 1;
            } else {
                there.push_back((puppet.now + DELAY, datagram));
            }
        }
        let mut said: Vec<Vec<u8>> = vec![];
        while there.front().is_some_and(|(at, _)| *at <= puppet.now) {
            said.extend(peer.receive(&wire, &there.pop_front().unwrap().1));
        }
        // Of those that name all before, the last says it all.
        let last = said.iter().rposition(|packet| packet[1] == 0x15);
        let said: Vec<_> =
            said.iter().enumerate().filter(|(at, packet)| packet[1] == 0x11 || Some(*at) == last).map(|(_, packet)| &packet[..]).collect();
        for chunk in said.chunks(50) {
            back.push_back((puppet.now + DELAY, wire.seal(&multi(chunk))));
        }
        if peer.half_at == 0 && peer.next >= count / 2 {
            (peer.half_at, peer.beyond_at_half) = (puppet.now, peer.beyond);
        }
        let arrivals = [&there, &back].into_iter().filter_map(|flying| flying.front().map(|(at, _)| *at));
        puppet.now = arrivals.fold(puppet.node.mux.next_deadline(), u64::min).max(puppet.now + 1);
    }
    let (took, second_half) = (puppet.now - begin, puppet.now - peer.half_at);
    (peer, took, second_half, lost)
}

fn check(window: u64, percent: u64) {
    let (peer, took, second_half, lost) = transfer(window, percent);
    let packets = 80 * window;
    let Narrow { came, beyond, beyond_at_half, .. } = peer;
    let what = format!(
        "window {window}, {percent} % lost: {packets} packets, {came} came, {beyond} beyond, {beyond_at_half} of these in the first half, {lost} lost, {} ms, the second half {}",
        took / MS,
        second_half / MS
    );
    // What was sent in vain: little while the window was not known, hardly anything once it was.
    assert!(beyond <= 300 + packets / 20, "{what}");
    // Now and then it is tried whether the peer holds more by now.
    assert!(beyond - beyond_at_half <= packets / 2 / 12, "more than a twelfth beyond in the second half: {what}");
    // What is dropped there says nothing about the path: the window stays full. 40 windows in 40 round trips would be perfect; with losses, each window
    // waits for its own.
    let perfect = 40 * ROUND_TRIP;
    assert!(second_half <= if percent == 0 { perfect * 10 / 6 } else { perfect * 4 }, "{what}; {} ms are possible", perfect / MS);
    // And nothing is sent again that neither was lost nor lay beyond, but for some probes.
    assert!(came + lost <= packets + lost + beyond + 10 + packets / 100, "{what}");
}

#[test]
fn of_64() {
    check(64, 0);
}

#[test]
fn of_256() {
    check(256, 0);
}

#[test]
fn of_1000() {
    check(1_000, 0);
}

#[test]
fn of_64_with_loss() {
    check(64, 1);
}

#[test]
fn of_256_with_loss() {
    check(256, 1);
}

#[test]
fn of_1000_with_loss() {
    check(1_000, 1);
}

/// So few that each lost one stops the transfer for a round trip: what is dropped meanwhile goes out again at once all the same.
#[test]
fn of_8_and_of_16_with_loss() {
    for window in [8, 16] {
        let (_, took, _, lost) = transfer(window, 2);
        assert!(took <= (80 + 6 * lost) * 2 * ROUND_TRIP, "window {window}: {} ms, {lost} lost", took / MS);
    }
}
