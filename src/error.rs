//! What a call can answer when it did nothing.

use std::fmt;

/// A caller's mistake, or "not now". Nothing changed when a call returns one. What a peer does wrong is never an error: it is counted in [`crate::Stats`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A value outside its range: an empty message, a port of 0, a key of more than 256 bytes.
    InvalidArgument,
    /// The session ended; its id is never used again.
    StaleSession,
    /// The session can't do this now: sending before it is connected or after a disconnect, connecting to an address that has a session.
    State,
    /// Longer than the limit for one message.
    TooLarge,
    /// A setting that this version does not support.
    Unsupported,
    /// The send queue is full: wait for [`crate::EventKind::Writable`].
    WouldBlock,
    /// A limit of the configuration is reached.
    Limit,
    /// There is no memory for a message this long.
    NoMemory,
    /// The operating system gave no randomness.
    Io,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::InvalidArgument => "a value is outside its range",
            Error::StaleSession => "the session ended",
            Error::State => "the session can't do this now",
            Error::TooLarge => "the message is longer than the limit",
            Error::Unsupported => "a setting that this version does not support",
            Error::WouldBlock => "the send queue is full",
            Error::Limit => "a limit of the configuration is reached",
            Error::NoMemory => "no memory for a message this long",
            Error::Io => "the operating system gave no randomness",
        })
    }
}

impl std::error::Error for Error {}
