//! A host's turn: tick, read events, send; and what it makes of what it hears.

use crate::common::{MS, SECOND};
use crate::host::{Host, Pace, Said, Sent};
use crate::scenario::{SERVER, Sabotage};
use crate::talk::{CLIENT_END, Phase, SERVER_END};
use crate::world::{Violation, World, is_contextless, number_of};
use soe::{AcceptOptions, EndedBy, Error, Scope, SessionId, SessionState};

/// Rounds of one turn after which a host would be at its work for ever.
const MOST_ROUNDS: usize = 200;
/// Datagrams and events that a host takes at once.
const BATCH: usize = 64;

impl World<'_> {
    pub fn turn(&mut self, host: usize) -> Result<(), Violation> {
        let now = self.now;
        let most = self.hosts[host].pace.map_or(BATCH, |pace| pace.most);
        self.hosts[host].touched = false;
        self.hosts[host].turns += 1;
        for round in 0.. {
            let before = self.deadline(host);
            self.hosts[host].on(|mux| mux.tick(now));
            let after = self.deadline(host);
            let delivered = self.tally.delivered;
            let mut events = self.hear(host, most)?;
            while events == BATCH {
                events = self.hear(host, most)?;
            }
            let (messages, limit) = (self.tally.delivered - delivered, self.most_messages(host));
            if messages > limit {
                return self.violation("events", format!("{messages} messages waited, {limit} are the limit"));
            }
            let mut datagrams = self.send_out(host, most)?;
            if before <= now && after <= now && datagrams == 0 {
                return self.violation("deadline", format!("host {host}: ticked at {now}, the deadline stays at {after}, nothing to send"));
            }
            if self.hosts[host].pace.is_some() {
                break;
            }
            while datagrams == BATCH {
                datagrams = self.send_out(host, most)?;
            }
            let Some(mux) = &self.hosts[host].mux else { return Ok(()) };
            if mux.next_deadline() > now && mux.timeout_ms(now) != 0 {
                break;
            }
            if round == MOST_ROUNDS {
                return self
                    .violation("deadline", format!("host {host} is never done: {} and {}", mux.next_deadline(), mux.timeout_ms(now)));
            }
        }
        if let Some(pace) = self.hosts[host].pace {
            let ended = pace.until <= now;
            let host = &mut self.hosts[host];
            host.pace = (!ended).then_some(Pace { next: now + pace.every, ..pace });
            host.strained_at = Some(now);
            // One more turn, of another kind.
            (host.touched, host.prompt_since) = (ended, now);
        }
        self.check(host)
    }

    /// Messages that may wait: the config's limit, and what one more datagram brings, which may close a gap in front of a whole window of packets.
    fn most_messages(&self, host: usize) -> usize {
        let config = &self.hosts[host].config;
        // A message takes two bytes of a bundle.
        config.max_queued_events as usize + (1 + config.receive_window as usize) * config.udp_length as usize / 2
    }

    fn deadline(&self, host: usize) -> u64 {
        self.hosts[host].mux.as_ref().map_or(u64::MAX, |mux| mux.next_deadline())
    }

    /// One drain of events; how many there were.
    fn hear(&mut self, host: usize, most: usize) -> Result<usize, Violation> {
        let events = self.hosts[host].events(most);
        if events.len() > most {
            return self.violation("events", format!("{} events, and {most} were asked for", events.len()));
        }
        let count = events.len();
        for (id, at, said) in events {
            self.hear_one(host, id, at, said)?;
        }
        Ok(count)
    }

    fn hear_one(&mut self, host: usize, id: SessionId, at: u64, said: Said) -> Result<(), Violation> {
        let now = self.now;
        let known = self.hosts[host].sessions.get(&id).copied();
        match said {
            Said::ConnectRequest => {
                if known.is_some() || !self.hosts[host].requests.insert(id) {
                    return self.violation("order", "a connect request of a session that is known");
                }
                // It may have lapsed meanwhile: then its end stands further down.
                self.hosts[host].on(|mux| mux.accept(now, id, &AcceptOptions::default()));
                self.hosts[host].touched = true;
                return Ok(());
            }
            Said::Connected => return self.connected(host, id, at),
            Said::Disconnected(..) if self.hosts[host].requests.remove(&id) => return Ok(()),
            _ => {}
        }
        let Some((talk, end)) = known else {
            return self.violation("order", format!("host {host} hears {said:?} of a session that is not open"));
        };
        let (client, deluded) = (self.talks[talk].client, self.talks[talk].deluded);
        let phase = self.talks[talk].ends[end].phase;
        if phase != Phase::Open && !matches!(said, Said::Disconnected(..)) {
            return self.violation("order", format!("{said:?} while {phase:?}"));
        }
        match said {
            Said::Message(channel, mut data) => {
                if self.goes_off(Sabotage::Flip) {
                    data[0] ^= 1;
                }
                assert!(!self.goes_off(Sabotage::Panic), "sabotage");
                if self.scenario.sabotage == Some(Sabotage::Hoard) {
                    self.hosts[host].held += 100_000;
                }
                let times = if self.goes_off(Sabotage::Swallow) { 0 } else { 1 + usize::from(self.goes_off(Sabotage::Repeat)) };
                for _ in 0..times {
                    self.tally.delivered += 1;
                    if let Err(what) = self.talks[talk].deliver(end, number_of(channel), &data)
                        && !deluded
                    {
                        return self.violation("delivery", format!("{what}; {}", self.talks[talk].describe()));
                    }
                }
            }
            Said::Writable => {
                if self.goes_off(Sabotage::Deafen) {
                    return Ok(());
                }
                if !std::mem::take(&mut self.talks[talk].ends[end].blocked) {
                    return self.violation("writable", "nobody waited");
                }
                self.send_backlog(talk, end)?;
            }
            Said::Disconnected(by, reason) => {
                if self.goes_off(Sabotage::Deny) {
                    return Ok(());
                }
                if let Err(what) = self.judge(talk, end, at, by, reason) {
                    let talk = self.talks[talk].describe();
                    return self.violation("ending", format!("end {end} ended by {by:?}, reason {reason}, at {at}: {what}; {talk}"));
                }
                self.hosts[host].sessions.remove(&id);
                // It ended before its time was up: all was acknowledged, and what is acknowledged was or will be delivered.
                let patience = u64::from(self.hosts[host].config.flush_timeout_ms) * MS;
                let told = &self.talks[talk].ends[1 - end];
                if by == EndedBy::Peer && told.flushed && !deluded && self.talks[talk].outstanding(1 - end) > 0 {
                    return self.violation("flush", format!("what was acknowledged is missing; {}", self.talks[talk].describe()));
                }
                let over = &mut self.talks[talk].ends[end];
                over.flushed = by == EndedBy::Host && over.asked.is_some_and(|(since, _, flush)| flush && at < since + patience);
                (over.phase, over.ended) = (Phase::Ended, Some((by, reason)));
                if end == CLIENT_END && !self.closing {
                    self.hosts[host].connects_at = Some(now + SECOND);
                }
            }
            Said::Rebound(address) => {
                self.tally.rebound += 1;
                if host != SERVER || address.bytes() != self.hosts[client + 1].address.bytes() {
                    return self.violation("rebound", format!("host {host}: client {client} is said to be at {address:?}"));
                }
                // Whoever shows session id and CRC seed is heard.
                let heard = &mut self.talks[talk].ends[end].heard_at;
                *heard = (*heard).max(at);
            }
            Said::ConnectRequest | Said::Connected => {}
        }
        Ok(())
    }

    fn connected(&mut self, host: usize, id: SessionId, at: u64) -> Result<(), Violation> {
        self.hosts[host].requests.remove(&id);
        let Some(Ok(info)) = self.hosts[host].mux.as_ref().map(|mux| mux.info(id)) else {
            return self.violation("order", "a session that is connected has no info");
        };
        let end = if host == SERVER { SERVER_END } else { CLIENT_END };
        let Some(&talk) = self.by_wire_id.get(&info.session_id_on_wire) else {
            return self.violation("order", format!("a session of nobody opened: {info:?}"));
        };
        let opened = &mut self.talks[talk].ends[end];
        let before = if host == SERVER { Phase::Unheard } else { Phase::Connecting };
        if opened.phase == Phase::Gone && host == SERVER && !self.scenario.dialect.tells_sessions_apart() {
            // The server before it knew the session; this one takes a late request, and what comes then, for a new one's.
            self.talks[talk].deluded = true;
        } else if opened.phase != before || info.is_client == (host == SERVER) {
            let phase = opened.phase;
            return self.violation("order", format!("connected, and it was {phase:?}: {info:?}"));
        }
        let opened = &mut self.talks[talk].ends[end];
        (opened.phase, opened.id, opened.udp_length) = (Phase::Open, Some(id), info.udp_length as usize);
        opened.heard_at = opened.heard_at.max(at);
        self.hosts[host].sessions.insert(id, (talk, end));
        self.send_backlog(talk, end)
    }

    /// Sends what is to be said, as far as the session takes it.
    pub fn send_backlog(&mut self, talk: usize, at: usize) -> Result<(), Violation> {
        let scope = self.scenario.dialect.shared_keystream();
        while let Some(mut parcel) = self.talks[talk].ends[at].backlog.front().copied() {
            let end = &self.talks[talk].ends[at];
            let (host, Some(id), true) = (end.host, end.id, end.phase == Phase::Open && end.asked.is_none() && !end.blocked) else {
                return Ok(());
            };
            parcel.channel = match (scope, parcel.channel) {
                (Scope::Reliable | Scope::ReliableAndOrdered, 0..=3) => 0,
                (Scope::ReliableAndOrdered, 5..=6) => 4,
                (_, channel) => channel,
            };
            // What surely fits a datagram, or surely not: that goes over the first reliable channel.
            let fits = end.udp_length.saturating_sub(24);
            let lossy = parcel.channel >= 4 && parcel.len <= end.udp_length && fits > 0;
            if lossy {
                parcel.len = parcel.len.min(fits);
            }
            let way = crate::talk::CHANNELS[parcel.channel];
            let data = parcel.bytes();
            if !lossy && parcel.channel >= 4 {
                parcel.channel = 0;
                // Datagrams too short for any lossy message carry none.
                if parcel.len <= end.udp_length {
                    self.talks[talk].ends[at].backlog.pop_front();
                    continue;
                }
            }
            match self.hosts[host].on(|mux| mux.send(id, way, &data)) {
                Some(Ok(())) => {
                    let Some(mux) = &self.hosts[host].mux else { return Ok(()) };
                    if mux.timeout_ms(self.now) != 0 {
                        return self.violation("timeout", format!("{} ms after a send", mux.timeout_ms(self.now)));
                    }
                    let end = &mut self.talks[talk].ends[at];
                    end.backlog.pop_front();
                    end.sent[parcel.channel].push(parcel);
                    let limit = (self.hosts[host].config.send_queue_bytes as usize).max(131 * end.udp_length);
                    // The longest so far, in packets with their heads, may have come in last; and each channel has a packet that is being filled.
                    end.longest = end.longest.max(data.len());
                    let longest = end.longest * end.udp_length / (end.udp_length - 12) + 4 * end.udp_length;
                    let queued = mux.info(id).map_or(0, |info| info.queued_bytes as usize);
                    if queued > limit + longest {
                        return self.violation("queue", format!("{queued} bytes wait, {limit} may, besides a message of {longest}"));
                    }
                    self.hosts[host].touched = true;
                }
                Some(Err(Error::WouldBlock)) => {
                    self.talks[talk].ends[at].blocked = true;
                    return Ok(());
                }
                // Its end is among the events that were not read.
                Some(Err(Error::State)) if self.has_ended(host, id) => return Ok(()),
                other => return self.violation("send", format!("{} bytes on {way:?}: {other:?}", data.len())),
            }
        }
        Ok(())
    }

    pub fn has_ended(&self, host: usize, id: SessionId) -> bool {
        let info = self.hosts[host].mux.as_ref().map(|mux| mux.info(id));
        info.is_none_or(|info| info.is_ok_and(|info| info.state == SessionState::Ended))
    }

    /// One drain of datagrams; how many there were.
    fn send_out(&mut self, host: usize, most: usize) -> Result<usize, Violation> {
        let now = self.now;
        let (count, all) = self.hosts[host].outgoing(now, most);
        if count > most {
            return self.violation("outgoing", format!("{count} datagrams, and {most} were asked for"));
        }
        for Sent { session, to, data } in all {
            let Host { mux: Some(mux), sessions, .. } = &self.hosts[host] else { break };
            self.tally.datagrams += 1;
            let tag = session.and_then(|id| sessions.get(&id)).copied();
            let negotiated = tag.map(|(talk, end)| self.talks[talk].ends[end].udp_length).filter(|len| *len > 0 && !is_contextless(&data));
            let longest = negotiated.unwrap_or(mux.udp_length() as usize);
            if data.is_empty() || data.len() > longest {
                return self.violation("length", format!("a datagram of {} bytes, {longest} were agreed on", data.len()));
            }
            let client = if host == SERVER { self.hosts.iter().position(|host| host.address.bytes() == to.bytes()) } else { Some(host) };
            let Some(client) = client.and_then(|host| host.checked_sub(1)) else { continue };
            // Answers before a session is open are of the talk that opens.
            let tag = tag.or(self.current[client].filter(|_| session.is_none()).map(|talk| (talk, SERVER_END)));
            if self.scenario.sabotage == Some(Sabotage::Starve) && client == 0 && now > 6 * SECOND && tag.is_some() {
                continue;
            }
            let from = self.hosts[host].address;
            if self.net.push(now, (client, host != SERVER), (from, to), tag, data)
                && let Some((talk, _)) = tag
            {
                self.talks[talk].lost(now);
            }
        }
        Ok(count)
    }
}
