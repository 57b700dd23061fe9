//! Sessions that were answered but have not shown a datagram with the right CRC: small, bounded, apart from the open ones.

use std::collections::VecDeque;
use std::hash::BuildHasher;

use foldhash::quality::FixedState;
use hashbrown::HashTable;

use crate::address::Address;
use crate::cipher::Key;
use crate::config::MIN_UDP_LENGTH;
use crate::event::SessionId;
use crate::session::Agreement;

/// Requests with different session ids that may wait at one address: one that a stranger forges does not push out the one that is meant. Each more would make a
/// guessed CRC more likely to be somebody's.
const MOST_PER_ADDRESS: usize = 4;

pub(crate) struct HalfOpen {
    pub(crate) address: Address,
    pub(crate) wire_id: u32,
    pub(crate) agreed: Agreement,
    /// The host accepted it ([`crate::Config::manual_accept`]).
    pub(crate) accepted: bool,
    /// Bytes of the SessionRequest.
    pub(crate) request_len: u16,
    /// SessionResponses sent: one alone tells a round-trip time.
    pub(crate) responses: u16,
    pub(crate) responded_at: u64,
    /// A datagram with the right CRC came, but an older session holds the address.
    pub(crate) proven: bool,
    pub(crate) user_data: u64,
    /// The name, where it is not the config's.
    pub(crate) application_protocol: Option<Box<[u8]>>,
    /// The id that the host knows it by ([`crate::Config::manual_accept`]).
    pub(crate) id: Option<SessionId>,
    pub(crate) cipher_key: Option<Key>,
    created_at: u64,
    /// Which one it is of all that ever came.
    serial: u64,
}

impl HalfOpen {
    /// Later ones have larger numbers.
    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }

    pub(crate) fn new(address: Address, wire_id: u32, created_at: u64) -> Self {
        HalfOpen {
            address,
            wire_id,
            agreed: Agreement::none(MIN_UDP_LENGTH),
            accepted: false,
            request_len: 0,
            responses: 0,
            responded_at: 0,
            proven: false,
            user_data: 0,
            application_protocol: None,
            id: None,
            cipher_key: None,
            created_at,
            serial: 0,
        }
    }
}

#[derive(Clone, Copy)]
struct Arrival {
    index: u32,
    serial: u64,
    at: u64,
}

pub(crate) struct HalfOpenTable {
    entries: Vec<Option<Box<HalfOpen>>>,
    vacant: Vec<u32>,
    by_address: HashTable<u32>,
    hash: FixedState,
    /// Entries in the order in which they came; those that are gone are skipped.
    order: VecDeque<Arrival>,
    serial: u64,
    most: usize,
    lifetime: u64,
}

impl HalfOpenTable {
    pub(crate) fn new(hash_key: u64, most: u32, lifetime: u64) -> Self {
        HalfOpenTable {
            entries: Vec::new(),
            vacant: Vec::new(),
            by_address: HashTable::new(),
            hash: FixedState::with_seed(hash_key),
            order: VecDeque::new(),
            serial: 0,
            most: most as usize,
            lifetime,
        }
    }

    fn len(&self) -> usize {
        self.entries.len() - self.vacant.len()
    }

    /// More than half of the places are taken.
    pub(crate) fn is_crowded(&self) -> bool {
        self.len() > self.most / 2
    }

    /// Takes a newcomer in; returns its place, and whoever had to make room: the oldest at its address where too many wait there, else the oldest of all.
    pub(crate) fn insert(&mut self, mut entry: HalfOpen) -> (u32, Option<HalfOpen>) {
        let here = self.at(&entry.address);
        let leaves = if here.len() >= MOST_PER_ADDRESS {
            here.into_iter().min_by_key(|&index| self.get(index).map(|waiting| (waiting.proven, waiting.serial)))
        } else if self.len() >= self.most {
            self.oldest().map(|oldest| oldest.index)
        } else {
            None
        };
        let displaced = leaves.map(|index| self.remove(index));
        let index = self.vacant.pop().unwrap_or_else(|| {
            self.entries.push(None);
            self.entries.len() as u32 - 1
        });
        self.serial += 1;
        entry.serial = self.serial;
        self.tidy();
        self.order.push_back(Arrival { index, serial: entry.serial, at: entry.created_at });
        let hash = self.hash.hash_one(entry.address);
        self.entries[index as usize] = Some(Box::new(entry));
        let (entries, hasher) = (&self.entries, &self.hash);
        self.by_address
            .insert_unique(hash, index, |&index| entries[index as usize].as_ref().map_or(0, |entry| hasher.hash_one(entry.address)));
        (index, displaced)
    }

    /// Somebody who waits for the host asks again: his time starts anew.
    pub(crate) fn refresh(&mut self, index: u32, now: u64) {
        let Some(entry) = self.entries[index as usize].as_mut().filter(|entry| entry.responses == 0) else { return };
        self.serial += 1;
        (entry.serial, entry.created_at) = (self.serial, now);
        self.order.push_back(Arrival { index, serial: self.serial, at: now });
        self.tidy();
    }

    /// Drops what was skipped, before it outgrows what is there.
    fn tidy(&mut self) {
        if self.order.len() > 2 * self.most + 64 {
            let entries = &self.entries;
            self.order.retain(|arrival| entries[arrival.index as usize].as_ref().is_some_and(|entry| entry.serial == arrival.serial));
        }
    }

    pub(crate) fn remove(&mut self, index: u32) -> HalfOpen {
        let entry = self.entries[index as usize].take().expect("the caller found it");
        if let Ok(found) = self.by_address.find_entry(self.hash.hash_one(entry.address), |&other| other == index) {
            found.remove();
        }
        self.vacant.push(index);
        *entry
    }

    pub(crate) fn get(&self, index: u32) -> Option<&HalfOpen> {
        self.entries.get(index as usize)?.as_deref()
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut HalfOpen> {
        self.entries.get_mut(index as usize)?.as_deref_mut()
    }

    /// Who waits at an address.
    pub(crate) fn at(&self, address: &Address) -> Vec<u32> {
        if self.by_address.is_empty() {
            return Vec::new();
        }
        let hash = self.hash.hash_one(address);
        let here = self.by_address.iter_hash(hash).copied();
        here.filter(|&index| self.get(index).is_some_and(|entry| entry.address == *address)).collect()
    }

    fn oldest(&mut self) -> Option<Arrival> {
        while let Some(&arrival) = self.order.front() {
            if self.get(arrival.index).is_some_and(|entry| entry.serial == arrival.serial) {
                return Some(arrival);
            }
            self.order.pop_front();
        }
        None
    }

    /// When the next one is forgotten: never later than it is due.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        self.order.front().map(|arrival| arrival.at + self.lifetime)
    }

    /// Forgets one whose time is up.
    pub(crate) fn expire(&mut self, now: u64) -> Option<HalfOpen> {
        let oldest = self.oldest()?;
        (oldest.at + self.lifetime <= now).then(|| self.remove(oldest.index))
    }
}
