//! The paths between each client and the server: what is under way, and what becomes of it.

use crate::common::Random;
use crate::scenario::Faults;
use soe::Address;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Whose a datagram is: a talk, and the end of it that sent it.
pub type Tag = (usize, usize);

/// A datagram under way.
pub struct Flight {
    at: u64,
    order: u64,
    pub from: Address,
    pub to: Address,
    pub data: Vec<u8>,
    pub tag: Option<Tag>,
    /// As it was sent.
    pub genuine: bool,
}

impl Flight {
    /// From one address to another, and from nobody.
    pub fn forged((from, to): (Address, Address), data: Vec<u8>) -> Flight {
        Flight { at: 0, order: 0, from, to, data, tag: None, genuine: false }
    }
}

impl Ord for Flight {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

impl PartialOrd for Flight {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Flight {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Flight {}

/// One direction of one client's path.
#[derive(Clone, Default)]
struct Lane {
    faults: Faults,
    until: u64,
    /// Datagrams that a burst still takes.
    burst: u64,
}

pub struct Network {
    random: Random,
    delays: Vec<u64>,
    lanes: Vec<[Lane; 2]>,
    flying: BinaryHeap<Reverse<Flight>>,
    order: u64,
    /// What faults added to a client's round trip at most.
    pub worst: Vec<u64>,
    /// A datagram that was seen lately, by client and direction: for those who damage copies.
    pub seen: Vec<[Vec<u8>; 2]>,
}

impl Network {
    pub fn new(seed: u64, delays: &[u64]) -> Self {
        Network {
            random: Random::new(seed ^ 0x1126),
            delays: delays.to_vec(),
            lanes: vec![Default::default(); delays.len()],
            flying: BinaryHeap::new(),
            order: 0,
            worst: vec![0; delays.len()],
            seen: vec![Default::default(); delays.len()],
        }
    }

    pub fn trouble(&mut self, client: usize, up: bool, until: u64, faults: Faults) {
        self.lanes[client][usize::from(up)] = Lane { faults, until, burst: 0 };
        let both: u64 = self.lanes[client].iter().map(|lane| lane.faults.delay + lane.faults.jitter).sum();
        self.worst[client] = self.worst[client].max(both);
    }

    /// All paths are good from now on.
    pub fn calm(&mut self) {
        self.lanes.fill(Default::default());
    }

    /// Extra delay on a client's paths, the worse one's.
    pub fn lag(&self, client: usize, now: u64) -> u64 {
        self.lanes[client].iter().filter(|lane| now < lane.until).map(|lane| lane.faults.delay + lane.faults.jitter).max().unwrap_or(0)
    }

    /// Sends a datagram. True where it will not arrive as it is.
    pub fn push(&mut self, now: u64, (client, up): (usize, bool), ends: (Address, Address), tag: Option<Tag>, data: Vec<u8>) -> bool {
        let Network { random, lanes, .. } = self;
        let lane = &mut lanes[client][usize::from(up)];
        let faults = if now < lane.until { lane.faults } else { Faults::default() };
        self.seen[client][usize::from(up)].clone_from(&data);
        if lane.burst > 0 && now < lane.until {
            lane.burst -= 1;
            return true;
        }
        if random.percent(faults.loss) {
            lane.burst = random.below(faults.burst + 1);
            return true;
        }
        let delay = self.delays[client] + faults.delay;
        let copies = 1 + usize::from(random.percent(faults.duplicate));
        let mut intact = false;
        for _ in 0..copies {
            let at = now + delay + self.random.below(faults.jitter + 1);
            let mut data = data.clone();
            let mut genuine = true;
            if self.random.percent(faults.corrupt) {
                flip_bits(&mut data, &mut self.random);
                genuine = false;
            }
            if self.random.percent(faults.truncate) {
                data.truncate(self.random.below(data.len() as u64) as usize);
                genuine = false;
            }
            intact |= genuine;
            self.order += 1;
            self.flying.push(Reverse(Flight { at, order: self.order, from: ends.0, to: ends.1, data, tag, genuine }));
        }
        !intact
    }

    /// Lets a datagram arrive that nobody sent.
    pub fn forge(&mut self, at: u64, flight: Flight) {
        self.order += 1;
        self.flying.push(Reverse(Flight { at, order: self.order, ..flight }));
    }

    pub fn next_arrival(&self) -> Option<u64> {
        self.flying.peek().map(|Reverse(flight)| flight.at)
    }

    /// One that has arrived by `now`.
    pub fn pop(&mut self, now: u64) -> Option<Flight> {
        if self.next_arrival()? > now {
            return None;
        }
        self.flying.pop().map(|Reverse(flight)| flight)
    }
}

/// One to three bits, anywhere.
pub fn flip_bits(data: &mut [u8], random: &mut Random) {
    let mut flipped = vec![];
    for _ in 0..1 + random.below(3) {
        let bit = random.below(8 * data.len() as u64);
        // The same one twice would be none.
        if !data.is_empty() && !flipped.contains(&bit) {
            data[bit as usize / 8] ^= 1 << (bit % 8);
            flipped.push(bit);
        }
    }
}
