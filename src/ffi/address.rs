use super::Answer;
use super::status::soe_status_code::SOE_ERR_INVALID_ARGUMENT;
use crate::{Address, Family};

/// What the bytes of a soe_addr are.
#[repr(C)]
pub enum soe_family {
    /// Sixteen bytes and a port that mean something to the host alone: a relay, a test, a link that is not IP.
    SOE_FAMILY_OPAQUE = 0,
    /// An IPv4 address.
    SOE_FAMILY_V4 = 4,
    /// An IPv6 address.
    SOE_FAMILY_V6 = 6,
}

/// Where datagrams come from and go to. 24 bytes. Sessions are told apart by it; members that the family does not use are ignored, and zero
/// where the library fills them.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct soe_addr {
    /// Network byte order. IPv4: the first four bytes. IPv6 and opaque: all sixteen.
    pub ip: [u8; 16],
    /// IPv6: the scope (interface index) of a link-local address, else 0.
    pub scope_id: u32,
    /// In host byte order.
    pub port: u16,
    /// SOE_FAMILY_*
    pub family: u8,
    /// Ignored; 0 where the library fills it.
    pub reserved: u8,
}

const _: () = {
    assert!(size_of::<soe_addr>() == 24);
    assert!(std::mem::offset_of!(soe_addr, scope_id) == 16);
    assert!(std::mem::offset_of!(soe_addr, port) == 20);
    assert!(std::mem::offset_of!(soe_addr, family) == 22);
};

impl soe_addr {
    /// The same, byte by byte.
    #[inline]
    pub(super) fn is(&self, other: &soe_addr) -> bool {
        // In the order of the memory, so that it is read at once.
        let rest =
            |it: &soe_addr| u64::from(it.scope_id) | u64::from(it.port) << 32 | u64::from(it.family) << 48 | u64::from(it.reserved) << 56;
        self.ip == other.ip && rest(self) == rest(other)
    }

    /// As the multiplexer compares it.
    #[inline]
    pub(super) fn address(&self) -> Answer<Address> {
        let soe_addr { ip, port, .. } = *self;
        let (family, ip, scope_id) = match self.family {
            0 => (Family::Opaque, ip, 0),
            // As a number, so that the table does not wait for bytes that were written one by one.
            4 => (Family::V4, (u128::from_le_bytes(ip) & u128::from(u32::MAX)).to_le_bytes(), 0),
            6 => (Family::V6, ip, self.scope_id),
            _ => return Err(SOE_ERR_INVALID_ARGUMENT),
        };
        Ok(Address { ip, scope_id, port, family, zero: 0 })
    }
}

impl From<Address> for soe_addr {
    #[inline]
    fn from(address: Address) -> Self {
        let Address { ip, scope_id, port, family, zero } = address;
        soe_addr { ip, scope_id, port, family: family as u8, reserved: zero }
    }
}
