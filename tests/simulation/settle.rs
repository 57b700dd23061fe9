//! The end of a run: the faults stop, what is owed arrives, then there is quiet, and at last nothing.

use crate::common::SECOND;
use crate::talk::{CLIENT_END, Phase};
use crate::world::{Violation, World};

/// Until the last session is dead that nobody keeps alive, another connected in its place, and what was queued is delivered.
const PATIENCE: u64 = 150 * SECOND;
/// A path that is good carries a greeting in less.
const GREETING: u64 = 10 * SECOND;
/// But an end that measured round trips of more than this, over a jump, a slow host or a first datagram that was lost, repeats itself as rarely, and a server even
/// leaves it to its client, whose heartbeat comes within 25 s: a message on each of four channels may take so many of them where a host takes one at a time.
const LONG_ROUND_TRIP: u64 = SECOND;
const ROUNDS: u64 = 8;
/// What a host and a wheel of timers may add to a round trip.
const SLACK: u64 = SECOND / 10;
/// Quiet is measured for so long, after so long for all to be acknowledged and shown.
const CALM: u64 = 10 * SECOND;
/// The longest that a session or a handshake is remembered of which nothing is heard.
const MEMORY: u64 = 130 * SECOND;

impl World<'_> {
    pub fn settle(&mut self) -> Result<(), Violation> {
        self.calm();
        // What was done last shows.
        self.advance(self.now + 1)?;
        self.await_quiet(PATIENCE, "liveness")?;
        self.greet()?;
        let round_trip = self.round_trip()?;
        let extra = if round_trip > LONG_ROUND_TRIP { 4 * GREETING + ROUNDS * round_trip } else { 0 };
        self.await_quiet(GREETING + extra, "liveness")?;
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

    /// The longest round trip that an end believes in, with what it adds for its deviation. Where nothing was lost, slow or jumped over it is the path's.
    fn round_trip(&self) -> Result<u64, Violation> {
        let mut longest = 0;
        for talk in self.current.iter().flatten() {
            let (number, talk) = (*talk, &self.talks[*talk]);
            for end in &talk.ends {
                let info = end.id.and_then(|id| self.hosts[end.host].mux.as_ref()?.info(id).ok());
                let Some((rtt, deviation)) = info.and_then(|info| Some((u64::from(info.rtt_us?), u64::from(info.rtt_deviation_us)))) else {
                    continue;
                };
                longest = longest.max(rtt + 4 * deviation);
                let path = 2 * self.scenario.delays[talk.client] + self.net.worst[talk.client] + SLACK;
                let undisturbed = !talk.disturbed && talk.moved_at.is_none() && !self.excused(number, talk.began_at, 1);
                if undisturbed && rtt > path {
                    return self.violation("round trip", format!("{rtt} us over a path of {path}; {}", talk.describe()));
                }
            }
        }
        Ok(longest)
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
                return self
                    .violation("rest", format!("host {number}, {sessions} sessions: {sent} datagrams and {turned} turns for nothing"));
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
