//! What arrives over bad lines, and how soon: random paths by the hundreds, and each kind of loss by its name. All on virtual time.

#[path = "../common/mod.rs"]
mod common;

mod cargo;
mod line;
mod losses;
mod narrow_peers;
mod paths;
mod redundancy;
