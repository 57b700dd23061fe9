//! Recordings of SOE's own library, newer and older, in both roles. Its deliveries carry no channel: they are compared in the order in which they came.

use crate::common::{CLIENT, Node, SERVER, What, hex};
use crate::recording::{Recording, feed, folder};
use soe::{Address, Config, ConnectOptions, EndedBy, Preset, reason};

/// What was delivered, in order, whatever the channel.
fn delivered(node: &Node) -> Vec<&[u8]> {
    node.seen
        .iter()
        .filter_map(|seen| match &seen.what {
            What::Message(_, data) => Some(&data[..]),
            _ => None,
        })
        .collect()
}

fn assert_delivered(node: &Node, expected: &[Vec<u8>]) {
    let got = delivered(node);
    let lengths = |all: &[&[u8]]| all.iter().map(|message| message.len()).collect::<Vec<_>>();
    let expected: Vec<&[u8]> = expected.iter().map(|message| &message[..]).collect();
    assert_eq!(lengths(&got), lengths(&expected), "lengths of the messages");
    assert!(got == expected, "the same lengths, but other bytes");
}

/// How the last Disconnect that went one way ended the session at its other end.
fn ended(recording: &Recording, up: bool) -> Option<(EndedBy, u16)> {
    let params = &recording.header[if up { "client_events" } else { "server_events" }];
    let events = params.as_array().unwrap().iter().find(|event| event["ev"] == "terminated");
    let why = events.map_or(0, |event| event["reason"].as_u64().unwrap() as u16);
    recording.has_disconnect(up).then_some((EndedBy::Peer, why))
}

fn assert_nothing_was_bad(node: &Node) {
    let stats = node.mux.stats();
    assert_eq!((stats.dropped_crc, stats.dropped_malformed, stats.dropped_stranger), (0, 0, 0), "nothing of it was bad: {stats:?}");
}

fn into_a_server(recording: &Recording) -> Node {
    let mut server = recording.server();
    let answer = feed(&mut server, CLIENT(), &recording.arrivals(true));
    let theirs = recording.first_sent(false).expect("a SessionResponse");
    assert_eq!(answer.iter().map(|bytes| hex(bytes)).collect::<Vec<_>>(), [hex(theirs)], "our SessionResponse is theirs");
    assert!(matches!(&server.seen[0].what, What::Connected(name) if name.is_empty()), "CONNECTED comes first");
    server
}

fn into_a_client(recording: &Recording) -> Node {
    let mut client = recording.client();
    feed(&mut client, SERVER(), &recording.arrivals(false));
    assert!(matches!(&client.seen[0].what, What::Connected(_)), "CONNECTED comes first");
    client
}

/// With the recorded session id and CRC seed, what is delivered equals what theirs delivered.
macro_rules! replays {
    ($($name:ident: $file:literal,)*) => {
        /// Those that are plain replays.
        const PLAIN: &[&str] = &[$($file),*];

        $(mod $name {
            use super::*;

            #[test]
            fn delivers_the_same_in_a_server() {
                let recording = Recording::load(concat!("udplibrary/", $file));
                let server = into_a_server(&recording);
                assert_delivered(&server, &recording.contents("delivered_to_server"));
                assert_eq!(server.disconnected(), ended(&recording, true), "ended as recorded");
                assert_nothing_was_bad(&server);
            }

            #[test]
            fn delivers_the_same_in_a_client() {
                let recording = Recording::load(concat!("udplibrary/", $file));
                let client = into_a_client(&recording);
                assert_delivered(&client, &recording.contents("delivered_to_client"));
                assert_eq!(client.disconnected(), ended(&recording, false), "ended as recorded");
                assert_nothing_was_bad(&client);
            }
        })*
    };
}

replays! {
    plain_crc_0: "01_plain_crc0",
    plain_crc_1: "01_plain_crc1",
    plain_crc_2: "01_plain_crc2",
    fragments: "02_large_20k",
    crc_4_xor: "03_crc4_xor",
    xor_buffer: "04_crc2_xorbuffer",
    xor_buffer_fragments: "04b_crc2_xorbuffer_large",
    zlib_trailing: "05a_user_zlib_trailing",
    zlib_trailing_then_xor: "05b_swg_zlib_xor",
    zlib_leading: "05d_user_zlib_leading",
    unreliable_and_ordered: "06_unreliable_ordered",
    unreliable_and_ordered_of_the_older: "06b_unreliable_ordered_oldlib",
    channels: "07_multi_channels",
    one_in_ten_lost: "08_drop10",
    one_in_ten_lost_by_the_older: "08c_drop10_oldlib",
    ended_by_the_client: "09a_disconnect_client",
    ended_by_the_server: "09b_disconnect_server",
    ended_by_silence: "09g_timeout",
    newer_client_older_server: "16_client_new_server_old",
    older_star_wars_galaxies: "16c_old_old_swg",
    xor_buffer_negative_seed: "20_old_xorbuffer_negcode",
    xor_negative_seed: "20b_old_xor_negcode",
    the_smaller_udp_length: "21_small_raw_64_200",
}

#[test]
fn every_recording_of_the_folder_is_replayed() {
    const OTHERS: [&str; 7] = [
        "09d_refused",
        "09e_lost_server_unreachable",
        "09f_lost_server_noremap",
        "10_wrap_65536",
        "11_lost_confirm",
        "14_crossed_connect",
        "15_bad_crc",
    ];
    let mut files: Vec<String> = std::fs::read_dir(folder("udplibrary"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    let mut known: Vec<_> = PLAIN.iter().chain(&OTHERS).map(|name| (*name).to_owned()).collect();
    known.sort();
    assert_eq!(files, known);
}

/// The title's preset, not only the same knobs.
#[test]
fn star_wars_galaxies_replays_with_its_preset() {
    for name in ["udplibrary/05b_swg_zlib_xor", "udplibrary/16c_old_old_swg"] {
        let recording = Recording::load(name);
        let confirm_has_version = recording.first_sent(false).unwrap().len() == 21;
        let preset = |role: &str| Config {
            crc_seed: recording.config(role).crc_seed,
            rng_seed: 1,
            confirm_has_version,
            ..Config::preset(Preset::StarWarsGalaxies)
        };
        let mut server = Node::new(preset("server"), SERVER(), 0);
        let answer = feed(&mut server, CLIENT(), &recording.arrivals(true));
        assert_eq!(answer, [recording.first_sent(false).unwrap()], "our SessionResponse is theirs");
        assert_delivered(&server, &recording.contents("delivered_to_server"));
        let mut client = Node::new(preset("client"), CLIENT(), 0);
        let options = ConnectOptions { session_id_on_wire: recording.word("session_id"), ..Default::default() };
        client.mux.connect(0, &SERVER(), &options).unwrap();
        assert_eq!(client.turn(0)[0].1, recording.first_sent(true).unwrap(), "our SessionRequest is theirs");
        feed(&mut client, SERVER(), &recording.arrivals(false));
        assert_delivered(&client, &recording.contents("delivered_to_client"));
    }
}

#[test]
fn sixty_six_thousand_packets_pass_the_wrap() {
    let recording = Recording::load("udplibrary/10_wrap_65536");
    let expected: Vec<Vec<u8>> = (0..66_000u32).map(|index| [&[1][..], &index.to_be_bytes()].concat()).collect();
    let server = into_a_server(&recording);
    assert_delivered(&server, &expected);
    assert_eq!(server.disconnected(), ended(&recording, true));
    assert_nothing_was_bad(&server);
    // The server's side is acknowledgements of what our client never sent.
    let client = into_a_client(&recording);
    assert_delivered(&client, &[]);
    assert!(client.mux.stats().dropped_acknowledgement > 50);
}

/// The first two responses were lost. What the server said before the third came can't be read by a client: it came again.
#[test]
fn a_lost_response_is_asked_for_again_and_what_came_before_it_comes_again() {
    let recording = Recording::load("udplibrary/11_lost_confirm");
    let server = into_a_server(&recording);
    assert_delivered(&server, &recording.contents("delivered_to_server"));
    assert_eq!(server.disconnected(), ended(&recording, true));
    let client = into_a_client(&recording);
    assert_delivered(&client, &recording.contents("delivered_to_client"));
    assert_eq!(client.mux.stats().dropped_crc, 2, "two packets before the response");
    // Ours says the same to each request, too.
    let mut server = recording.server();
    for (at, bytes) in recording.arrivals(true).iter().filter(|(_, bytes)| bytes.starts_with(&[0, 1])) {
        server.mux.feed(*at, &CLIENT(), bytes);
        assert_eq!(server.turn(*at)[0].1, recording.first_sent(false).unwrap());
    }
}

#[test]
fn a_refused_client_gets_a_response_and_a_disconnect_behind_it_byte_for_byte() {
    let recording = Recording::load("udplibrary/09d_refused");
    let mut server = Node::new(Config { manual_accept: true, ..recording.config("server") }, SERVER(), 0);
    let request = &recording.arrivals(true)[0];
    server.mux.feed(request.0, &CLIENT(), &request.1);
    server.turn(request.0);
    let id = server.seen[0].session;
    assert_eq!(server.take(), [What::ConnectRequest(vec![])]);
    server.mux.disconnect(id, reason::CONNECTION_REFUSED, soe::Disconnect::Now).unwrap();
    let said: Vec<_> = server.turn(request.0).into_iter().map(|(_, data)| hex(&data)).collect();
    let theirs: Vec<_> = recording.arrivals(false).iter().map(|(_, bytes)| hex(bytes)).collect();
    assert_eq!(said, theirs);
    let client = into_a_client(&recording);
    assert_eq!(client.disconnected(), Some((EndedBy::Peer, reason::CONNECTION_REFUSED)));
}

/// UdpLibrary's two ends answer each other's UnknownSender and RemapConnection at the rate of the round trip, for five seconds: 600 of each. Ours asks once a second,
/// and gives up as late.
#[test]
fn a_client_whose_server_lost_it_asks_in_peace_and_gives_up_after_five_seconds() {
    let recording = Recording::load("udplibrary/09e_lost_server_unreachable");
    assert!(recording.arrivals(false).iter().filter(|(_, bytes)| bytes == &[0, 0x1d]).count() > 500);
    let mut client = recording.client();
    let mut remaps = vec![];
    let unknown_from = recording.arrivals(false).iter().find(|(_, bytes)| bytes == &[0, 0x1d]).unwrap().0;
    for (at, bytes) in recording.arrivals(false) {
        while client.mux.next_deadline() < at {
            let due = client.mux.next_deadline();
            remaps.extend(client.turn(due).into_iter().filter(|(_, data)| data.starts_with(&[0, 0x1e])));
        }
        client.mux.feed(at, &SERVER(), &bytes);
        remaps.extend(client.turn(at).into_iter().filter(|(_, data)| data.starts_with(&[0, 0x1e])));
    }
    while client.disconnected().is_none() {
        let due = client.mux.next_deadline();
        assert!(due < unknown_from + 6_000_000, "it gives up");
        client.turn(due);
    }
    assert_delivered(&client, &recording.contents("delivered_to_client"));
    assert_eq!(client.disconnected(), Some((EndedBy::Library, reason::UNREACHABLE_CONNECTION)));
    let theirs = recording.entries.iter().find(|entry| entry.up && entry.bytes.starts_with(&[0, 0x1e])).unwrap();
    assert!((1..=6).contains(&remaps.len()), "{} RemapConnections", remaps.len());
    assert!(remaps.iter().all(|(_, data)| *data == theirs.bytes), "our RemapConnection is theirs");
}

/// A server of ours loses nothing: the message that theirs never took is delivered, and what claims to come from elsewhere changes nothing.
#[test]
fn a_server_that_did_not_lose_its_session_takes_what_theirs_did_not() {
    for (name, why) in
        [("09e_lost_server_unreachable", reason::UNREACHABLE_CONNECTION), ("09f_lost_server_noremap", reason::UNREACHABLE_CONNECTION)]
    {
        let recording = Recording::load(&format!("udplibrary/{name}"));
        let server = into_a_server(&recording);
        assert_delivered(&server, &[vec![1, 1], vec![1, 2]]);
        assert_eq!(server.disconnected(), Some((EndedBy::Peer, why)));
    }
}

/// Theirs ends at once, on two bytes that anybody can send.
#[test]
fn an_unknown_sender_alone_ends_no_session() {
    let recording = Recording::load("udplibrary/09f_lost_server_noremap");
    let client = into_a_client(&recording);
    assert_delivered(&client, &recording.contents("delivered_to_client"));
    assert_eq!(client.disconnected(), None, "it asks first");
}

/// Both connect to each other: neither answers, both give up.
#[test]
fn crossed_connects_are_not_answered_and_time_out() {
    let recording = Recording::load("udplibrary/14_crossed_connect");
    for up in [true, false] {
        let id = u32::from_be_bytes(recording.first_sent(!up).unwrap()[6..10].try_into().unwrap());
        let there = SERVER();
        let mut node = Node::new(recording.config("client"), CLIENT(), 0);
        node.mux.connect(0, &there, &ConnectOptions { session_id_on_wire: id, timeout_ms: 2_500, ..Default::default() }).unwrap();
        let requests = |out: Vec<(Address, Vec<u8>)>| out.iter().all(|(_, data)| data == recording.first_sent(!up).unwrap());
        assert!(requests(node.turn(0)));
        for (at, bytes) in recording.arrivals(up) {
            node.mux.feed(at, &there, &bytes);
            assert!(requests(node.turn(at)), "nothing but our own request");
        }
        node.turn(2_600_000);
        assert_eq!(node.disconnected(), Some((EndedBy::Library, reason::CONNECT_FAIL)));
    }
}

/// The Disconnect came with a flipped bit: it is dropped, and the session lives.
#[test]
fn a_damaged_disconnect_ends_nothing() {
    let recording = Recording::load("udplibrary/15_bad_crc");
    let server = into_a_server(&recording);
    assert_delivered(&server, &recording.contents("delivered_to_server"));
    assert_eq!((server.disconnected(), server.mux.stats().dropped_crc), (None, 1));
    let client = into_a_client(&recording);
    assert_delivered(&client, &[]);
    assert_nothing_was_bad(&client);
}
