//! The round-trip time, by RFC 6298.

/// Before the first sample: what v3 peers begin with.
const INITIAL_US: u32 = 500_000;
/// The least time that is allowed for an acknowledgement beyond the smoothed round trip: the clock of a host that ticks.
const SLACK_US: u32 = 15_000;
/// The longest time between two probes, whatever the path did.
const LONGEST_US: u64 = 4_000_000;

/// Smoothed round-trip time and mean deviation, in microseconds; 0 before the first sample.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rtt {
    smoothed: u32,
    deviation: u32,
}

/// The least deviation after a handshake: a host answers that at once, but acknowledges when its loop comes round.
const HANDSHAKE_DEVIATION_US: u32 = 25_000;

impl Rtt {
    /// The first sample, from the handshake.
    pub(crate) fn handshake(&mut self, us: u64) {
        self.sample(us);
        self.deviation = self.deviation.max(HANDSHAKE_DEVIATION_US);
    }

    pub(crate) fn sample(&mut self, us: u64) {
        let us = us.clamp(1, 60_000_000) as u32;
        if self.smoothed == 0 {
            *self = Rtt { smoothed: us, deviation: us / 2 };
        } else {
            self.deviation = self.deviation - self.deviation / 4 + self.smoothed.abs_diff(us) / 4;
            self.smoothed = (self.smoothed - self.smoothed / 8 + us / 8).max(1);
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

    /// How long a packet may be overtaken before it counts as lost.
    pub(crate) fn reordering(&self) -> u64 {
        self.smoothed() / 4
    }

    /// How long to wait for an acknowledgement before probing, after `probes` that were not answered.
    pub(crate) fn probe_timeout(&self, probes: u32) -> u64 {
        let spread = (4 * u64::from(self.deviation)).max(SLACK_US.into());
        ((self.smoothed() + spread) << probes.min(16)).min(LONGEST_US)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_samples() {
        let mut rtt = Rtt::default();
        assert_eq!((rtt.known(), rtt.smoothed()), (None, 500_000));
        rtt.sample(60_000);
        assert_eq!((rtt.known(), rtt.deviation()), (Some(60_000), 30_000));
        for _ in 0..100 {
            rtt.sample(20_000);
        }
        assert!(rtt.smoothed().abs_diff(20_000) < 100 && rtt.deviation() < 1_000);
    }

    #[test]
    fn extreme_samples_neither_overflow_nor_vanish() {
        let mut rtt = Rtt::default();
        for us in [0, u64::MAX, 1, u64::MAX, 0] {
            rtt.sample(us);
            assert!(rtt.known().is_some());
            assert!(rtt.probe_timeout(u32::MAX) <= LONGEST_US && rtt.probe_timeout(0) >= u64::from(SLACK_US));
        }
    }
}
