//! The sending half of one reliable channel of a model: groups, fragments, what is under way, and when it goes out again.

use crate::inbox::unwrapped;
use crate::packets::{Packet, escaped, varlen};
use crate::titles::{Early, Family, Title};
use std::collections::{BTreeMap, VecDeque};

/// Before the first round trip is known (udplibrary.md 5.5).
const FIRST_PING: u64 = 800_000;

struct Flying {
    packet: Vec<u8>,
    first: u64,
    last: u64,
    times: u32,
}

pub(crate) struct Sender {
    channel: usize,
    /// What one reliable packet carries at most.
    room: usize,
    /// What was sent since the last turn and may become a group.
    fresh: Vec<Vec<u8>>,
    /// What waits for its turn: (is a fragment, its body).
    queue: VecDeque<(bool, Vec<u8>)>,
    flying: BTreeMap<u64, Flying>,
    next: u64,
    ping: u64,
    /// When the packet first went out that was acknowledged last: all that went out before it and was not, is lost.
    overtaken: u64,
}

impl Sender {
    pub(crate) fn new(channel: usize, room: usize) -> Self {
        Sender { channel, room, fresh: vec![], queue: VecDeque::new(), flying: BTreeMap::new(), next: 0, ping: FIRST_PING, overtaken: 0 }
    }

    /// Application data, escaped and ciphered as it should be on the wire.
    pub(crate) fn push(&mut self, title: &Title, data: Vec<u8>) {
        if data.len() + 5 > self.room || !title.client_groups.takes(data.len()) {
            self.end_group(title);
            return self.alone(title, data);
        }
        let long_from = title.client_groups.long_from();
        let used = |member: &Vec<u8>| varlen(member.len(), long_from).len() + member.len();
        if 2 + self.fresh.iter().map(used).sum::<usize>() + used(&data) > self.room {
            self.end_group(title);
        }
        self.fresh.push(data);
    }

    fn end_group(&mut self, title: &Title) {
        let mut members = std::mem::take(&mut self.fresh);
        match members.len() {
            0 => {}
            1 => self.alone(title, members.remove(0)),
            _ => self.cut(Packet::Group(members).write(title.client_groups.long_from())),
        }
    }

    /// Plain data that looks like a group goes as a group of one (README.md, "Zero escape").
    fn alone(&mut self, title: &Title, data: Vec<u8>) {
        match title.family == Family::Version3 && data.starts_with(&[0, 0x19]) {
            true => self.cut(Packet::Group(vec![data]).write(title.client_groups.long_from())),
            false => self.cut(data),
        }
    }

    /// Into packets.
    fn cut(&mut self, payload: Vec<u8>) {
        if payload.len() <= self.room {
            return self.queue.push_back((false, payload));
        }
        let total = (payload.len() as u32).to_be_bytes();
        let whole = [&total[..], &payload].concat();
        self.queue.extend(whole.chunks(self.room).map(|chunk| (true, chunk.to_vec())));
    }

    fn delay(&self, title: &Title) -> u64 {
        let resend = title.resend;
        (self.ping * resend.percent / 100 + resend.add_ms * 1000).clamp(resend.min_ms * 1000, resend.cap_ms * 1000)
    }

    /// What goes out now.
    pub(crate) fn turn(&mut self, title: &Title, now: u64) -> Vec<Vec<u8>> {
        self.end_group(title);
        let mut out = vec![];
        let due = now.saturating_sub(self.delay(title));
        let oldest_is_due = self.flying.first_key_value().is_some_and(|(_, flying)| flying.last <= due);
        for flying in self.flying.values_mut() {
            let lost = match title.resend.whole_window {
                true => oldest_is_due,
                false => flying.last <= due || title.early == Early::FastResend && flying.last < self.overtaken,
            };
            if lost {
                flying.last = now;
                flying.times += 1;
                out.push(flying.packet.clone());
            }
        }
        while !self.queue.is_empty() && self.next - self.oldest() < title.window {
            let (fragment, body) = self.queue.pop_front().expect("not empty");
            let (channel, stamp) = (self.channel, self.next as u16);
            let packet = match fragment {
                true => Packet::Fragment { channel, stamp, chunk: body },
                false => Packet::Reliable { channel, stamp, payload: body },
            };
            let packet = packet.write(title.client_groups.long_from());
            out.push(packet.clone());
            self.flying.insert(self.next, Flying { packet, first: now, last: now, times: 1 });
            self.next += 1;
        }
        out
    }

    fn oldest(&self) -> u64 {
        self.flying.first_key_value().map_or(self.next, |(id, _)| *id)
    }

    /// Panics where something is acknowledged that was never sent.
    pub(crate) fn acknowledged(&mut self, stamp: u16, all: bool, now: u64) {
        let id = unwrapped(stamp, self.next);
        assert!(id < self.next as i64, "an acknowledgement of {id}, and {} comes next", self.next);
        let done: Vec<Flying> = match all {
            true => {
                // -1 is what a receiver says that has nothing yet.
                let later = self.flying.split_off(&((id + 1) as u64));
                std::mem::replace(&mut self.flying, later).into_values().collect()
            }
            false => self.flying.remove(&(id as u64)).into_iter().collect(),
        };
        for flying in done {
            self.overtaken = flying.first;
            if flying.times == 1 {
                self.ping = (3 * self.ping + (now - flying.first)) / 4;
            }
        }
    }

    pub(crate) fn numbered(&self) -> u64 {
        self.next
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.fresh.is_empty() && self.queue.is_empty() && self.flying.is_empty()
    }

    pub(crate) fn next_deadline(&self, title: &Title) -> Option<u64> {
        let waits = !self.fresh.is_empty() || !self.queue.is_empty() && self.next - self.oldest() < title.window;
        if waits { Some(0) } else { self.flying.values().map(|flying| flying.last).min().map(|last| last + self.delay(title)) }
    }
}

/// A message as this title puts it on the wire, before it goes into a group; `ciphered`: it is ciphertext.
pub(crate) fn wrapped(title: &Title, data: Vec<u8>, ciphered: bool) -> Vec<u8> {
    match title.family {
        Family::Version3 if !ciphered => data,
        _ => escaped(&data),
    }
}
