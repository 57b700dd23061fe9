//! The end of a run: the faults stop, what is owed arrives, then there is quiet, and at last nothing.

use crate::common::SECOND;
use crate::talk::{CLIENT_END, Phase};
use crate::world::{Violation, World};

/// Until the last session is dead that nobody keeps alive, another connected in its place, and what was queued is delivered.
const PATIENCE: u64 = 150 * SECOND;
/// A path that is good carries a greeting in less, whatever was measured before.
const GREETING: u64 = 10 * SECOND;
/// Quiet is measured for so long, after so long for all to be acknowledged and shown.
const CALM: u64 = 10 * SECOND;
/// The longest that a session or a handshake is remembered of which nothing is heard.
const MEMORY: u64 = 130 * SECOND;

impl World<'_> {
    pub fn settle(&mut self) -> Result<(), Violation> {
        self.calm();
        self.await_quiet(PATIENCE, "liveness")?;
        self.greet()?;
        self.await_quiet(GREETING, "liveness")?;
        self.rest()?;
        self.close()
    }

    /// Lets time pass until all clients that ever connected are connected, and all that was said was delivered.
    fn await_quiet(&mut self, patience: u64, kind: &'static str) -> Result<(), Violation> {
        let until = self.now + patience;
        while let Some(why) = self.unsettled() {
            if self.now >= until {
                return self.violation(kind, format!("{} s after the faults: {why}", patience / SECOND));
            }
            // A client that was misled about the CRC hears nothing that makes sense, and its host leaves.
            for client in 0..self.current.len() {
                if self.current[client].is_some_and(|talk| self.talks[talk].deluded) {
                    self.disconnect(client, true, false)?;
                    self.disconnect(client, false, false)?;
                }
            }
            self.advance_once()?;
        }
        Ok(())
    }

    fn unsettled(&self) -> Option<String> {
        let at_work = |(number, talk): (usize, &crate::talk::Talk)| {
            let is_current = self.current[talk.client] == Some(number);
            let still = talk.ends.iter().any(|end| matches!(end.phase, Phase::Connecting | Phase::Open));
            if is_current { !talk.is_open() || !talk.is_quiet() || talk.deluded } else { still }
        };
        self.talks.iter().enumerate().find(|talk| at_work(*talk)).map(|(_, talk)| talk.describe())
    }

    /// Sessions with nothing to say are silent, and their hosts asleep.
    fn rest(&mut self) -> Result<(), Violation> {
        self.advance(self.now + CALM)?;
        let before: Vec<_> = self.hosts.iter().map(|host| (host.turns, host.stats.datagrams_sent)).collect();
        self.advance(self.now + CALM)?;
        for (number, (turns, datagrams)) in before.into_iter().enumerate() {
            let host = &self.hosts[number];
            let sessions = host.sessions.len();
            let (turned, sent) = (host.turns - turns, host.stats.datagrams_sent - datagrams);
            // A NetStatus each second at most, and a heartbeat; what is asked is answered. A wheel wakes some more times than it must.
            if sent > 30 * sessions as u64 || turned > 20 + 80 * sessions {
                return self.violation("rest", format!("host {number}, {sessions} sessions: {sent} datagrams and {turned} turns for nothing"));
            }
            for id in host.sessions.keys() {
                let queued = host.mux.as_ref().and_then(|mux| mux.info(*id).ok()).map(|info| info.queued_bytes);
                if queued != Some(0) {
                    return self.violation("rest", format!("host {number}: {queued:?} bytes are queued for nothing"));
                }
            }
        }
        Ok(())
    }

    /// Everybody leaves, and nothing is left.
    fn close(&mut self) -> Result<(), Violation> {
        self.closing = true;
        self.hosts.iter_mut().for_each(|host| host.connects_at = None);
        for client in 0..self.current.len() {
            self.disconnect(client, true, true)?;
        }
        self.advance(self.now + 3 * SECOND)?;
        if let Some(talk) = self.talks.iter().find(|talk| talk.ends.iter().any(|end| !end.is_over() && end.phase != Phase::Unheard)) {
            return self.violation("liveness", format!("3 s after a disconnect: {}", talk.describe()));
        }
        self.advance(self.now + MEMORY)?;
        for (number, host) in self.hosts.iter().enumerate() {
            let Some(mux) = &host.mux else { continue };
            if mux.next_deadline() != u64::MAX || mux.timeout_ms(self.now) != -1 || !host.sessions.is_empty() {
                let (deadline, timeout) = (mux.next_deadline(), mux.timeout_ms(self.now));
                return self.violation("rest", format!("host {number} is not idle without sessions: {deadline}, {timeout}"));
            }
            let stats = mux.stats();
            if stats.sessions_connected > stats.sessions_disconnected {
                return self.violation("counters", format!("host {number} says that a session is open: {stats:?}"));
            }
        }
        debug_assert!(self.talks.iter().all(|talk| talk.ends[CLIENT_END].is_over()));
        Ok(())
    }
}
