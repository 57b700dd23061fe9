//! libsoe: the network transport of Sony Online Entertainment's games.
//!
//! EverQuest, Star Wars Galaxies, Free Realms, PlanetSide 2, H1Z1 and Landmark speak one protocol over UDP: sessions with reliable, ordered and unreliable
//! messages. This crate is that protocol without sockets and clocks: a [`Multiplexer`] is fed datagrams, ticked, and drained of what it wants to send and
//! to say. It is the same through Rust and through the C ABI (`include/soe.h`, [`ffi`]).
//!
//! The house, from the ground up; each room uses only those below it:
//!
//! | room | holds |
//! |---|---|
//! | `wire` | what the bytes mean: packets, varints, CRC; pure functions |
//! | `codec` | a whole datagram between socket and meaning: passes and CRC |
//! | `cipher` | RC4 of application messages |
//! | `pool` | memory that is written once, lent, and given back whole |
//! | `reliable` | one reliable channel: sender, receiver, round-trip time, congestion |
//! | `session` | one conversation: handshake, channels, liveness, its end |
//! | `mux` | many conversations on one socket: tables, timers, outbox, events |
//! | `ffi` | the C ABI; all `unsafe` lives here |
//!
//! Nothing below `ffi` reads a clock, opens a socket, starts a thread or draws randomness but from the seeded generator: the same inputs give the same
//! bytes.

#![deny(unsafe_code)]

// The README's example runs, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod address;
mod cipher;
mod codec;
mod config;
mod error;
mod event;
#[allow(unsafe_code)]
pub mod ffi;
mod mux;
mod pool;
mod preset;
mod reliable;
mod session;
mod stats;
mod wire;

pub use address::{Address, Family};
pub use cipher::{Cipher, Direction, Key, Scope};
pub use config::{Bundles, CompressionFlag, Config, Congestion, CrcSeed, MAX_UDP_LENGTH, MIN_UDP_LENGTH, Pass, Probe, Role};
pub use error::Error;
pub use event::{Channel, Datagram, Disconnect, EndedBy, Event, EventKind, SessionId, reason};
pub use mux::{AcceptOptions, ConnectOptions, Events, Multiplexer, Outgoing, SessionInfo, SessionState};
pub use preset::Preset;
pub use stats::Stats;
