//! Counters. All of them only ever grow.

/// What was counted for one session, or for a multiplexer as a whole.
///
/// A session's own share holds everything that can be charged to a session; what strangers send is counted for the multiplexer alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Datagrams handed to the host for sending.
    pub datagrams_sent: u64,
    /// Datagrams that passed validation (CRC, known address).
    pub datagrams_received: u64,
    /// Bytes of those sent.
    pub bytes_sent: u64,
    /// Bytes of those received.
    pub bytes_received: u64,
    /// Messages the host sent.
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
    /// Lossy messages dropped: out of order, or no room to queue them.
    pub dropped_lossy: u64,
    /// Reliable packets dropped unacknowledged: beyond the receive window, or no room to queue them.
    pub dropped_window: u64,
    /// Contextless packets without effect: a response, remap or disconnect that names no session, a hint that was not needed, a request in the wrong place; and
    /// heartbeats without a CRC, answered or not.
    pub dropped_contextless: u64,
    /// Acknowledgements of what was never sent.
    pub dropped_acknowledgement: u64,
    /// Multiplexer only: datagrams from addresses without a session, that are no valid SessionRequest.
    pub dropped_stranger: u64,
    /// Multiplexer only: sessions that reached Connected.
    pub sessions_connected: u64,
    /// Multiplexer only: sessions that reached Disconnected.
    pub sessions_disconnected: u64,
    /// Multiplexer only: SessionRequests refused: version, application protocol, UDP length, limits, or by the host.
    pub requests_refused: u64,
    /// Multiplexer only: SessionRequests dropped without an answer, and other answers not given to strangers, because their prefix, or all together, had its share.
    pub requests_limited: u64,
    /// Multiplexer only: half-open sessions forgotten, to make room or because they showed no datagram in time.
    pub half_open_dropped: u64,
}
