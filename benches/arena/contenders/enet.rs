//! ENet, through its port rusty_enet 0.4.1, with the MTU of 576 that is its smallest.

use super::{Crowd, End};
use rusty_enet::{Address, Event, Host, HostSettings, MTU_MAX, Packet, PacketReceived, PeerID, Socket};
use std::cell::Cell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

/// What the protocol's peer ids leave room for.
pub(crate) const MOST_PEERS: u32 = 4095;
const GREETING: &[u8] = &[1; 16];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Place(u32);

impl Address for Place {
    fn same_host(&self, other: &Self) -> bool {
        self == other
    }

    fn same(&self, other: &Self) -> bool {
        self == other
    }

    fn is_broadcast(&self) -> bool {
        false
    }
}

/// The socket that a host believes in: two queues.
#[derive(Default)]
struct Wire {
    inbound: VecDeque<(Place, Vec<u8>)>,
    outbound: Vec<(Place, Vec<u8>)>,
}

impl Socket for Wire {
    type Address = Place;
    type Error = Infallible;

    fn send(&mut self, to: Place, datagram: &[u8]) -> Result<usize, Infallible> {
        self.outbound.push((to, datagram.to_vec()));
        Ok(datagram.len())
    }

    fn receive(&mut self, buffer: &mut [u8; MTU_MAX]) -> Result<Option<(Place, PacketReceived)>, Infallible> {
        Ok(self.inbound.pop_front().map(|(from, datagram)| {
            buffer[..datagram.len()].copy_from_slice(&datagram);
            (from, PacketReceived::Complete(datagram.len()))
        }))
    }
}

/// A host, its clock, and what it delivered.
struct Node {
    host: Host<Wire>,
    clock: Rc<Cell<u64>>,
    inbox: Vec<(PeerID, Packet)>,
    opened: Vec<PeerID>,
}

impl Node {
    fn new(peers: u32, seed: u32) -> Self {
        let clock = Rc::new(Cell::new(0));
        let time = clock.clone();
        let settings = HostSettings {
            peer_limit: peers as usize,
            channel_limit: 1,
            time: Box::new(move || Duration::from_micros(time.get())),
            seed: Some(seed),
            ..Default::default()
        };
        let mut host = Host::new(Wire::default(), settings).expect("valid settings");
        host.set_mtu(576).expect("a valid MTU");
        Node { host, clock, inbox: Vec::new(), opened: Vec::new() }
    }

    fn connect(&mut self, to: u32) -> PeerID {
        self.host.connect(Place(to), 1, 0).expect("a free peer").id()
    }

    fn service(&mut self, now: u64) {
        self.clock.set(now);
        while let Ok(Some(event)) = self.host.service() {
            match event {
                Event::Connect { peer, .. } => self.opened.push(peer.id()),
                Event::Receive { peer, packet, .. } => self.inbox.push((peer.id(), packet)),
                Event::Disconnect { .. } => {}
            }
        }
    }

    fn flush(&mut self, now: u64) -> std::vec::Drain<'_, (Place, Vec<u8>)> {
        self.clock.set(now);
        self.host.flush();
        self.host.socket_mut().outbound.drain(..)
    }

    fn carry(&mut self, now: u64, to: &mut Node) -> u64 {
        let before = to.host.socket().inbound.len();
        let datagrams = self.flush(now);
        to.host.socket_mut().inbound.extend(datagrams);
        let count = to.host.socket().inbound.len() - before;
        if count > 0 {
            to.service(now);
        }
        count as u64
    }
}

pub(crate) struct Side(Node);

pub(crate) fn pair() -> (Side, Side) {
    let (mut client, server) = (Node::new(4, 9), Node::new(4, 8));
    client.connect(0);
    (Side(client), Side(server))
}

impl Side {
    fn peer(&self) -> Option<PeerID> {
        self.0.opened.last().copied()
    }
}

impl End for Side {
    fn is_open(&self) -> bool {
        self.peer().is_some_and(|peer| self.0.host.peer(peer).connected())
    }

    fn send(&mut self, data: &[u8]) -> bool {
        self.peer().is_some_and(|peer| self.0.host.peer_mut(peer).send(0, &Packet::reliable(data)).is_ok())
    }

    fn feed(&mut self, now: u64, datagram: &[u8]) {
        self.0.host.socket_mut().inbound.push_back((Place(0), datagram.to_vec()));
        self.0.service(now);
    }

    fn tick(&mut self, now: u64) {
        self.0.service(now);
    }

    fn drain(&mut self, now: u64, mut sink: impl FnMut(&[u8])) {
        for (_, datagram) in self.0.flush(now) {
            sink(&datagram);
        }
    }

    fn receive(&mut self, mut sink: impl FnMut(&[u8])) {
        for (_, packet) in self.0.inbox.drain(..) {
            sink(packet.data());
        }
    }

    fn carry(&mut self, now: u64, to: &mut Self) -> u64 {
        self.0.carry(now, &mut to.0)
    }
}

pub(crate) struct Hosts {
    client: Node,
    server: Node,
    /// The client's peers, by index.
    peers: Vec<PeerID>,
}

impl Hosts {
    pub(crate) fn new(most: u32) -> Self {
        Hosts { client: Node::new(most, 9), server: Node::new(most, 8), peers: Vec::new() }
    }
}

impl Crowd for Hosts {
    fn connect(&mut self, now: u64, index: u32) {
        self.client.clock.set(now);
        self.peers.push(self.client.connect(index));
    }

    fn say(&mut self, _now: u64, index: u32) {
        let peer = self.peers[index as usize];
        let _ = self.client.host.peer_mut(peer).send(0, &Packet::reliable(GREETING));
    }

    fn round(&mut self, now: u64) -> u64 {
        let Hosts { client, server, .. } = self;
        client.service(now);
        server.service(now);
        let mut heard = 0;
        while client.carry(now, server) + server.carry(now, client) > 0 {
            client.inbox.clear();
            for peer in client.opened.drain(..) {
                let _ = client.host.peer_mut(peer).send(0, &Packet::reliable(GREETING));
            }
            heard += server.inbox.len() as u64;
            for (peer, _) in server.inbox.drain(..) {
                let _ = server.host.peer_mut(peer).send(0, &Packet::reliable(GREETING));
            }
        }
        heard
    }

    fn idle(&mut self, now: u64) {
        self.server.service(now);
        self.server.flush(now);
    }
}
