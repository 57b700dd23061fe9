//! What the bytes mean: pure functions over slices. No state, no time, no panic whatever the bytes are.
//!
//! | file | holds |
//! |---|---|
//! | `layout` | packets whose fields stand at fixed places |
//! | `packet` | the typed view of a packet inside a session |
//! | `container` | MultiPackets, bundles and their lengths |
//!
//! Everything is big-endian, but for the CRC seed inside [`crc_start`].

mod container;
mod layout;
mod packet;

pub(crate) use container::{Malformed, Packing, multi_elements, split_bundle};
pub(crate) use layout::{Disconnect, NetStatusReply, NetStatusRequest, RemapConnection, SessionRequest, SessionResponse};
pub(crate) use packet::{Packet, Reliable, Unreadable, read};

/// The second byte of a packet whose first is zero. The numbers are UdpLibrary's packet types, the names those that emulators use.
pub(crate) mod opcode {
    /// A client asks for a session.
    pub(crate) const SESSION_REQUEST: u8 = 0x01;
    /// A server grants it, and says how datagrams are sealed.
    pub(crate) const SESSION_RESPONSE: u8 = 0x02;
    /// Several packets in one datagram.
    pub(crate) const MULTI_PACKET: u8 = 0x03;
    /// The sender has ended the session.
    pub(crate) const DISCONNECT: u8 = 0x05;
    /// Nothing to say, still here.
    pub(crate) const HEARTBEAT: u8 = 0x06;
    /// Clock and packet counts of the asking side.
    pub(crate) const NET_STATUS_REQUEST: u8 = 0x07;
    /// The answer with those of the other side.
    pub(crate) const NET_STATUS_REPLY: u8 = 0x08;
    /// A whole reliable payload; plus the channel, 0 to 3.
    pub(crate) const RELIABLE_DATA: u8 = 0x09;
    /// A piece of one; plus the channel.
    pub(crate) const RELIABLE_FRAGMENT: u8 = 0x0D;
    /// Exactly this sequence arrived; plus the channel.
    pub(crate) const ACKNOWLEDGE: u8 = 0x11;
    /// This sequence and all before it arrived; plus the channel.
    pub(crate) const ACKNOWLEDGE_ALL: u8 = 0x15;
    /// Several messages in one reliable payload.
    pub(crate) const BUNDLE: u8 = 0x19;
    /// May be lost, but never arrives late.
    pub(crate) const ORDERED: u8 = 0x1A;
    /// A second such sequence.
    pub(crate) const ORDERED_2: u8 = 0x1B;
    /// Keeps the port mapping of a router open; means nothing to the peer.
    pub(crate) const PORT_ALIVE: u8 = 0x1C;
    /// The sender has no session with this address.
    pub(crate) const UNKNOWN_SENDER: u8 = 0x1D;
    /// A session goes on from the address that this comes from.
    pub(crate) const REMAP_CONNECTION: u8 = 0x1E;
    /// The bits of those that have neither pass nor CRC.
    pub(crate) const CONTEXTLESS: u32 =
        1 << SESSION_REQUEST | 1 << SESSION_RESPONSE | 1 << PORT_ALIVE | 1 << UNKNOWN_SENDER | 1 << REMAP_CONNECTION;
}

/// What a reliable payload begins with that is a bundle.
pub(crate) const BUNDLE_HEAD: [u8; 2] = [0, opcode::BUNDLE];

/// The sequence nearest to `near` whose low 16 bits are `wire`; `None` where that would be below 0. Exactly half way counts as before `near`.
pub(crate) fn expand(wire: u16, near: u64) -> Option<u64> {
    let ahead = wire.wrapping_sub(near as u16) as i16;
    near.checked_add_signed(ahead.into())
}

/// The part of the CRC that is the same for all packets of a session: CRC-32 over the seed, which is little-endian here and only here.
pub(crate) fn crc_start(seed: u32) -> u32 {
    crc32fast::hash(&seed.to_le_bytes())
}

/// The CRCs of packets, continued from one [`crc_start`]. It remembers what the processor can do: asking takes as long as a small packet.
pub(crate) struct Crc {
    start: u32,
    begun: crc32fast::Hasher,
}

/// What `crc32fast` works on at once. The rest behind the last of these costs it more than another one would.
const CRC_BLOCK: usize = 128;

impl Crc {
    pub(crate) fn new(start: u32) -> Self {
        Crc { start, begun: crc32fast::Hasher::new_with_initial(start) }
    }

    /// The same for another start.
    #[inline]
    pub(crate) fn starting(&mut self, start: u32) -> &Self {
        if self.start != start {
            *self = Crc::new(start);
        }
        self
    }

    #[inline]
    pub(crate) fn of(&self, packet: &[u8]) -> u32 {
        let mut hasher = self.begun.clone();
        hasher.update(packet);
        hasher.finalize()
    }

    /// The CRC of `datagram[..len]`. Where the whole of it is full blocks, as in the 512 bytes of a full datagram, it is taken over all, and what the last bytes
    /// did to it is undone: a fifth faster.
    #[inline(always)]
    pub(crate) fn of_front(&self, datagram: &[u8], len: usize) -> u32 {
        if !datagram.len().is_multiple_of(CRC_BLOCK) {
            return self.of(&datagram[..len]);
        }
        let behind = datagram[len..].iter().rev();
        !behind.fold(!self.of(datagram), |state, &byte| (state << 8) ^ UNDO[(state >> 24) as usize] ^ u32::from(byte))
    }
}

/// By the highest byte of a CRC's state: what the step did that made it, but for the byte that went in.
const UNDO: [u32; 256] = {
    let (mut undo, mut index) = ([0; 256], 0u32);
    while index < 256 {
        let (mut step, mut bit) = (index, 0);
        while bit < 8 {
            // CRC-32's polynomial, its bits in reverse.
            step = if step & 1 == 1 { (step >> 1) ^ 0xEDB8_8320 } else { step >> 1 };
            bit += 1;
        }
        undo[(step >> 24) as usize] = (step << 8) ^ index;
        index += 1;
    }
    undo
};

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::Value;

    pub(crate) fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16).unwrap() as u8).collect();
        digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    pub(crate) fn h1emu() -> Value {
        serde_json::from_str(include_str!("../../tests/data/vectors/h1emu_vectors.json")).unwrap()
    }

    fn crc(start: u32, packet: &[u8]) -> u32 {
        Crc::new(start).of(packet)
    }

    /// From C# and Zig's own tests, then the ends of the range.
    #[test]
    fn a_sequence_is_the_nearest_with_its_low_bits() {
        for (wire, near, expected) in [
            (5, 5, Some(5)),
            (300, 256, Some(300)),
            (0, 65_535, Some(65_536)),
            (0xFFFF, 65_546, Some(65_535)),
            (3, 0, Some(3)),
            (0xFFFF, 0xFFFE, Some(0xFFFF)),
            (2, 0xFFFF, Some(0x1_0002)),
            (0xFFFF, 0x1_0000, Some(0xFFFF)),
            (0, 0, Some(0)),
            (0x7FFF, 0, Some(0x7FFF)),
            (0x8000, 0, None),
            (0xFFFF, 0, None),
            (0x8000, 0x1_0000, Some(0x8000)),
            (0x7FFF, 0x1_0000, Some(0x1_7FFF)),
            (0xFFFF, u64::MAX, Some(u64::MAX)),
            (0, u64::MAX, None),
        ] {
            assert_eq!(expand(wire, near), expected, "{wire:#x} near {near:#x}");
        }
    }

    #[test]
    fn crcs_are_those_of_other_implementations() {
        let data: [&[u8]; 4] = [b"", &[0], &[0, 6], b"123456789"];
        for (seed, expected) in [
            (0, [0x2144_df1c, 0xc622_f71d, 0x58a1_0496, 0x2289_6b0a]),
            (1, [0x99f8_b879, 0xfb42_dead, 0x93fd_d733, 0xff1f_b28f]),
            (5, [0x169a_2f2e, 0x0ec2_786d, 0x086c_9525, 0x3fa6_d819]),
            (0x1234_5678, [0xaf6d_87d2, 0xba70_31f2, 0x6868_a9b9, 0xaad0_5244]),
            (0xFFFF_FFFF, [0xFFFF_FFFF, 0xFFFF_FFFF, 0x169c_5aca, 0xd202_d277]),
        ] {
            assert_eq!(data.map(|data| crc(crc_start(seed), data)), expected, "seed {seed:#x}");
        }
        assert_eq!(crc(crc_start(0x1234_5678), b"\x01hello"), 0xcdf4_c7b8);
        let long = hex(include_str!("../../tests/data/vectors/crc_510.hex"));
        assert_eq!(long.len(), 510);
        assert_eq!(crc(crc_start(1_858_192_374), &long), 3_893_349_547);
    }

    #[test]
    fn the_crc_of_the_front_is_the_crc_of_the_front() {
        let data: Vec<u8> = (0..1024u32).map(|i| ((i * i) >> 3) as u8).collect();
        for whole in [0usize, 1, 127, 128, 129, 256, 384, 510, 511, 512, 513, 640, 1024] {
            for len in whole.saturating_sub(6)..=whole {
                for start in [0, 1, 0x1234_5678, u32::MAX] {
                    assert_eq!(Crc::new(start).of_front(&data[..whole], len), crc(start, &data[..len]), "{len} of {whole}");
                }
            }
        }
    }

    #[test]
    fn crcs_are_those_of_h1emu() {
        for row in h1emu()["crc"].as_array().unwrap() {
            let (seed, data) = (row["seed"].as_u64().unwrap() as u32, hex(row["data"].as_str().unwrap()));
            assert_eq!(format!("{:08x}", crc(crc_start(seed), &data)), row["crc32"].as_str().unwrap());
        }
    }
}
