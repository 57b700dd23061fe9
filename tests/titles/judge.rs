//! What the models are there to notice in a server, they notice: one thing of each kind that some client can't bear, and the nearest thing that it can.

use crate::inbox::{Inbox, News, Route};
use crate::model::Model;
use crate::packets::Packet;
use crate::play::assert_arrived;
use crate::titles::{self, Game, Title};

/// Whether this title's client bears this packet of its server.
fn bears(title: &Title, packet: &[u8]) -> bool {
    Inbox::new(title, true).hear(packet, &mut vec![]).is_ok()
}

fn reliable(payload: &[u8]) -> Vec<u8> {
    Packet::Reliable { channel: 0, stamp: 0, payload: payload.to_vec() }.write(255)
}

fn group(members: &[usize]) -> Vec<u8> {
    reliable(&Packet::Group(members.iter().map(|len| vec![7; *len]).collect()).write(255))
}

const ALL: [Title; 14] = [
    titles::EVERQUEST,
    titles::EVERQUEST_ZONE,
    titles::EVERQUEST_OLD_CHAT,
    titles::EVERQUEST_2,
    titles::STAR_WARS_GALAXIES,
    titles::PLANETSIDE,
    titles::FREE_REALMS_LOGIN,
    titles::FREE_REALMS_GATEWAY,
    titles::PLANETSIDE_2_LOGIN,
    titles::PLANETSIDE_2_GATEWAY,
    titles::H1Z1_LOGIN,
    titles::H1Z1_GATEWAY,
    titles::LANDMARK_LOGIN,
    titles::LANDMARK_GATEWAY,
];

#[test]
fn groups_are_for_those_who_read_them_and_long_lengths_for_fewer() {
    for title in ALL {
        let reads = !matches!(title.game, Game::EverQuest | Game::H1Z1 | Game::Landmark);
        let reads_long = matches!(title.game, Game::FreeRealms | Game::PlanetSide2);
        assert_eq!(bears(&title, &group(&[3, 200])), reads, "{:?}", title.game);
        assert_eq!(bears(&title, &group(&[3, 260])), reads_long, "{:?}", title.game);
    }
}

#[test]
fn multi_packets_fit_to_the_byte_and_hold_what_the_client_knows() {
    let ack = Packet::AckAll { channel: 0, stamp: 7 }.write(255);
    for title in ALL {
        let multi = |element: &[u8]| Packet::Multi(vec![ack.clone(), element.to_vec()]).write(255);
        let good = multi(&ack);
        assert!(bears(&title, &good));
        assert!(!bears(&title, &good[..good.len() - 1]), "one that overruns");
        assert!(!bears(&title, &[&good[..], &[0]].concat()), "an empty element");
        assert_eq!(bears(&title, &multi(b"raw data")), title.raw);
        let v3 = title.is_version_3();
        assert!(bears(&title, &multi(&reliable(&[7; 250]))));
        assert_eq!(bears(&title, &multi(&reliable(&[7; 251]))), !v3, "an element of 255 bytes");
    }
}

#[test]
fn version_3_knows_neither_raw_nor_ordered_data_nor_clocks_nor_other_channels() {
    let clock = Packet::ClockSync { stamp: 1, pings: [0; 5], sent: 1, received: 1 }.write(255);
    for title in ALL {
        assert_eq!(bears(&title, &clock), !title.is_version_3());
        assert_eq!(bears(&title, b"raw data"), title.raw);
        for kind in [0x1a, 0x1b] {
            assert!(!bears(&title, &[0, kind, 0, 1, 7]));
        }
        for packet in [Packet::Ack { channel: 3, stamp: 0 }, Packet::Reliable { channel: 3, stamp: 0, payload: vec![7] }] {
            assert!(!bears(&title, &packet.write(255)));
        }
    }
}

#[test]
fn a_disconnect_says_why_unless_it_is_everquests() {
    for title in ALL {
        let of = |reason| Packet::Terminate { id: 1, reason }.write(255);
        let everquest = title.game == Game::EverQuest;
        assert_eq!([bears(&title, &of(Some(6))), bears(&title, &of(None))], [!everquest, everquest]);
    }
}

#[test]
fn early_acknowledgements_are_not_for_everquest_2() {
    for title in ALL {
        assert_eq!(bears(&title, &Packet::Ack { channel: 0, stamp: 1 }.write(255)), title != titles::EVERQUEST_2);
    }
}

#[test]
fn zero_is_escaped_where_the_title_escapes_it() {
    for title in ALL {
        let heard = |payload: &[u8]| {
            let mut news = vec![];
            let heard = Inbox::new(&title, true).hear(&reliable(payload), &mut news);
            let message = news.into_iter().find_map(|news| if let News::Message(_, data) = news { Some(data) } else { None });
            heard.map(|()| message.expect("a message"))
        };
        let escapes = !matches!(title.game, Game::PlanetSide2 | Game::H1Z1);
        assert_eq!(heard(&[0, 0, 5]), Ok(if escapes { vec![0, 5] } else { vec![0, 0, 5] }));
        // What is not escaped is a packet to UdpLibrary.
        assert_eq!(heard(&[0, 5]).is_err(), !title.is_version_3());
    }
}

/// A client that has its answer from a server of this title.
fn connected(title: &Title) -> Model {
    let mut server = Model::server(title, 0x0102_0304, 0);
    let mut client = Model::client(title, 7, 0);
    client.turn(0).iter().for_each(|datagram| server.feed(0, datagram));
    server.turn(0).iter().filter(|datagram| datagram.starts_with(&[0, 2])).for_each(|datagram| client.feed(0, datagram));
    client
}

#[test]
#[should_panic(expected = "513 bytes where 512 were negotiated")]
fn a_datagram_may_not_be_longer_than_was_agreed() {
    let codec = titles::H1Z1_LOGIN.codec(0x0102_0304);
    connected(&titles::H1Z1_LOGIN).feed(1, &codec.seal(&reliable(&[7; 507]), 513));
}

#[test]
fn a_datagram_may_be_as_long_as_was_agreed() {
    let codec = titles::H1Z1_LOGIN.codec(0x0102_0304);
    let mut client = connected(&titles::H1Z1_LOGIN);
    client.feed(1, &codec.seal(&reliable(&[7; 506]), 512));
    assert_eq!(client.delivered.len(), 1);
}

#[test]
#[should_panic(expected = "the CRC is")]
fn a_crc_of_another_seed_ends_it() {
    let codec = titles::H1Z1_LOGIN.codec(0x0102_0305);
    connected(&titles::H1Z1_LOGIN).feed(1, &codec.seal(&reliable(&[7; 5]), 512));
}

#[test]
#[should_panic(expected = "compressed")]
fn planetside_2_is_sent_nothing_compressed() {
    let mut codec = titles::PLANETSIDE_2_GATEWAY.codec(0x0102_0304);
    codec.zlib.from = 0;
    connected(&titles::PLANETSIDE_2_GATEWAY).feed(1, &codec.seal(&reliable(&[7; 200]), 512));
}

#[test]
#[should_panic(expected = "a compression flag of 01")]
fn a_flag_of_another_title_ends_it() {
    let mut codec = titles::EVERQUEST_ZONE.codec(0x0102_0304);
    codec.zlib.flag = titles::FREE_REALMS_LOGIN.zlib.flag;
    connected(&titles::EVERQUEST_ZONE).feed(1, &codec.seal(&reliable(&[7; 200]), 512));
}

#[test]
#[should_panic(expected = "an acknowledgement of 0, and 0 comes next")]
fn nothing_is_acknowledged_that_was_not_sent() {
    let codec = titles::H1Z1_LOGIN.codec(0x0102_0304);
    connected(&titles::H1Z1_LOGIN).feed(1, &codec.seal(&Packet::AckAll { channel: 0, stamp: 0 }.write(255), 512));
}

fn said() -> Vec<(Route, Vec<u8>)> {
    (0..10).map(|at| (if at % 2 == 0 { Route::Reliable(0) } else { Route::Raw }, vec![at; 9])).collect()
}

#[test]
fn what_arrives_whole_is_right() {
    assert_arrived("nobody", &said(), &said(), true);
    // A raw one may be lost.
    assert_arrived("nobody", &said(), &said()[..9], true);
}

#[test]
#[should_panic(expected = "misses messages of channel 0")]
fn a_lost_message_is_missed() {
    assert_arrived("nobody", &said(), &said()[..8], true);
}

#[test]
#[should_panic(expected = "message 0 on channel 0")]
fn a_wrong_order_is_seen() {
    let mut delivered = said();
    delivered.swap(0, 2);
    assert_arrived("nobody", &said(), &delivered, true);
}

#[test]
#[should_panic(expected = "a raw message that nobody sent")]
fn an_altered_raw_message_is_seen() {
    let mut delivered = said();
    delivered[3].1[8] ^= 1;
    assert_arrived("nobody", &said(), &delivered, true);
}

#[test]
#[should_panic(expected = "a raw message twice")]
fn a_raw_message_that_comes_twice_is_seen() {
    let mut delivered = said();
    delivered.push(delivered[3].clone());
    assert_arrived("nobody", &said(), &delivered, true);
}
