//! What hosts point at: presence, alignment, lengths, and structs that grow.

use super::Answer;
use super::status::soe_status_code::{SOE_ERR_INVALID_ARGUMENT, SOE_ERR_MISALIGNED, SOE_ERR_NULL, SOE_ERR_STRUCT_SIZE};
use std::ptr;

/// Refuses NULL and what is misaligned for a `T`.
#[inline]
pub(super) fn present<T>(pointer: *const T) -> Answer<()> {
    if pointer.is_null() {
        Err(SOE_ERR_NULL)
    } else if !pointer.is_aligned() {
        Err(SOE_ERR_MISALIGNED)
    } else {
        Ok(())
    }
}

/// The same for an array, which may be NULL where it has no elements.
#[inline]
pub(super) fn present_array<T>(pointer: *const T, count: usize) -> Answer<()> {
    if count == 0 { Ok(()) } else { present(pointer) }
}

/// What an in pointer points at.
///
/// # Safety
/// By the rules of the header.
#[inline]
pub(super) unsafe fn read<T: Copy>(pointer: *const T) -> Answer<T> {
    present(pointer)?;
    // SAFETY: checked above; what it points at is there by the rules of the header.
    Ok(unsafe { pointer.read() })
}

/// `len` bytes at `data`, which is not looked at for a `len` of 0.
///
/// # Safety
/// By the rules of the header; and the slice is not used after the call that the pointer came with.
#[inline]
pub(super) unsafe fn bytes<'a>(data: *const u8, len: usize) -> Answer<&'a [u8]> {
    if len == 0 {
        return Ok(&[]);
    }
    present(data)?;
    if isize::try_from(len).is_err() {
        return Err(SOE_ERR_INVALID_ARGUMENT);
    }
    // SAFETY: neither NULL nor too long; the bytes are there by the rules of the header.
    Ok(unsafe { std::slice::from_raw_parts(data, len) })
}

/// As much room as lent memory of length 0 needs: hosts may hand the pointer on to functions that take no NULL.
static NOTHING: u8 = 0;

/// A pointer for a host: never NULL.
#[inline]
pub(super) fn lend(bytes: &[u8]) -> *const u8 {
    if bytes.is_empty() { &NOTHING } else { bytes.as_ptr() }
}

/// A struct that later versions may lengthen.
///
/// # Safety
/// `repr(C)`, begins with `struct_size: u32`, and any bytes are a valid value.
pub(super) unsafe trait Growable: Copy {
    /// Where the pointers begin that are read: a size that ends inside one does not have it.
    const POINTERS: &'static [usize] = &[];
    /// The same for integers of eight bytes.
    const U64S: &'static [usize] = &[];
}

/// The smallest `struct_size`: every growable struct began with this much.
const MIN_STRUCT_SIZE: usize = 8;
/// The largest one: no struct grows past it, so what is larger was never set, and is not followed into memory.
const MAX_STRUCT_SIZE: usize = 4096;

fn checked_size(size: usize) -> Answer<usize> {
    if (MIN_STRUCT_SIZE..=MAX_STRUCT_SIZE).contains(&size) { Ok(size) } else { Err(SOE_ERR_STRUCT_SIZE) }
}

/// How many bytes of a `T` a host's struct of `size` bytes has: whole members only.
fn covered<T: Growable>(size: usize) -> usize {
    let pointers = T::POINTERS.iter().map(|begin| (*begin, size_of::<usize>()));
    let mut wide = pointers.chain(T::U64S.iter().map(|begin| (*begin, 8)));
    match wide.find(|(begin, width)| *begin < size && size < begin + width) {
        Some((begin, _)) => begin,
        None => (size & !3).min(size_of::<T>()),
    }
}

/// A host's struct; members that it does not have are as in `default`.
///
/// # Safety
/// By the rules of the header, for as many bytes as `struct_size` says.
pub(super) unsafe fn read_growable<T: Growable>(pointer: *const T, default: T) -> Answer<T> {
    present(pointer)?;
    // SAFETY: checked above; a growable struct begins with its size.
    let size = checked_size(unsafe { pointer.cast::<u32>().read() } as usize)?;
    let tail = size.saturating_sub(size_of::<T>());
    // SAFETY: `size` bytes are there by the rules of the header, and the tail lies within them.
    let tail = unsafe { bytes(pointer.cast::<u8>().wrapping_add(size_of::<T>()), tail)? };
    if tail.iter().any(|byte| *byte != 0) {
        return Err(SOE_ERR_STRUCT_SIZE);
    }
    let mut value = default;
    // SAFETY: no more than either has, from the host's memory to ours; any bytes are a valid T.
    unsafe { ptr::copy_nonoverlapping(pointer.cast::<u8>(), (&raw mut value).cast::<u8>(), covered::<T>(size)) };
    Ok(value)
}

/// Fills a host's struct of the size that the host set in it. What `value` does not have becomes zero; `struct_size` stays.
///
/// # Safety
/// By the rules of the header, for as many bytes as `struct_size` says.
pub(super) unsafe fn write_growable<T: Growable>(pointer: *mut T, value: &T) -> Answer<()> {
    present(pointer)?;
    // SAFETY: checked above; a growable struct begins with its size.
    let size = unsafe { pointer.cast::<u32>().read() } as usize;
    // SAFETY: as asked of our caller.
    unsafe { init_growable(pointer, size, value) }
}

/// Fills a host's struct of `size` bytes, whatever was in it, and sets its `struct_size`.
///
/// # Safety
/// By the rules of the header, for `size` bytes.
pub(super) unsafe fn init_growable<T: Growable>(pointer: *mut T, size: usize, value: &T) -> Answer<()> {
    present(pointer)?;
    let size = checked_size(size)?;
    let ours = size.min(size_of::<T>());
    // SAFETY: `size` bytes are there by the rules of the header; `ours` is no more than either has.
    unsafe {
        ptr::copy_nonoverlapping(ptr::from_ref(value).cast::<u8>(), pointer.cast::<u8>(), ours);
        ptr::write_bytes(pointer.cast::<u8>().add(ours), 0, size - ours);
        pointer.cast::<u32>().write(size as u32);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::config::soe_config;
    use std::mem::offset_of;

    #[test]
    fn members_cut_in_two_are_not_there() {
        let whole = size_of::<soe_config>();
        assert_eq!(covered::<soe_config>(whole), whole);
        assert_eq!(covered::<soe_config>(whole + 100), whole);
        assert_eq!(covered::<soe_config>(whole - 1), whole - 4);
        let seed = offset_of!(soe_config, rng_seed);
        assert_eq!([seed, seed + 1, seed + 4, seed + 7, seed + 8].map(covered::<soe_config>), [seed, seed, seed, seed, seed + 8]);
    }

    #[test]
    fn lent_memory_is_never_null() {
        assert!(!lend(&[]).is_null());
    }
}
