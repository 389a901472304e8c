//! The allocator of a service: a static arena for the first 256 KiB, a general allocator beyond it.
//!
//! An instance usually lives for one request, and most requests need less than that: for them,
//! allocating is an addition, freeing is nothing, and `memory.grow` never runs. That matters more than it
//! looks: growing costs the host two `mprotect` calls and, on several cores, an interruption of all of
//! them. Measured for one instance (create, call, drop): 11.0 us with `dlmalloc`, 6.0 us with this.
//!
//! An arena alone would make a long stream run out of memory, so only the last block is taken back (that
//! covers a growing `Vec` or `String`, and a temporary that is dropped before the next), and whatever does
//! not fit goes to `dlmalloc`, which really frees. A block's address tells which of the two owns it.

use core::alloc::Layout;

/// Bytes in the arena: what the requests of every example fit into. A larger one costs each request, whether it
/// uses it or not: the host looks through all of an instance's memory for pages to clear. From 2 MiB of memory
/// (stack included) to 384 KiB, a request took 5 % less of the host's CPU.
#[cfg(target_family = "wasm")]
const SIZE: usize = 256 << 10;
/// Bytes by which memory grows beyond the arena: see the module's documentation for what growing costs.
#[cfg(target_family = "wasm")]
const GROWTH: usize = 1 << 20;

/// The alignment of the arena, and the largest of a block in it.
const ALIGN: usize = 16;

/// The bookkeeping of the arena: offsets only, so that it can be tested anywhere.
#[derive(Debug)]
struct Region {
    size: usize,
    /// Where the next block begins.
    next: usize,
    /// No byte from here on was ever handed out: they are still zero.
    fresh: usize,
}

impl Region {
    const fn new(size: usize) -> Self {
        Self { size, next: 0, fresh: 0 }
    }

    /// Takes a block, or none when it does not fit.
    #[inline]
    fn take(&mut self, layout: Layout) -> Option<usize> {
        if layout.align() > ALIGN {
            return None;
        }
        let offset = self.next.next_multiple_of(layout.align());
        self.extend_to(offset.checked_add(layout.size())?).then_some(offset)
    }

    /// Takes the block back if it is the last one; otherwise its bytes stay lost.
    #[inline]
    fn give_back(&mut self, offset: usize, layout: Layout) {
        if offset + layout.size() == self.next {
            self.next = offset;
        }
    }

    /// Changes a block's size without moving it; false when that is impossible.
    #[inline]
    fn resize(&mut self, offset: usize, layout: Layout, size: usize) -> bool {
        if offset + layout.size() == self.next {
            return offset.checked_add(size).is_some_and(|end| self.extend_to(end));
        }
        size <= layout.size()
    }

    #[inline]
    fn extend_to(&mut self, end: usize) -> bool {
        if end > self.size {
            return false;
        }
        self.next = end;
        self.fresh = self.fresh.max(end);
        true
    }
}

/// How many bytes at the beginning of a block may be other than zero, if none from `fresh` on is.
fn dirty(fresh: usize, offset: usize, layout: Layout) -> usize {
    fresh.saturating_sub(offset).min(layout.size())
}

#[cfg(target_family = "wasm")]
mod global {
    use super::{GROWTH, Region, SIZE, dirty};
    use core::{
        alloc::{GlobalAlloc, Layout},
        cell::UnsafeCell,
        ptr,
    };
    use dlmalloc::Dlmalloc;

    struct Arena {
        region: UnsafeCell<Region>,
        beyond: UnsafeCell<Dlmalloc>,
    }

    #[repr(align(16))]
    struct Memory(UnsafeCell<[u8; SIZE]>);

    // SAFETY: a component has one thread, and no allocation happens inside an allocation.
    unsafe impl Sync for Arena {}
    // SAFETY: as above; the bytes are reached only through the blocks that `Region` hands out.
    unsafe impl Sync for Memory {}

    static MEMORY: Memory = Memory(UnsafeCell::new([0; SIZE]));

    #[global_allocator]
    static ARENA: Arena = Arena {
        region: UnsafeCell::new(Region::new(SIZE)),
        beyond: UnsafeCell::new(
            const {
                let mut beyond = Dlmalloc::new();
                beyond.set_granularity(GROWTH);
                beyond
            },
        ),
    };

    impl Arena {
        #[expect(clippy::mut_from_ref, reason = "one thread, and the borrow ends before the next call")]
        fn region(&self) -> &mut Region {
            // SAFETY: see `Sync` above.
            unsafe { &mut *self.region.get() }
        }

        #[expect(clippy::mut_from_ref, reason = "one thread, and the borrow ends before the next call")]
        fn beyond(&self) -> &mut Dlmalloc {
            // SAFETY: see `Sync` above.
            unsafe { &mut *self.beyond.get() }
        }

        fn block(offset: usize) -> *mut u8 {
            MEMORY.0.get().cast::<u8>().wrapping_add(offset)
        }

        /// Where a block lies in the arena, or none when it is not the arena's.
        fn offset(block: *mut u8) -> Option<usize> {
            Some(block.addr().wrapping_sub(MEMORY.0.get().addr())).filter(|offset| *offset < SIZE)
        }
    }

    // Never inlined: the compiler would repeat these at every place that allocates, which costs more in
    // size (a hello: 42 kB instead of 26) than a call costs in time.
    //
    // SAFETY: blocks never overlap (`Region` only moves `next` past what it hands out), are aligned, and
    // go back to the allocator that they came from.
    unsafe impl GlobalAlloc for Arena {
        #[inline(never)]
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            match self.region().take(layout) {
                Some(offset) => Self::block(offset),
                // SAFETY: the caller's promises are passed on.
                None => unsafe { self.beyond().malloc(layout.size(), layout.align()) },
            }
        }

        #[inline(never)]
        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            match Self::offset(block) {
                Some(offset) => self.region().give_back(offset, layout),
                // SAFETY: the block is not the arena's, so it came from there.
                None => unsafe { self.beyond().free(block, layout.size(), layout.align()) },
            }
        }

        #[inline(never)]
        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            let fresh = self.region().fresh;
            match self.region().take(layout) {
                Some(offset) => {
                    let block = Self::block(offset);
                    // SAFETY: at most `layout.size()` bytes of the block that was just taken.
                    unsafe { ptr::write_bytes(block, 0, dirty(fresh, offset, layout)) };
                    block
                }
                // SAFETY: the caller's promises are passed on.
                None => unsafe { self.beyond().calloc(layout.size(), layout.align()) },
            }
        }

        #[inline(never)]
        unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            let Some(offset) = Self::offset(block) else {
                // SAFETY: the block is not the arena's, so it came from there.
                return unsafe { self.beyond().realloc(block, layout.size(), layout.align(), size) };
            };
            if self.region().resize(offset, layout, size) {
                return block;
            }
            // SAFETY: the caller guarantees that `size` is valid for this alignment; the new block is
            // apart from the old one, and both hold the bytes that are copied.
            unsafe {
                let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
                if !moved.is_null() {
                    ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
                    self.dealloc(block, layout);
                }
                moved
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    #[test]
    fn blocks_are_aligned_and_apart() {
        let mut region = Region::new(256);
        let blocks =
            [layout(3, 1), layout(8, 8), layout(1, 1), layout(16, 16)].map(|it| region.take(it).unwrap());
        assert_eq!(blocks, [0, 8, 16, 32]);
    }

    #[test]
    fn what_does_not_fit_is_left_to_the_other_allocator() {
        let mut region = Region::new(64);
        assert_eq!(region.take(layout(65, 1)), None);
        assert_eq!(region.take(layout(1, 32)), None, "the arena itself is not aligned like this");
        assert_eq!(region.take(layout(isize::MAX as usize, 1)), None);
        assert_eq!(region.take(layout(64, 1)), Some(0));
        assert_eq!(region.take(layout(1, 1)), None);
    }

    #[test]
    fn only_the_last_block_is_taken_back() {
        let mut region = Region::new(256);
        let first = region.take(layout(16, 8)).unwrap();
        let second = region.take(layout(16, 8)).unwrap();
        region.give_back(first, layout(16, 8));
        assert_eq!(region.next, second + 16);
        region.give_back(second, layout(16, 8));
        assert_eq!(region.next, second);
    }

    #[test]
    fn the_last_block_grows_in_place_until_the_end() {
        let mut region = Region::new(256);
        let other = region.take(layout(16, 8)).unwrap();
        let last = region.take(layout(16, 8)).unwrap();
        assert!(region.resize(last, layout(16, 8), 100));
        assert_eq!(region.next, last + 100);
        assert!(!region.resize(last, layout(100, 8), 4000));
        assert_eq!(region.next, last + 100, "a refusal changes nothing");
        assert!(region.resize(last, layout(100, 8), 1));
        assert_eq!(region.next, last + 1);
        assert!(!region.resize(other, layout(16, 8), 17));
        assert!(region.resize(other, layout(16, 8), 8));
        assert!(!region.resize(last, layout(1, 8), usize::MAX));
    }

    #[test]
    fn a_loop_of_temporaries_needs_no_more_than_one() {
        let mut region = Region::new(1 << 12);
        for _ in 0..100_000 {
            let block = region.take(layout(1000, 8)).expect("taken back by the round before");
            region.give_back(block, layout(1000, 8));
        }
    }

    #[test]
    fn only_reused_bytes_need_zeroing() {
        let mut region = Region::new(256);
        let block = region.take(layout(32, 8)).unwrap();
        assert_eq!(dirty(0, block, layout(32, 8)), 0);
        region.give_back(block, layout(32, 8));
        let fresh = region.fresh;
        let block = region.take(layout(64, 8)).unwrap();
        assert_eq!(dirty(fresh, block, layout(64, 8)), 32);
    }
}
