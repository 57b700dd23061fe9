//! How the bytes of an input are read: never short, never refused, so that whatever the fuzzer makes of an input still does something.

/// Ends a record. A mark and not a length in front: a byte more or less inside a record leaves all the others as they were.
pub const MARK: [u8; 3] = [0xFE, 0x50, 0xE5];

/// What is left of an input; behind its end are zeros.
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        Input(data)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    pub fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    pub fn long(&mut self) -> u32 {
        u32::from(self.word()) << 16 | u32::from(self.word())
    }

    /// The next `len` bytes, or as many as there are.
    pub fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// What is left, cut at the marks.
    pub fn records(self) -> impl Iterator<Item = Input<'a>> {
        let mut rest = Some(self.0).filter(|rest| !rest.is_empty());
        std::iter::from_fn(move || {
            let here = rest?;
            match here.windows(MARK.len()).position(|window| window == MARK) {
                Some(at) => {
                    rest = Some(&here[at + MARK.len()..]);
                    Some(Input(&here[..at]))
                }
                None => {
                    rest = None;
                    Some(Input(here))
                }
            }
        })
    }

    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}

/// How much time a byte says, in microseconds: nothing, or from 1 µs to 5 h in steps that grow.
pub fn step(byte: u8) -> u64 {
    match byte {
        0 => 0,
        _ => u64::from(1 + (byte >> 5)) << (byte & 31),
    }
}

/// The byte that says a time of about `us`.
pub fn step_byte(us: u64) -> u8 {
    (0..=u8::MAX).min_by_key(|byte| step(*byte).abs_diff(us)).unwrap_or(0)
}
