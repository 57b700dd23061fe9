//! What a multiplexer hands to its host.

use crate::address::Address;
use crate::error::Error;

/// Names a session of one multiplexer for its whole life, and never another one after it. Below 2^53, so that it is a plain number in JavaScript and Lua.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub(crate) u64);

impl SessionId {
    /// As a number; never 0.
    pub fn get(self) -> u64 {
        self.0
    }

    /// From a number that [`SessionId::get`] gave. A number that it did not give names no session: calls with it answer [`Error::StaleSession`].
    pub fn from_raw(raw: u64) -> Self {
        SessionId(raw)
    }
}

/// How a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Channel {
    /// In order, without loss; the four reliable channels don't wait for each other.
    Reliable0 = 0,
    /// The second reliable channel. Some v3 peers know only the first.
    Reliable1 = 1,
    /// The third reliable channel.
    Reliable2 = 2,
    /// The fourth reliable channel.
    Reliable3 = 3,
    /// May be lost, duplicated, reordered.
    Unreliable = 4,
    /// May be lost; what arrives late is dropped. Wire type 0x1A. v3 peers other than ours may end a session over it.
    Ordered = 5,
    /// A second such sequence. Wire type 0x1B.
    Ordered2 = 6,
}

impl TryFrom<u32> for Channel {
    type Error = Error;
    fn try_from(value: u32) -> Result<Self, Error> {
        Ok(match value {
            0 => Channel::Reliable0,
            1 => Channel::Reliable1,
            2 => Channel::Reliable2,
            3 => Channel::Reliable3,
            4 => Channel::Unreliable,
            5 => Channel::Ordered,
            6 => Channel::Ordered2,
            _ => return Err(Error::InvalidArgument),
        })
    }
}

/// Who ended a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum EndedBy {
    /// [`crate::Multiplexer::disconnect`].
    Host = 0,
    /// The other side's Disconnect.
    Peer = 1,
    /// A timeout, a limit, a connect that failed.
    Library = 2,
}

/// The wire's reasons for a disconnect. A number, because peers send others too.
pub mod reason {
    /// No reason given.
    pub const NONE: u16 = 0;
    /// The network reported the peer unreachable.
    pub const ICMP_ERROR: u16 = 1;
    /// The peer was silent for too long.
    pub const TIMEOUT: u16 = 2;
    /// The other side ended it.
    pub const OTHER_SIDE_TERMINATED: u16 = 3;
    /// The peer's multiplexer was closed.
    pub const MANAGER_DELETED: u16 = 4;
    /// No answer to the SessionRequest. Never on the wire.
    pub const CONNECT_FAIL: u16 = 5;
    /// The application wanted it.
    pub const APPLICATION: u16 = 6;
    /// The other side doesn't know the session any more.
    pub const UNREACHABLE_CONNECTION: u16 = 7;
    /// A reliable packet stayed unacknowledged for too long.
    pub const UNACKNOWLEDGED_TIMEOUT: u16 = 8;
    /// The peer began a new session from the same address.
    pub const NEW_CONNECTION_ATTEMPT: u16 = 9;
    /// The server refused the request.
    pub const CONNECTION_REFUSED: u16 = 10;
    /// Both sides connected to each other at once.
    pub const MUTUAL_CONNECT_ERROR: u16 = 11;
    /// A multiplexer connected to itself.
    pub const CONNECTING_TO_SELF: u16 = 12;
    /// Too much reliable data was queued.
    pub const RELIABLE_OVERFLOW: u16 = 13;
    /// The application let go of the session.
    pub const APPLICATION_RELEASED: u16 = 14;
    /// The peer sent malformed packets.
    pub const CORRUPT_PACKET: u16 = 15;
    /// Version or application protocol differ (protocol version 3).
    pub const PROTOCOL_MISMATCH: u16 = 16;
}

/// What happened to a session. For each: `Connected` comes before its messages, `Disconnected` last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind<'a> {
    /// A client asks ([`crate::Config::manual_accept`]): answer with [`crate::Multiplexer::accept`], or with a disconnect of reason 10.
    ConnectRequest {
        /// The name the client sent.
        application_protocol: &'a [u8],
    },
    /// The session is open: messages may be sent.
    Connected {
        /// The name the client sent.
        application_protocol: &'a [u8],
    },
    /// A message.
    Message {
        /// The channel it came on.
        channel: Channel,
        /// Its bytes, deciphered.
        data: &'a [u8],
    },
    /// The send queue has room again after [`Error::WouldBlock`].
    Writable,
    /// The session ended; this is the last event for its id.
    Disconnected {
        /// Who ended it.
        by: EndedBy,
        /// See [`reason`].
        reason: u16,
    },
    /// The peer goes on from another address.
    Rebound {
        /// The new one.
        address: Address,
    },
}

/// One event, lent until the next [`crate::Multiplexer::drain_events`].
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// Whose.
    pub session: SessionId,
    /// The session's user data when the event was queued.
    pub user_data: u64,
    /// When it was queued, in microseconds of the host's clock.
    pub time_us: u64,
    /// What happened.
    pub kind: EventKind<'a>,
}

/// One datagram to send, lent until the next [`crate::Multiplexer::drain_outgoing`].
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Its bytes.
    pub data: &'a [u8],
    /// 0, or the size of each datagram in a train ([`crate::Config::trains`]); the last may be shorter.
    pub segment_size: u32,
    /// Whose; `None` for a reply to somebody without a session.
    pub session: Option<SessionId>,
    /// Where to.
    pub to: Address,
}

/// How [`crate::Multiplexer::disconnect`] ends a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Disconnect {
    /// At once: a Disconnect leaves with the next drain, what is queued is lost.
    #[default]
    Now,
    /// After what is queued was acknowledged, at most [`crate::Config::flush_timeout_ms`] later.
    Flush,
    /// At once, and the peer is not told.
    Silent,
}
