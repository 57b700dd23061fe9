//! One conversation as the simulator knows it: what was sent, what came, and what the path did to it.

use crate::common::{Random, SECOND};
use crate::scenario::SERVER;
use soe::{Channel, SessionId};
use std::collections::VecDeque;

pub const CLIENT_END: usize = 0;
pub const SERVER_END: usize = 1;

pub const CHANNELS: [Channel; 7] = [
    Channel::Reliable0,
    Channel::Reliable1,
    Channel::Reliable2,
    Channel::Reliable3,
    Channel::Unreliable,
    Channel::Ordered,
    Channel::Ordered2,
];

/// A message, as what it is made from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parcel {
    pub seed: u64,
    pub channel: usize,
    pub len: usize,
}

impl Parcel {
    /// What is text deflates, what is noise does not; and some begin like packets.
    pub fn bytes(&self) -> Vec<u8> {
        const HEADS: [&[u8]; 7] = [&[0], &[0, 0x19], &[0, 0], &[0, 3], &[0, 9, 0, 0], &[0, 0x19, 1, 0], &[0, 6]];
        let mut random = Random::new(self.seed);
        let mut bytes = Vec::with_capacity(self.len + 8);
        let text = random.percent(40);
        let word = random.next_u64();
        while bytes.len() < self.len {
            bytes.extend_from_slice(&(if text { word } else { random.next_u64() }).to_le_bytes());
        }
        bytes.truncate(self.len);
        if let Some(head) = HEADS.get(random.below(20) as usize) {
            let len = self.len.min(head.len());
            bytes[..len].copy_from_slice(&head[..len]);
        }
        bytes
    }

    fn is(&self, bytes: &[u8]) -> bool {
        self.len == bytes.len() && self.bytes() == bytes
    }
}

/// What an end's host has heard of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Phase {
    /// A server's end that no host has heard of.
    Unheard,
    Connecting,
    Open,
    Ended,
    /// Its process vanished.
    Gone,
}

#[derive(Debug)]
pub struct End {
    pub host: usize,
    pub id: Option<SessionId>,
    pub phase: Phase,
    pub udp_length: usize,
    /// When it last got a datagram of its peer's, as it was sent.
    pub heard_at: u64,
    /// The host wanted it to end: when, with which reason, after what is queued.
    pub asked: Option<(u64, u16, bool)>,
    /// What the host wants to say and has not.
    pub backlog: VecDeque<Parcel>,
    /// The host waits for Writable.
    pub blocked: bool,
    /// Of the messages that it sent.
    pub longest: usize,
    pub sent: [Vec<Parcel>; 7],
    /// Of what the other end sent, where the next delivery stands at the earliest.
    pub next: [usize; 7],
    /// When somebody said that the peer has no session here, or began a new one.
    pub hinted_at: Option<u64>,
    /// All that it sent reliably was acknowledged when it ended.
    pub flushed: bool,
    /// How it ended.
    pub ended: Option<(soe::EndedBy, u16)>,
    pub stats: soe::Stats,
}

impl End {
    fn new(host: usize, phase: Phase, now: u64) -> End {
        End {
            host,
            id: None,
            phase,
            udp_length: 0,
            heard_at: now,
            asked: None,
            backlog: VecDeque::new(),
            blocked: false,
            longest: 0,
            sent: Default::default(),
            next: [0; 7],
            hinted_at: None,
            flushed: false,
            ended: None,
            stats: soe::Stats::default(),
        }
    }

    /// Bytes that it sent reliably and `to` has not delivered.
    pub fn under_way(&self, to: &End) -> usize {
        (0..4).flat_map(|channel| &self.sent[channel][to.next[channel]..]).map(|parcel| parcel.len).sum()
    }

    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Ended | Phase::Gone)
    }
}

#[derive(Debug)]
pub struct Talk {
    pub wire_id: u32,
    pub client: usize,
    pub ends: [End; 2],
    /// When datagrams of it were lost or damaged.
    losses: Vec<u64>,
    /// A request of it, or one at its address, was damaged or forged while it opened, or its address changed: it may fail, or open at one end alone.
    pub disturbed: bool,
    /// A damaged SessionResponse told the client another CRC, or other passes: nothing holds but that it ends. The handshake has no CRC.
    pub deluded: bool,
    pub began_at: u64,
    /// When the client's address changed last.
    pub moved_at: Option<u64>,
}

impl Talk {
    pub fn new(wire_id: u32, client: usize, now: u64) -> Talk {
        Talk {
            wire_id,
            client,
            ends: [End::new(client + 1, Phase::Connecting, now), End::new(SERVER, Phase::Unheard, now)],
            losses: vec![],
            disturbed: false,
            deluded: false,
            began_at: now,
            moved_at: None,
        }
    }

    pub fn is_open(&self) -> bool {
        self.ends.iter().all(|end| end.phase == Phase::Open)
    }

    pub fn lost(&mut self, now: u64) {
        self.losses.push(now);
    }

    pub fn losses_since(&self, since: u64) -> usize {
        self.losses.len() - self.losses.partition_point(|at| *at < since)
    }

    /// A message came to the end `to`: whether it was one that may.
    pub fn deliver(&mut self, to: usize, channel: usize, bytes: &[u8]) -> Result<(), String> {
        let (from, to) = match &mut self.ends {
            [client, server] if to == SERVER_END => (client, server),
            [client, server] => (server, client),
        };
        let (sent, next) = (&from.sent[channel], &mut to.next[channel]);
        let name = CHANNELS[channel];
        match channel {
            0..4 => match sent.get(*next) {
                None => return Err(format!("{name:?}: a message of {} bytes, and all {next} were there", bytes.len())),
                Some(parcel) if !parcel.is(bytes) => {
                    let known = sent.iter().position(|parcel| parcel.is(bytes));
                    return Err(format!(
                        "{name:?}: number {next} of {} bytes came as {} bytes, known as {known:?}",
                        parcel.len,
                        bytes.len()
                    ));
                }
                Some(_) => *next += 1,
            },
            4 if !sent.iter().any(|parcel| parcel.is(bytes)) => {
                return Err(format!("{name:?}: a message of {} bytes that nobody sent", bytes.len()));
            }
            4 => {}
            _ => match sent[*next..].iter().position(|parcel| parcel.is(bytes)) {
                None => return Err(format!("{name:?}: a message of {} bytes that was not sent, or late", bytes.len())),
                Some(at) => *next += at + 1,
            },
        }
        Ok(())
    }

    /// Reliable messages that an end sent and the other has not delivered.
    pub fn outstanding(&self, from: usize) -> usize {
        (0..4).map(|channel| self.ends[from].sent[channel].len() - self.ends[1 - from].next[channel]).sum()
    }

    /// Everything that was to be said was said and delivered.
    pub fn is_quiet(&self) -> bool {
        (0..2).all(|end| self.ends[end].backlog.is_empty() && !self.ends[end].blocked && self.outstanding(end) == 0)
    }

    pub fn describe(&self) -> String {
        let end = |at: usize| {
            let end = &self.ends[at];
            let (heard, sent) = (end.heard_at / 1000, end.sent.each_ref().map(Vec::len));
            format!(
                "{:?}, heard at {heard} ms, sent {sent:?}, got {:?}, {} to say, blocked {}, asked to end {:?}",
                end.phase,
                end.next,
                end.backlog.len(),
                end.blocked,
                end.asked
            )
        };
        format!(
            "client {} (began at {} s, {} losses, disturbed {}): {}; server: {}",
            self.client,
            self.began_at as f64 / SECOND as f64,
            self.losses.len(),
            self.disturbed,
            end(CLIENT_END),
            end(SERVER_END)
        )
    }
}
