//! A client of a title, driven by its row in the table. It shares no code with the library: what the two understand of each other, each learned from the facts.
//! In the other role it is a server just good enough for its own client.

use crate::inbox::{Decipher, Inbox, News, Route};
use crate::packets::{Packet, escaped};
use crate::sender::{Sender, wrapped};
use crate::titles::{Acks, Cipher, Title};
use crate::transforms::{Codec, Streams};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Client,
    Server,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Negotiating,
    Connected,
    /// The other side's Disconnect came, or ours went.
    Ended,
}

/// In-order data that was not acknowledged yet.
#[derive(Clone, Copy, Default)]
struct Owing {
    stamp: Option<u16>,
    packets: u32,
    last: u64,
}

/// What happened on the side, to be asserted upon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) heartbeats: u32,
    pub(crate) heartbeats_heard: u32,
    pub(crate) syncs: u32,
    pub(crate) reflects: u32,
    pub(crate) compressed_heard: u32,
    pub(crate) acks_heard: u32,
}

pub(crate) struct Model {
    pub(crate) title: Title,
    pub(crate) state: State,
    pub(crate) delivered: Vec<(Route, Vec<u8>)>,
    pub(crate) counts: Counts,
    /// The reason that the other side's Disconnect gave.
    pub(crate) heard_reason: Option<Option<u16>>,
    role: Role,
    now: u64,
    id: u32,
    codec: Codec,
    /// The longest datagram, as negotiated.
    limit: usize,
    confirm: Option<Vec<u8>>,
    inbox: Inbox,
    senders: Vec<Sender>,
    encipher: Option<Decipher>,
    /// What EverQuest II's client will choose (2.2).
    key: [u8; 8],
    answered: bool,
    held: Vec<Vec<u8>>,
    held_since: u64,
    owing: [Owing; 4],
    out: Vec<Vec<u8>>,
    sent: u64,
    received: u64,
    last_sent: u64,
    last_received: u64,
    next_request: u64,
    next_sync: u64,
    asked: Vec<(u16, u64)>,
}

/// EverQuest II's server asks for a key with these (2.2).
pub(crate) const KEY_REQUEST: [u8; 60] = [0xff; 60];

/// What is thrown away of EverQuest II's key streams.
pub(crate) const KEY_DROP: usize = 20;

/// The client's answer: at least 69 bytes, of which the last eight are the key, reversed.
fn key_answer(key: [u8; 8]) -> Vec<u8> {
    let mut answer = vec![0x4b; 61];
    answer.extend(key.iter().rev());
    answer
}

impl Model {
    pub(crate) fn client(title: &Title, id: u32, now: u64) -> Self {
        Model::new(title, Role::Client, id, 0, now)
    }

    pub(crate) fn server(title: &Title, seed: u32, now: u64) -> Self {
        Model::new(title, Role::Server, 0, title.seed.unwrap_or(seed), now)
    }

    fn new(title: &Title, role: Role, id: u32, seed: u32, now: u64) -> Self {
        let mut model = Model {
            title: title.clone(),
            state: State::Negotiating,
            delivered: vec![],
            counts: Counts::default(),
            heard_reason: None,
            role,
            now,
            id,
            codec: title.codec(seed),
            limit: title.udp_length as usize,
            confirm: None,
            inbox: Inbox::new(title, role == Role::Client),
            senders: vec![],
            encipher: None,
            key: [0x1c, 0x5a, 0x00, 0xe3, 0x77, 0x81, 0x0b, 0xd4],
            answered: false,
            held: vec![],
            held_since: 0,
            owing: [Owing::default(); 4],
            out: vec![],
            sent: 0,
            received: 0,
            last_sent: now,
            last_received: now,
            next_request: now,
            next_sync: now,
            asked: vec![],
        };
        model.set_ciphers();
        model
    }

    fn set_ciphers(&mut self) {
        let server = self.role == Role::Server;
        let with =
            |key: &[u8], drop, after_first| Some(Decipher { streams: Streams::new(key, drop, self.title.cipher_shared), after_first });
        (self.encipher, self.inbox.decipher) = match self.title.cipher {
            Cipher::None => (None, None),
            Cipher::FromStart(key) => (with(key, 0, false), with(key, 0, false)),
            // The login is plain; the server says nothing before it.
            Cipher::AtLogin(key) => (with(key, 0, !server), with(key, 0, server)),
            // The key request is plain, and so is the answer; the client sends with the inverted key.
            Cipher::Exchanged => {
                let inverted = self.key.map(|byte| !byte);
                let [up, down] = [&inverted, &self.key].map(|key| with(key, KEY_DROP, true));
                if server { (down, up) } else { (up, down) }
            }
        };
    }

    /// Messages may be sent: connected, and with EverQuest II the keys exchanged.
    pub(crate) fn is_open(&self) -> bool {
        let waits = self.title.cipher == Cipher::Exchanged && self.encipher.as_ref().is_some_and(|encipher| encipher.after_first);
        self.state == State::Connected && !waits
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.senders.iter().all(Sender::is_idle) && self.held.is_empty()
    }

    /// Numbered packets that ever went out, on all channels.
    pub(crate) fn reliable_packets(&self) -> u64 {
        self.senders.iter().map(Sender::numbered).sum()
    }

    pub(crate) fn send(&mut self, route: Route, data: &[u8]) {
        assert_eq!(self.state, State::Connected);
        match route {
            Route::Reliable(channel) => {
                let mut data = data.to_vec();
                let mut ciphered = false;
                if let Some(encipher) = &mut self.encipher {
                    ciphered = !std::mem::take(&mut encipher.after_first);
                    if ciphered {
                        encipher.streams.apply(channel, &mut data);
                    }
                }
                let data = wrapped(&self.title, data, ciphered);
                self.senders[channel].push(&self.title, data);
            }
            Route::Raw => self.put(escaped(data)),
            Route::Ordered => panic!("no title's client sends ordered data"),
        }
    }

    /// Leaves at once and alone; what is still held is lost (udplibrary.md 7).
    pub(crate) fn disconnect(&mut self) {
        let reason = self.title.disconnect_reason.then_some(6);
        self.emit(&Packet::Terminate { id: self.id, reason });
        self.state = State::Ended;
    }

    /// Towards the wire, in a MultiPacket where this title makes them.
    fn put(&mut self, packet: Vec<u8>) {
        let room = self.limit - self.codec.crc - self.codec.expansion();
        if packet.len() > self.title.multi || packet.len() + 3 > room {
            self.flush();
            return self.emit_bytes(&packet);
        }
        if 2 + self.held.iter().map(|held| 1 + held.len()).sum::<usize>() + 1 + packet.len() > room {
            self.flush();
        }
        if self.held.is_empty() {
            self.held_since = self.now;
        }
        self.held.push(packet);
    }

    fn flush(&mut self) {
        let mut held = std::mem::take(&mut self.held);
        match held.len() {
            0 => {}
            1 => self.emit_bytes(&held.remove(0)),
            _ => self.emit(&Packet::Multi(held)),
        }
    }

    fn emit(&mut self, packet: &Packet) {
        self.emit_bytes(&packet.write(self.title.client_groups.long_from()));
    }

    fn emit_bytes(&mut self, packet: &[u8]) {
        let mut datagram = self.codec.seal(packet, self.limit);
        assert!(datagram.len() <= self.limit, "the model is wrong: {} bytes", datagram.len());
        self.sent += 1;
        // Where zeros are as good as a CRC, some datagrams have those.
        if self.title.zero_crc && self.role == Role::Client && self.sent.is_multiple_of(5) {
            let at = datagram.len() - self.codec.crc;
            datagram[at..].fill(0);
        }
        self.last_sent = self.now;
        self.out.push(datagram);
    }

    fn connect(&mut self) {
        let name = self.title.name.map(|name| name.as_bytes().to_vec());
        self.emit(&Packet::Connect { version: self.title.version, id: self.id, udp_length: self.title.udp_length, name });
        self.next_request = self.now + self.title.connect_retry_ms * 1000;
    }

    fn begin(&mut self) {
        self.state = State::Connected;
        let room = self.limit - 4 - self.codec.crc - self.codec.expansion();
        self.senders = (0..4).map(|channel| Sender::new(channel, room)).collect();
        self.next_sync = self.now;
    }

    /// What this client cannot bear panics: then the server is not one for it.
    pub(crate) fn feed(&mut self, now: u64, datagram: &[u8]) {
        self.now = now;
        self.received += 1;
        if self.state == State::Negotiating && !matches!(datagram, [0, 1 | 2, ..]) || self.state == State::Ended {
            return;
        }
        self.last_received = now;
        let side = format!("{:?} {} {:?}", self.title.game, self.title.server, self.role);
        if self.state == State::Connected && !datagram.starts_with(&[0, 2]) {
            assert!(datagram.len() <= self.limit, "{side}: {} bytes where {} were negotiated", datagram.len(), self.limit);
        }
        let opened = self.codec.open(datagram).unwrap_or_else(|error| panic!("{side}: {error}: {datagram:02x?}"));
        assert!(
            !opened.compressed || self.role == Role::Server || self.title.server_compresses,
            "{side}: compressed, which {} is not",
            self.title.server
        );
        self.counts.compressed_heard += u32::from(opened.compressed);
        let mut news = vec![];
        self.inbox.hear(&opened.packet, &mut news).unwrap_or_else(|error| panic!("{side}: {error}"));
        for news in news {
            self.learn(news, datagram);
        }
    }

    fn learn(&mut self, news: News, datagram: &[u8]) {
        match news {
            News::Message(route, data) => self.take(route, data),
            News::Owed { channel, stamp, early, again } => self.owe(channel, stamp, early, again),
            News::Other(packet) => self.serve(packet, datagram),
        }
    }

    fn take(&mut self, route: Route, data: Vec<u8>) {
        if self.title.cipher == Cipher::Exchanged && !self.is_open() && self.role == Role::Client {
            assert_eq!(data, KEY_REQUEST, "the server asks for a key before it says anything");
            return self.send(Route::Reliable(0), &key_answer(self.key));
        }
        if self.title.cipher == Cipher::Exchanged && self.role == Role::Server && !std::mem::replace(&mut self.answered, true) {
            return assert_eq!(data, key_answer(self.key));
        }
        self.delivered.push((route, data));
    }

    /// As EverQuest II's server: the client sent its key.
    pub(crate) fn answered(&self) -> bool {
        self.answered
    }

    fn owe(&mut self, channel: usize, stamp: u16, early: bool, again: bool) {
        let server = self.role == Role::Server;
        if again && !self.title.acks_again && !server {
            return;
        }
        if early {
            if server && !self.title.server_acks_early {
                return;
            }
            return self.put(Packet::Ack { channel, stamp }.write(255));
        }
        let owing = &mut self.owing[channel];
        owing.stamp = Some(stamp);
        owing.packets += 1;
        let now = match self.title.acks {
            _ if server && self.title.server_acks_each => true,
            Acks::Each => true,
            // The turn's end is when UdpLibrary would put it into the buffer; it overwrites there.
            Acks::Deduped => false,
            Acks::Every { packets, .. } => owing.packets >= packets,
        };
        if now {
            self.acknowledge(channel);
        }
    }

    fn acknowledge(&mut self, channel: usize) {
        let Some(stamp) = self.owing[channel].stamp else { return };
        self.owing[channel] = Owing { stamp: None, packets: 0, last: self.now };
        let packet = Packet::AckAll { channel, stamp }.write(255);
        let same = |held: &&mut Vec<u8>| held[..2] == packet[..2];
        match self.held.iter_mut().find(same) {
            Some(held) if self.title.acks == Acks::Deduped => *held = packet,
            _ => self.put(packet),
        }
    }

    fn acknowledgement_due(&self, owing: &Owing) -> Option<u64> {
        owing.stamp.map(|_| match self.title.acks {
            Acks::Every { us, .. } => owing.last + us,
            Acks::Each | Acks::Deduped => 0,
        })
    }

    fn serve(&mut self, packet: Packet, datagram: &[u8]) {
        match packet {
            Packet::Confirm { id, seed, crc, passes, udp_length, version } if self.role == Role::Client && id == self.id => {
                if let Some(first) = &self.confirm {
                    return assert_eq!(first, datagram, "a repeated SessionResponse is the same again");
                }
                let title = &self.title;
                assert_eq!(datagram.len(), title.response, "the length of a SessionResponse");
                assert_eq!(
                    (usize::from(crc), passes, udp_length),
                    (title.crc, title.passes, title.server_udp_length),
                    "the SessionResponse's terms"
                );
                assert!(
                    title.response_version.is_none() || version == title.response_version,
                    "the SessionResponse is of version {version:?}"
                );
                assert!(title.seed.is_none_or(|constant| constant == seed), "a seed of {seed:08x}");
                self.limit = udp_length.min(self.title.udp_length) as usize;
                self.codec.seed = seed;
                self.confirm = Some(datagram.to_vec());
                self.begin();
            }
            Packet::Connect { id, udp_length, .. } if self.role == Role::Server => {
                let title = &self.title;
                let (seed, offer) = (self.codec.seed, title.server_udp_length);
                let version = (title.response == 21).then_some(title.response_version.unwrap_or(0));
                let confirm = Packet::Confirm { id, seed, crc: title.crc as u8, passes: title.passes, udp_length: offer, version };
                if self.state == State::Negotiating {
                    self.id = id;
                    self.limit = udp_length.min(offer) as usize;
                    self.begin();
                    if self.title.cipher == Cipher::Exchanged {
                        self.send(Route::Reliable(0), &KEY_REQUEST);
                    }
                }
                self.emit(&confirm);
            }
            Packet::Ack { channel, stamp } => {
                self.counts.acks_heard += 1;
                self.senders[channel].acknowledged(stamp, false, self.now);
            }
            Packet::AckAll { channel, stamp } => {
                self.counts.acks_heard += 1;
                self.senders[channel].acknowledged(stamp, true, self.now);
            }
            Packet::Terminate { id, reason } => {
                assert_eq!(id, self.id, "a Disconnect names the session");
                self.heard_reason = Some(reason);
                self.state = State::Ended;
            }
            Packet::KeepAlive => {
                self.counts.heartbeats_heard += 1;
                if self.role == Role::Server {
                    self.emit(&Packet::KeepAlive);
                }
            }
            Packet::ClockSync { stamp, sent, received, .. } => {
                let clock = (self.now / 1000) as u32;
                let (ours, theirs) = (self.sent, self.received);
                self.emit(&Packet::ClockReflect { stamp, clock, your_sent: sent, your_received: received, sent: ours, received: theirs });
            }
            Packet::ClockReflect { stamp, your_sent, .. } => {
                assert!(
                    self.asked.contains(&(stamp, your_sent)),
                    "an answer to what nobody asked: {stamp} {your_sent} of {:?}",
                    self.asked
                );
                self.counts.reflects += 1;
            }
            other => panic!("{:?} got {other:02x?}", self.role),
        }
    }

    /// What leaves by `now`.
    pub(crate) fn turn(&mut self, now: u64) -> Vec<Vec<u8>> {
        self.now = now;
        match (self.state, self.role) {
            (State::Negotiating, Role::Client) if now >= self.next_request => self.connect(),
            (State::Connected, _) => self.talk(),
            _ => {}
        }
        std::mem::take(&mut self.out)
    }

    fn talk(&mut self) {
        let now = self.now;
        let silence = now - self.last_received;
        let bears = self.role == Role::Server || silence < self.title.no_data_ms * 1000;
        assert!(bears, "the client heard nothing for {silence} us");
        for channel in 0..4 {
            if self.acknowledgement_due(&self.owing[channel]).is_some_and(|due| due <= now) {
                self.acknowledge(channel);
            }
            for packet in self.senders[channel].turn(&self.title, now) {
                self.put(packet);
            }
        }
        if !self.held.is_empty() && now >= self.held_since + self.title.hold_ms * 1000 {
            self.flush();
        }
        if self.role == Role::Client {
            self.keep_time();
        }
    }

    fn keep_time(&mut self) {
        if self.sync_due().is_some_and(|due| due <= self.now) {
            self.next_sync = self.now + self.title.clock_sync_ms.unwrap_or_default() * 1000;
            self.counts.syncs += 1;
            // What is sent counts this packet, too (udplibrary.md 8).
            let (stamp, sent) = ((self.now / 1000) as u16, self.sent + 1);
            self.asked.push((stamp, sent));
            self.emit(&Packet::ClockSync { stamp, pings: [0; 5], sent, received: self.received });
        }
        if self.heartbeat_due() <= self.now {
            self.counts.heartbeats += 1;
            self.emit(&Packet::KeepAlive);
        }
    }

    fn sync_due(&self) -> Option<u64> {
        self.title.clock_sync_ms.map(|_| self.next_sync)
    }

    /// Version 3 asks after the server's silence, and once a second until it ends; UdpLibrary minds its own.
    fn heartbeat_due(&self) -> u64 {
        let after = self.title.heartbeat_ms * 1000;
        match self.title.is_version_3() {
            true => (self.last_received + after).max(self.last_sent + 1_000_000),
            false => self.last_sent + after,
        }
    }

    pub(crate) fn next_deadline(&self) -> u64 {
        match (self.state, self.role) {
            (State::Negotiating, Role::Client) => self.next_request,
            (State::Connected, _) => {
                let held = (!self.held.is_empty()).then_some(self.held_since + self.title.hold_ms * 1000);
                let client = self.role == Role::Client;
                let own = [held, client.then(|| self.heartbeat_due()), self.sync_due().filter(|_| client)];
                let owing = self.owing.iter().map(|owing| self.acknowledgement_due(owing));
                let senders = self.senders.iter().map(|sender| sender.next_deadline(&self.title));
                let first = own.into_iter().chain(owing).chain(senders).flatten().min().unwrap_or(u64::MAX);
                if self.out.is_empty() { first } else { 0 }
            }
            _ => u64::MAX,
        }
    }
}
