//! What every contender is put through: a transfer over a simulated path, a burst in memory, a crowd of sessions.

use crate::contenders::{Crowd, End};
use crate::link::{Link, Path};

/// How often a host ticks in the absence of a deadline, in microseconds.
const TICK: u64 = 5_000;

/// What the client says.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) messages: u64,
    /// Bytes of each, at least 16.
    pub(crate) size: usize,
    pub(crate) pace: Pace,
    /// Virtual microseconds after which a transfer counts as broken off.
    pub(crate) limit: u64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// As fast as the contender takes them.
    Flat,
    /// So many in each frame of a game loop, so many microseconds apart.
    Frames { messages: u64, every: u64 },
}

pub(crate) struct Report {
    /// Every message arrived once, in order, unchanged, in time.
    pub(crate) intact: bool,
    /// Virtual seconds from the first message to the last delivery.
    pub(crate) seconds: f64,
    pub(crate) payload_bytes: u64,
    /// Both ways, IP and UDP headers included.
    pub(crate) wire_bytes: u64,
    /// Milliseconds from send to delivery, sorted.
    pub(crate) latency: Vec<f64>,
}

impl Report {
    /// `share` of the messages were delivered within so many milliseconds.
    pub(crate) fn percentile(&self, share: f64) -> f64 {
        let at = (self.latency.len().saturating_sub(1) as f64 * share) as usize;
        self.latency.get(at).copied().unwrap_or(f64::NAN)
    }
}

/// A message that shows its number, when it was sent, and any damage.
fn write(message: &mut [u8], number: u64, at: u64) {
    message[..8].copy_from_slice(&number.to_be_bytes());
    message[8..16].copy_from_slice(&at.to_be_bytes());
    for (i, byte) in message.iter_mut().enumerate().skip(16) {
        *byte = (number as usize * 31 + i * 7) as u8;
    }
}

/// The client's side of a transfer.
struct Speaker<'a> {
    load: &'a Load,
    sent: u64,
    began: Option<u64>,
    next_frame: u64,
    message: Vec<u8>,
}

impl Speaker<'_> {
    /// Sends what is due; what the contender does not take is due again.
    fn speak(&mut self, now: u64, client: &mut impl End) {
        let begin = *self.began.get_or_insert(now);
        self.next_frame = self.next_frame.max(begin);
        let due = match self.load.pace {
            Pace::Flat => self.load.messages,
            Pace::Frames { messages, every } => {
                while self.next_frame <= now {
                    self.next_frame += every;
                }
                (self.next_frame - begin) / every * messages
            }
        };
        while self.sent < due.min(self.load.messages) {
            let at = match self.load.pace {
                Pace::Flat => now,
                // Its frame's time: a message that was held back has waited since then.
                Pace::Frames { messages, every } => begin + self.sent / messages * every,
            };
            write(&mut self.message, self.sent, at);
            if !client.send(&self.message) {
                return;
            }
            self.sent += 1;
        }
    }

    fn next(&self) -> u64 {
        let waits = matches!(self.load.pace, Pace::Frames { .. }) && self.began.is_some() && self.sent < self.load.messages;
        if waits { self.next_frame } else { u64::MAX }
    }
}

/// The load from one side to the other over a path. The same seed, the same accidents.
pub(crate) fn transfer<E: End>((mut client, mut server): (E, E), path: &Path, load: &Load, seed: u64) -> Report {
    let (mut up, mut down) = (Link::new(path, seed), Link::new(path, seed ^ 0xABCD));
    let mut speaker = Speaker { load, sent: 0, began: None, next_frame: 0, message: vec![0; load.size] };
    let (mut expected, mut intact, mut received, mut finished) = (vec![0; load.size], true, 0, 0);
    let mut latency = Vec::with_capacity(load.messages as usize);
    let (mut now, mut next_tick) = (0, 0);
    while received < load.messages && now < load.limit {
        while let Some(datagram) = up.pop(now) {
            server.feed(now, &datagram);
        }
        while let Some(datagram) = down.pop(now) {
            client.feed(now, &datagram);
        }
        for side in [&mut client, &mut server] {
            if now >= next_tick || now >= side.deadline() {
                side.tick(now);
            }
        }
        if now >= next_tick {
            next_tick = now + TICK;
        }
        server.receive(|message| {
            let at = message.get(8..16).and_then(|at| at.try_into().ok()).map_or(0, u64::from_be_bytes);
            write(&mut expected, received, at);
            intact &= *message == expected[..];
            latency.push(now.saturating_sub(at) as f64 / 1e3);
            received += 1;
            finished = now;
        });
        client.receive(|_| {});
        if client.is_open() {
            speaker.speak(now, &mut client);
        }
        client.drain(now, |datagram| up.push(now, datagram));
        server.drain(now, |datagram| down.push(now, datagram));
        now = [next_tick, up.next_arrival(), down.next_arrival(), client.deadline(), server.deadline(), speaker.next()]
            .into_iter()
            .fold(u64::MAX, u64::min)
            .max(now + 1);
    }
    latency.sort_by(f64::total_cmp);
    Report {
        intact: intact && received == load.messages,
        seconds: (finished.saturating_sub(speaker.began.unwrap_or(0))) as f64 / 1e6,
        payload_bytes: received * load.size as u64,
        wire_bytes: up.bytes + down.bytes,
        latency,
    }
}

/// Messages from one side to the other in memory, as fast as one core moves them.
#[derive(Clone, Debug)]
pub(crate) struct Burst {
    pub(crate) messages: u64,
    pub(crate) size: usize,
    /// So many are sent before each exchange of datagrams.
    pub(crate) at_once: u64,
}

pub(crate) struct Work {
    /// Every message arrived, in order, as long as it was.
    pub(crate) intact: bool,
    /// Of processor time, both ends together.
    pub(crate) seconds: f64,
    pub(crate) datagrams: u64,
}

/// Rounds without a delivery after which a burst counts as broken off.
const PATIENCE: u32 = 5_000;

pub(crate) fn work<E: End>((mut client, mut server): (E, E), burst: &Burst) -> Work {
    let (mut now, mut message) = (0, vec![7; burst.size]);
    let (mut sent, mut received, mut idle, mut intact) = (0u64, 0u64, 0, true);
    let (mut datagrams, mut begin) = (0, None);
    while received < burst.messages && idle < PATIENCE {
        if client.is_open() {
            begin.get_or_insert_with(seconds);
            let until = burst.messages.min(sent + burst.at_once);
            while sent < until {
                message[0] = sent as u8;
                if !client.send(&message) {
                    break;
                }
                sent += 1;
            }
        }
        idle += 1;
        // Two turns of a game loop's host, and in each datagrams go back and forth until there are none.
        for _ in 0..2 {
            now += 3_000;
            client.tick(now);
            server.tick(now);
            loop {
                let moved = client.carry(now, &mut server) + server.carry(now, &mut client);
                server.receive(|message| {
                    intact &= message.len() == burst.size && message.first() == Some(&(received as u8));
                    received += 1;
                    idle = 0;
                });
                client.receive(|_| {});
                if moved == 0 {
                    break;
                }
                datagrams += moved;
            }
        }
    }
    let seconds = begin.map_or(0.0, |begin| seconds() - begin);
    Work { intact: intact && received == burst.messages, seconds, datagrams }
}

pub(crate) struct Crowded {
    /// Sessions on which a message arrived while they were opened.
    pub(crate) open: u64,
    /// Of processor time, for a server's turn with nothing to do.
    pub(crate) idle_seconds: f64,
    /// For one side of one session; `None` where the system doesn't say.
    pub(crate) bytes: Option<f64>,
    /// Sessions that were asked to speak at the end, and whose message arrived.
    pub(crate) asked: u64,
    pub(crate) answered: u64,
}

/// Processor time of this thread, in seconds: what else the machine does is not counted.
#[cfg(target_os = "linux")]
fn seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Seconds of real time: elsewhere the machine should be idle.
#[cfg(not(target_os = "linux"))]
fn seconds() -> f64 {
    static BEGIN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    BEGIN.get_or_init(std::time::Instant::now).elapsed().as_secs_f64()
}

/// Resident memory of this process, in bytes.
fn resident() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(statm.split(' ').nth(1)?.parse::<u64>().ok()? * 4096)
}

/// Opens `n` sessions with a message each way, ticks while nothing happens, and asks up to 1,000 of them whether they still work.
pub(crate) fn crowd<C: Crowd>(make: impl FnOnce() -> C, n: u32) -> Crowded {
    const AT_ONCE: u32 = 500;
    let before = resident();
    let mut now = 0;
    let mut hosts = make();
    let settle = |hosts: &mut C, now: &mut u64| {
        (0..6)
            .map(|_| {
                *now += 5_000;
                hosts.round(*now)
            })
            .sum::<u64>()
    };
    let mut open = 0;
    for index in 0..n {
        hosts.connect(now, index);
        if index % AT_ONCE == AT_ONCE - 1 || index + 1 == n {
            open += settle(&mut hosts, &mut now);
        }
    }
    let after = resident();
    let (begin, mut rounds) = (seconds(), 0);
    while rounds < 2_000 && seconds() - begin < 2.0 {
        // Many between two looks at the clock, which takes longer than a good tick.
        for _ in 0..100 {
            now += 1_000;
            hosts.idle(now);
        }
        rounds += 100;
    }
    let idle_seconds = (seconds() - begin) / f64::from(rounds);
    let asked = n.min(1_000);
    for i in 0..asked {
        hosts.say(now, (u64::from(i) * u64::from(n) / u64::from(asked)) as u32);
    }
    let answered = settle(&mut hosts, &mut now);
    let bytes = before.zip(after).map(|(before, after)| after.saturating_sub(before) as f64 / f64::from(n) / 2.0);
    Crowded { open, idle_seconds, bytes, asked: asked.into(), answered }
}
