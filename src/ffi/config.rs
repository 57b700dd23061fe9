use super::Answer;
use super::pointer::{Growable, bytes, init_growable};
use super::status::soe_status_code::{SOE_ERR_INVALID_ARGUMENT, SOE_ERR_UNSUPPORTED};
use super::status::{soe_status, status};
use crate::{Bundles, CompressionFlag, Config, Congestion, CrcSeed, Pass, Preset, Probe, Role};
use std::ffi::c_char;
use std::mem::offset_of;
use std::ptr;

/// The titles whose dialects soe_config_init knows.
#[repr(C)]
pub enum soe_preset {
    /// Protocol version 3 as its titles speak it: datagrams of 512 bytes, a CRC of 2, no passes.
    SOE_PRESET_DEFAULT = 0,
    /// PlanetSide 2: docs/planetside2.md.
    SOE_PRESET_PLANETSIDE2 = 1,
    /// H1Z1: docs/h1z1.md.
    SOE_PRESET_H1Z1 = 2,
    /// Landmark, its login server: docs/landmark.md.
    SOE_PRESET_LANDMARK = 3,
    /// Free Realms: docs/free-realms.md.
    SOE_PRESET_FREE_REALMS = 4,
    /// Star Wars Galaxies: docs/star-wars-galaxies.md.
    SOE_PRESET_STAR_WARS_GALAXIES = 5,
    /// EverQuest, its login and world servers: docs/everquest.md.
    SOE_PRESET_EVERQUEST = 6,
    /// EverQuest II: docs/everquest2.md.
    SOE_PRESET_EVERQUEST2 = 7,
    /// PlanetSide (2003), inside its envelope, which is the host's: docs/planetside.md.
    SOE_PRESET_PLANETSIDE = 8,
}

/// Bits of soe_config.flags.
#[repr(C)]
pub enum soe_config_flag {
    /// The host turns a cipher on (or says that there is none) with soe_session_set_cipher, once it has read a login message. A session whose
    /// receive cipher has not been set hands out at most one message per drain, so that the next one is never handed out undeciphered. (To set
    /// one for the first message already, drain with a cap of 1: SOE_EVENT_CONNECTED comes alone then.)
    SOE_CONFIG_CIPHER_BY_HOST = 1,
    /// Connect requests become SOE_EVENT_CONNECT_REQUEST, which the host accepts or refuses.
    SOE_CONFIG_MANUAL_ACCEPT = 2,
    /// Datagrams of one size for one address may be handed out as a train (soe_datagram.segment_size): for hosts that send with UDP_SEGMENT.
    SOE_CONFIG_TRAINS = 4,
    /// A server's session is connected with its SessionResponse, not with the client's first datagram: for titles whose client waits for the
    /// server to speak.
    SOE_CONFIG_CONNECTED_AT_REQUEST = 8,
    /// SessionRequests are not answered: this side only connects.
    SOE_CONFIG_CLIENT_ONLY = 16,
}

const KNOWN_FLAGS: u32 = 0b1_1111;

/// Values of soe_config.crc_seed_mode.
#[repr(C)]
pub enum soe_crc_seed_mode {
    /// Each session has a random CRC seed.
    SOE_CRC_SEED_RANDOM = 0,
    /// Each session has soe_config.crc_seed: some titles use a constant, others one that their server drew when it started, and a recorded
    /// session can be replayed into a server. Two sessions can't be told apart by it then: a client that begins anew at an address waits
    /// until the old session there stays silent.
    SOE_CRC_SEED_FIXED = 1,
}

/// What happens to whole datagrams before the CRC: the numbers of the wire.
#[repr(C)]
pub enum soe_pass {
    /// Bytes as they are.
    SOE_PASS_NONE = 0,
    /// zlib, with a flag byte that says whether. Titles call it UserSupplied.
    SOE_PASS_COMPRESS = 1,
    /// The same, under the second number that titles use for it.
    SOE_PASS_COMPRESS_2 = 2,
    /// Each word combined with a key stream and the word before.
    SOE_PASS_XOR_BUFFER = 3,
    /// Each word combined with the word before.
    SOE_PASS_XOR = 4,
}

/// How SOE_PASS_COMPRESS marks what it compressed.
#[repr(C)]
pub enum soe_compression_flag {
    /// 01 or 00 comes first.
    SOE_COMPRESSION_FLAG_LEADING = 0,
    /// 5a or a5 comes first.
    SOE_COMPRESSION_FLAG_LEADING_EVERQUEST = 1,
    /// 01 or 00 comes last.
    SOE_COMPRESSION_FLAG_TRAILING = 2,
}

/// How much may be under way to a peer at once: values of soe_config.congestion.
#[repr(C)]
pub enum soe_congestion {
    /// What the path carries.
    SOE_CONGESTION_ADAPTIVE = 0,
    /// soe_config.send_window packets, whatever the path does: for closed networks.
    SOE_CONGESTION_FIXED = 1,
}

/// How small reliable messages share a packet: as a bundle (19), each behind its length.
#[repr(C)]
pub enum soe_bundles {
    /// Lengths of 254 and above are written in the long form, as UdpLibrary does. Everybody reads it.
    SOE_BUNDLES_LONG_FROM_254 = 0,
    /// Lengths of 255 and above.
    SOE_BUNDLES_LONG_FROM_255 = 1,
    /// No long form: messages of 255 bytes and more never share.
    SOE_BUNDLES_SHORT = 2,
    /// No bundles: each message has a packet of its own, and small packets share MultiPackets.
    SOE_BUNDLES_NEVER = 3,
}

/// Which side does something of its own accord.
#[repr(C)]
pub enum soe_role {
    /// The side that sent the SessionRequest.
    SOE_ROLE_CLIENT = 1,
    /// The side that answered it.
    SOE_ROLE_SERVER = 2,
    /// Each of them.
    SOE_ROLE_BOTH = 3,
}

/// What a silent peer is asked with, because it answers it.
#[repr(C)]
pub enum soe_probe {
    /// A Heartbeat, which peers of version 3 send back.
    SOE_PROBE_HEARTBEAT = 0,
    /// A NetStatus request: UdpLibrary takes heartbeats in silence.
    SOE_PROBE_NET_STATUS = 1,
}

/// The settings of a multiplexer, copied by soe_mux_create. Growable: let soe_config_init fill it, then change what you want otherwise.
/// The defaults below are those of SOE_PRESET_DEFAULT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct soe_config {
    /// sizeof(soe_config)
    pub struct_size: u32,
    /// SOE_CONFIG_* together. Default: 0.
    pub flags: u32,
    /// The name that clients send and servers require: at most 255 bytes, none of them zero; needs no NUL at its end. NULL: a server takes any
    /// name, a client sends an empty one. A pointer with a length of 0: the empty name. Default: NULL.
    pub application_protocol: *const c_char,
    /// Bytes of it, without a NUL. Default: 0.
    pub application_protocol_len: u32,
    /// Bytes at cipher_key: 1..256. Default: 0.
    pub cipher_key_len: u32,
    /// RC4 on the messages of every session, both ways, from the first one. NULL: none, until soe_session_set_cipher. Default: NULL.
    pub cipher_key: *const u8,
    /// 0: session ids, CRC seeds and hash keys from the operating system's entropy. Else the same seed, clock and input give the same
    /// bytes. Default: 0.
    pub rng_seed: u64,
    /// Bytes of messages that may wait for the host, all sessions together; more than 4 GiB is no more than that. What fills a gap brings all
    /// that came behind it, whatever the limits. Default: 64 MiB.
    pub max_queued_bytes: u64,
    /// The version that is sent and accepted: 2 or 3. 0 sends 3 and accepts any. Default: 3.
    pub protocol_version: u32,
    /// 1: the SessionResponse ends with the version (21 bytes); 0: it does not (17). Both are read. Default: 1.
    pub confirm_has_version: u32,
    /// The largest datagram that this side takes, in bytes, CRC and what the passes add included: 16..16384. A session uses the smaller of both
    /// sides'. Default: 512.
    pub udp_length: u32,
    /// Bytes of CRC behind each datagram of sessions that this side answers: 0..4. Default: 2.
    pub crc_length: u32,
    /// SOE_CRC_SEED_RANDOM or SOE_CRC_SEED_FIXED. Default: random.
    pub crc_seed_mode: u32,
    /// With SOE_CRC_SEED_FIXED: the CRC seed of sessions that this side answers. Default: 0.
    pub crc_seed: u32,
    /// SOE_PASS_*: the first pass of sessions that this side answers. Default: none.
    pub pass0: u32,
    /// SOE_PASS_*: the second. Default: none.
    pub pass1: u32,
    /// SOE_COMPRESSION_FLAG_*. Default: leading.
    pub compression_flag: u32,
    /// Bytes below which compression is not tried. Default: 24.
    pub compression_threshold: u32,
    /// Bytes that a compressed datagram may inflate to, 1..1048576; what would be longer is dropped. udp_length where that is more. Default:
    /// 8192.
    pub max_inflated: u32,
    /// Sessions at most: 1..1000000. Those that ended count until their SOE_EVENT_DISCONNECTED is handed out. Clients beyond it are refused with
    /// SOE_REASON_CONNECTION_REFUSED, and soe_mux_connect and soe_session_accept with SOE_ERR_LIMIT. Default: 1000.
    pub max_sessions: u32,
    /// Sessions at most that were answered and have not shown a datagram with the right CRC, 1..1000000; beyond it the oldest makes
    /// room. Default: 4096.
    pub max_half_open: u32,
    /// How often a SessionRequest is repeated; not 0. Default: 1000.
    pub connect_retry_ms: u32,
    /// When a connect fails without an answer, and when a request is forgotten that the host does not accept, or that shows no datagram once it
    /// was answered; not 0. Default: 30000.
    pub connect_timeout_ms: u32,
    /// Silence, in either direction, after which the side that heartbeat_by names sends a heartbeat, but never more often than once a second;
    /// where probe is not a heartbeat, that is after its own silence, and a silent peer is asked after half of inactivity_timeout_ms. 0: none of
    /// either but the first, which opens the session. Where it is not 0, a client repeats the first one for 3 seconds while the server says
    /// nothing. Without thorough_peers it also sends a heartbeat in a MultiPacket of its own, which shows that it reads MultiPackets, and
    /// acknowledgements however far apart; a server answers in kind. Peers that never send a MultiPacket are treated as soe-protocol needs it:
    /// acknowledged in strides of 96 packets. Default: 25000.
    pub heartbeat_ms: u32,
    /// Silence of the peer that ends a session with SOE_REASON_TIMEOUT; 0: never. Default: 30000.
    pub inactivity_timeout_ms: u32,
    /// How long SOE_DISCONNECT_FLUSH waits for acknowledgements, from the next tick or drain of datagrams on. Default: 5000.
    pub flush_timeout_ms: u32,
    /// How often NetStatus is asked, which measures loss; 0: never. Some peers of version 3 may end a session over it. Default: 0.
    pub net_status_ms: u32,
    /// How long a packet may stay unacknowledged before its session ends with SOE_REASON_UNACKNOWLEDGED_TIMEOUT; 0: for ever. Default: 0.
    pub unacknowledged_timeout_ms: u32,
    /// How far apart acknowledgements are in a transfer: v3 peers expect no more than 2 ms. The first ones (8) leave with the next drain.
    /// 0: all of them do. Default: 2000.
    pub ack_delay_us: u32,
    /// How many more times a small reliable packet goes out while it is unacknowledged, before any loss is known: 0..3. Receivers drop the
    /// copies. Default: 0.
    pub redundancy: u32,
    /// How long such a copy waits for another datagram to ride in before it leaves in one of its own. Default: 10000.
    pub redundancy_delay_us: u32,
    /// 1: datagrams from addresses without a session are answered with UnknownSender (rate-limited), so that the client of a restarted server
    /// learns of it. Default: 1.
    pub reply_unknown_sender: u32,
    /// 1: RemapConnection moves a session to another port of the same host when it shows session id and CRC seed. Default: 1.
    pub allow_port_remap: u32,
    /// 1: unreliable packets may share a MultiPacket. Peers of version 3 other than ours end the session over it. Default: 0.
    pub multi_raw: u32,
    /// SOE_CONGESTION_ADAPTIVE or SOE_CONGESTION_FIXED. Default: adaptive.
    pub congestion: u32,
    /// Packets per reliable channel that a peer is believed to hold past its acknowledgement, to begin with: 1..16384. Default: 256.
    pub send_window: u32,
    /// Packets per reliable channel that this side holds ahead of a gap: 32..16384; no sender believes that a peer holds less. Default: 1024.
    pub receive_window: u32,
    /// Bytes that a session may have queued before SOE_ERR_WOULD_BLOCK, counted as in soe_session_info.queued_bytes and with 72 more for each
    /// packet; never less than 131 datagrams take. A message is taken whole while there are fewer. Default: 1048576.
    pub send_queue_bytes: u32,
    /// The longest message, in bytes, both ways: 1..2^30. Default: 16 MiB.
    pub max_message: u32,
    /// Messages that may wait for the host, all sessions together; beyond it reliable packets stay unacknowledged and lossy ones are dropped. The
    /// same holds for a session of which as many wait as there is room for more: so none takes all of it. Default: 131072.
    pub max_queued_events: u32,
    /// 0: SessionRequests have no name, and it is not looked at. Version 2 never has one. Default: 1.
    pub request_has_name: u32,
    /// 0: a Disconnect says no reason (6 bytes, not 8). Both are read. Default: 1.
    pub disconnect_has_reason: u32,
    /// 1: a CRC of zeros passes for a right one: EverQuest II's client may send it. Then anybody who can send from a peer's address can speak
    /// for it. Default: 0.
    pub accept_zero_crc: u32,
    /// 1: the passes cover messages outside the reliable and ordered channels too, as in UdpLibrary; soe-protocol's don't. Default: 0.
    pub passes_cover_raw: u32,
    /// How hard compression tries, 1 (fastest) to 9. Default: 1.
    pub compression_level: u32,
    /// Bytes of key stream that cipher_key discards first, at most 65536. Default: 0.
    pub cipher_drop: u32,
    /// SOE_CIPHER_PER_CHANNEL, SOE_CIPHER_RELIABLE or SOE_CIPHER_RELIABLE_AND_ORDERED, for cipher_key. Default: per channel.
    pub cipher_scope: u32,
    /// SOE_ROLE_*: who sends heartbeats after heartbeat_ms. Default: client.
    pub heartbeat_by: u32,
    /// 1: a Heartbeat is answered with one. UdpLibrary's sides don't: each sends its own. Default: 1.
    pub answer_heartbeats: u32,
    /// SOE_PROBE_*: what a peer is asked with that has been silent, or that somebody said is gone. Default: heartbeat.
    pub probe: u32,
    /// SOE_ROLE_*: who asks NetStatus each net_status_ms. Default: both.
    pub net_status_by: u32,
    /// 1: each packet in order has an AcknowledgeAll of its own; 0: one says it for all that came before a drain. Default: 0.
    pub ack_every_packet: u32,
    /// 1: what comes ahead of its turn is acknowledged at once (11). 0: for clients that can't take that; repairs take longer. Default: 1.
    pub ack_early: u32,
    /// 1: peers acknowledge again what comes again, and read acknowledgements however far apart, as UdpLibrary does. 0: they have to show it
    /// first, since soe-protocol and Sanctuary don't. Default: 0.
    pub thorough_peers: u32,
    /// 1: RemapConnection moves a session to another host too, where allow_port_remap is 1. What it shows is no secret to whoever saw the
    /// handshake; with a fixed CRC seed it is the session id alone. Default: 0.
    pub allow_address_remap: u32,
    /// 1: lengths inside MultiPackets are read as those of bundles, but FF before a 00 as 255, as v3's emulators write them; 0: one byte says
    /// 0 to 255. Written are only lengths that both read alike. Default: 0.
    pub multi_varint: u32,
    /// SOE_BUNDLES_*. Default: long from 254.
    pub bundles: u32,
    /// 1: a reliable message that begins with 00 gets one more in front, as an unreliable one does: UdpLibrary's rule. Version 3 sends it as it
    /// is. Default: 0.
    pub escape_reliable: u32,
    /// 1: the SessionResponse says the smaller of both UDP lengths, as UdpLibrary's does, whose clients take what it says; 0: this side's own.
    /// Default: 0.
    pub confirm_smaller_length: u32,
    /// 1: a NetStatus request is answered. Default: 1.
    pub answer_net_status: u32,
    /// Bytes of memory that all sessions together may hold of what came and of what waits to leave. As it fills, each may hold as much as is
    /// still free, but always 131 datagrams each way: sends beyond that answer SOE_ERR_WOULD_BLOCK, or SOE_ERR_NO_MEMORY where one message
    /// alone is too long for what is free, and what comes stays unacknowledged. While less than half is free, a session whose unfinished
    /// message has not grown for 30 seconds ends with SOE_REASON_RELIABLE_OVERFLOW.
    /// Default: 1 GiB.
    pub max_memory: u64,
    /// Bytes that one session may make this side hold of messages of which a part is missing, and of packets that came ahead of a gap. What
    /// comes ahead of its turn is dropped beyond it, unacknowledged; messages that grow beyond it end the session with
    /// SOE_REASON_RELIABLE_OVERFLOW. Never less than two messages of max_message take. Default: 72 MiB.
    pub max_session_memory: u32,
    /// How many levels MultiPackets may lie in each other, and bundles: 1..16. 1: none inside another. Default: 4.
    pub max_nesting: u32,
    /// Bits of an IPv4 address that count as its prefix, for the limits below: 0..32. Opaque addresses count whole. Default: 24.
    pub prefix_bits_v4: u32,
    /// The same of an IPv6 address: 0..128. Default: 56.
    pub prefix_bits_v6: u32,
    /// While more than half of the half-open places are taken: sessions that a prefix may have open and be given more. 0: any number.
    /// Default: 100.
    pub max_sessions_per_prefix: u32,
    /// While more than half of the half-open places are taken: new sessions that a prefix may ask for in a second, and at once. Requests beyond
    /// it are dropped and counted (soe_stats.requests_limited). 0: any number. Default: 20.
    pub max_new_per_prefix: u32,
    /// Answers in a second, and at once, to strangers of a prefix who take no place: to requests that are refused or repeated, and
    /// UnknownSender. 0: any number. Default: 100.
    pub max_replies_per_prefix: u32,
    /// The smallest UDP length that is taken from a peer, 16..udp_length: less is refused. Default: 16.
    pub min_udp_length: u32,
}

#[cfg(target_pointer_width = "64")]
const _: () = {
    assert!(offset_of!(soe_config, application_protocol) == 8);
    assert!(offset_of!(soe_config, cipher_key) == 24);
    assert!(offset_of!(soe_config, protocol_version) == 48);
    assert!(offset_of!(soe_config, request_has_name) == 48 + 32 * 4);
    assert!(offset_of!(soe_config, max_memory) == 48 + 52 * 4);
    assert!(size_of::<soe_config>() == 256 + 8 + 8 * 4);
};

// SAFETY: repr(C), struct_size first, integers and raw pointers only.
unsafe impl Growable for soe_config {
    const POINTERS: &'static [usize] = &[offset_of!(soe_config, application_protocol), offset_of!(soe_config, cipher_key)];
    const U64S: &'static [usize] =
        &[offset_of!(soe_config, rng_seed), offset_of!(soe_config, max_queued_bytes), offset_of!(soe_config, max_memory)];
}

use soe_config_flag::*;

impl From<&Config> for soe_config {
    /// Everything but the name and the key, which presets don't have.
    fn from(config: &Config) -> Self {
        let (crc_seed_mode, crc_seed) = match config.crc_seed {
            CrcSeed::Random => (soe_crc_seed_mode::SOE_CRC_SEED_RANDOM, 0),
            CrcSeed::Fixed(seed) => (soe_crc_seed_mode::SOE_CRC_SEED_FIXED, seed),
        };
        let congestion = match config.congestion {
            Congestion::Adaptive => soe_congestion::SOE_CONGESTION_ADAPTIVE,
            Congestion::Fixed => soe_congestion::SOE_CONGESTION_FIXED,
        };
        let flag = |set, flag: soe_config_flag| if set { flag as u32 } else { 0 };
        soe_config {
            struct_size: size_of::<soe_config>() as u32,
            flags: flag(config.cipher_by_host, SOE_CONFIG_CIPHER_BY_HOST)
                | flag(config.manual_accept, SOE_CONFIG_MANUAL_ACCEPT)
                | flag(config.trains, SOE_CONFIG_TRAINS)
                | flag(config.connected_at_request, SOE_CONFIG_CONNECTED_AT_REQUEST)
                | flag(config.client_only, SOE_CONFIG_CLIENT_ONLY),
            application_protocol: ptr::null(),
            application_protocol_len: 0,
            cipher_key_len: 0,
            cipher_key: ptr::null(),
            rng_seed: config.rng_seed,
            max_queued_bytes: config.max_queued_bytes,
            protocol_version: config.protocol_version,
            confirm_has_version: config.confirm_has_version.into(),
            udp_length: config.udp_length,
            crc_length: config.crc_length.into(),
            crc_seed_mode: crc_seed_mode as u32,
            crc_seed,
            pass0: config.passes[0] as u32,
            pass1: config.passes[1] as u32,
            compression_flag: config.compression_flag as u32,
            compression_threshold: config.compression_threshold,
            max_inflated: config.max_inflated,
            max_sessions: config.max_sessions,
            max_half_open: config.max_half_open,
            connect_retry_ms: config.connect_retry_ms,
            connect_timeout_ms: config.connect_timeout_ms,
            heartbeat_ms: config.heartbeat_ms,
            inactivity_timeout_ms: config.inactivity_timeout_ms,
            flush_timeout_ms: config.flush_timeout_ms,
            net_status_ms: config.net_status_ms,
            unacknowledged_timeout_ms: config.unacknowledged_timeout_ms,
            ack_delay_us: config.ack_delay_us,
            redundancy: config.redundancy,
            redundancy_delay_us: config.redundancy_delay_us,
            reply_unknown_sender: config.reply_unknown_sender.into(),
            allow_port_remap: config.allow_port_remap.into(),
            multi_raw: config.multi_raw.into(),
            congestion: congestion as u32,
            send_window: config.send_window,
            receive_window: config.receive_window,
            send_queue_bytes: config.send_queue_bytes,
            max_message: config.max_message,
            max_queued_events: config.max_queued_events,
            request_has_name: config.request_has_name.into(),
            disconnect_has_reason: config.disconnect_has_reason.into(),
            accept_zero_crc: config.accept_zero_crc.into(),
            passes_cover_raw: config.passes_cover_raw.into(),
            compression_level: config.compression_level,
            cipher_drop: config.cipher_drop,
            cipher_scope: config.cipher_scope as u32,
            heartbeat_by: config.heartbeat_by as u32,
            answer_heartbeats: config.answer_heartbeats.into(),
            probe: config.probe as u32,
            net_status_by: config.net_status_by as u32,
            ack_every_packet: config.ack_every_packet.into(),
            ack_early: config.ack_early.into(),
            thorough_peers: config.thorough_peers.into(),
            allow_address_remap: config.allow_address_remap.into(),
            multi_varint: config.multi_varint.into(),
            bundles: config.bundles as u32,
            escape_reliable: config.escape_reliable.into(),
            confirm_smaller_length: config.confirm_smaller_length.into(),
            answer_net_status: config.answer_net_status.into(),
            max_memory: config.max_memory,
            max_session_memory: config.max_session_memory,
            max_nesting: config.max_nesting,
            prefix_bits_v4: config.prefix_bits_v4,
            prefix_bits_v6: config.prefix_bits_v6,
            max_sessions_per_prefix: config.max_sessions_per_prefix,
            max_new_per_prefix: config.max_new_per_prefix,
            max_replies_per_prefix: config.max_replies_per_prefix,
            min_udp_length: config.min_udp_length,
        }
    }
}

impl soe_config {
    /// # Safety
    /// By the rules of the header, for the name and the key.
    pub(super) unsafe fn config(&self) -> Answer<Config> {
        if self.flags & !KNOWN_FLAGS != 0 {
            return Err(SOE_ERR_UNSUPPORTED);
        }
        let has = |flag: soe_config_flag| self.flags & flag as u32 != 0;
        Ok(Config {
            // SAFETY: as asked of our caller.
            application_protocol: unsafe { name(self.application_protocol, self.application_protocol_len)? },
            protocol_version: self.protocol_version,
            confirm_has_version: knob(self.confirm_has_version)?,
            udp_length: self.udp_length,
            crc_length: u8::try_from(self.crc_length).or(Err(SOE_ERR_INVALID_ARGUMENT))?,
            crc_seed: if knob(self.crc_seed_mode)? { CrcSeed::Fixed(self.crc_seed) } else { CrcSeed::Random },
            passes: [pass(self.pass0)?, pass(self.pass1)?],
            compression_flag: one_of(
                [CompressionFlag::Leading, CompressionFlag::LeadingEverQuest, CompressionFlag::Trailing],
                |flag| flag as u32,
                self.compression_flag,
            )?,
            request_has_name: knob(self.request_has_name)?,
            disconnect_has_reason: knob(self.disconnect_has_reason)?,
            accept_zero_crc: knob(self.accept_zero_crc)?,
            passes_cover_raw: knob(self.passes_cover_raw)?,
            compression_level: self.compression_level,
            cipher_drop: self.cipher_drop,
            cipher_scope: super::cipher::scope(self.cipher_scope)?,
            heartbeat_by: role(self.heartbeat_by)?,
            answer_heartbeats: knob(self.answer_heartbeats)?,
            probe: if knob(self.probe)? { Probe::NetStatus } else { Probe::Heartbeat },
            net_status_by: role(self.net_status_by)?,
            ack_every_packet: knob(self.ack_every_packet)?,
            ack_early: knob(self.ack_early)?,
            thorough_peers: knob(self.thorough_peers)?,
            allow_address_remap: knob(self.allow_address_remap)?,
            multi_varint: knob(self.multi_varint)?,
            bundles: one_of(
                [Bundles::LongFrom254, Bundles::LongFrom255, Bundles::Short, Bundles::Never],
                |bundles| bundles as u32,
                self.bundles,
            )?,
            escape_reliable: knob(self.escape_reliable)?,
            confirm_smaller_length: knob(self.confirm_smaller_length)?,
            answer_net_status: knob(self.answer_net_status)?,
            compression_threshold: self.compression_threshold,
            max_inflated: self.max_inflated,
            // SAFETY: as asked of our caller.
            cipher_key: unsafe { super::cipher::key(self.cipher_key, self.cipher_key_len)? },
            cipher_by_host: has(SOE_CONFIG_CIPHER_BY_HOST),
            manual_accept: has(SOE_CONFIG_MANUAL_ACCEPT),
            trains: has(SOE_CONFIG_TRAINS),
            connected_at_request: has(SOE_CONFIG_CONNECTED_AT_REQUEST),
            client_only: has(SOE_CONFIG_CLIENT_ONLY),
            max_sessions: self.max_sessions,
            max_half_open: self.max_half_open,
            rng_seed: self.rng_seed,
            connect_retry_ms: self.connect_retry_ms,
            connect_timeout_ms: self.connect_timeout_ms,
            heartbeat_ms: self.heartbeat_ms,
            inactivity_timeout_ms: self.inactivity_timeout_ms,
            flush_timeout_ms: self.flush_timeout_ms,
            net_status_ms: self.net_status_ms,
            unacknowledged_timeout_ms: self.unacknowledged_timeout_ms,
            ack_delay_us: self.ack_delay_us,
            redundancy: self.redundancy,
            redundancy_delay_us: self.redundancy_delay_us,
            reply_unknown_sender: knob(self.reply_unknown_sender)?,
            allow_port_remap: knob(self.allow_port_remap)?,
            multi_raw: knob(self.multi_raw)?,
            congestion: if knob(self.congestion)? { Congestion::Fixed } else { Congestion::Adaptive },
            send_window: self.send_window,
            receive_window: self.receive_window,
            send_queue_bytes: self.send_queue_bytes,
            max_message: self.max_message,
            max_queued_events: self.max_queued_events,
            max_queued_bytes: self.max_queued_bytes,
            max_memory: self.max_memory,
            max_session_memory: self.max_session_memory,
            max_nesting: self.max_nesting,
            prefix_bits_v4: self.prefix_bits_v4,
            prefix_bits_v6: self.prefix_bits_v6,
            max_sessions_per_prefix: self.max_sessions_per_prefix,
            max_new_per_prefix: self.max_new_per_prefix,
            max_replies_per_prefix: self.max_replies_per_prefix,
            min_udp_length: self.min_udp_length,
        })
    }
}

/// 0 or 1.
fn knob(value: u32) -> Answer<bool> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(SOE_ERR_INVALID_ARGUMENT),
    }
}

/// The one of these that has this number in C.
pub(super) fn one_of<T: Copy, const N: usize>(all: [T; N], number: fn(T) -> u32, value: u32) -> Answer<T> {
    all.into_iter().find(|known| number(*known) == value).ok_or(SOE_ERR_INVALID_ARGUMENT)
}

/// SOE_ROLE_*
fn role(value: u32) -> Answer<Role> {
    one_of([Role::Client, Role::Server, Role::Both], |role| role as u32, value)
}

/// SOE_PASS_*
pub(super) fn pass(value: u32) -> Answer<Pass> {
    let value = u8::try_from(value).or(Err(SOE_ERR_INVALID_ARGUMENT))?;
    Ok(Pass::try_from(value)?)
}

/// A host's application protocol; none for NULL with length 0.
///
/// # Safety
/// By the rules of the header.
pub(super) unsafe fn name(name: *const c_char, len: u32) -> Answer<Option<Vec<u8>>> {
    if name.is_null() && len == 0 {
        return Ok(None);
    }
    if len > 255 {
        return Err(SOE_ERR_INVALID_ARGUMENT);
    }
    // SAFETY: as asked of our caller; copied at once.
    Ok(Some(unsafe { bytes(name.cast::<u8>(), len as usize)? }.to_vec()))
}

/// Fills a config with the settings of a title, and sets its struct_size.
///
/// - config: what to fill; what is in it before does not matter.
/// - struct_size: sizeof(soe_config), 8..4096. Where it is smaller than the library's, what lies beyond is not written, and what lies beyond
///   a larger one is zeroed.
/// - preset: SOE_PRESET_*
///
/// Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED, SOE_ERR_STRUCT_SIZE; SOE_ERR_INVALID_ARGUMENT: no such preset.
/// Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn soe_config_init(config: *mut soe_config, struct_size: usize, preset: u32) -> soe_status {
    status(one_of(Preset::ALL, |known| known as u32, preset).and_then(|preset| {
        // SAFETY: by the rules of the header, for the size that the host names.
        unsafe { init_growable(config, struct_size, &soe_config::from(&Config::preset(preset))) }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_survive_the_way_to_c_and_back() {
        for preset in Preset::ALL {
            let ours = Config::preset(preset);
            // SAFETY: both pointers are NULL, with lengths of 0.
            let back = unsafe { soe_config::from(&ours).config() }.expect("presets are valid");
            assert_eq!(format!("{back:?}"), format!("{ours:?}"), "{preset:?}");
        }
    }
}
