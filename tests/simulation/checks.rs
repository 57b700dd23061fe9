//! What must hold after every turn of a host, and which endings a session may come to.

use crate::common::{MS, SECOND};
use crate::host::Host;
use crate::scenario::SERVER;
use crate::talk::{CLIENT_END, Phase, SERVER_END};
use crate::world::{Violation, World};
use soe::{CrcSeed, EndedBy, SessionState, Stats, reason};

/// A timer fires at most a tick late: 256 us.
const LATE: u64 = MS;
/// Of five times that a peer is asked within a timeout, so many are lost before a session dies: the question or its answer.
const FEW_LOSSES: usize = 3;

/// Bytes of a multiplexer's tables, timers and generators, and of what zlib works in.
const TABLES: usize = 512 * 1024;
/// Small blocks' worth of memory that a multiplexer keeps idle, or has at hand for datagrams and events.
const IDLE_BLOCKS: usize = 256;
/// And that a session may occupy, whatever is in them: a block for each of its channels.
const SESSION_BLOCKS: usize = 16;
/// A byte that is under way may stand in a block, in a packet that waits for those before it, and in a message that is being put together; these grow by doubling.
const COPIES: usize = 4;
/// What is known of each packet that is under way.
const PACKET: usize = 128;

/// Every counter.
fn counters(stats: &Stats) -> [u64; 19] {
    [
        stats.datagrams_sent,
        stats.datagrams_received,
        stats.bytes_sent,
        stats.bytes_received,
        stats.messages_sent,
        stats.messages_received,
        stats.retransmissions,
        stats.duplicates,
        stats.dropped_crc,
        stats.dropped_malformed,
        stats.dropped_lossy,
        stats.dropped_window,
        stats.dropped_contextless,
        stats.dropped_acknowledgement,
        stats.dropped_stranger,
        stats.sessions_connected,
        stats.sessions_disconnected,
        stats.requests_refused,
        stats.half_open_dropped,
    ]
}

fn grew(before: &Stats, after: &Stats) -> bool {
    before == after || counters(before).iter().zip(counters(after)).all(|(before, after)| *before <= after)
}

fn us(ms: u32) -> u64 {
    u64::from(ms) * MS
}

impl World<'_> {
    /// What holds for a host whenever it had its turn.
    pub fn check(&mut self, host: usize) -> Result<(), Violation> {
        let now = self.now;
        let Some(mux) = &self.hosts[host].mux else { return Ok(()) };
        let stats = mux.stats();
        if !grew(&self.hosts[host].stats, &stats) {
            return self.violation("counters", format!("host {host}: {:?}, then {stats:?}", self.hosts[host].stats));
        }
        // A host that has just become so has another turn before it.
        let is_prompt = self.hosts[host].pace.is_none() && !self.hosts[host].touched;
        let (timeout, deadline) = (mux.timeout_ms(now), mux.next_deadline());
        if is_prompt && timeout != Host::expected_timeout(deadline, now) {
            return self.violation("timeout", format!("host {host}: {timeout} ms at {now}, the deadline is {deadline}"));
        }
        if timeout < -1 {
            return self.violation("timeout", format!("host {host}: {timeout} ms"));
        }
        self.hosts[host].stats = stats;
        let sessions: Vec<_> = self.hosts[host].sessions.iter().map(|(id, place)| (*id, *place)).collect();
        for (id, (talk, end)) in sessions {
            if let Some(Ok(stats)) = self.hosts[host].mux.as_ref().map(|mux| mux.session_stats(id)) {
                let end = &mut self.talks[talk].ends[end];
                let before = std::mem::replace(&mut end.stats, stats);
                if !grew(&before, &stats) {
                    return self.violation("counters", format!("host {host}, {id:?}: {before:?}, then {stats:?}"));
                }
            }
            if is_prompt {
                self.check_deadlines(talk, end)?;
            }
        }
        self.check_memory(host)
    }

    /// A peer that is not heard, a connect that is not answered, and a flush that takes too long end when the config says.
    fn check_deadlines(&self, talk: usize, at: usize) -> Result<(), Violation> {
        let (now, talk) = (self.now, &self.talks[talk]);
        let end = &talk.ends[at];
        let host = &self.hosts[end.host];
        let over = |since: u64, ms: u32| ms > 0 && now > since.max(host.prompt_since) + us(ms) + LATE;
        let what = match (end.phase, end.asked) {
            (Phase::Connecting, _) if over(talk.began_at, host.config.connect_timeout_ms) => "still connecting",
            (Phase::Open, Some((asked_at, _, _))) if over(asked_at, host.config.flush_timeout_ms) => "still closing",
            (Phase::Open, _) if !talk.deluded && over(end.heard_at, host.config.inactivity_timeout_ms) => "open, and nothing heard",
            _ => return Ok(()),
        };
        self.violation("overdue", format!("end {at} is {what}; {}", talk.describe()))
    }

    /// What a multiplexer may hold: its tables, idle blocks as many as it keeps, and what its sessions needed at most so far, as it is kept for the next ones.
    fn check_memory(&mut self, host: usize) -> Result<(), Violation> {
        let Host { mux: Some(mux), config, sessions, requests, held, needed, .. } = &mut self.hosts[host] else { return Ok(()) };
        let block = (2 * config.udp_length as usize).next_power_of_two().max(2048);
        let mut needs = 1024 * requests.len();
        for (id, (talk, at)) in sessions.iter() {
            let (end, peer) = (&self.talks[*talk].ends[*at], &self.talks[*talk].ends[1 - at]);
            let queued = mux.info(*id).map_or(0, |info| info.queued_bytes as usize);
            let under_way = queued + peer.under_way(end);
            let packets = under_way / end.udp_length.saturating_sub(12).max(1);
            needs += SESSION_BLOCKS * block + COPIES * under_way + PACKET * packets;
        }
        *needed = needs.max(*needed);
        let most = TABLES + IDLE_BLOCKS * block + *needed;
        let held = (*held).max(0) as usize;
        self.tally.fullest = self.tally.fullest.max(held * 100 / most);
        if held > most {
            return self.violation("memory", format!("host {host} holds {held} bytes, {most} are its limits"));
        }
        Ok(())
    }

    /// Something was slow, absent or jumped over since then: who waits for an answer may have waited too short.
    fn strained(&self, talk: usize, since: u64) -> bool {
        let talk = &self.talks[talk];
        let host = |host: usize| {
            let host = &self.hosts[host];
            host.pace.is_some() || host.mux.is_none() || host.strained_at.is_some_and(|at| at >= since)
        };
        host(SERVER) || host(talk.client + 1) || self.lagging[talk.client] >= since
    }

    /// The path or the hosts were such that questions went unanswered since then.
    pub fn excused(&self, talk: usize, since: u64, losses: usize) -> bool {
        self.talks[talk].losses_since(since) >= losses || self.strained(talk, since)
    }

    /// Whether a session may end so. What the path allows to live does live: every ending has its reason in what happened.
    pub fn judge(&self, number: usize, at: usize, when: u64, by: EndedBy, why: u16) -> Result<(), &'static str> {
        let talk = &self.talks[number];
        let (end, peer) = (&talk.ends[at], &talk.ends[1 - at]);
        let config = &self.hosts[end.host].config;
        let timeout = us(config.inactivity_timeout_ms);
        let need = |right: bool, else_what: &'static str| if right { Ok(()) } else { Err(else_what) };
        need(matches!(end.phase, Phase::Open | Phase::Connecting), "it was not there")?;
        match (by, why) {
            (EndedBy::Host, _) => need(end.asked.is_some_and(|(_, reason, _)| reason == why), "nobody asked for it"),
            _ if talk.deluded => Ok(()),
            (EndedBy::Library, reason::TIMEOUT) => {
                need(when >= end.heard_at + timeout, "the peer was heard since")?;
                let since = when.saturating_sub(timeout);
                // Whose address changed unnoticed may say one thing more before the heartbeat that comes too late: if that is lost, nobody knows.
                let alone = peer.phase == Phase::Unheard || talk.moved_at.is_some_and(|at| at >= since);
                let few = if alone { 1 } else { FEW_LOSSES };
                need(peer.is_over() || talk.disturbed || self.excused(number, since, few), "all was well")
            }
            (EndedBy::Library, reason::UNREACHABLE_CONNECTION) => {
                need(end.hinted_at.is_some_and(|at| at >= end.heard_at), "nobody said so")?;
                let few = if peer.phase == Phase::Unheard { 1 } else { FEW_LOSSES };
                let gone = peer.is_over() || self.is_over(number, 1 - at);
                need(gone || talk.disturbed || self.excused(number, when.saturating_sub(10 * SECOND), few), "the peer was there")
            }
            (EndedBy::Library, reason::NEW_CONNECTION_ATTEMPT) => {
                let newer = at == SERVER_END && self.current[talk.client] != Some(number);
                // Whoever knows the seed can raise this doubt, and three seconds are short where questions are lost or the address changes meanwhile.
                let since = when.saturating_sub(5 * SECOND);
                let deaf = self.excused(number, since, FEW_LOSSES - 1) || talk.moved_at.is_some_and(|at| at >= since);
                let forged = end.hinted_at.is_some_and(|at| at >= since) && matches!(config.crc_seed, CrcSeed::Fixed(_)) && deaf;
                need(newer || forged || talk.disturbed, "nobody connected anew")
            }
            (EndedBy::Library, reason::UNACKNOWLEDGED_TIMEOUT) => {
                let timeout = us(config.unacknowledged_timeout_ms);
                need(timeout > 0, "there is no such timeout")?;
                need(peer.is_over() || talk.disturbed || self.excused(number, when.saturating_sub(timeout), FEW_LOSSES), "all was well")
            }
            (EndedBy::Library, reason::CONNECT_FAIL) => {
                let timeout = us(config.connect_timeout_ms);
                need(at == CLIENT_END && end.phase == Phase::Connecting, "it was connected")?;
                need(when >= talk.began_at + timeout, "there was time left")?;
                need(talk.disturbed || self.excused(number, talk.began_at, FEW_LOSSES), "the server was there")
            }
            (EndedBy::Library, _) => Err("the library has no such reason"),
            (EndedBy::Peer, _) => self.judge_peers(number, at, why),
        }
    }

    /// The other side said that it ends the session: it did.
    fn judge_peers(&self, number: usize, at: usize, why: u16) -> Result<(), &'static str> {
        let talk = &self.talks[number];
        let peer = &talk.ends[1 - at];
        let says = |reason: u16| why == if self.hosts[peer.host].config.disconnect_has_reason { reason } else { 0 };
        let asked = peer.asked.is_some_and(|(_, reason, _)| says(reason));
        let ended = peer.ended.is_some_and(|(_, reason)| says(reason));
        let of_its_own = says(reason::TIMEOUT) || says(reason::UNACKNOWLEDGED_TIMEOUT);
        let unread = (peer.phase == Phase::Gone || self.is_over(number, 1 - at)) && of_its_own;
        let refused = talk.disturbed && (says(reason::PROTOCOL_MISMATCH) || says(reason::CONNECTION_REFUSED));
        if asked || ended || unread || refused { Ok(()) } else { Err("it did not") }
    }

    /// The end's multiplexer ended it, though its host may not have read that.
    fn is_over(&self, talk: usize, at: usize) -> bool {
        let end = &self.talks[talk].ends[at];
        let (Some(mux), Some(id)) = (&self.hosts[end.host].mux, end.id) else { return false };
        mux.info(id).is_ok_and(|info| info.state == SessionState::Ended)
    }
}
