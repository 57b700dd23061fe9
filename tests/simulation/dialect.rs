//! What both ends speak, and how little room they have: a preset, and twists of it.

use crate::common::{PROTOCOL, Random};
use soe::{Config, Congestion, CrcSeed, Key, Pass, Preset, Scope};

/// One thing that differs from the preset. A list of them shrinks by leaving some out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Twist {
    Passes([Pass; 2]),
    CrcLength(u8),
    CrcSeed(u32),
    UdpLength { client: u32, server: u32 },
    Keyed,
    ManualAccept,
    Trains,
    Redundancy(u32),
    FixedWindow,
    NetStatus(u32),
    AckDelay(u32),
    SendQueue(u32),
    MaxMessage(u32),
    SendWindow(u32),
    ReceiveWindow(u32),
    QueuedEvents(u32),
    QueuedBytes(u64),
}

impl Twist {
    fn apply(self, server: bool, config: &mut Config) {
        match self {
            Twist::Passes(passes) => config.passes = passes,
            Twist::CrcLength(bytes) => config.crc_length = bytes,
            Twist::CrcSeed(seed) => config.crc_seed = CrcSeed::Fixed(seed),
            Twist::UdpLength { client, server: servers } => config.udp_length = if server { servers } else { client },
            Twist::Keyed => config.cipher_key = Key::new(b"a key of 16 byte").ok(),
            Twist::ManualAccept => config.manual_accept = server,
            Twist::Trains => config.trains = true,
            Twist::Redundancy(copies) => config.redundancy = copies,
            Twist::FixedWindow => config.congestion = Congestion::Fixed,
            Twist::NetStatus(ms) => config.net_status_ms = ms,
            Twist::AckDelay(us) => config.ack_delay_us = us,
            Twist::SendQueue(bytes) => config.send_queue_bytes = bytes,
            Twist::MaxMessage(bytes) => config.max_message = bytes,
            Twist::SendWindow(packets) => config.send_window = packets,
            Twist::ReceiveWindow(packets) => config.receive_window = packets,
            Twist::QueuedEvents(messages) => config.max_queued_events = messages,
            Twist::QueuedBytes(bytes) => config.max_queued_bytes = bytes,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Dialect {
    pub preset: Preset,
    /// Bits are flipped, or sealed packets forged at a peer's address. Then the CRC has four bytes and no exceptions: two let one in 65,536 through, and no
    /// invariant would be one. And its seed is random: with a fixed one the first datagram opens whatever request is the latest, a damaged one too.
    pub exposed: bool,
    pub twists: Vec<Twist>,
}

impl Dialect {
    pub fn drawn(random: &mut Random, exposed: bool) -> Dialect {
        let preset = if random.percent(50) { Preset::Default } else { Preset::ALL[random.below(Preset::ALL.len() as u64) as usize] };
        let mut dialect = Dialect { preset, exposed, twists: vec![] };
        let mut twist = |percent, make: &mut dyn FnMut(&mut Random) -> Twist| {
            if random.percent(percent) {
                let made = make(random);
                dialect.twists.push(made);
            }
        };
        fn of<T: Copy>(choices: &[T], random: &mut Random) -> T {
            choices[random.below(choices.len() as u64) as usize]
        }
        twist(25, &mut |r| {
            use Pass::{Compress, Compress2, None, Xor, XorBuffer};
            Twist::Passes(of(
                &[[Compress, None], [Compress2, None], [Xor, None], [XorBuffer, None], [Compress, Xor], [Xor, Compress], [None, Compress]],
                r,
            ))
        });
        twist(25, &mut |r| Twist::CrcLength(r.below(5) as u8));
        twist(8, &mut |r| Twist::CrcSeed(r.below(3) as u32));
        twist(30, &mut |r| {
            const LENGTHS: [u32; 8] = [16, 40, 100, 300, 496, 512, 1400, 16_384];
            Twist::UdpLength { client: of(&LENGTHS, r), server: of(&LENGTHS, r) }
        });
        twist(25, &mut |_| Twist::Keyed);
        twist(12, &mut |_| Twist::ManualAccept);
        twist(20, &mut |_| Twist::Trains);
        twist(15, &mut |r| Twist::Redundancy(1 + r.below(3) as u32));
        twist(10, &mut |_| Twist::FixedWindow);
        twist(10, &mut |r| Twist::NetStatus(1_000 + r.below(9_000) as u32));
        twist(15, &mut |r| Twist::AckDelay(of(&[0, 500, 20_000], r)));
        twist(25, &mut |r| Twist::SendQueue(of(&[1, 4_000, 30_000], r)));
        twist(15, &mut |r| Twist::MaxMessage(of(&[1_000, 5_000, 20_000], r)));
        twist(15, &mut |r| Twist::SendWindow(of(&[1, 4, 20], r)));
        twist(15, &mut |r| Twist::ReceiveWindow(of(&[32, 40, 64], r)));
        twist(15, &mut |r| Twist::QueuedEvents(of(&[1, 3, 20, 100], r)));
        twist(10, &mut |r| Twist::QueuedBytes(of(&[1, 1_000, 10_000], r)));
        dialect
    }

    pub fn config(&self, server: bool, rng_seed: u64) -> Config {
        let mut config = Config { application_protocol: Some(PROTOCOL.to_vec()), rng_seed, ..Config::preset(self.preset) };
        for twist in &self.twists {
            twist.apply(server, &mut config);
        }
        if self.exposed {
            (config.crc_length, config.crc_seed, config.accept_zero_crc) = (4, CrcSeed::Random, false);
        }
        config
    }

    /// Sessions one behind the other at the same address are told apart by their CRC, never by luck.
    pub fn tells_sessions_apart(&self) -> bool {
        let config = self.config(true, 1);
        config.crc_length == 4 && config.crc_seed == CrcSeed::Random && !config.accept_zero_crc
    }

    /// Which channels share a key stream: what overtakes or is lost would put the two ends of it out of step, so only one of them is used.
    pub fn shared_keystream(&self) -> Scope {
        let config = self.config(true, 1);
        if config.cipher_key.is_some() { config.cipher_scope } else { Scope::PerChannel }
    }
}
