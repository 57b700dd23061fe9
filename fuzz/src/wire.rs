//! The peer's pen: datagrams sealed and opened by hand, not by the library that is tested.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use std::cell::RefCell;

thread_local! {
    /// Made once: their tables cost more than most inputs.
    static ZLIB: RefCell<(Compress, Decompress)> = RefCell::new((Compress::new(Compression::fast(), true), Decompress::new(true)));
}
/// More than the library takes, and than it sends.
const MOST_INFLATED: usize = 1 << 17;

/// How a session's datagrams are sealed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wire {
    pub seed: u32,
    pub crc_length: u8,
    pub passes: [u8; 2],
    /// SOE_COMPRESSION_FLAG_*
    pub compression_flag: u32,
    /// The passes cover messages outside the channels, too.
    pub covers_raw: bool,
}

const COMPRESS: u8 = 1;
const COMPRESS_2: u8 = 2;
const XOR_BUFFER: u8 = 3;
const XOR: u8 = 4;

impl Wire {
    /// The bytes that say whether a body is stored or deflated, and whether they come last.
    fn flags(&self) -> (u8, u8, bool) {
        match self.compression_flag {
            1 => (0xA5, 0x5A, false),
            2 => (0, 1, true),
            _ => (0, 1, false),
        }
    }

    /// Where the body begins that the passes cover.
    fn body(&self, packet: &[u8]) -> Option<usize> {
        match packet {
            [0, 1..=0xFF, ..] => Some(2),
            [0, 0, ..] if self.covers_raw => Some(2),
            [1..=0xFF, ..] if self.covers_raw => Some(1),
            _ => None,
        }
    }

    /// Puts the CRC behind a packet that is, or pretends to be, through the passes.
    pub fn sign(&self, mut datagram: Vec<u8>) -> Vec<u8> {
        let crc = self.crc(&datagram).to_be_bytes();
        datagram.extend_from_slice(&crc[4 - usize::from(self.crc_length)..]);
        datagram
    }

    fn crc(&self, packet: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.seed.to_le_bytes());
        hasher.update(packet);
        hasher.finalize()
    }

    /// A whole datagram. `deflate`: the compression passes compress, whether or not that is shorter.
    pub fn seal(&self, packet: &[u8], deflate: bool) -> Vec<u8> {
        let mut datagram = packet.to_vec();
        if let Some(body) = self.body(packet) {
            for pass in self.passes {
                let mut inside = datagram.split_off(body);
                match pass {
                    COMPRESS | COMPRESS_2 => inside = self.marked(&inside, deflate),
                    XOR_BUFFER => xor_buffer(self.seed, &mut inside, false),
                    XOR => xor(self.seed, &mut inside, false),
                    _ => {}
                }
                datagram.append(&mut inside);
            }
        }
        self.sign(datagram)
    }

    fn marked(&self, body: &[u8], deflate: bool) -> Vec<u8> {
        let (stored, deflated, last) = self.flags();
        let mut marked = if deflate { deflated_from(body) } else { body.to_vec() };
        let flag = if deflate { deflated } else { stored };
        marked.insert(if last { marked.len() } else { 0 }, flag);
        marked
    }

    /// The packet in a datagram. `None`: the CRC is wrong, or a pass can't be undone.
    pub fn open(&self, datagram: &[u8]) -> Option<Vec<u8>> {
        let (packet, crc) = datagram.split_at_checked(datagram.len().checked_sub(self.crc_length.into())?)?;
        if self.crc(packet).to_be_bytes()[4 - usize::from(self.crc_length)..] != *crc {
            return None;
        }
        let mut opened = packet.to_vec();
        if let Some(body) = self.body(packet) {
            for pass in self.passes.into_iter().rev() {
                let mut inside = opened.split_off(body);
                match pass {
                    COMPRESS | COMPRESS_2 => inside = self.unmarked(&inside)?,
                    XOR_BUFFER => xor_buffer(self.seed, &mut inside, true),
                    XOR => xor(self.seed, &mut inside, true),
                    _ => {}
                }
                opened.append(&mut inside);
            }
        }
        Some(opened)
    }

    fn unmarked(&self, body: &[u8]) -> Option<Vec<u8>> {
        let (stored, _, last) = self.flags();
        let (flag, inside) = if last { body.split_last()? } else { body.split_first()? };
        if *flag == stored {
            return Some(inside.to_vec());
        }
        inflated_from(inside)
    }
}

fn deflated_from(body: &[u8]) -> Vec<u8> {
    // What does not shrink grows by a few bytes for each of its blocks.
    let mut stream = Vec::with_capacity(body.len() + body.len() / 1000 * 5 + 64);
    ZLIB.with_borrow_mut(|(compress, _)| {
        compress.reset();
        let status = compress.compress_vec(body, &mut stream, FlushCompress::Finish);
        assert!(matches!(status, Ok(Status::StreamEnd)), "{status:?}");
    });
    stream
}

fn inflated_from(stream: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::with_capacity(MOST_INFLATED);
    ZLIB.with_borrow_mut(|(_, decompress)| {
        decompress.reset(true);
        let status = decompress.decompress_vec(stream, &mut body, FlushDecompress::Finish);
        matches!(status, Ok(Status::StreamEnd)).then_some(body)
    })
}

/// Pass 4: each word combined with the sealed word before it, and the rest with a byte of the last one.
fn xor(seed: u32, body: &mut [u8], undo: bool) {
    let mut before = seed.to_le_bytes();
    let (words, rest) = body.as_chunks_mut::<4>();
    for word in words {
        let was = *word;
        word.iter_mut().zip(before).for_each(|(byte, key)| *byte ^= key);
        before = if undo { was } else { *word };
    }
    rest.iter_mut().for_each(|byte| *byte ^= before[0]);
}

/// Pass 3: the same, and a key stream besides; the rest meets the key stream alone.
fn xor_buffer(seed: u32, body: &mut [u8], undo: bool) {
    let mut state = seed as i32;
    let mut stream = std::iter::repeat_with(move || {
        let (high, low) = (state / 127_773, state % 127_773);
        let next = low * 16_807 - high * 2_836 + 123;
        state = if next > 0 { next } else { next + 0x7FFF_FFFF };
        state as u8
    });
    let mut before = seed.to_le_bytes();
    let (words, rest) = body.as_chunks_mut::<4>();
    for word in words {
        let was = *word;
        word.iter_mut().zip(before).for_each(|(byte, key)| *byte ^= key);
        word.iter_mut().zip(&mut stream).for_each(|(byte, key)| *byte ^= key);
        before = if undo { was } else { *word };
    }
    rest.iter_mut().zip(&mut stream).for_each(|(byte, key)| *byte ^= key);
}

/// The packets inside a packet: those of a MultiPacket, or itself.
pub fn packets(packet: &[u8]) -> Vec<&[u8]> {
    let Some(mut rest) = packet.strip_prefix(&[0, 3]) else { return vec![packet] };
    let mut all = vec![];
    while let Some((len, behind)) = rest.split_first() {
        let Some((element, after)) = behind.split_at_checked(usize::from(*len)) else { break };
        all.extend(packets(element));
        rest = after;
    }
    all
}

/// A SessionRequest.
pub fn request(version: u32, id: u32, udp_length: u32, name: Option<&[u8]>) -> Vec<u8> {
    let mut packet = vec![0, 1];
    [version, id, udp_length].iter().for_each(|field| packet.extend_from_slice(&field.to_be_bytes()));
    if let Some(name) = name {
        packet.extend_from_slice(name);
        packet.push(0);
    }
    packet
}

/// A SessionResponse with its version.
pub fn response(id: u32, wire: &Wire, udp_length: u32, version: u32) -> Vec<u8> {
    let mut packet = vec![0, 2];
    packet.extend_from_slice(&id.to_be_bytes());
    packet.extend_from_slice(&wire.seed.to_be_bytes());
    packet.extend_from_slice(&[wire.crc_length, wire.passes[0], wire.passes[1]]);
    [udp_length, version].iter().for_each(|field| packet.extend_from_slice(&field.to_be_bytes()));
    packet
}

/// What a SessionResponse to this session id says of sealing, in a dialect of this wire.
pub fn granted(datagram: &[u8], id: u32, dialect: &Wire) -> Option<Wire> {
    let fields = datagram.strip_prefix(&[0, 2])?.strip_prefix(&id.to_be_bytes())?;
    let seed = u32::from_be_bytes(*fields.first_chunk()?);
    let &[crc_length, first, second] = fields[4..].first_chunk()?;
    Some(Wire { seed, crc_length, passes: [first, second], ..*dialect })
}
