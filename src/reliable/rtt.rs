//! The round-trip time, by RFC 6298, and the shortest one.

/// Before the first sample: what v3 peers begin with.
const INITIAL_US: u32 = 500_000;
/// The least time that is allowed for an acknowledgement beyond the smoothed round trip: the clock of a host that ticks.
const SLACK_US: u64 = 10_000;
/// The least time that a packet may be overtaken by: acknowledgements of transfers are 2 ms apart.
const LEAST_WAIT_US: u64 = 4_000;
/// The longest time between two probes, whatever the path did.
const LONGEST_US: u64 = 4_000_000;
/// The longest round trip that is believed: v3's. What takes longer waited for a host that slept, or a clock that jumped.
const MOST_US: u64 = 8_000_000;
/// The least deviation after a handshake: a host answers that at once, but acknowledges when its loop comes round.
const HANDSHAKE_DEVIATION_US: u32 = 25_000;
/// log2 of the microseconds after which the shortest round trip is sought anew: 16.8 s.
const LEAST_BITS: u32 = 24;

/// Smoothed round-trip time and mean deviation, and the shortest and latest sample, in microseconds; 0 before the first sample.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rtt {
    smoothed: u32,
    deviation: u32,
    latest: u32,
    /// The shortest in this span of time, and in the one before it.
    least: [u32; 2],
    span: u32,
}

impl Rtt {
    /// The first sample, from the handshake.
    pub(crate) fn handshake(&mut self, us: u64, now: u64) {
        self.sample(us, now);
        self.deviation = self.deviation.max(HANDSHAKE_DEVIATION_US);
    }

    pub(crate) fn sample(&mut self, us: u64, now: u64) {
        let us = us.clamp(1, MOST_US) as u32;
        let span = (now >> LEAST_BITS) as u32;
        if self.smoothed == 0 {
            *self = Rtt { smoothed: us, deviation: us / 2, latest: us, least: [us; 2], span };
            return;
        }
        self.deviation = self.deviation - self.deviation / 4 + self.smoothed.abs_diff(us) / 4;
        self.smoothed = (self.smoothed - self.smoothed / 8 + us / 8).max(1);
        self.latest = us;
        if span != self.span {
            self.span = span;
            self.least = [us, self.least[0]];
        }
        self.least[0] = self.least[0].min(us);
    }

    /// A packet that had been sent again was acknowledged `us` after it last left. Of which transmission that tells is unknown; but if no round trip was shorter
    /// lately, and those that are believed take many times as long, they took so long for a while, and no longer do: else packets that are sent again would be
    /// waited for as long, for none of them gives a sample.
    pub(crate) fn resent(&mut self, us: u64) {
        if us >= self.least() && us * 4 < self.smoothed() && self.known().is_some() {
            (self.smoothed, self.deviation) = (self.smoothed / 2, self.deviation / 2);
        }
    }

    pub(crate) fn known(&self) -> Option<u32> {
        (self.smoothed != 0).then_some(self.smoothed)
    }

    pub(crate) fn deviation(&self) -> u32 {
        self.deviation
    }

    pub(crate) fn smoothed(&self) -> u64 {
        self.known().unwrap_or(INITIAL_US).into()
    }

    pub(crate) fn latest(&self) -> u64 {
        self.latest.into()
    }

    /// The shortest round trip of the last half minute.
    pub(crate) fn least(&self) -> u64 {
        self.known().map_or(INITIAL_US, |_| self.least[0].min(self.least[1])).into()
    }

    /// How long after it left a packet counts as lost, if one that left later arrived.
    pub(crate) fn overtaken(&self) -> u64 {
        self.smoothed() + (self.smoothed() / 8).max(2 * u64::from(self.deviation)).max(LEAST_WAIT_US)
    }

    /// How long after it left a packet counts as lost, if the peer is heard. Sent `times` times: from the third on, it is waited for longer and longer.
    pub(crate) fn timeout(&self, times: u32) -> u64 {
        let spread = (4 * u64::from(self.deviation)).max(SLACK_US);
        ((self.smoothed() + spread) << times.saturating_sub(2).min(16)).min(LONGEST_US.max(self.smoothed() + spread))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_samples() {
        let mut rtt = Rtt::default();
        assert_eq!((rtt.known(), rtt.smoothed(), rtt.least()), (None, 500_000, 500_000));
        rtt.sample(60_000, 0);
        assert_eq!((rtt.known(), rtt.deviation(), rtt.least()), (Some(60_000), 30_000, 60_000));
        for now in 0..100 {
            rtt.sample(20_000, now);
        }
        assert!(rtt.smoothed().abs_diff(20_000) < 100 && rtt.deviation() < 1_000);
        assert_eq!(rtt.least(), 20_000);
    }

    #[test]
    fn a_path_that_became_longer_is_noticed() {
        let mut rtt = Rtt::default();
        rtt.sample(10_000, 0);
        for second in 0..60 {
            rtt.sample(90_000, second * 1_000_000);
        }
        assert_eq!(rtt.least(), 90_000);
    }

    #[test]
    fn a_delay_that_is_over_is_forgotten_though_only_resent_packets_are_acknowledged() {
        let mut rtt = Rtt::default();
        (0..20).for_each(|second| rtt.sample(100_000, second * 1_000_000));
        (0..3).for_each(|_| rtt.sample(7_000_000, 20_000_000));
        let long = rtt.timeout(1);
        assert!(long > 4_000_000);
        rtt.resent(90_000);
        assert_eq!(rtt.timeout(1), long, "it may have been the first transmission's");
        (0..10).for_each(|_| rtt.resent(110_000));
        assert!((200_000..500_000).contains(&rtt.smoothed()), "{}", rtt.smoothed());
        let mut rtt = Rtt::default();
        rtt.resent(1);
        assert_eq!((rtt.known(), rtt.smoothed()), (None, 500_000));
    }

    #[test]
    fn extreme_samples_neither_overflow_nor_vanish() {
        let mut rtt = Rtt::default();
        for us in [0, u64::MAX, 1, u64::MAX, 0] {
            rtt.sample(us, u64::MAX);
            assert!(rtt.known().is_some() && rtt.least() > 0);
            assert!(rtt.timeout(u32::MAX) >= rtt.timeout(0) && rtt.timeout(0) >= SLACK_US);
        }
    }
}
