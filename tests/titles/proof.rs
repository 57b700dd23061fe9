//! Each model on its title's recordings: every datagram understood and made again, every message delivered. What UdpLibrary recorded stands for the titles that
//! are UdpLibrary with these parameters; what soe-protocol and the Zig library recorded, for those of version 3.

use crate::recordings::{Recording, Tally};
use crate::titles::{self, Family, Groups, Title};
use crate::transforms::Flag;

/// All of them, or the reason why not.
fn prove(title: &Title, names: &[&str]) -> Tally {
    let mut all = Tally::default();
    for name in names {
        let recording = Recording::load(name);
        let one = recording.prove(title).unwrap_or_else(|error| panic!("{:?} {}: {name}: {error}", title.game, title.server));
        assert!(one.datagrams > 0, "{name} is empty");
        all.datagrams += one.datagrams;
        all.compressed += one.compressed;
        all.containers += one.containers;
        all.messages += one.messages;
        all.refused += one.refused;
        // The first datagram behind the handshake has a CRC: nothing in it may change, neither its type nor its fields.
        if title.crc > 0 {
            for byte in [1, 3] {
                let mut spoilt = Recording::load(name);
                spoilt.flip_a_bit(2, byte);
                assert!(spoilt.prove(title).is_err(), "{name}: nobody saw a flipped bit");
            }
        }
    }
    all
}

/// With a row that is wrong in one place the same recording must not go through: it would prove nothing otherwise.
fn refute(title: &Title, name: &str) {
    assert!(Recording::load(name).prove(title).is_err(), "{name} says nothing about {title:?}");
}

/// UdpLibrary with a CRC of two bytes and no passes, as EverQuest's login and world servers have it.
const PLAIN: [&str; 12] = [
    "udplibrary/01_plain_crc2",
    "udplibrary/02_large_20k",
    "udplibrary/06_unreliable_ordered",
    "udplibrary/06b_unreliable_ordered_oldlib",
    "udplibrary/07_multi_channels",
    "udplibrary/08_drop10",
    "udplibrary/08c_drop10_oldlib",
    "udplibrary/09a_disconnect_client",
    "udplibrary/09b_disconnect_server",
    "udplibrary/09d_refused",
    "udplibrary/11_lost_confirm",
    "udplibrary/15_bad_crc",
];

/// Every recording of version 3 without passes and with one channel.
const VERSION_3: [&str; 8] = [
    "soe-protocol/soe_handshake_small",
    "soe-protocol/soe_fragmented_20k",
    "soe-protocol/soe_heartbeat",
    "soe-protocol/soe_loss10",
    "soe-protocol/soe_rc4",
    "soe-protocol/soe_server_disconnect",
    "zig/zig_client_rc4",
    "zig/zig_server_small",
];

#[test]
fn everquest_understands_every_session_without_passes() {
    // The recorded groups are UdpLibrary's; EverQuest only reads groups (dialects.md 3).
    let title = Title { client_groups: Groups::Any(254), ..titles::EVERQUEST };
    let tally = prove(&title, &PLAIN);
    assert!(tally.messages > 250 && tally.containers > 50 && tally.refused == 1, "{tally:?}");
    refute(&Title { family: Family::Version3, ..title.clone() }, PLAIN[0]);
    refute(&Title { crc: 4, ..title.clone() }, PLAIN[0]);
    refute(&Title { client_groups: Groups::Any(100), ..title }, PLAIN[0]);
}

#[test]
fn everquests_zone_and_everquest_2_understand_the_leading_flag_of_their_own() {
    for row in [titles::EVERQUEST_ZONE, titles::EVERQUEST_2] {
        let title = Title { client_groups: Groups::Any(254), ..row };
        let tally = prove(&title, &["udplibrary/05d_user_zlib_leading"]);
        assert!(tally.messages == 10 && tally.compressed > 0, "{tally:?}");
        let mut wrong = title.clone();
        wrong.zlib.flag = Flag::Leading;
        refute(&wrong, "udplibrary/05d_user_zlib_leading");
        wrong.zlib.flag = Flag::Trailing;
        refute(&wrong, "udplibrary/05d_user_zlib_leading");
    }
}

#[test]
fn everquests_old_chat_understands_xor() {
    let title = Title { client_groups: Groups::Any(254), ..titles::EVERQUEST_OLD_CHAT };
    let tally = prove(&title, &["udplibrary/16_client_new_server_old"]);
    assert!(tally.messages == 10 && tally.containers > 0, "{tally:?}");
    refute(&Title { passes: [0, 0], ..title }, "udplibrary/16_client_new_server_old");
}

#[test]
fn star_wars_galaxies_understands_its_own_configuration_of_both_libraries() {
    // UdpLibrary's groups, before somebody found out about the long lengths.
    let title = Title { client_groups: Groups::Any(254), ..titles::STAR_WARS_GALAXIES };
    let names = ["udplibrary/05b_swg_zlib_xor", "udplibrary/16c_old_old_swg"];
    let tally = prove(&title, &names);
    assert!(tally.messages == 20 && tally.compressed > 0 && tally.containers > 0, "{tally:?}");
    for name in names {
        let mut wrong = title.clone();
        wrong.zlib.flag = Flag::Leading;
        refute(&wrong, name);
        refute(&Title { passes: [4, 1], ..title.clone() }, name);
        refute(&Title { family: Family::Version3, ..title.clone() }, name);
    }
}

#[test]
fn planetside_understands_a_session_without_crc() {
    let title = Title { client_groups: Groups::Any(254), ..titles::PLANETSIDE };
    let tally = prove(&title, &["udplibrary/01_plain_crc0"]);
    assert!(tally.messages == 10 && tally.containers > 0, "{tally:?}");
    refute(&Title { crc: 2, ..title.clone() }, "udplibrary/01_plain_crc0");
    refute(&Title { family: Family::Version3, ..title }, "udplibrary/01_plain_crc0");
}

#[test]
fn free_realms_landmark_and_planetside_2_understand_the_leading_flag() {
    for row in [
        titles::FREE_REALMS_LOGIN,
        titles::FREE_REALMS_GATEWAY,
        titles::LANDMARK_LOGIN,
        titles::PLANETSIDE_2_LOGIN,
        titles::PLANETSIDE_2_GATEWAY,
    ] {
        // The recorded side escapes nothing on reliable channels, unlike the first two; the next test has that.
        let title = Title { family: Family::Version3, ..row };
        let tally = prove(&title, &["soe-protocol/soe_compression_flag"]);
        assert_eq!((tally.messages, tally.compressed), (4, 0));
        let mut wrong = title.clone();
        wrong.zlib.flag = Flag::LeadingEverQuest;
        refute(&wrong, "soe-protocol/soe_compression_flag");
        refute(&Title { passes: [0, 0], ..title.clone() }, "soe-protocol/soe_compression_flag");
        refute(&Title { name: None, ..title }, "soe-protocol/soe_compression_flag");
    }
}

#[test]
fn free_realms_and_landmark_take_off_the_zero_of_reliable_data() {
    // Recorded by UdpLibrary: no name, and no passes.
    for row in [titles::FREE_REALMS_LOGIN, titles::FREE_REALMS_GATEWAY, titles::LANDMARK_LOGIN, titles::LANDMARK_GATEWAY] {
        let title = Title { name: None, passes: [0, 0], client_groups: Groups::Any(254), ..row };
        let tally = prove(&title, &["udplibrary/01_plain_crc2", "udplibrary/07_multi_channels"]);
        assert_eq!(tally.messages, 60, "{tally:?}");
        refute(&Title { family: Family::Version3, ..title }, "udplibrary/01_plain_crc2");
    }
}

#[test]
fn h1z1_and_landmarks_gateway_understand_every_session_of_version_3_without_passes() {
    for title in [titles::H1Z1_LOGIN, titles::H1Z1_GATEWAY, titles::LANDMARK_GATEWAY] {
        let tally = prove(&title, &VERSION_3);
        assert!(tally.messages > 60, "{tally:?}");
        refute(&Title { family: Family::Version3, strip: crate::titles::Strip::Single, crc: 1, ..title.clone() }, VERSION_3[0]);
        refute(&Title { passes: [1, 0], ..title }, VERSION_3[0]);
    }
}

#[test]
fn planetside_2_understands_its_reference_libraries_without_compression() {
    // Compression is for the server to turn on (dialects.md 2.7); most recordings are without.
    let title = Title { passes: [0, 0], ..titles::PLANETSIDE_2_LOGIN };
    prove(&title, &VERSION_3);
    let more = [
        "zig/zig_client_small_bundles",
        "zig/zig_client_many_bundles",
        "soe-protocol/soe_channels_0_3",
        "soe-protocol/soe_channels_0_3_rc4",
    ];
    let tally = prove(&title, &more);
    assert!(tally.messages > 50 && tally.containers > 0, "{tally:?}");
    // Each channel has a key stream of its own there.
    refute(&Title { cipher_shared: true, ..title }, "soe-protocol/soe_channels_0_3_rc4");
}
