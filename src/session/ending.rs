//! All that ends a session.

use super::{CHANNELS, Session, Shared, State};
use crate::codec::Codec;
use crate::event::{EndedBy, reason};
use crate::mux::events::Kind;
use crate::pool::NONE;
use crate::wire;

/// What ended a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The host wanted it, with this reason.
    Host(u16),
    /// The host wanted it, and the peer not told.
    HostSilent(u16),
    /// The peer's Disconnect.
    Peer(u16),
    /// No answer to the SessionRequest in time.
    NoAnswer,
    /// The peer was silent for too long.
    Inactive,
    /// A reliable packet stayed unacknowledged for too long.
    Unacknowledged,
    /// The peer said that it knows no session here, and stayed silent.
    Unreachable,
    /// A new session from the same address proved itself, and the old one stayed silent.
    Replaced,
    /// Too many malformed packets behind good CRCs.
    Corrupt,
    /// The peer began more than a session may hold, or holds memory that others need and does nothing with it.
    Overflow,
}

impl Ending {
    /// The one table: who ended it, with which reason, and whether the peer is told.
    fn terms(self) -> (EndedBy, u16, bool) {
        match self {
            Ending::Host(code) => (EndedBy::Host, code, true),
            Ending::HostSilent(code) => (EndedBy::Host, code, false),
            Ending::Peer(code) => (EndedBy::Peer, code, false),
            Ending::NoAnswer => (EndedBy::Library, reason::CONNECT_FAIL, false),
            Ending::Inactive => (EndedBy::Library, reason::TIMEOUT, true),
            Ending::Unacknowledged => (EndedBy::Library, reason::UNACKNOWLEDGED_TIMEOUT, true),
            Ending::Unreachable => (EndedBy::Library, reason::UNREACHABLE_CONNECTION, false),
            // What is at the address now is another session: a Disconnect of this one would be a bad CRC to it.
            Ending::Replaced => (EndedBy::Library, reason::NEW_CONNECTION_ATTEMPT, false),
            Ending::Overflow => (EndedBy::Library, reason::RELIABLE_OVERFLOW, true),
            Ending::Corrupt => (EndedBy::Library, reason::CORRUPT_PACKET, true),
        }
    }
}

impl Session {
    pub(crate) fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Ends the session: the peer is told where it should be, the host hears of it, and all buffers go. The id stays good until the host has heard.
    pub(crate) fn end(&mut self, shared: &mut Shared, codec: &mut Codec, ending: Ending) {
        if self.has_ended() {
            return;
        }
        let (by, code, tell) = ending.terms();
        if tell && self.state != State::Connecting {
            let (mut packet, mut datagram) = (Vec::new(), Vec::new());
            let reason = Some(code).filter(|_| shared.config.disconnect_has_reason);
            wire::Disconnect { session_id: self.wire_id, reason }.write(&mut packet);
            codec.seal(&self.agreed.sealing, &packet, &mut datagram);
            self.reply(shared, &datagram);
        }
        self.state = State::Ended;
        self.release(shared);
        shared.timers.clear(self.slot());
        shared.stats.sessions_disconnected += 1;
        shared.events.push(self.whose(), shared.now, Kind::Disconnected(by, code));
    }

    /// Gives back everything that was taken while busy.
    fn release(&mut self, shared: &mut Shared) {
        for channel in 0..CHANNELS {
            if let Some(sender) = shared.senders.get_mut(self.senders[channel]) {
                sender.end(&mut shared.out.pool);
                shared.senders.give_back(self.senders[channel]);
                self.senders[channel] = NONE;
            }
            if let Some(receiver) = shared.receivers.get_mut(self.receivers[channel]) {
                shared.held_bytes -= receiver.memory();
                receiver.end();
                shared.receivers.give_back(self.receivers[channel]);
                self.receivers[channel] = NONE;
            }
        }
        if let Some(lossy) = shared.lossy.get_mut(self.lossy) {
            for queued in lossy.queue.drain(..) {
                shared.out.pool.release(queued.place.block);
            }
            (lossy.bytes, lossy.answers) = (0, 0);
            shared.lossy.give_back(self.lossy);
            self.lossy = NONE;
        }
        if self.path != NONE {
            shared.paths.give_back(self.path);
            self.path = NONE;
        }
    }
}
