//! A session of a title: its client, a server, a link between them that loses one datagram in twenty each way, and a thousand messages from each.

use crate::common::{CLIENT, Link, MS, Path, Random, SECOND, SERVER, noise};
use crate::host::{Host, Server};
use crate::inbox::Route;
use crate::model::{Model, State};
use crate::titles::{self, Title};

const MESSAGES: usize = 1_000;
/// Each side speaks this often, and says so much.
const BEAT: u64 = 10 * MS;
const AT_ONCE: usize = 4;

const LOSSY: Path = Path { delay_us: 20_000, jitter_us: 0, loss_percent: 5, duplicate_percent: 0 };
/// The same, and later datagrams overtake.
const DISORDERLY: Path = Path { jitter_us: 3_000, ..LOSSY };

/// Who ends a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Client,
    Server,
}

/// What one side says: of one byte to some thousands, text and noise, many that begin like packets do, and round the sizes at which packets are cut. A raw one
/// carries its number, so that it is known again.
fn cargo(title: &Title, seed: u64) -> Vec<(Route, Vec<u8>)> {
    let mut random = Random::new(seed);
    let one = |at: usize| {
        let raw = title.raw && at % 8 == 3;
        let len = match at {
            _ if raw => 8 + random.below(180) as usize,
            900..=935 => at - 900 + 480,
            936..=950 => at - 936 + 246,
            _ if at % 50 == 7 => 1_500 + random.below(2_500) as usize,
            _ if at % 10 == 1 => 200 + random.below(400) as usize,
            _ if at % 17 == 5 => 1,
            _ => 2 + random.below(120) as usize,
        };
        let mut data = match at % 3 {
            0 => b"the quick brown fox ".iter().copied().cycle().take(len).collect(),
            _ => noise(len, random.next_u64()),
        };
        let beginning: &[u8] = match at % 12 {
            // The login, which is plain where others are not.
            _ if at == 0 => &[1],
            0 => &[0],
            3 => &[0, 9],
            4 => &[0, 0x19],
            8 => &[0, 0],
            10 => &[0xff],
            _ => &[],
        };
        let len = beginning.len().min(len);
        data[..len].copy_from_slice(&beginning[..len]);
        if raw {
            data[2..6].copy_from_slice(&(at as u32).to_be_bytes());
        }
        let channel = title.channels[at % title.channels.len()];
        (if raw { Route::Raw } else { Route::Reliable(channel) }, data)
    };
    (0..MESSAGES).map(one).collect()
}

/// All that was sent reliably arrived, in order, and nothing else; most of the rest did, once and as it was.
pub(crate) fn assert_arrived(who: &str, sent: &[(Route, Vec<u8>)], delivered: &[(Route, Vec<u8>)], all: bool) {
    for channel in 0..4 {
        let on = |(route, _): &&(Route, Vec<u8>)| *route == Route::Reliable(channel);
        let mut wanted = sent.iter().filter(on);
        for (at, got) in delivered.iter().filter(on).enumerate() {
            let wanted = wanted.next().unwrap_or_else(|| panic!("{who} got more than was sent: {got:02x?}"));
            assert_eq!(got.1, wanted.1, "{who}'s message {at} on channel {channel}");
        }
        assert!(!all || wanted.next().is_none(), "{who} misses messages of channel {channel}");
    }
    let raw = |messages: &[(Route, Vec<u8>)]| {
        messages.iter().filter(|(route, _)| *route == Route::Raw).map(|(_, data)| data.clone()).collect::<Vec<_>>()
    };
    let (wanted, mut got) = (raw(sent), raw(delivered));
    assert!(got.iter().all(|data| wanted.contains(data)), "{who} got a raw message that nobody sent");
    assert!(!all || got.len() * 10 >= wanted.len() * 8, "{who} got {} of {} raw messages", got.len(), wanted.len());
    got.sort();
    got.dedup();
    assert_eq!(got.len(), raw(delivered).len(), "{who} got a raw message twice");
}

pub(crate) struct Session<S> {
    now: u64,
    seed: u64,
    client: Model,
    server: S,
    up: Link,
    down: Link,
    next_beat: u64,
    /// What the client and the server will say, in reverse.
    unsaid: [Vec<(Route, Vec<u8>)>; 2],
}

impl<S> Drop for Session<S> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the link's seed was {}, the time {} us: {:?}", self.seed, self.now, self.client.counts);
        }
    }
}

impl<S: Server> Session<S> {
    fn new(client: Model, server: S, path: Path, seed: u64) -> Self {
        let now = SECOND;
        let (up, down) = (Link::new(path, seed), Link::new(path, seed ^ 0xd0_17));
        Session { now, seed, client, server, up, down, next_beat: now, unsaid: [vec![], vec![]] }
    }

    fn step(&mut self) {
        while let Some((_, _, datagram)) = self.up.pop(self.now) {
            self.server.feed(self.now, &datagram);
        }
        while let Some((_, _, datagram)) = self.down.pop(self.now) {
            self.client.feed(self.now, &datagram);
        }
        if self.now >= self.next_beat {
            self.next_beat = self.now + BEAT;
            for _ in 0..AT_ONCE {
                if self.client.is_open() {
                    self.unsaid[0].pop().into_iter().for_each(|(route, data)| self.client.send(route, &data));
                }
                if self.server.is_open() {
                    self.unsaid[1].pop().into_iter().for_each(|(route, data)| self.server.send(route, &data));
                }
            }
        }
        for datagram in self.client.turn(self.now) {
            self.up.push(self.now, CLIENT(), SERVER(), &datagram);
        }
        for datagram in self.server.turn(self.now) {
            self.down.push(self.now, SERVER(), CLIENT(), &datagram);
        }
    }

    fn drive_until(&mut self, us: u64, mut done: impl FnMut(&Self) -> bool) -> bool {
        let limit = self.now + us;
        loop {
            self.step();
            if done(self) {
                return true;
            }
            if self.now >= limit {
                return false;
            }
            let beat = self.unsaid.iter().any(|unsaid| !unsaid.is_empty()).then_some(self.next_beat);
            let deadlines = [Some(self.client.next_deadline()), Some(self.server.next_deadline()), beat];
            let next = deadlines.into_iter().chain([self.up.next_arrival(), self.down.next_arrival()]).flatten().fold(limit, u64::min);
            self.now = if next > self.now { next } else { (self.now + MS).min(limit) };
        }
    }

    /// The whole of it.
    fn run(&mut self, by: By) {
        let title = self.client.title.clone();
        let said = [cargo(&title, self.seed), cargo(&title, !self.seed)];
        self.unsaid = said.clone().map(|said| said.into_iter().rev().collect());
        let reliable = |messages: &[(Route, Vec<u8>)]| messages.iter().filter(|(route, _)| matches!(route, Route::Reliable(_))).count();
        let wanted = said.each_ref().map(|said| reliable(said));
        let all = self.drive_until(300 * SECOND, |s| {
            assert_eq!(s.client.heard_reason, None, "the server ended it");
            let arrived = [reliable(s.server.delivered()), reliable(&s.client.delivered)];
            arrived == wanted && s.unsaid.iter().all(Vec::is_empty) && s.client.is_idle()
                || arrived[0] > wanted[0]
                || arrived[1] > wanted[1]
        });
        assert_arrived("the server", &said[0], self.server.delivered(), all);
        assert_arrived("the client", &said[1], &self.client.delivered, all);
        assert!(all, "after 300 s something is missing: {:?}", self.client.counts);
        self.judge_the_exchange(&title);

        // Both fall silent: heartbeats and clocks keep the session.
        (self.up.path, self.down.path) = (Path { loss_percent: 0, ..LOSSY }, Path { loss_percent: 0, ..LOSSY });
        self.drive_until(SECOND, |_| false);
        let before = self.client.counts;
        self.drive_until(100 * SECOND, |_| false);
        // What was asked last is still being answered.
        self.drive_until(SECOND, |s| {
            let counts = s.client.counts;
            counts.heartbeats_heard - before.heartbeats_heard >= counts.heartbeats - before.heartbeats
                && counts.reflects - before.reflects == counts.syncs - before.syncs
        });
        assert_eq!(self.client.state, State::Connected, "the silence is over");
        assert_eq!(self.server.heard_reason(), None);
        let (heartbeats, heard) =
            (self.client.counts.heartbeats - before.heartbeats, self.client.counts.heartbeats_heard - before.heartbeats_heard);
        assert!(heartbeats > 0 || title.clock_sync_ms.is_some());
        assert!(!title.heartbeat_answered || heard >= heartbeats, "{heard} of {heartbeats} heartbeats were answered");
        let (syncs, reflects) = (self.client.counts.syncs - before.syncs, self.client.counts.reflects - before.reflects);
        assert_eq!(reflects, syncs, "clocks asked, and answered");
        assert_eq!(syncs > 0, title.clock_sync_ms.is_some());

        let reason = title.disconnect_reason.then_some(6);
        match by {
            By::Client => {
                self.client.disconnect();
                assert!(self.drive_until(SECOND, |s| s.server.heard_reason().is_some()), "the server heard nothing of the end");
                assert_eq!(self.server.heard_reason(), Some(reason));
            }
            By::Server => {
                self.server.disconnect();
                assert!(self.drive_until(SECOND, |s| s.client.heard_reason.is_some()), "the client heard nothing of the end");
                assert_eq!(self.client.heard_reason, Some(reason));
            }
        }
    }

    /// What the title's servers are known for.
    fn judge_the_exchange(&self, title: &Title) {
        let (acks, packets) = (u64::from(self.client.counts.acks_heard), self.client.reliable_packets());
        assert!(!title.server_acks_each || acks * 10 >= packets * 8, "{acks} acknowledgements of {packets} packets");
        let compresses = title.passes.contains(&1) && title.server_compresses;
        assert_eq!(self.client.counts.compressed_heard > 0, compresses, "compressed: {:?}", self.client.counts);
    }
}

/// The sessions that the client ends are over a link that loses, those that the server ends over one that reorders as well.
fn path(by: By) -> Path {
    match by {
        By::Client => LOSSY,
        By::Server => DISORDERLY,
    }
}

const SESSION_ID: u32 = 0x5eed_0001;

/// The model on both ends: it can hold a session of its title at all.
fn play_alone(title: &Title, seed: u64, by: By) {
    // As a server it never stops sending a lost tail again, which a client that acknowledges everything once can't silence.
    let title = &Title { acks_again: true, ..title.clone() };
    let server = Model::server(title, 0x9e37_79b9, SECOND);
    Session::new(Model::client(title, SESSION_ID, SECOND), server, path(by), seed).run(by);
}

fn play(title: &Title, seed: u64, by: By) {
    let server = Host::new(title, CLIENT(), seed, SECOND);
    Session::new(Model::client(title, SESSION_ID, SECOND), server, path(by), seed).run(by);
}

/// Each preset under each of its title's kinds of server, ended by either side.
macro_rules! sessions {
    ($($name:ident: $title:ident,)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn a_thousand_messages_cross_each_way_and_the_client_ends_it() {
                play(&titles::$title, 1, By::Client);
            }

            #[test]
            fn a_thousand_messages_cross_each_way_and_the_server_ends_it() {
                play(&titles::$title, 2, By::Server);
            }

            #[test]
            fn the_model_can_talk_to_itself() {
                play_alone(&titles::$title, 3, By::Client);
                play_alone(&titles::$title, 4, By::Server);
            }
        }
    )*};
}

sessions! {
    everquest_login_and_world: EVERQUEST,
    everquest_zone: EVERQUEST_ZONE,
    everquest_old_chat: EVERQUEST_OLD_CHAT,
    everquest_2: EVERQUEST_2,
    star_wars_galaxies: STAR_WARS_GALAXIES,
    planetside: PLANETSIDE,
    free_realms_login: FREE_REALMS_LOGIN,
    free_realms_gateway: FREE_REALMS_GATEWAY,
    planetside_2_login: PLANETSIDE_2_LOGIN,
    planetside_2_gateway: PLANETSIDE_2_GATEWAY,
    h1z1_login: H1Z1_LOGIN,
    h1z1_gateway: H1Z1_GATEWAY,
    landmark_login: LANDMARK_LOGIN,
    landmark_gateway: LANDMARK_GATEWAY,
}
