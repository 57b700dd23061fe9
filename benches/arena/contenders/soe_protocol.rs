//! The soe-protocol crate, 2.3.0: the other implementation of this protocol in Rust.

use super::{Crowd, End};
use bytes::Bytes;
use soe_protocol::SessionParameters;
use soe_protocol::socket::{SocketConfig, SocketEvent, SoeMultiplexer};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

const GREETING: &[u8] = &[1; 16];

type Mux = SoeMultiplexer<SocketAddr>;

fn multiplexer(seed: u64) -> Mux {
    let default_session_params = SessionParameters { application_protocol: "Arena".into(), ..Default::default() };
    SoeMultiplexer::new(SocketConfig { default_session_params, base_rng_seed: seed, ..Default::default() })
}

fn place(index: u32) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::from(0x0a00_0000 + index), 1024))
}

pub(crate) struct Side {
    mux: Mux,
    remote: SocketAddr,
    epoch: Instant,
    open: bool,
}

pub(crate) fn pair() -> (Side, Side) {
    let epoch = Instant::now();
    let side = |seed, remote| Side { mux: multiplexer(seed), remote: place(remote), epoch, open: false };
    let (mut client, server) = (side(1, 2), side(2, 1));
    client.mux.connect(client.remote, epoch);
    (client, server)
}

impl Side {
    fn take(&mut self, now: u64, datagram: Bytes) {
        self.mux.process_incoming(self.remote, datagram, self.epoch + Duration::from_micros(now));
    }
}

impl End for Side {
    fn is_open(&self) -> bool {
        self.open
    }

    fn send(&mut self, data: &[u8]) -> bool {
        self.mux.enqueue_data(&self.remote, data)
    }

    fn feed(&mut self, now: u64, datagram: &[u8]) {
        self.take(now, Bytes::copy_from_slice(datagram));
    }

    fn tick(&mut self, now: u64) {
        self.mux.run_tick(self.epoch + Duration::from_micros(now));
    }

    fn drain(&mut self, _now: u64, mut sink: impl FnMut(&[u8])) {
        for (_, datagram) in self.mux.take_outgoing() {
            sink(&datagram);
        }
    }

    fn receive(&mut self, mut sink: impl FnMut(&[u8])) {
        for event in self.mux.take_events() {
            match event {
                SocketEvent::SessionOpened { .. } => self.open = true,
                SocketEvent::DataReceived { data, .. } => sink(&data),
                SocketEvent::SessionClosed { .. } => self.open = false,
            }
        }
    }

    fn carry(&mut self, now: u64, to: &mut Self) -> u64 {
        let datagrams = self.mux.take_outgoing();
        let count = datagrams.len() as u64;
        for (_, datagram) in datagrams {
            to.take(now, datagram);
        }
        count
    }
}

pub(crate) struct Hosts {
    client: Mux,
    server: Mux,
    epoch: Instant,
}

impl Hosts {
    pub(crate) fn new() -> Self {
        Hosts { client: multiplexer(1), server: multiplexer(2), epoch: Instant::now() }
    }
}

fn carry(now: Instant, from: &mut Mux, to: &mut Mux) -> bool {
    let datagrams = from.take_outgoing();
    let any = !datagrams.is_empty();
    for (address, datagram) in datagrams {
        to.process_incoming(address, datagram, now);
    }
    any
}

impl Crowd for Hosts {
    fn connect(&mut self, now: u64, index: u32) {
        self.client.connect(place(index), self.epoch + Duration::from_micros(now));
    }

    fn say(&mut self, _now: u64, index: u32) {
        let _ = self.client.enqueue_data(&place(index), GREETING);
    }

    fn round(&mut self, now: u64) -> u64 {
        let now = self.epoch + Duration::from_micros(now);
        let Hosts { client, server, .. } = self;
        client.run_tick(now);
        server.run_tick(now);
        let mut heard = 0;
        while carry(now, client, server) | carry(now, server, client) {
            for event in client.take_events() {
                if let SocketEvent::SessionOpened { remote } = event {
                    let _ = client.enqueue_data(&remote, GREETING);
                }
            }
            for event in server.take_events() {
                if let SocketEvent::DataReceived { remote, .. } = event {
                    let _ = server.enqueue_data(&remote, GREETING);
                    heard += 1;
                }
            }
        }
        heard
    }

    fn idle(&mut self, now: u64) {
        self.server.run_tick(self.epoch + Duration::from_micros(now));
        std::hint::black_box(self.server.take_outgoing());
    }
}
