//! Each model on its title's vectors: transforms and packets whose bytes somebody else's code made.

use crate::common::{hex, unhex};
use crate::inbox::Route;
use crate::model::{KEY_DROP, Model};
use crate::packets::Packet;
use crate::recordings::file;
use crate::sender::wrapped;
use crate::titles::{self, Cipher, Family, Groups, Title};
use crate::transforms::{Codec, Flag, Rc4, crc32, xor};
use serde_json::Value;
use std::sync::OnceLock;

fn json(name: &str) -> Value {
    serde_json::from_str(&file(&format!("vectors/{name}"))).expect("JSON")
}

fn rows<'a>(value: &'a Value, field: &str, count: usize) -> &'a [Value] {
    let rows = value[field].as_array().expect("rows");
    assert_eq!(rows.len(), count, "rows of {field}");
    rows
}

fn bytes(row: &Value, field: &str) -> Vec<u8> {
    unhex(row[field].as_str().unwrap_or_else(|| panic!("no {field} in {row}")))
}

fn number(row: &Value, field: &str) -> u32 {
    row[field].as_u64().unwrap_or_else(|| panic!("no {field} in {row}")) as u32
}

/// Where compression decides, how many bytes come of it is the sender's business, so those are compared by inflating; all others must be equal.
fn check_send(codec: &Codec, plain: &[u8], wire: &[u8]) {
    let opened = codec.open(wire).unwrap_or_else(|error| panic!("{error}: {wire:02x?}"));
    assert_eq!(hex(&opened.packet), hex(plain));
    let sealed = codec.seal(plain, 16_384);
    let ours = codec.open(&sealed).expect("our own");
    assert_eq!((hex(&ours.packet), ours.compressed), (hex(plain), opened.compressed), "whether {} bytes are compressed", plain.len());
    assert!(opened.compressed || sealed == wire, "{sealed:02x?} where {wire:02x?} was");
    if codec.crc > 0 {
        let mut spoilt = wire.to_vec();
        spoilt[plain.len().min(wire.len()) / 2] ^= 1;
        assert!(codec.open(&spoilt).is_err(), "nobody saw a flipped bit");
    }
}

#[test]
fn everquest_sends_what_its_servers_code_sends() {
    let all = json("eq_vectors.json");
    for row in rows(&all, "crc", 98) {
        let crc = crc32(number(row, "key"), &bytes(row, "data")).to_be_bytes();
        assert_eq!([&crc[..], &crc[2..]].map(hex), [bytes(row, "crc32"), bytes(row, "trailer_crc2")].map(|wanted| hex(&wanted)));
    }
    for row in rows(&all, "xor", 196) {
        let (plain, encoded) = (bytes(row, "plain"), bytes(row, "encoded"));
        let (key, skip) = (number(row, "key"), number(row, "skip") as usize);
        assert_eq!(hex(&xor(key, &plain[skip..], false)), hex(&encoded[skip..]));
        assert_eq!(hex(&xor(key, &encoded[skip..], true)), hex(&plain[skip..]));
    }
    let codec = |passes, crc, seed| Codec { passes, crc, ..titles::EVERQUEST_ZONE.codec(seed) };
    for row in rows(&all, "compress", 48) {
        check_send(&codec([1, 0], 0, 0), &bytes(row, "plain"), &bytes(row, "encoded"));
    }
    for row in rows(&all, "full_send", 144) {
        let passes = [number(row, "pass1") as u8, number(row, "pass2") as u8];
        check_send(&codec(passes, number(row, "crc_len") as usize, number(row, "key")), &bytes(row, "plain"), &bytes(row, "wire"));
    }
}

#[test]
fn star_wars_galaxies_sends_what_its_servers_code_sends() {
    let all = json("swg_vectors.json");
    let (mut compressed, mut told) = (0, [0, 0]);
    for row in rows(&all, "swg_send", 108) {
        let mut codec = titles::STAR_WARS_GALAXIES.codec(number(row, "seed"));
        if row["try_compress"] == false {
            codec.zlib.from = usize::MAX;
        }
        let (plain, wire) = (bytes(row, "plain"), bytes(row, "wire"));
        check_send(&codec, &plain, &wire);
        compressed += u32::from(codec.open(&wire).expect("a row").compressed);
        let differs = |codec: &Codec| u32::from(codec.open(&wire).map_or(true, |opened| opened.packet != plain));
        (codec.passes, codec.zlib.flag) = ([4, 1], Flag::Trailing);
        told[0] += differs(&codec);
        (codec.passes, codec.zlib.flag) = ([1, 4], Flag::Leading);
        told[1] += differs(&codec);
    }
    // With a seed of 0 and little data both passes leave things as they were.
    assert!(told[0] > 70 && told[1] == 108, "{told:?} rows tell the order of the passes, and the place of the flag");
    assert!(compressed > 10, "{compressed} of them are compressed");
}

#[test]
fn everquest_2_ciphers_with_the_streams_of_its_server() {
    for row in rows(&json("eq2_vectors.json"), "eq2_rc4", 3) {
        let key = u64::from_str_radix(row["key_u64"].as_str().expect("a key"), 16).expect("hexadecimal");
        for (key, field) in [(!key, "client_to_server_keystream"), (key, "server_to_client_keystream")] {
            let stream = |drop| {
                let mut stream = vec![0; 32];
                Rc4::new(&key.to_le_bytes(), drop).apply(&mut stream);
                hex(&stream)
            };
            assert_eq!(stream(KEY_DROP), row[field].as_str().expect("a stream"));
            assert_ne!(stream(0), row[field].as_str().expect("a stream"), "what is dropped says nothing");
        }
    }
}

#[test]
fn h1z1_ciphers_sums_and_writes_as_its_servers_core() {
    let all = json("h1emu_vectors.json");
    for row in rows(&all, "rc4", 3) {
        let mut stream = Rc4::new(&bytes(row, "key"), 0);
        for step in rows(row, "continuous_steps", 6) {
            let mut data = bytes(step, "plain");
            stream.apply(&mut data);
            assert_eq!(hex(&data), hex(&bytes(step, "cipher")));
        }
    }
    for row in rows(&all, "zero_prefix", 3) {
        let mut data = bytes(row, "plain");
        Rc4::new(&bytes(row, "key"), 0).apply(&mut data);
        assert_eq!(hex(&data), hex(&bytes(row, "cipher")));
        assert_eq!(hex(&wrapped(&titles::H1Z1_LOGIN, data.clone(), true)), hex(&bytes(row, "wire_payload")));
        assert_eq!(wrapped(&titles::H1Z1_GATEWAY, data.clone(), false), data, "plain data gets no 00");
        assert_ne!(wrapped(&titles::LANDMARK_GATEWAY, data.clone(), false), data, "but Landmark's does");
    }
    for row in rows(&all, "crc", 20) {
        assert_eq!(hex(&crc32(number(row, "seed"), &bytes(row, "data")).to_be_bytes()), hex(&bytes(row, "crc32")));
    }
    let (id, name) = (0x3c17_8c63, Some(b"LoginUdp_9".to_vec()));
    let ack_and_data = vec![unhex("00150001"), unhex("000900000102")];
    let packets = [
        (
            "session_reply(id=0x3c178c63,seed=77,crc=2,method=0,udp=512)",
            Packet::Confirm { id, seed: 77, crc: 2, passes: [0, 0], udp_length: 512, version: Some(3) },
        ),
        ("session_request(id=0x3c178c63,ver=3,udp=512,LoginUdp_9)", Packet::Connect { version: 3, id, udp_length: 512, name }),
        ("ack(0x1234)", Packet::AckAll { channel: 0, stamp: 0x1234 }),
        ("out_of_order(0x1234)", Packet::Ack { channel: 0, stamp: 0x1234 }),
        ("data(seq=0xfffe,010203)", Packet::Reliable { channel: 0, stamp: 0xfffe, payload: vec![1, 2, 3] }),
        ("fragment(seq=0xffff,len 9,010203)", Packet::Fragment { channel: 0, stamp: 0xffff, chunk: vec![0, 0, 0, 9, 1, 2, 3] }),
        ("ordered(0x1b,1,010203)", Packet::Ordered { second: true, stamp: 1, data: vec![1, 2, 3] }),
        ("multi([00150001],[000900000102])", Packet::Multi(ack_and_data)),
    ];
    assert_eq!(all["pack"].as_object().expect("packets").len(), packets.len());
    for (name, packet) in packets {
        assert_eq!(hex(&packet.write(255)), all["pack"][name].as_str().expect("bytes"), "{name}");
        assert_eq!(Packet::read(&packet.write(255)).as_ref(), Ok(&packet), "{name}");
    }
}

/// UdpLibrary's own (udplibrary.md 13), for the titles that nobody made vectors for: Free Realms and PlanetSide.
#[test]
fn udp_librarys_answers_are_known() {
    let packet = [&[1][..], b"hello"].concat();
    assert_eq!([&[0, 6][..], &packet].map(|packet| crc32(0x1234_5678, packet)), [0x6868_a9b9, 0xcdf4_c7b8]);
    let region: Vec<u8> = (1..=11).collect();
    assert_eq!(hex(&xor(0x1234_5678, &region, false)), "795437167c52301e757677");
    let free_realms = titles::FREE_REALMS_GATEWAY.codec(5);
    assert_eq!(hex(&free_realms.seal(&[0, 6], 512)[..3]), "000600", "the pass covers a KeepAlive, too (dialects.md 2.5)");
    for (body, mark) in [(23, 0), (24, 1)] {
        let sealed = free_realms.seal(&[&[0, 9][..], &vec![7; body]].concat(), 512);
        assert_eq!(sealed[2], mark, "a body of {body} bytes");
    }
    let group = unhex("0019060148656c6c6f0402616263");
    assert_eq!(Packet::read(&group), Ok(Packet::Group(vec![unhex("0148656c6c6f"), unhex("02616263")])));
    assert!(Packet::read(&group[..group.len() - 1]).is_err(), "a group that is cut short");
    let lengths = [(253, "fd"), (254, "ff00fe"), (255, "ff00ff"), (65_534, "fffffe"), (65_535, "ffffff0000ffff")];
    lengths.into_iter().for_each(|(len, wanted)| assert_eq!(hex(&crate::packets::varlen(len, 254)), wanted));
    for title in [titles::PLANETSIDE, titles::STAR_WARS_GALAXIES, titles::EVERQUEST_2] {
        assert!(title.server_groups.takes(253) && !title.server_groups.takes(255), "{:?}", title.game);
    }
}

/// PlanetSide 2's own frames, as soe-protocol makes them: with CRCs of 0 to 4 bytes, with and without the flag, with and without RC4, for a UDP length of 64.
#[test]
fn planetside_2_sends_what_its_reference_library_sends() {
    let text = file("vectors/client_frames.jsonl");
    let all: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(all.len(), 20);
    static KEY: OnceLock<Vec<u8>> = OnceLock::new();
    for row in &all {
        let key = row["rc4_key_hex"].as_str().map(|key| (unhex(key), KEY.get_or_init(|| unhex(key))));
        assert!(key.as_ref().is_none_or(|(key, known)| key == *known), "one key for all");
        let title = Title {
            name: Some("SoePingPong"),
            udp_length: 64,
            crc: number(row, "crc_length") as usize,
            passes: [u8::from(row["compression"] == true), 0],
            cipher: key.map_or(Cipher::None, |(_, key)| Cipher::FromStart(key)),
            // soe-protocol bundles nothing, and says its length where the title says 512.
            client_groups: Groups::None,
            raw: true,
            ..titles::PLANETSIDE_2_LOGIN
        };
        assert_eq!(hex(&sent(&title, row)), hex(&wanted(row)), "{row}");
        if title.crc > 0 {
            let mut damaged = row.clone();
            damaged["session_response"] = row["session_response"].as_str().expect("bytes").replace("12345678", "12345679").into();
            assert_ne!(sent(&title, &damaged), wanted(row), "the seed says nothing");
        }
        // Were everything escaped, the frame of zeros would be longer; ciphered, it is not zeros.
        let escaped = Title { family: Family::UdpLibrary, ..title.clone() };
        assert_eq!(sent(&escaped, row) == wanted(row), title.cipher != Cipher::None);
    }
}

/// A raw packet has no flag there, where UdpLibrary's passes cover it (README.md, "Traps"), and PlanetSide 2 sends none: they are left out where there is a flag.
fn has_raw(row: &Value) -> bool {
    row["compression"] == false
}

fn wanted(row: &Value) -> Vec<u8> {
    let all = row["datagrams"].as_array().expect("datagrams").iter().map(|datagram| unhex(datagram.as_str().expect("bytes")));
    let mut frames: Vec<Vec<u8>> = all.skip(if has_raw(row) { 0 } else { 2 }).collect();
    frames.sort();
    frames.concat()
}

/// The same in the same order, whatever the channels' turn was.
fn sent(title: &Title, row: &Value) -> Vec<u8> {
    let mut model = Model::client(title, 0xd498_f9f4, 0);
    assert_eq!(model.turn(0).iter().map(|request| hex(request)).collect::<Vec<_>>(), [row["session_request"].as_str().expect("bytes")]);
    model.feed(1, &bytes(row, "session_response"));
    for payload in row["payloads"].as_array().expect("payloads") {
        let route = payload["ch"].as_u64().map_or(Route::Raw, |channel| Route::Reliable(channel as usize));
        if has_raw(row) || route != Route::Raw {
            model.send(route, &bytes(payload, "hex"));
        }
    }
    let mut frames = model.turn(2);
    model.disconnect();
    frames.extend(model.turn(3));
    frames.sort();
    frames.concat()
}
