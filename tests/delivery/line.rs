//! Two multiplexers and a line between them, fast enough for a thousand transfers: rate and drop-tail queue, delay, jitter, loss alone and in bursts,
//! duplicates, and a filter that picks its victims.

use crate::cargo::Cargo;
use crate::common::{CLIENT, Random, SECOND, SERVER, Wire};
use soe::{Address, Channel, Config, ConnectOptions, EndedBy, Error, EventKind, Multiplexer, SessionId};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

/// IPv4 and UDP headers: what the line carries besides the datagram.
pub(crate) const HEADERS: u64 = 28;
/// A full datagram on the line.
pub(crate) const FULL: u64 = 512 + HEADERS;

/// Loss that comes in bursts: a line that is bad for a while, then good for a while, both exponentially distributed (Gilbert and Elliott).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bursts {
    pub(crate) good_us: f64,
    pub(crate) bad_us: f64,
    /// Loss while it is bad.
    pub(crate) loss: f64,
}

/// What one direction does to datagrams.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    /// Bits per second; infinite: none is in the way of another.
    pub(crate) rate: f64,
    /// Bytes that may wait for the line, headers included; what would be more is dropped.
    pub(crate) queue: f64,
    pub(crate) delay_us: u64,
    /// Up to this much more for each datagram.
    pub(crate) jitter_us: u64,
    /// 0..1, of single datagrams, on the line: they took their share of the rate.
    pub(crate) loss: f64,
    pub(crate) bursts: Option<Bursts>,
    pub(crate) duplicates: f64,
    /// Nothing passes from..until.
    pub(crate) outage: Range<u64>,
}

impl Route {
    /// Only a delay.
    pub(crate) fn delay(delay_us: u64) -> Self {
        let (rate, queue) = (f64::INFINITY, f64::INFINITY);
        Route { rate, queue, delay_us, jitter_us: 0, loss: 0.0, bursts: None, duplicates: 0.0, outage: 0..0 }
    }

    /// The share that is lost, in the long run.
    pub(crate) fn mean_loss(&self) -> f64 {
        let bursts = self.bursts.map_or(0.0, |bursts| bursts.loss * bursts.bad_us / (bursts.bad_us + bursts.good_us));
        1.0 - (1.0 - self.loss) * (1.0 - bursts)
    }
}

/// 0..1.
pub(crate) fn unit(random: &mut Random) -> f64 {
    (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// One direction.
pub(crate) struct Link {
    pub(crate) route: Route,
    random: Random,
    /// When the line has sent what is queued, in microseconds.
    free_at: f64,
    bad: bool,
    changes_at: f64,
    order: u64,
    flying: BinaryHeap<Reverse<(u64, u64, u32)>>,
    buffers: Vec<Vec<u8>>,
    spare: Vec<u32>,
    pub(crate) offered: u64,
    /// Dropped because the queue was full.
    pub(crate) overflowed: u64,
}

impl Link {
    fn new(route: Route, seed: u64) -> Self {
        Link {
            route,
            random: Random::new(seed),
            free_at: 0.0,
            bad: true,
            changes_at: 0.0,
            order: 0,
            flying: BinaryHeap::new(),
            buffers: vec![],
            spare: vec![],
            offered: 0,
            overflowed: 0,
        }
    }

    fn loses(&mut self, now: u64) -> bool {
        let Route { loss, bursts, ref outage, .. } = self.route;
        let alone = loss > 0.0 && unit(&mut self.random) < loss;
        let Some(bursts) = bursts else { return alone || outage.contains(&now) };
        while self.changes_at <= now as f64 {
            self.bad = !self.bad;
            let mean = if self.bad { bursts.bad_us } else { bursts.good_us };
            self.changes_at = self.changes_at.max(now as f64 - 1e6) - mean * (1.0 - unit(&mut self.random)).ln();
        }
        alone || outage.contains(&now) || (self.bad && unit(&mut self.random) < bursts.loss)
    }

    /// Takes a datagram; `lost`: it vanishes on the line.
    fn push(&mut self, now: u64, datagram: &[u8], lost: bool) {
        self.offered += 1;
        let size = datagram.len() as u64 + HEADERS;
        let mut leaves_at = now as f64;
        if self.route.rate.is_finite() {
            let us_per_byte = 8e6 / self.route.rate;
            let waiting = (self.free_at - leaves_at).max(0.0) / us_per_byte;
            if waiting + size as f64 > self.route.queue {
                self.overflowed += 1;
                return;
            }
            leaves_at = self.free_at.max(leaves_at) + size as f64 * us_per_byte;
            self.free_at = leaves_at;
        }
        if self.loses(now) || lost {
            return;
        }
        let copies = 1 + u64::from(self.route.duplicates > 0.0 && unit(&mut self.random) < self.route.duplicates);
        for _ in 0..copies {
            let jitter = if self.route.jitter_us > 0 { self.random.below(self.route.jitter_us) } else { 0 };
            let slot = self.spare.pop().unwrap_or_else(|| {
                self.buffers.push(Vec::with_capacity(512));
                self.buffers.len() as u32 - 1
            });
            let buffer = &mut self.buffers[slot as usize];
            buffer.clear();
            buffer.extend_from_slice(datagram);
            self.order += 1;
            self.flying.push(Reverse((leaves_at as u64 + self.route.delay_us + jitter, self.order, slot)));
        }
    }

    fn next_arrival(&self) -> Option<u64> {
        self.flying.peek().map(|Reverse((at, ..))| *at)
    }

    fn pop(&mut self, now: u64) -> Option<u32> {
        self.next_arrival().filter(|at| *at <= now)?;
        self.flying.pop().map(|Reverse((_, _, slot))| slot)
    }
}

/// A multiplexer with one session, and a host that sends its cargo as fast as it is taken.
pub(crate) struct End {
    pub(crate) mux: Multiplexer,
    address: Address,
    pub(crate) id: Option<SessionId>,
    /// The host looks at its socket every so many microseconds, and at the deadlines of the multiplexer; 0: as soon as something arrives.
    tick_us: u64,
    phase_us: u64,
    wakes: bool,
    sends: Cargo,
    sent: usize,
    blocked: bool,
    expects: Cargo,
    /// What comes is no cargo.
    pub(crate) unchecked: bool,
    pub(crate) got: usize,
    /// When each message of it arrived.
    pub(crate) got_at: Vec<u64>,
    pub(crate) writable: u32,
    pub(crate) ended: Option<(EndedBy, u16)>,
    pub(crate) wrong: Option<String>,
    message: Vec<u8>,
}

impl End {
    fn new(config: Config, address: Address, (tick_us, phase_us): (u64, u64), now: u64) -> Self {
        End {
            mux: Multiplexer::new(config, now).expect("a valid config"),
            address,
            id: None,
            tick_us,
            phase_us,
            wakes: false,
            sends: Cargo::default(),
            sent: 0,
            blocked: false,
            expects: Cargo::default(),
            unchecked: false,
            got: 0,
            got_at: vec![],
            writable: 0,
            ended: None,
            wrong: None,
            message: vec![],
        }
    }

    /// When the host next looks, given that something arrives then.
    fn looks_at(&self, at: u64) -> u64 {
        match self.tick_us {
            0 => at,
            tick => self.phase_us + at.saturating_sub(self.phase_us).div_ceil(tick) * tick,
        }
    }

    fn wrong(&mut self, what: String) {
        self.wrong.get_or_insert(what);
    }

    fn read_events(&mut self, now: u64) {
        loop {
            let (mut count, mut wrong) = (0, None);
            for event in self.mux.drain_events(256) {
                count += 1;
                match event.kind {
                    EventKind::Message { channel: Channel::Reliable0, data } => {
                        if !self.unchecked
                            && let Err(what) = self.expects.check(self.got, data)
                        {
                            wrong.get_or_insert(what);
                        }
                        self.got += 1;
                        self.got_at.push(now);
                    }
                    EventKind::Connected { .. } => self.id = Some(event.session),
                    EventKind::Writable => {
                        self.writable += 1;
                        self.blocked = false;
                    }
                    EventKind::Disconnected { by, reason } => self.ended = Some((by, reason)),
                    _ => {}
                }
            }
            if let Some(wrong) = wrong {
                self.wrong(wrong);
            }
            if count == 0 {
                return;
            }
        }
    }

    fn send_what_is_taken(&mut self) {
        let Some(id) = self.id else { return };
        while !self.blocked && self.sent < self.sends.len() && self.ended.is_none() {
            self.sends.write(self.sent, &mut self.message);
            match self.mux.send(id, Channel::Reliable0, &self.message) {
                Ok(()) => self.sent += 1,
                Err(Error::WouldBlock) => self.blocked = true,
                Err(error) => return self.wrong(format!("send said {error:?}")),
            }
        }
    }

    /// All that was expected has come.
    pub(crate) fn is_done(&self) -> bool {
        self.got >= self.expects.len()
    }

    /// Nothing is queued, and nothing unacknowledged.
    pub(crate) fn is_quiet(&self) -> bool {
        self.sent == self.sends.len()
            && self.id.is_none_or(|id| self.mux.info(id).is_ok_and(|info| info.queued_bytes == 0))
            && self.mux.stats().datagrams_sent > 0
    }
}

/// A datagram that an end sent.
#[derive(Clone, Debug)]
pub(crate) struct Passing {
    pub(crate) at: u64,
    pub(crate) by_client: bool,
    /// Of this end's datagrams, since the filter was set.
    pub(crate) index: u64,
    /// MultiPackets taken apart; empty before the session is open.
    pub(crate) packets: Vec<Vec<u8>>,
}

impl Passing {
    /// The sequences of reliable packets of the first channel in it.
    pub(crate) fn sequences(&self) -> impl Iterator<Item = u16> + '_ {
        self.packets.iter().filter_map(|packet| match packet[..] {
            [0, 0x09 | 0x0d, high, low, ..] => Some(u16::from_be_bytes([high, low])),
            _ => None,
        })
    }
}

type Filter = Box<dyn FnMut(&Passing) -> bool>;

/// A client (end 0), a server (end 1), and time.
pub(crate) struct Line {
    pub(crate) now: u64,
    pub(crate) ends: [End; 2],
    /// From the client, from the server.
    pub(crate) links: [Link; 2],
    /// True where the line shall lose it.
    filter: Option<Filter>,
    /// Every datagram, lost ones too, once [`Line::watch`] was called.
    pub(crate) seen: Vec<Passing>,
    watched: bool,
    counts: [u64; 2],
}

impl Line {
    pub(crate) fn new(routes: [Route; 2], configs: [Config; 2], hosts: [(u64, u64); 2], seed: u64) -> Self {
        let now = SECOND;
        let [up, down] = routes;
        let [client, server] = configs;
        Line {
            now,
            ends: [End::new(client, CLIENT(), hosts[0], now), End::new(server, SERVER(), hosts[1], now)],
            links: [Link::new(up, seed), Link::new(down, seed ^ 0xd0_17)],
            filter: None,
            seen: vec![],
            watched: false,
            counts: [0; 2],
        }
    }

    /// The handshake, over whatever the line is like; with a first message, so that a lost heartbeat leaves no server behind that knows nothing.
    pub(crate) fn connect(&mut self) -> bool {
        self.ends[0].mux.connect(self.now, &SERVER(), &ConnectOptions::default()).expect("a session");
        self.ends[0].wakes = true;
        if !self.drive(60 * SECOND, |line| line.ends[0].id.is_some()) {
            return false;
        }
        let client = &mut self.ends[0];
        client.mux.send(client.id.unwrap(), Channel::Reliable1, b"hello").expect("a new session");
        client.wakes = true;
        self.drive(60 * SECOND, |line| line.ends[1].id.is_some() && line.ends[0].is_quiet())
    }

    /// Sends `cargo` from one end to the other.
    pub(crate) fn carry(&mut self, from: usize, cargo: Cargo) {
        let (sender, receiver) = match &mut self.ends {
            [client, server] if from == 0 => (client, server),
            [client, server] => (server, client),
        };
        (receiver.got, receiver.got_at, receiver.expects) = (0, vec![], cargo.clone());
        (sender.sent, sender.sends, sender.wakes) = (0, cargo, true);
    }

    /// The host of one end has something to do now.
    pub(crate) fn wake(&mut self, side: usize) {
        self.ends[side].wakes = true;
    }

    /// From now on `filter` says what is lost, and every datagram is kept in [`Line::seen`].
    pub(crate) fn lose(&mut self, filter: impl FnMut(&Passing) -> bool + 'static) {
        self.filter = Some(Box::new(filter));
        self.watch();
    }

    pub(crate) fn watch(&mut self) {
        (self.watched, self.seen, self.counts) = (true, vec![], [0; 2]);
    }

    /// How the session's datagrams are read.
    fn wire(&self) -> Option<Wire> {
        let server = self.ends[1].id.and_then(|id| self.ends[1].mux.info(id).ok());
        let info = server.or_else(|| self.ends[0].id.and_then(|id| self.ends[0].mux.info(id).ok()))?;
        Some(Wire { id: info.session_id_on_wire, seed: info.crc_seed, crc_length: info.crc_length, flag: false })
    }

    /// One end reads what arrived, says what it has to say.
    fn turn(&mut self, side: usize) {
        let now = self.now;
        let wire = if self.watched { self.wire() } else { None };
        let Line { ends, links, filter, seen, watched, counts, .. } = self;
        let [up, down] = links;
        let (inbound, outbound) = if side == 0 { (down, up) } else { (up, down) };
        let peer = ends[1 - side].address;
        let end = &mut ends[side];
        end.wakes = false;
        while let Some(slot) = inbound.pop(now) {
            end.mux.feed(now, &peer, &inbound.buffers[slot as usize]);
            inbound.spare.push(slot);
        }
        for _ in 0..100 {
            end.mux.tick(now);
            end.read_events(now);
            end.send_what_is_taken();
            loop {
                let datagrams = end.mux.drain_outgoing(now, 64);
                let full = datagrams.len() == 64;
                for datagram in datagrams {
                    let mut lost = false;
                    if *watched {
                        let packets = wire.filter(|wire| wire.open(datagram.data).is_some()).map(|wire| wire.packets(datagram.data));
                        let passing = Passing { at: now, by_client: side == 0, index: counts[side], packets: packets.unwrap_or_default() };
                        counts[side] += 1;
                        lost = filter.as_mut().is_some_and(|filter| filter(&passing));
                        seen.push(passing);
                    }
                    outbound.push(now, datagram.data, lost);
                }
                if !full {
                    break;
                }
            }
            if end.mux.next_deadline() > now {
                return;
            }
        }
        end.wrong(format!("the deadline {} stays behind now = {now}", end.mux.next_deadline()));
    }

    fn wakes_at(&self, side: usize) -> u64 {
        let end = &self.ends[side];
        if end.wakes {
            return self.now;
        }
        let arrival = self.links[1 - side].next_arrival().map_or(u64::MAX, |at| end.looks_at(at));
        arrival.min(end.mux.next_deadline()).max(self.now)
    }

    /// Time passes until `done`, or until `us` have, or something went wrong; says whether it was done.
    pub(crate) fn drive(&mut self, us: u64, mut done: impl FnMut(&Line) -> bool) -> bool {
        let limit = self.now + us;
        loop {
            let wakes_at = [self.wakes_at(0), self.wakes_at(1)];
            let next = wakes_at[0].min(wakes_at[1]);
            if next > limit {
                self.now = limit;
                return done(self);
            }
            self.now = next;
            for (side, at) in wakes_at.into_iter().enumerate() {
                if at <= next {
                    self.turn(side);
                }
            }
            if done(self) {
                return true;
            }
            if self.ends.iter().any(|end| end.wrong.is_some() || end.ended.is_some()) {
                return false;
            }
        }
    }

    /// Both cargoes have come.
    pub(crate) fn is_done(&self) -> bool {
        self.ends.iter().all(End::is_done)
    }
}
