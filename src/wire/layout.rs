//! Packets whose fields stand at fixed places. `read` takes a packet with its opcode and ignores what stands behind the last field;
//! `write` appends one with its opcode.

use super::opcode;
use bytes::{Buf, BufMut};

/// The longest application protocol that is taken from a peer; [`crate::Config::application_protocol`] has the same limit.
const MAX_NAME: usize = 255;

/// The fields behind the opcode, if the packet has this opcode.
fn fields(packet: &[u8], opcode: u8) -> Option<&[u8]> {
    packet.strip_prefix(&[0, opcode])
}

/// A field of a fixed layout.
trait Field: Sized {
    fn get(from: &mut &[u8]) -> Option<Self>;
    fn put(&self, out: &mut Vec<u8>);
}

macro_rules! integer_fields {
    ($($type:ty: $get:ident $put:ident,)*) => {$(
        impl Field for $type {
            fn get(from: &mut &[u8]) -> Option<Self> {
                from.$get().ok()
            }
            fn put(&self, out: &mut Vec<u8>) {
                out.$put(*self);
            }
        }
    )*};
}

integer_fields! {
    u8: try_get_u8 put_u8,
    u16: try_get_u16 put_u16,
    u32: try_get_u32 put_u32,
    u64: try_get_u64 put_u64,
}

impl<T: Field> Field for [T; 2] {
    fn get(from: &mut &[u8]) -> Option<Self> {
        Some([T::get(from)?, T::get(from)?])
    }
    fn put(&self, out: &mut Vec<u8>) {
        self.iter().for_each(|field| field.put(out));
    }
}

/// A last field that older peers leave out.
impl<T: Field> Field for Option<T> {
    fn get(from: &mut &[u8]) -> Option<Self> {
        Some(T::get(from))
    }
    fn put(&self, out: &mut Vec<u8>) {
        self.iter().for_each(|field| field.put(out));
    }
}

/// Declares a packet: its fields are on the wire in the order in which they stand here.
macro_rules! packet {
    ($(#[$about:meta])* $name:ident: $opcode:expr => { $($(#[$meaning:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) struct $name {
            $($(#[$meaning])* pub(crate) $field: $type,)*
        }

        impl $name {
            /// `None` for another opcode, or where a field is cut off.
            pub(crate) fn read(packet: &[u8]) -> Option<Self> {
                let mut from = fields(packet, $opcode)?;
                Some($name { $($field: Field::get(&mut from)?,)* })
            }

            /// Appends the packet.
            pub(crate) fn write(&self, out: &mut Vec<u8>) {
                out.put_slice(&[0, $opcode]);
                $(self.$field.put(out);)*
            }
        }
    };
}

packet! {
    /// A server's answer to a SessionRequest: 21 bytes, 17 from the oldest peers.
    SessionResponse: opcode::SESSION_RESPONSE => {
        /// The client's.
        session_id: u32,
        /// Chosen by the server.
        crc_seed: u32,
        /// Bytes of CRC behind each datagram. As the peer sent it: not checked here.
        crc_length: u8,
        /// The numbers of the two passes ([`crate::Pass`]). Not checked here.
        passes: [u8; 2],
        /// The longest datagram that the server takes. Not checked here.
        udp_length: u32,
        /// Left out by the oldest peers.
        version: Option<u32>,
    }
}

packet! {
    /// A client's claim that its session goes on from another address.
    RemapConnection: opcode::REMAP_CONNECTION => {
        /// The client's.
        session_id: u32,
        /// The server's: who knows it has seen the handshake.
        crc_seed: u32,
    }
}

packet! {
    /// Asks for a peer's clock and counts: 40 bytes. Durations are in milliseconds.
    NetStatusRequest: opcode::NET_STATUS_REQUEST => {
        /// The low 16 bits of the asker's clock in milliseconds.
        stamp: u16,
        /// The round trip that the asker's idea of the peer's clock rests on.
        master: u32,
        /// The average round trip, 0 if there was none yet; so the next three.
        average: u32,
        /// The shortest.
        low: u32,
        /// The longest.
        high: u32,
        /// The latest.
        last: u32,
        /// Datagrams that the asker sent in this session, this one included.
        sent: u64,
        /// Datagrams that the asker received in this session.
        received: u64,
    }
}

packet! {
    /// The answer: 40 bytes.
    NetStatusReply: opcode::NET_STATUS_REPLY => {
        /// The request's.
        stamp: u16,
        /// The low 32 bits of the answerer's clock in milliseconds.
        peer_clock_ms: u32,
        /// The request's `sent`.
        your_sent: u64,
        /// The request's `received`.
        your_received: u64,
        /// Datagrams that the answerer sent in this session, this one not included.
        our_sent: u64,
        /// Datagrams that the answerer received in this session.
        our_received: u64,
    }
}

packet! {
    /// The end of a session.
    Disconnect: opcode::DISCONNECT => {
        /// Of the session that ends: its proof.
        session_id: u32,
        /// One of [`crate::reason`], or a number that only the peer knows. EverQuest and very old peers say none.
        reason: Option<u16>,
    }
}

/// A client's wish for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionRequest<'a> {
    /// The client's protocol version.
    pub(crate) version: u32,
    /// Chosen by the client.
    pub(crate) session_id: u32,
    /// The longest datagram that the client takes. Not checked here.
    pub(crate) udp_length: u32,
    /// The name of what is spoken above this protocol, without its NUL; at most 255 bytes. `None` where there is none, as in version 2: not even its NUL.
    pub(crate) application_protocol: Option<&'a [u8]>,
}

impl<'a> SessionRequest<'a> {
    /// `None` for another opcode, where a field is cut off, and for a name that is too long or has no end. Where there are none, as in version 2, what stands there is
    /// ignored.
    pub(crate) fn read(packet: &'a [u8], has_names: bool) -> Option<Self> {
        let mut from = fields(packet, opcode::SESSION_REQUEST)?;
        let (version, session_id, udp_length) = (Field::get(&mut from)?, Field::get(&mut from)?, Field::get(&mut from)?);
        let named = has_names && version != 2 && !from.is_empty();
        let application_protocol = if named { Some(&from[..from.iter().position(|&byte| byte == 0)?]) } else { None };
        let request = SessionRequest { version, session_id, udp_length, application_protocol };
        application_protocol.is_none_or(|name| name.len() <= MAX_NAME).then_some(request)
    }

    /// Appends the packet.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.put_slice(&[0, opcode::SESSION_REQUEST]);
        [self.version, self.session_id].put(out);
        self.udp_length.put(out);
        if let Some(name) = self.application_protocol {
            out.put_slice(name);
            out.put_u8(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tests::{h1emu, hex};

    fn written(write: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = b"kept".to_vec();
        write(&mut out);
        assert_eq!(&out[..4], b"kept");
        out.split_off(4)
    }

    /// That a packet writes as these bytes, reads from them and from them with more behind, and from none cut shorter than `shortest`.
    macro_rules! assert_layout {
        ($type:ident, $value:expr, $hex:expr, $shortest:expr) => {
            let (value, bytes) = ($value, hex($hex));
            assert_eq!(written(|out| value.write(out)), bytes);
            assert_eq!($type::read(&bytes), Some(value));
            assert_eq!($type::read(&[&bytes[..], &[0xEE; 3]].concat()), Some(value));
            for length in 0..bytes.len() {
                assert_eq!($type::read(&bytes[..length]).is_some(), length >= $shortest, "{length} bytes");
            }
            for byte in 0..2 {
                let mut other = bytes.clone();
                other[byte] ^= 0x40;
                assert_eq!($type::read(&other), None, "another opcode");
            }
        };
    }

    #[test]
    fn session_requests_are_the_known_bytes() {
        let request = SessionRequest { version: 3, session_id: 5_467_392, udp_length: 512, application_protocol: Some(b"TestProtocol") };
        let known = "0001 00000003 00536d00 00000200 5465737450726f746f636f6c 00";
        assert_eq!(written(|out| request.write(out)), hex(known));
        assert_eq!(SessionRequest::read(&hex(known), true), Some(request));
        let h1 = SessionRequest { version: 3, session_id: 0x3c17_8c63, udp_length: 512, application_protocol: Some(b"LoginUdp_9") };
        let known = &h1emu()["pack"]["session_request(id=0x3c178c63,ver=3,udp=512,LoginUdp_9)"];
        assert_eq!(written(|out| h1.write(out)), hex(known.as_str().unwrap()));
    }

    #[test]
    fn the_name_of_a_session_request_ends_with_its_first_nul() {
        let read = |name: &[u8]| {
            let packet = [&hex("0001 00000003 00000001 00000200"), name].concat();
            SessionRequest::read(&packet, true).map(|request| request.application_protocol.unwrap_or(b"none").to_vec())
        };
        assert_eq!(read(b""), Some(b"none".to_vec()), "some titles have no name");
        assert_eq!(read(b"\0"), Some(vec![]));
        assert_eq!(read(b"a\0"), Some(b"a".to_vec()));
        assert_eq!(read(b"a\0b\0"), Some(b"a".to_vec()));
        assert_eq!(read(b"a"), None);
        for (length, taken) in [(254, true), (255, true), (256, false), (16_000, false)] {
            let mut name = vec![b'x'; length];
            assert_eq!(read(&name), None, "{length} without NUL");
            name.push(0);
            assert_eq!(read(&name).is_some(), taken, "{length}");
        }
    }

    #[test]
    fn version_2_has_no_name_whatever_stands_there() {
        let request = SessionRequest { version: 2, session_id: 0x7780_A016, udp_length: 512, application_protocol: None };
        let known = hex("0001 00000002 7780a016 00000200");
        assert_eq!(written(|out| request.write(out)), known);
        for behind in ["", "00", "6100", "61"] {
            assert_eq!(SessionRequest::read(&[&known[..], &hex(behind)].concat(), true), Some(request), "{behind}");
        }
    }

    #[test]
    fn a_session_request_cut_before_the_name_is_refused() {
        let packet = hex("0001 00000003 00000001 00000200");
        (0..packet.len()).for_each(|length| assert_eq!(SessionRequest::read(&packet[..length], true), None));
        assert_eq!(SessionRequest::read(&hex("0002 00000003 00000001 00000200 00"), true), None);
    }

    #[test]
    fn session_responses_are_the_known_bytes() {
        let response =
            SessionResponse { session_id: 531_633, crc_seed: 34_322, crc_length: 2, passes: [1, 0], udp_length: 512, version: Some(3) };
        assert_layout!(SessionResponse, response, "0002 00081cb1 00008612 02 01 00 00000200 00000003", 17);
        let h1 = SessionResponse { session_id: 0x3c17_8c63, crc_seed: 77, passes: [0, 0], ..response };
        let known = &h1emu()["pack"]["session_reply(id=0x3c178c63,seed=77,crc=2,method=0,udp=512)"];
        assert_eq!(written(|out| h1.write(out)), hex(known.as_str().unwrap()));
    }

    #[test]
    fn a_session_response_may_end_without_its_version() {
        let old = SessionResponse { session_id: 1, crc_seed: 2, crc_length: 4, passes: [4, 3], udp_length: 496, version: None };
        let bytes = hex("0002 00000001 00000002 04 04 03 000001f0");
        assert_eq!(written(|out| old.write(out)), bytes);
        for behind in 0..4 {
            assert_eq!(SessionResponse::read(&[&bytes[..], &vec![9; behind]].concat()), Some(old), "{behind} bytes behind");
        }
    }

    #[test]
    fn remap_connections_are_the_known_bytes() {
        assert_layout!(RemapConnection, RemapConnection { session_id: 16, crc_seed: 32 }, "001e 00000010 00000020", 10);
    }

    #[test]
    fn disconnects_are_the_known_bytes_and_may_lack_a_reason() {
        assert_layout!(Disconnect, Disconnect { session_id: 5, reason: Some(6) }, "0005 00000005 0006", 6);
        let none = Disconnect { session_id: 5, reason: None };
        assert_eq!(written(|out| none.write(out)), hex("0005 00000005"));
        assert_eq!(Disconnect::read(&hex("0005 00000005")), Some(none));
        assert_eq!(Disconnect::read(&hex("0005 00000005 06")), Some(none));
    }

    #[test]
    fn net_status_packets_have_forty_bytes() {
        let request = NetStatusRequest { stamp: 1, master: 2, average: 3, low: 4, high: 5, last: 6, sent: 7, received: u64::MAX };
        let bytes = "0007 0001 00000002 00000003 00000004 00000005 00000006 0000000000000007 ffffffffffffffff";
        assert_layout!(NetStatusRequest, request, bytes, 40);
        let reply = NetStatusReply { stamp: 0xFFFF, peer_clock_ms: 2, your_sent: 3, your_received: 4, our_sent: 5, our_received: 6 };
        let bytes = "0008 ffff 00000002 0000000000000003 0000000000000004 0000000000000005 0000000000000006";
        assert_layout!(NetStatusReply, reply, bytes, 40);
    }
}
