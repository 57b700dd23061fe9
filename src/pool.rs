//! Memory that is written once, lent to the host, and given back whole: append-only blocks with a count of who still needs them.
//!
//! A block is a `Vec` that never grows past its first capacity, so what was lent from it stays where it is. A block that the host
//! may still be reading is not reused before [`Pool::end_loans`], whoever lets go of it meanwhile.

/// Some bytes in a block.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    pub(crate) block: u32,
    pub(crate) offset: u32,
    pub(crate) len: u32,
}

impl Place {
    /// The same bytes without the first `n`.
    pub(crate) fn skip(self, n: usize) -> Place {
        Place { block: self.block, offset: self.offset + n as u32, len: self.len - n as u32 }
    }

    /// The first `n` of these bytes.
    pub(crate) fn first(self, n: usize) -> Place {
        Place { len: n as u32, ..self }
    }
}

#[derive(Default)]
struct Block {
    data: Vec<u8>,
    holders: u32,
    lent: bool,
}

/// Idle blocks that a pool keeps of each size, so that a steady load allocates nothing: 1 MiB of the large ones.
const SPARE: usize = 32;
/// And bytes of all other sizes.
const SPARE_BYTES: usize = 1 << 20;

/// Blocks of two sizes: a small one for a writer with little to say, a large one for a busy one.
pub(crate) struct Pool {
    blocks: Vec<Block>,
    /// Indices of blocks without memory.
    vacant: Vec<u32>,
    /// Idle memory, small and large.
    spare: [Vec<Vec<u8>>; 2],
    /// Idle memory of other sizes, and how much that is.
    odd: Vec<Vec<u8>>,
    odd_bytes: usize,
    sizes: [usize; 2],
    lent: Vec<u32>,
    /// Bytes of memory in blocks that somebody holds or reads.
    held_bytes: usize,
}

/// Which size of block a writer takes when it needs another.
#[derive(Clone, Copy)]
pub(crate) enum Size {
    Small = 0,
    Large = 1,
}

/// A writer's place in a pool: the block it appends to, if it has one. It holds that block.
#[derive(Default)]
pub(crate) struct Cursor(Option<u32>);

impl Pool {
    /// Blocks of which each has room for a few datagrams of `datagram` bytes.
    pub(crate) fn new(datagram: usize) -> Self {
        let small = (2 * datagram).next_power_of_two().max(2048);
        Pool {
            blocks: Vec::new(),
            vacant: Vec::new(),
            spare: Default::default(),
            odd: Vec::new(),
            odd_bytes: 0,
            sizes: [small, (16 * small).min(1 << 18)],
            lent: Vec::new(),
            held_bytes: 0,
        }
    }

    /// A block with at least `len` bytes of room that `cursor` appends to.
    #[inline(always)]
    pub(crate) fn reserve(&mut self, cursor: &mut Cursor, len: usize, size: Size) -> u32 {
        match cursor.0 {
            Some(block) if self.has_room(block, len) => block,
            _ => self.next_block(cursor, len, size),
        }
    }

    fn has_room(&self, block: u32, len: usize) -> bool {
        let data = &self.blocks[block as usize].data;
        data.capacity() - data.len() >= len
    }

    #[cold]
    fn next_block(&mut self, cursor: &mut Cursor, len: usize, size: Size) -> u32 {
        self.close(cursor);
        let size = size as usize;
        let data = if len > self.sizes[size] {
            self.spare_buffer(len).unwrap_or_else(|| Vec::with_capacity(len))
        } else {
            self.spare[size].pop().unwrap_or_else(|| Vec::with_capacity(self.sizes[size]))
        };
        let block = self.adopt(data);
        cursor.0 = Some(block);
        block
    }

    /// Gives `cursor` a block with `len` bytes of room, more than one of the usual size may have. False where there is no such memory.
    pub(crate) fn prepare(&mut self, cursor: &mut Cursor, len: usize) -> bool {
        if cursor.0.is_some_and(|block| self.has_room(block, len)) {
            return true;
        }
        let mut data = self.spare_buffer(len).unwrap_or_default();
        if data.try_reserve_exact(len).is_err() {
            return false;
        }
        self.close(cursor);
        cursor.0 = Some(self.adopt(data));
        true
    }

    /// Idle memory for `len` bytes, to be adopted later; `None` where there is none.
    pub(crate) fn spare_buffer(&mut self, len: usize) -> Option<Vec<u8>> {
        let at = self.odd.iter().rposition(|buffer| buffer.capacity() >= len)?;
        let buffer = self.odd.swap_remove(at);
        self.odd_bytes -= buffer.capacity();
        Some(buffer)
    }

    /// Lets `cursor` go of its block.
    pub(crate) fn close(&mut self, cursor: &mut Cursor) {
        if let Some(block) = cursor.0.take() {
            self.release(block);
        }
    }

    /// Makes `data` a block of its own, held by the caller.
    pub(crate) fn adopt(&mut self, data: Vec<u8>) -> u32 {
        let block = self.vacant.pop().unwrap_or_else(|| {
            self.blocks.push(Block::default());
            self.blocks.len() as u32 - 1
        });
        self.held_bytes += data.capacity();
        self.blocks[block as usize] = Block { data, holders: 1, lent: false };
        block
    }

    /// Appends `bytes` and holds the block for them.
    #[inline(always)]
    pub(crate) fn append(&mut self, cursor: &mut Cursor, bytes: &[u8], size: Size) -> Place {
        let block = self.reserve(cursor, bytes.len(), size);
        let Block { data, holders, .. } = &mut self.blocks[block as usize];
        let offset = data.len() as u32;
        data.extend_from_slice(bytes);
        *holders += 1;
        Place { block, offset, len: bytes.len() as u32 }
    }

    /// The block's bytes, for appending within the room that was reserved.
    pub(crate) fn data_mut(&mut self, block: u32) -> &mut Vec<u8> {
        &mut self.blocks[block as usize].data
    }

    pub(crate) fn bytes(&self, place: Place) -> &[u8] {
        &self.blocks[place.block as usize].data[place.offset as usize..][..place.len as usize]
    }

    pub(crate) fn bytes_mut(&mut self, place: Place) -> &mut [u8] {
        &mut self.blocks[place.block as usize].data[place.offset as usize..][..place.len as usize]
    }

    pub(crate) fn hold(&mut self, block: u32) {
        self.blocks[block as usize].holders += 1;
    }

    pub(crate) fn release(&mut self, block: u32) {
        self.release_often((block, 1));
    }

    /// Lets go of a block so many times.
    #[inline]
    pub(crate) fn release_often(&mut self, (block, times): (u32, u32)) {
        if times == 0 {
            return;
        }
        let held = &mut self.blocks[block as usize];
        held.holders -= times;
        if held.holders == 0 && !held.lent {
            self.recycle(block);
        }
    }

    /// The host reads from this block until the loans end.
    pub(crate) fn lend(&mut self, block: u32) {
        let held = &mut self.blocks[block as usize];
        if !held.lent {
            held.lent = true;
            self.lent.push(block);
        }
    }

    /// The host is done with all that was lent.
    pub(crate) fn end_loans(&mut self) {
        while let Some(block) = self.lent.pop() {
            let held = &mut self.blocks[block as usize];
            held.lent = false;
            if held.holders == 0 {
                self.recycle(block);
            }
        }
    }

    fn recycle(&mut self, block: u32) {
        let mut data = std::mem::take(&mut self.blocks[block as usize].data);
        data.clear();
        self.held_bytes -= data.capacity();
        match self.sizes.iter().position(|&size| size == data.capacity()) {
            Some(size) if self.spare[size].len() < SPARE => self.spare[size].push(data),
            None if self.odd.len() < SPARE && self.odd_bytes + data.capacity() <= SPARE_BYTES => {
                self.odd_bytes += data.capacity();
                self.odd.push(data);
            }
            _ => {}
        }
        self.vacant.push(block);
    }

    /// Bytes of memory in blocks that somebody holds or reads.
    pub(crate) fn held_bytes(&self) -> usize {
        self.held_bytes
    }
}

/// Things that exist only while a session is busy: taken and given back by index, with their buffers kept, as long as they are few.
pub(crate) struct Store<T> {
    items: Vec<T>,
    /// Those that nobody has: before the `middle`, and behind it.
    idle: [Vec<u32>; 2],
    middle: u32,
    /// Given back since the store was last tidied.
    returned: usize,
}

/// No item.
pub(crate) const NONE: u32 = u32::MAX;

/// Idle items that a store keeps, with their buffers.
const SPARE_ITEMS: usize = 1024;

impl<T: Default> Store<T> {
    pub(crate) fn new() -> Self {
        Store { items: Vec::new(), idle: Default::default(), middle: 0, returned: 0 }
    }

    /// An item as its last holder left it, or a new one.
    pub(crate) fn take(&mut self) -> u32 {
        let [before, behind] = &mut self.idle;
        before.pop().or_else(|| behind.pop()).unwrap_or_else(|| {
            self.items.push(T::default());
            self.items.len() as u32 - 1
        })
    }

    pub(crate) fn give_back(&mut self, index: u32) {
        self.returned += 1;
        self.idle[usize::from(index >= self.middle)].push(index);
        let [before, behind] = &self.idle;
        if before.len() + behind.len() > SPARE_ITEMS {
            self.items[index as usize] = T::default();
            if self.returned >= self.items.len() {
                self.tidy();
            }
        }
    }

    /// What many needed at once is not kept for ever: idle items at the end go, and those in the first half of the others are taken first.
    fn tidy(&mut self) {
        let mut idle = self.idle.concat();
        idle.sort_unstable();
        while idle.last().is_some_and(|&last| last as usize + 1 == self.items.len()) {
            idle.pop();
            self.items.pop();
        }
        self.items.shrink_to(self.items.len() + SPARE_ITEMS);
        (self.returned, self.middle) = (0, self.items.len() as u32 / 2);
        let behind = idle.split_off(idle.partition_point(|&index| index < self.middle));
        self.idle = [idle, behind];
    }

    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        self.items.get(index as usize)
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.items.get_mut(index as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_lent_stays_though_everyone_let_go_of_it() {
        let mut pool = Pool::new(512);
        let mut cursor = Cursor::default();
        let place = pool.append(&mut cursor, b"lent", Size::Small);
        pool.lend(place.block);
        pool.release(place.block);
        pool.close(&mut cursor);
        let other = pool.append(&mut cursor, b"else", Size::Small);
        assert_ne!(other.block, place.block);
        assert_eq!(pool.bytes(place), b"lent");
        pool.end_loans();
        assert_eq!(pool.bytes(other), b"else");
    }

    #[test]
    fn a_block_never_moves_and_is_used_again() {
        let mut pool = Pool::new(512);
        let mut cursor = Cursor::default();
        let first = pool.append(&mut cursor, &[1; 2000], Size::Small);
        let at = pool.bytes(first).as_ptr();
        let second = pool.append(&mut cursor, &[2; 2000], Size::Small);
        assert_ne!(first.block, second.block);
        assert_eq!(pool.bytes(first).as_ptr(), at);
        pool.release(first.block);
        pool.release(second.block);
        pool.close(&mut cursor);
        assert_eq!(pool.held_bytes(), 0);
        let again = pool.append(&mut cursor, &[3; 10], Size::Small);
        assert!(again.block <= 1);
        assert_eq!(pool.bytes(again), &[3; 10]);
    }

    #[test]
    fn a_store_gives_back_what_many_needed_at_once() {
        let mut store = Store::<Vec<u8>>::new();
        let many = 100 * SPARE_ITEMS as u32;
        for round in 0..3 {
            let mut taken: Vec<u32> = (0..many).map(|_| store.take()).collect();
            taken.iter().for_each(|&index| store.get_mut(index).expect("taken").reserve(100));
            // One in a thousand stays busy; the others come back in any order.
            let busy: Vec<u32> = taken.iter().copied().filter(|index| index % 1000 == 999).collect();
            taken.retain(|index| index % 1000 != 999);
            taken.sort_unstable_by_key(|index| index.wrapping_mul(0x9E37_79B9));
            taken.iter().for_each(|&index| store.give_back(index));
            assert!(store.items.iter().filter(|item| item.capacity() > 0).count() <= SPARE_ITEMS + busy.len(), "round {round}");
            // They move to the beginning as they come and go.
            let mut busy = busy;
            for _ in 0..4 * many as usize / busy.len() {
                let moved: Vec<u32> = busy.iter().map(|_| store.take()).collect();
                busy.iter().for_each(|&index| store.give_back(index));
                busy = moved;
            }
            assert!(store.items.len() <= 2 * SPARE_ITEMS, "{} items in round {round}", store.items.len());
            let mut all: Vec<u32> = store.idle.concat().into_iter().chain(busy.iter().copied()).collect();
            all.sort_unstable();
            assert!(all.iter().copied().eq(0..store.items.len() as u32), "each is idle or taken, once");
            busy.iter().for_each(|&index| store.give_back(index));
        }
    }

    #[test]
    fn idle_memory_of_odd_sizes_is_used_again_and_bounded() {
        let mut pool = Pool::new(512);
        assert_eq!(pool.spare_buffer(1), None);
        for capacity in [20_000, 90_000, 1_000_000] {
            let block = pool.adopt(Vec::with_capacity(capacity));
            pool.release(block);
        }
        assert_eq!(pool.odd_bytes, 110_000, "the third would have been more than is kept");
        assert_eq!(pool.spare_buffer(90_001), None);
        let buffer = pool.spare_buffer(20_001).unwrap();
        assert_eq!((buffer.len(), buffer.capacity(), pool.odd_bytes), (0, 90_000, 20_000));
        for _ in 0..2 * SPARE {
            let block = pool.adopt(Vec::with_capacity(100));
            pool.release(block);
        }
        assert_eq!(pool.odd.len(), SPARE);
    }

    #[test]
    fn what_is_held_is_counted_in_whole_blocks() {
        let mut pool = Pool::new(512);
        let (mut cursor, mut other) = (Cursor::default(), Cursor::default());
        let place = pool.append(&mut cursor, b"small", Size::Small);
        assert_eq!(pool.held_bytes(), 2048);
        pool.append(&mut other, b"large", Size::Large);
        assert_eq!(pool.held_bytes(), 2048 + 32_768);
        let adopted = pool.adopt(Vec::with_capacity(5_000));
        assert_eq!(pool.held_bytes(), 2048 + 32_768 + 5_000);
        pool.lend(adopted);
        pool.release(adopted);
        assert_eq!(pool.held_bytes(), 2048 + 32_768 + 5_000, "still lent");
        pool.end_loans();
        pool.close(&mut cursor);
        pool.release(place.block);
        assert_eq!(pool.held_bytes(), 32_768);
    }

    #[test]
    fn memory_that_is_not_to_be_had_is_an_answer() {
        let mut pool = Pool::new(512);
        let mut cursor = Cursor::default();
        let place = pool.append(&mut cursor, b"before", Size::Small);
        assert!(!pool.prepare(&mut cursor, isize::MAX as usize));
        assert!(pool.prepare(&mut cursor, 100), "there is room");
        assert_eq!(pool.append(&mut cursor, b"behind", Size::Small).block, place.block);
        assert!(pool.prepare(&mut cursor, 3_000_000));
        let block = pool.reserve(&mut cursor, 3_000_000, Size::Small);
        assert_ne!(block, place.block);
        assert_eq!(pool.held_bytes(), 3_000_000 + 2048);
    }

    #[test]
    fn a_message_larger_than_a_block_gets_its_own() {
        let mut pool = Pool::new(512);
        let mut cursor = Cursor::default();
        let place = pool.append(&mut cursor, &vec![7; 300_000], Size::Large);
        assert_eq!(pool.bytes(place).len(), 300_000);
        pool.release(place.block);
        pool.close(&mut cursor);
        assert_eq!(pool.held_bytes(), 0);
    }
}
