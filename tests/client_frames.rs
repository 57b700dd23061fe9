//! Twenty golden sessions: CRC of 0 to 4 bytes, with and without the compression flag, with and without RC4; a client with datagrams of 64 bytes, and every frame
//! that soe-protocol made of the same seven messages.

mod common;

use common::{CLIENT, MS, Node, PROTOCOL, SERVER, hex, unhex};
use serde_json::Value;
use soe::{Address, Channel, Config, ConnectOptions, CrcSeed, Disconnect, EndedBy, Key, Pass, SessionId, reason};
use std::path::Path;

struct Golden {
    title: String,
    crc_seed: u32,
    crc_length: u8,
    compression: bool,
    key: Option<Key>,
    udp_length: u32,
    request: Vec<u8>,
    response: Vec<u8>,
    payloads: Vec<(Channel, Vec<u8>)>,
    /// The raw packets first, then by channel; a Disconnect last.
    datagrams: Vec<Vec<u8>>,
}

impl Golden {
    fn all() -> Vec<Golden> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/vectors/client_frames.jsonl");
        let text = std::fs::read_to_string(path).unwrap();
        let all: Vec<_> = text.lines().map(|line| Golden::read(&serde_json::from_str(line).unwrap())).collect();
        assert_eq!(all.len(), 20);
        all
    }

    fn read(line: &Value) -> Golden {
        let bytes = |field: &str| unhex(line[field].as_str().unwrap());
        Golden {
            title: format!("crc {} compression {} rc4 {}", line["crc_length"], line["compression"], line["rc4_key_hex"]),
            crc_seed: u32::from_str_radix(line["crc_seed"].as_str().unwrap(), 16).unwrap(),
            crc_length: line["crc_length"].as_u64().unwrap() as u8,
            compression: line["compression"].as_bool().unwrap(),
            key: line["rc4_key_hex"].as_str().map(|key| Key::new(&unhex(key)).unwrap()),
            udp_length: line["own_udp_length"].as_u64().unwrap() as u32,
            request: bytes("session_request"),
            response: bytes("session_response"),
            payloads: line["payloads"]
                .as_array()
                .unwrap()
                .iter()
                .map(|payload| {
                    let channel = match payload["ch"].as_i64().unwrap() {
                        -1 => Channel::Unreliable,
                        channel => Channel::try_from(channel as u32).unwrap(),
                    };
                    (channel, unhex(payload["hex"].as_str().unwrap()))
                })
                .collect(),
            datagrams: line["datagrams"].as_array().unwrap().iter().map(|data| unhex(data.as_str().unwrap())).collect(),
        }
    }

    fn passes(&self) -> [Pass; 2] {
        [if self.compression { Pass::Compress } else { Pass::None }, Pass::None]
    }

    /// A server that has read the request and given the recorded answer.
    fn server(&self) -> Node {
        let config = Config {
            application_protocol: Some(PROTOCOL.to_vec()),
            crc_seed: CrcSeed::Fixed(self.crc_seed),
            crc_length: self.crc_length,
            passes: self.passes(),
            cipher_key: self.key.clone(),
            rng_seed: 1,
            ..Default::default()
        };
        let mut server = Node::new(config, SERVER(), 0);
        server.mux.feed(0, &CLIENT(), &self.request);
        let answers: Vec<_> = server.turn(0).iter().map(|(_, data)| hex(data)).collect();
        assert_eq!(answers, [hex(&self.response)], "{}: the SessionResponse", self.title);
        server
    }

    /// A client that has sent the recorded request, read the recorded answer, and said hello.
    fn client(&self) -> (Node, SessionId) {
        let config = Config {
            application_protocol: Some(PROTOCOL.to_vec()),
            udp_length: self.udp_length,
            cipher_key: self.key.clone(),
            rng_seed: 1,
            ..Default::default()
        };
        let mut client = Node::new(config, CLIENT(), 0);
        let id_on_wire = u32::from_be_bytes(self.request[6..10].try_into().unwrap());
        let options = ConnectOptions { session_id_on_wire: id_on_wire, ..Default::default() };
        let id = client.mux.connect(0, &SERVER(), &options).unwrap();
        let asked: Vec<_> = client.turn(0).iter().map(|(_, data)| hex(data)).collect();
        assert_eq!(asked, [hex(&self.request)], "{}: the SessionRequest", self.title);
        client.mux.feed(0, &SERVER(), &self.response);
        client.turn(0);
        assert_eq!(client.connected(), Some(id), "{}", self.title);
        (client, id)
    }

    fn assert_delivered_to(&self, server: &Node) {
        for channel in (0..=6).map(|channel| Channel::try_from(channel).unwrap()) {
            let expected: Vec<_> = self.payloads.iter().filter(|(c, _)| *c == channel).map(|(_, data)| &data[..]).collect();
            assert_eq!(server.messages_on(channel), expected, "{}: {channel:?}", self.title);
        }
    }
}

#[test]
fn a_server_delivers_what_was_sent() {
    for golden in Golden::all() {
        let mut server = golden.server();
        for datagram in &golden.datagrams {
            server.mux.feed(MS, &CLIENT(), datagram);
            server.turn(MS);
        }
        golden.assert_delivered_to(&server);
        assert_eq!(server.disconnected(), Some((EndedBy::Peer, reason::APPLICATION)), "{}", golden.title);
        let stats = server.mux.stats();
        assert_eq!((stats.dropped_crc, stats.dropped_malformed), (0, 0), "{}", golden.title);
    }
}

#[test]
fn a_server_delivers_the_same_whatever_order_the_frames_come_in() {
    for golden in Golden::all() {
        let mut server = golden.server();
        let (goodbye, data) = golden.datagrams.split_last().unwrap();
        for datagram in data.iter().filter(|data| data[0] == 0 && data[1] != 0).rev() {
            server.mux.feed(MS, &CLIENT(), datagram);
        }
        for datagram in data.iter().filter(|data| data[0] != 0 || data[1] == 0) {
            server.mux.feed(MS, &CLIENT(), datagram);
        }
        server.turn(MS);
        golden.assert_delivered_to(&server);
        server.mux.feed(MS, &CLIENT(), goodbye);
        server.turn(MS);
        assert_eq!(server.disconnected(), Some((EndedBy::Peer, reason::APPLICATION)), "{}", golden.title);
    }
}

/// Drained after each send there is nothing to bundle: the same frames, byte for byte. (soe-protocol sends raw packets before what was queued on channels, and the
/// channels in turn, so the order differs.)
#[test]
fn our_client_makes_the_same_frames_when_nothing_is_bundled() {
    for golden in Golden::all() {
        let (mut client, id) = golden.client();
        let mut frames = vec![];
        // Some time between the messages, for a sender that paces; too little to send anything again.
        let mut now = MS;
        for (channel, data) in &golden.payloads {
            client.mux.send(id, *channel, data).unwrap();
            for _ in 0..10 {
                frames.extend(client.turn(now).into_iter().map(|(_, data)| hex(&data)));
                now += MS;
            }
        }
        client.mux.disconnect(id, reason::APPLICATION, Disconnect::Now).unwrap();
        frames.extend(client.turn(now).into_iter().map(|(_, data)| hex(&data)));
        let mut expected: Vec<_> = golden.datagrams.iter().map(|data| hex(data)).collect();
        assert_eq!(frames.last(), expected.last(), "{}: the goodbye comes last", golden.title);
        frames.sort();
        expected.sort();
        assert_eq!(frames, expected, "{}", golden.title);
    }
}

/// Sent all at once, small messages share packets and packets share datagrams, which soe-protocol never does: other frames, the same deliveries.
#[test]
fn our_client_may_bundle_and_the_same_is_delivered() {
    let from: Address = CLIENT();
    for golden in Golden::all() {
        let (mut client, id) = golden.client();
        let mut server = golden.server();
        for (channel, data) in &golden.payloads {
            client.mux.send(id, *channel, data).unwrap();
        }
        for now in (1..=20).map(|ms| ms * MS) {
            for (_, datagram) in client.turn(now) {
                assert!(datagram.len() <= 64, "{}: {}", golden.title, hex(&datagram));
                server.mux.feed(now, &from, &datagram);
            }
            for (_, datagram) in server.turn(now) {
                client.mux.feed(now, &SERVER(), &datagram);
            }
        }
        golden.assert_delivered_to(&server);
        assert_eq!(server.mux.stats().dropped_malformed, 0, "{}", golden.title);
    }
}
