//! What happens to a whole datagram between socket and meaning: the two passes over a packet's body, then the CRC.
//!
//! A pass transforms what stands behind the clear prefix, and may change its length. Pass 0 is done first and undone last. The contextless
//! packets (SessionRequest, SessionResponse, UnknownSender, RemapConnection) have neither pass nor CRC and never come through here.

#[cfg(test)]
mod vectors;
mod xor;
mod zlib;

use crate::config::{Config, Pass};
use crate::wire::{self, Crc};
use xor::KeyStream;
use zlib::Zlib;

/// The flags of a body that is as it was, and of one that is a zlib stream.
struct Flags {
    stored: u8,
    deflated: u8,
    /// Any flag but `stored` announces a stream: soe-protocol reads it so.
    lenient: bool,
    /// They stand behind the body.
    trailing: bool,
}

const FLAGS: [Flags; 3] = [
    Flags { stored: 0, deflated: 1, lenient: true, trailing: false },
    Flags { stored: 0xA5, deflated: 0x5A, lenient: false, trailing: false },
    Flags { stored: 0, deflated: 1, lenient: false, trailing: true },
];

/// How the datagrams of one session are sealed: what the handshake said about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sealing {
    seed: u32,
    crc_start: u32,
    crc_length: u8,
    passes: [Pass; 2],
    /// Bytes that the passes add to a packet at most: a flag for each compression.
    expansion: u8,
}

impl Sealing {
    /// From a SessionResponse. A CRC has at most 4 bytes, whatever `crc_length` says.
    pub(crate) fn new(crc_seed: u32, crc_length: u8, passes: [Pass; 2]) -> Self {
        let expansion = passes.iter().filter(|pass| matches!(pass, Pass::Compress | Pass::Compress2)).count() as u8;
        Sealing { seed: crc_seed, crc_start: wire::crc_start(crc_seed), crc_length: crc_length.min(4), passes, expansion }
    }

    /// The CRC seed, which is the key of the XOR passes too.
    pub(crate) fn seed(&self) -> u32 {
        self.seed
    }

    /// Bytes of CRC behind each packet.
    pub(crate) fn crc_length(&self) -> usize {
        self.crc_length.into()
    }

    /// Bytes that the passes add to a packet at most.
    pub(crate) fn expansion(&self) -> usize {
        self.expansion.into()
    }

    /// No datagram tells which of the two sealed it.
    pub(crate) fn same_as(&self, other: &Sealing) -> bool {
        self.crc_length.min(other.crc_length) == 0 || self.seed == other.seed
    }

    pub(crate) fn passes(&self) -> [Pass; 2] {
        self.passes
    }

    /// No pass transforms anything: a packet can be sealed where it stands ([`Codec::append_crc`]).
    pub(crate) fn is_plain(&self) -> bool {
        self.passes == [Pass::None; 2]
    }

    /// The packet in front of the right CRC, or of zeros where these pass for one.
    #[inline(always)]
    fn verify<'a>(&self, crc: &mut Crc, zero_passes: bool, datagram: &'a [u8]) -> Option<&'a [u8]> {
        let len = datagram.len().checked_sub(self.crc_length()).filter(|&len| len > 0)?;
        let packet = &datagram[..len];
        if self.crc_length == 0 {
            return Some(packet);
        }
        let received = match datagram.last_chunk() {
            Some(last) => u32::from_be_bytes(*last),
            None => datagram[len..].iter().fold(0, |value, &byte| value << 8 | u32::from(byte)),
        };
        // Only the low bytes are on the wire.
        let missing = 32 - 8 * u32::from(self.crc_length);
        let right = (received ^ crc.starting(self.crc_start).of_front(datagram, len)) << missing == 0;
        (right || (zero_passes && received << missing == 0)).then_some(packet)
    }
}

/// Why a datagram was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rejected {
    /// The CRC is wrong, or there is no byte but the CRC: a stranger's, another session's, or damaged.
    Crc,
    /// The CRC is right, but a pass can't be undone.
    Malformed,
}

/// Seals and opens datagrams, of all sessions in turn.
pub(crate) struct Codec {
    /// Of the session whose datagram came or left last.
    crc: Crc,
    /// [`Config::accept_zero_crc`].
    zero_passes: bool,
    /// [`Config::passes_cover_raw`].
    cover_raw: bool,
    flags: &'static Flags,
    threshold: usize,
    zlib: Zlib,
    key_stream: KeyStream,
    /// A packet whose passes are being undone.
    opened: Vec<u8>,
}

impl Codec {
    /// Allocates nothing: that waits for the first session with a pass.
    pub(crate) fn new(config: &Config) -> Self {
        Codec {
            crc: Crc::new(0),
            zero_passes: config.accept_zero_crc,
            cover_raw: config.passes_cover_raw,
            flags: &FLAGS[config.compression_flag as usize],
            threshold: config.compression_threshold as usize,
            // What fits a datagram may always have been compressed.
            zlib: Zlib::new(config.max_inflated.max(config.udp_length) as usize, config.compression_level),
            key_stream: KeyStream::default(),
            opened: Vec::new(),
        }
    }

    /// Verifies the CRC and undoes the passes. Lends the datagram itself where there is no pass.
    ///
    /// # Errors
    /// [`Rejected`].
    #[inline(always)]
    pub(crate) fn open<'a>(&'a mut self, sealing: &Sealing, datagram: &'a [u8]) -> Result<&'a [u8], Rejected> {
        let packet = sealing.verify(&mut self.crc, self.zero_passes, datagram).ok_or(Rejected::Crc)?;
        if sealing.is_plain() {
            return Ok(packet);
        }
        self.undo(sealing, packet).ok_or(Rejected::Malformed)
    }

    /// Writes the CRC of `buffer[..len]` behind it: sealing in place, where there is no pass. The buffer has room for it.
    #[inline(always)]
    pub(crate) fn append_crc(&mut self, sealing: &Sealing, buffer: &mut [u8], len: usize) {
        let length = sealing.crc_length();
        if length > 0 {
            let mut crc = self.crc.starting(sealing.crc_start).of_front(&buffer[..len + length], len);
            for byte in buffer[len..len + length].iter_mut().rev() {
                *byte = crc as u8;
                crc >>= 8;
            }
        }
    }

    /// Appends the datagram made from `packet` to `out`.
    pub(crate) fn seal(&mut self, sealing: &Sealing, packet: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(packet);
        if let Some(body) = self.covered_from(packet) {
            for pass in sealing.passes {
                self.pass(pass, sealing.seed, out, start + body);
            }
        }
        let len = out.len();
        out.resize(len + sealing.crc_length(), 0);
        self.append_crc(sealing, &mut out[start..], len - start);
    }

    /// Where the body begins that the passes cover: behind what says of which kind a packet is, one byte of a raw message, else two. `None` for a packet that they
    /// leave alone: with [`Config::passes_cover_raw`] off, one outside the reliable and ordered channels, escaped or not.
    fn covered_from(&self, packet: &[u8]) -> Option<usize> {
        match packet {
            [0, 1..=0xFF, ..] => Some(2),
            [0, 0, ..] if self.cover_raw => Some(2),
            [1..=0xFF, ..] if self.cover_raw => Some(1),
            _ => None,
        }
    }

    #[inline(never)]
    fn undo<'a>(&'a mut self, sealing: &Sealing, packet: &'a [u8]) -> Option<&'a [u8]> {
        let Some(body) = self.covered_from(packet) else { return Some(packet) };
        self.opened.clear();
        self.opened.extend_from_slice(packet);
        for pass in sealing.passes.into_iter().rev() {
            self.undo_pass(pass, sealing.seed, body)?;
        }
        Some(&self.opened)
    }

    /// Transforms `out` from `body` on.
    fn pass(&mut self, pass: Pass, seed: u32, out: &mut Vec<u8>, body: usize) {
        match pass {
            Pass::None => {}
            Pass::Compress | Pass::Compress2 => {
                let &Flags { stored, deflated, trailing, .. } = self.flags;
                let long_enough = out.len() - body >= self.threshold;
                let flag = match long_enough.then(|| self.zlib.deflate(&out[body..])).flatten() {
                    Some(stream) => {
                        out.truncate(body);
                        out.extend_from_slice(stream);
                        deflated
                    }
                    None => stored,
                };
                out.insert(if trailing { out.len() } else { body }, flag);
            }
            Pass::Xor => xor::xor(seed, &mut out[body..]),
            Pass::XorBuffer => xor::xor_buffer(seed, self.key_stream.of(seed, out.len() - body), &mut out[body..]),
        }
    }

    /// Restores `opened` from `body` on. `None` for what no pass makes.
    fn undo_pass(&mut self, pass: Pass, seed: u32, body: usize) -> Option<()> {
        match pass {
            Pass::None => {}
            Pass::Compress | Pass::Compress2 => {
                let &Flags { stored, deflated, lenient, trailing } = self.flags;
                let last = self.opened.len().checked_sub(1).filter(|&last| last >= body)?;
                let (flag_at, stream) = if trailing { (last, body..last) } else { (body, body + 1..last + 1) };
                let flag = self.opened[flag_at];
                if flag == stored {
                    self.opened.remove(flag_at);
                } else {
                    let inflated = self.zlib.inflate(&self.opened[stream]).filter(|_| lenient || flag == deflated)?;
                    self.opened.truncate(body);
                    self.opened.extend_from_slice(inflated);
                }
            }
            Pass::Xor => xor::undo_xor(seed, &mut self.opened[body..]),
            Pass::XorBuffer => {
                let body = &mut self.opened[body..];
                xor::undo_xor_buffer(seed, self.key_stream.of(seed, body.len()), body);
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::CompressionFlag;
    use crate::wire::tests::hex;
    use serde_json::Value;

    const PLAIN: [Pass; 2] = [Pass::None; 2];
    const COMPRESSED: [Pass; 2] = [Pass::Compress, Pass::None];

    fn codec() -> Codec {
        Codec::new(&Config::default())
    }

    /// With one of the flag layouts, as UdpLibrary has passes.
    fn udp_library(compression_flag: CompressionFlag, compression_threshold: u32) -> Codec {
        Codec::new(&Config { compression_flag, compression_threshold, passes_cover_raw: true, ..Config::default() })
    }

    fn sealed(codec: &mut Codec, sealing: &Sealing, packet: &[u8]) -> Vec<u8> {
        let mut out = b"kept".to_vec();
        codec.seal(sealing, packet, &mut out);
        assert_eq!(&out[..4], b"kept");
        out.split_off(4)
    }

    #[test]
    fn a_sealing_is_small() {
        assert!(size_of::<Sealing>() <= 16);
    }

    #[test]
    fn the_crc_is_the_low_bytes_big_endian_behind_the_packet() {
        for (packet, crc) in [("1b197654", "ac4ed2f1"), ("0015000a", "d7fa5988")] {
            for length in 0..=4 {
                let sealing = Sealing::new(5, length, PLAIN);
                let expected = [hex(packet), hex(&crc[8 - 2 * usize::from(length)..])].concat();
                assert_eq!(sealing.crc_length(), usize::from(length));
                assert_eq!(sealed(&mut codec(), &sealing, &hex(packet)), expected);
                let mut in_place = [&hex(packet)[..], &[0xEE; 5]].concat();
                codec().append_crc(&sealing, &mut in_place, 4);
                assert_eq!(in_place, [&expected[..], &[0xEE; 5][usize::from(length)..]].concat());
                assert_eq!(codec().open(&sealing, &expected), Ok(&hex(packet)[..]));
            }
        }
        assert_eq!(Sealing::new(5, 255, PLAIN), Sealing::new(5, 4, PLAIN));
    }

    #[test]
    fn a_wrong_crc_is_rejected_whatever_byte_is_wrong() {
        assert_eq!(codec().open(&Sealing::new(5, 2, PLAIN), &hex("0015000a 57ec")), Err(Rejected::Crc));
        for length in 1..=4 {
            let sealing = Sealing::new(0x1234_5678, length, PLAIN);
            let good = sealed(&mut codec(), &sealing, &hex("0006"));
            for byte in 0..good.len() {
                let mut bad = good.clone();
                bad[byte] ^= 0x80;
                assert_eq!(codec().open(&sealing, &bad), Err(Rejected::Crc), "byte {byte} of {length}");
            }
        }
    }

    #[test]
    fn a_datagram_without_a_byte_but_its_crc_is_rejected() {
        for length in 0..=4 {
            let sealing = Sealing::new(0, length, PLAIN);
            let nothing = sealed(&mut codec(), &sealing, b"");
            (0..=nothing.len()).for_each(|cut| assert_eq!(codec().open(&sealing, &nothing[..cut]), Err(Rejected::Crc)));
            let one = sealed(&mut codec(), &sealing, b"x");
            assert_eq!(codec().open(&sealing, &one), Ok(&b"x"[..]));
        }
    }

    #[test]
    fn without_a_pass_the_datagram_itself_is_lent() {
        let sealing = Sealing::new(7, 2, PLAIN);
        assert!(sealing.is_plain());
        assert_eq!(sealing.expansion(), 0);
        let datagram = sealed(&mut codec(), &sealing, &hex("0009 0000 0102"));
        assert_eq!(codec().open(&sealing, &datagram).unwrap().as_ptr(), datagram.as_ptr());
    }

    #[test]
    fn a_flag_stands_behind_the_opcode_and_only_there() {
        let sealing = Sealing::new(0, 0, COMPRESSED);
        assert!(!sealing.is_plain());
        assert_eq!(sealing.expansion(), 1);
        for (packet, datagram) in [
            ("0006", "0006 00"),
            ("0011 0005", "0011 00 0005"),
            ("0009 0000 61", "0009 00 0000 61"),
            // Raw and escaped application packets have none: ../../tests/data/vectors/client_frames.jsonl.
            ("756e72656c", "756e72656c"),
            ("0000 0102", "0000 0102"),
            ("0000", "0000"),
            ("00", "00"),
        ] {
            assert_eq!(sealed(&mut codec(), &sealing, &hex(packet)), hex(datagram), "{packet}");
            assert_eq!(codec().open(&sealing, &hex(datagram)), Ok(&hex(packet)[..]), "{datagram}");
        }
    }

    #[test]
    fn a_flag_that_is_missing_or_announces_no_stream_is_malformed() {
        let sealing = Sealing::new(0, 0, COMPRESSED);
        for datagram in ["0006", "0009", "0009 01", "0009 01 0000", "0009 01 78", "0009 ff ffff"] {
            assert_eq!(codec().open(&sealing, &hex(datagram)), Err(Rejected::Malformed), "{datagram}");
        }
        let stream = "789c2bc9c82c5600a24485b4cc9c5405232e00359a0552";
        for flag in ["01", "02", "5a", "ff"] {
            let expected = [&hex("0009")[..], b"this is a file 2\n"].concat();
            assert_eq!(codec().open(&sealing, &hex(&format!("0009 {flag} {stream}"))), Ok(&expected[..]), "{flag}");
        }
    }

    #[test]
    fn a_body_is_deflated_from_the_threshold_on_where_that_is_shorter() {
        let sealing = Sealing::new(9, 2, COMPRESSED);
        let mut codec = codec();
        for (body, flag) in [(0, 0), (23, 0), (24, 1), (25, 1), (505, 1), (8192, 1)] {
            let packet = [&[0, 9][..], &vec![0x61; body]].concat();
            let datagram = sealed(&mut codec, &sealing, &packet);
            assert_eq!(datagram[2], flag, "{body} bytes");
            assert!(flag == 0 || datagram.len() < packet.len() + 3);
            assert_eq!(codec.open(&sealing, &datagram), Ok(&packet[..]));
        }
        let distinct: Vec<u8> = [0, 9].into_iter().chain(0..=255).collect();
        let datagram = sealed(&mut codec, &sealing, &distinct);
        assert_eq!((datagram[2], datagram.len()), (0, distinct.len() + 3));
    }

    #[test]
    fn what_inflates_beyond_the_limit_is_malformed() {
        let sealing = Sealing::new(9, 2, COMPRESSED);
        let mut opener = Codec::new(&Config { max_inflated: 100, udp_length: 50, ..Config::default() });
        for (body, taken) in [(100, true), (101, false), (60_000, false)] {
            let packet = [&[0, 3][..], &vec![0; body]].concat();
            let datagram = sealed(&mut codec(), &sealing, &packet);
            assert_eq!(opener.open(&sealing, &datagram), if taken { Ok(&packet[..]) } else { Err(Rejected::Malformed) });
        }
    }

    #[test]
    fn what_fits_a_datagram_inflates_whatever_the_limit() {
        let sealing = Sealing::new(9, 2, COMPRESSED);
        let mut codec = Codec::new(&Config { max_inflated: 100, udp_length: 16_384, ..Config::default() });
        for body in [101, 16_379] {
            let packet = [&[0, 3][..], &vec![0; body]].concat();
            let datagram = sealed(&mut codec, &sealing, &packet);
            assert_eq!(codec.open(&sealing, &datagram), Ok(&packet[..]));
        }
    }

    #[test]
    fn flags_are_those_of_the_title_and_no_others() {
        let stream = "789c2bc9c82c5600a24485b4cc9c5405232e00359a0552";
        for (layout, stored, deflated, bad) in [
            (CompressionFlag::Leading, "0006 00".to_owned(), format!("0009 01 {stream}"), "0009".to_owned()),
            (CompressionFlag::LeadingEverQuest, "0006 a5".to_owned(), format!("0009 5a {stream}"), format!("0009 01 {stream}")),
            (CompressionFlag::Trailing, "0006 00".to_owned(), format!("0009 {stream} 01"), format!("0009 {stream} 02")),
        ] {
            let sealing = Sealing::new(0, 0, COMPRESSED);
            let mut codec = udp_library(layout, 10);
            assert_eq!(sealed(&mut codec, &sealing, &hex("0006")), hex(&stored));
            assert_eq!(codec.open(&sealing, &hex(&stored)), Ok(&hex("0006")[..]));
            let file = [&hex("0009")[..], b"this is a file 2\n"].concat();
            assert_eq!(codec.open(&sealing, &hex(&deflated)), Ok(&file[..]), "{layout:?}");
            assert_eq!(codec.open(&sealing, &hex(&bad)), Err(Rejected::Malformed), "{layout:?}");
            assert_eq!(codec.open(&sealing, &hex("0009")), Err(Rejected::Malformed), "{layout:?}");
            let even = [&hex("0009")[..], &[0x61; 40]].concat();
            let datagram = sealed(&mut codec, &sealing, &even);
            assert!(datagram.len() < even.len());
            assert_eq!(codec.open(&sealing, &datagram), Ok(&even[..]));
        }
    }

    #[test]
    fn udp_library_passes_cover_raw_messages_from_their_second_byte_and_escaped_ones_from_their_third() {
        let sealing = Sealing::new(0x1234_5678, 0, [Pass::Xor, Pass::None]);
        let mut codec = udp_library(CompressionFlag::Leading, 24);
        for (packet, datagram) in
            [("61", "61"), ("61 01", "61 79"), ("0000 01", "0000 79"), ("0000", "0000"), ("0006", "0006"), ("00", "00")]
        {
            assert_eq!(sealed(&mut codec, &sealing, &hex(packet)), hex(datagram), "{packet}");
            assert_eq!(codec.open(&sealing, &hex(datagram)), Ok(&hex(packet)[..]), "{datagram}");
        }
        let flagged = Sealing::new(0, 0, COMPRESSED);
        for (packet, datagram) in [("61", "61 00"), ("61 01", "61 00 01"), ("0000", "0000 00")] {
            assert_eq!(sealed(&mut codec, &flagged, &hex(packet)), hex(datagram), "{packet}");
            assert_eq!(codec.open(&flagged, &hex(datagram)), Ok(&hex(packet)[..]), "{datagram}");
        }
    }

    #[test]
    fn every_pair_of_passes_comes_back_and_adds_no_more_than_it_says() {
        let all = [Pass::None, Pass::Compress, Pass::Compress2, Pass::XorBuffer, Pass::Xor];
        for layout in [CompressionFlag::Leading, CompressionFlag::LeadingEverQuest, CompressionFlag::Trailing] {
            let mut codec = udp_library(layout, 24);
            for (first, second) in all.into_iter().flat_map(|first| all.map(|second| (first, second))) {
                for crc_length in 0..=4 {
                    let sealing = Sealing::new(0xEF7D_E876, crc_length, [first, second]);
                    for len in [0, 1, 2, 3, 4, 22, 23, 24, 25, 400] {
                        for body in [vec![0x61; len], (0..len).map(|i| ((i * i * 31) >> 3) as u8).collect()] {
                            for head in [&[0, 9][..], &[0, 0], &[0x61]] {
                                let packet = [head, &body].concat();
                                let datagram = sealed(&mut codec, &sealing, &packet);
                                assert!(datagram.len() <= packet.len() + sealing.expansion() + sealing.crc_length());
                                assert_eq!(sealed(&mut codec, &sealing, &packet), datagram, "sealed again, the same bytes");
                                assert_eq!(codec.open(&sealing, &datagram), Ok(&packet[..]), "{first:?} {second:?} {len}");
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_crc_of_zeros_passes_only_where_the_title_sends_it() {
        for length in 1..=4 {
            let sealing = Sealing::new(0x3362_4702, length, PLAIN);
            let datagram = [&hex("0009 0000 61")[..], &vec![0; length.into()]].concat();
            assert_eq!(codec().open(&sealing, &datagram), Err(Rejected::Crc));
            let mut lenient = Codec::new(&Config { accept_zero_crc: true, ..Config::default() });
            assert_eq!(lenient.open(&sealing, &datagram), Ok(&hex("0009 0000 61")[..]), "{length}");
            for byte in datagram.len() - usize::from(length)..datagram.len() {
                let mut other = datagram.clone();
                other[byte] = 1;
                assert_eq!(lenient.open(&sealing, &other), Err(Rejected::Crc), "{length}");
            }
        }
    }

    #[test]
    fn both_passes_are_done_and_undone_in_order() {
        let sealing = Sealing::new(9, 2, [Pass::Compress, Pass::Compress2]);
        assert_eq!(sealing.expansion(), 2);
        let mut codec = codec();
        for body in [0, 1, 24, 500] {
            let packet = [&[0, 9][..], &vec![0x61; body]].concat();
            let datagram = sealed(&mut codec, &sealing, &packet);
            assert_eq!(codec.open(&sealing, &datagram), Ok(&packet[..]));
        }
    }

    /// The datagrams of a client under CRC lengths 0 to 4, with and without the flag: opened, read and sealed again they are the same bytes.
    #[test]
    fn recorded_frames_open_and_seal_to_the_same_bytes() {
        let mut codec = Codec::new(&Config { compression_threshold: u32::MAX, ..Config::default() });
        let mut frames = 0;
        for line in include_str!("../../tests/data/vectors/client_frames.jsonl").lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            let seed = u32::from_str_radix(row["crc_seed"].as_str().unwrap(), 16).unwrap();
            let passes = if row["compression"].as_bool().unwrap() { COMPRESSED } else { PLAIN };
            let sealing = Sealing::new(seed, row["crc_length"].as_u64().unwrap() as u8, passes);
            for datagram in row["datagrams"].as_array().unwrap() {
                let datagram = hex(datagram.as_str().unwrap());
                let packet = codec.open(&sealing, &datagram).unwrap().to_vec();
                assert!(wire::Reliable::read(&packet).is_some() || wire::read(&packet).is_ok());
                assert_eq!(sealed(&mut codec, &sealing, &packet), datagram);
                frames += 1;
            }
        }
        assert_eq!(frames, 200, "all datagrams of the file");
    }

    #[test]
    fn every_datagram_is_answered_and_never_a_panic() {
        let mut codec = codec();
        let stream = hex("789c2bc9c82c5600a24485b4cc9c5405232e00359a0552");
        for passes in [PLAIN, COMPRESSED, [Pass::Compress2; 2], [Pass::Xor, Pass::XorBuffer]] {
            for length in 0..=4 {
                let sealing = Sealing::new(3, length, passes);
                for first in [0, 1, 3, 9, 0x19, 0xFF] {
                    let packet = [&[0, first, 1][..], &stream].concat();
                    for cut in 0..packet.len() {
                        let mut datagram = packet[..cut].to_vec();
                        datagram.resize(cut + usize::from(length), 0);
                        codec.append_crc(&sealing, &mut datagram, cut);
                        if let Ok(opened) = codec.open(&sealing, &datagram) {
                            let _ = wire::read(opened);
                        }
                        sealed(&mut codec, &sealing, &packet[..cut]);
                    }
                }
            }
        }
    }
}
