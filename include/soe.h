/*
 * soe.h: sessions of the network transport of Sony Online Entertainment's games.
 *
 * A soe_mux holds the sessions of one UDP socket. It does no I/O: the host owns the socket and the clock, feeds what it receives, sends what
 * it is handed, and reads events. Generated from the Rust source of libsoe; licensed as MIT OR Apache-2.0.
 *
 *
 * Rules
 *
 *  1. Status. Functions return a soe_status: 0 is success, negative numbers are the caller's mistakes, or "not now". After a failure nothing
 *     has changed, and no out parameter was written; the exceptions are lengths with SOE_ERR_BUFFER_TOO_SMALL and the progress of batch calls.
 *  2. The network is never an error. A datagram that is malformed, forged, stale or unwanted is answered SOE_OK, and counted (soe_stats).
 *  3. Pointers. Every pointer is checked for NULL and alignment. With a length or count of 0 the pointer is not looked at. Freeing NULL does
 *     nothing. What else a pointer must be, only the host can know: as long as its length says, and left alone by others during the call.
 *  4. Time is microseconds of any monotonic clock of the host's, passed in as now_us. Going backwards counts as standing still, and times above
 *     2^53 count as 2^53. Functions without now_us take the time of the last call that had one. The library reads no clock, opens no socket,
 *     starts no thread, and never sleeps.
 *  5. Any order. Feed, tick, send and drain in any order, any number of times. Draining late loses nothing, up to the limits of the config.
 *     Sending while reading events is safe; it may be answered SOE_ERR_STATE, because the end of the session stands further down among the
 *     events being read, or waits behind them. That is no mistake: go on reading. An id stays good until the soe_mux_drain_events after the
 *     one that handed out its SOE_EVENT_DISCONNECTED, and is answered SOE_ERR_STALE_SESSION from then on.
 *  6. Lent memory. What a drain function hands out is valid until the next call of the same function on the same mux, or soe_mux_free. No
 *     other call ends it. What the host passes in is read during the call only.
 *  7. Deadlines. soe_mux_next_deadline is absolute, UINT64_MAX when idle. After a tick at or past it, it is later than that tick's now_us, or
 *     soe_mux_drain_outgoing has something. soe_mux_timeout_ms is the same for poll and epoll_wait: rounded up, -1 when idle, 0 when due,
 *     while events wait, and when something was sent since the last drain.
 *  8. Threads. A mux may move from thread to thread, and is used by one at a time. Overlap is the host's mistake; it is detected as well as is
 *     nearly free, and answered SOE_ERR_BUSY. Different muxes share nothing.
 *  9. Faults. A panic inside the library is caught and answered SOE_ERR_PANIC; all later calls on the handle are answered
 *     SOE_ERR_POISONED, until it is freed. Nothing unwinds into the host.
 * 10. Growth. Enumerators and kinds of events are added: skip what you don't know. Growable structs begin with struct_size: a shorter one, of
 *     an older host, lacks members, which take their defaults; a longer one, of a newer host, is accepted while what this version does not
 *     know is zero. Structs that the library fills are filled as far as struct_size goes. Records used in arrays never change. Values have no C
 *     enum as their type: signatures take uint32_t and int32_t, and the enums below name the numbers.
 * 11. A slow host loses nothing reliable: while its queue of events is full, reliable packets stay unacknowledged, so that they come again;
 *     lossy messages are dropped and counted.
 *
 *
 * The loop
 *
 *   for (;;) {
 *     poll(&pfd, 1, soe_mux_timeout_ms(mux, now_us()));
 *     n = receive_batch(fd, in, 64);
 *     soe_mux_feed_batch(mux, now_us(), in, n, &used);
 *     soe_mux_tick(mux, now_us());
 *     do {
 *       soe_mux_drain_events(mux, events, 64, &count);
 *       for (i = 0; i < count; i++) on_event(mux, &events[i]);
 *     } while (count);
 *     do {
 *       soe_mux_drain_outgoing(mux, now_us(), out, 64, &count);
 *       send_batch(fd, out, count);
 *     } while (count);
 *   }
 *
 * receive_batch fills soe_datagram records from recvmmsg or recvfrom, send_batch gives them to sendmmsg or sendto; examples-c has both.
 *
 *
 * Functions
 *
 *   A multiplexer       soe_config_init, soe_mux_create, soe_mux_free
 *   Datagrams in        soe_mux_feed, soe_mux_feed_batch
 *   Time                soe_mux_tick, soe_mux_next_deadline, soe_mux_timeout_ms
 *   Datagrams out       soe_mux_drain_outgoing, soe_mux_drain_outgoing_into
 *   What happened       soe_mux_drain_events
 *   Opening a session   soe_mux_connect, soe_session_accept, soe_connect_options_init, soe_accept_options_init
 *   Using it            soe_session_send, soe_session_set_cipher, soe_session_set_user_data
 *   Ending it           soe_session_disconnect
 *   Looking at it       soe_session_get_info, soe_session_get_stats, soe_mux_get_stats, soe_mux_find
 *   The library         soe_status_string, soe_version_string, soe_abi_version
 */

#ifndef SOE_H
#define SOE_H

#include <stddef.h>
#include <stdint.h>

/**
 * The version of this interface that a header describes.
 */
typedef enum soe_abi {
  /**
   * Major version << 16 | minor version: what soe_abi_version() answers for a library that fits this header exactly. Under one major
   * version (and, before 1.0, under one minor version), an older header fits a newer library.
   */
  SOE_ABI_VERSION = 1,
} soe_abi;

/**
 * The values of a soe_status. Later versions may add some: take any other negative number for an error.
 */
typedef enum soe_status_code {
  /**
   * Done.
   */
  SOE_OK = 0,
  /**
   * The caller's mistake: a pointer is NULL.
   */
  SOE_ERR_NULL = -1,
  /**
   * The caller's mistake: a pointer is not aligned for what it points at.
   */
  SOE_ERR_MISALIGNED = -2,
  /**
   * The caller's mistake: a value outside its range.
   */
  SOE_ERR_INVALID_ARGUMENT = -3,
  /**
   * The caller's mistake: struct_size is below 8 or above 4096, or members that this version does not know are not zero.
   */
  SOE_ERR_STRUCT_SIZE = -4,
  /**
   * The caller's mistake: the buffer does not hold what it must; how much it must is in the length that the call wrote.
   */
  SOE_ERR_BUFFER_TOO_SMALL = -5,
  /**
   * The session ended, and the events that told of it were read (or it never was). Its id is never used again.
   */
  SOE_ERR_STALE_SESSION = -6,
  /**
   * The session can't do this now: it is not connected yet, or not any more (while events are read, its end may stand further down among
   * them). For a connect: the address has a session.
   */
  SOE_ERR_STATE = -7,
  /**
   * The message is longer than the max_message of the config.
   */
  SOE_ERR_TOO_LARGE = -8,
  /**
   * The data is of a version that this library does not read.
   */
  SOE_ERR_VERSION = -9,
  /**
   * A setting that this version of the library does not support.
   */
  SOE_ERR_UNSUPPORTED = -10,
  /**
   * The data that the caller brought is damaged.
   */
  SOE_ERR_MALFORMED = -11,
  /**
   * Not now: the send queue of the session is full. SOE_EVENT_WRITABLE tells when it has room.
   */
  SOE_ERR_WOULD_BLOCK = -32,
  /**
   * Not now: a limit of the config is reached.
   */
  SOE_ERR_LIMIT = -33,
  /**
   * Not now: another call on this handle is under way.
   */
  SOE_ERR_BUSY = -34,
  /**
   * Not now: the time given is over.
   */
  SOE_ERR_TIMEOUT = -35,
  /**
   * The environment: no memory.
   */
  SOE_ERR_NO_MEMORY = -64,
  /**
   * The environment: the operating system failed to do its part (for a mux: it gave no randomness).
   */
  SOE_ERR_IO = -65,
  /**
   * The handle was stopped.
   */
  SOE_ERR_CLOSED = -66,
  /**
   * A fault inside the library, caught during this call. A report about it is welcome.
   */
  SOE_ERR_PANIC = -128,
  /**
   * An earlier call on this handle met a fault. Nothing is left to do with it but to free it.
   */
  SOE_ERR_POISONED = -129,
} soe_status_code;

/**
 * What the bytes of a soe_addr are.
 */
typedef enum soe_family {
  /**
   * Sixteen bytes and a port that mean something to the host alone: a relay, a test, a link that is not IP.
   */
  SOE_FAMILY_OPAQUE = 0,
  /**
   * An IPv4 address.
   */
  SOE_FAMILY_V4 = 4,
  /**
   * An IPv6 address.
   */
  SOE_FAMILY_V6 = 6,
} soe_family;

/**
 * How a message travels: one number for sending and receiving.
 */
typedef enum soe_channel {
  /**
   * In order and without loss. The four reliable channels don't wait for each other. Titles of protocol version 3 use this one.
   */
  SOE_CHANNEL_RELIABLE_0 = 0,
  /**
   * The second reliable channel. Some peers know only the first.
   */
  SOE_CHANNEL_RELIABLE_1 = 1,
  /**
   * The third.
   */
  SOE_CHANNEL_RELIABLE_2 = 2,
  /**
   * The fourth.
   */
  SOE_CHANNEL_RELIABLE_3 = 3,
  /**
   * May be lost, duplicated, reordered. What does not fit one datagram travels on SOE_CHANNEL_RELIABLE_0 instead, and arrives there.
   */
  SOE_CHANNEL_UNRELIABLE = 4,
  /**
   * May be lost; what arrives late is dropped, so the latest wins. What does not fit one datagram travels on SOE_CHANNEL_RELIABLE_0
   * instead, and arrives there. Wire type 0x1A. Peers of version 3 other than ours may end a session over it.
   */
  SOE_CHANNEL_ORDERED = 5,
  /**
   * A second such sequence, in all else the same. Wire type 0x1B.
   */
  SOE_CHANNEL_ORDERED_2 = 6,
} soe_channel;

/**
 * The kind of a soe_event. Later versions add some: skip what you don't know.
 */
typedef enum soe_event_kind {
  /**
   * Never handed out.
   */
  SOE_EVENT_NONE = 0,
  /**
   * A client asks for a session (only with SOE_CONFIG_MANUAL_ACCEPT); data: the application protocol it names. Answer with
   * soe_session_accept, or refuse with soe_session_disconnect and SOE_REASON_CONNECTION_REFUSED. Where nothing comes of it, there is no
   * SOE_EVENT_CONNECTED, but SOE_EVENT_DISCONNECTED by SOE_ENDED_BY_LIBRARY with SOE_REASON_CONNECT_FAIL: connect_timeout_ms after the client
   * last asked to be accepted, or when it had to make room for others (max_half_open).
   */
  SOE_EVENT_CONNECT_REQUEST = 1,
  /**
   * The session is open, and may be sent to; data: the application protocol that the client named. Precedes its messages. A client that
   * the server turns away sees this too, and at once, often in the same drain, SOE_EVENT_DISCONNECTED by SOE_ENDED_BY_PEER with
   * SOE_REASON_CONNECTION_REFUSED or SOE_REASON_PROTOCOL_MISMATCH.
   */
  SOE_EVENT_CONNECTED = 2,
  /**
   * A message; channel: SOE_CHANNEL_*; data: its bytes, deciphered. Peers may send messages of 0 bytes, though soe_session_send does not.
   */
  SOE_EVENT_MESSAGE = 3,
  /**
   * A send was answered SOE_ERR_WOULD_BLOCK, and there is room again.
   */
  SOE_EVENT_WRITABLE = 4,
  /**
   * The session ended. channel: SOE_ENDED_BY_*; code: SOE_REASON_*, or another number that the peer sent. The last event with this id, which
   * stays good until the next soe_mux_drain_events: information, counters and user data are still there, sending is SOE_ERR_STATE.
   */
  SOE_EVENT_DISCONNECTED = 5,
  /**
   * The peer goes on from another address; data: the new one, a soe_addr.
   */
  SOE_EVENT_REBOUND = 6,
} soe_event_kind;

/**
 * Who ended a session: the channel of SOE_EVENT_DISCONNECTED.
 */
typedef enum soe_ended_by {
  /**
   * soe_session_disconnect.
   */
  SOE_ENDED_BY_HOST = 0,
  /**
   * The other side said so.
   */
  SOE_ENDED_BY_PEER = 1,
  /**
   * A timeout or a limit; also a connect that failed, with SOE_REASON_CONNECT_FAIL.
   */
  SOE_ENDED_BY_LIBRARY = 2,
} soe_ended_by;

/**
 * Why a session ended, as the wire numbers it. Peers send other numbers too.
 */
typedef enum soe_reason {
  /**
   * No reason given.
   */
  SOE_REASON_NONE = 0,
  /**
   * The network reported the peer unreachable.
   */
  SOE_REASON_ICMP_ERROR = 1,
  /**
   * The peer was silent for too long.
   */
  SOE_REASON_TIMEOUT = 2,
  /**
   * The other side ended it.
   */
  SOE_REASON_OTHER_SIDE_TERMINATED = 3,
  /**
   * The peer's library was shut down.
   */
  SOE_REASON_MANAGER_DELETED = 4,
  /**
   * No answer to a connect. Never on the wire.
   */
  SOE_REASON_CONNECT_FAIL = 5,
  /**
   * The application wanted it.
   */
  SOE_REASON_APPLICATION = 6,
  /**
   * The other side does not know the session any more.
   */
  SOE_REASON_UNREACHABLE_CONNECTION = 7,
  /**
   * A reliable packet stayed unacknowledged for too long.
   */
  SOE_REASON_UNACKNOWLEDGED_TIMEOUT = 8,
  /**
   * The peer began a new session from the same address.
   */
  SOE_REASON_NEW_CONNECTION_ATTEMPT = 9,
  /**
   * The server refused the connect: its host did, or it has max_sessions. The client sees SOE_EVENT_CONNECTED first.
   */
  SOE_REASON_CONNECTION_REFUSED = 10,
  /**
   * Both sides connected to each other at once.
   */
  SOE_REASON_MUTUAL_CONNECT_ERROR = 11,
  /**
   * A side connected to itself.
   */
  SOE_REASON_CONNECTING_TO_SELF = 12,
  /**
   * Too much reliable data was queued.
   */
  SOE_REASON_RELIABLE_OVERFLOW = 13,
  /**
   * The application let go of the session.
   */
  SOE_REASON_APPLICATION_RELEASED = 14,
  /**
   * The peer sent malformed packets.
   */
  SOE_REASON_CORRUPT_PACKET = 15,
  /**
   * Version or application protocol differ (protocol version 3). The client sees SOE_EVENT_CONNECTED first.
   */
  SOE_REASON_PROTOCOL_MISMATCH = 16,
} soe_reason;

/**
 * The titles whose dialects soe_config_init knows.
 */
typedef enum soe_preset {
  /**
   * Protocol version 3 as its titles speak it: datagrams of 512 bytes, a CRC of 2, no passes.
   */
  SOE_PRESET_DEFAULT = 0,
  /**
   * PlanetSide 2: docs/planetside2.md.
   */
  SOE_PRESET_PLANETSIDE2 = 1,
  /**
   * H1Z1: docs/h1z1.md.
   */
  SOE_PRESET_H1Z1 = 2,
  /**
   * Landmark, its login server: docs/landmark.md.
   */
  SOE_PRESET_LANDMARK = 3,
  /**
   * Free Realms: docs/free-realms.md.
   */
  SOE_PRESET_FREE_REALMS = 4,
  /**
   * Star Wars Galaxies: docs/star-wars-galaxies.md.
   */
  SOE_PRESET_STAR_WARS_GALAXIES = 5,
  /**
   * EverQuest, its login and world servers: docs/everquest.md.
   */
  SOE_PRESET_EVERQUEST = 6,
  /**
   * EverQuest II: docs/everquest2.md.
   */
  SOE_PRESET_EVERQUEST2 = 7,
  /**
   * PlanetSide (2003), inside its envelope, which is the host's: docs/planetside.md.
   */
  SOE_PRESET_PLANETSIDE = 8,
} soe_preset;

/**
 * Bits of soe_config.flags.
 */
typedef enum soe_config_flag {
  /**
   * The host turns a cipher on (or says that there is none) with soe_session_set_cipher, once it has read a login message. A session whose
   * receive cipher has not been set hands out at most one message per drain, so that the next one is never handed out undeciphered. (To set
   * one for the first message already, drain with a cap of 1: SOE_EVENT_CONNECTED comes alone then.)
   */
  SOE_CONFIG_CIPHER_BY_HOST = 1,
  /**
   * Connect requests become SOE_EVENT_CONNECT_REQUEST, which the host accepts or refuses.
   */
  SOE_CONFIG_MANUAL_ACCEPT = 2,
  /**
   * Datagrams of one size for one address may be handed out as a train (soe_datagram.segment_size): for hosts that send with UDP_SEGMENT.
   */
  SOE_CONFIG_TRAINS = 4,
  /**
   * A server's session is connected with its SessionResponse, not with the client's first datagram: for titles whose client waits for the
   * server to speak.
   */
  SOE_CONFIG_CONNECTED_AT_REQUEST = 8,
  /**
   * SessionRequests are not answered: this side only connects.
   */
  SOE_CONFIG_CLIENT_ONLY = 16,
} soe_config_flag;

/**
 * Values of soe_config.crc_seed_mode.
 */
typedef enum soe_crc_seed_mode {
  /**
   * Each session has a random CRC seed.
   */
  SOE_CRC_SEED_RANDOM = 0,
  /**
   * Each session has soe_config.crc_seed: some titles use a constant, others one that their server drew when it started, and a recorded
   * session can be replayed into a server. Two sessions can't be told apart by it then: a client that begins anew at an address waits
   * until the old session there stays silent.
   */
  SOE_CRC_SEED_FIXED = 1,
} soe_crc_seed_mode;

/**
 * What happens to whole datagrams before the CRC: the numbers of the wire.
 */
typedef enum soe_pass {
  /**
   * Bytes as they are.
   */
  SOE_PASS_NONE = 0,
  /**
   * zlib, with a flag byte that says whether. Titles call it UserSupplied.
   */
  SOE_PASS_COMPRESS = 1,
  /**
   * The same, under the second number that titles use for it.
   */
  SOE_PASS_COMPRESS_2 = 2,
  /**
   * Each word combined with a key stream and the word before.
   */
  SOE_PASS_XOR_BUFFER = 3,
  /**
   * Each word combined with the word before.
   */
  SOE_PASS_XOR = 4,
} soe_pass;

/**
 * How SOE_PASS_COMPRESS marks what it compressed.
 */
typedef enum soe_compression_flag {
  /**
   * 01 or 00 comes first.
   */
  SOE_COMPRESSION_FLAG_LEADING = 0,
  /**
   * 5a or a5 comes first.
   */
  SOE_COMPRESSION_FLAG_LEADING_EVERQUEST = 1,
  /**
   * 01 or 00 comes last.
   */
  SOE_COMPRESSION_FLAG_TRAILING = 2,
} soe_compression_flag;

/**
 * How small reliable messages share a packet: as a bundle (19), each behind its length.
 */
typedef enum soe_bundles {
  /**
   * Lengths of 254 and above are written in the long form, as UdpLibrary does. Everybody reads it.
   */
  SOE_BUNDLES_LONG_FROM_254 = 0,
  /**
   * Lengths of 255 and above.
   */
  SOE_BUNDLES_LONG_FROM_255 = 1,
  /**
   * No long form: messages of 255 bytes and more never share.
   */
  SOE_BUNDLES_SHORT = 2,
  /**
   * No bundles: each message has a packet of its own, and small packets share MultiPackets.
   */
  SOE_BUNDLES_NEVER = 3,
} soe_bundles;

/**
 * Which side does something of its own accord.
 */
typedef enum soe_role {
  /**
   * The side that sent the SessionRequest.
   */
  SOE_ROLE_CLIENT = 1,
  /**
   * The side that answered it.
   */
  SOE_ROLE_SERVER = 2,
  /**
   * Each of them.
   */
  SOE_ROLE_BOTH = 3,
} soe_role;

/**
 * What a silent peer is asked with, because it answers it.
 */
typedef enum soe_probe {
  /**
   * A Heartbeat, which peers of version 3 send back.
   */
  SOE_PROBE_HEARTBEAT = 0,
  /**
   * A NetStatus request: UdpLibrary takes heartbeats in silence.
   */
  SOE_PROBE_NET_STATUS = 1,
} soe_probe;

/**
 * How much may be under way to a peer at once: values of soe_config.congestion.
 */
typedef enum soe_congestion {
  /**
   * What the path carries.
   */
  SOE_CONGESTION_ADAPTIVE = 0,
  /**
   * soe_config.send_window packets, whatever the path does: for closed networks.
   */
  SOE_CONGESTION_FIXED = 1,
} soe_congestion;

/**
 * How far a session is.
 */
typedef enum soe_session_state {
  /**
   * A client's, without a SessionResponse yet.
   */
  SOE_SESSION_CONNECTING = 1,
  /**
   * A server's, waiting for soe_session_accept (SOE_CONFIG_MANUAL_ACCEPT).
   */
  SOE_SESSION_REQUESTED = 2,
  /**
   * A server's, accepted, without a datagram yet that shows that the peer is there.
   */
  SOE_SESSION_ACCEPTED = 3,
  /**
   * Open.
   */
  SOE_SESSION_CONNECTED = 4,
  /**
   * Being flushed before it ends (SOE_DISCONNECT_FLUSH): messages still arrive, sending is SOE_ERR_STATE.
   */
  SOE_SESSION_CLOSING = 5,
  /**
   * Over; its last events were not drained yet, or are being read.
   */
  SOE_SESSION_ENDED = 6,
} soe_session_state;

/**
 * How soe_session_disconnect ends a session.
 */
typedef enum soe_disconnect_flag {
  /**
   * At once: a Disconnect leaves with the next drain, what is queued is lost.
   */
  SOE_DISCONNECT_NOW = 0,
  /**
   * After what is queued was acknowledged, at most the flush_timeout_ms of the config later. Until then messages still arrive. As
   * SOE_DISCONNECT_NOW where the session is not connected yet.
   */
  SOE_DISCONNECT_FLUSH = 1,
  /**
   * At once, and the peer is not told.
   */
  SOE_DISCONNECT_SILENT = 2,
} soe_disconnect_flag;

/**
 * The value of members of soe_accept_options that the host leaves to the config.
 */
typedef enum soe_accept_default {
  /**
   * As the config says.
   */
  SOE_ACCEPT_DEFAULT = -1,
} soe_accept_default;

/**
 * The value of members of soe_session_info that were not measured yet.
 */
typedef enum soe_unknown {
  /**
   * Not known yet.
   */
  SOE_UNKNOWN = -1,
} soe_unknown;

/**
 * Which way a cipher works.
 */
typedef enum soe_cipher_direction {
  /**
   * What the peer sends: from the next message on that soe_mux_drain_events hands out.
   */
  SOE_CIPHER_RECEIVE = 1,
  /**
   * What this side sends: from the next soe_session_send on.
   */
  SOE_CIPHER_SEND = 2,
  /**
   * Both, with a key stream each.
   */
  SOE_CIPHER_BOTH = 3,
} soe_cipher_direction;

/**
 * Which channels are ciphered, and which of them share one key stream. Unreliable messages never are.
 */
typedef enum soe_cipher_scope {
  /**
   * Each reliable channel has its own.
   */
  SOE_CIPHER_PER_CHANNEL = 0,
  /**
   * The reliable channels share one.
   */
  SOE_CIPHER_RELIABLE = 1,
  /**
   * The reliable and the ordered channels share one.
   */
  SOE_CIPHER_RELIABLE_AND_ORDERED = 2,
} soe_cipher_scope;

/**
 * Many sessions on one socket of the host's.
 */
typedef struct soe_mux soe_mux;

/**
 * What a function answers: SOE_OK, or one of the negative numbers of soe_status_code. Never positive.
 */
typedef int32_t soe_status;

/**
 * The settings of a multiplexer, copied by soe_mux_create. Growable: let soe_config_init fill it, then change what you want otherwise.
 * The defaults below are those of SOE_PRESET_DEFAULT.
 */
typedef struct soe_config {
  /**
   * sizeof(soe_config)
   */
  uint32_t struct_size;
  /**
   * SOE_CONFIG_* together. Default: 0.
   */
  uint32_t flags;
  /**
   * The name that clients send and servers require: at most 255 bytes, none of them zero; needs no NUL at its end. NULL: a server takes any
   * name, a client sends an empty one. A pointer with a length of 0: the empty name. Default: NULL.
   */
  const char *application_protocol;
  /**
   * Bytes of it, without a NUL. Default: 0.
   */
  uint32_t application_protocol_len;
  /**
   * Bytes at cipher_key: 1..256. Default: 0.
   */
  uint32_t cipher_key_len;
  /**
   * RC4 on the messages of every session, both ways, from the first one. NULL: none, until soe_session_set_cipher. Default: NULL.
   */
  const uint8_t *cipher_key;
  /**
   * 0: session ids, CRC seeds and hash keys from the operating system's entropy. Else the same seed, clock and input give the same
   * bytes. Default: 0.
   */
  uint64_t rng_seed;
  /**
   * Bytes of messages that may wait for the host, all sessions together; more than 4 GiB is no more than that. What fills a gap brings all
   * that came behind it, whatever the limits. Default: 64 MiB.
   */
  uint64_t max_queued_bytes;
  /**
   * The version that is sent and accepted: 2 or 3. 0 sends 3 and accepts any. Default: 3.
   */
  uint32_t protocol_version;
  /**
   * 1: the SessionResponse ends with the version (21 bytes); 0: it does not (17). Both are read. Default: 1.
   */
  uint32_t confirm_has_version;
  /**
   * The largest datagram that this side takes, in bytes, CRC and what the passes add included: 16..16384. A session uses the smaller of both
   * sides'. Default: 512.
   */
  uint32_t udp_length;
  /**
   * Bytes of CRC behind each datagram of sessions that this side answers: 0..4. Default: 2.
   */
  uint32_t crc_length;
  /**
   * SOE_CRC_SEED_RANDOM or SOE_CRC_SEED_FIXED. Default: random.
   */
  uint32_t crc_seed_mode;
  /**
   * With SOE_CRC_SEED_FIXED: the CRC seed of sessions that this side answers. Default: 0.
   */
  uint32_t crc_seed;
  /**
   * SOE_PASS_*: the first pass of sessions that this side answers. Default: none.
   */
  uint32_t pass0;
  /**
   * SOE_PASS_*: the second. Default: none.
   */
  uint32_t pass1;
  /**
   * SOE_COMPRESSION_FLAG_*. Default: leading.
   */
  uint32_t compression_flag;
  /**
   * Bytes below which compression is not tried. Default: 24.
   */
  uint32_t compression_threshold;
  /**
   * Bytes that a compressed datagram may inflate to, 1..1048576; what would be longer is dropped. udp_length where that is more. Default:
   * 8192.
   */
  uint32_t max_inflated;
  /**
   * Sessions at most: 1..1000000. Those that ended count until their SOE_EVENT_DISCONNECTED is handed out. Clients beyond it are refused with
   * SOE_REASON_CONNECTION_REFUSED, and soe_mux_connect and soe_session_accept with SOE_ERR_LIMIT. Default: 1000.
   */
  uint32_t max_sessions;
  /**
   * Sessions at most that were answered and have not shown a datagram with the right CRC, 1..1000000; beyond it the oldest makes
   * room. Default: 4096.
   */
  uint32_t max_half_open;
  /**
   * How often a SessionRequest is repeated; not 0. Default: 1000.
   */
  uint32_t connect_retry_ms;
  /**
   * When a connect fails without an answer, and when a request is forgotten that the host does not accept, or that shows no datagram once it
   * was answered; not 0. Default: 30000.
   */
  uint32_t connect_timeout_ms;
  /**
   * Silence, in either direction, after which the side that heartbeat_by names sends a heartbeat, but never more often than once a second;
   * where probe is not a heartbeat, that is after its own silence, and a silent peer is asked after half of inactivity_timeout_ms. 0: none of
   * either but the first, which opens the session. Where it is not 0, a client repeats the first one for 3 seconds while the server says
   * nothing. Without thorough_peers it also sends a heartbeat in a MultiPacket of its own, which shows that it reads MultiPackets, and
   * acknowledgements however far apart; a server answers in kind. Peers that never send a MultiPacket are treated as soe-protocol needs it:
   * acknowledged in strides of 96 packets. Default: 25000.
   */
  uint32_t heartbeat_ms;
  /**
   * Silence of the peer that ends a session with SOE_REASON_TIMEOUT; 0: never. Default: 30000.
   */
  uint32_t inactivity_timeout_ms;
  /**
   * How long SOE_DISCONNECT_FLUSH waits for acknowledgements, from the next tick or drain of datagrams on. Default: 5000.
   */
  uint32_t flush_timeout_ms;
  /**
   * How often NetStatus is asked, which measures loss; 0: never. Some peers of version 3 may end a session over it. Default: 0.
   */
  uint32_t net_status_ms;
  /**
   * How long a packet may stay unacknowledged before its session ends with SOE_REASON_UNACKNOWLEDGED_TIMEOUT; 0: for ever. Default: 0.
   */
  uint32_t unacknowledged_timeout_ms;
  /**
   * How far apart acknowledgements are in a transfer: v3 peers expect no more than 2 ms. The first ones (8) leave with the next drain.
   * 0: all of them do. Default: 2000.
   */
  uint32_t ack_delay_us;
  /**
   * How many more times a small reliable packet goes out while it is unacknowledged, before any loss is known: 0..3. Receivers drop the
   * copies. Default: 0.
   */
  uint32_t redundancy;
  /**
   * How long such a copy waits for another datagram to ride in before it leaves in one of its own. Default: 10000.
   */
  uint32_t redundancy_delay_us;
  /**
   * 1: datagrams from addresses without a session are answered with UnknownSender (rate-limited), so that the client of a restarted server
   * learns of it. Default: 1.
   */
  uint32_t reply_unknown_sender;
  /**
   * 1: RemapConnection moves a session to another port of the same host when it shows session id and CRC seed. Default: 1.
   */
  uint32_t allow_port_remap;
  /**
   * 1: unreliable packets may share a MultiPacket. Peers of version 3 other than ours end the session over it. Default: 0.
   */
  uint32_t multi_raw;
  /**
   * SOE_CONGESTION_ADAPTIVE or SOE_CONGESTION_FIXED. Default: adaptive.
   */
  uint32_t congestion;
  /**
   * Packets per reliable channel that a peer is believed to hold past its acknowledgement, to begin with: 1..16384. Default: 256.
   */
  uint32_t send_window;
  /**
   * Packets per reliable channel that this side holds ahead of a gap: 32..16384; no sender believes that a peer holds less. Default: 1024.
   */
  uint32_t receive_window;
  /**
   * Bytes that a session may have queued before SOE_ERR_WOULD_BLOCK, counted as in soe_session_info.queued_bytes and with 72 more for each
   * packet; never less than 131 datagrams take. A message is taken whole while there are fewer. Default: 1048576.
   */
  uint32_t send_queue_bytes;
  /**
   * The longest message, in bytes, both ways: 1..2^30. Default: 16 MiB.
   */
  uint32_t max_message;
  /**
   * Messages that may wait for the host, all sessions together; beyond it reliable packets stay unacknowledged and lossy ones are dropped. The
   * same holds for a session of which as many wait as there is room for more: so none takes all of it. Default: 131072.
   */
  uint32_t max_queued_events;
  /**
   * 0: SessionRequests have no name, and it is not looked at. Version 2 never has one. Default: 1.
   */
  uint32_t request_has_name;
  /**
   * 0: a Disconnect says no reason (6 bytes, not 8). Both are read. Default: 1.
   */
  uint32_t disconnect_has_reason;
  /**
   * 1: a CRC of zeros passes for a right one: EverQuest II's client may send it. Then anybody who can send from a peer's address can speak
   * for it. Default: 0.
   */
  uint32_t accept_zero_crc;
  /**
   * 1: the passes cover messages outside the reliable and ordered channels too, as in UdpLibrary; soe-protocol's don't. Default: 0.
   */
  uint32_t passes_cover_raw;
  /**
   * How hard compression tries, 1 (fastest) to 9. Default: 1.
   */
  uint32_t compression_level;
  /**
   * Bytes of key stream that cipher_key discards first, at most 65536. Default: 0.
   */
  uint32_t cipher_drop;
  /**
   * SOE_CIPHER_PER_CHANNEL, SOE_CIPHER_RELIABLE or SOE_CIPHER_RELIABLE_AND_ORDERED, for cipher_key. Default: per channel.
   */
  uint32_t cipher_scope;
  /**
   * SOE_ROLE_*: who sends heartbeats after heartbeat_ms. Default: client.
   */
  uint32_t heartbeat_by;
  /**
   * 1: a Heartbeat is answered with one. UdpLibrary's sides don't: each sends its own. Default: 1.
   */
  uint32_t answer_heartbeats;
  /**
   * SOE_PROBE_*: what a peer is asked with that has been silent, or that somebody said is gone. Default: heartbeat.
   */
  uint32_t probe;
  /**
   * SOE_ROLE_*: who asks NetStatus each net_status_ms. Default: both.
   */
  uint32_t net_status_by;
  /**
   * 1: each packet in order has an AcknowledgeAll of its own; 0: one says it for all that came before a drain. Default: 0.
   */
  uint32_t ack_every_packet;
  /**
   * 1: what comes ahead of its turn is acknowledged at once (11). 0: for clients that can't take that; repairs take longer. Default: 1.
   */
  uint32_t ack_early;
  /**
   * 1: peers acknowledge again what comes again, and read acknowledgements however far apart, as UdpLibrary does. 0: they have to show it
   * first, since soe-protocol and Sanctuary don't. Default: 0.
   */
  uint32_t thorough_peers;
  /**
   * 1: RemapConnection moves a session to another host too, where allow_port_remap is 1. What it shows is no secret to whoever saw the
   * handshake; with a fixed CRC seed it is the session id alone. Default: 0.
   */
  uint32_t allow_address_remap;
  /**
   * 1: lengths inside MultiPackets are read as those of bundles, but FF before a 00 as 255, as v3's emulators write them; 0: one byte says
   * 0 to 255. Written are only lengths that both read alike. Default: 0.
   */
  uint32_t multi_varint;
  /**
   * SOE_BUNDLES_*. Default: long from 254.
   */
  uint32_t bundles;
  /**
   * 1: a reliable message that begins with 00 gets one more in front, as an unreliable one does: UdpLibrary's rule. Version 3 sends it as it
   * is. Default: 0.
   */
  uint32_t escape_reliable;
  /**
   * 1: the SessionResponse says the smaller of both UDP lengths, as UdpLibrary's does, whose clients take what it says; 0: this side's own.
   * Default: 0.
   */
  uint32_t confirm_smaller_length;
  /**
   * 1: a NetStatus request is answered. Default: 1.
   */
  uint32_t answer_net_status;
  /**
   * Bytes of memory that all sessions together may hold of what came and of what waits to leave. As it fills, each may hold as much as is
   * still free, but always 131 datagrams each way: sends beyond that answer SOE_ERR_WOULD_BLOCK, or SOE_ERR_NO_MEMORY where one message
   * alone is too long for what is free, and what comes stays unacknowledged. While less than half is free, a session whose unfinished
   * message has not grown for 30 seconds ends with SOE_REASON_RELIABLE_OVERFLOW.
   * Default: 1 GiB.
   */
  uint64_t max_memory;
  /**
   * Bytes that one session may make this side hold of messages of which a part is missing, and of packets that came ahead of a gap. What
   * comes ahead of its turn is dropped beyond it, unacknowledged; messages that grow beyond it end the session with
   * SOE_REASON_RELIABLE_OVERFLOW. Never less than two messages of max_message take. Default: 72 MiB.
   */
  uint32_t max_session_memory;
  /**
   * How many levels MultiPackets may lie in each other, and bundles: 1..16. 1: none inside another. Default: 4.
   */
  uint32_t max_nesting;
  /**
   * Bits of an IPv4 address that count as its prefix, for the limits below: 0..32. Opaque addresses count whole. Default: 24.
   */
  uint32_t prefix_bits_v4;
  /**
   * The same of an IPv6 address: 0..128. Default: 56.
   */
  uint32_t prefix_bits_v6;
  /**
   * While more than half of the half-open places are taken: sessions that a prefix may have open and be given more. 0: any number.
   * Default: 100.
   */
  uint32_t max_sessions_per_prefix;
  /**
   * While more than half of the half-open places are taken: new sessions that a prefix may ask for in a second, and at once. Requests beyond
   * it are dropped and counted (soe_stats.requests_limited). 0: any number. Default: 20.
   */
  uint32_t max_new_per_prefix;
  /**
   * Answers in a second, and at once, to strangers of a prefix who take no place: to requests that are refused or repeated, and
   * UnknownSender. 0: any number. Default: 100.
   */
  uint32_t max_replies_per_prefix;
  /**
   * The smallest UDP length that is taken from a peer, 16..udp_length: less is refused. Default: 16.
   */
  uint32_t min_udp_length;
} soe_config;

/**
 * Where datagrams come from and go to. 24 bytes. Sessions are told apart by it; members that the family does not use are ignored, and zero
 * where the library fills them.
 */
typedef struct soe_addr {
  /**
   * Network byte order. IPv4: the first four bytes. IPv6 and opaque: all sixteen.
   */
  uint8_t ip[16];
  /**
   * IPv6: the scope (interface index) of a link-local address, else 0.
   */
  uint32_t scope_id;
  /**
   * In host byte order.
   */
  uint16_t port;
  /**
   * SOE_FAMILY_*
   */
  uint8_t family;
  /**
   * Ignored; 0 where the library fills it.
   */
  uint8_t reserved;
} soe_addr;

/**
 * Names a session of one mux for its whole life, and never another one after it. Good until the soe_mux_drain_events after the one that handed
 * out its SOE_EVENT_DISCONNECTED. Always below 2^53, so that it is a plain number in JavaScript and Lua. 0: none.
 */
typedef uint64_t soe_session_id;

/**
 * One datagram, the same record in both directions. 48 bytes with pointers of 64 bits; never changes.
 */
typedef struct soe_datagram {
  /**
   * Its bytes. In: read during the call only. Out: lent until the next call of the same drain function; never NULL.
   */
  const uint8_t *data;
  /**
   * How many.
   */
  uint32_t len;
  /**
   * 0: one datagram. Else data holds a train of datagrams of this size each, the last of which may be shorter, as UDP_GRO receives and
   * UDP_SEGMENT sends them. Out: never but with SOE_CONFIG_TRAINS.
   */
  uint32_t segment_size;
  /**
   * Out: whose it is; 0 for an answer to somebody without a session. In: ignored.
   */
  soe_session_id session;
  /**
   * In: from where. Out: to where.
   */
  struct soe_addr addr;
} soe_datagram;

/**
 * One event. 64 bytes with pointers of 64 bits; never changes. Members that a kind does not mention are 0.
 */
typedef struct soe_event {
  /**
   * SOE_EVENT_*
   */
  uint32_t kind;
  /**
   * MESSAGE: SOE_CHANNEL_*. DISCONNECTED: SOE_ENDED_BY_*.
   */
  uint32_t channel;
  /**
   * Whose.
   */
  soe_session_id session;
  /**
   * The session's, as it was when the event was queued.
   */
  uint64_t user_data;
  /**
   * What the kind says, lent until the next soe_mux_drain_events. Never NULL, for a len of 0 either.
   */
  const uint8_t *data;
  /**
   * Bytes at data.
   */
  uint32_t len;
  /**
   * DISCONNECTED: SOE_REASON_*.
   */
  int32_t code;
  /**
   * When it was queued, by the host's clock (rule 4).
   */
  uint64_t time_us;
  /**
   * 0.
   */
  uint64_t arg;
  /**
   * 0.
   */
  uint64_t reserved;
} soe_event;

/**
 * Counters of a session or of a whole multiplexer; none of them ever decreases. Growable: zero it and set struct_size before the call.
 *
 * A session's own share holds what can be charged to a session; what strangers send is counted for the multiplexer alone.
 */
typedef struct soe_stats {
  /**
   * sizeof(soe_stats)
   */
  uint32_t struct_size;
  /**
   * 0.
   */
  uint32_t reserved;
  /**
   * Datagrams handed to the host for sending.
   */
  uint64_t datagrams_sent;
  /**
   * Datagrams that passed validation (known address, CRC).
   */
  uint64_t datagrams_received;
  /**
   * Bytes of those sent.
   */
  uint64_t bytes_sent;
  /**
   * Bytes of those received.
   */
  uint64_t bytes_received;
  /**
   * Messages that the host sent.
   */
  uint64_t messages_sent;
  /**
   * Messages queued for the host.
   */
  uint64_t messages_received;
  /**
   * Reliable packets sent again.
   */
  uint64_t retransmissions;
  /**
   * Reliable packets received again.
   */
  uint64_t duplicates;
  /**
   * Datagrams dropped: a CRC that does not match, or shorter than it.
   */
  uint64_t dropped_crc;
  /**
   * Packets dropped behind a good CRC: malformed, of unknown type, nested too deep, inflating too far.
   */
  uint64_t dropped_malformed;
  /**
   * Lossy messages dropped: late, or no room to queue them.
   */
  uint64_t dropped_lossy;
  /**
   * Reliable packets dropped unacknowledged, which come again: beyond the receive window, or no room to queue them.
   */
  uint64_t dropped_window;
  /**
   * Acknowledgements dropped: of what was never sent.
   */
  uint64_t dropped_acknowledgement;
  /**
   * Packets without CRC that had no effect: a response, remap or disconnect that names no session, a hint that was not needed, a request
   * in the wrong place; and heartbeats without a CRC, answered or not.
   */
  uint64_t dropped_contextless;
  /**
   * Multiplexer only: datagrams from addresses without a session that are no valid SessionRequest.
   */
  uint64_t dropped_stranger;
  /**
   * Multiplexer only: sessions that were connected.
   */
  uint64_t sessions_connected;
  /**
   * Multiplexer only: sessions that were disconnected.
   */
  uint64_t sessions_disconnected;
  /**
   * Multiplexer only: SessionRequests refused, for version, application protocol, UDP length, limits, or by the host.
   */
  uint64_t requests_refused;
  /**
   * Multiplexer only: half-open sessions forgotten, to make room or because they showed no datagram in time.
   */
  uint64_t half_open_dropped;
  /**
   * Mux only: SessionRequests dropped without an answer, and other answers not given to strangers, because their prefix had its share
   * (soe_config.max_new_per_prefix, max_sessions_per_prefix, max_replies_per_prefix), or all together had theirs.
   */
  uint64_t requests_limited;
} soe_stats;

/**
 * Choices for one connect. Growable: let soe_connect_options_init fill it, or zero it and set struct_size; both mean all defaults.
 */
typedef struct soe_connect_options {
  /**
   * sizeof(soe_connect_options)
   */
  uint32_t struct_size;
  /**
   * The session id on the wire; 0: a random one.
   */
  uint32_t session_id_on_wire;
  /**
   * The name to send, at most 255 bytes, none of them zero. NULL: the config's.
   */
  const char *application_protocol;
  /**
   * Bytes of it, without a NUL.
   */
  uint32_t application_protocol_len;
  /**
   * When to give up; 0: after the connect_timeout_ms of the config.
   */
  uint32_t timeout_ms;
  /**
   * The session's user data.
   */
  uint64_t user_data;
} soe_connect_options;

/**
 * Choices for one accept. Growable: let soe_accept_options_init fill it, then change what you want otherwise.
 */
typedef struct soe_accept_options {
  /**
   * sizeof(soe_accept_options)
   */
  uint32_t struct_size;
  /**
   * 0.
   */
  uint32_t flags;
  /**
   * The session's user data, in place of what soe_session_set_user_data may have set.
   */
  uint64_t user_data;
  /**
   * SOE_PASS_*, or SOE_ACCEPT_DEFAULT in both: the passes of this session.
   */
  int32_t pass0;
  /**
   * SOE_PASS_*, or SOE_ACCEPT_DEFAULT in both.
   */
  int32_t pass1;
  /**
   * Bytes of CRC, 0..4, or SOE_ACCEPT_DEFAULT.
   */
  int32_t crc_length;
  /**
   * Bytes at cipher_key: 1..256.
   */
  uint32_t cipher_key_len;
  /**
   * RC4 both ways from the first message, copied. NULL with a length of 0: as the config says.
   */
  const uint8_t *cipher_key;
} soe_accept_options;

/**
 * RC4 for the messages of a session: see soe_session_set_cipher. Growable: zero it and set struct_size. Members that a shorter one lacks are
 * 0: a struct_size of 8 has no key, and means plain text.
 */
typedef struct soe_cipher {
  /**
   * sizeof(soe_cipher)
   */
  uint32_t struct_size;
  /**
   * SOE_CIPHER_RECEIVE, SOE_CIPHER_SEND or SOE_CIPHER_BOTH.
   */
  uint32_t direction;
  /**
   * Copied. NULL with a key_len of 0: plain text from here on.
   */
  const uint8_t *key;
  /**
   * 1..256
   */
  uint32_t key_len;
  /**
   * Bytes of key stream to discard first, at most 65536: 0 for most titles, 20 for EverQuest II.
   */
  uint32_t drop;
  /**
   * SOE_CIPHER_PER_CHANNEL, SOE_CIPHER_RELIABLE or SOE_CIPHER_RELIABLE_AND_ORDERED.
   */
  uint32_t scope;
  /**
   * 0: anything else is SOE_ERR_INVALID_ARGUMENT.
   */
  uint32_t reserved;
} soe_cipher;

/**
 * What is known of a session. Growable: zero it and set struct_size before the call.
 */
typedef struct soe_session_info {
  /**
   * sizeof(soe_session_info)
   */
  uint32_t struct_size;
  /**
   * SOE_SESSION_*
   */
  uint32_t state;
  /**
   * Where the peer is.
   */
  struct soe_addr addr;
  /**
   * As the host set it.
   */
  uint64_t user_data;
  /**
   * 1: this side connected; 0: the peer did.
   */
  uint32_t is_client;
  /**
   * The session id that both sides use on the wire.
   */
  uint32_t session_id_on_wire;
  /**
   * The CRC seed that the server chose; 0 before the SessionResponse.
   */
  uint32_t crc_seed;
  /**
   * Bytes of CRC behind each datagram.
   */
  uint32_t crc_length;
  /**
   * The protocol version.
   */
  uint32_t protocol_version;
  /**
   * The longest datagram that either side may send.
   */
  uint32_t udp_length;
  /**
   * SOE_PASS_*
   */
  uint32_t pass0;
  /**
   * SOE_PASS_*
   */
  uint32_t pass1;
  /**
   * The smoothed round-trip time in microseconds, or SOE_UNKNOWN.
   */
  int32_t rtt_us;
  /**
   * Its mean deviation in microseconds, or SOE_UNKNOWN.
   */
  int32_t rtt_deviation_us;
  /**
   * How many of a million datagrams that we sent were lost, or SOE_UNKNOWN before the first NetStatus.
   */
  int32_t loss_sent_ppm;
  /**
   * How many of a million datagrams that the peer sent were lost, or SOE_UNKNOWN before the first NetStatus.
   */
  int32_t loss_received_ppm;
  /**
   * Bytes of the reliable packets that are queued, from the oldest unacknowledged one on: the messages, with the opcodes, sequences and lengths around them.
   */
  uint64_t queued_bytes;
  /**
   * Bytes of application_protocol, without the NUL: 0..255.
   */
  uint32_t application_protocol_len;
  /**
   * 0.
   */
  uint32_t reserved;
  /**
   * The name that the client sent, with a NUL behind it.
   */
  char application_protocol[256];
} soe_session_info;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Fills a config with the settings of a title, and sets its struct_size.
 *
 * - config: what to fill; what is in it before does not matter.
 * - struct_size: sizeof(soe_config), 8..4096. Where it is smaller than the library's, what lies beyond is not written, and what lies beyond
 *   a larger one is zeroed.
 * - preset: SOE_PRESET_*
 *
 * Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED, SOE_ERR_STRUCT_SIZE; SOE_ERR_INVALID_ARGUMENT: no such preset.
 * Since 0.1.
 */
soe_status soe_config_init(struct soe_config *config, size_t struct_size, uint32_t preset);

/**
 * Makes a multiplexer.
 *
 * - config: copied.
 * - now_us: the host's clock, as in all calls that follow.
 * - out_mux: takes the handle, which is to be freed with soe_mux_free.
 *
 * Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED, SOE_ERR_STRUCT_SIZE; SOE_ERR_INVALID_ARGUMENT: a value of the config outside its range;
 * SOE_ERR_UNSUPPORTED: a flag, or a value of the config that this version does not support; SOE_ERR_IO: the operating system gave no
 * randomness; SOE_ERR_PANIC.
 * Since 0.1.
 */
soe_status soe_mux_create(const struct soe_config *config, uint64_t now_us, struct soe_mux **out_mux);

/**
 * Frees a multiplexer, and with it all that it lent. Peers are not told: end the sessions and drain once more for that.
 *
 * - mux: NULL does nothing. While another thread is in a call on it (the host's mistake) it is not freed.
 *
 * Returns nothing.
 * Since 0.1.
 */
void soe_mux_free(struct soe_mux *mux);

/**
 * Takes a datagram that the host received. Whatever it holds, the host has nothing to do about it.
 *
 * - now_us: the host's clock.
 * - from: where it came from. IPv4 addresses in IPv6 form are other addresses than those in IPv4 form: hand in one form.
 * - data, len: its bytes, read during the call only. Any length.
 *
 * Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED; SOE_ERR_INVALID_ARGUMENT: the family of the address, or a len that no memory has;
 * SOE_ERR_BUSY, SOE_ERR_PANIC, SOE_ERR_POISONED.
 * Since 0.1.
 */
soe_status soe_mux_feed(struct soe_mux *mux, uint64_t now_us, const struct soe_addr *from, const uint8_t *data, size_t len);

/**
 * Takes many datagrams, as recvmmsg or a receive with UDP_GRO bring them.
 *
 * - now_us: the host's clock.
 * - in, count: the datagrams, read during the call only. NULL with a count of 0 is fine. The member session is ignored; a segment_size cuts
 *   the bytes into datagrams of this size and a rest.
 * - out_consumed: takes how many records took effect: count, or the index of the one that is the caller's mistake.
 *
 * Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED; the same two or SOE_ERR_INVALID_ARGUMENT (family of the address) for the record at
 * *out_consumed; SOE_ERR_BUSY, SOE_ERR_PANIC, SOE_ERR_POISONED.
 * Since 0.1.
 */
soe_status soe_mux_feed_batch(struct soe_mux *mux, uint64_t now_us, const struct soe_datagram *in, size_t count, size_t *out_consumed);

/**
 * Does what is due: retransmissions, heartbeats, timeouts. Often is fine; late means that peers wait.
 *
 * - now_us: the host's clock.
 *
 * Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED, SOE_ERR_BUSY, SOE_ERR_PANIC, SOE_ERR_POISONED.
 * Since 0.1.
 */
soe_status soe_mux_tick(struct soe_mux *mux, uint64_t now_us);

/**
 * When soe_mux_tick is due next (rule 7).
 *
 * Returns microseconds of the host's clock; UINT64_MAX when idle; 0 for NULL, a misaligned, busy or poisoned handle, or a panic.
 * Since 0.1.
 */
uint64_t soe_mux_next_deadline(const struct soe_mux *mux);

/**
 * How long poll or epoll_wait may sleep (rule 7).
 *
 * - now_us: the host's clock.
 *
 * Returns milliseconds, rounded up; -1 when idle; 0 when something is due, while events wait or something was sent since the last drain, and
 * for NULL, a misaligned, busy or poisoned handle, or a panic.
 * Since 0.1.
 */
int32_t soe_mux_timeout_ms(const struct soe_mux *mux, uint64_t now_us);

/**
 * Hands out datagrams to send. Draining is the flush: what was sent since the last drain leaves in as few datagrams as fit. A datagram handed
 * out counts as sent, whatever the host does with it.
 *
 * - now_us: the host's clock.
 * - out, cap: room for datagrams; NULL with a cap of 0 is fine. What they point to is lent until the next soe_mux_drain_outgoing on this mux,
 *   or soe_mux_free.
 * - out_count: takes how many there are. Fewer than cap: nothing is left.
 *
 * Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED, SOE_ERR_BUSY, SOE_ERR_PANIC, SOE_ERR_POISONED.
 * Since 0.1.
 */
soe_status soe_mux_drain_outgoing(struct soe_mux *mux, uint64_t now_us, struct soe_datagram *out, size_t cap, size_t *out_count);

/**
 * The same, into memory of the host's: for hosts that hand datagrams to another thread or to io_uring. Does not end what
 * soe_mux_drain_outgoing lent.
 *
 * - now_us: the host's clock.
 * - buf, buf_len: takes the datagrams' bytes, one behind the other; room for the longest one: the udp_length of the config, or up to 270 bytes
 *   that a handshake takes. No memory that the mux lent.
 * - out, cap: room for datagrams, which point into buf; NULL with a cap of 0 is fine.
 * - out_count: takes how many there are. Call again until it is 0: less than cap may mean that buf is full.
 *
 * Returns SOE_OK; SOE_ERR_BUFFER_TOO_SMALL: not every datagram would fit in buf (even when none waits, or cap is 0), *out_count is how many
 * bytes it needs, and nothing was drained; SOE_ERR_NULL, SOE_ERR_MISALIGNED, SOE_ERR_BUSY, SOE_ERR_PANIC, SOE_ERR_POISONED.
 * Since 0.1.
 */
soe_status soe_mux_drain_outgoing_into(struct soe_mux *mux,
                                       uint64_t now_us,
                                       uint8_t *buf,
                                       size_t buf_len,
                                       struct soe_datagram *out,
                                       size_t cap,
                                       size_t *out_count);

/**
 * Hands out what happened. Sessions whose SOE_EVENT_DISCONNECTED the last call handed out are forgotten: their ids are stale from here on.
 *
 * - out, cap: room for events; NULL with a cap of 0 is fine. What they point to is lent until the next soe_mux_drain_events on this mux, or
 *   soe_mux_free: sending it back, as a reply, is safe.
 * - out_count: takes how many there are. Call again until it is 0: less than cap need not mean that nothing is left
 *   (SOE_CONFIG_CIPHER_BY_HOST).
 *
 * Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED, SOE_ERR_BUSY, SOE_ERR_PANIC, SOE_ERR_POISONED.
 * Since 0.1.
 */
soe_status soe_mux_drain_events(struct soe_mux *mux, struct soe_event *out, size_t cap, size_t *out_count);

/**
 * Finds the session with an address.
 *
 * - addr: where the peer is.
 * - out_session: takes its id; 0: there is none.
 *
 * Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED; SOE_ERR_INVALID_ARGUMENT: the family of the address; SOE_ERR_BUSY, SOE_ERR_PANIC,
 * SOE_ERR_POISONED.
 * Since 0.1.
 */
soe_status soe_mux_find(const struct soe_mux *mux, const struct soe_addr *addr, soe_session_id *out_session);

/**
 * The counters of the multiplexer: those of all its sessions, ended ones too, and of strangers.
 *
 * - out: filled as far as its struct_size goes.
 *
 * Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED, SOE_ERR_STRUCT_SIZE, SOE_ERR_BUSY, SOE_ERR_PANIC, SOE_ERR_POISONED.
 * Since 0.1.
 */
soe_status soe_mux_get_stats(const struct soe_mux *mux, struct soe_stats *out);

/**
 * Fills options with the defaults, and sets struct_size.
 *
 * - options: what to fill; what is in it before does not matter.
 * - struct_size: sizeof(soe_connect_options), 8..4096.
 *
 * Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED, SOE_ERR_STRUCT_SIZE.
 * Since 0.1.
 */
soe_status soe_connect_options_init(struct soe_connect_options *options, size_t struct_size);

/**
 * Fills options with the defaults, which leave everything to the config, and sets struct_size.
 *
 * - options: what to fill; what is in it before does not matter.
 * - struct_size: sizeof(soe_accept_options), 8..4096.
 *
 * Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED, SOE_ERR_STRUCT_SIZE.
 * Since 0.1.
 */
soe_status soe_accept_options_init(struct soe_accept_options *options, size_t struct_size);

/**
 * Opens a session as a client. SOE_EVENT_CONNECTED tells when it is open, SOE_EVENT_DISCONNECTED with SOE_REASON_CONNECT_FAIL that nobody
 * answered. A server that refuses, is full, or speaks another version or application protocol answers first: SOE_EVENT_CONNECTED comes, and
 * then SOE_EVENT_DISCONNECTED by SOE_ENDED_BY_PEER with SOE_REASON_CONNECTION_REFUSED or SOE_REASON_PROTOCOL_MISMATCH.
 *
 * - now_us: the host's clock.
 * - to: the server.
 * - options: read during the call only; NULL: all defaults.
 * - out_session: takes the session's id, valid at once for all but sending.
 *
 * Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED, SOE_ERR_STRUCT_SIZE; SOE_ERR_INVALID_ARGUMENT: the family of the address, a port of 0
 * (unless opaque), or an application protocol of more than 255 bytes or with a zero; SOE_ERR_STATE: the address has a session; SOE_ERR_LIMIT:
 * there are max_sessions, with those whose SOE_EVENT_DISCONNECTED was not handed out yet; SOE_ERR_BUSY, SOE_ERR_PANIC, SOE_ERR_POISONED.
 * Since 0.1.
 */
soe_status soe_mux_connect(struct soe_mux *mux,
                           uint64_t now_us,
                           const struct soe_addr *to,
                           const struct soe_connect_options *options,
                           soe_session_id *out_session);

/**
 * Accepts a SOE_EVENT_CONNECT_REQUEST. To refuse it: soe_session_disconnect with SOE_REASON_CONNECTION_REFUSED.
 *
 * The session is not open yet: SOE_EVENT_CONNECTED follows with the client's first datagram (with SOE_CONFIG_CONNECTED_AT_REQUEST: at once), or
 * SOE_EVENT_DISCONNECTED by SOE_ENDED_BY_LIBRARY, with SOE_REASON_CONNECT_FAIL where none comes, and SOE_REASON_CONNECTION_REFUSED where there
 * were max_sessions by then.
 *
 * - now_us: the host's clock.
 * - session: the event's.
 * - options: read during the call only; NULL: all defaults, and the user data stays as it was set.
 *
 * Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED, SOE_ERR_STRUCT_SIZE, SOE_ERR_STALE_SESSION; SOE_ERR_STATE: it does not wait for this;
 * SOE_ERR_INVALID_ARGUMENT: a value outside its range; SOE_ERR_UNSUPPORTED: a flag that this version does not support; SOE_ERR_LIMIT: there are
 * max_sessions; SOE_ERR_BUSY, SOE_ERR_PANIC, SOE_ERR_POISONED.
 * Since 0.1.
 */
soe_status soe_session_accept(struct soe_mux *mux, uint64_t now_us, soe_session_id session, const struct soe_accept_options *options);

/**
 * Sends a message. It is copied, and leaves with the next drain. SOE_OK means that it is queued; on a reliable channel it arrives, or the
 * session ends.
 *
 * - session: a connected one.
 * - channel: SOE_CHANNEL_*
 * - data, len: the message, read during the call only; it may be memory that the mux lent. At least 1 byte (though messages of 0 bytes may
 *   arrive), at most max_message.
 *
 * Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED, SOE_ERR_STALE_SESSION; SOE_ERR_INVALID_ARGUMENT: no such channel, or 0 bytes;
 * SOE_ERR_STATE: not connected yet, or not any more: being flushed, or its SOE_EVENT_DISCONNECTED waits, or stands further down among the
 * events being read; SOE_ERR_TOO_LARGE: longer than max_message, or in as many packets as a peer of so small a UDP length needs more than
 * max_session_memory; SOE_ERR_WOULD_BLOCK: the send queue is full, SOE_EVENT_WRITABLE follows; SOE_ERR_NO_MEMORY: for a message this long;
 * SOE_ERR_BUSY, SOE_ERR_PANIC, SOE_ERR_POISONED.
 * Since 0.1.
 */
soe_status soe_session_send(struct soe_mux *mux, soe_session_id session, uint32_t channel, const uint8_t *data, size_t len);

/**
 * Ends a session, or refuses a SOE_EVENT_CONNECT_REQUEST. SOE_EVENT_DISCONNECTED follows, after the messages that had arrived.
 *
 * A session that is being flushed (SOE_DISCONNECT_FLUSH) still hands out messages that arrive, and sends no more; SOE_DISCONNECT_NOW and
 * SOE_DISCONNECT_SILENT end it at once. This call has no clock: flush_timeout_ms counts from the next tick or drain of datagrams.
 *
 * - reason: SOE_REASON_*, or any number up to 65535, which the peer learns.
 * - flags: SOE_DISCONNECT_NOW, SOE_DISCONNECT_FLUSH or SOE_DISCONNECT_SILENT.
 *
 * Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED, SOE_ERR_STALE_SESSION; SOE_ERR_INVALID_ARGUMENT: reason or flags; SOE_ERR_STATE: it ended
 * already, and its SOE_EVENT_DISCONNECTED waits or is among the events being read, or it is being flushed and should be again; SOE_ERR_BUSY,
 * SOE_ERR_PANIC, SOE_ERR_POISONED.
 * Since 0.1.
 */
soe_status soe_session_disconnect(struct soe_mux *mux, soe_session_id session, uint32_t reason, uint32_t flags);

/**
 * Sets or ends the RC4 of a session. Sending changes with the next soe_session_send; receiving with the next message that
 * soe_mux_drain_events hands out, for which SOE_CONFIG_CIPHER_BY_HOST makes sure that it was not handed out already. RC4 hides messages from a
 * passing glance, and protects nothing.
 *
 * - cipher: read during the call only; the key is copied.
 *
 * Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED, SOE_ERR_STRUCT_SIZE, SOE_ERR_STALE_SESSION; SOE_ERR_INVALID_ARGUMENT: direction, scope,
 * key_len, a drop above 65536, or a reserved other than 0; SOE_ERR_STATE: not connected yet, or a connect request that is over; SOE_ERR_BUSY,
 * SOE_ERR_PANIC, SOE_ERR_POISONED.
 * Since 0.1.
 */
soe_status soe_session_set_cipher(struct soe_mux *mux, soe_session_id session, const struct soe_cipher *cipher);

/**
 * Sets the number that later events of the session carry; the library gives it no meaning.
 *
 * Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED, SOE_ERR_STALE_SESSION; SOE_ERR_STATE: a connect request that is over; SOE_ERR_BUSY,
 * SOE_ERR_PANIC, SOE_ERR_POISONED.
 * Since 0.1.
 */
soe_status soe_session_set_user_data(struct soe_mux *mux, soe_session_id session, uint64_t user_data);

/**
 * What is known of a session.
 *
 * - out: filled as far as its struct_size goes.
 *
 * Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED, SOE_ERR_STRUCT_SIZE, SOE_ERR_STALE_SESSION; SOE_ERR_STATE: a connect request that is over;
 * SOE_ERR_BUSY, SOE_ERR_PANIC, SOE_ERR_POISONED.
 * Since 0.1.
 */
soe_status soe_session_get_info(const struct soe_mux *mux, soe_session_id session, struct soe_session_info *out);

/**
 * The counters of a session.
 *
 * - out: filled as far as its struct_size goes.
 *
 * Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED, SOE_ERR_STRUCT_SIZE, SOE_ERR_STALE_SESSION; SOE_ERR_STATE: a connect request, which has none
 * yet; SOE_ERR_BUSY, SOE_ERR_PANIC, SOE_ERR_POISONED.
 * Since 0.1.
 */
soe_status soe_session_get_stats(const struct soe_mux *mux,
                                 soe_session_id session,
                                 struct soe_stats *out);

/**
 * A status in words, for logs.
 *
 * Returns a string that stays valid for as long as the library is loaded; never NULL, for numbers that are no status either.
 * Since 0.1.
 */
const char *soe_status_string(soe_status status);

/**
 * The version of the interface that the loaded library has, to be compared with SOE_ABI_VERSION.
 *
 * Returns major version << 16 | minor version.
 * Since 0.1.
 */
uint32_t soe_abi_version(void);

/**
 * The version of the library, as in "0.1.0".
 *
 * Returns a string that stays valid for as long as the library is loaded.
 * Since 0.1.
 */
const char *soe_version_string(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SOE_H */
