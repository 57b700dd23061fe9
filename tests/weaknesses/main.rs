//! The weaknesses that were measured in other implementations of the protocol, by number: libsoe has none of them. What the other one does is quoted with each.
//!
//! Memory is measured: this binary counts the bytes that each thread holds, and each test has a thread of its own. Processor time is not: times belong to `benches/`,
//! and here stands what can be said about work without a clock.

#[path = "../common/mod.rs"]
mod common;
mod heap;
mod hostile;
mod liveness;
mod memory;
mod packets;
mod queues;
mod strangers;
