//! One conversation: parameters, channels, liveness, its end.
//!
//! | file | holds |
//! |---|---|
//! | `input` | a datagram from validation to delivery |
//! | `output` | what is queued into as few datagrams as fit |
//! | `life` | timers: heartbeats, timeouts, doubts about the peer |
//! | `ending` | all that ends a session, in one table |

mod ending;
mod input;
mod life;
mod output;

use std::collections::VecDeque;

use crate::address::Address;
use crate::cipher::{Cipher, Direction, Keystreams};
use crate::codec::Sealing;
use crate::config::{Config, Congestion, Pass};
use crate::error::Error;
use crate::event::{Channel, SessionId};
use crate::mux::events::{EventQueue, Kind};
use crate::mux::outbox::Outbox;
use crate::mux::sessions::{Reading, slot_of};
use crate::mux::timers::Timers;
use crate::pool::{NONE, Place, Size, Store};
use crate::reliable::{CHANNELS, Content, Layout, Path, Receiver, Rtt, Sender};
use crate::stats::Stats;
use crate::wire::{Packing, opcode};

pub(crate) use ending::Ending;
pub(crate) use input::Verdict;

/// A send queue never holds less than this many datagrams of one message.
const LEAST_QUEUED_DATAGRAMS: usize = 131;

/// Bytes of a message from which on it is asked whether there is memory for it.
const LARGE: usize = 1 << 20;

/// What all sessions of a multiplexer share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    /// How its reliable messages stand in packets.
    pub(crate) packing: Packing,
    /// The host's clock, in microseconds, never backwards.
    pub(crate) now: u64,
    /// When the host last came back who had slept past what was due, or whose clock had jumped: what left before that tells no round-trip time.
    pub(crate) awake_since: u64,
    pub(crate) out: Outbox,
    pub(crate) events: EventQueue,
    pub(crate) timers: Timers,
    pub(crate) senders: Store<Sender>,
    pub(crate) receivers: Store<Receiver>,
    pub(crate) paths: Store<Path>,
    pub(crate) lossy: Store<Lossy>,
    /// Slots of sessions that have something to send.
    pub(crate) talking: VecDeque<u32>,
    pub(crate) stats: Stats,
    /// Bytes of memory in what the receivers hold.
    pub(crate) held_bytes: usize,
    /// When a session last ended because it held memory and did nothing with it.
    pub(crate) made_room_at: u64,
    /// The datagram that is being read had something malformed in it.
    pub(crate) struck: bool,
    /// A packet being composed.
    pub(crate) work: Vec<u8>,
    /// A datagram being sealed.
    pub(crate) sealed: Vec<u8>,
}

impl Shared {
    /// Bytes of memory in what came and in what waits to leave.
    fn used(&self) -> usize {
        self.held_bytes + self.out.pool.held_bytes() + self.events.held_bytes()
    }

    /// As much as this is free.
    fn has_plenty(&self, bytes: usize) -> bool {
        (self.used() as u64).saturating_add(bytes as u64) <= self.config.max_memory
    }

    /// Bytes that a session may hold of what came, or have queued: as much as is free of what all may hold together, but always `least`. Whoever takes much leaves
    /// others as much as it has, whatever their number.
    pub(crate) fn share(&self, least: usize) -> usize {
        self.config.max_memory.saturating_sub(self.used() as u64).max(least as u64).try_into().unwrap_or(usize::MAX)
    }
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// No SessionResponse yet.
    Connecting,
    Open,
    /// Disconnects once all is acknowledged.
    Closing,
    /// Over; exists until the host has heard.
    Ended,
}

/// Packets of no reliable channel that wait for the next drain.
#[derive(Default)]
pub(crate) struct Lossy {
    queue: VecDeque<Queued>,
    bytes: usize,
    /// Of these, answers to NetStatus requests.
    answers: u32,
}

struct Queued {
    place: Place,
    /// May share a MultiPacket.
    shares: bool,
}

/// What few sessions have at any time.
#[derive(Default)]
struct Rare {
    /// The name, where it is not the config's.
    application_protocol: Option<Box<[u8]>>,
    connecting: Option<Connecting>,
    closing: Option<Closing>,
    /// A hint that the peer is gone, and what was last done about it.
    doubt: Option<Doubt>,
    net_status: NetStatus,
    /// When the malformed packets of the last seconds came.
    malformed: VecDeque<u64>,
}

/// Disconnects with this reason when all is acknowledged.
#[derive(Clone, Copy)]
struct Closing {
    reason: u16,
    /// Or at this time. The call that wants it has no clock, so it counts from the first one after it that has.
    until: Option<u64>,
}

struct Connecting {
    request_at: u64,
    requests: u32,
    timeout_at: u64,
}

/// Something that a stranger may have forged says that the peer is gone: it ends the session only if the peer leaves heartbeats unanswered.
#[derive(Clone, Copy)]
struct Doubt {
    ending: Ending,
    /// How often it was asked, and when last.
    asked: u32,
    asked_at: u64,
    /// It spoke since then: it is there, but may not hear this side.
    heard: bool,
}

#[derive(Clone, Copy, Default)]
struct NetStatus {
    asked_at: Option<u64>,
    /// Requests since the last answer.
    unanswered: u8,
    loss_sent_ppm: Option<u32>,
    loss_received_ppm: Option<u32>,
}

#[derive(Default)]
struct Ciphers {
    send: Option<Box<Keystreams>>,
    receive: Option<Box<Keystreams>>,
}

/// What a new session begins with.
pub(crate) struct Beginning {
    pub(crate) address: Address,
    pub(crate) client: bool,
    pub(crate) wire_id: u32,
    pub(crate) user_data: u64,
    /// Where it is not the config's.
    pub(crate) application_protocol: Option<Box<[u8]>>,
}

/// What both sides agreed on.
#[derive(Clone, Copy)]
pub(crate) struct Agreement {
    pub(crate) sealing: Sealing,
    /// The smaller of both sides' values.
    pub(crate) udp_length: u16,
    /// Bytes of a reliable packet behind opcode and sequence: what CRC and passes leave of it.
    payload: u16,
    /// The version that the peer said.
    pub(crate) version: u32,
}

impl Agreement {
    /// `udp_length` is one of those that [`Config::validate`] takes.
    pub(crate) fn new(sealing: Sealing, udp_length: u32, version: u32) -> Self {
        let taken = 4 + sealing.crc_length() + sealing.expansion();
        Agreement { sealing, udp_length: udp_length as u16, payload: udp_length as u16 - taken as u16, version }
    }

    /// Nothing yet.
    pub(crate) fn none(udp_length: u32) -> Self {
        Agreement::new(Sealing::new(0, 0, [Pass::None; 2]), udp_length, 0)
    }
}

pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) address: Address,
    pub(crate) user_data: u64,
    pub(crate) wire_id: u32,
    pub(crate) agreed: Agreement,
    pub(crate) state: State,
    /// This side sent the SessionRequest.
    pub(crate) client: bool,
    /// It is in [`Shared::talking`].
    talking: bool,
    /// The host has not heard of the last change of address.
    pub(crate) rebound_waits: bool,
    /// The host was told to wait for room.
    blocked: bool,
    /// Channels of which the datagram that is being read acknowledges something, and whether the peer was heard shortly before.
    acknowledged: u8,
    was_heard: bool,
    /// The peer sends MultiPackets. Those of soe-protocol's kind never do; all others answer every duplicate, and read acknowledgements however far apart.
    thorough: bool,
    /// And showed that it knows that this side does, or is about to.
    understood: bool,
    /// When a datagram from its address last had a wrong CRC, in spans of 17 s; 0: never.
    damaged_in: u16,
    /// Heartbeats of this side that were questions, less those that came since.
    asked: u8,
    /// The receive cipher was set, or need not be.
    gate_open: bool,
    /// The drain in which it handed out a message while the gate was closed: the low bits of its number, which may cost one more drain once in 65,536.
    handed_in: u16,
    pub(crate) rtt: Rtt,
    pub(crate) received_at: u64,
    sent_at: u64,
    heartbeat_at: u64,
    /// Where the channels go on ([`outlived`]).
    next_out: [u32; CHANNELS],
    next_in: [u32; CHANNELS],
    senders: [u32; CHANNELS],
    receivers: [u32; CHANNELS],
    path: u32,
    lossy: u32,
    /// The reliable channel whose turn it is.
    turn: u8,
    ordered_out: [u16; 2],
    ordered_in: [u16; 2],
    ciphers: Option<Box<Ciphers>>,
    rare: Option<Box<Rare>>,
    pub(crate) stats: SessionStats,
}

/// The part of [`Stats`] that is counted for each session. What should be rare ends at what 32 bits hold: a session is small.
#[derive(Clone, Copy, Default)]
pub(crate) struct SessionStats {
    pub(crate) datagrams_sent: u64,
    pub(crate) datagrams_received: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    pub(crate) messages_sent: u64,
    pub(crate) messages_received: u64,
    pub(crate) retransmissions: u32,
    pub(crate) duplicates: u32,
    pub(crate) dropped_crc: u32,
    pub(crate) dropped_malformed: u32,
    pub(crate) dropped_lossy: u32,
    pub(crate) dropped_window: u32,
    pub(crate) dropped_contextless: u32,
    pub(crate) dropped_acknowledgement: u32,
}

/// A counter of a session.
pub(crate) trait Counter {
    fn count(&mut self, n: u64);
}

impl Counter for u32 {
    #[inline]
    fn count(&mut self, n: u64) {
        *self = self.saturating_add(u32::try_from(n).unwrap_or(u32::MAX));
    }
}

impl Counter for u64 {
    #[inline]
    fn count(&mut self, n: u64) {
        *self += n;
    }
}

/// Counts for the session and for the multiplexer.
macro_rules! count {
    ($session:expr, $shared:expr, $field:ident, $n:expr) => {{
        let n = $n as u64;
        $crate::session::Counter::count(&mut $session.stats.$field, n);
        $shared.stats.$field += n;
    }};
    ($session:expr, $shared:expr, $field:ident) => {
        count!($session, $shared, $field, 1)
    };
}
pub(crate) use count;

impl Session {
    pub(crate) fn new(id: SessionId, beginning: Beginning, config: &Config, now: u64) -> Self {
        let rare = Rare { application_protocol: beginning.application_protocol, ..Rare::default() };
        Session {
            id,
            address: beginning.address,
            user_data: beginning.user_data,
            wire_id: beginning.wire_id,
            agreed: Agreement::none(config.udp_length),
            state: State::Connecting,
            client: beginning.client,
            talking: false,
            rebound_waits: false,
            blocked: false,
            acknowledged: 0,
            was_heard: false,
            thorough: config.thorough_peers,
            understood: false,
            damaged_in: 0,
            asked: 0,
            gate_open: !config.cipher_by_host,
            handed_in: 0,
            rtt: Rtt::default(),
            received_at: now,
            sent_at: now,
            heartbeat_at: life::NEVER,
            next_out: [0; CHANNELS],
            next_in: [0; CHANNELS],
            senders: [NONE; CHANNELS],
            receivers: [NONE; CHANNELS],
            path: NONE,
            lossy: NONE,
            turn: 0,
            ordered_out: [0; 2],
            ordered_in: [0; 2],
            ciphers: None,
            rare: rare.application_protocol.is_some().then(|| Box::new(rare)),
            stats: SessionStats::default(),
        }
    }

    pub(crate) fn slot(&self) -> u32 {
        slot_of(self.id)
    }

    /// Session and user data, as events carry them.
    fn whose(&self) -> (SessionId, u64) {
        (self.id, self.user_data)
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    pub(crate) fn application_protocol<'a>(&'a self, config: &'a Config) -> &'a [u8] {
        let own = self.rare.as_ref().and_then(|rare| rare.application_protocol.as_deref());
        own.or(config.application_protocol.as_deref()).unwrap_or_default()
    }

    /// The handshake is done: messages may be sent.
    pub(crate) fn open(&mut self, shared: &mut Shared, agreement: &Agreement) {
        self.agreed = *agreement;
        self.state = State::Open;
        self.received_at = shared.now;
        if let Some(rare) = &mut self.rare {
            rare.connecting = None;
        }
        self.drop_rare(shared);
        if let Some(key) = shared.config.cipher_key.clone() {
            self.set_cipher(&shared.config.cipher(key));
        }
        shared.stats.sessions_connected += 1;
        let name = self.application_protocol(&shared.config);
        shared.events.named(self.whose(), shared.now, name, Kind::Connected);
        if shared.config.asks_net_status(self.client) {
            self.ask_net_status(shared);
        }
        self.schedule(shared);
    }

    /// Lets go of what is rare where nothing of it is in use. What a question told of losses is kept only where such are asked for their own sake.
    fn drop_rare(&mut self, shared: &Shared) {
        if let Some(rare) = &self.rare
            && rare.application_protocol.is_none()
            && rare.connecting.is_none()
            && rare.closing.is_none()
            && rare.doubt.is_none()
            && rare.malformed.is_empty()
            && !shared.config.asks_net_status(self.client)
            && rare.net_status.asked_at.is_none_or(|at| shared.now - at >= life::ANSWER_US)
        {
            self.rare = None;
        }
    }

    pub(crate) fn set_cipher(&mut self, cipher: &Cipher) {
        let ciphers = self.ciphers.get_or_insert_default();
        if matches!(cipher.direction, Direction::Send | Direction::Both) {
            ciphers.send = Keystreams::new(cipher);
        }
        if matches!(cipher.direction, Direction::Receive | Direction::Both) {
            ciphers.receive = Keystreams::new(cipher);
            self.gate_open = true;
        }
        if ciphers.send.is_none() && ciphers.receive.is_none() {
            self.ciphers = None;
        }
    }

    /// No channel has to wait or to be deciphered.
    pub(crate) fn reads_plain(&self) -> bool {
        self.gate_open && self.ciphers.is_none()
    }

    /// How the next message of a channel is read that is handed out in drain number `drain`.
    #[inline]
    pub(crate) fn reading(&mut self, channel: Channel, drain: u32) -> Reading<'_> {
        if !self.gate_open {
            let drain = (drain as u16).max(1);
            let first = std::mem::replace(&mut self.handed_in, drain) != drain;
            return if first { Reading::Single } else { Reading::Later };
        }
        match self.ciphers.as_mut().and_then(|ciphers| ciphers.receive.as_mut()?.of(channel)) {
            Some(cipher) => Reading::Ciphered(cipher),
            None => Reading::Plain,
        }
    }

    fn layout(&self, shared: &Shared, channel: usize) -> Layout {
        Layout {
            channel: channel as u8,
            payload: self.agreed.payload.into(),
            tail: self.agreed.sealing.crc_length(),
            packing: shared.packing,
        }
    }

    /// Bytes of reliable messages queued, from the oldest unacknowledged packet on.
    pub(crate) fn queued_bytes(&self, shared: &Shared) -> usize {
        self.senders.iter().filter_map(|&index| shared.senders.get(index)).map(Sender::queued_bytes).sum()
    }

    /// Bytes of memory in what its receivers hold.
    fn held_bytes(&self, shared: &Shared) -> usize {
        self.receivers.iter().filter_map(|&index| shared.receivers.get(index)).map(Receiver::memory).sum()
    }

    /// Bytes of memory in what its senders have queued.
    fn queued_memory(&self, shared: &Shared) -> usize {
        self.senders.iter().filter_map(|&index| shared.senders.get(index)).map(Sender::memory).sum()
    }

    /// So little of it is queued that the host may send again after it was told to wait.
    fn has_room(&self, shared: &Shared) -> bool {
        self.queued_memory(shared) <= self.most_queued(shared) / 2
    }

    /// Bytes that it may always hold, and always queue.
    fn least_memory(&self) -> usize {
        LEAST_QUEUED_DATAGRAMS * (usize::from(self.agreed.udp_length) + Sender::PACKET)
    }

    fn most_queued(&self, shared: &Shared) -> usize {
        let least = self.least_memory();
        (shared.config.send_queue_bytes as usize).max(least).min(shared.share(least))
    }

    /// Queues a message: it leaves with the next drain.
    #[inline]
    pub(crate) fn send(&mut self, shared: &mut Shared, channel: Channel, data: &[u8]) -> Result<(), Error> {
        match self.state {
            State::Open => {}
            State::Connecting | State::Closing | State::Ended => return Err(Error::State),
        }
        if data.is_empty() {
            return Err(Error::InvalidArgument);
        }
        if data.len() > shared.config.max_message as usize {
            return Err(Error::TooLarge);
        }
        if !self.join(shared, channel, data) {
            self.queue(shared, channel, data)?;
        }
        count!(self, shared, messages_sent);
        self.talk(shared);
        Ok(())
    }

    /// Adds a plain message to the packet that is being filled for its channel. False where there is none, or no room in it, or an earlier message was refused.
    #[inline]
    fn join(&mut self, shared: &mut Shared, channel: Channel, data: &[u8]) -> bool {
        let Some(&sender) = self.senders.get(channel as usize).filter(|_| !self.blocked && self.ciphers.is_none()) else { return false };
        let (payload, packing) = (self.agreed.payload.into(), shared.packing);
        shared
            .senders
            .get_mut(sender)
            .is_some_and(|sender| !packing.escapes(data) && sender.join(data, payload, packing, &mut shared.out.pool))
    }

    /// No more reliable messages are taken for now.
    fn is_full(&self, shared: &Shared) -> bool {
        // A packet takes no more than eight times what it takes of a block.
        let (all, most) = (shared.out.pool.held_bytes(), shared.config.send_queue_bytes as usize);
        let little = 8 * all < most && shared.has_plenty(most);
        !little && self.queued_memory(shared) >= self.most_queued(shared)
    }

    #[inline(never)]
    fn queue(&mut self, shared: &mut Shared, channel: Channel, data: &[u8]) -> Result<(), Error> {
        match channel {
            Channel::Reliable0 | Channel::Reliable1 | Channel::Reliable2 | Channel::Reliable3 => {
                self.send_reliable(shared, channel as usize, data)
            }
            Channel::Unreliable | Channel::Ordered | Channel::Ordered2 => self.send_lossy(shared, channel, data),
        }
    }

    fn send_lossy(&mut self, shared: &mut Shared, channel: Channel, data: &[u8]) -> Result<(), Error> {
        let room = usize::from(self.agreed.udp_length) - self.agreed.sealing.crc_length();
        let expansion = self.agreed.sealing.expansion();
        let shares = shared.config.multi_raw;
        match channel {
            Channel::Unreliable
                if data.len() + usize::from(data[0] == 0) + expansion * usize::from(shared.config.passes_cover_raw) <= room =>
            {
                let head: &[u8] = if data[0] == 0 { &[0] } else { &[] };
                self.queue_lossy(shared, head, data, None, shares)
            }
            Channel::Ordered | Channel::Ordered2 if data.len() + 4 + expansion + self.zero(channel) <= room => {
                let second = usize::from(channel == Channel::Ordered2);
                let stamp = self.ordered_out[second].wrapping_add(1);
                let [high, low] = stamp.to_be_bytes();
                let head = [0, opcode::ORDERED + second as u8, high, low];
                self.queue_lossy(shared, &head, data, Some(channel), shares)?;
                self.ordered_out[second] = stamp;
                Ok(())
            }
            // What does not fit a datagram is promoted to the first reliable channel.
            _ => self.queue(shared, Channel::Reliable0, data),
        }
    }

    /// Bytes that a ciphertext on this channel may be longer than its message: one that begins with a zero gets one more in front.
    fn zero(&mut self, channel: Channel) -> usize {
        usize::from(self.ciphers.as_mut().and_then(|ciphers| ciphers.send.as_mut()?.of(channel)).is_some())
    }

    #[inline]
    fn send_reliable(&mut self, shared: &mut Shared, channel: usize, data: &[u8]) -> Result<(), Error> {
        if self.is_full(shared) {
            self.blocked = true;
            return Err(Error::WouldBlock);
        }
        let layout = self.layout(shared, channel);
        let fragments = data.len() / layout.payload;
        let needed = data.len() + fragments * Sender::PACKET;
        if fragments > 0 && needed > shared.config.session_memory() {
            return Err(Error::TooLarge);
        }
        if needed > self.least_memory() && !shared.has_plenty(needed) {
            return Err(Error::NoMemory);
        }
        if self.senders[channel] == NONE {
            self.senders[channel] = shared.senders.take();
            if let Some(sender) = shared.senders.get_mut(self.senders[channel]) {
                sender.begin(self.next_out[channel].into(), shared.config.send_window, shared.config.congestion == Congestion::Adaptive);
            }
        }
        if data.len() > LARGE
            && let Some(sender) = shared.senders.get_mut(self.senders[channel])
            && !sender.prepare(fragments + 2, &layout, &mut shared.out.pool)
        {
            self.give_back_senders(shared);
            return Err(Error::NoMemory);
        }
        // Else it was tried whether it joins the open packet.
        let joins = self.blocked || self.ciphers.is_some();
        let cipher = self.ciphers.as_mut().and_then(|ciphers| ciphers.send.as_mut()).and_then(|send| send.of(RELIABLE[channel]));
        let (escapes, pool) = (layout.packing.escapes(data), &mut shared.out.pool);
        if let Some(sender) = shared.senders.get_mut(self.senders[channel])
            && (cipher.is_some()
                || escapes
                || !((joins && sender.join(data, layout.payload, layout.packing, pool)) || sender.open(data, &layout, pool)))
        {
            sender.push(Content::new(data, cipher, escapes), &layout, pool);
        }
        if let Some(path) = shared.paths.get_mut(self.path) {
            path.fed(shared.now);
        }
        Ok(())
    }

    /// Queues a packet that is sent once: `head`, then `data`, enciphered where its channel is.
    fn queue_lossy(&mut self, shared: &mut Shared, head: &[u8], data: &[u8], channel: Option<Channel>, shares: bool) -> Result<(), Error> {
        if self.lossy == NONE {
            self.lossy = shared.lossy.take();
        }
        let most = self.most_queued(shared);
        let Some(lossy) = shared.lossy.get_mut(self.lossy) else { return Err(Error::State) };
        if lossy.bytes >= most {
            self.blocked = true;
            return Err(Error::WouldBlock);
        }
        let tail = self.agreed.sealing.crc_length();
        let pool = &mut shared.out.pool;
        let block = pool.reserve(&mut shared.out.cursor, head.len() + data.len() + 1 + tail, Size::Large);
        let bytes = pool.data_mut(block);
        let offset = bytes.len();
        bytes.extend_from_slice(head);
        let cipher = channel.and_then(|channel| self.ciphers.as_mut()?.send.as_mut()?.of(channel));
        let mut content = Content::new(data, cipher, false);
        let len = content.len();
        content.copy(bytes, len);
        let len = bytes.len() - offset;
        bytes.resize(offset + len + tail, 0);
        pool.hold(block);
        lossy.bytes += len;
        lossy.queue.push_back(Queued { place: Place { block, offset: offset as u32, len: len as u32 }, shares });
        Ok(())
    }

    /// A packet of `len` bytes fits a datagram.
    fn fits(&self, len: usize) -> bool {
        len <= usize::from(self.agreed.payload) + 4
    }

    /// Queues a packet of the session's own: it may always share a MultiPacket. What does not fit the UDP length is left unsaid.
    fn queue_control(&mut self, shared: &mut Shared, packet: &[u8]) {
        if !self.fits(packet.len()) {
            return;
        }
        let blocked = self.blocked;
        if self.queue_lossy(shared, &packet[..1], &packet[1..], None, true).is_err() {
            self.blocked = blocked;
        }
        self.talk(shared);
    }

    /// The peer goes on from another address, as it showed in a datagram of `len` bytes.
    pub(crate) fn rebound(&mut self, shared: &mut Shared, len: usize) {
        self.alive(shared, len);
        self.rebound_waits = true;
        shared.events.push(self.whose(), shared.now, Kind::Rebound(self.address));
        // So that the peer learns that its way is open again.
        self.send_heartbeat(shared, true);
    }

    /// Share of datagrams lost, sent and received.
    pub(crate) fn loss(&self) -> (Option<u32>, Option<u32>) {
        self.rare.as_ref().map_or((None, None), |rare| (rare.net_status.loss_sent_ppm, rare.net_status.loss_received_ppm))
    }

    pub(crate) fn last_sent_at(&self) -> u64 {
        self.sent_at
    }

    /// The drain has come to this session.
    pub(crate) fn stop_talking(&mut self) {
        self.talking = false;
    }

    /// The next drain begins with this session.
    pub(crate) fn talk_first(&mut self, shared: &mut Shared) {
        if !std::mem::replace(&mut self.talking, true) {
            shared.talking.push_front(self.slot());
        }
    }

    /// The next drain visits this session.
    pub(crate) fn talk(&mut self, shared: &mut Shared) {
        if !self.talking {
            self.talking = true;
            shared.talking.push_back(self.slot());
        }
    }
}

/// A sequence that outlives its half of a channel. The peer sees its low 16 bits; of the others it matters only whether there are any.
fn outlived(sequence: u64) -> u32 {
    u32::try_from(sequence).unwrap_or(0xFFFF << 16 | sequence as u32 & 0xFFFF)
}

/// The reliable channels by number.
pub(crate) const RELIABLE: [Channel; CHANNELS] = [Channel::Reliable0, Channel::Reliable1, Channel::Reliable2, Channel::Reliable3];

impl From<SessionStats> for Stats {
    fn from(own: SessionStats) -> Stats {
        Stats {
            datagrams_sent: own.datagrams_sent,
            datagrams_received: own.datagrams_received,
            bytes_sent: own.bytes_sent,
            bytes_received: own.bytes_received,
            messages_sent: own.messages_sent,
            messages_received: own.messages_received,
            retransmissions: own.retransmissions.into(),
            duplicates: own.duplicates.into(),
            dropped_crc: own.dropped_crc.into(),
            dropped_malformed: own.dropped_malformed.into(),
            dropped_lossy: own.dropped_lossy.into(),
            dropped_window: own.dropped_window.into(),
            dropped_contextless: own.dropped_contextless.into(),
            dropped_acknowledgement: own.dropped_acknowledgement.into(),
            ..Stats::default()
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_sequence_that_outlives_its_channel_keeps_what_the_peer_sees() {
        for sequence in [0, 1, 0xFFFF, 0x1_0000, u32::MAX.into(), u64::from(u32::MAX) + 1, 0x1234_5678_9ABC, u64::MAX] {
            let outlived = super::outlived(sequence);
            assert_eq!((outlived as u16, outlived < 0x1_0000), (sequence as u16, sequence < 0x1_0000), "{sequence:#x}");
        }
    }

    #[test]
    fn an_idle_session_is_small() {
        assert!(std::mem::size_of::<super::Session>() <= 304, "{}", std::mem::size_of::<super::Session>());
    }
}
