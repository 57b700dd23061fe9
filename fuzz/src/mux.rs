//! A multiplexer as a careful host sees it: through the C ABI alone, with memory of exactly the lengths that it names, so that a byte read or written
//! beyond them is seen, and with an eye on what the header promises.

use soe::ffi::soe_status_code::*;
use soe::ffi::*;
use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::ptr;

/// Times above it count as this.
const LATEST: u64 = 1 << 53;
/// The longest datagram of a handshake.
const LONGEST_HANDSHAKE: usize = 270;
/// No status, no count: what out parameters hold before a call, and after one that failed.
pub const UNTOUCHED: u64 = 0xA5A5_A5A5_A5A5_A5A5;

/// The settings of a title. Panics where there is no such title.
pub fn preset(preset: u32) -> soe_config {
    let mut config = MaybeUninit::<soe_config>::uninit();
    // SAFETY: room for as many bytes as are named.
    let status = unsafe { soe_config_init(config.as_mut_ptr(), size_of::<soe_config>(), preset) };
    assert_eq!(status, SOE_OK as i32, "preset {preset}");
    // SAFETY: filled as far as its size goes.
    unsafe { config.assume_init() }
}

/// 10.0.0.`host`:`port`.
pub fn v4(host: u8, port: u16) -> soe_addr {
    let mut ip = [0; 16];
    ip[..4].copy_from_slice(&[10, 0, 0, host]);
    soe_addr { ip, port, family: soe_family::SOE_FAMILY_V4 as u8, ..soe_addr::default() }
}

/// Addresses are compared as the library does where all members are as it fills them.
pub fn same(a: &soe_addr, b: &soe_addr) -> bool {
    (a.ip, a.scope_id, a.port, a.family) == (b.ip, b.scope_id, b.port, b.family)
}

/// Zeros are a valid value of every growable struct: what "zero it and set struct_size" makes.
///
/// # Safety
/// `T` is a growable struct of the header.
pub unsafe fn zeroed<T>() -> T {
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: growable structs begin with their size; integers and pointers may be zero.
    unsafe {
        value.as_mut_ptr().cast::<u32>().write(size_of::<T>() as u32);
        value.assume_init()
    }
}

/// A call was answered with what its documentation lists, and never with a fault.
#[track_caller]
pub fn answered(status: soe_status, may: &[soe_status_code]) -> soe_status {
    assert!(status != SOE_ERR_PANIC as i32 && status != SOE_ERR_POISONED as i32, "the library panicked: {status}");
    assert!(status == SOE_OK as i32 || may.iter().any(|code| *code as i32 == status), "answered {status}, not one of {may:?}");
    status
}

fn checksum(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// Memory that the library lent, and what was in it.
struct Lent {
    data: *const u8,
    len: usize,
    checksum: u32,
}

impl Lent {
    /// # Safety
    /// Handed out by a drain function that was not called again since.
    unsafe fn new(data: *const u8, len: u32) -> (Self, Vec<u8>) {
        assert!(!data.is_null(), "lent memory is never NULL");
        // SAFETY: as asked of our caller; not NULL, for a length of 0 either.
        let bytes = unsafe { std::slice::from_raw_parts(data, len as usize) };
        (Lent { data, len: bytes.len(), checksum: checksum(bytes) }, bytes.to_vec())
    }

    /// # Safety
    /// As for `new`.
    unsafe fn is_unchanged(&self) -> bool {
        // SAFETY: as asked of our caller.
        checksum(unsafe { std::slice::from_raw_parts(self.data, self.len) }) == self.checksum
    }
}

/// A datagram that was drained; of a train, one of its carriages.
#[derive(Clone)]
pub struct Sent {
    pub to: soe_addr,
    pub session: soe_session_id,
    pub data: Vec<u8>,
}

/// An event that was drained.
#[derive(Clone)]
pub struct Heard {
    pub kind: u32,
    pub channel: u32,
    pub session: soe_session_id,
    pub data: Vec<u8>,
    pub code: i32,
}

impl Heard {
    pub fn is(&self, kind: soe_event_kind) -> bool {
        self.kind == kind as u32
    }
}

/// How far the host knows a session to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Asked,
    Open,
    Over,
}

pub struct Mux {
    handle: *mut soe_mux,
    /// The library's idea of the time: not before this.
    now: u64,
    /// And not behind this: a call that failed may have told it the time, or not.
    latest: u64,
    longest: usize,
    trains: bool,
    max_message: u32,
    counters: soe_stats,
    lives: BTreeMap<soe_session_id, Life>,
    /// Those whose end the last drain handed out.
    leaving: Vec<soe_session_id>,
    lent_events: Vec<Lent>,
    lent_datagrams: Vec<Lent>,
    /// Drained by a check, for the next who asks.
    early: Vec<Sent>,
}

impl Mux {
    /// # Errors
    /// What `soe_mux_create` answers.
    ///
    /// # Safety
    /// The pointers in the config are good for what their lengths say.
    pub unsafe fn create(config: &soe_config, now: u64) -> Result<Mux, soe_status> {
        let mut handle = ptr::without_provenance_mut(UNTOUCHED as usize);
        // SAFETY: as asked of our caller.
        let status = unsafe { soe_mux_create(config, now, &mut handle) };
        answered(
            status,
            &[SOE_ERR_NULL, SOE_ERR_MISALIGNED, SOE_ERR_STRUCT_SIZE, SOE_ERR_INVALID_ARGUMENT, SOE_ERR_UNSUPPORTED, SOE_ERR_IO],
        );
        if status != SOE_OK as i32 {
            assert_eq!(handle.addr(), UNTOUCHED as usize);
            return Err(status);
        }
        Ok(Mux {
            handle,
            now: now.min(LATEST),
            latest: now.min(LATEST),
            longest: (config.udp_length as usize).max(LONGEST_HANDSHAKE),
            trains: config.flags & soe_config_flag::SOE_CONFIG_TRAINS as u32 != 0,
            max_message: config.max_message,
            // SAFETY: growable.
            counters: unsafe { zeroed() },
            lives: BTreeMap::new(),
            leaving: vec![],
            lent_events: vec![],
            lent_datagrams: vec![],
            early: vec![],
        })
    }

    /// For calls with arguments that no careful host makes.
    pub fn handle(&self) -> *mut soe_mux {
        self.handle
    }

    /// Takes note of the time of a call.
    pub fn clock(&mut self, now: u64) {
        self.now = self.now.max(now.min(LATEST));
        self.latest = self.latest.max(self.now);
    }

    /// The same for one that may have failed.
    fn clock_if(&mut self, now: u64, status: soe_status) {
        self.latest = self.latest.max(now.min(LATEST));
        if status == SOE_OK as i32 {
            self.clock(now);
        }
    }

    pub fn feed(&mut self, now: u64, from: &soe_addr, datagram: &[u8]) -> soe_status {
        let exact: Box<[u8]> = datagram.into();
        // SAFETY: a mux, an address, and as many bytes as are named.
        let status = unsafe { soe_mux_feed(self.handle, now, from, exact.as_ptr(), exact.len()) };
        self.clock_if(now, answered(status, &[SOE_ERR_INVALID_ARGUMENT]));
        status
    }

    /// (from, bytes, segment size)
    pub fn feed_batch(&mut self, now: u64, datagrams: &[(soe_addr, &[u8], u32)]) -> soe_status {
        let exact: Vec<Box<[u8]>> = datagrams.iter().map(|(_, data, _)| (*data).into()).collect();
        let pairs = datagrams.iter().zip(&exact);
        let records: Box<[soe_datagram]> = pairs
            .map(|((addr, _, segment_size), data)| soe_datagram {
                data: data.as_ptr(),
                len: data.len() as u32,
                segment_size: *segment_size,
                session: UNTOUCHED,
                addr: *addr,
            })
            .collect();
        let mut consumed = UNTOUCHED as usize;
        // SAFETY: as many records as are named, each with as many bytes as it names.
        let status = unsafe { soe_mux_feed_batch(self.handle, now, records.as_ptr(), records.len(), &mut consumed) };
        let taken = answered(status, &[SOE_ERR_INVALID_ARGUMENT]) == SOE_OK as i32;
        assert!(if taken { consumed == records.len() } else { consumed < records.len() }, "{consumed} of {}", records.len());
        self.clock_if(now, status);
        status
    }

    pub fn tick(&mut self, now: u64) {
        // SAFETY: a mux.
        answered(unsafe { soe_mux_tick(self.handle, now) }, &[]);
        self.clock(now);
        if self.next_deadline() <= self.now && self.early.is_empty() {
            self.early = self.take(now, 1);
            assert!(!self.early.is_empty(), "due at {} after a tick at {}, and nothing to drain", self.next_deadline(), self.now);
        }
    }

    pub fn next_deadline(&self) -> u64 {
        // SAFETY: a mux.
        unsafe { soe_mux_next_deadline(self.handle) }
    }

    /// Says how long to wait, and agrees with the deadline.
    pub fn timeout_ms(&mut self, now: u64) -> i32 {
        // SAFETY: a mux.
        let timeout = unsafe { soe_mux_timeout_ms(self.handle, now) };
        let (deadline, wait) = (self.next_deadline(), u64::try_from(timeout).ok());
        match wait {
            None => assert!(timeout == -1 && deadline == u64::MAX, "{timeout} ms with a deadline of {deadline}"),
            Some(0) => {}
            Some(wait) => {
                let left = deadline.saturating_sub(now.min(LATEST).max(self.now));
                // The later its time, the sooner.
                let exact = self.latest == self.now && timeout != i32::MAX;
                assert!(if exact { wait == left.div_ceil(1000) } else { wait <= left.div_ceil(1000) }, "{timeout} ms for {left} µs");
            }
        }
        timeout
    }

    /// One drain of at most `cap` datagrams.
    pub fn drain_outgoing(&mut self, now: u64, cap: usize) -> Vec<Sent> {
        let mut all = std::mem::take(&mut self.early);
        all.append(&mut self.take(now, cap));
        all
    }

    fn take(&mut self, now: u64, cap: usize) -> Vec<Sent> {
        // SAFETY: lent by the last call of the function that is called below.
        assert!(self.lent_datagrams.iter().all(|lent| unsafe { lent.is_unchanged() }), "lent datagrams changed");
        self.lent_datagrams.clear();
        let mut room = empty_datagrams(cap);
        let mut count = UNTOUCHED as usize;
        // SAFETY: room for as many as are named.
        answered(unsafe { soe_mux_drain_outgoing(self.handle, now, room.as_mut_ptr(), cap, &mut count) }, &[]);
        self.clock(now);
        assert!(count <= cap, "{count} of {cap}");
        let mut sent = vec![];
        for record in &room[..count] {
            // SAFETY: just handed out.
            let (lent, data) = unsafe { Lent::new(record.data, record.len) };
            self.lent_datagrams.push(lent);
            self.carriages(record, &data, &mut sent);
        }
        sent
    }

    /// All of them; and that fewer than there is room for means that nothing is left.
    pub fn drain_all(&mut self, now: u64) -> Vec<Sent> {
        const CAP: usize = 16;
        let mut all = std::mem::take(&mut self.early);
        loop {
            let some = self.take(now, CAP);
            let full = self.lent_datagrams.len() == CAP;
            all.extend(some);
            if !full {
                let more = self.take(now, CAP);
                assert!(more.is_empty(), "{} datagrams behind the last one", more.len());
                return all;
            }
        }
    }

    /// # Errors
    /// How many bytes the buffer needs.
    pub fn drain_outgoing_into(&mut self, now: u64, buf_len: usize, cap: usize) -> Result<Vec<Sent>, usize> {
        let mut buffer: Box<[u8]> = vec![0; buf_len].into();
        let mut room = empty_datagrams(cap);
        let mut count = UNTOUCHED as usize;
        // SAFETY: room for as many as are named, and as many bytes.
        let status =
            unsafe { soe_mux_drain_outgoing_into(self.handle, now, buffer.as_mut_ptr(), buf_len, room.as_mut_ptr(), cap, &mut count) };
        self.clock_if(now, status);
        if answered(status, &[SOE_ERR_BUFFER_TOO_SMALL]) != SOE_OK as i32 {
            assert!(count > buf_len && count <= self.longest, "{buf_len} bytes are too few, {count} are enough");
            return Err(count);
        }
        assert!(count <= cap, "{count} of {cap}");
        let mut sent = std::mem::take(&mut self.early);
        let inside = buffer.as_ptr_range();
        for record in &room[..count] {
            let end = record.data.wrapping_add(record.len as usize);
            assert!(inside.start <= record.data && end <= inside.end, "outside the buffer");
            // SAFETY: inside the buffer, which is there until the end of this function.
            let data = unsafe { std::slice::from_raw_parts(record.data, record.len as usize) }.to_vec();
            self.carriages(record, &data, &mut sent);
        }
        Ok(sent)
    }

    fn carriages(&self, record: &soe_datagram, data: &[u8], sent: &mut Vec<Sent>) {
        assert!(!data.is_empty(), "an empty datagram");
        assert!(record.session < LATEST);
        assert!(record.segment_size == 0 || self.trains, "a train that nobody asked for");
        let each = if record.segment_size == 0 { data.len() } else { record.segment_size as usize };
        let agreed = match record.session {
            0 => None,
            session => self.info(session).ok().filter(|info| info.state == soe_session_state::SOE_SESSION_CONNECTED as u32),
        };
        for data in data.chunks(each) {
            let bare = matches!(data, [0, 0x01 | 0x02 | 0x1C | 0x1D | 0x1E, ..]);
            let longest = agreed.as_ref().filter(|_| !bare).map_or(self.longest, |info| info.udp_length as usize);
            assert!(data.len() <= longest, "a datagram of {} bytes, where {longest} are the most: {data:02x?}", data.len());
            sent.push(Sent { to: record.addr, session: record.session, data: data.to_vec() });
        }
    }

    /// One drain of at most `cap` events.
    pub fn drain_events(&mut self, cap: usize) -> Vec<Heard> {
        // SAFETY: lent by the last call of the function that is called below.
        assert!(self.lent_events.iter().all(|lent| unsafe { lent.is_unchanged() }), "lent events changed");
        self.lent_events.clear();
        let nothing = soe_event {
            kind: 0,
            channel: 0,
            session: 0,
            user_data: 0,
            data: ptr::null(),
            len: 0,
            code: 0,
            time_us: 0,
            arg: 0,
            reserved: 0,
        };
        let mut room: Box<[soe_event]> = vec![nothing; cap].into();
        let mut count = UNTOUCHED as usize;
        // SAFETY: room for as many as are named.
        answered(unsafe { soe_mux_drain_events(self.handle, room.as_mut_ptr(), cap, &mut count) }, &[]);
        assert!(count <= cap, "{count} of {cap}");
        for gone in std::mem::take(&mut self.leaving) {
            let status = self.info(gone).err();
            assert_eq!(status, Some(SOE_ERR_STALE_SESSION as i32), "an id whose end was read");
        }
        room[..count].iter().map(|event| self.hear(event)).collect()
    }

    /// All of them.
    pub fn drain_all_events(&mut self) -> Vec<Heard> {
        let mut all = vec![];
        loop {
            let some = self.drain_events(16);
            if some.is_empty() {
                return all;
            }
            all.extend(some);
        }
    }

    fn hear(&mut self, event: &soe_event) -> Heard {
        use soe_event_kind::*;
        // SAFETY: just handed out.
        let (lent, data) = unsafe { Lent::new(event.data, event.len) };
        self.lent_events.push(lent);
        let &soe_event { kind, channel, session, code, .. } = event;
        assert!(session > 0 && session < LATEST, "session id {session}");
        assert!(event.time_us <= self.latest, "queued at {}, it is {}", event.time_us, self.latest);
        assert!(event.arg == 0 && event.reserved == 0);
        let before = self.lives.get(&session).copied();
        let after = if kind == SOE_EVENT_CONNECT_REQUEST as u32 {
            assert_eq!(before, None, "a request under an id that was used");
            Life::Asked
        } else if kind == SOE_EVENT_CONNECTED as u32 {
            assert!(matches!(before, None | Some(Life::Asked)), "connected, and was {before:?}");
            Life::Open
        } else if kind == SOE_EVENT_DISCONNECTED as u32 {
            assert!(matches!(before, Some(Life::Asked | Life::Open)), "ended, and was {before:?}");
            assert!(channel <= soe_ended_by::SOE_ENDED_BY_LIBRARY as u32 && (0..=0xFFFF).contains(&code));
            self.leaving.push(session);
            Life::Over
        } else {
            assert_eq!(before, Some(Life::Open), "an event of kind {kind}");
            assert!(kind <= SOE_EVENT_REBOUND as u32 && kind != SOE_EVENT_NONE as u32, "kind {kind}");
            if kind == SOE_EVENT_MESSAGE as u32 {
                assert!(channel <= soe_channel::SOE_CHANNEL_ORDERED_2 as u32);
                assert!(event.len <= self.max_message, "a message of {} bytes, where {} are the most", event.len, self.max_message);
            }
            assert!(kind != SOE_EVENT_REBOUND as u32 || data.len() == size_of::<soe_addr>());
            Life::Open
        };
        self.lives.insert(session, after);
        Heard { kind, channel, session, data, code }
    }

    /// Sends what an event of the last drain lent, from where it lies.
    pub fn send_lent(&mut self, session: soe_session_id, channel: u32, which: usize) -> soe_status {
        match self.lent_events.get(which) {
            // SAFETY: no drain of events since.
            Some(lent) => unsafe { self.send_from(session, channel, lent.data, lent.len) },
            None => SOE_OK as i32,
        }
    }

    pub fn send(&mut self, session: soe_session_id, channel: u32, message: &[u8]) -> soe_status {
        let exact: Box<[u8]> = message.into();
        // SAFETY: as many bytes as are named.
        unsafe { self.send_from(session, channel, exact.as_ptr(), exact.len()) }
    }

    unsafe fn send_from(&self, session: soe_session_id, channel: u32, data: *const u8, len: usize) -> soe_status {
        // SAFETY: a mux; as many bytes as are named, says our caller.
        let status = unsafe { soe_session_send(self.handle, session, channel, data, len) };
        answered(status, &[SOE_ERR_STALE_SESSION, SOE_ERR_INVALID_ARGUMENT, SOE_ERR_STATE, SOE_ERR_TOO_LARGE, SOE_ERR_WOULD_BLOCK])
    }

    /// # Errors
    /// What `soe_mux_connect` answers.
    ///
    /// # Safety
    /// The options are there, as far as their size goes, with what they point at; or NULL.
    pub unsafe fn connect(&mut self, now: u64, to: &soe_addr, options: *const soe_connect_options) -> Result<soe_session_id, soe_status> {
        let mut session = UNTOUCHED;
        // SAFETY: a mux and an address; the options as asked of our caller.
        let status = unsafe { soe_mux_connect(self.handle, now, to, options, &mut session) };
        answered(status, &[SOE_ERR_MISALIGNED, SOE_ERR_NULL, SOE_ERR_STRUCT_SIZE, SOE_ERR_INVALID_ARGUMENT, SOE_ERR_STATE, SOE_ERR_LIMIT]);
        self.clock_if(now, status);
        if status != SOE_OK as i32 {
            assert_eq!(session, UNTOUCHED);
            return Err(status);
        }
        assert!(session > 0 && session < LATEST);
        assert_eq!(self.lives.insert(session, Life::Asked), None, "an id that was used");
        Ok(session)
    }

    /// # Safety
    /// The options are there, as far as their size goes, with what they point at; or NULL.
    pub unsafe fn accept(&mut self, now: u64, session: soe_session_id, options: *const soe_accept_options) -> soe_status {
        // SAFETY: a mux; the options as asked of our caller.
        let status = unsafe { soe_session_accept(self.handle, now, session, options) };
        self.clock_if(now, status);
        answered(
            status,
            &[
                SOE_ERR_MISALIGNED,
                SOE_ERR_NULL,
                SOE_ERR_STRUCT_SIZE,
                SOE_ERR_STALE_SESSION,
                SOE_ERR_STATE,
                SOE_ERR_INVALID_ARGUMENT,
                SOE_ERR_UNSUPPORTED,
                SOE_ERR_LIMIT,
            ],
        )
    }

    pub fn disconnect(&mut self, session: soe_session_id, reason: u32, flags: u32) -> soe_status {
        // SAFETY: a mux.
        let status = unsafe { soe_session_disconnect(self.handle, session, reason, flags) };
        answered(status, &[SOE_ERR_STALE_SESSION, SOE_ERR_INVALID_ARGUMENT, SOE_ERR_STATE])
    }

    /// # Safety
    /// The cipher is there, as far as its size goes, with its key; or NULL.
    pub unsafe fn set_cipher(&mut self, session: soe_session_id, cipher: *const soe_cipher) -> soe_status {
        // SAFETY: a mux; the cipher as asked of our caller.
        let status = unsafe { soe_session_set_cipher(self.handle, session, cipher) };
        answered(
            status,
            &[SOE_ERR_MISALIGNED, SOE_ERR_NULL, SOE_ERR_STRUCT_SIZE, SOE_ERR_STALE_SESSION, SOE_ERR_INVALID_ARGUMENT, SOE_ERR_STATE],
        )
    }

    /// RC4 with this key, or plain text without one.
    pub fn set_key(&mut self, session: soe_session_id, direction: u32, scope: u32, drop: u32, key: &[u8]) -> soe_status {
        let exact: Box<[u8]> = key.into();
        // SAFETY: growable.
        let mut cipher: soe_cipher = unsafe { zeroed() };
        (cipher.direction, cipher.scope, cipher.drop, cipher.key_len) = (direction, scope, drop, exact.len() as u32);
        cipher.key = if exact.is_empty() { ptr::null() } else { exact.as_ptr() };
        // SAFETY: as many bytes of key as are named.
        unsafe { self.set_cipher(session, &cipher) }
    }

    pub fn set_user_data(&mut self, session: soe_session_id, user_data: u64) -> soe_status {
        // SAFETY: a mux.
        let status = unsafe { soe_session_set_user_data(self.handle, session, user_data) };
        answered(status, &[SOE_ERR_STALE_SESSION, SOE_ERR_STATE])
    }

    /// # Errors
    /// What `soe_session_get_info` answers.
    pub fn info(&self, session: soe_session_id) -> Result<soe_session_info, soe_status> {
        // SAFETY: growable.
        let mut info: soe_session_info = unsafe { zeroed() };
        // SAFETY: a mux, and a struct of the size that it names.
        let status = unsafe { soe_session_get_info(self.handle, session, &mut info) };
        if answered(status, &[SOE_ERR_STALE_SESSION, SOE_ERR_STATE]) != SOE_OK as i32 {
            return Err(status);
        }
        assert!((1..=soe_session_state::SOE_SESSION_ENDED as u32).contains(&info.state));
        assert!(info.crc_length <= 4 && info.is_client <= 1 && info.reserved == 0);
        assert!(info.application_protocol[info.application_protocol_len as usize] == 0, "a name without its end");
        Ok(info)
    }

    /// # Errors
    /// What `soe_session_get_stats` answers.
    pub fn stats(&self, session: soe_session_id) -> Result<soe_stats, soe_status> {
        // SAFETY: growable.
        let mut stats: soe_stats = unsafe { zeroed() };
        // SAFETY: a mux, and a struct of the size that it names.
        let status = unsafe { soe_session_get_stats(self.handle, session, &mut stats) };
        if answered(status, &[SOE_ERR_STALE_SESSION, SOE_ERR_STATE]) == SOE_OK as i32 { Ok(stats) } else { Err(status) }
    }

    /// The counters of the whole, none of which is less than it was.
    pub fn counters(&mut self) -> soe_stats {
        // SAFETY: growable.
        let mut stats: soe_stats = unsafe { zeroed() };
        // SAFETY: a mux, and a struct of the size that it names.
        answered(unsafe { soe_mux_get_stats(self.handle, &mut stats) }, &[]);
        let fell = words(&self.counters).iter().zip(words(&stats)).position(|(before, after)| after < before);
        assert_eq!(fell, None, "a counter fell: {:?}, {stats:?}", self.counters);
        self.counters = stats;
        stats
    }

    /// # Errors
    /// What `soe_mux_find` answers.
    pub fn find(&self, addr: &soe_addr) -> Result<soe_session_id, soe_status> {
        let mut session = UNTOUCHED;
        // SAFETY: a mux and an address.
        let status = unsafe { soe_mux_find(self.handle, addr, &mut session) };
        if answered(status, &[SOE_ERR_INVALID_ARGUMENT]) != SOE_OK as i32 {
            assert_eq!(session, UNTOUCHED);
            return Err(status);
        }
        assert!(session < LATEST);
        Ok(session)
    }
}

impl Drop for Mux {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.counters();
            // SAFETY: lent by the last calls of the drain functions.
            assert!(self.lent_events.iter().chain(&self.lent_datagrams).all(|lent| unsafe { lent.is_unchanged() }), "lent memory changed");
        }
        // SAFETY: came from soe_mux_create, and is freed once.
        unsafe { soe_mux_free(self.handle) };
    }
}

fn empty_datagrams(count: usize) -> Box<[soe_datagram]> {
    let nothing = soe_datagram { data: ptr::null(), len: 0, segment_size: 0, session: 0, addr: soe_addr::default() };
    vec![nothing; count].into()
}

/// The counters as numbers: all that stands behind the first eight bytes.
fn words(stats: &soe_stats) -> &[u64] {
    let behind = ptr::from_ref(stats).cast::<u64>().wrapping_add(1);
    // SAFETY: the struct is made of u64 behind its first eight bytes, which are two u32.
    unsafe { std::slice::from_raw_parts(behind, size_of::<soe_stats>() / 8 - 1) }
}
