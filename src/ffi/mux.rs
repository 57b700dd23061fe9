use super::Answer;
use super::address::soe_addr;
use super::config::soe_config;
use super::datagram::soe_datagram;
use super::event::soe_event;
use super::guard::{Guarded, catch};
use super::pointer::{bytes, present, present_array, read, read_growable, write_growable};
use super::session::soe_session_id;
use super::stats::soe_stats;
use super::status::soe_status_code::SOE_ERR_BUFFER_TOO_SMALL;
use super::status::{soe_status, status};
use crate::{Config, Multiplexer, SessionId};

/// Many sessions on one socket of the host's.
pub struct soe_mux(Guarded<Inner>);

/// What calls work on.
pub(super) struct Inner {
    pub(super) mux: Multiplexer,
    /// The addresses that the events of the last drain lend.
    rebound: Vec<soe_addr>,
}

impl soe_mux {
    /// Runs `call` on the multiplexer behind a host's pointer, if no other call is under way, and keeps panics in.
    ///
    /// # Safety
    /// The pointer came from soe_mux_create and was not freed, or is NULL or misaligned.
    #[inline]
    pub(super) unsafe fn enter<R>(mux: *const soe_mux, call: impl FnOnce(&mut Inner) -> Answer<R>) -> Answer<R> {
        present(mux)?;
        // SAFETY: as asked of our caller; the reference is shared, and what changes inside is in cells.
        unsafe { &*mux }.0.enter(call)
    }
}

/// Makes a multiplexer.
///
/// - config: copied.
/// - now_us: the host's clock, as in all calls that follow.
/// - out_mux: takes the handle, which is to be freed with soe_mux_free.
///
/// Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED, SOE_ERR_STRUCT_SIZE; SOE_ERR_INVALID_ARGUMENT: a value of the config outside its range;
/// SOE_ERR_UNSUPPORTED: a flag, or a value of the config that this version does not support; SOE_ERR_IO: the operating system gave no
/// randomness; SOE_ERR_PANIC.
/// Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn soe_mux_create(config: *const soe_config, now_us: u64, out_mux: *mut *mut soe_mux) -> soe_status {
    status(catch(|| {
        present(config)?;
        present(out_mux)?;
        // SAFETY: by the rules of the header.
        let config = unsafe { read_growable(config, soe_config::from(&Config::default()))?.config()? };
        let inner = Inner { mux: Multiplexer::new(config, now_us)?, rebound: Vec::new() };
        let mux = Box::into_raw(Box::new(soe_mux(Guarded::new(inner))));
        // SAFETY: checked above; writable by the rules of the header.
        unsafe { out_mux.write(mux) };
        Ok(())
    }))
}

/// Frees a multiplexer, and with it all that it lent. Peers are not told: end the sessions and drain once more for that.
///
/// - mux: NULL does nothing. While another thread is in a call on it (the host's mistake) it is not freed.
///
/// Returns nothing.
/// Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn soe_mux_free(mux: *mut soe_mux) {
    if present(mux).is_err() {
        return;
    }
    // SAFETY: by the rules of the header, it came from soe_mux_create and was not freed.
    if unsafe { &*mux }.0.is_busy() {
        return;
    }
    // A panic while dropping has nobody left to tell.
    let _ = catch(|| {
        // SAFETY: the same, and no call is under way.
        drop(unsafe { Box::from_raw(mux) });
        Ok(())
    });
}

/// A datagram; the only place where they come in.
#[inline(always)]
fn arrived(datagram: &[u8]) -> &[u8] {
    #[cfg(feature = "fault-injection")]
    assert!(datagram != b"soe fault injection", "asked to");
    datagram
}

/// Takes a datagram that the host received. Whatever it holds, the host has nothing to do about it.
///
/// - now_us: the host's clock.
/// - from: where it came from. IPv4 addresses in IPv6 form are other addresses than those in IPv4 form: hand in one form.
/// - data, len: its bytes, read during the call only. Any length.
///
/// Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED; SOE_ERR_INVALID_ARGUMENT: the family of the address, or a len that no memory has;
/// SOE_ERR_BUSY, SOE_ERR_PANIC, SOE_ERR_POISONED.
/// Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn soe_mux_feed(mux: *mut soe_mux, now_us: u64, from: *const soe_addr, data: *const u8, len: usize) -> soe_status {
    // SAFETY: by the rules of the header, for all three pointers.
    status(unsafe {
        soe_mux::enter(mux, |inner| {
            let from = read(from)?.address()?;
            inner.mux.feed(now_us, &from, arrived(bytes(data, len)?));
            Ok(())
        })
    })
}

/// Takes many datagrams, as recvmmsg or a receive with UDP_GRO bring them.
///
/// - now_us: the host's clock.
/// - in, count: the datagrams, read during the call only. NULL with a count of 0 is fine. The member session is ignored; a segment_size cuts
///   the bytes into datagrams of this size and a rest.
/// - out_consumed: takes how many records took effect: count, or the index of the one that is the caller's mistake.
///
/// Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED; the same two or SOE_ERR_INVALID_ARGUMENT (family of the address) for the record at
/// *out_consumed; SOE_ERR_BUSY, SOE_ERR_PANIC, SOE_ERR_POISONED.
/// Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn soe_mux_feed_batch(
    mux: *mut soe_mux,
    now_us: u64,
    r#in: *const soe_datagram,
    count: usize,
    out_consumed: *mut usize,
) -> soe_status {
    // SAFETY: by the rules of the header, for all pointers and those in the records.
    status(unsafe {
        soe_mux::enter(mux, |inner| {
            present_array(r#in, count)?;
            present(out_consumed)?;
            let mut fed = 0;
            if count == 0 {
                // It tells the time all the same.
                inner.mux.feed_run(now_us, &crate::Address::default(), []);
            }
            while fed < count {
                match feed_run(&mut inner.mux, now_us, r#in.add(fed), count - fed) {
                    Ok(run) => fed += run,
                    Err(mistake) => {
                        out_consumed.write(fed);
                        return Err(mistake);
                    }
                }
            }
            out_consumed.write(count);
            Ok(())
        })
    })
}

/// Feeds the first of `count` records, and those behind it that came from the same address and are a datagram each. Returns how many.
///
/// # Safety
/// By the rules of the header, for the records and their bytes.
#[inline]
unsafe fn feed_run(mux: &mut Multiplexer, now_us: u64, records: *const soe_datagram, count: usize) -> Answer<usize> {
    // SAFETY: as asked of our caller: there are `count` of them, at least one.
    let first = unsafe { &*records };
    let from = first.addr.address()?;
    // SAFETY: as asked of our caller.
    let data = unsafe { bytes(first.data, first.len as usize)? };
    if first.is_train() {
        mux.feed_run(now_us, &from, data.chunks(first.segment_size as usize).map(arrived));
        return Ok(1);
    }
    let mut fed = 1;
    let run = std::iter::from_fn(|| {
        // SAFETY: `fed` is less than `count`.
        let next = (fed < count).then(|| unsafe { &*records.add(fed) }).filter(|next| next.addr.is(&first.addr) && !next.is_train())?;
        // SAFETY: as asked of our caller.
        let data = unsafe { bytes(next.data, next.len as usize).ok()? };
        fed += 1;
        Some(data)
    });
    mux.feed_run(now_us, &from, std::iter::once(data).chain(run).map(arrived));
    Ok(fed)
}

/// Does what is due: retransmissions, heartbeats, timeouts. Often is fine; late means that peers wait.
///
/// - now_us: the host's clock.
///
/// Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED, SOE_ERR_BUSY, SOE_ERR_PANIC, SOE_ERR_POISONED.
/// Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn soe_mux_tick(mux: *mut soe_mux, now_us: u64) -> soe_status {
    // SAFETY: by the rules of the header.
    status(unsafe {
        soe_mux::enter(mux, |inner| {
            inner.mux.tick(now_us);
            Ok(())
        })
    })
}

/// When soe_mux_tick is due next (rule 7).
///
/// Returns microseconds of the host's clock; UINT64_MAX when idle; 0 for NULL, a misaligned, busy or poisoned handle, or a panic.
/// Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn soe_mux_next_deadline(mux: *const soe_mux) -> u64 {
    // SAFETY: by the rules of the header.
    unsafe { soe_mux::enter(mux, |inner| Ok(inner.mux.next_deadline())) }.unwrap_or(0)
}

/// How long poll or epoll_wait may sleep (rule 7).
///
/// - now_us: the host's clock.
///
/// Returns milliseconds, rounded up; -1 when idle; 0 when something is due, while events wait or something was sent since the last drain, and
/// for NULL, a misaligned, busy or poisoned handle, or a panic.
/// Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn soe_mux_timeout_ms(mux: *const soe_mux, now_us: u64) -> i32 {
    // SAFETY: by the rules of the header.
    unsafe { soe_mux::enter(mux, |inner| Ok(inner.mux.timeout_ms(now_us))) }.unwrap_or(0)
}

/// Hands out datagrams to send. Draining is the flush: what was sent since the last drain leaves in as few datagrams as fit. A datagram handed
/// out counts as sent, whatever the host does with it.
///
/// - now_us: the host's clock.
/// - out, cap: room for datagrams; NULL with a cap of 0 is fine. What they point to is lent until the next soe_mux_drain_outgoing on this mux,
///   or soe_mux_free.
/// - out_count: takes how many there are. Fewer than cap: nothing is left.
///
/// Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED, SOE_ERR_BUSY, SOE_ERR_PANIC, SOE_ERR_POISONED.
/// Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn soe_mux_drain_outgoing(
    mux: *mut soe_mux,
    now_us: u64,
    out: *mut soe_datagram,
    cap: usize,
    out_count: *mut usize,
) -> soe_status {
    // SAFETY: by the rules of the header; no more than `cap` records are written.
    status(unsafe {
        soe_mux::enter(mux, |inner| {
            present_array(out, cap)?;
            present(out_count)?;
            let mut count = 0;
            for datagram in inner.mux.drain_outgoing(now_us, cap) {
                assert!(count < cap, "more datagrams than asked for");
                out.add(count).write(datagram.into());
                count += 1;
            }
            out_count.write(count);
            Ok(())
        })
    })
}

/// The same, into memory of the host's: for hosts that hand datagrams to another thread or to io_uring. Does not end what
/// soe_mux_drain_outgoing lent.
///
/// - now_us: the host's clock.
/// - buf, buf_len: takes the datagrams' bytes, one behind the other; room for the longest one: the udp_length of the config, or up to 270 bytes
///   that a handshake takes. No memory that the mux lent.
/// - out, cap: room for datagrams, which point into buf; NULL with a cap of 0 is fine.
/// - out_count: takes how many there are. Call again until it is 0: less than cap may mean that buf is full.
///
/// Returns SOE_OK; SOE_ERR_BUFFER_TOO_SMALL: not every datagram would fit in buf (even when none waits, or cap is 0), *out_count is how many
/// bytes it needs, and nothing was drained; SOE_ERR_NULL, SOE_ERR_MISALIGNED, SOE_ERR_BUSY, SOE_ERR_PANIC, SOE_ERR_POISONED.
/// Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn soe_mux_drain_outgoing_into(
    mux: *mut soe_mux,
    now_us: u64,
    buf: *mut u8,
    buf_len: usize,
    out: *mut soe_datagram,
    cap: usize,
    out_count: *mut usize,
) -> soe_status {
    // SAFETY: by the rules of the header; `buf` is neither NULL nor empty where it is used, and no more than `cap` records are written.
    status(unsafe {
        soe_mux::enter(mux, |inner| {
            present_array(buf, buf_len)?;
            present_array(out, cap)?;
            present(out_count)?;
            let needed = inner.mux.udp_length() as usize;
            if buf_len < needed {
                out_count.write(needed);
                return Err(SOE_ERR_BUFFER_TOO_SMALL);
            }
            let buffer = std::slice::from_raw_parts_mut(buf, buf_len.min(isize::MAX as usize));
            let mut count = 0;
            inner.mux.drain_outgoing_into(now_us, buffer, cap, |datagram| {
                assert!(count < cap, "more datagrams than asked for");
                out.add(count).write(datagram.into());
                count += 1;
            });
            out_count.write(count);
            Ok(())
        })
    })
}

/// Hands out what happened. Sessions whose SOE_EVENT_DISCONNECTED the last call handed out are forgotten: their ids are stale from here on.
///
/// - out, cap: room for events; NULL with a cap of 0 is fine. What they point to is lent until the next soe_mux_drain_events on this mux, or
///   soe_mux_free: sending it back, as a reply, is safe.
/// - out_count: takes how many there are. Call again until it is 0: less than cap need not mean that nothing is left
///   (SOE_CONFIG_CIPHER_BY_HOST).
///
/// Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED, SOE_ERR_BUSY, SOE_ERR_PANIC, SOE_ERR_POISONED.
/// Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn soe_mux_drain_events(mux: *mut soe_mux, out: *mut soe_event, cap: usize, out_count: *mut usize) -> soe_status {
    // SAFETY: by the rules of the header; no more than `cap` records are written, and only those are read.
    status(unsafe {
        soe_mux::enter(mux, |inner| {
            present_array(out, cap)?;
            present(out_count)?;
            inner.rebound.clear();
            let mut count = 0;
            inner.mux.drain_events(cap).for_each(|event| {
                assert!(count < cap, "more events than asked for");
                out.add(count).write(soe_event::new(&event, &mut inner.rebound));
                count += 1;
            });
            if !inner.rebound.is_empty() {
                let records = (0..count).map(|i| &mut *out.add(i)).filter(|record| record.is_rebound());
                records.zip(&inner.rebound).for_each(|(record, address)| record.lend_rebound(address));
            }
            out_count.write(count);
            Ok(())
        })
    })
}

/// Finds the session with an address.
///
/// - addr: where the peer is.
/// - out_session: takes its id; 0: there is none.
///
/// Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED; SOE_ERR_INVALID_ARGUMENT: the family of the address; SOE_ERR_BUSY, SOE_ERR_PANIC,
/// SOE_ERR_POISONED.
/// Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn soe_mux_find(mux: *const soe_mux, addr: *const soe_addr, out_session: *mut soe_session_id) -> soe_status {
    // SAFETY: by the rules of the header.
    status(unsafe {
        soe_mux::enter(mux, |inner| {
            let addr = read(addr)?.address()?;
            present(out_session)?;
            out_session.write(inner.mux.find(&addr).map_or(0, SessionId::get));
            Ok(())
        })
    })
}

/// The counters of the multiplexer: those of all its sessions, ended ones too, and of strangers.
///
/// - out: filled as far as its struct_size goes.
///
/// Returns SOE_OK; SOE_ERR_NULL, SOE_ERR_MISALIGNED, SOE_ERR_STRUCT_SIZE, SOE_ERR_BUSY, SOE_ERR_PANIC, SOE_ERR_POISONED.
/// Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn soe_mux_get_stats(mux: *const soe_mux, out: *mut soe_stats) -> soe_status {
    // SAFETY: by the rules of the header.
    status(unsafe { soe_mux::enter(mux, |inner| write_growable(out, &inner.mux.stats().into())) })
}
