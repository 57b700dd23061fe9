//! Sessions that others recorded, as a model's codec, packets and inbox must understand them.

use crate::common::unhex;
use crate::inbox::{Decipher, Inbox, News, Route};
use crate::packets::Packet;
use crate::titles::Title;
use crate::transforms::{Codec, Streams};
use serde_json::Value;
use std::path::Path;

struct Line {
    up: bool,
    bytes: Vec<u8>,
    /// Other bytes than these arrived.
    damaged: Option<Vec<u8>>,
    arrives: Vec<u64>,
}

pub(crate) struct Recording {
    header: Value,
    lines: Vec<Line>,
}

/// How much of a recording was held against the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) datagrams: usize,
    pub(crate) compressed: usize,
    pub(crate) containers: usize,
    pub(crate) messages: usize,
    pub(crate) refused: usize,
}

pub(crate) fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

impl Recording {
    pub(crate) fn load(name: &str) -> Self {
        let text = file(&format!("traces/{name}.jsonl"));
        let mut values = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
        let header = values.next().expect("a header");
        let line = |value: Value| Line {
            up: value["dir"] == "c2s",
            bytes: unhex(value["hex"].as_str().expect("bytes")),
            damaged: value["as"].as_str().map(unhex),
            arrives: value["arrives"].as_array().expect("times").iter().map(|at| at.as_u64().expect("a time")).collect(),
        };
        Recording { header, lines: values.map(line).collect() }
    }

    /// Spoils what crossed the wire, so that a proof has something to find.
    pub(crate) fn flip_a_bit(&mut self, line: usize, byte: usize) {
        self.lines[line].bytes[byte] ^= 0x10;
    }

    fn number(&self, field: &str) -> u32 {
        u32::from_str_radix(self.header[field].as_str().expect("a number"), 16).expect("hexadecimal")
    }

    fn delivered(&self, field: &str) -> Vec<(Option<u64>, Vec<u8>)> {
        let list = self.header[field].as_array().expect("deliveries");
        list.iter().map(|one| (one["channel"].as_u64(), unhex(one["hex"].as_str().expect("bytes")))).collect()
    }

    /// Opens every datagram with this title's parameters, makes each again from what was in it, and delivers what arrived.
    pub(crate) fn prove(&self, title: &Title) -> Result<Tally, String> {
        let mut tally = Tally::default();
        let codec = self.codec(title)?;
        for (at, line) in self.lines.iter().enumerate() {
            again(&codec, title, &line.bytes, &mut tally).map_err(|error| format!("datagram {at}: {error}"))?;
            if let Some(damaged) = &line.damaged {
                codec.open(damaged).err().ok_or(format!("datagram {at} was damaged, and nobody saw it"))?;
                tally.refused += 1;
            }
        }
        for (up, field) in [(true, "delivered_to_server"), (false, "delivered_to_client")] {
            let (got, wanted) = (self.deliver(title, &codec, up)?, self.delivered(field));
            tally.messages += got.len();
            if got.len() != wanted.len() {
                return Err(format!("{field}: {} messages where {} were", got.len(), wanted.len()));
            }
            for ((route, data), (channel, bytes)) in got.iter().zip(&wanted) {
                let channel_fits = match (route, channel) {
                    (_, None) => true,
                    (Route::Reliable(got), Some(channel)) => *got as u64 == *channel,
                    (Route::Raw, Some(channel)) => *channel == 4,
                    (Route::Ordered, Some(channel)) => *channel > 4,
                };
                if data != bytes || !channel_fits {
                    return Err(format!("{field}: {route:?} {data:02x?} where {bytes:02x?} was on {channel:?}"));
                }
            }
        }
        Ok(tally)
    }

    /// From the recorded handshake, which must be on this title's terms.
    fn codec(&self, title: &Title) -> Result<Codec, String> {
        let requests = self.lines.iter().filter(|line| line.up).map(|line| &line.bytes);
        for request in requests.filter(|bytes| bytes.starts_with(&[0, 1])) {
            let Packet::Connect { id, name, .. } = Packet::read(request)? else { return Err("not a request".into()) };
            if id != self.number("session_id") || name.is_some() != (title.name.is_some()) {
                return Err(format!("the request asks for {id:08x} as {name:02x?}"));
            }
        }
        let response = self.lines.iter().map(|line| &line.bytes).find(|bytes| bytes.starts_with(&[0, 2]));
        match Packet::read(response.ok_or("no SessionResponse")?)? {
            Packet::Confirm { id, seed, crc, passes, .. }
                if id == self.number("session_id")
                    && seed == self.number("crc_seed")
                    && usize::from(crc) == title.crc
                    && passes == title.passes =>
            {
                Ok(title.codec(seed))
            }
            other => Err(format!("not this title's terms: {other:?}")),
        }
    }

    fn deliver(&self, title: &Title, codec: &Codec, up: bool) -> Result<Vec<(Route, Vec<u8>)>, String> {
        let key = self.header["wire"]["rc4_key"].as_str().map(unhex);
        let mut inbox = Inbox::new(title, false);
        inbox.decipher = key.map(|key| Decipher { streams: Streams::new(&key, 0, title.cipher_shared), after_first: false });
        let mut arrivals: Vec<(u64, &[u8])> = vec![];
        for line in self.lines.iter().filter(|line| line.up == up && line.damaged.is_none()) {
            arrivals.extend(line.arrives.iter().map(|at| (*at, &line.bytes[..])));
        }
        arrivals.sort_by_key(|(at, _)| *at);
        let (mut news, mut messages) = (vec![], vec![]);
        let mut confirmed = up;
        for (_, datagram) in arrivals {
            // A client is deaf to all but the SessionResponse until that came (udplibrary.md 2.1).
            confirmed |= datagram.starts_with(&[0, 2]);
            if confirmed {
                inbox.hear(&codec.open(datagram)?.packet, &mut news)?;
            }
        }
        for news in news {
            if let News::Message(route, data) = news {
                messages.push((route, data));
            }
        }
        Ok(messages)
    }
}

/// A datagram, opened and made again: the same bytes, or where it is deflated, the same content.
fn again(codec: &Codec, title: &Title, datagram: &[u8], tally: &mut Tally) -> Result<(), String> {
    let opened = codec.open(datagram)?;
    tally.datagrams += 1;
    tally.compressed += usize::from(opened.compressed);
    rewrite(&opened.packet, title.client_groups.long_from(), tally)?;
    let mut sealing = *codec;
    // Whether to compress is the recorded sender's choice; what comes of it is not.
    (sealing.zlib.from, sealing.zlib.only_if_smaller) = if opened.compressed { (0, false) } else { (usize::MAX, true) };
    let sealed = sealing.seal(&opened.packet, 16_384);
    let same = if opened.compressed { codec.open(&sealed)?.packet == opened.packet } else { sealed == datagram };
    if same { Ok(()) } else { Err(format!("{datagram:02x?} becomes {sealed:02x?}")) }
}

/// A packet and what is in it, read and written.
fn rewrite(bytes: &[u8], long_from: usize, tally: &mut Tally) -> Result<(), String> {
    let packet = Packet::read(bytes)?;
    if packet.write(long_from) != bytes {
        return Err(format!("{bytes:02x?} is read as {packet:02x?}"));
    }
    match packet {
        Packet::Multi(elements) => {
            tally.containers += 1;
            elements.iter().try_for_each(|element| rewrite(element, long_from, tally))
        }
        Packet::Reliable { payload, .. } if payload.starts_with(&[0, 0x19]) && payload.len() > 2 => {
            tally.containers += 1;
            match Packet::read(&payload)?.write(long_from) == payload {
                true => Ok(()),
                false => Err(format!("the group {payload:02x?}")),
            }
        }
        _ => Ok(()),
    }
}
