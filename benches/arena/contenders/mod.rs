//! Those who are measured, behind one face. Times are microseconds of a virtual clock.

mod enet;
mod kcp;
mod libsoe;
mod soe_protocol;

use crate::link::Path;
use crate::load::{self, Burst, Crowded, Load, Report, Work};
use crate::plot::{Marker, Style};

/// One side of one conversation.
pub(crate) trait End {
    /// True once messages may be sent.
    fn is_open(&self) -> bool;
    /// Queues one reliable message; false: not now.
    fn send(&mut self, data: &[u8]) -> bool;
    fn feed(&mut self, now: u64, datagram: &[u8]);
    fn tick(&mut self, now: u64);
    /// Every datagram that is due, to `sink`.
    fn drain(&mut self, now: u64, sink: impl FnMut(&[u8]));
    /// Every message that was delivered, to `sink`.
    fn receive(&mut self, sink: impl FnMut(&[u8]));
    /// Every datagram that is due, to the other side, without a copy that the contender doesn't need. Returns how many.
    fn carry(&mut self, now: u64, to: &mut Self) -> u64;
    /// When it next needs a tick, for those who say so.
    fn deadline(&self) -> u64 {
        u64::MAX
    }
}

/// Many conversations between two hosts, on a wire that loses nothing.
pub(crate) trait Crowd {
    /// A client connects; it greets once it can, and the server answers every message with one.
    fn connect(&mut self, now: u64, index: u32);
    /// The client with this index says something.
    fn say(&mut self, now: u64, index: u32);
    /// Both hosts do what they have to, and exchange datagrams until there are none. Returns how many messages the server heard.
    fn round(&mut self, now: u64) -> u64;
    /// A server's turn that finds nothing to do.
    fn idle(&mut self, now: u64);
}

/// One line of each table and plot.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) style: Style,
    /// The longest message that it carries, in bytes.
    pub(crate) longest: usize,
    pub(crate) transfer: fn(&Path, &Load, u64) -> Report,
    /// `None`: a variant that only the game view tells apart.
    pub(crate) work: Option<fn(&Burst) -> Work>,
    pub(crate) crowd: fn(u32) -> Crowded,
    /// Sessions that one host holds at most.
    pub(crate) most: u32,
}

const fn style(colour: &'static str, marker: Marker, dashed: bool) -> Style {
    Style { colour, marker, dashed }
}

/// Colours after Okabe and Ito: told apart with any eyes, the marks tell the rest.
pub(crate) const ALL: [Contender; 5] = [
    Contender {
        name: "libsoe",
        style: style("#0072b2", Marker::Disc, false),
        longest: usize::MAX,
        transfer: |path, load, seed| load::transfer(libsoe::pair(0), path, load, seed),
        work: Some(|burst| load::work(libsoe::pair(0), burst)),
        crowd: |n| load::crowd(|| libsoe::Hosts::new(n), n),
        most: u32::MAX,
    },
    Contender {
        name: "libsoe twice",
        style: style("#0072b2", Marker::Ring, true),
        longest: usize::MAX,
        transfer: |path, load, seed| load::transfer(libsoe::pair(1), path, load, seed),
        work: None,
        crowd: |n| load::crowd(|| libsoe::Hosts::new(n), n),
        most: 0,
    },
    Contender {
        name: "soe-protocol",
        style: style("#d55e00", Marker::Square, false),
        longest: usize::MAX,
        transfer: |path, load, seed| load::transfer(soe_protocol::pair(), path, load, seed),
        work: Some(|burst| load::work(soe_protocol::pair(), burst)),
        crowd: |n| load::crowd(soe_protocol::Hosts::new, n),
        most: u32::MAX,
    },
    Contender {
        name: "ENet",
        style: style("#008f68", Marker::Triangle, false),
        longest: usize::MAX,
        transfer: |path, load, seed| load::transfer(enet::pair(), path, load, seed),
        work: Some(|burst| load::work(enet::pair(), burst)),
        crowd: |n| load::crowd(|| enet::Hosts::new(n), n),
        most: enet::MOST_PEERS,
    },
    Contender {
        name: "KCP",
        style: style("#b0568f", Marker::Diamond, false),
        longest: kcp::LONGEST,
        transfer: |path, load, seed| load::transfer(kcp::pair(), path, load, seed),
        work: Some(|burst| load::work(kcp::pair(), burst)),
        crowd: |n| load::crowd(kcp::Hosts::default, n),
        most: u32::MAX,
    },
];
