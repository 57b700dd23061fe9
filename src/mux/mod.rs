//! Many conversations on one socket: who is who, who is let in, timers, what leaves and what the host hears.

pub(crate) mod events;
mod half_open;
pub(crate) mod outbox;
mod prefixes;
pub(crate) mod sessions;
mod strangers;
pub(crate) mod timers;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::address::{Address, Family};
use crate::cipher::{Cipher, Key};
use crate::codec::Codec;
use crate::config::{Config, CrcSeed, MOST_DROPPED, Pass};
use crate::error::Error;
use crate::event::{Channel, Datagram, Disconnect, EndedBy, Event, SessionId};
use crate::pool::Store;
use crate::session::{Beginning, Ending, Session, Shared, State, Verdict};
use crate::stats::Stats;
use crate::wire::{Packing, opcode};

use events::{Drained, EventQueue, Kind};
use half_open::HalfOpenTable;
use outbox::{Departures, Outbox};
use prefixes::Prefixes;
use sessions::Sessions;
use timers::Timers;

/// The latest time that a clock shows, in microseconds: 285 years. So that no sum of times overflows, nor one in nanoseconds.
const LATEST: u64 = 1 << 53;

/// How late a host may be without being thought to have slept.
const OVERSLEPT_US: u64 = 1_000_000;

/// Choices for one connect; the default is the config's.
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    /// The session id on the wire; 0: random. A recorded session can be replayed into a client that uses its id.
    pub session_id_on_wire: u32,
    /// The name to send; `None`: the config's.
    pub application_protocol: Option<Vec<u8>>,
    /// The session's user data: a number of the host's, in every event.
    pub user_data: u64,
    /// When to give up without an answer; 0: the config's.
    pub timeout_ms: u32,
}

/// Choices for one accepted connect request; `None` means the config's.
#[derive(Clone, Debug, Default)]
pub struct AcceptOptions {
    /// The session's user data: a number of the host's, in every event. `None`: as it is.
    pub user_data: Option<u64>,
    /// What happens to this session's datagrams before the CRC.
    pub passes: Option<[Pass; 2]>,
    /// Bytes of CRC behind each of them: 0..=4.
    pub crc_length: Option<u8>,
    /// RC4 both ways from the first message.
    pub cipher_key: Option<Key>,
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SessionState {
    /// A client's that has no answer yet.
    Connecting = 1,
    /// A server's that waits for [`Multiplexer::accept`].
    Requested = 2,
    /// A server's that was accepted and waits for the client's first datagram.
    Accepted = 3,
    /// Messages may be sent.
    Connected = 4,
    /// Disconnects after what is queued was acknowledged.
    Closing = 5,
    /// Over; its last events were not drained yet.
    Ended = 6,
}

/// What is known of a session.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Where the peer is.
    pub address: Address,
    /// How far the session is.
    pub state: SessionState,
    /// True where this side sent the SessionRequest.
    pub is_client: bool,
    /// The id that the client chose.
    pub session_id_on_wire: u32,
    /// The seed that the server chose; 0 before the SessionResponse.
    pub crc_seed: u32,
    /// Bytes of CRC behind each datagram.
    pub crc_length: u8,
    /// The version that the peer said.
    pub protocol_version: u32,
    /// The longest datagram that either side sends, in bytes: the smaller of both sides' values.
    pub udp_length: u32,
    /// What happens to datagrams before the CRC.
    pub passes: [Pass; 2],
    /// The name that the client sent.
    pub application_protocol: Vec<u8>,
    /// The host's number.
    pub user_data: u64,
    /// Smoothed round-trip time in microseconds; `None` before the first sample.
    pub rtt_us: Option<u32>,
    /// Its mean deviation in microseconds.
    pub rtt_deviation_us: u32,
    /// Share of this side's datagrams that were lost, in millionths; `None` before the first answer to a NetStatus ([`Config::net_status_ms`]).
    pub loss_sent_ppm: Option<u32>,
    /// Share of the peer's datagrams that were lost, likewise.
    pub loss_received_ppm: Option<u32>,
    /// Bytes of reliable messages queued, from the oldest unacknowledged packet on.
    pub queued_bytes: u64,
}

/// Many sessions on one socket. It opens none, reads no clock and starts no thread: feed it datagrams, tick it, drain what it wants to send and to say.
///
/// Times are microseconds of any monotonic clock. Calls may come in any order; nothing is lost by draining late, up to the limits of the [`Config`].
///
/// ```
/// use soe::{Channel, Config, ConnectOptions, EventKind, Multiplexer};
///
/// let config = Config { application_protocol: Some(b"Ping_1".to_vec()), rng_seed: 7, ..Default::default() };
/// let (mut client, mut server) = (Multiplexer::new(config.clone(), 0)?, Multiplexer::new(config, 0)?);
/// let (here, there) = ("10.0.0.1:1000".parse::<std::net::SocketAddr>()?.into(), "10.0.0.2:2000".parse::<std::net::SocketAddr>()?.into());
/// let session = client.connect(0, &there, &ConnectOptions::default())?;
///
/// let mut heard = Vec::new();
/// for now in (0..100_000).step_by(1000) {
///     for datagram in client.drain_outgoing(now, 64) {
///         server.feed(now, &here, datagram.data);
///     }
///     for datagram in server.drain_outgoing(now, 64) {
///         client.feed(now, &there, datagram.data);
///     }
///     let connected = client.drain_events(64).any(|event| matches!(event.kind, EventKind::Connected { .. }));
///     if connected {
///         client.send(session, Channel::Reliable0, b"ping")?;
///     }
///     for event in server.drain_events(64) {
///         if let EventKind::Message { data, .. } = event.kind {
///             heard.extend_from_slice(data);
///         }
///     }
///     client.tick(now);
///     server.tick(now);
/// }
/// assert_eq!(heard, b"ping");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Multiplexer {
    shared: Shared,
    codec: Codec,
    sessions: Sessions,
    half_open: HalfOpenTable,
    rng: ChaCha12Rng,
    prefixes: Prefixes,
    /// Timers that fired.
    due: Vec<u32>,
    /// The longest datagram that comes out.
    longest: u32,
}

impl std::fmt::Debug for Multiplexer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Multiplexer").field("sessions", &self.sessions.open()).field("stats", &self.shared.stats).finish_non_exhaustive()
    }
}

/// Datagrams lent by [`Multiplexer::drain_outgoing`].
#[must_use = "what was drained and is not sent is lost"]
pub struct Outgoing<'a>(Departures<'a>);

impl<'a> Iterator for Outgoing<'a> {
    type Item = Datagram<'a>;

    #[inline]
    fn next(&mut self) -> Option<Datagram<'a>> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Outgoing<'_> {}

/// Events lent by [`Multiplexer::drain_events`].
#[must_use = "an event is handed out once"]
pub struct Events<'a>(Drained<'a>);

impl<'a> Iterator for Events<'a> {
    type Item = Event<'a>;

    #[inline]
    fn next(&mut self) -> Option<Event<'a>> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }

    #[inline]
    fn fold<B, F: FnMut(B, Event<'a>) -> B>(self, init: B, each: F) -> B {
        self.0.fold(init, each)
    }
}

impl ExactSizeIterator for Events<'_> {}

impl Multiplexer {
    /// A multiplexer that begins at `now_us`.
    ///
    /// # Errors
    /// Those of [`Config::validate`]; [`Error::Io`] where the operating system gives no entropy ([`Config::rng_seed`] 0).
    pub fn new(config: Config, now_us: u64) -> Result<Self, Error> {
        config.validate()?;
        let mut rng = match config.rng_seed {
            0 => {
                let mut seed = [0; 32];
                getrandom::fill(&mut seed).map_err(|_| Error::Io)?;
                ChaCha12Rng::from_seed(seed)
            }
            seed => ChaCha12Rng::seed_from_u64(seed),
        };
        let (address_key, half_open_key, prefix_key) = (rng.next_u64(), rng.next_u64(), rng.next_u64());
        let shared = Shared {
            now: now_us.min(LATEST),
            awake_since: 0,
            out: Outbox::new(&config),
            events: EventQueue::new(&config),
            timers: Timers::new(now_us.min(LATEST)),
            senders: Store::new(),
            receivers: Store::new(),
            paths: Store::new(),
            lossy: Store::new(),
            talking: Default::default(),
            stats: Stats::default(),
            held_bytes: 0,
            made_room_at: 0,
            struck: false,
            work: Vec::new(),
            sealed: Vec::new(),
            packing: Packing::new(&config),
            config,
        };
        let config = &shared.config;
        Ok(Multiplexer {
            codec: Codec::new(config),
            sessions: Sessions::new(address_key, config.allow_address_remap),
            half_open: HalfOpenTable::new(half_open_key, config.max_half_open, u64::from(config.connect_timeout_ms) * 1000),
            rng,
            prefixes: Prefixes::new(prefix_key, config),
            due: Vec::new(),
            longest: config
                .udp_length
                .max(LONGEST_RESPONSE)
                .max(request_length(config.application_protocol.as_deref().unwrap_or_default())),
            shared,
        })
    }

    /// Time does not go backwards.
    fn clock(&mut self, now_us: u64) {
        let now = now_us.min(LATEST);
        if now > self.shared.now + OVERSLEPT_US && now > self.next_deadline().saturating_add(OVERSLEPT_US) {
            self.shared.awake_since = now;
        }
        self.shared.now = self.shared.now.max(now);
    }

    /// Takes a datagram that arrived from `from`. What is malformed, forged, stale or unwanted is dropped and counted.
    pub fn feed(&mut self, now_us: u64, from: &Address, datagram: &[u8]) {
        self.feed_run(now_us, from, [datagram]);
    }

    /// The same for datagrams that arrived one behind the other from the same address, as they often do: it is looked up once.
    #[inline]
    pub fn feed_run<'d>(&mut self, now_us: u64, from: &Address, datagrams: impl IntoIterator<Item = &'d [u8]>) {
        self.clock(now_us);
        let mut datagrams = datagrams.into_iter();
        while let Some(mut datagram) = datagrams.next() {
            if is_contextless(datagram) {
                self.contextless(from, datagram);
                continue;
            }
            let Multiplexer { sessions, shared, codec, .. } = self;
            let Some(session) = sessions.find_mut(from) else {
                self.first_datagram(from, datagram);
                continue;
            };
            let id = session.id;
            let verdict = loop {
                let verdict = session.receive(shared, codec, datagram);
                if verdict == Verdict::NotOurs || session.has_ended() {
                    break verdict;
                }
                let Some(next) = datagrams.next() else { return };
                datagram = next;
                if is_contextless(datagram) {
                    break Verdict::Taken;
                }
            };
            if is_contextless(datagram) {
                self.contextless(from, datagram);
            } else if verdict == Verdict::NotOurs {
                self.not_the_sessions(id, from, datagram);
            } else {
                self.ended(id);
            }
        }
    }

    #[inline(never)]
    fn contextless(&mut self, from: &Address, datagram: &[u8]) {
        match *datagram {
            [0, opcode::SESSION_REQUEST, ..] => self.session_request(from, datagram),
            [0, opcode::SESSION_RESPONSE, ..] => self.session_response(from, datagram),
            [0, opcode::UNKNOWN_SENDER, ..] => self.unknown_sender(from),
            [0, opcode::REMAP_CONNECTION, ..] => self.remap_connection(from, datagram),
            _ => {}
        }
    }

    /// Does what is due by `now_us`.
    pub fn tick(&mut self, now_us: u64) {
        self.clock(now_us);
        let now = self.shared.now;
        let mut due = std::mem::take(&mut self.due);
        self.shared.timers.advance(now, &mut due);
        for slot in due.drain(..) {
            let Multiplexer { sessions, shared, codec, .. } = self;
            let Some(session) = sessions.at_mut(slot) else { continue };
            session.on_timer(shared, codec);
            if session.has_ended() {
                let id = session.id;
                self.ended(id);
            }
        }
        self.due = due;
        while let Some(gone) = self.half_open.expire(now) {
            self.forgotten(gone);
        }
    }

    /// When [`Multiplexer::tick`] next has something to do: absolute, in microseconds; `u64::MAX` when idle.
    pub fn next_deadline(&self) -> u64 {
        let half_open = self.half_open.next_deadline().unwrap_or(u64::MAX);
        self.shared.timers.next().unwrap_or(u64::MAX).min(half_open)
    }

    /// The same for `poll`: milliseconds from `now_us`, rounded up; -1 when idle; 0 when due, while events wait, or while something waits to be sent.
    pub fn timeout_ms(&self, now_us: u64) -> i32 {
        if self.shared.events.waits() || self.shared.out.waits() || !self.shared.talking.is_empty() {
            return 0;
        }
        match self.next_deadline() {
            u64::MAX => -1,
            deadline => i32::try_from(deadline.saturating_sub(now_us.max(self.shared.now)).div_ceil(1000)).unwrap_or(i32::MAX),
        }
    }

    /// At most `max` datagrams to send, lent until the next call of this function. This is when what was queued is packed: call it once per round, after the
    /// sends. Fewer than `max` means that nothing is left.
    pub fn drain_outgoing(&mut self, now_us: u64, max: usize) -> Outgoing<'_> {
        self.shared.out.release();
        self.shared.out.end_loans();
        self.collect(now_us, max, self.shared.config.trains);
        self.shared.out.lend();
        Outgoing(self.shared.out.departures())
    }

    /// The same, copied one behind the other into `buffer`: `each` hears of every one. Stops at `max`, or where less than [`Config::udp_length`] is left.
    /// What [`Multiplexer::drain_outgoing`] lent stays lent. Returns how many.
    pub fn drain_outgoing_into(&mut self, now_us: u64, buffer: &mut [u8], max: usize, mut each: impl FnMut(Datagram<'_>)) -> usize {
        let longest = self.udp_length() as usize;
        let (mut rest, mut count) = (buffer, 0);
        loop {
            let round = (max - count).min(rest.len() / longest);
            self.shared.out.release();
            self.collect(now_us, round, false);
            let got = self.shared.out.leaving();
            for datagram in self.shared.out.departures() {
                let (copy, later) = rest.split_at_mut(datagram.data.len());
                copy.copy_from_slice(datagram.data);
                each(Datagram { data: copy, ..datagram });
                rest = later;
            }
            count += got;
            if got == 0 || got < round {
                self.shared.out.release();
                return count;
            }
        }
    }

    /// The longest datagram that comes out, in bytes.
    pub fn udp_length(&self) -> u32 {
        self.longest
    }

    fn collect(&mut self, now_us: u64, max: usize, trains: bool) {
        self.clock(now_us);
        self.shared.out.begin(max, trains);
        while self.shared.out.leaving() < max
            && let Some(slot) = self.shared.talking.pop_front()
        {
            let Multiplexer { sessions, shared, codec, .. } = self;
            let Some(session) = sessions.at_mut(slot) else { continue };
            session.stop_talking();
            if session.flush(shared, codec, max) {
                session.talk_first(shared);
            }
            if session.has_ended() {
                let id = session.id;
                self.ended(id);
            }
        }
        // What sessions said while they ended.
        self.shared.out.begin(max, trains);
        self.shared.out.finish(max);
    }

    /// At most `max` events, lent until the next call of this function. None means that nothing is left.
    pub fn drain_events(&mut self, max: usize) -> Events<'_> {
        self.shared.events.drain(&mut self.sessions, max);
        Events(self.shared.events.drained())
    }

    /// Asks `to` for a session: [`crate::EventKind::Connected`] follows, or `Disconnected` with code 5.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for port 0 or a name of more than 255 bytes or with a zero in it, [`Error::State`] where the address has a session,
    /// [`Error::Limit`] where [`Config::max_sessions`] are open.
    pub fn connect(&mut self, now_us: u64, to: &Address, options: &ConnectOptions) -> Result<SessionId, Error> {
        let name = options.application_protocol.as_deref();
        if name.is_some_and(|name| name.len() > 255 || name.contains(&0)) || (to.family != Family::Opaque && to.port == 0) {
            return Err(Error::InvalidArgument);
        }
        if self.sessions.find(to).is_some() {
            return Err(Error::State);
        }
        if self.sessions.open() >= self.shared.config.max_sessions {
            return Err(Error::Limit);
        }
        self.clock(now_us);
        let config = &self.shared.config;
        let beginning = Beginning {
            address: *to,
            client: true,
            wire_id: if options.session_id_on_wire == 0 { self.rng.next_u32().max(1) } else { options.session_id_on_wire },
            user_data: options.user_data,
            application_protocol: name.filter(|name| config.application_protocol.as_deref() != Some(name)).map(Into::into),
        };
        self.longest = self.longest.max(request_length(name.unwrap_or_default()));
        let timeout_ms = if options.timeout_ms == 0 { config.connect_timeout_ms } else { options.timeout_ms };
        let id = self.sessions.insert(None, |id| Session::new(id, beginning, config, self.shared.now));
        if let Some(session) = self.sessions.get_mut(id) {
            session.connect(&mut self.shared, timeout_ms);
        }
        Ok(id)
    }

    fn session_mut(&mut self, id: SessionId) -> Result<(&mut Session, &mut Shared), Error> {
        let known = self.sessions.knows(id);
        let session = self.sessions.get_mut(id).ok_or(if known { Error::State } else { Error::StaleSession })?;
        Ok((session, &mut self.shared))
    }

    /// Queues a message; it leaves with the next drain. An unreliable or ordered message that does not fit a datagram goes over the first reliable channel.
    ///
    /// # Errors
    /// [`Error::StaleSession`], [`Error::State`] before it is connected or after a disconnect, [`Error::InvalidArgument`] for an empty message,
    /// [`Error::TooLarge`] above [`Config::max_message`], or where the packets for a peer of so small a UDP length would take more than
    /// [`Config::max_session_memory`], [`Error::WouldBlock`] while the send queue is full: [`crate::EventKind::Writable`] follows; [`Error::NoMemory`].
    #[inline]
    pub fn send(&mut self, session: SessionId, channel: Channel, data: &[u8]) -> Result<(), Error> {
        match self.sessions.get_mut(session) {
            Some(session) => session.send(&mut self.shared, channel, data),
            None => Err(if self.sessions.knows(session) { Error::State } else { Error::StaleSession }),
        }
    }

    /// Ends a session, or refuses a connect request (with reason 10). [`crate::EventKind::Disconnected`] follows, after what was received before.
    ///
    /// # Errors
    /// [`Error::StaleSession`]; [`Error::State`] where it ended already, or is already being flushed and should be again.
    pub fn disconnect(&mut self, session: SessionId, reason: u16, how: Disconnect) -> Result<(), Error> {
        if let Some(half_open) = self.sessions.reserved(session) {
            self.refuse(half_open, reason, how != Disconnect::Silent);
            return Ok(());
        }
        let Multiplexer { sessions, shared, codec, .. } = self;
        let known = sessions.knows(session);
        let open = sessions.get_mut(session).ok_or(if known { Error::State } else { Error::StaleSession })?;
        if open.has_ended() {
            return Err(Error::State);
        }
        let outcome = match how {
            Disconnect::Now => Err(Ending::Host(reason)),
            Disconnect::Silent => Err(Ending::HostSilent(reason)),
            Disconnect::Flush if open.state == State::Connecting => Err(Ending::Host(reason)),
            Disconnect::Flush if open.state == State::Closing => return Err(Error::State),
            Disconnect::Flush => open.close(shared, reason),
        };
        if let Err(ending) = outcome {
            open.end(shared, codec, ending);
            self.ended(session);
        }
        Ok(())
    }

    /// Sets the cipher of a session. Sending takes effect with the next [`Multiplexer::send`], receiving with the next message that a drain hands out.
    ///
    /// # Errors
    /// [`Error::StaleSession`], [`Error::State`] before it is connected, [`Error::InvalidArgument`] for more than 65,536 bytes to discard.
    pub fn set_cipher(&mut self, session: SessionId, cipher: &Cipher) -> Result<(), Error> {
        let (session, _) = self.session_mut(session)?;
        if session.state == State::Connecting {
            return Err(Error::State);
        }
        if cipher.drop > MOST_DROPPED {
            return Err(Error::InvalidArgument);
        }
        session.set_cipher(cipher);
        Ok(())
    }

    /// Sets the number that every later event of the session carries.
    ///
    /// # Errors
    /// [`Error::StaleSession`].
    pub fn set_user_data(&mut self, session: SessionId, user_data: u64) -> Result<(), Error> {
        if let Some(waiting) = self.sessions.reserved(session).and_then(|half_open| self.half_open.get_mut(half_open)) {
            waiting.user_data = user_data;
            return Ok(());
        }
        self.session_mut(session)?.0.user_data = user_data;
        Ok(())
    }

    /// What is known of a session.
    ///
    /// # Errors
    /// [`Error::StaleSession`]; [`Error::State`] for a connect request that ended.
    pub fn info(&self, session: SessionId) -> Result<SessionInfo, Error> {
        if let Some(waiting) = self.sessions.reserved(session).and_then(|half_open| self.half_open.get(half_open)) {
            return Ok(self.half_open_info(waiting));
        }
        let open = self.sessions.get(session).ok_or(if self.sessions.knows(session) { Error::State } else { Error::StaleSession })?;
        let (loss_sent_ppm, loss_received_ppm) = open.loss();
        Ok(SessionInfo {
            address: open.address,
            state: match open.state {
                State::Connecting => SessionState::Connecting,
                State::Open => SessionState::Connected,
                State::Closing => SessionState::Closing,
                State::Ended => SessionState::Ended,
            },
            is_client: open.client,
            session_id_on_wire: open.wire_id,
            crc_seed: open.agreed.sealing.seed(),
            crc_length: open.agreed.sealing.crc_length() as u8,
            protocol_version: open.agreed.version,
            udp_length: open.agreed.udp_length.into(),
            passes: open.agreed.sealing.passes(),
            application_protocol: open.application_protocol(&self.shared.config).to_vec(),
            user_data: open.user_data,
            rtt_us: open.rtt.known(),
            rtt_deviation_us: open.rtt.deviation(),
            loss_sent_ppm,
            loss_received_ppm,
            queued_bytes: open.queued_bytes(&self.shared) as u64,
        })
    }

    /// What was counted for a session. Counters of strangers and handshakes stay 0.
    ///
    /// # Errors
    /// [`Error::StaleSession`]; [`Error::State`] for a connect request.
    pub fn session_stats(&self, session: SessionId) -> Result<Stats, Error> {
        let open = self.sessions.get(session).ok_or(if self.sessions.knows(session) { Error::State } else { Error::StaleSession })?;
        Ok(open.stats.into())
    }

    /// What was counted in all.
    pub fn stats(&self) -> Stats {
        self.shared.stats
    }

    /// The session at an address, connected or connecting.
    pub fn find(&self, address: &Address) -> Option<SessionId> {
        self.sessions.find(address)
    }

    /// A session ended: nothing on the wire finds it any more, and a newcomer that waited for its address comes in.
    #[inline(never)]
    fn ended(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(id) else { return };
        let (address, client) = (session.address, session.client);
        if self.sessions.unlink(id) && !client {
            self.prefixes.ended(&address);
        }
        self.let_in_newcomer(&address);
    }

    /// Tells the host that a request which it knew of is over.
    fn departed(&mut self, id: SessionId, user_data: u64, by: EndedBy, reason: u16) {
        self.sessions.depart(id);
        self.shared.events.push((id, user_data), self.shared.now, Kind::Disconnected(by, reason));
    }

    fn crc_seed(&mut self) -> u32 {
        match self.shared.config.crc_seed {
            CrcSeed::Fixed(seed) => seed,
            CrcSeed::Random => self.rng.next_u32(),
        }
    }
}

/// What has neither pass nor CRC, and is no session's: the four packets that begin or move one, and PortAlive. An UnknownSender says nothing else, but EverQuest's
/// has four zeros behind it.
#[inline]
fn is_contextless(datagram: &[u8]) -> bool {
    let [0, opcode, rest @ ..] = datagram else { return false };
    opcode::CONTEXTLESS >> opcode.min(&31) & 1 == 1 && (*opcode != opcode::UNKNOWN_SENDER || matches!(rest, [] | [0, 0, 0, 0]))
}

/// A SessionResponse, with the version.
const LONGEST_RESPONSE: u32 = 21;

/// The length of a SessionRequest: opcode, version, session id, UDP length, name, NUL. It does not depend on the UDP length.
fn request_length(name: &[u8]) -> u32 {
    2 + 4 + 4 + 4 + name.len() as u32 + 1
}
