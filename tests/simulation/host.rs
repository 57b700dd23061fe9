//! A host: its multiplexer, how it looks after it, and where it is.

use crate::common::MS;
use crate::meter::metered;
use soe::{Address, Channel, Config, EndedBy, EventKind, Multiplexer, SessionId, Stats};
use std::collections::{HashMap, HashSet};

/// An event that the host keeps.
#[derive(Clone, Debug)]
pub enum Said {
    ConnectRequest,
    Connected,
    Message(Channel, Vec<u8>),
    Writable,
    Disconnected(EndedBy, u16),
    Rebound(Address),
}

/// A datagram that the host sends.
pub struct Sent {
    pub session: Option<SessionId>,
    pub to: Address,
    pub data: Vec<u8>,
}

/// How rarely a host looks.
#[derive(Clone, Copy)]
pub struct Pace {
    pub until: u64,
    pub every: u64,
    pub most: usize,
    pub next: u64,
}

pub struct Host {
    pub mux: Option<Multiplexer>,
    pub config: Config,
    /// Where others see it.
    pub address: Address,
    pub pace: Option<Pace>,
    /// Since when it looks in time.
    pub prompt_since: u64,
    /// When it was last slow, jumped over, or not there.
    pub strained_at: Option<u64>,
    pub returns_at: Option<u64>,
    /// A client's: when it connects anew.
    pub connects_at: Option<u64>,
    /// Talk and end of each session.
    pub sessions: HashMap<SessionId, (usize, usize)>,
    /// Connect requests that it was asked about.
    pub requests: HashSet<SessionId>,
    /// Bytes that its multiplexer holds.
    pub held: isize,
    /// Bytes that its sessions needed at most.
    pub needed: usize,
    pub stats: Stats,
    /// Turns in which it found something to do.
    pub turns: usize,
    pub touched: bool,
    generation: u64,
}

impl Host {
    pub fn new(config: Config, address: Address, now: u64) -> Host {
        let mut host = Host {
            mux: None,
            config,
            address,
            pace: None,
            prompt_since: now,
            strained_at: None,
            returns_at: None,
            connects_at: None,
            sessions: HashMap::new(),
            requests: HashSet::new(),
            held: 0,
            needed: 0,
            stats: Stats::default(),
            turns: 0,
            touched: false,
            generation: 0,
        };
        host.start(now);
        host
    }

    /// A new process, whose random numbers are others.
    pub fn start(&mut self, now: u64) {
        self.generation += 1;
        let config = Config { rng_seed: self.config.rng_seed ^ self.generation << 40, ..self.config.clone() };
        (self.held, self.needed) = (0, 0);
        self.mux = metered(&mut self.held, || Multiplexer::new(config, now)).ok();
        assert!(self.mux.is_some(), "a config that is refused: {:?}", self.config);
        (self.stats, self.prompt_since) = (Stats::default(), now);
        self.returns_at = None;
    }

    pub fn vanish(&mut self, returns_at: u64) {
        self.mux = None;
        self.sessions.clear();
        self.requests.clear();
        self.returns_at = Some(returns_at);
        (self.pace, self.connects_at) = (None, None);
    }

    /// Something with the multiplexer, on its account.
    pub fn on<T>(&mut self, work: impl FnOnce(&mut Multiplexer) -> T) -> Option<T> {
        let Host { mux, held, .. } = self;
        mux.as_mut().map(|mux| metered(held, || work(mux)))
    }

    /// When it looks after its multiplexer next.
    pub fn next_turn(&self, now: u64) -> Option<u64> {
        let mux = self.mux.as_ref()?;
        match self.pace {
            Some(pace) => Some(pace.next),
            None if self.touched => Some(now),
            None => Some(mux.next_deadline()),
        }
    }

    /// At most `most` events; those that are lent are copied.
    pub fn events(&mut self, most: usize) -> Vec<(SessionId, u64, Said)> {
        let Host { mux, held, .. } = self;
        let Some(mux) = mux else { return vec![] };
        let events = metered(held, || mux.drain_events(most));
        events
            .map(|event| {
                let said = match event.kind {
                    EventKind::ConnectRequest { .. } => Said::ConnectRequest,
                    EventKind::Connected { .. } => Said::Connected,
                    EventKind::Message { channel, data } => Said::Message(channel, data.to_vec()),
                    EventKind::Writable => Said::Writable,
                    EventKind::Disconnected { by, reason } => Said::Disconnected(by, reason),
                    EventKind::Rebound { address } => Said::Rebound(address),
                    other => panic!("an event that the simulator doesn't know: {other:?}"),
                };
                (event.session, event.time_us, said)
            })
            .collect()
    }

    /// At most `most` datagrams or trains, the latter taken apart; and how many these were.
    pub fn outgoing(&mut self, now: u64, most: usize) -> (usize, Vec<Sent>) {
        let Host { mux, held, .. } = self;
        let Some(mux) = mux else { return (0, vec![]) };
        let mut all = vec![];
        let lent = metered(held, || mux.drain_outgoing(now, most));
        let count = lent.len();
        for datagram in lent {
            let size = if datagram.segment_size == 0 { datagram.data.len() } else { datagram.segment_size as usize };
            all.extend(datagram.data.chunks(size.max(1)).map(|data| Sent {
                session: datagram.session,
                to: datagram.to,
                data: data.to_vec(),
            }));
        }
        (count, all)
    }

    /// What `poll` is to be told where nothing waits.
    pub fn expected_timeout(deadline: u64, now: u64) -> i32 {
        match deadline {
            u64::MAX => -1,
            _ => i32::try_from(deadline.saturating_sub(now).div_ceil(MS)).unwrap_or(i32::MAX),
        }
    }
}
