//! Runs a scenario on virtual time: who does what when, and what each host hears.

use crate::common::{MS, Random, SECOND, address, noise, request, response};
use crate::host::{Host, Pace};
use crate::link::{Flight, Network, flip_bits};
use crate::scenario::{Act, Face, Faults, Forgery, SERVER, Sabotage, Scenario};
use crate::talk::{CHANNELS, CLIENT_END, Parcel, Phase, SERVER_END, Talk};
use soe::{Address, ConnectOptions, CrcSeed, Disconnect, Error};
use std::collections::HashMap;

/// What should not have happened.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Scenarios that are made smaller must go on failing in the same way.
    pub kind: &'static str,
    pub at: u64,
    pub what: String,
}

/// What a run was like, for those who ask whether it was worth it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub talks: usize,
    pub delivered: usize,
    pub datagrams: usize,
    pub rebound: usize,
    /// The most memory that a multiplexer held, in percent of what it may.
    pub fullest: usize,
}

impl Tally {
    pub fn add(&mut self, other: &Tally) {
        self.talks += other.talks;
        self.delivered += other.delivered;
        self.datagrams += other.datagrams;
        self.rebound += other.rebound;
        self.fullest = self.fullest.max(other.fullest);
    }
}

pub struct World<'s> {
    pub scenario: &'s Scenario,
    pub now: u64,
    pub hosts: Vec<Host>,
    pub net: Network,
    pub talks: Vec<Talk>,
    pub by_wire_id: HashMap<u32, usize>,
    /// The last talk of each client.
    pub current: Vec<Option<usize>>,
    /// Until when a client's path was slower than those who wait for an answer may be patient.
    pub lagging: Vec<u64>,
    /// Nobody connects any more.
    pub closing: bool,
    /// The sabotage waits for its moment.
    pub fuse: usize,
    pub tally: Tally,
    random: Random,
    parcels: u64,
}

/// What is no session's, but begins or moves one: it has no CRC.
pub fn is_contextless(data: &[u8]) -> bool {
    matches!(data, [0, 1 | 2 | 0x1c | 0x1e, ..] | [0, 0x1d] | [0, 0x1d, 0, 0, 0, 0])
}

impl<'s> World<'s> {
    pub fn new(scenario: &'s Scenario) -> Self {
        let now = SECOND;
        let config = |host: usize| scenario.dialect.config(host == SERVER, (scenario.seed << 8) | (host as u64 + 1));
        let clients = scenario.delays.len();
        let mut random = Random::new(scenario.seed ^ 0x3012);
        World {
            scenario,
            now,
            hosts: (0..=clients).map(|host| Host::new(config(host), address(host as u8 + 1, 10_000), now)).collect(),
            net: Network::new(scenario.seed, &scenario.delays),
            talks: vec![],
            by_wire_id: HashMap::new(),
            current: vec![None; clients],
            lagging: vec![0; clients],
            closing: false,
            fuse: 5 + random.below(20) as usize,
            tally: Tally::default(),
            random,
            parcels: 0,
        }
    }

    /// The whole scenario, and what must come of it.
    pub fn run(mut self) -> Result<Tally, Violation> {
        for step in &self.scenario.steps {
            self.advance(SECOND + step.at)?;
            self.act(&step.act)?;
        }
        self.settle()?;
        Ok(self.tally)
    }

    pub fn violation<T>(&self, kind: &'static str, what: impl Into<String>) -> Result<T, Violation> {
        Err(Violation { kind, at: self.now, what: what.into() })
    }

    /// When something happens next.
    fn next(&self) -> u64 {
        let hosts = self.hosts.iter().flat_map(|host| [host.next_turn(self.now), host.returns_at, host.connects_at]).flatten();
        hosts.chain(self.net.next_arrival()).min().unwrap_or(u64::MAX).max(self.now)
    }

    /// Lets everything happen that happens before `until`, and then it is that time.
    pub fn advance(&mut self, until: u64) -> Result<(), Violation> {
        while self.next() < until {
            self.advance_once()?;
        }
        self.now = self.now.max(until);
        Ok(())
    }

    /// Lets the next thing happen.
    pub fn advance_once(&mut self) -> Result<(), Violation> {
        self.now = self.next();
        for host in 0..self.hosts.len() {
            if self.hosts[host].returns_at.is_some_and(|at| at <= self.now) {
                self.come_back(host);
            }
            if self.hosts[host].connects_at.is_some_and(|at| at <= self.now) {
                self.connect(host - 1)?;
            }
        }
        while let Some(flight) = self.net.pop(self.now) {
            self.arrive(&flight);
        }
        for host in 0..self.hosts.len() {
            if self.hosts[host].next_turn(self.now).is_some_and(|at| at <= self.now) {
                self.turn(host)?;
            }
        }
        Ok(())
    }

    fn act(&mut self, act: &Act) -> Result<(), Violation> {
        let now = self.now;
        match *act {
            Act::Connect { client } => self.connect(client)?,
            Act::Send { client, up, channel, len, count } => self.say(client, up, channel as usize, len, count)?,
            Act::Disconnect { client, up, flush } => self.disconnect(client, up, flush)?,
            Act::Faults { client, up, lasting, faults } => self.trouble(client, up, lasting, faults),
            Act::Jump { us } => {
                self.now += us;
                self.hosts.iter_mut().for_each(|host| (host.strained_at, host.prompt_since) = (Some(now + us), now + us));
            }
            Act::Pace { host, lasting, every, most } => {
                self.hosts[host].pace = Some(Pace { until: now + lasting, every, most, next: now });
                self.hosts[host].strained_at = Some(now);
            }
            Act::Rebind { client } => {
                self.move_on(client);
                if let Some(talk) = self.current[client].map(|talk| &mut self.talks[talk]) {
                    // What was answered at the old address is not found at the new one.
                    talk.disturbed |= !talk.is_open();
                    talk.moved_at = Some(now);
                }
            }
            Act::Vanish { host, lasting, elsewhere } => {
                if self.hosts[host].mux.is_none() {
                    return Ok(());
                }
                for talk in &mut self.talks {
                    // What was answered is forgotten before it opened.
                    talk.disturbed |= host == SERVER && talk.ends[SERVER_END].phase == Phase::Unheard;
                    for end in talk.ends.iter_mut().filter(|end| end.host == host && matches!(end.phase, Phase::Connecting | Phase::Open)) {
                        end.phase = Phase::Gone;
                    }
                }
                self.hosts[host].vanish(now + lasting);
                if host != SERVER && elsewhere {
                    self.move_on(host - 1);
                }
            }
            Act::Forge { to, face, kind, count } => self.forge(to, face, kind, count),
        }
        Ok(())
    }

    fn trouble(&mut self, client: usize, up: bool, lasting: u64, faults: Faults) {
        self.net.trouble(client, up, self.now + lasting, faults);
        if self.net.lag(client, self.now) >= SECOND / 4 {
            // What is under way then comes late too.
            self.lagging[client] = self.now + lasting + 2 * SECOND;
        }
    }

    /// The client's datagrams come from another port from now on.
    fn move_on(&mut self, client: usize) {
        let old = self.hosts[client + 1].address;
        self.hosts[client + 1].address = address(client as u8 + 2, old.port() + 1);
    }

    pub fn come_back(&mut self, host: usize) {
        self.hosts[host].start(self.now);
        self.hosts[host].strained_at = Some(self.now);
        if host != SERVER && !self.closing {
            self.hosts[host].connects_at = Some(self.now);
        }
    }

    fn connect(&mut self, client: usize) -> Result<(), Violation> {
        self.hosts[client + 1].connects_at = None;
        let over = self.current[client].is_none_or(|talk| self.talks[talk].ends[CLIENT_END].is_over());
        if self.hosts[client + 1].mux.is_none() || !over {
            return Ok(());
        }
        if self.current[client].is_some() && (!self.scenario.dialect.tells_sessions_apart() || self.random.percent(50)) {
            self.move_on(client);
        }
        let wire_id = 1 + self.random.below(u64::from(u32::MAX)) as u32;
        let (now, server) = (self.now, self.hosts[SERVER].address);
        let options = ConnectOptions { session_id_on_wire: wire_id, ..Default::default() };
        let id = match self.hosts[client + 1].on(|mux| mux.connect(now, &server, &options)) {
            Some(Ok(id)) => id,
            other => return self.violation("connect", format!("client {client} can't connect: {other:?}")),
        };
        let talk = self.talks.len();
        self.talks.push(Talk::new(wire_id, client, now));
        self.talks[talk].ends[CLIENT_END].id = Some(id);
        // What was not said in the talk before is said in this one.
        for end in 0..2 {
            if let Some(last) = self.current[client] {
                self.talks[talk].ends[end].backlog = std::mem::take(&mut self.talks[last].ends[end].backlog);
            }
        }
        self.hosts[client + 1].sessions.insert(id, (talk, CLIENT_END));
        self.hosts[client + 1].touched = true;
        self.by_wire_id.insert(wire_id, talk);
        self.current[client] = Some(talk);
        self.tally.talks += 1;
        Ok(())
    }

    /// One end has messages for the other.
    pub fn say(&mut self, client: usize, up: bool, channel: usize, len: usize, count: usize) -> Result<(), Violation> {
        let Some(talk) = self.current[client] else { return Ok(()) };
        let end = usize::from(!up);
        let [server, theirs] = [SERVER, client + 1].map(|host| &self.hosts[host].config);
        // What is narrow carries little in the time that there is.
        let window = server.send_window.min(server.receive_window);
        let payload = server.udp_length.min(theirs.udp_length).saturating_sub(12);
        let len = len.min((4 * window * payload).min(server.max_message) as usize);
        for _ in 0..count {
            self.parcels += 1;
            let seed = self.scenario.seed ^ self.parcels << 32;
            self.talks[talk].ends[end].backlog.push_back(Parcel { seed, channel, len });
        }
        self.send_backlog(talk, end)
    }

    pub fn disconnect(&mut self, client: usize, up: bool, flush: bool) -> Result<(), Violation> {
        let Some(talk) = self.current[client] else { return Ok(()) };
        let (at, now) = (usize::from(!up), self.now);
        let reason = [soe::reason::APPLICATION, 77][self.random.below(2) as usize];
        let how = if flush { Disconnect::Flush } else { Disconnect::Now };
        let end = &self.talks[talk].ends[at];
        let (host, Some(id), true) = (end.host, end.id, end.phase == Phase::Open && end.asked.is_none()) else { return Ok(()) };
        match self.hosts[host].on(|mux| mux.disconnect(id, reason, how)) {
            Some(Ok(())) => self.talks[talk].ends[at].asked = Some((now, reason, flush)),
            // Its end is among the events that were not read.
            Some(Err(Error::State)) if self.hosts[host].pace.is_some() => {}
            other => return self.violation("disconnect", format!("an open session answers {other:?}")),
        }
        self.hosts[host].touched = true;
        Ok(())
    }

    /// Who is at an address.
    fn at(&self, address: &Address) -> Option<usize> {
        self.hosts.iter().position(|host| host.address == *address && host.mux.is_some())
    }

    fn arrive(&mut self, flight: &Flight) {
        let Some(host) = self.at(&flight.to) else { return };
        let now = self.now;
        if !flight.genuine {
            self.note_disturbance(host, flight);
        }
        let Host { mux: Some(mux), sessions, .. } = &self.hosts[host] else { return };
        if let Some(&(talk, at)) = mux.find(&flight.from).and_then(|id| sessions.get(&id)) {
            let end = &mut self.talks[talk].ends[at];
            if is_contextless(&flight.data) {
                if matches!(flight.data[1], 1 | 0x1d) {
                    end.hinted_at = Some(now);
                }
            } else if flight.genuine && flight.tag == Some((talk, 1 - at)) && end.phase == Phase::Open && !flight.data.starts_with(&[0, 5])
            {
                // A goodbye may be a forged request's, refused by a new server there.
                end.heard_at = now;
            }
        }
        self.hosts[host].on(|mux| mux.feed(now, &flight.from, &flight.data));
        self.hosts[host].touched = true;
    }

    /// What has no CRC can be damaged and forged, and a session that is not open yet can fail by it.
    fn note_disturbance(&mut self, host: usize, flight: &Flight) {
        let client = if host == SERVER { self.hosts.iter().position(|host| host.address == flight.from) } else { Some(host) };
        let Some(talk) = client.and_then(|client| self.current[client.checked_sub(1)?]).map(|talk| &mut self.talks[talk]) else { return };
        match flight.data[..] {
            [0, 1, ..] | [0, 0x1e, ..] => talk.disturbed |= !talk.is_open(),
            [0, 2, a, b, c, d, ..] if host != SERVER && talk.ends[CLIENT_END].phase == Phase::Connecting => {
                let ours = u32::from_be_bytes([a, b, c, d]) == talk.wire_id;
                talk.disturbed |= ours;
                talk.deluded |= ours;
            }
            _ => {}
        }
    }

    fn forge(&mut self, to: usize, face: Face, kind: Forgery, count: usize) {
        let stranger = address(200, 1_000 + kind as u16);
        let refused = match face {
            Face::Peer(client) => kind == Forgery::Request && !self.may_be_requested(client),
            // Without a CRC a copy of a request opens a session, and a copy of anything speaks in it.
            Face::Stranger => kind == Forgery::Damaged && self.hosts[SERVER].config.crc_length < 2,
        };
        if refused {
            return;
        }
        for turn in 0..count {
            let from = match face {
                Face::Stranger => stranger,
                Face::Peer(client) if to == SERVER => self.hosts[client + 1].address,
                Face::Peer(_) => self.hosts[SERVER].address,
            };
            let random = &mut self.random;
            let (word, other) = (random.next_u64() as u32, random.next_u64() as u32);
            let body = noise(random.below(40) as usize, u64::from(word));
            let config = &self.hosts[to].config;
            let name = config.application_protocol.clone().unwrap_or_default();
            let data = match kind {
                Forgery::Noise => noise(1 + random.below(600) as usize, u64::from(word)),
                Forgery::Request => {
                    let version = if config.protocol_version == 0 { 3 } else { config.protocol_version };
                    request(version, word, 512, &name)
                }
                Forgery::Response => response(word, other, random.below(5) as u8, [0, random.below(5) as u8], 512, 3),
                Forgery::UnknownSender => vec![0, 0x1d],
                Forgery::Remap => [&[0, 0x1e][..], &word.to_be_bytes(), &other.to_be_bytes()].concat(),
                Forgery::PortAlive => [&[0, 0x1c][..], &body].concat(),
                // Requests have a kind of their own.
                Forgery::Unsealed => [&[0, 2 + random.below(0x1e) as u8][..], &body].concat(),
                Forgery::Damaged => {
                    let (client, up) = match face {
                        Face::Peer(client) => (client, to == SERVER),
                        Face::Stranger => (0, to == SERVER),
                    };
                    let mut copy = self.net.seen[client][usize::from(up)].clone();
                    if random.percent(60) || copy.is_empty() {
                        flip_bits(&mut copy, random);
                    } else {
                        copy.truncate(random.below(copy.len() as u64) as usize);
                    }
                    copy
                }
            };
            let flight = Flight::forged((from, self.hosts[to].address), data);
            // Whether a request may be taken for a real one depends on what is open now.
            if kind == Forgery::Request || self.random.percent(50) {
                self.arrive(&flight);
            } else {
                self.net.forge(self.now + turn as u64 * self.random.below(50 * MS), flight);
            }
        }
    }

    /// Where no CRC tells sessions apart, what opens may be the forger's request: that is so, and no finding. Where a seed is fixed, a request can only raise doubts
    /// about a session that is open. And where a client has moved to, a request keeps the server from saying that it knows nobody there.
    fn may_be_requested(&self, client: usize) -> bool {
        let config = &self.hosts[SERVER].config;
        let finds = |at: usize, address| self.hosts[at].mux.as_ref().is_some_and(|mux| mux.find(address).is_some());
        let found = finds(SERVER, &self.hosts[client + 1].address) && finds(client + 1, &self.hosts[SERVER].address);
        let opens = self.current[client].is_none_or(|talk| !self.talks[talk].is_open());
        let open = found && !opens;
        config.crc_length >= 2 && !config.accept_zero_crc && (open || opens && config.crc_seed == CrcSeed::Random)
    }

    /// Everything that is wrong with the paths and the hosts ends.
    pub fn calm(&mut self) {
        self.net.calm();
        let now = self.now;
        for host in 0..self.hosts.len() {
            if self.hosts[host].pace.take().is_some() {
                (self.hosts[host].strained_at, self.hosts[host].prompt_since) = (Some(now), now);
            }
            self.hosts[host].touched = true;
            if self.hosts[host].returns_at.is_some() {
                self.come_back(host);
            }
        }
    }

    /// A message on each channel that may not lose any, both ways.
    pub fn greet(&mut self) -> Result<(), Violation> {
        for client in 0..self.current.len() {
            for channel in 0..4 {
                self.say(client, true, channel, 20, 1)?;
                self.say(client, false, channel, 20, 1)?;
            }
        }
        Ok(())
    }

    /// The sabotage happens now: once.
    pub fn goes_off(&mut self, sabotage: Sabotage) -> bool {
        if self.scenario.sabotage != Some(sabotage) || self.fuse == 0 {
            return false;
        }
        self.fuse -= 1;
        self.fuse == 0
    }
}

/// The channel's number among [`CHANNELS`].
pub fn number_of(channel: soe::Channel) -> usize {
    CHANNELS.iter().position(|c| *c == channel).unwrap_or_default()
}
