//! Events on their way to the host.
//!
//! A datagram's messages are one record from the wire to the host's array; only there is a bundle taken apart. What needs a cipher is deciphered when it is
//! handed out, because the host may set the cipher between two messages of one datagram.

use std::collections::VecDeque;

use super::sessions::{Reading, Sessions, slot_of};
use crate::address::Address;
use crate::cipher::Rc4;
use crate::config::Config;
use crate::event::{Channel, EndedBy, Event, EventKind, SessionId};
use crate::pool::{Cursor, Place, Pool, Size};
use crate::wire::{self, opcode};

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    ConnectRequest(Place),
    Connected(Place),
    Messages(Messages),
    Writable,
    Disconnected(EndedBy, u16),
    Rebound(Address),
}

/// What one datagram brought.
#[derive(Clone, Copy)]
pub(crate) struct Messages {
    place: Place,
    /// Of these, those in `place`.
    count: u32,
    /// What they take of the room that sessions share, as it was counted.
    share: u32,
    channel: Channel,
    /// Each stands behind its length.
    bundled: bool,
    /// One that begins with two zeros has one too many, unless it is deciphered.
    escaped: bool,
}

/// Bytes up to which what was taken apart shares a block with others.
const LARGEST_COPY: usize = 16 * 1024;

/// More than this one session never has waiting, whatever the limits. One record more still fits 32 bits, which is what is kept for each session: there may be
/// very many.
const MOST_SHARE: u32 = 1 << 31;
const LARGEST_SHARE: u64 = 1 << 30;

/// Memory that may be in use before blocks count that hold little of what waits.
const SLACK: u64 = 1 << 20;

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

/// Records in the order in which they came: `next` is the first that was not taken. A `Vec`, because what is pushed there is written once, where it stays.
#[derive(Default)]
struct Queue {
    records: Vec<Record>,
    next: usize,
}

impl Queue {
    #[inline(always)]
    fn push(&mut self, record: Record) {
        self.records.push(record);
    }

    fn waiting(&self) -> &[Record] {
        &self.records[self.next..]
    }

    fn take(&mut self) -> Option<Record> {
        let record = self.waiting().first().copied()?;
        self.skip(1);
        Some(record)
    }

    /// What is left of the record that was taken last.
    fn put_back(&mut self, rest: Record) {
        self.next -= 1;
        self.records[self.next] = rest;
    }

    fn skip(&mut self, records: usize) {
        self.next += records;
    }

    /// Makes room, once half of what is there was taken.
    fn tidy(&mut self) {
        if self.next * 2 >= self.records.len() {
            self.records.drain(..self.next);
            self.next = 0;
        }
    }
}

pub(crate) struct EventQueue {
    pool: Pool,
    cursor: Cursor,
    queue: Queue,
    /// Sessions whose records had to wait for the next drain.
    held: Vec<(SessionId, Held)>,
    /// What the current drain hands out: each record holds its block until the next one.
    drained: Vec<Record>,
    /// Events in there.
    handed: usize,
    /// Its number.
    drain: u32,
    /// What the messages take that wait: [`EventQueue::share_of`].
    waiting: u64,
    /// Of this, what each session's take, by slot.
    shares: Vec<u32>,
    /// As much as they may take: [`Config::max_queued_bytes`].
    most: u64,
    /// What each message takes at least, so that there are no more than [`Config::max_queued_events`].
    least_share: u32,
    /// Levels of bundles that are read.
    max_nesting: u32,
    /// [`Config::escape_reliable`].
    escapes: bool,
    max_message: usize,
}

impl EventQueue {
    pub(crate) fn new(config: &Config) -> Self {
        let most = config.max_queued_bytes.min(2 * u64::from(MOST_SHARE));
        EventQueue {
            pool: Pool::new(config.udp_length as usize),
            cursor: Cursor::default(),
            queue: Queue::default(),
            held: Vec::new(),
            drained: Vec::new(),
            handed: 0,
            drain: 0,
            waiting: 0,
            shares: Vec::new(),
            most,
            least_share: most.div_ceil(config.max_queued_events.into()).min(LARGEST_SHARE) as u32,
            max_nesting: config.max_nesting,
            escapes: config.escape_reliable,
            max_message: config.max_message as usize,
        }
    }

    /// No room for another message of this session: it may fill as much as is still free, so that a loud one leaves room for others.
    #[inline]
    pub(crate) fn full(&self, session: SessionId) -> bool {
        let little = self.waiting < self.most / 2 && self.waiting < MOST_SHARE.into() && (self.pool.held_bytes() as u64) < SLACK;
        !little && self.has_no_room_for(session)
    }

    #[inline(never)]
    fn has_no_room_for(&self, session: SessionId) -> bool {
        let own = self.shares.get(slot_of(session) as usize).copied().unwrap_or_default();
        u64::from(own) + self.waiting >= self.most
            || own >= MOST_SHARE
            || self.pool.held_bytes() as u64 > self.most.saturating_add(SLACK).saturating_mul(2)
    }

    /// What messages take of the room that sessions share.
    #[inline]
    fn share_of(&self, messages: &Messages) -> u32 {
        let least = u64::from(self.least_share) * u64::from(messages.count);
        least.max(messages.place.len.into()).min(LARGEST_SHARE) as u32
    }

    /// Bytes of memory in messages that wait or are lent.
    pub(crate) fn held_bytes(&self) -> usize {
        self.pool.held_bytes()
    }

    /// Something waits for the host.
    pub(crate) fn waits(&self) -> bool {
        !self.queue.waiting().is_empty() || !self.held.is_empty()
    }

    /// Queues what carries no bytes, or has them in place.
    #[inline(always)]
    pub(crate) fn push(&mut self, (session, user_data): (SessionId, u64), time_us: u64, kind: Kind) {
        self.queue.push(Record { session, user_data, time_us, kind });
    }

    /// Queues what carries a name.
    pub(crate) fn named(&mut self, whose: (SessionId, u64), time_us: u64, name: &[u8], kind: impl FnOnce(Place) -> Kind) {
        let place = self.pool.append(&mut self.cursor, name, Size::Large);
        self.push(whose, time_us, kind(place));
    }

    /// Queues one message that stands in `payload`.
    #[inline]
    pub(crate) fn message(&mut self, whose: (SessionId, u64), time_us: u64, channel: Channel, payload: &[u8]) {
        self.one_message(whose, time_us, channel, payload, false);
    }

    #[inline]
    fn one_message(&mut self, whose: (SessionId, u64), time_us: u64, channel: Channel, payload: &[u8], escaped: bool) {
        let place = self.pool.append(&mut self.cursor, payload, Size::Large);
        self.messages(whose, time_us, Messages { place, count: 1, share: 0, channel, bundled: false, escaped });
    }

    /// Queues one message in a buffer of its own, or the bundle in it. With `led`, one that begins with a zero may have one more in front. Returns how many messages
    /// that were, and whether all of it was well formed.
    pub(crate) fn owned(&mut self, whose: (SessionId, u64), time_us: u64, channel: Channel, message: Vec<u8>, led: bool) -> (u64, bool) {
        let bundled = message.starts_with(&wire::BUNDLE_HEAD);
        let head = if bundled { wire::BUNDLE_HEAD.len() } else { 0 };
        if self.escapes && (if bundled { nests(&message[head..]) } else { is_packet(&message) }) {
            return self.payload(whose, time_us, channel, &message);
        }
        let body = message.len() - head;
        let longest = self.longest(led);
        let (count, intact) = if bundled {
            measure(&message[head..], longest)
        } else if longest.takes(&message) {
            (1, body)
        } else {
            (0, 0)
        };
        if count > 0 {
            let place = Place { block: self.pool.adopt(message), offset: head as u32, len: intact as u32 };
            self.messages(whose, time_us, Messages { place, count, share: 0, channel, bundled, escaped: self.escapes });
        }
        (count.into(), intact == body)
    }

    /// Queues what a reliable packet carries: a message, or the bundle in it. Returns as [`EventQueue::owned`].
    #[inline]
    pub(crate) fn payload(&mut self, whose: (SessionId, u64), time_us: u64, channel: Channel, payload: &[u8]) -> (u64, bool) {
        match payload {
            [0, opcode::BUNDLE, body @ ..] => self.bundle(whose, time_us, channel, body),
            _ if self.escapes && is_packet(payload) => (0, false),
            _ if !self.longest(true).takes(payload) => (0, false),
            _ => {
                self.one_message(whose, time_us, channel, payload, self.escapes);
                (1, true)
            }
        }
    }

    /// An empty buffer for [`EventQueue::owned`]: one that holds `len` bytes if such a one is idle.
    pub(crate) fn spare_buffer(&mut self, len: usize) -> Vec<u8> {
        self.pool.spare_buffer(len).unwrap_or_default()
    }

    /// Queues the messages of the bundle `body`: what stands behind its opcode. Those before a malformed one are queued. Returns as [`EventQueue::owned`].
    pub(crate) fn bundle(&mut self, whose: (SessionId, u64), time_us: u64, channel: Channel, body: &[u8]) -> (u64, bool) {
        let escaped = self.escapes;
        if escaped && nests(body) {
            return self.nested(whose, time_us, channel, body);
        }
        let (count, intact) = measure(body, self.longest(true));
        if count > 0 {
            let place = self.pool.append(&mut self.cursor, &body[..intact], Size::Large);
            self.messages(whose, time_us, Messages { place, count, share: 0, channel, bundled: true, escaped });
        }
        (count.into(), intact == body.len())
    }

    /// Queues a bundle with bundles in it, as one: it takes no more than it did.
    #[inline(never)]
    fn nested(&mut self, whose: (SessionId, u64), time_us: u64, channel: Channel, body: &[u8]) -> (u64, bool) {
        let mut flat = Vec::with_capacity(body.len());
        let (count, intact) = flatten(body, self.max_nesting, self.longest(true), &mut flat);
        if count > 0 {
            let len = flat.len();
            let place = if len <= LARGEST_COPY {
                self.pool.append(&mut self.cursor, &flat, Size::Large)
            } else {
                flat.shrink_to_fit();
                Place { block: self.pool.adopt(flat), offset: 0, len: len as u32 }
            };
            self.messages(whose, time_us, Messages { place, count, share: 0, channel, bundled: true, escaped: true });
        }
        (count.into(), intact)
    }

    /// A message is no longer than it may be. With `led`, one that begins with a zero may have one more in front.
    pub(crate) fn takes(&self, message: &[u8], led: bool) -> bool {
        Longest { bytes: self.max_message, led }.takes(message)
    }

    /// With `led`, a message that begins with a zero may have one more in front.
    fn longest(&self, led: bool) -> Longest {
        Longest { bytes: self.max_message, led: led || self.escapes }
    }

    #[inline(always)]
    fn messages(&mut self, whose: (SessionId, u64), time_us: u64, messages: Messages) {
        let share = self.share_of(&messages);
        let slot = slot_of(whose.0) as usize;
        if slot >= self.shares.len() {
            self.begin_share(slot);
        }
        let own = &mut self.shares[slot];
        // What fills a gap brings all behind it, however much that is.
        let share = share.min(u32::MAX - *own);
        *own += share;
        self.waiting += u64::from(share);
        self.push(whose, time_us, Kind::Messages(Messages { share, ..messages }));
    }

    #[cold]
    #[inline(never)]
    fn begin_share(&mut self, slot: usize) {
        self.shares.resize(slot + 1, 0);
    }

    /// So much of a session waits no more.
    fn taken(&mut self, session: SessionId, share: u32) {
        self.waiting -= u64::from(share);
        self.shares[slot_of(session) as usize] -= share;
    }

    /// Prepares at most `max` events to be read with [`EventQueue::drained`], and ends what the last drain lent.
    pub(crate) fn drain(&mut self, sessions: &mut Sessions, max: usize) {
        let mut done = (0, 0);
        for record in self.drained.drain(..) {
            if let Some(place) = record.kind.place() {
                if place.block != done.0 {
                    self.pool.release_often(done);
                    done = (place.block, 0);
                }
                done.1 += 1;
            } else if let Kind::Disconnected(..) = record.kind {
                sessions.forget(record.session);
            }
        }
        self.pool.release_often(done);
        self.handed = 0;
        self.drain = self.drain.wrapping_add(1).max(1);
        for (session, mut records) in std::mem::take(&mut self.held) {
            while self.handed < max
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
        loop {
            if self.held.is_empty() {
                self.hand_out_run(sessions, max);
            }
            if self.handed >= max {
                break;
            }
            let Some(record) = self.queue.take() else { break };
            if !self.held.is_empty()
                && let Some((_, records)) = self.held.iter_mut().find(|(session, _)| *session == record.session)
            {
                records.push_back(record);
            } else if let Some(rest) = self.hand_out(sessions, record, max) {
                if self.handed < max {
                    self.held.push((rest.session, Held::from([rest])));
                } else {
                    self.queue.put_back(rest);
                }
            }
        }
        self.queue.tidy();
        if !self.waits() {
            self.pool.close(&mut self.cursor);
        }
    }

    /// Hands out what is nearly always all: messages as they came, up to the first record that is something else.
    fn hand_out_run(&mut self, sessions: &Sessions, max: usize) {
        while let Some(&Record { session, kind: Kind::Messages(_), .. }) = self.queue.waiting().first()
            && sessions.reads_plain(session)
        {
            let (mut messages, mut share) = (0, 0);
            let most = max - self.handed;
            let run = self.queue.waiting().iter().take_while(|record| {
                let Kind::Messages(these) = record.kind else { return false };
                let whole = record.session == session && these.count as usize <= most - messages as usize;
                if whole {
                    messages += these.count;
                    share += these.share;
                }
                whole
            });
            let records = run.count();
            if records == 0 {
                return;
            }
            self.drained.extend_from_slice(&self.queue.waiting()[..records]);
            self.queue.skip(records);
            self.taken(session, share);
            self.handed += messages as usize;
        }
    }

    /// Hands out one record, deciphered. What must wait comes back: the rest of a bundle, or all of it.
    fn hand_out(&mut self, sessions: &mut Sessions, record: Record, max: usize) -> Option<Record> {
        let mut messages = match record.kind {
            Kind::Messages(messages) => messages,
            Kind::Disconnected(..) => {
                sessions.let_go(record.session);
                return self.hand(record, 1);
            }
            Kind::Rebound(_) => {
                sessions.rebound_heard(record.session);
                return self.hand(record, 1);
            }
            Kind::ConnectRequest(_) | Kind::Connected(_) | Kind::Writable => return self.hand(record, 1),
        };
        while self.handed < max {
            let (count, cipher) = match sessions.reading(record.session, messages.channel, self.drain) {
                Reading::Plain => (messages.count.min((max - self.handed).min(u32::MAX as usize) as u32), None),
                Reading::Single => (1, None),
                Reading::Ciphered(cipher) => (1, Some(cipher)),
                Reading::Later => break,
            };
            let (mut first, mut rest) = messages.split(count, &self.pool);
            rest.share = if rest.count == 0 { 0 } else { self.share_of(&rest).min(messages.share) };
            first.share = messages.share - rest.share;
            self.taken(record.session, first.share);
            if let Some(cipher) = cipher {
                (first.place, first.escaped) = (self.decipher(cipher, first.place), false);
            }
            self.hand(Record { kind: Kind::Messages(first), ..record }, first.count as usize);
            if rest.count == 0 {
                return None;
            }
            self.pool.hold(rest.place.block);
            messages = rest;
        }
        Some(Record { kind: Kind::Messages(messages), ..record })
    }

    /// Hands out a record of so many events. Nothing of it waits.
    #[inline]
    fn hand(&mut self, record: Record, events: usize) -> Option<Record> {
        self.drained.push(record);
        self.handed += events;
        None
    }

    /// Deciphers a message where it stands. A ciphertext that begins with a zero was sent with one more in front.
    fn decipher(&mut self, cipher: &mut Rc4, message: Place) -> Place {
        let bytes = self.pool.bytes(message);
        let message = if bytes.len() > 1 && bytes[0] == 0 { message.skip(1) } else { message };
        cipher.apply(self.pool.bytes_mut(message));
        message
    }

    /// What the drain prepared.
    pub(crate) fn drained(&self) -> Drained<'_> {
        Drained { pool: &self.pool, records: self.drained.iter(), bundle: None, left: self.handed }
    }
}

/// The events of a drain, lent: this is where bundles are taken apart.
pub(crate) struct Drained<'a> {
    pool: &'a Pool,
    records: std::slice::Iter<'a, Record>,
    /// The bundle that is being taken apart, and what is left of it.
    bundle: Option<(&'a Record, Channel, &'a [u8])>,
    left: usize,
}

impl<'a> Iterator for Drained<'a> {
    type Item = Event<'a>;

    fn next(&mut self) -> Option<Event<'a>> {
        let (record, channel, bundle) = match self.bundle.take() {
            Some(bundle) => bundle,
            None => {
                let record = self.records.next()?;
                match record.bundle(self.pool) {
                    Some((channel, bundle)) => (record, channel, bundle),
                    None => {
                        self.left -= 1;
                        return Some(record.event(self.pool));
                    }
                }
            }
        };
        self.left -= 1;
        let (data, rest) = wire::split_bundle(bundle)?;
        self.bundle = (!rest.is_empty()).then_some((record, channel, rest));
        Some(record.message(channel, unescaped(data, record.is_escaped())))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }

    /// All at once, as hosts take them: nothing to remember from one message of a bundle to the next.
    #[inline]
    fn fold<B, F: FnMut(B, Event<'a>) -> B>(self, init: B, mut each: F) -> B {
        let mut folded = init;
        let (mut records, mut bundle) = (self.records, self.bundle);
        loop {
            if let Some((record, channel, mut rest)) = bundle.take() {
                if record.is_escaped() {
                    while let Some((data, behind)) = wire::split_bundle(rest) {
                        folded = each(folded, record.message(channel, unescaped(data, true)));
                        rest = behind;
                    }
                }
                while let Some((data, behind)) = wire::split_bundle(rest) {
                    folded = each(folded, record.message(channel, data));
                    rest = behind;
                }
            }
            let Some(record) = records.next() else { return folded };
            match record.kind {
                Kind::Messages(Messages { place, channel, bundled: true, .. }) => bundle = Some((record, channel, self.pool.bytes(place))),
                Kind::Messages(Messages { place, channel, escaped, .. }) => {
                    folded = each(folded, record.message(channel, unescaped(self.pool.bytes(place), escaped)));
                }
                _ => folded = each(folded, record.event(self.pool)),
            }
        }
    }
}

impl Record {
    /// The bundle in it, if it is one.
    fn bundle<'a>(&self, pool: &'a Pool) -> Option<(Channel, &'a [u8])> {
        match self.kind {
            Kind::Messages(Messages { place, channel, bundled: true, .. }) => Some((channel, pool.bytes(place))),
            _ => None,
        }
    }

    /// Its messages are escaped.
    fn is_escaped(&self) -> bool {
        matches!(self.kind, Kind::Messages(Messages { escaped: true, .. }))
    }

    /// One message from it.
    #[inline]
    fn message<'a>(&self, channel: Channel, data: &'a [u8]) -> Event<'a> {
        let kind = EventKind::Message { channel, data };
        Event { session: self.session, user_data: self.user_data, time_us: self.time_us, kind }
    }

    /// What is no bundle, as one event.
    #[inline(never)]
    fn event<'a>(&self, pool: &'a Pool) -> Event<'a> {
        let kind = match self.kind {
            Kind::Messages(Messages { place, channel, escaped, .. }) => {
                EventKind::Message { channel, data: unescaped(pool.bytes(place), escaped) }
            }
            Kind::ConnectRequest(place) => EventKind::ConnectRequest { application_protocol: pool.bytes(place) },
            Kind::Connected(place) => EventKind::Connected { application_protocol: pool.bytes(place) },
            Kind::Writable => EventKind::Writable,
            Kind::Disconnected(by, reason) => EventKind::Disconnected { by, reason },
            Kind::Rebound(address) => EventKind::Rebound { address },
        };
        Event { session: self.session, user_data: self.user_data, time_us: self.time_us, kind }
    }
}

impl Messages {
    /// The first `n`, and the rest. One alone is not bundled.
    fn split(self, n: u32, pool: &Pool) -> (Messages, Messages) {
        if n == self.count && !(n == 1 && self.bundled) {
            return (self, Messages { count: 0, place: self.place.skip(self.place.len as usize), ..self });
        }
        let all = pool.bytes(self.place);
        let (mut message, mut rest) = (all, all);
        for _ in 0..n {
            (message, rest) = wire::split_bundle(rest).unwrap_or_default();
        }
        let used = all.len() - rest.len();
        let after = Messages { count: self.count - n, place: self.place.skip(used), ..self };
        let before = match n {
            1 => Messages { count: 1, bundled: false, place: self.place.first(used).skip(used - message.len()), ..self },
            _ => Messages { count: n, place: self.place.first(used), ..self },
        };
        (before, after)
    }
}

impl Kind {
    fn place(&self) -> Option<Place> {
        match *self {
            Kind::ConnectRequest(place) | Kind::Connected(place) | Kind::Messages(Messages { place, .. }) => Some(place),
            Kind::Writable | Kind::Disconnected(..) | Kind::Rebound(_) => None,
        }
    }
}

/// The longest message that is taken.
#[derive(Clone, Copy)]
struct Longest {
    bytes: usize,
    led: bool,
}

impl Longest {
    #[inline]
    fn takes(self, message: &[u8]) -> bool {
        message.len() <= self.bytes || (self.led && message.len() == self.bytes + 1 && message[0] == 0)
    }
}

/// How many whole messages a bundle holds, up to one that is too long, and in how many bytes.
#[inline]
fn measure(body: &[u8], longest: Longest) -> (u32, usize) {
    if body.len() > longest.bytes {
        return measure_while(body, |message| longest.takes(message));
    }
    measure_while(body, |_| true)
}

#[inline(always)]
fn measure_while(body: &[u8], takes: impl Fn(&[u8]) -> bool) -> (u32, usize) {
    let (mut messages, mut rest) = (0, body);
    while let Some((message, behind)) = wire::split_bundle(rest)
        && takes(message)
    {
        rest = behind;
        messages += 1;
    }
    (messages, body.len() - rest.len())
}

/// A packet of the protocol, or a bundle, where messages that begin with a zero have one more in front.
#[inline]
fn is_packet(payload: &[u8]) -> bool {
    matches!(payload, [0, 1..=0xFF, ..])
}

/// Something in this bundle is no message.
fn nests(body: &[u8]) -> bool {
    let mut rest = body;
    while let Some((element, behind)) = wire::split_bundle(rest) {
        if is_packet(element) {
            return true;
        }
        rest = behind;
    }
    false
}

/// Appends the messages of a bundle, and of those inside it up to so many `levels`, to `flat`. Returns how many, and whether all of it was well formed.
fn flatten(body: &[u8], levels: u32, longest: Longest, flat: &mut Vec<u8>) -> (u32, bool) {
    let (mut count, mut intact, mut rest) = (0, true, body);
    while let Some((element, behind)) = wire::split_bundle(rest) {
        match element {
            [0, opcode::BUNDLE, inside @ ..] if levels > 1 => {
                let (messages, whole) = flatten(inside, levels - 1, longest, flat);
                (count, intact) = (count + messages, intact && whole);
            }
            // Of no use here.
            _ if is_packet(element) || !longest.takes(element) => intact = false,
            _ => {
                wire::Packing::SHORTEST.push(element.len(), flat);
                flat.extend_from_slice(element);
                count += 1;
            }
        }
        rest = behind;
    }
    (count, intact && rest.is_empty())
}

/// A message without the zero that stands before its own.
#[inline(always)]
fn unescaped(message: &[u8], escaped: bool) -> &[u8] {
    if escaped && message.starts_with(&[0, 0]) { &message[1..] } else { message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages<'a>(events: impl Iterator<Item = Event<'a>>) -> Vec<Vec<u8>> {
        events
            .filter_map(|event| match event.kind {
                EventKind::Message { data, .. } => Some(data.to_vec()),
                _ => None,
            })
            .collect()
    }

    /// A peer's bundle of tiny messages is one record, whatever they begin with and however they are nested.
    #[test]
    fn a_bundle_is_kept_in_no_more_than_it_came_in() {
        let escaped = [&[2, 0, 0][..], &[1, 7].repeat(100_000)].concat();
        let mut nested = vec![0, opcode::BUNDLE];
        (0..1_000).for_each(|_| nested.extend_from_slice(&[6, 0, opcode::BUNDLE, 1, 7, 1, 8]));
        let mostly_plain = [&[0, opcode::BUNDLE, 4, 0, opcode::BUNDLE, 1, 7][..], &[1, 7].repeat(100_000)].concat();
        for (message, count) in [([&wire::BUNDLE_HEAD[..], &escaped].concat(), 100_001), (nested, 2_000), (mostly_plain, 100_001)] {
            let config = Config { escape_reliable: true, ..Config::default() };
            let (mut queue, mut sessions) = (EventQueue::new(&config), Sessions::new(1, false));
            let whose = (SessionId::from_raw(1 << 24), 0);
            let len = message.len();
            assert_eq!(queue.owned(whose, 0, Channel::Reliable0, message, false), (count, true));
            assert_eq!(queue.queue.waiting().len(), 1);
            // Little ones share a block.
            assert!(queue.pool.held_bytes() <= len.max(32 * 1024) + 64, "{} bytes held for {len}", queue.pool.held_bytes());
            let mut got = 0;
            while queue.waits() {
                queue.drain(&mut sessions, 100);
                got += messages(queue.drained()).iter().filter(|message| message.len() == 1).count() as u64;
            }
            assert_eq!(got, count);
        }
    }

    #[test]
    fn a_bundle_comes_out_whole_however_few_events_a_drain_takes_and_however_they_are_read() {
        let body = b"\x01a\x02bc\x00\x03def\x01g";
        let all: Vec<&[u8]> = vec![b"x", b"a", b"bc", b"", b"def", b"g", b"y"];
        for max in 1..=8 {
            for one_by_one in [0, 1, 2, usize::MAX] {
                let (mut queue, mut sessions) = (EventQueue::new(&Config::default()), Sessions::new(1, false));
                let whose = (SessionId::from_raw(1 << 24), 0);
                queue.message(whose, 0, Channel::Reliable0, b"x");
                assert_eq!(queue.bundle(whose, 0, Channel::Reliable0, body), (5, true));
                queue.message(whose, 0, Channel::Reliable0, b"y");
                let mut got = Vec::new();
                while got.len() < all.len() {
                    queue.drain(&mut sessions, max);
                    let mut drained = queue.drained();
                    let expected = max.min(all.len() - got.len());
                    assert_eq!(drained.size_hint(), (expected, Some(expected)));
                    let first = messages(drained.by_ref().take(one_by_one.min(expected)));
                    let then = drained.fold(Vec::new(), |mut rest, event| {
                        rest.push(event);
                        rest
                    });
                    got.extend(first.into_iter().chain(messages(then.into_iter())));
                }
                assert_eq!(got, all, "{max} {one_by_one}");
                queue.drain(&mut sessions, max);
                assert_eq!((queue.drained().count(), queue.waiting, queue.pool.held_bytes()), (0, 0, 0));
            }
        }
    }
}
