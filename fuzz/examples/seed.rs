//! Writes fuzz/seeds: the recorded traffic in tests/data, and a few inputs by hand, in the form that each target reads.
//!   cargo run --release --no-default-features --example seed

use serde_json::Value;
use soe::ffi::*;
use soe_fuzz::calls::{self, Call};
use soe_fuzz::dialect::{CLIENT, Head};
use soe_fuzz::input::{MARK, step_byte};
use soe_fuzz::peer::{self, Deed};
use soe_fuzz::structs;
use soe_fuzz::wire::Wire;
use std::fs;
use std::path::{Path, PathBuf};

/// Longer recordings are cut: what comes later is more of the same.
const MOST_BYTES: usize = 1500;
/// The passes and the CRC of the title.
const TITLES: u8 = 0xFF;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let seeds = root.join("seeds");
    let write = |target: &str, name: &str, bytes: Vec<u8>| {
        let folder = seeds.join(target);
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join(name), bytes).expect("a seed");
    };
    for path in recordings(&root.join("../tests/data/traces")) {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let recording = Recording::load(&path);
        write("stranger", &name, recording.stranger());
        if let Some(seed) = recording.peer(true) {
            write("peer", &format!("{name}.up"), seed);
        }
        if let Some(seed) = recording.peer(false) {
            write("peer", &format!("{name}.down"), seed);
        }
    }
    for title in 0..9 {
        for client in [0, CLIENT] {
            let side = if client == 0 { "server" } else { "client" };
            for (number, seed) in conversations(title | client).into_iter().enumerate() {
                write("peer", &format!("title{title}.{side}.{number}"), seed);
            }
        }
        write("calls", &format!("title{title}"), session_of_calls(title));
        write("config", &format!("title{title}"), vec![title, 0, title]);
    }
    config_seeds().into_iter().for_each(|(name, seed)| write("config", &name, seed));
    struct_seeds().into_iter().for_each(|(name, seed)| write("structs", &name, seed));
}

fn recordings(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in fs::read_dir(folder).expect("recordings") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(recordings(&path));
        } else if path.extension().is_some_and(|extension| extension == "jsonl") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex digits")).collect()
}

/// A record of the targets whose records end with a mark.
fn record(bytes: &mut Vec<u8>, how: u8, waited_us: u64, payload: &[u8]) {
    bytes.extend_from_slice(&[how, step_byte(waited_us)]);
    bytes.extend_from_slice(payload);
    bytes.extend_from_slice(&MARK);
}

struct Entry {
    up: bool,
    at: u64,
    bytes: Vec<u8>,
}

/// A recorded session.
struct Recording {
    entries: Vec<Entry>,
    /// As the SessionResponse in it says.
    wire: Option<Wire>,
    title: u8,
}

impl Recording {
    fn load(path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("a recording");
        let mut lines = text.lines().filter(|line| !line.trim().is_empty()).map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let header = lines.next().expect("a header");
        let entries: Vec<_> = lines
            .map(|line| Entry {
                up: line["dir"] == "c2s",
                at: line["t_us"].as_u64().expect("a time"),
                bytes: unhex(line["as"].as_str().or(line["hex"].as_str()).expect("bytes")),
            })
            .collect();
        let old = path.iter().any(|part| part == "udplibrary");
        let compression_flag = match header["wire"]["flag"].as_str() {
            Some("trailing 01/00") => 2,
            Some("leading 5a/a5") => 1,
            _ => 0,
        };
        let title = match (old, compression_flag) {
            (true, 2) => soe_preset::SOE_PRESET_STAR_WARS_GALAXIES,
            (true, 1) => soe_preset::SOE_PRESET_EVERQUEST,
            (true, _) => soe_preset::SOE_PRESET_PLANETSIDE,
            (false, _) => soe_preset::SOE_PRESET_DEFAULT,
        };
        let dialect = Wire { compression_flag, covers_raw: old, ..Wire::default() };
        let granted = entries.iter().find_map(|entry| {
            let id = entry.bytes.strip_prefix(&[0, 2])?.first_chunk()?;
            soe_fuzz::wire::granted(&entry.bytes, u32::from_be_bytes(*id), &dialect)
        });
        Recording { entries, wire: granted, title: title as u8 }
    }

    /// What the client said, to a server that sees it for the first time.
    fn stranger(&self) -> Vec<u8> {
        let mut seed = Head { title: self.title, passes: TITLES, crc_length: TITLES, ..Head::default() }.bytes().to_vec();
        let mut before = 0;
        for entry in self.entries.iter().filter(|entry| entry.up).take(12) {
            record(&mut seed, 0, entry.at.saturating_sub(before), &entry.bytes);
            before = entry.at;
            if seed.len() > MOST_BYTES / 2 {
                break;
            }
        }
        seed
    }

    /// What one side said in the session, to the other; the other says something from time to time, so that there is something to acknowledge.
    fn peer(&self, up: bool) -> Option<Vec<u8>> {
        let wire = self.wire?;
        let title = self.title | if up { 0 } else { CLIENT };
        let passes = wire.passes[0] + 5 * wire.passes[1];
        let mut seed = Head { title, passes, crc_length: wire.crc_length, ..Head::default() }.bytes().to_vec();
        let mut before = None;
        for entry in self.entries.iter().filter(|entry| entry.up == up) {
            if seed.len() > MOST_BYTES {
                break;
            }
            let waited = entry.at - before.unwrap_or(entry.at);
            match entry.bytes[..] {
                [0, 1 | 2, ..] => continue,
                [0, 0x1C..=0x1E, ..] => record(&mut seed, Deed::Bare as u8, waited, &entry.bytes),
                _ => match wire.open(&entry.bytes) {
                    Some(packet) if packet.starts_with(&[0, 5]) => record(&mut seed, Deed::Leave as u8, waited, &packet[6..]),
                    Some(packet) => {
                        // Where it was recorded deflated, it is deflated again.
                        let deflated = wire.seal(&packet, false) != entry.bytes;
                        record(&mut seed, Deed::Packet as u8 | if deflated { peer::DEFLATE } else { 0 }, waited, &packet);
                    }
                    None => record(&mut seed, Deed::Bare as u8, waited, &entry.bytes),
                },
            }
            if before.is_none() {
                record(&mut seed, Deed::Send as u8, 0, &[0, 2, b'h', b'i']);
            }
            before = Some(entry.at);
        }
        before.map(|_| seed)
    }
}

/// Each deed once, with those that it goes together with: a few conversations, each of which is short.
fn conversations(title: u8) -> Vec<Vec<u8>> {
    const TICK: u64 = 20_000;
    let head = Head { title, passes: TITLES, crc_length: TITLES, ..Head::default() }.bytes();
    let talk = |deeds: &[(Deed, u64, &[u8])]| {
        let mut seed = head.to_vec();
        deeds.iter().for_each(|(deed, waited, payload)| record(&mut seed, *deed as u8, *waited, payload));
        seed
    };
    let mut netstatus = [vec![0, 7, 0, 9], vec![1; 36]].concat();
    let question = netstatus.clone();
    netstatus[1] = 8;
    let channel = title % 4;
    let (data, fragment, early, all) = (0x09 + channel, 0x0D + channel, channel, 4 + channel);
    vec![
        talk(&[
            (Deed::Send, 0, &[channel, 5, b'g', b'o', b'o', b'd']),
            (Deed::SendLong, TICK, &[channel, 0, 8, 0]),
            (Deed::Acknowledge, TICK, &[early, 1]),
            (Deed::Acknowledge, TICK, &[all, 2]),
            (Deed::Acknowledge, TICK, &[all, 0]),
            (Deed::Sleep, 0, &[4]),
        ]),
        // More than the queue takes, until there is room again; then what looks like a bundle and is none.
        talk(&[
            (Deed::SendLong, TICK, &[channel, 3, 0xFF, 0xFF]),
            (Deed::SendLong, TICK, &[channel, 3, 0xFF, 0xFF]),
            (Deed::SendLong, TICK, &[channel, 3, 0xFF, 0xFF]),
            (Deed::Acknowledge, TICK, &[all, 0]),
            (Deed::Acknowledge, TICK, &[all, 0]),
            (Deed::Send, TICK, &[channel, 0, 0, 0x19, 1, b'a']),
            (Deed::Send, TICK, &[5, 0, 0, 0x19, 1, b'a']),
            (Deed::Send, TICK, &[4, 0, 0, 0x19, 1, b'a']),
        ]),
        talk(&[
            (Deed::Next, TICK, &[0, data, 0, 0, b'd', b'a', b'y']),
            (Deed::Next, 0, &[0, data, 0, 0, 0, 0x19, 1, b'a', 2, b'b', b'c', 0xFF, 0, 3, b'd', b'e', b'f']),
            // A message of eight bytes in three pieces, the second of which comes last.
            (Deed::Next, 0, &[0, fragment, 0, 0, 0, 0, 0, 8, b'a', b'b', b'c']),
            (Deed::Next, TICK, &[0, fragment, 0, 1, b'g', b'h']),
            (Deed::Next, TICK, &[0, fragment, 0, 0, b'd', b'e', b'f']),
            (Deed::Many, TICK, &[6, 0, data, 0, 0, b'm', b'o', b'r', b'e']),
            (Deed::Many, TICK, &[3, 0, fragment, 0, 0, 0, 0, 0, 9]),
        ]),
        talk(&[
            (Deed::Send, TICK, &[4, 1, b'n', b'o', b'w']),
            (Deed::Send, TICK, &[5, 1, b'n', b'o', b'w']),
            (Deed::Send, TICK, &[6, 1, b'n', b'o', b'w']),
            (Deed::Next, TICK, &[0, 0x1A, 0, 0, b'l', b'a', b't', b'e']),
            (Deed::Next, TICK, &[0, 0x1B, 0, 0, b'l', b'a', b't', b'e']),
            (Deed::Packet, TICK, b"raw"),
            (Deed::Packet, TICK, &[0, 0, 0x0B]),
        ]),
        talk(&[
            (Deed::Packet, TICK, &[0, 6]),
            (Deed::Multi, TICK, &[0, 6]),
            (Deed::Packet, TICK, &[0, 3, 2, 0, 6, 4, 0, 0x15, 0, 1, 5, b'h', b'e', b'l', b'l', b'o']),
            (Deed::Packet, TICK, &question),
            (Deed::Packet, TICK, &netstatus),
            (Deed::Look, TICK, &[2, 0, 9]),
        ]),
        talk(&[
            (Deed::Cipher, 0, &[3, 0, 4, b'k', b'e', b'y']),
            (Deed::Send, TICK, &[channel, 1, b'x', b'y', b'z']),
            (Deed::Next, TICK, &[0, data, 0, 0, b'd', b'a', b'y']),
            (Deed::Remap, TICK, &[0]),
            (Deed::Bare, TICK, &[0, 0x1D]),
            (Deed::Sleep, TICK, &[9]),
        ]),
        talk(&[
            (Deed::Ask, TICK, &[0, 3]),
            (Deed::Ask, TICK, &[1, 3]),
            (Deed::End, TICK, &[1, 0, 6]),
            (Deed::Sleep, TICK, &[9]),
            (Deed::Send, TICK, &[channel, 1, b'x', b'y', b'z']),
            (Deed::Leave, TICK, &[0, 6]),
        ]),
    ]
}

/// A client, the second, and a server: messages there and back, and an end.
fn session_of_calls(title: u8) -> Vec<u8> {
    let head = Head { title, flags: title & 7, passes: TITLES, crc_length: TITLES };
    let mut seed = [head.bytes(), head.bytes()].concat();
    let (first, second) = (0, calls::SECOND);
    let mut call = |side: u8, call: Call, arguments: &[u8]| {
        seed.push(call as u8 | side);
        seed.extend_from_slice(arguments);
    };
    call(second, Call::Connect, &[0, 0x14, b'n', b'a', b'm', b'e', 7]);
    call(first, Call::Loop, &[4]);
    for channel in 0..7 {
        call(second, Call::Send, &[0, channel, 0xF0, 3, 0, b'a']);
        call(first, Call::Send, &[0, channel, 9, b'b']);
    }
    call(first, Call::DrainOutgoing, &[200]);
    call(second, Call::DrainOutgoingInto, &[0xF0, 8, 0, 9]);
    call(first, Call::Road, &[5, 9]);
    call(first, Call::Time, &[0, step_byte(20_000)]);
    call(first, Call::Tick, &[]);
    call(second, Call::DrainEvents, &[9]);
    call(second, Call::SendLent, &[0, 0, 1]);
    call(first, Call::Deadline, &[]);
    call(first, Call::SetCipher, &[0, 3, 4, 3, b'k', b'e', b'y']);
    call(first, Call::SetUserData, &[0, 1, 2, 3, 4]);
    call(first, Call::Loop, &[3]);
    call(first, Call::GetInfo, &[0]);
    call(first, Call::GetStats, &[0]);
    call(first, Call::MuxStats, &[]);
    call(first, Call::Find, &[0]);
    call(first, Call::Pointers, &[4, 0]);
    call(first, Call::Library, &[0, 0, 0, 0]);
    call(first, Call::FeedBatch, &[2, 0, 3, 9, 0, 1, 0, 0, 0, 3, 0, 3, 0xC1, 0, 2, 0, 6]);
    call(first, Call::Accept, &[0, 0x12, 1, 2, 0, 1, 2]);
    call(second, Call::Disconnect, &[0, 1, 0, 6]);
    call(first, Call::Loop, &[5]);
    call(first, Call::Time, &[6, 0]);
    call(first, Call::Feed, &[0, 2, 0, 6]);
    call(first, Call::Anew, &[]);
    seed
}

/// All members, eight at a time, at 1.
fn config_seeds() -> Vec<(String, Vec<u8>)> {
    let words: Vec<u8> = (1..size_of::<soe_config>() as u32 / 4).map(|word| word as u8).collect();
    let seed = |members: &[u8]| {
        let values = members.iter().flat_map(|member| [*member, 1]);
        ([0, members.len() as u8].into_iter().chain(values).collect(), members[0])
    };
    words.chunks(8).map(seed).map(|(seed, first)| (format!("members{first}"), seed)).collect()
}

fn struct_seeds() -> Vec<(String, Vec<u8>)> {
    use structs::Call::*;
    let calls = [
        (ConfigInit, size_of::<soe_config>()),
        (ConnectOptionsInit, size_of::<soe_connect_options>()),
        (AcceptOptionsInit, size_of::<soe_accept_options>()),
        (Create, size_of::<soe_config>()),
        (Connect, size_of::<soe_connect_options>()),
        (Accept, size_of::<soe_accept_options>()),
        (SetCipher, size_of::<soe_cipher>()),
        (GetInfo, size_of::<soe_session_info>()),
        (GetStats, size_of::<soe_stats>()),
        (MuxStats, size_of::<soe_stats>()),
    ];
    let mut seeds = vec![];
    for (call, whole) in calls {
        let mut seed = vec![];
        for size in [7, 8, whole / 2, whole - 1, whole, whole + 4, 4096, 4097] {
            seed.extend_from_slice(&[call as u8, structs::DEFAULTS | structs::PATCHES]);
            seed.extend_from_slice(&(size as u16).to_be_bytes());
            seed.push(0);
        }
        seeds.push((format!("{call:?}"), seed));
    }
    // A name and two keys.
    let pointing = |call: structs::Call, size: usize, patches: &[(u8, u32)]| {
        let mut seed = vec![call as u8, structs::DEFAULTS | structs::PATCHES];
        seed.extend_from_slice(&(size as u16).to_be_bytes());
        seed.push(patches.len() as u8);
        patches.iter().for_each(|(word, value)| {
            seed.push(*word);
            seed.extend_from_slice(&value.to_be_bytes());
        });
        seed
    };
    seeds.push(("create.named".to_owned(), pointing(Create, size_of::<soe_config>(), &[(2, 1), (4, 5), (5, 16), (6, 1)])));
    seeds.push(("connect.named".to_owned(), pointing(Connect, size_of::<soe_connect_options>(), &[(2, 1), (4, 5)])));
    seeds.push(("cipher.keyed".to_owned(), pointing(SetCipher, size_of::<soe_cipher>(), &[(1, 3), (2, 1), (4, 16), (6, 1)])));
    seeds.push(("accept.keyed".to_owned(), pointing(Accept, size_of::<soe_accept_options>(), &[(7, 16), (8, 1)])));
    seeds
}
