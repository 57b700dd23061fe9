//! What the tests share: virtual time, a link that loses and reorders, multiplexers at its ends, and a pen for datagrams by hand.
#![allow(dead_code, unreachable_pub, unused_imports)]

mod link;
mod pair;
mod puppet;
mod wire;

pub use link::{Link, Path, Random};
pub use pair::{CLIENT, Node, Pair, SERVER, Seen, What};
pub use puppet::Puppet;
pub use wire::{Answer, Wire, hex, multi, request, response, unhex};

use soe::{Address, Channel, Config};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

/// The application protocol of the recordings, and of every test that doesn't care.
pub const PROTOCOL: &[u8] = b"SoePingPong";

pub const MS: u64 = 1_000;
pub const SECOND: u64 = 1_000_000;

pub const RELIABLE: [Channel; 4] = [Channel::Reliable0, Channel::Reliable1, Channel::Reliable2, Channel::Reliable3];

/// The defaults, with a name and a fixed seed: a failure repeats.
pub fn config() -> Config {
    Config { application_protocol: Some(PROTOCOL.to_vec()), rng_seed: 0x50e, ..Default::default() }
}

/// 10.0.0.`host`, as our multiplexers name it.
pub fn address(host: u8, port: u16) -> Address {
    socket(host, port).into()
}

/// 10.0.0.`host`, as the standard library names it.
pub fn socket(host: u8, port: u16) -> SocketAddr {
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, host), port))
}

/// `len` bytes that look like nothing, the same for the same seed.
pub fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend_from_slice(&random.next_u64().to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}
