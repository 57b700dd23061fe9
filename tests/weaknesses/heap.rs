//! Bytes that a thread holds on the heap, by what it asked for.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    // Neither is initialized lazily or dropped, so the allocator may use them at any time.
    static LIVE: Cell<i64> = const { Cell::new(0) };
    static PEAK: Cell<i64> = const { Cell::new(0) };
}

fn count(change: i64) {
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + change);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

// SAFETY: every call goes to the system's allocator as it came; counting neither allocates nor unwinds.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as i64 - layout.size() as i64);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Counts from where it began. What a test itself keeps counts as well: it had better keep nothing.
pub(crate) struct Meter(i64);

impl Meter {
    pub(crate) fn start() -> Self {
        let live = LIVE.get();
        PEAK.set(live);
        Meter(live)
    }

    /// Bytes more than at the start.
    pub(crate) fn held(&self) -> i64 {
        LIVE.get() - self.0
    }

    /// The most of them that there ever were.
    pub(crate) fn peak(&self) -> i64 {
        PEAK.get() - self.0
    }
}

#[test]
fn what_is_held_is_counted_and_what_is_given_back_is_not() {
    let meter = Meter::start();
    let held = vec![1u8; 100_000];
    drop(vec![1u8; 200_000]);
    assert_eq!((meter.held(), meter.peak()), (100_000, 300_000));
    drop(held);
    assert_eq!(meter.held(), 0);
}
