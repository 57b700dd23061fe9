//! One multiplexer of ours, and the other end played by hand.

use super::{Answer, CLIENT, Node, PROTOCOL, SECOND, SERVER, Wire, hex, request, response};
use soe::{Address, Config, ConnectOptions, SessionId};

pub struct Puppet {
    pub node: Node,
    /// The open session.
    pub wire: Wire,
    /// Where we pretend to be.
    pub me: Address,
    pub now: u64,
    pub id: SessionId,
    /// The next sequence that [`Puppet::deliver`] uses, by channel.
    next: [u16; 4],
}

impl Puppet {
    pub const ID: u32 = 0x1122_3344;
    pub const SEED: u32 = 0x5566_7788;

    /// A server that nobody has talked to.
    pub fn stranger(config: Config) -> Self {
        let wire = Wire { id: Self::ID, seed: 0, crc_length: 0, flag: false };
        let node = Node::new(config, SERVER(), SECOND);
        Puppet { node, wire, me: CLIENT(), now: SECOND, id: SessionId::from_raw(0), next: [0; 4] }
    }

    /// We are the client of a server that answered; it has not yet seen a datagram of the session.
    pub fn half_open(config: Config) -> Self {
        let name = config.application_protocol.clone().unwrap_or_else(|| PROTOCOL.to_vec());
        let mut puppet = Puppet::stranger(config);
        let out = puppet.say(&request(3, Self::ID, 512, &name));
        assert_eq!(out.len(), 1, "one answer to a SessionRequest, not {out:?}");
        puppet.wire = Answer::read(&out[0]).unwrap_or_else(|| panic!("no SessionResponse: {}", hex(&out[0]))).into();
        assert_eq!(puppet.wire.id, Self::ID);
        puppet
    }

    /// We are the client of a server, and the session is open.
    pub fn client(config: Config) -> Self {
        let mut puppet = Puppet::half_open(config);
        puppet.say(&puppet.wire.heartbeat());
        puppet.id = puppet.node.connected().expect("connected by the first good datagram");
        puppet.node.take();
        puppet
    }

    /// We are the server of a client that asked and has no answer yet.
    pub fn asked(config: Config) -> Self {
        let wire = Wire { id: Self::ID, seed: Self::SEED, crc_length: 2, flag: false };
        let node = Node::new(config, CLIENT(), SECOND);
        let mut puppet = Puppet { node, wire, me: SERVER(), now: SECOND, id: SessionId::from_raw(0), next: [0; 4] };
        let options = ConnectOptions { session_id_on_wire: Self::ID, ..Default::default() };
        puppet.id = puppet.node.mux.connect(puppet.now, &SERVER(), &options).expect("a session");
        assert_eq!(puppet.node.turn(puppet.now).len(), 1, "one SessionRequest");
        puppet
    }

    /// We are the server of a client, and the session is open.
    pub fn server(config: Config) -> Self {
        let mut puppet = Puppet::asked(config);
        puppet.say(&response(Self::ID, Self::SEED, 2, [0, 0], 512, 3));
        assert_eq!(puppet.node.connected(), Some(puppet.id), "connected by the SessionResponse");
        puppet.node.take();
        puppet
    }

    /// A datagram from us; what comes back to us at once.
    pub fn say(&mut self, datagram: &[u8]) -> Vec<Vec<u8>> {
        let me = self.me;
        self.say_from(&me, datagram).into_iter().filter(|(to, _)| *to == me).map(|(_, data)| data).collect()
    }

    /// A datagram from somebody; whatever is sent at once, to anybody.
    pub fn say_from(&mut self, from: &Address, datagram: &[u8]) -> Vec<(Address, Vec<u8>)> {
        self.node.mux.feed(self.now, from, datagram);
        self.node.turn(self.now)
    }

    /// Time passes without a word from us; what is sent, and when.
    pub fn wait(&mut self, us: u64) -> Vec<(u64, Vec<u8>)> {
        let limit = self.now + us;
        let mut heard = vec![];
        loop {
            heard.extend(self.node.turn(self.now).into_iter().map(|(_, data)| (self.now, data)));
            if self.now >= limit {
                return heard;
            }
            self.now = self.node.mux.next_deadline().clamp(self.now + 1, limit);
        }
    }

    /// The packets that come back at once, MultiPackets taken apart.
    pub fn packets_after(&mut self, datagram: &[u8]) -> Vec<Vec<u8>> {
        let wire = self.wire;
        self.say(datagram).iter().flat_map(|datagram| wire.packets(datagram)).collect()
    }

    /// A small reliable message, next in order on its channel.
    pub fn deliver(&mut self, channel: u8, data: &[u8]) -> Vec<Vec<u8>> {
        let sequence = self.next[usize::from(channel)];
        self.next[usize::from(channel)] = sequence.wrapping_add(1);
        self.say(&self.wire.seal(&Wire::reliable(channel, sequence, data)))
    }

    /// The session hears us and we hear it.
    pub fn assert_alive(&mut self) {
        self.node.take();
        self.deliver(3, b"still there?");
        let heard = self.node.take_messages();
        assert!(heard.contains(&(soe::Channel::Reliable3, b"still there?".to_vec())), "the session is deaf: {heard:?}");
        self.node.mux.send(self.id, soe::Channel::Reliable3, b"still here").expect("an open session");
        let wire = self.wire;
        let said = self.node.turn(self.now);
        let said: Vec<_> = said.iter().filter(|(to, _)| *to == self.me).flat_map(|(_, data)| wire.packets(data)).collect();
        let packet = said.iter().find(|packet| packet.ends_with(b"still here")).unwrap_or_else(|| panic!("the session is mute: {said:?}"));
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        self.say(&wire.seal(&Wire::ack_all(3, sequence)));
        self.node.take();
    }
}
