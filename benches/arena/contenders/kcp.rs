//! KCP, through the kcp crate 0.6.0, in its documented fast mode: nodelay, 10 ms, resend after 2, no congestion control; a window of 256 packets, MTU 512.

use super::{Crowd, End};
use kcp::Kcp;
use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;

const MTU: usize = 512;
/// Fewer than 128 fragments, each behind a header of 24 bytes.
pub(crate) const LONGEST: usize = 127 * (MTU - 24);
/// Packets waiting from which on the host holds back, as KCP itself never does.
const PATIENCE: usize = 4096;
const GREETING: &[u8] = &[1; 16];

#[derive(Clone, Default)]
struct Wire(Rc<RefCell<Vec<Vec<u8>>>>);

impl Write for Wire {
    fn write(&mut self, datagram: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().push(datagram.to_vec());
        Ok(datagram.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn conversation(number: u32, wire: &Wire, now: u64) -> Kcp<Wire> {
    let mut kcp = Kcp::new(number, wire.clone());
    kcp.set_mtu(MTU).expect("a valid MTU");
    kcp.set_nodelay(true, 10, 2, true);
    kcp.set_wndsize(256, 256);
    kcp.set_rx_minrto(30);
    update(&mut kcp, now);
    kcp
}

fn update(kcp: &mut Kcp<Wire>, now: u64) {
    kcp.update((now / 1000) as u32).expect("updated");
}

fn receive(kcp: &mut Kcp<Wire>, buffer: &mut Vec<u8>, mut sink: impl FnMut(&[u8])) {
    while let Ok(size) = kcp.peeksize() {
        buffer.resize(buffer.len().max(size), 0);
        match kcp.recv(buffer) {
            Ok(size) => sink(&buffer[..size]),
            Err(_) => return,
        }
    }
}

pub(crate) struct Side {
    kcp: Kcp<Wire>,
    wire: Wire,
    buffer: Vec<u8>,
}

pub(crate) fn pair() -> (Side, Side) {
    let side = || {
        let wire = Wire::default();
        Side { kcp: conversation(7, &wire, 0), wire, buffer: Vec::new() }
    };
    (side(), side())
}

impl End for Side {
    /// There is no handshake.
    fn is_open(&self) -> bool {
        true
    }

    fn send(&mut self, data: &[u8]) -> bool {
        self.kcp.wait_snd() < PATIENCE && self.kcp.send(data).is_ok()
    }

    fn feed(&mut self, _now: u64, datagram: &[u8]) {
        let _ = self.kcp.input(datagram);
    }

    fn tick(&mut self, now: u64) {
        update(&mut self.kcp, now);
    }

    fn drain(&mut self, now: u64, mut sink: impl FnMut(&[u8])) {
        update(&mut self.kcp, now);
        for datagram in self.wire.0.borrow_mut().drain(..) {
            sink(&datagram);
        }
    }

    fn receive(&mut self, sink: impl FnMut(&[u8])) {
        receive(&mut self.kcp, &mut self.buffer, sink);
    }

    fn carry(&mut self, now: u64, to: &mut Self) -> u64 {
        let mut count = 0;
        self.drain(now, |datagram| {
            to.feed(now, datagram);
            count += 1;
        });
        count
    }
}

/// A KCP host holds its conversations itself: here in a list, the conversation's number the place in it.
#[derive(Default)]
struct Host {
    sessions: Vec<Kcp<Wire>>,
    wire: Wire,
}

impl Host {
    fn update(&mut self, now: u64) {
        for kcp in &mut self.sessions {
            update(kcp, now);
        }
    }

    /// Returns the conversations that heard something.
    fn feed(&mut self, from: &Host) -> Vec<usize> {
        let heard = |datagram: Vec<u8>| {
            let index = kcp::get_conv(&datagram) as usize;
            let _ = self.sessions[index].input(&datagram);
            index
        };
        from.wire.0.borrow_mut().drain(..).map(heard).collect()
    }
}

#[derive(Default)]
pub(crate) struct Hosts {
    client: Host,
    server: Host,
}

impl Crowd for Hosts {
    fn connect(&mut self, now: u64, index: u32) {
        for host in [&mut self.client, &mut self.server] {
            host.sessions.push(conversation(index, &host.wire, now));
        }
        self.say(now, index);
    }

    fn say(&mut self, _now: u64, index: u32) {
        let _ = self.client.sessions[index as usize].send(GREETING);
    }

    fn round(&mut self, now: u64) -> u64 {
        self.client.update(now);
        self.server.update(now);
        let (mut messages, mut buffer) = (0, Vec::new());
        for index in self.server.feed(&self.client) {
            let kcp = &mut self.server.sessions[index];
            let mut heard = 0;
            receive(kcp, &mut buffer, |_| heard += 1);
            for _ in 0..heard {
                let _ = kcp.send(GREETING);
            }
            messages += heard;
        }
        for index in self.client.feed(&self.server) {
            receive(&mut self.client.sessions[index], &mut buffer, |_| {});
        }
        messages
    }

    fn idle(&mut self, now: u64) {
        self.server.update(now);
        self.server.wire.0.borrow_mut().clear();
    }
}
