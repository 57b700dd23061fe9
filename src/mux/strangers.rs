//! Who is let in: requests, first datagrams, newcomers at an address that has a session, and hints that anybody could have sent.

use super::half_open::HalfOpen;
use super::{AcceptOptions, EndedBy, Kind, Multiplexer, SessionInfo, SessionState};
use crate::address::{Address, Family};
use crate::codec::Sealing;
use crate::config::Config;
use crate::error::Error;
use crate::event::{SessionId, reason};
use crate::session::{Agreement, Beginning, Ending, Session, State, count};
use crate::wire::{self, SessionRequest, SessionResponse, opcode};

/// A request that is repeated no sooner is answered, whatever its prefix had.
const AGAIN_US: u64 = 250_000;

impl Multiplexer {
    /// A client asks. What is right is answered with a SessionResponse, again as often as it is asked.
    #[inline(never)]
    pub(super) fn session_request(&mut self, from: &Address, datagram: &[u8]) {
        let port_is_real = from.port != 0 || from.family == Family::Opaque;
        let Some(request) = SessionRequest::read(datagram, self.shared.config.has_names()).filter(|_| port_is_real) else {
            self.shared.stats.dropped_contextless += 1;
            return;
        };
        self.shared.stats.datagrams_received += 1;
        self.shared.stats.bytes_received += datagram.len() as u64;
        if let Some(id) = self.sessions.find(from) {
            let Multiplexer { sessions, shared, .. } = self;
            let Some(session) = sessions.get_mut(id) else { return };
            if session.wire_id == request.session_id && !session.client {
                let datagram = response(session.wire_id, &session.agreed, &shared.config);
                if shared.now >= session.last_sent_at() + AGAIN_US || self.prefixes.may_reply(from, shared.now) {
                    session.reply(shared, &datagram);
                } else {
                    shared.stats.requests_limited += 1;
                }
                return;
            }
            if session.state == State::Connecting {
                // Both sides connect to each other, or a multiplexer to itself: its own request is answered or times out.
                return count!(session, shared, dropped_contextless);
            }
        }
        if self.shared.config.client_only {
            self.shared.stats.dropped_contextless += 1;
            return;
        }
        if let Some(waiting) =
            self.half_open.at(from).into_iter().find(|&index| self.half_open.get(index).is_some_and(|w| w.wire_id == request.session_id))
        {
            self.half_open.refresh(waiting, self.shared.now);
            let lately = self.half_open.get(waiting).is_some_and(|waiting| self.shared.now < waiting.responded_at + AGAIN_US);
            if !lately || self.may_reply(from) {
                self.respond(waiting);
            }
            return;
        }
        if request.udp_length < self.shared.config.min_udp_length {
            self.shared.stats.requests_refused += 1;
            return;
        }
        let config = &self.shared.config;
        let version_fits = config.protocol_version == 0 || request.version == config.protocol_version;
        let named = config.application_protocol.as_deref().filter(|_| config.has_names() && request.version != 2);
        let name_fits = named.is_none_or(|name| request.application_protocol == Some(name));
        let name = request.application_protocol.unwrap_or_default();
        let full = self.sessions.open() >= config.max_sessions;
        let mut newcomer = HalfOpen::new(*from, request.session_id, self.shared.now);
        if config.application_protocol.is_none() && !name.is_empty() {
            newcomer.application_protocol = Some(name.into());
        }
        newcomer.request_len = datagram.len() as u16;
        newcomer.agreed = self.agree(request.version, request.udp_length, &AcceptOptions::default());
        if !version_fits || !name_fits {
            return self.turn_away(&newcomer, reason::PROTOCOL_MISMATCH);
        }
        if let Some(session) = self.sessions.find(from).and_then(|id| self.sessions.get_mut(id))
            && (newcomer.agreed.sealing.same_as(&session.agreed.sealing) || self.shared.config.accept_zero_crc)
        {
            // Nothing would tell their datagrams apart. A client without a response sends none, so what comes now is the old one's, or it is gone.
            let shared = &mut self.shared;
            return if session.can_ask(&shared.config) {
                session.doubt(shared, Ending::Replaced)
            } else {
                count!(session, shared, dropped_contextless)
            };
        }
        if full {
            return self.turn_away(&newcomer, reason::CONNECTION_REFUSED);
        }
        if self.sessions.departed() >= self.shared.config.max_half_open {
            // The host does not listen.
            self.shared.stats.requests_refused += 1;
            return;
        }
        if self.half_open.is_crowded() && !self.prefixes.may_ask(from, self.shared.now) {
            // No answer: the address may be forged, and who means it asks again.
            self.shared.stats.requests_limited += 1;
            return;
        }
        // Somebody asks there already: this one takes no place of its own.
        if !self.half_open.at(from).is_empty() && !self.may_reply(from) {
            return;
        }
        let (index, displaced) = self.half_open.insert(newcomer);
        if let Some(displaced) = displaced {
            self.forgotten(displaced);
        }
        if self.shared.config.manual_accept {
            let id = self.sessions.reserve(index);
            if let Some(waiting) = self.half_open.get_mut(index) {
                waiting.id = Some(id);
            }
            self.shared.events.named((id, 0), self.shared.now, name, Kind::ConnectRequest);
            return;
        }
        self.respond(index);
        if self.shared.config.connected_at_request && self.sessions.find(from).is_none() {
            self.let_in(index);
        }
    }

    /// Settles how a session's datagrams will be sealed.
    fn agree(&mut self, version: u32, udp_length: u32, options: &AcceptOptions) -> Agreement {
        let crc_seed = self.crc_seed();
        let config = &self.shared.config;
        let crc_length = options.crc_length.unwrap_or(config.crc_length);
        let sealing = Sealing::new(crc_seed, crc_length, options.passes.unwrap_or(config.passes));
        Agreement::new(sealing, udp_length.min(config.udp_length), version)
    }

    /// Sends the SessionResponse to somebody who was accepted.
    fn respond(&mut self, index: u32) {
        let awaits_host = self.shared.config.manual_accept;
        let Some(waiting) = self.half_open.get_mut(index) else { return };
        if waiting.responses == 0 && awaits_host && !waiting.accepted {
            return;
        }
        waiting.responses = waiting.responses.saturating_add(1);
        waiting.responded_at = self.shared.now;
        let datagram = response(waiting.wire_id, &waiting.agreed, &self.shared.config);
        let (id, to) = (waiting.id, waiting.address);
        self.reply(&datagram, id, &to);
    }

    /// A stranger who takes no place may be answered.
    fn may_reply(&mut self, to: &Address) -> bool {
        let granted = self.prefixes.may_reply(to, self.shared.now);
        self.shared.stats.requests_limited += u64::from(!granted);
        granted
    }

    /// The same for being told that it is unknown.
    fn may_hint(&mut self, to: &Address) -> bool {
        let granted = self.prefixes.may_hint(to, self.shared.now);
        self.shared.stats.requests_limited += u64::from(!granted);
        granted
    }

    fn reply(&mut self, datagram: &[u8], id: Option<SessionId>, to: &Address) {
        if self.shared.out.reply_to_stranger(datagram, id, *to) {
            self.shared.stats.datagrams_sent += 1;
            self.shared.stats.bytes_sent += datagram.len() as u64;
        }
    }

    /// A SessionResponse, so that the client can check what follows, and a Disconnect behind it.
    fn turn_away(&mut self, newcomer: &HalfOpen, reason: u16) {
        self.shared.stats.requests_refused += 1;
        if !self.may_reply(&newcomer.address) {
            return;
        }
        let granted = response(newcomer.wire_id, &newcomer.agreed, &self.shared.config);
        self.reply(&granted, newcomer.id, &newcomer.address);
        let (mut packet, mut datagram) = (Vec::new(), Vec::new());
        let reason = Some(reason).filter(|_| self.shared.config.disconnect_has_reason);
        wire::Disconnect { session_id: newcomer.wire_id, reason }.write(&mut packet);
        self.codec.seal(&newcomer.agreed.sealing, &packet, &mut datagram);
        self.reply(&datagram, newcomer.id, &newcomer.address);
    }

    /// Accepts a connect request ([`crate::EventKind::ConnectRequest`]): the SessionResponse leaves with the next drain.
    ///
    /// # Errors
    /// [`Error::StaleSession`], [`Error::State`] where no request waits under this id, [`Error::InvalidArgument`] for more than 4 bytes of CRC,
    /// [`Error::Limit`] where [`crate::Config::max_sessions`] are open.
    pub fn accept(&mut self, now_us: u64, session: SessionId, options: &AcceptOptions) -> Result<(), Error> {
        let known = self.sessions.knows(session);
        let index = self.sessions.reserved(session).ok_or(if known { Error::State } else { Error::StaleSession })?;
        if self.half_open.get(index).is_none_or(|waiting| waiting.accepted) {
            return Err(Error::State);
        }
        if options.crc_length.is_some_and(|length| length > 4) {
            return Err(Error::InvalidArgument);
        }
        if self.sessions.open() >= self.shared.config.max_sessions {
            return Err(Error::Limit);
        }
        let Some(agreed) = self.half_open.get(index).map(|waiting| waiting.agreed) else { return Err(Error::State) };
        self.clock(now_us);
        let agreed = self.agree(agreed.version, agreed.udp_length.into(), options);
        let Some(waiting) = self.half_open.get_mut(index) else { return Err(Error::State) };
        waiting.agreed = agreed;
        waiting.accepted = true;
        waiting.user_data = options.user_data.unwrap_or(waiting.user_data);
        waiting.cipher_key = options.cipher_key.clone();
        let from = waiting.address;
        self.respond(index);
        if self.shared.config.connected_at_request && self.sessions.find(&from).is_none() {
            self.let_in(index);
        }
        Ok(())
    }

    /// The host refuses a connect request.
    pub(super) fn refuse(&mut self, index: u32, reason: u16, tell: bool) {
        let waiting = self.half_open.remove(index);
        if tell {
            self.turn_away(&waiting, reason);
        } else {
            self.shared.stats.requests_refused += 1;
        }
        if let Some(id) = waiting.id {
            self.departed(id, waiting.user_data, EndedBy::Host, reason);
        }
    }

    /// A half-open session made room for another, or its time was up.
    pub(super) fn forgotten(&mut self, gone: HalfOpen) {
        self.shared.stats.half_open_dropped += 1;
        if let Some(id) = gone.id {
            self.departed(id, gone.user_data, EndedBy::Library, reason::CONNECT_FAIL);
        }
    }

    /// Who waits at an address and sealed this datagram.
    fn sealed_by(&mut self, from: &Address, datagram: &[u8]) -> Option<u32> {
        let Multiplexer { half_open, codec, .. } = self;
        let mut waiting = half_open.at(from);
        waiting.sort_unstable_by_key(|&index| std::cmp::Reverse(half_open.get(index).map(HalfOpen::serial)));
        waiting.into_iter().find(|&index| {
            half_open.get(index).is_some_and(|waiting| waiting.responses > 0 && codec.open(&waiting.agreed.sealing, datagram).is_ok())
        })
    }

    /// A datagram from an address without a session: the first of one that was answered, or a stranger's.
    #[inline(never)]
    pub(super) fn first_datagram(&mut self, from: &Address, datagram: &[u8]) {
        if let Some(index) = self.sealed_by(from, datagram) {
            if let Some(id) = self.let_in(index) {
                let Multiplexer { sessions, shared, codec, .. } = self;
                if let Some(session) = sessions.get_mut(id) {
                    session.receive(shared, codec, datagram);
                    if session.has_ended() {
                        self.ended(id);
                    }
                }
            }
            return;
        }
        self.shared.stats.dropped_stranger += 1;
        let waits = !self.half_open.at(from).is_empty();
        let goodbye = matches!(datagram, [0, opcode::DISCONNECT, ..] | []);
        let port_is_real = from.port != 0 || from.family == Family::Opaque;
        if self.shared.config.reply_unknown_sender && !waits && !goodbye && port_is_real && self.may_hint(from) {
            self.reply(&[0, opcode::UNKNOWN_SENDER], None, from);
        }
    }

    /// A datagram that is not of the session at its address: a newcomer's there, damaged, or forged.
    #[inline(never)]
    pub(super) fn not_the_sessions(&mut self, id: SessionId, from: &Address, datagram: &[u8]) {
        let newcomer = self.sealed_by(from, datagram);
        if let Some(index) = newcomer
            && let Some(reason) = self.goodbye_of(index, datagram)
        {
            let gone = self.half_open.remove(index);
            self.shared.stats.half_open_dropped += 1;
            if let Some(id) = gone.id {
                self.departed(id, gone.user_data, EndedBy::Peer, reason);
            }
            return;
        }
        let Multiplexer { sessions, shared, half_open, .. } = self;
        let Some(session) = sessions.get_mut(id) else { return };
        match newcomer.and_then(|index| half_open.get_mut(index)) {
            Some(newcomer) => {
                newcomer.proven = true;
                if session.state == State::Connecting {
                    count!(session, shared, dropped_crc);
                } else {
                    session.doubt(shared, Ending::Replaced);
                }
            }
            None if matches!(datagram, [0, opcode::HEARTBEAT]) && session.state != State::Connecting => session.bare_heartbeat(shared),
            None => session.not_its_own(shared),
        }
    }

    /// The reason of somebody who waits and says goodbye.
    fn goodbye_of(&mut self, index: u32, datagram: &[u8]) -> Option<u16> {
        let Multiplexer { half_open, codec, .. } = self;
        let waiting = half_open.get(index)?;
        match wire::read(codec.open(&waiting.agreed.sealing, datagram).ok()?) {
            Ok(wire::Packet::Disconnect(goodbye)) if goodbye.session_id == waiting.wire_id => Some(goodbye.reason.unwrap_or(0)),
            _ => None,
        }
    }

    /// The address has no session any more: somebody who proved himself meanwhile gets it.
    pub(super) fn let_in_newcomer(&mut self, address: &Address) {
        let at_request = self.shared.config.connected_at_request;
        let waiting = self.half_open.at(address);
        if let Some(index) = waiting
            .into_iter()
            .find(|&index| self.half_open.get(index).is_some_and(|waiting| waiting.proven || (at_request && waiting.responses > 0)))
        {
            self.let_in(index);
        }
    }

    /// Makes a half-open session an open one.
    fn let_in(&mut self, index: u32) -> Option<SessionId> {
        let waiting = self.half_open.remove(index);
        if self.sessions.open() >= self.shared.config.max_sessions {
            self.turn_away(&waiting, reason::CONNECTION_REFUSED);
            if let Some(id) = waiting.id {
                self.departed(id, waiting.user_data, EndedBy::Library, reason::CONNECTION_REFUSED);
            }
            return None;
        }
        let Multiplexer { sessions, shared, .. } = self;
        let granted = response(waiting.wire_id, &waiting.agreed, &shared.config);
        let beginning = Beginning {
            address: waiting.address,
            client: false,
            wire_id: waiting.wire_id,
            user_data: waiting.user_data,
            application_protocol: waiting.application_protocol,
        };
        let id = sessions.insert(waiting.id, |id| Session::new(id, beginning, &shared.config, shared.now));
        self.prefixes.opened(&waiting.address);
        if let Some(session) = sessions.get_mut(id) {
            // Who waited for the address waited longer than a round trip.
            if waiting.responses == 1 && !waiting.proven && (shared.awake_since..shared.now).contains(&waiting.responded_at) {
                session.rtt.handshake(shared.now - waiting.responded_at, shared.now);
            }
            session.stats.datagrams_received = waiting.responses.into();
            session.stats.datagrams_sent = waiting.responses.into();
            session.stats.bytes_received = u64::from(waiting.responses) * u64::from(waiting.request_len);
            session.stats.bytes_sent = u64::from(waiting.responses) * granted.len() as u64;
            session.open(shared, &waiting.agreed);
            if let Some(key) = waiting.cipher_key {
                session.set_cipher(&shared.config.cipher(key));
            }
        }
        sessions.link_secret(id);
        Some(id)
    }

    #[inline(never)]
    pub(super) fn session_response(&mut self, from: &Address, datagram: &[u8]) {
        let id = self.sessions.find(from);
        let Multiplexer { sessions, shared, .. } = self;
        match (id.and_then(|id| sessions.get_mut(id)), SessionResponse::read(datagram)) {
            (Some(session), Some(response)) => {
                session.response(shared, &response, datagram.len());
            }
            _ => shared.stats.dropped_contextless += 1,
        }
    }

    /// Says that the peer has no session with us: a hint, to be verified.
    #[inline(never)]
    pub(super) fn unknown_sender(&mut self, from: &Address) {
        let id = self.sessions.find(from);
        let Multiplexer { sessions, shared, .. } = self;
        match id.and_then(|id| sessions.get_mut(id)) {
            Some(session) => session.doubt(shared, Ending::Unreachable),
            None => shared.stats.dropped_contextless += 1,
        }
    }

    /// A session goes on from another port of the same host, which shows what only its peer knows.
    #[inline(never)]
    pub(super) fn remap_connection(&mut self, from: &Address, datagram: &[u8]) {
        let port_is_real = from.port != 0 || from.family == Family::Opaque;
        let wanted = wire::RemapConnection::read(datagram)
            .filter(|_| self.shared.config.allow_port_remap && port_is_real && self.sessions.find(from).is_none())
            .and_then(|remap| self.sessions.find_secret(from, remap.session_id, remap.crc_seed))
            // One at a time: a peer can't fill the queue with them.
            .filter(|&id| self.sessions.get(id).is_some_and(|session| !session.rebound_waits));
        let Some(id) = wanted else {
            self.shared.stats.dropped_contextless += 1;
            return;
        };
        let old = self.sessions.rebind(id, *from);
        let Multiplexer { sessions, shared, prefixes, .. } = self;
        if let Some(session) = sessions.get_mut(id) {
            if let Some(old) = old.filter(|_| !session.client) {
                prefixes.ended(&old);
                prefixes.opened(from);
            }
            session.rebound(shared, datagram.len());
        }
    }

    pub(super) fn half_open_info(&self, waiting: &HalfOpen) -> SessionInfo {
        let name = waiting.application_protocol.as_deref().or(self.shared.config.application_protocol.as_deref());
        SessionInfo {
            address: waiting.address,
            state: if waiting.accepted { SessionState::Accepted } else { SessionState::Requested },
            is_client: false,
            session_id_on_wire: waiting.wire_id,
            crc_seed: if waiting.responses > 0 { waiting.agreed.sealing.seed() } else { 0 },
            crc_length: waiting.agreed.sealing.crc_length() as u8,
            protocol_version: waiting.agreed.version,
            udp_length: waiting.agreed.udp_length.into(),
            passes: waiting.agreed.sealing.passes(),
            application_protocol: name.unwrap_or_default().to_vec(),
            user_data: waiting.user_data,
            rtt_us: None,
            rtt_deviation_us: 0,
            loss_sent_ppm: None,
            loss_received_ppm: None,
            queued_bytes: 0,
        }
    }
}

/// The SessionResponse to a client that is granted this.
fn response(session_id: u32, agreed: &Agreement, config: &Config) -> Vec<u8> {
    let mut datagram = Vec::new();
    SessionResponse {
        session_id,
        crc_seed: agreed.sealing.seed(),
        crc_length: agreed.sealing.crc_length() as u8,
        passes: agreed.sealing.passes().map(|pass| pass as u8),
        udp_length: if config.confirm_smaller_length { agreed.udp_length.into() } else { config.udp_length },
        version: Some(agreed.version).filter(|_| config.confirm_has_version),
    }
    .write(&mut datagram);
    datagram
}
