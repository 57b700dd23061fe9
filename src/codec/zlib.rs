//! The compression pass's zlib: states are made on first use, then kept and reset.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// What a stream ends with that was flushed but not finished (zlib's empty stored block): Sanctuary's sender may leave it so.
const FLUSHED: [u8; 4] = [0, 0, 0xFF, 0xFF];

/// Deflates and inflates one body at a time, into a buffer of its own.
pub(super) struct Zlib {
    max_inflated: usize,
    level: u32,
    deflater: Option<Compress>,
    inflater: Option<Decompress>,
    output: Vec<u8>,
}

impl Zlib {
    pub(super) fn new(max_inflated: usize, level: u32) -> Self {
        Zlib { max_inflated, level, deflater: None, inflater: None, output: Vec::new() }
    }

    /// The body as a zlib stream, where that is shorter.
    pub(super) fn deflate(&mut self, body: &[u8]) -> Option<&[u8]> {
        let deflater = self.deflater.get_or_insert_with(|| Compress::new(Compression::new(self.level), true));
        deflater.reset();
        // What isn't shorter doesn't fit.
        let output = room(&mut self.output, body.len().saturating_sub(1));
        let finished = deflater.compress(body, output, FlushCompress::Finish).ok()? == Status::StreamEnd;
        finished.then(|| &output[..deflater.total_out() as usize])
    }

    /// The body of a zlib stream, which may be followed by other bytes; `None` for what is none, is cut off or inflates beyond the limit.
    pub(super) fn inflate(&mut self, stream: &[u8]) -> Option<&[u8]> {
        let inflater = self.inflater.get_or_insert_with(|| Decompress::new(true));
        inflater.reset(true);
        // One byte more than is allowed, to see that there is more.
        let output = room(&mut self.output, self.max_inflated + 1);
        let status = inflater.decompress(stream, output, FlushDecompress::Finish).ok()?;
        let inflated = inflater.total_out() as usize;
        let whole = status == Status::StreamEnd || stream.ends_with(&FLUSHED);
        (whole && inflated <= self.max_inflated).then(|| &output[..inflated])
    }
}

/// The first `len` bytes of a buffer that grows and never shrinks: bytes are cleared once, not for each packet.
fn room(buffer: &mut Vec<u8>, len: usize) -> &mut [u8] {
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
    &mut buffer[..len]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tests::hex;

    /// A stream of the ordinary kind, or one that is flushed and left open.
    fn stream(body: &[u8], flush: FlushCompress) -> Vec<u8> {
        let mut out = Vec::with_capacity(body.len() + 100);
        Compress::new(Compression::default(), true).compress_vec(body, &mut out, flush).unwrap();
        out
    }

    #[test]
    fn streams_of_other_implementations_inflate() {
        let mut zlib = Zlib::new(8192, 1);
        let zig = hex("789c2bc9c82c5600a24485b4cc9c5405232e00359a0552");
        assert_eq!(zlib.inflate(&zig), Some(&b"this is a file 2\n"[..]));
        assert_eq!(zlib.inflate(&hex("789c636505022e1000000168004c")), Some(&hex("0505050505 0a0a0a0a0a")[..]));
    }

    #[test]
    fn a_flushed_stream_needs_no_end_but_a_cut_one_is_refused() {
        let body: Vec<u8> = (0..300).map(|i| (i * i / 7) as u8).collect();
        let mut zlib = Zlib::new(8192, 1);
        for flush in [FlushCompress::Sync, FlushCompress::Full] {
            assert_eq!(zlib.inflate(&stream(&body, flush)), Some(&body[..]));
        }
        let whole = stream(&body, FlushCompress::Finish);
        assert_eq!(zlib.inflate(&whole), Some(&body[..]));
        (0..whole.len()).for_each(|cut| assert_eq!(zlib.inflate(&whole[..cut]), None, "{cut} bytes"));
        assert_eq!(zlib.inflate(&[&whole[..], b"behind"].concat()), Some(&body[..]));
    }

    #[test]
    fn garbage_is_refused_and_does_no_lasting_harm() {
        let mut zlib = Zlib::new(64, 1);
        let good = stream(b"good", FlushCompress::Finish);
        let mut wrong_sum = good.clone();
        *wrong_sum.last_mut().unwrap() ^= 1;
        // Deflate without zlib's head, a preset dictionary, a wrong checksum, the flush mark alone.
        for bad in [hex("4bcb492c49050000"), hex("78bb00000001 00"), wrong_sum, FLUSHED.to_vec(), vec![0xFF; 600], vec![]] {
            assert_eq!(zlib.inflate(&bad), None, "{bad:02x?}");
            assert_eq!(zlib.inflate(&good), Some(&b"good"[..]));
        }
    }

    #[test]
    fn a_bomb_inflates_to_the_limit_and_no_further() {
        for (limit, body, taken) in [(1, 1, true), (1, 2, false), (8192, 8192, true), (8192, 8193, false), (8192, 5_000_000, false)] {
            let mut zlib = Zlib::new(limit, 1);
            for flush in [FlushCompress::Finish, FlushCompress::Sync] {
                assert_eq!(zlib.inflate(&stream(&vec![0; body], flush)).is_some(), taken, "{body} of {limit}");
            }
            assert!(zlib.output.capacity() <= limit + 16, "{}", zlib.output.capacity());
        }
    }

    #[test]
    fn what_deflates_is_shorter_and_inflates_to_the_same() {
        let mut zlib = Zlib::new(16_384, 1);
        for len in [0, 1, 10, 11, 12, 23, 24, 511, 512, 16_384] {
            let even = vec![7; len];
            if let Some(deflated) = zlib.deflate(&even).map(<[u8]>::to_vec) {
                assert!(deflated.len() < len);
                assert_eq!(zlib.inflate(&deflated), Some(&even[..]));
            } else {
                assert!(len < 24, "{len} equal bytes deflate");
            }
            let mut random = crate::cipher::Rc4::new(&crate::Key::new(b"noise").unwrap());
            let noise: Vec<u8> = (0..len).map(|_| random.next_byte()).collect();
            assert_eq!(zlib.deflate(&noise), None);
        }
    }
}
