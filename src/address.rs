//! Where datagrams come from and go to.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// The kind of an [`Address`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Family {
    /// Sixteen bytes that mean something to the host alone (a relay, a test, a link that is not IP).
    #[default]
    Opaque = 0,
    /// IPv4.
    V4 = 4,
    /// IPv6.
    V6 = 6,
}

/// The far end of a session. Compared as a whole, so unused bytes are zero: build one from a [`SocketAddr`] or with [`Address::opaque`].
#[derive(Clone, Copy, Eq, Default)]
#[repr(C)]
pub struct Address {
    /// IPv4 in the first four bytes, IPv6 in all sixteen.
    pub(crate) ip: [u8; 16],
    pub(crate) scope_id: u32,
    pub(crate) port: u16,
    pub(crate) family: Family,
    /// Fills the last word.
    pub(crate) zero: u8,
}

impl Address {
    /// An address of the host's own making.
    pub fn opaque(bytes: [u8; 16], port: u16) -> Self {
        Address { ip: bytes, scope_id: 0, port, family: Family::Opaque, zero: 0 }
    }

    /// The sixteen bytes: IPv4 uses the first four.
    pub fn bytes(&self) -> &[u8; 16] {
        &self.ip
    }

    /// The port, in host byte order.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Which kind of address this is.
    pub fn family(&self) -> Family {
        self.family
    }

    /// The IPv6 scope (interface index), else 0.
    pub fn scope_id(&self) -> u32 {
        self.scope_id
    }

    /// As the standard library knows it; `None` for an opaque address.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self.family {
            Family::Opaque => None,
            Family::V4 => {
                let [a, b, c, d, ..] = self.ip;
                Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), self.port))
            }
            Family::V6 => Some(SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::from(self.ip), self.port, 0, self.scope_id))),
        }
    }

    /// All of it, in words: tables hash and compare addresses with every datagram.
    #[inline]
    fn words(&self) -> [u64; 3] {
        let ip = u128::from_ne_bytes(self.ip);
        // As it stands in memory, so that it is read at once.
        let rest = u64::from(self.scope_id) | u64::from(self.port) << 32 | u64::from(self.family as u8) << 48 | u64::from(self.zero) << 56;
        [ip as u64, (ip >> 64) as u64, rest]
    }
}

impl PartialEq for Address {
    #[inline]
    fn eq(&self, other: &Address) -> bool {
        let ([a, b, c], [x, y, z]) = (self.words(), other.words());
        (a ^ x) | (b ^ y) | (c ^ z) == 0
    }
}

impl Hash for Address {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.words().into_iter().for_each(|word| state.write_u64(word));
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(v4) => {
                let mut ip = [0; 16];
                ip[..4].copy_from_slice(&v4.ip().octets());
                Address { ip, scope_id: 0, port: v4.port(), family: Family::V4, zero: 0 }
            }
            SocketAddr::V6(v6) => Address { ip: v6.ip().octets(), scope_id: v6.scope_id(), port: v6.port(), family: Family::V6, zero: 0 },
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.socket_addr() {
            Some(address) => write!(f, "{address}"),
            None => write!(f, "opaque {:02x?}:{}", self.ip, self.port),
        }
    }
}
