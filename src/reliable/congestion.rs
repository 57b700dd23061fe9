//! How fast a session sends: a model of its path, from how fast acknowledged bytes came out at the other end and how long that took at least.
//!
//! Loss alone says nothing here: radio links lose at random, and slowing down for that helps nobody. What the path carries is the highest rate of delivery of the
//! last round trips; more under way than that rate fills in the shortest round trip only stands in a queue. So the window is twice that product, and packets
//! leave at that rate, now and then a little faster to see whether there is more. (The ideas are BBR's; what is here is what one session needs of them.)

use super::rtt::Rtt;
use super::sender::Acknowledged;
use crate::config::{Config, Congestion};

/// Packets under way in the first round trip.
const INITIAL_WINDOW: u64 = 32;
/// Packets that may always be under way.
const LEAST_WINDOW: u64 = 4;
/// Packets that may always leave in a round trip.
const LEAST_PACE: u64 = 2;
/// Round trips for which a rate of delivery is remembered.
const REMEMBERED: usize = 10;
/// Gains are in 256ths. While starting, the rate may grow 2.89 times in a round trip: the least that doubles what is delivered in each.
const STARTUP: u64 = 739;
const STEADY: u64 = 256;
/// Rounds after the start in which it is still found out what it lost.
const SETTLING: u32 = 4;
/// A round trip of looking for more, one of draining what that left in queues, then six at the rate that was found.
const CYCLE: usize = 8;
/// How much faster it looks for more: by a quarter as long as that brings something, else less each time.
const MOST_SEARCH: u64 = STEADY / 4;
const LEAST_SEARCH: u64 = STEADY / 16;
/// Rounds without growth by a quarter that end the start.
const PLATEAU: u32 = 3;
/// The time between two rounds of a slow host's loop.
const LUMP_US: u64 = 16_000;
/// Samples in a round that tell its shortest round trip.
const ENOUGH_SAMPLES: u32 = 8;
/// A host that comes late may send what it missed of an eighth of a round trip, within these bounds.
const LEAST_CREDIT_US: u64 = 2_000;
const MOST_CREDIT_US: u64 = 20_000;
/// How long a path that fell idle is remembered: two rounds of a slow host's loop.
const KEPT_US: u64 = 100_000;
/// Packets of a probe: two that went before, and a new one, since some peers acknowledge nothing else.
pub(super) const PROBE: usize = 2;

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Startup,
    /// Until what the start left in queues is gone.
    Drain,
    /// Which gain of the cycle, and since when.
    Cruise(usize, u64),
}

/// What was known when a packet left: its acknowledgement tells how much was delivered meanwhile.
#[derive(Clone, Copy, Default)]
pub(crate) struct Departure {
    pub(crate) delivered: u64,
    pub(crate) delivered_at: u64,
    /// There was nothing else to send: what is delivered meanwhile tells little.
    pub(crate) idle: bool,
}

/// What a path allows ([`Path::allowance`]).
pub(crate) struct Allowance {
    window: u64,
    /// How long a byte takes, in 2^-16 nanoseconds, where packets are paced.
    pace: Option<u64>,
    /// Now, and how far before that a host that comes late may begin to catch up, in nanoseconds.
    now: u64,
    since: u64,
}

/// What is known of the path while reliable packets are under way. Sizes are bytes, rates bytes per second.
#[derive(Default)]
pub(crate) struct Path {
    /// As much as the sender's reach allows, at any rate.
    fixed: bool,
    packet: u64,
    phase: Phase,
    under_way: u64,
    delivered: u64,
    delivered_at: u64,
    heard_at: u64,
    fed_at: u64,
    /// The highest rate of delivery in each of the last rounds, and the highest of these.
    rates: [u64; REMEMBERED],
    rate: u64,
    round: usize,
    /// The round ends when something is acknowledged that left after this much was delivered.
    round_ends: u64,
    /// The best round so far, and how many did not beat it by a quarter.
    best: u64,
    plateau: u32,
    /// In this round: the shortest round trip, and what was delivered and lost.
    round_rtt: u64,
    round_samples: u32,
    /// The shortest round trip in the block of samples that is being taken and how many it has, and in the last one.
    block: [u64; 2],
    block_rtt: u64,
    round_delivered: u64,
    round_lost: u64,
    /// All of the last round stood in a queue.
    queue: bool,
    /// Rounds until losses are none of the start's.
    settling: u32,
    /// Share lost in the last rounds, in 256ths, as far as queues are not to blame.
    loss: u64,
    /// How much faster than steady it looks for more, in 256ths, and what the rate was before.
    search: u64,
    searched_from: u64,
    /// Until this much is delivered, the host had nothing more to send.
    idle_until: u64,
    /// When the next packet may leave, in nanoseconds.
    pace_at: u64,
    /// When a reliable packet last left without the window being open for others, or an acknowledgement of something new arrived.
    progress_at: u64,
    /// Probes since the last acknowledgement.
    pub(crate) probes: u32,
    /// Packets that may leave past the windows, as a probe.
    probing: u32,
    /// How much longer than [`Rtt`] says a packet is waited for, since packets were given up that arrived all the same.
    reordering: u64,
    /// When something under way has to be looked at.
    pub(crate) check_at: Option<u64>,
}

impl Path {
    pub(crate) fn begin(&mut self, config: &Config, packet: usize, now: u64) {
        let packet = packet as u64;
        let fixed = config.congestion == Congestion::Fixed;
        *self = Path {
            fixed,
            packet,
            delivered_at: now,
            heard_at: now,
            progress_at: now,
            round_rtt: u64::MAX,
            block: [u64::MAX, 0],
            block_rtt: u64::MAX,
            ..Path::default()
        };
    }

    /// Bytes that the path holds at its rate.
    fn product(&self, rtt: &Rtt) -> u64 {
        self.rate.saturating_mul(rtt.least()) / 1_000_000
    }

    fn window(&self, rtt: &Rtt) -> u64 {
        if self.fixed {
            return u64::MAX;
        }
        let least = LEAST_WINDOW * self.packet;
        let gain = if self.phase == Phase::Startup { 15 * STEADY / 8 } else { 2 * STEADY };
        // Acknowledgements come in lumps: the peer's host has its own clock.
        let lump = self.rate.saturating_mul(LUMP_US) / 1_000_000;
        let window = (self.product(rtt).saturating_mul(gain) / STEADY + lump).saturating_mul(STEADY) / (STEADY - self.loss) + least;
        if self.phase == Phase::Startup { window.max(INITIAL_WINDOW * self.packet) } else { window }
    }

    /// The rate at which packets leave.
    fn pace(&self, rtt: &Rtt) -> u64 {
        let rate = self.rate;
        let gain = match self.phase {
            Phase::Startup => {
                return (rate.saturating_mul(STARTUP) / STEADY).max(INITIAL_WINDOW * self.packet * 1_000_000 / rtt.smoothed());
            }
            Phase::Drain => STEADY / 3,
            Phase::Cruise(0, _) => STEADY + self.search,
            Phase::Cruise(1, _) => STEADY - self.search,
            // Rates of delivery are found a little too high rather than too low: what that leaves in queues is let out again.
            Phase::Cruise(..) if self.queue => STEADY - STEADY / 8,
            Phase::Cruise(..) => STEADY,
        };
        // However low the rate seems: while nothing leaves for the first time, no better one is found.
        (rate.saturating_mul(gain) / (STEADY - self.loss)).max(LEAST_PACE * self.packet * 1_000_000 / rtt.smoothed()).max(1)
    }

    /// What may leave, good until something is acknowledged or lost.
    pub(crate) fn allowance(&self, rtt: &Rtt, now: u64) -> Allowance {
        let paced = self.rate > 0 && !self.fixed;
        let credit = (rtt.smoothed() / 8).clamp(LEAST_CREDIT_US, MOST_CREDIT_US);
        Allowance {
            window: self.window(rtt),
            pace: paced.then(|| ((1_000_000_000 << 16) / self.pace(rtt)).max(1)),
            now: now * 1000,
            since: now.saturating_sub(credit) * 1000,
        }
    }

    /// Bytes that may leave now; the last packet may go beyond.
    pub(crate) fn room(&self, allowance: &Allowance) -> u64 {
        let window = allowance.window.saturating_sub(self.under_way);
        let Some(pace) = allowance.pace else { return window };
        let late = allowance.now.checked_sub(self.pace_at.max(allowance.since));
        window.min(late.map_or(0, |late| (late << 16) / pace + 1))
    }

    /// True where a packet may leave now.
    pub(crate) fn may_send(&self, allowance: &Allowance) -> bool {
        self.probing > 0 || self.room(allowance) > 0
    }

    /// When the next packet may leave, if only its time has not come.
    pub(crate) fn paced_until(&self, rtt: &Rtt) -> Option<u64> {
        (self.under_way < self.window(rtt)).then(|| self.pace_at.div_ceil(1000))
    }

    /// Packets that may leave past what the peer is believed to hold.
    pub(crate) fn beyond(&self) -> u32 {
        self.probing.min(1)
    }

    /// When something new was last acknowledged, or the first packet left.
    pub(crate) fn heard_at(&self) -> u64 {
        self.heard_at
    }

    /// True where something new was acknowledged not long ago: then what is not acknowledged in time is lost, else perhaps all is.
    pub(crate) fn heard(&self, rtt: &Rtt, now: u64) -> bool {
        self.probes == 0 && now <= self.heard_at + rtt.timeout(0)
    }

    /// The host has something new to say.
    pub(crate) fn fed(&mut self, now: u64) {
        self.fed_at = now;
    }

    /// When the host last had something new to say.
    pub(crate) fn fed_at(&self) -> u64 {
        self.fed_at
    }

    /// When the peer is probed if nothing is acknowledged.
    pub(crate) fn probe_at(&self, rtt: &Rtt) -> u64 {
        self.progress_at + rtt.timeout(self.probes + 1)
    }

    pub(crate) fn reordering(&self) -> u64 {
        self.reordering
    }

    /// Something was given up that arrived all the same.
    pub(crate) fn spurious(&mut self, rtt: &Rtt) {
        self.reordering = (self.reordering + rtt.smoothed() / 32).min(rtt.smoothed() / 2);
    }

    /// The peer holds no more: that is neither loss nor congestion.
    pub(crate) fn dropped(&mut self, bytes: u64) {
        self.under_way -= bytes;
    }

    /// When what is known here is forgotten, if nothing is sent before: at once where it allows no more than a new path does.
    pub(crate) fn rests_at(&self, rtt: &Rtt) -> u64 {
        if self.window(rtt) > INITIAL_WINDOW * self.packet { self.heard_at + KEPT_US } else { 0 }
    }

    pub(crate) fn idle(&self) -> bool {
        self.under_way == 0
    }

    /// There was nothing more to send.
    pub(crate) fn nothing_waits(&mut self) {
        self.idle_until = self.delivered + self.under_way;
    }

    /// What is known when a packet leaves, for the first time or again.
    pub(crate) fn departure(&mut self, now: u64) -> Departure {
        if self.under_way == 0 {
            // The clock of deliveries starts with this one.
            (self.delivered_at, self.heard_at, self.progress_at) = (now, now, now);
        }
        Departure { delivered: self.delivered, delivered_at: self.delivered_at, idle: self.delivered <= self.idle_until }
    }

    /// It leaves.
    #[inline]
    pub(crate) fn sent(&mut self, bytes: u64, allowance: &Allowance) {
        self.under_way += bytes;
        self.probing = self.probing.saturating_sub(1);
        if let Some(pace) = allowance.pace {
            self.pace_at = self.pace_at.max(allowance.since) + ((bytes * pace) >> 16);
        }
    }

    /// Something was acknowledged.
    pub(crate) fn acknowledged(&mut self, acknowledged: &Acknowledged, rtt: &Rtt, now: u64) {
        self.under_way -= acknowledged.under_way;
        self.round_delivered += acknowledged.bytes;
        (self.heard_at, self.progress_at) = (now, now);
        (self.probes, self.probing) = (0, 0);
        self.round_rtt = self.round_rtt.min(rtt.latest());
        self.round_samples += 1;
        self.block[0] = self.block[0].min(rtt.latest());
        self.block[1] += 1;
        if self.block[1] == u64::from(ENOUGH_SAMPLES) {
            self.block_rtt = std::mem::replace(&mut self.block, [u64::MAX, 0])[0];
        }
        if acknowledged.fresh > 0 {
            self.delivered += acknowledged.fresh;
            self.delivered_at = now;
        }
        // Which of its transmissions arrived is known of no packet that was sent twice.
        if let Some(departure) = acknowledged.departure {
            self.measure(&departure, rtt, now);
        }
        self.turn(rtt, now);
    }

    /// The rate at which things were delivered since a packet left.
    fn measure(&mut self, departure: &Departure, rtt: &Rtt, now: u64) {
        if departure.delivered >= self.round_ends {
            self.next_round(rtt);
        }
        let span = (now - departure.delivered_at).max(rtt.least()).max(1);
        let rate = (self.delivered - departure.delivered).saturating_mul(1_000_000) / span;
        if !departure.idle || rate > self.rate {
            let best = &mut self.rates[self.round % REMEMBERED];
            *best = (*best).max(rate);
            self.rate = self.rate.max(rate);
        }
    }

    fn next_round(&mut self, rtt: &Rtt) {
        self.round_ends = self.delivered;
        self.reordering -= self.reordering / 16;
        // While the host had nothing more to send, a round says nothing of what the path carries.
        let idle = self.delivered <= self.idle_until;
        let queued = self.queued(rtt);
        self.queue = queued && self.round_rtt > rtt.least() + (rtt.least() / 4).max(4 * u64::from(rtt.deviation()));
        // Where packets stand in a queue, that may be what loses them.
        let all = self.round_delivered + self.round_lost;
        self.settling = self.settling.saturating_sub(1);
        if all > 0 && !queued && self.settling == 0 {
            let share = (self.round_lost * 256 / all).min(128);
            self.loss = (3 * self.loss + share) / 4;
        }
        if queued {
            self.loss /= 2;
        }
        if self.phase == Phase::Startup && self.rate > 0 {
            if self.rate > self.best + self.best / 4 {
                (self.best, self.plateau) = (self.rate, 0);
            } else if !idle {
                self.plateau += 1;
            }
            // Where next to nothing got through, the rate says nothing yet.
            let flooded = self.round_lost * 4 > all && self.round_lost.min(self.round_delivered) > 8 * self.packet;
            if self.plateau >= PLATEAU || flooded {
                self.phase = Phase::Drain;
            }
        }
        (self.round_rtt, self.round_samples, self.round_delivered, self.round_lost) = (u64::MAX, 0, 0, 0);
        if !idle {
            self.round += 1;
            self.rates[self.round % REMEMBERED] = 0;
            self.rate = self.rates.iter().copied().max().unwrap_or_default();
        }
    }

    /// The longest round trip of packets that did not stand in a queue.
    fn longest_free(&self, rtt: &Rtt) -> u64 {
        rtt.least() + (rtt.least() / 8).max(4_000).max(2 * u64::from(rtt.deviation()))
    }

    /// All of this round stood in a queue.
    fn queued(&self, rtt: &Rtt) -> bool {
        self.round_samples >= ENOUGH_SAMPLES && self.round_rtt > self.longest_free(rtt)
    }

    fn begin_cruise(&mut self, now: u64) -> Phase {
        (self.search, self.searched_from) = (MOST_SEARCH, self.rate);
        self.settling = SETTLING;
        Phase::Cruise(0, now)
    }

    /// Goes on to the next phase when this one has done its work.
    fn turn(&mut self, rtt: &Rtt, now: u64) {
        self.phase = match self.phase {
            // The path is full, though the rate of the last round trip does not say so yet: it is found at this pace.
            Phase::Startup if self.block_rtt > self.longest_free(rtt) && self.block_rtt != u64::MAX => self.begin_cruise(now),
            Phase::Drain if self.under_way <= self.product(rtt) => self.begin_cruise(now),
            Phase::Cruise(1, since) if now - since >= rtt.least() => {
                // Half of what was looked for, at least, and it goes on looking.
                let found = self.rate > self.searched_from + self.searched_from * self.search / (2 * STEADY);
                self.search = if found { MOST_SEARCH } else { (self.search / 2).max(LEAST_SEARCH) };
                self.searched_from = self.rate;
                Phase::Cruise(if found { 0 } else { 2 }, now)
            }
            Phase::Cruise(index, since) if now - since >= rtt.least() => {
                if index + 1 == CYCLE {
                    self.searched_from = self.rate;
                }
                Phase::Cruise((index + 1) % CYCLE, now)
            }
            phase => phase,
        };
    }

    pub(crate) fn lost(&mut self, bytes: u64) {
        self.under_way -= bytes;
        self.round_lost += bytes;
    }

    /// Nothing was acknowledged for too long.
    pub(crate) fn probe(&mut self, now: u64) {
        self.progress_at = now;
        self.probes += 1;
        self.probing = PROBE as u32 + 1;
    }
}
