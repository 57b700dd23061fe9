//! Datagrams on their way to the host: replies that belong to no session, and what a drain lends.

use std::collections::VecDeque;

use crate::address::Address;
use crate::config::Config;
use crate::event::{Datagram, SessionId};
use crate::pool::{Cursor, Place, Pool, Size};

/// Answers to strangers that may wait for the host, besides two for each half-open session that it may have.
const MOST_WAITING: usize = 4096;

/// One datagram or train, ready to leave.
#[derive(Clone, Copy)]
struct Ready {
    place: Place,
    /// 0, or the size of each datagram of a train but the last.
    segment: u32,
    /// Its place in [`Outbox::owners`].
    owner: u32,
}

/// Whose a datagram is, and where it goes.
#[derive(Clone, Copy)]
struct Owner {
    session: Option<SessionId>,
    to: Address,
}

/// Datagrams of a train at most, and its bytes: what Linux takes with UDP_SEGMENT.
const LONGEST_TRAIN: u32 = 64;
const LARGEST_TRAIN: u32 = 61_440;

impl Ready {
    /// Takes the datagram at `place` into the train, if it stands right behind and is no longer than the others. False where it is one of its own.
    fn couple(&mut self, place: Place, owner: u32) -> bool {
        let segment = if self.segment == 0 { self.place.len } else { self.segment };
        let joins = self.place.block == place.block
            && self.place.offset + self.place.len == place.offset
            && self.place.len.is_multiple_of(segment)
            && place.len <= segment
            && self.place.len / segment < LONGEST_TRAIN
            && self.place.len + place.len <= LARGEST_TRAIN
            && self.owner == owner;
        if joins {
            (self.segment, self.place.len) = (segment, self.place.len + place.len);
        }
        joins
    }
}

pub(crate) struct Outbox {
    pub(crate) pool: Pool,
    /// Where packets go that are not a reliable channel's.
    pub(crate) cursor: Cursor,
    /// What sessions say out of turn.
    waiting: VecDeque<(Place, Owner)>,
    /// Answers to strangers: they leave behind all that is the sessions'.
    strangers: VecDeque<(Place, Owner)>,
    most: usize,
    most_to_strangers: usize,
    /// The current drain may couple datagrams to trains.
    trains: bool,
    /// What the current drain hands out.
    leaving: Vec<Ready>,
    /// Whose that is: the last one's is what leaves next.
    owners: Vec<Owner>,
    /// The blocks that these stand in, held once for each run of them.
    held: Vec<u32>,
}

impl Outbox {
    pub(crate) fn new(config: &Config) -> Self {
        Outbox {
            // A SessionRequest or a response, a RemapConnection, a Disconnect.
            most: 4 * config.max_sessions as usize,
            most_to_strangers: MOST_WAITING + 2 * config.max_half_open as usize,
            strangers: VecDeque::new(),
            pool: Pool::new(config.udp_length as usize),
            cursor: Cursor::default(),
            waiting: VecDeque::new(),
            trains: false,
            leaving: Vec::new(),
            owners: Vec::new(),
            held: Vec::new(),
        }
    }

    /// Queues a whole datagram that does not wait for its session's turn. False where there is no room for it.
    pub(crate) fn reply(&mut self, datagram: &[u8], session: Option<SessionId>, to: Address) -> bool {
        let Outbox { pool, cursor, waiting, most, .. } = self;
        queue(pool, cursor, (waiting, *most), datagram, Owner { session, to })
    }

    /// The same for somebody who has no session.
    pub(crate) fn reply_to_stranger(&mut self, datagram: &[u8], session: Option<SessionId>, to: Address) -> bool {
        let Outbox { pool, cursor, strangers, most_to_strangers, .. } = self;
        queue(pool, cursor, (strangers, *most_to_strangers), datagram, Owner { session, to })
    }

    /// True where a reply waits.
    pub(crate) fn waits(&self) -> bool {
        !self.waiting.is_empty() || !self.strangers.is_empty()
    }

    /// What leaves from now on is this session's.
    pub(crate) fn speak_for(&mut self, session: SessionId, to: Address) {
        self.owners.push(Owner { session: Some(session), to });
    }

    /// Hands out the datagram at `place`, whose block this takes a hold of.
    #[inline(always)]
    pub(crate) fn leave(&mut self, place: Place) {
        if self.held.last() != Some(&place.block) {
            self.pool.hold(place.block);
            self.held.push(place.block);
        }
        let owner = self.owners.len() as u32 - 1;
        if self.trains && self.leaving.last_mut().is_some_and(|last| last.couple(place, owner)) {
            return;
        }
        self.leaving.push(Ready { place, segment: 0, owner });
    }

    /// Hands out `datagram`.
    pub(crate) fn leave_copy(&mut self, datagram: &[u8]) {
        let place = self.pool.append(&mut self.cursor, datagram, Size::Large);
        self.leave(place);
        self.pool.release(place.block);
    }

    /// How many datagrams and trains the current drain hands out so far.
    #[inline]
    pub(crate) fn leaving(&self) -> usize {
        self.leaving.len()
    }

    /// Begins a drain with what sessions said out of turn, at most `max`; the rest may come as `trains`.
    pub(crate) fn begin(&mut self, max: usize, trains: bool) {
        self.trains = trains;
        while self.leaving.len() < max
            && let Some(ready) = self.waiting.pop_front()
        {
            self.leave_whole(ready);
        }
    }

    /// Ends it with answers to strangers.
    pub(crate) fn finish(&mut self, max: usize) {
        while self.leaving.len() < max
            && let Some(ready) = self.strangers.pop_front()
        {
            self.leave_whole(ready);
        }
    }

    fn leave_whole(&mut self, (place, owner): (Place, Owner)) {
        // Its hold becomes the drain's.
        self.held.push(place.block);
        self.leaving.push(Ready { place, segment: 0, owner: self.owners.len() as u32 });
        self.owners.push(owner);
    }

    /// What the drain handed out, lent until [`Outbox::end_loans`].
    pub(crate) fn lend(&mut self) {
        for &block in &self.held {
            self.pool.lend(block);
        }
    }

    /// The host is done with what the last drain lent.
    pub(crate) fn end_loans(&mut self) {
        self.pool.end_loans();
    }

    /// Lets go of what the current drain handed out: lent blocks stay as they are.
    pub(crate) fn release(&mut self) {
        self.leaving.clear();
        self.owners.clear();
        for block in self.held.drain(..) {
            self.pool.release(block);
        }
    }

    /// What the drain handed out.
    pub(crate) fn departures(&self) -> Departures<'_> {
        Departures { pool: &self.pool, ready: self.leaving.iter(), owners: &self.owners }
    }
}

/// Appends a datagram to a queue of at most so many.
fn queue(
    pool: &mut Pool,
    cursor: &mut Cursor,
    (queue, most): (&mut VecDeque<(Place, Owner)>, usize),
    datagram: &[u8],
    owner: Owner,
) -> bool {
    let room = queue.len() < most;
    if room {
        queue.push_back((pool.append(cursor, datagram, Size::Small), owner));
    }
    room
}

/// The datagrams and trains of a drain.
pub(crate) struct Departures<'a> {
    pool: &'a Pool,
    ready: std::slice::Iter<'a, Ready>,
    owners: &'a [Owner],
}

impl<'a> Iterator for Departures<'a> {
    type Item = Datagram<'a>;

    #[inline]
    fn next(&mut self) -> Option<Datagram<'a>> {
        let ready = self.ready.next()?;
        let owner = &self.owners[ready.owner as usize];
        Some(Datagram { data: self.pool.bytes(ready.place), segment_size: ready.segment, session: owner.session, to: owner.to })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.ready.size_hint()
    }
}
