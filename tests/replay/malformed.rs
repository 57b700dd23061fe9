//! Recordings in which a client's first message was replaced by something malformed, without CRC and passes. UdpLibrary's newer version ends the session over much of
//! it, which anybody can do to anybody; ours counts it, and the session goes on.

use crate::common::{CLIENT, Node, SERVER, What, hex};
use crate::recording::{Recording, feed, folder};
use soe::{Config, CrcSeed, EndedBy, Preset};

/// What ours does with one of them.
struct Reaction {
    /// Messages besides the client's second one, `0198`.
    delivered: &'static [&'static [u8]],
    malformed: u64,
    contextless: u64,
    acknowledgement: u64,
    duplicates: u64,
    /// The session ends, as it should.
    ended: Option<(EndedBy, u16)>,
    /// What theirs said to it that ours says too.
    says: &'static [&'static str],
}

const NOTHING: Reaction =
    Reaction { delivered: &[], malformed: 0, contextless: 0, acknowledgement: 0, duplicates: 0, ended: None, says: &[] };
const MALFORMED: Reaction = Reaction { malformed: 1, ..NOTHING };

const REACTIONS: [(&str, Reaction); 30] = [
    ("ack_short_old", MALFORMED),
    ("ackall_short_new", MALFORMED),
    ("ackall_short_old", MALFORMED),
    // Theirs takes it for acknowledged.
    ("ackall_unsent_new", Reaction { acknowledgement: 1, ..NOTHING }),
    // Three bytes from anybody ended theirs, with reason 9.
    ("connect_short_new", Reaction { contextless: 1, ..NOTHING }),
    // Nobody's, twice: the second message was replaced too.
    ("empty_old", NOTHING),
    ("frag_oversize_new", MALFORMED),
    // Theirs ends, the older version delivers: so does ours, and the fragments go on behind it.
    ("frag_then_reliable_new", Reaction { delivered: &[&[0x01, 0xcc]], ..NOTHING }),
    ("frag_total_zero_new", MALFORMED),
    ("group_overrun_new", Reaction { delivered: &[&[0x01, 0xaa]], malformed: 1, ..NOTHING }),
    ("keepalive_new", NOTHING),
    ("keepalive_old", NOTHING),
    ("multi_nested_new", Reaction { delivered: &[&[0x01, 0xaa], &[0x03]], ..NOTHING }),
    ("multi_overrun_old", Reaction { delivered: &[&[0x01, 0xaa]], malformed: 1, ..NOTHING }),
    // Theirs delivers a message without a byte, which nobody can have sent.
    ("multi_zero_elem_old", Reaction { delivered: &[&[0x01, 0xaa]], malformed: 1, ..NOTHING }),
    ("ordered_short_old", MALFORMED),
    ("portalive_long_new", NOTHING),
    ("portalive_old", NOTHING),
    // Version 3 knows empty messages.
    ("reliable_empty_old", Reaction { delivered: &[&[]], ..NOTHING }),
    ("reliable_far_ok_new", Reaction { says: &["0011018f"], ..NOTHING }),
    ("reliable_far_ok_old", Reaction { says: &["0011018f"], ..NOTHING }),
    // Theirs holds 400 and drops it; ours holds 1,024.
    ("reliable_far_old", Reaction { says: &["00110190"], ..NOTHING }),
    ("reliable_neg_new", Reaction { duplicates: 1, says: &["0015ffff"], ..NOTHING }),
    ("reliable_neg_old", Reaction { duplicates: 1, says: &["0015ffff"], ..NOTHING }),
    ("single_zero_new", Reaction { delivered: &[&[0]], ..NOTHING }),
    ("terminate_6byte_new", Reaction { ended: Some((EndedBy::Peer, 0)), ..NOTHING }),
    ("terminate_badcode_new", Reaction { contextless: 1, ..NOTHING }),
    ("unknown_04_old", MALFORMED),
    ("unknown_1f_old", MALFORMED),
    ("unknown_ff_new", MALFORMED),
];

#[test]
fn every_recording_of_the_folder_is_replayed() {
    let mut files: Vec<String> = std::fs::read_dir(folder("udplibrary/bad"))
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    assert_eq!(files, REACTIONS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
}

#[test]
fn malformed_input_is_counted_and_costs_nobody_a_session() {
    for (name, reaction) in &REACTIONS {
        println!("{name}");
        let recording = Recording::load(&format!("udplibrary/bad/{name}"));
        let response = recording.first_sent(false).unwrap();
        let config = Config {
            crc_seed: CrcSeed::Fixed(u32::from_be_bytes(response[6..10].try_into().unwrap())),
            confirm_has_version: response.len() == 21,
            udp_length: 512,
            rng_seed: 1,
            ..Config::preset(Preset::PlanetSide)
        };
        let mut server = Node::new(config, SERVER(), 0);
        let arrivals = recording.arrivals(true);
        assert_eq!(feed(&mut server, CLIENT(), &arrivals[..1]), [response], "{name}: our SessionResponse is theirs");
        // Without a CRC any datagram opens the session; but one that means nothing is nobody's.
        let said = feed(&mut server, CLIENT(), &arrivals[1..2]);
        // Theirs was gone before the second message in some; in one that was replaced too.
        let now = arrivals.last().unwrap().0;
        server.mux.feed(now, &CLIENT(), &[0x01, 0x98]);
        server.turn(now);
        let stats = server.mux.stats();
        let got: Vec<&[u8]> = server
            .seen
            .iter()
            .filter_map(|seen| match &seen.what {
                What::Message(_, data) => Some(&data[..]),
                _ => None,
            })
            .collect();
        let second: &[&[u8]] = if reaction.ended.is_none() { &[&[0x01, 0x98]] } else { &[] };
        assert_eq!(got, [reaction.delivered, second].concat(), "{name}");
        assert_eq!(stats.dropped_malformed, reaction.malformed, "{name}");
        assert_eq!(stats.dropped_contextless, reaction.contextless, "{name}");
        assert_eq!(stats.dropped_acknowledgement, reaction.acknowledgement, "{name}");
        assert_eq!(stats.duplicates, reaction.duplicates, "{name}");
        assert_eq!(server.disconnected(), reaction.ended, "{name}");
        let said: Vec<String> = said.iter().map(|bytes| hex(bytes)).collect();
        assert!(reaction.says.iter().all(|wanted| said.iter().any(|datagram| datagram == wanted)), "{name}: {said:?}");
    }
}
