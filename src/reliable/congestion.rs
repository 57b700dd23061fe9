//! How much of a session may be under way at once, over all its channels.

use crate::config::{Config, Congestion};

/// Packets under way in the first round trip.
const INITIAL_WINDOW: u32 = 32;
/// Probes without an answer after which everything under way counts as lost.
const PROBES_BEFORE_TIMEOUT: u32 = 3;

/// What is known of the path while reliable packets are under way.
#[derive(Default)]
pub(crate) struct Path {
    /// Packets that may be under way.
    window: u32,
    /// What the window grows to.
    most: u32,
    /// Packets that are: sent, neither acknowledged nor given up.
    under_way: u32,
    /// When a reliable packet was last sent, or the last acknowledgement of one arrived.
    progress_at: u64,
    /// Probes since the last acknowledgement.
    pub(crate) probes: u32,
    /// New packets that may leave past the window: an acknowledgement of something new moves a window that a lost one stalled.
    beyond: u32,
    /// When something that was overtaken counts as lost.
    pub(crate) loss_at: Option<u64>,
}

impl Path {
    pub(crate) fn begin(&mut self, config: &Config) {
        let most = config.send_window;
        let window = if config.congestion == Congestion::Fixed { most } else { INITIAL_WINDOW.min(most) };
        *self = Path { window, most, ..Path::default() };
    }

    /// Packets that may leave now.
    pub(crate) fn room(&self) -> u32 {
        self.window.saturating_sub(self.under_way).max(self.beyond)
    }

    /// Packets past the cumulative acknowledgement that may leave, where the peer is believed to hold `window`.
    pub(crate) fn reach(&self, window: u32) -> u32 {
        window + self.beyond
    }

    pub(crate) fn idle(&self) -> bool {
        self.under_way == 0
    }

    pub(crate) fn progress_at(&self) -> u64 {
        self.progress_at
    }

    /// A packet left, for the first time or again.
    pub(crate) fn sent(&mut self, again: bool, now: u64) {
        self.under_way += 1;
        if !again {
            self.beyond = 0;
        }
        self.progress_at = now;
    }

    /// `packets` were acknowledged, of which `under_way` were still counted as such.
    pub(crate) fn acknowledged(&mut self, packets: u32, under_way: u32, now: u64) {
        self.under_way -= under_way;
        self.window = (self.window + packets).min(self.most);
        self.progress_at = now;
        self.probes = 0;
    }

    pub(crate) fn lost(&mut self, packets: u32) {
        self.under_way -= packets;
    }

    /// A probe timeout passed. True where everything under way counts as lost.
    pub(crate) fn probe(&mut self, now: u64) -> bool {
        self.progress_at = now;
        self.probes += 1;
        self.beyond = 1;
        let timeout = self.probes >= PROBES_BEFORE_TIMEOUT;
        if timeout {
            self.window = INITIAL_WINDOW.min(self.most);
        }
        timeout
    }
}
