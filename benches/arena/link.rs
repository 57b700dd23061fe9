//! A simulated path on virtual time: rate, a drop-tail queue, delay, jitter, loss, duplication. Times are microseconds.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// IP and UDP in front of each datagram.
const HEADERS: usize = 28;

/// What a path does to datagrams.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    pub(crate) bits_per_second: f64,
    /// One way.
    pub(crate) delay: u64,
    /// Up to this much more for each datagram, so that later ones overtake.
    pub(crate) jitter: u64,
    /// Share of the datagrams that are lost behind the queue.
    pub(crate) loss: f64,
    /// Share of the others that arrive twice.
    pub(crate) duplicate: f64,
    /// What doesn't fit in front of the bottleneck is dropped.
    pub(crate) queue_bytes: f64,
}

/// xorshift64*: the same seed, the same accidents, to every contender.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn happens(&mut self, share: f64) -> bool {
        ((self.next() >> 11) as f64) < share * (1u64 << 53) as f64
    }
}

/// One direction of a path.
pub(crate) struct Link {
    path: Path,
    random: Random,
    /// When the bottleneck has sent all that is queued.
    free_at: f64,
    order: u64,
    flying: BinaryHeap<Reverse<(u64, u64, Vec<u8>)>>,
    /// Bytes handed to the link, headers included, lost ones too.
    pub(crate) bytes: u64,
    pub(crate) datagrams: u64,
}

impl Link {
    pub(crate) fn new(path: &Path, seed: u64) -> Self {
        let random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        Link { path: path.clone(), random, free_at: 0.0, order: 0, flying: BinaryHeap::new(), bytes: 0, datagrams: 0 }
    }

    pub(crate) fn push(&mut self, now: u64, datagram: &[u8]) {
        let size = datagram.len() + HEADERS;
        self.datagrams += 1;
        self.bytes += size as u64;
        let us_per_byte = 8e6 / self.path.bits_per_second;
        let begin = self.free_at.max(now as f64);
        if (begin - now as f64) / us_per_byte + size as f64 > self.path.queue_bytes {
            return;
        }
        self.free_at = begin + size as f64 * us_per_byte;
        if self.random.happens(self.path.loss) {
            return;
        }
        for _ in 0..1 + u32::from(self.random.happens(self.path.duplicate)) {
            let jitter = if self.path.jitter > 0 { self.random.next() % self.path.jitter } else { 0 };
            self.order += 1;
            self.flying.push(Reverse((self.free_at as u64 + self.path.delay + jitter, self.order, datagram.to_vec())));
        }
    }

    /// When the next datagram arrives; `u64::MAX` when none is under way.
    pub(crate) fn next_arrival(&self) -> u64 {
        self.flying.peek().map_or(u64::MAX, |Reverse((at, ..))| *at)
    }

    /// A datagram that has arrived by `now`.
    pub(crate) fn pop(&mut self, now: u64) -> Option<Vec<u8>> {
        if self.next_arrival() > now {
            return None;
        }
        self.flying.pop().map(|Reverse((.., datagram))| datagram)
    }
}
