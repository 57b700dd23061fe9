//! Bytes that arrive changed, cut short or made up: each single bit flip and each truncation of what real sessions sent, and noise of every length. The session lives,
//! and the next message arrives. What a short CRC lets through by chance is counted.

#[path = "../common/mod.rs"]
mod common;
mod live;
mod mutations;
mod noise;
#[allow(dead_code)] // Shared with the replays, which need more of it.
#[path = "../replay/recording.rs"]
mod recording;
