//! Each single bit flip and each truncation of recorded datagrams, at a server and at a client with an open session of the same parameters: what damage on the way
//! makes of a true datagram.

use crate::common::*;
use crate::live::{Live, Setup, Tally};
use crate::recording::{Recording, folder};
use serde_json::Value;
use soe::{Config, CrcSeed, Key, Pass};
use std::collections::HashSet;
use std::path::Path;

/// Unoptimized, each datagram costs a hundred times as much: then only every so many-th is damaged.
const EVERY: usize = if cfg!(debug_assertions) { 8 } else { 1 };

/// Datagrams of one recording that are damaged, spread over it: only those of a wrap around 65,536 have more.
const MOST: usize = 400;

/// A recorded session: its settings, and what went each way.
struct Session {
    setup: Setup,
    crc_seed: u32,
    datagrams: Vec<(bool, Vec<u8>)>,
}

impl Session {
    /// All recordings of sessions that have a CRC, from three libraries and their versions. Of the same datagram sent twice, one is enough.
    fn all() -> Vec<Session> {
        let mut all = Session::golden();
        for kind in ["soe-protocol", "zig", "udplibrary"] {
            let mut names: Vec<_> = std::fs::read_dir(folder(kind)).unwrap().map(|file| file.unwrap().path()).collect();
            names.sort();
            for path in names.iter().filter(|path| path.is_file()) {
                let name = format!("{kind}/{}", path.file_stem().unwrap().to_str().unwrap());
                all.extend(Session::recorded(name));
            }
        }
        for session in &mut all {
            let mut known = HashSet::new();
            session.datagrams.retain(|datagram| known.insert(datagram.clone()));
            let every = session.datagrams.len().div_ceil(MOST).max(1);
            session.datagrams = std::mem::take(&mut session.datagrams).into_iter().step_by(every).collect();
        }
        all
    }

    /// `None` for a session without a CRC, and for one that never was.
    fn recorded(title: String) -> Option<Session> {
        let recording = Recording::load(&title);
        recording.header["crc_seed"].as_str()?;
        let (server, crc_seed) = (recording.config("server"), recording.word("crc_seed"));
        // The client has its seed from the server, so that its own config names none: then too many malformed datagrams would end its session.
        let name = server.application_protocol.clone();
        let client = Config { crc_seed: CrcSeed::Random, application_protocol: name, ..recording.config("client") };
        let setup = Setup { title, client, server, id: recording.word("session_id") };
        let datagrams = recording.entries.iter().map(|entry| (entry.up, entry.bytes.clone())).collect();
        Some(Session { setup, crc_seed, datagrams }).filter(|session| session.setup.server.crc_length > 0)
    }

    /// The frames of soe-protocol with a CRC of one to four bytes, with and without compression and cipher. They are a client's, but a server's would be sealed alike.
    fn golden() -> Vec<Session> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/vectors/client_frames.jsonl");
        let text = std::fs::read_to_string(path).unwrap();
        let golden = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            let bytes = |value: &Value| unhex(value.as_str().unwrap());
            let crc_seed = u32::from_str_radix(line["crc_seed"].as_str().unwrap(), 16).unwrap();
            let pass = if line["compression"] == true { Pass::Compress } else { Pass::None };
            let client = Config { cipher_key: line["rc4_key_hex"].as_str().map(|key| Key::new(&unhex(key)).unwrap()), ..config() };
            let crc_length = line["crc_length"].as_u64().unwrap() as u8;
            let server = Config { crc_seed: CrcSeed::Fixed(crc_seed), crc_length, passes: [pass, Pass::None], ..client.clone() };
            let request = bytes(&line["session_request"]);
            let id = u32::from_be_bytes(request[6..10].try_into().unwrap());
            let frames: Vec<_> = line["datagrams"].as_array().unwrap().iter().map(bytes).collect();
            let datagrams = frames.iter().flat_map(|frame| [(true, frame.clone()), (false, frame.clone())]);
            let datagrams = datagrams.chain([(true, request), (false, bytes(&line["session_response"]))]).collect();
            let title = format!("golden: crc {crc_length} {pass:?} {}", line["rc4_key_hex"]);
            Session { setup: Setup { title, client, server, id }, crc_seed, datagrams }
        };
        text.lines().map(golden).filter(|session| session.setup.server.crc_length > 0).collect()
    }

    /// The same with a seed that nobody knows: here too many malformed datagrams would end a server's session as well. `None` where the tests' pen can't read it.
    fn with_a_secret_seed(&self) -> Option<Session> {
        let Setup { title, client, server, id } = &self.setup;
        let readable = server.passes[1] == Pass::None
            && (server.passes[0] == Pass::None
                || server.passes[0] == Pass::Compress
                    && server.compression_flag == soe::CompressionFlag::Leading
                    && !server.passes_cover_raw);
        if !readable {
            return None;
        }
        let server = Config { crc_seed: CrcSeed::Random, ..server.clone() };
        let setup = Setup { title: format!("{title}, sealed anew"), client: client.clone(), server, id: *id };
        let recorded =
            Wire { id: *id, seed: self.crc_seed, crc_length: setup.server.crc_length, flag: setup.server.passes[0] == Pass::Compress };
        let live = Live::open(&setup).wire();
        let seal = |bytes: &[u8]| if is_handshake(bytes) { bytes.to_vec() } else { live.seal(&recorded.open(bytes).expect("readable")) };
        // What was recorded as it arrived damaged stays out: there is nothing to read.
        let intact = self.datagrams.iter().filter(|(_, bytes)| is_handshake(bytes) || recorded.open(bytes).is_some());
        let datagrams = intact.map(|(up, bytes)| (*up, seal(bytes))).collect();
        Some(Session { setup, crc_seed: live.seed, datagrams })
    }

    /// Before anything is damaged: all of it is the session's, so that what is damaged fails for the damage.
    fn assert_true_ones_pass(&self) {
        let mut live = Live::open(&self.setup);
        for (up, datagram) in &self.datagrams {
            if is_handshake(datagram) {
                continue;
            }
            assert!(live.passes(*up, datagram), "{}: {}", self.setup.title, hex(datagram));
            live.pair.step();
            if live.pair.client.disconnected().is_some() || live.pair.server.disconnected().is_some() {
                live = Live::open(&self.setup);
            }
        }
    }

    /// Throws each datagram with each bit flipped, and with each end cut off; after each datagram the session carries a message each way.
    fn damage(&self) -> Tally {
        let mut tally = Tally::default();
        let mut live = Live::open(&self.setup);
        for (up, datagram) in self.datagrams.iter().step_by(EVERY) {
            let mut damaged = datagram.clone();
            for bit in 0..datagram.len() * 8 {
                damaged[bit / 8] ^= 1 << (bit % 8);
                live.throw(*up, &damaged, &mut tally);
                damaged[bit / 8] ^= 1 << (bit % 8);
            }
            for len in 0..datagram.len() {
                live.throw(*up, &datagram[..len], &mut tally);
            }
            live.assert_unharmed();
        }
        tally
    }
}

/// SessionRequest, SessionResponse, UnknownSender and RemapConnection have no CRC: whole ones are other tests' business, but damaged they are thrown as well.
fn is_handshake(datagram: &[u8]) -> bool {
    matches!(datagram, [0, 1 | 2 | 0x1d | 0x1e, ..])
}

#[test]
fn no_flipped_bit_and_no_truncation_harms_a_session_whatever_its_crc() {
    let recorded = Session::all();
    let sealed_anew: Vec<_> = recorded.iter().filter_map(Session::with_a_secret_seed).collect();
    assert!(recorded.len() >= 50 && sealed_anew.len() >= 30, "{} and {} sessions", recorded.len(), sealed_anew.len());
    // By length of the CRC.
    let mut tallies = [Tally::default(); 5];
    let mut datagrams = 0;
    for session in recorded.iter().chain(&sealed_anew) {
        session.assert_true_ones_pass();
        tallies[usize::from(session.setup.server.crc_length)] += session.damage();
        datagrams += session.datagrams.len().div_ceil(EVERY);
    }
    println!("{} sessions, {datagrams} datagrams damaged in every way", recorded.len() + sealed_anew.len());
    for (crc_length, Tally { thrown, passed }) in tallies.into_iter().enumerate().skip(1) {
        println!("CRC of {crc_length} bytes: {passed} of {thrown} passed by chance");
        let most = match crc_length {
            // One in 256, as it must be, and what the shortest ones add.
            1 => thrown / 100,
            // The bar is one in 10,000; one in 65,536 is to be expected.
            2 => (thrown - 1) / 10_000,
            _ => 0,
        };
        assert!(thrown > 10_000 / EVERY as u64 && passed <= most, "CRC of {crc_length} bytes: {passed} of {thrown} passed");
    }
}
