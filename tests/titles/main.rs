//! A model of each title's client, written from the facts about the titles alone and sharing no code with the library. Each first proves itself on its title's
//! vectors and recordings; then it is what the presets are tried with: a thousand messages each way over a link that loses one datagram in twenty.

#[path = "../common/mod.rs"]
mod common;

mod host;
mod inbox;
mod judge;
mod model;
mod packets;
mod play;
mod presets;
mod proof;
mod recordings;
mod sender;
mod titles;
mod transforms;
mod vectors;
