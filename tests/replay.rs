//! Recorded sessions of libraries that we did not write, fed into each side of ours: what is delivered equals what theirs delivered.

mod common;

use common::{CLIENT, Node, PROTOCOL, SECOND, SERVER, What, Wire, hex, request, unhex};
use serde_json::Value;
use soe::{Channel, Config, ConnectOptions, CrcSeed, EndedBy, Key, Pass, reason};
use std::path::Path;

/// A line of a recording.
struct Entry {
    up: bool,
    bytes: Vec<u8>,
    /// What reached the other side, where that is not the same.
    arrived_as: Option<Vec<u8>>,
    arrives: Vec<u64>,
}

struct Recording {
    header: Value,
    entries: Vec<Entry>,
}

impl Recording {
    fn load(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/traces").join(name).with_extension("jsonl");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
        let header = lines.next().expect("a header");
        let entries = lines
            .map(|line| Entry {
                up: match line["dir"].as_str() {
                    Some("c2s") => true,
                    Some("s2c") => false,
                    other => panic!("direction {other:?}"),
                },
                bytes: unhex(line["hex"].as_str().unwrap()),
                arrived_as: line["as"].as_str().map(unhex),
                arrives: line["arrives"].as_array().unwrap().iter().map(|at| at.as_u64().unwrap()).collect(),
            })
            .collect();
        Recording { header, entries }
    }

    fn word(&self, field: &str) -> u32 {
        u32::from_str_radix(self.header[field].as_str().unwrap(), 16).unwrap()
    }

    /// (arrival, bytes) of what went one way, in the order of arrival; what was lost is not there, what was duplicated is twice.
    fn arrivals(&self, up: bool) -> Vec<(u64, Vec<u8>)> {
        let mut arrivals: Vec<_> = self
            .entries
            .iter()
            .filter(|entry| entry.up == up)
            .flat_map(|entry| entry.arrives.iter().map(|at| (*at, entry.arrived_as.clone().unwrap_or_else(|| entry.bytes.clone()))))
            .collect();
        arrivals.sort_by_key(|(at, _)| *at);
        arrivals
    }

    fn first_sent(&self, up: bool) -> Option<&[u8]> {
        self.entries.iter().find(|entry| entry.up == up).map(|entry| &entry.bytes[..])
    }

    /// The header's list of messages, by channel: between channels there is no order.
    fn messages(&self, field: &str) -> Vec<(Channel, Vec<Vec<u8>>)> {
        let mut by_channel: Vec<(Channel, Vec<Vec<u8>>)> = vec![];
        for message in self.header[field].as_array().unwrap_or_else(|| panic!("no list in {field}")) {
            let channel = Channel::try_from(message["channel"].as_u64().unwrap() as u32).unwrap();
            let data = unhex(message["hex"].as_str().unwrap());
            match by_channel.iter_mut().find(|(c, _)| *c == channel) {
                Some((_, messages)) => messages.push(data),
                None => by_channel.push((channel, vec![data])),
            }
        }
        by_channel.sort_by_key(|(channel, _)| *channel as u8);
        by_channel
    }

    /// The settings of the side that we play.
    fn config(&self, role: &str) -> Config {
        let wire = &self.header["wire"];
        let name = if role == "server" { &wire["server_application_protocol"] } else { &wire["application_protocol"] };
        let pass = |at: usize| Pass::try_from(wire["passes"][at].as_u64().unwrap() as u8).unwrap();
        assert_eq!(wire["version"], 3);
        Config {
            application_protocol: Some(name.as_str().unwrap().as_bytes().to_vec()),
            udp_length: wire["udp_length"][role].as_u64().unwrap() as u32,
            crc_length: wire["crc_length"].as_u64().unwrap() as u8,
            crc_seed: self.header["crc_seed"].as_str().map_or(CrcSeed::Random, |_| CrcSeed::Fixed(self.word("crc_seed"))),
            passes: [pass(0), pass(1)],
            cipher_key: wire["rc4_key"].as_str().map(|key| Key::new(&unhex(key)).unwrap()),
            rng_seed: 1,
            ..Default::default()
        }
    }

    fn server(&self) -> Node {
        Node::new(self.config("server"), SERVER(), 0)
    }

    /// A client that has just sent its SessionRequest, which equals the recorded one.
    fn client(&self) -> Node {
        let mut node = Node::new(self.config("client"), CLIENT(), 0);
        let options = ConnectOptions { session_id_on_wire: self.word("session_id"), ..Default::default() };
        let began = self.entries[0].arrives[0];
        node.mux.connect(began, &SERVER(), &options).unwrap();
        let asked = node.turn(began);
        assert_eq!(asked.len(), 1);
        assert_eq!(hex(&asked[0].1), hex(self.first_sent(true).unwrap()), "our SessionRequest is theirs");
        node
    }

    fn has_disconnect(&self, up: bool) -> bool {
        self.arrivals(up).iter().any(|(_, bytes)| bytes.starts_with(&[0, 5]))
    }
}

/// What a node got, by channel.
fn delivered(node: &Node) -> Vec<(Channel, Vec<Vec<u8>>)> {
    (0..=6)
        .map(|channel| Channel::try_from(channel).unwrap())
        .map(|channel| (channel, node.messages_on(channel).into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>()))
        .filter(|(_, messages)| !messages.is_empty())
        .collect()
}

/// The same, short enough to be read when it fails.
fn assert_delivered(node: &Node, expected: &[(Channel, Vec<Vec<u8>>)]) {
    let outline = |all: &[(Channel, Vec<Vec<u8>>)]| {
        all.iter().map(|(channel, messages)| (*channel, messages.iter().map(Vec::len).collect::<Vec<_>>())).collect::<Vec<_>>()
    };
    let got = delivered(node);
    assert_eq!(outline(&got), outline(expected), "channels and lengths of the messages");
    assert!(got == expected, "the same lengths, but other bytes");
}

/// Feeds what was recorded one way; ours is heard and thrown away. What the first datagram was answered with is given back.
fn feed(node: &mut Node, from: soe::Address, arrivals: &[(u64, Vec<u8>)]) -> Vec<Vec<u8>> {
    let mut first = None;
    for (at, bytes) in arrivals {
        // The timers of the time between, at their own time.
        while node.mux.next_deadline() < *at {
            let due = node.mux.next_deadline();
            node.turn(due);
        }
        node.mux.feed(*at, &from, bytes);
        let out = node.turn(*at);
        first.get_or_insert_with(|| out.into_iter().map(|(_, data)| data).collect());
    }
    first.unwrap_or_default()
}

fn into_a_server(name: &str) {
    let recording = Recording::load(name);
    let mut server = recording.server();
    let answer = feed(&mut server, CLIENT(), &recording.arrivals(true));
    let theirs = recording.first_sent(false).expect("a SessionResponse");
    assert_eq!(answer.iter().map(|bytes| hex(bytes)).collect::<Vec<_>>(), [hex(theirs)], "our SessionResponse is theirs");
    assert_delivered(&server, &recording.messages("delivered_to_server"));
    let how = recording.has_disconnect(true).then_some((EndedBy::Peer, reason::APPLICATION));
    assert_eq!(server.disconnected(), how, "ended as recorded");
    assert_eq!(server.seen.iter().filter(|seen| matches!(seen.what, What::Connected(_))).count(), 1);
    assert!(matches!(&server.seen[0].what, What::Connected(name) if name == PROTOCOL), "CONNECTED comes first");
    let stats = server.mux.stats();
    assert_eq!((stats.dropped_crc, stats.dropped_malformed, stats.dropped_stranger), (0, 0, 0), "nothing of it was bad: {stats:?}");
}

fn into_a_client(name: &str) {
    let recording = Recording::load(name);
    let mut client = recording.client();
    feed(&mut client, SERVER(), &recording.arrivals(false));
    assert_delivered(&client, &recording.messages("delivered_to_client"));
    let how = recording.has_disconnect(false).then_some((EndedBy::Peer, reason::APPLICATION));
    assert_eq!(client.disconnected(), how, "ended as recorded");
    assert!(matches!(&client.seen[0].what, What::Connected(name) if name == PROTOCOL), "CONNECTED comes first");
    let stats = client.mux.stats();
    assert_eq!((stats.dropped_crc, stats.dropped_malformed, stats.dropped_stranger), (0, 0, 0), "nothing of it was bad: {stats:?}");
}

macro_rules! replays {
    ($($name:ident in $folder:literal,)*) => {$(
        mod $name {
            const FILE: &str = concat!($folder, "/", stringify!($name));

            #[test]
            fn delivers_the_same_in_a_server() {
                super::into_a_server(FILE);
            }

            #[test]
            fn delivers_the_same_in_a_client() {
                super::into_a_client(FILE);
            }
        }
    )*};
}

replays! {
    soe_channels_0_3 in "soe-protocol",
    soe_channels_0_3_rc4 in "soe-protocol",
    soe_compression_flag in "soe-protocol",
    soe_fragmented_20k in "soe-protocol",
    soe_handshake_small in "soe-protocol",
    soe_heartbeat in "soe-protocol",
    soe_loss10 in "soe-protocol",
    soe_rc4 in "soe-protocol",
    soe_server_disconnect in "soe-protocol",
    soe_unreliable in "soe-protocol",
    zig_client_many_bundles in "zig",
    zig_client_rc4 in "zig",
    zig_client_small_bundles in "zig",
    zig_server_small in "zig",
}

#[test]
fn every_recording_of_the_folder_is_replayed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/traces");
    let count = |kind: &str| std::fs::read_dir(folder.join(kind)).unwrap().count();
    assert_eq!((count("soe-protocol"), count("zig")), (12, 4), "10 + 4 above, and the two below");
}

/// The pen of these tests was written from the protocol's description; the recordings say that it writes and reads the same.
#[test]
fn the_pen_reads_every_recorded_datagram() {
    let mut read = 0;
    for kind in ["soe-protocol", "zig"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/traces").join(kind);
        for file in std::fs::read_dir(folder).unwrap() {
            let recording = Recording::load(&format!("{kind}/{}", file.unwrap().path().file_stem().unwrap().to_str().unwrap()));
            let Some(seed) = recording.header["crc_seed"].as_str().map(|_| recording.word("crc_seed")) else { continue };
            let flag = recording.header["wire"]["passes"][0] == 1;
            let wire = Wire { id: recording.word("session_id"), seed, crc_length: 2, flag };
            for entry in &recording.entries {
                match entry.bytes[..2] {
                    [0, 1] => assert_eq!(entry.bytes, request(3, wire.id, 512, PROTOCOL)),
                    [0, 2] => assert_eq!(Wire::from(common::Answer::read(&entry.bytes).unwrap()).seed, seed),
                    [0, 5] => assert_eq!(entry.bytes, wire.seal(&wire.disconnect(6))),
                    _ => assert_eq!(wire.seal(&wire.open(&entry.bytes).expect("the right CRC")), entry.bytes),
                }
                read += 1;
            }
        }
    }
    assert!(read > 1_000);
}

/// The file keeps the handshake, the surroundings of the wrap and the tail; but each payload is its own counter, so what was cut out can be written anew. Where the
/// file has a datagram, ours must be the same: the pen is checked with the library.
#[test]
fn soe_seq_wrap_delivers_all_66_000_across_the_wrap() {
    const COUNT: u32 = 66_000;
    let recording = Recording::load("soe-protocol/soe_seq_wrap");
    assert_eq!(recording.header["delivered_to_server"]["summary"], COUNT);
    let wire = Wire { id: recording.word("session_id"), seed: recording.word("crc_seed"), crc_length: 2, flag: false };
    let recorded: Vec<_> = recording.arrivals(true).into_iter().filter(|(_, bytes)| bytes.starts_with(&[0, 9])).collect();
    let written = |index: u32| wire.seal(&Wire::reliable(0, index as u16, &index.to_be_bytes()));
    for (_, bytes) in &recorded {
        let index = u32::from_be_bytes(bytes[4..8].try_into().unwrap());
        assert_eq!(hex(bytes), hex(&written(index)));
    }

    let mut server = recording.server();
    feed(&mut server, CLIENT(), &recording.arrivals(true)[..1]);
    let mut now = 10_000;
    for index in 0..COUNT {
        now += 100;
        server.mux.feed(now, &CLIENT(), &written(index));
        if index % 16 == 15 {
            server.turn(now);
        }
    }
    server.mux.feed(now, &CLIENT(), &recording.arrivals(true).last().unwrap().1);
    server.turn(now);
    let messages = server.messages_on(Channel::Reliable0);
    assert_eq!(messages.len(), COUNT as usize);
    assert!((0..COUNT).zip(messages).all(|(index, data)| data == index.to_be_bytes()), "in order");
    assert_eq!(server.disconnected(), Some((EndedBy::Peer, reason::APPLICATION)));
}

/// As it is, the recording has a gap of 65,000 packets behind its second. What 16 bits tell of it: the end of the first round is old, what begins the next fits behind
/// the two that came, and past its own gap the tail waits for ever.
#[test]
fn soe_seq_wrap_as_it_is_delivers_what_its_sequences_say() {
    let recording = Recording::load("soe-protocol/soe_seq_wrap");
    let mut server = recording.server();
    feed(&mut server, CLIENT(), &recording.arrivals(true));
    let expected: Vec<_> = [0, 1].into_iter().chain(0x1_0002..=0x1_007e).map(u32::to_be_bytes).collect();
    assert_eq!(server.messages_on(Channel::Reliable0), expected);
    assert_eq!(server.disconnected(), Some((EndedBy::Peer, reason::APPLICATION)), "it lives to hear the goodbye");
}

/// The server's side of it is acknowledgements only, of data that our client never sent.
#[test]
fn soe_seq_wrap_acknowledgements_of_what_was_never_sent_do_no_harm() {
    let recording = Recording::load("soe-protocol/soe_seq_wrap");
    let mut client = recording.client();
    feed(&mut client, SERVER(), &recording.arrivals(false));
    assert_delivered(&client, &[]);
    let id = client.connected().expect("still open");
    assert_eq!(client.disconnected(), None);
    client.mux.send(id, Channel::Reliable0, b"first").unwrap();
    let wire = Wire { id: recording.word("session_id"), seed: recording.word("crc_seed"), crc_length: 2, flag: false };
    let sent: Vec<_> = client.turn(recording.arrivals(false).last().unwrap().0).iter().flat_map(|(_, data)| wire.packets(data)).collect();
    assert!(sent.contains(&Wire::reliable(0, 0, b"first")), "sequence 0 is not taken for acknowledged: {sent:?}");
}

/// The recorded server was silent; ours says why, as UdpLibrary does.
#[test]
fn soe_protocol_mismatch_is_refused_with_reason_16() {
    let recording = Recording::load("soe-protocol/soe_protocol_mismatch");
    let mut server = recording.server();
    let out = feed(&mut server, CLIENT(), &recording.arrivals(true));
    assert_eq!(out.len(), 2, "a SessionResponse, and a Disconnect behind it");
    let answer = common::Answer::read(&out[0]).expect("a SessionResponse");
    let wire = Wire::from(answer);
    assert_eq!(wire.packets(&out[1]), [wire.disconnect(reason::PROTOCOL_MISMATCH)]);
    assert_eq!(answer.id, recording.word("session_id"));
    assert_delivered(&server, &[]);
    assert_eq!(server.connected(), None);
    assert_eq!(server.mux.stats().requests_refused, 1);
}

#[test]
fn soe_protocol_mismatch_leaves_a_client_asking_until_it_gives_up() {
    let recording = Recording::load("soe-protocol/soe_protocol_mismatch");
    let mut client = recording.client();
    let mut asked = vec![];
    while client.disconnected().is_none() {
        let due = client.mux.next_deadline();
        assert!(due <= 31 * SECOND, "it gives up");
        asked.extend(client.turn(due));
    }
    assert_eq!(client.disconnected(), Some((EndedBy::Library, reason::CONNECT_FAIL)));
    let theirs = request(3, recording.word("session_id"), 512, PROTOCOL);
    assert!(asked.iter().all(|(_, data)| *data == theirs), "the same request each time");
    assert!((28..=30).contains(&asked.len()), "about one a second: {}", asked.len());
}

/// Each single flipped bit in each of the first datagrams that carry data: none is delivered, none is acted on, and the true one is delivered behind it.
fn flips_change_nothing(name: &str, up: bool) {
    let recording = Recording::load(name);
    let field = if up { "delivered_to_server" } else { "delivered_to_client" };
    let (mut node, from) = if up { (recording.server(), CLIENT()) } else { (recording.client(), SERVER()) };
    // The handshake has no CRC; the flips begin behind it.
    let handshake = |bytes: &[u8]| bytes.starts_with(&[0, 1]) || bytes.starts_with(&[0, 2]);
    let mut damaged = 0;
    for (at, bytes) in recording.arrivals(up) {
        if !handshake(&bytes) && damaged < 12 {
            damaged += 1;
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                node.mux.feed(at, &from, &flipped);
                node.turn(at);
            }
        }
        node.mux.feed(at, &from, &bytes);
        node.turn(at);
    }
    assert_delivered(&node, &recording.messages(field));
    let how = recording.has_disconnect(up).then_some((EndedBy::Peer, reason::APPLICATION));
    assert_eq!(node.disconnected(), how, "ended as recorded, and not before");
    assert_eq!(node.seen.iter().filter(|seen| matches!(seen.what, What::Disconnected(..))).count(), usize::from(how.is_some()));
}

#[test]
fn no_flipped_bit_of_a_client_changes_what_a_server_delivers() {
    for name in
        ["soe-protocol/soe_handshake_small", "soe-protocol/soe_rc4", "soe-protocol/soe_unreliable", "soe-protocol/soe_compression_flag"]
    {
        flips_change_nothing(name, true);
    }
}

#[test]
fn no_flipped_bit_of_a_server_changes_what_a_client_delivers() {
    for name in [
        "soe-protocol/soe_handshake_small",
        "soe-protocol/soe_server_disconnect",
        "soe-protocol/soe_channels_0_3_rc4",
        "zig/zig_server_small",
    ] {
        flips_change_nothing(name, false);
    }
}
