//! Noise of every length, from the peer's address and from a stranger's, at a server and at a client with an open session.

use crate::common::*;
use crate::live::{Live, Setup, Tally};
use soe::{Config, Pass};

/// The longest that is thrown: beyond what any title sends, and beyond the session's UDP length.
const LONGEST: usize = 2_048;

/// What the first bytes are forced to.
#[derive(Clone, Copy)]
enum Head {
    /// A message without a channel: nine times in ten not even that, for want of a CRC.
    Any,
    /// A packet of the protocol.
    Internal,
    /// Of a type that exists.
    Known,
}

#[test]
fn noise_of_every_length_harms_no_session_and_passes_no_more_often_than_chance_has_it() {
    let seeds = if cfg!(debug_assertions) { 1..=1 } else { 1..=8u64 };
    let mut tally = Tally::default();
    for seed in seeds {
        for passes in [[Pass::None; 2], [Pass::Compress, Pass::None], [Pass::Xor, Pass::None]] {
            let server = Config { passes, rng_seed: 0x50e + seed, ..config() };
            let setup = Setup { title: format!("seed {seed} {passes:?}"), client: config(), server, id: 0x1122_3344 };
            tally += throw_noise(&setup, seed);
        }
    }
    let Tally { thrown, passed } = tally;
    println!("{passed} of {thrown} passed by chance");
    assert!(passed * 10_000 < thrown, "{passed} of {thrown} passed");
}

fn throw_noise(setup: &Setup, seed: u64) -> Tally {
    let mut tally = Tally::default();
    let mut random = Random::new(seed);
    let mut live = Live::open(setup);
    for len in 0..=LONGEST {
        for head in [Head::Any, Head::Internal, Head::Any, Head::Known] {
            let mut bytes = noise(len, random.next_u64());
            match (head, &mut bytes[..]) {
                (Head::Known, [first, second, ..]) => (*first, *second) = (0, random.below(0x20) as u8),
                (Head::Internal | Head::Known, [first, ..]) => *first = 0,
                _ => {}
            }
            for at_server in [true, false] {
                live.throw(at_server, &bytes, &mut tally);
                live.throw_as_stranger(at_server, address(9, 1 + len as u16), &bytes);
            }
        }
        if len % 8 == 0 {
            live.assert_unharmed();
        }
    }
    live.assert_unharmed();
    tally
}
