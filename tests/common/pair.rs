//! Two multiplexers of ours on virtual time, a link between them.

use super::{Link, MS, Path, SECOND, address, config};
use soe::{Address, Channel, Config, ConnectOptions, EndedBy, EventKind, Multiplexer, SessionId};

/// Where the client of a [`Pair`] and of most tests lives: host 1, port 1000.
pub const CLIENT: fn() -> Address = || address(1, 1000);
/// Where the server lives: host 2, port 2000.
pub const SERVER: fn() -> Address = || address(2, 2000);

/// An event that we kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub session: SessionId,
    pub user_data: u64,
    pub time_us: u64,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    ConnectRequest(Vec<u8>),
    Connected(Vec<u8>),
    Message(Channel, Vec<u8>),
    Writable,
    Disconnected(EndedBy, u16),
    Rebound(Address),
    Other,
}

/// One multiplexer, and what it said so far.
pub struct Node {
    pub mux: Multiplexer,
    pub address: Address,
    pub seen: Vec<Seen>,
    /// False: the host is too busy to read its events.
    pub reads_events: bool,
}

impl Node {
    pub fn new(config: Config, address: Address, now: u64) -> Self {
        Node { mux: Multiplexer::new(config, now).expect("a valid config"), address, seen: vec![], reads_events: true }
    }

    /// What a host does once round its loop: tick, read the events, send. A deadline that never moves past `now` would be a host at 100 % CPU.
    pub fn turn(&mut self, now: u64) -> Vec<(Address, Vec<u8>)> {
        let mut out = vec![];
        for _ in 0..100 {
            self.mux.tick(now);
            if self.reads_events {
                self.read_events();
            }
            self.drain(now, &mut out);
            if self.mux.next_deadline() > now || !self.reads_events {
                return out;
            }
        }
        panic!("the deadline {} stays behind now = {now}", self.mux.next_deadline());
    }

    pub fn drain(&mut self, now: u64, out: &mut Vec<(Address, Vec<u8>)>) {
        loop {
            let before = out.len();
            for datagram in self.mux.drain_outgoing(now, 64) {
                assert_eq!(datagram.segment_size, 0, "nobody asked for trains");
                out.push((datagram.to, datagram.data.to_vec()));
            }
            if out.len() - before < 64 {
                return;
            }
        }
    }

    pub fn read_events(&mut self) {
        while self.read_some_events(256) > 0 {}
    }

    /// One drain of at most `max`; how many there were.
    pub fn read_some_events(&mut self, max: usize) -> usize {
        let before = self.seen.len();
        for event in self.mux.drain_events(max) {
            let what = match event.kind {
                EventKind::ConnectRequest { application_protocol } => What::ConnectRequest(application_protocol.to_vec()),
                EventKind::Connected { application_protocol } => What::Connected(application_protocol.to_vec()),
                EventKind::Message { channel, data } => What::Message(channel, data.to_vec()),
                EventKind::Writable => What::Writable,
                EventKind::Disconnected { by, reason } => What::Disconnected(by, reason),
                EventKind::Rebound { address } => What::Rebound(address),
                _ => What::Other,
            };
            self.seen.push(Seen { session: event.session, user_data: event.user_data, time_us: event.time_us, what });
        }
        self.seen.len() - before
    }

    /// Forgets what was seen, and gives it, with whose it was.
    pub fn take_seen(&mut self) -> Vec<Seen> {
        std::mem::take(&mut self.seen)
    }

    /// Forgets what was seen, and gives it.
    pub fn take(&mut self) -> Vec<What> {
        self.seen.drain(..).map(|seen| seen.what).collect()
    }

    /// The messages among what was seen; forgets all of it.
    pub fn take_messages(&mut self) -> Vec<(Channel, Vec<u8>)> {
        self.take()
            .into_iter()
            .filter_map(|what| match what {
                What::Message(channel, data) => Some((channel, data)),
                _ => None,
            })
            .collect()
    }

    /// The messages that came on one channel, in order; keeps them.
    pub fn messages_on(&self, channel: Channel) -> Vec<&[u8]> {
        self.seen
            .iter()
            .filter_map(|seen| match &seen.what {
                What::Message(c, data) if *c == channel => Some(&data[..]),
                _ => None,
            })
            .collect()
    }

    pub fn message_count(&self) -> usize {
        self.seen.iter().filter(|seen| matches!(seen.what, What::Message(..))).count()
    }

    /// Of the last session that was connected.
    pub fn connected(&self) -> Option<SessionId> {
        self.seen.iter().rev().find(|seen| matches!(seen.what, What::Connected(_))).map(|seen| seen.session)
    }

    /// How the last session that ended did end.
    pub fn disconnected(&self) -> Option<(EndedBy, u16)> {
        self.seen.iter().rev().find_map(|seen| match seen.what {
            What::Disconnected(by, reason) => Some((by, reason)),
            _ => None,
        })
    }
}

/// A datagram that passed the tap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tapped {
    pub at: u64,
    pub by_client: bool,
    pub data: Vec<u8>,
}

/// A client and a server, and time.
pub struct Pair {
    pub now: u64,
    pub client: Node,
    pub server: Node,
    pub up: Link,
    pub down: Link,
    /// The client's session.
    pub id: SessionId,
    /// The server's, once it is connected.
    pub peer: SessionId,
    /// Every datagram that either side sent, lost ones too.
    pub tap: Option<Vec<Tapped>>,
    seed: u64,
}

impl Drop for Pair {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the link's seed was {}, its paths {:?} and {:?}, the time {} us", self.seed, self.up.path, self.down.path, self.now);
        }
    }
}

impl Pair {
    /// Both with the config of the tests, 1 ms apart, not yet connecting.
    pub fn new() -> Self {
        Pair::of(config(), config())
    }

    pub fn of(client: Config, server: Config) -> Self {
        Pair::over(Path::CLEAN, 1, client, server)
    }

    pub fn over(path: Path, seed: u64, client: Config, server: Config) -> Self {
        let now = SECOND;
        Pair {
            now,
            client: Node::new(client, CLIENT(), now),
            server: Node::new(server, SERVER(), now),
            up: Link::new(path, seed),
            down: Link::new(path, seed ^ 0xd0_17),
            id: SessionId::from_raw(0),
            peer: SessionId::from_raw(0),
            tap: None,
            seed,
        }
    }

    /// The handshake, over whatever the link is like.
    pub fn connect(mut self) -> Self {
        self.start();
        assert!(self.drive_until(30 * SECOND, |p| p.client.connected().is_some() && p.server.connected().is_some()), "never connected");
        self.peer = self.server.connected().unwrap();
        self.client.take();
        self.server.take();
        self
    }

    /// Connects, and doesn't wait for it.
    pub fn start(&mut self) {
        self.id = self.client.mux.connect(self.now, &SERVER(), &ConnectOptions::default()).expect("a session");
    }

    pub fn tapped(mut self) -> Self {
        self.tap = Some(vec![]);
        self
    }

    pub fn rough(&mut self, path: Path) {
        self.up.path = path;
        self.down.path = path;
    }

    pub fn send(&mut self, channel: Channel, data: &[u8]) {
        self.client.mux.send(self.id, channel, data).expect("room to send");
    }

    pub fn reply(&mut self, channel: Channel, data: &[u8]) {
        self.server.mux.send(self.peer, channel, data).expect("room to send");
    }

    /// Feeds what has arrived by now, and lets both sides turn once.
    pub fn step(&mut self) {
        while let Some((from, to, datagram)) = self.up.pop(self.now) {
            if to == self.server.address {
                self.server.mux.feed(self.now, &from, &datagram);
            }
        }
        while let Some((from, to, datagram)) = self.down.pop(self.now) {
            if to == self.client.address {
                self.client.mux.feed(self.now, &from, &datagram);
            }
        }
        for (to, data) in self.client.turn(self.now) {
            self.up.push(self.now, self.client.address, to, &data);
            if let Some(tap) = &mut self.tap {
                tap.push(Tapped { at: self.now, by_client: true, data });
            }
        }
        for (to, data) in self.server.turn(self.now) {
            self.down.push(self.now, self.server.address, to, &data);
            if let Some(tap) = &mut self.tap {
                tap.push(Tapped { at: self.now, by_client: false, data });
            }
        }
    }

    /// When something happens next, by the deadlines and the link; at most `limit`.
    fn next(&self, limit: u64) -> u64 {
        [self.up.next_arrival(), self.down.next_arrival(), Some(self.client.mux.next_deadline()), Some(self.server.mux.next_deadline())]
            .into_iter()
            .flatten()
            .fold(limit, u64::min)
            .max(self.now)
    }

    /// Time passes.
    pub fn drive(&mut self, us: u64) {
        self.drive_until(us, |_| false);
    }

    /// Time passes until `done`, or until `us` have; says whether it was done.
    pub fn drive_until(&mut self, us: u64, mut done: impl FnMut(&mut Pair) -> bool) -> bool {
        let limit = self.now + us;
        loop {
            self.step();
            if done(self) {
                return true;
            }
            if self.now >= limit {
                return false;
            }
            let next = self.next(limit);
            // Nodes that don't read their events may leave a deadline behind.
            self.now = if next > self.now { next } else { (self.now + MS).min(limit) };
        }
    }

    /// Both say something and hear it: the session is as good as new.
    pub fn assert_alive(&mut self) {
        self.rough(Path::CLEAN);
        self.client.take();
        self.server.take();
        self.send(Channel::Reliable0, b"are you there?");
        self.reply(Channel::Reliable0, b"yes, and you?");
        let both = |p: &mut Pair| p.client.message_count() > 0 && p.server.message_count() > 0;
        assert!(self.drive_until(10 * SECOND, both), "the session is dead: {:?} {:?}", self.client.seen, self.server.seen);
        assert_eq!(self.server.take_messages(), [(Channel::Reliable0, b"are you there?".to_vec())]);
        assert_eq!(self.client.take_messages(), [(Channel::Reliable0, b"yes, and you?".to_vec())]);
    }
}
