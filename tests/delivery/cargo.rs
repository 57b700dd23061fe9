//! What is carried in these tests: messages that say which they are, and that are checked byte by byte for the price of a `memcmp`.

use crate::common::{Random, noise};
use std::sync::OnceLock;

/// The longest message.
pub(crate) const LONGEST: usize = 100_000;
/// Bytes of payload behind opcode, sequence and before the CRC, at the default UDP length of 512.
pub(crate) const PAYLOAD: usize = 506;
/// Where messages begin in the noise.
const OFFSETS: u64 = 1 << 17;

fn pattern(start: u64, len: usize) -> &'static [u8] {
    static NOISE: OnceLock<Vec<u8>> = OnceLock::new();
    &NOISE.get_or_init(|| noise(OFFSETS as usize + LONGEST, 0xca_9650))[start as usize..][..len]
}

/// Messages in order. Each begins with its index; the rest is noise from a place that depends on seed and index.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cargo {
    seed: u64,
    lens: Vec<u32>,
}

impl Cargo {
    /// `bytes` in messages of `shortest`..=`longest` bytes.
    pub(crate) fn new(bytes: usize, shortest: usize, longest: usize, seed: u64) -> Self {
        assert!(4 < shortest && shortest <= longest && longest <= LONGEST);
        let mut random = Random::new(seed);
        let (mut lens, mut rest) = (vec![], bytes);
        while rest > 0 {
            let len = shortest as u64 + random.below((longest - shortest + 1) as u64);
            lens.push(len as u32);
            rest = rest.saturating_sub(len as usize);
        }
        Cargo { seed, lens }
    }

    /// `count` messages that fill a datagram each.
    pub(crate) fn full(count: usize) -> Self {
        Cargo { seed: 1, lens: vec![PAYLOAD as u32; count] }
    }

    pub(crate) fn len(&self) -> usize {
        self.lens.len()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.lens.iter().copied().map(u64::from).sum()
    }

    /// Packets that carry it, and the bytes of those from opcode to payload, where as many messages share each as fit.
    pub(crate) fn packets(&self) -> (u64, u64) {
        let (mut packets, mut bytes, mut room) = (0, 0, 0);
        for len in self.lens.iter().map(|len| *len as usize) {
            let bundled = len + if len < 0xff { 1 } else { 3 };
            if bundled <= room {
                (room, bytes) = (room - bundled, bytes + bundled);
            } else if len <= PAYLOAD {
                (packets, bytes, room) = (packets + 1, bytes + 4 + 2 + bundled, PAYLOAD.saturating_sub(2 + bundled));
            } else {
                let fragments = (len + 4).div_ceil(PAYLOAD);
                (packets, bytes, room) = (packets + fragments, bytes + len + 4 + 4 * fragments, 0);
            }
        }
        (packets as u64, bytes as u64)
    }

    fn offset(&self, index: usize) -> u64 {
        (self.seed ^ index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - 17)
    }

    pub(crate) fn write(&self, index: usize, message: &mut Vec<u8>) {
        message.clear();
        message.extend_from_slice(&(index as u32).to_le_bytes());
        message.extend_from_slice(pattern(self.offset(index), self.lens[index] as usize - 4));
    }

    /// What is wrong with `message` as number `index`.
    pub(crate) fn check(&self, index: usize, message: &[u8]) -> Result<(), String> {
        let Some(&len) = self.lens.get(index) else { return Err(format!("message {index} of {}", self.len())) };
        let Some((head, body)) = message.split_first_chunk::<4>() else {
            return Err(format!("{} bytes as message {index}", message.len()));
        };
        let said = u32::from_le_bytes(*head) as usize;
        if said != index {
            return Err(format!("message {said} where {index} was due"));
        }
        if message.len() != len as usize {
            return Err(format!("message {index} has {} bytes, not {len}", message.len()));
        }
        if body != pattern(self.offset(index), body.len()) {
            return Err(format!("message {index} came with other bytes"));
        }
        Ok(())
    }
}
