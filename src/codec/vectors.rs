//! What the emulators' own code made of packets: EverQuest's and Star Wars Galaxies' transforms. Deflated bytes depend on the zlib, so those are compared by inflating.

use super::*;
use crate::config::CompressionFlag;
use crate::wire::tests::hex;
use crate::{Key, Preset, cipher::Rc4};
use serde_json::Value;

fn rows(text: &str, field: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(text).unwrap();
    file[field].as_array().unwrap().clone()
}

fn everquest(field: &str) -> Vec<Value> {
    rows(include_str!("../../tests/data/vectors/eq_vectors.json"), field)
}

fn bytes(row: &Value, field: &str) -> Vec<u8> {
    hex(row[field].as_str().unwrap())
}

fn number(row: &Value, field: &str) -> u32 {
    row[field].as_u64().unwrap() as u32
}

fn sealed(codec: &mut Codec, sealing: &Sealing, packet: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    codec.seal(sealing, packet, &mut out);
    out
}

/// That `wire` opens to `packet`, and ours does. They are the same, but where either is deflated.
fn assert_wire(codec: &mut Codec, sealing: &Sealing, packet: &[u8], wire: &[u8]) {
    assert_eq!(codec.open(sealing, wire), Ok(packet), "{wire:02x?}");
    let ours = sealed(codec, sealing, packet);
    assert_eq!(codec.open(sealing, &ours), Ok(packet));
    let most = packet.len() + sealing.expansion() + sealing.crc_length();
    assert!(ours == wire || (ours.len().min(wire.len()) < most && ours.len().max(wire.len()) <= most), "{ours:02x?} {wire:02x?}");
}

#[test]
fn everquest_crcs_are_the_low_bytes_big_endian() {
    let mut codec = Codec::new(&Config::preset(Preset::EverQuest));
    let rows = everquest("crc");
    for row in &rows {
        let data = bytes(row, "data");
        for (length, field) in [(2, "trailer_crc2"), (4, "trailer_crc4")] {
            let sealing = Sealing::new(number(row, "key"), length, [Pass::None; 2]);
            assert_eq!(sealed(&mut codec, &sealing, &data), [data.clone(), bytes(row, field)].concat());
        }
    }
    assert_eq!(rows.len(), 98);
}

#[test]
fn everquest_xor_is_pass_4() {
    let mut codec = Codec::new(&Config::preset(Preset::EverQuest));
    let rows = everquest("xor");
    for row in &rows {
        let sealing = Sealing::new(number(row, "key"), 0, [Pass::Xor, Pass::None]);
        let (plain, encoded) = (bytes(row, "plain"), bytes(row, "encoded"));
        assert_eq!(sealed(&mut codec, &sealing, &plain), encoded);
        assert_eq!(codec.open(&sealing, &encoded), Ok(&plain[..]));
    }
    assert_eq!(rows.len(), 196);
}

#[test]
fn everquest_compresses_behind_5a_and_stores_behind_a5() {
    let mut codec = Codec::new(&Config::preset(Preset::EverQuest));
    let sealing = Sealing::new(0, 0, [Pass::Compress, Pass::None]);
    let rows = everquest("compress");
    for row in &rows {
        let (plain, encoded) = (bytes(row, "plain"), bytes(row, "encoded"));
        assert_wire(&mut codec, &sealing, &plain, &encoded);
        let flag = number(row, "skip") as usize;
        // Where its choice isn't a close call, ours is the same.
        if encoded.len().abs_diff(plain.len() + 1) > 8 || encoded[flag] == 0xA5 {
            assert_eq!(sealed(&mut codec, &sealing, &plain)[flag], encoded[flag]);
        }
    }
    assert_eq!(rows.len(), 48);
}

#[test]
fn everquest_datagrams_open_and_seal() {
    let mut codec = Codec::new(&Config::preset(Preset::EverQuest));
    let rows = everquest("full_send");
    for row in &rows {
        let passes = ["pass1", "pass2"].map(|field| Pass::try_from(number(row, field) as u8).unwrap());
        let sealing = Sealing::new(number(row, "key"), number(row, "crc_len") as u8, passes);
        assert_wire(&mut codec, &sealing, &bytes(row, "plain"), &bytes(row, "wire"));
    }
    assert_eq!(rows.len(), 144);
}

#[test]
fn star_wars_galaxies_datagrams_open_and_seal() {
    let rows = rows(include_str!("../../tests/data/vectors/swg_vectors.json"), "swg_send");
    for row in &rows {
        let threshold = if row["try_compress"].as_bool().unwrap() { 100 } else { u32::MAX };
        let mut codec = Codec::new(&Config { compression_threshold: threshold, ..Config::preset(Preset::StarWarsGalaxies) });
        let sealing = Sealing::new(number(row, "seed"), 2, [Pass::Compress, Pass::Xor]);
        let (plain, wire) = (bytes(row, "plain"), bytes(row, "wire"));
        assert_wire(&mut codec, &sealing, &plain, &wire);
        if number(row, "trailing_flag") == 0 {
            assert_eq!(sealed(&mut codec, &sealing, &plain), wire);
        }
    }
    assert_eq!(rows.len(), 108);
}

/// The title's configuration in UdpLibrary itself: zlib, flag last, then XOR. And the same with the flag first.
#[test]
fn recorded_datagrams_of_udp_library_open_and_seal_to_the_same_packets() {
    let mut datagrams = 0;
    for (text, compression_flag) in [
        (include_str!("../../tests/data/traces/udplibrary/05a_user_zlib_trailing.jsonl"), CompressionFlag::Trailing),
        (include_str!("../../tests/data/traces/udplibrary/05b_swg_zlib_xor.jsonl"), CompressionFlag::Trailing),
        (include_str!("../../tests/data/traces/udplibrary/05d_user_zlib_leading.jsonl"), CompressionFlag::LeadingEverQuest),
        (include_str!("../../tests/data/traces/udplibrary/16c_old_old_swg.jsonl"), CompressionFlag::Trailing),
        (include_str!("../../tests/data/traces/udplibrary/20_old_xorbuffer_negcode.jsonl"), CompressionFlag::Leading),
        (include_str!("../../tests/data/traces/udplibrary/20b_old_xor_negcode.jsonl"), CompressionFlag::Leading),
        (include_str!("../../tests/data/traces/udplibrary/04b_crc2_xorbuffer_large.jsonl"), CompressionFlag::Leading),
    ] {
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let wire = &lines[0]["wire"];
        let passes = [0, 1].map(|at| Pass::try_from(wire["passes"][at].as_u64().unwrap() as u8).unwrap());
        let seed = u32::from_str_radix(lines[0]["crc_seed"].as_str().unwrap(), 16).unwrap();
        let sealing = Sealing::new(seed, number(wire, "crc_length") as u8, passes);
        let config = Config { compression_flag, compression_threshold: 1, passes_cover_raw: true, ..Config::default() };
        let mut codec = Codec::new(&config);
        for line in &lines[1..] {
            let datagram = bytes(line, "hex");
            if matches!(datagram[..2], [0, 1 | 2]) {
                continue;
            }
            let packet = codec.open(&sealing, &datagram).unwrap_or_else(|why| panic!("{why:?}: {datagram:02x?}")).to_vec();
            assert!(wire::Reliable::read(&packet).is_some() || wire::read(&packet).is_ok(), "{packet:02x?}");
            assert_wire(&mut codec, &sealing, &packet, &datagram);
            datagrams += 1;
        }
    }
    assert!(datagrams > 100, "{datagrams}");
}

/// Keyed with eight bytes from the server to the client, with their complement the other way, the first 20 bytes of each key stream discarded.
#[test]
fn everquest_2_key_streams_are_the_known_ones() {
    let rows = rows(include_str!("../../tests/data/vectors/eq2_vectors.json"), "eq2_rc4");
    for row in &rows {
        let key = u64::from_str_radix(row["key_u64"].as_str().unwrap(), 16).unwrap();
        for (key, field) in [(key, "server_to_client_keystream"), (!key, "client_to_server_keystream")] {
            let expected = bytes(row, field);
            let mut stream = Rc4::new(&Key::new(&key.to_le_bytes()).unwrap());
            stream.skip(Config::preset(Preset::EverQuest2).cipher_drop);
            let mut made = vec![0; expected.len()];
            stream.apply(&mut made);
            assert_eq!(made, expected);
        }
    }
    assert_eq!(rows.len(), 3);
}
