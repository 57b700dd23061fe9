//! Recorded sessions of libraries that we did not write, fed into each side of ours: what is delivered equals what theirs delivered.

#[path = "../common/mod.rs"]
mod common;
mod malformed;
mod recording;
mod udp_library;

use common::{CLIENT, Node, PROTOCOL, SECOND, SERVER, What, Wire, hex, request};
use recording::{Recording, feed, folder};
use soe::{Channel, EndedBy, reason};

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
    let count = |kind: &str| std::fs::read_dir(folder(kind)).unwrap().count();
    assert_eq!((count("soe-protocol"), count("zig")), (12, 4), "10 + 4 above, and the two below");
}

/// The pen of these tests was written from the protocol's description; the recordings say that it writes and reads the same.
#[test]
fn the_pen_reads_every_recorded_datagram() {
    let mut read = 0;
    for kind in ["soe-protocol", "zig"] {
        for file in std::fs::read_dir(folder(kind)).unwrap() {
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
