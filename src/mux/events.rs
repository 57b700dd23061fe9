//! Events on their way to the host.
//!
//! A datagram's messages are one record until they are handed out; only then is a bundle taken apart and deciphered, because the host may set the cipher
//! between two messages of one datagram.

use std::collections::VecDeque;

use super::sessions::Sessions;
use crate::address::Address;
use crate::cipher::Rc4;
use crate::config::Config;
use crate::event::{Channel, EndedBy, Event, EventKind, SessionId};
use crate::pool::{Cursor, Place, Pool, Size};
use crate::wire;

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    ConnectRequest(Place),
    Connected(Place),
    Message(Channel, Place),
    /// Messages, each behind its length.
    Bundle(Channel, Place),
    Writable,
    Disconnected(EndedBy, u16),
    Rebound(Address),
}

/// One record of the queue.
#[derive(Clone, Copy)]
pub(crate) struct Record {
    session: SessionId,
    user_data: u64,
    time_us: u64,
    kind: Kind,
}

/// Records of sessions that hand out one message per drain, in their order.
type Held = VecDeque<Record>;

pub(crate) struct EventQueue {
    pool: Pool,
    cursor: Cursor,
    queue: VecDeque<Record>,
    /// Sessions whose records had to wait for the next drain.
    held: Vec<(SessionId, Held)>,
    /// What the current drain hands out.
    drained: Vec<Record>,
    /// Its number.
    drain: u32,
    messages: usize,
    bytes: u64,
    most_messages: usize,
    most_bytes: u64,
}

impl EventQueue {
    pub(crate) fn new(config: &Config) -> Self {
        EventQueue {
            pool: Pool::new(config.udp_length as usize),
            cursor: Cursor::default(),
            queue: VecDeque::new(),
            held: Vec::new(),
            drained: Vec::new(),
            drain: 0,
            messages: 0,
            bytes: 0,
            most_messages: config.max_queued_events as usize,
            most_bytes: config.max_queued_bytes,
        }
    }

    /// No room for another message.
    pub(crate) fn full(&self) -> bool {
        self.messages >= self.most_messages || self.bytes >= self.most_bytes
    }

    /// Something waits for the host.
    pub(crate) fn waits(&self) -> bool {
        !self.queue.is_empty() || !self.held.is_empty()
    }

    fn push(&mut self, (session, user_data): (SessionId, u64), time_us: u64, kind: Kind) {
        self.queue.push_back(Record { session, user_data, time_us, kind });
    }

    /// Queues what carries no bytes.
    pub(crate) fn plain(&mut self, whose: (SessionId, u64), time_us: u64, kind: Kind) {
        self.push(whose, time_us, kind);
    }

    /// Queues what carries a name.
    pub(crate) fn named(&mut self, whose: (SessionId, u64), time_us: u64, name: &[u8], kind: impl FnOnce(Place) -> Kind) {
        let place = self.pool.append(&mut self.cursor, name, Size::Large);
        self.push(whose, time_us, kind(place));
    }

    /// Queues one message that stands in `payload`.
    pub(crate) fn message(&mut self, whose: (SessionId, u64), time_us: u64, channel: Channel, payload: &[u8]) {
        let place = self.pool.append(&mut self.cursor, payload, Size::Large);
        self.count(1, place);
        self.push(whose, time_us, Kind::Message(channel, place));
    }

    /// Queues one message in a buffer of its own, or the bundle in it. Returns how many messages that were, and whether all of it was well formed.
    pub(crate) fn owned(&mut self, whose: (SessionId, u64), time_us: u64, channel: Channel, message: Vec<u8>) -> (u64, bool) {
        let bundle = message.starts_with(&wire::BUNDLE_HEAD);
        let head = if bundle { wire::BUNDLE_HEAD.len() } else { 0 };
        let body = message.len() - head;
        let (messages, intact) = if bundle { measure(&message[head..]) } else { (1, body) };
        if messages > 0 {
            let place = Place { block: self.pool.adopt(message), offset: head as u32, len: intact as u32 };
            self.count(messages, place);
            self.push(whose, time_us, if bundle { Kind::Bundle(channel, place) } else { Kind::Message(channel, place) });
        }
        (messages, intact == body)
    }

    /// Queues the messages of the bundle `body`: what stands behind its opcode. Those before a malformed one are queued. Returns as [`EventQueue::owned`].
    pub(crate) fn bundle(&mut self, whose: (SessionId, u64), time_us: u64, channel: Channel, body: &[u8]) -> (u64, bool) {
        let (messages, intact) = measure(body);
        if messages > 0 {
            let place = self.pool.append(&mut self.cursor, &body[..intact], Size::Large);
            self.count(messages, place);
            self.push(whose, time_us, Kind::Bundle(channel, place));
        }
        (messages, intact == body.len())
    }

    fn count(&mut self, messages: u64, place: Place) {
        self.messages += messages as usize;
        self.bytes += u64::from(place.len);
    }

    /// Prepares at most `max` events to be read with [`EventQueue::events`], and ends what the last drain lent.
    pub(crate) fn drain(&mut self, sessions: &mut Sessions, max: usize) {
        for record in self.drained.drain(..) {
            if let Some(place) = record.kind.place() {
                self.pool.release(place.block);
            }
            if let Kind::Disconnected(..) = record.kind {
                sessions.forget(record.session);
            }
        }
        self.pool.end_loans();
        self.drain = self.drain.wrapping_add(1).max(1);
        for (session, mut records) in std::mem::take(&mut self.held) {
            while self.drained.len() < max
                && let Some(record) = records.pop_front()
            {
                if let Some(rest) = self.hand_out(sessions, record, max) {
                    records.push_front(rest);
                    break;
                }
            }
            if !records.is_empty() {
                self.held.push((session, records));
            }
        }
        while self.drained.len() < max
            && let Some(record) = self.queue.pop_front()
        {
            if !self.held.is_empty()
                && let Some((_, records)) = self.held.iter_mut().find(|(session, _)| *session == record.session)
            {
                records.push_back(record);
            } else if let Some(rest) = self.hand_out(sessions, record, max) {
                if self.drained.len() < max {
                    self.held.push((rest.session, Held::from([rest])));
                } else {
                    self.queue.push_front(rest);
                }
            }
        }
        for record in &self.drained {
            if let Some(place) = record.kind.place() {
                self.pool.lend(place.block);
            }
        }
        if self.queue.is_empty() && self.held.is_empty() {
            self.pool.close(&mut self.cursor);
        }
    }

    /// Hands out one record, deciphered. What must wait comes back: the rest of a bundle, or all of it.
    fn hand_out(&mut self, sessions: &mut Sessions, record: Record, max: usize) -> Option<Record> {
        let (channel, mut place, bundle) = match record.kind {
            Kind::Message(channel, place) => (channel, place, false),
            Kind::Bundle(channel, place) => (channel, place, true),
            Kind::Disconnected(..) => {
                sessions.let_go(record.session);
                self.drained.push(record);
                return None;
            }
            Kind::Rebound(_) => {
                sessions.rebound_heard(record.session);
                self.drained.push(record);
                return None;
            }
            Kind::ConnectRequest(_) | Kind::Connected(_) | Kind::Writable => {
                self.drained.push(record);
                return None;
            }
        };
        loop {
            let Ok(cipher) = sessions.receiving(record.session, channel, self.drain) else {
                let kind = if bundle { Kind::Bundle(channel, place) } else { Kind::Message(channel, place) };
                return Some(Record { kind, ..record });
            };
            let (mut message, used) = match bundle {
                false => (place, place.len as usize),
                true => {
                    let (len, head) = wire::read_bundle_len(self.pool.bytes(place)).unwrap_or_default();
                    (place.skip(head).first(len), head + len)
                }
            };
            self.messages -= 1;
            self.bytes -= used as u64;
            if let Some(cipher) = cipher {
                message = self.decipher(cipher, message);
            }
            self.pool.hold(message.block);
            self.drained.push(Record { kind: Kind::Message(channel, message), ..record });
            place = place.skip(used);
            if place.len == 0 || !bundle {
                self.pool.release(place.block);
                return None;
            }
            if self.drained.len() == max {
                return Some(Record { kind: Kind::Bundle(channel, place), ..record });
            }
        }
    }

    /// Deciphers a message where it stands. A ciphertext that begins with a zero was sent with one more in front.
    fn decipher(&mut self, cipher: &mut Rc4, message: Place) -> Place {
        let bytes = self.pool.bytes(message);
        let message = if bytes.len() > 1 && bytes[0] == 0 { message.skip(1) } else { message };
        cipher.apply(self.pool.bytes_mut(message));
        message
    }

    /// How many events the drain prepared.
    pub(crate) fn len(&self) -> usize {
        self.drained.len()
    }

    /// What the drain prepared.
    pub(crate) fn event(&self, index: usize) -> Option<Event<'_>> {
        let record = self.drained.get(index)?;
        let kind = match record.kind {
            Kind::ConnectRequest(place) => EventKind::ConnectRequest { application_protocol: self.pool.bytes(place) },
            Kind::Connected(place) => EventKind::Connected { application_protocol: self.pool.bytes(place) },
            Kind::Message(channel, place) | Kind::Bundle(channel, place) => EventKind::Message { channel, data: self.pool.bytes(place) },
            Kind::Writable => EventKind::Writable,
            Kind::Disconnected(by, reason) => EventKind::Disconnected { by, reason },
            Kind::Rebound(address) => EventKind::Rebound { address },
        };
        Some(Event { session: record.session, user_data: record.user_data, time_us: record.time_us, kind })
    }
}

impl Kind {
    fn place(&self) -> Option<Place> {
        match *self {
            Kind::ConnectRequest(place) | Kind::Connected(place) | Kind::Message(_, place) | Kind::Bundle(_, place) => Some(place),
            Kind::Writable | Kind::Disconnected(..) | Kind::Rebound(_) => None,
        }
    }
}

/// How many whole messages a bundle holds, and in how many bytes.
fn measure(body: &[u8]) -> (u64, usize) {
    let (mut messages, mut at) = (0, 0);
    while let Some((len, head)) = wire::read_bundle_len(&body[at..])
        && body.len() - at - head >= len
    {
        at += head + len;
        messages += 1;
    }
    (messages, at)
}
