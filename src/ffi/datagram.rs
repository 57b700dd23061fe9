use super::address::soe_addr;
use super::pointer::lend;
use super::session::soe_session_id;
use crate::{Datagram, SessionId};

/// One datagram, the same record in both directions. 48 bytes with pointers of 64 bits; never changes.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct soe_datagram {
    /// Its bytes. In: read during the call only. Out: lent until the next call of the same drain function; never NULL.
    pub data: *const u8,
    /// How many.
    pub len: u32,
    /// 0: one datagram. Else data holds a train of datagrams of this size each, the last of which may be shorter, as UDP_GRO receives and
    /// UDP_SEGMENT sends them. Out: never but with SOE_CONFIG_TRAINS.
    pub segment_size: u32,
    /// Out: whose it is; 0 for an answer to somebody without a session. In: ignored.
    pub session: soe_session_id,
    /// In: from where. Out: to where.
    pub addr: soe_addr,
}

#[cfg(target_pointer_width = "64")]
const _: () = {
    assert!(size_of::<soe_datagram>() == 48);
    assert!(std::mem::offset_of!(soe_datagram, len) == 8);
    assert!(std::mem::offset_of!(soe_datagram, segment_size) == 12);
    assert!(std::mem::offset_of!(soe_datagram, session) == 16);
    assert!(std::mem::offset_of!(soe_datagram, addr) == 24);
};

impl soe_datagram {
    /// More than one datagram.
    #[inline]
    pub(super) fn is_train(&self) -> bool {
        (1..self.len).contains(&self.segment_size)
    }
}

impl From<Datagram<'_>> for soe_datagram {
    #[inline]
    fn from(datagram: Datagram<'_>) -> Self {
        soe_datagram {
            data: lend(datagram.data),
            len: datagram.data.len() as u32,
            segment_size: datagram.segment_size,
            session: datagram.session.map_or(0, SessionId::get),
            addr: datagram.to.into(),
        }
    }
}
