//! Two multiplexers of ours with an open session between them, into which bytes are thrown.

use crate::common::*;
use soe::{Address, Config, ConnectOptions};

/// What one side made of what was thrown at it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) thrown: u64,
    /// Of these, those that passed the CRC.
    pub(crate) passed: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.thrown += other.thrown;
        self.passed += other.passed;
    }
}

/// Both settings, and the id on the wire of each session that is opened with them.
pub(crate) struct Setup {
    pub(crate) title: String,
    pub(crate) client: Config,
    pub(crate) server: Config,
    pub(crate) id: u32,
}

pub(crate) struct Live<'a> {
    setup: &'a Setup,
    pub(crate) pair: Pair,
}

impl<'a> Live<'a> {
    pub(crate) fn open(setup: &'a Setup) -> Self {
        let mut pair = Pair::of(setup.client.clone(), setup.server.clone());
        let options = ConnectOptions { session_id_on_wire: setup.id, ..Default::default() };
        pair.id = pair.client.mux.connect(pair.now, &SERVER(), &options).expect("a session");
        let both = |p: &mut Pair| p.client.connected().is_some() && p.server.connected().is_some();
        assert!(pair.drive_until(10 * SECOND, both), "{}: never connected", setup.title);
        pair.peer = pair.server.connected().unwrap();
        Live { setup, pair }
    }

    /// What the session's datagrams are sealed with.
    pub(crate) fn wire(&self) -> Wire {
        let info = self.pair.server.mux.info(self.pair.peer).unwrap();
        let flag = info.passes[0] == soe::Pass::Compress;
        Wire { id: info.session_id_on_wire, seed: info.crc_seed, crc_length: info.crc_length, flag }
    }

    /// Whether the datagram passed for one of the session's, at the server or at the client.
    pub(crate) fn passes(&mut self, at_server: bool, datagram: &[u8]) -> bool {
        let now = self.pair.now;
        let (node, id, from) = match at_server {
            true => (&mut self.pair.server, self.pair.peer, CLIENT()),
            false => (&mut self.pair.client, self.pair.id, SERVER()),
        };
        let received = |mux: &soe::Multiplexer| mux.session_stats(id).map_or(u64::MAX, |stats| stats.datagrams_received);
        let before = received(&node.mux);
        node.mux.feed(now, &from, datagram);
        received(&node.mux) != before
    }

    /// Throws a datagram that is none of the session's. If it passes by chance, then it is the peer's as far as anybody can tell: it must not have ended the session
    /// unless it is a goodbye, but what it said counts, so the next one is thrown at a new session.
    pub(crate) fn throw(&mut self, at_server: bool, datagram: &[u8], tally: &mut Tally) {
        tally.thrown += 1;
        if !self.passes(at_server, datagram) {
            return;
        }
        tally.passed += 1;
        self.pair.step();
        let ended = self.pair.server.disconnected().is_some() || self.pair.client.disconnected().is_some();
        assert!(!ended || datagram.starts_with(&[0, 5]), "{}: ended by {}", self.setup.title, hex(datagram));
        *self = Live::open(self.setup);
    }

    /// From somebody who has no session.
    pub(crate) fn throw_as_stranger(&mut self, at_server: bool, from: Address, datagram: &[u8]) {
        let node = if at_server { &mut self.pair.server } else { &mut self.pair.client };
        node.mux.feed(self.pair.now, &from, datagram);
    }

    /// Nothing came of all that was thrown, and the next message arrives, both ways.
    pub(crate) fn assert_unharmed(&mut self) {
        self.pair.drive(20 * MS);
        let heard: Vec<_> = self.pair.server.take_seen().into_iter().chain(self.pair.client.take_seen()).map(|seen| seen.what).collect();
        let heard: Vec<_> = heard.iter().filter(|what| !matches!(what, What::Connected(_))).collect();
        assert!(heard.is_empty(), "{}: {heard:?}", self.setup.title);
        self.pair.assert_alive();
    }
}
