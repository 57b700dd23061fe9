use super::pointer::Growable;
use crate::Stats;

/// Counters of a session or of a whole multiplexer; none of them ever decreases. Growable: zero it and set struct_size before the call.
///
/// A session's own share holds what can be charged to a session; what strangers send is counted for the multiplexer alone.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct soe_stats {
    /// sizeof(soe_stats)
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Datagrams handed to the host for sending.
    pub datagrams_sent: u64,
    /// Datagrams that passed validation (known address, CRC).
    pub datagrams_received: u64,
    /// Bytes of those sent.
    pub bytes_sent: u64,
    /// Bytes of those received.
    pub bytes_received: u64,
    /// Messages that the host sent.
    pub messages_sent: u64,
    /// Messages queued for the host.
    pub messages_received: u64,
    /// Reliable packets sent again.
    pub retransmissions: u64,
    /// Reliable packets received again.
    pub duplicates: u64,
    /// Datagrams dropped: a CRC that does not match, or shorter than it.
    pub dropped_crc: u64,
    /// Packets dropped behind a good CRC: malformed, of unknown type, nested too deep, inflating too far.
    pub dropped_malformed: u64,
    /// Lossy messages dropped: late, or no room to queue them.
    pub dropped_lossy: u64,
    /// Reliable packets dropped unacknowledged, which come again: beyond the receive window, or no room to queue them.
    pub dropped_window: u64,
    /// Acknowledgements dropped: of what was never sent.
    pub dropped_acknowledgement: u64,
    /// Packets without CRC that had no effect: a response, remap or disconnect that names no session, a hint that was not needed, a request
    /// in the wrong place; and heartbeats without a CRC, answered or not.
    pub dropped_contextless: u64,
    /// Multiplexer only: datagrams from addresses without a session that are no valid SessionRequest.
    pub dropped_stranger: u64,
    /// Multiplexer only: sessions that were connected.
    pub sessions_connected: u64,
    /// Multiplexer only: sessions that were disconnected.
    pub sessions_disconnected: u64,
    /// Multiplexer only: SessionRequests refused, for version, application protocol, UDP length, limits, or by the host.
    pub requests_refused: u64,
    /// Multiplexer only: half-open sessions forgotten, to make room or because they showed no datagram in time.
    pub half_open_dropped: u64,
    /// Mux only: SessionRequests dropped without an answer, and other answers not given to strangers, because their prefix had its share
    /// (soe_config.max_new_per_prefix, max_sessions_per_prefix, max_replies_per_prefix), or all together had theirs.
    pub requests_limited: u64,
}

// SAFETY: repr(C), struct_size first, integers only.
unsafe impl Growable for soe_stats {}

impl From<Stats> for soe_stats {
    fn from(stats: Stats) -> Self {
        let Stats {
            datagrams_sent,
            datagrams_received,
            bytes_sent,
            bytes_received,
            messages_sent,
            messages_received,
            retransmissions,
            duplicates,
            dropped_crc,
            dropped_malformed,
            dropped_lossy,
            dropped_window,
            dropped_acknowledgement,
            dropped_contextless,
            dropped_stranger,
            sessions_connected,
            sessions_disconnected,
            requests_refused,
            half_open_dropped,
            requests_limited,
        } = stats;
        soe_stats {
            struct_size: 0,
            reserved: 0,
            datagrams_sent,
            datagrams_received,
            bytes_sent,
            bytes_received,
            messages_sent,
            messages_received,
            retransmissions,
            duplicates,
            dropped_crc,
            dropped_malformed,
            dropped_lossy,
            dropped_window,
            dropped_acknowledgement,
            dropped_contextless,
            dropped_stranger,
            sessions_connected,
            sessions_disconnected,
            requests_refused,
            half_open_dropped,
            requests_limited,
        }
    }
}
