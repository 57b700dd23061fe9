//! The receiving half of a model: what arrives becomes messages and news. As the judge of a server it also names what its client could not bear.

use crate::packets::Packet;
use crate::titles::{Family, Strip, Title};
use crate::transforms::Streams;
use std::collections::BTreeMap;

/// How a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Reliable(usize),
    Raw,
    Ordered,
}

/// What a packet was about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    Message(Route, Vec<u8>),
    /// A reliable packet came and wants an acknowledgement: a 11 where it lies ahead of a gap.
    Owed {
        channel: usize,
        stamp: u16,
        early: bool,
        again: bool,
    },
    /// A packet for the sender, the handshake or the clocks.
    Other(Packet),
}

/// The receive cipher: not yet, or from now on.
#[derive(Clone)]
pub(crate) struct Decipher {
    pub(crate) streams: Streams,
    /// Begins behind the first reliable message.
    pub(crate) after_first: bool,
}

#[derive(Default)]
struct Incoming {
    expected: u64,
    stash: BTreeMap<u64, (bool, Vec<u8>)>,
    /// The whole length, and what is there of it.
    partial: Option<(usize, Vec<u8>)>,
}

pub(crate) struct Inbox {
    title: Title,
    /// The other side is a server that must suit this title's client.
    judges: bool,
    channels: [Incoming; 4],
    ordered: [u16; 2],
    pub(crate) decipher: Option<Decipher>,
}

/// The nearest number with these low bits (udplibrary.md 5.3).
pub(crate) fn unwrapped(stamp: u16, near: u64) -> i64 {
    let near = near as i64;
    let mut id = i64::from(stamp) | near & !0xffff;
    if id < near - 30_000 {
        id += 0x1_0000;
    }
    if id > near + 30_000 {
        id -= 0x1_0000;
    }
    id
}

impl Inbox {
    pub(crate) fn new(title: &Title, judges: bool) -> Self {
        Inbox { title: title.clone(), judges, channels: Default::default(), ordered: [0; 2], decipher: None }
    }

    /// An error is what ends a session of this title, or would.
    pub(crate) fn hear(&mut self, bytes: &[u8], news: &mut Vec<News>) -> Result<(), String> {
        let packet = Packet::read(bytes)?;
        if self.judges {
            self.judge(&packet)?;
        }
        match packet {
            Packet::Raw(data) => news.push(News::Message(Route::Raw, data)),
            Packet::Multi(elements) => {
                for element in elements {
                    self.hear(&element, news)?;
                }
            }
            Packet::Group(members) => {
                for member in members {
                    self.hear(&member, news)?;
                }
            }
            Packet::Reliable { channel, stamp, payload } => self.arrived(channel, stamp, false, payload, news)?,
            Packet::Fragment { channel, stamp, chunk } => self.arrived(channel, stamp, true, chunk, news)?,
            Packet::Ordered { second, stamp, data } => {
                let last = &mut self.ordered[usize::from(second)];
                // Late ones and copies are dropped; the data is not looked at any more (udplibrary.md 6).
                if (1..30_000).contains(&stamp.wrapping_sub(*last)) {
                    *last = stamp;
                    news.push(News::Message(Route::Ordered, data));
                }
            }
            other => news.push(News::Other(other)),
        }
        Ok(())
    }

    /// What this title's client would choke on.
    fn judge(&self, packet: &Packet) -> Result<(), String> {
        let v3 = self.title.is_version_3();
        let fail = |what: &str| Err(format!("the client can't bear {what}: {packet:02x?}"));
        match packet {
            Packet::Raw(_) if !self.title.raw => fail("raw data"),
            Packet::Multi(elements) => {
                let raw = |element: &Vec<u8>| element.first() != Some(&0) || element.get(1) == Some(&0);
                if elements.iter().any(Vec::is_empty) {
                    return fail("an empty element");
                }
                // Version 3 reads an escape where it says FF (dialects.md 1).
                if v3 && elements.iter().any(|element| element.len() >= 255) {
                    return fail("an element of 255 bytes");
                }
                if v3 && elements.iter().any(raw) {
                    return fail("raw data in a MultiPacket");
                }
                Ok(())
            }
            Packet::Reliable { channel, .. }
            | Packet::Fragment { channel, .. }
            | Packet::Ack { channel, .. }
            | Packet::AckAll { channel, .. }
                if !self.title.channels.contains(channel) =>
            {
                fail("that channel")
            }
            Packet::Reliable { payload, .. } if payload.is_empty() => fail("an empty reliable packet"),
            Packet::Ack { .. } if !self.title.server_acks_early => fail("an early acknowledgement"),
            Packet::Ordered { .. } => fail("ordered data, which nobody sent"),
            Packet::ClockSync { .. } | Packet::ClockReflect { .. } if v3 => fail("NetStatus"),
            Packet::Terminate { reason, .. } if reason.is_some() != self.title.disconnect_reason => fail("that form of Disconnect"),
            Packet::Group(_) => fail("a group outside a reliable packet"),
            Packet::Unreachable => fail("to be unknown to its server"),
            Packet::Connect { .. } => fail("a request from its server"),
            _ => Ok(()),
        }
    }

    fn arrived(&mut self, channel: usize, stamp: u16, fragment: bool, body: Vec<u8>, news: &mut Vec<News>) -> Result<(), String> {
        let line = &mut self.channels[channel];
        let id = unwrapped(stamp, line.expected);
        if id >= (line.expected + self.title.receive_window) as i64 {
            return Ok(());
        }
        if id < line.expected as i64 {
            news.push(News::Owed { channel, stamp: line.expected.wrapping_sub(1) as u16, early: false, again: true });
            return Ok(());
        }
        let again = line.stash.insert(id as u64, (fragment, body)).is_some();
        let early = id as u64 > line.expected;
        while let Some((fragment, body)) = self.channels[channel].stash.remove(&self.channels[channel].expected) {
            self.channels[channel].expected += 1;
            self.accept(channel, fragment, body, news)?;
        }
        let stamp = if early { stamp } else { (self.channels[channel].expected - 1) as u16 };
        news.push(News::Owed { channel, stamp, early, again });
        Ok(())
    }

    fn accept(&mut self, channel: usize, fragment: bool, body: Vec<u8>, news: &mut Vec<News>) -> Result<(), String> {
        let partial = &mut self.channels[channel].partial;
        if !fragment {
            return if partial.is_some() { Err("data in the middle of fragments".into()) } else { self.whole(channel, body, news) };
        }
        match partial {
            None => {
                let (total, chunk) = body.split_at_checked(4).ok_or("a first fragment without a length")?;
                let total = total.iter().fold(0, |total, byte| total << 8 | usize::from(*byte));
                *partial = Some((total, chunk.to_vec()));
            }
            Some((_, whole)) => whole.extend(body),
        }
        match partial.take_if(|(total, whole)| whole.len() >= *total) {
            Some((total, whole)) if whole.len() == total => self.whole(channel, whole, news),
            Some((total, whole)) => Err(format!("fragments of {} bytes where {total} were announced", whole.len())),
            None => Ok(()),
        }
    }

    /// A reliable payload, whole.
    fn whole(&mut self, channel: usize, payload: Vec<u8>, news: &mut Vec<News>) -> Result<(), String> {
        match payload[..] {
            [0, 0x19, _, ..] => {
                let Packet::Group(members) = Packet::read(&payload)? else { unreachable!("00 19 is a group") };
                if self.judges && !members.iter().all(|member| self.title.server_groups.takes(member.len())) {
                    return Err(format!("the client can't bear such a group: {payload:02x?}"));
                }
                members.into_iter().try_for_each(|member| self.message(channel, member, news))
            }
            _ => self.message(channel, payload, news),
        }
    }

    fn message(&mut self, channel: usize, mut data: Vec<u8>, news: &mut Vec<News>) -> Result<(), String> {
        let begins = |zeros: usize| data.len() >= zeros && data[..zeros].iter().all(|byte| *byte == 0);
        let open = self.decipher.as_ref().is_some_and(|decipher| !decipher.after_first);
        let strips = match (self.title.family, self.title.strip) {
            (Family::UdpLibrary, _) if data.len() > 1 && begins(1) && !begins(2) => {
                return Err(format!("a packet where data should be: {data:02x?}"));
            }
            (Family::UdpLibrary | Family::Version3Escaped, _) => begins(2),
            (Family::Version3, Strip::Single) => open && data.len() > 1 && begins(1),
            (Family::Version3, Strip::Double) => open && begins(2),
        };
        if strips {
            data.remove(0);
        }
        if let Some(decipher) = &mut self.decipher
            && !std::mem::take(&mut decipher.after_first)
        {
            decipher.streams.apply(channel, &mut data);
        }
        news.push(News::Message(Route::Reliable(channel), data));
        Ok(())
    }
}
