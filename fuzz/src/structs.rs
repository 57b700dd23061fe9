//! Growable structs of arbitrary size and content. Each lies in memory of exactly the size that it claims; what it points at has the length that it says.
//!
//! Input: calls, each with the size, the way to fill the struct, and its content.

use crate::input::Input;
use crate::mux::{Mux, UNTOUCHED, answered, preset, v4};
use crate::wire;
use soe::ffi::soe_status_code::*;
use soe::ffi::*;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::mem::{offset_of, take};
use std::ptr::{self, NonNull};

/// The first byte of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Call {
    ConfigInit = 0,
    ConnectOptionsInit,
    AcceptOptionsInit,
    Create,
    Connect,
    Accept,
    SetCipher,
    GetInfo,
    GetStats,
    MuxStats,
}

const CALLS: [Call; 10] = [
    Call::ConfigInit,
    Call::ConnectOptionsInit,
    Call::AcceptOptionsInit,
    Call::Create,
    Call::Connect,
    Call::Accept,
    Call::SetCipher,
    Call::GetInfo,
    Call::GetStats,
    Call::MuxStats,
];

/// The second byte: the struct starts from what its init function makes, else from zeros.
pub const DEFAULTS: u8 = 0x01;
/// Its content is a list of words to set and what to set them to; else the bytes from its front on.
pub const PATCHES: u8 = 0x02;
/// What stands behind it in the input fills its tail, which should be zero.
pub const TAIL: u8 = 0x04;
/// Its pointers are NULL whatever its lengths say.
pub const NULLS: u8 = 0x08;

const MOST_CALLS: usize = 24;
/// Above it no struct is followed into memory, so that there need be none.
const LARGEST: usize = 4096;
const NOW: u64 = 1_000_000;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut host = Host::new();
    for _ in 0..MOST_CALLS {
        if input.is_empty() {
            break;
        }
        host.call(&mut input);
    }
}

/// Memory of exactly one size, aligned as structs with pointers and longs are.
struct Exact {
    memory: NonNull<u8>,
    layout: Layout,
}

impl Exact {
    fn new(len: usize, fill: u8) -> Self {
        let layout = Layout::from_size_align(len.max(4), 8).expect("a small size");
        // SAFETY: not of size 0.
        let Some(memory) = NonNull::new(unsafe { alloc(layout) }) else { handle_alloc_error(layout) };
        // SAFETY: as long as the layout says.
        unsafe { memory.write_bytes(fill, layout.size()) };
        Exact { memory, layout }
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: as long as the layout says, all of it written.
        unsafe { std::slice::from_raw_parts(self.memory.as_ptr(), self.layout.size()) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: the same, and borrowed from what owns it.
        unsafe { std::slice::from_raw_parts_mut(self.memory.as_ptr(), self.layout.size()) }
    }

    fn pointer<T>(&self) -> *mut T {
        self.memory.as_ptr().cast()
    }
}

impl Drop for Exact {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout.
        unsafe { dealloc(self.memory.as_ptr(), self.layout) };
    }
}

/// A pointer inside a struct and the length that belongs to it, as offsets.
type Pointing = (usize, usize);

/// A struct of the host's, and the memory that it points at.
struct Given {
    body: Exact,
    _memory: Vec<Exact>,
    before: Vec<u8>,
}

impl Given {
    /// `whole`: the struct as this version knows it, before the input changes it.
    fn read(input: &mut Input, how: u8, size: usize, whole: &[u8], pointings: &[Pointing]) -> Given {
        let mut body = Exact::new(if size > LARGEST { 8 } else { size }, 0);
        let bytes = body.bytes_mut();
        let known = whole.len().min(bytes.len());
        if how & DEFAULTS != 0 {
            bytes[..known].copy_from_slice(&whole[..known]);
        }
        if how & PATCHES != 0 {
            for _ in 0..input.byte() % 16 {
                let (word, value) = (usize::from(input.byte()) * 4 % known.max(4), input.long().to_le_bytes());
                let at = word..(word + 4).min(bytes.len());
                let len = at.len();
                bytes[at].copy_from_slice(&value[..len]);
            }
        } else {
            let content = input.bytes(known);
            bytes[..content.len()].copy_from_slice(content);
        }
        if how & TAIL != 0 {
            let tail = input.bytes(usize::from(how >> 4)).to_vec();
            let end = bytes.len();
            let room = end.saturating_sub(known).min(tail.len());
            bytes[end - room..].copy_from_slice(&tail[..room]);
        }
        let mut memory = vec![];
        for &(pointer, len) in pointings {
            let at = pointer..pointer + size_of::<usize>();
            // One that the size cuts in two is not there, whatever its first bytes are.
            let Some(place) = bytes.get(at.clone()) else { continue };
            let wanted = how & NULLS == 0 && place.iter().any(|byte| *byte != 0);
            // A length that the struct is too short for is 0.
            let len = bytes.get(len..len + 4).map_or(0, |len| u32::from_le_bytes([len[0], len[1], len[2], len[3]]));
            let target = Exact::new((len as usize).min(LARGEST), b'n');
            let address = if wanted { target.memory.as_ptr().expose_provenance() } else { 0 };
            bytes[at].copy_from_slice(&address.to_ne_bytes());
            memory.push(target);
        }
        bytes[..4].copy_from_slice(&(size as u32).to_le_bytes());
        let before = bytes.to_vec();
        Given { body, _memory: memory, before }
    }

    fn assert_unchanged(&self) {
        assert!(self.body.bytes() == self.before, "a struct of the host's that is only read was written");
    }
}

/// The bytes of a struct.
///
/// # Safety
/// It has no padding.
unsafe fn bytes_of<T>(value: &T) -> Vec<u8> {
    // SAFETY: as long as the type, all of it initialized.
    unsafe { std::slice::from_raw_parts(ptr::from_ref(value).cast::<u8>(), size_of::<T>()) }.to_vec()
}

fn is_a_size(size: usize) -> bool {
    (8..=LARGEST).contains(&size)
}

/// A multiplexer with an open session and with a request that waits, made anew when they are used up.
struct Host {
    mux: Mux,
    open: soe_session_id,
    asking: soe_session_id,
    /// So that each request comes from an address of its own.
    clients: u16,
    defaults: [Vec<u8>; 2],
}

impl Host {
    fn new() -> Host {
        let mut config = preset(0);
        (config.rng_seed, config.crc_length) = (0x50E, 0);
        config.flags = soe_config_flag::SOE_CONFIG_MANUAL_ACCEPT as u32 | soe_config_flag::SOE_CONFIG_CONNECTED_AT_REQUEST as u32;
        // SAFETY: it points at nothing.
        let mux = unsafe { Mux::create(&config, 0) }.expect("a good config");
        let mut defaults = [size_of::<soe_connect_options>(), size_of::<soe_accept_options>()].map(|size| Exact::new(size, 0));
        // SAFETY: as much memory as is named.
        unsafe {
            let [connect, accept] = &mut defaults;
            answered(soe_connect_options_init(connect.pointer(), connect.layout.size()), &[]);
            answered(soe_accept_options_init(accept.pointer(), accept.layout.size()), &[]);
        }
        let mut host = Host { mux, open: 0, asking: 0, clients: 0, defaults: defaults.map(|exact| exact.bytes().to_vec()) };
        host.open = host.ask();
        // SAFETY: no options.
        unsafe { host.mux.accept(NOW, host.open, ptr::null()) };
        host.mux.drain_all_events();
        host.asking = host.ask();
        host
    }

    /// A client's request; the id under which it waits.
    fn ask(&mut self) -> soe_session_id {
        self.clients += 1;
        let request = wire::request(3, self.clients.into(), 512, Some(b"name"));
        self.mux.feed(NOW, &v4(3, 1000 + self.clients), &request);
        self.mux.drain_all(NOW);
        self.mux.drain_all_events().iter().map(|event| event.session).next_back().unwrap_or_default()
    }

    fn call(&mut self, input: &mut Input) {
        let (call, how, size) = (CALLS[usize::from(input.byte()) % CALLS.len()], input.byte(), usize::from(input.word()));
        let session = if how & 0x10 == 0 { self.open } else { self.asking };
        match call {
            Call::ConfigInit => {
                let preset = u32::from(input.byte());
                // SAFETY: as much memory as is named.
                filled(size, how, |config, size| unsafe { soe_config_init(config, size, preset) });
            }
            // SAFETY: as much memory as is named.
            Call::ConnectOptionsInit => filled(size, how, |options, size| unsafe { soe_connect_options_init(options, size) }),
            // SAFETY: as much memory as is named.
            Call::AcceptOptionsInit => filled(size, how, |options, size| unsafe { soe_accept_options_init(options, size) }),
            Call::Create => {
                let mut whole = preset(u32::from(how >> 4) % 9);
                whole.rng_seed = 0x50E;
                // SAFETY: no padding.
                let whole = unsafe { bytes_of(&whole) };
                let pointings = [
                    (offset_of!(soe_config, application_protocol), offset_of!(soe_config, application_protocol_len)),
                    (offset_of!(soe_config, cipher_key), offset_of!(soe_config, cipher_key_len)),
                ];
                let given = Given::read(input, how, size, &whole, &pointings);
                create(&given);
            }
            Call::Connect => {
                let whole = take(&mut self.defaults[0]);
                let pointings =
                    [(offset_of!(soe_connect_options, application_protocol), offset_of!(soe_connect_options, application_protocol_len))];
                let given = Given::read(input, how, size, &whole, &pointings);
                self.defaults[0] = whole;
                self.clients += 1;
                // SAFETY: as much memory as the struct says, and what it points at.
                let _ = unsafe { self.mux.connect(NOW, &v4(4, 1000 + self.clients), given.body.pointer()) };
                given.assert_unchanged();
            }
            Call::Accept => {
                let whole = take(&mut self.defaults[1]);
                let pointings = [(offset_of!(soe_accept_options, cipher_key), offset_of!(soe_accept_options, cipher_key_len))];
                let given = Given::read(input, how, size, &whole, &pointings);
                self.defaults[1] = whole;
                // SAFETY: as much memory as the struct says, and what it points at.
                if unsafe { self.mux.accept(NOW, self.asking, given.body.pointer()) } == SOE_OK as i32 {
                    self.asking = self.ask();
                }
                given.assert_unchanged();
            }
            Call::SetCipher => {
                let whole = [0; size_of::<soe_cipher>()];
                let given = Given::read(input, how, size, &whole, &[(offset_of!(soe_cipher, key), offset_of!(soe_cipher, key_len))]);
                // SAFETY: as much memory as the struct says, and what it points at.
                unsafe { self.mux.set_cipher(session, given.body.pointer()) };
                given.assert_unchanged();
            }
            Call::GetInfo => {
                let mux = self.mux.handle();
                // SAFETY: a mux, and as much memory as the struct says.
                written(size, how, &[SOE_ERR_STRUCT_SIZE, SOE_ERR_STATE], |info| unsafe { soe_session_get_info(mux, session, info) });
            }
            Call::GetStats => {
                let mux = self.mux.handle();
                // SAFETY: a mux, and as much memory as the struct says.
                written(size, how, &[SOE_ERR_STRUCT_SIZE, SOE_ERR_STATE], |stats| unsafe { soe_session_get_stats(mux, session, stats) });
            }
            Call::MuxStats => {
                let mux = self.mux.handle();
                // SAFETY: a mux, and as much memory as the struct says.
                written(size, how, &[SOE_ERR_STRUCT_SIZE], |stats| unsafe { soe_mux_get_stats(mux, stats) });
            }
        }
    }
}

fn create(given: &Given) {
    let mut mux = ptr::without_provenance_mut(UNTOUCHED as usize);
    // SAFETY: as much memory as the struct says, and what it points at.
    let status = unsafe { soe_mux_create(given.body.pointer(), 0, &mut mux) };
    given.assert_unchanged();
    let may = [SOE_ERR_NULL, SOE_ERR_STRUCT_SIZE, SOE_ERR_INVALID_ARGUMENT, SOE_ERR_UNSUPPORTED];
    if answered(status, &may) == SOE_OK as i32 {
        // SAFETY: just made.
        unsafe { soe_mux_free(mux) };
    } else {
        assert_eq!(mux.addr(), UNTOUCHED as usize, "a failure wrote the handle");
    }
}

/// A struct that an init function fills: all of it, and its size first.
fn filled<T>(size: usize, how: u8, init: impl Fn(*mut T, usize) -> soe_status) {
    let body = Exact::new(if size > LARGEST { 8 } else { size }, how);
    let before = body.bytes().to_vec();
    let status = answered(init(body.pointer(), size), &[SOE_ERR_STRUCT_SIZE, SOE_ERR_INVALID_ARGUMENT]);
    compare(&body, &before, size, size_of::<T>(), status);
}

/// A struct that a function fills as far as the size in it goes.
fn written<T>(size: usize, how: u8, may: &[soe_status_code], get: impl Fn(*mut T) -> soe_status) {
    let mut body = Exact::new(if size > LARGEST { 8 } else { size }, how);
    body.bytes_mut()[..4].copy_from_slice(&(size as u32).to_le_bytes());
    let before = body.bytes().to_vec();
    let status = answered(get(body.pointer()), may);
    compare(&body, &before, size, size_of::<T>(), status);
}

fn compare(body: &Exact, before: &[u8], size: usize, known: usize, status: soe_status) {
    if status != SOE_OK as i32 {
        assert!(body.bytes() == before, "a failure wrote an out struct");
        return;
    }
    assert!(is_a_size(size), "a size of {size} was taken");
    assert_eq!(body.bytes()[..4], (size as u32).to_le_bytes(), "struct_size");
    let tail = body.bytes().get(known..).unwrap_or_default();
    assert!(tail.iter().all(|byte| *byte == 0), "what this version does not know is zero");
}
