//! Packets and bytes (dialects.md 1; udplibrary.md 1.1). What is read and written again is the same bytes: the proofs hold every recorded packet against that.

/// The packet between the passes and the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Packet {
    /// Application data; one that begins with 00 travels with another 00 in front.
    Raw(Vec<u8>),
    Connect {
        version: u32,
        id: u32,
        udp_length: u32,
        name: Option<Vec<u8>>,
    },
    Confirm {
        id: u32,
        seed: u32,
        crc: u8,
        passes: [u8; 2],
        udp_length: u32,
        version: Option<u32>,
    },
    Multi(Vec<Vec<u8>>),
    Terminate {
        id: u32,
        reason: Option<u16>,
    },
    KeepAlive,
    ClockSync {
        stamp: u16,
        pings: [u32; 5],
        sent: u64,
        received: u64,
    },
    ClockReflect {
        stamp: u16,
        clock: u32,
        your_sent: u64,
        your_received: u64,
        sent: u64,
        received: u64,
    },
    Reliable {
        channel: usize,
        stamp: u16,
        payload: Vec<u8>,
    },
    Fragment {
        channel: usize,
        stamp: u16,
        chunk: Vec<u8>,
    },
    Ack {
        channel: usize,
        stamp: u16,
    },
    AckAll {
        channel: usize,
        stamp: u16,
    },
    Group(Vec<Vec<u8>>),
    Ordered {
        second: bool,
        stamp: u16,
        data: Vec<u8>,
    },
    Unreachable,
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, n: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or_else(|| format!("{} bytes where {n} should be", self.0.len()))?;
        self.0 = rest;
        Ok(taken)
    }

    fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0).to_vec()
    }

    fn number(&mut self, n: usize) -> Result<u64, String> {
        Ok(self.bytes(n)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn u8(&mut self) -> Result<u8, String> {
        Ok(self.number(1)? as u8)
    }

    fn u16(&mut self) -> Result<u16, String> {
        Ok(self.number(2)? as u16)
    }

    fn u32(&mut self) -> Result<u32, String> {
        Ok(self.number(4)? as u32)
    }

    fn u64(&mut self) -> Result<u64, String> {
        self.number(8)
    }

    /// A length of a group: one byte, FF and two, or FF FF FF and four.
    fn varlen(&mut self) -> Result<usize, String> {
        Ok(match self.u8()? {
            0xff => match self.u16()? {
                0xffff => self.u32()? as usize,
                long => usize::from(long),
            },
            short => usize::from(short),
        })
    }
}

/// A member of a group, of which lengths from `long_from` on take three bytes: 254 in UdpLibrary and Free Realms, 255 elsewhere (dialects.md 1).
pub(crate) fn varlen(len: usize, long_from: usize) -> Vec<u8> {
    match len {
        _ if len < long_from => vec![len as u8],
        _ if len < 0xffff => [&[0xff], &(len as u16).to_be_bytes()[..]].concat(),
        _ => [&[0xff; 3], &(len as u32).to_be_bytes()[..]].concat(),
    }
}

/// The same for application data of any kind: what begins with 00 gets one more in front.
pub(crate) fn escaped(data: &[u8]) -> Vec<u8> {
    if data.first() == Some(&0) { [&[0], data].concat() } else { data.to_vec() }
}

impl Packet {
    pub(crate) fn read(bytes: &[u8]) -> Result<Packet, String> {
        let (kind, mut r) = match bytes {
            [] => return Err("an empty packet".into()),
            // A lone 00 is data (udplibrary.md 1.2); 00 00 is data that begins with 00.
            [0] => return Ok(Packet::Raw(vec![0])),
            [0, 0, ..] => return Ok(Packet::Raw(bytes[1..].to_vec())),
            [0, kind, rest @ ..] => (*kind, Reader(rest)),
            _ => return Ok(Packet::Raw(bytes.to_vec())),
        };
        let packet = match kind {
            0x01 => {
                let (version, id, udp_length) = (r.u32()?, r.u32()?, r.u32()?);
                let name = match r.rest() {
                    name if name.is_empty() => None,
                    mut name => (name.pop() == Some(0)).then_some(Some(name)).ok_or("a name without an end")?,
                };
                Packet::Connect { version, id, udp_length, name }
            }
            0x02 => Packet::Confirm {
                id: r.u32()?,
                seed: r.u32()?,
                crc: r.u8()?,
                passes: [r.u8()?, r.u8()?],
                udp_length: r.u32()?,
                version: if r.0.is_empty() { None } else { Some(r.u32()?) },
            },
            0x03 => {
                let mut elements = vec![];
                while !r.0.is_empty() {
                    let len = r.u8()?;
                    elements.push(r.bytes(len.into())?.to_vec());
                }
                Packet::Multi(elements)
            }
            0x05 => Packet::Terminate { id: r.u32()?, reason: if r.0.is_empty() { None } else { Some(r.u16()?) } },
            0x06 => Packet::KeepAlive,
            0x07 => Packet::ClockSync {
                stamp: r.u16()?,
                pings: [r.u32()?, r.u32()?, r.u32()?, r.u32()?, r.u32()?],
                sent: r.u64()?,
                received: r.u64()?,
            },
            0x08 => Packet::ClockReflect {
                stamp: r.u16()?,
                clock: r.u32()?,
                your_sent: r.u64()?,
                your_received: r.u64()?,
                sent: r.u64()?,
                received: r.u64()?,
            },
            0x09..=0x0c => Packet::Reliable { channel: usize::from(kind - 0x09), stamp: r.u16()?, payload: r.rest() },
            0x0d..=0x10 => Packet::Fragment { channel: usize::from(kind - 0x0d), stamp: r.u16()?, chunk: r.rest() },
            0x11..=0x14 => Packet::Ack { channel: usize::from(kind - 0x11), stamp: r.u16()? },
            0x15..=0x18 => Packet::AckAll { channel: usize::from(kind - 0x15), stamp: r.u16()? },
            0x19 => {
                let mut members = vec![];
                while !r.0.is_empty() {
                    let len = r.varlen()?;
                    members.push(r.bytes(len)?.to_vec());
                }
                Packet::Group(members)
            }
            0x1a | 0x1b => Packet::Ordered { second: kind == 0x1b, stamp: r.u16()?, data: r.rest() },
            0x1d => Packet::Unreachable,
            other => return Err(format!("an opcode of {other:02x}")),
        };
        if r.0.is_empty() { Ok(packet) } else { Err(format!("{} bytes behind a {kind:02x}", r.0.len())) }
    }

    pub(crate) fn write(&self, long_from: usize) -> Vec<u8> {
        let head = |kind: usize| vec![0, kind as u8];
        let stamped = |kind: usize, stamp: &u16, data: &[u8]| [&[0, kind as u8], &stamp.to_be_bytes()[..], data].concat();
        match self {
            Packet::Raw(data) => escaped(data),
            Packet::Connect { version, id, udp_length, name } => {
                let mut out = head(0x01);
                [version, id, udp_length].into_iter().for_each(|number| out.extend(number.to_be_bytes()));
                if let Some(name) = name {
                    out.extend(name);
                    out.push(0);
                }
                out
            }
            Packet::Confirm { id, seed, crc, passes, udp_length, version } => {
                let mut out = head(0x02);
                [id, seed].into_iter().for_each(|number| out.extend(number.to_be_bytes()));
                out.extend([*crc, passes[0], passes[1]]);
                out.extend(udp_length.to_be_bytes());
                version.iter().for_each(|version| out.extend(version.to_be_bytes()));
                out
            }
            Packet::Multi(elements) => {
                let mut out = head(0x03);
                for element in elements {
                    out.push(u8::try_from(element.len()).expect("an element of at most 255 bytes"));
                    out.extend(element);
                }
                out
            }
            Packet::Terminate { id, reason } => {
                let mut out = head(0x05);
                out.extend(id.to_be_bytes());
                reason.iter().for_each(|reason| out.extend(reason.to_be_bytes()));
                out
            }
            Packet::KeepAlive => head(0x06),
            Packet::ClockSync { stamp, pings, sent, received } => {
                let mut out = stamped(0x07, stamp, &[]);
                pings.iter().for_each(|ping| out.extend(ping.to_be_bytes()));
                [sent, received].into_iter().for_each(|count| out.extend(count.to_be_bytes()));
                out
            }
            Packet::ClockReflect { stamp, clock, your_sent, your_received, sent, received } => {
                let mut out = stamped(0x08, stamp, &clock.to_be_bytes());
                [your_sent, your_received, sent, received].into_iter().for_each(|count| out.extend(count.to_be_bytes()));
                out
            }
            Packet::Reliable { channel, stamp, payload } => stamped(0x09 + channel, stamp, payload),
            Packet::Fragment { channel, stamp, chunk } => stamped(0x0d + channel, stamp, chunk),
            Packet::Ack { channel, stamp } => stamped(0x11 + channel, stamp, &[]),
            Packet::AckAll { channel, stamp } => stamped(0x15 + channel, stamp, &[]),
            Packet::Group(members) => {
                let mut out = head(0x19);
                for member in members {
                    out.extend(varlen(member.len(), long_from));
                    out.extend(member);
                }
                out
            }
            Packet::Ordered { second, stamp, data } => stamped(0x1a + usize::from(*second), stamp, data),
            Packet::Unreachable => head(0x1d),
        }
    }
}
