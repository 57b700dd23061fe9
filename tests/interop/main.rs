//! Talks with soe-protocol, which we did not write: its current version, and its first on the one channel that that one knows.
//!
//! It has habits that a test of it must live with. It never repeats a handshake, so nothing is lost until both ends are open. A client of it says nothing when it is
//! connected, so it speaks first. It never repeats an acknowledgement that was lost, so what counts is what was delivered, not that a link falls silent.

#[path = "../common/mod.rs"]
mod common;

mod version_1;
mod version_2;

use bytes::Bytes;
use common::{CLIENT, Link, MS, Node, PROTOCOL, Path, RELIABLE, Random, SECOND, SERVER, config, noise, socket};
use soe::{Channel, Config, ConnectOptions, Disconnect, EndedBy, Key, Pass, SessionId, reason};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What happened at the other library's end.
#[derive(Debug, Default)]
struct Heard {
    opened: bool,
    messages: Vec<(Channel, Vec<u8>)>,
    /// The reason's number on the wire.
    closed: Option<u16>,
}

impl Heard {
    fn on(&self, channel: Channel) -> Vec<&[u8]> {
        self.messages.iter().filter(|(c, _)| *c == channel).map(|(_, data)| &data[..]).collect()
    }
}

/// The other library.
trait Foreign {
    fn connect(&mut self, now: u64);
    fn feed(&mut self, now: u64, datagram: &[u8]);
    fn tick(&mut self, now: u64);
    fn drain(&mut self) -> Vec<Vec<u8>>;
    fn send(&mut self, channel: Channel, data: &[u8]);
    fn terminate(&mut self, now: u64, reason: u16);
    fn heard(&mut self) -> &mut Heard;
}

/// How the other library is set up.
#[derive(Clone, Default)]
struct Setup {
    key: Option<Vec<u8>>,
    compression: bool,
    udp_length: Option<u32>,
}

const KEY: [u8; 5] = [1, 2, 3, 4, 5];

macro_rules! foreign {
    ($name:ident, $library:ident, |$event:ident, $heard:ident| $data_received:expr, |$mux:ident, $to:ident, $channel:ident, $data:ident| $send:expr) => {
        struct $name {
            mux: $library::SoeMultiplexer<SocketAddr>,
            remote: SocketAddr,
            epoch: Instant,
            heard: Heard,
        }

        impl $name {
            fn new(setup: &Setup, remote: SocketAddr) -> Self {
                let mut params = $library::SessionParameters {
                    application_protocol: String::from_utf8(PROTOCOL.to_vec()).unwrap(),
                    is_compression_enabled: setup.compression,
                    ..Default::default()
                };
                if let Some(udp_length) = setup.udp_length {
                    params.udp_length = udp_length;
                }
                let mux = $library::SoeMultiplexer::new($library::SocketConfig {
                    default_session_params: params,
                    app_params: $library::ApplicationParameters {
                        encryption_key_state: setup.key.as_deref().map($library::Rc4KeyState::new),
                    },
                    base_rng_seed: 7,
                    ..Default::default()
                });
                $name { mux, remote, epoch: Instant::now(), heard: Heard::default() }
            }

            fn at(&self, now: u64) -> Instant {
                self.epoch + Duration::from_micros(now)
            }
        }

        impl Foreign for $name {
            fn connect(&mut self, now: u64) {
                let at = self.at(now);
                self.mux.connect(self.remote, at);
            }

            fn feed(&mut self, now: u64, datagram: &[u8]) {
                let at = self.at(now);
                self.mux.process_incoming(self.remote, Bytes::copy_from_slice(datagram), at);
            }

            fn tick(&mut self, now: u64) {
                let at = self.at(now);
                self.mux.run_tick(at);
            }

            fn drain(&mut self) -> Vec<Vec<u8>> {
                self.mux.take_outgoing().into_iter().map(|(_, data)| data.to_vec()).collect()
            }

            fn send(&mut self, $channel: Channel, $data: &[u8]) {
                let ($mux, $to) = (&mut self.mux, &self.remote);
                assert!($send, "it takes the message");
            }

            fn terminate(&mut self, now: u64, reason: u16) {
                let at = self.at(now);
                self.mux.terminate(&self.remote, $library::DisconnectReason::from_u16(reason), at);
            }

            fn heard(&mut self) -> &mut Heard {
                for event in self.mux.take_events() {
                    match event {
                        $library::SocketEvent::SessionOpened { .. } => self.heard.opened = true,
                        $library::SocketEvent::SessionClosed { reason, .. } => self.heard.closed = Some(reason.as_u16()),
                        $event => {
                            let $heard = &mut self.heard;
                            $data_received
                        }
                    }
                }
                &mut self.heard
            }
        }
    };
}

foreign!(
    Current,
    soe_protocol,
    |event, heard| {
        if let soe_protocol::SocketEvent::DataReceived { data, channel, .. } = event {
            let channel = match channel {
                soe_protocol::Channel::Reliable(channel) => RELIABLE[channel],
                soe_protocol::Channel::Unreliable => Channel::Unreliable,
            };
            heard.messages.push((channel, data.to_vec()));
        }
    },
    |mux, to, channel, data| {
        let channel = match channel {
            Channel::Unreliable => soe_protocol::Channel::Unreliable,
            channel => soe_protocol::Channel::Reliable(channel as usize),
        };
        mux.enqueue_data_on(to, data, channel)
    }
);

foreign!(
    First,
    soe_protocol_1,
    |event, heard| {
        if let soe_protocol_1::SocketEvent::DataReceived { data, .. } = event {
            heard.messages.push((Channel::Reliable0, data.to_vec()));
        }
    },
    |mux, to, channel, data| {
        assert_eq!(channel, Channel::Reliable0, "the only one it has");
        mux.enqueue_data(to, data)
    }
);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    WeAreClient,
    WeAreServer,
}
use Role::{WeAreClient, WeAreServer};

/// One session between ours and theirs.
struct Talk {
    now: u64,
    ours: Node,
    theirs: Box<dyn Foreign>,
    /// From us to them, and back.
    there: Link,
    back: Link,
    role: Role,
    id: SessionId,
    seed: u64,
}

impl Drop for Talk {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{:?}; the link's seed was {}, the time {} us", self.role, self.seed, self.now);
        }
    }
}

impl Talk {
    /// A session with the current version.
    fn current(role: Role, setup: Setup) -> Self {
        Talk::open(role, &setup, |setup, remote| Box::new(Current::new(setup, remote)))
    }

    /// A session with the first version.
    fn first(role: Role, setup: Setup) -> Self {
        Talk::open(role, &setup, |setup, remote| Box::new(First::new(setup, remote)))
    }

    fn open(role: Role, setup: &Setup, make: impl Fn(&Setup, SocketAddr) -> Box<dyn Foreign>) -> Self {
        let config = Config {
            cipher_key: setup.key.as_deref().map(|key| Key::new(key).unwrap()),
            passes: [if setup.compression { Pass::Compress } else { Pass::None }, Pass::None],
            // It never repeats a lost acknowledgement, and a flush waits for those.
            flush_timeout_ms: 20_000,
            ..config()
        };
        let (here, there) = if role == WeAreClient { (CLIENT(), SERVER()) } else { (SERVER(), CLIENT()) };
        let remote = if role == WeAreClient { socket(1, 1000) } else { socket(2, 2000) };
        let now = SECOND;
        let mut talk = Talk {
            now,
            ours: Node::new(config, here, now),
            theirs: make(setup, remote),
            there: Link::new(Path::CLEAN, 1),
            back: Link::new(Path::CLEAN, 2),
            role,
            id: SessionId::from_raw(0),
            seed: 0,
        };
        match role {
            WeAreClient => talk.id = talk.ours.mux.connect(now, &there, &ConnectOptions::default()).unwrap(),
            WeAreServer => {
                talk.theirs.connect(now);
                assert!(talk.drive_until(5 * SECOND, |t| t.theirs.heard().opened), "it never opened");
                talk.theirs.send(Channel::Reliable0, b"hello");
            }
        }
        assert!(talk.drive_until(5 * SECOND, |t| t.ours.connected().is_some() && t.theirs.heard().opened), "never connected");
        talk.id = talk.ours.connected().unwrap();
        if role == WeAreServer {
            assert!(talk.drive_until(SECOND, |t| t.ours.message_count() == 1), "it said hello");
        }
        // Whatever the handshake left on its way.
        talk.drive(50 * MS);
        talk.ours.take();
        talk
    }

    /// From now on the link is as bad as this.
    fn through(mut self, path: Path, seed: u64) -> Self {
        (self.there, self.back, self.seed) = (Link::new(path, seed), Link::new(path, !seed), seed);
        self
    }

    fn remote(&self) -> soe::Address {
        if self.role == WeAreClient { SERVER() } else { CLIENT() }
    }

    /// Ours turns, and what it has to say leaves.
    fn flush(&mut self) {
        let here = self.ours.address;
        for (to, data) in self.ours.turn(self.now) {
            assert!(data.len() <= 512);
            self.there.push(self.now, here, to, &data);
        }
    }

    fn step(&mut self) {
        let (here, remote) = (self.ours.address, self.remote());
        while let Some((from, _, datagram)) = self.back.pop(self.now) {
            self.ours.mux.feed(self.now, &from, &datagram);
        }
        while let Some((.., datagram)) = self.there.pop(self.now) {
            self.theirs.feed(self.now, &datagram);
        }
        self.flush();
        self.theirs.tick(self.now);
        for datagram in self.theirs.drain() {
            self.back.push(self.now, remote, here, &datagram);
        }
    }

    fn drive(&mut self, us: u64) {
        self.drive_until(us, |_| false);
    }

    /// The other library has no deadlines: everybody ticks once in a millisecond.
    fn drive_until(&mut self, us: u64, mut done: impl FnMut(&mut Talk) -> bool) -> bool {
        let limit = self.now + us;
        while self.now < limit {
            self.step();
            if done(self) {
                return true;
            }
            self.now += MS;
        }
        false
    }

    fn send(&mut self, channel: Channel, data: &[u8]) {
        self.ours.mux.send(self.id, channel, data).expect("room to send");
    }

    /// Sends as much as there is room for, waiting as often as it takes.
    fn send_patiently(&mut self, channel: Channel, data: &[u8]) {
        for _ in 0..60_000 {
            match self.ours.mux.send(self.id, channel, data) {
                Ok(()) => return,
                Err(soe::Error::WouldBlock) => {
                    self.step();
                    self.now += MS;
                }
                Err(error) => panic!("{error}"),
            }
        }
        panic!("no room for a minute");
    }

    /// Both say these, at once, and both hear all of it, in order on each channel.
    fn exchange(&mut self, messages: &[(Channel, Vec<u8>)], limit: u64) {
        for (channel, data) in messages {
            self.theirs.send(*channel, data);
        }
        for (channel, data) in messages {
            self.send_patiently(*channel, data);
        }
        let count = messages.len();
        let done = self.drive_until(limit, |t| t.ours.message_count() >= count && t.theirs.heard().messages.len() >= count);
        let (got, theirs) = (self.ours.message_count(), self.theirs.heard().messages.len());
        assert!(done, "of {count} we got {got}, they got {theirs}");
        for channel in RELIABLE {
            let expected: Vec<_> = messages.iter().filter(|(c, _)| *c == channel).map(|(_, data)| &data[..]).collect();
            assert!(self.ours.messages_on(channel) == expected, "{channel:?} to us");
            assert!(self.theirs.heard().on(channel) == expected, "{channel:?} to them");
        }
        self.ours.take();
        self.theirs.heard().messages.clear();
    }

    fn assert_alive(&mut self) {
        (self.there.path, self.back.path) = (Path::CLEAN, Path::CLEAN);
        assert_eq!(self.ours.disconnected(), None);
        assert_eq!(self.theirs.heard().closed, None);
        let messages = [(Channel::Reliable0, b"one last thing".to_vec())];
        self.exchange(&messages, 30 * SECOND);
    }
}

/// From one byte to 64 KiB, round the edges of one packet (506 bytes, or 505 with a flag byte) and of two.
fn sizes(channels: &[Channel]) -> Vec<(Channel, Vec<u8>)> {
    [
        1, 2, 3, 4, 45, 214, 252, 253, 254, 255, 256, 498, 499, 500, 501, 502, 503, 504, 505, 506, 507, 508, 512, 1003, 1007, 1008, 1009,
        4096, 20_000, 65_535, 65_536,
    ]
    .into_iter()
    .enumerate()
    .map(|(index, size)| (channels[index % channels.len()], noise(size, size as u64)))
    .collect()
}

const BOTH: [Role; 2] = [WeAreClient, WeAreServer];
const ONE: [Channel; 1] = [Channel::Reliable0];

fn plain() -> Setup {
    Setup::default()
}

fn rc4() -> Setup {
    Setup { key: Some(KEY.to_vec()), ..Setup::default() }
}

fn flag() -> Setup {
    Setup { compression: true, ..Setup::default() }
}

fn rc4_and_flag() -> Setup {
    Setup { key: Some(KEY.to_vec()), compression: true, ..Setup::default() }
}

/// 10 % lost, 5 % twice, up to 30 ms of jitter on 20 ms: everything arrives, and the session survives.
fn survives_a_rough_link(make: fn(Role, Setup) -> Talk, setup: fn() -> Setup, channels: &[Channel], seeds: std::ops::Range<u64>) {
    for role in BOTH {
        for seed in seeds.clone() {
            let mut talk = make(role, setup()).through(Path::ROUGH, seed);
            let mut messages = sizes(channels);
            let mut random = Random::new(seed);
            messages.extend((0..100).map(|index| (channels[index % channels.len()], random.bytes(1 + index * 3))));
            talk.exchange(&messages, 600 * SECOND);
            talk.assert_alive();
        }
    }
}
