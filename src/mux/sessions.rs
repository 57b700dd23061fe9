//! All sessions of a multiplexer: named by id, found by address, or by what a RemapConnection shows.

use std::hash::BuildHasher;

use foldhash::quality::FixedState;
use hashbrown::HashTable;

use crate::address::Address;
use crate::cipher::Rc4;
use crate::event::{Channel, SessionId};
use crate::session::Session;

/// Bits of an id that name the slot; the rest, up to 53 in all, is the slot's generation.
const SLOT_BITS: u32 = 24;
const GENERATIONS: u32 = 1 << (53 - SLOT_BITS);

// Nearly all slots hold sessions: a box would cost each of them a pointer and a cache miss.
#[allow(clippy::large_enum_variant)]
enum Occupant {
    Vacant,
    /// A connect request that waits for the host, or for its first datagram: its place in the half-open table.
    Reserved(u32),
    /// Such a request that ended; the host has not heard of it yet.
    Departed,
    Session(Session),
}

struct Slot {
    generation: u32,
    occupant: Occupant,
}

pub(crate) struct Sessions {
    slots: Vec<Slot>,
    vacant: Vec<u32>,
    by_address: HashTable<u32>,
    by_secret: HashTable<u32>,
    hash: FixedState,
    /// A RemapConnection may come from another host ([`crate::Config::allow_address_remap`]).
    any_host: bool,
    open: u32,
    departed: u32,
    /// Where the last datagram's session was: they come in runs.
    last: u32,
}

/// The slot that an id names, whoever is in it.
pub(crate) fn slot_of(id: SessionId) -> u32 {
    (id.0 & ((1 << SLOT_BITS) - 1)) as u32
}

impl Sessions {
    pub(crate) fn new(hash_key: u64, any_host: bool) -> Self {
        Sessions {
            slots: Vec::new(),
            vacant: Vec::new(),
            by_address: HashTable::new(),
            by_secret: HashTable::new(),
            hash: FixedState::with_seed(hash_key),
            any_host,
            open: 0,
            departed: 0,
            last: 0,
        }
    }

    /// Sessions that exist, with ended ones that the host has not heard of.
    pub(crate) fn open(&self) -> u32 {
        self.open
    }

    fn take_slot(&mut self, occupant: Occupant) -> SessionId {
        let slot = self.vacant.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, occupant: Occupant::Vacant });
            self.slots.len() as u32 - 1
        });
        let taken = &mut self.slots[slot as usize];
        taken.generation = (taken.generation + 1) % GENERATIONS;
        // No id is 0: generation 0 of slot 0 would be.
        taken.generation = taken.generation.max(1);
        taken.occupant = occupant;
        SessionId(u64::from(taken.generation) << SLOT_BITS | u64::from(slot))
    }

    /// An id for a connect request that the host hears of.
    pub(crate) fn reserve(&mut self, half_open: u32) -> SessionId {
        self.take_slot(Occupant::Reserved(half_open))
    }

    /// Makes room for a session, under the id that was reserved for it if there was one, and finds it from now on by its address.
    pub(crate) fn insert(&mut self, reserved: Option<SessionId>, make: impl FnOnce(SessionId) -> Session) -> SessionId {
        let id = reserved.unwrap_or_else(|| self.take_slot(Occupant::Vacant));
        let slot = slot_of(id);
        let session = make(id);
        let address = session.address;
        self.slots[slot as usize].occupant = Occupant::Session(session);
        self.open += 1;
        self.link_address(slot, &address);
        id
    }

    fn link_address(&mut self, slot: u32, address: &Address) {
        let Sessions { by_address, hash, slots, .. } = self;
        by_address.insert_unique(hash.hash_one(address), slot, |&slot| hash.hash_one(session_in(slots, slot).address));
    }

    /// False where it was not linked.
    fn unlink_address(&mut self, slot: u32, address: &Address) -> bool {
        let entry = self.by_address.find_entry(self.hash.hash_one(address), |&other| other == slot);
        entry.map(|entry| entry.remove()).is_ok()
    }

    /// The session is found by host, session id and CRC seed from now on: that is what a RemapConnection shows.
    pub(crate) fn link_secret(&mut self, id: SessionId) {
        let Sessions { by_secret, hash, slots, any_host, .. } = self;
        let slot = slot_of(id);
        by_secret.insert_unique(hash.hash_one(secret_of(session_in(slots, slot), *any_host)), slot, |&slot| {
            hash.hash_one(secret_of(session_in(slots, slot), *any_host))
        });
    }

    /// The session goes on from another address; returns the old one.
    pub(crate) fn rebind(&mut self, id: SessionId, address: Address) -> Option<Address> {
        let old = std::mem::replace(&mut self.get_mut(id)?.address, address);
        self.unlink_address(slot_of(id), &old);
        self.link_address(slot_of(id), &address);
        Some(old)
    }

    /// The session is not found by what is on the wire any more. Its id stays good until [`Sessions::forget`]. False where it was not found before.
    pub(crate) fn unlink(&mut self, id: SessionId) -> bool {
        let slot = slot_of(id);
        if self.last == slot {
            self.last = u32::MAX;
        }
        let Some(session) = self.get(id) else { return false };
        let (address, secret) = (session.address, secret_of(session, self.any_host));
        let linked = self.unlink_address(slot, &address);
        if let Ok(entry) = self.by_secret.find_entry(self.hash.hash_one(secret), |&other| other == slot) {
            entry.remove();
        }
        linked
    }

    /// A connect request ended; its id stays good until [`Sessions::forget`].
    pub(crate) fn depart(&mut self, id: SessionId) {
        self.slots[slot_of(id) as usize].occupant = Occupant::Departed;
        self.departed += 1;
    }

    /// Connect requests that ended without the host having heard.
    pub(crate) fn departed(&self) -> u32 {
        self.departed
    }

    /// The host hears that it is over: it counts no more, but the id stays good as long as the host may be reading that.
    pub(crate) fn let_go(&mut self, id: SessionId) {
        match self.slots[slot_of(id) as usize].occupant {
            Occupant::Session(_) => self.open -= 1,
            Occupant::Departed => self.departed -= 1,
            Occupant::Vacant | Occupant::Reserved(_) => {}
        }
    }

    /// The id names nothing any more.
    pub(crate) fn forget(&mut self, id: SessionId) {
        let slot = slot_of(id);
        self.slots[slot as usize].occupant = Occupant::Vacant;
        self.vacant.push(slot);
    }

    /// The host heard of the last change of address.
    pub(crate) fn rebound_heard(&mut self, id: SessionId) {
        if let Some(session) = self.get_mut(id) {
            session.rebound_waits = false;
        }
    }

    pub(crate) fn find(&self, address: &Address) -> Option<SessionId> {
        self.slot_at(address).map(|slot| session_in(&self.slots, slot).id)
    }

    #[inline(never)]
    fn slot_at(&self, address: &Address) -> Option<u32> {
        let hash = self.hash.hash_one(address);
        self.by_address.find(hash, |&slot| session_in(&self.slots, slot).address == *address).copied()
    }

    /// The session at an address.
    #[inline]
    pub(crate) fn find_mut(&mut self, address: &Address) -> Option<&mut Session> {
        let here = |slot: &Slot| matches!(&slot.occupant, Occupant::Session(session) if session.address == *address);
        if !self.slots.get(self.last as usize).is_some_and(here) {
            self.last = self.slot_at(address)?;
        }
        self.at_mut(self.last)
    }

    /// The session of a host that knows both session id and CRC seed.
    pub(crate) fn find_secret(&self, from: &Address, wire_id: u32, crc_seed: u32) -> Option<SessionId> {
        let wanted = secret(from, wire_id, crc_seed, self.any_host);
        let found =
            self.by_secret.find(self.hash.hash_one(wanted), |&slot| secret_of(session_in(&self.slots, slot), self.any_host) == wanted);
        found.map(|&slot| session_in(&self.slots, slot).id)
    }

    fn slot(&self, id: SessionId) -> Option<&Slot> {
        self.slots.get(slot_of(id) as usize).filter(|slot| u64::from(slot.generation) == id.0 >> SLOT_BITS)
    }

    pub(crate) fn get(&self, id: SessionId) -> Option<&Session> {
        match &self.slot(id)?.occupant {
            Occupant::Session(session) => Some(session),
            _ => None,
        }
    }

    pub(crate) fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        let slot = self.slots.get_mut(slot_of(id) as usize).filter(|slot| u64::from(slot.generation) == id.0 >> SLOT_BITS)?;
        match &mut slot.occupant {
            Occupant::Session(session) => Some(session),
            _ => None,
        }
    }

    /// The session in a slot, whatever its generation.
    pub(crate) fn at_mut(&mut self, slot: u32) -> Option<&mut Session> {
        match &mut self.slots.get_mut(slot as usize)?.occupant {
            Occupant::Session(session) => Some(session),
            _ => None,
        }
    }

    /// The place in the half-open table that an id was reserved for.
    pub(crate) fn reserved(&self, id: SessionId) -> Option<u32> {
        match self.slot(id)?.occupant {
            Occupant::Reserved(half_open) => Some(half_open),
            _ => None,
        }
    }

    /// True where an id names something that the host can still ask about.
    pub(crate) fn knows(&self, id: SessionId) -> bool {
        self.slot(id).is_some_and(|slot| !matches!(slot.occupant, Occupant::Vacant))
    }

    /// No channel of the session has to wait or to be deciphered.
    pub(crate) fn reads_plain(&self, id: SessionId) -> bool {
        self.get(id).is_none_or(Session::reads_plain)
    }

    /// How the next message of a channel is read that is handed out in drain number `drain`.
    #[inline]
    pub(crate) fn reading(&mut self, id: SessionId, channel: Channel, drain: u32) -> Reading<'_> {
        match self.get_mut(id) {
            Some(session) => session.reading(channel, drain),
            None => Reading::Plain,
        }
    }
}

/// How a message is read that is handed out.
pub(crate) enum Reading<'a> {
    /// As it came, and so are all behind it in this drain.
    Plain,
    /// As it came; the next one waits for the next drain.
    Single,
    Ciphered(&'a mut Rc4),
    /// It waits for the next drain.
    Later,
}

fn session_in(slots: &[Slot], slot: u32) -> &Session {
    match &slots[slot as usize].occupant {
        Occupant::Session(session) => session,
        _ => unreachable!("the tables hold sessions only"),
    }
}

/// What a RemapConnection from this address shows: the host counts, unless any may be it.
fn secret(address: &Address, wire_id: u32, crc_seed: u32, any_host: bool) -> (Address, u32, u32) {
    let host = if any_host { Address::default() } else { Address { port: 0, ..*address } };
    (host, wire_id, crc_seed)
}

/// What shows that it is this session's.
fn secret_of(session: &Session, any_host: bool) -> (Address, u32, u32) {
    secret(&session.address, session.wire_id, session.agreed.sealing.seed(), any_host)
}
