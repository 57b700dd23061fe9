//! What a session does, watched from outside: two of our multiplexers over a link, or one and datagrams written by hand.

#[path = "../common/mod.rs"]
mod common;

mod admission;
mod channels;
mod ciphers;
mod datagrams;
mod determinism;
mod ending;
mod forged;
mod handshake;
mod hostile;
mod liveness;
mod memory;
mod moving;
mod pressure;
