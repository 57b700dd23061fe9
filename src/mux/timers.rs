//! One timer per session in a hierarchical timing wheel: setting, moving and firing cost O(1), and an idle session nothing.
//!
//! Times are rounded up to ticks of 256 us, so a timer fires at most that much late and never early.

use crate::pool::NONE;

/// log2 of a tick in microseconds.
const TICK_BITS: u32 = 8;
/// log2 of the buckets of a level.
const LEVEL_BITS: u32 = 6;
const BUCKETS: usize = 1 << LEVEL_BITS;
/// Enough levels for every u64 of microseconds: (64 - 8) / 6, rounded up.
const LEVELS: usize = 10;
/// Not set.
const IDLE: u64 = u64::MAX;

#[derive(Clone, Copy)]
struct Node {
    /// The tick it is due at, or [`IDLE`].
    at: u64,
    before: u32,
    after: u32,
}

pub(crate) struct Timers {
    /// The tick up to which timers have fired.
    now: u64,
    nodes: Vec<Node>,
    first: [[u32; BUCKETS]; LEVELS],
    /// A bit for each bucket that holds something.
    occupied: [u64; LEVELS],
}

impl Timers {
    pub(crate) fn new(now_us: u64) -> Self {
        Timers { now: now_us >> TICK_BITS, nodes: Vec::new(), first: [[NONE; BUCKETS]; LEVELS], occupied: [0; LEVELS] }
    }

    /// Sets `owner`'s timer to `at_us`; a time in the past fires with the next advance. `u64::MAX` clears it.
    pub(crate) fn set(&mut self, owner: u32, at_us: u64) {
        if at_us == u64::MAX {
            return self.clear(owner);
        }
        let at = (at_us.saturating_add((1 << TICK_BITS) - 1) >> TICK_BITS).max(self.now);
        if self.nodes.len() <= owner as usize {
            self.nodes.resize(owner as usize + 1, Node { at: IDLE, before: NONE, after: NONE });
        }
        if self.nodes[owner as usize].at != at {
            self.clear(owner);
            self.nodes[owner as usize].at = at;
            self.link(owner);
        }
    }

    /// Sets `owner`'s timer to `at_us` unless it fires before: a timer that fires too early finds nothing to do and is set anew.
    pub(crate) fn set_at_most(&mut self, owner: u32, at_us: u64) {
        let earlier = self.nodes.get(owner as usize).is_some_and(|node| node.at != IDLE && node.at <= at_us >> TICK_BITS);
        if !earlier && at_us != u64::MAX {
            self.set(owner, at_us);
        }
    }

    pub(crate) fn clear(&mut self, owner: u32) {
        if self.nodes.get(owner as usize).is_some_and(|node| node.at != IDLE) {
            self.unlink(owner);
            self.nodes[owner as usize].at = IDLE;
        }
    }

    /// When the next timer may fire, in microseconds: never later than it is due, so an advance to this time fires it or comes closer to it.
    pub(crate) fn next(&self) -> Option<u64> {
        self.next_bucket().map(|(_, _, start)| start << TICK_BITS)
    }

    /// Moves time on and appends the owners of all timers that are due to `due`; they are cleared.
    pub(crate) fn advance(&mut self, now_us: u64, due: &mut Vec<u32>) {
        let target = (now_us >> TICK_BITS).max(self.now);
        while let Some((level, bucket, start)) = self.next_bucket()
            && start <= target
        {
            self.now = self.now.max(start);
            let mut owner = std::mem::replace(&mut self.first[level][bucket], NONE);
            self.occupied[level] &= !(1 << bucket);
            while owner != NONE {
                let next = self.nodes[owner as usize].after;
                if self.nodes[owner as usize].at <= self.now {
                    self.nodes[owner as usize].at = IDLE;
                    due.push(owner);
                } else {
                    self.link(owner);
                }
                owner = next;
            }
        }
        self.now = target;
    }

    /// Level, bucket and first tick of the earliest bucket that holds something. Lower levels are always earlier.
    fn next_bucket(&self) -> Option<(usize, usize, u64)> {
        let level = self.occupied.iter().position(|&bits| bits != 0)?;
        let bucket = self.occupied[level].trailing_zeros() as usize;
        let shift = level as u32 * LEVEL_BITS;
        let above = self.now.checked_shr(shift + LEVEL_BITS).unwrap_or(0).checked_shl(shift + LEVEL_BITS).unwrap_or(0);
        Some((level, bucket, above | (bucket as u64) << shift))
    }

    /// The level is that of the highest bits in which the tick differs from now.
    fn bucket_of(&self, at: u64) -> (usize, usize) {
        let level = (63 - ((at ^ self.now) | 1).leading_zeros()) / LEVEL_BITS;
        (level as usize, (at >> (level * LEVEL_BITS)) as usize & (BUCKETS - 1))
    }

    fn link(&mut self, owner: u32) {
        let (level, bucket) = self.bucket_of(self.nodes[owner as usize].at);
        let first = std::mem::replace(&mut self.first[level][bucket], owner);
        self.occupied[level] |= 1 << bucket;
        let node = &mut self.nodes[owner as usize];
        (node.before, node.after) = (NONE, first);
        if first != NONE {
            self.nodes[first as usize].before = owner;
        }
    }

    fn unlink(&mut self, owner: u32) {
        let Node { at, before, after } = self.nodes[owner as usize];
        if after != NONE {
            self.nodes[after as usize].before = before;
        }
        if before != NONE {
            self.nodes[before as usize].after = after;
            return;
        }
        let (level, bucket) = self.bucket_of(at);
        self.first[level][bucket] = after;
        if after == NONE {
            self.occupied[level] &= !(1 << bucket);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(timers: &mut Timers, now: u64) -> Vec<u32> {
        let mut due = Vec::new();
        timers.advance(now, &mut due);
        due.sort_unstable();
        due
    }

    #[test]
    fn a_timer_fires_once_never_early_and_at_most_a_tick_late() {
        for at in [1, 255, 256, 257, 16_384, 16_385, 1 << 20, 25_000_000, 30_000_001, 1 << 40, u64::MAX - 1000] {
            let mut timers = Timers::new(0);
            timers.set(3, at);
            let mut fired_at = None;
            for _ in 0..64 {
                let Some(next) = timers.next() else { break };
                if due(&mut timers, next).contains(&3) {
                    assert!(fired_at.replace(next).is_none());
                }
            }
            let fired_at = fired_at.unwrap_or_else(|| panic!("{at} never fired"));
            assert!(fired_at >= at.min(u64::MAX - 255 - 1000) && fired_at - at.min(fired_at) < 256, "{at}: {fired_at}");
        }
    }

    #[test]
    fn random_sets_moves_and_clears_agree_with_a_sorted_list() {
        let mut random = 0x2545_F491_4F6C_DD1Du64;
        let mut next_random = move || {
            random ^= random >> 12;
            random ^= random << 25;
            random ^= random >> 27;
            random.wrapping_mul(0x2545_F491_4F6C_DD1D)
        };
        let mut now = 12_345_678;
        let mut timers = Timers::new(now);
        let mut model: Vec<Option<u64>> = vec![None; 200];
        for step in 0..20_000 {
            let owner = (next_random() % 200) as u32;
            match next_random() % 4 {
                0 | 1 => {
                    let at = now + (next_random() % (1 << (next_random() % 36)));
                    timers.set(owner, at);
                    model[owner as usize] = Some(at.div_ceil(256).max(now / 256) * 256);
                }
                2 => {
                    timers.clear(owner);
                    model[owner as usize] = None;
                }
                _ => {
                    now += next_random() % (1 << (next_random() % 30));
                    let fired = due(&mut timers, now);
                    let expected: Vec<u32> = (0..200).filter(|&i| model[i as usize].is_some_and(|at| at <= now / 256 * 256)).collect();
                    assert_eq!(fired, expected, "step {step}");
                    for owner in fired {
                        model[owner as usize] = None;
                    }
                    let next = timers.next();
                    let soonest = model.iter().flatten().min();
                    assert_eq!(next.is_some(), soonest.is_some());
                    if let (Some(next), Some(&soonest)) = (next, soonest) {
                        assert!(next <= soonest && next > now / 256 * 256, "step {step}: {next} {soonest}");
                    }
                }
            }
        }
    }
}
