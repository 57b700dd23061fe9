//! How a dialect's sessions begin and end, and go on from elsewhere.

use crate::common::*;
use soe::{AcceptOptions, Address, Channel, Config, ConnectOptions, CrcSeed, Disconnect, EndedBy, Error, Pass, Preset, reason};

/// UdpLibrary with a CRC: what the titles of version 2 have in common.
fn udp_library() -> Config {
    Config { crc_length: 2, udp_length: 512, rng_seed: 7, ..Config::preset(Preset::PlanetSide) }
}

fn asked(config: Config) -> (Node, Vec<u8>) {
    let mut node = Node::new(config, CLIENT(), SECOND);
    let options = ConnectOptions { session_id_on_wire: 0x7780_a016, ..Default::default() };
    node.mux.connect(SECOND, &SERVER(), &options).unwrap();
    let mut out = node.turn(SECOND);
    assert_eq!(out.len(), 1);
    (node, out.remove(0).1)
}

fn answered(config: Config, request: &[u8]) -> (Node, Vec<Vec<u8>>) {
    let mut node = Node::new(config, SERVER(), SECOND);
    node.mux.feed(SECOND, &CLIENT(), request);
    let out = node.turn(SECOND).into_iter().map(|(_, data)| data).collect();
    (node, out)
}

#[test]
fn a_request_has_the_version_and_the_name_of_its_title_or_none() {
    let named = |config: Config| Config { application_protocol: Some(b"LoginUdp_6".to_vec()), ..config };
    let bare = |version: u32, udp_length: u32| unhex(&format!("0001{version:08x}7780a016{udp_length:08x}"));
    for (config, expected) in [
        (Config::default(), [bare(3, 512), vec![0]].concat()),
        (Config::preset(Preset::StarWarsGalaxies), bare(2, 496)),
        (Config::preset(Preset::EverQuest), bare(3, 512)),
        (Config::preset(Preset::EverQuest2), bare(3, 512)),
        (Config::preset(Preset::PlanetSide), bare(2, 467)),
        (named(Config::preset(Preset::FreeRealms)), [bare(3, 512), b"LoginUdp_6\0".to_vec()].concat()),
        // Version 2 has no place for a name.
        (named(Config { protocol_version: 2, ..Config::default() }), bare(2, 512)),
        (named(Config { protocol_version: 0, ..Config::default() }), [bare(3, 512), b"LoginUdp_6\0".to_vec()].concat()),
    ] {
        assert_eq!(hex(&asked(config).1), hex(&expected));
    }
}

#[test]
fn a_server_takes_the_versions_and_names_that_it_should() {
    let named = Config { application_protocol: Some(b"CGAPI_527".to_vec()), ..Config::default() };
    let bare = |version: u32| unhex(&format!("0001{version:08x}7780a016{:08x}", 512));
    let with = |version: u32, name: &[u8]| [bare(version), name.to_vec(), vec![0]].concat();
    for (config, request, taken) in [
        (named.clone(), with(3, b"CGAPI_527"), true),
        (named.clone(), with(3, b"CGAPI_528"), false),
        (named.clone(), bare(3), false),
        (named.clone(), bare(2), false),
        (Config { protocol_version: 0, ..named.clone() }, with(1, b"CGAPI_527"), true),
        // Version 2 can't say a name.
        (Config { protocol_version: 0, ..named.clone() }, bare(2), true),
        (Config { protocol_version: 0, ..named.clone() }, bare(3), false),
        (Config { protocol_version: 2, ..named.clone() }, bare(2), true),
        (Config { protocol_version: 2, ..named.clone() }, bare(3), false),
        (Config { request_has_name: false, ..named.clone() }, bare(3), true),
        (Config { request_has_name: false, ..named.clone() }, with(3, b"whatever"), true),
        (Config { request_has_name: false, ..named.clone() }, [bare(3), b"no end".to_vec()].concat(), true),
        (Config::preset(Preset::EverQuest), bare(2), true),
        (Config::preset(Preset::EverQuest), bare(0), true),
        (Config::preset(Preset::StarWarsGalaxies), bare(2), true),
        // UdpLibrary doesn't look at what stands behind.
        (Config::preset(Preset::StarWarsGalaxies), [bare(2), b"x".to_vec()].concat(), true),
        (Config::preset(Preset::StarWarsGalaxies), bare(3), false),
    ] {
        let (node, out) = answered(config, &request);
        assert_eq!(out.len(), if taken { 1 } else { 2 }, "{}: a response, with a Disconnect behind it where refused", hex(&request));
        assert_eq!(node.mux.stats().requests_refused, u64::from(!taken));
    }
}

#[test]
fn a_response_has_17_or_21_bytes_and_both_are_read_whichever_is_configured() {
    for (sends, reads) in [(false, false), (false, true), (true, false), (true, true)] {
        for version in [2, 3] {
            let config =
                Config { protocol_version: version, crc_seed: CrcSeed::Fixed(9), passes: [Pass::Compress, Pass::Xor], ..udp_library() };
            let (mut client, request) = asked(Config { confirm_has_version: reads, ..config.clone() });
            let (_, out) = answered(Config { confirm_has_version: sends, ..config }, &request);
            let expected = format!("00027780a01600000009020104{:08x}{}", 512, if sends { format!("{version:08x}") } else { String::new() });
            assert_eq!(hex(&out[0]), expected);
            client.mux.feed(SECOND, &SERVER(), &out[0]);
            client.turn(SECOND);
            let info = client.mux.info(client.connected().expect("connected")).unwrap();
            assert_eq!((info.protocol_version, info.crc_length, info.passes), (version, 2, [Pass::Compress, Pass::Xor]));
        }
    }
}

/// UdpLibrary's client takes the number as it is; soe-protocol's server says its own.
#[test]
fn the_smaller_udp_length_is_agreed_whoever_says_which() {
    for (ours, theirs) in [(512, 496), (496, 512), (512, 512), (16_384, 64)] {
        for confirm_smaller_length in [false, true] {
            let (mut client, request) = asked(Config { udp_length: theirs, ..udp_library() });
            let (mut server, out) = answered(Config { udp_length: ours, confirm_smaller_length, ..udp_library() }, &request);
            let said = Answer::read(&out[0]).unwrap().udp_length;
            assert_eq!(said, if confirm_smaller_length { ours.min(theirs) } else { ours });
            client.mux.feed(SECOND, &SERVER(), &out[0]);
            for (_, datagram) in client.turn(SECOND) {
                server.mux.feed(SECOND, &CLIENT(), &datagram);
            }
            server.turn(SECOND);
            for node in [&client, &server] {
                assert_eq!(node.mux.info(node.connected().unwrap()).unwrap().udp_length, ours.min(theirs));
            }
        }
    }
}

#[test]
fn a_response_with_passes_that_nobody_knows_is_not_taken() {
    for passes in [[5, 0], [0, 5], [255, 255]] {
        let (mut client, _) = asked(Config { protocol_version: 3, ..udp_library() });
        client.mux.feed(SECOND, &SERVER(), &response(0x7780_a016, 1, 2, passes, 512, 3));
        client.turn(SECOND);
        assert_eq!((client.connected(), client.mux.stats().dropped_contextless), (None, 1));
    }
}

#[test]
fn an_accepted_session_has_any_passes_that_the_host_wants() {
    let (mut server, _) = answered(Config { manual_accept: true, ..udp_library() }, &unhex("0001000000027780a01600000200"));
    let id = server.seen[0].session;
    let options = AcceptOptions { passes: Some([Pass::XorBuffer, Pass::Compress2]), crc_length: Some(4), ..Default::default() };
    server.mux.accept(SECOND, id, &options).unwrap();
    let out = server.turn(SECOND);
    assert_eq!(out[0].1[10..13], [4, 3, 2]);
}

#[test]
fn versions_that_nobody_knows_are_not_supported() {
    for version in [1, 4, u32::MAX] {
        assert_eq!(Config { protocol_version: version, ..Config::default() }.validate(), Err(Error::Unsupported));
    }
}

#[test]
fn a_disconnect_says_its_reason_only_where_the_title_does_and_both_are_heard() {
    for (has_reason, wire, heard) in [(true, "000511223344000e", 14), (false, "000511223344", 0)] {
        let config = Config { protocol_version: 0, disconnect_has_reason: has_reason, ..udp_library() };
        let mut puppet = Puppet::client(config.clone());
        puppet.node.mux.disconnect(puppet.id, 14, Disconnect::Now).unwrap();
        let said = puppet.node.turn(puppet.now);
        assert_eq!(said[0].1, puppet.wire.seal(&unhex(wire)));
        let mut puppet = Puppet::client(config);
        puppet.say(&puppet.wire.seal(&unhex(wire)));
        assert_eq!(puppet.node.disconnected(), Some((EndedBy::Peer, heard)));
    }
}

#[test]
fn a_session_goes_on_from_another_host_only_where_that_is_allowed() {
    for (allowed, from, moves) in
        [(false, address(1, 4321), true), (false, address(9, 1000), false), (true, address(9, 1000), true), (true, address(9, 4321), true)]
    {
        let mut puppet = Puppet::client(Config { protocol_version: 0, allow_address_remap: allowed, ..udp_library() });
        let remap = puppet.wire.remap();
        puppet.say_from(&from, &remap);
        assert_eq!(puppet.node.take(), if moves { vec![What::Rebound(from)] } else { vec![] }, "{allowed} {from:?}");
        let mut wrong = remap;
        *wrong.last_mut().unwrap() ^= 1;
        puppet.say_from(&address(8, 8), &wrong);
        assert_eq!(puppet.node.take(), [], "not with another seed");
        if moves {
            puppet.me = from;
        }
        puppet.assert_alive();
    }
    let off = Config { protocol_version: 0, allow_port_remap: false, allow_address_remap: true, ..udp_library() };
    let mut puppet = Puppet::client(off);
    puppet.say_from(&address(1, 4321), &puppet.wire.remap());
    assert_eq!(puppet.node.take(), []);
}

/// Many sessions may have one seed: each is told by its id, whatever host it moves to.
#[test]
fn sessions_of_one_seed_move_apart() {
    let config = Config { protocol_version: 0, crc_seed: CrcSeed::Fixed(0), allow_address_remap: true, ..udp_library() };
    let mut node = Node::new(config, SERVER(), SECOND);
    let home = |host: u32| -> Address { address(host as u8, 1000) };
    let wire = |host: u32| Wire { id: host, seed: 0, crc_length: 2, flag: false };
    for host in 1..=50 {
        node.mux.feed(SECOND, &home(host), &request(3, host, 512, b""));
        node.mux.feed(SECOND, &home(host), &wire(host).heartbeat());
    }
    node.turn(SECOND);
    let ids: Vec<_> = node.take_seen().into_iter().map(|seen| seen.session).collect();
    for host in 1..=50u32 {
        node.mux.feed(SECOND, &address(100 + host as u8, 7), &wire(host).remap());
        node.turn(SECOND);
        let moved = node.take_seen();
        assert_eq!((moved[0].session, &moved[0].what), (ids[host as usize - 1], &What::Rebound(address(100 + host as u8, 7))));
    }
}

/// EverQuest's UnknownSender has four zeros behind it. It is a hint like any other.
#[test]
fn an_unknown_sender_with_zeros_is_one_and_with_anything_else_is_none() {
    for (datagram, asks) in [("001d", true), ("001d00000000", true), ("001d000000", false), ("001d00000001", false)] {
        let mut puppet = Puppet::server(Config::default());
        puppet.wait(SECOND * 20);
        let said = puppet.say(&unhex(datagram));
        assert_eq!(said.iter().any(|data| data.starts_with(&[0, 0x1e])), asks, "{datagram}: a RemapConnection");
    }
}

/// EverQuest II's client may leave the CRC at zero.
#[test]
fn a_crc_of_zeros_opens_a_session_only_where_the_title_sends_it() {
    for (accept_zero_crc, heard) in [(false, 0), (true, 1)] {
        let mut puppet = Puppet::half_open(Config { protocol_version: 0, accept_zero_crc, ..udp_library() });
        puppet.say(&[&Wire::reliable(0, 0, b"hello")[..], &[0, 0]].concat());
        assert_eq!(puppet.node.messages_on(Channel::Reliable0).len(), heard);
    }
}

/// Any sealing opens what has zeros for a CRC. So a client that begins anew at its old port gets its response when the old session has stayed silent, not its messages.
#[test]
fn where_zeros_pass_a_newcomer_waits_for_the_old_session_to_prove_dead() {
    let mut puppet = Puppet::client(Config { protocol_version: 0, accept_zero_crc: true, ..udp_library() });
    puppet.wait(SECOND);
    let anew = request(3, 0xaaaa_aaaa, 512, b"");
    assert!(puppet.say(&anew).iter().all(|datagram| !datagram.starts_with(&[0, 2])), "no response yet");
    puppet.wait(4 * SECOND);
    assert_eq!(puppet.node.disconnected(), Some((EndedBy::Library, reason::NEW_CONNECTION_ATTEMPT)));
    assert!(puppet.say(&anew)[0].starts_with(&[0, 2]));
    puppet.say(&[&Wire::reliable(0, 0, b"hello")[..], &[0, 0]].concat());
    assert_eq!(puppet.node.messages_on(Channel::Reliable0), [b"hello"]);
}
