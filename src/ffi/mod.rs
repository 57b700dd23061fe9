//! The C ABI, one file per noun of `include/soe.h`: a thin layer over [`crate::Multiplexer`] that checks pointers, translates records and
//! keeps panics in. The header is made from the documentation here, which is therefore written for readers of C.
//!
//! All `unsafe` of the crate is in this directory. What it relies on is what the header asks of hosts: a pointer that is neither NULL nor
//! misaligned points to as much memory as its type, count or length says, and nobody else writes to it during the call. Every SAFETY comment
//! that says "by the rules of the header" means that sentence.

#![allow(non_camel_case_types)] // names are the same in C and here
#![allow(clippy::missing_safety_doc)] // the rules at the top of the header hold for every function
#![warn(clippy::undocumented_unsafe_blocks)]

mod address;
mod cipher;
mod config;
mod datagram;
mod event;
mod guard;
mod mux;
mod pointer;
mod session;
mod stats;
mod status;

pub use address::{soe_addr, soe_family};
pub use cipher::{soe_cipher, soe_cipher_direction, soe_cipher_scope};
pub use config::{
    soe_bundles, soe_compression_flag, soe_config, soe_config_flag, soe_config_init, soe_congestion, soe_crc_seed_mode, soe_pass,
    soe_preset, soe_probe, soe_role,
};
pub use datagram::soe_datagram;
pub use event::{soe_channel, soe_ended_by, soe_event, soe_event_kind, soe_reason};
pub use mux::{
    soe_mux, soe_mux_create, soe_mux_drain_events, soe_mux_drain_outgoing, soe_mux_drain_outgoing_into, soe_mux_feed, soe_mux_feed_batch,
    soe_mux_find, soe_mux_free, soe_mux_get_stats, soe_mux_next_deadline, soe_mux_tick, soe_mux_timeout_ms,
};
pub use session::{
    soe_accept_default, soe_accept_options, soe_accept_options_init, soe_connect_options, soe_connect_options_init, soe_disconnect_flag,
    soe_mux_connect, soe_session_accept, soe_session_disconnect, soe_session_get_info, soe_session_get_stats, soe_session_id,
    soe_session_info, soe_session_send, soe_session_set_cipher, soe_session_set_user_data, soe_session_state, soe_unknown,
};
pub use stats::soe_stats;
pub use status::{soe_abi, soe_abi_version, soe_status, soe_status_code, soe_status_string, soe_version_string};

/// What a call inside this module answers; the caller's mistakes have no other form than the status they become.
type Answer<T> = Result<T, soe_status_code>;
