//! What one part of the network may ask of this side, so that a flood from there leaves room for everybody else.
//!
//! A prefix is the first bits of an address: what one stranger can easily have all of, or forge. Rates are kept in a table of fixed size, so that no flood makes it
//! grow; prefixes that share a place there share a rate.

use std::hash::BuildHasher;

use foldhash::quality::FixedState;
use hashbrown::HashTable;

use crate::address::{Address, Family};
use crate::config::Config;

/// Places for rates. What all of them let through in a second is bounded by it, whatever addresses a flood claims to come from.
const PLACES: usize = 1024;

/// How often in a second newcomers may fill the half-open places: each then has half a second to show itself.
const TURNOVERS: u32 = 2;

const SECOND_US: u64 = 1_000_000;

/// How often something may happen, for each prefix: so many times a second, and as many at once.
struct Rate {
    /// When all that was used is back, for each place; none before the first use.
    back: Vec<u64>,
    /// Microseconds until one is back; 0: as often as one likes.
    each: u64,
    places: usize,
}

impl Rate {
    fn new(per_second: u32, places: usize) -> Self {
        Rate { places, back: Vec::new(), each: if per_second == 0 { 0 } else { (SECOND_US / u64::from(per_second)).max(1) } }
    }

    fn take(&mut self, place: usize, now: u64) -> bool {
        if self.each == 0 {
            return true;
        }
        if self.back.is_empty() {
            self.back = vec![0; self.places];
        }
        let back = self.back[place].max(now) + self.each;
        let granted = back <= now + SECOND_US.max(self.each);
        if granted {
            self.back[place] = back;
        }
        granted
    }
}

/// The sessions of a prefix: a count under a part of its hash, which is hardly ever another prefix's too.
struct Crowd {
    tag: u32,
    sessions: u32,
}

pub(crate) struct Prefixes {
    hash: FixedState,
    bits_v4: u32,
    bits_v6: u32,
    newcomers: Rate,
    replies: Rate,
    hints: Rate,
    /// Newcomers of all prefixes.
    all: Rate,
    crowds: HashTable<Crowd>,
    most_sessions: u32,
}

impl Prefixes {
    pub(crate) fn new(hash_key: u64, config: &Config) -> Self {
        Prefixes {
            hash: FixedState::with_seed(hash_key),
            bits_v4: config.prefix_bits_v4,
            bits_v6: config.prefix_bits_v6,
            newcomers: Rate::new(config.max_new_per_prefix, PLACES),
            replies: Rate::new(config.max_replies_per_prefix, PLACES),
            hints: Rate::new(config.max_replies_per_prefix, PLACES),
            all: Rate::new(if config.max_new_per_prefix == 0 { 0 } else { TURNOVERS * config.max_half_open }, 1),
            crowds: HashTable::new(),
            most_sessions: config.max_sessions_per_prefix,
        }
    }

    fn hash_of(&self, address: &Address) -> u64 {
        let bits = match address.family {
            Family::V4 => self.bits_v4,
            Family::V6 => self.bits_v6,
            Family::Opaque => 128,
        };
        let ip = u128::from_be_bytes(address.ip) & u128::MAX.checked_shl(128 - bits).unwrap_or(0);
        self.hash.hash_one((address.family, ip))
    }

    fn place(&self, address: &Address) -> usize {
        self.hash_of(address) as usize % PLACES
    }

    /// One more may ask for a session from where this address is.
    pub(crate) fn may_ask(&mut self, address: &Address, now: u64) -> bool {
        let full = self.most_sessions > 0 && self.sessions(address) >= self.most_sessions;
        let place = self.place(address);
        !full && self.newcomers.take(place, now) && self.all.take(0, now)
    }

    /// A stranger there may be answered once more.
    pub(crate) fn may_reply(&mut self, address: &Address, now: u64) -> bool {
        let place = self.place(address);
        self.replies.take(place, now)
    }

    /// A stranger there may be told once more that it is unknown.
    pub(crate) fn may_hint(&mut self, address: &Address, now: u64) -> bool {
        let place = self.place(address);
        self.hints.take(place, now)
    }

    /// Open sessions from where this address is.
    fn sessions(&self, address: &Address) -> u32 {
        let tag = tag_of(self.hash_of(address));
        self.crowds.find(spread(tag), |crowd| crowd.tag == tag).map_or(0, |crowd| crowd.sessions)
    }

    /// A session opened there.
    pub(crate) fn opened(&mut self, address: &Address) {
        let tag = tag_of(self.hash_of(address));
        let crowd = self.crowds.entry(spread(tag), |crowd| crowd.tag == tag, |crowd| spread(crowd.tag));
        crowd.or_insert(Crowd { tag, sessions: 0 }).get_mut().sessions += 1;
    }

    /// And ended.
    pub(crate) fn ended(&mut self, address: &Address) {
        let tag = tag_of(self.hash_of(address));
        if let Ok(mut crowd) = self.crowds.find_entry(spread(tag), |crowd| crowd.tag == tag) {
            crowd.get_mut().sessions -= 1;
            if crowd.get().sessions == 0 {
                crowd.remove();
            }
        }
    }
}

fn tag_of(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// A hash for the table again: it uses the highest bits and the lowest.
fn spread(tag: u32) -> u64 {
    u64::from(tag).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    fn at(text: &str) -> Address {
        text.parse::<SocketAddr>().unwrap().into()
    }

    fn prefixes(config: Config) -> Prefixes {
        Prefixes::new(7, &config)
    }

    #[test]
    fn a_prefix_is_the_first_bits_of_an_address_and_its_kind() {
        let prefixes = prefixes(Config::default());
        let same = |a, b| prefixes.hash_of(&at(a)) == prefixes.hash_of(&at(b));
        assert!(same("10.1.2.3:1", "10.1.2.255:2"));
        assert!(!same("10.1.2.3:1", "10.1.3.3:1"));
        assert!(same("[2001:db8:0:0:1::]:1", "[2001:db8:0:00ff:2::]:1"));
        assert!(!same("[2001:db8:0:0:1::]:1", "[2001:db8:0:0100:1::]:1"));
        let opaque = |last| prefixes.hash_of(&Address::opaque([last; 16], 1));
        assert_ne!(opaque(1), opaque(2));
    }

    #[test]
    fn any_number_of_bits_will_do() {
        for (bits_v4, bits_v6, v4, v6) in [(0, 0, true, true), (32, 128, false, false), (1, 1, true, true), (31, 127, true, true)] {
            let prefixes = prefixes(Config { prefix_bits_v4: bits_v4, prefix_bits_v6: bits_v6, ..Config::default() });
            assert_eq!(prefixes.hash_of(&at("10.0.0.2:1")) == prefixes.hash_of(&at("10.0.0.3:1")), v4, "{bits_v4}");
            assert_eq!(prefixes.hash_of(&at("[::2]:1")) == prefixes.hash_of(&at("[::3]:1")), v6, "{bits_v6}");
        }
    }

    #[test]
    fn so_many_at_once_and_so_many_a_second() {
        for (rate, at_once, later) in [(20, 20, 1), (1, 1, 0), (1_000_000, 1_000_000, 50_000), (u32::MAX, 1_000_000, 50_000)] {
            let mut prefixes = prefixes(Config { max_new_per_prefix: rate, max_half_open: 1_000_000, ..Config::default() });
            let here = at("10.1.2.3:1");
            assert_eq!((0..1_100_000).filter(|_| prefixes.may_ask(&here, SECOND_US)).count(), at_once, "{rate}");
            assert_eq!((0..1_100_000).filter(|_| prefixes.may_ask(&here, SECOND_US + 50_000)).count(), later, "{rate} after 50 ms");
            assert!(prefixes.may_ask(&here, 3 * SECOND_US));
        }
        let mut prefixes = prefixes(Config { max_new_per_prefix: 0, max_replies_per_prefix: 0, ..Config::default() });
        let here = at("10.1.2.3:1");
        assert!((0..100_000).all(|_| prefixes.may_ask(&here, 0) && prefixes.may_reply(&here, 0)), "0 is no limit");
        assert!(prefixes.newcomers.back.is_empty());
    }

    #[test]
    fn sessions_are_counted_by_prefix_and_forgotten_when_they_end() {
        let mut prefixes = prefixes(Config { max_sessions_per_prefix: 2, max_new_per_prefix: 0, ..Config::default() });
        let (here, beside, there) = (at("10.1.2.3:1"), at("10.1.2.9:7"), at("10.1.3.3:1"));
        prefixes.opened(&here);
        assert!(prefixes.may_ask(&beside, 0));
        prefixes.opened(&beside);
        assert!(!prefixes.may_ask(&beside, 0));
        assert!(prefixes.may_ask(&there, 0));
        prefixes.ended(&here);
        assert!(prefixes.may_ask(&here, 0));
        prefixes.ended(&beside);
        assert!(prefixes.crowds.is_empty());
    }
}
