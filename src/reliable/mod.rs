//! One reliable channel: messages into numbered packets on one side, packets back into messages in order on the other.
//!
//! Sequences are 64 bits wide inside and 16 on the wire. Both halves exist only while they have something to do; what outlives them is a sequence
//! number each, which the session keeps.

mod congestion;
mod content;
mod receiver;
mod rtt;
mod sender;

pub(crate) use congestion::{Allowance, Path};
pub(crate) use content::{Content, LEAD};
pub(crate) use receiver::{Acknowledgement, Arrival, Limits, Outlet, Pace, Receiver};
pub(crate) use rtt::Rtt;
pub(crate) use sender::{Layout, Leave, Leaving, Losses, Sender};

/// Reliable channels of a session.
pub(crate) const CHANNELS: usize = 4;
