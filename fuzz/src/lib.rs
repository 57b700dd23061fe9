//! What the fuzz targets do with an input: one module for each of them, and what they share. The targets themselves only hand the input on, so that
//! the seeds are replayed by the tests, too, without libFuzzer.
//!
//! All go through the C ABI, with [`mux::Mux`] in the host's place. What the header promises and a host could see broken is a panic here.

pub mod calls;
pub mod config;
pub mod dialect;
pub mod input;
pub mod mux;
pub mod peer;
pub mod stranger;
pub mod structs;
pub mod wire;

/// What a target does with an input.
pub type Run = fn(&[u8]);

/// The targets by name.
pub const TARGETS: [(&str, Run); 5] =
    [("stranger", stranger::run), ("peer", peer::run), ("calls", calls::run), ("structs", structs::run), ("config", config::run)];
