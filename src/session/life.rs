//! What a session does without being spoken to: requests and heartbeats, timeouts, probes.

use super::input::MALFORMED_SPAN_US;
use super::{Agreement, CHANNELS, Closing, Connecting, Ending, NetStatus, Session, Shared, State, count};
use crate::codec::{Codec, Sealing};
use crate::config::{Config, Pass, Probe};
use crate::pool::NONE;
use crate::reliable::Path;
use crate::wire::{self, opcode};

/// How often a heartbeat that is not answered is repeated.
const REPEAT_US: u64 = 1_000_000;
/// How long a client repeats its first heartbeat, as one that shows its kind, while the server says nothing: some titles' servers answer none.
const OPENING_US: u64 = 3_000_000;
/// Datagrams of a server that are too few to say that it heard: they may all answer what came before it.
const LITTLE: u64 = 3;
/// As many heartbeats as were questions are answers, if they come so soon after the last of them.
pub(super) const ANSWER_US: u64 = 3_000_000;
/// But no more than these: then a question of the peer's gets through.
const MOST_ASKED: u8 = 2;
/// How many heartbeats, a second apart, a peer may leave unanswered after a newcomer proved itself at its address: one more than may pass for answers.
const REPLACED_QUESTIONS: u32 = 3;
/// And after an UnknownSender: UdpLibrary tries to remap for as long.
const UNREACHABLE_QUESTIONS: u32 = 5;
/// How long after a client was last heard a server goes on probing it, unless it answers every duplicate: a client of soe-protocol's kind that lost the last
/// acknowledgement says nothing before it has heard nothing for 25 s, and 30 s are the limit here. New messages start it anew: they are acknowledged.
pub(super) const PROBING_US: u64 = 4_000_000;
/// How long what one session held is there for the others before another one makes room.
const MADE_ROOM_US: u64 = 5_000_000;
/// No heartbeat was sent yet.
pub(super) const NEVER: u64 = u64::MAX;

pub(super) const HEARTBEAT: [u8; 2] = [0, opcode::HEARTBEAT];
/// Bytes of a NetStatus request.
const NET_STATUS: usize = 40;
/// So often a NetStatus request that is not answered is repeated soon: it may have been lost, and some titles' servers drop a client that doesn't ask.
const MOST_UNANSWERED: u8 = 3;

fn ms(ms: u32) -> u64 {
    u64::from(ms) * 1000
}

/// `at + ms`, or never where the setting is 0.
fn after(at: u64, ms: u32) -> u64 {
    if ms == 0 { u64::MAX } else { at + self::ms(ms) }
}

impl Session {
    /// Sends the first SessionRequest.
    pub(crate) fn connect(&mut self, shared: &mut Shared, timeout_ms: u32) {
        let now = shared.now;
        self.rare().connecting = Some(Connecting { request_at: now, requests: 0, timeout_at: now + ms(timeout_ms) });
        self.request(shared);
        self.schedule(shared);
    }

    fn request(&mut self, shared: &mut Shared) {
        let mut datagram = std::mem::take(&mut shared.work);
        datagram.clear();
        let config = &shared.config;
        wire::SessionRequest {
            version: config.version_sent(),
            session_id: self.wire_id,
            udp_length: config.udp_length,
            application_protocol: Some(self.application_protocol(config)).filter(|_| config.has_names()),
        }
        .write(&mut datagram);
        self.reply(shared, &datagram);
        shared.work = datagram;
        if let Some(connecting) = &mut self.rare().connecting {
            connecting.request_at = shared.now;
            connecting.requests += 1;
        }
    }

    /// The server's answer. What can't be spoken is dropped: the right server would not have said it.
    pub(crate) fn response(&mut self, shared: &mut Shared, response: &wire::SessionResponse, len: usize) {
        let passes = response.passes.map(Pass::try_from);
        let acceptable = self.state == State::Connecting
            && response.session_id == self.wire_id
            && response.crc_length <= 4
            && response.udp_length >= shared.config.min_udp_length;
        let (true, [Ok(first), Ok(second)]) = (acceptable, passes) else {
            return count!(self, shared, dropped_contextless);
        };
        if let Some(Connecting { request_at, requests: 1, .. }) = self.rare().connecting
            && request_at >= shared.awake_since
        {
            self.rtt.handshake(shared.now - request_at, shared.now);
        }
        let sealing = Sealing::new(response.crc_seed, response.crc_length, [first, second]);
        let udp_length = response.udp_length.min(shared.config.udp_length);
        let version = response.version.unwrap_or(shared.config.version_sent());
        self.open(shared, &Agreement::new(sealing, udp_length, version));
        self.alive(shared, len);
        // The server's session opens with the first datagram that passes the CRC.
        self.send_heartbeat(shared, true);
        self.show_thorough(shared);
    }

    /// Sends a whole datagram that does not wait for the session's turn.
    pub(crate) fn reply(&mut self, shared: &mut Shared, datagram: &[u8]) {
        if shared.out.reply(datagram, Some(self.id), self.address) {
            count!(self, shared, datagrams_sent);
            count!(self, shared, bytes_sent, datagram.len());
            self.sent_at = shared.now;
        }
    }

    /// Sends a heartbeat: one that `asks` for another, or the answer to one.
    pub(crate) fn send_heartbeat(&mut self, shared: &mut Shared, asks: bool) {
        self.says_heartbeat(shared.now, asks);
        self.queue_control(shared, &HEARTBEAT);
    }

    /// Asks for a sign of life with what peers of this title answer.
    pub(super) fn probe(&mut self, shared: &mut Shared) {
        match self.question(&shared.config) {
            Probe::Heartbeat => self.send_heartbeat(shared, true),
            Probe::NetStatus => {
                self.heartbeat_at = shared.now;
                self.ask_net_status(shared);
            }
        }
    }

    /// What the peer is asked with: a heartbeat where nothing longer fits.
    fn question(&self, config: &Config) -> Probe {
        if self.can_ask(config) { config.probe } else { Probe::Heartbeat }
    }

    /// There is something that it answers, and that fits its datagrams.
    pub(crate) fn can_ask(&self, config: &Config) -> bool {
        config.probe == Probe::Heartbeat || self.fits(NET_STATUS)
    }

    /// A heartbeat leaves in one form or another. What was asked long before will not be answered any more.
    pub(super) fn says_heartbeat(&mut self, now: u64, asks: bool) {
        let still = if self.since_heartbeat(now).is_some_and(|since| since < ANSWER_US) { self.asked } else { 0 };
        self.asked = if asks { (still + 1).min(MOST_ASKED) } else { 0 };
        self.heartbeat_at = now;
    }

    /// Time since the last heartbeat of this side.
    pub(super) fn since_heartbeat(&self, now: u64) -> Option<u64> {
        now.checked_sub(self.heartbeat_at)
    }

    /// Time since the peer was last asked something that it answers.
    pub(super) fn since_question(&self, shared: &Shared) -> Option<u64> {
        match self.question(&shared.config) {
            Probe::Heartbeat => self.since_heartbeat(shared.now),
            Probe::NetStatus => Some(shared.now - self.rare.as_ref()?.net_status.asked_at?),
        }
    }

    /// Asks the peer whether it is there. A peer that says it knows no session here may know it by another address.
    pub(super) fn ask(&mut self, shared: &mut Shared, ending: Ending) {
        self.probe(shared);
        if ending == Ending::Unreachable {
            let mut datagram = Vec::new();
            wire::RemapConnection { session_id: self.wire_id, crc_seed: self.agreed.sealing.seed() }.write(&mut datagram);
            self.reply(shared, &datagram);
        }
    }

    /// Disconnects with this reason when all is acknowledged, or when the time for it is over.
    pub(crate) fn close(&mut self, shared: &mut Shared, reason: u16) -> Result<(), Ending> {
        self.state = State::Closing;
        self.rare().closing = Some(Closing { reason, until: None });
        self.talk(shared);
        self.schedule(shared);
        // What is lossy leaves with the next drain, and the Disconnect behind it.
        if self.lossy == NONE { self.closed() } else { Ok(()) }
    }

    /// The time that a disconnect with flush may take begins.
    pub(super) fn start_closing(&mut self, shared: &Shared) {
        if let Some(rare) = &mut self.rare
            && let Some(closing) = &mut rare.closing
        {
            closing.until.get_or_insert(shared.now + ms(shared.config.flush_timeout_ms));
        }
    }

    /// Sets the timer to the session's next deadline.
    pub(crate) fn schedule(&self, shared: &mut Shared) {
        let at = self.deadline(shared);
        shared.timers.set(self.slot(), at);
    }

    /// The server said little yet, and not of which kind it is. Where that is known, whatever it says after its response says that it heard.
    fn is_opening(&self, now: u64, config: &Config) -> bool {
        let little = if config.thorough_peers { LITTLE - 1 } else { LITTLE };
        self.client && !self.understood && self.stats.datagrams_received < little && now <= self.received_at + OPENING_US
    }

    fn heartbeat_due(&self, config: &Config) -> u64 {
        if config.heartbeat_ms == 0 {
            return u64::MAX;
        }
        let repeat = if self.heartbeat_at == NEVER { 0 } else { self.heartbeat_at + REPEAT_US };
        if self.is_opening(self.heartbeat_at, config) {
            // The server may not have heard the first one, and opens with it; nor may it know what kind this side is.
            return repeat;
        }
        if !config.heartbeat_by.is_for(self.client) {
            return u64::MAX;
        }
        after(self.sent_at, config.heartbeat_ms).min(self.unheard_at(config)).max(repeat)
    }

    /// When a silent peer is asked: where it answers heartbeats, as early as it would be told; else not before its own should have come.
    fn unheard_at(&self, config: &Config) -> u64 {
        match config.probe {
            Probe::Heartbeat => after(self.received_at, config.heartbeat_ms),
            Probe::NetStatus => after(self.received_at, config.heartbeat_ms.max(config.inactivity_timeout_ms / 2)),
        }
    }

    /// Some channel has a packet that its peer is believed to hold: only the path keeps it.
    fn has_next(&self, shared: &Shared) -> bool {
        self.senders.iter().any(|&sender| shared.senders.get(sender).is_some_and(|sender| sender.has_next(0)))
    }

    fn net_status_due(&self, config: &Config) -> u64 {
        match self.rare.as_ref().map(|rare| rare.net_status) {
            Some(NetStatus { asked_at: Some(at), unanswered, .. }) if config.asks_net_status(self.client) => {
                let soon = if (1..=MOST_UNANSWERED).contains(&unanswered) { at + REPEAT_US } else { u64::MAX };
                after(at, config.net_status_ms).min(soon)
            }
            _ => u64::MAX,
        }
    }

    /// When something unacknowledged is sent again though nothing says that it was lost.
    fn probe_due(&self, path: &Path) -> u64 {
        let due = path.probe_at(&self.rtt);
        let lately = due <= self.received_at.max(path.fed_at()) + PROBING_US;
        if self.client || self.thorough || path.probes == 0 || lately { due } else { u64::MAX }
    }

    /// When the session next has something to do of its own accord.
    fn deadline(&self, shared: &Shared) -> u64 {
        let config = &shared.config;
        let rare = self.rare.as_deref();
        match self.state {
            State::Ended => return u64::MAX,
            State::Connecting => {
                let connecting = rare.and_then(|rare| rare.connecting.as_ref());
                return connecting
                    .map_or(u64::MAX, |connecting| after(connecting.request_at, config.connect_retry_ms).min(connecting.timeout_at));
            }
            State::Open | State::Closing => {}
        }
        let mut at = after(self.received_at, config.inactivity_timeout_ms).min(self.heartbeat_due(config)).min(self.net_status_due(config));
        if let Some(rare) = rare {
            if let Some(doubt) = rare.doubt {
                at = at.min(doubt.asked_at + REPEAT_US);
            }
            if let Some(closing) = rare.closing {
                at = at.min(closing.until.unwrap_or_default());
            }
        }
        if let Some(path) = shared.paths.get(self.path)
            && !path.idle()
        {
            at = at.min(self.probe_due(path)).min(path.check_at.unwrap_or(u64::MAX));
        }
        if let Some(path) = shared.paths.get(self.path)
            && self.has_next(shared)
        {
            at = at.min(path.paced_until(&self.rtt).unwrap_or(u64::MAX));
        }
        at = at.min(self.path_rests_at(shared).unwrap_or(u64::MAX));
        for channel in 0..CHANNELS {
            if let Some(receiver) = shared.receivers.get(self.receivers[channel]) {
                at = at.min(receiver.owes_at().unwrap_or(u64::MAX));
                at = at.min(receiver.rests_at(config.ack_delay_us.into()).unwrap_or(u64::MAX));
                at = at.min(receiver.stalls_at().unwrap_or(u64::MAX));
            }
            if let Some(sender) = shared.senders.get(self.senders[channel]) {
                let oldest = sender.oldest_sent_at().map_or(u64::MAX, |oldest| after(oldest, config.unacknowledged_timeout_ms));
                at = at.min(oldest);
                if config.redundancy > 0 {
                    at = at.min(sender.copy_due_at(config.redundancy_delay_us.into()).unwrap_or(u64::MAX));
                }
            }
        }
        at
    }

    /// The timer fired: does what is due, and sets it anew.
    pub(crate) fn on_timer(&mut self, shared: &mut Shared, codec: &mut Codec) {
        match self.do_what_is_due(shared) {
            Ok(()) => self.schedule(shared),
            Err(ending) => self.end(shared, codec, ending),
        }
    }

    fn do_what_is_due(&mut self, shared: &mut Shared) -> Result<(), Ending> {
        let now = shared.now;
        let config = &shared.config;
        match self.state {
            State::Ended => return Ok(()),
            State::Connecting => {
                let retry = ms(config.connect_retry_ms);
                if let Some(connecting) = &self.rare().connecting {
                    if connecting.timeout_at <= now {
                        return Err(Ending::NoAnswer);
                    }
                    if connecting.request_at + retry <= now {
                        self.request(shared);
                    }
                }
                return Ok(());
            }
            State::Open | State::Closing => {}
        }
        // Where memory is short, who holds some and does nothing with it makes room: one at a time, so that others can go on with that.
        let short = now >= shared.made_room_at.saturating_add(MADE_ROOM_US)
            && !shared.has_plenty(usize::try_from(shared.config.max_memory / 2).unwrap_or(usize::MAX));
        for receiver in self.receivers {
            if shared.receivers.get_mut(receiver).is_some_and(|receiver| receiver.has_stalled(now)) && short {
                shared.made_room_at = now;
                return Err(Ending::Overflow);
            }
        }
        let config = &shared.config;
        if after(self.received_at, config.inactivity_timeout_ms) <= now {
            return Err(Ending::Inactive);
        }
        self.start_closing(shared);
        if let Some(Closing { reason, until: Some(until) }) = self.rare.as_ref().and_then(|rare| rare.closing)
            && until <= now
        {
            return Err(Ending::Host(reason));
        }
        if let Some(doubt) = self.rare.as_ref().and_then(|rare| rare.doubt) {
            if doubt.asked_at + REPEAT_US > now {
                // It may still answer.
            } else if doubt.asked < questions(doubt.ending) {
                self.rare().doubt = Some(super::Doubt { asked: doubt.asked + 1, asked_at: now, ..doubt });
                self.ask(shared, doubt.ending);
            } else if doubt.ending == Ending::Replaced || (self.can_ask(&shared.config) && !doubt.heard) {
                return Err(doubt.ending);
            } else {
                // It speaks; or it answers nothing that fits, and its silence means nothing.
                self.rare().doubt = None;
            }
        }
        if self.heartbeat_due(&shared.config) <= now {
            if self.is_opening(now, &shared.config) && !shared.config.thorough_peers {
                self.show(shared);
            } else if self.unheard_at(&shared.config) <= now {
                self.probe(shared);
            } else {
                self.send_heartbeat(shared, true);
            }
        }
        if self.net_status_due(&shared.config) <= now {
            self.ask_net_status(shared);
        }
        self.repair(shared)?;
        // Acknowledgements and copies that waited long enough leave with the next drain.
        let owed = |&receiver: &u32| shared.receivers.get(receiver).and_then(|receiver| receiver.owes_at());
        let copy =
            |&sender: &u32| shared.senders.get(sender).and_then(|sender| sender.copy_due_at(shared.config.redundancy_delay_us.into()));
        if self.receivers.iter().filter_map(owed).chain(self.senders.iter().filter_map(copy)).any(|at| at <= now) {
            self.talk(shared);
        }
        if let Some(rare) = &mut self.rare {
            rare.malformed.retain(|&at| now - at < MALFORMED_SPAN_US);
        }
        for channel in 0..CHANNELS {
            self.give_back_receiver(shared, channel);
        }
        self.give_back_path(shared);
        self.drop_rare(shared);
        Ok(())
    }

    /// What became lost by now, and the probe or timeout where nothing was acknowledged for too long.
    fn repair(&mut self, shared: &mut Shared) -> Result<(), Ending> {
        let now = shared.now;
        for channel in 0..CHANNELS {
            let Some(sender) = shared.senders.get(self.senders[channel]) else { continue };
            if sender.oldest_sent_at().is_some_and(|oldest| after(oldest, shared.config.unacknowledged_timeout_ms) <= now) {
                return Err(Ending::Unacknowledged);
            }
        }
        let Some(path) = shared.paths.get_mut(self.path) else { return Ok(()) };
        if path.check_at.is_some_and(|at| at <= now) {
            path.check_at = None;
            let heard = path.heard(&self.rtt, now).then(|| path.heard_at());
            for channel in 0..CHANNELS {
                self.detect_losses(shared, channel, heard);
            }
        }
        let Some(path) = shared.paths.get_mut(self.path) else { return Ok(()) };
        if !path.idle() && self.probe_due(path) <= now {
            path.probe(now);
            for channel in 0..CHANNELS {
                if let Some(sender) = shared.senders.get_mut(self.senders[channel]) {
                    path.lost(sender.give_up_to_probe(self.thorough));
                }
            }
            self.talk(shared);
        }
        // What waited for its time to leave.
        if self.has_next(shared) && shared.paths.get(self.path).is_some_and(|path| path.may_send(&path.allowance(&self.rtt, now))) {
            self.talk(shared);
        }
        Ok(())
    }

    pub(super) fn ask_net_status(&mut self, shared: &mut Shared) {
        let rtt = self.rtt.smoothed() as u32 / 1000;
        let mut packet = Vec::new();
        wire::NetStatusRequest {
            stamp: (shared.now / 1000) as u16,
            master: rtt,
            average: rtt,
            low: rtt,
            high: rtt,
            last: rtt,
            // This one counts too.
            sent: self.stats.datagrams_sent + 1,
            received: self.stats.datagrams_received,
        }
        .write(&mut packet);
        let net_status = &mut self.rare().net_status;
        net_status.asked_at = Some(shared.now);
        net_status.unanswered = net_status.unanswered.saturating_add(1);
        self.queue_control(shared, &packet);
    }
}

/// How often a peer is asked before its silence is believed. They are counted, since a clock may jump.
fn questions(ending: Ending) -> u32 {
    if ending == Ending::Replaced { REPLACED_QUESTIONS } else { UNREACHABLE_QUESTIONS }
}
