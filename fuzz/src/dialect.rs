//! The settings that the first bytes of an input choose: a title's, and what differs from it.

use crate::input::Input;
use crate::mux::preset;
use crate::wire::Wire;
use soe::ffi::*;

/// The header of an input of `stranger` and `peer`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Head {
    /// SOE_PRESET_*, and bits of [`Head::CLIENT`] and so on above it.
    pub title: u8,
    /// SOE_CONFIG_*, but for the highest bits.
    pub flags: u8,
    /// The passes of the session, a digit of five each. What is not below 25: the title's.
    pub passes: u8,
    /// Bytes of CRC. What is not below 5: the title's.
    pub crc_length: u8,
}

/// The multiplexer is the client.
pub const CLIENT: u8 = 0x80;
/// It has little room for everything.
pub const NARROW: u8 = 0x40;
/// It sends copies.
pub const REDUNDANT: u8 = 0x20;
/// Messages are enciphered.
pub const CIPHER: u8 = 0x10;
/// A bit of `flags` beside those of the config: what is reliable goes unacknowledged in time.
pub const IMPATIENT: u8 = 0x80;
/// Another: small packets of all kinds share datagrams.
pub const MULTI_RAW: u8 = 0x40;

const KEY: &[u8] = b"the key of all targets";
/// That of the recordings, so that their names fit.
pub const NAME: &[u8] = b"SoePingPong";
/// Sessions of the same seed are sealed alike in every run.
pub const SEED: u32 = 0x50E5_EED5;
const TITLES: u8 = 9;

impl Head {
    pub fn read(input: &mut Input) -> Self {
        Head { title: input.byte(), flags: input.byte(), passes: input.byte(), crc_length: input.byte() }
    }

    pub fn bytes(&self) -> [u8; 4] {
        [self.title, self.flags, self.passes, self.crc_length]
    }

    pub fn is_client(&self) -> bool {
        self.title & CLIENT != 0
    }

    /// What both targets start from. Few sessions, so that there is not room for all addresses.
    pub fn config(&self) -> soe_config {
        let mut config = preset(u32::from((self.title & 0x0F) % TITLES));
        config.rng_seed = 0x50E;
        config.flags |= u32::from(self.flags & 0x1F);
        (config.max_sessions, config.max_half_open) = (3, 3);
        config.max_message = 1 << 20;
        // How hard it tries changes no branch of the library, and takes most of the time.
        config.compression_level = 1;
        if self.passes < 25 {
            (config.pass0, config.pass1) = (u32::from(self.passes % 5), u32::from(self.passes / 5));
        }
        if self.crc_length < 5 {
            config.crc_length = self.crc_length.into();
        }
        if self.title & NARROW != 0 {
            (config.receive_window, config.send_window) = (32, 4);
            (config.max_queued_events, config.max_queued_bytes) = (6, 4000);
            (config.send_queue_bytes, config.max_message, config.max_inflated) = (1, 3000, 600);
        }
        if self.title & REDUNDANT != 0 {
            config.redundancy = 3;
        }
        if self.title & CIPHER != 0 {
            (config.cipher_key, config.cipher_key_len) = (KEY.as_ptr(), KEY.len() as u32);
        }
        if self.flags & IMPATIENT != 0 {
            (config.unacknowledged_timeout_ms, config.net_status_ms) = (10_000, 5_000);
        }
        if self.flags & MULTI_RAW != 0 {
            config.multi_raw = 1;
        }
        config
    }
}

/// How sessions of this config are sealed that it answers, but for their seed.
pub fn wire(config: &soe_config) -> Wire {
    Wire {
        seed: SEED,
        crc_length: config.crc_length as u8,
        passes: [config.pass0 as u8, config.pass1 as u8],
        compression_flag: config.compression_flag,
        covers_raw: config.passes_cover_raw != 0,
    }
}
