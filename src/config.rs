//! What a multiplexer is told when it is made. A title's dialect is a value of [`Config`], never a branch in the code below.

use crate::cipher::{Cipher, Direction, Key, Scope};
use crate::error::Error;

/// Where the CRC seed of a session comes from that this side answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CrcSeed {
    /// Random for each session.
    #[default]
    Random,
    /// Always this value: some titles use a constant, others one that their server drew when it started, and a recorded session can be replayed into a server.
    /// Two sessions can't be told apart by it then: a client that begins anew at an address waits until the old session there stays silent.
    Fixed(u32),
}

/// One of the two passes over a datagram; the numbers are those of the SessionResponse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Pass {
    /// Bytes as they are.
    #[default]
    None = 0,
    /// zlib, with a flag byte that says whether. Titles call it UserSupplied.
    Compress = 1,
    /// The same, under the second number that titles use for it.
    Compress2 = 2,
    /// Each word combined with a key stream and the word before.
    XorBuffer = 3,
    /// Each word combined with the word before.
    Xor = 4,
}

impl TryFrom<u8> for Pass {
    type Error = Error;
    fn try_from(value: u8) -> Result<Self, Error> {
        Ok(match value {
            0 => Pass::None,
            1 => Pass::Compress,
            2 => Pass::Compress2,
            3 => Pass::XorBuffer,
            4 => Pass::Xor,
            _ => return Err(Error::InvalidArgument),
        })
    }
}

/// How the compression pass marks what it compressed. The same number on the wire means any of these: a title has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum CompressionFlag {
    /// 01 or 00 as the first byte of the body.
    #[default]
    Leading = 0,
    /// 5a or a5 as the first byte of the body.
    LeadingEverQuest = 1,
    /// 01 or 00 as the last byte of the body.
    Trailing = 2,
}

/// How much may be under way to a peer at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Congestion {
    /// Follows what the path carries.
    #[default]
    Adaptive,
    /// [`Config::send_window`] packets, whatever the path does: for closed networks.
    Fixed,
}

/// How small reliable messages share a packet: as a bundle (19), each behind its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Bundles {
    /// Lengths of 254 and above are written in the long form, as UdpLibrary does. Everybody reads it.
    #[default]
    LongFrom254 = 0,
    /// Lengths of 255 and above.
    LongFrom255 = 1,
    /// No long form: messages of 255 bytes and more never share.
    Short = 2,
    /// No bundles: each message has a packet of its own, and small packets share MultiPackets.
    Never = 3,
}

/// Which side does something of its own accord.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// The side that sent the SessionRequest.
    Client = 1,
    /// The side that answered it.
    Server = 2,
    /// Each of them.
    Both = 3,
}

impl Role {
    /// True where this is for the client's side, or for the server's.
    pub(crate) fn is_for(self, client: bool) -> bool {
        let side = if client { Role::Client } else { Role::Server };
        self as u8 & side as u8 != 0
    }
}

/// What a silent peer is asked with, because it answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Probe {
    /// A Heartbeat, which peers of version 3 send back.
    #[default]
    Heartbeat = 0,
    /// A NetStatus request: UdpLibrary takes heartbeats in silence.
    NetStatus = 1,
}

/// The settings of a multiplexer. [`Config::default`] is protocol version 3 as its titles speak it: datagrams of 512 bytes, a CRC of two, no passes.
///
/// ```
/// let config = soe::Config { application_protocol: Some(b"Ping_1".to_vec()), max_sessions: 200, ..Default::default() };
/// assert!(config.validate().is_ok());
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    /// The name that clients send in their SessionRequest and servers require there; at most 255 bytes, none of them zero.
    /// `None`: a server takes any name, a client sends an empty one.
    pub application_protocol: Option<Vec<u8>>,
    /// The version that is sent and accepted: 2 or 3. 0 sends 3 and accepts any.
    pub protocol_version: u32,
    /// False: SessionRequests have no name, and it is not looked at. Version 2 never has one.
    pub request_has_name: bool,
    /// False: a Disconnect says no reason (6 bytes, not 8). Both are read.
    pub disconnect_has_reason: bool,
    /// True: the SessionResponse ends with the version (21 bytes), false: it does not (17). Both are read.
    pub confirm_has_version: bool,
    /// True: the SessionResponse says the smaller of both UDP lengths, as UdpLibrary's does, whose clients take what it says. False: this side's own.
    pub confirm_smaller_length: bool,
    /// The largest datagram that this side takes, in bytes, CRC included: 16..=16,384. A session uses the smaller of both sides' values, and takes away from it
    /// what the CRC and the passes add.
    pub udp_length: u32,
    /// Bytes of CRC behind each datagram of sessions that this side answers: 0..=4.
    pub crc_length: u8,
    /// The CRC seed of sessions that this side answers.
    pub crc_seed: CrcSeed,
    /// A CRC of zeros passes for a right one: EverQuest II's client may send it. Then anybody who can send from a peer's address can speak for it.
    pub accept_zero_crc: bool,
    /// What happens to datagrams of sessions that this side answers, before the CRC: the first, then the second.
    pub passes: [Pass; 2],
    /// The passes cover messages outside the reliable and ordered channels too, as in UdpLibrary; soe-protocol's don't.
    pub passes_cover_raw: bool,
    /// How the compression pass marks what it compressed.
    pub compression_flag: CompressionFlag,
    /// Bytes of a body below which compression is not tried. What it makes no shorter stays as it is, whatever the title's own servers do: so no datagram grows
    /// beyond what was agreed. `u32::MAX`: never tried.
    pub compression_threshold: u32,
    /// How hard compression tries, 1 (fastest) to 9.
    pub compression_level: u32,
    /// Bytes that a compressed datagram may inflate to, or the UDP length where that is more; what would be longer is dropped.
    pub max_inflated: u32,
    /// RC4 on application messages of every session, both ways, from the first message. `None`: plain until [`crate::Multiplexer::set_cipher`].
    pub cipher_key: Option<Key>,
    /// Bytes of key stream that `cipher_key` discards first: at most 65,536.
    pub cipher_drop: u32,
    /// Which channels `cipher_key` is for, and which share a key stream.
    pub cipher_scope: Scope,
    /// The host turns the cipher on after a login message: a session whose receive cipher was not set yet hands out at most one message per drain.
    pub cipher_by_host: bool,
    /// Connect requests become events, which the host accepts or refuses.
    pub manual_accept: bool,
    /// Datagrams of one size for one address may be lent as a train ([`crate::Datagram::segment_size`]).
    pub trains: bool,
    /// A server's session is connected with its SessionResponse, not with the client's first datagram: for titles whose client waits for the server to speak.
    pub connected_at_request: bool,
    /// SessionRequests are not answered: this side only connects.
    pub client_only: bool,
    /// Open sessions at most, 1..=1,000,000.
    pub max_sessions: u32,
    /// Sessions at most that were answered but have not shown a datagram with the right CRC. When full, the oldest makes room.
    pub max_half_open: u32,
    /// Bits of an IPv4 address that count as its prefix, for the limits per prefix: 0..=32. Opaque addresses count whole.
    pub prefix_bits_v4: u32,
    /// The same of an IPv6 address: 0..=128.
    pub prefix_bits_v6: u32,
    /// While more than half of the half-open places are taken: sessions that a prefix may have open and be given more. 0: any number.
    pub max_sessions_per_prefix: u32,
    /// While more than half of the half-open places are taken: new sessions that a prefix may ask for in a second, and at once. Requests beyond it are dropped and
    /// counted ([`crate::Stats::requests_limited`]). 0: any number.
    pub max_new_per_prefix: u32,
    /// Answers in a second, and at once, to strangers of a prefix who take no place: to requests that are refused or repeated, and UnknownSender. 0: any number.
    pub max_replies_per_prefix: u32,
    /// 0: session ids, CRC seeds and hash keys from the operating system's entropy. Else the same seed gives the same bytes.
    pub rng_seed: u64,
    /// How often a SessionRequest is repeated.
    pub connect_retry_ms: u32,
    /// When a connect fails without an answer, and when an answered request that shows no datagram is forgotten.
    pub connect_timeout_ms: u32,
    /// Silence after which a Heartbeat is sent; 0: never, and no other question is asked. Silence of the peer counts as well, where it is asked with heartbeats; else
    /// it is asked after half of the inactivity timeout.
    pub heartbeat_ms: u32,
    /// Who sends them.
    pub heartbeat_by: Role,
    /// A Heartbeat is answered with one. UdpLibrary's sides don't: each sends its own.
    pub answer_heartbeats: bool,
    /// What a peer is asked with that has been silent, or that somebody said is gone.
    pub probe: Probe,
    /// Silence of the peer that ends a session with reason 2; 0: never.
    pub inactivity_timeout_ms: u32,
    /// How long a disconnect with flush waits for acknowledgements.
    pub flush_timeout_ms: u32,
    /// How often NetStatus is asked; 0: never (v3 peers other than ours may end a session over it).
    pub net_status_ms: u32,
    /// Who asks.
    pub net_status_by: Role,
    /// A NetStatus request is answered.
    pub answer_net_status: bool,
    /// How long an unacknowledged packet may stay so before the session ends with reason 8; 0: for ever.
    pub unacknowledged_timeout_ms: u32,
    /// How far apart acknowledgements are in a transfer: v3 peers expect no more than 2 ms. The first ones leave with the next drain. 0: all of them do.
    pub ack_delay_us: u32,
    /// Each packet in order has an AcknowledgeAll of its own, as it came; else one says it for all that came before a drain.
    pub ack_every_packet: bool,
    /// What comes ahead of its turn is acknowledged at once (11). False for clients that can't take that: repairs take longer.
    pub ack_early: bool,
    /// Peers acknowledge again what comes again, and read acknowledgements however far apart, as UdpLibrary does. soe-protocol and Sanctuary don't: there a peer has
    /// to show it first.
    pub thorough_peers: bool,
    /// How many more times a small reliable packet goes out before any loss is known: 0..=3. Receivers drop the copies.
    pub redundancy: u32,
    /// How long such a copy waits for another datagram to ride in before it leaves in one of its own.
    pub redundancy_delay_us: u32,
    /// Datagrams from addresses without a session are answered with UnknownSender (rate-limited), so that a client of a restarted server learns of it.
    pub reply_unknown_sender: bool,
    /// RemapConnection moves a session to another port of the same host when it shows session id and CRC seed.
    pub allow_port_remap: bool,
    /// The same from another host. Off in UdpLibrary: what it shows is no secret to whoever saw the handshake, and with a fixed CRC seed it is the session id alone.
    pub allow_address_remap: bool,
    /// Raw (unreliable) packets may share a MultiPacket. Off for v3 peers, which end the session over it.
    pub multi_raw: bool,
    /// Lengths inside MultiPackets are read as those of bundles, but FF in front of a 00 as 255: what v3's emulators write. Else one byte says 0 to 255. Written
    /// are only lengths that both read alike.
    pub multi_varint: bool,
    /// How small reliable messages share a packet.
    pub bundles: Bundles,
    /// A reliable message that begins with 00 gets one more in front, as an unreliable one does: UdpLibrary's rule. Version 3 sends it as it is.
    pub escape_reliable: bool,
    /// How much may be under way.
    pub congestion: Congestion,
    /// Reliable packets per channel that a peer is believed to hold past its cumulative acknowledgement, to begin with: 1..=16,384.
    pub send_window: u32,
    /// Reliable packets per channel that this side holds ahead of a gap: 32..=16,384. No sender believes that a peer holds less.
    pub receive_window: u32,
    /// Bytes of messages that a session may have queued before [`Error::WouldBlock`], from the oldest unacknowledged packet on, with 72
    /// for each packet; never less than 131 datagrams take.
    pub send_queue_bytes: u32,
    /// The longest message, in bytes, both ways.
    pub max_message: u32,
    /// Messages that may wait for the host in all; then reliable packets stay unacknowledged and lossy ones are dropped. The same holds for a session of which as
    /// many wait as there is room for more: so none takes all of it.
    pub max_queued_events: u32,
    /// Bytes of messages that may wait for the host in all; more than 4 GiB is no more than that. What fills a gap brings all that came behind it, whatever the
    /// limits.
    pub max_queued_bytes: u64,
    /// Bytes that one session may make this side hold of messages of which a part is missing, and of packets that came ahead of a gap. What comes ahead of its turn
    /// is dropped beyond it, unacknowledged; messages that grow beyond it end the session with reason 13. Never less than two messages of [`Config::max_message`]
    /// take.
    pub max_session_memory: u32,
    /// Bytes of memory that all sessions together may hold of what came and what waits to leave. As it fills, each may hold as much as is still free, but always 131
    /// datagrams each way: sends beyond that answer [`Error::WouldBlock`], or [`Error::NoMemory`] where one message alone is too long for what is free, and what comes
    /// stays unacknowledged. While less than half is free, a session whose unfinished message has not grown for 30 seconds ends with reason 13.
    pub max_memory: u64,
    /// The smallest UDP length that is taken from a peer, 16..=[`Config::udp_length`]: less is refused.
    pub min_udp_length: u32,
    /// How many levels MultiPackets may lie in each other, and bundles: 1..=16. 1: none inside another.
    pub max_nesting: u32,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            application_protocol: None,
            protocol_version: 3,
            request_has_name: true,
            disconnect_has_reason: true,
            confirm_has_version: true,
            confirm_smaller_length: false,
            udp_length: 512,
            crc_length: 2,
            crc_seed: CrcSeed::Random,
            accept_zero_crc: false,
            passes: [Pass::None; 2],
            passes_cover_raw: false,
            compression_flag: CompressionFlag::Leading,
            compression_threshold: 24,
            compression_level: 1,
            max_inflated: 8192,
            cipher_key: None,
            cipher_drop: 0,
            cipher_scope: Scope::PerChannel,
            cipher_by_host: false,
            manual_accept: false,
            trains: false,
            connected_at_request: false,
            client_only: false,
            max_sessions: 1000,
            max_half_open: 4096,
            prefix_bits_v4: 24,
            prefix_bits_v6: 56,
            max_sessions_per_prefix: 100,
            max_new_per_prefix: 20,
            max_replies_per_prefix: 100,
            rng_seed: 0,
            connect_retry_ms: 1000,
            connect_timeout_ms: 30_000,
            heartbeat_ms: 25_000,
            heartbeat_by: Role::Client,
            answer_heartbeats: true,
            probe: Probe::Heartbeat,
            inactivity_timeout_ms: 30_000,
            flush_timeout_ms: 5_000,
            net_status_ms: 0,
            net_status_by: Role::Both,
            answer_net_status: true,
            unacknowledged_timeout_ms: 0,
            ack_delay_us: 2_000,
            ack_every_packet: false,
            ack_early: true,
            thorough_peers: false,
            redundancy: 0,
            redundancy_delay_us: 10_000,
            reply_unknown_sender: true,
            allow_port_remap: true,
            allow_address_remap: false,
            multi_raw: false,
            multi_varint: false,
            bundles: Bundles::LongFrom254,
            escape_reliable: false,
            congestion: Congestion::Adaptive,
            send_window: 256,
            receive_window: 1024,
            send_queue_bytes: 1024 * 1024,
            max_message: 16 * 1024 * 1024,
            max_queued_events: 131_072,
            max_queued_bytes: 64 * 1024 * 1024,
            // One message of the longest kind on each channel, and some early packets.
            max_session_memory: 72 * 1024 * 1024,
            max_memory: 1024 * 1024 * 1024,
            min_udp_length: MIN_UDP_LENGTH,
            max_nesting: 4,
        }
    }
}

/// The smallest UDP length that is taken from a peer or a host: below it no reliable packet carries anything.
pub const MIN_UDP_LENGTH: u32 = 16;
/// Packets past the cumulative acknowledgement that every peer holds, as far as anybody knows.
pub(crate) const LEAST_WINDOW: u32 = 32;
/// The largest UDP length: UdpLibrary's hard maximum.
pub const MAX_UDP_LENGTH: u32 = 16_384;
/// Keystream bytes that a cipher may discard: nobody discards more than a few thousand, and each costs time.
pub(crate) const MOST_DROPPED: u32 = 65_536;

impl Config {
    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a value outside its range, [`Error::Unsupported`] for a protocol version of which nothing is known.
    pub fn validate(&self) -> Result<(), Error> {
        let name = self.application_protocol.as_deref().unwrap_or_default();
        let ranges = name.len() <= 255
            && !name.contains(&0)
            && (MIN_UDP_LENGTH..=MAX_UDP_LENGTH).contains(&self.udp_length)
            && self.crc_length <= 4
            && (1..=1_000_000).contains(&self.max_sessions)
            && (1..=1_000_000).contains(&self.max_half_open)
            && self.prefix_bits_v4 <= 32
            && self.prefix_bits_v6 <= 128
            && self.connect_retry_ms > 0
            && self.connect_timeout_ms > 0
            && self.redundancy <= 3
            && (1..=16_384).contains(&self.send_window)
            && (LEAST_WINDOW..=16_384).contains(&self.receive_window)
            && (1..=1 << 30).contains(&self.max_message)
            && self.max_queued_events > 0
            && self.max_queued_bytes > 0
            && (1..=16).contains(&self.max_nesting)
            && (MIN_UDP_LENGTH..=self.udp_length).contains(&self.min_udp_length)
            && self.max_inflated >= 1
            && self.max_inflated <= 1 << 20
            && (1..=9).contains(&self.compression_level)
            && self.cipher_drop <= MOST_DROPPED;
        if !ranges {
            return Err(Error::InvalidArgument);
        }
        if matches!(self.protocol_version, 0 | 2 | 3) { Ok(()) } else { Err(Error::Unsupported) }
    }

    /// What a session may hold of unfinished messages and early packets, in bytes.
    pub(crate) fn session_memory(&self) -> usize {
        (self.max_session_memory as usize).max(2 * self.max_message as usize)
    }

    /// The cipher that a session begins with.
    pub(crate) fn cipher(&self, key: Key) -> Cipher {
        Cipher { direction: Direction::Both, key: Some(key), drop: self.cipher_drop, scope: self.cipher_scope }
    }

    /// The right CRC is no secret: whoever knows the title knows its seed, or that zeros pass.
    pub(crate) fn crc_is_known(&self) -> bool {
        self.accept_zero_crc || matches!(self.crc_seed, CrcSeed::Fixed(_))
    }

    /// This side asks NetStatus of its own accord.
    pub(crate) fn asks_net_status(&self, client: bool) -> bool {
        self.net_status_ms > 0 && self.net_status_by.is_for(client)
    }

    /// The version that a client sends.
    pub(crate) fn version_sent(&self) -> u32 {
        if self.protocol_version == 0 { 3 } else { self.protocol_version }
    }

    /// SessionRequests have a name. Version 2 has no place for one.
    pub(crate) fn has_names(&self) -> bool {
        self.request_has_name && self.protocol_version != 2
    }
}
