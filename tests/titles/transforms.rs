//! What stands between a packet and its datagram (dialects.md 1): the passes, the CRC; and the application's RC4 above them. Written once more for the models,
//! so that a mistake of the library is not repeated here. Only deflate is borrowed.

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use std::io::{Read, Write};

/// CRC-32/IEEE over the seed's four bytes, least first, and then the packet.
pub(crate) fn crc32(seed: u32, packet: &[u8]) -> u32 {
    let mut crc = !0u32;
    for byte in seed.to_le_bytes().iter().chain(packet) {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

/// Encrypt method 4 (udplibrary.md 3.1): each word with the cipher word before it, the tail with that word's first byte.
pub(crate) fn xor(seed: u32, body: &[u8], decode: bool) -> Vec<u8> {
    let mut before = seed.to_le_bytes();
    let mut out = Vec::with_capacity(body.len());
    for word in body.chunks(4) {
        match <[u8; 4]>::try_from(word) {
            Ok(word) => {
                let done: [u8; 4] = std::array::from_fn(|i| word[i] ^ before[i]);
                before = if decode { word } else { done };
                out.extend_from_slice(&done);
            }
            Err(_) => out.extend(word.iter().map(|byte| byte ^ before[0])),
        }
    }
    out
}

/// The three layouts that hide behind encrypt method 1 (dialects.md 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flag {
    /// 01 or 00 in front: Free Realms and later.
    Leading,
    /// 5a or a5 in front: EverQuest and EverQuest II.
    LeadingEverQuest,
    /// 01 or 00 behind: Star Wars Galaxies.
    Trailing,
}

impl Flag {
    /// What says "compressed", and what says "as it is".
    fn marks(self) -> [u8; 2] {
        match self {
            Flag::LeadingEverQuest => [0x5a, 0xa5],
            Flag::Leading | Flag::Trailing => [1, 0],
        }
    }
}

/// How a title compresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Zlib {
    pub(crate) flag: Flag,
    /// Bodies below this are stored.
    pub(crate) from: usize,
    /// Stored where deflate gains nothing.
    pub(crate) only_if_smaller: bool,
    /// What a body may inflate to.
    pub(crate) cap: usize,
}

impl Zlib {
    /// `room`: what body and flag may take in all.
    fn encode(self, body: &[u8], room: usize) -> Vec<u8> {
        let deflated = (body.len() >= self.from).then(|| deflate(body));
        let [compressed, stored] = self.flag.marks();
        let (mark, bytes) = match &deflated {
            Some(deflated) if deflated.len() < room && (!self.only_if_smaller || deflated.len() < body.len()) => {
                (compressed, &deflated[..])
            }
            _ => (stored, body),
        };
        match self.flag {
            Flag::Leading | Flag::LeadingEverQuest => [&[mark], bytes].concat(),
            Flag::Trailing => [bytes, &[mark]].concat(),
        }
    }

    /// The body, and whether it was compressed.
    fn decode(self, body: &[u8]) -> Result<(Vec<u8>, bool), String> {
        let split = match self.flag {
            Flag::Leading | Flag::LeadingEverQuest => body.split_first(),
            Flag::Trailing => body.split_last(),
        };
        let (mark, bytes) = split.ok_or("no compression flag")?;
        let [compressed, stored] = self.flag.marks();
        if *mark == stored {
            Ok((bytes.to_vec(), false))
        } else if *mark == compressed {
            Ok((inflate(bytes, self.cap)?, true))
        } else {
            Err(format!("a compression flag of {mark:02x}"))
        }
    }
}

pub(crate) fn deflate(body: &[u8]) -> Vec<u8> {
    // Level 1 is EverQuest's (dialects.md 2.1); which one it is can't be told at the other end.
    let mut encoder = ZlibEncoder::new(vec![], Compression::fast());
    encoder.write_all(body).expect("memory");
    encoder.finish().expect("memory")
}

pub(crate) fn inflate(bytes: &[u8], cap: usize) -> Result<Vec<u8>, String> {
    let mut body = vec![];
    let mut decoder = ZlibDecoder::new(bytes).take(cap as u64 + 1);
    decoder.read_to_end(&mut body).map_err(|error| format!("inflate: {error}"))?;
    if body.len() > cap {
        return Err(format!("a body inflates to more than {cap} bytes"));
    }
    Ok(body)
}

/// Everything between packet and datagram, as a SessionResponse set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Codec {
    pub(crate) seed: u32,
    pub(crate) crc: usize,
    pub(crate) passes: [u8; 2],
    pub(crate) zlib: Zlib,
    /// A trailer of zeros is no CRC, and right (EverQuest II).
    pub(crate) zero_crc: bool,
}

/// A datagram without its transforms.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) packet: Vec<u8>,
    pub(crate) compressed: bool,
}

/// Neither passes nor CRC (dialects.md 1); PortAlive (1C) is dropped before anybody asks.
fn contextless(datagram: &[u8]) -> bool {
    matches!(datagram, [0, 0x01 | 0x02 | 0x1c..=0x20, ..])
}

/// The first byte or two stay in clear: all that tells the type.
fn clear(packet: &[u8]) -> usize {
    if packet.first() == Some(&0) { 2.min(packet.len()) } else { 1.min(packet.len()) }
}

impl Codec {
    /// What the compression pass costs where it gains nothing.
    pub(crate) fn expansion(&self) -> usize {
        self.passes.iter().filter(|pass| **pass == 1).count()
    }

    fn trailer(&self, packet: &[u8]) -> Vec<u8> {
        crc32(self.seed, packet).to_be_bytes()[4 - self.crc..].to_vec()
    }

    /// A datagram of at most `limit` bytes.
    pub(crate) fn seal(&self, packet: &[u8], limit: usize) -> Vec<u8> {
        if contextless(packet) {
            return packet.to_vec();
        }
        let (head, body) = packet.split_at(clear(packet));
        let room = limit - head.len() - self.crc;
        let mut body = body.to_vec();
        for pass in self.passes {
            body = match pass {
                0 => body,
                1 => self.zlib.encode(&body, room),
                4 => xor(self.seed, &body, false),
                other => panic!("no title uses encrypt method {other}"),
            };
        }
        let mut datagram = [head, &body].concat();
        datagram.extend(self.trailer(&datagram));
        datagram
    }

    pub(crate) fn open(&self, datagram: &[u8]) -> Result<Opened, String> {
        // KeepAlive is known by its two bytes, before any CRC (dialects.md 1).
        if contextless(datagram) || datagram == [0, 6] {
            return Ok(Opened { packet: datagram.to_vec(), compressed: false });
        }
        let at = datagram.len().checked_sub(self.crc).ok_or("shorter than its CRC")?;
        let (packet, trailer) = datagram.split_at(at);
        if trailer != self.trailer(packet) && !(self.zero_crc && trailer.iter().all(|byte| *byte == 0)) {
            return Err(format!("the CRC is {trailer:02x?}, not {:02x?}", self.trailer(packet)));
        }
        if packet.is_empty() {
            return Err("nothing but a CRC".into());
        }
        let (head, body) = packet.split_at(clear(packet));
        let (mut body, mut compressed) = (body.to_vec(), false);
        for pass in self.passes.iter().rev() {
            match pass {
                0 => {}
                1 => (body, compressed) = self.zlib.decode(&body)?,
                4 => body = xor(self.seed, &body, true),
                other => return Err(format!("encrypt method {other}")),
            }
        }
        Ok(Opened { packet: [head, &body].concat(), compressed })
    }
}

/// One RC4 stream.
#[derive(Clone)]
pub(crate) struct Rc4 {
    table: Vec<u8>,
    at: u8,
    other: u8,
}

impl Rc4 {
    /// `drop` bytes of the stream are thrown away first.
    pub(crate) fn new(key: &[u8], drop: usize) -> Self {
        let mut table: Vec<u8> = (0..=255).collect();
        let mut j = 0usize;
        for i in 0..256 {
            j = (j + usize::from(table[i]) + usize::from(key[i % key.len()])) % 256;
            table.swap(i, j);
        }
        let mut stream = Rc4 { table, at: 0, other: 0 };
        stream.apply(&mut vec![0; drop]);
        stream
    }

    pub(crate) fn apply(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.at = self.at.wrapping_add(1);
            let (i, there) = (usize::from(self.at), self.table[usize::from(self.at)]);
            self.other = self.other.wrapping_add(there);
            let j = usize::from(self.other);
            self.table.swap(i, j);
            *byte ^= self.table[usize::from(self.table[i].wrapping_add(self.table[j]))];
        }
    }
}

/// The streams of one direction: one for each reliable channel from the same key, or one for all.
#[derive(Clone)]
pub(crate) struct Streams {
    streams: Vec<Rc4>,
}

impl Streams {
    pub(crate) fn new(key: &[u8], drop: usize, shared: bool) -> Self {
        Streams { streams: vec![Rc4::new(key, drop); if shared { 1 } else { 4 }] }
    }

    pub(crate) fn apply(&mut self, channel: usize, bytes: &mut [u8]) {
        let which = channel.min(self.streams.len() - 1);
        self.streams[which].apply(bytes);
    }
}
