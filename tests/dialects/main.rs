//! Every title's preset and every knob of a dialect, watched from outside: what is exchanged arrives, no datagram is longer than agreed, and each knob does what it says.

#[path = "../common/mod.rs"]
mod common;

mod exchange;
mod handshakes;
mod liveness;
mod messages;
