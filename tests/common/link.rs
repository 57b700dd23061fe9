//! A one-way path on virtual time: delay, jitter (which reorders), loss, duplication. The same seed has the same accidents.

use soe::Address;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// xorshift64*.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next_u64(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// 0..`end`.
    pub fn below(&mut self, end: u64) -> u64 {
        // The high bits: the low ones of the generator are its weakest.
        (self.next_u64() >> 16) % end.max(1)
    }

    /// True in `percent` of 100 cases.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.below(256) as u8).collect()
    }
}

/// What a link does to datagrams.
#[derive(Clone, Copy, Debug, Default)]
pub struct Path {
    pub delay_us: u64,
    /// Up to this much more for each datagram: later ones overtake.
    pub jitter_us: u64,
    pub loss_percent: u64,
    pub duplicate_percent: u64,
}

impl Path {
    /// Nothing lost, 1 ms each way.
    pub const CLEAN: Path = Path { delay_us: 1_000, jitter_us: 0, loss_percent: 0, duplicate_percent: 0 };

    /// The bad evening of the issue: 10 % lost, some twice, hardly two in order.
    pub const ROUGH: Path = Path { delay_us: 20_000, jitter_us: 8_000, loss_percent: 10, duplicate_percent: 5 };

    pub fn delay(delay_us: u64) -> Self {
        Path { delay_us, ..Path::default() }
    }
}

type Flying = (u64, u64, [u64; 2], Vec<u8>);

/// One direction.
#[derive(Debug)]
pub struct Link {
    pub path: Path,
    random: Random,
    order: u64,
    addresses: Vec<Address>,
    flying: BinaryHeap<Reverse<Flying>>,
}

impl Link {
    pub fn new(path: Path, seed: u64) -> Self {
        Link { path, random: Random::new(seed), order: 0, addresses: vec![], flying: BinaryHeap::new() }
    }

    fn index(&mut self, address: Address) -> u64 {
        match self.addresses.iter().position(|a| *a == address) {
            Some(at) => at as u64,
            None => {
                self.addresses.push(address);
                self.addresses.len() as u64 - 1
            }
        }
    }

    pub fn push(&mut self, now: u64, from: Address, to: Address, datagram: &[u8]) {
        if self.random.percent(self.path.loss_percent) {
            return;
        }
        let ends = [self.index(from), self.index(to)];
        for _ in 0..1 + u32::from(self.random.percent(self.path.duplicate_percent)) {
            let jitter = if self.path.jitter_us > 0 { self.random.below(self.path.jitter_us) } else { 0 };
            self.order += 1;
            self.flying.push(Reverse((now + self.path.delay_us + jitter, self.order, ends, datagram.to_vec())));
        }
    }

    pub fn next_arrival(&self) -> Option<u64> {
        self.flying.peek().map(|Reverse((at, ..))| *at)
    }

    /// (from, to, datagram) of one that has arrived by `now`.
    pub fn pop(&mut self, now: u64) -> Option<(Address, Address, Vec<u8>)> {
        if self.next_arrival()? > now {
            return None;
        }
        let Reverse((_, _, [from, to], datagram)) = self.flying.pop()?;
        Some((self.addresses[from as usize], self.addresses[to as usize], datagram))
    }

    pub fn is_empty(&self) -> bool {
        self.flying.is_empty()
    }
}
