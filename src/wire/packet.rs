//! The typed view of a packet inside a session, after its CRC was checked and its passes undone, or out of a MultiPacket.

use super::layout::{Disconnect, NetStatusReply, NetStatusRequest};
use super::opcode::*;

/// What a packet says. Channels are 0 to 3; sequences are the 16 bits of the wire ([`super::expand`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::enum_variant_names, reason = "a MultiPacket is called so everywhere")]
pub(crate) enum Packet<'a> {
    /// Packets in a row: the body for [`super::multi_elements`].
    MultiPacket(&'a [u8]),
    /// The peer ended the session, if the session id is right.
    Disconnect(Disconnect),
    /// The peer is there.
    Heartbeat,
    /// The peer asks for our clock and counts.
    NetStatusRequest(NetStatusRequest),
    /// The peer's clock and counts.
    NetStatusReply(NetStatusReply),
    /// This sequence arrived.
    Acknowledge { channel: usize, sequence: u16 },
    /// This sequence and all before it arrived.
    AcknowledgeAll { channel: usize, sequence: u16 },
    /// A message of an ordered channel; `second` for the one of type 1B.
    Ordered { second: bool, stamp: u16, payload: &'a [u8] },
    /// A raw message, its zero escape undone.
    Unreliable(&'a [u8]),
    /// Raw messages in a bundle, its opcode in front: UdpLibrary's applications may send them so.
    Bundle(&'a [u8]),
    /// A packet of the handshake where it means nothing: it counts only as a datagram of its own, which doesn't come through here.
    Contextless,
    /// PortAlive.
    Ignored,
}

/// Why a packet can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// Too short for what it says it is.
    Malformed,
    /// Of a type that nobody sends: 04, 1F and above.
    UnknownOpcode,
}

/// What nearly every packet is: a whole reliable payload, which may be empty, or a `fragment` of one, of which the first begins with the u32 length of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reliable<'a> {
    pub(crate) channel: usize,
    pub(crate) fragment: bool,
    pub(crate) sequence: u16,
    pub(crate) payload: &'a [u8],
}

impl<'a> Reliable<'a> {
    /// `None` for all other packets, which [`read`] reads, and for what is too short for one.
    #[inline]
    pub(crate) fn read(packet: &'a [u8]) -> Option<Self> {
        let [0, opcode @ RELIABLE_DATA..ACKNOWLEDGE, high, low, payload @ ..] = packet else { return None };
        let (fragment, channel) = (*opcode >= RELIABLE_FRAGMENT, usize::from((opcode - RELIABLE_DATA) % 4));
        // v3 delivers an empty message (Sanctuary's and soe-protocol's AllTheData tests); UdpLibrary takes it for corrupt.
        let whole = !fragment || !payload.is_empty();
        whole.then_some(Reliable { channel, fragment, sequence: u16::from_be_bytes([*high, *low]), payload })
    }
}

/// Reads a packet that [`Reliable::read`] does not. Bytes behind the fields of a fixed layout are ignored.
///
/// # Errors
/// [`Unreadable`].
pub(crate) fn read(packet: &[u8]) -> Result<Packet<'_>, Unreadable> {
    let (opcode, body) = match packet {
        // A message that starts with 00 gets one more in front.
        [0, 0, ..] => return Ok(Packet::Unreliable(&packet[1..])),
        [0, opcode, body @ ..] => (*opcode, body),
        [] => return Err(Unreadable::Malformed),
        // One byte alone is a message, a zero too: UdpLibrary takes it so.
        _ => return Ok(Packet::Unreliable(packet)),
    };
    let read = match opcode {
        MULTI_PACKET => Some(Packet::MultiPacket(body)),
        RELIABLE_DATA..ACKNOWLEDGE => None,
        DISCONNECT => Disconnect::read(packet).map(Packet::Disconnect),
        HEARTBEAT => Some(Packet::Heartbeat),
        NET_STATUS_REQUEST => NetStatusRequest::read(packet).map(Packet::NetStatusRequest),
        NET_STATUS_REPLY => NetStatusReply::read(packet).map(Packet::NetStatusReply),
        ACKNOWLEDGE..=ACKNOWLEDGE_ALL_LAST | ORDERED | ORDERED_2 => sequenced(opcode, body),
        SESSION_REQUEST | SESSION_RESPONSE | UNKNOWN_SENDER | REMAP_CONNECTION => Some(Packet::Contextless),
        PORT_ALIVE => Some(Packet::Ignored),
        BUNDLE => Some(Packet::Bundle(packet)),
        _ => return Err(Unreadable::UnknownOpcode),
    };
    read.ok_or(Unreadable::Malformed)
}

/// AcknowledgeAll of the last channel.
const ACKNOWLEDGE_ALL_LAST: u8 = ACKNOWLEDGE_ALL + 3;

/// The packets that begin with a 16-bit sequence. `None` where it is cut off, and where there is no payload but has to be one.
fn sequenced(opcode: u8, body: &[u8]) -> Option<Packet<'_>> {
    let (sequence, payload) = body.split_first_chunk()?;
    let sequence = u16::from_be_bytes(*sequence);
    let channel_from = |first: u8| usize::from(opcode - first);
    match opcode {
        ACKNOWLEDGE..ACKNOWLEDGE_ALL => Some(Packet::Acknowledge { channel: channel_from(ACKNOWLEDGE), sequence }),
        ACKNOWLEDGE_ALL..BUNDLE => Some(Packet::AcknowledgeAll { channel: channel_from(ACKNOWLEDGE_ALL), sequence }),
        _ if payload.is_empty() => None,
        _ => Some(Packet::Ordered { second: opcode == ORDERED_2, stamp: sequence, payload }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tests::{h1emu, hex};

    #[test]
    fn known_packets_read_as_what_they_are() {
        let h1 = h1emu();
        let pack = |name: &str| hex(h1["pack"][name].as_str().unwrap());
        let bytes = [1, 2, 3];
        assert_eq!(read(&pack("ack(0x1234)")), Ok(Packet::AcknowledgeAll { channel: 0, sequence: 0x1234 }));
        assert_eq!(read(&pack("out_of_order(0x1234)")), Ok(Packet::Acknowledge { channel: 0, sequence: 0x1234 }));
        assert_eq!(
            Reliable::read(&pack("data(seq=0xfffe,010203)")),
            Some(Reliable { channel: 0, fragment: false, sequence: 0xFFFE, payload: &bytes })
        );
        assert_eq!(
            Reliable::read(&pack("fragment(seq=0xffff,len 9,010203)")),
            Some(Reliable { channel: 0, fragment: true, sequence: 0xFFFF, payload: &hex("00000009 010203") })
        );
        assert_eq!(read(&pack("ordered(0x1b,1,010203)")), Ok(Packet::Ordered { second: true, stamp: 1, payload: &bytes }));
        assert_eq!(read(&hex("0005 00000005 0006")), Ok(Packet::Disconnect(Disconnect { session_id: 5, reason: Some(6) })));
    }

    #[test]
    fn a_first_byte_other_than_zero_is_a_message_and_one_zero_is_stripped() {
        for (packet, message) in [
            ("00", "00"),
            ("01", "01"),
            ("42 01020304", "42 01020304"),
            ("ff", "ff"),
            ("0000", "00"),
            ("0000 09ff00", "0009ff00"),
            ("000000", "0000"),
        ] {
            assert_eq!(read(&hex(packet)), Ok(Packet::Unreliable(&hex(message))), "{packet}");
        }
    }

    #[test]
    fn every_opcode_has_its_kind_and_its_shortest_form() {
        use Unreadable::*;
        let payload = [0xAB; 38];
        for opcode in 1..=0xFFu8 {
            let packet = [&[0, opcode][..], &payload].concat();
            if let channel @ 0..8 = opcode.wrapping_sub(0x09) {
                let (fragment, channel) = (channel >= 4, usize::from(channel % 4));
                for length in (0..packet.len()).filter(|length| *length != 1) {
                    let cut = &packet[..length];
                    let payload = packet[..length].get(4..).filter(|payload| !fragment || !payload.is_empty());
                    let expected = payload.map(|payload| Reliable { channel, fragment, sequence: 0xABAB, payload });
                    assert_eq!((Reliable::read(cut), read(cut)), (expected, Err(Malformed)), "{opcode:#04x}, {length} bytes");
                }
                continue;
            }
            assert_eq!(Reliable::read(&packet), None);
            let (kind, shortest) = match opcode {
                0x01 | 0x02 | 0x1D | 0x1E => (Ok(Packet::Contextless), 2),
                0x03 => (Ok(Packet::MultiPacket(&payload)), 2),
                0x05 => (Ok(Packet::Disconnect(Disconnect { session_id: 0xABAB_ABAB, reason: Some(0xABAB) })), 6),
                0x06 => (Ok(Packet::Heartbeat), 2),
                0x07 => (Ok(Packet::NetStatusRequest(NetStatusRequest::read(&packet).unwrap())), 40),
                0x08 => (Ok(Packet::NetStatusReply(NetStatusReply::read(&packet).unwrap())), 40),
                0x11..=0x14 => (Ok(Packet::Acknowledge { channel: usize::from(opcode) - 0x11, sequence: 0xABAB }), 4),
                0x15..=0x18 => (Ok(Packet::AcknowledgeAll { channel: usize::from(opcode) - 0x15, sequence: 0xABAB }), 4),
                0x1A | 0x1B => (Ok(Packet::Ordered { second: opcode == 0x1B, stamp: 0xABAB, payload: &payload[2..] }), 5),
                0x1C => (Ok(Packet::Ignored), 2),
                0x19 => (Ok(Packet::Bundle(&packet)), 2),
                _ => (Err(UnknownOpcode), 2),
            };
            assert_eq!(read(&packet), kind, "{opcode:#04x}");
            for length in (0..packet.len()).filter(|length| *length != 1) {
                let cut = read(&packet[..length]);
                match kind {
                    Err(unknown) if length >= 2 => assert_eq!(cut, Err(unknown)),
                    _ if length >= shortest => assert!(cut.is_ok(), "{opcode:#04x}, {length} bytes"),
                    _ => assert_eq!(cut, Err(Malformed), "{opcode:#04x}, {length} bytes"),
                }
            }
        }
    }
}
