//! The wire by hand, written from the protocol's description and not from the library: what the library says is checked against it.

use std::io::{Read, Write};

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "half a byte in {text}");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex digits")).collect()
}

/// A SessionRequest.
pub fn request(version: u32, id: u32, udp_length: u32, name: &[u8]) -> Vec<u8> {
    let mut packet = vec![0, 1];
    for field in [version, id, udp_length] {
        packet.extend_from_slice(&field.to_be_bytes());
    }
    packet.extend_from_slice(name);
    packet.push(0);
    packet
}

/// A SessionResponse of 21 bytes.
pub fn response(id: u32, seed: u32, crc_length: u8, passes: [u8; 2], udp_length: u32, version: u32) -> Vec<u8> {
    let mut packet = vec![0, 2];
    packet.extend_from_slice(&id.to_be_bytes());
    packet.extend_from_slice(&seed.to_be_bytes());
    packet.extend_from_slice(&[crc_length, passes[0], passes[1]]);
    packet.extend_from_slice(&udp_length.to_be_bytes());
    packet.extend_from_slice(&version.to_be_bytes());
    packet
}

/// A MultiPacket of these packets, each of at most 254 bytes.
pub fn multi(packets: &[&[u8]]) -> Vec<u8> {
    let mut whole = vec![0, 3];
    for packet in packets {
        assert!(packet.len() < 255, "an element of {} bytes", packet.len());
        whole.push(packet.len() as u8);
        whole.extend_from_slice(packet);
    }
    whole
}

/// What a SessionResponse says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    pub id: u32,
    pub seed: u32,
    pub crc_length: u8,
    pub passes: [u8; 2],
    pub udp_length: u32,
    pub version: u32,
}

impl Answer {
    pub fn read(datagram: &[u8]) -> Option<Answer> {
        let word = |at: usize| u32::from_be_bytes(datagram[at..at + 4].try_into().unwrap());
        if datagram.len() != 21 || datagram[..2] != [0, 2] {
            return None;
        }
        Some(Answer {
            id: word(2),
            seed: word(6),
            crc_length: datagram[10],
            passes: [datagram[11], datagram[12]],
            udp_length: word(13),
            version: word(17),
        })
    }
}

/// One session's parameters: enough to write and to read its datagrams.
#[derive(Clone, Copy, Debug)]
pub struct Wire {
    pub id: u32,
    pub seed: u32,
    pub crc_length: u8,
    /// The compression pass is on: a flag byte behind the opcode.
    pub flag: bool,
}

impl From<Answer> for Wire {
    fn from(answer: Answer) -> Self {
        Wire { id: answer.id, seed: answer.seed, crc_length: answer.crc_length, flag: answer.passes[0] != 0 }
    }
}

impl Wire {
    fn crc(&self, bytes: &[u8]) -> [u8; 4] {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.seed.to_le_bytes());
        hasher.update(bytes);
        hasher.finalize().to_be_bytes()
    }

    /// Appends the CRC.
    pub fn sign(&self, mut datagram: Vec<u8>) -> Vec<u8> {
        let crc = self.crc(&datagram);
        datagram.extend_from_slice(&crc[4 - usize::from(self.crc_length)..]);
        datagram
    }

    /// A whole datagram of one packet: the flag byte (00) where the session has one, and the CRC.
    pub fn seal(&self, packet: &[u8]) -> Vec<u8> {
        let mut datagram = packet.to_vec();
        if self.flag && packet.len() >= 2 && packet[0] == 0 && packet[1] != 0 {
            datagram.insert(2, 0);
        }
        self.sign(datagram)
    }

    /// The same, with the body deflated whether or not that is smaller.
    pub fn seal_deflated(&self, packet: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(vec![], flate2::Compression::default());
        encoder.write_all(&packet[2..]).unwrap();
        let mut datagram = vec![packet[0], packet[1], 1];
        datagram.extend(encoder.finish().unwrap());
        self.sign(datagram)
    }

    /// The packet in a datagram, or `None` where the CRC is wrong.
    pub fn open(&self, datagram: &[u8]) -> Option<Vec<u8>> {
        let body = datagram.len().checked_sub(usize::from(self.crc_length))?;
        let (packet, crc) = datagram.split_at(body);
        if self.crc(packet)[4 - usize::from(self.crc_length)..] != *crc {
            return None;
        }
        if !self.flag || packet[0] != 0 || packet.get(1).is_none_or(|op| *op == 0) {
            return Some(packet.to_vec());
        }
        let mut whole = packet[..2].to_vec();
        match packet.get(2)? {
            0 => whole.extend_from_slice(&packet[3..]),
            _ => {
                flate2::read::ZlibDecoder::new(&packet[3..]).read_to_end(&mut whole).ok()?;
            }
        }
        Some(whole)
    }

    /// The packets in a datagram, MultiPackets taken apart. Panics where it is not of this session.
    pub fn packets(&self, datagram: &[u8]) -> Vec<Vec<u8>> {
        let packet = self.open(datagram).unwrap_or_else(|| panic!("not of this session: {}", hex(datagram)));
        let mut flat = vec![];
        let mut heap = vec![packet];
        while let Some(packet) = heap.pop() {
            if packet.len() < 2 || packet[..2] != [0, 3] {
                flat.push(packet);
                continue;
            }
            let (mut rest, mut inside) = (&packet[2..], vec![]);
            while let [len, tail @ ..] = rest {
                let (element, after) = tail.split_at(usize::from(*len));
                inside.push(element.to_vec());
                rest = after;
            }
            heap.extend(inside.into_iter().rev());
        }
        flat
    }

    pub fn heartbeat(&self) -> Vec<u8> {
        self.seal(&[0, 6])
    }

    /// The packet, not yet a datagram; so are those below.
    pub fn disconnect(&self, reason: u16) -> Vec<u8> {
        let mut packet = vec![0, 5];
        packet.extend_from_slice(&self.id.to_be_bytes());
        packet.extend_from_slice(&reason.to_be_bytes());
        packet
    }

    pub fn reliable(channel: u8, sequence: u16, data: &[u8]) -> Vec<u8> {
        Self::numbered(0x09 + channel, sequence, data)
    }

    /// A first fragment when `total` is given.
    pub fn fragment(channel: u8, sequence: u16, total: Option<u32>, data: &[u8]) -> Vec<u8> {
        let mut body = total.map(|total| total.to_be_bytes().to_vec()).unwrap_or_default();
        body.extend_from_slice(data);
        Self::numbered(0x0d + channel, sequence, &body)
    }

    pub fn ack(channel: u8, sequence: u16) -> Vec<u8> {
        Self::numbered(0x11 + channel, sequence, &[])
    }

    pub fn ack_all(channel: u8, sequence: u16) -> Vec<u8> {
        Self::numbered(0x15 + channel, sequence, &[])
    }

    pub fn ordered(which: u8, stamp: u16, data: &[u8]) -> Vec<u8> {
        Self::numbered(0x1a + which, stamp, data)
    }

    fn numbered(opcode: u8, sequence: u16, data: &[u8]) -> Vec<u8> {
        let mut packet = vec![0, opcode];
        packet.extend_from_slice(&sequence.to_be_bytes());
        packet.extend_from_slice(data);
        packet
    }

    /// RemapConnection: a whole datagram.
    pub fn remap(&self) -> Vec<u8> {
        let mut packet = vec![0, 0x1e];
        packet.extend_from_slice(&self.id.to_be_bytes());
        packet.extend_from_slice(&self.seed.to_be_bytes());
        packet
    }
}
