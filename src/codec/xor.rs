//! The passes that change bytes and no length: each word is combined with the ciphertext before it, which begins with the CRC seed. They hide nothing from
//! whoever saw the SessionResponse.

/// Pass 4.
pub(super) fn xor(seed: u32, body: &mut [u8]) {
    let mut before = seed.to_le_bytes();
    let (words, tail) = body.as_chunks_mut();
    for word in words {
        combine(word, &before);
        before = *word;
    }
    tail.iter_mut().for_each(|byte| *byte ^= before[0]);
}

/// Undoes pass 4.
pub(super) fn undo_xor(seed: u32, body: &mut [u8]) {
    let mut before = seed.to_le_bytes();
    let (words, tail) = body.as_chunks_mut();
    for word in words {
        let sealed = *word;
        combine(word, &before);
        before = sealed;
    }
    tail.iter_mut().for_each(|byte| *byte ^= before[0]);
}

/// Pass 3: the same, and a key stream besides. `stream` is as long as `body`.
pub(super) fn xor_buffer(seed: u32, stream: &[u8], body: &mut [u8]) {
    let (words, tail) = body.as_chunks_mut::<4>();
    let at = words.len() * 4;
    let mut before = seed.to_le_bytes();
    for (word, key) in words.iter_mut().zip(stream.as_chunks().0) {
        combine(word, key);
        combine(word, &before);
        before = *word;
    }
    // The tail knows nothing of the word before it, unlike pass 4's.
    tail.iter_mut().zip(&stream[at..]).for_each(|(byte, key)| *byte ^= key);
}

/// Undoes pass 3.
pub(super) fn undo_xor_buffer(seed: u32, stream: &[u8], body: &mut [u8]) {
    let (words, tail) = body.as_chunks_mut::<4>();
    let at = words.len() * 4;
    let mut before = seed.to_le_bytes();
    for (word, key) in words.iter_mut().zip(stream.as_chunks().0) {
        let sealed = *word;
        combine(word, key);
        combine(word, &before);
        before = sealed;
    }
    tail.iter_mut().zip(&stream[at..]).for_each(|(byte, key)| *byte ^= key);
}

fn combine(word: &mut [u8; 4], with: &[u8; 4]) {
    *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(*with)).to_ne_bytes();
}

/// The key stream of pass 3: UdpLibrary's generator (section 3.2 of its specification), the low byte of each number. Of the session whose datagram came or left last.
#[derive(Default)]
pub(super) struct KeyStream {
    seed: u32,
    state: i32,
    bytes: Vec<u8>,
}

impl KeyStream {
    /// The first `len` bytes.
    pub(super) fn of(&mut self, seed: u32, len: usize) -> &[u8] {
        if self.seed != seed {
            self.bytes.clear();
        }
        if self.bytes.is_empty() {
            (self.seed, self.state) = (seed, seed as i32);
        }
        while self.bytes.len() < len {
            // Schrage's way to multiply by 16,807 modulo 2^31 - 1. The quotient is C's, towards zero, and seeds may be negative.
            let (high, low) = (self.state / 127_773, self.state % 127_773);
            let next = low * 16_807 - high * 2_836 + 123;
            self.state = if next > 0 { next } else { next + 0x7FFF_FFFF };
            self.bytes.push(self.state as u8);
        }
        &self.bytes[..len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tests::hex;

    #[test]
    fn key_streams_are_the_known_ones_of_negative_seeds_too() {
        let mut stream = KeyStream::default();
        for (seed, expected) in [
            (0x1234_5678, "19618ece9b8c2d8944 5ab293d9b05779"),
            (0x89AB_CDEF, "b234736b7ee27cf110 b0d910dfbcef61"),
            (0, "7bb8933399518351"),
        ] {
            let expected = hex(expected);
            // In one go, in two, and again.
            for len in [expected.len(), 3, expected.len()] {
                assert_eq!(stream.of(seed, len), &expected[..len], "{seed:#x}");
            }
            assert_eq!(KeyStream::default().of(seed, expected.len()), expected);
        }
    }

    #[test]
    fn no_seed_makes_the_generator_overflow() {
        for seed in [1, 127_772, 127_773, 0x7FFF_FFFE, 0x7FFF_FFFF, 0x8000_0000, 0x8000_0001, 0xFFFF_FFFF, 0xFFFE_0CE3] {
            assert_eq!(KeyStream::default().of(seed, 20_000).len(), 20_000);
        }
    }

    #[test]
    fn bytes_are_the_known_ones_and_come_back() {
        const SEED: u32 = 0x1234_5678;
        let plain = hex("0102030405060708090a0b");
        let mut body = plain.clone();
        xor(SEED, &mut body);
        assert_eq!(body, hex("7954371 67c52301e757677"));
        undo_xor(SEED, &mut body);
        assert_eq!(body, plain);
        let stream = KeyStream::default().of(SEED, plain.len()).to_vec();
        xor_buffer(SEED, &stream, &mut body);
        assert_eq!(body, hex("6035b9d8febf93594d50b9"));
        undo_xor_buffer(SEED, &stream, &mut body);
        assert_eq!(body, plain);
    }

    #[test]
    fn every_length_comes_back() {
        for seed in [0, 5, 0x89AB_CDEF] {
            let stream = KeyStream::default().of(seed, 40).to_vec();
            for len in 0..40 {
                let plain: Vec<u8> = (0..len).map(|i| (i * 7) as u8).collect();
                let (mut a, mut b) = (plain.clone(), plain.clone());
                xor(seed, &mut a);
                undo_xor(seed, &mut a);
                xor_buffer(seed, &stream[..len], &mut b);
                undo_xor_buffer(seed, &stream[..len], &mut b);
                assert_eq!((&a, &b), (&plain, &plain), "{len} bytes, seed {seed:#x}");
            }
        }
    }
}
