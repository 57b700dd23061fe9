//! MultiPackets, bundles and the lengths in front of their elements.

use crate::config::{Bundles, Config};

/// The rest of a container can't be read: an element is said to be longer than what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// First byte of a length that needs more than one.
const LONG: u8 = 0xFF;
/// The shortest length that takes seven bytes: FF FF FF announces them.
const LARGE: usize = 0xFFFF;

/// How a title's reliable messages stand in packets. Small: it is looked at with every message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packing {
    /// The shortest message of a bundle whose length takes three bytes.
    medium: u16,
    /// Such messages may share a packet.
    long: bool,
    /// A message that begins with 00 gets one more in front.
    escapes: bool,
}

impl Packing {
    /// Takes no more bytes for any length than another one.
    pub(crate) const SHORTEST: Packing = Packing { medium: 255, long: true, escapes: false };

    pub(crate) fn new(config: &Config) -> Self {
        let (medium, long) = match config.bundles {
            Bundles::LongFrom254 => (254, true),
            Bundles::LongFrom255 => (255, true),
            Bundles::Short => (255, false),
            Bundles::Never => (0, false),
        };
        Packing { medium, long, escapes: config.escape_reliable }
    }

    /// This message gets a 00 in front, unless it is enciphered.
    #[inline]
    pub(crate) fn escapes(&self, message: &[u8]) -> bool {
        self.escapes && message[0] == 0
    }

    /// What a message of `len` bytes takes in a packet with others; `None` where it may not share one.
    #[inline(always)]
    pub(crate) fn shared(&self, len: usize) -> Option<usize> {
        if len < self.medium.into() { Some(1 + len) } else { self.long.then(|| self.size(len) + len) }
    }

    /// How many bytes [`Packing::write`] writes.
    #[inline]
    pub(crate) fn size(&self, len: usize) -> usize {
        match len {
            _ if len < self.medium.into() => 1,
            ..LARGE => 3,
            _ => 7,
        }
    }

    /// Appends the length of a message.
    #[inline]
    pub(crate) fn push(&self, len: usize, out: &mut Vec<u8>) {
        if len < self.medium.into() {
            return out.push(len as u8);
        }
        let mut head = [0; 7];
        let size = self.write(len, &mut head);
        out.extend_from_slice(&head[..size]);
    }

    /// Writes the length of a message to the front of `out`, which has room for it, and says how many bytes that took.
    /// Messages are shorter than 4 GiB ([`crate::Config::max_message`]).
    pub(crate) fn write(&self, len: usize, out: &mut [u8]) -> usize {
        if len < self.medium.into() {
            out[0] = len as u8;
            return 1;
        }
        let size = self.size(len);
        // The value takes all bytes but the marks: 1 of 1, 2 of 3, 4 of 7.
        let (marks, value) = out[..size].split_at_mut(size / 2);
        marks.fill(LONG);
        value.copy_from_slice(&(len as u32).to_be_bytes()[4 - value.len()..]);
        size
    }
}

/// The elements of a MultiPacket; `body` stands behind `00 03`. An overrun is the last item. Lengths have one byte, as in UdpLibrary, or are `varint`s.
pub(crate) fn multi_elements(body: &[u8], varint: bool) -> impl Iterator<Item = Result<&[u8], Malformed>> {
    elements(body, if varint { read_multi_varint } else { |rest| Some((usize::from(*rest.first()?), 1)) })
}

/// v3's emulators: as in a bundle, but FF is 255 where the element begins with 00, as all but raw messages do.
fn read_multi_varint(from: &[u8]) -> Option<(usize, usize)> {
    if let [LONG, 0, ..] = from { Some((255, 1)) } else { read_bundle_len(from) }
}

/// What follows each other behind a length that `read_len` reads, as a value and the bytes that it takes.
fn elements(body: &[u8], read_len: fn(&[u8]) -> Option<(usize, usize)>) -> impl Iterator<Item = Result<&[u8], Malformed>> {
    let mut rest = body;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let split = read_len(rest).and_then(|(len, used)| rest[used..].split_at_checked(len));
        let (element, behind) = split.map_or((Err(Malformed), &[][..]), |(element, behind)| (Ok(element), behind));
        rest = behind;
        Some(element)
    })
}

/// The length at the front of a bundle's element, and the bytes that it takes; `None` where it is cut off.
#[inline]
fn read_bundle_len(from: &[u8]) -> Option<(usize, usize)> {
    match *from {
        [LONG, LONG, LONG, a, b, c, d, ..] => Some((u32::from_be_bytes([a, b, c, d]) as usize, 7)),
        [LONG, LONG, LONG, ..] => None,
        [LONG, a, b, ..] => Some((u16::from_be_bytes([a, b]).into(), 3)),
        [LONG, ..] | [] => None,
        [len, ..] => Some((len.into(), 1)),
    }
}

/// The first message of a bundle, and what follows it; `None` where no whole one is left.
#[inline]
pub(crate) fn split_bundle(bundle: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, head) = read_bundle_len(bundle)?;
    bundle[head..].split_at_checked(len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tests::{h1emu, hex};

    fn packing(bundles: Bundles) -> Packing {
        Packing::new(&Config { bundles, ..Config::default() })
    }

    fn multi(body: &str) -> Vec<Result<Vec<u8>, Malformed>> {
        multi_elements(&hex(body), false).map(|element| element.map(<[u8]>::to_vec)).collect()
    }

    fn bundle(body: &str) -> Vec<Result<Vec<u8>, Malformed>> {
        elements(&hex(body), read_bundle_len).map(|element| element.map(<[u8]>::to_vec)).collect()
    }

    fn ok(elements: &[&str]) -> Vec<Result<Vec<u8>, Malformed>> {
        elements.iter().map(|element| Ok(hex(element))).collect()
    }

    #[test]
    fn multi_packets_are_the_known_bytes() {
        assert_eq!(multi("04 00110005 02 0006"), ok(&["00110005", "0006"]));
        let h1 = h1emu();
        let known = h1["pack"]["multi([00150001],[000900000102])"].as_str().unwrap();
        assert_eq!(multi(&known[4..]), ok(&["00150001", "000900000102"]));
    }

    #[test]
    fn an_overrun_is_the_last_item_of_a_container() {
        let cut = |before: &[&str]| [ok(before), vec![Err(Malformed)]].concat();
        assert_eq!(multi(""), ok(&[]));
        assert_eq!(multi("0a 0006"), cut(&[]));
        assert_eq!(multi("02 0006 02 00"), cut(&["0006"]));
        assert_eq!(multi("01"), cut(&[]));
        assert_eq!(bundle(""), ok(&[]));
        for tail in ["02 00", "01", "ff", "ff 00", "ff 0002 00", "ffffff", "ffffff 000000", "ffffff 00000001", "ffffff ffffffff 00"] {
            assert_eq!(bundle(&format!("01 aa {tail}")), cut(&["aa"]), "{tail}");
        }
    }

    #[test]
    fn elements_may_be_empty() {
        assert_eq!(multi("00 01 07 00"), ok(&["", "07", ""]));
        assert_eq!(bundle("00 01 07 ff 0000 ffffff 00000000"), ok(&["", "07", "", ""]));
    }

    #[test]
    fn ff_is_255_in_a_multi_packet_and_a_long_length_in_a_bundle() {
        let long = "ab".repeat(255);
        assert_eq!(multi(&format!("ff {long}")), ok(&[&long]));
        assert_eq!(multi(&format!("ff 00 {}", &long[2..])), ok(&[&format!("00{}", &long[2..])]));
        assert_eq!(bundle(&format!("ff 00ff {long}")), ok(&[&long]));
        assert_eq!(bundle(&format!("fe {}", &long[2..])), ok(&[&long[2..]]));
    }

    #[test]
    fn bundles_are_the_known_bytes() {
        assert_eq!(bundle("01 02 01 04"), ok(&["02", "04"]));
        assert_eq!(bundle("01 63 02 ff02"), ok(&["63", "ff02"]));
        assert_eq!(bundle("06 0148656c6c6f 04 02616263"), ok(&["0148656c6c6f", "02616263"]));
    }

    #[test]
    fn lengths_of_other_writers_are_read() {
        for (bytes, value, used) in [
            ("00", 0, 1),
            ("fe", 0xFE, 1),
            ("fe 00", 0xFE, 1),
            ("ff 00fe", 0xFE, 3),
            ("ff 00ff", 0xFF, 3),
            ("ff 0100 00", 0x100, 3),
            ("ff feff 00", 0xFEFF, 3),
            ("ff fffe", 0xFFFE, 3),
            ("ff ff00", 0xFF00, 3),
            ("ffffff 0000ffff 00", 0xFFFF, 7),
            ("ffffff 00010000", 0x10000, 7),
            ("ffffff ffffffff", 0xFFFF_FFFF, 7),
            ("ffffff 00000001", 1, 7),
        ] {
            assert_eq!(read_bundle_len(&hex(bytes)), Some((value, used)), "{bytes}");
        }
    }

    #[test]
    fn a_varint_of_a_multi_packet_is_255_in_front_of_a_packet_and_long_in_front_of_anything_else() {
        let varint = |body: &str| {
            multi_elements(&hex(body), true).map(|element| element.map(<[u8]>::to_vec)).collect::<Vec<Result<Vec<u8>, Malformed>>>()
        };
        let long = "ab".repeat(256);
        assert_eq!(varint("04 00110005 02 0006"), ok(&["00110005", "0006"]));
        assert_eq!(varint(&format!("ff 00{}", &long[4..])), ok(&[&format!("00{}", &long[4..])]));
        assert_eq!(varint(&format!("ff 0100 {long} fe {}", &long[4..])), ok(&[&long, &long[4..]]));
        assert_eq!(varint(&format!("ffffff 00000100 {long}")), ok(&[&long]));
        assert_eq!(varint("ff"), vec![Err(Malformed)]);
        assert_eq!(varint("ff 0100 ab"), vec![Err(Malformed)]);
    }

    #[test]
    fn lengths_take_one_three_or_seven_bytes_and_read_back() {
        for (len, bytes, from_255) in [
            (0, "00", "00"),
            (1, "01", "01"),
            (253, "fd", "fd"),
            (254, "ff 00fe", "fe"),
            (255, "ff 00ff", "ff 00ff"),
            (256, "ff 0100", "ff 0100"),
            (65_534, "ff fffe", "ff fffe"),
            (65_535, "ffffff 0000ffff", "ffffff 0000ffff"),
            (65_536, "ffffff 00010000", "ffffff 00010000"),
            (0xFFFF_FFFF, "ffffff ffffffff", "ffffff ffffffff"),
        ] {
            for (bundles, bytes) in [(Bundles::LongFrom254, bytes), (Bundles::LongFrom255, from_255), (Bundles::Short, from_255)] {
                let (packing, mut out, mut pushed) = (packing(bundles), [0xEE; 8], vec![0xEE]);
                let size = packing.write(len, &mut out);
                packing.push(len, &mut pushed);
                assert_eq!((&out[..size], &pushed[1..]), (&hex(bytes)[..], &hex(bytes)[..]), "{len}");
                assert!(out[size..].iter().all(|&byte| byte == 0xEE));
                assert_eq!(packing.size(len), size);
                assert_eq!(read_bundle_len(&out), Some((len, size)));
                (0..size).for_each(|cut| assert_eq!(read_bundle_len(&out[..cut]), None));
            }
        }
    }

    #[test]
    fn a_title_says_which_messages_share() {
        for (bundles, of_1, of_254, of_255) in [
            (Bundles::LongFrom254, Some(2), Some(257), Some(258)),
            (Bundles::LongFrom255, Some(2), Some(255), Some(258)),
            (Bundles::Short, Some(2), Some(255), None),
            (Bundles::Never, None, None, None),
        ] {
            assert_eq!([1, 254, 255].map(|len| packing(bundles).shared(len)), [of_1, of_254, of_255], "{bundles:?}");
        }
    }
}
