//! libsoe, through its Rust API.

use super::{Crowd, End};
use soe::{Address, Channel, Config, ConnectOptions, EventKind, Multiplexer, SessionId};
use std::net::{Ipv4Addr, SocketAddr};

const BATCH: usize = 64;
const GREETING: &[u8] = &[1; 16];

fn multiplexer(seed: u64, max_sessions: u32, redundancy: u32) -> Multiplexer {
    let name = Some(b"Arena".to_vec());
    let config = Config { application_protocol: name, rng_seed: seed, max_sessions, redundancy, ..Config::default() };
    Multiplexer::new(config, 0).expect("a valid config")
}

fn place(index: u32) -> Address {
    SocketAddr::from((Ipv4Addr::from(0x0a00_0000 + index), 1024)).into()
}

/// Every datagram of `from`, into `to`, which knows it as `remote`.
fn carry(now: u64, from: &mut Multiplexer, mut feed: impl FnMut(&Address, &[u8])) -> u64 {
    let mut total = 0;
    loop {
        let batch = from.drain_outgoing(now, BATCH);
        let count = batch.len();
        for datagram in batch {
            feed(&datagram.to, datagram.data);
        }
        total += count as u64;
        if count < BATCH {
            return total;
        }
    }
}

pub(crate) struct Side {
    mux: Multiplexer,
    remote: Address,
    session: Option<SessionId>,
}

/// `redundancy`: how many more times a small packet goes out before any loss is known.
pub(crate) fn pair(redundancy: u32) -> (Side, Side) {
    let side = |seed, remote| Side { mux: multiplexer(seed, 16, redundancy), remote: place(remote), session: None };
    let (mut client, server) = (side(11, 2), side(12, 1));
    client.mux.connect(0, &client.remote, &ConnectOptions::default()).expect("a session");
    (client, server)
}

impl End for Side {
    fn is_open(&self) -> bool {
        self.session.is_some()
    }

    fn send(&mut self, data: &[u8]) -> bool {
        self.session.is_some_and(|session| self.mux.send(session, Channel::Reliable0, data).is_ok())
    }

    fn feed(&mut self, now: u64, datagram: &[u8]) {
        self.mux.feed(now, &self.remote, datagram);
    }

    fn tick(&mut self, now: u64) {
        self.mux.tick(now);
    }

    fn drain(&mut self, now: u64, mut sink: impl FnMut(&[u8])) {
        carry(now, &mut self.mux, |_, datagram| sink(datagram));
    }

    fn receive(&mut self, mut sink: impl FnMut(&[u8])) {
        loop {
            let events = self.mux.drain_events(BATCH);
            if events.len() == 0 {
                return;
            }
            for event in events {
                match event.kind {
                    EventKind::Connected { .. } => self.session = Some(event.session),
                    EventKind::Disconnected { .. } => self.session = None,
                    EventKind::Message { data, .. } => sink(data),
                    _ => {}
                }
            }
        }
    }

    fn carry(&mut self, now: u64, to: &mut Self) -> u64 {
        carry(now, &mut self.mux, |_, datagram| to.mux.feed(now, &to.remote, datagram))
    }

    fn deadline(&self) -> u64 {
        self.mux.next_deadline()
    }
}

pub(crate) struct Hosts {
    client: Multiplexer,
    server: Multiplexer,
    /// Sessions that have something to say.
    due: Vec<SessionId>,
}

impl Hosts {
    pub(crate) fn new(most: u32) -> Self {
        Hosts { client: multiplexer(1, most, 0), server: multiplexer(2, most, 0), due: Vec::new() }
    }
}

/// Greets on every session whose event `wants` it; returns how many messages were among the events.
fn greet(mux: &mut Multiplexer, due: &mut Vec<SessionId>, wants: fn(&EventKind<'_>) -> bool) -> u64 {
    let mut messages = 0;
    loop {
        let events = mux.drain_events(BATCH);
        if events.len() == 0 {
            return messages;
        }
        for event in events {
            messages += u64::from(matches!(event.kind, EventKind::Message { .. }));
            if wants(&event.kind) {
                due.push(event.session);
            }
        }
        for session in due.drain(..) {
            let _ = mux.send(session, Channel::Reliable0, GREETING);
        }
    }
}

impl Crowd for Hosts {
    fn connect(&mut self, now: u64, index: u32) {
        self.client.connect(now, &place(index), &ConnectOptions::default()).expect("a session");
    }

    fn say(&mut self, _now: u64, index: u32) {
        if let Some(session) = self.client.find(&place(index)) {
            let _ = self.client.send(session, Channel::Reliable0, GREETING);
        }
    }

    fn round(&mut self, now: u64) -> u64 {
        let Hosts { client, server, due } = self;
        client.tick(now);
        server.tick(now);
        let mut heard = 0;
        loop {
            let moved = carry(now, client, |from, datagram| server.feed(now, from, datagram))
                + carry(now, server, |from, datagram| client.feed(now, from, datagram));
            greet(client, due, |kind| matches!(kind, EventKind::Connected { .. }));
            heard += greet(server, due, |kind| matches!(kind, EventKind::Message { .. }));
            if moved == 0 {
                return heard;
            }
        }
    }

    fn idle(&mut self, now: u64) {
        self.server.tick(now);
        for datagram in self.server.drain_outgoing(now, BATCH) {
            std::hint::black_box(datagram.data);
        }
    }
}
