//! The application cipher: RC4 over messages, one continuous key stream per direction and channel (or fewer, see [`Scope`]). It hides
//! messages from a passing glance and no more: RC4 is broken, and nothing here protects against changes.
//!
//! The states are our own and not the `rc4` crate's because they must be cloned and skipped; the tests hold them against that crate.

use crate::error::Error;
use crate::event::Channel;
use std::fmt;

/// An RC4 key of 1 to 256 bytes. Never shown in debug output. The library itself never compares keys; `==` is for hosts, and takes a time
/// that depends on the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Box<[u8]>);

impl Key {
    /// Takes a copy of the bytes.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] unless there are 1 to 256.
    pub fn new(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.is_empty() || bytes.len() > 256 {
            return Err(Error::InvalidArgument);
        }
        Ok(Key(bytes.into()))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(redacted)")
    }
}

/// Which way a cipher works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Direction {
    /// What the peer sends.
    Receive = 1,
    /// What this side sends.
    Send = 2,
    /// Both, with a key stream each.
    Both = 3,
}

/// Which channels are ciphered, and which of them share one key stream. Unreliable messages never are: what is lost would put the streams of
/// the two sides out of step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Scope {
    /// Each reliable channel has its own, from the same key.
    #[default]
    PerChannel = 0,
    /// The reliable channels share one, in the order in which messages are sent: for peers that use one of them.
    Reliable = 1,
    /// The reliable and the ordered channels share one.
    ReliableAndOrdered = 2,
}

/// A cipher to set on a session.
#[derive(Clone, Debug)]
pub struct Cipher {
    /// What it is set for; the other direction stays as it is.
    pub direction: Direction,
    /// `None`: plaintext from here on.
    pub key: Option<Key>,
    /// Bytes of key stream to discard first, in each stream: 0 for most titles, 20 for EverQuest II.
    pub drop: u32,
    /// Which channels.
    pub scope: Scope,
}

/// One RC4 key stream.
#[derive(Clone)]
pub(crate) struct Rc4 {
    state: [u8; 256],
    i: u8,
    j: u8,
}

impl Rc4 {
    /// At its first byte.
    pub(crate) fn new(key: &Key) -> Self {
        let mut state: [u8; 256] = std::array::from_fn(|i| i as u8);
        let mut j = 0u8;
        for (i, k) in (0..256).zip(key.0.iter().cycle()) {
            j = j.wrapping_add(state[i]).wrapping_add(*k);
            state.swap(i, j.into());
        }
        Rc4 { state, i: 0, j: 0 }
    }

    /// Discards `n` bytes.
    pub(crate) fn skip(&mut self, n: u32) {
        (0..n).for_each(|_| {
            self.next_byte();
        });
    }

    /// Ciphers or deciphers: the same thing.
    pub(crate) fn apply(&mut self, data: &mut [u8]) {
        data.iter_mut().for_each(|byte| *byte ^= self.next_byte());
    }

    /// The next byte of the key stream.
    #[inline]
    pub(crate) fn next_byte(&mut self) -> u8 {
        self.i = self.i.wrapping_add(1);
        let a = self.state[usize::from(self.i)];
        self.j = self.j.wrapping_add(a);
        let b = self.state[usize::from(self.j)];
        self.state[usize::from(self.i)] = b;
        self.state[usize::from(self.j)] = a;
        self.state[usize::from(a.wrapping_add(b))]
    }
}

impl fmt::Debug for Rc4 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rc4(redacted)")
    }
}

/// The key streams of one direction of one session.
#[derive(Debug)]
pub(crate) struct Keystreams {
    scope: Scope,
    /// Where a channel's own stream begins; where channels share one, that stream.
    first: Rc4,
    /// The reliable channels' own streams, made with their first message.
    own: [Option<Box<Rc4>>; 4],
}

impl Keystreams {
    /// `None` without a key.
    pub(crate) fn new(cipher: &Cipher) -> Option<Box<Keystreams>> {
        let mut first = Rc4::new(cipher.key.as_ref()?);
        first.skip(cipher.drop);
        Some(Box::new(Keystreams { scope: cipher.scope, first, own: [const { None }; 4] }))
    }

    /// The stream for a message of this channel; `None` where such messages are plain.
    pub(crate) fn of(&mut self, channel: Channel) -> Option<&mut Rc4> {
        match (channel, self.scope) {
            (Channel::Reliable0 | Channel::Reliable1 | Channel::Reliable2 | Channel::Reliable3, Scope::PerChannel) => {
                Some(self.own[channel as usize].get_or_insert_with(|| Box::new(self.first.clone())))
            }
            (Channel::Reliable0 | Channel::Reliable1 | Channel::Reliable2 | Channel::Reliable3, _)
            | (Channel::Ordered | Channel::Ordered2, Scope::ReliableAndOrdered) => Some(&mut self.first),
            (Channel::Ordered | Channel::Ordered2 | Channel::Unreliable, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tests::{h1emu, hex};
    use rc4::{KeyInit, StreamCipher};

    fn rc4(key: &[u8]) -> Rc4 {
        Rc4::new(&Key::new(key).unwrap())
    }

    fn applied(rc4: &mut Rc4, data: &[u8]) -> Vec<u8> {
        let mut data = data.to_vec();
        rc4.apply(&mut data);
        data
    }

    fn keystreams(scope: Scope, drop: u32) -> Box<Keystreams> {
        let key = Some(Key::new(&[1, 2, 3, 4, 5]).unwrap());
        Keystreams::new(&Cipher { direction: Direction::Both, key, drop, scope }).unwrap()
    }

    const CHANNELS: [Channel; 7] = [
        Channel::Reliable0,
        Channel::Reliable1,
        Channel::Reliable2,
        Channel::Reliable3,
        Channel::Unreliable,
        Channel::Ordered,
        Channel::Ordered2,
    ];

    #[test]
    fn a_key_has_1_to_256_bytes() {
        for (length, taken) in [(0, false), (1, true), (256, true), (257, false)] {
            assert_eq!(Key::new(&vec![7; length]).is_ok(), taken, "{length}");
        }
    }

    #[test]
    fn nothing_secret_is_printed() {
        let key = Key::new(&[0x2A; 4]).unwrap();
        let cipher = Cipher { direction: Direction::Both, key: Some(key.clone()), drop: 0, scope: Scope::PerChannel };
        let mut streams = Keystreams::new(&cipher).unwrap();
        streams.of(Channel::Reliable2);
        assert_eq!(format!("{key:?} {:?}", Rc4::new(&key)), "Key(redacted) Rc4(redacted)");
        assert!(!format!("{cipher:?} {streams:?}").contains("42"));
    }

    #[test]
    fn ciphertexts_and_key_streams_are_the_known_ones() {
        for (key, plain, cipher) in [
            ("Key", "Plaintext", "bbf316e8d940af0ad3"),
            ("Wiki", "pedia", "1021bf0420"),
            ("Secret", "Attack at dawn", "45a01f645fc35b383552544b9bf5"),
        ] {
            assert_eq!(applied(&mut rc4(key.as_bytes()), plain.as_bytes()), hex(cipher));
            assert_eq!(applied(&mut rc4(key.as_bytes()), &hex(cipher)), plain.as_bytes());
        }
        assert_eq!(applied(&mut rc4(&[1, 2, 3, 4, 5]), &[0; 16]), hex("b2396305f03dc027ccc3524a0a1118a8"));
        assert_eq!(applied(&mut rc4(&[0, 1, 2, 3, 4]), &[0; 16]), hex("fe1d0b33e4115a9206dc87c4ed45cb47"));
        assert_eq!(applied(&mut rc4(&[0, 1, 2, 3, 4]), &[1, 2, 3, 4]), hex("ff1f0837"));
    }

    #[test]
    fn the_stream_is_that_of_the_rc4_crate_at_every_key_length() {
        for length in 1..=256 {
            let key: Vec<u8> = (0..length).map(|i| (i * 7 + length) as u8).collect();
            let mut expected = vec![0; 1000];
            rc4::Rc4::new_from_slice(&key).unwrap().apply_keystream(&mut expected);
            assert_eq!(applied(&mut rc4(&key), &vec![0; 1000]), expected, "{length} bytes of key");
        }
    }

    #[test]
    fn the_stream_goes_on_from_message_to_message_as_in_h1emu() {
        let h1 = h1emu();
        for row in h1["rc4"].as_array().unwrap() {
            let mut stream = rc4(&hex(row["key"].as_str().unwrap()));
            for step in row["continuous_steps"].as_array().unwrap() {
                assert_eq!(applied(&mut stream, &hex(step["plain"].as_str().unwrap())), hex(step["cipher"].as_str().unwrap()));
            }
        }
        for row in h1["zero_prefix"].as_array().unwrap() {
            let mut stream = rc4(&hex(row["key"].as_str().unwrap()));
            assert_eq!(applied(&mut stream, &hex(row["plain"].as_str().unwrap())), hex(row["cipher"].as_str().unwrap()));
        }
    }

    #[test]
    fn skipping_is_applying_to_nothing_and_a_clone_goes_its_own_way() {
        for n in [0, 1, 2, 255, 256, 257, 1536] {
            let (mut skipped, mut applied_to) = (rc4(b"Key"), rc4(b"Key"));
            skipped.skip(n);
            applied(&mut applied_to, &vec![0; n as usize]);
            let mut cloned = skipped.clone();
            let next = applied(&mut applied_to, &[0; 9]);
            assert_eq!(applied(&mut skipped, &[0; 9]), next, "{n}");
            assert_eq!(applied(&mut cloned, &[0; 9]), next, "{n}");
            assert_eq!(cloned.next_byte(), skipped.next_byte());
        }
    }

    #[test]
    fn a_state_has_258_bytes() {
        assert_eq!(size_of::<Rc4>(), 258);
        assert!(size_of::<Keystreams>() <= 258 + 4 * size_of::<usize>() + 8);
    }

    #[test]
    fn without_a_key_there_are_no_streams() {
        assert!(Keystreams::new(&Cipher { direction: Direction::Both, key: None, drop: 5, scope: Scope::Reliable }).is_none());
    }

    /// Every channel in turn takes two bytes: where each stands in the stream says who shares it.
    #[test]
    fn a_scope_says_which_channels_share_a_stream() {
        let stream = applied(&mut rc4(&[1, 2, 3, 4, 5]), &[0; 64]);
        for drop in [0, 20] {
            for (scope, places) in [
                (Scope::PerChannel, [Some(0), Some(0), Some(0), Some(0), None, None, None]),
                (Scope::Reliable, [Some(0), Some(2), Some(4), Some(6), None, None, None]),
                (Scope::ReliableAndOrdered, [Some(0), Some(2), Some(4), Some(6), None, Some(8), Some(10)]),
            ] {
                let mut streams = keystreams(scope, drop);
                for (channel, place) in CHANNELS.into_iter().zip(places) {
                    let taken = streams.of(channel).map(|own| [own.next_byte(), own.next_byte()]);
                    let expected = place.map(|place| [stream[drop as usize + place], stream[drop as usize + place + 1]]);
                    assert_eq!(taken, expected, "{channel:?} of {scope:?}");
                }
                let again = streams.of(Channel::Reliable0).unwrap().next_byte();
                let went_on = places.into_iter().flatten().filter(|_| scope != Scope::PerChannel).max().unwrap_or(0) + 2;
                assert_eq!(again, stream[drop as usize + went_on]);
            }
        }
    }
}
