//! A message on its way into packets: enciphered while it is copied, with what the wire wants in front of it.

use crate::cipher::Rc4;
use crate::wire::{self, Packing};

/// The bytes of one message as they go over the wire.
pub(crate) struct Content<'a> {
    /// What stands before the message: the zero in front of one that begins with a zero, or the head of a bundle of one.
    prefix: [u8; LEAD],
    prefix_at: usize,
    data: &'a [u8],
    cipher: Option<&'a mut Rc4>,
    /// The first byte, where it was enciphered already.
    first: Option<u8>,
    bundle_of_one: bool,
}

/// What may stand before a message at most: the bundle opcode and its longest length.
pub(crate) const LEAD: usize = 2 + 7;

impl<'a> Content<'a> {
    /// `data` is not empty. A ciphertext that begins with a zero gets one more in front, and a plain message that `escapes`.
    #[inline]
    pub(crate) fn new(data: &'a [u8], mut cipher: Option<&'a mut Rc4>, escapes: bool) -> Self {
        let first = cipher.as_mut().map(|cipher| data[0] ^ cipher.next_byte());
        let mut content = Content {
            prefix: [0; LEAD],
            prefix_at: LEAD,
            data,
            cipher,
            first,
            bundle_of_one: first.is_none() && !escapes && data.starts_with(&wire::BUNDLE_HEAD),
        };
        if first.map_or(escapes, |first| first == 0) {
            content.prefix_at -= 1;
        }
        content
    }

    /// True where the payload would be taken for a bundle if it stood alone: then it goes as a bundle of one.
    pub(crate) fn bundle_of_one(&self) -> bool {
        self.bundle_of_one
    }

    /// Puts the head of a bundle of one in front.
    pub(crate) fn wrap(&mut self, packing: &Packing) {
        let mut head = [0; LEAD];
        head[..2].copy_from_slice(&wire::BUNDLE_HEAD);
        let len = 2 + packing.write(self.data.len(), &mut head[2..]);
        self.prefix_at = LEAD - len;
        self.prefix[self.prefix_at..].copy_from_slice(&head[..len]);
    }

    /// Bytes left to copy.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        LEAD - self.prefix_at + self.data.len()
    }

    /// Appends the next `n` bytes to `out`.
    #[inline]
    pub(crate) fn copy(&mut self, out: &mut Vec<u8>, n: usize) {
        if self.prefix_at < LEAD || self.cipher.is_some() {
            return self.encode(out, n);
        }
        let (now, later) = self.data.split_at(n);
        out.extend_from_slice(now);
        self.data = later;
    }

    #[inline(never)]
    fn encode(&mut self, out: &mut Vec<u8>, n: usize) {
        let head = n.min(LEAD - self.prefix_at);
        out.extend_from_slice(&self.prefix[self.prefix_at..][..head]);
        self.prefix_at += head;
        let at = out.len();
        let (now, later) = self.data.split_at(n - head);
        out.extend_from_slice(now);
        self.data = later;
        if let Some(cipher) = &mut self.cipher {
            let body = &mut out[at..];
            match self.first.take_if(|_| !body.is_empty()) {
                Some(first) => {
                    body[0] = first;
                    cipher.apply(&mut body[1..]);
                }
                None => cipher.apply(body),
            }
        }
    }
}
