use super::Answer;
use super::address::soe_addr;
use super::cipher::{self, soe_cipher};
use super::config::{name, pass};
use super::mux::soe_mux;
use super::pointer::{Growable, bytes, init_growable, present, read, read_growable, write_growable};
use super::stats::soe_stats;
use super::status::soe_status_code::{SOE_ERR_INVALID_ARGUMENT, SOE_ERR_STALE_SESSION, SOE_ERR_TOO_LARGE, SOE_ERR_UNSUPPORTED};
use super::status::{soe_status, status};
use crate::{AcceptOptions, Channel, ConnectOptions, Disconnect, SessionId, SessionInfo};
use std::ffi::c_char;
use std::mem::offset_of;
use std::ptr;

/// Names a session of one mux for its whole life, and never another one after it. Good until the soe_mux_drain_events after the one that handed
/// out its SOE_EVENT_DISCONNECTED. Always below 2^53, so that it is a plain number in JavaScript and Lua. 0: none.
pub type soe_session_id = u64;

/// How far a session is.
#[repr(C)]
pub enum soe_session_state {
    /// A client's, without a SessionResponse yet.
    SOE_SESSION_CONNECTING = 1,
    /// A server's, waiting for soe_session_accept (SOE_CONFIG_MANUAL_ACCEPT).
    SOE_SESSION_REQUESTED = 2,
    /// A server's, accepted, without a datagram yet that shows that the peer is there.
    SOE_SESSION_ACCEPTED = 3,
    /// Open.
    SOE_SESSION_CONNECTED = 4,
    /// Being flushed before it ends (SOE_DISCONNECT_FLUSH): messages still arrive, sending is SOE_ERR_STATE.
    SOE_SESSION_CLOSING = 5,
    /// Over; its last events were not drained yet, or are being read.
    SOE_SESSION_ENDED = 6,
}

/// How soe_session_disconnect ends a session.
#[repr(C)]
pub enum soe_disconnect_flag {
    /// At once: a Disconnect leaves with the next drain, what is queued is lost.
    SOE_DISCONNECT_NOW = 0,
    /// After what is queued was acknowledged, at most the flush_timeout_ms of the config later. Until then messages still arrive. As
    /// SOE_DISCONNECT_NOW where the session is not connected yet.
    SOE_DISCONNECT_FLUSH = 1,
    /// At once, and the peer is not told.
    SOE_DISCONNECT_SILENT = 2,
}

/// The value of members of soe_accept_options that the host leaves to the config.
#[repr(C)]
pub enum soe_accept_default {
    /// As the config says.
    SOE_ACCEPT_DEFAULT = -1,
}

/// The value of members of soe_session_info that were not measured yet.
#[repr(C)]
pub enum soe_unknown {
    /// Not known yet.
    SOE_UNKNOWN = -1,
}

/// Choices for one connect. Growable: let soe_connect_options_init fill it, or zero it and set struct_size; both mean all defaults.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct soe_connect_options {
    /// sizeof(soe_connect_options)
    pub struct_size: u32,
    /// The session id on the wire; 0: a random one.
    pub session_id_on_wire: u32,
    /// The name to send, at most 255 bytes, none of them zero. NULL: the config's.
    pub application_protocol: *const c_char,
    /// Bytes of it, without a NUL.
    pub application_protocol_len: u32,
    /// When to give up; 0: after the connect_timeout_ms of the config.
    pub timeout_ms: u32,
    /// The session's user data.
    pub user_data: u64,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<soe_connect_options>() == 32);

// SAFETY: repr(C), struct_size first, integers and a raw pointer only.
unsafe impl Growable for soe_connect_options {
    const POINTERS: &'static [usize] = &[offset_of!(soe_connect_options, application_protocol)];
    const U64S: &'static [usize] = &[offset_of!(soe_connect_options, user_data)];
}

impl soe_connect_options {
    const DEFAULT: soe_connect_options = soe_connect_options {
        struct_size: size_of::<soe_connect_options>() as u32,
        session_id_on_wire: 0,
        application_protocol: ptr::null(),
        application_protocol_len: 0,
        timeout_ms: 0,
        user_data: 0,
    };

    /// # Safety
    /// By the rules of the header, for the name.
    unsafe fn options(&self) -> Answer<ConnectOptions> {
        Ok(ConnectOptions {
            session_id_on_wire: self.session_id_on_wire,
            // SAFETY: as asked of our caller.
            application_protocol: unsafe { name(self.application_protocol, self.application_protocol_len)? },
            user_data: self.user_data,
            timeout_ms: self.timeout_ms,
        })
    }
}

/// Choices for one accept. Growable: let soe_accept_options_init fill it, then change what you want otherwise.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct soe_accept_options {
    /// sizeof(soe_accept_options)
    pub struct_size: u32,
    /// 0.
    pub flags: u32,
    /// The session's user data, in place of what soe_session_set_user_data may have set.
    pub user_data: u64,
    /// SOE_PASS_*, or SOE_ACCEPT_DEFAULT in both: the passes of this session.
    pub pass0: i32,
    /// SOE_PASS_*, or SOE_ACCEPT_DEFAULT in both.
    pub pass1: i32,
    /// Bytes of CRC, 0..4, or SOE_ACCEPT_DEFAULT.
    pub crc_length: i32,
    /// Bytes at cipher_key: 1..256.
    pub cipher_key_len: u32,
    /// RC4 both ways from the first message, copied. NULL with a length of 0: as the config says.
    pub cipher_key: *const u8,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<soe_accept_options>() == 40);

// SAFETY: repr(C), struct_size first, integers and a raw pointer only.
unsafe impl Growable for soe_accept_options {
    const POINTERS: &'static [usize] = &[offset_of!(soe_accept_options, cipher_key)];
    const U64S: &'static [usize] = &[offset_of!(soe_accept_options, user_data)];
}

impl soe_accept_options {
    const DEFAULT: soe_accept_options = soe_accept_options {
        struct_size: size_of::<soe_accept_options>() as u32,
        flags: 0,
        user_data: 0,
        pass0: soe_accept_default::SOE_ACCEPT_DEFAULT as i32,
        pass1: soe_accept_default::SOE_ACCEPT_DEFAULT as i32,
        crc_length: soe_accept_default::SOE_ACCEPT_DEFAULT as i32,
        cipher_key_len: 0,
        cipher_key: ptr::null(),
    };

    /// # Safety
    /// By the rules of the header, for the key.
    unsafe fn options(&self) -> Answer<AcceptOptions> {
        const DEFAULT: i32 = soe_accept_default::SOE_ACCEPT_DEFAULT as i32;
        if self.flags != 0 {
            return Err(SOE_ERR_UNSUPPORTED);
        }
        let passes = match (self.pass0, self.pass1) {
            (DEFAULT, DEFAULT) => None,
            (first, second) => Some([pass(first as u32)?, pass(second as u32)?]),
        };
        let crc_length = match self.crc_length {
            DEFAULT => None,
            length => Some(u8::try_from(length).or(Err(SOE_ERR_INVALID_ARGUMENT))?),
        };
        // SAFETY: as asked of our caller.
        let cipher_key = unsafe { cipher::key(self.cipher_key, self.cipher_key_len)? };
        Ok(AcceptOptions { user_data: Some(self.user_data), passes, crc_length, cipher_key })
    }
}

/// What is known of a session. Growable: zero it and set struct_size before the call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct soe_session_info {
    /// sizeof(soe_session_info)
    pub struct_size: u32,
    /// SOE_SESSION_*
    pub state: u32,
    /// Where the peer is.
    pub addr: soe_addr,
    /// As the host set it.
    pub user_data: u64,
    /// 1: this side connected; 0: the peer did.
    pub is_client: u32,
    /// The session id that both sides use on the wire.
    pub session_id_on_wire: u32,
    /// The CRC seed that the server chose; 0 before the SessionResponse.
    pub crc_seed: u32,
    /// Bytes of CRC behind each datagram.
    pub crc_length: u32,
    /// The protocol version.
    pub protocol_version: u32,
    /// The longest datagram that either side may send.
    pub udp_length: u32,
    /// SOE_PASS_*
    pub pass0: u32,
    /// SOE_PASS_*
    pub pass1: u32,
    /// The smoothed round-trip time in microseconds, or SOE_UNKNOWN.
    pub rtt_us: i32,
    /// Its mean deviation in microseconds, or SOE_UNKNOWN.
    pub rtt_deviation_us: i32,
    /// How many of a million datagrams that we sent were lost, or SOE_UNKNOWN before the first NetStatus.
    pub loss_sent_ppm: i32,
    /// How many of a million datagrams that the peer sent were lost, or SOE_UNKNOWN before the first NetStatus.
    pub loss_received_ppm: i32,
    /// Bytes of the reliable packets that are queued, from the oldest unacknowledged one on: the messages, with the opcodes, sequences and lengths around them.
    pub queued_bytes: u64,
    /// Bytes of application_protocol, without the NUL: 0..255.
    pub application_protocol_len: u32,
    /// 0.
    pub reserved: u32,
    /// The name that the client sent, with a NUL behind it.
    pub application_protocol: [c_char; 256],
}

#[cfg(target_pointer_width = "64")]
const _: () = {
    assert!(offset_of!(soe_session_info, user_data) == 32);
    assert!(offset_of!(soe_session_info, queued_bytes) == 88);
    assert!(size_of::<soe_session_info>() == 360);
};

// SAFETY: repr(C), struct_size first, integers only.
unsafe impl Growable for soe_session_info {}

impl From<&SessionInfo> for soe_session_info {
    fn from(info: &SessionInfo) -> Self {
        let measured = |value: Option<u32>| {
            value.map_or(soe_unknown::SOE_UNKNOWN as i32, |value| i32::try_from(value).unwrap_or(i32::MAX)) // 35 minutes, for a round trip
        };
        let mut application_protocol = [0; 256];
        let name = info.application_protocol.iter().take(255);
        let application_protocol_len = name.len() as u32;
        application_protocol.iter_mut().zip(name).for_each(|(to, from)| *to = *from as c_char);
        soe_session_info {
            struct_size: 0,
            state: info.state as u32,
            addr: info.address.into(),
            user_data: info.user_data,
            is_client: info.is_client.into(),
            session_id_on_wire: info.session_id_on_wire,
            crc_seed: info.crc_seed,
            crc_length: info.crc_length.into(),
            protocol_version: info.protocol_version,
            udp_length: info.udp_length,
            pass0: info.passes[0] as u32,
            pass1: info.passes[1] as u32,
            rtt_us: measured(info.rtt_us),
            rtt_deviation_us: measured(info.rtt_us.map(|_| info.rtt_deviation_us)),
            loss_sent_ppm: measured(info.loss_sent_ppm),
            loss_received_ppm: measured(info.loss_received_ppm),
            queued_bytes: info.queued_bytes,
            application_protocol_len,
            reserved: 0,
            application_protocol,
        }
    }
}

/// The session that a host names.
#[inline]
fn session(id: soe_session_id) -> Answer<SessionId> {
    if id == 0 { Err(SOE_ERR_STALE_SESSION) } else { Ok(SessionId::from_raw(id)) }
}

/// Fills options with the defaults, and sets struct_size.
///
/// - options: what to fill; what is in it before does not matter.
/// - struct_size: sizeof(soe_connect_options), 8..4096.
///
/// Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED, SOE_ERR_STRUCT_SIZE.
/// Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn soe_connect_options_init(options: *mut soe_connect_options, struct_size: usize) -> soe_status {
    // SAFETY: by the rules of the header, for the size that the host names.
    status(unsafe { init_growable(options, struct_size, &soe_connect_options::DEFAULT) })
}

/// Fills options with the defaults, which leave everything to the config, and sets struct_size.
///
/// - options: what to fill; what is in it before does not matter.
/// - struct_size: sizeof(soe_accept_options), 8..4096.
///
/// Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED, SOE_ERR_STRUCT_SIZE.
/// Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn soe_accept_options_init(options: *mut soe_accept_options, struct_size: usize) -> soe_status {
    // SAFETY: by the rules of the header, for the size that the host names.
    status(unsafe { init_growable(options, struct_size, &soe_accept_options::DEFAULT) })
}

/// Opens a session as a client. SOE_EVENT_CONNECTED tells when it is open, SOE_EVENT_DISCONNECTED with SOE_REASON_CONNECT_FAIL that nobody
/// answered. A server that refuses, is full, or speaks another version or application protocol answers first: SOE_EVENT_CONNECTED comes, and
/// then SOE_EVENT_DISCONNECTED by SOE_ENDED_BY_PEER with SOE_REASON_CONNECTION_REFUSED or SOE_REASON_PROTOCOL_MISMATCH.
///
/// - now_us: the host's clock.
/// - to: the server.
/// - options: read during the call only; NULL: all defaults.
/// - out_session: takes the session's id, valid at once for all but sending.
///
/// Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED, SOE_ERR_STRUCT_SIZE; SOE_ERR_INVALID_ARGUMENT: the family of the address, a port of 0
/// (unless opaque), or an application protocol of more than 255 bytes or with a zero; SOE_ERR_STATE: the address has a session; SOE_ERR_LIMIT:
/// there are max_sessions, with those whose SOE_EVENT_DISCONNECTED was not handed out yet; SOE_ERR_BUSY, SOE_ERR_PANIC, SOE_ERR_POISONED.
/// Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn soe_mux_connect(
    mux: *mut soe_mux,
    now_us: u64,
    to: *const soe_addr,
    options: *const soe_connect_options,
    out_session: *mut soe_session_id,
) -> soe_status {
    // SAFETY: by the rules of the header.
    status(unsafe {
        soe_mux::enter(mux, |inner| {
            let to = read(to)?.address()?;
            present(out_session)?;
            let options = if options.is_null() {
                ConnectOptions::default()
            } else {
                read_growable(options, soe_connect_options::DEFAULT)?.options()?
            };
            out_session.write(inner.mux.connect(now_us, &to, &options)?.get());
            Ok(())
        })
    })
}

/// Accepts a SOE_EVENT_CONNECT_REQUEST. To refuse it: soe_session_disconnect with SOE_REASON_CONNECTION_REFUSED.
///
/// The session is not open yet: SOE_EVENT_CONNECTED follows with the client's first datagram (with SOE_CONFIG_CONNECTED_AT_REQUEST: at once), or
/// SOE_EVENT_DISCONNECTED by SOE_ENDED_BY_LIBRARY, with SOE_REASON_CONNECT_FAIL where none comes, and SOE_REASON_CONNECTION_REFUSED where there
/// were max_sessions by then.
///
/// - now_us: the host's clock.
/// - session: the event's.
/// - options: read during the call only; NULL: all defaults, and the user data stays as it was set.
///
/// Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED, SOE_ERR_STRUCT_SIZE, SOE_ERR_STALE_SESSION; SOE_ERR_STATE: it does not wait for this;
/// SOE_ERR_INVALID_ARGUMENT: a value outside its range; SOE_ERR_UNSUPPORTED: a flag that this version does not support; SOE_ERR_LIMIT: there are
/// max_sessions; SOE_ERR_BUSY, SOE_ERR_PANIC, SOE_ERR_POISONED.
/// Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn soe_session_accept(
    mux: *mut soe_mux,
    now_us: u64,
    session: soe_session_id,
    options: *const soe_accept_options,
) -> soe_status {
    // SAFETY: by the rules of the header.
    status(unsafe {
        soe_mux::enter(mux, |inner| {
            let session = self::session(session)?;
            let options = if options.is_null() {
                AcceptOptions::default()
            } else {
                read_growable(options, soe_accept_options::DEFAULT)?.options()?
            };
            Ok(inner.mux.accept(now_us, session, &options)?)
        })
    })
}

/// The longest message that any config allows.
const MAX_MESSAGE: usize = 1 << 30;

/// Sends a message. It is copied, and leaves with the next drain. SOE_OK means that it is queued; on a reliable channel it arrives, or the
/// session ends.
///
/// - session: a connected one.
/// - channel: SOE_CHANNEL_*
/// - data, len: the message, read during the call only; it may be memory that the mux lent. At least 1 byte (though messages of 0 bytes may
///   arrive), at most max_message.
///
/// Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED, SOE_ERR_STALE_SESSION; SOE_ERR_INVALID_ARGUMENT: no such channel, or 0 bytes;
/// SOE_ERR_STATE: not connected yet, or not any more: being flushed, or its SOE_EVENT_DISCONNECTED waits, or stands further down among the
/// events being read; SOE_ERR_TOO_LARGE: longer than max_message, or in as many packets as a peer of so small a UDP length needs more than
/// max_session_memory; SOE_ERR_WOULD_BLOCK: the send queue is full, SOE_EVENT_WRITABLE follows; SOE_ERR_NO_MEMORY: for a message this long;
/// SOE_ERR_BUSY, SOE_ERR_PANIC, SOE_ERR_POISONED.
/// Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn soe_session_send(
    mux: *mut soe_mux,
    session: soe_session_id,
    channel: u32,
    data: *const u8,
    len: usize,
) -> soe_status {
    // SAFETY: by the rules of the header.
    status(unsafe {
        soe_mux::enter(mux, |inner| {
            let session = self::session(session)?;
            let channel = Channel::try_from(channel)?;
            if len > MAX_MESSAGE {
                return Err(SOE_ERR_TOO_LARGE);
            }
            Ok(inner.mux.send(session, channel, bytes(data, len)?)?)
        })
    })
}

/// Ends a session, or refuses a SOE_EVENT_CONNECT_REQUEST. SOE_EVENT_DISCONNECTED follows, after the messages that had arrived.
///
/// A session that is being flushed (SOE_DISCONNECT_FLUSH) still hands out messages that arrive, and sends no more; SOE_DISCONNECT_NOW and
/// SOE_DISCONNECT_SILENT end it at once. This call has no clock: flush_timeout_ms counts from the next tick or drain of datagrams.
///
/// - reason: SOE_REASON_*, or any number up to 65535, which the peer learns.
/// - flags: SOE_DISCONNECT_NOW, SOE_DISCONNECT_FLUSH or SOE_DISCONNECT_SILENT.
///
/// Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED, SOE_ERR_STALE_SESSION; SOE_ERR_INVALID_ARGUMENT: reason or flags; SOE_ERR_STATE: it ended
/// already, and its SOE_EVENT_DISCONNECTED waits or is among the events being read, or it is being flushed and should be again; SOE_ERR_BUSY,
/// SOE_ERR_PANIC, SOE_ERR_POISONED.
/// Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn soe_session_disconnect(mux: *mut soe_mux, session: soe_session_id, reason: u32, flags: u32) -> soe_status {
    // SAFETY: by the rules of the header.
    status(unsafe {
        soe_mux::enter(mux, |inner| {
            let session = self::session(session)?;
            let reason = u16::try_from(reason).or(Err(SOE_ERR_INVALID_ARGUMENT))?;
            let how = match flags {
                0 => Disconnect::Now,
                1 => Disconnect::Flush,
                2 => Disconnect::Silent,
                _ => return Err(SOE_ERR_INVALID_ARGUMENT),
            };
            Ok(inner.mux.disconnect(session, reason, how)?)
        })
    })
}

/// Sets or ends the RC4 of a session. Sending changes with the next soe_session_send; receiving with the next message that
/// soe_mux_drain_events hands out, for which SOE_CONFIG_CIPHER_BY_HOST makes sure that it was not handed out already. RC4 hides messages from a
/// passing glance, and protects nothing.
///
/// - cipher: read during the call only; the key is copied.
///
/// Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED, SOE_ERR_STRUCT_SIZE, SOE_ERR_STALE_SESSION; SOE_ERR_INVALID_ARGUMENT: direction, scope,
/// key_len, a drop above 65536, or a reserved other than 0; SOE_ERR_STATE: not connected yet, or a connect request that is over; SOE_ERR_BUSY,
/// SOE_ERR_PANIC, SOE_ERR_POISONED.
/// Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn soe_session_set_cipher(mux: *mut soe_mux, session: soe_session_id, cipher: *const soe_cipher) -> soe_status {
    // SAFETY: by the rules of the header.
    status(unsafe {
        soe_mux::enter(mux, |inner| {
            let session = self::session(session)?;
            let cipher = read_growable(cipher, soe_cipher::NONE)?.cipher()?;
            Ok(inner.mux.set_cipher(session, &cipher)?)
        })
    })
}

/// Sets the number that later events of the session carry; the library gives it no meaning.
///
/// Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED, SOE_ERR_STALE_SESSION; SOE_ERR_STATE: a connect request that is over; SOE_ERR_BUSY,
/// SOE_ERR_PANIC, SOE_ERR_POISONED.
/// Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn soe_session_set_user_data(mux: *mut soe_mux, session: soe_session_id, user_data: u64) -> soe_status {
    // SAFETY: by the rules of the header.
    status(unsafe { soe_mux::enter(mux, |inner| Ok(inner.mux.set_user_data(self::session(session)?, user_data)?)) })
}

/// What is known of a session.
///
/// - out: filled as far as its struct_size goes.
///
/// Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED, SOE_ERR_STRUCT_SIZE, SOE_ERR_STALE_SESSION; SOE_ERR_STATE: a connect request that is over;
/// SOE_ERR_BUSY, SOE_ERR_PANIC, SOE_ERR_POISONED.
/// Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn soe_session_get_info(mux: *const soe_mux, session: soe_session_id, out: *mut soe_session_info) -> soe_status {
    // SAFETY: by the rules of the header.
    status(unsafe {
        soe_mux::enter(mux, |inner| {
            present(out)?;
            write_growable(out, &soe_session_info::from(&inner.mux.info(self::session(session)?)?))
        })
    })
}

/// The counters of a session.
///
/// - out: filled as far as its struct_size goes.
///
/// Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED, SOE_ERR_STRUCT_SIZE, SOE_ERR_STALE_SESSION; SOE_ERR_STATE: a connect request, which has none
/// yet; SOE_ERR_BUSY, SOE_ERR_PANIC, SOE_ERR_POISONED.
/// Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn soe_session_get_stats(mux: *const soe_mux, session: soe_session_id, out: *mut soe_stats) -> soe_status {
    // SAFETY: by the rules of the header.
    status(unsafe {
        soe_mux::enter(mux, |inner| {
            present(out)?;
            write_growable(out, &inner.mux.session_stats(self::session(session)?)?.into())
        })
    })
}
