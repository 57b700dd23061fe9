use super::Answer;
use super::config::one_of;
use super::pointer::{Growable, bytes};
use super::status::soe_status_code::SOE_ERR_INVALID_ARGUMENT;
use crate::{Cipher, Direction, Key, Scope};
use std::ptr;

/// Which way a cipher works.
#[repr(C)]
pub enum soe_cipher_direction {
    /// What the peer sends: from the next message on that soe_mux_drain_events hands out.
    SOE_CIPHER_RECEIVE = 1,
    /// What this side sends: from the next soe_session_send on.
    SOE_CIPHER_SEND = 2,
    /// Both, with a key stream each.
    SOE_CIPHER_BOTH = 3,
}

/// Which channels are ciphered, and which of them share one key stream. Unreliable messages never are.
#[repr(C)]
pub enum soe_cipher_scope {
    /// Each reliable channel has its own.
    SOE_CIPHER_PER_CHANNEL = 0,
    /// The reliable channels share one.
    SOE_CIPHER_RELIABLE = 1,
    /// The reliable and the ordered channels share one.
    SOE_CIPHER_RELIABLE_AND_ORDERED = 2,
}

/// RC4 for the messages of a session: see soe_session_set_cipher. Growable: zero it and set struct_size. Members that a shorter one lacks are
/// 0: a struct_size of 8 has no key, and means plain text.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct soe_cipher {
    /// sizeof(soe_cipher)
    pub struct_size: u32,
    /// SOE_CIPHER_RECEIVE, SOE_CIPHER_SEND or SOE_CIPHER_BOTH.
    pub direction: u32,
    /// Copied. NULL with a key_len of 0: plain text from here on.
    pub key: *const u8,
    /// 1..256
    pub key_len: u32,
    /// Bytes of key stream to discard first, at most 65536: 0 for most titles, 20 for EverQuest II.
    pub drop: u32,
    /// SOE_CIPHER_PER_CHANNEL, SOE_CIPHER_RELIABLE or SOE_CIPHER_RELIABLE_AND_ORDERED.
    pub scope: u32,
    /// 0: anything else is SOE_ERR_INVALID_ARGUMENT.
    pub reserved: u32,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<soe_cipher>() == 32);

// SAFETY: repr(C), struct_size first, integers and a raw pointer only.
unsafe impl Growable for soe_cipher {
    const POINTERS: &'static [usize] = &[std::mem::offset_of!(soe_cipher, key)];
}

impl soe_cipher {
    /// What members are that a host's struct does not have.
    pub(super) const NONE: soe_cipher =
        soe_cipher { struct_size: 0, direction: 0, key: ptr::null(), key_len: 0, drop: 0, scope: 0, reserved: 0 };

    /// # Safety
    /// By the rules of the header, for `key` and `key_len`.
    pub(super) unsafe fn cipher(&self) -> Answer<Cipher> {
        let direction = one_of([Direction::Receive, Direction::Send, Direction::Both], |direction| direction as u32, self.direction)?;
        let scope = scope(self.scope)?;
        // SAFETY: as asked of our caller.
        let key = unsafe { key(self.key, self.key_len)? };
        if self.reserved == 0 { Ok(Cipher { direction, key, drop: self.drop, scope }) } else { Err(SOE_ERR_INVALID_ARGUMENT) }
    }
}

/// SOE_CIPHER_*: which channels.
pub(super) fn scope(value: u32) -> Answer<Scope> {
    one_of([Scope::PerChannel, Scope::Reliable, Scope::ReliableAndOrdered], |scope| scope as u32, value)
}

/// A host's key; none for NULL with length 0.
///
/// # Safety
/// By the rules of the header.
pub(super) unsafe fn key(key: *const u8, len: u32) -> Answer<Option<Key>> {
    if key.is_null() && len == 0 {
        return Ok(None);
    }
    if len > 256 {
        return Err(SOE_ERR_INVALID_ARGUMENT);
    }
    // SAFETY: as asked of our caller; copied at once.
    Ok(Some(Key::new(unsafe { bytes(key, len as usize)? })?))
}
