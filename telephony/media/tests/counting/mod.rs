//! An allocator that counts what media threads ask of it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Counts what threads named `media-…` ask of the allocator while [`COUNTING`].
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;
pub(crate) static COUNTING: AtomicBool = AtomicBool::new(false);
static ALLOCATED: AtomicU64 = AtomicU64::new(0);
static FREED: AtomicU64 = AtomicU64::new(0);

#[allow(unsafe_code, reason = "an allocator cannot be written without")]
// SAFETY: everything is the system allocator's; the counters allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(&ALLOCATED);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(&FREED);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }
}

fn count(counter: &AtomicU64) {
    if COUNTING.load(Ordering::Relaxed) && on_media_thread() {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// The kernel knows the name; asking `std` would allocate.
#[allow(unsafe_code, reason = "PR_GET_NAME has no wrapper that does not allocate")]
fn on_media_thread() -> bool {
    let mut name = [0_u8; 16];
    // SAFETY: the kernel writes at most 16 bytes.
    unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
    name.starts_with(b"media-")
}

pub(crate) fn counts() -> (u64, u64) {
    (ALLOCATED.load(Ordering::Relaxed), FREED.load(Ordering::Relaxed))
}

/// The counter counts: the same question to a thread that allocates and frees.
pub(crate) fn check() {
    COUNTING.store(true, Ordering::Relaxed);
    let wasteful = || drop(std::hint::black_box(Box::new([1_u8; 100])));
    std::thread::Builder::new().name("media-x".into()).spawn(wasteful).unwrap().join().unwrap();
    COUNTING.store(false, Ordering::Relaxed);
    let (allocated, freed) = counts();
    assert!(allocated > 0 && freed > 0, "{allocated} allocations, {freed} frees");
}
