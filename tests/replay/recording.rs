//! A recorded session, and the settings of the side that we play.

use crate::common::{CLIENT, Node, SERVER, hex, unhex};
use serde_json::Value;
use soe::{Address, Channel, CompressionFlag, Config, ConnectOptions, CrcSeed, Key, Pass, Preset};
use std::path::{Path, PathBuf};

pub(crate) fn folder(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/traces").join(kind)
}

/// A line of a recording.
pub(crate) struct Entry {
    pub(crate) up: bool,
    pub(crate) bytes: Vec<u8>,
    /// What reached the other side, where that is not the same.
    arrived_as: Option<Vec<u8>>,
    arrives: Vec<u64>,
}

pub(crate) struct Recording {
    pub(crate) header: Value,
    pub(crate) entries: Vec<Entry>,
}

impl Recording {
    pub(crate) fn load(name: &str) -> Self {
        let path = folder(name).with_extension("jsonl");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
        let header = lines.next().expect("a header");
        let entries = lines
            .map(|line| Entry {
                up: match line["dir"].as_str() {
                    Some("c2s") => true,
                    Some("s2c") => false,
                    other => panic!("direction {other:?}"),
                },
                bytes: unhex(line["hex"].as_str().unwrap()),
                arrived_as: line["as"].as_str().map(unhex),
                arrives: match line["arrives"].as_array() {
                    Some(arrives) => arrives.iter().map(|at| at.as_u64().unwrap()).collect(),
                    // Those of malformed input arrive once, at once.
                    None => vec![line["t_us"].as_u64().unwrap()],
                },
            })
            .collect();
        Recording { header, entries }
    }

    pub(crate) fn word(&self, field: &str) -> u32 {
        u32::from_str_radix(self.header[field].as_str().unwrap(), 16).unwrap()
    }

    /// (arrival, bytes) of what went one way, in the order of arrival; what was lost is not there, what was duplicated is twice.
    pub(crate) fn arrivals(&self, up: bool) -> Vec<(u64, Vec<u8>)> {
        let mut arrivals: Vec<_> = self
            .entries
            .iter()
            .filter(|entry| entry.up == up)
            .flat_map(|entry| entry.arrives.iter().map(|at| (*at, entry.arrived_as.clone().unwrap_or_else(|| entry.bytes.clone()))))
            .collect();
        arrivals.sort_by_key(|(at, _)| *at);
        arrivals
    }

    pub(crate) fn first_sent(&self, up: bool) -> Option<&[u8]> {
        self.entries.iter().find(|entry| entry.up == up).map(|entry| &entry.bytes[..])
    }

    /// The header's list of messages, by channel: between channels there is no order.
    pub(crate) fn messages(&self, field: &str) -> Vec<(Channel, Vec<Vec<u8>>)> {
        let mut by_channel: Vec<(Channel, Vec<Vec<u8>>)> = vec![];
        for message in self.header[field].as_array().unwrap_or_else(|| panic!("no list in {field}")) {
            let channel = Channel::try_from(message["channel"].as_u64().unwrap() as u32).unwrap();
            let data = unhex(message["hex"].as_str().unwrap());
            match by_channel.iter_mut().find(|(c, _)| *c == channel) {
                Some((_, messages)) => messages.push(data),
                None => by_channel.push((channel, vec![data])),
            }
        }
        by_channel.sort_by_key(|(channel, _)| *channel as u8);
        by_channel
    }

    /// The header's list of messages of a session with UdpLibrary, which says no channels: in the order in which they were delivered.
    pub(crate) fn contents(&self, field: &str) -> Vec<Vec<u8>> {
        let list = self.header[field].as_array().unwrap_or_else(|| panic!("no list in {field}"));
        list.iter().map(|message| unhex(message["hex"].as_str().or(message.as_str()).unwrap())).collect()
    }

    /// The settings of the side that we play.
    pub(crate) fn config(&self, role: &str) -> Config {
        let wire = &self.header["wire"];
        let name = if role == "server" { &wire["server_application_protocol"] } else { &wire["application_protocol"] };
        let pass = |at: usize| Pass::try_from(wire["passes"][at].as_u64().unwrap() as u8).unwrap();
        let confirm = self.entries.iter().find(|entry| entry.bytes.starts_with(&[0, 2]));
        // PlanetSide's preset is UdpLibrary and nothing else.
        let dialect = if wire["version"] == 2 { Preset::PlanetSide } else { Preset::Default };
        Config {
            application_protocol: name.as_str().map(|name| name.as_bytes().to_vec()),
            confirm_has_version: confirm.is_none_or(|confirm| confirm.bytes.len() == 21),
            udp_length: wire["udp_length"][role].as_u64().unwrap() as u32,
            crc_length: wire["crc_length"].as_u64().unwrap() as u8,
            crc_seed: self.header["crc_seed"].as_str().map_or(CrcSeed::Random, |_| CrcSeed::Fixed(self.word("crc_seed"))),
            passes: [pass(0), pass(1)],
            compression_flag: match wire["flag"].as_str() {
                Some("trailing 01/00") => CompressionFlag::Trailing,
                Some("leading 5a/a5") => CompressionFlag::LeadingEverQuest,
                _ => CompressionFlag::Leading,
            },
            cipher_key: wire["rc4_key"].as_str().map(|key| Key::new(&unhex(key)).unwrap()),
            rng_seed: 1,
            ..Config::preset(dialect)
        }
    }

    pub(crate) fn server(&self) -> Node {
        Node::new(self.config("server"), SERVER(), 0)
    }

    /// A client that has just sent its SessionRequest, which equals the recorded one.
    pub(crate) fn client(&self) -> Node {
        let mut node = Node::new(self.config("client"), CLIENT(), 0);
        let options = ConnectOptions { session_id_on_wire: self.word("session_id"), ..Default::default() };
        let began = self.entries[0].arrives[0];
        node.mux.connect(began, &SERVER(), &options).unwrap();
        let asked = node.turn(began);
        assert_eq!(asked.len(), 1);
        assert_eq!(hex(&asked[0].1), hex(self.first_sent(true).unwrap()), "our SessionRequest is theirs");
        node
    }

    pub(crate) fn has_disconnect(&self, up: bool) -> bool {
        self.arrivals(up).iter().any(|(_, bytes)| bytes.starts_with(&[0, 5]))
    }
}

/// Feeds what was recorded one way; ours is heard and thrown away. What the first datagram was answered with is given back.
pub(crate) fn feed(node: &mut Node, from: Address, arrivals: &[(u64, Vec<u8>)]) -> Vec<Vec<u8>> {
    let mut first = None;
    for (at, bytes) in arrivals {
        // The timers of the time between, at their own time.
        while node.mux.next_deadline() < *at {
            let due = node.mux.next_deadline();
            node.turn(due);
        }
        node.mux.feed(*at, &from, bytes);
        let out = node.turn(*at);
        first.get_or_insert_with(|| out.into_iter().map(|(_, data)| data).collect());
    }
    first.unwrap_or_default()
}
