use super::address::soe_addr;
use super::pointer::lend;
use super::session::soe_session_id;
use crate::{Event, EventKind};

/// How a message travels: one number for sending and receiving.
#[repr(C)]
pub enum soe_channel {
    /// In order and without loss. The four reliable channels don't wait for each other. Titles of protocol version 3 use this one.
    SOE_CHANNEL_RELIABLE_0 = 0,
    /// The second reliable channel. Some peers know only the first.
    SOE_CHANNEL_RELIABLE_1 = 1,
    /// The third.
    SOE_CHANNEL_RELIABLE_2 = 2,
    /// The fourth.
    SOE_CHANNEL_RELIABLE_3 = 3,
    /// May be lost, duplicated, reordered. What does not fit one datagram travels on SOE_CHANNEL_RELIABLE_0 instead, and arrives there.
    SOE_CHANNEL_UNRELIABLE = 4,
    /// May be lost; what arrives late is dropped, so the latest wins. What does not fit one datagram travels on SOE_CHANNEL_RELIABLE_0
    /// instead, and arrives there. Wire type 0x1A. Peers of version 3 other than ours may end a session over it.
    SOE_CHANNEL_ORDERED = 5,
    /// A second such sequence, in all else the same. Wire type 0x1B.
    SOE_CHANNEL_ORDERED_2 = 6,
}

/// The kind of a soe_event. Later versions add some: skip what you don't know.
#[repr(C)]
pub enum soe_event_kind {
    /// Never handed out.
    SOE_EVENT_NONE = 0,
    /// A client asks for a session (only with SOE_CONFIG_MANUAL_ACCEPT); data: the application protocol it names. Answer with
    /// soe_session_accept, or refuse with soe_session_disconnect and SOE_REASON_CONNECTION_REFUSED. Where nothing comes of it, there is no
    /// SOE_EVENT_CONNECTED, but SOE_EVENT_DISCONNECTED by SOE_ENDED_BY_LIBRARY with SOE_REASON_CONNECT_FAIL: connect_timeout_ms after the client
    /// last asked to be accepted, or when it had to make room for others (max_half_open).
    SOE_EVENT_CONNECT_REQUEST = 1,
    /// The session is open, and may be sent to; data: the application protocol that the client named. Precedes its messages. A client that
    /// the server turns away sees this too, and at once, often in the same drain, SOE_EVENT_DISCONNECTED by SOE_ENDED_BY_PEER with
    /// SOE_REASON_CONNECTION_REFUSED or SOE_REASON_PROTOCOL_MISMATCH.
    SOE_EVENT_CONNECTED = 2,
    /// A message; channel: SOE_CHANNEL_*; data: its bytes, deciphered. Peers may send messages of 0 bytes, though soe_session_send does not.
    SOE_EVENT_MESSAGE = 3,
    /// A send was answered SOE_ERR_WOULD_BLOCK, and there is room again.
    SOE_EVENT_WRITABLE = 4,
    /// The session ended. channel: SOE_ENDED_BY_*; code: SOE_REASON_*, or another number that the peer sent. The last event with this id, which
    /// stays good until the next soe_mux_drain_events: information, counters and user data are still there, sending is SOE_ERR_STATE.
    SOE_EVENT_DISCONNECTED = 5,
    /// The peer goes on from another address; data: the new one, a soe_addr.
    SOE_EVENT_REBOUND = 6,
}

/// Who ended a session: the channel of SOE_EVENT_DISCONNECTED.
#[repr(C)]
pub enum soe_ended_by {
    /// soe_session_disconnect.
    SOE_ENDED_BY_HOST = 0,
    /// The other side said so.
    SOE_ENDED_BY_PEER = 1,
    /// A timeout or a limit; also a connect that failed, with SOE_REASON_CONNECT_FAIL.
    SOE_ENDED_BY_LIBRARY = 2,
}

/// Why a session ended, as the wire numbers it. Peers send other numbers too.
#[repr(C)]
pub enum soe_reason {
    /// No reason given.
    SOE_REASON_NONE = 0,
    /// The network reported the peer unreachable.
    SOE_REASON_ICMP_ERROR = 1,
    /// The peer was silent for too long.
    SOE_REASON_TIMEOUT = 2,
    /// The other side ended it.
    SOE_REASON_OTHER_SIDE_TERMINATED = 3,
    /// The peer's library was shut down.
    SOE_REASON_MANAGER_DELETED = 4,
    /// No answer to a connect. Never on the wire.
    SOE_REASON_CONNECT_FAIL = 5,
    /// The application wanted it.
    SOE_REASON_APPLICATION = 6,
    /// The other side does not know the session any more.
    SOE_REASON_UNREACHABLE_CONNECTION = 7,
    /// A reliable packet stayed unacknowledged for too long.
    SOE_REASON_UNACKNOWLEDGED_TIMEOUT = 8,
    /// The peer began a new session from the same address.
    SOE_REASON_NEW_CONNECTION_ATTEMPT = 9,
    /// The server refused the connect: its host did, or it has max_sessions. The client sees SOE_EVENT_CONNECTED first.
    SOE_REASON_CONNECTION_REFUSED = 10,
    /// Both sides connected to each other at once.
    SOE_REASON_MUTUAL_CONNECT_ERROR = 11,
    /// A side connected to itself.
    SOE_REASON_CONNECTING_TO_SELF = 12,
    /// Too much reliable data was queued.
    SOE_REASON_RELIABLE_OVERFLOW = 13,
    /// The application let go of the session.
    SOE_REASON_APPLICATION_RELEASED = 14,
    /// The peer sent malformed packets.
    SOE_REASON_CORRUPT_PACKET = 15,
    /// Version or application protocol differ (protocol version 3). The client sees SOE_EVENT_CONNECTED first.
    SOE_REASON_PROTOCOL_MISMATCH = 16,
}

/// One event. 64 bytes with pointers of 64 bits; never changes. Members that a kind does not mention are 0.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct soe_event {
    /// SOE_EVENT_*
    pub kind: u32,
    /// MESSAGE: SOE_CHANNEL_*. DISCONNECTED: SOE_ENDED_BY_*.
    pub channel: u32,
    /// Whose.
    pub session: soe_session_id,
    /// The session's, as it was when the event was queued.
    pub user_data: u64,
    /// What the kind says, lent until the next soe_mux_drain_events. Never NULL, for a len of 0 either.
    pub data: *const u8,
    /// Bytes at data.
    pub len: u32,
    /// DISCONNECTED: SOE_REASON_*.
    pub code: i32,
    /// When it was queued, by the host's clock (rule 4).
    pub time_us: u64,
    /// 0.
    pub arg: u64,
    /// 0.
    pub reserved: u64,
}

#[cfg(target_pointer_width = "64")]
const _: () = {
    assert!(size_of::<soe_event>() == 64);
    assert!(std::mem::offset_of!(soe_event, channel) == 4);
    assert!(std::mem::offset_of!(soe_event, session) == 8);
    assert!(std::mem::offset_of!(soe_event, user_data) == 16);
    assert!(std::mem::offset_of!(soe_event, data) == 24);
    assert!(std::mem::offset_of!(soe_event, len) == 32);
    assert!(std::mem::offset_of!(soe_event, code) == 36);
    assert!(std::mem::offset_of!(soe_event, time_us) == 40);
    assert!(std::mem::offset_of!(soe_event, arg) == 48);
};

impl soe_event {
    /// The record of an event. The new address of `Rebound` goes to `rebound`; [`soe_event::lend_rebound`] makes the record point at it.
    #[inline]
    pub(super) fn new(event: &Event<'_>, rebound: &mut Vec<soe_addr>) -> Self {
        use soe_event_kind::*;
        let (kind, channel, data, code): (_, _, &[u8], _) = match event.kind {
            EventKind::ConnectRequest { application_protocol } => (SOE_EVENT_CONNECT_REQUEST, 0, application_protocol, 0),
            EventKind::Connected { application_protocol } => (SOE_EVENT_CONNECTED, 0, application_protocol, 0),
            EventKind::Message { channel, data } => (SOE_EVENT_MESSAGE, channel as u32, data, 0),
            EventKind::Writable => (SOE_EVENT_WRITABLE, 0, &[], 0),
            EventKind::Disconnected { by, reason } => (SOE_EVENT_DISCONNECTED, by as u32, &[], i32::from(reason)),
            EventKind::Rebound { address } => {
                rebound.push(address.into());
                (SOE_EVENT_REBOUND, 0, &[], 0)
            }
        };
        soe_event {
            kind: kind as u32,
            channel,
            session: event.session.get(),
            user_data: event.user_data,
            data: lend(data),
            len: data.len() as u32,
            code,
            time_us: event.time_us,
            arg: 0,
            reserved: 0,
        }
    }

    /// True for a record that is to point at an address, once these don't move any more.
    pub(super) fn is_rebound(&self) -> bool {
        self.kind == soe_event_kind::SOE_EVENT_REBOUND as u32
    }

    /// Points at the address.
    pub(super) fn lend_rebound(&mut self, address: &soe_addr) {
        self.data = std::ptr::from_ref(address).cast();
        self.len = size_of::<soe_addr>() as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Channel, EndedBy, reason};

    #[test]
    fn numbers_are_those_of_the_crate() {
        assert_eq!(Channel::Ordered2 as u32, soe_channel::SOE_CHANNEL_ORDERED_2 as u32);
        assert_eq!(Channel::Unreliable as u32, soe_channel::SOE_CHANNEL_UNRELIABLE as u32);
        assert_eq!(EndedBy::Library as u32, soe_ended_by::SOE_ENDED_BY_LIBRARY as u32);
        assert_eq!(u32::from(reason::CONNECT_FAIL), soe_reason::SOE_REASON_CONNECT_FAIL as u32);
        assert_eq!(u32::from(reason::PROTOCOL_MISMATCH), soe_reason::SOE_REASON_PROTOCOL_MISMATCH as u32);
    }
}
