//! A title's server: the library behind its preset, and the little that its host does. The proofs put a model in its place.

use crate::common::{Node, SERVER, What};
use crate::inbox::Route;
use crate::model::{KEY_DROP, KEY_REQUEST, Model, State};
use crate::presets::server;
use crate::titles::{Cipher, Game, Title};
use soe::{Channel, Direction, Disconnect, EndedBy, Key, Scope, SessionId, reason};

/// What a session needs of its server.
pub(crate) trait Server {
    fn feed(&mut self, now: u64, datagram: &[u8]);
    fn turn(&mut self, now: u64) -> Vec<Vec<u8>>;
    fn next_deadline(&self) -> u64;
    /// Messages may be sent.
    fn is_open(&self) -> bool;
    fn send(&mut self, route: Route, data: &[u8]);
    fn delivered(&self) -> &[(Route, Vec<u8>)];
    /// The reason that the client's Disconnect gave.
    fn heard_reason(&self) -> Option<Option<u16>>;
    fn disconnect(&mut self);
}

pub(crate) struct Host {
    title: Title,
    node: Node,
    client: soe::Address,
    session: Option<SessionId>,
    /// The cipher stands, where the title has one that begins in mid-session.
    keyed: bool,
    delivered: Vec<(Route, Vec<u8>)>,
    ended: Option<(EndedBy, u16)>,
}

impl Host {
    pub(crate) fn new(title: &Title, client: soe::Address, seed: u64, now: u64) -> Self {
        let keyed = matches!(title.cipher, Cipher::None | Cipher::FromStart(_));
        let mut node = Node::new(server(title, seed), SERVER(), now);
        // One drain at a time: a cipher may begin behind any message.
        node.reads_events = false;
        Host { title: title.clone(), node, client, session: None, keyed, delivered: vec![], ended: None }
    }

    fn read_events(&mut self) {
        while self.node.read_some_events(64) > 0 {
            for what in self.node.take_seen() {
                match what.what {
                    What::Connected(name) => {
                        assert_eq!(name, self.title.name.unwrap_or_default().as_bytes(), "the client's name");
                        assert!(self.session.replace(what.session).is_none(), "a second session");
                        if self.title.cipher == Cipher::Exchanged {
                            self.send(Route::Reliable(0), &KEY_REQUEST);
                        }
                    }
                    What::Message(channel, data) => self.message(channel, data),
                    What::Disconnected(by, reason) => {
                        assert_ne!(by, EndedBy::Library, "the server gave up, for {reason}");
                        self.ended = Some((by, reason));
                    }
                    What::Writable => {}
                    other => panic!("an event that nobody caused: {other:?}"),
                }
            }
        }
    }

    fn message(&mut self, channel: Channel, data: Vec<u8>) {
        let first = !std::mem::replace(&mut self.keyed, true);
        match self.title.cipher {
            Cipher::AtLogin(key) if first => self.set_cipher(Direction::Both, key, 0),
            Cipher::Exchanged if first => {
                assert!(data.len() >= 69, "the answer to the key request has {} bytes", data.len());
                let key: Vec<u8> = data[data.len() - 8..].iter().rev().copied().collect();
                let inverted: Vec<u8> = key.iter().map(|byte| !byte).collect();
                self.set_cipher(Direction::Send, &key, KEY_DROP);
                return self.set_cipher(Direction::Receive, &inverted, KEY_DROP);
            }
            _ => {}
        }
        self.delivered.push((
            match channel {
                Channel::Unreliable => Route::Raw,
                Channel::Ordered | Channel::Ordered2 => Route::Ordered,
                reliable => Route::Reliable(reliable as usize),
            },
            data,
        ));
    }

    fn set_cipher(&mut self, direction: Direction, key: &[u8], drop: usize) {
        let scope = match self.title.game {
            Game::H1Z1 | Game::Landmark => Scope::ReliableAndOrdered,
            _ => Scope::Reliable,
        };
        let cipher = soe::Cipher { direction, key: Some(Key::new(key).expect("a key")), drop: drop as u32, scope };
        self.node.mux.set_cipher(self.session.expect("a session"), &cipher).expect("a cipher");
    }
}

impl Server for Host {
    fn feed(&mut self, now: u64, datagram: &[u8]) {
        self.node.mux.feed(now, &self.client, datagram);
    }

    fn turn(&mut self, now: u64) -> Vec<Vec<u8>> {
        self.node.mux.tick(now);
        self.read_events();
        let mut out = vec![];
        self.node.drain(now, &mut out);
        assert!(out.iter().all(|(to, _)| *to == self.client), "a datagram for somebody else");
        out.into_iter().map(|(_, data)| data).collect()
    }

    fn next_deadline(&self) -> u64 {
        self.node.mux.next_deadline()
    }

    fn is_open(&self) -> bool {
        self.session.is_some() && self.keyed && self.ended.is_none()
    }

    fn send(&mut self, route: Route, data: &[u8]) {
        let channel = match route {
            Route::Reliable(channel) => Channel::try_from(channel as u32).expect("a channel"),
            Route::Raw => Channel::Unreliable,
            Route::Ordered => Channel::Ordered,
        };
        self.node.mux.send(self.session.expect("a session"), channel, data).expect("room to send");
    }

    fn delivered(&self) -> &[(Route, Vec<u8>)] {
        &self.delivered
    }

    fn heard_reason(&self) -> Option<Option<u16>> {
        self.ended.map(|(by, reason)| {
            assert_eq!(by, EndedBy::Peer, "the client ended it, for {reason}");
            (reason != reason::NONE).then_some(reason)
        })
    }

    fn disconnect(&mut self) {
        self.node.mux.disconnect(self.session.expect("a session"), reason::APPLICATION, Disconnect::Now).expect("a session that is open");
    }
}

impl Server for Model {
    fn feed(&mut self, now: u64, datagram: &[u8]) {
        Model::feed(self, now, datagram);
    }

    fn turn(&mut self, now: u64) -> Vec<Vec<u8>> {
        Model::turn(self, now)
    }

    fn next_deadline(&self) -> u64 {
        Model::next_deadline(self)
    }

    fn is_open(&self) -> bool {
        // Once the client has spoken: before its SessionResponse it hears nothing.
        Model::is_open(self) && if self.title.cipher == Cipher::Exchanged { self.answered() } else { !self.delivered.is_empty() }
    }

    fn send(&mut self, route: Route, data: &[u8]) {
        Model::send(self, route, data);
    }

    fn delivered(&self) -> &[(Route, Vec<u8>)] {
        &self.delivered
    }

    fn heard_reason(&self) -> Option<Option<u16>> {
        assert_ne!(self.state, State::Negotiating);
        self.heard_reason
    }

    fn disconnect(&mut self) {
        Model::disconnect(self);
    }
}
