//! What happens in a run, as plain data: drawn from a seed, printed, and made smaller when it fails.

use crate::common::{MS, Random, SECOND};
use crate::dialect::Dialect;
use soe::Channel;

/// The server's number among the hosts; clients follow.
pub const SERVER: usize = 0;

#[derive(Clone, Debug)]
pub struct Scenario {
    pub seed: u64,
    pub dialect: Dialect,
    /// One way, in microseconds, for each client.
    pub delays: Vec<u64>,
    /// In the order of their times.
    pub steps: Vec<Step>,
    /// What the harness itself does wrong, so that it can be seen to find that.
    pub sabotage: Option<Sabotage>,
}

#[derive(Clone, Debug)]
pub struct Step {
    pub at: u64,
    pub act: Act,
}

/// Hosts are numbered: 0 is the server, clients follow. `up` is from client to server.
#[derive(Clone, Debug)]
pub enum Act {
    Connect {
        client: usize,
    },
    Send {
        client: usize,
        up: bool,
        channel: Channel,
        len: usize,
        count: usize,
    },
    Disconnect {
        client: usize,
        up: bool,
        flush: bool,
    },
    Faults {
        client: usize,
        up: bool,
        lasting: u64,
        faults: Faults,
    },
    /// Time passes, and no host runs: a laptop that slept, a virtual machine that was moved.
    Jump {
        us: u64,
    },
    /// The host looks only so often, and takes only so much at a time.
    Pace {
        host: usize,
        lasting: u64,
        every: u64,
        most: usize,
    },
    /// The client's NAT gives it another port.
    Rebind {
        client: usize,
    },
    /// The process is gone; later there is a new one, which may be at another port (a client's).
    Vanish {
        host: usize,
        lasting: u64,
        elsewhere: bool,
    },
    Forge {
        to: usize,
        face: Face,
        kind: Forgery,
        count: usize,
    },
}

/// What a path does to datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// In percent, as are those below: a loss takes up to `burst` more with it.
    pub loss: u64,
    pub burst: u64,
    pub duplicate: u64,
    pub corrupt: u64,
    pub truncate: u64,
    /// Added to the delay, at random up to so much.
    pub jitter: u64,
    pub delay: u64,
}

/// As whom a forger sends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Face {
    /// The server at a client; a client at the server.
    Peer(usize),
    Stranger,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Forgery {
    Noise,
    /// A right SessionRequest, of another session id.
    Request,
    Response,
    UnknownSender,
    Remap,
    PortAlive,
    /// An unsealed packet of any type.
    Unsealed,
    /// A real datagram with some bits flipped, or without its end.
    Damaged,
}

impl Forgery {
    /// It may be taken where a CRC is short, or missing.
    pub fn is_sessions(self) -> bool {
        matches!(self, Forgery::Noise | Forgery::Unsealed | Forgery::Damaged)
    }
}

/// Mistakes that the checks must find.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sabotage {
    /// A bit of one delivery is flipped.
    Flip,
    /// One is delivered twice.
    Repeat,
    /// One is not delivered.
    Swallow,
    /// No Writable is heard of.
    Deafen,
    /// A session's datagrams are lost, and the link doesn't say so.
    Starve,
    /// No Disconnected is heard of.
    Deny,
    /// Memory is held and never given back: a little with each message.
    Hoard,
    /// Something panics.
    Panic,
}

impl Scenario {
    pub fn drawn(seed: u64) -> Scenario {
        let mut random = Random::new(seed ^ 0x5EED);
        let r = &mut random;
        let most = if r.percent(30) { 6 } else { 3 };
        let clients = 1 + r.below(most) as usize;
        let exposed = r.percent(50);
        let dialect = Dialect::drawn(r, exposed);
        let delays = (0..clients).map(|_| if r.percent(20) { 200 } else { r.below(80) * MS + 1 }).collect();
        let end = (10 + r.below(40)) * SECOND;
        let mut steps: Vec<Step> = (0..clients).map(|client| Step { at: r.below(2 * SECOND), act: Act::Connect { client } }).collect();
        let mut draw = |count: u64, make: &mut dyn FnMut(&mut Random, usize) -> Act| {
            for _ in 0..count {
                let client = r.below(clients as u64) as usize;
                let act = make(r, client);
                steps.push(Step { at: SECOND / 2 + r.below(end), act });
            }
        };
        // Of eight seeds one has good paths: what only they show is hidden by the others' faults.
        let troubles = seed % 8;
        draw(20 + 12 * clients as u64, &mut |r, client| send(r, client));
        draw(troubles, &mut |r, client| Act::Faults {
            client,
            up: r.percent(50),
            lasting: r.below(10 * SECOND),
            faults: faults(r, exposed),
        });
        draw(some(seed, 1, 3), &mut |r, client| Act::Disconnect { client, up: r.percent(60), flush: r.percent(50) });
        draw(some(seed, 2, 2), &mut |r, _| {
            let most = if r.percent(20) { 40 } else { 8 };
            Act::Jump { us: r.below(most) * SECOND }
        });
        draw(some(seed, 3, 3), &mut |r, client| Act::Pace {
            host: if r.percent(50) { SERVER } else { client + 1 },
            lasting: r.below(8 * SECOND),
            every: [MS, 20 * MS, 300 * MS, 2 * SECOND][r.below(4) as usize],
            most: [1, 5, 1000][r.below(3) as usize],
        });
        draw(some(seed, 4, 3), &mut |_, client| Act::Rebind { client });
        draw(some(seed, 5, 2), &mut |r, client| Act::Vanish {
            host: if r.percent(30) { SERVER } else { client + 1 },
            lasting: r.below(10 * SECOND),
            elsewhere: r.percent(50),
        });
        draw(some(seed, 6, 12), &mut |r, client| forge(r, client, exposed));
        steps.sort_by_key(|step| step.at);
        Scenario { seed, dialect, delays, steps, sabotage: None }
    }
}

/// 1 to `most`, but none in half of all seeds, independently for each `kind`: faults that come alone are found alone.
fn some(seed: u64, kind: u64, most: u64) -> u64 {
    let mut random = Random::new(seed.wrapping_mul(31).wrapping_add(kind));
    if random.percent(50) { 0 } else { 1 + random.below(most) }
}

fn send(r: &mut Random, client: usize) -> Act {
    const CHANNELS: [Channel; 7] = [
        Channel::Reliable0,
        Channel::Reliable1,
        Channel::Reliable2,
        Channel::Reliable3,
        Channel::Unreliable,
        Channel::Ordered,
        Channel::Ordered2,
    ];
    let (len, count) = match r.below(20) {
        0 => (r.below(60_000), 1),
        1 => (2_000 + r.below(4_000), 1 + r.below(6)),
        2..=4 => (r.below(1_500), 1 + r.below(8)),
        _ => (r.below(120), 1 + r.below(10)),
    };
    let channel = if r.percent(40) { Channel::Reliable0 } else { CHANNELS[r.below(7) as usize] };
    Act::Send { client, up: r.percent(50), channel, len: 1 + len as usize, count: count as usize }
}

fn faults(r: &mut Random, exposed: bool) -> Faults {
    let mut faults = Faults::default();
    if r.percent(60) {
        faults.loss = if r.percent(15) { 100 } else { 1 + r.below(40) };
        faults.burst = if r.percent(30) { r.below(20) } else { 0 };
    }
    if r.percent(30) {
        faults.duplicate = 1 + r.below(50);
    }
    if exposed && r.percent(60) {
        faults.corrupt = 1 + r.below(30);
    }
    if exposed && r.percent(30) {
        faults.truncate = 1 + r.below(20);
    }
    if r.percent(50) {
        faults.jitter = r.below(200) * MS;
    }
    if r.percent(20) {
        faults.delay = r.below(SECOND);
    }
    faults
}

fn forge(r: &mut Random, client: usize, exposed: bool) -> Act {
    const KINDS: [Forgery; 8] = [
        Forgery::Noise,
        Forgery::Request,
        Forgery::Response,
        Forgery::UnknownSender,
        Forgery::Remap,
        Forgery::PortAlive,
        Forgery::Unsealed,
        Forgery::Damaged,
    ];
    let kind = KINDS[r.below(8) as usize];
    let to = if r.percent(60) { SERVER } else { client + 1 };
    let as_peer = r.percent(70) && (exposed || !kind.is_sessions());
    Act::Forge { to, face: if as_peer { Face::Peer(client) } else { Face::Stranger }, kind, count: 1 + r.below(20) as usize }
}
