use super::Answer;
use crate::Error;
use std::ffi::{CStr, c_char};

/// What a function answers: SOE_OK, or one of the negative numbers of soe_status_code. Never positive.
pub type soe_status = i32;

/// The values of a soe_status. Later versions may add some: take any other negative number for an error.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum soe_status_code {
    /// Done.
    SOE_OK = 0,
    /// The caller's mistake: a pointer is NULL.
    SOE_ERR_NULL = -1,
    /// The caller's mistake: a pointer is not aligned for what it points at.
    SOE_ERR_MISALIGNED = -2,
    /// The caller's mistake: a value outside its range.
    SOE_ERR_INVALID_ARGUMENT = -3,
    /// The caller's mistake: struct_size is below 8 or above 4096, or members that this version does not know are not zero.
    SOE_ERR_STRUCT_SIZE = -4,
    /// The caller's mistake: the buffer does not hold what it must; how much it must is in the length that the call wrote.
    SOE_ERR_BUFFER_TOO_SMALL = -5,
    /// The session ended, and the events that told of it were read (or it never was). Its id is never used again.
    SOE_ERR_STALE_SESSION = -6,
    /// The session can't do this now: it is not connected yet, or not any more (while events are read, its end may stand further down among
    /// them). For a connect: the address has a session.
    SOE_ERR_STATE = -7,
    /// The message is longer than the max_message of the config.
    SOE_ERR_TOO_LARGE = -8,
    /// The data is of a version that this library does not read.
    SOE_ERR_VERSION = -9,
    /// A setting that this version of the library does not support.
    SOE_ERR_UNSUPPORTED = -10,
    /// The data that the caller brought is damaged.
    SOE_ERR_MALFORMED = -11,
    /// Not now: the send queue of the session is full. SOE_EVENT_WRITABLE tells when it has room.
    SOE_ERR_WOULD_BLOCK = -32,
    /// Not now: a limit of the config is reached.
    SOE_ERR_LIMIT = -33,
    /// Not now: another call on this handle is under way.
    SOE_ERR_BUSY = -34,
    /// Not now: the time given is over.
    SOE_ERR_TIMEOUT = -35,
    /// The environment: no memory.
    SOE_ERR_NO_MEMORY = -64,
    /// The environment: the operating system failed to do its part (for a mux: it gave no randomness).
    SOE_ERR_IO = -65,
    /// The handle was stopped.
    SOE_ERR_CLOSED = -66,
    /// A fault inside the library, caught during this call. A report about it is welcome.
    SOE_ERR_PANIC = -128,
    /// An earlier call on this handle met a fault. Nothing is left to do with it but to free it.
    SOE_ERR_POISONED = -129,
}

use soe_status_code::*;

impl From<Error> for soe_status_code {
    fn from(error: Error) -> Self {
        match error {
            Error::InvalidArgument => SOE_ERR_INVALID_ARGUMENT,
            Error::StaleSession => SOE_ERR_STALE_SESSION,
            Error::State => SOE_ERR_STATE,
            Error::TooLarge => SOE_ERR_TOO_LARGE,
            Error::Unsupported => SOE_ERR_UNSUPPORTED,
            Error::WouldBlock => SOE_ERR_WOULD_BLOCK,
            Error::Limit => SOE_ERR_LIMIT,
            Error::NoMemory => SOE_ERR_NO_MEMORY,
            Error::Io => SOE_ERR_IO,
        }
    }
}

/// What goes back to C.
#[inline]
pub(super) fn status(answer: Answer<()>) -> soe_status {
    match answer {
        Ok(()) => SOE_OK as soe_status,
        Err(code) => code as soe_status,
    }
}

/// A status in words, for logs.
///
/// Returns a string that stays valid for as long as the library is loaded; never NULL, for numbers that are no status either.
/// Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn soe_status_string(status: soe_status) -> *const c_char {
    const TEXTS: [(soe_status_code, &CStr); 21] = [
        (SOE_OK, c"done"),
        (SOE_ERR_NULL, c"a pointer is NULL"),
        (SOE_ERR_MISALIGNED, c"a pointer is misaligned"),
        (SOE_ERR_INVALID_ARGUMENT, c"a value is outside its range"),
        (SOE_ERR_STRUCT_SIZE, c"struct_size is wrong, or unknown members are not zero"),
        (SOE_ERR_BUFFER_TOO_SMALL, c"the buffer is too small"),
        (SOE_ERR_STALE_SESSION, c"the session ended"),
        (SOE_ERR_STATE, c"the session can't do this now"),
        (SOE_ERR_TOO_LARGE, c"the message is longer than the limit"),
        (SOE_ERR_VERSION, c"data of an unknown version"),
        (SOE_ERR_UNSUPPORTED, c"a setting that this version does not support"),
        (SOE_ERR_MALFORMED, c"the data is damaged"),
        (SOE_ERR_WOULD_BLOCK, c"the send queue is full"),
        (SOE_ERR_LIMIT, c"a limit of the configuration is reached"),
        (SOE_ERR_BUSY, c"another call on this handle is under way"),
        (SOE_ERR_TIMEOUT, c"the time is over"),
        (SOE_ERR_NO_MEMORY, c"no memory"),
        (SOE_ERR_IO, c"the operating system failed to do its part"),
        (SOE_ERR_CLOSED, c"the handle was stopped"),
        (SOE_ERR_PANIC, c"a fault inside the library"),
        (SOE_ERR_POISONED, c"an earlier fault inside the library"),
    ];
    let text = TEXTS.iter().find(|(code, _)| *code as soe_status == status);
    text.map_or(c"unknown status", |(_, text)| text).as_ptr()
}

/// The version of this interface that a header describes.
#[repr(C)]
pub enum soe_abi {
    /// Major version << 16 | minor version: what soe_abi_version() answers for a library that fits this header exactly. Under one major
    /// version (and, before 1.0, under one minor version), an older header fits a newer library.
    SOE_ABI_VERSION = 0x0000_0001,
}

/// The version of the interface that the loaded library has, to be compared with SOE_ABI_VERSION.
///
/// Returns major version << 16 | minor version.
/// Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn soe_abi_version() -> u32 {
    soe_abi::SOE_ABI_VERSION as u32
}

const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(version) => version,
    Err(_) => unreachable!(),
};

/// The version of the library, as in "0.1.0".
///
/// Returns a string that stays valid for as long as the library is loaded.
/// Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn soe_version_string() -> *const c_char {
    VERSION.as_ptr()
}
