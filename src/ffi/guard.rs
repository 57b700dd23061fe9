//! What stands between a host's thread and the value inside a handle.

use super::Answer;
use super::status::soe_status_code::{SOE_ERR_BUSY, SOE_ERR_PANIC, SOE_ERR_POISONED};
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{
    AtomicU8,
    Ordering::{Acquire, Relaxed, Release},
};

const IDLE: u8 = 0;
const BUSY: u8 = 1;
const POISONED: u8 = 2;

/// A value that one call at a time works on, and none after a panic.
pub(super) struct Guarded<T> {
    state: AtomicU8,
    value: UnsafeCell<T>,
}

impl<T> Guarded<T> {
    pub(super) fn new(value: T) -> Self {
        Guarded { state: AtomicU8::new(IDLE), value: UnsafeCell::new(value) }
    }

    /// Runs `call` on the value. A load and a store instead of a swap: overlapping calls are the host's mistake, and finding most of them for
    /// 0.4 ns serves better than finding all of them for 5.
    #[inline]
    pub(super) fn enter<R>(&self, call: impl FnOnce(&mut T) -> Answer<R>) -> Answer<R> {
        match self.state.load(Acquire) {
            IDLE => {}
            BUSY => return Err(SOE_ERR_BUSY),
            _ => return Err(SOE_ERR_POISONED),
        }
        self.state.store(BUSY, Relaxed);
        // SAFETY: the header allows one thread at a time, and calls on one thread don't overlap, since nothing calls back into the host.
        let value = unsafe { &mut *self.value.get() };
        match catch_unwind(AssertUnwindSafe(|| call(value))) {
            Ok(answer) => {
                self.state.store(IDLE, Release);
                answer
            }
            Err(_) => {
                self.state.store(POISONED, Release);
                Err(SOE_ERR_PANIC)
            }
        }
    }

    /// True while a call is under way.
    pub(super) fn is_busy(&self) -> bool {
        self.state.load(Relaxed) == BUSY
    }
}

/// Runs what has no handle that could be poisoned.
pub(super) fn catch<R>(call: impl FnOnce() -> Answer<R>) -> Answer<R> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or(Err(SOE_ERR_PANIC))
}
